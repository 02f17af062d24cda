//! Emptying sparse spans by moving what is in them.
//!
//! When the sizes of what is stored change, the spans of the old classes become sparse but not
//! empty: the memory is free and of no use to anybody. An entry is known to one cell only, so it
//! can be moved. A pass lets the slab choose the spans to be emptied, as many as the room in the
//! others of their class can take; walks over all tables in bounded steps; and moves the entries,
//! cell arrays and segments that it meets in such spans. It costs some nanoseconds for each key in
//! the tables, and is only begun when it frees a per cent or so.
//!
//! With many sizes in use, each class has its half-full spans, and no pass can free them. That idle memory is
//! told apart ([`Usage::settled`]) from what came since, which is either used again or freed by the next
//! pass: only its growth begins one.

#[cfg(doc)]
use crate::Usage;
use crate::bucket::{HAS_DEADLINE, LARGE, entry_of, with_entry};
use crate::entry;
use crate::tables::{Payload, Tables, has_class};

/// A pass begins when idle memory has grown by this share of what is live, or by the minimum, beyond what
/// earlier passes could not free.
const GROWN_SHARE: usize = 128;
const GROWN_BYTES_MIN: usize = 256 << 10;
/// A pass that would free less than this share of what it was begun for is not worth its walk.
const WORTH_SHARE: usize = 4;
/// Idle memory that cannot be freed becomes [`Usage::settled`] by so much a step, so that who compares with
/// what is used has not to make room for all of it at once.
const SETTLED_BYTES_STEP: usize = 16 << 10;
/// Items of the budget that moving an entry takes, and one more for so many of its bytes; looking at a
/// bucket takes one.
const MOVE_COST: usize = 4;
const BYTES_PER_ITEM: usize = 256;

/// How far a pass has come.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Walk {
    running: bool,
    space: usize,
    table: usize,
    bucket: usize,
    /// Idle bytes when the pass began.
    found: usize,
    /// Idle bytes that the last pass left: they are in spans that no other span has room for.
    left: usize,
    /// How much of that is shown as such.
    pub(crate) settled: usize,
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
        self.settle();
        if !self.walk.running && !self.begin_walk() {
            return report;
        }
        let mut left = budget;
        while left > 0 {
            let Some(cost) = self.walk_bucket(&mut report.moved) else {
                // What was freed meanwhile is for the next pass.
                self.walk.running = false;
                self.walk.left = self.walk.found.saturating_sub(self.slab.end_leaving());
                self.settle();
                return report;
            };
            left = left.saturating_sub(1 + cost);
        }
        report.more = true;
        report
    }

    /// What an earlier pass left may have been used since.
    fn settle(&mut self) {
        let idle = self.slab.usage().idle;
        self.walk.left = self.walk.left.min(idle);
        self.walk.settled = (self.walk.settled + SETTLED_BYTES_STEP).min(self.walk.left);
    }

    fn begin_walk(&mut self) -> bool {
        let usage = self.slab.usage();
        let grown = usage.idle - self.walk.left;
        if grown < (usage.live / GROWN_SHARE).max(GROWN_BYTES_MIN) {
            return false;
        }
        let running = self.slab.choose_leaving(grown) >= grown / WORTH_SHARE;
        if !running {
            self.slab.end_leaving();
            self.walk.left = usage.idle;
        }
        let Walk { left, settled, .. } = self.walk;
        self.walk = Walk { running, found: usage.idle, left, settled, ..Walk::default() };
        running
    }

    /// Deals with the bucket the walk stands at, and goes on by one. Counts the objects it moves and gives
    /// what that takes of the budget; `None` at the end.
    fn walk_bucket(&mut self, moved: &mut usize) -> Option<usize> {
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
        Some(self.relocate_bucket(space, table, bucket, moved))
    }

    /// Moves what of this bucket lies in spans that are being emptied.
    fn relocate_bucket(
        &mut self,
        space: usize,
        table: usize,
        index: usize,
        moved: &mut usize,
    ) -> usize {
        let head = self.spaces[space].as_mut().expect("the walk has found it").head_mut(table);
        let mut tables =
            usize::from(index.is_multiple_of(8) && head.relocate_segment(&mut self.slab, index));
        let mut cost = 0;
        if let Some(mut bucket) = head.nth_bucket(index) {
            // SAFETY: a live bucket that nobody else uses; its cells lead to live entries, and each to
            // its own, so that a copy may take the place of the entry.
            unsafe {
                tables += usize::from(bucket.as_mut().relocate_array(&mut self.slab));
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
                    *moved += 1;
                    cost += MOVE_COST + shape.total() / BYTES_PER_ITEM;
                }
            }
        }
        *moved += tables;
        cost + tables * MOVE_COST
    }
}
