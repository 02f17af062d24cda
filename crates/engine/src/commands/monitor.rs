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
use crate::tx::queue::commands;
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

/// Where a client is, as its lines say it.
fn address_of(session: &Session) -> String {
    let address = &session.peer.address;
    match session.peer.is_unix {
        true => format!("unix:{}", address.rsplit_once(':').map_or("", |(path, _)| path)),
        false => address.clone(),
    }
}

/// Appends the line of one command.
fn write_line(
    core: &Core,
    entry: &Entry,
    (db, address): (u8, &str),
    args: &Args<'_>,
    line: &mut Vec<u8>,
) {
    let us = core.now.unix_us;
    let (seconds, rest) = (us.div_euclid(1_000_000), us.rem_euclid(1_000_000));
    write!(line, "+{seconds}.{rest:06} [{db} {address}]").expect("writing to memory does not fail");
    for (index, arg) in args.from(0).enumerate() {
        line.push(b' ');
        match is_secret(entry, args, index) {
            true => write_quoted(b"(redacted)", line),
            false => write_quoted(arg, line),
        }
    }
    line.extend_from_slice(b"\r\n");
}

impl Core {
    /// A request begins: its line comes before those of what it calls.
    #[cold]
    pub(crate) fn mark_lines(&mut self) {
        self.clients.lines_before = self.clients.lines.len();
    }

    /// Shows a command of a client, or of a script, to whom it concerns.
    #[cold]
    pub(crate) fn show(&mut self, whose: (u8, &str), id: u16, args: &Args<'_>) {
        let table = self.table.clone();
        let entry = table.entry(id);
        let hidden = Flags::ADMIN.0 | Flags::SKIP_MONITOR.0;
        // Scripts say in COMMAND that they are not shown, and are, as in Redis.
        let is_hidden = entry.spec.flags.0 & hidden != 0 && !entry.spec.flags.has(Flags::SCRIPT);
        if self.clients.watchers.is_empty() || is_hidden {
            return;
        }
        let bytes: usize = args.from(0).map(<[u8]>::len).sum();
        if self.clients.lines.len() + bytes > TURN_LINES_BYTES_MAX {
            self.counters.monitor_lines_dropped += 1;
            return;
        }
        let mut lines = std::mem::take(&mut self.clients.lines);
        write_line(self, entry, whose, args, &mut lines);
        self.clients.lines = lines;
    }
}

impl Engine {
    /// Shows a command that was executed to whom it concerns, before those that it has called.
    #[cold]
    pub(crate) fn show(&mut self, conn: ConnId, id: u16, args: &Args<'_>) {
        let Some(session) = self.sessions.peek(conn) else { return };
        if self.core.clients.watchers.is_empty() {
            return;
        }
        let (db, address) = (session.db, address_of(session));
        let (begun, called) = (self.core.clients.lines_before, self.core.clients.lines.len());
        self.core.show((db, &address), id, args);
        let lines = &mut self.core.clients.lines;
        // What a transaction runs is shown before its EXEC.
        if begun < called && id != self.core.exec {
            let own = lines.len() - called;
            lines[begun..].rotate_right(own);
        }
    }

    /// Shows what an EXEC is about to run. What its client watches may still keep it from that.
    pub(crate) fn show_queue(&mut self, conn: ConnId, args: &Args<'_>) {
        if self.core.clients.watchers.is_empty() {
            return;
        }
        let Some(address) = self.sessions.peek(conn).map(address_of) else { return };
        for queued in commands(args) {
            let own = queued.part(args);
            self.core.show((queued.db, &address), queued.command, &own);
        }
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
    fn a_watcher_sees_what_scripts_call_once_and_behind_what_called_it() {
        for cores in [1, 2, 3] {
            for key in ["a", "b", "c", "d"] {
                let mut world = World::new(cores);
                let (watcher, other) = (world.open(0), world.open(0));
                assert_eq!(world.ask(watcher, "MONITOR"), "OK");
                world.ask(other, "PING");
                let source =
                    "redis.pcall('GET') redis.call('SET','x',1) return redis.call('GET',KEYS[1])";
                world.ask_words(other, &[b"EVAL", source.as_bytes(), b"1", key.as_bytes()]);
                world.ask(other, "ECHO end");
                let seen = String::from_utf8(world.take(watcher)).unwrap();
                let line = |words: &str| seen.lines().position(|line| line.ends_with(words));
                let call = line("lua] \"SET\" \"x\" \"1\"").expect("it is shown");
                assert_eq!(line(&format!("lua] \"GET\" \"{key}\"")), Some(call + 1));
                assert_eq!(seen.matches(" lua] ").count(), 2, "{seen}");
                if cores == 1 {
                    assert_eq!(line(&format!("\"1\" \"{key}\"")), Some(call - 1), "{seen}");
                }
            }
        }
    }

    #[test]
    fn a_watcher_sees_what_a_transaction_runs_before_its_exec() {
        for cores in [1, 3] {
            let mut world = World::new(cores);
            let (watcher, other) = (world.open(0), world.open(0));
            assert_eq!(world.ask(watcher, "MONITOR"), "OK");
            let script = "EVAL return(redis.call([[get]],[[x]])) 0";
            for command in ["MULTI", "SET a 1", "SELECT 2", "SET b 1", "PING", script, "EXEC"] {
                let got = world.ask(other, command);
                assert!(!got.contains("err"), "{command}: {got}");
            }
            let seen = String::from_utf8(world.take(watcher)).unwrap();
            let at = |text: &str| seen.find(text).unwrap_or_else(|| panic!("{text}: {seen}"));
            let places = [
                "\"MULTI\"",
                "[0 127.0.0.1:10002] \"SET\" \"a\"",
                "[2 127.0.0.1:10002] \"SET\" \"b\"",
            ];
            let places = places.map(at).into_iter().chain([at("\"PING\""), at("\"EVAL\"")]);
            assert!(places.clone().zip(places.skip(1)).all(|(one, next)| one < next), "{seen}");
            assert!(at("\"EVAL\"") < at("\"EXEC\"") && seen.contains("[2 lua] \"get\" \"x\""));
        }
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
