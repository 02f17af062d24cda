//! DEBUG: what test suites of clients need, behind `enable-debug-command`.
//!
//! Sub-commands that would show or change the inside of Redis' own structures, and those that end
//! the process abruptly, answer as unknown. DEBUG is one command with words, not a container:
//! so Redis' table has it, and so its errors read.

mod digest;
mod objects;

use super::query::{Answer, Query, Witness};
use super::{Desk, EngineCommand, Next, help, not_enabled};
use crate::action::Request;
use base::settings;
use command::{Args, Arity, Failure, Flags, Group, Spec};
use resp::{glob, number};

/// The family's list.
pub const COMMANDS: &[EngineCommand] = &[DEBUG];

/// The longest text that STRINGMATCH-LEN makes, in bytes.
const MATCH_BYTES_MAX: i64 = 16 << 20;

/// The longest DEBUG SLEEP in microseconds.
const SLEEP_US_MAX: f64 = 86_400e6;

/// The largest value that POPULATE makes, in bytes.
const POPULATE_BYTES_MAX: i64 = 512 << 20;

/// A container, to its users.
pub const DEBUG: EngineCommand = EngineCommand::new(
    Spec {
        name: "DEBUG",
        arity: Arity::at_least(2),
        flags: Flags::ADMIN
            .and(Flags::NOSCRIPT)
            .and(Flags::LOADING)
            .and(Flags::STALE)
            .and(Flags::PROTECTED)
            .and(Flags::SYSCMD),
        group: Group::Server,
        complexity: "Depends on subcommand.",
        summary: "A container for debugging commands.",
        ..Spec::NEW
    },
    debug,
);

/// What the cores are asked to do.
#[derive(Debug)]
pub enum Task {
    /// Stand still until this monotonic time in microseconds.
    Sleep {
        /// Until when.
        until_us: u64,
        /// For how long.
        us: u64,
    },
    /// Let the expiry cycle run, or not.
    ActiveExpire(bool),
    /// Look at a key.
    Object(objects::Aspect, Vec<u8>),
    /// Sizes of one database.
    Tables(u8),
    /// Make keys that do not exist.
    Populate {
        /// How many.
        count: u64,
        /// What their names begin with.
        prefix: Vec<u8>,
        /// Bytes of each value; 0 is as many as it takes.
        size: usize,
    },
    /// The digest of everything.
    Digest,
    /// The digests of some values.
    DigestValue(Vec<Vec<u8>>),
    /// A new id in replication.
    ReplicationId(String),
}

fn debug(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    let local = desk.session.peer.is_local;
    if !desk.core.settings.local_choice(settings::ENABLE_DEBUG_COMMAND, local) {
        return Err(not_enabled("DEBUG", "enable-debug-command"));
    }
    let word = args.get(1).to_ascii_lowercase();
    match (word.as_slice(), args.len()) {
        (b"help", 2) => help::write(desk, "DEBUG", HELP_LINES),
        (b"sleep", 3) => Ok(sleep(desk, args)),
        (b"set-active-expire", 3) => {
            Ok(ask(desk, Task::ActiveExpire(leading_integer(args.get(2)) != 0)))
        }
        // The expiry cycle is the only periodic job that a client could notice.
        (b"pause-cron", 3) => Ok(ask(desk, Task::ActiveExpire(leading_integer(args.get(2)) == 0))),
        (b"object", 3) => Ok(object(desk, args, objects::Aspect::Object)),
        (b"listpack", 3) => Ok(object(desk, args, objects::Aspect::Listpack)),
        (b"htstats-key", 3) => Ok(object(desk, args, objects::Aspect::Table)),
        (b"htstats", 3) => tables(desk, args),
        (b"populate", 3..=5) => populate(desk, args),
        (b"digest", 2) => Ok(ask(desk, Task::Digest)),
        (b"digest-value", _) => {
            Ok(ask(desk, Task::DigestValue(args.from(2).map(<[u8]>::to_vec).collect())))
        }
        (b"change-repl-id", 2) => {
            let digits: String =
                (0..3).map(|_| format!("{:016x}", desk.core.prng.next_u64())).collect();
            Ok(ask(desk, Task::ReplicationId(digits[..40].to_owned())))
        }
        (b"stringmatch-len", 4) => stringmatch_len(desk, args),
        (b"error", 3) => Err(Failure::text(args.get(2))),
        (b"log", 3) => {
            let line = format!("DEBUG LOG: {}", String::from_utf8_lossy(args.get(2)));
            Ok(Next::Control(Request::LogLine(line)))
        }
        (b"reload", _) => reload(desk, args),
        // There is no log to load: what Redis says when it cannot read one.
        (b"loadaof", 2) => {
            Err(Failure::new("ERR Error trying to load the AOF files, check server logs."))
        }
        (b"quicklist-packed-threshold", 3) => packed_threshold(desk, args),
        (b"replybuffer", 4) => replybuffer(desk, args),
        (b"client-eviction", 2) => client_eviction(desk),
        _ => Err(help::unknown("DEBUG", args)),
    }
}

const HELP_LINES: &[&str] = &[
    "CHANGE-REPL-ID",
    "    Change the replication IDs of the instance.",
    "CLIENT-EVICTION",
    "    Show what clients take of maxmemory-clients.",
    "DIGEST",
    "    Output a hex signature representing the current DB content.",
    "DIGEST-VALUE <key> [<key> ...]",
    "    Output a hex signature of the values of all the specified keys.",
    "ERROR <string>",
    "    Return a Redis protocol error with <string> as message.",
    "HTSTATS <dbid>",
    "    Return hash table statistics of the specified Redis database.",
    "HTSTATS-KEY <key>",
    "    Like HTSTATS but for the hash table stored at <key>'s value.",
    "LISTPACK <key>",
    "    Show low level info about the listpack encoding of <key>.",
    "LOG <message>",
    "    Write <message> to the server log.",
    "OBJECT <key>",
    "    Show low level info about `key` and associated value.",
    "PAUSE-CRON <0|1>",
    "    Stop periodic cron job processing.",
    "POPULATE <count> [<prefix>] [<size>]",
    "    Create <count> string keys named key:<num>. If <prefix> is specified then",
    "    it is used instead of the 'key' prefix.",
    "QUICKLIST-PACKED-THRESHOLD <size>",
    "    Accepted without effect.",
    "RELOAD [option ...]",
    "    Nothing is kept on disk: the data stays as it is.",
    "REPLYBUFFER PEAK-RESET-TIME <NEVER||RESET|time>",
    "    Accepted without effect.",
    "REPLYBUFFER RESIZING <0|1>",
    "    Accepted without effect.",
    "SET-ACTIVE-EXPIRE <0|1>",
    "    Setting it to 0 disables expiring keys in background when they are not",
    "    accessed (otherwise the Redis behavior). Setting it to 1 reenables back the",
    "    default.",
    "SLEEP <seconds>",
    "    Stop the server for <seconds>. Decimals allowed.",
    "STRINGMATCH-LEN <len> <pattern>",
    "    Match <pattern> with a text of <len> times the letter a; 1 if it does.",
];

fn ask(desk: &Desk<'_>, task: Task) -> Next {
    Next::Ask(Query::Debug { db: desk.session.db, task: Box::new(task) })
}

/// The number that a text begins with, as C reads it: 0 where there is none.
fn leading_integer(text: &[u8]) -> i64 {
    let digits = text.iter().skip(usize::from(text.first() == Some(&b'-')));
    let len = text.len() - digits.clone().count()
        + digits.take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&text[..len]).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn sleep(desk: &Desk<'_>, args: &Args<'_>) -> Next {
    let seconds = number::parse_f64(args.get(2)).unwrap_or(0.0);
    let us = (seconds * 1e6).clamp(0.0, SLEEP_US_MAX) as u64;
    let until_us = desk.core.now.mono_us + us;
    ask(desk, Task::Sleep { until_us, us })
}

fn object(desk: &Desk<'_>, args: &Args<'_>, aspect: objects::Aspect) -> Next {
    ask(desk, Task::Object(aspect, args.get(2).to_vec()))
}

fn tables(desk: &Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    let db = args.integer(2).ok_or(Failure::NOT_INTEGER)?;
    let databases = desk.core.settings.int(settings::DATABASES);
    match (0..databases).contains(&db) {
        true => Ok(ask(desk, Task::Tables(db as u8))),
        false => Err(Failure::new("ERR Out of range database")),
    }
}

fn populate(desk: &Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    const NOT_POSITIVE: Failure = Failure::new("ERR value is out of range, must be positive");
    let positive = |at: usize| args.integer(at).filter(|number| *number >= 0).ok_or(NOT_POSITIVE);
    let count = positive(2)? as u64;
    let size = if args.len() == 5 { positive(4)? } else { 0 };
    if size > POPULATE_BYTES_MAX {
        return Err(NOT_POSITIVE);
    }
    let prefix = args.try_get(3).unwrap_or(b"key").to_vec();
    Ok(ask(desk, Task::Populate { count, prefix, size: size as usize }))
}

fn stringmatch_len(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    let len = args.integer(2).ok_or(Failure::NOT_INTEGER)?;
    if !(0..=MATCH_BYTES_MAX).contains(&len) {
        return Err(Failure::NOT_INTEGER);
    }
    let text = vec![b'a'; len as usize];
    desk.reply.integer(i64::from(glob::matches(args.get(3), &text)));
    Ok(Next::Done)
}

/// Redis saves and loads, which leaves the data as it is: so nothing is to be done. NOSAVE would
/// load what was saved before, and there is no such file.
fn reload(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    let mut nosave = false;
    for at in 2..args.len() {
        match () {
            _ if args.is(at, "nosave") => nosave = true,
            _ if args.is(at, "merge") || args.is(at, "noflush") => {}
            _ => {
                return Err(Failure::new(
                    "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.",
                ));
            }
        }
    }
    if nosave {
        return Err(Failure::new("ERR Error trying to load the RDB dump, check server logs."));
    }
    desk.reply.ok();
    Ok(Next::Done)
}

/// Bytes that a packed node of a list may take: there is no such node here.
fn packed_threshold(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    const BYTES_MAX: u64 = 4 << 30;
    match memory(args.get(2)) {
        Some(bytes) if bytes <= BYTES_MAX => {
            desk.reply.ok();
            Ok(Next::Done)
        }
        _ => Err(Failure::new(
            "ERR argument must be a memory value bigger than 1 and smaller than 4gb",
        )),
    }
}

/// A number with a unit, as in the configuration.
fn memory(text: &[u8]) -> Option<u64> {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let factor: u64 = match text[end..].to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1000,
        b"kb" => 1 << 10,
        b"m" => 1_000_000,
        b"mb" => 1 << 20,
        b"g" => 1_000_000_000,
        b"gb" => 1 << 30,
        _ => return None,
    };
    number::parse_u64(&text[..end])?.checked_mul(factor)
}

/// Buffers of replies are given back when they are empty, whatever is said here.
fn replybuffer(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    match () {
        _ if args.is(2, "resizing") => {}
        _ if args.is(2, "peak-reset-time") => {
            let known = args.is(3, "never") || args.is(3, "reset");
            if !known && args.integer(3).is_none() {
                return Err(Failure::NOT_INTEGER);
            }
        }
        _ => return Err(help::unknown("DEBUG", args)),
    }
    desk.reply.ok();
    Ok(Next::Done)
}

fn client_eviction(desk: &mut Desk<'_>) -> Result<Next, Failure> {
    let whole = desk.core.settings.int(settings::MAXMEMORY).max(0) as u64;
    let limit = desk.core.settings.memory_of(settings::MAXMEMORY_CLIENTS, whole);
    if limit == 0 {
        return Err(Failure::new("ERR maxmemory-clients is disabled."));
    }
    let text = format!("maxmemory-clients: {limit} bytes, checked as a sum over all cores\n");
    desk.reply.verbatim("txt", text.as_bytes());
    Ok(Next::Done)
}

/// One core's part.
pub fn answer(db: u8, task: &Task, witness: Witness<'_>) -> Answer {
    match task {
        // The engine stands still once all cores have answered: `Engine::after_query`.
        Task::Sleep { .. } => Answer::Done,
        Task::ActiveExpire(on) => {
            witness.shard.active_expire = *on;
            Answer::Done
        }
        Task::ReplicationId(id) => {
            witness.core.replication_id.clone_from(id);
            Answer::Done
        }
        Task::Object(aspect, key) => Answer::Text(objects::look(*aspect, db, key, witness)),
        Task::Tables(db) => {
            let store = &witness.shard.store;
            Answer::Sizes([store.len(*db) as u64, store.expires(*db) as u64])
        }
        Task::Populate { count, prefix, size } => {
            objects::populate(db, *count, prefix, *size, witness);
            Answer::Done
        }
        Task::Digest => Answer::Digests(digest::databases(witness)),
        Task::DigestValue(keys) => Answer::Digests(digest::values(db, keys, witness)),
    }
}

/// The reply.
pub fn merge(task: &Task, answers: Vec<Answer>, desk: &mut Desk<'_>) {
    match task {
        Task::Sleep { us, .. } => {
            note_sleep(*us, desk);
            desk.reply.ok();
        }
        Task::Object(..) => {
            let text = answers.into_iter().find_map(|answer| match answer {
                Answer::Text(text) => text,
                _ => None,
            });
            match text {
                Some(Ok(text)) => desk.reply.simple(&text),
                Some(Err(text)) => desk.reply.error(text),
                None => desk.reply.error(&*Failure::NO_SUCH_KEY.0),
            }
        }
        Task::Tables(_) => {
            let text = objects::tables_text(&answers);
            desk.reply.verbatim("txt", text.as_bytes());
        }
        Task::Digest => desk.reply.simple(&digest::whole(answers)),
        Task::DigestValue(keys) => {
            let values = digest::merged(keys.len(), answers);
            desk.reply.array(values.len());
            values.iter().for_each(|value| desk.reply.simple(&digest::hex(value)));
        }
        Task::ActiveExpire(_) | Task::Populate { .. } | Task::ReplicationId(_) => desk.reply.ok(),
    }
}

/// A sleep is the slowest of commands: SLOWLOG and LATENCY must show it, though no core measured it.
fn note_sleep(us: u64, desk: &mut Desk<'_>) {
    if let Some(remembered) = &mut desk.session.remembered {
        remembered.us = Some(us);
    }
}

#[cfg(test)]
mod tests;
