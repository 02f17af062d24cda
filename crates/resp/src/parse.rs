//! Requests out of bytes: incremental, borrowed, without allocation on the usual way.
//!
//! A request lies whole in one contiguous buffer before it is handed on, so that an argument is a
//! [`Span`] of that buffer and never a copy. Inline requests (`SET k "v w"` typed by a person) have
//! quotes and escapes to undo, so theirs are copied into a scratch buffer, and their spans are of it.
//!
//! **The usual way.** A count of one digit and lengths of up to four digits are read through a
//! window of fixed size, where every index is known to be in bounds; anything else (longer numbers,
//! the last bytes of a read, nonsense) goes through one slower, general way that finds the line's end
//! first. Both give the same answers; the slower one alone decides what is an error.
//!
//! **Incomplete requests.** A request of few arguments is simply parsed again when more bytes have
//! come: that is cheaper than remembering it. From [`REMEMBER_ARGS_MIN`] arguments or
//! [`REMEMBER_SCAN_MIN`] bytes of an unfinished line on, what was found is kept in a [`Partial`], so
//! that a request of a million arguments in small pieces costs linear time.
//!
//! **Facts.** The limits and answers below are those of redis-server 7.0, observed through a socket:
//! the byte after a CR and the two bytes after an argument are not looked at; lines end at LF in
//! inline requests and at CR in counts; a NUL byte hides what follows on its line, so that such a line
//! only ends by growing too long; blank lines and counts <= 0 are skipped in silence.

use crate::arguments::{Stop, Walk, arguments, short_arguments};
use crate::inline;
use crate::line::{Line, counted_line, find_line};
use crate::number::parse_i64;
use crate::protocol_error::ProtocolError;

/// Arguments of an incomplete request from which on they are remembered, not parsed again.
pub const REMEMBER_ARGS_MIN: usize = 16;

/// Bytes of an unfinished line from which on the search goes on where it stopped.
pub const REMEMBER_SCAN_MIN: usize = 1024;

/// Arguments that an unauthenticated client may send in a request.
pub const UNAUTHENTICATED_ARGS_MAX: u32 = 10;

/// Bytes that an unauthenticated client may send in an argument.
pub const UNAUTHENTICATED_BULK_BYTES_MAX: u64 = 16384;

/// Bytes of an inline request, or of a count, before its end of line.
pub const INLINE_BYTES_MAX: usize = 64 * 1024;

/// The longest buffer whose positions fit a [`Span`].
const BUFFER_BYTES_MAX: usize = u32::MAX as usize;

/// Where an argument lies in its buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Position of the first byte.
    pub start: u32,
    /// Length in bytes.
    pub len: u32,
}

impl Span {
    /// The bytes of the span. Panics when `buffer` is not the one that the span was made for.
    #[inline]
    pub fn of(self, buffer: &[u8]) -> &[u8] {
        &buffer[self.start as usize..self.start as usize + self.len as usize]
    }
}

/// What a client may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest argument in bytes (`proto-max-bulk-len`).
    pub bulk_bytes: u64,
    /// Most arguments of a request, the command's name included.
    pub args: u32,
    /// Longest inline request, and longest count, in bytes before the end of the line.
    pub inline_bytes: usize,
    /// Whether the client is authenticated; if not, Redis' small limits hold too. AUTH changes this for
    /// the requests behind it, so those of an unauthenticated client are parsed one at a time, each
    /// after the one before was executed.
    pub authenticated: bool,
}

impl Default for Limits {
    /// The limits of a Redis 7 with its default configuration, for an authenticated client.
    fn default() -> Limits {
        Limits {
            bulk_bytes: 512 * 1024 * 1024,
            args: i32::MAX as u32,
            inline_bytes: INLINE_BYTES_MAX,
            authenticated: true,
        }
    }
}

/// What is remembered of an incomplete request between two calls; positions count from the
/// request's first byte, so the buffer may move meanwhile. Belongs to one connection, and only while
/// a large request is under way.
#[derive(Clone, Debug, Default)]
pub struct Partial {
    /// The arguments found so far. Never longer than the request's bytes / 6.
    spans: Vec<Span>,
    /// How many arguments are still due; 0 while the request's first line is not complete.
    due: u32,
    /// Where the header of the next argument begins.
    at: usize,
    /// Up to where the unfinished line is known not to end.
    scanned: usize,
}

impl Partial {
    /// Memory held, in bytes, for the accounting of clients. O(1).
    pub fn memory_bytes(&self) -> usize {
        size_of::<Partial>() + self.spans.capacity() * size_of::<Span>()
    }
}

/// What was found at the start position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// A request; its arguments' spans, which refer to `input`, were appended.
    Request {
        /// Bytes from the start position to the next request.
        consumed: usize,
        /// How many spans were appended; at least 1.
        args: u32,
    },
    /// An inline request; its arguments' spans, which refer to `scratch`, were appended.
    Inline {
        /// Bytes from the start position to the next request.
        consumed: usize,
        /// How many spans were appended; at least 1.
        args: u32,
    },
    /// The request goes on behind the end of `input`; nothing was appended.
    Incomplete {
        /// At least so many bytes are missing. Up to `Limits::bulk_bytes` + 2, claimed by the client and
        /// not yet sent: a hint for receiving, not a reason to take memory at once.
        wants: usize,
    },
    /// Nothing to execute (a blank line, a count of 0 or below): skip it.
    Empty {
        /// Bytes from the start position to the next request.
        consumed: usize,
    },
    /// The client is to be told and the connection closed.
    Error(ProtocolError),
}

/// Parses the request that begins at `input[start]`.
///
/// `input` holds it from its first byte, and when the answer was [`Parsed::Incomplete`], the next call
/// gives the same bytes with more behind them (at any position of any buffer) and the same `partial`.
/// `spans` and `scratch` are arenas of the caller, appended to. Linear in the bytes of the request
/// over all its calls; allocates only to grow the arenas and for a large incomplete request.
#[inline]
pub fn parse(
    input: &[u8],
    start: usize,
    partial: &mut Option<Box<Partial>>,
    spans: &mut Vec<Span>,
    scratch: &mut Vec<u8>,
    limits: &Limits,
) -> Parsed {
    if input.len() > BUFFER_BYTES_MAX {
        return Parsed::Error(ProtocolError::RequestTooLarge);
    }
    if partial.is_some() {
        return resume(input, start, partial, spans, scratch, limits);
    }
    match input.get(start) {
        Some(b'*') => multibulk(input, start, partial, spans, limits),
        Some(_) => inline_request(input, start, 0, partial, spans, scratch, limits),
        None => Parsed::Incomplete { wants: 1 },
    }
}

/// A request in the usual form, from its `*`.
#[inline]
fn multibulk(
    input: &[u8],
    start: usize,
    partial: &mut Option<Box<Partial>>,
    spans: &mut Vec<Span>,
    limits: &Limits,
) -> Parsed {
    let (due, at) = match input[start..].first_chunk::<4>() {
        Some([_, digit @ b'1'..=b'9', b'\r', _]) if u32::from(digit - b'0') <= limits.args => {
            (u32::from(digit - b'0'), start + 4)
        }
        _ => match count(input, start, 0, limits) {
            Ok(Count::Args { due, at }) => (due, at),
            Ok(Count::Nothing { at }) => {
                return Parsed::Empty { consumed: at - start };
            }
            Ok(Count::Unfinished { scanned }) => return unfinished(start, scanned, partial),
            Err(error) => return Parsed::Error(error),
        },
    };
    let first = spans.len();
    let (at, left) = short_arguments(&input[at..], at, due, spans, limits);
    if left == 0 {
        return Parsed::Request { consumed: at - start, args: due };
    }
    let walk = Walk { base: 0, at, scanned: 0, due: left };
    long_request(input, start, first, walk, partial, spans, limits)
}

/// Goes on where the short way ended; `spans[first..]` are what it found.
#[cold]
#[inline(never)]
fn long_request(
    input: &[u8],
    start: usize,
    first: usize,
    walk: Walk,
    partial: &mut Option<Box<Partial>>,
    spans: &mut Vec<Span>,
    limits: &Limits,
) -> Parsed {
    match arguments(input, walk, spans, limits) {
        Ok(end) => Parsed::Request { consumed: end - start, args: (spans.len() - first) as u32 },
        Err(stop) => stopped(stop, start, first, partial, spans),
    }
}

const _: () = assert!(UNAUTHENTICATED_ARGS_MAX >= 9, "one-digit counts skip that limit");

/// What the first line of a request says.
enum Count {
    Args { due: u32, at: usize },
    Nothing { at: usize },
    Unfinished { scanned: usize },
}

/// Reads any first line `*<count>\r\n`.
#[cold]
fn count(
    input: &[u8],
    start: usize,
    scanned: usize,
    limits: &Limits,
) -> Result<Count, ProtocolError> {
    let line = match counted_line(input, start, scanned, limits) {
        Line::Whole(line) => line,
        Line::TooLong => return Err(ProtocolError::TooBigMultibulkCount),
        Line::Unfinished { scanned } => return Ok(Count::Unfinished { scanned }),
    };
    let count = parse_i64(&line[1..]).ok_or(ProtocolError::InvalidMultibulkLength)?;
    let at = start + line.len() + 2;
    if count <= 0 {
        return Ok(Count::Nothing { at });
    }
    match u32::try_from(count) {
        Ok(due) if due <= limits.args => {
            if !limits.authenticated && due > UNAUTHENTICATED_ARGS_MAX {
                return Err(ProtocolError::UnauthenticatedMultibulkLength);
            }
            Ok(Count::Args { due, at })
        }
        _ => Err(ProtocolError::InvalidMultibulkLength),
    }
}

/// A request that does not begin with `*`: one line of words.
fn inline_request(
    input: &[u8],
    start: usize,
    scanned: usize,
    partial: &mut Option<Box<Partial>>,
    spans: &mut Vec<Span>,
    scratch: &mut Vec<u8>,
    limits: &Limits,
) -> Parsed {
    let line = match find_line(input, start, scanned, b'\n', limits.inline_bytes) {
        Line::Whole(line) => line,
        Line::TooLong => return Parsed::Error(ProtocolError::TooBigInlineRequest),
        Line::Unfinished { scanned } => return unfinished(start, scanned, partial),
    };
    if scratch.len() + line.len() > BUFFER_BYTES_MAX {
        return Parsed::Error(ProtocolError::RequestTooLarge);
    }
    let consumed = line.len() + 1;
    match inline::split(line, spans, scratch) {
        Ok(0) => Parsed::Empty { consumed },
        Ok(args) => Parsed::Inline { consumed, args },
        Err(inline::Unbalanced) => Parsed::Error(ProtocolError::UnbalancedQuotes),
    }
}

/// Goes on with a request of which something is remembered.
#[cold]
fn resume(
    input: &[u8],
    start: usize,
    partial: &mut Option<Box<Partial>>,
    spans: &mut Vec<Span>,
    scratch: &mut Vec<u8>,
    limits: &Limits,
) -> Parsed {
    let Some(mut known) = partial.take() else {
        return Parsed::Incomplete { wants: 1 };
    };
    let scanned = start + known.scanned;
    if known.due == 0 {
        if input.get(start) != Some(&b'*') {
            return inline_request(input, start, scanned, partial, spans, scratch, limits);
        }
        return match count(input, start, scanned, limits) {
            Ok(Count::Unfinished { scanned }) => unfinished(start, scanned, partial),
            Ok(_) => multibulk(input, start, partial, spans, limits),
            Err(error) => Parsed::Error(error),
        };
    }
    let walk = Walk { base: start, at: start + known.at, scanned, due: known.due };
    match arguments(input, walk, &mut known.spans, limits) {
        Ok(end) => {
            let rebased = known.spans.iter().map(|span| Span {
                start: span.start + start as u32, // in bounds: the span ends within `input`
                len: span.len,
            });
            spans.extend(rebased);
            Parsed::Request { consumed: end - start, args: known.spans.len() as u32 }
        }
        Err(Stop::Error(error)) => Parsed::Error(error),
        Err(Stop::Incomplete { walk, wants }) => {
            known.note(walk, start);
            *partial = Some(known);
            Parsed::Incomplete { wants }
        }
    }
}

impl Partial {
    /// Takes over how far the way through the arguments got.
    fn note(&mut self, walk: Walk, start: usize) {
        self.due = walk.due;
        self.at = walk.at - start;
        self.scanned = walk.scanned.saturating_sub(start);
    }
}

/// Answers for a fresh request whose arguments are not all here or wrong, and takes back its spans.
#[cold]
fn stopped(
    stop: Stop,
    start: usize,
    first: usize,
    partial: &mut Option<Box<Partial>>,
    spans: &mut Vec<Span>,
) -> Parsed {
    let answer = match stop {
        Stop::Error(error) => Parsed::Error(error),
        Stop::Incomplete { walk, wants } => {
            let unfinished_line = walk.scanned.saturating_sub(walk.at);
            if spans.len() - first >= REMEMBER_ARGS_MIN || unfinished_line >= REMEMBER_SCAN_MIN {
                let relative = |span: &Span| Span { start: span.start - start as u32, ..*span };
                let mut known = Partial {
                    spans: spans[first..].iter().map(relative).collect(),
                    ..Partial::default()
                };
                known.note(walk, start);
                *partial = Some(Box::new(known));
            }
            Parsed::Incomplete { wants }
        }
    };
    spans.truncate(first);
    answer
}

/// Answers for a first line that is not complete.
#[cold]
fn unfinished(start: usize, scanned: usize, partial: &mut Option<Box<Partial>>) -> Parsed {
    let scanned = scanned - start;
    if scanned >= REMEMBER_SCAN_MIN {
        *partial = Some(Box::new(Partial { scanned, ..Partial::default() }));
    }
    Parsed::Incomplete { wants: 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `input` in pieces; gives the last answer and how far the parser had come at each step.
    fn feed(input: &[u8], piece: usize) -> (Parsed, Vec<Span>, Vec<usize>) {
        let (mut partial, mut spans, mut scratch) = (None, Vec::new(), Vec::new());
        let mut known_up_to = Vec::new();
        let mut end = 0;
        loop {
            end = (end + piece).min(input.len());
            let answer =
                parse(&input[..end], 0, &mut partial, &mut spans, &mut scratch, &Limits::default());
            if end == input.len() || !matches!(answer, Parsed::Incomplete { .. }) {
                return (answer, spans, known_up_to);
            }
            assert!(spans.is_empty() && scratch.is_empty(), "nothing is appended early");
            known_up_to.push(partial.as_ref().map_or(0, |known| known.at.max(known.scanned)));
        }
    }

    #[test]
    fn a_million_arguments_in_pieces_are_each_parsed_once() {
        const ARGS: usize = 1_000_000;
        const PIECE: usize = 16 * 1024;
        let mut input = format!("*{ARGS}\r\n").into_bytes();
        for index in 0..ARGS {
            let text = (index % 1000).to_string();
            input.extend(format!("${}\r\n{text}\r\n", text.len()).bytes());
        }
        let (answer, spans, known_up_to) = feed(&input, PIECE);
        assert_eq!(answer, Parsed::Request { consumed: input.len(), args: ARGS as u32 });
        assert_eq!(spans[ARGS - 1].of(&input), b"999");
        // At each step all but less than one argument of what had come was behind the parser.
        for (index, known) in known_up_to.iter().enumerate() {
            assert!((index + 1) * PIECE - known < 16, "step {index} knows up to {known}");
        }
    }

    #[test]
    fn a_long_line_byte_by_byte_is_searched_once() {
        let input = [vec![b'a'; 60_000], b"\r\n".to_vec()].concat();
        let (answer, _, known_up_to) = feed(&input, 1);
        assert_eq!(answer, Parsed::Inline { consumed: input.len(), args: 1 });
        for (index, known) in known_up_to.iter().enumerate().skip(REMEMBER_SCAN_MIN) {
            assert_eq!(*known, index + 1);
        }
    }

    #[test]
    fn small_incomplete_requests_are_not_remembered() {
        let (mut partial, mut spans, mut scratch) = (None, Vec::new(), Vec::new());
        let input = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000\r\nvalue";
        let answer = parse(input, 0, &mut partial, &mut spans, &mut scratch, &Limits::default());
        assert_eq!(answer, Parsed::Incomplete { wants: 100_000 - 5 + 2 });
        assert!(partial.is_none() && spans.is_empty());
    }

    #[test]
    fn what_is_remembered_is_of_bounded_size() {
        let (mut partial, mut spans, mut scratch) = (None, Vec::new(), Vec::new());
        let mut input = b"*2147483647\r\n".to_vec();
        input.extend(b"$0\r\n\r\n".repeat(1000));
        let answer = parse(&input, 0, &mut partial, &mut spans, &mut scratch, &Limits::default());
        assert_eq!(answer, Parsed::Incomplete { wants: 1 });
        let known = partial.expect("a thousand arguments are remembered");
        assert!(known.memory_bytes() <= 3 * input.len(), "{} bytes", known.memory_bytes());
    }

    #[test]
    fn a_claimed_length_near_the_integer_limit_is_waited_for_without_overflow() {
        let limits = Limits { bulk_bytes: u64::MAX, ..Limits::default() };
        let (mut partial, mut spans, mut scratch) = (None, Vec::new(), Vec::new());
        let input = b"*1\r\n$9223372036854775807\r\nab";
        let answer = parse(input, 0, &mut partial, &mut spans, &mut scratch, &limits);
        assert!(matches!(answer, Parsed::Incomplete { .. }));
    }
}
