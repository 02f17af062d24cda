//! Planted bugs: what a wrong mailbox, hop or owner would do. A checker that does not find them is
//! no checker; `tests.rs` holds that each is found.

use base::Prng;
use engine::Message;
use engine::message::{Address, Batch};
use engine::mistakes::Mistakes;
use engine::shard::lease::{Lease, Word};
use std::collections::BTreeMap;

/// A mistake that the world makes on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Plant {
    /// Outcomes and notices of a turn are visible before its jobs.
    LateJobs,
    /// A receiver ignores stamps: one pass, sender by sender.
    NoStamps,
    /// Mail is drained before the sockets are looked at, not after.
    EarlyDrain,
    /// A message is lost.
    LostMessage,
    /// Outcomes arrive twice.
    DoubleOutcomes,
    /// Two messages of one ring change places.
    SwappedMessages,
    /// A read is answered from a cache that writes do not reach.
    StaleRead,
    /// Two sessions of a core get each other's reply.
    SwappedReplies,
    /// The last element of an MGET's part is lost.
    LostPart,
    /// An owner's clock runs ahead: keys expire early.
    EarlyExpiry,
    /// A memory grant arrives twice.
    DoubleGrant,
    /// A byte of the output is lost.
    LostByte,
    /// A publication bears an earlier time than that at which it becomes visible: it comes late.
    StaleStamp,
    /// An owner unlocks as soon as it has granted.
    EarlyUnlock,
    /// An owner that has only to write grants without locking.
    SkippedLock,
    /// One owner sees two transactions in another order than the others.
    SwappedLocks,
    /// An owner takes its locks behind everything else that came with them, whatever the stamps say.
    LocksLast,
    /// An owner is not told that a transaction is over.
    LostFinish,
    /// One of the owners is told that nothing is to be written.
    HalfFinish,
    /// A lock is not given back.
    KeptLock,
    /// A grant arrives twice: the second counts for another owner's.
    DoubledGrant,
    /// What was lent is lost on its way.
    LostLoan,
    /// The outcome of a job that waited for a lock is lost: its session sleeps on.
    LostLate,
    /// EXEC is not told that a watched key has changed.
    LostDirt,
    /// What comes home from a transaction is not said to have changed.
    LostTouch,
    /// An offer of a key to a session that waits is lost.
    LostOffer,
    /// A claim arrives as a refusal.
    LostClaim,
    /// A refusal arrives as a claim: an element is taken for nobody.
    ForeignClaim,
    /// A claim arrives twice.
    DoubledClaim,
    /// The element that was claimed is lost.
    LostServed,
    /// A session that waits no longer is still waited for.
    LostWithdraw,
    /// A session that watches no longer is still watched for.
    LostUnwatch,
    /// What a script's attempt has written is not undone before the script runs again.
    KeptAttempt,
    /// A job runs on a key that is locked.
    IgnoredLock,
}

impl Plant {
    /// What the engines themselves do wrong.
    pub fn mistakes(self) -> Mistakes {
        Mistakes {
            attempts_stay: self == Plant::KeptAttempt,
            jobs_ignore_locks: self == Plant::IgnoredLock,
        }
    }

    /// Whether it shows in operations on several cores only.
    pub fn is_of_transactions(self) -> bool {
        self >= Plant::StaleStamp
    }
}

/// The mistake of a run, and what it needs to be made.
pub struct Gardener {
    plant: Option<Plant>,
    prng: Prng,
    /// Old answers to GET, for stale reads.
    cache: BTreeMap<Vec<u8>, Vec<u8>>,
    get: u16,
    /// Messages that nobody has sent, for each core.
    pub(super) forged: Vec<Vec<(usize, Message)>>,
}

impl Gardener {
    /// For a run that makes this mistake, or none. `get` is GET's position in the table.
    pub fn new(plant: Option<Plant>, seed: u64, get: u16, cores: usize) -> Gardener {
        Gardener {
            plant,
            prng: Prng::new(seed ^ 0x0070_6c61_6e74),
            cache: BTreeMap::new(),
            get,
            forged: (0..cores).map(|_| Vec::new()).collect(),
        }
    }

    /// The mistake of a run that makes one.
    pub(super) fn plant(&self) -> Plant {
        self.plant.expect("asked where one is made")
    }

    /// Draws whether this is the time for a mistake.
    pub(super) fn one_in(&mut self, times: u64) -> bool {
        self.prng.one_in(times)
    }

    /// Whether this is the mistake of the run.
    pub fn is(&self, plant: Plant) -> bool {
        self.plant == Some(plant)
    }

    /// How far an owner's wall clock is ahead in this turn, in microseconds.
    pub fn clock_ahead_us(&mut self) -> i64 {
        if self.is(Plant::EarlyExpiry) && self.prng.one_in(4) { 40_000 } else { 0 }
    }

    /// Spoils output that is about to be sent.
    pub fn spoil_output(&mut self, bytes: &mut Vec<u8>) {
        if self.is(Plant::LostByte) && self.prng.one_in(40) {
            let at = self.prng.below(bytes.len() as u64) as usize;
            bytes.remove(at);
        }
    }

    /// Spoils the mail that one drain of the core `at` delivers.
    pub fn spoil_mail(
        &mut self,
        at: usize,
        mut mail: Vec<(usize, Message)>,
    ) -> Vec<(usize, Message)> {
        match self.plant {
            Some(plant) if plant.is_of_transactions() && plant != Plant::StaleStamp => {
                mail = self.spoil_transactions(at, mail);
            }
            Some(Plant::LostMessage) => {
                mail.retain(|_| !self.prng.one_in(40));
            }
            Some(Plant::SwappedMessages) => {
                for index in 1..mail.len() {
                    if mail[index - 1].0 == mail[index].0 && self.prng.one_in(2) {
                        mail.swap(index - 1, index);
                    }
                }
            }
            Some(Plant::DoubleOutcomes | Plant::DoubleGrant) => mail = self.doubled(mail),
            Some(Plant::StaleRead | Plant::SwappedReplies | Plant::LostPart) => {
                for (_, message) in &mut mail {
                    if let Message::Outcomes(batch) = message {
                        self.spoil_batch(batch);
                    }
                }
            }
            _ => {}
        }
        mail
    }

    fn doubled(&mut self, mail: Vec<(usize, Message)>) -> Vec<(usize, Message)> {
        let mut more = Vec::new();
        for (from, message) in mail {
            let copy = match &message {
                Message::Outcomes(batch) if self.is(Plant::DoubleOutcomes) => {
                    self.prng.one_in(20).then(|| Message::Outcomes(Box::new(copy(batch))))
                }
                Message::Lease(lease @ Lease { word: Word::Grant(_), .. })
                    if self.is(Plant::DoubleGrant) =>
                {
                    Some(Message::Lease(*lease))
                }
                _ => None,
            };
            more.push((from, message));
            more.extend(copy.map(|copy| (from, copy)));
        }
        more
    }

    fn spoil_batch(&mut self, batch: &mut Batch) {
        match self.plant {
            Some(Plant::SwappedReplies) => {
                let sessions: Vec<usize> = (0..batch.jobs.len())
                    .filter(|index| matches!(batch.jobs[*index].address, Address::Session(..)))
                    .collect();
                for pair in sessions.windows(2) {
                    let (a, b) = (batch.jobs[pair[0]].address, batch.jobs[pair[1]].address);
                    let (Address::Session(one, _), Address::Session(two, _)) = (a, b) else {
                        continue;
                    };
                    if one != two && self.prng.one_in(2) {
                        batch.jobs[pair[0]].address = b;
                        batch.jobs[pair[1]].address = a;
                        return;
                    }
                }
            }
            Some(Plant::StaleRead) => self.answer_from_cache(batch),
            Some(Plant::LostPart) => self.lose_part(batch),
            _ => {}
        }
    }

    /// The replies of a batch, one by one, changed by `change`, which is given the job's index.
    fn rewrite(batch: &mut Batch, mut change: impl FnMut(&Batch, usize, &[u8]) -> Option<Vec<u8>>) {
        let (mut replies, mut at) = (Vec::new(), 0);
        let mut lens = Vec::new();
        for index in 0..batch.jobs.len() {
            let len = batch.outcomes[index].len as usize;
            let reply = &batch.replies[at..at + len];
            at += len;
            let new = change(batch, index, reply).unwrap_or_else(|| reply.to_vec());
            lens.push(new.len() as u32);
            replies.extend_from_slice(&new);
        }
        for (outcome, len) in batch.outcomes.iter_mut().zip(lens) {
            outcome.len = len;
        }
        batch.replies = replies;
    }

    fn answer_from_cache(&mut self, batch: &mut Batch) {
        let (get, cache, prng) = (self.get, &mut self.cache, &mut self.prng);
        let mut first = 0;
        Self::rewrite(batch, |batch, index, reply| {
            let job = batch.jobs[index];
            let spans = &batch.spans[first..first + job.args as usize];
            first += job.args as usize;
            if job.command != get || !matches!(job.address, Address::Session(..)) {
                return None;
            }
            let key = spans[1].of(&batch.bytes).to_vec();
            match cache.get(&key) {
                Some(old) if prng.one_in(4) => Some(old.clone()),
                _ => {
                    cache.insert(key, reply.to_vec());
                    None
                }
            }
        });
    }

    fn lose_part(&mut self, batch: &mut Batch) {
        let prng = &mut self.prng;
        Self::rewrite(batch, |batch, index, reply| {
            let gathered = matches!(batch.jobs[index].address, Address::Gather { .. });
            let cut = reply.windows(3).rposition(|three| three.starts_with(b"\n$"))? + 1;
            let lose = gathered && reply.starts_with(b"*") && prng.one_in(4);
            lose.then(|| [&reply[..cut], b"$-1\r\n"].concat())
        });
    }
}

fn copy(batch: &Batch) -> Batch {
    Batch {
        jobs: batch.jobs.clone(),
        spans: batch.spans.clone(),
        bytes: batch.bytes.clone(),
        outcomes: batch.outcomes.clone(),
        replies: batch.replies.clone(),
        chains: batch.chains.clone(),
        waits: batch.waits.clone(),
        strays: batch.strays.clone(),
        load: batch.load,
        weighed: batch.weighed,
    }
}
