//! What the process' allocator does with memory that was freed.

use libmimalloc_sys::{mi_collect, mi_option_set, mi_option_t};

/// `mi_option_purge_delay` of mimalloc.h, which the bindings do not name.
const PURGE_DELAY: mi_option_t = 15;

/// How long mimalloc keeps freed memory before it gives it back to the system, in milliseconds. Without it
/// each long value and each long reply is paid for by page faults: of a GET of 1 MiB that is four fifths, of a
/// SET two thirds. But mimalloc looks at what is due only when it is given more memory back, so that what a crowd
/// of clients leaves behind would stay: hence [`give_back_what_is_due`].
const PURGE_DELAY_MS: std::ffi::c_long = 100;

/// Has mimalloc give freed memory back soon. To be called once, before there are other threads. Without
/// effect where another allocator serves the process.
pub fn give_freed_memory_back() {
    // SAFETY: writes one word of mimalloc's table of options, whose index is within it; no other thread
    // reads it meanwhile.
    unsafe { mi_option_set(PURGE_DELAY, PURGE_DELAY_MS) };
}

/// Gives the system back what the calling thread has freed and not used again for a while. To be called by each
/// core now and then, when it has nothing else to do. O(pages of the thread's heap).
pub fn give_back_what_is_due() {
    // SAFETY: works on the calling thread's own heap and on arenas that mimalloc guards itself.
    unsafe { mi_collect(false) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use libmimalloc_sys::mi_option_get;

    fn purge_delay_ms() -> std::ffi::c_long {
        // SAFETY: reads one word of mimalloc's table of options, whose index is within it.
        unsafe { mi_option_get(PURGE_DELAY) }
    }

    #[test]
    fn the_option_is_the_one_that_the_header_numbers_so() {
        // A second is what no option beside it has by default (mimalloc 3, options.c).
        assert_eq!(purge_delay_ms(), 1000);
        give_freed_memory_back();
        assert_eq!(purge_delay_ms(), PURGE_DELAY_MS);
    }
}
