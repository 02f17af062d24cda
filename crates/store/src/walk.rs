//! Walking over the keys of a database: SCAN, KEYS, RANDOMKEY.
//!
//! A cursor is a slot (14 bits) above a position in that slot's table (38 bits), so it stays below
//! 2^53 and names the slot, and by that the core, where the walk stands. 0 is both the start and,
//! as a result, the end: no walk returns to the start of slot 0. The table's own promise (see
//! `compact`) makes SCAN's: a key that is there all the time is visited, however tables grow or
//! shrink between calls.

use crate::object::{Object, kind_of};
use crate::{Db, Kind};
use base::{Now, Slot};
use compact::{Map, Pair, View};

const POSITION_BITS: u32 = 38;
/// Draws that RANDOMKEY makes before it gives up on a database full of expired keys.
const RANDOM_DRAWS_MAX: usize = 100;

/// The SCAN cursor at which the keys of this slot begin.
pub fn cursor_at(slot: Slot) -> u64 {
    u64::from(slot.number()) << POSITION_BITS
}

/// The slot that a SCAN cursor stands in; any number is a cursor, its high bits are ignored.
pub fn cursor_slot(cursor: u64) -> Slot {
    Slot::new((cursor >> POSITION_BITS) as u16 & (base::SLOTS as u16 - 1))
        .expect("14 bits are a slot")
}

/// The place in a table's scan order that a cursor stands at. Buckets have at most 33 address
/// bits, so their borders survive the cut to 38.
fn position_of(cursor: u64) -> u64 {
    cursor << (64 - POSITION_BITS)
}

fn is_due(view: &View<'_, Object>, now: Now) -> bool {
    view.deadline.is_some_and(|deadline| deadline < now.unix_ms())
}

/// Visits the keys of a map from `cursor` on, 0 first, until `count` were seen or as many buckets, and gives
/// the cursor to go on from; 0 at the end. Any number is a cursor. O(count).
pub(crate) fn scan_map<'a>(
    map: &'a Map,
    cursor: u64,
    count: usize,
    mut visit: impl FnMut(Pair<'a>),
) -> u64 {
    scan_buckets(cursor, count, |position, seen| {
        map.scan(position, |pair| {
            *seen += 1;
            visit(pair);
        })
    })
}

/// [`scan_map`] over anything that has buckets: `scan` visits one, adds what it saw, and gives the next position.
pub(crate) fn scan_buckets(
    cursor: u64,
    count: usize,
    mut scan: impl FnMut(u64, &mut usize) -> Option<u64>,
) -> u64 {
    let (mut position, mut seen, mut buckets) = (map_position(cursor), 0, 0);
    while seen < count && buckets < count {
        let next = scan(position, &mut seen);
        buckets += 1;
        let Some(next) = next else { return 0 };
        position = next;
    }
    map_cursor(position)
}

/// A cursor shows no more bits of a position than clients with doubles can hold.
const MAP_CURSOR_BITS: u32 = 48;

fn map_position(cursor: u64) -> u64 {
    cursor << (64 - MAP_CURSOR_BITS)
}

fn map_cursor(position: u64) -> u64 {
    position >> (64 - MAP_CURSOR_BITS)
}

impl Db<'_> {
    /// Visits keys from `cursor` on until at least `count` were seen, or as many buckets, and
    /// gives the cursor to go on from; 0 when this core's slots are through. A cursor before them
    /// starts at their start. A key that is there from the first call to the last is visited at
    /// least once, whatever happens to the tables in between; some may be visited twice. Any
    /// number is a valid cursor. Expired keys are not visited. O(count).
    pub fn scan(
        &mut self,
        cursor: u64,
        count: usize,
        now: Now,
        mut visit: impl FnMut(&[u8], Kind),
    ) -> u64 {
        let slots = self.store.slots.clone();
        let (mut slot, mut position) = (cursor_slot(cursor).index(), position_of(cursor));
        if slot < slots.start {
            (slot, position) = (slots.start, 0);
        }
        let mut seen = 0;
        while let Some(table) = self.store.tables.next_table(self.index, slot, false) {
            if table >= slots.end {
                break;
            }
            let start = if table == slot { position } else { 0 };
            let next = self.store.tables.scan(self.index, table, start, |view| {
                seen += 1;
                if !is_due(&view, now) {
                    visit(view.key, kind_of(&view.value));
                }
            });
            (slot, position) = next.map_or((table + 1, 0), |next| (table, next));
            seen += usize::from(seen == 0);
            if seen >= count && slot < slots.end {
                return (slot as u64) << POSITION_BITS | position >> (64 - POSITION_BITS);
            }
        }
        0
    }

    /// Visits every key that is not expired, in all slots. O(keys).
    pub fn keys(&mut self, now: Now, mut visit: impl FnMut(&[u8])) {
        let mut from = 0;
        while let Some(table) = self.store.tables.next_table(self.index, from, false) {
            self.keys_of_table(table, usize::MAX, now, &mut visit);
            from = table + 1;
        }
    }

    /// Visits up to `count` keys of one slot, for CLUSTER GETKEYSINSLOT. O(count).
    pub fn keys_of_slot(
        &mut self,
        slot: Slot,
        count: usize,
        now: Now,
        mut visit: impl FnMut(&[u8]),
    ) {
        self.keys_of_table(slot.index(), count, now, &mut visit);
    }

    fn keys_of_table(
        &mut self,
        table: usize,
        count: usize,
        now: Now,
        visit: &mut impl FnMut(&[u8]),
    ) {
        let mut left = count;
        let mut position = Some(0);
        while let Some(at) = position.filter(|_| left > 0) {
            position = self.store.tables.scan(self.index, table, at, |view| {
                if left > 0 && !is_due(&view, now) {
                    left -= 1;
                    visit(view.key);
                }
            });
        }
    }

    /// A key drawn uniformly among those that are not expired; `None` when a bounded number of
    /// draws met only expired ones. Expected O(1).
    pub fn random_key(&mut self, now: Now) -> Option<Vec<u8>> {
        let (tables, prng) = (&self.store.tables, &mut self.store.ledger.prng);
        let draws = (0..RANDOM_DRAWS_MAX).map_while(|_| tables.random(self.index, prng));
        draws.filter(|view| !is_due(view, now)).map(|view| view.key.to_vec()).next()
    }
}
