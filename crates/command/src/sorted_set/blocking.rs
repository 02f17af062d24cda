//! Taking members from the ends, or waiting until there are some.
//!
//! A sorted set that is there has members, so who finds none waits for a key to become one. A key of another type
//! is an error to who asks, and is waited for as if it were absent by who waits already.

use super::KEY;
use super::pop::{ENDS, End, ManyPop, first, take};
use crate::spec::{
    Arg, ArgKind, Arity, Blocks, Command, Fanout, Flags, Group, KeySpec, Spec, Writes,
};
use crate::string::reply_text;
use crate::{Args, Ctx, Failure, Run, Wait, wait};
use store::{Kind, Look};

const TIMEOUT: Arg = Arg::new("timeout", ArgKind::Double);

/// What BZPOPMIN and BZPOPMAX have in common.
const POPPING: Spec = Spec {
    writes: Writes::FirstThere,
    arity: Arity::at_least(3),
    keys: &[KeySpec::range(1, -2, 1, &["RW", "access", "delete"])],
    flags: Flags::WRITE.and(Flags::NOSCRIPT).and(Flags::BLOCKING).and(Flags::FAST),
    fanout: Fanout::Loan,
    group: Group::SortedSet,
    since: "5.0.0",
    complexity: "O(log(N)) with N being the number of elements in the sorted set.",
    args: &[KEY.multiple(), TIMEOUT],
    history: &[("6.0.0", "`timeout` may have a fraction.")],
    ..Spec::NEW
};

/// How the client of one that waits with its key at argument 1 is served.
const fn blocks(run: Run) -> Option<Blocks> {
    Some(Blocks { ready: |ctx, args| is_sorted_set(ctx, args, 1), woken: run })
}

/// Removes and returns the member with the greatest score of the first of several sorted sets that has any.
pub const BZPOPMAX: Command = {
    const RUN: Run = |ctx, args| pop_one(ctx, args, End::Max);
    let summary = "Removes and returns the member with the greatest score of the first of several sorted sets that has any, and can wait for one.";
    Command::new(Spec { name: "BZPOPMAX", summary, blocks: blocks(RUN), ..POPPING }, RUN)
};

/// Removes and returns the member with the least score of the first of several sorted sets that has any.
pub const BZPOPMIN: Command = {
    const RUN: Run = |ctx, args| pop_one(ctx, args, End::Min);
    let summary = "Removes and returns the member with the least score of the first of several sorted sets that has any, and can wait for one.";
    Command::new(Spec { name: "BZPOPMIN", summary, blocks: blocks(RUN), ..POPPING }, RUN)
};

/// Removes and returns members from an end of the first of several sorted sets that has any.
pub const BZMPOP: Command = Command::new(
    Spec {
        name: "BZMPOP",
        writes: Writes::FirstThere,
        arity: Arity::at_least(5),
        keys: &[KeySpec::counted(2, &["RW", "access", "delete"])],
        flags: Flags::WRITE.and(Flags::BLOCKING).and(Flags::MOVABLEKEYS),
        fanout: Fanout::Loan,
        blocks: Some(Blocks { ready: |ctx, args| is_sorted_set(ctx, args, 3), woken: bzmpop }),
        group: Group::SortedSet,
        since: "7.0.0",
        complexity: "O(K) + O(M*log(N)) where K is the number of provided keys, N being the number of elements in the sorted set, and M being the number of elements popped.",
        summary: "Removes and returns members from an end of the first of several sorted sets that has any, and can wait for some.",
        args: &[
            TIMEOUT,
            Arg::integer("numkeys"),
            KEY.multiple(),
            Arg::one_of("where", ENDS),
            Arg::integer("count").token("COUNT").optional(),
        ],
        ..Spec::NEW
    },
    bzmpop,
);

/// Whether the key at an argument is a sorted set.
fn is_sorted_set(ctx: &mut Ctx<'_>, args: &Args<'_>, position: usize) -> bool {
    let now = ctx.now;
    ctx.keyspace().kind_as(&args.key(position), Look::Peek, now) == Some(Kind::SortedSet)
}

fn pop_one(ctx: &mut Ctx<'_>, args: &Args<'_>, end: End) -> Result<(), Failure> {
    let last = args.len() - 1;
    let timeout_us = wait::seconds(args, last)?;
    let Some(key) = first(ctx, args, 1..last)? else {
        ctx.reply.null_array();
        ctx.wait = Some(Wait::for_one_of(timeout_us, args, 1..last));
        return Ok(());
    };
    let Ctx { store, reply, db, now, .. } = ctx;
    store.db(*db).edit_sorted_set(&key, *now, |set| {
        take(set, end, 1, |_, scored| match scored {
            None => {
                reply.array(3);
                reply.bulk(key.bytes);
            }
            Some(scored) => {
                reply_text(reply, scored.member);
                reply.double(scored.score);
            }
        });
    })?;
    Ok(())
}

fn bzmpop(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let told = ManyPop::parse(args, 2)?;
    let timeout_us = wait::seconds(args, 1)?;
    if told.pop(ctx, args)? {
        return Ok(());
    }
    ctx.reply.null_array();
    ctx.wait = Some(Wait::for_one_of_counted(timeout_us, args, told.keys()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::check::{World, check, check3};
    use resp::write::Protocol;

    #[test]
    fn the_first_sorted_set_that_there_is_serves_at_once() {
        let script = "ZADD z 1 a 2 b 3 c 4 d 5 e; BZPOPMIN none z 0; BZPOPMAX z none 0; BZMPOP 0 2 none z MAX COUNT 2; BZMPOP 0 1 z MIN; EXISTS z";
        check(script, "5; [z a 1]; [z e 5]; [z [[d 4] [c 3]]]; [z [[b 2]]]; 0");
        check3(script, "5; [z a ,1]; [z e ,5]; [z [[d ,4] [c ,3]]]; [z [[b ,2]]]; 0");
    }

    #[test]
    fn who_waits_is_served_by_the_sorted_set_that_comes() {
        check(
            "BZPOPMIN y z 0; ZADD z 1 a 2 b; @woken; DEL z; BZPOPMAX z 0.1; @woken; ZADD z 1 a 2 b; @woken; DEL z; BZMPOP 0 2 y z MAX COUNT 2; ZADD z 1 a 2 b 3 c; @woken",
            "nil; 2; [z a 1]; 1; nil; waits; 2; [z b 2]; 1; nil; 3; [z [[c 3] [b 2]]]",
        );
        check(
            "BZPOPMIN z 0; SET z v; @woken; DEL z; ZADD z 1 a; @woken",
            "nil; OK; waits; 1; 1; [z a 1]",
        );
    }

    #[test]
    fn what_is_waited_for_is_told_for_each_key() {
        let mut world = World::new(Protocol::Resp2);
        assert_eq!(world.run(&[b"BZMPOP", b"2", b"2", b"y", b"z", b"MIN"]), b"*-1\r\n");
        let wait = world.wait.take().expect("it waits");
        assert_eq!(wait.timeout_us, 2_000_000);
        let words: Vec<Vec<u8>> = wait.keys.iter().map(|key| key.words.join(&b' ')).collect();
        assert_eq!(words, [b"BZMPOP 0 1 y MIN", b"BZMPOP 0 1 z MIN"]);
        assert_eq!(wait.keys.iter().map(|key| key.position).collect::<Vec<_>>(), [3, 4]);
        assert_eq!(world.run(&[b"BZPOPMAX", b"y", b"z", b"0"]), b"*-1\r\n");
        let wait = world.wait.take().expect("it waits");
        let words: Vec<Vec<u8>> = wait.keys.iter().map(|key| key.words.join(&b' ')).collect();
        assert_eq!(words, [b"BZPOPMAX y 0", b"BZPOPMAX z 0"]);
    }

    #[test]
    fn counts_are_checked_before_the_time_and_that_before_the_keys() {
        let bad = "ERR timeout is not a float or out of range";
        check(
            "SET s v; BZPOPMIN s x; BZPOPMAX s 0; BZPOPMIN z s 0; BZMPOP x 0 s UP; BZMPOP x 1 s UP; BZMPOP x 1 s MIN COUNT 0; BZMPOP x 1 s MIN; BZMPOP 0 2 z s MIN",
            &format!(
                "OK; {bad}; WRONGTYPE; WRONGTYPE; ERR numkeys should be greater than 0; ERR syntax error; ERR count should be greater than 0; {bad}; WRONGTYPE"
            ),
        );
    }
}
