//! Whole sorted sets: walking over them, drawing from them.

use super::{KEY, READ, reply_member};
use crate::draws::{self, Count};
use crate::spec::{Arg, ArgKind, Arity, Command, Flags, Group, Spec};
use crate::string::reply_text;
use crate::walk::{self, WalkOptions};
use crate::{Args, Ctx, Failure};
use base::Prng;
use resp::number::write_f64;
use std::collections::HashSet;
use store::{Look, Scored, SortedSet};

/// Returns members of a sorted set drawn at random.
pub const ZRANDMEMBER: Command = Command::new(
    Spec {
        name: "ZRANDMEMBER",
        arity: Arity::at_least(2),
        keys: READ,
        flags: Flags::READONLY,
        group: Group::SortedSet,
        since: "6.2.0",
        complexity: "O(N) where N is the number of elements returned",
        summary: "Returns members of a sorted set drawn at random.",
        args: &[
            KEY,
            Arg::block(
                "options",
                &[Arg::integer("count"), Arg::word("withscores", "WITHSCORES").optional()],
            )
            .optional(),
        ],
        tips: &["nondeterministic_output"],
        ..Spec::NEW
    },
    zrandmember,
);

fn zrandmember(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let asked = match args.len() {
        2 => None,
        _ => Some(draws::parse(args, "WITHSCORES")?),
    };
    let mut prng = ctx.store.fork_prng();
    let Ctx { store, reply, db, now, .. } = ctx;
    let set = store.db(*db).sorted_set(&args.key(1), Look::Read, *now)?;
    let Some((count, with_scores)) = asked else {
        match set.and_then(|set| set.draw(&mut prng)) {
            Some(scored) => reply_text(reply, scored.member),
            None => reply.null(),
        }
        return Ok(());
    };
    let Some(set) = set else {
        reply.array(0);
        return Ok(());
    };
    let count = count.bounded()?;
    let open = reply.deferred_array();
    let mut shown = 0;
    let show = |scored: Scored<'_>| shown += reply_member(reply, scored, with_scores);
    match count {
        Count::Repeating(count) if set.is_packed() => repeating(set, &mut prng, count, show),
        Count::Repeating(count) => {
            (0..count).map_while(|_| set.draw(&mut prng)).for_each(show);
        }
        Count::Distinct(count) => distinct(set, &mut prng, count, show),
    }
    reply.close(open, shown);
    Ok(())
}

/// Draws with repetition from a packed sorted set, which is walked over once.
fn repeating(set: SortedSet<'_>, prng: &mut Prng, count: usize, mut show: impl FnMut(Scored<'_>)) {
    let all: Vec<Scored<'_>> = set.iter_from(0).collect();
    (0..count).for_each(|_| show(all[prng.below(all.len() as u64) as usize]));
}

/// Draws `count` different members, or all there are.
fn distinct(set: SortedSet<'_>, prng: &mut Prng, count: usize, mut show: impl FnMut(Scored<'_>)) {
    let all = set.len();
    if set.is_packed() || count >= all / draws::SPARSE {
        let mut chosen = draws::InOrder::new(all, count);
        set.iter_from(0).filter(|_| chosen.takes(prng)).for_each(show);
        return;
    }
    let mut seen = HashSet::new();
    while seen.len() < count {
        let Some(scored) = set.draw(prng) else { return };
        if seen.insert(scored.member) {
            show(scored);
        }
    }
}

/// Iterates over the members of a sorted set with their scores.
pub const ZSCAN: Command = Command::new(
    Spec {
        name: "ZSCAN",
        arity: Arity::at_least(3),
        keys: READ,
        flags: Flags::READONLY,
        group: Group::SortedSet,
        since: "2.8.0",
        complexity: "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to return back to 0. N is the number of elements inside the collection..",
        summary: "Iterates over the members of a sorted set with their scores.",
        args: &[
            KEY,
            Arg::integer("cursor"),
            Arg::new("pattern", ArgKind::Pattern).token("MATCH").optional(),
            Arg::integer("count").token("COUNT").optional(),
        ],
        tips: &["nondeterministic_output"],
        ..Spec::NEW
    },
    zscan,
);

fn zscan(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let cursor = walk::parse_cursor(args.get(2)).ok_or(walk::INVALID_CURSOR)?;
    let Ctx { store, reply, db, now, .. } = ctx;
    let Some(set) = store.db(*db).sorted_set(&args.key(1), Look::Read, *now)? else {
        walk::reply_nothing(reply);
        return Ok(());
    };
    let options = WalkOptions::of_elements(args, None)?;
    let mut text = Vec::new();
    walk::reply_step(reply, |list| {
        let mut shown = 0;
        let next = set.scan(cursor, options.count, |scored| {
            if options.fits(scored.member) {
                text.clear();
                score_text(scored.score, set.is_packed(), &mut text);
                reply_text(list, scored.member);
                list.bulk(&text);
                shown += 2;
            }
        });
        (next, shown)
    });
    Ok(())
}

/// A score as ZSCAN shows it, always a string: of a large sorted set Redis shows 17 digits instead of the shortest.
fn score_text(score: f64, packed: bool, out: &mut Vec<u8>) {
    let whole = score.fract() == 0.0 && score.abs() < 1e17;
    if packed || whole || !score.is_finite() {
        return write_f64(score, out);
    }
    out.extend_from_slice(resp::number::seventeen_digits(score).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::score_text;
    use crate::check::{World, check, check3};
    use resp::read::Value;
    use resp::write::Protocol;
    use std::collections::BTreeMap;

    #[test]
    fn scan_of_a_packed_sorted_set_gives_all_at_once() {
        check(
            "ZADD z 1 a 2.5 b; ZSCAN z 0; ZSCAN z 0 MATCH b COUNT 1; ZSCAN none 0; ZSCAN z x; ZSCAN z 0 NOVALUES; ZSCAN z 0 COUNT 0",
            "2; [0 [a 1 b 2.5]]; [0 [b 2.5]]; [0 []]; ERR invalid cursor; ERR syntax error; ERR syntax error",
        );
        check3("ZADD z 0.1 a; ZSCAN z 0", "1; [0 [a 0.1]]");
    }

    #[test]
    fn scan_of_a_ranking_finds_every_member_that_stays() {
        let mut world = World::new(Protocol::Resp2);
        for index in 0..3000 {
            world.run(&[b"ZADD", b"z", b"1", format!("m{index}").as_bytes()]);
        }
        let (mut cursor, mut seen, mut step) = ("0".to_owned(), BTreeMap::new(), 0);
        loop {
            let reply = world.run(&[b"ZSCAN", b"z", cursor.as_bytes(), b"COUNT", b"7"]);
            let (Value::Array(parts), _) = Value::parse(&reply).unwrap().unwrap() else {
                panic!("an array")
            };
            let Value::Array(names) = &parts[1] else { panic!("names") };
            names.iter().for_each(|name| *seen.entry(name.to_string()).or_insert(0) += 1);
            cursor = parts[0].to_string();
            step += 1;
            for index in 0..20 {
                let name = format!("x{}", step * 20 + index);
                world.run(&[b"ZADD", b"z", b"2", name.as_bytes()]);
            }
            if cursor == "0" {
                break;
            }
            assert!(step < 10_000, "cursors end");
        }
        assert!((0..3000).all(|index| seen.contains_key(&format!("m{index}"))));
    }

    #[test]
    fn large_sorted_sets_show_seventeen_digits_in_scan() {
        let text = |score: f64| {
            let mut out = Vec::new();
            score_text(score, false, &mut out);
            String::from_utf8(out).unwrap()
        };
        for (score, shown) in [
            (0.1, "0.10000000000000001"),
            (1.5, "1.5"),
            (3.0, "3"),
            (-0.0, "-0"),
            (1e17, "1e+17"),
            (123456789012345680.0, "1.2345678901234568e+17"),
            (1e300, "1.0000000000000001e+300"),
            (1e-5, "1.0000000000000001e-05"),
            (0.0001, "0.0001"),
            (12345678901234567.5, "12345678901234568"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(text(score), shown);
        }
    }

    #[test]
    fn draws_are_uniform_and_distinct_where_asked() {
        for (setting, members) in [("512", 8), ("0", 8), ("0", 300)] {
            let mut world = World::new(Protocol::Resp2);
            world.configure("zset-max-listpack-entries", setting);
            for index in 0..members {
                world.run(&[b"ZADD", b"z", b"1", format!("m{index}").as_bytes()]);
            }
            let mut hits = BTreeMap::new();
            for _ in 0..400 * members {
                *hits.entry(world.run(&[b"ZRANDMEMBER", b"z"])).or_insert(0) += 1;
            }
            assert_eq!(hits.len(), members);
            assert!(hits.values().all(|hits| (250..600).contains(hits)), "{hits:?}");
            for count in ["1", "2", "7", "60", "299", "300", "301"] {
                let reply = world.run(&[b"ZRANDMEMBER", b"z", count.as_bytes()]);
                let (Value::Array(names), _) = Value::parse(&reply).unwrap().unwrap() else {
                    panic!("names")
                };
                let mut texts: Vec<String> = names.iter().map(Value::to_string).collect();
                texts.sort();
                texts.dedup();
                assert_eq!(texts.len(), count.parse::<usize>().unwrap().min(members));
            }
            let reply = world.run(&[b"ZRANDMEMBER", b"z", b"-50", b"WITHSCORES"]);
            assert!(reply.starts_with(b"*100\r\n"));
        }
    }

    #[test]
    fn draws_of_edges() {
        check(
            "ZRANDMEMBER none; ZRANDMEMBER none 3; ZRANDMEMBER none x; ZRANDMEMBER none 1 FOO; ZADD z 1 a; ZRANDMEMBER z 0; ZRANDMEMBER z 2 withscores; ZRANDMEMBER z; ZRANDMEMBER z -2",
            "nil; []; ERR value is not an integer or out of range; ERR syntax error; 1; []; [a 1]; a; [a a]",
        );
        check3(
            "ZADD z 1 a; ZRANDMEMBER z 1 WITHSCORES; ZRANDMEMBER z -2 WITHSCORES",
            "1; [[a ,1]]; [[a ,1] [a ,1]]",
        );
    }
}
