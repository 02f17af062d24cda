//! The generic group as far as it concerns every key; expiry and iteration have their own files.

use super::{Draw, Family, fixed, line, script};
use crate::random::script::Action;

pub const FAMILY: Family = Family {
    name: "generic",
    templates: &[
        line(24, "DEL <key>+"),
        line(12, "UNLINK <key>+"),
        line(14, "EXISTS <key>+"),
        line(8, "TOUCH <key>+"),
        line(12, "TYPE <key>"),
        line(20, "OBJECT ENCODING <key>"),
        line(4, "OBJECT REFCOUNT <key>"),
        fixed(1, "OBJECT IDLETIME <key> <junk>"),
        script(3, idle_time),
        line(3, "OBJECT FREQ <key>"),
        line(1, "OBJECT HELP"),
        line(1, "OBJECT (NOSUCH|<junk>) [<key>]"),
        fixed(1, "<junk> <key> <value>"),
    ],
};

/// The idle time of a key, and before it whether its value is an integer that Redis keeps once for all keys: then the
/// idle time is not the key's.
fn idle_time(draw: &mut Draw, conn: usize) -> Vec<Action> {
    let key = draw.key();
    let ask = |what: &[u8]| Action::Command {
        conn,
        args: vec![b"OBJECT".to_vec(), what.to_vec(), key.clone()],
    };
    vec![ask(b"REFCOUNT"), ask(b"IDLETIME")]
}
