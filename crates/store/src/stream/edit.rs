//! Changing the stream of a key.

use super::node::{BYTES_MAX, Verdict, Words};
use super::{Goal, Refs, Stream, StreamId};
use crate::edit::{Editing, Seen};
use crate::object::{LARGE_PARTS, Object};

/// How a stream is trimmed.
#[derive(Clone, Copy, Debug)]
pub struct Trim {
    /// What stays.
    pub goal: Goal,
    /// Only whole nodes go.
    pub approximate: bool,
    /// Entries that go at the most, if it is approximate.
    pub limit: Option<u64>,
    /// What becomes of references.
    pub refs: Refs,
}

/// A stream that is being changed.
pub struct StreamEdit<'e, 'a>(&'e mut Editing<'a>);

impl<'e, 'a> StreamEdit<'e, 'a> {
    pub(super) fn new(editing: &'e mut Editing<'a>) -> StreamEdit<'e, 'a> {
        StreamEdit(editing)
    }
}

impl StreamEdit<'_, '_> {
    /// The stream as it is; `None` while there is none.
    pub fn view(&self) -> Option<&Stream> {
        match self.0.seen() {
            Seen::Nothing => None,
            Seen::Object(Object::Stream(stream)) => Some(stream),
            _ => unreachable!("the type was checked"),
        }
    }

    /// Makes an empty stream where there is none.
    pub fn create(&mut self) {
        if self.view().is_none() {
            self.0.install(Object::Stream(Box::default()));
        }
    }

    /// Lets `change` change the stream, which must be there.
    pub fn with<R>(&mut self, change: impl FnOnce(&mut Stream) -> R) -> R {
        self.0.with_object(|object| match object {
            Object::Stream(stream) => change(stream),
            _ => unreachable!("the type was checked"),
        })
    }

    /// Counts changes.
    pub fn changed(&mut self, count: u64) {
        self.0.changes += count;
    }

    /// Whether an entry with so many bytes can be stored.
    pub fn takes(bytes: usize) -> bool {
        bytes <= BYTES_MAX
    }

    /// Adds an entry; its ID must be greater than the last. `count` is of the words. Amortised O(words + log nodes).
    pub fn push<'v>(&mut self, id: StreamId, words: impl Words<'v>, count: usize) {
        self.create();
        let shapes = *self.0.shapes;
        self.with(|stream| stream.push(id, words, count, &shapes));
        self.0.changes += 1;
    }

    /// Trims the stream, which must be there, and gives how many entries went. What is much is set aside, to be freed
    /// in steps. O(nodes that go + entries of a node), and with references to be looked at O(entries looked at).
    pub fn trim(&mut self, trim: &Trim) -> u64 {
        let Trim { goal, approximate, limit, refs } = *trim;
        let limit = limit.filter(|_| approximate);
        if refs != Refs::Keep {
            return self.with(|stream| stream.trim_referenced(trim));
        }
        let front = self.with(|stream| stream.log.front(goal, limit, |_| true));
        if front.nodes > LARGE_PARTS {
            // The old object keeps what goes, and is freed in steps as whatever is overwritten.
            let rest = self.with(|stream| {
                let rest = stream.log.split_behind(front);
                let gone = std::mem::replace(&mut stream.log, rest);
                let rest = std::mem::take(stream);
                stream.log = gone;
                rest
            });
            self.0.install(Object::Stream(Box::new(rest)));
        } else {
            self.with(|stream| stream.log.drop_front(front));
        }
        let exact = if approximate { 0 } else { self.with(|stream| stream.log.trim_first(goal)) };
        front.entries + exact
    }

    /// Destroys a group of the stream, which must be there; false if there is none of this name. What is much is set
    /// aside. O(log groups).
    pub fn destroy_group(&mut self, name: &[u8]) -> bool {
        let Some(group) = self.with(|stream| stream.take_group(name)) else { return false };
        self.0.changes += 1;
        if group.parts() > LARGE_PARTS {
            let rest = self.with(|stream| {
                let rest = std::mem::take(stream);
                stream.put_group(name, group);
                rest
            });
            self.0.install(Object::Stream(Box::new(rest)));
        }
        true
    }
}

impl Stream {
    fn put_group(&mut self, name: &[u8], group: super::Group) {
        self.group_bytes += group.footprint() + name.len();
        self.group_parts += group.parts() + 1;
        self.groups.insert(name.into(), group);
    }

    /// [`StreamEdit::trim`] where references to entries matter.
    fn trim_referenced(&mut self, trim: &Trim) -> u64 {
        let Trim { goal, approximate, limit, refs } = *trim;
        let mut gone = Vec::new();
        let mut left = self.len();
        // Where an entry was not read by all groups yet, none behind it was.
        let read = self.groups.values().map(|group| group.last_id).min().unwrap_or(StreamId::MAX);
        let groups = &self.groups;
        let is_acked =
            |id| refs != Refs::Acked || (id <= read && !groups.values().any(|g| g.has_pending(id)));
        let dropped = if approximate {
            let mut pass = Vec::new();
            let front = self.log.front(goal, limit, |entry| {
                pass.push(entry.id);
                is_acked(entry.id)
            });
            // The last node looked at may have stayed.
            pass.truncate(front.entries as usize);
            gone = pass;
            self.log.drop_front(front);
            front.entries
        } else {
            self.log.sift(|id| {
                let enough = match goal {
                    Goal::MaxLen(most) => left <= most,
                    Goal::MinId(least) => id >= least,
                };
                if enough || (refs == Refs::Acked && id > read) {
                    return Verdict::Stop;
                }
                if !is_acked(id) {
                    return Verdict::Keep;
                }
                left -= 1;
                gone.push(id);
                Verdict::Take
            })
        };
        if refs == Refs::Drop {
            gone.into_iter().for_each(|id| {
                self.drop_references(id);
            });
        }
        dropped
    }
}
