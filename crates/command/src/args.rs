//! The arguments of one request, as a view of the bytes they arrived in.

use crate::Failure;
use resp::parse::Span;
use store::{Hasher, Key};

/// A borrowed view of one request's arguments; the name is argument 0. Cheap to make, never
/// copied. The key that the plan has hashed already is remembered.
#[derive(Clone, Copy, Debug)]
pub struct Args<'a> {
    bytes: &'a [u8],
    spans: &'a [Span],
    hasher: Hasher,
    /// Position, slot and hash of a key that was hashed before.
    hashed: Option<(u32, base::Slot, u64)>,
}

impl<'a> Args<'a> {
    /// The arguments whose places in `bytes` are `spans`.
    pub fn new(bytes: &'a [u8], spans: &'a [Span], hasher: Hasher) -> Args<'a> {
        Args { bytes, spans, hasher, hashed: None }
    }

    /// The same, with the key at `position` hashed before.
    pub fn with_hashed(self, position: u32, slot: base::Slot, hash: u64) -> Args<'a> {
        Args { hashed: Some((position, slot, hash)), ..self }
    }

    /// How many arguments there are, the name included.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is none; never so for a request.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Argument `index`. The arity has been checked before a command runs, so asking beyond it
    /// is a mistake of ours and panics; for what may be absent there is [`Args::try_get`].
    #[inline]
    pub fn get(&self, index: usize) -> &'a [u8] {
        let span = self.spans[index];
        &self.bytes[span.start as usize..span.start as usize + span.len as usize]
    }

    /// Argument `index`, if there is one.
    pub fn try_get(&self, index: usize) -> Option<&'a [u8]> {
        (index < self.len()).then(|| self.get(index))
    }

    /// Bytes from the first argument to the end of the last, with what stands between them. O(1).
    #[inline]
    pub fn extent(&self) -> usize {
        match (self.spans.first(), self.spans.last()) {
            (Some(first), Some(last)) => (last.start + last.len - first.start) as usize,
            _ => 0,
        }
    }

    /// Argument `index` as a key.
    #[inline]
    pub fn key(&self, index: usize) -> Key<'a> {
        let bytes = self.get(index);
        match self.hashed {
            Some((position, slot, hash)) if position as usize == index => Key { bytes, slot, hash },
            _ => self.hasher.key(bytes),
        }
    }

    /// A key that is no argument.
    pub fn key_named<'k>(&self, bytes: &'k [u8]) -> Key<'k> {
        self.hasher.key(bytes)
    }

    /// Argument `index` as an integer in Redis' canonical form.
    pub fn integer(&self, index: usize) -> Option<i64> {
        resp::number::parse_i64(self.get(index))
    }

    /// How many of something argument `index` asks for, 0 or more.
    pub fn count(&self, index: usize) -> Result<usize, Failure> {
        let count = self.integer(index).and_then(|count| usize::try_from(count).ok());
        count.ok_or(Failure::NOT_POSITIVE)
    }

    /// Whether argument `index` is this word, in any case.
    pub fn is(&self, index: usize, word: &str) -> bool {
        self.get(index).eq_ignore_ascii_case(word.as_bytes())
    }

    /// The view without its first `count` arguments.
    pub fn skipping(&self, count: usize) -> Args<'a> {
        Args { spans: &self.spans[count.min(self.spans.len())..], hashed: None, ..*self }
    }

    /// `count` arguments from `first` on, as a request of their own.
    pub fn part(&self, first: usize, count: usize) -> Args<'a> {
        Args { spans: &self.spans[first..first + count], hashed: None, ..*self }
    }

    /// All arguments from `first` on.
    pub fn from(&self, first: usize) -> impl ExactSizeIterator<Item = &'a [u8]> + use<'a> {
        let (bytes, spans) = (self.bytes, &self.spans[first.min(self.spans.len())..]);
        spans
            .iter()
            .map(move |span| &bytes[span.start as usize..span.start as usize + span.len as usize])
    }
}
