//! Strings: bytes, and integers where the text is one.
//!
//! | file | commands |
//! |---|---|
//! | [`get`] | GET GETDEL GETEX GETSET STRLEN |
//! | [`set`] | SET SETNX SETEX PSETEX |
//! | [`incr`] | INCR INCRBY DECR DECRBY INCRBYFLOAT |
//! | [`increx`] | INCREX |
//! | [`range`] | APPEND GETRANGE SUBSTR SETRANGE |
//! | [`lcs`] | LCS |
//! | [`multi`] | MGET MSET MSETNX MSETEX |
//! | [`digest`] | DIGEST DELEX DELIFEQ, and the conditions that SET shares with them |

pub mod digest;
pub mod get;
pub mod incr;
pub mod increx;
pub mod lcs;
pub mod multi;
pub mod range;
pub mod set;

pub use self::multi::Pairs;

use crate::spec::{Arg, Command, KeySpec};
use crate::{Ctx, Failure};
use resp::write::Writer;
use store::Str;

/// The family's list.
pub const COMMANDS: &[Command] = &[
    range::APPEND,
    incr::DECR,
    incr::DECRBY,
    digest::DELEX,
    digest::DELIFEQ,
    digest::DIGEST,
    get::GET,
    get::GETDEL,
    get::GETEX,
    range::GETRANGE,
    get::GETSET,
    incr::INCR,
    incr::INCRBY,
    incr::INCRBYFLOAT,
    increx::INCREX,
    lcs::LCS,
    multi::MGET,
    multi::MSET,
    multi::MSETEX,
    multi::MSETNX,
    set::PSETEX,
    set::SET,
    set::SETEX,
    set::SETNX,
    range::SETRANGE,
    get::STRLEN,
    range::SUBSTR,
];

/// One key that is read.
const READ: &[KeySpec] = &[KeySpec::one(1, &["RO", "access"])];
/// One key whose value is read and changed.
const CHANGE: &[KeySpec] = &[KeySpec::one(1, &["RW", "access", "update"])];
/// One key whose value is replaced unseen.
const REPLACE: &[KeySpec] = &[KeySpec::one(1, &["OW", "update"])];

/// The key in COMMAND DOCS.
const KEY: Arg = Arg::key("key", 0);
/// The value in COMMAND DOCS.
const VALUE: Arg = Arg::string("value");

/// Replies with a stored string or an element of a collection.
#[inline]
pub(crate) fn reply_text(reply: &mut Writer<'_>, value: Str<'_>) {
    match value {
        Str::Bytes(bytes) => reply.bulk(bytes),
        Str::Int(number) => reply.bulk_int(number),
    }
}

/// Refuses a string of `len` bytes that `proto-max-bulk-len` does not allow.
fn check_length(ctx: &Ctx<'_>, len: usize) -> Result<(), Failure> {
    let most = ctx.settings.size(base::settings::PROTO_MAX_BULK_LEN);
    if len > most { Err(Failure::STRING_TOO_LONG) } else { Ok(()) }
}
