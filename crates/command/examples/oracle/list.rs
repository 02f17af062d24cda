//! Lists: scripts weighted to edges, on few keys, with nodes from one element to many.

use super::{Dice, Family, Words};

/// The family.
pub const FAMILY: Family = Family { name: "list", directives, requests };

/// Sizes of nodes.
const SIZES: &[&str] = &["-2", "-2", "-1", "-5", "-100", "0", "1", "2", "3", "5", "16", "100000"];

const KEYS: &[&str] = &["a", "a", "a", "b", "b", "c", "s", "none"];

const ELEMENTS: &[&str] = &[
    "",
    "a",
    "a",
    "a",
    "b",
    "b",
    "c",
    "1",
    "1",
    "2",
    "-1",
    "01",
    "+1",
    "0",
    "-0",
    " 1",
    "1 ",
    "127",
    "128",
    "4095",
    "4096",
    "-4096",
    "-4097",
    "32768",
    "8388608",
    "2147483648",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "1.5",
    "\0",
    "a\0b",
    "\r\n",
    "é",
    "LEFT",
    "BEFORE",
];

const NUMBERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "-2",
    "3",
    "-3",
    "5",
    "-6",
    "10",
    "-100",
    "100",
    "9223372036854775807",
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
    vec![("list-max-listpack-size", dice.pick(SIZES).to_owned())]
}

fn key(dice: &mut Dice) -> String {
    dice.pick(KEYS).to_owned()
}

fn element(dice: &mut Dice) -> String {
    match dice.below(60) {
        0 => "x".repeat(dice.pick(&[63, 64, 127, 128, 4000, 4095, 4096, 8170, 8180, 8193, 9000])),
        1..4 => "y".repeat(dice.below(300)),
        4..10 => dice.below(20).to_string(),
        _ => dice.pick(ELEMENTS).to_owned(),
    }
}

/// Mostly a small number, which may be negative.
fn index(dice: &mut Dice) -> String {
    match dice.below(6) {
        0 => dice.pick(NUMBERS).to_owned(),
        _ => (dice.below(24) as i64 - 12).to_string(),
    }
}

fn count(dice: &mut Dice) -> String {
    match dice.below(8) {
        0 => dice.pick(NUMBERS).to_owned(),
        _ => dice.below(6).to_string(),
    }
}

fn side(dice: &mut Dice) -> String {
    dice.pick(&["LEFT", "RIGHT", "LEFT", "RIGHT", "left", "Right", "LEFT", "RIGHT", "UP"])
        .to_owned()
}

fn elements(dice: &mut Dice) -> Vec<String> {
    let many = if dice.below(10) == 0 { 60 } else { 4 };
    let times = 1 + dice.below(many);
    (0..times).map(|_| element(dice)).collect()
}

/// A request, and after one that writes all that can be seen of its keys.
fn requests(dice: &mut Dice) -> Vec<Words> {
    let mut request = request(dice);
    if dice.below(60) == 0 {
        request.pop();
    } else if dice.below(60) == 0 {
        request.push(element(dice));
    }
    let mut script = Vec::new();
    let reads = ["LRANGE", "LINDEX", "LLEN", "LPOS"].contains(&&*request[0]);
    let keys: Vec<String> =
        request.iter().skip(1).filter(|word| KEYS.contains(&word.as_str())).cloned().collect();
    script.push(request);
    for key in keys.into_iter().take(if reads { 0 } else { 3 }) {
        script.push(vec!["LRANGE".to_owned(), key.clone(), "0".to_owned(), "-1".to_owned()]);
        script.push(vec!["OBJECT".to_owned(), "ENCODING".to_owned(), key.clone()]);
        script.push(vec!["TYPE".to_owned(), key]);
    }
    script
}

/// Names, as often as they are to be asked; `#` stands for a count.
const NAMES: &[&str] = &[
    "LPUSH",
    "LPUSH",
    "RPUSH",
    "RPUSH",
    "RPUSH",
    "LPUSHX",
    "RPUSHX",
    "LPOP",
    "RPOP",
    "LPOP#",
    "RPOP#",
    "LLEN",
    "LINDEX",
    "LSET",
    "LSET",
    "LINSERT",
    "LINSERT",
    "LREM",
    "LREM",
    "LRANGE",
    "LTRIM",
    "LPOS",
    "LPOS",
    "LMOVE",
    "LMOVE",
    "RPOPLPUSH",
    "LMPOP",
    "BLPOP",
    "BRPOP",
    "BLMPOP",
    "BLMOVE",
    "BRPOPLPUSH",
    "DEL",
    "SET",
    "EXPIRE",
];

fn request(dice: &mut Dice) -> Words {
    let name = dice.pick(NAMES);
    let mut words = vec![name.trim_end_matches('#').to_owned()];
    if name == "BLMPOP" {
        words.push(timeout(dice));
    }
    if !name.ends_with("LMPOP") && name != "SET" {
        words.push(key(dice));
    }
    match name {
        "LPUSH" | "RPUSH" | "LPUSHX" | "RPUSHX" => words.extend(elements(dice)),
        "LPOP#" | "RPOP#" => words.push(count(dice)),
        "LINDEX" => words.push(index(dice)),
        "LSET" => words.extend([index(dice), element(dice)]),
        "LINSERT" => {
            let place = dice.pick(&["BEFORE", "AFTER", "before", "After", "BEFORE", "AFTER", "AT"]);
            words.extend([place.to_owned(), element(dice), element(dice)]);
        }
        "LREM" => words.extend([index(dice), element(dice)]),
        "LRANGE" | "LTRIM" => words.extend([index(dice), index(dice)]),
        "LPOS" => {
            words.push(element(dice));
            for _ in 0..dice.below(4) {
                let option =
                    dice.pick(&["RANK", "COUNT", "MAXLEN", "rank", "COUNT", "MAXLEN", "X"]);
                let value = if dice.below(2) == 0 { count(dice) } else { index(dice) };
                words.extend([option.to_owned(), value]);
            }
        }
        "LMOVE" => words.extend([key(dice), side(dice), side(dice)]),
        "RPOPLPUSH" => words.push(key(dice)),
        "LMPOP" | "BLMPOP" => lmpop(dice, &mut words),
        "BLPOP" | "BRPOP" => {
            let more = dice.below(3);
            words.extend((0..more).map(|_| key(dice)));
            words.push(timeout(dice));
        }
        "BLMOVE" => words.extend([key(dice), side(dice), side(dice), timeout(dice)]),
        "BRPOPLPUSH" => words.extend([key(dice), timeout(dice)]),
        "SET" => words.extend(["s".to_owned(), element(dice)]),
        "EXPIRE" => words.push("10000".to_owned()),
        _ => {}
    }
    words
}

/// A time limit in seconds, mostly a good one.
pub fn timeout(dice: &mut Dice) -> String {
    const ODD: &[&str] = &[
        "-1",
        "-0",
        "-0.0001",
        "-0.001",
        "-0.00100000001",
        "-0.0009999999999999999999",
        "-1e-20",
        "1e-4931",
        "1e-5000",
        "0x1p-3",
        "0x",
        "1e15",
        "9223372036854775",
        "9223372036854775.8",
        "9223372036854775.807",
        "9223372036854775.8075",
        "9223372036854775.808",
        "9223372036854776",
        "1e400",
        "1e5000",
        "inf",
        "-inf",
        "Infinity",
        "nan",
        "",
        " 1",
        "1 ",
        "1x",
        "+1",
        ".",
        ".5",
        "5.",
    ];
    match dice.below(5) {
        0 => dice.pick(ODD).to_owned(),
        1 => format!("{}.{}", dice.below(3), dice.below(2000)),
        _ => dice.below(4).to_string(),
    }
}

fn lmpop(dice: &mut Dice, words: &mut Words) {
    let keys = 1 + dice.below(3);
    words.push(if dice.below(12) == 0 { index(dice) } else { keys.to_string() });
    (0..keys).for_each(|_| words.push(key(dice)));
    words.push(side(dice));
    for _ in 0..[0, 1, 1, 1, 2][dice.below(5)] {
        words.extend(["COUNT".to_owned(), count(dice)]);
    }
}
