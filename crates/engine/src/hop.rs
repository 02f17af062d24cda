//! The way of jobs to other cores and of their outcomes back.
//!
//! All jobs of a turn for one destination go in one batch; the outcomes come back in the same
//! box, whose buffers are then used again: a hop allocates nothing once they have grown.

use crate::engine::Engine;
use crate::message::{Address, Batch, Job, JobFlags, Message, Outcome};
use crate::session::plan::Planned;
use crate::shard::execute::{Call, Verdict};
use crate::table::Home;
use base::CoreId;
use command::Args;
use resp::parse::Span;
use std::collections::VecDeque;
use store::Hint;

/// Batches under way to one core; at the bound the sessions that want more wait.
const BATCHES_MAX: usize = 64;

/// Argument bytes in one batch before the next is begun.
const BATCH_BYTES_MAX: usize = 256 * 1024;

/// A batch's buffer that grew beyond this is given back. [`BATCHES_MAX`] batches of five buffers may lie
/// in reserve for each other core.
const BATCH_KEEP_BYTES: usize = 64 * 1024;

/// Everything that is to be said to other cores.
#[derive(Debug)]
pub struct Outbox {
    lanes: Vec<Lane>,
}

/// What is to be said to one core.
#[derive(Debug, Default)]
struct Lane {
    /// The batch that this turn's jobs go into.
    open: Option<Box<Batch>>,
    /// Everything else said in this turn.
    posted: VecDeque<Message>,
    /// What is due to leave, in order.
    due: VecDeque<Message>,
    /// Empty batches, in the boxes in which they travel.
    #[allow(clippy::vec_box, reason = "the box itself is what is sent and comes back")]
    spare: Vec<Box<Batch>>,
    /// Batches filled and not yet back.
    under_way: usize,
}

impl Outbox {
    /// For `cores` cores.
    pub fn new(cores: usize) -> Outbox {
        Outbox { lanes: (0..cores).map(|_| Lane::default()).collect() }
    }

    /// Says something to a core at the end of the turn, after this turn's jobs.
    pub fn post(&mut self, core: CoreId, message: Message) {
        self.lanes[core.index()].posted.push_back(message);
    }

    /// Says something to a core between the jobs before and after: what changes its keyspace as a job does.
    pub fn post_in_order(&mut self, core: CoreId, message: Message) {
        let lane = &mut self.lanes[core.index()];
        lane.due.extend(lane.open.take().map(Message::Jobs));
        lane.due.push_back(message);
    }

    /// Whether a job for this core must wait.
    #[inline]
    pub fn is_full(&self, core: CoreId) -> bool {
        self.lanes[core.index()].under_way >= BATCHES_MAX
    }

    /// The batch for the next job to a core. May exceed [`BATCHES_MAX`] by the parts of one
    /// request; callers look at [`Outbox::is_full`] before a request.
    fn open(&mut self, core: CoreId) -> &mut Batch {
        let lane = &mut self.lanes[core.index()];
        if lane.open.as_ref().is_some_and(|batch| batch.bytes.len() > BATCH_BYTES_MAX) {
            lane.due.extend(lane.open.take().map(Message::Jobs));
        }
        if lane.open.is_none() {
            lane.under_way += 1;
            lane.open = Some(lane.spare.pop().unwrap_or_default());
        }
        lane.open.as_mut().expect("made above")
    }

    /// Ends the turn: jobs first, then everything else, so that nobody learns of an outcome
    /// before the jobs of the same turn are visible.
    pub fn close_turn(&mut self) {
        for lane in &mut self.lanes {
            if let Some(batch) = lane.open.take() {
                lane.due.push_back(Message::Jobs(batch));
            }
            if !lane.posted.is_empty() {
                lane.due.append(&mut lane.posted);
            }
        }
    }

    /// The oldest message that is due to a core.
    pub fn take(&mut self, core: CoreId) -> Option<Message> {
        self.lanes[core.index()].due.pop_front()
    }

    /// Whether anything is due that has not left.
    pub fn is_due(&self) -> bool {
        self.lanes.iter().any(|lane| !lane.due.is_empty())
    }

    /// Puts back what could not leave.
    pub fn put_back(&mut self, core: CoreId, message: Message) {
        self.lanes[core.index()].due.push_front(message);
    }

    /// Batches sent and not yet back, and messages that have not left.
    pub fn load(&self) -> (usize, usize) {
        let waiting = |lane: &Lane| lane.posted.len() + lane.due.len() + lane.open.iter().len();
        (self.lanes.iter().map(|lane| lane.under_way).sum(), self.lanes.iter().map(waiting).sum())
    }

    /// Takes back a batch whose outcomes were handled. True when sessions may have waited.
    fn returned(&mut self, core: CoreId, mut batch: Box<Batch>) -> bool {
        batch.reset(BATCH_KEEP_BYTES);
        let lane = &mut self.lanes[core.index()];
        lane.spare.push(batch);
        lane.under_way -= 1;
        lane.under_way + 1 == BATCHES_MAX
    }
}

/// What a job takes from its request.
#[derive(Debug, Clone, Copy)]
pub struct Order {
    /// Where the outcome belongs.
    pub address: Address,
    /// The command.
    pub command: u16,
    /// The database.
    pub db: u8,
    /// What the client brings.
    pub flags: JobFlags,
    /// The hash that planning has cost.
    pub planned: Planned,
}

impl Engine {
    /// Puts a job into this turn's batch for `core`. O(bytes of the arguments).
    #[inline]
    pub(crate) fn send_job<'a>(
        &mut self,
        core: CoreId,
        order: Order,
        args: impl ExactSizeIterator<Item = &'a [u8]>,
    ) {
        self.core.counters.hops += 1;
        let batch = self.outbox.open(core);
        let count = args.len() as u32;
        for arg in args {
            batch.spans.push(Span { start: batch.bytes.len() as u32, len: arg.len() as u32 });
            batch.bytes.extend_from_slice(arg);
        }
        batch.jobs.push(Job {
            address: order.address,
            command: order.command,
            db: order.db,
            flags: order.flags,
            args: count,
            key: order.planned.key,
            slot: order.planned.slot,
            hash: order.planned.hash,
        });
    }

    /// Executes another core's jobs, all of them, and sends the batch back.
    pub(crate) fn on_jobs(&mut self, from: CoreId, mut batch: Box<Batch>) {
        let Batch { jobs, spans, bytes, outcomes, replies } = &mut *batch;
        let distance = self.core.prefetch_ahead;
        if distance > 0 && jobs.len() > 1 {
            for job in jobs.iter().filter(|job| job.key != 0) {
                let hint = Hint { db: job.db, slot: job.slot, hash: job.hash };
                self.jobs_ahead.push(&self.shard.store, hint);
            }
            self.jobs_ahead.start(&self.shard.store, distance);
        }
        let mut first = 0;
        for job in jobs.iter() {
            if job.key != 0 {
                self.jobs_ahead.next(&self.shard.store);
            }
            let spans = &spans[first..first + job.args as usize];
            first += job.args as usize;
            let args = Args::new(bytes, spans, self.core.hasher);
            let args =
                if job.key == 0 { args } else { args.with_hashed(job.key, job.slot, job.hash) };
            let start = replies.len();
            let verdict = self.execute_job(job, &args, replies);
            outcomes.push(Outcome {
                len: (replies.len() - start) as u32,
                failed: verdict.failed,
                rejected: verdict.rejected,
                ticks: verdict.ticks,
                weight: verdict.weight as u32,
            });
        }
        self.jobs_ahead.finish();
        self.core.counters.jobs_served += jobs.len() as u64;
        self.outbox.post(from, Message::Outcomes(batch));
    }

    fn execute_job(&mut self, job: &Job, args: &Args<'_>, replies: &mut Vec<u8>) -> Verdict {
        let entry = self.core.table.entry(job.command);
        let Home::Data(run) = entry.home else { unreachable!("only data commands become jobs") };
        let call = Call { spec: entry.spec, run, db: job.db, flags: job.flags };
        self.shard.execute(&mut self.core, call, args, replies)
    }

    /// Puts the outcomes of a batch of ours where they belong.
    pub(crate) fn on_outcomes(&mut self, from: CoreId, batch: Box<Batch>) {
        let (mut at, mut first) = (0usize, 0usize);
        for (job, outcome) in batch.jobs.iter().zip(&batch.outcomes) {
            let reply = &batch.replies[at..at + outcome.len as usize];
            let args = Args::new(
                &batch.bytes,
                &batch.spans[first..first + job.args as usize],
                self.core.hasher,
            );
            at += outcome.len as usize;
            first += job.args as usize;
            let verdict = Verdict {
                failed: outcome.failed,
                rejected: outcome.rejected,
                slow: outcome.ticks >= self.core.slow_ticks
                    || args.extent().max(reply.len()) as u64 >= self.core.large_bytes,
                ticks: outcome.ticks,
                weight: u64::from(outcome.weight),
            };
            match job.address {
                Address::Session(conn, place) => {
                    self.note_at(conn, Some(place), job.command, verdict, &args, reply);
                    self.fill_place(conn, place, reply);
                }
                Address::Gather { gather, generation, part } => {
                    self.gathers.charge(gather, generation, outcome.ticks);
                    self.fill_part(gather, generation, part, reply);
                }
                Address::Nobody(conn) => self.note(conn, job.command, verdict, &args, reply),
            }
        }
        if self.outbox.returned(from, batch) {
            self.wake_congested();
        }
    }
}
