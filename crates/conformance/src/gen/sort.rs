//! SORT and SORT_RO, with the keys that BY and GET name.

use super::{Draw, Family, line, script};
use crate::random::script::Action;

pub const FAMILY: Family = Family {
    name: "sort",
    templates: &[
        script(6, sorts),
        line(2, "(SORT|SORT_RO) <listkey> {[LIMIT <int> <int>] [ALPHA] [(ASC|DESC)] [<junk>]}"),
        line(2, "SORT <listkey> {[LIMIT <int> <int>] [ALPHA] [(ASC|DESC)] [STORE <key>]}"),
        line(
            2,
            "SORT (<hashkey>|<streamkey>|<listkey>) {[LIMIT <int> <int>] [ALPHA] [(ASC|DESC)] [GET <value>]}",
        ),
        line(1, "SORT <setkey> {[LIMIT <int> <int>] [(ASC|DESC)] [ALPHA] [STORE <listkey>]}"),
        line(
            1,
            "COMMAND (GETKEYS|GETKEYSANDFLAGS) (SORT|SORT_RO) <key> {[BY <key>] [GET <key>] [STORE <key>] [LIMIT 0 1]}",
        ),
    ],
};

/// Elements, numbers for them, names for them, and some ways to ask.
fn sorts(draw: &mut Draw, conn: usize) -> Vec<Action> {
    let ranked = draw.chance(30);
    // Names of their own: Redis makes a skiplist of a sorted set that it sorts (`intended.rs`).
    let key = match ranked {
        true => format!("sorted:{}", draw.below(3)).into_bytes(),
        false => draw.list_key(),
    };
    let elements: Vec<Vec<u8>> = (0..draw.below(12)).map(|number| element(draw, number)).collect();
    let mut actions = Vec::new();
    let mut say = |words: Vec<Vec<u8>>| actions.push(Action::Command { conn, args: words });
    let word = |text: &str| text.as_bytes().to_vec();
    if draw.chance(80) {
        say(vec![word("DEL"), key.clone()]);
        for (number, element) in elements.iter().enumerate() {
            let number_text = (number % 5).to_string();
            say(match ranked {
                true => vec![word("ZADD"), key.clone(), word(&number_text), element.clone()],
                false => vec![word("RPUSH"), key.clone(), element.clone()],
            });
            if draw.chance(70) {
                // Different for each, so that texts leave no order open.
                let weight = if draw.chance(90) { number * 37 % 50 } else { number };
                say(vec![word("SET"), [b"w_", &element[..]].concat(), word(&weight.to_string())]);
            }
            if draw.chance(50) {
                say(vec![
                    word("HSET"),
                    [b"h_", &element[..], b"_x"].concat(),
                    word("f"),
                    element.clone(),
                ]);
            }
        }
    }
    for _ in 0..1 + draw.below(5) {
        let stores = draw.chance(25);
        let mut words =
            vec![word(if stores || draw.chance(60) { "SORT" } else { "SORT_RO" }), key.clone()];
        let mut parts: Vec<Vec<Vec<u8>>> = Vec::new();
        if draw.chance(50) {
            let by = *draw.pick(&[
                &"w_*",
                &"h_*_x->f",
                &"nosort",
                &"w_*->f",
                &"none_*",
                &"#",
                &"*",
                &"w_*-",
                &"w_*->",
            ]);
            parts.push(vec![word("BY"), word(by)]);
        } else if draw.chance(30) {
            // Texts and BY together may leave the order of equal ones open.
            parts.push(vec![word("ALPHA")]);
        }
        for _ in 0..draw.below(3) {
            let get =
                *draw.pick(&[&"#", &"w_*", &"h_*_x->f", &"h_*_x", &"none", &"h_*_x->none", &"*"]);
            parts.push(vec![word("GET"), word(get)]);
        }
        if draw.chance(40) {
            let number = |draw: &mut Draw| (draw.below(14) as i64 - 2).to_string();
            let (offset, count) = (number(draw), number(draw));
            parts.push(vec![word("LIMIT"), word(&offset), word(&count)]);
        }
        if draw.chance(50) {
            parts.push(vec![word(if draw.chance(60) { "DESC" } else { "ASC" })]);
        }
        if stores {
            parts.push(vec![word("STORE"), draw.list_key()]);
        }
        draw.shuffle(&mut parts);
        words.extend(parts.into_iter().flatten());
        let destination =
            words.iter().position(|word| word == b"STORE").map(|at| words[at + 1].clone());
        say(words);
        if let Some(destination) = destination {
            say(vec![word("LRANGE"), destination.clone(), word("0"), word("-1")]);
            say(vec![word("TTL"), destination]);
        }
    }
    actions
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
        12 => draw.pick(&[&b""[..], b"text", b"b\x00c", b"7 ", b"nan", b"1e400"]).to_vec(),
        _ => format!("-{number}").into_bytes(),
    }
}
