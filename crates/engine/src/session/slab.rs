//! The sessions of one core, by the index of their connection.

use super::Session;
use base::ConnId;

/// All sessions; the reactor chooses the indexes, so they are dense.
#[derive(Debug, Default)]
pub struct Sessions {
    slots: Vec<Option<Box<Session>>>,
    len: usize,
}

impl Sessions {
    /// Puts a session in its place. Asserts that the place is free.
    pub fn insert(&mut self, session: Box<Session>) {
        let index = session.id.index as usize;
        if index >= self.slots.len() {
            self.slots.resize_with(index + 1, || None);
        }
        assert!(self.slots[index].is_none(), "a connection's index is given out once at a time");
        self.slots[index] = Some(session);
        self.len += 1;
    }

    /// The session of a connection that may be gone.
    #[inline]
    pub fn get(&mut self, id: ConnId) -> Option<&mut Session> {
        let session = self.slots.get_mut(id.index as usize)?.as_deref_mut()?;
        (session.id.generation == id.generation).then_some(session)
    }

    /// The session of a connection that may be gone, to look at.
    pub fn peek(&self, id: ConnId) -> Option<&Session> {
        let session = self.slots.get(id.index as usize)?.as_deref()?;
        (session.id.generation == id.generation).then_some(session)
    }

    /// Takes a session out.
    pub fn remove(&mut self, id: ConnId) -> Option<Box<Session>> {
        self.get(id)?;
        self.len -= 1;
        self.slots[id.index as usize].take()
    }

    /// How many sessions there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All sessions, in the order of their index.
    pub fn iter(&self) -> impl Iterator<Item = &Session> {
        self.slots.iter().flatten().map(|session| &**session)
    }

    /// All sessions, to change.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Session> {
        self.slots.iter_mut().flatten().map(|session| &mut **session)
    }

    /// The places given out so far, free ones included; bounds a walk in steps.
    pub fn places(&self) -> usize {
        self.slots.len()
    }

    /// The session at a place of a walk, if the place is taken.
    pub fn at(&mut self, index: usize) -> Option<&mut Session> {
        self.slots.get_mut(index)?.as_deref_mut()
    }
}
