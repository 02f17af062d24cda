//! What a participant holds: its ends of all rings, its clock, and what it has seen of the others.
//!
//! # Visibility
//! Sender `s` has one word, `published[s]`. [`Mailbox::publish`] takes a stamp, writes it beside
//! every message staged since the last time, stores the tails of the rings concerned (Release), and
//! then stores the stamp to `published[s]` (Release). A receiver admits a message only if its stamp
//! is at most the `published[s]` it has read (Acquire). So one store makes a turn's mail to all
//! receivers visible; the tails on the way to it show nothing. A receiver that reads `published[s]`
//! has the tails and slots of that batch too: they were stored before it, and Release/Acquire on the
//! same word orders them on every machine, ARM included.
//!
//! # Stamps
//! The stamp is a hybrid logical clock: `max(clock + 1, time)`, where `clock` is at least every
//! stamp this participant has published or drained. `time` is nanoseconds of one monotonic clock
//! of the machine, read within [`Mailbox::publish`]. From this follow
//! 1. a sender's stamps strictly increase;
//! 2. a message sent after draining `x` has a stamp above that of `x`;
//! 3. no stamp is ahead of the true time of its `publish`: two publishes in a chain of causes are
//!    more than a nanosecond apart, so adding 1 never overtakes the clock. Hence a core that acts on
//!    what a *client* learned (over sockets, where no stamp travels) stamps above all that the
//!    client's knowledge came from.
//!
//! So wherever `c` happened before `m` and both are messages, `stamp(c) < stamp(m)`, or they are of
//! one batch. Point 3 is why `time` is not in microseconds: with a coarse clock two stamps of
//! one tick could be ordered against what a client saw.
//!
//! # One order for all
//! **Every receiver takes the messages addressed to it in the order of (stamp, sender), and none comes late.** So what one
//! publish says to several receivers, and what another says to the same ones, is seen in the same order by all of
//! them: an atomic multicast, on which transactions rest (docs/design/transactions.md). A receiver reads the clock (its
//! *horizon*) and then each sender's word, and takes what is stamped below the horizon. What could come late is a
//! message whose sender has read the clock, but not yet stored its word. Therefore a sender marks its word as *begun*, fences,
//! and only then reads the clock; and it stores the stamp by a compare-exchange against that mark. A
//! receiver that finds the mark *seals* the word: the sender's exchange fails, and it stamps anew. So when a receiver has looked
//! at a word, either the message is visible in it, or the sender will yet read the clock:
//! - word sealed: the sender reads the clock after it has found the seal, which is after the horizon was read;
//! - word neither begun nor published: the sender's mark is not in what the receiver has read. Both sides fence (SeqCst) between
//!   their two steps, so the sender's fence is the later one, and its clock is read after the receiver's.
//!
//! In both cases its stamp is at the horizon or above. Nobody waits: a sender repeats an attempt of some fifty nanoseconds if a receiver looks
//! at its word in just that time, and receivers look once a turn. What is published while a receiver
//! looks waits for its next turn, instead of keeping it looking.
//!
//! Causes come before effects, as their stamps are smaller.
//!
//! Two rules for the caller: publish before the turn's output can reach a socket, and drain after
//! the turn's input was taken and before it is executed.
//!
//! # Sleep and wake
//! Dekker's handshake. The sleeper stores `asleep`, fences, and looks for mail; the sender stores
//! `published`, fences, and looks at `asleep`. Both fences are SeqCst, so one of them is first in their
//! total order: either the sleeper's look finds the mail, or the sender's look finds it
//! asleep. Release/Acquire alone would allow both to miss. Of several senders the one whose swap takes
//! the flag down wakes; the others save the system call. A claimed sleeper is awake as soon as its wake-up
//! comes, so whoever has the [`Wakes`] must act on it at once.

use crate::lane::Lane;
use crate::sync::{Arc, AtomicBool, AtomicU64, Ordering, Padded, fence};
use crate::wakes::{PARTICIPANTS_MAX, Wakes};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

/// Bits of a word beside the stamp.
const FLAG_BITS: u32 = 2;
/// The sender is about to read the clock for its next publish, or has done so.
const BEGUN: u64 = 1;
/// A receiver has read the clock since: that reading of the sender's is void.
const SEALED: u64 = 2;

/// What all participants share: `lanes[from * participants + to]` and one post for each.
struct Mesh<T> {
    participants: usize,
    lanes: Box<[Lane<T>]>,
    posts: Box<[Post]>,
}

/// A participant's two public words, on lines of their own: the first is read by every receiver at
/// every turn, the second only by senders that have something for it.
struct Post {
    /// `stamp << FLAG_BITS`, with [`BEGUN`] and [`SEALED`] while the next publish is under way.
    published: Padded<AtomicU64>,
    asleep: Padded<AtomicBool>,
}

/// The sender's side of one lane. Messages `tail..staged` are written and not yet handed over.
struct Outgoing {
    staged: usize,
    tail: usize,
    /// The receiver's head as last read: never ahead of the true one.
    head: usize,
}

/// The receiver's side of one lane. Messages `head..end` are admitted and not yet delivered.
struct Incoming {
    head: usize,
    end: usize,
    /// Every message with a stamp up to this one is before `end`.
    seen: u64,
}

/// One participant's end of the mesh: it alone sends in its name and receives what is sent to it.
/// Belongs to one thread at a time.
pub struct Mailbox<T> {
    me: usize,
    mesh: Arc<Mesh<T>>,
    clock: u64,
    /// This participant's word as it published it last.
    word: u64,
    outgoing: Box<[Outgoing]>,
    /// Receivers of what is staged; `Wakes` serves as the set.
    staged_to: Wakes,
    incoming: Box<[Incoming]>,
    /// Room for the merge of one drain: (stamp of the sender's next message, sender).
    merge: BinaryHeap<Reverse<(u64, usize)>>,
}

/// Builds the rings between all participants, each for `capacity` messages (rounded up to a power of
/// two), and gives one mailbox to each. Takes participants² × capacity slots of address space; memory
/// is touched on use. The bound of every queue here is `capacity`.
pub fn mesh<T: Send>(participants: usize, capacity: usize) -> Vec<Mailbox<T>> {
    assert!((1..=PARTICIPANTS_MAX).contains(&participants), "1..={PARTICIPANTS_MAX} participants");
    let capacity = capacity.max(1).next_power_of_two();
    let mesh = Arc::new(Mesh {
        participants,
        lanes: (0..participants * participants).map(|_| Lane::new(capacity)).collect(),
        posts: (0..participants)
            .map(|_| Post {
                published: Padded(AtomicU64::new(0)),
                asleep: Padded(AtomicBool::new(false)),
            })
            .collect(),
    });
    (0..participants).map(|me| Mailbox::new(me, mesh.clone())).collect()
}

impl<T> Mesh<T> {
    fn lane(&self, from: usize, to: usize) -> &Lane<T> {
        &self.lanes[from * self.participants + to]
    }

    /// The stamp of what a sender has published last.
    fn published(&self, sender: usize) -> u64 {
        self.posts[sender].published.0.load(Ordering::Acquire) >> FLAG_BITS
    }

    /// The same, and makes sure that whatever the sender publishes next is stamped later than this call.
    fn published_for_good(&self, sender: usize) -> u64 {
        let post = &self.posts[sender].published.0;
        let mut word = post.load(Ordering::Acquire);
        while word & (BEGUN | SEALED) == BEGUN {
            let sealed = word | SEALED;
            match post.compare_exchange(word, sealed, Ordering::Acquire, Ordering::Acquire) {
                Ok(_) => break,
                Err(newer) => word = newer,
            }
        }
        word >> FLAG_BITS
    }
}

impl<T> Mailbox<T> {
    fn new(me: usize, mesh: Arc<Mesh<T>>) -> Mailbox<T> {
        let participants = mesh.participants;
        Mailbox {
            me,
            clock: 0,
            word: 0,
            outgoing: (0..participants).map(|_| Outgoing { staged: 0, tail: 0, head: 0 }).collect(),
            staged_to: Wakes::default(),
            incoming: (0..participants).map(|_| Incoming { head: 0, end: 0, seen: 0 }).collect(),
            merge: BinaryHeap::with_capacity(participants),
            mesh,
        }
    }

    /// Which participant this is.
    pub fn index(&self) -> usize {
        self.me
    }

    /// How many participants there are, this one included.
    pub fn participants(&self) -> usize {
        self.mesh.participants
    }

    /// Stages a message for `to` (which may be this participant). It becomes visible with the next
    /// [`Self::publish`]. Gives the message back when the ring is full: back-pressure on whoever
    /// sends, who must not let later messages of the same origin overtake it. O(1).
    #[inline]
    pub fn push(&mut self, to: usize, message: T) -> Result<(), T> {
        let lane = self.mesh.lane(self.me, to);
        let out = &mut self.outgoing[to];
        if out.staged.wrapping_sub(out.head) == lane.capacity() {
            out.head = lane.head();
            if out.staged.wrapping_sub(out.head) == lane.capacity() {
                return Err(message);
            }
        }
        // SAFETY: this mailbox is the only producer of its lanes (`&mut self`, one mailbox a
        // participant), and the receiver's head is within a capacity of `staged`.
        unsafe { lane.write(out.staged, message) };
        out.staged = out.staged.wrapping_add(1);
        self.staged_to.insert(to);
        Ok(())
    }

    /// How many messages `to` can be pushed now without [`Self::push`] refusing. O(1).
    pub fn space(&self, to: usize) -> usize {
        let lane = self.mesh.lane(self.me, to);
        lane.capacity() - self.outgoing[to].staged.wrapping_sub(lane.head())
    }

    /// Whether anything is staged and not published.
    pub fn is_staged(&self) -> bool {
        !self.staged_to.is_empty()
    }

    /// Makes everything staged visible to all its receivers by one store. `time` reads nanoseconds of
    /// the machine's monotonic clock (see the top of the file); it is called at least once.
    /// Returns the receivers that were asleep: the caller must wake them. O(messages staged);
    /// does nothing when nothing is staged.
    pub fn publish(&mut self, time: impl Fn() -> u64) -> Wakes {
        if self.staged_to.is_empty() {
            return Wakes::default();
        }
        while !self.try_publish(&time) {}
        for to in self.staged_to {
            let out = &mut self.outgoing[to];
            out.tail = out.staged;
        }
        fence(Ordering::SeqCst);
        self.claim_sleepers()
    }

    /// One attempt: false when a receiver has sealed it.
    fn try_publish(&mut self, time: &impl Fn() -> u64) -> bool {
        let word = &self.mesh.posts[self.me].published.0;
        let begun = self.word | BEGUN;
        word.store(begun, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        self.clock = (self.clock + 1).max(time());
        for to in self.staged_to {
            let lane = self.mesh.lane(self.me, to);
            let out = &self.outgoing[to];
            let mut position = out.tail;
            while position != out.staged {
                // SAFETY: the only producer, see `push`; written there and not published yet.
                unsafe { lane.stamp(position, self.clock) };
                position = position.wrapping_add(1);
            }
            lane.advance_tail(out.staged);
        }
        let next = self.clock << FLAG_BITS;
        let stored = word.compare_exchange(begun, next, Ordering::Release, Ordering::Relaxed);
        if stored.is_ok() {
            self.word = next;
        }
        stored.is_ok()
    }

    /// The receivers of what was just published whose sleep this participant has to end.
    fn claim_sleepers(&mut self) -> Wakes {
        let mut wakes = Wakes::default();
        for to in std::mem::take(&mut self.staged_to) {
            let asleep = &self.mesh.posts[to].asleep.0;
            // The load spares the awake, who are the rule, a write to their line.
            if asleep.load(Ordering::Relaxed) && asleep.swap(false, Ordering::Relaxed) {
                wakes.insert(to);
            }
        }
        wakes
    }

    /// Takes what is visible and hands it over in the one order that all receivers share. `time` reads nanoseconds of the
    /// machine's monotonic clock; what is stamped at this time or later stays for the next drain. Returns
    /// how many messages it handed over: at most participants × capacity.
    /// O(participants + messages × log participants); one load a participant when there is none.
    pub fn drain(&mut self, time: impl FnOnce() -> u64, mut into: impl FnMut(usize, T)) -> usize {
        let has_news =
            |(sender, incoming): (usize, &Incoming)| self.mesh.published(sender) > incoming.seen;
        if !self.incoming.iter().enumerate().any(has_news) {
            return 0;
        }
        let before = time().saturating_sub(1);
        fence(Ordering::SeqCst);
        let mut any = false;
        for sender in 0..self.incoming.len() {
            let word = self.mesh.published_for_good(sender);
            any |= self.admit(sender, word.min(before));
        }
        if any { self.deliver(&mut into) } else { 0 }
    }

    /// Admits the messages of `sender` with stamps up to `limit`; whether there was any.
    #[inline]
    fn admit(&mut self, sender: usize, limit: u64) -> bool {
        let incoming = &mut self.incoming[sender];
        if limit <= incoming.seen {
            return false;
        }
        incoming.seen = limit;
        let lane = self.mesh.lane(sender, self.me);
        let (tail, before) = (lane.tail(), incoming.end);
        // SAFETY: this mailbox is the only consumer of its lanes; `head <= end < tail`.
        while incoming.end != tail && unsafe { lane.stamp_of(incoming.end) } <= limit {
            incoming.end = incoming.end.wrapping_add(1);
        }
        incoming.end != before
    }

    /// Hands the admitted messages over by (stamp, sender).
    fn deliver(&mut self, into: &mut impl FnMut(usize, T)) -> usize {
        self.merge.clear();
        for (sender, incoming) in self.incoming.iter().enumerate() {
            if incoming.head != incoming.end {
                // SAFETY: the only consumer; admitted, so `head < tail`.
                let stamp = unsafe { self.mesh.lane(sender, self.me).stamp_of(incoming.head) };
                self.merge.push(Reverse((stamp, sender)));
            }
        }
        let mut delivered = 0;
        while let Some(mut first) = self.merge.peek_mut() {
            let Reverse((stamp, sender)) = *first;
            self.clock = self.clock.max(stamp);
            let lane = self.mesh.lane(sender, self.me);
            let incoming = &mut self.incoming[sender];
            let head = incoming.head;
            // Counted as gone before the caller sees it, so that a panic there loses nothing else.
            incoming.head = head.wrapping_add(1);
            // SAFETY: the only consumer; `head` is the lane's head and below `end <= tail`.
            let message = unsafe { lane.take(head) };
            if incoming.head == incoming.end {
                PeekMut::pop(first);
            } else {
                // SAFETY: admitted, as above.
                *first = Reverse((unsafe { lane.stamp_of(incoming.head) }, sender));
                drop(first);
            }
            delivered += 1;
            into(sender, message);
        }
        delivered
    }

    /// Whether a [`Self::drain`] would find something. O(participants).
    pub fn has_mail(&self) -> bool {
        (0..self.incoming.len()).any(|sender| {
            let incoming = &self.incoming[sender];
            let word = self.mesh.published(sender);
            if word <= incoming.seen {
                return false;
            }
            let lane = self.mesh.lane(sender, self.me);
            // SAFETY: the only consumer; `head <= end < tail`.
            lane.tail() != incoming.end && unsafe { lane.stamp_of(incoming.end) } <= word
        })
    }

    /// How many messages lie in the rings to this participant, published or about to be. A figure for
    /// statistics, O(participants).
    pub fn depth(&self) -> usize {
        let waiting = |(sender, incoming): (usize, &Incoming)| {
            self.mesh.lane(sender, self.me).tail().wrapping_sub(incoming.head)
        };
        self.incoming.iter().enumerate().map(waiting).sum()
    }

    /// Says to the senders that this participant is about to block, then looks once more. True: block,
    /// and call [`Self::awake`] afterwards. False: mail has come, drain instead.
    pub fn sleep(&mut self) -> bool {
        let asleep = &self.mesh.posts[self.me].asleep.0;
        asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if self.has_mail() {
            self.awake();
            return false;
        }
        true
    }

    /// Says to the senders that this participant looks by itself again.
    pub fn awake(&mut self) {
        self.mesh.posts[self.me].asleep.0.store(false, Ordering::Relaxed);
    }
}

impl<T> Drop for Mailbox<T> {
    fn drop(&mut self) {
        for to in self.staged_to {
            let lane = self.mesh.lane(self.me, to);
            let out = &mut self.outgoing[to];
            while out.tail != out.staged {
                // SAFETY: the only producer; written, never handed over, and `tail` is never moved
                // again, so nobody reads it.
                unsafe { lane.forget(out.tail) };
                out.tail = out.tail.wrapping_add(1);
            }
        }
    }
}
