//! Few keys, all kinds of operations on several of them, for the checker of the whole keyspace. Every value is written once.

use super::Common;
use crate::check::scripts;
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
    global: u64,
    blocks: u64,
    scripts: u64,
    waits: u64,
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
            global: part("GET", &[0, 1]),
            blocks: part("MULTI", &[0, 3, 6]),
            scripts: part("EVAL", &[0, 3, 6]),
            waits: part(super::BLOCKING, &[0, 3]),
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
    /// Watches since so many turns; none when it does not.
    watching: Option<u64>,
}

impl Mixed {
    /// For the client of this number.
    pub fn new(common: &Common, diet: Diet, number: usize) -> Mixed {
        Mixed { number, written: 0, diet, common: common.clone(), watching: None }
    }

    /// Waits for its replies, so that the order of operations is mostly that of time.
    pub fn place(&self, prng: &mut Prng, manners: &mut Manners) {
        manners.depth = 1;
        manners.slowness_ns = 0;
        manners.think_ns = [100, 5_000, 50_000][prng.below(3) as usize];
        manners.start_ns = prng.below(20_000);
    }

    fn value(&mut self) -> String {
        self.written += 1;
        format!("{}.{}", self.number, self.written)
    }

    fn line(&mut self, prng: &mut Prng) -> String {
        let Diet { strings, lists, sets, global, .. } = self.diet;
        let drawn = prng.below(strings + lists + sets + global);
        match drawn {
            _ if drawn < strings => self.of_strings(prng),
            _ if drawn < strings + lists => self.of_lists(prng),
            _ if drawn < strings + lists + sets => self.of_sets(prng),
            _ => match prng.below(6) {
                0 | 1 => "FLUSHDB".to_owned(),
                2 | 3 => "KEYS *".to_owned(),
                _ => "DBSIZE".to_owned(),
            },
        }
    }

    fn of_strings(&mut self, prng: &mut Prng) -> String {
        let several = keys(prng, "k");
        let (one, two) = (key(prng, "k"), key(prng, "k"));
        match prng.below(16) {
            0 | 1 => format!("SET {one} {}", self.value()),
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
        match prng.below(10) {
            0 | 1 => format!("RPUSH {one} {} {}", self.value(), self.value()),
            2 => format!("LPUSH {one} {}", self.value()),
            3 => format!("LPOP {one}"),
            4 => format!("RPOP {one}"),
            5 => format!("LRANGE {one} 0 -1"),
            6 => format!("RENAME {one} {two}"),
            _ => format!("LMOVE {one} {two} {} {}", side(prng), side(prng)),
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
            let is_global = ["FLUSHDB", "KEYS *", "DBSIZE"].contains(&line.as_str());
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
        let line = match prng.below(4) {
            0 => format!("BLMOVE {one} {two} LEFT RIGHT {timeout}"),
            1 => format!("BRPOP {one} {timeout}"),
            2 => format!("BLPOP {one} {timeout}"),
            _ => format!("BLPOP {one} {two} {timeout}"),
        };
        Call::plain(words(&line))
    }

    fn calls(&mut self, prng: &mut Prng) -> Vec<Call> {
        let Diet { strings, lists, sets, global, blocks, scripts, waits, batch } = self.diet;
        let single = strings + lists + sets + global;
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

/// Commands that may be refused for their keys.
fn is_move(name: &[u8]) -> bool {
    matches!(name, b"RENAME" | b"RENAMENX" | b"COPY")
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
    let mut lines = vec!["KEYS *".to_owned()];
    for number in 0..KEYS {
        lines.push(format!("GET k{number}"));
        lines.push(format!("LRANGE l{number} 0 -1"));
        lines.push(format!("SMEMBERS e{number}"));
    }
    if common.can("EVAL") {
        lines.extend(["GET n0".to_owned(), "GET n1".to_owned()]);
    }
    lines.iter().map(|line| Call::plain(words(line))).collect()
}

impl Script for Mixed {
    fn next(&mut self, prng: &mut Prng, _now_ns: u64) -> Next {
        Next::Send(self.calls(prng))
    }

    fn on_reply(&mut self, _nth: usize, words: &[Vec<u8>], reply: &Value) -> Result<(), String> {
        match reply {
            // No such key, or the same one twice.
            Value::Error(text) if text.starts_with("ERR ") && is_move(&words[0]) => Ok(()),
            Value::Error(_) => Err("an unexpected error".to_owned()),
            _ => Ok(()),
        }
    }

    fn may_be_closed(&self) -> bool {
        self.common.kills
    }
}
