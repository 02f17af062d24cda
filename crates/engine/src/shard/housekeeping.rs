//! Work between turns, in bounded steps and a fixed order: expire, evict, free, compact. Budgets count
//! items, not time, so that a simulated run can be replayed exactly.

use super::Shard;
use crate::core::Core;
use store::Policy;

/// Entries that one step of the expiry cycle looks at, if it comes in time. Some 0.1 ms of work.
const EXPIRE_ITEMS: usize = 512;

/// Between two steps while the cycle finds that many keys are due: a million a second and core.
const EXPIRE_BUSY_GAP_US: u64 = 500;

/// Entries that a step looks at when it comes late, because turns are long, to keep up that pace.
const EXPIRE_ITEMS_LATE_MAX: usize = 1024;

/// Keys evicted in one tick at the most.
const EVICT_ITEMS: usize = 128;

/// The pause before a core looks again that is over its share and finds nothing to evict.
const CROWDED_GAP_US: u64 = 5_000;

/// Entries of flushed tables freed in one tick.
const FREE_ITEMS: usize = 512;

/// Items of compaction in one tick, and the most of them when memory is fragmented. Four take as long as
/// three small requests.
const COMPACT_ITEMS: usize = 256;
const COMPACT_SPEED_MAX: usize = 8;
const WORK_OF_4_ITEMS: usize = 3;

impl Shard {
    /// One bounded step of everything that is due.
    pub fn tick(&mut self, core: &Core) {
        if self.active_expire && core.now.mono_us >= self.next_expire_us {
            let items = expire_items(core.now.mono_us - self.next_expire_us);
            let report = self.store.expire_step(core.now, items, self.cadence.1);
            let gap = if report.more { EXPIRE_BUSY_GAP_US } else { 1_000_000 / self.cadence.0 };
            self.next_expire_us = core.now.mono_us + gap;
        }
        if self.memory.limited {
            self.refresh_used();
            self.evicting = self.account.over() && self.make_room(core, EVICT_ITEMS, 0);
        }
        let mut freeing = self.store.free_step(FREE_ITEMS);
        if let Some(guest) = &mut self.guest {
            freeing |= guest.free_step(FREE_ITEMS);
        }
        let items = COMPACT_ITEMS * self.store.compaction_speed(COMPACT_SPEED_MAX);
        let compacting = self.store.compact_step(items);
        let items = items * usize::from(compacting) + FREE_ITEMS * usize::from(freeing);
        self.work += (items * WORK_OF_4_ITEMS / 4) as u32;
        self.garbage = compacting || freeing;
    }

    /// When the next step is due at the latest; monotonic microseconds. `None` when nothing is.
    pub fn next_deadline(&self, now_us: u64) -> Option<u64> {
        let over = self.account.over();
        if self.garbage || (over && self.evicting) {
            return Some(now_us);
        }
        // Nothing can be evicted: only a grant helps, and asking at once again would spin. Who never evicts
        // and has been told that there is nothing to be had sleeps until somebody asks for something.
        let hopeless =
            self.memory.eviction.policy == Policy::NoEviction && self.account.exhausted();
        let crowded = (over && !hopeless).then(|| now_us + CROWDED_GAP_US);
        let expiring = self.active_expire && self.has_expiring();
        crowded.into_iter().chain(expiring.then_some(self.next_expire_us)).min()
    }
}

impl Shard {
    /// Whether any key, or field of a hash, has a time to live. O(databases).
    fn has_expiring(&self) -> bool {
        self.store.has_field_deadlines()
            || (0..self.store.databases()).any(|db| self.store.expires(db as u8) > 0)
    }
}

/// How many entries a step of the expiry cycle looks at that comes so late.
fn expire_items(late_us: u64) -> usize {
    let late_us = late_us.min(EXPIRE_BUSY_GAP_US * 8) as usize;
    let missed = EXPIRE_ITEMS * late_us / EXPIRE_BUSY_GAP_US as usize;
    (EXPIRE_ITEMS + missed).min(EXPIRE_ITEMS_LATE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_step_of_the_expiry_cycle_makes_up_for_what_it_missed_within_a_bound() {
        assert_eq!(expire_items(0), EXPIRE_ITEMS);
        assert_eq!(expire_items(EXPIRE_BUSY_GAP_US / 2), EXPIRE_ITEMS * 3 / 2);
        assert_eq!(expire_items(u64::MAX), EXPIRE_ITEMS_LATE_MAX);
    }
}
