//! A hash table on its own: what a large hash, set or sorted set is made of.
//!
//! The same header, buckets and entries as in [`crate::Tables`], but one table that owns its memory, from the
//! global allocator: so it can be handed to another thread whole, whatever its size, and freed there. It
//! grows and shrinks by one bucket at a time, a scan visits what is there all the time, a draw is
//! uniform, and each key may have a deadline, which the map keeps and does not act upon.

use crate::bucket::{Bucket, HAS_DEADLINE, cell_of, entry_of, with_entry};
use crate::entry::{self, Content, Entry, Shape};
use crate::hash::KeyHash;
use crate::memory::Heap;
use crate::table::Head;
use crate::tables::{Value, cell_flags, value_of};
use base::Prng;
use core::convert::Infallible;
use core::ptr::NonNull;

/// A value to be kept under a key of a [`Map`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plain<'a> {
    /// Bytes.
    Bytes(&'a [u8]),
    /// Eight bytes as a number.
    Int(i64),
}

impl<'a> Plain<'a> {
    fn content(self) -> Content<'a> {
        match self {
            Plain::Bytes(bytes) => Content::Bytes { bytes, mark: 0 },
            Plain::Int(number) => Content::Int(number),
        }
    }
}

/// One key of a map with what belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair<'a> {
    /// The key.
    pub key: &'a [u8],
    /// Its value.
    pub value: Plain<'a>,
    /// Its deadline.
    pub deadline: Option<i64>,
}

/// What [`Map::reap`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Swept {
    /// Where to go on; `None` at the end.
    pub next: Option<u64>,
    /// Keys that were removed.
    pub removed: usize,
    /// The earliest deadline of those that stay; `i64::MAX` without any.
    pub earliest_ms: i64,
}

/// Where a key was found.
pub(crate) struct Found {
    bucket: NonNull<Bucket>,
    index: usize,
    pub(crate) entry: Entry,
}

/// Buckets that [`Map::random`] may draw for each key it returns, on average, before it walks instead.
const RANKS: u64 = 16;

/// A hash table of byte strings that owns its memory. At most 2^32 - 1 keys.
pub struct Map {
    head: Head,
    heap: Heap,
    hasher: KeyHash,
    deadlines: usize,
}

// SAFETY: the pointers lead to memory that this map alone owns, of an allocator that any thread may use.
unsafe impl Send for Map {}

impl Map {
    /// An empty map. Takes no memory of its own before the first key.
    pub fn new(hasher: KeyHash) -> Map {
        Map { head: Head::default(), heap: Heap::default(), hasher, deadlines: 0 }
    }

    /// The hash function of the keys.
    pub(crate) fn hasher(&self) -> KeyHash {
        self.hasher
    }

    /// Keys. O(1).
    #[inline]
    pub fn len(&self) -> usize {
        self.head.keys()
    }

    /// Whether there are no keys. O(1).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keys with a deadline. O(1).
    pub fn deadlines(&self) -> usize {
        self.deadlines
    }

    /// Memory taken, in bytes, the map itself included. O(1).
    pub fn bytes(&self) -> usize {
        size_of::<Map>() + self.heap.live()
    }

    #[inline]
    pub(crate) fn find(&self, key: &[u8]) -> Option<Found> {
        self.find_hashed(self.hasher.hash(key), key)
    }

    #[inline]
    fn find_hashed(&self, hash: u64, key: &[u8]) -> Option<Found> {
        let bucket = self.head.bucket(hash)?;
        // SAFETY: a bucket of a live table, whose cells lead to live entries.
        unsafe {
            let index = bucket.as_ref().find(hash, key)?;
            Some(Found { bucket, index, entry: entry_of(bucket.as_ref().cell(index)) })
        }
    }

    /// The value and deadline of a key. Expected O(1).
    #[inline]
    pub fn get(&self, key: &[u8]) -> Option<Pair<'_>> {
        // SAFETY: `find` gives a live entry, and `&self` keeps it.
        self.find(key).map(|found| unsafe { pair(found.entry) })
    }

    /// Whether the key is there. Expected O(1).
    #[inline]
    pub fn contains(&self, key: &[u8]) -> bool {
        self.find(key).is_some()
    }

    /// Adds a key with an empty value; false, and nothing happens, when it is there. Expected O(length).
    #[inline]
    pub fn add(&mut self, key: &[u8]) -> bool {
        let hash = self.hasher.hash(key);
        let new = self.find_hashed(hash, key).is_none();
        if new {
            self.insert_hashed(hash, key, Plain::Bytes(b""), None);
        }
        new
    }

    /// Sets value and deadline of a key. True if the key is new. Expected O(length).
    pub fn set(&mut self, key: &[u8], value: Plain<'_>, deadline: Option<i64>) -> bool {
        let hash = self.hasher.hash(key);
        match self.find_hashed(hash, key) {
            Some(found) => {
                // SAFETY: just found.
                unsafe { self.overwrite(found, value, deadline) };
                false
            }
            None => {
                self.insert_hashed(hash, key, value, deadline);
                true
            }
        }
    }

    /// Adds a key that is not there, and gives its entry.
    pub(crate) fn insert(&mut self, key: &[u8], value: Plain<'_>, deadline: Option<i64>) -> Entry {
        self.insert_hashed(self.hasher.hash(key), key, value, deadline)
    }

    fn insert_hashed(
        &mut self,
        hash: u64,
        key: &[u8],
        value: Plain<'_>,
        deadline: Option<i64>,
    ) -> Entry {
        debug_assert!(!self.contains(key));
        let (entry, shape) = entry::build(&mut self.heap, key, value.content(), deadline, 0);
        self.deadlines += usize::from(deadline.is_some());
        let cell = cell_of(hash, entry, cell_flags(&shape));
        self.head.push(&mut self.heap, hash, cell, self.hasher, &mut Vec::new());
        entry
    }

    /// Writes another value and deadline for a key; its entry may move.
    ///
    /// # Safety
    /// The key was found in this map, which has not changed since.
    pub(crate) unsafe fn overwrite(
        &mut self,
        found: Found,
        value: Plain<'_>,
        deadline: Option<i64>,
    ) {
        let Found { mut bucket, index, entry } = found;
        // SAFETY: the caller's promise. What the caller passes cannot lie within the entry, as `self` is
        // borrowed mutably.
        unsafe {
            let old = entry::shape(entry);
            let mut now = entry;
            if !entry::overwrite(entry, &old, value.content(), deadline, 0) {
                let key = entry::key(entry, &old);
                (now, _) = entry::build(&mut self.heap, key, value.content(), deadline, 0);
                entry::free(&mut self.heap, entry, &old);
            }
            let flags = cell_flags(&entry::shape(now));
            let cell = bucket.as_mut().cell_mut(index);
            let had = *cell & HAS_DEADLINE != 0;
            *cell = with_entry(*cell, now, flags);
            self.deadlines = self.deadlines + usize::from(deadline.is_some()) - usize::from(had);
        }
    }

    /// Sets or takes away a key's deadline. False when there is no such key. O(length).
    pub fn set_deadline(&mut self, key: &[u8], deadline: Option<i64>) -> bool {
        let Some(found) = self.find(key) else { return false };
        // SAFETY: just found; bytes are copied before the entry can go.
        unsafe {
            match pair(found.entry).value {
                Plain::Int(number) => self.overwrite(found, Plain::Int(number), deadline),
                Plain::Bytes(bytes) => {
                    let copy = bytes.to_vec();
                    self.overwrite(found, Plain::Bytes(&copy), deadline);
                }
            }
        }
        true
    }

    /// Removes a key. False when there is no such key. Expected O(1).
    pub fn remove(&mut self, key: &[u8]) -> bool {
        let found = self.find(key);
        let there = found.is_some();
        if let Some(found) = found {
            // SAFETY: just found.
            unsafe { self.remove_found(found) };
        }
        there
    }

    /// Removes a key.
    ///
    /// # Safety
    /// The key was found in this map, which has not changed since.
    pub(crate) unsafe fn remove_found(&mut self, found: Found) {
        // SAFETY: the cell of a live bucket of this map, and the only one that leads to its entry.
        unsafe {
            let cell = self.head.take(&mut self.heap, found.bucket, found.index);
            self.free_cell(cell);
        }
        self.head.shrink(&mut self.heap, &mut Vec::new());
    }

    /// Frees the entry of a cell that was taken out.
    ///
    /// # Safety
    /// The cell was of this map, and nobody uses its entry.
    unsafe fn free_cell(&mut self, cell: u64) {
        self.deadlines -= usize::from(cell & HAS_DEADLINE != 0);
        let entry = entry_of(cell);
        // SAFETY: the caller's promise.
        unsafe { entry::free(&mut self.heap, entry, &entry::shape(entry)) };
    }

    /// Visits the keys of the bucket at `position`, 0 first, and gives the position to go on from; `None` at
    /// the end. A key that is there from the first call to the last is visited, some perhaps twice,
    /// however the map changes in between. Any number is a position. O(keys of a bucket).
    pub fn scan<'a>(&'a self, position: u64, visit: impl FnMut(Pair<'a>)) -> Option<u64> {
        let (bucket, next) = self.head.bucket_after(position)?;
        self.pairs_of(bucket).for_each(visit);
        next
    }

    /// Removes the keys of the bucket at `position`, as [`Map::scan`] visits it, whose deadline is before `now_ms`.
    /// Keys without a deadline are not touched. O(keys of a bucket).
    pub fn reap(&mut self, position: u64, now_ms: i64) -> Swept {
        let mut swept = Swept { next: None, removed: 0, earliest_ms: i64::MAX };
        let Some((bucket, next)) = self.head.bucket_after(position) else { return swept };
        swept.next = next;
        // SAFETY: a live bucket; it is not moved before `shrink`. Cells below `index` keep their places while
        // those above go, and each leads to a live entry.
        unsafe {
            for index in (0..bucket.as_ref().len()).rev() {
                let cell = bucket.as_ref().cell(index);
                if cell & HAS_DEADLINE == 0 {
                    continue;
                }
                let deadline = pair(entry_of(cell)).deadline.expect("the cell says so");
                if deadline >= now_ms {
                    swept.earliest_ms = swept.earliest_ms.min(deadline);
                    continue;
                }
                let cell = self.head.take(&mut self.heap, bucket, index);
                self.free_cell(cell);
                swept.removed += 1;
            }
        }
        (0..swept.removed).for_each(|_| self.head.shrink(&mut self.heap, &mut Vec::new()));
        swept
    }

    /// All keys, in no order.
    pub fn iter(&self) -> impl Iterator<Item = Pair<'_>> {
        let buckets = (0..self.head.buckets()).map_while(|index| self.head.nth_bucket(index));
        buckets.flat_map(|bucket| self.pairs_of(bucket))
    }

    fn pairs_of<'a>(&'a self, bucket: NonNull<Bucket>) -> impl Iterator<Item = Pair<'a>> + use<'a> {
        // SAFETY: a live bucket of this map, whose cells lead to live entries; `&self` keeps both.
        let bucket: &'a Bucket = unsafe { bucket.as_ref() };
        let cells = bucket.inline_cells().iter().chain(bucket.linked_cells());
        // SAFETY: as above.
        cells.map(|cell| unsafe { pair(entry_of(*cell)) })
    }

    /// A key drawn uniformly; `None` if there is none. Expected O(1).
    pub fn random(&self, prng: &mut Prng) -> Option<Pair<'_>> {
        if self.is_empty() {
            return None;
        }
        loop {
            let bucket = self.head.nth_bucket(prng.below(self.head.buckets() as u64) as usize)?;
            // SAFETY: a live bucket, and `&self` keeps it and its entries.
            unsafe {
                let bucket: &Bucket = bucket.as_ref();
                let rank = prng.below(RANKS.max(bucket.len() as u64)) as usize;
                if rank < bucket.len() {
                    return Some(pair(entry_of(bucket.cell(rank))));
                }
            }
        }
    }

    /// Another map with the same keys, values and deadlines. O(keys).
    pub fn duplicate(&self) -> Map {
        let mut copy = Map::new(self.hasher);
        self.iter().for_each(|pair| _ = copy.insert(pair.key, pair.value, pair.deadline));
        copy
    }

    /// Takes out up to `budget` keys, whichever, and frees them: how a large map goes in bounded steps. True
    /// while there are more.
    pub fn dismantle(&mut self, budget: usize) -> bool {
        for _ in 0..budget {
            let Some(cell) = self.head.dismantle(&mut self.heap) else { return false };
            // SAFETY: the cell was the only one that led to its entry.
            unsafe { self.free_cell(cell) };
        }
        !self.is_empty()
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // Once more when the last key is gone: the buckets.
        while self.dismantle(usize::MAX) {}
    }
}

impl core::fmt::Debug for Map {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.debug_list().entries(self.iter()).finish()
    }
}

/// What an entry of a map says.
///
/// # Safety
/// `entry` is a live entry of a map and stays so, unchanged, for the lifetime the caller picks.
#[inline]
pub(crate) unsafe fn pair<'a>(entry: Entry) -> Pair<'a> {
    // SAFETY: the caller's promise.
    unsafe {
        let shape: Shape = entry::shape(entry);
        let value = match value_of::<Infallible>(entry, &shape) {
            Value::Bytes { bytes, .. } => Plain::Bytes(bytes),
            Value::Int(number) => Plain::Int(number),
            Value::Boxed(never) => match *never {},
        };
        Pair { key: entry::key(entry, &shape), value, deadline: entry::deadline(entry, &shape) }
    }
}
