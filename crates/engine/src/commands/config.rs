//! CONFIG: the settings, read, changed on all cores, written back to the file.
//!
//! A change is checked at the asking core as a whole: all of it is good or nothing happens. What
//! the process must do (listen elsewhere, log less) is asked of the process first, which may still
//! refuse; then every core takes the change over, and the OK leaves after the last of them.

use super::query::{Answer, Query, Witness};
use super::{Desk, EngineCommand, Next, help};
use crate::action::Request;
use crate::session::client::Gates;
use base::settings::{self, SettingId, Settings};
use command::{Arg, ArgKind, Args, Arity, Failure, Flags, Group, Spec};
use resp::glob;

/// The family's list.
pub const COMMANDS: &[EngineCommand] = &[CONFIG];

const FLAGS: Flags = Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::LOADING).and(Flags::STALE);

/// Settings that the process acts on, not only the cores.
const OF_PROCESS: [SettingId; 8] = [
    settings::BIND,
    settings::PORT,
    settings::MAXCLIENTS,
    settings::LOGLEVEL,
    settings::TCP_KEEPALIVE,
    settings::PROTECTED_MODE,
    settings::REQUIREPASS,
    settings::DIR,
];

/// What the sub-commands share.
const BASE: Spec = Spec {
    arity: Arity::exactly(2),
    flags: FLAGS,
    group: Group::Server,
    since: "2.0.0",
    ..Spec::NEW
};

/// A container.
pub const CONFIG: EngineCommand = EngineCommand {
    spec: Spec {
        name: "CONFIG",
        arity: Arity::at_least(2),
        flags: Flags::NONE,
        complexity: "Depends on subcommand.",
        summary: "A container for server configuration commands.",
        ..BASE
    },
    subcommands: &[GET, HELP, RESETSTAT, REWRITE, SET],
    ..EngineCommand::container()
};

/// Answers the settings that patterns name.
const GET: EngineCommand = EngineCommand::new(
    Spec {
        name: "GET",
        arity: Arity::at_least(3),
        complexity: "O(N) when N is the number of configuration parameters provided",
        summary: "Returns the effective values of configuration parameters.",
        args: &[Arg::new("parameter", ArgKind::Block(&[Arg::new("parameter", ArgKind::String)]))
            .multiple()],
        history: &[("7.0.0", "Added the ability to pass multiple pattern parameters in one call")],
        ..BASE
    },
    get,
);

fn get(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    let patterns: Vec<&[u8]> = args.from(2).collect();
    let found = settings::matching(&patterns, glob::matches_nocase);
    desk.reply.map(found.len());
    for (name, id) in found {
        desk.reply.bulk(&name);
        desk.reply.bulk(&desk.core.settings.get(id));
    }
    Ok(Next::Done)
}

/// Changes several settings or none.
const SET: EngineCommand = EngineCommand::new(
    Spec {
        name: "SET",
        arity: Arity::at_least(4),
        complexity: "O(N) when N is the number of configuration parameters provided",
        summary: "Sets configuration parameters in-flight.",
        args: &[Arg::new(
            "parameter_value",
            ArgKind::Block(&[
                Arg::new("parameter", ArgKind::String),
                Arg::new("value", ArgKind::String),
            ]),
        )
        .multiple()],
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        history: &[("7.0.0", "Added the ability to set multiple parameters in one call.")],
        ..BASE
    },
    set,
);

fn set(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    if !args.len().is_multiple_of(2) {
        return Err(Failure::SYNTAX);
    }
    let pairs: Vec<(&[u8], &[u8])> =
        (2..args.len()).step_by(2).map(|at| (args.get(at), args.get(at + 1))).collect();
    let before = &desk.core.settings;
    let protected = before.protected_allowed(desk.session.peer.is_local);
    let after = before.apply(&pairs, protected).map_err(|refusal| Failure::text(refusal.text()))?;
    let changed = after.changed_since(before);
    let of_process: Vec<(String, String)> = changed
        .iter()
        .filter(|id| OF_PROCESS.contains(id))
        .map(|id| {
            let value = String::from_utf8_lossy(&after.get(*id)).into_owned();
            (id.row().name.to_owned(), value)
        })
        .collect();
    // The wall clock may step back, and the cores' readings differ a little.
    let newest = desk.core.setting_stamps.iter().map(|stamp| stamp.0).max().unwrap_or(0);
    let stamp = (desk.core.now.unix_us.max(newest + 1), desk.core.id.0);
    let query = Query::Configure(Box::new(Change { settings: after, changed, stamp }));
    Ok(match of_process.is_empty() {
        true => Next::Ask(query),
        false => Next::ControlThen(Request::ApplySettings(of_process), query),
    })
}

/// Writes the settings into the configuration file.
const REWRITE: EngineCommand = EngineCommand::new(
    Spec {
        name: "REWRITE",
        since: "2.8.0",
        summary: "Persists the effective configuration to file.",
        ..BASE
    },
    rewrite,
);

fn rewrite(desk: &mut Desk<'_>, _args: &Args<'_>) -> Result<Next, Failure> {
    if desk.core.process.config_file.is_empty() {
        return Err(Failure::new("ERR The server is running without a config file"));
    }
    Ok(Next::Control(Request::RewriteConfig(Box::new(desk.core.settings.clone()))))
}

/// Sets the counters of all cores to zero.
const RESETSTAT: EngineCommand = EngineCommand::new(
    Spec { name: "RESETSTAT", summary: "Resets the server's statistics.", ..BASE },
    |_, _| Ok(Next::Ask(Query::ResetStats)),
);

const HELP: EngineCommand = help::command(Spec { since: "5.0.0", ..BASE }, |desk, _| {
    help::write(
        desk,
        "CONFIG",
        &[
            "GET <pattern>",
            "    Return parameters matching the glob-like <pattern> and their values.",
            "SET <directive> <value>",
            "    Set the configuration <directive> to <value>.",
            "RESETSTAT",
            "    Reset statistics reported by the INFO command.",
            "REWRITE",
            "    Rewrite the configuration file.",
        ],
    )
});

/// Settings that every core is to take over.
#[derive(Debug)]
pub struct Change {
    /// All settings as the asking core wants them.
    settings: Settings,
    /// Which of them are meant.
    changed: Vec<SettingId>,
    /// When and where it was asked; of two changes of one setting the later wins on every core,
    /// in whatever order they arrive.
    stamp: (i64, u16),
}

impl Change {
    /// The `maxmemory` that it brings, if it brings one.
    fn limit(&self) -> Option<u64> {
        let changed = self.changed.contains(&settings::MAXMEMORY);
        changed.then(|| self.settings.int(settings::MAXMEMORY).max(0) as u64)
    }
}

/// A new `maxmemory` counts from the OK on: every core is told what all of them use, and knows then
/// whether it may still write.
pub fn follow_up(change: &Change, answers: &[Answer]) -> Option<Query> {
    let limit = change.limit().filter(|limit| *limit > 0)?;
    let used = answers.iter().map(Answer::count).collect();
    Some(Query::Share { limit, round: change.stamp, used })
}

/// One core takes a change over; what it uses is the answer when the memory is limited anew.
pub fn answer(change: &Change, witness: Witness<'_>) -> Answer {
    let Witness { core, sessions, shard } = witness;
    for id in &change.changed {
        let stamp = &mut core.setting_stamps[id.index()];
        if change.stamp >= *stamp {
            *stamp = change.stamp;
            core.settings.take(*id, &change.settings);
        }
    }
    core.configure();
    shard.configure(&core.settings);
    if change.changed.contains(&settings::REQUIREPASS) {
        // Who came in while there was no password stays in; who still had to give one need not if
        // there is none any more.
        let open = core.settings.text(settings::REQUIREPASS).is_empty();
        for session in sessions.iter_mut() {
            session.gates.set(Gates::AUTH, !open && !session.authenticated);
        }
    }
    match change.limit() {
        Some(limit) => {
            shard.refresh_used();
            Answer::Count(shard.account.begin_settling(limit, change.stamp))
        }
        None => Answer::Done,
    }
}

/// One core forgets what it has counted.
pub fn answer_reset(witness: Witness<'_>) -> Answer {
    witness.core.reset_stats();
    witness.shard.store.reset_stats();
    Answer::Done
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{World, check};

    #[test]
    fn names_patterns_and_several_of_them_are_answered_once_each() {
        check(
            "CONFIG GET maxmemory; CONFIG GET HZ hz; CONFIG GET nosuch; CONFIG GET hz maxmemory-s*; \
             CONFIG GET",
            &[
                "[maxmemory 0]",
                "[HZ 10]",
                "[]",
                "[hz 10 maxmemory-samples 5]",
                "(err) ERR wrong number of arguments for 'config|get' command",
            ],
        );
        let mut world = World::new(1);
        let client = world.open(0);
        world.ask(client, "HELLO 3");
        assert_eq!(world.ask(client, "CONFIG GET save appendonly"), "{save \"\" appendonly no}");
    }

    #[test]
    fn several_settings_change_on_all_cores_or_none_does() {
        let mut world = World::new(3);
        let client = world.open(1);
        assert_eq!(world.ask(client, "CONFIG SET hz 50 maxmemory 100mb"), "OK");
        for core in 0..3 {
            let core = world.core(core);
            assert_eq!(core.settings.int(settings::HZ), 50);
            assert_eq!(core.settings.int(settings::MAXMEMORY), 100 << 20);
        }
        for (words, reply) in [
            (
                "CONFIG SET hz 60 maxmemory abc",
                "(err) ERR CONFIG SET failed (possibly related to argument 'maxmemory') - argument \
                 must be a memory value",
            ),
            (
                "CONFIG SET hz 60 nosuch 1",
                "(err) ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'",
            ),
            (
                "CONFIG SET databases 3",
                "(err) ERR CONFIG SET failed (possibly related to argument 'databases') - can't set \
                 immutable config",
            ),
            ("CONFIG SET hz 60 maxmemory", "(err) ERR syntax error"),
            ("CONFIG SET hz", "(err) ERR wrong number of arguments for 'config|set' command"),
            ("CONFIG FOO", "(err) ERR unknown subcommand 'FOO'. Try CONFIG HELP."),
        ] {
            assert_eq!(world.ask(client, words), reply, "{words}");
        }
        assert!((0..3).all(|core| world.core(core).settings.int(settings::HZ) == 50));
        assert!(world.requests.is_empty(), "the process has nothing to do with these");
    }

    #[test]
    fn what_belongs_to_the_process_is_asked_of_it_first_and_may_be_refused() {
        let mut world = World::new(2);
        let client = world.open(0);
        let refusal = "ERR CONFIG SET failed (possibly related to argument 'port') - Unable to \
                       listen on this port. Check server logs.";
        world.refusal = Some(refusal.to_owned());
        assert_eq!(world.ask(client, "CONFIG SET port 1 hz 20"), format!("(err) {refusal}"));
        assert!((0..2).all(|core| world.core(core).settings.int(settings::HZ) == 10));
        assert_eq!(world.ask(client, "CONFIG SET maxclients 77 hz 20"), "OK");
        assert!((0..2).all(|core| world.core(core).settings.int(settings::MAXCLIENTS) == 77));
        let pairs = vec![("maxclients".to_owned(), "77".to_owned())];
        assert_eq!(world.requests.last(), Some(&Request::ApplySettings(pairs)));
    }

    #[test]
    fn a_new_password_is_asked_of_new_clients_and_an_empty_one_of_nobody() {
        let mut world = World::new(2);
        let (old, admin) = (world.open(1), world.open(0));
        assert_eq!(world.ask(admin, "CONFIG SET requirepass secret"), "OK");
        let new = world.open(1);
        assert_eq!(world.ask(old, "PING"), "PONG");
        assert_eq!(world.ask(new, "PING"), "(err) NOAUTH Authentication required.");
        assert_eq!(world.ask(admin, "CONFIG SET requirepass \"\""), "OK");
        assert_eq!(world.ask(new, "PING"), "PONG");
    }

    #[test]
    fn of_two_changes_of_one_setting_the_later_one_wins_whatever_the_order() {
        let mut world = World::new(2);
        let (a, b) = (world.open(0), world.open(1));
        world.feed_quietly(a, b"CONFIG SET hz 20\r\n");
        world.feed_quietly(b, b"CONFIG SET hz 30\r\n");
        world.settle();
        let hz = |core: usize| world.core(core).settings.int(settings::HZ);
        assert_eq!((hz(0), hz(1)), (30, 30));
    }

    #[test]
    fn from_the_ok_of_a_limit_below_what_is_used_every_core_refuses_writes() {
        for cores in [1, 2, 3] {
            let mut world = World::new(cores);
            let client = world.open(0);
            let filler = "x".repeat(1000);
            for key in 0..3000 {
                world.ask(client, &format!("SET k:{key} {filler}"));
            }
            for (limit, refused) in [("3mb", true), ("30mb", false), ("2mb", true)] {
                assert_eq!(world.ask(client, &format!("CONFIG SET maxmemory {limit}")), "OK");
                for key in ["a", "b", "c", "d", "e"] {
                    let reply = world.ask(client, &format!("SET {key} v"));
                    assert_eq!(reply.starts_with("(err) OOM"), refused, "{limit}: {reply}");
                }
                let reply = world.ask(client, "MSET a v b v c v d v");
                assert_eq!(reply.starts_with("(err) OOM"), refused, "{limit}: {reply}");
            }
        }
    }

    #[test]
    fn thresholds_may_be_as_large_as_numbers_are() {
        check(
            "CONFIG SET latency-monitor-threshold 9223372036854775807; CONFIG SET \
             slowlog-log-slower-than 9223372036854775807; SET k v; GET k",
            &["OK", "OK", "OK", "v"],
        );
    }

    #[test]
    fn the_file_is_rewritten_by_the_process_if_there_is_one() {
        check(
            "CONFIG REWRITE; CONFIG RESETSTAT; CONFIG RESETSTAT x",
            &[
                "(err) ERR The server is running without a config file",
                "OK",
                "(err) ERR wrong number of arguments for 'config|resetstat' command",
            ],
        );
    }
}
