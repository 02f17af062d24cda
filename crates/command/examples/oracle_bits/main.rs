//! Compares this crate with a redis-server 7.0 on random scripts, byte for byte, and prints what differs.
//!
//! `cargo run -p command --example oracle_bits -- 127.0.0.1:6379 10000 1` — address, how many scripts, first seed. Its scripts are
//! of strings of bits, whose arguments are binary; every other command has `oracle`.
//! The server's data is lost. The same seed gives the same script; a single script that differs is shown. No engine takes part: what is
//! compared is what the commands themselves answer, each script in RESP2 or RESP3 by its seed.
//!
//! Both sides have clocks of their own, so scripts use times to live that are long or in the past, the
//! commands that tell a time may differ by [`CLOCKS_DIFFER_MS`], and a difference counts only when
//! the script shows it again. What Redis 7.0 does not know is not asked.

mod bits;

use base::{Now, Prng};
use command::check::World;
use resp::{Protocol, Value, Writer};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{SystemTime, UNIX_EPOCH};

/// Commands of a script.
const SCRIPT_LEN: usize = 40;

/// How often a difference must show.
const ATTEMPTS: usize = 3;

/// How far the clocks of the two sides may be apart.
const CLOCKS_DIFFER_MS: i64 = 1000;

/// A request.
type Words = Vec<Vec<u8>>;

/// What is drawn, from a seed.
struct Dice(Prng);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0.below(bound as u64) as usize
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
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

    fn ask(&mut self, requests: &[Words]) -> io::Result<Vec<Vec<u8>>> {
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out, Protocol::Resp2);
        for request in requests {
            writer.array(request.len());
            request.iter().for_each(|arg| writer.bulk(arg));
        }
        self.stream.write_all(&out)?;
        (0..requests.len()).map(|_| self.reply()).collect()
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

fn words(text: &str) -> Words {
    text.split(' ').map(Into::into).collect()
}

fn now() -> Now {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    Now { unix_us: unix.as_micros() as i64, mono_us: 1_000_000 }
}

/// A script, and what it is played under.
struct Script {
    requests: Vec<Words>,
    protocol: Protocol,
    sparse_bytes_max: &'static str,
}

/// Runs a script on both sides; gives what differs.
fn differences(server: &mut Server, script: &Script) -> io::Result<Vec<String>> {
    let Script { requests, protocol, sparse_bytes_max } = script;
    let version = if *protocol == Protocol::Resp3 { "HELLO 3" } else { "HELLO 2" };
    let limit = format!("CONFIG SET hll-sparse-max-bytes {sparse_bytes_max}");
    server.ask(&[words(version), words("FLUSHALL"), words(&limit)])?;
    let mut world = World::new(*protocol);
    world.configure("proto-max-bulk-len", "1mb");
    world.configure("hll-sparse-max-bytes", sparse_bytes_max);
    world.now = now();
    let theirs = server.ask(requests)?;
    let mut found = Vec::new();
    for (request, theirs) in requests.iter().zip(&theirs) {
        let arguments: Vec<&[u8]> = request.iter().map(Vec::as_slice).collect();
        let ours = world.run(&arguments);
        if !is_same(&request[0], &ours, theirs) {
            let (ours, theirs) = (ours.escape_ascii(), theirs.escape_ascii());
            found.push(format!("{}\n    ours:   {ours}\n    theirs: {theirs}", shown(request)));
        }
    }
    Ok(found)
}

fn shown(request: &Words) -> String {
    let words: Vec<String> = request.iter().map(|word| word.escape_ascii().to_string()).collect();
    words.join(" ")
}

/// Whether two replies to this command mean the same.
fn is_same(name: &[u8], ours: &[u8], theirs: &[u8]) -> bool {
    let parse = |reply: &[u8]| Value::parse(reply).expect("whole").expect("RESP").0;
    ours == theirs
        || match (name, parse(ours), parse(theirs)) {
            (b"TTL" | b"EXPIRETIME", Value::Integer(a), Value::Integer(b)) => {
                a >= 0 && b >= 0 && a.abs_diff(b) <= 1
            }
            (b"PTTL" | b"PEXPIRETIME", Value::Integer(a), Value::Integer(b)) => {
                a >= 0 && b >= 0 && a.abs_diff(b) <= CLOCKS_DIFFER_MS as u64
            }
            _ => false,
        }
}

/// The script of a seed.
fn script(seed: u64) -> Script {
    let mut dice = Dice(Prng::new(seed));
    let protocol = if seed.is_multiple_of(2) { Protocol::Resp2 } else { Protocol::Resp3 };
    let sparse_bytes_max = dice.pick(bits::SPARSE_LIMITS);
    let requests = (0..SCRIPT_LEN).flat_map(|_| dice.request_on_bits()).collect();
    Script { requests, protocol, sparse_bytes_max }
}

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, count, seed] = &arguments[..] else {
        return Err(io::Error::other("usage: oracle_bits ADDRESS SCRIPTS SEED"));
    };
    let (count, seed) = (count.parse::<u64>(), seed.parse::<u64>());
    let (count, seed) = (count.map_err(io::Error::other)?, seed.map_err(io::Error::other)?);
    let mut server = Server::connect(address)?;
    let (mut different, mut compared) = (0, 0);
    for seed in seed..seed + count {
        let script = script(seed);
        compared += script.requests.len();
        let mut last = Vec::new();
        for _ in 0..ATTEMPTS {
            last = differences(&mut server, &script)?;
            if last.is_empty() {
                break;
            }
        }
        if let Some(first) = last.first() {
            different += 1;
            println!("seed {seed}: {first}");
            if count == 1 {
                script.requests.iter().for_each(|request| println!("    {}", shown(request)));
            }
        }
    }
    println!("{count} scripts, {compared} commands, {different} scripts differ");
    Ok(())
}
