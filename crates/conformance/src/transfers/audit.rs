//! Clients that count all the money at one moment.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::{Context, Result};

use super::bank::{Bank, balances};
use super::{Done, Shared, Work};
use crate::peer::{Caller, Server};

/// Wrong sums that one client keeps; the first of them ends the run anyway.
const WRONG_MAX: usize = 20;
/// Sums what its keys hold.
const DECLARED: &str =
    "local n=0 for i=1,#KEYS do n=n+redis.call('GET',KEYS[i]) end return tostring(n)";
/// The same with a prefix and a number in the place of keys.
const UNDECLARED: &str =
    "local n=0 for i=0,ARGV[2]-1 do n=n+redis.call('GET',ARGV[1]..i) end return tostring(n)";

/// A way to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counting {
    /// One MGET.
    Mget,
    /// MULTI, a GET of each, EXEC.
    Multi,
    /// A script with declared keys.
    Script,
    /// A script that builds its keys.
    UndeclaredScript,
}

impl Counting {
    /// All of them.
    pub const ALL: [Counting; 4] =
        [Counting::Mget, Counting::Multi, Counting::Script, Counting::UndeclaredScript];

    fn name(self) -> &'static str {
        match self {
            Counting::Mget => "summed by MGET",
            Counting::Multi => "summed by MULTI of GETs",
            Counting::Script => "summed by a script",
            Counting::UndeclaredScript => "summed by a script of undeclared keys",
        }
    }
}

/// Sets a client to count until it is told to stop, and at least once.
pub fn start(
    server: &Server,
    counting: Counting,
    bank: Bank,
    shared: &Arc<Shared>,
) -> Result<Work> {
    let mut caller = Caller::connect(server.addr())?;
    let shared = Arc::clone(shared);
    let mut done = Done { name: counting.name(), ..Done::default() };
    Ok(std::thread::spawn(move || {
        loop {
            let sum = sum(&mut caller, counting, &bank).with_context(|| counting.name())?;
            done.count += 1;
            if sum != bank.total() {
                let name = counting.name();
                done.wrong.push(format!(
                    "{name} of {}…: {sum}, not {}",
                    bank.keys[0],
                    bank.total()
                ));
                shared.stop.store(true, Ordering::Relaxed);
            }
            if shared.stop.load(Ordering::Relaxed) || done.wrong.len() >= WRONG_MAX {
                return Ok(done);
            }
        }
    }))
}

fn sum(caller: &mut Caller, counting: Counting, bank: &Bank) -> Result<i64> {
    let count = bank.keys.len();
    let keys = bank.keys.iter().map(String::as_str);
    match counting {
        Counting::Mget => {
            let words: Vec<&str> = ["MGET"].into_iter().chain(keys).collect();
            Ok(balances(&caller.demand(&words)?)?.iter().sum())
        }
        Counting::Multi => {
            caller.queue(&["MULTI"]);
            keys.for_each(|key| caller.queue(&["GET", key]));
            caller.queue(&["EXEC"]);
            let replies = caller.finish(count + 2)?;
            Ok(balances(&replies[count + 1])?.iter().sum())
        }
        Counting::Script => {
            let number = count.to_string();
            let words: Vec<&str> = ["EVAL", DECLARED, &number].into_iter().chain(keys).collect();
            caller.demand(&words)?.integer().context("a sum is a number")
        }
        Counting::UndeclaredScript => {
            let prefix = bank.keys[0].trim_end_matches('0');
            let value = caller.demand(&["EVAL", UNDECLARED, "0", prefix, &count.to_string()])?;
            value.integer().context("a sum is a number")
        }
    }
}
