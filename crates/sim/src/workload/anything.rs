//! Any data command with any valid arguments, on keys that nobody else uses. Only the number and the
//! form of the replies are looked at.

use super::Common;
use crate::grammar::{self, Pool};
use crate::player::{Call, Next, Script};
use crate::world::clocks;
use base::Prng;
use resp::read::Value;

/// What would disturb the other clients' checks.
const WITHOUT: [&str; 3] = ["flushall", "flushdb", "swapdb"];

/// Questions to all cores, beside the data commands.
const QUESTIONS: [&str; 8] = [
    "DBSIZE",
    "INFO",
    "CONFIG GET max*",
    "CLIENT LIST",
    "CLIENT ID",
    "SLOWLOG GET",
    "COMMAND COUNT",
    "LATENCY LATEST",
];

/// Sends anything.
pub struct Anything {
    common: Common,
    commands: Vec<u16>,
}

impl Anything {
    /// A client of this kind.
    pub fn new(common: &Common) -> Anything {
        let commands = grammar::data_commands(&common.table, &WITHOUT);
        Anything { common: common.clone(), commands }
    }

    fn call(&self, prng: &mut Prng, now_ns: u64) -> Call {
        if prng.one_in(8) {
            let question = QUESTIONS[prng.below(QUESTIONS.len() as u64) as usize];
            return Call::plain(crate::history::words(question));
        }
        let id = self.commands[prng.below(self.commands.len() as u64) as usize];
        let unix_ms = clocks(now_ns).unix_ms();
        let pool = Pool { prefix: "x", keys: 8, unix_ms, wild_one_in: 20 };
        let mut words = Vec::new();
        grammar::request(&self.common.table, self.common.table.entry(id), pool, prng, &mut words);
        Call::plain(words)
    }
}

impl Script for Anything {
    fn next(&mut self, prng: &mut Prng, now_ns: u64) -> Next {
        let count = 1 + prng.below(6);
        Next::Send((0..count).map(|_| self.call(prng, now_ns)).collect())
    }

    fn on_reply(&mut self, _nth: usize, _words: &[Vec<u8>], _reply: &Value) -> Result<(), String> {
        Ok(())
    }

    fn may_be_closed(&self) -> bool {
        self.common.kills
    }
}
