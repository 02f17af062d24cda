//! Rates of the last moments: what INFO calls `instantaneous_…`.
//!
//! Every 100 ms the growth of some counters is noted as a rate; the figure shown is the mean of the
//! last [`SAMPLES`] notes, as in Redis. An idle core takes a turn every 100 ms, so its rates fall
//! to zero by themselves.

use base::Now;

/// Notes that a mean is taken over.
const SAMPLES: usize = 16;

/// Time between two notes, in microseconds.
const PERIOD_US: u64 = 100_000;

/// How many counters are followed.
pub const METRICS: usize = 4;

/// The counters that are followed, by their place in the arrays.
#[derive(Debug, Clone, Copy)]
pub enum Metric {
    /// Commands executed.
    Commands,
    /// Bytes received.
    NetInput,
    /// Bytes sent.
    NetOutput,
    /// Turns of the core loop.
    Turns,
}

/// Follows the counters of one core.
#[derive(Debug, Clone, Default)]
pub struct Sampler {
    last_us: u64,
    last: [u64; METRICS],
    rates: [[u64; SAMPLES]; METRICS],
    next: usize,
}

impl Sampler {
    /// Notes the counters if it is time, and says whether it was. O(1).
    #[inline]
    pub fn tick(&mut self, now: Now, counters: impl FnOnce() -> [u64; METRICS]) -> bool {
        let due = now.mono_us >= self.last_us + PERIOD_US;
        if due {
            self.note(now.mono_us, counters());
        }
        due
    }

    #[cold]
    fn note(&mut self, now_us: u64, counters: [u64; METRICS]) {
        let elapsed_us = now_us - self.last_us;
        let first = self.last_us == 0;
        for (metric, value) in counters.into_iter().enumerate() {
            // CONFIG RESETSTAT sets counters back; then there is no growth to be seen.
            let growth = value.saturating_sub(self.last[metric]);
            let rate = u128::from(growth) * 1_000_000 / u128::from(elapsed_us.max(1));
            self.rates[metric][self.next] = if first { 0 } else { rate as u64 };
            self.last[metric] = value;
        }
        self.next = (self.next + 1) % SAMPLES;
        self.last_us = now_us;
    }

    /// The mean growth of a counter a second.
    pub fn rate(&self, metric: Metric) -> u64 {
        self.rates[metric as usize].iter().sum::<u64>() / SAMPLES as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(mono_us: u64) -> Now {
        Now { unix_us: 0, mono_us }
    }

    #[test]
    fn a_steady_load_shows_its_rate_and_an_idle_core_none() {
        let mut sampler = Sampler::default();
        for step in 1..=20u64 {
            sampler.tick(at(step * PERIOD_US), || [step * 50, 0, 0, 0]);
        }
        assert_eq!(sampler.rate(Metric::Commands), 500);
        assert_eq!(sampler.rate(Metric::NetInput), 0);
        for step in 21..=40u64 {
            sampler.tick(at(step * PERIOD_US), || [1000, 0, 0, 0]);
        }
        assert_eq!(sampler.rate(Metric::Commands), 0);
    }

    #[test]
    fn counters_set_back_are_no_growth_and_early_ticks_do_nothing() {
        let mut sampler = Sampler::default();
        sampler.tick(at(PERIOD_US), || [1000, 0, 0, 0]);
        sampler.tick(at(PERIOD_US + 1), || unreachable!("it is not time yet"));
        sampler.tick(at(2 * PERIOD_US), || [10, 0, 0, 0]);
        assert_eq!(sampler.rate(Metric::Commands), 0);
    }
}
