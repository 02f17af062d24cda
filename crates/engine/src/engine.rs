//! Where sessions and shard meet: one `match` over what happened, and the end of a turn.
//!
//! A turn is: events in (each read is parsed into the arena as it comes), then
//! [`Turn::finish`]: execute what was parsed, run what may go on again, do a bounded step of
//! housekeeping, hand out replies, actions and messages.

use crate::action::Action;
use crate::ahead::Ahead;
use crate::core::{Core, Process};
use crate::event::{Control, Event, Peer};
use crate::gather::Gathers;
use crate::message::Message;
use crate::outbox::Outbox;
use crate::session::input::{Arena, Source};
use crate::session::{Session, Sessions, client::Stall};
use crate::shard::{Shard, lease::Account};
use crate::table::Table;
use crate::tx::busy::PutBy;
use crate::tx::exclusive::Pump;
use crate::tx::locks::{LockId, Locks};
use crate::tx::script::Touched;
use crate::tx::{block::Deadlines, grant::Waiting, waiters::Waiters, watch::Watches};
use crate::{ask::Asks, flush::Flusher, patrol::Patrol, share::Shares};
use arrayvec::ArrayVec;
use base::limits::TURN_EVENTS_MAX;
use base::{ConnId, CoreId, Now, RouteTable, Settings};
use std::sync::Arc;
use store::Store;

/// What an engine starts from.
pub struct Setup {
    /// Which core it is.
    pub core: CoreId,
    /// Where slots live.
    pub route: RouteTable,
    /// The configuration.
    pub settings: Settings,
    /// All commands.
    pub table: Arc<Table>,
    /// Facts about the process.
    pub process: Arc<Process>,
    /// Seed of the key hash; the same for all cores of a process.
    pub hash_seed: u64,
    /// Seed of everything random on this core.
    pub seed: u64,
    /// A cycle counter and how many of its ticks make a microsecond.
    pub clock: (fn() -> u64, f64),
}

impl Setup {
    /// One of `cores` with the default configuration, every command, and a cycle counter that stands still:
    /// for those who drive engines without a server.
    pub fn plain(core: CoreId, cores: usize, seed: u64) -> Setup {
        Setup {
            core,
            route: RouteTable::new(cores),
            settings: Settings::default(),
            table: Arc::new(Table::new(&[]).expect("no command is renamed")),
            process: Arc::new(Process::default()),
            hash_seed: seed,
            seed: seed.wrapping_add(u64::from(core.0)),
            clock: (|| 0, 1000.0),
        }
    }
}

/// One core.
pub struct Engine {
    pub(crate) core: Core,
    pub(crate) sessions: Sessions,
    pub(crate) shard: Shard,
    pub(crate) arena: Arena,
    /// Keys that the arena's requests will look up here, and those of another core's jobs.
    pub(crate) ahead: Ahead,
    pub(crate) jobs_ahead: Ahead,
    pub(crate) gathers: Gathers,
    pub(crate) locks: Locks<Waiting>,
    /// What the job under way has locked, if it was parked.
    pub(crate) held: Vec<LockId>,
    pub(crate) pump: Option<Box<dyn Pump>>,
    /// What came while a script ran on.
    pub(crate) put_by: PutBy,
    /// What the script that has just run here would need that it did not have.
    pub(crate) strays: Option<(Touched, bool)>,
    pub(crate) watches: Watches,
    pub(crate) waiters: Waiters,
    pub(crate) deadlines: Deadlines,
    pub(crate) asks: Asks,
    pub(crate) outbox: Outbox,
    pub(crate) flusher: Flusher,
    pub(crate) patrol: Patrol,
    pub(crate) shares: Shares,
    /// Sessions that wait for a way to another core.
    pub(crate) congested: Vec<ConnId>,
    /// Stalled sessions whose reason may be gone.
    pub(crate) runnable: Vec<ConnId>,
    /// Sessions of whose request much is missing.
    pub(crate) incomplete: Vec<ConnId>,
    pub(crate) actions: Vec<Action>,
    /// Every session is stalled until this time; DEBUG SLEEP.
    pub(crate) frozen_until_us: u64,
}

impl Engine {
    /// An engine without connections and keys.
    pub fn new(setup: Setup) -> Engine {
        let databases = setup.settings.int(base::settings::DATABASES) as usize;
        let slots = setup.route.slots(setup.core);
        let store = Store::new(databases, slots, setup.hash_seed, setup.seed);
        let mut shard = Shard::new(store, Account::new(setup.core, setup.route.cores()));
        shard.configure(&setup.settings);
        let cores = setup.route.cores();
        let core = Core::new(
            setup.core,
            setup.route,
            setup.settings,
            setup.table,
            setup.process,
            setup.hash_seed,
            setup.seed,
            setup.clock,
        );
        Engine {
            core,
            sessions: Sessions::default(),
            shard,
            arena: Arena::default(),
            ahead: Ahead::default(),
            jobs_ahead: Ahead::default(),
            gathers: Gathers::default(),
            locks: Locks::default(),
            held: Vec::new(),
            pump: None,
            put_by: PutBy::default(),
            strays: None,
            watches: Watches::default(),
            waiters: Waiters::default(),
            deadlines: Deadlines::default(),
            asks: Asks::default(),
            outbox: Outbox::new(cores),
            flusher: Flusher::default(),
            patrol: Patrol::default(),
            shares: Shares::default(),
            congested: Vec::new(),
            runnable: Vec::new(),
            incomplete: Vec::new(),
            actions: Vec::new(),
            frozen_until_us: 0,
        }
    }

    /// Begins a turn. Everything in it happens at `now`.
    pub fn turn<'b>(&mut self, now: Now) -> Turn<'_, 'b> {
        if self.core.started == Now::default() {
            self.core.started = now;
        }
        self.core.now = now;
        if self.is_restricted() {
            let mut turn = Turn { engine: self, sources: ArrayVec::new() };
            turn.engine.release_deferred();
            turn.resume_runnable();
            return turn;
        }
        let work = std::mem::take(&mut self.shard.work);
        self.shares.begin_turn(work, !self.congested.is_empty());
        self.thaw();
        let mut turn = Turn { engine: self, sources: ArrayVec::new() };
        // Before anybody's news: who waits since the last turn.
        if turn.engine.put_by.is_due() {
            turn.take_put_by();
        }
        turn.engine.release_deferred();
        turn.resume_runnable();
        turn
    }

    /// What is to be done after the turn.
    pub fn actions(&mut self) -> impl Iterator<Item = Action> + '_ {
        self.actions.drain(..)
    }

    /// Whether what is due may leave, given how many messages the ring to each core takes. All of a turn's messages leave
    /// together: what is said to one core must not be seen before what was said to another one earlier.
    pub fn may_post(&mut self, space: impl Fn(CoreId) -> usize) -> bool {
        self.outbox.may_leave(space)
    }

    /// The oldest message for `core` (which may be this one) that has not left. Into the last place of a ring, all that are
    /// left go as one.
    pub fn take_message(&mut self, core: CoreId, space: usize) -> Option<Message> {
        self.outbox.take(core, space)
    }

    /// Gives a buffer whose bytes have left back for reuse.
    #[inline]
    pub fn give_spare(&mut self, buffer: Vec<u8>) {
        self.flusher.spare(buffer);
    }

    /// The core's state beside sessions and shard, to look at.
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// Whether messages are due that a full ring has kept here.
    pub fn has_mail_due(&self) -> bool {
        self.outbox.is_due()
    }

    /// Whether every client has its replies; `unsent` says what the reactor still has for one.
    pub fn is_quiet(&self, unsent: impl Fn(ConnId) -> usize) -> bool {
        self.sessions.iter().all(|session| {
            session.out.is_empty() && session.pipeline.is_empty() && unsent(session.id) == 0
        })
    }

    /// The figures that the core loop keeps up to date; [`crate::plumbing::Plumbing`] says how often.
    #[inline]
    pub fn plumbing(&mut self) -> &mut crate::plumbing::Plumbing {
        &mut self.core.plumbing
    }

    /// Takes over what was read of the process. One core needs to be told; every 100 ms will do.
    pub fn set_process_figures(&mut self, figures: crate::plumbing::ProcessFigures) {
        self.core.figures = figures;
    }

    /// Has the engine do something wrong.
    #[cfg(feature = "mistakes")]
    pub fn make(&mut self, mistakes: crate::mistakes::Mistakes) {
        self.core.mistakes = mistakes;
    }

    /// How many connections the core has.
    pub fn connections(&self) -> usize {
        self.sessions.len()
    }

    /// When the engine wants its next turn at the latest, though nothing happens; monotonic
    /// microseconds. `None`: only when something happens.
    pub fn next_deadline(&self) -> Option<u64> {
        let now = self.core.now.mono_us;
        if self.is_frozen() {
            return Some(self.frozen_until_us);
        }
        let clients = self.patrol_deadline();
        let blocked = self.deadlines.next();
        let due = [self.shard.next_deadline(now), self.flusher.next_deadline(), clients, blocked];
        let at_once = !self.runnable.is_empty() || self.put_by.is_due();
        due.into_iter().flatten().chain(at_once.then_some(now)).min()
    }
}

/// One turn of an engine. Bytes of events live as long as the turn.
pub struct Turn<'e, 'b> {
    pub(crate) engine: &'e mut Engine,
    pub(crate) sources: ArrayVec<&'b [u8], TURN_EVENTS_MAX>,
}

impl<'b> Turn<'_, 'b> {
    /// Takes in one thing that happened. At most [`TURN_EVENTS_MAX`] of them may be
    /// [`Event::Received`]; more are taken by settling what came before.
    #[inline]
    pub fn on(&mut self, event: Event<'b>) {
        match self.engine.is_restricted() {
            true => self.on_beside(event),
            false => self.take_in(event),
        }
    }

    pub(crate) fn take_in(&mut self, event: Event<'b>) {
        match event {
            Event::Opened(conn, peer) => self.engine.on_opened(conn, *peer),
            Event::Received(conn, bytes) => self.on_received(conn, bytes),
            Event::Filling(conn, bytes) => self.engine.on_filling(conn, bytes),
            Event::Filled(conn, buffer) => self.on_filled(conn, buffer),
            Event::Stalled(conn, unsent) => self.engine.on_stalled(conn, unsent),
            Event::Drained(conn) => self.engine.on_drained(conn),
            Event::HungUp(conn) => self.engine.on_hung_up(conn),
            Event::Closed(conn) => self.on_closed(conn),
            Event::Message(from, message) => self.engine.on_message(from, message),
            Event::Control(control) => self.engine.on_control(control),
        }
    }

    /// Ends the turn: everything parsed is executed, everything due is handed out.
    #[inline]
    pub fn finish(mut self) {
        self.end();
    }

    /// Not by value: a turn is large.
    fn end(&mut self) {
        self.settle();
        self.resume_runnable();
        let engine = &mut *self.engine;
        engine.end_shares();
        if !engine.is_restricted() {
            engine.tick();
        }
        engine.send_monitor_lines();
        engine.flush_touched();
        engine.begin_fills();
        engine.outbox.close_turn(engine.core.now.mono_us);
        engine.core.counters.turns += 1;
    }

    fn on_received(&mut self, conn: ConnId, bytes: &'b [u8]) {
        let Some(session) = self.engine.sessions.get(conn) else { return };
        self.engine.core.note_received(session, bytes.len());
        if session.closing {
            return;
        }
        if self.sources.is_full() || session.reading {
            self.settle();
        }
        let Some(session) = self.engine.sessions.get(conn) else { return };
        if session.stall.is_some() || !session.input.is_empty() {
            session.input.append(bytes);
            if session.stall.is_none() {
                self.read(conn, Source::Input);
            } else {
                self.engine.bound_input(conn);
            }
            return;
        }
        self.sources.push(bytes);
        self.read(conn, Source::Event(self.sources.len() as u16 - 1));
    }

    pub(crate) fn on_closed(&mut self, conn: ConnId) {
        // What it sent before it left is executed, as it was received.
        if self.engine.sessions.get(conn).is_some_and(|session| session.reading) {
            self.settle();
        }
        self.engine.on_end_of_input(conn);
    }

    fn resume_runnable(&mut self) {
        if self.engine.is_frozen() {
            self.engine.hold_runnable();
            return;
        }
        if self.engine.outbox.reopen() {
            self.engine.wake_congested();
        }
        let mut ready = std::mem::take(&mut self.engine.runnable);
        for conn in ready.drain(..) {
            if self.engine.is_restricted() && self.engine.is_reading(conn) {
                self.engine.runnable.push(conn);
            } else if self.engine.may_go_on(conn) {
                self.read(conn, Source::Input);
                self.settle();
                self.engine.bound_input(conn);
                self.engine.touch(conn);
            }
        }
        ready.append(&mut self.engine.runnable);
        self.engine.runnable = ready;
    }
}

impl Engine {
    fn on_opened(&mut self, conn: ConnId, peer: Peer) {
        self.core.counters.total_connections_received += 1;
        let refuse = peer.refuse;
        let open = self.core.settings.text(base::settings::REQUIREPASS).is_empty();
        let mut session = Box::new(Session::new(conn, peer, self.core.now, open));
        if let Some(text) = refuse {
            self.core.counters.rejected_connections += 1;
            session.out.append(text.as_bytes());
            session.closing = true;
        }
        self.sessions.insert(session);
        self.weigh(conn);
        if refuse.is_some() {
            self.touch(conn);
        }
    }

    pub(crate) fn is_reading(&mut self, conn: ConnId) -> bool {
        self.sessions.get(conn).is_some_and(|session| session.reading)
    }

    pub(crate) fn on_message(&mut self, from: CoreId, message: Message) {
        match message {
            Message::Busy(busy) => self.set_busy(busy),
            Message::Jobs(batch) => self.on_jobs(from, batch),
            Message::Outcomes(batch) => self.on_outcomes(from, batch),
            Message::Sequence(shares) => self.on_sequence(shares),
            Message::Lock(share) => self.on_lock(share),
            Message::Granted(share) => self.on_granted(share),
            Message::Lend(share) => self.on_lend(share),
            Message::Finish(share) => self.on_finish(share),
            Message::Finished(share) => self.on_finished(share),
            Message::Late(parked) => self.on_late(parked),
            Message::Unwatch(conn) => self.unwatch((from, conn)),
            Message::Withdraw(conn, place) => self.withdraw((from, conn), place),
            Message::Errand(mut errand) => {
                self.serve_errand(&mut errand);
                self.outbox.post(from, Message::ErrandDone(errand));
            }
            Message::ErrandDone(_) => unreachable!("taken by who waits for it"),
            Message::Offer(offer) => self.on_offer(offer),
            Message::Claim(offer) => self.on_claim(from, offer),
            Message::Served(offer) => self.on_served(*offer),
            Message::Ask { ticket, query } => self.on_ask(from, ticket, &query),
            Message::Answer { ticket, answer } => self.on_answer(from, ticket, *answer),
            Message::Lease(lease) => {
                let outbox = &mut self.outbox;
                self.shard.account.on_message(from, lease, &mut |to, lease| {
                    outbox.post(to, Message::Lease(lease));
                });
            }
            Message::Monitor(lines) => self.on_monitor_lines(&lines),
            Message::Clients(load) => self.on_client_load(from, load),
            Message::Freeze(until_us) => self.freeze_until(until_us),
            Message::Bundle(messages) => {
                messages.into_iter().for_each(|message| self.on_message(from, message));
            }
        }
    }

    fn on_control(&mut self, control: Control) {
        match control {
            Control::Answer(ticket, answer) => self.on_control_answer(ticket, answer),
            Control::Drain => self.flusher.draining = true,
        }
    }

    /// The other side sends nothing more. What it asked for is answered if it still reads, then the
    /// connection is closed; a peer that did not keep up with its replies loses them. Who waits for a key waits no more, but
    /// who has claimed one gets what was taken for it.
    fn on_end_of_input(&mut self, conn: ConnId) {
        let Some(session) = self.sessions.get(conn) else { return };
        session.ended = true;
        if session.sending > 0 {
            self.drop_client(conn);
        } else if session.may_stop_waiting() {
            self.give_up(conn);
        } else {
            self.touch(conn);
        }
    }

    /// The other side will send nothing more than what has not been received, because this core does not listen to it now.
    /// It is not waited for, or it would be served though it has gone.
    pub(crate) fn on_hung_up(&mut self, conn: ConnId) {
        let Some(session) = self.sessions.get(conn) else { return };
        session.hung_up = true;
        if session.may_stop_waiting() {
            self.give_up(conn);
        }
    }

    /// The connection is gone: nothing of it is kept; outcomes on their way find nobody.
    pub(crate) fn forget(&mut self, conn: ConnId) {
        if self.is_restricted() {
            return self.put_by_gone(conn);
        }
        if let Some(session) = self.sessions.remove(conn) {
            self.unweigh(&session);
            if session.is_monitor() {
                self.watcher_gone();
            }
            self.unwatch_at(conn, session.watched_at);
            if let Some(blocked) = &session.blocked {
                self.end_wait(conn, blocked);
            }
            let mut session = session;
            self.flusher.spare(session.out.take().1);
        }
    }

    /// Whether a session whose stall may be over can execute again; clears the stall if so.
    fn may_go_on(&mut self, conn: ConnId) -> bool {
        let Some(spent) = self.sessions.get(conn).map(|session| session.spent) else {
            return false;
        };
        let share_left = self.share_left(spent);
        let Some(session) = self.sessions.get(conn) else { return false };
        match session.stall {
            Some(Stall::Output) if session.output_is_high() => false,
            // It is among those that go on in the next turn already.
            Some(Stall::Share) if share_left == 0 => false,
            Some(Stall::Closing | Stall::Asking | Stall::Blocked) => false,
            Some(Stall::Parked) if session.parked > 0 => false,
            Some(Stall::Sequenced) if session.transactions > 0 => false,
            _ => {
                session.stall = None;
                true
            }
        }
    }

    /// Memory of batches for other cores, of receive buffers beyond those of the start, and of keys that clients watch.
    fn plumbing_bytes(&self) -> u64 {
        (self.outbox.bytes() + self.watches.memory()) as u64 + self.core.plumbing.widened_bytes
    }

    /// A bounded step of housekeeping.
    fn tick(&mut self) {
        if self.is_frozen() {
            return;
        }
        self.shard.account.plumbing_bytes = self.plumbing_bytes();
        let before = self.shard.work;
        self.tick_shard();
        self.heed_removed();
        self.shares.add_others(self.shard.work - before);
        self.tick_clients();
        self.tick_blocked();
        let outbox = &mut self.outbox;
        self.shard.account.poll(self.core.now.mono_us, &mut |to, lease| {
            outbox.post(to, Message::Lease(lease));
        });
    }
}
