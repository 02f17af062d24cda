//! A key that was found, and what can be done to it.

use crate::bucket::{Bucket, HAS_DEADLINE, with_entry};
use crate::entry::{self, BOXED, Content, Entry, INT};
use crate::slab::taken;
use crate::tables::{NewValue, Payload, Place, Tables, Value, cell_flags, value_of};
use core::ptr::NonNull;

/// A key that is there. Borrows the tables, so nothing else can happen to them meanwhile.
pub struct Occupied<'a, T: Payload> {
    tables: &'a mut Tables<T>,
    place: Place,
    bucket: NonNull<Bucket>,
    index: usize,
    entry: Entry,
}

impl<'a, T: Payload> Occupied<'a, T> {
    /// # Safety
    /// Cell `index` of `bucket`, which is of the place's table, leads to `entry`.
    #[inline]
    pub(crate) unsafe fn new(
        tables: &'a mut Tables<T>,
        place: Place,
        bucket: NonNull<Bucket>,
        index: usize,
        entry: Entry,
    ) -> Occupied<'a, T> {
        Occupied { tables, place, bucket, index, entry }
    }

    fn shape(&self) -> entry::Shape {
        // SAFETY: the entry is live as long as `self`.
        unsafe { entry::shape(self.entry) }
    }

    /// The value.
    #[inline]
    pub fn value(&self) -> Value<'_, T> {
        // SAFETY: the entry is live, and unchanged while `self` is borrowed.
        unsafe { value_of(self.entry, &self.shape()) }
    }

    /// The value, for as long as the tables are borrowed.
    #[inline]
    pub fn into_value(self) -> Value<'a, T> {
        // SAFETY: `self` held the tables for 'a, and nobody can change them before 'a ends.
        unsafe { value_of(self.entry, &self.shape()) }
    }

    /// The deadline.
    #[inline]
    pub fn deadline(&self) -> Option<i64> {
        // SAFETY: a live entry of this shape.
        unsafe { entry::deadline(self.entry, &self.shape()) }
    }

    /// The caller's bits.
    #[inline]
    pub fn access(&self) -> u32 {
        // SAFETY: a live entry.
        unsafe { entry::access(self.entry) }
    }

    /// Sets the caller's bits, of which there are [`crate::ACCESS_BITS`].
    #[inline]
    pub fn set_access(&mut self, access: u32) {
        // SAFETY: a live entry, not borrowed, as `self` is borrowed mutably.
        unsafe { entry::set_access(self.entry, access) };
    }

    /// Bytes that the key takes: entry, cell and payload. O(1).
    pub fn bytes(&self) -> usize {
        let payload = match self.value() {
            Value::Boxed(payload) => payload.footprint(),
            _ => 0,
        };
        taken(self.shape().total()) + size_of::<u64>() + payload
    }

    /// Replaces the value and the deadline; what is the same stays where it is. O(length).
    #[inline]
    pub fn replace(&mut self, value: NewValue<'_, T>, deadline: Option<i64>) {
        let old = self.shape();
        if let NewValue::Bytes { bytes, mark } = value {
            // SAFETY: the entry is live and of this shape; the caller's bytes cannot lie within it,
            // as `self` is borrowed mutably.
            if unsafe { entry::overwrite_short(self.entry, &old, bytes, mark, deadline) } {
                return;
            }
        }
        self.replace_any(value, deadline, &old);
    }

    #[inline(never)]
    fn replace_any(&mut self, value: NewValue<'_, T>, deadline: Option<i64>, old: &entry::Shape) {
        let content = self.tables.content(value);
        // SAFETY: the entry is live. What a caller passes cannot lie within it, as `self` is
        // borrowed mutably. The old box is owned by nobody once the entry is overwritten.
        unsafe {
            let payload = (old.flags & entry::FORM == BOXED).then(|| entry::fixed(self.entry, old));
            self.rewrite(old, content, deadline);
            if let Some(address) = payload {
                self.tables.drop_payload(address);
            }
        }
    }

    /// Writes other content and another deadline for the same key, in place or elsewhere.
    ///
    /// # Safety
    /// The entry has the shape `old`; `content` lies elsewhere; a box is not dropped.
    unsafe fn rewrite(&mut self, old: &entry::Shape, content: Content<'_>, deadline: Option<i64>) {
        // SAFETY: the caller's promise.
        unsafe {
            let access = entry::access(self.entry);
            if !entry::overwrite(self.entry, old, content, deadline, access) {
                let key = entry::key(self.entry, old);
                let (new, shape) =
                    entry::build(&mut self.tables.slab, key, content, deadline, access);
                self.tables.entry_bytes += taken(shape.total());
                self.adopt(new, old);
            }
            self.update_cell();
        }
    }

    /// Makes `new` the entry and frees the old one, whose box is not dropped.
    ///
    /// # Safety
    /// The old entry has the shape `old`; `new` is an entry of these tables that no cell leads to.
    unsafe fn adopt(&mut self, new: Entry, old: &entry::Shape) {
        self.tables.entry_bytes -= taken(old.total());
        // SAFETY: the caller's promise; the cell is made to lead to `new` by `update_cell`.
        unsafe { entry::free(&mut self.tables.slab, self.entry, old) };
        self.entry = new;
    }

    /// Makes the cell say what the entry is, and counts a deadline that came or went.
    fn update_cell(&mut self) {
        let flags = cell_flags(&self.shape());
        // SAFETY: the bucket is live, and nobody else uses it.
        let cell = unsafe { self.bucket.as_mut().cell_mut(self.index) };
        let (had, has) = (*cell & HAS_DEADLINE, flags & HAS_DEADLINE);
        *cell = with_entry(*cell, self.entry, flags);
        if had != has {
            let space = self.tables.spaces[self.place.space].as_mut().expect("the key is in it");
            space.count_deadlines(self.place.table, if has != 0 { 1 } else { -1 });
        }
    }

    /// Sets or takes away the deadline. O(length of the entry).
    pub fn set_deadline(&mut self, deadline: Option<i64>) {
        let old = self.shape();
        // SAFETY: the entry is live and of this shape. `overwrite` wants content that lies elsewhere
        // and is only used when the deadline is written over another: then value and key stay.
        unsafe {
            if deadline.is_some() == (old.flags & entry::DEADLINE != 0) {
                if let Some(deadline) = deadline {
                    entry::write_deadline(self.entry, &old, deadline);
                }
                return;
            }
            let content = match old.flags & entry::FORM {
                INT => Content::Int(entry::fixed(self.entry, &old) as i64),
                BOXED => Content::Boxed(entry::fixed(self.entry, &old)),
                _ => {
                    let start = entry::value_ptr(self.entry, &old).as_ptr();
                    let bytes = core::slice::from_raw_parts(start, old.value_len);
                    Content::Bytes { bytes, mark: entry::mark_of(old.flags) }
                }
            };
            let (access, key) = (entry::access(self.entry), entry::key(self.entry, &old));
            let (new, shape) = entry::build(&mut self.tables.slab, key, content, deadline, access);
            self.tables.entry_bytes += taken(shape.total());
            self.adopt(new, &old);
            self.update_cell();
        }
    }

    /// The value's bytes, to be changed; `None` unless they are within the entry.
    pub fn bytes_mut(&mut self) -> Option<&mut [u8]> {
        let shape = self.shape();
        // SAFETY: the entry is live and nobody else uses it while `self` is borrowed mutably.
        (shape.flags & entry::FORM < INT).then(|| unsafe {
            let start = entry::value_ptr(self.entry, &shape).as_ptr();
            core::slice::from_raw_parts_mut(start, shape.value_len)
        })
    }

    /// Makes the value that many bytes long, cutting it or filling it with zeros, sets its mark,
    /// and gives it to be changed; `None` unless the bytes are within the entry. O(length).
    pub fn resize(&mut self, len: usize, mark: u8) -> Option<&mut [u8]> {
        let old = self.shape();
        if old.flags & entry::FORM >= INT {
            return None;
        }
        let deadline = self.deadline();
        // SAFETY: the entry is live and of this shape; room for the value is filled before anybody
        // can read it. In place the old bytes are where the new ones must be.
        unsafe {
            let kept = old.value_len.min(len);
            let (from, content) = (self.entry, Content::Room { len, mark });
            let access = entry::access(self.entry);
            if !entry::overwrite(self.entry, &old, content, deadline, access) {
                let key = entry::key(self.entry, &old);
                let (new, shape) =
                    entry::build(&mut self.tables.slab, key, content, deadline, access);
                self.tables.entry_bytes += taken(shape.total());
                let to = entry::value_ptr(new, &shape);
                core::ptr::copy_nonoverlapping(
                    entry::value_ptr(from, &old).as_ptr(),
                    to.as_ptr(),
                    kept,
                );
                self.adopt(new, &old);
            }
            self.update_cell();
            entry::value_ptr(self.entry, &self.shape()).add(kept).write_bytes(0, len - kept);
        }
        self.bytes_mut()
    }

    /// Replaces `remove` of the value's bytes at `at` by `insert`, part after part, and sets the mark; in place
    /// where the size class allows. False, and nothing happens, unless the bytes are within the entry.
    /// O(bytes behind `at`), O(length) when the entry moves.
    pub fn splice(&mut self, at: usize, remove: usize, insert: &[&[u8]], mark: u8) -> bool {
        let old = self.shape();
        if old.flags & entry::FORM >= INT {
            return false;
        }
        let more: usize = insert.iter().map(|part| part.len()).sum();
        assert!(at + remove <= old.value_len, "what is taken out is there");
        let (tail, len) = (old.value_len - at - remove, old.value_len - remove + more);
        let (deadline, content) = (self.deadline(), Content::Room { len, mark });
        // SAFETY: the entry is live and of this shape. Either it is of the right class, then its value stays where
        // it is and the object has room for the old and the new length; or the parts are copied into
        // a new one. The parts cannot lie within the entry, as `self` is borrowed mutably.
        unsafe {
            let access = entry::access(self.entry);
            let from = entry::value_ptr(self.entry, &old);
            let mut to = from;
            if entry::overwrite(self.entry, &old, content, deadline, access) {
                if more != remove {
                    let behind = to.add(at + remove);
                    core::ptr::copy(behind.as_ptr(), to.add(at + more).as_ptr(), tail);
                }
            } else {
                let key = entry::key(self.entry, &old);
                let (new, shape) =
                    entry::build(&mut self.tables.slab, key, content, deadline, access);
                self.tables.entry_bytes += taken(shape.total());
                to = entry::value_ptr(new, &shape);
                core::ptr::copy_nonoverlapping(from.as_ptr(), to.as_ptr(), at);
                let behind = from.add(at + remove);
                core::ptr::copy_nonoverlapping(behind.as_ptr(), to.add(at + more).as_ptr(), tail);
                self.adopt(new, &old);
            }
            let mut next = to.add(at);
            for part in insert {
                // Heads and lengths of elements are mostly a byte, which is no work for `memcpy`.
                match part {
                    [byte] => next.write(*byte),
                    _ => core::ptr::copy_nonoverlapping(part.as_ptr(), next.as_ptr(), part.len()),
                }
                next = next.add(part.len());
            }
        }
        self.update_cell();
        true
    }

    /// Runs `change` on the payload; `None` unless the value is boxed. Its new footprint is counted.
    pub fn with_boxed<R>(&mut self, change: impl FnOnce(&mut T) -> R) -> Option<R> {
        let shape = self.shape();
        if shape.flags & entry::FORM != BOXED {
            return None;
        }
        // SAFETY: the box is live and owned by the entry, which nobody else uses meanwhile.
        let payload = unsafe {
            let address = entry::fixed(self.entry, &shape) as usize;
            &mut *core::ptr::with_exposed_provenance_mut::<T>(address)
        };
        let before = payload.footprint();
        let result = change(payload);
        self.tables.payload_bytes = self.tables.payload_bytes - before + payload.footprint();
        Some(result)
    }

    /// Removes the key and hands out what it held, to go under another key or into other tables: bytes are
    /// copied, a payload is moved. Then as [`Occupied::remove`].
    pub fn take(mut self) -> Taken<T> {
        let (shape, deadline, access) = (self.shape(), self.deadline(), self.access());
        // SAFETY: the entry is live and of this shape. Its box is taken out, and the entry made an integer's
        // before it is freed, so that nobody else drops it; both forms are of one size.
        let value = unsafe {
            match shape.flags & entry::FORM {
                BOXED => {
                    let address = entry::fixed(self.entry, &shape) as usize;
                    entry::overwrite(self.entry, &shape, Content::Int(0), deadline, access);
                    let payload =
                        Box::from_raw(core::ptr::with_exposed_provenance_mut::<T>(address));
                    self.tables.payload_bytes -= payload.footprint();
                    TakenValue::Boxed(payload)
                }
                _ => match self.value() {
                    Value::Bytes { bytes, mark } => TakenValue::Bytes { bytes: bytes.into(), mark },
                    Value::Int(number) => TakenValue::Int(number),
                    Value::Boxed(_) => unreachable!("the form says so"),
                },
            }
        };
        self.update_cell();
        self.remove();
        Taken { value, deadline, access }
    }

    /// Removes the key and lets its table shrink. O(1) beyond dropping a payload.
    pub fn remove(self) {
        // SAFETY: the bucket is of this place's table.
        unsafe {
            self.tables.remove_cell(self.place.space, self.place.table, self.bucket, self.index)
        };
        self.tables.shrink(self.place.space, self.place.table);
    }
}

/// What a key held, with what belongs to it.
#[derive(Debug)]
pub struct Taken<T> {
    /// The value.
    pub value: TakenValue<T>,
    /// Its deadline.
    pub deadline: Option<i64>,
    /// The caller's bits.
    pub access: u32,
}

/// The value of a key that was taken out.
#[derive(Debug)]
pub enum TakenValue<T> {
    /// Bytes.
    Bytes {
        /// The bytes.
        bytes: Box<[u8]>,
        /// The caller's mark.
        mark: u8,
    },
    /// An integer.
    Int(i64),
    /// A payload.
    Boxed(Box<T>),
}

impl<T> TakenValue<T> {
    /// The value as it is stored; a payload is moved, and nothing is left of it here.
    pub fn into_new<R>(self, store: impl FnOnce(NewValue<'_, T>) -> R) -> R {
        match self {
            TakenValue::Bytes { bytes, mark } => store(NewValue::Bytes { bytes: &bytes, mark }),
            TakenValue::Int(number) => store(NewValue::Int(number)),
            TakenValue::Boxed(payload) => store(NewValue::Boxed(payload)),
        }
    }
}

/// The place of a key that is not there. Borrows the tables, so nothing else can happen to them meanwhile.
pub struct Vacant<'a, T: Payload> {
    tables: &'a mut Tables<T>,
    place: Place,
}

impl<'a, T: Payload> Vacant<'a, T> {
    pub(crate) fn new(tables: &'a mut Tables<T>, place: Place) -> Vacant<'a, T> {
        Vacant { tables, place }
    }

    /// Adds the key. As [`Tables::insert`].
    pub fn insert(self, key: &[u8], value: NewValue<'_, T>, deadline: Option<i64>, access: u32) {
        self.tables.insert(self.place, key, value, deadline, access);
    }
}
