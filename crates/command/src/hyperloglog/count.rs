//! PFCOUNT.

use super::estimate::{Counts, counts, estimate};
use super::format::{Encoding, HEADER, known_count, opened, raise, remember_count};
use super::{Corrupted, KEY, REGISTERS, Registers, sparse};
use crate::spec::{Arity, Command, Fanout, Flags, Group, KeySpec, Spec};
use crate::{Args, Ctx, Failure};

/// Counts distinct elements.
pub const PFCOUNT: Command = Command::new(
    Spec {
        name: "PFCOUNT",
        arity: Arity::at_least(2),
        keys: &[KeySpec {
            notes: "RW because it may change the internal representation of the key, and propagate to replicas",
            ..KeySpec::range(1, -1, 1, &["RW", "access"])
        }],
        flags: Flags::READONLY,
        fanout: Fanout::Loan,
        group: Group::HyperLogLog,
        since: "2.8.9",
        complexity: "O(1) with a very small average constant time when called with a single key. O(N) with N being the number of keys, and much bigger constant times, when called with multiple keys.",
        summary: "Returns the approximated cardinality of the set(s) observed by the HyperLogLog key(s).",
        args: &[KEY.multiple()],
        ..Spec::NEW
    },
    pfcount,
);

fn pfcount(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let count = if args.len() == 2 { count_one(ctx, args)? } else { count_all(ctx, args)? };
    ctx.reply.integer(count as i64);
    Ok(())
}

/// The count of one key, which it remembers. That is no change: whoever computes it again gets the same.
fn count_one(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<u64, Failure> {
    let (key, now) = (args.key(1), ctx.now);
    let mut keyspace = ctx.keyspace();
    let Some(value) = keyspace.string(&key, now)? else { return Ok(0) };
    let (bytes, encoding) = opened(value)?;
    let (known, count) = match known_count(bytes) {
        Some(count) => (true, Ok(count)),
        None => (false, counts_of(bytes, encoding).map(|counts| estimate(&counts))),
    };
    keyspace.annotate_string(&key, now, |bytes| {
        if let (false, Ok(count)) = (known, count) {
            remember_count(bytes, count);
        }
    })?;
    Ok(count?)
}

/// How many registers of a string have each value. O(registers) if dense, O(runs) if sparse.
fn counts_of(bytes: &[u8], encoding: Encoding) -> Result<Counts, Corrupted> {
    if encoding == Encoding::Sparse {
        let mut counts = [0; 64];
        sparse::count(&mut counts, &bytes[HEADER..])?;
        return Ok(counts);
    }
    let mut registers = [0; REGISTERS];
    raise(&mut registers, bytes, encoding)?;
    Ok(counts(&registers))
}

/// The count of all keys together.
fn count_all(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<u64, Failure> {
    let mut registers = [0; REGISTERS];
    for position in 1..args.len() {
        raise_by(ctx, args, position, &mut registers)?;
    }
    Ok(estimate(&counts(&registers)))
}

/// Raises every register to at least what the key at `position` says; gives its encoding, `None` when
/// it is absent. O(registers).
pub(super) fn raise_by(
    ctx: &mut Ctx<'_>,
    args: &Args<'_>,
    position: usize,
    registers: &mut Registers,
) -> Result<Option<Encoding>, Failure> {
    let (key, now) = (args.key(position), ctx.now);
    let mut keyspace = ctx.keyspace();
    let Some(value) = keyspace.string(&key, now)? else { return Ok(None) };
    let (bytes, encoding) = opened(value)?;
    raise(registers, bytes, encoding)?;
    Ok(Some(encoding))
}

#[cfg(test)]
mod tests {
    use crate::check::{World, check};
    use resp::write::Protocol;

    #[test]
    fn pfcount_counts_one_key_or_the_union_of_several() {
        check(
            "PFADD a 1 2 3; PFADD b 3 4; PFCOUNT a; PFCOUNT b; PFCOUNT a b; PFCOUNT none a; PFCOUNT none; PFCOUNT none none",
            "1; 1; 3; 2; 4; 3; 0; 0",
        );
    }

    #[test]
    fn a_count_that_was_kept_is_believed() {
        let header = "HYLL\\x01abc\\x05\\x00\\x00\\x00\\x00\\x00\\x00";
        check(
            &format!(
                "SET k \"{header}\\x00\\x7f\\xff\"; OBJECT ENCODING k; PFCOUNT k; OBJECT ENCODING k; PFCOUNT k k"
            ),
            "OK; embstr; 5; raw; 0",
        );
        check(&format!("SET k \"{header}\\x80\\x7f\\xff\"; PFCOUNT k"), "OK; 0");
        check(
            &format!("SET k \"{header}\\x80\\x7f\\xff\" EX 9; PFCOUNT k; GETRANGE k 8 15; TTL k"),
            "OK; 0; \\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00; 9",
        );
    }

    #[test]
    fn counting_is_no_change() {
        let mut world = World::new(Protocol::Resp2);
        world.script("PFADD k a");
        let changes = world.store.changes();
        world.script("PFCOUNT k");
        assert_eq!(world.store.changes(), changes);
    }

    #[test]
    fn many_elements_are_counted_within_the_error_in_both_encodings() {
        let mut world = World::new(Protocol::Resp2);
        for number in 0..20_000 {
            world.run(&[b"PFADD", b"k", format!("element:{number}").as_bytes()]);
            if number == 999 {
                assert_eq!(world.run(&[b"PFDEBUG", b"ENCODING", b"k"]), b"+sparse\r\n");
                let count = world.script("PFCOUNT k")[0].to_string().parse::<i64>().unwrap();
                assert!((980..=1020).contains(&count), "{count}");
            }
        }
        let count = world.script("PFCOUNT k")[0].to_string().parse::<i64>().unwrap();
        assert!((19_500..=20_500).contains(&count), "{count}");
    }
}
