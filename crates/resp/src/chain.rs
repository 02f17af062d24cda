//! Replies in pieces. A reply of many megabytes in one buffer would be copied again each time the buffer grows, and would need
//! all of its memory in one place; so a [`crate::Writer`] that has a [`Chain`] puts a full buffer there and goes on
//! in a new one. The pieces are sent as they are.

/// A buffer that has so many bytes is a piece when it has to grow.
pub const PIECE_BYTES: usize = 128 * 1024;

/// The size of the buffer behind a piece.
pub(crate) const BUFFER_BYTES: usize = 2 * PIECE_BYTES;

/// Pieces of replies, in order. What is written next follows them.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    pub(crate) pieces: Vec<Vec<u8>>,
    bytes: usize,
}

impl Chain {
    /// Whether there is no piece.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Bytes of all pieces.
    #[inline]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Memory of all pieces. O(pieces).
    pub fn memory(&self) -> usize {
        self.pieces.iter().map(Vec::capacity).sum()
    }

    /// Puts a piece behind the others.
    pub fn push(&mut self, piece: Vec<u8>) {
        self.bytes += piece.len();
        self.pieces.push(piece);
    }

    /// Puts all pieces of another chain behind those of this one. O(pieces).
    pub fn append(&mut self, other: Chain) {
        self.bytes += other.bytes;
        self.pieces.extend(other.pieces);
    }

    /// The pieces, in order.
    pub fn pieces(&self) -> &[Vec<u8>] {
        &self.pieces
    }

    /// The pieces, in order.
    pub fn into_pieces(self) -> Vec<Vec<u8>> {
        self.pieces
    }

    /// All bytes in one buffer. O(bytes).
    pub fn concat(&self) -> Vec<u8> {
        self.pieces.concat()
    }

    /// Takes back what was pushed since there were `pieces` pieces, and gives the first piece of that.
    pub(crate) fn cut(&mut self, pieces: usize) -> Option<Vec<u8>> {
        let mut cut = self.pieces.drain(pieces.min(self.pieces.len())..);
        let first = cut.next()?;
        self.bytes -= first.len() + cut.map(|piece| piece.len()).sum::<usize>();
        Some(first)
    }

    /// Piece `index`, grown by what `change` says.
    pub(crate) fn change<R>(&mut self, index: usize, change: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        let before = self.pieces[index].len();
        let result = change(&mut self.pieces[index]);
        self.bytes = self.bytes - before + self.pieces[index].len();
        result
    }
}

/// Where a reply is written: behind the bytes that a buffer has, in pieces if it has a chain for them.
#[derive(Debug)]
pub struct Sink<'a> {
    pub(crate) out: &'a mut Vec<u8>,
    pub(crate) chain: Option<&'a mut Chain>,
    /// Bytes at the beginning of the buffer that belong to nobody's piece.
    pub(crate) from: usize,
}

impl<'a> Sink<'a> {
    /// The end of a buffer, which grows.
    pub fn plain(out: &'a mut Vec<u8>) -> Sink<'a> {
        Sink { out, chain: None, from: 0 }
    }

    /// Behind what the buffer has, which stays there; pieces of what is written go to `chain`, and are to be followed by
    /// [`finish`].
    pub fn behind(out: &'a mut Vec<u8>, chain: &'a mut Chain) -> Sink<'a> {
        let from = out.len();
        Sink { out, chain: Some(chain), from }
    }

    /// How many bytes there are, for those who compare before and after.
    #[inline]
    pub fn len(&self) -> usize {
        self.out.len() + self.chain.as_ref().map_or(0, |chain| chain.bytes())
    }

    /// Whether nothing is there.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts bytes at the end. O(bytes).
    pub fn append(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// What was written since there were `len` bytes, as far as it is in one piece with the end.
    pub fn since(&self, len: usize) -> &[u8] {
        let before = self.len() - self.out.len();
        &self.out[len.saturating_sub(before).clamp(self.from, self.out.len())..]
    }

    /// The same, for handing on by value.
    #[inline]
    pub fn reborrow(&mut self) -> Sink<'_> {
        Sink { out: self.out, chain: self.chain.as_deref_mut(), from: self.from }
    }
}

/// Ends what was written behind `from` bytes of a buffer: if it has pieces, the rest becomes the last of them. O(bytes of
/// the rest).
pub fn finish(out: &mut Vec<u8>, from: usize, chain: &mut Chain) {
    if !chain.is_empty() {
        chain.push(out.split_off(from));
    }
}

/// What is to be sent to somebody.
#[derive(Debug, Default)]
pub struct Output {
    /// Complete pieces.
    chain: Chain,
    /// What follows them.
    tail: Vec<u8>,
}

impl Output {
    /// How many bytes there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.chain.bytes() + self.tail.len()
    }

    /// Whether there is nothing.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.tail.is_empty() && self.chain.is_empty()
    }

    /// Memory held.
    pub fn capacity(&self) -> usize {
        self.chain.memory() + self.tail.capacity()
    }

    /// Where replies are written.
    #[inline]
    pub fn sink(&mut self) -> Sink<'_> {
        Sink { out: &mut self.tail, chain: Some(&mut self.chain), from: 0 }
    }

    /// Puts bytes at the end. O(bytes).
    #[inline]
    pub fn append(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
    }

    /// Puts pieces at the end. O(pieces).
    pub fn append_chain(&mut self, chain: Chain) {
        if !self.tail.is_empty() {
            self.chain.push(std::mem::take(&mut self.tail));
        }
        self.chain.append(chain);
    }

    /// Gives a buffer to write into, if there is none.
    #[inline]
    pub fn lend(&mut self, buffer: impl FnOnce() -> Option<Vec<u8>>) {
        if self.tail.capacity() == 0
            && let Some(buffer) = buffer()
        {
            self.tail = buffer;
        }
    }

    /// Takes everything: pieces and what follows them.
    #[inline]
    pub fn take(&mut self) -> (Chain, Vec<u8>) {
        (std::mem::take(&mut self.chain), std::mem::take(&mut self.tail))
    }
}

/// A whole reply.
#[derive(Debug)]
pub enum Reply<'a> {
    /// In one piece, which is somebody else's.
    Whole(&'a [u8]),
    /// In many.
    Pieces(Chain),
}

impl Reply<'_> {
    /// How many bytes it has.
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            Reply::Whole(bytes) => bytes.len(),
            Reply::Pieces(chain) => chain.bytes(),
        }
    }

    /// Whether it has none, as no reply.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its bytes if it is in one piece, as every error is; else nothing.
    pub fn whole(&self) -> &[u8] {
        match self {
            Reply::Whole(bytes) => bytes,
            Reply::Pieces(_) => &[],
        }
    }
}
