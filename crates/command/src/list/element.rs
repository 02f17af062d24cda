//! Single elements: reading, replacing, putting between others, removing.

use super::{ELEMENT, KEY, place};
use crate::spec::{Arg, Arity, Command, Flags, Group, KeySpec, Spec};
use crate::string::reply_text;
use crate::{Args, Ctx, Failure};
use store::{End, Look, Str};

/// Returns the number of elements of a list.
pub const LLEN: Command = Command::new(
    Spec {
        name: "LLEN",
        arity: Arity::exactly(2),
        keys: &[KeySpec::one(1, &["RO"])],
        flags: Flags::READONLY.and(Flags::FAST),
        group: Group::List,
        since: "1.0.0",
        complexity: "O(1)",
        summary: "Returns the number of elements of a list.",
        args: &[KEY],
        ..Spec::NEW
    },
    llen,
);

fn llen(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let list = ctx.store.db(ctx.db).list(&args.key(1), Look::Read, ctx.now)?;
    ctx.reply.integer(list.map_or(0, |list| list.len() as i64));
    Ok(())
}

/// Returns an element of a list by its index.
pub const LINDEX: Command = Command::new(
    Spec {
        name: "LINDEX",
        arity: Arity::exactly(3),
        keys: &[KeySpec::one(1, &["RO", "access"])],
        flags: Flags::READONLY,
        group: Group::List,
        since: "1.0.0",
        complexity: "O(N) where N is the number of elements to traverse to get to the element at index. This makes asking for the first or the last element of the list O(1).",
        summary: "Returns an element of a list by its index.",
        args: &[KEY, Arg::integer("index")],
        ..Spec::NEW
    },
    lindex,
);

fn lindex(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let Ctx { store, reply, db, now, .. } = ctx;
    let Some(list) = store.db(*db).list(&args.key(1), Look::Read, *now)? else {
        reply.null();
        return Ok(());
    };
    let index = args.integer(2).ok_or(Failure::NOT_INTEGER)?;
    match place(index, list.len()).and_then(|place| list.get(place)) {
        Some(element) => reply_text(reply, element),
        None => reply.null(),
    }
    Ok(())
}

/// Replaces an element of a list by its index.
pub const LSET: Command = Command::new(
    Spec {
        name: "LSET",
        arity: Arity::exactly(4),
        keys: &[KeySpec::one(1, &["RW", "update"])],
        flags: Flags::WRITE.and(Flags::DENYOOM),
        group: Group::List,
        since: "1.0.0",
        complexity: "O(N) where N is the length of the list. Setting either the first or the last element of the list is O(1).",
        summary: "Replaces an element of a list by its index.",
        args: &[KEY, Arg::integer("index"), ELEMENT],
        ..Spec::NEW
    },
    lset,
);

const OUT_OF_LIST: Failure = Failure::new("ERR index out of range");

fn lset(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let (key, now) = (args.key(1), ctx.now);
    let (index, element) = (args.integer(2), Str::Bytes(args.get(3)));
    ctx.keyspace().edit_list(&key, now, |list| {
        let len = list.len();
        if len == 0 {
            return Err(Failure::NO_SUCH_KEY);
        }
        let place = place(index.ok_or(Failure::NOT_INTEGER)?, len);
        list.admit(1, element.len());
        place.filter(|place| list.set(*place, element)).map(drop).ok_or(OUT_OF_LIST)
    })??;
    ctx.reply.ok();
    Ok(())
}

/// Puts an element before or behind another one of a list.
pub const LINSERT: Command = Command::new(
    Spec {
        name: "LINSERT",
        arity: Arity::exactly(5),
        keys: &[KeySpec::one(1, &["RW", "insert"])],
        flags: Flags::WRITE.and(Flags::DENYOOM),
        group: Group::List,
        since: "2.2.0",
        complexity: "O(N) where N is the number of elements to traverse before seeing the value pivot. This means that inserting somewhere on the left end on the list (head) can be considered O(1) and inserting somewhere on the right end (tail) is O(N).",
        summary: "Puts an element before or behind another one of a list.",
        args: &[
            KEY,
            Arg::one_of("where", &[Arg::word("before", "BEFORE"), Arg::word("after", "AFTER")]),
            Arg::string("pivot"),
            ELEMENT,
        ],
        ..Spec::NEW
    },
    linsert,
);

fn linsert(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let behind = args.is(2, "AFTER");
    if !behind && !args.is(2, "BEFORE") {
        return Err(Failure::SYNTAX);
    }
    let (key, now) = (args.key(1), ctx.now);
    let len = ctx.keyspace().edit_list(&key, now, |list| {
        if list.is_empty() {
            return 0;
        }
        let len = list.insert_at(args.get(3), behind, Str::Bytes(args.get(4)));
        len.map_or(-1, |len| len as i64)
    })?;
    ctx.reply.integer(len);
    Ok(())
}

/// Removes elements that are equal to one from a list.
pub const LREM: Command = Command::new(
    Spec {
        name: "LREM",
        arity: Arity::exactly(4),
        keys: &[KeySpec::one(1, &["RW", "delete"])],
        flags: Flags::WRITE,
        group: Group::List,
        since: "1.0.0",
        complexity: "O(N+M) where N is the length of the list and M is the number of elements removed.",
        summary: "Removes elements that are equal to one from a list.",
        args: &[KEY, Arg::integer("count"), ELEMENT],
        ..Spec::NEW
    },
    lrem,
);

fn lrem(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let count = args.integer(2).ok_or(Failure::NOT_INTEGER)?;
    let from = if count < 0 { End::Tail } else { End::Head };
    let limit = match usize::try_from(count.unsigned_abs()) {
        Ok(0) | Err(_) => usize::MAX,
        Ok(limit) => limit,
    };
    let (key, now) = (args.key(1), ctx.now);
    let removed =
        ctx.keyspace().edit_list(&key, now, |list| list.remove(args.get(3), from, limit))?;
    ctx.reply.integer(removed as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::check::check;

    #[test]
    fn elements_are_read_by_index_from_either_end() {
        check(
            "RPUSH l a b c; LINDEX l 0; LINDEX l -1; LINDEX l 2; LINDEX l 3; LINDEX l -4; LINDEX l -9223372036854775808; LLEN l; LLEN none; LINDEX none 0",
            "3; a; c; c; nil; nil; nil; 3; 0; nil",
        );
        check(
            "LINDEX none x; RPUSH l a; LINDEX l x",
            "nil; 1; ERR value is not an integer or out of range",
        );
    }

    #[test]
    fn an_element_is_replaced() {
        check(
            "RPUSH l a b c; LSET l 0 x; LSET l -1 100; LSET l 1 \"\"; LRANGE l 0 -1; LSET l 3 y; LSET l -4 y; LSET l y y; LSET none y y",
            "3; OK; OK; OK; [x \"\" 100]; ERR index out of range; ERR index out of range; ERR value is not an integer or out of range; ERR no such key",
        );
    }

    #[test]
    fn a_large_element_makes_a_list_large_and_its_going_small_again() {
        let long = "v".repeat(9000);
        check(
            &format!(
                "RPUSH l a b c; LSET l 1 {long}; OBJECT ENCODING l; LINDEX l 1; LINDEX l 2; LSET l 1 b; OBJECT ENCODING l; LREM l 1 a; LREM l 1 b; OBJECT ENCODING l; LRANGE l 0 -1"
            ),
            &format!("3; OK; quicklist; {long}; c; OK; quicklist; 1; 1; listpack; [c]"),
        );
    }

    #[test]
    fn an_element_is_put_beside_the_first_one_that_is_equal() {
        check(
            "RPUSH l a b a; LINSERT l BEFORE a x; LINSERT l after a y; LINSERT l AFTER z y; LRANGE l 0 -1; LINSERT none AFTER a b; LINSERT none UNDER a b",
            "3; 4; 5; -1; [x a y b a]; 0; ERR syntax error",
        );
        check("RPUSH l 1 01; LINSERT l BEFORE 01 x; LRANGE l 0 -1", "2; 3; [1 x 01]");
        check(
            "@set list-max-listpack-size 2; RPUSH l 1 2; LINSERT l BEFORE 9 x; OBJECT ENCODING l",
            "2; -1; quicklist",
        );
    }

    #[test]
    fn equal_elements_are_removed_from_either_end() {
        let list = "RPUSH l a b a c a";
        check(&format!("{list}; LREM l 1 a; LRANGE l 0 -1"), "5; 1; [b a c a]");
        check(&format!("{list}; LREM l -2 a; LRANGE l 0 -1"), "5; 2; [a b c]");
        check(&format!("{list}; LREM l 0 a; LRANGE l 0 -1"), "5; 3; [b c]");
        check(&format!("{list}; LREM l -9223372036854775808 a; LLEN l"), "5; 3; 2");
        check(&format!("{list}; LREM l 5 z; LREM none 0 a; LREM none x a"), "5; 0; 0; ERR");
        check("RPUSH l 1 1; LREM l 0 1; EXISTS l", "2; 2; 0");
    }
}
