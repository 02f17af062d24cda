//! A core's way to another one in the middle of a turn: for scripts and transactions that have locked all cores and fetch
//! what they touch as they go.
//!
//! The other core holds still and answers at the end of its next turn. This one looks at its rings until then,
//! gives its CPU away in between, and keeps all else that comes for its own next turn.
//! A script that runs on has it take turns with all its wires.

use crate::parcel::Parcel;
use crate::wires::Wires;
use base::CoreId;
use engine::tx::exclusive::{Errand, Pump};
use engine::{Engine, Message};
use mailbox::Mailbox;
use reactor::{Turn, Waker};
use std::cell::RefCell;
use std::rc::Rc;

/// A core that does not answer for so long has ended, or hangs: nothing can be done here any more.
const ANSWER_NS_MAX: u64 = 10_000_000_000;

/// The pump of one core.
pub struct CorePump {
    wires: Rc<RefCell<Wires>>,
    wakers: Vec<Waker>,
    /// The events of a turn in the middle of another.
    events: Turn,
}

impl CorePump {
    /// Over a core's wires.
    pub fn new(wires: Rc<RefCell<Wires>>, wakers: Vec<Waker>, events: Turn) -> CorePump {
        CorePump { wires, wakers, events }
    }

    fn publish(&self, mailbox: &mut Mailbox<Parcel>) {
        for sleeper in mailbox.publish(reactor::monotonic_ns) {
            if let Some(waker) = self.wakers.get(sleeper) {
                waker.wake();
            }
        }
    }
}

impl Pump for CorePump {
    fn exchange(&mut self, to: CoreId, errand: Box<Errand>) -> Box<Errand> {
        let Wires { mailbox, mail, .. } = &mut *self.wires.borrow_mut();
        let mut parcel = Parcel::Message(Message::Errand(errand));
        while let Err(back) = mailbox.push(to.index(), parcel) {
            parcel = back;
            std::thread::yield_now();
        }
        self.publish(mailbox);
        let began_ns = reactor::monotonic_ns();
        let mut done = None;
        loop {
            mailbox.drain(reactor::monotonic_ns, |from, parcel| match parcel {
                Parcel::Message(Message::ErrandDone(errand)) => done = Some(errand),
                other => mail.push_back((from, other)),
            });
            if let Some(errand) = done.take() {
                return errand;
            }
            if reactor::monotonic_ns() - began_ns > ANSWER_NS_MAX {
                tracing::error!("core {} does not answer a transaction that holds it", to.0);
                std::process::abort();
            }
            std::thread::yield_now();
        }
    }

    fn turn(&mut self, engine: &mut Engine) {
        Wires::take_in_beside(&self.wires, engine, &mut self.events);
        Wires::carry_out(&self.wires, engine);
    }
}
