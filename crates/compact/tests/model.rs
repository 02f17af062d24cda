//! Random operations on the tables against the standard maps.
//!
//! `COMPACT_CASES` sets the number of cases: more for a campaign, fewer under valgrind:
//!
//! ```text
//! cargo test -p compact --features plain-alloc --no-run
//! COMPACT_CASES=20 valgrind --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite <binary>
//! ```

use base::Prng;
use compact::{KeyHash, Lookup, NewValue, Payload, Place, Tables, Value};
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::{Arc, LazyLock};

/// A payload that tells, when dropped, that it was.
struct Counted {
    bytes: Vec<u8>,
    /// Only counted: a clone for each payload that is alive.
    _alive: Arc<()>,
}

impl Payload for Counted {
    fn footprint(&self) -> usize {
        size_of::<Counted>() + self.bytes.len()
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Held {
    Bytes(Vec<u8>, u8),
    Int(i64),
    Boxed(Vec<u8>),
}

#[derive(Clone, Debug)]
enum Op {
    Put(u16, Held, Option<i64>),
    Remove(u16),
    SetDeadline(u16, Option<i64>),
    Resize(u16, usize, u8),
    Splice(u16, usize, usize, Vec<u8>),
    ChangeBox(u16, usize),
    SetAccess(u16, u32),
    Look(u16, i64),
    Reap(i64),
    Compact(usize),
    Bury,
    Free(usize),
    Fill(u16, u16),
    Drain(u16, u16),
}

fn length() -> impl Strategy<Value = usize> {
    prop_oneof![8 => 0..100usize, 4 => 200..300usize, 2 => 0..5000usize, 1 => 60_000..70_000usize]
}

fn held() -> impl Strategy<Value = Held> {
    prop_oneof![
        4 => (length(), any::<u8>(), 0..4u8).prop_map(|(len, byte, mark)| Held::Bytes(vec![byte; len], mark)),
        1 => any::<i64>().prop_map(Held::Int),
        1 => length().prop_map(|len| Held::Boxed(vec![7; len])),
    ]
}

fn deadline() -> impl Strategy<Value = Option<i64>> {
    prop_oneof![Just(None), (0..1000i64).prop_map(Some)]
}

fn op() -> impl Strategy<Value = Op> {
    let key = 0..400u16;
    prop_oneof![
        12 => (key.clone(), held(), deadline()).prop_map(|(key, held, deadline)| Op::Put(key, held, deadline)),
        6 => key.clone().prop_map(Op::Remove),
        4 => (key.clone(), deadline()).prop_map(|(key, deadline)| Op::SetDeadline(key, deadline)),
        4 => (key.clone(), length(), 0..4u8).prop_map(|(key, len, mark)| Op::Resize(key, len, mark)),
        6 => (key.clone(), length(), length(), length(), any::<u8>()).prop_map(|(key, at, remove, len, byte)| Op::Splice(key, at, remove, vec![byte; len])),
        2 => (key.clone(), length()).prop_map(|(key, len)| Op::ChangeBox(key, len)),
        2 => (key.clone(), 0..(1u32 << 26)).prop_map(|(key, access)| Op::SetAccess(key, access)),
        4 => (key.clone(), 0..1000i64).prop_map(|(key, now)| Op::Look(key, now)),
        1 => (0..300i64).prop_map(Op::Reap),
        1 => (1..2000usize).prop_map(Op::Compact),
        1 => Just(Op::Bury),
        1 => (0..50usize).prop_map(Op::Free),
        2 => (key.clone(), 0..3000u16).prop_map(|(from, count)| Op::Fill(from, count)),
        2 => (key, 0..3000u16).prop_map(|(from, count)| Op::Drain(from, count)),
    ]
}

/// A key's bytes: of all lengths, also such that need wide lengths.
fn key_bytes(key: u16) -> Vec<u8> {
    let mut bytes = key.to_string().into_bytes();
    bytes.resize(
        bytes.len() + [0, 3, 16, 250, 260][key as usize % 5] * usize::from(key < 400),
        b'k',
    );
    bytes
}

struct World {
    tables: Tables<Counted>,
    model: BTreeMap<u16, (Held, Option<i64>, u32)>,
    hash: KeyHash,
    alive: Arc<()>,
    /// Keys are spread over this many tables.
    spread: usize,
}

/// Made once, as a hash function keeps its multipliers for good.
static HASH: LazyLock<KeyHash> = LazyLock::new(|| KeyHash::new(42));

const SPACE: usize = 1;

impl World {
    fn new(spread: usize) -> World {
        let hash = *HASH;
        World {
            tables: Tables::new(2, hash),
            model: BTreeMap::new(),
            hash,
            alive: Arc::new(()),
            spread,
        }
    }

    fn place(&self, key: u16) -> Place {
        let hash = self.hash.hash(&key_bytes(key));
        Place { space: SPACE, table: (key as usize % self.spread) * 97 % compact::TABLES, hash }
    }

    fn put(&mut self, key: u16, held: Held, deadline: Option<i64>) {
        let (place, bytes, alive) = (self.place(key), key_bytes(key), self.alive.clone());
        let value = match &held {
            Held::Bytes(bytes, mark) => NewValue::Bytes { bytes, mark: *mark },
            Held::Int(number) => NewValue::Int(*number),
            Held::Boxed(bytes) => {
                NewValue::Boxed(Box::new(Counted { bytes: bytes.clone(), _alive: alive }))
            }
        };
        let access = match self.tables.lookup(place, &bytes, i64::MIN, true) {
            Lookup::Live(mut found) => {
                found.replace(value, deadline);
                found.access()
            }
            _ => {
                self.tables.insert(place, &bytes, value, deadline, 5);
                5
            }
        };
        self.model.insert(key, (held, deadline, access));
    }

    fn remove(&mut self, key: u16) {
        let found = match self.tables.lookup(self.place(key), &key_bytes(key), i64::MIN, true) {
            Lookup::Live(found) => {
                found.remove();
                true
            }
            _ => false,
        };
        assert_eq!(found, self.model.remove(&key).is_some());
    }

    fn resize(&mut self, key: u16, len: usize, mark: u8) {
        let place = self.place(key);
        if let Lookup::Live(mut found) = self.tables.lookup(place, &key_bytes(key), i64::MIN, true)
        {
            let changed = found.resize(len, mark).is_some();
            let (held, ..) = self.model.get_mut(&key).expect("found");
            if let Held::Bytes(bytes, marked) = held {
                assert!(changed);
                bytes.resize(len, 0);
                *marked = mark;
            } else {
                assert!(!changed);
            }
        }
    }

    fn splice(&mut self, key: u16, at: usize, remove: usize, insert: &[u8]) {
        let place = self.place(key);
        let mark = (at % 4) as u8;
        if let Lookup::Live(mut found) = self.tables.lookup(place, &key_bytes(key), i64::MIN, true)
        {
            let (held, ..) = self.model.get_mut(&key).expect("found");
            let Held::Bytes(bytes, marked) = held else {
                return assert!(!found.splice(0, 0, &[insert], mark));
            };
            let at = at.min(bytes.len());
            let remove = remove.min(bytes.len() - at);
            let (first, second) = insert.split_at(insert.len() / 3);
            assert!(found.splice(at, remove, &[first, second], mark));
            bytes.splice(at..at + remove, insert.iter().copied());
            *marked = mark;
        }
    }

    fn change_box(&mut self, key: u16, len: usize) {
        let place = self.place(key);
        if let Lookup::Live(mut found) = self.tables.lookup(place, &key_bytes(key), i64::MIN, true)
        {
            let changed = found.with_boxed(|payload| payload.bytes.resize(len, 9)).is_some();
            let (held, ..) = self.model.get_mut(&key).expect("found");
            match held {
                Held::Boxed(bytes) => bytes.resize(len, 9),
                _ => assert!(!changed),
            }
        }
    }

    fn look(&mut self, key: u16, now: i64) {
        let due = self
            .model
            .get(&key)
            .is_some_and(|(_, deadline, _)| deadline.is_some_and(|at| at < now));
        let place = self.place(key);
        match self.tables.lookup(place, &key_bytes(key), now, true) {
            Lookup::Absent => assert!(!self.model.contains_key(&key)),
            Lookup::Expired => assert!(due),
            Lookup::Live(_) => assert!(!due && self.model.contains_key(&key)),
        }
        if due {
            self.model.remove(&key);
        }
    }

    fn reap(&mut self, now: i64) {
        let gone = RefCell::new(Vec::new());
        let mut from = 0;
        while let Some(table) = self.tables.next_table(SPACE, from, true) {
            let mut position = Some(0);
            while let Some(at) = position {
                position = self
                    .tables
                    .reap(SPACE, table, at, now, |key| gone.borrow_mut().push(key.to_vec()))
                    .next;
            }
            from = table + 1;
        }
        let due: BTreeSet<Vec<u8>> = self
            .model
            .iter()
            .filter(|(_, (_, deadline, _))| deadline.is_some_and(|at| at < now))
            .map(|(key, _)| key_bytes(*key))
            .collect();
        self.model.retain(|_, (_, deadline, _)| deadline.is_none_or(|at| at >= now));
        let gone = gone.into_inner();
        assert_eq!(gone.len(), due.len());
        assert_eq!(gone.into_iter().collect::<BTreeSet<_>>(), due);
    }

    fn apply(&mut self, op: Op) {
        match op {
            Op::Put(key, held, deadline) => self.put(key, held, deadline),
            Op::Remove(key) => self.remove(key),
            Op::Resize(key, len, mark) => self.resize(key, len, mark),
            Op::Splice(key, at, remove, insert) => self.splice(key, at, remove, &insert),
            Op::ChangeBox(key, len) => self.change_box(key, len),
            Op::Look(key, now) => self.look(key, now),
            Op::Reap(now) => self.reap(now),
            Op::SetDeadline(key, deadline) => {
                let place = self.place(key);
                if let Lookup::Live(mut found) =
                    self.tables.lookup(place, &key_bytes(key), i64::MIN, true)
                {
                    found.set_deadline(deadline);
                    self.model.get_mut(&key).expect("found").1 = deadline;
                }
            }
            Op::SetAccess(key, access) => {
                let place = self.place(key);
                if let Lookup::Live(mut found) =
                    self.tables.lookup(place, &key_bytes(key), i64::MIN, true)
                {
                    found.set_access(access);
                    self.model.get_mut(&key).expect("found").2 = access;
                }
            }
            Op::Compact(budget) => {
                self.tables.compact_step(budget);
            }
            Op::Bury => {
                assert_eq!(self.tables.bury(SPACE), self.model.len());
                self.model.clear();
            }
            Op::Free(budget) => {
                self.tables.free_step(budget);
            }
            Op::Fill(from, count) => (from..from + count).for_each(|key| {
                self.put(
                    key + 1000,
                    Held::Bytes(key.to_le_bytes().to_vec(), 0),
                    (key % 3 == 0).then_some(600),
                );
            }),
            Op::Drain(from, count) => (from..from + count).for_each(|key| self.remove(key + 1000)),
        }
    }

    fn check(&mut self) {
        assert_eq!(self.tables.len(SPACE), self.model.len());
        let with_deadline =
            self.model.values().filter(|(_, deadline, _)| deadline.is_some()).count();
        assert_eq!(self.tables.deadlines(SPACE), with_deadline);
        for (key, (held, deadline, access)) in &self.model {
            let place = self.place(*key);
            let Lookup::Live(found) = self.tables.lookup(place, &key_bytes(*key), i64::MIN, true)
            else {
                panic!("key {key} is lost")
            };
            assert_eq!(found.deadline(), *deadline);
            assert_eq!(found.access(), *access);
            match (found.into_value(), held) {
                (Value::Bytes { bytes, mark }, Held::Bytes(wanted, held)) => {
                    assert!(bytes == wanted && mark == *held);
                }
                (Value::Int(number), Held::Int(wanted)) => assert_eq!(number, *wanted),
                (Value::Boxed(payload), Held::Boxed(wanted)) => assert_eq!(&payload.bytes, wanted),
                _ => panic!("key {key} has another form"),
            }
        }
        let seen = self.scan_all();
        assert_eq!(seen, self.model.keys().map(|key| key_bytes(*key)).collect());
    }

    fn scan_all(&self) -> BTreeSet<Vec<u8>> {
        let mut seen = BTreeSet::new();
        let mut from = 0;
        while let Some(table) = self.tables.next_table(SPACE, from, false) {
            let mut position = Some(0);
            while let Some(at) = position {
                position = self
                    .tables
                    .scan(SPACE, table, at, |view| assert!(seen.insert(view.key.to_vec())));
            }
            from = table + 1;
        }
        seen
    }
}

fn cases(full: u32) -> ProptestConfig {
    let cases = std::env::var("COMPACT_CASES").ok().and_then(|text| text.parse().ok());
    ProptestConfig {
        cases: cases.unwrap_or(full),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases(80))]

    #[test]
    fn tables_hold_what_a_map_holds(spread in prop_oneof![Just(1usize), Just(3), Just(300)], ops in prop::collection::vec(op(), 1..120)) {
        let mut world = World::new(spread);
        let alive = world.alive.clone();
        for op in ops {
            world.apply(op);
        }
        world.check();
        let boxed = world.model.values().filter(|(held, ..)| matches!(held, Held::Boxed(_))).count();
        while world.tables.free_step(100) {}
        // Our own two handles, and one in each payload: none leaked, none dropped twice.
        prop_assert_eq!(Arc::strong_count(&alive), boxed + 2);
        let usage = world.tables.usage();
        let least: usize = world.model.keys().map(|key| key_bytes(*key).len()).sum();
        prop_assert!(usage.data >= least);
        drop(world);
        prop_assert_eq!(Arc::strong_count(&alive), 1);
    }

    #[test]
    fn what_was_emptied_takes_no_memory(ops in prop::collection::vec(op(), 1..60)) {
        let mut world = World::new(1);
        for op in ops {
            world.apply(op);
        }
        let keys: Vec<u16> = world.model.keys().copied().collect();
        keys.into_iter().for_each(|key| world.remove(key));
        while world.tables.free_step(1000) {}
        let usage = world.tables.usage();
        prop_assert_eq!(usage.data, 0);
        prop_assert_eq!(world.tables.table_bytes(SPACE, 0), 0);
    }

    /// Keys that stay throughout a scan are all visited, though the table grows and shrinks by
    /// thousands of keys between its calls.
    #[test]
    fn a_scan_misses_no_key_that_stays(
        staying in 1..500u16,
        changes in prop::collection::vec((any::<bool>(), 0..2500u16), 1..40),
    ) {
        let mut world = World::new(1);
        let plain = |key: u16| Held::Int(i64::from(key));
        (0..staying).for_each(|key| world.put(key, plain(key), None));
        let seen = Rc::new(RefCell::new(BTreeSet::new()));
        let mut position = Some(0);
        let mut changes = changes.into_iter();
        while let Some(at) = position {
            let sink = seen.clone();
            position = world.tables.scan(SPACE, 0, at, |view| {
                sink.borrow_mut().insert(view.key.to_vec());
            });
            if let Some((grow, count)) = changes.next() {
                let others = 5000..5000 + count;
                others.for_each(|key| if grow { world.put(key, plain(key), None) } else { world.remove(key) });
            }
        }
        for key in 0..staying {
            prop_assert!(seen.borrow().contains(&key_bytes(key)));
        }
    }

    #[test]
    fn any_number_is_a_position(count in 0..2000u16, position: u64) {
        let mut world = World::new(1);
        (0..count).for_each(|key| world.put(key, Held::Int(1), None));
        let next = world.tables.scan(SPACE, 0, position, |_| {});
        prop_assert!(next.is_none_or(|next| next > position));
    }
}

#[test]
fn samples_are_spread_evenly_over_keys_of_skewed_tables() {
    let hash = *HASH;
    let mut tables: Tables<Counted> = Tables::new(1, hash);
    let mut home = HashMap::new();
    for number in 0..4000u32 {
        let (key, table) =
            (number.to_string().into_bytes(), if number < 3000 { 5 } else { number as usize });
        let place = Place { space: 0, table, hash: hash.hash(&key) };
        tables.insert(place, &key, NewValue::Int(1), (number % 50 == 0).then_some(9), 0);
        home.insert(key, number);
    }
    let mut prng = Prng::new(3);
    let (mut first, mut all, mut buckets) = (0u32, 0u32, [0u32; 8]);
    for _ in 0..20_000 {
        let mut wanted = 1;
        tables.sample(0, false, 1, &mut prng, |view| {
            let number = home[view.key];
            (first, all) = (first + u32::from(number < 3000), all + 1);
            buckets[number as usize / 500] += 1;
            wanted -= 1;
        });
        assert!(wanted <= 0);
    }
    let share = f64::from(first) / f64::from(all);
    // A bucket comes whole, so a table of many is over-represented by what a bucket holds.
    assert!((0.6..0.97).contains(&share), "{share}");
    let mut met = BTreeSet::new();
    for _ in 0..4000 {
        tables.sample(0, true, 3, &mut prng, |view| {
            assert_eq!(view.deadline, Some(9));
            met.insert(view.key.to_vec());
        });
    }
    assert_eq!(met.len(), 80);
}

/// Far beyond the inline segments, and beyond one page of the directory; up and down again.
#[test]
fn a_large_table_grows_and_shrinks_by_single_buckets() {
    let keys: u32 = std::env::var("COMPACT_CASES").map_or(100_000, |_| 3_000);
    let hash = *HASH;
    let mut tables: Tables<Counted> = Tables::new(1, hash);
    let place = |key: u32| Place { space: 0, table: 77, hash: hash.hash(&key.to_le_bytes()) };
    for key in 0..keys {
        let before = tables.table_bytes(0, 77);
        tables.insert(place(key), &key.to_le_bytes(), NewValue::Int(i64::from(key)), None, 0);
        // A bucket, or a segment, and at most a page of the directory with it.
        assert!(tables.table_bytes(0, 77) - before <= 512 + 2 * 4096 + 16);
    }
    let per_key = tables.table_bytes(0, 77) as f64 / f64::from(keys);
    assert!((9.0..12.5).contains(&per_key), "{per_key}");
    for key in 0..keys {
        let found = tables.lookup(place(key), &key.to_le_bytes(), 0, true);
        assert!(
            matches!(found, Lookup::Live(found) if found.value() == Value::Int(i64::from(key)))
        );
    }
    for key in 0..keys {
        match tables.lookup(place(key), &key.to_le_bytes(), 0, true) {
            Lookup::Live(found) => found.remove(),
            _ => panic!("key {key} is lost"),
        }
        if key == keys / 2 {
            let per_key = tables.table_bytes(0, 77) as f64 / f64::from(keys - key);
            assert!((9.0..15.0).contains(&per_key), "{per_key}");
        }
    }
    assert_eq!((tables.len(0), tables.table_bytes(0, 77)), (0, 0));
}

impl PartialEq for Counted {
    fn eq(&self, other: &Counted) -> bool {
        self.bytes == other.bytes
    }
}

#[test]
fn tables_can_go_to_another_thread() {
    let hash = *HASH;
    let mut tables: Tables<Counted> = Tables::new(1, hash);
    let place = Place { space: 0, table: 7, hash: hash.hash(b"key") };
    tables.insert(place, b"key", NewValue::Int(5), None, 0);
    let there = std::thread::spawn(move || {
        let found = tables.lookup(place, b"key", 0, true);
        assert!(matches!(found, Lookup::Live(found) if found.value() == Value::Int(5)));
    });
    there.join().expect("what was here is there");
}
