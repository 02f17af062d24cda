//! The change feed: which of the keys that somebody cares for were written to. Who watches a key or waits for it says so;
//! for all other keys nothing is noted, and while nobody cares nothing is asked.

use base::Now;
use command::{Args, Fanout, Flags, KeySpec, Spec, Writes};
use std::collections::{HashMap, HashSet};
use store::{Hasher, Store};

/// A key of a database.
pub type DbKey = (u8, Box<[u8]>);

/// What somebody cares for, and what has happened to it since the last look.
#[derive(Debug, Default)]
pub struct Feed {
    /// How many care for each key.
    cared_for: HashMap<DbKey, u32>,
    /// Keys that were written to.
    pub touched: WriteOrder,
    /// Keys that are as they were, but not to those who wait for them: a group has gone.
    pub stirred: Vec<DbKey>,
}

/// Keys in the order in which they were first written to, each once: a script may write to one of them a million times.
#[derive(Debug, Default)]
pub struct WriteOrder {
    order: Vec<DbKey>,
    known: HashSet<DbKey>,
}

impl WriteOrder {
    /// Whether there is none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// A key was written to.
    pub fn note(&mut self, key: DbKey) {
        if self.known.insert(key.clone()) {
            self.order.push(key);
        }
    }

    /// Forgets all but the first so many.
    pub fn truncate(&mut self, len: usize) {
        for key in self.order.drain(len..) {
            self.known.remove(&key);
        }
    }

    /// Takes them out.
    pub fn take(&mut self) -> Vec<DbKey> {
        std::mem::take(self).order
    }
}

/// A key that a command may write to, and whether it was there before.
pub(super) type Candidate = (DbKey, bool);

impl Feed {
    /// Whether somebody cares for anything.
    #[inline]
    pub fn is_on(&self) -> bool {
        !self.cared_for.is_empty()
    }

    /// One more cares for a key.
    pub fn care(&mut self, key: DbKey) {
        *self.cared_for.entry(key).or_default() += 1;
    }

    /// One less does.
    pub fn forget(&mut self, key: &DbKey) {
        if let Some(count) = self.cared_for.get_mut(key) {
            *count -= 1;
            if *count == 0 {
                self.cared_for.remove(key);
            }
        }
    }

    /// Notes that a key was written to, if somebody cares.
    pub fn touch(&mut self, key: DbKey) {
        if self.cared_for.contains_key(&key) {
            self.touched.note(key);
        }
    }

    /// The same for keys that a command has written to. The end of a group is no change of its stream.
    pub(super) fn touch_all(&mut self, spec: &Spec, keys: Vec<DbKey>) {
        for key in keys {
            match spec.writes {
                Writes::OnlyWaits => self.stir(key),
                _ => self.touch(key),
            }
        }
    }

    /// Notes that a key is as it was, but not to those who wait for it, if somebody cares.
    pub fn stir(&mut self, key: DbKey) {
        if self.cared_for.contains_key(&key) {
            self.stirred.push(key);
        }
    }

    /// What a command may write to of all that somebody cares for.
    pub(super) fn candidates(&self, spec: &Spec, db: u8, args: &Args<'_>) -> Vec<DbKey> {
        match spec.fanout {
            Fanout::All(_) => {
                // Which of them serves first whom it wakes is to be the same each time.
                let mut keys: Vec<DbKey> = self.cared_for.keys().cloned().collect();
                keys.sort_unstable();
                keys
            }
            _ => {
                let mut keys = written_keys(spec, db, args);
                let is_cared_for = |key: &DbKey| self.cared_for.contains_key(key);
                if spec.writes != Writes::FirstThere || !keys.iter().any(is_cared_for) {
                    keys.retain(is_cared_for);
                }
                keys
            }
        }
    }
}

/// The keys that a command names and may write to.
pub(super) fn written_keys(spec: &Spec, db: u8, args: &Args<'_>) -> Vec<DbKey> {
    let (mut positions, mut keys) = (Vec::new(), Vec::new());
    for key_spec in spec.keys.iter().filter(|keys| keys.flags.first() != Some(&"RO")) {
        key_spec.positions(args, &mut positions);
    }
    let other = spec.other_db.and_then(|other| other(args)).filter(|other| *other != db);
    // COPY leaves what it only reads, and has its destination in the other database alone; MOVE changes both.
    let is_read = |keys: &KeySpec| keys.flags.first() == Some(&"RO");
    let only_other = other.is_some() && spec.keys.iter().any(is_read);
    for position in positions {
        let key = args.get(position as usize);
        if !only_other {
            keys.push((db, key.into()));
        }
        keys.extend(other.map(|other| (other, key.into())));
    }
    keys
}

/// Whether each key is there.
pub(super) fn look(
    store: &mut Store,
    hasher: Hasher,
    keys: Vec<DbKey>,
    now: Now,
) -> Vec<Candidate> {
    let look = |key: DbKey| {
        let there = is_there(store, hasher, &key, now);
        (key, there)
    };
    keys.into_iter().map(look).collect()
}

/// Whether a key is there; nobody is said to have used it.
pub fn is_there(store: &mut Store, hasher: Hasher, key: &DbKey, now: Now) -> bool {
    usize::from(key.0) < store.databases()
        && store.db(key.0).value_bytes(&hasher.key(&key.1), now).is_some()
}

/// Those of the candidates that a command, which has changed something, has written to: all that were there before or are now. A
/// command on whole databases (FLUSHALL, SWAPDB) has, where a key came or went, or where it names the key's database. `changes` is how
/// many changes it has counted.
pub(super) fn written(
    store: &mut Store,
    hasher: Hasher,
    spec: &Spec,
    args: &Args<'_>,
    mut candidates: Vec<Candidate>,
    changes: u64,
    now: Now,
) -> Vec<DbKey> {
    match spec.writes {
        Writes::FirstThere => {
            candidates = candidates.into_iter().find(|(_, before)| *before).into_iter().collect();
        }
        Writes::Moved if changes == 1 => {
            candidates.retain(|((_, key), _)| **key == *args.get(1));
        }
        _ => {}
    }
    let whole = matches!(spec.fanout, Fanout::All(_));
    let names = |db: u8| (1..args.len()).any(|arg| args.integer(arg) == Some(i64::from(db)));
    let mut is_written = |(key, before): &Candidate| {
        let after = is_there(store, hasher, key, now);
        match whole {
            true => *before != after || (after && names(key.0)),
            false if spec.writes == Writes::OnlyGroups => *before != after,
            false => *before || after,
        }
    };
    candidates.into_iter().filter(|candidate| is_written(candidate)).map(|(key, _)| key).collect()
}

/// Whether a command may write at all.
#[inline]
pub(super) fn may_write(spec: &Spec) -> bool {
    spec.flags.has(Flags::WRITE)
}
