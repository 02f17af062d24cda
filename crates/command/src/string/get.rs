//! GET and its kin: reading a whole string, perhaps changing something on the way.

use super::{CHANGE, KEY, READ, VALUE, reply_text};
use crate::lifetime::{self, Also, Lifetime};
use crate::spec::{Arg, Arity, Command, Flags, Group, KeySpec, Spec};
use crate::{Args, Ctx, Failure};
use store::{Expiry, Look};

/// Returns the value of a key.
pub const GET: Command = Command::new(
    Spec {
        name: "GET",
        arity: Arity::exactly(2),
        keys: READ,
        flags: Flags::READONLY.and(Flags::FAST),
        group: Group::String,
        summary: "Returns the string value of a key.",
        args: &[KEY],
        ..Spec::NEW
    },
    get,
);

fn get(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let Ctx { store, reply, db, now, .. } = ctx;
    match store.db(*db).string(&args.key(1), *now)? {
        Some(value) => reply_text(reply, value),
        None => reply.null(),
    }
    Ok(())
}

/// Returns the value of a key and deletes the key.
pub const GETDEL: Command = Command::new(
    Spec {
        name: "GETDEL",
        arity: Arity::exactly(2),
        keys: &[KeySpec::one(1, &["RW", "access", "delete"])],
        flags: Flags::WRITE.and(Flags::FAST),
        group: Group::String,
        since: "6.2.0",
        summary: "Returns the string value of a key after deleting the key.",
        args: &[KEY],
        ..Spec::NEW
    },
    getdel,
);

fn getdel(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let Ctx { store, reply, db, now, .. } = ctx;
    let (mut keyspace, key) = (store.db(*db), args.key(1));
    match keyspace.string(&key, *now)? {
        Some(value) => {
            reply_text(reply, value);
            keyspace.remove(&key, *now);
        }
        None => reply.null(),
    }
    Ok(())
}

/// Returns the value of a key and sets or removes its time to live.
pub const GETEX: Command = Command::new(
    Spec {
        name: "GETEX",
        arity: Arity::at_least(2),
        keys: &[KeySpec {
            notes: "RW and UPDATE because it changes the TTL",
            ..KeySpec::one(1, &["RW", "access", "update"])
        }],
        flags: Flags::WRITE.and(Flags::FAST),
        group: Group::String,
        since: "6.2.0",
        summary: "Returns the string value of a key after setting its expiration time.",
        args: &[
            KEY,
            Arg::one_of(
                "expiration",
                &[lifetime::EX, lifetime::PX, lifetime::EXAT, lifetime::PXAT, lifetime::PERSIST],
            )
            .optional(),
        ],
        ..Spec::NEW
    },
    getex,
);

fn getex(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let mut lifetime = Lifetime::default();
    let mut position = 2;
    while position < args.len() {
        position += lifetime.take(args, position, Also::Persist).ok_or(Failure::SYNTAX)?;
    }
    let Ctx { store, reply, db, now, .. } = ctx;
    let (mut keyspace, key) = (store.db(*db), args.key(1));
    // The key comes first: without it a bad number is no error.
    let Some(value) = keyspace.string(&key, *now)? else {
        reply.null();
        return Ok(());
    };
    let expiry = lifetime.expiry(Expiry::Keep, "getex", args, *now)?;
    reply_text(reply, value);
    match expiry {
        Expiry::Keep => {}
        Expiry::Clear => _ = keyspace.set_expiry(&key, None, *now),
        Expiry::At(time) if time <= now.unix_ms() => _ = keyspace.remove(&key, *now),
        Expiry::At(time) => _ = keyspace.set_expiry(&key, Some(time), *now),
    }
    Ok(())
}

/// Sets the value of a key and returns the old one.
pub const GETSET: Command = Command::new(
    Spec {
        name: "GETSET",
        arity: Arity::exactly(3),
        keys: CHANGE,
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
        group: Group::String,
        summary: "Returns the previous string value of a key after setting it to a new value.",
        args: &[KEY, VALUE],
        deprecated: Some(("6.2.0", "`SET` with the `!GET` argument")),
        ..Spec::NEW
    },
    getset,
);

fn getset(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let Ctx { store, reply, db, now, .. } = ctx;
    let (mut keyspace, key) = (store.db(*db), args.key(1));
    match keyspace.string_as(&key, Look::Read, *now)? {
        Some(value) => reply_text(reply, value),
        None => reply.null(),
    }
    keyspace.set(&key, args.get(2), Expiry::Clear, *now);
    Ok(())
}

/// Returns the length of a string.
pub const STRLEN: Command = Command::new(
    Spec {
        name: "STRLEN",
        arity: Arity::exactly(2),
        keys: &[KeySpec::one(1, &["RO"])],
        flags: Flags::READONLY.and(Flags::FAST),
        group: Group::String,
        since: "2.2.0",
        summary: "Returns the length of a string value.",
        args: &[KEY],
        ..Spec::NEW
    },
    strlen,
);

fn strlen(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let Ctx { store, reply, db, now, .. } = ctx;
    let len = store.db(*db).string(&args.key(1), *now)?.map_or(0, |value| value.len());
    reply.integer(len as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::check::{check, check3};

    #[test]
    fn get_returns_what_was_set_and_nil_for_an_absent_key() {
        check(
            "GET k; SET k v; GET k; SET k 12; GET k; SET k \"\"; GET k",
            "nil; OK; v; OK; 12; OK; \"\"",
        );
        check3("GET k; SET k \"a b\\r\\n\"; GET k", "nil; OK; a b\\r\\n");
    }

    #[test]
    fn an_expired_key_is_not_returned() {
        check("SET k v PX 10; @+10; GET k; @+1; GET k; STRLEN k", "OK; v; nil; 0");
    }

    #[test]
    fn getdel_returns_then_forgets() {
        check("SET k v; GETDEL k; GET k; GETDEL k", "OK; v; nil; nil");
    }

    #[test]
    fn getex_without_options_is_get() {
        check("SET k v EX 100; GETEX k; TTL k; GETEX none", "OK; v; 100; nil");
    }

    #[test]
    fn getex_sets_and_removes_the_time_to_live() {
        check("SET k v; GETEX k EX 10; TTL k; GETEX k PERSIST; TTL k", "OK; v; 10; v; -1");
        check(
            "SET k v; GETEX k px 1500; PTTL k; GETEX k PXAT 1700000009000; PTTL k",
            "OK; v; 1500; v; 9000",
        );
        check("SET k v; GETEX k EX 1 EX 20; TTL k; GETEX k PERSIST persist", "OK; v; 20; v");
    }

    #[test]
    fn getex_with_a_time_in_the_past_deletes() {
        check("SET k v; GETEX k PXAT 1; EXISTS k; GETEX k", "OK; v; 0; nil");
    }

    #[test]
    fn getex_refuses_contradictions_before_it_looks_and_bad_numbers_after() {
        for options in
            ["EX 10 PERSIST", "EX", "KEEPTTL", "NX", "GET", "EX 1 PX 1", "PERSIST EXAT 9"]
        {
            check(&format!("GETEX k {options}"), "ERR syntax error");
        }
        check("GETEX k EX abc; GETEX k EX 0", "nil; nil");
        check(
            "SET k v; GETEX k EX abc; GETEX k EX 0; GETEX k EXAT 9223372036854775807; TTL k",
            "OK; ERR value is not an integer or out of range; \
             ERR invalid expire time in 'getex' command; \
             ERR invalid expire time in 'getex' command; -1",
        );
    }

    #[test]
    fn getset_returns_the_old_value_and_clears_the_time_to_live() {
        check("GETSET k a; GETSET k 7; GET k; OBJECT ENCODING k", "nil; a; 7; int");
        check("SET k v EX 10; GETSET k w; TTL k", "OK; v; -1");
    }

    #[test]
    fn strlen_counts_bytes_also_of_integers() {
        check("STRLEN k; SET k hello; STRLEN k; SET k -120; STRLEN k", "0; OK; 5; OK; 4");
    }
}
