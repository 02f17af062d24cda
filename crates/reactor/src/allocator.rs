//! What the process' allocator does with memory that was freed.
//!
//! Giving memory back to the system costs about 100 ns a page, and mimalloc does it for all that is due in one
//! go, within whatever call happens to find it due: ten milliseconds of a core's turn when a collection of two million
//! elements has gone, because its pages become free together, at its end. So cores never give memory back: their empty
//! pages go to the process, and the main thread, which has time, gives the system those that nobody has taken
//! again ([`give_back_free_pages`]).

use libmimalloc_sys::{mi_collect, mi_option_set, mi_option_t};

/// `mi_option_purge_delay` of mimalloc.h, which the bindings do not name.
const PURGE_DELAY: mi_option_t = 15;

/// How old free pages must be before mimalloc gives them back by itself, in milliseconds: only where
/// the main thread has not done so for very long. At once (0) each long value and each long reply would be
/// paid for by page faults: of a GET of 1 MiB that is four fifths, of a SET two thirds.
const PURGE_DELAY_MS: std::ffi::c_long = 10_000;

/// Has mimalloc leave it to [`give_back_free_pages`] to give memory back. To be called once, before there are other
/// threads. Without effect where another allocator serves the process.
pub fn give_back_on_demand() {
    // SAFETY: writes one word of mimalloc's table of options, whose index is within it; no other thread
    // reads it meanwhile.
    unsafe { mi_option_set(PURGE_DELAY, PURGE_DELAY_MS) };
}

/// Gives the system all free pages of the process. To be called now and then by a thread that may take its time.
/// O(free pages).
pub fn give_back_free_pages() {
    // SAFETY: works on the calling thread's own heap and on arenas that mimalloc guards itself.
    unsafe { mi_collect(true) };
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
        give_back_on_demand();
        assert_eq!(purge_delay_ms(), PURGE_DELAY_MS);
    }
}
