//! One loop of one operation, for counting instructions: `valgrind --tool=callgrind`.
use base::Now;
use store::{Expiry, Store};

fn main() {
    let mut args = std::env::args().skip(1);
    let (what, rounds) = (args.next().unwrap_or_default(), 200_000u64);
    let mut store = Store::new(16, 0..16384, 11, 12);
    let now = Now { unix_us: 1_700_000_000_000_000, mono_us: 5_000_000 };
    let value = [b'v'; 64];
    let texts: Vec<String> = (0..rounds).map(|number| format!("{{s}}{number:013}")).collect();
    let hasher = store.hasher();
    let start = if what == "insert" { 0 } else { rounds };
    for text in &texts[..start as usize] {
        store.db(0).set(&hasher.key(text.as_bytes()), &value, Expiry::Clear, now);
    }
    let mut sum = 0;
    for text in &texts {
        let key = hasher.key(text.as_bytes());
        match what.as_str() {
            "key" => sum += key.hash as usize & 1,
            "get" => sum += store.db(0).string(&key, now).map_or(0, |string| usize::from(string.is_some())),
            "set" | "insert" => store.db(0).set(&key, &value, Expiry::Clear, now),
            "del" => sum += usize::from(store.db(0).remove(&key, now)),
            _ => {}
        }
    }
    println!("{what} {sum}");
    std::process::exit(0);
}
