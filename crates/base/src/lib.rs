//! Words everyone speaks.
//!
//! Corelane has few words of art, and each is used unchanged from code to metric to document:
//!
//! - **core**: one pinned thread and the single-threaded program on it; nothing of it is shared.
//! - **slot**: one of the 16384 ranges of key hashes, as in Redis Cluster.
//! - **owner**: the core that holds a slot. **shard**: what an owner holds.
//! - **session**: what a core knows of one connection.
//! - **job**: one command (or a part of one) for one owner. **outcome**: its answer, already encoded.
//! - **hop**: the way of a job to another core and of its outcome back.
//! - **turn**: one pass of a core's loop over a batch of what happened.
//! - **change**: a write that took effect. **notice**: a one-way message between cores.
//!
//! This crate holds the types for them, the limits that rooms share, the table of settings and
//! the way statistics are declared. It depends on nothing of ours.
#![forbid(unsafe_code)]

pub mod c_string;
pub mod conn;
pub mod core;
pub mod limits;
pub mod now;
pub mod prng;
pub mod route;
pub mod settings;
pub mod slot;
pub mod stats;

pub use self::c_string::until_nul;
pub use self::conn::ConnId;
pub use self::core::{CoreId, CoreSet, MAX_CORES};
pub use self::now::Now;
pub use self::prng::Prng;
pub use self::route::RouteTable;
pub use self::settings::Settings;
pub use self::slot::{SLOTS, Slot};
