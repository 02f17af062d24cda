//! Whole sets: listing them, walking over them, drawing from them.

use super::KEY;
use crate::draws::{self, Count};
use crate::spec::{Arg, ArgKind, Arity, Command, Flags, Group, KeySpec, Spec};
use crate::string::reply_text;
use crate::walk::{self, WalkOptions};
use crate::{Args, Ctx, Failure};
use base::Prng;
use std::collections::HashSet;
use store::{Look, Set, SetEdit, Str};

/// Returns all members of a set.
pub const SMEMBERS: Command = Command::new(
    Spec {
        name: "SMEMBERS",
        arity: Arity::exactly(2),
        keys: &[KeySpec::one(1, &["RO", "access"])],
        flags: Flags::READONLY,
        group: Group::Set,
        since: "1.0.0",
        complexity: "O(N) where N is the set cardinality.",
        summary: "Returns all members of a set.",
        args: &[KEY],
        tips: &["nondeterministic_output_order"],
        ..Spec::NEW
    },
    smembers,
);

fn smembers(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let Ctx { store, reply, db, now, .. } = ctx;
    let Some(set) = store.db(*db).set_at(&args.key(1), Look::Read, *now)? else {
        reply.set(0);
        return Ok(());
    };
    reply.set(set.len());
    set.iter().for_each(|member| reply_text(reply, member));
    Ok(())
}

/// Iterates over the members of a set.
pub const SSCAN: Command = Command::new(
    Spec {
        name: "SSCAN",
        arity: Arity::at_least(3),
        keys: &[KeySpec::one(1, &["RO", "access"])],
        flags: Flags::READONLY,
        group: Group::Set,
        since: "2.8.0",
        complexity: "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to return back to 0. N is the number of elements inside the collection..",
        summary: "Iterates over the members of a set.",
        args: &[
            KEY,
            Arg::integer("cursor"),
            Arg::new("pattern", ArgKind::Pattern).token("MATCH").optional(),
            Arg::integer("count").token("COUNT").optional(),
        ],
        tips: &["nondeterministic_output"],
        ..Spec::NEW
    },
    sscan,
);

fn sscan(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let cursor = walk::parse_cursor(args.get(2)).ok_or(walk::INVALID_CURSOR)?;
    let Ctx { store, reply, db, now, .. } = ctx;
    let Some(set) = store.db(*db).set_at(&args.key(1), Look::Read, *now)? else {
        walk::reply_nothing(reply);
        return Ok(());
    };
    let options = WalkOptions::of_elements(args, None)?;
    walk::reply_step(reply, |list| {
        let mut shown = 0;
        let next = set.scan(cursor, options.count, |member| {
            if options.fits(member) {
                reply_text(list, member);
                shown += 1;
            }
        });
        (next, shown)
    });
    Ok(())
}

/// Returns members of a set drawn at random.
pub const SRANDMEMBER: Command = Command::new(
    Spec {
        name: "SRANDMEMBER",
        arity: Arity::at_least(2),
        keys: &[KeySpec::one(1, &["RO", "access"])],
        flags: Flags::READONLY,
        group: Group::Set,
        since: "1.0.0",
        complexity: "Without the count argument O(1), otherwise O(N) where N is the absolute value of the passed count.",
        summary: "Returns members of a set drawn at random.",
        args: &[KEY, Arg::integer("count").optional().since("2.6.0")],
        tips: &["nondeterministic_output"],
        history: &[("2.6.0", "Added the optional `count` argument.")],
        ..Spec::NEW
    },
    srandmember,
);

fn srandmember(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    if args.len() > 3 {
        return Err(Failure::SYNTAX);
    }
    let count = match args.len() {
        2 => None,
        _ => Some(draws::parse(args, "")?.0),
    };
    let mut prng = ctx.store.fork_prng();
    let Ctx { store, reply, db, now, .. } = ctx;
    let set = store.db(*db).set_at(&args.key(1), Look::Read, *now)?;
    let Some(count) = count else {
        match set.and_then(|set| set.draw(&mut prng)) {
            Some(member) => reply_text(reply, member),
            None => reply.null(),
        }
        return Ok(());
    };
    let Some(set) = set else {
        reply.array(0);
        return Ok(());
    };
    match count.bounded()? {
        Count::Repeating(count) => {
            reply.array(count);
            (0..count).filter_map(|_| set.draw(&mut prng)).for_each(|one| reply_text(reply, one));
        }
        Count::Distinct(count) => {
            let drawn = distinct(set, &mut prng, count);
            reply.array(drawn.len());
            drawn.into_iter().for_each(|member| reply_text(reply, member));
        }
    }
    Ok(())
}

/// Draws `count` different members, or all there are. O(members) where that is not far more than `count`, else
/// expected O(count).
fn distinct<'a>(set: Set<'a>, prng: &mut Prng, count: usize) -> Vec<Str<'a>> {
    if set.is_small() || count >= set.len() / draws::SPARSE {
        let mut chosen = draws::InOrder::new(set.len(), count);
        return set.iter().filter(|_| chosen.takes(prng)).collect();
    }
    let (mut seen, mut drawn) = (HashSet::new(), Vec::with_capacity(count));
    while let Some(member) = set.draw(prng).filter(|_| drawn.len() < count) {
        if seen.insert(member) {
            drawn.push(member);
        }
    }
    drawn
}

/// Removes members drawn at random from a set, and returns them.
pub const SPOP: Command = Command::new(
    Spec {
        name: "SPOP",
        arity: Arity::at_least(2),
        keys: &[KeySpec::one(1, &["RW", "access", "delete"])],
        flags: Flags::WRITE.and(Flags::FAST),
        group: Group::Set,
        since: "1.0.0",
        complexity: "Without the count argument O(1), otherwise O(N) where N is the value of the passed count.",
        summary: "Removes members drawn at random from a set, and returns them.",
        args: &[KEY, Arg::integer("count").optional().since("3.2.0")],
        tips: &["nondeterministic_output"],
        history: &[("3.2.0", "Added the `count` argument.")],
        ..Spec::NEW
    },
    spop,
);

fn spop(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    if args.len() > 3 {
        return Err(Failure::SYNTAX);
    }
    let count = match args.try_get(2) {
        None => None,
        Some(_) => Some(args.count(2)?),
    };
    let mut prng = ctx.store.fork_prng();
    let Ctx { store, reply, db, now, .. } = ctx;
    store.db(*db).edit_set(&args.key(1), *now, |set| match count {
        None => match pop(set, &mut prng) {
            Some(member) => reply_text(reply, Str::Bytes(&member)),
            None => reply.null(),
        },
        Some(count) if count >= set.len() => {
            reply.set(set.len());
            if let Some(all) = set.view() {
                all.iter().for_each(|member| reply_text(reply, member));
                set.clear();
            }
        }
        Some(count) => {
            reply.set(count);
            for _ in 0..count {
                let member = pop(set, &mut prng).expect("there are more than so many members");
                reply_text(reply, Str::Bytes(&member));
            }
        }
    })?;
    Ok(())
}

/// Removes a member drawn uniformly.
fn pop(set: &mut SetEdit<'_, '_>, prng: &mut Prng) -> Option<Vec<u8>> {
    let member = set.view()?.draw(prng)?.to_vec();
    set.remove(&member);
    Some(member)
}

#[cfg(test)]
mod tests {
    use crate::check::{World, check, check3};
    use resp::read::Value;
    use resp::write::Protocol;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn members_are_listed_in_order_while_they_are_integers() {
        check(
            "SADD s 3 1 2; SMEMBERS s; SMEMBERS none; SADD t b a; SMEMBERS t",
            "3; [1 2 3]; []; 2; [b a]",
        );
        check3("SADD s 1; SMEMBERS s; SMEMBERS none", "1; ~{1}; ~{}");
        check(
            "SADD s 3 1 22; SSCAN s 0; SSCAN s 0 MATCH 2*; SSCAN none 0 COUNT 0; SSCAN s 0 COUNT 0; SSCAN none x",
            "3; [0 [1 3 22]]; [0 [22]]; [0 []]; ERR syntax error; ERR invalid cursor",
        );
    }

    #[test]
    fn popping_removes_what_it_returns_and_the_set_with_its_last_member() {
        check(
            "SADD s a; SPOP s; EXISTS s; SPOP s; SPOP s 3; SADD s 1 2 3; SPOP s 3; EXISTS s",
            "1; a; 0; nil; []; 3; [1 2 3]; 0",
        );
        check(
            "SADD s a; SPOP s -1; SPOP s x; SPOP s 1 2; SPOP s 0; SCARD s",
            "1; ERR value is out of range, must be positive; ERR value is out of range, must be positive; ERR syntax error; []; 1",
        );
        for (members, popped) in [(400, 150), (20, 7)] {
            let mut world = World::new(Protocol::Resp2);
            let all: BTreeSet<String> = (0..members).map(|index| format!("m{index}")).collect();
            all.iter().for_each(|member| _ = world.run(&[b"SADD", b"s", member.as_bytes()]));
            let reply = world.run(&[b"SPOP", b"s", popped.to_string().as_bytes()]);
            let mut seen = names(&reply);
            assert_eq!(seen.len(), popped);
            let left = names(&world.run(&[b"SMEMBERS", b"s"]));
            assert_eq!(left.len(), members - popped);
            seen.extend(left);
            assert_eq!(seen, all);
        }
    }

    fn names(reply: &[u8]) -> BTreeSet<String> {
        let (reply, _) = Value::parse(reply).unwrap().unwrap();
        let (Value::Array(all) | Value::Set(all)) = reply else { panic!("several: {reply}") };
        all.iter().map(Value::to_string).collect()
    }

    #[test]
    fn draws_are_uniform_and_distinct_where_asked() {
        for (prefix, members) in [("", 8), ("m", 8), ("m", 300)] {
            let mut world = World::new(Protocol::Resp2);
            for index in 0..members {
                world.run(&[b"SADD", b"s", format!("{prefix}{index}").as_bytes()]);
            }
            let mut hits = BTreeMap::new();
            for _ in 0..400 * members {
                *hits.entry(world.run(&[b"SRANDMEMBER", b"s"])).or_insert(0) += 1;
            }
            assert_eq!(hits.len(), members);
            assert!(hits.values().all(|hits| (250..600).contains(hits)), "{hits:?}");
            for count in [1, 2, 7, 60, 299, 300, 301] {
                let drawn = world.run(&[b"SRANDMEMBER", b"s", count.to_string().as_bytes()]);
                assert_eq!(names(&drawn).len(), count.min(members));
            }
        }
    }

    #[test]
    fn counts_of_draws_are_checked_before_the_key() {
        check(
            "SRANDMEMBER none; SRANDMEMBER none 1; SRANDMEMBER none x; SRANDMEMBER none 1 2; SRANDMEMBER none -9223372036854775808; SADD s a; SRANDMEMBER s -3; SRANDMEMBER s 0; SRANDMEMBER s -2000000",
            "nil; []; ERR value is not an integer or out of range; ERR syntax error; ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807; 1; [a a a]; []; ERR value is out of range",
        );
    }
}
