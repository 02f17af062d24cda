//! A core's way to another one in the middle of a turn: for scripts and transactions that have locked all cores and fetch
//! what they touch as they go.
//!
//! The other core holds still and answers at the end of its next turn. This one looks at its rings until then,
//! gives its CPU away in between, and keeps all else that comes for its own next turn.

use crate::parcel::Parcel;
use base::CoreId;
use engine::Message;
use engine::tx::exclusive::{Errand, Pump};
use mailbox::Mailbox;
use reactor::Waker;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// A core that does not answer for so long has ended, or hangs: nothing can be done here any more.
const ANSWER_NS_MAX: u64 = 10_000_000_000;

/// The pump of one core.
pub struct CorePump {
    mailbox: Rc<RefCell<Mailbox<Parcel>>>,
    wakers: Vec<Waker>,
    kept: Rc<RefCell<VecDeque<(usize, Parcel)>>>,
}

impl CorePump {
    /// Over a core's mailbox; what comes meanwhile goes to `kept`.
    pub fn new(
        mailbox: Rc<RefCell<Mailbox<Parcel>>>,
        wakers: Vec<Waker>,
        kept: Rc<RefCell<VecDeque<(usize, Parcel)>>>,
    ) -> CorePump {
        CorePump { mailbox, wakers, kept }
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
        let mut mailbox = self.mailbox.borrow_mut();
        let mut parcel = Parcel::Message(Message::Errand(errand));
        while let Err(back) = mailbox.push(to.index(), parcel) {
            parcel = back;
            std::thread::yield_now();
        }
        self.publish(&mut mailbox);
        let began_ns = reactor::monotonic_ns();
        let mut done = None;
        let mut kept = self.kept.borrow_mut();
        loop {
            mailbox.drain(reactor::monotonic_ns, |from, parcel| match parcel {
                Parcel::Message(Message::ErrandDone(errand)) => done = Some(errand),
                other => kept.push_back((from, other)),
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
}
