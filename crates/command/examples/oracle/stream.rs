//! Streams: scripts weighted to edges, on few keys, with nodes from one entry to many.
//!
//! What Redis 7.2 does otherwise than 7.0 is kept out: a consumer is made before it first asks for anything. `*` is
//! asked only of the key whose last ID is in the future, where the clock does not matter.

use super::{CLOCKS_DIFFER_MS, Dice, Family, Words};
use resp::Value;

/// The family.
pub const FAMILY: Family = Family { name: "stream", directives, requests };

const KEYS: &[&str] = &["a", "a", "a", "a", "b", "b", "s", "none"];
/// The key with IDs in the future.
const FUTURE: &str = "f";
const GROUPS: &[&str] = &["g", "g", "g", "h", "i"];
const CONSUMERS: &[&str] = &["c", "c", "d", "e"];

const IDS: &[&str] = &[
    "0",
    "0-0",
    "1-1",
    "5-5",
    "0-1",
    "1-0",
    "x",
    "",
    "-",
    "+",
    "*",
    "$",
    ">",
    "5-",
    "-5",
    "05-01",
    "+3-+2",
    " 4",
    "4 ",
    "3--1",
    "3--01",
    "3-*",
    "3-**",
    "1-1-1",
    "18446744073709551615",
    "18446744073709551615-18446744073709551615",
    "18446744073709551616",
    "9223372036854775808-9223372036854775807",
    "(",
    "(-",
    "3\0x",
    "300-18446744073709551615",
    "281474976710656-1",
];

const TEXTS: &[&str] = &[
    "",
    "a",
    "b",
    "field",
    "1",
    "01",
    "-1",
    "127",
    "128",
    "4095",
    "4096",
    "-4097",
    "32768",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "1.5",
    "\0",
    "\r\n",
    "é",
];

const NUMBERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "5",
    "100",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "x",
    "",
    "1.0",
    " 1",
];

fn directives(dice: &mut Dice) -> Vec<(&'static str, String)> {
    let bytes = dice.pick(&["4096", "4096", "0", "60", "100", "200", "500"]);
    let entries = dice.pick(&["100", "100", "0", "1", "2", "3", "5", "10", "20"]);
    vec![
        ("stream-node-max-bytes", bytes.to_owned()),
        ("stream-node-max-entries", entries.to_owned()),
    ]
}

fn text(word: &str) -> String {
    word.to_owned()
}

fn key(dice: &mut Dice) -> String {
    text(if dice.below(12) == 0 { FUTURE } else { dice.pick(KEYS) })
}

/// Mostly an ID that may be there.
fn id(dice: &mut Dice) -> String {
    match dice.below(14) {
        0 => text(dice.pick(IDS)),
        1..5 => dice.below(40).to_string(),
        5 => format!("4102444800000-{}", dice.below(20)),
        _ => format!("{}-{}", dice.below(40), dice.below(3)),
    }
}

fn bound(dice: &mut Dice, open: &str) -> String {
    match dice.below(8) {
        0..3 => text(open),
        3 => format!("({}", id(dice)),
        _ => id(dice),
    }
}

fn number(dice: &mut Dice) -> String {
    if dice.below(9) == 0 { text(dice.pick(NUMBERS)) } else { dice.below(12).to_string() }
}

fn word(dice: &mut Dice) -> String {
    match dice.below(30) {
        0 => "x".repeat(dice.pick(&[63, 64, 127, 128, 4000, 4095, 4096, 5000])),
        1..3 => "y".repeat(dice.below(120)),
        3..8 => dice.below(300).to_string(),
        _ => text(dice.pick(TEXTS)),
    }
}

fn trimming(dice: &mut Dice, words: &mut Words) {
    let by_id = dice.below(3) == 0;
    words.push(text(if by_id { "MINID" } else { dice.pick(&["MAXLEN", "maxlen"]) }));
    let operator = dice.pick(&["", "~", "~", "="]);
    if !operator.is_empty() {
        words.push(text(operator));
    }
    words.push(if by_id { id(dice) } else { number(dice) });
    if dice.below(4) == 0 {
        words.extend([text("LIMIT"), number(dice)]);
    }
}

/// IDs to add that grow, most of the time.
fn new_id(dice: &mut Dice, key: &str) -> String {
    match dice.below(20) {
        _ if key == FUTURE => text("*"),
        0 => id(dice),
        1..4 => format!("{}-{}", dice.below(40), dice.below(3)),
        4 => format!("{}-*", dice.below(60)),
        // A number that the script has not used: where a script is, its dice are not told.
        5..14 => format!("{}-*", 30 + dice.below(20)),
        _ => format!("{}-{}", 20 + dice.below(300), dice.below(3)),
    }
}

fn xadd(dice: &mut Dice, words: &mut Words) {
    let key = key(dice);
    words.push(key.clone());
    if dice.below(12) == 0 {
        words.push(text("NOMKSTREAM"));
    }
    if dice.below(4) == 0 {
        trimming(dice, words);
    }
    words.push(new_id(dice, &key));
    let pairs = if dice.below(30) == 0 { dice.below(70) } else { 1 + dice.below(2) };
    for pair in 0..pairs {
        let same = dice.below(3) > 0;
        words.push(if same { format!("name{pair}") } else { word(dice) });
        words.push(word(dice));
    }
}

/// A group, and all consumers that may ever be asked for.
fn create(dice: &mut Dice) -> Vec<Words> {
    let (key, group) = (key(dice), text(dice.pick(GROUPS)));
    let mut words = vec![text("XGROUP"), text("CREATE"), key.clone(), group.clone()];
    words.push(if dice.below(3) == 0 { text("$") } else { id(dice) });
    if dice.below(3) > 0 {
        words.push(text("MKSTREAM"));
    }
    if dice.below(5) == 0 {
        words.extend([text("ENTRIESREAD"), number(dice)]);
    }
    let mut script = vec![words];
    script.extend(members(&key, &group));
    script
}

fn members(key: &str, group: &str) -> Vec<Words> {
    let member = |name: &&str| {
        vec![text("XGROUP"), text("CREATECONSUMER"), text(key), text(group), text(name)]
    };
    ["c", "d", "e"].iter().map(member).collect()
}

fn xread(dice: &mut Dice, words: &mut Words) {
    let in_group = words[0] == "XREADGROUP";
    if in_group {
        words.extend([text("GROUP"), text(dice.pick(GROUPS)), text(dice.pick(CONSUMERS))]);
    }
    if dice.below(3) == 0 {
        words.extend([text("COUNT"), number(dice)]);
    }
    if dice.below(3) == 0 {
        let odd: &[&str] = &["-1", "x", "", "1.5", "9223372036854775807", "9223372036854775808"];
        let ms = if dice.below(6) == 0 { dice.pick(odd) } else { dice.pick(&["0", "1", "100"]) };
        words.extend([text("BLOCK"), text(ms)]);
    }
    if in_group && dice.below(5) == 0 {
        words.push(text("NOACK"));
    }
    words.push(text("STREAMS"));
    let streams = if dice.below(4) == 0 { 1 + dice.below(3) } else { 1 };
    (0..streams).for_each(|_| words.push(key(dice)));
    for _ in 0..streams {
        words.push(match dice.below(5) {
            0..3 if in_group => text(">"),
            0 => text("$"),
            1..3 => text("0"),
            _ => id(dice),
        });
    }
}

/// An idle time that is far from what either clock may say.
fn idle(dice: &mut Dice) -> String {
    text(dice.pick(&["0", "0", "0", "100000", "1000000", "-1", "x"]))
}

fn xclaim(dice: &mut Dice, words: &mut Words) {
    words.extend([key(dice), text(dice.pick(GROUPS)), text(dice.pick(CONSUMERS)), idle(dice)]);
    (0..1 + dice.below(4)).for_each(|_| words.push(id(dice)));
    for _ in 0..dice.below(3) {
        match dice.below(7) {
            0 => words.push(text("FORCE")),
            1 => words.push(text("JUSTID")),
            2 => words
                .extend([text("IDLE"), text(dice.pick(&["0", "500000", "2000000", "-5", "x"]))]),
            3 => words
                .extend([text("TIME"), text(dice.pick(&["0", "5", "4102444800000", "-1", "x"]))]),
            4 => words.extend([text("RETRYCOUNT"), text(dice.pick(&["0", "5", "-1", "x"]))]),
            5 => words.extend([text("LASTID"), id(dice)]),
            _ => words.push(text("FORCE")),
        }
    }
}

fn xpending(dice: &mut Dice, words: &mut Words) {
    words.extend([key(dice), text(dice.pick(GROUPS))]);
    if dice.below(3) == 0 {
        return;
    }
    if dice.below(4) == 0 {
        words.extend([text("IDLE"), idle(dice)]);
    }
    words.extend([bound(dice, "-"), bound(dice, "+"), number(dice)]);
    if dice.below(3) == 0 {
        words.push(text(dice.pick(&["c", "d", "nobody"])));
    }
}

/// A request, and after one that writes all that can be seen of its keys.
fn requests(dice: &mut Dice) -> Vec<Words> {
    let mut script = match dice.below(30) {
        0..3 => create(dice),
        3 => {
            let (key, group) = (key(dice), text(dice.pick(GROUPS)));
            let words = ["XGROUP", "DELCONSUMER", &key, &group, dice.pick(CONSUMERS)].map(text);
            let mut script = vec![words.to_vec()];
            script.extend(members(&key, &group));
            script
        }
        4 => {
            let (first, count) = (20 + dice.below(300), 1 + dice.below(40));
            let add = |at: usize| {
                ["XADD", "a", &format!("{}-{}", first + at, at % 3), "name0", "v"]
                    .map(text)
                    .to_vec()
            };
            (0..count).map(add).collect()
        }
        // Where `*` is deterministic.
        5 => vec![["XADD", FUTURE, "4102444800000-*", "n", "v"].map(text).to_vec()],
        _ => {
            let mut request = request(dice);
            if dice.below(60) == 0 {
                request.pop();
            } else if dice.below(60) == 0 {
                request.push(word(dice));
            }
            vec![request]
        }
    };
    // Behind an entry in the future the clock does not matter.
    if script[0].contains(&text(FUTURE)) && script[0].contains(&text("*")) {
        script.insert(0, ["XADD", FUTURE, "4102444800000-*", "n", "v"].map(text).to_vec());
    }
    let reads = ["XLEN", "XRANGE", "XREVRANGE", "XREAD", "XPENDING", "XINFO"];
    // Elsewhere it would be asked.
    script.retain(|words| {
        words[0] != "XADD" || words.contains(&text(FUTURE)) || !words.contains(&text("*"))
    });
    let Some(last) = script.last() else { return script };
    if !reads.contains(&&*last[0]) {
        let keys: Vec<String> = last
            .iter()
            .skip(1)
            .filter(|word| KEYS.contains(&word.as_str()) || *word == FUTURE)
            .cloned()
            .collect();
        keys.into_iter().take(2).for_each(|key| script.extend(shown(dice, &key)));
    }
    script
}

fn shown(dice: &mut Dice, key: &str) -> Vec<Words> {
    let mut shown = vec![
        vec!["XINFO", "STREAM", key],
        vec!["XINFO", "GROUPS", key],
        vec!["XRANGE", key, "-", "+"],
        vec!["TYPE", key],
        vec!["OBJECT", "ENCODING", key],
    ];
    if dice.below(2) == 0 {
        shown.push(vec!["XPENDING", key, "g", "-", "+", "100"]);
        shown.push(vec!["XPENDING", key, "g"]);
    }
    if dice.below(4) == 0 {
        shown.push(vec!["XINFO", "CONSUMERS", key, "g"]);
        shown.push(vec!["XINFO", "STREAM", key, "FULL"]);
        shown.push(vec!["XREVRANGE", key, "+", "-"]);
    }
    shown.into_iter().map(|words| words.into_iter().map(text).collect()).collect()
}

/// What is asked, as often as it stands here.
const REQUESTS: &[&str] = &[
    "XADD",
    "XADD",
    "XADD",
    "XADD",
    "XADD",
    "XADD",
    "XADD",
    "XTRIM",
    "XTRIM",
    "XDEL",
    "XDEL",
    "XLEN",
    "XRANGE",
    "XREVRANGE",
    "XREAD",
    "XREADGROUP",
    "XREADGROUP",
    "XREADGROUP",
    "XREADGROUP",
    "XACK",
    "XPENDING",
    "XCLAIM",
    "XCLAIM",
    "XAUTOCLAIM",
    "XAUTOCLAIM",
    "XGROUP SETID",
    "XGROUP SETID",
    "XGROUP DESTROY",
    "XINFO STREAM",
    "XINFO CONSUMERS",
    "XSETID",
    "DEL",
    "SET",
    "EXPIRE",
    "COPY",
    "RENAME",
];

fn request(dice: &mut Dice) -> Words {
    let name = dice.pick(REQUESTS);
    let mut words: Words = name.split(' ').map(text).collect();
    match name {
        "XADD" => xadd(dice, &mut words),
        "XTRIM" => {
            words.push(key(dice));
            trimming(dice, &mut words);
        }
        "XDEL" => {
            words.push(key(dice));
            (0..1 + dice.below(4)).for_each(|_| words.push(id(dice)));
        }
        "XACK" => {
            words.extend([key(dice), text(dice.pick(GROUPS))]);
            (0..1 + dice.below(4)).for_each(|_| words.push(id(dice)));
        }
        "XRANGE" => words.extend([key(dice), bound(dice, "-"), bound(dice, "+")]),
        "XREVRANGE" => words.extend([key(dice), bound(dice, "+"), bound(dice, "-")]),
        "XREAD" | "XREADGROUP" => xread(dice, &mut words),
        "XPENDING" => xpending(dice, &mut words),
        "XCLAIM" => xclaim(dice, &mut words),
        "XAUTOCLAIM" | "XGROUP SETID" => group_request(dice, name, &mut words),
        "XGROUP DESTROY" | "XINFO CONSUMERS" => {
            words.extend([key(dice), text(dice.pick(GROUPS))]);
        }
        "XINFO STREAM" => {
            words.push(key(dice));
            if dice.below(3) > 0 {
                words.push(text("FULL"));
            }
            if dice.below(3) > 0 {
                words.extend([text("COUNT"), number(dice)]);
            }
        }
        "XSETID" => {
            words.extend([text(dice.pick(KEYS)), id(dice)]);
            if dice.below(2) == 0 {
                words.extend([text("ENTRIESADDED"), (dice.below(200)).to_string()]);
                words.extend([text("MAXDELETEDID"), id(dice)]);
            }
        }
        "DEL" | "SET" => words.push(text(dice.pick(&["s", "s", "b", "none"]))),
        "COPY" | "RENAME" => {
            words.extend(["a", dice.pick(&["b", "none"])].map(text));
        }
        _ => words.push(key(dice)),
    }
    match name {
        "XRANGE" | "XREVRANGE" if dice.below(2) == 0 => words.extend([text("COUNT"), number(dice)]),
        "SET" => words.push(text("v")),
        "EXPIRE" => words.push(text("10000")),
        _ => {}
    }
    words
}

/// Arguments of what takes options behind a group.
fn group_request(dice: &mut Dice, name: &str, words: &mut Words) {
    match name {
        "XAUTOCLAIM" => {
            words.extend([key(dice), text(dice.pick(GROUPS)), text(dice.pick(CONSUMERS))]);
            words.extend([idle(dice), bound(dice, "0")]);
            if dice.below(2) == 0 {
                words.extend([text("COUNT"), text(dice.pick(&["1", "2", "3", "0", "x", "100"]))]);
            }
            if dice.below(3) == 0 {
                words.push(text("JUSTID"));
            }
        }
        "XGROUP SETID" => {
            words.extend([key(dice), text(dice.pick(GROUPS))]);
            words.push(if dice.below(4) == 0 { text("$") } else { id(dice) });
            if dice.below(4) == 0 {
                words.extend([text("ENTRIESREAD"), number(dice)]);
            }
        }
        _ => unreachable!("only these are asked here"),
    }
}

/// Whether two replies are the same but for times, and for what Redis 7.2 tells beyond 7.0.
pub fn is_alike(ours: &Value, theirs: &Value) -> bool {
    // With the sequence exhausted Redis 7.0 says whatever it said last.
    const TOO_LARGE: &str = "ERR Elements are too large to be stored";
    if let (Value::Error(ours), Value::Error(theirs)) = (ours, theirs) {
        return ours == theirs || (ours == TOO_LARGE && theirs.starts_with("ERR The ID specified"));
    }
    same(&flat(ours), &flat(theirs))
}

/// Maps as lists of keys and values, without what is new.
fn flat(value: &Value) -> Value {
    let newer = |key: &Value| matches!(key, Value::Bulk(name) if name == b"inactive" || name == b"active-time");
    match value {
        Value::Map(pairs) => Value::Map(
            pairs
                .iter()
                .filter(|(key, _)| !newer(key))
                .map(|(k, v)| (k.clone(), flat(v)))
                .collect(),
        ),
        Value::Array(list) => {
            let mut kept = Vec::new();
            let mut skip = false;
            for one in list {
                if std::mem::take(&mut skip) {
                    continue;
                }
                skip = newer(one);
                if !skip {
                    kept.push(flat(one));
                }
            }
            Value::Array(kept)
        }
        other => other.clone(),
    }
}

fn near(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Integer(a), Value::Integer(b)) => a.abs_diff(*b) <= CLOCKS_DIFFER_MS as u64,
        _ => false,
    }
}

fn same(one: &Value, other: &Value) -> bool {
    let is_time =
        |key: &Value| matches!(key, Value::Bulk(name) if name == b"idle" || name == b"seen-time");
    match (one, other) {
        (Value::Array(a), Value::Array(b)) => {
            let is_pending = matches!(a.first(), Some(Value::Bulk(id)) if id.contains(&b'-'));
            a.len() == b.len()
                && (0..a.len()).all(|at| {
                    let time = (at > 0 && is_time(&a[at - 1])) || (is_pending && at + 1 < a.len());
                    same(&a[at], &b[at]) || (time && near(&a[at], &b[at]))
                })
        }
        (Value::Map(a), Value::Map(b)) => {
            a.len() == b.len()
                && a.iter().zip(b).all(|(a, b)| {
                    a.0 == b.0 && (same(&a.1, &b.1) || (is_time(&a.0) && near(&a.1, &b.1)))
                })
        }
        _ => one == other,
    }
}
