//! Damaged payloads through RESTORE: each is refused with one of two errors and nothing has changed, or it is a value
//! that can be read in full, dumped and restored again, worked on, and deleted without a trace.
//!
//! `RDB_CASES` sets how many are tried: a million is a campaign
//! (`RDB_CASES=1000000 cargo test -p command --profile sim --test damaged`). The seed is fixed; `RDB_SEED` is another.

mod corpus;
mod damage;
mod look;

use base::Prng;
use command::check::World;
use resp::read::Value;
use resp::write::Protocol;

/// What memory may grow by, over all cases: the corpus is small, so only a length that was believed takes so much.
const MEMORY_GROWTH_KIB_MAX: u64 = 64 << 10;

const BAD_FORMAT: &[u8] = b"-ERR Bad data format\r\n";
const BAD_FOOTER: &[u8] = b"-ERR DUMP payload version or checksum are wrong\r\n";

fn from_environment(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

fn world() -> World {
    let mut world = World::new(Protocol::Resp2);
    // Both forms of each type are met with small values.
    for (directive, value) in [
        ("hash-max-listpack-entries", "4"),
        ("set-max-intset-entries", "4"),
        ("set-max-listpack-entries", "4"),
        ("zset-max-listpack-entries", "4"),
        ("list-max-listpack-size", "4"),
        ("stream-node-max-entries", "3"),
    ] {
        world.configure(directive, value);
    }
    world
}

/// Kibibytes that the process has taken at the most; `None` where nobody says.
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// What became of a payload.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Footer,
    Refused,
    Accepted,
}

/// Gives a payload to RESTORE and holds it to its contract.
fn try_payload(world: &mut World, prng: &mut Prng, payload: &[u8]) -> Fate {
    let replaces = prng.one_in(2);
    if replaces {
        world.run(&[b"SET", b"k", b"before"]);
    }
    let reply = world.run(&[b"RESTORE", b"k", b"0", payload, b"REPLACE"]);
    let fate = match &*reply {
        b"+OK\r\n" => Fate::Accepted,
        BAD_FORMAT => Fate::Refused,
        BAD_FOOTER => Fate::Footer,
        other => panic!("RESTORE says {}", other.escape_ascii()),
    };
    if fate == Fate::Accepted {
        // A hash whose fields are all past their time is gone at once.
        if world.run(&[b"EXISTS", b"k"]) == b":1\r\n" {
            look::use_in_full(world, prng);
        }
    } else {
        let (got, wanted): (_, &[u8]) = match replaces {
            true => (world.run(&[b"GET", b"k"]), b"$6\r\nbefore\r\n"),
            false => (world.run(&[b"EXISTS", b"k"]), b":0\r\n"),
        };
        assert_eq!(got, wanted, "a payload that was refused has changed the key");
    }
    world.run(&[b"DEL", b"k"]);
    while world.store.free_step(1000) {}
    assert_eq!(world.run(&[b"DBSIZE"]), b":0\r\n");
    assert_eq!(world.store.memory().dataset, 0, "something was left behind");
    fate
}

#[test]
fn a_damaged_payload_is_refused_whole_or_is_a_value_like_any_other() {
    let cases = from_environment("RDB_CASES", 4_000);
    let mut prng = Prng::new(from_environment("RDB_SEED", 1));
    let payloads = corpus::all();
    let before = peak_kib();
    let mut world = world();
    let (mut refused, mut accepted, mut unsealed) = (0u64, 0u64, 0u64);
    for case in 0..cases {
        let (payload, sealed) = damage::damaged(&mut prng, &payloads);
        // A failure names its case: the payload that was given.
        let shown = Shown(case, &payload);
        let fate = try_payload(&mut world, &mut prng, &payload);
        match (sealed, fate) {
            (true, Fate::Refused) => refused += 1,
            (true, Fate::Accepted) => accepted += 1,
            (false, Fate::Footer) => unsealed += 1,
            // What was done to it may have been undone, or have been zeros at the front, which CRC does not see.
            (false, _) if damage::is_sealed(&payload) => accepted += 1,
            (true, Fate::Footer) => panic!("a right checksum was refused"),
            (false, _) => panic!("a wrong checksum was accepted"),
        }
        std::mem::forget(shown);
    }
    println!("{refused} refused, {accepted} accepted, {unsealed} with a wrong checksum");
    assert!(refused > 0 && accepted > 0 && unsealed > 0);
    if let (Some(before), Some(after)) = (before, peak_kib()) {
        println!("peak of memory {before} KiB before, {after} KiB after");
        assert!(after - before < MEMORY_GROWTH_KIB_MAX, "memory grew from {before} to {after} KiB");
    }
}

/// Shows its payload when it is dropped, which only a panic does.
struct Shown<'a>(u64, &'a [u8]);

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        eprintln!("case {}: {}", self.0, self.1.escape_ascii());
    }
}

#[test]
fn undamaged_payloads_are_accepted() {
    let (mut world, mut prng) = (world(), Prng::new(3));
    for payload in corpus::all() {
        let fate = try_payload(&mut world, &mut prng, &payload);
        assert!(fate == Fate::Accepted, "{}", payload.escape_ascii());
    }
}

#[test]
fn what_redis_wrote_is_what_the_same_commands_make_here() {
    for (name, script, payload) in corpus::of_redis() {
        let mut made = world();
        if name == "stream-set-back" {
            made.configure("stream-node-max-entries", "100");
        }
        let replies = made.script(&script);
        assert!(!replies.iter().any(Value::is_error), "{name}: {replies:?}");
        let wanted = look::contents(&mut made, b"k");
        let mut restored = world();
        assert_eq!(restored.run(&[b"RESTORE", b"k", b"0", &payload]), b"+OK\r\n", "{name}");
        let found = look::contents(&mut restored, b"k");
        assert_eq!(without_clocks(&found), without_clocks(&wanted), "{name}");
    }
}

/// Times of the present century, which differ, and what is counted in nodes where that was made otherwise.
fn without_clocks(contents: &[String]) -> Vec<String> {
    let is_clock =
        |word: &str| word.len() == 13 && word.parse::<u64>().is_ok_and(|ms| ms > 1_650_000_000_000);
    let line = |line: &String| {
        let words = line.split(' ').map(|word| {
            let bare = word.trim_matches(['[', ']']);
            if is_clock(bare) { word.replace(bare, "T") } else { word.to_owned() }
        });
        words.collect::<Vec<String>>().join(" ")
    };
    contents.iter().map(line).collect()
}
