//! Long strings that stay in the buffer in which they were received.

use crate::object::Object;
use bytes::Bytes;

/// A string and the buffer it is nearly all of.
pub(crate) struct Received {
    bytes: Bytes,
    /// Memory of the buffer in bytes.
    room: usize,
}

impl Received {
    /// The string.
    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The string in a vector of its own: moved within its memory when nobody else has the buffer.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        Vec::from(std::mem::take(&mut self.bytes))
    }

    /// Memory that it takes, in bytes.
    pub(crate) fn footprint(&self) -> usize {
        size_of::<Received>() + self.room
    }
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
    pub(crate) fn take(&self, value: &[u8]) -> Option<Box<Object>> {
        let (buffer, place) = (self.bytes.as_ptr_range(), value.as_ptr_range());
        let within = buffer.start <= place.start && place.end <= buffer.end;
        if !within || value.len() < self.room / 2 {
            return None;
        }
        let bytes = self.bytes.slice_ref(value);
        Some(Box::new(Object::Received(Box::new(Received { bytes, room: self.room }))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use compact::Payload;

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
        assert_eq!(object.as_bytes().expect("a string").as_ptr_range(), value.as_ptr_range());
        assert!(object.footprint() >= 100_100, "it holds all of the buffer");
        let wanted = [value, b"tail"].concat();
        drop(offer);
        assert_eq!(object.write_at(98_950, b"tail"), 98_954);
        assert!(object.as_bytes() == Some(&wanted[..]));
        assert!(matches!(*object, Object::Bytes(_)));
    }

    #[test]
    fn a_small_part_of_the_buffer_and_what_lies_elsewhere_are_copied() {
        let offer = offer(100_000, 100_100);
        let part = &offer.bytes[..10_000];
        let elsewhere = vec![7; 100_000];
        for value in [part, &elsewhere] {
            let object = Object::keep(value, Some(&offer));
            assert!(object.as_bytes() == Some(value) && matches!(*object, Object::Bytes(_)));
        }
    }

    #[test]
    fn changing_a_value_leaves_who_else_has_the_buffer_alone() {
        let offer = offer(100_000, 100_000);
        let mut object = Object::keep(&offer.bytes, Some(&offer));
        object.write_at(0, b"changed");
        assert_eq!(offer.bytes[..3], [0, 1, 2]);
        assert_eq!(object.as_bytes().expect("a string")[..7], *b"changed");
    }
}
