//! How good eviction is: hit rates under a Zipf load of five times what fits, beside exact LRU.
//!
//! `cargo run --profile dist -p store --example hit_rate`
//!
//! Each miss sets the key, as a cache's user does. Virtual time passes 5 us an operation. Exact LRU
//! is given as many keys as the store held on the average.

use base::{Now, Prng};
use std::collections::{BTreeMap, HashMap};
use store::{Eviction, Expiry, Policy, Store};

const KEYS: usize = 500_000;
const OPERATIONS: u64 = 6_000_000;
const LIMIT: usize = 11 << 20;
const VALUE: [u8; 64] = [b'v'; 64];

/// Draws ranks with probability proportional to 1 / rank^0.99.
struct Zipf(Vec<f64>);

impl Zipf {
    fn new() -> Zipf {
        let mut sum = 0.0;
        let weight = |rank: usize| 1.0 / (rank as f64).powf(0.99);
        Zipf(
            (1..=KEYS)
                .map(|rank| {
                    sum += weight(rank);
                    sum
                })
                .collect(),
        )
    }

    fn draw(&self, prng: &mut Prng) -> u64 {
        let point = prng.unit() * self.0[KEYS - 1];
        // Ranks are scattered over key numbers, so that neighbours in number differ in use.
        self.0.partition_point(|sum| *sum < point) as u64 * 48_271 % KEYS as u64
    }
}

fn exact_lru(zipf: &Zipf, capacity: usize) -> f64 {
    let (mut used, mut order, mut hits) = (HashMap::new(), BTreeMap::new(), 0);
    let mut prng = Prng::new(5);
    for step in 0..OPERATIONS {
        let key = zipf.draw(&mut prng);
        if let Some(last) = used.insert(key, step) {
            order.remove(&last);
            hits += 1;
        }
        order.insert(step, key);
        if used.len() > capacity {
            let (_, oldest) = order.pop_first().expect("more than the capacity");
            used.remove(&oldest);
        }
    }
    hits as f64 / OPERATIONS as f64
}

fn sampled(zipf: &Zipf, policy: Policy, samples: u32) -> (f64, usize) {
    let mut store = Store::new(16, 0..16384, 1, 2);
    store.set_eviction(Eviction { policy, samples, ..Eviction::default() });
    let (hasher, mut prng, mut hits) = (store.hasher(), Prng::new(5), 0u64);
    for step in 0..OPERATIONS {
        let now = Now { unix_us: 0, mono_us: step * 5 };
        let text = format!("key:{:012}", zipf.draw(&mut prng));
        let key = hasher.key(text.as_bytes());
        if store.db(0).string(&key, now).is_ok_and(|value| value.is_some()) {
            hits += 1;
            continue;
        }
        store.db(0).set(&key, &VALUE, Expiry::Clear, now);
        while store.used_bytes() > LIMIT {
            store.evict_step(now);
        }
    }
    (hits as f64 / OPERATIONS as f64, store.len(0))
}

fn main() {
    let zipf = Zipf::new();
    for (policy, samples) in [
        (Policy::AllKeysLru, 5),
        (Policy::AllKeysLru, 10),
        (Policy::AllKeysLfu, 5),
        (Policy::AllKeysRandom, 5),
    ] {
        let (rate, keys) = sampled(&zipf, policy, samples);
        let exact = exact_lru(&zipf, keys);
        println!(
            "{:<16} samples {samples:>2}: {rate:.4} with {keys} keys; exact LRU {exact:.4}",
            policy.name()
        );
    }
}
