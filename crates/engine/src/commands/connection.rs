//! Commands that touch only their own connection.

use super::{Desk, EngineCommand, Next};
use command::{Args, Arity, Failure, Flags, Group, Spec};

/// The family's list.
pub const COMMANDS: &[EngineCommand] = &[PING, ECHO, SELECT, QUIT];

const ANYTIME: Flags = Flags::FAST.and(Flags::LOADING).and(Flags::STALE);

/// Answers PONG, or its argument.
pub const PING: EngineCommand = EngineCommand::new(
    Spec {
        name: "PING",
        arity: Arity::at_least(1),
        flags: Flags::FAST.and(Flags::SUBSCRIBED),
        group: Group::Connection,
        summary: "Returns the server's liveliness response.",
        ..Spec::NEW
    },
    ping,
);

fn ping(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    match args.len() {
        1 => desk.reply.simple("PONG"),
        2 => desk.reply.bulk(args.get(1)),
        _ => return Err(Failure::wrong_arity("ping")),
    }
    Ok(Next::Done)
}

/// Answers its argument.
pub const ECHO: EngineCommand = EngineCommand::new(
    Spec {
        name: "ECHO",
        arity: Arity::exactly(2),
        flags: ANYTIME,
        group: Group::Connection,
        summary: "Returns the given string.",
        ..Spec::NEW
    },
    echo,
);

fn echo(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    desk.reply.bulk(args.get(1));
    Ok(Next::Done)
}

/// Changes the database.
pub const SELECT: EngineCommand = EngineCommand::new(
    Spec {
        name: "SELECT",
        arity: Arity::exactly(2),
        flags: ANYTIME,
        group: Group::Connection,
        summary: "Changes the selected database.",
        ..Spec::NEW
    },
    select,
);

fn select(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    let index = args.integer(1).ok_or(Failure::NOT_INTEGER)?;
    if desk.session.peer.cluster_face && index != 0 {
        return Err(Failure::new("ERR SELECT is not allowed in cluster mode"));
    }
    let databases = desk.core.settings.int(base::settings::DATABASES);
    if !(0..databases).contains(&index) {
        return Err(Failure::new("ERR DB index is out of range"));
    }
    desk.session.db = index as u8;
    desk.reply.ok();
    Ok(Next::Done)
}

/// Says goodbye.
pub const QUIT: EngineCommand = EngineCommand::new(
    Spec {
        name: "QUIT",
        arity: Arity::at_least(1),
        flags: ANYTIME
            .and(Flags::NOSCRIPT)
            .and(Flags::NO_AUTH)
            .and(Flags::ALLOW_BUSY)
            .and(Flags::SUBSCRIBED),
        group: Group::Connection,
        summary: "Closes the connection.",
        ..Spec::NEW
    },
    quit,
);

fn quit(desk: &mut Desk<'_>, _args: &Args<'_>) -> Result<Next, Failure> {
    desk.reply.ok();
    Ok(Next::Close)
}
