//! Sparse registers: runs of equal ones.
//!
//! | byte | a run of |
//! |---|---|
//! | `00llllll` | 1 to 64 zeros |
//! | `01llllll llllllll` | 1 to 16384 zeros |
//! | `1vvvvvll` | 1 to 4 registers of value 1 to 32 |
//!
//! A register that is raised splits its run in up to three; then neighbours that became equal are
//! joined. When and how is part of the format too: GET shows it, and when the string becomes dense
//! depends on its length. So the joining looks where Redis looks, at [`JOIN_STEPS`] runs from the one
//! before, and leaves what Redis leaves.

use super::format::HEADER;
use super::{Corrupted, REGISTERS, Registers};

/// Zeros of a run of one byte.
const SHORT_ZEROS_MAX: usize = 64;
/// Registers of a run of values, and their largest value.
const VALUES_MAX: usize = 4;
const VALUE_MAX: u8 = 32;

/// Runs that are looked at to be joined.
const JOIN_STEPS: usize = 5;

/// Bytes of the runs that one can be split into.
pub const SPLIT_BYTES_MAX: usize = 5;

/// One run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The value of its registers.
    pub value: u8,
    /// How many registers.
    pub len: usize,
    /// Bytes that it is written with.
    pub width: usize,
}

impl Run {
    /// The run at the start of `bytes`; `None` at their end. One that is cut off there is none either.
    #[inline]
    pub fn first(bytes: &[u8]) -> Option<Run> {
        match *bytes {
            [byte, ..] if byte & 0x80 != 0 => Some(Run {
                value: (byte >> 2 & 0x1f) + 1,
                len: usize::from(byte & 3) + 1,
                width: 1,
            }),
            [byte, ..] if byte & 0x40 == 0 => {
                Some(Run { value: 0, len: usize::from(byte) + 1, width: 1 })
            }
            [high, low, ..] => {
                let len = usize::from(high & 0x3f) << 8 | usize::from(low);
                Some(Run { value: 0, len: len + 1, width: 2 })
            }
            _ => None,
        }
    }
}

/// Appends a run of values.
fn push_values(out: &mut Vec<u8>, value: u8, len: usize) {
    out.push(0x80 | (value - 1) << 2 | (len - 1) as u8);
}

/// Appends a run of `len` zeros.
pub fn push_zeros(out: &mut Vec<u8>, len: usize) {
    let last = len - 1;
    if len > SHORT_ZEROS_MAX {
        out.push(0x40 | (last >> 8) as u8);
    }
    out.push(last as u8);
}

fn push(out: &mut Vec<u8>, value: u8, len: usize) {
    match (value, len) {
        (_, 0) => {}
        (0, _) => push_zeros(out, len),
        _ => push_values(out, value, len),
    }
}

/// All runs in order with the first register of each, or that they do not cover the registers.
fn runs(bytes: &[u8], mut each: impl FnMut(usize, Run)) -> Result<(), Corrupted> {
    let (mut at, mut first) = (0, 0);
    while let Some(run) = Run::first(&bytes[at..]) {
        if run.len > REGISTERS - first {
            return Err(Corrupted);
        }
        each(first, run);
        first += run.len;
        at += run.width;
    }
    if first == REGISTERS && at == bytes.len() { Ok(()) } else { Err(Corrupted) }
}

/// Raises every register to at least what the runs say. O(registers).
pub fn raise(registers: &mut Registers, bytes: &[u8]) -> Result<(), Corrupted> {
    runs(bytes, |first, run| {
        if run.value > 0 {
            let raised = &mut registers[first..first + run.len];
            raised.iter_mut().for_each(|register| *register = run.value.max(*register));
        }
    })
}

/// Counts how many registers have each value. O(runs).
pub fn count(counts: &mut [u32; 64], bytes: &[u8]) -> Result<(), Corrupted> {
    runs(bytes, |_, run| counts[usize::from(run.value)] += run.len as u32)
}

/// Where the search for a register may begin: at a run, and the first register of it.
#[derive(Clone, Copy, Debug)]
pub struct Hint {
    at: usize,
    first: usize,
}

impl Hint {
    /// The start of the runs, which is right for any register.
    pub const START: Hint = Hint { at: HEADER, first: 0 };
}

/// What became of a register that should be raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Raised {
    /// It was as high.
    Already,
    /// It is now.
    Now,
    /// It is not: the value is too large for a run, or the string would become too long.
    NoRoom,
}

/// Raises register `index` of the string, header and runs, to at least `value`. `hint` must not be behind
/// the register; it is moved to where the search for any later one may begin. O(runs from the hint on).
pub fn raise_one(
    bytes: &mut Vec<u8>,
    index: usize,
    value: u8,
    bytes_max: usize,
    hint: &mut Hint,
) -> Result<Raised, Corrupted> {
    if value > VALUE_MAX {
        return Ok(Raised::NoRoom);
    }
    let (found, before) = match find(bytes, index, *hint)? {
        // The run before is not known: look from the start.
        (_, None) if hint.at > HEADER => find(bytes, index, Hint::START)?,
        found => found,
    };
    let run = Run::first(&bytes[found.at..]).ok_or(Corrupted)?;
    *hint = before.unwrap_or(Hint::START);
    if run.value >= value {
        return Ok(Raised::Already);
    }
    let mut split = Vec::with_capacity(SPLIT_BYTES_MAX);
    push(&mut split, run.value, index - found.first);
    push_values(&mut split, value, 1);
    push(&mut split, run.value, found.first + run.len - 1 - index);
    if split.len() > run.width && bytes.len() + split.len() - run.width > bytes_max {
        return Ok(Raised::NoRoom);
    }
    bytes.splice(found.at..found.at + run.width, split);
    join(bytes, hint.at);
    Ok(Raised::Now)
}

/// The value of register `index` of the string, header and runs. O(runs before it).
pub fn value(bytes: &[u8], index: usize) -> Result<u8, Corrupted> {
    let (found, _) = find(bytes, index, Hint::START)?;
    Run::first(&bytes[found.at..]).map(|run| run.value).ok_or(Corrupted)
}

/// The run that register `index` is in, and the run before it if that is not before `from`.
fn find(bytes: &[u8], index: usize, from: Hint) -> Result<(Hint, Option<Hint>), Corrupted> {
    let (mut here, mut before) = (from, None);
    loop {
        let run = Run::first(&bytes[here.at..]).ok_or(Corrupted)?;
        let next = Hint { at: here.at + run.width, first: here.first + run.len };
        if index < next.first {
            return Ok((here, before));
        }
        before = Some(here);
        here = next;
    }
}

/// Joins runs of equal values from `at` on, where both fit in one.
fn join(bytes: &mut Vec<u8>, mut at: usize) {
    for _ in 0..JOIN_STEPS {
        let Some(run) = Run::first(&bytes[at..]) else { return };
        let next = Run::first(&bytes[at + run.width..]);
        let joined = next.filter(|next| {
            run.value > 0 && next.value == run.value && run.len + next.len <= VALUES_MAX
        });
        match joined {
            Some(next) => {
                let mut both = Vec::with_capacity(1);
                push_values(&mut both, run.value, run.len + next.len);
                bytes.splice(at..at + 2, both);
            }
            None => at += run.width,
        }
    }
}

/// The runs as PFDEBUG DECODE shows them: `z` and `Z` are short and long runs of zeros, `v` are
/// values. Corrupted ones are shown as far as they go. O(runs).
pub fn describe(bytes: &[u8]) -> String {
    let mut shown = Vec::new();
    let mut rest = bytes;
    while let Some(run) = Run::first(rest) {
        rest = &rest[run.width..];
        shown.push(match run {
            Run { value: 0, len, width: 1 } => format!("z:{len}"),
            Run { value: 0, len, .. } => format!("Z:{len}"),
            Run { value, len, .. } => format!("v:{value},{len}"),
        });
    }
    if let [high] = rest {
        // A long run that is cut off: Redis shows it with the zero behind every string.
        shown.push(format!("Z:{}", (usize::from(high & 0x3f) << 8) + 1));
    }
    shown.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::Prng;

    /// A string of these runs, which begin with the first register.
    fn string(runs: &[(u8, usize)]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        runs.iter().for_each(|(value, len)| push(&mut bytes, *value, *len));
        bytes
    }

    #[track_caller]
    fn check(runs: &[(u8, usize)], index: usize, value: u8, shown: &str) {
        let mut bytes = string(runs);
        let raised = raise_one(&mut bytes, index, value, usize::MAX, &mut Hint::START.clone());
        assert_eq!(raised, Ok(Raised::Now));
        assert_eq!(describe(&bytes[HEADER..]), shown);
    }

    #[test]
    fn a_register_splits_its_run_in_up_to_three() {
        check(&[(0, 16_384)], 0, 1, "v:1,1 Z:16383");
        check(&[(0, 16_384)], 64, 3, "z:64 v:3,1 Z:16319");
        check(&[(0, 16_384)], 16_383, 32, "Z:16383 v:32,1");
        check(&[(5, 4), (0, 1)], 1, 6, "v:5,1 v:6,1 v:5,2 z:1");
        check(&[(0, 1), (0, 1)], 1, 2, "z:1 v:2,1");
        check(&[(1, 1), (0, 5)], 0, 2, "v:2,1 z:5");
    }

    #[test]
    fn runs_of_equal_values_are_joined_where_both_fit() {
        check(&[(1, 2), (0, 1), (1, 1)], 2, 1, "v:1,4");
        check(&[(1, 3), (0, 1), (1, 1)], 3, 1, "v:1,4 v:1,1");
        check(&[(1, 4), (0, 2)], 4, 1, "v:1,4 v:1,1 z:1");
        check(&[(2, 1), (1, 1), (2, 1)], 1, 2, "v:2,3");
    }

    #[test]
    fn values_and_strings_that_are_too_large_have_no_room() {
        let mut bytes = string(&[(0, 16_384)]);
        let mut raise = |value, bytes_max| {
            raise_one(&mut bytes, 100, value, bytes_max, &mut Hint::START.clone())
        };
        assert_eq!(raise(33, usize::MAX), Ok(Raised::NoRoom));
        assert_eq!(raise(1, HEADER + 4), Ok(Raised::NoRoom));
        assert_eq!(raise(1, HEADER + 5), Ok(Raised::Now));
        assert_eq!(raise(1, 0), Ok(Raised::Already));
        assert_eq!(raise(2, 0), Ok(Raised::Now));
        assert_eq!(bytes.len(), HEADER + 5);
    }

    #[test]
    fn a_register_that_no_run_covers_is_a_corruption() {
        let raise = |mut bytes: Vec<u8>| {
            raise_one(&mut bytes, 300, 1, usize::MAX, &mut Hint::START.clone())
        };
        assert_eq!(raise(string(&[(0, 300)])), Err(Corrupted));
        let mut cut_off = string(&[(0, 300)]);
        cut_off.push(0x40);
        assert_eq!(raise(cut_off), Err(Corrupted));
    }

    #[test]
    fn registers_in_order_with_a_hint_give_what_each_alone_gives() {
        let mut prng = Prng::new(6);
        for _ in 0..30 {
            let (mut hinted, mut plain) = (string(&[(0, 16_384)]), string(&[(0, 16_384)]));
            let mut hint = Hint::START;
            let step = 1 + prng.below(40);
            let mut index = prng.below(9) as usize;
            while index < REGISTERS / 8 {
                let value = 1 + prng.below(3) as u8;
                for (bytes, hint) in
                    [(&mut hinted, &mut hint), (&mut plain, &mut Hint::START.clone())]
                {
                    let raised = raise_one(bytes, index, value, usize::MAX, hint);
                    assert_eq!(raised, Ok(Raised::Now));
                }
                index += 1 + prng.below(step) as usize;
            }
            assert!(hinted == plain);
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic() {
        let mut prng = Prng::new(2);
        for _ in 0..20_000 {
            let mut bytes = vec![0; HEADER];
            bytes.extend((0..prng.below(12)).map(|_| prng.below(256) as u8));
            let mut registers = [0; REGISTERS];
            let covered = raise(&mut registers, &bytes[HEADER..]);
            assert_eq!(count(&mut [0; 64], &bytes[HEADER..]).is_ok(), covered.is_ok());
            describe(&bytes[HEADER..]);
            let index = prng.below(REGISTERS as u64) as usize;
            let known = value(&bytes, index);
            let raised = raise_one(&mut bytes, index, 9, usize::MAX, &mut Hint::START.clone());
            assert_eq!(raised.is_ok(), known.is_ok());
        }
    }
}
