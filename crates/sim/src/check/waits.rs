//! Requests that wait for one of several keys: which of them served them.

use super::keyspace::{Told, number};
use super::streams::keys_and_ids;

/// The same request as it was served, as far as that is known: of the keys that it waits for, those that it was told of. Whoever serves one that
/// has waited looks at the key that was written to, not at those before it.
pub fn ways(words: &[Vec<u8>], told: Option<&Told>) -> Vec<Vec<Vec<u8>>> {
    let keys = keys(words);
    if keys.len() < 2 {
        return vec![words.to_vec()];
    }
    match told {
        Some(Told::Several(told)) if words[0] == b"XREAD" => {
            let key = |one: &Told| match one {
                Told::Several(pair) => pair[0].bytes().to_vec(),
                _ => Vec::new(),
            };
            vec![narrowed(words, &told.iter().map(key).collect::<Vec<_>>())]
        }
        Some(Told::Several(told)) => vec![narrowed(words, &[told[0].bytes().to_vec()])],
        Some(_) => vec![words.to_vec()],
        None => keys.iter().map(|key| narrowed(words, std::slice::from_ref(key))).collect(),
    }
}

/// What a request waits for.
pub fn keys(words: &[Vec<u8>]) -> &[Vec<u8>] {
    match words[0].as_slice() {
        b"BLPOP" | b"BRPOP" | b"BZPOPMIN" => &words[1..words.len() - 1],
        b"BLMOVE" => &words[1..2],
        b"BLMPOP" => &words[3..3 + number(&words[2]) as usize],
        b"XREAD" | b"XREADGROUP" if words.iter().any(|word| word == b"BLOCK") => {
            keys_and_ids(words).0
        }
        _ => &[],
    }
}

/// A request for some of its keys.
fn narrowed(words: &[Vec<u8>], wanted: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let all = keys(words);
    match words[0].as_slice() {
        b"BLMPOP" => {
            let count = wanted.len().to_string().into_bytes();
            let head = [words[0].clone(), words[1].clone(), count];
            [&head[..], wanted, &words[3 + all.len()..]].concat()
        }
        b"XREAD" | b"XREADGROUP" => {
            let (keys, ids) = keys_and_ids(words);
            let id = |key: &Vec<u8>| keys.iter().position(|other| other == key).map(|at| &ids[at]);
            let ids: Vec<Vec<u8>> = wanted.iter().filter_map(id).cloned().collect();
            [&words[..words.len() - 2 * keys.len()], wanted, &ids].concat()
        }
        _ => [&words[..1], wanted, &words[words.len() - 1..]].concat(),
    }
}
