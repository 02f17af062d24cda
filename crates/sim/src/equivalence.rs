//! The same requests to one core and to several, clients taking turns: nobody can tell the difference.
//!
//! Turns are so far apart that all effects of one are over before the next, and at the same
//! millisecond in both worlds, so that times to live agree too.

use crate::grammar::{self, Pool};
use crate::history::{History, words};
use crate::player::{Call, Manners, Next, Player, Script};
use crate::run::{self, Options, Report};
use crate::workload;
use crate::world::{Chaos, Plan, World, clocks};
use base::Prng;
use engine::table::{Entry, Table};
use resp::read::Value;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

/// From one turn to the next, in nanoseconds; longer than a request takes in a calm world.
const TURN_NS: u64 = 200_000_000;

/// Within its millisecond a turn begins here.
const OFFSET_NS: u64 = 150_000;

/// Turns of one run.
const TURNS: usize = 60;

/// What depends on where keys are, by intention: draws and the times of uses.
const WITHOUT: [&str; 8] = [
    "randomkey",
    "scan",
    "object|freq",
    "object|idletime",
    "spop",
    "srandmember",
    "hrandfield",
    "zrandmember",
];

/// One client of the comparison: whose turns are `first`, `first + clients`, …
struct Taker {
    turns: Vec<(u64, Vec<Call>)>,
    next: usize,
    /// The cursor of a scan under way, and what it has returned.
    cursor: Option<Vec<u8>>,
    found: BTreeSet<Vec<u8>>,
    asking: bool,
    /// Which client it is.
    number: usize,
    /// The turn that began last, of any client.
    turn: Rc<Cell<u64>>,
    log: Log,
}

/// Replies as text, each with the turn in which it came, and to whom. What comes to several clients in one turn (one wakes
/// another) comes in any order.
type Log = Rc<RefCell<Vec<(u64, usize, String)>>>;

/// Runs a seed on one core and on several, and compares.
pub fn run(seed: u64, table: &Arc<Table>, options: &Options) -> Result<Report, String> {
    let mut prng = Prng::new(seed ^ 0x6571_7569);
    let cores = 2 + prng.below(5) as usize;
    let turns = TURNS.min(options.steps);
    let (one, _) = replies(seed, 1, table, turns, options)?;
    let (several, report) = replies(seed, cores, table, turns, options)?;
    for (nth, (expected, got)) in one.iter().zip(&several).enumerate() {
        if expected != got {
            let before = one[nth.saturating_sub(8)..nth].join("\n  ");
            return Err(format!(
                "{cores} cores answer otherwise than one:\n  {before}\n  one:     {expected}\n  several: {got}"
            ));
        }
    }
    if one.len() != several.len() {
        return Err(format!("one core gave {} replies, {cores} gave {}", one.len(), several.len()));
    }
    Ok(report)
}

fn replies(
    seed: u64,
    cores: usize,
    table: &Arc<Table>,
    turns: usize,
    options: &Options,
) -> Result<(Vec<String>, Report), String> {
    let mut prng = Prng::new(seed ^ 0x7475_726e);
    let resp3 = prng.one_in(2);
    let clients = 1 + prng.below(3) as usize;
    let commands = grammar::data_commands(table, &WITHOUT);
    let mut scripts: Vec<Vec<(u64, Vec<Call>)>> = vec![Vec::new(); clients];
    for turn in 0..turns {
        let at_ns = (turn as u64 + 1) * TURN_NS + OFFSET_NS;
        let calls = draw(&mut prng, table, &commands, at_ns);
        scripts[turn % clients].push((at_ns, calls));
    }
    let (log, turn) = (Log::default(), Rc::new(Cell::new(0)));
    let players = scripts.into_iter().enumerate().map(|(number, turns)| {
        let taker = Taker {
            turns,
            next: 0,
            cursor: None,
            found: BTreeSet::new(),
            asking: false,
            number,
            turn: turn.clone(),
            log: log.clone(),
        };
        let manners = Manners {
            core: number % cores,
            cluster_face: false,
            resp3,
            depth: 100,
            think_ns: 1,
            slowness_ns: 0,
            vanish_after: None,
            leave_after: None,
            steps_max: usize::MAX,
            start_ns: 0,
        };
        Player::new(number, seed, manners, Box::new(taker))
    });
    let mut players: Vec<Player> = players.collect();
    let mut world = World::new(Plan {
        seed,
        cores,
        chaos: Chaos::CALM,
        settings: workload::configure(&[]),
        table,
        plant: None,
        verbose: options.verbose,
    });
    (0..clients).for_each(|number| world.schedule_client(number, 0));
    let mut history = History::default();
    run::play(&mut world, &mut players, &mut history)?;
    run::settle(&mut world)?;
    let report = Report {
        digest: world.trace.digest(),
        events: world.trace.events,
        requests: history.records.len(),
        undecided: 0,
    };
    drop(players);
    let mut log = log.take();
    log.sort_by_key(|(turn, client, _)| (*turn, *client));
    Ok((log.into_iter().map(|(_, _, line)| line).collect(), report))
}

/// The requests of one turn: some data commands in a pipeline, or one scan of everything.
fn draw(prng: &mut Prng, table: &Table, commands: &[u16], at_ns: u64) -> Vec<Call> {
    if prng.one_in(12) {
        return vec![Call::plain(words("SCAN 0"))];
    }
    let unix_ms = clocks(at_ns).unix_ms();
    let pool = Pool { prefix: "k", keys: 10, unix_ms, wild_one_in: 40 };
    let mut call = || {
        let id = commands[prng.below(commands.len() as u64) as usize];
        let mut words = Vec::new();
        grammar::request(table, table.entry(id), pool, prng, &mut words);
        if may_wait(table.entry(id), &words) {
            // Who waits, and for how long, is what the workloads of blocking commands are about.
            words = vec![b"PING".to_vec()];
        }
        Call::plain(words)
    };
    let count = 1 + at_ns / TURN_NS % 5;
    (0..count).map(|_| call()).collect()
}

impl Script for Taker {
    fn next(&mut self, _prng: &mut Prng, now_ns: u64) -> Next {
        if self.asking {
            return Next::AwaitReplies;
        }
        if let Some(cursor) = &self.cursor {
            self.asking = true;
            return Next::Send(vec![Call::plain(vec![b"SCAN".to_vec(), cursor.clone()])]);
        }
        let Some((at_ns, calls)) = self.turns.get(self.next) else { return Next::Done };
        if now_ns < *at_ns {
            return Next::AwaitTime(*at_ns);
        }
        self.next += 1;
        self.turn.set(*at_ns);
        self.asking = calls.iter().any(|call| call.words[0] == b"SCAN");
        Next::Send(calls.clone())
    }

    fn on_reply(&mut self, _nth: usize, words: &[Vec<u8>], reply: &Value) -> Result<(), String> {
        let line: Vec<String> = words.iter().map(|word| word.escape_ascii().to_string()).collect();
        let line = line.join(" ");
        if words[0] != b"SCAN" {
            let mut log = self.log.borrow_mut();
            // Expired keys count until they are found, and each core looks at its own pace.
            let mortal =
                words[0] == b"DBSIZE" && log.iter().any(|(_, _, line)| mentions_time(line));
            let reply = if mortal { "some".to_owned() } else { normal(&words[0], reply) };
            log.push((self.turn.get(), self.number, format!("{line} -> {reply}")));
            return Ok(());
        }
        self.asking = false;
        let Value::Array(parts) = reply else { return Err("no array".to_owned()) };
        let [Value::Bulk(cursor), Value::Array(keys)] = parts.as_slice() else {
            return Err("no cursor and keys".to_owned());
        };
        self.found.extend(keys.iter().map(|key| key.to_string().into_bytes()));
        self.cursor = (cursor != b"0").then(|| cursor.clone());
        if self.cursor.is_none() {
            let found: Vec<String> = std::mem::take(&mut self.found)
                .iter()
                .map(|key| key.escape_ascii().to_string())
                .collect();
            let line = format!("SCAN -> {}", found.join(" "));
            self.log.borrow_mut().push((self.turn.get(), self.number, line));
        }
        Ok(())
    }
}

/// Whether a request may wait for somebody else.
fn may_wait(entry: &Entry, words: &[Vec<u8>]) -> bool {
    let stream = words[0].starts_with(b"X");
    let asks = words.iter().any(|word| word.eq_ignore_ascii_case(b"BLOCK"));
    entry.spec.blocks.is_some() && (!stream || asks)
}

/// Whether a request may have given a key a time to live.
fn mentions_time(line: &str) -> bool {
    ["EX", "PX"].iter().any(|word| line.contains(word))
}

/// A reply as text; what has no order is sorted.
fn normal(name: &[u8], reply: &Value) -> String {
    match reply {
        Value::Array(values) | Value::Set(values) if name == b"KEYS" => {
            let mut texts: Vec<String> = values.iter().map(Value::to_string).collect();
            texts.sort_unstable();
            texts.join(" ")
        }
        other => other.to_string(),
    }
}
