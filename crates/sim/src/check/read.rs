//! From words to what they do to each key: the requests of the register workload.

use super::model::{Action, Life, Told, When};
use super::word;
use crate::history::Record;
use resp::read::Value;

/// What a request does to a key, and what the client was told of it.
type Effect<'a> = (&'a [u8], Action, Option<Told>);

/// The keys that a request names.
pub fn keys(record: &Record) -> Vec<Vec<u8>> {
    effects(record, &[]).into_iter().map(|(key, ..)| key.to_vec()).collect()
}

/// What a request does to each of its keys. `everything` is all keys there are, for FLUSHALL.
/// A request refused for lack of memory does nothing.
pub fn effects<'a>(record: &'a Record, everything: &'a [Vec<u8>]) -> Vec<Effect<'a>> {
    let reply = record.reply.as_ref();
    if reply.is_some_and(Value::is_error) && !is_split(word(record, 0)) {
        return Vec::new();
    }
    let told = reply.and_then(Told::from);
    let one = |action| vec![(word(record, 1), action, told.clone())];
    let number = |index| -> u64 {
        std::str::from_utf8(word(record, index)).ok().and_then(|n| n.parse().ok()).unwrap_or(0)
    };
    match word(record, 0) {
        b"GET" => one(Action::Get),
        b"GETDEL" => one(Action::GetDel),
        b"INCR" => one(Action::Incr(1)),
        b"INCRBY" => one(Action::Incr(number(2) as i64)),
        b"APPEND" => one(Action::Append(word(record, 2).to_vec())),
        b"STRLEN" => one(Action::Strlen),
        b"PEXPIRE" => one(Action::Expire(number(2).saturating_mul(1_000_000))),
        b"PERSIST" => one(Action::Persist),
        b"GETSET" => one(Action::Set {
            value: word(record, 2).to_vec(),
            when: When::Always,
            life: Life::Clear,
            old: true,
        }),
        b"SET" => one(set(record)),
        b"MGET" => mget(record),
        b"MSET" => pairs(record),
        b"DEL" | b"UNLINK" | b"EXISTS" => counted(record, told),
        b"FLUSHALL" => everything.iter().map(|key| (key.as_slice(), Action::Del, None)).collect(),
        _ => Vec::new(),
    }
}

/// Requests of which a part may have happened though the whole has failed.
fn is_split(name: &[u8]) -> bool {
    matches!(name, b"MSET")
}

fn set(record: &Record) -> Action {
    let options = &record.words[3..];
    let has = |name: &[u8]| options.iter().any(|option| option == name);
    let life = match options.iter().position(|option| option == b"PX") {
        Some(at) => {
            let text = std::str::from_utf8(&options[at + 1]).unwrap_or("0");
            Life::For(text.parse::<u64>().unwrap_or(0).saturating_mul(1_000_000))
        }
        None if has(b"KEEPTTL") => Life::Keep,
        None => Life::Clear,
    };
    let when = match (has(b"NX"), has(b"XX")) {
        (true, _) => When::Absent,
        (_, true) => When::Present,
        _ => When::Always,
    };
    Action::Set { value: word(record, 2).to_vec(), when, life, old: has(b"GET") }
}

fn mget(record: &Record) -> Vec<Effect<'_>> {
    let told: Vec<Option<Told>> = match &record.reply {
        Some(Value::Array(values)) => values.iter().map(Told::from).collect(),
        _ => Vec::new(),
    };
    let element = |index: usize| told.get(index).cloned().flatten();
    let keys = record.words[1..].iter().enumerate();
    keys.map(|(index, key)| (key.as_slice(), Action::Get, element(index))).collect()
}

fn pairs(record: &Record) -> Vec<Effect<'_>> {
    let failed = record.reply.as_ref().is_some_and(Value::is_error);
    let told = (record.reply.is_some() && !failed).then_some(Told::Ok);
    let pairs = record.words[1..].chunks_exact(2);
    pairs.map(|pair| (pair[0].as_slice(), Action::set(&pair[1]), told.clone())).collect()
}

/// A count over one key says what happened to it; over several it does not.
fn counted(record: &Record, told: Option<Told>) -> Vec<Effect<'_>> {
    let keys = &record.words[1..];
    let told = if keys.len() == 1 { told } else { None };
    let action = if word(record, 0) == b"EXISTS" { Action::Exists } else { Action::Del };
    keys.iter().map(|key| (key.as_slice(), action.clone(), told.clone())).collect()
}
