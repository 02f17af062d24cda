//! Clocks: the time of a turn, a cycle counter for durations, and the CPU time of a thread.

use base::Now;

/// How long the offset between the monotonic and the wall clock is believed.
const OFFSET_AGE_NS_MAX: u64 = 1_000_000;

/// The clock of one core: read once a turn.
pub(crate) struct Clock {
    mono_ns: u64,
    unix_minus_mono_us: i64,
    offset_read_at_ns: u64,
}

impl Clock {
    pub(crate) fn new() -> Clock {
        let mut clock = Clock { mono_ns: 0, unix_minus_mono_us: 0, offset_read_at_ns: 0 };
        clock.read_offset(monotonic_ns());
        clock
    }

    /// Reads the clock: the monotonic one always, the wall clock's offset when it has aged.
    #[inline]
    pub(crate) fn read(&mut self) {
        let now = monotonic_ns();
        if now - self.offset_read_at_ns > OFFSET_AGE_NS_MAX {
            self.read_offset(now);
        }
        self.mono_ns = now;
    }

    fn read_offset(&mut self, now_ns: u64) {
        let wall = read_clock(libc::CLOCK_REALTIME);
        self.unix_minus_mono_us = (wall / 1000) as i64 - (now_ns / 1000) as i64;
        self.offset_read_at_ns = now_ns;
        self.mono_ns = now_ns;
    }

    #[inline]
    pub(crate) fn now(&self) -> Now {
        let mono_us = self.mono_ns / 1000;
        Now { unix_us: mono_us as i64 + self.unix_minus_mono_us, mono_us }
    }

    #[inline]
    pub(crate) fn mono_ns(&self) -> u64 {
        self.mono_ns
    }
}

/// CLOCK_MONOTONIC in nanoseconds; never goes back, on whatever CPU it is read.
#[inline]
pub fn monotonic_ns() -> u64 {
    read_clock(libc::CLOCK_MONOTONIC)
}

/// CPU time of the calling thread in nanoseconds: what a turn cost, whoever else ran meanwhile.
pub fn thread_cpu_ns() -> u64 {
    read_clock(libc::CLOCK_THREAD_CPUTIME_ID)
}

#[inline]
fn read_clock(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is writable for the length of the call.
    let outcome = unsafe { libc::clock_gettime(clock, &mut time) };
    assert_eq!(outcome, 0, "Linux has this clock");
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// A counter for durations: cheap, monotonic on one core, in units that [`TickRate`] knows.
#[cfg(target_arch = "x86_64")]
#[inline]
pub fn ticks() -> u64 {
    // SAFETY: every x86_64 CPU has the instruction, and Linux lets user code use it.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// A counter for durations: cheap, monotonic on one core, in units that [`TickRate`] knows.
#[cfg(target_arch = "aarch64")]
#[inline]
pub fn ticks() -> u64 {
    let count: u64;
    // SAFETY: reads the virtual counter, which Linux lets user code read; no memory, no flags.
    unsafe { core::arch::asm!("mrs {}, cntvct_el0", out(reg) count, options(nomem, nostack)) };
    count
}

/// A counter for durations: cheap, monotonic on one core, in units that [`TickRate`] knows.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
#[inline]
pub fn ticks() -> u64 {
    monotonic_ns()
}

/// How long a tick is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TickRate {
    ns_per_tick: f64,
}

impl TickRate {
    /// Measures the counter against the monotonic clock for about `window_us` microseconds
    /// (2000 gives about one per mille). Once at boot.
    pub fn measure(window_us: u64) -> TickRate {
        let (ticks_before, ns_before) = (ticks(), monotonic_ns());
        let mut ns_after = ns_before;
        while ns_after < ns_before + window_us * 1000 {
            std::hint::spin_loop();
            ns_after = monotonic_ns();
        }
        let passed = ticks().wrapping_sub(ticks_before).max(1);
        TickRate { ns_per_tick: (ns_after - ns_before) as f64 / passed as f64 }
    }

    /// A duration in nanoseconds.
    #[inline]
    pub fn ns(self, ticks: u64) -> u64 {
        (ticks as f64 * self.ns_per_tick) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measured_rate_translates_ticks_to_the_time_that_passed() {
        let rate = TickRate::measure(2000);
        let (ticks_before, ns_before) = (ticks(), monotonic_ns());
        while monotonic_ns() < ns_before + 5_000_000 {}
        let by_ticks = rate.ns(ticks() - ticks_before);
        let by_clock = monotonic_ns() - ns_before;
        assert!(by_ticks.abs_diff(by_clock) < by_clock / 10, "{by_ticks} and {by_clock} ns");
    }

    #[test]
    fn the_turns_time_agrees_with_the_system_clocks() {
        let mut clock = Clock::new();
        clock.read();
        let (now, wall) = (clock.now(), std::time::SystemTime::now());
        let unix =
            wall.duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_micros() as i64;
        assert!((unix - now.unix_us).abs() < 1_000_000);
        assert!(now.mono_us * 1000 <= monotonic_ns());
        assert_eq!(clock.mono_ns() / 1000, now.mono_us);
    }

    #[test]
    fn work_costs_cpu_time_of_its_thread() {
        let before = thread_cpu_ns();
        let mut sum = 0u64;
        while thread_cpu_ns() == before {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(thread_cpu_ns() > before);
    }
}
