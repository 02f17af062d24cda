//! THE loop: one core's turn, again and again.
//!
//! wait → take completions → drain mailboxes → the engine takes the batch → publish → act.
//! Mail is drained after the sockets' completions were taken and before they are executed, and
//! published before this turn's replies can reach a socket; both are what causality rests on
//! (docs/design/ordering.md).

use crate::acceptor::{Acceptor, Door, Ends};
use crate::gauge::Gauge;
use crate::office::Admission;
use crate::parcel::Parcel;
use crate::pump::CorePump;
use base::CoreId;
use base::limits::TURN_EVENTS_MAX;
use engine::action::{Action, Request};
use engine::event::{Control, Peer};
use engine::{Engine, Event};
use mailbox::Mailbox;
use reactor::{CloseMode, Listening, Reactor, Turn, Waker};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;

/// The longest sleep. A wake-up is a hint; this is the other road.
const SLEEP_US_MAX: u64 = 100_000;

/// The longest sleep while a full ring keeps messages here.
const FULL_RING_US: u64 = 200;

/// After the process wants to end, clients have so long to take their last replies.
const DRAIN_US_MAX: u64 = 1_000_000;

/// What core 0 has beside: who gets which connection, and what each listener is for.
pub struct Entrance {
    /// Who gets which connection.
    pub acceptor: Acceptor,
    /// What each listener is for, in the reactor's order.
    pub doors: Vec<Door>,
}

/// One core: the engine and the plumbing around it.
pub struct CoreLoop {
    core: CoreId,
    cores: usize,
    engine: Engine,
    reactor: Reactor,
    events: Turn,
    mailbox: Rc<RefCell<Mailbox<Parcel>>>,
    /// Parcels that came while the engine waited for another core, in order.
    kept: Rc<RefCell<VecDeque<(usize, Parcel)>>>,
    /// Parcels of this turn.
    mail: VecDeque<(usize, Parcel)>,
    /// The main thread is the participant behind the last core.
    main: UnixStream,
    entrance: Option<Entrance>,
    /// Parcels that found a full ring, in order.
    unsent: VecDeque<(usize, Parcel)>,
    /// Parcels of this turn that are not for the engine.
    aside: Vec<(usize, Parcel)>,
    accepted: Vec<(OwnedFd, usize)>,
    /// Connections that were opened, and what the process has to say.
    news: Vec<Event<'static>>,
    /// Connections given to the engine and not reported as gone.
    adopted: usize,
    /// Once the process wants to end: by when this core must have.
    ending_at_us: Option<u64>,
    slept: bool,
    /// This turn began with a wake-up.
    woken: bool,
    /// The last sleep ended with mail and without a wake-up, which may still be on its way.
    suspect: bool,
    gauge: Gauge,
}

impl CoreLoop {
    /// A loop around an engine. To be called on the core's own thread.
    pub fn new(
        mut engine: Engine,
        reactor: Reactor,
        (mailbox, wakers): (Mailbox<Parcel>, Vec<Waker>),
        main: UnixStream,
        entrance: Option<Entrance>,
    ) -> CoreLoop {
        let (mailbox, kept) = (Rc::new(RefCell::new(mailbox)), Rc::default());
        engine.set_pump(Box::new(CorePump::new(mailbox.clone(), wakers, Rc::clone(&kept))));
        CoreLoop {
            core: engine.core().id,
            cores: engine.core().route.cores(),
            engine,
            events: reactor.new_turn(),
            reactor,
            mailbox,
            kept,
            mail: VecDeque::new(),
            main,
            entrance,
            unsent: VecDeque::new(),
            aside: Vec::new(),
            accepted: Vec::new(),
            news: Vec::new(),
            adopted: 0,
            woken: false,
            suspect: false,
            ending_at_us: None,
            slept: false,
            gauge: Gauge::new(),
        }
    }

    /// One turn. False when the core has ended.
    pub fn turn(&mut self) -> bool {
        let timeout_us = self.patience();
        if let Err(error) = self.reactor.wait(timeout_us) {
            tracing::error!(core = self.core.0, "the event loop failed: {error}");
            std::process::abort();
        }
        self.gauge.begin(&self.reactor);
        self.reactor.poll(&mut self.events, TURN_EVENTS_MAX);
        self.wake_up();
        self.take_in();
        self.reactor.end_turn(&mut self.events);
        self.handle_parcels();
        self.place_accepted();
        self.tell_news();
        self.report_gone();
        self.post();
        self.act();
        self.gauge.end(&mut self.engine, &self.reactor, &self.mailbox.borrow());
        self.is_alive()
    }

    /// How long to sleep in microseconds; 0 when there is something to do.
    fn patience(&mut self) -> u64 {
        self.slept = false;
        if !self.unsent.is_empty() || !self.kept.borrow().is_empty() {
            return 0;
        }
        let now_us = self.reactor.now().mono_us;
        let deadline = self.engine.next_deadline().into_iter().chain(self.ending_at_us).min();
        let timeout =
            deadline.map_or(SLEEP_US_MAX, |due| due.saturating_sub(now_us).min(SLEEP_US_MAX));
        let timeout = if self.engine.has_mail_due() { timeout.min(FULL_RING_US) } else { timeout };
        self.slept = timeout > 0 && self.mailbox.borrow_mut().sleep();
        if self.slept { timeout } else { 0 }
    }

    /// Ends the sleep, and watches whether the wake-ups work: a sleep that ends with mail must have
    /// been ended by a wake-up, or one must be on its way.
    fn wake_up(&mut self) {
        self.woken = self.events.is_woken();
        if self.suspect && !self.woken {
            self.reactor.on_late_wakeup();
        }
        self.suspect =
            self.slept && !self.woken && self.events.is_empty() && self.mailbox.borrow().has_mail();
        if self.slept {
            self.mailbox.borrow_mut().awake();
        }
    }

    /// The engine's turn: mail first, then what came from the sockets.
    fn take_in(&mut self) {
        loop {
            let buffer = self.reactor.take_spare();
            if buffer.capacity() == 0 {
                break;
            }
            self.engine.give_spare(buffer);
        }
        // All mail first: the engine may use the rings itself, in the middle of its turn.
        self.mail.append(&mut self.kept.borrow_mut());
        let (mail, reactor) = (&mut self.mail, &self.reactor);
        self.mailbox
            .borrow_mut()
            .drain(|| reactor.stamp(), |from, parcel| mail.push_back((from, parcel)));
        let mut turn = self.engine.turn(self.reactor.now());
        while let Some((from, parcel)) = self.mail.pop_front() {
            match parcel {
                Parcel::Message(message) => turn.on(Event::Message(CoreId(from as u16), message)),
                other => self.aside.push((from, other)),
            }
        }
        for event in self.events.events() {
            match event {
                reactor::Event::Received { conn, bytes } => turn.on(Event::Received(conn, bytes)),
                reactor::Event::Filling { conn, bytes } => turn.on(Event::Filling(conn, bytes)),
                reactor::Event::Filled { conn, buffer } => turn.on(Event::Filled(conn, buffer)),
                reactor::Event::Stalled { conn, unsent } => turn.on(Event::Stalled(conn, unsent)),
                reactor::Event::Drained { conn } => turn.on(Event::Drained(conn)),
                reactor::Event::HungUp { conn } => turn.on(Event::HungUp(conn)),
                reactor::Event::Closed { conn, .. } => turn.on(Event::Closed(conn)),
                reactor::Event::Accepted { socket, listener } => {
                    self.accepted.push((socket, listener))
                }
                reactor::Event::Woken => {}
            }
        }
        turn.finish();
    }

    /// Tells the acceptor of connections that the engine has forgotten since the last time.
    fn report_gone(&mut self) {
        while self.adopted > self.engine.connections() {
            self.adopted -= 1;
            self.post_parcel(0, Parcel::Gone);
        }
    }

    fn handle_parcels(&mut self) {
        for (from, parcel) in std::mem::take(&mut self.aside) {
            match parcel {
                Parcel::Adopt(socket, peer) => self.adopt(socket, peer),
                Parcel::Gone => self.on_gone(CoreId(from as u16)),
                Parcel::Admission(admission) => self.admit(admission),
                Parcel::Doors(doors) => self.move_common_port(doors),
                Parcel::Figures(figures) => self.engine.set_process_figures(figures),
                Parcel::Control(Control::Drain) => {
                    self.ending_at_us = Some(self.reactor.now().mono_us + DRAIN_US_MAX);
                    let listeners =
                        self.entrance.as_ref().map_or(0, |entrance| entrance.doors.len());
                    (0..listeners).for_each(|listener| self.reactor.unlisten(listener));
                    self.news.push(Event::Control(Control::Drain));
                }
                Parcel::Control(control) => self.news.push(Event::Control(control)),
                Parcel::Message(_) | Parcel::Request(..) | Parcel::Ended => {
                    unreachable!("messages go to the engine, the others to the main thread")
                }
            }
        }
    }

    fn admit(&mut self, admission: Admission) {
        if let Some(entrance) = &mut self.entrance {
            entrance.acceptor.clients_max = admission.clients_max;
            entrance.acceptor.protected = admission.protected;
        }
        if let Err(error) = self.reactor.set_keepalive(admission.keepalive_s) {
            tracing::warn!("tcp-keepalive cannot be changed: {error}");
        }
    }

    /// The common port's listeners are replaced; connections stay.
    fn move_common_port(&mut self, doors: Vec<(Listening, Door)>) {
        let Some(entrance) = &mut self.entrance else { return };
        for (listener, door) in entrance.doors.iter().enumerate() {
            if *door == Door::Common {
                self.reactor.unlisten(listener);
            }
        }
        for (listening, door) in doors {
            let listener = self.reactor.listen(listening);
            assert_eq!(listener, entrance.doors.len(), "listeners are numbered in order");
            entrance.doors.push(door);
        }
    }

    /// Tells the engine what has come about outside the ring, all of it in one more turn.
    fn tell_news(&mut self) {
        if self.news.is_empty() {
            return;
        }
        let mut turn = self.engine.turn(self.reactor.now());
        self.news.drain(..).for_each(|event| turn.on(event));
        turn.finish();
    }

    fn on_gone(&mut self, core: CoreId) {
        if let Some(entrance) = &mut self.entrance {
            entrance.acceptor.gone(core);
        }
    }

    /// Gives each new connection to a core.
    fn place_accepted(&mut self) {
        for (socket, listener) in std::mem::take(&mut self.accepted) {
            let Some(entrance) = &mut self.entrance else { continue };
            let ends = Ends::of(&socket);
            let (core, peer) = entrance.acceptor.place(entrance.doors[listener], ends);
            if core == self.core {
                self.adopt(socket, Box::new(peer));
            } else {
                self.post_parcel(core.index(), Parcel::Adopt(socket, Box::new(peer)));
            }
        }
    }

    fn adopt(&mut self, socket: OwnedFd, peer: Box<Peer>) {
        match self.reactor.adopt(socket) {
            Ok(conn) => {
                self.adopted += 1;
                self.news.push(Event::Opened(conn, peer));
            }
            Err(_refused) => self.post_parcel(0, Parcel::Gone),
        }
    }

    /// Puts a parcel into the ring to a participant, behind what waits for space.
    fn post_parcel(&mut self, to: usize, parcel: Parcel) {
        if to == self.core.index() {
            match parcel {
                Parcel::Gone => self.on_gone(self.core),
                other => self.aside.push((to, other)),
            }
            return;
        }
        self.unsent.push_back((to, parcel));
    }

    /// Puts everything that is due into the rings, publishes it by one store, and wakes the sleepers. What the core says to
    /// itself takes the same way, so that it hears it in the order in which others do. What does not fit into a
    /// ring leaves as one parcel in its last place; while a ring has no place at all nothing leaves, because what is said
    /// to one core must not be seen before what was said to another one earlier.
    fn post(&mut self) {
        let mut mailbox = self.mailbox.borrow_mut();
        if !self.engine.may_post(|to| mailbox.space(to.index())) {
            drop(mailbox);
            return self.publish();
        }
        for to in 0..self.cores {
            let id = CoreId(to as u16);
            while let Some(message) = self.engine.take_message(id, mailbox.space(to)) {
                let pushed = mailbox.push(to, Parcel::Message(message));
                assert!(pushed.is_ok(), "there was space, and only this core sends in its name");
            }
        }
        for _ in 0..self.unsent.len() {
            let Some((to, parcel)) = self.unsent.pop_front() else { break };
            if let Err(parcel) = mailbox.push(to, parcel) {
                self.unsent.push_back((to, parcel));
            }
        }
        drop(mailbox);
        self.publish();
    }

    fn publish(&mut self) {
        let sleepers = self.mailbox.borrow_mut().publish(|| self.reactor.stamp());
        for sleeper in sleepers {
            if sleeper == self.cores { self.wake_main() } else { self.reactor.wake(sleeper) }
        }
    }

    /// A full bell rings already.
    fn wake_main(&mut self) {
        let _ = self.main.write(&[1]);
    }

    fn act(&mut self) {
        let mut requests = Vec::new();
        for action in self.engine.actions() {
            match action {
                Action::Send(conn, bytes) => {
                    self.reactor.send(conn, bytes);
                }
                Action::Pause(conn) => self.reactor.pause(conn),
                Action::Resume(conn) => self.reactor.resume(conn),
                Action::Fill(conn, buffer, target) => self.reactor.fill(conn, buffer, target),
                Action::Close(conn) => self.reactor.close(conn, CloseMode::AfterFlush),
                Action::Control(ticket, request) => requests.push((ticket, request)),
                Action::Drained => {}
            }
        }
        for (ticket, request) in requests {
            self.request(ticket, request);
        }
    }

    fn request(&mut self, ticket: u64, request: Request) {
        self.post_parcel(self.cores, Parcel::Request(ticket, request));
    }

    /// A core that is to end does so when its clients have taken their replies, or it is time.
    fn is_alive(&mut self) -> bool {
        let Some(due) = self.ending_at_us else { return true };
        let now = self.reactor.now().mono_us;
        if now < due && !self.engine.is_quiet(|conn| self.reactor.unsent(conn)) {
            return true;
        }
        let mut mailbox = self.mailbox.borrow_mut();
        let left = mailbox.push(self.cores, Parcel::Ended);
        let sleepers = mailbox.publish(|| self.reactor.stamp());
        drop(mailbox);
        if left.is_ok() && !sleepers.is_empty() {
            self.wake_main();
        }
        false
    }
}
