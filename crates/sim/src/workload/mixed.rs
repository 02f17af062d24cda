//! Few keys, all kinds of operations on several of them, for the checker of the whole keyspace. Every value is written once.

use super::Common;
use crate::check::{payloads, scripts};
use crate::history::words;
use crate::player::{Call, Manners, Next, Script};
use base::Prng;
use resp::read::Value;

/// Strings, lists and sets there are, of each so many. No key is ever used for two types.
const KEYS: u64 = 4;

/// Commands that concern all keys stand between MULTI and EXEC too.
const GLOBAL_IN_BLOCKS: bool = true;

/// What clients of a scenario do, in parts.
#[derive(Clone, Copy, Debug)]
pub struct Diet {
    strings: u64,
    lists: u64,
    sets: u64,
    scored: u64,
    streams: u64,
    global: u64,
    blocks: u64,
    scripts: u64,
    waits: u64,
    /// Keys have times to live.
    lives: bool,
    /// There is a second database, which some clients work in.
    databases: bool,
    /// Requests in a pipeline at the most.
    batch: u64,
}

impl Diet {
    /// What a seed makes of it, as far as the server knows the commands.
    pub fn draw(prng: &mut Prng, common: &Common) -> Diet {
        let mut part = |word: &str, choices: &[u64]| {
            let drawn = choices[prng.below(choices.len() as u64) as usize];
            if common.can(word) { drawn } else { 0 }
        };
        Diet {
            strings: part("GET", &[2, 4, 8]),
            lists: part("GET", &[0, 2, 4]),
            sets: part("GET", &[0, 0, 3]),
            scored: part("ZADD", &[0, 0, 3]),
            streams: part("XADD", &[0, 0, 3]),
            global: part("GET", &[0, 1]),
            blocks: part("MULTI", &[0, 3, 6]),
            scripts: part("EVAL", &[0, 3, 6]),
            waits: part(super::BLOCKING, &[0, 3]),
            lives: part("PEXPIRE", &[0, 0, 1]) > 0,
            databases: part("SWAPDB", &[0, 0, 1]) > 0,
            batch: part("GET", &[1, 1, 1, 4]),
        }
    }
}

/// One client of this workload.
pub struct Mixed {
    number: usize,
    written: u64,
    diet: Diet,
    common: Common,
    /// The database that it works in, once it has said so.
    db: Option<u8>,
    /// Watches since so many turns; none when it does not.
    watching: Option<u64>,
}

impl Mixed {
    /// For the client of this number.
    pub fn new(common: &Common, diet: Diet, number: usize) -> Mixed {
        Mixed { number, written: 0, diet, common: common.clone(), db: None, watching: None }
    }

    /// Waits for its replies, so that the order of operations is mostly that of time.
    pub fn place(&self, prng: &mut Prng, manners: &mut Manners) {
        manners.depth = 1;
        // There is one database on that face.
        manners.cluster_face &= !self.diet.databases;
        manners.slowness_ns = 0;
        manners.think_ns = [100, 5_000, 50_000][prng.below(3) as usize];
        manners.start_ns = prng.below(20_000);
    }

    fn value(&mut self) -> String {
        self.written += 1;
        format!("{}.{}", self.number, self.written)
    }

    fn line(&mut self, prng: &mut Prng) -> String {
        let Diet { strings, lists, sets, scored, streams, global, .. } = self.diet;
        let mut drawn = prng.below(strings + lists + sets + scored + streams + global);
        let mut is = |part: u64| {
            let is = drawn < part;
            drawn = drawn.saturating_sub(part);
            is
        };
        match () {
            () if is(strings) => self.of_strings(prng),
            () if is(lists) => self.of_lists(prng),
            () if is(sets) => self.of_sets(prng),
            () if is(scored) => self.of_scored(prng),
            () if is(streams) => self.of_streams(prng),
            () => self.of_all(prng),
        }
    }

    fn of_all(&self, prng: &mut Prng) -> String {
        match prng.below(6) {
            0 | 1 if self.diet.databases && prng.one_in(2) => "SWAPDB 0 1".to_owned(),
            0 if self.diet.databases && prng.one_in(3) => "FLUSHALL".to_owned(),
            0 | 1 => "FLUSHDB".to_owned(),
            // A key whose time is over counts until somebody notices.
            4 | 5 if !self.diet.lives => "DBSIZE".to_owned(),
            _ => "KEYS *".to_owned(),
        }
    }

    /// What concerns a key of any kind.
    fn of_any(&self, prng: &mut Prng, one: &str, two: &str) -> String {
        let replaces = if prng.one_in(2) { " REPLACE" } else { "" };
        let other = 1 - self.db.unwrap_or(0);
        match prng.below(8) {
            0 | 1 if self.diet.lives => format!("PEXPIRE {one} {}", 1 + prng.below(20)),
            2 if self.diet.lives => format!("PERSIST {one}"),
            3 | 4 if self.diet.databases => format!("MOVE {one} {other}"),
            5 if self.diet.databases => format!("COPY {one} {two} DB {other}{replaces}"),
            6 => format!("COPY {one} {two}{replaces}"),
            7 => format!("DEL {one}"),
            _ => format!("RENAME {one} {two}"),
        }
    }

    fn of_strings(&mut self, prng: &mut Prng) -> String {
        let several = keys(prng, "k");
        let (one, two) = (key(prng, "k"), key(prng, "k"));
        match prng.below(18) {
            0 if self.diet.lives => format!("SET {one} {} PX {}", self.value(), 1 + prng.below(20)),
            0 | 1 => format!("SET {one} {}", self.value()),
            16 | 17 => self.of_any(prng, &one, &two),
            2 | 3 => format!("GET {one}"),
            4..=6 => format!("MGET {}", several.join(" ")),
            7..=9 => self.pairs("MSET", &several),
            10 => self.pairs("MSETNX", &several),
            11 => format!("DEL {}", several.join(" ")),
            12 => format!("EXISTS {}", several.join(" ")),
            13 => format!("RENAMENX {one} {two}"),
            14 => format!("COPY {one} {two}{}", if prng.one_in(2) { " REPLACE" } else { "" }),
            _ => format!("RENAME {one} {two}"),
        }
    }

    fn pairs(&mut self, name: &str, keys: &[String]) -> String {
        let pairs: Vec<String> = keys.iter().map(|key| format!("{key} {}", self.value())).collect();
        format!("{name} {}", pairs.join(" "))
    }

    fn of_lists(&mut self, prng: &mut Prng) -> String {
        let (one, two) = (key(prng, "l"), key(prng, "l"));
        let side = |prng: &mut Prng| if prng.one_in(2) { "LEFT" } else { "RIGHT" };
        match prng.below(13) {
            0 | 1 => format!("RPUSH {one} {} {}", self.value(), self.value()),
            2 => format!("LPUSH {one} {}", self.value()),
            3 => format!("LPOP {one}"),
            4 => format!("RPOP {one}"),
            5 => format!("LRANGE {one} 0 -1"),
            6 | 7 => self.of_any(prng, &one, &two),
            8 => format!("SORT {one} ALPHA STORE {two}"),
            _ => format!("LMOVE {one} {two} {} {}", side(prng), side(prng)),
        }
    }

    fn of_scored(&mut self, prng: &mut Prng) -> String {
        let (one, two) = (key(prng, "z"), key(prng, "z"));
        match prng.below(9) {
            0..=2 => format!("ZADD {one} {} {}", prng.below(4), self.value()),
            3 => format!("ZPOPMIN {one}"),
            4 => format!("ZREM {one} {}.{}", prng.below(3), 1 + prng.below(20)),
            5 => format!("ZCARD {one}"),
            6 => format!("ZRANGESTORE {one} {two} 0 -1"),
            7 => self.of_any(prng, &one, &two),
            _ => format!("ZRANGE {one} 0 -1"),
        }
    }

    fn of_streams(&mut self, prng: &mut Prng) -> String {
        let (one, two) = (key(prng, "x"), key(prng, "x"));
        match prng.below(9) {
            0..=3 => format!("XADD {one} 1-* f {}", self.value()),
            4 => format!("XGROUP CREATE {one} g 0 MKSTREAM"),
            5 => format!("XDEL {one} 1-{}", prng.below(6)),
            6 => format!("XLEN {one}"),
            7 => self.of_any(prng, &one, &two),
            _ => format!("XRANGE {one} - +"),
        }
    }

    fn of_sets(&mut self, prng: &mut Prng) -> String {
        let (one, two, three) = (key(prng, "e"), key(prng, "e"), key(prng, "e"));
        let (member, other) = (prng.below(6), prng.below(6));
        match prng.below(10) {
            0..=2 => format!("SADD {one} {member} {other}"),
            3 => format!("SREM {one} {member}"),
            4 => format!("SMOVE {one} {two} {member}"),
            5 => format!("SINTER {one} {two}"),
            6 => format!("SINTERSTORE {one} {two} {three}"),
            7 => format!("SUNIONSTORE {one} {two} {three}"),
            8 => format!("SDIFFSTORE {one} {two} {three}"),
            _ => format!("SMEMBERS {one}"),
        }
    }

    fn block(&mut self, prng: &mut Prng) -> Vec<Call> {
        let mut lines = vec!["MULTI".to_owned()];
        for _ in 0..1 + prng.below(4) {
            let line = self.line(prng);
            let globals = ["FLUSHDB", "FLUSHALL", "SWAPDB 0 1", "KEYS *", "DBSIZE"];
            let is_global = globals.contains(&line.as_str());
            if GLOBAL_IN_BLOCKS || !is_global {
                lines.push(line);
            }
        }
        lines.push(if prng.one_in(12) { "DISCARD" } else { "EXEC" }.to_owned());
        self.watching = None;
        lines.iter().map(|line| Call::plain(words(line))).collect()
    }

    fn script(&mut self, prng: &mut Prng) -> Call {
        let (one, two) = (key(prng, "k"), key(prng, "k"));
        let (from, to) = (key(prng, "l"), key(prng, "l"));
        let (script, rest) = match prng.below(4) {
            0 => (scripts::SWAP, format!("2 {one} {two}")),
            1 => (scripts::SWAP_UNDECLARED, format!("0 {one} {two}")),
            2 => (scripts::READ, format!("0 {}", keys(prng, "k").join(" "))),
            _ => (scripts::PASS, format!("2 {from} {to} n{}", prng.below(2))),
        };
        let mut call = vec![b"EVAL".to_vec(), script.as_bytes().to_vec()];
        call.extend(words(&rest));
        Call::plain(call)
    }

    fn wait(&mut self, prng: &mut Prng) -> Call {
        let (one, two) = (key(prng, "l"), key(prng, "l"));
        let timeout = ["0.001", "0.01", "0.05"][prng.below(3) as usize];
        let ms = ["1", "10", "50"][prng.below(3) as usize];
        let Diet { scored, streams, .. } = self.diet;
        let line = match prng.below(6 + scored + streams) {
            0 | 1 => format!("BLMOVE {one} {two} LEFT RIGHT {timeout}"),
            2 => format!("BRPOP {one} {timeout}"),
            3 => format!("BLPOP {one} {timeout}"),
            4 => format!("BLPOP {one} {two} {timeout}"),
            5 => format!("BLMPOP {timeout} 2 {one} {two} LEFT COUNT 2"),
            drawn if drawn < 6 + scored => {
                let (one, two) = (key(prng, "z"), key(prng, "z"));
                format!("BZPOPMIN {one} {two} {timeout}")
            }
            _ if prng.one_in(2) => {
                let (one, two) = (key(prng, "x"), key(prng, "x"));
                let (from, later) = (prng.below(5), prng.below(5));
                match prng.one_in(2) || one == two {
                    true => format!("XREAD BLOCK {ms} STREAMS {one} 1-{from}"),
                    false => format!("XREAD BLOCK {ms} STREAMS {one} {two} 1-{from} 1-{later}"),
                }
            }
            _ => {
                let (stream, name) = (key(prng, "x"), self.number);
                format!("XREADGROUP GROUP g c{name} BLOCK {ms} STREAMS {stream} >")
            }
        };
        Call::plain(words(&line))
    }

    /// A list that was written elsewhere.
    fn restored(&mut self, prng: &mut Prng) -> Call {
        let elements = [self.value(), self.value()];
        let count = 1 + prng.below(2) as usize;
        let elements: Vec<&str> = elements[..count].iter().map(String::as_str).collect();
        let mut call = words(&format!("RESTORE {} 0", key(prng, "l")));
        call.push(payloads::list(&elements));
        if prng.one_in(2) {
            call.push(b"REPLACE".to_vec());
        }
        Call::plain(call)
    }

    fn calls(&mut self, prng: &mut Prng) -> Vec<Call> {
        let Diet { strings, lists, sets, scored, streams, global, .. } = self.diet;
        let Diet { blocks, scripts, waits, databases, batch, .. } = self.diet;
        if self.db.is_none() {
            let db = u8::from(databases && prng.one_in(3));
            self.db = Some(db);
            return vec![Call::plain(words(&format!("SELECT {db}")))];
        }
        if lists > 0 && prng.one_in(25) && self.watching.is_none() {
            return vec![self.restored(prng)];
        }
        let single = strings + lists + sets + scored + streams + global;
        let drawn = prng.below(single + blocks + scripts + waits);
        match self.watching {
            Some(turns) if turns == 0 || prng.one_in(2) => return self.block(prng),
            Some(turns) => self.watching = Some(turns - 1),
            None => {}
        }
        match drawn {
            _ if drawn < single => {
                let count = 1 + prng.below(batch);
                (0..count).map(|_| Call::plain(words(&self.line(prng)))).collect()
            }
            _ if drawn < single + blocks && self.watching.is_none() && prng.one_in(3) => {
                self.watching = Some(2);
                vec![Call::plain(words(&format!("WATCH {}", keys(prng, "k").join(" "))))]
            }
            _ if drawn < single + blocks => self.block(prng),
            _ if drawn < single + blocks + scripts => vec![self.script(prng)],
            _ => vec![self.wait(prng)],
        }
    }
}

/// Whether an error is one that a command may be refused with for what its keys hold.
fn is_refusal(name: &[u8], text: &str) -> bool {
    match name {
        // No such key, or the same one twice.
        b"RENAME" | b"RENAMENX" | b"COPY" => text.starts_with("ERR "),
        b"RESTORE" => text.starts_with("BUSYKEY "),
        b"XGROUP" => text.starts_with("BUSYGROUP "),
        b"XREADGROUP" => text.starts_with("NOGROUP ") || text.starts_with("UNBLOCKED "),
        _ => false,
    }
}

/// A key of a kind.
fn key(prng: &mut Prng, kind: &str) -> String {
    format!("{kind}{}", prng.below(KEYS))
}

/// Some keys of a kind, each once.
fn keys(prng: &mut Prng, kind: &str) -> Vec<String> {
    let first = prng.below(KEYS);
    (0..1 + prng.below(KEYS)).map(|more| format!("{kind}{}", (first + more) % KEYS)).collect()
}

/// What a last client asks when all others have finished: everything that is there.
pub fn audit(common: &Common) -> Vec<Call> {
    let mut lines = Vec::new();
    for db in 0..2 {
        lines.extend([format!("SELECT {db}"), "KEYS *".to_owned()]);
        for number in 0..KEYS {
            lines.push(format!("GET k{number}"));
            lines.push(format!("LRANGE l{number} 0 -1"));
            lines.push(format!("SMEMBERS e{number}"));
            lines.push(format!("ZRANGE z{number} 0 -1"));
            lines.push(format!("XRANGE x{number} - +"));
        }
        if common.can("EVAL") {
            lines.extend(["GET n0".to_owned(), "GET n1".to_owned()]);
        }
    }
    lines.iter().map(|line| Call::plain(words(line))).collect()
}

impl Script for Mixed {
    fn next(&mut self, prng: &mut Prng, _now_ns: u64) -> Next {
        Next::Send(self.calls(prng))
    }

    fn on_reply(&mut self, _nth: usize, words: &[Vec<u8>], reply: &Value) -> Result<(), String> {
        match reply {
            Value::Error(text) if is_refusal(&words[0], text) => Ok(()),
            Value::Error(_) => Err("an unexpected error".to_owned()),
            _ => Ok(()),
        }
    }

    fn may_be_closed(&self) -> bool {
        self.common.kills
    }
}
