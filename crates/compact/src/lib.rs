//! Memory layouts for millions of small keys; room 1 of unsafe: memory.
//!
//! [`Tables`] is the public face, and it is safe: numbered hash tables in numbered spaces, that
//! share one slab. Below it, from the outside in:
//!
//! - `space`: the headers of 16384 tables, and counts to draw a table by;
//! - `table`: one hash table, which grows and shrinks by one bucket at a time;
//! - `bucket`: one cache line of eight cells, each a tag and the address of an entry;
//! - `entry`: one key with its value, in one allocation;
//! - `slab`: where all of that lives; `region`: memory from the system;
//! - `compaction`: moving entries, so that sparse spans become empty ones.
//!
//! Beside them, for values that have structure: [`packed`], elements one behind the other in one run of
//! bytes; [`Map`], a table on its own that can be handed to another thread whole; and [`Ranking`], a `Map` with an
//! order beside it.
//!
//! A value is bytes, an integer or a box of what the caller likes. An entry may have a *deadline*,
//! after which lookups can treat it as absent, and has some *access* bits for the caller. Nothing
//! here knows what a Redis is. Everything belongs to one thread at a time; no decision depends on an
//! address, so equal calls have equal effects.
//!
//! `unsafe` is all over this crate, so its tests are models: random operations against the standard
//! maps, also under valgrind with the feature `plain-alloc`, which gives each object bounds.

mod bucket;
mod compaction;
mod entry;
mod hash;
mod map;
mod memory;
mod occupied;
pub mod packed;
mod prefetch;
mod ranking;
// With `plain-alloc` much of these two is bypassed.
#[cfg_attr(feature = "plain-alloc", allow(dead_code))]
mod region;
#[cfg_attr(feature = "plain-alloc", allow(dead_code))]
mod slab;
mod space;
mod table;
mod tables;

pub use self::compaction::Compacted;
pub use self::entry::{ACCESS_BITS, INLINE_MAX};
pub use self::hash::KeyHash;
pub use self::map::{Map, Pair, Plain, Swept};
pub use self::occupied::{Occupied, Taken, TakenValue, Vacant};
pub use self::ranking::{Iter as RankIter, Ranked, Ranking, Scored};
pub use self::slab::round_large;
pub use self::space::TABLES;
pub use self::tables::{
    Cell, Lookup, NewValue, Payload, Place, Reaped, Tables, Usage, Value, View,
};
