//! Who waits for keys of this core: a FIFO for each key, first blocked first served.

use super::watch::Client;
use crate::message::Words;
use crate::shard::feed::DbKey;
use std::collections::{HashMap, VecDeque};

/// One session that waits for one key.
#[derive(Debug)]
pub struct Waiter {
    /// Whose session it is.
    pub client: Client,
    /// Its request's place in the session's pipeline: which of its waits this is.
    pub place: u32,
    /// The request that is to be run when the key may serve it.
    pub words: Words,
    /// The key is offered to it: until it has answered nobody else comes before it.
    pub offered: bool,
}

impl Waiter {
    /// Memory in bytes that a waiter for a key takes, which stands in three tables.
    pub fn memory(key: &[u8], words: &Words) -> usize {
        const ENTRIES: usize = 3;
        size_of::<Waiter>() + words.memory() + ENTRIES * (size_of::<DbKey>() + key.len())
    }
}

/// All who wait for keys of one core. Bounded by the sessions' keys.
#[derive(Debug, Default)]
pub struct Waiters {
    by_key: HashMap<DbKey, VecDeque<Waiter>>,
    by_client: HashMap<Client, Vec<DbKey>>,
    /// Keys that were written to and are to be looked at.
    pub due: VecDeque<DbKey>,
    /// They are being looked at.
    pub serving: bool,
    /// The keyspace says which keys expire and are evicted.
    pub told_of_removals: bool,
}

impl Waiters {
    /// How many sessions wait.
    pub fn len(&self) -> usize {
        self.by_client.len()
    }

    /// For how many keys they wait.
    pub fn keys(&self) -> usize {
        self.by_key.len()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.by_client.is_empty()
    }

    /// Puts a session behind all that wait for a key.
    pub fn add(&mut self, key: DbKey, waiter: Waiter) {
        self.by_client.entry(waiter.client).or_default().push(key.clone());
        self.by_key.entry(key).or_default().push_back(waiter);
    }

    /// Who waits for a key, in order.
    pub fn of(&mut self, key: &DbKey) -> Option<&mut VecDeque<Waiter>> {
        self.by_key.get_mut(key)
    }

    /// The session waits here no more, for this place; gives the keys that it waited for. O(its keys) where it is the first in their
    /// queues, as who is served is.
    pub fn withdraw(&mut self, client: Client, place: u32) -> Vec<DbKey> {
        let Some(keys) = self.by_client.get_mut(&client) else { return Vec::new() };
        let mut gone = Vec::new();
        keys.retain(|key| {
            let queue = self.by_key.get_mut(key).expect("a key that is waited for has a queue");
            let is_it = |waiter: &Waiter| (waiter.client, waiter.place) == (client, place);
            let Some(at) = queue.iter().position(is_it) else { return true };
            queue.remove(at);
            gone.push(key.clone());
            false
        });
        for key in &gone {
            if self.by_key.get(key).is_some_and(VecDeque::is_empty) {
                self.by_key.remove(key);
            }
        }
        if keys.is_empty() {
            self.by_client.remove(&client);
        }
        gone
    }
}
