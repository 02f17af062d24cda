//! What the keyspace costs: memory a key, time an operation, the longest single operation.
//!
//! `cargo run --profile dist -p store --example measure -- [spread|one-slot] [keys in millions]`
//!
//! Keys have 16 bytes and values 64 random ones, as in the project's memory target. Memory is the
//! growth of the resident set. Times of single operations are CPU time of the thread, which still
//! has page faults and the machine's noise in it, and about 0.3 us for reading the clock.

use base::{Now, Prng};
use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant};
use store::{Expiry, Key, Store};

const VALUE: usize = 64;
const BATCH: usize = 16;

fn resident_bytes() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").expect("Linux has statm");
    text.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).expect("statm has pages")
        * 4096
}

/// CPU time of this thread.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn key_text(number: u64, one_slot: bool) -> String {
    if one_slot { format!("{{s}}{number:013}") } else { format!("key:{number:012}") }
}

fn random_value(prng: &mut Prng) -> [u8; VALUE] {
    let mut value = [0; VALUE];
    value
        .chunks_exact_mut(8)
        .for_each(|chunk| chunk.copy_from_slice(&prng.next_u64().to_ne_bytes()));
    value
}

fn main() {
    let mut args = std::env::args().skip(1);
    let one_slot = args.next().is_some_and(|mode| mode == "one-slot");
    let millions: f64 = args.next().map_or(6.0, |text| text.parse().expect("a number of millions"));
    let total = (millions * 1e6) as u64;
    let base_bytes = resident_bytes();
    let mut store = Store::new(16, 0..16384, 11, 12);
    let now = Now { unix_us: 1_700_000_000_000_000, mono_us: 5_000_000 };
    let mut prng = Prng::new(7);
    let mut longest = Duration::ZERO;
    let mut over = [0u64; 5];
    let mut spent = Duration::ZERO;
    let mut since = 0u64;
    println!("keys        RSS/key-80  used/RSS  ns/set");
    for number in 0..total {
        let (text, value) = (key_text(number, one_slot), random_value(&mut prng));
        let key = store.hasher().key(text.as_bytes());
        let start = cpu();
        store.db(0).set(&key, &value, Expiry::Clear, now);
        let took = cpu() - start;
        longest = longest.max(took);
        for (bound, count) in [10, 20, 50, 100, 1000].into_iter().zip(&mut over) {
            *count += u64::from(took > Duration::from_micros(bound));
        }
        spent += took;
        since += 1;
        if (number + 1) % 500_000 == 0 {
            let keys = (number + 1) as f64;
            let grown = (resident_bytes() - base_bytes) as f64;
            let memory = store.memory();
            println!(
                "{:>10}  {:>9.2}  {:>8.3}  {:>6.0}  (data {:.2} overhead {:.2} idle {:.2} a key)",
                number + 1,
                grown / keys - 80.0,
                store.used_bytes() as f64 / grown,
                spent.as_nanos() as f64 / since as f64,
                memory.dataset as f64 / keys - 80.0,
                memory.overhead as f64 / keys,
                memory.fragmentation as f64 / keys,
            );
            (spent, since) = (Duration::ZERO, 0);
        }
    }
    println!("longest set {longest:?}; over 10/20/50/100/1000 us: {over:?}");
    control(total);
    reads(&mut store, total, one_slot, now);
    removals(&mut store, total, one_slot, now, base_bytes);
}

/// The same measurement of about as much work that cannot have a long operation: what the machine
/// itself adds.
fn control(total: u64) {
    let (mut longest, mut over) = (Duration::ZERO, [0u64; 5]);
    let mut prng = Prng::new(3);
    for _ in 0..total {
        let start = cpu();
        std::hint::black_box((0..500).fold(0, |sum: u64, _| sum.wrapping_add(prng.next_u64())));
        let took = cpu() - start;
        longest = longest.max(took);
        for (bound, count) in [10, 20, 50, 100, 1000].into_iter().zip(&mut over) {
            *count += u64::from(took > Duration::from_micros(bound));
        }
    }
    println!("control: longest {longest:?}; over 10/20/50/100/1000 us: {over:?}");
}

fn reads(store: &mut Store, total: u64, one_slot: bool, now: Now) {
    let mut prng = Prng::new(99);
    let rounds = 2_000_000 / BATCH;
    let hasher = store.hasher();
    for (name, stages) in [("plain", 0), ("prefetched", 3), ("plain", 0), ("prefetched", 3)] {
        let mut spent = Duration::ZERO;
        let mut found = 0usize;
        for _ in 0..rounds {
            let texts: [String; BATCH] =
                std::array::from_fn(|_| key_text(prng.below(total), one_slot));
            let keys: [Key<'_>; BATCH] =
                std::array::from_fn(|index| hasher.key(texts[index].as_bytes()));
            let start = cpu();
            if stages > 0 {
                keys.iter().for_each(|key| store.prefetch_table(key.hint(0)));
                keys.iter().for_each(|key| store.prefetch_bucket(key.hint(0)));
                keys.iter().for_each(|key| store.prefetch_entry(key.hint(0)));
            }
            for key in &keys {
                let value = store
                    .db(0)
                    .string(key, now)
                    .map(|string| string.map_or(0, |string| string.len()));
                found += value.unwrap_or(0);
            }
            spent += cpu() - start;
        }
        assert_eq!(found, rounds * BATCH * VALUE);
        println!("get {name:<10} {:>6.1} ns", spent.as_nanos() as f64 / (rounds * BATCH) as f64);
    }
}

fn removals(store: &mut Store, total: u64, one_slot: bool, now: Now, base_bytes: usize) {
    let (mut longest, mut spent) = (Duration::ZERO, Duration::ZERO);
    for number in 0..total {
        let text = key_text(number, one_slot);
        let key = store.hasher().key(text.as_bytes());
        let start = cpu();
        assert!(store.db(0).remove(&key, now));
        let took = cpu() - start;
        longest = longest.max(took);
        spent += took;
        if number + 1 == total / 2 {
            println!("half removed: {}", memory_line(store, base_bytes));
            let start = Instant::now();
            let mut steps = 0;
            while store.compact_step(1000) {
                steps += 1;
            }
            println!(
                "compacted in {steps} steps of 1000, {:?}: {}",
                start.elapsed(),
                memory_line(store, base_bytes)
            );
        }
    }
    println!(
        "del {:.0} ns, longest {longest:?}; empty: {}",
        spent.as_nanos() as f64 / total as f64,
        memory_line(store, base_bytes)
    );
}

fn memory_line(store: &Store, base_bytes: usize) -> String {
    let mib = |bytes: usize| bytes as f64 / (1 << 20) as f64;
    format!(
        "RSS {:.1} MiB, used {:.1} MiB, idle {:.1} MiB",
        mib(resident_bytes().saturating_sub(base_bytes)),
        mib(store.used_bytes()),
        mib(store.memory().fragmentation),
    )
}
