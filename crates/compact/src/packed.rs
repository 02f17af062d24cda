//! Packed lists: elements one behind the other in one run of bytes.
//!
//! An element is its content and, behind it, its length once more, so that one can walk from both ends. The content
//! begins with a byte that says what it is. The encoding is that of the published listpack format
//! (<https://github.com/antirez/listpack/blob/master/listpack.md>), without that format's header and end mark,
//! and with three more kinds:
//!
//! ```text
//! 0xxxxxxx                  0 to 127              11110001 + 2 bytes   16-bit integer
//! 10xxxxxx + bytes          up to 63 bytes        11110010 + 3 bytes   24-bit integer
//! 110xxxxx xxxxxxxx         13-bit integer        11110011 + 4 bytes   32-bit integer
//! 1110xxxx xxxxxxxx + bytes up to 4095 bytes      11110100 + 8 bytes   64-bit integer
//! 11110000 + 4 bytes + bytes                      11110101 + 8 bytes   a double (ours)
//! 11110110 + 6 bytes   48-bit integer (ours)      11110111 + 4 bytes   a double that is a float (ours)
//! ```
//!
//! Each element has one encoding, the shortest, so elements are equal where their bytes are. Two elements that are never
//! looked at one without the other, a member and its score, can share the length at the end: see [`Encoded::pair`].
//!
//! Positions are offsets from the first element. A position that a function here gave for some bytes is
//! good for these bytes until they are changed; what is wrong with hand-made bytes is found by
//! [`is_sound`], and everything else panics on it rather than reads beyond it.

use core::ops::Range;

/// An element.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Item<'a> {
    /// Bytes.
    Bytes(&'a [u8]),
    /// An integer.
    Int(i64),
    /// A double.
    Double(f64),
}

/// Bytes that can be changed in one way: some are taken out and others put in their place.
pub trait Splice {
    /// The bytes.
    fn bytes(&self) -> &[u8];

    /// Replaces `remove` bytes at `at` by `insert`, part after part. O(bytes behind `at`).
    fn exchange(&mut self, at: usize, remove: usize, insert: &[&[u8]]);
}

impl Splice for Vec<u8> {
    fn bytes(&self) -> &[u8] {
        self
    }

    /// Grows by an eighth at the least, to a size that an allocator has.
    fn exchange(&mut self, at: usize, remove: usize, insert: &[&[u8]]) {
        let (old, more) = (self.len(), insert.iter().map(|part| part.len()).sum::<usize>());
        let new = old - remove + more;
        if new > self.capacity() {
            let room = crate::round_large(new.max(old + old / 8));
            self.reserve_exact(room - old);
        }
        if new > old {
            self.resize(new, 0);
        }
        if more != remove {
            self.copy_within(at + remove..old, at + more);
        }
        self.truncate(new);
        let mut to = at;
        for part in insert {
            self[to..to + part.len()].copy_from_slice(part);
            to += part.len();
        }
    }
}

/// Bytes of the longest head of an element's content, a whole integer included.
const HEAD_MAX: usize = 9;
/// Bytes of the longest length at an element's end.
const TAIL_MAX: usize = 5;

/// The encoding of one element as three parts to be spliced in: head, bytes, length.
#[derive(Clone, Copy, Debug)]
pub struct Encoded<'a> {
    head: [u8; HEAD_MAX],
    head_len: u8,
    body: &'a [u8],
    tail: [u8; TAIL_MAX],
    tail_at: u8,
}

impl<'a> Encoded<'a> {
    /// Encodes an element. O(1).
    #[inline]
    pub fn new(item: Item<'a>) -> Encoded<'a> {
        let (mut head, mut body): ([u8; HEAD_MAX], &[u8]) = ([0; HEAD_MAX], &[]);
        let head_len = match item {
            Item::Bytes(bytes) => {
                body = bytes;
                bytes_head(&mut head, bytes.len())
            }
            Item::Int(number) => int_head(&mut head, number),
            Item::Double(number) => double_head(&mut head, number),
        };
        let mut encoded =
            Encoded { head, head_len: head_len as u8, body, tail: [0; TAIL_MAX], tail_at: 0 };
        encoded.end(head_len + body.len());
        encoded
    }

    /// Writes the length of so many bytes of content.
    #[inline]
    fn end(&mut self, mut rest: usize) {
        let (tail, mut tail_at) = (&mut self.tail, TAIL_MAX - 1);
        tail[tail_at] = (rest & 127) as u8;
        rest >>= 7;
        while rest > 0 {
            tail[tail_at] |= 128;
            tail_at -= 1;
            tail[tail_at] = (rest & 127) as u8;
            rest >>= 7;
        }
        self.tail_at = tail_at as u8;
    }

    /// Encodes two elements as one: the first by what [`Encoded::bare`] gives, then the second by its parts, whose length
    /// at the end is that of both.
    #[inline]
    pub fn pair(first: Item<'a>, second: Item<'a>) -> [Encoded<'a>; 2] {
        let (first, mut second) = (Encoded::new(first), Encoded::new(second));
        second.end(first.content() + second.content());
        [first, second]
    }

    /// Bytes without the length at the end.
    #[inline]
    pub fn content(&self) -> usize {
        usize::from(self.head_len) + self.body.len()
    }

    /// Whether it is an integer in six bytes, a form that Redis does not have.
    #[inline]
    pub fn is_six_bytes(&self) -> bool {
        self.head[0] == INT_48
    }

    /// The parts.
    #[inline]
    pub fn parts(&self) -> [&[u8]; 3] {
        [
            &self.head[..usize::from(self.head_len)],
            self.body,
            &self.tail[usize::from(self.tail_at)..],
        ]
    }

    /// The parts without the length at the end: for those who walk in one direction only, by [`bare`].
    #[inline]
    pub fn bare(&self) -> [&[u8]; 2] {
        [&self.head[..usize::from(self.head_len)], self.body]
    }

    /// Bytes of all parts.
    #[inline]
    pub fn len(&self) -> usize {
        usize::from(self.head_len) + self.body.len() + TAIL_MAX - usize::from(self.tail_at)
    }

    /// Whether bytes begin with this element: there is one encoding for each. Elements of a collection are apt to be of one
    /// length and to begin alike, so the first and the last byte are asked before all others are compared.
    #[inline]
    fn begins(&self, bytes: &[u8]) -> bool {
        if bytes[0] != self.head[0] {
            return false;
        }
        let head = usize::from(self.head_len);
        let Some(content) = bytes.get(..head + self.body.len()) else { return false };
        content.last() == self.body.last().or(self.head.get(head - 1))
            && content[1..head] == self.head[1..head]
            && content[head..] == *self.body
    }

    /// Never: an element takes at least two bytes.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Puts the element behind others.
    #[inline]
    pub fn append_to(&self, out: &mut Vec<u8>) {
        self.parts().iter().for_each(|part| out.extend_from_slice(part));
    }
}

const BYTES_32: u8 = 0xf0;
const INT_16: u8 = 0xf1;
const INT_24: u8 = 0xf2;
const INT_32: u8 = 0xf3;
const INT_64: u8 = 0xf4;
const DOUBLE: u8 = 0xf5;
const INT_48: u8 = 0xf6;
const FLOAT: u8 = 0xf7;

/// Bytes of the content that begins with this byte, where that byte says; else 0.
const CONTENT: [u8; 256] = {
    let (mut of, mut first) = ([0; 256], 0);
    while first < 256 {
        of[first] = match first as u8 {
            0..0x80 => 1,
            0x80..0xc0 => 1 + (first & 63) as u8,
            0xc0..0xe0 => 2,
            INT_16 => 3,
            INT_24 => 4,
            INT_32 | FLOAT => 5,
            INT_48 => 7,
            INT_64 | DOUBLE => 9,
            _ => 0,
        };
        first += 1;
    }
    of
};

#[inline]
fn bytes_head(head: &mut [u8; HEAD_MAX], len: usize) -> usize {
    if len < 64 {
        head[0] = 0x80 | len as u8;
        1
    } else if len < 4096 {
        head[0] = 0xe0 | (len >> 8) as u8;
        head[1] = len as u8;
        2
    } else {
        head[0] = BYTES_32;
        let len = u32::try_from(len).expect("elements are bounded by the protocol");
        head[1..5].copy_from_slice(&len.to_le_bytes());
        5
    }
}

#[inline]
fn int_head(head: &mut [u8; HEAD_MAX], number: i64) -> usize {
    let bytes = number.to_le_bytes();
    let (kind, len) = match number {
        0..=127 => {
            head[0] = number as u8;
            return 1;
        }
        -4096..=4095 => {
            let bits = (number & 0x1fff) as u16;
            head[0] = 0xc0 | (bits >> 8) as u8;
            head[1] = bits as u8;
            return 2;
        }
        -0x8000..=0x7fff => (INT_16, 2),
        -0x80_0000..=0x7f_ffff => (INT_24, 3),
        -0x8000_0000..=0x7fff_ffff => (INT_32, 4),
        -0x8000_0000_0000..=0x7fff_ffff_ffff => (INT_48, 6),
        _ => (INT_64, 8),
    };
    head[0] = kind;
    head[1..=len].copy_from_slice(&bytes[..len]);
    len + 1
}

#[inline]
fn double_head(head: &mut [u8; HEAD_MAX], number: f64) -> usize {
    let float = number as f32;
    if f64::from(float).to_bits() == number.to_bits() {
        head[0] = FLOAT;
        head[1..5].copy_from_slice(&float.to_le_bytes());
        5
    } else {
        head[0] = DOUBLE;
        head[1..9].copy_from_slice(&number.to_le_bytes());
        9
    }
}

/// The element at `position`, and the position behind it; `None` at the end. O(1).
#[inline]
pub fn next(bytes: &[u8], position: usize) -> Option<(Item<'_>, usize)> {
    let rest = &bytes[position..];
    let first = *rest.first()?;
    let (item, content) = content(first, rest);
    Some((item, position + content + tail_len(content)))
}

/// The element at `position` of bytes in which elements stand without the length behind them, and the position
/// behind it; see [`Encoded::bare`]. Panics at the end. O(1).
#[inline]
pub fn bare(bytes: &[u8], position: usize) -> (Item<'_>, usize) {
    let rest = &bytes[position..];
    let (item, content) = content(rest[0], rest);
    (item, position + content)
}

/// The element whose content `rest` begins with, and the bytes of that.
#[inline]
fn content(first: u8, rest: &[u8]) -> (Item<'_>, usize) {
    match first {
        0..0x80 => (Item::Int(i64::from(first)), 1),
        0x80..0xc0 => {
            let len = usize::from(first & 63);
            (Item::Bytes(&rest[1..1 + len]), 1 + len)
        }
        0xc0..0xe0 => {
            let bits = i64::from(first & 31) << 8 | i64::from(rest[1]);
            (Item::Int(bits << 51 >> 51), 2)
        }
        0xe0..0xf0 => {
            let len = usize::from(first & 15) << 8 | usize::from(rest[1]);
            (Item::Bytes(&rest[2..2 + len]), 2 + len)
        }
        _ => wide(rest),
    }
}

/// The element at the start of `rest`, which begins with one of the wide kinds, and the bytes of its content.
fn wide(rest: &[u8]) -> (Item<'_>, usize) {
    let int = |len: usize| {
        let mut bytes = [0; 8];
        bytes[8 - len..].copy_from_slice(&rest[1..=len]);
        (Item::Int(i64::from_le_bytes(bytes) >> (64 - 8 * len)), len + 1)
    };
    match rest[0] {
        BYTES_32 => {
            let len = u32::from_le_bytes(rest[1..5].try_into().expect("four")) as usize;
            (Item::Bytes(&rest[5..5 + len]), 5 + len)
        }
        INT_16 => int(2),
        INT_24 => int(3),
        INT_32 => int(4),
        INT_48 => int(6),
        INT_64 => int(8),
        FLOAT => {
            let float = f32::from_le_bytes(rest[1..5].try_into().expect("four"));
            (Item::Double(f64::from(float)), 5)
        }
        DOUBLE => (Item::Double(f64::from_le_bytes(rest[1..9].try_into().expect("eight"))), 9),
        kind => unreachable!("no element begins with {kind:#x}"),
    }
}

/// Bytes of the length behind a content of this many bytes.
#[inline]
fn tail_len(content: usize) -> usize {
    match content {
        0..128 => 1,
        128..16_384 => 2,
        16_384..2_097_152 => 3,
        2_097_152..268_435_456 => 4,
        _ => 5,
    }
}

/// The position behind the element at `position`, where there is one. O(1).
#[inline]
pub fn behind(bytes: &[u8], position: usize) -> usize {
    match CONTENT[usize::from(bytes[position])] {
        0 => behind_long(bytes, position),
        content => position + usize::from(content) + 1,
    }
}

#[inline(never)]
fn behind_long(bytes: &[u8], position: usize) -> usize {
    let content = content_len(&bytes[position..]).expect("the element is whole");
    position + content + tail_len(content)
}

/// The position behind the content of the element at `position`, where there is one: [`bare`] without the element. O(1).
#[inline]
pub fn behind_bare(bytes: &[u8], position: usize) -> usize {
    match CONTENT[usize::from(bytes[position])] {
        0 => position + content_len(&bytes[position..]).expect("the element is whole"),
        content => position + usize::from(content),
    }
}

/// The position behind the pair whose second element is at `second` and whose first is at `first`. O(1).
#[inline]
pub fn behind_pair(bytes: &[u8], first: usize, second: usize) -> usize {
    let end = behind_bare(bytes, second);
    end + tail_len(end - first)
}

/// Looks for the element `wanted` among every `stride`th one, and gives its position and how many of those stand before it.
/// O(elements).
#[inline]
pub fn find(bytes: &[u8], wanted: &Encoded<'_>, stride: usize) -> Option<(usize, usize)> {
    let (mut position, mut number) = (0, 0);
    while position < bytes.len() {
        if is_at(bytes, position, wanted) {
            return Some((position, number));
        }
        for _ in 0..stride {
            position = behind(bytes, position);
        }
        number += 1;
    }
    None
}

/// Whether the element at `position`, where there is one, is `wanted`. O(length).
#[inline]
pub fn is_at(bytes: &[u8], position: usize, wanted: &Encoded<'_>) -> bool {
    wanted.begins(&bytes[position..])
}

/// The position of the element before `position`; `None` at the start. O(1).
#[inline]
pub fn previous(bytes: &[u8], position: usize) -> Option<usize> {
    let mut at = position.checked_sub(1)?;
    let (mut content, mut shift) = (usize::from(bytes[at] & 127), 7);
    while bytes[at] & 128 != 0 {
        at -= 1;
        content |= usize::from(bytes[at] & 127) << shift;
        shift += 7;
    }
    Some(at - content)
}

/// All elements with their positions, from the first.
pub fn iter(bytes: &[u8]) -> impl Iterator<Item = (usize, Item<'_>)> {
    let mut position = 0;
    core::iter::from_fn(move || {
        let (at, (item, behind)) = (position, next(bytes, position)?);
        position = behind;
        Some((at, item))
    })
}

/// All elements with their positions, from the last.
pub fn iter_back(bytes: &[u8]) -> impl Iterator<Item = (usize, Item<'_>)> {
    let mut position = bytes.len();
    core::iter::from_fn(move || {
        position = previous(bytes, position)?;
        next(bytes, position).map(|(item, _)| (position, item))
    })
}

/// The position `count` elements behind `position`, or the end if there are fewer. O(count).
pub fn skip(bytes: &[u8], mut position: usize, count: usize) -> usize {
    for _ in 0..count {
        if position >= bytes.len() {
            break;
        }
        position = behind(bytes, position);
    }
    position
}

/// The bytes of `count` elements from number `first` on; what is beyond the end is left out. Walks from the
/// nearer end. `len` is the number of elements. O(first + count) at the most.
pub fn range_of(bytes: &[u8], len: usize, first: usize, count: usize) -> Range<usize> {
    let (first, end) = (first.min(len), first.saturating_add(count).min(len));
    let start = nth(bytes, len, first);
    let span = end - first;
    let stop = if span <= len - end { skip(bytes, start, span) } else { nth(bytes, len, end) };
    start..stop
}

/// The position of element `index` of `len`; the end for `len`. Walks from the nearer end.
pub fn nth(bytes: &[u8], len: usize, index: usize) -> usize {
    if index <= len / 2 {
        return skip(bytes, 0, index);
    }
    let mut position = bytes.len();
    for _ in index..len {
        position = previous(bytes, position).expect("there are `len` elements");
    }
    position
}

/// Counts the elements of bytes that came from elsewhere, checking that they are sound: every element whole, of a
/// known kind, its two lengths equal. O(elements).
pub fn is_sound(bytes: &[u8]) -> Option<usize> {
    let (mut position, mut count) = (0, 0);
    while position < bytes.len() {
        let rest = &bytes[position..];
        let content = content_len(rest)?;
        let (end, tail) = (position + content, tail_len(content));
        if bytes.len() - position < content + tail
            || previous_checked(bytes, end + tail)? != position
        {
            return None;
        }
        (position, count) = (end + tail, count + 1);
    }
    Some(count)
}

/// Bytes of the content that begins here, as its first bytes say.
fn content_len(rest: &[u8]) -> Option<usize> {
    let first = *rest.first()?;
    match CONTENT[usize::from(first)] {
        0 => {}
        content => return Some(usize::from(content)),
    }
    Some(match first {
        0xe0..0xf0 => 2 + (usize::from(first & 15) << 8 | usize::from(*rest.get(1)?)),
        BYTES_32 => 5 + u32::from_le_bytes(rest.get(1..5)?.try_into().expect("four")) as usize,
        _ => return None,
    })
}

/// [`previous`] for bytes that may be wrong.
fn previous_checked(bytes: &[u8], position: usize) -> Option<usize> {
    let (mut at, mut content, mut shift) = (position.checked_sub(1)?, 0, 0);
    loop {
        content |= usize::from(bytes[at] & 127) << shift;
        if bytes[at] & 128 == 0 {
            return at.checked_sub(content);
        }
        (at, shift) = (at.checked_sub(1)?, shift + 7);
        if shift > 28 {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug, PartialEq)]
    enum Own {
        Bytes(Vec<u8>),
        Int(i64),
        Double(f64),
    }

    impl Own {
        fn item(&self) -> Item<'_> {
            match self {
                Own::Bytes(bytes) => Item::Bytes(bytes),
                Own::Int(number) => Item::Int(*number),
                Own::Double(number) => Item::Double(*number),
            }
        }
    }

    fn own() -> impl Strategy<Value = Own> {
        let len = prop_oneof![0..200usize, 4000..4200usize, 16_300..16_500usize];
        let near = |edge: i64| (edge.saturating_sub(2)..=edge.saturating_add(2)).prop_map(Own::Int);
        prop_oneof![
            (len, any::<u8>()).prop_map(|(len, byte)| Own::Bytes(vec![byte; len])),
            any::<i64>().prop_map(Own::Int),
            (0..64u32).prop_flat_map(move |bit| near(1i64 << bit.min(62))),
            (0..64u32).prop_flat_map(move |bit| near(-1i64 << bit)),
            any::<f64>().prop_filter("equality", |n| !n.is_nan()).prop_map(Own::Double),
            any::<f32>()
                .prop_filter("equality", |n| !n.is_nan())
                .prop_map(|n| Own::Double(f64::from(n))),
        ]
    }

    fn pack(items: &[Own]) -> Vec<u8> {
        let mut bytes = Vec::new();
        items.iter().for_each(|own| Encoded::new(own.item()).append_to(&mut bytes));
        bytes
    }

    proptest! {
        #[test]
        fn what_was_packed_is_read_from_both_ends(items in prop::collection::vec(own(), 0..40)) {
            let bytes = pack(&items);
            prop_assert_eq!(is_sound(&bytes), Some(items.len()));
            let forward: Vec<_> = iter(&bytes).map(|(_, item)| item).collect();
            let wanted: Vec<_> = items.iter().map(Own::item).collect();
            prop_assert_eq!(&forward, &wanted);
            for (position, item) in iter(&bytes) {
                prop_assert_eq!(Some(behind(&bytes, position)), next(&bytes, position).map(|next| next.1));
                for other in &items {
                    let found = find(&bytes, &Encoded::new(other.item()), 1);
                    prop_assert!(found.is_some_and(|(at, number)| nth(&bytes, items.len(), number) == at));
                    let is_here = is_at(&bytes, position, &Encoded::new(other.item()));
                    // Doubles are told apart by their bits, of which zero has two.
                    prop_assert!(is_here == (other.item() == item) || matches!(item, Item::Double(0.0)));
                }
            }
            let mut backward: Vec<_> = iter_back(&bytes).map(|(_, item)| item).collect();
            backward.reverse();
            prop_assert_eq!(&backward, &wanted);
            for first in 0..=items.len() {
                let at = nth(&bytes, items.len(), first);
                prop_assert_eq!(at, skip(&bytes, 0, first));
                for count in 0..=items.len() - first {
                    let range = range_of(&bytes, items.len(), first, count);
                    prop_assert_eq!(range, at..skip(&bytes, at, count));
                }
            }
        }

        #[test]
        fn pairs_are_walked_from_both_ends(pairs in prop::collection::vec((own(), own()), 0..20)) {
            let (mut bytes, mut ends) = (Vec::new(), vec![0]);
            for (first, second) in &pairs {
                let [first, second] = Encoded::pair(first.item(), second.item());
                first.bare().iter().for_each(|part| bytes.extend_from_slice(part));
                second.append_to(&mut bytes);
                ends.push(bytes.len());
            }
            for (index, (first, second)) in pairs.iter().enumerate() {
                let start = ends[index];
                let (item, second_at) = bare(&bytes, start);
                prop_assert_eq!((item, second_at), (first.item(), behind_bare(&bytes, start)));
                prop_assert!(is_at(&bytes, start, &Encoded::new(item)));
                prop_assert_eq!(bare(&bytes, second_at).0, second.item());
                prop_assert_eq!(behind_pair(&bytes, start, second_at), ends[index + 1]);
                prop_assert_eq!(previous(&bytes, ends[index + 1]), Some(start));
            }
        }

        #[test]
        fn a_splice_is_what_vec_splice_does(
            old in prop::collection::vec(any::<u8>(), 0..300),
            at in 0..300usize, remove in 0..300usize,
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100), 0..4),
        ) {
            let at = at.min(old.len());
            let remove = remove.min(old.len() - at);
            let (mut ours, mut model) = (old.clone(), old);
            let views: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
            Splice::exchange(&mut ours, at, remove, &views);
            model.splice(at..at + remove, parts.concat());
            prop_assert_eq!(ours, model);
        }

        #[test]
        fn no_bytes_whatever_are_read_beyond(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(count) = is_sound(&bytes) {
                prop_assert_eq!(iter(&bytes).count(), count);
                prop_assert_eq!(iter_back(&bytes).count(), count);
            }
        }

        #[test]
        fn changed_bytes_are_sound_or_found_out(
            items in prop::collection::vec(own(), 1..10), at in any::<prop::sample::Index>(), byte in any::<u8>(),
        ) {
            let mut bytes = pack(&items);
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Some(count) = is_sound(&bytes) {
                prop_assert_eq!(iter(&bytes).count(), count);
                prop_assert_eq!(iter_back(&bytes).count(), count);
            }
        }
    }
}
