//! The slab of connections.

use base::ConnId;
use std::collections::VecDeque;
use std::os::fd::RawFd;

/// Where a connection stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The slot is free.
    Vacant,
    /// In use.
    Open,
    /// The owner was told that no more input comes.
    Ended,
    /// To be closed when the output has left.
    Flushing,
    /// Output and our end have left; the peer's end is awaited, so that the kernel has no unread
    /// bytes for which it would reset the connection and take our last bytes from the peer.
    Lingering,
    /// Cancelled; freed with its last completion.
    Closing,
}

/// What the output is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sending {
    /// There is none.
    Idle,
    /// A send that reports only failure: it is done when the completions of its enter are consumed
    /// and it was not among them. The number tells it from later ones.
    Silent(u32),
    /// A send that waits for the peer and reports its end.
    Waiting,
}

/// One connection. Kept small: an idle one costs this and nothing else.
pub(crate) struct Conn {
    pub(crate) fd: RawFd,
    pub(crate) generation: u32,
    /// Completions still to come. The slot is free again when there are none.
    pub(crate) operations: u32,
    pub(crate) phase: Phase,
    pub(crate) sending: Sending,
    /// The owner wants input.
    pub(crate) reading: bool,
    /// A multishot receive is under way.
    pub(crate) armed: bool,
    /// It was told how much to take at a time.
    pub(crate) capped: bool,
    /// Its cancellation is under way.
    pub(crate) cancelling: bool,
    /// The peer has ended its side, or the connection is broken: there is nothing to receive.
    pub(crate) input_over: bool,
    /// A poll for the peer's end is under way.
    pub(crate) polled: bool,
    /// It waits for free buffers in `Reactor::starved`.
    pub(crate) starved: bool,
    /// `Stalled` was reported and `Drained` is due.
    pub(crate) stalled: bool,
    /// Something happens when the silent send is known to be done; the core must not block on it.
    pub(crate) awaited: bool,
    /// Where the next bytes go, while they have a place of their own.
    pub(crate) filling: Option<Box<Filling>>,
    /// What the current send sends, and how much of it has left.
    pub(crate) output: Vec<u8>,
    pub(crate) sent: usize,
    /// What comes after it; present only while there is some.
    pub(crate) backlog: Option<Box<Backlog>>,
}

/// A destination that the owner has handed over (see `fills.rs`).
pub(crate) struct Filling {
    pub(crate) buffer: Vec<u8>,
    /// Full with so many bytes.
    pub(crate) target: usize,
    /// A receive into it is under way: the kernel may write behind its bytes.
    pub(crate) armed: bool,
}

/// Output behind the current send.
#[derive(Default)]
pub(crate) struct Backlog {
    pub(crate) buffers: VecDeque<Vec<u8>>,
    pub(crate) bytes: usize,
}

impl Conn {
    fn vacant() -> Conn {
        Conn {
            fd: -1,
            generation: 0,
            operations: 0,
            phase: Phase::Vacant,
            sending: Sending::Idle,
            reading: false,
            armed: false,
            capped: false,
            cancelling: false,
            input_over: false,
            polled: false,
            starved: false,
            stalled: false,
            awaited: false,
            filling: None,
            output: Vec::new(),
            sent: 0,
            backlog: None,
        }
    }

    /// Whether a receive of either kind is under way.
    #[inline]
    pub(crate) fn is_receiving(&self) -> bool {
        self.armed || self.filling.as_ref().is_some_and(|filling| filling.armed)
    }

    /// Bytes handed over and not known to have left.
    pub(crate) fn unsent(&self) -> usize {
        self.output.len() - self.sent + self.backlog.as_ref().map_or(0, |backlog| backlog.bytes)
    }

    /// Takes the next buffer of the backlog.
    pub(crate) fn next_output(&mut self) -> Option<Vec<u8>> {
        let backlog = self.backlog.as_mut()?;
        let buffer = backlog.buffers.pop_front()?;
        backlog.bytes -= buffer.len();
        if backlog.buffers.is_empty() {
            self.backlog = None;
        }
        Some(buffer)
    }
}

/// All connections of a core, by index.
pub(crate) struct Conns {
    slots: Vec<Conn>,
    vacant: Vec<u32>,
    limit: usize,
}

impl Conns {
    pub(crate) fn new(limit: usize) -> Conns {
        Conns { slots: Vec::new(), vacant: Vec::new(), limit }
    }

    /// How many slots are taken.
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.vacant.len()
    }

    /// Takes a slot for a socket; gives the socket back when there are `limit` already.
    pub(crate) fn open(&mut self, fd: RawFd) -> Option<ConnId> {
        let index = match self.vacant.pop() {
            Some(index) => index,
            None if self.slots.len() < self.limit => {
                self.slots.push(Conn::vacant());
                self.slots.len() as u32 - 1
            }
            None => return None,
        };
        let conn = &mut self.slots[index as usize];
        let generation = conn.generation;
        *conn = Conn { fd, generation, phase: Phase::Open, ..Conn::vacant() };
        Some(ConnId { index, generation })
    }

    /// Frees a slot; later uses of the same index have another generation.
    pub(crate) fn free(&mut self, index: u32) {
        let conn = &mut self.slots[index as usize];
        let generation = conn.generation.wrapping_add(1);
        *conn = Conn { generation, ..Conn::vacant() };
        self.vacant.push(index);
    }

    /// The connection of this name, if it is still there.
    #[inline]
    pub(crate) fn get(&self, id: ConnId) -> Option<&Conn> {
        let conn = self.slots.get(id.index as usize)?;
        (conn.generation == id.generation && conn.phase != Phase::Vacant).then_some(conn)
    }

    /// The connection of this name, if it is still there.
    #[inline]
    pub(crate) fn get_mut(&mut self, id: ConnId) -> Option<&mut Conn> {
        let conn = self.slots.get_mut(id.index as usize)?;
        (conn.generation == id.generation && conn.phase != Phase::Vacant).then_some(conn)
    }

    /// The connection at an index that is known to be taken: an operation of it is under way.
    #[inline]
    pub(crate) fn at(&mut self, index: u32) -> &mut Conn {
        &mut self.slots[index as usize]
    }

    /// Takes the memory that the kernel may hold pointers into away from a connection: what it is sending
    /// and where it receives.
    pub(crate) fn take_memory(&mut self, id: ConnId) -> Option<(Vec<u8>, Option<Box<Filling>>)> {
        self.get_mut(id).map(|conn| (std::mem::take(&mut conn.output), conn.filling.take()))
    }

    /// The names of all connections.
    pub(crate) fn ids(&self) -> impl Iterator<Item = ConnId> + '_ {
        let taken = |(_, conn): &(usize, &Conn)| conn.phase != Phase::Vacant;
        let name = |(index, conn): (usize, &Conn)| ConnId {
            index: index as u32,
            generation: conn.generation,
        };
        self.slots.iter().enumerate().filter(taken).map(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_connection_costs_at_most_128_bytes() {
        assert!(size_of::<Conn>() <= 128, "{} bytes", size_of::<Conn>());
    }

    #[test]
    fn an_index_is_given_out_again_under_another_generation() {
        let mut conns = Conns::new(2);
        let first = conns.open(10).expect("room");
        let second = conns.open(11).expect("room");
        assert_eq!(conns.open(12), None, "the limit");
        conns.free(first.index);
        assert!(conns.get(first).is_none() && conns.get(second).is_some());
        let third = conns.open(13).expect("room");
        assert_eq!(third, ConnId { index: first.index, generation: first.generation + 1 });
        assert_eq!(conns.len(), 2);
        assert_eq!(conns.ids().collect::<Vec<_>>(), [third, second]);
    }
}
