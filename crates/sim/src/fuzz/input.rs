//! What a fuzzed client sends: mostly valid requests of every command in the table, some of them
//! with words on which implementations stumble, some broken, some no protocol at all.

use crate::grammar::{self, Pool};
use crate::history::encode;
use base::Prng;
use engine::table::{Home, Table};

/// Commands that end a session or stop the world, or whose replies are long: asked for rarely.
const RARE: [&str; 22] = [
    "quit",
    "monitor",
    "shutdown",
    "client|reply",
    "client|pause",
    "client|kill",
    "debug|sleep",
    "debug|populate",
    "command",
    "command|docs",
    "command|info",
    "command|list",
    "info",
    "lolwut",
    "keys",
    "auth",
    "reset",
    "config|set",
    "latency|histogram",
    "flushall",
    "swapdb",
    "config|get",
];

/// Streams of requests, from one table.
pub struct Source {
    data: Vec<u16>,
    server: Vec<u16>,
    words: Vec<Vec<u8>>,
}

/// What a client is going to send, and where each input ends.
#[derive(Default)]
pub struct Stream {
    pub bytes: Vec<u8>,
    pub ends: Vec<usize>,
}

impl Source {
    /// For the commands of a table.
    pub fn new(table: &Table) -> Source {
        let leaves = table.entries().iter().filter(|entry| entry.subcommands.is_empty());
        let (data, server): (Vec<_>, Vec<_>) =
            leaves.partition(|entry| matches!(entry.home, Home::Data(_)));
        let ids =
            |entries: Vec<&engine::table::Entry>| entries.iter().map(|entry| entry.id).collect();
        Source { data: ids(data), server: ids(server), words: Vec::new() }
    }

    /// Fills a stream with `count` inputs. A gentle stream keeps to the protocol.
    pub fn fill(
        &mut self,
        table: &Table,
        pool: Pool,
        prng: &mut Prng,
        count: usize,
        stream: &mut Stream,
    ) {
        stream.bytes.clear();
        stream.ends.clear();
        let gentle = prng.below(4) < 3;
        for nth in 0..count {
            let last = nth + 1 == count;
            match prng.below(100) {
                0..=84 => self.request(table, pool, prng, &mut stream.bytes),
                85..=91 => self.random_words(table, pool, prng, &mut stream.bytes),
                92..=95 => self.inline(table, pool, prng, &mut stream.bytes),
                _ if gentle && !last => self.request(table, pool, prng, &mut stream.bytes),
                96 | 97 => self.broken(table, pool, prng, &mut stream.bytes),
                98 => headers(prng, &mut stream.bytes),
                _ => garbage(prng, &mut stream.bytes),
            }
            stream.ends.push(stream.bytes.len());
        }
    }

    fn draw(&mut self, table: &Table, pool: Pool, prng: &mut Prng) {
        let list = if prng.below(10) < 8 { &self.data } else { &self.server };
        let mut entry = table.entry(list[prng.below(list.len() as u64) as usize]);
        if RARE.contains(&entry.full_name.as_str()) && !prng.one_in(30) {
            entry = table.entry(self.data[prng.below(self.data.len() as u64) as usize]);
        }
        grammar::request(table, entry, pool, prng, &mut self.words);
    }

    fn request(&mut self, table: &Table, pool: Pool, prng: &mut Prng, out: &mut Vec<u8>) {
        self.draw(table, pool, prng);
        encode(&self.words, out);
    }

    /// A command with words that need not be its arguments.
    fn random_words(&mut self, table: &Table, pool: Pool, prng: &mut Prng, out: &mut Vec<u8>) {
        self.draw(table, pool, prng);
        let keep = self.words.len().min(1 + prng.below(3) as usize);
        self.words.truncate(keep);
        for _ in 0..prng.below(6) {
            let word = match prng.below(4) {
                0 => format!("{}{}", pool.prefix, prng.below(pool.keys)).into_bytes(),
                1 => prng.below(100).to_string().into_bytes(),
                _ => grammar::wild(prng).to_vec(),
            };
            self.words.push(word);
        }
        encode(&self.words, out);
    }

    /// A line of words with quotes of both kinds, some of them open.
    fn inline(&mut self, table: &Table, pool: Pool, prng: &mut Prng, out: &mut Vec<u8>) {
        self.draw(table, pool, prng);
        for (index, word) in self.words.iter().enumerate() {
            if index > 0 {
                out.push(b' ');
            }
            let plain = word.iter().all(u8::is_ascii_graphic) && !word.is_empty();
            match prng.below(4) {
                0 | 1 if plain && !word.contains(&b'"') && !word.contains(&b'\'') => {
                    out.extend_from_slice(word)
                }
                3 if plain => {
                    out.push(b'\'');
                    out.extend_from_slice(word);
                    out.push(b'\'');
                }
                _ => {
                    out.push(b'"');
                    for byte in word {
                        out.extend_from_slice(format!("\\x{byte:02x}").as_bytes());
                    }
                    out.push(b'"');
                }
            }
        }
        if prng.one_in(60) {
            out.extend_from_slice(b" \"");
        }
        out.extend_from_slice(if prng.one_in(2) { b"\r\n" } else { b"\n" });
    }

    /// A valid request with some bytes changed, lost, doubled or cut.
    fn broken(&mut self, table: &Table, pool: Pool, prng: &mut Prng, out: &mut Vec<u8>) {
        let start = out.len();
        self.request(table, pool, prng, out);
        for _ in 0..1 + prng.below(3) {
            let len = out.len() - start;
            if len < 2 {
                return;
            }
            let at = start + prng.below(len as u64) as usize;
            match prng.below(5) {
                0 => out[at] ^= 1 << prng.below(8),
                1 => {
                    out.remove(at);
                }
                2 => out.insert(at, out[at]),
                3 => out.truncate(at),
                _ => out[at] = b"*$\r\n-0129:+\"' "[prng.below(14) as usize],
            }
        }
    }
}

/// Heads that promise too much.
fn headers(prng: &mut Prng, out: &mut Vec<u8>) {
    let number = ["-1", "0", "1048577", "2147483648", "9999999999999999999", "1", "", "+1", "1 "];
    let count = number[prng.below(number.len() as u64) as usize];
    let len = number[prng.below(number.len() as u64) as usize];
    out.extend_from_slice(format!("*{count}\r\n${len}\r\nx").as_bytes());
    if prng.one_in(2) {
        out.extend_from_slice(b"\r\n");
    }
}

fn garbage(prng: &mut Prng, out: &mut Vec<u8>) {
    for _ in 0..prng.below(40) {
        out.push(prng.next_u64() as u8);
    }
}
