//! Active expiry: deleting due keys that nobody asks for.
//!
//! Lookups delete what they meet; the cycle deletes the rest. As `active-expire-effort` means it
//! in Redis: a database is sampled in rounds of some keys with a time to live; while more than a
//! few per cent of them were due, another follows; else the next database has its turn. So a
//! quiet keyspace costs a round a database, and a storm is worked off as fast as the budget lets.
//! A round goes on where the last one ended, through the slots and through each table in the order
//! of a scan, so that every key's turn comes. Tables without times to live are skipped by their
//! counts, and entries without one by a flag beside their address: neither is touched.

use crate::{Cause, Store};
use base::Now;

/// What [`Store::expire_step`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExpireReport {
    /// Items of the budget that were used.
    pub used: usize,
    /// Keys that were deleted.
    pub expired: usize,
    /// Whether many due keys are left: the engine should call again in its next turn rather than
    /// in its next period.
    pub more: bool,
}

/// Keys of a round, and how many more with each step of effort: enough to judge a few per cent by.
const ROUND_KEYS: usize = 100;
const ROUND_KEYS_PER_EFFORT: usize = 25;
/// Per cent of due keys in a round below which a database is left, and how many fewer with each
/// step of effort.
const STALE_PERCENT: usize = 10;
/// The estimate of the share of due keys moves by this share towards each round's.
const STALE_SHARE: usize = 2;
/// Buckets without a time to live that a round passes at the most.
const ROUND_BUCKETS_MAX: usize = 400;
/// The estimate of the mean time to live moves by this share towards each round's.
const AVG_TTL_SHARE: i64 = 50;

/// How far the cycle has come in a database.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cycle {
    table: usize,
    position: u64,
    pub(crate) avg_ttl_ms: u64,
    /// A running estimate of the share of due keys: a single round is too small to judge by.
    stale_permille: usize,
}

/// What a round did.
#[derive(Default)]
struct Round {
    used: usize,
    visited: usize,
    expired: usize,
    remaining_ms: u64,
    /// Whether the round has come to the end of the database.
    wrapped: bool,
}

impl Store {
    /// Deletes due keys. Works on about `budget` items: a bucket passed is one, a key looked at is
    /// one. `effort` is `active-expire-effort`, 1 to 10. Every database has its turn; a step that
    /// ends at its budget is gone on with by the next.
    pub fn expire_step(&mut self, now: Now, budget: usize, effort: u32) -> ExpireReport {
        let effort = effort.clamp(1, 10) as usize - 1;
        let round_keys = ROUND_KEYS + ROUND_KEYS_PER_EFFORT * effort;
        let stale_permille = (STALE_PERCENT - effort) * 10;
        let fields = self.expire_fields_step(now, budget);
        let mut report = ExpireReport { used: fields, ..ExpireReport::default() };
        let mut databases_left = self.databases();
        while databases_left > 0 && report.used < budget {
            let db = self.cycle_db % self.databases();
            if self.tables.deadlines(db) == 0 {
                (self.cycle_db, databases_left) = (db + 1, databases_left - 1);
                continue;
            }
            let round = self.expire_round(db, now, round_keys, budget - report.used);
            report.used += round.used;
            report.expired += round.expired;
            report.more = self.cycles[db].stale_permille > stale_permille
                && !(round.wrapped && round.visited == 0);
            if !report.more {
                (self.cycle_db, databases_left) = (db + 1, databases_left - 1);
            }
        }
        report.more |= fields >= budget;
        if report.more {
            self.ledger.stats.expired_budget_reached += 1;
        }
        report
    }

    /// One round: looks at `keys` keys with a time to live, or fewer at the end of the database or
    /// of the budget.
    fn expire_round(&mut self, db: usize, now: Now, keys: usize, budget: usize) -> Round {
        let mut round = Round::default();
        let (ledger, cycle) = (&mut self.ledger, &mut self.cycles[db]);
        for _ in 0..ROUND_BUCKETS_MAX {
            if round.visited >= keys || round.used >= budget {
                break;
            }
            let Some(table) = self.tables.next_table(db, cycle.table, true) else {
                (cycle.table, cycle.position, round.wrapped) = (0, 0, true);
                break;
            };
            let position = if table == cycle.table { cycle.position } else { 0 };
            let reaped = self.tables.reap(db, table, position, now.unix_ms(), |key| {
                ledger.on_removed(db, key, Cause::Expired);
            });
            (cycle.table, cycle.position) = match reaped.next {
                Some(next) => (table, next),
                None => (table + 1, 0),
            };
            round.used += 1 + reaped.visited;
            round.visited += reaped.visited;
            round.expired += reaped.removed;
            round.remaining_ms = round.remaining_ms.saturating_add(reaped.remaining_ms);
        }
        cycle.learn_stale(&round);
        cycle.learn_ttl(&round);
        ledger.stats.expire_visited_keys += round.visited as u64;
        ledger.stats.expire_stale_keys += round.expired as u64;
        round
    }
}

impl Cycle {
    /// Moves the estimate of the share of due keys towards what a round has seen.
    fn learn_stale(&mut self, round: &Round) {
        let Some(seen) = (round.expired * 1000).checked_div(round.visited) else { return };
        self.stale_permille = (self.stale_permille * (STALE_SHARE - 1) + seen) / STALE_SHARE;
    }

    /// Moves the estimate of the mean time to live towards what a round has seen.
    fn learn_ttl(&mut self, round: &Round) {
        let alive = (round.visited - round.expired) as u64;
        let Some(seen) = round.remaining_ms.checked_div(alive) else { return };
        let (seen, old) = (seen.min(i64::MAX as u64) as i64, self.avg_ttl_ms as i64);
        let new = if old == 0 { seen } else { old.saturating_add((seen - old) / AVG_TTL_SHARE) };
        self.avg_ttl_ms = new.max(0) as u64;
    }
}
