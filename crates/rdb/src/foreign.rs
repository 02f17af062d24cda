//! The packed encodings of older versions of Redis: ziplist, zipmap, and the intset.

use crate::elements::{Elements, Form};
use crate::read::int;
use store::Str;

/// The elements of a ziplist: 32 bits of size, 32 of the last element's offset, 16 of count, the elements, 0xff.
pub(crate) fn ziplist(bytes: &[u8]) -> Option<Elements<'_>> {
    const HEADER: usize = 10;
    let word =
        |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?) as usize);
    let (size, last_at) = (word(0)?, word(4)?);
    let count = u16::from_le_bytes(bytes.get(8..HEADER)?.try_into().ok()?);
    let (end, _) = bytes.get(HEADER..)?.split_last()?;
    if size != bytes.len() || *end != 0xff {
        return None;
    }
    let end = bytes.len() - 1;
    let (mut at, mut before, mut begin) = (HEADER, 0, HEADER);
    while at < end {
        begin = at;
        if previous(&bytes[at..end])?.0 != before {
            return None;
        }
        before = ziplist_element(&bytes[at..end])?.1;
        at += before;
    }
    let elements = Elements::sound(Form::Ziplist, bytes, HEADER, end)?;
    let is_right = last_at == begin && (count == u16::MAX || usize::from(count) == elements.len());
    is_right.then_some(elements)
}

/// What stands before an element of a ziplist: the bytes that the one before it takes; and how many bytes say so.
fn previous(rest: &[u8]) -> Option<(usize, usize)> {
    match *rest.first()? {
        254 => Some((u32::from_le_bytes(rest.get(1..5)?.try_into().ok()?) as usize, 5)),
        255 => None,
        short => Some((usize::from(short), 1)),
    }
}

/// The element of a ziplist that begins here, and the bytes it takes.
pub(crate) fn ziplist_element(rest: &[u8]) -> Option<(Str<'_>, usize)> {
    let (_, before) = previous(rest)?;
    let rest = rest.get(before..)?;
    let string = |head: usize, len: usize| {
        let text = rest.get(head..head.checked_add(len)?)?;
        Some((Str::Bytes(text), before + head + len))
    };
    let number = |width: usize| Some((Str::Int(int(rest.get(1..=width)?)), before + 1 + width));
    match *rest.first()? {
        first @ 0..0x40 => string(1, usize::from(first)),
        first @ 0x40..0x80 => string(2, usize::from(first & 63) << 8 | usize::from(*rest.get(1)?)),
        0x80 => string(5, u32::from_be_bytes(rest.get(1..5)?.try_into().ok()?) as usize),
        0xc0 => number(2),
        0xd0 => number(4),
        0xe0 => number(8),
        0xf0 => number(3),
        0xfe => number(1),
        first @ 0xf1..=0xfd => Some((Str::Int(i64::from(first & 15) - 1), before + 1)),
        _ => None,
    }
}

/// The fields and values of a zipmap, the oldest form of a small hash: a count, then for each string its length and
/// the string, and behind each value so many unused bytes as a byte before it says; 0xff.
pub(crate) fn zipmap(bytes: &[u8]) -> Option<Elements<'_>> {
    let (count, _) = bytes.split_first()?;
    let (last, _) = bytes[1..].split_last()?;
    let elements = Elements::sound(Form::Zipmap, bytes, 1, bytes.len() - 1)?;
    // From 254 on the count says nothing.
    let is_counted = *count >= 254 || usize::from(*count) * 2 == elements.len();
    (*last == 0xff && is_counted && elements.len().is_multiple_of(2)).then_some(elements)
}

/// The string of a zipmap that begins here, and the bytes it takes.
pub(crate) fn zipmap_element(rest: &[u8], is_value: bool) -> Option<(Str<'_>, usize)> {
    let (len, head) = match *rest.first()? {
        255 => return None,
        254 => (u32::from_le_bytes(rest.get(1..5)?.try_into().ok()?) as usize, 5),
        short => (usize::from(short), 1),
    };
    let (unused, start) =
        if is_value { (usize::from(*rest.get(head)?), head + 1) } else { (0, head) };
    let end = start.checked_add(len)?;
    let taken = end.checked_add(unused)?;
    (taken <= rest.len()).then(|| (Str::Bytes(&rest[start..end]), taken))
}

/// The members of an intset: 32 bits of width, 32 of count, sorted integers.
pub(crate) fn intset(bytes: &[u8]) -> Option<Elements<'_>> {
    const HEADER: usize = 8;
    let word =
        |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?) as usize);
    let (width, count) = (word(0)?, word(4)?);
    let numbers = bytes.get(HEADER..)?;
    if !matches!(width, 2 | 4 | 8) || numbers.len() != width.checked_mul(count)? {
        return None;
    }
    let is_sorted = numbers.chunks_exact(width).map(int).is_sorted_by(|a, b| a < b);
    is_sorted.then(|| Elements::sound(Form::Intset(width), bytes, HEADER, bytes.len()))?
}
