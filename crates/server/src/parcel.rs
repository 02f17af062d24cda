//! What travels in the rings: what engines say to each other, and what the plumbing around them says.

use crate::acceptor::Door;
use crate::office::Admission;
use engine::Message;
use engine::action::Request;
use engine::event::{Control, Peer};
use engine::plumbing::ProcessFigures;
use reactor::Listening;
use std::os::fd::OwnedFd;

/// One message between two participants of the mesh: the cores, and behind them the main thread.
pub enum Parcel {
    /// From engine to engine.
    Message(Message),
    /// From the acceptor to the core that is to have this connection.
    Adopt(OwnedFd, Box<Peer>),
    /// To the acceptor: one connection of the sender is gone.
    Gone,
    /// From a core to the main thread: something that needs the process, with the asker's ticket.
    Request(u64, Request),
    /// From the main thread to a core.
    Control(Control),
    /// From the main thread to core 0: what the kernel says of the process.
    Figures(ProcessFigures),
    /// From the main thread to core 0: who is let in from now on.
    Admission(Admission),
    /// From the main thread to core 0: the common port has moved here.
    Doors(Vec<(Listening, Door)>),
    /// From a core to the main thread: it has ended.
    Ended,
}
