//! A reply in pieces is the reply in one buffer, whatever is written, deferred and taken back.

use proptest::prelude::*;
use resp::chain::{PIECE_BYTES, finish};
use resp::write::{Position, Protocol, Writer};
use resp::{Chain, Sink};

#[derive(Clone, Debug)]
enum Step {
    /// So many strings of so many bytes.
    Bulks(usize, usize),
    Integers(usize),
    /// The steps inside a deferred array.
    Nested(Vec<Step>),
    /// The steps, and then they are taken back.
    TakenBack(Vec<Step>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let leaf = prop_oneof![
        (1usize..200, 0usize..5000).prop_map(|(count, len)| Step::Bulks(count, len)),
        (1usize..3, 100_000usize..600_000).prop_map(|(count, len)| Step::Bulks(count, len)),
        (1usize..20).prop_map(Step::Integers),
    ];
    let inner = leaf.prop_recursive(3, 12, 4, |inner| {
        let some = || prop::collection::vec(inner.clone(), 0..4);
        prop_oneof![some().prop_map(Step::Nested), some().prop_map(Step::TakenBack)]
    });
    prop::collection::vec(inner, 0..6)
}

fn write(w: &mut Writer<'_>, steps: &[Step]) {
    for step in steps {
        match step {
            Step::Bulks(count, len) => {
                (0..*count).for_each(|number| w.bulk(&vec![b'a' + (number % 26) as u8; *len]));
            }
            Step::Integers(count) => (0..*count).for_each(|number| w.integer(number as i64)),
            Step::Nested(steps) => {
                let open = w.deferred_array();
                write(w, steps);
                w.close(open, steps.len() * 7);
            }
            Step::TakenBack(steps) => {
                let before: Position = w.position();
                write(w, steps);
                w.truncate(before);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pieces_make_the_same_bytes(steps in steps(), head in 0usize..300) {
        let mut plain = Vec::new();
        write(&mut Writer::new(&mut plain, Protocol::Resp2), &steps);
        // Behind the bytes of others, which stay where they are.
        let (mut out, mut chain) = (vec![b'h'; head], Chain::default());
        write(&mut Writer::to(Sink::behind(&mut out, &mut chain), Protocol::Resp2), &steps);
        finish(&mut out, head, &mut chain);
        prop_assert!(out[..head].iter().all(|byte| *byte == b'h'));
        prop_assert_eq!(chain.bytes(), chain.concat().len());
        let written = if chain.is_empty() { out[head..].to_vec() } else { chain.concat() };
        prop_assert!(chain.is_empty() || out.len() == head);
        prop_assert!(written == plain);
        // And at the end of what somebody is to be sent.
        let mut output = resp::Output::default();
        output.append(b"before");
        write(&mut Writer::to(output.sink(), Protocol::Resp2), &steps);
        prop_assert_eq!(output.len(), plain.len() + 6);
        let (chain, tail) = output.take();
        prop_assert!([chain.concat(), tail].concat() == [&b"before"[..], &plain].concat());
    }
}

#[test]
fn a_long_reply_of_short_strings_is_never_in_one_buffer() {
    let mut output = resp::Output::default();
    let mut writer = Writer::to(output.sink(), Protocol::Resp2);
    writer.array(1_000_000);
    (0..1_000_000).for_each(|_| writer.bulk(b"0123456789"));
    let (chain, tail) = output.take();
    assert!(chain.pieces().len() > 60);
    let sizes = || chain.pieces().iter().chain([&tail]).map(Vec::capacity);
    assert!(sizes().all(|bytes| bytes <= 2 * PIECE_BYTES), "{:?}", sizes().max());
}
