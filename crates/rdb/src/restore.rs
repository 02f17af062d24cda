//! Reading a value.

use crate::elements::{Elements, Text};
use crate::foreign::{intset, ziplist, zipmap};
use crate::listpack::listpack;
use crate::read::Reader;
use crate::{FOOTER, VERSION_OF_FIELD_DEADLINES, checksum, kind, stream};
use base::Now;
use store::{End, ListEdit, Made, Ranked, SetEdit, SortedSetEdit, Store, Str, parse_integer};

/// A value that was read.
pub enum Restored {
    /// A string.
    String(Vec<u8>),
    /// Anything else. Empty if it is a hash of which no field lives any more.
    Collection(Made),
}

/// Why a payload is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// The checksum is wrong, or the version newer than what we know.
    Footer,
    /// The value is not what its first byte says.
    Value,
}

/// Reads a payload. The store lends its thresholds; nothing is put into it. O(payload), but O(n log n) for
/// large sorted sets and what is pending in streams. Elements go from the payload to the value one by one, so memory is
/// that of the value and of one string of the payload, which may be compressed to 1/264.
pub fn restore(payload: &[u8], store: &Store, now: Now) -> Result<Restored, Malformed> {
    let value = verified(payload).ok_or(Malformed::Footer)?;
    let mut reader = Reader(value);
    let restored = value_of(&mut reader, store, now).filter(|_| reader.is_at_end());
    restored.ok_or(Malformed::Value)
}

/// The payload without its footer, if that is right.
fn verified(payload: &[u8]) -> Option<&[u8]> {
    let value = &payload[..payload.len().checked_sub(FOOTER)?];
    let (version, sum) = payload[value.len()..].split_at(2);
    let version = u16::from_le_bytes(version.try_into().ok()?);
    let sum = u64::from_le_bytes(sum.try_into().ok()?);
    let is_right = checksum::of(&payload[..payload.len() - 8]) == sum;
    (version <= VERSION_OF_FIELD_DEADLINES && is_right).then_some(value)
}

fn value_of(reader: &mut Reader<'_>, store: &Store, now: Now) -> Option<Restored> {
    let made = match reader.byte()? {
        kind::STRING => return Some(Restored::String(reader.string()?.into_owned())),
        kind::LIST => list(reader, store, now)?,
        kind::LIST_ZIPLIST => packed_list(ziplist(&reader.string()?)?, store, now),
        kind::LIST_QUICKLIST => quicklist(reader, store, now, false)?,
        kind::LIST_QUICKLIST_2 => quicklist(reader, store, now, true)?,
        kind::SET => {
            let count = count(reader)?;
            set(store, now, count, (0..count).map(|_| reader.string()))?
        }
        kind::SET_INTSET => packed_set(intset(&reader.string()?)?, store, now)?,
        kind::SET_LISTPACK => packed_set(listpack(&reader.string()?)?, store, now)?,
        kind::SORTED_SET => sorted_set(reader, store, now, binary_score)?,
        kind::SORTED_SET_TEXT => sorted_set(reader, store, now, text_score)?,
        kind::SORTED_SET_ZIPLIST => packed_sorted_set(ziplist(&reader.string()?)?, store, now)?,
        kind::SORTED_SET_LISTPACK => packed_sorted_set(listpack(&reader.string()?)?, store, now)?,
        kind::HASH => {
            let count = count(reader)?;
            hash(store, now, count, (0..2 * count).map(|_| reader.string()))?
        }
        kind::HASH_ZIPMAP => packed_hash(zipmap(&reader.string()?)?, store, now)?,
        kind::HASH_ZIPLIST => packed_hash(ziplist(&reader.string()?)?, store, now)?,
        kind::HASH_LISTPACK => packed_hash(listpack(&reader.string()?)?, store, now)?,
        kind::HASH_DEADLINES => {
            // Where all its fields are past their time, it is as if it had expired meanwhile.
            return Some(Restored::Collection(hash_with_deadlines(reader, store, now)?));
        }
        kind @ (kind::STREAM | kind::STREAM_2 | kind::STREAM_3) => {
            store.make_stream(now, stream::read(reader, kind)?)
        }
        _ => return None,
    };
    // An empty collection is no value, as in Redis; a stream is never one.
    (!made.is_empty()).then_some(Restored::Collection(made))
}

/// How many elements follow. Each takes a byte at the least, so a count that lies is seen here.
pub(crate) fn count(reader: &mut Reader<'_>) -> Option<usize> {
    let count = usize::try_from(reader.length()?).ok()?;
    (count <= reader.0.len()).then_some(count)
}

fn list(reader: &mut Reader<'_>, store: &Store, now: Now) -> Option<Made> {
    let count = count(reader)?;
    let mut whole = None;
    let made = store.make_list(now, |list| {
        whole = (0..count).try_for_each(|_| {
            push(list, Str::Bytes(&reader.string()?));
            Some(())
        });
    });
    whole.map(|()| made)
}

/// Puts an element at the end as if a client had sent it.
fn push(list: &mut ListEdit<'_, '_>, element: Str<'_>) {
    let element = match element {
        Str::Bytes(bytes) => parse_integer(bytes).map_or(element, Str::Int),
        Str::Int(_) => element,
    };
    list.push(End::Tail, element);
}

fn packed_list(elements: Elements<'_>, store: &Store, now: Now) -> Made {
    store.make_list(now, |list| elements.for_each(|element| push(list, element)))
}

/// Nodes of a list, each packed; in the newer form some are one long element.
fn quicklist(reader: &mut Reader<'_>, store: &Store, now: Now, newer: bool) -> Option<Made> {
    let nodes = count(reader)?;
    let mut whole = None;
    let made = store.make_list(now, |list| {
        whole = (0..nodes).try_for_each(|_| quicklist_node(reader, list, newer));
    });
    whole.map(|()| made)
}

fn quicklist_node(reader: &mut Reader<'_>, list: &mut ListEdit<'_, '_>, newer: bool) -> Option<()> {
    /// A node that is one element.
    const PLAIN: u64 = 1;
    /// A node that is a listpack.
    const PACKED: u64 = 2;
    let container = if newer { reader.length()? } else { 0 };
    let bytes = reader.string()?;
    match (newer, container) {
        (true, PLAIN) => push(list, Str::Bytes(&bytes)),
        (true, PACKED) => listpack(&bytes)?.for_each(|element| push(list, element)),
        (false, _) => ziplist(&bytes)?.for_each(|element| push(list, element)),
        _ => return None,
    }
    Some(())
}

fn packed_set(members: Elements<'_>, store: &Store, now: Now) -> Option<Made> {
    set(store, now, members.len(), members.map(Some))
}

/// So many members, of which each must be new.
fn set<T: Text>(
    store: &Store,
    now: Now,
    count: usize,
    members: impl Iterator<Item = Option<T>>,
) -> Option<Made> {
    let mut unique = None;
    let made = store.make_set(now, |set| unique = add_all(set, count, members));
    unique.map(|()| made)
}

fn add_all<T: Text>(
    set: &mut SetEdit<'_, '_>,
    count: usize,
    members: impl Iterator<Item = Option<T>>,
) -> Option<()> {
    let (mut buffer, mut is_first) = (itoa::Buffer::new(), true);
    for member in members {
        let member = member?;
        let member = member.bytes(&mut buffer);
        if std::mem::take(&mut is_first) {
            set.expect(count, member);
        }
        if !set.add(member) {
            return None;
        }
    }
    Some(())
}

fn binary_score(reader: &mut Reader<'_>) -> Option<f64> {
    Some(f64::from_le_bytes(reader.array()?))
}

/// A score as text behind a byte of length; three lengths stand for what is no number.
fn text_score(reader: &mut Reader<'_>) -> Option<f64> {
    match reader.byte()? {
        255 => Some(f64::NEG_INFINITY),
        254 => Some(f64::INFINITY),
        253 => None,
        len => Str::Bytes(reader.take(usize::from(len))?).number(),
    }
}

fn sorted_set(
    reader: &mut Reader<'_>,
    store: &Store,
    now: Now,
    score: impl Fn(&mut Reader<'_>) -> Option<f64>,
) -> Option<Made> {
    let count = count(reader)?;
    let mut unique = None;
    let ahead = Reader(reader.0);
    let made = store.make_sorted_set(now, |set| {
        set.admit(count, || longest(ahead, count, &score));
        unique = (0..count).try_for_each(|_| {
            let member = reader.string()?;
            rank(set, &member, score(reader)?)
        });
    });
    unique.map(|()| made)
}

/// Bytes of the longest member.
fn longest(
    mut reader: Reader<'_>,
    count: usize,
    score: impl Fn(&mut Reader<'_>) -> Option<f64>,
) -> usize {
    let lengths = (0..count).map_while(|_| {
        let length = reader.string()?.len();
        score(&mut reader)?;
        Some(length)
    });
    lengths.max().unwrap_or(0)
}

/// Adds a member, which must be new.
fn rank(set: &mut SortedSetEdit<'_, '_>, member: &[u8], score: f64) -> Option<()> {
    (!score.is_nan() && set.set(member, score) == Ranked::New).then_some(())
}

/// Members each followed by its score.
fn packed_sorted_set(mut elements: Elements<'_>, store: &Store, now: Now) -> Option<Made> {
    let (mut unique, mut buffer) = (Some(()), itoa::Buffer::new());
    let made = store.make_sorted_set(now, |set| {
        while let (Some(()), Some(member)) = (unique, elements.next()) {
            let score = elements.next().and_then(|score| score.number());
            unique = score.and_then(|score| rank(set, member.as_bytes(&mut buffer), score));
        }
    });
    unique.map(|()| made)
}

fn packed_hash(elements: Elements<'_>, store: &Store, now: Now) -> Option<Made> {
    hash(store, now, elements.len() / 2, elements.map(Some))
}

/// So many fields each followed by its value; each must be new.
fn hash<T: Text>(
    store: &Store,
    now: Now,
    count: usize,
    mut elements: impl Iterator<Item = Option<T>>,
) -> Option<Made> {
    let mut unique = Some(());
    let mut buffers = (itoa::Buffer::new(), itoa::Buffer::new());
    let made = store.make_hash(now, |hash| {
        hash.expect(count);
        while let (Some(()), Some(name)) = (unique, elements.next()) {
            let pair = name.zip(elements.next().flatten());
            let is_new = pair.is_some_and(|(name, value)| {
                hash.set(name.bytes(&mut buffers.0), value.bytes(&mut buffers.1), None)
            });
            unique = is_new.then_some(());
        }
    });
    unique.map(|()| made)
}

fn hash_with_deadlines(reader: &mut Reader<'_>, store: &Store, now: Now) -> Option<Made> {
    let earliest = i64::from_le_bytes(reader.array()?);
    let count = count(reader).filter(|count| *count > 0)?;
    let mut unique = None;
    let made = store.make_hash(now, |hash| {
        hash.expect(count);
        unique = (0..count).try_for_each(|_| {
            let deadline = match reader.length()? {
                0 => None,
                after => Some(earliest.checked_add(i64::try_from(after - 1).ok()?)?),
            };
            let (name, value) = (reader.string()?, reader.string()?);
            let is_over = deadline.is_some_and(|deadline| deadline < now.unix_ms().max(1));
            (is_over || hash.set(&name, &value, deadline)).then_some(())
        });
    });
    unique.map(|()| made)
}
