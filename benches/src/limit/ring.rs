//! The unsafe corner of the limit: a ring of receive buffers shared with the kernel, and queue entries that carry pointers.

use std::alloc::{Layout, alloc_zeroed};
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::Context;
use io_uring::types::BufRingEntry;
use io_uring::{Submitter, squeue};

/// The only buffer group.
pub const BUFFER_GROUP: u16 = 0;

const PAGE_BYTES: usize = 4096;

/// Receive buffers of one size in one block of memory, handed to the kernel through a registered ring. Never freed: it lives as long
/// as the process.
pub struct BufferRing {
    entries: *mut BufRingEntry,
    count: u16,
    memory: *mut u8,
    buffer_bytes: usize,
    tail: u16,
}

impl BufferRing {
    /// Allocates and registers `count` (a power of two) buffers of `buffer_bytes` each.
    ///
    /// # Errors
    /// When the kernel refuses the registration.
    pub fn register(
        submitter: &Submitter<'_>,
        count: u16,
        buffer_bytes: usize,
    ) -> anyhow::Result<Self> {
        assert!(count.is_power_of_two(), "the kernel masks the ring's indices");
        let ring_bytes = usize::from(count) * size_of::<BufRingEntry>();
        let ring_layout = Layout::from_size_align(ring_bytes, PAGE_BYTES)?;
        let memory_layout = Layout::from_size_align(usize::from(count) * buffer_bytes, PAGE_BYTES)?;
        // SAFETY: both layouts have a size above zero, as `count` is a power of two and callers pass a constant size.
        let (entries, memory) = unsafe {
            (alloc_zeroed(ring_layout).cast::<BufRingEntry>(), alloc_zeroed(memory_layout))
        };
        anyhow::ensure!(!entries.is_null() && !memory.is_null(), "no memory for receive buffers");
        let mut ring = Self { entries, count, memory, buffer_bytes, tail: 0 };
        for buffer in 0..count {
            ring.give_back(buffer);
        }
        // SAFETY: `entries` is page-aligned, holds `count` entries and is never freed.
        unsafe { submitter.register_buf_ring_with_flags(entries as u64, count, BUFFER_GROUP, 0) }
            .context("registering the buffer ring")?;
        ring.publish();
        Ok(ring)
    }

    /// What the kernel wrote to a buffer: the first `length` bytes.
    pub fn bytes(&self, buffer: u16, length: usize) -> &[u8] {
        assert!(
            buffer < self.count && length <= self.buffer_bytes,
            "the kernel names a buffer it was given"
        );
        // SAFETY: in range by the assertion. The kernel does not write to a buffer between its completion and `give_back`, and the
        // borrow of `self` keeps `give_back` away while the slice lives.
        unsafe {
            std::slice::from_raw_parts(
                self.memory.add(usize::from(buffer) * self.buffer_bytes),
                length,
            )
        }
    }

    /// Puts a buffer back; the kernel sees it at the next [`BufferRing::publish`].
    pub fn give_back(&mut self, buffer: u16) {
        let at = usize::from(self.tail & (self.count - 1));
        // SAFETY: `at` is masked into the ring. Entries between the published tail and ours are not read by the kernel.
        let entry = unsafe { &mut *self.entries.add(at) };
        // SAFETY: `buffer` came from the kernel or from `register`, so the offset is inside the block.
        let address = unsafe { self.memory.add(usize::from(buffer) * self.buffer_bytes) };
        entry.set_addr(address as u64);
        entry.set_len(self.buffer_bytes as u32);
        entry.set_bid(buffer);
        self.tail = self.tail.wrapping_add(1);
    }

    /// Lets the kernel see the buffers given back.
    pub fn publish(&mut self) {
        // SAFETY: `entries` is the address of the first entry, whose reserved field is the ring's tail; it is aligned for u16 and only
        // this thread stores to it.
        let tail = unsafe { AtomicU16::from_ptr(BufRingEntry::tail(self.entries).cast_mut()) };
        tail.store(self.tail, Ordering::Release);
    }
}

/// Queues an entry; when the queue is full, what is in it is submitted first.
///
/// # Errors
/// What `io_uring_enter` says.
pub fn push(
    submitter: &Submitter<'_>,
    queue: &mut squeue::SubmissionQueue<'_>,
    entry: &squeue::Entry,
) -> anyhow::Result<()> {
    if queue.is_full() {
        queue.sync();
        submitter.submit().context("submitting a full queue")?;
        queue.sync();
    }
    // SAFETY: entries of this program point only to `Connection::sending`, which is not touched until the send's completion. The Vec's
    // heap block stays where it is when the connection table grows.
    unsafe { queue.push(entry) }.context("the queue was emptied above")
}

/// Closes sockets known by their number only.
pub struct Closer;

impl Closer {
    /// Closes an accepted socket.
    pub fn close(fd: usize) {
        // SAFETY: the number is of an accepted socket that no operation in flight refers to, and nobody else owns it.
        drop(unsafe { OwnedFd::from_raw_fd(fd as i32) });
    }

    /// Ends both directions, which terminates the multishot recv.
    pub fn shut_down(fd: usize) {
        // SAFETY: the socket is open: it is closed only by `close`, after which the connection is reset.
        let socket = unsafe { BorrowedFd::borrow_raw(fd as i32) };
        // A socket whose peer has gone refuses; its recv terminates all the same.
        let _ = rustix::net::shutdown(socket, rustix::net::Shutdown::Both);
    }
}
