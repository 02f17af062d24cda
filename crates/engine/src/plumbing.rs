//! Figures that only the plumbing around an engine can read: clocks of threads, rings, the kernel.
//!
//! An engine reads no clock and sees no ring, so the server writes these plain numbers into it
//! (at most every 100 ms, the maxima of turns each turn) and INFO reads them from there. In a
//! simulation they stay zero.

/// What the core loop tells about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plumbing {
    /// Share of the time since the last refresh in which the loop worked, in thousandths.
    pub busy_permille: u64,
    /// Messages that wait in the rings to this core.
    pub mailbox_depth: u64,
    /// Wake-ups received from other cores.
    pub wakeups: u64,
    /// Wake-ups sent to other cores.
    pub wakeups_sent: u64,
    /// Wake-ups that had to take the second road, the eventfd.
    pub wakeups_failed: u64,
    /// Sleeps that ended by their time limit with mail waiting; must stay 0.
    pub wakeups_late: u64,
    /// Time spent in turns since start, in microseconds.
    pub turns_us: u64,
    /// CPU time of the core's thread in user mode, in microseconds.
    pub cpu_user_us: u64,
    /// CPU time of the core's thread in the kernel, in microseconds.
    pub cpu_sys_us: u64,
    /// The longest turn since start or CONFIG RESETSTAT, CPU time in microseconds.
    pub longest_turn_cpu_us: u64,
    /// The longest turn since start or CONFIG RESETSTAT, elapsed time in microseconds.
    pub longest_turn_wall_us: u64,
    /// Enters into the kernel.
    pub enters: u64,
    /// Completions taken from the ring.
    pub completions: u64,
    /// Multishot operations that had ended and were started again.
    pub rearms: u64,
    /// Receives that found no free buffer.
    pub buffers_exhausted: u64,
    /// Memory of receive buffers in use beyond those of the start, in bytes.
    pub widened_bytes: u64,
    /// Sends that the socket did not take whole at once.
    pub sends_stalled: u64,
}

impl Plumbing {
    /// Notes the length of one turn: its CPU time and its elapsed time in microseconds. Two
    /// comparisons.
    #[inline]
    pub fn note_turn(&mut self, cpu_us: u64, wall_us: u64) {
        self.longest_turn_cpu_us = self.longest_turn_cpu_us.max(cpu_us);
        self.longest_turn_wall_us = self.longest_turn_wall_us.max(wall_us);
    }

    /// CONFIG RESETSTAT: the maxima begin anew; the counters are the plumbing's and go on.
    pub fn reset_maxima(&mut self) {
        self.longest_turn_cpu_us = 0;
        self.longest_turn_wall_us = 0;
    }
}

/// What is known of the process as a whole. Any core may be told; INFO takes the newest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProcessFigures {
    /// When these were read, in monotonic microseconds; 0 is never.
    pub read_at_us: u64,
    /// Resident memory in bytes.
    pub rss_bytes: u64,
    /// The most resident memory there was, in bytes.
    pub rss_peak_bytes: u64,
    /// CPU time of all threads in user mode, in microseconds.
    pub cpu_user_us: u64,
    /// CPU time of all threads in the kernel, in microseconds.
    pub cpu_sys_us: u64,
    /// CPU time of the main thread in user mode, in microseconds.
    pub main_thread_user_us: u64,
    /// CPU time of the main thread in the kernel, in microseconds.
    pub main_thread_sys_us: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_turn_is_remembered_until_the_statistics_are_reset() {
        let mut plumbing = Plumbing { turns_us: 7, ..Plumbing::default() };
        plumbing.note_turn(10, 40);
        plumbing.note_turn(20, 30);
        assert_eq!((plumbing.longest_turn_cpu_us, plumbing.longest_turn_wall_us), (20, 40));
        plumbing.reset_maxima();
        assert_eq!(plumbing, Plumbing { turns_us: 7, ..Plumbing::default() });
    }
}
