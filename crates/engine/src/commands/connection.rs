//! Commands that touch only their own connection: PING, ECHO, SELECT, QUIT, RESET. AUTH and HELLO
//! are next door in `connection_auth.rs`.

use super::connection_auth::{AUTH, HELLO};
use super::{Desk, EngineCommand, Next, monitor};
use command::{Arg, ArgKind, Args, Arity, Failure, Flags, Group, Spec};

/// The family's list.
pub const COMMANDS: &[EngineCommand] = &[AUTH, ECHO, HELLO, PING, QUIT, RESET, SELECT];

/// What a connection from elsewhere is told, whole, before it is closed in protected mode.
pub const PROTECTED_MODE_REFUSAL: &str = concat!(
    "-DENIED Redis is running in protected mode because protected mode is enabled and no password ",
    "is set for the default user. In this mode connections are only accepted from the loopback ",
    "interface. If you want to connect from external computers to Redis you may adopt one of the ",
    "following solutions: 1) Just disable protected mode sending the command 'CONFIG SET ",
    "protected-mode no' from the loopback interface by connecting to Redis from the same host the ",
    "server is running, however MAKE SURE Redis is not publicly accessible from internet if you do ",
    "so. Use CONFIG REWRITE to make this change permanent. 2) Alternatively you can just disable ",
    "the protected mode by editing the Redis configuration file, and setting the protected mode ",
    "option to 'no', and then restarting the server. 3) If you started the server manually just ",
    "for testing, restart it with the '--protected-mode no' option. 4) Setup a an authentication ",
    "password for the default user. NOTE: You only need to do one of the above things in order for ",
    "the server to start accepting connections from the outside.\r\n",
);

/// What a connection over `maxclients` is told, whole, before it is closed.
pub const MAXCLIENTS_REFUSAL: &str = "-ERR max number of clients reached\r\n";

/// Answers PONG, or its argument.
pub const PING: EngineCommand = EngineCommand::new(
    Spec {
        name: "PING",
        arity: Arity::at_least(1),
        flags: Flags::FAST.and(Flags::SUBSCRIBED),
        group: Group::Connection,
        since: "1.0.0",
        summary: "Ping the server",
        args: &[Arg::new("message", ArgKind::String).optional()],
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
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
        flags: Flags::FAST.and(Flags::LOADING).and(Flags::STALE),
        group: Group::Connection,
        since: "1.0.0",
        summary: "Echo the given string",
        args: &[Arg::new("message", ArgKind::String)],
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
        flags: Flags::FAST.and(Flags::LOADING).and(Flags::STALE),
        group: Group::Connection,
        since: "1.0.0",
        summary: "Change the selected database for the current connection",
        args: &[Arg::new("index", ArgKind::Integer)],
        ..Spec::NEW
    },
    select,
);

fn select(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    let index = args.integer(1).ok_or(Failure::NOT_INTEGER)?;
    if i32::try_from(index).is_err() {
        return Err(Failure::new(
            "ERR value is out of range, value must between -2147483648 and 2147483647",
        ));
    }
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
        flags: Flags::ALLOW_BUSY
            .and(Flags::AT_ONCE)
            .and(Flags::FAST)
            .and(Flags::LOADING)
            .and(Flags::NO_AUTH)
            .and(Flags::NOSCRIPT)
            .and(Flags::STALE)
            .and(Flags::SUBSCRIBED),
        group: Group::Connection,
        since: "1.0.0",
        summary: "Close the connection",
        ..Spec::NEW
    },
    quit,
);

fn quit(desk: &mut Desk<'_>, _args: &Args<'_>) -> Result<Next, Failure> {
    desk.reply.ok();
    Ok(Next::Close)
}

/// Makes the connection what it was when it was opened, but for its library's name.
pub const RESET: EngineCommand = EngineCommand::new(
    Spec {
        name: "RESET",
        arity: Arity::exactly(1),
        flags: Flags::ALLOW_BUSY
            .and(Flags::AT_ONCE)
            .and(Flags::FAST)
            .and(Flags::LOADING)
            .and(Flags::NO_AUTH)
            .and(Flags::NOSCRIPT)
            .and(Flags::STALE)
            .and(Flags::SUBSCRIBED),
        group: Group::Connection,
        since: "6.2.0",
        summary: "Reset the connection",
        ..Spec::NEW
    },
    reset,
);

fn reset(desk: &mut Desk<'_>, _args: &Args<'_>) -> Result<Next, Failure> {
    let needs_password = !desk.core.settings.text(base::settings::REQUIREPASS).is_empty();
    let watched = desk.session.is_monitor();
    desk.session.reset(needs_password);
    if watched && let Some(query) = monitor::left(desk.core) {
        return Ok(Next::Ask(query));
    }
    desk.reply.simple("RESET");
    Ok(Next::Unwatch)
}

#[cfg(test)]
mod tests {
    use crate::check::{World, check};

    #[test]
    fn ping_and_echo_answer_as_redis_does() {
        check(
            "PING; PING hi; PING a b; ECHO x; ECHO",
            &[
                "PONG",
                "hi",
                "(err) ERR wrong number of arguments for 'ping' command",
                "x",
                "(err) ERR wrong number of arguments for 'echo' command",
            ],
        );
    }

    #[test]
    fn select_tells_bad_indexes_apart() {
        check(
            "SELECT 15; SELECT 16; SELECT -1; SELECT a; SELECT 4294967296",
            &[
                "OK",
                "(err) ERR DB index is out of range",
                "(err) ERR DB index is out of range",
                "(err) ERR value is not an integer or out of range",
                "(err) ERR value is out of range, value must between -2147483648 and 2147483647",
            ],
        );
    }

    #[test]
    fn databases_hold_different_keys_on_every_core() {
        let mut world = World::new(2);
        let client = world.open(0);
        for key in ["a", "b", "c", "d"] {
            assert_eq!(world.ask(client, &format!("SET {key} zero")), "OK");
            assert_eq!(world.ask(client, "SELECT 3"), "OK");
            assert_eq!(world.ask(client, &format!("GET {key}")), "nil");
            assert_eq!(world.ask(client, "SELECT 0"), "OK");
            assert_eq!(world.ask(client, &format!("GET {key}")), "zero");
        }
    }

    #[test]
    fn the_cluster_face_has_one_database() {
        let mut world = World::new(1);
        let client = world.open_cluster(0);
        assert_eq!(world.ask(client, "SELECT 0"), "OK");
        let text = "(err) ERR SELECT is not allowed in cluster mode";
        assert_eq!(world.ask(client, "SELECT 1"), text);
    }

    #[test]
    fn quit_answers_and_closes_and_what_follows_is_not_executed() {
        let mut world = World::new(1);
        let client = world.open(0);
        assert_eq!(world.feed(client, b"QUIT\r\nPING\r\n"), b"+OK\r\n");
        assert!(world.is_closed(client));
    }

    #[test]
    fn reset_goes_back_to_the_beginning() {
        let mut world = World::new(1);
        let client = world.open(0);
        world.ask(client, "SELECT 2");
        world.ask(client, "CLIENT SETNAME me");
        world.ask(client, "HELLO 3");
        assert_eq!(world.ask(client, "RESET"), "RESET");
        assert_eq!(world.ask(client, "CLIENT GETNAME"), "nil");
        let info = world.ask(client, "CLIENT INFO");
        assert!(info.contains(" db=0 ") && info.contains(" resp=2 "), "{info}");
    }

    #[test]
    fn the_refusal_texts_are_single_error_lines() {
        for text in [super::PROTECTED_MODE_REFUSAL, super::MAXCLIENTS_REFUSAL] {
            assert!(text.starts_with('-') && text.ends_with("\r\n"));
            assert_eq!(text.matches('\n').count(), 1);
        }
    }
}
