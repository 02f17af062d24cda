//! The scripts that clients run, and what each of them does, said a second time.

use super::keyspace::{Bench, Told};
use crate::history::words;

/// Swaps two strings; the reply is what was in both. Keys are declared.
pub const SWAP: &str = "local a, b = redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2]) \
    redis.call('SET', KEYS[1], b or '') redis.call('SET', KEYS[2], a or '') return {a, b}";

/// The same, without declaring any key.
pub const SWAP_UNDECLARED: &str = "local a, b = redis.call('GET', ARGV[1]), redis.call('GET', ARGV[2]) \
    redis.call('SET', ARGV[1], b or '') redis.call('SET', ARGV[2], a or '') return {a, b}";

/// Reads all; the reply is what was found.
pub const READ: &str = "local found = {} for i = 1, #ARGV do \
    found[i] = redis.call('GET', ARGV[i]) or '' end return found";

/// Moves an element from one list to the next and counts that.
pub const PASS: &str = "local e = redis.call('RPOP', KEYS[1]) if e then \
    redis.call('LPUSH', KEYS[2], e) redis.call('INCRBY', ARGV[1], 1) end return e";

/// Does what the script of an EVAL does.
pub fn run(bench: &mut Bench<'_>, eval: &[Vec<u8>]) -> Told {
    let arguments = &eval[3..];
    let text = |bench: &Bench<'_>, key: &[u8]| bench.text(key).map(<[u8]>::to_vec);
    match std::str::from_utf8(&eval[1]).unwrap_or("") {
        SWAP | SWAP_UNDECLARED => {
            let (a, b) = (text(bench, &arguments[0]), text(bench, &arguments[1]));
            for (key, value) in [(&arguments[0], &b), (&arguments[1], &a)] {
                let value = value.clone().unwrap_or_default();
                bench.run(&[b"SET".to_vec(), key.clone(), value]);
            }
            // A table ends before its first nil, and what GET does not find is false.
            Told::Several([a, b].map(|found| found.map_or(Told::Nil, Told::Bytes)).to_vec())
        }
        READ => {
            let found = |key: &Vec<u8>| Told::Bytes(text(bench, key).unwrap_or_default());
            Told::Several(arguments.iter().map(found).collect())
        }
        PASS => {
            let pop = [b"RPOP".to_vec(), arguments[0].clone()];
            let Some(Told::Bytes(element)) = bench.run(&pop) else { return Told::Nil };
            bench.run(&[b"LPUSH".to_vec(), arguments[1].clone(), element.clone()]);
            let count = String::from_utf8_lossy(&arguments[2]).into_owned();
            bench.run(&words(&format!("INCRBY {count} 1")));
            Told::Bytes(element)
        }
        other => unreachable!("{other} is not in the model"),
    }
}
