//! Eviction: which key goes when memory is short.
//!
//! The exact order of use of millions of keys would cost a list's two pointers each. As Redis does,
//! a step looks at a few keys drawn at random (`maxmemory-samples` from each database) and keeps
//! the best sixteen seen so far in a pool, so that candidates improve from step to step. Two things
//! differ: a drawn bucket is looked at whole, which costs no more; and a candidate that was used
//! since it entered the pool is dropped, not evicted.
//!
//! An eviction must show in `used_bytes`, or the engine would evict for ever. What it frees is
//! counted as free at once while the slab's idle memory is small; where sizes have changed and idle
//! memory has grown, each step also moves some entries together (`compact_step`).

use crate::access;
use crate::{Cause, Eviction, Policy, Store};
use base::{Now, Slot};
use compact::{Lookup, Place, View};

use crate::object::Object;

/// Candidates that are kept.
const POOL_MAX: usize = 16;
/// Keys of flushed databases that a step frees before it evicts anything that is alive.
const FREE_KEYS: usize = 512;

/// What [`Store::evict_step`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evicted {
    /// One key is gone.
    Key,
    /// The step looked at some entries and found none that may go yet: call again.
    Searching,
    /// There is no key that the policy lets go.
    Nothing,
}

/// A key that may go.
struct Candidate {
    db: usize,
    slot: Slot,
    hash: u64,
    key: Box<[u8]>,
    score: u64,
}

/// The best candidates seen so far, the best last.
#[derive(Default)]
pub(crate) struct Pool(Vec<Candidate>);

impl Pool {
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Where a candidate of this score belongs, if it is good enough.
    fn rank(&self, score: u64) -> Option<usize> {
        let rank = self.0.partition_point(|candidate| candidate.score < score);
        (rank > 0 || self.0.len() < POOL_MAX).then_some(rank)
    }

    fn add(&mut self, rank: usize, candidate: Candidate) {
        self.0.insert(rank, candidate);
        if self.0.len() > POOL_MAX {
            self.0.remove(0);
        }
    }
}

/// How well this key may go: the higher the better.
fn score(eviction: &Eviction, access: u32, deadline: Option<i64>, now: Now) -> u64 {
    match eviction.policy {
        Policy::AllKeysLru | Policy::VolatileLru => u64::from(access::idle_ticks(access, now)),
        Policy::AllKeysLfu | Policy::VolatileLfu => {
            u64::from(255 - access::frequency(access, eviction, now))
        }
        // Soonest first: the distance of the deadline from the end of time.
        Policy::VolatileTtl => deadline.map_or(0, |deadline| i64::MAX.abs_diff(deadline)),
        Policy::NoEviction | Policy::AllKeysRandom | Policy::VolatileRandom => 0,
    }
}

impl Store {
    /// Looks for one key to evict by the policy and evicts it. The work of a call is bounded: it
    /// looks at a few keys a database and evicts one at the most. While memory of a flushed database
    /// waits to be freed, a step frees some of that instead, whatever the policy.
    pub fn evict_step(&mut self, now: Now) -> Evicted {
        if self.tables.has_buried() {
            self.tables.free_step(FREE_KEYS);
            return Evicted::Searching;
        }
        let policy = self.ledger.eviction.policy;
        let volatile = policy.is_volatile();
        let candidates =
            |db: usize| if volatile { self.tables.deadlines(db) } else { self.tables.len(db) };
        let total: usize = (0..self.databases()).map(candidates).sum();
        if policy == Policy::NoEviction || total == 0 {
            return Evicted::Nothing;
        }
        match policy {
            Policy::AllKeysRandom | Policy::VolatileRandom => self.evict_any(volatile, total),
            _ => self.evict_best(volatile, now),
        }
    }

    /// Evicts a key drawn at random.
    fn evict_any(&mut self, volatile: bool, total: usize) -> Evicted {
        let mut rank = self.ledger.prng.below(total as u64) as usize;
        for db in 0..self.databases() {
            let count = if volatile { self.tables.deadlines(db) } else { self.tables.len(db) };
            if rank >= count {
                rank -= count;
                continue;
            }
            let mut prng = self.ledger.prng.clone();
            let mut chosen = None;
            if volatile {
                let mut seen = 0;
                self.tables.sample(db, true, 1, &mut self.ledger.prng, |view| {
                    seen += 1;
                    if prng.one_in(seen) {
                        chosen = Some((view.table, Box::<[u8]>::from(view.key)));
                    }
                });
            } else {
                let view = self.tables.random(db, &mut self.ledger.prng);
                chosen = view.map(|view| (view.table, view.key.into()));
            }
            let Some((table, key)) = chosen else { return Evicted::Searching };
            return self.evict_key(db, table, &key);
        }
        Evicted::Nothing
    }

    /// Brings new candidates into the pool and evicts the best that still deserves it.
    fn evict_best(&mut self, volatile: bool, now: Now) -> Evicted {
        for db in 0..self.databases() {
            let (pool, ledger, hasher) = (&mut self.pool, &mut self.ledger, self.tables.hasher());
            let (eviction, prng) = (&ledger.eviction, &mut ledger.prng);
            let samples = eviction.samples.max(1) as usize;
            self.tables.sample(db, volatile, samples, prng, |view: View<'_, Object>| {
                let score = score(eviction, view.access, view.deadline, now);
                let known = |other: &Candidate| other.db == db && *other.key == *view.key;
                let Some(rank) = pool.rank(score).filter(|_| !pool.0.iter().any(known)) else {
                    return;
                };
                let slot = Slot::new(view.table as u16).expect("there is a table for each slot");
                pool.add(
                    rank,
                    Candidate {
                        db,
                        slot,
                        hash: hasher.hash(view.key),
                        key: view.key.into(),
                        score,
                    },
                );
            });
        }
        while let Some(best) = self.pool.0.pop() {
            let place = Place { space: best.db, table: best.slot.index(), hash: best.hash };
            if let Lookup::Live(found) = self.tables.lookup(place, &best.key, i64::MIN, false) {
                let eligible = !volatile || found.deadline().is_some();
                if eligible
                    && score(&self.ledger.eviction, found.access(), found.deadline(), now)
                        >= best.score
                {
                    found.remove();
                    self.ledger.on_removed(best.db, &best.key, Cause::Evicted);
                    return Evicted::Key;
                }
            }
        }
        Evicted::Searching
    }

    fn evict_key(&mut self, db: usize, table: usize, key: &[u8]) -> Evicted {
        let place = Place { space: db, table, hash: self.tables.hasher().hash(key) };
        match self.tables.lookup(place, key, i64::MIN, false) {
            Lookup::Live(found) => found.remove(),
            _ => return Evicted::Searching,
        }
        self.ledger.on_removed(db, key, Cause::Evicted);
        Evicted::Key
    }
}
