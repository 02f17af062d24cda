//! Questions that every core answers, and how the answers become one reply.

use super::Desk;
use crate::core::Core;
use crate::session::Sessions;
use crate::shard::Shard;

/// A question to every core.
#[derive(Debug)]
pub enum Query {
    /// Are you there? Changes nothing; for tests and barriers.
    Barrier,
}

/// One core's answer.
#[derive(Debug)]
pub enum Answer {
    /// Done, nothing to report.
    Done,
}

/// What a core answers from.
pub struct Witness<'a> {
    /// The core itself.
    pub core: &'a mut Core,
    /// Its sessions.
    pub sessions: &'a mut Sessions,
    /// Its shard.
    pub shard: &'a mut Shard,
}

/// Answers on one core. Must not depend on which core asks.
pub fn answer(query: &Query, _witness: Witness<'_>) -> Answer {
    match query {
        Query::Barrier => Answer::Done,
    }
}

/// Writes the reply from the answers of all cores, in the order of the cores.
pub fn merge(query: &Query, _answers: Vec<Answer>, desk: &mut Desk<'_>) {
    match query {
        Query::Barrier => desk.reply.ok(),
    }
}
