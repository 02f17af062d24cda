//! Sets against a plain model, around the widths of integers and the thresholds.

use base::{Now, Prng};
use proptest::prelude::*;
use std::collections::BTreeSet;
use store::{Look, Shapes, Store};

#[derive(Clone, Debug)]
enum Step {
    Add(Vec<u8>),
    Remove(Vec<u8>),
}

/// Members: integers near the ends of each width, and few others.
fn member() -> impl Strategy<Value = Vec<u8>> {
    let near = |bit: u32, off: i64, negative: bool| {
        let edge = 1i128 << bit;
        let number = if negative { -edge } else { edge } + i128::from(off);
        number.clamp(i64::MIN.into(), i64::MAX.into()) as i64
    };
    prop_oneof![
        8 => (0..64u32, -2..=2i64, any::<bool>())
            .prop_map(move |(bit, off, negative)| near(bit, off, negative).to_string().into_bytes()),
        8 => (-200..200i64).prop_map(|number| number.to_string().into_bytes()),
        1 => prop_oneof![Just("a"), Just("07"), Just("-0"), Just(""), Just("9223372036854775808")]
            .prop_map(|text| text.as_bytes().to_vec()),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![3 => member().prop_map(Step::Add), 1 => member().prop_map(Step::Remove)]
}

/// Runs the steps, and compares all that can be read after each.
fn compare(steps: &[Step], shapes: Shapes) -> Result<(), TestCaseError> {
    let mut store = Store::new(1, 0..16_384, 3, 3);
    store.set_shapes(shapes);
    let (key, now) = (store.hasher().key(b"s"), Now::default());
    let mut model = BTreeSet::new();
    let mut prng = Prng::new(9);
    for step in steps {
        let changed = store.db(0).edit_set(&key, now, |set| match step {
            Step::Add(member) => set.add(member) == model.insert(member.clone()),
            Step::Remove(member) => set.remove(member) == model.remove(member),
        });
        prop_assert_eq!(changed, Ok(true));
        let set = store.db(0).set_at(&key, Look::Read, now).expect("it is a set");
        let Some(set) = set else {
            prop_assert!(model.is_empty());
            continue;
        };
        prop_assert_eq!(set.len(), model.len());
        let members: Vec<_> = set.iter().map(|member| member.to_vec()).collect();
        prop_assert_eq!(members.iter().cloned().collect::<BTreeSet<_>>(), model.clone());
        let mut scanned = Vec::new();
        let mut cursor = set.scan(0, 10, |member| scanned.push(member.to_vec()));
        while cursor != 0 {
            cursor = set.scan(cursor, 10, |member| scanned.push(member.to_vec()));
        }
        prop_assert_eq!(scanned.into_iter().collect::<BTreeSet<_>>(), model.clone());
        let drawn = set.draw(&mut prng).expect("it has members").to_vec();
        prop_assert!(model.contains(&drawn));
        let (Step::Add(asked) | Step::Remove(asked)) = step;
        prop_assert_eq!(set.contains(asked), model.contains(asked));
        prop_assert!(members.iter().all(|member| set.contains(member)));
        if store.db(0).encoding(&key, now) == Some("intset") {
            let number = |text: &Vec<u8>| str::from_utf8(text).ok()?.parse::<i64>().ok();
            let numbers: Vec<_> = members.iter().map(number).collect();
            prop_assert!(numbers.iter().all(Option::is_some) && numbers.is_sorted());
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_set_is_what_a_set_of_the_standard_library_is(
        steps in prop::collection::vec(step(), 0..120), ints in prop_oneof![Just(512usize), 0..40usize],
        entries in prop_oneof![Just(128usize), 0..40usize],
    ) {
        compare(&steps, Shapes { set_ints: ints, set_entries: entries, ..Shapes::default() })?;
    }

    #[test]
    fn integers_alone_are_a_set_of_the_standard_library(
        steps in prop::collection::vec(step().prop_filter("integers", |step| {
            let (Step::Add(text) | Step::Remove(text)) = step;
            store::parse_integer(text).is_some()
        }), 0..200),
    ) {
        compare(&steps, Shapes::default())?;
    }
}
