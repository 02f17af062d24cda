//! Words out of a line: the quoting rules of inline requests.
//!
//! Words are separated by white space. A word, or a part of it from some byte on, may stand in
//! double quotes (escapes `\n \r \t \b \a \xHH`, a backslash before any other byte gives that byte) or
//! in single quotes (only `\'` is an escape). A closing quote ends its word: white space or the end of
//! the line must follow. The rules, odd ones included, are those observed at redis-server 7.0:
//! vertical tabs and form feeds count as white space before a word and behind a quote, not in a word.

use crate::parse::Span;

/// A quote is not closed, or something follows it directly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unbalanced;

/// Appends the words of `line` to `scratch` and their spans to `spans`; says how many there are. On
/// error both are as before. O(length of the line). `scratch` must stay below 4 GiB, see the caller.
pub fn split(line: &[u8], spans: &mut Vec<Span>, scratch: &mut Vec<u8>) -> Result<u32, Unbalanced> {
    let (spans_before, scratch_before) = (spans.len(), scratch.len());
    let mut rest = line;
    loop {
        rest = skip_space(rest);
        if rest.is_empty() {
            return Ok((spans.len() - spans_before) as u32);
        }
        let start = scratch.len();
        match word(rest, scratch) {
            Some(behind) => rest = behind,
            None => {
                spans.truncate(spans_before);
                scratch.truncate(scratch_before);
                return Err(Unbalanced);
            }
        }
        spans.push(Span { start: start as u32, len: (scratch.len() - start) as u32 });
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

fn skip_space(line: &[u8]) -> &[u8] {
    let first = line.iter().position(|byte| !is_space(*byte)).unwrap_or(line.len());
    &line[first..]
}

/// Copies one word; gives what is behind it, or `None` when its quotes are wrong.
fn word<'a>(line: &'a [u8], scratch: &mut Vec<u8>) -> Option<&'a [u8]> {
    let plain = line
        .iter()
        .position(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'"' | b'\''))
        .unwrap_or(line.len());
    scratch.extend_from_slice(&line[..plain]);
    let behind = match line.get(plain) {
        Some(b'"') => double_quoted(&line[plain + 1..], scratch)?,
        Some(b'\'') => single_quoted(&line[plain + 1..], scratch)?,
        _ => return Some(&line[plain..]),
    };
    match behind.first() {
        Some(byte) if !is_space(*byte) => None,
        _ => Some(behind),
    }
}

/// Copies up to the closing double quote; gives what is behind it.
fn double_quoted<'a>(mut line: &'a [u8], scratch: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        line = match line {
            [b'"', rest @ ..] => return Some(rest),
            [b'\\', b'x', high, low, rest @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                scratch.push(hex_digit(*high) << 4 | hex_digit(*low));
                rest
            }
            [b'\\', escaped, rest @ ..] => {
                scratch.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => *other,
                });
                rest
            }
            [byte, rest @ ..] => {
                scratch.push(*byte);
                rest
            }
            [] => return None,
        };
    }
}

/// Copies up to the closing single quote; gives what is behind it.
fn single_quoted<'a>(mut line: &'a [u8], scratch: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        line = match line {
            [b'\'', rest @ ..] => return Some(rest),
            [b'\\', b'\'', rest @ ..] => {
                scratch.push(b'\'');
                rest
            }
            [byte, rest @ ..] => {
                scratch.push(*byte);
                rest
            }
            [] => return None,
        };
    }
}

/// The value of a byte that is known to be a hexadecimal digit.
fn hex_digit(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}
