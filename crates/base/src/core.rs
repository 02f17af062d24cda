//! Cores and sets of them.

/// The most cores one server can have; bounds the size of [`CoreSet`].
pub const MAX_CORES: usize = 256;

/// One core of this server, counted from 0 in the order of their slot ranges.
#[derive(Default, Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct CoreId(pub u16);

impl CoreId {
    /// The core's position in per-core arrays.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A set of cores; all operations O(1) in the number of cores present.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CoreSet([u64; MAX_CORES / 64]);

impl CoreSet {
    /// The set of the cores `0..count`.
    pub fn first(count: usize) -> CoreSet {
        let mut set = CoreSet::default();
        for index in 0..count {
            set.insert(CoreId(index as u16));
        }
        set
    }

    /// Adds a core; says whether it was absent.
    pub fn insert(&mut self, core: CoreId) -> bool {
        let (word, bit) = (core.index() / 64, 1u64 << (core.index() % 64));
        let absent = self.0[word] & bit == 0;
        self.0[word] |= bit;
        absent
    }

    /// Takes a core out; says whether it was there.
    pub fn remove(&mut self, core: CoreId) -> bool {
        let (word, bit) = (core.index() / 64, 1u64 << (core.index() % 64));
        let present = self.0[word] & bit != 0;
        self.0[word] &= !bit;
        present
    }

    /// Whether the core is in the set.
    pub fn contains(&self, core: CoreId) -> bool {
        self.0[core.index() / 64] & (1u64 << (core.index() % 64)) != 0
    }

    /// How many cores are in the set.
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether no core is in the set.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// The cores of the set, ascending.
    pub fn iter(&self) -> impl Iterator<Item = CoreId> + '_ {
        (0..MAX_CORES as u16).map(CoreId).filter(|core| self.contains(*core))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_inserted_and_not_removed() {
        let mut set = CoreSet::first(3);
        assert!(!set.insert(CoreId(2)));
        assert!(set.insert(CoreId(200)));
        assert!(set.remove(CoreId(0)));
        assert!(!set.remove(CoreId(0)));
        assert_eq!(set.iter().map(|core| core.0).collect::<Vec<_>>(), [1, 2, 200]);
        assert_eq!(set.len(), 3);
        assert!(!set.is_empty());
    }
}
