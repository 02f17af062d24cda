//! The change feed: which of the keys that somebody cares for were written to. Who watches a key or waits for it says so;
//! for all other keys nothing is noted, and while nobody cares nothing is asked.

use base::Now;
use command::{Args, Fanout, Flags, Spec};
use std::collections::HashMap;
use store::{Hasher, Store};

/// A key of a database.
pub type DbKey = (u8, Box<[u8]>);

/// What somebody cares for, and what has happened to it since the last look.
#[derive(Debug, Default)]
pub struct Feed {
    /// How many care for each key.
    cared_for: HashMap<DbKey, u32>,
    /// Keys that were written to.
    pub touched: Vec<DbKey>,
    /// Keys that are as they were, but not to those who wait for them: a group has gone.
    pub stirred: Vec<DbKey>,
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
            self.touched.push(key);
        }
    }

    /// The same for keys that a command has written to. The end of a group is no change of its stream.
    pub(super) fn touch_all(&mut self, spec: &Spec, keys: Vec<DbKey>) {
        for key in keys {
            match only_stirs(spec) {
                true => self.stir(key),
                false => self.touch(key),
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
            Fanout::All(_) => self.cared_for.keys().cloned().collect(),
            _ => {
                let mut keys = written_keys(spec, db, args);
                let is_cared_for = |key: &DbKey| self.cared_for.contains_key(key);
                if !FIRST_THERE.contains(&spec.name) || !keys.iter().any(is_cared_for) {
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
    for position in positions {
        let key = args.get(position as usize);
        keys.push((db, key.into()));
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

/// Commands, and sub-commands of XGROUP, that write nothing but what groups of a stream know: as in Redis that is no change of the
/// stream to those who watch it, and nothing to those who wait for it.
const ONLY_GROUPS: [&str; 8] =
    ["CREATE", "CREATECONSUMER", "DELCONSUMER", "SETID", "XACK", "XAUTOCLAIM", "XCLAIM", "XSETID"];

/// Commands that take from the first of their keys that is there, and leave the others alone.
const FIRST_THERE: [&str; 8] =
    ["LMPOP", "BLMPOP", "BLPOP", "BRPOP", "ZMPOP", "BZMPOP", "BZPOPMIN", "BZPOPMAX"];

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
    if FIRST_THERE.contains(&spec.name) {
        candidates = candidates.into_iter().find(|(_, before)| *before).into_iter().collect();
    }
    if spec.name == "SMOVE" && changes == 1 {
        // The other set had the member already.
        candidates.retain(|((_, key), _)| **key == *args.get(1));
    }
    let whole = matches!(spec.fanout, Fanout::All(_));
    let only_groups = ONLY_GROUPS.contains(&spec.name);
    let names = |db: u8| (1..args.len()).any(|arg| args.integer(arg) == Some(i64::from(db)));
    let mut is_written = |(key, before): &Candidate| {
        let after = is_there(store, hasher, key, now);
        match whole {
            true => *before != after || (after && names(key.0)),
            false if only_groups => *before != after,
            false => *before || after,
        }
    };
    candidates.into_iter().filter(|candidate| is_written(candidate)).map(|(key, _)| key).collect()
}

/// Whether what a command writes is a change only to those who wait for the key.
pub(super) fn only_stirs(spec: &Spec) -> bool {
    spec.name == "DESTROY"
}

/// Whether a command that has changed nothing counts as a write of its key all the same.
pub(super) fn always_writes(spec: &Spec) -> bool {
    spec.name == "LTRIM"
}

/// Whether a command may write at all.
#[inline]
pub(super) fn may_write(spec: &Spec) -> bool {
    spec.flags.has(Flags::WRITE)
}
