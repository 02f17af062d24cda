//! PFADD.

use super::element::place;
use super::format::{Encoding, HEADER, empty, forget_count, opened, raise_one};
use super::sparse::{Hint, SPLIT_BYTES_MAX};
use super::{Corrupted, KEY, dense, sparse};
use crate::spec::{Arg, Arity, Command, Flags, Group, KeySpec, Spec};
use crate::{Args, Ctx, Failure};
use store::{Expiry, Look, Value};

/// Adds elements.
pub const PFADD: Command = Command::new(
    Spec {
        name: "PFADD",
        arity: Arity::at_least(2),
        keys: &[KeySpec::one(1, &["RW", "insert"])],
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
        group: Group::HyperLogLog,
        since: "2.8.9",
        complexity: "O(1) to add every element.",
        summary: "Adds elements to a HyperLogLog key. Creates the key if it doesn't exist.",
        args: &[KEY, Arg::string("element").optional().multiple()],
        ..Spec::NEW
    },
    pfadd,
);

fn pfadd(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let (key, now) = (args.key(1), ctx.now);
    let sparse_bytes_max = ctx.settings.size(base::settings::HLL_SPARSE_MAX_BYTES);
    let Ctx { store, reply, db, .. } = ctx;
    let mut keyspace = store.db(*db);
    let new = match keyspace.string_as(&key, Look::Write, now)? {
        None => {
            let mut new = empty();
            raise_all(&mut new, args.from(2).map(place), sparse_bytes_max)?;
            Ok(Some(new))
        }
        Some(value) => match opened(value)? {
            (_, Encoding::Dense) => {
                let changed = keyspace.edit_string(&key, 0, now, |bytes| add(bytes, args))?;
                reply.integer(i64::from(changed));
                return Ok(());
            }
            (bytes, Encoding::Sparse) => added(bytes, args, sparse_bytes_max),
        },
    };
    if let Ok(Some(new)) = &new {
        keyspace.set_value(&key, Value::Raw(new), Expiry::Keep, now);
    } else {
        // What was not changed still has become `raw`, as in Redis.
        keyspace.annotate_string(&key, now, |_| ())?;
    }
    reply.integer(i64::from(new?.is_some()));
    Ok(())
}

/// Adds the elements to a dense string; says twice whether that changed it.
fn add(bytes: &mut [u8], args: &Args<'_>) -> (bool, bool) {
    let mut changed = false;
    for (index, value) in args.from(2).map(place) {
        changed |= dense::raise_one(&mut bytes[HEADER..], index, value);
    }
    if changed {
        forget_count(bytes);
    }
    (changed, changed)
}

/// What a sparse string is with the elements; `None` when it is the same.
fn added(
    bytes: &[u8],
    args: &Args<'_>,
    sparse_bytes_max: usize,
) -> Result<Option<Vec<u8>>, Corrupted> {
    // Most elements have been seen before: nothing is copied for them.
    let mut places = args.from(2).map(place);
    let first = loop {
        match places.next() {
            None => return Ok(None),
            Some((index, value)) if sparse::value(bytes, index)? < value => break (index, value),
            Some(_) => {}
        }
    };
    let mut new = Vec::with_capacity(bytes.len() + SPLIT_BYTES_MAX);
    new.extend_from_slice(bytes);
    raise_all(&mut new, std::iter::once(first).chain(places), sparse_bytes_max)?;
    Ok(Some(new))
}

fn raise_all(
    bytes: &mut Vec<u8>,
    places: impl Iterator<Item = (usize, u8)>,
    sparse_bytes_max: usize,
) -> Result<(), Corrupted> {
    for place in places {
        raise_one(bytes, place, sparse_bytes_max, &mut Hint::START.clone())?;
    }
    forget_count(bytes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::check::{World, check};
    use resp::write::Protocol;

    const A: &str = "HYLL\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x80q\\xa6\\x84NW";

    #[test]
    fn pfadd_says_whether_a_register_was_raised_and_makes_the_key() {
        check("PFADD k a b c; PFADD k a b; PFADD k d; PFADD k; PFCOUNT k", "1; 0; 1; 0; 4");
        check("PFADD k; PFADD k; PFCOUNT k; TYPE k; OBJECT ENCODING k", "1; 0; 0; string; raw");
        check("PFADD k a EX; EXPIRE k 9; PFADD k b; TTL k", "1; 1; 1; 9");
    }

    #[test]
    fn the_string_is_the_one_of_redis() {
        check("PFADD k a; GET k; STRLEN k", &format!("1; {A}; 21"));
        let counted = A.replace("\\x00\\x80q", "\\x00\\x00q").replacen(
            "\\x00\\x00\\x00\\x00",
            "\\x00\\x00\\x00\\x01",
            1,
        );
        check(
            "PFADD k a; PFCOUNT k; GET k; PFADD k a; GET k",
            &format!("1; 1; {counted}; 0; {counted}"),
        );
    }

    #[test]
    fn a_sparse_string_becomes_dense_beyond_its_limit() {
        let mut world = World::new(Protocol::Resp2);
        world.configure("hll-sparse-max-bytes", "30");
        let mut lens = Vec::new();
        for number in 0..8 {
            world.run(&[b"PFADD", b"k", number.to_string().as_bytes()]);
            lens.push(world.script("STRLEN k")[0].to_string());
        }
        assert!(lens.contains(&"12304".to_owned()), "{lens:?}");
        assert!(
            lens.iter().all(|len| len == "12304" || len.parse::<u32>().unwrap() <= 30),
            "{lens:?}"
        );
        let replies =
            world.script("PFCOUNT k; PFADD k 0 1 2; PFADD k 8; PFCOUNT k; PFDEBUG ENCODING k");
        let shown: Vec<String> = replies.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["8", "0", "1", "9", "dense"]);
    }

    #[test]
    fn strings_that_are_no_hyperloglogs_are_refused_and_kept() {
        let wrong = "WRONGTYPE Key is not a valid HyperLogLog string value.";
        for value in [
            "\"\"",
            "12",
            "HYLL",
            "HYLLHYLLHYLLHYLL",
            "\"HYLL\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\"",
            "\"HYLL\\x02\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\"",
        ] {
            check(
                &format!(
                    "SET k {value}; PFADD k a; PFADD k; PFCOUNT k; PFCOUNT k k; PFMERGE k; PFMERGE d k; PFDEBUG DECODE k; EXISTS d"
                ),
                &format!("OK; {wrong}; {wrong}; {wrong}; {wrong}; {wrong}; {wrong}; {wrong}; 0"),
            );
        }
    }

    #[test]
    fn corrupted_registers_are_found_when_they_are_read() {
        let corrupted = "INVALIDOBJ Corrupted HLL object detected";
        let header = "HYLL\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x80";
        for runs in [
            "",
            "\\x7f",
            "\\x7f\\xfe",
            "\\x7f\\xff\\x00",
            "\\x7f\\xff\\x40",
            "\\x7f\\xff\\x7f\\xff\\x7f\\xff",
        ] {
            check(
                &format!(
                    "SET k \"{header}{runs}\"; PFCOUNT k; PFCOUNT k x; PFMERGE k; PFMERGE d k; PFDEBUG TODENSE k; EXISTS d; PFADD k"
                ),
                &format!(
                    "OK; {corrupted}; {corrupted}; {corrupted}; {corrupted}; {corrupted}; 0; 0"
                ),
            );
        }
        check(
            &format!("SET k \"{header}\\x00\"; PFADD k a; STRLEN k"),
            &format!("OK; {corrupted}; 17"),
        );
    }
}
