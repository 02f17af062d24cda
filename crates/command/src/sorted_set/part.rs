//! Parts of a sorted set, counted or removed.

use super::{KEY, MAX_MEMBER, MAX_SCORE, MIN_MEMBER, MIN_SCORE, READ, bounds, ranks};
use crate::spec::{Arg, Arity, Command, Flags, Group, KeySpec, Spec};
use crate::{Args, Ctx, Failure};
use store::{Interval, Look, SortedSetEdit};

/// What counting has in common.
const COUNTING: Spec = Spec {
    arity: Arity::exactly(4),
    keys: READ,
    flags: Flags::READONLY.and(Flags::FAST),
    group: Group::SortedSet,
    complexity: "O(log(N)) with N being the number of elements in the sorted set.",
    ..Spec::NEW
};

/// Counts the members of a sorted set in a range of scores.
pub const ZCOUNT: Command = Command::new(
    Spec {
        name: "ZCOUNT",
        since: "2.0.0",
        summary: "Counts the members of a sorted set in a range of scores.",
        args: &[KEY, MIN_SCORE, MAX_SCORE],
        ..COUNTING
    },
    zcount,
);

fn zcount(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let range = bounds::scores(args, 2, 3)?;
    count(ctx, args, &range)
}

/// Counts the members of a sorted set in a range of members.
pub const ZLEXCOUNT: Command = Command::new(
    Spec {
        name: "ZLEXCOUNT",
        since: "2.8.9",
        summary: "Counts the members of a sorted set in a lexicographical range.",
        args: &[KEY, MIN_MEMBER, MAX_MEMBER],
        ..COUNTING
    },
    zlexcount,
);

fn zlexcount(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let range = bounds::members(args, 2, 3)?;
    count(ctx, args, &range)
}

fn count(ctx: &mut Ctx<'_>, args: &Args<'_>, interval: &impl Interval) -> Result<(), Failure> {
    let set = ctx.store.db(ctx.db).sorted_set(&args.key(1), Look::Read, ctx.now)?;
    ctx.reply.integer(set.map_or(0, |set| set.count_within(interval) as i64));
    Ok(())
}

/// What removing has in common.
const REMOVING: Spec = Spec {
    arity: Arity::exactly(4),
    keys: &[KeySpec::one(1, &["RW", "delete"])],
    flags: Flags::WRITE,
    group: Group::SortedSet,
    complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements removed by the operation.",
    ..Spec::NEW
};

/// Removes the members of a sorted set in a range of ranks.
pub const ZREMRANGEBYRANK: Command = Command::new(
    Spec {
        name: "ZREMRANGEBYRANK",
        since: "2.0.0",
        summary: "Removes the members of a sorted set in a range of ranks.",
        args: &[KEY, Arg::integer("start"), Arg::integer("stop")],
        ..REMOVING
    },
    zremrangebyrank,
);

fn zremrangebyrank(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let start = args.integer(2).ok_or(Failure::NOT_INTEGER)?;
    let stop = args.integer(3).ok_or(Failure::NOT_INTEGER)?;
    remove(ctx, args, |set| set.remove_ranks(ranks(start, stop, set.len())))
}

/// Removes the members of a sorted set in a range of scores.
pub const ZREMRANGEBYSCORE: Command = Command::new(
    Spec {
        name: "ZREMRANGEBYSCORE",
        since: "1.2.0",
        summary: "Removes the members of a sorted set in a range of scores.",
        args: &[KEY, MIN_SCORE, MAX_SCORE],
        ..REMOVING
    },
    zremrangebyscore,
);

fn zremrangebyscore(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let range = bounds::scores(args, 2, 3)?;
    remove(ctx, args, |set| set.remove_within(&range))
}

/// Removes the members of a sorted set in a range of members.
pub const ZREMRANGEBYLEX: Command = Command::new(
    Spec {
        name: "ZREMRANGEBYLEX",
        since: "2.8.9",
        summary: "Removes the members of a sorted set in a lexicographical range.",
        args: &[KEY, MIN_MEMBER, MAX_MEMBER],
        ..REMOVING
    },
    zremrangebylex,
);

fn zremrangebylex(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let range = bounds::members(args, 2, 3)?;
    remove(ctx, args, |set| set.remove_within(&range))
}

fn remove(
    ctx: &mut Ctx<'_>,
    args: &Args<'_>,
    from: impl FnOnce(&mut SortedSetEdit<'_, '_>) -> usize,
) -> Result<(), Failure> {
    let (key, now) = (args.key(1), ctx.now);
    let removed = ctx.keyspace().edit_sorted_set(&key, now, from)?;
    ctx.reply.integer(removed as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::check::check;

    #[test]
    fn parts_are_counted() {
        for entries in ["128", "0"] {
            check(
                &format!(
                    "@set zset-max-listpack-entries {entries}; ZADD z 1 a 2 b 2 c 3 d; ZCOUNT z 2 2; ZCOUNT z (1 (3; ZCOUNT z -inf +inf; ZCOUNT z 3 1; ZCOUNT z (2 (2; ZCOUNT none 1 2"
                ),
                "4; 2; 2; 4; 0; 0; 0",
            );
            check(
                &format!(
                    "@set zset-max-listpack-entries {entries}; ZADD z 0 a 0 b 0 c 0 10; ZLEXCOUNT z - +; ZLEXCOUNT z [a (c; ZLEXCOUNT z (a +; ZLEXCOUNT z + -; ZLEXCOUNT z [10 [10; ZLEXCOUNT none - +"
                ),
                "4; 4; 2; 2; 0; 1; 0",
            );
        }
        check(
            "ZCOUNT none x 1; ZCOUNT none 1 nan; ZLEXCOUNT none a -; SET s v; ZCOUNT s x 1",
            "ERR min or max is not a float; ERR min or max is not a float; ERR min or max not valid string range item; OK; ERR min or max is not a float",
        );
    }

    #[test]
    fn parts_are_removed() {
        for entries in ["128", "0"] {
            let z =
                format!("@set zset-max-listpack-entries {entries}; ZADD z 1 a 2 b 3 c 4 d 5 e;");
            check(
                &format!(
                    "{z} ZREMRANGEBYRANK z 1 -2; ZRANGE z 0 -1; ZREMRANGEBYRANK z 5 9; ZREMRANGEBYRANK z 1 0; ZREMRANGEBYRANK z -9 9; EXISTS z; ZREMRANGEBYRANK z 0 -1"
                ),
                "5; 3; [a e]; 0; 0; 2; 0; 0",
            );
            check(
                &format!(
                    "{z} ZREMRANGEBYSCORE z (1 3; ZRANGE z 0 -1; ZREMRANGEBYSCORE z 9 9; ZREMRANGEBYSCORE z -inf inf; EXISTS z"
                ),
                "5; 2; [a d e]; 0; 3; 0",
            );
            check(
                &format!(
                    "{z} ZREMRANGEBYLEX z [b (d; ZRANGE z 0 -1; ZREMRANGEBYLEX z + -; ZREMRANGEBYLEX z - +; EXISTS z"
                ),
                "5; 2; [a d e]; 0; 3; 0",
            );
        }
        check(
            "ZREMRANGEBYRANK none x 1; ZREMRANGEBYSCORE none x 1; ZREMRANGEBYLEX none x 1; ZREMRANGEBYRANK none -9223372036854775808 9223372036854775807",
            "ERR value is not an integer or out of range; ERR min or max is not a float; ERR min or max not valid string range item; 0",
        );
    }
}
