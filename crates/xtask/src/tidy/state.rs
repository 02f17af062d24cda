//! No state that cores could share or a thread could hide: no thread-locals, no statics with
//! interior state, no locks, no atomics, but in `mailbox` and `reactor`.
//!
//! `benches` and `conformance` are programs of their own around the server and are exempt; so is
//! what the main thread of `server` needs to end cores that must not be asked, if it is named in
//! [`EXEMPT`] with its reason. Tests are exempt.

use super::{Complaint, complaint};
use crate::tree::{Source, Tree};

const ROOMS: [&str; 4] = ["mailbox", "reactor", "benches", "conformance"];

/// Files that may, each with the reason.
const EXEMPT: [(&str, &str); 0] = [];

/// Types whose value can change through a shared reference across threads, and what makes statics.
const SHARED: [&str; 9] = [
    "Mutex",
    "RwLock",
    "Condvar",
    "OnceLock",
    "LazyLock",
    "thread_local",
    "lazy_static",
    "once_cell",
    "UnsafeCell",
];

/// Types that must not stand in a static, though a value may hold them.
const CELLS: [&str; 4] = ["Cell", "RefCell", "OnceCell", "LazyCell"];

pub fn complaints(tree: &Tree) -> Vec<Complaint> {
    let watched = tree.sources.iter().filter(|source| {
        !ROOMS.contains(&source.package())
            && !source.package().is_empty()
            && !EXEMPT.iter().any(|(path, _)| *path == source.path)
    });
    watched.flat_map(source_complaints).collect()
}

fn source_complaints(source: &Source) -> Vec<Complaint> {
    let tokens = source.tokens();
    let mut found = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        let word = token.text.as_str();
        let atomic =
            word.strip_prefix("Atomic").is_some_and(|rest| rest.starts_with(char::is_uppercase));
        if SHARED.contains(&word) || atomic {
            let what = format!("names `{word}`: only `mailbox` and `reactor` share state");
            found.push(complaint(&source.path, token.line, what));
        }
        let is_lifetime = index > 0 && tokens[index - 1].text == "'";
        if word == "static" && !is_lifetime && changes(&tokens[index + 1..]) {
            found.push(complaint(&source.path, token.line, "a static with state"));
        }
    }
    found
}

/// Whether the words behind `static` declare something that can change.
fn changes(rest: &[crate::tree::Token]) -> bool {
    let declaration = rest.iter().take_while(|token| token.text != "=" && token.text != ";");
    let mut words = declaration.map(|token| token.text.as_str());
    words.any(|word| word == "mut" || CELLS.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caught(path: &str, text: &str) -> usize {
        complaints(&Tree::of(&[(path, text)])).len()
    }

    #[test]
    fn shared_state_is_caught_outside_its_rooms() {
        for text in [
            "static mut A: u8 = 1;",
            "static A: RefCell<u8> = RefCell::new(1);",
            "use std::sync::atomic::AtomicU64;",
            "fn a(b: &Mutex<u8>) {}",
            "static A: OnceLock<u8> = x();",
            "thread_local! { static A: u8 = 1; }",
        ] {
            assert!(caught("crates/engine/src/a.rs", text) > 0, "{text}");
            assert_eq!(caught("crates/reactor/src/a.rs", text), 0, "{text}");
        }
    }

    #[test]
    fn constants_and_lifetimes_are_no_state() {
        for text in [
            "static A: [u8; 2] = [1, 2];",
            "fn a(b: &'static str, c: Cell<u8>) {}",
            "/// Atomicity is a word.\nstruct Atomicity;",
            "#[cfg(test)]\nmod tests { use std::sync::Mutex; }",
        ] {
            assert_eq!(caught("crates/base/src/a.rs", text), 0, "{text}");
        }
    }
}
