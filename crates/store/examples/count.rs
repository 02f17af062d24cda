//! One loop of one operation, to count its instructions.
//!
//! `valgrind --tool=callgrind <binary> get|set|insert|del|key|none`: the difference of a run to that
//! of `none` (`insert`: of `key` to what it prints), divided by the rounds.
use base::Now;
use store::{Expiry, Store};

const ROUNDS: u64 = 200_000;

fn main() {
    let what = std::env::args().nth(1).unwrap_or_default();
    let mut store = Store::new(16, 0..16384, 11, 12);
    let now = Now { unix_us: 1_700_000_000_000_000, mono_us: 5_000_000 };
    let value = [b'v'; 64];
    let texts: Vec<String> = (0..ROUNDS).map(|number| format!("key:{number:012}")).collect();
    let hasher = store.hasher();
    let loaded = if what == "insert" || what == "key" { 0 } else { texts.len() };
    for text in &texts[..loaded] {
        store.db(0).set(&hasher.key(text.as_bytes()), &value, Expiry::Clear, now);
    }
    let mut sum = 0;
    for text in &texts {
        let key = std::hint::black_box(hasher.key(text.as_bytes()));
        match what.as_str() {
            "get" => {
                sum += store.db(0).string(&key, now).map_or(0, |value| usize::from(value.is_some()))
            }
            "set" | "insert" => store.db(0).set(&key, &value, Expiry::Clear, now),
            "del" => sum += usize::from(store.db(0).remove(&key, now)),
            _ => {}
        }
    }
    println!("{what} {sum}");
    // Without the time to free everything.
    std::process::exit(0);
}
