//! The order of replies: places given out in the order of requests, filled in any order, and
//! emptied from the front.

use std::collections::VecDeque;

/// Replies that wait for an earlier one. While it is empty, replies are written straight to the
/// session's output and nothing here is touched.
#[derive(Debug, Default)]
pub struct Pipeline {
    /// The number of the front place.
    front: u32,
    places: VecDeque<Place>,
    /// Bytes of replies that are ready before their turn.
    held: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    /// The outcome is due.
    Waiting,
    /// The reply is in `held`.
    Ready { start: usize, len: usize },
}

/// A buffer larger than this is given back once the pipeline is empty.
const KEEP_BYTES: usize = 16 * 1024;

impl Pipeline {
    /// Whether every reply has left.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// How many replies wait.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Bytes that are ready but not at the front.
    pub fn held_bytes(&self) -> usize {
        self.held.len()
    }

    /// Memory held, for accounting.
    pub fn memory(&self) -> usize {
        self.held.capacity() + self.places.capacity() * size_of::<Place>()
    }

    /// The number that the next place will have.
    pub fn next_place(&self) -> u32 {
        self.front.wrapping_add(self.places.len() as u32)
    }

    /// Gives out the next place; its reply comes by [`Pipeline::fill`].
    pub fn reserve(&mut self) -> u32 {
        let place = self.next_place();
        self.places.push_back(Place::Waiting);
        place
    }

    /// Gives out the next place with its reply, which `write` appends to the buffer it is given.
    pub fn push_ready<R>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        let start = self.held.len();
        let result = write(&mut self.held);
        self.places.push_back(Place::Ready { start, len: self.held.len() - start });
        result
    }

    /// Fills a place and moves what is now complete from the front to `out`. A place that is not
    /// waiting is a mistake of ours. Amortised O(bytes).
    pub fn fill(&mut self, place: u32, reply: &[u8], out: &mut Vec<u8>) {
        let index = place.wrapping_sub(self.front) as usize;
        assert!(matches!(self.places.get(index), Some(Place::Waiting)), "an outcome has one place");
        if index == 0 {
            out.extend_from_slice(reply);
            self.places.pop_front();
            self.front = self.front.wrapping_add(1);
            self.move_ready(out);
        } else {
            let start = self.held.len();
            self.held.extend_from_slice(reply);
            self.places[index] = Place::Ready { start, len: reply.len() };
        }
    }

    fn move_ready(&mut self, out: &mut Vec<u8>) {
        while let Some(Place::Ready { start, len }) = self.places.front().copied() {
            out.extend_from_slice(&self.held[start..start + len]);
            self.places.pop_front();
            self.front = self.front.wrapping_add(1);
        }
        if self.places.is_empty() {
            self.held.clear();
            if self.held.capacity() > KEEP_BYTES {
                self.held = Vec::new();
            }
            if self.places.capacity() * size_of::<Place>() > KEEP_BYTES {
                self.places = VecDeque::new();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_leave_in_the_order_of_their_places() {
        let (mut pipeline, mut out) = (Pipeline::default(), Vec::new());
        let a = pipeline.reserve();
        pipeline.push_ready(|held| held.extend_from_slice(b"b"));
        let c = pipeline.reserve();
        let d = pipeline.reserve();
        pipeline.fill(d, b"d", &mut out);
        assert!(out.is_empty());
        pipeline.fill(a, b"a", &mut out);
        assert_eq!(out, b"ab");
        pipeline.fill(c, b"c", &mut out);
        assert_eq!(out, b"abcd");
        assert!(pipeline.is_empty());
        assert_eq!(pipeline.held_bytes(), 0);
    }

    #[test]
    fn place_numbers_may_wrap() {
        let (mut pipeline, mut out) =
            (Pipeline { front: u32::MAX, ..Pipeline::default() }, Vec::new());
        let (a, b) = (pipeline.reserve(), pipeline.reserve());
        assert_eq!((a, b), (u32::MAX, 0));
        pipeline.fill(b, b"b", &mut out);
        pipeline.fill(a, b"a", &mut out);
        assert_eq!(out, b"ab");
    }
}
