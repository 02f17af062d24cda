//! From requests to operations: what stands between MULTI and EXEC is one.

use super::keyspace::{Names, Told, is_sorted, number};
use super::serial::{self, Outcome};
use super::{streams, waits};
use crate::history::{History, Record};
use base::{RouteTable, Slot};
use resp::read::Value;

/// What an operation executes.
#[derive(Debug, Clone)]
pub enum Body {
    /// A request.
    One(Vec<Vec<u8>>),
    /// What stood between MULTI and EXEC.
    Block(Vec<Vec<Vec<u8>>>),
    /// The beginning of a wait that was in vain: there is nothing.
    Begins(Vec<Vec<u8>>),
    /// Its end, after its time.
    Ends(Vec<Vec<u8>>),
}

impl Body {
    fn requests(&self) -> &[Vec<Vec<u8>>] {
        match self {
            Body::One(words) | Body::Begins(words) | Body::Ends(words) => {
                std::slice::from_ref(words)
            }
            Body::Block(block) => block,
        }
    }
}

/// One atomic operation of a client.
#[derive(Debug, Clone)]
pub struct Operation {
    /// Whose.
    pub client: usize,
    /// In which database.
    pub db: u8,
    /// When it was sent and answered, in nanoseconds.
    pub from_ns: u64,
    pub until_ns: u64,
    /// What it executes.
    pub body: Body,
    /// What its client was told, if it was.
    pub told: Option<Told>,
    /// The cores that own its keys, as bits.
    pub owners: u64,
    /// The request in the history that was answered.
    pub record: usize,
}

impl Operation {
    /// Whether it changes nothing, whenever it takes effect.
    pub fn is_harmless(&self) -> bool {
        match (&self.body, &self.told) {
            (Body::One(words), told) => is_harmless(words, told.as_ref()),
            (Body::Begins(_) | Body::Ends(_), _) => false,
            (Body::Block(block), Some(Told::Several(told))) => {
                block.iter().zip(told).all(|(words, told)| is_harmless(words, Some(told)))
            }
            (Body::Block(block), _) => block.iter().all(|words| is_harmless(words, None)),
        }
    }

    /// What stood between MULTI and EXEC.
    fn show_block(&self) -> String {
        let block = match &self.body {
            Body::One(_) => return String::new(),
            Body::Begins(_) => return " (begins)".to_owned(),
            Body::Ends(_) => return " (ends)".to_owned(),
            Body::Block(block) => block,
        };
        let line = |words: &Vec<Vec<u8>>| {
            words.iter().map(|word| word.escape_ascii().to_string()).collect::<Vec<_>>().join(" ")
        };
        format!(" of {}", block.iter().map(line).collect::<Vec<_>>().join("; "))
    }

    /// Whether what the same client sends later may not take effect before this: an owner executes a session's requests in their order, and a
    /// transaction is a barrier.
    pub fn precedes(&self, later: &Operation) -> bool {
        let alone = |one: &Operation| one.owners.count_ones() == 1;
        self.owners & later.owners != 0 || !alone(self) || !alone(later)
    }
}

/// Looks at a whole history, of a world in which nobody is slow to notice anything if `prompt`. Gives 1 if it could not be decided.
pub fn check(history: &History, cores: usize, prompt: bool) -> Result<usize, String> {
    let mut names = Names::default();
    let mut all = operations(history, cores, &mut names);
    if prompt {
        all = all.into_iter().flat_map(waits::halves).collect();
    }
    match serial::check(&all, &names) {
        Outcome::Fine => Ok(0),
        Outcome::Undecided => Ok(1),
        Outcome::Violated { done, state, stuck } => {
            let show = |index: &usize| {
                let one = &all[*index];
                format!("  {}{}", history.records[one.record].show(), one.show_block())
            };
            let lines = |some: &[usize]| some.iter().map(show).collect::<Vec<_>>().join("\n");
            Err(format!(
                "no order of all operations explains the replies. After, among others,\n{}\nthe keyspace is {state}, and none of these can be next:\n{}",
                lines(&done[done.len().saturating_sub(24)..]),
                lines(&stuck),
            ))
        }
    }
}

/// The operations of a history in the order of sending.
fn operations(history: &History, cores: usize, names: &mut Names) -> Vec<Operation> {
    let route = RouteTable::new(cores);
    let clients = history.records.iter().map(|record| record.client + 1).max().unwrap_or(0);
    let mut blocks: Vec<Option<Vec<Vec<Vec<u8>>>>> = vec![None; clients];
    let mut dbs = vec![0; clients];
    let mut all = Vec::new();
    for (position, record) in history.records.iter().enumerate() {
        // Who has heard all that it was told knows that what was not answered has not happened.
        if record.reply.is_none() && history.left.contains(&record.client) {
            continue;
        }
        let block = &mut blocks[record.client];
        let body = match (record.words[0].as_slice(), block.as_mut()) {
            (b"HELLO" | b"PING", _) => continue,
            (b"SELECT", _) => {
                dbs[record.client] = number(&record.words[1]) as u8;
                continue;
            }
            (b"MULTI", _) => {
                *block = Some(Vec::new());
                continue;
            }
            (b"EXEC", _) => Body::Block(block.take().unwrap_or_default()),
            (b"DISCARD", _) => {
                *block = None;
                Body::One(vec![b"UNWATCH".to_vec()])
            }
            (_, Some(queued)) => {
                queued.push(record.words.clone());
                continue;
            }
            (_, None) => Body::One(record.words.clone()),
        };
        let mut owners = 0;
        for words in body.requests() {
            owners |= owners_of(dbs[record.client], words, &route, names);
        }
        let told = record.reply.as_ref().map(|reply| told(&body, reply));
        let Record { client, sent_ns: from_ns, answered_ns: until_ns, .. } = *record;
        let db = dbs[client];
        all.push(Operation { client, db, from_ns, until_ns, body, told, owners, record: position });
    }
    pair_databases(&all, names);
    all
}

/// Databases that change places have the same names.
fn pair_databases(all: &[Operation], names: &mut Names) {
    for one in all {
        for words in one.body.requests().iter().filter(|words| words[0] == b"SWAPDB") {
            names.pair(number(&words[1]) as u8, number(&words[2]) as u8);
        }
    }
}

/// The cores that own the keys of a request; all of them when it names none.
fn owners_of(db: u8, words: &[Vec<u8>], route: &RouteTable, names: &mut Names) -> u64 {
    let mut owners = 0;
    for key in keys_of(words) {
        names.add(db, key);
        owners |= 1 << route.owner(Slot::of_key(key)).index();
    }
    let option = |name: &[u8]| words.iter().skip(3).position(|word| word == name);
    match (words[0].as_slice(), option(b"DB")) {
        (b"MOVE", _) => names.add(number(&words[2]) as u8, &words[1]),
        (b"COPY", Some(at)) => names.add(number(&words[4 + at]) as u8, &words[2]),
        _ => {}
    }
    if owners == 0 { (1 << route.cores()) - 1 } else { owners }
}

/// The keys that a request names. Of a script all arguments are: what it touches beside its keys stands among them.
fn keys_of(words: &[Vec<u8>]) -> Vec<&[u8]> {
    let (from, until, step) = match words[0].as_slice() {
        b"DBSIZE" | b"KEYS" | b"FLUSHDB" | b"FLUSHALL" | b"SWAPDB" | b"UNWATCH" => {
            return Vec::new();
        }
        b"XREAD" | b"XREADGROUP" => {
            return streams::keys_and_ids(words).0.iter().map(Vec::as_slice).collect();
        }
        b"BLMPOP" => return waits::keys(words).iter().map(Vec::as_slice).collect(),
        b"SORT" => (1, 5, 3),
        b"XGROUP" => (2, 3, 1),
        b"MSET" | b"MSETNX" => (1, words.len(), 2),
        b"MGET" | b"DEL" | b"UNLINK" | b"EXISTS" | b"WATCH" | b"SINTER" | b"SUNION" | b"SDIFF"
        | b"SINTERSTORE" | b"SUNIONSTORE" | b"SDIFFSTORE" => (1, words.len(), 1),
        b"RENAME" | b"RENAMENX" | b"COPY" | b"LMOVE" | b"BLMOVE" | b"SMOVE" | b"ZRANGESTORE" => {
            (1, 3, 1)
        }
        b"BLPOP" | b"BRPOP" | b"BZPOPMIN" => (1, words.len() - 1, 1),
        b"EVAL" => (3, words.len(), 1),
        _ => (1, 2, 1),
    };
    words[from..until].iter().step_by(step).map(Vec::as_slice).collect()
}

/// Whether a request that was told so has changed nothing, whenever it was executed.
fn is_harmless(words: &[Vec<u8>], told: Option<&Told>) -> bool {
    let name = words[0].as_slice();
    let reads = matches!(
        name,
        b"GET"
            | b"MGET"
            | b"EXISTS"
            | b"LRANGE"
            | b"LLEN"
            | b"SMEMBERS"
            | b"SCARD"
            | b"SISMEMBER"
            | b"SINTER"
            | b"SUNION"
            | b"SDIFF"
            | b"DBSIZE"
            | b"KEYS"
            | b"ZRANGE"
            | b"ZCARD"
            | b"XREAD"
            | b"XLEN"
            | b"XRANGE"
    );
    // Their replies do not say whether they have changed anything.
    let silent = matches!(
        name,
        b"SINTERSTORE"
            | b"SUNIONSTORE"
            | b"SDIFFSTORE"
            | b"ZRANGESTORE"
            | b"SORT"
            | b"INCRBY"
            | b"DECRBY"
            | b"ZADD"
    );
    match told {
        _ if reads => true,
        Some(Told::Number(0)) => !silent,
        Some(Told::Several(told)) => name == b"ZPOPMIN" && told.is_empty(),
        Some(Told::Nil) => !matches!(name, b"GETSET" | b"EVAL"),
        Some(Told::Error) => name != b"EVAL",
        _ => false,
    }
}

fn told(body: &Body, reply: &Value) -> Told {
    match (body, reply) {
        (Body::One(words), _) => Told::from(reply, is_sorted(&words[0])),
        (Body::Block(block), Value::Array(values)) => {
            let one =
                |(words, value): (&Vec<Vec<u8>>, &Value)| Told::from(value, is_sorted(&words[0]));
            Told::Several(block.iter().zip(values).map(one).collect())
        }
        (_, other) => Told::from(other, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Mark, NEVER, words};

    /// What one client sent and was told: times, request, reply.
    type Line<'a> = (usize, u64, u64, &'a str, Value);

    fn verdict(lines: &[Line<'_>]) -> Result<usize, String> {
        let record = |(client, sent_ns, answered_ns, line, reply): &Line<'_>| Record {
            client: *client,
            words: words(line),
            sent_ns: *sent_ns,
            answered_ns: *answered_ns,
            reply: (*answered_ns != NEVER).then(|| reply.clone()),
            mark: Mark::None,
        };
        check(
            &History { records: lines.iter().map(record).collect(), ..History::default() },
            2,
            true,
        )
    }

    fn ok() -> Value {
        Value::Simple("OK".to_owned())
    }

    fn bulk(text: &str) -> Value {
        Value::Bulk(text.as_bytes().to_vec())
    }

    #[test]
    fn half_of_a_write_to_two_keys_is_found() {
        let write = (0, 0, 10, "MSET a 1 b 1", ok());
        let half =
            |from, until| (1, from, until, "MGET a b", Value::Array(vec![bulk("1"), Value::Null]));
        assert!(verdict(&[write.clone(), half(3, 5)]).is_err());
        let none = (1, 3, 5, "MGET a b", Value::Array(vec![Value::Null, Value::Null]));
        assert_eq!(verdict(&[write.clone(), none.clone()]), Ok(0));
        // Nobody looks back behind a reply.
        assert!(verdict(&[write, (1, 11, 12, none.3, none.4)]).is_err());
    }

    #[test]
    fn two_readers_agree_about_the_order_of_two_writers() {
        let lines = |second: [&str; 2]| {
            [
                (0, 0, 100, "SET a 1", ok()),
                (1, 0, 100, "SET b 1", ok()),
                (2, 10, 20, "MGET a b", Value::Array(vec![bulk("1"), Value::Null])),
                (3, 10, 20, "MGET a b", {
                    Value::Array(
                        second
                            .map(|text| if text.is_empty() { Value::Null } else { bulk(text) })
                            .to_vec(),
                    )
                }),
            ]
        };
        assert_eq!(verdict(&lines(["1", "1"])), Ok(0));
        assert!(verdict(&lines(["", "1"])).is_err());
    }

    #[test]
    fn what_stands_between_multi_and_exec_is_one_operation() {
        let queued = || Value::Simple("QUEUED".to_owned());
        let lines = |seen: &'static str| {
            [
                (0, 0, 9, "MULTI", ok()),
                (0, 0, 9, "SET a 1", queued()),
                (0, 0, 9, "SET a 2", queued()),
                (0, 0, 9, "EXEC", Value::Array(vec![ok(), ok()])),
                (1, 1, 2, "GET a", bulk(seen)),
            ]
        };
        assert_eq!(verdict(&lines("2")), Ok(0));
        assert!(verdict(&lines("1")).is_err());
    }

    #[test]
    fn an_exec_knows_what_was_written_since_its_watch() {
        let lines = |reply: Value| {
            [
                (0, 0, 1, "WATCH a", ok()),
                (1, 2, 3, "SET a 1", ok()),
                (0, 4, 5, "MULTI", ok()),
                (0, 4, 5, "GET a", Value::Simple("QUEUED".to_owned())),
                (0, 4, 5, "EXEC", reply),
            ]
        };
        assert_eq!(verdict(&lines(Value::Null)), Ok(0));
        assert!(verdict(&lines(Value::Array(vec![bulk("1")]))).is_err());
    }

    #[test]
    fn who_waits_in_vain_was_not_passed_over() {
        // Times are in milliseconds.
        let lines = |taken: u64| {
            let ms = |ms: u64| ms * 1_000_000;
            let popped = Value::Array(vec![bulk("l"), bulk("x")]);
            let early = taken < 40;
            let left = if early { Value::Null } else { bulk("x") };
            [
                (0, ms(0), ms(51), "BLPOP l 0.05", Value::Null),
                (1, ms(10), ms(11), "RPUSH l x", Value::Integer(1)),
                (2, ms(1), ms(taken), "BLPOP l 0.1", if early { popped } else { Value::Null }),
                (1, ms(30), ms(31), "GET k", Value::Null),
                (1, ms(200), ms(201), "LPOP l", left),
            ]
        };
        assert_eq!(verdict(&lines(12)), Ok(0), "the other was served");
        assert!(verdict(&lines(102)).is_err(), "both were passed over");
    }

    #[test]
    fn what_a_vanished_client_asked_has_happened_or_not() {
        let lines = |seen: Value| {
            [
                (0, 0, NEVER, "RPOP l", Value::Null),
                (1, 0, 1, "RPUSH l x", Value::Integer(1)),
                (1, 2, 3, "LLEN l", seen),
            ]
        };
        assert_eq!(verdict(&lines(Value::Integer(1))), Ok(0));
        assert_eq!(verdict(&lines(Value::Integer(0))), Ok(0));
        assert!(verdict(&lines(Value::Integer(2))).is_err());
    }
}
