//! Single fields: reading, setting and removing them.

use super::{FIELD, KEY, PAIRS, VALUE, reply_value};
use crate::spec::{Arity, Command, Flags, Group, KeySpec, Spec};
use crate::{Args, Ctx, Failure};
use store::Look;

/// Sets the values of fields of a hash, and counts those that are new.
pub const HSET: Command = Command::new(
    Spec {
        name: "HSET",
        arity: Arity::at_least(4),
        keys: &[KeySpec::one(1, &["RW", "update"])],
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
        group: Group::Hash,
        since: "2.0.0",
        complexity: "O(1) for each field/value pair added, so O(N) to add N field/value pairs when the command is called with multiple field/value pairs.",
        summary: "Sets the values of fields of a hash, and counts those that are new.",
        args: &[KEY, PAIRS],
        history: &[("4.0.0", "Accepts multiple `field` and `value` arguments.")],
        ..Spec::NEW
    },
    hset,
);

fn hset(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let new = set_pairs(ctx, args, "hset")?;
    ctx.reply.integer(new);
    Ok(())
}

/// Sets all pairs of the arguments, and counts the new fields.
fn set_pairs(ctx: &mut Ctx<'_>, args: &Args<'_>, name: &str) -> Result<i64, Failure> {
    if !args.len().is_multiple_of(2) {
        return Err(Failure::wrong_arity(name));
    }
    let (key, now) = (args.key(1), ctx.now);
    let longest = args.from(2).map(<[u8]>::len).max().unwrap_or(0);
    Ok(ctx.keyspace().edit_hash(&key, now, |hash| {
        hash.admit(longest);
        let pairs = (2..args.len()).step_by(2);
        pairs.map(|at| i64::from(hash.set(args.get(at), args.get(at + 1), None))).sum()
    })?)
}

/// Sets the values of several fields of a hash.
pub const HMSET: Command = Command::new(
    Spec {
        name: "HMSET",
        arity: Arity::at_least(4),
        keys: &[KeySpec::one(1, &["RW", "update"])],
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
        group: Group::Hash,
        since: "2.0.0",
        complexity: "O(N) where N is the number of fields being set.",
        summary: "Sets the values of several fields of a hash.",
        args: &[KEY, PAIRS],
        deprecated: Some(("4.0.0", "`HSET` with multiple field-value pairs")),
        ..Spec::NEW
    },
    hmset,
);

fn hmset(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    set_pairs(ctx, args, "hmset")?;
    ctx.reply.ok();
    Ok(())
}

/// Sets the value of a field of a hash unless it is there.
pub const HSETNX: Command = Command::new(
    Spec {
        name: "HSETNX",
        arity: Arity::exactly(4),
        keys: &[KeySpec::one(1, &["RW", "insert"])],
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
        group: Group::Hash,
        since: "2.0.0",
        complexity: "O(1)",
        summary: "Sets the value of a field of a hash unless it is there.",
        args: &[KEY, FIELD, VALUE],
        ..Spec::NEW
    },
    hsetnx,
);

fn hsetnx(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let (key, now) = (args.key(1), ctx.now);
    let (name, value) = (args.get(2), args.get(3));
    let set = ctx.keyspace().edit_hash(&key, now, |hash| {
        let absent = hash.get(name).is_none();
        if absent {
            hash.set(name, value, None);
        }
        absent
    })?;
    ctx.reply.integer(i64::from(set));
    Ok(())
}

/// Returns the value of a field of a hash.
pub const HGET: Command = Command::new(
    Spec {
        name: "HGET",
        arity: Arity::exactly(3),
        keys: &[KeySpec::one(1, &["RO", "access"])],
        flags: Flags::READONLY.and(Flags::FAST),
        group: Group::Hash,
        since: "2.0.0",
        complexity: "O(1)",
        summary: "Returns the value of a field of a hash.",
        args: &[KEY, FIELD],
        ..Spec::NEW
    },
    hget,
);

fn hget(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let Ctx { store, reply, db, now, .. } = ctx;
    let hash = store.db(*db).hash(&args.key(1), Look::Read, *now)?;
    reply_value(reply, hash.and_then(|hash| hash.get(args.get(2))));
    Ok(())
}

/// Returns the values of several fields of a hash.
pub const HMGET: Command = Command::new(
    Spec {
        name: "HMGET",
        arity: Arity::at_least(3),
        keys: &[KeySpec::one(1, &["RO", "access"])],
        flags: Flags::READONLY.and(Flags::FAST),
        group: Group::Hash,
        since: "2.0.0",
        complexity: "O(N) where N is the number of fields being requested.",
        summary: "Returns the values of several fields of a hash.",
        args: &[KEY, FIELD.multiple()],
        ..Spec::NEW
    },
    hmget,
);

fn hmget(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let Ctx { store, reply, db, now, .. } = ctx;
    let hash = store.db(*db).hash(&args.key(1), Look::Read, *now)?;
    reply.array(args.len() - 2);
    args.from(2).for_each(|name| reply_value(reply, hash.and_then(|hash| hash.get(name))));
    Ok(())
}

/// Removes fields from a hash, and the hash with its last field.
pub const HDEL: Command = Command::new(
    Spec {
        name: "HDEL",
        arity: Arity::at_least(3),
        keys: &[KeySpec::one(1, &["RW", "delete"])],
        flags: Flags::WRITE.and(Flags::FAST),
        group: Group::Hash,
        since: "2.0.0",
        complexity: "O(N) where N is the number of fields to be removed.",
        summary: "Removes fields from a hash, and the hash with its last field.",
        args: &[KEY, FIELD.multiple()],
        history: &[("2.4.0", "Accepts multiple `field` arguments.")],
        ..Spec::NEW
    },
    hdel,
);

fn hdel(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let (key, now) = (args.key(1), ctx.now);
    let removed = ctx
        .keyspace()
        .edit_hash(&key, now, |hash| args.from(2).map(|name| i64::from(hash.remove(name))).sum())?;
    ctx.reply.integer(removed);
    Ok(())
}

/// Tells whether a hash has a field.
pub const HEXISTS: Command = Command::new(
    Spec {
        name: "HEXISTS",
        arity: Arity::exactly(3),
        keys: &[KeySpec::one(1, &["RO"])],
        flags: Flags::READONLY.and(Flags::FAST),
        group: Group::Hash,
        since: "2.0.0",
        complexity: "O(1)",
        summary: "Tells whether a hash has a field.",
        args: &[KEY, FIELD],
        ..Spec::NEW
    },
    hexists,
);

fn hexists(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let (key, now) = (args.key(1), ctx.now);
    let hash = ctx.store.db(ctx.db).hash(&key, Look::Read, now)?;
    let there = hash.is_some_and(|hash| hash.get(args.get(2)).is_some());
    ctx.reply.integer(i64::from(there));
    Ok(())
}

/// Returns the number of fields of a hash.
pub const HLEN: Command = Command::new(
    Spec {
        name: "HLEN",
        arity: Arity::exactly(2),
        keys: &[KeySpec::one(1, &["RO"])],
        flags: Flags::READONLY.and(Flags::FAST),
        group: Group::Hash,
        since: "2.0.0",
        complexity: "O(1)",
        summary: "Returns the number of fields of a hash.",
        args: &[KEY],
        ..Spec::NEW
    },
    hlen,
);

fn hlen(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let hash = ctx.store.db(ctx.db).hash(&args.key(1), Look::Read, ctx.now)?;
    ctx.reply.integer(hash.map_or(0, |hash| hash.len() as i64));
    Ok(())
}

/// Returns the length of the value of a field of a hash.
pub const HSTRLEN: Command = Command::new(
    Spec {
        name: "HSTRLEN",
        arity: Arity::exactly(3),
        keys: &[KeySpec::one(1, &["RO"])],
        flags: Flags::READONLY.and(Flags::FAST),
        group: Group::Hash,
        since: "3.2.0",
        complexity: "O(1)",
        summary: "Returns the length of the value of a field of a hash.",
        args: &[KEY, FIELD],
        ..Spec::NEW
    },
    hstrlen,
);

fn hstrlen(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let hash = ctx.store.db(ctx.db).hash(&args.key(1), Look::Read, ctx.now)?;
    let field = hash.and_then(|hash| hash.get(args.get(2)));
    ctx.reply.integer(field.map_or(0, |field| field.value.len() as i64));
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::check::check;

    #[test]
    fn fields_are_set_read_and_removed() {
        check(
            "HSET h a 1 b x; HSET h a 2 c 3; HGET h a; HMGET h a none c; HGET h none; HGET none a; HMGET none a b",
            "2; 1; 2; [2 nil 3]; nil; nil; [nil nil]",
        );
        check(
            "HSET h a 1 b 2; HDEL h a none; HLEN h; HDEL h b; EXISTS h; HDEL h b",
            "2; 1; 1; 1; 0; 0",
        );
        check("HMSET h a 1 a 2; HGET h a; HLEN h; HLEN none", "OK; 2; 1; 0");
        check("HSETNX h a 1; HSETNX h a 2; HGET h a", "1; 0; 1");
        check("HSET h a 1; HEXISTS h a; HEXISTS h b; HEXISTS none a", "1; 1; 0; 0");
        check(
            "HSET h a -120 b hello c \"\"; HSTRLEN h a; HSTRLEN h b; HSTRLEN h c; HSTRLEN h d",
            "3; 4; 5; 0; 0",
        );
    }

    #[test]
    fn pairs_must_be_whole() {
        check(
            "HSET h a 1 b; HMSET h a 1 b; EXISTS h",
            "ERR wrong number of arguments for 'hset' command; \
             ERR wrong number of arguments for 'hmset' command; 0",
        );
    }

    #[test]
    fn another_type_is_refused_by_every_command_and_nothing_changes() {
        for command in [
            "HSET s a 1",
            "HMSET s a 1",
            "HSETNX s a 1",
            "HGET s a",
            "HMGET s a",
            "HDEL s a",
            "HEXISTS s a",
            "HLEN s",
            "HSTRLEN s a",
            "HINCRBY s a 1",
            "HINCRBYFLOAT s a 1",
            "HGETALL s",
            "HKEYS s",
            "HVALS s",
            "HSCAN s 0",
            "HRANDFIELD s",
            "HRANDFIELD s 2",
        ] {
            check(&format!("SET s v; {command}; GET s"), "OK; WRONGTYPE; v");
        }
        check(
            "HSET h a 1; GET h; APPEND h x; INCR h; SETRANGE h 0 x; STRLEN h; TYPE h",
            "1; WRONGTYPE; WRONGTYPE; WRONGTYPE; WRONGTYPE; WRONGTYPE; hash",
        );
        check("HSET h a 1; SET h v; TYPE h; GETSET h w", "1; OK; string; v");
    }

    #[test]
    fn a_hash_is_packed_up_to_its_thresholds() {
        check("HSET h a 1; OBJECT ENCODING h", "1; listpack");
        let (fits, long) = ("v".repeat(64), "v".repeat(65));
        check(
            &format!(
                "HSET h a {fits} {fits} 1; OBJECT ENCODING h; HSET h b {long}; OBJECT ENCODING h; HGET h b; HGET h a"
            ),
            &format!("2; listpack; 1; hashtable; {long}; {fits}"),
        );
        check(&format!("HSET h {long} 1; OBJECT ENCODING h; HGET h {long}"), "1; hashtable; 1");
        check(
            "@set hash-max-listpack-entries 2; HSET h a 1 b 2; OBJECT ENCODING h; HSET h b 3; OBJECT ENCODING h; HSET h c 4; OBJECT ENCODING h; HMGET h a b c; HDEL h a b; OBJECT ENCODING h",
            "2; listpack; 0; listpack; 1; hashtable; [1 3 4]; 2; hashtable",
        );
        check("@set hash-max-listpack-entries 0; HSET h a 1; OBJECT ENCODING h", "1; hashtable");
    }

    #[test]
    fn a_hash_keeps_its_time_to_live_until_it_is_empty() {
        check(
            "HSET h a 1 b 2; EXPIRE h 100; HSET h a 3; HDEL h b; TTL h; HDEL h a; HSET h a 1; TTL h",
            "2; 1; 0; 1; 100; 1; 1; -1",
        );
        check("HSET h a 1; PEXPIRE h 5; @+6; HGET h a; HSET h b 2; HLEN h", "1; 1; nil; 1; 1");
    }
}
