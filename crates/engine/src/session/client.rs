//! What a core knows of one connection.

use super::Pipeline;
use super::input::Pending;
use crate::event::Peer;
use crate::message::{Address, JobFlags};
use crate::tx::block::Blocked;
use crate::tx::exec::Tail;
use crate::tx::queue::Queue;
use base::{ConnId, CoreSet, Now};
use resp::Output;
use resp::parse::Partial;
use resp::write::Protocol;

/// What stands between a request and its execution: any bit set sends it down the slow path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Gates(pub u16);

impl Gates {
    /// Must authenticate first.
    pub const AUTH: u16 = 1;
    /// Replies are switched off (CLIENT REPLY OFF).
    pub const MUTE: u16 = 1 << 1;
    /// The next command's reply is left out (CLIENT REPLY SKIP).
    pub const MUTE_NEXT: u16 = 1 << 2;
    /// The reply of the command under way is left out.
    pub const MUTE_THIS: u16 = 1 << 4;
    /// Transactions of it are not granted yet: only further ones may follow.
    pub const SEQUENCED: u16 = 1 << 5;
    /// Commands are queued for EXEC.
    pub const MULTI: u16 = 1 << 6;
    /// A MONITOR client: accepts little.
    pub const MONITOR: u16 = 1 << 3;

    /// Whether any of these bits is set.
    #[inline]
    pub fn any(self, bits: u16) -> bool {
        self.0 & bits != 0
    }

    /// Sets or clears bits.
    pub fn set(&mut self, bits: u16, on: bool) {
        if on { self.0 |= bits } else { self.0 &= !bits }
    }
}

/// Why a session executes nothing for now. What it sends is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stall {
    /// A question to all cores, or to the process, is under way: a barrier.
    Asking,
    /// CLIENT PAUSE holds it.
    Paused,
    /// A command that may have to wait is under way, or waits.
    Blocked,
    /// A job of its own waits for a lock.
    Parked,
    /// Transactions of it are under way, which what follows would overtake.
    Sequenced,
    /// Too much output is due, or too many replies wait.
    Output,
    /// The way to another core is full.
    Congested,
    /// It has had its share of the turn, and goes on in the next one.
    Share,
    /// The engines are frozen by DEBUG SLEEP.
    Frozen,
    /// It is closed when its replies are out.
    Closing,
}

/// One connection.
#[derive(Debug)]
pub struct Session {
    /// The connection.
    pub id: ConnId,
    /// Who is at the other end.
    pub peer: Peer,
    /// When it was opened.
    pub opened: Now,
    /// When it last sent something; monotonic milliseconds.
    pub active_ms: u64,
    /// RESP2 or RESP3.
    pub protocol: Protocol,
    /// The selected database.
    pub db: u8,
    /// What stands in the way of execution.
    pub gates: Gates,
    /// Why it executes nothing for now.
    pub stall: Option<Stall>,
    /// CLIENT NO-EVICT.
    pub no_evict: bool,
    /// CLIENT NO-TOUCH.
    pub no_touch: bool,
    /// READONLY was said on the cluster face.
    pub readonly: bool,
    /// Authenticated, or needs no password.
    pub authenticated: bool,
    /// CLIENT SETNAME.
    pub name: Option<Box<[u8]>>,
    /// CLIENT SETINFO LIB-NAME.
    pub lib_name: Option<Box<[u8]>>,
    /// CLIENT SETINFO LIB-VER.
    pub lib_ver: Option<Box<[u8]>>,
    /// The last command, as its position in the table.
    pub last_command: Option<u16>,
    /// Bytes that are not executed yet: an incomplete request, or what arrived during a stall.
    pub input: Pending,
    /// How far an incomplete request at the start of `input` was parsed.
    pub partial: Option<Box<Partial>>,
    /// Replies that wait for an earlier one.
    pub pipeline: Pipeline,
    /// Replies on their way out, in order.
    pub out: Output,
    /// Bytes that a slow peer has not taken; 0 when it keeps up, and then nothing is held for it.
    pub sending: usize,
    /// Since when output is held back for replies that are due; monotonic microseconds.
    pub held_since_us: Option<u64>,
    /// In the list of sessions to look at when the turn ends.
    pub touched: bool,
    /// The reactor was told to stop receiving.
    pub receive_paused: bool,
    /// What it sent in this turn is in the arena.
    pub reading: bool,
    /// The turn in which it last executed something, and how many requests of it were parsed then.
    pub spent: (u32, u32),
    /// In which epoch of the outbox it last had another core write.
    pub wrote_away: u64,
    /// How many of its jobs for its own core are on their way by mail.
    pub mailed_home: u32,
    /// Its jobs that wait for a lock.
    pub parked: u32,
    /// Its transactions that are not granted yet.
    pub transactions: u32,
    /// What was queued since MULTI.
    pub queue: Option<Box<Queue>>,
    /// Where keys are watched for it.
    pub watched_at: CoreSet,
    /// What it waits for.
    pub blocked: Option<Box<Blocked>>,
    /// What of an EXEC is still to be done here.
    pub tail: Option<Box<Tail>>,
    /// Close when the output is out.
    pub closing: bool,
    /// The other side sends nothing more: close when everything it asked for is answered.
    pub ended: bool,
    /// The other side has ended, which is known before all that it has sent is received.
    pub hung_up: bool,
    /// How large replies from other cores were lately, in bytes.
    pub usual_reply_bytes: usize,
    /// What the accounts have for it, in bytes.
    pub accounted_bytes: u64,
    /// Since when its unread output is over the soft limit; monotonic microseconds.
    pub over_soft_since_us: Option<u64>,
    /// What SLOWLOG is to remember of the question under way, once it is answered.
    pub remembered: Option<Box<crate::commands::slowlog::log::Remembered>>,
    /// Bytes received and sent, commands executed.
    pub bytes_in: u64,
    /// Bytes handed to the reactor.
    pub bytes_out: u64,
    /// Commands executed.
    pub commands: u64,
}

impl Session {
    /// A session for a new connection.
    pub fn new(id: ConnId, peer: Peer, now: Now, authenticated: bool) -> Session {
        let mut gates = Gates::default();
        gates.set(Gates::AUTH, !authenticated);
        Session {
            id,
            peer,
            opened: now,
            active_ms: now.mono_ms(),
            protocol: Protocol::Resp2,
            db: 0,
            gates,
            stall: None,
            no_evict: false,
            no_touch: false,
            readonly: false,
            authenticated,
            name: None,
            lib_name: None,
            lib_ver: None,
            last_command: None,
            input: Pending::default(),
            partial: None,
            pipeline: Pipeline::default(),
            out: Output::default(),
            sending: 0,
            held_since_us: None,
            touched: false,
            receive_paused: false,
            reading: false,
            spent: (0, 0),
            wrote_away: 0,
            mailed_home: 0,
            parked: 0,
            transactions: 0,
            queue: None,
            watched_at: CoreSet::default(),
            blocked: None,
            tail: None,
            closing: false,
            ended: false,
            hung_up: false,
            usual_reply_bytes: USUAL_REPLY_BYTES,
            accounted_bytes: 0,
            over_soft_since_us: None,
            remembered: None,
            bytes_in: 0,
            bytes_out: 0,
            commands: 0,
        }
    }

    /// What RESET undoes; the protocol goes back to RESP2.
    pub fn reset(&mut self, needs_password: bool) {
        self.protocol = Protocol::Resp2;
        self.db = 0;
        self.gates = Gates(self.gates.0 & (Gates::MUTE_THIS | Gates::SEQUENCED));
        self.gates.set(Gates::AUTH, needs_password);
        self.authenticated = !needs_password;
        self.queue = None;
        self.no_touch = false;
        self.readonly = false;
        self.name = None;
    }

    /// Whether replies are written at all.
    #[inline]
    pub fn muted(&self) -> bool {
        self.gates.any(Gates::MUTE | Gates::MUTE_THIS)
    }

    /// A place for the reply of a request; none where replies are left out, but for one that `waits`: the place is the number of its wait.
    #[inline]
    pub fn reserve(&mut self, waits: bool) -> Option<u32> {
        match (self.muted(), waits) {
            (false, _) => Some(self.pipeline.reserve()),
            (true, true) => Some(self.pipeline.reserve_silent()),
            (true, false) => None,
        }
    }

    /// Where the outcome of a request belongs.
    #[inline]
    pub fn address(&mut self, waits: bool) -> Address {
        match self.reserve(waits) {
            Some(place) => Address::Session(self.id, place),
            None => Address::Nobody(self.id),
        }
    }

    /// A request begins: a CLIENT REPLY SKIP before it is about this one.
    pub fn begin_request(&mut self) {
        let muted = self.gates.any(Gates::MUTE_NEXT);
        self.gates.set(Gates::MUTE_THIS, muted);
        self.gates.set(Gates::MUTE_NEXT, false);
    }

    /// The request that has begun must wait, and will begin again.
    pub fn put_off_request(&mut self) {
        let muted = self.gates.any(Gates::MUTE_THIS);
        self.gates.set(Gates::MUTE_NEXT, muted);
        self.gates.set(Gates::MUTE_THIS, false);
    }

    /// Bytes of replies that have not left: written, held and being sent.
    #[inline]
    pub fn output_bytes(&self) -> usize {
        self.out.len() + self.sending + self.pipeline.held_bytes()
    }

    /// Memory held for this connection in bytes, its buffers included.
    pub fn memory(&self) -> usize {
        size_of::<Session>()
            + self.input.capacity()
            + self.out.capacity()
            + self.sending
            + self.pipeline.memory()
            + self.peer.address.capacity()
            + self.peer.local_address.capacity()
            + self.queue.as_ref().map_or(0, |queue| queue.memory())
            + self.blocked.as_ref().map_or(0, |blocked| blocked.memory())
            + self.partial.as_ref().map_or(0, |partial| partial.memory_bytes())
    }
}

/// Output above this stalls a session: it executes nothing until half of it has left.
const OUTPUT_STALL_BYTES: usize = 256 * 1024;

/// What a reply from another core is taken for until one has come. What a new client has asked of
/// other cores before it has seen a reply is bounded by this alone, so it is not a small one.
const USUAL_REPLY_BYTES: usize = 16 * 1024;

/// Replies that may wait in a session's pipeline before it stalls.
const PIPELINE_STALL_PLACES: usize = 8192;

impl Session {
    /// Whether so much output is due that the session should execute nothing for now.
    #[inline]
    pub fn output_is_full(&self) -> bool {
        self.expected_bytes() > OUTPUT_STALL_BYTES || self.pipeline.len() > PIPELINE_STALL_PLACES
    }

    /// Output that is there, and what the replies that are due will add to it if they are like the
    /// recent ones: jobs on other cores answer whether the client reads or not.
    #[inline]
    fn expected_bytes(&self) -> usize {
        self.output_bytes() + self.pipeline.len() * self.usual_reply_bytes
    }

    /// Learns from the size of a reply that came from another core.
    #[inline]
    pub fn note_reply(&mut self, bytes: usize) {
        self.usual_reply_bytes = bytes.max(self.usual_reply_bytes - self.usual_reply_bytes / 8);
    }

    /// Whether nothing more will be said to it: it is to be closed, or it has ended and everything it
    /// asked for is answered. What CLIENT PAUSE holds back is not waited for, as a pause may be long: who
    /// leaves during it loses that, as with Redis.
    pub fn is_over(&self) -> bool {
        let waits = self.stall.is_some_and(|stall| stall != Stall::Paused);
        let answered = self.ended && !waits;
        (self.closing || answered) && self.pipeline.is_empty()
    }

    /// Whether a session stalled by its output must still wait.
    pub fn output_is_high(&self) -> bool {
        self.expected_bytes() > OUTPUT_STALL_BYTES / 2
            || self.pipeline.len() > PIPELINE_STALL_PLACES / 2
    }

    /// What its jobs carry of it.
    #[inline]
    pub fn job_flags(&self) -> JobFlags {
        let resp3 = self.protocol == Protocol::Resp3;
        JobFlags {
            resp3,
            no_touch: self.no_touch,
            watched: !self.watched_at.is_empty(),
            scripted: false,
        }
    }

    /// Whether it waits until some time.
    pub fn has_deadline(&self) -> bool {
        self.blocked.as_ref().is_some_and(|blocked| blocked.deadline_us().is_some())
    }

    /// Whether it waits for a key, and none is being taken from for it.
    pub fn may_stop_waiting(&self) -> bool {
        self.blocked.as_ref().is_some_and(|blocked| !blocked.is_claimed())
    }

    /// Whether it is not to wait for anything any more.
    pub fn is_leaving(&self) -> bool {
        self.ended || self.hung_up || self.closing
    }

    /// Whether it watches all commands.
    pub fn is_monitor(&self) -> bool {
        self.gates.any(Gates::MONITOR)
    }

    /// Puts a complete reply behind all others.
    pub fn append_reply(&mut self, reply: &[u8]) {
        if self.pipeline.is_empty() {
            self.out.append(reply);
        } else {
            self.pipeline.push_ready(|mut held| held.append(reply));
        }
    }
}
