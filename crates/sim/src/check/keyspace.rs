//! The whole keyspace as plain values: what each operation does to it, and what its client must be told.
//!
//! It is a model of databases on which operations run one after the other. That a key's time to live is over is an operation too, of which
//! is known between which times it happens: `lives.rs`. Sorted sets are in `scored.rs`, streams in `streams.rs`.

use super::lives::Life;
use super::payloads;
use super::streams::Stream;
use resp::read::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// A value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Held {
    Text(Vec<u8>),
    List(Vec<Vec<u8>>),
    Set(BTreeSet<Vec<u8>>),
    Scored(BTreeMap<Vec<u8>, i64>),
    Stream(Stream),
}

/// What a client is told. What has no order is sorted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    Nil,
    Ok,
    Number(i64),
    Bytes(Vec<u8>),
    Several(Vec<Told>),
    Error,
}

/// Keys by their position in [`Names`], and which of the watched ones were written since.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    pub(super) keys: Vec<Option<Rc<Held>>>,
    /// The times to live, by key.
    pub(super) lives: Vec<Life>,
    /// Client and key, in order.
    watched: Vec<(u8, u16)>,
    /// The clients whose watched keys were written, as bits.
    spoilt: u64,
}

/// The databases and names of all keys of a history.
#[derive(Debug, Default)]
pub struct Names(Vec<(u8, Vec<u8>)>);

impl Names {
    /// Adds a key if it is new. O(keys).
    pub fn add(&mut self, db: u8, name: &[u8]) {
        if self.find(db, name).is_none() {
            self.0.push((db, name.to_vec()));
        }
    }

    /// Adds every key in both of two databases that change places.
    pub fn pair(&mut self, one: u8, two: u8) {
        for (db, name) in self.0.clone() {
            match db {
                _ if db == one => self.add(two, &name),
                _ if db == two => self.add(one, &name),
                _ => {}
            }
        }
    }

    /// The position of a key.
    pub(super) fn find(&self, db: u8, name: &[u8]) -> Option<usize> {
        self.0.iter().position(|(known, other)| *known == db && other == name)
    }

    /// The positions of a database's keys.
    fn of(&self, db: u8) -> Vec<usize> {
        (0..self.0.len()).filter(|key| self.0[*key].0 == db).collect()
    }
}

/// Who executes something, in which database, and between which times it happens.
#[derive(Debug, Clone, Copy)]
pub struct Who {
    pub client: usize,
    pub db: u8,
    pub when: (u64, u64),
}

impl Told {
    /// What a reply says. `sorted`: its elements have no order.
    pub fn from(value: &Value, sorted: bool) -> Told {
        match value {
            Value::Null => Told::Nil,
            Value::Simple(text) if text == "OK" => Told::Ok,
            Value::Simple(text) => Told::Bytes(text.clone().into_bytes()),
            Value::Integer(number) => Told::Number(*number),
            Value::Bulk(bytes) => Told::Bytes(bytes.clone()),
            Value::Double(text) => Told::Bytes(text.clone().into_bytes()),
            Value::Map(pairs) => {
                let pair = |(one, two): &(Value, Value)| {
                    Told::Several(vec![Told::from(one, false), Told::from(two, false)])
                };
                Told::Several(pairs.iter().map(pair).collect())
            }
            Value::Array(values) | Value::Set(values) => {
                let mut told: Vec<Told> =
                    values.iter().map(|value| Told::from(value, false)).collect();
                if sorted {
                    told.sort_by(|a, b| a.bytes().cmp(b.bytes()));
                }
                Told::Several(told)
            }
            _ => Told::Error,
        }
    }

    /// The bytes, if it is such.
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Told::Bytes(bytes) => bytes,
            _ => b"",
        }
    }

    fn of(bytes: Option<&[u8]>) -> Told {
        bytes.map_or(Told::Nil, |bytes| Told::Bytes(bytes.to_vec()))
    }
}

/// Whether the reply to a command is a set.
pub fn is_sorted(name: &[u8]) -> bool {
    matches!(name, b"KEYS" | b"SMEMBERS" | b"SINTER" | b"SUNION" | b"SDIFF")
}

/// An operation at work on a state.
pub struct Bench<'a> {
    names: &'a Names,
    pub(super) state: &'a mut State,
    who: Who,
}

impl State {
    /// An empty keyspace.
    pub fn empty(names: &Names) -> State {
        let keys = vec![None; names.0.len()];
        State { keys, lives: Vec::new(), watched: Vec::new(), spoilt: 0 }
    }

    /// What a client is told of a command that stands alone, and does; none when it must wait.
    pub fn run(&mut self, names: &Names, who: Who, words: &[Vec<u8>]) -> Option<Told> {
        match words[0].as_slice() {
            b"WATCH" => {
                for name in &words[1..] {
                    let Some(key) = names.find(who.db, name) else { continue };
                    let entry = (who.client as u8, key as u16);
                    if let Err(at) = self.watched.binary_search(&entry) {
                        self.watched.insert(at, entry);
                    }
                }
                Some(Told::Ok)
            }
            b"UNWATCH" => {
                self.unwatch(who.client);
                Some(Told::Ok)
            }
            _ => Bench { names, state: self, who }.run(words),
        }
    }

    /// MULTI, commands, EXEC.
    pub fn run_all(&mut self, names: &Names, who: Who, block: &[Vec<Vec<u8>>]) -> Told {
        let spoilt = self.spoilt & (1 << who.client) != 0;
        self.unwatch(who.client);
        if spoilt {
            return Told::Nil;
        }
        let one = |words: &Vec<Vec<u8>>| {
            Bench { names, state: self, who }.run(words).unwrap_or(Told::Nil)
        };
        Told::Several(block.iter().map(one).collect())
    }

    /// A client watches nothing any more.
    pub fn unwatch(&mut self, client: usize) {
        self.watched.retain(|(watcher, _)| usize::from(*watcher) != client);
        self.spoilt &= !(1 << client);
    }

    /// Gives a key a value, or none. Who watches it will know.
    pub(super) fn put_at(&mut self, key: usize, held: Option<Held>) {
        let held = held.filter(|held| match held {
            Held::List(list) => !list.is_empty(),
            Held::Set(set) => !set.is_empty(),
            Held::Scored(scores) => !scores.is_empty(),
            Held::Text(_) | Held::Stream(_) => true,
        });
        if held.is_none() && self.keys[key].is_none() {
            return;
        }
        if held.is_none() {
            self.live_for_ever(key);
        }
        self.keys[key] = held.map(Rc::new);
        self.spoil(key);
    }

    /// Who watches a key will know that it has changed.
    pub(super) fn spoil(&mut self, key: usize) {
        for (client, watched) in &self.watched {
            if usize::from(*watched) == key {
                self.spoilt |= 1 << client;
            }
        }
    }

    /// The state as text.
    pub fn show(&self, names: &Names) -> String {
        let text = |bytes: &Vec<u8>| bytes.escape_ascii().to_string();
        let line = |((db, name), held): (&(u8, Vec<u8>), &Option<Rc<Held>>)| {
            let held = match held.as_deref()? {
                Held::Text(bytes) => text(bytes),
                Held::List(list) => format!("{:?}", list.iter().map(text).collect::<Vec<_>>()),
                Held::Set(set) => format!("{:?}", set.iter().map(text).collect::<BTreeSet<_>>()),
                Held::Scored(scores) => {
                    let line = |(member, score)| format!("{score} {}", text(member));
                    format!("{:?}", scores.iter().map(line).collect::<Vec<_>>())
                }
                Held::Stream(stream) => stream.show(),
            };
            Some(format!("{db}:{}={held}", text(name)))
        };
        let lines: Vec<String> = names.0.iter().zip(&self.keys).filter_map(line).collect();
        let lives: Vec<String> = self.lives.iter().map(|life| life.show(&names.0)).collect();
        let (lines, lives) = (lines.join(" "), lives.join(" "));
        format!("{lines} (watchers with written keys {:b}) {lives}", self.spoilt)
    }
}

/// The number that these digits say.
pub(super) fn number(bytes: &[u8]) -> i64 {
    std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

impl Bench<'_> {
    /// Does what a command says.
    pub fn run(&mut self, words: &[Vec<u8>]) -> Option<Told> {
        let told = match words[0].as_slice() {
            b"DBSIZE" => Told::Number(self.present().len() as i64),
            b"KEYS" => self.all_names(),
            b"FLUSHDB" => {
                self.names.of(self.who.db).into_iter().for_each(|key| self.state.put_at(key, None));
                Told::Ok
            }
            b"FLUSHALL" => {
                (0..self.state.keys.len()).for_each(|key| self.state.put_at(key, None));
                Told::Ok
            }
            b"SWAPDB" => self.swapped(number(&words[1]) as u8, number(&words[2]) as u8),
            b"BLPOP" | b"BRPOP" | b"BLMOVE" | b"BLMPOP" | b"BZPOPMIN" => {
                return self.blocking(words);
            }
            b"XREAD" | b"XREADGROUP" => return self.reading(words),
            b"EVAL" => return Some(super::scripts::run(self, words)),
            name => self.of_keys(name, words),
        };
        Some(told)
    }

    fn of_keys(&mut self, name: &[u8], words: &[Vec<u8>]) -> Told {
        match name {
            b"MGET" => {
                Told::Several(words[1..].iter().map(|key| Told::of(self.text(key))).collect())
            }
            b"MSET" => {
                self.put_pairs(&words[1..]);
                Told::Ok
            }
            b"MSETNX" => {
                let free = words[1..].chunks_exact(2).all(|pair| self.get(&pair[0]).is_none());
                if free {
                    self.put_pairs(&words[1..]);
                }
                Told::Number(i64::from(free))
            }
            b"DEL" | b"UNLINK" => self.count(&words[1..], |bench, key| {
                let there = bench.get(key).is_some();
                bench.put(key, None);
                there
            }),
            b"EXISTS" => self.count(&words[1..], |bench, key| bench.get(key).is_some()),
            b"GET" => Told::of(self.text(&words[1])),
            b"SET" => {
                self.replace(&words[1], Some(Held::Text(words[2].clone())));
                if words.len() > 4 {
                    self.live(&words[1], number(&words[4]));
                }
                Told::Ok
            }
            b"GETSET" => {
                let old = Told::of(self.text(&words[1]));
                self.replace(&words[1], Some(Held::Text(words[2].clone())));
                old
            }
            b"PEXPIRE" => Told::Number(i64::from(self.live(&words[1], number(&words[2])))),
            b"PERSIST" => Told::Number(i64::from(self.live_on(&words[1]))),
            b"MOVE" => self.moved_away(words),
            b"RESTORE" => {
                let replaces = words.len() > 4;
                if self.get(&words[1]).is_some() && !replaces {
                    return Told::Error;
                }
                self.replace(&words[1], Some(Held::List(payloads::elements(&words[3]))));
                Told::Ok
            }
            b"SORT" => {
                let mut list = self.list(&words[1]);
                list.sort_unstable();
                let count = list.len() as i64;
                self.replace(&words[4], Some(Held::List(list)));
                Told::Number(count)
            }
            b"INCRBY" | b"DECRBY" => {
                let by = number(&words[2]) * if name == b"INCRBY" { 1 } else { -1 };
                let sum = self.text(&words[1]).map_or(0, number) + by;
                self.put(&words[1], Some(Held::Text(sum.to_string().into_bytes())));
                Told::Number(sum)
            }
            b"RENAME" | b"RENAMENX" | b"COPY" => self.moved(name, words),
            b"SADD" | b"SREM" | b"SMOVE" | b"SMEMBERS" | b"SCARD" | b"SISMEMBER" | b"SINTER"
            | b"SUNION" | b"SDIFF" | b"SINTERSTORE" | b"SUNIONSTORE" | b"SDIFFSTORE" => {
                self.of_sets(name, words)
            }
            _ if name.starts_with(b"Z") => self.of_scored(name, words),
            _ if name.starts_with(b"X") => self.of_streams(name, words),
            _ => self.of_lists(name, words),
        }
    }

    fn of_sets(&mut self, name: &[u8], words: &[Vec<u8>]) -> Told {
        match name {
            b"SADD" | b"SREM" => {
                let mut set = self.set(&words[1]);
                let change = |member: &&Vec<u8>| match name {
                    b"SADD" => set.insert((*member).clone()),
                    _ => set.remove(*member),
                };
                let changed = words[2..].iter().filter(change).count();
                self.put_if(changed > 0, &words[1], Held::Set(set));
                Told::Number(changed as i64)
            }
            b"SMOVE" => {
                let mut from = self.set(&words[1]);
                let there = from.remove(&words[3]);
                if there && words[1] != words[2] {
                    self.put(&words[1], Some(Held::Set(from)));
                    let mut to = self.set(&words[2]);
                    let new = to.insert(words[3].clone());
                    self.put_if(new, &words[2], Held::Set(to));
                }
                Told::Number(i64::from(there))
            }
            b"SMEMBERS" => members(self.set(&words[1])),
            b"SCARD" => Told::Number(self.set(&words[1]).len() as i64),
            b"SISMEMBER" => Told::Number(i64::from(self.set(&words[1]).contains(&words[2]))),
            b"SINTER" | b"SUNION" | b"SDIFF" => members(self.combined(name, &words[1..])),
            _ => {
                let set = self.combined(&name[..name.len() - 5], &words[2..]);
                let count = set.len() as i64;
                self.replace(&words[1], Some(Held::Set(set)));
                Told::Number(count)
            }
        }
    }

    fn of_lists(&mut self, name: &[u8], words: &[Vec<u8>]) -> Told {
        let mut list = self.list(&words[1]);
        match name {
            b"LPUSH" | b"RPUSH" => {
                for element in &words[2..] {
                    let at = if name == b"LPUSH" { 0 } else { list.len() };
                    list.insert(at, element.clone());
                }
                let len = list.len() as i64;
                self.put(&words[1], Some(Held::List(list)));
                Told::Number(len)
            }
            b"LPOP" | b"RPOP" => {
                self.pop(&words[1], name == b"LPOP").map_or(Told::Nil, Told::Bytes)
            }
            b"LLEN" => Told::Number(list.len() as i64),
            b"LRANGE" => Told::Several(list.into_iter().map(Told::Bytes).collect()),
            b"LMOVE" => {
                let (from, to) = (words[3] == b"LEFT", words[4] == b"LEFT");
                if list.is_empty() {
                    return Told::Nil;
                }
                let element = list.remove(if from { 0 } else { list.len() - 1 });
                // A list that is its own destination never is empty in between.
                if words[1] != words[2] {
                    self.put(&words[1], Some(Held::List(list)));
                    list = self.list(&words[2]);
                }
                list.insert(if to { 0 } else { list.len() }, element.clone());
                self.put(&words[2], Some(Held::List(list)));
                Told::Bytes(element)
            }
            other => unreachable!("{} is not in the model", other.escape_ascii()),
        }
    }

    /// Commands that wait while there is nothing: none then. Their last word is the timeout. One that waits for several keys is served by the one
    /// that it is told of: whoever serves it looks at the key that was written to, not at those before it.
    fn blocking(&mut self, words: &[Vec<u8>]) -> Option<Told> {
        if words[0] == b"BLMOVE" {
            let told = self.of_lists(b"LMOVE", words);
            return (told != Told::Nil).then_some(told);
        }
        if words[0] == b"BLMPOP" {
            let count = number(&words[2]) as usize;
            let key = words[3..3 + count].iter().find(|key| !self.list(key).is_empty())?.clone();
            let (left, most) = (words[3 + count] == b"LEFT", number(&words[5 + count]));
            let popped = (0..most).map_while(|_| self.pop(&key, left).map(Told::Bytes)).collect();
            return Some(Told::Several(vec![Told::Bytes(key), Told::Several(popped)]));
        }
        let keys = &words[1..words.len() - 1];
        if words[0] == b"BZPOPMIN" {
            let key = keys.iter().find(|key| !self.scores(key).is_empty())?;
            let (member, score) = self.pop_least(key)?;
            return Some(Told::Several(vec![Told::Bytes(key.clone()), member, score]));
        }
        let key = keys.iter().find(|key| !self.list(key).is_empty())?;
        let element = self.pop(key, words[0] == b"BLPOP")?;
        Some(Told::Several(vec![Told::Bytes(key.clone()), Told::Bytes(element)]))
    }

    /// RENAME, RENAMENX and COPY; the time to live goes with the value.
    fn moved(&mut self, name: &[u8], words: &[Vec<u8>]) -> Told {
        let option = |name: &[u8]| words.iter().skip(3).position(|word| word == name);
        let there = option(b"DB").map_or(self.who.db, |at| number(&words[4 + at]) as u8);
        if name == b"COPY" && words[1] == words[2] && there == self.who.db {
            return Told::Error;
        }
        let Some(held) = self.get(&words[1]).cloned() else {
            return if name == b"COPY" { Told::Number(0) } else { Told::Error };
        };
        let from = self.names.find(self.who.db, &words[1]).expect("it has a value");
        let Some(to) = self.names.find(there, &words[2]) else { return Told::Error };
        let replaces = name == b"RENAME" || option(b"REPLACE").is_some();
        if !replaces && self.state.keys[to].is_some() {
            return Told::Number(0);
        }
        if from != to {
            let life = self.state.life(from);
            if name != b"COPY" {
                self.state.put_at(from, None);
            }
            self.state.put_at(to, Some(held));
            self.state.give_life(to, life);
        }
        if name == b"RENAME" { Told::Ok } else { Told::Number(1) }
    }

    /// MOVE.
    fn moved_away(&mut self, words: &[Vec<u8>]) -> Told {
        let there = self.names.find(number(&words[2]) as u8, &words[1]);
        let (Some(from), Some(to)) = (self.names.find(self.who.db, &words[1]), there) else {
            return Told::Number(0);
        };
        let held = self.state.keys[from].as_deref().cloned();
        let Some(held) = held.filter(|_| self.state.keys[to].is_none()) else {
            return Told::Number(0);
        };
        let life = self.state.life(from);
        self.state.put_at(from, None);
        self.state.put_at(to, Some(held));
        self.state.give_life(to, life);
        Told::Number(1)
    }

    /// SWAPDB.
    fn swapped(&mut self, one: u8, two: u8) -> Told {
        for from in self.names.of(one) {
            let name = &self.names.0[from].1;
            let to = self.names.find(two, name).expect("keys of such databases come in pairs");
            if self.state.keys[from].is_some() || self.state.keys[to].is_some() {
                self.state.keys.swap(from, to);
                self.state.spoil(from);
                self.state.spoil(to);
                let (life, other) = (self.state.life(from), self.state.life(to));
                self.state.give_life(from, other);
                self.state.give_life(to, life);
            }
        }
        Told::Ok
    }

    fn combined(&self, name: &[u8], keys: &[Vec<u8>]) -> BTreeSet<Vec<u8>> {
        let mut result = self.set(&keys[0]);
        for key in &keys[1..] {
            let other = self.set(key);
            result = match name {
                b"SINTER" => &result & &other,
                b"SUNION" => &result | &other,
                _ => &result - &other,
            };
        }
        result
    }

    /// The keys that are there.
    fn present(&self) -> Vec<usize> {
        let mut keys = self.names.of(self.who.db);
        keys.retain(|key| self.state.keys[*key].is_some());
        keys
    }

    fn all_names(&self) -> Told {
        let name = |key: usize| self.names.0[key].1.clone();
        let mut names: Vec<Vec<u8>> = self.present().into_iter().map(name).collect();
        names.sort_unstable();
        Told::Several(names.into_iter().map(Told::Bytes).collect())
    }

    fn count(&mut self, keys: &[Vec<u8>], mut one: impl FnMut(&mut Self, &[u8]) -> bool) -> Told {
        Told::Number(keys.iter().filter(|key| one(self, key)).count() as i64)
    }

    /// A key's value.
    pub(super) fn get(&self, key: &[u8]) -> Option<&Held> {
        self.state.keys[self.names.find(self.who.db, key)?].as_deref()
    }

    /// A string.
    pub fn text(&self, key: &[u8]) -> Option<&[u8]> {
        match self.get(key) {
            Some(Held::Text(bytes)) => Some(bytes),
            _ => None,
        }
    }

    fn list(&self, key: &[u8]) -> Vec<Vec<u8>> {
        match self.get(key) {
            Some(Held::List(list)) => list.clone(),
            _ => Vec::new(),
        }
    }

    fn set(&self, key: &[u8]) -> BTreeSet<Vec<u8>> {
        match self.get(key) {
            Some(Held::Set(set)) => set.clone(),
            _ => BTreeSet::new(),
        }
    }

    fn pop(&mut self, key: &[u8], left: bool) -> Option<Vec<u8>> {
        let mut list = self.list(key);
        let at = if left { 0 } else { list.len().checked_sub(1)? };
        let element = (!list.is_empty()).then(|| list.remove(at))?;
        self.put(key, Some(Held::List(list)));
        Some(element)
    }

    fn put_pairs(&mut self, pairs: &[Vec<u8>]) {
        for pair in pairs.chunks_exact(2) {
            self.replace(&pair[0], Some(Held::Text(pair[1].clone())));
        }
    }

    pub(super) fn put_if(&mut self, wanted: bool, key: &[u8], held: Held) {
        if wanted {
            self.put(key, Some(held));
        }
    }

    /// Changes a key's value, or gives it one, or none. Its time to live stays.
    pub(super) fn put(&mut self, key: &[u8], held: Option<Held>) {
        if let Some(key) = self.names.find(self.who.db, key) {
            self.state.put_at(key, held);
        }
    }

    /// Gives a key another value, which has no time to live.
    pub(super) fn replace(&mut self, key: &[u8], held: Option<Held>) {
        if let Some(key) = self.names.find(self.who.db, key) {
            self.state.put_at(key, held);
            self.state.live_for_ever(key);
        }
    }

    /// Gives a key a time to live in milliseconds. False when there is no such key.
    fn live(&mut self, key: &[u8], ms: i64) -> bool {
        let there = self.get(key).is_some();
        if let Some(key) = self.names.find(self.who.db, key).filter(|_| there) {
            self.state.give_life(key, Some(Life::of(key, self.who.when, ms as u64)));
            self.state.spoil(key);
        }
        there
    }

    /// Takes a key's time to live away. False when it had none.
    fn live_on(&mut self, key: &[u8]) -> bool {
        let Some(key) = self.names.find(self.who.db, key) else { return false };
        let had = self.state.life(key).is_some();
        if had {
            self.state.live_for_ever(key);
            self.state.spoil(key);
        }
        had
    }
}

fn members(set: BTreeSet<Vec<u8>>) -> Told {
    Told::Several(set.into_iter().map(Told::Bytes).collect())
}
