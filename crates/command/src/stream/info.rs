//! XINFO: what a stream, its groups and their consumers are like.

use super::{KEY, no_such_group, reply_entry, reply_help, reply_id, unknown, wrong_options};
use crate::spec::{Arg, Arity, Command, Flags, Group, KeySpec, Spec};
use crate::{Args, Ctx, Failure};
use resp::write::Writer;
use store::{Consumer, ConsumerId, Look, Stream, StreamId};

/// Tells about streams.
pub const XINFO: Command = Command {
    spec: Spec {
        name: "XINFO",
        categories: &["-@stream"],
        arity: Arity::at_least(2),
        group: Group::Stream,
        since: "5.0.0",
        complexity: "Depends on subcommand.",
        summary: "A container for stream introspection commands.",
        ..Spec::NEW
    },
    run: |_, args| Err(unknown(args, "xinfo")),
    subcommands: &[CONSUMERS, GROUPS, HELP, STREAM],
};

/// What the sub-commands have in common.
const ABOUT: Spec = Spec {
    arity: Arity::exactly(3),
    keys: &[KeySpec::one(2, &["RO", "access"])],
    flags: Flags::READONLY,
    group: Group::Stream,
    since: "5.0.0",
    complexity: "O(1)",
    args: &[KEY],
    ..Spec::NEW
};

/// Tells about a stream.
pub const STREAM: Command = Command::new(
    Spec {
        name: "STREAM",
        arity: Arity::at_least(3),
        summary: "Returns what is known of a stream, with FULL also its entries and all of its groups.",
        args: &[
            KEY,
            Arg::block("full", &[Arg::integer("count").token("COUNT").optional()])
                .token("FULL")
                .optional(),
        ],
        history: &[
            ("6.0.0", "Added the `FULL` modifier."),
            (
                "7.0.0",
                "Added the `max-deleted-entry-id`, `entries-added`, `recorded-first-entry-id`, `entries-read` and `lag` fields.",
            ),
            ("7.2.0", "Added the `active-time` field, and changed the meaning of `seen-time`."),
        ],
        ..ABOUT
    },
    stream,
);

/// Tells about the groups of a stream.
pub const GROUPS: Command = Command::new(
    Spec {
        name: "GROUPS",
        summary: "Returns what is known of the consumer groups of a stream.",
        history: &[("7.0.0", "Added the `entries-read` and `lag` fields.")],
        ..ABOUT
    },
    groups,
);

/// Tells about the consumers of a group.
pub const CONSUMERS: Command = Command::new(
    Spec {
        name: "CONSUMERS",
        arity: Arity::exactly(4),
        summary: "Returns what is known of the consumers of a consumer group.",
        args: &[KEY, Arg::string("groupname")],
        tips: &["nondeterministic_output"],
        history: &[("7.2.0", "Added the `inactive` field, and changed the meaning of `idle`.")],
        ..ABOUT
    },
    consumers,
);

/// Lists the sub-commands.
pub const HELP: Command = Command::new(
    Spec {
        name: "HELP",
        arity: Arity::exactly(2),
        flags: Flags::LOADING.and(Flags::STALE),
        group: Group::Stream,
        since: "5.0.0",
        complexity: "O(1)",
        summary: "Shows helpful text about the different subcommands.",
        ..Spec::NEW
    },
    |ctx, _| {
        reply_help(&mut ctx.reply, HELP_TEXT);
        Ok(())
    },
);

const HELP_TEXT: &[&str] = &[
    "XINFO <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CONSUMERS <key> <groupname>",
    "    Show consumers of <groupname>.",
    "GROUPS <key>",
    "    Show the stream consumer groups.",
    "STREAM <key> [FULL [COUNT <count>]",
    "    Show information about the stream.",
    "HELP",
    "    Prints this help.",
];

/// Entries, and pending ones of each group and consumer, that FULL shows unless it is told how many.
const FULL_COUNT: usize = 10;

/// How many entries FULL shows; `None` without FULL.
fn full_count(args: &Args<'_>) -> Result<Option<usize>, Failure> {
    match args.len() {
        3 => return Ok(None),
        4 | 6 if args.is(3, "FULL") => {}
        _ => return Err(wrong_options(args, "XINFO")),
    }
    if args.len() == 4 {
        return Ok(Some(FULL_COUNT));
    }
    if !args.is(4, "COUNT") {
        return Err(wrong_options(args, "XINFO"));
    }
    Ok(Some(match args.integer(5).ok_or(Failure::NOT_INTEGER)? {
        0 => usize::MAX,
        count => usize::try_from(count).unwrap_or(FULL_COUNT),
    }))
}

fn stream(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let Ctx { store, reply, db, now, .. } = ctx;
    let stream = store.db(*db).stream(&args.key(2), Look::Read, *now)?;
    let stream = stream.ok_or(Failure::NO_SUCH_KEY)?;
    let full = full_count(args)?;
    reply.map(if full.is_some() { 9 } else { 10 });
    let numbers = [
        ("length", stream.len()),
        ("radix-tree-keys", stream.nodes() as u64),
        ("radix-tree-nodes", stream.radix_nodes() as u64),
    ];
    for (name, number) in numbers {
        reply.bulk(name.as_bytes());
        reply.integer(number as i64);
    }
    reply.bulk(b"last-generated-id");
    reply_id(reply, stream.last_id());
    reply.bulk(b"max-deleted-entry-id");
    reply_id(reply, stream.max_deleted);
    reply.bulk(b"entries-added");
    reply.integer(stream.entries_added);
    reply.bulk(b"recorded-first-entry-id");
    reply_id(reply, stream.first_id());
    match full {
        None => ends(reply, stream),
        Some(count) => whole(reply, stream, count),
    }
    Ok(())
}

/// How many groups there are, and the entries at both ends.
fn ends(reply: &mut Writer<'_>, stream: &Stream) {
    reply.bulk(b"groups");
    reply.integer(stream.groups().len() as i64);
    let first = stream.entry(stream.first_id());
    for (name, entry) in [("first-entry", first), ("last-entry", stream.last_entry())] {
        reply.bulk(name.as_bytes());
        match entry {
            Some(entry) => reply_entry(reply, &entry),
            None => reply.null(),
        }
    }
}

/// Entries, and all groups with their consumers.
fn whole(reply: &mut Writer<'_>, stream: &Stream, count: usize) {
    reply.bulk(b"entries");
    let list = reply.deferred_array();
    let mut entries = 0;
    stream.each(StreamId::MIN, StreamId::MAX, |entry| {
        reply_entry(reply, &entry);
        entries += 1;
        entries < count
    });
    reply.close(list, entries);
    reply.bulk(b"groups");
    reply.array(stream.groups().len());
    for (name, group) in stream.groups() {
        reply.map(7);
        reply.bulk(b"name");
        reply.bulk(name);
        progress(reply, stream, group);
        reply.bulk(b"pel-count");
        reply.integer(group.pending_len() as i64);
        reply.bulk(b"pending");
        reply.array(group.pending_len().min(count));
        for pending in group.pending(StreamId::MIN, StreamId::MAX).take(count) {
            reply.array(4);
            reply_id(reply, pending.id);
            reply.bulk(pending.consumer.unwrap_or(b""));
            reply.integer(pending.delivered_ms);
            reply.integer(pending.count);
        }
        reply.bulk(b"consumers");
        reply.array(group.consumers().len());
        for (id, consumer) in group.consumers() {
            member(reply, group, id, consumer, count);
        }
    }
}

/// A consumer with what is pending for it.
fn member(
    reply: &mut Writer<'_>,
    group: &store::Group,
    id: ConsumerId,
    consumer: &Consumer,
    count: usize,
) {
    reply.map(5);
    reply.bulk(b"name");
    reply.bulk(consumer.name());
    reply.bulk(b"seen-time");
    reply.integer(consumer.seen_ms);
    reply.bulk(b"active-time");
    reply.integer(consumer.active_ms.unwrap_or(-1));
    reply.bulk(b"pel-count");
    reply.integer(consumer.pending() as i64);
    reply.bulk(b"pending");
    reply.array(consumer.pending().min(count));
    for pending in group.pending_of(id, StreamId::MIN, StreamId::MAX).take(count) {
        reply.array(3);
        reply_id(reply, pending.id);
        reply.integer(pending.delivered_ms);
        reply.integer(pending.count);
    }
}

/// How far a group has come.
fn progress(reply: &mut Writer<'_>, stream: &Stream, group: &store::Group) {
    reply.bulk(b"last-delivered-id");
    reply_id(reply, group.last_id);
    for (name, number) in [("entries-read", group.entries_read), ("lag", stream.lag(group))] {
        reply.bulk(name.as_bytes());
        match number {
            Some(number) => reply.integer(number),
            None => reply.null(),
        }
    }
}

fn groups(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let Ctx { store, reply, db, now, .. } = ctx;
    let stream = store.db(*db).stream(&args.key(2), Look::Read, *now)?;
    let stream = stream.ok_or(Failure::NO_SUCH_KEY)?;
    reply.array(stream.groups().len());
    for (name, group) in stream.groups() {
        reply.map(6);
        reply.bulk(b"name");
        reply.bulk(name);
        reply.bulk(b"consumers");
        reply.integer(group.consumers().len() as i64);
        reply.bulk(b"pending");
        reply.integer(group.pending_len() as i64);
        progress(reply, stream, group);
    }
    Ok(())
}

fn consumers(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let Ctx { store, reply, db, now, .. } = ctx;
    let stream = store.db(*db).stream(&args.key(2), Look::Read, *now)?;
    let stream = stream.ok_or(Failure::NO_SUCH_KEY)?;
    let group = stream.group(args.get(3));
    let group = group.ok_or_else(|| no_such_group(args.get(2), args.get(3)))?;
    let since = |ms: i64| now.unix_ms().saturating_sub(ms).max(0);
    reply.array(group.consumers().len());
    for (_, consumer) in group.consumers() {
        reply.map(4);
        reply.bulk(b"name");
        reply.bulk(consumer.name());
        reply.bulk(b"pending");
        reply.integer(consumer.pending() as i64);
        reply.bulk(b"idle");
        reply.integer(since(consumer.seen_ms));
        reply.bulk(b"inactive");
        reply.integer(consumer.active_ms.map_or(-1, since));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::check::{check, check3};

    #[test]
    fn a_stream_tells_what_it_remembers() {
        check(
            "XADD x 1 a b; XADD x 2 c d; XADD x 3 e f; XDEL x 2; XGROUP CREATE x g 0; XINFO STREAM x",
            "1-0; 2-0; 3-0; 1; OK; [length 2 radix-tree-keys 1 radix-tree-nodes 2 last-generated-id 3-0 max-deleted-entry-id 2-0 entries-added 3 recorded-first-entry-id 1-0 groups 1 first-entry [1-0 [a b]] last-entry [3-0 [e f]]]",
        );
        check3(
            "XGROUP CREATE x g 5 MKSTREAM; XINFO STREAM x",
            "OK; {length 0 radix-tree-keys 0 radix-tree-nodes 1 last-generated-id 0-0 max-deleted-entry-id 0-0 entries-added 0 recorded-first-entry-id 0-0 groups 1 first-entry nil last-entry nil}",
        );
    }

    #[test]
    fn groups_tell_how_far_they_are() {
        let group = |name: &str, last: &str, read: &str, lag: &str| {
            format!(
                "[name {name} consumers 0 pending 0 last-delivered-id {last} entries-read {read} lag {lag}]"
            )
        };
        let start = "XADD x 1 a b; XADD x 2 a b; XADD x 3 a b; XGROUP CREATE x a 0; XGROUP CREATE x b 1; XGROUP CREATE x c 2; XGROUP CREATE x d $; XGROUP CREATE x e 9; XGROUP CREATE x f 0 ENTRIESREAD 2";
        let replies = "1-0; 2-0; 3-0; OK; OK; OK; OK; OK; OK";
        let shown = [
            group("a", "0-0", "nil", "3"),
            group("b", "1-0", "nil", "2"),
            group("c", "2-0", "nil", "nil"),
            group("d", "3-0", "nil", "0"),
            group("e", "9-0", "nil", "nil"),
            group("f", "0-0", "2", "1"),
        ];
        check(
            &format!("{start}; XINFO GROUPS x; XGROUP DESTROY x a"),
            &format!("{replies}; [{}]; 1", shown.join(" ")),
        );
        check(
            "XADD x 1 a b; XADD x 2 a b; XADD x 3 a b; XGROUP CREATE x g 0; XDEL x 2; XINFO GROUPS x; XREADGROUP GROUP g c NOACK COUNT 1 STREAMS x >; XINFO GROUPS x; XREADGROUP GROUP g c NOACK STREAMS x >; XINFO GROUPS x",
            "1-0; 2-0; 3-0; OK; 1; [[name g consumers 0 pending 0 last-delivered-id 0-0 entries-read nil lag nil]]; [[x [[1-0 [a b]]]]]; [[name g consumers 1 pending 0 last-delivered-id 1-0 entries-read nil lag nil]]; [[x [[3-0 [a b]]]]]; [[name g consumers 1 pending 0 last-delivered-id 3-0 entries-read 3 lag 0]]",
        );
    }

    #[test]
    fn consumers_tell_when_they_were_seen_and_when_they_got_something() {
        check(
            "XADD x 1 a b; XGROUP CREATE x g 0; XGROUP CREATECONSUMER x g d; @+10; XREADGROUP GROUP g c STREAMS x >; @+10; XREADGROUP GROUP g c STREAMS x >; @+5; XINFO CONSUMERS x g; XCLAIM x g d 0 1 JUSTID; XINFO CONSUMERS x g",
            "1-0; OK; 1; [[x [[1-0 [a b]]]]]; nil; [[name c pending 1 idle 5 inactive 15] [name d pending 0 idle 25 inactive -1]]; [1-0]; [[name c pending 0 idle 5 inactive 15] [name d pending 1 idle 0 inactive 0]]",
        );
    }

    #[test]
    fn full_shows_everything_up_to_a_count() {
        let t = "1700000000000";
        check(
            "XADD x 1 a b; XADD x 2 a b; XGROUP CREATE x g 0; XREADGROUP GROUP g c STREAMS x >; XINFO STREAM x FULL COUNT 1",
            &format!(
                "1-0; 2-0; OK; [[x [[1-0 [a b]] [2-0 [a b]]]]]; [length 2 radix-tree-keys 1 radix-tree-nodes 2 last-generated-id 2-0 max-deleted-entry-id 0-0 entries-added 2 recorded-first-entry-id 1-0 entries [[1-0 [a b]]] groups [[name g last-delivered-id 2-0 entries-read 2 lag 0 pel-count 2 pending [[1-0 c {t} 1]] consumers [[name c seen-time {t} active-time {t} pel-count 2 pending [[1-0 {t} 1]]]]]]]"
            ),
        );
    }

    #[test]
    fn the_key_is_looked_for_before_options() {
        let wrong =
            "ERR unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO HELP.";
        check(
            "XINFO STREAM x FOO; XADD x 1 a b; XINFO STREAM x FOO; XINFO STREAM x FULL COUNT; XINFO STREAM x FULL COUNT x; XINFO STREAM x FULL FOO 1; XINFO CONSUMERS x g; XINFO GROUPS none; XINFO FOO; XINFO; SET s v; XINFO STREAM s; XINFO CONSUMERS s g",
            &format!(
                "ERR no such key; 1-0; {wrong}; {wrong}; ERR value is not an integer or out of range; {wrong}; NOGROUP No such consumer group 'g' for key name 'x'; ERR no such key; ERR unknown subcommand 'FOO'. Try XINFO HELP.; ERR wrong number of arguments for 'xinfo' command; OK; WRONGTYPE; WRONGTYPE"
            ),
        );
    }
}
