//! EXEC. Where one core owns everything that was queued, and everything that was watched, the queue travels there as one job, and
//! is executed in one go. Else its keys are lent to the origin, and it is executed on these. Commands of the session and of the server
//! (PING, CONFIG, INFO, …) run at the session when the data commands have, each at its place in the reply.

use super::exclusive::Errands;
use super::locks::Wanted;
use super::queue::{Queue, Queued, commands};
use super::watch::Client;
use crate::commands::Next;
use crate::core::Core;
use crate::dispatch::Flow;
use crate::engine::Engine;
use crate::gather::Then;
use crate::message::{Address, Job, JobFlags, Words};
use crate::session::client::{Gates, Stall};
use crate::session::plan::{Plan, Planned};
use crate::shard::execute::{Call, Verdict};
use crate::table::Home;
use base::{ConnId, CoreId, CoreSet, Slot};
use command::{Args, Failure, Fanout, Flags, KeySpec};
use resp::Sink;
use resp::write::{Protocol, Writer};
use std::collections::{BTreeMap, VecDeque};

/// What of an EXEC is still to be done at the session.
#[derive(Debug)]
pub struct Tail {
    /// Its place in the session's pipeline.
    place: Option<u32>,
    replies: Vec<Vec<u8>>,
    todo: VecDeque<(usize, Words)>,
    /// The one under way, whose answer is awaited.
    under_way: usize,
    /// Where CLIENT REPLY among them has switched replies off, and on again: to which positions it applies.
    mutes: Vec<(usize, bool)>,
}

impl Tail {
    /// The replies that are given, as many as CLIENT REPLY has left.
    fn given(&self) -> impl Iterator<Item = &[u8]> {
        self.replies.iter().enumerate().filter_map(|(index, reply)| {
            let last = self.mutes.iter().rfind(|(from, _)| *from <= index);
            let muted = last.is_some_and(|(_, muted)| *muted);
            (!muted).then_some(&**reply)
        })
    }
}

/// Where the commands of a queue have to run.
#[derive(Debug, Default)]
struct Places {
    owners: CoreSet,
    /// Some run at the session.
    at_session: bool,
    /// Some concern more than the keys that they name.
    global: bool,
    /// Some are scripts, which may touch any key.
    scripts: bool,
}

impl Engine {
    /// EXEC of a session.
    pub(crate) fn exec(&mut self, conn: ConnId, id: u16, args: &Args<'_>) -> Flow {
        let cores = self.core.route.cores() as u16;
        if (0..cores).any(|core| self.outbox.is_crowded(CoreId(core))) {
            return self.congested(conn);
        }
        let Some(session) = self.sessions.get(conn) else { return Flow::WaitAfter };
        let Some(queue) = session.queue.take() else {
            return self.fail(conn, id, args, &Failure::new("ERR EXEC without MULTI"));
        };
        session.gates.set(Gates::MULTI, false);
        if queue.failed {
            self.unwatch_all(conn);
            let text = "EXECABORT Transaction discarded because of previous errors.";
            return self.fail(conn, id, args, &Failure::new(text));
        }
        let flags = Flags(queue.flags);
        if self.shard.refuses(&mut self.core, flags, 0) {
            self.unwatch_all(conn);
            let why: &[u8] = &Failure::OOM.0;
            let text = [&b"EXECABORT Transaction discarded because of: "[..], why].concat();
            return self.fail(conn, id, args, &Failure::text(text));
        }
        let words = self.seal(conn, id, *queue);
        self.run_queue(conn, id, words)
    }

    /// A queue as one request; each command with the database that a SELECT before it has chosen.
    pub(super) fn seal(&self, conn: ConnId, id: u16, queue: Queue) -> Words {
        let mut db = self.sessions.peek(conn).map_or(0, |session| session.db);
        let databases = self.shard.store.databases();
        let select = self.core.select;
        queue.seal(id, b"EXEC", |command, args| {
            let own = db;
            if command == select
                && let Some(index) = args.get(1).and_then(|index| resp::number::parse_i64(index))
                && (0..databases as i64).contains(&index)
            {
                db = index as u8;
            }
            own
        })
    }

    fn run_queue(&mut self, conn: ConnId, id: u16, words: Words) -> Flow {
        let args = Args::new(&words.bytes, &words.spans, self.core.hasher);
        self.show_queue(conn, &args);
        let mut places = self.core.places(&args);
        let Some(session) = self.sessions.get(conn) else { return Flow::WaitAfter };
        let watched = session.watched_at;
        watched.iter().for_each(|owner| _ = places.owners.insert(owner));
        let (db, flags) = (session.db, session.job_flags());
        let (own, several) = (self.core.id, self.core.route.cores() > 1);
        if places.scripts {
            return match several || !self.locks.is_idle() {
                true => self.exec_on_loans(conn, id, &args, places),
                false => self.exec_at_home(conn, id, &args),
            };
        }
        let at_home = places.owners.iter().all(|owner| owner == own);
        if at_home
            && places.at_session
            && !(places.global && several)
            && self.must_park_queue((own, conn), flags, &args).is_none()
        {
            return self.exec_at_home(conn, id, &args);
        }
        if places.at_session || (places.global && several) || places.owners.len() > 1 {
            return self.exec_on_loans(conn, id, &args, places);
        }
        let waits = !watched.is_empty();
        let owner = places.owners.iter().next().unwrap_or(self.core.id);
        let nowhere = Planned { plan: Plan::One(owner), key: 0, slot: Slot::of_key(b""), hash: 0 };
        let here = Planned { plan: Plan::Here, ..nowhere };
        if owner != own || self.by_mail(conn, id, here).plan != Plan::Here {
            // It is taken out of the session already: it goes though the way be full.
            self.send_there(conn, owner, id, nowhere, &args);
            self.watches_nothing(conn);
            if waits {
                // A WATCH that follows must not come before it.
                self.stall(conn, Stall::Blocked);
                return self.wait_if_stalled(conn);
            }
            return Flow::Next;
        }
        if !self.locks.is_idle()
            && let Some(wanted) = self.must_park_queue((owner, conn), flags, &args)
        {
            let flow = self.park_request(conn, id, nowhere, &args, wanted);
            self.watches_nothing(conn);
            return flow;
        }
        self.watches_nothing(conn);
        let address = Address::Nobody(conn);
        let job =
            Job { address, command: id, db, flags, args: 0, key: 0, slot: nowhere.slot, hash: 0 };
        let (mut bytes, mut chain) = (Vec::new(), resp::Chain::default());
        let sink = Sink::behind(&mut bytes, &mut chain);
        let verdict = self.execute_job(owner, conn, &job, &args, sink);
        self.heed();
        let reply = crate::spread::whole_of(&mut bytes, chain);
        self.note_at(conn, None, id, verdict, &args, (reply.whole(), reply.len()));
        self.reply_to(conn, reply);
        Flow::Next
    }

    /// Executes a queue of which this core owns all keys, and part of which runs at the session.
    fn exec_at_home(&mut self, conn: ConnId, id: u16, args: &Args<'_>) -> Flow {
        let client = (self.core.id, conn);
        let Some(session) = self.sessions.get(conn) else { return Flow::WaitAfter };
        session.watched_at = CoreSet::default();
        let mut flags = session.job_flags();
        let place = session.reserve(false);
        let dirty = self.is_dirty(client);
        self.unwatch(client);
        let before = (self.core.ticks)();
        let (mut replies, mut todo) = (Vec::new(), VecDeque::new());
        for (index, queued) in commands(args).enumerate().filter(|_| !dirty) {
            let own = queued.part(args);
            let mut reply = Vec::new();
            let about = match self.core.route.cores() {
                1 => self.execute_about_scripts(queued, flags, &own),
                _ => None,
            };
            if let Some(about) = about {
                reply = about;
            } else if let Home::Engine(_) = self.core.table.entry(queued.command).home {
                self.core.note_protocol(queued.command, &own, &mut flags);
                todo.push_back((index, Words::of(queued.command, own.from(0))));
            } else if self.core.table.entry(queued.command).spec.flags.has(Flags::SCRIPT) {
                reply = self.execute_queued_script_at_home(queued, flags, &own);
            } else {
                let call = Call { db: queued.db, flags, ..self.core.call(queued.command) };
                let sink = Sink::plain(&mut reply);
                let verdict = self.shard.execute_admitted(&mut self.core, call, &own, sink);
                // Nobody waits within a transaction.
                self.shard.wait = None;
                self.account_queued(queued.command, verdict, &reply);
            }
            replies.push(reply);
        }
        let ticks = (self.core.ticks)().wrapping_sub(before).max(1);
        let verdict = Verdict { ticks, weight: 1, ..Verdict::default() };
        self.note_at(conn, None, id, verdict, args, (&[], 0));
        if dirty {
            let mut reply = Vec::new();
            Writer::new(&mut reply, protocol(flags)).null_array();
            if let Some(place) = place {
                self.fill_place(conn, place, resp::Reply::Whole(&reply));
            }
            return Flow::Next;
        }
        self.enter_transaction(conn);
        self.stall(conn, Stall::Sequenced);
        self.run_tail(conn, place, replies, todo);
        // Who waits for what was written is served when all of it is done.
        self.heed();
        self.wait_if_stalled(conn)
    }

    /// Why an EXEC is refused before it is looked at; what was queued is forgotten.
    pub(crate) fn abort_exec(&mut self, conn: ConnId, why: &[u8]) -> Failure {
        if let Some(session) = self.sessions.get(conn) {
            session.queue = None;
            session.gates.set(Gates::MULTI, false);
        }
        self.unwatch_all(conn);
        Failure::exec_aborted(why)
    }

    /// A session's EXEC is under way, and takes with it what the session has watched.
    fn watches_nothing(&mut self, conn: ConnId) {
        if let Some(session) = self.sessions.get(conn) {
            session.watched_at = CoreSet::default();
        }
    }

    /// What a queue would have to wait for at this core, which owns all of it: its keys, and those that its client watches, or it could not be
    /// told whether they have changed.
    pub(crate) fn must_park_queue(
        &self,
        client: Client,
        flags: JobFlags,
        args: &Args<'_>,
    ) -> Option<Wanted> {
        let mut keys = Vec::new();
        self.core.lock_ids(self.core.exec, 0, args, &mut keys);
        if flags.watched {
            self.watched_locks(client, &mut keys);
        }
        let is_wide = |queued: Queued| is_wide(self.core.table.entry(queued.command).spec.fanout);
        let wanted = match commands(args).any(is_wide) {
            true => Wanted::Whole,
            false => Wanted::Keys(keys),
        };
        self.locks.must_wait(&wanted).then_some(wanted)
    }

    /// Appends a reply behind all that are due.
    pub(crate) fn reply_to(&mut self, conn: ConnId, reply: resp::Reply<'_>) {
        let Some(session) = self.sessions.get(conn) else { return };
        if session.muted() {
            return;
        }
        let place = session.pipeline.reserve();
        self.fill_place(conn, place, reply);
    }

    /// Executes a sealed queue on this core, which owns all of it. The caller holds what locks there are.
    pub(crate) fn execute_queue(
        &mut self,
        client: Client,
        flags: JobFlags,
        args: &Args<'_>,
        mut reply: Sink<'_>,
    ) -> Verdict {
        // A queue that watches nothing leaves alone what a WATCH behind it watches already.
        let dirty = flags.watched && self.is_dirty(client);
        if flags.watched {
            self.unwatch(client);
        }
        let before = (self.core.ticks)();
        let mut out = Writer::to(reply.reborrow(), protocol(flags));
        if dirty {
            out.null_array();
        } else {
            out.array(commands(args).count());
            for queued in commands(args) {
                let call = Call { db: queued.db, flags, ..self.core.call(queued.command) };
                let own = queued.part(args);
                let start = reply.len();
                let verdict =
                    self.shard.execute_admitted(&mut self.core, call, &own, reply.reborrow());
                let error = if verdict.failed { reply.since(start).to_vec() } else { Vec::new() };
                self.account_queued(queued.command, verdict, &error);
            }
            self.shard.wait = None;
        }
        Verdict {
            ticks: (self.core.ticks)().wrapping_sub(before).max(1),
            weight: 1,
            ..Verdict::default()
        }
    }

    pub(super) fn account_queued(&mut self, id: u16, verdict: Verdict, reply: &[u8]) {
        self.core.account(id, verdict.ticks, verdict.weight);
        if verdict.failed {
            self.core.commands[id as usize].failed += 1;
            self.core.account_error(reply.strip_prefix(b"-").unwrap_or(reply).trim_ascii_end());
        }
    }

    /// Has the keys of a queue lent to this core.
    fn exec_on_loans(&mut self, conn: ConnId, id: u16, args: &Args<'_>, places: Places) -> Flow {
        let then = Then::Loan { attempts: 0 };
        let Some(mut gather) = self.begin_gather(conn, id, args, then) else {
            return Flow::WaitAfter;
        };
        let mut keys = BTreeMap::new();
        for queued in commands(args) {
            self.core.queued_keys(queued, args, |db, key, writes| {
                *keys.entry((db, Box::from(key))).or_insert(false) |= writes;
            });
        }
        gather.extra = keys.into_iter().map(|((db, key), writes)| (db, key, writes)).collect();
        gather.global = places.global || places.scripts;
        if let Some(session) = self.sessions.get(conn) {
            gather.watched = std::mem::take(&mut session.watched_at);
        }
        let waits = places.at_session || !gather.watched.is_empty();
        self.enter_transaction(conn);
        if waits {
            // Its commands at the session come before what follows it, and a WATCH that follows must not be granted before it.
            self.stall(conn, Stall::Sequenced);
        }
        match places.owners.is_empty() && !gather.global {
            true => self.on_all_lent(gather),
            false => self.ask_for_loans(gather),
        }
        if waits { self.wait_if_stalled(conn) } else { Flow::Next }
    }

    /// Executes the data commands of a queue on what was lent; gives each reply, and what is left for the session.
    pub(crate) fn execute_on_guests(
        &mut self,
        args: &Args<'_>,
        mut flags: JobFlags,
        mut errands: Option<&mut Errands>,
    ) -> (Vec<Vec<u8>>, VecDeque<(usize, Words)>) {
        let (mut replies, mut todo) = (Vec::new(), VecDeque::new());
        for (index, queued) in commands(args).enumerate() {
            let own = queued.part(args);
            let mut reply = Vec::new();
            if let Home::Engine(_) = self.core.table.entry(queued.command).home {
                self.core.note_protocol(queued.command, &own, &mut flags);
                todo.push_back((index, Words::of(queued.command, own.from(0))));
            } else if !self.bring_for(errands.as_deref_mut(), queued, flags, &own, &mut reply) {
                let call = Call { db: queued.db, flags, ..self.core.call(queued.command) };
                let sink = Sink::plain(&mut reply);
                let verdict = self.shard.run_as_guest(&mut self.core, call, &own, sink);
                self.account_queued(queued.command, verdict, &reply);
            }
            replies.push(reply);
        }
        self.shard.wait = None;
        (replies, todo)
    }

    /// Brings what a command of a queue touches, where everything is locked. True when it has run: it concerns all cores.
    fn bring_for(
        &mut self,
        errands: Option<&mut Errands>,
        queued: Queued,
        flags: JobFlags,
        own: &Args<'_>,
        reply: &mut Vec<u8>,
    ) -> bool {
        let Some(errands) = errands else { return false };
        let spec = self.core.table.entry(queued.command).spec;
        if matches!(spec.fanout, Fanout::All(_) | Fanout::RandomCore | Fanout::Cursor) {
            self.bring(errands, spec, queued.db, own, None);
            self.everywhere(queued.command, queued.db, flags, own, reply);
            return true;
        }
        let mut keys = Vec::new();
        let whole = Queued { first: 0, count: own.len(), ..queued };
        self.core.queued_keys(whole, own, |db, key, writes| keys.push(((db, key.into()), writes)));
        self.bring(errands, spec, queued.db, own, Some(&keys));
        false
    }

    /// Goes on with the part of an EXEC that runs at the session, and answers when it is done.
    pub(crate) fn run_tail(
        &mut self,
        conn: ConnId,
        place: Option<u32>,
        replies: Vec<Vec<u8>>,
        todo: VecDeque<(usize, Words)>,
    ) {
        let tail = Tail { place, replies, todo, under_way: 0, mutes: Vec::new() };
        let Some(session) = self.sessions.get(conn) else { return };
        session.tail = Some(Box::new(tail));
        self.go_on_with_tail(conn);
    }

    fn go_on_with_tail(&mut self, conn: ConnId) {
        loop {
            let Some(session) = self.sessions.get(conn) else { return };
            let tail = session.tail.as_mut().expect("only a session with a tail goes on with it");
            let Some((index, words)) = tail.todo.pop_front() else { break };
            tail.under_way = index;
            let (reply, next) = self.run_words_at_session(conn, &words);
            self.keep_tail_reply(conn, reply);
            self.note_mute(conn, index);
            match next {
                // Nobody waits within a transaction.
                Next::Sleep { reply, .. } => self.keep_tail_reply(conn, reply.to_vec()),
                Next::Done | Next::Close | Next::Exec | Next::Unwatch => {}
                Next::Ask(query) => return self.ask(conn, query),
                Next::Control(request) => return self.ask_process(conn, request, None),
                Next::ControlThen(request, query) => {
                    return self.ask_process(conn, request, Some(query));
                }
            }
        }
        let Some(session) = self.sessions.get(conn) else { return };
        let tail = session.tail.take().expect("looked at above");
        let mut reply = Vec::new();
        Writer::new(&mut reply, Protocol::Resp2).array(tail.replies.len());
        tail.given().for_each(|one| reply.extend_from_slice(one));
        if let Some(place) = tail.place {
            self.fill_place(conn, place, resp::Reply::Whole(&reply));
        }
        self.leave_transaction(conn);
    }

    /// Runs a command of the session or the server; gives its reply, if it has one already, and what is to follow.
    fn run_words_at_session(&mut self, conn: ConnId, words: &Words) -> (Vec<u8>, Next) {
        let Home::Engine(run) = self.core.table.entry(words.command).home else {
            unreachable!("data commands ran before")
        };
        let args = Args::new(&words.bytes, &words.spans, self.core.hasher);
        let mut reply = Vec::new();
        let Some(session) = self.sessions.get(conn) else { return (reply, Next::Done) };
        let writer = Writer::new(&mut reply, session.protocol);
        let mut desk = crate::commands::Desk { session, core: &mut self.core, reply: writer };
        let result = run(&mut desk, &args);
        let failed = result.is_err();
        let next = result.unwrap_or_else(|failure| {
            reply.clear();
            Writer::new(&mut reply, Protocol::Resp2).error(&*failure.0);
            Next::Done
        });
        let verdict = Verdict { failed, weight: 1, ..Verdict::default() };
        self.account_queued(words.command, verdict, &reply);
        (reply, next)
    }

    /// A command of an EXEC has run at the session: replies may be switched off since, or on.
    fn note_mute(&mut self, conn: ConnId, index: usize) {
        let Some(session) = self.sessions.get(conn) else { return };
        let muted = session.gates.any(Gates::MUTE);
        let Some(tail) = &mut session.tail else { return };
        if tail.mutes.last().map_or(tail.place.is_none(), |(_, before)| *before) != muted {
            tail.mutes.push((index, muted));
        }
    }

    fn keep_tail_reply(&mut self, conn: ConnId, reply: Vec<u8>) {
        if let Some(tail) = self.sessions.get(conn).and_then(|session| session.tail.as_mut()) {
            let index = tail.under_way;
            tail.replies[index] = reply;
        }
    }

    /// A late reply of a session: true when it belongs into an EXEC, which has taken it.
    pub(crate) fn is_for_tail(&mut self, conn: ConnId, reply: &[u8]) -> bool {
        if self.sessions.peek(conn).is_none_or(|session| session.tail.is_none()) {
            return false;
        }
        self.keep_tail_reply(conn, reply.to_vec());
        self.stall(conn, Stall::Sequenced);
        self.go_on_with_tail(conn);
        true
    }
}

impl Queued {
    /// The command's own arguments.
    pub(crate) fn part<'a>(self, all: &Args<'a>) -> Args<'a> {
        all.part(self.first, self.count)
    }
}

impl Core {
    /// Calls `add` with each key of a queued command, and whether it may be written.
    pub(crate) fn queued_keys(
        &self,
        queued: Queued,
        args: &Args<'_>,
        mut add: impl FnMut(u8, &[u8], bool),
    ) {
        let spec = self.table.entry(queued.command).spec;
        let own = queued.part(args);
        let is_written = |keys: &KeySpec| keys.flags.first() != Some(&"RO");
        let hidden = spec.flags.has(Flags::WRITE) && !spec.keys.iter().any(is_written);
        let other = spec.other_db.and_then(|other| other(&own));
        let mut positions = Vec::new();
        for keys in spec.keys {
            positions.clear();
            keys.positions(&own, &mut positions);
            for position in &positions {
                let key = own.get(*position as usize);
                add(queued.db, key, is_written(keys) || hidden);
                if let Some(other) = other.filter(|other| *other != queued.db)
                    && i64::from(other) < self.settings.int(base::settings::DATABASES)
                {
                    add(other, key, true);
                }
            }
        }
    }

    /// What follows a HELLO of a queue is answered in its protocol.
    pub(super) fn note_protocol(&self, id: u16, args: &Args<'_>, flags: &mut JobFlags) {
        if self.table.entry(id).spec.name == "HELLO"
            && let Some(version @ 2..=3) = args.integer(1)
        {
            flags.resp3 = version == 3;
        }
    }

    /// Where the commands of a sealed queue have to run.
    fn places(&self, args: &Args<'_>) -> Places {
        let mut places = Places::default();
        for queued in commands(args) {
            let entry = self.table.entry(queued.command);
            if let Home::Engine(_) = entry.home {
                places.at_session = true;
                continue;
            }
            places.scripts |= entry.spec.flags.has(Flags::SCRIPT);
            let own = queued.part(args);
            let derives = entry.spec.derived.is_some_and(|derived| (derived.any)(&own));
            places.global |= derives || is_wide(entry.spec.fanout);
            self.queued_keys(queued, args, |_, key, _| {
                places.owners.insert(self.route.owner(Slot::of_key(key)));
            });
        }
        places
    }
}

/// Whether a command concerns more than the keys that it names.
fn is_wide(fanout: Fanout) -> bool {
    matches!(fanout, Fanout::All(_) | Fanout::RandomCore | Fanout::Cursor)
}

pub(super) fn protocol(flags: JobFlags) -> Protocol {
    if flags.resp3 { Protocol::Resp3 } else { Protocol::Resp2 }
}
