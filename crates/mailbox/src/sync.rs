//! The primitives that the orderings are argued in: std's in production, loom's under
//! `--cfg loom`, with one face. Loom's cells check that no access races with another.

#[cfg(loom)]
pub(crate) use loom::{
    cell::UnsafeCell,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence},
    },
};

#[cfg(not(loom))]
pub(crate) use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence},
};

/// std's cell with loom's face: access through a closure that gets a raw pointer.
#[cfg(not(loom))]
#[repr(transparent)]
pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(loom))]
impl<T> UnsafeCell<T> {
    #[inline(always)]
    pub(crate) fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
        read(self.0.get())
    }

    #[inline(always)]
    pub(crate) fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
        write(self.0.get())
    }
}

/// Keeps what one core writes often off the cache lines that another core reads: 128 bytes,
/// because x86 fetches lines in adjacent pairs and several ARM cores have lines of 128.
#[repr(align(128))]
pub(crate) struct Padded<T>(pub(crate) T);
