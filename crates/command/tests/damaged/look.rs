//! Reading a value in full, and working on it.

use base::Prng;
use command::check::World;
use resp::read::Value;

fn ask(world: &mut World, words: &[&[u8]]) -> Value {
    let reply = world.run(words);
    let value = Value::parse(&reply).expect("a reply is whole").expect("a reply is RESP").0;
    let shown = || words.iter().map(|word| word.escape_ascii().to_string()).collect::<Vec<_>>();
    assert!(!value.is_error(), "{}: {value}", shown().join(" "));
    value
}

fn items(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        other => panic!("no array: {other}"),
    }
}

fn number(value: &Value) -> i64 {
    match value {
        Value::Integer(number) => *number,
        other => panic!("no integer: {other}"),
    }
}

fn bytes(value: &Value) -> Vec<u8> {
    match value {
        Value::Bulk(bytes) => bytes.clone(),
        other => panic!("no string: {other}"),
    }
}

fn kind(world: &mut World, key: &[u8]) -> String {
    ask(world, &[b"TYPE", key]).to_string()
}

/// Everything that can be seen of a value, times of reading left out.
pub fn contents(world: &mut World, key: &[u8]) -> Vec<String> {
    let kind = kind(world, key);
    let mut lines = match &*kind {
        "string" => vec![ask(world, &[b"GET", key])],
        "list" => {
            let all = items(ask(world, &[b"LRANGE", key, b"0", b"-1"]));
            assert_eq!(number(&ask(world, &[b"LLEN", key])), all.len() as i64);
            all
        }
        "set" => {
            let all = sorted(world, key, &[b"SMEMBERS", key], b"SCARD", 1);
            for member in few(&all) {
                let member = bytes(&items(member)[0]);
                assert_eq!(ask(world, &[b"SISMEMBER", key, &member]), Value::Integer(1));
            }
            all
        }
        "hash" => {
            let mut all = sorted(world, key, &[b"HGETALL", key], b"HLEN", 2);
            let names = items(ask(world, &[b"HKEYS", key]));
            for pair in few(&all) {
                let pair = items(pair);
                assert_eq!(ask(world, &[b"HGET", key, &bytes(&pair[0])]), pair[1]);
            }
            for name in names.iter().map(bytes) {
                all.push(ask(world, &[b"HPEXPIRETIME", key, b"FIELDS", b"1", &name]));
            }
            all.sort_by_key(Value::to_string);
            all
        }
        "zset" => {
            let all = items(ask(world, &[b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"]));
            assert_eq!(2 * number(&ask(world, &[b"ZCARD", key])), all.len() as i64);
            let mut back = items(ask(world, &[b"ZRANGE", key, b"0", b"-1", b"REV"]));
            back.reverse();
            assert!(back.iter().eq(all.iter().step_by(2)));
            for (rank, pair) in all.chunks(2).enumerate().take(FEW) {
                let member = bytes(&pair[0]);
                assert_eq!(ask(world, &[b"ZSCORE", key, &member]), pair[1]);
                assert_eq!(number(&ask(world, &[b"ZRANK", key, &member])), rank as i64);
            }
            all
        }
        "stream" => stream(world, key),
        other => panic!("a key of type {other}"),
    };
    lines.push(ask(world, &[b"PTTL", key]));
    std::iter::once(kind).chain(lines.iter().map(Value::to_string)).collect()
}

/// A reply in an order of its own, its parts kept together, and its count.
fn sorted(
    world: &mut World,
    key: &[u8],
    words: &[&[u8]],
    count: &[u8],
    parts: usize,
) -> Vec<Value> {
    let all = items(ask(world, words));
    assert_eq!(number(&ask(world, &[count, key])) as usize * parts, all.len());
    let mut groups: Vec<Value> =
        all.chunks(parts).map(|part| Value::Array(part.to_vec())).collect();
    groups.sort_by_key(Value::to_string);
    groups
}

/// Elements of which each is looked for by itself.
const FEW: usize = 20;

fn few(all: &[Value]) -> Vec<Value> {
    all[..all.len().min(FEW)].to_vec()
}

/// The two parts of an entry's ID.
fn id(entry: &Value) -> (u64, u64) {
    let id = bytes(&items(entry.clone())[0]);
    let id = String::from_utf8(id).expect("an ID is text");
    let (ms, seq) = id.split_once('-').expect("an ID has two parts");
    (ms.parse().expect("a number"), seq.parse().expect("a number"))
}

fn stream(world: &mut World, key: &[u8]) -> Vec<Value> {
    let all = items(ask(world, &[b"XRANGE", key, b"-", b"+"]));
    let mut back = items(ask(world, &[b"XREVRANGE", key, b"+", b"-"]));
    back.reverse();
    assert_eq!(back, all, "forwards and backwards");
    assert_eq!(number(&ask(world, &[b"XLEN", key])), all.len() as i64);
    assert!(all.is_sorted_by(|one, other| id(one) < id(other)), "the entries are not in order");
    for entry in few(&all) {
        let id = bytes(&items(entry.clone())[0]);
        assert_eq!(items(ask(world, &[b"XRANGE", key, &id, &id])), [entry]);
    }
    let mut lines = all;
    let full = ask(world, &[b"XINFO", b"STREAM", key, b"FULL", b"COUNT", b"0"]);
    lines.extend(items(without_activity(full)));
    for name in groups(world, key) {
        let pending = ask(world, &[b"XPENDING", key, &name, b"-", b"+", b"1000000"]);
        lines.extend(items(pending).iter().map(|one| match one {
            // How long ago it was goes by the clock.
            Value::Array(parts) => Value::Array([&parts[..2], &parts[3..]].concat()),
            other => panic!("no entry: {other}"),
        }));
        ask(world, &[b"XPENDING", key, &name]);
        ask(world, &[b"XINFO", b"CONSUMERS", key, &name]);
    }
    lines
}

/// Leaves out when consumers were active, for which the form of Redis 7.0 has no place.
fn without_activity(value: Value) -> Value {
    let Value::Array(mut parts) = value else { return value };
    let activity = Value::Bulk(b"active-time".to_vec());
    if let Some(at) = parts.iter().position(|part| *part == activity) {
        parts.drain(at..at + 2);
    }
    Value::Array(parts.into_iter().map(without_activity).collect())
}

/// Names of the groups of a stream.
fn groups(world: &mut World, key: &[u8]) -> Vec<Vec<u8>> {
    let groups = items(ask(world, &[b"XINFO", b"GROUPS", key]));
    groups.into_iter().map(|group| bytes(&items(group)[1])).collect()
}

/// Reads the value of `k`, dumps and restores it, compares, works on it, and deletes what it made beside it.
pub fn use_in_full(world: &mut World, prng: &mut Prng) {
    let first = contents(world, b"k");
    ask(world, &[b"OBJECT", b"ENCODING", b"k"]);
    let payload = bytes(&ask(world, &[b"DUMP", b"k"]));
    ask(world, &[b"RESTORE", b"again", b"0", &payload]);
    let again = contents(world, b"again");
    assert_eq!(again, first, "what was dumped again is not the same");
    ask(world, &[b"COPY", b"k", b"copy"]);
    let key: &[u8] = if prng.one_in(2) { b"again" } else { b"k" };
    work_on(world, key, prng);
    if ask(world, &[b"EXISTS", key]) == Value::Integer(1) {
        contents(world, key);
    }
    ask(world, &[b"DEL", b"again", b"copy"]);
}

/// Changes the value by some commands of its type, whatever they reply.
fn work_on(world: &mut World, key: &[u8], prng: &mut Prng) {
    let commands: &[&[&[u8]]] = match &*kind(world, key) {
        "string" => &[&[b"APPEND", b"k", b"x"], &[b"INCR", b"k"], &[b"SETRANGE", b"k", b"3", b"y"]],
        "list" => &[
            &[b"RPUSH", b"k", b"x", b"7"],
            &[b"LPOP", b"k"],
            &[b"LINSERT", b"k", b"BEFORE", b"x", b"w"],
            &[b"LTRIM", b"k", b"1", b"-2"],
            &[b"RPOP", b"k", b"2"],
        ],
        "set" => &[&[b"SADD", b"k", b"x", b"7"], &[b"SREM", b"k", b"a"], &[b"SPOP", b"k", b"3"]],
        "hash" => &[
            &[b"HSET", b"k", b"x", b"7"],
            &[b"HDEL", b"k", b"a"],
            &[b"HPEXPIRE", b"k", b"100", b"FIELDS", b"1", b"b"],
            &[b"HINCRBY", b"k", b"c", b"1"],
        ],
        "zset" => &[
            &[b"ZADD", b"k", b"2", b"x", b"-1", b"a"],
            &[b"ZINCRBY", b"k", b"1", b"b"],
            &[b"ZPOPMIN", b"k"],
            &[b"ZREMRANGEBYRANK", b"k", b"-2", b"-1"],
        ],
        _ => &[
            &[b"XADD", b"k", b"*", b"a", b"1"],
            &[b"XADD", b"k", b"*", b"x", b"1", b"y", b"2"],
            &[b"XTRIM", b"k", b"MAXLEN", b"~", b"3"],
            &[b"XTRIM", b"k", b"MAXLEN", b"2"],
            &[b"XTRIM", b"k", b"MINID", b"3"],
            &[b"XSETID", b"k", b"7-7"],
            &[b"XREADGROUP", b"GROUP", b"g", b"c", b"STREAMS", b"k", b">"],
            &[b"XREADGROUP", b"GROUP", b"g", b"d", b"STREAMS", b"k", b"0"],
            &[b"XAUTOCLAIM", b"k", b"g", b"d", b"0", b"0"],
            &[b"XCLAIM", b"k", b"g", b"new", b"0", b"1-1", b"2-1", b"FORCE"],
            &[b"XACK", b"k", b"g", b"1-1", b"1-2"],
            &[b"XDEL", b"k", b"1-1", b"1-2", b"6-0"],
            &[b"XGROUP", b"DELCONSUMER", b"k", b"g", b"c"],
            &[b"XGROUP", b"DESTROY", b"k", b"g"],
            &[b"XGROUP", b"CREATE", b"k", b"new", b"$"],
        ],
    };
    for _ in 0..=prng.below(5) {
        let command = commands[prng.below(commands.len() as u64) as usize];
        let words: Vec<&[u8]> =
            command.iter().map(|word| if **word == *b"k" { key } else { *word }).collect();
        world.run(&words);
    }
}
