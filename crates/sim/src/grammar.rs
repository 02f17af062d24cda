//! Valid requests of any command, made from the argument trees of the command table: what COMMAND
//! DOCS says can be sent is what is sent.

use base::Prng;
use command::{Arg, ArgKind, Flags};
use engine::table::{Entry, Table};

/// Where arguments are taken from.
#[derive(Clone, Copy, Debug)]
pub struct Pool {
    /// What keys begin with.
    pub prefix: &'static str,
    /// How many keys there are.
    pub keys: u64,
    /// The time, for deadlines; milliseconds since the epoch.
    pub unix_ms: i64,
    /// Once in so many an argument is one that breaks things; 0 is never.
    pub wild_one_in: u64,
}

/// Words on which implementations stumble.
const WILD: [&[u8]; 28] = [
    b"",
    b"0",
    b"-0",
    b"-1",
    b"+1",
    b" 1",
    b"1 ",
    b"01",
    b"1e3",
    b"nan",
    b"-inf",
    b"1.5",
    b"0x10",
    b"2147483648",
    b"-2147483649",
    b"4294967296",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"9223372036854775808",
    b"18446744073709551615",
    b"99999999999999999999",
    b"\0",
    b"\r\n",
    b"\xff\xfe",
    b"{}",
    b"{a}b{",
    b"*",
    b"[^a-",
];

/// Makes the arguments of one request.
struct Maker<'a> {
    pool: Pool,
    prng: &'a mut Prng,
    words: &'a mut Vec<Vec<u8>>,
    /// What `numkeys` said.
    repeat: Option<u64>,
}

/// Writes a request of a command into `words`.
pub fn request(
    table: &Table,
    entry: &Entry,
    pool: Pool,
    prng: &mut Prng,
    words: &mut Vec<Vec<u8>>,
) {
    words.clear();
    if let Some(parent) = entry.parent {
        words.push(table.entry(parent).spec.name.as_bytes().to_vec());
    }
    words.push(entry.spec.name.as_bytes().to_vec());
    let mut maker = Maker { pool, prng, words, repeat: None };
    for arg in entry.spec.args {
        maker.argument(arg);
    }
    // A command without a tree gets what its arity demands.
    let least = entry.spec.arity.0.unsigned_abs() as usize;
    while maker.words.len() < least {
        maker.any();
    }
}

impl Maker<'_> {
    fn argument(&mut self, arg: &Arg) {
        if arg.optional && self.prng.below(5) < 3 || arg.token == Some("BLOCK") {
            return;
        }
        let times = match (arg.multiple, self.repeat.take()) {
            (true, Some(times)) => times,
            (true, None) => 1 + self.prng.below(3),
            (false, kept) => {
                self.repeat = kept;
                1
            }
        };
        for time in 0..times {
            if let Some(token) = arg.token
                && (time == 0 || arg.multiple_token)
            {
                self.words.push(token.as_bytes().to_vec());
            }
            self.value(arg);
        }
    }

    fn value(&mut self, arg: &Arg) {
        if self.prng.one_in(self.pool.wild_one_in) {
            return self.wild();
        }
        match arg.kind {
            ArgKind::PureToken => {}
            ArgKind::OneOf(choices) => {
                let choice = &choices[self.prng.below(choices.len() as u64) as usize];
                self.argument(&Arg { optional: false, ..*choice });
            }
            ArgKind::Block(parts) => parts.iter().for_each(|part| self.argument(part)),
            ArgKind::Key => self.key(),
            ArgKind::Pattern => self.pattern(),
            ArgKind::Double => {
                let text = format!("{}.{}", self.prng.below(20), self.prng.below(100));
                self.words.push(text.into_bytes());
            }
            ArgKind::UnixTime => self.unix_time(arg),
            ArgKind::Integer => self.integer(arg),
            ArgKind::String => self.string(arg),
        }
    }

    fn key(&mut self) {
        let text = format!("{}{}", self.pool.prefix, self.prng.below(self.pool.keys));
        self.words.push(text.into_bytes());
    }

    fn pattern(&mut self) {
        let text = match self.prng.below(4) {
            0 => "*".to_owned(),
            1 => format!("{}*", self.pool.prefix),
            2 => "*[13579]".to_owned(),
            _ => format!("{}?", self.pool.prefix),
        };
        self.words.push(text.into_bytes());
    }

    fn unix_time(&mut self, arg: &Arg) {
        let ahead_ms = self.prng.below(100_000) as i64 - 10_000;
        let at_ms = self.pool.unix_ms + ahead_ms;
        let in_ms =
            arg.name.contains("milli") || arg.token.is_some_and(|token| token.starts_with('P'));
        let at = if in_ms { at_ms } else { at_ms / 1000 };
        self.words.push(at.to_string().into_bytes());
    }

    fn integer(&mut self, arg: &Arg) {
        let number = match arg.name {
            "numkeys" => {
                let times = 1 + self.prng.below(3);
                self.repeat = Some(times);
                times as i64
            }
            "db" | "index" | "index1" | "index2" => self.prng.below(3) as i64,
            "milliseconds" => 1 + self.prng.below(5_000) as i64,
            "seconds" => 1 + self.prng.below(20) as i64,
            "offset" => self.prng.below(40) as i64,
            _ => self.prng.below(30) as i64 - 5,
        };
        self.words.push(number.to_string().into_bytes());
    }

    fn string(&mut self, arg: &Arg) {
        let text = match (arg.name, self.prng.below(8)) {
            ("cursor", _) => "0".to_owned(),
            ("type", _) => "string".to_owned(),
            (_, 0..=2) => self.prng.below(1000).to_string(),
            (_, 3) => format!("{}.5", self.prng.below(50)),
            (_, 4) => "x".repeat(self.prng.below(100) as usize),
            _ => format!("value-{}", self.prng.below(50)),
        };
        self.words.push(text.into_bytes());
    }

    fn any(&mut self) {
        match self.prng.below(3) {
            0 => self.key(),
            1 => self.words.push(self.prng.below(10).to_string().into_bytes()),
            _ => self.pattern(),
        }
    }

    fn wild(&mut self) {
        self.words.push(wild(self.prng).to_vec());
    }
}

/// A word on which implementations stumble.
pub fn wild(prng: &mut Prng) -> &'static [u8] {
    WILD[prng.below(WILD.len() as u64) as usize]
}

/// The data commands that are not on a list, and do not wait: of a client that waits it cannot be said when it goes on.
pub fn data_commands(table: &Table, without: &[&str]) -> Vec<u16> {
    let entries = table.entries().iter();
    let data = entries.filter(|entry| matches!(entry.home, engine::table::Home::Data(_)));
    let wanted = data.filter(|entry| {
        let reads_streams = matches!(entry.full_name.as_str(), "xread" | "xreadgroup");
        let waits = entry.spec.flags.has(Flags::BLOCKING) && !reads_streams;
        entry.subcommands.is_empty() && !waits && !without.contains(&entry.full_name.as_str())
    });
    wanted.map(|entry| entry.id).collect()
}
