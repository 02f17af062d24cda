//! CONFIG on parameters whose change harms no comparison. Each is put back before the next script.

use super::draw::INTEGER_EDGES;
use super::{Draw, Family, line, script};
use crate::random::script::Action;

/// The password of scripts that set one; the runner says it when a script left it behind.
pub const PASSWORD: &str = "s3cret";

/// Parameters that scripts may set, each with a value that is good.
pub const TOUCHED: &[(&str, &str)] = &[
    ("slowlog-max-len", "64"),
    ("latency-monitor-threshold", "0"),
    ("lfu-log-factor", "5"),
    ("lfu-decay-time", "2"),
    ("maxmemory-samples", "7"),
    ("maxmemory-policy", "allkeys-lfu"),
    ("hash-max-listpack-entries", "256"),
    ("hash-max-ziplist-value", "32"),
    ("set-max-intset-entries", "100"),
    ("list-max-listpack-size", "-1"),
    ("zset-max-listpack-value", "1k"),
    ("stream-node-max-bytes", "8kb"),
    ("hll-sparse-max-bytes", "2000"),
    ("lazyfree-lazy-user-del", "yes"),
    ("lazyfree-lazy-user-flush", "yes"),
    ("lazyfree-lazy-expire", "YES"),
    ("activedefrag", "no"),
    ("active-expire-effort", "5"),
    ("hz", "50"),
    ("dynamic-hz", "no"),
    ("notify-keyspace-events", "KEA"),
    ("tcp-keepalive", "60"),
    ("loglevel", "verbose"),
    ("busy-reply-threshold", "1000"),
    ("lua-time-limit", "2000"),
    ("acllog-max-len", "10"),
    ("tracking-table-max-keys", "1000"),
    ("repl-backlog-size", "2mb"),
    ("min-replicas-max-lag", "5"),
    ("latency-tracking", "no"),
    ("client-output-buffer-limit", "pubsub 64mb 16mb 90"),
    ("maxmemory", "0"),
    ("slowlog-log-slower-than", "-1"),
    ("requirepass", ""),
    ("proto-max-bulk-len", "512mb"),
];

/// Parameters that exist but cannot be set, or do not exist.
const UNSETTABLE: &[&str] = &[
    "databases",
    "port-nosuch",
    "nosuch",
    "",
    "unixsocket",
    "daemonize",
    "cluster-enabled",
    "get",
];

const PATTERNS: &[&str] = &[
    "maxmemory*",
    "*-max-*",
    "*",
    "nosuch",
    "",
    "SAVE",
    "appendonly",
    "maxmemory-policy",
    "m?xmemory",
    "[hl]fu-*",
    "*time*",
    "lfu-*",
    "databases",
    "list-max-ziplist-size",
    "slave-*",
    "replica-*",
    "client-output-buffer-limit",
    "proto-max-bulk-len",
];

pub const FAMILY: Family = Family {
    name: "config",
    templates: &[
        line(3, "CONFIG GET <parameters>"),
        line(1, "CONFIG GET <parameters>+"),
        line(3, "CONFIG SET <parameter> <setting>"),
        line(1, "CONFIG SET <parameter> <setting> [<parameter> <setting>] <parameter> <setting>"),
        line(1, "CONFIG (RESETSTAT|HELP|<junk>)"),
        script(2, good_set),
        script(1, out_of_memory),
    ],
};

pub fn parameter(draw: &mut Draw) -> Vec<u8> {
    if draw.chance(15) {
        let name = draw.pick(UNSETTABLE);
        return draw.cased(name.as_bytes());
    }
    // Memory limits and the password get their own scripts: a random value would evict keys or lock everybody out.
    let harmless = TOUCHED.len() - 4;
    let name = TOUCHED[draw.below(harmless)].0;
    draw.cased(name.as_bytes())
}

pub fn pattern(draw: &mut Draw) -> Vec<u8> {
    match draw.below(3) {
        0 => draw.pick(PATTERNS).as_bytes().to_vec(),
        _ => parameter(draw),
    }
}

pub fn setting(draw: &mut Draw) -> Vec<u8> {
    match draw.below(4) {
        0 => draw.pick(INTEGER_EDGES).as_bytes().to_vec(),
        1 => draw
            .pick(&[
                "yes",
                "no",
                "YES",
                "maybe",
                "1k",
                "1kb",
                "1mb",
                "10%",
                "",
                "noeviction",
                "allkeys-lru",
                "KEA",
                "notice",
            ])
            .as_bytes()
            .to_vec(),
        2 => draw.below(100).to_string().into_bytes(),
        _ => TOUCHED[draw.below(TOUCHED.len())].1.as_bytes().to_vec(),
    }
}

/// Sets one to four parameters to good values and reads them back.
fn good_set(draw: &mut Draw, conn: usize) -> Vec<Action> {
    let mut set = vec![b"CONFIG".to_vec(), b"SET".to_vec()];
    let mut get = vec![b"CONFIG".to_vec(), b"GET".to_vec()];
    for _ in 0..1 + draw.below(4) {
        let (name, value) = TOUCHED[draw.below(TOUCHED.len() - 4)];
        set.push(draw.cased(name.as_bytes()));
        set.push(value.as_bytes().to_vec());
        get.push(draw.cased(name.as_bytes()));
    }
    vec![Action::Command { conn, args: set }, Action::Command { conn, args: get }]
}

/// A limit that any server exceeds: what grows answers OOM, the rest works.
fn out_of_memory(draw: &mut Draw, conn: usize) -> Vec<Action> {
    let command = |words: &[&[u8]]| Action::Command {
        conn,
        args: words.iter().map(|w| w.to_vec()).collect(),
    };
    let mut actions =
        vec![command(&[b"CONFIG", b"SET", b"maxmemory-policy", b"noeviction", b"maxmemory", b"1"])];
    for _ in 0..3 + draw.below(8) {
        let key = draw.key();
        actions.push(match draw.below(16) {
            0 => command(&[b"SET", &key, b"v"]),
            1 => command(&[b"GET", &key]),
            2 => command(&[b"APPEND", &key, b"x"]),
            3 => command(&[b"INCR", &key]),
            4 => command(&[b"DEL", &key]),
            5 => command(&[b"EXPIRE", &key, b"10000"]),
            6 => command(&[b"SETRANGE", &key, b"1", b"x"]),
            7 => command(&[b"MSET", &key, b"v", b"other", b"w"]),
            8 => command(&[b"GETSET", &key, b"v"]),
            9 => command(&[b"GETDEL", &key]),
            10 => command(&[b"GETEX", &key, b"PERSIST"]),
            11 => command(&[b"PING"]),
            12 => command(&[b"SETNX", &key, b"v"]),
            13 => command(&[b"SET", &key]),
            14 => command(&[b"LCS", b"lcs:{t}0", b"lcs:{t}1"]),
            _ => command(&[b"UNLINK", &key]),
        });
    }
    actions.push(command(&[b"CONFIG", b"SET", b"maxmemory", b"0"]));
    actions
}
