//! XGROUP: making, changing and destroying consumer groups.

use super::{KEY, id, no_such_group, reply_help, unknown, wrong_options};
use crate::spec::{Arg, Arity, Command, Flags, Group, KeySpec, Spec, Writes};
use crate::{Args, Ctx, Failure};
use store::{Stream, StreamEdit, StreamId};

/// Manages consumer groups.
pub const XGROUP: Command = Command {
    spec: Spec {
        name: "XGROUP",
        categories: &["-@stream"],
        arity: Arity::at_least(2),
        group: Group::Stream,
        since: "5.0.0",
        complexity: "Depends on subcommand.",
        summary: "A container for consumer groups commands.",
        ..Spec::NEW
    },
    run: |_, args| Err(unknown(args, "xgroup")),
    subcommands: &[CREATE, CREATECONSUMER, DELCONSUMER, DESTROY, HELP, SETID],
};

/// What the sub-commands on a group have in common.
const ON_A_GROUP: Spec = Spec {
    keys: &[KeySpec::one(2, &["RW", "insert"])],
    flags: Flags::WRITE,
    group: Group::Stream,
    since: "5.0.0",
    complexity: "O(1)",
    ..Spec::NEW
};

const NAME: Arg = Arg::string("groupname");
const CONSUMER: Arg = Arg::string("consumername");
const ID: Arg = Arg::one_of("id", &[Arg::string("id"), Arg::word("new_id", "$")]);
const ENTRIES_READ: Arg = Arg::integer("entries_read").token("ENTRIESREAD").optional();

const NO_KEY: Failure = Failure::new(
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.",
);
const BUSY: Failure = Failure::new("BUSYGROUP Consumer Group name already exists");
const NEGATIVE_READ: Failure = Failure::new("ERR value for ENTRIESREAD must be positive or -1");

/// Makes a consumer group.
pub const CREATE: Command = Command::new(
    Spec {
        name: "CREATE",
        writes: Writes::OnlyGroups,
        arity: Arity::at_least(5),
        flags: Flags::WRITE.and(Flags::DENYOOM),
        summary: "Creates a consumer group.",
        args: &[KEY, NAME, ID, Arg::word("mkstream", "MKSTREAM").optional(), ENTRIES_READ],
        history: &[("7.0.0", "Added the `entries_read` named argument.")],
        ..ON_A_GROUP
    },
    create,
);

/// Sets the last ID that a group has read.
pub const SETID: Command = Command::new(
    Spec {
        name: "SETID",
        writes: Writes::OnlyGroups,
        arity: Arity::at_least(5),
        keys: &[KeySpec::one(2, &["RW", "update"])],
        summary: "Sets the last ID that was delivered to a consumer group.",
        args: &[KEY, NAME, ID, ENTRIES_READ],
        history: &[("7.0.0", "Added the optional `entries_read` argument.")],
        ..ON_A_GROUP
    },
    setid,
);

/// Destroys a consumer group.
pub const DESTROY: Command = Command::new(
    Spec {
        name: "DESTROY",
        writes: Writes::OnlyWaits,
        arity: Arity::exactly(4),
        keys: &[KeySpec::one(2, &["RW", "delete"])],
        complexity: "O(N) where N is the number of entries in the group's pending entries list (PEL).",
        summary: "Destroys a consumer group with all that is pending for it.",
        args: &[KEY, NAME],
        ..ON_A_GROUP
    },
    destroy,
);

/// Makes a consumer.
pub const CREATECONSUMER: Command = Command::new(
    Spec {
        name: "CREATECONSUMER",
        writes: Writes::OnlyGroups,
        arity: Arity::exactly(5),
        flags: Flags::WRITE.and(Flags::DENYOOM),
        since: "6.2.0",
        summary: "Creates a consumer in a consumer group.",
        args: &[KEY, NAME, CONSUMER],
        ..ON_A_GROUP
    },
    createconsumer,
);

/// Deletes a consumer.
pub const DELCONSUMER: Command = Command::new(
    Spec {
        name: "DELCONSUMER",
        writes: Writes::OnlyGroups,
        arity: Arity::exactly(5),
        keys: &[KeySpec::one(2, &["RW", "delete"])],
        summary: "Deletes a consumer of a consumer group with all that is pending for it.",
        args: &[KEY, NAME, CONSUMER],
        ..ON_A_GROUP
    },
    delconsumer,
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
    "XGROUP <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CREATE <key> <groupname> <id|$> [option]",
    "    Create a new consumer group. Options are:",
    "    * MKSTREAM",
    "      Create the empty stream if it does not exist.",
    "    * ENTRIESREAD entries_read",
    "      Set the group's entries_read counter (internal use).",
    "CREATECONSUMER <key> <groupname> <consumer>",
    "    Create a new consumer in the specified group.",
    "DELCONSUMER <key> <groupname> <consumer>",
    "    Remove the specified consumer.",
    "DESTROY <key> <groupname>",
    "    Remove the specified group.",
    "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
    "    Set the current group ID and entries_read counter.",
    "HELP",
    "    Prints this help.",
];

/// The options behind an ID.
#[derive(Default)]
struct Options {
    make_stream: bool,
    entries_read: Option<i64>,
}

fn options(args: &Args<'_>, may_make: bool) -> Result<Options, Failure> {
    let (mut options, mut at) = (Options::default(), 5);
    while at < args.len() {
        if may_make && args.is(at, "MKSTREAM") {
            options.make_stream = true;
        } else if at + 1 < args.len() && args.is(at, "ENTRIESREAD") {
            let read = args.integer(at + 1).ok_or(Failure::NOT_INTEGER)?;
            if read < -1 {
                return Err(NEGATIVE_READ);
            }
            options.entries_read = Some(read).filter(|read| *read >= 0);
            at += 1;
        } else {
            return Err(wrong_options(args, "XGROUP"));
        }
        at += 1;
    }
    Ok(options)
}

/// The ID that a group begins behind; `$` is the last one, and `parse` reads others.
fn position(
    args: &Args<'_>,
    stream: Option<&Stream>,
    parse: fn(&[u8], u64) -> Result<StreamId, Failure>,
) -> Result<StreamId, Failure> {
    match args.get(4) {
        b"$" => Ok(stream.map_or(StreamId::MIN, |stream| stream.last_id())),
        text => parse(text, 0),
    }
}

fn create(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let Options { make_stream, entries_read } = options(args, true)?;
    edit(ctx, args, |edit| {
        if edit.view().is_none() && !make_stream {
            return Err(NO_KEY);
        }
        let last = position(args, edit.view(), id::exact)?;
        edit.create();
        if !edit.with(|stream| stream.add_group(args.get(3), last, entries_read)) {
            return Err(BUSY);
        }
        edit.changed(1);
        Ok(())
    })?;
    ctx.reply.ok();
    Ok(())
}

/// Lets `change` edit the stream of argument 2.
fn edit<R>(
    ctx: &mut Ctx<'_>,
    args: &Args<'_>,
    change: impl FnOnce(&mut StreamEdit<'_, '_>) -> Result<R, Failure>,
) -> Result<R, Failure> {
    let now = ctx.now;
    ctx.keyspace().edit_stream(&args.key(2), now, change)?
}

/// Lets `change` edit a stream that is there and has the group of argument 3.
fn edit_group<R>(
    ctx: &mut Ctx<'_>,
    args: &Args<'_>,
    change: impl FnOnce(&mut StreamEdit<'_, '_>) -> Result<R, Failure>,
) -> Result<R, Failure> {
    edit(ctx, args, |edit| {
        let stream = edit.view().ok_or(NO_KEY)?;
        if stream.group(args.get(3)).is_none() {
            return Err(no_such_group(args.get(2), args.get(3)));
        }
        change(edit)
    })
}

fn setid(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let Options { entries_read, .. } = options(args, false)?;
    edit_group(ctx, args, |edit| {
        // Unlike CREATE it takes `-` and `+`.
        let last = position(args, edit.view(), id::open)?;
        edit.with(|stream| {
            stream.with_group(args.get(3), |group, _| {
                (group.last_id, group.entries_read) = (last, entries_read);
            })
        });
        edit.changed(1);
        Ok(())
    })?;
    ctx.reply.ok();
    Ok(())
}

fn destroy(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let destroyed = edit(ctx, args, |edit| {
        edit.view().ok_or(NO_KEY)?;
        Ok(edit.destroy_group(args.get(3)))
    })?;
    ctx.reply.integer(i64::from(destroyed));
    Ok(())
}

fn createconsumer(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let now_ms = ctx.now.unix_ms();
    let made = edit_group(ctx, args, |edit| {
        let made = edit.with(|stream| {
            let make = |group: &mut store::Group| group.ensure_consumer(args.get(4), now_ms).1;
            stream.with_group(args.get(3), |group, _| make(group))
        });
        let made = made == Some(true);
        edit.changed(u64::from(made));
        Ok(made)
    })?;
    ctx.reply.integer(i64::from(made));
    Ok(())
}

fn delconsumer(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let pending = edit_group(ctx, args, |edit| {
        let gone = edit.with(|stream| {
            stream.with_group(args.get(3), |group, _| group.remove_consumer(args.get(4)))
        });
        let gone = gone.flatten();
        edit.changed(u64::from(gone.is_some()));
        Ok(gone.unwrap_or(0))
    })?;
    ctx.reply.integer(pending as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::check::check;

    const NO_KEY: &str = "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.";
    const BAD: &str = "ERR Invalid stream ID specified as stream command argument";

    #[test]
    fn groups_are_made_on_streams() {
        check(
            "XGROUP CREATE x g 0; XGROUP CREATE x g x; XGROUP CREATE x g x MKSTREAM; EXISTS x; XGROUP CREATE x g $ MKSTREAM; TYPE x; XLEN x; XGROUP CREATE x g 0; XGROUP DESTROY x g; XGROUP DESTROY x g; EXISTS x",
            &format!(
                "{NO_KEY}; {NO_KEY}; {BAD}; 0; OK; stream; 0; BUSYGROUP Consumer Group name already exists; 1; 0; 1"
            ),
        );
        check(
            "SET s v; XGROUP CREATE s g 0 MKSTREAM; XGROUP DESTROY s g; XGROUP SETID s g x; XGROUP CREATECONSUMER s g c",
            "OK; WRONGTYPE; WRONGTYPE; WRONGTYPE; WRONGTYPE",
        );
    }

    #[test]
    fn options_are_checked_first() {
        check(
            "XGROUP create x g $ FOO; XGROUP CREATE x g $ MKSTREAM ENTRIESREAD; XGROUP CREATE x g $ ENTRIESREAD x; XGROUP CREATE x g $ ENTRIESREAD -2; XGROUP SETID x g $ MKSTREAM; XGROUP CREATE x g $ ENTRIESREAD -1 MKSTREAM",
            "ERR unknown subcommand or wrong number of arguments for 'create'. Try XGROUP HELP.; ERR unknown subcommand or wrong number of arguments for 'CREATE'. Try XGROUP HELP.; ERR value is not an integer or out of range; ERR value for ENTRIESREAD must be positive or -1; ERR unknown subcommand or wrong number of arguments for 'SETID'. Try XGROUP HELP.; OK",
        );
    }

    #[test]
    fn a_group_can_be_set_back() {
        check(
            "XADD x 1 a b; XADD x 2 a b; XGROUP CREATE x g $; XREADGROUP GROUP g c STREAMS x >; XGROUP SETID x g 1; XREADGROUP GROUP g c STREAMS x >; XGROUP SETID x h 0; XGROUP SETID none g 0; XGROUP SETID x g y; XGROUP SETID x g -; XGROUP CREATE x h -",
            &format!(
                "1-0; 2-0; OK; nil; OK; [[x [[2-0 [a b]]]]]; NOGROUP No such consumer group 'h' for key name 'x'; {NO_KEY}; {BAD}; OK; {BAD}"
            ),
        );
    }

    #[test]
    fn consumers_come_and_go_with_what_is_pending() {
        check(
            "XADD x 1 a b; XADD x 2 a b; XGROUP CREATE x g 0; XGROUP CREATECONSUMER x g c; XGROUP CREATECONSUMER x g c; XREADGROUP GROUP g c STREAMS x >; XGROUP DELCONSUMER x g c; XGROUP DELCONSUMER x g c; XPENDING x g; XGROUP DELCONSUMER x h c; XGROUP CREATECONSUMER none g c",
            &format!(
                "1-0; 2-0; OK; 1; 0; [[x [[1-0 [a b]] [2-0 [a b]]]]]; 2; 0; [0 nil nil nil]; NOGROUP; {NO_KEY}"
            ),
        );
        check(
            "XGROUP CREATE x g 0 MKSTREAM; XGROUP CREATECONSUMER x g a; XGROUP CREATECONSUMER x g b; XGROUP DELCONSUMER x g a; XGROUP CREATECONSUMER x g c; XADD x 1 a b; XREADGROUP GROUP g c STREAMS x >; XPENDING x g",
            "OK; 1; 1; 0; 1; 1-0; [[x [[1-0 [a b]]]]]; [1 1-0 1-0 [[c 1]]]",
        );
    }

    #[test]
    fn unknown_subcommands_are_named() {
        check(
            "XGROUP; XGROUP FOO; XGROUP FOO a b; XGROUP HELP x; XGROUP CREATE x",
            "ERR wrong number of arguments for 'xgroup' command; ERR unknown subcommand 'FOO'. Try XGROUP HELP.; ERR unknown subcommand 'FOO'. Try XGROUP HELP.; ERR wrong number of arguments for 'xgroup|help' command; ERR wrong number of arguments for 'xgroup|create' command",
        );
    }
}
