//! SLOWLOG and COMMANDLOG: commands that took long, or that moved many bytes.
//!
//! Each core remembers the commands of its own sessions ([`log`]); a question gathers the lists of
//! all cores and merges them by time. FAST commands are measured one in sixteen while the
//! threshold is far above what they take, else all of them.

pub mod log;

use super::query::{Answer, Query, Witness};
use super::{Desk, EngineCommand, Next, help};
use base::settings;
use command::{Arg, ArgKind, Args, Arity, Failure, Flags, Group, Spec};
use log::{Entry, Kind};

/// The family's list.
pub const COMMANDS: &[EngineCommand] = &[SLOWLOG, COMMANDLOG];

const FLAGS: Flags = Flags::ADMIN.and(Flags::LOADING).and(Flags::STALE);
const HELP_FLAGS: Flags = Flags::LOADING.and(Flags::STALE);
const ADDRESS_HISTORY: &[(&str, &str)] =
    &[("4.0.0", "Added client IP address, port and name to the reply.")];

/// Entries that GET gives when it is not said how many.
const GET_DEFAULT: i64 = 10;

/// A container.
pub const SLOWLOG: EngineCommand = EngineCommand {
    spec: Spec {
        name: "SLOWLOG",
        arity: Arity::at_least(2),
        group: Group::Server,
        since: "2.2.12",
        complexity: "Depends on subcommand.",
        summary: "A container for slow log commands.",
        ..Spec::NEW
    },
    subcommands: &[SLOWLOG_GET, SLOWLOG_LEN, SLOWLOG_RESET, SLOWLOG_HELP],
    ..EngineCommand::container()
};

/// The slowest commands of late.
const SLOWLOG_GET: EngineCommand = EngineCommand::new(
    Spec {
        name: "GET",
        arity: Arity::at_least(2),
        flags: FLAGS,
        group: Group::Server,
        since: "2.2.12",
        complexity: "O(N) where N is the number of entries returned",
        summary: "Returns the slow log's entries.",
        args: &[Arg::new("count", ArgKind::Integer).optional()],
        tips: &["request_policy:all_nodes", "nondeterministic_output"],
        history: ADDRESS_HISTORY,
        ..Spec::NEW
    },
    slowlog_get,
);

fn slowlog_get(_desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    if args.len() > 3 {
        return Err(help::unknown("SLOWLOG", args));
    }
    let count = match args.len() {
        3 => args.integer(2).filter(|count| *count >= -1).ok_or(COUNT_TOO_SMALL)?,
        _ => GET_DEFAULT,
    };
    Ok(Next::Ask(Query::CommandLog(Question::Get(Kind::Slow, count))))
}

const COUNT_TOO_SMALL: Failure = Failure::new("ERR count should be greater than or equal to -1");

/// How many entries.
const SLOWLOG_LEN: EngineCommand = EngineCommand::new(
    Spec {
        name: "LEN",
        arity: Arity::exactly(2),
        flags: FLAGS,
        group: Group::Server,
        since: "2.2.12",
        summary: "Returns the number of entries in the slow log.",
        tips: &["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"],
        ..Spec::NEW
    },
    |_, _| Ok(Next::Ask(Query::CommandLog(Question::Len(Kind::Slow)))),
);

/// Forgets the entries.
const SLOWLOG_RESET: EngineCommand = EngineCommand::new(
    Spec {
        name: "RESET",
        arity: Arity::exactly(2),
        flags: FLAGS,
        group: Group::Server,
        since: "2.2.12",
        complexity: "O(N) where N is the number of entries in the slowlog",
        summary: "Clears all entries from the slow log.",
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        ..Spec::NEW
    },
    |_, _| Ok(Next::Ask(Query::CommandLog(Question::Reset(Kind::Slow)))),
);

const SLOWLOG_HELP: EngineCommand = EngineCommand::new(
    Spec {
        name: "HELP",
        arity: Arity::exactly(2),
        flags: HELP_FLAGS,
        group: Group::Server,
        since: "6.2.0",
        summary: "Show helpful text about the different subcommands",
        ..Spec::NEW
    },
    |desk, _| {
        help::write(
            desk,
            "SLOWLOG",
            &[
                "GET [<count>]",
                "    Return top <count> entries from the slowlog (default: 10, -1 mean all).",
                "    Entries are made of:",
                "    id, timestamp, time in microseconds, arguments array, client IP and port,",
                "    client name",
                "LEN",
                "    Return the length of the slowlog.",
                "RESET",
                "    Reset the slowlog.",
            ],
        )
    },
);

/// A container; of newer servers than Redis 7.2.
pub const COMMANDLOG: EngineCommand = EngineCommand {
    spec: Spec {
        name: "COMMANDLOG",
        arity: Arity::at_least(2),
        flags: Flags::NEWER,
        group: Group::Server,
        since: "8.1.0",
        complexity: "Depends on subcommand.",
        summary: "A container for command log commands.",
        ..Spec::NEW
    },
    subcommands: &[COMMANDLOG_GET, COMMANDLOG_LEN, COMMANDLOG_RESET, COMMANDLOG_HELP],
    ..EngineCommand::container()
};

/// The three kinds, as an argument.
const TYPE: Arg = Arg::new(
    "type",
    ArgKind::OneOf(&[
        Arg::word("slow", "SLOW"),
        Arg::word("large-request", "LARGE-REQUEST"),
        Arg::word("large-reply", "LARGE-REPLY"),
    ]),
);

/// Entries of one kind.
const COMMANDLOG_GET: EngineCommand = EngineCommand::new(
    Spec {
        name: "GET",
        arity: Arity::exactly(4),
        flags: FLAGS.and(Flags::NEWER),
        group: Group::Server,
        since: "8.1.0",
        complexity: "O(N) where N is the number of entries returned",
        summary: "Returns the specified command log's entries.",
        args: &[Arg::new("count", ArgKind::Integer), TYPE],
        tips: &["request_policy:all_nodes", "nondeterministic_output"],
        ..Spec::NEW
    },
    |_, args| {
        let count = args.integer(2).filter(|count| *count >= -1).ok_or(COUNT_TOO_SMALL)?;
        Ok(Next::Ask(Query::CommandLog(Question::Get(kind(args, 3)?, count))))
    },
);

fn kind(args: &Args<'_>, at: usize) -> Result<Kind, Failure> {
    match () {
        _ if args.is(at, "slow") => Ok(Kind::Slow),
        _ if args.is(at, "large-request") => Ok(Kind::LargeRequest),
        _ if args.is(at, "large-reply") => Ok(Kind::LargeReply),
        _ => Err(Failure::new(
            "ERR type should be one of the following: slow, large-request, large-reply",
        )),
    }
}

/// How many entries of one kind.
const COMMANDLOG_LEN: EngineCommand = EngineCommand::new(
    Spec {
        name: "LEN",
        arity: Arity::exactly(3),
        flags: FLAGS.and(Flags::NEWER),
        group: Group::Server,
        since: "8.1.0",
        summary: "Returns the number of entries in the specified type of command log.",
        args: &[TYPE],
        tips: &["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"],
        ..Spec::NEW
    },
    |_, args| Ok(Next::Ask(Query::CommandLog(Question::Len(kind(args, 2)?)))),
);

/// Forgets the entries of one kind.
const COMMANDLOG_RESET: EngineCommand = EngineCommand::new(
    Spec {
        name: "RESET",
        arity: Arity::exactly(3),
        flags: FLAGS.and(Flags::NEWER),
        group: Group::Server,
        since: "8.1.0",
        complexity: "O(N) where N is the number of entries in the commandlog",
        summary: "Clears all entries from the specified type of command log.",
        args: &[TYPE],
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        ..Spec::NEW
    },
    |_, args| Ok(Next::Ask(Query::CommandLog(Question::Reset(kind(args, 2)?)))),
);

const COMMANDLOG_HELP: EngineCommand = EngineCommand::new(
    Spec {
        name: "HELP",
        arity: Arity::exactly(2),
        flags: HELP_FLAGS.and(Flags::NEWER),
        group: Group::Server,
        since: "8.1.0",
        summary: "Returns helpful text about the different subcommands.",
        ..Spec::NEW
    },
    |desk, _| {
        help::write(
            desk,
            "COMMANDLOG",
            &[
                "GET <count> <type>",
                "    Return the newest <count> entries of the list <type>; -1 means all.",
                "    Types are: slow, large-request, large-reply.",
                "    Entries are made of:",
                "    id, timestamp, time in microseconds or size in bytes, arguments array,",
                "    client IP and port, client name",
                "LEN <type>",
                "    Return the length of the list <type>.",
                "RESET <type>",
                "    Forget the entries of the list <type>.",
            ],
        )
    },
);

/// What is asked of the cores' lists.
#[derive(Debug)]
pub enum Question {
    /// So many of the newest entries; -1 is all.
    Get(Kind, i64),
    /// How many.
    Len(Kind),
    /// Forget them.
    Reset(Kind),
}

/// One core's part.
pub fn answer(question: &Question, witness: Witness<'_>) -> Answer {
    let logs = &mut witness.core.command_logs;
    match question {
        Question::Get(kind, count) => {
            let most = usize::try_from(*count).unwrap_or(usize::MAX);
            Answer::CommandLog(logs.of(*kind).newest().take(most).cloned().collect())
        }
        Question::Len(kind) => Answer::Count(logs.of(*kind).len() as u64),
        Question::Reset(kind) => {
            logs.of(*kind).clear();
            Answer::Done
        }
    }
}

/// The reply: newest first, not more than one list may hold.
pub fn merge(question: &Question, answers: Vec<Answer>, desk: &mut Desk<'_>) {
    match question {
        Question::Get(kind, count) => {
            let mut entries: Vec<Entry> = Vec::new();
            for answer in answers {
                if let Answer::CommandLog(some) = answer {
                    entries.extend(some);
                }
            }
            entries.sort_by_key(|entry| std::cmp::Reverse((entry.unix_us, entry.id)));
            let most = usize::try_from(*count).unwrap_or(usize::MAX).min(limit(*kind, desk));
            entries.truncate(most);
            write_entries(&entries, desk);
        }
        Question::Len(kind) => {
            let sum: u64 = answers.iter().map(Answer::count).sum();
            desk.reply.integer(sum.min(limit(*kind, desk) as u64) as i64);
        }
        Question::Reset(_) => desk.reply.ok(),
    }
}

fn limit(kind: Kind, desk: &Desk<'_>) -> usize {
    desk.core.settings.size(match kind {
        Kind::Slow => settings::SLOWLOG_MAX_LEN,
        Kind::LargeRequest => settings::COMMANDLOG_LARGE_REQUEST_MAX_LEN,
        Kind::LargeReply => settings::COMMANDLOG_LARGE_REPLY_MAX_LEN,
    })
}

fn write_entries(entries: &[Entry], desk: &mut Desk<'_>) {
    let reply = &mut desk.reply;
    reply.array(entries.len());
    for entry in entries {
        reply.array(6);
        reply.integer(entry.id as i64);
        reply.integer(entry.unix_us.div_euclid(1_000_000));
        reply.integer(entry.value as i64);
        reply.array(entry.args.len());
        entry.args.iter().for_each(|arg| reply.bulk(arg));
        reply.bulk(entry.address.as_bytes());
        reply.bulk(&entry.name);
    }
}

#[cfg(test)]
mod tests {
    use crate::check::World;

    #[test]
    fn slow_commands_of_all_cores_are_listed_newest_first() {
        let mut world = World::with(3, &[("slowlog-log-slower-than", "0")]);
        let clients: Vec<_> = (0..3).map(|core| world.open(core)).collect();
        world.ask(clients[0], "CLIENT SETNAME me");
        world.pass_ms(1000);
        world.ask(clients[1], "SET k v");
        world.pass_ms(1000);
        world.ask(clients[2], "GET k");
        world.pass_ms(1000);
        assert_eq!(world.ask(clients[0], "SLOWLOG LEN"), "3", "it does not count itself");
        let log = world.ask(clients[0], "SLOWLOG GET 3");
        let place = |words: &str| log.find(words).unwrap_or_else(|| panic!("{words} in {log}"));
        assert!(place("[SLOWLOG LEN]") < place("[GET k]"));
        assert!(place("[GET k]") < place("[SET k v]"));
        assert!(log.contains("[SLOWLOG LEN] 127.0.0.1:10001 me]"), "{log}");
        assert_eq!(world.ask(clients[0], "SLOWLOG RESET"), "OK");
        assert_eq!(world.ask(clients[0], "SLOWLOG LEN"), "1", "the reset itself");
    }

    #[test]
    fn the_change_of_the_threshold_is_judged_by_the_new_one() {
        let mut world = World::new(2);
        let client = world.open(0);
        assert_eq!(world.ask(client, "CONFIG SET slowlog-log-slower-than 0"), "OK");
        let log = world.ask(client, "SLOWLOG GET");
        assert!(log.contains("[CONFIG SET slowlog-log-slower-than 0]"), "{log}");
        world.ask(client, "SLOWLOG RESET");
        assert_eq!(world.ask(client, "CONFIG SET slowlog-log-slower-than -1"), "OK");
        assert_eq!(world.ask(client, "SLOWLOG LEN"), "1", "the reset alone");
    }

    #[test]
    fn what_the_same_pipeline_asked_of_other_cores_is_in_the_log() {
        let mut world = World::with(3, &[("slowlog-log-slower-than", "0")]);
        let client = world.open(0);
        let out = world.feed(client, b"GET a\r\nGET b\r\nGET c\r\nMGET a b c\r\nSLOWLOG LEN\r\n");
        assert!(out.ends_with(b":4\r\n"), "{}", out.escape_ascii());
        let log = world.ask(client, "SLOWLOG GET 5");
        let wanted = ["[MGET a b c]", "[GET c]", "[GET b]", "[GET a]"];
        let places: Vec<_> = wanted.iter().map(|words| log.find(words)).collect();
        assert!(places[0].is_some() && places.is_sorted(), "{log}");
    }

    #[test]
    fn commands_of_a_silent_client_are_remembered_too() {
        let mut world = World::with(3, &[("slowlog-log-slower-than", "0")]);
        let client = world.open(0);
        let quiet = b"CLIENT REPLY OFF\r\nGET a\r\nGET b\r\nGET c\r\nCLIENT REPLY ON\r\n";
        assert_eq!(world.feed(client, quiet), b"+OK\r\n");
        assert_eq!(world.ask(client, "SLOWLOG LEN"), "5");
    }

    #[test]
    fn a_command_that_ran_in_parts_is_remembered_as_one() {
        let mut world = World::with(3, &[("slowlog-log-slower-than", "0")]);
        let client = world.open(0);
        world.ask(client, "DEL a b c d e f");
        world.ask(client, "MGET a b c d e f");
        let log = world.ask(client, "SLOWLOG GET");
        assert!(log.contains("[DEL a b c d e f]") && log.contains("[MGET a b c d e f]"), "{log}");
        assert_eq!(world.ask(client, "SLOWLOG LEN"), "3", "{log}");
    }

    #[test]
    fn counts_and_words_are_checked() {
        let mut world = World::new(1);
        let client = world.open(0);
        let small = "(err) ERR count should be greater than or equal to -1";
        for (words, reply) in [
            ("SLOWLOG GET", "[]"),
            ("SLOWLOG GET -1", "[]"),
            ("SLOWLOG GET -2", small),
            ("SLOWLOG GET abc", small),
            (
                "SLOWLOG GET 1 2",
                "(err) ERR unknown subcommand or wrong number of arguments for 'GET'. Try SLOWLOG HELP.",
            ),
            ("SLOWLOG", "(err) ERR wrong number of arguments for 'slowlog' command"),
            ("COMMANDLOG LEN slow", "0"),
            (
                "COMMANDLOG LEN x",
                "(err) ERR type should be one of the following: slow, large-request, large-reply",
            ),
            ("COMMANDLOG GET -2 slow", small),
        ] {
            assert_eq!(world.ask(client, words), reply, "{words}");
        }
    }

    #[test]
    fn large_requests_and_replies_are_remembered_with_their_sizes() {
        let directives =
            [("commandlog-request-larger-than", "1000"), ("commandlog-reply-larger-than", "1000")];
        let mut world = World::with(2, &directives);
        let client = world.open(0);
        let large = "x".repeat(2000);
        for key in ["a", "b", "c"] {
            world.ask(client, &format!("SET {key} {large}"));
            world.ask(client, &format!("GET {key}"));
        }
        assert_eq!(world.ask(client, "COMMANDLOG LEN large-request"), "3");
        assert_eq!(world.ask(client, "COMMANDLOG LEN large-reply"), "3");
        assert_eq!(world.ask(client, "COMMANDLOG LEN slow"), "0");
        let log = world.ask(client, "COMMANDLOG GET -1 large-reply");
        assert!(log.contains(" 2009 [GET a] ") && log.contains(" 2009 [GET c] "), "{log}");
        assert_eq!(world.ask(client, "COMMANDLOG RESET large-reply"), "OK");
        assert_eq!(world.ask(client, "COMMANDLOG LEN large-reply"), "0");
    }
}
