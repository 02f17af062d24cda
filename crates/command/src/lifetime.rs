//! EX, PX, EXAT, PXAT, KEEPTTL and PERSIST: what SET, GETEX, MSETEX, INCREX and SETEX say about how
//! long a key lives.
//!
//! Options are taken in two steps, because an unknown option or a contradiction is a syntax error
//! whatever the numbers are: first all words are read ([`Lifetime::take`]), then the one number that
//! counts is judged ([`Deadline::unix_ms`]). A word may be repeated, the last one counts; two
//! different ones contradict each other.

use crate::spec::Arg;
use crate::{Args, Failure};
use base::Now;
use store::Expiry;

/// What a command was told about the time to live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lifetime {
    /// Nothing.
    #[default]
    Unsaid,
    /// KEEPTTL.
    Keep,
    /// PERSIST.
    Persist,
    /// A time at which the key expires.
    Until(Deadline),
}

/// Which word beside EX, PX, EXAT and PXAT a command knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Also {
    /// KEEPTTL.
    KeepTtl,
    /// PERSIST.
    Persist,
}

/// A time at which a key expires, as the client spelled it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// Which argument has the number.
    position: usize,
    /// Milliseconds of its unit.
    unit_ms: i64,
    /// Whether it counts from now on.
    relative: bool,
}

impl Lifetime {
    /// Takes the option at `position` and gives how many arguments it has; `None` when the word
    /// is none of these, contradicts what was said before or lacks its number.
    pub fn take(&mut self, args: &Args<'_>, position: usize, also: Also) -> Option<usize> {
        let word = args.get(position);
        let (said, taken) = match also {
            Also::KeepTtl if word.eq_ignore_ascii_case(b"KEEPTTL") => (Lifetime::Keep, 1),
            Also::Persist if word.eq_ignore_ascii_case(b"PERSIST") => (Lifetime::Persist, 1),
            _ => {
                let (unit_ms, relative) = unit(word)?;
                args.try_get(position + 1)?;
                (Lifetime::Until(Deadline { position: position + 1, unit_ms, relative }), 2)
            }
        };
        if !self.agrees(said) {
            return None;
        }
        *self = said;
        Some(taken)
    }

    /// Whether `other` may follow this: only the same word may.
    fn agrees(self, other: Lifetime) -> bool {
        match (self, other) {
            (Lifetime::Unsaid, _) => true,
            (Lifetime::Until(a), Lifetime::Until(b)) => {
                (a.unit_ms, a.relative) == (b.unit_ms, b.relative)
            }
            _ => self == other,
        }
    }

    /// What a write by the command of this (lower-case) name does to the time to live; `unsaid` is
    /// what it does when nothing was said.
    pub fn expiry(
        self,
        unsaid: Expiry,
        name: &str,
        args: &Args<'_>,
        now: Now,
    ) -> Result<Expiry, Failure> {
        Ok(match self {
            Lifetime::Unsaid => unsaid,
            Lifetime::Keep => Expiry::Keep,
            Lifetime::Persist => Expiry::Clear,
            Lifetime::Until(deadline) => Expiry::At(deadline.unix_ms(name, args, now)?),
        })
    }
}

impl Deadline {
    /// Seconds from now on, in argument `position`.
    pub const fn in_seconds(position: usize) -> Deadline {
        Deadline { position, unit_ms: 1000, relative: true }
    }

    /// Milliseconds from now on, in argument `position`.
    pub const fn in_milliseconds(position: usize) -> Deadline {
        Deadline { position, unit_ms: 1, relative: true }
    }

    /// The UNIX time in milliseconds. The number must be positive and the time must fit 64 bits,
    /// else it is an invalid expire time for the command of this (lower-case) name; the time may
    /// lie in the past.
    pub fn unix_ms(self, name: &str, args: &Args<'_>, now: Now) -> Result<i64, Failure> {
        let number = args.integer(self.position).ok_or(Failure::NOT_INTEGER)?;
        let base = if self.relative { now.unix_ms() } else { 0 };
        let time = number.checked_mul(self.unit_ms).and_then(|time| time.checked_add(base));
        time.filter(|_| number > 0).ok_or_else(|| Failure::invalid_expire(name))
    }
}

/// Milliseconds of the unit that the word names, and whether it counts from now on.
fn unit(word: &[u8]) -> Option<(i64, bool)> {
    match word {
        [b'E' | b'e', b'X' | b'x'] => Some((1000, true)),
        [b'P' | b'p', b'X' | b'x'] => Some((1, true)),
        _ if word.eq_ignore_ascii_case(b"EXAT") => Some((1000, false)),
        _ if word.eq_ignore_ascii_case(b"PXAT") => Some((1, false)),
        _ => None,
    }
}

/// `EX seconds` in COMMAND DOCS.
pub const EX: Arg = Arg::integer("seconds").token("EX");
/// `PX milliseconds` in COMMAND DOCS.
pub const PX: Arg = Arg::integer("milliseconds").token("PX");
/// `EXAT unix-time-seconds` in COMMAND DOCS.
pub const EXAT: Arg = Arg::unix_time("unix-time-seconds").token("EXAT");
/// `PXAT unix-time-milliseconds` in COMMAND DOCS.
pub const PXAT: Arg = Arg::unix_time("unix-time-milliseconds").token("PXAT");
/// `KEEPTTL` in COMMAND DOCS.
pub const KEEPTTL: Arg = Arg::word("keepttl", "KEEPTTL");
/// `PERSIST` in COMMAND DOCS.
pub const PERSIST: Arg = Arg::word("persist", "PERSIST");
