//! Taking elements out at an end.

use super::{ENDS, KEY, end};
use crate::spec::{Arg, Arity, Command, Fanout, Flags, Group, KeySpec, Spec, Writes};
use crate::string::reply_text;
use crate::{Args, Ctx, Failure};
use resp::write::Writer;
use store::{End, ListEdit};

/// What both commands have in common.
const POP: Spec = Spec {
    arity: Arity::at_least(2),
    keys: &[KeySpec::one(1, &["RW", "access", "delete"])],
    flags: Flags::WRITE.and(Flags::FAST),
    group: Group::List,
    since: "1.0.0",
    complexity: "O(N) where N is the number of elements returned",
    args: &[KEY, Arg::integer("count").optional().since("6.2.0")],
    history: &[("6.2.0", "Added the `count` argument.")],
    ..Spec::NEW
};

/// Takes the first elements out of a list and returns them.
pub const LPOP: Command = Command::new(
    Spec {
        name: "LPOP",
        summary: "Takes the first elements out of a list and returns them.",
        ..POP
    },
    |ctx, args| pop(ctx, args, End::Head, "lpop"),
);

/// Takes the last elements out of a list and returns them.
pub const RPOP: Command = Command::new(
    Spec {
        name: "RPOP",
        summary: "Takes the last elements out of a list and returns them.",
        ..POP
    },
    |ctx, args| pop(ctx, args, End::Tail, "rpop"),
);

#[inline]
fn pop(ctx: &mut Ctx<'_>, args: &Args<'_>, end: End, name: &str) -> Result<(), Failure> {
    let count = match args.len() {
        2 => None,
        3 => Some(args.count(2)?),
        _ => return Err(Failure::wrong_arity(name)),
    };
    let Ctx { store, reply, db, now, .. } = ctx;
    store.db(*db).edit_list(&args.key(1), *now, |list| match count {
        None => {
            if !list.pop(end, |element| reply_text(reply, element)) {
                reply.null();
            }
        }
        Some(_) if list.is_empty() => reply.null_array(),
        Some(count) => reply_taken(reply, list, end, count),
    })?;
    Ok(())
}

/// Takes up to `count` elements out at an end, and replies with them in the order in which they come out.
fn reply_taken(reply: &mut Writer<'_>, list: &mut ListEdit<'_, '_>, end: End, count: usize) {
    let Some(view) = list.view() else { return reply.array(0) };
    let (len, count) = (view.len(), count.min(view.len()));
    reply.array(count);
    match end {
        End::Head => view.each(0, count, |element| reply_text(reply, element)),
        End::Tail => view.each_back(len, count, |element| reply_text(reply, element)),
    }
    list.drop_at(end, count);
}

/// Takes elements out of the first of several lists that there is.
pub const LMPOP: Command = Command::new(
    Spec {
        name: "LMPOP",
        writes: Writes::FirstThere,
        arity: Arity::at_least(4),
        keys: &[KeySpec::counted(1, &["RW", "access", "delete"])],
        flags: Flags::WRITE.and(Flags::MOVABLEKEYS),
        fanout: Fanout::Loan,
        group: Group::List,
        since: "7.0.0",
        complexity: "O(N+M) where N is the number of provided keys and M is the number of elements returned.",
        summary: "Takes elements out of the first of several lists that there is.",
        args: &[
            Arg::integer("numkeys"),
            KEY.multiple(),
            Arg::one_of("where", ENDS),
            Arg::integer("count").token("COUNT").optional(),
        ],
        ..Spec::NEW
    },
    lmpop,
);

/// What LMPOP and BLMPOP are asked for.
pub(super) struct Wish {
    keys: usize,
    end: End,
    count: usize,
}

/// Reads the arguments of LMPOP; of BLMPOP too, when its name is left out.
pub(super) fn wish(args: &Args<'_>) -> Result<Wish, Failure> {
    let at_least_one = |index| args.integer(index).filter(|number| *number > 0);
    let keys = at_least_one(1).ok_or(Failure::NO_KEYS)?;
    let keys = usize::try_from(keys).ok().filter(|keys| *keys < args.len() - 2);
    let keys = keys.ok_or(Failure::SYNTAX)?;
    let end = end(args, 2 + keys)?;
    let count = match args.len() - keys {
        3 => 1,
        4.. if !args.is(3 + keys, "COUNT") => return Err(Failure::SYNTAX),
        4 => return Err(Failure::SYNTAX),
        _ => at_least_one(4 + keys).ok_or(Failure::NO_COUNT)?,
    };
    if args.len() - keys > 5 {
        return Err(Failure::SYNTAX);
    }
    Ok(Wish { keys, end, count: usize::try_from(count).unwrap_or(usize::MAX) })
}

impl Wish {
    /// Positions of the keys.
    pub(super) fn keys(&self) -> std::ops::Range<usize> {
        2..2 + self.keys
    }

    /// Takes elements out of the first list that there is, and replies with its name and them. False, and no
    /// reply, when there is none.
    pub(super) fn take(&self, ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<bool, Failure> {
        let Some(key) = super::first(ctx, args, self.keys())? else { return Ok(false) };
        let Ctx { store, reply, db, now, .. } = ctx;
        store.db(*db).edit_list(&key, *now, |list| {
            reply.array(2);
            reply.bulk(key.bytes);
            reply_taken(reply, list, self.end, self.count);
        })?;
        Ok(true)
    }
}

fn lmpop(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    if !wish(args)?.take(ctx, args)? {
        ctx.reply.null_array();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::check::{check, check3};

    #[test]
    fn elements_come_out_at_either_end() {
        check(
            "RPUSH l a b c; LPOP l; RPOP l; LPOP l; LPOP l; RPOP l; EXISTS l",
            "3; a; c; b; nil; nil; 0",
        );
        check(
            "RPUSH l a b c d e; LPOP l 2; RPOP l 2; RPOP l 0; LPOP l 5; LPOP l 1; LPOP l 0",
            "5; [a b]; [e d]; []; [c]; nil; nil",
        );
        check("RPUSH l a; LPOP l 9223372036854775807; EXISTS l", "1; [a]; 0");
    }

    #[test]
    fn a_missing_list_is_null_in_the_shape_of_the_answer() {
        use crate::check::World;
        use resp::write::Protocol;
        let mut world = World::new(Protocol::Resp2);
        assert_eq!(world.run(&[b"LPOP", b"l"]), b"$-1\r\n");
        assert_eq!(world.run(&[b"LPOP", b"l", b"1"]), b"*-1\r\n");
        assert_eq!(world.run(&[b"LMPOP", b"1", b"l", b"LEFT"]), b"*-1\r\n");
        check3("LPOP l; LPOP l 0; LMPOP 1 l LEFT", "nil; nil; nil");
    }

    #[test]
    fn counts_are_checked_before_the_key() {
        let bad = "ERR value is out of range, must be positive";
        check(
            "SET s v; LPOP s x; RPOP s -1; LPOP s 9223372036854775808; LPOP s 1 2",
            &format!("OK; {bad}; {bad}; {bad}; ERR wrong number of arguments for 'lpop' command"),
        );
    }

    #[test]
    fn lmpop_takes_from_the_first_list_that_there_is() {
        check(
            "RPUSH b 1 2 3; RPUSH c 4; LMPOP 3 a b c LEFT; LMPOP 3 a b c RIGHT COUNT 5; LMPOP 3 a b c LEFT COUNT 1; LMPOP 3 a b c LEFT",
            "3; 1; [b [1]]; [b [3 2]]; [c [4]]; nil",
        );
        check(
            "SET s v; RPUSH l a; LMPOP 2 s l LEFT; LMPOP 2 l s LEFT",
            "OK; 1; WRONGTYPE; [l [a]]",
        );
    }

    #[test]
    fn lmpop_checks_its_arguments_in_order() {
        let (keys, count) =
            ("ERR numkeys should be greater than 0", "ERR count should be greater than 0");
        check(
            "LMPOP 0 l LEFT; LMPOP x l LEFT; LMPOP -1 l LEFT; LMPOP 2 l LEFT; LMPOP 9223372036854775807 l LEFT; LMPOP 1 l UP",
            &format!(
                "{keys}; {keys}; {keys}; ERR syntax error; ERR syntax error; ERR syntax error"
            ),
        );
        check(
            "LMPOP 1 l LEFT COUNT; LMPOP 1 l LEFT COUNT 0; LMPOP 1 l LEFT COUNT x; LMPOP 1 l LEFT N 1; LMPOP 1 l LEFT COUNT 1 COUNT 1; LMPOP 1 l LEFT COUNT 0 x",
            &format!(
                "ERR syntax error; {count}; {count}; ERR syntax error; ERR syntax error; {count}"
            ),
        );
    }
}
