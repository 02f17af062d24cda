//! All that one core can say to another.

use crate::commands::query::{Answer, Query};
use crate::patrol::ClientLoad;
use crate::shard::execute::Verdict;
use crate::shard::feed::DbKey;
use crate::shard::lease::Lease;
use crate::tx::busy::Busy;
use crate::tx::exclusive::Errand;
use crate::tx::script::Touched;
use base::{ConnId, CoreId, Now, Slot};
use command::Wait;
use resp::Chain;
use resp::parse::Span;
use std::sync::Arc;
use store::Parcel;

/// One message between two cores.
#[derive(Debug)]
pub enum Message {
    /// Work for the owner of some slots; comes back as [`Message::Outcomes`].
    Jobs(Box<Batch>),
    /// The same batch with its outcomes filled in.
    Outcomes(Box<Batch>),
    /// To the sequencer: the shares of one transaction, to be locked in its order.
    Sequence(Shares),
    /// From the sequencer to an owner: lock what this share needs.
    Lock(Box<Share>),
    /// From an owner to the origin: it is locked; with it comes what was asked for.
    Granted(Box<Share>),
    /// From the origin to an owner that is locked as a whole for it: more keys to be lent.
    Lend(Box<Share>),
    /// From the origin to an owner: all have granted, or it comes to nothing; what is to be done, and then unlocked.
    Finish(Box<Share>),
    /// From an owner to the origin: what came of a share that was to be applied.
    Finished(Box<Share>),
    /// From an owner to the origin: the outcome of a job that had to wait for a lock.
    Late(Box<Parked>),
    /// A session of the sender watches nothing any more.
    Unwatch(ConnId),
    /// A session of the sender does not wait any more, for the reply at this place.
    Withdraw(ConnId, u32),
    /// From a core that has locked all of another: something to be done at once. It waits.
    Errand(Box<Errand>),
    /// Done.
    ErrandDone(Box<Errand>),
    /// From an owner to the core of a session that waits: a key could serve it.
    Offer(Box<Offer>),
    /// Back: it takes it, or not.
    Claim(Box<Offer>),
    /// And what it has taken.
    Served(Box<Offer>),
    /// A question that every core answers.
    Ask {
        /// The asker's number for it.
        ticket: u64,
        /// The question.
        query: Arc<Query>,
    },
    /// One core's answer.
    Answer {
        /// The asker's number.
        ticket: u64,
        /// The answer.
        answer: Box<Answer>,
    },
    /// Memory slices between a core and the banker.
    Lease(Lease),
    /// Lines for this core's MONITOR clients.
    Monitor(Arc<Vec<u8>>),
    /// What the clients of the sender take, for `maxmemory-clients`.
    Clients(ClientLoad),
    /// From a core whose script runs on and has every core locked: answer requests so, or do not any more.
    Busy(Option<Busy>),
    /// DEBUG SLEEP: stand still until this monotonic time in microseconds.
    Freeze(u64),
    /// Several messages in their order, where a ring had place for one.
    Bundle(Vec<Message>),
}

/// What one core sends another in one turn: headers, argument places and argument bytes, each
/// contiguous. The outcomes travel back in the same box, so a hop allocates nothing once the
/// buffers have grown.
#[derive(Debug, Default)]
pub struct Batch {
    /// The jobs in order.
    pub jobs: Vec<Job>,
    /// The places of all arguments in `bytes`, job after job.
    pub spans: Vec<Span>,
    /// All argument bytes.
    pub bytes: Vec<u8>,
    /// One outcome a job, in the same order.
    pub outcomes: Vec<Outcome>,
    /// All reply bytes, outcome after outcome, but of those in pieces.
    pub replies: Vec<u8>,
    /// The replies in pieces, in the order of their outcomes.
    pub chains: Vec<Chain>,
    /// What scripts need that could not run here, in the order of their outcomes.
    pub strays: Vec<(Touched, bool)>,
    /// What jobs wait for that found nothing, in the order of their outcomes.
    #[allow(clippy::vec_box, reason = "as the command gave it")]
    pub waits: Vec<Box<Wait>>,
    /// What the jobs take of the owner's turn, as the origin counts it.
    pub load: usize,
    /// Memory of the buffers when the origin last looked, in bytes.
    pub weighed: usize,
}

impl Batch {
    /// Empties the batch for its next trip; a buffer that grew beyond `keep_bytes` is let go.
    pub fn reset(&mut self, keep_bytes: usize) {
        empty(&mut self.jobs, keep_bytes);
        empty(&mut self.spans, keep_bytes);
        empty(&mut self.outcomes, keep_bytes);
        empty(&mut self.bytes, keep_bytes);
        empty(&mut self.replies, keep_bytes);
        self.chains = Vec::new();
        self.waits = Vec::new();
        self.strays = Vec::new();
        self.load = 0;
    }

    /// Memory of the buffers.
    pub fn capacity_bytes(&self) -> usize {
        bytes_of(&self.jobs)
            + bytes_of(&self.spans)
            + bytes_of(&self.bytes)
            + bytes_of(&self.outcomes)
            + bytes_of(&self.replies)
            + self.chains.iter().map(Chain::memory).sum::<usize>()
    }
}

fn bytes_of<T>(buffer: &Vec<T>) -> usize {
    buffer.capacity() * size_of::<T>()
}

/// Empties a buffer and keeps its memory up to a bound.
#[inline]
fn empty<T>(buffer: &mut Vec<T>, keep_bytes: usize) {
    buffer.clear();
    if bytes_of(buffer) > keep_bytes {
        *buffer = Vec::new();
    }
}

/// The shares of a transaction, in the boxes in which they travel.
#[allow(clippy::vec_box, reason = "the box itself is what is sent and comes back")]
pub type Shares = Vec<Box<Share>>;

/// One owner's share of a transaction. The same box makes all trips: origin, sequencer, owner, origin, owner, and back where
/// the origin needs to know what came of it.
#[derive(Debug)]
pub struct Share {
    /// Whose transaction it is.
    pub origin: CoreId,
    /// Whose keys they are.
    pub owner: CoreId,
    /// The gather's number at the origin.
    pub gather: u32,
    /// The gather's generation.
    pub generation: u32,
    /// Which part.
    pub part: u32,
    /// Whose request it is.
    pub session: ConnId,
    /// The place of its reply in the session's pipeline.
    pub place: u32,
    /// It depends on what that session watches.
    pub watched: bool,
    /// What it watches has changed.
    pub dirty: bool,
    /// What it watches will have changed after this, by its time to live; milliseconds since the epoch.
    pub clean_until_ms: i64,
    /// What the owner calls it while it is locked; none when it locks nothing of its own.
    pub ticket: Option<u32>,
    /// It waits for its owner however long that is busy with a script.
    pub patient: bool,
    /// It was not locked, because its owner is.
    pub busy: Option<Busy>,
    /// Everything that the owner has is locked, not only the keys.
    pub whole: bool,
    /// The client's database.
    pub db: u8,
    /// What else the client brings.
    pub flags: JobFlags,
    /// Keys whose values are lent to the origin.
    pub items: Vec<Lent>,
    /// What the command has changed, to be counted where it is at home.
    pub changes: u64,
    /// What is executed when it is granted.
    pub read: Option<Words>,
    /// What is executed when all are granted.
    pub write: Option<Words>,
    /// On the last trip: it is to be written.
    pub applies: bool,
    /// The origin needs no answer to that.
    pub silent: bool,
    /// What was executed has answered so.
    pub answer: Replied,
}

/// A key offered to a session that waits for it.
#[derive(Debug)]
pub struct Offer {
    /// Whose key it is.
    pub owner: CoreId,
    /// The session.
    pub conn: ConnId,
    /// Which of its waits: the place of the reply in its pipeline.
    pub place: u32,
    /// The key.
    pub key: DbKey,
    /// The owner's lock on it; none when the claim is a transaction of its own.
    pub ticket: Option<u32>,
    /// When it was offered.
    pub now: Now,
    /// The key itself, where it could else expire or be evicted before the answer has come.
    pub parcel: Option<Parcel>,
    /// The session takes it.
    pub accepted: bool,
    /// What it has taken.
    pub answer: Replied,
}

/// A request within a transaction, or of somebody who waits.
#[derive(Debug, Default, Clone)]
pub struct Words {
    /// The command, as its position in the table.
    pub command: u16,
    /// The reply is RESP3.
    pub resp3: bool,
    /// All arguments, one behind the other.
    pub bytes: Vec<u8>,
    /// Where each is.
    pub spans: Vec<Span>,
}

/// What an execution elsewhere has answered.
#[derive(Debug, Default)]
pub struct Replied {
    /// The reply, or the last piece of it.
    pub bytes: Vec<u8>,
    /// The other pieces.
    pub chain: Chain,
    /// How it went.
    pub verdict: Verdict,
}

/// A job that waits at its owner for a lock, and then its outcome.
#[derive(Debug)]
pub struct Parked {
    /// Whose job it is.
    pub from: CoreId,
    /// Its header.
    pub job: Job,
    /// Its arguments.
    pub words: Words,
    /// Its outcome.
    pub answer: Replied,
    /// It has found nothing, and waits for this.
    pub wait: Option<Box<Wait>>,
    /// It is a script that could not run here, and needs this.
    pub strays: Option<(Touched, bool)>,
}

/// One key of a loan.
#[derive(Debug)]
pub struct Lent {
    /// The database.
    pub db: u8,
    /// The key.
    pub key: Box<[u8]>,
    /// The command may change it.
    pub writes: bool,
    /// Its value; `None` when it is absent, or not there.
    pub parcel: Option<Parcel>,
    /// The owner has kept the value, and this is a copy.
    pub copied: bool,
    /// It was written to.
    pub touched: bool,
    /// It is as it was, but not to those who wait for it.
    pub stirred: bool,
    /// The request found nothing and waits for this key: it is to be run so when the key may serve it.
    pub waits: Option<Words>,
}

impl Lent {
    /// A key that is only read, still to be lent.
    pub fn read(db: u8, key: &[u8]) -> Lent {
        Lent {
            db,
            key: key.into(),
            writes: false,
            parcel: None,
            copied: false,
            touched: false,
            stirred: false,
            waits: None,
        }
    }
}

/// Where an outcome belongs at the origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Address {
    /// The place `seq` in the reply pipeline of a session.
    Session(ConnId, u32),
    /// Part `part` of gather number `gather`.
    Gather {
        /// The gather's number at the origin.
        gather: u32,
        /// The gather's generation: numbers are reused.
        generation: u32,
        /// Which part.
        part: u32,
    },
    /// Nowhere: the client wants no reply. Only SLOWLOG still asks who it was.
    Nobody(ConnId),
}

impl Address {
    /// The session that a job is for; the jobs of gathers are parts, and for nobody in particular.
    pub fn session(self) -> ConnId {
        match self {
            Address::Session(conn, _) | Address::Nobody(conn) => conn,
            Address::Gather { .. } => ConnId::NONE,
        }
    }
}

/// The header of one job.
#[derive(Debug, Clone, Copy)]
pub struct Job {
    /// Where the outcome belongs.
    pub address: Address,
    /// The command, as its position in the table.
    pub command: u16,
    /// The client's database.
    pub db: u8,
    /// RESP3 instead of RESP2, and whether the access bits are left alone.
    pub flags: JobFlags,
    /// How many arguments.
    pub args: u32,
    /// Which argument has been hashed at the origin; 0 when none.
    pub key: u32,
    /// Its slot.
    pub slot: Slot,
    /// Its hash.
    pub hash: u64,
}

/// What a job carries of its client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JobFlags {
    /// The reply is RESP3.
    pub resp3: bool,
    /// CLIENT NO-TOUCH.
    pub no_touch: bool,
    /// An EXEC depends on what the client watches at the owner.
    pub watched: bool,
    /// It is called by a script.
    pub scripted: bool,
}

/// The header of one outcome.
#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    /// Length of its reply in the batch's `replies`.
    pub len: u32,
    /// The reply is the next of the batch's `chains` instead.
    pub in_pieces: bool,
    /// There is none yet: the job waits for a lock, and its outcome comes by itself.
    pub parked: bool,
    /// It is a script that could not run here: the next of the batch's `strays` says what it needs.
    pub strays: bool,
    /// It has found nothing, and waits: the next of the batch's `waits` says for what.
    pub waits: bool,
    /// The reply is an error.
    pub failed: bool,
    /// The error came before the command ran (a gate refused it).
    pub rejected: bool,
    /// Duration in ticks; 0 when it was not measured.
    pub ticks: u64,
    /// How many executions the measurement stands for.
    pub weight: u32,
}

impl Outcome {
    /// Of a job that waits for a lock.
    pub const PARKED: Outcome = Outcome {
        len: 0,
        in_pieces: false,
        parked: true,
        strays: false,
        waits: false,
        failed: false,
        rejected: false,
        ticks: 0,
        weight: 0,
    };
}
