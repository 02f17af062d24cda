//! What a turn brings: events, and the bytes that belong to them.

use crate::buffers::Region;
use base::ConnId;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::rc::Rc;

/// Why a connection takes or gives no more bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// The peer has ended its side. What was sent to it may still be read by it.
    ByPeer,
    /// The connection is broken; the error number.
    Broken(i32),
}

/// Something that happened. Bytes are borrowed until the turn ends.
#[derive(Debug)]
pub enum Event<'a> {
    /// A listener of this core has a new connection; give it to [`crate::Reactor::adopt`] of this or
    /// another core, or drop it.
    Accepted {
        /// The socket.
        socket: OwnedFd,
        /// Which listener, as [`crate::Reactor::listen`] numbered it.
        listener: usize,
    },
    /// Bytes have come.
    Received {
        /// The connection.
        conn: ConnId,
        /// The bytes, at least one.
        bytes: &'a [u8],
    },
    /// Bytes have come into the destination given to [`crate::Reactor::fill`], which is not full yet.
    Filling {
        /// The connection.
        conn: ConnId,
        /// How many, at least one.
        bytes: usize,
    },
    /// The destination given to [`crate::Reactor::fill`] is full. What comes next is `Received` again.
    Filled {
        /// The connection.
        conn: ConnId,
        /// The destination.
        buffer: Vec<u8>,
    },
    /// No more bytes will come. The connection stays, for output that is due, until it is
    /// given to [`crate::Reactor::close`].
    Closed {
        /// The connection.
        conn: ConnId,
        /// Why.
        why: Closed,
    },
    /// The peer has ended its side of a connection that is paused. What it sent before comes when the connection is resumed,
    /// and `Closed` behind it.
    HungUp {
        /// The connection.
        conn: ConnId,
    },
    /// The peer takes output more slowly than we give it: from now to `Drained` bytes pile up.
    Stalled {
        /// The connection.
        conn: ConnId,
        /// Bytes that were sent to it and have not left.
        unsent: usize,
    },
    /// All output has left, after a `Stalled`.
    Drained {
        /// The connection.
        conn: ConnId,
    },
    /// Another core or the main thread has woken this one: look into the mailbox.
    Woken,
}

impl Event<'_> {
    /// The connection to which it happened, if it is one of the engine's.
    pub fn conn(&self) -> Option<ConnId> {
        match self {
            Event::Received { conn, .. }
            | Event::Filling { conn, .. }
            | Event::Filled { conn, .. }
            | Event::Closed { conn, .. }
            | Event::HungUp { conn }
            | Event::Stalled { conn, .. }
            | Event::Drained { conn } => Some(*conn),
            Event::Accepted { .. } | Event::Woken => None,
        }
    }
}

/// An event as it is stored: no lifetime, no drop.
#[derive(Clone, Copy)]
pub(crate) enum Happening {
    Accepted {
        socket: RawFd,
        listener: u32,
    },
    Received {
        conn: ConnId,
        start: usize,
        length: u32,
    },
    Filling {
        conn: ConnId,
        bytes: usize,
    },
    /// The buffer is that of this number in [`Turn::filled`].
    Filled {
        conn: ConnId,
        number: usize,
    },
    Closed {
        conn: ConnId,
        why: Closed,
    },
    HungUp {
        conn: ConnId,
    },
    Stalled {
        conn: ConnId,
        unsent: usize,
    },
    Drained {
        conn: ConnId,
    },
    Woken,
}

/// The events of one turn. A value beside the reactor, so that the reactor can be used while they are
/// walked. Its buffers go back to the kernel in [`crate::Reactor::end_turn`], which the compiler lets
/// happen only when no bytes are borrowed any more.
pub struct Turn {
    pub(crate) region: Rc<Region>,
    pub(crate) happenings: Vec<Happening>,
    pub(crate) next: usize,
    /// Buffers that the kernel has finished with and that events may refer to.
    pub(crate) finished: Vec<u16>,
    /// Destinations that are full, on their way back to the owner.
    pub(crate) filled: Vec<Vec<u8>>,
}

impl Turn {
    pub(crate) fn new(region: Rc<Region>, events: usize) -> Turn {
        Turn {
            region,
            happenings: Vec::with_capacity(events),
            next: 0,
            finished: Vec::with_capacity(events),
            filled: Vec::new(),
        }
    }

    /// The events not yet walked, each once.
    pub fn events(&mut self) -> Events<'_> {
        Events {
            region: &self.region,
            happenings: &self.happenings,
            next: &mut self.next,
            filled: &mut self.filled,
        }
    }

    /// How many events are not yet walked.
    pub fn len(&self) -> usize {
        self.happenings.len() - self.next
    }

    /// The connections that have sent something in the events not yet walked, each as often as there are such.
    pub fn senders(&self) -> impl Iterator<Item = ConnId> + '_ {
        self.happenings[self.next..].iter().filter_map(|happening| match happening {
            Happening::Received { conn, .. }
            | Happening::Filling { conn, .. }
            | Happening::Filled { conn, .. } => Some(*conn),
            _ => None,
        })
    }

    /// Whether a wake-up is among the events not yet walked.
    pub fn is_woken(&self) -> bool {
        self.happenings[self.next..].iter().any(|happening| matches!(happening, Happening::Woken))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Drop for Turn {
    /// Closes sockets that nobody took.
    fn drop(&mut self) {
        self.events().for_each(drop);
    }
}

/// Walks the events of a turn.
pub struct Events<'a> {
    region: &'a Region,
    happenings: &'a [Happening],
    next: &'a mut usize,
    filled: &'a mut [Vec<u8>],
}

impl<'a> Iterator for Events<'a> {
    type Item = Event<'a>;

    #[inline]
    fn next(&mut self) -> Option<Event<'a>> {
        let happening = self.happenings.get(*self.next)?;
        *self.next += 1;
        Some(match *happening {
            Happening::Received { conn, start, length } => {
                // SAFETY: the kernel reported these bytes as filled, and their buffer goes back in
                // `end_turn` only, which needs the turn that `'a` borrows.
                let bytes = unsafe { self.region.bytes(start, length as usize) };
                Event::Received { conn, bytes }
            }
            Happening::Accepted { socket, listener } => {
                // SAFETY: the kernel gave us this new descriptor, nobody else has it, and `next`
                // passes each event once.
                let socket = unsafe { OwnedFd::from_raw_fd(socket) };
                Event::Accepted { socket, listener: listener as usize }
            }
            Happening::Filling { conn, bytes } => Event::Filling { conn, bytes },
            Happening::Filled { conn, number } => {
                Event::Filled { conn, buffer: std::mem::take(&mut self.filled[number]) }
            }
            Happening::Closed { conn, why } => Event::Closed { conn, why },
            Happening::HungUp { conn } => Event::HungUp { conn },
            Happening::Stalled { conn, unsent } => Event::Stalled { conn, unsent },
            Happening::Drained { conn } => Event::Drained { conn },
            Happening::Woken => Event::Woken,
        })
    }
}
