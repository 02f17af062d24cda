//! The end of a turn: which sessions' output leaves now, and which waits a moment.
//!
//! Replies to requests that were read together should leave in one send: a send costs more than
//! everything else about a request. So output is held back while replies from other cores are
//! due, bounded in bytes and time (performance.md, "What the spike of the hop taught").

use crate::action::Action;
use crate::engine::Engine;
use crate::session::client::Stall;
use base::ConnId;
use std::collections::VecDeque;

/// Output above this leaves though replies are due.
const HOLD_BYTES: usize = 16 * 1024;

/// Output leaves after so many microseconds though replies are due.
const HOLD_US: u64 = 500;

/// Buffers kept for reuse, and what they may take together.
const SPARES_MAX: usize = 256;
const SPARES_BYTES_MAX: usize = 2 * 1024 * 1024;

/// A buffer that grew beyond this is given back to the allocator.
const SPARE_BYTES_MAX: usize = 64 * 1024;

/// A stalled session may collect so many bytes of input before its socket is left alone.
const STALLED_INPUT_BYTES: usize = 64 * 1024;

/// Sessions with output, and buffers to send it in.
#[derive(Debug, Default)]
pub struct Flusher {
    touched: Vec<ConnId>,
    /// Sessions that hold output back, oldest first, with the time at which they stop.
    holding: VecDeque<(u64, ConnId)>,
    spares: Vec<Vec<u8>>,
    spares_bytes: usize,
    /// The process is ending: nothing is held back.
    pub draining: bool,
}

impl Flusher {
    /// When the first held output must leave; monotonic microseconds.
    pub fn next_deadline(&self) -> Option<u64> {
        self.holding.front().map(|(due, _)| *due)
    }

    /// Takes a buffer back for reuse.
    pub fn spare(&mut self, mut buffer: Vec<u8>) {
        let bytes = buffer.capacity();
        let room = self.spares.len() < SPARES_MAX && self.spares_bytes + bytes <= SPARES_BYTES_MAX;
        if room && (1..=SPARE_BYTES_MAX).contains(&bytes) {
            buffer.clear();
            self.spares_bytes += bytes;
            self.spares.push(buffer);
        }
    }

    /// A kept buffer, if there is one.
    #[inline]
    fn take_spare(&mut self) -> Option<Vec<u8>> {
        let buffer = self.spares.pop()?;
        self.spares_bytes -= buffer.capacity();
        Some(buffer)
    }
}

impl Engine {
    /// Has the session looked at when the turn ends.
    #[inline]
    pub(crate) fn touch(&mut self, conn: ConnId) {
        if let Some(session) = self.sessions.get(conn)
            && !session.touched
        {
            session.touched = true;
            self.flusher.touched.push(conn);
            session.out.lend(|| self.flusher.take_spare());
        }
    }

    /// Hands out the output of every session that has some.
    pub(crate) fn flush_touched(&mut self) {
        if self.is_frozen() {
            return;
        }
        let now = self.core.now.mono_us;
        while let Some((due, conn)) = self.flusher.holding.front().copied() {
            if due > now {
                break;
            }
            self.flusher.holding.pop_front();
            if self.sessions.get(conn).is_some_and(|session| session.held_since_us.is_some()) {
                self.touch(conn);
            }
        }
        let mut touched = std::mem::take(&mut self.flusher.touched);
        for conn in touched.drain(..) {
            self.flush(conn, now);
        }
        self.flusher.touched = touched;
    }

    fn flush(&mut self, conn: ConnId, now: u64) {
        let Some(session) = self.sessions.get(conn) else { return };
        session.touched = false;
        self.weigh(conn);
        if self.bound_output(conn) {
            return;
        }
        let Some(session) = self.sessions.get(conn) else { return };
        if session.sending > 0 {
            return;
        }
        if session.out.is_empty() {
            if session.out.capacity() > 0 {
                let (_, empty) = session.out.take();
                self.flusher.spare(empty);
            }
            let Some(session) = self.sessions.get(conn) else { return };
            if session.is_over() {
                self.actions.push(Action::Close(conn));
                self.forget(conn);
            }
            return;
        }
        // Replies are due, or it goes on in the next turn and what it says then may leave with this.
        let waits = session.blocked.is_some();
        let more = (!session.pipeline.is_empty() && !waits) || session.stall == Some(Stall::Share);
        let hold = more && session.out.len() < HOLD_BYTES && !self.flusher.draining;
        if hold {
            match session.held_since_us {
                None => {
                    session.held_since_us = Some(now);
                    self.flusher.holding.push_back((now + HOLD_US, conn));
                    return;
                }
                Some(since) if now < since + HOLD_US => return,
                Some(_) => {}
            }
        }
        session.held_since_us = None;
        let bytes = session.out.len() as u64;
        let (chain, tail) = session.out.take();
        session.bytes_out += bytes;
        self.core.counters.total_net_output_bytes += bytes;
        self.core.counters.total_writes_processed += 1;
        let ends = session.is_over();
        if session.stall == Some(Stall::Output) {
            // What goes out now may be all that was in the way; if the peer is slow it says so before
            // the session's next turn.
            self.runnable.push(conn);
        }
        for piece in chain.into_pieces() {
            self.actions.push(Action::Send(conn, piece));
        }
        if !tail.is_empty() {
            self.actions.push(Action::Send(conn, tail));
        }
        if ends {
            // The reactor closes it when these bytes are out.
            self.drop_client(conn);
        }
    }

    /// The peer reads more slowly than we write: what it is given from now on stays here.
    pub(crate) fn on_stalled(&mut self, conn: ConnId, unsent: usize) {
        if let Some(session) = self.sessions.get(conn) {
            session.sending = unsent.max(1);
        }
    }

    /// Everything that was sent has left.
    pub(crate) fn on_drained(&mut self, conn: ConnId) {
        let Some(session) = self.sessions.get(conn) else { return };
        session.sending = 0;
        if session.stall == Some(Stall::Output) && !session.output_is_high() {
            self.runnable.push(conn);
        }
        self.touch(conn);
    }

    /// Leaves the socket of a stalled session alone while it has much input, and listens to it
    /// again when it has not, or is not stalled: what it has then is the beginning of a large request.
    pub(crate) fn bound_input(&mut self, conn: ConnId) {
        self.weigh(conn);
        let Some(session) = self.sessions.get(conn) else { return };
        let full = session.stall.is_some() && session.input.len() > STALLED_INPUT_BYTES;
        if full && !session.receive_paused {
            session.receive_paused = true;
            session.input.trim();
            self.actions.push(Action::Pause(conn));
        } else if session.receive_paused
            && (session.stall.is_none() || session.input.len() <= STALLED_INPUT_BYTES / 2)
        {
            session.receive_paused = false;
            self.actions.push(Action::Resume(conn));
        }
    }
}
