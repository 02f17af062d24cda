//! Counting in fields.

use super::{FIELD, KEY};
use crate::spec::{Arg, ArgKind, Arity, Command, Flags, Group, KeySpec, Spec};
use crate::string::incr::NOT_FINITE;
use crate::{Args, Ctx, Failure};
use resp::long_double::LongDouble;
use store::{Field, Str};

/// Adds an integer to the value of a field, which counts as 0 where it is absent.
pub const HINCRBY: Command = Command::new(
    Spec {
        name: "HINCRBY",
        arity: Arity::exactly(4),
        keys: &[KeySpec::one(1, &["RW", "access", "update"])],
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
        group: Group::Hash,
        since: "2.0.0",
        complexity: "O(1)",
        summary: "Adds an integer to the value of a field, which counts as 0 where it is absent.",
        args: &[KEY, FIELD, Arg::integer("increment")],
        ..Spec::NEW
    },
    hincrby,
);

/// What the field holds is no integer.
const NOT_INTEGER: Failure = Failure::new("ERR hash value is not an integer");

fn hincrby(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let by = args.integer(3).ok_or(Failure::NOT_INTEGER)?;
    let (key, name, now) = (args.key(1), args.get(2), ctx.now);
    let sum = ctx.keyspace().edit_hash(&key, now, |hash| {
        let (old, deadline) = match hash.get(name) {
            None => (0, None),
            Some(Field { value: Str::Int(number), deadline, .. }) => (number, deadline),
            Some(Field { value: Str::Bytes(text), deadline, .. }) => {
                (resp::number::parse_i64(text).ok_or(NOT_INTEGER)?, deadline)
            }
        };
        let sum = old.checked_add(by).ok_or(Failure::OVERFLOW)?;
        hash.set(name, itoa::Buffer::new().format(sum).as_bytes(), deadline);
        Ok::<i64, Failure>(sum)
    })??;
    ctx.reply.integer(sum);
    Ok(())
}

/// Adds a float to the value of a field, which counts as 0 where it is absent.
pub const HINCRBYFLOAT: Command = Command::new(
    Spec {
        name: "HINCRBYFLOAT",
        arity: Arity::exactly(4),
        keys: &[KeySpec::one(1, &["RW", "access", "update"])],
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
        group: Group::Hash,
        since: "2.6.0",
        complexity: "O(1)",
        summary: "Adds a float to the value of a field, which counts as 0 where it is absent.",
        args: &[KEY, FIELD, Arg::new("increment", ArgKind::Double)],
        ..Spec::NEW
    },
    hincrbyfloat,
);

/// What the field holds is no float.
const NOT_FLOAT: Failure = Failure::new("ERR hash value is not a float");
/// The increment is no number to add.
const NOT_ADDABLE: Failure = Failure::new("ERR value is NaN or Infinity");

fn hincrbyfloat(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let by = LongDouble::parse(args.get(3)).ok_or(Failure::NOT_FLOAT)?;
    if !by.is_finite() {
        return Err(NOT_ADDABLE);
    }
    let (key, name, now) = (args.key(1), args.get(2), ctx.now);
    let text = ctx.keyspace().edit_hash(&key, now, |hash| {
        let (old, deadline) = match hash.get(name) {
            None => (LongDouble::ZERO, None),
            Some(Field { value, deadline, .. }) => {
                let old = LongDouble::parse(value.as_bytes(&mut itoa::Buffer::new()));
                (old.ok_or(NOT_FLOAT)?, deadline)
            }
        };
        let sum = old + by;
        if !sum.is_finite() {
            return Err(NOT_FINITE);
        }
        let mut text = Vec::new();
        sum.write(&mut text);
        hash.set(name, &text, deadline);
        Ok(text)
    })??;
    ctx.reply.bulk(&text);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::check::check;

    #[test]
    fn fields_count_from_zero_and_refuse_to_overflow() {
        check("HINCRBY h a 5; HINCRBY h a -7; HGET h a; OBJECT ENCODING h", "5; -2; -2; listpack");
        check(
            "HSET h a 9223372036854775807; HINCRBY h a 1; HGET h a; HINCRBY h a x",
            "1; ERR increment or decrement would overflow; 9223372036854775807; ERR value is not an integer or out of range",
        );
        check(
            "HINCRBY h a 9223372036854775808; EXISTS h",
            "ERR value is not an integer or out of range; 0",
        );
    }

    #[test]
    fn what_is_no_number_is_refused_and_stays() {
        check(
            "HSET h a x b \" 1\" c \"\" d 1; HINCRBY h a 1; HINCRBY h b 1; HINCRBY h c 1; HINCRBYFLOAT h a 1; HINCRBYFLOAT h b 1; HINCRBYFLOAT h c 1; HGET h a",
            "4; ERR hash value is not an integer; ERR hash value is not an integer; ERR hash value is not an integer; \
             ERR hash value is not a float; ERR hash value is not a float; ERR hash value is not a float; x",
        );
        check(
            "HINCRBYFLOAT h a x; HINCRBYFLOAT h a nan; HINCRBYFLOAT h a inf; EXISTS h",
            "ERR value is not a valid float; ERR value is not a valid float; ERR value is NaN or Infinity; 0",
        );
    }

    #[test]
    fn floats_add_as_long_doubles() {
        check(
            "HINCRBYFLOAT h a 0.1; HINCRBYFLOAT h a 0.2; HSET h b 9223372036854775807; HINCRBYFLOAT h b 1; HINCRBYFLOAT h c 5.0",
            "0.1; 0.3; 1; 9223372036854775808; 5",
        );
    }

    #[test]
    fn counting_makes_a_table_where_the_result_is_too_long() {
        check(
            "@set hash-max-listpack-value 3; HINCRBY h a 999; OBJECT ENCODING h; HINCRBY h a 1; OBJECT ENCODING h; HGET h a",
            "999; listpack; 1000; hashtable; 1000",
        );
    }
}
