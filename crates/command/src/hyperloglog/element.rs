//! From an element to a register: the hash, and what is made of its bits.

use super::REGISTERS;

/// Seed of the hash, which is part of the format: other seeds would count the same elements anew.
const SEED: u64 = 0xadc8_3b19;

/// Bits of the hash that choose the register.
const INDEX_BITS: u32 = REGISTERS.trailing_zeros();

/// Bits of the hash that are left.
pub(super) const RANK_BITS: u32 = 64 - INDEX_BITS;

/// The register of an element, and the value that it must have at least: one more than the
/// number of zeros that the rest of the hash begins with, so 1 to 51. O(length).
pub fn place(element: &[u8]) -> (usize, u8) {
    let hash = murmur64a(element);
    let index = hash as usize % REGISTERS;
    // A bit behind the last ends the search where there is no other.
    let rest = hash >> INDEX_BITS | 1 << RANK_BITS;
    (index, rest.trailing_zeros() as u8 + 1)
}

/// MurmurHash64A by Austin Appleby (public domain), as on a little-endian machine.
fn murmur64a(bytes: &[u8]) -> u64 {
    const FACTOR: u64 = 0xc6a4_a793_5bd1_e995;
    const SHIFT: u32 = 47;
    let mut hash = SEED ^ (bytes.len() as u64).wrapping_mul(FACTOR);
    let words = bytes.chunks_exact(8);
    let rest = words.remainder();
    for word in words {
        let mut mixed = u64::from_le_bytes(word.try_into().expect("eight bytes"));
        mixed = mixed.wrapping_mul(FACTOR);
        mixed ^= mixed >> SHIFT;
        hash = (hash ^ mixed.wrapping_mul(FACTOR)).wrapping_mul(FACTOR);
    }
    if !rest.is_empty() {
        let mut word = [0; 8];
        word[..rest.len()].copy_from_slice(rest);
        hash = (hash ^ u64::from_le_bytes(word)).wrapping_mul(FACTOR);
    }
    hash = (hash ^ hash >> SHIFT).wrapping_mul(FACTOR);
    hash ^ hash >> SHIFT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_has_the_register_that_redis_gives_it() {
        // As `PFDEBUG DECODE` of redis-server 7.0 shows a HyperLogLog of this one element.
        assert_eq!(place(b"a"), (12_711, 2));
    }
}
