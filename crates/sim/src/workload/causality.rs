//! Data first, then a flag, in one pipeline and on different cores; others look at the flag and then
//! at the data, or just at the data.

use super::Common;
use crate::history::{Mark, words};
use crate::player::{Call, Manners, Next, Script};
use crate::world::Chaos;
use base::{Prng, RouteTable, Slot};
use resp::read::Value;

/// Pairs of a data key and a flag key.
const PAIRS: usize = 3;

/// One client of this workload.
pub struct Observer {
    role: Role,
    /// The cores of the data and of the flags.
    homes: (usize, usize),
    data: Vec<String>,
    flags: Vec<String>,
    common: Common,
    last_flag: Option<usize>,
    version: u64,
}

#[derive(Clone, Copy)]
enum Role {
    /// Writes the pairs whose number is its own modulo [`PAIRS`]. Only one client does.
    Writer(usize),
    /// Looks at a flag, and when told, at its data.
    Reader,
    /// Looks at data only: what it finds must not be older than what others were told.
    Watcher,
}

impl Observer {
    /// For the client of this number: the first ones write.
    pub fn draw(prng: &mut Prng, common: &Common, number: usize) -> Observer {
        let role = match number {
            0..PAIRS if prng.below(4) > 0 => Role::Writer(number),
            _ if prng.one_in(2) => Role::Reader,
            _ => Role::Watcher,
        };
        Observer::new(role, common, (common.cores - 1, 0))
    }

    /// For a world that [`hurried`] made.
    pub fn hurried(prng: &mut Prng, common: &Common, chaos: &Chaos, number: usize) -> Observer {
        let role = match number {
            0 => Role::Writer(0),
            1 => Role::Reader,
            2 => Role::Watcher,
            _ if prng.one_in(3) => Role::Reader,
            _ => Role::Watcher,
        };
        let data = chaos.sluggish.unwrap_or(0);
        Observer::new(role, common, (data, (data + 1) % common.cores))
    }

    fn new(role: Role, common: &Common, homes: (usize, usize)) -> Observer {
        let names = |word: &str, core| {
            (0..PAIRS).map(|pair| name(word, pair, core, common.cores)).collect()
        };
        Observer {
            role,
            homes,
            data: names("data", homes.0),
            flags: names("flag", homes.1),
            common: common.clone(),
            last_flag: None,
            version: 0,
        }
    }

    /// Puts the client where a mistake shows: writers and readers at the flags, or anywhere, those
    /// who watch at the data.
    pub fn place(&self, prng: &mut Prng, manners: &mut Manners) {
        let anywhere = prng.below(self.common.cores as u64) as usize;
        manners.core = match self.role {
            Role::Watcher => self.homes.0,
            _ if prng.one_in(2) => self.homes.1,
            _ => anywhere,
        };
        manners.slowness_ns = 0;
        (manners.depth, manners.think_ns) = match self.role {
            Role::Writer(_) => (3, 20_000),
            Role::Reader => (1, 2_000),
            Role::Watcher => (10, 4_000),
        };
        manners.steps_max *= 3;
        manners.vanish_after = None;
        manners.start_ns = prng.below(5_000);
    }

    fn write(&mut self, prng: &mut Prng, pair: usize) -> Vec<Call> {
        self.version += 1;
        let version = self.version;
        let data = match prng.below(3) {
            0 => format!("MSET {} {version} other{pair} {version}", self.data[pair]),
            _ => format!("SET {} {version}", self.data[pair]),
        };
        let mut calls = vec![Call::plain(words(&data))];
        for filler in 0..prng.below(3) {
            calls.push(Call::plain(words(&format!("SET filler{filler} {version}"))));
        }
        calls.push(Call::plain(words(&format!("SET {} {version}", self.flags[pair]))));
        calls
    }
}

/// A world in which news travels faster than one of the cores looks: that core keeps the data.
pub fn hurried(prng: &mut Prng, cores: usize) -> Chaos {
    Chaos {
        step_ns: [300, 1_000, 3_000][prng.below(3) as usize],
        wake_ns: 1_000,
        network_ns: 1_000,
        sluggish: Some(prng.below(cores as u64) as usize),
        ..Chaos::CALM
    }
}

/// A key with this beginning that lives on a core.
fn name(word: &str, pair: usize, core: usize, cores: usize) -> String {
    let route = RouteTable::new(cores);
    let mut names = (0..).map(|salt: u32| format!("{word}{pair}.{salt}"));
    let lives_there = |name: &String| route.owner(Slot::of_key(name.as_bytes())).index() == core;
    names.find(lives_there).expect("every core owns slots")
}

impl Script for Observer {
    fn next(&mut self, prng: &mut Prng, _now_ns: u64) -> Next {
        let pair = prng.below(PAIRS as u64) as usize;
        let pair = if let Role::Writer(own) = self.role { own } else { pair };
        let data = |pair: usize| Call {
            words: words(&format!("GET {}", self.data[pair])),
            mark: Mark::Data(pair),
        };
        match self.role {
            Role::Writer(pair) => Next::Send(self.write(prng, pair)),
            Role::Watcher => Next::Send(vec![data(pair)]),
            Role::Reader => match self.last_flag.take() {
                Some(pair) => Next::Send(vec![data(pair)]),
                None => {
                    let flag = words(&format!("GET {}", self.flags[pair]));
                    Next::Send(vec![Call { words: flag, mark: Mark::Flag(pair) }])
                }
            },
        }
    }

    fn on_reply(&mut self, _nth: usize, words: &[Vec<u8>], reply: &Value) -> Result<(), String> {
        if let (Some(pair), Value::Bulk(_)) = (words[1].strip_prefix(b"flag"), reply) {
            self.last_flag = pair.first().map(|digit| usize::from(digit - b'0'));
        }
        match reply {
            Value::Error(text) if self.common.lossy && text.starts_with("OOM ") => Ok(()),
            Value::Error(_) => Err("an unexpected error".to_owned()),
            _ => Ok(()),
        }
    }

    fn may_be_closed(&self) -> bool {
        self.common.kills
    }
}
