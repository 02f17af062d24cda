//! What is to be said to other cores, and how much work they may owe us.
//!
//! A core executes all the mail that it finds in its turn, in the order of the stamps: were some of it
//! left for the next turn, so would have to be every local request that came with it, or causality were
//! lost. So the bound on what a turn executes for others stands here, at the origins: each owes an owner
//! no more than a share of [`TURN_LOAD_MAX`] in jobs under way. What is beyond it stays with its
//! session, unparsed and in order, until outcomes come back.

use crate::message::{Batch, Message};
use base::CoreId;
use std::collections::VecDeque;

/// What an owner is given to execute for others in one turn at the most, all origins together: small jobs,
/// or as many times [`BYTES_PER_JOB`]. Some half a millisecond. One request in parts may exceed it
/// by its parts.
const TURN_LOAD_MAX: usize = 2048;

/// What one origin may have under way to one owner at the least, however many origins there are.
const LANE_LOAD_MIN: usize = 256;

/// Argument bytes that take an owner as long as a small job.
const BYTES_PER_JOB: usize = 512;

/// Batches under way to one core; at the bound the sessions that want more wait.
const BATCHES_MAX: usize = 64;

/// Argument bytes in one batch before the next is begun.
const BATCH_BYTES_MAX: usize = 256 * 1024;

/// A batch's buffer that grew beyond this is given back. [`BATCHES_MAX`] batches of five buffers may lie
/// in reserve for each other core, as long as so many are needed.
const BATCH_KEEP_BYTES: usize = 64 * 1024;

/// How often the reserve of batches is compared with what was needed since, in microseconds.
const TRIM_US: u64 = 100_000;

/// Of the batches in reserve beyond that, one of so many goes each time.
const TRIM_SHARE: usize = 4;

/// Everything that is to be said to other cores.
#[derive(Debug)]
pub struct Outbox {
    lanes: Vec<Lane>,
    /// What may be under way to one owner.
    load_max: usize,
    /// When the reserves are looked at next; monotonic microseconds.
    trim_due_us: u64,
    /// How often what was due has left, counted from 1.
    epoch: u64,
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
    /// Batches filled and not yet back, and the most of them since the reserve was last trimmed.
    under_way: usize,
    needed: usize,
    /// What the jobs under way take of the owner's turn.
    load: usize,
    /// Single jobs wait, and requests in parts: their bound was met. Until half of the room is free again, so
    /// that jobs go in batches and not one by one as outcomes come back.
    full: bool,
    crowded: bool,
    /// So much is free again.
    freed: bool,
    /// Memory of the batches, in reserve and as far as known under way.
    bytes: usize,
}

impl Outbox {
    /// For `cores` cores.
    pub fn new(cores: usize) -> Outbox {
        let origins = cores.saturating_sub(1).max(1);
        Outbox {
            lanes: (0..cores).map(|_| Lane::default()).collect(),
            load_max: (TURN_LOAD_MAX / origins).max(LANE_LOAD_MIN),
            trim_due_us: 0,
            epoch: 1,
        }
    }

    /// Says something to a core at the end of the turn, after this turn's jobs.
    pub fn post(&mut self, core: CoreId, message: Message) {
        self.lanes[core.index()].posted.push_back(message);
    }

    /// Says something to a core between the jobs before and after: what changes its keyspace as a job does.
    pub fn post_in_order(&mut self, core: CoreId, message: Message) {
        let lane = &mut self.lanes[core.index()];
        lane.seal();
        lane.due.push_back(message);
    }

    /// Whether a job for this core must wait.
    #[inline]
    pub fn is_full(&self, core: CoreId) -> bool {
        self.lanes[core.index()].full
    }

    /// Whether a request with parts for this core must wait. Single jobs leave half of the room to these: they
    /// need room on the way to all their owners at once, which they would else find but by chance.
    pub fn is_crowded(&self, core: CoreId) -> bool {
        self.lanes[core.index()].crowded
    }

    /// The batch for the next job to a core; [`Outbox::charge`] follows. Callers look at
    /// [`Outbox::is_full`] or [`Outbox::is_crowded`] before a request.
    #[inline]
    pub fn open(&mut self, core: CoreId) -> &mut Batch {
        let lane = &mut self.lanes[core.index()];
        if lane.open.as_ref().is_some_and(|batch| batch.bytes.len() > BATCH_BYTES_MAX) {
            lane.seal();
        }
        if lane.open.is_none() {
            lane.under_way += 1;
            lane.needed = lane.needed.max(lane.under_way);
            lane.open = Some(lane.spare.pop().unwrap_or_default());
        }
        lane.open.as_mut().expect("made above")
    }

    /// Notes that the open batch has one job more, whose arguments are of so many bytes.
    #[inline]
    pub fn charge(&mut self, core: CoreId, bytes: usize) {
        let load_max = self.load_max;
        let lane = &mut self.lanes[core.index()];
        let load = 1 + bytes / BYTES_PER_JOB;
        lane.load += load;
        lane.crowded |= lane.load >= load_max || lane.under_way >= BATCHES_MAX;
        lane.full |= lane.crowded || lane.load >= load_max / 2;
        lane.open.iter_mut().for_each(|batch| batch.load += load);
    }

    /// Ends the turn: jobs first, then everything else, so that nobody learns of an outcome
    /// before the jobs of the same turn are visible.
    pub fn close_turn(&mut self, now_us: u64) {
        for lane in &mut self.lanes {
            lane.seal();
            if !lane.posted.is_empty() {
                lane.due.append(&mut lane.posted);
            }
        }
        if now_us >= self.trim_due_us {
            self.trim_due_us = now_us + TRIM_US;
            self.lanes.iter_mut().for_each(Lane::trim);
        }
    }

    /// Whether each core that something is due to has a place for it.
    pub fn may_leave(&mut self, space: impl Fn(CoreId) -> usize) -> bool {
        let fits = |(to, lane): (usize, &Lane)| lane.due.is_empty() || space(CoreId(to as u16)) > 0;
        let all = self.lanes.iter().enumerate().all(fits);
        self.epoch += u64::from(all);
        all
    }

    /// What is said to other cores in one epoch becomes visible to all of them at once.
    #[inline]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The oldest message that is due to a core whose ring has so much space; all of them, as one, if there is one place.
    pub fn take(&mut self, core: CoreId, space: usize) -> Option<Message> {
        let due = &mut self.lanes[core.index()].due;
        match space {
            1 if due.len() > 1 => Some(Message::Bundle(due.drain(..).collect())),
            _ => due.pop_front(),
        }
    }

    /// Whether anything is due that has not left.
    pub fn is_due(&self) -> bool {
        self.lanes.iter().any(|lane| !lane.due.is_empty())
    }

    /// Batches sent and not yet back, and messages that have not left.
    pub fn load(&self) -> (usize, usize) {
        let waiting = |lane: &Lane| lane.posted.len() + lane.due.len() + lane.open.iter().len();
        (self.lanes.iter().map(|lane| lane.under_way).sum(), self.lanes.iter().map(waiting).sum())
    }

    /// Memory of all batches, those under way as large as they were when they were last here.
    pub fn bytes(&self) -> usize {
        self.lanes.iter().map(|lane| lane.bytes).sum()
    }

    /// Takes back a batch whose outcomes were handled.
    pub fn returned(&mut self, core: CoreId, mut batch: Box<Batch>) {
        let load_max = self.load_max;
        let lane = &mut self.lanes[core.index()];
        lane.under_way -= 1;
        lane.load -= batch.load;
        batch.reset(BATCH_KEEP_BYTES);
        lane.weigh(&mut batch);
        lane.spare.push(batch);
        lane.freed |= lane.full && lane.load <= load_max / 4 && lane.under_way <= BATCHES_MAX / 2;
    }

    /// Opens the ways that are free again. True when sessions may have waited for one: those that wait
    /// longest are to go on first, so this is not done as soon as outcomes come.
    pub fn reopen(&mut self) -> bool {
        let mut any = false;
        for lane in self.lanes.iter_mut().filter(|lane| lane.freed) {
            (lane.full, lane.crowded, lane.freed) = (false, false, false);
            any = true;
        }
        any
    }
}

impl Lane {
    /// The open batch is complete: it is due to leave.
    fn seal(&mut self) {
        if let Some(mut batch) = self.open.take() {
            self.weigh(&mut batch);
            self.due.push_back(Message::Jobs(batch));
        }
    }

    /// Notes what a batch takes now.
    fn weigh(&mut self, batch: &mut Batch) {
        let now = batch.capacity_bytes();
        let before = std::mem::replace(&mut batch.weighed, now);
        self.bytes = self.bytes + now - before;
    }

    /// Gives back some of the batches in reserve beyond what was needed since the last time.
    fn trim(&mut self) {
        let beyond = (self.under_way + self.spare.len()).saturating_sub(self.needed);
        let go = beyond.div_ceil(TRIM_SHARE).min(self.spare.len());
        // The first are those that were not used for the longest time.
        for batch in self.spare.drain(..go) {
            self.bytes -= batch.weighed;
        }
        self.needed = self.under_way;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use resp::parse::Span;

    const THERE: CoreId = CoreId(1);

    fn job(outbox: &mut Outbox, bytes: usize) {
        let batch = outbox.open(THERE);
        batch.spans.push(Span { start: 0, len: bytes as u32 });
        batch.bytes.resize(batch.bytes.len() + bytes, b'x');
        outbox.charge(THERE, bytes);
    }

    /// Sends all that is due to the owner, which executes nothing.
    #[allow(clippy::vec_box, reason = "the box itself is what is sent and comes back")]
    fn deliver(outbox: &mut Outbox) -> Vec<Box<Batch>> {
        let taken = std::iter::from_fn(|| outbox.take(THERE, usize::MAX));
        let jobs = |message| if let Message::Jobs(batch) = message { Some(batch) } else { None };
        taken.filter_map(jobs).collect()
    }

    #[test]
    fn what_is_under_way_to_an_owner_is_bounded_in_jobs_and_in_bytes() {
        for (cores, bytes) in [(2, 0), (2, 10_000), (9, 0), (64, 0)] {
            let mut outbox = Outbox::new(cores);
            let mut sent = 0;
            while !outbox.is_full(THERE) {
                job(&mut outbox, bytes);
                sent += 1;
            }
            let most = (TURN_LOAD_MAX / (cores - 1)).max(LANE_LOAD_MIN) / 2;
            assert_eq!(sent, most.div_ceil(1 + bytes / BYTES_PER_JOB), "{cores} cores");
            assert!(!outbox.is_crowded(THERE), "requests in parts find room still");
            while !outbox.is_crowded(THERE) {
                job(&mut outbox, bytes);
                sent += 1;
            }
            assert_eq!(sent, (2 * most).div_ceil(1 + bytes / BYTES_PER_JOB));
        }
    }

    #[test]
    fn sessions_are_woken_once_when_half_of_the_room_is_free_again() {
        let mut outbox = Outbox::new(2);
        let turns = 8;
        for _ in 0..turns {
            (0..TURN_LOAD_MAX / 2 / turns).for_each(|_| job(&mut outbox, 0));
            outbox.close_turn(0);
        }
        assert!(outbox.is_full(THERE));
        let open_again = |outbox: &mut Outbox, batch| {
            outbox.returned(THERE, batch);
            outbox.reopen()
        };
        let batches = deliver(&mut outbox);
        let woken: Vec<_> =
            batches.into_iter().map(|batch| open_again(&mut outbox, batch)).collect();
        assert_eq!(woken, [false, false, false, true, false, false, false, false]);
        assert!(!outbox.is_full(THERE));
        assert_eq!((outbox.load(), outbox.lanes[1].load), ((0, 0), 0));
    }

    #[test]
    fn batches_that_are_no_longer_needed_are_counted_and_given_back_bit_by_bit() {
        let mut outbox = Outbox::new(2);
        for turn in 0..40 {
            job(&mut outbox, 40_000);
            outbox.close_turn(turn);
        }
        let batches = deliver(&mut outbox);
        let sum: usize = batches.iter().map(|batch| batch.capacity_bytes()).sum();
        assert!(sum >= 40 * 40_000);
        assert_eq!(outbox.bytes(), sum, "those under way");
        batches.into_iter().for_each(|batch| outbox.returned(THERE, batch));
        assert_eq!(outbox.bytes(), sum, "those in reserve");
        let mut kept = vec![outbox.lanes[1].spare.len()];
        for turn in 1..30 {
            // Two at a time are needed from now on.
            (0..2).for_each(|_| job(&mut outbox, BATCH_BYTES_MAX + 1));
            outbox.close_turn(turn * TRIM_US);
            for batch in deliver(&mut outbox) {
                outbox.returned(THERE, batch);
            }
            kept.push(outbox.lanes[1].spare.len());
        }
        assert!(
            kept.windows(2).all(|pair| pair[1] <= pair[0] && pair[0] - pair[1] <= 10),
            "{kept:?}"
        );
        assert_eq!(kept.last(), Some(&2));
        let sum: usize = outbox.lanes[1].spare.iter().map(|batch| batch.capacity_bytes()).sum();
        assert_eq!(outbox.bytes(), sum);
    }
}
