//! One key as a plain value: what each request does to it, and what the client must be told.

use super::linear::Op;
use crate::history::NEVER;
use resp::read::Value;

/// Times to live are counted in whole milliseconds of the wall clock; so much is lost by rounding.
const ROUNDING_NS: u64 = 2_000_000;

/// The key. A deadline is an interval, because nobody knows when the request that set it ran.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum State {
    Absent,
    Present { value: Vec<u8>, deadline: Option<(u64, u64)> },
}

/// What a request does to the time to live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    Clear,
    Keep,
    /// In nanoseconds from its execution.
    For(u64),
}

/// Under which condition SET sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    Always,
    Absent,
    Present,
}

/// What a request does to one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    Get,
    /// `old`: the reply is the old value.
    Set {
        value: Vec<u8>,
        when: When,
        life: Life,
        old: bool,
    },
    /// The reply is the old value.
    GetDel,
    /// The reply is whether there was one.
    Del,
    Incr(i64),
    Append(Vec<u8>),
    Strlen,
    Exists,
    Expire(u64),
    Persist,
}

impl Action {
    /// A plain SET.
    pub fn set(value: &[u8]) -> Action {
        Action::Set { value: value.to_vec(), when: When::Always, life: Life::Clear, old: false }
    }
}

/// What a client was told of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    Ok,
    Nil,
    Bytes(Vec<u8>),
    Number(i64),
}

impl Told {
    /// From a reply; none for what says nothing of one key.
    pub fn from(value: &Value) -> Option<Told> {
        match value {
            Value::Simple(_) => Some(Told::Ok),
            Value::Null => Some(Told::Nil),
            Value::Bulk(bytes) => Some(Told::Bytes(bytes.clone())),
            Value::Integer(number) => Some(Told::Number(*number)),
            _ => None,
        }
    }
}

/// The states in which the key may be afterwards; none when the client was told what cannot be.
pub fn apply(state: &State, op: &Op, lossy: bool) -> Vec<State> {
    let mut before = lives(state, op);
    if lossy && before.iter().any(|state| *state != State::Absent) {
        before.push(State::Absent);
    }
    let mut after: Vec<State> = Vec::new();
    for state in before {
        let (next, told) = execute(state, op);
        let fits = op.told.as_ref().is_none_or(|heard| *heard == told);
        if fits && !after.contains(&next) {
            after.push(next);
        }
    }
    after
}

/// The key as the request may find it: alive, expired, or either.
fn lives(state: &State, op: &Op) -> Vec<State> {
    let State::Present { value, deadline: Some((least, most)) } = state else {
        return vec![state.clone()];
    };
    let mut found = Vec::new();
    if op.from_ns <= most.saturating_add(ROUNDING_NS) {
        // Whoever finds it alive knows that the deadline is later.
        let least = (*least).max(op.from_ns);
        let deadline = Some((least, (*most).max(least)));
        found.push(State::Present { value: value.clone(), deadline });
    }
    if op.until_ns == NEVER || op.until_ns.saturating_add(ROUNDING_NS) >= *least {
        found.push(State::Absent);
    }
    found
}

fn execute(state: State, op: &Op) -> (State, Told) {
    let (value, deadline) = match state {
        State::Absent => (None, None),
        State::Present { value, deadline } => (Some(value), deadline),
    };
    let present = value.is_some();
    let from = |life: u64| {
        let until = if op.until_ns == NEVER { NEVER } else { op.until_ns.saturating_add(life) };
        Some((op.from_ns.saturating_add(life), until))
    };
    let keep = |value: Option<Vec<u8>>| match value {
        Some(value) => State::Present { value, deadline },
        None => State::Absent,
    };
    let bytes = |value: Option<Vec<u8>>| value.map_or(Told::Nil, Told::Bytes);
    match &op.action {
        Action::Get => (keep(value.clone()), bytes(value)),
        Action::Set { value: new, when, life, old } => {
            let sets = match when {
                When::Always => true,
                When::Absent => !present,
                When::Present => present,
            };
            let told = match (old, sets) {
                (true, _) => bytes(value.clone()),
                (false, true) => Told::Ok,
                (false, false) => Told::Nil,
            };
            if !sets {
                return (keep(value), told);
            }
            let deadline = match life {
                Life::Clear => None,
                Life::Keep => deadline,
                Life::For(ns) => from(*ns),
            };
            (State::Present { value: new.clone(), deadline }, told)
        }
        Action::GetDel => (State::Absent, bytes(value)),
        Action::Del => (State::Absent, Told::Number(i64::from(present))),
        Action::Incr(by) => {
            let old = value.and_then(|value| std::str::from_utf8(&value).ok()?.parse().ok());
            let new = old.unwrap_or(0i64).wrapping_add(*by);
            (State::Present { value: new.to_string().into_bytes(), deadline }, Told::Number(new))
        }
        Action::Append(tail) => {
            let value = [value.unwrap_or_default().as_slice(), tail].concat();
            let len = value.len() as i64;
            (State::Present { value, deadline }, Told::Number(len))
        }
        Action::Strlen => {
            let len = value.as_ref().map_or(0, Vec::len) as i64;
            (keep(value), Told::Number(len))
        }
        Action::Exists => (keep(value), Told::Number(i64::from(present))),
        Action::Expire(ns) => match value {
            Some(value) => (State::Present { value, deadline: from(*ns) }, Told::Number(1)),
            None => (State::Absent, Told::Number(0)),
        },
        Action::Persist => match value {
            Some(value) => {
                let had = deadline.is_some();
                (State::Present { value, deadline: None }, Told::Number(i64::from(had)))
            }
            None => (State::Absent, Told::Number(0)),
        },
    }
}
