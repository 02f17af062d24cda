//! Everything that can happen to a core.

use crate::message::Message;
use base::{ConnId, CoreId};

/// One thing that happened. Bytes are borrowed until the end of the turn.
#[derive(Debug)]
pub enum Event<'a> {
    /// A connection was given to this core.
    Opened(ConnId, Box<Peer>),
    /// Bytes arrived.
    Received(ConnId, &'a [u8]),
    /// So many bytes arrived in the buffer of [`crate::Action::Fill`], which is not full yet.
    Filling(ConnId, usize),
    /// That buffer, full.
    Filled(ConnId, Vec<u8>),
    /// The peer takes output more slowly than it is given: so many bytes have not left. Until
    /// [`Event::Drained`] nothing more is sent to it.
    Stalled(ConnId, usize),
    /// All output has left, after a [`Event::Stalled`].
    Drained(ConnId),
    /// Nothing more will come: the other side ended it, or it failed. The engine answers with
    /// [`crate::Action::Close`], at once or when the replies due are out.
    Closed(ConnId),
    /// The other side has ended a connection that [`crate::Action::Pause`] has this core not receive: what it sent before, and
    /// [`Event::Closed`], come when it is received again.
    HungUp(ConnId),
    /// Another core said something.
    Message(CoreId, Message),
    /// The process answers [`crate::Action::Control`], or says something by itself.
    Control(Control),
}

/// Who is at the other end of a new connection.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The process-wide number of the connection; grows with time.
    pub client_id: u64,
    /// The other side, as CLIENT LIST shows it: `ip:port`, or `path:0` for a UNIX socket.
    pub address: String,
    /// Our side, as CLIENT LIST shows it.
    pub local_address: String,
    /// Whether it came from this machine: a loopback address or a UNIX socket.
    pub is_local: bool,
    /// Whether it came by a UNIX socket.
    pub is_unix: bool,
    /// Whether it came in by a core port: the cluster face.
    pub cluster_face: bool,
    /// Why it must be turned away at once with this error, if so.
    pub refuse: Option<&'static str>,
}

impl Peer {
    /// A client of the common port on this machine whose addresses nobody will ask for.
    pub fn nameless(client_id: u64) -> Peer {
        Peer {
            client_id,
            address: String::new(),
            local_address: String::new(),
            is_local: true,
            is_unix: false,
            cluster_face: false,
            refuse: None,
        }
    }
}

/// What the process says to a core.
#[derive(Debug)]
pub enum Control {
    /// The answer to a request by ticket: what to reply.
    Answer(u64, Result<String, String>),
    /// The process wants to end: flush what is due and say so by [`crate::Action::Drained`].
    Drain,
}
