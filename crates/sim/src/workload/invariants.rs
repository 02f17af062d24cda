//! What must hold at every instant, whoever looks: the sum of all accounts, keys that are only written together, a value that is only
//! renamed, elements that only move, and a flag that is only raised behind its data. Nothing is searched for, so pipelines may be long.

use super::Common;
use crate::history::words;
use crate::player::{Call, Manners, Next, Script};
use base::{Prng, RouteTable, Slot};
use resp::read::Value;
use std::collections::VecDeque;

/// Keys of each kind.
const KEYS: u64 = 6;

/// Elements of one push: one for each other client, however many there are.
const CLIENTS_MAX: u64 = 7;

/// The writer of [`Subject::Order`] may be on the flag's core. There the flag is raised at once, and the data leaves with the turn's mail: a
/// transaction that is sequenced in between finds the one without the other.
const WRITER_AT_FLAG: bool = true;

/// Elements that move from list to list.
const ELEMENTS: u64 = 8;

/// Moves an amount from one account to another. Keys are declared.
const TRANSFER: &str =
    "redis.call('DECRBY', KEYS[1], ARGV[1]) return redis.call('INCRBY', KEYS[2], ARGV[1])";

/// The same on keys that are not.
const TRANSFER_UNDECLARED: &str =
    "redis.call('DECRBY', ARGV[2], ARGV[1]) return redis.call('INCRBY', ARGV[3], ARGV[1])";

/// Reads strings, declared or not.
const READ: &str = "local found = {} for i = 1, #KEYS do found[i] = redis.call('GET', KEYS[i]) end \
    for i = 1, #ARGV do found[#KEYS + i] = redis.call('GET', ARGV[i]) end return found";

/// Takes the last of a queue and reads what belongs to it.
const TAKE: &str = "local n = redis.call('RPOP', KEYS[1]) if not n then return {'0', '0'} end \
    return {n, redis.call('GET', ARGV[1]) or '0'}";

/// What clients of a scenario care for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Accounts `a0`, `a1`, …: transfers leave their sum at 0.
    Bank,
    /// Keys `t0`, `t1`, …: all are written together.
    Twins,
    /// Of the keys `m0`, `m1`, … one is there, and it is renamed.
    Token,
    /// Lists `c0`, `c1`, …: elements move from one to another.
    Belt,
    /// `flag` is raised behind `job`, in one pipeline.
    Order,
    /// Lists `b0`, `b1`, …: one pushes, for each of the others one element, and these wait for ever: none may be forgotten.
    Queue,
}

/// What a reply must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// Anything but an error.
    Anything,
    /// A key may not be there.
    AnythingOrNoKey,
    /// Nothing, or what EXEC gives.
    Committed,
    /// The balances of two accounts that are watched.
    Balances(u64, u64),
    /// What all keys of the subject hold.
    Whole,
    /// A queue, and an element of it behind the one that was seen last.
    Element,
}

/// On which cores the flag and the job of [`Subject::Order`] live, and their writer is served.
#[derive(Clone, Copy, Debug)]
pub struct Homes {
    flag: usize,
    job: usize,
    /// The writer's.
    pub writer: usize,
}

impl Homes {
    /// None of them is the sequencer, which hears of itself at once.
    pub const APART: Homes = Homes { job: 1, flag: 2, writer: 3 };

    /// What a seed makes of it.
    pub fn draw(prng: &mut Prng, cores: usize) -> Homes {
        let mut another = |than: usize| (than + 1 + prng.below(cores as u64 - 1) as usize) % cores;
        let job = another(0);
        let flag = another(job);
        let writer = match another(flag) {
            _ if WRITER_AT_FLAG => flag,
            // Elsewhere than both, if there is another core.
            writer if writer == job && cores > 2 => {
                (0..cores).find(|core| ![flag, job].contains(core)).expect("there are three")
            }
            writer => writer,
        };
        Homes { flag, job, writer }
    }
}

/// One client.
pub struct Keeper {
    subject: Subject,
    reads: bool,
    number: usize,
    written: u64,
    batch: u64,
    common: Common,
    expected: VecDeque<Expected>,
    /// Two accounts, with the balances that were read under WATCH.
    balances: Option<[(u64, i64); 2]>,
    /// What a reader knows for sure to be there from now on.
    known: bool,
    /// The keys of [`Subject::Order`].
    flag: String,
    job: String,
    homes: Homes,
    /// Of each queue the element that was seen last.
    last: [u64; KEYS as usize],
}

impl Keeper {
    /// For the client of this number; the first ones write.
    pub fn draw(
        prng: &mut Prng,
        common: &Common,
        subject: Subject,
        homes: Homes,
        number: usize,
    ) -> Keeper {
        let alone = matches!(subject, Subject::Order | Subject::Queue);
        let writers = if alone { 1 } else { 2 };
        let on = |word: &str, core: usize| {
            let route = RouteTable::new(common.cores);
            let mut names = (0..).map(|salt: u32| format!("{word}.{salt}"));
            let lives_there =
                |name: &String| route.owner(Slot::of_key(name.as_bytes())).index() == core;
            names.find(lives_there).expect("every core owns slots")
        };
        Keeper {
            subject,
            reads: number >= writers && (writers == 1 || prng.below(3) > 0),
            number,
            written: 0,
            batch: [1, 2, 5][prng.below(3) as usize],
            common: common.clone(),
            expected: VecDeque::new(),
            balances: None,
            known: false,
            flag: on("flag", homes.flag),
            job: on("job", homes.job),
            homes,
            last: [0; KEYS as usize],
        }
    }

    /// Writes and reads as fast as it can.
    pub fn place(&self, prng: &mut Prng, manners: &mut Manners) {
        manners.depth = [1, 3, 20][prng.below(3) as usize];
        manners.slowness_ns = 0;
        manners.think_ns = [100, 2_000, 20_000][prng.below(3) as usize];
        manners.steps_max *= 2;
        manners.start_ns = prng.below(5_000);
        if self.subject == Subject::Queue {
            manners.depth = manners.depth.min(3);
            manners.steps_max /= 2;
            if !self.reads {
                // As many pushes as anybody has waits, whatever becomes of the others.
                manners.vanish_after = None;
                manners.think_ns = [2_000, 50_000, 300_000][prng.below(3) as usize];
            }
        }
        if self.subject == Subject::Order && !self.reads {
            manners.core = self.homes.writer;
        }
    }

    /// Begins a subject: what must be there before anybody looks.
    pub fn first(subject: Subject) -> Vec<Call> {
        let elements: Vec<String> = (0..ELEMENTS).map(|n| format!("e{n}")).collect();
        match subject {
            Subject::Token => vec![Call::plain(words("SET m0 token"))],
            Subject::Belt => vec![Call::plain(words(&format!("RPUSH c0 {}", elements.join(" "))))],
            _ => Vec::new(),
        }
    }

    fn send(&mut self, line: &str, expected: Expected) -> Call {
        self.expected.push_back(expected);
        Call::plain(words(line))
    }

    fn eval(&mut self, script: &str, rest: &str, expected: Expected) -> Call {
        self.expected.push_back(expected);
        let mut call = vec![b"EVAL".to_vec(), script.as_bytes().to_vec()];
        call.extend(words(rest));
        Call::plain(call)
    }

    fn block(&mut self, lines: &[String], expected: Expected) -> Vec<Call> {
        let mut calls = vec![self.send("MULTI", Expected::Anything)];
        for line in lines {
            calls.push(self.send(line, Expected::Anything));
        }
        calls.push(self.send("EXEC", expected));
        calls
    }

    /// The keys whose contents belong together.
    fn keys(&self) -> Vec<String> {
        let all = |kind: &str| (0..KEYS).map(|number| format!("{kind}{number}")).collect();
        match self.subject {
            Subject::Bank => all("a"),
            Subject::Twins => all("t"),
            Subject::Token => all("m"),
            Subject::Belt => all("c"),
            Subject::Queue => all("b"),
            Subject::Order => vec![self.flag.clone(), self.job.clone()],
        }
    }

    fn read(&mut self, prng: &mut Prng) -> Vec<Call> {
        let keys = self.keys();
        let names = keys.join(" ");
        if self.subject == Subject::Queue {
            return vec![self.send(&format!("BLPOP {names} 0"), Expected::Element)];
        }
        if self.subject == Subject::Belt {
            if !self.common.can("MULTI") {
                return vec![self.send("LLEN c0", Expected::Anything)];
            }
            let lines: Vec<String> = keys.iter().map(|key| format!("LRANGE {key} 0 -1")).collect();
            return self.block(&lines, Expected::Whole);
        }
        match prng.below(5) {
            0 if self.common.can("MULTI") => {
                let lines: Vec<String> = keys.iter().map(|key| format!("GET {key}")).collect();
                self.block(&lines, Expected::Whole)
            }
            1 if self.common.can("MULTI") => {
                self.block(&[format!("MGET {names}")], Expected::Whole)
            }
            2 if self.common.can("EVAL") => {
                let split = prng.below(keys.len() as u64 + 1);
                vec![self.eval(READ, &format!("{split} {names}"), Expected::Whole)]
            }
            _ => vec![self.send(&format!("MGET {names}"), Expected::Whole)],
        }
    }

    fn write(&mut self, prng: &mut Prng) -> Vec<Call> {
        self.written += 1;
        let value = format!("{}.{}", self.number, self.written);
        let (from, to) = (prng.below(KEYS), prng.below(KEYS));
        match self.subject {
            Subject::Bank => self.transfer(prng, from, to),
            Subject::Twins => {
                let all: Vec<String> =
                    self.keys().iter().map(|key| format!("{key} {value}")).collect();
                if self.common.can("MULTI") && prng.one_in(3) {
                    let lines: Vec<String> = all.iter().map(|pair| format!("SET {pair}")).collect();
                    return self.block(&lines, Expected::Committed);
                }
                vec![self.send(&format!("MSET {}", all.join(" ")), Expected::Anything)]
            }
            Subject::Token => {
                vec![self.send(&format!("RENAME m{from} m{to}"), Expected::AnythingOrNoKey)]
            }
            Subject::Belt => {
                let sides = ["LEFT RIGHT", "RIGHT LEFT", "LEFT LEFT"][prng.below(3) as usize];
                vec![self.send(&format!("LMOVE c{from} c{to} {sides}"), Expected::Anything)]
            }
            Subject::Queue => {
                let first = self.written * CLIENTS_MAX;
                let elements: Vec<String> =
                    (first..first + CLIENTS_MAX).map(|number| number.to_string()).collect();
                let line = format!("RPUSH b{from} {}", elements.join(" "));
                vec![self.send(&line, Expected::Anything)]
            }
            Subject::Order => {
                let version = self.written;
                let (job, flag) = (self.job.clone(), self.flag.clone());
                let mut calls =
                    vec![self.send(&format!("SET {job} {version}"), Expected::Anything)];
                if self.common.can("EVAL") {
                    calls.push(
                        self.send(&format!("LPUSH {{{flag}}}q {version}"), Expected::Anything),
                    );
                }
                calls.push(self.send(&format!("SET {flag} {version}"), Expected::Anything));
                calls
            }
        }
    }

    fn transfer(&mut self, prng: &mut Prng, from: u64, to: u64) -> Vec<Call> {
        let to = if from == to { (to + 1) % KEYS } else { to };
        let amount = 1 + prng.below(9);
        if self.common.can("EVAL") && prng.one_in(2) {
            let expected = Expected::Anything;
            return vec![match prng.one_in(2) {
                true => self.eval(TRANSFER, &format!("2 a{from} a{to} {amount}"), expected),
                _ => self.eval(TRANSFER_UNDECLARED, &format!("0 {amount} a{from} a{to}"), expected),
            }];
        }
        if !self.common.can("MULTI") {
            return vec![self.send(&format!("GET a{from}"), Expected::Anything)];
        }
        if prng.one_in(2) {
            let watch = self.send(&format!("WATCH a{from} a{to}"), Expected::Anything);
            let reads = Expected::Balances(from, to);
            return vec![watch, self.send(&format!("MGET a{from} a{to}"), reads)];
        }
        let lines = [format!("DECRBY a{from} {amount}"), format!("INCRBY a{to} {amount}")];
        self.block(&lines, Expected::Committed)
    }

    /// The end of a transfer under WATCH.
    fn settle(&mut self, [(from, least), (to, most)]: [(u64, i64); 2], amount: i64) -> Vec<Call> {
        let (least, most) = (least - amount, most + amount);
        if amount % 2 == 0 {
            let lines = [format!("MSET a{from} {least} a{to} {most}")];
            return self.block(&lines, Expected::Committed);
        }
        let lines = [format!("SET a{from} {least}"), format!("SET a{to} {most}")];
        self.block(&lines, Expected::Committed)
    }

    fn look(&mut self, found: &[Option<Vec<u8>>]) -> Result<(), String> {
        let number = |one: &Option<Vec<u8>>| -> i64 {
            let text = one.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok());
            text.and_then(|text| text.parse().ok()).unwrap_or(0)
        };
        match self.subject {
            Subject::Bank => match found.iter().map(number).sum::<i64>() {
                0 => Ok(()),
                sum => Err(format!("the accounts hold {sum} instead of 0")),
            },
            Subject::Twins if found.windows(2).all(|pair| pair[0] == pair[1]) => Ok(()),
            Subject::Twins => Err("keys that are written together differ".to_owned()),
            Subject::Token => {
                let there = found.iter().flatten().count();
                let least = usize::from(self.known);
                self.known |= there > 0;
                match there {
                    _ if (least..=1).contains(&there) => Ok(()),
                    _ => Err(format!("a value that is only renamed is there {there} times")),
                }
            }
            Subject::Belt => {
                let mut elements: Vec<&Vec<u8>> = found.iter().flatten().collect();
                elements.sort_unstable();
                let whole = elements.len() as u64 == ELEMENTS;
                elements.dedup();
                let once = elements.len() as u64 == ELEMENTS;
                let none = elements.is_empty() && !self.known;
                self.known |= !elements.is_empty();
                if none || (whole && once) {
                    return Ok(());
                }
                Err("elements that only move were lost or doubled".to_owned())
            }
            Subject::Queue => Ok(()),
            Subject::Order => match (number(&found[0]), number(&found[1])) {
                (flag, job) if flag <= job => Ok(()),
                (flag, job) => {
                    Err(format!("an effect was seen before its cause: flag {flag}, job {job}"))
                }
            },
        }
    }
}

/// All strings in a reply, in their order.
fn flat(reply: &Value, found: &mut Vec<Option<Vec<u8>>>) {
    match reply {
        Value::Array(values) => values.iter().for_each(|value| flat(value, found)),
        Value::Bulk(bytes) => found.push(Some(bytes.clone())),
        _ => found.push(None),
    }
}

impl Script for Keeper {
    fn next(&mut self, prng: &mut Prng, _now_ns: u64) -> Next {
        if let Some(balances) = self.balances.take() {
            let amount = 1 + prng.below(9) as i64;
            return Next::Send(self.settle(balances, amount));
        }
        let reads_balances = |expected: &Expected| matches!(expected, Expected::Balances(..));
        if self.expected.iter().any(reads_balances) {
            return Next::AwaitReplies;
        }
        let mut calls = Vec::new();
        if self.number == 0 && self.written == 0 {
            calls = Keeper::first(self.subject);
            self.expected.extend(calls.iter().map(|_| Expected::Anything));
        }
        let takes = self.subject == Subject::Order && self.common.can("EVAL");
        let batch = if self.subject == Subject::Queue { 1 } else { self.batch };
        for _ in 0..1 + prng.below(batch) {
            let more = match self.reads {
                true if takes && prng.one_in(3) => {
                    let rest = format!("1 {{{}}}q {}", self.flag, self.job);
                    vec![self.eval(TAKE, &rest, Expected::Whole)]
                }
                true => self.read(prng),
                false => self.write(prng),
            };
            calls.extend(more);
            if self.expected.iter().any(reads_balances) {
                break;
            }
        }
        Next::Send(calls)
    }

    fn on_reply(&mut self, _nth: usize, _words: &[Vec<u8>], reply: &Value) -> Result<(), String> {
        let expected = self.expected.pop_front().ok_or("a reply to nothing")?;
        match (expected, reply) {
            (Expected::AnythingOrNoKey, Value::Error(text)) if text == "ERR no such key" => Ok(()),
            (_, Value::Error(_)) => Err("an unexpected error".to_owned()),
            (Expected::Committed, Value::Null) if self.subject != Subject::Bank => {
                Err("EXEC came to nothing though nothing was watched".to_owned())
            }
            (Expected::Whole, reply) => {
                let mut found = Vec::new();
                flat(reply, &mut found);
                self.look(&found)
            }
            (Expected::Element, reply) => {
                let mut found = Vec::new();
                flat(reply, &mut found);
                let text = |at: usize| -> Option<&str> {
                    std::str::from_utf8(found.get(at)?.as_deref()?).ok()
                };
                let queue = text(0).and_then(|key| key.strip_prefix('b')?.parse::<usize>().ok());
                let element = text(1).and_then(|element| element.parse::<u64>().ok());
                let (Some(queue), Some(element)) = (queue, element) else {
                    return Err("a client that waits for ever is told of no element".to_owned());
                };
                match std::mem::replace(&mut self.last[queue], element) {
                    last if last < element => Ok(()),
                    last => Err(format!("element {element} of a queue came behind {last}")),
                }
            }
            (Expected::Balances(from, to), reply) => {
                let mut found = Vec::new();
                flat(reply, &mut found);
                let number = |one: &Option<Vec<u8>>| -> i64 {
                    let bytes = one.as_deref().unwrap_or(b"0");
                    std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
                };
                self.balances = Some([(from, number(&found[0])), (to, number(&found[1]))]);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn may_be_closed(&self) -> bool {
        self.common.kills
    }
}
