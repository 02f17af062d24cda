//! In the steady state a mesh allocates nothing.
#![cfg(not(loom))]

use mailbox::mesh;

#[test]
fn sending_draining_and_sleeping_allocate_nothing() {
    let mut boxes = mesh::<u64>(3, 8);
    let mut sum = 0;
    let counted = allocation_counter::measure(|| {
        for time in 0..1000 {
            for sender in &mut boxes {
                for to in 0..3 {
                    sender.push(to, time).expect("drained in each round");
                }
                let _ = sender.publish(|| time);
            }
            for mailbox in &mut boxes {
                mailbox.drain(|| u64::MAX, |_, message| sum += message);
                assert!(mailbox.sleep());
                mailbox.awake();
            }
        }
    });
    assert_eq!(sum, 9 * (0..1000).sum::<u64>());
    assert_eq!(counted.count_total, 0, "{counted:?}");
}
