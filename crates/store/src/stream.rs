//! Streams: entries in the order of their IDs, and groups of consumers that read them.
//!
//! A stream is always an object: a [`Log`](log) of packed nodes and its groups, each with what it delivered and
//! nobody acknowledged. An empty one stays, since its last ID and its groups mean something.
//!
//! | file | what |
//! |---|---|
//! | `node` | packed entries |
//! | `log` | nodes by their first ID: ranges, deletion, trimming |
//! | `group` | consumers and what is pending for them |
//! | `pack` | nodes from outside: to be written, and to be put together |
//! | `edit` | changing the stream of a key |

mod edit;
mod group;
mod log;
mod node;
mod pack;

pub use self::edit::{StreamEdit, Trim};
pub use self::group::{Claim, Consumer, ConsumerId, Group, Pending};
pub use self::log::Goal;
pub use self::node::{Entry, Words};
pub use self::pack::{Pack, PackMaker};

use self::log::Log;
use crate::{Db, Key, Kind, Look, Shapes, WrongType};
use base::Now;
use std::collections::BTreeMap;

/// The ID of an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// Milliseconds, usually of the time at which the entry was added.
    pub ms: u64,
    /// What tells entries of the same millisecond apart.
    pub seq: u64,
}

impl StreamId {
    /// The least one, which no entry has.
    pub const MIN: StreamId = StreamId { ms: 0, seq: 0 };
    /// The greatest one.
    pub const MAX: StreamId = StreamId { ms: u64::MAX, seq: u64::MAX };

    /// The next one; `None` behind the last.
    pub fn next(self) -> Option<StreamId> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(StreamId { seq, ..self }),
            None => Some(StreamId { ms: self.ms.checked_add(1)?, seq: 0 }),
        }
    }

    /// The one before; `None` before the first.
    pub fn previous(self) -> Option<StreamId> {
        match self.seq.checked_sub(1) {
            Some(seq) => Some(StreamId { seq, ..self }),
            None => Some(StreamId { ms: self.ms.checked_sub(1)?, seq: u64::MAX }),
        }
    }
}

/// What becomes of consumer groups' references to entries that are deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refs {
    /// They stay.
    Keep,
    /// They go too.
    Drop,
    /// Only entries that every group has read and acknowledged are deleted.
    Acked,
}

/// A stream.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    log: Log,
    last_id: StreamId,
    /// The greatest ID that was deleted by itself.
    pub max_deleted: StreamId,
    /// How many entries were ever added.
    pub entries_added: i64,
    groups: BTreeMap<Box<[u8]>, Group>,
    /// Bytes of all groups and their names.
    group_bytes: usize,
    /// What groups hold, in things to be freed.
    group_parts: usize,
}

impl Stream {
    /// The last ID that was given. O(1).
    pub fn last_id(&self) -> StreamId {
        self.last_id
    }

    /// Sets the last ID, which must not be less than that of the last entry. O(1), but where it goes back, also
    /// O(deleted entries behind it).
    pub fn set_last_id(&mut self, id: StreamId) {
        self.log.cut_behind(id);
        self.last_id = id;
    }

    /// Entries. O(1).
    pub fn len(&self) -> u64 {
        self.log.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first ID that is there; zero when there is none. O(1).
    pub fn first_id(&self) -> StreamId {
        self.log.first
    }

    /// Nodes. O(1).
    pub fn nodes(&self) -> usize {
        self.log.nodes()
    }

    /// Nodes of the radix tree that Redis would have over the first IDs of our nodes. O(nodes).
    pub fn radix_nodes(&self) -> usize {
        let keys: Vec<u128> =
            self.log.keys().map(|id| u128::from(id.ms) << 64 | u128::from(id.seq)).collect();
        if keys.is_empty() { 1 } else { radix_nodes(&keys, 0) }
    }

    /// Visits entries from `start` to `end`, both included, until `visit` says false.
    #[inline]
    pub fn each<'a>(
        &'a self,
        start: StreamId,
        end: StreamId,
        visit: impl FnMut(Entry<'a>) -> bool,
    ) {
        self.log.each(start, end, visit);
    }

    /// The same, the last first.
    pub fn each_back<'a>(
        &'a self,
        start: StreamId,
        end: StreamId,
        visit: impl FnMut(Entry<'a>) -> bool,
    ) {
        self.log.each_back(start, end, visit);
    }

    /// The entry with this ID. O(log nodes + entries of a node).
    pub fn entry(&self, id: StreamId) -> Option<Entry<'_>> {
        self.log.entry(id)
    }

    /// The last entry.
    pub fn last_entry(&self) -> Option<Entry<'_>> {
        let mut last = None;
        self.each_back(StreamId::MIN, StreamId::MAX, |entry| {
            last = Some(entry);
            false
        });
        last
    }

    /// Groups in the order of their names.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = (&[u8], &Group)> {
        self.groups.iter().map(|(name, group)| (&**name, group))
    }

    /// A group. O(log groups).
    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        self.groups.get(name)
    }

    /// Whether an entry from `start` on was deleted by itself, as far as is known.
    fn has_hole(&self, start: StreamId) -> bool {
        !self.is_empty() && self.max_deleted >= start.max(self.first_id())
    }

    /// How many entries were added up to this ID, if that can be told.
    pub fn added_until(&self, id: StreamId) -> Option<i64> {
        let len = i64::try_from(self.len()).unwrap_or(i64::MAX);
        if self.entries_added == 0 {
            return Some(0);
        }
        if (self.is_empty() && id <= self.last_id) || id == self.last_id {
            return Some(self.entries_added);
        }
        if id > self.last_id {
            return None;
        }
        let first = self.first_id();
        let whole = self.max_deleted == StreamId::MIN || self.max_deleted < first;
        match id.cmp(&first) {
            _ if !whole => None,
            std::cmp::Ordering::Less => Some(self.entries_added.wrapping_sub(len)),
            std::cmp::Ordering::Equal => Some(self.entries_added.wrapping_sub(len).wrapping_add(1)),
            std::cmp::Ordering::Greater => None,
        }
    }

    /// How many entries a group has still to read, if that can be told. O(1).
    pub fn lag(&self, group: &Group) -> Option<i64> {
        if self.entries_added == 0 {
            return Some(0);
        }
        let read = group.entries_read.filter(|_| !self.has_hole(group.last_id));
        let read = read.or_else(|| self.added_until(group.last_id))?;
        Some(self.entries_added.wrapping_sub(read))
    }

    /// Whether an entry was read by a group that has not acknowledged it. O(groups × log pending).
    pub fn is_pending(&self, id: StreamId) -> bool {
        self.groups.values().any(|group| group.has_pending(id))
    }

    /// Whether a group has still to read or to acknowledge an entry. O(groups × log pending).
    pub fn is_referenced(&self, id: StreamId) -> bool {
        self.groups.values().any(|group| group.last_id < id || group.has_pending(id))
    }

    /// Adds an entry; its ID must be greater than the last. `count` is of the words. Amortised O(words + log nodes).
    pub(crate) fn push<'v>(
        &mut self,
        id: StreamId,
        words: impl Words<'v>,
        count: usize,
        shapes: &Shapes,
    ) {
        assert!(id > self.last_id, "callers have compared with the last ID");
        self.log.push(id, words, count, shapes);
        self.entries_added = self.entries_added.wrapping_add(1);
        self.last_id = id;
    }

    /// Deletes an entry; false if it is not there. O(log nodes + entries of a node).
    pub fn delete(&mut self, id: StreamId) -> bool {
        let deleted = self.log.delete(id);
        if deleted {
            self.max_deleted = self.max_deleted.max(id);
        }
        deleted
    }

    /// Forgets that groups have an entry pending; gives how many had. O(groups × log pending).
    pub fn drop_references(&mut self, id: StreamId) -> usize {
        let mut dropped = 0;
        for group in self.groups.values_mut() {
            let (bytes, parts) = (group.footprint(), group.parts());
            dropped += usize::from(group.acknowledge(id));
            self.group_bytes = self.group_bytes - bytes + group.footprint();
            self.group_parts = self.group_parts - parts + group.parts();
        }
        dropped
    }

    /// Makes a group; false if there is one of this name. O(log groups).
    pub fn add_group(&mut self, name: &[u8], last_id: StreamId, entries_read: Option<i64>) -> bool {
        if self.groups.contains_key(name) {
            return false;
        }
        let group = Group::new(last_id, entries_read);
        self.group_bytes += group.footprint() + name.len();
        self.group_parts += 1;
        self.groups.insert(name.into(), group);
        true
    }

    /// Takes a group out.
    pub(crate) fn take_group(&mut self, name: &[u8]) -> Option<Group> {
        let group = self.groups.remove(name)?;
        self.group_bytes -= group.footprint() + name.len();
        self.group_parts -= group.parts() + 1;
        Some(group)
    }

    /// Lets `change` change a group, and look at the entries meanwhile; `None` if there is no such group.
    pub fn with_group<R>(
        &mut self,
        name: &[u8],
        change: impl FnOnce(&mut Group, Entries<'_>) -> R,
    ) -> Option<R> {
        let group = self.groups.get_mut(name)?;
        let (bytes, parts) = (group.footprint(), group.parts());
        let result = change(group, Entries(&self.log));
        self.group_bytes = self.group_bytes - bytes + group.footprint();
        self.group_parts = self.group_parts - parts + group.parts();
        Some(result)
    }

    /// Delivers up to `count` new entries of a group to a consumer, and visits them. With `forget` they are not noted
    /// as pending. O(log + entries × log pending).
    pub fn deliver(
        &mut self,
        name: &[u8],
        to: ConsumerId,
        count: u64,
        forget: bool,
        now_ms: i64,
        mut visit: impl FnMut(Entry<'_>),
    ) {
        let Some(mut group) = self.groups.remove_entry(name) else { return };
        let (bytes, parts) = (group.1.footprint(), group.1.parts());
        let mut left = count;
        if let (Some(start), 1..) = (group.1.last_id.next(), left) {
            self.log.each(start, StreamId::MAX, |entry| {
                self.advance(&mut group.1, entry.id);
                if !forget {
                    group.1.deliver(entry.id, to, now_ms);
                }
                visit(entry);
                left -= 1;
                left > 0
            });
        }
        self.group_bytes = self.group_bytes - bytes + group.1.footprint();
        self.group_parts = self.group_parts - parts + group.1.parts();
        self.groups.insert(group.0, group.1);
    }

    /// Counts an entry as read by a group.
    fn advance(&self, group: &mut Group, id: StreamId) {
        match group.entries_read {
            Some(read) if !self.has_hole(id) => group.entries_read = Some(read.wrapping_add(1)),
            _ if self.entries_added != 0 => group.entries_read = self.added_until(id),
            _ => {}
        }
        group.last_id = id;
    }

    /// Shows a consumer up to `count` of the entries behind `after` that are pending for it, once more; without the
    /// entry where it was deleted.
    pub fn show_pending(
        &mut self,
        name: &[u8],
        to: ConsumerId,
        after: StreamId,
        count: u64,
        now_ms: i64,
        mut visit: impl FnMut(StreamId, Option<Entry<'_>>),
    ) {
        self.with_group(name, |group, entries| {
            let mut next = after.next();
            for _ in 0..count {
                let Some(start) = next else { break };
                let found = group.pending_of(to, start, StreamId::MAX).next();
                let Some(id) = found.map(|pending| pending.id) else { break };
                let entry = entries.entry(id);
                visit(id, entry);
                if entry.is_some() {
                    group.show_again(id, now_ms);
                }
                next = id.next();
            }
        });
    }

    /// Things to be freed one by one.
    pub(crate) fn parts(&self) -> usize {
        self.log.nodes() + self.group_parts
    }

    /// Bytes that it owns, itself included. O(1).
    pub(crate) fn footprint(&self) -> usize {
        size_of::<Stream>() + self.log.footprint() + self.group_bytes
    }

    /// Frees up to `budget` parts; true while there are more.
    pub(crate) fn dismantle(&mut self, budget: usize) -> bool {
        for _ in 0..budget {
            if self.log.shed_one() {
                continue;
            }
            let Some(mut last) = self.groups.last_entry() else { return false };
            let (bytes, parts) = (last.get().footprint(), last.get().parts());
            if last.get_mut().shed_one() {
                let group = last.get();
                self.group_bytes = self.group_bytes - bytes + group.footprint();
                self.group_parts = self.group_parts - parts + group.parts();
            } else {
                self.group_bytes -= bytes + last.key().len();
                self.group_parts -= parts + 1;
                last.remove();
            }
        }
        !self.groups.is_empty() || self.log.nodes() > 0
    }
}

/// The entries of a stream, for those who change a group.
#[derive(Clone, Copy)]
pub struct Entries<'a>(&'a Log);

impl<'a> Entries<'a> {
    /// The entry with this ID. O(log nodes + entries of a node).
    pub fn entry(&self, id: StreamId) -> Option<Entry<'a>> {
        self.0.entry(id)
    }
}

/// Nodes of a radix tree over sorted keys, from byte `depth` on: a run of bytes without a branch is one node, a
/// branch is one, and so is the end of a key.
fn radix_nodes(keys: &[u128], depth: u32) -> usize {
    const KEY_BYTES: u32 = 16;
    let [first, .., last] = keys else { return 1 + usize::from(depth < KEY_BYTES) };
    let common = (first ^ last).leading_zeros() / 8;
    let byte = |key: &u128| key >> (8 * (KEY_BYTES - 1 - common)) & 0xff;
    let children = keys.chunk_by(|one, other| byte(one) == byte(other));
    let below: usize = children.map(|keys| radix_nodes(keys, common + 1)).sum();
    usize::from(common > depth) + 1 + below
}

impl<'s> Db<'s> {
    /// The stream of a key; `None` when the key is absent. Expected O(1).
    pub fn stream(
        self,
        key: &Key<'_>,
        look: Look,
        now: Now,
    ) -> Result<Option<&'s Stream>, WrongType> {
        let packed = |_| unreachable!("no stream is packed");
        self.read(key, Kind::Stream, look, now, packed, |object| match object {
            crate::object::Object::Stream(stream) => Some(&**stream),
            _ => None,
        })
    }

    /// Lets `change` edit the stream of a key, which may be absent. Keeps the time to live.
    pub fn edit_stream<R>(
        &mut self,
        key: &Key<'_>,
        now: Now,
        change: impl FnOnce(&mut StreamEdit<'_, '_>) -> R,
    ) -> Result<R, WrongType> {
        self.edit(key, Kind::Stream, now, |editing| change(&mut StreamEdit::new(editing)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_followed_and_preceded() {
        let id = |ms, seq| StreamId { ms, seq };
        assert_eq!(id(1, 2).next(), Some(id(1, 3)));
        assert_eq!(id(1, u64::MAX).next(), Some(id(2, 0)));
        assert_eq!(StreamId::MAX.next(), None);
        assert_eq!(id(1, 2).previous(), Some(id(1, 1)));
        assert_eq!(id(1, 0).previous(), Some(id(0, u64::MAX)));
        assert_eq!(StreamId::MIN.previous(), None);
    }

    #[test]
    fn a_radix_tree_has_the_nodes_that_redis_counts() {
        let keys = |ids: &[(u64, u64)]| -> Vec<u128> {
            ids.iter().map(|(ms, seq)| u128::from(*ms) << 64 | u128::from(*seq)).collect()
        };
        assert_eq!(radix_nodes(&keys(&[(1, 1)]), 0), 2);
        // Seven common bytes, a branch, and for each key the rest and an end.
        assert_eq!(radix_nodes(&keys(&[(1, 0), (101, 0)]), 0), 6);
        // They differ in the last byte only.
        assert_eq!(radix_nodes(&keys(&[(1, 1), (1, 2), (1, 3)]), 0), 5);
    }
}
