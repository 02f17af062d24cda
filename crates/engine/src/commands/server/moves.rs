//! Commands that move data to other servers, all of which are the work of later issues: each
//! checks its arguments as Redis does and then says what Redis says when it cannot be done.

use super::any_key;
use crate::commands::query::{Answer, Witness};
use crate::commands::{Desk, EngineCommand, Next};
use command::{Arg, ArgKind, Args, Arity, Begin, Failure, Find, Flags, Group, KeySpec, Spec};
use store::Look;

const FOLLOW_FLAGS: Flags =
    Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::STALE).and(Flags::NO_ASYNC_LOADING);

const FOLLOW_ARGS: &[Arg] = &[Arg::new(
    "args",
    ArgKind::OneOf(&[
        Arg::new(
            "host-port",
            ArgKind::Block(&[
                Arg::new("host", ArgKind::String),
                Arg::new("port", ArgKind::Integer),
            ]),
        ),
        Arg::new("no-one", ArgKind::Block(&[Arg::word("no", "NO"), Arg::word("one", "ONE")])),
    ]),
)];

/// `NO ONE` is OK; a host is refused with Redis' text for a server that cannot be a replica.
pub const REPLICAOF: EngineCommand = EngineCommand::new(
    Spec {
        name: "REPLICAOF",
        arity: Arity::exactly(3),
        flags: FOLLOW_FLAGS,
        group: Group::Server,
        since: "5.0.0",
        summary: "Configures a server as replica of another, or promotes it to a master.",
        args: FOLLOW_ARGS,
        ..Spec::NEW
    },
    follow,
);

/// The older name of [`REPLICAOF`].
pub const SLAVEOF: EngineCommand = EngineCommand::new(
    Spec {
        name: "SLAVEOF",
        arity: Arity::exactly(3),
        flags: FOLLOW_FLAGS,
        group: Group::Server,
        summary: "Sets a Redis server as a replica of another, or promotes it to being a master.",
        args: FOLLOW_ARGS,
        deprecated: Some(("5.0.0", "`REPLICAOF`")),
        ..Spec::NEW
    },
    follow,
);

fn follow(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    const REFUSED: Failure = Failure::new("ERR REPLICAOF not allowed in cluster mode.");
    if desk.session.peer.cluster_face {
        return Err(REFUSED);
    }
    if args.is(1, "no") && args.is(2, "one") {
        desk.reply.ok();
        return Ok(Next::Done);
    }
    match args.integer(2) {
        Some(0..=65535) => Err(REFUSED),
        _ => Err(Failure::new("ERR Invalid master port")),
    }
}

const SYNC_FLAGS: Flags =
    Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::NO_ASYNC_LOADING).and(Flags::NO_MULTI);

/// What a server says that has no data to hand on to a replica.
const NO_MASTER_LINK: Failure =
    Failure::new("NOMASTERLINK Can't SYNC while not connected with my master");

/// A replica wants all data: refused as a replica without a master refuses it.
pub const SYNC: EngineCommand = EngineCommand::new(
    Spec {
        name: "SYNC",
        arity: Arity::exactly(1),
        flags: SYNC_FLAGS,
        group: Group::Server,
        complexity: "",
        summary: "An internal command used in replication.",
        ..Spec::NEW
    },
    |_, _| Err(NO_MASTER_LINK),
);

/// A replica wants what it missed: refused as [`SYNC`] is.
pub const PSYNC: EngineCommand = EngineCommand::new(
    Spec {
        name: "PSYNC",
        arity: Arity::at_least(3),
        flags: SYNC_FLAGS,
        group: Group::Server,
        since: "2.8.0",
        complexity: "",
        summary: "An internal command used in replication.",
        args: &[Arg::new("replicationid", ArgKind::String), Arg::new("offset", ArgKind::Integer)],
        ..Spec::NEW
    },
    |_, _| Err(NO_MASTER_LINK),
);

/// What a replica says of itself before it asks for data. Taken note of, without effect.
pub const REPLCONF: EngineCommand = EngineCommand::new(
    Spec {
        name: "REPLCONF",
        arity: Arity::at_least(1),
        flags: Flags::ADMIN
            .and(Flags::NOSCRIPT)
            .and(Flags::LOADING)
            .and(Flags::STALE)
            .and(Flags::ALLOW_BUSY)
            .and(Flags::SYSCMD),
        group: Group::Server,
        since: "3.0.0",
        summary: "An internal command for configuring the replication stream.",
        ..Spec::NEW
    },
    replconf,
);

fn replconf(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    if args.len().is_multiple_of(2) {
        return Err(Failure::SYNTAX);
    }
    for at in (1..args.len()).step_by(2) {
        match () {
            _ if args.is(at, "listening-port") || args.is(at, "rdb-only") => {
                args.integer(at + 1).ok_or(Failure::NOT_INTEGER)?;
            }
            _ if args.is(at, "ip-address")
                || args.is(at, "capa")
                || args.is(at, "rdb-filter-only") => {}
            // These have no reply.
            _ if args.is(at, "ack") || args.is(at, "getack") => return Ok(Next::Done),
            _ => {
                let option = args.get(at);
                return Err(Failure::quoting("ERR Unrecognized REPLCONF option: ", option, ""));
            }
        }
    }
    desk.reply.ok();
    Ok(Next::Done)
}

/// There is no replica to hand over to.
pub const FAILOVER: EngineCommand = EngineCommand::new(
    Spec {
        name: "FAILOVER",
        arity: Arity::at_least(1),
        flags: Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::STALE),
        group: Group::Server,
        since: "6.2.0",
        summary: "Starts a coordinated failover from a server to one of its replicas.",
        args: &[
            Arg::new(
                "target",
                ArgKind::Block(&[
                    Arg::new("host", ArgKind::String),
                    Arg::new("port", ArgKind::Integer),
                    Arg::word("force", "FORCE").optional(),
                ]),
            )
            .token("TO")
            .optional(),
            Arg::word("abort", "ABORT").optional(),
            Arg::new("milliseconds", ArgKind::Integer).token("TIMEOUT").optional(),
        ],
        ..Spec::NEW
    },
    failover,
);

fn failover(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    if desk.session.peer.cluster_face {
        return Err(Failure::new("ERR FAILOVER not allowed in cluster mode."));
    }
    if args.len() == 2 && args.is(1, "abort") {
        return Err(Failure::new("ERR No failover in progress."));
    }
    let mut at = 1;
    while at < args.len() {
        if args.is(at, "timeout") && at + 1 < args.len() {
            let timeout = args.integer(at + 1).ok_or(Failure::NOT_INTEGER)?;
            if timeout <= 0 {
                return Err(Failure::new("ERR FAILOVER timeout must be greater than 0"));
            }
            at += 2;
        } else if args.is(at, "to") && at + 2 < args.len() {
            args.integer(at + 2).ok_or(Failure::NOT_INTEGER)?;
            at += 3;
        } else if args.is(at, "force") {
            at += 1;
        } else {
            return Err(Failure::SYNTAX);
        }
    }
    Err(Failure::new("ERR FAILOVER requires connected replicas."))
}

/// Sends keys to another server: NOKEY without any of them, else the error of a target that cannot
/// be reached.
pub const MIGRATE: EngineCommand = EngineCommand::new(
    Spec {
        name: "MIGRATE",
        arity: Arity::at_least(6),
        keys: &[
            KeySpec::one(3, &["RW", "access", "delete"]),
            KeySpec {
                flags: &["RW", "access", "delete", "incomplete"],
                begin: Begin::Keyword("KEYS", -2),
                find: Find::Range { last: -1, step: 1, limit: 0 },
                notes: "",
            },
        ],
        flags: Flags::WRITE.and(Flags::MOVABLEKEYS),
        group: Group::Generic,
        categories: &["@dangerous"],
        since: "2.6.0",
        complexity: "This command actually executes a DUMP+DEL in the source instance, and a RESTORE \
                     in the target instance. See the pages of these commands for time complexity. \
                     Also an O(N) data transfer between the two instances is performed.",
        summary: "Atomically transfers a key from one Redis instance to another.",
        args: MIGRATE_ARGS,
        tips: &["nondeterministic_output"],
        history: &[
            ("3.0.0", "Added the `COPY` and `REPLACE` options."),
            ("3.0.6", "Added the `KEYS` option."),
            ("4.0.7", "Added the `AUTH` option."),
            ("6.0.0", "Added the `AUTH2` option."),
        ],
        ..Spec::NEW
    },
    migrate,
);

const MIGRATE_ARGS: &[Arg] = &[
    Arg::new("host", ArgKind::String),
    Arg::new("port", ArgKind::Integer),
    Arg::new(
        "key_or_empty_string",
        ArgKind::OneOf(&[Arg::key("key", 0), Arg::word("empty_string", "")]),
    ),
    Arg::new("destination-db", ArgKind::Integer),
    Arg::new("timeout", ArgKind::Integer),
    Arg::word("copy", "COPY").since("3.0.0").optional(),
    Arg::word("replace", "REPLACE").since("3.0.0").optional(),
    Arg::new(
        "authentication",
        ArgKind::OneOf(&[
            Arg::new("password", ArgKind::String).token("AUTH").since("4.0.7").optional(),
            Arg::new(
                "username_password",
                ArgKind::Block(&[
                    Arg::new("username", ArgKind::String),
                    Arg::new("password", ArgKind::String),
                ]),
            )
            .token("AUTH2")
            .since("6.0.0")
            .optional(),
        ]),
    )
    .optional(),
    Arg::key("key", 1).token("KEYS").since("3.0.6").optional().multiple(),
];

fn migrate(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    let mut keys = vec![args.get(3).to_vec()];
    let mut at = 6;
    while at < args.len() {
        let left = args.len() - at - 1;
        if args.is(at, "copy") || args.is(at, "replace") {
            at += 1;
        } else if args.is(at, "auth") && left >= 1 {
            at += 2;
        } else if args.is(at, "auth2") && left >= 2 {
            at += 3;
        } else if args.is(at, "keys") {
            if !args.get(3).is_empty() {
                return Err(Failure::new(
                    "ERR When using MIGRATE KEYS option, the key argument must be set to the empty \
                     string",
                ));
            }
            keys = args.from(at + 1).map(<[u8]>::to_vec).collect();
            at = args.len();
        } else {
            return Err(Failure::SYNTAX);
        }
    }
    args.integer(5).ok_or(Failure::NOT_INTEGER)?;
    args.integer(4).ok_or(Failure::NOT_INTEGER)?;
    Ok(any_key(desk, keys))
}

/// How many of these keys this core has.
pub fn answer_any_key(db: u8, keys: &[Vec<u8>], witness: Witness<'_>) -> Answer {
    let Witness { core, shard, .. } = witness;
    let now = core.now;
    let found = keys.iter().filter(|bytes| {
        let key = core.hasher.key(bytes);
        core.route.owner(key.slot) == core.id
            && shard.store.db(db).kind_as(&key, Look::Peek, now).is_some()
    });
    Answer::Count(found.count() as u64)
}

/// The reply of MIGRATE.
pub fn merge_any_key(answers: &[Answer], desk: &mut Desk<'_>) {
    match answers.iter().map(Answer::count).sum::<u64>() {
        0 => desk.reply.simple("NOKEY"),
        _ => desk.reply.error("IOERR error or timeout connecting to the client"),
    }
}

#[cfg(test)]
mod tests {
    use crate::check::World;

    #[test]
    fn arguments_are_checked_before_the_refusal() {
        let mut world = World::new(2);
        let client = world.open(1);
        world.ask(client, "SET k v");
        for (words, reply) in [
            ("REPLICAOF no ONE", "OK"),
            ("SLAVEOF NO one", "OK"),
            ("REPLICAOF no two", "(err) ERR Invalid master port"),
            ("REPLICAOF h 65536", "(err) ERR Invalid master port"),
            ("REPLICAOF h 1", "(err) ERR REPLICAOF not allowed in cluster mode."),
            ("PSYNC ? -1", "(err) NOMASTERLINK Can't SYNC while not connected with my master"),
            ("REPLCONF", "OK"),
            ("REPLCONF a", "(err) ERR syntax error"),
            ("REPLCONF a b", "(err) ERR Unrecognized REPLCONF option: a"),
            ("REPLCONF listening-port 1 capa eof", "OK"),
            ("REPLCONF ack 5", ""),
            ("FAILOVER", "(err) ERR FAILOVER requires connected replicas."),
            ("FAILOVER abort", "(err) ERR No failover in progress."),
            ("FAILOVER abort x", "(err) ERR syntax error"),
            ("FAILOVER timeout 0", "(err) ERR FAILOVER timeout must be greater than 0"),
            ("FAILOVER to h x", "(err) ERR value is not an integer or out of range"),
            ("FAILOVER to h", "(err) ERR syntax error"),
            ("MIGRATE h 1 none 0 10", "NOKEY"),
            ("MIGRATE h 1 k x y", "(err) ERR value is not an integer or out of range"),
            ("MIGRATE h 1 k 0 10 foo", "(err) ERR syntax error"),
            ("MIGRATE h 1 k 0 10 auth", "(err) ERR syntax error"),
            ("MIGRATE h 1 k 0 10 copy", "(err) IOERR error or timeout connecting to the client"),
        ] {
            assert_eq!(world.ask(client, words), reply, "{words}");
        }
        let words: [&[u8]; 9] = [b"MIGRATE", b"h", b"1", b"", b"0", b"10", b"keys", b"a", b"k"];
        let unreachable = "(err) IOERR error or timeout connecting to the client";
        assert_eq!(world.ask_words(client, &words), unreachable);
    }
}
