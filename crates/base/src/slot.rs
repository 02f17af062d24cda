//! The 16384 key slots of Redis Cluster.
//!
//! Source: the Redis Cluster specification, "Key distribution model" and "Hash tags".

use crc::{CRC_16_XMODEM, Crc, Table};

const CRC16: Crc<u16, Table<16>> = Crc::<u16, Table<16>>::new(&CRC_16_XMODEM);

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
        Slot(crc16(hash_tag(key)) & (SLOTS as u16 - 1))
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

/// The CRC16 of the specification. Four bytes at a time by the first four tables of the crate, whose own function takes 16 at a
/// time or one, and keys are short.
#[inline]
fn crc16(bytes: &[u8]) -> u16 {
    let [by0, by1, by2, by3, ..] = CRC16.table();
    let (fours, rest) = bytes.as_chunks::<4>();
    let at = |table: &[u16; 256], byte: u8| table[usize::from(byte)];
    let crc = fours.iter().fold(0u16, |crc, [a, b, c, d]| {
        let [high, low] = crc.to_be_bytes();
        at(by3, a ^ high) ^ at(by2, b ^ low) ^ at(by1, *c) ^ at(by0, *d)
    });
    rest.iter().fold(crc, |crc, byte| crc << 8 ^ at(by0, byte ^ (crc >> 8) as u8))
}

/// Whether there is an opening brace. By words, of which the last may overlap: most keys are too short for a search that
/// must first find its stride.
#[inline]
fn has_brace(key: &[u8]) -> bool {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    // The highest bit of each byte that is a brace, and perhaps of bytes above one.
    let braces = |word: &[u8; 8]| {
        let differs = u64::from_le_bytes(*word) ^ (ONES * b'{' as u64);
        differs.wrapping_sub(ONES) & !differs & (ONES << 7)
    };
    match key.last_chunk() {
        None => key.contains(&b'{'),
        Some(last) => {
            let (words, _) = key.as_chunks::<8>();
            words.iter().fold(braces(last), |any, word| any | braces(word)) != 0
        }
    }
}

/// What of a key is hashed: the bytes between the first `{` and the next `}` if there are any,
/// else the key.
pub fn hash_tag(key: &[u8]) -> &[u8] {
    // Nearly no key has one.
    if !has_brace(key) {
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
    fn slots_of_keys_of_all_lengths_are_those_of_another_implementation() {
        let long: Vec<u8> = (0..200u8).map(|byte| byte.wrapping_mul(37)).collect();
        for end in 0..long.len() {
            for start in 0..end.min(9) {
                let key = &long[start..end];
                assert_eq!(crc16(key), crc16::State::<crc16::XMODEM>::calculate(key));
                assert_eq!(has_brace(key), key.contains(&b'{'), "{key:?}");
            }
        }
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
