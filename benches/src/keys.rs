//! Keys and values of the tests that fill a server by themselves: reproducible from numbers, without order or pattern that a server
//! could profit from.

use fastrand::Rng;

/// Length of [`Keys::write`]'s keys in bytes.
pub const KEY_BYTES: usize = 16;

/// How keys are spread over slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// Over all slots.
    Spread,
    /// All in one slot, by a hash tag.
    OneSlot,
}

impl Keys {
    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Spread => "spread",
            Self::OneSlot => "one slot",
        }
    }

    /// The key of a number: 16 bytes, different for different numbers (below 2^48 when in one slot).
    pub fn of(self, number: u64) -> [u8; KEY_BYTES] {
        let mixed = mix(number);
        match self {
            Self::Spread => hex(mixed),
            Self::OneSlot => {
                let mut key = hex(number);
                key[..4].copy_from_slice(b"{t}:");
                key
            }
        }
    }
}

fn hex(number: u64) -> [u8; KEY_BYTES] {
    std::array::from_fn(|at| b"0123456789abcdef"[(number >> (60 - 4 * at)) as usize & 15])
}

/// A bijection on 64 bits that leaves no order: the finalizer of SplitMix64 (Steele, Lea, Flood 2014).
fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Random bytes, the same for the same seed; random so that no server can pack them.
pub fn random_value(random: &mut Rng, value: &mut [u8]) {
    random.fill(value);
}

/// Ranks 0..n drawn with probability proportional to 1/(rank + 1)^exponent, by a table of the cumulated distribution.
pub struct Zipf {
    cumulated: Vec<f64>,
}

impl Zipf {
    /// O(n) time and 8n bytes.
    pub fn new(ranks: usize, exponent: f64) -> Self {
        let mut total = 0.0;
        let mut cumulated: Vec<f64> = Vec::with_capacity(ranks);
        for rank in 1..=ranks {
            total += (rank as f64).powf(-exponent);
            cumulated.push(total);
        }
        cumulated.iter_mut().for_each(|sum| *sum /= total);
        Self { cumulated }
    }

    /// One rank. O(log n).
    pub fn draw(&self, random: &mut Rng) -> u64 {
        let at = random.f64();
        let rank = self.cumulated.partition_point(|sum| *sum < at);
        rank.min(self.cumulated.len() - 1) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_numbers_give_different_keys() {
        for keys in [Keys::Spread, Keys::OneSlot] {
            let all: std::collections::HashSet<_> =
                (0..100_000).map(|number| keys.of(number)).collect();
            assert_eq!(all.len(), 100_000);
        }
        assert!(Keys::OneSlot.of(7).starts_with(b"{t}:"));
    }

    #[test]
    fn zipf_prefers_low_ranks_in_the_right_proportion() {
        let zipf = Zipf::new(1000, 1.0);
        let mut random = Rng::with_seed(1);
        let mut counts = [0u32; 1000];
        (0..200_000).for_each(|_| counts[zipf.draw(&mut random) as usize] += 1);
        let ratio = f64::from(counts[0]) / f64::from(counts[9]);
        assert!(
            (8.0..12.5).contains(&ratio),
            "rank 1 is ten times as frequent as rank 10, not {ratio}"
        );
    }
}
