//! Telling the processor early which lines of memory the coming commands will touch.
//!
//! A batch of requests is known before the first is executed. Hints go out in two waves: the
//! table line of each key as soon as its request is parsed, and its entry some requests before
//! its turn, when the table line has arrived (performance.md P9).

use super::Shard;
use store::Key;

/// How many requests ahead the entry is asked for.
pub const ENTRY_AHEAD: usize = 8;

impl Shard {
    /// First wave: the line of the table in which the key is looked up.
    #[inline]
    pub fn prefetch_table(&self, db: u8, key: &Key<'_>) {
        self.store.prefetch_table(db, key);
    }

    /// Second wave: the entry that the table line names.
    #[inline]
    pub fn prefetch_entry(&self, db: u8, key: &Key<'_>) {
        self.store.prefetch_entry(db, key);
    }
}
