//! From the registers to the count.
//!
//! The estimator is Otmar Ertl's ("New cardinality estimation algorithms for HyperLogLog sketches",
//! arXiv:1702.01284, algorithm 6), which needs no correction of its bias and only how many registers have
//! each value. The order of its additions is kept as in the paper, so that the last digit is the
//! same everywhere.

use super::element::{RANK_BITS, place};
use super::{REGISTERS, Registers};
use store::Str;

/// How many registers have each value that six bits can hold.
pub type Counts = [u32; 64];

/// About how many distinct elements there are. O(elements).
pub fn estimated_count<'a>(elements: impl Iterator<Item = Str<'a>>) -> u64 {
    let (mut registers, mut buffer) = ([0; REGISTERS], itoa::Buffer::new());
    for element in elements {
        let (index, rank) = place(element.as_bytes(&mut buffer));
        registers[index] = registers[index].max(rank);
    }
    estimate(&counts(&registers))
}

/// 1 / (2 ln 2).
const ALPHA: f64 = 0.721_347_520_444_481_7;

/// How many registers have each value. O(registers).
pub fn counts(registers: &Registers) -> Counts {
    let mut counts = [0; 64];
    registers.iter().for_each(|value| counts[usize::from(*value) % 64] += 1);
    counts
}

/// The number of distinct elements that lead to such registers. O(1).
pub fn estimate(counts: &Counts) -> u64 {
    let all = REGISTERS as f64;
    let highest = RANK_BITS as usize + 1;
    let mut sum = all * tau((all - f64::from(counts[highest])) / all);
    for value in (1..highest).rev() {
        sum = (sum + f64::from(counts[value])) * 0.5;
    }
    sum += all * sigma(f64::from(counts[0]) / all);
    (ALPHA * all * all / sum).round() as u64
}

/// What registers that are still 0 add; infinite if all are.
fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut weight, mut sum) = (1.0, x);
    loop {
        x *= x;
        let before = sum;
        sum += x * weight;
        weight += weight;
        if sum == before {
            return sum;
        }
    }
}

/// What registers that can grow no more add.
fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut weight, mut sum) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = sum;
        weight *= 0.5;
        sum -= (1.0 - x) * (1.0 - x) * weight;
        if sum == before {
            return sum / 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hyperloglog::element::place;

    #[test]
    fn counts_are_within_four_standard_errors() {
        let mut registers = [0; REGISTERS];
        for number in 1..=1_000_000_u64 {
            let (index, value) = place(number.to_string().as_bytes());
            registers[index] = value.max(registers[index]);
            if [1, 10, 100, 1000, 20_000, 100_000, 1_000_000].contains(&number) {
                let off = estimate(&counts(&registers)).abs_diff(number);
                assert!(off as f64 <= 4.0 * 0.0081 * number as f64, "{number}: {off} off");
            }
        }
    }

    #[test]
    fn registers_of_any_value_give_a_number() {
        assert_eq!(estimate(&counts(&[0; REGISTERS])), 0);
        for value in 1..64 {
            estimate(&counts(&[value; REGISTERS]));
        }
    }
}
