//! Reading what is new: XREAD, and XREADGROUP for one consumer of a group.

use super::{id, no_group, reply_entry, reply_id, waiting};
use crate::spec::{Arg, Arity, Begin, Blocks, Command, Fanout, Find, Flags, Group, KeySpec, Spec};
use crate::{Args, Ctx, Failure, wait};
use resp::write::Writer;
use store::{Entry, Key, Look, StreamEdit, StreamId};

/// What both commands have in common.
const READ: Spec = Spec { fanout: Fanout::Loan, group: Group::Stream, since: "5.0.0", ..Spec::NEW };

const COUNT: Arg = Arg::integer("count").token("COUNT").optional();
const BLOCK: Arg = Arg::integer("milliseconds").token("BLOCK").optional();
const STREAMS: Arg =
    Arg::block("streams", &[Arg::key("key", 0).multiple(), Arg::string("id").multiple()])
        .token("STREAMS");

/// The keys are the first half of what stands behind STREAMS.
const fn keys(from: i16) -> KeySpec {
    KeySpec {
        flags: &["RO", "access"],
        begin: Begin::Keyword("STREAMS", from),
        find: Find::Range { last: -1, step: 1, limit: 2 },
        notes: "",
    }
}

/// Reads entries of streams behind given IDs.
pub const XREAD: Command = Command::new(
    Spec {
        name: "XREAD",
        arity: Arity::at_least(4),
        keys: &[keys(1)],
        flags: Flags::READONLY.and(Flags::BLOCKING).and(Flags::MOVABLEKEYS),
        blocks: Some(Blocks { ready: waiting::has_more, woken: xread }),
        complexity: "For each stream mentioned: O(N) with N being the number of elements being returned, it means that XREAD-ing with a fixed COUNT is O(1). Note that when the BLOCK option is used, XADD will pay O(M) time in order to serve the M clients blocked on the stream getting new data.",
        summary: "Returns the entries of several streams behind given IDs, and can wait for some.",
        args: &[COUNT, BLOCK, STREAMS],
        ..READ
    },
    xread,
);

/// Reads entries of streams that a group has not read yet, or once more what is pending for a consumer.
pub const XREADGROUP: Command = Command::new(
    Spec {
        name: "XREADGROUP",
        arity: Arity::at_least(7),
        keys: &[keys(4)],
        flags: Flags::WRITE.and(Flags::BLOCKING).and(Flags::MOVABLEKEYS),
        blocks: Some(Blocks { ready: waiting::has_news, woken: waiting::wake_in_group }),
        complexity: "For each stream mentioned: O(M) with M being the number of elements returned. If M is constant (e.g. always asking for the first 10 elements with COUNT), you can consider it O(1). On the other side when XREADGROUP blocks, XADD will pay the O(N) time in order to serve the N clients blocked on the stream getting new data.",
        summary: "Returns entries of several streams that a consumer group has not read yet, or what is pending for a consumer, and can wait for some.",
        args: &[
            Arg::block("group_consumer", &[Arg::string("group"), Arg::string("consumer")])
                .token("GROUP"),
            COUNT,
            BLOCK,
            Arg::word("noack", "NOACK").optional(),
            STREAMS,
        ],
        ..READ
    },
    xreadgroup,
);

const UNBALANCED: Failure = Failure::new(
    "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.",
);
const GROUP_IN_XREAD: Failure =
    Failure::new("ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.");
const NOACK_IN_XREAD: Failure =
    Failure::new("ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.");
const NEW_IN_XREAD: Failure = Failure::new(
    "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
);
const LAST_IN_XREADGROUP: Failure = Failure::new(
    "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.",
);
const NO_GROUP: Failure = Failure::new("ERR Missing GROUP option for XREADGROUP");

/// The options of both commands.
pub(super) struct Wish<'a> {
    /// Entries of each stream at the most.
    pub(super) count: u64,
    /// How long to wait in microseconds, 0 for ever; `None` not to wait.
    pub(super) timeout_us: Option<u64>,
    /// Nothing is noted as pending.
    pub(super) forget: bool,
    pub(super) group: Option<(&'a [u8], &'a [u8])>,
    /// The first key, and how many there are.
    pub(super) first: usize,
    pub(super) streams: usize,
}

impl Wish<'_> {
    /// Where the keys and their IDs are.
    fn streams(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (first, streams) = (self.first, self.streams);
        (first..first + streams).map(move |key| (key, key + streams))
    }
}

/// Reads the options of XREAD, or of XREADGROUP.
pub(super) fn wish<'a>(args: &Args<'a>, in_group: bool) -> Result<Wish<'a>, Failure> {
    let mut wish = Wish {
        count: u64::MAX,
        timeout_us: None,
        forget: false,
        group: None,
        first: 0,
        streams: 0,
    };
    let mut at = 1;
    while at < args.len() && wish.first == 0 {
        let more = args.len() - at - 1;
        if more > 0 && args.is(at, "BLOCK") {
            wish.timeout_us = Some(wait::milliseconds(args, at + 1)?);
            at += 1;
        } else if more > 0 && args.is(at, "COUNT") {
            let count = args.integer(at + 1).ok_or(Failure::NOT_INTEGER)?;
            wish.count = u64::try_from(count).ok().filter(|count| *count > 0).unwrap_or(u64::MAX);
            at += 1;
        } else if more > 0 && args.is(at, "STREAMS") {
            if !more.is_multiple_of(2) {
                return Err(UNBALANCED);
            }
            (wish.first, wish.streams) = (at + 1, more / 2);
        } else if more > 1 && args.is(at, "GROUP") {
            if !in_group {
                return Err(GROUP_IN_XREAD);
            }
            wish.group = Some((args.get(at + 1), args.get(at + 2)));
            at += 2;
        } else if args.is(at, "NOACK") {
            if !in_group {
                return Err(NOACK_IN_XREAD);
            }
            wish.forget = true;
        } else {
            return Err(Failure::SYNTAX);
        }
        at += 1;
    }
    if wish.first == 0 {
        return Err(Failure::SYNTAX);
    }
    if in_group && wish.group.is_none() {
        return Err(NO_GROUP);
    }
    Ok(wish)
}

/// The reply about several streams, of which those that have nothing are left out.
struct Found<'r, 'w> {
    reply: &'r mut Writer<'w>,
    streams: usize,
    map: resp::write::Deferred,
    start: resp::write::Position,
}

impl<'r, 'w> Found<'r, 'w> {
    fn new(reply: &'r mut Writer<'w>) -> Found<'r, 'w> {
        let start = reply.position();
        // RESP2 has pairs in a list where RESP3 has a map.
        let map = match reply.protocol() {
            resp::Protocol::Resp2 => reply.deferred_array(),
            resp::Protocol::Resp3 => reply.deferred_map(),
        };
        Found { reply, streams: 0, map, start }
    }

    /// Adds what `write` says of a stream; it gives the number of entries. Without any the stream is left out,
    /// unless `always` says otherwise.
    fn stream(&mut self, key: &[u8], always: bool, write: impl FnOnce(&mut Writer<'_>) -> usize) {
        let before = self.reply.position();
        if self.reply.protocol() == resp::Protocol::Resp2 {
            self.reply.array(2);
        }
        self.reply.bulk(key);
        let list = self.reply.deferred_array();
        let entries = write(self.reply);
        self.reply.close(list, entries);
        if entries > 0 || always {
            self.streams += 1;
        } else {
            self.reply.truncate(before);
        }
    }

    /// Ends the reply, which is null when no stream has anything. Says whether any has.
    fn close(self) -> bool {
        if self.streams > 0 {
            self.reply.close(self.map, self.streams);
        } else {
            self.reply.truncate(self.start);
            self.reply.null_array();
        }
        self.streams > 0
    }
}

fn xread(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let wish = wish(args, false)?;
    let Ctx { store, reply, db, now, wait, .. } = ctx;
    let mut starts = Vec::with_capacity(wish.streams);
    for (key, id) in wish.streams() {
        let stream = store.db(*db).stream(&args.key(key), Look::Read, *now)?;
        let after = match args.get(id) {
            b"$" => stream.map_or(StreamId::MIN, |stream| stream.last_id()),
            b">" => return Err(NEW_IN_XREAD),
            text => id::exact(text, 0)?,
        };
        starts.push(after);
    }
    let mut found = Found::new(reply);
    for ((at, _), after) in wish.streams().zip(&starts) {
        let key = args.key(at);
        let stream = store.db(*db).stream(&key, Look::Peek, *now)?;
        let (Some(stream), Some(start)) = (stream, after.next()) else { continue };
        found.stream(key.bytes, false, |reply| {
            let mut entries = 0;
            stream.each(start, StreamId::MAX, |entry| {
                reply_entry(reply, &entry);
                entries += 1;
                (entries as u64) < wish.count
            });
            entries
        });
    }
    if !found.close() {
        *wait = waiting::for_entries(args, &wish, &starts);
    }
    Ok(())
}

/// What is read of a stream for a consumer.
#[derive(Clone, Copy)]
enum From {
    /// What the group has not read yet.
    New,
    /// What is pending for the consumer behind this ID.
    Pending(StreamId),
}

pub(super) fn xreadgroup(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let wish = wish(args, true)?;
    let (group, consumer) = wish.group.expect("it was checked");
    let Ctx { store, reply, db, now, wait, .. } = ctx;
    let mut wanted = Vec::with_capacity(wish.streams);
    for (at, id) in wish.streams() {
        let key = args.key(at);
        let stream = store.db(*db).stream(&key, Look::Peek, *now)?;
        if stream.and_then(|stream| stream.group(group)).is_none() {
            return Err(no_group(key.bytes, group, " in XREADGROUP with GROUP option"));
        }
        let from = match args.get(id) {
            b"$" => return Err(LAST_IN_XREADGROUP),
            b">" => From::New,
            text => match id::exact(text, 0)? {
                // To Redis this is what `>` means.
                StreamId::MAX => From::New,
                after => From::Pending(after),
            },
        };
        wanted.push((key, from));
    }
    let mut found = Found::new(reply);
    for (key, from) in wanted {
        store.db(*db).edit_stream(&key, *now, |edit| {
            let reader = Reader { group, consumer, now_ms: now.unix_ms(), wish: &wish };
            reader.read(edit, &key, from, &mut found);
        })?;
    }
    if !found.close() {
        *wait = waiting::for_news(args, &wish);
    }
    Ok(())
}

/// Who reads, and how.
struct Reader<'w> {
    group: &'w [u8],
    consumer: &'w [u8],
    now_ms: i64,
    wish: &'w Wish<'w>,
}

impl Reader<'_> {
    /// Reads one stream, and counts one change if there is anything to be told of it.
    fn read(
        &self,
        edit: &mut StreamEdit<'_, '_>,
        key: &Key<'_>,
        from: From,
        found: &mut Found<'_, '_>,
    ) {
        let Reader { group, consumer, now_ms, wish } = *self;
        let id = edit.with(|stream| {
            stream.with_group(group, |group, _| {
                let (id, made) = group.ensure_consumer(consumer, now_ms);
                group.saw(id, now_ms);
                (id, made)
            })
        });
        let Some((consumer, made)) = id else { return };
        edit.changed(u64::from(made));
        let always = matches!(from, From::Pending(_));
        let before = found.streams;
        found.stream(key.bytes, always, |reply| {
            let mut entries = 0;
            edit.with(|stream| match from {
                From::New => {
                    stream.deliver(group, consumer, wish.count, wish.forget, now_ms, |entry| {
                        reply_entry(reply, &entry);
                        entries += 1;
                    });
                }
                From::Pending(after) => {
                    let show = |id, entry: Option<Entry<'_>>| {
                        match entry {
                            Some(entry) => reply_entry(reply, &entry),
                            None => {
                                reply.array(2);
                                reply_id(reply, id);
                                reply.null_array();
                            }
                        }
                        entries += 1;
                    };
                    stream.show_pending(group, consumer, after, wish.count, now_ms, show);
                }
            });
            entries
        });
        edit.changed(u64::from(found.streams > before));
    }
}

#[cfg(test)]
mod tests {
    use crate::check::{World, check, check3};
    use resp::write::Protocol;

    const START: &str = "XADD x 1 a b; XADD x 2 a b; XADD y 3 a b";
    const ADDED: &str = "1-0; 2-0; 3-0";

    #[test]
    fn streams_are_read_behind_an_id() {
        check(
            &format!(
                "{START}; XREAD STREAMS x 0; XREAD COUNT 1 STREAMS x y 0 0; XREAD COUNT 0 STREAMS x none y 1 0 3; XREAD STREAMS x $; XREAD BLOCK 1 STREAMS none 0; XREAD STREAMS x x 0 1"
            ),
            &format!(
                "{ADDED}; [[x [[1-0 [a b]] [2-0 [a b]]]]]; [[x [[1-0 [a b]]]] [y [[3-0 [a b]]]]]; [[x [[2-0 [a b]]]]]; nil; nil; [[x [[1-0 [a b]] [2-0 [a b]]]] [x [[2-0 [a b]]]]]"
            ),
        );
        check3(
            &format!("{START}; XREAD STREAMS x y 1 0; XREAD STREAMS x 9"),
            &format!("{ADDED}; {{x [[2-0 [a b]]] y [[3-0 [a b]]]}}; nil"),
        );
        let mut world = World::new(Protocol::Resp2);
        assert_eq!(world.run(&[b"XREAD", b"STREAMS", b"x", b"0"]), b"*-1\r\n");
    }

    #[test]
    fn options_of_xread_are_checked() {
        let bad = "ERR Invalid stream ID specified as stream command argument";
        check(
            "XREAD STREAMS x 0 1; XREAD COUNT x STREAMS x 0; XREAD BLOCK x STREAMS x 0; XREAD BLOCK -1 STREAMS x 0; XREAD FOO STREAMS x 0; XREAD COUNT 1 BLOCK 1; XREAD STREAMS x -; XREAD STREAMS x *",
            &format!(
                "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.; ERR value is not an integer or out of range; ERR timeout is not an integer or out of range; ERR timeout is negative; ERR syntax error; ERR syntax error; {bad}; {bad}"
            ),
        );
        check(
            "SET s v; XREAD STREAMS s x; XREAD STREAMS x s 0 0; XREAD STREAMS x >; XREAD NOACK STREAMS x 0; XREAD GROUP g c STREAMS x 0",
            "OK; WRONGTYPE; WRONGTYPE; ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.; ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.; ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.",
        );
    }

    #[test]
    fn a_group_gets_each_entry_once() {
        check(
            &format!(
                "{START}; XGROUP CREATE x g 0; XREADGROUP GROUP g c COUNT 1 STREAMS x >; XREADGROUP GROUP g d STREAMS x >; XREADGROUP GROUP g d STREAMS x >; XREADGROUP GROUP g c STREAMS x 0; XREADGROUP GROUP g d STREAMS x 2; XPENDING x g - + 9"
            ),
            &format!(
                "{ADDED}; OK; [[x [[1-0 [a b]]]]]; [[x [[2-0 [a b]]]]]; nil; [[x [[1-0 [a b]]]]]; [[x []]]; [[1-0 c 0 2] [2-0 d 0 1]]"
            ),
        );
        check3(
            &format!(
                "{START}; XGROUP CREATE x g 0; XREADGROUP GROUP g c NOACK STREAMS x >; XREADGROUP GROUP g c STREAMS x 0; XREADGROUP GROUP g c STREAMS x >; XPENDING x g"
            ),
            &format!(
                "{ADDED}; OK; {{x [[1-0 [a b]] [2-0 [a b]]]}}; {{x []}}; nil; [0 nil nil nil]"
            ),
        );
    }

    #[test]
    fn what_was_deleted_is_shown_without_its_fields() {
        check(
            &format!(
                "{START}; XGROUP CREATE x g 0; XREADGROUP GROUP g c STREAMS x >; XDEL x 1; XREADGROUP GROUP g c STREAMS x 0; XPENDING x g - + 9"
            ),
            &format!(
                "{ADDED}; OK; [[x [[1-0 [a b]] [2-0 [a b]]]]]; 1; [[x [[1-0 nil] [2-0 [a b]]]]]; [[1-0 c 0 1] [2-0 c 0 2]]"
            ),
        );
    }

    #[test]
    fn what_is_read_again_after_setid_changes_its_consumer() {
        check(
            &format!(
                "{START}; XGROUP CREATE x g 0; XREADGROUP GROUP g c STREAMS x >; XREADGROUP GROUP g c STREAMS x 0; XGROUP SETID x g 1; XREADGROUP GROUP g d STREAMS x >; XPENDING x g - + 9"
            ),
            &format!(
                "{ADDED}; OK; [[x [[1-0 [a b]] [2-0 [a b]]]]]; [[x [[1-0 [a b]] [2-0 [a b]]]]]; OK; [[x [[2-0 [a b]]]]]; [[1-0 c 0 2] [2-0 d 0 1]]"
            ),
        );
    }

    #[test]
    fn nothing_is_read_unless_all_groups_are_there() {
        let none = "in XREADGROUP with GROUP option";
        check(
            &format!(
                "{START}; XGROUP CREATE x g 0; XREADGROUP GROUP g c STREAMS x y > >; XREADGROUP GROUP g c STREAMS x none > x; XREADGROUP GROUP g c STREAMS x $; XREADGROUP GROUP g c STREAMS x x; XREADGROUP COUNT 1 NOACK STREAMS x 0 x 0; XPENDING x g"
            ),
            &format!(
                "{ADDED}; OK; NOGROUP No such key 'y' or consumer group 'g' {none}; NOGROUP No such key 'none' or consumer group 'g' {none}; ERR; ERR Invalid stream ID specified as stream command argument; ERR Missing GROUP option for XREADGROUP; [0 nil nil nil]"
            ),
        );
    }

    #[test]
    fn a_consumer_is_made_by_the_attempt() {
        check(
            "XGROUP CREATE x g 0 MKSTREAM; XREADGROUP GROUP g c STREAMS x >; XGROUP CREATECONSUMER x g c",
            "OK; nil; 0",
        );
    }
}
