//! One core, as a value.
//!
//! An [`Engine`] is handed what happened ([`Event`]) and a time, and answers with what to do
//! ([`Action`]), with bytes in session buffers, and with what it says to other cores
//! ([`Message`]). It owns a slot range. It never waits, never reads a clock, never touches the
//! kernel and never sees another core's memory, so a simulator can run the production code.
//!
//! - `session/`: connections: parsing, order of replies, where a request goes. Names no keyspace.
//! - `shard/`: the slots this core owns: gates, execution, housekeeping. Names no session.
//! - `commands/`: the commands that are not about data: of the connection, of the server.
//! - `tx/`: what needs several cores at once: locks, transactions, what waits for them.
//! - `engine.rs`: where sessions and shard meet. `gather.rs`, `ask.rs`: what needs several cores.
#![forbid(unsafe_code)]

pub mod action;
mod ahead;
mod ask;
pub mod census;
#[cfg(test)]
mod check;
pub mod commands;
pub mod core;
mod dispatch;
pub mod engine;
pub mod event;
mod fill;
mod flush;
mod freeze;
pub mod gather;
mod hop;
#[cfg(test)]
mod hostile;
mod intake;
mod loan;
#[cfg(test)]
mod memory_bound;
pub mod message;
pub mod mistakes;
mod observe;
mod outbox;
pub mod patrol;
pub mod plumbing;
pub mod sampler;
pub mod scripts;
pub mod session;
pub mod shard;
mod share;
mod spread;
pub mod stats;
pub mod table;
pub mod tx;
mod walk;

pub use action::Action;
pub use engine::{Engine, Setup, Turn};
pub use event::Event;
pub use message::Message;
