//! Clients that wait on several keys at once, with time limits, and that go at random: nothing is lost and nothing is
//! served twice.
//!
//! Redis itself loses what it has just served to a client whose end it reads in the same turn: the reply is dropped with the
//! connection. With `--as-redis` as many values may be missing as all clients that went could have been served; without it none.
//! A value that was moved for a client that did not hear of it is not lost: it is where it was moved to.

use std::collections::BTreeMap;
use std::net::Shutdown;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use fastrand::Rng;

use super::Plant;
use super::poll::{heard, say, turn};
use crate::cli::QueuesArgs;
use crate::peer::{Caller, Link, Server};
use crate::wire::Value;

/// Clients that wait.
const WAITERS: usize = 300;
/// Keys that they wait on, with those of sorted sets apart.
const KEYS: usize = 60;
/// Where BLMOVE puts what it takes.
const SINK: &str = "mixed:sink";
/// Between two batches of pushes.
const TICK: Duration = Duration::from_millis(1);
/// Redis counts time in whole milliseconds, so a wait may end so much before its limit.
const EARLY_MOST: Duration = Duration::from_millis(2);
/// The longest limit of a wait is over after this.
const REST: Duration = Duration::from_millis(1500);
/// All connections have ended after this.
const END: Duration = Duration::from_secs(10);

/// How a client waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// BLPOP or BRPOP.
    Pop,
    /// BLMPOP, of up to two.
    PopMany,
    /// BLMOVE to the sink.
    Move,
    /// BZPOPMIN.
    PopScored,
}

struct Waiter {
    link: Link,
    wait: Wait,
    begun: Instant,
    /// How long it waits; for ever without.
    limit: Option<Duration>,
    /// For what.
    keys: Vec<String>,
    /// Nothing has come yet.
    waits: bool,
}

impl Waiter {
    fn new(server: &Server, random: &mut Rng) -> Result<Waiter> {
        let link = Link::connect(server.addr())?;
        let (wait, begun, limit, keys) = (Wait::Pop, Instant::now(), None, Vec::new());
        let mut waiter = Waiter { link, wait, begun, limit, keys, waits: false };
        begin(&mut waiter, random);
        Ok(waiter)
    }
}

struct Game {
    waiters: Vec<Waiter>,
    /// Of those that have gone, until all they were sent is read.
    gone: Vec<Waiter>,
    pusher: Link,
    random: Rng,
    pushed: u64,
    /// Pushes that were sent, and those that were answered.
    asked: u64,
    answered: u64,
    /// How often each value was served.
    popped: BTreeMap<String, u32>,
    moved: BTreeMap<String, u32>,
    timed_out: u64,
    latest: Duration,
    left_early: u64,
    /// Values that were moved without anybody having heard of it.
    unheard: u64,
    /// Who has been answered does not wait again.
    resting: bool,
    complaints: Vec<String>,
}

/// What one client that goes can have been served at the most.
const SERVED_MOST: u64 = 2;

/// Runs this part; gives what was wrong.
pub fn run(server: &Server, args: &QueuesArgs, plant: Plant) -> Result<Vec<String>> {
    let mut game = Game::new(server, args.seed)?;
    let begun = Instant::now();
    let until = begun + Duration::from_secs(args.seconds);
    while Instant::now() < until {
        let due = (begun.elapsed().as_secs_f64() * args.rate as f64 / 2.0) as u64;
        while game.pushed < due {
            game.push(plant);
        }
        game.hear();
        game.come_and_go(server)?;
    }
    game.rest(server)?;
    game.end()?;
    let lost = game.settle(server)?;
    if lost > if args.as_redis { SERVED_MOST * game.left_early } else { 0 } {
        game.complaints.push(format!("{lost} values were lost, {} clients went", game.left_early));
    }
    println!(
        "{WAITERS} clients on 3 keys each: {} pushed, {} popped, {} moved, {} waits timed out (up to {:.1} ms late), {} clients went, {lost} values went with them, {} were moved for them",
        game.pushed,
        game.popped.len(),
        game.moved.len(),
        game.timed_out,
        1000.0 * game.latest.as_secs_f64(),
        game.left_early,
        game.unheard
    );
    Ok(game.complaints)
}

impl Game {
    fn new(server: &Server, seed: u64) -> Result<Game> {
        let mut game = Game {
            waiters: Vec::new(),
            gone: Vec::new(),
            pusher: Link::connect(server.addr())?,
            random: Rng::with_seed(seed),
            pushed: 0,
            asked: 0,
            answered: 0,
            popped: BTreeMap::new(),
            moved: BTreeMap::new(),
            timed_out: 0,
            latest: Duration::ZERO,
            left_early: 0,
            unheard: 0,
            resting: false,
            complaints: Vec::new(),
        };
        for _ in 0..WAITERS {
            let waiter = Waiter::new(server, &mut game.random)?;
            game.waiters.push(waiter);
        }
        Ok(game)
    }

    fn push(&mut self, plant: Plant) {
        let number = self.random.usize(..KEYS);
        let value = format!("value:{}", self.pushed);
        let spoils = self.pushed % 1000 == 999;
        let scored = self.random.u8(..5) == 0;
        let mut words = match scored {
            true => vec!["ZADD".to_owned(), format!("mixed:z{number}"), "1".to_owned(), value],
            false => vec!["RPUSH".to_owned(), format!("mixed:{number}"), value],
        };
        if spoils && plant == Plant::Twice && !scored {
            words.push(words[2].clone());
        }
        // A thief takes what was given, before anybody can have it.
        if !(spoils && plant == Plant::Thief) {
            say(&mut self.pusher, &words);
            self.asked += 1;
        }
        self.pushed += 1;
    }

    fn hear(&mut self) {
        let mut links: Vec<&mut Link> =
            self.waiters.iter_mut().chain(&mut self.gone).map(|waiter| &mut waiter.link).collect();
        links.push(&mut self.pusher);
        turn(&mut links, TICK);
        for value in heard(&mut self.pusher) {
            self.answered += 1;
            let error = value.error();
            self.complaints.extend(error.map(|error| format!("a push failed: {error}")));
        }
        let mut waiters = std::mem::take(&mut self.waiters);
        for waiter in &mut waiters {
            if self.note_all(waiter) {
                waiter.waits = false;
                if !self.resting {
                    begin(waiter, &mut self.random);
                }
            }
            if waiter.link.is_closed() {
                self.complaints.push("a waiting client was disconnected".to_owned());
            }
        }
        self.waiters = waiters;
        let mut gone = std::mem::take(&mut self.gone);
        for waiter in &mut gone {
            self.note_all(waiter);
        }
        gone.retain(|waiter| !waiter.link.is_closed());
        self.gone = gone;
    }

    /// Notes what a client was served; true when there was anything.
    fn note_all(&mut self, waiter: &mut Waiter) -> bool {
        let values = heard(&mut waiter.link);
        for value in &values {
            if matches!(value, Value::NullArray | Value::NullBulk | Value::Null) {
                self.note_end(waiter);
            } else {
                self.note(waiter.wait, value);
            }
        }
        !values.is_empty()
    }

    /// A wait that ended without anything must have lasted as long as it was meant to.
    fn note_end(&mut self, waiter: &Waiter) {
        self.timed_out += 1;
        let lasted = waiter.begun.elapsed();
        match waiter.limit {
            Some(limit) if lasted + EARLY_MOST >= limit => {
                self.latest = self.latest.max(lasted.saturating_sub(limit));
            }
            limit => {
                self.complaints.push(format!("a wait of {limit:?} ended after {lasted:?}"));
            }
        }
    }

    fn note(&mut self, wait: Wait, value: &Value) {
        let served: Option<Vec<String>> = match (wait, value.items()) {
            (Wait::Move, None) => value.string().map(|text| vec![text]),
            (Wait::Pop, Some([_, one])) | (Wait::PopScored, Some([_, one, _])) => {
                one.string().map(|text| vec![text])
            }
            (Wait::PopMany, Some([_, list])) => {
                list.items().and_then(|items| items.iter().map(Value::string).collect())
            }
            _ => None,
        };
        let Some(served) = served else {
            self.complaints.push(format!("{wait:?} was answered by {}", value.show()));
            return;
        };
        for text in served {
            let book = if wait == Wait::Move { &mut self.moved } else { &mut self.popped };
            *book.entry(text).or_default() += 1;
        }
    }

    /// Some clients end their half of the connection; new ones come in their place.
    fn come_and_go(&mut self, server: &Server) -> Result<()> {
        for _ in 0..2 {
            if self.random.u8(..4) > 0 {
                continue;
            }
            let at = self.random.usize(..self.waiters.len());
            let new = Waiter::new(server, &mut self.random)?;
            let old = std::mem::replace(&mut self.waiters[at], new);
            leave(&old);
            self.left_early += 1;
            self.gone.push(old);
        }
        Ok(())
    }

    /// When all pushes are answered and all limits over, whoever still waits must have nothing to wait for.
    fn rest(&mut self, server: &Server) -> Result<()> {
        self.resting = true;
        let begun = Instant::now();
        while self.answered < self.asked && begun.elapsed() < END {
            self.hear();
        }
        ensure!(self.answered == self.asked, "not all pushes are answered in time");
        let begun = Instant::now();
        while begun.elapsed() < REST {
            self.hear();
        }
        let mut control = Caller::connect(server.addr())?;
        control.set_patience(END)?;
        for waiter in self.waiters.iter().filter(|waiter| waiter.waits) {
            for key in &waiter.keys {
                let found = control.demand(&["EXISTS", key])?;
                if found != Value::Integer(0) || waiter.limit.is_some() {
                    let (wait, limit) = (waiter.wait, waiter.limit);
                    self.complaints.push(format!(
                        "a client was forgotten: {wait:?} of {key} for {limit:?}, there: {}",
                        found.show()
                    ));
                }
            }
        }
        Ok(())
    }

    /// All go; what they were served on the way counts.
    fn end(&mut self) -> Result<()> {
        let begun = Instant::now();
        for waiter in std::mem::take(&mut self.waiters) {
            leave(&waiter);
            self.gone.push(waiter);
        }
        while !self.gone.is_empty() && begun.elapsed() < END {
            self.hear();
        }
        if !self.gone.is_empty() {
            let count = self.gone.len();
            self.complaints.push(format!("{count} connections whose clients went are still open"));
        }
        Ok(())
    }

    /// Holds what is left on the server and what was served against what was pushed; gives how many values nobody has seen.
    fn settle(&mut self, server: &Server) -> Result<u64> {
        let mut control = Caller::connect(server.addr())?;
        control.set_patience(END)?;
        let mut left: BTreeMap<String, u32> = BTreeMap::new();
        let mut sunk: BTreeMap<String, u32> = BTreeMap::new();
        for number in 0..=KEYS {
            let name = if number == KEYS { SINK.to_owned() } else { format!("mixed:{number}") };
            let book = if number == KEYS { &mut sunk } else { &mut left };
            count(&control.demand(&["LRANGE", &name, "0", "-1"])?, book)?;
            if number < KEYS {
                count(&control.demand(&["ZRANGE", &format!("mixed:z{number}"), "0", "-1"])?, book)?;
            }
        }
        let mut lost = 0;
        for number in 0..self.pushed {
            let value = format!("value:{number}");
            let times = |book: &BTreeMap<String, u32>| book.get(&value).copied().unwrap_or(0);
            let (popped, moved, sunk) = (times(&self.popped), times(&self.moved), times(&sunk));
            let found = popped + sunk + times(&left);
            match found {
                0 => lost += 1,
                1 if moved == sunk => {}
                1 if moved < sunk => self.unheard += 1,
                1 => self.complaints.push(format!("{value} was said to be moved, and was not")),
                _ => self
                    .complaints
                    .push(format!("{value} was pushed once and is found {found} times")),
            }
        }
        Ok(lost)
    }
}

fn count(list: &Value, book: &mut BTreeMap<String, u32>) -> Result<()> {
    for item in list.items().context("a list")? {
        *book.entry(item.string().context("a text")?).or_default() += 1;
    }
    Ok(())
}

/// Lets a client wait again.
fn begin(waiter: &mut Waiter, random: &mut Rng) {
    let keys: Vec<usize> = (0..3).map(|_| random.usize(..KEYS)).collect();
    let names = |prefix: &str| keys.iter().map(|key| format!("{prefix}{key}")).collect::<Vec<_>>();
    let seconds = match random.u8(..4) {
        0 => None,
        1 => Some(0.001),
        _ => Some(f64::from(random.u32(1..500)) / 1000.0),
    };
    let limit = seconds.map_or_else(|| "0".to_owned(), |seconds: f64| format!("{seconds:.3}"));
    let word = |text: &str| vec![text.to_owned()];
    let (wait, words) = match random.u8(..10) {
        0..=2 => (Wait::Pop, [word("BLPOP"), names("mixed:"), vec![limit]].concat()),
        3 | 4 => (Wait::Pop, [word("BRPOP"), names("mixed:"), vec![limit]].concat()),
        5 | 6 => {
            let head = vec!["BLMPOP".to_owned(), limit, "3".to_owned()];
            let tail = ["LEFT", "COUNT", "2"].map(str::to_owned).to_vec();
            (Wait::PopMany, [head, names("mixed:"), tail].concat())
        }
        7 => {
            let source = format!("mixed:{}", keys[0]);
            let words = ["BLMOVE", &source, SINK, "LEFT", "RIGHT", &limit];
            (Wait::Move, words.map(str::to_owned).to_vec())
        }
        _ => (Wait::PopScored, [word("BZPOPMIN"), names("mixed:z"), vec![limit]].concat()),
    };
    waiter.wait = wait;
    waiter.waits = true;
    waiter.keys = match wait {
        Wait::Move => vec![format!("mixed:{}", keys[0])],
        Wait::PopScored => names("mixed:z"),
        _ => names("mixed:"),
    };
    waiter.begun = Instant::now();
    waiter.limit = seconds.map(Duration::from_secs_f64);
    say(&mut waiter.link, &words);
}

fn leave(waiter: &Waiter) {
    // One that the server has closed already needs no ending.
    let _ = waiter.link.socket().shutdown(Shutdown::Write);
}
