//! Output: one send at a time for each connection, silent when it succeeds.
//!
//! A reply nearly always fits into the socket's buffer. So a send is first submitted with MSG_DONTWAIT,
//! MSG_WAITALL and CQE_SKIP_SUCCESS: the kernel performs it within the enter, and posts a completion only if
//! it could not take every byte. The completion ring then holds nothing but input: a reply costs no
//! completion, and does not end the sleep of the very enter that sent it, as an ordinary send's completion
//! would do each time. The price is that success must be inferred: a silent send is done when all
//! completions that were there when its enter returned have been looked at and its own was not among
//! them. Only then is its buffer used again. A send that failed for want of space is submitted again as
//! one that waits, from where it stopped. A kernel that does not behave so (tried at boot) gets ordinary
//! sends, which report.

use crate::conn::{Phase, Sending};
use crate::event::{Closed, Happening, Turn};
use crate::reactor::Reactor;
use crate::ring::Ring;
use crate::token::{Kind, Token};
use base::ConnId;
use io_uring::types::Fd;
use io_uring::{opcode, squeue};
use std::collections::VecDeque;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

/// Finished buffers kept for reuse.
const SPARES_MAX: usize = 1024;

/// A finished buffer larger than this is freed instead of kept.
const SPARE_BYTES_MAX: usize = 64 * 1024;

/// What all kept buffers may take together.
const SPARES_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The most bytes of one operation; the kernel takes less than 2 GiB at a time.
const OPERATION_BYTES_MAX: usize = 1 << 30;

/// How a silent send is sent: whole and at once, or it fails.
const SILENT: i32 = libc::MSG_NOSIGNAL | libc::MSG_WAITALL | libc::MSG_DONTWAIT;

/// Silent sends under way, in the order of submission.
#[derive(Default)]
pub(crate) struct Silents {
    sends: VecDeque<(u32, u32)>,
    /// How many of them are known to be done when how many completions are consumed.
    marks: VecDeque<(u64, usize)>,
    unmarked: usize,
    serial: u32,
}

impl Silents {
    /// Notes a silent send of the connection at `index`; its number.
    fn push(&mut self, index: u32) -> u32 {
        self.serial = self.serial.wrapping_add(1);
        self.sends.push_back((index, self.serial));
        self.unmarked += 1;
        self.serial
    }

    /// Everything pushed was submitted, and `completions` have been posted so far.
    pub(crate) fn mark(&mut self, completions: u64) {
        if self.unmarked > 0 {
            self.marks.push_back((completions, self.unmarked));
            self.unmarked = 0;
        }
    }

    /// How many are decided when `consumed` completions have been looked at.
    fn decided(&mut self, consumed: u64) -> usize {
        let mut count = 0;
        while let Some((at, sends)) = self.marks.front()
            && *at <= consumed
        {
            count += sends;
            self.marks.pop_front();
        }
        count
    }
}

/// Tries on a full socket whether a silent send that does not take every byte says so, which everything
/// above rests on, and on an empty one whether a whole one is silent. For the boot, on a new ring.
pub(crate) fn short_sends_report(ring: &mut Ring) -> io::Result<bool> {
    let (one, _peer) = UnixStream::pair()?;
    let bytes = vec![0; 4 << 20];
    let mut posted = Vec::new();
    for length in [1, bytes.len(), bytes.len()] {
        let send = opcode::Send::new(Fd(one.as_raw_fd()), bytes.as_ptr(), length as u32);
        let silent = send.flags(SILENT).build().flags(squeue::Flags::SKIP_SUCCESS);
        // SAFETY: `bytes` lives to the end of this function, and a send that must not wait is over when
        // its enter has returned.
        unsafe { ring.push(silent) };
        ring.enter(None)?;
        let mut space = [const { MaybeUninit::uninit() }; 4];
        posted.push(ring.take(&mut space).iter().map(|cqe| cqe.result()).collect::<Vec<_>>());
    }
    let short = |results: &[i32]| matches!(results, [sent] if (1..4 << 20).contains(sent));
    Ok(posted[0].is_empty() && short(&posted[1]) && posted[2] == [-libc::EAGAIN])
}

impl Reactor {
    /// Sends a buffer after all that was sent before; it leaves with the next [`Self::wait`]. Returns how
    /// many bytes wait behind an earlier send that is not known to be done: 0 in the steady state. Dropped
    /// when the connection is closed or closing. A second call in the same turn costs an
    /// additional turn, so gather output first.
    pub fn send(&mut self, id: ConnId, buffer: Vec<u8>) -> usize {
        let Some(conn) = self.conns.get_mut(id) else { return 0 };
        let usable = matches!(conn.phase, Phase::Open | Phase::Ended);
        if buffer.is_empty() || !usable {
            self.keep_spare(buffer);
            return 0;
        }
        self.counters.sent_bytes += buffer.len() as u64;
        if conn.sending == Sending::Idle {
            self.start_send(id.index, buffer);
            return 0;
        }
        let backlog = conn.backlog.get_or_insert_default();
        backlog.bytes += buffer.len();
        backlog.buffers.push_back(buffer);
        let waiting = backlog.bytes;
        self.await_silent(id.index);
        waiting
    }

    /// Bytes handed over for a connection that are not known to have left.
    pub fn unsent(&self, id: ConnId) -> usize {
        self.conns.get(id).map_or(0, |conn| conn.unsent())
    }

    /// An empty buffer, with the capacity of one that was sent if there is one.
    #[inline]
    pub fn take_spare(&mut self) -> Vec<u8> {
        let buffer = self.spares.pop().unwrap_or_default();
        self.spares_bytes -= buffer.capacity();
        buffer
    }

    /// Keeps a buffer for [`Self::take_spare`].
    #[inline]
    pub fn keep_spare(&mut self, mut buffer: Vec<u8>) {
        let bytes = buffer.capacity();
        let worthwhile = (1..=SPARE_BYTES_MAX).contains(&bytes);
        let room = self.spares.len() < SPARES_MAX && self.spares_bytes + bytes <= SPARES_BYTES_MAX;
        if worthwhile && room {
            buffer.clear();
            self.spares_bytes += bytes;
            self.spares.push(buffer);
        }
    }

    fn start_send(&mut self, index: u32, buffer: Vec<u8>) {
        let conn = self.conns.at(index);
        conn.output = buffer;
        conn.sent = 0;
        if self.sends_report || conn.output.len() > OPERATION_BYTES_MAX {
            return self.submit_send(index, false);
        }
        conn.sending = Sending::Silent(self.silents.push(index));
        self.submit_send(index, true);
        self.await_silent(index);
    }

    /// Submits what is left of the current output.
    fn submit_send(&mut self, index: u32, silent: bool) {
        self.counters.sends += 1;
        let conn = self.conns.at(index);
        conn.operations += 1;
        let rest = &conn.output[conn.sent..];
        let length = rest.len().min(OPERATION_BYTES_MAX) as u32;
        let send = opcode::Send::new(Fd(conn.fd), rest.as_ptr(), length);
        let id = ConnId { index, generation: conn.generation };
        let entry = if silent {
            send.flags(SILENT)
                .build()
                .user_data(Token::of(Kind::SendNow, id).0)
                .flags(squeue::Flags::SKIP_SUCCESS)
        } else {
            conn.sending = Sending::Waiting;
            let send = send.flags(libc::MSG_NOSIGNAL).build();
            send.user_data(Token::of(Kind::SendWait, id).0)
        };
        // SAFETY: the bytes are `conn.output`'s, which is neither changed nor freed while
        // `conn.sending` is not idle: `operations` keeps the slot, and a moved `Vec` (when the slab
        // grows) leaves its heap memory where it is.
        unsafe { self.ring.push(entry) };
    }

    /// Keeps the core from blocking if something hangs on the silent send of this connection.
    pub(crate) fn await_silent(&mut self, index: u32) {
        let conn = self.conns.at(index);
        let hangs =
            conn.backlog.is_some() || matches!(conn.phase, Phase::Flushing | Phase::Closing);
        if matches!(conn.sending, Sending::Silent(_)) && hangs && !conn.awaited {
            conn.awaited = true;
            self.awaited += 1;
        }
    }

    fn silent_is_decided(&mut self, index: u32) {
        let conn = self.conns.at(index);
        if std::mem::take(&mut conn.awaited) {
            self.awaited -= 1;
        }
    }

    /// Finishes silent sends whose enter's completions have all been looked at.
    pub(crate) fn confirm_silent_sends(&mut self, turn: &mut Turn) {
        for _ in 0..self.silents.decided(self.consumed) {
            let Some((index, serial)) = self.silents.sends.pop_front() else { break };
            let conn = self.conns.at(index);
            if conn.sending == Sending::Silent(serial) {
                conn.operations -= 1;
                self.silent_is_decided(index);
                self.on_output_left(index, turn);
            }
        }
    }

    /// The current output has left: goes on with the next one, or with what waited for the end.
    fn on_output_left(&mut self, index: u32, turn: &mut Turn) {
        let conn = self.conns.at(index);
        conn.sending = Sending::Idle;
        conn.sent = 0;
        let output = std::mem::take(&mut conn.output);
        let id = ConnId { index, generation: conn.generation };
        if conn.phase == Phase::Closing {
            self.settle(index);
        } else if let Some(next) = conn.next_output() {
            self.start_send(index, next);
        } else {
            let drained = std::mem::take(&mut conn.stalled);
            match conn.phase {
                Phase::Flushing => self.linger(index),
                Phase::Open | Phase::Ended if drained => {
                    turn.happenings.push(Happening::Drained { conn: id });
                }
                _ => {}
            }
        }
        self.keep_spare(output);
    }

    /// A send has reported: a silent one that did not take everything, or one that waited.
    pub(crate) fn on_send(&mut self, id: ConnId, result: i32, silent: bool, turn: &mut Turn) {
        if silent {
            self.silent_is_decided(id.index);
        }
        let conn = self.conns.at(id.index);
        conn.operations -= 1;
        let again = matches!(-result, libc::EAGAIN | libc::EINTR);
        if result < 0 && !again {
            return self.on_send_failed(id, -result, turn);
        }
        conn.sent += result.max(0) as usize;
        if conn.sent == conn.output.len() || conn.phase == Phase::Closing {
            return self.on_output_left(id.index, turn);
        }
        let unsent = conn.unsent();
        if !std::mem::replace(&mut conn.stalled, true) {
            self.counters.sends_stalled += 1;
            if matches!(conn.phase, Phase::Open | Phase::Ended) {
                turn.happenings.push(Happening::Stalled { conn: id, unsent });
            }
        }
        self.submit_send(id.index, false);
    }

    fn on_send_failed(&mut self, id: ConnId, error: i32, turn: &mut Turn) {
        let conn = self.conns.at(id.index);
        conn.sending = Sending::Idle;
        conn.output = Vec::new();
        conn.sent = 0;
        conn.backlog = None;
        let was_stalled = std::mem::take(&mut conn.stalled);
        match conn.phase {
            Phase::Open => {
                conn.phase = Phase::Ended;
                let why = Closed::Broken(error);
                turn.happenings.push(Happening::Closed { conn: id, why });
            }
            Phase::Flushing | Phase::Lingering => self.close_now(id.index),
            Phase::Closing => self.settle(id.index),
            // Nothing is due any more, which the owner may be waiting to hear.
            Phase::Ended if was_stalled => turn.happenings.push(Happening::Drained { conn: id }),
            Phase::Ended | Phase::Vacant => {}
        }
    }
}
