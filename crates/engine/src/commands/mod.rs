//! The commands that are not about data: of the connection, of the server, of the cluster face.
//!
//! Such a command runs at its session. When it needs every core it returns [`Next::Ask`]: the
//! query goes to all cores, the typed answers come back, and `query::merge` writes the reply.
//! When it needs the process it returns [`Next::Control`].

pub mod connection;
pub mod query;

use crate::action::Request;
use crate::core::Core;
use crate::session::Session;
use command::{Args, Failure, Spec};
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
}

impl EngineCommand {
    /// A command without sub-commands.
    pub const fn new(spec: Spec, run: EngineRun) -> EngineCommand {
        EngineCommand { spec, run, subcommands: &[] }
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
    /// Every core is asked; the merged answers are the reply.
    Ask(Query),
    /// The process is asked; its answer is the reply.
    Control(Request),
}

/// Every command of this kind, family by family.
pub fn families() -> impl Iterator<Item = &'static EngineCommand> {
    [connection::COMMANDS].into_iter().flatten()
}
