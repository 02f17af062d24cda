//! CLIENT PAUSE: for some time, requests of all clients wait, or those that may write.
//!
//! Every core keeps the pause by itself, so it begins on all of them before the client hears OK.
//! The gate in `dispatch.rs` stalls the sessions it meets, with their request unexecuted; they go
//! on when the time is over or when CLIENT UNPAUSE has come. As in Redis, a pause of ALL holds
//! UNPAUSE too.

use super::client::ADMIN;
use super::query::{Answer, Query};
use super::{Desk, EngineCommand, Next, help};
use crate::core::Core;
use crate::engine::Engine;
use crate::session::client::Stall;
use base::{ConnId, Now};
use command::{Arg, ArgKind, Args, Arity, Failure, Flags, Group, Spec};

/// A pause under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// When it ends; monotonic microseconds.
    pub until_us: u64,
    /// Whether it holds everything, not only what may write.
    pub all: bool,
}

impl Pause {
    /// Whether a command with these flags must wait.
    pub fn holds(self, flags: Flags, now: Now) -> bool {
        let writes = flags.has(Flags::WRITE) || flags.has(Flags::MAY_REPLICATE);
        now.mono_us < self.until_us && (self.all || writes)
    }
}

/// Begins a pause.
pub const PAUSE: EngineCommand = EngineCommand::new(
    Spec {
        name: "PAUSE",
        arity: Arity::at_least(3),
        flags: ADMIN,
        group: Group::Connection,
        since: "2.9.50",
        summary: "Stop processing commands from clients for some time",
        args: &[
            Arg::new("timeout", ArgKind::Integer),
            Arg::new(
                "mode",
                ArgKind::OneOf(&[Arg::word("write", "WRITE"), Arg::word("all", "ALL")]),
            )
            .since("6.2.0")
            .optional(),
        ],
        history: &[("6.2.0", "`CLIENT PAUSE WRITE` mode added along with the `mode` option.")],
        ..Spec::NEW
    },
    pause,
);

fn pause(_desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    let all = match args.len() {
        3 => true,
        4 if args.is(3, "WRITE") => false,
        4 if args.is(3, "ALL") => true,
        4 => return Err(Failure::new("ERR CLIENT PAUSE mode must be WRITE or ALL")),
        _ => return Err(help::unknown("CLIENT", args)),
    };
    let bad = Failure::new("ERR timeout is not an integer or out of range");
    let timeout_ms = args.integer(2).ok_or(bad)?;
    if timeout_ms < 0 {
        return Err(Failure::new("ERR timeout is negative"));
    }
    Ok(Next::Ask(Query::Pause { timeout_us: (timeout_ms as u64).saturating_mul(1000), all }))
}

/// Ends a pause.
pub const UNPAUSE: EngineCommand = EngineCommand::new(
    Spec {
        name: "UNPAUSE",
        arity: Arity::exactly(2),
        flags: ADMIN,
        group: Group::Connection,
        since: "6.2.0",
        complexity: "O(N) Where N is the number of paused clients",
        summary: "Resume processing of clients that were paused",
        ..Spec::NEW
    },
    unpause,
);

fn unpause(_desk: &mut Desk<'_>, _args: &Args<'_>) -> Result<Next, Failure> {
    Ok(Next::Ask(Query::Unpause))
}

/// Begins or widens the pause of this core: the later end and the stricter mode win.
pub(super) fn begin(core: &mut Core, timeout_us: u64, all: bool) -> Answer {
    let until_us = core.now.mono_us.saturating_add(timeout_us);
    let before = core.clients.pause.unwrap_or(Pause { until_us, all });
    core.clients.pause =
        Some(Pause { until_us: until_us.max(before.until_us), all: all || before.all });
    core.refresh_watched();
    Answer::Done
}

/// Ends the pause of this core.
pub(super) fn end(core: &mut Core) -> Answer {
    core.clients.pause = None;
    core.refresh_watched();
    Answer::Done
}

impl Engine {
    /// Ends a pause whose time is over.
    pub(crate) fn tick_pause(&mut self) {
        if self.core.clients.pause.is_some_and(|pause| self.core.now.mono_us >= pause.until_us) {
            end(&mut self.core);
            self.wake_paused();
        }
    }

    /// Lets the sessions go on that a pause held. O(sessions).
    pub(crate) fn wake_paused(&mut self) {
        let held = self.sessions.iter().filter(|session| session.stall == Some(Stall::Paused));
        let held: Vec<ConnId> = held.map(|session| session.id).collect();
        self.runnable.extend(held);
    }
}

#[cfg(test)]
mod tests {
    use crate::check::{World, check};

    #[test]
    fn bad_pauses_are_refused() {
        check(
            "CLIENT PAUSE x; CLIENT PAUSE -1; CLIENT PAUSE 1 x; CLIENT PAUSE 1.5; CLIENT PAUSE 1 ALL x; \
             CLIENT PAUSE 9223372036854775807 WRITE; CLIENT UNPAUSE",
            &[
                "(err) ERR timeout is not an integer or out of range",
                "(err) ERR timeout is negative",
                "(err) ERR CLIENT PAUSE mode must be WRITE or ALL",
                "(err) ERR timeout is not an integer or out of range",
                "(err) ERR unknown subcommand or wrong number of arguments for 'PAUSE'. Try CLIENT HELP.",
                "OK",
                "OK",
            ],
        );
    }

    #[test]
    fn a_pause_of_all_holds_everything_on_every_core_until_its_end() {
        let mut world = World::new(3);
        let clients: Vec<_> = (0..3).map(|core| world.open(core)).collect();
        assert_eq!(world.ask(clients[0], "CLIENT PAUSE 500"), "OK");
        for client in &clients {
            let out = world.feed(*client, b"FOO\r\nPING\r\nCLIENT UNPAUSE\r\n");
            assert_eq!(out, b"-ERR unknown command 'FOO', with args beginning with: \r\n");
        }
        world.pass_ms(499);
        assert_eq!(world.take(clients[1]), b"");
        assert!(world.next_deadline_ms(1).is_some_and(|left| left <= 1), "the end is announced");
        world.pass_ms(1);
        for client in &clients {
            assert_eq!(world.take(*client), b"+PONG\r\n+OK\r\n");
        }
        assert!(!world.core(2).watched);
    }

    #[test]
    fn a_pause_of_writes_lets_reads_and_unpause_through() {
        let mut world = World::new(2);
        let (one, other) = (world.open(0), world.open(1));
        assert_eq!(world.ask(one, "CLIENT PAUSE 100000 WRITE"), "OK");
        assert_eq!(world.ask(other, "GET a"), "nil");
        assert_eq!(world.feed(other, b"SET a 1\r\nGET a\r\n"), b"");
        assert_eq!(world.ask(one, "CLIENT PAUSE 1 WRITE"), "OK");
        world.pass_ms(50);
        assert_eq!(world.take(other), b"", "the later end wins");
        assert_eq!(world.ask(one, "CLIENT UNPAUSE"), "OK");
        assert_eq!(world.take(other), b"+OK\r\n$1\r\n1\r\n");
    }

    #[test]
    fn a_skipped_reply_stays_skipped_after_the_pause() {
        let mut world = World::new(2);
        let (one, other) = (world.open(0), world.open(1));
        world.ask(one, "CLIENT PAUSE 1000 WRITE");
        assert_eq!(world.feed(other, b"CLIENT REPLY SKIP\r\nSET a 1\r\nECHO x\r\n"), b"");
        world.pass_ms(1000);
        assert_eq!(world.take(other), b"$1\r\nx\r\n");
    }
}
