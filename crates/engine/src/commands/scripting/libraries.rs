//! Changes of the libraries. Two that contradict each other may be asked for at once, on two cores, and all cores
//! must end the same: so one core decides. A change is proposed to it; it says no, or remembers that this change is
//! under way and refuses none but puts off every other until all cores have made it.

use super::{Answer, Desk, Query, Question, Reply};
use crate::core::Core;
use base::CoreId;
use resp::{Protocol, Writer};
use script::{Abandon, Host, LogLevel, Policy, Prepared, Stop, texts};
use std::sync::Arc;

/// The core that decides.
const DECIDER: CoreId = CoreId(0);

/// Breaths of Lua, 10,000 instructions each, that a library's body may take: some tenths of a second. It is not a
/// time, so that all cores come to the same end.
const LOAD_BREATHS_MAX: u32 = 2_000;

/// A change of the libraries, and the client who asks for it.
#[derive(Debug)]
pub struct Change {
    /// The client's number.
    pub client: u64,
    /// What is to be changed.
    pub task: Task,
}

/// What is to be changed.
#[derive(Debug)]
pub enum Task {
    /// FUNCTION LOAD.
    Load {
        /// The library.
        source: Vec<u8>,
        /// In place of the one of its name.
        replace: bool,
    },
    /// FUNCTION RESTORE.
    Restore {
        /// The libraries.
        sources: Vec<Vec<u8>>,
        /// What becomes of those that are there.
        policy: Policy,
    },
    /// FUNCTION DELETE.
    Delete(Vec<u8>),
    /// FUNCTION FLUSH.
    Flush,
}

/// What the core that decides says.
#[derive(Debug)]
pub enum Verdict {
    /// Another change is under way.
    Busy,
    /// No, with this error.
    Refused(Vec<u8>),
    /// All may make it.
    Granted,
}

/// What a library's body may do while it is loaded: write to the log.
struct Loading {
    breaths: u32,
    /// The line is written once, not by each core.
    logs: bool,
}

impl Host for Loading {
    fn call(
        &mut self,
        _args: &[&[u8]],
        protocol: Protocol,
        reply: &mut Vec<u8>,
    ) -> Result<(), Abandon> {
        Writer::new(reply, protocol).error(texts::NOT_ALLOWED);
        Ok(())
    }

    fn breathe(&mut self) -> Result<(), Stop> {
        self.breaths += 1;
        if self.breaths > LOAD_BREATHS_MAX { Err(Stop::Abandon) } else { Ok(()) }
    }

    fn log(&mut self, level: LogLevel, text: &[u8]) {
        let text = String::from_utf8_lossy(text);
        match level {
            _ if !self.logs => {}
            LogLevel::Debug | LogLevel::Verbose => tracing::debug!("{text}"),
            LogLevel::Notice => tracing::info!("{text}"),
            LogLevel::Warning => tracing::warn!("{text}"),
        }
    }

    fn may_run(&mut self, _args: &[&[u8]]) -> Option<bool> {
        None
    }
}

fn prepare(source: &[u8], core: &mut Core, logs: bool) -> Result<Prepared, Vec<u8>> {
    let mut host = Loading { breaths: 0, logs };
    let prepared = core.scripts.interpreter().prepare(source, &mut host);
    match host.breaths > LOAD_BREATHS_MAX {
        true => Err(texts::LOAD_TIMEOUT.into()),
        false => prepared,
    }
}

fn prepare_all(sources: &[Vec<u8>], core: &mut Core, logs: bool) -> Result<Vec<Prepared>, Vec<u8>> {
    sources.iter().map(|source| prepare(source, core, logs)).collect()
}

/// Decides, on the core that does; gives nothing on any other.
pub(super) fn propose(change: &Change, core: &mut Core) -> Option<Verdict> {
    if core.id != DECIDER {
        return None;
    }
    if core.scripts.changer.is_some() {
        return Some(Verdict::Busy);
    }
    let refused = match &change.task {
        Task::Load { source, replace } => (core.scripts.interpreter().may_load(source, *replace))
            .and_then(|()| prepare(source, core, true))
            .and_then(|prepared| core.scripts.interpreter().may_install(&prepared, *replace)),
        Task::Restore { sources, policy } => prepare_all(sources, core, true)
            .and_then(|prepared| core.scripts.interpreter().may_restore(&prepared, *policy)),
        Task::Delete(name) => {
            let is_it = |library: &script::Library| library.name == *name;
            match core.scripts.made().is_some_and(|made| made.libraries().any(is_it)) {
                true => Ok(()),
                false => Err(texts::NO_LIBRARY.into()),
            }
        }
        Task::Flush => Ok(()),
    };
    Some(match refused {
        Err(text) => Verdict::Refused(text),
        Ok(()) => {
            core.scripts.changer = Some(change.client);
            Verdict::Granted
        }
    })
}

/// Makes a change that was granted: it succeeds here because it would have there.
pub(super) fn commit(change: &Change, core: &mut Core) {
    let made = match &change.task {
        Task::Load { source, replace } => prepare(source, core, false)
            .and_then(|prepared| core.scripts.interpreter().install(prepared, *replace).map(drop)),
        Task::Restore { sources, policy } => prepare_all(sources, core, false)
            .and_then(|prepared| core.scripts.interpreter().restore(prepared, *policy)),
        Task::Delete(name) => {
            core.scripts.interpreter().delete_library(name);
            Ok(())
        }
        Task::Flush => {
            if core.scripts.is_made() {
                core.scripts.interpreter().flush_libraries();
            }
            Ok(())
        }
    };
    if let Err(text) = made {
        let text = String::from_utf8_lossy(&text);
        tracing::error!("a library that was accepted cannot be installed on this core: {text}");
    }
    if core.scripts.changer == Some(change.client) {
        core.scripts.changer = None;
    }
}

/// What is asked after a proposal: all make the change, or it is proposed again.
pub fn follow_up(question: &Question, answers: &[Answer]) -> Option<Query> {
    let Question::Propose(change) = question else { return None };
    let verdict = answers.iter().find_map(|answer| match answer {
        Answer::Scripts(reply) => match &**reply {
            Reply::Verdict(verdict) => Some(verdict),
            _ => None,
        },
        _ => None,
    })?;
    match verdict {
        Verdict::Refused(_) => None,
        Verdict::Busy => Some(Query::Scripts(Question::Propose(Arc::clone(change)))),
        Verdict::Granted => Some(Query::Scripts(Question::Commit(Arc::clone(change)))),
    }
}

/// What the client is told when all cores have made its change.
pub(super) fn write_done(change: &Change, desk: &mut Desk<'_>) {
    match &change.task {
        Task::Load { source, .. } => match script::shebang::of_library(source) {
            Ok((name, _)) => desk.reply.bulk(&name),
            Err(text) => desk.reply.error(text),
        },
        _ => desk.reply.ok(),
    }
}
