//! HELP of containers: the same frame around each list of lines.

use super::{Desk, EngineCommand, EngineRun, Next};
use command::{Args, Arity, Failure, Flags, Spec};

/// The sub-command HELP of a container; `base` is what the container's sub-commands share.
pub const fn command(base: Spec, run: EngineRun) -> EngineCommand {
    let spec = Spec {
        name: "HELP",
        arity: Arity::exactly(2),
        flags: Flags::LOADING.and(Flags::STALE),
        summary: "Returns helpful text about the different subcommands.",
        tips: &[],
        ..base
    };
    EngineCommand::new(spec, run)
}

/// Writes the help of the container `name`: a heading, the lines, and the lines about HELP itself.
pub fn write(desk: &mut Desk<'_>, name: &str, lines: &[&str]) -> Result<Next, Failure> {
    let heading = format!("{name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    desk.reply.array(lines.len() + 3);
    desk.reply.simple(&heading);
    lines.iter().for_each(|line| desk.reply.simple(line));
    desk.reply.simple("HELP");
    desk.reply.simple("    Prints this help.");
    Ok(Next::Done)
}

/// A sub-command that is known but whose arguments are too many or too odd.
pub fn unknown(container: &str, args: &Args<'_>) -> Failure {
    const ECHO_BYTES_MAX: usize = 128;
    let sub = args.get(1);
    Failure::quoting(
        "ERR unknown subcommand or wrong number of arguments for '",
        &sub[..sub.len().min(ECHO_BYTES_MAX)],
        &format!("'. Try {container} HELP."),
    )
}
