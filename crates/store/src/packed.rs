//! Packed collections: how a small collection lies in the bytes of its entry.
//!
//! ```text
//! 0      1        3
//! | form | count  | elements of compact::packed |
//! ```
//!
//! `count` is of what the type counts: elements, members, or fields with their values. For
//! [`Form::Ints`] the elements are not packed items but sorted integers of one width; for [`Form::SortedSet`] each is a pair
//! of items with one length at its end.

use crate::{Str, parse_integer};
use compact::packed::{Encoded, Item, Splice};

/// Bytes before the first element.
pub(crate) const HEADER: usize = 3;

/// Elements that a packed collection counts at the most, whatever the configuration allows.
pub(crate) const COUNT_MAX: usize = u16::MAX as usize;

/// What a packed value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Elements of a list.
    List = 1,
    /// Fields, each followed by its value.
    Hash = 2,
    /// Fields, each followed by its value and its deadline, 0 for none.
    HashDeadlines = 3,
    /// Members of a set.
    Set = 4,
    /// Members of a set that are all integers.
    Ints = 5,
    /// Members of a sorted set, each followed by its score, in order.
    SortedSet = 6,
}

impl Form {
    fn of(byte: u8) -> Form {
        match byte {
            1 => Form::List,
            2 => Form::Hash,
            3 => Form::HashDeadlines,
            4 => Form::Set,
            5 => Form::Ints,
            6 => Form::SortedSet,
            _ => unreachable!("no packed value begins with {byte}"),
        }
    }
}

/// A packed collection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packed<'a> {
    pub(crate) form: Form,
    pub(crate) count: usize,
    pub(crate) items: &'a [u8],
}

impl<'a> Packed<'a> {
    /// The collection that these bytes are.
    #[inline]
    pub(crate) fn of(bytes: &'a [u8]) -> Packed<'a> {
        let count = usize::from(u16::from_le_bytes([bytes[1], bytes[2]]));
        Packed { form: Form::of(bytes[0]), count, items: &bytes[HEADER..] }
    }
}

/// The bytes before the elements.
#[inline]
pub(crate) fn header(form: Form, count: usize) -> [u8; HEADER] {
    let [low, high] = u16::try_from(count).expect("callers keep below COUNT_MAX").to_le_bytes();
    [form as u8, low, high]
}

/// An element as commands see it. Doubles are scores, and never asked for as text.
#[inline]
pub(crate) fn text_of(item: Item<'_>) -> Str<'_> {
    match item {
        Item::Bytes(bytes) => Str::Bytes(bytes),
        Item::Int(number) => Str::Int(number),
        Item::Double(_) => unreachable!("scores are not elements"),
    }
}

/// The form in which an element is packed: as an integer where it is the text of one.
#[inline]
pub(crate) fn item_of(bytes: &[u8]) -> Item<'_> {
    match parse_integer(bytes) {
        Some(number) => Item::Int(number),
        None => Item::Bytes(bytes),
    }
}

/// [`item_of`], encoded.
#[inline]
pub(crate) fn encoded(bytes: &[u8]) -> Encoded<'_> {
    Encoded::new(item_of(bytes))
}

/// Replaces `remove` bytes at `at` of the elements, and sets form and count.
pub(crate) fn splice(
    value: &mut impl Patch,
    form: Form,
    count: usize,
    at: usize,
    remove: usize,
    insert: &[&[u8]],
) {
    let header = header(form, count);
    if at == 0 && insert.len() < PARTS_MAX {
        let mut parts: [&[u8]; PARTS_MAX] = [&[]; PARTS_MAX];
        parts[0] = &header;
        parts[1..=insert.len()].copy_from_slice(insert);
        return value.exchange(0, HEADER + remove, &parts[..=insert.len()]);
    }
    value.patch(0, &header);
    value.exchange(HEADER + at, remove, insert);
}

/// Parts with which a splice at the start takes the header along.
const PARTS_MAX: usize = 8;

/// Bytes that can be written over where they are.
pub(crate) trait Patch: Splice {
    /// Overwrites the bytes from `at` on.
    fn patch(&mut self, at: usize, bytes: &[u8]);
}

impl Patch for Vec<u8> {
    fn patch(&mut self, at: usize, bytes: &[u8]) {
        self[at..at + bytes.len()].copy_from_slice(bytes);
    }
}
