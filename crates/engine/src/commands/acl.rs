//! ACL, as far as there is one user: `default`, who may do everything, with or without a password.

use super::categories::{ALL, categories};
use super::client::{ADMIN, HELP_FLAGS, OWN};
use super::connection_auth::{DEFAULT_USER, password_digest};
use super::{Desk, EngineCommand, Next, help};
use crate::core::Core;
use base::settings;
use command::{Arg, ArgKind, Args, Arity, Failure, Group, Spec};
use sha2::{Digest, Sha256};

/// The family's list.
pub const COMMANDS: &[EngineCommand] = &[ACL];

/// The container.
pub const ACL: EngineCommand = EngineCommand {
    spec: Spec {
        name: "ACL",
        arity: Arity::at_least(2),
        group: Group::Server,
        since: "6.0.0",
        complexity: "Depends on subcommand.",
        summary: "A container for Access List Control commands ",
        ..Spec::NEW
    },
    subcommands: &[
        CAT, DELUSER, DRYRUN, GENPASS, GETUSER, HELP, LIST, LOAD, LOG, SAVE, SETUSER, USERS, WHOAMI,
    ],
    ..EngineCommand::container()
};

/// Bits of the longest password that GENPASS makes.
const PASSWORD_BITS_MAX: i64 = 4096;

/// Bits of a password when GENPASS is not told.
const PASSWORD_BITS: i64 = 256;

const ONE_USER: Failure =
    Failure::new("ERR Users beside 'default' are not available on this server");

const NO_FILE: Failure = Failure::new(concat!(
    "ERR This Redis instance is not configured to use an ACL file. You may want to specify users ",
    "via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis ",
    "configuration file set) in order to store users in the Redis configuration."
));

/// The password of the default user as its digest, if it has one.
fn digest(core: &Core) -> Option<String> {
    let password = core.settings.text(settings::REQUIREPASS);
    (!password.is_empty()).then(|| password_digest(password))
}

/// Who the connection is.
pub const WHOAMI: EngineCommand = EngineCommand::new(
    Spec {
        name: "WHOAMI",
        arity: Arity::exactly(2),
        flags: OWN,
        group: Group::Server,
        since: "6.0.0",
        summary: "Return the name of the user associated to the current connection",
        ..Spec::NEW
    },
    whoami,
);

fn whoami(desk: &mut Desk<'_>, _args: &Args<'_>) -> Result<Next, Failure> {
    desk.reply.bulk(DEFAULT_USER.as_bytes());
    Ok(Next::Done)
}

/// Names the users.
pub const USERS: EngineCommand = EngineCommand::new(
    Spec {
        name: "USERS",
        arity: Arity::exactly(2),
        flags: ADMIN,
        group: Group::Server,
        since: "6.0.0",
        complexity: "O(N). Where N is the number of configured users.",
        summary: "List the username of all the configured ACL rules",
        ..Spec::NEW
    },
    users,
);

fn users(desk: &mut Desk<'_>, _args: &Args<'_>) -> Result<Next, Failure> {
    desk.reply.array(1);
    desk.reply.bulk(DEFAULT_USER.as_bytes());
    Ok(Next::Done)
}

/// Describes the users as lines of a configuration.
pub const LIST: EngineCommand = EngineCommand::new(
    Spec {
        name: "LIST",
        arity: Arity::exactly(2),
        flags: ADMIN,
        group: Group::Server,
        since: "6.0.0",
        complexity: "O(N). Where N is the number of configured users.",
        summary: "List the current ACL rules in ACL config file format",
        ..Spec::NEW
    },
    list,
);

fn list(desk: &mut Desk<'_>, _args: &Args<'_>) -> Result<Next, Failure> {
    let password = digest(desk.core).map_or("nopass".to_owned(), |digest| format!("#{digest}"));
    desk.reply.array(1);
    desk.reply.bulk(format!("user {DEFAULT_USER} on {password} ~* &* +@all").as_bytes());
    Ok(Next::Done)
}

/// Describes one user.
pub const GETUSER: EngineCommand = EngineCommand::new(
    Spec {
        name: "GETUSER",
        arity: Arity::exactly(3),
        flags: ADMIN,
        group: Group::Server,
        since: "6.0.0",
        complexity: "O(N). Where N is the number of password, command and pattern rules that the user has.",
        summary: "Get the rules for a specific ACL user",
        args: &[Arg::new("username", ArgKind::String)],
        history: &[
            ("6.2.0", "Added Pub/Sub channel patterns."),
            (
                "7.0.0",
                "Added selectors and changed the format of key and channel patterns from a list to their rule representation.",
            ),
        ],
        ..Spec::NEW
    },
    getuser,
);

fn getuser(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    let reply = &mut desk.reply;
    if args.get(2) != DEFAULT_USER.as_bytes() {
        reply.null();
        return Ok(Next::Done);
    }
    let digest = digest(desk.core);
    reply.map(6);
    reply.bulk(b"flags");
    reply.set(if digest.is_none() { 2 } else { 1 });
    reply.bulk(b"on");
    if digest.is_none() {
        reply.bulk(b"nopass");
    }
    reply.bulk(b"passwords");
    reply.array(digest.iter().len());
    digest.iter().for_each(|digest| reply.bulk(digest.as_bytes()));
    for (name, rule) in [("commands", "+@all"), ("keys", "~*"), ("channels", "&*")] {
        reply.bulk(name.as_bytes());
        reply.bulk(rule.as_bytes());
    }
    reply.bulk(b"selectors");
    reply.array(0);
    Ok(Next::Done)
}

/// Names the categories, or the commands of one.
pub const CAT: EngineCommand = EngineCommand::new(
    Spec {
        name: "CAT",
        arity: Arity::at_least(2),
        flags: OWN,
        group: Group::Server,
        since: "6.0.0",
        complexity: "O(1) since the categories and commands are a fixed set.",
        summary: "List the ACL categories or the commands inside a category",
        args: &[Arg::new("categoryname", ArgKind::String).optional()],
        ..Spec::NEW
    },
    cat,
);

fn cat(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    match args.len() {
        2 => {
            desk.reply.array(ALL.len());
            ALL.iter().for_each(|name| desk.reply.bulk(&name.as_bytes()[1..]));
        }
        3 => {
            let wanted = args.get(2).to_ascii_lowercase();
            let Some(known) = ALL.iter().find(|name| name.as_bytes()[1..] == wanted) else {
                return Err(Failure::quoting("ERR Unknown category '", args.get(2), "'"));
            };
            let entries = desk.core.table.entries().iter();
            let members = entries.filter(|entry| categories(entry.spec).contains(known));
            let names: Vec<&str> = members.map(|entry| entry.full_name.as_str()).collect();
            desk.reply.array(names.len());
            names.iter().for_each(|name| desk.reply.bulk(name.as_bytes()));
        }
        _ => return Err(help::unknown("ACL", args)),
    }
    Ok(Next::Done)
}

/// Makes a password up.
pub const GENPASS: EngineCommand = EngineCommand::new(
    Spec {
        name: "GENPASS",
        arity: Arity::at_least(2),
        flags: OWN,
        group: Group::Server,
        since: "6.0.0",
        summary: "Generate a pseudorandom secure password to use for ACL users",
        args: &[Arg::new("bits", ArgKind::Integer).optional()],
        ..Spec::NEW
    },
    genpass,
);

fn genpass(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    if args.len() > 3 {
        return Err(help::unknown("ACL", args));
    }
    let bits = match args.len() {
        2 => PASSWORD_BITS,
        _ => args.integer(2).ok_or(Failure::NOT_INTEGER)?,
    };
    if !(1..=PASSWORD_BITS_MAX).contains(&bits) {
        return Err(Failure::new(concat!(
            "ERR ACL GENPASS argument must be the number of bits for the output password, ",
            "a positive number up to 4096"
        )));
    }
    let digits = (bits as usize).div_ceil(4);
    desk.reply.bulk(secret(desk.core, digits).as_bytes());
    Ok(Next::Done)
}

/// Hexadecimal digits that nobody can guess: SHA-256 over the seeds of the process, which came from
/// the kernel's generator and are never shown, and a counter. An engine reads no randomness of
/// its own, so a simulated run repeats them too.
fn secret(core: &mut Core, digits: usize) -> String {
    let mut text = String::new();
    while text.len() < digits {
        let mut hash = Sha256::new();
        for part in [core.hash_seed, core.prng.next_u64(), core.prng.next_u64()] {
            hash.update(part.to_le_bytes());
        }
        hash.update((text.len() as u64).to_le_bytes());
        text.extend(hash.finalize().iter().map(|byte| format!("{byte:02x}")));
    }
    text.truncate(digits);
    text
}

/// Makes or changes a user.
pub const SETUSER: EngineCommand = EngineCommand::new(
    Spec {
        name: "SETUSER",
        arity: Arity::at_least(3),
        flags: ADMIN,
        group: Group::Server,
        since: "6.0.0",
        complexity: "O(N). Where N is the number of rules provided.",
        summary: "Modify or create the rules for a specific ACL user",
        args: &[
            Arg::new("username", ArgKind::String),
            Arg::new("rule", ArgKind::String).optional().multiple(),
        ],
        history: &[
            ("6.2.0", "Added Pub/Sub channel patterns."),
            ("7.0.0", "Added selectors and key based permissions."),
        ],
        ..Spec::NEW
    },
    setuser,
);

/// A user that stays as it is, is what Redis answers OK to.
fn setuser(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    if args.get(2) != DEFAULT_USER.as_bytes() || args.len() > 3 {
        return Err(ONE_USER);
    }
    desk.reply.ok();
    Ok(Next::Done)
}

/// Deletes users.
pub const DELUSER: EngineCommand = EngineCommand::new(
    Spec {
        name: "DELUSER",
        arity: Arity::at_least(3),
        flags: ADMIN,
        group: Group::Server,
        since: "6.0.0",
        complexity: "O(1) amortized time considering the typical user.",
        summary: "Remove the specified ACL users and the associated rules",
        args: &[Arg::new("username", ArgKind::String).multiple()],
        ..Spec::NEW
    },
    deluser,
);

fn deluser(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    if args.from(2).any(|user| user == DEFAULT_USER.as_bytes()) {
        return Err(Failure::new("ERR The 'default' user cannot be removed"));
    }
    desk.reply.integer(0);
    Ok(Next::Done)
}

/// Whether a user may run a command.
pub const DRYRUN: EngineCommand = EngineCommand::new(
    Spec {
        name: "DRYRUN",
        arity: Arity::at_least(4),
        flags: ADMIN,
        group: Group::Server,
        since: "7.0.0",
        complexity: "O(1).",
        summary: "Returns whether the user can execute the given command without executing the command.",
        args: &[
            Arg::new("username", ArgKind::String),
            Arg::new("command", ArgKind::String),
            Arg::new("arg", ArgKind::String).optional().multiple(),
        ],
        ..Spec::NEW
    },
    dryrun,
);

fn dryrun(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    if args.get(2) != DEFAULT_USER.as_bytes() {
        return Err(Failure::quoting("ERR User '", args.get(2), "' not found"));
    }
    let table = &desk.core.table;
    let mut entry = table.find(args.get(3));
    if let (Some(container), Some(sub)) = (entry, args.try_get(4))
        && !container.subcommands.is_empty()
    {
        entry = table.find_subcommand(container, sub);
    }
    let Some(entry) = entry else {
        return Err(Failure::quoting("ERR Command '", args.get(3), "' not found"));
    };
    if !entry.spec.arity.fits(args.len() - 3) {
        return Err(Failure::wrong_arity(&entry.full_name));
    }
    desk.reply.ok();
    Ok(Next::Done)
}

/// What was refused because of access rights: nothing ever is.
pub const LOG: EngineCommand = EngineCommand::new(
    Spec {
        name: "LOG",
        arity: Arity::at_least(2),
        flags: ADMIN,
        group: Group::Server,
        since: "6.0.0",
        complexity: "O(N) with N being the number of entries shown.",
        summary: "List latest events denied because of ACLs in place",
        args: &[Arg::new(
            "operation",
            ArgKind::OneOf(&[Arg::new("count", ArgKind::Integer), Arg::word("reset", "RESET")]),
        )
        .optional()],
        ..Spec::NEW
    },
    log,
);

fn log(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    match args.len() {
        3 if args.is(2, "RESET") => desk.reply.ok(),
        2 => desk.reply.array(0),
        3 => {
            args.integer(2).ok_or(Failure::NOT_INTEGER)?;
            desk.reply.array(0);
        }
        _ => return Err(help::unknown("ACL", args)),
    }
    Ok(Next::Done)
}

/// Reads users from a file.
pub const LOAD: EngineCommand = EngineCommand::new(
    Spec {
        name: "LOAD",
        arity: Arity::exactly(2),
        flags: ADMIN,
        group: Group::Server,
        since: "6.0.0",
        complexity: "O(N). Where N is the number of configured users.",
        summary: "Reload the ACLs from the configured ACL file",
        ..Spec::NEW
    },
    no_file,
);

/// Writes users to a file.
pub const SAVE: EngineCommand = EngineCommand::new(
    Spec {
        name: "SAVE",
        arity: Arity::exactly(2),
        flags: ADMIN,
        group: Group::Server,
        since: "6.0.0",
        complexity: "O(N). Where N is the number of configured users.",
        summary: "Save the current ACL rules in the configured ACL file",
        ..Spec::NEW
    },
    no_file,
);

fn no_file(_desk: &mut Desk<'_>, _args: &Args<'_>) -> Result<Next, Failure> {
    Err(NO_FILE)
}

/// Explains the sub-commands.
pub const HELP: EngineCommand = EngineCommand::new(
    Spec {
        name: "HELP",
        arity: Arity::exactly(2),
        flags: HELP_FLAGS,
        group: Group::Server,
        since: "6.0.0",
        summary: "Show helpful text about the different subcommands",
        ..Spec::NEW
    },
    explain,
);

fn explain(desk: &mut Desk<'_>, _args: &Args<'_>) -> Result<Next, Failure> {
    help::write(desk, "ACL", HELP_LINES)
}

const HELP_LINES: &[&str] = &[
    "CAT [<category>]",
    "    List all commands that belong to <category>, or all command categories",
    "    when no category is specified.",
    "DELUSER <username> [<username> ...]",
    "    Delete a list of users.",
    "DRYRUN <username> <command> [<arg> ...]",
    "    Returns whether the user can execute the given command without executing the command.",
    "GETUSER <username>",
    "    Get the user's details.",
    "GENPASS [<bits>]",
    "    Generate a secure 256-bit user password. The optional `bits` argument can",
    "    be used to specify a different size.",
    "LIST",
    "    Show users details in config file format.",
    "LOAD",
    "    Reload users from the ACL file.",
    "LOG [<count> | RESET]",
    "    Show the ACL log entries.",
    "SAVE",
    "    Save the current config to the ACL file.",
    "SETUSER <username> <attribute> [<attribute> ...]",
    "    Create or modify a user with the specified attributes.",
    "USERS",
    "    List all the registered usernames.",
    "WHOAMI",
    "    Return the current connection username.",
];

#[cfg(test)]
mod tests {
    use crate::check::{World, check};

    const ON: &str = "user default on";

    #[test]
    fn the_default_user_is_described_with_and_without_a_password() {
        check(
            "ACL WHOAMI; ACL USERS; ACL LIST; ACL GETUSER default; ACL GETUSER x",
            &[
                "default",
                "[default]",
                &format!("[{ON} nopass ~* &* +@all]"),
                "[flags [on nopass] passwords [] commands +@all keys ~* channels &* selectors []]",
                "nil",
            ],
        );
        let mut world = World::with(1, &[("requirepass", "foo")]);
        let client = world.open(0);
        world.ask(client, "AUTH foo");
        let digest = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
        assert_eq!(world.ask(client, "ACL LIST"), format!("[{ON} #{digest} ~* &* +@all]"));
        assert!(
            world
                .ask(client, "ACL GETUSER default")
                .contains(&format!("[on] passwords [{digest}]"))
        );
    }

    #[test]
    fn passwords_are_made_in_the_length_asked_for_and_differ() {
        let mut world = World::new(1);
        let client = world.open(0);
        let first = world.ask(client, "ACL GENPASS");
        assert_eq!(first.len(), 64);
        assert_ne!(first, world.ask(client, "ACL GENPASS"));
        assert_eq!(world.ask(client, "ACL GENPASS 5").len(), 2);
        assert_eq!(world.ask(client, "ACL GENPASS 4096").len(), 1024);
        let text = "(err) ERR ACL GENPASS argument must be the number of bits for the output \
                    password, a positive number up to 4096";
        assert_eq!(world.ask(client, "ACL GENPASS 0"), text);
        assert_eq!(world.ask(client, "ACL GENPASS 4097"), text);
    }

    #[test]
    fn what_is_about_other_users_gets_redis_texts() {
        check(
            "ACL CAT x; ACL CAT a b; ACL LOG; ACL LOG x; ACL LOG RESET; ACL DELUSER default; ACL DELUSER x; \
             ACL DRYRUN default get x; ACL DRYRUN x get; ACL DRYRUN default foo; ACL DRYRUN default get",
            &[
                "(err) ERR Unknown category 'x'",
                "(err) ERR unknown subcommand or wrong number of arguments for 'CAT'. Try ACL HELP.",
                "[]",
                "(err) ERR value is not an integer or out of range",
                "OK",
                "(err) ERR The 'default' user cannot be removed",
                "0",
                "OK",
                "(err) ERR User 'x' not found",
                "(err) ERR Command 'foo' not found",
                "(err) ERR wrong number of arguments for 'get' command",
            ],
        );
    }

    #[test]
    fn categories_list_their_commands() {
        let mut world = World::new(1);
        let client = world.open(0);
        let all = "[keyspace read write set sortedset list hash string bitmap hyperloglog geo stream \
                   pubsub admin fast slow blocking dangerous connection transaction scripting]";
        assert_eq!(world.ask(client, "ACL CAT"), all);
        let connection = world.ask(client, "ACL CAT connection");
        for name in ["auth", "hello", "client|kill", "asking", "readonly"] {
            assert!(connection.contains(name), "{name}");
        }
        let members: Vec<&str> = connection.trim_matches(['[', ']']).split(' ').collect();
        assert!(!members.contains(&"client"), "the container has only @slow");
    }
}
