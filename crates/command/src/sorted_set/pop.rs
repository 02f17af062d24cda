//! Taking members from the ends.

use super::{KEY, reply_member};
use crate::spec::{Arg, Arity, Command, Fanout, Flags, Group, KeySpec, Spec, Writes};
use crate::string::reply_text;
use crate::{Args, Ctx, Failure};
use resp::write::{Protocol, Writer};
use std::ops::Range;
use store::{Key, Kind, Look, Scored, SortedSetEdit};

/// An end of a sorted set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Where the least scores are.
    Min,
    /// Where the greatest are.
    Max,
}

impl End {
    /// The end that a word names.
    pub fn parse(args: &Args<'_>, position: usize) -> Option<End> {
        match () {
            () if args.is(position, "MIN") => Some(End::Min),
            () if args.is(position, "MAX") => Some(End::Max),
            () => None,
        }
    }
}

/// What names an end in COMMAND DOCS.
pub(super) const ENDS: &[Arg] = &[Arg::word("min", "MIN"), Arg::word("max", "MAX")];

/// Takes up to `count` members from an end of a sorted set, and shows each before it goes; `show` gets how many
/// there will be first.
pub(super) fn take(
    set: &mut SortedSetEdit<'_, '_>,
    end: End,
    count: usize,
    mut show: impl FnMut(usize, Option<Scored<'_>>),
) {
    let Some(view) = set.view() else { return show(0, None) };
    let (len, count) = (view.len(), count.min(view.len()));
    show(count, None);
    match end {
        End::Min => view.iter_from(0).take(count).for_each(|scored| show(count, Some(scored))),
        End::Max => {
            view.iter_back_from(len).take(count).for_each(|scored| show(count, Some(scored)));
        }
    }
    set.remove_ranks(match end {
        End::Min => 0..count,
        End::Max => len - count..len,
    });
}

/// What ZPOPMIN and ZPOPMAX have in common.
const POPPING: Spec = Spec {
    arity: Arity::at_least(2),
    keys: &[KeySpec::one(1, &["RW", "access", "delete"])],
    flags: Flags::WRITE.and(Flags::FAST),
    group: Group::SortedSet,
    since: "5.0.0",
    complexity: "O(log(N)*M) with N being the number of elements in the sorted set, and M being the number of elements popped.",
    args: &[KEY, Arg::integer("count").optional()],
    ..Spec::NEW
};

/// Removes and returns the members of a sorted set with the greatest scores.
pub const ZPOPMAX: Command = Command::new(
    Spec {
        name: "ZPOPMAX",
        summary: "Removes and returns the members of a sorted set with the greatest scores.",
        ..POPPING
    },
    zpopmax,
);

fn zpopmax(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    pop(ctx, args, End::Max)
}

/// Removes and returns the members of a sorted set with the least scores.
pub const ZPOPMIN: Command = Command::new(
    Spec {
        name: "ZPOPMIN",
        summary: "Removes and returns the members of a sorted set with the least scores.",
        ..POPPING
    },
    zpopmin,
);

fn zpopmin(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    pop(ctx, args, End::Min)
}

fn pop(ctx: &mut Ctx<'_>, args: &Args<'_>, end: End) -> Result<(), Failure> {
    if args.len() > 3 {
        return Err(Failure::SYNTAX);
    }
    let count = match args.len() {
        2 => None,
        _ => Some(args.count(2)?),
    };
    let Ctx { store, reply, db, now, .. } = ctx;
    // Only a count makes the reply one of pairs.
    let nested = count.is_some() && reply.protocol() == Protocol::Resp3;
    store.db(*db).edit_sorted_set(&args.key(1), *now, |set| {
        take(set, end, count.unwrap_or(1), |len, scored| match scored {
            None => reply.array(if nested { len } else { 2 * len }),
            Some(scored) if nested => _ = reply_member(reply, scored, true),
            Some(scored) => {
                reply_text(reply, scored.member);
                reply.double(scored.score);
            }
        });
    })?;
    Ok(())
}

/// Removes and returns members from an end of the first sorted set that has any.
pub const ZMPOP: Command = Command::new(
    Spec {
        name: "ZMPOP",
        writes: Writes::FirstThere,
        arity: Arity::at_least(4),
        keys: &[KeySpec::counted(1, &["RW", "access", "delete"])],
        flags: Flags::WRITE.and(Flags::MOVABLEKEYS),
        fanout: Fanout::Loan,
        group: Group::SortedSet,
        since: "7.0.0",
        complexity: "O(K) + O(M*log(N)) where K is the number of provided keys, N being the number of elements in the sorted set, and M being the number of elements popped.",
        summary: "Removes and returns members from an end of the first of several sorted sets that has any.",
        args: &[
            Arg::integer("numkeys"),
            KEY.multiple(),
            Arg::one_of("where", ENDS),
            Arg::integer("count").token("COUNT").optional(),
        ],
        ..Spec::NEW
    },
    zmpop,
);

/// What ZMPOP and BZMPOP were told from the number of keys on.
#[derive(Clone, Copy, Debug)]
pub struct ManyPop {
    /// Position of the first key.
    pub first: usize,
    /// How many keys.
    pub keys: usize,
    /// From which end.
    pub end: End,
    /// How many members at the most.
    pub count: usize,
}

impl ManyPop {
    /// Reads a number of keys at `position`, the keys, an end and perhaps a count.
    pub fn parse(args: &Args<'_>, position: usize) -> Result<ManyPop, Failure> {
        let keys = args.integer(position).filter(|keys| *keys > 0).ok_or(Failure::NO_KEYS)?;
        let first = position + 1;
        let keys = usize::try_from(keys).ok().filter(|keys| *keys < args.len() - first);
        let keys = keys.ok_or(Failure::SYNTAX)?;
        let end = End::parse(args, first + keys).ok_or(Failure::SYNTAX)?;
        let mut count = None;
        let mut at = first + keys + 1;
        while at < args.len() {
            if count.is_some() || !args.is(at, "COUNT") || at + 1 >= args.len() {
                return Err(Failure::SYNTAX);
            }
            let number = args.integer(at + 1).and_then(|number| usize::try_from(number).ok());
            count = Some(number.filter(|number| *number > 0).ok_or(Failure::NO_COUNT)?);
            at += 2;
        }
        Ok(ManyPop { first, keys, end, count: count.unwrap_or(1) })
    }

    /// Positions of the keys.
    pub fn keys(&self) -> Range<usize> {
        self.first..self.first + self.keys
    }

    /// Takes members from the first key that has any, and replies with its name and them. False, and no reply, when
    /// none has.
    pub fn pop(&self, ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<bool, Failure> {
        let Some(key) = first(ctx, args, self.keys())? else { return Ok(false) };
        let Ctx { store, reply, db, now, .. } = ctx;
        store.db(*db).edit_sorted_set(&key, *now, |set| {
            take(set, self.end, self.count, |len, scored| match scored {
                None => {
                    reply.array(2);
                    reply.bulk(key.bytes);
                    reply.array(len);
                }
                Some(scored) => reply_pair(reply, scored),
            });
        })?;
        Ok(true)
    }
}

/// The first of the keys at these positions that is there; it has to be a sorted set.
pub(super) fn first<'a>(
    ctx: &mut Ctx<'_>,
    args: &Args<'a>,
    positions: Range<usize>,
) -> Result<Option<Key<'a>>, Failure> {
    let now = ctx.now;
    for position in positions {
        let key = args.key(position);
        match ctx.keyspace().kind_as(&key, Look::Write, now) {
            None => {}
            Some(Kind::SortedSet) => return Ok(Some(key)),
            Some(_) => return Err(Failure::WRONG_TYPE),
        }
    }
    Ok(None)
}

fn reply_pair(reply: &mut Writer<'_>, scored: Scored<'_>) {
    reply.array(2);
    reply_text(reply, scored.member);
    reply.double(scored.score);
}

fn zmpop(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    if !ManyPop::parse(args, 1)?.pop(ctx, args)? {
        ctx.reply.null_array();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::check::{check, check3};

    #[test]
    fn ends_are_taken() {
        for entries in ["128", "0"] {
            check(
                &format!(
                    "@set zset-max-listpack-entries {entries}; ZADD z 1 a 2 b 3 c 4 d; ZPOPMIN z; ZPOPMAX z; ZPOPMAX z 0; ZPOPMAX z 9; EXISTS z; ZPOPMIN z; ZPOPMIN z 2"
                ),
                "4; [a 1]; [d 4]; []; [c 3 b 2]; 0; []; []",
            );
            check3(
                &format!(
                    "@set zset-max-listpack-entries {entries}; ZADD z 1 a 2 b 3 c; ZPOPMIN z; ZPOPMIN z 1; ZPOPMIN z 0; ZPOPMAX none"
                ),
                "3; [a ,1]; [[b ,2]]; []; []",
            );
        }
        check(
            "ZPOPMIN none -1; ZPOPMIN none x; ZPOPMIN none 1 2; SET s v; ZPOPMIN s x",
            "ERR value is out of range, must be positive; ERR value is out of range, must be positive; ERR syntax error; OK; ERR value is out of range, must be positive",
        );
    }

    #[test]
    fn the_first_key_with_members_gives_them() {
        check(
            "ZADD z 1 a 2 b 3 c; ZMPOP 2 none z MIN; ZMPOP 1 z max COUNT 5; EXISTS z; ZMPOP 1 z MIN",
            "3; [z [[a 1]]]; [z [[c 3] [b 2]]]; 0; nil",
        );
        check(
            "SET s v; ZADD z 1 a; ZMPOP 2 none s MIN; ZMPOP 2 z s MIN; ZMPOP 2 s z MIN; ZMPOP 0 z MIN; ZMPOP x z MIN; ZMPOP 2 z MIN; ZMPOP 1 z FOO; \
             ZMPOP 1 z MIN COUNT 0; ZMPOP 1 z MIN COUNT x; ZMPOP 1 z MIN COUNT; ZMPOP 1 z MIN COUNT 1 COUNT 1; ZMPOP 9223372036854775807 z MIN",
            "OK; 1; WRONGTYPE; [z [[a 1]]]; WRONGTYPE; ERR numkeys should be greater than 0; ERR numkeys should be greater than 0; ERR syntax error; ERR syntax error; \
             ERR count should be greater than 0; ERR count should be greater than 0; ERR syntax error; ERR syntax error; ERR syntax error",
        );
    }
}
