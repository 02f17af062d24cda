//! A script that runs on: past `busy-reply-threshold` its core takes *restricted turns* in the middle of it.
//!
//! In a restricted turn sockets and mailboxes are drained as ever. Every request is answered BUSY but those that Redis allows
//! then, so nothing sees what the script has half done, and no second script begins. What other cores say about
//! transactions, waits and outcomes is put by until the script has ended; what only passes through this core (the
//! sequencer's work, memory leases, MONITOR) is not. A transaction that would have to wait for this core is refused, so that it
//! holds no keys of others meanwhile.
//!
//! While a script has every core locked, all of them answer so.

use crate::action::Action;
use crate::engine::{Engine, Turn};
use crate::event::Event;
use crate::gather::Gather;
use crate::message::{Address, Batch, JobFlags, Message, Outcome, Share};
use crate::scripts::Running;
use crate::session::client::Stall;
use crate::session::input::{Arena, Source};
use crate::spread::take_shares;
use base::{ConnId, CoreId, Now};
use command::Failure;
use resp::Reply;
use resp::write::{Protocol, Writer};
use script::texts;
use std::collections::{HashMap, VecDeque};

/// Between two restricted turns, in microseconds: they are to cost a script little.
pub(crate) const BETWEEN_US: u64 = 1_000;

/// Bytes of a client whose earlier requests are still to be executed that are put by before it is not read any more.
const PUT_BY_BYTES_MAX: usize = 64 * 1024;

/// What keeps a core from executing anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Busy {
    /// EVAL and its kin.
    Script,
    /// FCALL.
    Function,
}

impl Busy {
    /// The error that requests are answered with.
    pub fn text(self) -> &'static str {
        match self {
            Busy::Script => texts::BUSY_SCRIPT,
            Busy::Function => texts::BUSY_FUNCTION,
        }
    }

    /// The same for an EXEC, which then executes nothing of what was queued.
    fn text_for(self, is_exec: bool) -> Failure {
        match is_exec {
            true => Failure::exec_aborted(self.text().as_bytes()),
            false => Failure::new(self.text()),
        }
    }
}

/// What came in restricted turns and is to be looked at in the next ordinary one.
#[derive(Debug, Default)]
pub(crate) struct PutBy {
    /// A restricted turn is under way.
    restricted: bool,
    /// Bounded by what other cores have under way here.
    messages: VecDeque<(CoreId, Message)>,
    /// Of clients that are behind with what they have sent; bounded by [`PUT_BY_BYTES_MAX`] each.
    happened: Vec<Happened>,
    /// Whom it happened to, and how many bytes of each are among it.
    behind: HashMap<ConnId, usize>,
    /// They are to be forgotten.
    gone: Vec<ConnId>,
}

/// What happened to a connection.
#[derive(Debug)]
enum Happened {
    Received(ConnId, Vec<u8>),
    Filling(ConnId, usize),
    Filled(ConnId, Vec<u8>),
    HungUp(ConnId),
    Closed(ConnId),
}

impl PutBy {
    /// Whether there is something to look at.
    pub fn is_due(&self) -> bool {
        !(self.messages.is_empty() && self.happened.is_empty() && self.gone.is_empty())
    }
}

impl Engine {
    /// Whether a restricted turn is under way.
    #[inline]
    pub(crate) fn is_restricted(&self) -> bool {
        self.put_by.restricted
    }

    /// A restricted turn beside the script that runs. False when the script is to stop.
    pub(crate) fn turn_beside(&mut self, running: Running, holds_all: bool) -> bool {
        if self.core.busy.is_none() {
            let busy = if running.is_function { Busy::Function } else { Busy::Script };
            self.say_busy(Some(busy), holds_all);
        }
        let kill_requested =
            self.core.scripts.running.as_ref().is_some_and(|running| running.kill_requested);
        self.core.scripts.running = Some(Running { kill_requested, ..running });
        let Some(mut pump) = self.pump.take() else { return true };
        let outer = self.step_aside();
        self.put_by.restricted = true;
        pump.turn(self);
        self.put_by.restricted = false;
        self.step_back(outer);
        self.pump = Some(pump);
        let running = self.core.scripts.running.as_ref();
        // A process that is to end keeps nothing, so there is nothing that could be left half done.
        !running.is_some_and(|running| running.kill_requested) && !self.flusher.draining
    }

    /// The script has ended.
    pub(crate) fn end_busy(&mut self, holds_all: bool) {
        if self.core.scripts.running.take().is_some() {
            self.say_busy(None, holds_all);
        }
    }

    fn say_busy(&mut self, busy: Option<Busy>, holds_all: bool) {
        self.set_busy(busy);
        let own = self.core.id;
        let cores = if holds_all { self.core.route.cores() as u16 } else { 0 };
        for core in (0..cores).map(CoreId).filter(|core| *core != own) {
            self.outbox.post(core, Message::Busy(busy));
        }
    }

    /// Whether this core's requests are answered BUSY, and how.
    pub(crate) fn set_busy(&mut self, busy: Option<Busy>) {
        self.core.busy = busy;
        self.core.refresh_watched();
    }

    /// Puts away what belongs to the turn in which the script runs.
    fn step_aside(&mut self) -> Outer {
        let work = std::mem::take(&mut self.shard.work);
        Outer {
            now: self.core.now,
            work,
            others: self.shares.begin_restricted_turn(),
            arena: std::mem::take(&mut self.arena),
            ahead: std::mem::take(&mut self.ahead),
            touched: std::mem::take(&mut self.shard.feed.touched),
        }
    }

    fn step_back(&mut self, outer: Outer) {
        let Outer { now, work, others, arena, ahead, mut touched } = outer;
        self.core.now = now;
        self.shard.work = work;
        self.shares.end_restricted_turn(others);
        (self.arena, self.ahead) = (arena, ahead);
        self.shard.feed.touched.take().into_iter().for_each(|key| touched.note(key));
        self.shard.feed.touched = touched;
    }

    /// What another core says in a restricted turn.
    pub(crate) fn on_message_beside(&mut self, from: CoreId, message: Message) {
        match message {
            Message::Bundle(messages) => {
                messages.into_iter().for_each(|message| self.on_message_beside(from, message));
            }
            Message::Ask { ticket, query } if query.is_harmless() => {
                self.on_ask(from, ticket, &query);
            }
            Message::Answer { ticket, answer } if self.asks.is_harmless(ticket) => {
                self.on_answer(from, ticket, *answer);
            }
            Message::Lock(share) if !share.patient => self.refuse_share(share),
            Message::Jobs(_)
            | Message::Sequence(_)
            | Message::Errand(_)
            | Message::Lease(_)
            | Message::Monitor(_)
            | Message::Clients(_)
            | Message::Busy(_) => self.on_message(from, message),
            other => self.put_by.messages.push_back((from, other)),
        }
    }

    /// Answers all jobs of a batch BUSY.
    pub(crate) fn refuse_jobs(&mut self, from: CoreId, mut batch: Box<Batch>, busy: Busy) {
        let Batch { jobs, outcomes, replies, .. } = &mut *batch;
        for job in jobs.iter() {
            let start = replies.len();
            let failure = busy.text_for(job.command == self.core.exec);
            Writer::new(replies, Protocol::Resp2).error(&*failure.0);
            outcomes.push(Outcome {
                len: (replies.len() - start) as u32,
                parked: false,
                failed: true,
                rejected: true,
                weight: 1,
                ..Outcome::PARKED
            });
            if let (JobFlags { watched: true, .. }, Address::Session(conn, _)) =
                (job.flags, job.address)
            {
                self.unwatch((from, conn));
            }
        }
        self.core.counters.jobs_served += batch.jobs.len() as u64;
        self.outbox.post(from, Message::Outcomes(batch));
    }

    /// Sends a share of a transaction back without a lock.
    pub(crate) fn refuse_share(&mut self, mut share: Box<Share>) {
        share.busy = self.core.busy;
        if share.watched {
            self.unwatch((share.origin, share.session));
        }
        match share.origin == self.core.id {
            // Not at once: its transaction is not in this turn's.
            true => self.outbox.post(self.core.id, Message::Granted(share)),
            false => self.outbox.post(share.origin, Message::Granted(share)),
        }
    }

    /// A transaction of which an owner was busy comes to nothing.
    pub(crate) fn refuse_transaction(&mut self, mut gather: Box<Gather>, busy: Busy) {
        let conn = gather.session;
        for mut share in take_shares(&mut gather.parts) {
            share.silent = true;
            self.finish_share(share);
        }
        let failure = busy.text_for(gather.command == self.core.exec);
        let mut reply = Vec::new();
        Writer::new(&mut reply, Protocol::Resp2).error(&*failure.0);
        self.core.account_error(&failure.0);
        self.end_gather(&gather, Reply::Whole(&reply));
        // Where what follows was to wait for it.
        self.go_on(conn);
        self.leave_transaction(conn);
    }

    /// Stops reading from a client of whom much is put by.
    fn bound_put_by(&mut self, conn: ConnId, received: usize) {
        let bytes = self.put_by.behind.entry(conn).or_default();
        *bytes += received;
        if *bytes > PUT_BY_BYTES_MAX
            && let Some(session) = self.sessions.get(conn)
            && !session.receive_paused
        {
            session.receive_paused = true;
            self.actions.push(Action::Pause(conn));
        }
    }

    /// A session is to be forgotten, which changes what others wait for: when the script has ended.
    pub(crate) fn put_by_gone(&mut self, conn: ConnId) {
        if let Some(session) = self.sessions.get(conn) {
            session.closing = true;
            session.stall = Some(Stall::Closing);
            self.put_by.gone.push(conn);
        }
    }
}

/// What belongs to the turn in which a script runs.
struct Outer {
    now: Now,
    work: u32,
    others: u32,
    arena: Arena,
    ahead: crate::ahead::Ahead,
    touched: crate::shard::feed::WriteOrder,
}

impl<'b> Turn<'_, 'b> {
    /// Something that happened in a restricted turn: it is put by if its client is behind with what it has sent.
    #[cold]
    pub(crate) fn on_beside(&mut self, event: Event<'b>) {
        let event = match event {
            Event::Message(from, message) => {
                return self.engine.on_message_beside(from, message);
            }
            other => other,
        };
        let conn = match &event {
            Event::Received(conn, _) | Event::Filling(conn, _) | Event::Filled(conn, _) => *conn,
            // What follows from it changes what others wait for.
            Event::Closed(_) | Event::HungUp(_) => return self.put_by(event),
            _ => return self.take_in(event),
        };
        let engine = &mut *self.engine;
        match engine.is_reading(conn) || engine.put_by.behind.contains_key(&conn) {
            true => self.put_by(event),
            false => self.take_in(event),
        }
    }

    /// Keeps something that happened to a connection for the next ordinary turn: the turn in which the script runs has not
    /// taken in yet what happened to it before.
    pub fn put_by(&mut self, event: Event<'b>) {
        let happened = match event {
            Event::Received(conn, bytes) => Happened::Received(conn, bytes.to_vec()),
            Event::Filling(conn, bytes) => Happened::Filling(conn, bytes),
            Event::Filled(conn, buffer) => Happened::Filled(conn, buffer),
            Event::HungUp(conn) => Happened::HungUp(conn),
            Event::Closed(conn) => Happened::Closed(conn),
            other => return self.take_in(other),
        };
        let (conn, received) = match &happened {
            Happened::Received(conn, bytes) => (*conn, bytes.len()),
            Happened::Filling(conn, _)
            | Happened::Filled(conn, _)
            | Happened::HungUp(conn)
            | Happened::Closed(conn) => (*conn, 0),
        };
        self.engine.put_by.happened.push(happened);
        self.engine.bound_put_by(conn, received);
    }

    /// Takes in what was put by, before anything else.
    pub(crate) fn take_put_by(&mut self) {
        let PutBy { messages, happened, gone, .. } = std::mem::take(&mut self.engine.put_by);
        for (from, message) in messages {
            self.engine.on_message(from, message);
        }
        for happened in happened {
            match happened {
                Happened::Received(conn, bytes) => self.on_kept(conn, &bytes),
                Happened::Filling(conn, bytes) => self.engine.on_filling(conn, bytes),
                Happened::Filled(conn, buffer) => self.on_filled(conn, buffer),
                Happened::HungUp(conn) => self.engine.on_hung_up(conn),
                Happened::Closed(conn) => self.on_closed(conn),
            }
        }
        for conn in gone {
            self.engine.forget(conn);
        }
    }

    fn on_kept(&mut self, conn: ConnId, bytes: &[u8]) {
        self.settle();
        let Some(session) = self.engine.sessions.get(conn) else { return };
        self.engine.core.note_received(session, bytes.len());
        session.input.append(bytes);
        if session.stall.is_none() && !session.closing {
            self.read(conn, Source::Input);
            self.settle();
        }
        self.engine.bound_input(conn);
    }
}

#[cfg(test)]
mod tests {
    use crate::check::{Client, World};
    use script::texts::{BUSY_FUNCTION, BUSY_SCRIPT, UNKILLABLE};
    use std::time::UNIX_EPOCH;

    /// A world in which scripts run on after a millisecond.
    fn world(cores: usize) -> World {
        let clock = || UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos() as u64);
        World::with_clock(cores, &[("busy-reply-threshold", "1")], clock)
    }

    /// Words of a request by their lengths, of which one may be a script.
    fn request(words: &[&str]) -> Vec<u8> {
        let bulk = |word: &&str| format!("${}\r\n{word}\r\n", word.len());
        let bulks: String = words.iter().map(bulk).collect();
        format!("*{}\r\n{bulks}", words.len()).into_bytes()
    }

    /// Runs a script, and what others send meanwhile; shows what its client receives.
    fn run(world: &mut World, client: Client, source: &str, rest: &[&str]) -> String {
        let words: Vec<&str> = ["EVAL", source].into_iter().chain(rest.iter().copied()).collect();
        world.feed_quietly(client, &request(&words));
        world.settle();
        world.pass_ms(1);
        world.shown(client)
    }

    fn busy(text: &str) -> String {
        format!("(err) {text}")
    }

    #[test]
    fn beside_a_script_that_runs_on_others_are_told_and_may_kill_it() {
        for cores in [1, 2, 3] {
            let mut world = world(cores);
            let (one, other, killer) = (world.open(0), world.open(0), world.open(cores - 1));
            // A key of the core on which the script runs.
            let key = (0..).map(|it| format!("k{it}")).find(|key| owner(cores, key) == 0);
            let key = key.expect("every core owns keys");
            let all = format!("PING\r\nMULTI\r\nSET {key} 1\r\nEXEC\r\nEXEC\r\nGET {key}\r\n");
            world.visit(other, all.as_bytes());
            world.visit(killer, b"FUNCTION KILL\r\nSCRIPT KILL\r\n");
            let killed = run(&mut world, one, "while true do end", &["1", &key]);
            assert!(killed.starts_with("(err) ERR Script killed by user"), "{killed}");
            let told = busy(BUSY_SCRIPT);
            let aborted =
                format!("(err) EXECABORT Transaction discarded because of: {BUSY_SCRIPT}");
            let expected = [&told, "OK", &told, &aborted, &aborted, &told];
            assert_eq!(world.shown(other), expected.join("; "), "{cores}");
            assert_eq!(world.shown(killer), format!("{told}; OK"), "{cores}");
            assert_eq!(world.ask(other, &format!("SET {key} 2")), "OK");
            assert_eq!(world.ask(one, &format!("GET {key}")), "2");
            assert_eq!(
                world.ask(one, "SCRIPT KILL"),
                "(err) NOTBUSY No scripts in execution right now."
            );
        }
    }

    fn owner(cores: usize, key: &str) -> usize {
        base::RouteTable::new(cores).owner(base::Slot::of_key(key.as_bytes())).index()
    }

    fn key_on(cores: usize, core: usize) -> String {
        let mut keys = (0..).map(|it| format!("k{it}"));
        keys.find(|key| owner(cores, key) == core).expect("every core owns keys")
    }

    #[test]
    fn other_cores_go_on_and_what_needs_the_busy_one_is_told_and_leaves_nothing() {
        let mut world = world(2);
        let (one, other) = (world.open(0), world.open(1));
        let (here, there) = (key_on(2, 0), key_on(2, 1));
        let all = format!(
            "SET {there} 1\r\nGET {here}\r\nMSET {here} 2 {there} 2\r\nGET {there}\r\nDBSIZE\r\nWATCH {here}\r\nUNWATCH\r\n"
        );
        world.visit(other, all.as_bytes());
        world.visit(other, b"FUNCTION STATS\r\n");
        world.visit(other, b"SCRIPT KILL\r\n");
        let killed = run(&mut world, one, "while true do end", &["1", &here]);
        assert!(killed.starts_with("(err) ERR Script killed by user"), "{killed}");
        let told = busy(BUSY_SCRIPT);
        let expected = ["OK", &told, &told, "1", &told, &told, "OK", &told, "OK"];
        assert_eq!(world.shown(other), expected.join("; "));
        assert_eq!(world.ask(other, &format!("MGET {here} {there}")), "[nil 1]");
        assert!((0..2).all(|core| world.census(core).locks == 0));
        assert!((0..2).all(|core| world.census(core).watches == 0));
    }

    #[test]
    fn what_a_client_sent_before_is_done_before_what_it_sends_meanwhile() {
        let mut world = world(1);
        let (one, other) = (world.open(0), world.open(0));
        let script = request(&["EVAL", "while true do end", "1", "a"]);
        // A script that is not known begins at the end of the turn.
        world.ask_words(one, &[b"SCRIPT", b"LOAD", b"while true do end"]);
        world.visit(other, b"GET b\r\nPING\r\n");
        let killer = world.open(0);
        world.visit(killer, b"SCRIPT KILL\r\n");
        world.feed_pieces(&[(one, &script), (other, b"SET b 1\r\nAPPEND b 2\r\n")]);
        world.pass_ms(1);
        assert_eq!(world.shown(other), "OK; 2; 12; PONG");
        assert!(world.shown(one).starts_with("(err) ERR Script killed"));
    }

    #[test]
    fn a_script_that_has_written_is_not_killed_and_nobody_sees_what_it_has_half_done() {
        for cores in [1, 3] {
            let mut world = world(cores);
            let (one, other) = (world.open(0), world.open(cores - 1));
            world.visit(other, b"SCRIPT KILL\r\n");
            world.visit(other, b"PING\r\nGET a\r\n");
            let source = "redis.call('SET', 'a', 1) redis.call('KEYS', '*') \
                          for i = 1, 3000000 do end redis.call('INCR', 'a') return redis.call('GET', 'a')";
            assert_eq!(run(&mut world, one, source, &["0"]), "2");
            // On several cores KEYS has locked all of them.
            let told = busy(BUSY_SCRIPT);
            let expected = [&busy(UNKILLABLE), &told, &told];
            assert_eq!(world.shown(other), expected.map(String::as_str).join("; "), "{cores}");
            assert_eq!(world.ask(other, "GET a"), "2");
            assert!((0..cores).all(|core| world.census(core).locks == 0));
        }
    }

    #[test]
    fn a_function_is_killed_as_one_and_shown_while_it_runs() {
        let mut world = world(1);
        let (one, other) = (world.open(0), world.open(0));
        let library =
            "#!lua name=lib\nredis.register_function('f', function() while true do end end)";
        assert_eq!(world.ask_words(one, &[b"FUNCTION", b"LOAD", library.as_bytes()]), "lib");
        world.visit(other, b"PING\r\nSCRIPT KILL\r\nFUNCTION STATS\r\nFUNCTION KILL\r\n");
        world.feed_quietly(one, b"FCALL f 0\r\n");
        world.pass_ms(1);
        assert!(world.shown(one).contains("script: f, on @user_function:2."));
        let told = busy(BUSY_FUNCTION);
        let shown = world.shown(other);
        assert!(
            shown.starts_with(&format!("{told}; {told}; [running_script [name f command")),
            "{shown}"
        );
        assert!(shown.ends_with("[libraries_count 1 functions_count 1]]]; OK"), "{shown}");
    }

    #[test]
    fn who_leaves_while_a_script_runs_is_forgotten_behind_it() {
        let mut world = world(2);
        let (one, waits, killer) = (world.open(0), world.open(0), world.open(1));
        let here = key_on(2, 0);
        world.feed(waits, format!("BLPOP {{{here}}}list 0\r\n").as_bytes());
        world.visit(killer, b"CLIENT KILL ID 2\r\nSCRIPT KILL\r\n");
        let last = world.open(1);
        world.visit(last, b"SCRIPT KILL\r\n");
        let killed = run(&mut world, one, "while true do end", &["1", &here]);
        assert!(killed.starts_with("(err) ERR Script killed by user"), "{killed}");
        world.settle();
        assert!(world.is_closed(waits));
        assert_eq!(world.shown(killer), "1; (err) NOTBUSY No scripts in execution right now.");
        assert!((0..2).all(|core| world.census(core).waiters == 0));
    }

    #[test]
    fn what_waits_for_keys_of_a_busy_core_too_is_told_and_its_client_goes_on() {
        for request in ["BLPOP {here} {there} 0", "EVAL 'return 1' 2 {here} {there}"] {
            let mut world = world(2);
            let (one, other) = (world.open(0), world.open(1));
            let (here, there) = (key_on(2, 0), key_on(2, 1));
            world.ask_words(other, &[b"SCRIPT", b"LOAD", b"return 1"]);
            let request = request.replace("{here}", &here).replace("{there}", &there);
            world.visit(other, format!("{request}\r\nPING\r\n").as_bytes());
            let killer = world.open(1);
            for _ in 0..20 {
                world.visit(killer, b"PING\r\n");
            }
            world.visit(killer, b"SCRIPT KILL\r\n");
            let killed = run(&mut world, one, "while true do end", &["1", &here]);
            assert!(killed.starts_with("(err) ERR Script killed by user"), "{killed}");
            let told = busy(BUSY_SCRIPT);
            assert_eq!(world.shown(other), format!("{told}; PONG"), "{request}");
            assert_eq!(world.ask(other, "PING"), "PONG", "{request}");
            assert!((0..2).all(|core| world.census(core).locks == 0));
        }
    }
}
