//! Sorted sets: members in the order of their scores.
//!
//! | file | commands |
//! |---|---|
//! | [`add`] | ZADD ZINCRBY |
//! | [`single`] | ZCARD ZMSCORE ZRANK ZREM ZREVRANK ZSCORE |
//! | [`range`] | ZRANGE ZRANGEBYLEX ZRANGEBYSCORE ZRANGESTORE ZREVRANGE ZREVRANGEBYLEX ZREVRANGEBYSCORE |
//! | [`part`] | ZCOUNT ZLEXCOUNT ZREMRANGEBYLEX ZREMRANGEBYRANK ZREMRANGEBYSCORE |
//! | [`pop`] | ZMPOP ZPOPMAX ZPOPMIN |
//! | [`blocking`] | BZMPOP BZPOPMAX BZPOPMIN |
//! | [`whole`] | ZRANDMEMBER ZSCAN |
//! | [`several`] | ZDIFF ZINTER ZINTERCARD ZUNION ZDIFFSTORE ZINTERSTORE ZUNIONSTORE |
//!
//! [`bounds`] reads the ends of ranges.

pub mod add;
pub mod blocking;
pub mod bounds;
pub mod part;
pub mod pop;
pub mod range;
pub mod several;
pub mod single;
pub mod whole;

use crate::spec::{Arg, ArgKind, Command, KeySpec};
use crate::string::reply_text;
use resp::write::{Protocol, Writer};
use store::Scored;

/// The family's list.
pub const COMMANDS: &[Command] = &[
    blocking::BZMPOP,
    blocking::BZPOPMAX,
    blocking::BZPOPMIN,
    add::ZADD,
    single::ZCARD,
    part::ZCOUNT,
    several::ZDIFF,
    several::ZDIFFSTORE,
    add::ZINCRBY,
    several::ZINTER,
    several::ZINTERCARD,
    several::ZINTERSTORE,
    part::ZLEXCOUNT,
    pop::ZMPOP,
    single::ZMSCORE,
    pop::ZPOPMAX,
    pop::ZPOPMIN,
    whole::ZRANDMEMBER,
    range::ZRANGE,
    range::ZRANGEBYLEX,
    range::ZRANGEBYSCORE,
    range::ZRANGESTORE,
    single::ZRANK,
    single::ZREM,
    part::ZREMRANGEBYLEX,
    part::ZREMRANGEBYRANK,
    part::ZREMRANGEBYSCORE,
    range::ZREVRANGE,
    range::ZREVRANGEBYLEX,
    range::ZREVRANGEBYSCORE,
    single::ZREVRANK,
    whole::ZSCAN,
    single::ZSCORE,
    several::ZUNION,
    several::ZUNIONSTORE,
];

/// The key in COMMAND DOCS.
const KEY: Arg = Arg::key("key", 0);
/// A member in COMMAND DOCS.
const MEMBER: Arg = Arg::string("member");
/// A limit of scores in COMMAND DOCS.
const MIN_SCORE: Arg = Arg::new("min", ArgKind::Double);
/// A limit of scores in COMMAND DOCS.
const MAX_SCORE: Arg = Arg::new("max", ArgKind::Double);
/// A limit of members in COMMAND DOCS.
const MIN_MEMBER: Arg = Arg::string("min");
/// A limit of members in COMMAND DOCS.
const MAX_MEMBER: Arg = Arg::string("max");
/// The word that asks for scores.
const WITH_SCORES: Arg = Arg::word("withscores", "WITHSCORES").optional();

/// One key that is read.
const READ: &[KeySpec] = &[KeySpec::one(1, &["RO", "access"])];

/// Replies with one of several members, and its score where it is asked for: in RESP3 beside it in an array of its own,
/// in RESP2 behind it. Gives the elements that this is.
#[inline]
pub(crate) fn reply_member(reply: &mut Writer<'_>, scored: Scored<'_>, with_score: bool) -> usize {
    if !with_score {
        reply_text(reply, scored.member);
        return 1;
    }
    let nested = reply.protocol() == Protocol::Resp3;
    if nested {
        reply.array(2);
    }
    reply_text(reply, scored.member);
    reply.double(scored.score);
    if nested { 1 } else { 2 }
}

/// Elements that one member takes in [`reply_member`].
fn width(reply: &Writer<'_>, with_scores: bool) -> usize {
    if with_scores && reply.protocol() == Protocol::Resp2 { 2 } else { 1 }
}

/// The members from the start to the stop of a range of ranks, where negative ones count from the end.
fn ranks(start: i64, stop: i64, len: usize) -> std::ops::Range<usize> {
    let len = len as i64;
    let from_end = |rank: i64| if rank < 0 { rank + len } else { rank };
    let (start, stop) = (from_end(start).max(0), from_end(stop).min(len - 1));
    if start > stop { 0..0 } else { start as usize..stop as usize + 1 }
}

/// What the tests over the whole table need to know of this family.
#[cfg(test)]
pub(crate) mod facts {
    /// What redis-server calls fast.
    pub const FAST: &str = "BZPOPMAX BZPOPMIN ZADD ZCARD ZCOUNT ZINCRBY ZLEXCOUNT ZMSCORE ZPOPMAX ZPOPMIN ZRANK ZREM ZREVRANK ZSCORE";

    /// Each command in a call that takes effect.
    pub const EXAMPLES: &[&str] = &[
        "ZADD zs 1 a 2 b 3 c 4 d 5 e 6 f 7 g",
        "ZADD zt 1 a 2 x",
        "ZCARD zs",
        "ZCOUNT zs 1 2",
        "ZDIFF 2 zs zt",
        "ZDIFFSTORE zu 2 zs zt",
        "ZINCRBY zs 1 a",
        "ZINTER 2 zs zt",
        "ZINTERCARD 2 zs zt",
        "ZINTERSTORE zu 2 zs zt",
        "ZLEXCOUNT zs - +",
        "ZMPOP 1 zs MIN",
        "ZMSCORE zs a b",
        "ZPOPMAX zs",
        "ZPOPMIN zs",
        "ZADD zb 1 a 2 b 3 c",
        "BZMPOP 0 2 none zb MIN",
        "BZPOPMAX none zb 0",
        "BZPOPMIN zb 0",
        "ZRANDMEMBER zs",
        "ZRANGE zs 0 -1",
        "ZRANGEBYLEX zs - +",
        "ZRANGEBYSCORE zs 1 2",
        "ZRANGESTORE zu zs 0 -1",
        "ZRANK zs b",
        "ZREM zs d",
        "ZREVRANGE zs 0 -1",
        "ZREVRANGEBYLEX zs + -",
        "ZREVRANGEBYSCORE zs 2 1",
        "ZREVRANK zs c",
        "ZSCAN zs 0",
        "ZSCORE zs c",
        "ZUNION 2 zs zt",
        "ZUNIONSTORE zu 2 zs zt",
        "ZREMRANGEBYLEX zu - [a",
        "ZREMRANGEBYRANK zu 0 0",
        "ZREMRANGEBYSCORE zu -inf +inf",
    ];
}
