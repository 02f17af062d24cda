//! Expiry: the commands with far TTLs, and keys that really expire before they are used.

use std::time::Duration;

use super::{Draw, Family, line, script};
use crate::random::script::Action;

pub const FAMILY: Family = Family {
    name: "expire",
    templates: &[
        line(20, "EXPIRE <key> <ttl> [NX|XX|GT|LT]"),
        line(12, "PEXPIRE <key> <pttl> [NX|XX|GT|LT]"),
        line(20, "EXPIREAT <key> <at> [NX|XX|GT|LT]"),
        line(16, "PEXPIREAT <key> <pat> [NX|XX|GT|LT]"),
        line(5, "(EXPIREAT|PEXPIREAT) <key> <pat> {[NX] [XX] [GT] [LT] [<junk>]}"),
        line(16, "TTL <key>"),
        line(16, "PTTL <key>"),
        line(14, "EXPIRETIME <key>"),
        line(14, "PEXPIRETIME <key>"),
        line(14, "PERSIST <key>"),
        script(2, used_after_it_expired),
    ],
};

/// Longer than the TTL by far more than a scheduler's delay.
const WAIT: Duration = Duration::from_millis(15);

/// Sets a key that lives for a moment, waits, and lets one command be the first to find it gone.
fn used_after_it_expired(draw: &mut Draw, conn: usize) -> Vec<Action> {
    let key = draw.key();
    let text = |words: &[&str]| -> Vec<Vec<u8>> {
        words
            .iter()
            .map(|word| if *word == "K" { key.clone() } else { word.as_bytes().to_vec() })
            .collect()
    };
    let before = match draw.below(5) {
        0 => vec![text(&["SET", "K", "10", "PX", "5"])],
        1 => vec![text(&["PSETEX", "K", "5", "v"])],
        2 => vec![text(&["SET", "K", "v"]), text(&["PEXPIRE", "K", "5"])],
        3 => vec![text(&["MSET", "K", "1", "other", "2"]), text(&["GETEX", "K", "PX", "5"])],
        _ => vec![text(&["SET", "K", "v", "PX", "5"]), text(&["SET", "K", "w", "KEEPTTL"])],
    };
    let first: &[&str] = match draw.below(28) {
        0 => &["GET", "K"],
        1 => &["SET", "K", "n", "XX"],
        2 => &["SET", "K", "n", "NX", "GET"],
        3 => &["SET", "K", "n", "KEEPTTL"],
        4 => &["APPEND", "K", "x"],
        5 => &["INCR", "K"],
        6 => &["INCRBYFLOAT", "K", "1.5"],
        7 => &["SETRANGE", "K", "3", "x"],
        8 => &["STRLEN", "K"],
        9 => &["GETDEL", "K"],
        10 => &["GETEX", "K", "PERSIST"],
        11 => &["GETSET", "K", "n"],
        12 => &["MGET", "K", "K"],
        13 => &["MSETNX", "K", "n"],
        14 => &["SETNX", "K", "n"],
        15 => &["DEL", "K"],
        16 => &["UNLINK", "K"],
        17 => &["EXISTS", "K", "K"],
        18 => &["TOUCH", "K"],
        19 => &["TYPE", "K"],
        20 => &["TTL", "K"],
        21 => &["PERSIST", "K"],
        22 => &["EXPIRE", "K", "1000", "NX"],
        23 => &["PEXPIRETIME", "K"],
        24 => &["OBJECT", "ENCODING", "K"],
        25 => &["KEYS", "*"],
        26 => &["GETRANGE", "K", "0", "-1"],
        _ => &["LCS", "K", "K"],
    };
    let after = vec![text(first), text(&["EXISTS", "K"]), text(&["PTTL", "K"])];
    vec![Action::Lapse { conn, before, wait: WAIT, after }]
}
