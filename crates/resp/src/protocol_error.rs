//! What a client can do wrong below the level of commands.

use std::borrow::Cow;

/// A violation of the protocol: the client gets the text, then the connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    /// The count behind `*` is not a number or above the limit.
    InvalidMultibulkLength,
    /// The count is above what an unauthenticated client may send.
    UnauthenticatedMultibulkLength,
    /// The length behind `$` is not a number, negative, or above the limit.
    InvalidBulkLength,
    /// The length is above what an unauthenticated client may send.
    UnauthenticatedBulkLength,
    /// An argument begins with this byte instead of `$`.
    ExpectedDollar(u8),
    /// The line of the count does not end.
    TooBigMultibulkCount,
    /// The line of a length does not end.
    TooBigBulkCount,
    /// An inline request does not end.
    TooBigInlineRequest,
    /// A quote of an inline request is not closed, or not followed by a space.
    UnbalancedQuotes,
    /// The request reaches beyond 4 GiB of buffered bytes. Redis has no such error: its limits, like
    /// ours with a sane configuration, end a request earlier.
    RequestTooLarge,
}

impl ProtocolError {
    /// The text as Redis words it, without the leading `ERR `. The byte of
    /// [`ProtocolError::ExpectedDollar`] is shown raw; a CR or LF becomes a space in the reply.
    pub fn text(self) -> Cow<'static, [u8]> {
        let text: &'static str = match self {
            Self::InvalidMultibulkLength => "Protocol error: invalid multibulk length",
            Self::UnauthenticatedMultibulkLength => {
                "Protocol error: unauthenticated multibulk length"
            }
            Self::InvalidBulkLength => "Protocol error: invalid bulk length",
            Self::UnauthenticatedBulkLength => "Protocol error: unauthenticated bulk length",
            Self::ExpectedDollar(byte) => {
                let mut text = b"Protocol error: expected '$', got '".to_vec();
                text.extend_from_slice(&[byte, b'\'']);
                return Cow::Owned(text);
            }
            Self::TooBigMultibulkCount => "Protocol error: too big mbulk count string",
            Self::TooBigBulkCount => "Protocol error: too big bulk count string",
            Self::TooBigInlineRequest => "Protocol error: too big inline request",
            Self::UnbalancedQuotes => "Protocol error: unbalanced quotes in request",
            Self::RequestTooLarge => "Protocol error: request too large",
        };
        Cow::Borrowed(text.as_bytes())
    }
}
