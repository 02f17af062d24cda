//! Emptying sparse spans by moving what is in them.
//!
//! When the sizes of what is stored change, the spans of the old classes become sparse but not
//! empty: the memory is free and of no use to anybody. An entry is known to one cell only, so it
//! can be moved. A pass lets the slab choose the spans to be emptied, as many as the room in the
//! others of their class can take; walks over all tables in bounded steps; and moves the entries,
//! cell arrays and segments that it meets in such spans. It costs some nanoseconds for each key in
//! the tables, and is only begun when it frees a few per cent.

use crate::bucket::{HAS_DEADLINE, LARGE, entry_of, with_entry};
use crate::entry;
use crate::tables::{Payload, Tables, has_class};

/// A pass begins when idle memory is over this share of what is live, and over the minimum.
const IDLE_SHARE: usize = 72;
const IDLE_BYTES_MIN: usize = 448 << 10;
/// After a pass that emptied nothing, idle memory must grow by this much before the next.
const QUIET_BYTES: usize = 16 << 10;
/// Items of the budget that moving an entry takes; looking at a bucket takes one.
const MOVE_COST: usize = 4;

/// How far a pass has come.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Walk {
    running: bool,
    space: usize,
    table: usize,
    bucket: usize,
    /// Idle bytes below which no pass is tried, after one that was of no use.
    quiet_below: usize,
}

/// What [`Tables::compact_step`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compacted {
    /// Objects that were moved.
    pub moved: usize,
    /// Whether a pass is under way: call again.
    pub more: bool,
}

impl<T: Payload> Tables<T> {
    /// Goes on emptying sparse spans, if there is enough idle memory, for `budget` items. O(1) when
    /// there is nothing to do.
    pub fn compact_step(&mut self, budget: usize) -> Compacted {
        let mut report = Compacted::default();
        if !self.walk.running && !self.begin_walk() {
            return report;
        }
        let mut left = budget;
        while left > 0 {
            let Some(moved) = self.walk_bucket() else {
                let emptied = self.slab.end_leaving();
                self.walk.running = false;
                if emptied == 0 {
                    self.walk.quiet_below = self.slab.usage().idle + QUIET_BYTES;
                }
                return report;
            };
            report.moved += moved;
            left = left.saturating_sub(1 + moved * MOVE_COST);
        }
        report.more = true;
        report
    }

    fn begin_walk(&mut self) -> bool {
        let usage = self.slab.usage();
        if usage.idle < self.walk.quiet_below / 2 {
            self.walk.quiet_below = 0;
        }
        if usage.idle < (usage.live / IDLE_SHARE).max(IDLE_BYTES_MIN).max(self.walk.quiet_below) {
            return false;
        }
        let chosen = self.slab.choose_leaving();
        let quiet_below = if chosen { 0 } else { usage.idle + QUIET_BYTES };
        self.walk = Walk { running: chosen, quiet_below, ..Walk::default() };
        chosen
    }

    /// Deals with the bucket the walk stands at, and goes on by one. `None` at the end.
    fn walk_bucket(&mut self) -> Option<usize> {
        let Walk { space, table, bucket, .. } = self.walk;
        if space == self.spaces.len() {
            return None;
        }
        let Some(table) =
            self.spaces[space].as_ref().and_then(|tables| tables.next_table(table, false))
        else {
            self.walk = Walk { space: space + 1, table: 0, bucket: 0, ..self.walk };
            return Some(0);
        };
        let bucket = if table == self.walk.table { bucket } else { 0 };
        let buckets = self.spaces[space].as_ref().map_or(0, |tables| tables.head(table).buckets());
        if bucket >= buckets {
            self.walk = Walk { table: table + 1, bucket: 0, ..self.walk };
            return Some(0);
        }
        self.walk = Walk { table, bucket: bucket + 1, ..self.walk };
        Some(self.relocate_bucket(space, table, bucket))
    }

    /// Moves what of this bucket lies in spans that are being emptied; gives how many objects.
    fn relocate_bucket(&mut self, space: usize, table: usize, index: usize) -> usize {
        let head = self.spaces[space].as_mut().expect("the walk has found it").head_mut(table);
        let mut moved =
            usize::from(index.is_multiple_of(8) && head.relocate_segment(&mut self.slab, index));
        let Some(mut bucket) = head.nth_bucket(index) else { return moved };
        // SAFETY: a live bucket that nobody else uses; its cells lead to live entries, and each to
        // its own, so that a copy may take the place of the entry.
        unsafe {
            moved += usize::from(bucket.as_mut().relocate_array(&mut self.slab));
            for index in 0..bucket.as_ref().len() {
                let cell = bucket.as_ref().cell(index);
                let old = entry_of(cell);
                if !has_class(cell) || !self.slab.is_leaving(old) {
                    continue;
                }
                let shape = entry::shape(old);
                let new = self.slab.alloc(shape.total());
                core::ptr::copy_nonoverlapping(old.as_ptr(), new.as_ptr(), shape.total());
                *bucket.as_mut().cell_mut(index) =
                    with_entry(cell, new, cell & (HAS_DEADLINE | LARGE));
                entry::free(&mut self.slab, old, &shape);
                moved += 1;
            }
        }
        moved
    }
}
