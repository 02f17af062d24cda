//! The 16384 key slots of Redis Cluster.
//!
//! Source: the Redis Cluster specification, "Key distribution model" and "Hash tags".

use crc16::{State, XMODEM};

/// How many slots there are.
pub const SLOTS: usize = 16384;

/// One slot, `0..SLOTS`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Slot(u16);

impl Slot {
    /// The slot with this number, if there is one.
    pub fn new(number: u16) -> Option<Slot> {
        ((number as usize) < SLOTS).then_some(Slot(number))
    }

    /// The slot of a key: CRC16 of its hash tag, or of the whole key. O(length).
    pub fn of_key(key: &[u8]) -> Slot {
        Slot(State::<XMODEM>::calculate(hash_tag(key)) & (SLOTS as u16 - 1))
    }

    /// The slot's number.
    pub fn number(self) -> u16 {
        self.0
    }

    /// The slot's position in arrays over all slots.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What of a key is hashed: the bytes between the first `{` and the next `}` if there are any,
/// else the key.
pub fn hash_tag(key: &[u8]) -> &[u8] {
    // Nearly no key has one, and `contains` looks at a word at a time.
    if !key.contains(&b'{') {
        return key;
    }
    let Some(open) = key.iter().position(|byte| *byte == b'{') else { return key };
    let inner = &key[open + 1..];
    match inner.iter().position(|byte| *byte == b'}') {
        Some(length) if length > 0 => &inner[..length],
        _ => key,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_redis_cluster() {
        assert_eq!(Slot::of_key(b"foo").number(), 12182);
        assert_eq!(Slot::of_key(b"123456789").number(), 0x31c3);
        assert_eq!(Slot::of_key(b"").number(), 0);
    }

    #[test]
    fn hash_tags_follow_the_specification() {
        assert_eq!(hash_tag(b"{user1000}.following"), b"user1000");
        assert_eq!(hash_tag(b"foo{}{bar}"), b"foo{}{bar}");
        assert_eq!(hash_tag(b"foo{{bar}}zap"), b"{bar");
        assert_eq!(hash_tag(b"foo{bar}{zap}"), b"bar");
        assert_eq!(hash_tag(b"foo{bar"), b"foo{bar");
    }

    #[test]
    fn only_existing_slots_have_names() {
        assert!(Slot::new(16383).is_some());
        assert!(Slot::new(16384).is_none());
    }
}
