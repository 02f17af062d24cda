//! What lies out of line: values too large, or later too structured, for an entry.

use bytes::Bytes;
use compact::{Payload, round_large};

/// Strings longer than this are boxed: they can then grow in place and move by their address, and
/// the allocator's overhead is small beside them.
pub(crate) const INLINE_VALUE_MAX: usize = 3584;

/// A boxed value.
pub(crate) enum Object {
    /// A long string.
    Bytes(Vec<u8>),
    /// A long string in the buffer in which it was received.
    Received(Box<Received>),
}

/// A string and the buffer it is nearly all of.
pub(crate) struct Received {
    bytes: Bytes,
    /// Memory of the buffer in bytes.
    room: usize,
}

/// A request's buffer, which the store may keep instead of a copy of the value in it.
pub(crate) struct Offer {
    /// The bytes of the request.
    pub(crate) bytes: Bytes,
    /// Memory of the buffer in bytes.
    pub(crate) room: usize,
}

impl Offer {
    /// The value itself, if it lies in this buffer and is most of it.
    fn take(&self, value: &[u8]) -> Option<Box<Object>> {
        let (buffer, place) = (self.bytes.as_ptr_range(), value.as_ptr_range());
        let within = buffer.start <= place.start && place.end <= buffer.end;
        if !within || value.len() < self.room / 2 {
            return None;
        }
        let bytes = self.bytes.slice_ref(value);
        Some(Box::new(Object::Received(Box::new(Received { bytes, room: self.room }))))
    }
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

    /// The string.
    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Object::Bytes(bytes) => bytes,
            Object::Received(received) => &received.bytes,
        }
    }

    /// The string, to be changed. O(length) the first time it is asked of one that was received.
    pub(crate) fn bytes_mut(&mut self) -> &mut Vec<u8> {
        if let Object::Received(received) = self {
            // Nobody else has it when its request is over, so this moves it within its memory.
            *self = Object::Bytes(Vec::from(std::mem::take(&mut received.bytes)));
        }
        match self {
            Object::Bytes(bytes) => bytes,
            Object::Received(_) => unreachable!("it has just become the other"),
        }
    }

    /// A long string of these bytes, zero-filled or cut to `len`.
    pub(crate) fn bytes(start: &[u8], len: usize) -> Box<Object> {
        let mut bytes = Vec::with_capacity(round_large(len));
        bytes.extend_from_slice(&start[..start.len().min(len)]);
        bytes.resize(len, 0);
        Box::new(Object::Bytes(bytes))
    }

    /// Writes `patch` at `offset`, filling a gap with zeros; gives the new length. Amortised
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

impl Payload for Object {
    fn footprint(&self) -> usize {
        let out_of_line = match self {
            Object::Bytes(bytes) => bytes.capacity(),
            Object::Received(received) => size_of::<Received>() + received.room,
        };
        size_of::<Object>() + out_of_line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(len: usize, room: usize) -> Offer {
        let mut bytes = Vec::with_capacity(room);
        bytes.extend((0..len).map(|at| at as u8));
        Offer { bytes: Bytes::from(bytes), room }
    }

    #[test]
    fn a_value_that_is_most_of_the_offered_buffer_stays_where_it_is() {
        let offer = offer(100_000, 100_100);
        let value = &offer.bytes[50..99_000];
        let mut object = Object::keep(value, Some(&offer));
        assert_eq!(object.as_bytes().as_ptr_range(), value.as_ptr_range());
        assert!(object.footprint() >= 100_100, "it holds all of the buffer");
        let wanted = [value, b"tail"].concat();
        drop(offer);
        assert_eq!(object.write_at(98_950, b"tail"), 98_954);
        assert!(object.as_bytes() == wanted);
        assert!(matches!(*object, Object::Bytes(_)));
    }

    #[test]
    fn a_small_part_of_the_buffer_and_what_lies_elsewhere_are_copied() {
        let offer = offer(100_000, 100_100);
        let part = &offer.bytes[..10_000];
        let elsewhere = vec![7; 100_000];
        for value in [part, &elsewhere] {
            let object = Object::keep(value, Some(&offer));
            assert!(object.as_bytes() == value && matches!(*object, Object::Bytes(_)));
        }
    }

    #[test]
    fn changing_a_value_leaves_who_else_has_the_buffer_alone() {
        let offer = offer(100_000, 100_000);
        let mut object = Object::keep(&offer.bytes, Some(&offer));
        object.write_at(0, b"changed");
        assert_eq!(offer.bytes[..3], [0, 1, 2]);
        assert_eq!(object.as_bytes()[..7], *b"changed");
    }
}
