//! A value of any type, to be read.

use crate::hash::Hash;
use crate::list::List;
use crate::object::{Object, packed_bytes, packed_kind};
use crate::packed::Packed;
use crate::set::Set;
use crate::sorted_set::SortedSet;
use crate::store::place;
use crate::stream::Stream;
use crate::{Key, Kind, Store, Str};
use base::Now;

/// What a key holds.
#[derive(Clone, Copy)]
pub enum Anything<'a> {
    /// A string.
    String(Str<'a>),
    /// A list.
    List(List<'a>),
    /// A set.
    Set(Set<'a>),
    /// A sorted set.
    SortedSet(SortedSet<'a>),
    /// A hash.
    Hash(Hash<'a>),
    /// A stream.
    Stream(&'a Stream),
}

impl Store {
    /// The value of a key, beside other views of this store. Leaves nothing behind: a command looks the key up by
    /// [`crate::Db::kind_as`] first. Expected O(1).
    pub fn see(&self, db: u8, key: &Key<'_>, now: Now) -> Option<Anything<'_>> {
        let place = place(usize::from(db), key);
        let value = self.tables.get(place, key.bytes, now.unix_ms())?;
        if let Some(bytes) = packed_bytes(&value) {
            let packed = Packed::of(bytes);
            return Some(match packed_kind(bytes) {
                Kind::List => Anything::List(List::of_packed(packed)),
                Kind::Set => Anything::Set(Set::of_packed(packed)),
                Kind::SortedSet => Anything::SortedSet(SortedSet::of_packed(packed)),
                Kind::Hash => Anything::Hash(Hash::of_packed(packed, now)),
                Kind::String | Kind::Stream => unreachable!("these are never packed"),
            });
        }
        Some(match value {
            compact::Value::Bytes { bytes, .. } => Anything::String(Str::Bytes(bytes)),
            compact::Value::Int(number) => Anything::String(Str::Int(number)),
            compact::Value::Boxed(object) => match object {
                Object::Hash(table) => Anything::Hash(Hash::of_table(table, now)),
                Object::List(nodes) => Anything::List(List::of_nodes(nodes)),
                Object::Set(_) => Anything::Set(Set::of_object(object)?),
                Object::SortedSet(_) => Anything::SortedSet(SortedSet::of_object(object)?),
                Object::Stream(stream) => Anything::Stream(stream),
                Object::Bytes(_) | Object::Received(_) | Object::Packed(_) => {
                    Anything::String(Str::Bytes(object.as_bytes()?))
                }
            },
        })
    }
}
