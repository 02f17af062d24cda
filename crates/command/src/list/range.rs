//! Ranges of elements: reading one, and keeping one.

use super::KEY;
use crate::spec::{Arg, Arity, Command, Flags, Group, KeySpec, Spec, Writes};
use crate::string::reply_text;
use crate::{Args, Ctx, Failure};
use std::ops::Range;
use store::Look;

/// Returns a range of the elements of a list.
pub const LRANGE: Command = Command::new(
    Spec {
        name: "LRANGE",
        arity: Arity::exactly(4),
        keys: &[KeySpec::one(1, &["RO", "access"])],
        flags: Flags::READONLY,
        group: Group::List,
        since: "1.0.0",
        complexity: "O(S+N) where S is the distance of start offset from HEAD for small lists, from nearest end (HEAD or TAIL) for large lists; and N is the number of elements in the specified range.",
        summary: "Returns a range of the elements of a list.",
        args: &[KEY, Arg::integer("start"), Arg::integer("stop")],
        ..Spec::NEW
    },
    lrange,
);

/// The indexes in arguments 2 and 3.
fn bounds(args: &Args<'_>) -> Result<(i64, i64), Failure> {
    args.integer(2).zip(args.integer(3)).ok_or(Failure::NOT_INTEGER)
}

/// The elements from one index to another, both of which count from the end when negative, in a list of `len` elements.
fn range_in((start, stop): (i64, i64), len: usize) -> Range<usize> {
    let len = len as i64;
    let from_start = |index: i64| if index < 0 { index.saturating_add(len) } else { index };
    let (start, stop) = (from_start(start).max(0), from_start(stop).min(len - 1));
    if start > stop { 0..0 } else { start as usize..stop as usize + 1 }
}

fn lrange(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let bounds = bounds(args)?;
    let Ctx { store, reply, db, now, .. } = ctx;
    let Some(list) = store.db(*db).list(&args.key(1), Look::Read, *now)? else {
        reply.array(0);
        return Ok(());
    };
    let range = range_in(bounds, list.len());
    reply.array(range.len());
    list.each(range.start, range.len(), |element| reply_text(reply, element));
    Ok(())
}

/// Removes all elements of a list but those of a range.
pub const LTRIM: Command = Command::new(
    Spec {
        name: "LTRIM",
        writes: Writes::Always,
        arity: Arity::exactly(4),
        keys: &[KeySpec::one(1, &["RW", "delete"])],
        flags: Flags::WRITE,
        group: Group::List,
        since: "1.0.0",
        complexity: "O(N) where N is the number of elements to be removed by the operation.",
        summary: "Removes all elements of a list but those of a range.",
        args: &[KEY, Arg::integer("start"), Arg::integer("stop")],
        ..Spec::NEW
    },
    ltrim,
);

fn ltrim(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let bounds = bounds(args)?;
    let (key, now) = (args.key(1), ctx.now);
    ctx.keyspace().edit_list(&key, now, |list| list.keep(range_in(bounds, list.len())))?;
    ctx.reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::check::check;

    #[test]
    fn ranges_count_from_either_end_and_may_reach_beyond() {
        check(
            "RPUSH l a b c d; LRANGE l 0 -1; LRANGE l 1 2; LRANGE l -2 -1; LRANGE l -100 100; LRANGE l 2 1; LRANGE l 4 9; LRANGE l -9 -5; LRANGE l -9 -4",
            "4; [a b c d]; [b c]; [c d]; [a b c d]; []; []; []; [a]",
        );
        check(
            "RPUSH l a b; LRANGE l -9223372036854775808 9223372036854775807; LRANGE l 9223372036854775807 -9223372036854775808; LRANGE none 0 -1; LRANGE none x 1; LRANGE none 0 1x",
            "2; [a b]; []; []; ERR; ERR value is not an integer or out of range",
        );
    }

    #[test]
    fn a_range_is_kept_and_the_rest_goes() {
        check(
            "RPUSH l a b c d e; LTRIM l 1 -2; LRANGE l 0 -1; LTRIM l 0 -1; LTRIM l -100 1; LRANGE l 0 -1; LTRIM l 5 9; EXISTS l; LTRIM l 0 1",
            "5; OK; [b c d]; OK; OK; [b c]; OK; 0; OK",
        );
        check("RPUSH l a b; LTRIM l 1 0; EXISTS l; LTRIM none x 1", "2; OK; 0; ERR");
    }

    #[test]
    fn the_newest_elements_of_a_capped_list_are_kept() {
        let pushes: String = (0..30).map(|n| format!("LPUSH l {n}; LTRIM l 0 2; ")).collect();
        let replies: String = (0..30).map(|n| format!("{}; OK; ", (n + 1).min(4))).collect();
        check(&format!("{pushes} LRANGE l 0 -1"), &format!("{replies} [29 28 27]"));
    }

    #[test]
    fn ranges_reach_over_the_nodes_of_a_large_list() {
        let push = "@set list-max-listpack-size 2; RPUSH l 0 1 2 3 4 5 6 7 8";
        check(
            &format!(
                "{push}; LRANGE l 1 -2; LRANGE l 3 3; LTRIM l 3 -2; LRANGE l 0 -1; OBJECT ENCODING l; LTRIM l 1 1; OBJECT ENCODING l"
            ),
            "9; [1 2 3 4 5 6 7]; [3]; OK; [3 4 5 6 7]; quicklist; OK; listpack",
        );
    }
}
