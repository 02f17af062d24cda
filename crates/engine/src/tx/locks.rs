//! Who has which keys of this core, and who waits for them: a FIFO for each key in play.
//!
//! A *party* (a transaction's share, or a job that found one of its keys taken) enters the queues of all its keys in one
//! step. It is *granted* when it is first in all of them, and leaves all of them in one step. As every
//! core sees transactions in the sequencer's order, a party waits only for parties that are before it in that order, so nobody waits in a
//! circle (docs/design/transactions.md).
//!
//! A party may want the whole core instead: it waits until all who came before it have left, and who comes after it waits
//! at the *gate* until it has left.
//!
//! Keys stand here by their hash. Two keys with one hash exclude each other without need, and nothing else follows.

use std::collections::{HashMap, VecDeque};

/// A key of one database, as its hash.
pub type LockId = u64;

/// The lock of a key with this hash.
#[inline]
pub fn lock_id(db: u8, hash: u64) -> LockId {
    hash ^ (u64::from(db)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// What a party wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// These keys.
    Keys(Vec<LockId>),
    /// Everything that this core has.
    Whole,
}

#[derive(Debug)]
struct Party<T> {
    wanted: Wanted,
    /// In how many queues it is not the first.
    behind: usize,
    item: Option<T>,
}

/// All queues of one core. `T` is what is to be done when a party is granted.
#[derive(Debug)]
pub struct Locks<T> {
    queues: HashMap<LockId, VecDeque<u32>>,
    parties: Vec<Option<Party<T>>>,
    free: Vec<u32>,
    /// Parties in the queues.
    inside: usize,
    /// A party that wants everything, and all that came after it.
    gate: VecDeque<u32>,
    /// Granted, and not yet taken by [`Locks::next_granted`].
    granted: VecDeque<u32>,
}

impl<T> Default for Locks<T> {
    fn default() -> Locks<T> {
        Locks {
            queues: HashMap::new(),
            parties: Vec::new(),
            free: Vec::new(),
            inside: 0,
            gate: VecDeque::new(),
            granted: VecDeque::new(),
        }
    }
}

impl<T> Locks<T> {
    /// Whether nobody has or wants anything: what every job asks first.
    #[inline]
    pub fn is_idle(&self) -> bool {
        self.inside == 0 && self.gate.is_empty()
    }

    /// How many parties there are.
    pub fn len(&self) -> usize {
        self.inside + self.gate.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.is_idle()
    }

    /// Whether somebody who wanted this now would have to wait. O(keys).
    pub fn must_wait(&self, wanted: &Wanted) -> bool {
        !self.gate.is_empty()
            || match wanted {
                Wanted::Whole => self.inside > 0,
                Wanted::Keys(keys) => keys.iter().any(|key| self.queues.contains_key(key)),
            }
    }

    /// Puts a party behind all that want the same; gives its ticket. O(keys).
    pub fn enter(&mut self, mut wanted: Wanted, item: T) -> u32 {
        if let Wanted::Keys(keys) = &mut wanted {
            keys.sort_unstable();
            keys.dedup();
        }
        let ticket = self.free.pop().unwrap_or_else(|| {
            self.parties.push(None);
            self.parties.len() as u32 - 1
        });
        self.parties[ticket as usize] = Some(Party { wanted, behind: 0, item: Some(item) });
        self.gate.push_back(ticket);
        if self.gate.len() == 1 {
            self.admit();
        }
        ticket
    }

    /// The next party that has become the first everywhere, with what is to be done.
    pub fn next_granted(&mut self) -> Option<(u32, T)> {
        let ticket = self.granted.pop_front()?;
        let party = self.parties[ticket as usize].as_mut().expect("a granted party is there");
        Some((ticket, party.item.take().expect("granted once")))
    }

    /// Takes a party that was granted as it came out of the list of those.
    pub fn take_granted(&mut self, ticket: u32) -> T {
        let at = self.granted.iter().position(|granted| *granted == ticket);
        self.granted.remove(at.expect("nobody is before it"));
        let party = self.parties[ticket as usize].as_mut().expect("a granted party is there");
        party.item.take().expect("granted once")
    }

    /// What a party wants.
    pub fn wanted(&self, ticket: u32) -> &Wanted {
        &self.parties[ticket as usize].as_ref().expect("a party that is there").wanted
    }

    /// A granted party goes; those behind it may be granted. O(keys).
    pub fn leave(&mut self, ticket: u32) {
        let party = self.parties[ticket as usize].take().expect("a party leaves once");
        assert!(party.item.is_none() && party.behind == 0, "only who is granted leaves");
        self.free.push(ticket);
        match party.wanted {
            Wanted::Whole => {
                assert_eq!(self.gate.pop_front(), Some(ticket), "it was alone");
            }
            Wanted::Keys(keys) => {
                self.inside -= 1;
                keys.iter().for_each(|key| self.leave_queue(*key, ticket));
            }
        }
        self.admit();
    }

    fn leave_queue(&mut self, key: LockId, ticket: u32) {
        let queue = self.queues.get_mut(&key).expect("who is inside has queues");
        assert_eq!(queue.pop_front(), Some(ticket), "only the first leaves");
        let Some(next) = queue.front() else {
            self.queues.remove(&key);
            return;
        };
        let party = self.parties[*next as usize].as_mut().expect("who waits is there");
        party.behind -= 1;
        if party.behind == 0 {
            self.granted.push_back(*next);
        }
    }

    /// Lets in who stands at the gate, as far as nobody among them wants everything.
    fn admit(&mut self) {
        while let Some(ticket) = self.gate.front().copied() {
            let party = self.parties[ticket as usize].as_mut().expect("who waits is there");
            match &party.wanted {
                Wanted::Whole => {
                    // Granted once, when the last who came before it has left.
                    if self.inside == 0 && party.item.is_some() && !self.granted.contains(&ticket) {
                        self.granted.push_back(ticket);
                    }
                    return;
                }
                Wanted::Keys(keys) => {
                    self.gate.pop_front();
                    self.inside += 1;
                    for key in keys {
                        let queue = self.queues.entry(*key).or_default();
                        party.behind += usize::from(!queue.is_empty());
                        queue.push_back(ticket);
                    }
                    if party.behind == 0 {
                        self.granted.push_back(ticket);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn granted(locks: &mut Locks<&'static str>) -> Vec<&'static str> {
        std::iter::from_fn(|| locks.next_granted()).map(|(_, name)| name).collect()
    }

    #[test]
    fn who_is_first_in_all_its_queues_is_granted_and_the_next_when_it_has_left() {
        let mut locks = Locks::default();
        let a = locks.enter(Wanted::Keys(vec![1, 2, 1]), "a");
        let b = locks.enter(Wanted::Keys(vec![2, 3]), "b");
        let c = locks.enter(Wanted::Keys(vec![3]), "c");
        assert_eq!(granted(&mut locks), ["a"]);
        assert!(
            locks.must_wait(&Wanted::Keys(vec![3])) && !locks.must_wait(&Wanted::Keys(vec![4]))
        );
        locks.leave(a);
        assert_eq!(granted(&mut locks), ["b"]);
        assert!(!locks.must_wait(&Wanted::Keys(vec![1])));
        locks.leave(b);
        assert_eq!(granted(&mut locks), ["c"]);
        locks.leave(c);
        assert!(locks.is_idle());
    }

    #[test]
    fn who_wants_everything_waits_for_those_before_it_and_holds_up_those_behind_it() {
        let mut locks = Locks::default();
        let a = locks.enter(Wanted::Keys(vec![1]), "a");
        let all = locks.enter(Wanted::Whole, "all");
        let b = locks.enter(Wanted::Keys(vec![9]), "b");
        let again = locks.enter(Wanted::Whole, "again");
        let c = locks.enter(Wanted::Keys(vec![9]), "c");
        assert_eq!(granted(&mut locks), ["a"]);
        locks.leave(a);
        assert_eq!(granted(&mut locks), ["all"]);
        locks.leave(all);
        assert_eq!(granted(&mut locks), ["b"]);
        locks.leave(b);
        assert_eq!(granted(&mut locks), ["again"]);
        locks.leave(again);
        assert_eq!(granted(&mut locks), ["c"]);
        locks.leave(c);
        assert!(locks.is_idle());
    }

    proptest! {
        /// Whatever comes and goes: two who share a key, or one who wants everything and anybody else, are never granted
        /// together; of two who share a key the first to come is granted first; everybody is granted in the end.
        #[test]
        fn grants_exclude_each_other_come_in_order_and_always_come(
            wants in proptest::collection::vec((proptest::collection::vec(0..5u64, 1..4), 0..6u8), 1..40),
            picks in proptest::collection::vec(0..100usize, 200),
        ) {
            let mut locks: Locks<usize> = Locks::default();
            let all: Vec<Wanted> = wants.into_iter().map(|(keys, kind)| match kind {
                0 => Wanted::Whole,
                _ => Wanted::Keys(keys),
            }).collect();
            let clash = |a: &Wanted, b: &Wanted| match (a, b) {
                (Wanted::Keys(a), Wanted::Keys(b)) => a.iter().any(|key| b.contains(key)),
                _ => true,
            };
            let (mut next, mut held, mut done): (usize, Vec<(u32, usize)>, Vec<usize>) = (0, vec![], vec![]);
            for pick in picks {
                if next < all.len() && pick % 2 == 0 {
                    locks.enter(all[next].clone(), next);
                    next += 1;
                } else if !held.is_empty() {
                    let (ticket, number) = held.swap_remove(pick % held.len());
                    locks.leave(ticket);
                    done.push(number);
                }
                while let Some((ticket, number)) = locks.next_granted() {
                    for (_, other) in &held {
                        prop_assert!(!clash(&all[number], &all[*other]));
                    }
                    for earlier in 0..number {
                        prop_assert!(!clash(&all[number], &all[earlier]) || done.contains(&earlier));
                    }
                    held.push((ticket, number));
                }
            }
            while let Some((ticket, number)) = held.pop() {
                locks.leave(ticket);
                done.push(number);
                held.extend(std::iter::from_fn(|| locks.next_granted()));
            }
            prop_assert_eq!(done.len(), next);
            prop_assert!(locks.is_idle());
        }
    }
}
