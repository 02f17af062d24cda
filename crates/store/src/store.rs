//! Every database of one core.

use crate::access;
use crate::evict::Pool;
use crate::field_ttl::FieldDeadlines;
use crate::object::Object;
use crate::received::Offer;
use crate::ttl::Cycle;
use crate::{Db, Eviction, Hasher, Hint, Key, Shapes, StoreStats};
use base::{Now, Prng, Slot};
use bytes::Bytes;
use compact::{Place, Tables, Usage};
use std::ops::Range;

/// Removals remembered before reads stop to delete expired keys, which are then only hidden:
/// [`Store::take_removed`] should have been called long before.
const REMOVED_MAX: usize = 4096;
/// Idle memory of the slab that compaction may still free, or that is used again before, is not counted as
/// used up to this share of what is in use or up to this many bytes: so an eviction shows at once in full.
/// `compact_step` begins its work a little earlier; what it could not free is counted.
const FRESHLY_IDLE_SHARE: usize = 64;
const FRESHLY_IDLE_BYTES: usize = 512 << 10;

/// Idle memory that may come before it is counted as used.
fn idle_allowed(usage: &Usage) -> usize {
    ((usage.data + usage.tables) / FRESHLY_IDLE_SHARE).max(FRESHLY_IDLE_BYTES)
}

/// Every database of one core. It owns a range of slots, but serves any.
pub struct Store {
    pub(crate) tables: Tables<Object>,
    pub(crate) ledger: Ledger,
    pub(crate) slots: Range<usize>,
    pub(crate) cycles: Vec<Cycle>,
    /// The database that the expiry cycle goes on with.
    pub(crate) cycle_db: usize,
    pub(crate) pool: Pool,
    /// The buffer of the request under way, if the store may keep it.
    pub(crate) offer: Option<Offer>,
    pub(crate) hasher: Hasher,
    /// The thresholds of the encodings.
    pub(crate) shapes: Shapes,
    /// Hashes with fields that have a time to live.
    pub(crate) field_deadlines: FieldDeadlines,
}

const _: () = {
    const fn is_send<T: Send>() {}
    is_send::<Store>();
};

/// What is kept beside the tables, apart from them so that both can be borrowed at once.
pub(crate) struct Ledger {
    pub(crate) stats: StoreStats,
    pub(crate) changes: u64,
    pub(crate) touch: bool,
    pub(crate) eviction: Eviction,
    pub(crate) prng: Prng,
    watching: bool,
    removed: Vec<Removed>,
}

/// Where the memory of a store goes, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Everything: what `maxmemory` is compared with.
    pub used: usize,
    /// Keys and values with their headers.
    pub dataset: usize,
    /// Tables, and what the slab holds without using it.
    pub overhead: usize,
    /// The part of the overhead that the slab holds without using it. A small share of it is not
    /// in `used`, so that the parts may add up to a little more than the whole.
    pub fragmentation: usize,
}

/// Why the store removed a key by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Its time to live was over.
    Expired,
    /// Memory was short.
    Evicted,
}

/// A key that the store removed by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    /// The database.
    pub db: u8,
    /// The key.
    pub key: Box<[u8]>,
    /// Why.
    pub cause: Cause,
}

/// The place of a key in the tables.
#[inline]
pub(crate) fn place(db: usize, key: &Key<'_>) -> Place {
    Place { space: db, table: key.slot.index(), hash: key.hash }
}

impl Ledger {
    /// Whether a read may delete an expired key now.
    #[inline]
    pub(crate) fn may_remove(&self) -> bool {
        self.removed.len() < REMOVED_MAX
    }

    /// Counts and remembers a key that the store removed by itself.
    pub(crate) fn on_removed(&mut self, db: usize, key: &[u8], cause: Cause) {
        match cause {
            Cause::Expired => self.stats.expired_keys += 1,
            Cause::Evicted => self.stats.evicted_keys += 1,
        }
        if self.watching {
            self.removed.push(Removed { db: db as u8, key: key.into(), cause });
        }
    }

    /// The access bits of a key after a use.
    #[inline]
    pub(crate) fn used(&mut self, old: u32, now: Now) -> u32 {
        access::used(old, &self.eviction, &mut self.prng, now)
    }
}

impl Store {
    /// An empty store. `slots` are those this core owns: SCAN walks them. Equal seeds and equal
    /// calls give equal behaviour; `hash_seed` is the process', `prng_seed` the core's.
    pub fn new(databases: usize, slots: Range<u16>, hash_seed: u64, prng_seed: u64) -> Store {
        assert!((1..=base::limits::MAX_DATABASES).contains(&databases), "1 to 256 databases");
        assert!(usize::from(slots.end) <= base::SLOTS);
        let hasher = Hasher::new(hash_seed);
        Store {
            tables: Tables::new(databases, hasher.inner()),
            ledger: Ledger {
                stats: StoreStats::default(),
                changes: 0,
                touch: true,
                eviction: Eviction::default(),
                prng: Prng::new(prng_seed),
                watching: false,
                removed: Vec::new(),
            },
            slots: usize::from(slots.start)..usize::from(slots.end),
            cycles: vec![Cycle::default(); databases],
            cycle_db: 0,
            pool: Pool::default(),
            offer: None,
            hasher,
            shapes: Shapes::default(),
            field_deadlines: FieldDeadlines::default(),
        }
    }

    /// One database. Panics when there is no such database: SELECT has checked it.
    #[inline]
    pub fn db(&mut self, index: u8) -> Db<'_> {
        assert!(usize::from(index) < self.databases(), "SELECT has checked the database");
        Db { store: self, index: usize::from(index) }
    }

    /// Lets the store keep values that lie in the buffer of the request under way, which takes `room` bytes of
    /// memory, instead of copies of them. One that a value is nearly all of should be offered, as the
    /// value holds all of it. Until [`Store::withdraw_offer`].
    pub fn offer(&mut self, bytes: Bytes, room: usize) {
        self.offer = Some(Offer { bytes, room });
    }

    /// The request that made the offer is over.
    #[inline]
    pub fn withdraw_offer(&mut self) {
        self.offer = None;
    }

    /// The slots that this core owns: those that SCAN walks.
    pub fn slots(&self) -> Range<u16> {
        self.slots.start as u16..self.slots.end as u16
    }

    /// How many databases there are.
    #[inline]
    pub fn databases(&self) -> usize {
        self.cycles.len()
    }

    /// The hash function that made the keys' hashes.
    pub fn hasher(&self) -> Hasher {
        self.hasher
    }

    /// Keys in a database, those included that are due but not deleted yet. O(1).
    pub fn len(&self, db: u8) -> usize {
        self.tables.len(usize::from(db))
    }

    /// Whether a database has no keys. O(1).
    pub fn is_empty(&self, db: u8) -> bool {
        self.len(db) == 0
    }

    /// Keys with a time to live in a database. O(1).
    pub fn expires(&self, db: u8) -> usize {
        self.tables.deadlines(usize::from(db))
    }

    /// A running estimate of the mean time to live in a database, in milliseconds; 0 without any.
    pub fn avg_ttl_ms(&self, db: u8) -> u64 {
        if self.expires(db) == 0 { 0 } else { self.cycles[usize::from(db)].avg_ttl_ms }
    }

    /// Keys of one slot in a database, for CLUSTER COUNTKEYSINSLOT. O(1).
    pub fn len_of_slot(&self, db: u8, slot: Slot) -> usize {
        self.tables.table_len(usize::from(db), slot.index())
    }

    /// Exchanges two databases. O(1).
    pub fn swap(&mut self, a: u8, b: u8) {
        self.tables.swap(usize::from(a), usize::from(b));
        self.cycles.swap(usize::from(a), usize::from(b));
        self.pool.clear();
        self.ledger.changes += 1;
    }

    /// Empties a database. O(1): [`Store::free_step`] frees the memory. Gives how many keys went.
    pub fn flush(&mut self, db: u8) -> usize {
        let gone = self.tables.bury(usize::from(db));
        self.cycles[usize::from(db)] = Cycle::default();
        self.ledger.changes += gone as u64;
        gone
    }

    /// Empties every database, as [`Store::flush`] does.
    pub fn flush_all(&mut self) -> usize {
        (0..self.databases()).map(|db| self.flush(db as u8)).sum()
    }

    /// First of three stages that bring a key's memory into the cache: the table's header.
    /// Over a batch of keys, call each stage for all before the next.
    #[inline]
    pub fn prefetch_table(&self, hint: Hint) {
        self.tables.prefetch_head(hint.place());
    }

    /// Second stage: the bucket. Reads the header.
    #[inline]
    pub fn prefetch_bucket(&self, hint: Hint) {
        self.tables.prefetch_bucket(hint.place());
    }

    /// Third stage: the entry. Reads the bucket.
    #[inline]
    pub fn prefetch_entry(&self, hint: Hint) {
        self.tables.prefetch_entry(hint.place());
    }

    /// Bytes in use: what `maxmemory` is compared with. O(1).
    #[inline]
    pub fn used_bytes(&self) -> usize {
        let usage = self.tables.usage();
        let fresh = usage.idle - usage.settled;
        usage.data + usage.tables + usage.settled + fresh.saturating_sub(idle_allowed(&usage))
    }

    /// Bytes of entries, values and tables, idle memory apart. O(1).
    #[inline]
    pub fn live_bytes(&self) -> usize {
        let usage = self.tables.usage();
        usage.data + usage.tables
    }

    /// Whether so much memory has become idle that it counts as used: then an eviction does not show until
    /// `compact_step` has freed some of it, or found that it cannot. O(1).
    pub fn is_fragmented(&self) -> bool {
        let usage = self.tables.usage();
        usage.idle - usage.settled > idle_allowed(&usage)
    }

    /// How fast compaction should go on: 1 while idle memory does not count as used, growing to `most` when
    /// there is twice as much. O(1).
    pub fn compaction_speed(&self, most: usize) -> usize {
        let usage = self.tables.usage();
        let allowed = idle_allowed(&usage);
        let beyond = (usage.idle - usage.settled).saturating_sub(allowed);
        (1 + most * beyond / allowed).min(most)
    }

    /// Where the memory goes. O(1).
    pub fn memory(&self) -> Memory {
        let Usage { data, tables, idle, .. } = self.tables.usage();
        Memory {
            used: self.used_bytes(),
            dataset: data,
            overhead: tables + idle,
            fragmentation: idle,
        }
    }

    /// How many effective writes there were. A command that moved it has changed something.
    #[inline]
    pub fn changes(&self) -> u64 {
        self.ledger.changes
    }

    /// The counters.
    pub fn stats(&self) -> &StoreStats {
        &self.ledger.stats
    }

    /// Sets the counters to zero, for CONFIG RESETSTAT.
    pub fn reset_stats(&mut self) {
        self.ledger.stats = StoreStats::default();
    }

    /// Whether lookups from now on move the access bits; off for a client with NO-TOUCH.
    #[inline]
    pub fn set_touch(&mut self, on: bool) {
        self.ledger.touch = on;
    }

    /// The policy and its parameters from now on.
    pub fn set_eviction(&mut self, eviction: Eviction) {
        if eviction.policy != self.ledger.eviction.policy {
            self.pool.clear();
        }
        self.ledger.eviction = eviction;
    }

    /// The thresholds of the encodings from now on.
    pub fn set_shapes(&mut self, shapes: Shapes) {
        self.shapes = shapes;
    }

    /// Takes over what the configuration says from another store.
    pub fn behave_as(&mut self, other: &Store) {
        self.shapes = other.shapes;
        self.ledger.eviction = other.ledger.eviction;
    }

    /// The counters, which begin anew.
    pub fn take_stats(&mut self) -> StoreStats {
        std::mem::take(&mut self.ledger.stats)
    }

    /// Adds counters of another store.
    pub fn add_stats(&mut self, more: &StoreStats) {
        self.ledger.stats.merge(more);
    }

    /// A source of draws of its own for one command: replays draw the same.
    pub fn fork_prng(&mut self) -> Prng {
        Prng::new(self.ledger.prng.next_u64())
    }

    /// The policy and its parameters.
    pub fn eviction(&self) -> &Eviction {
        &self.ledger.eviction
    }

    /// Frees up to `budget` keys of what was flushed. True while there is more.
    pub fn free_step(&mut self, budget: usize) -> bool {
        self.tables.free_step(budget)
    }

    /// Whether memory of a flushed database waits to be freed. O(1).
    pub fn has_buried(&self) -> bool {
        self.tables.has_buried()
    }

    /// Moves entries out of sparse spans of the slab, if fragmentation is worth it, so that freed
    /// memory can serve other sizes or go back to the system. Works on `budget` items: a bucket
    /// looked at is one, an entry moved is four. True while a pass is under way; O(1) when there is
    /// nothing to do.
    pub fn compact_step(&mut self, budget: usize) -> bool {
        let done = self.tables.compact_step(budget);
        self.ledger.stats.compacted_entries += done.moved as u64;
        done.more
    }

    /// Whether removals by expiry and eviction are remembered for [`Store::take_removed`]; off at
    /// first, and then they cost nothing.
    pub fn watch_removals(&mut self, on: bool) {
        self.ledger.watching = on;
        self.ledger.removed.clear();
    }

    /// The keys that expired or were evicted since the last call, in order. The engine calls it
    /// after each command and each step, so the list is bounded by what one of them can remove.
    /// Should it not, reads hide expired keys without deleting them once there are 4096.
    pub fn take_removed(&mut self) -> Vec<Removed> {
        std::mem::take(&mut self.ledger.removed)
    }
}
