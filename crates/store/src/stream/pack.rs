//! The nodes of a stream as those see them who write a stream as bytes and read it again.
//!
//! Clients see where a node ends (approximate trimming drops whole nodes), and what of it was deleted (it takes
//! its place still). So a stream that was written and read has the nodes that it had.

use super::node::{BYTES_MAX, Entry, Node, Words};
use super::{Stream, StreamId};
use crate::edit::{Editing, Made};
use crate::object::Object;
use crate::{Store, Str};
use base::Now;

/// A node of a stream, to be read.
#[derive(Clone, Copy)]
pub struct Pack<'a> {
    key: StreamId,
    node: &'a Node,
}

impl<'a> Pack<'a> {
    /// The ID that its first entry had, which may be deleted.
    pub fn key(&self) -> StreamId {
        self.key
    }

    /// Entries that are there.
    pub fn live(&self) -> u32 {
        self.node.live
    }

    /// Entries that were deleted and still take their place.
    pub fn dead(&self) -> u32 {
        self.node.dead
    }

    /// The names of the fields that most entries have, and how many they are.
    pub fn names(&self) -> (usize, impl Iterator<Item = Str<'a>>) {
        self.node.read(self.key).names()
    }

    /// Its entries in the order of their IDs, and whether they were deleted. O(entries).
    pub fn entries(&self) -> impl Iterator<Item = (Entry<'a>, bool)> {
        self.node.read(self.key).all().map(|placed| (placed.entry, placed.is_dead))
    }
}

/// A node that is put together; it is the stream's when [`PackMaker::finish`] is called.
pub struct PackMaker<'s> {
    stream: &'s mut Stream,
    key: StreamId,
    node: Node,
}

impl PackMaker<'_> {
    /// Adds an entry; `count` is of the words. False when it is out of order or without fields. Deleted ones that are out of
    /// order are forgotten: Redis has such behind a last ID that was set back. O(words).
    pub fn push<'v>(
        &mut self,
        id: StreamId,
        is_dead: bool,
        words: impl Words<'v>,
        count: usize,
    ) -> bool {
        if id < self.key || id == StreamId::MIN || count == 0 {
            return false;
        }
        if self.last_id().is_some_and(|last| last >= id) {
            if is_dead {
                return true;
            }
            self.node.cut_behind(self.key, id.previous().unwrap_or(StreamId::MIN));
            if self.last_id().is_some_and(|last| last >= id) {
                return false;
            }
        }
        self.node.push(self.key, id, words, count, BYTES_MAX);
        if is_dead {
            self.node.delete_last();
        }
        true
    }

    fn last_id(&self) -> Option<StreamId> {
        (!self.node.is_bare()).then(|| self.node.last_id(self.key))
    }

    /// Puts the node behind those that the stream has. O(log nodes + bytes of the node).
    pub fn finish(mut self) {
        if let Some(last) = self.last_id() {
            self.node.close();
            self.stream.last_id = self.stream.last_id.max(last);
            self.stream.log.add_node(self.key, self.node);
        }
    }
}

impl Stream {
    /// Its nodes.
    pub fn packs(&self) -> impl ExactSizeIterator<Item = Pack<'_>> {
        self.log.all_nodes().map(|(key, node)| Pack { key, node })
    }

    /// Begins another node behind all others, with the names of its fields; `None` when its IDs would not be behind
    /// theirs. `count` is of the names, each followed by a value that does not matter. O(names).
    pub fn begin_pack<'s, 'v>(
        &'s mut self,
        key: StreamId,
        words: impl Words<'v>,
        count: usize,
    ) -> Option<PackMaker<'s>> {
        if let Some(before) = key.previous() {
            self.log.cut_behind(before);
        }
        let last = self.log.last_node().map(|(key, node)| node.last_id(key));
        if last.is_some_and(|last| last >= key) {
            return None;
        }
        Some(PackMaker { stream: self, key, node: Node::new(words, count) })
    }
}

impl Store {
    /// Lets a stream that was put together be put under a key. O(1).
    pub fn make_stream(&self, now: Now, stream: Stream) -> Made {
        self.make(now, |editing: &mut Editing<'_>| {
            editing.install(Object::Stream(Box::new(stream)));
        })
    }
}
