//! Requests that wait for one of several keys: which of them served them.

use super::keyspace::{Told, number};
use super::operations::{Body, Operation};
use super::streams::keys_and_ids;
use crate::history::NEVER;

/// Who can be served is, within this time after the request that made it possible was answered. In nanoseconds.
pub const NOTICE_NS: u64 = 5_000_000;

/// Waits that may be so short are not looked at more closely.
const SHORT_NS: u64 = 2 * NOTICE_NS;

/// By how much clocks that are read once a turn may be wrong.
const SLACK_NS: u64 = 200_000;

/// A wait that was in vain has a beginning, so long before its reply as it was to last, and an end, so long after it was sent. In between its
/// client must not be passed over. BLMOVE is not looked at: between the offer of its source and its transaction somebody may come.
pub fn halves(whole: Operation) -> Vec<Operation> {
    let Body::One(words) = &whole.body else { return vec![whole] };
    let limit_ns = limit_ns(words);
    let in_vain = whole.told == Some(Told::Nil) && whole.until_ns != NEVER;
    if !in_vain || limit_ns < SHORT_NS || words[0] == b"BLMOVE" {
        return vec![whole];
    }
    let body = Body::Begins(words.clone());
    let until_ns = whole.until_ns.saturating_sub(limit_ns) + SLACK_NS;
    let begins = Operation { body, until_ns, told: None, ..whole.clone() };
    let body = Body::Ends(words.clone());
    let from_ns = (whole.from_ns + limit_ns).saturating_sub(SLACK_NS);
    vec![begins, Operation { body, from_ns, told: None, ..whole }]
}

/// How long a request waits at the most.
fn limit_ns(words: &[Vec<u8>]) -> u64 {
    let text = match words[0].as_slice() {
        b"BLPOP" | b"BRPOP" | b"BZPOPMIN" => &words[words.len() - 1],
        b"BLMPOP" => &words[1],
        _ => {
            let at = words.iter().position(|word| word == b"BLOCK");
            return at.map_or(0, |at| number(&words[at + 1]) as u64 * 1_000_000);
        }
    };
    let seconds = std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok());
    (seconds.unwrap_or(0.0) * 1e9) as u64
}

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
