//! One seed from beginning to end: the scenario, the run, the checks.

use crate::check;
use crate::equivalence;
use crate::history::History;
use crate::player::{Call, Manners, Next, Player, Script};
use crate::workload::{self, Checks, Scenario, Theme, transactions};
use crate::world::plant::Plant;
use crate::world::{Heard, Plan, World};
use base::Prng;
use engine::census::Census;
use engine::table::Table;
use resp::read::Value;
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
    /// Only scenarios of this theme.
    pub theme: Option<Theme>,
    /// Print what happens.
    pub verbose: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options { plant: None, clients: None, steps: STEPS, theme: None, verbose: false }
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
        let compares = options.plant.is_none() && options.theme.is_none();
        if compares && Prng::new(seed ^ 0x6571).one_in(EQUIVALENCE_ONE_IN) {
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
    let mut drawn = match options.theme.unwrap_or(Theme::of(seed)) {
        Theme::Keys => workload::draw(seed, table, options.steps),
        Theme::Transactions => transactions::draw(seed, table, options.steps),
    };
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
        for (number, player) in drawn.players.iter().enumerate() {
            println!("client {number}: {:?}", player.manners);
        }
    }
    let mut world = World::new(plan);
    let wanted = |number: &usize| options.clients.as_ref().is_none_or(|some| some.contains(number));
    for (number, player) in drawn.players.iter_mut().enumerate() {
        player.finished = !wanted(&number);
        world.schedule_client(number, player.manners.start_ns);
    }
    let mut history = History::default();
    play(&mut world, &mut drawn.players, &mut history)?;
    if !drawn.audit.is_empty() {
        audit(&mut world, &mut drawn, seed, &mut history)?;
    }
    settle(&mut world)?;
    let undecided = match drawn.checks {
        Checks::Keys => {
            check::causal::check(&history)?;
            check::keys(&history, drawn.lossy)?
        }
        Checks::Order { prompt } => check::operations::check(&history, drawn.cores, prompt)?,
        Checks::None => 0,
    };
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
    let mut sockets: Vec<(usize, usize)> = (players.iter().enumerate())
        .filter_map(|(number, player)| Some((player.socket()?, number)))
        .collect();
    sockets.sort_unstable();
    let mut owners: Vec<usize> = sockets.into_iter().map(|(_, number)| number).collect();
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
    Ok(())
}

/// Has a last client look at everything: what the others have left belongs to the history.
fn audit(
    world: &mut World,
    drawn: &mut Scenario,
    seed: u64,
    history: &mut History,
) -> Result<(), String> {
    let number = drawn.players.len();
    let manners = Manners { depth: usize::MAX, start_ns: world.now_ns, ..Manners::CALM };
    let script = Auditor(Some(std::mem::take(&mut drawn.audit)));
    drawn.players.push(Player::new(number, seed, manners, Box::new(script)));
    world.schedule_client(number, world.now_ns);
    play(world, &mut drawn.players, history)
}

/// Asks all it has to ask at once.
struct Auditor(Option<Vec<Call>>);

impl Script for Auditor {
    fn next(&mut self, _prng: &mut Prng, _now_ns: u64) -> Next {
        self.0.take().map_or(Next::Done, Next::Send)
    }

    fn on_reply(&mut self, _nth: usize, _words: &[Vec<u8>], reply: &Value) -> Result<(), String> {
        if reply.is_error() { Err("an unexpected error".to_owned()) } else { Ok(()) }
    }
}

/// After the last client has left: the cores fall silent, and keep nothing of the clients.
pub fn settle(world: &mut World) -> Result<(), String> {
    let until = world.now_ns + SETTLE_NS;
    let is_left = |census: &Census| {
        let Census { sessions, gathers, locks, watches, waiters, asks, batches, messages, .. } =
            census;
        sessions + gathers + locks + watches + waiters + asks + batches + messages > 0
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
