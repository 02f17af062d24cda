//! Random operations on lists against a plain model, across both forms, their thresholds and sizes of nodes.

use base::Now;
use proptest::prelude::*;
use std::collections::VecDeque;
use store::{End, Hasher, Key, Look, Shapes, Store, Str};

#[derive(Clone, Debug)]
enum Op {
    Push(End, Vec<Vec<u8>>),
    Take(End, usize),
    Drop(End, usize),
    Keep(usize, usize),
    Set(usize, Vec<u8>),
    Insert(Vec<u8>, bool, Vec<u8>),
    Remove(Vec<u8>, End, usize),
    Delete,
}

fn element() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => (0..6u8).prop_map(|n| n.to_string().into_bytes()),
        4 => (0..20usize).prop_map(|len| vec![b'v'; len]),
        2 => any::<i64>().prop_map(|number| number.to_string().into_bytes()),
        2 => (60..600usize).prop_map(|len| vec![b'w'; len]),
        1 => (3000..9000usize).prop_map(|len| vec![b'x'; len]),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let end = || prop_oneof![Just(End::Head), Just(End::Tail)];
    let index = || prop_oneof![3 => 0..8usize, 1 => 0..400usize];
    prop_oneof![
        10 => (end(), prop::collection::vec(element(), 1..5)).prop_map(|(end, all)| Op::Push(end, all)),
        2 => (end(), prop::collection::vec(element(), 1..60)).prop_map(|(end, all)| Op::Push(end, all)),
        4 => (end(), index()).prop_map(|(end, count)| Op::Take(end, count)),
        4 => (end(), index()).prop_map(|(end, count)| Op::Drop(end, count)),
        1 => (index(), index()).prop_map(|(first, count)| Op::Keep(first, count)),
        4 => (index(), element()).prop_map(|(index, element)| Op::Set(index, element)),
        6 => (element(), any::<bool>(), element()).prop_map(|(a, behind, b)| Op::Insert(a, behind, b)),
        4 => (element(), end(), prop_oneof![0..3usize, Just(usize::MAX)])
            .prop_map(|(wanted, end, most)| Op::Remove(wanted, end, most)),
        1 => Just(Op::Delete),
    ]
}

const NOW: Now = Now { unix_us: 1_700_000_000_000_000, mono_us: 0 };

struct World {
    store: Store,
    hasher: Hasher,
    model: VecDeque<Vec<u8>>,
}

fn drop_from(model: &mut VecDeque<Vec<u8>>, end: End, count: usize) -> Vec<Vec<u8>> {
    let count = count.min(model.len());
    match end {
        End::Head => model.drain(..count).collect(),
        End::Tail => model.drain(model.len() - count..).collect(),
    }
}

impl World {
    fn new(list_size: i64) -> World {
        let mut store = Store::new(1, 0..base::SLOTS as u16, 7, 1);
        store.set_shapes(Shapes { list_size, ..Shapes::default() });
        let hasher = store.hasher();
        World { store, hasher, model: VecDeque::new() }
    }

    fn key(&self) -> Key<'static> {
        self.hasher.key(b"l")
    }

    fn edit<R>(&mut self, change: impl FnOnce(&mut store::ListEdit<'_, '_>) -> R) -> R {
        let key = self.key();
        self.store.db(0).edit_list(&key, NOW, change).unwrap()
    }

    fn apply(&mut self, op: Op) {
        match op {
            Op::Push(end, elements) => {
                let len = self.edit(|list| {
                    list.push_all(end, elements.iter().map(|element| Str::Bytes(element)))
                });
                for element in elements {
                    match end {
                        End::Head => self.model.push_front(element),
                        End::Tail => self.model.push_back(element),
                    }
                }
                assert_eq!(len, self.model.len());
            }
            Op::Take(end, count) => {
                let taken = self.edit(|list| list.take(end, count));
                let mut wanted = drop_from(&mut self.model, end, count);
                assert_eq!(taken.iter().map(|text| text.to_vec()).collect::<Vec<_>>(), wanted);
                wanted.reverse();
                assert_eq!(taken.iter_back().map(|text| text.to_vec()).collect::<Vec<_>>(), wanted);
                assert_eq!(taken.len(), wanted.len());
            }
            Op::Drop(end, 1) => {
                let mut shown = None;
                let popped = self.edit(|list| list.pop(end, |text| shown = Some(text.to_vec())));
                assert_eq!(popped, shown.is_some());
                assert_eq!(shown, drop_from(&mut self.model, end, 1).pop());
            }
            Op::Drop(end, count) => {
                self.edit(|list| list.drop_at(end, count));
                drop_from(&mut self.model, end, count);
            }
            Op::Keep(first, count) => {
                let first = first.min(self.model.len());
                let end = (first + count).min(self.model.len());
                self.edit(|list| list.keep(first..end));
                self.model = self.model.drain(first..end).collect();
            }
            Op::Set(index, element) => {
                let set = self.edit(|list| list.set(index, Str::Bytes(&element)));
                assert_eq!(set, index < self.model.len());
                if set {
                    self.model[index] = element;
                }
            }
            Op::Insert(pivot, behind, element) => {
                let len = self.edit(|list| list.insert_at(&pivot, behind, Str::Bytes(&element)));
                let found = self.model.iter().position(|old| *old == pivot);
                if let Some(index) = found {
                    self.model.insert(index + usize::from(behind), element);
                }
                assert_eq!(len, found.map(|_| self.model.len()));
            }
            Op::Remove(wanted, end, most) => {
                let removed = self.edit(|list| list.remove(&wanted, end, most));
                let mut hits: Vec<usize> =
                    (0..self.model.len()).filter(|&at| self.model[at] == wanted).collect();
                if end == End::Tail {
                    hits.reverse();
                }
                hits.truncate(most);
                hits.sort_unstable();
                hits.iter().rev().for_each(|&at| drop(self.model.remove(at)));
                assert_eq!(removed, hits.len());
            }
            Op::Delete => {
                let key = self.key();
                assert_eq!(self.store.db(0).remove(&key, NOW), !self.model.is_empty());
                self.model.clear();
            }
        }
    }

    fn compare(&mut self) {
        let key = self.key();
        let list = self.store.db(0).list(&key, Look::Peek, NOW).unwrap();
        let Some(list) = list else { return assert!(self.model.is_empty()) };
        let len = list.len();
        assert!(!list.is_empty() && len == self.model.len());
        let all: Vec<Vec<u8>> = list.iter().map(|text| text.to_vec()).collect();
        assert!(self.model == all);
        for index in [0, 1, len / 3, len / 2, len - 1, len] {
            assert_eq!(list.get(index).map(|text| text.to_vec()), self.model.get(index).cloned());
            for count in [0, 1, 5, usize::MAX] {
                let mut seen = Vec::new();
                list.each(index, count, |text| seen.push(text.to_vec()));
                assert!(seen.iter().eq(self.model.iter().skip(index).take(count)));
                seen.clear();
                list.each_back(index, count, |text| seen.push(text.to_vec()));
                assert!(seen.iter().eq(all[..index].iter().rev().take(count)));
            }
        }
        let wanted = &all[len / 2];
        for (end, most) in [(End::Head, len), (End::Tail, len), (End::Head, 3), (End::Tail, 3)] {
            let mut seen = Vec::new();
            list.positions(wanted, end, most, |index| {
                seen.push(index);
                seen.len() < 4
            });
            let mut indexes: Vec<usize> = (0..len).collect();
            if end == End::Tail {
                indexes.reverse();
            }
            let looked_at = indexes.into_iter().take(most);
            let hits: Vec<usize> = looked_at.filter(|&at| all[at] == *wanted).take(4).collect();
            assert_eq!(seen, hits);
        }
    }
}

proptest! {
    #[test]
    fn a_list_is_a_deque_of_elements(
        ops in prop::collection::vec(op(), 0..100),
        size in prop_oneof![-2..=-1i64, Just(-5), Just(i64::MIN), 0..6i64, Just(128), Just(i64::MAX)],
        resize in prop_oneof![-2..=-1i64, 1..20i64],
    ) {
        let mut world = World::new(size);
        let half = ops.len() / 2;
        for (number, op) in ops.into_iter().enumerate() {
            if number == half {
                world.store.set_shapes(Shapes { list_size: resize, ..Shapes::default() });
            }
            world.apply(op);
            world.compare();
        }
        let with = world.store.used_bytes();
        let key = world.key();
        world.store.db(0).remove(&key, NOW);
        while world.store.free_step(10) {}
        prop_assert!(world.store.used_bytes() <= with);
        prop_assert!(world.store.memory().dataset == 0 || world.store.memory().dataset < 200);
    }
}

fn filled(size: i64, elements: usize) -> World {
    let mut world = World::new(size);
    world.edit(|list| {
        (0..elements)
            .for_each(|n| _ = list.push(End::Tail, Str::Bytes(format!("element:{n}").as_bytes())));
    });
    world
}

#[test]
fn a_large_list_goes_in_steps_and_all_of_its_memory_with_it() {
    let before = World::new(4).store.memory().dataset;
    let mut world = filled(4, 20_000);
    let full = world.store.memory().dataset;
    assert!(full > before + 20_000 * 12);
    let key = world.key();
    assert!(world.store.db(0).remove(&key, NOW));
    assert!(world.store.has_buried());
    let (mut steps, mut last) = (0, full);
    while world.store.free_step(100) {
        assert!(world.store.memory().dataset < last, "each step frees something");
        last = world.store.memory().dataset;
        steps += 1;
    }
    assert!((45..=60).contains(&steps), "{steps} steps of 100 for 5000 nodes");
    assert_eq!(world.store.memory().dataset, before);
}

#[test]
fn what_a_trim_cuts_off_a_large_list_is_freed_in_steps() {
    for keep in [19_000..19_010, 0..10, 10_000..10_004, 5000..5000] {
        let before = World::new(4).store.memory().dataset;
        let mut world = filled(4, 20_000);
        world.edit(|list| list.keep(keep.clone()));
        assert!(world.store.has_buried(), "{keep:?}");
        let key = world.key();
        let list = world.store.db(0).list(&key, Look::Peek, NOW).unwrap();
        let kept: Vec<Vec<u8>> =
            list.iter().flat_map(|list| list.iter()).map(|t| t.to_vec()).collect();
        assert!(kept.into_iter().eq(keep.map(|n| format!("element:{n}").into_bytes())));
        while world.store.free_step(100) {}
        world.store.db(0).remove(&key, NOW);
        assert_eq!(world.store.memory().dataset, before);
    }
}

#[test]
fn a_long_queue_does_not_keep_the_memory_of_what_has_passed() {
    let mut world = filled(-2, 1000);
    let full = world.store.memory().dataset;
    for n in 0..100_000 {
        world.edit(|list| {
            list.push(End::Tail, Str::Bytes(format!("element:{n}").as_bytes()));
            list.drop_at(End::Head, 1);
        });
    }
    assert!(world.store.memory().dataset < full + 16_384);
    world.edit(|list| list.drop_at(End::Head, 999));
    assert!(world.store.memory().dataset < 1000);
}

#[test]
fn crumbs_become_nodes_again() {
    let mut world = filled(-1, 20_000);
    let full = world.store.memory().dataset;
    world.edit(|list| {
        for n in (0..20_000).filter(|n| n % 10 > 0) {
            assert_eq!(list.remove(format!("element:{n}").as_bytes(), End::Head, 1), 1);
        }
    });
    assert!(world.store.memory().dataset < full / 4);
}
