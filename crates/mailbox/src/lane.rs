//! The ring of one ordered pair: one producer, one consumer, bounded, no locks.
//!
//! `head` and `tail` count messages since the start and only grow (wrapping); a message at position
//! `p` lives in slot `p & mask`. The producer alone stores `tail`, the consumer alone stores `head`.
//! A slot belongs to the producer while `head <= p - capacity`, and to the consumer while
//! `head <= p < tail`. Ownership passes by two Release/Acquire pairs, which is all that ARM's weaker
//! order needs: `tail` is stored with Release after the slot was written and loaded with Acquire
//! before it is read; `head` is stored with Release after the message was moved out and loaded with
//! Acquire before the slot is written again.
//!
//! The lane does not decide visibility: a message below `tail` may still be unpublished. That is
//! what the stamp beside it is for (see `mailbox.rs`).

use crate::sync::{AtomicU64, AtomicUsize, Ordering, Padded, UnsafeCell};
use std::mem::MaybeUninit;

struct Entry<T> {
    /// Written anew, by its producer, while a publish is repeated; a consumer that looks meanwhile finds one of the
    /// stamps, all of which are above what is published.
    stamp: AtomicU64,
    message: T,
}

type Slot<T> = UnsafeCell<MaybeUninit<Entry<T>>>;

/// One ring. `pub(crate)` methods that touch slots are unsafe: the caller says which side it is.
pub(crate) struct Lane<T> {
    head: Padded<AtomicUsize>,
    tail: Padded<AtomicUsize>,
    slots: Box<[Slot<T>]>,
}

// SAFETY: a lane only moves messages from one thread to another, so `T: Send` is enough; slots are
// touched by the side that owns them (see the top of the file), which the unsafe methods demand.
unsafe impl<T: Send> Sync for Lane<T> {}
// SAFETY: as above; sending a lane sends the messages in it.
unsafe impl<T: Send> Send for Lane<T> {}

impl<T> Lane<T> {
    /// A ring for `capacity` messages, a power of two. The slots' memory is touched on first use.
    pub(crate) fn new(capacity: usize) -> Lane<T> {
        assert!(capacity.is_power_of_two(), "positions wrap by a mask");
        Lane {
            head: Padded(AtomicUsize::new(0)),
            tail: Padded(AtomicUsize::new(0)),
            slots: vacant_slots(capacity),
        }
    }

    fn slot(&self, position: usize) -> &Slot<T> {
        &self.slots[position & (self.slots.len() - 1)]
    }

    /// How many messages fit.
    pub(crate) fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// The position of the oldest message not yet taken; Acquire, so that slots before it may be
    /// written again.
    pub(crate) fn head(&self) -> usize {
        self.head.0.load(Ordering::Acquire)
    }

    /// The position after the newest message; Acquire, so that slots before it may be read.
    pub(crate) fn tail(&self) -> usize {
        self.tail.0.load(Ordering::Acquire)
    }

    /// Producer: writes a message, invisible until [`Self::advance_tail`] has passed it.
    ///
    /// # Safety
    /// The caller is the only producer, and `head() > position - capacity`.
    pub(crate) unsafe fn write(&self, position: usize, message: T) {
        self.slot(position).with_mut(|slot| {
            // SAFETY: the slot is vacant and the producer's, by the caller's promise.
            unsafe { (*slot).write(Entry { stamp: AtomicU64::new(0), message }) };
        });
    }

    /// Producer: stamps a written message.
    ///
    /// # Safety
    /// The caller is the only producer, wrote `position`, and has not published it: the consumer looks at its stamp at the most.
    pub(crate) unsafe fn stamp(&self, position: usize, stamp: u64) {
        self.slot(position).with(|slot| {
            // SAFETY: written and not taken before it is published, by the caller's promise; shared access to an atomic.
            unsafe { (*slot).assume_init_ref().stamp.store(stamp, Ordering::Relaxed) };
        });
    }

    /// Producer: hands the slots before `position` to the consumer.
    pub(crate) fn advance_tail(&self, position: usize) {
        self.tail.0.store(position, Ordering::Release);
    }

    /// Consumer: the stamp of a message.
    ///
    /// # Safety
    /// The caller is the only consumer and `head <= position < tail` as it last saw them.
    pub(crate) unsafe fn stamp_of(&self, position: usize) -> u64 {
        self.slot(position).with(|slot| {
            // SAFETY: written, and the consumer's, by the caller's promise.
            unsafe { (*slot).assume_init_ref().stamp.load(Ordering::Relaxed) }
        })
    }

    /// Consumer: moves the message at `head` out and gives the slot back.
    ///
    /// # Safety
    /// The caller is the only consumer, `head` is the lane's head, and `head < tail` as it saw it.
    pub(crate) unsafe fn take(&self, head: usize) -> T {
        let message = self.slot(head).with(|slot| {
            // SAFETY: written, and the consumer's; the store below makes this the only read.
            unsafe { (*slot).assume_init_read().message }
        });
        self.head.0.store(head.wrapping_add(1), Ordering::Release);
        message
    }

    /// Producer: drops a message that was written and never handed over.
    ///
    /// # Safety
    /// As [`Self::stamp`]; the position must be written again before anything reads it.
    pub(crate) unsafe fn forget(&self, position: usize) {
        self.slot(position).with_mut(|slot| {
            // SAFETY: written and still the producer's, by the caller's promise.
            unsafe { (*slot).assume_init_drop() };
        });
    }
}

impl<T> Drop for Lane<T> {
    fn drop(&mut self) {
        let (mut head, tail) = (self.head(), self.tail());
        while head != tail {
            // SAFETY: `&mut self`: nobody else is on either side, and `head..tail` is written.
            drop(unsafe { self.take(head) });
            head = head.wrapping_add(1);
        }
    }
}

#[cfg(not(loom))]
fn vacant_slots<T>(capacity: usize) -> Box<[Slot<T>]> {
    // SAFETY: a slot is a transparent cell of `MaybeUninit`, for which uninitialised memory is
    // valid. Not written here, so a large mesh costs no memory before it is used.
    unsafe { Box::<[Slot<T>]>::new_uninit_slice(capacity).assume_init() }
}

#[cfg(loom)]
fn vacant_slots<T>(capacity: usize) -> Box<[Slot<T>]> {
    (0..capacity).map(|_| Slot::new(MaybeUninit::uninit())).collect()
}
