//! What a key holds, as commands see it.

use crate::integer::parse_integer;

/// The key holds another type than the command works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongType;

/// The type of a value, as TYPE names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Bytes or an integer.
    String,
    /// Elements in the order of their insertion at either end.
    List,
    /// Members without order.
    Set,
    /// Members in the order of their scores.
    SortedSet,
    /// Fields with values.
    Hash,
    /// Entries in the order of their IDs.
    Stream,
}

impl Kind {
    /// The name that TYPE replies and that SCAN's TYPE option takes.
    pub fn name(self) -> &'static str {
        match self {
            Kind::String => "string",
            Kind::List => "list",
            Kind::Set => "set",
            Kind::SortedSet => "zset",
            Kind::Hash => "hash",
            Kind::Stream => "stream",
        }
    }
}

/// A string as it is stored, or an element of a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Str<'a> {
    /// Bytes.
    Bytes(&'a [u8]),
    /// An integer, stored as such; its text is its canonical decimal form.
    Int(i64),
}

impl<'a> Str<'a> {
    /// The string's bytes; `buffer` is where an integer's text is written. O(1).
    #[inline]
    pub fn as_bytes<'b>(&self, buffer: &'b mut itoa::Buffer) -> &'b [u8]
    where
        'a: 'b,
    {
        match *self {
            Str::Bytes(bytes) => bytes,
            Str::Int(number) => buffer.format(number).as_bytes(),
        }
    }

    /// Length in bytes. O(1).
    pub fn len(&self) -> usize {
        self.as_bytes(&mut itoa::Buffer::new()).len()
    }

    /// Whether the string has no bytes.
    pub fn is_empty(&self) -> bool {
        matches!(self, Str::Bytes([]))
    }

    /// A copy of the bytes.
    pub fn to_vec(&self) -> Vec<u8> {
        self.as_bytes(&mut itoa::Buffer::new()).to_vec()
    }
}

/// A string to be stored, in the form it will be stored in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// An integer.
    Int(i64),
    /// Bytes that stay bytes, also when they read as an integer.
    Bytes(&'a [u8]),
    /// Bytes that report the encoding `raw` whatever their length.
    Raw(&'a [u8]),
}

impl<'a> Value<'a> {
    /// The form Redis gives a value that a client sent: an integer where the text is one.
    #[inline]
    pub fn detect(bytes: &'a [u8]) -> Value<'a> {
        match parse_integer(bytes) {
            Some(number) => Value::Int(number),
            None => Value::Bytes(bytes),
        }
    }
}

/// What a write does to the time to live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// The key will have none.
    Clear,
    /// The key keeps what it has; a new key has none.
    Keep,
    /// The key expires at this UNIX time in milliseconds.
    At(i64),
}

/// Why a value could not be incremented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncrError {
    /// The key holds another type.
    WrongType,
    /// The string is not the canonical text of a 64-bit integer.
    NotInteger,
    /// The result does not fit 64 bits.
    Overflow,
}

impl From<WrongType> for IncrError {
    fn from(_: WrongType) -> IncrError {
        IncrError::WrongType
    }
}
