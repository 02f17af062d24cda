//! What is around an engine: the reactor, the mailbox, and what passes between them, the engine and the process.
//!
//! Nothing here is borrowed while the engine works: a script that runs on takes turns of its own with the same wires.

use crate::acceptor::{Acceptor, Door, Ends};
use crate::office::Admission;
use crate::parcel::Parcel;
use base::limits::TURN_EVENTS_MAX;
use base::{ConnId, CoreId};
use engine::action::{Action, Request};
use engine::event::{Control, Peer};
use engine::{Engine, Event};
use mailbox::Mailbox;
use reactor::{CloseMode, Listening, Reactor, Turn};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

/// After the process wants to end, clients have so long to take their last replies.
const DRAIN_US_MAX: u64 = 1_000_000;

/// What core 0 has beside: who gets which connection, and what each listener is for.
pub struct Entrance {
    /// Who gets which connection.
    pub acceptor: Acceptor,
    /// What each listener is for, in the reactor's order.
    pub doors: Vec<Door>,
}

/// Reactor, mailbox and all that is on its way.
pub struct Wires {
    core: CoreId,
    cores: usize,
    pub(crate) reactor: Reactor,
    pub(crate) mailbox: Mailbox<Parcel>,
    /// Parcels that came and were not looked at yet, in order.
    pub(crate) mail: VecDeque<(usize, Parcel)>,
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
    /// Connections to which something has happened that the engine may not have taken in yet.
    due: Vec<ConnId>,
    /// Connections given to the engine and not reported as gone.
    adopted: usize,
    /// Once the process wants to end: by when this core must have.
    pub(crate) ending_at_us: Option<u64>,
}

impl Wires {
    /// The wires of an engine. To be called on the core's own thread.
    pub fn new(
        engine: &Engine,
        reactor: Reactor,
        mailbox: Mailbox<Parcel>,
        main: UnixStream,
        entrance: Option<Entrance>,
    ) -> Wires {
        Wires {
            core: engine.core().id,
            cores: engine.core().route.cores(),
            reactor,
            mailbox,
            mail: VecDeque::new(),
            main,
            entrance,
            unsent: VecDeque::new(),
            aside: Vec::new(),
            accepted: Vec::new(),
            news: Vec::new(),
            due: Vec::new(),
            adopted: 0,
            ending_at_us: None,
        }
    }

    /// Whether parcels wait here, from others or for them.
    pub fn has_parcels(&self) -> bool {
        !self.unsent.is_empty() || !self.mail.is_empty()
    }

    /// Enters the kernel, for `timeout_us` microseconds at the most. A failure ends the process.
    pub fn wait(&mut self, timeout_us: u64) {
        if let Err(error) = self.reactor.wait(timeout_us) {
            tracing::error!(core = self.core.0, "the event loop failed: {error}");
            std::process::abort();
        }
    }

    /// What has happened, as events of a turn.
    pub fn poll(&mut self, events: &mut Turn) {
        self.reactor.poll(events, TURN_EVENTS_MAX);
    }

    /// All mail first: the engine may use the rings itself, in the middle of its turn.
    fn drain(&mut self, engine: &mut Engine) {
        loop {
            let buffer = self.reactor.take_spare();
            if buffer.capacity() == 0 {
                break;
            }
            engine.give_spare(buffer);
        }
        let Wires { mail, mailbox, reactor, .. } = self;
        mailbox.drain(|| reactor.stamp(), |from, parcel| mail.push_back((from, parcel)));
    }

    /// The engine's turn: mail first, then what came from the sockets.
    pub fn take_in(wires: &RefCell<Wires>, engine: &mut Engine, events: &mut Turn) {
        let now = {
            let wires = &mut *wires.borrow_mut();
            wires.drain(engine);
            wires.due.clear();
            wires.due.extend(events.senders());
            wires.reactor.now()
        };
        let mut turn = engine.turn(now);
        Wires::deliver(wires, |event| turn.on(event));
        for event in events.events() {
            if let Some(event) = of_engine(wires, event) {
                turn.on(event);
            }
        }
        turn.finish();
        let wires = &mut *wires.borrow_mut();
        wires.due.clear();
        wires.reactor.end_turn(events);
    }

    /// A turn in the middle of one. What happens to a connection to which something has happened before is put by, as the
    /// engine may not know of that yet.
    pub fn take_in_beside(wires: &RefCell<Wires>, engine: &mut Engine, events: &mut Turn) {
        let (now, due) = {
            let wires = &mut *wires.borrow_mut();
            wires.wait(0);
            wires.poll(events);
            wires.drain(engine);
            (wires.reactor.now(), wires.due.clone())
        };
        let mut turn = engine.turn(now);
        Wires::deliver(wires, |event| turn.on(event));
        for event in events.events() {
            let behind = event.conn().is_some_and(|conn| due.contains(&conn));
            match of_engine(wires, event) {
                Some(event) if behind => turn.put_by(event),
                Some(event) => turn.on(event),
                None => {}
            }
        }
        turn.finish();
        wires.borrow_mut().reactor.end_turn(events);
    }

    /// Hands messages to the engine, and keeps what is not for it.
    fn deliver(wires: &RefCell<Wires>, mut on: impl FnMut(Event<'static>)) {
        loop {
            let Some((from, parcel)) = wires.borrow_mut().mail.pop_front() else { return };
            match parcel {
                Parcel::Message(message) => on(Event::Message(CoreId(from as u16), message)),
                other => wires.borrow_mut().aside.push((from, other)),
            }
        }
    }

    /// What follows from the engine's turn.
    pub fn carry_out(wires: &RefCell<Wires>, engine: &mut Engine) {
        let news = wires.borrow_mut().handle_parcels(engine);
        if !news.is_empty() {
            let now = wires.borrow().reactor.now();
            let mut turn = engine.turn(now);
            news.into_iter().for_each(|event| turn.on(event));
            turn.finish();
        }
        let wires = &mut *wires.borrow_mut();
        wires.report_gone(engine);
        wires.post(engine);
        wires.act(engine);
    }

    /// Tells the acceptor of connections that the engine has forgotten since the last time.
    fn report_gone(&mut self, engine: &Engine) {
        while self.adopted > engine.connections() {
            self.adopted -= 1;
            self.post_parcel(0, Parcel::Gone);
        }
    }

    /// What came for this side, and new connections; gives what the engine is to be told in one more turn.
    fn handle_parcels(&mut self, engine: &mut Engine) -> Vec<Event<'static>> {
        for (from, parcel) in std::mem::take(&mut self.aside) {
            match parcel {
                Parcel::Adopt(socket, peer) => self.adopt(socket, peer),
                Parcel::Gone => self.on_gone(CoreId(from as u16)),
                Parcel::Admission(admission) => self.admit(admission),
                Parcel::Doors(doors) => self.move_common_port(doors),
                Parcel::Figures(figures) => engine.set_process_figures(figures),
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
        self.place_accepted();
        std::mem::take(&mut self.news)
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
    fn post(&mut self, engine: &mut Engine) {
        if !engine.may_post(|to| self.mailbox.space(to.index())) {
            return self.publish();
        }
        for to in 0..self.cores {
            let id = CoreId(to as u16);
            while let Some(message) = engine.take_message(id, self.mailbox.space(to)) {
                let pushed = self.mailbox.push(to, Parcel::Message(message));
                assert!(pushed.is_ok(), "there was space, and only this core sends in its name");
            }
        }
        for _ in 0..self.unsent.len() {
            let Some((to, parcel)) = self.unsent.pop_front() else { break };
            if let Err(parcel) = self.mailbox.push(to, parcel) {
                self.unsent.push_back((to, parcel));
            }
        }
        self.publish();
    }

    fn publish(&mut self) {
        let Wires { mailbox, reactor, .. } = self;
        let sleepers = mailbox.publish(|| reactor.stamp());
        for sleeper in sleepers {
            if sleeper == self.cores { self.wake_main() } else { self.reactor.wake(sleeper) }
        }
    }

    /// A full bell rings already.
    fn wake_main(&mut self) {
        let _ = self.main.write(&[1]);
    }

    fn act(&mut self, engine: &mut Engine) {
        let mut requests = Vec::new();
        for action in engine.actions() {
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
    pub fn is_alive(&mut self, engine: &Engine) -> bool {
        let Some(due) = self.ending_at_us else { return true };
        let now = self.reactor.now().mono_us;
        if now < due && !engine.is_quiet(|conn| self.reactor.unsent(conn)) {
            return true;
        }
        let Wires { mailbox, reactor, cores, .. } = self;
        let left = mailbox.push(*cores, Parcel::Ended);
        let sleepers = mailbox.publish(|| reactor.stamp());
        if left.is_ok() && !sleepers.is_empty() {
            self.wake_main();
        }
        false
    }
}

/// An event of the reactor as the engine's; none for a new connection, which is kept for later, and for a wake-up.
fn of_engine<'a>(wires: &RefCell<Wires>, event: reactor::Event<'a>) -> Option<Event<'a>> {
    Some(match event {
        reactor::Event::Received { conn, bytes } => Event::Received(conn, bytes),
        reactor::Event::Filling { conn, bytes } => Event::Filling(conn, bytes),
        reactor::Event::Filled { conn, buffer } => Event::Filled(conn, buffer),
        reactor::Event::Stalled { conn, unsent } => Event::Stalled(conn, unsent),
        reactor::Event::Drained { conn } => Event::Drained(conn),
        reactor::Event::Closed { conn, .. } => Event::Closed(conn),
        reactor::Event::HungUp { conn } => Event::HungUp(conn),
        reactor::Event::Accepted { socket, listener } => {
            wires.borrow_mut().accepted.push((socket, listener));
            return None;
        }
        reactor::Event::Woken => return None,
    })
}
