//! One node of a stream: entries with IDs that follow each other, packed.
//!
//! ```text
//! | names of the fields of the first entry | entry | entry | ...
//!
//! names:   count, then each name
//! entry:   head, milliseconds, sequence, [count and names with] values, length of all that
//!          head: 1 dead · 2 fields of its own · 4 a sequence follows · 4 bits of milliseconds · 1 more follow
//! ```
//!
//! Milliseconds are counted from those of the node's first ID; so is the sequence while they are the same. An
//! entry with the names of the first one stores its values alone. Elements are those of `compact::packed` without the
//! length behind them; the length behind an entry is what one walks back by.
//!
//! Where a node ends is seen by clients: approximate trimming drops whole nodes. Redis bounds a node by the bytes
//! that it takes there, so each node counts what its listpack would have, though it takes less itself.

use super::StreamId;
use crate::packed::{encoded, item_of, text_of};
use crate::{Shapes, Str};
use compact::packed::{self, Encoded, Item};
use compact::round_large;

const DEAD: u8 = 1;
const OWN_FIELDS: u8 = 2;
const SEQUENCE: u8 = 4;
/// Where the milliseconds begin in the head.
const MS_SHIFT: u32 = 3;
/// Bits of milliseconds in the head.
const MS_BITS: u32 = 4;
const MORE_MS: u8 = 128;

/// Bytes below which a node that grows doubles.
const SMALL: usize = 512;

/// Bytes of a listpack's header and end.
const FRAME: usize = 7;
/// The largest node, and entry, whatever the configuration allows.
pub(super) const BYTES_MAX: usize = 1 << 30;

/// Packed entries.
#[derive(Clone, Debug)]
pub(super) struct Node {
    bytes: Vec<u8>,
    /// Entries that are there.
    pub(super) live: u32,
    /// Entries that were deleted and still take their place.
    pub(super) dead: u32,
    /// Bytes of the listpack that Redis would have, the two counts left out.
    listpack: u32,
}

/// The words of a new entry: names and values by turns.
pub trait Words<'v>: Fn(usize) -> &'v [u8] + Copy {}
impl<'v, F: Fn(usize) -> &'v [u8] + Copy> Words<'v> for F {}

/// An entry of a stream.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Its ID.
    pub id: StreamId,
    count: usize,
    /// The names of the node, unless the entry has its own between its values.
    names: Option<&'a [u8]>,
    body: &'a [u8],
}

impl<'a> Entry<'a> {
    /// How many fields it has.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether it repeats no names of its node, but has its own.
    pub fn has_own_names(&self) -> bool {
        self.names.is_none()
    }

    /// Never: an entry has fields.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Visits names and values in their order.
    #[inline]
    pub fn each(&self, mut visit: impl FnMut(Str<'a>, Str<'a>)) {
        let (mut name_at, mut at) = (0, 0);
        for _ in 0..self.count {
            let name = match self.names {
                Some(names) => take(names, &mut name_at),
                None => take(self.body, &mut at),
            };
            visit(name, take(self.body, &mut at));
        }
    }
}

#[inline]
fn take<'a>(bytes: &'a [u8], at: &mut usize) -> Str<'a> {
    let (item, behind) = packed::bare(bytes, *at);
    *at = behind;
    text_of(item)
}

fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number > 127 {
        out.push(number as u8 | 128);
        number >>= 7;
    }
    out.push(number as u8);
}

#[inline]
fn number(bytes: &[u8], at: &mut usize) -> u64 {
    let (mut number, mut shift) = (0, 0);
    loop {
        let byte = bytes[*at];
        *at += 1;
        number |= u64::from(byte & 127) << shift;
        if byte < 128 {
            return number;
        }
        shift += 7;
    }
}

/// Writes a length so that it is read from its end.
fn put_length(out: &mut Vec<u8>, length: usize) {
    let start = out.len();
    put_number(out, length as u64);
    // What is written last is read first, and says whether more is to be read.
    out[start..].reverse();
}

/// The length that ends before `end`, and where it begins.
#[inline]
fn length(bytes: &[u8], end: usize) -> (usize, usize) {
    let (mut length, mut shift, mut at) = (0, 0, end);
    loop {
        at -= 1;
        length |= usize::from(bytes[at] & 127) << shift;
        if bytes[at] < 128 {
            return (length, at);
        }
        shift += 7;
    }
}

fn put_item(out: &mut Vec<u8>, text: &[u8]) {
    encoded(text).bare().iter().for_each(|part| out.extend_from_slice(part));
}

/// Bytes of an integer in a listpack.
fn int_bytes(number: u64) -> usize {
    listpack_bytes(&Encoded::new(Item::Int(number as i64)))
}

/// Bytes of an element in a listpack, by which nodes are bounded in Redis. There integers have no form of six bytes, as
/// ours have, and a length behind an element takes a byte more from one below the greatest that would fit.
fn listpack_bytes(element: &Encoded<'_>) -> usize {
    let content = element.content() + if element.is_six_bytes() { 2 } else { 0 };
    let length = match content {
        0..0x80 => 1,
        0x80..0x3fff => 2,
        0x3fff..0x1f_ffff => 3,
        0x1f_ffff..0xfff_ffff => 4,
        _ => 5,
    };
    content + length
}

/// A node that is read: its first ID and what all its entries share.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    first: StreamId,
    /// Fields of the first entry.
    count: usize,
    /// Where their names begin and end; the first entry begins there.
    names_at: usize,
    start: usize,
}

/// An entry where it lies.
pub(super) struct Placed<'a> {
    pub(super) entry: Entry<'a>,
    pub(super) is_dead: bool,
    pub(super) at: usize,
    behind: usize,
}

impl<'a> Reader<'a> {
    /// The ID, the flags and the end of the head at `at`.
    #[inline]
    fn head(&self, at: usize) -> (StreamId, u8, usize) {
        let flags = self.bytes[at];
        let mut behind = at + 1;
        let mut ms = u64::from(flags >> MS_SHIFT) & ((1 << MS_BITS) - 1);
        if flags & MORE_MS != 0 {
            ms |= number(self.bytes, &mut behind) << MS_BITS;
        }
        let mut seq = if flags & SEQUENCE != 0 { number(self.bytes, &mut behind) } else { 0 };
        if ms == 0 {
            seq += self.first.seq;
        }
        (StreamId { ms: self.first.ms + ms, seq }, flags, behind)
    }

    /// The entry at `at`; `None` at the end.
    #[inline]
    fn placed(&self, at: usize) -> Option<Placed<'a>> {
        if at == self.bytes.len() {
            return None;
        }
        let (id, flags, mut body) = self.head(at);
        let own = flags & OWN_FIELDS != 0;
        let count = if own { number(self.bytes, &mut body) as usize } else { self.count };
        let mut end = body;
        for _ in 0..if own { 2 * count } else { count } {
            end = packed::bare(self.bytes, end).1;
        }
        let names = (!own).then(|| &self.bytes[self.names_at..self.start]);
        let entry = Entry { id, count, names, body: &self.bytes[body..end] };
        let behind = end + length_bytes(end - at);
        Some(Placed { entry, is_dead: flags & DEAD != 0, at, behind })
    }

    /// The names that the first entry had, and how many.
    pub(super) fn names(self) -> (usize, impl Iterator<Item = Str<'a>>) {
        let mut at = self.names_at;
        (self.count, (0..self.count).map(move |_| take(self.bytes, &mut at)))
    }

    /// All entries, the deleted ones too.
    #[inline]
    pub(super) fn all(self) -> impl Iterator<Item = Placed<'a>> {
        let mut at = self.start;
        std::iter::from_fn(move || {
            let placed = self.placed(at)?;
            at = placed.behind;
            Some(placed)
        })
    }

    /// The same, the last first.
    pub(super) fn all_back(self) -> impl Iterator<Item = Placed<'a>> {
        let mut end = self.bytes.len();
        std::iter::from_fn(move || {
            if end == self.start {
                return None;
            }
            let (length, at) = length(self.bytes, end);
            end = at - length;
            self.placed(end)
        })
    }
}

/// Bytes of a length.
#[inline]
fn length_bytes(length: usize) -> usize {
    match length {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        0x20_0000..0x1000_0000 => 4,
        _ => 5,
    }
}

impl Node {
    /// A node without entries, with the names that its first one will have. `count` is of the words.
    pub(super) fn new<'v>(words: impl Words<'v>, count: usize) -> Node {
        let fields = count / 2;
        let mut bytes = Vec::new();
        put_number(&mut bytes, fields as u64);
        let mut listpack = FRAME + int_bytes(fields as u64) + int_bytes(0);
        for field in 0..fields {
            let name = words(2 * field);
            put_item(&mut bytes, name);
            listpack += listpack_bytes(&encoded(name));
        }
        Node { bytes, live: 0, dead: 0, listpack: listpack as u32 }
    }

    /// Bytes that it owns.
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Whether an entry with so many bytes of text must go to the next node.
    pub(super) fn is_full(&self, text: usize, shapes: &Shapes) -> bool {
        let counts = int_bytes(u64::from(self.live)) + int_bytes(u64::from(self.dead));
        let most = match shapes.stream_bytes {
            0 => BYTES_MAX,
            bytes => bytes.min(BYTES_MAX),
        };
        let entries = shapes.stream_entries;
        self.listpack as usize + counts + text >= most
            || (entries > 0 && (self.live + self.dead) as usize >= entries)
    }

    /// Whether it has no entries, not even deleted ones.
    pub(super) fn is_bare(&self) -> bool {
        self.live == 0 && self.dead == 0
    }

    #[inline]
    pub(super) fn read(&self, first: StreamId) -> Reader<'_> {
        let mut names_at = 0;
        let count = number(&self.bytes, &mut names_at) as usize;
        let mut start = names_at;
        for _ in 0..count {
            start = packed::bare(&self.bytes, start).1;
        }
        Reader { bytes: &self.bytes, first, count, names_at, start }
    }

    /// The ID of the last entry, though it may be deleted.
    pub(super) fn last_id(&self, first: StreamId) -> StreamId {
        let (length, at) = length(&self.bytes, self.bytes.len());
        // Only the head is looked at, for which the names do not matter.
        let reader = Reader { bytes: &self.bytes, first, count: 0, names_at: 0, start: 0 };
        reader.head(at - length).0
    }

    /// Whether these words have the names of the first entry.
    fn has_names<'v>(&self, words: impl Words<'v>, count: usize) -> bool {
        let mut at = 0;
        if number(&self.bytes, &mut at) as usize != count / 2 {
            return false;
        }
        (0..count / 2).all(|field| {
            let (item, behind) = packed::bare(&self.bytes, at);
            at = behind;
            item == item_of(words(2 * field))
        })
    }

    /// Puts an entry at the end.
    pub(super) fn push<'v>(
        &mut self,
        first: StreamId,
        id: StreamId,
        words: impl Words<'v>,
        count: usize,
        room: usize,
    ) {
        let same = self.has_names(words, count);
        let text: usize = (0..count).map(|word| words(word).len()).sum();
        self.reserve(text + 32, room);
        let start = self.bytes.len();
        let (ms, seq) = (id.ms - first.ms, id.seq);
        let seq = if ms == 0 { seq - first.seq } else { seq };
        let mut head = ((ms & ((1 << MS_BITS) - 1)) as u8) << MS_SHIFT;
        head |= if same { 0 } else { OWN_FIELDS };
        head |= if seq == 0 { 0 } else { SEQUENCE };
        head |= if ms >> MS_BITS == 0 { 0 } else { MORE_MS };
        self.bytes.push(head);
        if head & MORE_MS != 0 {
            put_number(&mut self.bytes, ms >> MS_BITS);
        }
        if head & SEQUENCE != 0 {
            put_number(&mut self.bytes, seq);
        }
        let mut listpack = int_bytes(0) + int_bytes(ms) + int_bytes(id.seq.wrapping_sub(first.seq));
        let elements = if same {
            count / 2 + 3
        } else {
            put_number(&mut self.bytes, (count / 2) as u64);
            listpack += int_bytes((count / 2) as u64);
            count + 4
        };
        for word in (0..count).filter(|word| !same || word % 2 == 1) {
            let encoded = encoded(words(word));
            encoded.bare().iter().for_each(|part| self.bytes.extend_from_slice(part));
            listpack += listpack_bytes(&encoded);
        }
        let length = self.bytes.len() - start;
        put_length(&mut self.bytes, length);
        self.listpack += (listpack + int_bytes(elements as u64)) as u32;
        self.live += 1;
    }

    /// Makes room for so many bytes more: doubles what is small, adds a quarter to what is not, but not beyond `most`
    /// unless that is needed.
    fn reserve(&mut self, more: usize, most: usize) {
        let new = self.bytes.len() + more;
        if new > self.bytes.capacity() {
            let spare = if new < SMALL { new } else { new / 4 };
            let room = round_large((new + spare).min(most).max(new));
            self.bytes.reserve_exact(room - self.bytes.len());
        }
    }

    /// Gives back what is not used: nothing will be added any more. Copies, since allocators do not shrink in place
    /// what is more than half used.
    pub(super) fn close(&mut self) {
        let room = round_large(self.bytes.len());
        if room < self.bytes.capacity() {
            let mut bytes = Vec::with_capacity(room);
            bytes.extend_from_slice(&self.bytes);
            self.bytes = bytes;
        }
    }

    /// Marks entries as deleted, from the first on, as `judge` says; gives how many.
    pub(super) fn sift(
        &mut self,
        first: StreamId,
        mut judge: impl FnMut(StreamId) -> Verdict,
    ) -> u32 {
        let mut taken = Vec::new();
        for placed in self.read(first).all().filter(|placed| !placed.is_dead) {
            match judge(placed.entry.id) {
                Verdict::Take => taken.push(placed.at),
                Verdict::Keep => {}
                Verdict::Stop => break,
            }
        }
        let count = taken.len() as u32;
        taken.into_iter().for_each(|at| self.bytes[at] |= DEAD);
        self.live -= count;
        self.dead += count;
        count
    }

    /// Forgets the entries at the end that were deleted and have greater IDs than this one. What they took stays
    /// counted where nodes are bounded, as they stay there in Redis. O(entries that go).
    pub(super) fn cut_behind(&mut self, first: StreamId, id: StreamId) {
        // Heads are enough: the names, of which there may be many, are not walked.
        let reader = Reader { bytes: &self.bytes, first, count: 0, names_at: 0, start: 0 };
        let (mut end, mut left) = (self.bytes.len(), self.dead);
        while left > 0 {
            let (length, at) = length(&self.bytes, end);
            let (last, flags, _) = reader.head(at - length);
            if flags & DEAD == 0 || last <= id {
                break;
            }
            end = at - length;
            left -= 1;
        }
        self.bytes.truncate(end);
        self.dead = left;
    }

    /// Marks the last entry as deleted.
    pub(super) fn delete_last(&mut self) {
        let (length, at) = length(&self.bytes, self.bytes.len());
        self.bytes[at - length] |= DEAD;
        self.live -= 1;
        self.dead += 1;
    }

    /// Marks one entry as deleted; false if it is not there.
    pub(super) fn delete(&mut self, first: StreamId, id: StreamId) -> bool {
        let found = self.read(first).all().find(|placed| placed.entry.id >= id);
        let Some(placed) = found.filter(|placed| placed.entry.id == id && !placed.is_dead) else {
            return false;
        };
        let at = placed.at;
        self.bytes[at] |= DEAD;
        self.live -= 1;
        self.dead += 1;
        true
    }
}

/// What becomes of an entry that is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is deleted.
    Take,
    /// It stays.
    Keep,
    /// It stays, and so do all behind it.
    Stop,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_from_their_end() {
        for wanted in [0, 1, 127, 128, 129, 16_383, 16_384, 2_097_151, 2_097_152, 268_435_456] {
            let mut bytes = vec![9, 9];
            put_length(&mut bytes, wanted);
            assert_eq!(length(&bytes, bytes.len()), (wanted, 2), "{wanted}");
            assert_eq!(bytes.len() - 2, length_bytes(wanted), "{wanted}");
        }
    }

    #[test]
    fn an_entry_with_the_names_of_the_first_one_takes_its_values_and_two_bytes() {
        let first = StreamId { ms: 1_700_000_000_000, seq: 0 };
        let words = |at: usize| [&b"name"[..], b"value", b"other", b"17"][at];
        let mut node = Node::new(words, 4);
        node.push(first, first, words, 4, 4096);
        let before = node.bytes.len();
        node.push(first, StreamId { ms: first.ms + 9, seq: 0 }, words, 4, 4096);
        assert_eq!(node.bytes.len() - before, 1 + 6 + 1 + 1);
    }
}
