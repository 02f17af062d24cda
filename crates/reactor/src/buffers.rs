//! The memory that the kernel receives into.
//!
//! A ring of buffers is registered once; the kernel picks one when bytes are there, so an idle
//! connection holds none. The memory is mapped, not allocated: a page costs nothing before it is
//! first received into. Where the kernel can (6.12), buffers are used *incrementally*: it fills one
//! buffer with the bytes of many receives before it opens the next, so that a turn's input lies
//! densely in a few pages instead of one page a request. A buffer goes back when the kernel
//! has finished with it and the turn that read it is over.
//!
//! The kernel has few of them at first, and twice as many whenever these have not sufficed. When half would
//! do for some rounds, the upper half is kept as its buffers come back, and their memory goes to the
//! system. A buffer that the kernel still has is left alone, though nothing may be in it: whether the kernel
//! fills it just now is not ours to know. So after a flood what was in use stays resident until as much has
//! been received again; it is bounded by all there are, and counted ([`Buffers::widened_bytes`]).

use crate::refusal::{Refusal, refusal};
use io_uring::types::BufRingEntry;
use io_uring::{IoUring, cqueue};
use std::io;
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::atomic::{AtomicU16, Ordering};

/// The only group of buffers of a ring.
pub(crate) const GROUP: u16 = 0;

const INCREMENTAL: u16 = 2;

/// How many of the buffers asked for make one where the kernel fills incrementally.
const MERGED: u16 = 4;

/// Buffers that the kernel has at first, a power of two. It uses all that it has in turn, so all of
/// them become resident under any load, and what it fills should still be in the cache when it is read:
/// more are handed out only when these have not sufficed.
const FIRST: u16 = 8;

/// Before buffers are taken from the kernel it must have used all that it has so many times, and never more
/// than half of them in one turn.
const CALM_ROUNDS: usize = 4;

/// Mapped memory, given back when the last user is gone.
pub(crate) struct Region {
    base: NonNull<u8>,
    bytes: usize,
}

impl Region {
    fn map(bytes: usize) -> io::Result<Region> {
        // SAFETY: a new private anonymous mapping; nothing else is touched.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(base.cast()).expect("mmap never maps page zero unasked");
        Ok(Region { base, bytes })
    }

    /// The bytes that a receive has filled.
    ///
    /// # Safety
    /// The kernel filled `start..start + length` and does not write there again while the slice lives:
    /// the buffer has not been given back.
    pub(crate) unsafe fn bytes(&self, start: usize, length: usize) -> &[u8] {
        assert!(start + length <= self.bytes, "the kernel stays within the buffers it was given");
        // SAFETY: within the mapping; initialised and stable by the caller's promise.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr().add(start), length) }
    }

    /// Gives the whole pages of a part back to the system; they read as zeros when they are next touched.
    ///
    /// # Safety
    /// Nobody reads or writes this part meanwhile, and what it holds is not needed.
    unsafe fn discard(&self, start: usize, length: usize) {
        let page = page_bytes();
        let (first, end) = (start.next_multiple_of(page), (start + length) / page * page);
        assert!(end <= self.bytes);
        if first < end {
            // SAFETY: whole pages within the mapping, which nobody uses (the caller's promise). A refusal
            // leaves them resident: no harm.
            unsafe {
                libc::madvise(
                    self.base.as_ptr().add(first).cast(),
                    end - first,
                    libc::MADV_DONTNEED,
                )
            };
        }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: mapped by `map` with this length, and nobody uses it any more.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.bytes) };
    }
}

/// The registered ring of buffers.
pub(crate) struct Buffers {
    region: Rc<Region>,
    /// Where the first buffer starts: behind the ring of descriptors.
    offset: usize,
    count: u16,
    each: u32,
    tail: u16,
    /// How much of each buffer the kernel has filled so far.
    filled: Box<[u32]>,
    incremental: bool,
    /// The kernel may have the buffers below this one.
    limit: u16,
    /// Which buffers are neither with the kernel nor with the turn: never handed out, or taken back.
    kept: Box<[bool]>,
    /// Buffers in use: those that are not kept.
    used: usize,
    /// Of those in use, how many are with the turn, not with the kernel.
    out: usize,
    /// Since the limit was last looked at: buffers that came back, and the most of them in one turn.
    came_back: usize,
    came_most: usize,
}

impl Buffers {
    /// Registers `count` (a power of two up to 32768) buffers of `each` bytes; where the kernel fills them
    /// incrementally, fewer and larger ones of as many bytes together.
    pub(crate) fn register(
        ring: &IoUring,
        count: u16,
        each: u32,
        incrementally: bool,
    ) -> Result<Buffers, Refusal> {
        assert!(count.is_power_of_two() && count <= 32768, "what the kernel can number");
        let what = "rings of provided buffers (IORING_REGISTER_PBUF_RING)";
        let offset = (count as usize * size_of::<BufRingEntry>()).next_multiple_of(page_bytes());
        let map = Region::map(offset + count as usize * each as usize);
        let region = Rc::new(map.map_err(|error| refusal(what, error))?);
        let register = |count, flags| {
            // SAFETY: the descriptors are at the start of the mapping, page aligned, and the owner of
            // the ring keeps `Buffers` until the ring is gone.
            unsafe {
                let base = region.base.as_ptr() as u64;
                ring.submitter().register_buf_ring_with_flags(base, count, GROUP, flags)
            }
        };
        // A request is cut in two where a buffer ends, so these may be few and long.
        let merged = if count >= 2 * MERGED { MERGED } else { 1 };
        let incremental = incrementally && register(count / merged, INCREMENTAL).is_ok();
        let (count, each) =
            if incremental { (count / merged, each * u32::from(merged)) } else { (count, each) };
        if !incremental {
            register(count, 0).map_err(|error| refusal(what, error))?;
        }
        let filled = vec![0; count as usize].into();
        let mut buffers = Buffers {
            region,
            offset,
            count,
            each,
            tail: 0,
            filled,
            incremental,
            limit: 0,
            kept: vec![true; count as usize].into(),
            used: 0,
            out: 0,
            came_back: 0,
            came_most: 0,
        };
        buffers.raise(FIRST.min(count));
        Ok(buffers)
    }

    /// Hands the kernel twice as many buffers as before, up to all there are: it has run out of them.
    pub(crate) fn widen(&mut self) {
        self.raise((self.limit * 2).min(self.count));
    }

    /// Hands the kernel what is kept below a new limit.
    fn raise(&mut self, limit: u16) {
        for id in self.limit..limit {
            if std::mem::take(&mut self.kept[id as usize]) {
                self.used += 1;
                self.out += 1;
                self.stage(id);
            }
        }
        (self.limit, self.came_back, self.came_most) = (limit, 0, 0);
        self.publish();
    }

    /// Halves the limit if that would have sufficed since it was last looked at. O(1).
    fn watch(&mut self, came: usize) {
        self.came_back += came;
        self.came_most = self.came_most.max(came);
        if self.came_back < CALM_ROUNDS * usize::from(self.limit) {
            return;
        }
        if self.limit > FIRST && self.came_most <= usize::from(self.limit / 2) {
            self.limit /= 2;
        }
        (self.came_back, self.came_most) = (0, 0);
    }

    /// Memory of the buffers in use beyond those that the kernel has at first, in bytes.
    pub(crate) fn widened_bytes(&self) -> usize {
        self.used.saturating_sub(FIRST.into()) * self.each as usize
    }

    pub(crate) fn region(&self) -> &Rc<Region> {
        &self.region
    }

    /// How many buffers are with the kernel.
    pub(crate) fn available(&self) -> usize {
        self.used - self.out
    }

    /// How many of the buffers in use are not with the kernel.
    pub(crate) fn out(&self) -> usize {
        self.out
    }

    pub(crate) fn is_incremental(&self) -> bool {
        self.incremental
    }

    /// Notes that the kernel has put `length` bytes into buffer `id`. Returns where they start in the
    /// region, and whether the kernel has finished with the buffer.
    #[inline]
    pub(crate) fn on_filled(&mut self, id: u16, length: u32, flags: u32) -> (usize, bool) {
        let filled = self.filled[id as usize];
        let start = self.offset + id as usize * self.each as usize + filled as usize;
        let finished = !(self.incremental && cqueue::buffer_more(flags));
        if finished {
            self.filled[id as usize] = 0;
            self.out += 1;
        } else {
            self.filled[id as usize] = filled + length;
        }
        (start, finished)
    }

    /// Gives finished buffers back to the kernel, or keeps those beyond the limit.
    #[inline]
    pub(crate) fn give_back(&mut self, ids: &[u16]) {
        if ids.is_empty() {
            return;
        }
        self.watch(ids.len());
        for id in ids {
            if *id < self.limit { self.stage(*id) } else { self.keep(*id) }
        }
        self.publish();
    }

    #[cold]
    fn keep(&mut self, id: u16) {
        self.kept[id as usize] = true;
        self.used -= 1;
        self.out -= 1;
        let start = self.offset + id as usize * self.each as usize;
        // SAFETY: the kernel has finished with this buffer, the turn that read it is over (so is every
        // slice of it), and it has not been given back.
        unsafe { self.region.discard(start, self.each as usize) };
    }

    fn stage(&mut self, id: u16) {
        let slot = (self.tail & (self.count - 1)) as usize;
        let buffer = self.offset + id as usize * self.each as usize;
        // SAFETY: `slot < count`, so the descriptor is within the mapping and aligned. The kernel reads
        // descriptors before its copy of the tail only; this one is at or behind it. Field by field,
        // because the first descriptor's last field is the tail itself.
        unsafe {
            let entry = &mut *self.region.base.as_ptr().cast::<BufRingEntry>().add(slot);
            entry.set_addr(self.region.base.as_ptr().add(buffer) as u64);
            entry.set_len(self.each);
            entry.set_bid(id);
        }
        self.tail = self.tail.wrapping_add(1);
        self.out -= 1;
    }

    fn publish(&mut self) {
        // SAFETY: the tail lies in the first descriptor, which is mapped, initialised (zero pages or
        // `stage`) and aligned for u16; the kernel reads it atomically and nobody else writes it.
        let tail = unsafe {
            let tail = BufRingEntry::tail(self.region.base.as_ptr().cast());
            AtomicU16::from_ptr(tail.cast_mut())
        };
        // Release: the descriptors before the tail that covers them.
        tail.store(self.tail, Ordering::Release);
    }
}

impl crate::Reactor {
    /// Memory of the receive buffers in use beyond those of the start, in bytes.
    pub fn widened_bytes(&self) -> usize {
        self.buffers.widened_bytes()
    }
}

/// The kernel's page size: 4 KiB on x86_64, up to 64 KiB on ARM.
pub(crate) fn page_bytes() -> usize {
    // SAFETY: no arguments, no effects.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(bytes).expect("every Linux has a page size")
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Buffers {
        /// Has the kernel finish with this many buffers, as it does: in the order they were given to it.
        fn finish(&mut self, turns: usize, each_turn: usize, queue: &mut Vec<u16>) {
            for _ in 0..turns {
                let ids: Vec<u16> = queue.drain(..each_turn).collect();
                for id in &ids {
                    let start = self.offset + *id as usize * self.each as usize;
                    // SAFETY: within the mapping; there is no kernel in this test that would use it.
                    unsafe {
                        self.region.base.as_ptr().add(start).write_bytes(1, self.each as usize)
                    };
                    assert!(self.on_filled(*id, self.each, 0).1);
                }
                self.give_back(&ids);
                queue.extend(ids.iter().filter(|id| !self.kept[**id as usize]));
                assert_eq!((self.out, self.available()), (0, queue.len()));
            }
        }

        fn resident_bytes(&self) -> usize {
            let (page, start) = (page_bytes(), self.offset);
            let length = self.count as usize * self.each as usize;
            let mut pages = vec![0u8; length / page];
            // SAFETY: the mapping from its first buffer on, and a byte for each page of it.
            let result = unsafe {
                let base = self.region.base.as_ptr().add(start);
                libc::mincore(base.cast(), length, pages.as_mut_ptr())
            };
            assert_eq!(result, 0);
            pages.iter().filter(|page| **page & 1 == 1).count() * page
        }
    }

    #[test]
    fn buffers_that_a_flood_has_brought_are_given_back_when_half_would_do() {
        let ring = IoUring::new(8).expect("a ring");
        let each = 16 * 1024;
        let mut buffers = Buffers::register(&ring, 64, each, false).expect("a ring of buffers");
        let mut queue: Vec<u16> = (0..FIRST).collect();
        buffers.finish(20, 8, &mut queue);
        assert_eq!((buffers.widened_bytes(), buffers.resident_bytes()), (0, 8 * each as usize));
        for limit in [16, 32, 64, 64] {
            buffers.widen();
            queue.extend((0..buffers.limit).filter(|id| !queue.contains(id)).collect::<Vec<_>>());
            assert_eq!((buffers.available(), queue.len()), (limit, limit));
        }
        buffers.finish(20, 64, &mut queue);
        assert_eq!(buffers.widened_bytes(), 56 * each as usize, "they are needed");
        assert_eq!(buffers.resident_bytes(), 64 * each as usize);
        buffers.finish(40, 20, &mut queue);
        assert_eq!(buffers.resident_bytes(), 32 * each as usize, "20 a turn fit into half");
        assert_eq!(buffers.widened_bytes(), 24 * each as usize);
        buffers.finish(400, 1, &mut queue);
        assert_eq!((buffers.widened_bytes(), buffers.resident_bytes()), (0, 8 * each as usize));
        buffers.widen();
        assert_eq!(buffers.available(), 16, "and again when they do not suffice");
    }
}
