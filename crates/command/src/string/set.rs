//! SET, its options, and the commands that are older spellings of them.

use super::digest::Condition;
use super::{KEY, REPLACE, VALUE, reply_text};
use crate::lifetime::{self, Also, Deadline, Lifetime};
use crate::spec::{Arg, Arity, Command, Flags, Group, KeySpec, Spec};
use crate::{Args, Ctx, Failure};
use store::{Expiry, Look};

/// Sets the value of a key.
pub const SET: Command = Command::new(
    Spec {
        name: "SET",
        arity: Arity::at_least(3),
        keys: &[KeySpec {
            notes: "RW and ACCESS due to the optional `GET` argument",
            ..KeySpec::one(1, &["RW", "access", "update", "variable_flags"])
        }],
        flags: Flags::WRITE.and(Flags::DENYOOM),
        group: Group::String,
        summary: "Sets the string value of a key, ignoring its type. The key is created if it doesn't exist.",
        args: &[
            KEY,
            VALUE,
            Arg::one_of(
                "condition",
                &[
                    Arg::word("nx", "NX"),
                    Arg::word("xx", "XX"),
                    Arg::string("ifeq-value").token("IFEQ").since("8.4.0"),
                    Arg::string("ifne-value").token("IFNE").since("8.4.0"),
                    Arg::string("ifdeq-digest").token("IFDEQ").since("8.4.0"),
                    Arg::string("ifdne-digest").token("IFDNE").since("8.4.0"),
                ],
            )
            .optional()
            .since("2.6.12"),
            Arg::word("get", "GET").optional().since("6.2.0"),
            Arg::one_of(
                "expiration",
                &[
                    lifetime::EX.since("2.6.12"),
                    lifetime::PX.since("2.6.12"),
                    lifetime::EXAT.since("6.2.0"),
                    lifetime::PXAT.since("6.2.0"),
                    lifetime::KEEPTTL.since("6.0.0"),
                ],
            )
            .optional(),
        ],
        history: &[
            ("2.6.12", "Added the `EX`, `PX`, `NX` and `XX` options."),
            ("6.0.0", "Added the `KEEPTTL` option."),
            ("6.2.0", "Added the `GET`, `EXAT` and `PXAT` option."),
            ("7.0.0", "Allowed the `NX` and `GET` options to be used together."),
            ("8.4.0", "Added the `IFEQ`, `IFNE`, `IFDEQ` and `IFDNE` options."),
        ],
        ..Spec::NEW
    },
    set,
);

#[inline]
fn set(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    if args.len() > 3 {
        return set_with_options(ctx, args);
    }
    ctx.store.db(ctx.db).set(&args.key(1), args.get(2), Expiry::Clear, ctx.now);
    ctx.reply.ok();
    Ok(())
}

/// The options of SET as words; numbers and digests are not judged yet.
#[derive(Default)]
struct Options<'a> {
    condition: Option<Condition<'a>>,
    get: bool,
    lifetime: Lifetime,
}

impl<'a> Options<'a> {
    fn parse(args: &Args<'a>) -> Result<Options<'a>, Failure> {
        let mut options = Options::default();
        let mut position = 3;
        while position < args.len() {
            position += options.take(args, position).ok_or(Failure::SYNTAX)?;
        }
        Ok(options)
    }

    /// Takes the option at `position` and gives how many arguments it has.
    fn take(&mut self, args: &Args<'a>, position: usize) -> Option<usize> {
        if args.is(position, "GET") {
            self.get = true;
            return Some(1);
        }
        let Some((condition, taken)) = Condition::read(args, position) else {
            return self.lifetime.take(args, position, Also::KeepTtl);
        };
        if self.condition.is_some_and(|other| !other.is_same_word(condition)) {
            return None;
        }
        self.condition = Some(condition);
        Some(taken)
    }
}

fn set_with_options(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let options = Options::parse(args)?;
    let expiry = options.lifetime.expiry(Expiry::Clear, "set", args, ctx.now)?;
    let Ctx { store, reply, db, now, .. } = ctx;
    let (mut keyspace, key) = (store.db(*db), args.key(1));
    let digest = match options.condition {
        Some(condition) => condition.check_digest()?,
        None => None,
    };
    let holds = if options.get {
        let old = keyspace.string_as(&key, Look::Read, *now)?;
        let holds = options.condition.is_none_or(|condition| condition.holds(old, digest));
        match old {
            Some(value) => reply_text(reply, value),
            None => reply.null(),
        }
        holds
    } else {
        match options.condition {
            None => true,
            Some(Condition::Absent) => keyspace.kind_as(&key, Look::Write, *now).is_none(),
            Some(Condition::Present) => keyspace.kind_as(&key, Look::Write, *now).is_some(),
            Some(about_value) => {
                about_value.holds(keyspace.string_as(&key, Look::Write, *now)?, digest)
            }
        }
    };
    if holds {
        keyspace.set(&key, args.get(2), expiry, *now);
    }
    match (options.get, holds) {
        (true, _) => {}
        (false, true) => reply.ok(),
        (false, false) => reply.null(),
    }
    Ok(())
}

/// Sets the value of a key if it does not exist.
pub const SETNX: Command = Command::new(
    Spec {
        name: "SETNX",
        arity: Arity::exactly(3),
        keys: &[KeySpec::one(1, &["OW", "insert"])],
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
        group: Group::String,
        summary: "Set the string value of a key only when the key doesn't exist.",
        args: &[KEY, VALUE],
        deprecated: Some(("2.6.12", "`SET` with the `NX` argument")),
        ..Spec::NEW
    },
    setnx,
);

fn setnx(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let (key, now) = (args.key(1), ctx.now);
    let mut keyspace = ctx.keyspace();
    let absent = keyspace.kind_as(&key, Look::Write, now).is_none();
    if absent {
        keyspace.set(&key, args.get(2), Expiry::Clear, now);
    }
    ctx.reply.integer(i64::from(absent));
    Ok(())
}

/// Sets value and time to live in seconds.
pub const SETEX: Command = Command::new(
    Spec {
        name: "SETEX",
        arity: Arity::exactly(4),
        keys: REPLACE,
        flags: Flags::WRITE.and(Flags::DENYOOM),
        group: Group::String,
        since: "2.0.0",
        summary: "Sets the string value and expiration time of a key. Creates the key if it doesn't exist.",
        args: &[KEY, Arg::integer("seconds"), VALUE],
        deprecated: Some(("2.6.12", "`SET` with the `EX` argument")),
        ..Spec::NEW
    },
    |ctx, args| set_until(ctx, args, Deadline::in_seconds(2), "setex"),
);

/// Sets value and time to live in milliseconds.
pub const PSETEX: Command = Command::new(
    Spec {
        name: "PSETEX",
        arity: Arity::exactly(4),
        keys: REPLACE,
        flags: Flags::WRITE.and(Flags::DENYOOM),
        group: Group::String,
        since: "2.6.0",
        summary: "Sets both string value and expiration time in milliseconds of a key. The key is created if it doesn't exist.",
        args: &[KEY, Arg::integer("milliseconds"), VALUE],
        deprecated: Some(("2.6.12", "`SET` with the `PX` argument")),
        ..Spec::NEW
    },
    |ctx, args| set_until(ctx, args, Deadline::in_milliseconds(2), "psetex"),
);

fn set_until(
    ctx: &mut Ctx<'_>,
    args: &Args<'_>,
    deadline: Deadline,
    name: &str,
) -> Result<(), Failure> {
    let (key, now) = (args.key(1), ctx.now);
    let time = deadline.unix_ms(name, args, now)?;
    ctx.keyspace().set(&key, args.get(3), Expiry::At(time), now);
    ctx.reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::check::{check, check3};

    #[test]
    fn set_replaces_value_and_clears_the_time_to_live() {
        check("SET k v EX 10; SET k w; GET k; TTL k", "OK; OK; w; -1");
    }

    #[test]
    fn nx_sets_only_absent_and_xx_only_present_keys() {
        check("SET k v NX; SET k w NX; GET k; SET k w nx NX", "OK; nil; v; nil");
        check("SET k v XX; EXISTS k; SET k v; SET k w xx; GET k", "nil; 0; OK; OK; w");
        check3("SET k v XX", "nil");
    }

    #[test]
    fn get_returns_the_old_value_whether_or_not_the_new_one_was_set() {
        check("SET k a GET; SET k b GET; GET k", "nil; a; b");
        check("SET k a NX GET; SET k b NX GET; GET k; SET k 5 XX GET; GET k", "nil; a; a; a; 5");
        check("SET k a XX GET; EXISTS k; SET k a GET GET", "nil; 0; nil");
    }

    #[test]
    fn every_unit_of_time_is_understood() {
        check("SET k v EX 10; PTTL k; SET k v px 10; PTTL k", "OK; 10000; OK; 10");
        check(
            "SET k v EXAT 1700000001; PTTL k; SET k v PXAT 1700000000300; PTTL k",
            "OK; 1000; OK; 300",
        );
        check("SET k v EX 10 EX 20; TTL k", "OK; 20");
        check(
            "SET k v PXAT 9223372036854775807; PEXPIRETIME k; EXPIRETIME k",
            "OK; 9223372036854775807; 9223372036854776",
        );
    }

    #[test]
    fn a_time_in_the_past_sets_a_key_that_is_gone() {
        check("SET k v EXAT 1; GET k; EXISTS k; SET k v PXAT 1; TTL k", "OK; nil; 0; OK; -2");
    }

    #[test]
    fn keepttl_keeps_the_time_to_live() {
        check(
            "SET k v EX 100; SET k w KEEPTTL; TTL k; GET k; SET k x KEEPTTL KEEPTTL GET; TTL k",
            "OK; OK; 100; w; w; 100",
        );
        check("SET k v KEEPTTL; TTL k", "OK; -1");
    }

    #[test]
    fn contradicting_or_unknown_options_are_syntax_errors_whatever_the_numbers_are() {
        for options in [
            "NX XX",
            "EX 10 PX 10",
            "KEEPTTL EX 1",
            "EX 1 KEEPTTL",
            "PERSIST",
            "EX abc foo",
            "EX abc PX 5",
            "foo",
            "GET nx EX 10 xx",
            "EX",
            "EX 10 NX EX",
            "IFEQ",
            "IFEQ a NX",
            "IFEQ a IFNE b",
            "NX IFDEQ x",
        ] {
            check(&format!("SET k v {options}; EXISTS k"), "ERR syntax error; 0");
        }
    }

    #[test]
    fn times_that_cannot_be_are_refused() {
        for options in [
            "EX 0",
            "EX -1",
            "PX 9223372036854775807",
            "EX 9223372036854775",
            "EX 9223372036854776",
            "EXAT 9223372036854775807",
            "PXAT 0",
            "PX 9223372036854775806",
        ] {
            check(
                &format!("SET k v {options}; EXISTS k"),
                "ERR invalid expire time in 'set' command; 0",
            );
        }
        check(
            "SET k v EX 010; SET k v EX +1; SET k v GET EX a; EXISTS k",
            "ERR value is not an integer or out of range; ERR value is not an integer or out of range; ERR value is not an integer or out of range; 0",
        );
    }

    #[test]
    fn ifeq_sets_only_over_that_value_and_ifne_over_any_other() {
        check(
            "SET k v IFEQ a; EXISTS k; SET k a; SET k b IFEQ x; SET k b IFEQ a; GET k",
            "nil; 0; OK; nil; OK; b",
        );
        check("SET k v IFNE a; SET k w IFNE v; GET k; SET k w ifne x; GET k", "OK; nil; v; OK; w");
        check(
            "SET k 10; SET k 11 IFEQ 10 EX 5 GET; GET k; TTL k; SET k 12 IFEQ 10 GET",
            "OK; 10; 11; 5; 11",
        );
    }

    #[test]
    fn ifdeq_and_ifdne_compare_the_digest_in_either_case() {
        check(
            "SET k \"Hello world\"; SET k a IFDEQ 0000000000000000; SET k a IFDEQ B6ACB9D84A38ff74; GET k",
            "OK; nil; OK; a",
        );
        check(
            "SET k v IFDEQ b6acb9d84a38ff74; SET k \"Hello world\" IFDNE b6acb9d84a38ff74; SET k x IFDNE b6acb9d84a38ff74",
            "nil; OK; nil",
        );
        check(
            "SET k v IFDEQ abc; SET k v IFDNE 000000000000000g",
            "ERR must be exactly 16 hexadecimal characters; ERR must be exactly 16 hexadecimal characters",
        );
    }

    #[test]
    fn setnx_answers_whether_it_set() {
        check("SETNX k v; SETNX k w; GET k", "1; 0; v");
    }

    #[test]
    fn setex_and_psetex_set_value_and_time() {
        check(
            "SETEX k 10 v; TTL k; GET k; PSETEX k 10 5; PTTL k; @+11; GET k",
            "OK; 10; v; OK; 10; nil",
        );
        check(
            "SETEX k 0 v; PSETEX k -1 v; SETEX k a v; EXISTS k",
            "ERR invalid expire time in 'setex' command; ERR invalid expire time in 'psetex' command; ERR value is not an integer or out of range; 0",
        );
    }
}
