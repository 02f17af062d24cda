//! What was delivered and not acknowledged.

use super::{GROUP, KEY, id, no_group, reply_id};
use crate::spec::{Arg, Arity, Command, Flags, Group, KeySpec, Spec};
use crate::{Args, Ctx, Failure};
use resp::write::Writer;
use store::{Look, Pending, StreamId};

/// Shows what is pending for a group.
pub const XPENDING: Command = Command::new(
    Spec {
        name: "XPENDING",
        arity: Arity::at_least(3),
        keys: &[KeySpec::one(1, &["RO", "access"])],
        flags: Flags::READONLY,
        group: Group::Stream,
        since: "5.0.0",
        complexity: "O(N) with N being the number of elements returned, so asking for a small fixed number of entries per call is O(1). O(M), where M is the total number of entries scanned when used with the IDLE filter. When the command returns just the summary and the list of consumers is small, it runs in O(1) time; otherwise, an additional O(N) time for iterating every consumer.",
        summary: "Returns what was delivered to a consumer group and is not acknowledged: a summary, or entry by entry.",
        args: &[
            KEY,
            GROUP,
            Arg::block(
                "filters",
                &[
                    Arg::integer("min-idle-time").token("IDLE").optional().since("6.2.0"),
                    Arg::string("start"),
                    Arg::string("end"),
                    Arg::integer("count"),
                    Arg::string("consumer").optional(),
                ],
            )
            .optional(),
        ],
        tips: &["nondeterministic_output"],
        history: &[("6.2.0", "Added the `IDLE` option and exclusive range intervals.")],
        ..Spec::NEW
    },
    xpending,
);

/// What the longer form asks for.
struct Filter<'a> {
    min_idle_ms: i64,
    start: StreamId,
    end: StreamId,
    count: usize,
    consumer: Option<&'a [u8]>,
}

fn filter<'a>(args: &Args<'a>) -> Result<Option<Filter<'a>>, Failure> {
    if args.len() == 3 {
        return Ok(None);
    }
    if !(6..=9).contains(&args.len()) {
        return Err(Failure::SYNTAX);
    }
    let (mut at, mut min_idle_ms) = (3, 0);
    if args.is(3, "IDLE") {
        min_idle_ms = args.integer(4).ok_or(Failure::NOT_INTEGER)?;
        at = 5;
        if args.len() < 8 {
            return Err(Failure::SYNTAX);
        }
    }
    let count = args.integer(at + 2).ok_or(Failure::NOT_INTEGER)?;
    Ok(Some(Filter {
        min_idle_ms,
        start: id::start(args.get(at))?,
        end: id::end(args.get(at + 1))?,
        count: usize::try_from(count.max(0)).unwrap_or(usize::MAX),
        consumer: args.try_get(at + 3),
    }))
}

fn xpending(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let filter = filter(args)?;
    let Ctx { store, reply, db, now, .. } = ctx;
    let key = args.key(1);
    let stream = store.db(*db).stream(&key, Look::Read, *now)?;
    let Some(group) = stream.and_then(|stream| stream.group(args.get(2))) else {
        return Err(no_group(key.bytes, args.get(2), ""));
    };
    match filter {
        None => summary(reply, group),
        Some(filter) => entries(reply, group, &filter, now.unix_ms()),
    }
    Ok(())
}

/// How many there are, from where to where, and for whom how many.
fn summary(reply: &mut Writer<'_>, group: &store::Group) {
    reply.array(4);
    reply.integer(group.pending_len() as i64);
    let Some((first, last)) = group.pending_ends() else {
        reply.null();
        reply.null();
        return reply.null_array();
    };
    reply_id(reply, first);
    reply_id(reply, last);
    let list = reply.deferred_array();
    let mut consumers = 0;
    for (_, consumer) in group.consumers().filter(|(_, consumer)| consumer.pending() > 0) {
        consumers += 1;
        reply.array(2);
        reply.bulk(consumer.name());
        reply.bulk_int(consumer.pending() as i64);
    }
    reply.close(list, consumers);
}

fn entries(reply: &mut Writer<'_>, group: &store::Group, filter: &Filter<'_>, now_ms: i64) {
    let Filter { min_idle_ms, start, end, count, consumer } = *filter;
    let list = reply.deferred_array();
    let mut found = 0;
    let mut show = |pending: Pending<'_>| {
        let idle = now_ms.saturating_sub(pending.delivered_ms);
        if min_idle_ms == 0 || idle >= min_idle_ms {
            found += 1;
            reply.array(4);
            reply_id(reply, pending.id);
            reply.bulk(pending.consumer.unwrap_or(b""));
            // Nobody has it, so nobody is idle.
            reply.integer(if pending.consumer.is_some() { idle.max(0) } else { -1 });
            reply.integer(pending.count);
        }
        found < count
    };
    if start <= end && count > 0 {
        match consumer.map(|name| group.consumer_id(name)) {
            None => _ = group.pending(start, end).all(&mut show),
            Some(Some(consumer)) => _ = group.pending_of(consumer, start, end).all(&mut show),
            Some(None) => {}
        }
    }
    reply.close(list, found);
}

#[cfg(test)]
mod tests {
    use crate::check::{check, check3};

    const START: &str = "XADD x 1 a b; XADD x 2 a b; XADD x 3 a b; XGROUP CREATE x g 0; XREADGROUP GROUP g d COUNT 2 STREAMS x >; @+100; XREADGROUP GROUP g c STREAMS x >; @+5";
    const STARTED: &str = "1-0; 2-0; 3-0; OK; [[x [[1-0 [a b]] [2-0 [a b]]]]]; [[x [[3-0 [a b]]]]]";

    #[test]
    fn a_summary_counts_by_consumer() {
        check(
            &format!("{START}; XPENDING x g; XACK x g 3; XPENDING x g; XACK x g 1 2; XPENDING x g"),
            &format!(
                "{STARTED}; [3 1-0 3-0 [[c 1] [d 2]]]; 1; [2 1-0 2-0 [[d 2]]]; 2; [0 nil nil nil]"
            ),
        );
        check3("XGROUP CREATE x g 0 MKSTREAM; XPENDING x g", "OK; [0 nil nil nil]");
    }

    #[test]
    fn entries_are_filtered() {
        check(
            &format!(
                "{START}; XPENDING x g - + 9; XPENDING x g - + 2 c; XPENDING x g (1 2 9; XPENDING x g IDLE 105 - + 1; XPENDING x g IDLE 106 - + 9; XPENDING x g - + 0; XPENDING x g - + -1; XPENDING x g + - 9; XPENDING x g - + 9 nobody; XPENDING x g IDLE 5 - + 9 c"
            ),
            &format!(
                "{STARTED}; [[1-0 d 105 1] [2-0 d 105 1] [3-0 c 5 1]]; [[3-0 c 5 1]]; [[2-0 d 105 1]]; [[1-0 d 105 1]]; []; []; []; []; []; [[3-0 c 5 1]]"
            ),
        );
    }

    #[test]
    fn arguments_are_checked_before_the_group() {
        let integer = "ERR value is not an integer or out of range";
        let bad = "ERR Invalid stream ID specified as stream command argument";
        check(
            "XPENDING x g -; XPENDING x g - +; XPENDING x g x + y; XPENDING x g x + 1; XPENDING x g IDLE y - + 1; XPENDING x g IDLE 1 - +; XPENDING x g - + 1 c d e; XPENDING x g - + 1 c d e f; SET s v; XPENDING s g",
            &format!(
                "ERR syntax error; ERR syntax error; {integer}; {bad}; {integer}; ERR syntax error; NOGROUP No such key 'x' or consumer group 'g'; ERR syntax error; OK; WRONGTYPE"
            ),
        );
    }
}
