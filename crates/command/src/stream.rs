//! Streams: entries in the order of their IDs, read by anybody or by groups of consumers.
//!
//! | file | commands |
//! |---|---|
//! | [`add`] | XADD |
//! | [`trim`] | XTRIM, and the options that it shares with XADD |
//! | [`range`] | XLEN XRANGE XREVRANGE |
//! | [`delete`] | XDEL XDELEX XACK XACKDEL XNACK |
//! | [`read`] | XREAD XREADGROUP; what their BLOCK waits for is in `waiting` |
//! | [`group`] | XGROUP |
//! | [`pending`] | XPENDING |
//! | [`claim`] | XCLAIM XAUTOCLAIM |
//! | [`info`] | XINFO |
//! | [`setid`] | XSETID |
//!
//! Consumers are treated as in Redis 7.2: they are made by the attempt to read or to claim, whether or not there is
//! anything to be had, and what XINFO calls idle counts from the last attempt, inactive from the last success.

pub mod add;
pub mod claim;
pub mod delete;
pub mod group;
mod id;
pub mod info;
pub mod pending;
pub mod range;
pub mod read;
pub mod setid;
pub mod trim;
mod waiting;

use crate::spec::{Arg, Command};
use crate::string::reply_text;
use crate::{Args, Failure};
use base::until_nul;
use resp::write::Writer;
use store::{Entry, StreamId};

/// The family's list.
pub const COMMANDS: &[Command] = &[
    delete::XACK,
    delete::XACKDEL,
    add::XADD,
    claim::XAUTOCLAIM,
    claim::XCLAIM,
    delete::XDEL,
    delete::XDELEX,
    group::XGROUP,
    info::XINFO,
    range::XLEN,
    delete::XNACK,
    pending::XPENDING,
    range::XRANGE,
    read::XREAD,
    read::XREADGROUP,
    range::XREVRANGE,
    setid::XSETID,
    trim::XTRIM,
];

/// The key in COMMAND DOCS.
const KEY: Arg = Arg::key("key", 0);
/// A group in COMMAND DOCS.
const GROUP: Arg = Arg::string("group");
/// IDs in COMMAND DOCS.
const IDS: Arg = Arg::string("id").multiple();

/// Bytes of a sub-command's name that an error repeats.
const NAME_BYTES_MAX: usize = 128;

/// Bytes of the longest ID as text.
const ID_BYTES_MAX: usize = 41;

/// Writes an ID as text; gives its length.
fn write_id(id: StreamId, to: &mut [u8; ID_BYTES_MAX]) -> usize {
    let (mut ms, mut seq) = (itoa::Buffer::new(), itoa::Buffer::new());
    let (ms, seq) = (ms.format(id.ms).as_bytes(), seq.format(id.seq).as_bytes());
    let len = ms.len() + 1 + seq.len();
    to[..ms.len()].copy_from_slice(ms);
    to[ms.len()] = b'-';
    to[ms.len() + 1..len].copy_from_slice(seq);
    len
}

/// Replies with an ID.
fn reply_id(reply: &mut Writer<'_>, id: StreamId) {
    let mut text = [0; ID_BYTES_MAX];
    let len = write_id(id, &mut text);
    reply.bulk(&text[..len]);
}

/// Replies with an entry: its ID, and its fields with their values.
fn reply_entry(reply: &mut Writer<'_>, entry: &Entry<'_>) {
    reply.array(2);
    reply_id(reply, entry.id);
    reply.array(2 * entry.len());
    entry.each(|name, value| {
        reply_text(reply, name);
        reply_text(reply, value);
    });
}

/// The failure of a command that needs a group, where there is none, or no stream.
fn no_group(key: &[u8], group: &[u8], behind: &str) -> Failure {
    let (key, group) = (until_nul(key), until_nul(group));
    let parts =
        [b"NOGROUP No such key '", key, b"' or consumer group '", group, b"'", behind.as_bytes()];
    Failure::text(parts.concat())
}

/// The failure of a sub-command on a group that a stream does not have.
fn no_such_group(key: &[u8], group: &[u8]) -> Failure {
    let (key, group) = (until_nul(key), until_nul(group));
    let parts = [b"NOGROUP No such consumer group '", group, b"' for key name '", key, b"'"];
    Failure::text(parts.concat())
}

/// The failure of a container with no sub-command, or one that it does not know. `container` is in lower case.
fn unknown(args: &Args<'_>, container: &str) -> Failure {
    let Some(name) = args.try_get(1) else { return Failure::wrong_arity(container) };
    let name = &name[..name.len().min(NAME_BYTES_MAX)];
    let behind = format!("'. Try {} HELP.", container.to_ascii_uppercase());
    Failure::quoting("ERR unknown subcommand '", name, &behind)
}

/// The failure of a sub-command whose options make no sense.
fn wrong_options(args: &Args<'_>, container: &str) -> Failure {
    let name = args.get(1);
    let name = &name[..name.len().min(NAME_BYTES_MAX)];
    let behind = format!("'. Try {container} HELP.");
    Failure::quoting("ERR unknown subcommand or wrong number of arguments for '", name, &behind)
}

/// Replies with the lines of a HELP.
fn reply_help(reply: &mut Writer<'_>, lines: &[&str]) {
    reply.array(lines.len());
    lines.iter().for_each(|line| reply.simple(line));
}

/// What the tests over the whole table need to know of this family.
#[cfg(test)]
pub(crate) mod facts {
    /// What redis-server calls fast; of the newer ones what their reference pages say.
    pub const FAST: &str = "XACK XACKDEL XADD XAUTOCLAIM XCLAIM XDEL XDELEX XLEN XNACK XSETID";

    /// Each command in a call that takes effect.
    pub const EXAMPLES: &[&str] = &[
        "XADD st 1-1 a b",
        "XADD st 1-2 a b",
        "XADD st 1-3 a b",
        "XADD st 1-4 a b",
        "XADD st 1-5 a b",
        "XADD st 1-6 a b",
        "XLEN st",
        "XRANGE st - +",
        "XREVRANGE st + -",
        "XREAD COUNT 1 STREAMS st 0",
        "XGROUP CREATE st g 0",
        "XGROUP CREATECONSUMER st g bob",
        "XREADGROUP GROUP g alice COUNT 5 STREAMS st >",
        "XPENDING st g",
        "XCLAIM st g bob 0 1-1",
        "XAUTOCLAIM st g bob 0 0",
        "XNACK st g FAIL IDS 1 1-2",
        "XACK st g 1-1",
        "XACKDEL st g IDS 1 1-2",
        "XDEL st 1-3",
        "XDELEX st IDS 1 1-4",
        "XGROUP SETID st g 1-1",
        "XGROUP DELCONSUMER st g bob",
        "XINFO STREAM st",
        "XINFO GROUPS st",
        "XINFO CONSUMERS st g",
        "XINFO HELP",
        "XGROUP HELP",
        "XGROUP DESTROY st g",
        "XSETID st 2-0",
        "XTRIM st MAXLEN 1",
    ];
}
