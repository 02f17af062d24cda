//! What the process' allocator does with memory that was freed.

use libmimalloc_sys::{mi_option_set, mi_option_t};

/// `mi_option_purge_delay` of mimalloc.h, which the bindings do not name.
const PURGE_DELAY: mi_option_t = 15;

/// How long mimalloc keeps freed memory before it gives it back to the system, in milliseconds. Its own
/// choice, a second, left 83 MB resident of a server that had been 14 MB before a crowd of
/// hostile clients, and so did 100; at once leaves 37. What is allocated often is kept by the
/// engine's own reserves, so this is seldom paid for.
const PURGE_DELAY_MS: std::ffi::c_long = 0;

/// Has mimalloc give freed memory back soon. To be called once, before there are other threads. Without
/// effect where another allocator serves the process.
pub fn give_freed_memory_back() {
    // SAFETY: writes one word of mimalloc's table of options, whose index is within it; no other thread
    // reads it meanwhile.
    unsafe { mi_option_set(PURGE_DELAY, PURGE_DELAY_MS) };
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
