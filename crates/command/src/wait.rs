//! Waiting: what a command asks for when it finds nothing and its client may wait.
//!
//! A command that can wait writes the null that it gives inside MULTI, and says in a [`Wait`] what would
//! serve its client. Whoever lets the client wait takes that null back, and asks
//! [`crate::Blocks::ready`] about each key of the wait that was written to. A client whose time is over gets a
//! null array, whatever the command: Redis 7.0 answers BLMOVE so too, which inside MULTI gives a null string.

use crate::{Args, Failure};
use resp::long_double::LongDouble;
use std::collections::HashSet;
use std::ops::Range;

/// Time limits are kept in microseconds, and given in milliseconds at the finest.
const US_PER_MS: u64 = 1000;

/// What a client waits for, and how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Microseconds from the start of the command; 0: for ever.
    pub timeout_us: u64,
    /// The keys of which any may serve the client, in the order of the arguments, each once.
    pub keys: Vec<WaitKey>,
}

/// A key that a client waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitKey {
    /// Which argument of the command it is.
    pub position: u32,
    /// The request that is to be run when this key may serve the client: the command as if it named no other key.
    pub words: Vec<Box<[u8]>>,
}

impl Wait {
    /// Waits for the keys at `positions`; `words` gives the request for one of them. A key that is named more
    /// than once counts where it stands first, as in Redis. O(keys).
    pub fn new(
        timeout_us: u64,
        args: &Args<'_>,
        positions: impl Iterator<Item = usize>,
        mut words: impl FnMut(usize) -> Vec<Box<[u8]>>,
    ) -> Box<Wait> {
        let mut seen = HashSet::new();
        let keys = positions
            .filter(|position| seen.insert(args.get(*position)))
            .map(|position| WaitKey { position: position as u32, words: words(position) })
            .collect();
        Box::new(Wait { timeout_us, keys })
    }

    /// Waits for any of the keys at `positions` of `NAME key [key ...] timeout`.
    pub fn for_one_of(timeout_us: u64, args: &Args<'_>, positions: Range<usize>) -> Box<Wait> {
        let words = |key| owned([args.get(0), args.get(key), b"0"]);
        Wait::new(timeout_us, args, positions, words)
    }

    /// Waits for any of the keys at `positions` of `NAME timeout numkeys key [key ...] rest`.
    pub fn for_one_of_counted(
        timeout_us: u64,
        args: &Args<'_>,
        positions: Range<usize>,
    ) -> Box<Wait> {
        let behind = positions.end;
        let words = |key| {
            let head: [&[u8]; 4] = [args.get(0), b"0", b"1", args.get(key)];
            owned(head.into_iter().chain(args.from(behind)))
        };
        Wait::new(timeout_us, args, positions, words)
    }

    /// Waits for the key at argument 1, and runs the whole command again.
    pub fn whole(timeout_us: u64, args: &Args<'_>) -> Box<Wait> {
        Wait::new(timeout_us, args, std::iter::once(1), |_| owned(args.from(0)))
    }
}

/// Words that outlive their request.
pub fn owned<'w>(words: impl IntoIterator<Item = &'w [u8]>) -> Vec<Box<[u8]>> {
    words.into_iter().map(Box::from).collect()
}

/// The time limit in argument `index`, in seconds that may have a fraction; gives microseconds. As in Redis it is
/// rounded up to milliseconds, and what does not fit is negative.
pub fn seconds(args: &Args<'_>, index: usize) -> Result<u64, Failure> {
    const NOT_FLOAT: Failure = Failure::new("ERR timeout is not a float or out of range");
    let seconds = LongDouble::parse(args.get(index)).ok_or(NOT_FLOAT)?;
    limit(seconds.thousandfold_up().unwrap_or(i64::MIN))
}

/// The time limit in argument `index`, in milliseconds; gives microseconds.
pub fn milliseconds(args: &Args<'_>, index: usize) -> Result<u64, Failure> {
    const NOT_INTEGER: Failure = Failure::new("ERR timeout is not an integer or out of range");
    limit(args.integer(index).ok_or(NOT_INTEGER)?)
}

fn limit(ms: i64) -> Result<u64, Failure> {
    const NEGATIVE: Failure = Failure::new("ERR timeout is negative");
    Ok(u64::try_from(ms).map_err(|_| NEGATIVE)?.saturating_mul(US_PER_MS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::with_args;

    #[test]
    fn seconds_are_rounded_up_to_milliseconds() {
        let of = |text: &str| with_args(&[text.as_bytes()], |args| seconds(args, 0));
        for (text, us) in [
            ("0", 0),
            ("-0", 0),
            ("1", 1_000_000),
            ("0.001", 1_000),
            ("0.0011", 2_000),
            ("1e-10", 1_000),
            ("1e-400", 1_000),
            ("0x10", 16_000_000),
            (".5", 500_000),
            ("+5.", 5_000_000),
            ("-0.0009", 0),
            ("9223372036854775", u64::MAX),
        ] {
            assert_eq!(of(text), Ok(us), "{text}");
        }
        for text in ["-1", "inf", "-inf", "1e400", "9223372036854776", "-0.0011"] {
            assert_eq!(of(text), Err(Failure::new("ERR timeout is negative")), "{text}");
        }
        for text in ["", "x", " 1", "1 ", "nan", "1e5000", "1e-5000"] {
            let refusal = Failure::new("ERR timeout is not a float or out of range");
            assert_eq!(of(text), Err(refusal), "{text}");
        }
    }
}
