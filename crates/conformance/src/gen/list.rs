//! The list group.

use super::{Draw, Family, fixed, line, script};
use crate::random::script::Action;

pub const FAMILY: Family = Family {
    name: "list",
    templates: &[
        line(30, "(LPUSH|RPUSH) <listkey> <value>+"),
        line(6, "(LPUSH|RPUSH) <key> <value>+"),
        line(8, "(LPUSHX|RPUSHX) <listkey> <value>+"),
        line(16, "(LPOP|RPOP) <listkey> [<count>]"),
        line(4, "(LPOP|RPOP) <key> [<int>]"),
        line(8, "LLEN <listkey>"),
        line(12, "LINDEX <listkey> <index>"),
        line(10, "LSET <listkey> <index> <value>"),
        line(10, "LINSERT <listkey> (BEFORE|AFTER) <value> <value>"),
        line(10, "LREM <listkey> <index> <value>"),
        line(24, "LRANGE <listkey> <index> <index>"),
        line(3, "(LRANGE|LTRIM|LREM|LINDEX|LLEN) <key> <int> <int>"),
        line(10, "LTRIM <listkey> <index> <index>"),
        line(12, "LPOS <listkey> <value> {[RANK <index>] [COUNT <count>] [MAXLEN <count>]}"),
        line(3, "LPOS <listkey> <value> {[RANK <int>] [COUNT <int>] [<junk>]}"),
        line(12, "LMOVE <listkey> <listkey> (LEFT|RIGHT) (LEFT|RIGHT)"),
        line(3, "LMOVE <listkey> <key> (LEFT|RIGHT) (LEFT|RIGHT)"),
        line(8, "RPOPLPUSH <listkey> <listkey>"),
        line(3, "RPOPLPUSH <key> <listkey>"),
        line(4, "LMPOP 1 <listkey> (LEFT|RIGHT) [COUNT <count>]"),
        line(6, "LMPOP 2 <listkey> <listkey> (LEFT|RIGHT) [COUNT <count>]"),
        line(3, "LMPOP <int> <listkey> <key> (LEFT|RIGHT) {[COUNT <int>] [<junk>]}"),
        line(4, "(DEL|TYPE|PERSIST|TTL) <listkey>"),
        line(4, "OBJECT ENCODING <listkey>"),
        line(2, "EXPIRE <listkey> <ttl>"),
        line(2, "SET <listkey> <value>"),
        fixed(1, "(LPUSH|RPUSH) <listkey> <bigvalue>"),
        fixed(1, "LSET <listkey> (0|1|-1) <bigvalue>"),
        script(2, grow_and_shrink),
    ],
};

/// A list that outgrows a node, is changed in its middle, and shrinks from both ends until it is packed again.
fn grow_and_shrink(draw: &mut Draw, conn: usize) -> Vec<Action> {
    let key = draw.list_key();
    let command = |words: &[&[u8]]| {
        let mut args: Vec<Vec<u8>> = words.iter().map(|word| word.to_vec()).collect();
        args.insert(1, key.clone());
        Action::Command { conn, args }
    };
    let size = 20 + draw.below(200);
    let elements: Vec<Vec<u8>> = (0..60 + draw.below(200))
        .map(|number| match draw.below(3) {
            0 => number.to_string().into_bytes(),
            1 => vec![b'v'; draw.below(size)],
            _ => format!("element:{}", number % 7).into_bytes(),
        })
        .collect();
    let mut push: Vec<&[u8]> = vec![b"RPUSH"];
    push.extend(elements.iter().map(Vec::as_slice));
    let mut actions = vec![command(&push)];
    let len = elements.len() as i64;
    while actions.len() < 30 {
        let index = (draw.below(2 * elements.len() + 8) as i64 - len - 4).to_string();
        let pick = &elements[draw.below(elements.len())];
        actions.push(match draw.below(9) {
            0 => command(&[b"LINDEX", index.as_bytes()]),
            1 => command(&[b"LSET", index.as_bytes(), pick]),
            2 => command(&[b"LINSERT", b"BEFORE", pick, b"between"]),
            3 => command(&[b"LINSERT", b"AFTER", pick, b"1000"]),
            4 => command(&[b"LREM", (draw.below(5) as i64 - 2).to_string().as_bytes(), pick]),
            5 => command(&[b"LPOS", pick, b"COUNT", b"0"]),
            6 => command(&[b"LRANGE", index.as_bytes(), b"-1"]),
            7 => command(&[b"LPOP", draw.below(20).to_string().as_bytes()]),
            _ => command(&[b"LTRIM", draw.below(20).to_string().as_bytes(), b"-3"]),
        });
    }
    actions.push(command(&[b"LRANGE", b"0", b"-1"]));
    actions.push(command(&[b"LTRIM", b"1", b"3"]));
    actions
}
