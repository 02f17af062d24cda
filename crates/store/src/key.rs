//! A key with what routing already knows of it.

use base::Slot;
use compact::{KeyHash, Place};

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

/// Where a key will be looked for: enough to bring its memory into the cache, without its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Hint {
    /// The database.
    pub db: u8,
    /// The key's slot.
    pub slot: Slot,
    /// Its hash.
    pub hash: u64,
}

impl Hint {
    #[inline]
    pub(crate) fn place(self) -> Place {
        Place { space: usize::from(self.db), table: self.slot.index(), hash: self.hash }
    }
}

impl Key<'_> {
    /// Where this key of a database will be looked for.
    #[inline]
    pub fn hint(&self, db: u8) -> Hint {
        Hint { db, slot: self.slot, hash: self.hash }
    }
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
