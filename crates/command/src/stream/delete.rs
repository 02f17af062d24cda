//! Deleting entries, and settling what is pending: XDEL XACK, and XDELEX XACKDEL XNACK of Redis 8.
//!
//! What came after Redis 7.2 has no oracle here: replies follow the reference pages, and what the tests of client
//! libraries expect of newer servers. Where these leave something open: XACKDEL leaves alone what is not pending for
//! its group (-1), and a group that does not exist has nothing pending.

use super::trim::{CONDITION, refs};
use super::{GROUP, IDS, KEY, id, no_group};
use crate::spec::{Arg, Arity, Command, Flags, Group, KeySpec, Spec, Writes};
use crate::{Args, Ctx, Failure};
use std::ops::Range;
use store::{Refs, Stream, StreamId};

/// What these commands have in common.
const SETTLE: Spec = Spec {
    keys: &[KeySpec::one(1, &["RW", "delete"])],
    flags: Flags::WRITE.and(Flags::FAST),
    group: Group::Stream,
    since: "5.0.0",
    ..Spec::NEW
};

/// The IDs of the newer commands in COMMAND DOCS.
const COUNTED_IDS: Arg = Arg::block("ids", &[Arg::integer("numids"), IDS]).token("IDS");

/// The condition of commands that are newer than it.
const REFS: Arg = Arg { since: None, ..CONDITION };

/// Deletes entries of a stream.
pub const XDEL: Command = Command::new(
    Spec {
        name: "XDEL",
        arity: Arity::at_least(3),
        complexity: "O(1) for each single item to delete in the stream, regardless of the stream size.",
        summary: "Deletes entries of a stream and returns how many there were.",
        args: &[KEY, IDS],
        ..SETTLE
    },
    xdel,
);

/// The IDs in a range of arguments.
fn ids(args: &Args<'_>, range: Range<usize>) -> Result<Vec<StreamId>, Failure> {
    range.map(|at| id::exact(args.get(at), 0)).collect()
}

fn xdel(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let Ctx { store, reply, db, now, .. } = ctx;
    let deleted = store.db(*db).edit_stream(&args.key(1), *now, |edit| {
        if edit.view().is_none() {
            return Ok::<u64, Failure>(0);
        }
        let ids = ids(args, 2..args.len())?;
        let deleted =
            edit.with(|stream| ids.into_iter().filter(|id| stream.delete(*id)).count() as u64);
        edit.changed(deleted);
        Ok(deleted)
    })??;
    reply.integer(deleted as i64);
    Ok(())
}

/// Acknowledges what was delivered.
pub const XACK: Command = Command::new(
    Spec {
        name: "XACK",
        writes: Writes::OnlyGroups,
        arity: Arity::at_least(4),
        keys: &[KeySpec::one(1, &["RW", "update"])],
        complexity: "O(1) for each message ID processed.",
        summary: "Takes entries out of what is pending for a consumer group and returns how many were.",
        args: &[KEY, GROUP, IDS],
        ..SETTLE
    },
    xack,
);

fn xack(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let Ctx { store, reply, db, now, .. } = ctx;
    let settled = store.db(*db).edit_stream(&args.key(1), *now, |edit| {
        if edit.view().and_then(|stream| stream.group(args.get(2))).is_none() {
            return Ok::<u64, Failure>(0);
        }
        let ids = ids(args, 3..args.len())?;
        let settle = |stream: &mut Stream| {
            stream.with_group(args.get(2), |group, _| {
                ids.into_iter().filter(|id| group.acknowledge(*id)).count() as u64
            })
        };
        let settled = edit.with(settle).unwrap_or(0);
        edit.changed(settled);
        Ok(settled)
    })??;
    reply.integer(settled as i64);
    Ok(())
}

const NUMIDS: Failure = Failure::new("ERR Number of IDs must be a positive integer");
const NUMIDS_MISMATCH: Failure =
    Failure::new("ERR The `numids` parameter must match the number of arguments");

/// The arguments behind IDS at `at`: the IDs, and where they end.
fn counted(args: &Args<'_>, at: usize) -> Result<(Vec<StreamId>, usize), Failure> {
    if at + 1 >= args.len() {
        return Err(Failure::SYNTAX);
    }
    let count = args.integer(at + 1).filter(|count| *count > 0).ok_or(NUMIDS)?;
    let first = at + 2;
    let count = usize::try_from(count).ok().filter(|count| *count <= args.len() - first);
    let end = first + count.ok_or(NUMIDS_MISMATCH)?;
    Ok((ids(args, first..end)?, end))
}

/// Reads `[KEEPREF | DELREF | ACKED] IDS numids id ...`, in either order, from argument `at` on.
fn refs_and_ids(args: &Args<'_>, mut at: usize) -> Result<(Refs, Vec<StreamId>), Failure> {
    let (mut given, mut ids) = (None, None);
    while at < args.len() {
        if let Some(refs) = refs(args, at).filter(|_| given.is_none()) {
            given = Some(refs);
            at += 1;
        } else if ids.is_none() && args.is(at, "IDS") {
            let (found, end) = counted(args, at)?;
            (ids, at) = (Some(found), end);
        } else {
            return Err(if ids.is_some() { NUMIDS_MISMATCH } else { Failure::SYNTAX });
        }
    }
    Ok((given.unwrap_or(Refs::Keep), ids.ok_or(Failure::SYNTAX)?))
}

/// What became of an entry, as XDELEX and XACKDEL reply it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Absent = -1,
    Deleted = 1,
    Referenced = 2,
}

/// Deletes an entry as the condition says; also gives how much changed.
fn delete(stream: &mut Stream, id: StreamId, refs: Refs) -> (Fate, u64) {
    let dropped = if refs == Refs::Drop { stream.drop_references(id) as u64 } else { 0 };
    // What is pending counts though the entry is gone; what is still to be read is only an entry that is there.
    let awaited = |stream: &Stream| stream.entry(id).is_some() && stream.is_referenced(id);
    if refs == Refs::Acked && (stream.is_pending(id) || awaited(stream)) {
        return (Fate::Referenced, 0);
    }
    if stream.delete(id) { (Fate::Deleted, dropped + 1) } else { (Fate::Absent, dropped) }
}

/// Deletes entries and says what became of each.
pub const XDELEX: Command = Command::new(
    Spec {
        name: "XDELEX",
        arity: Arity::at_least(5),
        flags: Flags::WRITE.and(Flags::FAST).and(Flags::NEWER),
        since: "8.2.0",
        complexity: "O(1) for each single item to delete in the stream, regardless of the stream size.",
        summary: "Deletes entries of a stream, with a say in references to them, and tells what became of each.",
        args: &[KEY, REFS, COUNTED_IDS],
        ..SETTLE
    },
    |ctx, args| {
        let (refs, ids) = refs_and_ids(args, 2)?;
        settle(ctx, args, &ids, |stream, id| delete(stream, id, refs))
    },
);

/// Acknowledges entries and deletes them.
pub const XACKDEL: Command = Command::new(
    Spec {
        name: "XACKDEL",
        arity: Arity::at_least(6),
        keys: &[KeySpec::one(1, &["RW", "update", "delete"])],
        flags: Flags::WRITE.and(Flags::FAST).and(Flags::NEWER),
        since: "8.2.0",
        complexity: "O(1) for each entry ID processed.",
        summary: "Acknowledges entries for a consumer group and deletes them, with a say in other references to them.",
        args: &[KEY, GROUP, REFS, COUNTED_IDS],
        ..SETTLE
    },
    |ctx, args| {
        let (refs, ids) = refs_and_ids(args, 3)?;
        settle(ctx, args, &ids, |stream, id| {
            let settled = stream.with_group(args.get(2), |group, _| group.acknowledge(id));
            if settled == Some(true) {
                let (fate, changes) = delete(stream, id, refs);
                // What was acknowledged is settled, though its entry may have been deleted before.
                let fate = if fate == Fate::Absent { Fate::Deleted } else { fate };
                return (fate, changes + 1);
            }
            let dropped = settled.is_some() && refs == Refs::Drop && stream.entry(id).is_none();
            let dropped = if dropped { stream.drop_references(id) } else { 0 };
            (Fate::Absent, dropped as u64)
        })
    },
);

/// Treats each entry and replies with what became of it.
fn settle(
    ctx: &mut Ctx<'_>,
    args: &Args<'_>,
    ids: &[StreamId],
    treat: impl Fn(&mut Stream, StreamId) -> (Fate, u64),
) -> Result<(), Failure> {
    let Ctx { store, reply, db, now, .. } = ctx;
    let fates = store.db(*db).edit_stream(&args.key(1), *now, |edit| {
        if edit.view().is_none() {
            return vec![Fate::Absent; ids.len()];
        }
        let mut changes = 0;
        let fates = edit.with(|stream| {
            let treat = |id: &StreamId| {
                let (fate, changed) = treat(stream, *id);
                changes += changed;
                fate
            };
            ids.iter().map(treat).collect()
        });
        edit.changed(changes);
        fates
    })?;
    reply.array(fates.len());
    fates.into_iter().for_each(|fate| reply.integer(fate as i64));
    Ok(())
}

/// Gives what is pending back to its group.
pub const XNACK: Command = Command::new(
    Spec {
        name: "XNACK",
        arity: Arity::at_least(7),
        keys: &[KeySpec::one(1, &["RW", "update"])],
        flags: Flags::WRITE.and(Flags::FAST).and(Flags::NEWER),
        since: "8.8.0",
        complexity: "O(1) for each message ID processed.",
        summary: "Takes pending entries from their consumers, so that any other may claim them at once.",
        args: &[
            KEY,
            GROUP,
            Arg::one_of(
                "mode",
                &[
                    Arg::word("silent", "SILENT"),
                    Arg::word("fail", "FAIL"),
                    Arg::word("fatal", "FATAL"),
                ],
            ),
            COUNTED_IDS,
            Arg::integer("count").token("RETRYCOUNT").optional(),
            Arg::word("force", "FORCE").optional(),
        ],
        ..SETTLE
    },
    xnack,
);

/// How XNACK changes the count of deliveries.
#[derive(Clone, Copy)]
enum Recount {
    /// The delivery is undone.
    Silent,
    /// It counts.
    Fail,
    /// The entry is not to be tried again.
    Fatal,
    /// As given.
    To(i64),
}

impl Recount {
    /// The new count, from the old one of an entry that was pending.
    fn of(self, old: Option<i64>) -> i64 {
        match (self, old) {
            (Recount::To(count), _) => count,
            (Recount::Fatal, _) => i64::MAX,
            (_, None) => 0,
            (Recount::Silent, Some(old)) => (old - 1).max(0),
            (Recount::Fail, Some(old)) => old,
        }
    }
}

fn xnack(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let modes = [("SILENT", Recount::Silent), ("FAIL", Recount::Fail), ("FATAL", Recount::Fatal)];
    let mode = modes.into_iter().find(|(word, _)| args.is(3, word)).ok_or(Failure::SYNTAX)?;
    if !args.is(4, "IDS") {
        return Err(Failure::SYNTAX);
    }
    let (ids, mut at) = counted(args, 4)?;
    let (mut recount, mut force) = (mode.1, false);
    while at < args.len() {
        if args.is(at, "FORCE") {
            force = true;
        } else if args.is(at, "RETRYCOUNT") && at + 1 < args.len() {
            let count = args.integer(at + 1).ok_or(Failure::NOT_INTEGER)?;
            recount = Recount::To(Some(count).filter(|count| *count >= 0).ok_or(NEGATIVE_COUNT)?);
            at += 1;
        } else {
            return Err(Failure::SYNTAX);
        }
        at += 1;
    }
    let (key, name) = (args.key(1), args.get(2));
    let Ctx { store, reply, db, now, .. } = ctx;
    let released = store.db(*db).edit_stream(&key, *now, |edit| {
        if edit.view().and_then(|stream| stream.group(name)).is_none() {
            return Err(no_group(key.bytes, name, ""));
        }
        let release = |stream: &mut Stream| {
            stream.with_group(name, |group, entries| {
                let release = |id: &&StreamId| {
                    let force = force && entries.entry(**id).is_some();
                    group.release(**id, force, |old| recount.of(old))
                };
                ids.iter().filter(release).count() as u64
            })
        };
        let released = edit.with(release).unwrap_or(0);
        edit.changed(released);
        Ok(released)
    })??;
    reply.integer(released as i64);
    Ok(())
}

const NEGATIVE_COUNT: Failure = Failure::new("ERR RETRYCOUNT must be >= 0");

#[cfg(test)]
mod tests {
    use crate::check::check;

    const START: &str = "XADD x 1 a b; XADD x 2 a b; XADD x 3 a b; XADD x 4 a b; XGROUP CREATE x g 0; XGROUP CREATE x h 0; XREADGROUP GROUP g c COUNT 3 STREAMS x >; XREADGROUP GROUP h d COUNT 2 STREAMS x >";
    const STARTED: &str = "1-0; 2-0; 3-0; 4-0; OK; OK; [[x [[1-0 [a b]] [2-0 [a b]] [3-0 [a b]]]]]; [[x [[1-0 [a b]] [2-0 [a b]]]]]";
    const BAD: &str = "ERR Invalid stream ID specified as stream command argument";

    #[test]
    fn entries_are_deleted_once() {
        check(
            "XADD x 1 a b; XADD x 2 a b; XDEL x 1 1 3; XDEL x 1 x; XLEN x; XDEL x 2; XLEN x; EXISTS x; XADD x 1 a b",
            &format!("1-0; 2-0; 1; {BAD}; 1; 1; 0; 1; ERR"),
        );
        check("XDEL none x; SET s v; XDEL s x; XACK s g x", "0; OK; WRONGTYPE; WRONGTYPE");
    }

    #[test]
    fn what_is_acknowledged_is_not_pending() {
        check(
            &format!(
                "{START}; XACK x g 1 1 9; XACK x g x; XACK x none x; XACK none g x; XPENDING x g; XPENDING x h"
            ),
            &format!("{STARTED}; 1; {BAD}; 0; 0; [2 2-0 3-0 [[c 2]]]; [2 1-0 2-0 [[d 2]]]"),
        );
    }

    #[test]
    fn xdelex_minds_references() {
        check(
            &format!(
                "{START}; XDELEX x IDS 2 1 9; XDELEX x DELREF IDS 2 2 1; XPENDING x g; XPENDING x h; XDELEX x ACKED IDS 2 3 4; XDELEX none ACKED IDS 2 3 4"
            ),
            &format!(
                "{STARTED}; [1 -1]; [1 -1]; [1 3-0 3-0 [[c 1]]]; [0 nil nil nil]; [2 2]; [-1 -1]"
            ),
        );
        check(
            "XADD x 1 a b; XDELEX x ACKED IDS 1 1; XGROUP CREATE x g $; XDELEX x IDS 1 1 ACKED; XLEN x",
            "1-0; [1]; OK; [-1]; 0",
        );
    }

    #[test]
    fn acked_spares_what_a_group_waits_for_and_nothing_else() {
        // Without groups nobody waits; behind what a group has read, it does; what is pending counts without its entry.
        check("XADD x 1 a b; XDELEX x ACKED IDS 1 1; XLEN x", "1-0; [1]; 0");
        check(
            "XADD x 1 a b; XGROUP CREATE x g $; XDELEX x ACKED IDS 1 1; XADD x 2 a b; XDELEX x ACKED IDS 1 2; XDELEX x ACKED IDS 1 9; XLEN x",
            "1-0; OK; [1]; 2-0; [2]; [-1]; 1",
        );
        check(
            &format!(
                "{START}; XDEL x 1; XDELEX x ACKED IDS 1 1; XACK x g 1; XACK x h 1; XDELEX x ACKED IDS 1 1"
            ),
            &format!("{STARTED}; 1; [2]; 1; 1; [-1]"),
        );
    }

    #[test]
    fn xackdel_settles_what_is_pending_though_its_entry_is_gone() {
        for policy in ["KEEPREF", "DELREF"] {
            check(
                &format!(
                    "{START}; XDEL x 1; XACKDEL x g {policy} IDS 1 1; XACKDEL x g {policy} IDS 1 1"
                ),
                &format!("{STARTED}; 1; [1]; [-1]"),
            );
        }
        check(
            &format!("{START}; XDEL x 1; XACKDEL x g ACKED IDS 1 1; XACKDEL x h ACKED IDS 1 1"),
            &format!("{STARTED}; 1; [2]; [1]"),
        );
    }

    #[test]
    fn xackdel_deletes_what_it_acknowledges() {
        check(
            &format!(
                "{START}; XACKDEL x g IDS 3 1 4 9; XACKDEL x g ACKED IDS 2 2 3; XACKDEL x h ACKED IDS 1 2; XRANGE x - +; XACKDEL x h DELREF IDS 1 1; XPENDING x g; XPENDING x h; XACKDEL x none IDS 1 3; XACKDEL none g IDS 1 3"
            ),
            &format!(
                "{STARTED}; [1 -1 -1]; [2 2]; [1]; [[3-0 [a b]] [4-0 [a b]]]; [1]; [0 nil nil nil]; [0 nil nil nil]; [-1]; [-1]"
            ),
        );
    }

    #[test]
    fn ids_must_be_as_many_as_they_say() {
        let mismatch = "ERR The `numids` parameter must match the number of arguments";
        check(
            "XDELEX x IDS 0 1; XDELEX x IDS x 1; XDELEX x IDS 3 1 2; XDELEX x IDS 1 1 2; XDELEX x FOO 1 1; XDELEX x KEEPREF ACKED IDS 1 1; XDELEX x IDS 1 x; XDELEX x ACKED KEEPREF IDS; XACKDEL x g IDS 9223372036854775807 1",
            &format!(
                "ERR Number of IDs must be a positive integer; ERR Number of IDs must be a positive integer; {mismatch}; {mismatch}; ERR syntax error; ERR syntax error; {BAD}; ERR syntax error; {mismatch}"
            ),
        );
    }

    #[test]
    fn what_is_released_belongs_to_nobody_until_it_is_claimed() {
        check(
            &format!(
                "{START}; XNACK x g FAIL IDS 2 1 4; XNACK x g SILENT IDS 1 2; XNACK x g FATAL IDS 1 3; XPENDING x g - + 10; XPENDING x g; XCLAIM x g e 1000000 1 JUSTID; XPENDING x g - + 10 e"
            ),
            &format!(
                "{STARTED}; 1; 1; 1; [[1-0 \"\" -1 1] [2-0 \"\" -1 0] [3-0 \"\" -1 9223372036854775807]]; [3 1-0 3-0 []]; [1-0]; [[1-0 e 0 1]]"
            ),
        );
        check(
            &format!(
                "{START}; XNACK x g FAIL IDS 1 1 RETRYCOUNT 7; XNACK x g FAIL IDS 2 4 9 FORCE; XNACK x g FAIL IDS 1 4 RETRYCOUNT 5 FORCE; XPENDING x g - + 10; XAUTOCLAIM x g e 1000000 0 JUSTID; XPENDING x g"
            ),
            &format!(
                "{STARTED}; 1; 1; 1; [[1-0 \"\" -1 7] [2-0 c 0 1] [3-0 c 0 1] [4-0 \"\" -1 5]]; [0-0 [1-0 4-0] []]; [4 1-0 4-0 [[c 2] [e 2]]]"
            ),
        );
        check(
            "XNACK x g FOO IDS 1 1; XNACK x g FAIL 1 1 1; XNACK x g FAIL IDS 1 1; XADD x 1 a b; XNACK x g FAIL IDS 1 1; XNACK x g FAIL IDS 1 1 RETRYCOUNT; XNACK x g FAIL IDS 1 1 RETRYCOUNT -1; XNACK x g FAIL IDS 1 1 2",
            "ERR syntax error; ERR syntax error; NOGROUP No such key 'x' or consumer group 'g'; 1-0; NOGROUP; ERR syntax error; ERR RETRYCOUNT must be >= 0; ERR syntax error",
        );
    }
}
