//! Lists: elements in the order in which they were put at either end.
//!
//! | file | commands |
//! |---|---|
//! | [`push`] | LPUSH RPUSH LPUSHX RPUSHX |
//! | [`pop`] | LPOP RPOP LMPOP |
//! | [`element`] | LLEN LINDEX LSET LINSERT LREM |
//! | [`range`] | LRANGE LTRIM |
//! | [`find`] | LPOS |
//! | [`transfer`] | LMOVE RPOPLPUSH LMOVEM |
//! | [`blocking`] | BLPOP BRPOP BLMPOP BLMOVE BRPOPLPUSH BLMOVEM |

pub mod blocking;
pub mod element;
pub mod find;
pub mod pop;
pub mod push;
pub mod range;
pub mod transfer;

use crate::spec::{Arg, Command};
use crate::{Args, Ctx, Failure};
use std::ops::Range;
use store::{End, Key, Look};

/// The family's list.
pub const COMMANDS: &[Command] = &[
    blocking::BLMOVE,
    blocking::BLMOVEM,
    blocking::BLMPOP,
    blocking::BLPOP,
    blocking::BRPOP,
    blocking::BRPOPLPUSH,
    element::LINDEX,
    element::LINSERT,
    element::LLEN,
    transfer::LMOVE,
    transfer::LMOVEM,
    pop::LMPOP,
    pop::LPOP,
    find::LPOS,
    push::LPUSH,
    push::LPUSHX,
    range::LRANGE,
    element::LREM,
    element::LSET,
    range::LTRIM,
    pop::RPOP,
    transfer::RPOPLPUSH,
    push::RPUSH,
    push::RPUSHX,
];

/// The key in COMMAND DOCS.
const KEY: Arg = Arg::key("key", 0);
/// An element in COMMAND DOCS.
const ELEMENT: Arg = Arg::string("element");
/// The ends of a list in COMMAND DOCS.
const ENDS: &[Arg] = &[Arg::word("left", "LEFT"), Arg::word("right", "RIGHT")];

/// The end that argument `index` names.
fn end(args: &Args<'_>, index: usize) -> Result<End, Failure> {
    if args.is(index, "LEFT") {
        Ok(End::Head)
    } else if args.is(index, "RIGHT") {
        Ok(End::Tail)
    } else {
        Err(Failure::SYNTAX)
    }
}

/// The first of the keys at these positions that is there; it has to be a list.
fn first<'a>(
    ctx: &mut Ctx<'_>,
    args: &Args<'a>,
    positions: Range<usize>,
) -> Result<Option<Key<'a>>, Failure> {
    let now = ctx.now;
    for position in positions {
        let key = args.key(position);
        if ctx.keyspace().list(&key, Look::Peek, now)?.is_some() {
            return Ok(Some(key));
        }
    }
    Ok(None)
}

/// The place in a list of `len` elements that an index means, which counts from the end when negative; `None` when it
/// is outside.
fn place(index: i64, len: usize) -> Option<usize> {
    let from_end = index.unsigned_abs().try_into().ok().and_then(|back| len.checked_sub(back));
    let place = if index < 0 { from_end } else { index.try_into().ok() };
    place.filter(|place| *place < len)
}

/// What the tests over the whole table need to know of this family.
#[cfg(test)]
pub(crate) mod facts {
    /// What redis-server calls fast.
    pub const FAST: &str = "LLEN LPOP LPUSH LPUSHX RPOP RPUSH RPUSHX";

    /// Each command in a call that takes effect.
    pub const EXAMPLES: &[&str] = &[
        "LPUSH l a b c",
        "RPUSH l d e f",
        "LPUSHX l g",
        "RPUSHX l h",
        "LLEN l",
        "LINDEX l 1",
        "LSET l 0 z",
        "LINSERT l BEFORE a y",
        "LREM l 1 a",
        "LRANGE l 0 -1",
        "LTRIM l 1 -1",
        "LPOS l b",
        "LMOVE l l2 LEFT RIGHT",
        "RPOPLPUSH l l2",
        "LMOVEM l l2 LEFT RIGHT",
        "LPOP l",
        "RPOP l",
        "LMPOP 2 none l2 LEFT",
        "RPUSH l a b c d e f g",
        "BLPOP none l 0",
        "BRPOP l 0",
        "BLMPOP 0 2 none l LEFT",
        "BLMOVE l l2 LEFT RIGHT 0",
        "BRPOPLPUSH l l2 0",
        "BLMOVEM l l2 LEFT RIGHT 0",
    ];
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn indexes_count_from_either_end() {
        let of = |index| place(index, 3);
        assert_eq!([of(0), of(2), of(-1), of(-3)], [Some(0), Some(2), Some(2), Some(0)]);
        assert_eq!([of(3), of(-4), of(i64::MIN), of(i64::MAX)], [None; 4]);
        assert_eq!([place(0, 0), place(-1, 0)], [None; 2]);
    }
}
