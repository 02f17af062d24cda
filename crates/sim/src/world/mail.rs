//! The rings between the cores as `mailbox` promises them, without its atomics.
//!
//! One FIFO for each ordered pair, and one word for each sender: the stamp of what it published
//! last. A message is visible once its sender's word has reached its stamp, so one store shows a turn's
//! mail to everybody. A receiver reads the clock, then the words one by one, and others publish in between: the
//! world interleaves the steps of [`Drain`] with publications. What a drain admits and in which order
//! it delivers is the protocol of docs/design/mailbox.md.

use engine::Message;
use std::collections::VecDeque;

/// The rings of all pairs.
pub struct Mail {
    cores: usize,
    capacity: usize,
    lanes: Vec<VecDeque<Letter>>,
    /// The stamp of each core's last publication.
    published: Vec<u64>,
    /// Each core's hybrid logical clock.
    clocks: Vec<u64>,
}

struct Letter {
    /// None until it is published.
    stamp: Option<u64>,
    message: Message,
}

/// One core's look into its rings, step by step.
#[derive(Default, Clone)]
pub struct Drain {
    /// The sender whose word is read next.
    next: usize,
    /// What is stamped at this time or later stays for the next look.
    horizon: u64,
    /// Admitted messages of each sender.
    admitted: Vec<usize>,
}

/// How a drain works; all but the first are mistakes to be found.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// As it should be.
    Stamped,
    /// No horizon, delivery sender by sender.
    Careless,
}

impl Mail {
    /// Empty rings of `capacity` messages between `cores` cores.
    pub fn new(cores: usize, capacity: usize) -> Mail {
        Mail {
            cores,
            capacity,
            lanes: (0..cores * cores).map(|_| VecDeque::new()).collect(),
            published: vec![0; cores],
            clocks: vec![0; cores],
        }
    }

    /// How many cores there are.
    pub fn cores(&self) -> usize {
        self.cores
    }

    /// How many messages a ring takes.
    pub fn space(&self, from: usize, to: usize) -> usize {
        self.capacity.saturating_sub(self.lane(from, to).len())
    }

    /// Stages a message.
    pub fn push(&mut self, from: usize, to: usize, message: Message) {
        assert!(self.space(from, to) > 0, "who pushes has asked for space");
        self.lanes[from * self.cores + to].push_back(Letter { stamp: None, message });
    }

    /// Whether the core has staged something that satisfies `which`.
    pub fn is_staged(&self, from: usize) -> bool {
        (0..self.cores)
            .any(|to| self.lane(from, to).back().is_some_and(|last| last.stamp.is_none()))
    }

    fn lane(&self, from: usize, to: usize) -> &VecDeque<Letter> {
        &self.lanes[from * self.cores + to]
    }

    /// Shows what is staged and passes `which` by one store; gives the receivers. `time` is the reading
    /// of the monotonic clock for this publication, in nanoseconds.
    pub fn publish(
        &mut self,
        from: usize,
        time: u64,
        which: impl Fn(&Message) -> bool,
    ) -> Vec<usize> {
        let stamp = (self.clocks[from] + 1).max(time);
        let mut receivers = Vec::new();
        for to in 0..self.cores {
            let lane = &mut self.lanes[from * self.cores + to];
            // A correct sender shows everything. One that holds messages back shows them later, and
            // then behind the others.
            let first = lane.iter().position(|letter| letter.stamp.is_none()).unwrap_or(lane.len());
            let staged: Vec<Letter> = lane.drain(first..).collect();
            let (shown, kept): (Vec<_>, Vec<_>) =
                staged.into_iter().partition(|letter| which(&letter.message));
            if !shown.is_empty() {
                receivers.push(to);
            }
            lane.extend(shown.into_iter().map(|letter| Letter { stamp: Some(stamp), ..letter }));
            lane.extend(kept);
        }
        if !receivers.is_empty() {
            self.clocks[from] = stamp;
            self.published[from] = stamp;
        }
        receivers
    }

    /// Whether a drain would find something.
    pub fn has_mail(&self, to: usize) -> bool {
        (0..self.cores)
            .any(|from| self.lane(from, to).front().is_some_and(|letter| letter.stamp.is_some()))
    }

    /// Whether nothing lies in any ring.
    pub fn is_empty(&self) -> bool {
        self.lanes.iter().all(VecDeque::is_empty)
    }

    /// Begins a look into the rings of a core.
    pub fn begin(&self, now_ns: u64) -> Drain {
        Drain { next: 0, horizon: now_ns, admitted: vec![0; self.cores] }
    }

    /// Reads one sender's word. True when the drain has read all.
    pub fn step(&self, to: usize, drain: &mut Drain, protocol: Protocol) -> bool {
        let from = drain.next;
        let limit = match protocol {
            Protocol::Stamped => self.published[from].min(drain.horizon.saturating_sub(1)),
            Protocol::Careless => self.published[from],
        };
        let admitted = |letter: &&Letter| letter.stamp.is_some_and(|stamp| stamp <= limit);
        drain.admitted[from] = self.lane(from, to).iter().take_while(admitted).count();
        drain.next += 1;
        drain.next == self.cores
    }

    /// Takes out what a drain has admitted, in the order of delivery.
    pub fn deliver(
        &mut self,
        to: usize,
        drain: Drain,
        protocol: Protocol,
    ) -> Vec<(usize, Message)> {
        let mut letters: Vec<(u64, usize, Message)> = Vec::new();
        for (from, count) in drain.admitted.iter().enumerate() {
            let lane = &mut self.lanes[from * self.cores + to];
            for letter in lane.drain(..count) {
                letters.push((
                    letter.stamp.expect("only what is published is admitted"),
                    from,
                    letter.message,
                ));
            }
        }
        if protocol == Protocol::Stamped {
            letters.sort_by_key(|(stamp, from, _)| (*stamp, *from));
        }
        for (stamp, _, _) in &letters {
            self.clocks[to] = self.clocks[to].max(*stamp);
        }
        letters.into_iter().map(|(_, from, message)| (from, message)).collect()
    }
}
