//! What a command says when it does not do what was asked: the exact text, once.

use base::until_nul;
use std::borrow::Cow;

/// The error reply of a command, without the leading `-`. Bytes and not text, because it may repeat what
/// a client sent, and that comes back as it came.
#[derive(Clone, PartialEq, Eq)]
pub struct Failure(pub Cow<'static, [u8]>);

impl std::fmt::Debug for Failure {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Failure({})", self.0.escape_ascii())
    }
}

impl Failure {
    /// The key holds another type.
    pub const WRONG_TYPE: Failure =
        Failure::new("WRONGTYPE Operation against a key holding the wrong kind of value");
    /// The options make no sense.
    pub const SYNTAX: Failure = Failure::new("ERR syntax error");
    /// Not an integer, or outside 64 bits.
    pub const NOT_INTEGER: Failure = Failure::new("ERR value is not an integer or out of range");
    /// A number outside of what the command can work with.
    pub const OUT_OF_RANGE: Failure = Failure::new("ERR value is out of range");
    /// A request that names no key where it must.
    pub const NO_KEYS: Failure = Failure::new("ERR numkeys should be greater than 0");
    /// A request that takes none where it must.
    pub const NO_COUNT: Failure = Failure::new("ERR count should be greater than 0");
    /// A count below zero, or none.
    pub const NOT_POSITIVE: Failure = Failure::new("ERR value is out of range, must be positive");
    /// Not a float.
    pub const NOT_FLOAT: Failure = Failure::new("ERR value is not a valid float");
    /// A result outside 64 bits.
    pub const OVERFLOW: Failure = Failure::new("ERR increment or decrement would overflow");
    /// The key is absent where it must exist.
    pub const NO_SUCH_KEY: Failure = Failure::new("ERR no such key");
    /// A string that would be too long.
    pub const STRING_TOO_LONG: Failure =
        Failure::new("ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    /// Memory is exhausted.
    pub const OOM: Failure =
        Failure::new("OOM command not allowed when used memory > 'maxmemory'.");

    /// A failure with a fixed text.
    pub const fn new(text: &'static str) -> Failure {
        Failure(Cow::Borrowed(text.as_bytes()))
    }

    /// A failure with a text made now.
    pub fn text(text: impl Into<Vec<u8>>) -> Failure {
        Failure(Cow::Owned(text.into()))
    }

    /// A failure that repeats what the client sent, between two texts: byte for byte, but as in Redis
    /// only up to its first NUL.
    pub fn quoting(before: &str, said: &[u8], after: &str) -> Failure {
        Failure::text([before.as_bytes(), until_nul(said), after.as_bytes()].concat())
    }

    /// Why an EXEC executes nothing, when it or something that it queued was refused for this reason.
    pub fn exec_aborted(why: &[u8]) -> Failure {
        let why = why.strip_prefix(b"ERR ").unwrap_or(why);
        Failure::text([&b"EXECABORT Transaction discarded because of: "[..], why].concat())
    }

    /// Too few or too many arguments for the command with this (lower-case) name.
    pub fn wrong_arity(name: &str) -> Failure {
        Failure::text(format!("ERR wrong number of arguments for '{name}' command"))
    }

    /// A time to live that cannot be, for the command with this (lower-case) name.
    pub fn invalid_expire(name: &str) -> Failure {
        Failure::text(format!("ERR invalid expire time in '{name}' command"))
    }
}

impl From<store::WrongType> for Failure {
    fn from(_: store::WrongType) -> Failure {
        Failure::WRONG_TYPE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_a_request_come_back_as_they_came_up_to_a_nul() {
        let failure = Failure::quoting("ERR no '", b"\xff\xfe\n\0rest", "' here");
        assert_eq!(&*failure.0, b"ERR no '\xff\xfe\n' here");
    }
}
