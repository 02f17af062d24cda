//! The sorted set group.

use super::{Draw, Family, line, script};
use crate::random::script::Action;

pub const FAMILY: Family = Family {
    name: "sorted_set",
    templates: &[
        line(24, "ZADD <zsetkey> <score> <member> [<score> <member>] [<score> <member>]"),
        line(12, "ZADD <zsetkey> {[NX|XX] [GT|LT] [CH]} <score> <member> [<score> <member>]"),
        line(6, "ZADD <zsetkey> {[NX] [XX] [GT] [LT] [CH] [INCR]} <score> <member>"),
        line(2, "ZADD <key> <float> <value>"),
        line(10, "ZADD <lexkey> 0 <member> 0 <member> 0 <member>"),
        line(10, "ZINCRBY <zsetkey> <score> <member>"),
        line(10, "ZREM <zsetkey> <member>+"),
        line(8, "ZSCORE <zsetkey> <member>"),
        line(5, "ZMSCORE <zsetkey> <member>+"),
        line(4, "ZCARD <zsetkey>"),
        line(6, "ZCOUNT <zsetkey> <scoreend> <scoreend>"),
        line(5, "ZLEXCOUNT <lexkey> <memberend> <memberend>"),
        line(6, "(ZRANK|ZREVRANK) <zsetkey> <member>"),
        line(10, "ZRANGE <zsetkey> <index> <index> {[REV] [WITHSCORES]}"),
        line(
            8,
            "ZRANGE <zsetkey> <scoreend> <scoreend> BYSCORE {[REV] [WITHSCORES] [LIMIT <index> <index>]}",
        ),
        line(5, "ZRANGE <lexkey> <memberend> <memberend> BYLEX {[REV] [LIMIT <index> <index>]}"),
        line(
            3,
            "ZRANGE <zsetkey> <int> <int> {[REV] [BYSCORE] [BYLEX] [LIMIT <int> <int>] [WITHSCORES] [<junk>]}",
        ),
        line(5, "ZREVRANGE <zsetkey> <index> <index> [WITHSCORES]"),
        line(
            10,
            "(ZRANGEBYSCORE|ZREVRANGEBYSCORE) <zsetkey> <scoreend> <scoreend> {[WITHSCORES] [LIMIT <index> <index>]}",
        ),
        line(
            6,
            "(ZRANGEBYLEX|ZREVRANGEBYLEX) <lexkey> <memberend> <memberend> [LIMIT <index> <index>]",
        ),
        line(4, "ZREMRANGEBYRANK <zsetkey> <index> <index>"),
        line(4, "ZREMRANGEBYSCORE <zsetkey> <scoreend> <scoreend>"),
        line(4, "ZREMRANGEBYLEX <lexkey> <memberend> <memberend>"),
        line(6, "(ZPOPMIN|ZPOPMAX) <zsetkey> [<count>]"),
        line(5, "ZMPOP 2 <zsetkey> <zsetkey> (MIN|MAX) [COUNT <count>]"),
        line(2, "ZMPOP <int> <zsetkey> <key> (MIN|MAX) {[COUNT <int>] [<junk>]}"),
        line(4, "ZRANDMEMBER <zsetkey> [<index> [WITHSCORES]]"),
        line(5, "ZSCAN <zsetkey> 0 COUNT 10000 [MATCH <pattern>]"),
        line(4, "ZRANGESTORE <zsetkey> <zsetkey> <index> <index> [REV]"),
        line(
            4,
            "ZRANGESTORE <zsetkey> <zsetkey> <scoreend> <scoreend> BYSCORE {[REV] [LIMIT <index> <index>]}",
        ),
        line(
            6,
            "(ZUNION|ZINTER) 2 <zsetkey> <zsetkey> {[WEIGHTS <score> <score>] [AGGREGATE (SUM|MIN|MAX)] [WITHSCORES]}",
        ),
        line(3, "ZDIFF 2 <zsetkey> <zsetkey> [WITHSCORES]"),
        line(3, "ZINTERCARD 2 <zsetkey> <zsetkey> [LIMIT <count>]"),
        line(
            6,
            "(ZUNIONSTORE|ZINTERSTORE) <zsetkey> 2 <zsetkey> <zsetkey> {[WEIGHTS <score> <score>] [AGGREGATE (SUM|MIN|MAX)]}",
        ),
        line(3, "ZDIFFSTORE <zsetkey> 2 <zsetkey> <zsetkey>"),
        line(
            2,
            "(ZUNION|ZINTER|ZDIFF|ZINTERCARD) <int> <zsetkey> <key> {[WEIGHTS <int>] [LIMIT <int>] [<junk>]}",
        ),
        line(4, "(DEL|TYPE|PERSIST|TTL) <zsetkey>"),
        line(4, "OBJECT ENCODING <zsetkey>"),
        line(2, "EXPIRE <zsetkey> <ttl>"),
        line(1, "SET <zsetkey> <value>"),
        script(2, outgrow),
    ],
};

/// A sorted set that outgrows its packed form, by members or by the length of one, and is read from both ends.
fn outgrow(draw: &mut Draw, conn: usize) -> Vec<Action> {
    let key = draw.sorted_set_key();
    let command = |words: &[&[u8]]| {
        let mut args: Vec<Vec<u8>> = words.iter().map(|word| word.to_vec()).collect();
        args.insert(1, key.clone());
        Action::Command { conn, args }
    };
    let mut add: Vec<Vec<u8>> = vec![b"ZADD".to_vec()];
    for _ in 0..100 + draw.below(60) {
        add.push(draw.below(40).to_string().into_bytes());
        add.push(format!("m:{}", draw.below(400)).into_bytes());
    }
    if draw.below(4) == 0 {
        add.extend([b"7".to_vec(), vec![b'z'; 60 + draw.below(8)]]);
    }
    let words: Vec<&[u8]> = add.iter().map(Vec::as_slice).collect();
    let mut actions = vec![command(&words)];
    for words in [
        &[&b"ZRANGE"[..], b"0", b"-1", b"WITHSCORES"][..],
        &[b"ZRANGEBYSCORE", b"(10", b"20", b"LIMIT", b"3", b"9"],
        &[b"ZREMRANGEBYRANK", b"40", b"-3"],
        &[b"ZPOPMAX", b"2"],
        &[b"ZRANGE", b"0", b"-1", b"REV"],
    ] {
        actions.push(command(words));
    }
    actions
        .push(Action::Command { conn, args: vec![b"OBJECT".to_vec(), b"ENCODING".to_vec(), key] });
    actions
}
