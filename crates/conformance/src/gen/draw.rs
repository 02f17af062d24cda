//! What arguments look like: few keys so that commands meet, many edges so that they meet badly.

use anyhow::{Result, bail};
use fastrand::Rng;

/// What a `<kind>` of a template stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Key,
    BigKey,
    LcsKey,
    ListKey,
    HashKey,
    SetKey,
    Field,
    SortedSetKey,
    LexKey,
    GeoKey,
    StreamKey,
    StreamId,
    Unread,
    Member,
    Score,
    ScoreEnd,
    MemberEnd,
    Longitude,
    Latitude,
    Length,
    Place,
    Value,
    BigValue,
    LcsValue,
    Integer,
    Float,
    Offset,
    Index,
    TtlSeconds,
    TtlMillis,
    AtSeconds,
    AtMillis,
    Pattern,
    Count,
    Database,
    Junk,
    Command,
    Parameter,
    ParameterPattern,
    ParameterValue,
    Name,
    Cursor,
    Slot,
    Client,
    BitKey,
    BitOffset,
    BitField,
    Bits,
    LogKey,
    OddLogKey,
    Element,
    HyperLogLog,
}

/// How an argument begins that stands for the id of one of the script's connections; its number follows.
pub const CLIENT_TOKEN: &str = "client-id-of-connection-";

const KINDS: &[(&str, Kind)] = &[
    ("key", Kind::Key),
    ("bigkey", Kind::BigKey),
    ("lcskey", Kind::LcsKey),
    ("listkey", Kind::ListKey),
    ("hashkey", Kind::HashKey),
    ("setkey", Kind::SetKey),
    ("field", Kind::Field),
    ("zsetkey", Kind::SortedSetKey),
    ("lexkey", Kind::LexKey),
    ("geokey", Kind::GeoKey),
    ("streamkey", Kind::StreamKey),
    ("streamid", Kind::StreamId),
    ("unread", Kind::Unread),
    ("member", Kind::Member),
    ("score", Kind::Score),
    ("scoreend", Kind::ScoreEnd),
    ("memberend", Kind::MemberEnd),
    ("lon", Kind::Longitude),
    ("lat", Kind::Latitude),
    ("length", Kind::Length),
    ("place", Kind::Place),
    ("value", Kind::Value),
    ("bigvalue", Kind::BigValue),
    ("lcsvalue", Kind::LcsValue),
    ("int", Kind::Integer),
    ("float", Kind::Float),
    ("offset", Kind::Offset),
    ("index", Kind::Index),
    ("ttl", Kind::TtlSeconds),
    ("pttl", Kind::TtlMillis),
    ("at", Kind::AtSeconds),
    ("pat", Kind::AtMillis),
    ("pattern", Kind::Pattern),
    ("count", Kind::Count),
    ("db", Kind::Database),
    ("junk", Kind::Junk),
    ("command", Kind::Command),
    ("parameter", Kind::Parameter),
    ("parameters", Kind::ParameterPattern),
    ("setting", Kind::ParameterValue),
    ("name", Kind::Name),
    ("cursor", Kind::Cursor),
    ("slot", Kind::Slot),
    ("client", Kind::Client),
    ("bitkey", Kind::BitKey),
    ("bitoffset", Kind::BitOffset),
    ("bitfield", Kind::BitField),
    ("bits", Kind::Bits),
    ("logkey", Kind::LogKey),
    ("oddlogkey", Kind::OddLogKey),
    ("element", Kind::Element),
    ("hyperloglog", Kind::HyperLogLog),
];

impl Kind {
    /// The kind of this name.
    pub fn named(name: &str) -> Result<Kind> {
        match KINDS.iter().find(|(known, _)| *known == name) {
            Some((_, kind)) => Ok(*kind),
            None => bail!("no argument kind <{name}>"),
        }
    }
}

/// Integers where implementations go wrong, as text because some are no integers.
pub const INTEGER_EDGES: &[&str] = &[
    "0",
    "1",
    "-1",
    "-0",
    "+1",
    "00",
    "01",
    " 1",
    "1 ",
    "",
    "2147483647",
    "2147483648",
    "-2147483648",
    "-2147483649",
    "4294967295",
    "4294967296",
    "9223372036854775806",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775807",
    "-9223372036854775808",
    "-9223372036854775809",
    "18446744073709551615",
    "18446744073709551616",
    "1e3",
    "1.0",
    "0x10",
    "nan",
    "inf",
    "abc",
    "99999999999999999999",
    "1\0",
    "-",
];

/// Floats where implementations go wrong.
pub const FLOAT_EDGES: &[&str] = &[
    "0",
    "-0",
    "0.0",
    "-0.0",
    "1",
    "1.5",
    "-1.5",
    ".5",
    "5.",
    "1e5",
    "1E5",
    "1e-5",
    "1e17",
    "1e18",
    "1e19",
    "1e-17",
    "1e-18",
    "5.0e3",
    "3.0000000000000000001",
    "0.1",
    "0.2",
    "0.3",
    "1.1",
    "123456789.987654321",
    "1e300",
    "1e308",
    "1.7e308",
    "-1.7e308",
    "1e400",
    "1e4932",
    "1e5000",
    "nan",
    "-nan",
    "inf",
    "-inf",
    "+inf",
    "Infinity",
    "0x1p3",
    "0x10",
    " 1",
    "1 ",
    "",
    "abc",
    "1.2.3",
    "1e",
    "--1",
    "+1.5",
    "4503599627370497.5",
    "9007199254740993",
    "1_0",
    "0.30000000000000004",
    "3.14159265358979323846",
    "99999999999999999",
    "1000000000000000000000",
];

/// Words that are no option of anything, and options that belong elsewhere.
const JUNK: &[&str] = &[
    "", "foo", "NX", "XX", "GT", "LT", "EX", "PX", "EXAT", "PXAT", "KEEPTTL", "GET", "PERSIST",
    "MATCH", "COUNT", "TYPE", "LEN", "IDX", "0", "-1", "1", "*", "string", "ASYNC", "SYNC", "\0",
    "\r\n", "NXX", "AB",
];

const PATTERNS: &[&str] = &[
    "*",
    "",
    "k:*",
    "k:?",
    "k:[0-4]",
    "k:[^0-4]",
    "k:[4-0]",
    "*:1",
    "k\\:1",
    "[",
    "[]",
    "[^",
    "k:[",
    "k:[a",
    "\\",
    "k:\\",
    "**",
    "***k***1***",
    "?:?",
    "[k]:[1]",
    "k:[\\1]",
    "k:[1-]",
    "K:*",
    "*{*",
    "big*",
    "a",
    "?",
    "*\0*",
    "k:[0-",
    "g*",
    "*set",
];

const COMMANDS: &[&str] = &[
    "get",
    "SET",
    "mset",
    "MGET",
    "del",
    "lcs",
    "append",
    "object",
    "OBJECT|ENCODING",
    "object|help",
    "client",
    "client|list",
    "config|get",
    "CONFIG",
    "ping",
    "echo",
    "select",
    "expire",
    "ttl",
    "scan",
    "keys",
    "command",
    "command|docs",
    "nosuch",
    "",
    "get|foo",
    "config|nosuch",
    "quit",
    "hello",
    "reset",
    "swapdb",
    "msetnx",
    "substr",
    "getex",
    "incrbyfloat",
    "slowlog",
    "latency|histogram",
    "memory|usage",
    "flushall",
    "dbsize",
    "type",
];

const SHORT_VALUES: &[&str] = &[
    "",
    "a",
    "v",
    "hello",
    "hello world",
    "0",
    "1",
    "-1",
    "10",
    "9999",
    "10000",
    "10001",
    "3.5",
    "-0",
    "007",
    " 5",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "12345678901234567890",
    "1e2",
    "nan",
    "OK",
    "QUEUED",
    "\r\n",
    "$-1\r\n",
    "true",
];

/// Cursors, most of which no server gave.
const CURSORS: &[&str] = &[
    "0",
    "0",
    "0",
    "1",
    "17",
    "abc",
    "-1",
    "",
    " 0",
    "18446744073709551615",
    "18446744073709551616",
];

/// A far but exact moment: seconds that no clock of these machines reaches.
const FAR_SECONDS: u64 = 4_000_000_000;

/// Seeded choices.
#[derive(Debug)]
pub struct Draw {
    rng: Rng,
}

impl Draw {
    /// The choices of `seed`.
    pub fn new(seed: u64) -> Draw {
        Draw { rng: Rng::with_seed(seed) }
    }

    /// Uniform below `n`, which is not 0.
    pub fn below(&mut self, n: usize) -> usize {
        self.rng.usize(..n)
    }

    /// True in `percent` of a hundred.
    pub fn chance(&mut self, percent: u8) -> bool {
        self.rng.u8(..100) < percent
    }

    /// One of `items`.
    pub fn pick<'a, T: ?Sized>(&mut self, items: &[&'a T]) -> &'a T {
        items[self.below(items.len())]
    }

    /// Any order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        self.rng.shuffle(items);
    }

    /// A word in its own case mostly, else in lower, upper or mixed case.
    pub fn cased(&mut self, word: &[u8]) -> Vec<u8> {
        match self.below(12) {
            0..=7 => word.to_vec(),
            8 => word.to_ascii_uppercase(),
            9 | 10 => word.to_ascii_lowercase(),
            _ => {
                let flip = |b: &u8| {
                    if self.rng.bool() { b.to_ascii_lowercase() } else { b.to_ascii_uppercase() }
                };
                word.iter().map(flip).collect()
            }
        }
    }

    /// An argument of a kind.
    pub fn arg(&mut self, kind: Kind) -> Vec<u8> {
        match kind {
            Kind::Key => self.key(),
            Kind::BigKey => format!("big:{}", self.below(2)).into_bytes(),
            Kind::LcsKey => format!("lcs:{{t}}{}", self.below(3)).into_bytes(),
            Kind::ListKey => self.list_key(),
            Kind::HashKey => self.hash_key(),
            Kind::SetKey => self.set_key(),
            Kind::Field => self.field(),
            Kind::SortedSetKey => self.sorted_set_key(),
            Kind::LexKey => format!("lex:{}", self.below(2)).into_bytes(),
            Kind::GeoKey => format!("geo:{}", self.below(3)).into_bytes(),
            Kind::StreamKey => self.stream_key(),
            Kind::StreamId => self.stream_id(),
            Kind::Unread => match self.below(6) {
                0 => b"0".to_vec(),
                1 => self.stream_id(),
                _ => b">".to_vec(),
            },
            Kind::Member => self.member(),
            Kind::Score => self.score(),
            Kind::ScoreEnd => self.score_end(),
            Kind::MemberEnd => self.member_end(),
            Kind::Longitude => self.coordinate(180.0),
            Kind::Latitude => self.coordinate(85.05112878),
            Kind::Length => match self.below(12) {
                0 => self.float(),
                _ => self.rng.u32(..3000).to_string().into_bytes(),
            },
            Kind::Place => format!("place:{}", self.below(30)).into_bytes(),
            Kind::Value => self.value(),
            Kind::BigValue => self.big_value(),
            Kind::LcsValue => {
                let length = self.below(40);
                self.letters(b"abcd", length)
            }
            Kind::Integer => self.integer(),
            Kind::Float => self.float(),
            Kind::Offset => self.offset(),
            Kind::Index => self.index(),
            Kind::TtlSeconds => self.ttl(100, 1_000_000_000),
            Kind::TtlMillis => self.ttl(100_000, 1_000_000_000_000),
            Kind::AtSeconds => self.moment(1),
            Kind::AtMillis => self.moment(1000),
            Kind::Pattern => self.pick(PATTERNS).as_bytes().to_vec(),
            Kind::Count => self.count(),
            Kind::Database => self.database(),
            Kind::Junk => self.pick(JUNK).as_bytes().to_vec(),
            Kind::Command => self.pick(COMMANDS).as_bytes().to_vec(),
            Kind::Parameter => super::config::parameter(self),
            Kind::ParameterPattern => super::config::pattern(self),
            Kind::ParameterValue => super::config::setting(self),
            Kind::Name => self.name(),
            Kind::Cursor => self.pick(CURSORS).as_bytes().to_vec(),
            Kind::Client => {
                format!("{CLIENT_TOKEN}{}", self.below(super::CONNECTIONS)).into_bytes()
            }
            Kind::BitKey => super::bitmap::key(self),
            Kind::BitOffset => super::bitmap::offset(self),
            Kind::BitField => super::bitmap::field(self),
            Kind::Bits => super::bitmap::bits(self),
            Kind::LogKey => super::hyperloglog::key(self),
            Kind::OddLogKey => super::hyperloglog::odd_key(self),
            Kind::Element => super::hyperloglog::element(self),
            Kind::HyperLogLog => super::hyperloglog::string(self),
            Kind::Slot => {
                self.pick(&["0", "1", "16383", "16384", "-1", "abc", "866"]).as_bytes().to_vec()
            }
        }
    }

    /// Mostly one of a dozen names, so that commands meet on the same key.
    pub fn key(&mut self) -> Vec<u8> {
        match self.below(40) {
            0..=29 => format!("k:{}", self.below(12)).into_bytes(),
            30 | 31 => format!("{{tag}}{}", self.below(3)).into_bytes(),
            32 => Vec::new(),
            33 => b"\0bin\r\n\xff".to_vec(),
            34 => vec![b'L'; 300],
            35 => b"a".to_vec(),
            36 => b"{}empty".to_vec(),
            _ => format!("missing:{}", self.below(1000)).into_bytes(),
        }
    }

    /// One of the keys that hold lists, mostly.
    pub fn list_key(&mut self) -> Vec<u8> {
        match self.below(20) {
            0 => self.key(),
            number => format!("list:{}", number % 4).into_bytes(),
        }
    }

    /// One of the keys that hold hashes, mostly.
    pub fn hash_key(&mut self) -> Vec<u8> {
        match self.below(20) {
            0 => self.key(),
            number => format!("hash:{}", number % 4).into_bytes(),
        }
    }

    /// One of the keys that hold streams, mostly.
    pub fn stream_key(&mut self) -> Vec<u8> {
        match self.below(20) {
            0 => self.key(),
            number => format!("stream:{}", number % 3).into_bytes(),
        }
    }

    /// The ID of an entry: mostly one that may be there or may be next. Never `*`, which asks the clock.
    pub fn stream_id(&mut self) -> Vec<u8> {
        const EDGES: &[&str] = &[
            "0",
            "0-0",
            "0-1",
            "-",
            "+",
            "(5",
            "(5-1",
            "5-",
            "-5",
            "05-01",
            "x",
            "1-1-1",
            "18446744073709551615-18446744073709551615",
            "18446744073709551616",
            "300-*",
        ];
        let text = match self.below(12) {
            0 => EDGES[self.below(EDGES.len())].to_owned(),
            1..5 => format!("{}-*", self.below(300)),
            5 => self.below(300).to_string(),
            _ => format!("{}-{}", self.below(300), self.below(3)),
        };
        text.into_bytes()
    }

    /// One of the keys that hold sets, mostly.
    fn set_key(&mut self) -> Vec<u8> {
        match self.below(20) {
            0 => self.key(),
            number => format!("set:{}", number % 4).into_bytes(),
        }
    }

    /// A field of a hash: few, so that they meet.
    fn field(&mut self) -> Vec<u8> {
        match self.below(12) {
            0 => self.value(),
            1 => self.integer(),
            number => format!("f{}", number % 6).into_bytes(),
        }
    }

    /// One of the keys that hold sorted sets, mostly.
    pub fn sorted_set_key(&mut self) -> Vec<u8> {
        match self.below(20) {
            0 => self.key(),
            number => format!("zset:{}", number % 4).into_bytes(),
        }
    }

    /// A member of a sorted set: few, so that they meet.
    fn member(&mut self) -> Vec<u8> {
        match self.below(12) {
            0 => self.value(),
            1 => self.integer(),
            2 | 3 => self.below(20).to_string().into_bytes(),
            _ => format!("m:{}", self.below(20)).into_bytes(),
        }
    }

    /// Small and whole mostly, so that scores are equal often.
    fn score(&mut self) -> Vec<u8> {
        match self.below(6) {
            0 => self.float(),
            1 => self.pick(&["inf", "-inf", "-0", "0.5", "1e17", "4611686018427387905"]).into(),
            _ => self.rng.i32(-4..8).to_string().into_bytes(),
        }
    }

    fn score_end(&mut self) -> Vec<u8> {
        match self.below(6) {
            0 => self.pick(&["-inf", "+inf", "(", "(inf", "((1", "( 1", ""]).into(),
            1 | 2 => [b"(".to_vec(), self.score()].concat(),
            _ => self.score(),
        }
    }

    fn member_end(&mut self) -> Vec<u8> {
        match self.below(8) {
            0 | 1 => b"-".to_vec(),
            2 | 3 => b"+".to_vec(),
            4 => self.pick(&["", "[", "(", "-x", "a"]).into(),
            5 => [b"(".to_vec(), self.member()].concat(),
            _ => [b"[".to_vec(), self.member()].concat(),
        }
    }

    /// A coordinate up to `most`: most are near to each other.
    fn coordinate(&mut self, most: f64) -> Vec<u8> {
        match self.below(12) {
            0 => self.float(),
            1 => self.pick(&["180", "-180", "85.05112878", "-85.05112878", "0", "181"]).into(),
            2..=8 => (13.0 + self.rng.f64() * 2.0).to_string().into_bytes(),
            _ => ((self.rng.f64() * 2.0 - 1.0) * most).to_string().into_bytes(),
        }
    }

    /// Short mostly, at the limits of encodings often.
    pub fn value(&mut self) -> Vec<u8> {
        match self.below(20) {
            0..=9 => self.pick(SHORT_VALUES).as_bytes().to_vec(),
            10 | 11 => self.integer(),
            12 | 13 => self.float(),
            14 => {
                // Around the places where representations change: 20 and 21 digits, 44 and 45 bytes, 64, 255 and 256.
                let length =
                    [7, 8, 19, 20, 21, 31, 32, 43, 44, 45, 46, 63, 64, 65, 127, 128, 254, 255, 256]
                        [self.below(19)];
                self.letters(b"xyz", length)
            }
            15 => {
                let length = self.below(30);
                (0..length).map(|_| self.rng.u8(..)).collect()
            }
            _ => {
                let length = self.below(25);
                self.letters(b"abcdefghijklmnopqrstuvwxyz0123456789", length)
            }
        }
    }

    fn big_value(&mut self) -> Vec<u8> {
        let length =
            [1 << 10, 4095, 4096, 16 << 10, 65_535, 65_536, 65_537, 100_000][self.below(8)];
        let seed = self.rng.u8(..);
        (0..length).map(|i: usize| seed.wrapping_add((i % 251) as u8)).collect()
    }

    fn letters(&mut self, alphabet: &[u8], length: usize) -> Vec<u8> {
        (0..length).map(|_| alphabet[self.below(alphabet.len())]).collect()
    }

    fn integer(&mut self) -> Vec<u8> {
        match self.below(3) {
            0 => self.pick(INTEGER_EDGES).as_bytes().to_vec(),
            1 => self.rng.i64(..).to_string().into_bytes(),
            _ => self.rng.i64(-100..1000).to_string().into_bytes(),
        }
    }

    fn float(&mut self) -> Vec<u8> {
        match self.below(4) {
            0 | 1 => self.pick(FLOAT_EDGES).as_bytes().to_vec(),
            2 => format!("{}.{}", self.rng.i32(-1000..1000), self.rng.u32(..100_000)).into_bytes(),
            _ => format!("{:e}", (self.rng.f64() - 0.5) * 10f64.powi(self.rng.i32(-20..20)))
                .into_bytes(),
        }
    }

    fn offset(&mut self) -> Vec<u8> {
        match self.below(6) {
            0 => self.pick(INTEGER_EDGES).as_bytes().to_vec(),
            1 => self
                .pick(&["536870911", "536870912", "536870913", "4294967297", "1099511627776"])
                .as_bytes()
                .to_vec(),
            _ => self.rng.u32(..300).to_string().into_bytes(),
        }
    }

    fn index(&mut self) -> Vec<u8> {
        match self.below(5) {
            0 => self.pick(INTEGER_EDGES).as_bytes().to_vec(),
            _ => self.rng.i32(-60..60).to_string().into_bytes(),
        }
    }

    /// A relative TTL: never near enough to pass during a script, wide enough that two are never nearly equal.
    fn ttl(&mut self, least: u64, most: u64) -> Vec<u8> {
        match self.below(10) {
            0 => self.pick(INTEGER_EDGES).as_bytes().to_vec(),
            1 => self
                .pick(&[
                    "9223372036854775",
                    "9223372036854776",
                    "-9223372036854775",
                    "-9223372036854776",
                    "0",
                    "-1",
                ])
                .as_bytes()
                .to_vec(),
            _ => self.rng.u64(least..most).to_string().into_bytes(),
        }
    }

    /// An absolute moment: long past, or one of few far ones so that equal ones meet.
    fn moment(&mut self, unit: u64) -> Vec<u8> {
        match self.below(10) {
            0 => self.pick(INTEGER_EDGES).as_bytes().to_vec(),
            1 => {
                self.pick(&["9223372036854775", "9223372036854776", "-1", "0"]).as_bytes().to_vec()
            }
            2 => (self.rng.u64(1..1_000_000_000) * unit).to_string().into_bytes(),
            _ => (FAR_SECONDS * unit + self.rng.u64(..4)).to_string().into_bytes(),
        }
    }

    fn count(&mut self) -> Vec<u8> {
        match self.below(4) {
            0 => self.pick(INTEGER_EDGES).as_bytes().to_vec(),
            _ => (1 + self.below(200)).to_string().into_bytes(),
        }
    }

    fn database(&mut self) -> Vec<u8> {
        match self.below(6) {
            0 => self
                .pick(&["15", "16", "-1", "abc", "", "9223372036854775808", " 1", "1.0"])
                .as_bytes()
                .to_vec(),
            _ => self.below(3).to_string().into_bytes(),
        }
    }

    fn name(&mut self) -> Vec<u8> {
        self.pick(&[
            "",
            "alice",
            "bob",
            "with space",
            "new\nline",
            "ünï",
            "a",
            "name!",
            "0",
            "\0",
            "~tilde",
            "x=y",
        ])
        .as_bytes()
        .to_vec()
    }
}
