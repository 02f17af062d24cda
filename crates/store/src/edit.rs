//! Changing a collection, wherever its bytes lie.
//!
//! [`Editing`] is the value of one key while a command changes it: absent, within the entry, or boxed.
//! Collections are written on top of it and need not know which. When the change is over,
//! [`Db::edit`] stores what is new, removes the key of a collection that has become empty, and counts.

use crate::access;
use crate::object::{INLINE_VALUE_MAX, Object, PACKED, kind_of};
use crate::packed::{Form, Packed, Patch};
use crate::store::{Cause, place};
use crate::{Db, Hasher, Key, Kind, Shapes, Store, WrongType};
use base::Now;
use compact::packed::Splice;
use compact::{Cell, NewValue, Occupied, Vacant, Value};

/// A boxed packed collection that is no longer than this returns into its entry: far enough below
/// [`INLINE_VALUE_MAX`] that one at the border does not move with each change.
const INLINE_AGAIN_MAX: usize = INLINE_VALUE_MAX / 2;

/// A value that is being changed.
pub(crate) struct Editing<'a> {
    place: Place<'a>,
    /// The thresholds of the encodings.
    pub(crate) shapes: &'a Shapes,
    /// The hash function of this process.
    pub(crate) hasher: Hasher,
    /// The time of the turn.
    pub(crate) now: Now,
    /// What the command has changed so far, in Redis' counting.
    pub(crate) changes: u64,
}

enum Place<'a> {
    /// The key is there.
    Occupied(Occupied<'a, Object>),
    /// The key is not there, or there is no key at all yet; what it will hold, if anything.
    Absent(Option<Vacant<'a, Object>>, Fresh),
}

/// What a new key will hold.
#[derive(Default)]
enum Fresh {
    #[default]
    Nothing,
    Packed(Vec<u8>),
    Object(Box<Object>),
}

/// The value as it is.
pub(crate) enum Seen<'a> {
    /// The key is not there.
    Nothing,
    /// A packed collection with its header.
    Packed(&'a [u8]),
    /// A boxed value that is not packed.
    Object(&'a Object),
}

impl Editing<'_> {
    /// The value.
    #[inline]
    pub(crate) fn seen(&self) -> Seen<'_> {
        match &self.place {
            Place::Occupied(found) => match found.value() {
                Value::Boxed(Object::Packed(bytes)) => Seen::Packed(bytes),
                Value::Boxed(object) => Seen::Object(object),
                Value::Bytes { bytes, .. } => Seen::Packed(bytes),
                Value::Int(_) => unreachable!("an integer is no collection"),
            },
            Place::Absent(_, Fresh::Nothing) => Seen::Nothing,
            Place::Absent(_, Fresh::Packed(bytes)) => Seen::Packed(bytes),
            Place::Absent(_, Fresh::Object(object)) => Seen::Object(object),
        }
    }

    /// The packed collection, if it is one.
    #[inline]
    pub(crate) fn packed(&self) -> Option<Packed<'_>> {
        match self.seen() {
            Seen::Packed(bytes) => Some(Packed::of(bytes)),
            _ => None,
        }
    }

    /// Begins a value where there is none: a packed collection with this header.
    pub(crate) fn begin(&mut self, header: &[u8]) {
        let Place::Absent(_, fresh) = &mut self.place else { unreachable!("only where none is") };
        *fresh = Fresh::Packed(header.to_vec());
    }

    /// Puts an object in the place of what is there, or of nothing.
    pub(crate) fn install(&mut self, object: Object) {
        match &mut self.place {
            Place::Occupied(found) => {
                let deadline = found.deadline();
                found.replace(NewValue::Boxed(Box::new(object)), deadline);
            }
            Place::Absent(_, fresh) => *fresh = Fresh::Object(Box::new(object)),
        }
    }

    /// Puts a packed collection in the place of what is there, or of nothing.
    pub(crate) fn install_packed(&mut self, bytes: Vec<u8>) {
        match &mut self.place {
            Place::Occupied(found) if bytes.len() <= INLINE_VALUE_MAX => {
                let deadline = found.deadline();
                found.replace(NewValue::Bytes { bytes: &bytes, mark: PACKED }, deadline);
            }
            Place::Occupied(_) => self.install(Object::Packed(bytes)),
            Place::Absent(_, fresh) => *fresh = Fresh::Packed(bytes),
        }
    }

    /// Runs `change` on the object. Panics unless the value is one.
    #[inline]
    pub(crate) fn with_object<R>(&mut self, change: impl FnOnce(&mut Object) -> R) -> R {
        match &mut self.place {
            Place::Occupied(found) => found.with_boxed(change).expect("the value is an object"),
            Place::Absent(_, Fresh::Object(object)) => change(object),
            Place::Absent(..) => unreachable!("the value is an object"),
        }
    }

    fn is_empty(&self) -> bool {
        match self.seen() {
            Seen::Nothing => true,
            Seen::Packed(bytes) => Packed::of(bytes).count == 0,
            Seen::Object(object) => object.is_empty(),
        }
    }

    /// Stores what is new and removes what is empty. Gives the changes.
    fn finish(self, key: &[u8], access: impl FnOnce() -> u32) -> u64 {
        let empty = self.is_empty();
        match self.place {
            Place::Occupied(found) if empty => found.remove(),
            Place::Absent(Some(vacant), fresh) if !empty => {
                if let Fresh::Packed(bytes) = &fresh
                    && bytes.len() <= INLINE_VALUE_MAX
                {
                    vacant.insert(key, NewValue::Bytes { bytes, mark: PACKED }, None, access());
                } else {
                    vacant.insert(key, NewValue::Boxed(fresh.into_object()), None, access());
                }
            }
            _ => {}
        }
        self.changes
    }
}

/// A collection that was made apart from any key, to be put under one by [`Db::put_made`].
#[derive(Default)]
pub struct Made(Fresh);

impl Made {
    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        match &self.0 {
            Fresh::Nothing => true,
            Fresh::Packed(bytes) => Packed::of(bytes).count == 0,
            Fresh::Object(object) => object.is_empty(),
        }
    }
}

impl Made {
    /// Whether it is a hash with fields that have a time to live.
    fn has_deadlines(&self) -> bool {
        match &self.0 {
            Fresh::Packed(bytes) => Packed::of(bytes).form == Form::HashDeadlines,
            Fresh::Object(object) => {
                matches!(&**object, Object::Hash(table) if table.map.deadlines() > 0)
            }
            Fresh::Nothing => false,
        }
    }
}

impl Store {
    /// Lets `make` write a collection that belongs to no key yet.
    pub(crate) fn make(&self, now: Now, make: impl FnOnce(&mut Editing<'_>)) -> Made {
        let mut editing = Editing {
            place: Place::Absent(None, Fresh::Nothing),
            shapes: &self.shapes,
            hasher: self.hasher,
            now,
            changes: 0,
        };
        make(&mut editing);
        match editing.place {
            Place::Absent(_, fresh) => Made(fresh),
            Place::Occupied(_) => unreachable!("it was made absent"),
        }
    }
}

impl Fresh {
    fn into_object(self) -> Box<Object> {
        match self {
            Fresh::Nothing => unreachable!("what is empty is not stored"),
            Fresh::Packed(bytes) => Box::new(Object::Packed(bytes)),
            Fresh::Object(object) => object,
        }
    }
}

impl Splice for Editing<'_> {
    #[inline]
    fn bytes(&self) -> &[u8] {
        match self.seen() {
            Seen::Packed(bytes) => bytes,
            _ => unreachable!("only packed collections are asked for their bytes"),
        }
    }

    fn exchange(&mut self, at: usize, remove: usize, insert: &[&[u8]]) {
        let found = match &mut self.place {
            Place::Absent(_, Fresh::Packed(bytes)) => return bytes.exchange(at, remove, insert),
            Place::Absent(..) => unreachable!("only packed collections are spliced"),
            Place::Occupied(found) => found,
        };
        if let Value::Bytes { bytes, .. } = found.value() {
            let more: usize = insert.iter().map(|part| part.len()).sum();
            if bytes.len() - remove + more <= INLINE_VALUE_MAX {
                found.splice(at, remove, insert, PACKED);
                return;
            }
            let mut boxed = Vec::with_capacity(compact::round_large(bytes.len() + more));
            boxed.extend_from_slice(bytes);
            let deadline = found.deadline();
            found.replace(NewValue::Boxed(Box::new(Object::Packed(boxed))), deadline);
        }
        let small = self.with_object(|object| match object {
            Object::Packed(bytes) => {
                bytes.exchange(at, remove, insert);
                (bytes.len() <= INLINE_AGAIN_MAX).then(|| std::mem::take(bytes))
            }
            _ => unreachable!("only packed collections are spliced"),
        });
        if let Some(bytes) = small {
            self.install_packed(bytes);
        }
    }
}

impl Patch for Editing<'_> {
    #[inline]
    fn patch(&mut self, at: usize, new: &[u8]) {
        let bytes = match &mut self.place {
            Place::Absent(_, Fresh::Packed(bytes)) => &mut bytes[..],
            Place::Absent(..) => unreachable!("only packed collections are patched"),
            Place::Occupied(found) => match found.bytes_mut() {
                Some(bytes) => bytes,
                None => {
                    return self.with_object(|object| match object {
                        Object::Packed(bytes) => bytes.patch(at, new),
                        _ => unreachable!("only packed collections are patched"),
                    });
                }
            },
        };
        bytes[at..at + new.len()].copy_from_slice(new);
    }
}

impl Db<'_> {
    /// Lets `change` edit the value of a key that is absent or of this type. Marks the key as used. A key
    /// that becomes empty goes; a new one has no time to live. Expected O(1) beside the change.
    pub(crate) fn edit<R>(
        &mut self,
        key: &Key<'_>,
        kind: Kind,
        now: Now,
        change: impl FnOnce(&mut Editing<'_>) -> R,
    ) -> Result<R, WrongType> {
        let store = &mut *self.store;
        let (cell, expired) = store.tables.cell(place(self.index, key), key.bytes, now.unix_ms());
        if expired {
            store.ledger.on_removed(self.index, key.bytes, Cause::Expired);
        }
        let place = match cell {
            Cell::Occupied(mut found) => {
                if kind_of(&found.value()) != kind {
                    return Err(WrongType);
                }
                if store.ledger.touch {
                    found.set_access(store.ledger.used(found.access(), now));
                }
                Place::Occupied(found)
            }
            Cell::Vacant(vacant) => Place::Absent(Some(vacant), Fresh::Nothing),
        };
        let mut editing =
            Editing { place, shapes: &store.shapes, hasher: store.hasher, now, changes: 0 };
        let result = change(&mut editing);
        let eviction = &store.ledger.eviction;
        let changes = editing.finish(key.bytes, || access::fresh(eviction, now));
        store.ledger.changes += changes;
        Ok(result)
    }

    /// Puts a collection made apart under a key, in the place of whatever is there; without a time to live. An empty
    /// one removes the key. False when nothing was there and nothing is. O(1).
    pub fn put_made(&mut self, key: &Key<'_>, made: Made, now: Now) -> bool {
        if made.is_empty() {
            return self.remove(key, now);
        }
        let store = &mut *self.store;
        let access = access::fresh(&store.ledger.eviction, now);
        let (cell, expired) = store.tables.cell(place(self.index, key), key.bytes, now.unix_ms());
        if expired {
            store.ledger.on_removed(self.index, key.bytes, Cause::Expired);
        }
        let has_deadlines = made.has_deadlines();
        match &made.0 {
            Fresh::Packed(bytes) if bytes.len() <= INLINE_VALUE_MAX => {
                put(cell, key, NewValue::Bytes { bytes, mark: PACKED }, access);
            }
            _ => put(cell, key, NewValue::Boxed(made.0.into_object()), access),
        }
        store.ledger.changes += 1;
        if has_deadlines {
            store.note_arrived(self.index, key, now);
        }
        true
    }
}

fn put(cell: Cell<'_, Object>, key: &Key<'_>, value: NewValue<'_, Object>, access: u32) {
    match cell {
        Cell::Occupied(mut found) => {
            found.replace(value, None);
            found.set_access(access);
        }
        Cell::Vacant(vacant) => vacant.insert(key.bytes, value, None, access),
    }
}
