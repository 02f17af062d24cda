//! What the access bits of an entry mean: when it was last used, or how often it is.
//!
//! - Unless the policy is LFU: quarters of a second of monotonic time, which wrap after 194 days.
//!   A second, as elsewhere, is coarse where a cache turns over in a few.
//! - LFU: 16 bits of minutes, when the counter was last brought up to date, and an 8-bit counter
//!   after Morris ("Counting large numbers of events in small registers", CACM 1978) that a use
//!   raises the less likely the higher it is, and that idle minutes lower.
//!
//! A change of the policy leaves the bits as they are; they mean little until keys were used again.

use crate::Eviction;
use base::{Now, Prng};

const TICK_US: u64 = 250_000;
const TICKS_PER_SECOND: u64 = 1_000_000 / TICK_US;
const CLOCK_MASK: u32 = (1 << compact::ACCESS_BITS) - 1;
/// A new key's counter: above 0, so that it is not the first to go before it could be used.
const LFU_START: u32 = 5;
const LFU_MAX: u32 = 255;
const MINUTES_MASK: u32 = 0xffff;

/// The clock of the access bits.
#[inline]
fn ticks(now: Now) -> u32 {
    (now.mono_us / TICK_US) as u32 & CLOCK_MASK
}

fn minutes(now: Now) -> u32 {
    (now.mono_us / 60_000_000) as u32 & MINUTES_MASK
}

/// The bits of a key that was just made.
#[inline]
pub(crate) fn fresh(eviction: &Eviction, now: Now) -> u32 {
    if eviction.policy.is_lfu() { minutes(now) << 8 | LFU_START } else { ticks(now) }
}

/// The bits of a key after a use.
#[inline]
pub(crate) fn used(old: u32, eviction: &Eviction, prng: &mut Prng, now: Now) -> u32 {
    if eviction.policy.is_lfu() { lfu_used(old, eviction, prng, now) } else { ticks(now) }
}

#[cold]
fn lfu_used(old: u32, eviction: &Eviction, prng: &mut Prng, now: Now) -> u32 {
    let counter = frequency(old, eviction, now);
    let excess = u64::from(counter.saturating_sub(LFU_START));
    let raised = counter < LFU_MAX && prng.one_in(excess * u64::from(eviction.lfu_log_factor) + 1);
    minutes(now) << 8 | (counter + u32::from(raised))
}

/// The counter, lowered by one for each decay time that has passed.
pub(crate) fn frequency(bits: u32, eviction: &Eviction, now: Now) -> u32 {
    let counter = bits & 0xff;
    let idle = minutes(now).wrapping_sub(bits >> 8) & MINUTES_MASK;
    counter.saturating_sub(idle.checked_div(eviction.lfu_decay_minutes).unwrap_or(0))
}

/// Ticks since the last use.
pub(crate) fn idle_ticks(bits: u32, now: Now) -> u32 {
    ticks(now).wrapping_sub(bits) & CLOCK_MASK
}

/// Seconds since the last use.
pub(crate) fn idle_seconds(bits: u32, now: Now) -> u64 {
    u64::from(idle_ticks(bits, now)) / TICKS_PER_SECOND
}

/// The bits of a key that was last used so many seconds ago, as far as the clock reaches back.
pub(crate) fn idle_for(seconds: u64, now: Now) -> u32 {
    let idle = seconds.saturating_mul(TICKS_PER_SECOND).min(u64::from(CLOCK_MASK)) as u32;
    ticks(now).wrapping_sub(idle) & CLOCK_MASK
}

/// The bits of a key that is used so often, by the logarithmic counter.
pub(crate) fn used_so_often(frequency: u8, now: Now) -> u32 {
    minutes(now) << 8 | u32::from(frequency)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Policy;

    fn at(seconds: u64) -> Now {
        Now { unix_us: 0, mono_us: seconds * 1_000_000 }
    }

    #[test]
    fn idle_time_counts_seconds_across_the_wrap_of_the_clock() {
        let eviction = Eviction::default();
        let wrap = (1 << compact::ACCESS_BITS) / TICKS_PER_SECOND;
        for start in [0, 1000, wrap - 5] {
            assert_eq!(idle_seconds(fresh(&eviction, at(start)), at(start + 10)), 10);
        }
    }

    #[test]
    fn a_frequency_rises_with_use_slower_and_slower_and_falls_when_idle() {
        let eviction = Eviction { policy: Policy::AllKeysLfu, ..Eviction::default() };
        let mut prng = Prng::new(1);
        let mut bits = fresh(&eviction, at(0));
        assert_eq!(frequency(bits, &eviction, at(0)), 5);
        let mut counters = Vec::new();
        for uses in [100, 10_000, 1_000_000] {
            (0..uses).for_each(|_| bits = used(bits, &eviction, &mut prng, at(0)));
            counters.push(frequency(bits, &eviction, at(0)));
        }
        assert!(counters[0] > 6 && counters[0] < 20, "{counters:?}");
        assert!(counters[1] > 30 && counters[1] < 70, "{counters:?}");
        assert_eq!(counters[2], 255, "{counters:?}");
        assert_eq!(frequency(bits, &eviction, at(60 * 55)), 200);
        assert_eq!(frequency(bits, &eviction, at(60 * 500)), 0);
        let never = Eviction { lfu_decay_minutes: 0, ..eviction };
        assert_eq!(frequency(bits, &never, at(60 * 500)), 255);
    }
}
