//! THE loop: one core's turn, again and again.
//!
//! wait → take completions → drain mailboxes → the engine takes the batch → publish → act.
//! Mail is drained after the sockets' completions were taken and before they are executed, and
//! published before this turn's replies can reach a socket; both are what causality rests on
//! (docs/design/ordering.md).
//!
//! What is around the engine are the core's [`Wires`]. A script that runs on takes turns with them in the middle
//! of a turn of this loop (`pump.rs`).

use crate::gauge::Gauge;
use crate::parcel::Parcel;
use crate::pump::CorePump;
use crate::wires::{Entrance, Wires};
use engine::Engine;
use mailbox::Mailbox;
use reactor::{Reactor, Turn, Waker};
use std::cell::RefCell;
use std::os::unix::net::UnixStream;
use std::rc::Rc;

/// The longest sleep. A wake-up is a hint; this is the other road.
const SLEEP_US_MAX: u64 = 100_000;

/// The longest sleep while a full ring keeps messages here.
const FULL_RING_US: u64 = 200;

/// One core: the engine and what is around it.
pub struct CoreLoop {
    engine: Engine,
    wires: Rc<RefCell<Wires>>,
    events: Turn,
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
        let (events, beside) = (reactor.new_turn(), reactor.new_turn());
        let wires = Wires::new(&engine, reactor, mailbox, main, entrance);
        let wires = Rc::new(RefCell::new(wires));
        engine.set_pump(Box::new(CorePump::new(Rc::clone(&wires), wakers, beside)));
        CoreLoop {
            engine,
            wires,
            events,
            slept: false,
            woken: false,
            suspect: false,
            gauge: Gauge::new(),
        }
    }

    /// One turn. False when the core has ended.
    pub fn turn(&mut self) -> bool {
        let timeout_us = self.patience();
        self.wires.borrow_mut().wait(timeout_us);
        self.gauge.begin(&self.wires.borrow().reactor);
        self.wires.borrow_mut().poll(&mut self.events);
        self.wake_up();
        Wires::take_in(&self.wires, &mut self.engine, &mut self.events);
        Wires::carry_out(&self.wires, &mut self.engine);
        let wires = &mut *self.wires.borrow_mut();
        self.gauge.end(&mut self.engine, &wires.reactor, &wires.mailbox);
        wires.is_alive(&self.engine)
    }

    /// How long to sleep in microseconds; 0 when there is something to do.
    fn patience(&mut self) -> u64 {
        self.slept = false;
        let wires = &mut *self.wires.borrow_mut();
        if wires.has_parcels() {
            return 0;
        }
        let now_us = wires.reactor.now().mono_us;
        let deadline = self.engine.next_deadline().into_iter().chain(wires.ending_at_us).min();
        let timeout =
            deadline.map_or(SLEEP_US_MAX, |due| due.saturating_sub(now_us).min(SLEEP_US_MAX));
        let timeout = if self.engine.has_mail_due() { timeout.min(FULL_RING_US) } else { timeout };
        self.slept = timeout > 0 && wires.mailbox.sleep();
        if self.slept { timeout } else { 0 }
    }

    /// Ends the sleep, and watches whether the wake-ups work: a sleep that ends with mail must have
    /// been ended by a wake-up, or one must be on its way.
    fn wake_up(&mut self) {
        let wires = &mut *self.wires.borrow_mut();
        self.woken = self.events.is_woken();
        if self.suspect && !self.woken {
            wires.reactor.on_late_wakeup();
        }
        self.suspect =
            self.slept && !self.woken && self.events.is_empty() && wires.mailbox.has_mail();
        if self.slept {
            wires.mailbox.awake();
        }
    }
}
