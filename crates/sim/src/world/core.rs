//! One core's turns: the loop of `server/core_loop.rs`, cut into instants.

use super::mail::{Drain, Protocol};
use super::plant::Plant;
use super::{SLEEP_NS_MAX, Shared, What, World, clocks, ns_of_mono, process};
use base::limits::TURN_EVENTS_MAX;
use base::{ConnId, CoreId};
use engine::event::{Control, Peer};
use engine::{Action, Event, Message};
use std::collections::VecDeque;

/// One core and where its turn stands.
pub struct CoreState {
    /// The production code.
    pub engine: Shared,
    /// What has come for it since its last turn.
    pub inbox: VecDeque<Arrived>,
    /// Where its turn stands.
    pub phase: Phase,
    /// When it wakes, if it sleeps.
    wake_at: u64,
    drain: Drain,
    /// What it took from its sockets in this turn.
    taken: Vec<Arrived>,
    /// Delivered mail of this turn.
    mail: Vec<(usize, Message)>,
    /// The reading of the clock for this turn's stamp.
    stamp_ns: u64,
    /// Free indexes of connections, and the next generation of each.
    pub free: Vec<u32>,
    pub generations: Vec<u32>,
}

/// Something that came for a core.
pub enum Arrived {
    Opened(ConnId, Box<Peer>),
    Received(ConnId, Vec<u8>),
    Filling(ConnId, usize),
    Filled(ConnId, Vec<u8>),
    Stalled(ConnId, usize),
    Drained(ConnId),
    HungUp(ConnId),
    Closed(ConnId),
    Control(Control),
}

/// Where a turn stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    Idle,
    Drain,
    /// Only of a core that drains too early: its sockets are looked at after the mail.
    TakeLate,
    Execute,
    Publish,
    Act,
}

impl CoreState {
    /// A core at its start.
    pub fn new(engine: Shared) -> CoreState {
        CoreState {
            engine,
            inbox: VecDeque::new(),
            phase: Phase::Idle,
            wake_at: u64::MAX,
            drain: Drain::default(),
            taken: Vec::new(),
            mail: Vec::new(),
            stamp_ns: 0,
            free: Vec::new(),
            generations: Vec::new(),
        }
    }
}

impl World {
    fn protocol(&self) -> Protocol {
        if self.gardener.is(Plant::NoStamps) { Protocol::Careless } else { Protocol::Stamped }
    }

    /// Ends a core's sleep at a time, if it sleeps longer.
    pub(crate) fn wake_at(&mut self, core: usize, at_ns: u64) {
        let state = &mut self.cores[core];
        if state.phase == Phase::Idle && at_ns < state.wake_at {
            state.wake_at = at_ns;
            self.schedule(at_ns, What::Wake(core));
        }
    }

    /// Ends a core's sleep because something came.
    pub(crate) fn wake_soon(&mut self, core: usize) {
        let slowness = if self.chaos.sluggish == Some(core) { 30 } else { 1 };
        let delay = 1 + self.prng.below(self.chaos.wake_ns * slowness);
        self.wake_at(core, self.now_ns + delay);
    }

    pub(crate) fn on_wake(&mut self, core: usize) {
        let now = self.now_ns;
        let state = &mut self.cores[core];
        if state.phase != Phase::Idle || state.wake_at != now {
            return;
        }
        state.wake_at = u64::MAX;
        self.trace.note(now, "turn", core, b"");
        if !self.gardener.is(Plant::EarlyDrain) {
            self.take(core);
        }
        let state = &mut self.cores[core];
        state.drain = self.mail.begin(now);
        state.phase = Phase::Drain;
        self.on_step(core);
    }

    fn take(&mut self, core: usize) {
        let state = &mut self.cores[core];
        let count = state.inbox.len().min(TURN_EVENTS_MAX);
        state.taken.extend(state.inbox.drain(..count));
    }

    fn go_on(&mut self, core: usize, phase: Phase) {
        self.cores[core].phase = phase;
        let delay = self.step_delay(core);
        self.schedule(self.now_ns + delay, What::Step(core));
    }

    pub(crate) fn on_step(&mut self, core: usize) {
        match self.cores[core].phase {
            Phase::Idle => unreachable!("a sleeping core takes no steps"),
            Phase::Drain => self.drain_step(core),
            Phase::TakeLate => {
                self.take(core);
                self.go_on(core, Phase::Execute);
            }
            Phase::Execute => {
                self.execute(core);
                self.go_on(core, Phase::Publish);
            }
            Phase::Publish => {
                self.publish_turn(core);
                self.go_on(core, Phase::Act);
            }
            Phase::Act => {
                self.act(core);
                self.sleep(core);
            }
        }
    }

    fn drain_step(&mut self, core: usize) {
        let protocol = self.protocol();
        let mut drain = std::mem::take(&mut self.cores[core].drain);
        if !self.mail.step(core, &mut drain, protocol) {
            self.cores[core].drain = drain;
            return self.go_on(core, Phase::Drain);
        }
        let mail = self.mail.deliver(core, drain, protocol);
        self.cores[core].mail = self.gardener.spoil_mail(core, mail);
        let early = self.gardener.is(Plant::EarlyDrain);
        self.go_on(core, if early { Phase::TakeLate } else { Phase::Execute });
    }

    fn execute(&mut self, core: usize) {
        let mut now = clocks(self.now_ns);
        now.unix_us += self.gardener.clock_ahead_us();
        let state = &mut self.cores[core];
        let mut taken = std::mem::take(&mut state.taken);
        let engine = state.engine.clone();
        let mut engine = engine.borrow_mut();
        let mut turn = engine.turn(now);
        for (from, message) in state.mail.drain(..) {
            self.trace.note(self.now_ns, label(&message), core, &[from as u8]);
            turn.on(Event::Message(CoreId(from as u16), message));
        }
        for arrived in &mut taken {
            match arrived {
                Arrived::Received(conn, bytes) => {
                    self.trace.note(self.now_ns, "received", core, bytes);
                    turn.on(Event::Received(*conn, bytes));
                }
                Arrived::Filling(conn, bytes) => turn.on(Event::Filling(*conn, *bytes)),
                Arrived::Filled(conn, buffer) => {
                    self.trace.note(self.now_ns, "filled", core, buffer);
                    turn.on(Event::Filled(*conn, std::mem::take(buffer)));
                }
                Arrived::Opened(conn, peer) => turn.on(Event::Opened(*conn, peer.clone())),
                Arrived::Stalled(conn, unsent) => turn.on(Event::Stalled(*conn, *unsent)),
                Arrived::Drained(conn) => turn.on(Event::Drained(*conn)),
                Arrived::HungUp(conn) => turn.on(Event::HungUp(*conn)),
                Arrived::Closed(conn) => turn.on(Event::Closed(*conn)),
                Arrived::Control(Control::Answer(ticket, answer)) => {
                    turn.on(Event::Control(Control::Answer(*ticket, answer.clone())))
                }
                Arrived::Control(Control::Drain) => turn.on(Event::Control(Control::Drain)),
            }
        }
        turn.finish();
        drop(engine);
        self.stage(core);
        self.cores[core].stamp_ns = self.now_ns;
    }

    /// Puts what is due into the rings, all of it or nothing.
    fn stage(&mut self, core: usize) {
        let mail = &self.mail;
        let mut engine = self.cores[core].engine.borrow_mut();
        if !engine.may_post(|to| mail.space(core, to.index())) {
            return;
        }
        for to in 0..mail.cores() {
            let id = CoreId(to as u16);
            while let Some(message) = engine.take_message(id, self.mail.space(core, to)) {
                self.mail.push(core, to, message);
            }
        }
    }

    fn publish_turn(&mut self, core: usize) {
        if self.gardener.is(Plant::LateJobs) {
            self.publish(core, |message| !matches!(message, Message::Jobs(_)));
            let late = self.now_ns + 1 + self.prng.below(200_000);
            self.schedule(late, What::PublishRest(core));
            return;
        }
        self.publish(core, |_| true);
    }

    pub(crate) fn publish(&mut self, core: usize, which: impl Fn(&Message) -> bool) {
        if !self.mail.is_staged(core) {
            return;
        }
        // A receiver that looks between the reading of the clock and the store has the sender read it again; so the
        // two are one instant, but for a sender that does not mind.
        let read = self.cores[core].stamp_ns;
        let time = match self.gardener.is(Plant::StaleStamp) {
            true => read + self.prng.below(self.now_ns - read + 1),
            false => self.now_ns,
        };
        for receiver in self.mail.publish(core, time, which) {
            if !self.prng.one_in(self.chaos.wake_lost_one_in) {
                self.wake_soon(receiver);
            }
        }
    }

    fn act(&mut self, core: usize) {
        let actions: Vec<Action> = self.cores[core].engine.borrow_mut().actions().collect();
        for action in actions {
            match action {
                Action::Send(conn, mut bytes) => {
                    self.gardener.spoil_output(&mut bytes);
                    self.send(core, conn, &bytes);
                    self.cores[core].engine.borrow_mut().give_spare(bytes);
                }
                Action::Fill(conn, buffer, target) => self.fill(core, conn, buffer, target),
                Action::Pause(conn) => self.pause(core, conn, true),
                Action::Resume(conn) => self.pause(core, conn, false),
                Action::Close(conn) => self.close(core, conn),
                Action::Control(ticket, request) => {
                    let delay = 1_000 + self.prng.below(1_000_000);
                    let answer = process::answer(&request);
                    self.schedule(self.now_ns + delay, What::Answer(core, ticket, answer));
                }
                Action::Drained => {}
            }
        }
    }

    /// Goes to sleep until something comes, it is time, or the longest sleep is over.
    fn sleep(&mut self, core: usize) {
        let state = &mut self.cores[core];
        state.phase = Phase::Idle;
        state.wake_at = u64::MAX;
        let deadline = state.engine.borrow().next_deadline().map_or(u64::MAX, ns_of_mono);
        let soon = self.now_ns + 1;
        let until = deadline.clamp(soon, self.now_ns + SLEEP_NS_MAX);
        let busy = !state.inbox.is_empty() || self.mail.has_mail(core);
        self.wake_at(core, if busy { soon } else { until });
    }
}

fn label(message: &Message) -> &'static str {
    match message {
        Message::Jobs(_) => "jobs",
        Message::Outcomes(_) => "outcomes",
        Message::Ask { .. } => "ask",
        Message::Answer { .. } => "answer",
        Message::Lease(_) => "lease",
        Message::Monitor(_) => "monitor",
        Message::Sequence(_) => "sequence",
        Message::Lock(_) => "lock",
        Message::Granted(_) => "granted",
        Message::Finish(_) => "finish",
        Message::Finished(_) => "finished",
        Message::Late(_) => "late",
        Message::Bundle(_) => "bundle",
        _ => "message",
    }
}
