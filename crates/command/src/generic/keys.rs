//! Whether keys are there, what they are, and taking them away.
//!
//! All but TYPE take several keys and answer a count, so each owner counts its own: the sum is exact
//! also when a key is named twice.

use super::SOME_KEYS;
use crate::spec::{Arg, Arity, Command, Fanout, Flags, KeySpec, Merge, Spec};
use crate::{Args, Ctx, Failure};
use store::{Db, Key, Look};

/// What commands on several keys that answer a count have in common.
const COUNTING: Spec = Spec {
    arity: Arity::at_least(2),
    fanout: Fanout::Split(Merge::Sum),
    args: &[SOME_KEYS],
    tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
    ..Spec::NEW
};

const READ_ALL: &[KeySpec] = &[KeySpec::range(1, -1, 1, &["RO"])];
const DELETE_ALL: &[KeySpec] = &[KeySpec::range(1, -1, 1, &["RM", "delete"])];

/// Deletes keys.
pub const DEL: Command = Command::new(
    Spec {
        name: "DEL",
        keys: DELETE_ALL,
        flags: Flags::WRITE,
        complexity: "O(N) where N is the number of keys that will be removed. When a key to remove holds a value other than a string, the individual complexity for this key is O(M) where M is the number of elements in the list, set, sorted set or hash. Removing a single key that holds a string value is O(1).",
        summary: "Deletes one or more keys.",
        ..COUNTING
    },
    |ctx, args| count(ctx, args, |keyspace, key, now| keyspace.remove(key, now)),
);

/// Deletes keys; memory of large values is given back later.
pub const UNLINK: Command = Command::new(
    Spec {
        name: "UNLINK",
        keys: DELETE_ALL,
        flags: Flags::WRITE.and(Flags::FAST),
        since: "4.0.0",
        complexity: "O(1) for each key removed regardless of its size. Then the command does O(N) work in a different thread in order to reclaim memory, where N is the number of allocations the deleted objects where composed of.",
        summary: "Asynchronously deletes one or more keys.",
        ..COUNTING
    },
    |ctx, args| count(ctx, args, |keyspace, key, now| keyspace.remove(key, now)),
);

/// Counts the keys that exist.
pub const EXISTS: Command = Command::new(
    Spec {
        name: "EXISTS",
        keys: READ_ALL,
        flags: Flags::READONLY.and(Flags::FAST),
        complexity: "O(N) where N is the number of keys to check.",
        summary: "Determines whether one or more keys exist.",
        history: &[("3.0.3", "Accepts multiple `key` arguments.")],
        ..COUNTING
    },
    |ctx, args| count(ctx, args, |keyspace, key, now| keyspace.exists(key, now)),
);

/// Marks keys as used and counts them.
pub const TOUCH: Command = Command::new(
    Spec {
        name: "TOUCH",
        keys: READ_ALL,
        flags: Flags::READONLY.and(Flags::FAST),
        since: "3.2.1",
        complexity: "O(N) where N is the number of keys that will be touched.",
        summary: "Returns the number of existing keys out of those specified after updating the time they were last accessed.",
        ..COUNTING
    },
    |ctx, args| {
        count(ctx, args, |keyspace, key, now| keyspace.kind_as(key, Look::Read, now).is_some())
    },
);

fn count(
    ctx: &mut Ctx<'_>,
    args: &Args<'_>,
    counts: fn(&mut Db<'_>, &Key<'_>, base::Now) -> bool,
) -> Result<(), Failure> {
    let now = ctx.now;
    let mut keyspace = ctx.store.db(ctx.db);
    let found = (1..args.len()).filter(|position| counts(&mut keyspace, &args.key(*position), now));
    let found = found.count();
    ctx.reply.integer(found as i64);
    Ok(())
}

/// Tells the type of a value.
pub const TYPE: Command = Command::new(
    Spec {
        name: "TYPE",
        arity: Arity::exactly(2),
        keys: &[KeySpec::one(1, &["RO"])],
        flags: Flags::READONLY.and(Flags::FAST),
        summary: "Determines the type of value stored at a key.",
        args: &[Arg::key("key", 0)],
        ..Spec::NEW
    },
    type_of,
);

fn type_of(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let now = ctx.now;
    let kind = ctx.keyspace().kind(&args.key(1), now);
    ctx.reply.simple(kind.map_or("none", |kind| kind.name()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::check::check;

    #[test]
    fn del_and_unlink_count_what_they_took() {
        check("MSET a 1 b 2; DEL a none b; EXISTS a b; DEL a", "OK; 2; 0; 0");
        check("SET a 1; UNLINK a a; UNLINK a", "OK; 1; 0");
    }

    #[test]
    fn expired_keys_are_not_counted() {
        check("SET a 1 PX 5; @+6; DEL a; EXISTS a; TOUCH a; TYPE a", "OK; 0; 0; 0; none");
    }

    #[test]
    fn a_key_named_twice_counts_twice() {
        check("SET a 1; EXISTS a a b; TOUCH a a b", "OK; 2; 2");
    }

    #[test]
    fn exists_and_type_do_not_mark_a_key_as_used_but_touch_does() {
        check(
            "SET a 1; @+3000; EXISTS a; TYPE a; TTL a; OBJECT IDLETIME a; TOUCH a; OBJECT IDLETIME a",
            "OK; 1; string; -1; 3; 1; 0",
        );
    }

    #[test]
    fn type_names_the_type() {
        check("TYPE a; SET a 1; TYPE a; SET a x; TYPE a", "none; OK; string; OK; string");
    }
}
