//! The patterns of BY and GET: an element makes a key of them.

use crate::{Args, Ctx};
use base::until_nul;
use resp::write::Writer;
use store::{Look, Str};

/// What BY or GET names.
#[derive(Clone, Copy)]
pub enum Pattern<'a> {
    /// The element itself: `#`.
    Element,
    /// No key, because nothing in it stands for the element.
    Nothing,
    /// The key that the element makes between two texts, or a field of the hash there.
    Key {
        /// What stands before the element.
        before: &'a [u8],
        /// What stands behind it.
        after: &'a [u8],
        /// The field.
        field: Option<&'a [u8]>,
    },
}

impl<'a> Pattern<'a> {
    /// The pattern that a text is. As in Redis, what is looked for in it is not found behind a NUL.
    pub fn of(text: &'a [u8]) -> Pattern<'a> {
        if text == b"#" {
            return Pattern::Element;
        }
        let seen = until_nul(text).len();
        let Some(star) = memchr::memchr(b'*', &text[..seen]) else { return Pattern::Nothing };
        let (before, after) = (&text[..star], &text[star + 1..]);
        let arrow = memchr::memmem::find(&text[star + 1..seen], b"->");
        match arrow.filter(|at| at + 2 < seen - star - 1) {
            Some(at) => Pattern::Key { before, after: &after[..at], field: Some(&after[at + 2..]) },
            None => Pattern::Key { before, after, field: None },
        }
    }

    /// Writes the key that `element` makes over `key`; false when it makes none.
    pub fn key(&self, element: &[u8], key: &mut Vec<u8>) -> bool {
        let Pattern::Key { before, after, .. } = self else { return false };
        key.clear();
        [*before, element, *after].into_iter().for_each(|part| key.extend_from_slice(part));
        true
    }

    /// Calls `show` with what is found for an element, and gives what that gives. Counts as a read of the key.
    pub fn look_up<R>(
        &self,
        ctx: &mut Ctx<'_>,
        args: &Args<'_>,
        element: &[u8],
        show: impl FnOnce(&mut Writer<'_>, Option<Str<'_>>) -> R,
    ) -> R {
        let Ctx { store, db, now, reply, .. } = ctx;
        let Pattern::Key { field, .. } = self else {
            let itself = matches!(self, Pattern::Element).then_some(Str::Bytes(element));
            return show(reply, itself);
        };
        let mut name = Vec::new();
        self.key(element, &mut name);
        let (key, mut keyspace) = (args.key_named(&name), store.db(*db));
        match field {
            None => show(reply, keyspace.string_as(&key, Look::Read, *now).ok().flatten()),
            Some(field) => {
                let hash = keyspace.hash(&key, Look::Read, *now).ok().flatten();
                show(reply, hash.and_then(|hash| hash.get(field)).map(|found| found.value))
            }
        }
    }
}

/// Many texts in one allocation.
#[derive(Default)]
pub struct Texts {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Texts {
    /// Adds a text.
    pub fn push(&mut self, text: Str<'_>) {
        self.bytes.extend_from_slice(text.as_bytes(&mut itoa::Buffer::new()));
        self.ends.push(self.bytes.len());
    }

    /// Text `at`.
    pub fn get(&self, at: usize) -> &[u8] {
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..self.ends[at]]
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }
}
