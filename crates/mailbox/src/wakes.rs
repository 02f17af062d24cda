//! A fixed set of participants, small enough to be returned by value.

/// The most participants one mesh can have: 256 cores and room for control lanes.
pub const PARTICIPANTS_MAX: usize = 320;

const WORDS: usize = PARTICIPANTS_MAX / 64;

/// Participants that were asleep when something was published for them. Each of them must be
/// woken by whoever got this set: their sleep was claimed, nobody else will. Iterates ascending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use = "those in the set sleep on until they are woken"]
pub struct Wakes([u64; WORDS]);

impl Wakes {
    #[inline]
    pub(crate) fn insert(&mut self, index: usize) {
        self.0[index / 64] |= 1 << (index % 64);
    }

    /// Whether nobody has to be woken.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// How many have to be woken.
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether this participant is among them.
    pub fn contains(&self, index: usize) -> bool {
        self.0[index / 64] & (1 << (index % 64)) != 0
    }
}

impl Iterator for Wakes {
    type Item = usize;

    /// Takes the lowest out of the set.
    #[inline]
    fn next(&mut self) -> Option<usize> {
        for (position, word) in self.0.iter_mut().enumerate() {
            if *word != 0 {
                let bit = word.trailing_zeros() as usize;
                *word &= *word - 1;
                return Some(position * 64 + bit);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_gives_back_its_members_ascending_and_is_empty_then() {
        let mut wakes = Wakes::default();
        assert!(wakes.is_empty());
        for index in [319, 0, 63, 64, 256] {
            wakes.insert(index);
        }
        assert_eq!(wakes.len(), 5);
        assert!(wakes.contains(256) && !wakes.contains(255));
        assert_eq!(wakes.by_ref().collect::<Vec<_>>(), [0, 63, 64, 256, 319]);
        assert!(wakes.is_empty());
    }
}
