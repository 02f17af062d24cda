//! Putting elements at an end.

use super::{ELEMENT, KEY};
use crate::spec::{Arity, Command, Flags, Group, KeySpec, Spec};
use crate::{Args, Ctx, Failure};
use store::{End, Str};

/// What the four commands have in common.
const PUSH: Spec = Spec {
    arity: Arity::at_least(3),
    keys: &[KeySpec::one(1, &["RW", "insert"])],
    flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
    group: Group::List,
    complexity: "O(1) for each element added, so O(N) to add N elements when the command is called with multiple arguments.",
    args: &[KEY, ELEMENT.multiple()],
    ..Spec::NEW
};

/// Puts elements at the left end of a list, one after the other.
pub const LPUSH: Command = Command::new(
    Spec {
        name: "LPUSH",
        since: "1.0.0",
        summary: "Puts elements at the left end of a list, one after the other.",
        history: &[("2.4.0", "Accepts multiple `element` arguments.")],
        ..PUSH
    },
    |ctx, args| push(ctx, args, End::Head),
);

/// Puts elements at the right end of a list, one after the other.
pub const RPUSH: Command = Command::new(
    Spec {
        name: "RPUSH",
        since: "1.0.0",
        summary: "Puts elements at the right end of a list, one after the other.",
        history: &[("2.4.0", "Accepts multiple `element` arguments.")],
        ..PUSH
    },
    |ctx, args| push(ctx, args, End::Tail),
);

#[inline]
fn push(ctx: &mut Ctx<'_>, args: &Args<'_>, end: End) -> Result<(), Failure> {
    let (key, now) = (args.key(1), ctx.now);
    let len = ctx.keyspace().edit_list(&key, now, |list| {
        if args.len() == 3 {
            return list.push(end, Str::Bytes(args.get(2)));
        }
        list.push_all(end, (2..args.len()).map(|at| Str::Bytes(args.get(at))))
    })?;
    ctx.reply.integer(len as i64);
    Ok(())
}

/// Puts elements at the left end of a list, if there is the list.
pub const LPUSHX: Command = Command::new(
    Spec {
        name: "LPUSHX",
        since: "2.2.0",
        summary: "Puts elements at the left end of a list, if there is the list.",
        history: &[("4.0.0", "Accepts multiple `element` arguments.")],
        ..PUSH
    },
    |ctx, args| push_existing(ctx, args, End::Head),
);

/// Puts elements at the right end of a list, if there is the list.
pub const RPUSHX: Command = Command::new(
    Spec {
        name: "RPUSHX",
        since: "2.2.0",
        summary: "Puts elements at the right end of a list, if there is the list.",
        history: &[("4.0.0", "Accepts multiple `element` arguments.")],
        ..PUSH
    },
    |ctx, args| push_existing(ctx, args, End::Tail),
);

fn push_existing(ctx: &mut Ctx<'_>, args: &Args<'_>, end: End) -> Result<(), Failure> {
    let (key, now) = (args.key(1), ctx.now);
    let len = ctx.keyspace().edit_list(&key, now, |list| {
        if list.is_empty() {
            return 0;
        }
        list.push_all(end, (2..args.len()).map(|at| Str::Bytes(args.get(at))))
    })?;
    ctx.reply.integer(len as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::check::check;

    #[test]
    fn elements_lie_in_the_order_in_which_they_were_put() {
        check(
            "LPUSH l a b c; RPUSH l d e; LPUSH l f; LRANGE l 0 -1; LLEN l",
            "3; 5; 6; [f c b a d e]; 6",
        );
        check(
            "RPUSH l -1 007 \"\" \"\\x00\" 9223372036854775807 9223372036854775808; LRANGE l 0 -1",
            "6; [-1 007 \"\" \\x00 9223372036854775807 9223372036854775808]",
        );
    }

    #[test]
    fn the_x_commands_make_no_list() {
        check("LPUSHX l a; RPUSHX l a; EXISTS l", "0; 0; 0");
        check("RPUSH l a; LPUSHX l b c; RPUSHX l d e; LRANGE l 0 -1", "1; 3; 5; [c b a d e]");
        check("LPUSHX l; RPUSH l", "ERR; ERR wrong number of arguments for 'rpush' command");
    }

    #[test]
    fn another_type_is_refused_by_every_command_and_nothing_changes() {
        for command in [
            "LPUSH s a",
            "RPUSH s a b",
            "LPUSHX s a",
            "RPUSHX s a",
            "LPOP s",
            "RPOP s 0",
            "LLEN s",
            "LINDEX s x",
            "LSET s x a",
            "LINSERT s BEFORE a b",
            "LREM s 0 a",
            "LRANGE s 0 -1",
            "LTRIM s 1 0",
            "LPOS s a",
            "LMOVE s l LEFT RIGHT",
            "LMOVEM s l LEFT RIGHT COUNT 2 BULK",
            "RPOPLPUSH s l",
            "LMPOP 1 s LEFT",
        ] {
            check(&format!("SET s v; {command}; GET s; EXISTS l"), "OK; WRONGTYPE; v; 0");
        }
        check(
            "RPUSH l 1; GET l; APPEND l x; INCR l; HGET l a; TYPE l; SET l v; TYPE l",
            "1; WRONGTYPE; WRONGTYPE; WRONGTYPE; WRONGTYPE; list; OK; string",
        );
    }

    #[test]
    fn a_list_keeps_its_time_to_live_until_it_is_empty() {
        check(
            "RPUSH l a; EXPIRE l 100; RPUSH l b; LPOP l; TTL l; LPOP l; RPUSH l a; TTL l",
            "1; 1; 2; a; 100; b; 1; -1",
        );
        check("RPUSH l a; PEXPIRE l 5; @+6; LRANGE l 0 -1; RPUSH l b", "1; 1; []; 1");
    }

    /// What a list takes beside its elements' texts before it is large, and the element that no longer fits.
    #[test]
    fn a_list_is_packed_while_it_fits_one_node() {
        let text = |len: usize| "v".repeat(len);
        // 7 bytes of frame; each element has a head and a length behind it once it is in.
        let fits = text(4096 - 7);
        check(
            &format!("@set list-max-listpack-size -1; RPUSH l {fits}; OBJECT ENCODING l"),
            "1; listpack",
        );
        let larger = text(4096 - 6);
        check(
            &format!("@set list-max-listpack-size -1; RPUSH l {larger}; OBJECT ENCODING l"),
            "1; quicklist",
        );
        let (first, second) = (text(4000), text(4096 - 7 - 4004));
        check(
            &format!(
                "@set list-max-listpack-size -1; RPUSH l {first} {second}x; OBJECT ENCODING l; DEL l; RPUSH l {first}; RPUSH l {second}; OBJECT ENCODING l; RPUSH l \"\"; OBJECT ENCODING l"
            ),
            "2; listpack; 1; 1; 2; listpack; 3; quicklist",
        );
        let (first, second) = (text(4000), text(4096 - 7 - 4000 + 1));
        check(
            &format!("@set list-max-listpack-size -1; RPUSH l {first} {second}; OBJECT ENCODING l"),
            "2; quicklist",
        );
    }

    #[test]
    fn a_list_is_bounded_by_its_elements_where_that_is_configured() {
        check(
            "@set list-max-listpack-size 3; RPUSH l a b c; OBJECT ENCODING l; RPUSH l d; OBJECT ENCODING l; LRANGE l 0 -1",
            "3; listpack; 4; quicklist; [a b c d]",
        );
        check("@set list-max-listpack-size 0; RPUSH l a; OBJECT ENCODING l", "1; listpack");
        check("@set list-max-listpack-size 0; RPUSH l a b; OBJECT ENCODING l", "2; quicklist");
        let long = "v".repeat(8186);
        check(
            &format!("@set list-max-listpack-size 100; RPUSH l {long}; OBJECT ENCODING l"),
            "1; quicklist",
        );
    }

    #[test]
    fn a_list_is_packed_again_when_one_node_of_half_the_bound_is_left() {
        check(
            "@set list-max-listpack-size 4; RPUSH l 1 2 3 4 5; OBJECT ENCODING l; RPOP l; OBJECT ENCODING l; LPOP l; LPOP l; OBJECT ENCODING l; LRANGE l 0 -1",
            "5; quicklist; 5; quicklist; 1; 2; listpack; [3 4]",
        );
        check(
            "@set list-max-listpack-size 4; RPUSH l 1 2 3 4 5; LTRIM l 1 2; OBJECT ENCODING l; LRANGE l 0 -1",
            "5; OK; listpack; [2 3]",
        );
        check(
            "@set list-max-listpack-size 4; RPUSH l 1 1 1 2 3; LREM l 0 1; OBJECT ENCODING l; LREM l 0 3; OBJECT ENCODING l",
            "5; 3; quicklist; 1; listpack",
        );
    }
}
