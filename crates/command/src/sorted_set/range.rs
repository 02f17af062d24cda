//! Ranges: members in order, by rank, score or member.
//!
//! All these commands are one: what to look for, in which direction, and what to do with what is found.

use super::{
    KEY, MAX_MEMBER, MAX_SCORE, MIN_MEMBER, MIN_SCORE, READ, WITH_SCORES, bounds, ranks,
    reply_member, width,
};
use crate::spec::{Arg, Arity, Command, Fanout, Flags, Group, KeySpec, Spec};
use crate::{Args, Ctx, Failure};
use store::{LexRange, Look, ScoreRange, Scored, SortedSet};

/// LIMIT in COMMAND DOCS.
const LIMIT: Arg =
    Arg::block("offset_count", &[Arg::integer("offset"), Arg::integer("count")]).token("LIMIT");

/// What the ends of a range are.
const SORT_BY: Arg =
    Arg::one_of("sortby", &[Arg::word("byscore", "BYSCORE"), Arg::word("bylex", "BYLEX")]);

/// What the ends of a range are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Rank,
    Score,
    Lex,
}

/// What the command's name says; what it leaves open, its arguments may say.
#[derive(Clone, Copy, Debug)]
struct Named {
    by: Option<By>,
    back: Option<bool>,
    /// Position of the key.
    key: usize,
    /// Whether scores can be asked for.
    scores: bool,
}

/// What was asked for.
struct Asked<'a> {
    range: Range<'a>,
    back: bool,
    offset: i64,
    /// How many members at the most; negative for all.
    limit: i64,
    with_scores: bool,
}

enum Range<'a> {
    Ranks(i64, i64),
    Scores(ScoreRange),
    Members(LexRange<'a>),
}

const LIMIT_OF_RANKS: Failure = Failure::new(
    "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
);
const SCORES_OF_MEMBERS: Failure =
    Failure::new("ERR syntax error, WITHSCORES not supported in combination with BYLEX");

impl<'a> Asked<'a> {
    fn parse(args: &Args<'a>, named: Named) -> Result<Asked<'a>, Failure> {
        let (mut by, mut back, mut with_scores) = (named.by, named.back, false);
        let (mut offset, mut limit) = (0, -1);
        let mut at = named.key + 3;
        while at < args.len() {
            if named.scores && args.is(at, "WITHSCORES") {
                with_scores = true;
            } else if args.is(at, "LIMIT") && at + 2 < args.len() {
                offset = args.integer(at + 1).ok_or(Failure::NOT_INTEGER)?;
                limit = args.integer(at + 2).ok_or(Failure::NOT_INTEGER)?;
                at += 2;
            } else if back.is_none() && args.is(at, "REV") {
                back = Some(true);
            } else if by.is_none() && args.is(at, "BYSCORE") {
                by = Some(By::Score);
            } else if by.is_none() && args.is(at, "BYLEX") {
                by = Some(By::Lex);
            } else {
                return Err(Failure::SYNTAX);
            }
            at += 1;
        }
        let (by, back) = (by.unwrap_or(By::Rank), back.unwrap_or(false));
        if limit != -1 && by == By::Rank {
            return Err(LIMIT_OF_RANKS);
        }
        if with_scores && by == By::Lex {
            return Err(SCORES_OF_MEMBERS);
        }
        let (first, second) = (named.key + 1, named.key + 2);
        // Backwards, the greater end comes first, except of ranks.
        let (min, max) = if back { (second, first) } else { (first, second) };
        let range = match by {
            By::Score => Range::Scores(bounds::scores(args, min, max)?),
            By::Lex => Range::Members(bounds::members(args, min, max)?),
            By::Rank => {
                let rank = |position| args.integer(position).ok_or(Failure::NOT_INTEGER);
                Range::Ranks(rank(first)?, rank(second)?)
            }
        };
        Ok(Asked { range, back, offset, limit, with_scores })
    }

    /// Shows what was asked for of a sorted set, in order. Ranks have no offset.
    fn find(&self, set: SortedSet<'_>, show: impl FnMut(Scored<'_>)) {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        // Nothing is behind a negative offset; a range of ranks has none, whatever was said.
        let offset = usize::try_from(self.offset).ok();
        match &self.range {
            Range::Ranks(start, stop) => {
                let (len, ranks) = (set.len(), ranks(*start, *stop, set.len()));
                if self.back {
                    let members = set.iter_back_from(len - ranks.start);
                    members.take(ranks.len()).for_each(show);
                } else {
                    set.iter_from(ranks.start).take(ranks.len()).for_each(show);
                }
            }
            Range::Scores(range) => {
                let Some(offset) = offset else { return };
                set.within(*range, self.back, offset).take(limit).for_each(show);
            }
            Range::Members(range) => {
                let Some(offset) = offset else { return };
                set.within(*range, self.back, offset).take(limit).for_each(show);
            }
        }
    }
}

fn reply_range(ctx: &mut Ctx<'_>, args: &Args<'_>, named: Named) -> Result<(), Failure> {
    let asked = Asked::parse(args, named)?;
    let Ctx { store, reply, db, now, .. } = ctx;
    let Some(set) = store.db(*db).sorted_set(&args.key(named.key), Look::Read, *now)? else {
        reply.array(0);
        return Ok(());
    };
    let with_scores = asked.with_scores;
    if let Range::Ranks(start, stop) = asked.range {
        let len = ranks(start, stop, set.len()).len();
        reply.array(len * width(reply, with_scores));
        asked.find(set, |scored| _ = reply_member(reply, scored, with_scores));
        return Ok(());
    }
    let open = reply.deferred_array();
    let mut shown = 0;
    asked.find(set, |scored| shown += reply_member(reply, scored, with_scores));
    reply.close(open, shown);
    Ok(())
}

/// What the ranges that are read have in common.
const RANGE: Spec = Spec {
    arity: Arity::at_least(4),
    keys: READ,
    flags: Flags::READONLY,
    group: Group::SortedSet,
    complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements returned.",
    ..Spec::NEW
};

/// How a limit changes it.
const LIMITED: Spec = Spec {
    complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements being returned. If M is constant (e.g. always asking for the first 10 elements with LIMIT), you can consider it O(log(N)).",
    ..RANGE
};

/// Returns members of a sorted set in a range of ranks, scores or members.
pub const ZRANGE: Command = Command::new(
    Spec {
        name: "ZRANGE",
        since: "1.2.0",
        summary: "Returns members of a sorted set in a range of ranks, scores or members.",
        args: &[
            KEY,
            Arg::string("start"),
            Arg::string("stop"),
            SORT_BY.optional().since("6.2.0"),
            Arg::word("rev", "REV").optional().since("6.2.0"),
            LIMIT.optional().since("6.2.0"),
            WITH_SCORES,
        ],
        history: &[("6.2.0", "Added the `REV`, `BYSCORE`, `BYLEX` and `LIMIT` options.")],
        ..RANGE
    },
    zrange,
);

fn zrange(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    reply_range(ctx, args, Named { by: None, back: None, key: 1, scores: true })
}

/// Returns members of a sorted set in a range of members.
pub const ZRANGEBYLEX: Command = Command::new(
    Spec {
        name: "ZRANGEBYLEX",
        since: "2.8.9",
        summary: "Returns members of a sorted set in a lexicographical range.",
        args: &[KEY, MIN_MEMBER, MAX_MEMBER, LIMIT.optional()],
        deprecated: Some(("6.2.0", "`ZRANGE` with the `BYLEX` argument")),
        ..LIMITED
    },
    zrangebylex,
);

fn zrangebylex(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    reply_range(ctx, args, Named { by: Some(By::Lex), back: Some(false), key: 1, scores: true })
}

/// Returns members of a sorted set in a range of scores.
pub const ZRANGEBYSCORE: Command = Command::new(
    Spec {
        name: "ZRANGEBYSCORE",
        since: "1.0.5",
        summary: "Returns members of a sorted set in a range of scores.",
        args: &[KEY, MIN_SCORE, MAX_SCORE, WITH_SCORES.since("2.0.0"), LIMIT.optional()],
        history: &[("2.0.0", "Added the `WITHSCORES` modifier.")],
        deprecated: Some(("6.2.0", "`ZRANGE` with the `BYSCORE` argument")),
        ..LIMITED
    },
    zrangebyscore,
);

fn zrangebyscore(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    reply_range(ctx, args, Named { by: Some(By::Score), back: Some(false), key: 1, scores: true })
}

/// Returns members of a sorted set in a range of ranks, backwards.
pub const ZREVRANGE: Command = Command::new(
    Spec {
        name: "ZREVRANGE",
        since: "1.2.0",
        summary: "Returns members of a sorted set in a range of ranks, the greatest score first.",
        args: &[KEY, Arg::integer("start"), Arg::integer("stop"), WITH_SCORES],
        deprecated: Some(("6.2.0", "`ZRANGE` with the `REV` argument")),
        ..RANGE
    },
    zrevrange,
);

fn zrevrange(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    reply_range(ctx, args, Named { by: Some(By::Rank), back: Some(true), key: 1, scores: true })
}

/// Returns members of a sorted set in a range of members, backwards.
pub const ZREVRANGEBYLEX: Command = Command::new(
    Spec {
        name: "ZREVRANGEBYLEX",
        since: "2.8.9",
        summary: "Returns members of a sorted set in a lexicographical range, the last first.",
        args: &[KEY, MAX_MEMBER, MIN_MEMBER, LIMIT.optional()],
        deprecated: Some(("6.2.0", "`ZRANGE` with the `REV` and `BYLEX` arguments")),
        ..LIMITED
    },
    zrevrangebylex,
);

fn zrevrangebylex(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    reply_range(ctx, args, Named { by: Some(By::Lex), back: Some(true), key: 1, scores: true })
}

/// Returns members of a sorted set in a range of scores, backwards.
pub const ZREVRANGEBYSCORE: Command = Command::new(
    Spec {
        name: "ZREVRANGEBYSCORE",
        since: "2.2.0",
        summary: "Returns members of a sorted set in a range of scores, the greatest first.",
        args: &[KEY, MAX_SCORE, MIN_SCORE, WITH_SCORES, LIMIT.optional()],
        history: &[("2.1.6", "`min` and `max` can be exclusive.")],
        deprecated: Some(("6.2.0", "`ZRANGE` with the `REV` and `BYSCORE` arguments")),
        ..LIMITED
    },
    zrevrangebyscore,
);

fn zrevrangebyscore(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    reply_range(ctx, args, Named { by: Some(By::Score), back: Some(true), key: 1, scores: true })
}

/// Stores members of a sorted set in a range of ranks, scores or members under another key.
pub const ZRANGESTORE: Command = Command::new(
    Spec {
        name: "ZRANGESTORE",
        arity: Arity::at_least(5),
        keys: &[KeySpec::one(1, &["OW", "update"]), KeySpec::one(2, &["RO", "access"])],
        flags: Flags::WRITE.and(Flags::DENYOOM),
        fanout: Fanout::Loan,
        group: Group::SortedSet,
        since: "6.2.0",
        complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements stored into the destination key.",
        summary: "Stores a range of members of a sorted set under another key.",
        args: &[
            Arg::key("dst", 0),
            Arg::key("src", 1),
            MIN_MEMBER,
            MAX_MEMBER,
            SORT_BY.optional(),
            Arg::word("rev", "REV").optional(),
            LIMIT.optional(),
        ],
        ..Spec::NEW
    },
    zrangestore,
);

fn zrangestore(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let asked = Asked::parse(args, Named { by: None, back: None, key: 2, scores: false })?;
    let (source, now, db) = (args.key(2), ctx.now, ctx.db);
    ctx.keyspace().kind_as(&source, Look::Read, now);
    let (mut made, mut len) = (store::Made::default(), 0);
    if let Some(set) = ctx.store.see_sorted_set(db, &source, now)? {
        made = ctx.store.make_sorted_set(now, |edit| {
            let mut buffer = itoa::Buffer::new();
            asked.find(set, |Scored { member, score }| {
                edit.set(member.as_bytes(&mut buffer), score);
                len += 1;
            });
        });
    }
    ctx.keyspace().put_made(&args.key(1), made, now);
    ctx.reply.integer(len);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::check::{check, check3};

    /// A script on five members in both forms.
    fn check_in_both_forms(script: &str, replies: &str) {
        for entries in ["128", "0"] {
            check(
                &format!(
                    "@set zset-max-listpack-entries {entries}; ZADD z 1 a 2 b 2 c 3 d 5 e; {script}"
                ),
                &format!("5; {replies}"),
            );
        }
    }

    #[test]
    fn ranks_count_from_both_ends() {
        check_in_both_forms(
            "ZRANGE z 0 -1; ZRANGE z 1 2 WITHSCORES; ZRANGE z -2 -1; ZRANGE z 3 1; ZRANGE z 5 9; ZRANGE z -99 99; ZRANGE none 0 -1",
            "[a b c d e]; [b 2 c 2]; [d e]; []; []; [a b c d e]; []",
        );
        check_in_both_forms(
            "ZRANGE z 0 1 REV; ZREVRANGE z 0 1 WITHSCORES; ZREVRANGE z -1 -1; ZRANGE z -9223372036854775808 9223372036854775807 REV",
            "[e d]; [e 5 d 3]; [a]; [e d c b a]",
        );
    }

    #[test]
    fn scores_bound_ranges() {
        check_in_both_forms(
            "ZRANGEBYSCORE z 2 3; ZRANGEBYSCORE z (2 +inf WITHSCORES; ZRANGEBYSCORE z -inf (2; ZRANGEBYSCORE z 4 4; ZRANGEBYSCORE z 3 1; ZRANGE z (1 3 BYSCORE",
            "[b c d]; [d 3 e 5]; [a]; []; []; [b c d]",
        );
        check_in_both_forms(
            "ZREVRANGEBYSCORE z 3 2; ZREVRANGEBYSCORE z inf (2 WITHSCORES; ZRANGE z 3 (1 BYSCORE REV; ZREVRANGEBYSCORE z 1 3",
            "[d c b]; [e 5 d 3]; [d c b]; []",
        );
        check_in_both_forms(
            "ZRANGEBYSCORE z 1 9 LIMIT 1 2; ZRANGEBYSCORE z 1 9 LIMIT 3 -1; ZRANGEBYSCORE z 1 9 LIMIT 9 1; ZRANGEBYSCORE z 1 9 LIMIT 0 0; ZRANGEBYSCORE z 1 9 LIMIT -1 5; ZREVRANGEBYSCORE z 9 2 LIMIT 1 2; ZRANGEBYSCORE z 1 2 LIMIT 3 5",
            "[b c]; [d e]; []; []; []; [d c]; []",
        );
    }

    #[test]
    fn members_bound_ranges_where_scores_are_equal() {
        for entries in ["128", "0"] {
            check(
                &format!(
                    "@set zset-max-listpack-entries {entries}; ZADD z 0 a 0 b 0 c 0 d 0 10 0 9; ZRANGEBYLEX z - +; ZRANGEBYLEX z [b (d; ZRANGEBYLEX z (b +; ZRANGEBYLEX z [1 [9; \
                     ZREVRANGEBYLEX z + [c; ZRANGE z [d (a BYLEX REV LIMIT 1 1; ZRANGEBYLEX z - + LIMIT 2 2; ZRANGEBYLEX z + -; ZREVRANGEBYLEX z - +"
                ),
                "6; [10 9 a b c d]; [b c]; [c d]; [10 9]; [d c]; [c]; [a b]; []; []",
            );
        }
    }

    #[test]
    fn options_that_contradict_are_refused_before_the_key() {
        check(
            "SET s v; ZRANGE s 0 1 LIMIT 0 1; ZRANGE s 0 1 BYLEX WITHSCORES; ZRANGE s x 1; ZRANGE s x 1 BYSCORE; ZRANGE s x 1 BYLEX; ZRANGE s 0 1 FOO; ZRANGE s 0 1 LIMIT 0; ZRANGE s 0 1 LIMIT x 1; \
             ZRANGEBYSCORE s 0 1 REV; ZREVRANGE s 0 1 BYSCORE; ZRANGEBYLEX s - + WITHSCORES; ZRANGE s 0 1 REV REV; ZRANGE s 0 1 BYSCORE BYLEX",
            "OK; ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX; \
             ERR syntax error, WITHSCORES not supported in combination with BYLEX; ERR value is not an integer or out of range; \
             ERR min or max is not a float; ERR min or max not valid string range item; ERR syntax error; ERR syntax error; \
             ERR value is not an integer or out of range; ERR syntax error; ERR syntax error; \
             ERR syntax error, WITHSCORES not supported in combination with BYLEX; \
             ERR syntax error; ERR syntax error",
        );
        check("ZADD z 1 a 2 b; ZRANGE z 0 0 LIMIT 5 -1", "2; [a]");
    }

    #[test]
    fn scores_stand_beside_members_in_resp3() {
        check3(
            "ZADD z 1 a 2.5 b; ZRANGE z 0 -1 WITHSCORES; ZRANGEBYSCORE z 2 3 WITHSCORES; ZRANGE z 0 -1",
            "2; [[a ,1] [b ,2.5]]; [[b ,2.5]]; [a b]",
        );
    }

    #[test]
    fn a_range_is_stored_in_the_place_of_anything() {
        check_in_both_forms(
            "SET d v; ZRANGESTORE d z 1 3; ZRANGE d 0 -1 WITHSCORES; TTL d; ZRANGESTORE d z 2 3 BYSCORE REV LIMIT 0 1; EXISTS d; ZRANGESTORE d z 3 2 BYSCORE REV LIMIT 0 2; ZRANGE d 0 -1; ZRANGESTORE z z 0 0; ZRANGE z 0 -1",
            "OK; 3; [b 2 c 2 d 3]; -1; 0; 0; 2; [c d]; 1; [a]",
        );
        check(
            "SET s v; ZRANGESTORE d s 0 1; SET d v; ZRANGESTORE d none 0 1; EXISTS d; ZADD z 1 a; ZRANGESTORE d z 0 1 WITHSCORES",
            "OK; WRONGTYPE; OK; 0; 0; 1; ERR syntax error",
        );
    }
}
