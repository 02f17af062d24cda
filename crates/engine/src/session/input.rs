//! What one turn has read: where the bytes are, how far they were parsed, and the requests found.

use super::plan::Planned;
use base::ConnId;
use resp::parse::Span;
use resp::protocol_error::ProtocolError;

/// Where a reading's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// In the buffer of this event of the turn.
    Event(u16),
    /// In the reading itself, which has taken the session's pending input.
    Input,
}

/// One stretch of bytes of one session that is being parsed in this turn. A session has one at
/// the most at a time.
#[derive(Debug)]
pub struct Reading {
    /// Whose.
    pub session: ConnId,
    /// Where the bytes are.
    pub source: Source,
    /// The bytes themselves, for [`Source::Input`].
    pub input: Vec<u8>,
    /// Up to where they were parsed.
    pub parsed: usize,
    /// Where the first request begins that must wait, once one must.
    pub stalled_at: Option<usize>,
}

/// What a request turned out to be.
#[derive(Debug, Clone, Copy)]
pub enum What {
    /// A known command with fitting arity, by its position in the table.
    Command(u16, Planned),
    /// An unknown command or wrong arity: the error is made when its turn comes.
    Refused,
    /// A blank line or an empty array: nothing to do, but it counts as the request that CLIENT REPLY
    /// SKIP leaves unanswered.
    Blank,
    /// Not the protocol: the client is told, and the connection closed.
    Broken(ProtocolError),
}

impl What {
    /// Whether its key will be looked up on this core.
    #[inline]
    pub fn is_local_key(&self) -> bool {
        matches!(self, What::Command(_, planned) if planned.is_local_key())
    }
}

/// One request of the turn.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    /// Its reading, as a position in the arena.
    pub reading: u32,
    /// Where it begins in the reading's bytes.
    pub start: u32,
    /// Its first span in the arena.
    pub span: u32,
    /// How many spans.
    pub args: u32,
    /// Its spans refer to the scratch buffer.
    pub inline: bool,
    /// What it is.
    pub what: What,
}

impl Request {
    /// One without arguments.
    pub fn bare(reading: u32, start: usize, what: What) -> Request {
        Request { reading, start: start as u32, span: 0, args: 0, inline: false, what }
    }
}

/// All requests of a turn; its vectors are reused.
#[derive(Debug, Default)]
pub struct Arena {
    /// In the order of arrival.
    pub requests: Vec<Request>,
    /// What they were read from.
    pub readings: Vec<Reading>,
    /// Their arguments' places.
    pub spans: Vec<Span>,
    /// Unquoted arguments of inline requests.
    pub scratch: Vec<u8>,
    /// Scratch for positions of keys.
    pub keys: Vec<u32>,
}

impl Arena {
    /// The spans of a request.
    pub fn spans_of(&self, request: &Request) -> &[Span] {
        &self.spans[request.span as usize..(request.span + request.args) as usize]
    }
}
