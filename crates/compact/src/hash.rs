//! The hash of a key.
//!
//! foldhash's "quality" variant: every bit of the result depends on every bit of the input, which
//! the tables need, because they take bucket numbers from the low end and tags from both ends of
//! one 64-bit hash. Its multipliers come from the seed too, not only its start: with published
//! multipliers somebody could choose a million keys that collide under every start.

use core::hash::Hasher as _;
use foldhash::SharedSeed;
use foldhash::quality::FoldHasher;

/// A seeded hash function of byte strings; equal seeds give equal hashes.
#[derive(Clone, Copy)]
pub struct KeyHash {
    start: u64,
    /// Lives as long as the process, so that the function is a plain `Copy` value that travels with
    /// every request; one is made a process (and one a run of the simulator), 64 bytes each.
    multipliers: &'static SharedSeed,
}

impl KeyHash {
    /// The hash function of this seed. Keeps its 64 bytes of multipliers for good: make it once.
    pub fn new(seed: u64) -> KeyHash {
        KeyHash { start: seed, multipliers: Box::leak(Box::new(SharedSeed::from_u64(!seed))) }
    }

    /// The hash of these bytes. O(length).
    #[inline]
    pub fn hash(&self, bytes: &[u8]) -> u64 {
        let mut hasher = FoldHasher::with_seed(self.start, self.multipliers);
        hasher.write(bytes);
        hasher.finish()
    }
}

impl core::fmt::Debug for KeyHash {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.write_str("KeyHash")
    }
}
