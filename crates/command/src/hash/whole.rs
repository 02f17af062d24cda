//! Whole hashes: listing them, walking over them, drawing from them.

use super::KEY;
use crate::draws::{self, Count};
use crate::spec::{Arg, ArgKind, Arity, Command, Flags, Group, KeySpec, Spec};
use crate::string::reply_text;
use crate::walk::{self, WalkOptions};
use crate::{Args, Ctx, Failure};
use base::Prng;
use resp::write::{Protocol, Writer};
use std::collections::HashSet;
use store::{Field, Hash, Look, Str};

/// Returns all fields of a hash with their values.
pub const HGETALL: Command = Command::new(
    Spec {
        name: "HGETALL",
        arity: Arity::exactly(2),
        keys: &[KeySpec::one(1, &["RO", "access"])],
        flags: Flags::READONLY,
        group: Group::Hash,
        since: "2.0.0",
        complexity: "O(N) where N is the size of the hash.",
        summary: "Returns all fields of a hash with their values.",
        args: &[KEY],
        tips: &["nondeterministic_output_order"],
        ..Spec::NEW
    },
    hgetall,
);

fn hgetall(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let Ctx { store, reply, db, now, .. } = ctx;
    let Some(hash) = store.db(*db).hash(&args.key(1), Look::Read, *now)? else {
        reply.map(0);
        return Ok(());
    };
    // What has expired but is not gone is counted by the hash and not shown.
    let open = hash.has_deadlines().then(|| reply.deferred_map());
    if open.is_none() {
        reply.map(hash.len());
    }
    let mut shown = 0;
    for field in hash.iter() {
        reply_text(reply, field.name);
        reply_text(reply, field.value);
        shown += 1;
    }
    if let Some(open) = open {
        reply.close(open, shown);
    }
    Ok(())
}

/// Lists one half of each field.
fn list(
    ctx: &mut Ctx<'_>,
    args: &Args<'_>,
    half: impl Fn(Field<'_>) -> Str<'_>,
) -> Result<(), Failure> {
    let Ctx { store, reply, db, now, .. } = ctx;
    let Some(hash) = store.db(*db).hash(&args.key(1), Look::Read, *now)? else {
        reply.array(0);
        return Ok(());
    };
    let open = hash.has_deadlines().then(|| reply.deferred_array());
    if open.is_none() {
        reply.array(hash.len());
    }
    let shown = hash.iter().map(|field| reply_text(reply, half(field))).count();
    if let Some(open) = open {
        reply.close(open, shown);
    }
    Ok(())
}

/// Returns the names of all fields of a hash.
pub const HKEYS: Command = Command::new(
    Spec {
        name: "HKEYS",
        arity: Arity::exactly(2),
        keys: &[KeySpec::one(1, &["RO", "access"])],
        flags: Flags::READONLY,
        group: Group::Hash,
        since: "2.0.0",
        complexity: "O(N) where N is the size of the hash.",
        summary: "Returns the names of all fields of a hash.",
        args: &[KEY],
        tips: &["nondeterministic_output_order"],
        ..Spec::NEW
    },
    hkeys,
);

fn hkeys(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    list(ctx, args, |field| field.name)
}

/// Returns the values of all fields of a hash.
pub const HVALS: Command = Command::new(
    Spec {
        name: "HVALS",
        arity: Arity::exactly(2),
        keys: &[KeySpec::one(1, &["RO", "access"])],
        flags: Flags::READONLY,
        group: Group::Hash,
        since: "2.0.0",
        complexity: "O(N) where N is the size of the hash.",
        summary: "Returns the values of all fields of a hash.",
        args: &[KEY],
        tips: &["nondeterministic_output_order"],
        ..Spec::NEW
    },
    hvals,
);

fn hvals(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    list(ctx, args, |field| field.value)
}

/// Iterates over the fields of a hash with their values.
pub const HSCAN: Command = Command::new(
    Spec {
        name: "HSCAN",
        arity: Arity::at_least(3),
        keys: &[KeySpec::one(1, &["RO", "access"])],
        flags: Flags::READONLY,
        group: Group::Hash,
        since: "2.8.0",
        complexity: "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to return back to 0. N is the number of elements inside the collection..",
        summary: "Iterates over the fields of a hash with their values.",
        args: &[
            KEY,
            Arg::integer("cursor"),
            Arg::new("pattern", ArgKind::Pattern).token("MATCH").optional(),
            Arg::integer("count").token("COUNT").optional(),
        ],
        tips: &["nondeterministic_output"],
        ..Spec::NEW
    },
    hscan,
);

fn hscan(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let cursor = walk::parse_cursor(args.get(2)).ok_or(walk::INVALID_CURSOR)?;
    let Ctx { store, reply, db, now, .. } = ctx;
    let Some(hash) = store.db(*db).hash(&args.key(1), Look::Read, *now)? else {
        walk::reply_nothing(reply);
        return Ok(());
    };
    let options = WalkOptions::of_elements(args, Some("NOVALUES"))?;
    walk::reply_step(reply, |list| {
        let mut shown = 0;
        let next = hash.scan(cursor, options.count, |field| {
            if options.fits(field.name) {
                reply_text(list, field.name);
                shown += 1;
                if !options.bare {
                    reply_text(list, field.value);
                    shown += 1;
                }
            }
        });
        (next, shown)
    });
    Ok(())
}

/// Returns fields of a hash drawn at random.
pub const HRANDFIELD: Command = Command::new(
    Spec {
        name: "HRANDFIELD",
        arity: Arity::at_least(2),
        keys: &[KeySpec::one(1, &["RO", "access"])],
        flags: Flags::READONLY,
        group: Group::Hash,
        since: "6.2.0",
        complexity: "O(N) where N is the number of fields returned",
        summary: "Returns fields of a hash drawn at random.",
        args: &[
            KEY,
            Arg::block(
                "options",
                &[Arg::integer("count"), Arg::word("withvalues", "WITHVALUES").optional()],
            )
            .optional(),
        ],
        tips: &["nondeterministic_output"],
        ..Spec::NEW
    },
    hrandfield,
);

fn hrandfield(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let asked = match args.len() {
        2 => None,
        _ => Some(draws::parse(args, "WITHVALUES")?),
    };
    let mut prng = ctx.store.fork_prng();
    let Ctx { store, reply, db, now, .. } = ctx;
    let hash = store.db(*db).hash(&args.key(1), Look::Read, *now)?;
    let Some((count, with_values)) = asked else {
        reply_name(reply, hash.and_then(|hash| hash.draw(&mut prng)));
        return Ok(());
    };
    let Some(hash) = hash else {
        reply.array(0);
        return Ok(());
    };
    let count = count.bounded()?;
    let nested = with_values && reply.protocol() == Protocol::Resp3;
    let each = if with_values && !nested { 2 } else { 1 };
    let open = reply.deferred_array();
    let mut shown = 0;
    let mut show = |field: Field<'_>| {
        if nested {
            reply.array(2);
        }
        reply_text(reply, field.name);
        if with_values {
            reply_text(reply, field.value);
        }
        shown += each;
    };
    match count {
        Count::Repeating(count) => {
            (0..count).map_while(|_| hash.draw(&mut prng)).for_each(&mut show);
        }
        Count::Distinct(count) => distinct(hash, &mut prng, count, &mut show),
    }
    reply.close(open, shown);
    Ok(())
}

fn reply_name(reply: &mut Writer<'_>, field: Option<Field<'_>>) {
    match field {
        Some(field) => reply_text(reply, field.name),
        None => reply.null(),
    }
}

/// Draws `count` different fields, or all there are.
fn distinct(hash: Hash<'_>, prng: &mut Prng, count: usize, show: &mut impl FnMut(Field<'_>)) {
    let all = if hash.has_deadlines() { hash.iter().count() } else { hash.len() };
    if hash.is_packed() || count >= all / draws::SPARSE {
        let mut chosen = draws::InOrder::new(all, count);
        hash.iter().filter(|_| chosen.takes(prng)).for_each(show);
        return;
    }
    let mut seen = HashSet::new();
    while seen.len() < count {
        let Some(field) = hash.draw(prng) else { return };
        if seen.insert(field.name) {
            show(field);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::check::{World, check, check3};
    use resp::read::Value;
    use resp::write::Protocol;
    use std::collections::BTreeMap;

    #[test]
    fn all_of_a_hash_is_listed() {
        check(
            "HSET h a 1 b 2; HGETALL h; HKEYS h; HVALS h; HGETALL none; HKEYS none",
            "2; [a 1 b 2]; [a b]; [1 2]; []; []",
        );
        check3("HSET h a 1; HGETALL h; HGETALL none", "1; {a 1}; {}");
    }

    #[test]
    fn scan_of_a_packed_hash_gives_all_at_once() {
        check(
            "HSET h a 1 b 2; HSCAN h 0; HSCAN h 0 MATCH b COUNT 1; HSCAN h 0 NOVALUES; HSCAN none 0",
            "2; [0 [a 1 b 2]]; [0 [b 2]]; [0 [a b]]; [0 []]",
        );
        check(
            "HSCAN none x; HSCAN none 0 COUNT 0; HSET h a 1; HSCAN h 0 COUNT 0; HSCAN h 0 COUNT x; HSCAN h 0 FOO 1; HSCAN h 0 MATCH",
            "ERR invalid cursor; [0 []]; 1; ERR syntax error; ERR value is not an integer or out of range; ERR syntax error; ERR syntax error",
        );
    }

    #[test]
    fn scan_of_a_table_finds_every_field_that_stays() {
        let mut world = World::new(Protocol::Resp2);
        for index in 0..3000 {
            world.run(&[b"HSET", b"h", format!("f{index}").as_bytes(), b"v"]);
        }
        let (mut cursor, mut seen, mut step) = ("0".to_owned(), BTreeMap::new(), 0);
        loop {
            let reply =
                world.run(&[b"HSCAN", b"h", cursor.as_bytes(), b"COUNT", b"7", b"NOVALUES"]);
            let (reply, _) = Value::parse(&reply).unwrap().unwrap();
            let Value::Array(parts) = reply else { panic!("an array") };
            let Value::Array(names) = &parts[1] else { panic!("names") };
            names.iter().for_each(|name| *seen.entry(name.to_string()).or_insert(0) += 1);
            cursor = parts[0].to_string();
            // Meanwhile the table grows and shrinks.
            step += 1;
            for index in 0..20 {
                let name = format!("x{}", step * 20 + index);
                world.run(&[b"HSET", b"h", name.as_bytes(), b"v"]);
                if step % 3 == 0 {
                    world.run(&[b"HDEL", b"h", format!("x{}", step * 10 + index).as_bytes()]);
                }
            }
            if cursor == "0" {
                break;
            }
            assert!(step < 10_000, "cursors end");
        }
        assert!((0..3000).all(|index| seen.contains_key(&format!("f{index}"))));
    }

    #[test]
    fn draws_are_uniform_and_distinct_where_asked() {
        for (setting, fields) in [("512", 8), ("0", 8), ("0", 300)] {
            let mut world = World::new(Protocol::Resp2);
            world.configure("hash-max-listpack-entries", setting);
            for index in 0..fields {
                world.run(&[b"HSET", b"h", format!("f{index}").as_bytes(), b"v"]);
            }
            let mut hits = BTreeMap::new();
            let rounds = 400 * fields;
            for _ in 0..rounds {
                *hits.entry(world.run(&[b"HRANDFIELD", b"h"])).or_insert(0) += 1;
            }
            assert_eq!(hits.len(), fields);
            assert!(hits.values().all(|hits| (250..600).contains(hits)), "{hits:?}");
            for count in ["1", "2", "7", "60", "299", "300", "301"] {
                let reply = world.run(&[b"HRANDFIELD", b"h", count.as_bytes()]);
                let (Value::Array(names), _) = Value::parse(&reply).unwrap().unwrap() else {
                    panic!("names")
                };
                let mut texts: Vec<String> = names.iter().map(Value::to_string).collect();
                texts.sort();
                texts.dedup();
                assert_eq!(texts.len(), count.parse::<usize>().unwrap().min(fields));
            }
            let reply = world.run(&[b"HRANDFIELD", b"h", b"-50", b"WITHVALUES"]);
            assert!(reply.starts_with(b"*100\r\n"));
        }
    }

    #[test]
    fn counts_of_draws_are_checked_before_the_key() {
        check(
            "HRANDFIELD none; HRANDFIELD none 3; HRANDFIELD none x; HRANDFIELD none 1 FOO; HRANDFIELD none 1 WITHVALUES x; \
             HRANDFIELD none -4611686018427387905 WITHVALUES; HRANDFIELD none -9223372036854775808; HSET h a 1; HRANDFIELD h 0; HRANDFIELD h 2 withvalues; HRANDFIELD h",
            "nil; []; ERR value is not an integer or out of range; ERR syntax error; ERR syntax error; ERR value is out of range; \
             ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807; 1; []; [a 1]; a",
        );
        check3(
            "HSET h a 1; HRANDFIELD h 1 WITHVALUES; HRANDFIELD h -2 WITHVALUES",
            "1; [[a 1]]; [[a 1] [a 1]]",
        );
    }
}
