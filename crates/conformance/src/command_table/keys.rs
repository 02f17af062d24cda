//! COMMAND GETKEYS and GETKEYSANDFLAGS on sample requests.

use super::{Mismatch, ask, note};
use crate::peer::{Link, Sides};

/// Requests whose keys are found by range, by step, by number, by keyword, or not at all. Those of commands that only
/// one side knows are left out.
const SAMPLES: &[&str] = &[
    "get k",
    "set k v",
    "set k v GET",
    "set k v NX GET",
    "setex k 1 v",
    "mget a b c",
    "mset a 1 b 2",
    "msetnx a 1 b 2",
    "mset a 1 b",
    "append k v",
    "getdel k",
    "getex k PERSIST",
    "lcs a b",
    "del a b c",
    "unlink a",
    "exists a a",
    "touch a b",
    "type k",
    "expire k 1",
    "ttl k",
    "persist k",
    "object encoding k",
    "object help",
    "ping",
    "echo x",
    "select 0",
    "keys *",
    "scan 0",
    "randomkey",
    "client list",
    "config get x",
    "flushall",
    "dbsize",
    "get",
    "get a b",
    "nosuch k",
    "memory usage k",
    "debug object k",
    "swapdb 0 1",
    "rename a b",
    "copy a b",
    "sort k",
    "sort k STORE d",
    "sort k BY w GET x STORE d",
    "sort_ro k",
    "move k 1",
    "dump k",
    "restore k 0 x",
    "migrate h 1 k 0 1",
    "migrate h 1 KEYS 0 1 KEYS a b",
    "hset k f v",
    "hmget k a b",
    "lpush k v",
    "lmpop 2 a b LEFT",
    "blpop a b 0",
    "lmove a b LEFT RIGHT",
    "rpoplpush a b",
    "sadd k m",
    "smove a b m",
    "sinter a b",
    "sintercard 2 a b",
    "sinterstore d a b",
    "zadd k 1 m",
    "zunion 2 a b",
    "zunionstore d 2 a b",
    "zinterstore d 2 a b WEIGHTS 1 2",
    "zmpop 1 k MIN",
    "bzpopmin a b 0",
    "zrangestore d s 0 -1",
    "xadd k * f v",
    "xread STREAMS a b 0 0",
    "xread COUNT 2 STREAMS a 0",
    "xreadgroup GROUP g c STREAMS a >",
    "xgroup CREATE k g 0",
    "xinfo STREAM k",
    "geoadd k 1 1 m",
    "georadius k 1 1 1 m STORE d",
    "geosearchstore d s FROMMEMBER m BYRADIUS 1 m",
    "bitop AND d a b",
    "bitcount k",
    "setbit k 0 1",
    "pfcount a b",
    "pfmerge d a b",
    "eval x 2 a b c",
    "eval x 0",
    "eval x -1 a",
    "eval x 5 a",
    "evalsha x 1 a",
    "fcall f 1 a",
    "publish c m",
    "subscribe c",
    "spublish c m",
    "multi",
    "exec",
    "watch a b",
    "wait 0 0",
];

/// Compares the samples of the commands in `common`; returns how many there were.
pub fn compare(links: &mut Sides<Link>, common: &[&str], into: &mut Vec<Mismatch>) -> usize {
    let mut asked = 0;
    for sample in SAMPLES {
        let words: Vec<&str> = sample.split(' ').collect();
        let known = common.contains(&words[0]) || words[0] == "nosuch";
        if !known {
            continue;
        }
        for verb in ["GETKEYS", "GETKEYSANDFLAGS"] {
            let request: Vec<&str> =
                ["COMMAND", verb].into_iter().chain(words.iter().copied()).collect();
            let replies = ask(links, &request);
            let order = super::info::deep_order;
            note(sample, verb, &order(&replies.oracle), &order(&replies.subject), into);
            asked += 1;
        }
    }
    asked
}
