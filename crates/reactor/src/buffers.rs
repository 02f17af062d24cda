//! The memory that the kernel receives into.
//!
//! A ring of buffers is registered once; the kernel picks one when bytes are there, so an idle
//! connection holds none. The memory is mapped, not allocated: a page costs nothing before it is
//! first received into. Where the kernel can (6.12), buffers are used *incrementally*: it fills one
//! buffer with the bytes of many receives before it opens the next, so that a turn's input lies
//! densely in a few pages instead of one page a request. A buffer goes back when the kernel
//! has finished with it and the turn that read it is over.

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
    /// Buffers in use, the first ones: those behind them were never handed to the kernel.
    used: u16,
    /// Of those in use, how many are with the turn, not with the kernel.
    out: usize,
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
        let mut buffers =
            Buffers { region, offset, count, each, tail: 0, filled, incremental, used: 0, out: 0 };
        buffers.use_more(FIRST.min(count));
        Ok(buffers)
    }

    /// Hands the kernel twice as many buffers as before, up to all there are: it has run out of them.
    pub(crate) fn widen(&mut self) {
        self.use_more(self.used.min(self.count - self.used));
    }

    /// Hands the kernel this many buffers that it has never had.
    fn use_more(&mut self, more: u16) {
        if more > 0 {
            self.out += more as usize;
            (self.used..self.used + more).for_each(|id| self.stage(id));
            self.used += more;
            self.publish();
        }
    }

    pub(crate) fn region(&self) -> &Rc<Region> {
        &self.region
    }

    /// How many buffers are with the kernel.
    pub(crate) fn available(&self) -> usize {
        self.used as usize - self.out
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

    /// Gives finished buffers back to the kernel.
    #[inline]
    pub(crate) fn give_back(&mut self, ids: &[u16]) {
        if ids.is_empty() {
            return;
        }
        ids.iter().for_each(|id| self.stage(*id));
        self.publish();
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

/// The kernel's page size: 4 KiB on x86_64, up to 64 KiB on ARM.
pub(crate) fn page_bytes() -> usize {
    // SAFETY: no arguments, no effects.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(bytes).expect("every Linux has a page size")
}
