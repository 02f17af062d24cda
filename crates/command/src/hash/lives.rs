//! Reading and writing fields together with their times to live: HGETEX, HSETEX, HGETDEL.

use super::KEY;
use super::expire::Clock;
use super::listed::Listed;
use crate::lifetime;
use crate::spec::{Arg, Arity, Command, Flags, Group, KeySpec, Spec};
use crate::string::reply_text;
use crate::{Args, Ctx, Failure};
use base::Now;

/// What is said of a field's time to live.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Life {
    /// Nothing.
    Unsaid,
    /// KEEPTTL.
    Keep,
    /// PERSIST.
    Persist,
    /// It ends at this time.
    Until(i64),
}

/// Reads options up to the word FIELDS; gives its position. `also` is a word of the command's own that stands
/// for keeping or taking away.
fn parse(
    args: &Args<'_>,
    name: &'static str,
    also: (&str, Life),
    conditions: &[&str],
    now: Now,
) -> Result<(Life, Option<usize>, usize), Failure> {
    let (mut life, mut condition, mut position) = (Life::Unsaid, None, 2);
    while position < args.len() && !args.is(position, "FIELDS") {
        if let Some(index) = conditions.iter().position(|word| args.is(position, word)) {
            if condition.replace(index).is_some() {
                return Err(Failure::SYNTAX);
            }
            position += 1;
            continue;
        }
        if life != Life::Unsaid {
            return Err(Failure::SYNTAX);
        }
        if args.is(position, also.0) {
            (life, position) = (also.1, position + 1);
            continue;
        }
        let units =
            [("EX", 1000, true), ("PX", 1, true), ("EXAT", 1000, false), ("PXAT", 1, false)];
        let unit = units.iter().find(|(word, ..)| args.is(position, word));
        let (_, unit_ms, relative) = *unit.ok_or(Failure::SYNTAX)?;
        if position + 1 >= args.len() {
            return Err(Failure::SYNTAX);
        }
        let number = args.integer(position + 1).ok_or(Failure::NOT_INTEGER)?;
        life = Life::Until(Clock { name, unit_ms, relative }.unix_ms(number, now)?);
        position += 2;
    }
    Ok((life, condition, position))
}

/// What the three have in common.
const NEWER: Spec = Spec {
    arity: Arity::at_least(5),
    keys: &[KeySpec::one(1, &["RW", "access", "update"])],
    flags: Flags::WRITE.and(Flags::FAST).and(Flags::NEWER),
    group: Group::Hash,
    since: "8.0.0",
    complexity: "O(N) where N is the number of specified fields.",
    ..Spec::NEW
};

const FIELDS: Arg =
    Arg::block("fields", &[Arg::integer("numfields"), Arg::string("field").multiple()])
        .token("FIELDS");

/// Returns the values of fields and sets or takes away their time to live.
pub const HGETEX: Command = Command::new(
    Spec {
        name: "HGETEX",
        summary: "Returns the values of fields of a hash after setting their time to live.",
        args: &[
            KEY,
            Arg::one_of(
                "expiration",
                &[lifetime::EX, lifetime::PX, lifetime::EXAT, lifetime::PXAT, lifetime::PERSIST],
            )
            .optional(),
            FIELDS,
        ],
        ..NEWER
    },
    hgetex,
);

fn hgetex(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let now = ctx.now;
    let (life, _, position) = parse(args, "hgetex", ("PERSIST", Life::Persist), &[], now)?;
    let fields = Listed::parse(args, position, 1)?;
    let Ctx { store, reply, db, .. } = ctx;
    store.db(*db).edit_hash(&args.key(1), now, |hash| {
        reply.array(fields.positions().len());
        for position in fields.positions() {
            let name = args.get(position);
            let Some(field) = hash.get(name) else {
                reply.null();
                continue;
            };
            reply_text(reply, field.value);
            match life {
                Life::Unsaid | Life::Keep => {}
                Life::Persist => _ = hash.set_deadline(name, None),
                Life::Until(time) if time <= now.unix_ms() => _ = hash.remove(name),
                Life::Until(time) => _ = hash.set_deadline(name, Some(time)),
            }
        }
    })?;
    Ok(())
}

/// Sets fields with a time to live.
pub const HSETEX: Command = Command::new(
    Spec {
        name: "HSETEX",
        arity: Arity::at_least(6),
        keys: &[KeySpec::one(1, &["RW", "update"])],
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST).and(Flags::NEWER),
        summary: "Sets fields of a hash with a time to live, under a condition on all of them.",
        args: &[
            KEY,
            Arg::one_of("condition", &[Arg::word("fnx", "FNX"), Arg::word("fxx", "FXX")])
                .optional(),
            Arg::one_of(
                "expiration",
                &[lifetime::EX, lifetime::PX, lifetime::EXAT, lifetime::PXAT, lifetime::KEEPTTL],
            )
            .optional(),
            Arg::block(
                "fields",
                &[
                    Arg::integer("numfields"),
                    Arg::block("data", &[Arg::string("field"), Arg::string("value")]).multiple(),
                ],
            )
            .token("FIELDS"),
        ],
        ..NEWER
    },
    hsetex,
);

fn hsetex(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let now = ctx.now;
    let also = ("KEEPTTL", Life::Keep);
    let (life, condition, position) = parse(args, "hsetex", also, &["FNX", "FXX"], now)?;
    let fields = Listed::parse(args, position, 2)?;
    let set = ctx.keyspace().edit_hash(&args.key(1), now, |hash| {
        let mut there = fields.positions().map(|at| hash.get(args.get(at)).is_some());
        let met = match condition {
            Some(0) => !there.any(|there| there),
            Some(_) => there.all(|there| there),
            None => true,
        };
        drop(there);
        if !met {
            return false;
        }
        for at in fields.positions() {
            let (name, value) = (args.get(at), args.get(at + 1));
            let deadline = match life {
                Life::Until(time) => Some(time),
                Life::Keep => hash.get(name).and_then(|field| field.deadline),
                Life::Unsaid | Life::Persist => None,
            };
            hash.set(name, value, deadline);
            if deadline.is_some_and(|time| time <= now.unix_ms()) {
                hash.remove(name);
            }
        }
        true
    })?;
    ctx.reply.integer(i64::from(set));
    Ok(())
}

/// Returns the values of fields and removes them.
pub const HGETDEL: Command = Command::new(
    Spec {
        name: "HGETDEL",
        keys: &[KeySpec::one(1, &["RW", "access", "delete"])],
        summary: "Returns the values of fields of a hash after removing them.",
        args: &[KEY, FIELDS],
        ..NEWER
    },
    hgetdel,
);

fn hgetdel(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let fields = Listed::parse(args, 2, 1)?;
    let Ctx { store, reply, db, now, .. } = ctx;
    store.db(*db).edit_hash(&args.key(1), *now, |hash| {
        reply.array(fields.positions().len());
        for position in fields.positions() {
            match hash.get(args.get(position)) {
                Some(field) => reply_text(reply, field.value),
                None => reply.null(),
            }
            hash.remove(args.get(position));
        }
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::check::check;

    #[test]
    fn hgetex_reads_and_sets_the_time_to_live() {
        check(
            "HSET h a 1 b 2; HGETEX h EX 10 FIELDS 2 a none; HTTL h FIELDS 2 a b; HGETEX h PERSIST FIELDS 1 a; HTTL h FIELDS 1 a; HGETEX h FIELDS 1 b; HGETEX none FIELDS 2 a b; EXISTS none",
            "2; [1 nil]; [10 -1]; [1]; [-1]; [2]; [nil nil]; 0",
        );
        check("HSET h a 1; HGETEX h PXAT 1 FIELDS 1 a; EXISTS h", "1; [1]; 0");
        check(
            "HGETEX h EX 1 PX 1 FIELDS 1 a; HGETEX h KEEPTTL FIELDS 1 a; HGETEX h EX FIELDS 1 a; HGETEX h EX 0 FOO 1 a",
            "ERR syntax error; ERR syntax error; ERR value is not an integer or out of range; ERR syntax error",
        );
    }

    #[test]
    fn hsetex_sets_all_or_nothing() {
        check(
            "HSETEX h EX 10 FIELDS 2 a 1 b 2; HTTL h FIELDS 2 a b; HSETEX h FNX FIELDS 2 b 9 c 9; HGET h c; HSETEX h FXX KEEPTTL FIELDS 1 a 5; HGET h a; HTTL h FIELDS 1 a; HSETEX h FXX FIELDS 2 a 1 z 1; HSETEX h FIELDS 1 a 6; HTTL h FIELDS 1 a",
            "1; [10 10]; 0; nil; 1; 5; [10]; 0; 1; [-1]",
        );
        check(
            "HSETEX h FNX FXX FIELDS 1 a 1; HSETEX h FIELDS 1 a; HSETEX h FIELDS 2 a 1; EXISTS h",
            "ERR syntax error; ERR wrong number of arguments for 'hsetex' command; ERR The `numfields` parameter must match the number of arguments; 0",
        );
        check("HSETEX h PXAT 1 FIELDS 1 a 1; EXISTS h", "1; 0");
    }

    #[test]
    fn hgetdel_returns_then_forgets() {
        check(
            "HSET h a 1 b 2; HGETDEL h FIELDS 3 a none a; HGETALL h; HGETDEL h FIELDS 1 b; EXISTS h; HGETDEL h FIELDS 1 b",
            "2; [1 nil nil]; [b 2]; [2]; 0; [nil]",
        );
    }
}
