//! The orders in which what clients were asked may have come, and which of them are still to be tried.

use std::collections::HashSet;

use super::scene::Actor;
use crate::r#gen::Draw;

/// A search among the orders in which clients' pieces may come. Which comes next is chosen by lot, since mostly little depends on it;
/// what was found to lead nowhere is not tried again.
pub struct Search {
    /// The clients.
    pub actors: Vec<Actor>,
    /// Whose pieces come, one after the other, as far as that is chosen.
    pub order: Vec<usize>,
    dead: HashSet<Vec<usize>>,
    dice: Draw,
}

impl Search {
    /// All orders of what these are asked.
    pub fn new(actors: Vec<Actor>) -> Search {
        Search { actors, order: Vec::new(), dead: HashSet::new(), dice: Draw::new(1) }
    }

    /// How many pieces of each client an order has.
    fn done(&self, order: &[usize]) -> Vec<usize> {
        let mut done = vec![0; self.actors.len()];
        order.iter().for_each(|at| done[*at] += 1);
        done
    }

    /// Whose pieces may come behind those of `order`. One that is served from a key comes behind those who have waited longer for it; of
    /// two neighbours with nothing in common only one order is tried.
    fn may_come(&self, order: &[usize]) -> Vec<usize> {
        let done = self.done(order);
        let last = order.last().map(|last| (*last, &self.actors[*last].keys[done[*last] - 1]));
        let fits = |at: &usize| {
            let (actor, next) = (&self.actors[*at], done[*at]);
            if next == actor.pieces.len() {
                return false;
            }
            if let (Some((last, Some(before))), Some(keys)) = (last, &actor.keys[next])
                && last > *at
                && !before.iter().any(|key| keys.contains(key))
            {
                return false;
            }
            let is_before = |(other, done): (&Actor, &usize)| {
                *done == 0 && other.served == actor.served && other.since < actor.since
            };
            let is_served = next == 0 && actor.served.is_some();
            !(is_served && self.actors.iter().zip(&done).any(is_before))
        };
        (0..self.actors.len()).filter(fits).collect()
    }

    /// Those of them that have not been found to lead nowhere.
    fn open(&self, order: &[usize]) -> Vec<usize> {
        let behind = |at: usize| order.iter().copied().chain([at]).collect::<Vec<_>>();
        let mut may = self.may_come(order);
        may.retain(|at| !self.dead.contains(&behind(*at)));
        may
    }

    /// Whose piece comes next; nobody's when all have come.
    pub fn choose(&mut self) -> Option<usize> {
        let open = self.open(&self.order);
        if open.is_empty() {
            return None;
        }
        let next = open[self.dice.below(open.len())];
        self.order.push(next);
        Some(next)
    }

    /// The order leads nowhere. False when none is left.
    pub fn bury(&mut self) -> bool {
        let mut order = std::mem::take(&mut self.order);
        loop {
            self.dead.insert(order.clone());
            if order.pop().is_none() {
                return false;
            }
            if !self.open(&order).is_empty() {
                return true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::Reply;

    fn actor(client: usize, keys: &[&str], served: Option<&str>, since: u64) -> Actor {
        let request = |key: &&str| vec![(vec![key.as_bytes().to_vec()], Reply::Silent)];
        let bytes = |key: &str| key.as_bytes().to_vec();
        Actor {
            client,
            pieces: keys.iter().map(request).collect(),
            rest: Vec::new(),
            waits: false,
            served: served.map(bytes),
            since,
            keys: keys.iter().map(|key| Some(vec![bytes(key)])).collect(),
        }
    }

    fn all_orders(actors: Vec<Actor>) -> Vec<Vec<usize>> {
        let all: usize = actors.iter().map(|actor| actor.pieces.len()).sum();
        let mut search = Search::new(actors);
        let mut found = Vec::new();
        loop {
            while search.choose().is_some() {}
            found.extend((search.order.len() == all).then(|| search.order.clone()));
            if !search.bury() {
                found.sort();
                return found;
            }
        }
    }

    #[test]
    fn every_order_that_makes_a_difference_is_tried_once() {
        let same = vec![actor(0, &["a", "a"], None, 0), actor(1, &["a"], None, 0)];
        assert_eq!(all_orders(same), [[0, 0, 1], [0, 1, 0], [1, 0, 0]]);
        let apart = vec![actor(0, &["a", "b"], None, 0), actor(1, &["b"], None, 0)];
        assert_eq!(all_orders(apart), [[0, 0, 1], [0, 1, 0]]);
        let strangers = vec![actor(0, &["a", "a"], None, 0), actor(1, &["b"], None, 0)];
        assert_eq!(all_orders(strangers), [[0, 0, 1]]);
    }

    #[test]
    fn who_has_waited_longer_for_a_key_comes_first() {
        let (late, early) = (actor(0, &["a"], Some("a"), 7), actor(1, &["a"], Some("a"), 3));
        assert_eq!(all_orders(vec![late, early]), [[1, 0]]);
    }
}
