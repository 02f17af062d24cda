//! Counts of random elements, as HRANDFIELD, SRANDMEMBER and ZRANDMEMBER take them.

use crate::{Args, Failure};
use base::Prng;

/// How many elements to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// So many different ones, or all there are.
    Distinct(usize),
    /// So many, each drawn anew.
    Repeating(usize),
}

/// Where fewer than one of so many elements are asked for, they are drawn one by one; else all are walked over.
pub const SPARSE: usize = 3;

/// Elements that one command may draw with repetition: the reply is that long however small the collection
/// is, and a server whose memory is a client's to fill is no server.
pub const REPEATING_MAX: usize = 1 << 20;

/// The range of counts, as Redis says it.
const RANGE: Failure = Failure::new(
    "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
);

/// Reads the count in argument 2 and the word that may stand behind it, which doubles the reply.
pub fn parse(args: &Args<'_>, word: &str) -> Result<(Count, bool), Failure> {
    let count = args.integer(2).ok_or(Failure::NOT_INTEGER)?;
    if count == i64::MIN {
        return Err(RANGE);
    }
    let with = args.len() > 3;
    if with && (args.len() > 4 || !args.is(3, word)) {
        return Err(Failure::SYNTAX);
    }
    if with && !(-i64::MAX / 2..=i64::MAX / 2).contains(&count) {
        return Err(Failure::OUT_OF_RANGE);
    }
    let magnitude = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    Ok((if count < 0 { Count::Repeating(magnitude) } else { Count::Distinct(magnitude) }, with))
}

impl Count {
    /// Refuses a count whose reply would be too long; to be asked when there is a collection to draw from.
    pub fn bounded(self) -> Result<Count, Failure> {
        match self {
            Count::Repeating(count) if count > REPEATING_MAX => Err(Failure::OUT_OF_RANGE),
            count => Ok(count),
        }
    }
}

/// Chooses some of a row of elements, each set of that size as likely as another (Knuth, "The Art of Computer
/// Programming", volume 2, 3.4.2, algorithm S).
#[derive(Debug)]
pub struct InOrder {
    left: usize,
    wanted: usize,
}

impl InOrder {
    /// Chooses `wanted` of `all`.
    pub fn new(all: usize, wanted: usize) -> InOrder {
        InOrder { left: all, wanted: wanted.min(all) }
    }

    /// Whether the next element is chosen. O(1).
    pub fn takes(&mut self, prng: &mut Prng) -> bool {
        if self.left == 0 {
            return false;
        }
        let takes = (prng.below(self.left as u64) as usize) < self.wanted;
        (self.left, self.wanted) = (self.left - 1, self.wanted - usize::from(takes));
        takes
    }
}
