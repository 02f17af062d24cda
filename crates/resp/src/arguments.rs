//! The arguments of a request in the usual form: `$<len>\r\n<bytes>\r\n`, one after the other.
//!
//! [`short_arguments`] is the hot loop, [`long_argument`] judges everything else; see [`crate::parse`].

use crate::line::{Line, counted_line};
use crate::number::parse_i64;
use crate::parse::{Limits, Span, UNAUTHENTICATED_BULK_BYTES_MAX};
use crate::protocol_error::ProtocolError;

/// The longest argument that [`short_header`] reads.
const SHORT_LEN_MAX: u64 = 9999;

/// The way through the arguments of a request.
#[derive(Clone, Copy)]
pub(crate) struct Walk {
    /// What to subtract from positions before they become spans.
    pub(crate) base: usize,
    /// Where the next argument's header begins.
    pub(crate) at: usize,
    /// Up to where that header is known not to end.
    pub(crate) scanned: usize,
    /// How many arguments are due; at least 1.
    pub(crate) due: u32,
}

/// Why the way ended before the last argument.
pub(crate) enum Stop {
    Incomplete { walk: Walk, wants: usize },
    Error(ProtocolError),
}

/// Appends the spans of the `due` arguments; gives the position behind the last.
pub(crate) fn arguments(
    input: &[u8],
    mut walk: Walk,
    spans: &mut Vec<Span>,
    limits: &Limits,
) -> Result<usize, Stop> {
    while walk.due > 0 {
        walk = long_argument(input, walk, spans, limits)?;
        // An argument that is not for the short way may be followed by many that are.
        let rest = input.get(walk.at..).unwrap_or_default();
        let (at, due) = short_arguments(rest, walk.at - walk.base, walk.due, spans, limits);
        walk = Walk { at: walk.base + at, due, ..walk };
    }
    Ok(walk.at)
}

/// The hot loop: appends the spans of arguments with short headers that are whole, and stops at the
/// first that is not, or when the arena is full, without an opinion on it. `rest` begins at the
/// position `at` as spans count. Gives where it stopped and how many are due then.
///
/// It calls nothing, not even to grow the arena ([`long_argument`] does), so that all it holds fits the
/// registers: a SET of 16 and 100 bytes costs about 180 instructions with the call of [`parse`].
#[inline(always)]
pub(crate) fn short_arguments(
    mut rest: &[u8],
    mut at: usize,
    mut due: u32,
    spans: &mut Vec<Span>,
    limits: &Limits,
) -> (usize, u32) {
    if limits.bulk_bytes < SHORT_LEN_MAX {
        return (at, due);
    }
    while due > 0 {
        let Some(header) = rest.first_chunk().and_then(short_header) else { break };
        let next = header.width + header.len + 2;
        if next > rest.len() || spans.len() == spans.capacity() {
            break;
        }
        spans.push(Span { start: (at + header.width) as u32, len: header.len as u32 });
        rest = &rest[next..];
        at += next;
        due -= 1;
    }
    (at, due)
}

/// Any one argument; gives the way on.
fn long_argument(
    input: &[u8],
    walk: Walk,
    spans: &mut Vec<Span>,
    limits: &Limits,
) -> Result<Walk, Stop> {
    let header = long_header(input, walk, limits)?;
    let begin = walk.at + header.width;
    // The length is at most `bulk_bytes`, which a configuration may set near u64::MAX.
    let next = begin.saturating_add(header.len).saturating_add(2);
    if next > input.len() {
        return Err(Stop::Incomplete { walk, wants: next - input.len() });
    }
    spans.push(Span { start: (begin - walk.base) as u32, len: header.len as u32 });
    Ok(Walk { base: walk.base, at: next, scanned: 0, due: walk.due - 1 })
}

/// `$<len>\r\n`, read.
struct BulkHeader {
    /// Bytes of the header, its end of line included.
    width: usize,
    /// Bytes of the argument.
    len: usize,
}

/// Reads a header with a length of one to four digits and no leading zero. The shortest argument
/// with its header has six bytes, so only the end of the input is too short for the window. What does
/// not fit is not an error here: [`long_header`] judges it.
#[inline(always)]
fn short_header(window: &[u8; 6]) -> Option<BulkHeader> {
    let digit = |index: usize| usize::from(window[index].wrapping_sub(b'0'));
    let first = digit(1);
    if window[0] != b'$' || first > 9 {
        return None;
    }
    if window[2] == b'\r' {
        return Some(BulkHeader { width: 4, len: first });
    }
    let second = digit(2);
    if first == 0 || second > 9 {
        return None;
    }
    let len = first * 10 + second;
    if window[3] == b'\r' {
        return Some(BulkHeader { width: 5, len });
    }
    let (third, fourth) = (digit(3), digit(4));
    if third > 9 {
        return None;
    }
    let len = len * 10 + third;
    if window[4] == b'\r' {
        return Some(BulkHeader { width: 6, len });
    }
    let is_whole = fourth <= 9 && window[5] == b'\r';
    is_whole.then_some(BulkHeader { width: 7, len: len * 10 + fourth })
}

const _: () =
    assert!(UNAUTHENTICATED_BULK_BYTES_MAX >= SHORT_LEN_MAX, "short headers skip that limit");

/// Reads any header of an argument.
fn long_header(input: &[u8], walk: Walk, limits: &Limits) -> Result<BulkHeader, Stop> {
    let line = match counted_line(input, walk.at, walk.scanned, limits) {
        Line::Whole(line) => line,
        Line::TooLong => return Err(Stop::Error(ProtocolError::TooBigBulkCount)),
        Line::Unfinished { scanned } => {
            return Err(Stop::Incomplete { walk: Walk { scanned, ..walk }, wants: 1 });
        }
    };
    bulk_length(line, limits)
        .map(|len| BulkHeader { width: line.len() + 2, len })
        .map_err(Stop::Error)
}

/// The length that the line of a header gives.
fn bulk_length(line: &[u8], limits: &Limits) -> Result<usize, ProtocolError> {
    match line.first() {
        Some(b'$') => {}
        // The line is empty: what stands where the `$` should be is its CR.
        None => return Err(ProtocolError::ExpectedDollar(b'\r')),
        Some(other) => return Err(ProtocolError::ExpectedDollar(*other)),
    }
    let len = parse_i64(&line[1..])
        .and_then(|len| u64::try_from(len).ok())
        .filter(|len| *len <= limits.bulk_bytes)
        .ok_or(ProtocolError::InvalidBulkLength)?;
    if !limits.authenticated && len > UNAUTHENTICATED_BULK_BYTES_MAX {
        return Err(ProtocolError::UnauthenticatedBulkLength);
    }
    usize::try_from(len).map_err(|_| ProtocolError::RequestTooLarge)
}
