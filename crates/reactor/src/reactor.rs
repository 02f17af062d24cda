//! The reactor: one core's sockets on one ring.
//!
//! # The turn
//! `wait` is the only place where the kernel does anything: it submits what was queued since the last
//! time, runs deferred receives, and perhaps blocks. What it left in the completion ring is what `poll`
//! hands out; nothing is collected between two waits. So whatever a turn sees was there when its
//! `wait` returned, and a mailbox drained after that knows all that any client could have known when
//! it sent these bytes.
//!
//! # The life of a slot
//! A connection begins with `adopt` and ends with `close`, both called by the owner. Every operation under
//! way counts in `Conn::operations`; the slot is freed and its generation raised when the last one has
//! completed, so a late completion can never reach the next owner of the index, and no buffer is freed
//! that the kernel may still read.

use crate::buffers::Buffers;
use crate::clock::Clock;
use crate::closing::CloseMode;
use crate::conn::Conns;
use crate::counters::Counters;
use crate::event::{Happening, Turn};
use crate::listen::{Listener, Listening};
use crate::refusal::{Refusal, refusal};
use crate::ring::Ring;
use crate::sends::{self, Silents};
use crate::token::{INDEXES_MAX, Kind, Token};
use crate::wake::{self, Waker};
use base::{ConnId, Now};
use io_uring::types::{CancelBuilder, Fd, Timespec};
use io_uring::{cqueue, opcode, squeue};
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, IntoRawFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;

/// The longest sleep: a core looks around at least this often, whatever it was promised.
pub const WAIT_US_MAX: u64 = 100_000;

/// Completions copied out of the ring at a time.
const SCRATCH: usize = 256;

/// How large a reactor is. All bounds of this room that a machine may want different.
#[derive(Clone, Debug)]
pub struct Config {
    /// Connections at the most.
    pub connections_max: usize,
    /// Receive buffers, a power of two up to 32768. Where the kernel fills a buffer with several receives,
    /// four are taken as one.
    pub buffers: u16,
    /// Bytes of each.
    pub buffer_bytes: u32,
    /// Let the kernel fill a buffer with several receives, if it can.
    pub fill_incrementally: bool,
    /// Entries of the submission ring; more in one turn cost one more system call.
    pub submissions: u32,
    /// Entries of the completion ring.
    pub completions: u32,
    /// How long a graceful close waits for the peer to take the last bytes, in microseconds.
    pub linger_us: u64,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            connections_max: 65_536,
            buffers: 256,
            buffer_bytes: 16 * 1024,
            fill_incrementally: true,
            submissions: 2048,
            completions: 16_384,
            linger_us: 2_000_000,
        }
    }
}

/// One core's data plane. Belongs to the thread that made it.
pub struct Reactor {
    pub(crate) ring: Ring,
    pub(crate) buffers: Buffers,
    pub(crate) conns: Conns,
    pub(crate) listeners: Vec<Option<Listener>>,
    peers: Vec<Waker>,
    alarm: Arc<File>,
    shared_ring: Arc<OwnedFd>,
    by_message: bool,
    pub(crate) clock: Clock,
    pub(crate) counters: Counters,
    pub(crate) config: Config,
    scratch: Box<[MaybeUninit<cqueue::Entry>]>,
    /// Completions consumed since the start, and how many there were when `wait` returned.
    pub(crate) consumed: u64,
    visible: u64,
    pub(crate) silents: Silents,
    /// Connections for which something happens when their silent send is known to be done.
    pub(crate) awaited: usize,
    /// Connections whose receive found no buffer, in the order in which they are started again.
    pub(crate) starved: VecDeque<ConnId>,
    /// Deadlines of graceful closes, ascending, in microseconds of the monotonic clock.
    pub(crate) closing: VecDeque<(u64, ConnId)>,
    pub(crate) spares: Vec<Vec<u8>>,
    pub(crate) spares_bytes: usize,
    /// Sends are not silent here: each posts a completion.
    pub(crate) sends_report: bool,
    /// Receives are told how much to take at a time: the kernel has not refused it.
    pub(crate) caps_receives: bool,
}

impl Reactor {
    /// Makes a reactor on the calling thread, which alone may use it.
    pub fn new(config: Config) -> Result<Reactor, Refusal> {
        let config = Config { connections_max: config.connections_max.min(INDEXES_MAX), ..config };
        let mut ring = Ring::new(config.submissions, config.completions)?;
        let silent = sends::short_sends_report(&mut ring);
        let sends_report = !silent.map_err(|error| refusal("a first send", error))?;
        let buffers = Buffers::register(
            ring.io_uring(),
            config.buffers,
            config.buffer_bytes,
            config.fill_incrementally,
        )?;
        let alarm = wake::alarm().map_err(|error| refusal("an eventfd", error))?;
        let shared_ring = ring.share().map_err(|error| refusal("a second descriptor", error))?;
        let mut reactor = Reactor {
            ring,
            buffers,
            conns: Conns::new(config.connections_max),
            listeners: Vec::new(),
            peers: Vec::new(),
            alarm,
            shared_ring: Arc::new(shared_ring),
            by_message: true,
            clock: Clock::new(),
            counters: Counters::default(),
            config,
            scratch: Box::new_uninit_slice(SCRATCH),
            consumed: 0,
            visible: 0,
            silents: Silents::default(),
            awaited: 0,
            starved: VecDeque::new(),
            closing: VecDeque::new(),
            spares: Vec::new(),
            spares_bytes: 0,
            sends_report,
            caps_receives: true,
        };
        reactor.arm_alarm();
        Ok(reactor)
    }

    /// An empty turn for this reactor, to be used again and again.
    pub fn new_turn(&self) -> Turn {
        Turn::new(self.buffers.region().clone(), SCRATCH)
    }

    /// How other threads wake this reactor.
    pub fn waker(&self) -> Waker {
        Waker { ring: self.shared_ring.clone(), alarm: self.alarm.clone() }
    }

    /// Names the reactors that [`Self::wake`] reaches, by number. `by_message` says whether
    /// [`crate::message_ring_works`] did; without it eventfds are written.
    pub fn set_peers(&mut self, peers: Vec<Waker>, by_message: bool) {
        self.peers = peers;
        self.by_message = by_message;
    }

    /// Enters the kernel once: submits what is queued and collects completions. Blocks for at most
    /// `timeout_us` microseconds (and [`WAIT_US_MAX`]) if nothing is there to be done. Reads
    /// the clock. An error is fatal to the core.
    pub fn wait(&mut self, timeout_us: u64) -> io::Result<()> {
        self.on_deadlines();
        let idle = self.consumed == self.visible && self.awaited == 0 && self.starved.is_empty();
        let timeout = (timeout_us > 0 && idle).then(|| {
            self.counters.waits += 1;
            Timespec::new().nsec(timeout_us.min(WAIT_US_MAX) as u32 * 1000)
        });
        self.counters.enters += self.ring.enter(timeout)?;
        self.visible = self.consumed + self.ring.ready() as u64;
        if self.ring.is_submitted() {
            self.silents.mark(self.visible);
        }
        self.clock.read();
        Ok(())
    }

    /// The time of this turn, read when [`Self::wait`] returned.
    pub fn now(&self) -> Now {
        self.clock.now()
    }

    /// The same in nanoseconds of the monotonic clock: what a mailbox publishes under.
    pub fn stamp(&self) -> u64 {
        self.clock.mono_ns()
    }

    /// Turns up to `max` completions into events of `turn`, whose last events must have been walked and
    /// ended. What is left comes in the next turn.
    pub fn poll(&mut self, turn: &mut Turn, max: usize) {
        assert!(Rc::ptr_eq(&turn.region, self.buffers.region()), "a turn of this reactor");
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut left = max.min((self.visible - self.consumed) as usize);
        while left > 0 {
            let room = left.min(scratch.len());
            let completions = self.ring.take(&mut scratch[..room]);
            let taken = completions.len();
            self.consumed += taken as u64;
            self.counters.completions += taken as u64;
            left -= taken;
            for completion in completions {
                self.on_completion(completion, turn);
            }
        }
        self.scratch = scratch;
        self.confirm_silent_sends(turn);
    }

    /// Gives the turn's buffers back to the kernel and starts receives again that had found none.
    pub fn end_turn(&mut self, turn: &mut Turn) {
        turn.events().for_each(drop);
        turn.happenings.clear();
        turn.filled.clear();
        turn.next = 0;
        self.buffers.give_back(&turn.finished);
        turn.finished.clear();
        if !self.starved.is_empty() {
            self.buffers.widen();
        }
        // Not more than there are buffers: the rest would come back empty-handed again.
        for _ in 0..self.buffers.available().min(self.starved.len()) {
            let Some(id) = self.starved.pop_front() else { break };
            if let Some(conn) = self.conns.get_mut(id) {
                conn.starved = false;
                self.counters.rearms += 1;
                self.arm(id.index);
            }
        }
    }

    /// Takes a connected stream socket, in blocking mode as sockets are made, and starts reading. Gives
    /// it back when there are [`Config::connections_max`] already.
    pub fn adopt(&mut self, socket: OwnedFd) -> Result<ConnId, OwnedFd> {
        let Some(id) = self.conns.open(socket.as_raw_fd()) else { return Err(socket) };
        let _ours_now = socket.into_raw_fd();
        self.counters.connections_opened += 1;
        self.conns.at(id.index).reading = true;
        self.arm(id.index);
        Ok(id)
    }

    /// Wakes a peer (see [`Self::set_peers`]); the wake-up leaves with the next [`Self::wait`].
    pub fn wake(&mut self, peer: usize) {
        self.counters.wakeups_sent += 1;
        let waker = &self.peers[peer];
        if self.by_message {
            let message = wake::message(waker.ring.as_raw_fd(), peer as u32);
            self.push_plain(message);
        } else {
            waker.wake();
        }
    }

    /// Notes that a sleep ended by its time limit although mail was waiting.
    pub fn on_late_wakeup(&mut self) {
        self.counters.wakeups_late += 1;
    }

    /// Starts a listener; its number comes with each [`crate::Event::Accepted`].
    pub fn listen(&mut self, listening: Listening) -> usize {
        self.listeners.push(Some(Listener::new(listening)));
        let index = self.listeners.len() - 1;
        self.arm_listener(index);
        index
    }

    /// Stops a listener and closes its socket.
    pub fn unlisten(&mut self, listener: usize) {
        let Some(Some(open)) = self.listeners.get_mut(listener) else { return };
        open.closing = true;
        if open.armed {
            let accept = Token::new(Kind::Accept, listener as u32, 0).0;
            let cancel = opcode::AsyncCancel2::new(CancelBuilder::user_data(accept)).build();
            self.push_plain(cancel.user_data(Token::new(Kind::Ignored, 0, 0).0));
        } else {
            self.listeners[listener] = None;
        }
    }

    /// The socket of a connection, to ask for its addresses.
    pub fn socket(&self, id: ConnId) -> Option<BorrowedFd<'_>> {
        let conn = self.conns.get(id)?;
        // SAFETY: the descriptor stays open at least as long as the slot is taken, and `&self` keeps
        // the slot from being freed.
        Some(unsafe { BorrowedFd::borrow_raw(conn.fd) })
    }

    /// Connections whose slots are taken, those that are being closed included.
    pub fn connections(&self) -> usize {
        self.conns.len()
    }

    /// What was counted so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Whether the kernel fills buffers with several receives (see `buffers.rs`).
    pub fn fills_buffers_incrementally(&self) -> bool {
        self.buffers.is_incremental()
    }

    /// Whether the kernel bounds what one connection delivers at a time (see `receives.rs`). Known once
    /// a connection was adopted.
    pub fn caps_receives(&self) -> bool {
        self.caps_receives
    }

    /// Whether sends that succeed at once post no completion (see `sends.rs`).
    pub fn sends_silently(&self) -> bool {
        !self.sends_report
    }

    /// Has every send report, as on a kernel whose silent sends cannot be trusted. For tests.
    #[doc(hidden)]
    pub fn send_loudly_for_tests(&mut self) {
        self.sends_report = true;
    }

    /// Receive buffers that are not with the kernel; 0 between turns unless some leaked.
    pub fn buffers_out(&self) -> usize {
        self.buffers.out()
    }

    /// Queues an operation that names no memory of ours.
    pub(crate) fn push_plain(&mut self, entry: squeue::Entry) {
        // SAFETY: the callers build operations without pointers: receive into provided buffers,
        // cancel, poll, accept without address, message, close.
        unsafe { self.ring.push(entry) };
    }

    #[inline]
    fn on_completion(&mut self, completion: &cqueue::Entry, turn: &mut Turn) {
        let token = Token(completion.user_data());
        let (result, flags) = (completion.result(), completion.flags());
        match token.kind() {
            Some(Kind::Receive) => self.on_receive(token.conn(), result, flags, turn),
            Some(Kind::SendNow) => self.on_send(token.conn(), result, true, turn),
            Some(Kind::SendWait) => self.on_send(token.conn(), result, false, turn),
            Some(Kind::Cancel) => self.on_cancelled(token.conn()),
            Some(Kind::Accept) => self.on_accept(token.index(), result, flags, turn),
            Some(Kind::Wake) => self.on_woken(turn),
            Some(Kind::WakeFailed) => {
                self.counters.wakeups_failed += 1;
                self.peers[token.index() as usize].wake();
            }
            Some(Kind::Alarm) => {
                self.on_woken(turn);
                if !cqueue::more(flags) {
                    self.arm_alarm();
                }
            }
            Some(Kind::Fill) => self.on_filled(token.conn(), result, turn),
            Some(Kind::HangUp) => self.on_hang_up(token.conn(), turn),
            Some(Kind::Ignored) => {}
            None => unreachable!("the kernel gives back only the tokens it was given"),
        }
    }

    fn on_woken(&mut self, turn: &mut Turn) {
        self.counters.wakeups_received += 1;
        turn.happenings.push(Happening::Woken);
    }

    fn arm_alarm(&mut self) {
        let fd = Fd(self.alarm.as_raw_fd());
        let poll = opcode::PollAdd::new(fd, libc::POLLIN as u32).multi(true).build();
        self.push_plain(poll.user_data(Token::new(Kind::Alarm, 0, 0).0));
    }
}

/// How often `drop` enters to let cancelled operations complete.
const FAREWELLS_MAX: usize = 100;

impl Drop for Reactor {
    /// Cancels everything and waits for it to complete, because the kernel may hold pointers into our
    /// buffers until then. What does not complete in a second keeps its memory for ever.
    fn drop(&mut self) {
        let mut turn = self.new_turn();
        let ids: Vec<ConnId> = self.conns.ids().collect();
        ids.iter().for_each(|id| self.close(*id, CloseMode::Now));
        (0..self.listeners.len()).for_each(|listener| self.unlisten(listener));
        for _ in 0..FAREWELLS_MAX {
            if self.wait(10_000).is_err() {
                break;
            }
            self.poll(&mut turn, usize::MAX);
            self.end_turn(&mut turn);
            if self.conns.len() == 0 && self.ring.is_submitted() {
                return;
            }
        }
        std::mem::forget(self.buffers.region().clone());
        ids.iter().filter_map(|id| self.conns.take_memory(*id)).for_each(std::mem::forget);
    }
}
