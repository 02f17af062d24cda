//! The order of replies: places given out in the order of requests, filled in any order, and
//! emptied from the front.

use resp::chain::{Chain, Output, Reply, Sink, finish};
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
    /// Bytes of those that are in pieces.
    held_in_pieces: usize,
}

#[derive(Debug)]
enum Place {
    /// The outcome is due.
    Waiting,
    /// The outcome is due, and its reply is left out.
    Silent,
    /// The reply is in `held`.
    Ready { start: usize, len: usize },
    /// The reply, in pieces.
    Pieces(Box<Chain>),
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
        self.held.len() + self.held_in_pieces
    }

    /// Memory held, for accounting.
    pub fn memory(&self) -> usize {
        self.held.capacity() + self.held_in_pieces + self.places.capacity() * size_of::<Place>()
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

    /// The same for a request whose reply is left out: who waits for keys needs a place, as the number of its wait.
    pub fn reserve_silent(&mut self) -> u32 {
        let place = self.next_place();
        self.places.push_back(Place::Silent);
        place
    }

    /// Gives out the next place with its reply, which `write` appends to the sink it is given.
    pub fn push_ready<R>(&mut self, write: impl FnOnce(Sink<'_>) -> R) -> R {
        let (start, mut chain) = (self.held.len(), Chain::default());
        let result = write(Sink::behind(&mut self.held, &mut chain));
        finish(&mut self.held, start, &mut chain);
        let place = if chain.is_empty() {
            Place::Ready { start, len: self.held.len() - start }
        } else {
            self.held_in_pieces += chain.bytes();
            Place::Pieces(Box::new(chain))
        };
        self.places.push_back(place);
        result
    }

    /// Fills a place and moves what is now complete from the front to `out`. A place that is not
    /// waiting is a mistake of ours. Amortised O(bytes), of pieces O(pieces).
    pub fn fill(&mut self, place: u32, reply: Reply<'_>, out: &mut Output) {
        let index = place.wrapping_sub(self.front) as usize;
        let reply = match self.places.get(index) {
            Some(Place::Waiting) => reply,
            Some(Place::Silent) => Reply::Whole(b""),
            _ => panic!("an outcome has one place"),
        };
        if index == 0 {
            match reply {
                Reply::Whole(bytes) => out.append(bytes),
                Reply::Pieces(chain) => out.append_chain(chain),
            }
            self.places.pop_front();
            self.front = self.front.wrapping_add(1);
            return self.move_ready(out);
        }
        self.places[index] = match reply {
            Reply::Whole(bytes) => {
                let start = self.held.len();
                self.held.extend_from_slice(bytes);
                Place::Ready { start, len: bytes.len() }
            }
            Reply::Pieces(chain) => {
                self.held_in_pieces += chain.bytes();
                Place::Pieces(Box::new(chain))
            }
        };
    }

    fn move_ready(&mut self, out: &mut Output) {
        loop {
            match self.places.front_mut() {
                None | Some(Place::Waiting | Place::Silent) => break,
                Some(Place::Ready { start, len }) => out.append(&self.held[*start..*start + *len]),
                Some(Place::Pieces(chain)) => {
                    self.held_in_pieces -= chain.bytes();
                    out.append_chain(std::mem::take(&mut **chain));
                }
            }
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
        let (mut pipeline, mut out) = (Pipeline::default(), Output::default());
        let a = pipeline.reserve();
        pipeline.push_ready(|mut held| held.append(b"b"));
        let c = pipeline.reserve();
        let d = pipeline.reserve();
        pipeline.fill(d, Reply::Whole(b"d"), &mut out);
        assert!(out.is_empty());
        pipeline.fill(a, Reply::Whole(b"a"), &mut out);
        assert_eq!(out.sink().since(0), b"ab");
        pipeline.fill(c, Reply::Whole(b"c"), &mut out);
        assert_eq!(out.sink().since(0), b"abcd");
        assert!(pipeline.is_empty());
        assert_eq!(pipeline.held_bytes(), 0);
    }

    #[test]
    fn a_silent_place_keeps_the_order_and_says_nothing() {
        let (mut pipeline, mut out) = (Pipeline::default(), Output::default());
        let places = [pipeline.reserve_silent(), pipeline.reserve(), pipeline.reserve_silent()];
        pipeline.fill(places[2], Reply::Whole(b"c"), &mut out);
        pipeline.fill(places[1], Reply::Whole(b"b"), &mut out);
        assert!(out.is_empty());
        pipeline.fill(places[0], Reply::Whole(b"a"), &mut out);
        assert_eq!(out.sink().since(0), b"b");
        assert!(pipeline.is_empty());
    }

    #[test]
    fn place_numbers_may_wrap() {
        let (mut pipeline, mut out) =
            (Pipeline { front: u32::MAX, ..Pipeline::default() }, Output::default());
        let (a, b) = (pipeline.reserve(), pipeline.reserve());
        assert_eq!((a, b), (u32::MAX, 0));
        pipeline.fill(b, Reply::Whole(b"b"), &mut out);
        pipeline.fill(a, Reply::Whole(b"a"), &mut out);
        assert_eq!(out.sink().since(0), b"ab");
    }

    #[test]
    fn replies_in_pieces_keep_their_places_and_are_not_copied() {
        let (mut pipeline, mut out) = (Pipeline::default(), Output::default());
        let a = pipeline.reserve();
        let piece = |byte| vec![byte; 10];
        let mut chain = Chain::default();
        chain.push(piece(b'b'));
        chain.push(piece(b'c'));
        let address = chain.pieces()[1].as_ptr();
        let b = pipeline.reserve();
        pipeline.push_ready(|mut held| held.append(b"d"));
        pipeline.fill(b, Reply::Pieces(chain), &mut out);
        assert_eq!(pipeline.held_bytes(), 21);
        pipeline.fill(a, Reply::Whole(b"a"), &mut out);
        assert_eq!((pipeline.held_bytes(), out.len()), (0, 22));
        let (chain, tail) = out.take();
        assert_eq!(chain.concat(), [&b"a"[..], &piece(b'b'), &piece(b'c')].concat());
        assert_eq!((chain.pieces()[2].as_ptr(), tail), (address, b"d".to_vec()));
    }
}
