//! Every data command: its spec, its code and its tests in one place, one file a family.
//!
//! A command is a [`Spec`] and a function from [`Ctx`] and [`Args`] to a reply or a [`Failure`].
//! It sees one core's databases, the time of the turn and the reply it writes; it never names a
//! core, a socket or a clock. One word in the family's list registers it; routing, gates,
//! COMMAND's answers, ACL categories, statistics and the reference page are derived from the spec.
//!
//! What a command does on several cores is said by its [`Fanout`], and done by `engine`.
//!
//! Tests are scripts: [`check`](mod@check) runs them without an engine and holds every command to its
//! contract. `examples/oracle` asks a redis-server 7.0 the same random questions.
#![forbid(unsafe_code)]

pub mod args;
pub mod bitmap;
pub mod check;
pub mod ctx;
pub mod draws;
pub mod expire;
pub mod failure;
pub mod generic;
pub mod geo;
pub mod hash;
pub mod hyperloglog;
pub mod lifetime;
pub mod list;
pub mod scripting;
pub mod set;
pub mod shapes;
pub mod sorted_set;
pub mod spec;
pub mod stream;
pub mod string;
pub mod table;
pub mod transaction;
pub mod wait;
pub mod walk;

pub use args::Args;
pub use ctx::Ctx;
pub use failure::Failure;
pub use spec::{
    Arg, ArgKind, Arity, Begin, Blocks, Command, Derived, Fanout, Find, Flags, Group, KeySpec,
    Merge, Run, Spec, Writes,
};
pub use wait::{Wait, WaitKey};
