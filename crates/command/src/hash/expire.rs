//! Times to live of fields.
//!
//! What came after Redis 7.2 has no oracle here: replies follow the reference pages of HEXPIRE and its siblings.

use super::KEY;
use super::listed::Listed;
use crate::spec::{Arg, Arity, Command, Flags, Group, KeySpec, Spec};
use crate::{Args, Ctx, Failure};
use base::Now;
use store::{HashEdit, Look};

/// The word before the fields in COMMAND DOCS, with them.
const FIELDS: Arg =
    Arg::block("fields", &[Arg::integer("numfields"), Arg::string("field").multiple()])
        .token("FIELDS");

/// The conditions in COMMAND DOCS.
const CONDITION: Arg = Arg::one_of(
    "condition",
    &[Arg::word("nx", "NX"), Arg::word("xx", "XX"), Arg::word("gt", "GT"), Arg::word("lt", "LT")],
)
.optional();

/// What HEXPIRE and its siblings have in common.
const SETS: Spec = Spec {
    arity: Arity::at_least(6),
    keys: &[KeySpec::one(1, &["RW", "update"])],
    flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST).and(Flags::NEWER),
    group: Group::Hash,
    since: "8.0.0",
    complexity: "O(N) where N is the number of specified fields.",
    ..Spec::NEW
};

/// What HTTL and its siblings have in common.
const TELLS: Spec = Spec {
    arity: Arity::at_least(5),
    keys: &[KeySpec::one(1, &["RO", "access"])],
    flags: Flags::READONLY.and(Flags::FAST).and(Flags::NEWER),
    group: Group::Hash,
    since: "8.0.0",
    complexity: "O(N) where N is the number of specified fields.",
    args: &[KEY, FIELDS],
    ..Spec::NEW
};

/// Sets the time to live of fields, in seconds.
pub const HEXPIRE: Command = Command::new(
    Spec {
        name: "HEXPIRE",
        summary: "Sets the time to live of fields of a hash, in seconds.",
        args: &[KEY, Arg::integer("seconds"), CONDITION, FIELDS],
        ..SETS
    },
    |ctx, args| expire(ctx, args, Clock { name: "hexpire", unit_ms: 1000, relative: true }),
);

/// Sets the time to live of fields, in milliseconds.
pub const HPEXPIRE: Command = Command::new(
    Spec {
        name: "HPEXPIRE",
        summary: "Sets the time to live of fields of a hash, in milliseconds.",
        args: &[KEY, Arg::integer("milliseconds"), CONDITION, FIELDS],
        ..SETS
    },
    |ctx, args| expire(ctx, args, Clock { name: "hpexpire", unit_ms: 1, relative: true }),
);

/// Sets the UNIX time in seconds at which fields expire.
pub const HEXPIREAT: Command = Command::new(
    Spec {
        name: "HEXPIREAT",
        summary: "Sets the UNIX time in seconds at which fields of a hash expire.",
        args: &[KEY, Arg::unix_time("unix-time-seconds"), CONDITION, FIELDS],
        ..SETS
    },
    |ctx, args| expire(ctx, args, Clock { name: "hexpireat", unit_ms: 1000, relative: false }),
);

/// Sets the UNIX time in milliseconds at which fields expire.
pub const HPEXPIREAT: Command = Command::new(
    Spec {
        name: "HPEXPIREAT",
        summary: "Sets the UNIX time in milliseconds at which fields of a hash expire.",
        args: &[KEY, Arg::unix_time("unix-time-milliseconds"), CONDITION, FIELDS],
        ..SETS
    },
    |ctx, args| expire(ctx, args, Clock { name: "hpexpireat", unit_ms: 1, relative: false }),
);

/// How a command spells times.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    /// The command, in lower case.
    pub(super) name: &'static str,
    /// Milliseconds of the unit.
    pub(super) unit_ms: i64,
    /// Counted from now on.
    pub(super) relative: bool,
}

/// The latest time at which a field may expire, in UNIX milliseconds.
const LATEST_MS: i64 = (1 << 46) - 1;

impl Clock {
    /// The UNIX time in milliseconds that a number stands for.
    pub(super) fn unix_ms(self, number: i64, now: Now) -> Result<i64, Failure> {
        if number < 0 {
            return Err(Failure::new("ERR invalid expire time, must be >= 0"));
        }
        let base = if self.relative { now.unix_ms() } else { 0 };
        let time = number.checked_mul(self.unit_ms).and_then(|time| time.checked_add(base));
        time.filter(|time| *time <= LATEST_MS).ok_or_else(|| Failure::invalid_expire(self.name))
    }
}

/// Under which condition a time to live is set.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    None,
    Nx,
    Xx,
    Gt,
    Lt,
}

impl Condition {
    fn parse(args: &Args<'_>, position: usize) -> Condition {
        let named = [
            ("NX", Condition::Nx),
            ("XX", Condition::Xx),
            ("GT", Condition::Gt),
            ("LT", Condition::Lt),
        ];
        named
            .iter()
            .find(|(word, _)| args.is(position, word))
            .map_or(Condition::None, |named| named.1)
    }

    /// Whether the deadline may take the place of another; a field without one lives for ever.
    fn allows(self, old: Option<i64>, new: i64) -> bool {
        match self {
            Condition::None => true,
            Condition::Nx => old.is_none(),
            Condition::Xx => old.is_some(),
            Condition::Gt => old.is_some_and(|old| new > old),
            Condition::Lt => old.is_none_or(|old| new < old),
        }
    }
}

/// There is no such field.
const NO_FIELD: i64 = -2;
/// The condition was not met.
const NOT_MET: i64 = 0;
/// The time to live was set.
const SET: i64 = 1;
/// The time is over already: the field was deleted.
const DELETED: i64 = 2;

fn expire(ctx: &mut Ctx<'_>, args: &Args<'_>, clock: Clock) -> Result<(), Failure> {
    let number = args.integer(2).ok_or(Failure::NOT_INTEGER)?;
    let condition = Condition::parse(args, 3);
    let fields = Listed::parse(args, if condition == Condition::None { 3 } else { 4 }, 1)?;
    let deadline = clock.unix_ms(number, ctx.now)?;
    let (key, now) = (args.key(1), ctx.now);
    let set = |hash: &mut HashEdit<'_, '_>, name: &[u8]| {
        let Some(old) = hash.get(name).map(|field| field.deadline) else { return NO_FIELD };
        if !condition.allows(old, deadline) {
            return NOT_MET;
        }
        if deadline <= now.unix_ms() {
            hash.remove(name);
            return DELETED;
        }
        hash.set_deadline(name, Some(deadline));
        SET
    };
    let codes: Vec<i64> = ctx.keyspace().edit_hash(&key, now, |hash| {
        fields.positions().map(|position| set(hash, args.get(position))).collect()
    })?;
    reply_codes(ctx, &codes);
    Ok(())
}

fn reply_codes(ctx: &mut Ctx<'_>, codes: &[i64]) {
    ctx.reply.array(codes.len());
    codes.iter().for_each(|code| ctx.reply.integer(*code));
}

/// Takes the time to live of fields away.
pub const HPERSIST: Command = Command::new(
    Spec {
        name: "HPERSIST",
        arity: Arity::at_least(5),
        flags: Flags::WRITE.and(Flags::FAST).and(Flags::NEWER),
        summary: "Takes the time to live of fields of a hash away.",
        args: &[KEY, FIELDS],
        ..SETS
    },
    hpersist,
);

/// The field has no time to live.
const FOR_EVER: i64 = -1;

fn hpersist(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let fields = Listed::parse(args, 2, 1)?;
    let (key, now) = (args.key(1), ctx.now);
    let persist = |hash: &mut HashEdit<'_, '_>, name: &[u8]| match hash.get(name) {
        None => NO_FIELD,
        Some(field) if field.deadline.is_none() => FOR_EVER,
        Some(_) => {
            hash.set_deadline(name, None);
            SET
        }
    };
    let codes: Vec<i64> = ctx.keyspace().edit_hash(&key, now, |hash| {
        fields.positions().map(|position| persist(hash, args.get(position))).collect()
    })?;
    reply_codes(ctx, &codes);
    Ok(())
}

/// Tells how long fields will live, in seconds.
pub const HTTL: Command = Command::new(
    Spec {
        name: "HTTL",
        summary: "Returns the remaining time to live of fields of a hash, in seconds.",
        ..TELLS
    },
    // Half a second is rounded up, as TTL does.
    |ctx, args| tell(ctx, args, |deadline, now| (deadline - now.unix_ms() + 500) / 1000),
);

/// Tells how long fields will live, in milliseconds.
pub const HPTTL: Command = Command::new(
    Spec {
        name: "HPTTL",
        summary: "Returns the remaining time to live of fields of a hash, in milliseconds.",
        ..TELLS
    },
    |ctx, args| tell(ctx, args, |deadline, now| deadline - now.unix_ms()),
);

/// Tells the UNIX time in seconds at which fields expire.
pub const HEXPIRETIME: Command = Command::new(
    Spec {
        name: "HEXPIRETIME",
        summary: "Returns the UNIX time in seconds at which fields of a hash expire.",
        ..TELLS
    },
    |ctx, args| tell(ctx, args, |deadline, _| deadline.div_euclid(1000)),
);

/// Tells the UNIX time in milliseconds at which fields expire.
pub const HPEXPIRETIME: Command = Command::new(
    Spec {
        name: "HPEXPIRETIME",
        summary: "Returns the UNIX time in milliseconds at which fields of a hash expire.",
        ..TELLS
    },
    |ctx, args| tell(ctx, args, |deadline, _| deadline),
);

fn tell(
    ctx: &mut Ctx<'_>,
    args: &Args<'_>,
    shown: impl Fn(i64, Now) -> i64,
) -> Result<(), Failure> {
    let fields = Listed::parse(args, 2, 1)?;
    let Ctx { store, reply, db, now, .. } = ctx;
    let hash = store.db(*db).hash(&args.key(1), Look::Read, *now)?;
    reply.array(fields.positions().len());
    for position in fields.positions() {
        reply.integer(match hash.and_then(|hash| hash.get(args.get(position))) {
            None => NO_FIELD,
            Some(field) => field.deadline.map_or(FOR_EVER, |deadline| shown(deadline, *now)),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::check::check;

    #[test]
    fn a_field_is_gone_after_its_time() {
        check(
            "HSET h a 1 b 2; HPEXPIRE h 100 FIELDS 2 a none; HPTTL h FIELDS 3 a b none; @+100; HGET h a; @+1; HGET h a; HGETALL h; HKEYS h; HEXISTS h a; HLEN h",
            "2; [1 -2]; [100 -1 -2]; 1; nil; [b 2]; [b]; 0; 2",
        );
        check(
            "HSET h a 1; HPEXPIRE h 5 FIELDS 1 a; @+6; HSET h a 2; HGET h a; HPTTL h FIELDS 1 a; HLEN h",
            "1; [1]; 1; 2; [-1]; 1",
        );
        check(
            "HTTL none FIELDS 2 a b; HPERSIST none FIELDS 1 a; HEXPIRE none 5 FIELDS 1 a; EXISTS none",
            "[-2 -2]; [-2]; [-2]; 0",
        );
    }

    #[test]
    fn all_spellings_of_a_time() {
        check(
            "HSET h a 1 b 2 c 3 d 4; HEXPIRE h 10 FIELDS 1 a; HPEXPIRE h 2500 FIELDS 1 b; HEXPIREAT h 1700000100 FIELDS 1 c; HPEXPIREAT h 1700000100500 FIELDS 1 d; HTTL h FIELDS 4 a b c d; HEXPIRETIME h FIELDS 2 a d; HPEXPIRETIME h FIELDS 2 a d; OBJECT ENCODING h",
            "4; [1]; [1]; [1]; [1]; [10 3 100 101]; [1700000010 1700000100]; [1700000010000 1700000100500]; listpackex",
        );
    }

    #[test]
    fn conditions_compare_with_the_deadline_there_is() {
        check(
            "HSET h a 1 b 1; HEXPIRE h 10 XX FIELDS 1 a; HEXPIRE h 10 NX FIELDS 1 a; HEXPIRE h 20 NX FIELDS 1 a; HEXPIRE h 5 GT FIELDS 2 a b; HEXPIRE h 20 GT FIELDS 1 a; HEXPIRE h 30 LT FIELDS 2 a b; HEXPIRE h 5 xx FIELDS 1 a; HTTL h FIELDS 2 a b",
            "2; [0]; [1]; [0]; [0 0]; [1]; [0 1]; [1]; [5 30]",
        );
    }

    #[test]
    fn a_time_in_the_past_deletes() {
        check(
            "HSET h a 1 b 2; HEXPIRE h 0 FIELDS 1 a; HLEN h; HPEXPIREAT h 1 FIELDS 1 b; EXISTS h",
            "2; [2]; 1; [2]; 0",
        );
    }

    #[test]
    fn a_time_to_live_is_taken_away_by_persist_and_by_set_and_kept_by_counting() {
        check(
            "HSET h a 1; HEXPIRE h 10 FIELDS 1 a; HINCRBY h a 1; HTTL h FIELDS 1 a; HPERSIST h FIELDS 1 a; HPERSIST h FIELDS 1 a; HEXPIRE h 10 FIELDS 1 a; HSET h a 5; HTTL h FIELDS 1 a",
            "1; [1]; 2; [10]; [1]; [-1]; [1]; 0; [-1]",
        );
        check(
            "@set hash-max-listpack-entries 1; HSET h a 1 b 2; HEXPIRE h 10 FIELDS 1 a; HINCRBYFLOAT h a 0.5; HTTL h FIELDS 2 a b; OBJECT ENCODING h",
            "2; [1]; 1.5; [10 -1]; hashtable",
        );
    }

    #[test]
    fn what_is_wrong_is_said_and_nothing_done() {
        check(
            "HSET h a 1; HEXPIRE h x FIELDS 1 a; HEXPIRE h -1 FIELDS 1 a; HEXPIRE h 9223372036854775807 FIELDS 1 a; HPEXPIREAT h 70368744177664 FIELDS 1 a; HEXPIRE h 1 FIELDS 0 a; HEXPIRE h 1 FIELDS x a; HEXPIRE h 1 FIELDS 2 a; HEXPIRE h 1 FIELDS 1 a b; HEXPIRE h 1 FOO 1 a; HTTL h FIELDS 1 a; HTTL h FOO 1 a",
            "1; ERR value is not an integer or out of range; ERR invalid expire time, must be >= 0; ERR invalid expire time in 'hexpire' command; ERR invalid expire time in 'hpexpireat' command; \
             ERR Parameter `numFields` should be greater than 0; ERR Parameter `numFields` should be greater than 0; ERR The `numfields` parameter must match the number of arguments; \
             ERR The `numfields` parameter must match the number of arguments; ERR Mandatory argument FIELDS is missing or not at the right position; [-1]; ERR Mandatory argument FIELDS is missing or not at the right position",
        );
        for command in [
            "HEXPIRE s 1 FIELDS 1 a",
            "HPERSIST s FIELDS 1 a",
            "HTTL s FIELDS 1 a",
            "HGETEX s FIELDS 1 a",
            "HSETEX s FIELDS 1 a b",
            "HGETDEL s FIELDS 1 a",
        ] {
            check(&format!("SET s v; {command}; GET s"), "OK; WRONGTYPE; v");
        }
    }
}
