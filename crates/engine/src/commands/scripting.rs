//! SCRIPT and FUNCTION: what scripts and libraries there are. All cores have the same, so one core answers what
//! there is, and every change goes to all before the client is answered.

mod functions;
mod libraries;

use super::query::{Answer, Query, Witness};
use super::{Desk, EngineCommand, Next, help};
use crate::scripts::{Kill, Running};
use command::{Arg, Args, Arity, Failure, Flags, Group, Spec};
use script::{Sha, texts};
use std::sync::Arc;

pub use libraries::{Change, follow_up};

/// The family's list.
pub const COMMANDS: &[EngineCommand] = &[SCRIPT, functions::FUNCTION];

/// What the sub-commands share.
const BASE: Spec = Spec {
    arity: Arity::exactly(2),
    flags: Flags::NOSCRIPT,
    group: Group::Scripting,
    since: "2.6.0",
    ..Spec::NEW
};

/// Before a sub-command that changes something on all cores.
const CHANGE_TIPS: &[&str] = &["request_policy:all_shards", "response_policy:all_succeeded"];
const ALL_NODES_TIPS: &[&str] = &["request_policy:all_nodes", "response_policy:all_succeeded"];
const KILL_TIPS: &[&str] = &["request_policy:all_shards", "response_policy:one_succeeded"];

/// ASYNC or SYNC, which make no difference: what is freed is small.
const FLUSH_MODE: Arg =
    Arg::one_of("async", &[Arg::word("async", "ASYNC"), Arg::word("sync", "SYNC")]).optional();

/// A container.
pub const SCRIPT: EngineCommand = EngineCommand {
    spec: Spec {
        name: "SCRIPT",
        arity: Arity::at_least(2),
        group: Group::Scripting,
        since: "2.6.0",
        complexity: "Depends on subcommand.",
        categories: &["-@scripting"],
        summary: "A container for commands about Lua scripts.",
        ..Spec::NEW
    },
    subcommands: &[LOAD, EXISTS, FLUSH, KILL, SHOW, DEBUG, HELP],
    ..EngineCommand::container()
};

const LOAD: EngineCommand = EngineCommand::new(
    Spec {
        name: "LOAD",
        arity: Arity::exactly(3),
        flags: Flags::NOSCRIPT.and(Flags::STALE),
        complexity: "O(N) with N being the length in bytes of the script body.",
        summary: "Takes a Lua script in without running it.",
        args: &[Arg::string("script")],
        tips: ALL_NODES_TIPS,
        ..BASE
    },
    load,
);

fn load(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    let source = args.get(2);
    let (sha, _) = desk.core.scripts.interpreter().check(source).map_err(Failure::text)?;
    Ok(Next::Ask(Query::Scripts(Question::Load { source: source.to_vec(), sha })))
}

const EXISTS: EngineCommand = EngineCommand::new(
    Spec {
        name: "EXISTS",
        arity: Arity::at_least(3),
        complexity: "O(N) with N being the number of scripts to check (so checking a single script is an O(1) operation).",
        summary: "Tells which of these scripts the server has.",
        args: &[Arg::string("sha1").multiple()],
        tips: &["request_policy:all_shards", "response_policy:agg_logical_and"],
        ..BASE
    },
    |_, args| {
        Ok(Next::Ask(Query::Scripts(Question::Exist(args.from(2).map(Sha::parse).collect()))))
    },
);

const FLUSH: EngineCommand = EngineCommand::new(
    Spec {
        name: "FLUSH",
        arity: Arity::at_least(2),
        complexity: "O(N) with N being the number of scripts in cache",
        summary: "Forgets all scripts.",
        args: &[FLUSH_MODE.since("6.2.0")],
        tips: ALL_NODES_TIPS,
        history: &[("6.2.0", "Added the `ASYNC` and `SYNC` flushing mode modifiers.")],
        ..BASE
    },
    |_, args| {
        if args.len() > 3 || !is_flush_mode(args) {
            return Err(Failure::new(texts::SCRIPT_FLUSH));
        }
        Ok(Next::Ask(Query::Scripts(Question::Flush)))
    },
);

fn is_flush_mode(args: &Args<'_>) -> bool {
    args.len() < 3 || args.is(2, "SYNC") || args.is(2, "ASYNC")
}

const KILL: EngineCommand = EngineCommand::new(
    Spec {
        name: "KILL",
        flags: Flags::NOSCRIPT.and(Flags::ALLOW_BUSY),
        summary: "Stops the scripts that run, if they have not written.",
        tips: KILL_TIPS,
        ..BASE
    },
    |_, _| Ok(Next::Ask(Query::Scripts(Question::Kill { function: false }))),
);

const SHOW: EngineCommand = EngineCommand::new(
    Spec {
        name: "SHOW",
        arity: Arity::exactly(3),
        flags: Flags::NOSCRIPT.and(Flags::NEWER),
        since: "8.0.0",
        summary: "Returns the source of a script.",
        args: &[Arg::string("sha1")],
        ..BASE
    },
    show,
);

fn show(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    let interpreter = desk.core.scripts.made();
    let source = Sha::parse(args.get(2)).and_then(|sha| interpreter?.source(&sha));
    desk.reply.bulk(source.ok_or(Failure::new(texts::NO_SCRIPT))?);
    Ok(Next::Done)
}

const DEBUG: EngineCommand = EngineCommand::new(
    Spec {
        name: "DEBUG",
        arity: Arity::exactly(3),
        since: "3.2.0",
        summary: "Takes a debug mode for scripts, which run as ever: there is no debugger.",
        args: &[Arg::one_of(
            "mode",
            &[Arg::word("yes", "YES"), Arg::word("sync", "SYNC"), Arg::word("no", "NO")],
        )],
        ..BASE
    },
    debug,
);

fn debug(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    let Desk { session, .. } = &desk;
    if session.tail.is_some() || !session.out.is_empty() || !session.pipeline.is_empty() {
        return Err(Failure::new(texts::SCRIPT_DEBUG_LATE));
    }
    if !(args.is(2, "NO") || args.is(2, "YES") || args.is(2, "SYNC")) {
        return Err(Failure::new(texts::SCRIPT_DEBUG));
    }
    desk.reply.ok();
    Ok(Next::Done)
}

const HELP: EngineCommand = help::command(Spec { since: "5.0.0", ..BASE }, |desk, _| {
    help::write(
        desk,
        "SCRIPT",
        &[
            "DEBUG (YES|SYNC|NO)",
            "    Take a debug mode. There is no debugger: scripts run as ever.",
            "EXISTS <sha1> [<sha1> ...]",
            "    Return which of these scripts the server has.",
            "FLUSH [ASYNC|SYNC]",
            "    Forget all scripts. The modes make no difference.",
            "KILL",
            "    Stop the scripts that run, if they have not written.",
            "LOAD <script>",
            "    Take a script in without running it.",
            "SHOW <sha1>",
            "    Return the source of a script.",
        ],
    )
});

/// What is asked of all cores.
#[derive(Debug)]
pub enum Question {
    /// Take this script in.
    Load {
        /// Its source, which compiles.
        source: Vec<u8>,
        /// Its name.
        sha: Sha,
    },
    /// Which of these do you have? None is what cannot be a name.
    Exist(Vec<Option<Sha>>),
    /// Forget all scripts.
    Flush,
    /// Stop what runs.
    Kill {
        /// A function, not a script.
        function: bool,
    },
    /// What runs?
    Running,
    /// How many changes of scripts and libraries have you made?
    Changes,
    /// The core that decides is asked whether this change of the libraries may be made.
    Propose(Arc<Change>),
    /// It may; all make it.
    Commit(Arc<Change>),
}

impl Question {
    /// Whether it changes what scripts there are. Changes of libraries have an order of their own (`libraries.rs`).
    pub fn is_change(&self) -> bool {
        matches!(self, Question::Load { .. } | Question::Flush)
    }

    /// Whether it is about what runs, and so for a time at which something does.
    pub fn is_about_what_runs(&self) -> bool {
        matches!(self, Question::Kill { .. } | Question::Running)
    }
}

/// One core's answer.
#[derive(Debug)]
pub enum Reply {
    /// Which scripts it has.
    Exist(Vec<bool>),
    /// What came of a kill.
    Kill(Kill),
    /// What runs.
    Running(Option<Running>),
    /// What the core that decides says of a change.
    Verdict(libraries::Verdict),
}

/// Answers on one core.
pub fn answer(question: &Question, witness: Witness<'_>) -> Answer {
    let core = witness.core;
    let reply = match question {
        Question::Load { source, .. } => {
            // It compiled where it was asked for, with the same interpreter.
            let _ = core.scripts.load(source);
            core.scripts.changes += 1;
            return Answer::Done;
        }
        Question::Flush => {
            core.scripts.flush();
            core.scripts.changes += 1;
            return Answer::Done;
        }
        Question::Exist(names) => {
            let interpreter = core.scripts.made();
            let has = |sha: &Sha| interpreter.is_some_and(|interpreter| interpreter.exists(sha));
            Reply::Exist(names.iter().map(|name| name.as_ref().is_some_and(has)).collect())
        }
        Question::Kill { function } => Reply::Kill(core.scripts.kill(*function)),
        Question::Running => Reply::Running(core.scripts.running.clone()),
        Question::Changes => return Answer::Count(core.scripts.changes),
        Question::Propose(change) => match libraries::propose(change, core) {
            Some(verdict) => Reply::Verdict(verdict),
            None => return Answer::Done,
        },
        Question::Commit(change) => {
            libraries::commit(change, core);
            core.scripts.changes += 1;
            return Answer::Done;
        }
    };
    Answer::Scripts(Box::new(reply))
}

fn replies(answers: Vec<Answer>) -> impl Iterator<Item = Reply> {
    answers.into_iter().filter_map(|answer| match answer {
        Answer::Scripts(reply) => Some(*reply),
        _ => None,
    })
}

/// Writes the reply from the answers of all cores.
pub fn merge(question: &Question, answers: Vec<Answer>, desk: &mut Desk<'_>) {
    match question {
        Question::Load { sha, .. } => desk.reply.bulk(&sha.hex()),
        Question::Flush => desk.reply.ok(),
        Question::Exist(names) => {
            let mut all = vec![true; names.len()];
            for reply in replies(answers) {
                let Reply::Exist(some) = reply else { continue };
                all.iter_mut().zip(some).for_each(|(all, one)| *all &= one);
            }
            desk.reply.array(all.len());
            all.into_iter().for_each(|one| desk.reply.integer(i64::from(one)));
        }
        Question::Kill { function } => merge_kill(*function, answers, desk),
        Question::Running => {
            let running = replies(answers).find_map(|reply| match reply {
                Reply::Running(running) => running,
                _ => None,
            });
            match running {
                Some(running) if !running.is_function => desk.reply.error(texts::BUSY_SCRIPT),
                running => functions::write_stats(running.as_ref(), desk),
            }
        }
        Question::Propose(_) => {
            for reply in replies(answers) {
                if let Reply::Verdict(libraries::Verdict::Refused(text)) = reply {
                    return desk.reply.error(text);
                }
            }
        }
        Question::Commit(change) => libraries::write_done(change, desk),
        Question::Changes => unreachable!("asked within a transaction, and answered to nobody"),
    }
}

fn merge_kill(function: bool, answers: Vec<Answer>, desk: &mut Desk<'_>) {
    let kills = replies(answers).filter_map(|reply| match reply {
        Reply::Kill(kill) => Some(kill),
        _ => None,
    });
    match kills.max().unwrap_or(Kill::Idle) {
        Kill::Killed => desk.reply.ok(),
        Kill::Unkillable => desk.reply.error(texts::UNKILLABLE),
        Kill::Other if function => desk.reply.error(texts::BUSY_SCRIPT),
        Kill::Other => desk.reply.error(texts::BUSY_FUNCTION),
        Kill::Idle => desk.reply.error(texts::NOT_BUSY),
    }
}

#[cfg(test)]
mod tests;
