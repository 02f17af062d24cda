//! Threads at full speed. Every message carries what its sender knew of everybody's mail, so that a
//! receiver can tell whether a cause is missing. `MAILBOX_STRESS` sets the messages a thread sends.
#![cfg(not(loom))]

use mailbox::{Mailbox, mesh};
use std::sync::{Arc, Condvar, Mutex};

const PARTICIPANTS: usize = 4;

/// `known[from][to]`: how many messages from one to the other the sender knew to be published.
type Known = [[u32; PARTICIPANTS]; PARTICIPANTS];

fn messages_a_thread() -> u32 {
    std::env::var("MAILBOX_STRESS").ok().and_then(|count| count.parse().ok()).unwrap_or(20_000)
}

/// A small generator, so that the threads differ without a dependency.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
    *state >> 33
}

struct Node {
    mailbox: Mailbox<Known>,
    known: Known,
    got: [u32; PARTICIPANTS],
}

impl Node {
    fn drain(&mut self) {
        let me = self.mailbox.index();
        let (known, got) = (&mut self.known, &mut self.got);
        self.mailbox.drain(
            || u64::MAX,
            |from, message| {
                got[from] += 1;
                assert_eq!(message[from][me], got[from], "lost, doubled or out of order");
                for sender in 0..PARTICIPANTS {
                    assert!(message[sender][me] <= got[sender], "an effect came before its cause");
                    for to in 0..PARTICIPANTS {
                        known[sender][to] = known[sender][to].max(message[sender][to]);
                    }
                }
            },
        );
    }

    fn run(mut self, count: u32) -> Node {
        let me = self.mailbox.index();
        let mut seed = me as u64 + 1;
        let mut sent = 0;
        while sent < count {
            for _ in 0..next(&mut seed) % 4 {
                let to = next(&mut seed) as usize % PARTICIPANTS;
                self.known[me][to] += 1;
                if self.mailbox.push(to, self.known).is_err() {
                    self.known[me][to] -= 1;
                    break;
                }
                sent += 1;
            }
            // Any time will do where causes travel by mailbox only: the clocks here are absurd.
            let time = next(&mut seed) % 1000 * u64::from(sent % 7);
            let _ = self.mailbox.publish(|| time);
            if next(&mut seed).is_multiple_of(3) {
                self.drain();
            }
            if self.mailbox.space((me + 1) % PARTICIPANTS) == 0 {
                self.drain();
                std::thread::yield_now();
            }
        }
        self
    }
}

#[test]
fn no_effect_overtakes_its_cause_and_nothing_is_lost() {
    let count = messages_a_thread();
    let start = |mailbox| {
        let node = Node { mailbox, known: [[0; 4]; 4], got: [0; 4] };
        std::thread::spawn(move || node.run(count))
    };
    let threads: Vec<_> = mesh(PARTICIPANTS, 16).into_iter().map(start).collect();
    let mut nodes: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    nodes.iter_mut().for_each(Node::drain);
    for (to, node) in nodes.iter().enumerate() {
        for (from, sender) in nodes.iter().enumerate() {
            assert_eq!(node.got[from], sender.known[from][to]);
        }
    }
}

/// A bed: the sleeper waits in it until somebody knocks.
#[derive(Default)]
struct Bed(Mutex<bool>, Condvar);

impl Bed {
    fn knock(&self) {
        *self.0.lock().unwrap() = true;
        self.1.notify_one();
    }

    fn sleep(&self) {
        let mut knocked = self.0.lock().unwrap();
        while !*knocked {
            knocked = self.1.wait(knocked).unwrap();
        }
        *knocked = false;
    }
}

/// Sends `count` numbers to everybody else and ends when all of theirs have come. Blocks without a
/// time limit whenever there is no mail: a lost wake-up hangs.
fn talk(mut mailbox: Mailbox<u32>, beds: Arc<Vec<Bed>>, count: u32) {
    let me = mailbox.index();
    let mut sent = [0; PARTICIPANTS];
    let mut got = [0; PARTICIPANTS];
    sent[me] = count;
    got[me] = count;
    while sent != [count; PARTICIPANTS] || got != [count; PARTICIPANTS] {
        let mut pushed = false;
        for (to, sent) in sent.iter_mut().enumerate() {
            if *sent < count && mailbox.push(to, *sent).is_ok() {
                *sent += 1;
                pushed = true;
            }
        }
        mailbox.publish(|| 0).for_each(|to| beds[to].knock());
        let drained = mailbox.drain(
            || u64::MAX,
            |from, message| {
                assert_eq!(message, got[from]);
                got[from] += 1;
            },
        );
        let done_sending = sent == [count; PARTICIPANTS];
        if !pushed && drained == 0 && !done_sending {
            std::thread::yield_now();
        } else if drained == 0 && done_sending && got != sent && mailbox.sleep() {
            beds[me].sleep();
            mailbox.awake();
        }
    }
}

#[test]
fn no_wake_up_is_lost() {
    let count = messages_a_thread();
    let beds = Arc::new((0..PARTICIPANTS).map(|_| Bed::default()).collect::<Vec<_>>());
    let start = |mailbox| {
        let beds = beds.clone();
        std::thread::spawn(move || talk(mailbox, beds, count))
    };
    let threads: Vec<_> = mesh(PARTICIPANTS, 8).into_iter().map(start).collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

/// One token goes around as long as it lasts; everybody else sleeps, so each hop needs its wake-up.
#[test]
fn a_token_travels_through_sleepers() {
    let hops = messages_a_thread() / 10;
    let beds = Arc::new((0..PARTICIPANTS).map(|_| Bed::default()).collect::<Vec<_>>());
    let start = |mut mailbox: Mailbox<u32>| {
        let beds = beds.clone();
        std::thread::spawn(move || {
            let me = mailbox.index();
            let mut token = (me == 0).then_some(0);
            loop {
                if let Some(at) = token.take() {
                    mailbox.push((me + 1) % PARTICIPANTS, at + 1).unwrap();
                    mailbox.publish(|| 0).for_each(|to| beds[to].knock());
                    if at >= hops {
                        return;
                    }
                }
                while mailbox.drain(|| u64::MAX, |_, at| token = Some(at)) == 0 {
                    if mailbox.sleep() {
                        beds[me].sleep();
                        mailbox.awake();
                    }
                }
            }
        })
    };
    let threads: Vec<_> = mesh(PARTICIPANTS, 2).into_iter().map(start).collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}
