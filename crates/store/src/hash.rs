//! Hashes: fields with values, each of which may have a deadline.

use crate::edit::{Editing, Made, Seen};
use crate::object::Object;
use crate::packed::{COUNT_MAX, Form, HEADER, Packed, encoded, header, splice, text_of};
use crate::{Db, Key, Kind, Look, Store, Str, WrongType};
use base::{Now, Prng};
use compact::packed::{self, Encoded, Item, Splice};
use compact::{Map, Pair, Plain};

/// A hash that outgrew its packed form.
pub(crate) struct HashTable {
    /// Fields with their values, which are bytes.
    pub(crate) map: Map,
    /// No field expires before this time.
    pub(crate) earliest_ms: i64,
    /// How far a pass that removes expired fields has come, and the earliest deadline that it has seen.
    pub(crate) pass: Option<(u64, i64)>,
}

impl HashTable {
    pub(crate) fn bytes(&self) -> usize {
        size_of::<HashTable>() - size_of::<Map>() + self.map.bytes()
    }
}

/// One field of a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// Its name.
    pub name: Str<'a>,
    /// Its value.
    pub value: Str<'a>,
    /// When it expires, in UNIX milliseconds.
    pub deadline: Option<i64>,
}

impl<'a> Field<'a> {
    fn of(pair: Pair<'a>) -> Field<'a> {
        Field { name: Str::Bytes(pair.key), value: plain_text(pair.value), deadline: pair.deadline }
    }

    fn is_due(&self, now: Now) -> bool {
        self.deadline.is_some_and(|deadline| deadline < now.unix_ms())
    }
}

fn plain_text(value: Plain<'_>) -> Str<'_> {
    match value {
        Plain::Bytes(bytes) => Str::Bytes(bytes),
        Plain::Int(number) => Str::Int(number),
    }
}

/// A hash to be read. Fields that have expired are not seen, but counted until they are removed.
#[derive(Clone, Copy)]
pub struct Hash<'a> {
    body: Body<'a>,
    now: Now,
}

#[derive(Clone, Copy)]
enum Body<'a> {
    Packed(Packed<'a>),
    Table(&'a HashTable),
}

/// Elements of each field in this form.
fn stride(form: Form) -> usize {
    if form == Form::HashDeadlines { 3 } else { 2 }
}

/// Where a packed field is, and what it is.
struct Place<'a> {
    /// Of its name.
    start: usize,
    /// Of its value.
    value_at: usize,
    /// Behind its value.
    value_end: usize,
    /// Behind all of it.
    end: usize,
    field: Field<'a>,
}

impl<'a> Packed<'a> {
    /// The field whose name is at this position.
    fn field_at(&self, start: usize) -> Option<Place<'a>> {
        let (name, value_at) = packed::next(self.items, start)?;
        let (value, value_end) = packed::next(self.items, value_at).expect("a name has a value");
        let (mut end, mut deadline) = (value_end, None);
        if self.form == Form::HashDeadlines {
            let (item, behind) = packed::next(self.items, value_end).expect("and a deadline");
            deadline = match item {
                Item::Int(time) if time != NEVER => Some(time),
                _ => None,
            };
            end = behind;
        }
        let field = Field { name: text_of(name), value: text_of(value), deadline };
        Some(Place { start, value_at, value_end, end, field })
    }

    /// The field with this name.
    #[inline]
    fn field(&self, name: &Encoded<'_>) -> Option<Place<'a>> {
        let (start, _) = packed::find(self.items, name, stride(self.form))?;
        self.field_at(start)
    }

    fn fields(self) -> impl Iterator<Item = Field<'a>> {
        let mut position = 0;
        std::iter::from_fn(move || {
            let place = self.field_at(position)?;
            position = place.end;
            Some(place.field)
        })
    }
}

/// Draws that meet only expired fields before a draw gives up.
const DRAWS_MAX: usize = 100;

/// The packed deadline of a field without one.
const NEVER: i64 = 0;

impl<'a> Hash<'a> {
    pub(crate) fn of_packed(packed: Packed<'a>, now: Now) -> Hash<'a> {
        Hash { body: Body::Packed(packed), now }
    }

    pub(crate) fn of_table(table: &'a HashTable, now: Now) -> Hash<'a> {
        Hash { body: Body::Table(table), now }
    }

    /// Fields, expired ones included that are not removed yet. O(1).
    pub fn len(&self) -> usize {
        match self.body {
            Body::Packed(packed) => packed.count,
            Body::Table(table) => table.map.len(),
        }
    }

    /// Whether there are no fields; never so for a hash that is stored.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A field by its name. Expected O(1), O(fields) while packed.
    #[inline]
    pub fn get(&self, name: &[u8]) -> Option<Field<'a>> {
        let field = match self.body {
            Body::Packed(packed) => packed.field(&encoded(name))?.field,
            Body::Table(table) => Field::of(table.map.get(name)?),
        };
        (!field.is_due(self.now)).then_some(field)
    }

    /// All fields that have not expired: in the order of insertion while packed, in none later.
    pub fn iter(&self) -> impl Iterator<Item = Field<'a>> + use<'a> {
        let (packed, table) = match self.body {
            Body::Packed(packed) => (Some(packed.fields()), None),
            Body::Table(table) => (None, Some(table.map.iter().map(Field::of))),
        };
        let now = self.now;
        let all = packed.into_iter().flatten().chain(table.into_iter().flatten());
        all.filter(move |field| !field.is_due(now))
    }

    /// Visits some fields from `cursor` on, 0 first, and gives the cursor to go on from, 0 at the end. A field
    /// that is there all the time is visited. A packed hash is visited whole. O(count).
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(Field<'a>)) -> u64 {
        match self.body {
            Body::Packed(_) => {
                self.iter().for_each(visit);
                0
            }
            Body::Table(table) => crate::walk::scan_map(&table.map, cursor, count, |pair| {
                let field = Field::of(pair);
                if !field.is_due(self.now) {
                    visit(field);
                }
            }),
        }
    }

    /// A field drawn uniformly among those that have not expired; `None` when a bounded number of draws met only
    /// expired ones. Expected O(1), O(fields) while packed.
    pub fn draw(&self, prng: &mut Prng) -> Option<Field<'a>> {
        (0..DRAWS_MAX).map_while(|_| self.draw_any(prng)).find(|field| !field.is_due(self.now))
    }

    fn draw_any(&self, prng: &mut Prng) -> Option<Field<'a>> {
        match self.body {
            Body::Packed(packed) => {
                let index = prng.below(packed.count as u64) as usize;
                let stride = stride(packed.form);
                let start = packed::nth(packed.items, packed.count * stride, index * stride);
                packed.field_at(start).map(|place| place.field)
            }
            Body::Table(table) => table.map.random(prng).map(Field::of),
        }
    }

    /// Whether it is packed.
    pub fn is_packed(&self) -> bool {
        matches!(self.body, Body::Packed(_))
    }

    /// The fields of a packed hash that have expired.
    pub(crate) fn all_due(&self) -> impl Iterator<Item = Field<'a>> + use<'a> {
        let packed = match self.body {
            Body::Packed(packed) => Some(packed.fields()),
            Body::Table(_) => None,
        };
        let now = self.now;
        packed.into_iter().flatten().filter(move |field| field.is_due(now))
    }

    /// The earliest deadline of a field, or a time before it; `None` without any. O(1), O(fields) while packed.
    pub(crate) fn earliest_ms(&self) -> Option<i64> {
        match self.body {
            Body::Packed(packed) if packed.form == Form::Hash => None,
            Body::Packed(packed) => packed.fields().filter_map(|field| field.deadline).min(),
            Body::Table(table) => (table.map.deadlines() > 0).then_some(table.earliest_ms),
        }
    }

    /// Whether any field has a deadline. O(1), but O(fields) while packed with deadlines.
    pub fn has_deadlines(&self) -> bool {
        match self.body {
            Body::Packed(packed) => packed.form == Form::HashDeadlines,
            Body::Table(table) => table.map.deadlines() > 0,
        }
    }
}

/// A hash that is being changed, and the earliest deadline that it was given meanwhile.
pub struct HashEdit<'e, 'a>(&'e mut Editing<'a>, i64);

impl HashEdit<'_, '_> {
    /// The hash as it is; `None` while there is none.
    #[inline]
    pub fn view(&self) -> Option<Hash<'_>> {
        match self.0.seen() {
            Seen::Nothing => None,
            Seen::Packed(bytes) => Some(Hash::of_packed(Packed::of(bytes), self.0.now)),
            Seen::Object(Object::Hash(table)) => Some(Hash::of_table(table, self.0.now)),
            Seen::Object(_) => unreachable!("the type was checked"),
        }
    }

    /// Fields. O(1).
    pub fn len(&self) -> usize {
        self.view().map_or(0, |hash| hash.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A field by its name.
    pub fn get(&self, name: &[u8]) -> Option<Field<'_>> {
        self.view()?.get(name)
    }

    /// Prepares for names or values of this many bytes: a packed hash becomes a table if they are too long
    /// for it. Setting does so by itself; Redis does it also where nothing is set in the end.
    pub fn admit(&mut self, longest: usize) {
        if longest > self.0.shapes.hash_value && !self.is_table() {
            self.unpack();
        }
    }

    /// Prepares for so many fields where there is nothing yet: what would outgrow the packed form is a table from the
    /// first one on, and none is looked for in vain among hundreds.
    pub fn expect(&mut self, fields: usize) {
        if fields > self.0.shapes.hash_entries.min(COUNT_MAX) && !self.is_table() {
            self.unpack();
        }
    }

    fn is_table(&self) -> bool {
        matches!(self.0.seen(), Seen::Object(_))
    }

    /// Turns the packed hash, or nothing, into a table.
    fn unpack(&mut self) {
        let mut table =
            HashTable { map: Map::new(self.0.hasher.inner()), earliest_ms: i64::MAX, pass: None };
        let mut buffers = (itoa::Buffer::new(), itoa::Buffer::new());
        if let Some(packed) = self.0.packed() {
            for field in packed.fields() {
                let name = field.name.as_bytes(&mut buffers.0);
                let value = field.value.as_bytes(&mut buffers.1);
                table.map.set(name, Plain::Bytes(value), field.deadline);
                table.note_deadline(field.deadline);
            }
        }
        self.0.install(Object::Hash(Box::new(table)));
    }

    /// Sets a field; its deadline becomes `deadline`. True if it is new. A field that has expired counts as new.
    /// Expected O(length), O(bytes of the hash) while packed.
    pub fn set(&mut self, name: &[u8], value: &[u8], deadline: Option<i64>) -> bool {
        self.0.changes += 1;
        self.1 = self.1.min(deadline.unwrap_or(i64::MAX));
        let was_due = self.due_field(name);
        self.admit(name.len().max(value.len()));
        let new = if self.is_table() {
            self.0.with_object(|object| {
                let Object::Hash(table) = object else { unreachable!("the type was checked") };
                table.note_deadline(deadline);
                table.map.set(name, Plain::Bytes(value), deadline)
            })
        } else {
            self.set_packed(name, value, deadline)
        };
        new || was_due
    }

    /// Whether the field is there but has expired.
    fn due_field(&self, name: &[u8]) -> bool {
        let Some(hash) = self.view() else { return false };
        hash.has_deadlines() && hash.get(name).is_none() && {
            let forever = Hash { now: Now { unix_us: i64::MIN, ..hash.now }, ..hash };
            forever.get(name).is_some()
        }
    }

    fn set_packed(&mut self, name: &[u8], value: &[u8], deadline: Option<i64>) -> bool {
        if self.0.packed().is_none() {
            self.0.begin(&header(Form::Hash, 0));
        }
        if deadline.is_some() {
            self.widen();
        }
        let packed = self.0.packed().expect("begun above");
        let (form, count, end) = (packed.form, packed.count, packed.items.len());
        let (field, text) = (encoded(name), encoded(value));
        let ([a, b, c], [d, e, f]) = (field.parts(), text.parts());
        let time = Encoded::new(Item::Int(deadline.unwrap_or(NEVER)));
        let [g, h, i] = time.parts();
        // The deadline comes last, and is left out where fields have none.
        let last = if form == Form::HashDeadlines { 9 } else { 6 };
        if let Some(Place { value_at, end, .. }) = packed.field(&field) {
            self.0.exchange(HEADER + value_at, end - value_at, &[d, e, f, g, h, i][..last - 3]);
            return false;
        }
        if count >= self.0.shapes.hash_entries.min(COUNT_MAX) {
            self.unpack();
            self.0.with_object(|object| {
                let Object::Hash(table) = object else { unreachable!("just made") };
                table.note_deadline(deadline);
                table.map.set(name, Plain::Bytes(value), deadline)
            });
            return true;
        }
        splice(self.0, form, count + 1, end, 0, &[a, b, c, d, e, f, g, h, i][..last]);
        true
    }

    /// Gives each field of a packed hash room for a deadline.
    fn widen(&mut self) {
        let packed = self.0.packed().expect("callers know it is packed");
        if packed.form == Form::HashDeadlines {
            return;
        }
        let mut wide = Vec::with_capacity(packed.items.len() + 2 * packed.count);
        let never = Encoded::new(Item::Int(NEVER));
        let mut position = 0;
        while let Some(place) = packed.field_at(position) {
            wide.extend_from_slice(&packed.items[place.start..place.end]);
            never.append_to(&mut wide);
            position = place.end;
        }
        let (count, old) = (packed.count, packed.items.len());
        splice(self.0, Form::HashDeadlines, count, 0, old, &[&wide]);
    }

    /// Sets or takes away the deadline of a field. False when there is no such field. O(length), O(bytes of
    /// the hash) while packed.
    pub fn set_deadline(&mut self, name: &[u8], deadline: Option<i64>) -> bool {
        let Some(old) = self.get(name).map(|field| field.deadline) else { return false };
        if old == deadline {
            return true;
        }
        self.0.changes += 1;
        self.1 = self.1.min(deadline.unwrap_or(i64::MAX));
        if self.is_table() {
            return self.0.with_object(|object| {
                let Object::Hash(table) = object else { unreachable!("the type was checked") };
                table.note_deadline(deadline);
                table.map.set_deadline(name, deadline)
            });
        }
        self.widen();
        let place = self.0.packed().and_then(|packed| packed.field(&encoded(name)));
        let Place { value_end, end, .. } = place.expect("it was there before it was widened");
        let time = Encoded::new(Item::Int(deadline.unwrap_or(NEVER)));
        self.0.exchange(HEADER + value_end, end - value_end, &time.parts());
        true
    }

    /// The earliest deadline of a field, or a time before it.
    pub(crate) fn earliest_ms(&self) -> Option<i64> {
        self.view()?.earliest_ms()
    }

    /// Goes on with removing expired fields of a table: see [`HashTable::sweep`].
    pub(crate) fn sweep(&mut self, now: Now, buckets: usize) -> (usize, i64) {
        let swept = self.0.with_object(|object| match object {
            Object::Hash(table) => table.sweep(now, buckets),
            _ => unreachable!("the type was checked"),
        });
        self.0.changes += swept.0 as u64;
        swept
    }

    /// Removes a field. False when there is no such field. Expected O(1), O(bytes of the hash) while packed.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        let due = self.due_field(name);
        let removed = match self.0.seen() {
            Seen::Nothing => false,
            Seen::Packed(bytes) => {
                let packed = Packed::of(bytes);
                let Some(Place { start, end, .. }) = packed.field(&encoded(name)) else {
                    return false;
                };
                let (form, count) = (packed.form, packed.count - 1);
                splice(self.0, form, count, start, end - start, &[]);
                true
            }
            Seen::Object(_) => self.0.with_object(|object| match object {
                Object::Hash(table) => table.map.remove(name),
                _ => unreachable!("the type was checked"),
            }),
        };
        self.0.changes += u64::from(removed);
        removed && !due
    }
}

impl<'s> Db<'s> {
    /// The hash of a key; `None` when the key is absent. Expected O(1).
    #[inline]
    pub fn hash(self, key: &Key<'_>, look: Look, now: Now) -> Result<Option<Hash<'s>>, WrongType> {
        let packed = |packed| Hash::of_packed(packed, now);
        self.read(key, Kind::Hash, look, now, packed, |object| match object {
            Object::Hash(table) => Some(Hash::of_table(table, now)),
            _ => None,
        })
    }

    /// Lets `change` edit the hash of a key, which is empty where the key is absent. Keeps the time to live; a
    /// hash that becomes empty goes.
    pub fn edit_hash<R>(
        &mut self,
        key: &Key<'_>,
        now: Now,
        change: impl FnOnce(&mut HashEdit<'_, '_>) -> R,
    ) -> Result<R, WrongType> {
        let (result, earliest) = self.edit(key, Kind::Hash, now, |editing| {
            let mut hash = HashEdit(editing, i64::MAX);
            (change(&mut hash), hash.1)
        })?;
        self.store.note_field_deadline(self.index, key.bytes, earliest);
        Ok(result)
    }
}

impl Store {
    /// Makes a hash that belongs to no key yet.
    pub fn make_hash(&self, now: Now, make: impl FnOnce(&mut HashEdit<'_, '_>)) -> Made {
        self.make(now, |editing| make(&mut HashEdit(editing, i64::MAX)))
    }
}
