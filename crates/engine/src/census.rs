//! What a core holds at this moment, counted: for simulators and tests that must see that nothing
//! is left behind.

use crate::engine::Engine;
use crate::session::Session;

/// Counts of everything that comes and goes with requests and connections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Census {
    /// Connections.
    pub sessions: usize,
    /// Memory of all sessions in bytes.
    pub session_bytes: usize,
    /// Memory of the largest session in bytes.
    pub session_bytes_max: usize,
    /// Requests under way on several cores.
    pub gathers: usize,
    /// Transactions and jobs that have or want locks.
    pub locks: usize,
    /// Clients that watch keys.
    pub watches: usize,
    /// Clients that wait for keys.
    pub waiters: usize,
    /// Questions to all cores or the process that are not answered.
    pub asks: usize,
    /// Batches sent and not yet back.
    pub batches: usize,
    /// Messages that have not left.
    pub messages: usize,
    /// Memory of the keyspace in bytes.
    pub store_bytes: usize,
    /// Keys in all databases.
    pub keys: usize,
    /// What this core may use of `maxmemory`, in bytes.
    pub granted: u64,
    /// `maxmemory` as this core knows it; 0 is no limit.
    pub limit: u64,
}

impl Engine {
    /// Counts what the core holds. O(sessions + databases + cores).
    pub fn census(&self) -> Census {
        let (batches, messages) = self.outbox.load();
        let store = &self.shard.store;
        Census {
            sessions: self.sessions.len(),
            session_bytes: self.sessions.iter().map(Session::memory).sum(),
            session_bytes_max: self.sessions.iter().map(Session::memory).max().unwrap_or(0),
            gathers: self.gathers.len(),
            locks: self.locks.len(),
            watches: self.watches.len(),
            waiters: self.waiters.len(),
            asks: self.asks.len(),
            batches,
            messages,
            store_bytes: store.used_bytes(),
            keys: (0..store.databases()).map(|db| store.len(db as u8)).sum(),
            granted: self.shard.account.granted(),
            limit: self.shard.account.limit(),
        }
    }
}
