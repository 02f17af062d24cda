//! AUTH and HELLO: who a client is and what it speaks.
//!
//! There is one user, `default`; its password is `requirepass`. Passwords are compared by their
//! SHA-256, all 32 bytes of it, so that the time taken tells nothing about how much of a guess was
//! right. A wrong one changes nothing, whoever the client was before.

use super::client::set_name;
use super::{Desk, EngineCommand, Next};
use crate::core::Core;
use crate::session::Session;
use crate::session::client::Gates;
use base::settings;
use command::{Arg, ArgKind, Args, Arity, Failure, Flags, Group, Spec};
use resp::write::{Protocol, Writer};
use sha2::{Digest, Sha256};

/// The version of Redis that clients are told they speak to.
pub const REDIS_VERSION: &str = "7.2.4";

/// The only user there is.
pub const DEFAULT_USER: &str = "default";

const WRONG_PASSWORD: Failure =
    Failure::new("WRONGPASS invalid username-password pair or user is disabled.");

const NO_PASSWORD_SET: Failure = Failure::new(concat!(
    "ERR AUTH <password> called without any password configured for the default user. ",
    "Are you sure your configuration is correct?"
));

/// The answer to HELLO from a client that should have authenticated.
const HELLO_NEEDS_AUTH: Failure = Failure::new(concat!(
    "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO ",
    "AUTH <user> <pass> option can be used to authenticate the client and select the RESP ",
    "protocol version at the same time"
));

/// Whether this client may do nothing before it has authenticated. A password that was taken
/// away since it came no longer stands in its way.
pub(crate) fn must_authenticate(session: &Session, core: &Core) -> bool {
    session.gates.any(Gates::AUTH) && !core.settings.text(settings::REQUIREPASS).is_empty()
}

/// The SHA-256 of a password, as ACL LIST shows it: 64 hexadecimal digits.
pub(crate) fn password_digest(password: &[u8]) -> String {
    Sha256::digest(password).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether two passwords are the same, in a time that depends on their lengths alone.
fn same_password(one: &[u8], other: &[u8]) -> bool {
    let (one, other) = (Sha256::digest(one), Sha256::digest(other));
    one.iter().zip(&other).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

fn authenticate(desk: &mut Desk<'_>, user: &[u8], password: &[u8]) -> Result<(), Failure> {
    let wanted = desk.core.settings.text(settings::REQUIREPASS);
    let right = wanted.is_empty() || same_password(wanted, password);
    if user != DEFAULT_USER.as_bytes() || !right {
        desk.core.counters.acl_access_denied_auth += 1;
        return Err(WRONG_PASSWORD);
    }
    desk.session.authenticated = true;
    desk.session.gates.set(Gates::AUTH, false);
    Ok(())
}

/// Authenticates the connection.
pub const AUTH: EngineCommand = EngineCommand::new(
    Spec {
        name: "AUTH",
        arity: Arity::at_least(2),
        flags: Flags::ALLOW_BUSY
            .and(Flags::FAST)
            .and(Flags::LOADING)
            .and(Flags::NO_AUTH)
            .and(Flags::NOSCRIPT)
            .and(Flags::STALE),
        group: Group::Connection,
        since: "1.0.0",
        complexity: "O(N) where N is the number of passwords defined for the user",
        summary: "Authenticate to the server",
        args: &[
            Arg::new("username", ArgKind::String).since("6.0.0").optional(),
            Arg::new("password", ArgKind::String),
        ],
        history: &[("6.0.0", "Added ACL style (username and password).")],
        ..Spec::NEW
    },
    auth,
);

fn auth(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    match args.len() {
        2 if desk.core.settings.text(settings::REQUIREPASS).is_empty() => {
            return Err(NO_PASSWORD_SET);
        }
        2 => authenticate(desk, DEFAULT_USER.as_bytes(), args.get(1))?,
        3 => authenticate(desk, args.get(1), args.get(2))?,
        _ => return Err(Failure::SYNTAX),
    }
    desk.reply.ok();
    Ok(Next::Done)
}

/// Introduces the server, and changes protocol, user and name on the way.
pub const HELLO: EngineCommand = EngineCommand::new(
    Spec {
        name: "HELLO",
        arity: Arity::at_least(1),
        flags: Flags::ALLOW_BUSY
            .and(Flags::FAST)
            .and(Flags::LOADING)
            .and(Flags::NO_AUTH)
            .and(Flags::NOSCRIPT)
            .and(Flags::STALE),
        group: Group::Connection,
        since: "6.0.0",
        summary: "Handshake with Redis",
        args: &[Arg::new(
            "arguments",
            ArgKind::Block(&[
                Arg::new("protover", ArgKind::Integer),
                Arg::new(
                    "username_password",
                    ArgKind::Block(&[
                        Arg::new("username", ArgKind::String),
                        Arg::new("password", ArgKind::String),
                    ]),
                )
                .token("AUTH")
                .optional(),
                Arg::new("clientname", ArgKind::String).token("SETNAME").optional(),
            ]),
        )
        .optional()],
        history: &[(
            "6.2.0",
            "`protover` made optional; when called without arguments the command reports the current connection's context.",
        )],
        ..Spec::NEW
    },
    hello,
);

/// The options take effect one after the other, as in Redis: what came before a bad one stays.
fn hello(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    let mut protocol = desk.session.protocol;
    if args.len() > 1 {
        protocol = match args.integer(1) {
            None => {
                let text = "ERR Protocol version is not an integer or out of range";
                return Err(Failure::new(text));
            }
            Some(2) => Protocol::Resp2,
            Some(3) => Protocol::Resp3,
            Some(_) => return Err(Failure::new("NOPROTO unsupported protocol version")),
        };
    }
    let mut at = 2;
    while at < args.len() {
        let more = args.len() - 1 - at;
        if more >= 2 && args.is(at, "AUTH") {
            authenticate(desk, args.get(at + 1), args.get(at + 2))?;
            at += 3;
        } else if more >= 1 && args.is(at, "SETNAME") {
            set_name(desk.session, args.get(at + 1))?;
            at += 2;
        } else {
            return Err(Failure::quoting("ERR Syntax error in HELLO option '", args.get(at), "'"));
        }
    }
    if must_authenticate(desk.session, desk.core) {
        return Err(HELLO_NEEDS_AUTH);
    }
    desk.session.protocol = protocol;
    let mut introduction = Vec::new();
    introduce(desk.session, &mut Writer::new(&mut introduction, protocol));
    desk.reply.raw(&introduction);
    Ok(Next::Done)
}

fn introduce(session: &Session, reply: &mut Writer<'_>) {
    let mode = if session.peer.cluster_face { "cluster" } else { "standalone" };
    reply.map(7);
    let mut pair = |name: &str, value: &str| {
        reply.bulk(name.as_bytes());
        reply.bulk(value.as_bytes());
    };
    pair("server", "redis");
    pair("version", REDIS_VERSION);
    reply.bulk(b"proto");
    reply.integer(if session.protocol == Protocol::Resp3 { 3 } else { 2 });
    reply.bulk(b"id");
    reply.integer(session.peer.client_id as i64);
    let mut pair = |name: &str, value: &str| {
        reply.bulk(name.as_bytes());
        reply.bulk(value.as_bytes());
    };
    pair("mode", mode);
    pair("role", "master");
    reply.bulk(b"modules");
    reply.array(0);
}

#[cfg(test)]
mod tests {
    use crate::check::{World, check};

    const NOAUTH: &str = "(err) NOAUTH Authentication required.";
    const WRONGPASS: &str = "(err) WRONGPASS invalid username-password pair or user is disabled.";

    #[test]
    fn without_a_password_only_the_form_with_a_user_is_taken() {
        let text = concat!(
            "(err) ERR AUTH <password> called without any password configured for the default ",
            "user. Are you sure your configuration is correct?"
        );
        check(
            "AUTH x; AUTH default x; AUTH foo x; AUTH a b c",
            &[text, "OK", WRONGPASS, "(err) ERR syntax error"],
        );
    }

    #[test]
    fn a_client_without_the_password_gets_nothing_but_errors() {
        let mut world = World::with(1, &[("requirepass", "secret")]);
        let client = world.open(0);
        assert_eq!(world.ask(client, "PING"), NOAUTH);
        assert_eq!(world.ask(client, "GET a"), NOAUTH);
        assert_eq!(
            world.ask(client, "GET"),
            "(err) ERR wrong number of arguments for 'get' command"
        );
        assert_eq!(world.ask(client, "AUTH wrong"), WRONGPASS);
        assert_eq!(world.ask(client, "AUTH nobody secret"), WRONGPASS);
        assert_eq!(world.ask(client, "AUTH secret"), "OK");
        assert_eq!(world.ask(client, "PING"), "PONG");
        assert_eq!(world.ask(client, "AUTH wrong"), WRONGPASS);
        assert_eq!(world.ask(client, "PING"), "PONG");
        assert_eq!(world.ask(client, "RESET"), "RESET");
        assert_eq!(world.ask(client, "PING"), NOAUTH);
        assert_eq!(world.core(0).counters.acl_access_denied_auth, 3);
    }

    #[test]
    fn auth_takes_effect_within_a_pipeline() {
        let mut world = World::with(1, &[("requirepass", "secret")]);
        let client = world.open(0);
        let out = world.feed(client, b"PING\r\nAUTH secret\r\nPING\r\n");
        assert_eq!(out, b"-NOAUTH Authentication required.\r\n+OK\r\n+PONG\r\n");
    }

    #[test]
    fn hello_introduces_the_server_in_the_protocol_asked_for() {
        let mut world = World::new(1);
        let client = world.open(0);
        let fields = "server redis version 7.2.4 proto 2 id 1 mode standalone role master modules";
        assert_eq!(world.ask(client, "HELLO"), format!("[{fields} []]"));
        let resp3 = fields.replace("proto 2", "proto 3");
        assert_eq!(world.ask(client, "HELLO 3"), format!("{{{resp3} []}}"));
        assert_eq!(world.feed(client, b"GET a\r\n"), b"_\r\n");
        assert_eq!(world.ask(client, "HELLO 2"), format!("[{fields} []]"));
        let node = world.open_cluster(0);
        assert!(world.ask(node, "HELLO").contains("mode cluster"));
    }

    #[test]
    fn hello_refuses_what_it_does_not_know() {
        check(
            "HELLO x; HELLO 1; HELLO 4; HELLO 3 FOO; HELLO 3 AUTH a; HELLO 3 AUTH a b; HELLO AUTH a b",
            &[
                "(err) ERR Protocol version is not an integer or out of range",
                "(err) NOPROTO unsupported protocol version",
                "(err) NOPROTO unsupported protocol version",
                "(err) ERR Syntax error in HELLO option 'FOO'",
                "(err) ERR Syntax error in HELLO option 'AUTH'",
                WRONGPASS,
                "(err) ERR Protocol version is not an integer or out of range",
            ],
        );
    }

    #[test]
    fn options_of_hello_take_effect_one_after_the_other() {
        let mut world = World::with(1, &[("requirepass", "secret")]);
        let client = world.open(0);
        assert!(world.ask(client, "HELLO 3").starts_with("(err) NOAUTH HELLO must be called"));
        assert_eq!(world.ask(client, "HELLO 3 SETNAME me AUTH default bad"), WRONGPASS);
        assert!(world.ask(client, "HELLO 3 AUTH default secret").contains("proto 3"));
        assert_eq!(world.ask(client, "CLIENT GETNAME"), "me");
    }
}
