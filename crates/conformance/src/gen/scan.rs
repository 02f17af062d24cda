//! Commands that walk the keyspace.

use super::draw::Kind;
use super::{Draw, Family, line, script};
use crate::random::script::Action;

pub const FAMILY: Family = Family {
    name: "scan",
    templates: &[
        line(6, "KEYS <pattern>"),
        line(4, "SCAN <cursor> {[COUNT <count>] [MATCH <pattern>] [TYPE (string|list|nosuch)]}"),
        line(2, "SCAN 0 {[COUNT <count>] [COUNT <int>] [MATCH] [<junk>]}"),
        script(4, whole_iteration),
        script(3, random_key),
    ],
};

fn whole_iteration(draw: &mut Draw, conn: usize) -> Vec<Action> {
    let mut options = Vec::new();
    if draw.chance(50) {
        options.push(b"COUNT".to_vec());
        options.push((1 + draw.below(50)).to_string().into_bytes());
    }
    if draw.chance(40) {
        options.push(b"match".to_vec());
        options.push(draw.arg(Kind::Pattern));
    }
    if draw.chance(30) {
        options.push(b"TYPE".to_vec());
        options.push(draw.pick(&["string", "STRING", "list", "hash"]).as_bytes().to_vec());
    }
    vec![Action::Scan { conn, options }]
}

fn random_key(_: &mut Draw, conn: usize) -> Vec<Action> {
    vec![Action::RandomKey { conn }]
}
