//! One hash table: linear hashing over buckets of one cache line.
//!
//! Linear hashing (Litwin, "Linear hashing: a new tool for file and table addressing", VLDB 1980):
//! with `n` buckets, 2^l <= n < 2^(l+1), a hash belongs to the bucket of its low l+1 bits if that
//! exists, else to that of its low l bits. Growing adds bucket n and moves to it what belongs there
//! from the one bucket n - 2^l; shrinking merges the last bucket back. So a table grows and shrinks
//! by one bucket at a time, whatever its size: no second table, no stall, no doubling of memory.
//!
//! Buckets lie in segments of eight (512 bytes), the first of which may be smaller while it is the
//! only one: a table of a few keys takes one or two buckets. The header, one cache line, holds the addresses of
//! the first seven segments, enough for some 370 keys: that is how many a slot has when millions
//! are spread over all slots, and a lookup then reads the header, the bucket and the entry. Beyond
//! that the header leads to a directory of segments, an exact fit up to 512 of them, then to pages
//! of 512. Segments have one size whatever the table's: tables that grow in lockstep would leave
//! spans of every size they outgrew half empty (measured in the design of this file: 9 bytes a key).
//!
//! A scan goes through hashes in the order of their reversed bits, see [`Position`].

use crate::bucket::{Bucket, TAG_LOW_BITS, entry_of, tag_bit};
use crate::entry::{self, Entry};
use crate::hash::KeyHash;
use crate::memory::Memory;
use crate::prefetch::prefetch;
use crate::slab::Slab;
use core::ptr::NonNull;

/// Buckets of a segment.
const SEGMENT: usize = 8;
const SEGMENT_BYTES: usize = SEGMENT * size_of::<Bucket>();

/// Bytes of the first segment of a table with this many buckets.
fn first_segment_bytes(buckets: usize) -> usize {
    buckets.next_power_of_two().min(SEGMENT) * size_of::<Bucket>()
}

/// Segments whose addresses the header holds.
const DIRECT: usize = 7;
/// Addresses in a page of the directory.
const PAGE: usize = 512;
/// Split when keys exceed this many quarters a bucket: a mean of 6 of 8 cells. Measured: 6.75 saves
/// 0.9 bytes a key but sends half as many lookups again behind a link; 5.5 costs 0.9 more and saves
/// a fifth of them.
const SPLIT_QUARTERS: usize = 24;
/// Merge when keys fall below this many quarters a bucket.
const MERGE_QUARTERS: usize = 20;

/// Quarters of keys to wait beyond that, so that tiny tables do not go to and fro.
const MERGE_SLACK: usize = 16;

type Segment = *mut Bucket;

/// The header of a table; all zero is an empty one.
#[repr(C, align(64))]
pub(crate) struct Head {
    /// Addresses of segments; if there are more than [`DIRECT`], the first is the directory's.
    direct: [Segment; DIRECT],
    buckets: u32,
    /// Keys in the table.
    keys: u32,
}

impl Default for Head {
    fn default() -> Head {
        Head { direct: [core::ptr::null_mut(); DIRECT], buckets: 0, keys: 0 }
    }
}

/// A place in the order of a scan: the bits of a hash, reversed.
///
/// The scan's promise is: when a call has returned position p, every key that was there all the
/// time and whose reversed hash is below p has been visited. It holds whatever the table does in
/// between, because a bucket with b address bits holds exactly the keys whose reversed hash begins
/// with its reversed number: an interval of 2^(64-b), and the buckets' intervals tile the whole.
/// A call visits all of the bucket whose interval contains p and returns that interval's end. If
/// buckets were split since p was returned, p is still the start of an interval or inside one, and
/// nothing below p is owed. If buckets were merged, the interval that contains p reaches below p,
/// and some keys are visited a second time, but none is skipped.
pub(crate) type Position = u64;

/// Number of address bits of bucket `index` among `buckets`.
#[inline]
fn address_bits(index: usize, buckets: usize) -> u32 {
    let level = buckets.ilog2();
    let deeper = index >= 1 << level || index < buckets - (1 << level);
    level + u32::from(deeper)
}

impl Head {
    #[inline]
    pub(crate) fn keys(&self) -> usize {
        self.keys as usize
    }

    #[inline]
    pub(crate) fn buckets(&self) -> usize {
        self.buckets as usize
    }

    fn segments(&self) -> usize {
        self.buckets().div_ceil(SEGMENT)
    }

    /// Bytes of the segments and the directory.
    pub(crate) fn bytes(&self) -> usize {
        let (segments, pages) = (self.segments(), self.segments().div_ceil(PAGE));
        let directory = match segments {
            0..=DIRECT => 0,
            8..=PAGE => segments * 8,
            _ => pages * (PAGE + 1) * 8,
        };
        match segments {
            0 => 0,
            1 => first_segment_bytes(self.buckets()),
            _ => segments * SEGMENT_BYTES + directory,
        }
    }

    /// The number of the bucket that this hash belongs to; there is at least one.
    #[inline]
    fn index_of(&self, hash: u64) -> usize {
        let n = self.buckets;
        let mask = u32::MAX >> n.leading_zeros();
        let index = hash as u32 & mask;
        (if index < n { index } else { index & (mask >> 1) }) as usize
    }

    /// The address of segment `segment`, which is one of `segments`.
    #[inline]
    fn segment(&self, segment: usize, segments: usize) -> Segment {
        debug_assert!(segment < segments);
        if segments <= DIRECT {
            return self.direct[segment];
        }
        let directory = self.direct[0].cast::<Segment>();
        // SAFETY: with more than DIRECT segments the first address is a directory of that many,
        // with more than PAGE one of pages.
        unsafe {
            if segments <= PAGE {
                directory.add(segment).read()
            } else {
                directory
                    .cast::<*mut Segment>()
                    .add(segment / PAGE)
                    .read()
                    .add(segment % PAGE)
                    .read()
            }
        }
    }

    /// Bucket `index`, which exists.
    #[inline]
    fn bucket_at(&self, index: usize) -> *mut Bucket {
        self.segment(index / SEGMENT, self.segments()).wrapping_add(index % SEGMENT)
    }

    /// The bucket that this hash belongs to; `None` in an empty table. O(1).
    #[inline]
    pub(crate) fn bucket(&self, hash: u64) -> Option<NonNull<Bucket>> {
        if self.buckets == 0 {
            return None;
        }
        NonNull::new(self.bucket_at(self.index_of(hash)))
    }

    /// Bucket `index`, or `None` beyond the last.
    #[inline]
    pub(crate) fn nth_bucket(&self, index: usize) -> Option<NonNull<Bucket>> {
        if index < self.buckets() { NonNull::new(self.bucket_at(index)) } else { None }
    }

    /// The bucket whose interval contains this position, and the interval's end; `None` for the
    /// end is the end of the table.
    pub(crate) fn bucket_after(
        &self,
        position: Position,
    ) -> Option<(NonNull<Bucket>, Option<Position>)> {
        let index = self.index_of_checked(position.reverse_bits())?;
        let bits = address_bits(index, self.buckets());
        let end = match bits {
            0 => None,
            _ => (index as u64).reverse_bits().checked_add(1 << (64 - bits)),
        };
        Some((NonNull::new(self.bucket_at(index))?, end))
    }

    fn index_of_checked(&self, hash: u64) -> Option<usize> {
        (self.buckets > 0).then(|| self.index_of(hash))
    }

    /// Adds a key's cell and grows by a bucket if it is time. O(1) expected; the worst case is a
    /// split of one bucket and a copy of at most a page of the directory.
    #[inline]
    pub(crate) fn push(
        &mut self,
        memory: &mut impl Memory,
        hash: u64,
        cell: u64,
        hasher: KeyHash,
        scratch: &mut Vec<u64>,
    ) {
        if self.buckets == 0 {
            self.add_bucket(memory);
        }
        let bucket = self.bucket_at(self.index_of(hash));
        // SAFETY: buckets of a live table are live, and `&mut self` makes us their only user.
        unsafe { (*bucket).push(memory, cell) };
        assert!(self.keys < u32::MAX, "a slot holds fewer than 2^32 keys");
        self.keys += 1;
        if self.keys() * 4 > self.buckets() * SPLIT_QUARTERS && self.keys() > crate::bucket::CELLS {
            self.split(memory, hasher, scratch);
        }
    }

    /// Takes out cell `index` of a bucket of this table; the table shrinks by [`Head::shrink`].
    ///
    /// # Safety
    /// `bucket` is one of this table's.
    pub(crate) unsafe fn take(
        &mut self,
        memory: &mut impl Memory,
        bucket: NonNull<Bucket>,
        index: usize,
    ) -> u64 {
        self.keys -= 1;
        // SAFETY: the caller's promise.
        unsafe { (*bucket.as_ptr()).take(memory, index) }
    }

    /// Merges one bucket back if there are too many for the keys; to be called once for each key
    /// taken. Frees all memory when there is no key. O(1).
    pub(crate) fn shrink(&mut self, memory: &mut impl Memory, scratch: &mut Vec<u64>) {
        if self.keys == 0 {
            while self.buckets > 0 {
                self.drop_bucket(memory);
            }
        } else if self.buckets > 1
            && self.keys() * 4 + MERGE_SLACK < self.buckets() * MERGE_QUARTERS
        {
            self.merge(memory, scratch);
        }
    }

    /// Adds a bucket and moves to it what belongs there.
    #[inline(never)]
    fn split(&mut self, memory: &mut impl Memory, hasher: KeyHash, scratch: &mut Vec<u64>) {
        let level = self.buckets.ilog2();
        let source = self.buckets() - (1 << level);
        self.add_bucket(memory);
        let (from, to) = (self.bucket_at(source), self.bucket_at(self.buckets() - 1));
        scratch.clear();
        // SAFETY: two different live buckets of this table.
        let (from, to) = unsafe { (&mut *from, &mut *to) };
        scratch.extend_from_slice(from.inline_cells());
        scratch.extend_from_slice(from.linked_cells());
        if level >= TAG_LOW_BITS {
            scratch.iter().for_each(|cell| prefetch(entry_of(*cell).as_ptr()));
        }
        let moves = |cell: u64| {
            if level < TAG_LOW_BITS {
                return tag_bit(cell, level);
            }
            // SAFETY: the cells of a live table lead to live entries.
            unsafe { hash_of(entry_of(cell), hasher) >> level & 1 != 0 }
        };
        let staying = partition(scratch, moves);
        from.refill(memory, &scratch[..staying]);
        to.refill(memory, &scratch[staying..]);
    }

    /// Merges the last bucket into the one it was split from.
    #[inline(never)]
    fn merge(&mut self, memory: &mut impl Memory, scratch: &mut Vec<u64>) {
        let last = self.buckets() - 1;
        let target = last - (1 << last.ilog2());
        let (from, to) = (self.bucket_at(last), self.bucket_at(target));
        scratch.clear();
        // SAFETY: two different live buckets of this table.
        let (from, to) = unsafe { (&mut *from, &mut *to) };
        for bucket in [&*to, &*from] {
            scratch.extend_from_slice(bucket.inline_cells());
            scratch.extend_from_slice(bucket.linked_cells());
        }
        from.refill(memory, &[]);
        to.refill(memory, scratch);
        self.drop_bucket(memory);
    }

    /// Adds an empty bucket at the end, with a new segment where it begins one.
    fn add_bucket(&mut self, memory: &mut impl Memory) {
        let index = self.buckets();
        if index < SEGMENT {
            self.resize_first_segment(memory, index, index + 1);
        } else if index.is_multiple_of(SEGMENT) {
            let segment = memory.alloc(SEGMENT_BYTES).cast::<Bucket>();
            self.add_segment(memory, index / SEGMENT, segment.as_ptr());
        }
        self.buckets += 1;
        // SAFETY: the bucket is within its segment; all zero is an empty bucket.
        unsafe { self.bucket_at(index).write_bytes(0, 1) };
    }

    /// Takes away the last bucket, which is empty, with its segment where it began one.
    fn drop_bucket(&mut self, memory: &mut impl Memory) {
        let index = self.buckets() - 1;
        if index < SEGMENT {
            self.resize_first_segment(memory, index + 1, index);
        } else if index.is_multiple_of(SEGMENT) {
            let segment = self.bucket_at(index);
            self.drop_segment(memory, index / SEGMENT);
            // SAFETY: allocated by `add_bucket` with this size, and no longer in the directory.
            unsafe { memory.free(NonNull::new_unchecked(segment).cast(), SEGMENT_BYTES) };
        }
        self.buckets -= 1;
    }

    /// Makes the first segment right for `new` buckets instead of `old`, both at most a segment's;
    /// the buckets in both are kept.
    fn resize_first_segment(&mut self, memory: &mut impl Memory, old: usize, new: usize) {
        let bytes = |buckets: usize| if buckets == 0 { 0 } else { first_segment_bytes(buckets) };
        let (old_bytes, new_bytes, from) = (bytes(old), bytes(new), self.direct[0]);
        if old_bytes == new_bytes {
            return;
        }
        self.direct[0] = core::ptr::null_mut();
        if new_bytes > 0 {
            self.direct[0] = memory.alloc(new_bytes).cast::<Bucket>().as_ptr();
        }
        // SAFETY: the old segment has `old` buckets and the new one room for `new`. It was allocated
        // with that size, and nobody leads to it any more.
        unsafe {
            if old_bytes > 0 && new_bytes > 0 {
                core::ptr::copy_nonoverlapping(from, self.direct[0], old.min(new));
            }
            if old_bytes > 0 {
                memory.free(NonNull::new_unchecked(from).cast(), old_bytes);
            }
        }
    }

    /// Writes the address of segment `count` behind the `count` that there are.
    fn add_segment(&mut self, memory: &mut impl Memory, count: usize, segment: Segment) {
        if count < DIRECT {
            self.direct[count] = segment;
            return;
        }
        // SAFETY: arrays of addresses have the lengths given here: DIRECT in the header, an exact
        // fit up to PAGE, pages of PAGE with an exact array of pages behind that.
        unsafe {
            if count < PAGE {
                let old = if count == DIRECT {
                    self.direct.as_ptr()
                } else {
                    self.direct[0].cast_const().cast()
                };
                let new = extend(memory, old, count, segment);
                if count > DIRECT {
                    free_array(memory, self.direct[0].cast::<Segment>(), count);
                }
                self.direct[0] = new.cast();
            } else if count == PAGE {
                // The exact directory is full: it becomes the first page.
                let first = self.direct[0].cast::<Segment>();
                let page = memory.alloc(PAGE * 8).cast::<Segment>().as_ptr();
                page.write(segment);
                let pages = memory.alloc(2 * 8).cast::<*mut Segment>().as_ptr();
                pages.write(first);
                pages.add(1).write(page);
                self.direct[0] = pages.cast();
            } else if count.is_multiple_of(PAGE) {
                let page = memory.alloc(PAGE * 8).cast::<Segment>().as_ptr();
                page.write(segment);
                let old = self.direct[0].cast::<*mut Segment>();
                self.direct[0] = extend(memory, old, count / PAGE, page).cast();
                free_array(memory, old, count / PAGE);
            } else {
                let pages = self.direct[0].cast::<*mut Segment>();
                pages.add(count / PAGE).read().add(count % PAGE).write(segment);
            }
        }
    }

    /// Forgets the address of the last segment, number `last`.
    fn drop_segment(&mut self, memory: &mut impl Memory, last: usize) {
        if last < DIRECT {
            self.direct[last] = core::ptr::null_mut();
            return;
        }
        // SAFETY: as in `add_segment`, whose steps these undo.
        unsafe {
            if last < PAGE {
                let old = self.direct[0].cast::<Segment>();
                if last == DIRECT {
                    core::ptr::copy_nonoverlapping(old, self.direct.as_mut_ptr(), DIRECT);
                } else {
                    self.direct[0] = copy_of(memory, old, last).cast();
                }
                free_array(memory, old, last + 1);
            } else if last == PAGE {
                let pages = self.direct[0].cast::<*mut Segment>();
                free_array(memory, pages.add(1).read(), PAGE);
                self.direct[0] = pages.read().cast();
                free_array(memory, pages, 2);
            } else if last.is_multiple_of(PAGE) {
                let (pages, count) = (self.direct[0].cast::<*mut Segment>(), last / PAGE);
                free_array(memory, pages.add(count).read(), PAGE);
                self.direct[0] = copy_of(memory, pages, count).cast();
                free_array(memory, pages, count + 1);
            }
        }
    }

    /// Takes any cell out of the last bucket, dropping empty ones on the way; `None` when the
    /// table is empty and all its memory is free. For tables that nobody looks into any more.
    pub(crate) fn dismantle(&mut self, memory: &mut impl Memory) -> Option<u64> {
        loop {
            let last = self.buckets().checked_sub(1)?;
            // SAFETY: a live bucket of this table.
            let bucket = unsafe { &mut *self.bucket_at(last) };
            if let Some(index) = bucket.len().checked_sub(1) {
                self.keys -= 1;
                return Some(bucket.take(memory, index));
            }
            self.drop_bucket(memory);
        }
    }

    /// Moves the segment of this bucket if its span is being emptied. True if it was moved.
    pub(crate) fn relocate_segment(&mut self, slab: &mut Slab, index: usize) -> bool {
        let (number, count) = (index / SEGMENT, self.segments());
        let old = self.segment(number, count);
        // SAFETY: segments are live objects of this slab that have a class; the new one is as
        // large; the address lies where `segment` has read it.
        unsafe {
            let object = NonNull::new_unchecked(old).cast();
            if !slab.is_leaving(object) {
                return false;
            }
            let bytes =
                if count == 1 { first_segment_bytes(self.buckets()) } else { SEGMENT_BYTES };
            let new = slab.alloc(bytes).cast::<Bucket>().as_ptr();
            core::ptr::copy_nonoverlapping(old, new, bytes / size_of::<Bucket>());
            let directory = self.direct[0].cast::<Segment>();
            match count {
                0..=DIRECT => self.direct[number] = new,
                8..=PAGE => directory.add(number).write(new),
                _ => directory
                    .cast::<*mut Segment>()
                    .add(number / PAGE)
                    .read()
                    .add(number % PAGE)
                    .write(new),
            }
            slab.free(object, bytes);
        }
        true
    }
}

/// The hash of an entry's key.
///
/// # Safety
/// `entry` is live.
unsafe fn hash_of(entry: Entry, hasher: KeyHash) -> u64 {
    // SAFETY: the caller's promise; the key is not kept.
    unsafe { hasher.hash(entry::key(entry, &entry::shape(entry))) }
}

/// Moves the cells for which `moves` holds behind the others, and gives how many the others are.
fn partition(cells: &mut [u64], moves: impl Fn(u64) -> bool) -> usize {
    let mut staying = 0;
    for index in 0..cells.len() {
        if !moves(cells[index]) {
            cells.swap(index, staying);
            staying += 1;
        }
    }
    staying
}

/// A new array: `count` values of `old` and one more.
///
/// # Safety
/// `old` has `count` values.
unsafe fn extend<T>(memory: &mut impl Memory, old: *const T, count: usize, value: T) -> *mut T {
    let new = memory.alloc((count + 1) * 8).cast::<T>().as_ptr();
    // SAFETY: the caller's promise, and the new array is one longer.
    unsafe {
        core::ptr::copy_nonoverlapping(old, new, count);
        new.add(count).write(value);
    }
    new
}

/// A new array of the first `count` values of `old`.
///
/// # Safety
/// `old` has as many.
unsafe fn copy_of<T>(memory: &mut impl Memory, old: *const T, count: usize) -> *mut T {
    let new = memory.alloc(count * 8).cast::<T>().as_ptr();
    // SAFETY: the caller's promise.
    unsafe { core::ptr::copy_nonoverlapping(old, new, count) };
    new
}

/// Frees an array of `count` addresses.
///
/// # Safety
/// It was allocated from this slab with that length, and nobody uses it any more.
unsafe fn free_array<T>(memory: &mut impl Memory, array: *mut T, count: usize) {
    // SAFETY: the caller's promise.
    unsafe { memory.free(NonNull::new_unchecked(array).cast(), count * 8) };
}
