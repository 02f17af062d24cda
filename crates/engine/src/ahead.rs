//! Bringing keys' memory into the cache before they are looked up.
//!
//! A lookup reads three places, each named by the one before: the table's header, the bucket, the
//! entry. The first is asked for when a request is found; when the batch is executed the second runs two
//! distances ahead and the third one, so that each has arrived when the next reads it.

use store::{Hint, Store};

/// The keys of one batch, in the order in which they will be looked up, and how far each wave is.
#[derive(Debug, Default)]
pub struct Ahead {
    hints: Vec<Hint>,
    buckets: usize,
    entries: usize,
}

impl Ahead {
    /// Adds the next key of the batch and asks for its table's header.
    #[inline]
    pub fn push(&mut self, store: &Store, hint: Hint) {
        store.prefetch_table(hint);
        self.hints.push(hint);
    }

    /// Starts the waves, entries `distance` keys ahead. A single key gains nothing by them.
    pub fn start(&mut self, store: &Store, distance: usize) {
        if self.hints.len() > 1 {
            self.ask_for_buckets(store, 2 * distance);
            self.ask_for_entries(store, distance);
        }
    }

    /// To be called before each key of the batch is looked up: moves the waves on by one.
    #[inline]
    pub fn next(&mut self, store: &Store) {
        if self.entries == 0 {
            return;
        }
        self.ask_for_buckets(store, 1);
        self.ask_for_entries(store, 1);
    }

    /// Ends the batch. Gives how many keys it had.
    pub fn finish(&mut self) -> usize {
        let keys = self.hints.len();
        self.hints.clear();
        (self.buckets, self.entries) = (0, 0);
        keys
    }

    #[inline]
    fn ask_for_buckets(&mut self, store: &Store, count: usize) {
        let end = self.hints.len().min(self.buckets + count);
        self.hints[self.buckets..end].iter().for_each(|hint| store.prefetch_bucket(*hint));
        self.buckets = end;
    }

    #[inline]
    fn ask_for_entries(&mut self, store: &Store, count: usize) {
        let end = self.hints.len().min(self.entries + count);
        self.hints[self.entries..end].iter().for_each(|hint| store.prefetch_entry(*hint));
        self.entries = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_waves_keep_their_distances_and_end_with_the_batch() {
        let store = Store::new(1, 0..16_384, 7, 7);
        let mut ahead = Ahead::default();
        for number in 0..10u8 {
            ahead.push(&store, store.hasher().key(&[number]).hint(0));
        }
        ahead.start(&store, 3);
        assert_eq!((ahead.buckets, ahead.entries), (6, 3));
        ahead.next(&store);
        assert_eq!((ahead.buckets, ahead.entries), (7, 4));
        (1..10).for_each(|_| ahead.next(&store));
        assert_eq!((ahead.buckets, ahead.entries), (10, 10));
        assert_eq!(ahead.finish(), 10);
        assert_eq!((ahead.hints.len(), ahead.buckets, ahead.entries), (0, 0, 0));
    }

    #[test]
    fn a_single_key_has_no_waves() {
        let store = Store::new(1, 0..16_384, 7, 7);
        let mut ahead = Ahead::default();
        ahead.push(&store, store.hasher().key(b"a").hint(0));
        ahead.start(&store, 3);
        ahead.next(&store);
        assert_eq!((ahead.buckets, ahead.entries), (0, 0));
    }
}
