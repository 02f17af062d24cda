//! Single members, and how many there are.

use super::{KEY, MEMBER, READ};
use crate::spec::{Arg, Arity, Command, Flags, Group, KeySpec, Spec};
use crate::{Args, Ctx, Failure};
use resp::write::Writer;
use store::{Look, SortedSet};

/// Returns the score of a member of a sorted set.
pub const ZSCORE: Command = Command::new(
    Spec {
        name: "ZSCORE",
        arity: Arity::exactly(3),
        keys: READ,
        flags: Flags::READONLY.and(Flags::FAST),
        group: Group::SortedSet,
        since: "1.2.0",
        complexity: "O(1)",
        summary: "Returns the score of a member of a sorted set.",
        args: &[KEY, MEMBER],
        ..Spec::NEW
    },
    zscore,
);

fn zscore(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let Ctx { store, reply, db, now, .. } = ctx;
    let set = store.db(*db).sorted_set(&args.key(1), Look::Read, *now)?;
    reply_score(reply, set.and_then(|set| set.score(args.get(2))));
    Ok(())
}

fn reply_score(reply: &mut Writer<'_>, score: Option<f64>) {
    match score {
        Some(score) => reply.double(score),
        None => reply.null(),
    }
}

/// Returns the scores of several members of a sorted set.
pub const ZMSCORE: Command = Command::new(
    Spec {
        name: "ZMSCORE",
        arity: Arity::at_least(3),
        keys: READ,
        flags: Flags::READONLY.and(Flags::FAST),
        group: Group::SortedSet,
        since: "6.2.0",
        complexity: "O(N) where N is the number of members being requested.",
        summary: "Returns the scores of several members of a sorted set.",
        args: &[KEY, MEMBER.multiple()],
        ..Spec::NEW
    },
    zmscore,
);

fn zmscore(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let Ctx { store, reply, db, now, .. } = ctx;
    let set = store.db(*db).sorted_set(&args.key(1), Look::Read, *now)?;
    reply.array(args.len() - 2);
    args.from(2).for_each(|member| reply_score(reply, set.and_then(|set| set.score(member))));
    Ok(())
}

/// Returns the number of members of a sorted set.
pub const ZCARD: Command = Command::new(
    Spec {
        name: "ZCARD",
        arity: Arity::exactly(2),
        keys: &[KeySpec::one(1, &["RO"])],
        flags: Flags::READONLY.and(Flags::FAST),
        group: Group::SortedSet,
        since: "1.2.0",
        complexity: "O(1)",
        summary: "Returns the number of members of a sorted set.",
        args: &[KEY],
        ..Spec::NEW
    },
    zcard,
);

fn zcard(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let set = ctx.store.db(ctx.db).sorted_set(&args.key(1), Look::Read, ctx.now)?;
    ctx.reply.integer(set.map_or(0, |set| set.len() as i64));
    Ok(())
}

/// The words that ask for a score beside a rank.
const WITH_SCORE: Arg = Arg::word("withscore", "WITHSCORE").optional().since("7.2.0");
/// When they came.
const SINCE_WITH_SCORE: &[(&str, &str)] = &[("7.2.0", "Added the optional `WITHSCORE` argument.")];

/// Returns the rank of a member of a sorted set.
pub const ZRANK: Command = Command::new(
    Spec {
        name: "ZRANK",
        arity: Arity::at_least(3),
        keys: READ,
        flags: Flags::READONLY.and(Flags::FAST),
        group: Group::SortedSet,
        since: "2.0.0",
        complexity: "O(log(N))",
        summary: "Returns how many members of a sorted set stand in front of one.",
        args: &[KEY, MEMBER, WITH_SCORE],
        history: SINCE_WITH_SCORE,
        ..Spec::NEW
    },
    zrank,
);

fn zrank(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    reply_rank(ctx, args, "zrank", |_, rank| rank)
}

/// Returns the rank of a member of a sorted set, counted from the other end.
pub const ZREVRANK: Command = Command::new(
    Spec {
        name: "ZREVRANK",
        arity: Arity::at_least(3),
        keys: READ,
        flags: Flags::READONLY.and(Flags::FAST),
        group: Group::SortedSet,
        since: "2.0.0",
        complexity: "O(log(N))",
        summary: "Returns how many members of a sorted set stand behind one.",
        args: &[KEY, MEMBER, WITH_SCORE],
        history: SINCE_WITH_SCORE,
        ..Spec::NEW
    },
    zrevrank,
);

fn zrevrank(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    reply_rank(ctx, args, "zrevrank", |set, rank| set.len() - 1 - rank)
}

fn reply_rank(
    ctx: &mut Ctx<'_>,
    args: &Args<'_>,
    name: &str,
    seen: impl FnOnce(SortedSet<'_>, usize) -> usize,
) -> Result<(), Failure> {
    if args.len() > 4 {
        return Err(Failure::wrong_arity(name));
    }
    let with_score = args.len() > 3;
    if with_score && !args.is(3, "WITHSCORE") {
        return Err(Failure::SYNTAX);
    }
    let Ctx { store, reply, db, now, .. } = ctx;
    let set = store.db(*db).sorted_set(&args.key(1), Look::Read, *now)?;
    let ranked = set.and_then(|set| set.rank(args.get(2)).map(|ranked| (set, ranked)));
    match ranked {
        None if with_score => reply.null_array(),
        None => reply.null(),
        Some((set, (rank, score))) => {
            if with_score {
                reply.array(2);
            }
            reply.integer(seen(set, rank) as i64);
            if with_score {
                reply.double(score);
            }
        }
    }
    Ok(())
}

/// Removes members from a sorted set, and the sorted set with its last member.
pub const ZREM: Command = Command::new(
    Spec {
        name: "ZREM",
        arity: Arity::at_least(3),
        keys: &[KeySpec::one(1, &["RW", "delete"])],
        flags: Flags::WRITE.and(Flags::FAST),
        group: Group::SortedSet,
        since: "1.2.0",
        complexity: "O(M*log(N)) with N being the number of elements in the sorted set and M the number of elements to be removed.",
        summary: "Removes members from a sorted set, and the sorted set with its last member.",
        args: &[KEY, MEMBER.multiple()],
        history: &[("2.4.0", "Accepts multiple elements.")],
        ..Spec::NEW
    },
    zrem,
);

fn zrem(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let (key, now) = (args.key(1), ctx.now);
    let removed = ctx.keyspace().edit_sorted_set(&key, now, |set| {
        args.from(2).map(|member| i64::from(set.remove(member).is_some())).sum()
    })?;
    ctx.reply.integer(removed);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::check::{check, check3};

    #[test]
    fn members_have_scores_and_ranks() {
        for entries in ["128", "0"] {
            let setting = format!("@set zset-max-listpack-entries {entries}; ZADD z 1 a 2 b 2 c;");
            check(
                &format!(
                    "{setting} ZSCORE z b; ZSCORE z x; ZSCORE none a; ZMSCORE z a x c; ZMSCORE none a; ZCARD z; ZCARD none"
                ),
                "3; 2; nil; nil; [1 nil 2]; [nil]; 3; 0",
            );
            check(
                &format!(
                    "{setting} ZRANK z a; ZRANK z c; ZREVRANK z a; ZREVRANK z c; ZRANK z x; ZRANK none a"
                ),
                "3; 0; 2; 2; 0; nil; nil",
            );
            check(
                &format!("{setting} ZREM z a x a; ZRANGE z 0 -1; ZREM z b c; EXISTS z; ZREM z a"),
                "3; 1; [b c]; 2; 0; 0",
            );
        }
        check3("ZADD z 1.5 a; ZSCORE z a; ZMSCORE z a b", "1; ,1.5; [,1.5 nil]");
    }

    #[test]
    fn ranks_come_with_scores_where_asked() {
        check(
            "ZADD z 1 a 2.5 b; ZRANK z b WITHSCORE; ZREVRANK z b withscore; ZRANK z x WITHSCORE; ZRANK none x WITHSCORE; ZRANK z a FOO; ZREVRANK z a WITHSCORE x; ZRANK none x y z",
            "2; [1 2.5]; [0 2.5]; nil; nil; ERR syntax error; ERR wrong number of arguments for 'zrevrank' command; ERR wrong number of arguments for 'zrank' command",
        );
        check3("ZADD z 1 a; ZRANK z a WITHSCORE; ZRANK z x WITHSCORE", "1; [0 ,1]; nil");
    }

    #[test]
    fn another_type_is_refused_by_every_command_and_nothing_changes() {
        for command in [
            "ZADD s 1 a",
            "ZINCRBY s 1 a",
            "ZSCORE s a",
            "ZMSCORE s a",
            "ZCARD s",
            "ZRANK s a",
            "ZREVRANK s a WITHSCORE",
            "ZREM s a",
            "ZCOUNT s 0 1",
            "ZLEXCOUNT s - +",
            "ZRANGE s 0 1",
            "ZRANGEBYSCORE s 0 1",
            "ZRANGESTORE x s 0 1",
            "ZREMRANGEBYRANK s 0 1",
            "ZREMRANGEBYSCORE s 0 1",
            "ZREMRANGEBYLEX s - +",
            "ZPOPMIN s",
            "ZPOPMAX s 0",
            "ZMPOP 1 s MIN",
            "ZRANDMEMBER s",
            "ZRANDMEMBER s 2",
            "ZSCAN s 0",
            "ZUNION 1 s",
            "ZINTERSTORE x 1 s",
            "ZDIFF 1 s",
            "ZINTERCARD 1 s",
        ] {
            check(&format!("SET s v; {command}; GET s"), "OK; WRONGTYPE; v");
        }
        check(
            "ZADD z 1 a; GET z; HGET z a; TYPE z; SET z v; TYPE z",
            "1; WRONGTYPE; WRONGTYPE; zset; OK; string",
        );
    }

    #[test]
    fn a_sorted_set_keeps_its_time_to_live_until_it_is_empty() {
        check(
            "ZADD z 1 a 2 b; EXPIRE z 100; ZADD z 3 a; ZREM z b; TTL z; ZREM z a; ZADD z 1 a; TTL z",
            "2; 1; 0; 1; 100; 1; 1; -1",
        );
    }
}
