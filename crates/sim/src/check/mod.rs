//! The checkers: what a history and the engines at its end must satisfy.

pub mod causal;
pub mod keyspace;
pub mod linear;
pub mod lives;
pub mod model;
pub mod operations;
pub mod payloads;
pub mod read;
pub mod scored;
pub mod scripts;
pub mod serial;
pub mod streams;
pub mod waits;

use crate::history::{History, NEVER, Record};
use linear::{Op, Outcome};
use resp::read::Value;
use std::collections::BTreeMap;

/// Looks at every key of a history. Gives the number of keys that could not be decided.
pub fn keys(history: &History, lossy: bool) -> Result<usize, String> {
    let mut of_key: BTreeMap<&[u8], Vec<Op>> = BTreeMap::new();
    let everything: Vec<Vec<u8>> = {
        let mut keys: Vec<Vec<u8>> = history.records.iter().flat_map(read::keys).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    };
    for (position, record) in history.records.iter().enumerate() {
        // What failed on one core may have happened on another, or not.
        let failed = record.reply.as_ref().is_some_and(Value::is_error);
        for (key, action, told) in read::effects(record, &everything) {
            if !is_modelled(key) {
                continue;
            }
            let op = Op {
                client: record.client,
                from_ns: record.sent_ns,
                until_ns: if failed { NEVER } else { record.answered_ns },
                action,
                told,
                record: position,
            };
            of_key.entry(key).or_default().push(op);
        }
    }
    let mut undecided = 0;
    for (key, ops) in &of_key {
        match linear::check(ops, lossy) {
            Outcome::Fine => {}
            Outcome::Undecided => undecided += 1,
            Outcome::Violated(at) => return Err(violation(history, key, ops, at)),
        }
    }
    Ok(undecided)
}

/// Whether all requests on a key are known to the model: the keys of `anything` and `scan` are not.
fn is_modelled(key: &[u8]) -> bool {
    match key {
        [b'r' | b'n' | b't' | b'h', digit, ..] => digit.is_ascii_digit(),
        _ => key.starts_with(b"data") || key.starts_with(b"flag"),
    }
}

/// The requests on a key around the one that no order explains.
fn violation(history: &History, key: &[u8], ops: &[Op], at: usize) -> String {
    let place = ops.iter().position(|op| op.record == at).unwrap_or(ops.len());
    let around = &ops[place.saturating_sub(12)..ops.len().min(place + 6)];
    let lines: Vec<String> = around
        .iter()
        .map(|op| {
            let mark = if op.record == at { " <-- here" } else { "" };
            format!("  {}{mark}", history.records[op.record].show())
        })
        .collect();
    let key = key.escape_ascii();
    format!("no order of the requests on key {key} explains the replies:\n{}", lines.join("\n"))
}

/// A request's word, if it has so many.
pub fn word(record: &Record, index: usize) -> &[u8] {
    record.words.get(index).map_or(b"", Vec::as_slice)
}
