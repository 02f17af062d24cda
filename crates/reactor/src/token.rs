//! The 64 bits that travel through the kernel with an operation and come back in its completion:
//! kind (8 bits), index (24 bits), generation (32 bits).

use base::ConnId;

/// The most connections a reactor can number.
pub const INDEXES_MAX: usize = 1 << 24;

/// What an operation was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// Multishot receive of a connection.
    Receive = 1,
    /// A send that completes within the enter that submits it, or says why not.
    SendNow = 2,
    /// A send that waits for the socket to take it.
    SendWait = 3,
    /// The cancellation of a connection's operations.
    Cancel = 4,
    /// Multishot accept of a listener.
    Accept = 5,
    /// Another ring's wake-up has arrived.
    Wake = 6,
    /// Our wake-up of another ring has failed; the index is the peer.
    WakeFailed = 7,
    /// Our eventfd was written.
    Alarm = 8,
    /// Nothing depends on it.
    Ignored = 9,
    /// A receive straight into a destination of the owner's.
    Fill = 10,
    /// A poll for the end of a connection that is not read.
    HangUp = 11,
}

/// A `user_data` value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token(pub(crate) u64);

impl Token {
    pub(crate) fn new(kind: Kind, index: u32, generation: u32) -> Token {
        debug_assert!((index as usize) < INDEXES_MAX);
        Token(u64::from(kind as u8) << 56 | u64::from(index) << 32 | u64::from(generation))
    }

    pub(crate) fn of(kind: Kind, id: ConnId) -> Token {
        Token::new(kind, id.index, id.generation)
    }

    /// The kind, if the bits are ours.
    pub(crate) fn kind(self) -> Option<Kind> {
        Some(match (self.0 >> 56) as u8 {
            1 => Kind::Receive,
            2 => Kind::SendNow,
            3 => Kind::SendWait,
            4 => Kind::Cancel,
            5 => Kind::Accept,
            6 => Kind::Wake,
            7 => Kind::WakeFailed,
            8 => Kind::Alarm,
            9 => Kind::Ignored,
            10 => Kind::Fill,
            11 => Kind::HangUp,
            _ => return None,
        })
    }

    pub(crate) fn index(self) -> u32 {
        (self.0 >> 32) as u32 & (INDEXES_MAX as u32 - 1)
    }

    pub(crate) fn conn(self) -> ConnId {
        ConnId { index: self.index(), generation: self.0 as u32 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_gives_back_what_it_was_made_of() {
        let id = ConnId { index: INDEXES_MAX as u32 - 1, generation: u32::MAX };
        let token = Token::of(Kind::SendWait, id);
        assert_eq!(token.kind(), Some(Kind::SendWait));
        assert_eq!(token.conn(), id);
        assert_eq!(Token(0).kind(), None);
    }
}
