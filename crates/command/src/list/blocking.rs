//! Taking elements out of lists, or waiting until there are some.
//!
//! A list that is there has elements, so who finds none waits for a key to become a list. A key of another type
//! is an error to who asks, and is waited for as if it were absent by who waits already.

use super::transfer::{
    DESTINATION, FROM, HOW_MANY, SOURCE, TO, TRANSFER, Wish, move_one, move_several,
};
use super::{ENDS, KEY, end, first, pop, transfer};
use crate::spec::{
    Arg, ArgKind, Arity, Blocks, Command, Fanout, Flags, Group, KeySpec, Spec, Writes,
};
use crate::string::reply_text;
use crate::{Args, Ctx, Failure, Run, Wait, wait};
use store::{End, Look};

const TIMEOUT: Arg = Arg::new("timeout", ArgKind::Double);
const SECONDS_SINCE: &[(&str, &str)] = &[("6.0.0", "`timeout` may have a fraction.")];
const BLOCKING: Flags = Flags::WRITE.and(Flags::NOSCRIPT).and(Flags::BLOCKING);

/// Ready when the key at an argument is a list.
macro_rules! when_list_at {
    ($position:literal, $run:expr) => {
        Some(Blocks { ready: |ctx, args| is_list(ctx, args, $position), woken: $run })
    };
}

/// What BLPOP and BRPOP have in common.
const POP: Spec = Spec {
    writes: Writes::FirstThere,
    arity: Arity::at_least(3),
    keys: &[KeySpec::range(1, -2, 1, &["RW", "access", "delete"])],
    flags: BLOCKING,
    fanout: Fanout::Loan,
    group: Group::List,
    since: "2.0.0",
    complexity: "O(N) where N is the number of provided keys.",
    args: &[KEY.multiple(), TIMEOUT],
    history: SECONDS_SINCE,
    ..Spec::NEW
};

/// Takes the first element out of the first of several lists that there is, and can wait for one.
pub const BLPOP: Command = {
    const RUN: Run = |ctx, args| pop_one(ctx, args, End::Head);
    let summary = "Takes the first element out of the first of several lists that there is, and can wait for one.";
    Command::new(Spec { name: "BLPOP", summary, blocks: when_list_at!(1, RUN), ..POP }, RUN)
};

/// Takes the last element out of the first of several lists that there is, and can wait for one.
pub const BRPOP: Command = {
    const RUN: Run = |ctx, args| pop_one(ctx, args, End::Tail);
    let summary = "Takes the last element out of the first of several lists that there is, and can wait for one.";
    Command::new(Spec { name: "BRPOP", summary, blocks: when_list_at!(1, RUN), ..POP }, RUN)
};

/// Takes elements out of the first of several lists that there is, and can wait for one.
pub const BLMPOP: Command = Command::new(
    Spec {
        name: "BLMPOP",
        writes: Writes::FirstThere,
        arity: Arity::at_least(5),
        keys: &[KeySpec::counted(2, &["RW", "access", "delete"])],
        flags: Flags::WRITE.and(Flags::BLOCKING).and(Flags::MOVABLEKEYS),
        fanout: Fanout::Loan,
        blocks: when_list_at!(3, blmpop),
        group: Group::List,
        since: "7.0.0",
        complexity: "O(N+M) where N is the number of provided keys and M is the number of elements returned.",
        summary: "Takes elements out of the first of several lists that there is, and can wait for one.",
        args: &[
            TIMEOUT,
            Arg::integer("numkeys"),
            KEY.multiple(),
            Arg::one_of("where", ENDS),
            Arg::integer("count").token("COUNT").optional(),
        ],
        ..Spec::NEW
    },
    blmpop,
);

/// Moves an element from an end of a list to an end of another, and can wait for it.
pub const BLMOVE: Command = Command::new(
    Spec {
        name: "BLMOVE",
        arity: Arity::exactly(6),
        flags: BLOCKING.and(Flags::DENYOOM),
        blocks: when_list_at!(1, blmove),
        since: "6.2.0",
        complexity: "O(1)",
        summary: "Moves an element from an end of a list to an end of another, and can wait for it.",
        args: &[SOURCE, DESTINATION, FROM, TO, TIMEOUT],
        ..TRANSFER
    },
    blmove,
);

/// Moves the last element of a list to the left end of another, and can wait for it.
pub const BRPOPLPUSH: Command = Command::new(
    Spec {
        name: "BRPOPLPUSH",
        arity: Arity::exactly(4),
        flags: BLOCKING.and(Flags::DENYOOM),
        blocks: when_list_at!(1, brpoplpush),
        since: "2.2.0",
        complexity: "O(1)",
        summary: "Moves the last element of a list to the left end of another, and can wait for it.",
        args: &[SOURCE, DESTINATION, TIMEOUT],
        history: SECONDS_SINCE,
        deprecated: Some(("6.2.0", "`BLMOVE` with the `RIGHT` and `LEFT` arguments")),
        ..TRANSFER
    },
    brpoplpush,
);

/// Moves several elements from an end of a list to an end of another, and can wait for them.
pub const BLMOVEM: Command = Command::new(
    Spec {
        name: "BLMOVEM",
        arity: Arity::at_least(6),
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::BLOCKING).and(Flags::NEWER),
        blocks: Some(Blocks { ready: has_enough, woken: blmovem }),
        since: "8.10.0",
        complexity: "O(N) where N is the number of elements moved.",
        summary: "Moves several elements from an end of a list to an end of another, and can wait for them.",
        args: &[SOURCE, DESTINATION, FROM, TO, TIMEOUT, HOW_MANY],
        ..TRANSFER
    },
    blmovem,
);

/// Whether the key at an argument is a list.
fn is_list(ctx: &mut Ctx<'_>, args: &Args<'_>, position: usize) -> bool {
    let now = ctx.now;
    matches!(ctx.keyspace().list(&args.key(position), Look::Peek, now), Ok(Some(_)))
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
    store.db(*db).edit_list(&key, *now, |list| {
        reply.array(2);
        reply.bulk(key.bytes);
        let popped = list.pop(end, |element| reply_text(reply, element));
        debug_assert!(popped, "a list that is there has elements");
    })?;
    Ok(())
}

fn blmpop(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let rest = args.skipping(1);
    let wish = pop::wish(&rest)?;
    let timeout_us = wait::seconds(args, 1)?;
    if wish.take(ctx, &rest)? {
        return Ok(());
    }
    ctx.reply.null_array();
    let keys = wish.keys().start + 1..wish.keys().end + 1;
    ctx.wait = Some(Wait::for_one_of_counted(timeout_us, args, keys));
    Ok(())
}

fn blmove(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let wish = Wish { from: end(args, 3)?, to: end(args, 4)?, ..Wish::ONE };
    move_or_wait(ctx, args, 5, &wish)
}

fn brpoplpush(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    move_or_wait(ctx, args, 3, &Wish::RIGHT_TO_LEFT)
}

fn move_or_wait(
    ctx: &mut Ctx<'_>,
    args: &Args<'_>,
    timeout: usize,
    wish: &Wish,
) -> Result<(), Failure> {
    let timeout_us = wait::seconds(args, timeout)?;
    if !move_one(ctx, args, wish)? {
        ctx.wait = Some(Wait::whole(timeout_us, args));
    }
    Ok(())
}

/// Where BLMOVEM says how many.
const BLMOVEM_HOW_MANY: usize = 6;

fn blmovem(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let wish = transfer::wish(args, BLMOVEM_HOW_MANY)?;
    let timeout_us = wait::seconds(args, 5)?;
    if !move_several(ctx, args, &wish)? {
        ctx.wait = Some(Wait::whole(timeout_us, args));
    }
    Ok(())
}

fn has_enough(ctx: &mut Ctx<'_>, args: &Args<'_>) -> bool {
    let Ok(wish) = transfer::wish(args, BLMOVEM_HOW_MANY) else { return false };
    let now = ctx.now;
    let list = ctx.keyspace().list(&args.key(1), Look::Peek, now);
    matches!(list, Ok(Some(list)) if !wish.exactly || list.len() >= wish.count)
}

#[cfg(test)]
mod tests {
    use crate::check::{World, check, check3};
    use resp::write::Protocol;

    #[test]
    fn the_first_list_that_there_is_serves_at_once() {
        for check in [check, check3] {
            check(
                "RPUSH l a b c d e f g h; BLPOP none l 0; BRPOP l none 0; BLMOVE l m LEFT LEFT 0; BRPOPLPUSH l m 0; BLMPOP 0 2 none l RIGHT COUNT 2; BLMOVEM l m LEFT LEFT 0 EXACTLY 2 OBO; LRANGE m 0 -1; BLPOP l 0",
                "8; [l a]; [l h]; b; g; [l [f e]]; [d c]; [d c g b]; nil",
            );
        }
    }

    #[test]
    fn who_finds_nothing_gets_a_null_and_waits_for_each_key_once() {
        let mut world = World::new(Protocol::Resp2);
        let mut waits = |words: &str| {
            let words: Vec<&[u8]> = words.split(' ').map(str::as_bytes).collect();
            let reply = String::from_utf8(world.run(&words)).expect("it is text");
            let wait = world.wait.take().expect("it waits");
            let keys = wait.keys.iter().map(|key| {
                let words: Vec<_> = key.words.iter().map(|word| word.escape_ascii()).collect();
                let words: Vec<_> = words.iter().map(ToString::to_string).collect();
                format!("{}: {}", key.position, words.join(" "))
            });
            (reply, wait.timeout_us, keys.collect::<Vec<_>>().join(", "))
        };
        let mut expect = |words: &str, null: &str, timeout_us: u64, keys: &str| {
            assert_eq!(waits(words), (format!("{null}\r\n"), timeout_us, keys.to_owned()));
        };
        expect("BLPOP a b a 0", "*-1", 0, "1: BLPOP a 0, 2: BLPOP b 0");
        expect("BRPOP a 1.5", "*-1", 1_500_000, "1: BRPOP a 0");
        expect(
            "BLMPOP 0.1 2 a b LEFT COUNT 3",
            "*-1",
            100_000,
            "3: BLMPOP 0 1 a LEFT COUNT 3, 4: BLMPOP 0 1 b LEFT COUNT 3",
        );
        expect("BLMOVE a b LEFT RIGHT 1", "$-1", 1_000_000, "1: BLMOVE a b LEFT RIGHT 1");
        expect("BRPOPLPUSH a b 1", "$-1", 1_000_000, "1: BRPOPLPUSH a b 1");
        expect("BLMOVEM a b LEFT LEFT 1", "*0", 1_000_000, "1: BLMOVEM a b LEFT LEFT 1");
        expect(
            "BLMOVEM a b LEFT LEFT 1 EXACTLY 2 OBO",
            "*-1",
            1_000_000,
            "1: BLMOVEM a b LEFT LEFT 1 EXACTLY 2 OBO",
        );
    }

    #[test]
    fn who_waits_is_served_by_the_list_that_comes() {
        check(
            "BLPOP a b 0; RPUSH b 1 2 3; @woken; BRPOP a 0; RPUSH a x; @woken; EXISTS a",
            "nil; 3; [b 1]; nil; 1; [a x]; 0",
        );
        check(
            "BLMPOP 0 2 a b RIGHT COUNT 2; @woken; RPUSH b 1 2 3; @woken; LRANGE b 0 -1",
            "nil; waits; 3; [b [3 2]]; [1]",
        );
        check(
            "BLMOVE a b LEFT LEFT 0; RPUSH a 1; @woken; BRPOPLPUSH a a 0; RPUSH a 1 2; @woken; LRANGE a 0 -1; LRANGE b 0 -1",
            "nil; 1; 1; nil; 2; 2; [2 1]; [1]",
        );
        check(
            "BLMOVEM a b LEFT RIGHT 0 EXACTLY 2 BULK; RPUSH a 1; @woken; RPUSH a 2; @woken; LRANGE b 0 -1",
            "nil; 1; waits; 2; [1 2]; [1 2]",
        );
        check(
            "RPUSH a 1; BLMOVEM a b LEFT RIGHT 0 EXACTLY 2 BULK; RPUSH a 2; @woken",
            "1; nil; 2; [1 2]",
        );
    }

    #[test]
    fn another_type_is_an_error_at_first_and_nothing_later() {
        check(
            "SET s v; BLPOP a s 0; BLMPOP 0 2 a s LEFT; BLMOVE s a LEFT LEFT 0; BRPOPLPUSH s a 0; RPUSH l 1; BLPOP l s 0",
            "OK; WRONGTYPE; WRONGTYPE; WRONGTYPE; WRONGTYPE; 1; [l 1]",
        );
        check(
            "BLPOP a 0; SET a v; @woken; DEL a; RPUSH a 1; @woken",
            "nil; OK; waits; 1; 1; [a 1]",
        );
        check(
            "SET s v; BLMOVE a s LEFT LEFT 0; RPUSH a 1; @woken; LRANGE a 0 -1",
            "OK; nil; 1; WRONGTYPE; [1]",
        );
    }

    #[test]
    fn ends_and_counts_are_checked_before_the_time_and_that_before_the_keys() {
        let (bad, negative) =
            ("ERR timeout is not a float or out of range", "ERR timeout is negative");
        check(
            "SET s v; BLPOP s x; BRPOP s -1; BLMOVE s d UP LEFT x; BLMOVE s d LEFT UP x; BLMOVE s d LEFT LEFT x; BRPOPLPUSH s d x",
            &format!("OK; {bad}; {negative}; ERR syntax error; ERR syntax error; {bad}; {bad}"),
        );
        check(
            "SET s v; BLMPOP x 0 s UP; BLMPOP x 1 s UP; BLMPOP x 1 s LEFT COUNT 0; BLMPOP x 1 s LEFT; BLMPOP 0 2 s LEFT; BLMPOP 0 1 s",
            &format!(
                "OK; ERR numkeys should be greater than 0; ERR syntax error; ERR count should be greater than 0; {bad}; ERR syntax error; ERR wrong number of arguments for 'blmpop' command"
            ),
        );
        check(
            "SET s v; BLMOVEM s d LEFT LEFT x COUNT 1 UP; BLMOVEM s d LEFT LEFT x; BLMOVEM s d LEFT LEFT 0",
            &format!("OK; ERR syntax error; {bad}; WRONGTYPE"),
        );
    }
}
