//! FUNCTION: libraries of functions.

use super::libraries::{Change, Task};
use super::{
    BASE, CHANGE_TIPS, Desk, EngineCommand, FLUSH_MODE, KILL_TIPS, Next, Query, Question, help,
    is_flush_mode,
};
use crate::scripts::Running;
use command::{Arg, ArgKind, Args, Arity, Failure, Flags, Group, Spec};
use resp::glob;
use script::{Library, Policy, payload, texts};
use std::sync::Arc;

/// What the sub-commands of FUNCTION share.
const FUNCTIONS: Spec = Spec { since: "7.0.0", ..BASE };

/// Those that change something.
const CHANGING: Spec =
    Spec { flags: Flags::WRITE.and(Flags::NOSCRIPT), tips: CHANGE_TIPS, ..FUNCTIONS };

/// A container.
pub const FUNCTION: EngineCommand = EngineCommand {
    spec: Spec {
        name: "FUNCTION",
        arity: Arity::at_least(2),
        group: Group::Scripting,
        since: "7.0.0",
        complexity: "Depends on subcommand.",
        categories: &["-@scripting"],
        summary: "A container for commands about libraries of functions.",
        ..Spec::NEW
    },
    subcommands: &[LOAD, LIST, DELETE, DUMP, RESTORE, FLUSH, STATS, KILL, HELP],
    ..EngineCommand::container()
};

fn change(desk: &Desk<'_>, task: Task) -> Result<Next, Failure> {
    let change = Change { client: desk.session.peer.client_id, task };
    Ok(Next::Ask(Query::Scripts(Question::Propose(Arc::new(change)))))
}

const LOAD: EngineCommand = EngineCommand::new(
    Spec {
        name: "LOAD",
        arity: Arity::at_least(3),
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::NOSCRIPT),
        complexity: "O(1) (considering compilation time is redundant)",
        summary: "Takes a library of functions in.",
        args: &[Arg::word("replace", "REPLACE").optional(), Arg::string("function-code")],
        ..CHANGING
    },
    load,
);

fn load(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    let last = args.len() - 1;
    if let Some(other) = (2..last).find(|at| !args.is(*at, "REPLACE")) {
        return Err(Failure::quoting("ERR Unknown option given: ", args.get(other), ""));
    }
    change(desk, Task::Load { source: args.get(last).to_vec(), replace: last > 2 })
}

const LIST: EngineCommand = EngineCommand::new(
    Spec {
        name: "LIST",
        arity: Arity::at_least(2),
        complexity: "O(N) where N is the number of functions",
        summary: "Lists libraries with their functions.",
        args: &[
            Arg::string("library-name-pattern").token("LIBRARYNAME").optional(),
            Arg::new("withcode", ArgKind::PureToken).token("WITHCODE").optional(),
        ],
        tips: &["nondeterministic_output_order"],
        ..FUNCTIONS
    },
    list,
);

fn list(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    let (mut with_code, mut pattern, mut at) = (false, None, 2);
    while at < args.len() {
        if !with_code && args.is(at, "WITHCODE") {
            with_code = true;
        } else if pattern.is_none() && args.is(at, "LIBRARYNAME") {
            at += 1;
            let name = args.try_get(at).ok_or(Failure::new(texts::NO_LIBRARY_NAME))?;
            pattern = Some(name);
        } else {
            return Err(Failure::quoting("ERR Unknown argument ", args.get(at), ""));
        }
        at += 1;
    }
    let libraries = desk.core.scripts.made().into_iter().flat_map(|made| made.libraries());
    let fits = |library: &&Library| {
        pattern.is_none_or(|pattern| glob::matches_nocase(pattern, &library.name))
    };
    let libraries: Vec<&Library> = libraries.filter(fits).collect();
    desk.reply.array(libraries.len());
    for library in libraries {
        desk.reply.map(3 + usize::from(with_code));
        desk.reply.bulk(b"library_name");
        desk.reply.bulk(&library.name);
        desk.reply.bulk(b"engine");
        desk.reply.bulk(b"LUA");
        desk.reply.bulk(b"functions");
        desk.reply.array(library.functions.len());
        for function in &library.functions {
            desk.reply.map(3);
            desk.reply.bulk(b"name");
            desk.reply.bulk(&function.name);
            desk.reply.bulk(b"description");
            match &function.description {
                Some(description) => desk.reply.bulk(description),
                None => desk.reply.null(),
            }
            desk.reply.bulk(b"flags");
            desk.reply.set(function.flags.names().count());
            function.flags.names().for_each(|flag| desk.reply.simple(flag));
        }
        if with_code {
            desk.reply.bulk(b"library_code");
            desk.reply.bulk(&library.code);
        }
    }
    Ok(Next::Done)
}

const DELETE: EngineCommand = EngineCommand::new(
    Spec {
        name: "DELETE",
        arity: Arity::exactly(3),
        summary: "Forgets a library.",
        args: &[Arg::string("library-name")],
        ..CHANGING
    },
    |desk, args| change(desk, Task::Delete(args.get(2).to_vec())),
);

const DUMP: EngineCommand = EngineCommand::new(
    Spec {
        name: "DUMP",
        complexity: "O(N) where N is the number of functions",
        summary: "Returns all libraries as bytes that FUNCTION RESTORE takes.",
        ..FUNCTIONS
    },
    |desk, _| {
        let libraries = desk.core.scripts.made().into_iter().flat_map(|made| made.libraries());
        let bytes = payload::dump(libraries.map(|library| &library.code[..]), rdb::checksum);
        desk.reply.bulk(&bytes);
        Ok(Next::Done)
    },
);

const RESTORE: EngineCommand = EngineCommand::new(
    Spec {
        name: "RESTORE",
        arity: Arity::at_least(3),
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::NOSCRIPT),
        complexity: "O(N) where N is the number of functions on the payload",
        summary: "Takes in the libraries of a FUNCTION DUMP.",
        args: &[
            Arg::string("serialized-value"),
            Arg::one_of(
                "policy",
                &[
                    Arg::word("flush", "FLUSH"),
                    Arg::word("append", "APPEND"),
                    Arg::word("replace", "REPLACE"),
                ],
            )
            .optional(),
        ],
        ..CHANGING
    },
    restore,
);

fn restore(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    if args.len() > 4 {
        return Err(help::unknown("FUNCTION", args));
    }
    let policy = match () {
        _ if args.len() == 3 || args.is(3, "APPEND") => Policy::Append,
        _ if args.is(3, "REPLACE") => Policy::Replace,
        _ if args.is(3, "FLUSH") => Policy::Flush,
        _ => return Err(Failure::new(texts::RESTORE_POLICY)),
    };
    let sources = payload::restore(args.get(2), rdb::checksum, rdb::decompress)
        .map_err(|text| Failure::text(text.to_vec()))?;
    change(desk, Task::Restore { sources, policy })
}

const FLUSH: EngineCommand = EngineCommand::new(
    Spec {
        name: "FLUSH",
        arity: Arity::at_least(2),
        complexity: "O(N) where N is the number of functions deleted",
        summary: "Forgets all libraries.",
        args: &[FLUSH_MODE],
        ..CHANGING
    },
    |desk, args| {
        if args.len() > 3 {
            return Err(help::unknown("FUNCTION", args));
        }
        if !is_flush_mode(args) {
            return Err(Failure::new(texts::FUNCTION_FLUSH));
        }
        change(desk, Task::Flush)
    },
);

const STATS: EngineCommand = EngineCommand::new(
    Spec {
        name: "STATS",
        flags: Flags::NOSCRIPT.and(Flags::ALLOW_BUSY),
        summary: "Tells which function runs, and how many libraries and functions there are.",
        tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
        ..FUNCTIONS
    },
    |_, _| Ok(Next::Ask(Query::Scripts(Question::Running))),
);

/// The reply of FUNCTION STATS.
pub(super) fn write_stats(running: Option<&Running>, desk: &mut Desk<'_>) {
    let figures = desk.core.scripts.figures();
    let reply = &mut desk.reply;
    reply.map(2);
    reply.bulk(b"running_script");
    match running {
        Some(running) => {
            reply.map(3);
            reply.bulk(b"name");
            reply.bulk(&running.name);
            reply.bulk(b"command");
            reply.array(running.words.len());
            running.words.iter().for_each(|word| reply.bulk(word));
            reply.bulk(b"duration_ms");
            reply.integer(running.duration_ms(desk.core.now) as i64);
        }
        None => reply.null(),
    }
    reply.bulk(b"engines");
    reply.map(1);
    reply.bulk(b"LUA");
    reply.map(2);
    reply.bulk(b"libraries_count");
    reply.integer(figures.libraries as i64);
    reply.bulk(b"functions_count");
    reply.integer(figures.functions as i64);
}

const KILL: EngineCommand = EngineCommand::new(
    Spec {
        name: "KILL",
        flags: Flags::NOSCRIPT.and(Flags::ALLOW_BUSY),
        summary: "Stops the functions that run, if they have not written.",
        tips: KILL_TIPS,
        ..FUNCTIONS
    },
    |_, _| Ok(Next::Ask(Query::Scripts(Question::Kill { function: true }))),
);

const HELP: EngineCommand = help::command(FUNCTIONS, |desk, _| {
    help::write(
        desk,
        "FUNCTION",
        &[
            "LOAD [REPLACE] <FUNCTION CODE>",
            "    Take a library in, whose name stands in its first line.",
            "DELETE <LIBRARY NAME>",
            "    Forget a library.",
            "LIST [LIBRARYNAME PATTERN] [WITHCODE]",
            "    Return each library's name, engine, functions and, if asked for, code.",
            "STATS",
            "    Return the function that runs, or nil, and how many libraries and functions",
            "    there are.",
            "KILL",
            "    Stop the functions that run, if they have not written.",
            "FLUSH [ASYNC|SYNC]",
            "    Forget all libraries. The modes make no difference.",
            "DUMP",
            "    Return all libraries as bytes that FUNCTION RESTORE takes.",
            "RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]",
            "    Take libraries in. Those that are there go (FLUSH), stay (APPEND, the default:",
            "    one of the same name is an error), or give way by name (REPLACE).",
        ],
    )
});
