//! The whole keyspace as plain values: what each operation does to it, and what its client must be told.
//!
//! It is a model of one database on which operations run one after the other: strings, lists and sets without times to live.

use resp::read::Value;
use std::collections::BTreeSet;
use std::rc::Rc;

/// A value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Held {
    Text(Vec<u8>),
    List(Vec<Vec<u8>>),
    Set(BTreeSet<Vec<u8>>),
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
    keys: Vec<Option<Rc<Held>>>,
    /// Client and key, in order.
    watched: Vec<(u8, u16)>,
    /// The clients whose watched keys were written, as bits.
    spoilt: u64,
}

/// The names of all keys of a history.
#[derive(Debug, Default)]
pub struct Names(Vec<Vec<u8>>);

impl Names {
    /// The position of a key, which is added if it is new. O(keys).
    pub fn add(&mut self, name: &[u8]) -> usize {
        self.find(name).unwrap_or_else(|| {
            self.0.push(name.to_vec());
            self.0.len() - 1
        })
    }

    fn find(&self, name: &[u8]) -> Option<usize> {
        self.0.iter().position(|known| known == name)
    }
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

    fn bytes(&self) -> &[u8] {
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
    state: &'a mut State,
}

impl State {
    /// An empty keyspace.
    pub fn empty(names: &Names) -> State {
        State { keys: vec![None; names.0.len()], watched: Vec::new(), spoilt: 0 }
    }

    /// The same request as it was served, as far as that is known: of the keys that it waits for, one.
    pub fn ways(words: &[Vec<u8>], told: Option<&Told>) -> Vec<Vec<Vec<u8>>> {
        if !matches!(words[0].as_slice(), b"BLPOP" | b"BRPOP") || words.len() < 4 {
            return vec![words.to_vec()];
        }
        let keys = match told {
            Some(Told::Several(told)) => vec![told[0].bytes().to_vec()],
            Some(_) => return vec![words.to_vec()],
            None => words[1..words.len() - 1].to_vec(),
        };
        keys.into_iter()
            .map(|key| vec![words[0].clone(), key, words[words.len() - 1].clone()])
            .collect()
    }

    /// What a client is told of a command that stands alone, and does; none when it must wait.
    pub fn run(&mut self, names: &Names, client: usize, words: &[Vec<u8>]) -> Option<Told> {
        match words[0].as_slice() {
            b"WATCH" => {
                for name in &words[1..] {
                    let Some(key) = names.find(name) else { continue };
                    let entry = (client as u8, key as u16);
                    if let Err(at) = self.watched.binary_search(&entry) {
                        self.watched.insert(at, entry);
                    }
                }
                Some(Told::Ok)
            }
            b"UNWATCH" => {
                self.unwatch(client);
                Some(Told::Ok)
            }
            _ => Bench { names, state: self }.run(words),
        }
    }

    /// MULTI, commands, EXEC.
    pub fn run_all(&mut self, names: &Names, client: usize, block: &[Vec<Vec<u8>>]) -> Told {
        let spoilt = self.spoilt & (1 << client) != 0;
        self.unwatch(client);
        if spoilt {
            return Told::Nil;
        }
        let one =
            |words: &Vec<Vec<u8>>| Bench { names, state: self }.run(words).unwrap_or(Told::Nil);
        Told::Several(block.iter().map(one).collect())
    }

    /// A client watches nothing any more.
    pub fn unwatch(&mut self, client: usize) {
        self.watched.retain(|(watcher, _)| usize::from(*watcher) != client);
        self.spoilt &= !(1 << client);
    }

    /// The state as text.
    pub fn show(&self, names: &Names) -> String {
        let text = |bytes: &Vec<u8>| bytes.escape_ascii().to_string();
        let line = |(name, held): (&Vec<u8>, &Option<Rc<Held>>)| {
            let held = match held.as_deref()? {
                Held::Text(bytes) => text(bytes),
                Held::List(list) => format!("{:?}", list.iter().map(text).collect::<Vec<_>>()),
                Held::Set(set) => format!("{:?}", set.iter().map(text).collect::<BTreeSet<_>>()),
            };
            Some(format!("{}={held}", text(name)))
        };
        let lines: Vec<String> = names.0.iter().zip(&self.keys).filter_map(line).collect();
        format!("{} (watchers with written keys {:b})", lines.join(" "), self.spoilt)
    }
}

fn number(bytes: &[u8]) -> i64 {
    std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

impl Bench<'_> {
    /// Does what a command says.
    pub fn run(&mut self, words: &[Vec<u8>]) -> Option<Told> {
        let told = match words[0].as_slice() {
            b"DBSIZE" => Told::Number(self.state.keys.iter().flatten().count() as i64),
            b"KEYS" => self.all_names(),
            b"FLUSHDB" | b"FLUSHALL" => {
                (0..self.state.keys.len()).for_each(|key| self.put_at(key, None));
                Told::Ok
            }
            b"BLPOP" | b"BRPOP" | b"BLMOVE" | b"BLMPOP" => return self.blocking(words),
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
                self.put(&words[1], Some(Held::Text(words[2].clone())));
                Told::Ok
            }
            b"GETSET" => {
                let old = Told::of(self.text(&words[1]));
                self.put(&words[1], Some(Held::Text(words[2].clone())));
                old
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
                self.put(&words[1], Some(Held::Set(set)));
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
                let Some(element) = self.pop(&words[1], from) else { return Told::Nil };
                let mut list = self.list(&words[2]);
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
        let keys = &words[1..words.len() - 1];
        let key = keys.iter().find(|key| !self.list(key).is_empty())?;
        let element = self.pop(key, words[0] == b"BLPOP")?;
        Some(Told::Several(vec![Told::Bytes(key.clone()), Told::Bytes(element)]))
    }

    fn moved(&mut self, name: &[u8], words: &[Vec<u8>]) -> Told {
        if name == b"COPY" && words[1] == words[2] {
            return Told::Error;
        }
        let Some(held) = self.get(&words[1]).cloned() else {
            return if name == b"COPY" { Told::Number(0) } else { Told::Error };
        };
        let replaces = name == b"RENAME" || words.len() > 3;
        if !replaces && self.get(&words[2]).is_some() {
            return Told::Number(0);
        }
        if words[1] != words[2] {
            if name != b"COPY" {
                self.put(&words[1], None);
            }
            self.put(&words[2], Some(held));
        }
        if name == b"RENAME" { Told::Ok } else { Told::Number(1) }
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

    fn all_names(&self) -> Told {
        let there = self.names.0.iter().zip(&self.state.keys).filter(|(_, held)| held.is_some());
        let mut names: Vec<Vec<u8>> = there.map(|(name, _)| name.clone()).collect();
        names.sort_unstable();
        Told::Several(names.into_iter().map(Told::Bytes).collect())
    }

    fn count(&mut self, keys: &[Vec<u8>], mut one: impl FnMut(&mut Self, &[u8]) -> bool) -> Told {
        Told::Number(keys.iter().filter(|key| one(self, key)).count() as i64)
    }

    fn get(&self, key: &[u8]) -> Option<&Held> {
        self.state.keys[self.names.find(key)?].as_deref()
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
            self.put(&pair[0], Some(Held::Text(pair[1].clone())));
        }
    }

    fn put_if(&mut self, wanted: bool, key: &[u8], held: Held) {
        if wanted {
            self.put(key, Some(held));
        }
    }

    /// Gives a key a value, or none. Who watches it will know.
    pub fn put(&mut self, key: &[u8], held: Option<Held>) {
        if let Some(key) = self.names.find(key) {
            self.put_at(key, held);
        }
    }

    fn put_at(&mut self, key: usize, held: Option<Held>) {
        let held = held.filter(|held| match held {
            Held::List(list) => !list.is_empty(),
            Held::Set(set) => !set.is_empty(),
            Held::Text(_) => true,
        });
        if held.is_none() && self.state.keys[key].is_none() {
            return;
        }
        self.state.keys[key] = held.map(Rc::new);
        for (client, watched) in &self.state.watched {
            if usize::from(*watched) == key {
                self.state.spoilt |= 1 << client;
            }
        }
    }
}

fn members(set: BTreeSet<Vec<u8>>) -> Told {
    Told::Several(set.into_iter().map(Told::Bytes).collect())
}
