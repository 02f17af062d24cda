//! The ends of ranges: scores as ZRANGEBYSCORE takes them, members as ZRANGEBYLEX does.

use crate::{Args, Failure};
use base::until_nul;
use resp::number::parse_f64;
use std::ops::Bound;
use store::{LexBound, LexRange, ScoreRange};

/// An end that is no score.
const NOT_SCORE: Failure = Failure::new("ERR min or max is not a float");
/// An end that is no member.
const NOT_MEMBER: Failure = Failure::new("ERR min or max not valid string range item");

/// The range of scores whose ends are these arguments.
pub fn scores(args: &Args<'_>, min: usize, max: usize) -> Result<ScoreRange, Failure> {
    let ends = (score(args.get(min)), score(args.get(max)));
    let (Some(min), Some(max)) = ends else { return Err(NOT_SCORE) };
    Ok(ScoreRange { min, max })
}

/// The range of members whose ends are these arguments.
pub fn members<'a>(args: &Args<'a>, min: usize, max: usize) -> Result<LexRange<'a>, Failure> {
    let ends = (member(args.get(min)), member(args.get(max)));
    let (Some(min), Some(max)) = ends else { return Err(NOT_MEMBER) };
    Ok(LexRange { min, max })
}

fn score(text: &[u8]) -> Option<Bound<f64>> {
    match text {
        [b'(', rest @ ..] => number(rest).map(Bound::Excluded),
        _ => number(text).map(Bound::Included),
    }
}

/// Reads a number as C's `strtod` does, by which Redis reads it here: blanks may stand in front, nothing at all is
/// 0, a NUL byte ends the text, and what is too large or too small is infinite or 0.
fn number(text: &[u8]) -> Option<f64> {
    let text = until_nul(text);
    if text.is_empty() {
        return Some(0.0);
    }
    let is_blank = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x0b;
    let start = text.iter().position(|byte| !is_blank(byte))?;
    parse_f64(&text[start..]).or_else(|| beyond(&text[start..]))
}

/// A number that is too large for a double, or so small that it vanishes.
fn beyond(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?;
    if text.bytes().all(|byte| b"+-.0123456789eE".contains(&byte)) {
        return text.parse().ok();
    }
    // A hexadecimal one by its exponent, once all else is in order.
    let (mantissa, exponent) = text.split_once(['p', 'P'])?;
    let sign = parse_f64(mantissa.as_bytes())?.signum();
    let (small, digits) = match exponent.as_bytes() {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let fits = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    fits.then_some(sign * if small { 0.0 } else { f64::INFINITY })
}

fn member(text: &[u8]) -> Option<LexBound<'_>> {
    match text {
        [b'[', rest @ ..] => Some(LexBound::Included(rest)),
        [b'(', rest @ ..] => Some(LexBound::Excluded(rest)),
        _ => match until_nul(text) {
            b"-" => Some(LexBound::Lowest),
            b"+" => Some(LexBound::Highest),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_read_as_c_reads_them() {
        let included = |text: &str| match score(text.as_bytes()) {
            Some(Bound::Included(number)) => Some(number),
            _ => None,
        };
        for (text, number) in [
            ("", 0.0),
            (" 1", 1.0),
            ("\t\n1.5e3", 1500.0),
            ("+1", 1.0),
            ("1\0x", 1.0),
            ("1e400", f64::INFINITY),
            ("-1e400", f64::NEG_INFINITY),
            ("1e-400", 0.0),
            ("0x1p1", 2.0),
            ("0x1p99999", f64::INFINITY),
            ("-0x1p99999", f64::NEG_INFINITY),
            ("0x1p-99999", 0.0),
            ("-inf", f64::NEG_INFINITY),
            ("Infinity", f64::INFINITY),
        ] {
            assert_eq!(included(text), Some(number), "{text:?}");
        }
        for text in
            ["1 ", " ", "nan", "1e", "0x", "--1", "+", "1_0", "infx", "((1", "(nan", "0x1p", "0xp1"]
        {
            assert!(score(text.as_bytes()).is_none(), "{text:?}");
        }
        assert!(matches!(score(b"("), Some(Bound::Excluded(0.0))));
        assert!(matches!(score(b"( 1"), Some(Bound::Excluded(1.0))));
    }

    #[test]
    fn members_are_marked_by_their_first_byte() {
        assert!(matches!(member(b"["), Some(LexBound::Included(b""))));
        assert!(matches!(member(b"(a"), Some(LexBound::Excluded(b"a"))));
        assert!(matches!(member(b"-"), Some(LexBound::Lowest)));
        assert!(matches!(member(b"+\0x"), Some(LexBound::Highest)));
        assert!(["", "a", "-x", "+x", "--"].iter().all(|text| member(text.as_bytes()).is_none()));
    }
}
