//! The packed encodings that Redis writes its small collections in: listpack, ziplist, zipmap, intset.
//!
//! Each is read into a list of elements, with every offset checked. What the headers claim of sizes and counts
//! must be true.

use crate::read::int;
use std::borrow::Cow;

/// Elements of a collection, borrowed from the payload where they stand there as they are.
pub(crate) type Elements<'a> = Vec<Cow<'a, [u8]>>;

fn text(number: i64) -> Cow<'static, [u8]> {
    Cow::Owned(itoa::Buffer::new().format(number).as_bytes().to_vec())
}

/// The elements of a listpack: 32 bits of size, 16 of count (65535 is unknown), the elements, 0xff.
pub(crate) fn listpack(bytes: &[u8]) -> Option<Elements<'_>> {
    let size = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?);
    let count = u16::from_le_bytes(bytes.get(4..6)?.try_into().ok()?);
    let (last, elements) = bytes.get(6..)?.split_last()?;
    if size as usize != bytes.len() || *last != 0xff {
        return None;
    }
    let (mut found, mut at) = (Vec::new(), 0);
    while at < elements.len() {
        let (element, content) = listpack_element(&elements[at..])?;
        let tail = back_length(content);
        if elements.get(at + content..at + content + tail.len())? != tail {
            return None;
        }
        found.push(element);
        at += content + tail.len();
    }
    (count == u16::MAX || usize::from(count) == found.len()).then_some(found)
}

/// The element that begins here and the bytes it takes without its length behind it.
fn listpack_element(rest: &[u8]) -> Option<(Cow<'_, [u8]>, usize)> {
    let string = |head: usize, len: usize| {
        Some((Cow::Borrowed(rest.get(head..head.checked_add(len)?)?), head + len))
    };
    let number = |width: usize| Some((text(int(rest.get(1..=width)?)), width + 1));
    match *rest.first()? {
        first @ 0..0x80 => Some((text(i64::from(first)), 1)),
        first @ 0x80..0xc0 => string(1, usize::from(first & 63)),
        first @ 0xc0..0xe0 => {
            let bits = i64::from(first & 31) << 8 | i64::from(*rest.get(1)?);
            Some((text(bits << 51 >> 51), 2))
        }
        first @ 0xe0..0xf0 => string(2, usize::from(first & 15) << 8 | usize::from(*rest.get(1)?)),
        0xf0 => string(5, u32::from_le_bytes(rest.get(1..5)?.try_into().ok()?) as usize),
        0xf1 => number(2),
        0xf2 => number(3),
        0xf3 => number(4),
        0xf4 => number(8),
        _ => None,
    }
}

/// How a listpack spells the length of an element behind it: seven bits a byte, the lowest last, the high bit of each
/// but the first set.
fn back_length(mut len: usize) -> Vec<u8> {
    let mut bytes = vec![(len & 127) as u8];
    len >>= 7;
    while len > 0 {
        bytes[0] |= 128;
        bytes.insert(0, (len & 127) as u8);
        len >>= 7;
    }
    bytes
}

/// The elements of a ziplist: 32 bits of size, 32 of the last element's offset, 16 of count, the elements, 0xff.
pub(crate) fn ziplist(bytes: &[u8]) -> Option<Elements<'_>> {
    let word =
        |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?) as usize);
    let (size, last_at) = (word(0)?, word(4)?);
    let count = u16::from_le_bytes(bytes.get(8..10)?.try_into().ok()?);
    let (end, _) = bytes.get(10..)?.split_last().filter(|(end, _)| **end == 0xff)?;
    debug_assert_eq!(*end, 0xff);
    if size != bytes.len() {
        return None;
    }
    let (mut found, mut at, mut before, mut begin) = (Vec::new(), 10, 0, 10);
    while at < bytes.len() - 1 {
        begin = at;
        let (previous, head) = match *bytes.get(at)? {
            254 => (word(at + 1)?, 5),
            255 => return None,
            short => (usize::from(short), 1),
        };
        if previous != before {
            return None;
        }
        let (element, content) = ziplist_element(&bytes[..bytes.len() - 1], at + head)?;
        found.push(element);
        before = head + content;
        at += before;
    }
    let is_right = last_at == begin && (count == u16::MAX || usize::from(count) == found.len());
    is_right.then_some(found)
}

/// The element whose encoding stands at `at`, and the bytes it takes from there.
fn ziplist_element(bytes: &[u8], at: usize) -> Option<(Cow<'_, [u8]>, usize)> {
    let rest = bytes.get(at..)?;
    let string = |head: usize, len: usize| {
        Some((Cow::Borrowed(rest.get(head..head.checked_add(len)?)?), head + len))
    };
    let number = |width: usize| Some((text(int(rest.get(1..=width)?)), width + 1));
    match *rest.first()? {
        first @ 0..0x40 => string(1, usize::from(first)),
        first @ 0x40..0x80 => string(2, usize::from(first & 63) << 8 | usize::from(*rest.get(1)?)),
        0x80 => string(5, u32::from_be_bytes(rest.get(1..5)?.try_into().ok()?) as usize),
        0xc0 => number(2),
        0xd0 => number(4),
        0xe0 => number(8),
        0xf0 => number(3),
        0xfe => number(1),
        first @ 0xf1..=0xfd => Some((text(i64::from(first & 15) - 1), 1)),
        _ => None,
    }
}

/// The fields and values of a zipmap, the oldest form of a small hash: a count, then for each string its length and
/// the string, and behind each value so many unused bytes as a byte before it says; 0xff.
pub(crate) fn zipmap(bytes: &[u8]) -> Option<Elements<'_>> {
    let (mut found, mut at) = (Vec::new(), 1);
    loop {
        let is_value = found.len() % 2 == 1;
        let (len, head) = match *bytes.get(at)? {
            0xff if !is_value => return (at + 1 == bytes.len()).then_some(found),
            0xff => return None,
            254 => {
                let len = bytes.get(at + 1..at + 5)?.try_into().ok()?;
                (u32::from_le_bytes(len) as usize, 5)
            }
            short => (usize::from(short), 1),
        };
        let unused = if is_value { usize::from(*bytes.get(at + head)?) } else { 0 };
        let start = at + head + usize::from(is_value);
        found.push(Cow::Borrowed(bytes.get(start..start.checked_add(len)?)?));
        at = start.checked_add(len)?.checked_add(unused)?;
    }
}

/// The members of an intset: 32 bits of width, 32 of count, sorted integers.
pub(crate) fn intset(bytes: &[u8]) -> Option<Elements<'_>> {
    let word =
        |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?) as usize);
    let (width, count) = (word(0)?, word(4)?);
    let numbers = bytes.get(8..)?;
    if !matches!(width, 2 | 4 | 8) || numbers.len() != width.checked_mul(count)? {
        return None;
    }
    let numbers: Vec<i64> = numbers.chunks_exact(width).map(int).collect();
    numbers.is_sorted_by(|a, b| a < b).then(|| numbers.into_iter().map(text).collect())
}
