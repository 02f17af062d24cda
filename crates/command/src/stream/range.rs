//! Reading a stretch of a stream.

use super::{KEY, id, reply_entry};
use crate::spec::{Arg, Arity, Command, Flags, Group, KeySpec, Spec};
use crate::{Args, Ctx, Failure};
use store::Look;

/// Counts the entries of a stream.
pub const XLEN: Command = Command::new(
    Spec {
        name: "XLEN",
        arity: Arity::exactly(2),
        keys: &[KeySpec::one(1, &["RO"])],
        flags: Flags::READONLY.and(Flags::FAST),
        group: Group::Stream,
        since: "5.0.0",
        complexity: "O(1)",
        summary: "Returns the number of entries in a stream.",
        args: &[KEY],
        ..Spec::NEW
    },
    xlen,
);

fn xlen(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let now = ctx.now;
    let len =
        ctx.keyspace().stream(&args.key(1), Look::Read, now)?.map_or(0, |stream| stream.len());
    ctx.reply.integer(len as i64);
    Ok(())
}

/// What both commands have in common.
const RANGE: Spec = Spec {
    arity: Arity::at_least(4),
    keys: &[KeySpec::one(1, &["RO", "access"])],
    flags: Flags::READONLY,
    group: Group::Stream,
    since: "5.0.0",
    history: &[("6.2.0", "Added exclusive ranges.")],
    ..Spec::NEW
};

const COUNT: Arg = Arg::integer("count").token("COUNT").optional();

/// Reads entries between two IDs.
pub const XRANGE: Command = Command::new(
    Spec {
        name: "XRANGE",
        complexity: "O(N) with N being the number of elements being returned. If N is constant (e.g. always asking for the first 10 elements with COUNT), you can consider it O(1).",
        summary: "Returns the entries of a stream between two IDs.",
        args: &[KEY, Arg::string("start"), Arg::string("end"), COUNT],
        ..RANGE
    },
    |ctx, args| range(ctx, args, false),
);

/// Reads entries between two IDs, the last first.
pub const XREVRANGE: Command = Command::new(
    Spec {
        name: "XREVRANGE",
        complexity: "O(N) with N being the number of elements returned. If N is constant (e.g. always asking for the first 10 elements with COUNT), you can consider it O(1).",
        summary: "Returns the entries of a stream between two IDs, the last of them first.",
        args: &[KEY, Arg::string("end"), Arg::string("start"), COUNT],
        ..RANGE
    },
    |ctx, args| range(ctx, args, true),
);

fn range(ctx: &mut Ctx<'_>, args: &Args<'_>, back: bool) -> Result<(), Failure> {
    let (first, last) = if back { (3, 2) } else { (2, 3) };
    let start = id::start(args.get(first))?;
    let end = id::end(args.get(last))?;
    let count = count(args)?;
    let Ctx { store, reply, db, now, .. } = ctx;
    let Some(stream) = store.db(*db).stream(&args.key(1), Look::Read, *now)? else {
        reply.array(0);
        return Ok(());
    };
    if count == Some(0) {
        reply.null_array();
        return Ok(());
    }
    let (entries, most) = (reply.deferred_array(), count.unwrap_or(usize::MAX));
    let mut found = 0;
    let visit = |entry| {
        reply_entry(reply, &entry);
        found += 1;
        found < most
    };
    if back {
        stream.each_back(start, end, visit);
    } else {
        stream.each(start, end, visit);
    }
    reply.close(entries, found);
    Ok(())
}

/// How many entries are wanted; none for a count below zero.
fn count(args: &Args<'_>) -> Result<Option<usize>, Failure> {
    let (mut count, mut at) = (None, 4);
    while at < args.len() {
        if !args.is(at, "COUNT") || at + 1 == args.len() {
            return Err(Failure::SYNTAX);
        }
        let number = args.integer(at + 1).ok_or(Failure::NOT_INTEGER)?;
        count = Some(usize::try_from(number.max(0)).unwrap_or(usize::MAX));
        at += 2;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use crate::check::{World, check, check3};
    use resp::write::Protocol;

    const START: &str = "XADD x 1-1 a b; XADD x 1-2 a b; XADD x 2-0 c d";
    const ADDED: &str = "1-1; 1-2; 2-0";

    #[test]
    fn ranges_are_read_in_both_directions() {
        check(
            &format!(
                "{START}; XRANGE x - +; XREVRANGE x + -; XRANGE x 1 1; XRANGE x (1-1 +; XREVRANGE x (2 -; XRANGE x 3 +; XRANGE x + -"
            ),
            &format!(
                "{ADDED}; [[1-1 [a b]] [1-2 [a b]] [2-0 [c d]]]; [[2-0 [c d]] [1-2 [a b]] [1-1 [a b]]]; [[1-1 [a b]] [1-2 [a b]]]; [[1-2 [a b]] [2-0 [c d]]]; [[2-0 [c d]] [1-2 [a b]] [1-1 [a b]]]; []; []"
            ),
        );
        check(
            &format!("{START}; XDEL x 1-2; XRANGE x - + COUNT 2; XREVRANGE x + - COUNT 1; XLEN x"),
            &format!("{ADDED}; 1; [[1-1 [a b]] [2-0 [c d]]]; [[2-0 [c d]]]; 2"),
        );
    }

    #[test]
    fn long_replies_have_their_length() {
        let mut world = World::new(Protocol::Resp2);
        for id in 1..=250 {
            world.script(&format!("XADD x {id} field value{id}"));
        }
        assert!(
            world.run(&[b"XRANGE", b"x", b"-", b"+"]).starts_with(b"*250\r\n*2\r\n$3\r\n1-0\r\n")
        );
        assert!(
            world
                .run(&[b"XREVRANGE", b"x", b"+", b"-"])
                .starts_with(b"*250\r\n*2\r\n$5\r\n250-0\r\n")
        );
    }

    #[test]
    fn a_count_of_none_is_null_where_there_is_a_stream() {
        let mut world = World::new(Protocol::Resp2);
        world.script("XADD x 1 a b");
        assert_eq!(world.run(&[b"XRANGE", b"x", b"-", b"+", b"COUNT", b"0"]), b"*-1\r\n");
        assert_eq!(world.run(&[b"XREVRANGE", b"x", b"+", b"-", b"COUNT", b"-1"]), b"*-1\r\n");
        assert_eq!(world.run(&[b"XRANGE", b"none", b"-", b"+", b"COUNT", b"0"]), b"*0\r\n");
        check3("XADD x 1 a b; XRANGE x - + COUNT 0; XRANGE none - +", "1-0; nil; []");
    }

    #[test]
    fn ids_are_checked_before_the_count_and_that_before_the_key() {
        let bad = "ERR Invalid stream ID specified as stream command argument";
        check(
            "SET s v; XRANGE s x +; XRANGE s - + COUNT x; XRANGE s - + COUNT; XRANGE s - + FOO 1; XRANGE s - + COUNT 0; XLEN s; XRANGE s (- +",
            &format!(
                "OK; {bad}; ERR value is not an integer or out of range; ERR syntax error; ERR syntax error; WRONGTYPE; WRONGTYPE; {bad}"
            ),
        );
        let max = "18446744073709551615";
        check(
            &format!("XRANGE x ({max}-{max} +; XRANGE x - (0-0; XRANGE x - (0"),
            "ERR invalid start ID for the interval; ERR invalid end ID for the interval; []",
        );
    }
}
