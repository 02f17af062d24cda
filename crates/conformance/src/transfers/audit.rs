//! Clients that count all the money at one moment.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, Result};

use super::bank::{Bank, balances};
use super::{Done, Shared, Work};
use crate::peer::{Caller, Server};

/// Sums that one client takes in one write: what waits in a queue between cores is overtaken more easily.
const IN_FLIGHT: usize = 4;
/// Between two of these, so that those who move get on.
const PAUSE: Duration = Duration::from_millis(2);
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

    /// What `--counts` calls it.
    pub fn word(self) -> &'static str {
        match self {
            Counting::Mget => "mget",
            Counting::Multi => "multi",
            Counting::Script => "script",
            Counting::UndeclaredScript => "undeclared-script",
        }
    }

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
            for _ in 0..IN_FLIGHT {
                ask(&mut caller, counting, &bank);
            }
            caller.flush()?;
            for _ in 0..IN_FLIGHT {
                let sum = sum(&mut caller, counting, &bank).with_context(|| counting.name())?;
                done.count += 1;
                if sum != bank.total() && done.wrong.len() < WRONG_MAX {
                    let (name, total) = (counting.name(), bank.total());
                    done.wrong.push(format!("{name} of {}…: {sum}, not {total}", bank.keys[0]));
                    shared.stop.store(true, Ordering::Relaxed);
                }
            }
            if shared.stop.load(Ordering::Relaxed) {
                return Ok(done);
            }
            std::thread::sleep(PAUSE);
        }
    }))
}

/// Queues one request that counts.
fn ask(caller: &mut Caller, counting: Counting, bank: &Bank) {
    let count = bank.keys.len().to_string();
    let keys = bank.keys.iter().map(String::as_str);
    match counting {
        Counting::Mget => caller.queue(&["MGET"].into_iter().chain(keys).collect::<Vec<_>>()),
        Counting::Multi => {
            caller.queue(&["MULTI"]);
            keys.for_each(|key| caller.queue(&["GET", key]));
            caller.queue(&["EXEC"]);
        }
        Counting::Script => {
            let head = ["EVAL", DECLARED, &count];
            caller.queue(&head.into_iter().chain(keys).collect::<Vec<_>>());
        }
        Counting::UndeclaredScript => {
            let prefix = bank.keys[0].trim_end_matches('0');
            caller.queue(&["EVAL", UNDECLARED, "0", prefix, &count]);
        }
    }
}

/// The sum that the next reply tells.
fn sum(caller: &mut Caller, counting: Counting, bank: &Bank) -> Result<i64> {
    match counting {
        Counting::Mget => Ok(balances(&caller.reply()?)?.iter().sum()),
        Counting::Multi => {
            let replies = (0..bank.keys.len() + 2).map(|_| caller.reply());
            let replies = replies.collect::<Result<Vec<_>>>()?;
            let exec = replies.last().context("EXEC is the last of them")?;
            Ok(balances(exec)?.iter().sum())
        }
        Counting::Script | Counting::UndeclaredScript => {
            let value = caller.reply()?;
            value.integer().with_context(|| format!("no sum: {}", value.show()))
        }
    }
}
