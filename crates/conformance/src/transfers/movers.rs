//! Clients that move money.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::{Context, Result, ensure};
use fastrand::Rng;

use super::bank::{ACCOUNTS, Bank, FIRST, VAULTS, balances};
use super::{Done, Shared, Work};
use crate::peer::{Caller, Server};
use crate::wire::Value;

/// A transaction that was beaten so often will never come through.
const TRIES_MAX: u64 = 100_000;
/// Transfers of one write, where they depend on nothing.
const TOGETHER: usize = 4;
/// MSETs of one write; an odd number, since every other one takes back what was moved.
const IN_FLIGHT: usize = 9;
/// Moves money between two declared keys.
const DECLARED: &str =
    "redis.call('DECRBY',KEYS[1],ARGV[1]) redis.call('INCRBY',KEYS[2],ARGV[1]) return 1";
/// The same with the keys among the arguments.
const UNDECLARED: &str =
    "redis.call('DECRBY',ARGV[2],ARGV[1]) redis.call('INCRBY',ARGV[3],ARGV[1]) return 1";

/// A way to move money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// MULTI, DECRBY, INCRBY, EXEC.
    Multi,
    /// WATCH, GETs, then MULTI, SETs and EXEC; again when somebody was faster.
    Watch,
    /// WATCH, MGET, then MULTI, one MSET and EXEC.
    WatchedMset,
    /// A script with declared keys.
    Script,
    /// A script that builds its keys.
    UndeclaredScript,
    /// A plain MSET of all vaults, which nobody else writes.
    Mset,
    /// Wrong: two requests.
    Loose,
    /// Wrong: GETs and SETs without WATCH.
    LostUpdate,
}

impl Form {
    /// All that are right.
    pub const SOUND: [Form; 6] = [
        Form::Multi,
        Form::Watch,
        Form::WatchedMset,
        Form::Script,
        Form::UndeclaredScript,
        Form::Mset,
    ];

    /// How many clients move in this way.
    pub fn clients(self) -> usize {
        if self == Form::Mset || self == Form::Loose { 1 } else { 2 }
    }

    /// What `--forms` calls it.
    pub fn word(self) -> &'static str {
        match self {
            Form::Multi => "multi",
            Form::Watch => "watch",
            Form::WatchedMset => "watched-mset",
            Form::Script => "script",
            Form::UndeclaredScript => "undeclared-script",
            Form::Mset => "mset",
            Form::Loose => "loose",
            Form::LostUpdate => "lost-update",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Form::Multi => "moved by MULTI",
            Form::Watch => "moved by WATCH and EXEC",
            Form::WatchedMset => "moved by WATCH and MSET",
            Form::Script => "moved by a script",
            Form::UndeclaredScript => "moved by a script of undeclared keys",
            Form::Mset => "moved by MSET",
            Form::Loose => "moved by two requests (planted)",
            Form::LostUpdate => "moved without WATCH (planted)",
        }
    }
}

struct Mover {
    caller: Caller,
    random: Rng,
    bank: Bank,
    /// What the vaults hold, which only their owner knows beforehand.
    own: Vec<i64>,
    done: Done,
}

/// Sets a client to work until it has made so many transfers, or a few more.
pub fn start(
    server: &Server,
    form: Form,
    seed: u64,
    quota: u64,
    shared: &Arc<Shared>,
) -> Result<Work> {
    let caller = Caller::connect(server.addr())?;
    let shared = Arc::clone(shared);
    let bank = match form {
        Form::Mset => Bank::new("vault", VAULTS),
        _ => Bank::new("account", ACCOUNTS),
    };
    let done = Done { name: form.name(), ..Done::default() };
    let own = vec![FIRST; VAULTS];
    let mut mover = Mover { caller, random: Rng::with_seed(seed), bank, own, done };
    Ok(std::thread::spawn(move || {
        while !shared.stop.load(Ordering::Relaxed) && mover.done.count < quota {
            mover.done.count += mover.transfer(form).with_context(|| form.name())?;
        }
        Ok(mover.done)
    }))
}

impl Mover {
    /// Moves money once, or a few times in one write where nothing has to be read first; gives how often.
    fn transfer(&mut self, form: Form) -> Result<u64> {
        if matches!(form, Form::Multi | Form::Script | Form::UndeclaredScript) {
            return self.together(form);
        }
        let (from, to, amount) = self.choice();
        let [source, target] = [self.bank.keys[from].clone(), self.bank.keys[to].clone()];
        match form {
            Form::Mset => self.all_vaults(from, to, amount)?,
            Form::Loose => {
                self.caller.demand(&["DECRBY", &source, &amount.to_string()])?;
                self.caller.demand(&["INCRBY", &target, &amount.to_string()])?;
            }
            Form::LostUpdate => {
                let held = balances(&self.caller.demand(&["MGET", &source, &target])?)?;
                let (less, more) = ((held[0] - amount).to_string(), (held[1] + amount).to_string());
                self.multi(&[&["SET", &source, &less], &["SET", &target, &more]])?;
            }
            _ => self.watched(form, &source, &target, amount)?,
        }
        self.note(from, to, amount);
        Ok(1)
    }

    fn choice(&mut self) -> (usize, usize, i64) {
        let count = self.bank.keys.len();
        let from = self.random.usize(..count);
        (from, (from + 1 + self.random.usize(..count - 1)) % count, self.random.i64(1..100))
    }

    fn note(&mut self, from: usize, to: usize, amount: i64) {
        *self.done.ledger.entry(self.bank.keys[from].clone()).or_default() -= amount;
        *self.done.ledger.entry(self.bank.keys[to].clone()).or_default() += amount;
    }

    /// A few transfers that do not depend on what is there, in one write.
    fn together(&mut self, form: Form) -> Result<u64> {
        let choices: Vec<(usize, usize, i64)> = (0..TOGETHER).map(|_| self.choice()).collect();
        for (from, to, amount) in &choices {
            let (source, target) = (&self.bank.keys[*from], &self.bank.keys[*to]);
            let text = amount.to_string();
            match form {
                Form::Multi => {
                    self.caller.queue(&["MULTI"]);
                    self.caller.queue(&["DECRBY", source, &text]);
                    self.caller.queue(&["INCRBY", target, &text]);
                    self.caller.queue(&["EXEC"]);
                }
                Form::Script => self.caller.queue(&["EVAL", DECLARED, "2", source, target, &text]),
                _ => self.caller.queue(&["EVAL", UNDECLARED, "0", &text, source, target]),
            }
        }
        let replies_each = if form == Form::Multi { 4 } else { 1 };
        let replies = self.caller.finish(TOGETHER * replies_each)?;
        for (reply, (from, to, amount)) in replies.chunks(replies_each).zip(choices) {
            let last = &reply[replies_each - 1];
            let done = match form {
                Form::Multi => last.items().is_some_and(|items| {
                    items.len() == 2 && items.iter().all(|item| item.integer().is_some())
                }),
                _ => *last == Value::Integer(1),
            };
            ensure!(done, "answered {}", last.show());
            self.note(from, to, amount);
        }
        Ok(TOGETHER as u64)
    }

    /// MULTI to EXEC in one write; nothing is watched, so it must run.
    fn multi(&mut self, requests: &[&[&str]]) -> Result<()> {
        ensure!(self.exec(requests)?, "EXEC answered nil though nothing was watched");
        Ok(())
    }

    /// False when EXEC answered nil.
    fn exec(&mut self, requests: &[&[&str]]) -> Result<bool> {
        self.caller.queue(&["MULTI"]);
        requests.iter().for_each(|request| self.caller.queue(request));
        self.caller.queue(&["EXEC"]);
        let replies = self.caller.finish(requests.len() + 2)?;
        if let Some(error) = replies.iter().find_map(Value::error) {
            anyhow::bail!("within a transaction: {error}");
        }
        match &replies[requests.len() + 1] {
            Value::NullArray => Ok(false),
            Value::Array(items) if items.len() == requests.len() => {
                ensure!(items.iter().all(|item| item.error().is_none()), "an error within EXEC");
                Ok(true)
            }
            other => anyhow::bail!("EXEC answered {}", other.show()),
        }
    }

    fn watched(&mut self, form: Form, source: &str, target: &str, amount: i64) -> Result<()> {
        for _ in 0..TRIES_MAX {
            self.caller.demand(&["WATCH", source, target])?;
            let held = if form == Form::Watch {
                let one = |value: Value| value.integer().context("a balance is a number");
                let first = one(self.caller.demand(&["GET", source])?)?;
                vec![first, one(self.caller.demand(&["GET", target])?)?]
            } else {
                balances(&self.caller.demand(&["MGET", source, target])?)?
            };
            let (less, more) = ((held[0] - amount).to_string(), (held[1] + amount).to_string());
            let through = if form == Form::Watch {
                self.exec(&[&["SET", source, &less], &["SET", target, &more]])?
            } else {
                self.exec(&[&["MSET", source, &less, target, &more]])?
            };
            if through {
                return Ok(());
            }
            self.done.retries += 1;
        }
        anyhow::bail!("beaten {TRIES_MAX} times")
    }

    /// The one transfer that is asked for and some more, in one write: what is under way at once can be torn more easily.
    fn all_vaults(&mut self, from: usize, to: usize, amount: i64) -> Result<()> {
        for again in 0..IN_FLIGHT {
            // There and back, so that the last one leaves what was asked for.
            let amount = if again % 2 == 0 { amount } else { -amount };
            self.own[from] -= amount;
            self.own[to] += amount;
            let mut words = vec!["MSET".to_owned()];
            for (key, held) in self.bank.keys.iter().zip(&self.own) {
                words.extend([key.clone(), held.to_string()]);
            }
            self.caller.queue(&words);
        }
        let replies = self.caller.finish(IN_FLIGHT)?;
        let failed = replies.iter().find_map(Value::error);
        ensure!(failed.is_none(), "MSET answered {failed:?}");
        Ok(())
    }
}
