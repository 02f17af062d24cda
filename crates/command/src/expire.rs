//! Times to live: EXPIRE and its kin, TTL and its kin, PERSIST.

use crate::spec::{Arg, Arity, Command, Flags, KeySpec, Spec};
use crate::{Args, Ctx, Failure};
use store::Look;

/// The family's list.
pub const COMMANDS: &[Command] =
    &[EXPIRE, EXPIREAT, EXPIRETIME, PERSIST, PEXPIRE, PEXPIREAT, PEXPIRETIME, PTTL, TTL];

const KEY: Arg = Arg::key("key", 0);

const CONDITION: Arg = Arg::one_of(
    "condition",
    &[Arg::word("nx", "NX"), Arg::word("xx", "XX"), Arg::word("gt", "GT"), Arg::word("lt", "LT")],
)
.optional()
.since("7.0.0");

/// What the four commands that set a time have in common.
const SETTING: Spec = Spec {
    arity: Arity::at_least(3),
    keys: &[KeySpec::one(1, &["RW", "update"])],
    flags: Flags::WRITE.and(Flags::FAST),
    history: &[("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`.")],
    ..Spec::NEW
};

/// Sets a time to live in seconds.
pub const EXPIRE: Command = Command::new(
    Spec {
        name: "EXPIRE",
        summary: "Sets the expiration time of a key in seconds.",
        args: &[KEY, Arg::integer("seconds"), CONDITION],
        ..SETTING
    },
    |ctx, args| expire(ctx, args, Unit { name: "expire", ms: 1000, relative: true }),
);

/// Sets a time to live in milliseconds.
pub const PEXPIRE: Command = Command::new(
    Spec {
        name: "PEXPIRE",
        since: "2.6.0",
        summary: "Sets the expiration time of a key in milliseconds.",
        args: &[KEY, Arg::integer("milliseconds"), CONDITION],
        ..SETTING
    },
    |ctx, args| expire(ctx, args, Unit { name: "pexpire", ms: 1, relative: true }),
);

/// Sets when a key expires, in seconds.
pub const EXPIREAT: Command = Command::new(
    Spec {
        name: "EXPIREAT",
        since: "1.2.0",
        summary: "Sets the expiration time of a key to a Unix timestamp.",
        args: &[KEY, Arg::unix_time("unix-time-seconds"), CONDITION],
        ..SETTING
    },
    |ctx, args| expire(ctx, args, Unit { name: "expireat", ms: 1000, relative: false }),
);

/// Sets when a key expires, in milliseconds.
pub const PEXPIREAT: Command = Command::new(
    Spec {
        name: "PEXPIREAT",
        since: "2.6.0",
        summary: "Sets the expiration time of a key to a Unix milliseconds timestamp.",
        args: &[KEY, Arg::unix_time("unix-time-milliseconds"), CONDITION],
        ..SETTING
    },
    |ctx, args| expire(ctx, args, Unit { name: "pexpireat", ms: 1, relative: false }),
);

/// How one of the four commands spells its time.
struct Unit {
    /// The command's name, for its error.
    name: &'static str,
    ms: i64,
    /// Whether it counts from now on.
    relative: bool,
}

fn expire(ctx: &mut Ctx<'_>, args: &Args<'_>, unit: Unit) -> Result<(), Failure> {
    let conditions = Conditions::parse(args)?;
    let number = args.integer(2).ok_or(Failure::NOT_INTEGER)?;
    let (key, now) = (args.key(1), ctx.now);
    let base = if unit.relative { now.unix_ms() } else { 0 };
    let time = number
        .checked_mul(unit.ms)
        .and_then(|time| time.checked_add(base))
        .ok_or_else(|| Failure::invalid_expire(unit.name))?;
    let mut keyspace = ctx.store.db(ctx.db);
    let applies = match keyspace.expiry_as(&key, Look::Write, now) {
        Some(current) => conditions.hold(current, time),
        None => false,
    };
    if applies && time <= now.unix_ms() {
        keyspace.remove(&key, now);
    } else if applies {
        keyspace.set_expiry(&key, Some(time), now);
    }
    ctx.reply.integer(i64::from(applies));
    Ok(())
}

/// NX, XX, GT and LT. A key without a time to live counts as one that lives for ever.
#[derive(Clone, Copy, Default)]
struct Conditions {
    nx: bool,
    xx: bool,
    gt: bool,
    lt: bool,
}

impl Conditions {
    fn parse(args: &Args<'_>) -> Result<Conditions, Failure> {
        let mut conditions = Conditions::default();
        for word in args.from(3) {
            let known = match word {
                _ if word.eq_ignore_ascii_case(b"NX") => &mut conditions.nx,
                _ if word.eq_ignore_ascii_case(b"XX") => &mut conditions.xx,
                _ if word.eq_ignore_ascii_case(b"GT") => &mut conditions.gt,
                _ if word.eq_ignore_ascii_case(b"LT") => &mut conditions.lt,
                _ => return Err(Failure::quoting("ERR Unsupported option ", word, "")),
            };
            *known = true;
        }
        let Conditions { nx, xx, gt, lt } = conditions;
        if nx && (xx || gt || lt) {
            return Err(Failure::new(
                "ERR NX and XX, GT or LT options at the same time are not compatible",
            ));
        }
        if gt && lt {
            return Err(Failure::new("ERR GT and LT options at the same time are not compatible"));
        }
        Ok(conditions)
    }

    /// Whether `time` may replace `current`.
    fn hold(self, current: Option<i64>, time: i64) -> bool {
        let forbidden = self.nx && current.is_some()
            || self.xx && current.is_none()
            || self.gt && current.is_none_or(|current| time <= current)
            || self.lt && current.is_some_and(|current| time >= current);
        !forbidden
    }
}

/// What the commands that tell a time have in common.
const TELLING: Spec = Spec {
    arity: Arity::exactly(2),
    keys: &[KeySpec::one(1, &["RO", "access"])],
    flags: Flags::READONLY.and(Flags::FAST),
    args: &[KEY],
    ..Spec::NEW
};

const REMAINING: Spec = Spec {
    tips: &["nondeterministic_output"],
    history: &[("2.8.0", "Added the -2 reply.")],
    ..TELLING
};

/// Tells the time to live in seconds.
pub const TTL: Command = Command::new(
    Spec { name: "TTL", summary: "Returns the expiration time in seconds of a key.", ..REMAINING },
    |ctx, args| tell(ctx, args, |time, now| rounded_seconds((time - now).max(0))),
);

/// Tells the time to live in milliseconds.
pub const PTTL: Command = Command::new(
    Spec {
        name: "PTTL",
        since: "2.6.0",
        summary: "Returns the expiration time in milliseconds of a key.",
        ..REMAINING
    },
    |ctx, args| tell(ctx, args, |time, now| (time - now).max(0)),
);

/// Tells when a key expires, in seconds.
pub const EXPIRETIME: Command = Command::new(
    Spec {
        name: "EXPIRETIME",
        since: "7.0.0",
        summary: "Returns the expiration time of a key as a Unix timestamp.",
        ..TELLING
    },
    |ctx, args| tell(ctx, args, |time, _| rounded_seconds(time)),
);

/// Tells when a key expires, in milliseconds.
pub const PEXPIRETIME: Command = Command::new(
    Spec {
        name: "PEXPIRETIME",
        since: "7.0.0",
        summary: "Returns the expiration time of a key as a Unix milliseconds timestamp.",
        ..TELLING
    },
    |ctx, args| tell(ctx, args, |time, _| time),
);

/// Replies -2 for an absent key, -1 for one without a time to live, else what `of` makes of its
/// time and the present one, both in UNIX milliseconds.
fn tell(ctx: &mut Ctx<'_>, args: &Args<'_>, of: fn(i64, i64) -> i64) -> Result<(), Failure> {
    let now = ctx.now;
    let answer = match ctx.keyspace().expiry(&args.key(1), now) {
        None => -2,
        Some(None) => -1,
        Some(Some(time)) => of(time, now.unix_ms()),
    };
    ctx.reply.integer(answer);
    Ok(())
}

/// Milliseconds, not negative, as seconds rounded to the nearest.
fn rounded_seconds(ms: i64) -> i64 {
    ms / 1000 + i64::from(ms % 1000 >= 500)
}

/// Takes the time to live away.
pub const PERSIST: Command = Command::new(
    Spec {
        name: "PERSIST",
        arity: Arity::exactly(2),
        keys: &[KeySpec::one(1, &["RW", "update"])],
        flags: Flags::WRITE.and(Flags::FAST),
        since: "2.2.0",
        summary: "Removes the expiration time of a key.",
        args: &[KEY],
        ..Spec::NEW
    },
    persist,
);

fn persist(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let (key, now) = (args.key(1), ctx.now);
    let mut keyspace = ctx.keyspace();
    let had = keyspace.expiry_as(&key, Look::Write, now).flatten().is_some();
    if had {
        keyspace.set_expiry(&key, None, now);
    }
    ctx.reply.integer(i64::from(had));
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::check::check;

    #[test]
    fn expire_sets_a_time_to_live_of_existing_keys_only() {
        check("EXPIRE k 10; SET k v; EXPIRE k 10; TTL k; PTTL k", "0; OK; 1; 10; 10000");
        check("SET k v; PEXPIRE k 1500; PTTL k; @+1500; GET k; @+1; GET k", "OK; 1; 1500; v; nil");
        check(
            "SET k v; EXPIREAT k 1700000002; PTTL k; PEXPIREAT k 1700000000003; PTTL k",
            "OK; 1; 2000; 1; 3",
        );
    }

    #[test]
    fn a_time_that_has_come_deletes_at_once() {
        for command in [
            "EXPIRE k 0",
            "EXPIRE k -1",
            "PEXPIRE k -9223372036854775808",
            "EXPIREAT k 1",
            "PEXPIREAT k 1700000000000",
        ] {
            check(&format!("SET k v; {command}; EXISTS k; DBSIZE"), "OK; 1; 0; 0");
        }
    }

    #[test]
    fn nx_and_xx_ask_whether_there_is_a_time_to_live() {
        check(
            "SET k v; EXPIRE k 10 XX; EXPIRE k 10 nx; EXPIRE k 20 NX; TTL k; EXPIRE k 20 XX; TTL k",
            "OK; 0; 1; 0; 10; 1; 20",
        );
    }

    #[test]
    fn gt_and_lt_compare_and_no_time_to_live_is_for_ever() {
        check(
            "SET k v; EXPIRE k 100 GT; EXPIRE k 100 LT; EXPIRE k 200 LT; EXPIRE k 100 GT; EXPIRE k 200 GT; TTL k",
            "OK; 0; 1; 0; 0; 1; 200",
        );
        check(
            "SET k v EX 200; EXPIRE k 50 XX LT; EXPIRE k 50 LT LT; EXPIRE k -1 GT; EXPIRE k -1 LT; EXISTS k",
            "OK; 1; 0; 0; 1; 0",
        );
    }

    #[test]
    fn options_are_judged_before_the_number_and_the_number_before_the_key() {
        check(
            "EXPIRE k a FOO; EXPIRE k 1 NX XX FOO",
            "ERR Unsupported option FOO; ERR Unsupported option FOO",
        );
        for options in ["NX XX", "NX GT", "LT NX", "NX GT LT"] {
            check(
                &format!("EXPIRE k 1 {options}"),
                "ERR NX and XX, GT or LT options at the same time are not compatible",
            );
        }
        check(
            "EXPIRE k 1 GT LT; EXPIRE k 1 XX GT; EXPIRE k a",
            "ERR GT and LT options at the same time are not compatible; 0; ERR value is not an integer or out of range",
        );
    }

    #[test]
    fn times_beyond_64_bits_are_refused() {
        check(
            "EXPIRE k 9223372036854775807; EXPIRE k -9223372036854775808; PEXPIRE k 9223372036854775807; EXPIREAT k 9223372036854776",
            "ERR invalid expire time in 'expire' command; ERR invalid expire time in 'expire' command; ERR invalid expire time in 'pexpire' command; ERR invalid expire time in 'expireat' command",
        );
        check(
            "SET k v; PEXPIREAT k 9223372036854775807; EXPIREAT k 9223372036854775; PEXPIRE k -9223372036854775808",
            "OK; 1; 1; 1",
        );
    }

    #[test]
    fn ttl_tells_absence_eternity_and_rounded_time() {
        check("TTL k; PTTL k; EXPIRETIME k; PEXPIRETIME k", "-2; -2; -2; -2");
        check("SET k v; TTL k; PTTL k; EXPIRETIME k; PEXPIRETIME k", "OK; -1; -1; -1; -1");
        check(
            "SET k v PX 1499; TTL k; EXPIRETIME k; PEXPIRETIME k; PEXPIRE k 1500; TTL k",
            "OK; 1; 1700000001; 1700000001499; 1; 2",
        );
    }

    #[test]
    fn persist_takes_the_time_to_live_away_once() {
        check(
            "PERSIST k; SET k v EX 9; PERSIST k; PERSIST k; TTL k; @+9000; GET k",
            "0; OK; 1; 0; -1; v",
        );
    }
}
