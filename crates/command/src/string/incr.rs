//! Counting: INCR and its kin on 64-bit integers, INCRBYFLOAT on long doubles.

use super::{CHANGE, KEY};
use crate::spec::{Arg, ArgKind, Arity, Command, Flags, Group, Spec};
use crate::{Args, Ctx, Failure};
use resp::long_double::LongDouble;
use store::{Expiry, IncrError, Look, Value};

/// What INCRBYFLOAT says when the result is no number.
pub(crate) const NOT_FINITE: Failure = Failure::new("ERR increment would produce NaN or Infinity");

const COUNT: Flags = Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST);

/// Adds one.
pub const INCR: Command = Command::new(
    Spec {
        name: "INCR",
        arity: Arity::exactly(2),
        keys: CHANGE,
        flags: COUNT,
        group: Group::String,
        summary: "Increments the integer value of a key by one. Uses 0 as initial value if the key doesn't exist.",
        args: &[KEY],
        ..Spec::NEW
    },
    |ctx, args| count(ctx, args, 1),
);

/// Subtracts one.
pub const DECR: Command = Command::new(
    Spec {
        name: "DECR",
        arity: Arity::exactly(2),
        keys: CHANGE,
        flags: COUNT,
        group: Group::String,
        summary: "Decrements the integer value of a key by one. Uses 0 as initial value if the key doesn't exist.",
        args: &[KEY],
        ..Spec::NEW
    },
    |ctx, args| count(ctx, args, -1),
);

/// Adds an integer.
pub const INCRBY: Command = Command::new(
    Spec {
        name: "INCRBY",
        arity: Arity::exactly(3),
        keys: CHANGE,
        flags: COUNT,
        group: Group::String,
        summary: "Increments the integer value of a key by a number. Uses 0 as initial value if the key doesn't exist.",
        args: &[KEY, Arg::integer("increment")],
        ..Spec::NEW
    },
    |ctx, args| count(ctx, args, args.integer(2).ok_or(Failure::NOT_INTEGER)?),
);

/// Subtracts an integer.
pub const DECRBY: Command = Command::new(
    Spec {
        name: "DECRBY",
        arity: Arity::exactly(3),
        keys: CHANGE,
        flags: COUNT,
        group: Group::String,
        summary: "Decrements a number from the integer value of a key. Uses 0 as initial value if the key doesn't exist.",
        args: &[KEY, Arg::integer("decrement")],
        ..Spec::NEW
    },
    decrby,
);

fn decrby(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let decrement = args.integer(2).ok_or(Failure::NOT_INTEGER)?;
    let by = decrement.checked_neg().ok_or(Failure::new("ERR decrement would overflow"))?;
    count(ctx, args, by)
}

fn count(ctx: &mut Ctx<'_>, args: &Args<'_>, by: i64) -> Result<(), Failure> {
    let sum = ctx.store.db(ctx.db).incr(&args.key(1), by, ctx.now)?;
    ctx.reply.integer(sum);
    Ok(())
}

impl From<IncrError> for Failure {
    fn from(error: IncrError) -> Failure {
        match error {
            IncrError::WrongType => Failure::WRONG_TYPE,
            IncrError::NotInteger => Failure::NOT_INTEGER,
            IncrError::Overflow => Failure::OVERFLOW,
        }
    }
}

/// Adds a float.
pub const INCRBYFLOAT: Command = Command::new(
    Spec {
        name: "INCRBYFLOAT",
        arity: Arity::exactly(3),
        keys: CHANGE,
        flags: COUNT,
        group: Group::String,
        since: "2.6.0",
        summary: "Increment the floating point value of a key by a number. Uses 0 as initial value if the key doesn't exist.",
        args: &[KEY, Arg::new("increment", ArgKind::Double)],
        ..Spec::NEW
    },
    incrbyfloat,
);

fn incrbyfloat(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let (key, now) = (args.key(1), ctx.now);
    let mut keyspace = ctx.store.db(ctx.db);
    let old = match keyspace.string_as(&key, Look::Write, now)? {
        Some(value) => LongDouble::parse(value.as_bytes(&mut itoa::Buffer::new())),
        None => Some(LongDouble::ZERO),
    };
    let old = old.ok_or(Failure::NOT_FLOAT)?;
    let sum = old + LongDouble::parse(args.get(2)).ok_or(Failure::NOT_FLOAT)?;
    if !sum.is_finite() {
        return Err(NOT_FINITE);
    }
    let mut text = Vec::new();
    sum.write(&mut text);
    // Stays text, also where it reads as an integer: so Redis reports it.
    keyspace.set_value(&key, Value::Bytes(&text), Expiry::Keep, now);
    ctx.reply.bulk(&text);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::check::check;

    #[test]
    fn an_absent_key_counts_from_zero() {
        check("INCR a; DECR b; INCRBY c 5; DECRBY d 5; INCRBYFLOAT e 0.5", "1; -1; 5; -5; 0.5");
    }

    #[test]
    fn counting_keeps_the_time_to_live() {
        check("SET k 1 EX 100; INCR k; INCRBYFLOAT k 1; TTL k", "OK; 2; 3; 100");
    }

    #[test]
    fn overflow_is_refused_and_changes_nothing() {
        check(
            "SET k 9223372036854775807; INCR k; INCRBY k 1; DECRBY k -1; GET k",
            "OK; ERR increment or decrement would overflow; ERR increment or decrement would overflow; \
             ERR increment or decrement would overflow; 9223372036854775807",
        );
        check(
            "SET k -9223372036854775808; DECR k; DECRBY k -9223372036854775808; INCRBY k 9223372036854775807",
            "OK; ERR increment or decrement would overflow; ERR decrement would overflow; -1",
        );
    }

    #[test]
    fn only_canonical_integers_count() {
        for value in ["abc", "\"\"", "01", "+1", "1.0", "\" 1\"", "-0", "9223372036854775808"] {
            check(
                &format!("SET k {value}; INCR k"),
                "OK; ERR value is not an integer or out of range",
            );
            check(
                &format!("INCRBY k {value}; EXISTS k"),
                "ERR value is not an integer or out of range; 0",
            );
        }
    }

    #[test]
    fn a_string_that_reads_as_an_integer_counts_and_becomes_one() {
        check(
            "APPEND k 1; APPEND k 0; OBJECT ENCODING k; INCR k; OBJECT ENCODING k",
            "1; 2; raw; 11; int",
        );
    }

    #[test]
    fn floats_add_as_long_doubles() {
        check("SET k 0.1; INCRBYFLOAT k 0.2; INCRBYFLOAT k -0.3", "OK; 0.3; 0");
        check(
            "SET k 10.50; INCRBYFLOAT k 0.1; SET k 5.0e3; INCRBYFLOAT k 2.0e2",
            "OK; 10.6; OK; 5200",
        );
        check("INCRBYFLOAT k 1e30", "1000000000000000000024696061952");
        check(
            "SET k 3; INCRBYFLOAT k 1; OBJECT ENCODING k; INCR k; OBJECT ENCODING k",
            "OK; 4; embstr; 5; int",
        );
    }

    #[test]
    fn what_is_no_float_or_makes_none_is_refused() {
        for value in ["abc", "\"\"", "\" 1\"", "\"1 \"", "nan", "1e5000"] {
            check(&format!("INCRBYFLOAT k {value}; EXISTS k"), "ERR value is not a valid float; 0");
            check(&format!("SET k {value}; INCRBYFLOAT k 1"), "OK; ERR value is not a valid float");
        }
        check(
            "INCRBYFLOAT k inf; SET k inf; INCRBYFLOAT k -inf; SET k 1e4932; INCRBYFLOAT k 1e4932",
            "ERR increment would produce NaN or Infinity; OK; ERR increment would produce NaN or Infinity; OK; ERR increment would produce NaN or Infinity",
        );
    }
}
