//! Reading a value.

use crate::foreign::{self, Elements};
use crate::read::Reader;
use crate::{FOOTER, VERSION_OF_FIELD_DEADLINES, checksum, kind};
use base::Now;
use std::borrow::Cow;
use store::{End, Made, Store, Str, parse_integer};

/// A value that was read.
pub enum Restored {
    /// A string.
    String(Vec<u8>),
    /// Anything else.
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
/// large sorted sets; memory in proportion to the payload, but for compressed strings.
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
        kind::LIST => list(store, now, &strings(reader)?),
        kind::LIST_ZIPLIST => list(store, now, &foreign::ziplist(&reader.string()?)?),
        kind::LIST_QUICKLIST => quicklist(reader, store, now, false)?,
        kind::LIST_QUICKLIST_2 => quicklist(reader, store, now, true)?,
        kind::SET => set(store, now, &strings(reader)?)?,
        kind::SET_INTSET => set(store, now, &foreign::intset(&reader.string()?)?)?,
        kind::SET_LISTPACK => set(store, now, &foreign::listpack(&reader.string()?)?)?,
        kind::SORTED_SET => sorted_set(store, now, &scored(reader, binary_score)?)?,
        kind::SORTED_SET_TEXT => sorted_set(store, now, &scored(reader, text_score)?)?,
        kind::SORTED_SET_ZIPLIST => {
            scored_pairs(store, now, &foreign::ziplist(&reader.string()?)?)?
        }
        kind::SORTED_SET_LISTPACK => {
            scored_pairs(store, now, &foreign::listpack(&reader.string()?)?)?
        }
        kind::HASH => {
            let count = usize::try_from(reader.length()?).ok()?.checked_mul(2)?;
            hash(store, now, &some_strings(reader, count)?)?
        }
        kind::HASH_ZIPMAP => hash(store, now, &foreign::zipmap(&reader.string()?)?)?,
        kind::HASH_ZIPLIST => hash(store, now, &foreign::ziplist(&reader.string()?)?)?,
        kind::HASH_LISTPACK => hash(store, now, &foreign::listpack(&reader.string()?)?)?,
        kind::HASH_DEADLINES => hash_with_deadlines(reader, store, now)?,
        _ => return None,
    };
    // An empty collection is no value, as in Redis.
    (!made.is_empty()).then_some(Restored::Collection(made))
}

/// A count, and so many strings.
fn strings<'a>(reader: &mut Reader<'a>) -> Option<Elements<'a>> {
    let count = usize::try_from(reader.length()?).ok()?;
    some_strings(reader, count)
}

/// So many strings. Each takes a byte at the least, so a count that lies ends early.
fn some_strings<'a>(reader: &mut Reader<'a>, count: usize) -> Option<Elements<'a>> {
    if count > reader.0.len() {
        return None;
    }
    (0..count).map(|_| reader.string()).collect()
}

fn list(store: &Store, now: Now, elements: &[Cow<'_, [u8]>]) -> Made {
    store.make_list(now, |list| {
        let elements = elements.iter().map(|element| detected(element));
        list.push_all(End::Tail, elements);
    })
}

/// An element as a client would have sent it.
fn detected(bytes: &[u8]) -> Str<'_> {
    parse_integer(bytes).map_or(Str::Bytes(bytes), Str::Int)
}

/// Nodes of a list, each packed; in the newer form some are one long element.
fn quicklist(reader: &mut Reader<'_>, store: &Store, now: Now, newer: bool) -> Option<Made> {
    /// A node that is one element.
    const PLAIN: u64 = 1;
    /// A node that is a listpack.
    const PACKED: u64 = 2;
    let nodes = usize::try_from(reader.length()?).ok()?;
    let mut elements: Vec<Vec<u8>> = Vec::new();
    for _ in 0..nodes {
        let container = if newer { reader.length()? } else { 0 };
        let bytes = reader.string()?;
        match (newer, container) {
            (true, PLAIN) => elements.push(bytes.into_owned()),
            (true, PACKED) => {
                elements.extend(foreign::listpack(&bytes)?.into_iter().map(Cow::into_owned));
            }
            (false, _) => {
                elements.extend(foreign::ziplist(&bytes)?.into_iter().map(Cow::into_owned))
            }
            _ => return None,
        }
    }
    let elements: Elements<'_> = elements.into_iter().map(Cow::Owned).collect();
    Some(list(store, now, &elements))
}

fn set(store: &Store, now: Now, members: &[Cow<'_, [u8]>]) -> Option<Made> {
    let mut unique = true;
    let made = store.make_set(now, |set| {
        if let Some(first) = members.first() {
            set.expect(members.len(), first);
        }
        unique = members.iter().all(|member| set.add(member));
    });
    unique.then_some(made)
}

/// Members with scores.
type Scores<'a> = Vec<(Cow<'a, [u8]>, f64)>;

fn scored<'a>(
    reader: &mut Reader<'a>,
    score: impl Fn(&mut Reader<'a>) -> Option<f64>,
) -> Option<Scores<'a>> {
    let count = usize::try_from(reader.length()?).ok()?;
    if count > reader.0.len() {
        return None;
    }
    (0..count).map(|_| Some((reader.string()?, score(reader)?))).collect()
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
        len => number(reader.take(usize::from(len))?),
    }
}

fn number(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Members each followed by its score.
fn scored_pairs(store: &Store, now: Now, elements: &[Cow<'_, [u8]>]) -> Option<Made> {
    if !elements.len().is_multiple_of(2) {
        return None;
    }
    let pairs = elements.chunks_exact(2);
    let scores: Option<Scores<'_>> =
        pairs.map(|pair| Some((Cow::Borrowed(&*pair[0]), number(&pair[1])?))).collect();
    sorted_set(store, now, &scores?)
}

fn sorted_set(store: &Store, now: Now, scores: &[(Cow<'_, [u8]>, f64)]) -> Option<Made> {
    if scores.iter().any(|(_, score)| score.is_nan()) {
        return None;
    }
    let mut unique = true;
    let made = store.make_sorted_set(now, |set| {
        unique = scores.iter().all(|(member, score)| set.set(member, *score) == store::Ranked::New);
    });
    unique.then_some(made)
}

/// Fields each followed by its value.
fn hash(store: &Store, now: Now, elements: &[Cow<'_, [u8]>]) -> Option<Made> {
    if !elements.len().is_multiple_of(2) {
        return None;
    }
    let mut unique = true;
    let made = store.make_hash(now, |hash| {
        hash.admit(elements.iter().map(|element| element.len()).max().unwrap_or(0));
        unique = elements.chunks_exact(2).all(|pair| hash.set(&pair[0], &pair[1], None));
    });
    unique.then_some(made)
}

fn hash_with_deadlines(reader: &mut Reader<'_>, store: &Store, now: Now) -> Option<Made> {
    let earliest = i64::from_le_bytes(reader.array()?);
    let count = usize::try_from(reader.length()?).ok()?;
    if count > reader.0.len() {
        return None;
    }
    let mut fields = Vec::new();
    for _ in 0..count {
        let deadline = match reader.length()? {
            0 => None,
            after => Some(earliest.checked_add(i64::try_from(after - 1).ok()?)?),
        };
        // 0 is how a packed hash says that there is none.
        if deadline.is_some_and(|deadline| deadline <= 0) {
            return None;
        }
        fields.push((reader.string()?, reader.string()?, deadline));
    }
    let mut unique = true;
    let made = store.make_hash(now, |hash| {
        unique = fields.iter().all(|(name, value, deadline)| hash.set(name, value, *deadline));
    });
    unique.then_some(made)
}
