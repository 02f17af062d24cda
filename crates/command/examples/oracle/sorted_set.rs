//! Sorted sets: scripts weighted to edges, on few keys and few members, across both thresholds.

use super::{Dice, Family, Words};

/// The family.
pub const FAMILY: Family = Family { name: "sorted_set", directives, requests };

const KEYS: &[&str] = &["a", "a", "a", "a", "b", "b", "b", "c", "s", "t", "none", "l"];

/// The key whose scores are all equal, which ranges of members are made for; elsewhere chance decides in Redis what they
/// find.
const LEX_KEY: &str = "l";

const MEMBERS: &[&str] = &[
    "",
    "a",
    "a",
    "b",
    "b",
    "c",
    "d",
    "e",
    "1",
    "2",
    "10",
    "9",
    "-1",
    "01",
    "+1",
    "0",
    "-0",
    " 1",
    "127",
    "128",
    "-4097",
    "32768",
    "9223372036854775807",
    "9223372036854775808",
    "1.5",
    "\0",
    "a\0b",
    "\r\n",
    "é",
    "MIN",
    "NX",
];

const SCORES: &[&str] = &[
    "0",
    "1",
    "2",
    "3",
    "-1",
    "-0",
    "1.5",
    "-2.5",
    "0.1",
    "0.2",
    "0.3",
    "1e3",
    "1e-9",
    "1e300",
    "-1e300",
    "5e-324",
    "inf",
    "-inf",
    "+inf",
    "Infinity",
    "nan",
    "",
    "x",
    " 1",
    "1 ",
    "1e400",
    "1e-400",
    "0x10",
    "0x1p-3",
    "4503599627370497.5",
    "9007199254740993",
    "9223372036854775807",
    "-9223372036854775808",
    "4611686018427387904",
    "4611686018427387905",
    "123456789.987654321",
    "99999999999999999999",
    "1e17",
    "1e21",
    "1e22",
    "3.0",
    "1.7976931348623157e308",
    "1\0",
    "100000000000000000",
    "0.000001",
    "0.0000001",
    "12345678901234567890",
    "65536",
    "-65537",
];

const NUMBERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "-2",
    "3",
    "5",
    "-6",
    "100",
    "-100",
    "9223372036854775807",
    "-9223372036854775808",
    "-9223372036854775807",
    "9223372036854775808",
    "x",
    "",
    "1.0",
    " 1",
    "01",
    "4294967296",
];

fn directives(dice: &mut Dice) -> Vec<(&'static str, String)> {
    vec![
        (
            "zset-max-listpack-entries",
            dice.pick(&["128", "128", "0", "1", "2", "3", "5", "8"]).to_owned(),
        ),
        ("zset-max-listpack-value", dice.pick(&["64", "64", "64", "0", "1", "3", "5"]).to_owned()),
    ]
}

pub fn text(words: &[&str]) -> Words {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn key(dice: &mut Dice) -> String {
    dice.pick(KEYS).to_owned()
}

fn member(dice: &mut Dice) -> String {
    match dice.below(40) {
        0 => "x".repeat(dice.pick(&[1, 2, 3, 4, 63, 64, 65, 127, 4000, 4096])),
        1..8 => dice.below(20).to_string(),
        _ => dice.pick(MEMBERS).to_owned(),
    }
}

fn score(dice: &mut Dice) -> String {
    match dice.below(10) {
        0..3 => dice.pick(SCORES).to_owned(),
        3 => format!("{}", (dice.below(2000) as f64 - 1000.0) / 7.0),
        4 => format!("{:e}", dice.below(1_000_000) as f64 * 10f64.powi(dice.below(60) as i32 - 30)),
        _ => (dice.below(12) as i64 - 4).to_string(),
    }
}

fn number(dice: &mut Dice) -> String {
    match dice.below(6) {
        0 => dice.pick(NUMBERS).to_owned(),
        _ => (dice.below(16) as i64 - 6).to_string(),
    }
}

fn count(dice: &mut Dice) -> String {
    match dice.below(8) {
        0 => dice.pick(NUMBERS).to_owned(),
        _ => dice.below(5).to_string(),
    }
}

fn score_end(dice: &mut Dice) -> String {
    let open = if dice.below(4) == 0 { "(" } else { "" };
    match dice.below(5) {
        0 => dice.pick(&["-inf", "+inf", "inf", "(inf", "((1", "( 1"]).to_owned(),
        _ => format!("{open}{}", score(dice)),
    }
}

fn member_end(dice: &mut Dice) -> String {
    match dice.below(9) {
        0 | 1 => "-".to_owned(),
        2 | 3 => "+".to_owned(),
        4 => member(dice),
        5 => dice.pick(&["", "[", "(", "-x", "+\0", "--"]).to_owned(),
        6 => format!("({}", member(dice)),
        _ => format!("[{}", member(dice)),
    }
}

fn limit(dice: &mut Dice, words: &mut Words) {
    if dice.below(3) == 0 {
        words.extend(["LIMIT".to_owned(), count(dice), number(dice)]);
    }
}

fn word(dice: &mut Dice, one_in: usize, word: &str, words: &mut Words) {
    if dice.below(one_in) == 0 {
        words.push(word.to_owned());
    }
}

/// A request, and after one that writes all that can be seen of its keys.
fn requests(dice: &mut Dice) -> Vec<Words> {
    let mut request = request(dice);
    if dice.below(60) == 0 && request.len() > 1 {
        request.pop();
    } else if dice.below(60) == 0 && !matches!(&*request[0], "ZRANK" | "ZREVRANK") {
        request.push(
            dice.pick(&["WITHSCORES", "LIMIT", "x", "1", "REV", "AGGREGATE", "COUNT"]).to_owned(),
        );
    }
    let writes = WRITES.contains(&&*request[0]);
    let keys: Vec<String> = request
        .iter()
        .skip(1)
        .filter(|word| KEYS.contains(&word.as_str()))
        .take(3)
        .cloned()
        .collect();
    let mut script = vec![request];
    for key in keys.into_iter().take(if writes { 3 } else { 0 }) {
        script.push(text(&["ZRANGE", &key, "0", "-1", "WITHSCORES"]));
        script.push(text(&["OBJECT", "ENCODING", &key]));
        script.push(text(&["TYPE", &key]));
    }
    script
}

const WRITES: &[&str] = &[
    "ZADD",
    "ZINCRBY",
    "ZREM",
    "ZREMRANGEBYRANK",
    "ZREMRANGEBYSCORE",
    "ZREMRANGEBYLEX",
    "ZPOPMIN",
    "ZPOPMAX",
    "ZMPOP",
    "BZPOPMIN",
    "BZPOPMAX",
    "BZMPOP",
    "ZRANGESTORE",
    "ZUNIONSTORE",
    "ZINTERSTORE",
    "ZDIFFSTORE",
];

const NAMES: &[&str] = &[
    "ZADD",
    "ZADD",
    "ZADD",
    "ZADD",
    "ZADD",
    "ZADD",
    "ZINCRBY",
    "ZINCRBY",
    "ZREM",
    "ZSCORE",
    "ZMSCORE",
    "ZCARD",
    "ZCOUNT",
    "ZLEXCOUNT",
    "ZRANK",
    "ZREVRANK",
    "ZRANGE",
    "ZRANGE",
    "ZRANGE",
    "ZREVRANGE",
    "ZRANGEBYSCORE",
    "ZREVRANGEBYSCORE",
    "ZRANGEBYLEX",
    "ZREVRANGEBYLEX",
    "ZREMRANGEBYRANK",
    "ZREMRANGEBYSCORE",
    "ZREMRANGEBYLEX",
    "ZPOPMIN",
    "ZPOPMAX",
    "ZMPOP",
    "BZPOPMIN",
    "BZPOPMAX",
    "BZMPOP",
    "ZRANDMEMBER",
    "ZSCAN",
    "ZRANGESTORE",
    "ZUNION",
    "ZINTER",
    "ZDIFF",
    "ZINTERCARD",
    "ZUNIONSTORE",
    "ZINTERSTORE",
    "ZDIFFSTORE",
    "SADD",
    "SET",
    "DEL",
    "EXPIRE",
    "fill",
];

fn request(dice: &mut Dice) -> Words {
    let name = dice.pick(NAMES);
    let mut words = vec![name.to_owned()];
    match name {
        "ZUNION" | "ZINTER" | "ZDIFF" | "ZINTERCARD" | "ZMPOP" => {}
        "BZMPOP" => words.push(super::list::timeout(dice)),
        "SADD" | "SET" => words.push(if name == "SET" { "t" } else { "s" }.to_owned()),
        name if name.contains("LEX") => {
            words.push(dice.pick(&["l", "l", "l", "absent"]).to_owned())
        }
        "ZINCRBY" | "ZUNIONSTORE" | "ZINTERSTORE" | "ZDIFFSTORE" => {
            words.push(dice.pick(&["a", "b", "c"]).to_owned())
        }
        _ => words.push(key(dice)),
    }
    match name {
        "ZADD" => zadd(dice, &mut words),
        "ZINCRBY" => words.extend([score(dice), member(dice)]),
        "ZREM" | "ZMSCORE" | "SADD" => {
            let times = 1 + dice.below(3);
            words.extend((0..times).map(|_| member(dice)));
        }
        "ZSCORE" | "ZRANK" | "ZREVRANK" | "SET" => words.push(member(dice)),
        "ZCOUNT" | "ZREMRANGEBYSCORE" => words.extend([score_end(dice), score_end(dice)]),
        "ZLEXCOUNT" | "ZREMRANGEBYLEX" => words.extend([member_end(dice), member_end(dice)]),
        "ZREMRANGEBYRANK" => words.extend([number(dice), number(dice)]),
        "ZREVRANGE" => {
            words.extend([number(dice), number(dice)]);
            word(dice, 2, "WITHSCORES", &mut words);
        }
        "ZRANGEBYSCORE" | "ZREVRANGEBYSCORE" => {
            words.extend([score_end(dice), score_end(dice)]);
            limit(dice, &mut words);
            word(dice, 2, "withscores", &mut words);
        }
        "ZRANGEBYLEX" | "ZREVRANGEBYLEX" => {
            words.extend([member_end(dice), member_end(dice)]);
            limit(dice, &mut words);
        }
        "ZRANGE" | "ZRANGESTORE" => zrange(dice, name == "ZRANGESTORE", &mut words),
        "ZPOPMIN" | "ZPOPMAX" if dice.below(2) == 0 => words.push(count(dice)),
        "BZPOPMIN" | "BZPOPMAX" => {
            let more = dice.below(3);
            words.extend((0..more).map(|_| key(dice)));
            words.push(super::list::timeout(dice));
        }
        "ZMPOP" | "BZMPOP" | "ZRANDMEMBER" | "ZSCAN" => chosen(dice, name, &mut words),
        "ZUNION" | "ZINTER" | "ZDIFF" | "ZINTERCARD" | "ZUNIONSTORE" | "ZINTERSTORE"
        | "ZDIFFSTORE" => {
            several(dice, name, &mut words);
        }
        "EXPIRE" => words.push("250000".to_owned()),
        "fill" => {
            words[0] = "ZADD".to_owned();
            for _ in 0..20 + dice.below(140) {
                let score = if words[1] == LEX_KEY { 0 } else { dice.below(60) };
                words.extend([score.to_string(), dice.below(300).to_string()]);
            }
        }
        _ => {}
    }
    words
}

fn chosen(dice: &mut Dice, name: &str, words: &mut Words) {
    match name {
        "ZMPOP" | "BZMPOP" => {
            keys(dice, words);
            words.push(dice.pick(&["MIN", "MAX", "min", "MAX", "x"]).to_owned());
            if dice.below(2) == 0 {
                words.extend(["COUNT".to_owned(), count(dice)]);
            }
        }
        "ZRANDMEMBER" if dice.below(3) > 0 => {
            words.push(number(dice).replace("9223372036854775807", "7"));
            word(dice, 2, "WITHSCORES", words);
        }
        "ZSCAN" => {
            words.extend(text(&["0", "COUNT", "1000"]));
            if dice.below(3) == 0 {
                words.extend(text(&["MATCH", dice.pick(&["*", "a*", "1*", "?"])]));
            }
        }
        _ => {}
    }
}

fn zadd(dice: &mut Dice, words: &mut Words) {
    for option in ["NX", "XX", "GT", "LT", "CH", "INCR"] {
        word(dice, 7, option, words);
    }
    let many = if dice.below(8) == 0 { 12 } else { 3 };
    let times = if words.contains(&"INCR".to_owned()) && dice.below(9) > 0 {
        1
    } else {
        1 + dice.below(many)
    };
    let lex = words[1] == LEX_KEY;
    for _ in 0..times {
        words.extend([if lex { "0".to_owned() } else { score(dice) }, member(dice)]);
    }
}

fn zrange(dice: &mut Dice, stores: bool, words: &mut Words) {
    let by = dice.pick(&["", "BYSCORE", "BYLEX"]);
    if stores {
        words[1] = dice.pick(&["a", "b", "c", "s"]).to_owned();
        words.push(key(dice));
    }
    if by == "BYLEX" {
        *words.last_mut().expect("a key") = LEX_KEY.to_owned();
    }
    for _ in 0..2 {
        words.push(match by {
            "BYSCORE" => score_end(dice),
            "BYLEX" => member_end(dice),
            _ => number(dice),
        });
    }
    if !by.is_empty() {
        words.push(by.to_owned());
        limit(dice, words);
    } else if dice.below(12) == 0 {
        limit(dice, words);
    }
    word(dice, 3, "REV", words);
    word(dice, if stores { 30 } else { 3 }, "WITHSCORES", words);
}

fn keys(dice: &mut Dice, words: &mut Words) -> usize {
    let times = 1 + dice.below(3);
    words.push(if dice.below(20) == 0 { number(dice) } else { times.to_string() });
    words.extend((0..times).map(|_| key(dice)));
    times
}

fn several(dice: &mut Dice, name: &str, words: &mut Words) {
    let times = keys(dice, words);
    let combines = !name.starts_with("ZDIFF") && name != "ZINTERCARD";
    if dice.below(if combines { 2 } else { 30 }) == 0 {
        words.push("WEIGHTS".to_owned());
        words.extend((0..times).map(|_| score(dice)));
    }
    if dice.below(if combines { 2 } else { 30 }) == 0 {
        words.extend(text(&["AGGREGATE", dice.pick(&["SUM", "MIN", "MAX", "sum", "max", "x"])]));
    }
    if name == "ZINTERCARD" && dice.below(2) == 0 {
        words.extend(["LIMIT".to_owned(), count(dice)]);
    }
    let shows = !name.ends_with("STORE") && name != "ZINTERCARD";
    word(dice, if shows { 2 } else { 40 }, "WITHSCORES", words);
}
