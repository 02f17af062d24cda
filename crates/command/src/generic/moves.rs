//! Values that change their place: RENAME, COPY, MOVE.

use crate::spec::{Arg, Arity, Command, Fanout, Flags, Group, KeySpec, Spec};
use crate::{Args, Ctx, Failure};
use store::Look;

/// Gives a key another name, in the place of whatever has it.
pub const RENAME: Command = Command::new(
    Spec {
        name: "RENAME",
        arity: Arity::exactly(3),
        keys: &[KeySpec::one(1, &["RW", "access", "delete"]), KeySpec::one(2, &["OW", "update"])],
        flags: Flags::WRITE,
        fanout: Fanout::Loan,
        group: Group::Generic,
        since: "1.0.0",
        complexity: "O(1)",
        summary: "Gives a key another name, in the place of whatever has it.",
        args: &[Arg::key("key", 0), Arg::key("newkey", 1)],
        ..Spec::NEW
    },
    rename,
);

fn rename(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let (from, to, now) = (args.key(1), args.key(2), ctx.now);
    let mut keyspace = ctx.keyspace();
    if keyspace.kind_as(&from, Look::Write, now).is_none() {
        return Err(Failure::NO_SUCH_KEY);
    }
    if from.bytes != to.bytes {
        let parcel = keyspace.take(&from, now).expect("it was there");
        keyspace.put(&to, parcel, now);
        keyspace.count_changes(1);
    }
    ctx.reply.ok();
    Ok(())
}

/// Gives a key another name, unless a key has it.
pub const RENAMENX: Command = Command::new(
    Spec {
        name: "RENAMENX",
        arity: Arity::exactly(3),
        keys: &[KeySpec::one(1, &["RW", "access", "delete"]), KeySpec::one(2, &["OW", "insert"])],
        flags: Flags::WRITE.and(Flags::FAST),
        fanout: Fanout::Loan,
        group: Group::Generic,
        since: "1.0.0",
        complexity: "O(1)",
        summary: "Gives a key another name, unless a key has it.",
        args: &[Arg::key("key", 0), Arg::key("newkey", 1)],
        history: &[(
            "3.2.0",
            "The command no longer returns an error when source and destination names are the same.",
        )],
        ..Spec::NEW
    },
    renamenx,
);

fn renamenx(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let (from, to, now) = (args.key(1), args.key(2), ctx.now);
    let mut keyspace = ctx.keyspace();
    if keyspace.kind_as(&from, Look::Write, now).is_none() {
        return Err(Failure::NO_SUCH_KEY);
    }
    let free = keyspace.kind_as(&to, Look::Write, now).is_none();
    if free {
        let parcel = keyspace.take(&from, now).expect("it was there");
        keyspace.put(&to, parcel, now);
        keyspace.count_changes(1);
    }
    ctx.reply.integer(i64::from(free));
    Ok(())
}

/// Copies the value of a key to another key.
pub const COPY: Command = Command::new(
    Spec {
        name: "COPY",
        arity: Arity::at_least(3),
        keys: &[KeySpec::one(1, &["RO", "access"]), KeySpec::one(2, &["OW", "update"])],
        flags: Flags::WRITE.and(Flags::DENYOOM),
        fanout: Fanout::Loan,
        group: Group::Generic,
        since: "6.2.0",
        complexity: "O(N) worst case for collections, where N is the number of nested items. O(1) for string values.",
        summary: "Copies the value of a key to another key.",
        args: &[
            Arg::key("source", 0),
            Arg::key("destination", 1),
            Arg::integer("destination-db").token("DB").optional(),
            Arg::word("replace", "REPLACE").optional(),
        ],
        other_db: Some(copy_db),
        ..Spec::NEW
    },
    copy,
);

/// Where a copy would be the value itself.
const SAME: Failure = Failure::new("ERR source and destination objects are the same");
/// There is no such database.
const NO_SUCH_DB: Failure = Failure::new("ERR DB index is out of range");

/// The range of database numbers, as Redis says it.
const NOT_INT: Failure =
    Failure::new("ERR value is out of range, value must between -2147483648 and 2147483647");

/// The database that COPY's arguments name, if they name one that there may be.
fn copy_db(args: &Args<'_>) -> Option<u8> {
    let at = (3..args.len().saturating_sub(1)).find(|at| args.is(*at, "DB"))?;
    args.integer(at + 1).and_then(|db| u8::try_from(db).ok())
}

/// The database that MOVE's arguments name, if they name one that there may be.
fn move_db(args: &Args<'_>) -> Option<u8> {
    args.integer(2).and_then(|db| u8::try_from(db).ok())
}

/// The database in argument `position`.
fn db_of(ctx: &Ctx<'_>, args: &Args<'_>, position: usize) -> Result<u8, Failure> {
    let number = args.integer(position).ok_or(Failure::NOT_INTEGER)?;
    if i32::try_from(number).is_err() {
        return Err(NOT_INT);
    }
    let db = u8::try_from(number).ok().filter(|db| usize::from(*db) < ctx.store.databases());
    db.ok_or(NO_SUCH_DB)
}

fn copy(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let (mut db, mut replace, mut position) = (ctx.db, false, 3);
    while position < args.len() {
        if args.is(position, "REPLACE") {
            replace = true;
        } else if args.is(position, "DB") && position + 1 < args.len() {
            position += 1;
            db = db_of(ctx, args, position)?;
        } else {
            return Err(Failure::SYNTAX);
        }
        position += 1;
    }
    let (from, to, now) = (args.key(1), args.key(2), ctx.now);
    if db == ctx.db && from.bytes == to.bytes {
        return Err(SAME);
    }
    let there = ctx.keyspace().kind_as(&from, Look::Read, now).is_some();
    let mut taken = || ctx.store.db(db).kind_as(&to, Look::Write, now).is_some();
    let copies = there && (!taken() || replace);
    if copies {
        let parcel = ctx.keyspace().copy(&from, now).expect("it was there");
        let mut target = ctx.store.db(db);
        target.put(&to, parcel, now);
        target.count_changes(1);
    }
    ctx.reply.integer(i64::from(copies));
    Ok(())
}

/// Moves a key to another database.
pub const MOVE: Command = Command::new(
    Spec {
        name: "MOVE",
        arity: Arity::exactly(3),
        keys: &[KeySpec::one(1, &["RW", "access", "update"])],
        flags: Flags::WRITE.and(Flags::FAST),
        group: Group::Generic,
        since: "1.0.0",
        complexity: "O(1)",
        summary: "Moves a key to another database.",
        args: &[Arg::key("key", 0), Arg::integer("db")],
        other_db: Some(move_db),
        ..Spec::NEW
    },
    move_key,
);

fn move_key(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let (key, now, db) = (args.key(1), ctx.now, db_of(ctx, args, 2)?);
    if db == ctx.db {
        return Err(SAME);
    }
    let there = ctx.keyspace().kind_as(&key, Look::Write, now).is_some();
    let moves = there && ctx.store.db(db).kind_as(&key, Look::Write, now).is_none();
    if moves {
        let parcel = ctx.keyspace().take(&key, now).expect("it was there");
        let mut target = ctx.store.db(db);
        target.put(&key, parcel, now);
        target.count_changes(1);
    }
    ctx.reply.integer(i64::from(moves));
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::check::check;

    #[test]
    fn a_renamed_key_keeps_value_and_time_to_live() {
        check(
            "SET a 1 EX 100; RENAME a b; GET b; TTL b; EXISTS a; RENAME a b",
            "OK; OK; 1; 100; 0; ERR no such key",
        );
        check("SET a 1; SET b 2 EX 100; RENAME a b; GET b; TTL b", "OK; OK; OK; 1; -1");
        check(
            "SET a 1; RENAME a a; GET a; RENAMENX a a; RENAME none none; RENAMENX none b",
            "OK; OK; 1; 0; ERR no such key; ERR no such key",
        );
        check(
            "SET a 1; SET b 2; RENAMENX a b; GET b; RENAMENX a c; GET c; EXISTS a",
            "OK; OK; 0; 2; 1; 1; 0",
        );
        check(
            "HSET h a 1; RENAME h g; HGETALL g; SADD s x; RENAME g s; TYPE s",
            "1; OK; [a 1]; 1; OK; hash",
        );
    }

    #[test]
    fn a_copy_is_a_value_of_its_own() {
        check("SET a 1 EX 100; COPY a b; INCR b; GET a; GET b; TTL b", "OK; 1; 2; 1; 2; 100");
        check(
            "SET a 1; SET b 2; COPY a b; GET b; COPY a b REPLACE; GET b; COPY none b REPLACE; GET b",
            "OK; OK; 0; 2; 1; 1; 0; 1",
        );
        check(
            "SET a 1; COPY a a; COPY a a DB 0; COPY a a DB 1; @db 1; GET a",
            "OK; ERR source and destination objects are the same; ERR source and destination objects are the same; 1; 1",
        );
        check(
            "COPY a b DB 16; COPY a b DB x; COPY a b DB -1; COPY a b FOO; COPY a b DB",
            "ERR DB index is out of range; ERR value is not an integer or out of range; ERR DB index is out of range; ERR syntax error; ERR syntax error",
        );
        check(
            "@set hash-max-listpack-entries 1; HSET h a 1 b 2; COPY h g; HDEL h a; HGET g a; OBJECT ENCODING g; SADD s 1 x; COPY s t; SMEMBERS t",
            "2; 1; 1; 1; hashtable; 2; 1; [1 x]",
        );
    }

    #[test]
    fn a_key_moves_between_databases_unless_it_is_there() {
        check(
            "SET a 1 EX 100; MOVE a 1; EXISTS a; MOVE a 1; SET a 2; MOVE a 1; GET a; @db 1; GET a; TTL a",
            "OK; 1; 0; 0; OK; 0; 2; 1; 100",
        );
        check(
            "SET a 1; MOVE a 0; MOVE a x; MOVE a 16; MOVE a -1; MOVE none 1",
            "OK; ERR source and destination objects are the same; ERR value is not an integer or out of range; ERR DB index is out of range; ERR DB index is out of range; 0",
        );
    }
}
