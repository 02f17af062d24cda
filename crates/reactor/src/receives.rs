//! Input: one multishot receive for each connection that is read.
//!
//! The kernel posts a completion for each piece that comes, until the receive ends by itself (its
//! completion ring or the buffers ran out), by cancellation (`pause`), or with the stream. A receive
//! that found no buffer starts again only after buffers have come back, in `end_turn`: at once it
//! would fail again, and the core would spin.
//!
//! The kernel receives from one socket up to 32 times before it looks at the next one. With all of a
//! large buffer each time, a client that floods fills every buffer alone, everybody else finds none, and
//! the core has megabytes of it to keep. So one receive is capped where the kernel can (since 6.17 a
//! multishot receive may have a length). An older kernel refuses that with EINVAL; then it is left out,
//! and the buffers that exist are the bound.

use crate::buffers::GROUP;
use crate::conn::Phase;
use crate::event::{Closed, Happening, Turn};
use crate::reactor::Reactor;
use crate::token::{Kind, Token};
use base::ConnId;
use io_uring::types::{CancelBuilder, Fd};
use io_uring::{cqueue, opcode};

/// The most bytes of one receive. More than a usual pipeline has, because a request that is cut in two
/// is copied; 32 of these are what a client may deliver at once.
const RECEIVE_BYTES_MAX: u32 = 8 * 1024;

impl Reactor {
    /// Stops reading. Bytes that are on their way are still delivered. Of the peer's end the owner hears by
    /// [`crate::Event::HungUp`].
    pub fn pause(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        if conn.phase != Phase::Open {
            return;
        }
        conn.reading = false;
        self.stop_receive(id);
        self.poll_for_end(id);
    }

    /// Has the kernel say when the peer has ended its side, whatever is unread before that.
    fn poll_for_end(&mut self, id: ConnId) {
        let conn = self.conns.at(id.index);
        if conn.polled || conn.input_over {
            return;
        }
        conn.polled = true;
        conn.operations += 1;
        let poll = opcode::PollAdd::new(Fd(conn.fd), libc::POLLRDHUP as u32).build();
        self.push_plain(poll.user_data(Token::of(Kind::HangUp, id).0));
    }

    /// The poll stays while the connection is read again, and then says what is known or soon will be.
    pub(crate) fn on_hang_up(&mut self, id: ConnId, turn: &mut Turn) {
        let conn = self.conns.at(id.index);
        conn.operations -= 1;
        conn.polled = false;
        if conn.phase == Phase::Open && !conn.reading {
            turn.happenings.push(Happening::HungUp { conn: id });
        }
        self.settle(id.index);
    }

    /// Cancels the receive that is under way, if there is one. What it brings until its last completion
    /// is taken as ever.
    pub(crate) fn stop_receive(&mut self, id: ConnId) {
        let conn = self.conns.at(id.index);
        if !conn.is_receiving() || conn.cancelling {
            return;
        }
        conn.cancelling = true;
        conn.operations += 1;
        let kind = if conn.armed { Kind::Receive } else { Kind::Fill };
        let receive = Token::of(kind, id).0;
        let cancel = opcode::AsyncCancel2::new(CancelBuilder::user_data(receive)).build();
        self.push_plain(cancel.user_data(Token::of(Kind::Cancel, id).0));
    }

    /// Reads again after a [`Self::pause`].
    pub fn resume(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        if conn.phase == Phase::Open {
            conn.reading = true;
            self.arm(id.index);
        }
    }

    /// Starts a receive if one is wanted and none is under way; whether it did.
    pub(crate) fn arm(&mut self, index: u32) -> bool {
        let conn = self.conns.at(index);
        let readable = matches!(conn.phase, Phase::Open | Phase::Lingering);
        let busy = conn.is_receiving() || conn.cancelling || conn.starved || conn.input_over;
        if !conn.reading || busy || !readable {
            return false;
        }
        if conn.filling.is_some() {
            self.arm_fill(index);
            return true;
        }
        conn.armed = true;
        conn.capped = self.caps_receives;
        conn.operations += 1;
        let id = ConnId { index, generation: conn.generation };
        let most = if conn.capped { RECEIVE_BYTES_MAX } else { 0 };
        let receive = opcode::RecvMulti::new(Fd(conn.fd), GROUP).len(most).build();
        self.push_plain(receive.user_data(Token::of(Kind::Receive, id).0));
        true
    }

    pub(crate) fn on_receive(&mut self, id: ConnId, result: i32, flags: u32, turn: &mut Turn) {
        let ended = !cqueue::more(flags);
        let conn = self.conns.at(id.index);
        if ended {
            conn.armed = false;
            conn.operations -= 1;
        }
        if let Some(buffer) = cqueue::buffer_select(flags) {
            let length = result.max(0) as u32;
            let (start, finished) = self.buffers.on_filled(buffer, length, flags);
            if finished {
                turn.finished.push(buffer);
            }
            if length > 0 && conn.phase == Phase::Open {
                self.counters.receives += 1;
                self.counters.received_bytes += u64::from(length);
                let length = length as usize;
                let taken = match &mut conn.filling {
                    None => 0,
                    Some(_) => self.put_into_filling(id, start, length, turn),
                };
                if taken < length {
                    let (start, length) = (start + taken, (length - taken) as u32);
                    turn.happenings.push(Happening::Received { conn: id, start, length });
                }
            }
        }
        let conn = self.conns.at(id.index);
        match -result {
            libc::ENOBUFS => {
                self.counters.buffers_exhausted += 1;
                conn.starved = true;
                self.starved.push_back(id);
            }
            0 => self.on_input_over(id, Closed::ByPeer, turn),
            libc::EINVAL if conn.capped => self.caps_receives = false,
            libc::ECANCELED | libc::EINTR | libc::EAGAIN | i32::MIN..0 => {}
            error => self.on_input_over(id, Closed::Broken(error), turn),
        }
        if ended {
            // Also when it was cancelled: the confirmation of that may have come before.
            if self.arm(id.index) {
                self.counters.rearms += 1;
            }
            self.settle(id.index);
        }
    }

    pub(crate) fn on_input_over(&mut self, id: ConnId, why: Closed, turn: &mut Turn) {
        let conn = self.conns.at(id.index);
        conn.input_over = true;
        conn.filling = None;
        match conn.phase {
            Phase::Open => {
                conn.phase = Phase::Ended;
                turn.happenings.push(Happening::Closed { conn: id, why });
            }
            Phase::Lingering => self.close_now(id.index),
            _ => {}
        }
    }

    pub(crate) fn on_cancelled(&mut self, id: ConnId) {
        let conn = self.conns.at(id.index);
        conn.operations -= 1;
        conn.cancelling = false;
        self.arm(id.index);
        self.settle(id.index);
    }
}
