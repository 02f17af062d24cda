//! One seed from beginning to end: the scenario, the run, the checks.

use crate::check;
use crate::equivalence;
use crate::history::History;
use crate::player::Player;
use crate::workload;
use crate::world::plant::Plant;
use crate::world::{Heard, Plan, World};
use base::Prng;
use engine::census::Census;
use engine::table::Table;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Requests of one client in a scenario at the most.
pub const STEPS: usize = 80;

/// Without any reply for so long, in virtual nanoseconds, a run is stuck.
const STUCK_NS: u64 = 20_000_000_000;

/// The cores must be silent so long after the last client has left, in virtual nanoseconds.
const SETTLE_NS: u64 = 20_000_000_000;

/// Events of one run at the most.
const EVENTS_MAX: u64 = 5_000_000;

/// Memory of one session at the most: its bounds, the replies that a single turn may add, and what
/// one request may take.
const SESSION_BYTES_MAX: usize = 8 << 20;

/// One seed in so many is a comparison with one core instead of a scenario.
const EQUIVALENCE_ONE_IN: u64 = 4;

/// What to run and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The mistake to make.
    pub plant: Option<Plant>,
    /// Only these clients; none is all.
    pub clients: Option<Vec<usize>>,
    /// Requests a client sends at the most.
    pub steps: usize,
    /// Print what happens.
    pub verbose: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options { plant: None, clients: None, steps: STEPS, verbose: false }
    }
}

/// What a run without a violation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Report {
    /// The digest of all events.
    pub digest: u64,
    /// Events.
    pub events: u64,
    /// Requests that clients sent.
    pub requests: usize,
    /// Keys whose order could not be decided within the bound.
    pub undecided: usize,
}

/// Runs a seed. A panic of an engine is a violation like any other.
pub fn run(seed: u64, table: &Arc<Table>, options: &Options) -> Result<Report, String> {
    let attempt = catch_unwind(AssertUnwindSafe(|| {
        if options.plant.is_none() && Prng::new(seed ^ 0x6571).one_in(EQUIVALENCE_ONE_IN) {
            equivalence::run(seed, table, options)
        } else {
            scenario(seed, table, options)
        }
    }));
    attempt.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(format!("panic: {}", text.unwrap_or_default()))
    })
}

fn scenario(seed: u64, table: &Arc<Table>, options: &Options) -> Result<Report, String> {
    let mut drawn = workload::draw(seed, table, options.steps);
    let plan = Plan {
        seed,
        cores: drawn.cores,
        chaos: drawn.chaos,
        settings: drawn.settings.clone(),
        table,
        plant: options.plant,
        verbose: options.verbose,
    };
    if options.verbose {
        println!("{} cores, {:?}, lossy {}", drawn.cores, drawn.chaos, drawn.lossy);
    }
    let mut world = World::new(plan);
    let wanted = |number: &usize| options.clients.as_ref().is_none_or(|some| some.contains(number));
    for (number, player) in drawn.players.iter_mut().enumerate() {
        player.finished = !wanted(&number);
        world.schedule_client(number, player.manners.start_ns);
    }
    let mut history = History::default();
    play(&mut world, &mut drawn.players, &mut history)?;
    let undecided = check::keys(&history, drawn.lossy)?;
    check::causal::check(&history)?;
    Ok(Report {
        digest: world.trace.digest(),
        events: world.trace.events,
        requests: history.records.len(),
        undecided,
    })
}

/// Runs a world until all clients have finished and the cores are silent, and looks at what is left.
pub fn play(
    world: &mut World,
    players: &mut [Player],
    history: &mut History,
) -> Result<(), String> {
    let mut owners: Vec<usize> = Vec::new();
    let (mut heard_ns, mut steps) = (0, 0u64);
    loop {
        let mut result = Ok(());
        let mut hear = |world: &mut World, place: usize, heard: Heard| {
            let client = if matches!(heard, Heard::Turn) { place } else { owners[place] };
            heard_ns = world.now_ns;
            let player = &mut players[client];
            result = player.hear(world, history, heard);
            if player.socket() == Some(owners.len()) {
                owners.push(client);
            }
        };
        world.step(u64::MAX, &mut hear);
        result?;
        steps += 1;
        if steps % 64 == 0 {
            lease(world)?;
        }
        if players.iter().all(|player| player.finished) {
            break;
        }
        if world.now_ns - heard_ns > STUCK_NS || steps > EVENTS_MAX {
            let waiting: Vec<String> = (players.iter().enumerate())
                .filter(|(_, player)| !player.finished)
                .map(|(number, player)| format!("client {number} lacks {}", player.unanswered()))
                .collect();
            return Err(format!("no reply any more: {}", waiting.join(", ")));
        }
    }
    settle(world)
}

/// After the last client has left: the cores fall silent, and keep nothing of the clients.
fn settle(world: &mut World) -> Result<(), String> {
    let until = world.now_ns + SETTLE_NS;
    let is_left = |census: &Census| {
        census.sessions + census.gathers + census.asks + census.batches + census.messages > 0
    };
    loop {
        let silent = world.is_silent();
        let left = world.engines().map(|engine| engine.census()).find(is_left);
        if silent && left.is_none() {
            return lease(world);
        }
        if !world.step(until, &mut |_, _, _| {}) {
            return Err(format!(
                "not silent when all clients are gone: mail {}, left {left:?}",
                !world.mail.is_empty()
            ));
        }
    }
}

/// What the cores were granted is never more than there is, and no session grows without bound.
fn lease(world: &World) -> Result<(), String> {
    let all: Vec<Census> = world.engines().map(|engine| engine.census()).collect();
    let limit = all[0].limit;
    let agreed = all.iter().all(|census| census.limit == limit);
    let granted: u64 = all.iter().map(|census| census.granted).sum();
    if limit > 0 && agreed && granted > limit {
        return Err(format!("{granted} bytes are granted of {limit}"));
    }
    match all.iter().map(|census| census.session_bytes_max).max() {
        Some(bytes) if bytes > SESSION_BYTES_MAX => Err(format!("a session holds {bytes} bytes")),
        _ => Ok(()),
    }
}
