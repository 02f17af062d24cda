//! What lies out of line: values too large, or too structured, for an entry.

use crate::Kind;
use crate::hash::HashTable;
use crate::list::Nodes;
use crate::packed::{Form, Packed};
use crate::received::{Offer, Received};
use crate::stream::Stream;
use compact::{Map, Payload, Ranking, round_large};

/// Strings and packed collections longer than this are boxed: they can then grow in place and move by
/// their address, and the allocator's overhead is small beside them.
pub(crate) const INLINE_VALUE_MAX: usize = 3584;

/// The mark of an entry's bytes that are a string.
pub(crate) const PLAIN: u8 = 0;
/// The mark of a string that reports the encoding `raw` whatever its length.
pub(crate) const RAW: u8 = 1;
/// The mark of a packed collection.
pub(crate) const PACKED: u8 = 2;

/// Parts above which an object is freed in steps: some 50 µs of freeing.
pub(crate) const LARGE_PARTS: usize = 512;

/// A boxed value.
pub(crate) enum Object {
    /// A long string.
    Bytes(Vec<u8>),
    /// A long string in the buffer in which it was received.
    Received(Box<Received>),
    /// A packed collection.
    Packed(Vec<u8>),
    /// A hash that outgrew its packed form.
    Hash(Box<HashTable>),
    /// A list that outgrew its packed form.
    List(Box<Nodes>),
    /// A set that outgrew its packed form.
    Set(Box<Map>),
    /// A sorted set that outgrew its packed form.
    SortedSet(Box<Ranking>),
    /// A stream.
    Stream(Box<Stream>),
}

const _: () = {
    const fn is_send<T: Send>() {}
    is_send::<Object>();
};

impl Object {
    /// A long string of these bytes: where they are if they were offered, or a copy.
    #[inline]
    pub(crate) fn keep(bytes: &[u8], offer: Option<&Offer>) -> Box<Object> {
        let kept = offer.and_then(|offer| offer.take(bytes));
        kept.unwrap_or_else(|| Object::bytes(bytes, bytes.len()))
    }

    /// The string, if it is one.
    #[inline]
    pub(crate) fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Object::Bytes(bytes) => Some(bytes),
            Object::Received(received) => Some(received.bytes()),
            _ => None,
        }
    }

    /// The string, to be changed. O(length) the first time it is asked of one that was received.
    pub(crate) fn bytes_mut(&mut self) -> &mut Vec<u8> {
        if let Object::Received(received) = self {
            // Nobody else has it when its request is over, so this moves it within its memory.
            *self = Object::Bytes(received.take());
        }
        match self {
            Object::Bytes(bytes) => bytes,
            _ => unreachable!("only strings are written into"),
        }
    }

    /// A long string of these bytes, zero-filled or cut to `len`.
    pub(crate) fn bytes(start: &[u8], len: usize) -> Box<Object> {
        let mut bytes = Vec::with_capacity(round_large(len));
        bytes.extend_from_slice(&start[..start.len().min(len)]);
        bytes.resize(len, 0);
        Box::new(Object::Bytes(bytes))
    }

    /// What TYPE says of it.
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Object::Bytes(_) | Object::Received(_) => Kind::String,
            Object::Packed(bytes) => packed_kind(bytes),
            Object::Hash(_) => Kind::Hash,
            Object::List(_) => Kind::List,
            Object::Set(_) => Kind::Set,
            Object::SortedSet(_) => Kind::SortedSet,
            Object::Stream(_) => Kind::Stream,
        }
    }

    /// Whether it is a collection without elements, whose key must go.
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Object::Bytes(_) | Object::Received(_) => false,
            Object::Packed(bytes) => Packed::of(bytes).count == 0,
            Object::Hash(table) => table.map.is_empty(),
            Object::List(nodes) => nodes.len() == 0,
            Object::Set(map) => map.is_empty(),
            Object::SortedSet(ranking) => ranking.is_empty(),
            // Its last ID and its groups outlive its entries.
            Object::Stream(_) => false,
        }
    }

    /// Allocations that it takes to hold it.
    fn parts(&self) -> usize {
        match self {
            Object::Bytes(_) | Object::Received(_) | Object::Packed(_) => 1,
            Object::Hash(table) => table.map.len(),
            Object::List(nodes) => nodes.parts(),
            Object::Set(map) => map.len(),
            Object::SortedSet(ranking) => ranking.len(),
            Object::Stream(stream) => stream.parts(),
        }
    }

    /// A copy of it all. O(elements).
    pub(crate) fn duplicate(&self) -> Object {
        match self {
            Object::Bytes(bytes) => *Object::bytes(bytes, bytes.len()),
            Object::Received(received) => *Object::bytes(received.bytes(), received.bytes().len()),
            Object::Packed(bytes) => Object::Packed(bytes.clone()),
            Object::Hash(table) => Object::Hash(Box::new(HashTable {
                map: table.map.duplicate(),
                earliest_ms: table.earliest_ms,
                pass: None,
            })),
            Object::List(nodes) => Object::List(nodes.clone()),
            Object::Set(map) => Object::Set(Box::new(map.duplicate())),
            Object::SortedSet(ranking) => Object::SortedSet(Box::new(ranking.duplicate())),
            Object::Stream(stream) => Object::Stream(stream.clone()),
        }
    }

    /// Writes `patch` at `offset` of a string, filling a gap with zeros; gives the new length. Amortised
    /// O(patch + gap): a string that grows gets a quarter more room than it needs.
    pub(crate) fn write_at(&mut self, offset: usize, patch: &[u8]) -> usize {
        let bytes = self.bytes_mut();
        let end = offset + patch.len();
        if end > bytes.capacity() {
            let room = round_large(end.max(bytes.capacity() + bytes.capacity() / 4));
            bytes.reserve_exact(room - bytes.len());
        }
        if end > bytes.len() {
            bytes.resize(end, 0);
        }
        bytes[offset..end].copy_from_slice(patch);
        bytes.len()
    }
}

/// The type of a packed collection.
pub(crate) fn packed_kind(bytes: &[u8]) -> Kind {
    match Packed::of(bytes).form {
        Form::List => Kind::List,
        Form::Hash | Form::HashDeadlines => Kind::Hash,
        Form::Set | Form::Ints => Kind::Set,
        Form::SortedSet => Kind::SortedSet,
    }
}

/// The type of a value.
#[inline]
pub(crate) fn kind_of(value: &compact::Value<'_, Object>) -> Kind {
    match value {
        compact::Value::Bytes { bytes, mark: PACKED } => packed_kind(bytes),
        compact::Value::Bytes { .. } | compact::Value::Int(_) => Kind::String,
        compact::Value::Boxed(object) => object.kind(),
    }
}

/// The bytes of a packed collection, wherever they lie.
#[inline]
pub(crate) fn packed_bytes<'a>(value: &compact::Value<'a, Object>) -> Option<&'a [u8]> {
    match *value {
        compact::Value::Bytes { bytes, mark: PACKED } => Some(bytes),
        compact::Value::Boxed(Object::Packed(bytes)) => Some(bytes),
        _ => None,
    }
}

impl Payload for Object {
    fn footprint(&self) -> usize {
        let owned = match self {
            Object::Bytes(bytes) | Object::Packed(bytes) => bytes.capacity(),
            Object::Received(received) => received.footprint(),
            Object::Hash(table) => table.bytes(),
            Object::List(nodes) => nodes.footprint(),
            Object::Set(map) => map.bytes(),
            Object::SortedSet(ranking) => ranking.bytes(),
            Object::Stream(stream) => stream.footprint(),
        };
        size_of::<Object>() + owned
    }

    fn is_large(&self) -> bool {
        self.parts() > LARGE_PARTS
    }

    fn shed(&mut self, budget: usize) -> bool {
        match self {
            Object::Bytes(_) | Object::Received(_) | Object::Packed(_) => false,
            Object::Hash(table) => table.map.dismantle(budget),
            Object::List(nodes) => nodes.dismantle(budget),
            Object::Set(map) => map.dismantle(budget),
            Object::SortedSet(ranking) => ranking.dismantle(budget),
            Object::Stream(stream) => stream.dismantle(budget),
        }
    }
}
