//! Mailboxes against plain queues: whatever is pushed, published and drained in whatever order on
//! one thread, the mesh behaves like lists sorted by stamp.
#![cfg(not(loom))]

use mailbox::{Mailbox, Wakes, mesh};
use proptest::prelude::*;
use std::collections::VecDeque;

const PARTICIPANTS: usize = 3;
const CAPACITY: usize = 4;

#[derive(Clone, Debug)]
enum Step {
    Push { from: usize, to: usize },
    Publish { from: usize, time: u64 },
    Drain { to: usize },
    Sleep { who: usize },
    Awake { who: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let who = || 0..PARTICIPANTS;
    prop_oneof![
        4 => (who(), who()).prop_map(|(from, to)| Step::Push { from, to }),
        2 => (who(), 0..40u64).prop_map(|(from, time)| Step::Publish { from, time }),
        2 => who().prop_map(|to| Step::Drain { to }),
        1 => who().prop_map(|who| Step::Sleep { who }),
        1 => who().prop_map(|who| Step::Awake { who }),
    ]
}

/// A message of the model: who sent it, the stamp it was published under, and its number.
type Letter = (u64, usize, u32);

#[derive(Default)]
struct Model {
    clock: [u64; PARTICIPANTS],
    staged: [[VecDeque<u32>; PARTICIPANTS]; PARTICIPANTS],
    arrived: [Vec<Letter>; PARTICIPANTS],
    asleep: [bool; PARTICIPANTS],
}

impl Model {
    fn in_ring(&self, from: usize, to: usize) -> usize {
        let arrived = self.arrived[to].iter().filter(|letter| letter.1 == from).count();
        self.staged[from][to].len() + arrived
    }

    fn publish(&mut self, from: usize, time: u64) -> Vec<usize> {
        if self.staged[from].iter().all(VecDeque::is_empty) {
            return vec![];
        }
        self.clock[from] = (self.clock[from] + 1).max(time);
        let mut wakes = vec![];
        for to in 0..PARTICIPANTS {
            let letters = self.staged[from][to].drain(..);
            let letters: Vec<_> = letters.map(|number| (self.clock[from], from, number)).collect();
            if !letters.is_empty() && std::mem::take(&mut self.asleep[to]) {
                wakes.push(to);
            }
            self.arrived[to].extend(letters);
        }
        wakes
    }

    fn drain(&mut self, to: usize) -> Vec<(usize, u32)> {
        let mut letters = std::mem::take(&mut self.arrived[to]);
        letters.sort();
        let newest = letters.last().map_or(0, |letter| letter.0);
        self.clock[to] = self.clock[to].max(newest);
        letters.into_iter().map(|(_, from, number)| (from, number)).collect()
    }
}

fn run(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut boxes = mesh::<Counted>(PARTICIPANTS, CAPACITY);
    let mut model = Model::default();
    let token = std::sync::Arc::new(());
    let mut number = 0;
    for step in steps {
        match step {
            Step::Push { from, to } => {
                let room = CAPACITY - model.in_ring(from, to);
                prop_assert_eq!(boxes[from].space(to), room);
                let taken = boxes[from].push(to, Counted(number, token.clone()));
                prop_assert_eq!(taken.is_ok(), room > 0);
                if room > 0 {
                    model.staged[from][to].push_back(number);
                }
                number += 1;
            }
            Step::Publish { from, time } => {
                let wakes: Wakes = boxes[from].publish(|| time);
                prop_assert_eq!(wakes.collect::<Vec<_>>(), model.publish(from, time));
                prop_assert!(!boxes[from].is_staged());
            }
            Step::Drain { to } => {
                prop_assert_eq!(boxes[to].has_mail(), !model.arrived[to].is_empty());
                let (mut got, expected) = (vec![], model.drain(to));
                let count =
                    boxes[to].drain(|| u64::MAX, |from, message| got.push((from, message.0)));
                prop_assert_eq!(count, got.len());
                prop_assert_eq!(got, expected);
            }
            Step::Sleep { who } => {
                let mail = !model.arrived[who].is_empty();
                prop_assert_eq!(boxes[who].sleep(), !mail);
                model.asleep[who] = !mail;
            }
            Step::Awake { who } => {
                boxes[who].awake();
                model.asleep[who] = false;
            }
        }
        for (to, mailbox) in boxes.iter().enumerate() {
            prop_assert_eq!(mailbox.depth(), model.arrived[to].len());
        }
    }
    drop(boxes);
    prop_assert_eq!(
        std::sync::Arc::strong_count(&token),
        1,
        "a message leaked or was dropped twice"
    );
    Ok(())
}

/// A message whose life is counted.
#[derive(Debug)]
struct Counted(u32, #[allow(dead_code, reason = "held for its count")] std::sync::Arc<()>);

/// Few under valgrind, which is slow and looks for other faults.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(512)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_mesh_behaves_like_sorted_lists(steps in prop::collection::vec(step(), 1..120)) {
        run(steps)?;
    }
}

fn drained(mailbox: &mut Mailbox<u32>) -> Vec<(usize, u32)> {
    let mut got = vec![];
    mailbox.drain(|| u64::MAX, |from, message| got.push((from, message)));
    got
}

#[test]
fn nothing_is_visible_before_publish() {
    let mut boxes = mesh(2, 8);
    boxes[0].push(1, 7).unwrap();
    assert!(!boxes[1].has_mail());
    assert_eq!(drained(&mut boxes[1]), []);
    assert!(boxes[0].publish(|| 1).is_empty());
    assert!(boxes[1].has_mail());
    assert_eq!(drained(&mut boxes[1]), [(0, 7)]);
}

#[test]
fn a_full_ring_gives_the_message_back_and_takes_it_after_a_drain() {
    let mut boxes = mesh(2, 2);
    boxes[0].push(1, 1).unwrap();
    boxes[0].push(1, 2).unwrap();
    assert_eq!(boxes[0].push(1, 3), Err(3));
    assert_eq!(boxes[0].push(0, 4), Ok(()), "other rings are not concerned");
    assert!(boxes[0].publish(|| 1).is_empty());
    assert_eq!(drained(&mut boxes[1]), [(0, 1), (0, 2)]);
    assert_eq!(boxes[0].push(1, 3), Ok(()));
}

#[test]
fn an_effect_with_an_earlier_clock_still_follows_its_cause() {
    let mut boxes = mesh(3, 8);
    boxes[0].push(1, 10).unwrap();
    boxes[0].push(2, 11).unwrap();
    assert!(boxes[0].publish(|| 1_000_000).is_empty());
    assert_eq!(drained(&mut boxes[2]), [(0, 11)]);
    boxes[2].push(1, 20).unwrap();
    assert!(boxes[2].publish(|| 5).is_empty(), "the time of core 2 lags far behind");
    assert_eq!(drained(&mut boxes[1]), [(0, 10), (2, 20)]);
}

#[test]
fn only_one_sender_wakes_a_sleeper() {
    let mut boxes = mesh(3, 8);
    assert!(boxes[2].sleep());
    boxes[0].push(2, 1).unwrap();
    boxes[1].push(2, 2).unwrap();
    assert_eq!(boxes[0].publish(|| 1).collect::<Vec<_>>(), [2]);
    assert!(boxes[1].publish(|| 1).is_empty());
    boxes[2].awake();
    assert!(!boxes[2].sleep(), "there is mail");
}

#[test]
fn a_panicking_receiver_loses_only_the_message_it_was_given() {
    let mut boxes = mesh(2, 8);
    for message in [1, 2, 3] {
        boxes[0].push(1, message).unwrap();
    }
    assert!(boxes[0].publish(|| 1).is_empty());
    let receiver = &mut boxes[1];
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        receiver.drain(|| u64::MAX, |_, message| assert_ne!(message, 2));
    }));
    assert!(outcome.is_err());
    boxes[0].push(1, 4).unwrap();
    assert!(boxes[0].publish(|| 2).is_empty());
    assert_eq!(drained(&mut boxes[1]), [(0, 3), (0, 4)]);
}
