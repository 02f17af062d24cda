//! Everything a core can ask for, beside bytes in session buffers.

use base::{ConnId, Settings};

/// One thing to do after the turn.
#[derive(Debug)]
pub enum Action {
    /// Send these bytes. The buffer comes back by [`crate::Engine::give_spare`] when they are out.
    Send(ConnId, Vec<u8>),
    /// Stop receiving from a connection.
    Pause(ConnId),
    /// Receive from it again.
    Resume(ConnId),
    /// Receive the next bytes of a connection straight behind those in the buffer until there are so
    /// many, then give it back by [`crate::Event::Filled`]. What arrived and was not told of goes there
    /// first. If the connection ends before, the buffer is dropped.
    Fill(ConnId, Vec<u8>, usize),
    /// Close it: at once, or when what is being sent is out.
    Close(ConnId),
    /// Something that needs the process; the answer carries the ticket.
    Control(u64, Request),
    /// All that was due before the end has been handed out.
    Drained,
}

/// What only the process can do.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// End the process: the replies due are sent first unless `now`.
    Shutdown {
        /// Do not wait for anything.
        now: bool,
        /// End even where something speaks against it.
        force: bool,
    },
    /// Take back a shutdown that waits.
    AbortShutdown,
    /// Write the configuration file anew, with these settings.
    RewriteConfig(Box<Settings>),
    /// Apply settings that belong to the process (port, bind, log level, maxclients, …); the
    /// names and new values.
    ApplySettings(Vec<(String, String)>),
    /// End the process abruptly (DEBUG SEGFAULT and its like are not among our commands).
    LogLine(String),
}
