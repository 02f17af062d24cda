//! Setting what a stream remembers beside its entries.

use super::{KEY, id};
use crate::spec::{Arg, Arity, Command, Flags, Group, KeySpec, Spec, Writes};
use crate::{Args, Ctx, Failure};
use store::{Stream, StreamId};

/// Sets the last ID of a stream, and what it counts.
pub const XSETID: Command = Command::new(
    Spec {
        name: "XSETID",
        writes: Writes::OnlyGroups,
        arity: Arity::at_least(3),
        keys: &[KeySpec::one(1, &["RW", "update"])],
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
        group: Group::Stream,
        since: "5.0.0",
        complexity: "O(1)",
        summary: "Sets the last ID of a stream and what it counts; for those who restore streams.",
        args: &[
            KEY,
            Arg::string("last-id"),
            Arg::integer("entries_added").token("ENTRIESADDED").optional().since("7.0.0"),
            Arg::string("max_deleted_entry_id").token("MAXDELETEDID").optional().since("7.0.0"),
        ],
        history: &[("7.0.0", "Added the `entries_added` and `max_deleted_entry_id` arguments.")],
        ..Spec::NEW
    },
    xsetid,
);

const BELOW_DELETED: Failure = Failure::new(
    "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
);
const BELOW_LAST: Failure =
    Failure::new("ERR The ID specified in XSETID is smaller than the target stream top item");
const NEGATIVE_ADDED: Failure = Failure::new("ERR entries_added must be positive");
const FEWER_THAN_LEN: Failure = Failure::new(
    "ERR The entries_added specified in XSETID is smaller than the target stream length",
);

/// What is to be set.
struct Wish {
    last: StreamId,
    added: Option<i64>,
    deleted: Option<StreamId>,
}

fn wish(args: &Args<'_>) -> Result<Wish, Failure> {
    let mut wish = Wish { last: id::exact(args.get(2), 0)?, added: None, deleted: None };
    let mut at = 3;
    while at < args.len() {
        let more = at + 1 < args.len();
        if more && args.is(at, "ENTRIESADDED") {
            let added = args.integer(at + 1).ok_or(Failure::NOT_INTEGER)?;
            wish.added = Some(added).filter(|added| *added >= 0);
            wish.added.ok_or(NEGATIVE_ADDED)?;
        } else if more && args.is(at, "MAXDELETEDID") {
            let deleted = id::exact(args.get(at + 1), 0)?;
            if wish.last < deleted {
                return Err(BELOW_DELETED);
            }
            wish.deleted = Some(deleted);
        } else {
            return Err(Failure::SYNTAX);
        }
        at += 2;
    }
    Ok(wish)
}

fn xsetid(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let wish = wish(args)?;
    let Ctx { store, db, now, .. } = ctx;
    store.db(*db).edit_stream(&args.key(1), *now, |edit| {
        let Some(stream) = edit.view() else { return Err(Failure::NO_SUCH_KEY) };
        check(stream, &wish)?;
        edit.with(|stream| {
            stream.set_last_id(wish.last);
            stream.entries_added = wish.added.unwrap_or(stream.entries_added);
            // Zero is no ID, so it says nothing.
            let deleted = wish.deleted.filter(|deleted| *deleted != StreamId::MIN);
            stream.max_deleted = deleted.unwrap_or(stream.max_deleted);
        });
        edit.changed(1);
        Ok(())
    })??;
    ctx.reply.ok();
    Ok(())
}

/// Whether a stream can be as is wished.
fn check(stream: &Stream, wish: &Wish) -> Result<(), Failure> {
    let Some(last) = stream.last_entry() else { return Ok(()) };
    if wish.last < last.id {
        return Err(BELOW_LAST);
    }
    let len = i64::try_from(stream.len()).unwrap_or(i64::MAX);
    if wish.added.is_some_and(|added| added < len) { Err(FEWER_THAN_LEN) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use crate::check::check;

    #[test]
    fn the_last_id_is_at_least_that_of_the_last_entry() {
        check(
            "XADD x 1 a b; XADD x 3 a b; XSETID x 2; XSETID x 9; XADD x 5 a b; XDEL x 3; XSETID x 1; XADD x 2 a b",
            "1-0; 3-0; ERR The ID specified in XSETID is smaller than the target stream top item; OK; ERR; 1; OK; 2-0",
        );
        check(
            "XSETID x 1; XSETID x x; SET s v; XSETID s 1",
            "ERR no such key; ERR Invalid stream ID specified as stream command argument; OK; WRONGTYPE",
        );
    }

    #[test]
    fn deleted_entries_behind_a_last_id_that_is_set_back_are_forgotten() {
        check(
            "XADD x 5-1 a b; XADD x 6-1 a b; XDEL x 6-1; XSETID x 5-5; XADD x 5-6 c d; XRANGE x 5-6 +; XDEL x 5-6; XLEN x",
            "5-1; 6-1; 1; OK; 5-6; [[5-6 [c d]]]; 1; 1",
        );
        check(
            "XADD x 5-1 a b; XADD x 6-1 a b; XDEL x 6-1; XTRIM x MINID 5-5; XSETID x 0-1; XADD x 0-2 a b; XRANGE x - +",
            "5-1; 6-1; 1; 1; OK; 0-2; [[0-2 [a b]]]",
        );
    }

    #[test]
    fn counts_are_checked() {
        check(
            "XADD x 1 a b; XADD x 2 a b; XSETID x 5 ENTRIESADDED 1; XSETID x 5 ENTRIESADDED -1; XSETID x 5 ENTRIESADDED x; XSETID x 5 ENTRIESADDED; XSETID x 5 MAXDELETEDID 6; XSETID x 5 FOO 1; XSETID x 5 ENTRIESADDED 7 MAXDELETEDID 4",
            "1-0; 2-0; ERR The entries_added specified in XSETID is smaller than the target stream length; ERR entries_added must be positive; ERR value is not an integer or out of range; ERR syntax error; ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id; ERR syntax error; OK",
        );
    }
}
