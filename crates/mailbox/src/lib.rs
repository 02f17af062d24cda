//! The rings between cores and the protocol of sleep and wake; room 2 of unsafe: another core.
//!
//! Cores share nothing but this: one bounded ring for each ordered pair of participants, one word
//! for each participant that says up to which stamp its mail is published, and one flag that says
//! it is asleep. [`mesh`] builds them all and hands out one [`Mailbox`] a participant. The control
//! lane (the main thread, the admin side) is a participant like any core.
//!
//! A sender stages any number of messages for any number of receivers with [`Mailbox::push`], and
//! one atomic store in [`Mailbox::publish`] makes all of them visible. A receiver takes a causally
//! closed set in [`Mailbox::drain`], in an order that respects cause and effect: who has seen the
//! effect of a later command of a pipeline sees the earlier ones. The argument stands on top of
//! `mailbox.rs`; the rejected ways stand in `docs/design/mailbox.md`.
//!
//! Nothing here blocks, allocates after construction, or knows what a message means.
//!
//! - `mailbox`: what a participant holds: push, publish, drain, sleep.
//! - `lane`: the single-producer single-consumer ring of one ordered pair, unsafe inside.
//! - `wakes`: the set of participants that have to be woken.
//! - `sync`: std's atomics, or loom's when every interleaving is tried.

mod lane;
mod mailbox;
mod sync;
mod wakes;

pub use mailbox::{Mailbox, mesh};
pub use wakes::{PARTICIPANTS_MAX, Wakes};
