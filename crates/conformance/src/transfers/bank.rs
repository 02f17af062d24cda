//! Accounts and what they must hold.

use anyhow::{Context, Result};

use super::Done;
use crate::peer::Caller;
use crate::wire::Value;

/// Accounts that everybody moves money between.
pub const ACCOUNTS: usize = 32;
/// Accounts that one client alone owns.
pub const VAULTS: usize = 16;
/// What each account holds at first.
pub const FIRST: i64 = 1000;

/// A set of accounts whose sum never changes.
#[derive(Debug, Clone)]
pub struct Bank {
    /// The keys, plain names that lie on all cores.
    pub keys: Vec<String>,
}

impl Bank {
    /// `count` accounts whose names begin with `name`.
    pub fn new(name: &str, count: usize) -> Bank {
        Bank { keys: (0..count).map(|number| format!("{name}:{number}")).collect() }
    }

    /// What all accounts hold together.
    pub fn total(&self) -> i64 {
        FIRST * i64::try_from(self.keys.len()).expect("a few accounts")
    }

    /// Gives each account its first money.
    pub fn open(&self, caller: &mut Caller) -> Result<()> {
        for key in &self.keys {
            caller.demand(&["SET", key, &FIRST.to_string()])?;
        }
        Ok(())
    }

    /// Whether each account holds what the ledgers of all clients say.
    pub fn settled(&self, caller: &mut Caller, moved: &[Done]) -> Result<bool> {
        let mut right = true;
        for key in &self.keys {
            let held = caller.demand(&["GET", key])?.integer().context("an account is a number")?;
            let changes = moved.iter().filter_map(|done| done.ledger.get(key)).sum::<i64>();
            if held != FIRST + changes {
                println!("FAIL  {key} holds {held}, by the ledgers it is {}", FIRST + changes);
                right = false;
            }
        }
        Ok(right)
    }
}

/// A list of balances as numbers.
pub fn balances(value: &Value) -> Result<Vec<i64>> {
    let items = value.items().with_context(|| format!("no list of balances: {}", value.show()))?;
    items.iter().map(|item| item.integer().context("a balance is a number")).collect()
}
