//! Looking for elements: LPOS.

use super::{ELEMENT, KEY};
use crate::spec::{Arg, Arity, Command, Flags, Group, KeySpec, Spec};
use crate::{Args, Ctx, Failure};
use store::{End, List, Look};

/// Returns the indexes of elements that are equal to one.
pub const LPOS: Command = Command::new(
    Spec {
        name: "LPOS",
        arity: Arity::at_least(3),
        keys: &[KeySpec::one(1, &["RO", "access"])],
        flags: Flags::READONLY,
        group: Group::List,
        since: "6.0.6",
        complexity: "O(N) where N is the number of elements in the list, for the average case. When searching for elements near the head or the tail of the list, or when the MAXLEN option is provided, the command may run in constant time.",
        summary: "Returns the indexes of elements that are equal to one.",
        args: &[
            KEY,
            ELEMENT,
            Arg::integer("rank").token("RANK").optional(),
            Arg::integer("num-matches").token("COUNT").optional(),
            Arg::integer("len").token("MAXLEN").optional(),
        ],
        ..Spec::NEW
    },
    lpos,
);

const RANK_ZERO: Failure = Failure::new(
    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list",
);
const RANK_RANGE: Failure = Failure::new(
    "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
);
const COUNT_NEGATIVE: Failure = Failure::new("ERR COUNT can't be negative");
const MAXLEN_NEGATIVE: Failure = Failure::new("ERR MAXLEN can't be negative");

/// What is looked for.
struct Search {
    from: End,
    /// Matches that are passed over.
    skip: u64,
    /// How many are wanted, 0 for all; `None` for one that is not in an array.
    count: Option<u64>,
    /// Elements looked at.
    most: usize,
}

fn parse(args: &Args<'_>) -> Result<Search, Failure> {
    let mut search = Search { from: End::Head, skip: 0, count: None, most: usize::MAX };
    let not_negative = |at: usize| args.integer(at).and_then(|number| u64::try_from(number).ok());
    for at in (3..args.len()).step_by(2) {
        let value = at + 1;
        if value == args.len() {
            return Err(Failure::SYNTAX);
        }
        if args.is(at, "RANK") {
            let rank = args.integer(value).ok_or(Failure::NOT_INTEGER)?;
            match rank {
                0 => return Err(RANK_ZERO),
                i64::MIN => return Err(RANK_RANGE),
                _ => {}
            }
            search.from = if rank < 0 { End::Tail } else { End::Head };
            search.skip = rank.unsigned_abs() - 1;
        } else if args.is(at, "COUNT") {
            search.count = Some(not_negative(value).ok_or(COUNT_NEGATIVE)?);
        } else if args.is(at, "MAXLEN") {
            let most = not_negative(value).ok_or(MAXLEN_NEGATIVE)?;
            let bound = usize::try_from(most).unwrap_or(usize::MAX);
            search.most = if bound == 0 { usize::MAX } else { bound };
        } else {
            return Err(Failure::SYNTAX);
        }
    }
    Ok(search)
}

impl Search {
    /// Gives the indexes that are wanted, one after the other, to `found`.
    fn run(&self, list: &List<'_>, wanted: &[u8], mut found: impl FnMut(usize)) {
        let (mut skip, mut left) = (self.skip, self.count.unwrap_or(1));
        list.positions(wanted, self.from, self.most, |index| {
            if skip > 0 {
                skip -= 1;
                return true;
            }
            found(index);
            left = left.wrapping_sub(1);
            left != 0
        });
    }
}

fn lpos(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let search = parse(args)?;
    let Ctx { store, reply, db, now, .. } = ctx;
    let list = store.db(*db).list(&args.key(1), Look::Read, *now)?;
    let Some(list) = list else {
        match search.count {
            Some(_) => reply.array(0),
            None => reply.null(),
        }
        return Ok(());
    };
    if search.count.is_none() {
        let mut index = None;
        search.run(&list, args.get(2), |found| index = Some(found));
        match index {
            Some(index) => reply.integer(index as i64),
            None => reply.null(),
        }
        return Ok(());
    }
    let (array, mut len) = (reply.deferred_array(), 0);
    search.run(&list, args.get(2), |index| {
        reply.integer(index as i64);
        len += 1;
    });
    reply.close(array, len);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::check::check;

    const LIST: &str = "RPUSH l a b c 1 2 3 c c";

    #[test]
    fn the_first_match_is_found_or_one_of_another_rank() {
        check(
            &format!(
                "{LIST}; LPOS l c; LPOS l 2; LPOS l x; LPOS l c RANK 2; LPOS l c RANK -1; LPOS l c RANK -3; LPOS l c RANK 4; LPOS none c"
            ),
            "8; 2; 4; nil; 6; 7; 2; nil; nil",
        );
    }

    #[test]
    fn several_are_found_from_either_end() {
        check(
            &format!(
                "{LIST}; LPOS l c COUNT 0; LPOS l c COUNT 2; LPOS l c COUNT 2 RANK -1; LPOS l c RANK 2 COUNT 9; LPOS l x COUNT 0; LPOS none c COUNT 1"
            ),
            "8; [2 6 7]; [2 6]; [7 6]; [6 7]; []; []",
        );
    }

    #[test]
    fn no_more_than_maxlen_elements_are_looked_at() {
        check(
            &format!(
                "{LIST}; LPOS l c COUNT 0 MAXLEN 1; LPOS l c MAXLEN 2; LPOS l c MAXLEN 3; LPOS l c COUNT 0 MAXLEN 7; LPOS l c RANK -1 COUNT 0 MAXLEN 2; LPOS l c COUNT 0 MAXLEN 0; LPOS l c COUNT 0 MAXLEN 9223372036854775807"
            ),
            "8; []; nil; 2; [2 6]; [7 6]; [2 6 7]; [2 6 7]",
        );
    }

    #[test]
    fn options_are_checked_before_the_key() {
        check(
            "SET s v; LPOS s a RANK 0; LPOS s a RANK x; LPOS s a COUNT -1; LPOS s a MAXLEN x; LPOS s a RANK; LPOS s a NO 1; LPOS s a RANK -9223372036854775808",
            "OK; ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list; ERR value is not an integer or out of range; ERR COUNT can't be negative; ERR MAXLEN can't be negative; ERR syntax error; ERR syntax error; ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
        );
    }

    #[test]
    fn indexes_count_over_the_nodes_of_a_large_list() {
        check(
            "@set list-max-listpack-size 2; RPUSH l a b a b a b a; LPOS l a COUNT 0; LPOS l a COUNT 0 RANK -2; LPOS l b COUNT 0 RANK -1 MAXLEN 4",
            "7; [0 2 4 6]; [4 2 0]; [5 3]",
        );
    }
}
