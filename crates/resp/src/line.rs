//! Where a line of a request ends.

use crate::parse::Limits;

/// What is known of a line.
pub(crate) enum Line<'a> {
    /// The line up to its end.
    Whole(&'a [u8]),
    /// One byte more than allowed has come without an end.
    TooLong,
    /// It may still end; the next search need not look before `scanned`.
    Unfinished { scanned: usize },
}

/// The line from `start` up to its CR, which counts as found only with one more byte behind it.
pub(crate) fn counted_line<'a>(
    input: &'a [u8],
    start: usize,
    scanned: usize,
    limits: &Limits,
) -> Line<'a> {
    match find_line(input, start, scanned, b'\r', limits.inline_bytes) {
        Line::Whole(line) if start + line.len() + 1 == input.len() => {
            Line::Unfinished { scanned: start + line.len() }
        }
        found => found,
    }
}

/// The line from `start` up to the byte `end`, searched from `scanned` on where that is further.
///
/// A NUL hides the rest of its line, as it does from Redis: such a line can only grow too long.
pub(crate) fn find_line<'a>(
    input: &'a [u8],
    start: usize,
    scanned: usize,
    end: u8,
    bytes_max: usize,
) -> Line<'a> {
    let stop = input.len().min(start.saturating_add(bytes_max).saturating_add(1));
    let from = scanned.clamp(start, stop);
    let found = memchr::memchr2(end, 0, &input[from..stop]).map(|offset| from + offset);
    match found {
        Some(at) if input[at] == end => Line::Whole(&input[start..at]),
        _ if stop - start > bytes_max => Line::TooLong,
        _ => Line::Unfinished { scanned: found.unwrap_or(stop) },
    }
}
