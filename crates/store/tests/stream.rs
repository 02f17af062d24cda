//! Random operations on streams against a plain model, across sizes of nodes: what is there, what is pending, what
//! is counted, and what is freed.

use base::Now;
use proptest::prelude::*;
use std::collections::BTreeMap;
use store::{
    Claim, Entry, Goal, Hasher, Key, Look, Refs, Shapes, Store, StreamEdit, StreamId, Trim,
};

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

#[derive(Clone, Debug)]
enum Op {
    /// Milliseconds and sequence beyond the last ID, and the fields.
    Add(u64, u64, Fields),
    Delete(u64),
    Trim(Goal, bool, Option<u64>, Refs),
    Range(u64, u64),
    Group(u8),
    Destroy(u8),
    Read(u8, u8, u64, bool),
    History(u8, u8, u64, u64),
    Acknowledge(u8, u64),
    Claim(u8, u8, u64, bool),
    Release(u8, u64),
    RemoveConsumer(u8, u8),
    Reset(u8, u64),
    Copy,
    Clear,
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => (0..200u16).prop_map(|n| n.to_string().into_bytes()),
        4 => (0..20usize).prop_map(|len| vec![b'v'; len]),
        1 => any::<i64>().prop_map(|number| number.to_string().into_bytes()),
        1 => (60..5000usize).prop_map(|len| vec![b'w'; len]),
    ]
}

fn fields() -> impl Strategy<Value = Fields> {
    let named = |count: usize| {
        prop::collection::vec(text(), count).prop_map(|values| {
            let names = (0..).map(|number| format!("name{number}").into_bytes());
            names.zip(values).collect()
        })
    };
    prop_oneof![
        6 => named(2),
        2 => named(1),
        2 => prop::collection::vec((text(), text()), 1..4),
        1 => named(70),
    ]
}

/// Entries are looked for by their number of all that were added, which may be gone.
fn op() -> impl Strategy<Value = Op> {
    let at = || prop_oneof![3 => 0..400u64, 1 => 0..20u64];
    let goal = prop_oneof![
        (0..200u64).prop_map(Goal::MaxLen),
        (0..3000u64).prop_map(|ms| Goal::MinId(StreamId { ms, seq: 0 })),
    ];
    let refs = prop_oneof![3 => Just(Refs::Keep), 1 => Just(Refs::Drop), 1 => Just(Refs::Acked)];
    let limit = prop::option::of(0..50u64);
    prop_oneof![
        60 => (prop_oneof![0..3u64, 0..3u64, 0..5000u64, Just(1 << 40)], 0..3u64, fields())
            .prop_map(|(ms, seq, fields)| Op::Add(ms, seq, fields)),
        12 => at().prop_map(Op::Delete),
        3 => (goal, any::<bool>(), limit, refs).prop_map(|(g, a, l, r)| Op::Trim(g, a, l, r)),
        6 => (at(), at()).prop_map(|(from, to)| Op::Range(from, to)),
        3 => (0..3u8).prop_map(Op::Group),
        1 => (0..3u8).prop_map(Op::Destroy),
        10 => (0..3u8, 0..3u8, 0..30u64, any::<bool>()).prop_map(|(g, c, n, f)| Op::Read(g, c, n, f)),
        3 => (0..3u8, 0..3u8, at(), 0..9u64).prop_map(|(g, c, a, n)| Op::History(g, c, a, n)),
        8 => (0..3u8, at()).prop_map(|(g, at)| Op::Acknowledge(g, at)),
        6 => (0..3u8, 0..3u8, at(), any::<bool>()).prop_map(|(g, c, a, f)| Op::Claim(g, c, a, f)),
        3 => (0..3u8, at()).prop_map(|(g, at)| Op::Release(g, at)),
        2 => (0..3u8, 0..3u8).prop_map(|(g, c)| Op::RemoveConsumer(g, c)),
        2 => (0..3u8, at()).prop_map(|(g, at)| Op::Reset(g, at)),
        1 => Just(Op::Copy),
        1 => Just(Op::Clear),
    ]
}

const NOW: Now = Now { unix_us: 1_700_000_000_000_000, mono_us: 0 };
const NOW_MS: i64 = 1_700_000_000_000;

#[derive(Clone, Default)]
struct Group {
    last: StreamId,
    /// The consumer, none if released, and the count.
    pending: BTreeMap<StreamId, (Option<u8>, i64)>,
}

#[derive(Default)]
struct Model {
    entries: BTreeMap<StreamId, Fields>,
    added: Vec<StreamId>,
    last: StreamId,
    max_deleted: StreamId,
    groups: BTreeMap<u8, Group>,
}

impl Model {
    /// The ID of an entry that was added once.
    fn id(&self, at: u64) -> StreamId {
        match self.added.len() as u64 {
            0 => StreamId::MIN,
            count => self.added[(at % count) as usize],
        }
    }

    fn is_referenced(&self, id: StreamId) -> bool {
        self.groups.values().any(|group| group.last < id || group.pending.contains_key(&id))
    }

    /// Entries that exact trimming drops.
    fn trimmed(&self, goal: Goal, refs: Refs) -> Vec<StreamId> {
        let mut gone = Vec::new();
        for id in self.entries.keys().copied() {
            let enough = match goal {
                Goal::MaxLen(most) => (self.entries.len() - gone.len()) as u64 <= most,
                Goal::MinId(least) => id >= least,
            };
            if enough {
                break;
            }
            if refs != Refs::Acked || !self.is_referenced(id) {
                gone.push(id);
            }
        }
        gone
    }

    fn forget(&mut self, id: StreamId, refs: Refs) {
        self.entries.remove(&id);
        if refs == Refs::Drop {
            self.groups.values_mut().for_each(|group| _ = group.pending.remove(&id));
        }
    }
}

struct World {
    store: Store,
    hasher: Hasher,
    model: Model,
}

fn fields_of(entry: &Entry<'_>) -> Fields {
    let mut fields = Vec::new();
    entry.each(|name, value| fields.push((name.to_vec(), value.to_vec())));
    assert_eq!(fields.len(), entry.len());
    fields
}

fn name(number: u8) -> [u8; 1] {
    [b'a' + number]
}

impl World {
    fn new(stream_bytes: usize, stream_entries: usize) -> World {
        let mut store = Store::new(1, 0..base::SLOTS as u16, 7, 1);
        store.set_shapes(Shapes { stream_bytes, stream_entries, ..Shapes::default() });
        let hasher = store.hasher();
        World { store, hasher, model: Model::default() }
    }

    fn key(&self) -> Key<'static> {
        self.hasher.key(b"stream")
    }

    fn edit<R>(&mut self, change: impl FnOnce(&mut StreamEdit<'_, '_>) -> R) -> R {
        let key = self.key();
        self.store.db(0).edit_stream(&key, NOW, change).expect("it is a stream")
    }

    fn run(&mut self, op: Op) {
        match op {
            Op::Add(ms, seq, fields) => self.add(ms, seq, fields),
            Op::Trim(goal, approximate, limit, refs) => {
                self.trim(&Trim { goal, approximate, limit, refs });
            }
            Op::Clear => {
                let key = self.key();
                self.store.db(0).remove(&key, NOW);
                self.model = Model::default();
            }
            Op::Copy => {
                let (from, to) = (self.key(), self.hasher.key(b"other"));
                if let Some(parcel) = self.store.db(0).copy(&from, NOW) {
                    self.store.db(0).put(&to, parcel, NOW);
                }
            }
            _ if self.edit(|edit| edit.view().is_none()) => {}
            Op::Delete(at) => {
                let id = self.model.id(at);
                let was = self.model.entries.remove(&id).is_some();
                if was {
                    self.model.max_deleted = self.model.max_deleted.max(id);
                }
                assert_eq!(self.edit(|edit| edit.with(|stream| stream.delete(id))), was);
            }
            Op::Range(from, to) => self.range(self.model.id(from), self.model.id(to)),
            Op::Group(number) => {
                let new = Group { last: StreamId::MIN, ..Group::default() };
                let is_new = !self.model.groups.contains_key(&number);
                self.model.groups.entry(number).or_insert(new);
                let add = |edit: &mut StreamEdit<'_, '_>| {
                    edit.with(|stream| stream.add_group(&name(number), StreamId::MIN, None))
                };
                assert_eq!(self.edit(add), is_new);
            }
            Op::Destroy(number) => {
                let was = self.model.groups.remove(&number).is_some();
                assert_eq!(self.edit(|edit| edit.destroy_group(&name(number))), was);
            }
            op => self.run_on_group(op),
        }
    }

    fn add(&mut self, ms: u64, seq: u64, fields: Fields) {
        let last = self.model.last;
        let id = match ms {
            0 => StreamId { ms: last.ms, seq: last.seq + seq + 1 },
            _ => StreamId { ms: last.ms + ms, seq },
        };
        let words: Vec<&[u8]> =
            fields.iter().flat_map(|(name, value)| [&name[..], value]).collect();
        self.edit(|edit| edit.push(id, |word: usize| words[word], words.len()));
        self.model.last = id;
        self.model.added.push(id);
        self.model.entries.insert(id, fields.clone());
    }

    fn trim(&mut self, trim: &Trim) {
        if self.edit(|edit| edit.view().is_none()) {
            return;
        }
        let trimmed = self.edit(|edit| edit.trim(trim));
        let mut wanted = self.model.trimmed(trim.goal, trim.refs);
        if trim.approximate {
            // Whole nodes only: not more than exact trimming, the oldest, within the limit.
            assert!(trimmed <= wanted.len() as u64);
            assert!(trim.limit.is_none_or(|limit| trimmed <= limit));
            wanted = self.model.entries.keys().copied().take(trimmed as usize).collect();
        }
        assert_eq!(trimmed, wanted.len() as u64);
        wanted.into_iter().for_each(|id| self.model.forget(id, trim.refs));
    }

    fn range(&mut self, from: StreamId, to: StreamId) {
        let key = self.key();
        let stream = self.store.db(0).stream(&key, Look::Read, NOW).expect("it is a stream");
        let stream = stream.expect("it is there");
        let wanted: Vec<_> = if from <= to {
            self.model.entries.range(from..=to).map(|(id, f)| (*id, f.clone())).collect()
        } else {
            Vec::new()
        };
        let mut found = Vec::new();
        stream.each(from, to, |entry| {
            found.push((entry.id, fields_of(&entry)));
            true
        });
        assert_eq!(found, wanted);
        let mut back = Vec::new();
        stream.each_back(from, to, |entry| {
            back.push((entry.id, fields_of(&entry)));
            true
        });
        back.reverse();
        assert_eq!(back, wanted);
        assert_eq!(stream.entry(from).is_some(), self.model.entries.contains_key(&from));
    }

    fn run_on_group(&mut self, op: Op) {
        let id_at = |model: &Model, at| model.id(at);
        match op {
            Op::Read(number, consumer, count, forget) => {
                let Some(group) = self.model.groups.get_mut(&number) else { return };
                let from = group.last.next().expect("not the last");
                let wanted: Vec<StreamId> = self
                    .model
                    .entries
                    .range(from..)
                    .map(|(id, _)| *id)
                    .take(count as usize)
                    .collect();
                for id in &wanted {
                    group.last = *id;
                    if !forget {
                        group.pending.insert(*id, (Some(consumer), 1));
                    }
                }
                let mut found = Vec::new();
                self.edit(|edit| {
                    edit.with(|stream| {
                        let made = |group: &mut store::Group| {
                            group.ensure_consumer(&name(consumer), NOW_MS).0
                        };
                        let to = stream.with_group(&name(number), |group, _| made(group));
                        let to = to.expect("the group is there");
                        stream.deliver(&name(number), to, count, forget, NOW_MS, |entry| {
                            found.push(entry.id);
                        });
                    });
                });
                assert_eq!(found, wanted);
            }
            Op::History(number, consumer, after, count) => {
                let after = id_at(&self.model, after);
                let Some(group) = self.model.groups.get_mut(&number) else { return };
                let mut wanted = Vec::new();
                for (id, (owner, shown)) in group.pending.iter_mut() {
                    if *id > after && *owner == Some(consumer) && (wanted.len() as u64) < count {
                        let is_there = self.model.entries.contains_key(id);
                        *shown += i64::from(is_there);
                        wanted.push((*id, is_there));
                    }
                }
                let mut found = Vec::new();
                self.edit(|edit| {
                    edit.with(|stream| {
                        let to = stream.group(&name(number)).expect("it is there");
                        let Some(to) = to.consumer_id(&name(consumer)) else { return };
                        let visit =
                            |id, entry: Option<Entry<'_>>| found.push((id, entry.is_some()));
                        stream.show_pending(&name(number), to, after, count, NOW_MS, visit);
                    });
                });
                assert_eq!(found, wanted);
            }
            Op::Acknowledge(number, at) => {
                let id = id_at(&self.model, at);
                let Some(group) = self.model.groups.get_mut(&number) else { return };
                let was = group.pending.remove(&id).is_some();
                assert_eq!(self.with_group(number, |group| group.acknowledge(id)), was);
            }
            Op::Claim(number, consumer, at, force) => {
                let id = id_at(&self.model, at);
                let Some(group) = self.model.groups.get_mut(&number) else { return };
                let old = group.pending.get(&id).copied().or(force.then_some((None, 1)));
                if let Some((_, count)) = old {
                    group.pending.insert(id, (Some(consumer), count + 1));
                }
                let claim = Claim {
                    min_idle_ms: 0,
                    now_ms: NOW_MS,
                    delivered_ms: NOW_MS,
                    retry_count: None,
                    just_id: false,
                };
                let claimed = self.with_group(number, |group| {
                    let to = group.ensure_consumer(&name(consumer), NOW_MS).0;
                    group.claim(id, to, &claim, force)
                });
                assert_eq!(claimed, old.is_some());
            }
            Op::Release(number, at) => {
                let id = id_at(&self.model, at);
                let Some(group) = self.model.groups.get_mut(&number) else { return };
                let was = group.pending.get_mut(&id).map(|(owner, _)| *owner = None).is_some();
                let release = |group: &mut store::Group| {
                    group.release(id, false, |old| old.expect("it is not forced"))
                };
                assert_eq!(self.with_group(number, release), was);
            }
            Op::RemoveConsumer(number, consumer) => {
                let Some(group) = self.model.groups.get_mut(&number) else { return };
                let before = group.pending.len();
                group.pending.retain(|_, (owner, _)| *owner != Some(consumer));
                let gone = before - group.pending.len();
                let removed =
                    self.with_group(number, |group| group.remove_consumer(&name(consumer)));
                assert_eq!(removed.unwrap_or(0), gone);
            }
            Op::Reset(number, at) => {
                let id = id_at(&self.model, at);
                let Some(group) = self.model.groups.get_mut(&number) else { return };
                group.last = id;
                self.with_group(number, |group| group.last_id = id);
            }
            _ => unreachable!("the others have no group"),
        }
    }

    fn with_group<R>(&mut self, number: u8, change: impl FnOnce(&mut store::Group) -> R) -> R {
        let changed = self.edit(|edit| {
            edit.with(|stream| stream.with_group(&name(number), |group, _| change(group)))
        });
        changed.expect("the model says that it is there")
    }

    /// Compares everything.
    fn check(&mut self) {
        if self.edit(|edit| edit.view().is_none()) {
            assert!(self.model.added.is_empty());
            return;
        }
        self.range(StreamId::MIN, StreamId::MAX);
        let key = self.key();
        let stream = self.store.db(0).stream(&key, Look::Read, NOW).expect("it is a stream");
        let (stream, model) = (stream.expect("it is there"), &self.model);
        assert_eq!(stream.len(), model.entries.len() as u64);
        let first = model.entries.keys().next().copied().unwrap_or_default();
        assert_eq!(stream.first_id(), first);
        let last = model.entries.keys().next_back().copied();
        assert_eq!(stream.last_entry().map(|entry| entry.id), last);
        assert_eq!(stream.last_id(), model.last);
        assert_eq!(stream.max_deleted, model.max_deleted);
        assert_eq!(stream.entries_added, model.added.len() as i64);
        let names: Vec<_> = stream.groups().map(|(name, _)| name[0] - b'a').collect();
        assert_eq!(names, model.groups.keys().copied().collect::<Vec<_>>());
        for ((_, group), model) in stream.groups().zip(model.groups.values()) {
            assert_eq!(group.last_id, model.last);
            let found: Vec<_> = group
                .pending(StreamId::MIN, StreamId::MAX)
                .map(|one| (one.id, (one.consumer.map(|name| name[0] - b'a'), one.count)))
                .collect();
            let wanted: Vec<_> = model.pending.iter().map(|(id, one)| (*id, *one)).collect();
            assert_eq!(found, wanted);
            for (id, consumer) in group.consumers() {
                let own = |(_, (owner, _)): &&(StreamId, (Option<u8>, i64))| {
                    *owner == Some(consumer.name()[0] - b'a')
                };
                let wanted: Vec<_> = wanted.iter().filter(own).map(|(id, _)| *id).collect();
                let pending = group.pending_of(id, StreamId::MIN, StreamId::MAX);
                assert_eq!(pending.map(|one| one.id).collect::<Vec<_>>(), wanted);
                assert_eq!(consumer.pending(), wanted.len());
            }
        }
    }
}

fn run(ops: Vec<Op>, bytes: usize, entries: usize) {
    let mut world = World::new(bytes, entries);
    let empty = world.store.memory();
    for (number, op) in ops.into_iter().enumerate() {
        world.run(op);
        if number % 16 == 0 {
            world.check();
        }
    }
    world.check();
    // What was counted is given back to the last byte.
    for name in [&b"stream"[..], b"other"] {
        let key = world.hasher.key(name);
        world.store.db(0).remove(&key, NOW);
    }
    while world.store.free_step(3) {}
    assert_eq!(world.store.memory().dataset, empty.dataset);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn streams_of_ordinary_nodes_are_as_the_model_says(ops in prop::collection::vec(op(), 1..400)) {
        run(ops, 4096, 100);
    }

    #[test]
    fn streams_of_small_nodes_are_as_the_model_says(
        ops in prop::collection::vec(op(), 1..300), bytes in 0..300usize, entries in 0..6usize,
    ) {
        run(ops, bytes, entries);
    }
}

/// A stream of 2,000 nodes with a group to which all of its entries were delivered.
fn large() -> World {
    let mut world = World::new(4096, 1);
    for _ in 0..2000 {
        world.run(Op::Add(1, 0, vec![(b"name".to_vec(), b"value".to_vec())]));
    }
    world.run(Op::Group(0));
    world.run(Op::Read(0, 0, u64::MAX, false));
    world
}

/// Frees what waits, and tells in how many steps of 100 parts.
fn steps(store: &mut Store) -> usize {
    std::iter::from_fn(|| store.free_step(100).then_some(())).count()
}

#[test]
fn a_large_stream_is_freed_in_steps_whatever_takes_it_away() {
    let empty = World::new(4096, 1).store.memory().dataset;
    let mut world = large();
    world.run(Op::Clear);
    assert!(steps(&mut world.store) > 20);
    assert_eq!(world.store.memory().dataset, empty);

    let mut world = large();
    world.run(Op::Trim(Goal::MaxLen(100), false, None, Refs::Keep));
    world.check();
    assert!(steps(&mut world.store) > 15, "what trimming drops waits to be freed");
    world.run(Op::Destroy(0));
    world.check();
    assert!(steps(&mut world.store) > 15, "a group that is destroyed waits to be freed");
    world.run(Op::Trim(Goal::MaxLen(0), false, None, Refs::Keep));
    world.check();
    world.run(Op::Clear);
    steps(&mut world.store);
    assert_eq!(world.store.memory().dataset, empty);
}
