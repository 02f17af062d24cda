//! Random operations on a ranking against a sorted list.
//!
//! `COMPACT_CASES` sets the number of cases, as in `model.rs`.

use compact::{KeyHash, Ranked, Ranking};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::LazyLock;

static HASHER: LazyLock<KeyHash> = LazyLock::new(|| KeyHash::new(3));

#[derive(Clone, Debug)]
enum Op {
    Set(u16, f64),
    Add(u16, f64, bool),
    Remove(u16),
    RemoveRank(usize),
    Fill(u16, u16, i8),
    Drain(u16, u16),
}

fn score() -> impl Strategy<Value = f64> {
    prop_oneof![
        6 => (-4..5i32).prop_map(f64::from),
        2 => any::<f64>().prop_filter("a number", |score| !score.is_nan()),
        1 => prop_oneof![Just(0.0), Just(-0.0), Just(f64::INFINITY), Just(f64::NEG_INFINITY)],
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let key = || 0..1000u16;
    prop_oneof![
        20 => (key(), score()).prop_map(|(key, score)| Op::Set(key, score)),
        5 => (key(), score(), any::<bool>()).prop_map(|(key, by, may)| Op::Add(key, by, may)),
        10 => key().prop_map(Op::Remove),
        5 => (0..600usize).prop_map(Op::RemoveRank),
        3 => (key(), key(), -2..3i8).prop_map(|(from, to, slope)| Op::Fill(from, to, slope)),
        2 => (key(), key()).prop_map(|(from, to)| Op::Drain(from, to)),
    ]
}

fn member(number: u16) -> Vec<u8> {
    format!("member:{number}").into_bytes()
}

#[derive(Default)]
struct Model(BTreeMap<Vec<u8>, f64>);

impl Model {
    fn sorted(&self) -> Vec<(&[u8], f64)> {
        let mut all: Vec<_> = self.0.iter().map(|(key, score)| (&key[..], *score)).collect();
        all.sort_by(|a, b| a.1.partial_cmp(&b.1).unwrap().then(a.0.cmp(b.0)));
        all
    }
}

fn set(ranking: &mut Ranking, model: &mut Model, number: u16, score: f64) {
    let name = member(number);
    let expected = match model.0.get(&name) {
        None => Ranked::New,
        Some(old) if *old == score => Ranked::Same,
        Some(_) => Ranked::Moved,
    };
    assert_eq!(ranking.set(&name, score), expected);
    if expected != Ranked::Same {
        model.0.insert(name, score);
    }
}

fn apply(ranking: &mut Ranking, model: &mut Model, op: Op) {
    let mut remove = |number: u16| {
        let name = member(number);
        assert_eq!(ranking.remove(&name), model.0.remove(&name));
    };
    match op {
        Op::Remove(number) => remove(number),
        Op::RemoveRank(rank) => {
            let expected = model.sorted().get(rank).map(|(name, score)| (name.to_vec(), *score));
            assert_eq!(ranking.remove_rank(rank), expected.as_ref().map(|(_, score)| *score));
            expected.into_iter().for_each(|(name, _)| _ = model.0.remove(&name));
        }
        Op::Add(number, by, may) => {
            let name = member(number);
            let old = model.0.get(&name).copied();
            let sum = Some(old.unwrap_or(0.0) + by).filter(|sum| may && !sum.is_nan());
            let done = ranking.update(&name, |seen| {
                assert_eq!(seen, old);
                sum
            });
            let expected = match (old, sum) {
                (_, None) => Ranked::Same,
                (None, Some(_)) => Ranked::New,
                (Some(old), Some(sum)) if old == sum => Ranked::Same,
                _ => Ranked::Moved,
            };
            assert_eq!(done, expected);
            if let (Some(sum), true) = (sum, done != Ranked::Same) {
                model.0.insert(name, sum);
            }
        }
        Op::Drain(from, to) => (from..to).for_each(remove),
        Op::Set(number, score) => set(ranking, model, number, score),
        Op::Fill(from, to, slope) => (from..to).for_each(|number| {
            set(ranking, model, number, f64::from(number) * f64::from(slope));
        }),
    }
}

fn compare(ranking: &Ranking, model: &Model) {
    let sorted = model.sorted();
    assert_eq!(ranking.len(), sorted.len());
    assert_eq!(ranking.iter_from(0).collect::<Vec<_>>(), sorted);
    let mut reversed: Vec<_> = ranking.iter_back_from(usize::MAX).collect();
    reversed.reverse();
    assert_eq!(reversed, sorted);
    for (rank, (name, score)) in sorted.iter().enumerate() {
        assert_eq!(ranking.rank(name), Some(rank));
        assert_eq!(ranking.score(name), Some(*score));
    }
    for rank in (0..sorted.len() + 2).step_by(7) {
        assert_eq!(ranking.nth(rank), sorted.get(rank).copied());
        assert_eq!(ranking.iter_back_from(rank).next(), {
            rank.min(sorted.len()).checked_sub(1).map(|before| sorted[before])
        });
    }
    for bound in [-1e9, -3.0, 0.0, 2.5, f64::INFINITY] {
        let model = sorted.partition_point(|(_, score)| *score < bound);
        assert_eq!(ranking.rank_where(|score, _| score < bound), model);
        let model = sorted.partition_point(|(_, score)| *score <= bound);
        assert_eq!(ranking.rank_where(|score, _| score <= bound), model);
    }
}

fn cases() -> u32 {
    std::env::var("COMPACT_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(64)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn a_ranking_is_a_sorted_list(ops in prop::collection::vec(op(), 0..100)) {
        let (mut ranking, mut model) = (Ranking::new(*HASHER), Model::default());
        for op in ops {
            apply(&mut ranking, &mut model, op);
        }
        compare(&ranking, &model);
    }
}

#[test]
fn three_levels_of_nodes_grow_and_shrink() {
    let (mut ranking, mut model) = (Ranking::new(*HASHER), Model::default());
    for number in 0..20_000u16 {
        set(&mut ranking, &mut model, number.wrapping_mul(7919) % 20_011, f64::from(number % 97));
    }
    compare(&ranking, &model);
    for number in 0..20_011u16 {
        if !number.is_multiple_of(50) {
            let name = member(number);
            assert_eq!(ranking.remove(&name), model.0.remove(&name));
        }
    }
    compare(&ranking, &model);
}

#[test]
fn a_ranking_is_dismantled_in_steps() {
    let mut ranking = Ranking::new(*HASHER);
    (0..10_000u16).for_each(|number| _ = ranking.set(&member(number), f64::from(number)));
    let mut steps = 0;
    while ranking.dismantle(100) {
        steps += 1;
    }
    assert!(ranking.is_empty());
    assert!((100..300).contains(&steps), "{steps}");
}
