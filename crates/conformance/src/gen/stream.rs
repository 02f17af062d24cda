//! The stream group.
//!
//! Groups and consumers have numbers for names, which no draw of upper and lower case changes. What Redis 7.2 does
//! otherwise than 7.0 is kept out: a consumer is made with its group, and lines that name one are never mutated.

use super::{Draw, Family, fixed, line, script};
use crate::random::script::Action;

pub const FAMILY: Family = Family {
    name: "stream",
    templates: &[
        line(30, "XADD <streamkey> <streamid> name <value>"),
        line(20, "XADD <streamkey> <streamid> name <value> other <value>"),
        line(8, "XADD <streamkey> <streamid> <field> <value>"),
        line(
            12,
            "XADD <streamkey> [NOMKSTREAM] (MAXLEN|MINID) [=|~] (<count>|<streamid>) [LIMIT <count>] <streamid> name <value>",
        ),
        line(4, "XADD <key> <streamid> <field> <value>"),
        line(3, "XADD <streamkey> <junk> <field> <value>"),
        line(8, "XTRIM <streamkey> MAXLEN [=|~] <count> [LIMIT <count>]"),
        line(6, "XTRIM <streamkey> MINID [=|~] <streamid> [LIMIT <int>]"),
        line(2, "XTRIM <key> (MAXLEN|MINID) <int> [<junk>]"),
        line(12, "XDEL <streamkey> <streamid>+"),
        line(6, "XLEN <streamkey>"),
        line(
            14,
            "XRANGE <streamkey> (-|<streamid>) (18446744073709551615|18446744073709551615|<streamid>) [COUNT <count>]",
        ),
        line(
            8,
            "XREVRANGE <streamkey> (18446744073709551615|18446744073709551615|<streamid>) (-|<streamid>) [COUNT <count>]",
        ),
        line(3, "(XRANGE|XREVRANGE) <key> <int> <int> [COUNT <int>]"),
        line(10, "XREAD [COUNT <count>] STREAMS <streamkey> (0|<streamid>)"),
        line(
            6,
            "XREAD [COUNT <count>] STREAMS <streamkey> <streamkey> (0|$|<streamid>) <streamid>",
        ),
        line(3, "XREAD {[COUNT <int>] [<junk>]} STREAMS <key> (<int>|<unread>|$)"),
        fixed(
            30,
            "XREADGROUP GROUP (11|12) (1|2|3) [COUNT <count>] [NOACK] STREAMS <streamkey> <unread>",
        ),
        fixed(6, "XREADGROUP GROUP 11 (1|2) STREAMS <streamkey> <streamkey> <unread> <unread>"),
        line(10, "XACK <streamkey> (11|12) <streamid>+"),
        line(8, "XPENDING <streamkey> (11|12)"),
        line(
            10,
            "XPENDING <streamkey> (11|12) [IDLE (0|1000000)] (-|<streamid>) (18446744073709551615|18446744073709551615|<streamid>) <count> [1|2|9]",
        ),
        fixed(
            12,
            "XCLAIM <streamkey> (11|12) (1|2|3) (0|1000000) <streamid>+ {[FORCE] [JUSTID] [IDLE (0|5000000)] [RETRYCOUNT <count>] [LASTID <streamid>]}",
        ),
        fixed(
            10,
            "XAUTOCLAIM <streamkey> (11|12) (1|2|3) (0|1000000) (0|-|<streamid>) {[COUNT (1|2|50)] [JUSTID]}",
        ),
        line(4, "XGROUP SETID <streamkey> (11|12) (0|$|<streamid>) [ENTRIESREAD <count>]"),
        line(1, "XGROUP DESTROY <streamkey> (11|12)"),
        line(2, "XGROUP (DESTROY|SETID|<junk>) <key> <junk> [<streamid>]"),
        line(2, "XSETID <streamkey> <streamid> [ENTRIESADDED <count> MAXDELETEDID <streamid>]"),
        line(8, "XINFO STREAM <streamkey>"),
        line(5, "XINFO STREAM <streamkey> FULL [COUNT <count>]"),
        line(8, "XINFO GROUPS <streamkey>"),
        line(4, "XINFO CONSUMERS <streamkey> (11|12)"),
        line(2, "XINFO (STREAM|GROUPS|CONSUMERS|<junk>) <key> [<junk>]"),
        line(4, "(DEL|TYPE|PERSIST|TTL) <streamkey>"),
        line(3, "OBJECT ENCODING <streamkey>"),
        line(2, "COPY <streamkey> <streamkey> [REPLACE]"),
        line(1, "EXPIRE <streamkey> <ttl>"),
        line(1, "SET <streamkey> <value>"),
        script(10, group_with_consumers),
        script(3, several_nodes),
    ],
};

/// A request on a key.
fn on(conn: usize, key: &[u8], words: &[&[u8]], key_at: usize) -> Action {
    let mut args: Vec<Vec<u8>> = words.iter().map(|word| word.to_vec()).collect();
    args.insert(key_at, key.to_vec());
    Action::Command { conn, args }
}

/// A group and all the consumers that lines name.
fn group_with_consumers(draw: &mut Draw, conn: usize) -> Vec<Action> {
    let (key, id) = (draw.stream_key(), draw.stream_id());
    let group: &[u8] = if draw.chance(70) { b"11" } else { b"12" };
    let id: &[u8] = if draw.chance(60) { b"0" } else { &id };
    let mut create: Vec<&[u8]> = vec![b"XGROUP", b"CREATE", group, id];
    if draw.chance(70) {
        create.push(b"MKSTREAM");
    }
    if draw.chance(20) {
        // A consumer goes with all that is pending for it, and comes back before anybody asks.
        create = vec![b"XGROUP", b"DELCONSUMER", group, b"2"];
    }
    let mut actions = vec![on(conn, &key, &create, 2)];
    for name in [&b"1"[..], b"2", b"3"] {
        actions.push(on(conn, &key, &[b"XGROUP", b"CREATECONSUMER", group, name], 2));
    }
    actions
}

/// A stream of several nodes, trimmed and emptied from both ends.
fn several_nodes(draw: &mut Draw, conn: usize) -> Vec<Action> {
    let key = draw.stream_key();
    let mut actions = vec![on(conn, &key, &[b"DEL"], 1)];
    let size = draw.below(90);
    for number in 0..120 + draw.below(200) {
        let id = format!("{}-{}", 1000 + number * 3, number % 2).into_bytes();
        let value = vec![b'v'; size];
        let name: &[u8] = if draw.chance(90) { b"name" } else { b"another" };
        actions.push(on(conn, &key, &[b"XADD", &id, name, &value], 1));
    }
    for _ in 0..10 {
        let number = draw.below(250).to_string().into_bytes();
        let id = (1000 + 3 * draw.below(300)).to_string().into_bytes();
        actions.push(match draw.below(5) {
            0 => on(conn, &key, &[b"XTRIM", b"MAXLEN", b"~", &number], 1),
            1 => on(conn, &key, &[b"XTRIM", b"MINID", b"~", &id], 1),
            2 => on(conn, &key, &[b"XTRIM", b"MAXLEN", &number], 1),
            3 => on(conn, &key, &[b"XDEL", &id], 1),
            _ => on(conn, &key, &[b"XRANGE", &id, b"+", b"COUNT", b"3"], 1),
        });
        actions.push(on(conn, &key, &[b"XINFO", b"STREAM"], 2));
    }
    actions
}
