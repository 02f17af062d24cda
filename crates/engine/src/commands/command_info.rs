//! COMMAND: what commands there are. Everything is derived from the table.

mod docs;
mod keys;
mod shape;

use super::categories::categories;
use super::{Desk, EngineCommand, Next, help};
use crate::table::{Entry, Table};
use command::{Arg, ArgKind, Args, Arity, Failure, Flags, Group, Spec};
use resp::glob;

/// The family's list.
pub const COMMANDS: &[EngineCommand] = &[COMMAND];

/// What the sub-commands share.
const BASE: Spec = Spec {
    arity: Arity::exactly(2),
    flags: Flags::LOADING.and(Flags::STALE),
    group: Group::Server,
    categories: &["@connection"],
    since: "2.8.13",
    ..Spec::NEW
};

const NAMES: &[Arg] = &[Arg::new("command-name", ArgKind::String).optional().multiple()];
const UNORDERED: &[&str] = &["nondeterministic_output_order"];

/// Answers all commands; a container too.
pub const COMMAND: EngineCommand = EngineCommand {
    spec: Spec {
        name: "COMMAND",
        arity: Arity::at_least(1),
        complexity: "O(N) where N is the total number of Redis commands",
        summary: "Returns detailed information about all commands.",
        tips: UNORDERED,
        ..BASE
    },
    subcommands: &[COUNT, DOCS, GETKEYS, GETKEYSANDFLAGS, HELP, INFO, LIST],
    ..EngineCommand::new(Spec::NEW, all)
};

fn all(desk: &mut Desk<'_>, _args: &Args<'_>) -> Result<Next, Failure> {
    let table = desk.core.table.clone();
    desk.reply.array(table.callable().count());
    table.callable().for_each(|(_, entry)| shape::write(&table, entry, &mut desk.reply));
    Ok(Next::Done)
}

/// How many commands there are.
const COUNT: EngineCommand = EngineCommand::new(
    Spec { name: "COUNT", summary: "Returns a count of commands.", ..BASE },
    |desk, _| {
        desk.reply.integer(desk.core.table.callable().count() as i64);
        Ok(Next::Done)
    },
);

/// A command by its name; `config|set` names a sub-command.
fn named<'t>(table: &'t Table, name: &[u8]) -> Option<&'t Entry> {
    match name.iter().position(|byte| *byte == b'|') {
        Some(bar) => table.find_subcommand(table.find(&name[..bar])?, &name[bar + 1..]),
        None => table.find(name),
    }
}

/// Answers some commands, or all.
const INFO: EngineCommand = EngineCommand::new(
    Spec {
        name: "INFO",
        arity: Arity::at_least(2),
        complexity: "O(N) where N is the number of commands to look up",
        summary: "Returns information about one, multiple or all commands.",
        args: NAMES,
        tips: UNORDERED,
        history: &[("7.0.0", "Allowed to be called with no argument to get info on all commands.")],
        ..BASE
    },
    info,
);

fn info(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    if args.len() == 2 {
        return all(desk, args);
    }
    let table = desk.core.table.clone();
    desk.reply.array(args.len() - 2);
    for name in args.from(2) {
        match named(&table, name) {
            Some(entry) => shape::write(&table, entry, &mut desk.reply),
            None => desk.reply.null(),
        }
    }
    Ok(Next::Done)
}

/// Answers the documentation of some commands, or of all.
const DOCS: EngineCommand = EngineCommand::new(
    Spec {
        name: "DOCS",
        arity: Arity::at_least(2),
        since: "7.0.0",
        complexity: "O(N) where N is the number of commands to look up",
        summary: "Returns documentary information about one, multiple or all commands.",
        args: NAMES,
        tips: UNORDERED,
        ..BASE
    },
    docs,
);

fn docs(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    let table = desk.core.table.clone();
    let entries: Vec<&Entry> = match args.len() {
        2 => table.callable().map(|(_, entry)| entry).collect(),
        _ => args.from(2).filter_map(|name| named(&table, name)).collect(),
    };
    desk.reply.map(entries.len());
    entries.iter().for_each(|entry| docs::write(&table, entry, &mut desk.reply));
    Ok(Next::Done)
}

/// Answers names, all of them or those that a filter lets through.
const LIST: EngineCommand = EngineCommand::new(
    Spec {
        name: "LIST",
        arity: Arity::at_least(2),
        since: "7.0.0",
        complexity: "O(N) where N is the total number of Redis commands",
        summary: "Returns a list of command names.",
        args: &[Arg::new(
            "filterby",
            ArgKind::OneOf(&[
                Arg::new("module-name", ArgKind::String).token("MODULE"),
                Arg::new("category", ArgKind::String).token("ACLCAT"),
                Arg::new("pattern", ArgKind::Pattern).token("PATTERN"),
            ]),
        )
        .token("FILTERBY")
        .optional()],
        tips: UNORDERED,
        ..BASE
    },
    list,
);

fn list(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    let table = &desk.core.table;
    let everything = || table.entries().iter();
    let names: Vec<&str> = match args.len() {
        2 => everything().map(|entry| entry.full_name.as_str()).collect(),
        5 if args.is(2, "filterby") && args.is(3, "module") => Vec::new(),
        5 if args.is(2, "filterby") && args.is(3, "aclcat") => {
            let wanted = args.get(4);
            let is_in = |entry: &&Entry| {
                categories(entry.spec)
                    .iter()
                    .any(|name| name.as_bytes()[1..].eq_ignore_ascii_case(wanted))
            };
            everything().filter(is_in).map(|entry| entry.full_name.as_str()).collect()
        }
        5 if args.is(2, "filterby") && args.is(3, "pattern") => everything()
            .map(|entry| entry.full_name.as_str())
            .filter(|name| glob::matches_nocase(args.get(4), name.as_bytes()))
            .collect(),
        _ => return Err(Failure::SYNTAX),
    };
    desk.reply.array(names.len());
    names.iter().for_each(|name| desk.reply.bulk(name.as_bytes()));
    Ok(Next::Done)
}

/// Answers the keys of a whole command.
const GETKEYS: EngineCommand = EngineCommand::new(
    Spec {
        name: "GETKEYS",
        arity: Arity::at_least(4),
        complexity: "O(N) where N is the number of arguments to the command",
        summary: "Extracts the key names from an arbitrary command.",
        ..BASE
    },
    keys::get_keys,
);

/// The same, with what happens to each key.
const GETKEYSANDFLAGS: EngineCommand = EngineCommand::new(
    Spec {
        name: "GETKEYSANDFLAGS",
        arity: Arity::at_least(4),
        since: "7.0.0",
        complexity: "O(N) where N is the number of arguments to the command",
        summary: "Extracts the key names and access flags for an arbitrary command.",
        ..BASE
    },
    keys::get_keys_and_flags,
);

const HELP: EngineCommand = help::command(Spec { since: "5.0.0", ..BASE }, |desk, _| {
    help::write(
        desk,
        "COMMAND",
        &[
            "(no subcommand)",
            "    Return details about all Redis commands.",
            "COUNT",
            "    Return the total number of commands in this Redis server.",
            "LIST",
            "    Return a list of all commands in this Redis server.",
            "INFO [<command-name> ...]",
            "    Return details about multiple Redis commands.",
            "    If no command names are given, documentation details for all",
            "    commands are returned.",
            "DOCS [<command-name> ...]",
            "    Return documentation details about multiple Redis commands.",
            "    If no command names are given, documentation details for all",
            "    commands are returned.",
            "GETKEYS <full-command>",
            "    Return the keys from a full Redis command.",
            "GETKEYSANDFLAGS <full-command>",
            "    Return the keys and the access flags from a full Redis command.",
        ],
    )
});

#[cfg(test)]
mod tests {
    use crate::check::World;

    fn answers(pairs: &[(&str, &str)]) {
        let mut world = World::new(1);
        let client = world.open(0);
        for (words, reply) in pairs {
            assert_eq!(world.ask(client, words), *reply, "{words}");
        }
    }

    #[test]
    fn a_command_is_described_as_redis_does() {
        answers(&[
            (
                "COMMAND INFO nosuch GET config|nosuch get|x",
                "[nil [get 2 [readonly fast] 1 1 1 [@read @string @fast] [] [[flags [RO access] \
                 begin_search [type index spec [index 1]] find_keys [type range spec [lastkey 0 \
                 keystep 1 limit 0]]]] []] nil nil]",
            ),
            (
                "COMMAND INFO config|get",
                "[[config|get -3 [admin noscript loading stale] 0 0 0 [@admin @slow @dangerous] [] \
                 [] []]]",
            ),
        ]);
    }

    #[test]
    fn an_argument_says_since_when_it_is_deprecated() {
        let mut world = World::new(1);
        let client = world.open(0);
        let docs = world.ask(client, "COMMAND DOCS client|kill");
        assert!(docs.contains("name ip:port type string deprecated_since 2.8.12"), "{docs}");
    }

    #[test]
    fn keys_of_whole_commands_are_found() {
        answers(&[
            ("COMMAND GETKEYS get a", "[a]"),
            ("COMMAND GETKEYS mset a 1 b 2", "[a b]"),
            ("COMMAND GETKEYS migrate h 1 \"\" 0 10 keys a b", "[a b]"),
            ("COMMAND GETKEYS migrate h 1 k 0 10", "[k]"),
            (
                "COMMAND GETKEYS migrate h 1 k 0 10 keys a b",
                "(err) ERR Invalid arguments specified for command",
            ),
            ("COMMAND GETKEYS nosuch a", "(err) ERR Invalid command specified"),
            ("COMMAND GETKEYS ping x", "(err) ERR The command has no key arguments"),
            ("COMMAND GETKEYS config get x", "(err) ERR The command has no key arguments"),
            (
                "COMMAND GETKEYS set a",
                "(err) ERR Invalid number of arguments specified for command",
            ),
            (
                "COMMAND GETKEYS get",
                "(err) ERR wrong number of arguments for 'command|getkeys' command",
            ),
            ("COMMAND GETKEYSANDFLAGS set a 1", "[[a [OW update]]]"),
            ("COMMAND GETKEYSANDFLAGS set a 1 get", "[[a [RW access update]]]"),
            ("COMMAND GETKEYSANDFLAGS mset a 1 b 2", "[[a [OW update]] [b [OW update]]]"),
        ]);
    }

    #[test]
    fn lists_are_filtered_by_module_category_and_pattern() {
        answers(&[
            ("COMMAND LIST FILTERBY PATTERN config|re*", "[config|resetstat config|rewrite]"),
            ("COMMAND LIST FILTERBY MODULE x", "[]"),
            ("COMMAND LIST FILTERBY ACLCAT nosuch", "[]"),
            ("COMMAND LIST FILTERBY foo x", "(err) ERR syntax error"),
            ("COMMAND LIST x", "(err) ERR syntax error"),
            ("COMMAND FOO", "(err) ERR unknown subcommand 'FOO'. Try COMMAND HELP."),
            ("COMMAND DOCS nosuch", "[]"),
        ]);
    }

    #[test]
    fn documents_are_maps_with_the_tree_of_arguments() {
        answers(&[(
            "COMMAND DOCS config|get",
            "[config|get [summary Returns the effective values of configuration parameters. since \
             2.0.0 group server complexity O(N) when N is the number of configuration parameters \
             provided history [[7.0.0 Added the ability to pass multiple pattern parameters in one \
             call]] arguments [[name parameter type block flags [multiple] arguments [[name \
             parameter type string]]]]]]",
        )]);
    }
}
