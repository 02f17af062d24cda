//! Lua 5.1 scripts and function libraries; sees the engine only as a [`Host`].
//!
//! An [`Interpreter`] is one Lua state of one core: single-threaded, deterministic, without a clock or
//! a socket. Scripts are compiled once and kept by their SHA-1; libraries of functions stand in a
//! registry beside them. A run hands its keys and arguments in, calls the host for every `redis.call`
//! and appends exactly one RESP reply.
//!
//! - [`interpreter`]: compile, install, run; the limits of a run.
//! - [`host`]: what a script may ask of the engine.
//! - [`functions`]: FUNCTION LOAD and its registry. [`shebang`]: the first line of a script or library.
//! - `incoming` and `outgoing`: RESP to Lua and back.
//! - `prelude.lua`: the sandbox and what is quicker said in Lua; `library`: cjson, cmsgpack, struct, bit.
//! - [`payload`]: what FUNCTION DUMP gives and FUNCTION RESTORE takes. [`texts`]: error replies.
//!
//! `docs/design/scripts.md` says why it is built so. What scripts see is what a redis-server 7.0 was
//! observed to show them.
#![forbid(unsafe_code)]

mod api;
mod argument;
mod errors;
pub mod functions;
pub mod host;
mod incoming;
pub mod interpreter;
mod library;
mod number_text;
mod outgoing;
pub mod payload;
mod sha;
pub mod shebang;
#[cfg(test)]
mod tests;
pub mod texts;

pub use self::functions::{Function, FunctionFlags, Library, Policy, Prepared};
pub use self::host::{Abandon, Host, LogLevel, Stop};
pub use self::interpreter::{Call, Ended, Interpreter, Setup};
pub use self::sha::Sha;
pub use self::shebang::Flags;
