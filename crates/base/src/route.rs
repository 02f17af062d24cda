//! Where a slot lives.

use crate::core::{CoreId, MAX_CORES};
use crate::slot::{SLOTS, Slot};
use std::ops::Range;

/// Which core owns which slot. Every core owns one contiguous range; the ranges differ by at most
/// one slot in length. Cheap to copy: the table is two numbers, the owner is calculated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteTable {
    cores: u16,
}

impl RouteTable {
    /// The table for `cores` cores. Asserts `1..=MAX_CORES`, which the boot has checked.
    pub fn new(cores: usize) -> RouteTable {
        assert!((1..=MAX_CORES).contains(&cores), "a server has 1..={MAX_CORES} cores");
        RouteTable { cores: cores as u16 }
    }

    /// How many cores there are.
    pub fn cores(self) -> usize {
        self.cores as usize
    }

    /// The core that owns a slot. O(1).
    pub fn owner(self, slot: Slot) -> CoreId {
        CoreId(((slot.index() * self.cores as usize) / SLOTS) as u16)
    }

    /// The slots that a core owns.
    pub fn slots(self, core: CoreId) -> Range<u16> {
        let first = |index: usize| (index * SLOTS).div_ceil(self.cores as usize) as u16;
        first(core.index())..first(core.index() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_every_slot_once_and_agree_with_the_owner() {
        for cores in [1, 2, 3, 7, 64, 255, 256] {
            let route = RouteTable::new(cores);
            let mut next = 0;
            for core in (0..cores as u16).map(CoreId) {
                let range = route.slots(core);
                assert_eq!(range.start, next);
                next = range.end;
                for slot in range {
                    assert_eq!(route.owner(Slot::new(slot).unwrap()), core);
                }
            }
            assert_eq!(next as usize, SLOTS);
        }
    }
}
