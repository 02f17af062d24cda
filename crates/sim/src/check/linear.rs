//! Per-key linearizability: is there an order of the requests on one key that a single copy of it
//! could have executed, in which every client's requests keep their order and nothing takes effect
//! before it was sent or after it was answered?
//!
//! The search is that of Wing and Gong ("Testing and verifying concurrent objects", 1993) with the
//! memory of Lowe ("Testing for linearizability", 2017): a set of requests done and a state of the key
//! are looked at once. As requests of one client are ordered, what is done is one position a client. It
//! is bounded; what is not decided within the bound is counted, not blamed.

use crate::check::model::{self, Action, State};
use crate::history::NEVER;
use std::collections::HashSet;

/// Nodes of the search before it gives up on a key.
const NODES_MAX: usize = 300_000;

/// One request as far as it concerns one key.
#[derive(Debug, Clone)]
pub struct Op {
    /// Whose.
    pub client: usize,
    /// When it was sent and answered, in nanoseconds.
    pub from_ns: u64,
    pub until_ns: u64,
    /// What it does.
    pub action: Action,
    /// What the client was told; None when it is unknown.
    pub told: Option<model::Told>,
    /// The request's position in the history.
    pub record: usize,
}

/// What became of a search.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There is such an order.
    Fine,
    /// There is none. The record furthest in the history that no order gets past.
    Violated(usize),
    /// The bound was reached.
    Undecided,
}

struct Search<'a> {
    /// The requests of each client, in order.
    lines: Vec<Vec<&'a Op>>,
    seen: HashSet<(Vec<u16>, State)>,
    nodes: usize,
    /// The most requests done, and which one stood in the way then.
    furthest: (usize, usize),
    lossy: bool,
}

/// Looks for an order. `ops` are in the order of sending; `lossy` allows the key to vanish at any time.
pub fn check(ops: &[Op], lossy: bool) -> Outcome {
    let mut clients: Vec<usize> = ops.iter().map(|op| op.client).collect();
    clients.sort_unstable();
    clients.dedup();
    let line = |client: &usize| ops.iter().filter(|op| op.client == *client).collect();
    let lines: Vec<Vec<&Op>> = clients.iter().map(line).collect();
    let mut search =
        Search { lines, seen: HashSet::new(), nodes: 0, furthest: (0, usize::MAX), lossy };
    search.run()
}

impl Search<'_> {
    fn run(&mut self) -> Outcome {
        let mut stack = vec![(vec![0u16; self.lines.len()], State::Absent)];
        while let Some((done, state)) = stack.pop() {
            if self.is_end(&done) {
                return Outcome::Fine;
            }
            if !self.seen.insert((done.clone(), state.clone())) {
                continue;
            }
            self.nodes += 1;
            if self.nodes > NODES_MAX {
                return Outcome::Undecided;
            }
            self.expand(&done, &state, &mut stack);
        }
        Outcome::Violated(self.furthest.1)
    }

    /// Whether only requests without reply are left; those may never have happened.
    fn is_end(&self, done: &[u16]) -> bool {
        let rest = |(line, at): (&Vec<&Op>, &u16)| {
            line[*at as usize..].iter().all(|op| op.until_ns == NEVER)
        };
        self.lines.iter().zip(done).all(rest)
    }

    fn expand(&mut self, done: &[u16], state: &State, stack: &mut Vec<(Vec<u16>, State)>) {
        // Replies come in order, so the first reply due of each client bounds what may come before.
        let first = |(line, at): (&Vec<&Op>, &u16)| {
            line[*at as usize..].iter().map(|op| op.until_ns).find(|until_ns| *until_ns != NEVER)
        };
        let deadline = self.lines.iter().zip(done).filter_map(first).min().unwrap_or(NEVER);
        let count: usize = done.iter().map(|at| *at as usize).sum();
        let mut moved = false;
        let mut blocker = usize::MAX;
        // Pushed in reverse, so that the request sent first is tried first.
        let mut candidates: Vec<(u64, usize)> = Vec::new();
        for (index, (line, at)) in self.lines.iter().zip(done).enumerate() {
            if let Some(op) = line.get(*at as usize)
                && op.from_ns <= deadline
            {
                candidates.push((op.from_ns, index));
            }
        }
        candidates.sort_unstable_by(|a, b| b.cmp(a));
        for (_, index) in candidates {
            let op = self.lines[index][done[index] as usize];
            let states = model::apply(state, op, self.lossy);
            if states.is_empty() && op.until_ns == deadline {
                blocker = op.record;
            }
            let mut done = done.to_vec();
            done[index] += 1;
            if op.until_ns == NEVER {
                stack.push((done.clone(), state.clone()));
            }
            for state in states {
                moved = true;
                stack.push((done.clone(), state));
            }
        }
        if (!moved || blocker != usize::MAX) && count >= self.furthest.0 {
            self.furthest = (count, blocker);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::model::Told;

    fn op(client: usize, from_ns: u64, until_ns: u64, action: Action, told: Told) -> Op {
        Op { client, from_ns, until_ns, action, told: Some(told), record: from_ns as usize }
    }

    fn set(client: usize, from_ns: u64, until_ns: u64, value: &str) -> Op {
        op(client, from_ns, until_ns, Action::set(value.as_bytes()), Told::Ok)
    }

    fn get(client: usize, from_ns: u64, until_ns: u64, value: Option<&str>) -> Op {
        let told = value.map_or(Told::Nil, |value| Told::Bytes(value.as_bytes().to_vec()));
        op(client, from_ns, until_ns, Action::Get, told)
    }

    #[test]
    fn overlapping_requests_may_take_effect_in_either_order() {
        let ops = [set(0, 0, 10, "a"), set(1, 0, 10, "b"), get(2, 11, 12, Some("a"))];
        assert_eq!(check(&ops, false), Outcome::Fine);
    }

    #[test]
    fn a_read_that_goes_back_in_time_is_found() {
        let ops = [
            set(0, 0, 1, "a"),
            set(0, 2, 3, "b"),
            get(1, 4, 5, Some("b")),
            get(1, 6, 7, Some("a")),
        ];
        assert_eq!(check(&ops, false), Outcome::Violated(6));
    }

    #[test]
    fn requests_of_one_client_keep_their_order_though_they_overlap() {
        let ops = [set(0, 0, 10, "a"), get(0, 0, 10, None)];
        assert_eq!(check(&ops, false), Outcome::Violated(0));
    }

    #[test]
    fn a_request_without_reply_may_or_may_not_have_happened() {
        let mut lost = set(0, 0, NEVER, "a");
        lost.told = None;
        assert_eq!(check(&[lost.clone(), get(1, 5, 6, None)], false), Outcome::Fine);
        assert_eq!(check(&[lost, get(1, 5, 6, Some("a"))], false), Outcome::Fine);
    }

    #[test]
    fn a_key_may_vanish_only_where_memory_is_short() {
        let ops = [set(0, 0, 1, "a"), get(1, 4, 5, None)];
        assert_eq!(check(&ops, false), Outcome::Violated(4));
        assert_eq!(check(&ops, true), Outcome::Fine);
    }
}
