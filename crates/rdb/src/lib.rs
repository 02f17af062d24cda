//! Values to and from the bytes that Redis' database files have: DUMP and RESTORE.
//!
//! A payload is a byte that says the type and the encoding, the value, two bytes of version, and eight of a
//! checksum. What [`dump`] writes is what Redis 7.0 can read, in the plain encodings that every version
//! knows, but for streams (`stream`), whose form is that of 7.0, and for hashes with times to live, which need
//! Redis 7.4. What [`restore`] reads is every encoding up to Redis 7.2, packed ones included (`elements`), and it
//! trusts nothing: whatever the bytes are, the answer is a whole value or an error.
//!
//! The format is Redis' (<https://rdb.fnordig.de/file_format.html> describes most of it; that of streams was
//! read off the payloads of a redis-server 7.0).
#![forbid(unsafe_code)]

mod checksum;
mod dump;
mod elements;
mod foreign;
mod listpack;
mod lzf;
mod read;
mod restore;
mod stream;

pub use self::checksum::of as checksum;
pub use self::dump::{dump, seal};
pub use self::lzf::decompress;
pub use self::restore::{Malformed, Restored, restore};

/// The version of what is written: that of Redis 7.0.
const VERSION: u16 = 10;
/// The version with times to live of hash fields.
const VERSION_OF_FIELD_DEADLINES: u16 = 12;

/// Bytes behind the value: version and checksum.
const FOOTER: usize = 10;

/// Bytes of a payload that are not the value's: its type and the footer.
pub const FRAME: usize = 1 + FOOTER;

/// The first byte of a value.
mod kind {
    pub const STRING: u8 = 0;
    pub const LIST: u8 = 1;
    pub const SET: u8 = 2;
    pub const SORTED_SET_TEXT: u8 = 3;
    pub const HASH: u8 = 4;
    pub const SORTED_SET: u8 = 5;
    pub const HASH_ZIPMAP: u8 = 9;
    pub const LIST_ZIPLIST: u8 = 10;
    pub const SET_INTSET: u8 = 11;
    pub const SORTED_SET_ZIPLIST: u8 = 12;
    pub const HASH_ZIPLIST: u8 = 13;
    pub const LIST_QUICKLIST: u8 = 14;
    /// A stream of Redis 5.
    pub const STREAM: u8 = 15;
    pub const HASH_LISTPACK: u8 = 16;
    pub const SORTED_SET_LISTPACK: u8 = 17;
    pub const LIST_QUICKLIST_2: u8 = 18;
    /// A stream of Redis 7.0, which has counters.
    pub const STREAM_2: u8 = 19;
    pub const SET_LISTPACK: u8 = 20;
    /// A stream of Redis 7.2, whose consumers say when they were active.
    pub const STREAM_3: u8 = 21;
    pub const HASH_DEADLINES: u8 = 24;
}
