//! One simulated client: writes what its script says, frames what comes back, and pairs the two.

use crate::history::{History, Mark, NEVER, Record, encode};
use crate::world::{Heard, World};
use base::Prng;
use resp::read::{Framer, Value};
use std::collections::VecDeque;

/// One request of a script.
#[derive(Debug, Clone)]
pub struct Call {
    /// Its words.
    pub words: Vec<Vec<u8>>,
    /// What it means to the causality checker.
    pub mark: Mark,
}

impl Call {
    /// A request that means nothing to the causality checker.
    pub fn plain(words: Vec<Vec<u8>>) -> Call {
        Call { words, mark: Mark::None }
    }
}

/// What a script does next.
pub enum Next {
    /// Sends these in one write.
    Send(Vec<Call>),
    /// Waits for all replies, then is asked again.
    AwaitReplies,
    /// Waits until this time, in nanoseconds.
    AwaitTime(u64),
    /// Nothing more.
    Done,
}

/// What a client does.
pub trait Script {
    /// What is next, now that `now_ns` is the time.
    fn next(&mut self, prng: &mut Prng, now_ns: u64) -> Next;
    /// A reply has come, the `nth` of this client. An error is a violation of what the script relies on.
    fn on_reply(&mut self, nth: usize, words: &[Vec<u8>], reply: &Value) -> Result<(), String>;
    /// Whether the server may close the connection by itself.
    fn may_be_closed(&self) -> bool {
        false
    }
}

/// How a client behaves, whatever its script.
#[derive(Clone, Copy, Debug)]
pub struct Manners {
    /// The core it connects to.
    pub core: usize,
    /// By a core port.
    pub cluster_face: bool,
    /// HELLO 3 first.
    pub resp3: bool,
    /// Requests without reply at the most, before it waits.
    pub depth: usize,
    /// From one write to the next, at the most.
    pub think_ns: u64,
    /// From one piece read to the next.
    pub slowness_ns: u64,
    /// Leaves without a word once it has sent so many requests.
    pub vanish_after: Option<usize>,
    /// Says once it has sent so many requests that it sends no more, and hears what it is still told until the server closes.
    pub leave_after: Option<usize>,
    /// Ends once it has sent so many requests.
    pub steps_max: usize,
    /// When it begins.
    pub start_ns: u64,
}

impl Manners {
    /// Nothing of note.
    pub const CALM: Manners = Manners {
        core: 0,
        cluster_face: false,
        resp3: false,
        depth: 100,
        think_ns: 1,
        slowness_ns: 0,
        vanish_after: None,
        leave_after: None,
        steps_max: usize::MAX,
        start_ns: 0,
    };
}

/// A client in the world.
pub struct Player {
    number: usize,
    /// How it behaves.
    pub manners: Manners,
    script: Box<dyn Script>,
    prng: Prng,
    socket: Option<usize>,
    /// Positions in the history of what is not answered.
    outstanding: VecDeque<usize>,
    input: Vec<u8>,
    framer: Framer,
    sent: usize,
    answered: usize,
    /// Waits for replies before it acts again.
    waiting: Waiting,
    /// Has said that it sends no more.
    leaving: bool,
    /// Has done all it wanted.
    pub finished: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Waiting {
    No,
    ForSpace,
    ForAll,
}

impl Player {
    /// A client before its beginning. Its choices follow from `seed` and its number alone.
    pub fn new(number: usize, seed: u64, manners: Manners, script: Box<dyn Script>) -> Player {
        Player {
            number,
            manners,
            script,
            prng: Prng::new(seed ^ (number as u64 + 1).wrapping_mul(0x9e6c_63d0_876a_9a35)),
            socket: None,
            outstanding: VecDeque::new(),
            input: Vec::new(),
            framer: Framer::default(),
            sent: 0,
            answered: 0,
            waiting: Waiting::No,
            leaving: false,
            finished: false,
        }
    }

    /// The socket, once there is one.
    pub fn socket(&self) -> Option<usize> {
        self.socket
    }

    /// Something concerns this client. An error is a violation.
    pub fn hear(
        &mut self,
        world: &mut World,
        history: &mut History,
        heard: Heard,
    ) -> Result<(), String> {
        match heard {
            Heard::Turn => self.act(world, history),
            Heard::Bytes(bytes) => return self.read(world, history, &bytes),
            Heard::Closed => {
                if self.leaving {
                    history.left.insert(self.number);
                } else if !self.finished && !self.script.may_be_closed() {
                    return Err(format!("client {} was closed by the server", self.number));
                }
                self.finished = true;
            }
        }
        Ok(())
    }

    fn act(&mut self, world: &mut World, history: &mut History) {
        if self.finished || self.leaving {
            return;
        }
        let Some(socket) = self.socket else { return self.begin(world, history) };
        if self.vanishes() {
            self.finished = true;
            return world.hang_up(socket);
        }
        if self.manners.leave_after.is_some_and(|after| self.sent >= after) {
            self.leaving = true;
            return world.end_input(socket);
        }
        if self.waiting != Waiting::No {
            return;
        }
        let next = if self.sent >= self.manners.steps_max {
            Next::Done
        } else {
            self.script.next(&mut self.prng, world.now_ns)
        };
        match next {
            Next::Send(calls) => {
                self.send(world, history, calls);
                let waits = self.outstanding.len() >= self.manners.depth;
                if waits {
                    self.waiting = Waiting::ForSpace;
                }
                // Who vanishes does not wait for what it has asked.
                let leaves = self.manners.leave_after.is_some_and(|after| self.sent >= after);
                if !waits || leaves || self.vanishes() {
                    self.think(world);
                }
            }
            Next::AwaitReplies if self.outstanding.is_empty() => self.think(world),
            Next::AwaitReplies => self.waiting = Waiting::ForAll,
            Next::AwaitTime(at) => world.schedule_client(self.number, at),
            Next::Done if self.outstanding.is_empty() => {
                self.finished = true;
                world.hang_up(socket);
            }
            Next::Done => self.waiting = Waiting::ForAll,
        }
    }

    fn vanishes(&self) -> bool {
        self.manners.vanish_after.is_some_and(|after| self.sent >= after)
    }

    fn begin(&mut self, world: &mut World, history: &mut History) {
        let Manners { core, cluster_face, slowness_ns, .. } = self.manners;
        self.socket = Some(world.connect(core, cluster_face, slowness_ns));
        if self.manners.resp3 {
            let hello = vec![b"HELLO".to_vec(), b"3".to_vec()];
            self.send(world, history, vec![Call::plain(hello)]);
        }
        self.think(world);
    }

    fn send(&mut self, world: &mut World, history: &mut History, calls: Vec<Call>) {
        let Some(socket) = self.socket else { return };
        let mut bytes = Vec::new();
        for call in calls {
            encode(&call.words, &mut bytes);
            self.outstanding.push_back(history.records.len());
            self.sent += 1;
            history.records.push(Record {
                client: self.number,
                words: call.words,
                sent_ns: world.now_ns,
                answered_ns: NEVER,
                reply: None,
                mark: call.mark,
            });
        }
        world.write(socket, &bytes);
    }

    fn think(&mut self, world: &mut World) {
        let pause = 1 + self.prng.below(self.manners.think_ns.max(1));
        world.schedule_client(self.number, world.now_ns + pause);
    }

    fn read(
        &mut self,
        world: &mut World,
        history: &mut History,
        bytes: &[u8],
    ) -> Result<(), String> {
        self.input.extend_from_slice(bytes);
        let mut at = 0;
        while let Some(framed) = self.framer.frame_len(&self.input[at..]) {
            let len = framed.map_err(|error| self.malformed(at, &error.to_string()))?;
            let frame = &self.input[at..at + len];
            let value = match Value::parse(frame) {
                Some(Ok((value, _))) => value,
                _ => return Err(self.malformed(at, "a frame that is no value")),
            };
            at += len;
            self.on_value(world, history, value)?;
        }
        self.input.drain(..at);
        let space = self.outstanding.len() < self.manners.depth;
        let go_on = match self.waiting {
            Waiting::No => false,
            Waiting::ForSpace => space,
            Waiting::ForAll => self.outstanding.is_empty(),
        };
        if go_on {
            self.waiting = Waiting::No;
            self.think(world);
        }
        Ok(())
    }

    fn malformed(&self, at: usize, why: &str) -> String {
        let rest = &self.input[at..];
        let shown = rest[..rest.len().min(80)].escape_ascii();
        format!("client {} got a malformed reply ({why}): {shown}", self.number)
    }

    fn on_value(
        &mut self,
        world: &World,
        history: &mut History,
        value: Value,
    ) -> Result<(), String> {
        if matches!(value, Value::Push(_)) {
            return Ok(());
        }
        let Some(position) = self.outstanding.pop_front() else {
            return Err(format!("client {} got a reply to nothing: {value}", self.number));
        };
        let record = &mut history.records[position];
        record.answered_ns = world.now_ns;
        let first = self.manners.resp3 && self.answered == 0;
        self.answered += 1;
        let result = if first {
            match value {
                Value::Map(_) => Ok(()),
                _ => Err("HELLO 3 is not answered by a map".to_owned()),
            }
        } else {
            let nth = self.answered - 1 - usize::from(self.manners.resp3);
            self.script.on_reply(nth, &record.words, &value)
        };
        record.reply = Some(value);
        result.map_err(|why| format!("{why}: {}", history.records[position].show()))
    }

    /// How many requests have no reply.
    pub fn unanswered(&self) -> usize {
        self.outstanding.len()
    }
}
