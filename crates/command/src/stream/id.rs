//! IDs as clients write them: `ms-seq`, `ms` alone, and words for some.
//!
//! Numbers are read as Redis does it: by C's `strtoull` where they are not in canonical form, so blanks before
//! them, a plus and leading zeros are allowed; and only up to a NUL.

use crate::Failure;
use base::until_nul;
use resp::number::parse_i64;
use store::StreamId;

/// The text is no ID.
pub(super) const INVALID: Failure =
    Failure::new("ERR Invalid stream ID specified as stream command argument");
const INVALID_START: Failure = Failure::new("ERR invalid start ID for the interval");
const INVALID_END: Failure = Failure::new("ERR invalid end ID for the interval");

/// Bytes of the longest text that is looked at.
const TEXT_MAX: usize = 127;

/// An ID for a new entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NewId {
    /// `*`: the present time, or just behind the last.
    Auto,
    /// `ms-*`: the next one in this millisecond.
    In(u64),
    /// As given.
    Just(StreamId),
}

/// The number that a text spells.
fn number(text: &[u8]) -> Option<u64> {
    if let Some(number) = parse_i64(text) {
        return u64::try_from(number).ok();
    }
    let is_blank = |byte: &&u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let blanks = text.iter().take_while(is_blank).count();
    let (negative, digits) = match &text[blanks..] {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    if digits.is_empty() {
        return None;
    }
    let value = digits.iter().try_fold(0u64, |value, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })?;
    Some(if negative { value.wrapping_neg() } else { value })
}

/// The parts of an ID: milliseconds, and the text of the sequence if there is one.
fn parts(text: &[u8]) -> Option<(u64, Option<&[u8]>)> {
    if text.len() > TEXT_MAX {
        return None;
    }
    let text = until_nul(text);
    match text.iter().position(|byte| *byte == b'-') {
        Some(at) => Some((number(&text[..at])?, Some(&text[at + 1..]))),
        None => Some((number(text)?, None)),
    }
}

/// An ID in full, or with `seq` for a sequence that is left out.
pub(super) fn exact(text: &[u8], seq: u64) -> Result<StreamId, Failure> {
    let read = || {
        let (ms, given) = parts(text)?;
        Some(StreamId { ms, seq: given.map_or(Some(seq), number)? })
    };
    read().ok_or(INVALID)
}

/// The ID of a new entry.
pub(super) fn new(text: &[u8]) -> Result<NewId, Failure> {
    if text == b"*" {
        return Ok(NewId::Auto);
    }
    match parts(text) {
        Some((ms, Some(b"*"))) => Ok(NewId::In(ms)),
        _ => exact(text, 0).map(NewId::Just),
    }
}

/// An ID, or `-` for the least one or `+` for the greatest.
pub(super) fn open(text: &[u8], seq: u64) -> Result<StreamId, Failure> {
    match until_nul(text) {
        b"-" if text.len() <= TEXT_MAX => Ok(StreamId::MIN),
        b"+" if text.len() <= TEXT_MAX => Ok(StreamId::MAX),
        _ => exact(text, seq),
    }
}

/// The first ID of an interval that begins with this text: `(` leaves the ID itself out.
pub(super) fn start(text: &[u8]) -> Result<StreamId, Failure> {
    match text {
        [b'(', rest @ ..] if !rest.is_empty() => exact(rest, 0)?.next().ok_or(INVALID_START),
        _ => open(text, 0),
    }
}

/// The last ID of an interval that ends with this text: `(` leaves the ID itself out.
pub(super) fn end(text: &[u8]) -> Result<StreamId, Failure> {
    match text {
        [b'(', rest @ ..] if !rest.is_empty() => {
            exact(rest, u64::MAX)?.previous().ok_or(INVALID_END)
        }
        _ => open(text, u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_c_reads_them() {
        let read = |text: &str| exact(text.as_bytes(), 7).ok().map(|id| (id.ms, id.seq));
        assert_eq!(read("5"), Some((5, 7)));
        assert_eq!(read("5-3"), Some((5, 3)));
        assert_eq!(read("+5-03"), Some((5, 3)));
        assert_eq!(read(" 5- 3"), Some((5, 3)));
        assert_eq!(read("5\0x"), Some((5, 7)));
        assert_eq!(read("5--01"), Some((5, u64::MAX)));
        assert_eq!(read("18446744073709551615"), Some((u64::MAX, 7)));
        for text in ["", "x", "-", "+", "-5", "5-", "5-x", "5 ", "5--1", "1-1-1", "5-*", "0x5"] {
            assert_eq!(read(text), None, "{text:?}");
        }
        assert_eq!(read("18446744073709551616"), None);
        assert_eq!(read(&"0".repeat(127)), Some((0, 7)));
        assert_eq!(read(&"0".repeat(128)), None);
    }

    #[test]
    fn intervals_may_leave_their_ends_out() {
        let id = |ms, seq| StreamId { ms, seq };
        assert_eq!(start(b"-"), Ok(StreamId::MIN));
        assert_eq!(end(b"+"), Ok(StreamId::MAX));
        assert_eq!(start(b"(5"), Ok(id(5, 1)));
        assert_eq!(end(b"(5"), Ok(id(5, u64::MAX - 1)));
        assert_eq!(end(b"5"), Ok(id(5, u64::MAX)));
        assert_eq!(end(b"(0-0"), Err(INVALID_END));
        assert_eq!(start(b"(18446744073709551615-18446744073709551615"), Err(INVALID_START));
        assert_eq!(
            [start(b"("), start(b"(-"), end(b"(+")],
            [Err(INVALID), Err(INVALID), Err(INVALID)]
        );
    }
}
