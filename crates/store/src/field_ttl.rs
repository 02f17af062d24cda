//! Active expiry of hash fields.
//!
//! A read does not see a field that has expired, but it takes memory and HLEN counts it. So a store keeps, for
//! hashes with such fields, an ordered index of (earliest deadline, database, key), and a step takes due
//! ones from its front. The index may say too much (the key is gone, the field was given another deadline):
//! then the step finds nothing due, and puts back what it finds to be the next time. What nobody would ever
//! come to is swept out when the index has doubled since the last sweep.

use crate::hash::{Hash, HashTable};
use crate::{Anything, Store};
use base::{Now, Slot};
use std::collections::BTreeSet;

/// Below so many entries the index is not swept.
const SWEEP_MIN: usize = 1024;

/// Buckets of a large hash that a step looks at before the next hash has its turn.
const BUCKETS: usize = 256;

/// The hashes that have fields with a time to live.
#[derive(Debug)]
pub(crate) struct FieldDeadlines {
    index: BTreeSet<(i64, u8, Box<[u8]>)>,
    /// So many entries, and it is swept.
    sweep_at: usize,
}

impl Default for FieldDeadlines {
    fn default() -> FieldDeadlines {
        FieldDeadlines { index: BTreeSet::new(), sweep_at: SWEEP_MIN }
    }
}

/// What is to be done with a hash whose time has come.
enum Due {
    /// There is none, or none with deadlines.
    Nothing,
    /// The earliest deadline is later.
    Later(i64),
    /// Some of these fields have expired.
    Packed(Vec<Vec<u8>>),
    /// Some field of a table may have.
    Table,
}

impl Store {
    /// A hash was given a field with this deadline, `i64::MAX` for none. O(log hashes), amortised.
    #[inline]
    pub(crate) fn note_field_deadline(&mut self, db: usize, key: &[u8], deadline_ms: i64) {
        if deadline_ms != i64::MAX {
            self.field_deadlines.index.insert((deadline_ms, db as u8, key.into()));
            if self.field_deadlines.index.len() >= self.field_deadlines.sweep_at {
                self.sweep_field_deadlines();
            }
        }
    }

    /// The hash of a key was put there as it is: its deadlines count from now on.
    pub(crate) fn note_arrived(&mut self, db: usize, key: &crate::Key<'_>, now: Now) {
        let earliest = self.see_hash(db, key, now).and_then(|hash| hash.earliest_ms());
        self.note_field_deadline(db, key.bytes, earliest.unwrap_or(i64::MAX));
    }

    fn see_hash(&self, db: usize, key: &crate::Key<'_>, now: Now) -> Option<Hash<'_>> {
        match self.see(db as u8, key, now) {
            Some(Anything::Hash(hash)) => Some(hash),
            _ => None,
        }
    }

    /// Whether any hash may have fields with a time to live. O(1).
    pub fn has_field_deadlines(&self) -> bool {
        !self.field_deadlines.index.is_empty()
    }

    /// Entries of the index of hashes with fields that have a time to live. O(1).
    pub fn field_deadlines_len(&self) -> usize {
        self.field_deadlines.index.len()
    }

    /// Forgets hashes that are gone or have another earliest deadline than the index says.
    fn sweep_field_deadlines(&mut self) {
        let index = std::mem::take(&mut self.field_deadlines.index);
        // As long ago as time goes, so that no key has expired.
        let always = Now { unix_us: i64::MIN, mono_us: 0 };
        let is_right = |(deadline, db, key): &(i64, u8, Box<[u8]>)| {
            let key = self.hasher.key(key);
            let earliest = self.see_hash(usize::from(*db), &key, always).map(|h| h.earliest_ms());
            earliest.flatten().is_some_and(|earliest| earliest >= *deadline)
        };
        let kept: BTreeSet<_> = index.into_iter().filter(is_right).collect();
        self.field_deadlines.sweep_at = SWEEP_MIN.max(2 * kept.len());
        self.field_deadlines.index = kept;
    }

    /// Removes expired fields. Works on about `budget` items: a field or bucket looked at is one. Gives how many
    /// were used; all of them when there may be more to do.
    pub(crate) fn expire_fields_step(&mut self, now: Now, budget: usize) -> usize {
        let mut used = 0;
        while used < budget
            && self.field_deadlines.index.first().is_some_and(|first| first.0 < now.unix_ms())
        {
            let (_, db, key) = self.field_deadlines.index.pop_first().expect("just seen");
            used += 1 + self.expire_fields_of(usize::from(db), &key, now);
        }
        used
    }

    /// Removes expired fields of one hash, a part of them if it is large, and notes when to come again.
    fn expire_fields_of(&mut self, db: usize, bytes: &[u8], now: Now) -> usize {
        let key = self.hasher.key(bytes);
        debug_assert_eq!(key.slot, Slot::of_key(bytes));
        let due = match self.see_hash(db, &key, now) {
            None => Due::Nothing,
            Some(hash) => match hash.earliest_ms() {
                None => Due::Nothing,
                Some(earliest) if earliest >= now.unix_ms() => Due::Later(earliest),
                Some(_) if hash.is_packed() => {
                    Due::Packed(hash.all_due().map(|field| field.name.to_vec()).collect())
                }
                Some(_) => Due::Table,
            },
        };
        match due {
            Due::Nothing => 0,
            Due::Later(earliest) => {
                self.note_field_deadline(db, bytes, earliest);
                0
            }
            Due::Packed(names) => {
                self.ledger.stats.expired_subkeys += names.len() as u64;
                let mut keyspace = self.db(db as u8);
                let removed = keyspace.edit_hash(&key, now, |hash| {
                    names.iter().for_each(|name| _ = hash.remove(name));
                    hash.earliest_ms()
                });
                let earliest = removed.ok().flatten().unwrap_or(i64::MAX);
                self.note_field_deadline(db, bytes, earliest);
                names.len()
            }
            Due::Table => self.expire_fields_of_table(db, &key, now),
        }
    }

    fn expire_fields_of_table(&mut self, db: usize, key: &crate::Key<'_>, now: Now) -> usize {
        let mut keyspace = self.db(db as u8);
        let swept = keyspace.edit_hash(key, now, |hash| hash.sweep(now, BUCKETS));
        let Ok((removed, again)) = swept else { return 0 };
        self.ledger.stats.expired_subkeys += removed as u64;
        self.note_field_deadline(db, key.bytes, again);
        BUCKETS + removed
    }
}

impl HashTable {
    /// A field was given this deadline.
    pub(crate) fn note_deadline(&mut self, deadline: Option<i64>) {
        let Some(deadline) = deadline else { return };
        self.earliest_ms = self.earliest_ms.min(deadline);
        // The pass may have been there already.
        if let Some((_, earliest)) = &mut self.pass {
            *earliest = deadline.min(*earliest);
        }
    }

    /// Goes on with a pass over the table, `buckets` of it, that removes expired fields. Gives how many went, and
    /// the time at which to call again: at once while the pass is not through.
    pub(crate) fn sweep(&mut self, now: Now, buckets: usize) -> (usize, i64) {
        let (mut position, mut earliest) = self.pass.take().unwrap_or((0, i64::MAX));
        let mut removed = 0;
        for _ in 0..buckets {
            let swept = self.map.reap(position, now.unix_ms());
            removed += swept.removed;
            earliest = earliest.min(swept.earliest_ms);
            match swept.next {
                Some(next) => position = next,
                None => {
                    self.earliest_ms = earliest;
                    return (removed, self.earliest_ms);
                }
            }
        }
        self.pass = Some((position, earliest));
        (removed, self.earliest_ms)
    }
}
