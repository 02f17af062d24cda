//! INCREX: counting within bounds and with a time to live, in one step (Redis 8.8). What a rate limiter needs.
//!
//! The reply is the value after the increment and the increment that was applied. A result outside the
//! bounds (those given, else those of the type) changes nothing and answers the present value and 0;
//! with SATURATE it is moved to the bound that it passed.

use super::incr::NOT_FINITE;
use super::{CHANGE, KEY};
use crate::lifetime::{self, Also, Lifetime};
use crate::spec::{Arg, ArgKind, Arity, Command, Flags, Group, Spec};
use crate::{Args, Ctx, Failure};
use resp::long_double::LongDouble;
use resp::write::{Protocol, Writer};
use store::{Expiry, Look, Str, Value};

/// Increments within bounds and sets the time to live.
pub const INCREX: Command = Command::new(
    Spec {
        name: "INCREX",
        arity: Arity::at_least(2),
        keys: CHANGE,
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST).and(Flags::NEWER),
        group: Group::String,
        since: "8.8.0",
        summary: "Increments the numeric value of a key by a number and sets its expiration time. Uses 0 as initial value if the key doesn't exist.",
        args: &[
            KEY,
            Arg::one_of(
                "increment",
                &[
                    Arg::new("float", ArgKind::Double).token("BYFLOAT"),
                    Arg::integer("integer").token("BYINT"),
                ],
            )
            .optional(),
            Arg::word("saturate", "SATURATE").optional(),
            Arg::string("lowerbound").token("LBOUND").optional(),
            Arg::string("upperbound").token("UBOUND").optional(),
            Arg::one_of(
                "expiration",
                &[lifetime::EX, lifetime::PX, lifetime::EXAT, lifetime::PXAT, lifetime::PERSIST],
            )
            .optional(),
            Arg::word("enx", "ENX").optional(),
        ],
        ..Spec::NEW
    },
    increx,
);

/// The increment as a word of the request.
#[derive(Clone, Copy, Default)]
enum By<'a> {
    /// One.
    #[default]
    One,
    /// BYINT.
    Integer(&'a [u8]),
    /// BYFLOAT.
    Float(&'a [u8]),
}

/// The request as words; numbers are not judged yet.
#[derive(Default)]
struct Options<'a> {
    by: By<'a>,
    lower: Option<&'a [u8]>,
    upper: Option<&'a [u8]>,
    saturate: bool,
    lifetime: Lifetime,
    /// ENX: a time to live that is there stays.
    only_new: bool,
}

impl<'a> Options<'a> {
    fn parse(args: &Args<'a>) -> Result<Options<'a>, Failure> {
        let mut options = Options::default();
        let mut position = 2;
        while position < args.len() {
            position += options.take(args, position).ok_or(Failure::SYNTAX)?;
        }
        match (options.only_new, options.lifetime) {
            (true, Lifetime::Persist) => Err(Failure::SYNTAX),
            (true, Lifetime::Unsaid) => Err(Failure::new("ERR ENX flag requires an expiration")),
            _ => Ok(options),
        }
    }

    /// Takes the option at `position` and gives how many arguments it has.
    fn take(&mut self, args: &Args<'a>, position: usize) -> Option<usize> {
        const WORDS: [&str; 6] = ["SATURATE", "ENX", "BYINT", "BYFLOAT", "LBOUND", "UBOUND"];
        let Some(word) = WORDS.iter().position(|word| args.is(position, word)) else {
            return self.lifetime.take(args, position, Also::Persist);
        };
        match word {
            0 => self.saturate = true,
            1 => self.only_new = true,
            _ => {
                let operand = args.try_get(position + 1)?;
                match (word, self.by) {
                    (2, By::One | By::Integer(_)) => self.by = By::Integer(operand),
                    (3, By::One | By::Float(_)) => self.by = By::Float(operand),
                    (2 | 3, _) => return None,
                    (4, _) => self.lower = Some(operand),
                    _ => self.upper = Some(operand),
                }
                return Some(2);
            }
        }
        Some(1)
    }
}

/// The failure of bounds that leave no value between them.
const NO_ROOM: Failure = Failure::new("ERR LBOUND must be less than or equal to UBOUND");

fn increx(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let options = Options::parse(args)?;
    let mut expiry = options.lifetime.expiry(Expiry::Keep, "increx", args, ctx.now)?;
    let (key, now) = (args.key(1), ctx.now);
    if options.only_new && ctx.keyspace().expiry_as(&key, Look::Peek, now).flatten().is_some() {
        expiry = Expiry::Keep;
    }
    match options.by {
        By::One => by_integer(ctx, args, &options, 1, expiry),
        By::Integer(text) => by_integer(ctx, args, &options, integer(text)?, expiry),
        By::Float(text) => by_float(ctx, args, &options, float(text)?, expiry),
    }
}

fn integer(text: &[u8]) -> Result<i64, Failure> {
    resp::number::parse_i64(text).ok_or(Failure::NOT_INTEGER)
}

fn float(text: &[u8]) -> Result<LongDouble, Failure> {
    LongDouble::parse(text).ok_or(Failure::NOT_FLOAT)
}

fn by_integer(
    ctx: &mut Ctx<'_>,
    args: &Args<'_>,
    options: &Options<'_>,
    by: i64,
    expiry: Expiry,
) -> Result<(), Failure> {
    let lower = options.lower.map_or(Ok(i64::MIN), integer)?;
    let upper = options.upper.map_or(Ok(i64::MAX), integer)?;
    if lower > upper {
        return Err(NO_ROOM);
    }
    let (key, now) = (args.key(1), ctx.now);
    let mut keyspace = ctx.store.db(ctx.db);
    let old = match keyspace.string_as(&key, Look::Write, now)? {
        None => 0,
        Some(Str::Int(number)) => number,
        Some(Str::Bytes(bytes)) => integer(bytes)?,
    };
    // Saturating is enough: what leaves 64 bits is beyond every bound, or at the last one.
    let exact = i128::from(old) + i128::from(by);
    let within = exact.clamp(i128::from(lower), i128::from(upper)) as i64;
    let (value, applied) = if i128::from(within) == exact {
        (within, by)
    } else if options.saturate {
        (within, within.checked_sub(old).ok_or(Failure::OVERFLOW)?)
    } else {
        return reply_integers(ctx, old, 0);
    };
    keyspace.set_value(&key, Value::Int(value), expiry, now);
    reply_integers(ctx, value, applied)
}

fn reply_integers(ctx: &mut Ctx<'_>, value: i64, applied: i64) -> Result<(), Failure> {
    ctx.reply.array(2);
    ctx.reply.integer(value);
    ctx.reply.integer(applied);
    Ok(())
}

fn by_float(
    ctx: &mut Ctx<'_>,
    args: &Args<'_>,
    options: &Options<'_>,
    by: LongDouble,
    expiry: Expiry,
) -> Result<(), Failure> {
    let lower = options.lower.map_or_else(|| Ok(-LongDouble::largest()), float)?;
    let upper = options.upper.map_or_else(|| Ok(LongDouble::largest()), float)?;
    if lower > upper {
        return Err(NO_ROOM);
    }
    let (key, now) = (args.key(1), ctx.now);
    let mut keyspace = ctx.store.db(ctx.db);
    let old = match keyspace.string_as(&key, Look::Write, now)? {
        None => LongDouble::ZERO,
        Some(value) => float(value.as_bytes(&mut itoa::Buffer::new()))?,
    };
    if !by.is_finite() || !old.is_finite() {
        return Err(NOT_FINITE);
    }
    let exact = old + by;
    let (value, applied) = if exact >= lower && exact <= upper {
        (exact, by)
    } else if options.saturate {
        let bound = if exact < lower { lower } else { upper };
        (bound, bound - old)
    } else {
        return reply_floats(ctx, old, LongDouble::ZERO);
    };
    if !value.is_finite() || !applied.is_finite() {
        return Err(NOT_FINITE);
    }
    let mut text = Vec::new();
    value.write(&mut text);
    keyspace.set_value(&key, Value::Bytes(&text), expiry, now);
    reply_floats(ctx, value, applied)
}

fn reply_floats(ctx: &mut Ctx<'_>, value: LongDouble, applied: LongDouble) -> Result<(), Failure> {
    ctx.reply.array(2);
    reply_float(&mut ctx.reply, value);
    reply_float(&mut ctx.reply, applied);
    Ok(())
}

/// A long double in plain digits: RESP3 has a type for it, RESP2 gets a string.
fn reply_float(reply: &mut Writer<'_>, value: LongDouble) {
    let mut text = Vec::new();
    value.write(&mut text);
    match reply.protocol() {
        Protocol::Resp2 => reply.bulk(&text),
        Protocol::Resp3 => {
            reply.raw(b",");
            reply.raw(&text);
            reply.raw(b"\r\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::check::{check, check3};

    #[test]
    fn increx_counts_by_one_unless_told_otherwise() {
        check("INCREX k; INCREX k; INCREX k BYINT -5; GET k", "[1 1]; [2 1]; [-3 -5]; -3");
        check("SET k 1.5; INCREX k BYFLOAT 0.25; GET k", "OK; [1.75 0.25]; 1.75");
        check3("SET k 1.5; INCREX k BYFLOAT 0.25; INCREX n", "OK; [,1.75 ,0.25]; [1 1]");
    }

    #[test]
    fn beyond_a_bound_nothing_happens() {
        check(
            "SET k 99 EX 50; INCREX k BYINT 5 UBOUND 100 EX 9; GET k; TTL k",
            "OK; [99 0]; 99; 50",
        );
        check(
            "INCREX k BYINT -1 LBOUND 0; EXISTS k; INCREX k BYINT 5 LBOUND 5 UBOUND 5",
            "[0 0]; 0; [5 5]",
        );
        check(
            "SET k 9223372036854775807; INCREX k; GET k",
            "OK; [9223372036854775807 0]; 9223372036854775807",
        );
        check("SET k 1; INCREX k BYFLOAT 0.5 UBOUND 1.25; GET k", "OK; [1 0]; 1");
    }

    #[test]
    fn saturate_moves_to_the_bound() {
        check(
            "SET k 99; INCREX k BYINT 5 UBOUND 100 SATURATE; INCREX k UBOUND 100 SATURATE",
            "OK; [100 1]; [100 0]",
        );
        check("SET k 5; INCREX k BYINT 9223372036854775807 UBOUND 10 SATURATE", "OK; [10 5]");
        check(
            "SET k 5; INCREX k BYINT 9223372036854775807 SATURATE; GET k",
            "OK; [9223372036854775807 9223372036854775802]; 9223372036854775807",
        );
        check(
            "SET k 1; INCREX k BYFLOAT 5 UBOUND 2.5 SATURATE; INCREX k BYFLOAT -9 LBOUND -1 SATURATE; GET k",
            "OK; [2.5 1.5]; [-1 -3.5]; -1",
        );
        check(
            "SET k -5; INCREX k LBOUND 9223372036854775807 SATURATE; GET k",
            "OK; ERR increment or decrement would overflow; -5",
        );
    }

    #[test]
    fn the_time_to_live_is_kept_set_or_removed() {
        check(
            "SET k 1 EX 100; INCREX k; TTL k; INCREX k EX 10; TTL k; INCREX k PERSIST; TTL k",
            "OK; [2 1]; 100; [3 1]; 10; [4 1]; -1",
        );
        check(
            "INCREX k EX 60 ENX; TTL k; @+10000; INCREX k EX 60 ENX; TTL k; @+50001; INCREX k EX 60 ENX",
            "[1 1]; 60; [2 1]; 50; [1 1]",
        );
    }

    #[test]
    fn increx_refuses_what_makes_no_sense() {
        for options in
            ["FOO", "BYINT", "BYINT 1 BYFLOAT 1", "EX 1 PERSIST", "PERSIST ENX", "LBOUND", "NX"]
        {
            check(&format!("INCREX k {options}; EXISTS k"), "ERR syntax error; 0");
        }
        check(
            "INCREX k ENX; INCREX k BYINT a; INCREX k BYFLOAT a; INCREX k LBOUND 1.5; INCREX k LBOUND 2 UBOUND 1; INCREX k EX 0",
            "ERR ENX flag requires an expiration; ERR value is not an integer or out of range; ERR value is not a valid float; \
               ERR value is not an integer or out of range; ERR LBOUND must be less than or equal to UBOUND; ERR invalid expire time in 'increx' command",
        );
        check(
            "SET k 1.5; INCREX k; INCREX k BYFLOAT inf; SET k a; INCREX k BYFLOAT 1",
            "OK; ERR value is not an integer or out of range; ERR increment would produce NaN or Infinity; OK; ERR value is not a valid float",
        );
    }
}
