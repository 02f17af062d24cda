//! Hashes: fields with values under one key.
//!
//! | file | commands |
//! |---|---|
//! | [`fields`] | HSET HMSET HSETNX HGET HMGET HDEL HEXISTS HLEN HSTRLEN |
//! | [`whole`] | HGETALL HKEYS HVALS HSCAN HRANDFIELD |
//! | [`incr`] | HINCRBY HINCRBYFLOAT |
//! | [`expire`] | HEXPIRE HPEXPIRE HEXPIREAT HPEXPIREAT HPERSIST HTTL HPTTL HEXPIRETIME HPEXPIRETIME |
//! | [`lives`] | HGETEX HSETEX HGETDEL |

pub mod expire;
pub mod fields;
pub mod incr;
mod listed;
pub mod lives;
pub mod whole;

use crate::spec::{Arg, Command};
use crate::string::reply_text;
use resp::write::Writer;
use store::Field;

/// The family's list.
pub const COMMANDS: &[Command] = &[
    fields::HDEL,
    fields::HEXISTS,
    fields::HGET,
    whole::HGETALL,
    incr::HINCRBY,
    incr::HINCRBYFLOAT,
    whole::HKEYS,
    fields::HLEN,
    fields::HMGET,
    fields::HMSET,
    whole::HRANDFIELD,
    whole::HSCAN,
    fields::HSET,
    fields::HSETNX,
    fields::HSTRLEN,
    whole::HVALS,
    expire::HEXPIRE,
    expire::HEXPIREAT,
    expire::HEXPIRETIME,
    lives::HGETDEL,
    lives::HGETEX,
    expire::HPERSIST,
    expire::HPEXPIRE,
    expire::HPEXPIREAT,
    expire::HPEXPIRETIME,
    expire::HPTTL,
    lives::HSETEX,
    expire::HTTL,
];

/// The key in COMMAND DOCS.
const KEY: Arg = Arg::key("key", 0);
/// A field's name in COMMAND DOCS.
const FIELD: Arg = Arg::string("field");
/// A field's value in COMMAND DOCS.
const VALUE: Arg = Arg::string("value");
/// Names and values in COMMAND DOCS.
const PAIRS: Arg = Arg::block("field_value", &[FIELD, VALUE]).multiple();

/// Replies with a field's value.
#[inline]
fn reply_value(reply: &mut Writer<'_>, field: Option<Field<'_>>) {
    match field {
        Some(field) => reply_text(reply, field.value),
        None => reply.null(),
    }
}

/// What the tests over the whole table need to know of this family.
#[cfg(test)]
pub(crate) mod facts {
    /// What redis-server calls fast.
    pub const FAST: &str = "HDEL HEXISTS HGET HINCRBY HINCRBYFLOAT HLEN HMGET HMSET HSET HSETNX HSTRLEN \
         HEXPIRE HEXPIREAT HEXPIRETIME HGETDEL HGETEX HPERSIST HPEXPIRE HPEXPIREAT HPEXPIRETIME HPTTL HSETEX HTTL";

    /// Each command in a call that takes effect.
    pub const EXAMPLES: &[&str] = &[
        "HSET h a 1 b 2",
        "HMSET h c 3",
        "HSETNX h d 4",
        "HGET h a",
        "HMGET h a b",
        "HDEL h d",
        "HEXISTS h a",
        "HLEN h",
        "HSTRLEN h a",
        "HGETALL h",
        "HKEYS h",
        "HVALS h",
        "HSCAN h 0",
        "HRANDFIELD h",
        "HINCRBY h a 1",
        "HINCRBYFLOAT h a 0.5",
        "HEXPIRE h 100 FIELDS 1 a",
        "HEXPIREAT h 1700000100 FIELDS 1 b",
        "HPEXPIRE h 200000 FIELDS 1 a",
        "HPEXPIREAT h 1700000200000 FIELDS 1 b",
        "HTTL h FIELDS 1 a",
        "HPTTL h FIELDS 1 a",
        "HEXPIRETIME h FIELDS 1 a",
        "HPEXPIRETIME h FIELDS 1 a",
        "HPERSIST h FIELDS 1 a",
        "HGETEX h EX 100 FIELDS 1 a",
        "HSETEX h EX 100 FIELDS 1 x y",
        "HGETDEL h FIELDS 1 x",
    ];
}
