//! The end of a connection: flush, end our side, wait for the peer's end, cancel, free.

use crate::conn::{Phase, Sending};
use crate::reactor::Reactor;
use crate::token::{Kind, Token};
use base::ConnId;
use io_uring::types::{CancelBuilder, Fd};
use io_uring::{opcode, squeue};

/// How a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseMode {
    /// When the output has left and the peer has ended too, or the linger bound is over.
    AfterFlush,
    /// At once; output that has not left is dropped.
    Now,
}

impl Reactor {
    /// Ends a connection. Every adopted connection is to be closed once, also after
    /// [`crate::Event::Closed`]; no event of it comes afterwards.
    pub fn close(&mut self, id: ConnId, mode: CloseMode) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        match (conn.phase, mode) {
            (Phase::Closing | Phase::Vacant, _) => {}
            (_, CloseMode::Now) => self.close_now(id.index),
            (Phase::Flushing | Phase::Lingering, CloseMode::AfterFlush) => {}
            (Phase::Open | Phase::Ended, CloseMode::AfterFlush) => {
                let deadline = self.clock.now().mono_us + self.config.linger_us;
                self.closing.push_back((deadline, id));
                if conn.sending == Sending::Idle {
                    self.linger(id.index);
                } else {
                    conn.phase = Phase::Flushing;
                    self.await_silent(id.index);
                }
            }
        }
    }

    /// The output has left: ends our side and waits for the peer to end its own.
    pub(crate) fn linger(&mut self, index: u32) {
        let conn = self.conns.at(index);
        // SAFETY: no pointers; the descriptor is the connection's.
        let outcome = unsafe { libc::shutdown(conn.fd, libc::SHUT_WR) };
        if conn.input_over || outcome != 0 {
            return self.close_now(index);
        }
        conn.phase = Phase::Lingering;
        conn.reading = true;
        let id = ConnId { index, generation: conn.generation };
        self.drop_filling(id);
        self.arm(index);
    }

    pub(crate) fn close_now(&mut self, index: u32) {
        let conn = self.conns.at(index);
        conn.phase = Phase::Closing;
        conn.reading = false;
        conn.backlog = None;
        if conn.operations > 0 {
            conn.operations += 1;
            let id = ConnId { index, generation: conn.generation };
            let all = CancelBuilder::fd(Fd(conn.fd)).all();
            let cancel = opcode::AsyncCancel2::new(all).build();
            self.push_plain(cancel.user_data(Token::of(Kind::Cancel, id).0));
            self.await_silent(index);
        } else {
            self.release(index);
        }
    }

    /// Frees a closing slot when its last operation has completed.
    pub(crate) fn settle(&mut self, index: u32) {
        let conn = self.conns.at(index);
        if conn.phase == Phase::Closing && conn.operations == 0 {
            self.release(index);
        }
    }

    fn release(&mut self, index: u32) {
        let fd = self.conns.at(index).fd;
        let ignored = Token::new(Kind::Ignored, 0, 0).0;
        let close = opcode::Close::new(Fd(fd)).build().user_data(ignored);
        self.push_plain(close.flags(squeue::Flags::SKIP_SUCCESS));
        self.conns.free(index);
        self.counters.connections_closed += 1;
    }

    /// Ends graceful closes that took too long, and starts listeners again whose pause is over.
    pub(crate) fn on_deadlines(&mut self) {
        let now_us = self.clock.now().mono_us;
        while self.closing.front().is_some_and(|(deadline, _)| *deadline <= now_us) {
            let Some((_, id)) = self.closing.pop_front() else { break };
            let phase = self.conns.get(id).map(|conn| conn.phase);
            if let Some(Phase::Flushing | Phase::Lingering) = phase {
                self.counters.lingers_expired += 1;
                self.close_now(id.index);
            }
        }
        self.restart_listeners(now_us);
    }
}
