//! Random commands on a store against a map of keys with times to live.
//!
//! `STORE_CASES` sets the number of cases: more for a campaign, fewer under valgrind.

use base::Now;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use store::{Cause, Evicted, Eviction, Expiry, IncrError, Look, Policy, Store, Str, parse_integer};

#[derive(Clone, Debug)]
enum Op {
    Set(u8, Vec<u8>, Option<i64>, bool),
    Append(u8, Vec<u8>),
    SetRange(u8, usize, Vec<u8>),
    Incr(u8, i64),
    Expire(u8, Option<i64>),
    Remove(u8),
    Get(u8),
    Wait(i64),
    ExpireStep(usize, u32),
    Swap,
    Flush,
    Compact,
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..60),
        2 => any::<i64>().prop_map(|number| number.to_string().into_bytes()),
        1 => (0..100i64).prop_map(|number| number.to_string().into_bytes()),
        1 => (3000..5000usize).prop_map(|len| vec![b'x'; len]),
        1 => (60_000..80_000usize).prop_map(|len| vec![b'y'; len]),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let key = 0..40u8;
    let ttl = prop_oneof![Just(None), (-20..200i64).prop_map(Some)];
    prop_oneof![
        6 => (key.clone(), text(), ttl.clone(), any::<bool>()).prop_map(|(k, v, t, keep)| Op::Set(k, v, t, keep)),
        3 => (key.clone(), text()).prop_map(|(k, v)| Op::Append(k, v)),
        2 => (key.clone(), 0..5000usize, text()).prop_map(|(k, at, v)| Op::SetRange(k, at, v)),
        2 => (key.clone(), any::<i64>()).prop_map(|(k, by)| Op::Incr(k, by)),
        2 => (key.clone(), -5..5i64).prop_map(|(k, by)| Op::Incr(k, by)),
        3 => (key.clone(), ttl).prop_map(|(k, t)| Op::Expire(k, t)),
        2 => key.clone().prop_map(Op::Remove),
        3 => key.prop_map(Op::Get),
        2 => (0..50i64).prop_map(Op::Wait),
        2 => (0..60usize, 1..11u32).prop_map(|(budget, effort)| Op::ExpireStep(budget, effort)),
        1 => Just(Op::Swap),
        1 => Just(Op::Flush),
        1 => Just(Op::Compact),
    ]
}

type Model = BTreeMap<Vec<u8>, (Vec<u8>, Option<i64>)>;

struct World {
    store: Store,
    models: [Model; 2],
    ms: i64,
}

fn key_bytes(key: u8) -> Vec<u8> {
    let mut bytes = format!("key{key}").into_bytes();
    bytes.resize(bytes.len() + if key.is_multiple_of(7) { 300 } else { 0 }, b'.');
    bytes
}

impl World {
    fn new() -> World {
        World { store: Store::new(2, 0..16384, 1, 2), models: Default::default(), ms: 10_000 }
    }

    fn now(&self) -> Now {
        Now { unix_us: self.ms * 1000, mono_us: self.ms as u64 * 1000 }
    }

    /// What the model holds under the key, unless it is expired.
    fn held(&mut self, key: &[u8]) -> Option<&mut (Vec<u8>, Option<i64>)> {
        let ms = self.ms;
        self.models[0].get_mut(key).filter(|(_, expiry)| expiry.is_none_or(|at| at >= ms))
    }

    fn apply(&mut self, op: Op) {
        let (now, hasher) = (self.now(), self.store.hasher());
        match op {
            Op::Set(key, value, ttl, keep) => {
                let bytes = key_bytes(key);
                let expiry = match ttl {
                    _ if keep => Expiry::Keep,
                    None => Expiry::Clear,
                    Some(ttl) => Expiry::At(self.ms + ttl),
                };
                self.store.db(0).set(&hasher.key(&bytes), &value, expiry, now);
                let kept = self.held(&bytes).and_then(|held| held.1);
                let expiry = if keep { kept } else { ttl.map(|ttl| self.ms + ttl) };
                self.models[0].insert(bytes, (value, expiry));
            }
            Op::Append(key, tail) => {
                let bytes = key_bytes(key);
                let len = self
                    .store
                    .db(0)
                    .append(&hasher.key(&bytes), &tail, now)
                    .expect("all are strings");
                let (mut value, expiry) = self.held(&bytes).cloned().unwrap_or_default();
                value.extend_from_slice(&tail);
                assert_eq!(len, value.len());
                self.models[0].insert(bytes, (value, expiry));
            }
            Op::SetRange(key, at, patch) => {
                let bytes = key_bytes(key);
                let len = self
                    .store
                    .db(0)
                    .set_range(&hasher.key(&bytes), at, &patch, now)
                    .expect("all are strings");
                let held = self.held(&bytes).cloned();
                if patch.is_empty() {
                    assert_eq!(len, held.map_or(0, |held| held.0.len()));
                    return;
                }
                let (mut value, expiry) = held.unwrap_or_default();
                value.resize(value.len().max(at + patch.len()), 0);
                value[at..at + patch.len()].copy_from_slice(&patch);
                assert_eq!(len, value.len());
                self.models[0].insert(bytes, (value, expiry));
            }
            Op::Incr(key, by) => self.incr(key, by),
            Op::Expire(key, ttl) => {
                let (bytes, at) = (key_bytes(key), ttl.map(|ttl| self.ms + ttl));
                let done = self.store.db(0).set_expiry(&hasher.key(&bytes), at, now);
                assert_eq!(done, self.held(&bytes).map(|held| held.1 = at).is_some());
            }
            Op::Remove(key) => {
                let bytes = key_bytes(key);
                let done = self.store.db(0).remove(&hasher.key(&bytes), now);
                assert_eq!(done, self.held(&bytes).is_some());
                if done {
                    self.models[0].remove(&bytes);
                }
            }
            Op::Get(key) => self.get(key),
            Op::Wait(ms) => self.ms += ms,
            Op::ExpireStep(budget, effort) => {
                let report = self.store.expire_step(now, budget, effort);
                assert!(report.used <= budget + 64, "a step keeps to its budget");
            }
            Op::Swap => {
                self.store.swap(0, 1);
                self.models.swap(0, 1);
            }
            Op::Flush => {
                self.store.flush(0);
                self.models[0].clear();
                self.store.free_step(10);
            }
            Op::Compact => {
                self.store.compact_step(100);
            }
        }
    }

    fn incr(&mut self, key: u8, by: i64) {
        let (now, hasher, bytes) = (self.now(), self.store.hasher(), key_bytes(key));
        let result = self.store.db(0).incr(&hasher.key(&bytes), by, now);
        let (value, expiry) = self.held(&bytes).cloned().unwrap_or((b"0".to_vec(), None));
        let wanted = match parse_integer(&value) {
            None => Err(IncrError::NotInteger),
            Some(number) => number.checked_add(by).ok_or(IncrError::Overflow),
        };
        assert_eq!(result, wanted);
        if let Ok(sum) = wanted {
            self.models[0].insert(bytes, (sum.to_string().into_bytes(), expiry));
        }
    }

    fn get(&mut self, key: u8) {
        let (now, hasher, bytes) = (self.now(), self.store.hasher(), key_bytes(key));
        let key = hasher.key(&bytes);
        let value = self
            .store
            .db(0)
            .string(&key, now)
            .expect("all are strings")
            .map(|value| value.to_vec());
        let expiry = self.store.db(0).expiry(&key, now);
        let exists = self.store.db(0).exists(&key, now);
        let held = self.held(&bytes).cloned();
        assert_eq!(
            (value, expiry),
            (held.clone().map(|held| held.0), held.as_ref().map(|held| held.1))
        );
        assert_eq!(exists, held.is_some());
        assert_eq!(self.store.db(0).memory_usage(&key, now).is_some(), exists);
    }

    fn check(&mut self) {
        let now = self.now();
        (0..40).for_each(|key| self.get(key));
        let alive: BTreeSet<Vec<u8>> = self.models[0]
            .iter()
            .filter(|(_, (_, expiry))| expiry.is_none_or(|at| at >= self.ms))
            .map(|(key, _)| key.clone())
            .collect();
        let mut seen = BTreeSet::new();
        self.store.db(0).keys(now, |key| assert!(seen.insert(key.to_vec())));
        assert_eq!(seen, alive);
        let (mut cursor, mut scanned) = (0, BTreeSet::new());
        loop {
            cursor = self.store.db(0).scan(cursor, 3, now, |key, kind| {
                assert_eq!(kind.name(), "string");
                scanned.insert(key.to_vec());
            });
            assert!(cursor < 1 << 53);
            if cursor == 0 {
                break;
            }
        }
        assert_eq!(scanned, alive);
        assert_eq!(self.store.db(0).random_key(now).is_some(), !alive.is_empty());
        // Every key was looked up above, so no expired one of the model's is left.
        assert_eq!(self.store.len(0), alive.len());
        while self.store.free_step(100) {}
    }
}

fn cases(full: u32) -> ProptestConfig {
    let cases = std::env::var("STORE_CASES").ok().and_then(|text| text.parse().ok());
    ProptestConfig {
        cases: cases.unwrap_or(full),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn a_store_holds_what_a_map_with_times_to_live_holds(ops in prop::collection::vec(op(), 1..150)) {
        let mut world = World::new();
        for op in ops {
            world.apply(op);
        }
        world.check();
    }

    #[test]
    fn equal_seeds_and_calls_give_equal_behaviour(
        ops in prop::collection::vec(op(), 1..100),
        policy in prop::sample::select(Policy::ALL.to_vec()),
    ) {
        let (mut one, mut two) = (World::new(), World::new());
        for world in [&mut one, &mut two] {
            world.store.watch_removals(true);
            world.store.set_eviction(Eviction { policy, ..Eviction::default() });
            ops.iter().for_each(|op| world.apply(op.clone()));
            // From here on the models are wrong, but the stores must still agree.
            (0..20).for_each(|_| { world.store.evict_step(world.now()); });
        }
        prop_assert_eq!(one.store.take_removed(), two.store.take_removed());
        prop_assert_eq!(one.store.memory(), two.store.memory());
        let now = one.now();
        prop_assert_eq!(one.store.db(0).random_key(now), two.store.db(0).random_key(now));
    }

    #[test]
    fn any_cursor_is_answered(keys in 0..200u32, cursor: u64) {
        let mut store = Store::new(1, 4000..12000, 1, 2);
        let (now, hasher) = (Now::default(), store.hasher());
        (0..keys).for_each(|key| store.db(0).set(&hasher.key(&key.to_le_bytes()), b"v", Expiry::Clear, now));
        let next = store.db(0).scan(cursor, 10, now, |_, _| {});
        prop_assert!(next == 0 || (4000..12000).contains(&store::cursor_slot(next).number()));
    }
}

fn at(ms: i64) -> Now {
    Now { unix_us: ms * 1000, mono_us: ms as u64 * 1000 }
}

fn fill(store: &mut Store, keys: u32, value: &[u8], expiry: impl Fn(u32) -> Option<i64>, now: Now) {
    let hasher = store.hasher();
    for key in 0..keys {
        let expiry = expiry(key).map_or(Expiry::Clear, Expiry::At);
        store.db(0).set(&hasher.key(format!("k{key}").as_bytes()), value, expiry, now);
    }
}

#[test]
fn expired_keys_are_absent_to_every_read_before_they_are_deleted() {
    let mut store = Store::new(1, 0..16384, 1, 2);
    fill(&mut store, 100, b"v", |_| Some(50), at(0));
    assert_eq!(store.len(0), 100);
    store.db(0).keys(at(51), |_| panic!("an expired key"));
    assert_eq!(store.db(0).scan(0, 1000, at(51), |_, _| panic!("an expired key")), 0);
    assert_eq!(store.db(0).random_key(at(51)), None);
    assert_eq!((store.len(0), store.expires(0)), (100, 100));
    let hasher = store.hasher();
    assert!(!store.db(0).remove(&hasher.key(b"k1"), at(51)));
    assert!(!store.db(0).set_expiry(&hasher.key(b"k2"), None, at(51)));
    assert_eq!(store.db(0).incr(&hasher.key(b"k3"), 4, at(51)), Ok(4));
    assert_eq!((store.len(0), store.stats().expired_keys), (98, 3));
}

#[test]
fn a_storm_of_expired_keys_is_worked_off_in_bounded_steps() {
    let mut store = Store::new(16, 0..16384, 1, 2);
    let keys = 50_000;
    fill(&mut store, keys, b"v", |key| (key % 10 != 0).then_some(1000), at(0));
    store.watch_removals(true);
    let (mut steps, mut removed) = (0, 0);
    loop {
        let report = store.expire_step(at(1001), 1000, 1);
        assert!(report.used <= 1000 + 64);
        removed += store.take_removed().len();
        steps += 1;
        if !report.more {
            break;
        }
    }
    assert!((40..400).contains(&steps), "{steps}");
    // What the rounds leave when few are stale is found by the next periods.
    for _ in 0..3000 {
        removed += {
            store.expire_step(at(1001), 1000, 1);
            store.take_removed().len()
        };
    }
    assert_eq!((store.expires(0), store.len(0), removed), (0, 5000, 45_000));
}

#[test]
fn the_cycle_keeps_the_stale_share_low_while_keys_keep_expiring() {
    let mut store = Store::new(1, 0..16384, 1, 2);
    let hasher = store.hasher();
    let mut worst = 0;
    for ms in 0..60_000i64 {
        let key = format!("k{ms}");
        store.db(0).set(&hasher.key(key.as_bytes()), b"v", Expiry::At(ms + 5000), at(ms));
        if ms % 100 == 0 {
            store.expire_step(at(ms), 10_000, 1);
            // 5000 keys are alive at any time.
            worst = worst.max(store.len(0));
        }
    }
    assert!(worst < 5800, "{worst}");
}

#[test]
fn removals_are_told_only_when_somebody_watches() {
    let mut store = Store::new(1, 0..16384, 1, 2);
    fill(&mut store, 10, b"v", |_| Some(50), at(0));
    let hasher = store.hasher();
    assert!(!store.db(0).exists(&hasher.key(b"k1"), at(60)));
    assert!(store.take_removed().is_empty());
    store.watch_removals(true);
    assert!(!store.db(0).exists(&hasher.key(b"k2"), at(60)));
    let removed = store.take_removed();
    assert_eq!(
        (removed.len(), &*removed[0].key, removed[0].cause),
        (1, &b"k2"[..], Cause::Expired)
    );
}

#[test]
fn encodings_are_named_as_clients_know_them() {
    let mut store = Store::new(1, 0..16384, 1, 2);
    let (hasher, now) = (store.hasher(), at(0));
    let key = hasher.key(b"k");
    let mut encoding = |value: &[u8]| {
        store.db(0).set(&key, value, Expiry::Clear, now);
        store.db(0).encoding(&key, now).expect("just set")
    };
    assert_eq!(encoding(b"12345"), "int");
    assert_eq!(encoding(b"012345"), "embstr");
    assert_eq!(encoding(&[b'x'; 44]), "embstr");
    assert_eq!(encoding(&[b'x'; 45]), "raw");
    assert_eq!(encoding(&[b'x'; 10_000]), "raw");
    encoding(b"1");
    store.db(0).append(&key, b"2", now).expect("a string");
    assert_eq!(store.db(0).encoding(&key, now), Some("raw"));
    assert_eq!(store.db(0).string(&key, now), Ok(Some(Str::Bytes(b"12"))));
    assert_eq!(store.db(0).incr(&key, 1, now), Ok(13));
    assert_eq!(store.db(0).encoding(&key, now), Some("int"));
}

#[test]
fn lookups_count_and_touch_as_they_are_told() {
    let mut store = Store::new(1, 0..16384, 1, 2);
    let hasher = store.hasher();
    let key = hasher.key(b"k");
    store.db(0).set(&key, b"v", Expiry::Clear, at(0));
    let looks =
        [(Look::Peek, 0, 10), (Look::Glance, 1, 10), (Look::Write, 0, 0), (Look::Read, 1, 0)];
    for (look, hits, idle) in looks {
        store.db(0).set(&key, b"v", Expiry::Clear, at(0));
        store.reset_stats();
        store.db(0).string_as(&key, look, at(10_000)).expect("a string");
        assert_eq!(store.stats().keyspace_hits, hits, "{look:?}");
        assert_eq!(store.db(0).idle_seconds(&key, at(10_000)), Some(idle), "{look:?}");
    }
    store.set_touch(false);
    store.db(0).string(&key, at(15_000)).expect("a string");
    assert_eq!(store.db(0).idle_seconds(&key, at(15_000)), Some(5));
    assert_eq!(store.db(0).string(&hasher.key(b"other"), at(0)), Ok(None));
    assert_eq!(store.stats().keyspace_misses, 1);
}

fn evict_half(
    policy: Policy,
    expiry: impl Fn(u32) -> Option<i64>,
    prepare: impl Fn(&mut Store),
) -> Vec<u32> {
    let mut store = Store::new(4, 0..16384, 1, 2);
    store.set_eviction(Eviction { policy, samples: 10, ..Eviction::default() });
    fill(&mut store, 1000, b"value", expiry, at(0));
    prepare(&mut store);
    store.watch_removals(true);
    let mut evicted = 0;
    while evicted < 500 {
        match store.evict_step(at(3_600_000)) {
            Evicted::Key => evicted += 1,
            Evicted::Searching => {}
            Evicted::Nothing => break,
        }
    }
    let number =
        |key: &[u8]| std::str::from_utf8(&key[1..]).expect("text").parse().expect("a number");
    let removed = store.take_removed();
    assert!(removed.iter().all(|removed| removed.cause == Cause::Evicted));
    assert_eq!(store.stats().evicted_keys as usize, removed.len());
    removed.iter().map(|removed| number(&removed.key)).collect()
}

/// Uses the upper half of the keys, so that the lower half should go.
fn use_upper(store: &mut Store) {
    let hasher = store.hasher();
    for round in 0..20 {
        for key in 500..1000 {
            let key = format!("k{key}");
            store
                .db(0)
                .string(&hasher.key(key.as_bytes()), at(3_500_000 + round * 1000))
                .expect("a string");
        }
    }
}

fn share_of_lower_half(evicted: &[u32]) -> usize {
    evicted.iter().filter(|key| **key < 500).count() * 100 / evicted.len().max(1)
}

#[test]
fn each_policy_lets_the_right_keys_go() {
    let all = |_: u32| None;
    let even = |key: u32| key.is_multiple_of(2).then_some(10_000_000 + i64::from(key));
    let every = |key: u32| Some(10_000_000 + i64::from(key));
    assert!(evict_half(Policy::NoEviction, all, |_| {}).is_empty());
    for policy in
        [Policy::VolatileLru, Policy::VolatileLfu, Policy::VolatileRandom, Policy::VolatileTtl]
    {
        assert!(evict_half(policy, all, |_| {}).is_empty(), "{policy:?}");
        let evicted = evict_half(policy, even, |_| {});
        assert!(evicted.len() == 500 && evicted.iter().all(|key| key % 2 == 0), "{policy:?}");
    }
    for policy in [Policy::AllKeysLru, Policy::AllKeysLfu] {
        let evicted = evict_half(policy, all, use_upper);
        assert!(evicted.len() == 500 && share_of_lower_half(&evicted) >= 95, "{policy:?}");
    }
    for policy in [Policy::VolatileLru, Policy::VolatileLfu] {
        assert!(share_of_lower_half(&evict_half(policy, every, use_upper)) >= 95, "{policy:?}");
    }
    assert!(share_of_lower_half(&evict_half(Policy::VolatileTtl, every, |_| {})) >= 95);
    let random = evict_half(Policy::AllKeysRandom, all, use_upper);
    assert!((35..65).contains(&share_of_lower_half(&random)));
}

#[test]
fn what_was_flushed_makes_room_before_anything_alive_goes() {
    let mut store = Store::new(2, 0..16384, 1, 2);
    fill(&mut store, 2000, &[b'x'; 100], |_| None, at(0));
    let full = store.used_bytes();
    assert_eq!(store.flush(0), 2000);
    assert_eq!((store.len(0), store.has_buried()), (0, true));
    fill(&mut store, 1, b"alive", |_| None, at(0));
    let mut steps = 0;
    while store.has_buried() {
        assert_eq!(store.evict_step(at(0)), Evicted::Searching);
        steps += 1;
    }
    assert!(steps >= 2000 / 512 && store.used_bytes() < full / 2);
    assert_eq!((store.evict_step(at(0)), store.len(0)), (Evicted::Nothing, 1));
}

/// Evicts as the engine does before a write of so many bytes; gives how many keys went.
fn make_room(store: &mut Store, limit: usize, bytes: usize, now: Now) -> usize {
    let enough = store.live_bytes().saturating_sub(bytes);
    let mut steps = 0;
    while store.used_bytes() > limit && steps < 1000 {
        if store.is_fragmented() && store.live_bytes() <= enough {
            break;
        }
        store.evict_step(now);
        steps += 1;
    }
    steps
}

#[test]
fn a_store_with_values_of_many_sizes_evicts_about_as_many_as_come() {
    let mut store = Store::new(1, 0..16384, 1, 2);
    store.set_eviction(Eviction { policy: Policy::AllKeysLru, ..Eviction::default() });
    let (hasher, limit) = (store.hasher(), 16 << 20);
    let mut prng = base::Prng::new(4);
    let (mut most, mut least) = (0, usize::MAX);
    for turn in 0..1500 {
        let now = at(turn);
        let mut evicted = 0;
        for _ in 0..100 {
            let size = 20 + prng.below(3000) as usize;
            evicted += make_room(&mut store, limit, size, now);
            let key = prng.below(1_000_000).to_le_bytes();
            store.db(0).set(&hasher.key(&key), &vec![1; size], Expiry::Clear, now);
        }
        store.compact_step(256 * store.compaction_speed(8));
        if turn > 500 {
            most = most.max(evicted);
            least = least.min(store.memory().dataset * 100 / limit);
        }
        assert!(store.used_bytes() < limit + limit / 20, "turn {turn}: {}", store.used_bytes());
    }
    assert!(most < 250, "{most} were evicted for 100 that came");
    // Each of 150 sizes has a span that is half full: of 16 MB that is much.
    assert!(least > 70, "at times only {least} % of the limit held data");
}

#[test]
fn a_store_at_its_limit_stays_there_though_sizes_change() {
    let mut store = Store::new(1, 0..16384, 1, 2);
    store.set_eviction(Eviction { policy: Policy::AllKeysLru, ..Eviction::default() });
    let hasher = store.hasher();
    let limit = 16 << 20;
    let (mut kept, mut most) = (Vec::new(), 0);
    for (phase, size) in [40usize, 700, 90, 3000, 200, 10].into_iter().enumerate() {
        let mut least = 100;
        for number in 0..(100_000_000 / (size + 100)).min(200_000) {
            let now = at((phase * 1_000_000 + number) as i64);
            let key = format!("{phase}:{number}");
            store.db(0).set(&hasher.key(key.as_bytes()), &vec![1; size], Expiry::Clear, now);
            let steps = make_room(&mut store, limit, size + 100, now);
            // While it is fragmented, the engine's turns are short.
            if number % 8 == 0 || store.is_fragmented() {
                store.compact_step(256 * store.compaction_speed(8));
            }
            most = most.max(steps);
            if number % 100 == 99 {
                assert!(
                    store.used_bytes() < limit + limit / 20,
                    "{phase} {number} {}",
                    store.used_bytes()
                );
                if store.used_bytes() + (64 << 10) > limit {
                    least = least.min(store.memory().dataset * 100 / limit);
                }
            }
        }
        kept.push(least);
    }
    // Evicting for fragmentation must not throw away what fits: most of the limit holds data, and no
    // write has to evict a large part of it.
    assert!(kept.iter().all(|least| *least > 60) && most < 1000, "{kept:?} {most}");
}
