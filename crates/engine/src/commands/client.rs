//! CLIENT: what a connection says about itself and asks about others.
//!
//! The sub-commands that concern only their own connection are here. Those about all connections
//! are in `client_list.rs` (INFO, LIST, KILL) and `client_pause.rs` (PAUSE, UNPAUSE), those of
//! client-side caching in `client_tracking.rs`.

use super::query::{Answer, Query, Witness};
use super::{Desk, EngineCommand, Next, client_list, client_pause, client_tracking, help};
use crate::session::Session;
use crate::session::client::Gates;
use base::settings::{self, OutputLimit, Settings};
use base::{ConnId, CoreSet};
use client_pause::Pause;
use command::{Arg, ArgKind, Args, Arity, Failure, Flags, Group, Spec};

/// The family's list.
pub const COMMANDS: &[EngineCommand] = &[CLIENT];

/// Not from scripts, but at any time.
pub(super) const OWN: Flags = Flags::NOSCRIPT.and(Flags::LOADING).and(Flags::STALE);
/// The same for what only administrators should do.
pub(super) const ADMIN: Flags = OWN.and(Flags::ADMIN);
/// The sub-commands HELP.
pub(super) const HELP_FLAGS: Flags = Flags::LOADING.and(Flags::STALE);

/// What a core knows about clients in common, its own and those of other cores.
#[derive(Debug, Clone, Default)]
pub struct Clients {
    /// CLIENT PAUSE, while it lasts.
    pub pause: Option<Pause>,
    /// The cores that have MONITOR clients.
    pub watchers: CoreSet,
    /// MONITOR clients of this core.
    pub monitors: u32,
    /// What the MONITOR clients of all cores are to see of this turn.
    pub lines: Vec<u8>,
    /// How many bytes of them there were before the request under way.
    pub lines_before: usize,
    /// Connections that a CLIENT KILL has picked; closed when the question is answered.
    pub doomed: Vec<ConnId>,
    /// Whose wait CLIENT UNBLOCK ends when the query is answered, and whether by an error.
    pub unblocked: Vec<(ConnId, bool)>,
    /// What the configuration allows a client.
    pub limits: ClientLimits,
}

/// The bounds of clients, read once a change of the configuration.
#[derive(Debug, Clone, Copy, Default)]
pub struct ClientLimits {
    /// `client-output-buffer-limit normal`.
    pub output: OutputLimit,
    /// `timeout` in milliseconds; 0 is none.
    pub idle_ms: u64,
    /// `maxmemory-clients` in bytes; 0 is none.
    pub memory_bytes: u64,
}

impl ClientLimits {
    /// The bounds that a configuration sets.
    pub fn of(settings: &Settings) -> ClientLimits {
        let whole = settings.int(settings::MAXMEMORY).max(0) as u64;
        ClientLimits {
            output: settings.output_limit(settings::OUTPUT_NORMAL),
            idle_ms: settings.int(settings::TIMEOUT).max(0) as u64 * 1000,
            memory_bytes: settings.memory_of(settings::MAXMEMORY_CLIENTS, whole),
        }
    }
}

impl Clients {
    /// Whether requests must take the slow path because of other clients.
    pub fn watched(&self) -> bool {
        self.pause.is_some() || !self.watchers.is_empty()
    }
}

/// The container.
pub const CLIENT: EngineCommand = EngineCommand {
    spec: Spec {
        name: "CLIENT",
        arity: Arity::at_least(2),
        group: Group::Connection,
        categories: &["-@connection"],
        since: "2.4.0",
        complexity: "Depends on subcommand.",
        summary: "A container for client connection commands",
        ..Spec::NEW
    },
    subcommands: &[
        client_tracking::CACHING,
        GETNAME,
        client_tracking::GETREDIR,
        HELP,
        ID,
        client_list::INFO,
        client_list::KILL,
        client_list::LIST,
        NO_EVICT,
        NO_TOUCH,
        client_pause::PAUSE,
        REPLY,
        SETINFO,
        SETNAME,
        client_tracking::TRACKING,
        client_tracking::TRACKINGINFO,
        UNBLOCK,
        client_pause::UNPAUSE,
    ],
    ..EngineCommand::container()
};

/// `ON` or `OFF` in argument 2.
fn on_or_off(args: &Args<'_>) -> Result<bool, Failure> {
    match (args.is(2, "ON"), args.is(2, "OFF")) {
        (true, _) => Ok(true),
        (_, true) => Ok(false),
        _ => Err(Failure::SYNTAX),
    }
}

/// Whether a name or attribute is printable without spaces, so that CLIENT LIST stays readable.
fn is_printable(text: &[u8]) -> bool {
    text.iter().all(|byte| (b'!'..=b'~').contains(byte))
}

fn owned(text: &[u8]) -> Option<Box<[u8]>> {
    (!text.is_empty()).then(|| text.into())
}

/// Names a connection; the empty name takes its name away.
pub(super) fn set_name(session: &mut Session, name: &[u8]) -> Result<(), Failure> {
    if !is_printable(name) {
        return Err(Failure::new(
            "ERR Client names cannot contain spaces, newlines or special characters.",
        ));
    }
    session.name = owned(name);
    Ok(())
}

/// Answers the connection's number.
pub const ID: EngineCommand = EngineCommand::new(
    Spec {
        name: "ID",
        arity: Arity::exactly(2),
        flags: OWN,
        group: Group::Connection,
        since: "5.0.0",
        summary: "Returns the client ID for the current connection",
        ..Spec::NEW
    },
    id,
);

fn id(desk: &mut Desk<'_>, _args: &Args<'_>) -> Result<Next, Failure> {
    desk.reply.integer(desk.session.peer.client_id as i64);
    Ok(Next::Done)
}

/// Answers the connection's name.
pub const GETNAME: EngineCommand = EngineCommand::new(
    Spec {
        name: "GETNAME",
        arity: Arity::exactly(2),
        flags: OWN,
        group: Group::Connection,
        since: "2.6.9",
        summary: "Get the current connection name",
        ..Spec::NEW
    },
    getname,
);

fn getname(desk: &mut Desk<'_>, _args: &Args<'_>) -> Result<Next, Failure> {
    match &desk.session.name {
        Some(name) => desk.reply.bulk(name),
        None => desk.reply.null(),
    }
    Ok(Next::Done)
}

/// Names the connection.
pub const SETNAME: EngineCommand = EngineCommand::new(
    Spec {
        name: "SETNAME",
        arity: Arity::exactly(3),
        flags: OWN,
        group: Group::Connection,
        since: "2.6.9",
        summary: "Set the current connection name",
        args: &[Arg::new("connection-name", ArgKind::String)],
        ..Spec::NEW
    },
    setname,
);

fn setname(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    set_name(desk.session, args.get(2))?;
    desk.reply.ok();
    Ok(Next::Done)
}

/// Notes the client library behind the connection.
pub const SETINFO: EngineCommand = EngineCommand::new(
    Spec {
        name: "SETINFO",
        arity: Arity::exactly(4),
        flags: OWN,
        group: Group::Connection,
        since: "7.2.0",
        summary: "Sets information specific to the client or connection.",
        args: &[Arg::new(
            "attr",
            ArgKind::OneOf(&[
                Arg::new("libname", ArgKind::String).token("LIB-NAME"),
                Arg::new("libver", ArgKind::String).token("LIB-VER"),
            ]),
        )],
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        ..Spec::NEW
    },
    setinfo,
);

fn setinfo(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    let place = if args.is(2, "LIB-NAME") {
        &mut desk.session.lib_name
    } else if args.is(2, "LIB-VER") {
        &mut desk.session.lib_ver
    } else {
        return Err(Failure::quoting("ERR Unrecognized option '", args.get(2), "'"));
    };
    if !is_printable(args.get(3)) {
        let why = " cannot contain spaces, newlines or special characters.";
        return Err(Failure::quoting("ERR ", args.get(2), why));
    }
    *place = owned(args.get(3));
    desk.reply.ok();
    Ok(Next::Done)
}

/// Switches replies off and on, or leaves the next one out.
pub const REPLY: EngineCommand = EngineCommand::new(
    Spec {
        name: "REPLY",
        arity: Arity::exactly(3),
        flags: OWN,
        group: Group::Connection,
        since: "3.2.0",
        summary: "Instruct the server whether to reply to commands",
        args: &[Arg::new(
            "on_off_skip",
            ArgKind::OneOf(&[
                Arg::word("on", "ON"),
                Arg::word("off", "OFF"),
                Arg::word("skip", "SKIP"),
            ]),
        )],
        ..Spec::NEW
    },
    reply,
);

fn reply(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    let gates = &mut desk.session.gates;
    if args.is(2, "ON") {
        gates.set(Gates::MUTE | Gates::MUTE_THIS, false);
        desk.reply.ok();
    } else if args.is(2, "OFF") {
        gates.set(Gates::MUTE, true);
    } else if args.is(2, "SKIP") {
        let next = !gates.any(Gates::MUTE);
        gates.set(Gates::MUTE_NEXT, next);
    } else {
        return Err(Failure::SYNTAX);
    }
    Ok(Next::Done)
}

/// Keeps the connection open when clients are closed for want of memory.
pub const NO_EVICT: EngineCommand = EngineCommand::new(
    Spec {
        name: "NO-EVICT",
        arity: Arity::exactly(3),
        flags: ADMIN,
        group: Group::Connection,
        since: "7.0.0",
        summary: "Set client eviction mode for the current connection",
        args: &[Arg::new(
            "enabled",
            ArgKind::OneOf(&[Arg::word("on", "ON"), Arg::word("off", "OFF")]),
        )],
        ..Spec::NEW
    },
    no_evict,
);

fn no_evict(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    desk.session.no_evict = on_or_off(args)?;
    desk.reply.ok();
    Ok(Next::Done)
}

/// Has the connection's commands leave the keys' access times alone.
pub const NO_TOUCH: EngineCommand = EngineCommand::new(
    Spec {
        name: "NO-TOUCH",
        arity: Arity::exactly(3),
        flags: OWN,
        group: Group::Connection,
        since: "7.2.0",
        summary: "Controls whether commands sent by the client affect the LRU/LFU of accessed keys.",
        args: &[Arg::new(
            "enabled",
            ArgKind::OneOf(&[Arg::word("on", "ON"), Arg::word("off", "OFF")]),
        )],
        ..Spec::NEW
    },
    no_touch,
);

fn no_touch(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    desk.session.no_touch = on_or_off(args)?;
    desk.reply.ok();
    Ok(Next::Done)
}

/// Ends the wait of a client in a blocking command.
pub const UNBLOCK: EngineCommand = EngineCommand::new(
    Spec {
        name: "UNBLOCK",
        arity: Arity::at_least(3),
        flags: ADMIN,
        group: Group::Connection,
        since: "5.0.0",
        complexity: "O(log N) where N is the number of client connections",
        summary: "Unblock a client blocked in a blocking command from a different connection",
        args: &[
            Arg::new("client-id", ArgKind::Integer),
            Arg::new(
                "timeout_error",
                ArgKind::OneOf(&[Arg::word("timeout", "TIMEOUT"), Arg::word("error", "ERROR")]),
            )
            .optional(),
        ],
        ..Spec::NEW
    },
    unblock,
);

fn unblock(_desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    if args.len() > 4 {
        return Err(help::unknown("CLIENT", args));
    }
    if args.len() == 4 && !args.is(3, "TIMEOUT") && !args.is(3, "ERROR") {
        return Err(Failure::new("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"));
    }
    let id = args.integer(2).ok_or(Failure::NOT_INTEGER)?;
    let error = args.len() == 4 && args.is(3, "ERROR");
    Ok(Next::Ask(Query::Unblock { id, error }))
}

/// Notes the client if it waits here and nothing has come for it yet.
pub(super) fn answer_unblock(id: i64, error: bool, witness: Witness<'_>) -> Answer {
    let waits = |session: &&Session| {
        session.peer.client_id as i64 == id
            && session.blocked.as_ref().is_some_and(|blocked| !blocked.is_claimed())
    };
    let found = witness.sessions.iter().find(waits).map(|session| session.id);
    witness.core.clients.unblocked.extend(found.map(|conn| (conn, error)));
    Answer::Count(u64::from(found.is_some()))
}

/// Explains the sub-commands.
pub const HELP: EngineCommand = EngineCommand::new(
    Spec {
        name: "HELP",
        arity: Arity::exactly(2),
        flags: HELP_FLAGS,
        group: Group::Connection,
        since: "5.0.0",
        summary: "Show helpful text about the different subcommands",
        ..Spec::NEW
    },
    explain,
);

fn explain(desk: &mut Desk<'_>, _args: &Args<'_>) -> Result<Next, Failure> {
    help::write(desk, "CLIENT", HELP_LINES)
}

const HELP_LINES: &[&str] = &[
    "CACHING (YES|NO)",
    "    Enable/disable tracking of the keys for next command in OPTIN/OPTOUT modes.",
    "GETREDIR",
    "    Return the client ID we are redirecting to when tracking is enabled.",
    "GETNAME",
    "    Return the name of the current connection.",
    "ID",
    "    Return the ID of the current connection.",
    "INFO",
    "    Return information about the current client connection.",
    "KILL <ip:port>",
    "    Kill connection made from <ip:port>.",
    "KILL <option> <value> [<option> <value> [...]]",
    "    Kill connections. Options are:",
    "    * ADDR (<ip:port>|<unixsocket>:0)",
    "      Kill connections made from the specified address",
    "    * LADDR (<ip:port>|<unixsocket>:0)",
    "      Kill connections made to specified local address",
    "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    "      Kill connections by type.",
    "    * USER <username>",
    "      Kill connections authenticated by <username>.",
    "    * SKIPME (YES|NO)",
    "      Skip killing current connection (default: yes).",
    "LIST [options ...]",
    "    Return information about client connections. Options:",
    "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    "      Return clients of specified type.",
    "UNPAUSE",
    "    Stop the current client pause, resuming traffic.",
    "PAUSE <timeout> [WRITE|ALL]",
    "    Suspend all, or just write, clients for <timeout> milliseconds.",
    "REPLY (ON|OFF|SKIP)",
    "    Control the replies sent to the current connection.",
    "SETNAME <name>",
    "    Assign the name <name> to the current connection.",
    "SETINFO <option> <value>",
    "    Set client meta attr. Options are:",
    "    * LIB-NAME: the client lib name.",
    "    * LIB-VER: the client lib version.",
    "UNBLOCK <clientid> [TIMEOUT|ERROR]",
    "    Unblock the specified blocked client.",
    "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]",
    "         [OPTIN] [OPTOUT] [NOLOOP]",
    "    Control server assisted client side caching.",
    "TRACKINGINFO",
    "    Report tracking status for the current connection.",
    "NO-EVICT (ON|OFF)",
    "    Protect current client connection from eviction.",
    "NO-TOUCH (ON|OFF)",
    "    Will not touch LRU/LFU stats when this mode is on.",
];

#[cfg(test)]
mod tests {
    use crate::check::{World, check};

    #[test]
    fn a_name_is_set_read_and_taken_away() {
        check(
            "CLIENT GETNAME; CLIENT SETNAME me; CLIENT GETNAME; CLIENT SETNAME ''; CLIENT GETNAME",
            &["nil", "OK", "me", "OK", "nil"],
        );
        check(
            "CLIENT SETNAME 'a b'",
            &["(err) ERR Client names cannot contain spaces, newlines or special characters."],
        );
    }

    #[test]
    fn library_attributes_are_validated_and_shown() {
        let mut world = World::new(1);
        let client = world.open(0);
        assert_eq!(world.ask(client, "CLIENT SETINFO lib-name redis-py"), "OK");
        assert_eq!(world.ask(client, "CLIENT SETINFO LIB-VER 5.0"), "OK");
        let info = world.ask(client, "CLIENT INFO");
        assert!(info.ends_with("lib-name=redis-py lib-ver=5.0\\n"), "{info}");
        assert_eq!(
            world.ask(client, "CLIENT SETINFO lib-name 'a b'"),
            "(err) ERR lib-name cannot contain spaces, newlines or special characters."
        );
        assert_eq!(
            world.ask(client, "CLIENT SETINFO foo x"),
            "(err) ERR Unrecognized option 'foo'"
        );
    }

    #[test]
    fn wrong_sub_commands_and_options_get_redis_texts() {
        check(
            "CLIENT FOO; CLIENT; CLIENT ID x; CLIENT NO-EVICT x; CLIENT NO-TOUCH on; CLIENT UNBLOCK a; \
             CLIENT UNBLOCK 1; CLIENT UNBLOCK 1 x; CLIENT UNBLOCK 1 ERROR y",
            &[
                "(err) ERR unknown subcommand 'FOO'. Try CLIENT HELP.",
                "(err) ERR wrong number of arguments for 'client' command",
                "(err) ERR wrong number of arguments for 'client|id' command",
                "(err) ERR syntax error",
                "OK",
                "(err) ERR value is not an integer or out of range",
                "0",
                "(err) ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR",
                "(err) ERR unknown subcommand or wrong number of arguments for 'UNBLOCK'. Try CLIENT HELP.",
            ],
        );
    }

    #[test]
    fn skip_leaves_out_one_reply_whatever_it_is() {
        for skipped in ["PING", "FOO", "GET", "GET a", "CLIENT REPLY SKIP\r\nPING", "RESET"] {
            let mut world = World::new(2);
            let client = world.open(0);
            let bytes = format!("CLIENT REPLY SKIP\r\n{skipped}\r\nECHO b\r\n");
            assert_eq!(world.feed(client, bytes.as_bytes()), b"$1\r\nb\r\n", "{skipped}");
        }
    }

    #[test]
    fn off_silences_everything_until_on() {
        let mut world = World::new(2);
        let client = world.open(0);
        let out = world.feed(
            client,
            b"CLIENT REPLY OFF\r\nPING\r\nFOO\r\nSET a 1\r\nSET b 2\r\nSET c 3\r\nMGET a b c\r\n\
              CLIENT LIST\r\nCLIENT REPLY SKIP\r\nCLIENT REPLY x\r\nCLIENT REPLY ON\r\nMGET a b c\r\n",
        );
        assert_eq!(out, b"+OK\r\n*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n");
        assert_eq!(world.feed(client, b"CLIENT REPLY OFF\r\nRESET\r\n"), b"+RESET\r\n");
        assert_eq!(world.feed(client, b"CLIENT REPLY SKIP\r\nCLIENT REPLY ON\r\n"), b"+OK\r\n");
    }

    #[test]
    fn a_silent_client_is_closed_without_a_word() {
        let mut world = World::new(1);
        let client = world.open(0);
        assert_eq!(world.feed(client, b"CLIENT REPLY OFF\r\nQUIT\r\n"), b"");
        assert!(world.is_closed(client));
        let client = world.open(0);
        assert_eq!(world.feed(client, b"CLIENT REPLY OFF\r\n*a\r\n"), b"");
        assert!(world.is_closed(client));
    }

    #[test]
    fn help_is_framed_as_redis_does() {
        let mut world = World::new(1);
        let client = world.open(0);
        let help = world.ask(client, "CLIENT HELP");
        let first =
            "[CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are: CACHING (YES|NO)";
        assert!(help.starts_with(first), "{help}");
        assert!(help.ends_with("HELP     Prints this help.]"), "{help}");
    }
}
