//! Compares this crate with a redis-server 7.0 on random scripts, byte for byte, and prints what differs.
//!
//! `cargo run -p command --example oracle -- 127.0.0.1:6379 10000 1` — address, how many scripts, first seed.
//! The server's data is lost. The same seed gives the same script; a single script that differs is shown. No engine takes part: what is
//! compared is what the commands themselves answer, each script in RESP2 or RESP3 by its seed. A fourth argument names one of
//! the [`FAMILIES`], whose scripts are weighted to its edges and which also counts changes as the server does.
//!
//! Both sides have clocks of their own, so scripts use times to live that are long or in the past, the
//! commands that tell a time may differ by [`CLOCKS_DIFFER_MS`], and a difference counts only when
//! the script shows it again. What Redis 7.0 does not know is not asked.

use base::{Now, Prng};
use command::check::World;
use command::spec::{Arg, ArgKind, Command, Flags, Group};
use command::table::families;
use resp::{Protocol, Value, Writer};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{SystemTime, UNIX_EPOCH};

#[path = "oracle/geo.rs"]
mod geo;
#[path = "oracle/list.rs"]
mod list;
#[path = "oracle/sorted_set.rs"]
mod sorted_set;
#[path = "oracle/stream.rs"]
mod stream;

/// Scripts for one family of commands, where words by their specs alone do not reach its edges.
struct Family {
    /// The name on the command line.
    name: &'static str,
    /// Directives of a script with their values.
    directives: fn(&mut Dice) -> Vec<(&'static str, String)>,
    /// The next requests of a script.
    requests: fn(&mut Dice) -> Vec<Words>,
}

const FAMILIES: &[Family] = &[list::FAMILY, sorted_set::FAMILY, geo::FAMILY, stream::FAMILY];

/// Commands of a script.
const SCRIPT_LEN: usize = 40;

/// How often a difference must show.
const ATTEMPTS: usize = 3;

/// How far the clocks of the two sides may be apart.
const CLOCKS_DIFFER_MS: i64 = 1000;

/// Words that arguments are drawn from beside keys.
const WORDS: &[&str] = &[
    "",
    "0",
    "1",
    "-1",
    "2",
    "10",
    "-3",
    "1.5",
    "-0",
    "+1",
    "01",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "9223372036854775",
    "9223372036854776",
    "-100",
    "1048570",
    "1700000000",
    "1700000000000",
    "4102444800",
    "4102444800000",
    "inf",
    "nan",
    "1e4932",
    "0x1p3",
    "0.1",
    "abc",
    "NX",
    "xx",
    "GT",
    "LT",
    "EX",
    "px",
    "EXAT",
    "PXAT",
    "KEEPTTL",
    "PERSIST",
    "GET",
    "LEN",
    "IDX",
    "MINMATCHLEN",
    "WITHMATCHLEN",
    "COUNT",
    "MATCH",
    "TYPE",
    "string",
    "*",
    "?",
    "[a-b]",
    "ASYNC",
    "SYNC",
    "foo",
    "ohmytext",
    "mynewtext",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
];

/// Numbers for those who add floats.
const FLOATS: &[&str] =
    &["0.1", "-0.3", "1e3", "2.50", "1e-9", "123456789.987654321", "1e300", "0x10", "5"];

const KEYS: &[&str] = &["a", "b", "c", "d"];

type Words = Vec<String>;

struct Dice(Prng);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0.below(bound as u64) as usize
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// One request: mostly as documented, else words at random.
    fn request(&mut self, commands: &[(Words, &'static Command)]) -> Words {
        let (name, command) = &commands[self.below(commands.len())];
        let empties = name[0].starts_with("FLUSH") || name[0] == "SWAPDB";
        if empties && self.below(20) > 0 {
            return self.request(commands);
        }
        let mut words = name.clone();
        if self.below(4) == 0 {
            self.nonsense(command, &mut words);
        } else {
            command.spec.args.iter().for_each(|arg| self.documented(arg, &mut words));
        }
        self.avoid_short_lives(&mut words);
        words
    }

    /// Words at random; keys are mostly where keys belong.
    fn nonsense(&mut self, command: &Command, words: &mut Words) {
        let arity = command.spec.arity.0;
        let more = if arity < 0 { self.below(6) } else { 0 };
        let len = match self.below(20) {
            0 => self.below(6),
            _ => arity.unsigned_abs() as usize + more,
        };
        let name_len = words.len();
        while words.len() < len {
            let is_key =
                !command.spec.keys.is_empty() && (words.len() == name_len || self.below(3) == 0);
            let from = if is_key && self.below(30) > 0 { KEYS } else { WORDS };
            words.push(self.pick(from).to_owned());
        }
    }

    /// An argument as COMMAND DOCS describes it; its value may still be none.
    fn documented(&mut self, arg: &Arg, words: &mut Words) {
        // What Redis 7.0 does not know; it begins with the IF options of SET.
        let newer = |arg: &Arg| arg.since.is_some_and(|version| version.starts_with('8'));
        if newer(arg) || (arg.optional && self.below(3) > 0) {
            return;
        }
        let times = if arg.multiple { 1 + self.below(3) } else { 1 };
        for _ in 0..times {
            words.extend(arg.token.map(str::to_owned));
            match arg.kind {
                ArgKind::PureToken => {}
                ArgKind::Key => words.push(self.pick(KEYS).to_owned()),
                ArgKind::OneOf(choices) => {
                    let known: Vec<&Arg> = choices.iter().filter(|arg| !newer(arg)).collect();
                    let choice = self.pick(&known);
                    self.documented(choice, words);
                }
                ArgKind::Block(parts) => parts.iter().for_each(|part| self.documented(part, words)),
                ArgKind::String | ArgKind::Pattern => words.push(self.pick(WORDS).to_owned()),
                ArgKind::Integer | ArgKind::Double | ArgKind::UnixTime => {
                    let number = match self.below(4) {
                        0 => self.pick(WORDS).to_owned(),
                        1 => self.pick(FLOATS).to_owned(),
                        _ => (self.below(30) as i64 - 8).to_string(),
                    };
                    let is_float = matches!(arg.kind, ArgKind::Double);
                    let fits = is_float || number.parse::<i64>().is_ok() || self.below(9) == 0;
                    words.push(if fits { number } else { "4102444800".to_owned() });
                }
            }
        }
    }

    /// Lengthens what would expire while the script runs.
    fn avoid_short_lives(&mut self, words: &mut Words) {
        let in_ms = words.iter().any(|word| {
            ["PX", "PSETEX", "PEXPIRE"].iter().any(|name| word.eq_ignore_ascii_case(name))
        });
        for word in words.iter_mut().skip(2) {
            if in_ms && word.parse().is_ok_and(|ms: i64| (1..100_000).contains(&ms)) {
                *word = "250000".to_owned();
            }
        }
    }
}

struct Server {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Server {
    fn connect(address: &str) -> io::Result<Server> {
        let mut server = Server { stream: TcpStream::connect(address)?, unread: Vec::new() };
        server.ask(&[
            words("DEBUG SET-ACTIVE-EXPIRE 0"),
            words("CONFIG SET proto-max-bulk-len 1mb"),
        ])?;
        Ok(server)
    }

    /// Asks what may block inside MULTI; gives the replies as if it had not been.
    fn ask_without_waiting(&mut self, requests: &[Words]) -> io::Result<Vec<Vec<u8>>> {
        let blocking: Vec<bool> = requests.iter().map(can_block).collect();
        let mut sent = Vec::new();
        for (request, blocking) in requests.iter().zip(&blocking) {
            sent.extend(blocking.then(|| words("MULTI")));
            sent.push(request.clone());
            sent.extend(blocking.then(|| words("EXEC")));
        }
        let mut replies = self.ask(&sent)?.into_iter();
        let mut next = || replies.next().expect("each request has a reply");
        let unwrapped = blocking.iter().map(|blocking| {
            if !blocking {
                return next();
            }
            let (_, queued, done) = (next(), next(), next());
            match done.strip_prefix(b"*1\r\n") {
                Some(reply) => reply.to_vec(),
                None => queued,
            }
        });
        Ok(unwrapped.collect())
    }

    fn ask(&mut self, requests: &[Words]) -> io::Result<Vec<Vec<u8>>> {
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out, Protocol::Resp2);
        for request in requests {
            writer.array(request.len());
            request.iter().for_each(|arg| writer.bulk(arg.as_bytes()));
        }
        self.stream.write_all(&out)?;
        (0..requests.len()).map(|_| self.reply()).collect()
    }

    /// What the server counts as changes.
    fn changes(&mut self) -> io::Result<u64> {
        let info =
            String::from_utf8_lossy(&self.ask(&[words("INFO persistence")])?[0]).into_owned();
        let field = info.lines().find_map(|line| line.strip_prefix("rdb_changes_since_last_save:"));
        field.and_then(|number| number.trim().parse().ok()).ok_or(io::ErrorKind::InvalidData.into())
    }

    fn reply(&mut self) -> io::Result<Vec<u8>> {
        loop {
            match resp::read::frame_len(&self.unread) {
                Some(Ok(len)) => return Ok(self.unread.drain(..len).collect()),
                Some(Err(error)) => return Err(io::Error::other(error)),
                None => {
                    let mut piece = [0; 65536];
                    let read = self.stream.read(&mut piece)?;
                    if read == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                    self.unread.extend_from_slice(&piece[..read]);
                }
            }
        }
    }
}

/// Whether a request names a command that can block.
fn can_block(request: &Words) -> bool {
    let named = families().find(|command| request[0].eq_ignore_ascii_case(command.spec.name));
    named.is_some_and(|command| command.spec.flags.has(Flags::BLOCKING))
}

fn words(text: &str) -> Words {
    text.split(' ').map(str::to_owned).collect()
}

fn now() -> Now {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    Now { unix_us: unix.as_micros() as i64, mono_us: 1_000_000 }
}

/// Runs a script on both sides; gives what differs.
fn differences(
    server: &mut Server,
    script: &[Words],
    protocol: Protocol,
    directives: &[(&str, String)],
) -> io::Result<Vec<String>> {
    let version = if protocol == Protocol::Resp3 { "HELLO 3" } else { "HELLO 2" };
    server.ask(&[words(version), words("FLUSHALL")])?;
    let mut world = World::new(protocol);
    world.configure("proto-max-bulk-len", "1mb");
    world.now = now();
    for (directive, value) in directives {
        server.ask(&[words(&format!("CONFIG SET {directive} {value}"))])?;
        world.configure(directive, value);
    }
    let before = server.changes()?;
    let theirs = server.ask_without_waiting(script)?;
    let changed = server.changes()? - before;
    let mut found = Vec::new();
    for (request, theirs) in script.iter().zip(&theirs) {
        let arguments: Vec<&[u8]> = request.iter().map(|word| word.as_bytes()).collect();
        let ours = world.run(&arguments);
        // A cursor that nobody gave is another place on each side.
        let astray = matches!(&request[0][..], "HSCAN" | "SSCAN")
            && request.get(2).is_some_and(|at| at != "0");
        if !astray && !is_same(&request[0], &ours, theirs) {
            let (ours, theirs) = (ours.escape_ascii(), theirs.escape_ascii());
            found.push(format!("{request:?}\n    ours:   {ours}\n    theirs: {theirs}"));
        }
    }
    let changes = world.store.changes();
    if !directives.is_empty() && changes != changed {
        found.push(format!("changes: ours {changes}, theirs {changed}"));
    }
    Ok(found)
}

/// Whether two replies to this command mean the same.
fn is_same(name: &str, ours: &[u8], theirs: &[u8]) -> bool {
    let parse = |reply: &[u8]| Value::parse(reply).expect("whole").expect("RESP").0;
    ours == theirs
        || match (name, parse(ours), parse(theirs)) {
            (name, a, b) if name.starts_with('X') => {
                nulls(ours) == nulls(theirs) && stream::is_alike(&a, &b)
            }
            // Drawn at random.
            ("ZRANDMEMBER", Value::Array(a), Value::Array(b)) => a.len() == b.len(),
            ("ZRANDMEMBER", Value::Bulk(_), Value::Bulk(_)) => true,
            ("ZSCAN", Value::Array(a), Value::Array(b)) => {
                a[0] == b[0] && are_alike(&by_member(&a[1]), &by_member(&b[1]))
            }
            // Redis 7.0 shows 17 digits of scores, Redis 7.2 and Corelane the shortest.
            (name, a, b) if name.starts_with(['Z', 'B']) && is_alike(&a, &b) => true,
            ("TTL" | "EXPIRETIME", Value::Integer(a), Value::Integer(b)) => {
                a >= 0 && b >= 0 && a.abs_diff(b) <= 1
            }
            ("PTTL" | "PEXPIRETIME", Value::Integer(a), Value::Integer(b)) => {
                a >= 0 && b >= 0 && a.abs_diff(b) <= CLOCKS_DIFFER_MS as u64
            }
            (
                "KEYS" | "SMEMBERS" | "SINTER" | "SUNION" | "SDIFF" | "HKEYS" | "HVALS",
                Value::Array(a) | Value::Set(a),
                Value::Array(b) | Value::Set(b),
            ) => sorted(a) == sorted(b),
            ("HGETALL", Value::Array(a), Value::Array(b)) => in_pairs(&a) == in_pairs(&b),
            ("HGETALL", Value::Map(a), Value::Map(b)) => texts(a) == texts(b),
            ("HSCAN", Value::Array(a), Value::Array(b)) => in_pairs(&a[1..]) == in_pairs(&b[1..]),
            ("SSCAN", Value::Array(a), Value::Array(b)) => match (&a[..], &b[..]) {
                ([_, Value::Array(a)], [_, Value::Array(b)]) => {
                    sorted(a.clone()) == sorted(b.clone())
                }
                _ => false,
            },
            // Drawn at random.
            ("SRANDMEMBER" | "HRANDFIELD", Value::Array(a), Value::Array(b)) => a.len() == b.len(),
            ("SRANDMEMBER" | "HRANDFIELD", Value::Bulk(_), Value::Bulk(_)) => true,
            // Redis 7.0 has no packed sets.
            ("OBJECT", Value::Bulk(a), Value::Bulk(b)) => {
                a == b"listpack" && (b == b"hashtable" || b == b"quicklist")
            }
            ("SCAN", Value::Array(_), Value::Array(_)) => true,
            ("RANDOMKEY", Value::Bulk(_), Value::Bulk(_)) => true,
            // Keys that are due count until they are deleted, which either side does when it likes.
            ("DBSIZE", Value::Integer(a), Value::Integer(b)) => a.abs_diff(b) <= 2,
            // Redis' shared integers have been used by somebody else, or by nobody for hours.
            ("OBJECT", Value::Integer(_), Value::Integer(_)) => true,
            _ => false,
        }
}

/// How many nulls there are of either spelling, which values do not tell apart.
fn nulls(reply: &[u8]) -> [usize; 2] {
    [&b"$-1"[..], b"*-1"].map(|null| reply.windows(3).filter(|at| *at == null).count())
}

/// Whether two replies are the same but for the spelling of numbers.
fn is_alike(one: &Value, other: &Value) -> bool {
    let number = |text: &[u8]| resp::number::parse_f64(text);
    let is_number = |a: &[u8], b: &[u8]| a == b || (number(a).is_some() && number(a) == number(b));
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => are_alike(one, other),
        (Value::Bulk(a), Value::Bulk(b)) => is_number(a, b),
        (Value::Double(a), Value::Double(b)) => is_number(a.as_bytes(), b.as_bytes()),
        _ => one == other,
    }
}

fn are_alike(one: &[Value], other: &[Value]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_alike(one, other))
}

/// Members with their scores, in the order of their names.
fn by_member(list: &Value) -> Vec<Value> {
    let Value::Array(list) = list else { return Vec::new() };
    let mut pairs: Vec<&[Value]> = list.chunks(2).collect();
    pairs.sort_by_key(|pair| pair[0].to_string());
    pairs.concat()
}

/// The elements of a list of lists, or of one, two by two, in order.
fn in_pairs(values: &[Value]) -> Vec<String> {
    let flat: Vec<&Value> = values
        .iter()
        .flat_map(|value| match value {
            Value::Array(inner) => inner.iter().collect(),
            other => vec![other],
        })
        .collect();
    let mut pairs: Vec<String> =
        flat.chunks(2).map(|pair| pair.iter().map(|one| format!("{one} ")).collect()).collect();
    pairs.sort();
    pairs
}

fn texts(pairs: Vec<(Value, Value)>) -> Vec<String> {
    let mut texts: Vec<String> =
        pairs.iter().map(|(key, value)| format!("{key} {value}")).collect();
    texts.sort();
    texts
}

fn sorted(values: Vec<Value>) -> Vec<String> {
    let mut texts: Vec<String> = values.iter().map(Value::to_string).collect();
    texts.sort();
    texts
}

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (address, count, seed, family) = match &arguments[..] {
        [address, count, seed] => (address, count, seed, None),
        [address, count, seed, name] => {
            let family = FAMILIES.iter().find(|family| family.name == name);
            (address, count, seed, Some(family.ok_or(io::Error::other("no such family"))?))
        }
        _ => return Err(io::Error::other("usage: oracle ADDRESS SCRIPTS SEED [FAMILY]")),
    };
    let (count, seed) = (count.parse::<u64>(), seed.parse::<u64>());
    let (count, seed) = (count.map_err(io::Error::other)?, seed.map_err(io::Error::other)?);
    let mut commands: Vec<(Words, &'static Command)> = Vec::new();
    let is_asked = |command: &&Command| {
        // What is popped at random is another member on each side.
        // Streams ask the clock for IDs, and wait: they have scripts of their own.
        !command.spec.flags.has(Flags::NEWER)
            && command.spec.name != "SPOP"
            && command.spec.group != Group::Stream
    };
    for command in families().filter(is_asked) {
        commands.push((words(command.spec.name), command));
        let subs = command.subcommands.iter();
        commands.extend(
            subs.map(|sub| (words(&format!("{} {}", command.spec.name, sub.spec.name)), sub)),
        );
    }
    let mut server = Server::connect(address)?;
    let (mut different, mut asked) = (0, 0);
    for seed in seed..seed + count {
        let mut dice = Dice(Prng::new(seed));
        let directives = family.map_or(Vec::new(), |family| (family.directives)(&mut dice));
        let script: Vec<Words> = match family {
            None => (0..SCRIPT_LEN).map(|_| dice.request(&commands)).collect(),
            Some(family) => (0..SCRIPT_LEN).flat_map(|_| (family.requests)(&mut dice)).collect(),
        };
        asked += script.len();
        let protocol = if seed.is_multiple_of(2) { Protocol::Resp2 } else { Protocol::Resp3 };
        let mut last = Vec::new();
        for _ in 0..ATTEMPTS {
            last = differences(&mut server, &script, protocol, &directives)?;
            if last.is_empty() {
                break;
            }
        }
        if let Some(first) = last.first() {
            different += 1;
            println!("seed {seed}: {first}");
            if count == 1 {
                script.iter().for_each(|request| println!("    {}", request.join(" ")));
            }
        }
    }
    println!("{count} scripts of {asked} commands, {different} differ");
    Ok(())
}
