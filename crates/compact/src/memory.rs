//! Where tables and entries get their memory from: a core's slab, or the global allocator.

use crate::slab::Slab;
use core::alloc::Layout;
use core::ptr::NonNull;

/// A source of memory.
pub(crate) trait Memory {
    /// An object of `bytes` (at least 1), aligned to 8 bytes and, when its size is 64, 128, 256 or 512, to 64.
    /// What it holds is arbitrary.
    fn alloc(&mut self, bytes: usize) -> NonNull<u8>;

    /// Gives an object back.
    ///
    /// # Safety
    /// `object` came from [`Memory::alloc`] of this source for `bytes`, or as many of the same class
    /// (`slab::taken`), and nobody uses it any more.
    unsafe fn free(&mut self, object: NonNull<u8>, bytes: usize);
}

impl Memory for Slab {
    #[inline]
    fn alloc(&mut self, bytes: usize) -> NonNull<u8> {
        Slab::alloc(self, bytes)
    }

    /// # Safety
    /// As [`Memory::free`].
    #[inline]
    unsafe fn free(&mut self, object: NonNull<u8>, bytes: usize) {
        // SAFETY: the caller's promise.
        unsafe { Slab::free(self, object, bytes) };
    }
}

/// The global allocator, for what must be able to leave the core that made it.
#[derive(Debug, Default)]
pub(crate) struct Heap {
    /// Bytes handed out, as the allocator rounds them.
    live: usize,
}

/// What an object of this many bytes takes of the global allocator: multiples of 16 up to 128, then
/// eighths of the next power of two. That is how mimalloc has its size classes, and near enough for others.
#[inline]
fn rounded(bytes: usize) -> usize {
    if bytes <= 128 {
        bytes.next_multiple_of(16)
    } else {
        bytes.next_multiple_of(bytes.next_power_of_two() / 8)
    }
}

fn layout(bytes: usize) -> Layout {
    // The class of the entry format, so that an entry may be overwritten by another of its class.
    let size = crate::slab::taken(bytes);
    let align = if size.is_multiple_of(64) && size <= 512 { 64 } else { 8 };
    Layout::from_size_align(size, align).expect("sizes are far below isize::MAX")
}

impl Heap {
    /// Bytes handed out.
    pub(crate) fn live(&self) -> usize {
        self.live
    }
}

impl Memory for Heap {
    #[inline]
    fn alloc(&mut self, bytes: usize) -> NonNull<u8> {
        let layout = layout(bytes);
        self.live += rounded(layout.size());
        // SAFETY: the size is not zero.
        let object = NonNull::new(unsafe { std::alloc::alloc(layout) });
        object.unwrap_or_else(|| std::alloc::handle_alloc_error(layout))
    }

    /// # Safety
    /// As [`Memory::free`].
    #[inline]
    unsafe fn free(&mut self, object: NonNull<u8>, bytes: usize) {
        let layout = layout(bytes);
        self.live -= rounded(layout.size());
        // SAFETY: made by `alloc` with the same layout, which depends on the class alone.
        unsafe { std::alloc::dealloc(object.as_ptr(), layout) };
    }
}
