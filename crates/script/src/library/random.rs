//! `math.random` as Redis has it: the 48-bit linear congruence of POSIX' `lrand48`.

const MULTIPLIER: u64 = 0x5_deec_e66d;
const INCREMENT: u64 = 0xb;
const MASK: u64 = (1 << 48) - 1;
const MAX: u64 = (1 << 31) - 1;

/// The state that a seed gives; its lower 32 bits count.
pub fn seeded(seed: u64) -> u64 {
    (seed & 0xffff_ffff) << 16 | 0x330e
}

/// The next state, and a number from 0 to 1, 1 excluded.
pub fn uniform(state: u64) -> (u64, f64) {
    let next = state.wrapping_mul(MULTIPLIER).wrapping_add(INCREMENT) & MASK;
    (next, ((next >> 17) % MAX) as f64 / MAX as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_numbers_of_a_seed_are_those_of_redis() {
        let (state, first) = uniform(seeded(42));
        let (_, second) = uniform(state);
        assert_eq!((first * 1e6).floor() as i64 + 1, 744526);
        assert_eq!((second * 1e6).floor() as i64 + 1, 342702);
    }
}
