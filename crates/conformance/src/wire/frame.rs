//! Finds where one reply ends, without interpreting it.
//!
//! Replies are compared as raw bytes, so the reader must not normalise: it only counts. The state is a position and a
//! stack of how many elements each open aggregate still waits for, so that a reply which arrives in many reads is
//! scanned once.

use std::fmt;

/// Aggregates deeper than this are refused: no reply of Redis nests further.
const DEPTH_MAX: usize = 64;
/// A longer simple line is not RESP.
const LINE_BYTES_MAX: usize = 1 << 20;
/// Longer bulk strings than Redis' own limit (512 MB) with room for a verbatim prefix.
const BULK_BYTES_MAX: u64 = (512 << 20) + 64;

/// The stream is not RESP2 or RESP3 at this place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// Why, in words for a report.
    pub reason: String,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not RESP: {}", self.reason)
    }
}

/// An incremental splitter of a byte stream into whole replies.
///
/// Invariant: `scanned` bytes of `buffer` belong to the reply that is being collected and were looked at already.
#[derive(Debug, Default)]
pub struct Framer {
    buffer: Vec<u8>,
    start: usize,
    scanned: usize,
    open: Vec<u64>,
}

impl Framer {
    /// An empty splitter.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes that the peer sent.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Bytes fed but not yet returned as a whole reply.
    pub fn rest(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// The next whole reply's raw bytes, or `None` until more arrive. Linear in the bytes over all calls.
    pub fn next(&mut self) -> Result<Option<Vec<u8>>, Malformed> {
        loop {
            let Some(item) = self.item()? else {
                return Ok(None);
            };
            match item {
                Item::Leaf => self.close_finished(),
                // An attribute stands before its reply and does not count as an element of what holds it.
                Item::Open { elements, attribute } => {
                    if self.open.len() == DEPTH_MAX {
                        return Err(malformed("nested too deep"));
                    }
                    self.open.push(elements + u64::from(attribute));
                    if elements == 0 && !attribute {
                        self.open.pop();
                        self.close_finished();
                    }
                }
            }
            if self.open.is_empty() {
                let end = self.start + self.scanned;
                let reply = self.buffer[self.start..end].to_vec();
                self.start = end;
                self.scanned = 0;
                return Ok(Some(reply));
            }
        }
    }

    /// One element is complete: counts it off in what holds it, and whatever that completes in turn.
    fn close_finished(&mut self) {
        while let Some(left) = self.open.last_mut() {
            *left -= 1;
            if *left > 0 {
                return;
            }
            self.open.pop();
        }
    }

    /// Reads one line (and a bulk's body) at the scan position; `None` leaves the state as it was.
    fn item(&mut self) -> Result<Option<Item>, Malformed> {
        let from = self.start + self.scanned;
        let rest = &self.buffer[from..];
        let Some(end) = line_end(rest)? else {
            return Ok(None);
        };
        let line = &rest[..end];
        let after = end + 2;
        let Some((&kind, body)) = line.split_first() else {
            return Err(malformed("an empty line where a reply should start"));
        };
        let item = match kind {
            b'+' | b'-' | b':' | b'_' | b'#' | b',' | b'(' => Item::Leaf,
            b'$' | b'=' | b'!' => match length(body)? {
                None => Item::Leaf,
                Some(bytes) if bytes > BULK_BYTES_MAX => {
                    return Err(malformed("bulk longer than 512 MB"));
                }
                Some(bytes) => {
                    let bytes = usize::try_from(bytes).map_err(|_| malformed("bulk too long"))?;
                    if rest.len() < after + bytes + 2 {
                        return Ok(None);
                    }
                    if &rest[after + bytes..after + bytes + 2] != b"\r\n" {
                        return Err(malformed("a bulk that does not end in CR LF"));
                    }
                    self.scanned += after + bytes + 2;
                    return Ok(Some(Item::Leaf));
                }
            },
            b'*' | b'~' | b'>' => match length(body)? {
                None => Item::Leaf,
                Some(elements) => Item::Open { elements, attribute: false },
            },
            b'%' | b'|' => {
                let pairs = length(body)?.ok_or_else(|| malformed("a map of length -1"))?;
                let elements = pairs.checked_mul(2).ok_or_else(|| malformed("map too long"))?;
                Item::Open { elements, attribute: kind == b'|' }
            }
            other => return Err(malformed(&format!("type byte {:?}", char::from(other)))),
        };
        self.scanned += after;
        Ok(Some(item))
    }
}

enum Item {
    Leaf,
    Open { elements: u64, attribute: bool },
}

fn malformed(reason: &str) -> Malformed {
    Malformed { reason: reason.to_owned() }
}

/// The offset of the next CR LF.
fn line_end(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
    match memchr::memmem::find(bytes, b"\r\n") {
        Some(end) => Ok(Some(end)),
        None if bytes.len() > LINE_BYTES_MAX => Err(malformed("a line without an end")),
        None => Ok(None),
    }
}

/// A length header: `None` for the null forms `$-1` and `*-1`.
fn length(digits: &[u8]) -> Result<Option<u64>, Malformed> {
    if digits == b"-1" {
        return Ok(None);
    }
    let text = std::str::from_utf8(digits).map_err(|_| malformed("a length that is no number"))?;
    text.parse().map(Some).map_err(|_| malformed(&format!("length {text:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `stream` in pieces of `step` bytes and returns the replies found.
    fn split(stream: &[u8], step: usize) -> Vec<Vec<u8>> {
        let mut framer = Framer::new();
        let mut found = Vec::new();
        for piece in stream.chunks(step) {
            framer.feed(piece);
            while let Some(reply) = framer.next().expect("the stream is RESP") {
                found.push(reply);
            }
        }
        assert!(framer.rest().is_empty(), "bytes left: {:?}", framer.rest());
        found
    }

    const REPLIES: &[&[u8]] = &[
        b"+OK\r\n",
        b"-ERR no\r\n",
        b":-12\r\n",
        b"$-1\r\n",
        b"$0\r\n\r\n",
        b"$4\r\n\r\n\r\n\r\n",
        b"*-1\r\n",
        b"*0\r\n",
        b"*2\r\n*0\r\n*1\r\n$1\r\na\r\n",
        b"%1\r\n+k\r\n*2\r\n:1\r\n:2\r\n",
        b"%0\r\n",
        b"~2\r\n+a\r\n_\r\n",
        b"|1\r\n+ttl\r\n:1\r\n*1\r\n#t\r\n",
        b"|0\r\n+x\r\n",
        b"=7\r\ntxt:abc\r\n",
        b"!5\r\nERR x\r\n",
        b",1.5\r\n",
        b"(123456789012345678901234567890\r\n",
        b">2\r\n+invalidate\r\n*1\r\n$1\r\nk\r\n",
    ];

    #[test]
    fn replies_are_split_the_same_however_they_arrive() {
        let stream = REPLIES.concat();
        for step in [1, 2, 3, 7, 64, stream.len()] {
            assert_eq!(split(&stream, step), REPLIES, "in pieces of {step}");
        }
    }

    #[test]
    fn what_is_not_resp_is_refused_with_a_reason() {
        for stream in [
            &b"hello\r\n"[..],
            b"\r\n",
            b"$x\r\n",
            b"$3\r\nabcd\r\n",
            b"%-1\r\n",
            b"$999999999999\r\n",
        ] {
            let mut framer = Framer::new();
            framer.feed(stream);
            assert!(framer.next().is_err(), "{:?}", String::from_utf8_lossy(stream));
        }
    }

    #[test]
    fn an_incomplete_reply_waits() {
        let mut framer = Framer::new();
        framer.feed(b"*2\r\n$3\r\nab");
        assert_eq!(framer.next(), Ok(None));
        framer.feed(b"c\r\n:1\r\n+next");
        assert_eq!(framer.next(), Ok(Some(b"*2\r\n$3\r\nabc\r\n:1\r\n".to_vec())));
        assert_eq!(framer.rest(), b"+next");
    }

    #[test]
    fn nesting_without_end_is_refused() {
        let mut framer = Framer::new();
        framer.feed(&b"*1\r\n".repeat(DEPTH_MAX + 2));
        assert!(framer.next().is_err());
    }
}
