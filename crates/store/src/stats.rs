//! What a core counts about its keyspace.

base::stats! {
    /// Counters of one core's keyspace, under the names INFO uses.
    pub struct StoreStats {
        /// Reads that found their key.
        keyspace_hits,
        /// Reads that did not.
        keyspace_misses,
        /// Keys deleted because their time to live was over.
        expired_keys,
        /// Fields of hashes deleted because their time to live was over.
        expired_subkeys,
        /// Keys deleted to make room.
        evicted_keys,
        /// Keys with a time to live that the expiry cycle looked at.
        expire_visited_keys,
        /// Those of them that were due: the stale share is this over the former.
        expire_stale_keys,
        /// Steps of the expiry cycle that ended at their budget with more to do.
        expired_budget_reached,
        /// Entries moved to empty the slab's sparse spans.
        compacted_entries,
    }
}
