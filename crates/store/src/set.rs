//! Sets: members without order.
//!
//! While all members are integers they lie as sorted numbers of one width, 1 to 8 bytes, the
//! least that all fit that were ever there; then packed in the order of insertion; then in a table.

use crate::edit::{Editing, Made, Seen};
use crate::object::Object;
use crate::packed::{COUNT_MAX, Form, Packed, encoded, header, splice, text_of};
use crate::{Anything, Db, Key, Kind, Look, Store, Str, WrongType, parse_integer};
use base::{Now, Prng};
use compact::packed;
use compact::{Map, Pair};
use std::ops::Range;

/// A set to be read.
#[derive(Clone, Copy)]
pub struct Set<'a>(Body<'a>);

#[derive(Clone, Copy)]
enum Body<'a> {
    Ints(Ints<'a>),
    Packed(Packed<'a>),
    /// A table without values.
    Table(&'a Map),
}

/// Sorted integers of one width.
#[derive(Clone, Copy)]
struct Ints<'a> {
    bytes: &'a [u8],
    width: usize,
}

/// The least width in bytes that an integer fits.
#[inline]
fn width_of(number: i64) -> usize {
    let bits = 65 - (number ^ (number >> 63)).leading_zeros() as usize;
    bits.div_ceil(8)
}

/// The integer in these bytes, which are a width.
#[inline]
fn int_of(bytes: &[u8]) -> i64 {
    let mut wide = [0; 8];
    wide[8 - bytes.len()..].copy_from_slice(bytes);
    i64::from_le_bytes(wide) >> (64 - 8 * bytes.len())
}

impl<'a> Ints<'a> {
    fn of(packed: Packed<'a>) -> Ints<'a> {
        let width = packed.items.len().checked_div(packed.count).unwrap_or(1);
        Ints { bytes: packed.items, width }
    }

    fn len(&self) -> usize {
        self.bytes.len() / self.width
    }

    /// The number at an index. One that has eight bytes up to its end is read as these, of which its own are the upper.
    #[inline]
    fn nth(&self, index: usize) -> i64 {
        let end = (index + 1) * self.width;
        match self.bytes[..end].last_chunk() {
            Some(wide) => i64::from_le_bytes(*wide) >> (64 - 8 * self.width),
            None => int_of(&self.bytes[end - self.width..end]),
        }
    }

    /// Where the number is, or where it belongs. O(log n).
    fn search(&self, number: i64) -> Result<usize, usize> {
        let (mut low, mut len) = (0, self.len());
        // Halves without a branch that depends on what is compared: which way it goes cannot be foreseen.
        while len > 1 {
            let half = len / 2;
            low = if self.nth(low + half) <= number { low + half } else { low };
            len -= half;
        }
        if len == 0 {
            return Err(0);
        }
        match self.nth(low).cmp(&number) {
            std::cmp::Ordering::Less => Err(low + 1),
            std::cmp::Ordering::Equal => Ok(low),
            std::cmp::Ordering::Greater => Err(low),
        }
    }

    fn iter(self) -> impl Iterator<Item = i64> + use<'a> {
        (0..self.len()).map(move |index| self.nth(index))
    }

    /// Bytes of the number at an index.
    fn range(&self, index: usize) -> Range<usize> {
        index * self.width..(index + 1) * self.width
    }
}

/// Whether a packed set has a member. O(bytes).
fn is_member(packed: &Packed<'_>, member: &[u8]) -> bool {
    packed::find(packed.items, &encoded(member), 1).is_some()
}

fn name_of(pair: Pair<'_>) -> Str<'_> {
    Str::Bytes(pair.key)
}

impl<'a> Set<'a> {
    pub(crate) fn of_packed(packed: Packed<'a>) -> Set<'a> {
        match packed.form {
            Form::Ints => Set(Body::Ints(Ints::of(packed))),
            _ => Set(Body::Packed(packed)),
        }
    }

    pub(crate) fn of_object(object: &'a Object) -> Option<Set<'a>> {
        match object {
            Object::Set(map) => Some(Set(Body::Table(map))),
            _ => None,
        }
    }

    /// Members. O(1).
    pub fn len(&self) -> usize {
        match &self.0 {
            Body::Ints(ints) => ints.len(),
            Body::Packed(packed) => packed.count,
            Body::Table(map) => map.len(),
        }
    }

    /// Whether there are no members; never so for a set that is stored.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the member is there. Expected O(1), O(log n) among integers, O(bytes) while packed.
    pub fn contains(&self, member: &[u8]) -> bool {
        match &self.0 {
            Body::Ints(ints) => {
                parse_integer(member).is_some_and(|number| ints.search(number).is_ok())
            }
            Body::Packed(packed) => is_member(packed, member),
            Body::Table(map) => map.contains(member),
        }
    }

    /// [`Set::contains`] for what is a member of another set.
    pub fn contains_str(&self, member: Str<'_>) -> bool {
        match (&self.0, member) {
            (Body::Ints(ints), Str::Int(number)) => ints.search(number).is_ok(),
            _ => self.contains(member.as_bytes(&mut itoa::Buffer::new())),
        }
    }

    /// All members: integers in their order, packed ones in the order of insertion, others in none.
    pub fn iter(&self) -> impl Iterator<Item = Str<'a>> + use<'a> {
        let (mut ints, mut packed, mut table) = (None, None, None);
        match self.0 {
            Body::Ints(all) => ints = Some(all.iter().map(Str::Int)),
            Body::Packed(all) => {
                packed = Some(packed::iter(all.items).map(|(_, item)| text_of(item)));
            }
            Body::Table(map) => table = Some(map.iter().map(name_of)),
        }
        let small = ints.into_iter().flatten().chain(packed.into_iter().flatten());
        small.chain(table.into_iter().flatten())
    }

    /// Visits some members from `cursor` on, 0 first, and gives the cursor to go on from, 0 at the end. A member
    /// that is there all the time is visited. A small set is visited whole. O(count).
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(Str<'a>)) -> u64 {
        match &self.0 {
            Body::Table(map) => {
                crate::walk::scan_map(map, cursor, count, |pair| visit(name_of(pair)))
            }
            Body::Ints(_) | Body::Packed(_) => {
                self.iter().for_each(visit);
                0
            }
        }
    }

    /// A member drawn uniformly; `None` of an empty set. Expected O(1), O(bytes) while packed.
    pub fn draw(&self, prng: &mut Prng) -> Option<Str<'a>> {
        let index = prng.below(self.len() as u64) as usize;
        match self.0 {
            Body::Ints(ints) => (index < ints.len()).then(|| Str::Int(ints.nth(index))),
            Body::Packed(packed) => {
                let at = packed::nth(packed.items, packed.count, index);
                packed::next(packed.items, at).map(|(item, _)| text_of(item))
            }
            Body::Table(map) => map.random(prng).map(name_of),
        }
    }

    /// Whether a draw is a step over all members before it, so that many draws are better made in one walk.
    pub fn is_small(&self) -> bool {
        !matches!(self.0, Body::Table(_))
    }
}

/// A set that is being changed.
pub struct SetEdit<'e, 'a>(&'e mut Editing<'a>);

impl SetEdit<'_, '_> {
    /// The set as it is; `None` while there is none.
    pub fn view(&self) -> Option<Set<'_>> {
        match self.0.seen() {
            Seen::Nothing => None,
            Seen::Packed(bytes) => Some(Set::of_packed(Packed::of(bytes))),
            Seen::Object(object) => Some(Set::of_object(object).expect("the type was checked")),
        }
    }

    /// Members. O(1).
    pub fn len(&self) -> usize {
        self.view().map_or(0, |set| set.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Prepares for so many members more, of which `first` is one: a set that would outgrow its form with them
    /// changes it now, as Redis does.
    pub fn expect(&mut self, more: usize, first: &[u8]) {
        let shapes = self.0.shapes;
        let fits = match self.0.seen() {
            Seen::Object(_) => return,
            Seen::Nothing if parse_integer(first).is_some() && more <= shapes.set_ints => {
                return self.0.begin(&header(Form::Ints, 0));
            }
            Seen::Nothing if more <= shapes.set_entries => {
                return self.0.begin(&header(Form::Set, 0));
            }
            Seen::Nothing => false,
            Seen::Packed(bytes) => match Packed::of(bytes).form {
                Form::Ints => more <= shapes.set_ints,
                _ => more <= shapes.set_entries,
            },
        };
        if !fits {
            self.unpack();
        }
    }

    /// Turns what there is, or nothing, into a table.
    fn unpack(&mut self) {
        let mut map = Map::new(self.0.hasher.inner());
        if let Some(set) = self.view() {
            let mut buffer = itoa::Buffer::new();
            for member in set.iter() {
                map.add(member.as_bytes(&mut buffer));
            }
        }
        self.0.install(Object::Set(Box::new(map)));
    }

    /// Turns integers into packed members.
    fn pack(&mut self, ints: &[i64]) {
        let mut bytes = Vec::new();
        for number in ints {
            packed::Encoded::new(packed::Item::Int(*number)).append_to(&mut bytes);
        }
        let old = self.0.packed().map_or(0, |packed| packed.items.len());
        splice(self.0, Form::Set, ints.len(), 0, old, &[&bytes]);
    }

    /// Adds members that come together, and counts those that are new. As [`SetEdit::add`] for each.
    #[inline]
    pub fn add_all<'m>(&mut self, mut members: impl ExactSizeIterator<Item = &'m [u8]>) -> usize {
        let mut added = 0;
        if !matches!(self.0.seen(), Seen::Object(_))
            && let Some(first) = members.next()
        {
            self.expect(members.len() + 1, first);
            let mut next = Some(first);
            while let Some(member) = next {
                added += usize::from(self.add_to_small(member));
                next = if self.0.packed().is_some() { members.next() } else { None };
            }
        }
        // The rest, once there is a table.
        if members.len() > 0 {
            added += self
                .with_map(|map| members.map(|member| usize::from(map.add(member))).sum::<usize>());
        }
        self.0.changes += added as u64;
        added
    }

    #[inline]
    fn with_map<R>(&mut self, change: impl FnOnce(&mut Map) -> R) -> R {
        self.0.with_object(|object| match object {
            Object::Set(map) => change(map),
            _ => unreachable!("the type was checked"),
        })
    }

    /// Adds a member. False when it is there. Expected O(length), O(bytes of the set) while it is small.
    #[inline]
    pub fn add(&mut self, member: &[u8]) -> bool {
        let added = match self.0.seen() {
            Seen::Object(_) => self.add_to_table(member),
            _ => self.add_to_small(member),
        };
        self.0.changes += u64::from(added);
        added
    }

    fn add_to_small(&mut self, member: &[u8]) -> bool {
        if let Seen::Nothing = self.0.seen() {
            self.expect(1, member);
        }
        let Some(packed) = self.0.packed() else { return self.add_to_table(member) };
        if packed.form != Form::Ints {
            return self.add_packed(member);
        }
        match parse_integer(member) {
            Some(number) => self.add_int(number),
            None => {
                self.leave_ints(member.len());
                self.add_to_small(member)
            }
        }
    }

    #[inline]
    fn add_to_table(&mut self, member: &[u8]) -> bool {
        self.with_map(|map| map.add(member))
    }

    fn add_packed(&mut self, member: &[u8]) -> bool {
        let packed = self.0.packed().expect("callers know it is packed");
        let encoded = encoded(member);
        if packed::find(packed.items, &encoded, 1).is_some() {
            return false;
        }
        let (count, end) = (packed.count, packed.items.len());
        let shapes = self.0.shapes;
        if count >= shapes.set_entries.min(COUNT_MAX) || member.len() > shapes.set_value {
            self.unpack();
            return self.add_to_table(member);
        }
        splice(self.0, Form::Set, count + 1, end, 0, &encoded.parts());
        true
    }

    /// A member that is no integer, of this length, is about to join integers.
    fn leave_ints(&mut self, len: usize) {
        let ints = Ints::of(self.0.packed().expect("callers know it is packed"));
        let all: Vec<i64> = ints.iter().collect();
        let digits = |number: &i64| itoa::Buffer::new().format(*number).len();
        let longest = all.first().map_or(0, digits).max(all.last().map_or(0, digits)).max(len);
        let shapes = self.0.shapes;
        if all.len() < shapes.set_entries && longest <= shapes.set_value {
            self.pack(&all);
        } else {
            self.unpack();
        }
    }

    fn add_int(&mut self, number: i64) -> bool {
        let packed = self.0.packed().expect("callers know it is packed");
        let (count, ints) = (packed.count, Ints::of(packed));
        let Err(index) = ints.search(number) else { return false };
        let (old, new) = (ints.width, width_of(number));
        if new > old {
            // It is beyond all others, at one of both ends.
            let mut wide = Vec::with_capacity((count + 1) * new);
            let mut push = |number: i64| wide.extend_from_slice(&number.to_le_bytes()[..new]);
            if number < 0 {
                push(number);
            }
            ints.iter().for_each(&mut push);
            if number > 0 {
                push(number);
            }
            splice(self.0, Form::Ints, count + 1, 0, count * old, &[&wide]);
        } else {
            let bytes = number.to_le_bytes();
            splice(self.0, Form::Ints, count + 1, index * old, 0, &[&bytes[..old]]);
        }
        if count + 1 > self.0.shapes.set_ints.min(COUNT_MAX - 1) {
            self.unpack();
        }
        true
    }

    /// Removes a member. False when it is not there. Expected O(1), O(bytes of the set) while it is small.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        let (form, count, range) = match self.0.seen() {
            Seen::Nothing => return false,
            Seen::Packed(bytes) => {
                let packed = Packed::of(bytes);
                let range = match packed.form {
                    Form::Ints => {
                        let ints = Ints::of(packed);
                        let found = parse_integer(member).and_then(|n| ints.search(n).ok());
                        found.map(|index| ints.range(index))
                    }
                    _ => packed::find(packed.items, &encoded(member), 1)
                        .map(|(at, _)| at..packed::behind(packed.items, at)),
                };
                let Some(range) = range else { return false };
                (packed.form, packed.count - 1, range)
            }
            Seen::Object(_) => {
                let removed = self.with_map(|map| map.remove(member));
                self.0.changes += u64::from(removed);
                return removed;
            }
        };
        splice(self.0, form, count, range.start, range.len(), &[]);
        self.0.changes += 1;
        true
    }
}

impl SetEdit<'_, '_> {
    /// Removes all members. O(1).
    pub fn clear(&mut self) {
        self.0.changes += self.len() as u64;
        self.0.install(Object::Packed(header(Form::Set, 0).to_vec()));
    }
}

impl<'s> Db<'s> {
    /// The set of a key; `None` when the key is absent. Expected O(1).
    pub fn set_at(self, key: &Key<'_>, look: Look, now: Now) -> Result<Option<Set<'s>>, WrongType> {
        self.read(key, Kind::Set, look, now, Set::of_packed, Set::of_object)
    }

    /// Lets `change` edit the set of a key, which is empty where the key is absent. Keeps the time to live; a set
    /// that becomes empty goes.
    pub fn edit_set<R>(
        &mut self,
        key: &Key<'_>,
        now: Now,
        change: impl FnOnce(&mut SetEdit<'_, '_>) -> R,
    ) -> Result<R, WrongType> {
        self.edit(key, Kind::Set, now, |editing| change(&mut SetEdit(editing)))
    }
}

impl Store {
    /// The set of a key, beside other views of this store. Leaves nothing behind: a command looks each key up
    /// by [`Db::kind_as`] or [`Db::set_at`] first. Expected O(1).
    pub fn see_set(&self, db: u8, key: &Key<'_>, now: Now) -> Result<Option<Set<'_>>, WrongType> {
        match self.see(db, key, now) {
            None => Ok(None),
            Some(Anything::Set(set)) => Ok(Some(set)),
            Some(_) => Err(WrongType),
        }
    }

    /// Makes a set that belongs to no key yet.
    pub fn make_set(&self, now: Now, make: impl FnOnce(&mut SetEdit<'_, '_>)) -> Made {
        self.make(now, |editing| make(&mut SetEdit(editing)))
    }
}
