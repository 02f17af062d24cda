//! EVAL, FCALL and their kin: what clients are told of them and which keys they name. Their run is the engine's business,
//! which knows them by [`Flags::SCRIPT`]; the functions here are never called.

use crate::spec::{Arg, Arity, Command, Fanout, Flags, Group, KeySpec, Spec};
use crate::{Args, Ctx, Failure};

/// The family's list.
pub const COMMANDS: &[Command] = &[EVAL, EVALSHA, EVAL_RO, EVALSHA_RO, FCALL, FCALL_RO];

const FLAGS: Flags = Flags::NOSCRIPT
    .and(Flags::STALE)
    .and(Flags::SKIP_MONITOR)
    .and(Flags::NO_MANDATORY_KEYS)
    .and(Flags::MOVABLEKEYS)
    .and(Flags::SCRIPT);

/// The keys that follow their count, which is argument 2.
const fn counted(flags: &'static [&'static str], notes: &'static str) -> KeySpec {
    KeySpec { notes, ..KeySpec::counted(2, flags) }
}

const WRITTEN: &[&str] = &["RW", "access", "update"];
const READ: &[&str] = &["RO", "access"];
const WRITTEN_NOTES: &str =
    "We cannot tell how the keys will be used so we assume the worst, RW and UPDATE";
const READ_NOTES: &str =
    "We cannot tell how the keys will be used so we assume the worst, RO and ACCESS";

/// What all of them take behind what they run.
const COUNT: Arg = Arg::integer("numkeys");
const KEYS: Arg = Arg::key("key", 0).optional().multiple();
const REST: Arg = Arg::string("arg").optional().multiple();

const SCRIPT: Spec = Spec {
    arity: Arity::at_least(3),
    flags: FLAGS,
    fanout: Fanout::Loan,
    group: Group::Scripting,
    since: "2.6.0",
    complexity: "Depends on the script that is executed.",
    ..Spec::NEW
};

const READING: Spec = Spec { flags: FLAGS.and(Flags::READONLY), since: "7.0.0", ..SCRIPT };

/// Runs a script that comes with the command.
pub const EVAL: Command = Command::new(
    Spec {
        name: "EVAL",
        keys: &[counted(WRITTEN, WRITTEN_NOTES)],
        summary: "Runs a Lua script.",
        args: &[Arg::string("script"), COUNT, KEYS, REST],
        ..SCRIPT
    },
    elsewhere,
);

/// Runs a script that the server has, by its name.
pub const EVALSHA: Command = Command::new(
    Spec {
        name: "EVALSHA",
        keys: &[counted(WRITTEN, "")],
        summary: "Runs a Lua script that the server knows, named by its SHA1 digest.",
        args: &[Arg::string("sha1"), COUNT, KEYS, REST],
        ..SCRIPT
    },
    elsewhere,
);

/// EVAL of a script that may not write.
pub const EVAL_RO: Command = Command::new(
    Spec {
        name: "EVAL_RO",
        keys: &[counted(READ, READ_NOTES)],
        summary: "Runs a Lua script that only reads.",
        args: &[Arg::string("script"), COUNT, KEYS, REST],
        ..READING
    },
    elsewhere,
);

/// EVALSHA of a script that may not write.
pub const EVALSHA_RO: Command = Command::new(
    Spec {
        name: "EVALSHA_RO",
        keys: &[counted(READ, "")],
        summary: "Runs a Lua script that only reads and that the server knows, named by its SHA1 digest.",
        args: &[Arg::string("sha1"), COUNT, KEYS, REST],
        ..READING
    },
    elsewhere,
);

/// Calls a function of a library.
pub const FCALL: Command = Command::new(
    Spec {
        name: "FCALL",
        keys: &[counted(WRITTEN, WRITTEN_NOTES)],
        since: "7.0.0",
        complexity: "Depends on the function that is executed.",
        summary: "Calls a function of a loaded library.",
        args: &[Arg::string("function"), COUNT, KEYS, REST],
        ..SCRIPT
    },
    elsewhere,
);

/// Calls a function of a library that may not write.
pub const FCALL_RO: Command = Command::new(
    Spec {
        name: "FCALL_RO",
        keys: &[counted(READ, READ_NOTES)],
        complexity: "Depends on the function that is executed.",
        summary: "Calls a function of a loaded library that only reads.",
        args: &[Arg::string("function"), COUNT, KEYS, REST],
        ..READING
    },
    elsewhere,
);

/// Never called: the engine takes what has [`Flags::SCRIPT`] to its Lua state before it looks here.
fn elsewhere(_ctx: &mut Ctx<'_>, _args: &Args<'_>) -> Result<(), Failure> {
    Err(Failure::SYNTAX)
}
