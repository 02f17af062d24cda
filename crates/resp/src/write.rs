//! Replies into bytes.
//!
//! A [`Writer`] is a view over the buffer that a session's output, or an outcome for another core, grows
//! in; it holds nothing and is made for each command. It knows which protocol the client speaks, so
//! that a command says what it means (`map`, `double`, `null`) and RESP2 gets the older spelling.
//!
//! Nothing is checked that the caller promises by the call: after `array(3)` come three values.

use crate::chain::{BUFFER_BYTES, Chain, PIECE_BYTES, Sink};
use crate::number::write_f64;
use crate::protocol_error::ProtocolError;

/// What the client speaks; HELLO changes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// The protocol of Redis 2 to 5, and of every connection before HELLO 3.
    #[default]
    Resp2,
    /// The protocol with maps, sets, doubles and pushes.
    Resp3,
}

/// `+OK`, for those who copy it without a writer.
pub const OK: &[u8] = b"+OK\r\n";
/// `+PONG`.
pub const PONG: &[u8] = b"+PONG\r\n";
/// `+QUEUED`.
pub const QUEUED: &[u8] = b"+QUEUED\r\n";
/// `:0`.
pub const ZERO: &[u8] = b":0\r\n";
/// `:1`.
pub const ONE: &[u8] = b":1\r\n";
/// A bulk string of no bytes.
pub const EMPTY_BULK: &[u8] = b"$0\r\n\r\n";
/// An array of no elements.
pub const EMPTY_ARRAY: &[u8] = b"*0\r\n";

/// Bytes left free for the header of a deferred aggregate: exact for less than ten elements.
const DEFERRED_ROOM: usize = 4;

/// Bytes of the longest header: a letter, the 20 digits of `usize::MAX`, an end of line.
const HEADER_BYTES_MAX: usize = 23;

/// Whole doubles below this are written as integers, which is how all are spelt up to 2^62.
const WHOLE_MAX: u64 = 1 << 53;
/// The bits of -0, whose spelling is its own.
const MINUS_ZERO: u64 = 1 << 63;

/// Writes replies to the end of a buffer. Every method is O(bytes written).
pub struct Writer<'a> {
    out: &'a mut Vec<u8>,
    /// Where full buffers go.
    chain: Option<&'a mut Chain>,
    /// Bytes at the beginning of `out` that do not go there.
    from: usize,
    protocol: Protocol,
}

/// A place in what has been written; see [`Writer::position`].
#[derive(Clone, Copy, Debug)]
pub struct Position {
    /// Pieces in front of it.
    pieces: usize,
    /// Its place in the buffer behind them.
    at: usize,
}

/// Where the header of an aggregate is still to be written; see [`Writer::deferred_array`].
#[derive(Debug)]
#[must_use = "without `close` the reply has a hole"]
pub struct Deferred {
    position: Position,
    kind: Aggregate,
}

#[derive(Clone, Copy, Debug)]
enum Aggregate {
    Array,
    Map,
    Set,
    Push,
}

impl<'a> Writer<'a> {
    /// A writer to the end of `out` for a client that speaks `protocol`.
    #[inline]
    pub fn new(out: &'a mut Vec<u8>, protocol: Protocol) -> Writer<'a> {
        Writer { out, chain: None, from: 0, protocol }
    }

    /// A writer to a sink.
    #[inline]
    pub fn to(sink: Sink<'a>, protocol: Protocol) -> Writer<'a> {
        Writer { out: sink.out, chain: sink.chain, from: sink.from, protocol }
    }

    /// The protocol spoken.
    #[inline]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Where the next byte goes.
    #[inline]
    pub fn position(&self) -> Position {
        Position { pieces: self.pieces(), at: self.out.len() }
    }

    #[inline]
    fn pieces(&self) -> usize {
        self.chain.as_ref().map_or(0, |chain| chain.pieces.len())
    }

    /// Takes back everything written since `position`.
    pub fn truncate(&mut self, position: Position) {
        if let Some(first) = self.chain.as_mut().and_then(|chain| chain.cut(position.pieces)) {
            self.out.truncate(self.from);
            self.out.extend_from_slice(&first[..position.at - self.from]);
        } else {
            self.out.truncate(position.at);
        }
    }

    /// A writer to the same buffer, for handing on by value.
    #[inline]
    pub fn reborrow(&mut self) -> Writer<'_> {
        Writer {
            out: self.out,
            chain: self.chain.as_deref_mut(),
            from: self.from,
            protocol: self.protocol,
        }
    }

    /// Appends bytes that are already encoded in this client's protocol.
    #[inline]
    pub fn raw(&mut self, encoded: &[u8]) {
        self.out.extend_from_slice(encoded);
    }

    /// `+OK`.
    #[inline]
    pub fn ok(&mut self) {
        self.raw(OK);
    }

    /// A status line. Line breaks in it become spaces, so that no text can forge a reply.
    pub fn simple(&mut self, text: &str) {
        self.line(b'+', text.as_bytes());
    }

    /// An error line: the code and the text (`ERR no such key`), without the `-`. Line breaks at its
    /// ends are left out and those inside become spaces, as in Redis.
    pub fn error(&mut self, text: impl AsRef<[u8]>) {
        self.line(b'-', text.as_ref());
    }

    /// The last reply before a connection is closed for a violation of the protocol.
    pub fn protocol_error(&mut self, error: ProtocolError) {
        let mut text = b"ERR ".to_vec();
        text.extend_from_slice(&error.text());
        self.error(text);
    }

    fn line(&mut self, kind: u8, text: &[u8]) {
        self.out.push(kind);
        let start = self.out.len();
        let is_break = |byte: &u8| matches!(byte, b'\r' | b'\n');
        let first = text.iter().position(|byte| !is_break(byte)).unwrap_or(text.len());
        let end = text.iter().rposition(|byte| !is_break(byte)).map_or(first, |last| last + 1);
        self.out.extend_from_slice(&text[first..end]);
        for byte in self.out[start..].iter_mut().filter(|byte| is_break(byte)) {
            *byte = b' ';
        }
        self.raw(b"\r\n");
    }

    /// An integer.
    #[inline]
    pub fn integer(&mut self, value: i64) {
        match u8::try_from(value) {
            Ok(digit @ 0..=9) => self.raw(&[b':', b'0' + digit, b'\r', b'\n']),
            _ => {
                self.out.push(b':');
                self.raw(itoa::Buffer::new().format(value).as_bytes());
                self.raw(b"\r\n");
            }
        }
    }

    /// A string of bytes.
    #[inline]
    pub fn bulk(&mut self, bytes: &[u8]) {
        // One check for room instead of three.
        let room = bytes.len() + 16;
        if self.out.capacity() - self.out.len() < room {
            self.make_room(room);
        }
        self.header(b'$', bytes.len());
        self.raw(bytes);
        self.raw(b"\r\n");
    }

    /// Makes room for so many bytes: a buffer that is full enough becomes a piece, another one grows.
    #[inline(never)]
    fn make_room(&mut self, room: usize) {
        if let Some(chain) = self.chain.as_mut()
            && self.out.len() - self.from >= PIECE_BYTES
        {
            chain.push(match self.from {
                0 => std::mem::replace(self.out, Vec::with_capacity(room.max(BUFFER_BYTES))),
                from => self.out.split_off(from),
            });
        }
        self.out.reserve(room);
    }

    /// A string of bytes that is not contiguous. `len` is the sum of the parts' lengths.
    pub fn bulk_parts<'b>(&mut self, len: usize, parts: impl IntoIterator<Item = &'b [u8]>) {
        self.header(b'$', len);
        let start = self.out.len();
        for part in parts {
            self.raw(part);
        }
        debug_assert_eq!(self.out.len() - start, len, "the parts have the length announced");
        self.raw(b"\r\n");
    }

    /// An integer as a string.
    #[inline]
    pub fn bulk_int(&mut self, value: i64) {
        self.bulk(itoa::Buffer::new().format(value).as_bytes());
    }

    /// Nothing: RESP2's null bulk string.
    #[inline]
    pub fn null(&mut self) {
        match self.protocol {
            Protocol::Resp2 => self.raw(b"$-1\r\n"),
            Protocol::Resp3 => self.raw(b"_\r\n"),
        }
    }

    /// Nothing where an array would be: RESP2's null array.
    #[inline]
    pub fn null_array(&mut self) {
        match self.protocol {
            Protocol::Resp2 => self.raw(b"*-1\r\n"),
            Protocol::Resp3 => self.raw(b"_\r\n"),
        }
    }

    /// The head of an array; `len` values follow.
    #[inline]
    pub fn array(&mut self, len: usize) {
        self.aggregate(Aggregate::Array, len);
    }

    /// The head of a map; `pairs` times a key and a value follow. RESP2: an array.
    #[inline]
    pub fn map(&mut self, pairs: usize) {
        self.aggregate(Aggregate::Map, pairs);
    }

    /// The head of a set; `len` values follow. RESP2: an array.
    #[inline]
    pub fn set(&mut self, len: usize) {
        self.aggregate(Aggregate::Set, len);
    }

    /// The head of a push; `len` values follow. RESP2: an array.
    #[inline]
    pub fn push(&mut self, len: usize) {
        self.aggregate(Aggregate::Push, len);
    }

    /// The head of attributes; `pairs` times a key and a value follow, then the reply they are about.
    /// RESP2 has none: the caller must ask [`Writer::protocol`] first, as Redis does.
    pub fn attribute(&mut self, pairs: usize) {
        debug_assert_eq!(self.protocol, Protocol::Resp3, "RESP2 has no attributes");
        self.header(b'|', pairs);
    }

    #[inline]
    fn aggregate(&mut self, kind: Aggregate, len: usize) {
        let (letter, values) = self.spelling(kind, len);
        self.header(letter, values);
    }

    #[inline]
    fn spelling(&self, kind: Aggregate, len: usize) -> (u8, usize) {
        match (kind, self.protocol) {
            (Aggregate::Map, Protocol::Resp2) => (b'*', len * 2),
            (Aggregate::Array, _) | (_, Protocol::Resp2) => (b'*', len),
            (Aggregate::Map, Protocol::Resp3) => (b'%', len),
            (Aggregate::Set, Protocol::Resp3) => (b'~', len),
            (Aggregate::Push, Protocol::Resp3) => (b'>', len),
        }
    }

    /// Begins an array whose length is not known yet; [`Writer::close`] gives it. The few bytes of its
    /// header are left free; when there turn out to be ten elements or more, closing moves what
    /// was written since, or the rest of the piece, by a few bytes, once. So a deferred array costs O(its bytes) more than one of
    /// known length, and nested ones O(bytes × depth): nest only to a fixed depth.
    pub fn deferred_array(&mut self) -> Deferred {
        self.deferred(Aggregate::Array)
    }

    /// Begins a map whose length is not known yet; see [`Writer::deferred_array`].
    pub fn deferred_map(&mut self) -> Deferred {
        self.deferred(Aggregate::Map)
    }

    /// Begins a set whose length is not known yet; see [`Writer::deferred_array`].
    pub fn deferred_set(&mut self) -> Deferred {
        self.deferred(Aggregate::Set)
    }

    fn deferred(&mut self, kind: Aggregate) -> Deferred {
        let position = self.position();
        self.out.extend_from_slice(&[0; DEFERRED_ROOM]);
        Deferred { position, kind }
    }

    /// Writes the header of a deferred aggregate: `len` elements, or pairs of a map, have been written
    /// since. O(bytes written since, up to the end of the piece).
    pub fn close(&mut self, deferred: Deferred, len: usize) {
        let (letter, values) = self.spelling(deferred.kind, len);
        let mut header = [0; HEADER_BYTES_MAX];
        let header = number_line(&mut header, letter, values);
        let Position { pieces, at } = deferred.position;
        match &mut self.chain {
            Some(chain) if pieces < chain.pieces.len() => {
                chain.change(pieces, |piece| put_header(piece, at - self.from, header));
            }
            _ => put_header(self.out, at, header),
        }
    }

    /// A float: shortest digits that read back as the same number. RESP2: a bulk string.
    #[inline]
    pub fn double(&mut self, value: f64) {
        // Most are whole, and need no buffer on the heap.
        let whole = value as i64;
        if whole as f64 == value
            && whole.unsigned_abs() < WHOLE_MAX
            && value.to_bits() != MINUS_ZERO
        {
            match self.protocol {
                Protocol::Resp2 => self.bulk_int(whole),
                Protocol::Resp3 => {
                    self.typed_line(b',', itoa::Buffer::new().format(whole).as_bytes());
                }
            }
            return;
        }
        self.broken_double(value);
    }

    #[inline(never)]
    fn broken_double(&mut self, value: f64) {
        let mut text = Vec::with_capacity(32);
        write_f64(value, &mut text);
        match self.protocol {
            Protocol::Resp2 => self.bulk(&text),
            Protocol::Resp3 => self.typed_line(b',', &text),
        }
    }

    /// A truth value. RESP2: the integer 1 or 0.
    #[inline]
    pub fn bool(&mut self, value: bool) {
        match (self.protocol, value) {
            (Protocol::Resp2, true) => self.raw(ONE),
            (Protocol::Resp2, false) => self.raw(ZERO),
            (Protocol::Resp3, true) => self.raw(b"#t\r\n"),
            (Protocol::Resp3, false) => self.raw(b"#f\r\n"),
        }
    }

    /// An integer of any length, given as its decimal digits. RESP2: a bulk string.
    pub fn big_number(&mut self, digits: &str) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(digits.as_bytes()),
            Protocol::Resp3 => self.typed_line(b'(', digits.as_bytes()),
        }
    }

    /// Text with a format of three letters (`txt`, `mkd`). RESP2: a bulk string of the text alone.
    /// Asserts the three letters, which are the caller's constant.
    pub fn verbatim(&mut self, format: &'static str, text: &[u8]) {
        assert_eq!(format.len(), 3, "RESP3 formats have three letters");
        match self.protocol {
            Protocol::Resp2 => self.bulk(text),
            Protocol::Resp3 => {
                self.header(b'=', text.len() + 4);
                self.raw(format.as_bytes());
                self.raw(b":");
                self.raw(text);
                self.raw(b"\r\n");
            }
        }
    }

    fn typed_line(&mut self, kind: u8, text: &[u8]) {
        self.out.push(kind);
        self.raw(text);
        self.raw(b"\r\n");
    }

    /// A letter, a length, an end of line. Most lengths have one or two digits.
    #[inline]
    fn header(&mut self, letter: u8, len: usize) {
        match len {
            0..=9 => self.raw(&[letter, b'0' + len as u8, b'\r', b'\n']),
            10..=99 => {
                let (tens, ones) = (len as u8 / 10, len as u8 % 10);
                self.raw(&[letter, b'0' + tens, b'0' + ones, b'\r', b'\n']);
            }
            _ => {
                let mut room = [0; HEADER_BYTES_MAX];
                self.raw(number_line(&mut room, letter, len));
            }
        }
    }
}

/// Puts a header at the place that was left free for it in `out`.
fn put_header(out: &mut Vec<u8>, at: usize, header: &[u8]) {
    let (end, more) = (out.len(), header.len() - DEFERRED_ROOM);
    if more > 0 {
        out.resize(end + more, 0);
        out.copy_within(at + DEFERRED_ROOM..end, at + header.len());
    }
    out[at..at + header.len()].copy_from_slice(header);
}

/// Spells a letter, a number and an end of line into `room`; one append then takes all.
#[inline]
fn number_line(room: &mut [u8; HEADER_BYTES_MAX], letter: u8, number: usize) -> &[u8] {
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(number).as_bytes();
    let end = digits.len() + 1;
    room[0] = letter;
    room[1..end].copy_from_slice(digits);
    room[end..end + 2].copy_from_slice(b"\r\n");
    &room[..end + 2]
}
