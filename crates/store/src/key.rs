//! A key with what routing already knows of it.

use base::Slot;
use compact::KeyHash;

/// A key's bytes, its slot and its hash. Made by [`Hasher::key`]; the hash holds on every core
/// of the process, so what the origin computed serves the owner.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    /// The key itself.
    pub bytes: &'a [u8],
    /// Its slot.
    pub slot: Slot,
    /// Its hash under the seed of this process.
    pub hash: u64,
}

/// The hash function of this process: seeded once at boot, equal on all cores.
#[derive(Clone, Copy, Debug)]
pub struct Hasher(KeyHash);

impl Hasher {
    /// The hash function of this seed.
    pub fn new(seed: u64) -> Hasher {
        Hasher(KeyHash::new(seed))
    }

    /// These bytes as a key. O(length).
    #[inline]
    pub fn key<'a>(&self, bytes: &'a [u8]) -> Key<'a> {
        Key { bytes, slot: Slot::of_key(bytes), hash: self.hash(bytes) }
    }

    /// Only the hash of these bytes. O(length).
    #[inline]
    pub fn hash(&self, bytes: &[u8]) -> u64 {
        self.0.hash(bytes)
    }

    /// What the tables hash with.
    pub(crate) fn inner(&self) -> KeyHash {
        self.0
    }
}
