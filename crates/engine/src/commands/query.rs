//! Questions that every core answers, and how the answers become one reply.

use super::{
    Desk, client, client_list, client_pause, cluster_keys, config, debug, info, latency, memory,
    monitor, scripting, server, slowlog,
};
use crate::core::Core;
use crate::session::Sessions;
use crate::shard::Shard;
use crate::shard::lease::Round;
use base::CoreId;

/// A question to every core.
#[derive(Debug)]
pub enum Query {
    /// Are you there? Changes nothing; for tests and barriers.
    Barrier,
    /// CLIENT LIST.
    Clients(client_list::Filter),
    /// CLIENT KILL.
    Kill(client_list::Kill),
    /// Installs a script that an EVAL has brought.
    InstallScript {
        /// Its source, which has been compiled once.
        source: Vec<u8>,
    },
    /// CLIENT UNBLOCK.
    Unblock {
        /// Whom.
        id: i64,
        /// By an error, not as if its time were over.
        error: bool,
    },
    /// CLIENT PAUSE.
    Pause {
        /// For how long, in microseconds.
        timeout_us: u64,
        /// Everything, not only what may write.
        all: bool,
    },
    /// CLIENT UNPAUSE.
    Unpause,
    /// A core has MONITOR clients from now on, or no longer.
    Watch {
        /// Which core.
        core: CoreId,
        /// Whether it has.
        on: bool,
        /// What the client is answered who brought it about.
        reply: &'static str,
    },
    /// Keys by slot.
    Slot(cluster_keys::SlotQuery),
    /// Figures for these sections of INFO.
    Info(Vec<info::Section>),
    /// Take over these settings.
    Configure(Box<config::Change>),
    /// What all cores use under a new `maxmemory`, in their order, in bytes.
    Share {
        /// The limit that it was asked for.
        limit: u64,
        /// When and where the change was asked for that set it.
        round: Round,
        /// What each uses.
        used: Vec<u64>,
    },
    /// CONFIG RESETSTAT.
    ResetStats,
    /// SLOWLOG and COMMANDLOG.
    CommandLog(slowlog::Question),
    /// LATENCY.
    Latency(latency::Question),
    /// MEMORY.
    Memory(memory::Question),
    /// SCRIPT and FUNCTION.
    Scripts(scripting::Question),
    /// Whether any of these keys exists.
    AnyKey {
        /// In which database.
        db: u8,
        /// The keys.
        keys: Vec<Vec<u8>>,
    },
    /// DEBUG.
    Debug {
        /// The client's database.
        db: u8,
        /// What is to be done.
        task: Box<debug::Task>,
    },
}

impl Query {
    /// Whether it changes what is to be the same on all cores, whoever else asks for a change meanwhile: all hear of such in one order.
    pub fn is_ordered(&self) -> bool {
        match self {
            Query::InstallScript { .. } => true,
            Query::Scripts(question) => question.is_change(),
            _ => false,
        }
    }

    /// Whether it may be answered beside a script that has half done its work.
    pub fn is_harmless(&self) -> bool {
        match self {
            Query::Barrier
            | Query::Clients(_)
            | Query::Info(_)
            | Query::CommandLog(_)
            | Query::Latency(_)
            | Query::Watch { .. } => true,
            Query::Scripts(question) => question.is_about_what_runs(),
            _ => false,
        }
    }
}

/// One core's answer.
#[derive(Debug)]
pub enum Answer {
    /// Done, nothing to report.
    Done,
    /// A number.
    Count(u64),
    /// CLIENT LIST's lines, each with its client's number.
    Clients(Vec<(u64, String)>),
    /// How many clients were killed, and whether the one that asks is to follow.
    Killed {
        /// How many, the one that asks included.
        killed: i64,
        /// Whether it is among them.
        own: bool,
    },
    /// Keys.
    Keys(Vec<Vec<u8>>),
    /// Slots and how many keys each has.
    SlotCounts(Vec<(u16, u64)>),
    /// Figures of one core.
    Report(Box<info::report::CoreReport>),
    /// Entries of SLOWLOG or COMMANDLOG, newest first.
    CommandLog(Vec<slowlog::log::Entry>),
    /// About scripts and libraries.
    Scripts(Box<scripting::Reply>),
    /// Series of LATENCY.
    Spikes(latency::ByEvent),
    /// A text about a key, or the error to answer; none where the key is not.
    Text(Option<Result<String, String>>),
    /// Keys and keys with a time to live.
    Sizes([u64; 2]),
    /// Digests, place by place.
    Digests(Vec<Option<[u8; 20]>>),
    /// `(command, [(nanoseconds, count)])`.
    Histograms(Vec<(u16, Vec<(u64, u64)>)>),
}

impl Answer {
    /// The number that a [`Answer::Count`] holds; 0 for any other.
    pub fn count(&self) -> u64 {
        match self {
            Answer::Count(count) => *count,
            _ => 0,
        }
    }
}

/// What a core answers from.
pub struct Witness<'a> {
    /// The core itself.
    pub core: &'a mut Core,
    /// Its sessions.
    pub sessions: &'a mut Sessions,
    /// Its shard.
    pub shard: &'a mut Shard,
}

/// Answers on one core. Must not depend on which core asks.
pub fn answer(query: &Query, witness: Witness<'_>) -> Answer {
    match query {
        Query::Barrier => Answer::Done,
        Query::Clients(filter) => client_list::answer_list(filter, witness.core, witness.sessions),
        Query::Kill(kill) => client_list::answer_kill(kill, witness.core, witness.sessions),
        Query::InstallScript { source } => {
            // It compiled where it came in; what fails here is for lack of memory, and found when it is run.
            let _ = witness.core.scripts.install(source);
            witness.core.scripts.changes += 1;
            Answer::Done
        }
        Query::Unblock { id, error } => client::answer_unblock(*id, *error, witness),
        Query::Pause { timeout_us, all } => client_pause::begin(witness.core, *timeout_us, *all),
        Query::Unpause => client_pause::end(witness.core),
        Query::Watch { core, on, .. } => monitor::answer_watch(*core, *on, witness.core),
        Query::Slot(query) => cluster_keys::answer(query, witness),
        Query::Info(sections) => info::answer(sections, witness),
        Query::Configure(change) => config::answer(change, witness),
        Query::Share { limit, round, used } => {
            witness.shard.account.settle(*limit, *round, used);
            Answer::Done
        }
        Query::ResetStats => config::answer_reset(witness),
        Query::CommandLog(question) => slowlog::answer(question, witness),
        Query::Latency(question) => latency::answer(question, witness),
        Query::Memory(question) => memory::answer(*question, witness),
        Query::Scripts(question) => scripting::answer(question, witness),
        Query::AnyKey { db, keys } => server::answer_any_key(*db, keys, witness),
        Query::Debug { db, task } => debug::answer(*db, task, witness),
    }
}

/// What all cores are asked next, before the client is answered.
pub fn follow_up(query: &Query, answers: &[Answer]) -> Option<Query> {
    match query {
        Query::Configure(change) => config::follow_up(change, answers),
        Query::Scripts(question) => scripting::follow_up(question, answers),
        _ => None,
    }
}

/// Writes the reply from the answers of all cores, in the order of the cores.
pub fn merge(query: &Query, answers: Vec<Answer>, desk: &mut Desk<'_>) {
    match query {
        Query::Barrier
        | Query::Configure(_)
        | Query::Share { .. }
        | Query::ResetStats
        | Query::Pause { .. }
        | Query::Unpause => desk.reply.ok(),
        Query::Clients(filter) => client_list::merge_list(filter, answers, desk),
        Query::InstallScript { .. } => {}
        Query::Unblock { .. } => {
            desk.reply.integer(answers.iter().map(Answer::count).sum::<u64>() as i64);
        }
        Query::Kill(kill) => client_list::merge_kill(kill, answers, desk),
        Query::Watch { reply, .. } => desk.reply.simple(reply),
        Query::Slot(query) => cluster_keys::merge(query, answers, desk),
        Query::Info(sections) => info::merge(sections, answers, desk),
        Query::CommandLog(question) => slowlog::merge(question, answers, desk),
        Query::Latency(question) => latency::merge(question, answers, desk),
        Query::Memory(question) => memory::merge(*question, answers, desk),
        Query::Scripts(question) => scripting::merge(question, answers, desk),
        Query::AnyKey { .. } => server::merge_any_key(&answers, desk),
        Query::Debug { task, .. } => debug::merge(task, answers, desk),
    }
}
