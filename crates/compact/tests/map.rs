//! Random operations on a table on its own against the standard map.
//!
//! `COMPACT_CASES` sets the number of cases, as in `model.rs`.

use base::Prng;
use compact::{KeyHash, Map, Pair, Plain};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

static HASHER: LazyLock<KeyHash> = LazyLock::new(|| KeyHash::new(3));

#[derive(Clone, Debug, PartialEq)]
enum Held {
    Bytes(Vec<u8>),
    Int(i64),
}

impl Held {
    fn plain(&self) -> Plain<'_> {
        match self {
            Held::Bytes(bytes) => Plain::Bytes(bytes),
            Held::Int(number) => Plain::Int(*number),
        }
    }
}

#[derive(Clone, Debug)]
enum Op {
    Set(u16, Held, Option<i64>),
    Remove(u16),
    SetDeadline(u16, Option<i64>),
    Fill(u16, u16),
    Drain(u16, u16),
    Dismantle(usize),
    Reap(i64),
}

fn op() -> impl Strategy<Value = Op> {
    let key = || 0..600u16;
    let len = prop_oneof![8 => 0..100usize, 2 => 200..300usize, 1 => 5000..6000usize];
    let held = prop_oneof![
        4 => (len, any::<u8>()).prop_map(|(len, byte)| Held::Bytes(vec![byte; len])),
        1 => any::<i64>().prop_map(Held::Int),
    ];
    let deadline =
        || prop_oneof![Just(None), any::<i64>().prop_map(Some), (-100..100i64).prop_map(Some)];
    prop_oneof![
        20 => (key(), held, deadline()).prop_map(|(key, held, at)| Op::Set(key, held, at)),
        10 => key().prop_map(Op::Remove),
        5 => (key(), deadline()).prop_map(|(key, at)| Op::SetDeadline(key, at)),
        2 => (key(), key()).prop_map(|(from, to)| Op::Fill(from, to)),
        2 => (key(), key()).prop_map(|(from, to)| Op::Drain(from, to)),
        1 => (0..50usize).prop_map(Op::Dismantle),
        1 => (-100..100i64).prop_map(Op::Reap),
    ]
}

fn key_of(number: u16) -> Vec<u8> {
    // Lengths on both sides of the width of a key's length.
    let mut key = format!("key:{number}").into_bytes();
    if number.is_multiple_of(50) {
        key.resize(300, b'.');
    }
    key
}

type Model = BTreeMap<Vec<u8>, (Held, Option<i64>)>;

fn apply(map: &mut Map, model: &mut Model, op: Op) {
    match op {
        Op::Set(number, held, deadline) => {
            let key = key_of(number);
            let new = map.set(&key, held.plain(), deadline);
            assert_eq!(new, model.insert(key, (held, deadline)).is_none());
        }
        Op::Remove(number) => {
            let key = key_of(number);
            assert_eq!(map.remove(&key), model.remove(&key).is_some());
        }
        Op::SetDeadline(number, deadline) => {
            let key = key_of(number);
            let there = model.get_mut(&key).map(|held| held.1 = deadline).is_some();
            assert_eq!(map.set_deadline(&key, deadline), there);
        }
        Op::Fill(from, to) => (from..to).for_each(|number| {
            let key = key_of(number);
            map.set(&key, Plain::Bytes(b"v"), None);
            model.insert(key, (Held::Bytes(b"v".to_vec()), None));
        }),
        Op::Drain(from, to) => (from..to).for_each(|number| {
            let key = key_of(number);
            assert_eq!(map.remove(&key), model.remove(&key).is_some());
        }),
        Op::Reap(now) => {
            let (mut position, mut removed, mut earliest) = (Some(0), 0, i64::MAX);
            while let Some(at) = position {
                let swept = map.reap(at, now);
                (position, removed) = (swept.next, removed + swept.removed);
                earliest = earliest.min(swept.earliest_ms);
            }
            let before = model.len();
            model.retain(|_, (_, deadline)| deadline.is_none_or(|at| at >= now));
            assert_eq!(removed, before - model.len());
            let wanted = model.values().filter_map(|(_, deadline)| *deadline).min();
            assert_eq!(earliest, wanted.unwrap_or(i64::MAX));
        }
        Op::Dismantle(budget) => {
            let before = map.len();
            map.dismantle(budget);
            assert_eq!(map.len(), before.saturating_sub(budget));
            model.retain(|key, _| map.contains(key));
        }
    }
}

fn assert_same(map: &Map, model: &Model) {
    assert_eq!(map.len(), model.len());
    assert_eq!(map.deadlines(), model.values().filter(|held| held.1.is_some()).count());
    for (key, (held, deadline)) in model {
        let pair = Pair { key, value: held.plain(), deadline: *deadline };
        assert_eq!(map.get(key), Some(pair));
    }
    let listed: BTreeSet<&[u8]> = map.iter().map(|pair| pair.key).collect();
    assert_eq!(listed.len(), model.len());
    let (mut scanned, mut position) = (BTreeSet::new(), Some(0));
    while let Some(at) = position {
        position = map.scan(at, |pair| _ = scanned.insert(pair.key));
    }
    assert_eq!(scanned, listed);
    if model.is_empty() {
        assert_eq!(map.bytes(), size_of::<Map>(), "an empty map holds no memory");
    }
}

fn cases() -> u32 {
    std::env::var("COMPACT_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(64)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn a_map_is_a_map(ops in prop::collection::vec(op(), 0..200)) {
        let (mut map, mut model) = (Map::new(*HASHER), Model::new());
        for op in ops {
            apply(&mut map, &mut model, op);
        }
        assert_same(&map, &model);
    }
}

#[test]
fn a_key_that_stays_is_scanned_whatever_happens_meanwhile() {
    for seed in 0..20 {
        let mut prng = Prng::new(seed);
        let mut map = Map::new(*HASHER);
        let stays: Vec<Vec<u8>> = (0..200).map(key_of).collect();
        stays.iter().for_each(|key| _ = map.set(key, Plain::Int(1), None));
        let (mut seen, mut position) = (BTreeSet::new(), Some(0));
        while let Some(at) = position {
            position = map.scan(at, |pair| _ = seen.insert(pair.key.to_vec()));
            for _ in 0..prng.below(60) {
                let key = format!("other:{}", prng.below(3000)).into_bytes();
                match prng.one_in(2) {
                    true => _ = map.set(&key, Plain::Bytes(b"x"), None),
                    false => _ = map.remove(&key),
                }
            }
        }
        assert!(stays.iter().all(|key| seen.contains(key)));
    }
}

#[test]
fn draws_are_uniform() {
    let mut map = Map::new(*HASHER);
    (0..300u16).for_each(|number| _ = map.set(&key_of(number), Plain::Int(1), None));
    let (mut prng, mut hits) = (Prng::new(1), BTreeMap::new());
    for _ in 0..300 * 400 {
        let key = map.random(&mut prng).expect("there are keys").key.to_vec();
        *hits.entry(key).or_insert(0) += 1;
    }
    assert_eq!(hits.len(), 300);
    assert!(hits.values().all(|hits| (300..500).contains(hits)));
    assert_eq!(Map::new(*HASHER).random(&mut prng), None);
}

#[test]
fn a_map_can_be_freed_on_another_thread() {
    let mut map = Map::new(*HASHER);
    (0..500u16).for_each(|number| _ = map.set(&key_of(number), Plain::Bytes(b"value"), Some(5)));
    let map = std::thread::spawn(move || {
        map.remove(&key_of(3));
        map
    });
    assert_eq!(map.join().expect("no panic").len(), 499);
}
