//! Places: scripts of searches around few and many places, at the edges of the map and across it.

use super::sorted_set::text;
use super::{Dice, Family, Words};

/// The family.
pub const FAMILY: Family = Family { name: "geo", directives, requests };

const KEYS: &[&str] = &["a", "a", "a", "a", "b", "c", "s", "none"];

fn directives(dice: &mut Dice) -> Vec<(&'static str, String)> {
    vec![
        ("zset-max-listpack-entries", dice.pick(&["128", "128", "0", "3", "16"]).to_owned()),
        ("zset-max-listpack-value", "64".to_owned()),
    ]
}

fn member(dice: &mut Dice) -> String {
    format!("m{}", dice.below(60))
}

fn coordinate(dice: &mut Dice, most: f64) -> String {
    match dice.below(12) {
        0 => dice
            .pick(&[
                "180",
                "-180",
                "85.05112878",
                "-85.05112878",
                "0",
                "-0",
                "85.0511287800001",
                "181",
                "-86",
                "nan",
                "inf",
                "x",
                "1e-9",
                "90",
                "",
            ])
            .to_owned(),
        1 => format!("{}", dice.below(10) as f64 * 10.0 - 50.0),
        // Near to each other.
        2..8 => format!("{}", 13.0 + dice.below(100_000) as f64 / 50_000.0),
        8 => format!("{}", most - dice.below(1000) as f64 / 1000.0),
        _ => format!("{}", (dice.below(2_000_000) as f64 / 1_000_000.0 - 1.0) * most),
    }
}

fn point(dice: &mut Dice) -> [String; 2] {
    [coordinate(dice, 180.0), coordinate(dice, 85.05112878)]
}

fn length(dice: &mut Dice) -> String {
    match dice.below(16) {
        0 => dice.pick(&["0", "-1", "x", "nan", "inf", "1e-300", "1e300", "", "1e9"]).to_owned(),
        1..4 => (dice.below(40_000) as f64 / 3.0).to_string(),
        4..8 => dice.below(2000).to_string(),
        _ => dice.below(300).to_string(),
    }
}

fn unit(dice: &mut Dice) -> String {
    dice.pick(&["km", "km", "km", "KM", "m", "mi", "FT", "ft", "Km", "x"]).to_owned()
}

/// A request, and after one that writes all that can be seen of its keys.
fn requests(dice: &mut Dice) -> Vec<Words> {
    let mut request = request(dice);
    if dice.below(60) == 0 && request.len() > 1 {
        request.pop();
    } else if dice.below(60) == 0 {
        request
            .push(dice.pick(&["ASC", "COUNT", "x", "1", "STORE", "STOREDIST", "ANY"]).to_owned());
    }
    let writes = request[0] != "GEOADD" && !request[0].ends_with("_RO");
    let mut script = vec![request];
    if writes {
        let key = dice.pick(&["c", "a"]);
        script.push(text(&["ZRANGE", key, "0", "-1", "WITHSCORES"]));
        script.push(text(&["OBJECT", "ENCODING", key]));
    }
    script
}

const NAMES: &[&str] = &[
    "GEOADD",
    "GEOADD",
    "GEOADD",
    "GEOADD",
    "GEODIST",
    "GEOHASH",
    "GEOPOS",
    "GEOSEARCH",
    "GEOSEARCH",
    "GEOSEARCH",
    "GEOSEARCH",
    "GEOSEARCHSTORE",
    "GEORADIUS",
    "GEORADIUS",
    "GEORADIUS_RO",
    "GEORADIUSBYMEMBER",
    "GEORADIUSBYMEMBER_RO",
    "ZADD",
    "ZREM",
    "SET",
    "DEL",
];

fn request(dice: &mut Dice) -> Words {
    let name = dice.pick(NAMES);
    let mut words = vec![name.to_owned()];
    if name == "GEOSEARCHSTORE" {
        words.push(dice.pick(&["c", "c", "c", "a", "s"]).to_owned());
    }
    words.push(if name == "SET" { "s" } else { dice.pick(KEYS) }.to_owned());
    match name {
        "GEOADD" => geoadd(dice, &mut words),
        "GEODIST" => {
            words.extend([member(dice), member(dice)]);
            if dice.below(2) == 0 {
                words.push(unit(dice));
            }
        }
        "GEOHASH" | "GEOPOS" => {
            let times = dice.below(4);
            words.extend((0..times).map(|_| member(dice)));
        }
        "GEOSEARCH" | "GEOSEARCHSTORE" => search(dice, name == "GEOSEARCHSTORE", &mut words),
        "GEORADIUS" | "GEORADIUS_RO" => {
            words.extend(point(dice));
            words.extend([length(dice), unit(dice)]);
            options(dice, &mut words);
            stored(dice, name == "GEORADIUS", &mut words);
        }
        "GEORADIUSBYMEMBER" | "GEORADIUSBYMEMBER_RO" => {
            words.extend([member(dice), length(dice), unit(dice)]);
            options(dice, &mut words);
            stored(dice, name == "GEORADIUSBYMEMBER", &mut words);
        }
        "ZADD" => {
            let score = dice.pick(&[
                "0",
                "-1",
                "1.5",
                "3479099956230698",
                "4503599627370495",
                "4503599627370496",
                "1e17",
                "1e300",
                "inf",
                "-inf",
                "-1e19",
                "1e19",
                "2e19",
            ]);
            words.extend([score.to_owned(), member(dice)]);
        }
        "ZREM" => words.push(member(dice)),
        "SET" => words.push("v".to_owned()),
        _ => {}
    }
    words
}

fn geoadd(dice: &mut Dice, words: &mut Words) {
    for option in ["NX", "XX", "CH"] {
        if dice.below(9) == 0 {
            words.push(option.to_owned());
        }
    }
    let many = dice.pick(&[2, 2, 4, 20]);
    for _ in 0..1 + dice.below(many) {
        words.extend(point(dice));
        words.push(member(dice));
    }
}

/// Options in any order.
fn shuffled(dice: &mut Dice, mut parts: Vec<Words>, words: &mut Words) {
    while !parts.is_empty() {
        let index = dice.below(parts.len());
        words.extend(parts.swap_remove(index));
    }
}

fn some_options(dice: &mut Dice) -> Vec<Words> {
    let mut parts = Vec::new();
    for option in ["WITHCOORD", "WITHDIST", "WITHHASH"] {
        if dice.below(3) == 0 {
            parts.push(text(&[option]));
        }
    }
    if dice.below(3) == 0 {
        let count = dice.pick(&["1", "2", "3", "5", "10", "0", "-1", "x", "9223372036854775807"]);
        parts.push(text(&["COUNT", count]));
        if dice.below(3) == 0 {
            parts.push(text(&["ANY"]));
        }
    }
    if dice.below(2) == 0 {
        parts.push(text(&[dice.pick(&["ASC", "DESC"])]));
    }
    parts
}

fn options(dice: &mut Dice, words: &mut Words) {
    let parts = some_options(dice);
    shuffled(dice, parts, words);
}

fn stored(dice: &mut Dice, stores: bool, words: &mut Words) {
    if dice.below(if stores { 3 } else { 30 }) == 0 {
        words.extend(text(&[dice.pick(&["STORE", "STOREDIST"]), "c"]));
        words.retain(|word| dice.below(6) == 0 || !word.starts_with("WITH"));
    }
}

fn search(dice: &mut Dice, stores: bool, words: &mut Words) {
    let mut parts = some_options(dice);
    if stores {
        parts.retain(|part| dice.below(20) == 0 || !part[0].starts_with("WITH"));
        if dice.below(2) == 0 {
            parts.push(text(&["STOREDIST"]));
        }
    }
    if dice.below(2) == 0 {
        parts.push(vec!["FROMMEMBER".to_owned(), member(dice)]);
    }
    if parts.iter().all(|part| part[0] != "FROMMEMBER") || dice.below(30) == 0 {
        let [longitude, latitude] = point(dice);
        parts.push(vec!["FROMLONLAT".to_owned(), longitude, latitude]);
    }
    if dice.below(2) == 0 {
        parts.push(vec!["BYRADIUS".to_owned(), length(dice), unit(dice)]);
    }
    if parts.iter().all(|part| part[0] != "BYRADIUS") || dice.below(30) == 0 {
        parts.push(vec!["BYBOX".to_owned(), length(dice), length(dice), unit(dice)]);
    }
    shuffled(dice, parts, words);
}
