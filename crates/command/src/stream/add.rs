//! Adding entries.

use super::id::{self, NewId};
use super::trim::{CONDITION, TRIM, options};
use super::{KEY, reply_id};
use crate::spec::{Arg, Arity, Begin, Command, Find, Flags, Group, KeySpec, Spec};
use crate::{Args, Ctx, Failure};
use base::Now;
use store::{StreamEdit, StreamId};

/// Adds an entry at the end of a stream.
pub const XADD: Command = Command::new(
    Spec {
        name: "XADD",
        arity: Arity::at_least(5),
        keys: &[KeySpec {
            flags: &["RW", "update"],
            begin: Begin::Index(1),
            find: Find::Range { last: 0, step: 1, limit: 0 },
            notes: "UPDATE instead of INSERT because of the optional trimming feature",
        }],
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
        group: Group::Stream,
        since: "5.0.0",
        complexity: "O(1) when adding a new entry, O(N) when trimming where N being the number of entries evicted.",
        summary: "Adds an entry at the end of a stream, which is made if there is none.",
        args: &[
            KEY,
            Arg::word("nomkstream", "NOMKSTREAM").optional().since("6.2.0"),
            CONDITION,
            TRIM.optional(),
            Arg::one_of("id_or_auto", &[Arg::word("auto_id", "*"), Arg::string("id")]),
            Arg::block("field_value", &[Arg::string("field"), Arg::string("value")]).multiple(),
        ],
        tips: &["nondeterministic_output"],
        history: &[
            (
                "6.2.0",
                "Added the `NOMKSTREAM` option, `MINID` trimming strategy and the `LIMIT` option.",
            ),
            ("7.0.0", "Added support for the `<ms>-*` explicit ID form."),
        ],
        ..Spec::NEW
    },
    xadd,
);

const ZERO: Failure = Failure::new("ERR The ID specified in XADD must be greater than 0-0");
const EXHAUSTED: Failure =
    Failure::new("ERR The stream has exhausted the last possible ID, unable to add more items");
const NOT_GREATER: Failure = Failure::new(
    "ERR The ID specified in XADD is equal or smaller than the target stream top item",
);
const TOO_LARGE: Failure = Failure::new("ERR Elements are too large to be stored");

/// The ID that the next entry of a stream gets.
fn next_id(wish: NewId, last: StreamId, now: Now) -> Result<StreamId, Failure> {
    if last == StreamId::MAX {
        return Err(EXHAUSTED);
    }
    let next = match wish {
        NewId::Auto => {
            let ms = u64::try_from(now.unix_ms()).unwrap_or(0);
            if ms > last.ms { Some(StreamId { ms, seq: 0 }) } else { last.next() }
        }
        NewId::In(ms) if ms == last.ms => {
            Some(StreamId { ms, seq: last.seq.checked_add(1).ok_or(TOO_LARGE)? })
        }
        NewId::In(ms) => Some(StreamId { ms, seq: 0 }),
        NewId::Just(id) => Some(id),
    };
    next.filter(|id| *id > last).ok_or(NOT_GREATER)
}

fn xadd(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let options = options(args, ctx.settings, true)?;
    let first = options.behind + 1;
    let count = args.len().saturating_sub(first);
    if count < 2 || !count.is_multiple_of(2) {
        return Err(Failure::wrong_arity("xadd"));
    }
    let wish = id::new(args.get(options.behind))?;
    if wish == NewId::Just(StreamId::MIN) {
        return Err(ZERO);
    }
    let Ctx { store, reply, db, now, .. } = ctx;
    let added = store.db(*db).edit_stream(&args.key(1), *now, |stream| {
        if options.only_existing && stream.view().is_none() {
            return Ok(None);
        }
        let last = stream.view().map_or(StreamId::MIN, |stream| stream.last_id());
        let id = next_id(wish, last, *now)?;
        if !StreamEdit::takes(args.extent()) {
            return Err(TOO_LARGE);
        }
        stream.push(id, |word: usize| args.get(first + word), count);
        if let Some(trim) = &options.trim {
            stream.trim(trim);
        }
        Ok(Some(id))
    })??;
    match added {
        Some(id) => reply_id(reply, id),
        None => reply.null(),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::check::check;

    const SMALLER: &str =
        "ERR The ID specified in XADD is equal or smaller than the target stream top item";
    const BAD: &str = "ERR Invalid stream ID specified as stream command argument";

    #[test]
    fn ids_only_grow() {
        check(
            "XADD x 0-0 a b; XADD x 5 a b; XADD x 5-0 a b; XADD x 4 a b; XADD x 5-* a b; XADD x 4-* a b; XADD x 7-* a b; XLEN x",
            &format!(
                "ERR The ID specified in XADD must be greater than 0-0; 5-0; {SMALLER}; {SMALLER}; 5-1; {SMALLER}; 7-0; 3"
            ),
        );
        check(
            "XADD x 0-* a b; XADD x x a b; XADD x - a b; XADD x + a b; XADD x 5-** a b",
            &format!("0-1; {BAD}; {BAD}; {BAD}; {BAD}"),
        );
    }

    #[test]
    fn ids_come_from_the_clock_unless_it_is_behind() {
        check(
            "XADD x * a b; XADD x * a b; @+5; XADD x * a b; XADD x 1800000000000-3 a b; XADD x * a b",
            "1700000000000-0; 1700000000000-1; 1700000000005-0; 1800000000000-3; 1800000000000-4",
        );
    }

    #[test]
    fn the_last_id_is_the_end() {
        let max = "18446744073709551615";
        let end = "ERR The stream has exhausted the last possible ID, unable to add more items";
        check(
            &format!("XADD x {max}-{max} a b; XADD x * a b; XADD x {max}-* a b; XADD x 1 a b"),
            &format!("{max}-{max}; {end}; {end}; {end}"),
        );
        check(
            &format!("XADD x 5-{max} a b; XADD x 5-* a b; XLEN x"),
            &format!("5-{max}; ERR Elements are too large to be stored; 1"),
        );
    }

    #[test]
    fn fields_are_as_they_came() {
        check(
            "XADD x 1 a 1 b -5; XADD x 2 a 01 b ''; XADD x 3 b 2 a 3; XADD x 4 a 1; XADD x 5 a 1 a 2; XRANGE x - +",
            "1-0; 2-0; 3-0; 4-0; 5-0; [[1-0 [a 1 b -5]] [2-0 [a 01 b \"\"]] [3-0 [b 2 a 3]] [4-0 [a 1]] [5-0 [a 1 a 2]]]",
        );
        check(
            "XADD x 1 a; XADD x 1 a b c; XADD x NOMKSTREAM * a; XADD x MAXLEN 5 a b",
            &format!("ERR; ERR wrong number of arguments for 'xadd' command; ERR; {BAD}"),
        );
    }

    #[test]
    fn options_stand_before_the_id() {
        check(
            "XADD x NOMKSTREAM * a b; EXISTS x; XADD x MAXLEN 2 1 a b; XADD x MAXLEN = 2 2 a b; XADD x nomkstream maxlen 2 3 a b; XRANGE x - +",
            "nil; 0; 1-0; 2-0; 3-0; [[2-0 [a b]] [3-0 [a b]]]",
        );
        check(
            "XADD x MAXLEN 0 1 a b; XLEN x; XADD x MINID 5 ACKED 2 a b; XLEN x",
            "1-0; 0; 2-0; 0",
        );
        check(
            "SET s v; XADD s 0-0 a b; XADD s x a b; XADD s * a; XADD s NOMKSTREAM * a b; XADD s MAXLEN -1 * a b",
            &format!(
                "OK; ERR The ID specified in XADD must be greater than 0-0; {BAD}; ERR; WRONGTYPE; ERR"
            ),
        );
    }
}
