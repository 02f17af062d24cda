//! Replies out of bytes, for those who play the client: the simulator's clients, tests, merges of what
//! several cores answered.
//!
//! [`frame_len`] says where a reply ends without building anything; [`Framer`] is the same for replies
//! that arrive in pieces. [`Value`] is a reply as a tree; its `Display` is the notation that tests
//! are written in:
//!
//! | reply | shown as |
//! |---|---|
//! | status, bulk string, integer, big number, verbatim text | its text: `OK`, `v`, `1`; an empty string as `""` |
//! | null of either protocol | `nil` |
//! | error | `(err) text` |
//! | array, push | `[a b [1 2]]`, `>[a b]` |
//! | map, set | `{k v k v}`, `~{a b}` |
//! | true, false, double | `#t`, `#f`, `,1.5` |
//! | attributes and what they are about | `\|{k v} reply` |
//!
//! Bytes that are not printable ASCII appear as Rust escapes (`\n`, `\xff`).
//!
//! A reply is framed in a loop, so depth costs nothing there; the tree is built by recursion, bounded
//! by [`DEPTH_MAX`]. RESP3's streamed strings and aggregates (`$?`) are not spoken by any server we
//! know and are refused.

use crate::number::parse_i64;
use std::fmt;

/// How deep aggregates may nest in a [`Value`].
pub const DEPTH_MAX: usize = 128;

/// Bytes of a length, an integer or a double before its end of line.
const NUMBER_BYTES_MAX: usize = 5 * 1024;

/// What is wrong with the bytes: they are not a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// No reply begins with this byte.
    UnknownType(u8),
    /// A length or number that is none.
    BadNumber,
    /// A string is not followed by an end of line, or a line has one inside.
    MissingLineEnd,
    /// `#` is followed by neither `t` nor `f`, `_` by something, `=` by no format.
    BadText,
    /// Aggregates nest deeper than [`DEPTH_MAX`].
    TooDeep,
}

impl fmt::Display for ReadError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownType(byte) => {
                write!(out, "no reply begins with '{}'", byte.escape_ascii())
            }
            Self::BadNumber => out.write_str("not a number"),
            Self::MissingLineEnd => out.write_str("end of line missing"),
            Self::BadText => out.write_str("malformed text"),
            Self::TooDeep => out.write_str("nested too deep"),
        }
    }
}

impl std::error::Error for ReadError {}

/// The length of the first reply in `input`, in bytes; `None` while it is incomplete. O(its bytes).
pub fn frame_len(input: &[u8]) -> Option<Result<usize, ReadError>> {
    Framer::default().frame_len(input)
}

/// Finds the end of a reply that arrives in pieces, in linear time over all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framer {
    /// Up to where the reply was understood.
    at: usize,
    /// How many values are still due.
    due: u64,
}

impl Default for Framer {
    fn default() -> Framer {
        Framer { at: 0, due: 1 }
    }
}

impl Framer {
    /// The length of the reply that begins at `input[0]`, or `None` while it is incomplete; then the next
    /// call gives the same bytes with more behind them. After an answer the framer is fresh again.
    pub fn frame_len(&mut self, input: &[u8]) -> Option<Result<usize, ReadError>> {
        while self.due > 0 {
            match self.step(input) {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    *self = Framer::default();
                    return Some(Err(error));
                }
            }
        }
        let len = self.at;
        *self = Framer::default();
        Some(Ok(len))
    }

    /// Goes past one head or scalar; false when it is incomplete.
    fn step(&mut self, input: &[u8]) -> Result<bool, ReadError> {
        let Some(head) = read_head(input, self.at)? else {
            return Ok(false);
        };
        let more = match head.kind {
            Kind::Aggregate(_, values) => values,
            Kind::Attribute(pairs) => pairs.saturating_mul(2).saturating_add(1),
            Kind::Scalar(_) => 0,
        };
        self.at = head.next;
        self.due = (self.due - 1).saturating_add(more);
        Ok(true)
    }
}

/// One head of an aggregate, or one whole scalar.
struct Head<'a> {
    kind: Kind<'a>,
    /// The position behind it.
    next: usize,
}

enum Kind<'a> {
    /// The letter and how many values follow (a map: twice its pairs).
    Aggregate(u8, u64),
    /// How many pairs follow, and then the reply they are about.
    Attribute(u64),
    Scalar(Scalar<'a>),
}

enum Scalar<'a> {
    /// A line, by its letter.
    Line(u8, &'a [u8]),
    /// A string with its length before it, by its letter.
    Counted(u8, &'a [u8]),
    Null,
}

/// Reads what begins at `at`; `None` when it is incomplete.
fn read_head(input: &[u8], at: usize) -> Result<Option<Head<'_>>, ReadError> {
    let Some(letter) = input.get(at) else {
        return Ok(None);
    };
    if !b"+-:$*_#,(!=%~>|".contains(letter) {
        return Err(ReadError::UnknownType(*letter));
    }
    let Some((line, next)) = read_line(input, at + 1, *letter)? else {
        return Ok(None);
    };
    let done = |kind| Ok(Some(Head { kind, next }));
    match letter {
        b'*' | b'$' if line == b"-1" => done(Kind::Scalar(Scalar::Null)),
        b'*' | b'~' | b'>' => done(Kind::Aggregate(*letter, length(line)?)),
        b'%' => {
            done(Kind::Aggregate(b'%', length(line)?.checked_mul(2).ok_or(ReadError::BadNumber)?))
        }
        b'|' => done(Kind::Attribute(length(line)?)),
        b'_' if line.is_empty() => done(Kind::Scalar(Scalar::Null)),
        b'_' => Err(ReadError::BadText),
        b'$' | b'!' | b'=' => counted(input, *letter, next, length(line)?),
        _ => done(Kind::Scalar(Scalar::Line(*letter, line))),
    }
}

/// A string of `len` bytes from `start` on and its end of line.
fn counted(
    input: &[u8],
    letter: u8,
    start: usize,
    len: u64,
) -> Result<Option<Head<'_>>, ReadError> {
    let end = usize::try_from(len).ok().and_then(|len| start.checked_add(len));
    let Some(text) = end.and_then(|end| input.get(start..end)) else {
        return Ok(None);
    };
    let next = start + text.len() + 2;
    match input.get(start + text.len()..next) {
        Some(b"\r\n") => Ok(Some(Head { kind: Kind::Scalar(Scalar::Counted(letter, text)), next })),
        Some(_) => Err(ReadError::MissingLineEnd),
        None => Ok(None),
    }
}

/// A line without its end, and the position behind it. Only texts may be long.
fn read_line(input: &[u8], start: usize, letter: u8) -> Result<Option<(&[u8], usize)>, ReadError> {
    let rest = &input[start..];
    let Some(len) = memchr::memchr(b'\r', rest) else {
        let is_text = matches!(letter, b'+' | b'-' | b'(');
        return if !is_text && rest.len() > NUMBER_BYTES_MAX {
            Err(ReadError::BadNumber)
        } else {
            Ok(None)
        };
    };
    match rest.get(len + 1) {
        Some(b'\n') => Ok(Some((&rest[..len], start + len + 2))),
        Some(_) => Err(ReadError::MissingLineEnd),
        None => Ok(None),
    }
}

fn length(line: &[u8]) -> Result<u64, ReadError> {
    parse_i64(line).and_then(|len| u64::try_from(len).ok()).ok_or(ReadError::BadNumber)
}

/// A reply as a tree. Numbers that have several spellings are kept as they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A status line.
    Simple(String),
    /// An error, code and text, of either spelling.
    Error(String),
    /// An integer.
    Integer(i64),
    /// A string of bytes.
    Bulk(Vec<u8>),
    /// Nothing, in any of its three spellings.
    Null,
    /// An array.
    Array(Vec<Value>),
    /// Pairs, in the order they came.
    Map(Vec<(Value, Value)>),
    /// A set, in the order it came.
    Set(Vec<Value>),
    /// Something the server says unasked.
    Push(Vec<Value>),
    /// A float, as spelled.
    Double(String),
    /// A truth value.
    Bool(bool),
    /// An integer of any length, as spelled.
    BigNumber(String),
    /// Text with its format of three letters.
    Verbatim(String, Vec<u8>),
    /// A reply with attributes before it.
    Attributed(Vec<(Value, Value)>, Box<Value>),
}

impl Value {
    /// The first reply in `input` and its length in bytes; `None` while it is incomplete. O(its bytes).
    pub fn parse(input: &[u8]) -> Option<Result<(Value, usize), ReadError>> {
        match frame_len(input)? {
            Ok(len) => {
                let mut at = 0;
                Some(build(&input[..len], &mut at, 0).map(|value| (value, len)))
            }
            Err(error) => Some(Err(error)),
        }
    }

    /// All replies in `input`, and how many bytes they take; an incomplete one at the end is left.
    pub fn parse_all(input: &[u8]) -> Result<(Vec<Value>, usize), ReadError> {
        let (mut values, mut at) = (Vec::new(), 0);
        while let Some(parsed) = Value::parse(&input[at..]) {
            let (value, len) = parsed?;
            values.push(value);
            at += len;
        }
        Ok((values, at))
    }

    /// Whether the reply is an error.
    pub fn is_error(&self) -> bool {
        matches!(self, Value::Error(_))
    }
}

/// Builds the value at `at` of a whole frame.
fn build(frame: &[u8], at: &mut usize, depth: usize) -> Result<Value, ReadError> {
    if depth > DEPTH_MAX {
        return Err(ReadError::TooDeep);
    }
    let head = read_head(frame, *at)?.expect("the frame was measured to be whole");
    *at = head.next;
    let mut many = |count: u64| -> Result<Vec<Value>, ReadError> {
        (0..count).map(|_| build(frame, at, depth + 1)).collect()
    };
    Ok(match head.kind {
        Kind::Scalar(scalar) => scalar_value(scalar)?,
        Kind::Aggregate(b'%', values) => Value::Map(pairs(many(values)?)),
        Kind::Aggregate(b'~', values) => Value::Set(many(values)?),
        Kind::Aggregate(b'>', values) => Value::Push(many(values)?),
        Kind::Aggregate(_, values) => Value::Array(many(values)?),
        Kind::Attribute(count) => {
            let attributes = pairs(many(count * 2)?);
            Value::Attributed(attributes, Box::new(build(frame, at, depth + 1)?))
        }
    })
}

fn pairs(values: Vec<Value>) -> Vec<(Value, Value)> {
    let mut values = values.into_iter();
    std::iter::from_fn(|| Some((values.next()?, values.next()?))).collect()
}

fn scalar_value(scalar: Scalar<'_>) -> Result<Value, ReadError> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(match scalar {
        Scalar::Null => Value::Null,
        Scalar::Line(b'+', line) => Value::Simple(text(line)),
        Scalar::Line(b'-', line) | Scalar::Counted(b'!', line) => Value::Error(text(line)),
        Scalar::Line(b':', line) => {
            let digits = line.strip_prefix(b"+").unwrap_or(line);
            Value::Integer(parse_i64(digits).ok_or(ReadError::BadNumber)?)
        }
        Scalar::Line(b'#', b"t") => Value::Bool(true),
        Scalar::Line(b'#', b"f") => Value::Bool(false),
        Scalar::Line(b',', line) => Value::Double(text(line)),
        Scalar::Line(b'(', line) => Value::BigNumber(text(line)),
        Scalar::Line(..) => return Err(ReadError::BadText),
        Scalar::Counted(b'=', [a, b, c, b':', rest @ ..]) => {
            Value::Verbatim(text(&[*a, *b, *c]), rest.to_vec())
        }
        Scalar::Counted(b'=', _) => return Err(ReadError::BadText),
        Scalar::Counted(_, bytes) => Value::Bulk(bytes.to_vec()),
    })
}

impl fmt::Display for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Simple(text) | Value::BigNumber(text) => show_bytes(out, text.as_bytes()),
            Value::Error(text) => {
                out.write_str("(err) ")?;
                show_bytes(out, text.as_bytes())
            }
            Value::Integer(value) => write!(out, "{value}"),
            Value::Bulk(bytes) | Value::Verbatim(_, bytes) => show_bytes(out, bytes),
            Value::Null => out.write_str("nil"),
            Value::Array(values) => show_values(out, "[", values, "]"),
            Value::Push(values) => show_values(out, ">[", values, "]"),
            Value::Set(values) => show_values(out, "~{", values, "}"),
            Value::Map(pairs) => show_pairs(out, pairs),
            Value::Double(text) => write!(out, ",{text}"),
            Value::Bool(value) => out.write_str(if *value { "#t" } else { "#f" }),
            Value::Attributed(attributes, value) => {
                out.write_str("|")?;
                show_pairs(out, attributes)?;
                write!(out, " {value}")
            }
        }
    }
}

fn show_bytes(out: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    if bytes.is_empty() {
        return out.write_str("\"\"");
    }
    for byte in bytes {
        match byte {
            b' '..=b'~' => write!(out, "{}", char::from(*byte))?,
            other => write!(out, "{}", other.escape_ascii())?,
        }
    }
    Ok(())
}

fn show_values(
    out: &mut fmt::Formatter<'_>,
    open: &str,
    values: &[Value],
    close: &str,
) -> fmt::Result {
    out.write_str(open)?;
    for (index, value) in values.iter().enumerate() {
        write!(out, "{}{value}", if index == 0 { "" } else { " " })?;
    }
    out.write_str(close)
}

fn show_pairs(out: &mut fmt::Formatter<'_>, pairs: &[(Value, Value)]) -> fmt::Result {
    out.write_str("{")?;
    for (index, (key, value)) in pairs.iter().enumerate() {
        write!(out, "{}{key} {value}", if index == 0 { "" } else { " " })?;
    }
    out.write_str("}")
}

/// The replies in the notation of tests, separated by `; `.
pub fn show(values: &[Value]) -> String {
    values.iter().map(Value::to_string).collect::<Vec<_>>().join("; ")
}
