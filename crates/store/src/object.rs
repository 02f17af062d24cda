//! What lies out of line: values too large, or later too structured, for an entry.

use compact::{Payload, round_large};

/// Strings longer than this are boxed: they can then grow in place and move by their address, and
/// the allocator's overhead is small beside them.
pub(crate) const INLINE_VALUE_MAX: usize = 3584;

/// A boxed value.
pub(crate) enum Object {
    /// A long string.
    Bytes(Vec<u8>),
}

const _: () = {
    const fn is_send<T: Send>() {}
    is_send::<Object>();
};

impl Object {
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
        let Object::Bytes(bytes) = self;
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
        let Object::Bytes(bytes) = self;
        size_of::<Object>() + bytes.capacity()
    }
}
