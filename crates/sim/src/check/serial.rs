//! Strict serializability: is there an order of all operations, one after the other on one keyspace, that explains every reply,
//! in which nothing takes effect before it was sent or after it was answered, and in which what one client sent to one owner keeps its order?
//!
//! # Why a search
//! The other way is a graph of dependencies between transactions (Adya; Kingsbury and Alvaro, "Elle", VLDB 2020), searched for cycles. It is
//! linear, but it needs the order of the versions of each key, which replies show only of values written once and of lists that grow;
//! RENAME, DEL, MSETNX, SINTERSTORE, FLUSHDB, DBSIZE, EXEC that came to nothing and scripts have no place in it. A search asks nothing but what a command does to plain
//! values (`keyspace.rs`), so every command that the model knows is checked to the last reply. What it costs is bounded by how many *writes* overlap:
//! - it is that of Wing and Gong (1993) with the memory of Lowe (2017): the same operations done and the same keyspace are looked at once;
//! - an operation of which the reply says that it has changed nothing is done as soon as that reply fits, without a choice: whatever order has it later also has
//!   it here, as nobody sees the difference. So only writes branch;
//! - what was answered first is tried first.
//!
//! Histories of some hundred operations of seven clients take a fraction of a millisecond; what is not decided within the bound is counted, not blamed. The
//! invariants of `workload/invariants.rs` need no search, and see to long pipelines.
//!
//! # What nobody asks for
//! That a key's time to live is over is an operation without a client (`lives.rs`).
//!
//! # What is not to be missed
//! Who waits in vain waits from some time to some other, and must not have been passed over in between (`waits.rs`). In the order
//! that is looked for, a wait in vain is two operations, and while it could be served nothing else goes on for long.
//!
//! # What is unknown
//! An operation without reply may have happened at any time after it was sent, or not at all, and then nothing that its client sent after it has.

use super::keyspace::{Names, State, Told, Who};
use super::operations::{Body, Operation};
use super::waits;
use crate::history::NEVER;
use std::collections::HashSet;
use std::rc::Rc;

/// Nodes of the search before it gives up.
const NODES_MAX: usize = 100_000;

/// So many operations of a client are looked at beyond its first that is not done.
const WINDOW: usize = 16;

/// What became of a search.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There is such an order.
    Fine,
    /// There is none. What is done on the way that leads furthest, the keyspace there, and what no order gets past.
    Violated { done: Vec<usize>, state: String, stuck: Vec<usize> },
    /// The bound was reached.
    Undecided,
}

/// Of one client: how many operations of the beginning are done, and which beyond, as bits.
type Done = Vec<(u16, u16)>;

/// One step of a way through the search, and the one before it.
struct Step {
    operation: usize,
    before: Way,
}

/// The operations done, the last one first.
type Way = Option<Rc<Step>>;

#[derive(Clone)]
struct Node {
    done: Done,
    state: State,
    way: Way,
    count: usize,
    /// The beginnings of waits that have not ended.
    waits: Vec<usize>,
    /// Since when one of them could be served; [`NEVER`] while none can.
    ripe_ns: u64,
}

struct Search<'a> {
    names: &'a Names,
    all: &'a [Operation],
    lines: Vec<Vec<usize>>,
    seen: HashSet<(Done, State, u64)>,
    /// The way on which most is done.
    furthest: Option<Node>,
}

/// Looks for an order. Operations are in the order of sending.
pub fn check(all: &[Operation], names: &Names) -> Outcome {
    let clients = all.iter().map(|one| one.client + 1).max().unwrap_or(0);
    let mut lines = vec![Vec::new(); clients];
    for (index, one) in all.iter().enumerate() {
        lines[one.client].push(index);
    }
    Search { names, all, lines, seen: HashSet::new(), furthest: None }.run()
}

impl Search<'_> {
    fn run(&mut self) -> Outcome {
        let done = vec![(0, 0); self.lines.len()];
        let state = State::empty(self.names);
        let (way, waits) = (None, Vec::new());
        let mut stack = vec![Node { done, state, way, count: 0, waits, ripe_ns: NEVER }];
        let mut nodes = 0;
        while let Some(mut node) = stack.pop() {
            self.take_what_changes_nothing(&mut node);
            if self.is_end(&node.done) {
                return Outcome::Fine;
            }
            if !self.seen.insert((node.done.clone(), node.state.clone(), node.ripe_ns)) {
                continue;
            }
            nodes += 1;
            if nodes > NODES_MAX {
                return Outcome::Undecided;
            }
            self.expand(&node, &mut stack);
            if self.furthest.as_ref().is_none_or(|best| best.count < node.count) {
                self.furthest = Some(node);
            }
        }
        self.violated()
    }

    fn violated(&mut self) -> Outcome {
        let Some(node) = self.furthest.take() else { return Outcome::Fine };
        let mut done = Vec::new();
        let mut step = &node.way;
        while let Some(one) = step {
            done.push(one.operation);
            step = &one.before;
        }
        done.reverse();
        let stuck =
            self.candidates(&node.done, &node.state).into_iter().map(|(_, index)| index).collect();
        Outcome::Violated { done, state: node.state.show(self.names), stuck }
    }

    /// Whether only operations without reply are left.
    fn is_end(&self, done: &Done) -> bool {
        (0..self.lines.len()).all(|client| self.first_answer(client, done) == NEVER)
    }

    /// When the first reply is due that a client waits for.
    fn first_answer(&self, client: usize, done: &Done) -> u64 {
        let open = self.open(client, done).map(|index| self.all[index].until_ns);
        open.min().unwrap_or(NEVER)
    }

    /// What a client has not got done of the operations that are looked at.
    fn open(&self, client: usize, done: &Done) -> impl Iterator<Item = usize> {
        let (from, beyond) = done[client];
        let rest = &self.lines[client][usize::from(from)..];
        let open = move |(at, _): &(usize, &usize)| beyond & (1 << at) == 0;
        rest.iter().take(WINDOW).enumerate().filter(open).map(|(_, index)| *index)
    }

    /// What comes next does not begin after this.
    fn deadline(&self, done: &Done, state: &State) -> u64 {
        let answers = (0..self.lines.len()).map(|client| self.first_answer(client, done));
        answers.chain(state.ends().map(|life| life.until_ns)).min().unwrap_or(NEVER)
    }

    /// What may come next: when its reply came, and which. What comes last in it is to be tried first.
    fn candidates(&self, done: &Done, state: &State) -> Vec<(u64, usize)> {
        let clients = 0..self.lines.len();
        let deadline = self.deadline(done, state);
        let mut found = Vec::new();
        for client in clients {
            let mut before: Vec<usize> = Vec::new();
            for index in self.open(client, done) {
                let one = &self.all[index];
                let free = !before.iter().any(|earlier| self.all[*earlier].precedes(one));
                if free && one.from_ns <= deadline {
                    found.push((one.until_ns, index));
                }
                if one.until_ns == NEVER {
                    break;
                }
                before.push(index);
            }
        }
        found.sort_unstable_by(|a, b| b.cmp(a));
        found
    }

    /// The keyspace after an operation, in all ways in which its client may be told what it was told.
    fn after(&self, state: &State, one: &Operation) -> Vec<State> {
        let heard = one.told.as_ref();
        let fits = |told: &Told| heard.is_none_or(|heard| heard == told);
        let who = Who { client: one.client, db: one.db, when: (one.from_ns, one.until_ns) };
        let words = match &one.body {
            Body::One(words) => words,
            Body::Begins(words) => {
                let finds = state.clone().run(self.names, who, words).is_some();
                return if finds { Vec::new() } else { vec![state.clone()] };
            }
            Body::Ends(_) => return vec![state.clone()],
            Body::Block(block) => {
                let mut after = state.clone();
                let told = after.run_all(self.names, who, block);
                return if fits(&told) { vec![after] } else { Vec::new() };
            }
        };
        let mut all = Vec::new();
        for words in waits::ways(words, heard) {
            let mut after = state.clone();
            let told = after.run(self.names, who, &words);
            // What waits and has no reply has not happened.
            let waits = told.is_none() && one.until_ns == NEVER;
            if !waits && fits(&told.unwrap_or(Told::Nil)) {
                all.push(after);
            }
        }
        all
    }

    /// Whether an operation comes so late that whoever could be served must have been.
    fn is_late(&self, node: &Node, one: &Operation) -> bool {
        let served_ns = node.ripe_ns.saturating_add(waits::NOTICE_NS);
        one.from_ns > served_ns && !matches!(one.body, Body::Ends(_))
    }

    /// Looks whether somebody who waits could be served after something that has happened by this time.
    fn look_who_waits(&self, node: &mut Node, by_ns: u64) {
        let ripe = |index: &usize| {
            let one = &self.all[*index];
            let who = Who { client: one.client, db: one.db, when: (one.from_ns, one.until_ns) };
            let Body::Begins(words) = &one.body else { return false };
            node.state.clone().run(self.names, who, words).is_some()
        };
        if !node.waits.iter().any(ripe) {
            node.ripe_ns = NEVER;
        } else if node.ripe_ns == NEVER {
            node.ripe_ns = by_ns;
        }
    }

    fn advance(&self, node: &mut Node, index: usize, state: State) {
        let client = self.all[index].client;
        let line = &self.lines[client];
        let (from, beyond) = &mut node.done[client];
        let at = line[usize::from(*from)..].iter().position(|one| *one == index);
        *beyond |= 1 << at.expect("what is open is in the line");
        let whole = beyond.trailing_ones();
        *from += whole as u16;
        *beyond = beyond.checked_shr(whole).unwrap_or(0);
        node.state = state;
        node.count += 1;
        let one = &self.all[index];
        match one.body {
            Body::Begins(_) => node.waits.push(index),
            Body::Ends(_) => node.waits.retain(|other| self.all[*other].client != one.client),
            _ => {}
        }
        self.look_who_waits(node, one.until_ns);
        node.way = Some(Rc::new(Step { operation: index, before: node.way.take() }));
    }

    fn take_what_changes_nothing(&self, node: &mut Node) {
        loop {
            let before = node.count;
            for (_, index) in self.candidates(&node.done, &node.state) {
                let one = &self.all[index];
                let fits = one.is_harmless()
                    && !self.is_late(node, one)
                    && self.after(&node.state, one).contains(&node.state);
                if fits {
                    let state = node.state.clone();
                    self.advance(node, index, state);
                    break;
                }
            }
            if node.count == before {
                return;
            }
        }
    }

    fn expand(&self, node: &Node, stack: &mut Vec<Node>) {
        let deadline = self.deadline(&node.done, &node.state);
        for life in node.state.ends().filter(|life| life.from_ns <= deadline) {
            let mut next = node.clone();
            next.state = node.state.without(life);
            self.look_who_waits(&mut next, life.until_ns);
            stack.push(next);
        }
        for (_, index) in self.candidates(&node.done, &node.state) {
            if self.is_late(node, &self.all[index]) {
                continue;
            }
            for state in self.after(&node.state, &self.all[index]) {
                let mut next = node.clone();
                self.advance(&mut next, index, state);
                stack.push(next);
            }
        }
    }
}
