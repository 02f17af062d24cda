//! Taking over what is pending for others: XCLAIM, XAUTOCLAIM.

use super::{GROUP, IDS, KEY, id, no_group, reply_entry, reply_id};
use crate::spec::{Arg, Arity, Command, Flags, Group, KeySpec, Spec, Writes};
use crate::{Args, Ctx, Failure};
use resp::write::Writer;
use store::{Claim, Entry, StreamEdit, StreamId};

/// What both commands have in common.
const TAKE: Spec = Spec {
    arity: Arity::at_least(6),
    flags: Flags::WRITE.and(Flags::FAST),
    group: Group::Stream,
    tips: &["nondeterministic_output"],
    ..Spec::NEW
};

const CONSUMER: Arg = Arg::string("consumer");
const MIN_IDLE: Arg = Arg::string("min-idle-time");
const JUST_ID: Arg = Arg::word("justid", "JUSTID").optional();

/// Takes over given entries.
pub const XCLAIM: Command = Command::new(
    Spec {
        name: "XCLAIM",
        writes: Writes::OnlyGroups,
        keys: &[KeySpec::one(1, &["RW", "update"])],
        since: "5.0.0",
        complexity: "O(log N) with N being the number of messages in the PEL of the consumer group.",
        summary: "Makes given entries that are pending for a consumer group pending for one of its consumers.",
        args: &[
            KEY,
            GROUP,
            CONSUMER,
            MIN_IDLE,
            IDS,
            Arg::integer("ms").token("IDLE").optional(),
            Arg::unix_time("unix-time-milliseconds").token("TIME").optional(),
            Arg::integer("count").token("RETRYCOUNT").optional(),
            Arg::word("force", "FORCE").optional(),
            JUST_ID,
            Arg::string("id").token("LASTID").optional(),
        ],
        ..TAKE
    },
    xclaim,
);

/// Takes over what has been idle for long.
pub const XAUTOCLAIM: Command = Command::new(
    Spec {
        name: "XAUTOCLAIM",
        writes: Writes::OnlyGroups,
        keys: &[KeySpec::one(1, &["RW", "delete"])],
        since: "6.2.0",
        complexity: "O(1) if COUNT is small.",
        summary: "Makes entries that have been pending for a consumer group for long pending for one of its consumers.",
        args: &[
            KEY,
            GROUP,
            CONSUMER,
            MIN_IDLE,
            Arg::string("start"),
            Arg::integer("count").token("COUNT").optional(),
            JUST_ID,
        ],
        history: &[(
            "7.0.0",
            "Added an element to the reply array, containing deleted entries the command cleared from the PEL.",
        )],
        ..TAKE
    },
    xautoclaim,
);

/// What XCLAIM is asked for.
struct Wish {
    ids: Vec<StreamId>,
    claim: Claim,
    force: bool,
    last_id: Option<StreamId>,
}

fn wish(args: &Args<'_>, now_ms: i64) -> Result<Wish, Failure> {
    let invalid = |what: &str| Failure::text(format!("ERR Invalid {what} argument for XCLAIM"));
    let min_idle_ms = args.integer(4).ok_or_else(|| invalid("min-idle-time"))?.max(0);
    let claim =
        Claim { min_idle_ms, now_ms, delivered_ms: now_ms, retry_count: None, just_id: false };
    let ids: Vec<StreamId> = args.from(5).map_while(|text| id::exact(text, 0).ok()).collect();
    let mut at = 5 + ids.len();
    let mut wish = Wish { ids, claim, force: false, last_id: None };
    while at < args.len() {
        let more = at + 1 < args.len();
        let number = |what: &str| args.integer(at + 1).ok_or_else(|| invalid(what));
        if args.is(at, "FORCE") {
            wish.force = true;
        } else if args.is(at, "JUSTID") {
            wish.claim.just_id = true;
        } else if more {
            if args.is(at, "IDLE") {
                wish.claim.delivered_ms = now_ms.wrapping_sub(number("IDLE option")?);
            } else if args.is(at, "TIME") {
                wish.claim.delivered_ms = number("TIME option")?;
            } else if args.is(at, "RETRYCOUNT") {
                let count = number("RETRYCOUNT option")?;
                wish.claim.retry_count = Some(count).filter(|count| *count >= 0);
            } else if args.is(at, "LASTID") {
                wish.last_id = Some(id::exact(args.get(at + 1), 0)?);
            } else {
                return Err(unrecognized(args.get(at)));
            }
            at += 1;
        } else {
            return Err(unrecognized(args.get(at)));
        }
        at += 1;
    }
    // A time that cannot be is now.
    if !(0..=now_ms).contains(&wish.claim.delivered_ms) {
        wish.claim.delivered_ms = now_ms;
    }
    Ok(wish)
}

fn unrecognized(option: &[u8]) -> Failure {
    Failure::quoting("ERR Unrecognized XCLAIM option '", option, "'")
}

/// Replies with an entry that was claimed.
fn reply_claimed(reply: &mut Writer<'_>, entry: &Entry<'_>, just_id: bool) {
    if just_id { reply_id(reply, entry.id) } else { reply_entry(reply, entry) }
}

fn xclaim(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let Ctx { store, reply, db, now, .. } = ctx;
    let key = args.key(1);
    store.db(*db).edit_stream(&key, *now, |edit| {
        if edit.view().and_then(|stream| stream.group(args.get(2))).is_none() {
            return Err(no_group(key.bytes, args.get(2), ""));
        }
        claim_ids(edit, args, &wish(args, now.unix_ms())?, reply);
        Ok(())
    })?
}

/// Claims what was asked for, and replies with it.
fn claim_ids(edit: &mut StreamEdit<'_, '_>, args: &Args<'_>, wish: &Wish, reply: &mut Writer<'_>) {
    let Wish { ids, claim, force, last_id } = wish;
    let list = reply.deferred_array();
    let mut claimed = 0;
    let changes = edit.with(|stream| {
        stream.with_group(args.get(2), |group, entries| {
            let moves_on = last_id.filter(|last| *last > group.last_id);
            group.last_id = moves_on.unwrap_or(group.last_id);
            let (consumer, made) = group.ensure_consumer(args.get(3), claim.now_ms);
            group.saw(consumer, claim.now_ms);
            let mut gone = 0;
            for id in ids {
                let Some(entry) = entries.entry(*id) else {
                    // What was deleted will never be acknowledged.
                    gone += u64::from(group.acknowledge(*id));
                    continue;
                };
                if group.claim(*id, consumer, claim, *force) {
                    reply_claimed(reply, &entry, claim.just_id);
                    claimed += 1;
                }
            }
            u64::from(made) + gone + u64::from(moves_on.is_some() && claimed == 0)
        })
    });
    reply.close(list, claimed);
    edit.changed(changes.unwrap_or(0) + claimed as u64);
}

/// Entries that XAUTOCLAIM claims, unless it is told how many.
const COUNT: i64 = 100;
/// The largest count that Redis takes.
const COUNT_MAX: i64 = i64::MAX / 16;
/// Pending entries that are looked at for each that may be claimed.
const ATTEMPTS: u64 = 10;

/// What XAUTOCLAIM is asked for.
struct Sweep {
    start: StreamId,
    count: u64,
    claim: Claim,
}

fn sweep(args: &Args<'_>, now_ms: i64) -> Result<Sweep, Failure> {
    let min_idle =
        args.integer(4).ok_or(Failure::new("ERR Invalid min-idle-time argument for XAUTOCLAIM"))?;
    let start = id::start(args.get(5))?;
    let (mut count, mut just_id, mut at) = (COUNT, false, 6);
    while at < args.len() {
        if at + 1 < args.len() && args.is(at, "COUNT") {
            let given = args.integer(at + 1).filter(|count| (1..=COUNT_MAX).contains(count));
            count = given.ok_or(Failure::new("ERR COUNT must be > 0"))?;
            at += 1;
        } else if args.is(at, "JUSTID") {
            just_id = true;
        } else {
            return Err(Failure::SYNTAX);
        }
        at += 1;
    }
    let claim = Claim {
        min_idle_ms: min_idle.max(0),
        now_ms,
        delivered_ms: now_ms,
        retry_count: None,
        just_id,
    };
    Ok(Sweep { start, count: count as u64, claim })
}

fn xautoclaim(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let Ctx { store, reply, db, now, .. } = ctx;
    let sweep = sweep(args, now.unix_ms())?;
    let key = args.key(1);
    store.db(*db).edit_stream(&key, *now, |edit| {
        if edit.view().and_then(|stream| stream.group(args.get(2))).is_none() {
            return Err(no_group(key.bytes, args.get(2), ""));
        }
        claim_idle(edit, args, &sweep, reply);
        Ok(())
    })?
}

/// Claims what has been idle long enough, and replies with it, and with what is gone.
fn claim_idle(
    edit: &mut StreamEdit<'_, '_>,
    args: &Args<'_>,
    sweep: &Sweep,
    reply: &mut Writer<'_>,
) {
    let Sweep { start, count, claim } = sweep;
    // The cursor stands first and is known last.
    let mut claimed = Vec::new();
    let mut list = Writer::new(&mut claimed, reply.protocol());
    let (mut found, mut gone, mut cursor) = (0, Vec::new(), Some(*start));
    let made = edit.with(|stream| {
        stream.with_group(args.get(2), |group, entries| {
            let (consumer, made) = group.ensure_consumer(args.get(3), claim.now_ms);
            group.saw(consumer, claim.now_ms);
            let (mut left, mut attempts) = (*count, count.saturating_mul(ATTEMPTS));
            while left > 0 && attempts > 0 {
                let Some(id) = cursor.and_then(|from| group.next_pending(from)) else { break };
                cursor = id.next();
                attempts -= 1;
                let Some(entry) = entries.entry(id) else {
                    group.acknowledge(id);
                    gone.push(id);
                    left -= 1;
                    continue;
                };
                if group.claim(id, consumer, claim, false) {
                    reply_claimed(&mut list, &entry, claim.just_id);
                    found += 1;
                    left -= 1;
                }
            }
            cursor = cursor.and_then(|from| group.next_pending(from));
            made
        })
    });
    reply.array(3);
    reply_id(reply, cursor.unwrap_or(StreamId::MIN));
    reply.array(found);
    reply.raw(&claimed);
    reply.array(gone.len());
    gone.iter().for_each(|id| reply_id(reply, *id));
    edit.changed(u64::from(made == Some(true)) + found as u64 + gone.len() as u64);
}

#[cfg(test)]
mod tests {
    use crate::check::check;

    const START: &str = "XADD x 1 a b; XADD x 2 a b; XADD x 3 a b; XGROUP CREATE x g 0; XREADGROUP GROUP g c COUNT 2 STREAMS x >; @+100";
    const STARTED: &str = "1-0; 2-0; 3-0; OK; [[x [[1-0 [a b]] [2-0 [a b]]]]]";

    #[test]
    fn idle_entries_change_their_consumer() {
        check(
            &format!(
                "{START}; XCLAIM x g d 101 1 2; XCLAIM x g d 100 1 3 9; XCLAIM x g d 0 2 JUSTID; XPENDING x g - + 9"
            ),
            &format!("{STARTED}; []; [[1-0 [a b]]]; [2-0]; [[1-0 d 0 2] [2-0 d 0 1]]"),
        );
    }

    #[test]
    fn options_say_how_a_claim_is_noted() {
        check(
            &format!(
                "{START}; XCLAIM x g d 0 1 IDLE 7 RETRYCOUNT 5 JUSTID; XCLAIM x g d 0 2 TIME 1700000000000 JUSTID; XCLAIM x g d 50 3 FORCE JUSTID; XPENDING x g - + 9; XCLAIM x g d 0 1 TIME -4 IDLE -9 RETRYCOUNT -1; XPENDING x g - 1 9"
            ),
            &format!(
                "{STARTED}; [1-0]; [2-0]; [3-0]; [[1-0 d 7 5] [2-0 d 100 1] [3-0 d 0 1]]; [[1-0 [a b]]]; [[1-0 d 0 6]]"
            ),
        );
        check(
            &format!(
                "{START}; XCLAIM x g d 0 9 FORCE; XCLAIM x g d 0 9 LASTID 7; XREADGROUP GROUP g c STREAMS x >; XINFO GROUPS x"
            ),
            &format!(
                "{STARTED}; []; []; nil; [[name g consumers 2 pending 2 last-delivered-id 7-0 entries-read 2 lag 1]]"
            ),
        );
    }

    #[test]
    fn what_was_deleted_is_no_longer_pending() {
        check(
            &format!(
                "{START}; XDEL x 1; XCLAIM x g d 1000 1; XPENDING x g; XDEL x 2; XAUTOCLAIM x g d 1000 0; XPENDING x g"
            ),
            &format!("{STARTED}; 1; []; [1 2-0 2-0 [[c 1]]]; 1; [0-0 [] [2-0]]; [0 nil nil nil]"),
        );
    }

    #[test]
    fn arguments_of_xclaim_are_checked_behind_the_group() {
        check(
            "XCLAIM x g c x 1; XADD x 1 a b; XCLAIM x g c x 1; XGROUP CREATE x g 0; XCLAIM x g c x 1; XCLAIM x g c 0 1 y; XCLAIM x g c 0 1 IDLE; XCLAIM x g c 0 1 IDLE x; XCLAIM x g c 0 1 TIME x; XCLAIM x g c 0 1 RETRYCOUNT x; XCLAIM x g c 0 JUSTID 1; XCLAIM x g c 0 1 LASTID x",
            "NOGROUP No such key 'x' or consumer group 'g'; 1-0; NOGROUP; OK; ERR Invalid min-idle-time argument for XCLAIM; ERR Unrecognized XCLAIM option 'y'; ERR Unrecognized XCLAIM option 'IDLE'; ERR Invalid IDLE option argument for XCLAIM; ERR Invalid TIME option argument for XCLAIM; ERR Invalid RETRYCOUNT option argument for XCLAIM; ERR Unrecognized XCLAIM option '1'; ERR Invalid stream ID specified as stream command argument",
        );
    }

    #[test]
    fn a_sweep_goes_on_where_it_ended() {
        check(
            &format!(
                "{START}; XAUTOCLAIM x g d 100 0 COUNT 1; XAUTOCLAIM x g d 100 2-0 COUNT 1 JUSTID; XAUTOCLAIM x g d 0 (1 JUSTID; XAUTOCLAIM x g e 1 -; XPENDING x g; XPENDING x g - + 9"
            ),
            &format!(
                "{STARTED}; [2-0 [[1-0 [a b]]] []]; [0-0 [2-0] []]; [0-0 [2-0] []]; [0-0 [] []]; [2 1-0 2-0 [[d 2]]]; [[1-0 d 0 2] [2-0 d 0 1]]"
            ),
        );
        check(
            "XAUTOCLAIM x g c x y; XAUTOCLAIM x g c 0 y; XAUTOCLAIM x g c 0 0 COUNT 0; XAUTOCLAIM x g c 0 0 COUNT; XAUTOCLAIM x g c 0 0 COUNT 576460752303423488; XAUTOCLAIM x g c 0 0 FOO; XAUTOCLAIM x g c 0 0",
            "ERR Invalid min-idle-time argument for XAUTOCLAIM; ERR Invalid stream ID specified as stream command argument; ERR COUNT must be > 0; ERR syntax error; ERR COUNT must be > 0; ERR syntax error; NOGROUP",
        );
    }

    #[test]
    fn a_consumer_is_made_by_the_attempt() {
        check(
            &format!(
                "{START}; XCLAIM x g d 1000 1; XAUTOCLAIM x g e 1000 0; XGROUP CREATECONSUMER x g d; XGROUP CREATECONSUMER x g e"
            ),
            &format!("{STARTED}; []; [0-0 [] []]; 0; 0"),
        );
    }
}
