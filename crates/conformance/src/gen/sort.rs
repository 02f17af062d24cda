//! SORT and SORT_RO, with the keys that BY and GET name.

use super::draw::Kind;
use super::{Draw, Family, fixed, script};
use crate::random::script::Action;

pub const FAMILY: Family = Family {
    name: "sort",
    templates: &[
        script(6, sorts),
        script(4, edges),
        fixed(
            1,
            "COMMAND (GETKEYS|GETKEYSANDFLAGS) (SORT|SORT_RO) <key> {[BY <key>] [GET <key>] [STORE <key>] [LIMIT 0 1]}",
        ),
    ],
};

/// A command before SORT that clears the errno of redis-server: SORT looks at it and does not clear it itself, and so
/// refuses numbers that are fine if some command before met one out of range.
fn clears_errno(conn: usize) -> Action {
    let words = [&b"ZADD"[..], b"sorted:errno", b"1.5", b"m"];
    Action::Command { conn, args: words.iter().map(|word| word.to_vec()).collect() }
}

/// The name of a list, of a set, or of what cannot be sorted. Nobody else has these names: Redis makes a skiplist of a
/// sorted set that it sorts (`intended.rs`), so none may be sorted by chance.
fn name(draw: &mut Draw, kind: &str) -> Vec<u8> {
    format!("sort:{kind}:{}", draw.below(3)).into_bytes()
}

/// SORT of what may be no list, with numbers that may be none.
fn edges(draw: &mut Draw, conn: usize) -> Vec<Action> {
    let [int, junk] = ["int", "junk"].map(|kind| Kind::named(kind).expect("a kind of draw.rs"));
    let other = name(draw, "other");
    let make: Words = match draw.below(3) {
        0 => vec![word("SET"), other, word("v")],
        1 => vec![word("HSET"), other, word("f"), word("v")],
        _ => vec![word("SADD"), name(draw, "set"), word("3"), word("1"), word("-2")],
    };
    let kind = *draw.pick(&[&"list", &"set", &"other"]);
    let command = draw.pick(&[&b"SORT"[..], b"SORT_RO"]).to_vec();
    let mut parts: Vec<Words> = vec![
        vec![word("LIMIT"), draw.arg(int), draw.arg(int)],
        vec![word("ALPHA")],
        vec![draw.pick(&[&b"ASC"[..], b"DESC"]).to_vec()],
        vec![word("STORE"), name(draw, "list")],
        vec![draw.arg(junk)],
    ];
    parts.retain(|_| draw.chance(30));
    draw.shuffle(&mut parts);
    let args = [vec![command, name(draw, kind)], parts.concat()].concat();
    vec![Action::Command { conn, args: make }, clears_errno(conn), Action::Command { conn, args }]
}

/// Elements, numbers for them, names for them, and some ways to ask.
fn sorts(draw: &mut Draw, conn: usize) -> Vec<Action> {
    let ranked = draw.chance(30);
    let key = match ranked {
        true => format!("sorted:{}", draw.below(3)).into_bytes(),
        false => name(draw, "list"),
    };
    let mut requests = Vec::new();
    if draw.chance(80) {
        fill(draw, &key, ranked, &mut requests);
    }
    for _ in 0..1 + draw.below(5) {
        ask(draw, &key, &mut requests);
    }
    let mut actions = Vec::new();
    for args in requests {
        if args[0].starts_with(b"SORT") {
            actions.push(clears_errno(conn));
        }
        actions.push(Action::Command { conn, args });
    }
    actions
}

type Words = Vec<Vec<u8>>;

fn word(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

/// Some elements, and the keys that patterns make of them.
fn fill(draw: &mut Draw, key: &[u8], ranked: bool, requests: &mut Vec<Words>) {
    requests.push(vec![word("DEL"), key.to_vec()]);
    for number in 0..draw.below(12) {
        let element = element(draw, number);
        let score = word(&(number % 5).to_string());
        requests.push(match ranked {
            true => vec![word("ZADD"), key.to_vec(), score, element.clone()],
            false => vec![word("RPUSH"), key.to_vec(), element.clone()],
        });
        if draw.chance(70) {
            let weight = word(&(number * 37 % 50).to_string());
            requests.push(vec![word("SET"), [b"w_", &element[..]].concat(), weight]);
        }
        if draw.chance(50) {
            let name = [b"h_", &element[..], b"_x"].concat();
            requests.push(vec![word("HSET"), name, word("f"), element]);
        }
    }
}

/// One way to ask, and what it has stored.
fn ask(draw: &mut Draw, key: &[u8], requests: &mut Vec<Words>) {
    const BYS: &[&str] =
        &["w_*", "h_*_x->f", "nosort", "w_*->f", "none_*", "#", "*", "w_*-", "w_*->"];
    const GETS: &[&str] = &["#", "w_*", "h_*_x->f", "h_*_x", "none", "h_*_x->none", "*"];
    let destination = draw.chance(25).then(|| draw.list_key());
    let mut parts: Vec<Words> = Vec::new();
    if draw.chance(50) {
        parts.push(vec![word("BY"), word(draw.pick(BYS))]);
    } else if draw.chance(30) {
        // Texts and BY together may leave the order of equal ones open.
        parts.push(vec![word("ALPHA")]);
    }
    for _ in 0..draw.below(3) {
        parts.push(vec![word("GET"), word(draw.pick(GETS))]);
    }
    if draw.chance(40) {
        let [offset, count] = [(); 2].map(|()| word(&(draw.below(14) as i64 - 2).to_string()));
        parts.push(vec![word("LIMIT"), offset, count]);
    }
    if draw.chance(50) {
        parts.push(vec![word(if draw.chance(60) { "DESC" } else { "ASC" })]);
    }
    if let Some(destination) = &destination {
        parts.push(vec![word("STORE"), destination.clone()]);
    }
    draw.shuffle(&mut parts);
    let stores = destination.is_some();
    let name = word(if stores || draw.chance(60) { "SORT" } else { "SORT_RO" });
    requests.push([vec![name, key.to_vec()], parts.concat()].concat());
    if let Some(destination) = destination {
        requests.push(vec![word("LRANGE"), destination.clone(), word("0"), word("-1")]);
        requests.push(vec![word("TTL"), destination]);
    }
}

/// Mostly numbers in many spellings, some of them twice.
fn element(draw: &mut Draw, number: usize) -> Vec<u8> {
    match draw.below(14) {
        0..5 => number.to_string().into_bytes(),
        5..8 => (draw.below(6) as i64 - 3).to_string().into_bytes(),
        8 => format!("{}.5", draw.below(4)).into_bytes(),
        9 => {
            draw.pick(&[&b"1e3"[..], b"0x10", b" 7", b"inf", b"-0", b"+4", b"007", b"1."]).to_vec()
        }
        10 => b"9223372036854775807".to_vec(),
        11 => format!("{number}").into_bytes(),
        12 => draw.pick(&[&b""[..], b"text", b"b\x00c", b"7 ", b"nan"]).to_vec(),
        _ => format!("-{number}").into_bytes(),
    }
}
