//! The string group.

use super::{Draw, Family, fixed, line, script};
use crate::random::script::Action;

pub const FAMILY: Family = Family {
    name: "string",
    templates: &[
        line(60, "SET <key> <value>"),
        line(
            40,
            "SET <key> <value> {[NX|XX] [GET] [EX <ttl>|PX <pttl>|EXAT <at>|PXAT <pat>|KEEPTTL]}",
        ),
        line(
            6,
            "SET <key> <value> {[NX] [XX] [GET] [GET] [KEEPTTL] [EX <ttl>] [PX <pttl>] [EXAT <at>]}",
        ),
        line(6, "SET <key> <value> (EX|PX|EXAT|PXAT) <int>"),
        line(4, "SET <key> <value> <junk>+"),
        line(40, "GET <key>"),
        line(12, "GETDEL <key>"),
        line(14, "GETEX <key> [EX <ttl>|PX <pttl>|EXAT <at>|PXAT <pat>|PERSIST]"),
        line(4, "GETEX <key> {[PERSIST] [EX <ttl>] [PXAT <pat>] [<junk>]}"),
        line(16, "GETSET <key> <value>"),
        line(20, "GETRANGE <key> <index> <index>"),
        line(8, "SUBSTR <key> <index> <index>"),
        line(14, "SETRANGE <key> <offset> <value>"),
        line(14, "APPEND <key> <value>"),
        line(16, "STRLEN <key>"),
        line(14, "SETNX <key> <value>"),
        line(8, "SETEX <key> <ttl> <value>"),
        line(8, "PSETEX <key> <pttl> <value>"),
        line(16, "MGET <key>+"),
        line(14, "MSET <key> <value> [<key> <value>] [<key> <value>]"),
        line(10, "MSETNX <key> <value> [<key> <value>] [<key> <value>]"),
        line(2, "(MSET|MSETNX) <key>+"),
        line(16, "INCR <key>"),
        line(12, "DECR <key>"),
        line(16, "INCRBY <key> <int>"),
        line(12, "DECRBY <key> <int>"),
        line(20, "INCRBYFLOAT <key> <float>"),
        line(6, "SET <key> <float>"),
        line(6, "SET <key> <int>"),
        fixed(6, "SET <lcskey> <lcsvalue>"),
        line(8, "LCS <lcskey> <lcskey> {[LEN] [IDX] [MINMATCHLEN <index>] [WITHMATCHLEN]}"),
        line(2, "LCS <lcskey> <key> [IDX|LEN]"),
        fixed(1, "SET <bigkey> <bigvalue>"),
        fixed(1, "APPEND <bigkey> <bigvalue>"),
        fixed(1, "SETRANGE <bigkey> (0|1000|70000|200000) <value>"),
        fixed(1, "GETRANGE <bigkey> <int> <int>"),
        fixed(1, "STRLEN <bigkey>"),
        fixed(1, "(GETDEL|DEL) <bigkey>"),
        fixed(1, "GET <bigkey>"),
        script(1, large_replies),
    ],
};

/// A pipeline whose replies are far beyond any output buffer, with small requests between that must wait their turn.
fn large_replies(draw: &mut Draw, conn: usize) -> Vec<Action> {
    let command = |words: &[&str]| Action::Command {
        conn,
        args: words.iter().map(|w| w.as_bytes().to_vec()).collect(),
    };
    let size = (100_000 + draw.below(400_000)).to_string();
    let mut actions = vec![command(&["SETRANGE", "large", &size, "x"])];
    for _ in 0..2 + draw.below(8) {
        actions.push(match draw.below(8) {
            0 => command(&["MSETNX", "k:1", "1", "k:2", "2", "k:3", "3", "k:4", "4"]),
            1 => command(&["ECHO", "between"]),
            2 => command(&["INCR", "k:5"]),
            3 => command(&["MGET", "k:1", "large", "k:2"]),
            4 => command(&["DBSIZE"]),
            _ => command(&["GET", "large"]),
        });
    }
    actions.push(command(&["DEL", "large"]));
    actions
}
