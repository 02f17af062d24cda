//! The commands that are not about data: of the connection, of the server, of the cluster face.
//!
//! Such a command runs at its session. When it needs every core it returns [`Next::Ask`]: the
//! query goes to all cores, the typed answers come back, and `query::merge` writes the reply.
//! When it needs the process it returns [`Next::Control`].

pub mod acl;
pub mod categories;
pub mod client;
pub mod client_list;
pub mod client_pause;
pub mod client_tracking;
pub mod cluster;
pub mod cluster_admin;
pub mod cluster_keys;
pub mod command_info;
pub mod config;
pub mod connection;
pub mod connection_auth;
pub mod debug;
mod help;
pub mod info;
pub mod latency;
pub mod lolwut;
pub mod memory;
pub mod monitor;
pub mod query;
pub mod scripting;
pub mod server;
pub mod slowlog;
pub mod transactions;

use crate::action::Request;
use crate::core::Core;
use crate::session::Session;
use command::{Args, Command, Failure, Spec};
use query::Query;
use resp::write::Writer;

/// A command of the connection or the server.
#[derive(Debug)]
pub struct EngineCommand {
    /// What it is.
    pub spec: Spec,
    /// What it does.
    pub run: EngineRun,
    /// Its sub-commands, for a container.
    pub subcommands: &'static [EngineCommand],
    /// Sub-commands that run on the owner of a key (MEMORY USAGE).
    pub data_subcommands: &'static [Command],
}

impl EngineCommand {
    /// A command without sub-commands.
    pub const fn new(spec: Spec, run: EngineRun) -> EngineCommand {
        EngineCommand { spec, run, subcommands: &[], data_subcommands: &[] }
    }

    /// What a container is made of beside its spec and its sub-commands. The arity of a container
    /// demands a sub-command, so its own function never runs.
    pub const fn container() -> EngineCommand {
        EngineCommand::new(Spec::NEW, |_, _| Err(Failure::SYNTAX))
    }
}

/// The function of such a command: writes its reply and returns [`Next::Done`], or says who else
/// must be asked; on a failure it must have changed and written nothing.
pub type EngineRun = fn(&mut Desk<'_>, &Args<'_>) -> Result<Next, Failure>;

/// What such a command works on: its session, its core, its reply.
pub struct Desk<'a> {
    /// The session it came from.
    pub session: &'a mut Session,
    /// The core it runs on, without sessions and shard.
    pub core: &'a mut Core,
    /// Where the reply goes.
    pub reply: Writer<'a>,
}

/// What happens after such a command has run.
#[derive(Debug)]
pub enum Next {
    /// The reply is written.
    Done,
    /// The reply is written; the connection is closed when it is out.
    Close,
    /// What was queued is executed; that is the reply.
    Exec,
    /// The session waits for so many microseconds (0: for ever); then this is the reply.
    Sleep {
        /// How long.
        timeout_us: u64,
        /// What it is answered in the end, and within MULTI at once.
        reply: &'static [u8],
    },
    /// The reply is written; the session watches nothing any more.
    Unwatch,
    /// Every core is asked; the merged answers are the reply.
    Ask(Query),
    /// The process is asked; its answer is the reply.
    Control(Request),
    /// The process is asked; if it agrees every core is asked, and the merged answers are the
    /// reply; if not, its error is.
    ControlThen(Request, Query),
}

/// Why a command that the configuration must enable is refused: Redis' text.
pub fn not_enabled(command: &str, directive: &str) -> Failure {
    Failure::text(format!(
        "ERR {command} command not allowed. If the {directive} option is set to \"local\", you can \
         run it from a local connection, otherwise you need to set this option in the configuration \
         file, and then restart the server."
    ))
}

/// Every command of this kind, family by family.
pub fn families() -> impl Iterator<Item = &'static EngineCommand> {
    [
        connection::COMMANDS,
        transactions::COMMANDS,
        scripting::COMMANDS,
        client::COMMANDS,
        cluster::COMMANDS,
        monitor::COMMANDS,
        acl::COMMANDS,
        command_info::COMMANDS,
        info::COMMANDS,
        config::COMMANDS,
        slowlog::COMMANDS,
        latency::COMMANDS,
        memory::COMMANDS,
        server::COMMANDS,
        debug::COMMANDS,
        lolwut::COMMANDS,
    ]
    .into_iter()
    .flatten()
}
