//! Values on their way: from key to key, from database to database, from core to core.

use crate::access;
use crate::object::{Object, kind_of};
use crate::store::{Cause, place};
use crate::{Db, Key, Kind};
use base::Now;
use compact::{Cell, Payload, Taken, TakenValue};

/// A value with its time to live and its access bits, out of any keyspace. A large one is behind a pointer, so a
/// parcel is cheap to move whatever it holds. [`Send`], so that it can go to another core.
pub struct Parcel(Taken<Object>);

const _: () = {
    const fn is_send<T: Send>() {}
    is_send::<Parcel>();
};

impl Parcel {
    /// The type of the value.
    pub fn kind(&self) -> Kind {
        match &self.0.value {
            TakenValue::Bytes { bytes, mark } => {
                kind_of(&compact::Value::Bytes { bytes, mark: *mark })
            }
            TakenValue::Int(_) => Kind::String,
            TakenValue::Boxed(object) => object.kind(),
        }
    }

    /// When it expires, in UNIX milliseconds.
    pub fn deadline(&self) -> Option<i64> {
        self.0.deadline
    }

    /// Memory that it takes, in bytes.
    pub fn bytes(&self) -> usize {
        match &self.0.value {
            TakenValue::Bytes { bytes, .. } => bytes.len(),
            TakenValue::Int(_) => 0,
            TakenValue::Boxed(object) => object.footprint(),
        }
    }
}

impl std::fmt::Debug for Parcel {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Parcel({}, {} bytes)", self.kind().name(), self.bytes())
    }
}

impl Db<'_> {
    /// Takes a key out with all that belongs to it; `None` when it is absent or expired. Counts neither as a use nor
    /// as a change: the caller says what it is. Expected O(1), O(length) for a value within the entry.
    pub fn take(&mut self, key: &Key<'_>, now: Now) -> Option<Parcel> {
        let store = &mut *self.store;
        let (cell, expired) = store.tables.cell(place(self.index, key), key.bytes, now.unix_ms());
        if expired {
            store.ledger.on_removed(self.index, key.bytes, Cause::Expired);
        }
        match cell {
            Cell::Occupied(found) => Some(Parcel(found.take())),
            Cell::Vacant(_) => None,
        }
    }

    /// Puts a parcel under a key, in the place of whatever is there. Counts neither as a use nor as a change.
    /// Expected O(1), O(length) for a value within the entry.
    pub fn put(&mut self, key: &Key<'_>, parcel: Parcel, now: Now) {
        let kind = parcel.kind();
        let Parcel(Taken { value, deadline, access }) = parcel;
        let place = place(self.index, key);
        let (cell, _) = self.store.tables.cell(place, key.bytes, now.unix_ms());
        value.into_new(|value| match cell {
            Cell::Occupied(mut found) => {
                found.replace(value, deadline);
                found.set_access(access);
            }
            Cell::Vacant(vacant) => vacant.insert(key.bytes, value, deadline, access),
        });
        if kind == Kind::Hash {
            self.store.note_arrived(self.index, key, now);
        }
    }

    /// A copy of what a key holds, its time to live included; `None` when it is absent or expired. As a new value
    /// it counts as just used. O(value).
    pub fn copy(&mut self, key: &Key<'_>, now: Now) -> Option<Parcel> {
        let access = access::fresh(&self.store.ledger.eviction, now);
        self.copy_as_is(key, now).map(|Parcel(taken)| Parcel(Taken { access, ..taken }))
    }

    /// [`Db::copy`] with the access bits of the original.
    pub fn copy_as_is(&mut self, key: &Key<'_>, now: Now) -> Option<Parcel> {
        let place = place(self.index, key);
        let (cell, expired) = self.store.tables.cell(place, key.bytes, now.unix_ms());
        let Cell::Occupied(found) = cell else {
            if expired {
                self.store.ledger.on_removed(self.index, key.bytes, Cause::Expired);
            }
            return None;
        };
        let value = match found.value() {
            compact::Value::Bytes { bytes, mark } => {
                TakenValue::Bytes { bytes: bytes.into(), mark }
            }
            compact::Value::Int(number) => TakenValue::Int(number),
            compact::Value::Boxed(object) => TakenValue::Boxed(Box::new(object.duplicate())),
        };
        Some(Parcel(Taken { value, deadline: found.deadline(), access: found.access() }))
    }

    /// Memory that a key's value takes beside its entry, in bytes; `None` when it is absent. O(1).
    pub fn value_bytes(&mut self, key: &Key<'_>, now: Now) -> Option<usize> {
        let place = place(self.index, key);
        let value = self.store.tables.get(place, key.bytes, now.unix_ms())?;
        Some(match value {
            compact::Value::Bytes { bytes, .. } => bytes.len(),
            compact::Value::Int(_) => 0,
            compact::Value::Boxed(object) => object.footprint(),
        })
    }

    /// Has a key count as last used so many seconds ago, or so often, as the policy in force counts.
    pub fn set_use(&mut self, key: &Key<'_>, idle_s: Option<u64>, frequency: Option<u8>, now: Now) {
        let eviction = self.store.ledger.eviction;
        let bits = match (eviction.policy.is_lfu(), idle_s, frequency) {
            (false, Some(seconds), _) => access::idle_for(seconds, now),
            (true, _, Some(frequency)) => access::used_so_often(frequency, now),
            _ => return,
        };
        let place = place(self.index, key);
        let (cell, _) = self.store.tables.cell(place, key.bytes, now.unix_ms());
        if let Cell::Occupied(mut found) = cell {
            found.set_access(bits);
        }
    }

    /// Counts so many changes that were made by taking and putting.
    pub fn count_changes(&mut self, changes: u64) {
        self.store.ledger.changes += changes;
    }
}
