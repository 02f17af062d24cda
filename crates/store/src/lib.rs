//! The keyspace of one core: values, times to live, eviction, accounting.
//!
//! A [`Store`] holds every database of one core. A command asks it for one database, a [`Db`],
//! and speaks to that with a [`Key`], which carries the slot and the hash of its bytes: both were
//! needed to find the owner, so nobody computes them twice. Time comes in as `Now`. An expired key
//! looks absent to every read from the moment it expires, whether or not it is still in memory.
//!
//! What happens in the background happens in bounded steps that the engine calls in a fixed
//! order: [`Store::expire_step`], [`Store::evict_step`], [`Store::free_step`]. A budget counts
//! items, never time, so a run with the same seeds does the same.
//!
//! The layouts are `compact`'s; what is here knows what a string, a time to live and an eviction
//! policy mean. `docs/design/keyspace.md` and `docs/design/expiry-and-eviction.md` say why.
#![forbid(unsafe_code)]

mod access;
mod anything;
mod db;
mod edit;
mod evict;
mod field_ttl;
mod hash;
mod integer;
mod key;
mod list;
mod object;
mod packed;
mod parcel;
mod policy;
mod received;
mod set;
mod shapes;
mod sorted_set;
mod stats;
mod store;
mod stream;
mod ttl;
mod value;
mod walk;

pub use self::anything::Anything;
pub use self::db::{Db, Look};
pub use self::edit::Made;
pub use self::evict::Evicted;
pub use self::hash::{Field, Hash, HashEdit};
pub use self::integer::parse_integer;
pub use self::key::{Hasher, Hint, Key};
pub use self::list::{End, List, ListEdit, Taken};
pub use self::parcel::Parcel;
pub use self::policy::{Eviction, Policy};
pub use self::set::{Set, SetEdit};
pub use self::shapes::Shapes;
pub use self::sorted_set::{
    Interval, LexBound, LexRange, Members, ScoreRange, Scored, SortedSet, SortedSetEdit, Within,
};
pub use self::stats::StoreStats;
pub use self::store::{Cause, Memory, Removed, Store};
pub use self::stream::{
    Claim, Consumer, ConsumerId, Entries, Entry, Goal, Group, Pack, PackMaker, Pending, Refs,
    Stream, StreamEdit, StreamId, Trim, Words,
};
pub use self::ttl::ExpireReport;
pub use self::value::{Expiry, IncrError, Kind, Str, Value, WrongType};
pub use self::walk::{cursor_at, cursor_slot};
pub use compact::Ranked;
