//! Few keys, many clients: registers, counters and texts, for the per-key checker. Every value is
//! written once, so that a read says which write it saw.

use super::Common;
use crate::history::words;
use crate::player::{Call, Next, Script};
use base::Prng;
use resp::read::Value;

/// The shortest of long values: much is missing of one when its first pieces have come.
const LONG_BYTES_MIN: usize = 200_000;

/// Reads and writes a handful of keys.
pub struct Registers {
    number: usize,
    written: u64,
    keys: u64,
    batch: u64,
    /// One value in so many is long enough to be received straight into its place; 0 is none.
    long_one_in: u64,
    common: Common,
}

impl Registers {
    /// For the client of this number.
    pub fn draw(prng: &mut Prng, common: &Common, number: usize) -> Registers {
        let batch = [1, 1, 3, 10][prng.below(4) as usize];
        let long_one_in = if common.long { 8 * batch } else { 0 };
        Registers { number, written: 0, keys: 4, batch, long_one_in, common: common.clone() }
    }

    fn call(&mut self, prng: &mut Prng) -> Call {
        let key = prng.below(self.keys);
        let line = match prng.below(20) {
            0..=11 => self.register(prng, key),
            12..=15 => counter(prng, key % 2),
            16 => self.text(prng),
            _ => self.several(prng),
        };
        Call::plain(words(&line))
    }

    fn value(&mut self, prng: &mut Prng, key: u64) -> String {
        self.written += 1;
        let mut value = format!("r{key}:c{}.{}", self.number, self.written);
        if prng.one_in(self.long_one_in) {
            let len = LONG_BYTES_MIN + prng.below(LONG_BYTES_MIN as u64) as usize;
            let fill = value.clone() + "/";
            value.extend(fill.chars().cycle().take(len));
        }
        value
    }

    fn register(&mut self, prng: &mut Prng, key: u64) -> String {
        let ttl_ms = [1, 5, 20, 1000][prng.below(4) as usize];
        match prng.below(20) {
            0..=5 => format!("SET r{key} {}", self.value(prng, key)),
            6 => format!("GETSET r{key} {}", self.value(prng, key)),
            7 => format!("SET r{key} {} NX", self.value(prng, key)),
            8 => format!("SET r{key} {} XX GET", self.value(prng, key)),
            9 => format!("GETDEL r{key}"),
            10 => format!("DEL r{key}"),
            11 if self.common.expires => {
                format!("SET r{key} {} PX {ttl_ms}", self.value(prng, key))
            }
            12 if self.common.expires => format!("PEXPIRE r{key} {ttl_ms}"),
            13 if self.common.expires => format!("SET r{key} {} KEEPTTL", self.value(prng, key)),
            14 if self.common.expires => format!("PERSIST r{key}"),
            _ => format!("GET r{key}"),
        }
    }

    fn text(&mut self, prng: &mut Prng) -> String {
        match prng.below(4) {
            0 | 1 => {
                self.written += 1;
                format!("APPEND t0 {}.{};", self.number, self.written)
            }
            2 => "STRLEN t0".to_owned(),
            _ => "GET t0".to_owned(),
        }
    }

    fn several(&mut self, prng: &mut Prng) -> String {
        let first = prng.below(self.keys);
        let keys: Vec<u64> =
            (0..1 + prng.below(self.keys)).map(|more| (first + more) % self.keys).collect();
        let names = |name: &str| {
            let keys: Vec<String> = keys.iter().map(|key| format!("r{key}")).collect();
            format!("{name} {}", keys.join(" "))
        };
        match prng.below(8) {
            0..=3 => names("MGET"),
            4 | 5 => {
                let pairs: Vec<String> =
                    keys.iter().map(|key| format!("r{key} {}", self.value(prng, *key))).collect();
                format!("MSET {}", pairs.join(" "))
            }
            6 if self.common.flushes && prng.one_in(3) => "FLUSHALL".to_owned(),
            6 => names("UNLINK"),
            _ => names("EXISTS"),
        }
    }
}

fn counter(prng: &mut Prng, key: u64) -> String {
    match prng.below(6) {
        0..=2 => format!("INCR n{key}"),
        3 => format!("INCRBY n{key} {}", 1 + prng.below(100)),
        _ => format!("GET n{key}"),
    }
}

impl Script for Registers {
    fn next(&mut self, prng: &mut Prng, _now_ns: u64) -> Next {
        let count = 1 + prng.below(self.batch);
        Next::Send((0..count).map(|_| self.call(prng)).collect())
    }

    fn on_reply(&mut self, _nth: usize, _words: &[Vec<u8>], reply: &Value) -> Result<(), String> {
        match reply {
            Value::Error(text) if self.common.lossy && text.starts_with("OOM ") => Ok(()),
            Value::Error(_) => Err("an unexpected error".to_owned()),
            _ => Ok(()),
        }
    }

    fn may_be_closed(&self) -> bool {
        self.common.kills
    }
}
