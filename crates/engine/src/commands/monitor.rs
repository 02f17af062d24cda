//! MONITOR: every command of every client, as it is executed, to those who watch.
//!
//! When nobody watches, a request pays one look at `core.watched`. The first MONITOR client of a
//! core tells all cores, by a question, that its core wants lines; when the last one has gone they
//! are told again. A core writes the line of a command once, whoever watches, and hands a turn's
//! lines to each core that wants them in one message.
//!
//! A watcher that does not read is bounded twice: by `client-output-buffer-limit normal`, which closes
//! it, and by [`MONITOR_OUTPUT_BYTES_MAX`], above which it misses lines, which are counted.

use super::client::ADMIN;
use super::query::{Answer, Query};
use super::{Desk, EngineCommand, Next};
use crate::core::Core;
use crate::engine::Engine;
use crate::message::Message;
use crate::session::Session;
use crate::session::client::{Gates, Stall};
use crate::table::Entry;
use base::{ConnId, CoreId};
use command::{Args, Arity, Failure, Flags, Group, Spec};
use std::io::Write as _;
use std::sync::Arc;

/// Unread output of a watcher above which it misses lines.
const MONITOR_OUTPUT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Bytes of lines that a core hands on in one turn; what is beyond is left out and counted.
const TURN_LINES_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Shows the client all commands from now on.
pub const MONITOR: EngineCommand = EngineCommand::new(
    Spec {
        name: "MONITOR",
        arity: Arity::exactly(1),
        flags: ADMIN,
        group: Group::Server,
        since: "1.0.0",
        complexity: "",
        summary: "Listen for all requests received by the server in real time",
        ..Spec::NEW
    },
    monitor,
);

/// The family's list.
pub const COMMANDS: &[EngineCommand] = &[MONITOR];

fn monitor(desk: &mut Desk<'_>, _args: &Args<'_>) -> Result<Next, Failure> {
    // Redis answers nothing to a client that watches already.
    if desk.session.is_monitor() {
        return Ok(Next::Done);
    }
    desk.session.gates.set(Gates::MONITOR, true);
    desk.core.clients.monitors += 1;
    Ok(Next::Ask(Query::Watch { core: desk.core.id, on: true, reply: "OK" }))
}

/// A watcher of this core has gone: the question to ask all cores when it was the last one.
pub(super) fn left(core: &mut Core) -> Option<Query> {
    core.clients.monitors -= 1;
    let last = core.clients.monitors == 0;
    last.then_some(Query::Watch { core: core.id, on: false, reply: "RESET" })
}

/// Notes on this core whether `watcher` wants lines.
pub(super) fn answer_watch(watcher: CoreId, on: bool, core: &mut Core) -> Answer {
    match on {
        true => core.clients.watchers.insert(watcher),
        false => core.clients.watchers.remove(watcher),
    };
    core.refresh_watched();
    Answer::Done
}

/// Whether argument `index` is a password that nobody may see.
pub fn is_secret(entry: &Entry, args: &Args<'_>, index: usize) -> bool {
    match entry.full_name.as_str() {
        "auth" => index > 0,
        "hello" => {
            let is_auth = |at: usize| at >= 2 && at < index && args.is(at, "AUTH");
            index >= 3 && (is_auth(index - 1) || is_auth(index.saturating_sub(2)))
        }
        _ => false,
    }
}

/// Appends an argument in quotes, with what is not printable escaped.
fn write_quoted(arg: &[u8], line: &mut Vec<u8>) {
    line.push(b'"');
    for byte in arg {
        match byte {
            b'\\' | b'"' => line.extend_from_slice(&[b'\\', *byte]),
            b'\n' => line.extend_from_slice(b"\\n"),
            b'\r' => line.extend_from_slice(b"\\r"),
            b'\t' => line.extend_from_slice(b"\\t"),
            7 => line.extend_from_slice(b"\\a"),
            8 => line.extend_from_slice(b"\\b"),
            b' '..=b'~' => line.push(*byte),
            _ => write!(line, "\\x{byte:02x}").expect("writing to memory does not fail"),
        }
    }
    line.push(b'"');
}

/// Appends the line of one command.
fn write_line(core: &Core, entry: &Entry, session: &Session, args: &Args<'_>, line: &mut Vec<u8>) {
    let (us, peer) = (core.now.unix_us, &session.peer);
    let (seconds, rest) = (us.div_euclid(1_000_000), us.rem_euclid(1_000_000));
    let address = match peer.is_unix {
        true => format!("unix:{}", peer.address.rsplit_once(':').map_or("", |(path, _)| path)),
        false => peer.address.clone(),
    };
    write!(line, "+{seconds}.{rest:06} [{} {address}]", session.db)
        .expect("writing to memory does not fail");
    for (index, arg) in args.from(0).enumerate() {
        line.push(b' ');
        match is_secret(entry, args, index) {
            true => write_quoted(b"(redacted)", line),
            false => write_quoted(arg, line),
        }
    }
    line.extend_from_slice(b"\r\n");
}

impl Engine {
    /// Shows a command that was executed to whom it concerns.
    #[cold]
    pub(crate) fn show(&mut self, conn: ConnId, id: u16, args: &Args<'_>) {
        if self.core.clients.watchers.is_empty() {
            return;
        }
        let table = self.core.table.clone();
        let entry = table.entry(id);
        let hidden = Flags::ADMIN.0 | Flags::SKIP_MONITOR.0;
        let Some(session) = self.sessions.peek(conn) else { return };
        if entry.spec.flags.0 & hidden != 0 {
            return;
        }
        let bytes: usize = args.from(0).map(<[u8]>::len).sum();
        if self.core.clients.lines.len() + bytes > TURN_LINES_BYTES_MAX {
            self.core.counters.monitor_lines_dropped += 1;
            return;
        }
        let mut lines = std::mem::take(&mut self.core.clients.lines);
        write_line(&self.core, entry, session, args, &mut lines);
        self.core.clients.lines = lines;
    }

    /// Hands the lines of this turn to the cores that want them.
    pub(crate) fn send_monitor_lines(&mut self) {
        if self.core.clients.lines.is_empty() {
            return;
        }
        let lines = Arc::new(std::mem::take(&mut self.core.clients.lines));
        for core in self.core.clients.watchers.iter() {
            if core != self.core.id {
                self.outbox.post(core, Message::Monitor(lines.clone()));
            }
        }
        if self.core.clients.watchers.contains(self.core.id) {
            self.on_monitor_lines(&lines);
        }
    }

    /// Lines for the MONITOR clients of this core.
    pub(crate) fn on_monitor_lines(&mut self, lines: &[u8]) {
        let mut missed = 0;
        let mut touched: Vec<ConnId> = Vec::new();
        for session in self.sessions.iter_mut().filter(|session| session.is_monitor()) {
            // Before its OK it sees nothing, and a silenced one nothing at all.
            if session.stall == Some(Stall::Asking) || session.muted() || session.closing {
                continue;
            }
            if session.output_bytes() + lines.len() > MONITOR_OUTPUT_BYTES_MAX {
                missed += lines.iter().filter(|byte| **byte == b'\n').count() as u64;
                continue;
            }
            session.append_reply(lines);
            touched.push(session.id);
        }
        self.core.counters.monitor_lines_dropped += missed;
        touched.into_iter().for_each(|conn| self.touch(conn));
    }

    /// A watcher's connection is gone: when it was the last one, all cores stop sending lines.
    pub(crate) fn watcher_gone(&mut self) {
        let Some(query) = left(&mut self.core) else { return };
        let (query, own) = (Arc::new(query), self.core.id);
        for core in (0..self.core.route.cores() as u16).map(CoreId).filter(|core| *core != own) {
            // Nobody waits for the answers: no question has number 0.
            self.outbox.post(core, Message::Ask { ticket: 0, query: query.clone() });
        }
        answer_watch(own, false, &mut self.core);
    }
}

#[cfg(test)]
mod tests {
    use crate::check::World;

    #[test]
    fn a_watcher_sees_the_commands_of_all_cores_after_its_ok() {
        let mut world = World::new(3);
        let (watcher, other) = (world.open(0), world.open(2));
        assert_eq!(world.ask(watcher, "MONITOR"), "OK");
        assert!((0..3).all(|core| world.core(core).watched));
        world.ask(other, "SELECT 3");
        world
            .feed(other, b"*3\r\n$3\r\nSET\r\n$9\r\na\n\r\t\x07\x08\"\\\x01\r\n$2\r\n\xc3\xa9\r\n");
        let seen = String::from_utf8(world.take(watcher)).unwrap();
        let address = "127.0.0.1:10002";
        let wanted = format!(
            "+1700000000.000000 [3 {address}] \"SELECT\" \"3\"\r\n\
             +1700000000.000000 [3 {address}] \"SET\" \"a\\n\\r\\t\\a\\b\\\"\\\\\\x01\" \"\\xc3\\xa9\"\r\n"
        );
        assert_eq!(seen, wanted);
    }

    #[test]
    fn passwords_are_hidden_and_administration_is_not_shown() {
        let mut world = World::new(1);
        let (watcher, other) = (world.open(0), world.open(0));
        world.ask(watcher, "MONITOR");
        for line in [
            "AUTH x",
            "HELLO 2 AUTH default b SETNAME x",
            "CLIENT LIST",
            "CLIENT KILL ID 99",
            "FOO",
            "GET",
            "CLIENT REPLY ON",
        ] {
            world.ask(other, line);
        }
        let seen = String::from_utf8(world.take(watcher)).unwrap();
        let shown: Vec<&str> = seen.lines().map(|line| line.split_once("] ").unwrap().1).collect();
        assert_eq!(
            shown,
            [
                "\"AUTH\" \"(redacted)\"",
                "\"HELLO\" \"2\" \"AUTH\" \"(redacted)\" \"(redacted)\" \"SETNAME\" \"x\"",
                "\"CLIENT\" \"REPLY\" \"ON\"",
            ]
        );
    }

    #[test]
    fn a_watcher_may_not_touch_keys() {
        let mut world = World::new(2);
        let watcher = world.open(0);
        world.ask(watcher, "MONITOR");
        for command in ["GET a", "SET a b", "MGET a b"] {
            let text = "(err) ERR Replica can't interact with the keyspace";
            assert_eq!(world.ask(watcher, command), text);
        }
        let out = world.feed(watcher, b"PING\r\n");
        assert!(out.starts_with(b"+PONG\r\n+17"), "{out:?}");
        assert_eq!(world.feed(watcher, b"MONITOR\r\n"), b"", "it watches already");
        assert_eq!(world.feed(watcher, b"RESET\r\n"), b"+RESET\r\n");
        assert_eq!(world.ask(watcher, "GET a"), "nil");
    }

    #[test]
    fn nobody_pays_once_the_last_watcher_has_gone() {
        let mut world = World::new(2);
        let (one, two) = (world.open(0), world.open(0));
        world.ask(one, "MONITOR");
        world.ask(two, "MONITOR");
        world.take(one);
        world.hang_up(one);
        assert!(world.core(1).watched);
        world.hang_up(two);
        assert!(!world.core(0).watched && !world.core(1).watched);
    }

    #[test]
    fn a_watcher_that_does_not_read_misses_lines_and_stays_bounded() {
        let mut world = World::new(1);
        let (watcher, other) = (world.open(0), world.open(0));
        world.ask(watcher, "MONITOR");
        world.stop_reading(watcher);
        let long = vec![b'x'; 1 << 20];
        for _ in 0..20 {
            let mut request = b"*2\r\n$4\r\nECHO\r\n$1048576\r\n".to_vec();
            request.extend_from_slice(&long);
            request.extend_from_slice(b"\r\n");
            world.feed(other, &request);
        }
        assert!(world.core(0).counters.monitor_lines_dropped >= 10);
        assert!(!world.is_closed(watcher));
    }
}
