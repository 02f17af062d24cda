//! Requests on strings of bits: bitmaps, bit fields and HyperLogLogs, with strings that are nearly valid, and
//! after each of them looks at what it left behind.

use super::{Dice, Words, words};
use command::hyperloglog::{REGISTERS, sparse};

/// Keys of bitmaps, of HyperLogLogs, and of strings that are nearly such.
const BITMAPS: &[&str] = &["a", "b", "c", "none"];
const LOGS: &[&str] = &["h", "i", "j", "nolog"];
const ODD: &[&str] = &["x", "y"];

const OFFSETS: &[&str] = &[
    "-1",
    "8388607",
    "8388608",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "",
    "abc",
    "01",
    "1.0",
    "28671",
    "28672",
];
const INDEXES: &[&str] = &[
    "0",
    "-1",
    "1",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "a",
    "",
    "-0",
];
const INTEGERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "127",
    "128",
    "255",
    "256",
    "-128",
    "-129",
    "9223372036854775807",
    "-9223372036854775808",
    "4611686018427387904",
    "9223372036854775808",
    "a",
    "+1",
];
const FIELDS: &[&str] = &[
    "u1", "i1", "u2", "i5", "u8", "i8", "u16", "i32", "u32", "i63", "u63", "i64", "i64", "u63",
    "u64", "i65", "i0", "u", "U8", "8", "",
];
/// Values of `hll-sparse-max-bytes`; one a script.
pub const SPARSE_LIMITS: &[&str] =
    &["3000", "3000", "3000", "0", "18", "25", "40", "100", "600", "20000"];

impl Dice {
    /// One request and what looks at its result.
    pub fn request_on_bits(&mut self) -> Vec<Words> {
        let (key, request) = match self.below(20) {
            0..=2 => self.store_string(),
            3..=10 => self.bitmap(),
            _ => self.log(),
        };
        let mut all = vec![request];
        for look in ["GET", "STRLEN", "TYPE", "OBJECT ENCODING", "TTL"] {
            if look == "GET" || self.below(3) == 0 {
                let mut look = words(look);
                look.push(key.into());
                all.push(look);
            }
        }
        all
    }

    fn words(&mut self, parts: &[&str]) -> Words {
        parts.iter().map(|part| part.as_bytes().to_vec()).collect()
    }

    fn offset(&mut self) -> String {
        match self.below(12) {
            0 => self.pick(OFFSETS).into(),
            1 => (28_600 + self.below(100)).to_string(),
            2 | 3 => self.below(2000).to_string(),
            _ => self.below(100).to_string(),
        }
    }

    fn index(&mut self) -> String {
        match self.below(6) {
            0 => self.pick(INDEXES).into(),
            1 => (self.below(1000) as i64 - 500).to_string(),
            _ => (self.below(60) as i64 - 30).to_string(),
        }
    }

    fn integer(&mut self) -> String {
        match self.below(3) {
            0 => self.pick(INTEGERS).into(),
            1 => (self.0.next_u64() as i64).to_string(),
            _ => (self.below(600) as i64 - 300).to_string(),
        }
    }

    fn bytes(&mut self) -> Vec<u8> {
        let len = match self.below(20) {
            0 => 0,
            1 => 3500 + self.below(200),
            2 => self.below(300),
            _ => self.below(12),
        };
        let dull = self.pick(&[0x00, 0xff, 0x41]);
        let odd = self.pick(&[0, 10, 100]);
        (0..len).map(|_| if self.below(100) < odd { self.below(256) as u8 } else { dull }).collect()
    }

    /// A string that may be a HyperLogLog, or a change by other commands.
    fn store_string(&mut self) -> (&'static str, Words) {
        let (key, value) = match self.below(8) {
            0..=2 => (self.pick(BITMAPS), self.bytes()),
            3 => (self.pick(BITMAPS), self.integer().into()),
            4 | 5 => (self.pick(LOGS), self.some_log()),
            6 => (self.pick(ODD), self.broken_log()),
            _ => {
                let key = self.pick(BITMAPS);
                let request = match self.below(4) {
                    0 => self.words(&["DEL", key]),
                    1 => self.words(&["EXPIRE", key, "5000"]),
                    2 => self.words(&["APPEND", key, "abc"]),
                    _ => self.words(&["SETRANGE", key, "7", "xyz"]),
                };
                return (key, request);
            }
        };
        let mut request = self.words(&["SET", key]);
        request.push(value);
        if self.below(4) == 0 {
            request.extend(words("EX 5000"));
        }
        (key, request)
    }

    fn bitmap(&mut self) -> (&'static str, Words) {
        let key = self.pick(BITMAPS);
        let mut request = match self.below(12) {
            0..=2 => {
                let (offset, bit) = (self.offset(), self.pick(&["0", "1", "1", "1", "2", "a", ""]));
                self.words(&["SETBIT", key, &offset, bit])
            }
            3 => {
                let offset = self.offset();
                self.words(&["GETBIT", key, &offset])
            }
            4 => {
                let request = self.words(&["BITCOUNT", key]);
                self.with_range(request)
            }
            5 => {
                let bit = self.pick(&["0", "1", "0", "1", "2", "x"]);
                let request = self.words(&["BITPOS", key, bit]);
                self.with_range(request)
            }
            6 | 7 => self.bitop(key),
            8 => self.words(&["BITFIELD_RO", key]),
            _ => self.words(&["BITFIELD", key]),
        };
        if request[0].starts_with(b"BITFIELD") {
            for _ in 0..self.below(5) {
                self.operation(&mut request);
            }
        }
        (key, request)
    }

    fn with_range(&mut self, mut request: Words) -> Words {
        let arguments = self.pick(&[0, 1, 2, 2, 2, 3, 3, 3, 3, 4]);
        for number in 0..arguments {
            let argument = match number {
                2 => self.pick(&["BIT", "BYTE", "bit", "byte", "BITS"]).into(),
                _ => self.index(),
            };
            request.push(argument.into());
        }
        request
    }

    fn bitop(&mut self, dest: &str) -> Words {
        let op = self.pick(&["AND", "OR", "XOR", "NOT", "NOT", "and", "Xor", "NAND", ""]);
        let mut request = self.words(&["BITOP", op, dest]);
        let sources = if op == "NOT" && self.below(5) > 0 { 1 } else { self.below(4) };
        for _ in 0..sources {
            let source = self.pick(BITMAPS);
            request.push(source.into());
        }
        request
    }

    fn operation(&mut self, request: &mut Words) {
        let field = self.pick(FIELDS);
        let mut offset = self.offset();
        if self.below(3) == 0 {
            offset = match self.below(10) {
                0 => "#2305843009213693952".into(),
                1 => "#9223372036854775807".into(),
                2 => "#".into(),
                3 => "#-1".into(),
                _ => format!("#{}", self.below(20)),
            };
        }
        let value = self.integer();
        let more = match self.below(10) {
            0..=2 => self.words(&["GET", field, &offset]),
            3..=5 => self.words(&["SET", field, &offset, &value]),
            6..=8 => self.words(&["INCRBY", field, &offset, &value]),
            _ => {
                let how = self.pick(&["WRAP", "SAT", "FAIL", "sat", "FAIL", "foo"]);
                self.words(&["OVERFLOW", how])
            }
        };
        let cut = if self.below(40) == 0 { 1 } else { 0 };
        let len = more.len() - cut;
        request.extend(more.into_iter().take(len));
    }

    fn log(&mut self) -> (&'static str, Words) {
        let key = match self.below(12) {
            0..=3 => self.pick(ODD),
            _ => self.pick(LOGS),
        };
        let mut request;
        match self.below(10) {
            0..=4 => {
                request = self.words(&["PFADD", key]);
                let elements = match self.below(20) {
                    0 => 0,
                    1..=3 => self.below(300),
                    4..=7 => 1 + self.below(20),
                    _ => 1,
                };
                // What was added before an error stays added in Redis; one element shows no difference.
                let elements = if ODD.contains(&key) { elements.min(1) } else { elements };
                let domain = self.pick(&[4, 100, 5000, 1 << 30]);
                for _ in 0..elements {
                    let element = match self.below(30) {
                        0 => self.bytes(),
                        _ => self.below(domain).to_string().into_bytes(),
                    };
                    request.push(element);
                }
            }
            5 | 6 => {
                request = self.words(&["PFCOUNT", key]);
                self.more_logs(&mut request);
            }
            7 | 8 => {
                request = self.words(&["PFMERGE", key]);
                self.more_logs(&mut request);
            }
            _ => {
                let what = self.pick(&[
                    "ENCODING", "DECODE", "TODENSE", "encoding", "decode", "GETREG", "foo",
                ]);
                request = self.words(&["PFDEBUG", what, key]);
            }
        }
        (key, request)
    }

    fn more_logs(&mut self, request: &mut Words) {
        for _ in 0..self.pick(&[0, 0, 1, 2, 3]) {
            let from = if self.below(8) == 0 { ODD } else { LOGS };
            let key = self.pick(from);
            request.push(key.into());
        }
    }

    /// A valid HyperLogLog that Redis itself need not have made.
    fn some_log(&mut self) -> Vec<u8> {
        let stale = self.pick(&[0, 0x80]);
        let encoding = if self.below(8) == 0 { 0 } else { 1 };
        let mut bytes = b"HYLL".to_vec();
        bytes.extend([encoding, 0, 0, 0, self.below(256) as u8, 0, 0, 0, 0, 0, 0, stale]);
        if encoding == 0 {
            let full = self.pick(&[0, 20, 100]);
            bytes.extend(
                (0..REGISTERS * 6 / 8)
                    .map(|_| if self.below(100) < full { self.below(256) as u8 } else { 0 }),
            );
            return bytes;
        }
        let (few, longest) = (self.below(8), self.pick(&[3, 40, 70, 300, 20_000]));
        let mut left = REGISTERS;
        while left > 0 {
            let len = (1 + self.below(longest)).min(left);
            left -= match self.below(10) {
                kind if kind < few => {
                    let (len, value) = (len.min(1 + self.below(4)), self.pick(&[1, 1, 2, 3, 32]));
                    bytes.push(0x80 | (value - 1) << 2 | (len - 1) as u8);
                    len
                }
                kind if kind % 2 == 0 && len <= 64 => {
                    bytes.push((len - 1) as u8);
                    len
                }
                _ => {
                    bytes.extend([0x40 | ((len - 1) >> 8) as u8, (len - 1) as u8]);
                    len
                }
            };
        }
        bytes
    }

    /// One with mistakes, but with its last run whole: the other kind stops Redis.
    fn broken_log(&mut self) -> Vec<u8> {
        let mut bytes = self.some_log();
        for _ in 0..1 + self.below(3) {
            let from = if self.below(2) == 0 { 0 } else { 16.min(bytes.len()) };
            if bytes.len() == from {
                break;
            }
            let at = from + self.below(bytes.len() - from);
            match self.below(5) {
                0 => bytes.truncate(at),
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, self.below(256) as u8),
                3 => bytes.push(self.below(256) as u8),
                _ => bytes[at] ^= 1 << self.below(8),
            }
        }
        let mut at = 16;
        while at < bytes.len() {
            match sparse::Run::first(&bytes[at..]) {
                Some(run) => at += run.width,
                None => bytes.push(0),
            }
        }
        bytes
    }
}
