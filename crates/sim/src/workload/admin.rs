//! Those who disturb: changes of the configuration, pauses, kills, and clients that fill the memory.

use super::Common;
use crate::history::words;
use crate::player::{Call, Next, Script};
use base::Prng;
use resp::read::Value;

/// Changes the server while others work.
pub struct Admin {
    common: Common,
}

impl Admin {
    /// A client of this kind.
    pub fn new(common: &Common) -> Admin {
        Admin { common: common.clone() }
    }

    fn line(&self, prng: &mut Prng) -> String {
        let policy = ["noeviction", "allkeys-lru", "volatile-lru", "allkeys-random", "allkeys-lfu"]
            [prng.below(5) as usize];
        match prng.below(12) {
            0 => format!("CONFIG SET hz {}", 1 + prng.below(100)),
            1 => format!("CONFIG SET slowlog-log-slower-than {}", prng.below(100)),
            2 | 3 if self.common.lossy => {
                format!("CONFIG SET maxmemory {}kb", 300 + prng.below(6000))
            }
            4 if self.common.lossy => format!("CONFIG SET maxmemory-policy {policy}"),
            5 => format!("CLIENT PAUSE {} ALL", prng.below(50)),
            6 => format!("CLIENT PAUSE {} WRITE", prng.below(50)),
            7 => "CLIENT UNPAUSE".to_owned(),
            8 if self.common.kills => format!("CLIENT KILL ID {}", 1 + prng.below(8)),
            9 => "CONFIG RESETSTAT".to_owned(),
            10 => "INFO everything".to_owned(),
            _ => "DBSIZE".to_owned(),
        }
    }
}

impl Script for Admin {
    fn next(&mut self, prng: &mut Prng, _now_ns: u64) -> Next {
        Next::Send(vec![Call::plain(words(&self.line(prng)))])
    }

    fn on_reply(&mut self, _nth: usize, _words: &[Vec<u8>], reply: &Value) -> Result<(), String> {
        match reply {
            Value::Error(text) if text.starts_with("ERR No such client") => Ok(()),
            Value::Error(text) if text.starts_with("ERR unknown") => Ok(()),
            Value::Error(_) => Err("an unexpected error".to_owned()),
            _ => Ok(()),
        }
    }

    fn may_be_closed(&self) -> bool {
        self.common.kills
    }
}

/// Writes and reads back large values, in pipelines that fill rings, sockets and memory.
pub struct Hoarder {
    common: Common,
    number: usize,
    written: u64,
}

impl Hoarder {
    /// For the client of this number.
    pub fn new(common: &Common, number: usize) -> Hoarder {
        Hoarder { common: common.clone(), number, written: 0 }
    }
}

impl Script for Hoarder {
    fn next(&mut self, prng: &mut Prng, _now_ns: u64) -> Next {
        let mut calls = Vec::new();
        for _ in 0..1 + prng.below(20) {
            let key = prng.below(40);
            let line = match prng.below(3) {
                0 => format!("GET h{key}"),
                1 => format!("GETRANGE h{key} 0 -1"),
                _ => {
                    self.written += 1;
                    let len = [10, 1_000, 20_000][prng.below(3) as usize];
                    format!("SET h{key} {}.{}:{}", self.number, self.written, "y".repeat(len))
                }
            };
            calls.push(Call::plain(words(&line)));
        }
        Next::Send(calls)
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
