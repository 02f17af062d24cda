//! The bucket: one cache line of eight cells.
//!
//! A cell is a word: 16 bits of the key's hash (the tag), the address of an entry, and three
//! flags in the low bits that its alignment leaves free. So most lookups touch one line of the
//! table and the right entry, and whoever looks for deadlines need not touch entries without.
//!
//! Cells are dense: an empty one ends the bucket. A ninth key turns the last cell into a link to
//! an array of exactly as many cells as are needed, the moved eighth among them; its tag says how
//! many. That is rare enough that an exact fit, rebuilt at each change, beats a second line.
//!
//! The tag's low six bits are the hash's low six bits, the other ten its highest. Tables of up to
//! 64 buckets, which is every table while keys are spread over all slots, so split by tag alone
//! and touch no entry; larger ones have ten bits left that their bucket number does not imply,
//! and meet a wrong tag in fewer than one lookup in a hundred.

use crate::entry::{self, Entry};
use crate::memory::Memory;
use crate::slab::Slab;
use core::ptr::NonNull;

/// Cells of a bucket.
pub(crate) const CELLS: usize = 8;
/// A cell that is followed by a deadline in its entry.
pub(crate) const HAS_DEADLINE: u64 = 1;
/// The last cell, when it leads to more cells.
const LINK: u64 = 2;
/// A cell whose entry is too large for a class of the memory.
pub(crate) const LARGE: u64 = 4;
const TAG_SHIFT: u32 = 48;
const ADDRESS: u64 = (1 << TAG_SHIFT) - 8;
/// Low bits of the hash that the tag holds.
pub(crate) const TAG_LOW_BITS: u32 = 6;

/// A bucket.
#[repr(C, align(64))]
pub(crate) struct Bucket([u64; CELLS]);

/// The tag of a hash, where cells have it.
#[inline]
pub(crate) fn tag_of(hash: u64) -> u64 {
    let low = hash & ((1 << TAG_LOW_BITS) - 1);
    (hash >> 54 << TAG_LOW_BITS | low) << TAG_SHIFT
}

/// The hash bit `bit` of a cell's key, which is one of those that the tag holds.
#[inline]
pub(crate) fn tag_bit(cell: u64, bit: u32) -> bool {
    debug_assert!(bit < TAG_LOW_BITS);
    cell >> (TAG_SHIFT + bit) & 1 != 0
}

/// A cell for this entry. `flags` are [`HAS_DEADLINE`] and [`LARGE`].
#[inline]
pub(crate) fn cell_of(hash: u64, entry: Entry, flags: u64) -> u64 {
    let address = entry.as_ptr().expose_provenance() as u64;
    debug_assert_eq!(address & !ADDRESS, 0, "user addresses have 48 bits on x86-64 and ARM64");
    tag_of(hash) | address | flags
}

/// The cell with another entry and other flags for the same key.
#[inline]
pub(crate) fn with_entry(cell: u64, entry: Entry, flags: u64) -> u64 {
    (cell >> TAG_SHIFT << TAG_SHIFT) | entry.as_ptr().expose_provenance() as u64 | flags
}

/// The entry of a cell that is neither empty nor a link.
#[inline]
pub(crate) fn entry_of(cell: u64) -> Entry {
    let address = (cell & ADDRESS) as usize;
    debug_assert_ne!(address, 0);
    // SAFETY: callers pass cells that hold an entry, whose address is not zero.
    unsafe { NonNull::new_unchecked(core::ptr::with_exposed_provenance_mut(address)) }
}

/// Whether a cell is neither empty nor a link.
#[inline]
fn is_entry(cell: u64) -> bool {
    cell & LINK == 0 && cell != 0
}

fn array_of(link: u64) -> NonNull<u64> {
    entry_of(link).cast()
}

fn array_len(link: u64) -> usize {
    (link >> TAG_SHIFT) as usize
}

impl Bucket {
    #[inline]
    fn last(&self) -> u64 {
        self.0[CELLS - 1]
    }

    #[inline]
    fn link(&self) -> Option<u64> {
        (self.last() & LINK != 0).then_some(self.last())
    }

    /// The cells within the line: all that hold an entry, without a link.
    #[inline]
    pub(crate) fn inline_cells(&self) -> &[u64] {
        if self.link().is_some() {
            return &self.0[..CELLS - 1];
        }
        &self.0[..self.0.iter().position(|cell| *cell == 0).unwrap_or(CELLS)]
    }

    /// The cells behind the link; empty without one.
    #[inline]
    pub(crate) fn linked_cells(&self) -> &[u64] {
        match self.link() {
            // SAFETY: a link leads to an array of that many cells, which the bucket owns.
            Some(link) => unsafe {
                core::slice::from_raw_parts(array_of(link).as_ptr(), array_len(link))
            },
            None => &[],
        }
    }

    /// The cells behind the link, to be changed one by one.
    #[inline]
    fn linked_cells_mut(&mut self) -> &mut [u64] {
        match self.link() {
            // SAFETY: as in `linked_cells`, and `&mut self` makes us the only user.
            Some(link) => unsafe {
                core::slice::from_raw_parts_mut(array_of(link).as_ptr(), array_len(link))
            },
            None => &mut [],
        }
    }

    /// How many keys there are.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.inline_cells().len() + self.linked_cells().len()
    }

    /// Cell `index` of [`Bucket::len`].
    #[inline]
    pub(crate) fn cell(&self, index: usize) -> u64 {
        let inline = if self.link().is_some() { CELLS - 1 } else { CELLS };
        if index < inline { self.0[index] } else { self.linked_cells()[index - inline] }
    }

    /// Cell `index` of [`Bucket::len`], to be changed.
    #[inline]
    pub(crate) fn cell_mut(&mut self, index: usize) -> &mut u64 {
        let inline = if self.link().is_some() { CELLS - 1 } else { CELLS };
        if index < inline {
            &mut self.0[index]
        } else {
            &mut self.linked_cells_mut()[index - inline]
        }
    }

    /// The position of the key's cell. Expected O(1).
    ///
    /// # Safety
    /// Every cell's entry is live.
    #[inline]
    pub(crate) unsafe fn find(&self, hash: u64, key: &[u8]) -> Option<usize> {
        let tag = tag_of(hash);
        let mut matches = self.matches(tag);
        while matches != 0 {
            let index = (matches.trailing_zeros() / 4) as usize;
            let cell = self.0[index];
            // SAFETY: the caller's promise.
            if is_entry(cell) && unsafe { entry::has_key(entry_of(cell), key) } {
                return Some(index);
            }
            matches &= matches - 1;
        }
        self.link()?;
        // SAFETY: the caller's promise.
        unsafe { self.find_linked(tag, key) }
    }

    /// # Safety
    /// Every cell's entry is live, and there is a link.
    #[inline(never)]
    unsafe fn find_linked(&self, tag: u64, key: &[u8]) -> Option<usize> {
        // SAFETY: the caller's promise.
        let is_it = |cell: u64| unsafe { entry::has_key(entry_of(cell), key) };
        let mut cells = self.linked_cells().iter();
        let found = cells.position(|cell| (cell ^ tag) >> TAG_SHIFT == 0 && is_it(*cell));
        found.map(|index| index + CELLS - 1)
    }

    /// The address of the first entry that may be the key's, for prefetching.
    #[inline]
    pub(crate) fn candidate(&self, hash: u64) -> Option<Entry> {
        let tag = tag_of(hash);
        let mut cells = self.0.iter().chain(self.linked_cells());
        let found = cells.find(|cell| (**cell ^ tag) >> TAG_SHIFT == 0 && is_entry(**cell));
        found.map(|cell| entry_of(*cell))
    }

    /// Which cells of the line have this tag: bit 4i+3 for cell i. A link or an empty cell may be
    /// among them.
    #[cfg(target_arch = "x86_64")]
    #[inline]
    fn matches(&self, tag: u64) -> u32 {
        use core::arch::x86_64::*;
        let line = self.0.as_ptr().cast::<__m128i>();
        // SAFETY: every x86-64 has SSE2, and the bucket is four times 16 bytes, aligned to 64.
        unsafe {
            let wanted = _mm_set1_epi16((tag >> TAG_SHIFT) as i16);
            let equal = |pair: usize| _mm_cmpeq_epi16(_mm_load_si128(line.add(pair)), wanted);
            let low = _mm_movemask_epi8(_mm_packs_epi16(equal(0), equal(1)));
            let high = _mm_movemask_epi8(_mm_packs_epi16(equal(2), equal(3)));
            (low as u32 | (high as u32) << 16) & 0x8888_8888
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    #[inline]
    fn matches(&self, tag: u64) -> u32 {
        let bit = |(index, cell): (usize, &u64)| {
            u32::from((cell ^ tag) >> TAG_SHIFT == 0) << (4 * index + 3)
        };
        self.0.iter().enumerate().map(bit).fold(0, |all, bit| all | bit)
    }

    /// Adds a cell. O(1), O(length) behind a link.
    #[inline]
    pub(crate) fn push(&mut self, memory: &mut impl Memory, cell: u64) {
        match self.0.iter().position(|cell| *cell == 0) {
            Some(free) => self.0[free] = cell,
            None => self.push_linked(memory, cell),
        }
    }

    #[inline(never)]
    fn push_linked(&mut self, memory: &mut impl Memory, cell: u64) {
        let moved = self.last();
        let old: &[u64] =
            if moved & LINK == 0 { core::slice::from_ref(&moved) } else { self.linked_cells() };
        let (len, array) = (old.len() + 1, memory.alloc((old.len() + 1) * 8).cast::<u64>());
        // SAFETY: the new array has room for the old cells and one more.
        unsafe {
            core::ptr::copy_nonoverlapping(old.as_ptr(), array.as_ptr(), len - 1);
            array.add(len - 1).write(cell);
        }
        self.free_array(memory);
        self.set_link(array, len);
    }

    /// Takes the cell at `index` out, filling its place with the last one.
    pub(crate) fn take(&mut self, memory: &mut impl Memory, index: usize) -> u64 {
        let last = self.len() - 1;
        let moved = self.cell(last);
        let taken = core::mem::replace(self.cell_mut(index), moved);
        self.pop(memory);
        taken
    }

    /// Drops the last cell.
    fn pop(&mut self, memory: &mut impl Memory) {
        let linked = self.linked_cells();
        match linked.len() {
            0 => {
                let last = self.inline_cells().len() - 1;
                self.0[last] = 0;
            }
            1 | 2 => {
                let kept = linked[0];
                self.free_array(memory);
                self.0[CELLS - 1] = kept;
            }
            len => {
                let array = memory.alloc((len - 1) * 8).cast::<u64>();
                // SAFETY: the new array has room for all cells but the last.
                unsafe { core::ptr::copy_nonoverlapping(linked.as_ptr(), array.as_ptr(), len - 1) };
                self.free_array(memory);
                self.set_link(array, len - 1);
            }
        }
    }

    /// Replaces all cells.
    pub(crate) fn refill(&mut self, memory: &mut impl Memory, cells: &[u64]) {
        self.free_array(memory);
        self.0 = [0; CELLS];
        if cells.len() <= CELLS {
            self.0[..cells.len()].copy_from_slice(cells);
            return;
        }
        let (inline, linked) = cells.split_at(CELLS - 1);
        self.0[..CELLS - 1].copy_from_slice(inline);
        let array = memory.alloc(linked.len() * 8).cast::<u64>();
        // SAFETY: the array was made for these cells.
        unsafe { core::ptr::copy_nonoverlapping(linked.as_ptr(), array.as_ptr(), linked.len()) };
        self.set_link(array, linked.len());
    }

    /// Frees the array behind the link, whose cells the caller has taken care of. The link cell
    /// must be written afterwards.
    fn free_array(&mut self, memory: &mut impl Memory) {
        if let Some(link) = self.link() {
            // SAFETY: the array was allocated with this length and only this bucket knows it.
            unsafe { memory.free(array_of(link).cast(), array_len(link) * 8) };
            self.0[CELLS - 1] = 0;
        }
    }

    /// Moves the array behind the link if its span is being emptied. True if it was moved.
    pub(crate) fn relocate_array(&mut self, slab: &mut Slab) -> bool {
        let Some(link) = self.link() else { return false };
        let bytes = array_len(link) * 8;
        // SAFETY: the array is live, and has a class unless it is that large.
        if bytes > crate::slab::OBJECT_MAX || !unsafe { slab.is_leaving(array_of(link).cast()) } {
            return false;
        }
        let cells = self.linked_cells();
        let array = slab.alloc(bytes).cast::<u64>();
        // SAFETY: the new array is as long as the old one.
        unsafe { core::ptr::copy_nonoverlapping(cells.as_ptr(), array.as_ptr(), cells.len()) };
        let len = cells.len();
        self.free_array(slab);
        self.set_link(array, len);
        true
    }

    fn set_link(&mut self, array: NonNull<u64>, len: usize) {
        assert!(len < 1 << 16, "65536 keys of one bucket: the hash seed has leaked");
        let address = array.as_ptr().expose_provenance() as u64;
        self.0[CELLS - 1] = (len as u64) << TAG_SHIFT | address | LINK;
    }
}
