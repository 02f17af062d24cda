//! One database, as commands see it.

mod edit_string;

use crate::access;
use crate::object::{INLINE_VALUE_MAX, Object, PACKED, PLAIN, RAW, kind_of, packed_bytes};
use crate::packed::{Form, Packed};
use crate::received::Offer;
use crate::store::{Cause, Ledger, place};
use crate::{Expiry, IncrError, Key, Kind, Store, Str, Value, WrongType, parse_integer};
use base::Now;
use compact::{Lookup, NewValue, Occupied, Tables};

/// The longest string that reports the encoding `embstr`, unless it was written into.
const EMBSTR_MAX: usize = 44;

/// What a lookup leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// A read: counts a hit or a miss and marks the key as used.
    Read,
    /// A read that counts but does not mark: EXISTS, TYPE, TTL, OBJECT.
    Glance,
    /// A lookup by a command that will write: marks but does not count.
    Write,
    /// Neither.
    Peek,
}

/// One database of a core.
pub struct Db<'a> {
    pub(crate) store: &'a mut Store,
    pub(crate) index: usize,
}

type Found<'a> = Occupied<'a, Object>;

/// Finds a key that is not expired, and does what `look` says. Deletes it if it is expired.
#[inline]
fn find<'t>(
    tables: &'t mut Tables<Object>,
    ledger: &mut Ledger,
    db: usize,
    key: &Key<'_>,
    look: Look,
    now: Now,
) -> Option<Found<'t>> {
    // A write is about to use the key's place, so what is expired must go.
    let reap = look == Look::Write || ledger.may_remove();
    let counts = u64::from(matches!(look, Look::Read | Look::Glance));
    match tables.lookup(place(db, key), key.bytes, now.unix_ms(), reap) {
        Lookup::Live(mut found) => {
            ledger.stats.keyspace_hits += counts;
            if ledger.touch && matches!(look, Look::Read | Look::Write) {
                found.set_access(ledger.used(found.access(), now));
            }
            return Some(found);
        }
        Lookup::Expired if reap => ledger.on_removed(db, key.bytes, Cause::Expired),
        Lookup::Expired | Lookup::Absent => {}
    }
    ledger.stats.keyspace_misses += counts;
    None
}

/// The string that an entry holds.
#[inline]
fn string_of(value: compact::Value<'_, Object>) -> Result<Str<'_>, WrongType> {
    match value {
        compact::Value::Bytes { mark: PACKED, .. } => Err(WrongType),
        compact::Value::Bytes { bytes, .. } => Ok(Str::Bytes(bytes)),
        compact::Value::Int(number) => Ok(Str::Int(number)),
        compact::Value::Boxed(object) => object.as_bytes().map(Str::Bytes).ok_or(WrongType),
    }
}

/// The form in which a value is stored.
#[inline]
fn stored<'v>(value: Value<'v>, offer: Option<&Offer>) -> NewValue<'v, Object> {
    match value {
        Value::Int(number) => NewValue::Int(number),
        Value::Bytes(bytes) | Value::Raw(bytes) if bytes.len() > INLINE_VALUE_MAX => {
            NewValue::Boxed(Object::keep(bytes, offer))
        }
        Value::Bytes(bytes) => NewValue::Bytes { bytes, mark: PLAIN },
        Value::Raw(bytes) => NewValue::Bytes { bytes, mark: RAW },
    }
}

/// Writes `patch` at `offset` of a string, filling a gap with zeros; it is `raw` from then on.
/// Gives the new length.
fn write_at(found: &mut Found<'_>, offset: usize, patch: &[u8]) -> usize {
    if let compact::Value::Boxed(_) = found.value() {
        return found.with_boxed(|object| object.write_at(offset, patch)).expect("it is boxed");
    }
    let mut buffer = itoa::Buffer::new();
    let deadline = found.deadline();
    if let compact::Value::Int(number) = found.value() {
        let bytes = buffer.format(number).as_bytes();
        found.replace(NewValue::Bytes { bytes, mark: RAW }, deadline);
    }
    let old = string_of(found.value()).expect("callers have checked the type");
    let old = old.as_bytes(&mut buffer);
    let len = old.len().max(offset + patch.len());
    if len > INLINE_VALUE_MAX {
        let mut object = Object::bytes(old, len);
        object.write_at(offset, patch);
        found.replace(NewValue::Boxed(object), deadline);
    } else {
        let bytes = found.resize(len, RAW).expect("it is not boxed and no integer");
        bytes[offset..offset + patch.len()].copy_from_slice(patch);
    }
    len
}

/// The name of a packed collection's encoding.
fn packed_encoding(bytes: &[u8]) -> &'static str {
    match Packed::of(bytes).form {
        Form::HashDeadlines => "listpackex",
        Form::Ints => "intset",
        Form::List | Form::Hash | Form::Set | Form::SortedSet => "listpack",
    }
}

impl Db<'_> {
    #[inline]
    fn find(&mut self, key: &Key<'_>, look: Look, now: Now) -> Option<Found<'_>> {
        find(&mut self.store.tables, &mut self.store.ledger, self.index, key, look, now)
    }

    fn changed(&mut self) {
        self.store.ledger.changes += 1;
    }

    fn insert(&mut self, key: &Key<'_>, value: Value<'_>, deadline: Option<i64>, now: Now) {
        let access = access::fresh(&self.store.ledger.eviction, now);
        let value = stored(value, self.store.offer.as_ref());
        self.store.tables.insert(place(self.index, key), key.bytes, value, deadline, access);
        self.changed();
    }

    /// The string of a key for a command that reads it; `None` when absent or expired. O(1).
    #[inline]
    pub fn string(&mut self, key: &Key<'_>, now: Now) -> Result<Option<Str<'_>>, WrongType> {
        self.string_as(key, Look::Read, now)
    }

    /// The string of a key; `look` says what the lookup leaves behind. O(1).
    #[inline]
    pub fn string_as(
        &mut self,
        key: &Key<'_>,
        look: Look,
        now: Now,
    ) -> Result<Option<Str<'_>>, WrongType> {
        self.find(key, look, now).map(|found| string_of(found.into_value())).transpose()
    }

    /// Whether the key is there; counts a hit or a miss. O(1).
    pub fn exists(&mut self, key: &Key<'_>, now: Now) -> bool {
        self.kind_as(key, Look::Glance, now).is_some()
    }

    /// The type of the key's value; counts a hit or a miss. O(1).
    pub fn kind(&mut self, key: &Key<'_>, now: Now) -> Option<Kind> {
        self.kind_as(key, Look::Glance, now)
    }

    /// The type of the key's value; `look` says what the lookup leaves behind. O(1).
    pub fn kind_as(&mut self, key: &Key<'_>, look: Look, now: Now) -> Option<Kind> {
        self.find(key, look, now).map(|found| kind_of(&found.value()))
    }

    /// When the key expires (UNIX milliseconds): `Some(None)` for a key without a time to live.
    /// Counts a hit or a miss. O(1).
    pub fn expiry(&mut self, key: &Key<'_>, now: Now) -> Option<Option<i64>> {
        self.expiry_as(key, Look::Glance, now)
    }

    /// [`Db::expiry`] with what the lookup leaves behind. O(1).
    pub fn expiry_as(&mut self, key: &Key<'_>, look: Look, now: Now) -> Option<Option<i64>> {
        self.find(key, look, now).map(|found| found.deadline())
    }

    /// Stores what a client sent under the key: as an integer where it is the text of one.
    /// Replaces whatever was there, of any type. O(length).
    pub fn set(&mut self, key: &Key<'_>, bytes: &[u8], expiry: Expiry, now: Now) {
        self.set_value(key, Value::detect(bytes), expiry, now);
    }

    /// Stores a value in the form given. Replaces whatever was there. O(length).
    pub fn set_value(&mut self, key: &Key<'_>, value: Value<'_>, expiry: Expiry, now: Now) {
        let deadline = |old: Option<i64>| match expiry {
            Expiry::Clear => None,
            Expiry::Keep => old,
            Expiry::At(at) => Some(at),
        };
        let Store { tables, ledger, offer, .. } = &mut *self.store;
        if let Some(mut found) = find(tables, ledger, self.index, key, Look::Write, now) {
            let deadline = deadline(found.deadline());
            found.replace(stored(value, offer.as_ref()), deadline);
            self.changed();
        } else {
            self.insert(key, value, deadline(None), now);
        }
    }

    /// Appends to the string, which an absent key has empty, and gives the new length. Keeps the
    /// time to live. Amortised O(appended).
    pub fn append(&mut self, key: &Key<'_>, tail: &[u8], now: Now) -> Result<usize, WrongType> {
        let Some(mut found) = self.find(key, Look::Write, now) else {
            self.insert(key, Value::detect(tail), None, now);
            return Ok(tail.len());
        };
        let old = string_of(found.value())?.len();
        let len = write_at(&mut found, old, tail);
        self.changed();
        Ok(len)
    }

    /// Writes `patch` at `offset` of the string, filling a gap with zero bytes, and gives the new
    /// length. An empty patch changes nothing. Keeps the time to live. O(patch + gap).
    pub fn set_range(
        &mut self,
        key: &Key<'_>,
        offset: usize,
        patch: &[u8],
        now: Now,
    ) -> Result<usize, WrongType> {
        let Some(mut found) = self.find(key, Look::Write, now) else {
            if patch.is_empty() {
                return Ok(0);
            }
            self.insert(key, Value::Raw(&[]), None, now);
            return self.set_range(key, offset, patch, now);
        };
        let len = string_of(found.value())?.len();
        if patch.is_empty() {
            return Ok(len);
        }
        let len = write_at(&mut found, offset, patch);
        self.changed();
        Ok(len)
    }

    /// Adds to the integer, which an absent key has as 0, and gives the sum. Keeps the time to
    /// live. O(1).
    pub fn incr(&mut self, key: &Key<'_>, by: i64, now: Now) -> Result<i64, IncrError> {
        let Some(mut found) = self.find(key, Look::Write, now) else {
            self.insert(key, Value::Int(by), None, now);
            return Ok(by);
        };
        let old = match string_of(found.value())? {
            Str::Int(number) => number,
            Str::Bytes(bytes) => parse_integer(bytes).ok_or(IncrError::NotInteger)?,
        };
        let sum = old.checked_add(by).ok_or(IncrError::Overflow)?;
        let deadline = found.deadline();
        found.replace(NewValue::Int(sum), deadline);
        self.changed();
        Ok(sum)
    }

    /// Sets or takes away the time to live. False when the key is absent; taking away what is not
    /// there is no change. A time in the past is stored as given: the key is gone at once. O(1).
    pub fn set_expiry(&mut self, key: &Key<'_>, expiry: Option<i64>, now: Now) -> bool {
        let Some(mut found) = self.find(key, Look::Write, now) else { return false };
        if found.deadline().is_some() || expiry.is_some() {
            found.set_deadline(expiry);
            self.changed();
        }
        true
    }

    /// Deletes the key. False when it was absent or expired. O(1).
    pub fn remove(&mut self, key: &Key<'_>, now: Now) -> bool {
        let Some(found) = self.find(key, Look::Peek, now) else { return false };
        found.remove();
        self.changed();
        true
    }

    /// The encoding that OBJECT ENCODING names. O(1).
    pub fn encoding(&mut self, key: &Key<'_>, now: Now) -> Option<&'static str> {
        self.find(key, Look::Glance, now).map(|found| match found.value() {
            compact::Value::Int(_) => "int",
            compact::Value::Bytes { bytes, mark: PACKED } => packed_encoding(bytes),
            compact::Value::Bytes { bytes, mark: PLAIN } if bytes.len() <= EMBSTR_MAX => "embstr",
            compact::Value::Bytes { .. }
            | compact::Value::Boxed(Object::Bytes(_) | Object::Received(_)) => "raw",
            compact::Value::Boxed(Object::Hash(_) | Object::Set(_)) => "hashtable",
            compact::Value::Boxed(Object::SortedSet(_)) => "skiplist",
            compact::Value::Boxed(Object::List(_)) => "quicklist",
            compact::Value::Boxed(Object::Stream(_)) => "stream",
            compact::Value::Boxed(Object::Packed(bytes)) => packed_encoding(bytes),
        })
    }

    /// Seconds since the key was last used; meaningful unless the policy is LFU. O(1).
    pub fn idle_seconds(&mut self, key: &Key<'_>, now: Now) -> Option<u64> {
        self.find(key, Look::Glance, now).map(|found| access::idle_seconds(found.access(), now))
    }

    /// The key's logarithmic access counter, decayed to now; meaningful if the policy is LFU. O(1).
    pub fn frequency(&mut self, key: &Key<'_>, now: Now) -> Option<u8> {
        let eviction = *self.store.eviction();
        self.find(key, Look::Glance, now)
            .map(|found| access::frequency(found.access(), &eviction, now) as u8)
    }

    /// Bytes that the key takes, its share of the table included. O(1).
    pub fn memory_usage(&mut self, key: &Key<'_>, now: Now) -> Option<usize> {
        self.find(key, Look::Peek, now).map(|found| found.bytes())
    }
}

impl<'s> Db<'s> {
    /// The collection of a key that is absent or of this type, as `packed` or `object` views it.
    #[inline]
    pub(crate) fn read<V>(
        self,
        key: &Key<'_>,
        kind: Kind,
        look: Look,
        now: Now,
        packed: impl FnOnce(Packed<'s>) -> V,
        object: impl FnOnce(&'s Object) -> Option<V>,
    ) -> Result<Option<V>, WrongType> {
        let Store { tables, ledger, .. } = self.store;
        let Some(found) = find(tables, ledger, self.index, key, look, now) else {
            return Ok(None);
        };
        let value = found.into_value();
        if kind_of(&value) != kind {
            return Err(WrongType);
        }
        let view = match (packed_bytes(&value), value) {
            (Some(bytes), _) => Some(packed(Packed::of(bytes))),
            (None, compact::Value::Boxed(boxed)) => object(boxed),
            (None, _) => None,
        };
        view.map(Some).ok_or(WrongType)
    }
}
