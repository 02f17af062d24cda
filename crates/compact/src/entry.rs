//! The entry: one key with its value, in one allocation.
//!
//! ```text
//! 0       4      5      6         14     14+k
//! | word  | klen | vlen | deadline | key | value |
//! ```
//!
//! - `word`: 26 bits of the caller's for access times, and 6 flags, two of which are the mark that
//!   the caller gives bytes.
//! - `klen`, `vlen`: one byte each, four when over 255; `vlen` only when the value is bytes.
//! - `deadline`: 8 bytes, only when there is one.
//! - `value`: the bytes, or 8 bytes of an integer or of a pointer to a boxed payload.
//!
//! So a key of 16 bytes with a value of 64 and no deadline takes 86 bytes and fits the class of
//! 88. Nothing is aligned beyond the first word; unaligned loads are free on the machines we serve.
//!
//! All functions here are unsafe in the same way: the pointer must be a live entry made by
//! [`build`] with this slab and payload type. The tables keep that.

use crate::memory::Memory;
use crate::slab::taken;
use core::ptr::NonNull;

/// The start of an entry.
pub(crate) type Entry = NonNull<u8>;

pub(crate) const FORM: u32 = 0b11;
/// Bytes are form 0 or 1: the low bit of the caller's mark.
const MARK_LOW: u32 = 1;
pub(crate) const INT: u32 = 2;
pub(crate) const BOXED: u32 = 3;
/// Set in the forms without a value length.
const FIXED: u32 = 0b10;
pub(crate) const DEADLINE: u32 = 1 << 2;
const WIDE_KEY: u32 = 1 << 3;
const WIDE_VALUE: u32 = 1 << 4;
/// The high bit of the caller's mark; never set in the forms that are not bytes.
const MARK_HIGH: u32 = 1 << 5;
const MARK: u32 = MARK_LOW | MARK_HIGH;
const ACCESS_SHIFT: u32 = 6;
/// Bits of the access word that are the caller's.
pub const ACCESS_BITS: u32 = 32 - ACCESS_SHIFT;

/// The longest key or value that an entry can hold within itself.
pub const INLINE_MAX: usize = u32::MAX as usize;

/// A value as it will be written into an entry; a box is passed as its address.
#[derive(Clone, Copy)]
pub(crate) enum Content<'a> {
    Bytes {
        bytes: &'a [u8],
        mark: u8,
    },
    /// Bytes of this length, to be written by the caller at once.
    Room {
        len: usize,
        mark: u8,
    },
    Int(i64),
    Boxed(u64),
}

impl Content<'_> {
    fn form(&self) -> u32 {
        match self {
            Content::Bytes { mark, .. } | Content::Room { mark, .. } => mark_flags(*mark),
            Content::Int(_) => INT,
            Content::Boxed(_) => BOXED,
        }
    }

    fn len(&self) -> usize {
        match self {
            Content::Bytes { bytes, .. } => bytes.len(),
            Content::Room { len, .. } => *len,
            Content::Int(_) | Content::Boxed(_) => 8,
        }
    }
}

/// The flags of a mark, which has two bits.
#[inline]
fn mark_flags(mark: u8) -> u32 {
    debug_assert!(mark < 4, "marks have two bits");
    u32::from(mark & 1) | u32::from(mark & 2) << 4
}

/// The mark that an entry's bytes have by these flags.
#[inline]
pub(crate) fn mark_of(flags: u32) -> u8 {
    let mark = flags & MARK;
    (mark & 1 | mark >> 4) as u8
}

/// Where the parts of an entry lie.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) flags: u32,
    pub(crate) key_at: usize,
    pub(crate) key_len: usize,
    pub(crate) value_len: usize,
}

impl Shape {
    fn new(key_len: usize, content: &Content<'_>, deadline: bool) -> Shape {
        assert!(
            key_len <= INLINE_MAX && content.len() <= INLINE_MAX,
            "lengths are bounded by the protocol"
        );
        let mut flags = content.form();
        if deadline {
            flags |= DEADLINE;
        }
        if key_len > 255 {
            flags |= WIDE_KEY;
        }
        if flags & FIXED == 0 && content.len() > 255 {
            flags |= WIDE_VALUE;
        }
        Shape { flags, key_at: header_len(flags), key_len, value_len: content.len() }
    }

    #[inline]
    pub(crate) fn value_at(&self) -> usize {
        self.key_at + self.key_len
    }

    #[inline]
    pub(crate) fn total(&self) -> usize {
        self.value_at() + self.value_len
    }

    /// Where the deadline lies, if there is one: right before the key.
    #[inline]
    fn deadline_at(&self) -> usize {
        self.key_at - 8
    }
}

/// Bytes before the key.
#[inline]
fn header_len(flags: u32) -> usize {
    let key = if flags & WIDE_KEY == 0 { 1 } else { 4 };
    let value = match flags & (FIXED | WIDE_VALUE) {
        0 => 1,
        WIDE_VALUE => 4,
        _ => 0,
    };
    4 + key + value + if flags & DEADLINE == 0 { 0 } else { 8 }
}

/// The first word: flags and access bits.
///
/// # Safety
/// `entry` is live.
#[inline]
unsafe fn word(entry: Entry) -> u32 {
    // SAFETY: an entry begins with its word, aligned to 8 by the memory.
    unsafe { entry.cast::<u32>().read() }
}

/// # Safety
/// `entry` is live.
#[inline]
pub(crate) unsafe fn access(entry: Entry) -> u32 {
    // SAFETY: the caller's promise.
    unsafe { word(entry) >> ACCESS_SHIFT }
}

/// Writes the caller's bits; the line stays clean when they are the same already.
///
/// # Safety
/// `entry` is live and not borrowed.
#[inline]
pub(crate) unsafe fn set_access(entry: Entry, access: u32) {
    // SAFETY: the caller's promise.
    unsafe {
        let old = word(entry);
        let new = (old & ((1 << ACCESS_SHIFT) - 1)) | access << ACCESS_SHIFT;
        if old != new {
            entry.cast::<u32>().write(new);
        }
    }
}

/// # Safety
/// `entry` is live.
#[inline]
pub(crate) unsafe fn shape(entry: Entry) -> Shape {
    // SAFETY: the layout on top of this file, which `build` keeps.
    unsafe {
        let flags = word(entry);
        if flags & (WIDE_KEY | WIDE_VALUE) == 0 {
            let fixed = (flags & FIXED) != 0;
            let key_at = if fixed { 5 } else { 6 } + ((flags & DEADLINE) << 1) as usize;
            let value_len = if fixed { 8 } else { usize::from(entry.add(5).read()) };
            return Shape { flags, key_at, key_len: usize::from(entry.add(4).read()), value_len };
        }
        wide_shape(entry, flags)
    }
}

/// # Safety
/// `entry` is live, with these flags, one of which says wide.
#[cold]
unsafe fn wide_shape(entry: Entry, flags: u32) -> Shape {
    let mut at = 4;
    let mut length = |wide: bool| {
        // SAFETY: lengths follow the word in the widths that the flags say.
        let length = unsafe {
            if wide {
                entry.add(at).cast::<u32>().read_unaligned()
            } else {
                u32::from(entry.add(at).read())
            }
        };
        at += if wide { 4 } else { 1 };
        length as usize
    };
    let key_len = length(flags & WIDE_KEY != 0);
    let value_len = if flags & FIXED == 0 { length(flags & WIDE_VALUE != 0) } else { 8 };
    Shape { flags, key_at: header_len(flags), key_len, value_len }
}

/// The key's bytes.
///
/// # Safety
/// `entry` is live and stays so, unchanged, for the lifetime the caller picks.
#[inline]
pub(crate) unsafe fn key<'a>(entry: Entry, shape: &Shape) -> &'a [u8] {
    // SAFETY: the key lies at `key_at`, and was written whole by `build`.
    unsafe { core::slice::from_raw_parts(entry.as_ptr().add(shape.key_at), shape.key_len) }
}

/// Whether the entry has this key.
///
/// # Safety
/// `entry` is live.
#[inline]
pub(crate) unsafe fn has_key(entry: Entry, wanted: &[u8]) -> bool {
    // SAFETY: the caller's promise.
    unsafe {
        let flags = word(entry);
        if flags & (WIDE_KEY | WIDE_VALUE) == 0 {
            let key_at = 6 - ((flags & FIXED) >> 1) as usize + ((flags & DEADLINE) << 1) as usize;
            return usize::from(entry.add(4).read()) == wanted.len()
                && same(entry.as_ptr().add(key_at), wanted.as_ptr(), wanted.len());
        }
        key(entry, &wide_shape(entry, flags)) == wanted
    }
}

/// Whether two pieces of memory are the same. Keys of 8 to 32 bytes, which most are, are compared
/// by words, of which the outer two may overlap: cheaper than a call of `memcmp`.
///
/// # Safety
/// Both have `len` bytes.
#[inline]
unsafe fn same(a: *const u8, b: *const u8, len: usize) -> bool {
    // SAFETY: every word lies within `len` bytes, as the ranges say.
    unsafe {
        let differ = |at: usize| {
            a.add(at).cast::<u64>().read_unaligned() ^ b.add(at).cast::<u64>().read_unaligned()
        };
        match len {
            8..=16 => differ(0) | differ(len - 8) == 0,
            17..=32 => differ(0) | differ(8) | differ(len - 16) | differ(len - 8) == 0,
            _ => core::slice::from_raw_parts(a, len) == core::slice::from_raw_parts(b, len),
        }
    }
}

/// The deadline, if there is one.
///
/// # Safety
/// `entry` is live, of this shape.
#[inline]
pub(crate) unsafe fn deadline(entry: Entry, shape: &Shape) -> Option<i64> {
    if shape.flags & DEADLINE == 0 {
        return None;
    }
    // SAFETY: the flag says that the 8 bytes before the key are one.
    Some(unsafe { entry.add(shape.deadline_at()).cast::<i64>().read_unaligned() })
}

/// Writes a deadline over the one there is.
///
/// # Safety
/// `entry` is live, of this shape, which has a deadline, and not borrowed.
pub(crate) unsafe fn write_deadline(entry: Entry, shape: &Shape, deadline: i64) {
    debug_assert_ne!(shape.flags & DEADLINE, 0);
    // SAFETY: the flag says that the 8 bytes before the key are the deadline's.
    unsafe { entry.add(shape.deadline_at()).cast::<i64>().write_unaligned(deadline) };
}

/// The value's bytes, or the 8 bytes that stand for it.
///
/// # Safety
/// `entry` is live, of this shape.
#[inline]
pub(crate) unsafe fn value_ptr(entry: Entry, shape: &Shape) -> NonNull<u8> {
    // SAFETY: within the allocation.
    unsafe { entry.add(shape.value_at()) }
}

/// The value's 8 bytes, for an integer or the address of a box.
///
/// # Safety
/// `entry` is live, of this shape, which is INT or BOXED.
#[inline]
pub(crate) unsafe fn fixed(entry: Entry, shape: &Shape) -> u64 {
    // SAFETY: these forms have 8 bytes there.
    unsafe { value_ptr(entry, shape).cast::<u64>().read_unaligned() }
}

/// A new entry.
pub(crate) fn build(
    memory: &mut impl Memory,
    key: &[u8],
    content: Content<'_>,
    deadline: Option<i64>,
    access: u32,
) -> (Entry, Shape) {
    let shape = Shape::new(key.len(), &content, deadline.is_some());
    let entry = memory.alloc(shape.total());
    // SAFETY: the allocation has `total` bytes, and the parts lie within them side by side as
    // `Shape` and `header_len` say. It is new, so it overlaps no source.
    unsafe {
        entry.cast::<u32>().write(shape.flags | access << ACCESS_SHIFT);
        write_lengths(entry, &shape);
        if let Some(deadline) = deadline {
            entry.add(shape.deadline_at()).cast::<i64>().write_unaligned(deadline);
        }
        let to = entry.add(shape.key_at);
        core::ptr::copy_nonoverlapping(key.as_ptr(), to.as_ptr(), key.len());
        write_value(entry, &shape, content);
    }
    (entry, shape)
}

/// # Safety
/// `entry` has room for this shape.
#[inline]
unsafe fn write_lengths(entry: Entry, shape: &Shape) {
    let mut at = 4;
    let mut length = |wide: bool, length: usize| {
        // SAFETY: the caller's promise; the header has these widths.
        unsafe {
            if wide {
                entry.add(at).cast::<u32>().write_unaligned(length as u32);
            } else {
                entry.add(at).write(length as u8);
            }
        }
        at += if wide { 4 } else { 1 };
    };
    length(shape.flags & WIDE_KEY != 0, shape.key_len);
    if shape.flags & FIXED == 0 {
        length(shape.flags & WIDE_VALUE != 0, shape.value_len);
    }
}

/// # Safety
/// `entry` has room for this shape, and `content` is what the shape was made for and lies elsewhere.
#[inline]
unsafe fn write_value(entry: Entry, shape: &Shape, content: Content<'_>) {
    // SAFETY: the caller's promise.
    unsafe {
        let to = value_ptr(entry, shape);
        match content {
            Content::Bytes { bytes, .. } => {
                core::ptr::copy_nonoverlapping(bytes.as_ptr(), to.as_ptr(), bytes.len());
            }
            Content::Room { .. } => {}
            Content::Int(number) => to.cast::<i64>().write_unaligned(number),
            Content::Boxed(address) => to.cast::<u64>().write_unaligned(address),
        }
    }
}

/// The commonest [`overwrite`]: short bytes over short bytes, with a deadline before and after or
/// neither. Flags that a cell shows stay as they are. False if it is another case.
///
/// # Safety
/// As for [`overwrite`].
#[inline]
pub(crate) unsafe fn overwrite_short(
    entry: Entry,
    old: &Shape,
    bytes: &[u8],
    mark: u8,
    deadline: Option<i64>,
) -> bool {
    let len = bytes.len();
    let narrow = old.flags & (FIXED | WIDE_KEY | WIDE_VALUE) == 0 && len <= 255;
    let class = |value_len: usize| (old.value_at() + value_len).div_ceil(8);
    if !narrow
        || deadline.is_some() != (old.flags & DEADLINE != 0)
        || class(len) != class(old.value_len)
    {
        return false;
    }
    // SAFETY: the caller's promise. Narrow lengths keep the entry under 1 KiB, where classes are 8
    // bytes apart, so the object has room.
    unsafe {
        entry.cast::<u32>().write(word(entry) & !(FORM | MARK_HIGH) | mark_flags(mark));
        entry.add(5).write(len as u8);
        if let Some(deadline) = deadline {
            write_deadline(entry, old, deadline);
        }
        core::ptr::copy_nonoverlapping(bytes.as_ptr(), value_ptr(entry, old).as_ptr(), len);
    }
    true
}

/// Overwrites value, deadline and access bits where they lie, if the new ones take an object of
/// the same class and the key stays where it is. Does not drop a box that the entry held.
///
/// # Safety
/// `entry` is live, of this shape, not borrowed; `content` lies elsewhere.
pub(crate) unsafe fn overwrite(
    entry: Entry,
    old: &Shape,
    content: Content<'_>,
    deadline: Option<i64>,
    access: u32,
) -> bool {
    let new = Shape::new(old.key_len, &content, deadline.is_some());
    if new.key_at != old.key_at || taken(new.total()) != taken(old.total()) {
        return false;
    }
    // SAFETY: the object is of the class of the new shape too, and the key need not move.
    unsafe {
        entry.cast::<u32>().write(new.flags | access << ACCESS_SHIFT);
        write_lengths(entry, &new);
        if let Some(deadline) = deadline {
            entry.add(new.deadline_at()).cast::<i64>().write_unaligned(deadline);
        }
        write_value(entry, &new, content);
    }
    true
}

/// Frees the entry's memory. A box that it holds is not dropped.
///
/// # Safety
/// `entry` is live, of this shape and this memory, and nobody uses it any more.
pub(crate) unsafe fn free(memory: &mut impl Memory, entry: Entry, shape: &Shape) {
    // SAFETY: allocated with `total` bytes, or overwritten with as many of the same class.
    unsafe { memory.free(entry, shape.total()) };
}
