//! In the steady state a hop allocates nothing: two engines hand their batches to each other, and the
//! allocator counts.

use base::{ConnId, CoreId, Now, RouteTable, Slot};
use engine::event::Peer;
use engine::{Action, Engine, Event, Setup};

/// Clients of the first core.
const CLIENTS: u32 = 16;

/// Requests in one read of a client.
const PIPELINE: usize = 16;

struct Cores {
    engines: Vec<Engine>,
    now: Now,
    /// Reused, as the core loop's own lists are.
    actions: Vec<Action>,
    sent_bytes: usize,
}

impl Cores {
    fn new() -> Cores {
        let engine = |core| Engine::new(Setup::plain(CoreId(core), 2, 1));
        let now = Now { unix_us: 1_700_000_000_000_000, mono_us: 1_000_000_000 };
        let engines = (0..2).map(engine).collect();
        let mut cores = Cores { engines, now, actions: Vec::new(), sent_bytes: 0 };
        for index in 0..CLIENTS {
            let peer = Box::new(Peer::nameless(u64::from(index) + 1));
            cores.turn(0, [Event::Opened(conn(index), peer)]);
        }
        cores
    }

    fn turn<'b>(&mut self, core: usize, events: impl IntoIterator<Item = Event<'b>>) {
        self.now.mono_us += 10;
        self.now.unix_us += 10;
        let engine = &mut self.engines[core];
        let mut turn = engine.turn(self.now);
        events.into_iter().for_each(|event| turn.on(event));
        turn.finish();
        self.actions.extend(engine.actions());
        for action in self.actions.drain(..) {
            if let Action::Send(_, bytes) = action {
                self.sent_bytes += bytes.len();
                engine.give_spare(bytes);
            }
        }
    }

    /// One turn in which every client sends its requests, and the turns until all are answered.
    fn round(&mut self, requests: &[Vec<u8>]) {
        let reads = requests.iter().zip(0..);
        self.turn(0, reads.map(|(bytes, index)| Event::Received(conn(index), bytes)));
        self.engines[0].may_post(|_| usize::MAX);
        while let Some(jobs) = self.engines[0].take_message(CoreId(1), usize::MAX) {
            self.turn(1, [Event::Message(CoreId(0), jobs)]);
            while let Some(outcomes) = self.engines[1].take_message(CoreId(0), usize::MAX) {
                self.turn(0, [Event::Message(CoreId(1), outcomes)]);
            }
        }
        // What follows a write elsewhere and goes to its own core by mail.
        while let Some(own) = self.engines[0].take_message(CoreId(0), usize::MAX) {
            self.turn(0, [Event::Message(CoreId(0), own)]);
        }
    }
}

fn conn(index: u32) -> ConnId {
    ConnId { index, generation: 0 }
}

/// For each client a read of SETs and GETs, half of the keys with the other core: behind the others, or in turns with them.
fn requests(in_turns: bool) -> Vec<Vec<u8>> {
    let route = RouteTable::new(2);
    let keys = |core| {
        (0..)
            .map(|number: u32| format!("key:{number:06}"))
            .filter(move |key| route.owner(Slot::of_key(key.as_bytes())) == CoreId(core))
    };
    let mut keys = keys(0).zip(keys(1));
    let read = |_| {
        let (mut bytes, mut behind) = (Vec::new(), Vec::new());
        for (here, there) in keys.by_ref().take(PIPELINE / 4) {
            for (key, away) in [(here, false), (there, true)] {
                let place = if away && !in_turns { &mut behind } else { &mut bytes };
                place.extend(format!("*3\r\n$3\r\nSET\r\n$10\r\n{key}\r\n$5\r\nvalue\r\n").bytes());
                place.extend(format!("*2\r\n$3\r\nGET\r\n$10\r\n{key}\r\n").bytes());
            }
        }
        bytes.extend(behind);
        bytes
    };
    (0..CLIENTS).map(read).collect()
}

/// Runs the requests until nothing grows any more, and then counts: allocations, and hops in all.
fn count(in_turns: bool) -> (u64, u64) {
    let mut cores = Cores::new();
    let requests = requests(in_turns);
    for _ in 0..50 {
        cores.round(&requests);
    }
    let (sent, hops) = (cores.sent_bytes, cores.engines[0].core().counters.hops);
    let counted = allocation_counter::measure(|| {
        for _ in 0..500 {
            cores.round(&requests);
        }
    });
    let replies = "+OK\r\n$5\r\nvalue\r\n".len() * PIPELINE / 2 * CLIENTS as usize;
    assert_eq!(cores.sent_bytes - sent, 500 * replies, "every request was answered");
    (counted.count_total, cores.engines[0].core().counters.hops - hops)
}

#[test]
fn a_hop_allocates_nothing_in_the_steady_state() {
    let half = 500 * (PIPELINE / 2) as u64 * u64::from(CLIENTS);
    assert_eq!(count(false), (0, half), "half of them hop");
    let (allocations, hops) = count(true);
    assert_eq!(allocations, 0);
    assert!(hops > half, "local writes behind those of the other core go by mail");
}
