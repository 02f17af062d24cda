//! What one turn has read: where the bytes are, how far they were parsed, and the requests found.

use super::plan::Planned;
use base::ConnId;
use bytes::Bytes;
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

/// Bytes that were sent and are not executed: an incomplete request, or what came during a stall.
/// What was executed is skipped, not moved: a long stretch is worked off in many turns.
#[derive(Debug, Default)]
pub struct Pending {
    bytes: Vec<u8>,
    /// Bytes at the front that are done with.
    done: usize,
    /// So many bytes are where the rest of the request is received straight behind them
    /// (`fill.rs`); nothing is in `bytes` then.
    away: usize,
    /// So many bytes are missing behind them at least, as the parser said last.
    pub missing: usize,
}

/// Pending input that takes at least so much memory and uses less than half of it gives the rest back.
const ROOMY_BYTES: usize = 32 * 1024;

impl Pending {
    /// The bytes.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[self.done..]
    }

    /// How many there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.bytes.len() - self.done + self.away
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Memory held in bytes. Of what is being received elsewhere only what has arrived counts: who
    /// announces a long argument and does not send it holds addresses, not memory.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity() + self.away
    }

    /// Whether the bytes are away, to have others received behind them.
    pub fn is_away(&self) -> bool {
        self.away > 0
    }

    /// Hands the bytes out with room for so many more. `None` when there is no memory for these.
    pub fn send_away(&mut self, more: usize) -> Option<Vec<u8>> {
        self.bytes.drain(..self.done);
        self.done = 0;
        // A request of many long arguments asks again for each, so from the second time on the memory
        // at least doubles.
        let grows =
            if more >= self.bytes.len() { Vec::try_reserve_exact } else { Vec::try_reserve };
        grows(&mut self.bytes, more).ok()?;
        self.away = self.bytes.len();
        Some(std::mem::take(&mut self.bytes))
    }

    /// So many more bytes have come where the bytes are.
    pub fn note_away(&mut self, bytes: usize) {
        self.away += bytes;
    }

    /// Takes the bytes back.
    pub fn bring_back(&mut self, bytes: Vec<u8>) {
        *self = Pending { bytes, ..Pending::default() };
    }

    /// Lends the bytes out in a form that somebody may keep.
    pub fn share(&mut self) -> Bytes {
        let done = std::mem::take(&mut self.done);
        Bytes::from(std::mem::take(&mut self.bytes)).slice(done..)
    }

    /// Takes back what is left of bytes that were lent, from `from` on. O(1) if that is nothing, and O(rest)
    /// otherwise.
    pub fn unshare(&mut self, shared: Bytes, from: usize) {
        let rest = shared.slice(from..);
        drop(shared);
        if !rest.is_empty() {
            self.bring_back(Vec::from(rest));
        }
    }

    /// Puts bytes behind the others. Amortised O(bytes).
    pub fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Drops bytes from the front. Amortised O(count): the rest is moved once it is the smaller half.
    /// Without bytes it holds no memory.
    pub fn skip(&mut self, count: usize) {
        self.done += count;
        if self.done == self.bytes.len() {
            *self = Pending::default();
        } else if self.done > self.bytes.len() / 2 {
            self.trim();
        }
    }

    /// Gives back memory that is not needed for the bytes that are there. O(bytes).
    pub fn trim(&mut self) {
        self.bytes.drain(..self.done);
        self.done = 0;
        if self.bytes.capacity() >= ROOMY_BYTES.max(2 * self.bytes.len()) {
            self.bytes.shrink_to_fit();
        }
    }
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
    pub input: Pending,
    /// The same once they were offered to the store, which may keep them; `input` is empty then.
    pub shared: Option<Bytes>,
    /// Up to where they were parsed.
    pub parsed: usize,
    /// So many bytes are missing behind them at least, as the parser said last.
    pub wants: usize,
    /// The session's share of the turn ended before the bytes did.
    pub cut: bool,
    /// Where the first request begins that must wait, once one must.
    pub stalled_at: Option<usize>,
}

/// The bytes of a reading of [`Source::Input`], from its two fields.
#[inline]
pub fn input_bytes<'a>(input: &'a Pending, shared: Option<&'a Bytes>) -> &'a [u8] {
    match shared {
        Some(shared) => shared,
        None => input.bytes(),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pending_bytes_are_skipped_in_order_and_memory_goes_with_them() {
        let mut pending = Pending::default();
        let bytes: Vec<u8> = (0..200_000u32).map(|number| number as u8).collect();
        pending.append(&bytes[..150_000]);
        let mut at = 0;
        for step in [1, 70_000, 5_000, 1_000, 70_000] {
            pending.skip(step);
            at += step;
            assert_eq!(pending.bytes(), &bytes[at..150_000]);
        }
        assert!(pending.capacity() < 150_000, "most of it is not needed any more");
        pending.append(&bytes[150_000..]);
        assert_eq!(pending.bytes(), &bytes[at..]);
        pending.skip(bytes.len() - at);
        assert_eq!((pending.len(), pending.capacity()), (0, 0));
    }
}
