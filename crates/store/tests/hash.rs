//! Random operations on hashes against a plain model, across both forms and their thresholds.

use base::Now;
use proptest::prelude::*;
use std::collections::BTreeMap;
use store::{Hasher, Look, Shapes, Store, Str};

#[derive(Clone, Debug)]
enum Op {
    Set(u8, Vec<u8>, Option<i64>),
    SetDeadline(u8, Option<i64>),
    Remove(u8),
    Pass(i64),
    Expire(usize),
    Rename,
    Delete,
}

fn op() -> impl Strategy<Value = Op> {
    let field = || 0..30u8;
    let value = prop_oneof![
        4 => (0..12usize).prop_map(|len| vec![b'v'; len]),
        4 => any::<i64>().prop_map(|number| number.to_string().into_bytes()),
        1 => (60..70usize).prop_map(|len| vec![b'w'; len]),
        1 => (3000..4000usize).prop_map(|len| vec![b'x'; len]),
    ];
    let deadline = || prop_oneof![3 => Just(None), 1 => (1..300i64).prop_map(Some)];
    prop_oneof![
        12 => (field(), value, deadline()).prop_map(|(field, value, at)| Op::Set(field, value, at)),
        4 => (field(), deadline()).prop_map(|(field, at)| Op::SetDeadline(field, at)),
        6 => field().prop_map(Op::Remove),
        1 => (0..60i64).prop_map(Op::Pass),
        2 => (1..20usize).prop_map(Op::Expire),
        1 => Just(Op::Rename),
        1 => Just(Op::Delete),
    ]
}

fn field_name(number: u8) -> Vec<u8> {
    match number % 3 {
        0 => format!("{number}").into_bytes(),
        1 => format!("f{number}").into_bytes(),
        _ => vec![b'a' + number; 20],
    }
}

struct World {
    store: Store,
    hasher: Hasher,
    now: Now,
    model: BTreeMap<Vec<u8>, (Vec<u8>, Option<i64>)>,
}

impl World {
    fn is_live(&self, deadline: Option<i64>) -> bool {
        deadline.is_none_or(|deadline| deadline >= self.now.unix_ms())
    }

    fn apply(&mut self, op: Op) {
        let (key, now) = (self.hasher.key(b"h"), self.now);
        let mut db = self.store.db(0);
        match op {
            Op::Set(number, value, after) => {
                let (name, deadline) = (field_name(number), after.map(|ms| now.unix_ms() + ms));
                let new =
                    db.edit_hash(&key, now, |hash| hash.set(&name, &value, deadline)).unwrap();
                let old = self.model.insert(name, (value, deadline));
                assert_eq!(new, !old.is_some_and(|(_, deadline)| self.is_live(deadline)));
            }
            Op::SetDeadline(number, after) => {
                let (name, deadline) = (field_name(number), after.map(|ms| now.unix_ms() + ms));
                let done =
                    db.edit_hash(&key, now, |hash| hash.set_deadline(&name, deadline)).unwrap();
                let live = self.model.get(&name).is_some_and(|(_, at)| self.is_live(*at));
                assert_eq!(done, live);
                if live {
                    self.model.get_mut(&name).unwrap().1 = deadline;
                }
            }
            Op::Remove(number) => {
                let name = field_name(number);
                let removed = db.edit_hash(&key, now, |hash| hash.remove(&name)).unwrap();
                let old = self.model.remove(&name);
                assert_eq!(removed, old.is_some_and(|(_, deadline)| self.is_live(deadline)));
            }
            Op::Expire(budget) => {
                while self.store.expire_step(now, budget, 1).used >= budget {}
                self.model.retain(|_, (_, at)| at.is_none_or(|at| at >= now.unix_ms()));
            }
            // To another key and back: its deadlines go with it.
            Op::Rename => {
                let other = self.hasher.key(b"other");
                if let Some(parcel) = db.take(&key, now) {
                    db.put(&other, parcel, now);
                    let parcel = db.take(&other, now).expect("just put");
                    db.put(&key, parcel, now);
                }
            }
            Op::Pass(ms) => self.now.unix_us += ms * 1000,
            Op::Delete => {
                assert_eq!(db.remove(&key, now), !self.model.is_empty());
                self.model.clear();
            }
        }
    }

    fn compare(&mut self) {
        let key = self.hasher.key(b"h");
        let hash = self.store.db(0).hash(&key, Look::Peek, self.now).unwrap();
        let live = |deadline: &Option<i64>| deadline.is_none_or(|at| at >= self.now.unix_ms());
        let Some(hash) = hash else { return assert!(self.model.is_empty()) };
        assert_eq!(hash.len(), self.model.len());
        for (name, (value, deadline)) in &self.model {
            let seen = hash.get(name).map(|field| (field.value.to_vec(), field.deadline));
            assert_eq!(seen, live(deadline).then(|| (value.clone(), *deadline)));
        }
        let mut listed: Vec<Vec<u8>> = hash.iter().map(|field| field.name.to_vec()).collect();
        listed.sort();
        let wanted = self.model.iter().filter(|(_, (_, deadline))| live(deadline));
        assert_eq!(listed, wanted.map(|(name, _)| name.clone()).collect::<Vec<_>>());
        let mut cursor = 0;
        let mut scanned = Vec::new();
        loop {
            cursor = hash.scan(cursor, 3, |field| scanned.push(field.name.to_vec()));
            if cursor == 0 {
                break;
            }
        }
        scanned.sort();
        scanned.dedup();
        assert_eq!(scanned, listed);
    }
}

proptest! {
    #[test]
    fn a_hash_is_a_map_of_fields(
        ops in prop::collection::vec(op(), 0..120),
        entries in prop_oneof![Just(0usize), Just(5), Just(512)],
        value in prop_oneof![Just(64usize), Just(5000)],
    ) {
        let hasher_of = |store: &Store| store.hasher();
        let mut store = Store::new(1, 0..base::SLOTS as u16, 7, 1);
        store.set_shapes(Shapes { hash_entries: entries, hash_value: value, ..Shapes::default() });
        let hasher = hasher_of(&store);
        let now = Now { unix_us: 1_700_000_000_000_000, mono_us: 0 };
        let mut world = World { store, hasher, now, model: BTreeMap::new() };
        for op in ops {
            world.apply(op);
            world.compare();
        }
        let empty = world.store.used_bytes();
        let key = world.hasher.key(b"h");
        world.store.db(0).remove(&key, world.now);
        while world.store.free_step(10) {}
        prop_assert!(world.store.used_bytes() <= empty);
    }
}

#[test]
fn fields_of_a_large_hash_expire_in_steps_and_new_deadlines_are_not_forgotten() {
    let mut store = Store::new(1, 0..base::SLOTS as u16, 7, 1);
    let mut now = Now { unix_us: 1_700_000_000_000_000, mono_us: 0 };
    let key = store.hasher().key(b"large");
    let at = |now: Now, ms: i64| Some(now.unix_ms() + ms);
    let set = |store: &mut Store, now: Now, name: &str, deadline| {
        store
            .db(0)
            .edit_hash(&key, now, |hash| _ = hash.set(name.as_bytes(), b"v", deadline))
            .unwrap();
    };
    let len = |store: &mut Store, now| {
        store.db(0).hash(&key, Look::Peek, now).unwrap().map_or(0, |hash| hash.len())
    };
    for number in 0..10_000 {
        let deadline = if number % 2 == 0 { at(now, 10) } else { at(now, 1_000_000) };
        set(&mut store, now, &format!("f{number}"), deadline);
    }
    now.unix_us += 11_000;
    let mut steps = 0;
    while len(&mut store, now) > 5000 {
        store.expire_step(now, 100, 1);
        // While the pass is under way, fields behind and before it are given deadlines.
        set(&mut store, now, &format!("f{}", steps * 2 + 1), at(now, 20));
        steps += 1;
        assert!(steps < 1000, "it comes to an end");
    }
    assert!(steps > 3, "in more than one step");
    while store.expire_step(now, 100, 1).used >= 100 {}
    now.unix_us += 21_000;
    while store.expire_step(now, 100, 1).used >= 100 {}
    assert_eq!(len(&mut store, now), 5000 - steps as usize);
}

#[test]
fn hashes_that_are_gone_do_not_pile_up_in_the_index_of_deadlines() {
    let mut store = Store::new(1, 0..base::SLOTS as u16, 7, 1);
    let now = Now { unix_us: 1_700_000_000_000_000, mono_us: 0 };
    let far = Some(now.unix_ms() + 1_000_000_000);
    for number in 0..20_000 {
        let name = format!("hash:{number}");
        let key = store.hasher().key(name.as_bytes());
        store.db(0).edit_hash(&key, now, |hash| _ = hash.set(b"f", b"v", far)).unwrap();
        store.db(0).remove(&key, now);
    }
    assert!(store.field_deadlines_len() <= 1024, "{}", store.field_deadlines_len());
}

#[test]
fn a_large_hash_goes_in_steps_and_all_of_its_memory_with_it() {
    let mut store = Store::new(1, 0..base::SLOTS as u16, 7, 1);
    let now = Now { unix_us: 1_700_000_000_000_000, mono_us: 0 };
    let key = store.hasher().key(b"large");
    let fill = |store: &mut Store| {
        store.db(0).edit_hash(&key, now, |hash| {
            (0..5000).for_each(|n| _ = hash.set(format!("field:{n}").as_bytes(), b"value", None));
        })
    };
    let before = store.memory().dataset;
    fill(&mut store).unwrap();
    let full = store.memory().dataset;
    assert!(full > before + 5000 * 20);
    assert!(store.db(0).remove(&key, now));
    assert!(store.has_buried());
    assert_eq!(store.db(0).string(&key, now), Ok(None));
    let (mut steps, mut last) = (0, store.memory().dataset);
    while store.free_step(100) {
        assert!(store.memory().dataset < last, "each step frees something");
        last = store.memory().dataset;
        steps += 1;
    }
    assert!((40..=80).contains(&steps), "{steps} steps of 100 for 5000 fields");
    assert_eq!(store.memory().dataset, before);
    // An overwrite sets it aside too.
    fill(&mut store).unwrap();
    store.db(0).set(&key, b"text", store::Expiry::Clear, now);
    assert!(store.has_buried());
    assert_eq!(store.db(0).string(&key, now), Ok(Some(Str::Bytes(b"text"))));
}
