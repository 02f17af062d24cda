//! Counting and searching bits of byte strings, a cache line at a time and without unsafe code.

/// Words that are worked on side by side, so that the compiler can use the machine's vectors.
const LANES: usize = 4;
type Lanes = [u64; LANES];

/// Bytes of a block of [`count_ones`]: sixteen rows of lanes.
const BLOCK: usize = 16 * LANES * 8;

/// How many bits are set. O(length).
///
/// Most of the work is done by carry-save adders (Harley and Seal, in Warren's "Hacker's Delight"):
/// rows of bits are added to counters whose binary digits are rows themselves, so that only one row in
/// sixteen has to be counted, which is dear on machines without an instruction for it.
pub fn count_ones(bytes: &[u8]) -> u64 {
    let blocks = bytes.chunks_exact(BLOCK);
    let rest = blocks.remainder();
    let (mut ones, mut twos, mut fours, mut eights) =
        ([0; LANES], [0; LANES], [0; LANES], [0; LANES]);
    let mut sixteens_count = 0;
    for block in blocks {
        let row = |number: usize| lanes(&block[number * LANES * 8..][..LANES * 8]);
        let mut eight_rows = |first: usize| {
            let a = add(&mut ones, row(first), row(first + 1));
            let b = add(&mut ones, row(first + 2), row(first + 3));
            let low = add(&mut twos, a, b);
            let c = add(&mut ones, row(first + 4), row(first + 5));
            let d = add(&mut ones, row(first + 6), row(first + 7));
            let high = add(&mut twos, c, d);
            add(&mut fours, low, high)
        };
        let (low, high) = (eight_rows(0), eight_rows(8));
        sixteens_count += count_row(add(&mut eights, low, high));
    }
    let in_blocks = 16 * sixteens_count
        + 8 * count_row(eights)
        + 4 * count_row(fours)
        + 2 * count_row(twos)
        + count_row(ones);
    in_blocks + count_rest(rest)
}

/// Adds two rows to the digit `sum`; gives what carries into the next digit.
#[inline(always)]
fn add(sum: &mut Lanes, a: Lanes, b: Lanes) -> Lanes {
    let mut carry = [0; LANES];
    for lane in 0..LANES {
        let half = sum[lane] ^ a[lane];
        carry[lane] = (sum[lane] & a[lane]) | (half & b[lane]);
        sum[lane] = half ^ b[lane];
    }
    carry
}

/// A row of lanes from its bytes.
#[inline(always)]
fn lanes(bytes: &[u8]) -> Lanes {
    let mut row = [0; LANES];
    for (lane, bytes) in row.iter_mut().zip(bytes.chunks_exact(8)) {
        *lane = word(bytes);
    }
    row
}

#[inline(always)]
fn word(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().expect("eight bytes"))
}

#[inline(always)]
fn count_row(row: Lanes) -> u64 {
    row.iter().map(|lane| u64::from(lane.count_ones())).sum()
}

fn count_rest(bytes: &[u8]) -> u64 {
    let words = bytes.chunks_exact(8);
    let last = words.remainder().iter().map(|byte| u64::from(byte.count_ones()));
    let last: u64 = last.sum();
    last + words.map(|bytes| u64::from(word(bytes).count_ones())).sum::<u64>()
}

/// How many of the bits from `first` to `last` (inclusive, within `bytes`) are set. O(last - first).
pub fn count_ones_between(bytes: &[u8], first: usize, last: usize) -> u64 {
    let whole = &bytes[first / 8..=last / 8];
    let before = whole[0] & !(0xff >> (first % 8));
    let behind = whole[whole.len() - 1] & low_bits(last);
    count_ones(whole) - u64::from(before.count_ones()) - u64::from(behind.count_ones())
}

/// The bits of a byte that lie behind bit `last`.
fn low_bits(last: usize) -> u8 {
    (0x7f_u32 >> (last % 8)) as u8
}

/// The first bit from `first` to `last` (inclusive, within `bytes`) that is `bit`. O(last - first).
pub fn find_bit(bytes: &[u8], bit: bool, first: usize, last: usize) -> Option<usize> {
    // A byte that holds nothing that is looked for, and with which edges are made uninteresting.
    let dull = if bit { 0x00 } else { 0xff };
    let (first_byte, last_byte) = (first / 8, last / 8);
    let within = |at: usize| {
        let mut different = bytes[at] ^ dull;
        if at == first_byte {
            different &= 0xff >> (first % 8);
        }
        if at == last_byte {
            different &= !low_bits(last);
        }
        (different != 0).then(|| at * 8 + different.leading_zeros() as usize)
    };
    if let Some(found) = within(first_byte) {
        return Some(found);
    }
    let start = first_byte + 1;
    let skipped = bytes.get(start..last_byte).map_or(0, |middle| skip(middle, dull));
    let next = start + skipped;
    (next <= last_byte).then(|| within(next)).flatten()
}

/// How many bytes at the start are `dull`.
fn skip(bytes: &[u8], dull: u8) -> usize {
    const LINE: usize = 64;
    let pattern = u64::from_ne_bytes([dull; 8]);
    let is_dull = |line: &&[u8]| {
        line.chunks_exact(8).fold(0, |seen, bytes| seen | (word(bytes) ^ pattern)) == 0
    };
    let lines = bytes.chunks_exact(LINE).take_while(is_dull).count();
    let rest = &bytes[lines * LINE..];
    lines * LINE + rest.iter().take_while(|byte| **byte == dull).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::Prng;

    /// Bits one by one, as slow and as plain as can be.
    fn bits(bytes: &[u8]) -> Vec<bool> {
        (0..bytes.len() * 8).map(|at| bytes[at / 8] >> (7 - at % 8) & 1 == 1).collect()
    }

    fn some_bytes(prng: &mut Prng) -> Vec<u8> {
        let len = match prng.below(3) {
            0 => 1 + prng.below(12),
            1 => 1 + prng.below(300),
            _ => 500 + prng.below(3000),
        };
        let dull = [0x00, 0xff][prng.below(2) as usize];
        let odd = prng.below(4);
        (0..len)
            .map(|_| if prng.below(100) < odd * odd * odd { prng.below(256) as u8 } else { dull })
            .collect()
    }

    #[test]
    fn counts_and_searches_agree_with_a_bit_by_bit_model() {
        let mut prng = Prng::new(3);
        for _ in 0..3000 {
            let bytes = some_bytes(&mut prng);
            let model = bits(&bytes);
            assert_eq!(count_ones(&bytes), model.iter().filter(|bit| **bit).count() as u64);
            for _ in 0..8 {
                let first = prng.below(model.len() as u64) as usize;
                let last = first + prng.below((model.len() - first) as u64) as usize;
                let part = &model[first..=last];
                let ones = part.iter().filter(|bit| **bit).count() as u64;
                assert_eq!(count_ones_between(&bytes, first, last), ones, "{first}..={last}");
                for bit in [false, true] {
                    let found = part.iter().position(|other| *other == bit).map(|at| first + at);
                    assert_eq!(find_bit(&bytes, bit, first, last), found, "{first}..={last}");
                }
            }
        }
    }
}
