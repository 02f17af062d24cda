//! The world around the engines: time, cores that take turns, rings, sockets, the process.
//!
//! Everything happens at a nanosecond of virtual time, in one queue; equal seeds give equal runs. A
//! core's turn is what `server/core_loop.rs` does, cut into instants between which others act: take
//! what the sockets have, read the rings word by word, execute, publish, act.

pub mod core;
pub mod mail;
pub mod plant;
mod plant_transactions;
pub mod process;
pub mod socket;
pub mod trace;

use self::core::{CoreState, Phase};
use self::mail::Mail;
use self::plant::{Gardener, Plant};
use self::socket::Socket;
use self::trace::Trace;
use base::{CoreId, Now, Prng, RouteTable, Settings};
use engine::Engine;
use engine::engine::Setup;
use engine::event::Control;
use engine::table::Table;
use engine::tx::exclusive::{Errand, Pump};
use std::cell::{Ref, RefCell};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::rc::{Rc, Weak};
use std::sync::Arc;

/// Virtual time begins here, so that no clock is ever 0.
const MONO_START_US: u64 = 1_000_000_000;
const UNIX_START_US: i64 = 1_700_000_000_000_000;

/// The longest sleep of a core.
pub const SLEEP_NS_MAX: u64 = 100_000_000;

/// How unruly the world is. All times in nanoseconds, drawn from 0 to these.
#[derive(Clone, Copy, Debug)]
pub struct Chaos {
    /// Between two steps of a turn.
    pub step_ns: u64,
    /// One step in so many takes a thousand times as long: the thread was preempted.
    pub preempted_one_in: u64,
    /// From a wake-up to the turn.
    pub wake_ns: u64,
    /// One wake-up in so many is lost; 0 is never.
    pub wake_lost_one_in: u64,
    /// From a client to its core and back.
    pub network_ns: u64,
    /// One piece of the network in so many takes a hundred times as long.
    pub network_slow_one_in: u64,
    /// Messages in a ring.
    pub ring: usize,
    /// Bytes that a socket takes before its client has read some.
    pub window: usize,
    /// Bytes in a piece of the network at the most.
    pub piece: usize,
    /// A core that is thirty times slower than the others, if there is one.
    pub sluggish: Option<usize>,
}

impl Chaos {
    /// No delay of note: what is left is the order of things.
    pub const CALM: Chaos = Chaos {
        step_ns: 200,
        preempted_one_in: 0,
        wake_ns: 1_000,
        wake_lost_one_in: 0,
        network_ns: 2_000,
        network_slow_one_in: 0,
        ring: 1024,
        window: 1 << 20,
        piece: 1 << 20,
        sluggish: None,
    };

    /// What a seed makes of it.
    pub fn draw(prng: &mut Prng) -> Chaos {
        let mut one = |choices: &[u64]| choices[prng.below(choices.len() as u64) as usize];
        Chaos {
            step_ns: one(&[50, 300, 3_000]),
            preempted_one_in: one(&[0, 50, 1000]),
            wake_ns: one(&[1_000, 10_000, 100_000]),
            wake_lost_one_in: one(&[0, 0, 0, 200]),
            network_ns: one(&[1_000, 30_000, 200_000]),
            network_slow_one_in: one(&[0, 0, 20]),
            ring: one(&[2, 4, 16, 1024, 1024]) as usize,
            window: one(&[64, 1_000, 1 << 16, 1 << 20]) as usize,
            piece: one(&[3, 40, 1 << 14, 1 << 14, 1 << 14]) as usize,
            sluggish: None,
        }
    }
}

/// What the queue holds.
pub enum What {
    /// A core may take a turn.
    Wake(usize),
    /// A core's turn goes on.
    Step(usize),
    /// Messages that a faulty core has held back become visible.
    PublishRest(usize),
    /// Bytes reach the server.
    ToServer(usize, Vec<u8>),
    /// A new connection reaches the server.
    Connect(usize),
    /// The client's end of a connection reaches the server.
    Hangup(usize),
    /// That a client sends no more reaches the server.
    EndInput(usize),
    /// Bytes reach the client.
    ToClient(usize, Vec<u8>),
    /// The server's end of a connection reaches the client.
    EndOfFile(usize),
    /// The process answers a core.
    Answer(usize, u64, Result<String, String>),
    /// A client does something.
    Client(usize),
}

/// What the world tells a client.
pub enum Heard {
    /// It may do something.
    Turn,
    /// Bytes came by its socket.
    Bytes(Vec<u8>),
    /// The server has closed.
    Closed,
}

struct Entry {
    at_ns: u64,
    number: u64,
    what: What,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Entry) -> bool {
        self.number == other.number
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Entry) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Entry) -> std::cmp::Ordering {
        (self.at_ns, self.number).cmp(&(other.at_ns, other.number))
    }
}

/// N engines and everything around them.
pub struct World {
    /// Virtual time in nanoseconds.
    pub now_ns: u64,
    /// What has happened.
    pub trace: Trace,
    pub(crate) cores: Vec<CoreState>,
    pub(crate) sockets: Vec<Socket>,
    pub(crate) mail: Mail,
    pub(crate) gardener: Gardener,
    pub(crate) prng: Prng,
    pub(crate) chaos: Chaos,
    queue: BinaryHeap<Reverse<Entry>>,
    number: u64,
}

/// What a world is made from.
pub struct Plan<'a> {
    /// Everything random follows from it.
    pub seed: u64,
    /// How many cores.
    pub cores: usize,
    /// How unruly.
    pub chaos: Chaos,
    /// The configuration.
    pub settings: Settings,
    /// All commands.
    pub table: &'a Arc<Table>,
    /// The mistake to make.
    pub plant: Option<Plant>,
    /// Print what happens.
    pub verbose: bool,
}

/// The cores' cycle counter stands still: durations are 0, and runs can be repeated.
fn no_ticks() -> u64 {
    0
}

/// An engine that others may reach while it is taking a turn.
pub type Shared = Rc<RefCell<Engine>>;

/// The other engines, for who has them all locked: they hold still, so what is asked of them is done at once.
struct Others(Vec<Weak<RefCell<Engine>>>);

impl Pump for Others {
    fn exchange(&mut self, to: CoreId, mut errand: Box<Errand>) -> Box<Errand> {
        let other = self.0[to.index()].upgrade().expect("engines live as long as their world");
        other.borrow_mut().serve_errand(&mut errand);
        errand
    }

    /// The cores' cycle counter stands still: no script runs on.
    fn turn(&mut self, _: &mut Engine) {}
}

/// Engines for `cores` cores.
pub fn engines(cores: usize, seed: u64, settings: &Settings, table: &Arc<Table>) -> Vec<Shared> {
    let mut prng = Prng::new(seed ^ 0x656e_6769_6e65);
    let hash_seed = prng.next_u64();
    let process = Arc::new(process::facts(cores));
    let engines: Vec<Shared> = (0..cores as u16)
        .map(|core| {
            Rc::new(RefCell::new(Engine::new(Setup {
                core: CoreId(core),
                route: RouteTable::new(cores),
                settings: settings.clone(),
                table: table.clone(),
                process: process.clone(),
                hash_seed,
                seed: prng.next_u64(),
                clock: (no_ticks, 1000.0),
            })))
        })
        .collect();
    for engine in &engines {
        let others = engines.iter().map(Rc::downgrade).collect();
        engine.borrow_mut().set_pump(Box::new(Others(others)));
    }
    engines
}

/// The clocks' reading at a virtual time.
pub fn clocks(ns: u64) -> Now {
    let us = ns / 1000;
    Now { unix_us: UNIX_START_US + us as i64, mono_us: MONO_START_US + us }
}

/// The virtual time at which the monotonic clock shows this.
pub fn ns_of_mono(mono_us: u64) -> u64 {
    mono_us.saturating_sub(MONO_START_US).saturating_mul(1000)
}

impl World {
    /// A world at its beginning.
    pub fn new(plan: Plan<'_>) -> World {
        let engines = engines(plan.cores, plan.seed, &plan.settings, plan.table);
        for engine in &engines {
            engine.borrow_mut().make(plan.plant.map(Plant::mistakes).unwrap_or_default());
        }
        let get = plan.table.find(b"GET").expect("GET is a command").id;
        let mut world = World {
            now_ns: 0,
            trace: Trace::new(plan.verbose),
            cores: engines.into_iter().map(CoreState::new).collect(),
            sockets: Vec::new(),
            mail: Mail::new(plan.cores, plan.chaos.ring),
            gardener: Gardener::new(plan.plant, plan.seed, get, plan.cores),
            prng: Prng::new(plan.seed ^ 0x0077_6f72_6c64),
            chaos: plan.chaos,
            queue: BinaryHeap::new(),
            number: 0,
        };
        (0..plan.cores).for_each(|core| world.wake_at(core, 0));
        world
    }

    /// Puts something into the queue.
    pub fn schedule(&mut self, at_ns: u64, what: What) {
        self.number += 1;
        let at_ns = at_ns.max(self.now_ns);
        self.queue.push(Reverse(Entry { at_ns, number: self.number, what }));
    }

    /// Lets a client act at a time.
    pub fn schedule_client(&mut self, client: usize, at_ns: u64) {
        self.schedule(at_ns, What::Client(client));
    }

    /// Lets the next thing happen, unless that is after `until_ns`; `hear` is told what concerns a
    /// client. False when nothing more happens by then.
    pub fn step(&mut self, until_ns: u64, hear: &mut impl FnMut(&mut World, usize, Heard)) -> bool {
        match self.queue.peek() {
            Some(Reverse(entry)) if entry.at_ns <= until_ns => {}
            _ => return false,
        }
        let Some(Reverse(entry)) = self.queue.pop() else { return false };
        self.now_ns = entry.at_ns;
        match entry.what {
            What::Wake(core) => self.on_wake(core),
            What::Step(core) => self.on_step(core),
            What::PublishRest(core) => self.publish(core, |_| true),
            What::Connect(socket) => self.on_connect(socket),
            What::ToServer(socket, bytes) => self.on_bytes(socket, bytes),
            What::Hangup(socket) => self.on_hangup(socket),
            What::EndInput(socket) => self.on_end_of_input(socket),
            What::ToClient(socket, bytes) => {
                self.trace.note(self.now_ns, "reply", socket, &bytes);
                self.on_client_read(socket, bytes.len());
                if self.sockets[socket].listens {
                    hear(self, socket, Heard::Bytes(bytes));
                }
            }
            What::EndOfFile(socket) => {
                self.trace.note(self.now_ns, "eof", socket, b"");
                if self.sockets[socket].listens {
                    hear(self, socket, Heard::Closed);
                }
            }
            What::Answer(core, ticket, answer) => {
                let control = Control::Answer(ticket, answer);
                self.cores[core].inbox.push_back(core::Arrived::Control(control));
                self.wake_soon(core);
            }
            What::Client(client) => hear(self, client, Heard::Turn),
        }
        true
    }

    /// Whether no core has anything to do but to look at its clock.
    pub fn is_silent(&self) -> bool {
        let idle = |core: &CoreState| core.phase == Phase::Idle && core.inbox.is_empty();
        self.mail.is_empty() && self.cores.iter().all(idle)
    }

    /// The engines, to look at.
    pub fn engines(&self) -> impl Iterator<Item = Ref<'_, Engine>> {
        self.cores.iter().map(|core| core.engine.borrow())
    }

    /// A delay between two steps of a core's turn.
    pub(crate) fn step_delay(&mut self, core: usize) -> u64 {
        let slowness = if self.chaos.sluggish == Some(core) { 30 } else { 1 };
        let base = 1 + self.prng.below(self.chaos.step_ns * slowness);
        if self.prng.one_in(self.chaos.preempted_one_in) { base * 1000 } else { base }
    }
}
