//! Whole engines without sockets: what a request costs from its bytes to its reply, on one core and with a hop.

use base::{ConnId, CoreId, Now, RouteTable};
use engine::event::Peer;
use engine::{Action, Engine, Event, Setup};

use super::workloads::Batch;
use crate::loader::append_command;

/// Connections of a core, each with one read in a batch.
const CONNECTIONS: u32 = 16;
/// Keys on each core.
const KEYS: usize = 2_000;
const VALUE: [u8; 100] = [b'x'; 100];
/// Fixed, so that every run counts the same.
const SEED: u64 = 42;

/// Where the keys of a workload live.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// With the core that the clients are connected to.
    Here,
    /// With the other core: every request is a hop.
    There,
}

/// Two cores that hand each other their messages; the clients are at the first.
struct Cores {
    engines: Vec<Engine>,
    now: Now,
}

impl Cores {
    fn new() -> Cores {
        let engine = |core| Engine::new(Setup::plain(CoreId(core), 2, SEED));
        let now = Now { unix_us: 1_700_000_000_000_000, mono_us: 1_000_000_000 };
        let mut cores = Cores { engines: (0..2).map(engine).collect(), now };
        for index in 0..CONNECTIONS {
            let peer = Box::new(Peer::nameless(u64::from(index) + 1));
            cores.turn(0, [Event::Opened(connection(index), peer)]);
        }
        cores
    }

    /// One turn of a core; gives the bytes that left.
    fn turn<'b>(&mut self, core: usize, events: impl IntoIterator<Item = Event<'b>>) -> u64 {
        self.now.mono_us += 10;
        self.now.unix_us += 10;
        let mut turn = self.engines[core].turn(self.now);
        events.into_iter().for_each(|event| turn.on(event));
        turn.finish();
        let mut sent = 0;
        let engine = &mut self.engines[core];
        let actions: Vec<Action> = engine.actions().collect();
        for action in actions {
            if let Action::Send(_, bytes) = action {
                sent += bytes.len() as u64;
                engine.give_spare(bytes);
            }
        }
        sent
    }

    /// Has each connection send its requests once, so many in a turn; gives the bytes that left.
    fn serve(&mut self, requests: &[Vec<u8>], reads: usize) -> u64 {
        let mut sent = 0;
        for (turn, requests) in requests.chunks(reads).enumerate() {
            let first = (turn * reads) as u32;
            let events = requests
                .iter()
                .zip(first..)
                .map(|(bytes, index)| Event::Received(connection(index), bytes.as_slice()));
            sent += self.turn(0, events);
            sent += self.carry();
        }
        sent
    }

    /// Carries messages until there are none; gives the bytes that left meanwhile.
    fn carry(&mut self) -> u64 {
        let mut sent = 0;
        loop {
            let mut carried = false;
            self.engines.iter_mut().for_each(|engine| _ = engine.may_post(|_| usize::MAX));
            for (from, to) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                while let Some(message) =
                    self.engines[from].take_message(CoreId(to as u16), usize::MAX)
                {
                    sent += self.turn(to, [Event::Message(CoreId(from as u16), message)]);
                    carried = true;
                }
            }
            if !carried {
                return sent;
            }
        }
    }
}

fn connection(index: u32) -> ConnId {
    ConnId { index, generation: 0 }
}

/// Keys of 16 bytes that one core owns.
fn keys_of(core: u16) -> impl Iterator<Item = String> {
    let route = RouteTable::new(2);
    (0..)
        .map(|number: u64| format!("memtier-{number:08}"))
        .filter(move |key| route.owner(base::Slot::of_key(key.as_bytes())) == CoreId(core))
}

/// GETs from `CONNECTIONS` clients, `pipeline` in a read and `reads` in a turn; every key exists.
pub fn get(keys: Keys, pipeline: usize, reads: usize) -> Batch {
    let mut cores = Cores::new();
    let owner = if keys == Keys::Here { 0 } else { 1 };
    let keys: Vec<String> = keys_of(owner).take(KEYS).collect();
    for key in &keys {
        let mut set = Vec::new();
        append_command(&mut set, &[b"SET", key.as_bytes(), &VALUE]);
        cores.turn(0, [Event::Received(connection(0), &set)]);
        cores.carry();
    }
    let requests: Vec<Vec<u8>> = (0..CONNECTIONS as usize)
        .map(|client| {
            let mut bytes = Vec::new();
            for place in 0..pipeline {
                let key = &keys[(client * pipeline + place) * 7 % KEYS];
                append_command(&mut bytes, &[b"GET", key.as_bytes()]);
            }
            bytes
        })
        .collect();
    Box::new(move || {
        let sent = cores.serve(&requests, reads);
        let operations = u64::from(CONNECTIONS) * pipeline as u64;
        assert_eq!(sent, operations * (VALUE.len() as u64 + 8), "every GET was answered");
        operations
    })
}

/// A command on one of many collections, and the command that makes these.
#[derive(Clone, Copy)]
pub struct Shape {
    /// Name, elements of each, and the words of an element, behind each of which its number is put.
    pub fill: (&'static str, usize, &'static [&'static str]),
    /// The same of the command that is counted.
    pub run: (&'static str, &'static [&'static str]),
}

/// The command, of elements that are there, sixteen in a read and four reads in a turn.
pub fn collections(shape: Shape) -> Batch {
    const PIPELINE: usize = 16;
    let mut cores = Cores::new();
    let keys: Vec<String> = keys_of(0).take(KEYS / 10).collect();
    let (filler, elements, words) = shape.fill;
    let request = |name: &str, key: &str, words: &[&str], element: usize, to: &mut Vec<u8>| {
        let words: Vec<String> = words.iter().map(|word| format!("{word}{element}")).collect();
        let mut all = vec![name.as_bytes(), key.as_bytes()];
        all.extend(words.iter().map(String::as_bytes));
        append_command(to, &all);
    };
    for key in &keys {
        let mut bytes = Vec::new();
        (0..elements).for_each(|element| request(filler, key, words, element, &mut bytes));
        cores.turn(0, [Event::Received(connection(0), &bytes)]);
    }
    let requests: Vec<Vec<u8>> = (0..CONNECTIONS as usize)
        .map(|client| {
            let mut bytes = Vec::new();
            for place in client * PIPELINE..(client + 1) * PIPELINE {
                let (name, words) = shape.run;
                request(name, &keys[place * 7 % keys.len()], words, place % elements, &mut bytes);
            }
            bytes
        })
        .collect();
    Box::new(move || {
        assert!(cores.serve(&requests, 4) > 0, "there were answers");
        u64::from(CONNECTIONS) * PIPELINE as u64
    })
}
