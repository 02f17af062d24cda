//! What clients do: a scenario is drawn from the seed, and every client gets a script and manners.

pub mod admin;
pub mod anything;
pub mod causality;
pub mod invariants;
pub mod mixed;
pub mod registers;
pub mod scan;
pub mod transactions;

use crate::player::{Call, Manners, Player, Script};
use crate::world::Chaos;
use base::{Prng, Settings, settings};
use engine::table::Table;
use std::sync::Arc;

/// Clients of a scenario at the most.
const CLIENTS_MAX: u64 = 7;

/// Only causality, in a world made for it: who is told something can act on it faster than the core
/// that keeps the data looks at its mail.
const CAUSALITY: u64 = 1;

/// What a seed makes the world be.
pub struct Scenario {
    /// How many cores.
    pub cores: usize,
    /// How unruly it is.
    pub chaos: Chaos,
    /// The configuration at the start.
    pub settings: Settings,
    /// Memory is short: keys may vanish, writes may be refused.
    pub lossy: bool,
    /// The clients.
    pub players: Vec<Player>,
    /// How the history is looked at.
    pub checks: Checks,
    /// What a last client asks when all others have finished.
    pub audit: Vec<Call>,
}

/// How a history is looked at when a run is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checks {
    /// Key by key, and causes before effects.
    Keys,
    /// All operations in one order; `prompt` where nobody is slow to notice what has come.
    Order {
        /// See there.
        prompt: bool,
    },
    /// Not at all: clients have looked at all replies.
    None,
}

/// Which scenarios are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Theme {
    /// Single keys, causality, scans, changes of the configuration.
    Keys,
    /// Operations on several cores.
    Transactions,
}

impl Theme {
    /// What a seed makes of it.
    pub fn of(seed: u64) -> Theme {
        match Prng::new(seed ^ 0x0074_6865_6d65).one_in(2) {
            true => Theme::Transactions,
            false => Theme::Keys,
        }
    }
}

/// What all scripts of a scenario know.
#[derive(Clone)]
pub struct Common {
    /// All commands.
    pub table: Arc<Table>,
    /// How many cores.
    pub cores: usize,
    /// Memory is short.
    pub lossy: bool,
    /// Connections may be closed.
    pub kills: bool,
    /// FLUSHALL is among the requests.
    pub flushes: bool,
    /// Keys have times to live.
    pub expires: bool,
    /// Some values are long.
    pub long: bool,
}

impl Common {
    /// Whether there is a command.
    pub fn can(&self, name: &str) -> bool {
        self.table.find(name.as_bytes()).is_some()
    }
}

/// The configuration of a simulated server: few databases, small limits, and what `pairs` says.
pub fn configure(pairs: &[(base::settings::SettingId, &str)]) -> Settings {
    let mut made = Settings::default();
    for (id, value) in [(settings::DATABASES, "3")].iter().chain(pairs) {
        made.set(*id, value.as_bytes()).expect("a simulated setting is valid");
    }
    made
}

/// Blocking commands.
const BLOCKING: &str = "BLPOP";

/// Draws a scenario of single keys. `steps` is how many requests a client sends at the most.
pub fn draw(seed: u64, table: &Arc<Table>, steps: usize) -> Scenario {
    let mut prng = Prng::new(seed ^ 0x7363_656e_6172_696f);
    let theme = prng.below(4);
    let mut cores = [1, 2, 2, 2, 3, 3, 4, 8][prng.below(8) as usize];
    let mut chaos = Chaos::draw(&mut prng);
    let lossy = prng.one_in(4) && theme != CAUSALITY;
    if theme == CAUSALITY {
        cores = cores.max(2);
        chaos = causality::hurried(&mut prng, cores);
    }
    let common = Common {
        table: table.clone(),
        cores,
        lossy,
        kills: prng.one_in(6),
        flushes: prng.one_in(4) && theme != CAUSALITY,
        expires: prng.one_in(2),
        // In a world whose pieces are crumbs they would be all that happens.
        long: chaos.piece >= 1 << 14
            && chaos.window >= 1000
            && Prng::new(seed ^ 0x6c6f_6e67).one_in(3),
    };
    let policy = ["noeviction", "allkeys-lru", "allkeys-random", "volatile-ttl", "allkeys-lfu"]
        [prng.below(5) as usize];
    let memory = if lossy { "400kb" } else { "0" };
    let settings =
        configure(&[(settings::MAXMEMORY, memory), (settings::MAXMEMORY_POLICY, policy)]);
    let clients = 2 + prng.below(CLIENTS_MAX - 1) as usize;
    let players = (0..clients).map(|number| {
        let mut manners = manners(&mut prng, &common, steps);
        if theme == CAUSALITY {
            let observer = causality::Observer::hurried(&mut prng, &common, &chaos, number);
            observer.place(&mut prng, &mut manners);
            return Player::new(number, seed, manners, Box::new(observer));
        }
        let script = script(&mut prng, &common, theme, number);
        Player::new(number, seed, manners, script)
    });
    let players = players.collect();
    Scenario { cores, chaos, settings, lossy, players, checks: Checks::Keys, audit: Vec::new() }
}

fn script(prng: &mut Prng, common: &Common, theme: u64, number: usize) -> Box<dyn Script> {
    let choice = match theme {
        0 => 0,
        _ => [0, 0, 1, 1, 2, 3, 4, 5][prng.below(8) as usize],
    };
    match choice {
        1 if !common.lossy && !common.flushes => {
            Box::new(causality::Observer::draw(prng, common, number))
        }
        2 if !common.lossy && !common.flushes => Box::new(scan::Scanner::draw(prng, number)),
        3 => Box::new(anything::Anything::new(common)),
        4 => Box::new(admin::Admin::new(common)),
        5 => Box::new(admin::Hoarder::new(common, number)),
        _ => Box::new(registers::Registers::draw(prng, common, number)),
    }
}

fn manners(prng: &mut Prng, common: &Common, steps: usize) -> Manners {
    Manners {
        core: prng.below(common.cores as u64) as usize,
        cluster_face: prng.one_in(3),
        resp3: prng.one_in(3),
        depth: [1, 1, 4, 30, 200][prng.below(5) as usize],
        think_ns: [100, 5_000, 50_000, 3_000_000][prng.below(4) as usize],
        slowness_ns: [0, 0, 0, 10_000, 1_000_000][prng.below(5) as usize],
        vanish_after: prng.one_in(5).then(|| prng.below(steps as u64) as usize),
        leave_after: None,
        steps_max: steps,
        start_ns: prng.below(500_000),
    }
}
