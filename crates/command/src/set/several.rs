//! Several sets: intersection, union, difference.

use super::{DESTINATION, KEYS, SOURCES};
use crate::hyperloglog::estimated_count;
use crate::spec::{Arg, Arity, Command, Fanout, Flags, Group, KeySpec, Spec};
use crate::string::reply_text;
use crate::{Args, Ctx, Failure};
use base::Now;
use resp::write::Writer;
use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;
use store::{Look, Made, Set, SetEdit, Store, Str};

/// Returns the members that all sets have.
pub const SINTER: Command = Command::new(
    Spec {
        name: "SINTER",
        arity: Arity::at_least(2),
        keys: &[KeySpec::range(1, -1, 1, &["RO", "access"])],
        flags: Flags::READONLY,
        fanout: Fanout::Loan,
        group: Group::Set,
        since: "1.0.0",
        complexity: "O(N*M) worst case where N is the cardinality of the smallest set and M is the number of sets.",
        summary: "Returns the members that all sets have.",
        args: &[KEYS],
        tips: &["nondeterministic_output_order"],
        ..Spec::NEW
    },
    sinter,
);

fn sinter(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let keys = look_up(ctx, args, 1..args.len())?;
    let (store, now, db) = (&*ctx.store, ctx.now, ctx.db);
    let Some(sets) = all_of(&views(store, db, args, &keys, now)?) else {
        ctx.reply.set(0);
        return Ok(());
    };
    let open = ctx.reply.deferred_set();
    let shown = common(&sets).map(|member| reply_text(&mut ctx.reply, member)).count();
    ctx.reply.close(open, shown);
    Ok(())
}

/// Looks up the keys at these positions: each must be a set or absent. Every key is looked at, whatever the others
/// are.
fn look_up(
    ctx: &mut Ctx<'_>,
    args: &Args<'_>,
    keys: Range<usize>,
) -> Result<Range<usize>, Failure> {
    for position in keys.clone() {
        ctx.store.db(ctx.db).set_at(&args.key(position), Look::Read, ctx.now)?;
    }
    Ok(keys)
}

/// The sets of keys that were looked up; `None` for an absent one.
fn views<'a>(
    store: &'a Store,
    db: u8,
    args: &Args<'_>,
    keys: &Range<usize>,
    now: Now,
) -> Result<Vec<Option<Set<'a>>>, Failure> {
    let view = |position| Ok(store.see_set(db, &args.key(position), now)?);
    keys.clone().map(view).collect()
}

/// All sets, the smallest first; `None` where one is absent.
fn all_of<'a>(sets: &[Option<Set<'a>>]) -> Option<Vec<Set<'a>>> {
    let mut sets: Vec<Set<'a>> = sets.iter().copied().collect::<Option<_>>()?;
    sets.sort_by_key(Set::len);
    Some(sets)
}

/// The members of the first set that all others have. O(members of the first × sets).
fn common<'a>(sets: &[Set<'a>]) -> impl Iterator<Item = Str<'a>> {
    let (first, others) = sets.split_first().expect("there is at least one key");
    first.iter().filter(|member| others.iter().all(|set| set.contains_str(*member)))
}

/// Adds a member of another set.
fn add(set: &mut SetEdit<'_, '_>, member: Str<'_>) {
    set.add(member.as_bytes(&mut itoa::Buffer::new()));
}

/// Puts a set under the key in argument 1 and replies with its size.
fn put(ctx: &mut Ctx<'_>, args: &Args<'_>, made: Made, size: usize) {
    let (key, now) = (args.key(1), ctx.now);
    ctx.keyspace().put_made(&key, made, now);
    ctx.reply.integer(size as i64);
}

/// Stores the members that all sets have.
pub const SINTERSTORE: Command = Command::new(
    Spec {
        name: "SINTERSTORE",
        arity: Arity::at_least(3),
        keys: &[KeySpec::one(1, &["RW", "update"]), KeySpec::range(2, -1, 1, &["RO", "access"])],
        flags: Flags::WRITE.and(Flags::DENYOOM),
        fanout: Fanout::Loan,
        group: Group::Set,
        since: "1.0.0",
        complexity: "O(N*M) worst case where N is the cardinality of the smallest set and M is the number of sets.",
        summary: "Stores the members that all sets have.",
        args: &[DESTINATION, SOURCES],
        ..Spec::NEW
    },
    sinterstore,
);

fn sinterstore(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let keys = look_up(ctx, args, 2..args.len())?;
    let (store, now, db) = (&*ctx.store, ctx.now, ctx.db);
    let sets = all_of(&views(store, db, args, &keys, now)?);
    let mut size = 0;
    let made = store.make_set(now, |made| {
        if let Some(sets) = &sets {
            common(sets).for_each(|member| add(made, member));
        }
        size = made.len();
    });
    put(ctx, args, made, size);
    Ok(())
}

/// Counts the members that all sets have.
pub const SINTERCARD: Command = Command::new(
    Spec {
        name: "SINTERCARD",
        complexity: "O(N*M) worst case where N is the cardinality of the smallest set and M is the number of sets.",
        summary: "Counts the members that all sets have.",
        ..COUNTING
    },
    sintercard,
);

/// What the commands that count have in common.
const COUNTING: Spec = Spec {
    arity: Arity::at_least(3),
    keys: &[KeySpec::counted(1, &["RO", "access"])],
    flags: Flags::READONLY.and(Flags::MOVABLEKEYS),
    fanout: Fanout::Loan,
    group: Group::Set,
    since: "7.0.0",
    args: &[NUMKEYS, Arg::key("key", 0).multiple(), LIMIT],
    ..Spec::NEW
};

/// The number of keys in COMMAND DOCS.
const NUMKEYS: Arg = Arg::integer("numkeys");
/// Where counting may end, in COMMAND DOCS.
const LIMIT: Arg = Arg::integer("limit").token("LIMIT").optional();

fn sintercard(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let counting = Counting::parse(args, false)?;
    let keys = look_up(ctx, args, counting.keys)?;
    let (store, now, db) = (&*ctx.store, ctx.now, ctx.db);
    let count = all_of(&views(store, db, args, &keys, now)?)
        .map_or(0, |sets| common(&sets).take(counting.most).count());
    ctx.reply.integer(count as i64);
    Ok(())
}

/// What SINTERCARD, SUNIONCARD and SDIFFCARD are told.
struct Counting {
    /// Where the keys are.
    keys: Range<usize>,
    /// Counting ends here.
    most: usize,
    /// An estimate is good enough.
    approximate: bool,
}

impl Counting {
    fn parse(args: &Args<'_>, may_estimate: bool) -> Result<Counting, Failure> {
        let keys = counted_keys(args)?;
        let (mut limit, mut approximate, mut position) = (0, false, keys.end);
        while position < args.len() {
            if may_estimate && args.is(position, "APPROX") {
                approximate = true;
                position += 1;
                continue;
            }
            if !args.is(position, "LIMIT") || position + 1 >= args.len() {
                return Err(Failure::SYNTAX);
            }
            let number = args.integer(position + 1).and_then(|n| usize::try_from(n).ok());
            limit = number.ok_or(Failure::new("ERR LIMIT can't be negative"))?;
            position += 2;
        }
        Ok(Counting { keys, most: if limit == 0 { usize::MAX } else { limit }, approximate })
    }
}

/// The positions of as many keys as argument 1 says.
fn counted_keys(args: &Args<'_>) -> Result<Range<usize>, Failure> {
    let count = args.integer(1).and_then(|count| usize::try_from(count).ok());
    let count = count.filter(|count| *count > 0).ok_or(Failure::NO_KEYS)?;
    if count > args.len() - 2 {
        return Err(Failure::new("ERR Number of keys can't be greater than number of args"));
    }
    Ok(2..2 + count)
}

/// Returns the members that any of the sets has.
pub const SUNION: Command = Command::new(
    Spec {
        name: "SUNION",
        arity: Arity::at_least(2),
        keys: &[KeySpec::range(1, -1, 1, &["RO", "access"])],
        flags: Flags::READONLY,
        fanout: Fanout::Loan,
        group: Group::Set,
        since: "1.0.0",
        complexity: "O(N) where N is the total number of elements in all given sets.",
        summary: "Returns the members that any of the sets has.",
        args: &[KEYS],
        tips: &["nondeterministic_output_order"],
        ..Spec::NEW
    },
    sunion,
);

fn sunion(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let keys = look_up(ctx, args, 1..args.len())?;
    let (store, now, db) = (&*ctx.store, ctx.now, ctx.db);
    let sets = views(store, db, args, &keys, now)?;
    let reply = &mut ctx.reply;
    store.make_set(now, |made| {
        unite(made, &sets);
        reply_set(reply, made.view());
    });
    Ok(())
}

/// Adds the members of all sets.
fn unite(made: &mut SetEdit<'_, '_>, sets: &[Option<Set<'_>>]) {
    sets.iter().flatten().flat_map(Set::iter).for_each(|member| add(made, member));
}

fn reply_set(reply: &mut Writer<'_>, set: Option<Set<'_>>) {
    reply.set(set.map_or(0, |set| set.len()));
    if let Some(set) = set {
        set.iter().for_each(|member| reply_text(reply, member));
    }
}

/// Counts the members that any of the sets has.
pub const SUNIONCARD: Command = Command::new(
    Spec {
        name: "SUNIONCARD",
        flags: COUNTING.flags.and(Flags::NEWER),
        since: "8.10.0",
        complexity: "O(N) where N is the total number of elements in all given sets.",
        summary: "Counts the members that any of the sets has.",
        args: &[
            NUMKEYS,
            Arg::key("key", 0).multiple(),
            Arg::word("approx", "APPROX").optional(),
            LIMIT,
        ],
        ..COUNTING
    },
    sunioncard,
);

fn sunioncard(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let Counting { keys, most, approximate } = Counting::parse(args, true)?;
    let keys = look_up(ctx, args, keys)?;
    let (store, now, db) = (&*ctx.store, ctx.now, ctx.db);
    let sets = views(store, db, args, &keys, now)?;
    let members = || sets.iter().flatten().flat_map(Set::iter);
    let count = if sets.iter().flatten().count() < 2 {
        sets.iter().flatten().map(Set::len).sum()
    } else if approximate {
        estimated_count(members()) as usize
    } else {
        let mut seen = HashSet::new();
        for member in members() {
            if seen.len() >= most {
                break;
            }
            seen.insert(match member {
                Str::Bytes(bytes) => Cow::Borrowed(bytes),
                Str::Int(_) => Cow::Owned(member.to_vec()),
            });
        }
        seen.len()
    };
    ctx.reply.integer(count.min(most) as i64);
    Ok(())
}

/// Stores the members that any of the sets has.
pub const SUNIONSTORE: Command = Command::new(
    Spec {
        name: "SUNIONSTORE",
        arity: Arity::at_least(3),
        keys: &[KeySpec::one(1, &["OW", "update"]), KeySpec::range(2, -1, 1, &["RO", "access"])],
        flags: Flags::WRITE.and(Flags::DENYOOM),
        fanout: Fanout::Loan,
        group: Group::Set,
        since: "1.0.0",
        complexity: "O(N) where N is the total number of elements in all given sets.",
        summary: "Stores the members that any of the sets has.",
        args: &[DESTINATION, SOURCES],
        ..Spec::NEW
    },
    sunionstore,
);

fn sunionstore(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let keys = look_up(ctx, args, 2..args.len())?;
    let (store, now, db) = (&*ctx.store, ctx.now, ctx.db);
    let sets = views(store, db, args, &keys, now)?;
    let mut size = 0;
    let made = store.make_set(now, |made| {
        unite(made, &sets);
        size = made.len();
    });
    put(ctx, args, made, size);
    Ok(())
}

/// Returns the members of a set that are in none of the others.
pub const SDIFF: Command = Command::new(
    Spec {
        name: "SDIFF",
        arity: Arity::at_least(2),
        keys: &[KeySpec::range(1, -1, 1, &["RO", "access"])],
        flags: Flags::READONLY,
        fanout: Fanout::Loan,
        group: Group::Set,
        since: "1.0.0",
        complexity: "O(N) where N is the total number of elements in all given sets.",
        summary: "Returns the members of a set that are in none of the others.",
        args: &[KEYS],
        tips: &["nondeterministic_output_order"],
        ..Spec::NEW
    },
    sdiff,
);

fn sdiff(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let keys = look_up(ctx, args, 1..args.len())?;
    let (store, now, db) = (&*ctx.store, ctx.now, ctx.db);
    let sets = views(store, db, args, &keys, now)?;
    let open = ctx.reply.deferred_set();
    let shown = rest(&sets).map(|member| reply_text(&mut ctx.reply, member)).count();
    ctx.reply.close(open, shown);
    Ok(())
}

/// The members of the first set that no other has. O(members of the first × sets).
fn rest<'a>(sets: &[Option<Set<'a>>]) -> impl Iterator<Item = Str<'a>> {
    let (first, others) = sets.split_first().expect("there is at least one key");
    let taken = |member: &Str<'a>| others.iter().flatten().any(|set| set.contains_str(*member));
    first.iter().flat_map(Set::iter).filter(move |member| !taken(member))
}

/// Counts the members of a set that are in none of the others.
pub const SDIFFCARD: Command = Command::new(
    Spec {
        name: "SDIFFCARD",
        flags: COUNTING.flags.and(Flags::NEWER),
        since: "8.10.0",
        complexity: "O(N) where N is the total number of elements in all given sets.",
        summary: "Counts the members of a set that are in none of the others.",
        ..COUNTING
    },
    sdiffcard,
);

fn sdiffcard(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let counting = Counting::parse(args, false)?;
    let keys = look_up(ctx, args, counting.keys)?;
    let (store, now, db) = (&*ctx.store, ctx.now, ctx.db);
    let sets = views(store, db, args, &keys, now)?;
    let count = match sets.split_first() {
        Some((first, others)) if others.iter().all(Option::is_none) => {
            first.map_or(0, |set| set.len())
        }
        _ => rest(&sets).take(counting.most).count(),
    };
    ctx.reply.integer(count.min(counting.most) as i64);
    Ok(())
}

/// Stores the members of a set that are in none of the others.
pub const SDIFFSTORE: Command = Command::new(
    Spec {
        name: "SDIFFSTORE",
        arity: Arity::at_least(3),
        keys: &[KeySpec::one(1, &["OW", "update"]), KeySpec::range(2, -1, 1, &["RO", "access"])],
        flags: Flags::WRITE.and(Flags::DENYOOM),
        fanout: Fanout::Loan,
        group: Group::Set,
        since: "1.0.0",
        complexity: "O(N) where N is the total number of elements in all given sets.",
        summary: "Stores the members of a set that are in none of the others.",
        args: &[DESTINATION, SOURCES],
        ..Spec::NEW
    },
    sdiffstore,
);

fn sdiffstore(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let keys = look_up(ctx, args, 2..args.len())?;
    let (store, now, db) = (&*ctx.store, ctx.now, ctx.db);
    let sets = views(store, db, args, &keys, now)?;
    let mut size = 0;
    let made = store.make_set(now, |made| {
        rest(&sets).for_each(|member| add(made, member));
        size = made.len();
    });
    put(ctx, args, made, size);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::check::{check, check3};

    #[test]
    fn members_that_all_have() {
        check(
            "SADD a 1 2 3; SADD b 2 3 x; SADD c 3 y; SINTER a b; SINTER a b c; SINTER a none; SINTER a",
            "3; 3; 2; [2 3]; [3]; []; [1 2 3]",
        );
        check(
            "SADD a 1 2; SADD b 2; SINTERSTORE d a b; SMEMBERS d; SINTERSTORE d a none; EXISTS d; SINTERSTORE a a b; SMEMBERS a",
            "2; 1; 1; [2]; 0; 0; 1; [2]",
        );
        check(
            "SADD a 1 2 3; SADD b 1 2 3; SINTERCARD 2 a b; SINTERCARD 2 a b LIMIT 2; SINTERCARD 2 a b LIMIT 0; SINTERCARD 2 a none",
            "3; 3; 3; 2; 3; 0",
        );
        check3("SADD a 1; SINTER a a; SINTER a none", "1; ~{1}; ~{}");
    }

    #[test]
    fn members_that_any_has() {
        check(
            "SADD a 1 2; SADD b 2 3; SUNION a b none; SUNION none; SUNIONSTORE a a b; SMEMBERS a; SUNIONSTORE a none; EXISTS a",
            "2; 2; [1 2 3]; []; 3; [1 2 3]; 0; 0",
        );
    }

    #[test]
    fn members_that_the_others_have_not() {
        check(
            "SADD a 1 2 3; SADD b 2; SADD c 3; SDIFF a b; SDIFF a b c none; SDIFF none a; SDIFFSTORE d a b; SMEMBERS d; SDIFFSTORE d a a; EXISTS d",
            "3; 1; 1; [1 3]; [1]; []; 2; [1 3]; 0; 0",
        );
    }

    #[test]
    fn a_result_replaces_whatever_was_there_and_its_time_to_live() {
        check("SADD a 1; SET d v EX 100; SUNIONSTORE d a; TYPE d; TTL d", "1; OK; 1; set; -1");
        check("SET d v; SINTERSTORE d none; EXISTS d", "OK; 0; 0");
    }

    #[test]
    fn every_key_must_be_a_set_also_where_the_result_is_empty() {
        for command in [
            "SINTER none s",
            "SUNION a s",
            "SDIFF none s",
            "SINTERSTORE d none s",
            "SUNIONSTORE d s",
            "SDIFFSTORE d a s",
            "SINTERCARD 2 none s",
        ] {
            check(
                &format!("SET s v; SADD a 1; SADD d 9; {command}; SMEMBERS d"),
                "OK; 1; 1; WRONGTYPE; [9]",
            );
        }
    }

    #[test]
    fn counts_of_keys_are_checked() {
        check(
            "SINTERCARD 0 a; SINTERCARD x a; SINTERCARD 2 a; SINTERCARD 1 a LIMIT -1; SINTERCARD 1 a LIMIT x; SINTERCARD 1 a LIMIT; SINTERCARD 1 a FOO 1",
            "ERR numkeys should be greater than 0; ERR numkeys should be greater than 0; ERR Number of keys can't be greater than number of args; ERR LIMIT can't be negative; ERR LIMIT can't be negative; ERR syntax error; ERR syntax error",
        );
    }

    #[test]
    fn unions_and_differences_are_counted_without_being_made() {
        check(
            "SADD a 1 2 3 x; SADD b 3 4 x y; SUNIONCARD 2 a b; SUNIONCARD 3 a none b LIMIT 2; SUNIONCARD 2 a b LIMIT 0; SUNIONCARD 2 a b APPROX; SUNIONCARD 2 a b APPROX LIMIT 5; SUNIONCARD 1 a; SUNIONCARD 1 none",
            "4; 4; 6; 2; 6; 6; 5; 4; 0",
        );
        check(
            "SADD a 1 2 3 x; SADD b 3 4 x y; SDIFFCARD 2 a b; SDIFFCARD 2 a b LIMIT 1; SDIFFCARD 2 none a; SDIFFCARD 1 a; SDIFFCARD 2 a b APPROX; SET s v; SDIFFCARD 2 a s; SUNIONCARD 2 s a; SUNIONCARD 0 a",
            "4; 4; 2; 1; 0; 4; ERR syntax error; OK; WRONGTYPE; WRONGTYPE; ERR numkeys should be greater than 0",
        );
    }
}
