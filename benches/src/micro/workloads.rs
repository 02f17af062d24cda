//! The workloads. Each prepares its state and gives a batch: a closure that does many operations and says how many.

use std::hint::black_box;

use base::{Now, Settings};
use command::{Args, Command, Ctx};
use resp::{Limits, Parsed, Protocol, Span, Writer};
use store::{Expiry, Hasher, Store};

use super::engines::{self, get};
use crate::keys::Keys;
use crate::loader::append_command;

/// One thing whose instructions are counted.
pub struct Workload {
    pub name: &'static str,
    pub prepare: fn() -> Batch,
}

/// Does many operations and gives their number.
pub type Batch = Box<dyn FnMut() -> u64>;

/// Every workload; the name says which room and what.
pub const WORKLOADS: &[Workload] = &[
    Workload { name: "parse-get", prepare: || parse(&requests("GET")) },
    Workload { name: "parse-set", prepare: || parse(&requests("SET")) },
    Workload { name: "reply-bulk-100", prepare: reply_bulk },
    Workload { name: "reply-ok", prepare: reply_ok },
    Workload { name: "hash-key-16", prepare: hash_key },
    Workload { name: "store-get", prepare: store_get },
    Workload { name: "store-set", prepare: store_set },
    Workload { name: "execute-get", prepare: || execute("GET") },
    Workload { name: "execute-set", prepare: || execute("SET") },
    Workload { name: "execute-hget-20", prepare: || execute_on(HASH, 20, "HGET hash field#20") },
    Workload {
        name: "execute-hset-20",
        prepare: || execute_on(HASH, 20, "HSET hash field#20 value#9"),
    },
    Workload {
        name: "execute-sadd-table",
        prepare: || execute_on(SET, 2000, "SADD set element:#2000"),
    },
    Workload { name: "execute-sadd-ints", prepare: || execute_on(INTS, 100, "SADD set #100") },
    Workload { name: "execute-lpush-ltrim-100", prepare: capped_list },
    Workload { name: "mailbox-push-drain", prepare: mailbox },
    Workload { name: "engine-get-1x1", prepare: || get(engines::Keys::Here, 1, 1) },
    Workload { name: "engine-get-1x16", prepare: || get(engines::Keys::Here, 1, 16) },
    Workload { name: "engine-get-16x1", prepare: || get(engines::Keys::Here, 16, 1) },
    Workload { name: "engine-get-16x4", prepare: || get(engines::Keys::Here, 16, 4) },
    Workload { name: "engine-hget-16x4", prepare: || engines::collections(HGET) },
    Workload { name: "engine-sadd-16x4", prepare: || engines::collections(SADD) },
    Workload { name: "engine-hop-1x1", prepare: || get(engines::Keys::There, 1, 1) },
    Workload { name: "engine-hop-1x16", prepare: || get(engines::Keys::There, 1, 16) },
    Workload { name: "engine-hop-16x1", prepare: || get(engines::Keys::There, 16, 1) },
    Workload { name: "engine-hop-16x4", prepare: || get(engines::Keys::There, 16, 4) },
];

/// Operations of a batch.
const OPERATIONS: u64 = 256;
/// Keys in the store: a few tables' worth, so that probing is what it is in a filled one.
const KEYS: u64 = 20_000;
const VALUE: [u8; 100] = [b'x'; 100];
/// Fixed, so that every run counts the same.
const SEED: u64 = 42;

/// A pipeline of GETs or SETs, as it comes from a socket.
fn requests(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in 0..OPERATIONS {
        let key = Keys::Spread.of(number * 7 % KEYS);
        match name {
            "GET" => append_command(&mut bytes, &[b"GET", &key]),
            _ => append_command(&mut bytes, &[b"SET", &key, &VALUE]),
        }
    }
    bytes
}

/// Parses all of `bytes`; gives the spans of all requests, one after the other, and the count of arguments of each.
fn parse_all(bytes: &[u8], spans: &mut Vec<Span>, counts: &mut Vec<usize>) {
    let limits = Limits::default();
    let mut at = 0;
    while at < bytes.len() {
        match resp::parse(bytes, at, &mut None, spans, &mut Vec::new(), &limits) {
            Parsed::Request { consumed, args } => {
                at += consumed;
                counts.push(args as usize);
            }
            other => unreachable!("our own requests are complete and well-formed: {other:?}"),
        }
    }
}

fn parse(bytes: &[u8]) -> Batch {
    let (bytes, mut spans, mut counts) = (bytes.to_vec(), Vec::new(), Vec::new());
    Box::new(move || {
        spans.clear();
        counts.clear();
        parse_all(black_box(&bytes), &mut spans, &mut counts);
        black_box(&spans);
        counts.len() as u64
    })
}

fn reply_bulk() -> Batch {
    let mut out = Vec::new();
    Box::new(move || {
        out.clear();
        let mut writer = Writer::new(&mut out, Protocol::Resp2);
        (0..OPERATIONS).for_each(|_| writer.bulk(black_box(&VALUE)));
        black_box(&out);
        OPERATIONS
    })
}

fn reply_ok() -> Batch {
    let mut out = Vec::new();
    Box::new(move || {
        out.clear();
        let mut writer = Writer::new(&mut out, Protocol::Resp2);
        (0..OPERATIONS).for_each(|_| writer.ok());
        black_box(&out);
        OPERATIONS
    })
}

fn hash_key() -> Batch {
    let (hasher, keys) = (Hasher::new(SEED), batch_keys());
    Box::new(move || {
        for key in &keys {
            black_box(hasher.key(black_box(key)));
        }
        OPERATIONS
    })
}

/// A store that owns all slots and holds every key.
fn filled_store() -> Store {
    let mut store = Store::new(16, 0..16_384, SEED, SEED);
    let hasher = store.hasher();
    for number in 0..KEYS {
        let key = Keys::Spread.of(number);
        store.db(0).set(&hasher.key(&key), &VALUE, Expiry::Clear, Now::default());
    }
    store
}

/// The keys of one batch.
fn batch_keys() -> Vec<[u8; 16]> {
    (0..OPERATIONS).map(|number| Keys::Spread.of(number * 7 % KEYS)).collect()
}

fn store_get() -> Batch {
    let (mut store, keys) = (filled_store(), batch_keys());
    let hasher = store.hasher();
    Box::new(move || {
        for key in &keys {
            black_box(store.db(0).string(&hasher.key(key), Now::default()).is_ok());
        }
        OPERATIONS
    })
}

fn store_set() -> Batch {
    let (mut store, keys) = (filled_store(), batch_keys());
    let hasher = store.hasher();
    Box::new(move || {
        for key in &keys {
            store.db(0).set(&hasher.key(key), &VALUE, Expiry::Clear, Now::default());
        }
        OPERATIONS
    })
}

/// A command of the table.
fn command_of(name: &str) -> &'static Command {
    let mut all = command::table::families();
    all.find(|command| command.spec.name == name).expect("it is in the table")
}

/// The command's function on parsed arguments: lookup and reply, without sessions, gates or statistics.
fn execute(name: &'static str) -> Batch {
    execute_with(command_of(name), filled_store(), requests(name))
}

/// Pushes to a list that is capped at 100 elements, each followed by the trim.
fn capped_list() -> Batch {
    let mut store = Store::new(16, 0..16_384, SEED, SEED);
    let mut push = Requests::new(requests_of("LPUSH list action:#", 1), &store);
    let mut trim = Requests::new(requests_of("LTRIM list 0 99", 1), &store);
    let (lpush, ltrim) = (command_of("LPUSH"), command_of("LTRIM"));
    (0..100).for_each(|_| push.run(lpush, &mut store));
    Box::new(move || {
        for _ in 0..OPERATIONS / 2 {
            push.run(lpush, &mut store);
            trim.run(ltrim, &mut store);
        }
        OPERATIONS
    })
}

/// As [`execute`], on a collection that `fill` made, run so often.
fn execute_on(fill: &'static str, times: u64, words: &'static str) -> Batch {
    let (filler, command) = (command_of(name_of(fill)), command_of(name_of(words)));
    let mut store = Store::new(16, 0..16_384, SEED, SEED);
    Requests::new(requests_of(fill, times), &store).run(filler, &mut store);
    execute_with(command, store, requests_of(words, OPERATIONS))
}

fn execute_with(command: &'static Command, mut store: Store, bytes: Vec<u8>) -> Batch {
    let mut requests = Requests::new(bytes, &store);
    Box::new(move || {
        requests.run(command, &mut store);
        OPERATIONS
    })
}

/// Of a hash of 20 fields and of a set in a table, as `engines::collections` makes requests of them.
const HGET: engines::Shape =
    engines::Shape { fill: ("HSET", 20, &["field", "value"]), run: ("HGET", &["field"]) };
const SADD: engines::Shape =
    engines::Shape { fill: ("SADD", 200, &["element:"]), run: ("SADD", &["element:"]) };

const HASH: &str = "HSET hash field# value#";
const SET: &str = "SADD set element:#";
const INTS: &str = "SADD set #";

fn name_of(words: &str) -> &str {
    words.split(' ').next().expect("a command has a name")
}

/// Requests made of words in which `#n` is a number that goes round below n, and `#` one that goes up.
fn requests_of(words: &str, times: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    for nth in 0..times {
        let word = |word: &str| match word.split_once('#') {
            Some((head, "")) => format!("{head}{nth}"),
            Some((head, end)) => {
                format!("{head}{}", nth * 7 % end.parse::<u64>().expect("a bound"))
            }
            None => word.to_owned(),
        };
        let words: Vec<String> = words.split(' ').map(word).collect();
        let views: Vec<&[u8]> = words.iter().map(String::as_bytes).collect();
        append_command(&mut bytes, &views);
    }
    bytes
}

/// Parsed requests of one length, and what running them needs.
struct Requests {
    bytes: Vec<u8>,
    spans: Vec<Span>,
    args: usize,
    hasher: Hasher,
    settings: Settings,
    out: Vec<u8>,
}

impl Requests {
    fn new(bytes: Vec<u8>, store: &Store) -> Requests {
        let (mut spans, mut counts) = (Vec::new(), Vec::new());
        parse_all(&bytes, &mut spans, &mut counts);
        let (hasher, settings) = (store.hasher(), Settings::default());
        Requests { bytes, spans, args: counts[0], hasher, settings, out: Vec::new() }
    }

    fn run(&mut self, command: &Command, store: &mut Store) {
        self.out.clear();
        for request in self.spans.chunks(self.args) {
            let args = Args::new(&self.bytes, request, self.hasher);
            let reply = Writer::new(&mut self.out, Protocol::Resp2);
            let mut ctx = Ctx {
                scripted: false,
                store,
                db: 0,
                now: Now::default(),
                settings: &self.settings,
                reply,
                wait: None,
            };
            black_box((command.run)(&mut ctx, &args).is_ok());
        }
    }
}

/// A turn of one core that sends to another, which drains: one push a message, one publish and one drain a batch of sixteen.
fn mailbox() -> Batch {
    const TURN: u64 = 16;
    let mut cores = mailbox::mesh::<[u64; 8]>(2, 1024);
    let mut time = 0;
    Box::new(move || {
        let [sender, receiver] = &mut cores[..] else {
            unreachable!("two participants were asked for")
        };
        for turn in 0..OPERATIONS / TURN {
            for message in 0..TURN {
                assert!(
                    sender.push(1, [turn, message, 0, 0, 0, 0, 0, 0]).is_ok(),
                    "the ring is emptied each turn"
                );
            }
            time += 1;
            black_box(sender.publish(|| time).is_empty());
            receiver.drain(
                || u64::MAX,
                |from, message| {
                    black_box((from, message));
                },
            );
        }
        OPERATIONS
    })
}
