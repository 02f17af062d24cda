//! The public face: spaces of tables that share one slab.
//!
//! A key is found by its [`Place`]: space, table and hash. The caller hashes, because it needs the
//! hash elsewhere; [`Tables`] hashes again only to split large tables, so the caller must have used
//! the same [`KeyHash`]. A wrong hash loses keys, but is not unsound.

use crate::bucket::{self, Bucket, HAS_DEADLINE, LARGE, cell_of, entry_of};
use crate::entry::{self, BOXED, Content, Entry, INT, Shape};
use crate::hash::KeyHash;
use crate::occupied::{Occupied, Vacant};
use crate::prefetch::prefetch;
use crate::slab::{OBJECT_MAX, Slab, taken};
use crate::space::{Space, TABLES};
use crate::table::Head;
use base::Prng;
use core::marker::PhantomData;
use core::ptr::NonNull;
use std::collections::VecDeque;

/// Buckets that one [`Tables::sample`] looks at, at the most: cells are cheap to skip, so that
/// even rare deadlines are found, but a call stays in the microseconds.
const SAMPLE_BUCKETS_MAX: usize = 512;

/// Parts of a payload set aside that are freed between two looks at the budget.
const SHED_PARTS: usize = 64;

/// What an entry's box holds. `Send`, because tables and boxes move between threads.
pub trait Payload: Send {
    /// Bytes that the payload takes beyond what the program's code does: its own size and what it
    /// owns. O(1). May change only within [`Occupied::with_boxed`] and [`Payload::shed`].
    fn footprint(&self) -> usize;

    /// Whether dropping it would take long. Such a payload is set aside when its key goes, and
    /// [`Tables::free_step`] takes it apart.
    fn is_large(&self) -> bool {
        false
    }

    /// Frees about `budget` parts of a payload that nobody will look into any more. True while there are more.
    fn shed(&mut self, budget: usize) -> bool {
        _ = budget;
        false
    }
}

/// Where a key is to be found.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The space.
    pub space: usize,
    /// The table in it, below [`TABLES`].
    pub table: usize,
    /// The key's hash.
    pub hash: u64,
}

/// A value as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a, T> {
    /// Bytes within the entry; the mark, below 4, is the caller's to use.
    Bytes {
        /// The bytes.
        bytes: &'a [u8],
        /// The caller's mark.
        mark: u8,
    },
    /// An integer.
    Int(i64),
    /// A payload out of line.
    Boxed(&'a T),
}

/// A value to be stored.
#[derive(Debug)]
pub enum NewValue<'a, T> {
    /// Bytes within the entry.
    Bytes {
        /// The bytes, shorter than [`crate::INLINE_MAX`].
        bytes: &'a [u8],
        /// The caller's mark.
        mark: u8,
    },
    /// An integer.
    Int(i64),
    /// A payload out of line.
    Boxed(Box<T>),
}

/// One entry, as a walk shows it.
pub struct View<'a, T> {
    /// Its key.
    pub key: &'a [u8],
    /// Its value.
    pub value: Value<'a, T>,
    /// Its deadline.
    pub deadline: Option<i64>,
    /// The caller's bits.
    pub access: u32,
    /// The table it is in.
    pub table: usize,
}

/// What a lookup found.
pub enum Lookup<'a, T: Payload> {
    /// No such key.
    Absent,
    /// The key was there, but its deadline is over; it was removed if that was asked for.
    Expired,
    /// The key.
    Live(Occupied<'a, T>),
}

/// What [`Tables::cell`] found: a key to be changed, or the place for it.
pub enum Cell<'a, T: Payload> {
    /// The key is there.
    Occupied(Occupied<'a, T>),
    /// The key is not there.
    Vacant(Vacant<'a, T>),
}

/// What [`Tables::reap`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reaped {
    /// Where to go on in this table; `None` at its end.
    pub next: Option<u64>,
    /// Keys with a deadline that were looked at.
    pub visited: usize,
    /// Keys that were removed.
    pub removed: usize,
    /// The remaining time of those that were not due, in all.
    pub remaining_ms: u64,
}

/// Where the memory is, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Entries and payloads.
    pub data: usize,
    /// Tables and their headers.
    pub tables: usize,
    /// What the slab holds without using it.
    pub idle: usize,
    /// Of that, what compaction could not free.
    pub settled: usize,
}

/// Tables that share a slab, in numbered spaces.
pub struct Tables<T: Payload> {
    pub(crate) slab: Slab,
    pub(crate) spaces: Vec<Option<Box<Space>>>,
    /// The first header of each space; null where there is none. Spares lookups a step.
    heads: Vec<*mut Head>,
    graves: VecDeque<Grave>,
    /// Large payloads whose keys are gone.
    #[allow(clippy::vec_box, reason = "boxes are how payloads travel")]
    set_aside: Vec<Box<T>>,
    hasher: KeyHash,
    scratch: Vec<u64>,
    /// Bytes of entries within the slab.
    pub(crate) entry_bytes: usize,
    /// Footprints of all payloads.
    pub(crate) payload_bytes: usize,
    /// Bytes of headers and counts of all spaces, buried ones included.
    header_bytes: usize,
    pub(crate) walk: crate::compaction::Walk,
    payload: PhantomData<T>,
}

/// A space that was emptied, and how far its memory has been freed.
struct Grave {
    space: Box<Space>,
    table: usize,
}

// SAFETY: the pointers lead to memory that these tables alone own, and payloads are Send.
unsafe impl<T: Payload> Send for Tables<T> {}

impl<T: Payload> Tables<T> {
    /// `spaces` empty spaces of [`TABLES`] tables. Takes no memory for a space before its first key.
    pub fn new(spaces: usize, hasher: KeyHash) -> Tables<T> {
        Tables {
            slab: Slab::new(),
            spaces: (0..spaces).map(|_| None).collect(),
            heads: vec![core::ptr::null_mut(); spaces],
            graves: VecDeque::new(),
            set_aside: Vec::new(),
            hasher,
            scratch: Vec::new(),
            entry_bytes: 0,
            payload_bytes: 0,
            header_bytes: 0,
            walk: crate::compaction::Walk::default(),
            payload: PhantomData,
        }
    }

    /// The hash function of the keys.
    pub fn hasher(&self) -> KeyHash {
        self.hasher
    }

    /// The header of this table, if its space has any.
    #[inline]
    fn head_at(&self, space: usize, table: usize) -> Option<&Head> {
        assert!(table < TABLES);
        let heads = NonNull::new(self.heads[space])?;
        // SAFETY: a pointer in `heads` leads to TABLES headers that live as long as their space.
        Some(unsafe { heads.add(table).as_ref() })
    }

    /// Finds a key. `now_ms` is what deadlines are compared with: a key is expired when its
    /// deadline is before it, and then removed if `reap`. Expected O(1).
    #[inline]
    pub fn lookup(&mut self, place: Place, key: &[u8], now_ms: i64, reap: bool) -> Lookup<'_, T> {
        let Some((bucket, index, entry, due)) = self.find(place, key, now_ms) else {
            return Lookup::Absent;
        };
        // SAFETY: cell `index` of the bucket leads to the entry.
        let found = unsafe { Occupied::new(self, place, bucket, index, entry) };
        match (due, reap) {
            (false, _) => return Lookup::Live(found),
            (true, true) => found.remove(),
            (true, false) => {}
        }
        Lookup::Expired
    }

    /// The value of a key whose deadline is not before `now_ms`; leaves everything as it is. Expected O(1).
    #[inline]
    pub fn get(&self, place: Place, key: &[u8], now_ms: i64) -> Option<Value<'_, T>> {
        let (_, _, entry, due) = self.find(place, key, now_ms)?;
        // SAFETY: found, so live, and `&self` keeps it so; its box, if any, is a `T`.
        (!due).then(|| unsafe { value_of(entry, &entry::shape(entry)) })
    }

    /// Finds a key or the place for it; an expired one is removed first, and the flag beside says so.
    /// Expected O(1).
    #[inline]
    pub fn cell(&mut self, place: Place, key: &[u8], now_ms: i64) -> (Cell<'_, T>, bool) {
        let Some((bucket, index, entry, due)) = self.find(place, key, now_ms) else {
            return (Cell::Vacant(Vacant::new(self, place)), false);
        };
        if due {
            // SAFETY: cell `index` of the bucket leads to the entry.
            unsafe { Occupied::new(self, place, bucket, index, entry) }.remove();
            return (Cell::Vacant(Vacant::new(self, place)), true);
        }
        // SAFETY: as above.
        (Cell::Occupied(unsafe { Occupied::new(self, place, bucket, index, entry) }), false)
    }

    /// Where a key is: bucket, cell and entry, and whether its deadline is before `now_ms`.
    #[inline]
    fn find(
        &self,
        place: Place,
        key: &[u8],
        now_ms: i64,
    ) -> Option<(NonNull<Bucket>, usize, Entry, bool)> {
        let bucket = self.bucket_of(place)?;
        // SAFETY: the bucket belongs to a live table, so its cells lead to live entries.
        unsafe {
            let index = bucket.as_ref().find(place.hash, key)?;
            let cell = bucket.as_ref().cell(index);
            let entry = entry_of(cell);
            let due = cell & HAS_DEADLINE != 0
                && entry::deadline(entry, &entry::shape(entry))
                    .is_some_and(|deadline| deadline < now_ms);
            Some((bucket, index, entry, due))
        }
    }

    #[inline]
    fn bucket_of(&self, place: Place) -> Option<NonNull<Bucket>> {
        self.head_at(place.space, place.table)?.bucket(place.hash)
    }

    /// Adds a key that [`Tables::lookup`] has just not found. Expected O(1); no single call takes
    /// long, whatever the size of the table.
    pub fn insert(
        &mut self,
        place: Place,
        key: &[u8],
        value: NewValue<'_, T>,
        deadline: Option<i64>,
        access: u32,
    ) {
        debug_assert!(matches!(self.lookup(place, key, i64::MIN, false), Lookup::Absent));
        if self.spaces[place.space].is_none() {
            let space = Box::new(Space::new());
            self.heads[place.space] = space.heads().as_ptr();
            self.spaces[place.space] = Some(space);
            self.header_bytes += Space::EMPTY_BYTES;
        }
        let content = self.content(value);
        let (entry, shape) = entry::build(&mut self.slab, key, content, deadline, access);
        self.entry_bytes += taken(shape.total());
        let cell = cell_of(place.hash, entry, cell_flags(&shape));
        let space = self.spaces[place.space].as_mut().expect("made above");
        self.header_bytes += space.count_new_key(place.table);
        if deadline.is_some() {
            space.count_deadlines(place.table, 1);
        }
        let head = space.head_mut(place.table);
        head.push(&mut self.slab, place.hash, cell, self.hasher, &mut self.scratch);
    }

    /// The value in the form that entries take; a box becomes its address, owned by the entry.
    pub(crate) fn content<'a>(&mut self, value: NewValue<'a, T>) -> Content<'a> {
        match value {
            NewValue::Bytes { bytes, mark } => Content::Bytes { bytes, mark },
            NewValue::Int(number) => Content::Int(number),
            NewValue::Boxed(payload) => {
                self.payload_bytes += payload.footprint();
                Content::Boxed(Box::into_raw(payload).expose_provenance() as u64)
            }
        }
    }

    /// Drops the payload of an entry that has one. The entry must not be used as such any more.
    ///
    /// # Safety
    /// The address is that of a box that [`Tables::content`] gave up, and is owned by the caller.
    pub(crate) unsafe fn drop_payload(&mut self, address: u64) {
        // SAFETY: the caller's promise.
        let payload =
            unsafe { Box::from_raw(core::ptr::with_exposed_provenance_mut::<T>(address as usize)) };
        if payload.is_large() {
            self.set_aside.push(payload);
        } else {
            self.payload_bytes -= payload.footprint();
        }
    }

    /// Frees an entry that no cell leads to any more.
    ///
    /// # Safety
    /// It is a live entry of these tables, and nobody uses it.
    pub(crate) unsafe fn free_entry(&mut self, entry: Entry) {
        // SAFETY: the caller's promise.
        unsafe {
            let shape = entry::shape(entry);
            if shape.flags & entry::FORM == BOXED {
                self.drop_payload(entry::fixed(entry, &shape));
            }
            self.entry_bytes -= taken(shape.total());
            entry::free(&mut self.slab, entry, &shape);
        }
    }

    /// Takes cell `index` out of the bucket and frees its entry; the table does not shrink yet.
    ///
    /// # Safety
    /// The bucket is one of this place's table.
    pub(crate) unsafe fn remove_cell(
        &mut self,
        space: usize,
        table: usize,
        bucket: NonNull<Bucket>,
        index: usize,
    ) {
        let tables = self.spaces[space].as_mut().expect("a space with keys is there");
        // SAFETY: the caller's promise.
        let cell = unsafe { tables.head_mut(table).take(&mut self.slab, bucket, index) };
        tables.count_gone_keys(table, 1);
        if cell & HAS_DEADLINE != 0 {
            tables.count_deadlines(table, -1);
        }
        // SAFETY: the cell was the only one that led to the entry.
        unsafe { self.free_entry(entry_of(cell)) };
    }

    /// Lets the table shrink after a removal. The buckets of the table may move.
    pub(crate) fn shrink(&mut self, space: usize, table: usize) {
        let tables = self.spaces[space].as_mut().expect("a space with keys is there");
        tables.head_mut(table).shrink(&mut self.slab, &mut self.scratch);
    }

    /// First stage of fetching a key's memory ahead of its use: the table's header. Over a batch
    /// of keys, run each stage for all before the next.
    #[inline]
    pub fn prefetch_head(&self, place: Place) {
        prefetch(self.heads[place.space].wrapping_add(place.table));
    }

    /// Second stage: the bucket. Reads the header.
    #[inline]
    pub fn prefetch_bucket(&self, place: Place) {
        if let Some(bucket) = self.bucket_of(place) {
            prefetch(bucket.as_ptr());
        }
    }

    /// Third stage: the entry that the tag points to. Reads the bucket.
    #[inline]
    pub fn prefetch_entry(&self, place: Place) {
        let Some(bucket) = self.bucket_of(place) else { return };
        // SAFETY: the bucket belongs to a live table.
        if let Some(entry) = unsafe { bucket.as_ref().candidate(place.hash) } {
            prefetch(entry.as_ptr());
            prefetch(entry.as_ptr().wrapping_add(64));
        }
    }

    /// Keys in a space. O(1).
    pub fn len(&self, space: usize) -> usize {
        self.spaces[space].as_ref().map_or(0, |space| space.keys.total() as usize)
    }

    /// Whether a space has no keys. O(1).
    pub fn is_empty(&self, space: usize) -> bool {
        self.len(space) == 0
    }

    /// Keys with a deadline in a space. O(1).
    pub fn deadlines(&self, space: usize) -> usize {
        self.spaces[space].as_ref().map_or(0, |space| space.deadlines.total() as usize)
    }

    /// Keys in a table. O(1).
    pub fn table_len(&self, space: usize, table: usize) -> usize {
        self.head_at(space, table).map_or(0, Head::keys)
    }

    /// Bytes of a table's buckets and directory; its share of the header not counted. O(1).
    pub fn table_bytes(&self, space: usize, table: usize) -> usize {
        self.head_at(space, table).map_or(0, Head::bytes)
    }

    /// The first table from `from` on that has keys, or keys with a deadline. O(tables / 16).
    pub fn next_table(&self, space: usize, from: usize, with_deadlines: bool) -> Option<usize> {
        self.spaces[space].as_ref()?.next_table(from, with_deadlines)
    }

    /// Exchanges two spaces. O(1).
    pub fn swap(&mut self, a: usize, b: usize) {
        self.spaces.swap(a, b);
        self.heads.swap(a, b);
    }

    /// Empties a space and gives how many keys it had. O(1): [`Tables::free_step`] frees them.
    pub fn bury(&mut self, space: usize) -> usize {
        self.heads[space] = core::ptr::null_mut();
        let Some(space) = self.spaces[space].take() else { return 0 };
        let keys = space.keys.total() as usize;
        self.graves.push_back(Grave { space, table: 0 });
        keys
    }

    /// Frees up to `budget` parts of what was set aside and keys of buried spaces. True while there are more.
    pub fn free_step(&mut self, budget: usize) -> bool {
        let mut left = budget;
        while let Some(mut payload) = self.set_aside.pop() {
            let before = payload.footprint();
            let more = payload.shed(SHED_PARTS.min(left));
            if !more {
                self.payload_bytes -= before;
                continue;
            }
            self.payload_bytes = self.payload_bytes - before + payload.footprint();
            self.set_aside.push(payload);
            left = left.saturating_sub(SHED_PARTS);
            if left == 0 {
                return true;
            }
        }
        while let Some(mut grave) = self.graves.pop_front() {
            while let Some(table) = grave.space.next_table(grave.table, false) {
                grave.table = table;
                let count = grave.space.head(table).keys().min(left);
                for _ in 0..count {
                    let cell =
                        grave.space.head_mut(table).dismantle(&mut self.slab).expect("counted");
                    // SAFETY: the cell was the only one that led to its entry.
                    unsafe { self.free_entry(entry_of(cell)) };
                }
                grave.space.count_gone_keys(table, count);
                left -= count;
                if grave.space.head(table).keys() > 0 {
                    self.graves.push_front(grave);
                    return true;
                }
                let rest = grave.space.head_mut(table).dismantle(&mut self.slab);
                debug_assert!(rest.is_none());
            }
            self.header_bytes -= grave.space.bytes();
        }
        false
    }

    /// Whether there are buried spaces or payloads set aside whose memory is not all free yet. O(1).
    pub fn has_buried(&self) -> bool {
        !self.graves.is_empty() || !self.set_aside.is_empty()
    }

    /// Visits the keys of the bucket at `position` of a table, 0 first, and gives the position to
    /// go on from; `None` at the table's end. A key that is there from the first call to the last
    /// is visited, some perhaps twice, however the table changes in between. Any number is a
    /// position. O(keys of a bucket).
    pub fn scan(
        &self,
        space: usize,
        table: usize,
        position: u64,
        mut visit: impl FnMut(View<'_, T>),
    ) -> Option<u64> {
        let (bucket, next) = self.head_at(space, table)?.bucket_after(position)?;
        // SAFETY: a live bucket, whose cells lead to live entries; `&self` keeps them so.
        let bucket = unsafe { bucket.as_ref() };
        for cell in bucket.inline_cells().iter().chain(bucket.linked_cells()) {
            // SAFETY: as above.
            visit(unsafe { self.view(entry_of(*cell), table) });
        }
        next
    }

    /// # Safety
    /// `entry` is a live entry of these tables.
    unsafe fn view(&self, entry: Entry, table: usize) -> View<'_, T> {
        // SAFETY: the caller's promise.
        unsafe {
            let shape = entry::shape(entry);
            View {
                key: entry::key(entry, &shape),
                value: value_of(entry, &shape),
                deadline: entry::deadline(entry, &shape),
                access: entry::access(entry),
                table,
            }
        }
    }

    /// Removes the expired keys of the bucket at `position` of a table, as [`Tables::scan`] visits
    /// it; `on_due` is shown each before it goes. O(keys of a bucket).
    pub fn reap(
        &mut self,
        space: usize,
        table: usize,
        position: u64,
        now_ms: i64,
        mut on_due: impl FnMut(&[u8]),
    ) -> Reaped {
        let mut report = Reaped { next: None, visited: 0, removed: 0, remaining_ms: 0 };
        let Some((bucket, next)) =
            self.head_at(space, table).and_then(|head| head.bucket_after(position))
        else {
            return report;
        };
        report.next = next;
        // SAFETY: a live bucket; it is not moved before `shrink`. Cells below `index` keep their
        // places while those above go.
        unsafe {
            let len = bucket.as_ref().len();
            let with_deadline = |index: &usize| bucket.as_ref().cell(*index) & HAS_DEADLINE != 0;
            (0..len)
                .filter(with_deadline)
                .for_each(|index| prefetch(entry_of(bucket.as_ref().cell(index)).as_ptr()));
            for index in (0..len).rev().filter(with_deadline) {
                let entry = entry_of(bucket.as_ref().cell(index));
                let shape = entry::shape(entry);
                let deadline = entry::deadline(entry, &shape).expect("the cell says so");
                report.visited += 1;
                if deadline >= now_ms {
                    report.remaining_ms =
                        report.remaining_ms.saturating_add(deadline.abs_diff(now_ms));
                    continue;
                }
                on_due(entry::key(entry, &shape));
                self.remove_cell(space, table, bucket, index);
                report.removed += 1;
            }
        }
        (0..report.removed).for_each(|_| self.shrink(space, table));
        report
    }

    /// Visits some keys, at least `want` if a bounded search meets as many: draws a table by its
    /// keys (or deadlines), a bucket of it, and goes on through neighbouring buckets; small tables
    /// are drawn again. Each key of a space is as likely as another, but neighbours come together.
    pub fn sample(
        &self,
        space: usize,
        only_deadlines: bool,
        want: usize,
        prng: &mut Prng,
        mut visit: impl FnMut(View<'_, T>),
    ) {
        let Some(tables) = &self.spaces[space] else { return };
        let counts = if only_deadlines { &tables.deadlines } else { &tables.keys };
        let (mut visited, mut budget) = (0, SAMPLE_BUCKETS_MAX);
        while visited < want && budget > 0 && counts.total() > 0 {
            let table = tables.table_of(prng.below(counts.total()), only_deadlines);
            let head = tables.head(table);
            let first = prng.below(head.buckets() as u64) as usize;
            for step in 0..head.buckets().min(budget) {
                budget -= 1;
                let bucket =
                    head.nth_bucket((first + step) % head.buckets()).expect("below their number");
                // SAFETY: a live bucket, and `&self` keeps it so.
                visited += self.sample_bucket(
                    unsafe { bucket.as_ref() },
                    table,
                    only_deadlines,
                    &mut visit,
                );
                if visited >= want {
                    break;
                }
            }
        }
    }

    fn sample_bucket(
        &self,
        bucket: &Bucket,
        table: usize,
        only_deadlines: bool,
        visit: &mut impl FnMut(View<'_, T>),
    ) -> usize {
        let cells = || bucket.inline_cells().iter().chain(bucket.linked_cells());
        let chosen = || cells().filter(|cell| !only_deadlines || **cell & HAS_DEADLINE != 0);
        chosen().for_each(|cell| prefetch(entry_of(*cell).as_ptr()));
        // SAFETY: the cells of a live bucket lead to live entries.
        chosen().map(|cell| visit(unsafe { self.view(entry_of(*cell), table) })).count()
    }

    /// A key drawn uniformly, `None` if there is none. Expected O(1).
    pub fn random(&self, space: usize, prng: &mut Prng) -> Option<View<'_, T>> {
        /// More than almost every bucket has, so that buckets are drawn in proportion to their keys.
        const RANKS: u64 = 16;
        let tables = self.spaces[space].as_ref().filter(|tables| tables.keys.total() > 0)?;
        let table = tables.table_of(prng.below(tables.keys.total()), false);
        let head = tables.head(table);
        loop {
            let bucket = head.nth_bucket(prng.below(head.buckets() as u64) as usize)?;
            // SAFETY: a live bucket whose cells lead to live entries, and `&self` keeps it so.
            unsafe {
                let bucket = bucket.as_ref();
                let rank = prng.below(RANKS.max(bucket.len() as u64)) as usize;
                if rank < bucket.len() {
                    return Some(self.view(entry_of(bucket.cell(rank)), table));
                }
            }
        }
    }

    /// Where the memory is. O(1).
    #[inline]
    pub fn usage(&self) -> Usage {
        let slab = self.slab.usage();
        Usage {
            data: self.entry_bytes + self.payload_bytes,
            tables: slab.live - self.entry_bytes + self.header_bytes,
            idle: slab.idle,
            settled: self.walk.settled.min(slab.idle),
        }
    }
}

impl<T: Payload> Drop for Tables<T> {
    fn drop(&mut self) {
        (0..self.spaces.len()).for_each(|space| {
            self.bury(space);
        });
        while self.free_step(usize::MAX) {}
    }
}

/// The flags of the cell that leads to an entry of this shape.
pub(crate) fn cell_flags(shape: &Shape) -> u64 {
    let deadline = if shape.flags & entry::DEADLINE == 0 { 0 } else { HAS_DEADLINE };
    deadline | if shape.total() > OBJECT_MAX { bucket::LARGE } else { 0 }
}

/// Whether the entry of this cell has a class of the slab.
pub(crate) fn has_class(cell: u64) -> bool {
    cell & LARGE == 0
}

/// The value of an entry.
///
/// # Safety
/// `entry` is live, of this shape, its box (if any) a `T`, and stays so for the lifetime chosen.
#[inline]
pub(crate) unsafe fn value_of<'a, T>(entry: Entry, shape: &Shape) -> Value<'a, T> {
    // SAFETY: the caller's promise.
    unsafe {
        match shape.flags & entry::FORM {
            INT => Value::Int(entry::fixed(entry, shape) as i64),
            BOXED => Value::Boxed(&*core::ptr::with_exposed_provenance(
                entry::fixed(entry, shape) as usize
            )),
            _ => {
                let start = entry::value_ptr(entry, shape).as_ptr();
                let bytes = core::slice::from_raw_parts(start, shape.value_len);
                Value::Bytes { bytes, mark: entry::mark_of(shape.flags) }
            }
        }
    }
}
