//! Requests that need several cores: their parts, and how the replies become one.
//!
//! Most are transactions (`tx/grant.rs`): their parts are shares, locked at their owners. A walk over all cores and the
//! drawing of a random key are not.

use crate::message::{JobFlags, Offer, Share};
use crate::walk::Found;
use base::{ConnId, CoreSet};
use command::Merge;
use resp::write::{Protocol, Writer};
use resp::{Chain, Reply};

/// What is done when all parts have come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Then {
    /// The merged reply goes to the client.
    Merge(Merge),
    /// The parts are sizes of the cores; the request runs on one drawn by them.
    DrawCore,
    /// The parts are counts of existing keys; when their sum is this, the writing parts go out,
    /// else the reply is 0.
    WriteIf(i64),
    /// The parts write without a condition: the reply is 1.
    Written,
    /// The part is one core's step of a walk over all; others may follow.
    Walk(Found),
    /// The parts are values lent by their owners; the request runs on them, and they go home.
    Loan {
        /// How often it was tried with fewer keys than it turned out to need.
        attempts: u32,
    },
}

/// One part.
#[derive(Debug, Default)]
pub struct Part {
    /// Which of the request's keys it has, counted from 0; empty when it has none of its own.
    pub keys: Vec<u32>,
    /// Its reply, once it came; the first piece of it if it is in pieces.
    pub reply: Option<Vec<u8>>,
    /// The other pieces.
    pub more: Chain,
    /// The share of a transaction, while it is here.
    pub share: Option<Box<Share>>,
}

impl Part {
    /// Keeps its reply: in pieces if they are only to be joined, else whole.
    pub fn set_reply(&mut self, reply: Reply<'_>, concat: bool) {
        self.reply = Some(match reply {
            Reply::Whole(bytes) => bytes.to_vec(),
            Reply::Pieces(chain) if concat => {
                let mut pieces = chain.into_pieces().into_iter();
                let first = pieces.next();
                pieces.for_each(|piece| self.more.push(piece));
                first.expect("a chain that is a reply has pieces")
            }
            // Its elements go to different places: they are looked for in one buffer.
            Reply::Pieces(chain) => chain.concat(),
        });
    }
}

/// A request under way on several cores.
#[derive(Debug)]
pub struct Gather {
    /// Whose it is.
    pub session: ConnId,
    /// Its place in the session's pipeline; none when the reply is thrown away.
    pub place: Option<u32>,
    /// The command.
    pub command: u16,
    /// Its database.
    pub db: u8,
    /// What its client brings.
    pub flags: JobFlags,
    /// All its arguments, kept only where a second stage needs them.
    pub args: Vec<Vec<u8>>,
    /// Its arguments as SLOWLOG would show them; empty for most FAST commands.
    pub logged: Vec<Vec<u8>>,
    /// Durations of its parts together, in ticks; 0 when none was measured.
    pub ticks: u64,
    /// The parts.
    pub parts: Vec<Part>,
    /// How many parts are still due.
    pub due: usize,
    /// What follows.
    pub then: Then,
    /// Keys that it has turned out to need beside those that it names.
    pub extra: Vec<(u8, Box<[u8]>, bool)>,
    /// Where keys are watched on which it depends.
    pub watched: CoreSet,
    /// It concerns more than the keys that it names.
    pub global: bool,
    /// The offer that it claims.
    pub offer: Option<Box<Offer>>,
}

/// All gathers of one core. Bounded by the places in the sessions' pipelines.
#[derive(Debug, Default)]
pub struct Gathers {
    slots: Vec<(u32, Option<Box<Gather>>)>,
    free: Vec<u32>,
}

impl Gathers {
    /// Keeps a gather; gives its number and generation.
    pub fn insert(&mut self, gather: Box<Gather>) -> (u32, u32) {
        let number = self.free.pop().unwrap_or_else(|| {
            self.slots.push((0, None));
            self.slots.len() as u32 - 1
        });
        let slot = &mut self.slots[number as usize];
        slot.0 = slot.0.wrapping_add(1);
        slot.1 = Some(gather);
        (number, slot.0)
    }

    /// Adds a part's duration in ticks.
    pub fn charge(&mut self, number: u32, generation: u32, ticks: u64) {
        let slot = self.slots.get_mut(number as usize).filter(|slot| slot.0 == generation);
        if let Some(gather) = slot.and_then(|slot| slot.1.as_mut()) {
            gather.ticks += ticks;
        }
    }

    /// Puts a part's reply in its place; gives the gather when it was the last one due.
    pub fn fill(
        &mut self,
        number: u32,
        generation: u32,
        part: u32,
        reply: Reply<'_>,
    ) -> Option<Box<Gather>> {
        let slot = self.slots.get_mut(number as usize).filter(|slot| slot.0 == generation)?;
        let gather = slot.1.as_mut()?;
        let concat = gather.then == Then::Merge(Merge::Concat);
        let part = &mut gather.parts[part as usize];
        assert!(part.reply.is_none(), "a part is answered once");
        part.set_reply(reply, concat);
        self.arrived(number)
    }

    /// Puts a share that came back in its place; gives the gather when it was the last one due.
    pub fn fill_share(&mut self, share: Box<Share>) -> Option<Box<Gather>> {
        let number = share.gather;
        let slot = self.slots.get_mut(number as usize)?;
        assert_eq!(slot.0, share.generation, "a transaction waits for all its shares");
        let gather = slot.1.as_mut()?;
        gather.ticks += share.answer.verdict.ticks;
        let part = share.part as usize;
        gather.parts[part].share = Some(share);
        self.arrived(number)
    }

    /// One part less is due.
    fn arrived(&mut self, number: u32) -> Option<Box<Gather>> {
        let slot = &mut self.slots[number as usize];
        let gather = slot.1.as_mut().expect("a part of it has just come");
        gather.due -= 1;
        if gather.due > 0 {
            return None;
        }
        self.free.push(number);
        slot.1.take()
    }

    /// How many are under way.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether none is under way.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The first error among the replies, if there is one.
pub fn first_error(parts: &[Part]) -> Option<&[u8]> {
    parts.iter().filter_map(|part| part.reply.as_deref()).find(|reply| reply.starts_with(b"-"))
}

/// The sum of integer replies; what is no integer counts as 0.
pub fn sum(parts: &[Part]) -> i64 {
    parts.iter().map(integer_of).sum()
}

/// The integer that a part answered.
pub fn integer_of(part: &Part) -> i64 {
    part.reply.as_deref().map_or(0, integer)
}

/// The integer that a reply is; 0 for any other.
pub fn integer(reply: &[u8]) -> i64 {
    let text = reply.strip_prefix(b":").and_then(|rest| rest.strip_suffix(b"\r\n"));
    text.and_then(resp::number::parse_i64).unwrap_or(0)
}

/// Writes the one reply that the parts make. O(bytes).
pub fn merge(how: Merge, parts: &[Part], reply: &mut Writer<'_>) {
    if let Some(error) = first_error(parts) {
        reply.raw(error);
        return;
    }
    match how {
        Merge::Ok => reply.ok(),
        Merge::Sum => reply.integer(sum(parts)),
        Merge::Concat => unreachable!("joined by `concat`"),
        Merge::InOrder => in_order(parts, reply),
        Merge::First => parts
            .iter()
            .take(1)
            .filter_map(|part| part.reply.as_deref())
            .for_each(|first| reply.raw(first)),
    }
}

/// Splits an array reply into its count and the bytes of its elements.
fn array(reply: &[u8]) -> (usize, &[u8]) {
    let end = memchr(reply);
    let count = resp::number::parse_i64(&reply[1..end]).unwrap_or(0);
    (count.max(0) as usize, &reply[end + 2..])
}

/// Where the first line of a reply that we encoded ends.
fn memchr(reply: &[u8]) -> usize {
    reply.iter().position(|byte| *byte == b'\r').expect("a reply that we encoded has a first line")
}

/// Takes a step of a walk apart: the next cursor, how many elements it shows, and these, encoded.
pub(crate) fn step(reply: &[u8]) -> (&[u8], usize, &[u8]) {
    let (_, pair) = array(reply);
    let (cursor, shown) = pair.split_at(element_len(pair));
    let text = &cursor[memchr(cursor) + 2..];
    let (count, elements) = array(shown);
    (text.strip_suffix(b"\r\n").expect("a bulk string that we encoded"), count, elements)
}

/// One array of the elements of all parts, which keep their pieces. O(parts and pieces, bytes of first pieces).
pub fn concat(parts: &mut [Part]) -> Chain {
    let counts = parts.iter().filter_map(|part| part.reply.as_deref()).map(|reply| array(reply).0);
    let mut head = Vec::new();
    Writer::new(&mut head, Protocol::Resp2).array(counts.sum());
    let mut all = Chain::default();
    for part in parts {
        let Some(reply) = part.reply.take() else { continue };
        head.extend_from_slice(array(&reply).1);
        if !part.more.is_empty() {
            all.push(std::mem::take(&mut head));
            all.append(std::mem::take(&mut part.more));
        }
    }
    if !head.is_empty() {
        all.push(head);
    }
    all
}

fn in_order(parts: &[Part], reply: &mut Writer<'_>) {
    let mut elements: Vec<(u32, &[u8])> = Vec::new();
    for part in parts {
        let (_, mut rest) = array(part.reply.as_deref().expect("every part has answered"));
        for key in &part.keys {
            let len = element_len(rest);
            elements.push((*key, &rest[..len]));
            rest = &rest[len..];
        }
    }
    elements.sort_unstable_by_key(|(key, _)| *key);
    reply.array(elements.len());
    elements.iter().for_each(|(_, element)| reply.raw(element));
}

/// The length of the scalar that a reply of ours begins with: a bulk string or a single line.
fn element_len(reply: &[u8]) -> usize {
    let line = memchr(reply) + 2;
    if reply[0] != b'$' {
        return line;
    }
    match resp::number::parse_i64(&reply[1..line - 2]) {
        Some(len) if len >= 0 => line + len as usize + 2,
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(keys: &[u32], reply: &[u8]) -> Part {
        Part { keys: keys.to_vec(), reply: Some(reply.to_vec()), ..Part::default() }
    }

    fn merged(how: Merge, parts: &[Part]) -> Vec<u8> {
        let mut out = Vec::new();
        merge(how, parts, &mut Writer::new(&mut out, Protocol::Resp2));
        out
    }

    #[test]
    fn elements_go_back_to_the_places_of_their_keys() {
        let parts =
            [part(&[0, 2], b"*2\r\n$1\r\na\r\n$-1\r\n"), part(&[1], b"*1\r\n$3\r\nb\r\n\r\n")];
        assert_eq!(merged(Merge::InOrder, &parts), b"*3\r\n$1\r\na\r\n$3\r\nb\r\n\r\n$-1\r\n");
    }

    #[test]
    fn counts_are_added_arrays_joined_and_the_first_error_wins() {
        assert_eq!(merged(Merge::Sum, &[part(&[], b":2\r\n"), part(&[], b":40\r\n")]), b":42\r\n");
        let mut parts = [part(&[], b"*1\r\n:1\r\n"), part(&[], b"*0\r\n")];
        assert_eq!(concat(&mut parts).concat(), b"*1\r\n:1\r\n");
        let parts = [part(&[], b"+OK\r\n"), part(&[], b"-OOM no\r\n")];
        assert_eq!(merged(Merge::Ok, &parts), b"-OOM no\r\n");
    }

    #[test]
    fn a_late_part_of_a_reused_number_is_ignored() {
        let mut gathers = Gathers::default();
        let session = ConnId { index: 0, generation: 0 };
        let gather = || {
            Box::new(Gather {
                session,
                place: None,
                command: 0,
                db: 0,
                flags: JobFlags::default(),
                args: Vec::new(),
                logged: Vec::new(),
                ticks: 0,
                parts: vec![Part::default()],
                due: 1,
                then: Then::Merge(Merge::Ok),
                extra: Vec::new(),
                watched: CoreSet::default(),
                global: false,
                offer: None,
            })
        };
        let (number, generation) = gathers.insert(gather());
        assert!(gathers.fill(number, generation, 0, Reply::Whole(b"+OK\r\n")).is_some());
        let (again, newer) = gathers.insert(gather());
        assert_eq!(number, again);
        assert!(gathers.fill(number, generation, 0, Reply::Whole(b"+OK\r\n")).is_none());
        assert!(gathers.fill(number, newer, 0, Reply::Whole(b"+OK\r\n")).is_some());
        assert!(gathers.is_empty());
    }
}
