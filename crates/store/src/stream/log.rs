//! The entries of a stream: nodes by their first ID.

use super::StreamId;
use super::node::{BYTES_MAX, Entry, Node, Verdict, Words};
use crate::Shapes;
use std::collections::BTreeMap;

/// What a node costs in the tree beside its bytes, about half of a leaf being used.
const NODE_BYTES: usize = 2 * (size_of::<StreamId>() + size_of::<Node>());

/// What trimming leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// So many entries, the newest.
    MaxLen(u64),
    /// Entries from this ID on.
    MinId(StreamId),
}

/// Nodes that trimming takes away whole, from the front.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Front {
    /// How many.
    pub(super) nodes: usize,
    /// Entries in them.
    pub(super) entries: u64,
}

/// Entries in the order of their IDs.
#[derive(Debug, Default)]
pub(super) struct Log {
    nodes: BTreeMap<StreamId, Node>,
    /// Entries that are there.
    pub(super) len: u64,
    /// The first of them; zero when there is none.
    pub(super) first: StreamId,
    /// Bytes of all nodes.
    bytes: usize,
}

impl Clone for Log {
    fn clone(&self) -> Log {
        let nodes = self.nodes.clone();
        // A copy has no spare room.
        let bytes = nodes.values().map(Node::capacity).sum();
        Log { nodes, bytes, ..*self }
    }
}

impl Log {
    /// Nodes. O(1).
    pub(super) fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// First IDs of all nodes.
    pub(super) fn keys(&self) -> impl Iterator<Item = StreamId> {
        self.nodes.keys().copied()
    }

    /// Bytes that it owns. O(1).
    pub(super) fn footprint(&self) -> usize {
        self.bytes + self.nodes.len() * NODE_BYTES
    }

    /// Adds an entry behind all others; `count` is of its words. Amortised O(log nodes + bytes of the entry).
    pub(super) fn push<'v>(
        &mut self,
        id: StreamId,
        words: impl Words<'v>,
        count: usize,
        shapes: &Shapes,
    ) {
        let text: usize = (0..count).map(|word| words(word).len()).sum();
        let room = match shapes.stream_bytes {
            0 => BYTES_MAX,
            bytes => bytes,
        };
        if self.len == 0 {
            self.first = id;
        }
        self.len += 1;
        if let Some(mut last) = self.nodes.last_entry() {
            let (key, node) = (*last.key(), last.get_mut());
            let before = node.capacity();
            let full = node.is_full(text, shapes);
            if full {
                node.close();
            } else {
                node.push(key, id, words, count, room);
            }
            self.bytes = self.bytes - before + node.capacity();
            if !full {
                return;
            }
        }
        let mut node = Node::new(words, count);
        node.push(id, id, words, count, room);
        self.bytes += node.capacity();
        self.nodes.insert(id, node);
    }

    /// Visits entries from `start` to `end`, both included, until `visit` says false. O(log nodes + entries of a
    /// node + entries visited).
    #[inline]
    pub(super) fn each<'a>(
        &'a self,
        start: StreamId,
        end: StreamId,
        mut visit: impl FnMut(Entry<'a>) -> bool,
    ) {
        if start > end {
            return;
        }
        let from = self.nodes.range(..=start).next_back().map_or(start, |(key, _)| *key);
        for (key, node) in self.nodes.range(from..=end) {
            for placed in node.read(*key).all() {
                if placed.is_dead || placed.entry.id < start {
                    continue;
                }
                if placed.entry.id > end || !visit(placed.entry) {
                    return;
                }
            }
        }
    }

    /// The same, the last first.
    pub(super) fn each_back<'a>(
        &'a self,
        start: StreamId,
        end: StreamId,
        mut visit: impl FnMut(Entry<'a>) -> bool,
    ) {
        for (key, node) in self.nodes.range(..=end).rev() {
            for placed in node.read(*key).all_back() {
                if placed.entry.id < start {
                    return;
                }
                if !placed.is_dead && placed.entry.id <= end && !visit(placed.entry) {
                    return;
                }
            }
        }
    }

    /// The entry with this ID. O(log nodes + entries of a node).
    pub(super) fn entry(&self, id: StreamId) -> Option<Entry<'_>> {
        let mut found = None;
        self.each(id, id, |entry| {
            found = Some(entry);
            false
        });
        found
    }

    /// Deletes an entry; false if it is not there. A node with none left goes. O(log nodes + entries of a node).
    pub(super) fn delete(&mut self, id: StreamId) -> bool {
        let Some((key, node)) = self.nodes.range_mut(..=id).next_back() else { return false };
        if !node.delete(*key, id) {
            return false;
        }
        if node.live == 0 {
            let key = *key;
            self.remove_node(key);
        }
        self.len -= 1;
        if id == self.first {
            self.find_first();
        }
        true
    }

    fn remove_node(&mut self, key: StreamId) {
        if let Some(node) = self.nodes.remove(&key) {
            self.bytes -= node.capacity();
        }
    }

    fn find_first(&mut self) {
        let mut first = StreamId::MIN;
        self.each(StreamId::MIN, StreamId::MAX, |entry| {
            first = entry.id;
            false
        });
        self.first = first;
    }

    /// The nodes that may go whole: no entry in them is wanted, nor refused by `may_go`. Not more than `limit`
    /// entries, if there is one. O(nodes that go).
    pub(super) fn front(
        &self,
        goal: Goal,
        limit: Option<u64>,
        mut may_go: impl FnMut(Entry<'_>) -> bool,
    ) -> Front {
        let mut front = Front::default();
        for (key, node) in &self.nodes {
            let left = self.len - front.entries;
            let entries = u64::from(node.live);
            let goes = match goal {
                Goal::MaxLen(most) if left <= most => break,
                Goal::MaxLen(most) => left - entries >= most,
                Goal::MinId(id) => node.last_id(*key) < id,
            };
            let beyond = limit.is_some_and(|limit| front.entries + entries > limit);
            let mut live = node.read(*key).all().filter(|placed| !placed.is_dead);
            if beyond || !goes || !live.all(|placed| may_go(placed.entry)) {
                break;
            }
            front.nodes += 1;
            front.entries += entries;
        }
        front
    }

    /// Drops nodes at the front. O(nodes dropped).
    pub(super) fn drop_front(&mut self, front: Front) {
        for _ in 0..front.nodes {
            let Some((_, node)) = self.nodes.pop_first() else { break };
            self.bytes -= node.capacity();
        }
        self.len -= front.entries;
        if front.nodes > 0 {
            self.find_first();
        }
    }

    /// Leaves only the nodes at the front, and gives the rest.
    pub(super) fn split_behind(&mut self, front: Front) -> Log {
        let Some(key) = self.nodes.keys().nth(front.nodes).copied() else { return Log::default() };
        let nodes = self.nodes.split_off(&key);
        let bytes = nodes.values().map(Node::capacity).sum();
        let mut rest = Log { nodes, len: self.len - front.entries, first: StreamId::MIN, bytes };
        rest.find_first();
        self.bytes -= bytes;
        self.len = front.entries;
        rest
    }

    /// Drops entries of the first node one by one until the goal is met; gives how many. As in Redis the node stays
    /// when no entry is left in it, since the next one may belong there. O(entries of a node).
    pub(super) fn trim_first(&mut self, goal: Goal) -> u64 {
        let Some(mut entry) = self.nodes.first_entry() else { return 0 };
        let (key, mut left) = (*entry.key(), self.len);
        let taken = entry.get_mut().sift(key, |id| {
            let stays = match goal {
                Goal::MaxLen(most) => left <= most,
                Goal::MinId(least) => id >= least,
            };
            left -= u64::from(!stays);
            if stays { Verdict::Stop } else { Verdict::Take }
        });
        self.len -= u64::from(taken);
        if taken > 0 {
            self.find_first();
        }
        u64::from(taken)
    }

    /// Drops entries one by one, from the first on, as `judge` says. O(entries looked at).
    pub(super) fn sift(&mut self, mut judge: impl FnMut(StreamId) -> Verdict) -> u64 {
        let (mut taken, mut stopped, mut empty) = (0, false, Vec::new());
        for (key, node) in &mut self.nodes {
            let gone = node.sift(*key, |id| {
                let verdict = judge(id);
                stopped |= verdict == Verdict::Stop;
                verdict
            });
            taken += u64::from(gone);
            if gone > 0 && node.live == 0 {
                empty.push(*key);
            }
            if stopped {
                break;
            }
        }
        empty.into_iter().for_each(|key| self.remove_node(key));
        self.len -= taken;
        if taken > 0 {
            self.find_first();
        }
        taken
    }

    /// The node with the greatest IDs and its key.
    pub(super) fn last_node(&self) -> Option<(StreamId, &Node)> {
        self.nodes.last_key_value().map(|(key, node)| (*key, node))
    }

    /// All nodes with their keys.
    pub(super) fn all_nodes(&self) -> impl ExactSizeIterator<Item = (StreamId, &Node)> {
        self.nodes.iter().map(|(key, node)| (*key, node))
    }

    /// Puts a node with entries behind all others.
    pub(super) fn add_node(&mut self, key: StreamId, node: Node) {
        let first = node.read(key).all().find(|placed| !placed.is_dead);
        if let Some(first) = first.filter(|_| self.len == 0) {
            self.first = first.entry.id;
        }
        self.len += u64::from(node.live);
        self.bytes += node.capacity();
        self.nodes.insert(key, node);
    }

    /// Forgets deleted entries with IDs greater than this one: where the last ID is set back, the next entries come
    /// before them, and nodes are searched by the order of their entries. O(entries and nodes that go).
    pub(super) fn cut_behind(&mut self, id: StreamId) {
        while let Some(mut last) = self.nodes.last_entry() {
            let key = *last.key();
            last.get_mut().cut_behind(key, id);
            if !last.get().is_bare() {
                return;
            }
            self.remove_node(key);
        }
    }

    /// Frees a node; false if there is none.
    pub(super) fn shed_one(&mut self) -> bool {
        let Some((_, node)) = self.nodes.pop_first() else { return false };
        self.bytes -= node.capacity();
        self.len -= u64::from(node.live);
        true
    }
}
