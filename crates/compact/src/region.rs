//! Zeroed memory straight from the system.
//!
//! The slab and the arrays of table headers want three things that an allocator's interface does
//! not promise: alignment to megabytes without waste, pages that cost nothing until they are
//! written, and giving back the middle of a block. So they map their memory themselves.

use core::ptr::NonNull;

/// A mapped block of memory, zeroed, unmapped when dropped. Nothing is resident before it is
/// written.
pub(crate) struct Region {
    base: NonNull<u8>,
    bytes: usize,
    align: usize,
}

#[cfg(not(feature = "plain-alloc"))]
impl Region {
    /// Maps `bytes` at a multiple of `align`, both multiples of 64 KiB, so of any page size in
    /// use. Ends the process when the system refuses, as an allocation would.
    pub(crate) fn map(bytes: usize, align: usize) -> Region {
        use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};
        const COARSEST_PAGE: usize = 64 << 10;
        assert!(bytes.is_multiple_of(COARSEST_PAGE) && align.is_multiple_of(COARSEST_PAGE));
        let span = bytes + align;
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: an anonymous mapping at an address of the kernel's choice overlaps nothing.
        let mapped = unsafe { mmap_anonymous(core::ptr::null_mut(), span, protection, flags) };
        let Ok(start) = mapped else {
            std::alloc::handle_alloc_error(core::alloc::Layout::new::<[u8; COARSEST_PAGE]>())
        };
        let before = start.align_offset(align);
        let base = start.cast::<u8>().wrapping_add(before);
        let after = span - before - bytes;
        // SAFETY: both ranges are the ends of the mapping just made, around the part we keep.
        // Failing to give back address space is no reason to stop, so the results do not matter.
        unsafe {
            if before > 0 {
                let _ = munmap(start, before);
            }
            if after > 0 {
                let _ = munmap(base.wrapping_add(bytes).cast(), after);
            }
        }
        // Huge pages would make lookups that nothing prefetched a fifth faster, but what is resident
        // would be neither what we count nor what we gave back: where the system gives them unasked
        // we decline. Refusal means that it knows none.
        // SAFETY: advice on our own mapping.
        let _ = unsafe { madvise(base.cast(), bytes, Advice::LinuxNoHugepage) };
        let base = NonNull::new(base).expect("a mapping is never at address zero");
        Region { base, bytes, align }
    }

    /// Gives pages back to the system; they read as zero afterwards.
    ///
    /// # Safety
    /// The range, in multiples of 64 KiB, lies within one live region, and nobody needs what it
    /// holds.
    pub(crate) unsafe fn discard(start: NonNull<u8>, bytes: usize) {
        use rustix::mm::{Advice, madvise};
        // SAFETY: the caller's promise. Refusal leaves the pages resident, which costs memory and
        // nothing else; the slab does not rely on the zeroes.
        let _ = unsafe { madvise(start.as_ptr().cast(), bytes, Advice::LinuxDontNeed) };
    }
}

#[cfg(not(feature = "plain-alloc"))]
impl Drop for Region {
    fn drop(&mut self) {
        debug_assert!(self.base.addr().get().is_multiple_of(self.align));
        // SAFETY: the mapping is ours alone, and who owned what lived in it is gone.
        let _ = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.bytes) };
    }
}

#[cfg(feature = "plain-alloc")]
impl Region {
    fn layout(bytes: usize, align: usize) -> core::alloc::Layout {
        core::alloc::Layout::from_size_align(bytes, align).expect("a power of two")
    }

    pub(crate) fn map(bytes: usize, align: usize) -> Region {
        let layout = Region::layout(bytes, align);
        // SAFETY: the layout is not of size zero.
        let base = NonNull::new(unsafe { std::alloc::alloc_zeroed(layout) });
        let base = base.unwrap_or_else(|| std::alloc::handle_alloc_error(layout));
        Region { base, bytes, align }
    }

    /// # Safety
    /// As above; nothing is done here.
    pub(crate) unsafe fn discard(_start: NonNull<u8>, _bytes: usize) {}
}

#[cfg(feature = "plain-alloc")]
impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: allocated by `map` with this layout.
        unsafe { std::alloc::dealloc(self.base.as_ptr(), Region::layout(self.bytes, self.align)) };
    }
}

impl Region {
    /// The first byte.
    pub(crate) fn base(&self) -> NonNull<u8> {
        self.base
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_aligned_zeroed_and_writable_after_a_discard() {
        let region = Region::map(128 << 10, 256 << 10);
        let base = region.base();
        assert!(base.addr().get().is_multiple_of(256 << 10));
        // SAFETY: all accesses are within the region, which nobody else knows.
        unsafe {
            assert_eq!(base.add((128 << 10) - 1).read(), 0);
            base.add(65536).write(7);
            Region::discard(base.add(65536), 65536);
            base.add(65536).write(8);
            assert_eq!(base.add(65536).read(), 8);
        }
    }
}
