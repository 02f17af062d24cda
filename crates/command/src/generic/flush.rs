//! Emptying and exchanging databases.

use crate::spec::{Arg, Arity, Command, Fanout, Flags, Group, Merge, Spec};
use crate::{Args, Ctx, Failure};

/// ASYNC and SYNC in COMMAND DOCS.
const MODE: Arg = Arg::one_of(
    "async",
    &[Arg::word("async", "ASYNC").since("4.0.0"), Arg::word("sync", "SYNC").since("6.2.0")],
)
.optional();

/// What FLUSHALL and FLUSHDB have in common.
const FLUSHING: Spec = Spec {
    arity: Arity::at_least(1),
    flags: Flags::WRITE,
    fanout: Fanout::All(Merge::Ok),
    group: Group::Server,
    categories: &["@keyspace", "@dangerous"],
    args: &[MODE],
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    history: &[
        ("4.0.0", "Added the `ASYNC` flushing mode modifier."),
        ("6.2.0", "Added the `SYNC` flushing mode modifier."),
    ],
    ..Spec::NEW
};

/// Empties every database.
pub const FLUSHALL: Command = Command::new(
    Spec {
        name: "FLUSHALL",
        complexity: "O(N) where N is the total number of keys in all databases",
        summary: "Removes all keys from all databases.",
        ..FLUSHING
    },
    flushall,
);

fn flushall(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    check_mode(args)?;
    ctx.store.flush_all();
    ctx.reply.ok();
    Ok(())
}

/// Empties the selected database.
pub const FLUSHDB: Command = Command::new(
    Spec {
        name: "FLUSHDB",
        complexity: "O(N) where N is the number of keys in the selected database",
        summary: "Remove all keys from the current database.",
        ..FLUSHING
    },
    flushdb,
);

fn flushdb(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    check_mode(args)?;
    ctx.store.flush(ctx.db);
    ctx.reply.ok();
    Ok(())
}

/// ASYNC and SYNC mean the same here: memory is given back in steps after the reply, either way.
fn check_mode(args: &Args<'_>) -> Result<(), Failure> {
    match args.len() {
        1 => Ok(()),
        2 if args.is(1, "ASYNC") || args.is(1, "SYNC") => Ok(()),
        _ => Err(Failure::SYNTAX),
    }
}

/// Exchanges two databases.
pub const SWAPDB: Command = Command::new(
    Spec {
        name: "SWAPDB",
        arity: Arity::exactly(3),
        flags: Flags::WRITE.and(Flags::FAST),
        fanout: Fanout::All(Merge::Ok),
        group: Group::Server,
        categories: &["@keyspace", "@dangerous"],
        since: "4.0.0",
        complexity: "O(N) where N is the count of clients watching or blocking on keys from both databases.",
        summary: "Swaps two Redis databases.",
        args: &[Arg::integer("index1"), Arg::integer("index2")],
        ..Spec::NEW
    },
    swapdb,
);

fn swapdb(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    // Redis reads both as C ints before it asks whether there are such databases.
    let number = |position| args.integer(position).and_then(|index| i32::try_from(index).ok());
    let first = number(1).ok_or(Failure::new("ERR invalid first DB index"))?;
    let second = number(2).ok_or(Failure::new("ERR invalid second DB index"))?;
    let databases = ctx.store.databases();
    let database = |index: i32| {
        u8::try_from(index)
            .ok()
            .filter(|index| (*index as usize) < databases)
            .ok_or(Failure::new("ERR DB index is out of range"))
    };
    let (first, second) = (database(first)?, database(second)?);
    if first != second {
        ctx.store.swap(first, second);
    }
    ctx.reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::check::check;

    #[test]
    fn flushdb_empties_one_database_and_flushall_every_one() {
        check(
            "SET a 1; @db 1; SET b 1; FLUSHDB; DBSIZE; @db 0; DBSIZE; FLUSHALL async; DBSIZE",
            "OK; OK; OK; 0; 1; OK; 0",
        );
        check("FLUSHALL; FLUSHDB SYNC; FLUSHDB ASYNC", "OK; OK; OK");
    }

    #[test]
    fn flushing_takes_one_mode_at_the_most() {
        for arguments in ["FOO", "ASYNC SYNC", "x y"] {
            check(
                &format!("SET a 1; FLUSHALL {arguments}; FLUSHDB {arguments}; DBSIZE"),
                "OK; ERR syntax error; ERR syntax error; 1",
            );
        }
    }

    #[test]
    fn swapdb_exchanges_two_databases() {
        check(
            "SET a 1; SWAPDB 0 15; EXISTS a; @db 15; GET a; SWAPDB 15 15; GET a",
            "OK; OK; 0; 1; OK; 1",
        );
    }

    #[test]
    fn swapdb_names_the_index_that_is_wrong() {
        check(
            "SWAPDB a b; SWAPDB 99999999999 a; SWAPDB 0 a; SWAPDB 0 4294967296",
            "ERR invalid first DB index; ERR invalid first DB index; ERR invalid second DB index; ERR invalid second DB index",
        );
        check(
            "SWAPDB 0 16; SWAPDB -1 0; SWAPDB 0 256",
            "ERR DB index is out of range; ERR DB index is out of range; ERR DB index is out of range",
        );
    }
}
