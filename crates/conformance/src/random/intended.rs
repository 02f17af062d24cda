//! Differences that are meant. The oracle is Redis 7.0; Corelane answers as Redis 7.2 does and adds commands of its own
//! choice. Each row says why; a difference that no row excuses fails the run.

use crate::peer::{Reply, Sides};
use crate::wire::Value;

use super::rules::{info_fields as rewritten_info, sorted_map};

/// One excused difference.
pub struct Intended {
    /// A short name for statistics.
    pub name: &'static str,
    /// Why it is right that the replies differ.
    pub reason: &'static str,
    excuses: fn(&Case<'_>) -> bool,
}

/// A difference to be judged.
pub struct Case<'a> {
    /// The request.
    pub args: &'a [Vec<u8>],
    /// What both said.
    pub replies: Sides<&'a Reply>,
    /// The request before it, if any, and what the oracle said to that.
    pub before: Option<(&'a [Vec<u8>], &'a Reply)>,
}

/// INFO fields that 7.2 has and 7.0 has not, and those of Corelane.
pub const NEWER_INFO_FIELDS: &[&str] = &[
    "server_name",
    "corelane_version",
    "evicted_scripts",
    "total_active_defrag_time",
    "current_active_defrag_time",
    "reply_buffer_shrinks",
    "reply_buffer_expands",
    "eventloop_cycles",
    "eventloop_duration_sum",
    "eventloop_duration_cmd_sum",
    "instantaneous_eventloop_cycles_per_sec",
    "instantaneous_eventloop_duration_usec",
    "acl_access_denied_auth",
    "acl_access_denied_cmd",
    "acl_access_denied_key",
    "acl_access_denied_channel",
    "mem_overhead_db_hashtable_rehashing",
    "allocator_muzzy",
    "total_blocking_keys",
    "total_blocking_keys_on_nokey",
    "rdb_saves",
    "listener0",
    "listener1",
    "client_query_buffer_limit_disconnections",
    "client_output_buffer_limit_disconnections",
    "pubsubshard_channels",
    "async_loading",
];

/// CLIENT LIST fields that 7.2 has and 7.0 has not.
pub const NEWER_CLIENT_FIELDS: &[&str] = &["lib-name", "lib-ver"];

/// Commands that the subject knows and Redis 7.0 does not (7.2's own, and those of later versions that we chose).
pub const NEWER_COMMANDS: &[&str] = &[
    "MSETEX",
    "DELEX",
    "DELIFEQ",
    "DIGEST",
    "INCREX",
    "COMMANDLOG",
    "HOTKEYS",
    "WAITAOF",
    "HEXPIRE",
    "HEXPIREAT",
    "HEXPIRETIME",
    "HPEXPIRE",
    "HPEXPIREAT",
    "HPEXPIRETIME",
    "HPERSIST",
    "HPTTL",
    "HTTL",
    "HGETEX",
    "HSETEX",
    "HGETDEL",
    "SDIFFCARD",
    "SUNIONCARD",
    "LMOVEM",
    "BLMOVEM",
    "XACKDEL",
    "XDELEX",
    "XNACK",
];

/// Sub-commands that 7.2 has and 7.0 has not, and those that go with the newer commands.
pub const NEWER_SUBCOMMANDS: &[&str] = &[
    "client|no-touch",
    "client|setinfo",
    "cluster|myshardid",
    "cluster|slot-stats",
    "commandlog|get",
    "commandlog|len",
    "commandlog|reset",
    "commandlog|help",
    "script|show",
];

/// Commands of 7.0 that later work brings. Each landing takes its own out; with the last the rows that use it go.
pub const NOT_YET: &[&str] = &[
    "hdel",
    "hexists",
    "hget",
    "hgetall",
    "hincrby",
    "hincrbyfloat",
    "hkeys",
    "hlen",
    "hmget",
    "hmset",
    "hrandfield",
    "hscan",
    "hset",
    "hsetnx",
    "hstrlen",
    "hvals",
    "sadd",
    "scard",
    "sdiff",
    "sdiffstore",
    "sinter",
    "sintercard",
    "sinterstore",
    "sismember",
    "smembers",
    "smismember",
    "smove",
    "spop",
    "srandmember",
    "srem",
    "sscan",
    "sunion",
    "sunionstore",
    "bitcount",
    "bitfield",
    "bitfield_ro",
    "bitop",
    "bitpos",
    "getbit",
    "setbit",
    "pfadd",
    "pfcount",
    "pfdebug",
    "pfmerge",
    "pfselftest",
    "psubscribe",
    "publish",
    "pubsub",
    "punsubscribe",
    "spublish",
    "ssubscribe",
    "subscribe",
    "sunsubscribe",
    "unsubscribe",
    "discard",
    "exec",
    "multi",
    "unwatch",
    "watch",
    "eval",
    "eval_ro",
    "evalsha",
    "evalsha_ro",
    "fcall",
    "fcall_ro",
    "function",
    "script",
    "copy",
    "dump",
    "migrate",
    "move",
    "rename",
    "renamenx",
    "restore",
    "restore-asking",
    "sort",
    "sort_ro",
    "failover",
    "psync",
    "replconf",
    "sync",
];

/// Settings that 7.2 or Corelane has and 7.0 has not.
pub const NEWER_SETTINGS: &[&str] = &[
    "cores",
    "core-ports",
    "prefetch-batch",
    "log-format",
    "server-cpulist",
    "bio-cpulist",
    "aof-rewrite-cpulist",
    "bgsave-cpulist",
    "locale-collate",
    "cluster-announce-human-nodename",
    "set-max-listpack-entries",
    "set-max-listpack-value",
    "commandlog-execution-slower-than",
    "commandlog-request-larger-than",
    "commandlog-reply-larger-than",
    "commandlog-slow-execution-max-len",
    "commandlog-large-request-max-len",
    "commandlog-large-reply-max-len",
];

/// Settings whose value says which process or machine this is.
const OWN_SETTINGS: &[&str] = &[
    "port",
    "dir",
    "bind",
    "pidfile",
    "logfile",
    "unixsocket",
    "server_cpulist",
    "ignore-warnings",
    "maxclients",
];

/// No key of a campaign is so old, in seconds.
const OLDER_THAN_THE_SERVERS_S: i64 = 10_000;

/// Every intended difference.
pub const INTENDED: &[Intended] = &[
    Intended {
        name: "help-texts",
        reason: "7.2 has sub-commands and wordings in its HELP replies that 7.0 has not",
        excuses: |case| is(case, 1, "HELP") && both(case, |value| value.items().is_some()),
    },
    Intended {
        name: "packed-lists",
        reason: "7.2 has a packed encoding of short lists, 7.0 calls every list a quicklist",
        excuses: |case| {
            is(case, 0, "OBJECT")
                && is(case, 1, "ENCODING")
                && values(case).is_some_and(|(oracle, subject)| {
                    oracle.text() == Some(b"quicklist") && subject.text() == Some(b"listpack")
                })
        },
    },
    Intended {
        name: "sorted-sets-stay-packed",
        reason: "SORT makes a skiplist of a sorted set that it reads, which costs memory and serves nobody; the generator of SORT has names of its own for them",
        excuses: |case| {
            is(case, 0, "OBJECT")
                && is(case, 1, "ENCODING")
                && case.args.get(2).is_some_and(|key| key.starts_with(b"sorted:"))
                && values(case).is_some_and(|(oracle, subject)| {
                    oracle.text() == Some(b"skiplist") && subject.text() == Some(b"listpack")
                })
        },
    },
    Intended {
        name: "packed-sets",
        reason: "7.2 has a packed encoding of small sets, 7.0 makes a hash table of every set that is not all integers",
        excuses: |case| {
            is(case, 0, "OBJECT")
                && is(case, 1, "ENCODING")
                && values(case).is_some_and(|(oracle, subject)| {
                    oracle.text() == Some(b"hashtable") && subject.text() == Some(b"listpack")
                })
        },
    },
    Intended {
        name: "rank-with-score",
        reason: "7.2 has WITHSCORE behind the member of ZRANK and ZREVRANK, 7.0 takes no more words",
        excuses: |case| {
            let oracle = case.replies.oracle.value();
            (is(case, 0, "ZRANK") || is(case, 0, "ZREVRANK"))
                && case.args.len() > 3
                && oracle
                    .and_then(|value| value.error())
                    .is_some_and(|text| text.starts_with("ERR wrong number of arguments"))
        },
    },
    Intended {
        name: "copied-integers",
        reason: "a copy of an integer that Redis shares is an object of its own there; here both are the number",
        excuses: |case| {
            is(case, 0, "OBJECT")
                && is(case, 1, "REFCOUNT")
                && values(case).is_some_and(|(oracle, subject)| {
                    oracle == Value::Integer(1) && subject == Value::Integer(i64::from(i32::MAX))
                })
        },
    },
    Intended {
        name: "exhausted-sequences",
        reason: "with the sequence numbers of a millisecond used up, 7.0 gives whatever reason it gave last",
        excuses: |case| {
            let error = |reply: &Reply| reply.value().and_then(|value| value.error());
            let texts = (error(case.replies.oracle), error(case.replies.subject));
            is(case, 0, "XADD")
                && matches!(texts, (Some(oracle), Some(subject))
                    if oracle.starts_with("ERR The ID specified in XADD is equal or smaller")
                        && subject == "ERR Elements are too large to be stored")
        },
    },
    Intended {
        name: "least-rank",
        reason: "7.2 refuses the one rank of LPOS that has no counterpart above zero, 7.0 works with it",
        excuses: |case| {
            let subject = case.replies.subject.value();
            is(case, 0, "LPOS")
                && case.args.iter().any(|arg| arg == b"-9223372036854775808")
                && subject.and_then(|value| value.error()).is_some_and(|text| {
                    text.starts_with("ERR value is out of range, value must between")
                })
        },
    },
    Intended {
        name: "newer-settings",
        reason: "CONFIG GET knows the settings of 7.2 and our own; ports and folders are each server's own",
        excuses: |case| {
            is(case, 0, "CONFIG")
                && is(case, 1, "GET")
                && same_after(case, |value| without(value, NEWER_SETTINGS, OWN_SETTINGS))
        },
    },
    Intended {
        name: "newer-commands",
        reason: "COMMAND LIST has the commands of 7.2 and those of later versions that we chose, and not those still to come",
        excuses: |case| is(case, 0, "COMMAND") && is(case, 1, "LIST") && as_far_as_built(case),
    },
    Intended {
        name: "newer-acl-commands",
        reason: "ACL CAT lists the commands of a category, also those that 7.0 has not",
        excuses: |case| is(case, 0, "ACL") && is(case, 1, "CAT") && as_far_as_built(case),
    },
    Intended {
        name: "newer-info-fields",
        reason: "INFO has the fields of 7.2 and a section of our own; every field of 7.0 must still be there, in its order",
        excuses: |case| is(case, 0, "INFO") && fields_within(case),
    },
    Intended {
        name: "loglevel-nothing",
        reason: "7.2 has the log level `nothing`, which the error text of CONFIG SET lists",
        excuses: |case| {
            let error =
                |reply: &Reply| reply.value().and_then(|value| value.error()).unwrap_or_default();
            let (oracle, subject) = (error(case.replies.oracle), error(case.replies.subject));
            oracle.ends_with("debug, verbose, notice, warning")
                && format!("{oracle}, nothing") == subject
        },
    },
    Intended {
        name: "allocator-statistics",
        reason: "the statistics are those of jemalloc, which we do not use; Redis without jemalloc says so in a plain bulk string",
        excuses: |case| {
            is(case, 0, "MEMORY")
                && is(case, 1, "MALLOC-STATS")
                && both(case, |value| value.text().is_some())
        },
    },
    Intended {
        name: "idle-time-of-shared-integers",
        reason: "Redis shares one object for each small integer, so its idle time is that of any key with this value; ours is the key's own",
        excuses: |case| {
            is(case, 0, "OBJECT") && is(case, 1, "IDLETIME") && is_shared_integer(case)
                && values(case).is_some_and(|values| matches!(values, (Value::Integer(a), Value::Integer(b)) if a >= 0 && b >= 0))
        },
    },
    Intended {
        name: "idle-time-from-another-policy",
        reason: "what a key remembers of its use is read anew when maxmemory-policy changes between LRU and LFU; older than the servers it is nonsense in Redis too",
        excuses: |case| {
            is(case, 0, "OBJECT") && is(case, 1, "IDLETIME")
                && values(case).is_some_and(|values| matches!(values, (Value::Integer(a), Value::Integer(_)) if a > OLDER_THAN_THE_SERVERS_S))
        },
    },
    Intended {
        name: "slow-log-names",
        reason: "an entry has the client's name of when the command ended; one on another core ends after a SETNAME, HELLO or RESET behind it in the pipeline",
        excuses: |case| {
            let names = |value: &Value| entries_of_log(value, 5);
            is(case, 0, "SLOWLOG")
                && is(case, 1, "GET")
                && same_after(case, |value| Value::Array(entries_of_log(value, 3)))
                && values(case).is_some_and(|(oracle, subject)| {
                    let (ours, theirs) = (names(&subject), names(&oracle));
                    let renamed = entries_of_log(&oracle, 3).iter().position(is_renaming);
                    // Only what is older than the newest change of a name may differ.
                    renamed.is_some_and(|newest| ours[..=newest] == theirs[..=newest])
                })
        },
    },
    Intended {
        name: "which-function-exists",
        reason: "of several names that exist already the error tells the one that a hash table has first",
        excuses: |case| {
            let error = |reply: &Reply| {
                let text = reply.value().and_then(|value| value.error())?;
                text.ends_with(" already exists")
                    .then(|| text.split(' ').take(2).collect::<Vec<_>>().join(" "))
            };
            let texts = (error(case.replies.oracle), error(case.replies.subject));
            is(case, 0, "FUNCTION") && texts.0.is_some() && texts.0 == texts.1
        },
    },
    Intended {
        name: "lua-os",
        reason: "scripts have `os.clock`, and with it `os`, as newer servers do; 7.0 knows no such name",
        excuses: |case| {
            let oracle = case.replies.oracle.value();
            oracle.and_then(|value| value.error()).is_some_and(|text| {
                text.contains("Script attempted to access nonexistent global variable 'os'")
            })
        },
    },
    Intended {
        name: "subscribe-in-scripts",
        reason: "SUBSCRIBE comes with pub/sub; until then a script is told that there is no such command, not that it may not have it",
        excuses: |case| {
            let error = |reply: &Reply| reply.value().and_then(|value| value.error());
            let texts = (error(case.replies.oracle), error(case.replies.subject));
            case.args.iter().any(|arg| arg.windows(11).any(|part| part == b"'subscribe'"))
                && matches!(texts, (Some(oracle), Some(subject))
                    if oracle.starts_with("ERR This Redis command is not allowed from script")
                        && subject.starts_with("ERR Unknown Redis command called from script"))
        },
    },
    Intended {
        name: "newer-client-filters",
        reason: "CLIENT LIST and KILL have the filters of newer servers, and LIST takes several; 7.0 refuses them",
        excuses: |case| {
            let refused =
                |text: &str| text == "ERR syntax error" || text == "ERR Invalid client ID";
            let oracle = case.replies.oracle.value();
            has_newer_filter(case.args)
                && oracle.and_then(|value| value.error()).is_some_and(|text| refused(&text))
        },
    },
];

/// A field of the command table that is meant to differ.
pub struct TableRow {
    /// The commands, in small letters.
    pub commands: &'static [&'static str],
    /// How the field's name starts.
    pub field: &'static str,
    /// Why it is right that it differs.
    pub reason: &'static str,
}

/// Every intended difference of `command-table`.
pub const TABLE: &[TableRow] = &[
    TableRow {
        commands: &["setex", "psetex", "setnx"],
        field: "docs d",
        reason: "7.2 documents these as deprecated in favour of SET, 7.0 did not yet",
    },
    TableRow {
        commands: &["setex", "psetex", "setnx"],
        field: "docs replaced_by",
        reason: "7.2 documents these as deprecated in favour of SET, 7.0 did not yet",
    },
    TableRow {
        commands: &["set"],
        field: "docs arguments.condition",
        reason: "SET has the conditions IFEQ, IFNE and by digest, as later versions have them",
    },
    TableRow {
        commands: &["xadd", "xtrim"],
        field: "docs arguments",
        reason: "XADD and XTRIM say what becomes of references to what they trim, as later versions have it",
    },
    TableRow {
        commands: &["zrank", "zrevrank"],
        field: "arity",
        reason: "7.2 has WITHSCORE behind the member",
    },
    TableRow {
        commands: &["zrank", "zrevrank"],
        field: "docs arguments",
        reason: "7.2 has WITHSCORE behind the member",
    },
    TableRow {
        commands: &["geosearch", "geosearchstore"],
        field: "docs arguments.by",
        reason: "a search within a polygon, as later versions have it",
    },
    TableRow {
        commands: &["geohash", "geopos"],
        field: "docs arguments.member flags",
        reason: "the members are optional by the arity in 7.0 too",
    },
    TableRow {
        commands: &["pfmerge"],
        field: "docs arguments.sourcekey flags",
        reason: "7.2 documents the sources of PFMERGE as optional, which they are by its arity in 7.0 too",
    },
];

/// The row that excuses a field of the command table.
pub fn excuse_field(command: &str, field: &str) -> Option<&'static TableRow> {
    TABLE.iter().find(|row| row.commands.contains(&command) && field.starts_with(row.field))
}

/// The row that excuses a difference.
pub fn excuse(case: &Case<'_>) -> Option<&'static Intended> {
    INTENDED.iter().find(|row| (row.excuses)(case))
}

fn is(case: &Case<'_>, position: usize, word: &str) -> bool {
    case.args.get(position).is_some_and(|arg| arg.eq_ignore_ascii_case(word.as_bytes()))
}

/// One field of each entry of a SLOWLOG, newest first.
fn entries_of_log(value: &Value, field: usize) -> Vec<Value> {
    let entries = value.items().unwrap_or_default().iter();
    entries.filter_map(|entry| entry.items()?.get(field).cloned()).collect()
}

/// Whether these arguments are those of a command that may give its client another name.
fn is_renaming(args: &Value) -> bool {
    let word = |at: usize| args.items().and_then(|words| words.get(at)?.string());
    let is = |at, name: &str| word(at).is_some_and(|word| word.eq_ignore_ascii_case(name));
    is(0, "HELLO") || is(0, "RESET") || is(0, "CLIENT") && is(1, "SETNAME")
}

/// The request before this one asked how often the value of the same key is referred to, and Redis said what it says of
/// the integers that it keeps once for all.
fn is_shared_integer(case: &Case<'_>) -> bool {
    const SHARED: i64 = 2_147_483_647;
    case.before.is_some_and(|(args, reply)| {
        args.len() == 3
            && args[0].eq_ignore_ascii_case(b"OBJECT")
            && args[1].eq_ignore_ascii_case(b"REFCOUNT")
            && Some(&args[2]) == case.args.get(2)
            && reply.value() == Some(Value::Integer(SHARED))
    })
}

/// Whether a CLIENT LIST or KILL is made of filters in pairs and one of them is none that 7.0 knows there: LIST knew TYPE
/// or ID alone.
fn has_newer_filter(args: &[Vec<u8>]) -> bool {
    const BOTH: &[&str] = &["ID", "TYPE", "USER", "ADDR", "LADDR", "SKIPME"];
    const NEWER: &[&str] = &["IP", "NAME", "LIB-NAME", "LIB-VER", "FLAGS", "DB", "IDLE", "MAXAGE"];
    let word = |at: usize| String::from_utf8_lossy(&args[at]).to_ascii_uppercase();
    let named = |at: usize, names: &[&str]| names.contains(&word(at).as_str());
    if args.len() < 4 || word(0) != "CLIENT" {
        return false;
    }
    let filters: Vec<usize> = match word(1).as_str() {
        "KILL" => return (2..args.len()).step_by(2).any(|at| named(at, NEWER)),
        // The values of ID end where the next filter begins.
        "LIST" => (2..args.len() - 1).filter(|at| named(*at, BOTH) || named(*at, NEWER)).collect(),
        _ => return false,
    };
    filters.len() > 1 || filters.iter().any(|at| !named(*at, &["ID", "TYPE"]))
}

fn values(case: &Case<'_>) -> Option<(Value, Value)> {
    Some((case.replies.oracle.value()?, case.replies.subject.value()?))
}

fn both(case: &Case<'_>, holds: impl Fn(&Value) -> bool) -> bool {
    values(case).is_some_and(|(oracle, subject)| holds(&oracle) && holds(&subject))
}

fn same_after(case: &Case<'_>, rewrite: impl Fn(&Value) -> Value) -> bool {
    values(case).is_some_and(|(oracle, subject)| rewrite(&oracle) == rewrite(&subject))
}

/// A map without the rows of `gone`, and with the values of `blank` removed, sorted.
fn without(value: &Value, gone: &[&str], blank: &[&str]) -> Value {
    let Value::Array(flat) = sorted_map(value) else {
        let Value::Map(pairs) = sorted_map(value) else {
            return value.clone();
        };
        let flat: Vec<Value> = pairs.into_iter().flat_map(|(k, v)| [k, v]).collect();
        return Value::Map(vec![(Value::Null, without(&Value::Array(flat), gone, blank))]);
    };
    let mut kept = Vec::new();
    for pair in flat.chunks_exact(2) {
        let name = pair[0].string().unwrap_or_default();
        if gone.contains(&name.as_str()) {
            continue;
        }
        kept.push(pair[0].clone());
        kept.push(if blank.contains(&name.as_str()) { Value::Null } else { pair[1].clone() });
    }
    Value::Array(kept)
}

/// Every line that the oracle's INFO keeps after normalising stands in the subject's, in the same order; what is more
/// there may not be a database.
fn fields_within(case: &Case<'_>) -> bool {
    let Some((oracle, subject)) = values(case) else {
        return false;
    };
    let lines = |value: &Value| -> Vec<String> {
        let text = rewritten_info(value).string().unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    };
    let (oracle, subject) = (lines(&oracle), lines(&subject));
    let mut rest = subject.iter();
    let in_order = oracle.iter().all(|line| rest.any(|other| other == line));
    let databases = |lines: &[String]| lines.iter().filter(|line| line.contains(":keys=")).count();
    !oracle.is_empty() && in_order && databases(&oracle) == databases(&subject)
}

/// A list of commands: what is missing is still to come, what is too much is newer than the oracle.
fn as_far_as_built(case: &Case<'_>) -> bool {
    let Some((oracle, subject)) = values(case) else {
        return false;
    };
    let (Some(oracle), Some(subject)) = (oracle.items(), subject.items()) else {
        return false;
    };
    let listed = |item: &Value, list: &[&str]| {
        let full = item.string().unwrap_or_default();
        let container = full.split('|').next().unwrap_or_default();
        list.iter()
            .any(|known| known.eq_ignore_ascii_case(&full) || known.eq_ignore_ascii_case(container))
    };
    let missing_are_to_come =
        oracle.iter().filter(|item| !subject.contains(item)).all(|item| listed(item, NOT_YET));
    let is_newer = |item: &Value| listed(item, NEWER_COMMANDS) || listed(item, NEWER_SUBCOMMANDS);
    let surplus_are_newer = subject.iter().filter(|item| !oracle.contains(item)).all(is_newer);
    missing_are_to_come && surplus_are_newer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excused(request: &str, oracle: &[u8], subject: &[u8]) -> Option<&'static str> {
        let args: Vec<Vec<u8>> = request.split(' ').map(|w| w.as_bytes().to_vec()).collect();
        let (oracle, subject) = (Reply::Raw(oracle.to_vec()), Reply::Raw(subject.to_vec()));
        let replies = Sides { oracle: &oracle, subject: &subject };
        excuse(&Case { args: &args, replies, before: None }).map(|row| row.name)
    }

    #[test]
    fn a_newer_setting_is_excused_and_a_wrong_value_is_not() {
        let oracle = b"*2\r\n$2\r\nhz\r\n$2\r\n10\r\n";
        let newer = b"*4\r\n$2\r\nhz\r\n$2\r\n10\r\n$5\r\ncores\r\n$1\r\n2\r\n";
        let wrong = b"*2\r\n$2\r\nhz\r\n$2\r\n11\r\n";
        assert_eq!(excused("CONFIG GET *", oracle, newer), Some("newer-settings"));
        assert_eq!(excused("CONFIG GET *", oracle, wrong), None);
    }

    #[test]
    fn a_missing_command_is_not_excused() {
        let oracle = b"*2\r\n+get\r\n+set\r\n";
        assert_eq!(
            excused("COMMAND LIST", oracle, b"*3\r\n+set\r\n+get\r\n+digest\r\n"),
            Some("newer-commands")
        );
        assert_eq!(excused("COMMAND LIST", oracle, b"*2\r\n+set\r\n+digest\r\n"), None);
        assert_eq!(
            excused("COMMAND LIST", b"*2\r\n+set\r\n+hget\r\n", b"*1\r\n+set\r\n"),
            Some("newer-commands")
        );
        assert_eq!(excused("COMMAND LIST", oracle, b"*3\r\n+set\r\n+get\r\n+surprise\r\n"), None);
    }

    #[test]
    fn filters_of_newer_servers_are_excused_only_where_7_0_refuses_them() {
        let list = b"$5\r\nid=1\n\r\n";
        let (syntax, bad_id) = (b"-ERR syntax error\r\n", b"-ERR Invalid client ID\r\n");
        let newer = Some("newer-client-filters");
        assert_eq!(excused("CLIENT LIST NAME me", syntax, list), newer);
        assert_eq!(excused("CLIENT LIST ID 1 TYPE normal", bad_id, list), newer);
        assert_eq!(excused("CLIENT KILL MAXAGE 5", syntax, b":0\r\n"), newer);
        assert_eq!(excused("CLIENT LIST TYPE x", syntax, list), None);
        assert_eq!(excused("CLIENT LIST ID 1 2", bad_id, list), None);
        assert_eq!(excused("CLIENT LIST NAME me", b":1\r\n", list), None);
        assert_eq!(excused("CLIENT KILL ID 5 FOO x", syntax, b":0\r\n"), None);
    }

    #[test]
    fn names_in_the_slow_log_may_differ_only_before_a_change_of_name() {
        let entry = |words: &str, name: &str| {
            let words: Vec<&str> = words.split(' ').collect();
            let args: String = words.iter().map(|word| format!("+{word}\r\n")).collect();
            format!("*6\r\n:1\r\n:1\r\n:1\r\n*{}\r\n{args}+a\r\n+{name}\r\n", words.len())
        };
        let log = |middle: &str, names: [&str; 3]| {
            let [newest, second, oldest] = names;
            let entries = [entry("GET b", newest), entry(middle, second), entry("GET a", oldest)];
            format!("*3\r\n{}", entries.concat()).into_bytes()
        };
        let judged = |middle: &str, oracle: [&str; 3], subject: [&str; 3]| {
            excused("SLOWLOG GET", &log(middle, oracle), &log(middle, subject))
        };
        let (was, is) = (["n", "n", "o"], ["n", "n", "n"]);
        assert_eq!(judged("CLIENT SETNAME n", was, is), Some("slow-log-names"));
        assert_eq!(judged("GET c", was, is), None);
        assert_eq!(judged("CLIENT SETNAME n", ["o", "n", "o"], is), None);
    }

    #[test]
    fn idle_times_may_differ_only_for_integers_that_redis_shares() {
        let args = |line: &str| -> Vec<Vec<u8>> {
            line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
        };
        let (ask, before) = (args("OBJECT IDLETIME k"), args("OBJECT REFCOUNT k"));
        let number = |n: i64| Reply::Raw(format!(":{n}\r\n").into_bytes());
        let (oracle, subject) = (number(9), number(0));
        let judged = |shared: i64| {
            let reply = number(shared);
            let replies = Sides { oracle: &oracle, subject: &subject };
            let case = Case { args: &ask, replies, before: Some((&before, &reply)) };
            excuse(&case).map(|row| row.name)
        };
        assert_eq!(judged(2_147_483_647), Some("idle-time-of-shared-integers"));
        assert_eq!(judged(1), None);
    }

    #[test]
    fn ordinary_differences_are_never_excused() {
        assert_eq!(excused("GET k", b"$1\r\na\r\n", b"$1\r\nb\r\n"), None);
    }
}
