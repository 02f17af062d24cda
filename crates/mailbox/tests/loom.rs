//! Every interleaving (up to a bound of preemptions) of the mailbox's orderings, under loom's model
//! of the C11 memory: `RUSTFLAGS="--cfg loom" cargo test -p mailbox --release --test loom`.
//!
//! The main thread of a model only starts and joins: what it does before its first wait, loom runs
//! in too few orders (a planted fault stayed hidden until its reader was a thread of its own).
//!
//! Each test was seen to fail with the ordering it is about weakened: see docs/design/mailbox.md.
#![cfg(loom)]

use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;
use mailbox::{Mailbox, mesh};

fn explore(preemptions: usize, test: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 20_000;
    builder.check(test);
}

fn pair(capacity: usize) -> (Mailbox<Box<u32>>, Mailbox<Box<u32>>) {
    let mut boxes = mesh(2, capacity).into_iter();
    (boxes.next().expect("two"), boxes.next().expect("two"))
}

/// The messages are boxes: a slot read before it was written, or twice, is a leak or a crash as
/// well as a race in loom's cell.
#[test]
fn a_lane_neither_loses_nor_doubles_nor_reorders() {
    explore(3, || {
        let (mut sender, mut receiver) = pair(2);
        let sending = thread::spawn(move || {
            let mut sent = 0;
            for message in 0..3 {
                if sender.push(1, Box::new(message)).is_err() {
                    break;
                }
                sent += 1;
                let _ = sender.publish(|| 0);
            }
            sent
        });
        let receiving = thread::spawn(move || {
            let mut got = vec![];
            for _ in 0..2 {
                receiver.drain(|| u64::MAX, |_, message| got.push(*message));
            }
            (receiver, got)
        });
        let sent = sending.join().unwrap();
        let (mut receiver, mut got) = receiving.join().unwrap();
        receiver.drain(|| u64::MAX, |_, message| got.push(*message));
        assert_eq!(got, (0..sent).collect::<Vec<_>>());
        assert!(sent >= 2, "there was room for two");
    });
}

#[test]
fn what_is_staged_together_arrives_together() {
    explore(3, || {
        let (mut sender, mut receiver) = pair(2);
        let sending = thread::spawn(move || {
            sender.push(1, Box::new(1)).unwrap();
            sender.push(1, Box::new(2)).unwrap();
            let _ = sender.publish(|| 0);
        });
        let receiving = thread::spawn(move || {
            let mut got = vec![];
            let count = receiver.drain(|| u64::MAX, |_, message| got.push(*message));
            assert!(count == 0 || got == [1, 2]);
        });
        sending.join().unwrap();
        receiving.join().unwrap();
    });
}

/// A place to block that only a wake-up ends: loom reports a deadlock when it does not come.
struct Bed {
    knocked: Mutex<bool>,
    bell: Condvar,
}

#[test]
fn a_sleeper_is_woken_for_mail_it_did_not_see() {
    explore(3, || {
        let (mut sender, mut receiver) = pair(2);
        let bed = Arc::new(Bed { knocked: Mutex::new(false), bell: Condvar::new() });
        let knocker = bed.clone();
        let sending = thread::spawn(move || {
            sender.push(1, Box::new(1)).unwrap();
            if !sender.publish(|| 0).is_empty() {
                *knocker.knocked.lock().unwrap() = true;
                knocker.bell.notify_one();
            }
        });
        let sleeping = thread::spawn(move || {
            let mut got = 0;
            if receiver.sleep() {
                let mut knocked = bed.knocked.lock().unwrap();
                while !*knocked {
                    knocked = bed.bell.wait(knocked).unwrap();
                }
                receiver.awake();
            }
            receiver.drain(|| u64::MAX, |_, _| got += 1);
            assert_eq!(got, 1, "awake, and the mail is there");
        });
        sending.join().unwrap();
        sleeping.join().unwrap();
    });
}

#[test]
fn of_two_senders_exactly_one_or_the_sleeper_itself_acts() {
    explore(2, || {
        let mut boxes = mesh::<u32>(3, 1).into_iter();
        let mut receiver = boxes.next().expect("three");
        let send = |mut sender: Mailbox<u32>| {
            thread::spawn(move || {
                sender.push(0, 1).unwrap();
                sender.publish(|| 0).len()
            })
        };
        let senders: Vec<_> = boxes.map(send).collect();
        let sleeping = thread::spawn(move || receiver.sleep());
        let slept = sleeping.join().unwrap();
        let wakes: usize = senders.into_iter().map(|sender| sender.join().unwrap()).sum();
        assert!(wakes <= 1);
        assert!(!slept || wakes == 1);
    });
}

const NOISE: u32 = 0;
const SET: u32 = 1;
const LPUSH: u32 = 2;
const GET: u32 = 3;

fn hand_on(mut relay: Mailbox<u32>) {
    let mut popped = false;
    relay.drain(|| u64::MAX, |_, message| popped |= message == LPUSH);
    if popped {
        relay.push(1, GET).unwrap();
        let _ = relay.publish(|| 0);
    }
}

fn owner(mut mailbox: Mailbox<u32>) -> Mailbox<u32> {
    let mut set_seen = false;
    mailbox.drain(
        || u64::MAX,
        |_, message| match message {
            SET => set_seen = true,
            GET => assert!(set_seen, "GET was delivered before the SET it depends on"),
            other => panic!("no such message: {other}"),
        },
    );
    mailbox
}

/// A sends SET to B and LPUSH to C in one publish; C, having seen LPUSH, sends GET to B.
#[test]
fn who_saw_the_later_command_sees_the_earlier_one() {
    explore(3, || {
        let mut boxes = mesh::<u32>(3, 1).into_iter();
        let mut a = boxes.next().expect("three");
        let b = boxes.next().expect("three");
        let c = boxes.next().expect("three");
        let sending = thread::spawn(move || {
            a.push(1, SET).unwrap();
            a.push(2, LPUSH).unwrap();
            let _ = a.publish(|| 0);
        });
        let relaying = thread::spawn(move || hand_on(c));
        let owning = thread::spawn(move || owner(b));
        sending.join().unwrap();
        relaying.join().unwrap();
        owner_ends(&mut owning.join().unwrap());
    });
}

/// What is left must be consistent too; whether SET came in the first drain does not matter here.
fn owner_ends(mailbox: &mut Mailbox<u32>) {
    let mut rest = vec![];
    mailbox.drain(|| u64::MAX, |_, message| rest.push(message));
    assert!(rest.is_empty() || rest == [SET] || rest == [GET] || rest == [SET, GET], "{rest:?}");
}

/// The same with the participants in another order, so that B reads C's word before A's and A hands
/// over C's tail before B's. The message before it gives C a word under which the tail of the second
/// batch must stay hidden until that batch is published.
#[test]
fn who_saw_the_later_command_sees_the_earlier_one_in_any_order_of_reading() {
    explore(3, || {
        let mut boxes = mesh::<u32>(3, 2).into_iter();
        let c = boxes.next().expect("three");
        let b = boxes.next().expect("three");
        let mut a = boxes.next().expect("three");
        let sending = thread::spawn(move || {
            a.push(0, NOISE).unwrap();
            let _ = a.publish(|| 0);
            a.push(1, SET).unwrap();
            a.push(0, LPUSH).unwrap();
            let _ = a.publish(|| 0);
        });
        let relaying = thread::spawn(move || hand_on(c));
        let owning = thread::spawn(move || owner(b));
        sending.join().unwrap();
        relaying.join().unwrap();
        owner_ends(&mut owning.join().unwrap());
    });
}

/// The client's way: C's reply travels over a socket (a Release/Acquire pair here, the kernel's locks
/// there), and the client's next request reaches B over B's own socket. B takes its input first and
/// drains then.
#[test]
fn a_request_over_a_socket_finds_what_was_published_before() {
    explore(3, || {
        let (mut sender, mut receiver) = pair(1);
        let socket = Arc::new(AtomicBool::new(false));
        let replied = socket.clone();
        let sending = thread::spawn(move || {
            sender.push(1, Box::new(SET)).unwrap();
            let _ = sender.publish(|| 0);
            replied.store(true, Ordering::Release);
        });
        let receiving = thread::spawn(move || {
            let arrived = socket.load(Ordering::Acquire);
            let count = receiver.drain(|| u64::MAX, |_, _| ());
            assert!(!arrived || count == 1);
        });
        sending.join().unwrap();
        receiving.join().unwrap();
    });
}

/// Two senders each publish to the same two receivers, which drain once while that goes on and once more when it is over:
/// both have them in the same order. The clock is an atomic that only grows, and orders nothing else.
#[test]
fn two_receivers_see_two_publishes_in_the_same_order() {
    explore(2, || {
        let mut boxes = mesh::<u32>(4, 2).into_iter();
        let clock = Arc::new(AtomicU64::new(1));
        let sender = |mut mailbox: Mailbox<u32>, message: u32| {
            let clock = clock.clone();
            thread::spawn(move || {
                mailbox.push(2, message).unwrap();
                mailbox.push(3, message).unwrap();
                let _ = mailbox.publish(|| clock.fetch_add(1, Ordering::Relaxed));
            })
        };
        let senders: Vec<_> =
            (1..=2).map(|message| sender(boxes.next().expect("four"), message)).collect();
        let receiver = |mut mailbox: Mailbox<u32>| {
            let clock = clock.clone();
            thread::spawn(move || {
                let mut got = vec![];
                mailbox.drain(
                    || clock.fetch_add(1, Ordering::Relaxed),
                    |_, message| got.push(message),
                );
                (mailbox, got)
            })
        };
        // One receiver looks while they publish, the other afterwards.
        let last = boxes.next().expect("four");
        let early = receiver(boxes.next().expect("four"));
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        let late = receiver(last);
        let orders = [early, late].map(|receiver| {
            let (mut mailbox, mut got) = receiver.join().unwrap();
            mailbox.drain(|| u64::MAX, |_, message| got.push(message));
            got
        });
        assert_eq!(orders[0].len(), 2);
        assert_eq!(orders[0], orders[1], "one order for all");
    });
}
