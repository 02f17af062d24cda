//! Scans while the tables grow and shrink: a key that is there throughout is returned, and nothing is
//! returned that never was.

use crate::history::words;
use crate::player::{Call, Next, Script};
use base::Prng;
use resp::read::Value;
use std::collections::BTreeSet;

/// Puts keys of its own in, and scans for them again and again while it adds and removes others.
pub struct Scanner {
    number: usize,
    stable: u64,
    loaded: bool,
    churned: u64,
    cursor: Vec<u8>,
    /// The pattern of the present scan; none for everything.
    matching: bool,
    found: BTreeSet<Vec<u8>>,
    asking: bool,
}

impl Scanner {
    /// For the client of this number.
    pub fn draw(prng: &mut Prng, number: usize) -> Scanner {
        Scanner {
            number,
            stable: 10 + prng.below(60),
            loaded: false,
            churned: 0,
            cursor: b"0".to_vec(),
            matching: false,
            found: BTreeSet::new(),
            asking: false,
        }
    }

    fn name(&self, index: u64) -> String {
        format!("s{}:{index}", self.number)
    }

    fn load(&mut self) -> Vec<Call> {
        self.loaded = true;
        let set = |index| Call::plain(words(&format!("SET {} v", self.name(index))));
        (0..self.stable).map(set).collect()
    }

    fn churn(&mut self, prng: &mut Prng) -> Vec<Call> {
        let line = |churned: u64, number: usize| match prng_remove(churned) {
            true => format!("DEL g{number}:{}", churned.saturating_sub(30)),
            false => format!("SET g{number}:{churned} v"),
        };
        let mut calls = Vec::new();
        for _ in 0..prng.below(30) {
            self.churned += 1;
            calls.push(Call::plain(words(&line(self.churned, self.number))));
        }
        calls
    }

    fn end_of_scan(&mut self) -> Result<(), String> {
        let found = std::mem::take(&mut self.found);
        for index in 0..self.stable {
            let name = self.name(index).into_bytes();
            if !found.contains(&name) {
                return Err(format!("a full scan has missed {}", name.escape_ascii()));
            }
        }
        let own = format!("s{}:", self.number).into_bytes();
        match found.iter().find(|key| self.matching && !key.starts_with(&own)) {
            Some(key) => Err(format!("a scan by pattern has returned {}", key.escape_ascii())),
            None => Ok(()),
        }
    }
}

/// Every third step of the churn removes.
fn prng_remove(churned: u64) -> bool {
    churned % 3 == 2
}

impl Script for Scanner {
    fn next(&mut self, prng: &mut Prng, _now_ns: u64) -> Next {
        if !self.loaded {
            return Next::Send(self.load());
        }
        if self.asking {
            return Next::AwaitReplies;
        }
        let mut calls = self.churn(prng);
        if self.cursor == b"0" {
            self.matching = prng.one_in(2);
        }
        let mut scan = words("SCAN");
        scan.push(self.cursor.clone());
        if self.matching {
            scan.extend(words(&format!("MATCH s{}:*", self.number)));
        }
        if prng.one_in(2) {
            scan.extend(words(&format!("COUNT {}", 1 + prng.below(40))));
        }
        calls.push(Call::plain(scan));
        self.asking = true;
        Next::Send(calls)
    }

    fn on_reply(&mut self, _nth: usize, words: &[Vec<u8>], reply: &Value) -> Result<(), String> {
        if let Value::Error(_) = reply {
            return Err("an unexpected error".to_owned());
        }
        if words[0] != b"SCAN" {
            return Ok(());
        }
        self.asking = false;
        let Value::Array(parts) = reply else { return Err("no array".to_owned()) };
        let [Value::Bulk(cursor), Value::Array(keys)] = parts.as_slice() else {
            return Err("no cursor and keys".to_owned());
        };
        for key in keys {
            let Value::Bulk(key) = key else { return Err("a key that is no string".to_owned()) };
            self.found.insert(key.clone());
        }
        self.cursor = cursor.clone();
        if cursor == b"0" { self.end_of_scan() } else { Ok(()) }
    }

    fn may_be_closed(&self) -> bool {
        true
    }
}
