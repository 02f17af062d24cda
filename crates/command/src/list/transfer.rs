//! From one list to another, or around in one: LMOVE, RPOPLPUSH, LMOVEM.
//!
//! Both keys are looked at before anything changes: an element that has left the source has a place to go.

use super::{ENDS, end};
use crate::spec::{Arg, Arity, Command, Fanout, Flags, Group, KeySpec, Spec};
use crate::string::reply_text;
use crate::{Args, Ctx, Failure};
use store::{End, Look, Taken};

/// What the commands have in common.
pub(super) const TRANSFER: Spec = Spec {
    keys: &[KeySpec::one(1, &["RW", "access", "delete"]), KeySpec::one(2, &["RW", "insert"])],
    flags: Flags::WRITE.and(Flags::DENYOOM),
    fanout: Fanout::Loan,
    group: Group::List,
    ..Spec::NEW
};

pub(super) const SOURCE: Arg = Arg::key("source", 0);
pub(super) const DESTINATION: Arg = Arg::key("destination", 1);
pub(super) const FROM: Arg = Arg::one_of("wherefrom", ENDS);
pub(super) const TO: Arg = Arg::one_of("whereto", ENDS);

/// Moves an element from an end of a list to an end of another.
pub const LMOVE: Command = Command::new(
    Spec {
        name: "LMOVE",
        arity: Arity::exactly(5),
        since: "6.2.0",
        complexity: "O(1)",
        summary: "Moves an element from an end of a list to an end of another.",
        args: &[SOURCE, DESTINATION, FROM, TO],
        ..TRANSFER
    },
    |ctx, args| {
        let wish = Wish { from: end(args, 3)?, to: end(args, 4)?, ..Wish::ONE };
        move_one(ctx, args, &wish)?;
        Ok(())
    },
);

/// Moves the last element of a list to the left end of another.
pub const RPOPLPUSH: Command = Command::new(
    Spec {
        name: "RPOPLPUSH",
        arity: Arity::exactly(3),
        since: "1.2.0",
        complexity: "O(1)",
        summary: "Moves the last element of a list to the left end of another.",
        args: &[SOURCE, DESTINATION],
        deprecated: Some(("6.2.0", "`LMOVE` with the `RIGHT` and `LEFT` arguments")),
        ..TRANSFER
    },
    |ctx, args| {
        move_one(ctx, args, &Wish::RIGHT_TO_LEFT)?;
        Ok(())
    },
);

/// Moves several elements from an end of a list to an end of another, one by one or all at once.
pub const LMOVEM: Command = Command::new(
    Spec {
        name: "LMOVEM",
        arity: Arity::at_least(5),
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::NEWER),
        since: "8.10.0",
        complexity: "O(N) where N is the number of elements moved.",
        summary: "Moves several elements from an end of a list to an end of another, one by one or all at once.",
        args: &[SOURCE, DESTINATION, FROM, TO, HOW_MANY],
        ..TRANSFER
    },
    |ctx, args| {
        move_several(ctx, args, &wish(args, 5)?)?;
        Ok(())
    },
);

pub(super) const HOW_MANY: Arg = Arg::block(
    "how-many",
    &[
        Arg::one_of(
            "selector",
            &[Arg::integer("count").token("COUNT"), Arg::integer("exactly").token("EXACTLY")],
        ),
        Arg::one_of("ordering", &[Arg::word("obo", "OBO"), Arg::word("bulk", "BULK")]),
    ],
)
.optional();

/// What is to be moved where.
pub(super) struct Wish {
    pub(super) from: End,
    pub(super) to: End,
    pub(super) count: usize,
    /// All of them or none.
    pub(super) exactly: bool,
    /// Elements keep their order whatever the ends are; else they are moved one by one.
    pub(super) bulk: bool,
}

impl Wish {
    pub(super) const ONE: Wish =
        Wish { from: End::Head, to: End::Head, count: 1, exactly: false, bulk: false };

    /// What RPOPLPUSH does.
    pub(super) const RIGHT_TO_LEFT: Wish = Wish { from: End::Tail, to: End::Head, ..Wish::ONE };

    /// Whether elements change their order: the first to come out goes in first, at the same end.
    fn reverses(&self) -> bool {
        !self.bulk && self.from == self.to
    }
}

/// Moves what is wanted, and gives it; `None` if there is no source, or too little in it.
fn transfer(ctx: &mut Ctx<'_>, args: &Args<'_>, wish: &Wish) -> Result<Option<Taken>, Failure> {
    let (source, destination, now) = (args.key(1), args.key(2), ctx.now);
    let Some(list) = ctx.keyspace().list(&source, Look::Peek, now)? else { return Ok(None) };
    if wish.exactly && list.len() < wish.count {
        return Ok(None);
    }
    ctx.keyspace().list(&destination, Look::Peek, now)?;
    let put = |list: &mut store::ListEdit<'_, '_>, taken: &Taken| {
        // Those that are put at the head lie there the last first.
        if wish.reverses() == (wish.to == End::Head) {
            list.push_all(wish.to, taken.iter());
        } else {
            list.push_all(wish.to, taken.iter_back());
        }
    };
    if source.bytes == destination.bytes {
        let taken = ctx.keyspace().edit_list(&source, now, |list| {
            let taken = list.take(wish.from, wish.count);
            put(list, &taken);
            taken
        })?;
        return Ok(Some(taken));
    }
    let taken = ctx.keyspace().edit_list(&source, now, |list| list.take(wish.from, wish.count))?;
    ctx.keyspace().edit_list(&destination, now, |list| put(list, &taken))?;
    Ok(Some(taken))
}

/// Moves one element and replies with it, or with null. Says whether there was one.
pub(super) fn move_one(ctx: &mut Ctx<'_>, args: &Args<'_>, wish: &Wish) -> Result<bool, Failure> {
    let taken = transfer(ctx, args, wish)?;
    match taken.as_ref().and_then(|taken| taken.iter().next()) {
        Some(element) => reply_text(&mut ctx.reply, element),
        None => ctx.reply.null(),
    }
    Ok(taken.is_some())
}

/// Reads the ends, and what LMOVEM says from argument `how_many` on.
pub(super) fn wish(args: &Args<'_>, how_many: usize) -> Result<Wish, Failure> {
    let wish = Wish { from: end(args, 3)?, to: end(args, 4)?, ..Wish::ONE };
    if args.len() == how_many {
        return Ok(wish);
    }
    let exactly = args.is(how_many, "EXACTLY");
    if args.len() != how_many + 3 || (!exactly && !args.is(how_many, "COUNT")) {
        return Err(Failure::SYNTAX);
    }
    let count = args.count(how_many + 1)?;
    let bulk = args.is(how_many + 2, "BULK");
    if !bulk && !args.is(how_many + 2, "OBO") {
        return Err(Failure::SYNTAX);
    }
    Ok(Wish { count, exactly, bulk, ..wish })
}

/// Moves what is wanted and replies with it. Says whether the source had it.
pub(super) fn move_several(
    ctx: &mut Ctx<'_>,
    args: &Args<'_>,
    wish: &Wish,
) -> Result<bool, Failure> {
    let taken = transfer(ctx, args, wish)?;
    let reply = &mut ctx.reply;
    match &taken {
        None if wish.exactly => reply.null_array(),
        None => reply.array(0),
        Some(taken) => {
            reply.array(taken.len());
            if wish.reverses() {
                taken.iter_back().for_each(|element| reply_text(reply, element));
            } else {
                taken.iter().for_each(|element| reply_text(reply, element));
            }
        }
    }
    Ok(taken.is_some())
}

#[cfg(test)]
mod tests {
    use crate::check::check;

    #[test]
    fn an_element_goes_from_end_to_end() {
        let lists = "RPUSH a 1 2 3; RPUSH b x y";
        for (ends, moved, a, b) in [
            ("LEFT LEFT", "1", "[2 3]", "[1 x y]"),
            ("LEFT RIGHT", "1", "[2 3]", "[x y 1]"),
            ("RIGHT left", "3", "[1 2]", "[3 x y]"),
            ("right RIGHT", "3", "[1 2]", "[x y 3]"),
        ] {
            check(
                &format!("{lists}; LMOVE a b {ends}; LRANGE a 0 -1; LRANGE b 0 -1"),
                &format!("3; 2; {moved}; {a}; {b}"),
            );
        }
        check(
            "RPUSH a 1 2; RPOPLPUSH a b; RPOPLPUSH a b; RPOPLPUSH a b; EXISTS a; LRANGE b 0 -1",
            "2; 2; 1; nil; 0; [1 2]",
        );
    }

    #[test]
    fn a_list_is_rotated() {
        check(
            "RPUSH a 1 2 3; RPOPLPUSH a a; LRANGE a 0 -1; LMOVE a a LEFT RIGHT; LMOVE a a LEFT LEFT; LRANGE a 0 -1",
            "3; 3; [3 1 2]; 3; 1; [1 2 3]",
        );
        check(
            "RPUSH a 1; EXPIRE a 100; LMOVE a a LEFT RIGHT; LRANGE a 0 -1; TTL a",
            "1; 1; 1; [1]; 100",
        );
    }

    #[test]
    fn nothing_is_lost_when_the_destination_is_no_list() {
        check(
            "RPUSH a 1; SET s v; LMOVE a s LEFT LEFT; RPOPLPUSH a s; LMOVEM a s LEFT LEFT; LRANGE a 0 -1; GET s",
            "1; OK; WRONGTYPE; WRONGTYPE; WRONGTYPE; [1]; v",
        );
        check("SET s v; LMOVE none s LEFT LEFT; LMOVE s none LEFT LEFT", "OK; nil; WRONGTYPE");
        check("SET s v; LMOVE s s UP LEFT; LMOVE s s LEFT UP", "OK; ERR syntax error; ERR");
    }

    #[test]
    fn several_go_one_by_one_or_in_bulk() {
        for (how, reply, b) in [
            ("LEFT LEFT COUNT 2 OBO", "[2 1]", "[2 1 x y]"),
            ("LEFT LEFT COUNT 2 BULK", "[1 2]", "[1 2 x y]"),
            ("LEFT RIGHT COUNT 2 obo", "[1 2]", "[x y 1 2]"),
            ("LEFT RIGHT EXACTLY 2 bulk", "[1 2]", "[x y 1 2]"),
            ("RIGHT LEFT COUNT 2 OBO", "[3 4]", "[3 4 x y]"),
            ("RIGHT LEFT COUNT 2 BULK", "[3 4]", "[3 4 x y]"),
            ("RIGHT RIGHT COUNT 2 OBO", "[4 3]", "[x y 4 3]"),
            ("RIGHT RIGHT COUNT 2 BULK", "[3 4]", "[x y 3 4]"),
            ("RIGHT RIGHT", "[4]", "[x y 4]"),
            ("LEFT RIGHT COUNT 0 BULK", "[]", "[x y]"),
            ("LEFT RIGHT COUNT 100 BULK", "[1 2 3 4]", "[x y 1 2 3 4]"),
            ("LEFT RIGHT EXACTLY 5 BULK", "nil", "[x y]"),
            ("LEFT RIGHT EXACTLY 9223372036854775807 OBO", "nil", "[x y]"),
        ] {
            check(
                &format!("RPUSH a 1 2 3 4; RPUSH b x y; LMOVEM a b {how}; LRANGE b 0 -1"),
                &format!("4; 2; {reply}; {b}"),
            );
        }
    }

    #[test]
    fn elements_moved_within_a_list_are_turned_round_or_stay() {
        check(
            "RPUSH a 1 2 3; LMOVEM a a LEFT LEFT EXACTLY 2 OBO; LRANGE a 0 -1; LMOVEM a a LEFT LEFT COUNT 3 BULK; LRANGE a 0 -1; LMOVEM a a LEFT RIGHT COUNT 2 BULK; LRANGE a 0 -1; LMOVEM a a LEFT RIGHT COUNT 9 OBO; LRANGE a 0 -1",
            "3; [2 1]; [2 1 3]; [2 1 3]; [2 1 3]; [2 1]; [3 2 1]; [3 2 1]; [3 2 1]",
        );
    }

    #[test]
    fn a_missing_source_gives_nothing_and_how_many_is_checked_first() {
        check(
            "LMOVEM none b LEFT LEFT; LMOVEM none b LEFT LEFT COUNT 1 OBO; LMOVEM none b LEFT LEFT EXACTLY 1 OBO; EXISTS b",
            "[]; []; nil; 0",
        );
        check(
            "LMOVEM a b LEFT UP; LMOVEM a b LEFT LEFT COUNT; LMOVEM a b LEFT LEFT COUNT 1; LMOVEM a b LEFT LEFT UP 1 OBO; LMOVEM a b LEFT LEFT COUNT -1 OBO; LMOVEM a b LEFT LEFT COUNT 1 UP; LMOVEM a b LEFT LEFT COUNT 1 OBO x",
            "ERR syntax error; ERR syntax error; ERR syntax error; ERR syntax error; ERR value is out of range, must be positive; ERR syntax error; ERR syntax error",
        );
    }
}
