//! Random operations on sorted sets against a plain model, across both forms and their thresholds.

use base::Now;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::ops::Bound;
use store::{
    Hasher, LexBound, LexRange, Look, Ranked, ScoreRange, Scored, Shapes, SortedSet, Store, Str,
};

const NOW: Now = Now { unix_us: 1_700_000_000_000_000, mono_us: 0 };

#[derive(Clone, Debug)]
enum Op {
    Set(u8, f64),
    /// Adds to a score, unless that is refused.
    Add(u8, f64, bool),
    Remove(u8),
    RemoveRanks(usize, usize),
    RemoveScores(ScoreRange),
    Fill(u8),
    Delete,
}

fn score() -> impl Strategy<Value = f64> {
    prop_oneof![
        8 => (-6..7i32).prop_map(f64::from),
        2 => any::<f64>().prop_filter("a number", |score| !score.is_nan()),
        2 => any::<i64>().prop_map(|number| number as f64),
        1 => prop_oneof![Just(0.5), Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(i64::MAX as f64)],
    ]
}

fn end() -> impl Strategy<Value = Bound<f64>> {
    (score(), any::<bool>()).prop_map(|(score, open)| {
        if open { Bound::Excluded(score) } else { Bound::Included(score) }
    })
}

fn scores() -> impl Strategy<Value = ScoreRange> {
    (end(), end()).prop_map(|(min, max)| ScoreRange { min, max })
}

fn op() -> impl Strategy<Value = Op> {
    let member = || 0..60u8;
    prop_oneof![
        16 => (member(), score()).prop_map(|(member, score)| Op::Set(member, score)),
        6 => (member(), score(), any::<bool>()).prop_map(|(member, by, may)| Op::Add(member, by, may)),
        8 => member().prop_map(Op::Remove),
        2 => (0..40usize, 0..40usize).prop_map(|(from, to)| Op::RemoveRanks(from, to)),
        2 => scores().prop_map(Op::RemoveScores),
        1 => member().prop_map(Op::Fill),
        1 => Just(Op::Delete),
    ]
}

fn name(number: u8) -> Vec<u8> {
    match number % 4 {
        0 => format!("{number}").into_bytes(),
        1 => format!("m{number}").into_bytes(),
        2 => format!("-{number}").into_bytes(),
        _ => vec![b'a' + number % 26; 20 + usize::from(number)],
    }
}

type Model = BTreeMap<Vec<u8>, f64>;

fn sorted(model: &Model) -> Vec<(Vec<u8>, f64)> {
    let mut all: Vec<_> = model.iter().map(|(name, score)| (name.clone(), *score)).collect();
    all.sort_by(|a, b| a.1.partial_cmp(&b.1).unwrap().then(a.0.cmp(&b.0)));
    all
}

fn own(scored: Scored<'_>) -> (Vec<u8>, f64) {
    (scored.member.to_vec(), scored.score)
}

fn is_inside(range: &ScoreRange, score: f64) -> bool {
    (range.min, range.max).contains_score(score)
}

trait Contains {
    fn contains_score(&self, score: f64) -> bool;
}

impl Contains for (Bound<f64>, Bound<f64>) {
    fn contains_score(&self, score: f64) -> bool {
        std::ops::RangeBounds::contains(self, &score)
    }
}

struct World {
    store: Store,
    hasher: Hasher,
    model: Model,
}

impl World {
    fn apply(&mut self, op: Op) {
        let key = self.hasher.key(b"z");
        let before = self.store.changes();
        let mut db = self.store.db(0);
        let mut changes = 0;
        match op {
            Op::Set(number, score) => {
                let name = name(number);
                let done = db.edit_sorted_set(&key, NOW, |set| set.set(&name, score)).unwrap();
                let expected = match self.model.get(&name) {
                    None => Ranked::New,
                    Some(old) if *old == score => Ranked::Same,
                    Some(_) => Ranked::Moved,
                };
                assert_eq!(done, expected);
                changes = u64::from(done != Ranked::Same);
                self.model.insert(name, score);
            }
            Op::Add(number, by, may) => {
                let name = name(number);
                let mut seen = None;
                let decide = |old: Option<f64>| {
                    seen = old;
                    let sum = old.unwrap_or(0.0) + by;
                    let sum = if old.is_none() { by } else { sum };
                    (may && !sum.is_nan()).then_some(sum)
                };
                db.edit_sorted_set(&key, NOW, |set| set.update(&name, by, decide)).unwrap();
                assert_eq!(seen, self.model.get(&name).copied());
                let sum = seen.map_or(by, |old| old + by);
                if may && !sum.is_nan() {
                    changes = u64::from(seen != Some(sum));
                    self.model.insert(name, sum);
                }
            }
            Op::Remove(number) => {
                let name = name(number);
                let removed = db.edit_sorted_set(&key, NOW, |set| set.remove(&name)).unwrap();
                changes = u64::from(removed.is_some());
                assert_eq!(removed, self.model.remove(&name));
            }
            Op::RemoveRanks(from, to) => {
                let removed =
                    db.edit_sorted_set(&key, NOW, |set| set.remove_ranks(from..to)).unwrap();
                let all = sorted(&self.model);
                let gone: Vec<_> =
                    all.into_iter().skip(from).take(to.saturating_sub(from)).collect();
                assert_eq!(removed, gone.len());
                changes = removed as u64;
                gone.iter().for_each(|(name, _)| _ = self.model.remove(name));
            }
            Op::RemoveScores(range) => {
                let removed =
                    db.edit_sorted_set(&key, NOW, |set| set.remove_within(&range)).unwrap();
                let before = self.model.len();
                self.model.retain(|_, score| !is_inside(&range, *score));
                assert_eq!(removed, before - self.model.len());
                changes = removed as u64;
            }
            Op::Fill(count) => {
                for number in 0..count {
                    self.apply(Op::Set(number, f64::from(number % 7)));
                }
                return;
            }
            Op::Delete => {
                assert_eq!(db.remove(&key, NOW), !self.model.is_empty());
                changes = u64::from(!self.model.is_empty());
                self.model.clear();
            }
        }
        assert_eq!(self.store.changes() - before, changes);
    }

    fn compare(&mut self, range: &ScoreRange) {
        let key = self.hasher.key(b"z");
        let all = sorted(&self.model);
        let set = self.store.db(0).sorted_set(&key, Look::Peek, NOW).unwrap();
        let Some(set) = set else { return assert!(all.is_empty()) };
        assert_eq!(set.len(), all.len());
        assert_eq!(set.iter_from(0).map(own).collect::<Vec<_>>(), all);
        let mut reversed: Vec<_> = set.iter_back_from(usize::MAX).map(own).collect();
        reversed.reverse();
        assert_eq!(reversed, all);
        for (rank, (name, score)) in all.iter().enumerate() {
            assert_eq!(set.score(name), Some(*score));
            assert_eq!(set.rank(name), Some((rank, *score)));
            assert_eq!(set.iter_from(rank).next().map(own).as_ref(), Some(&all[rank]));
            assert_eq!(set.iter_back_from(rank + 1).next().map(own).as_ref(), Some(&all[rank]));
        }
        assert_eq!((set.score(b"none"), set.rank(b"none")), (None, None));
        compare_range(set, &all, range);
        let (mut cursor, mut scanned) = (0, Vec::new());
        loop {
            cursor = set.scan(cursor, 3, |scored| scanned.push(own(scored)));
            if cursor == 0 {
                break;
            }
        }
        scanned.sort_by(|a, b| a.1.partial_cmp(&b.1).unwrap().then(a.0.cmp(&b.0)));
        scanned.dedup();
        assert_eq!(scanned, all);
    }
}

fn compare_range(set: SortedSet<'_>, all: &[(Vec<u8>, f64)], range: &ScoreRange) {
    let mut inside: Vec<_> =
        all.iter().filter(|(_, score)| is_inside(range, *score)).cloned().collect();
    assert_eq!(set.count_within(range), inside.len());
    for skip in [0, 1, 5, usize::MAX] {
        let wanted: Vec<_> = inside.iter().skip(skip).cloned().collect();
        assert_eq!(set.within(*range, false, skip).map(own).collect::<Vec<_>>(), wanted);
    }
    inside.reverse();
    for skip in [0, 2] {
        let wanted: Vec<_> = inside.iter().skip(skip).cloned().collect();
        assert_eq!(set.within(*range, true, skip).map(own).collect::<Vec<_>>(), wanted);
    }
}

proptest! {
    #[test]
    fn a_sorted_set_is_a_sorted_list(
        ops in prop::collection::vec((op(), scores()), 0..60),
        entries in prop_oneof![Just(0usize), Just(5), Just(512)],
        value in prop_oneof![Just(64usize), Just(10), Just(5000)],
    ) {
        let mut store = Store::new(1, 0..base::SLOTS as u16, 7, 1);
        store.set_shapes(Shapes {
            sorted_set_entries: entries,
            sorted_set_value: value,
            ..Shapes::default()
        });
        let mut world = World { hasher: store.hasher(), store, model: Model::new() };
        for (op, range) in ops {
            world.apply(op);
            world.compare(&range);
        }
        let full = world.store.used_bytes();
        let key = world.hasher.key(b"z");
        world.store.db(0).remove(&key, NOW);
        while world.store.free_step(10) {}
        prop_assert!(world.store.used_bytes() <= full);
    }

    #[test]
    fn ranges_of_members_are_those_of_their_bytes(
        members in prop::collection::btree_set(0..60u8, 0..40),
        min in 0..60u8, max in 0..60u8, open in any::<bool>(),
        entries in prop_oneof![Just(0usize), Just(512)],
    ) {
        let mut store = Store::new(1, 0..base::SLOTS as u16, 7, 1);
        store.set_shapes(Shapes { sorted_set_entries: entries, ..Shapes::default() });
        let key = store.hasher().key(b"z");
        let mut names: Vec<Vec<u8>> = members.into_iter().map(name).collect();
        store.db(0).edit_sorted_set(&key, NOW, |set| {
            names.iter().for_each(|name| _ = set.set(name, 1.0));
        }).unwrap();
        names.sort();
        let (min, max) = (name(min), name(max));
        let range = LexRange {
            min: if open { LexBound::Excluded(&min) } else { LexBound::Included(&min) },
            max: LexBound::Included(&max),
        };
        names.retain(|name| *name <= max && (*name > min || (*name == min && !open)));
        if let Some(set) = store.db(0).sorted_set(&key, Look::Peek, NOW).unwrap() {
            let found: Vec<_> = set.within(range, false, 0).map(|one| one.member.to_vec()).collect();
            prop_assert_eq!(&found, &names);
            prop_assert_eq!(set.count_within(&range), names.len());
            names.reverse();
            let found: Vec<_> = set.within(range, true, 0).map(|one| one.member.to_vec()).collect();
            prop_assert_eq!(&found, &names);
            let all = LexRange { min: LexBound::Lowest, max: LexBound::Highest };
            prop_assert_eq!(set.count_within(&all), set.len());
        }
        let removed = store.db(0).edit_sorted_set(&key, NOW, |set| set.remove_within(&range));
        prop_assert_eq!(removed.unwrap(), names.len());
    }
}

#[test]
fn a_large_sorted_set_goes_in_steps_and_all_of_its_memory_with_it() {
    let mut store = Store::new(1, 0..base::SLOTS as u16, 7, 1);
    let key = store.hasher().key(b"large");
    let fill = |store: &mut Store| {
        store.db(0).edit_sorted_set(&key, NOW, |set| {
            (0..5000)
                .for_each(|n| _ = set.set(format!("member:{n}").as_bytes(), f64::from(n % 71)));
        })
    };
    let before = store.memory().dataset;
    fill(&mut store).unwrap();
    assert!(store.memory().dataset > before + 5000 * 20);
    assert!(store.db(0).remove(&key, NOW));
    assert!(store.has_buried());
    let mut steps = 0;
    while store.free_step(100) {
        steps += 1;
    }
    assert!((40..=120).contains(&steps), "{steps} steps of 100 for 5000 members");
    assert_eq!(store.memory().dataset, before);
    // Removing all of its members is the same.
    fill(&mut store).unwrap();
    let removed = store.db(0).edit_sorted_set(&key, NOW, |set| set.remove_ranks(0..usize::MAX));
    assert_eq!(removed, Ok(5000));
    assert!(store.has_buried());
    assert!(!store.db(0).exists(&key, NOW));
    while store.free_step(100) {}
    assert_eq!(store.memory().dataset, before);
    fill(&mut store).unwrap();
    store.db(0).set(&key, b"text", store::Expiry::Clear, NOW);
    assert!(store.has_buried());
    assert_eq!(store.db(0).string(&key, NOW), Ok(Some(Str::Bytes(b"text"))));
}
