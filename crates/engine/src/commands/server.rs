//! Commands of the server as a whole that need no figures: time, role, the end.
//!
//! Snapshots, logs and replicas are the work of later issues. What asks for them is answered as a
//! Redis answers that cannot do it; each command's comment names the reply and why that one.

mod moves;
mod shutdown;

use super::query::Query;
use super::{Desk, EngineCommand, Next, help};
use command::{Arg, ArgKind, Args, Arity, Failure, Flags, Group, Spec};

/// The family's list.
pub const COMMANDS: &[EngineCommand] = &[
    TIME,
    ROLE,
    LASTSAVE,
    SAVE,
    BGSAVE,
    BGREWRITEAOF,
    moves::REPLICAOF,
    moves::SLAVEOF,
    moves::SYNC,
    moves::PSYNC,
    moves::REPLCONF,
    moves::FAILOVER,
    moves::MIGRATE,
    WAIT,
    WAITAOF,
    MODULE,
    shutdown::SHUTDOWN,
];

pub use moves::answer_any_key;
pub use moves::merge_any_key;

const ADMIN: Flags = Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::NO_ASYNC_LOADING);
const ANYTIME_FAST: Flags = Flags::LOADING.and(Flags::STALE).and(Flags::FAST);

/// Seconds and microseconds of the wall clock.
const TIME: EngineCommand = EngineCommand::new(
    Spec {
        name: "TIME",
        arity: Arity::exactly(1),
        flags: ANYTIME_FAST,
        group: Group::Server,
        since: "2.6.0",
        summary: "Returns the server time.",
        tips: &["nondeterministic_output"],
        ..Spec::NEW
    },
    |desk, _| {
        let unix_us = desk.core.now.unix_us;
        desk.reply.array(2);
        desk.reply.bulk_int(unix_us.div_euclid(1_000_000));
        desk.reply.bulk_int(unix_us.rem_euclid(1_000_000));
        Ok(Next::Done)
    },
);

/// A master without replicas.
const ROLE: EngineCommand = EngineCommand::new(
    Spec {
        name: "ROLE",
        arity: Arity::exactly(1),
        flags: Flags::NOSCRIPT.and(ANYTIME_FAST),
        group: Group::Server,
        categories: &["@admin", "@dangerous"],
        since: "2.8.12",
        summary: "Returns the replication role.",
        ..Spec::NEW
    },
    |desk, _| {
        desk.reply.array(3);
        desk.reply.bulk(b"master");
        desk.reply.integer(0);
        desk.reply.array(0);
        Ok(Next::Done)
    },
);

/// The time of the start, as on a Redis that has never saved.
const LASTSAVE: EngineCommand = EngineCommand::new(
    Spec {
        name: "LASTSAVE",
        arity: Arity::exactly(1),
        flags: ANYTIME_FAST,
        group: Group::Server,
        categories: &["@admin", "@dangerous"],
        summary: "Returns the Unix timestamp of the last successful save to disk.",
        tips: &["nondeterministic_output"],
        ..Spec::NEW
    },
    |desk, _| {
        desk.reply.integer(desk.core.started.unix_s());
        Ok(Next::Done)
    },
);

/// What Redis replies when a save fails, whatever the reason; the log says which.
const NOT_SAVED: Failure = Failure::new("ERR");

/// Always fails: there are no snapshots yet. Saying OK would be a lie that loses data.
const SAVE: EngineCommand = EngineCommand::new(
    Spec {
        name: "SAVE",
        arity: Arity::exactly(1),
        flags: ADMIN.and(Flags::NO_MULTI),
        group: Group::Server,
        complexity: "O(N) where N is the total number of keys in all databases",
        summary: "Synchronously saves the database(s) to disk.",
        ..Spec::NEW
    },
    |_, _| not_saved("SAVE"),
);

fn not_saved(command: &str) -> Result<Next, Failure> {
    tracing::warn!("{command} was refused: this server keeps no snapshots yet");
    Err(NOT_SAVED)
}

/// Always fails, as [`SAVE`] does.
const BGSAVE: EngineCommand = EngineCommand::new(
    Spec {
        name: "BGSAVE",
        arity: Arity::at_least(1),
        flags: ADMIN,
        group: Group::Server,
        summary: "Asynchronously saves the database(s) to disk.",
        args: &[Arg::word("schedule", "SCHEDULE").since("3.2.2").optional()],
        history: &[("3.2.2", "Added the `SCHEDULE` option.")],
        ..Spec::NEW
    },
    |_, args| match args.len() {
        1 => not_saved("BGSAVE"),
        2 if args.is(1, "schedule") => not_saved("BGSAVE"),
        _ => Err(Failure::SYNTAX),
    },
);

/// Always fails, with Redis' text for a rewrite that could not be begun.
const BGREWRITEAOF: EngineCommand = EngineCommand::new(
    Spec {
        name: "BGREWRITEAOF",
        arity: Arity::exactly(1),
        flags: ADMIN,
        group: Group::Server,
        summary: "Asynchronously rewrites the append-only file to disk.",
        ..Spec::NEW
    },
    |_, _| {
        tracing::warn!("BGREWRITEAOF was refused: this server keeps no log of writes yet");
        Err(Failure::new(
            "ERR Can't execute an AOF background rewriting. Please check the server logs for more \
             information.",
        ))
    },
);

/// No replica will ever acknowledge: who wants one waits until the time is over.
const WAIT: EngineCommand = EngineCommand::new(
    Spec {
        name: "WAIT",
        arity: Arity::exactly(3),
        flags: Flags::NOSCRIPT,
        group: Group::Generic,
        categories: &["@connection", "-@keyspace"],
        since: "3.0.0",
        summary: "Blocks until the asynchronous replication of all preceding write commands sent by \
                  the connection is completed.",
        args: &[Arg::new("numreplicas", ArgKind::Integer), Arg::new("timeout", ArgKind::Integer)],
        tips: &["request_policy:all_shards", "response_policy:agg_min"],
        ..Spec::NEW
    },
    wait,
);

fn wait(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    let replicas = args.integer(1).ok_or(Failure::NOT_INTEGER)?;
    let timeout_us = command::wait::milliseconds(args, 2)?;
    if replicas > 0 {
        return Ok(Next::Sleep { timeout_us, reply: b":0\r\n" });
    }
    desk.reply.integer(0);
    Ok(Next::Done)
}

/// What WAIT is, for a log of writes too. Nothing is logged here: who wants that is told so.
const WAITAOF: EngineCommand = EngineCommand::new(
    Spec {
        name: "WAITAOF",
        arity: Arity::exactly(4),
        flags: Flags::NOSCRIPT,
        group: Group::Generic,
        categories: &["@connection", "-@keyspace"],
        since: "7.2.0",
        summary: "Blocks until all preceding writes of the connection are in the append-only files of this server, of \
                  replicas, or of both.",
        args: &[
            Arg::new("numlocal", ArgKind::Integer),
            Arg::new("numreplicas", ArgKind::Integer),
            Arg::new("timeout", ArgKind::Integer),
        ],
        tips: &["request_policy:all_shards", "response_policy:agg_min"],
        ..Spec::NEW
    },
    waitaof,
);

fn waitaof(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    let local = args.integer(1).ok_or(Failure::NOT_INTEGER)?;
    if !(0..=1).contains(&local) {
        return Err(Failure::new("ERR value is out of range, must be between 0 and 1"));
    }
    let replicas =
        args.integer(2).filter(|replicas| *replicas >= 0).ok_or(Failure::NOT_POSITIVE)?;
    let timeout_us = command::wait::milliseconds(args, 3)?;
    if local == 1 {
        return Err(Failure::new(
            "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.",
        ));
    }
    if replicas > 0 {
        return Ok(Next::Sleep { timeout_us, reply: b"*2\r\n:0\r\n:0\r\n" });
    }
    desk.reply.array(2);
    desk.reply.integer(0);
    desk.reply.integer(0);
    Ok(Next::Done)
}

/// A container; there are no modules.
const MODULE: EngineCommand = EngineCommand {
    spec: Spec {
        name: "MODULE",
        arity: Arity::at_least(2),
        group: Group::Server,
        since: "4.0.0",
        complexity: "Depends on subcommand.",
        summary: "A container for module commands.",
        ..Spec::NEW
    },
    subcommands: &[MODULE_HELP, MODULE_LIST, MODULE_LOAD, MODULE_LOADEX, MODULE_UNLOAD],
    ..EngineCommand::container()
};

const MODULE_HELP: EngineCommand = help::command(
    Spec { group: Group::Server, since: "5.0.0", ..Spec::NEW },
    |desk, _| {
        help::write(
            desk,
            "MODULE",
            &[
                "LIST",
                "    Return a list of loaded modules.",
                "LOAD <path> [<arg> ...]",
                "    Load a module library from <path>, passing to it any optional arguments.",
                "LOADEX <path> [[CONFIG NAME VALUE] [CONFIG NAME VALUE]] [ARGS ...]",
                "    Load a module library from <path>, while passing it module configurations and optional arguments.",
                "UNLOAD <name>",
                "    Unload a module.",
            ],
        )
    },
);

const MODULE_LIST: EngineCommand = EngineCommand::new(
    Spec {
        name: "LIST",
        arity: Arity::exactly(2),
        flags: Flags::ADMIN.and(Flags::NOSCRIPT),
        group: Group::Server,
        since: "4.0.0",
        complexity: "O(N) where N is the number of loaded modules.",
        summary: "Returns all loaded modules.",
        tips: &["nondeterministic_output_order"],
        ..Spec::NEW
    },
    |desk, _| {
        desk.reply.array(0);
        Ok(Next::Done)
    },
);

/// Why modules cannot be loaded: the configuration forbids it, or the library is not for us.
fn module_refused(desk: &Desk<'_>, allowed: &'static str) -> Result<Next, Failure> {
    let settings = &desk.core.settings;
    let local = desk.session.peer.is_local;
    Err(match settings.local_choice(base::settings::ENABLE_MODULE_COMMAND, local) {
        true => Failure::new(allowed),
        false => super::not_enabled("MODULE", "enable-module-command"),
    })
}

const NOT_LOADED: &str = "ERR Error loading the extension. Please check the server logs.";

/// Always refused: by the configuration, or with Redis' text for a library that does not load.
const MODULE_LOAD: EngineCommand = EngineCommand::new(
    Spec {
        name: "LOAD",
        arity: Arity::at_least(3),
        flags: ADMIN,
        group: Group::Server,
        since: "4.0.0",
        summary: "Loads a module.",
        args: &[
            Arg::new("path", ArgKind::String),
            Arg::new("arg", ArgKind::String).optional().multiple(),
        ],
        ..Spec::NEW
    },
    |desk, _| module_refused(desk, NOT_LOADED),
);

/// Always refused, as [`MODULE_LOAD`] is.
const MODULE_LOADEX: EngineCommand = EngineCommand::new(
    Spec {
        name: "LOADEX",
        arity: Arity::at_least(3),
        flags: ADMIN,
        group: Group::Server,
        since: "7.0.0",
        summary: "Loads a module using extended parameters.",
        args: &[
            Arg::new("path", ArgKind::String),
            Arg {
                multiple_token: true,
                ..Arg::new(
                    "configs",
                    ArgKind::Block(&[
                        Arg::new("name", ArgKind::String),
                        Arg::new("value", ArgKind::String),
                    ]),
                )
                .token("CONFIG")
                .optional()
                .multiple()
            },
            Arg::new("args", ArgKind::Block(&[Arg::new("arg", ArgKind::String)]))
                .token("ARGS")
                .optional()
                .multiple(),
        ],
        ..Spec::NEW
    },
    |desk, _| module_refused(desk, NOT_LOADED),
);

/// There is nothing to unload.
const MODULE_UNLOAD: EngineCommand = EngineCommand::new(
    Spec {
        name: "UNLOAD",
        arity: Arity::exactly(3),
        flags: ADMIN,
        group: Group::Server,
        since: "4.0.0",
        summary: "Unloads a module.",
        args: &[Arg::new("name", ArgKind::String)],
        ..Spec::NEW
    },
    |desk, _| module_refused(desk, "ERR Error unloading module: no such module with that name"),
);

/// Asks whether one of these keys exists.
fn any_key(desk: &Desk<'_>, keys: Vec<Vec<u8>>) -> Next {
    Next::Ask(Query::AnyKey { db: desk.session.db, keys })
}

#[cfg(test)]
mod tests {
    use crate::check::World;

    #[test]
    fn a_server_without_disk_and_replicas_says_so_in_redis_words() {
        let mut world = World::new(2);
        let client = world.open(0);
        for (words, reply) in [
            ("ROLE", "[master 0 []]"),
            ("TIME", "[1700000000 0]"),
            ("LASTSAVE", "1700000000"),
            ("SAVE", "(err) ERR"),
            ("SAVE x", "(err) ERR wrong number of arguments for 'save' command"),
            ("BGSAVE", "(err) ERR"),
            ("BGSAVE schedule", "(err) ERR"),
            ("BGSAVE x", "(err) ERR syntax error"),
            ("WAIT 0 0", "0"),
            ("WAIT 1 -1", "(err) ERR timeout is negative"),
            ("WAIT x -1", "(err) ERR value is not an integer or out of range"),
            ("WAIT 1 x", "(err) ERR timeout is not an integer or out of range"),
            ("WAITAOF 0 0 0", "[0 0]"),
            (
                "WAITAOF 1 0 0",
                "(err) ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.",
            ),
            ("WAITAOF 2 0 0", "(err) ERR value is out of range, must be between 0 and 1"),
            ("WAITAOF x 0 0", "(err) ERR value is not an integer or out of range"),
            ("WAITAOF 0 -1 x", "(err) ERR value is out of range, must be positive"),
            ("WAITAOF 1 0 x", "(err) ERR timeout is not an integer or out of range"),
            ("WAITAOF 1 0 -1", "(err) ERR timeout is negative"),
            ("MODULE LIST", "[]"),
        ] {
            assert_eq!(world.ask(client, words), reply, "{words}");
        }
        assert!(
            world.ask(client, "MODULE LOAD x").starts_with("(err) ERR MODULE command not allowed.")
        );
        assert!(world.ask(client, "BGREWRITEAOF").starts_with("(err) ERR Can't execute an AOF"));
    }

    #[test]
    fn modules_that_may_be_loaded_do_not_load() {
        let mut world = World::with(1, &[("enable-module-command", "local")]);
        let client = world.open(0);
        assert_eq!(
            world.ask(client, "MODULE LOAD x"),
            "(err) ERR Error loading the extension. Please check the server logs."
        );
        assert_eq!(
            world.ask(client, "MODULE UNLOAD x"),
            "(err) ERR Error unloading module: no such module with that name"
        );
    }
}
