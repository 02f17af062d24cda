//! In the steady state a mesh allocates nothing: a process of its own, whose allocator counts.
#![cfg(not(loom))]

use mailbox::mesh;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: everything is handed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    /// # Safety
    /// As the trait says.
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise is handed on.
        unsafe { System.alloc(layout) }
    }

    /// # Safety
    /// As the trait says.
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is handed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn sending_draining_and_sleeping_allocate_nothing() {
    let mut boxes = mesh::<u64>(3, 8);
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    let mut sum = 0;
    for time in 0..1000 {
        for sender in &mut boxes {
            for to in 0..3 {
                sender.push(to, time).expect("drained in each round");
            }
            let _ = sender.publish(time);
        }
        for mailbox in &mut boxes {
            mailbox.drain(|_, message| sum += message);
            assert!(mailbox.sleep());
            mailbox.awake();
        }
    }
    assert_eq!(sum, 9 * (0..1000).sum::<u64>());
    assert_eq!(ALLOCATIONS.load(Ordering::Relaxed) - before, 0);
}
