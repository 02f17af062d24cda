//! Sets: members without order under one key.
//!
//! | file | commands |
//! |---|---|
//! | [`members`] | SADD SREM SMOVE SISMEMBER SMISMEMBER SCARD |
//! | [`whole`] | SMEMBERS SSCAN SRANDMEMBER SPOP |
//! | [`several`] | SINTER SINTERSTORE SINTERCARD SUNION SUNIONSTORE SUNIONCARD SDIFF SDIFFSTORE SDIFFCARD |

pub mod members;
pub mod several;
pub mod whole;

use crate::spec::{Arg, Command};

/// The family's list.
pub const COMMANDS: &[Command] = &[
    members::SADD,
    members::SCARD,
    several::SDIFF,
    several::SDIFFCARD,
    several::SDIFFSTORE,
    several::SINTER,
    several::SINTERCARD,
    several::SINTERSTORE,
    members::SISMEMBER,
    whole::SMEMBERS,
    members::SMISMEMBER,
    members::SMOVE,
    whole::SPOP,
    whole::SRANDMEMBER,
    members::SREM,
    whole::SSCAN,
    several::SUNION,
    several::SUNIONCARD,
    several::SUNIONSTORE,
];

/// The key in COMMAND DOCS.
const KEY: Arg = Arg::key("key", 0);
/// Several keys in COMMAND DOCS.
const KEYS: Arg = Arg::key("key", 0).multiple();
/// Keys behind a destination in COMMAND DOCS.
const SOURCES: Arg = Arg::key("key", 1).multiple();
/// The key that a result is stored under in COMMAND DOCS.
const DESTINATION: Arg = Arg::key("destination", 0);
/// A member in COMMAND DOCS.
const MEMBER: Arg = Arg::string("member");
/// Members in COMMAND DOCS.
const MEMBERS: Arg = Arg::string("member").multiple();

/// What the tests over the whole table need to know of this family.
#[cfg(test)]
pub(crate) mod facts {
    /// What redis-server calls fast.
    pub const FAST: &str = "SADD SCARD SISMEMBER SMISMEMBER SMOVE SPOP SREM";

    /// Each command in a call that takes effect.
    pub const EXAMPLES: &[&str] = &[
        "SADD s 1 2 3 4 5",
        "SADD s2 1 9",
        "SCARD s",
        "SDIFF s s2",
        "SDIFFSTORE s3 s s2",
        "SINTER s s2",
        "SINTERCARD 2 s s2",
        "SUNIONCARD 2 s s2",
        "SDIFFCARD 2 s s2",
        "SINTERSTORE s3 s s2",
        "SISMEMBER s 1",
        "SMEMBERS s",
        "SMISMEMBER s 1 7",
        "SMOVE s s2 2",
        "SPOP s",
        "SRANDMEMBER s",
        "SREM s 1 2 3",
        "SSCAN s 0",
        "SUNION s s2",
        "SUNIONSTORE s3 s s2",
    ];
}
