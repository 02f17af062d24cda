//! The hash group.

use super::{Draw, Family, fixed, line, script};
use crate::random::script::Action;

pub const FAMILY: Family = Family {
    name: "hash",
    templates: &[
        line(24, "HSET <hashkey> <field> <value>"),
        line(10, "HSET <hashkey> <field> <value> <field> <value> <field> <value>"),
        line(4, "HSET <key> <field> <value>"),
        line(4, "HMSET <hashkey> <field> <value> <field> <value>"),
        line(8, "HSETNX <hashkey> <field> <value>"),
        line(14, "HGET <hashkey> <field>"),
        line(8, "HMGET <hashkey> <field>+"),
        line(14, "HDEL <hashkey> <field>+"),
        line(6, "(HEXISTS|HSTRLEN) <hashkey> <field>"),
        line(6, "HLEN <hashkey>"),
        line(10, "(HGETALL|HKEYS|HVALS) <hashkey>"),
        line(4, "(HGETALL|HKEYS|HVALS|HLEN|HGET|HDEL) <key> [<field>]"),
        line(10, "HINCRBY <hashkey> <field> <int>"),
        line(10, "HINCRBYFLOAT <hashkey> <field> <float>"),
        line(5, "HSCAN <hashkey> <cursor> {[COUNT <count>] [MATCH <pattern>]}"),
        line(2, "HSCAN <hashkey> 0 {[COUNT <int>] [MATCH] [<junk>]}"),
        line(4, "HRANDFIELD <hashkey> [<count>]"),
        line(3, "HRANDFIELD <hashkey> <count> (WITHVALUES|<junk>)"),
        line(4, "(DEL|TYPE|PERSIST|TTL) <hashkey>"),
        line(5, "OBJECT ENCODING <hashkey>"),
        line(2, "EXPIRE <hashkey> <ttl>"),
        line(2, "SET <hashkey> <value>"),
        fixed(1, "HSET <hashkey> <field> <bigvalue>"),
        script(2, across_the_threshold),
    ],
};

/// A hash that is filled until it has outgrown its packed form, and read and emptied again.
fn across_the_threshold(draw: &mut Draw, conn: usize) -> Vec<Action> {
    let key = draw.hash_key();
    let command = |words: &[&[u8]]| {
        let mut args: Vec<Vec<u8>> = words.iter().map(|word| word.to_vec()).collect();
        args.insert(1, key.clone());
        Action::Command { conn, args }
    };
    let count = 500 + draw.below(30);
    let mut actions = vec![command(&[b"DEL"])];
    for first in (0..count).step_by(50) {
        let pairs: Vec<Vec<u8>> = (first..count.min(first + 50))
            .flat_map(|number| [format!("f{number}").into_bytes(), number.to_string().into_bytes()])
            .collect();
        let mut words: Vec<&[u8]> = vec![b"HSET"];
        words.extend(pairs.iter().map(Vec::as_slice));
        actions.push(command(&words));
    }
    actions.push(Action::Command {
        conn,
        args: vec![b"OBJECT".to_vec(), b"ENCODING".to_vec(), key.clone()],
    });
    actions.push(command(&[b"HGETALL"]));
    actions.push(command(&[b"HDEL", b"f0", b"f1", b"f499", b"none"]));
    actions.push(command(&[b"HLEN"]));
    actions
}
