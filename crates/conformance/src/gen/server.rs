//! The server group, as far as it answers the same whenever it is asked.

use super::draw::Kind;
use super::{Draw, Family, fixed, line, script};
use crate::random::script::Action;

pub const FAMILY: Family = Family {
    name: "server",
    templates: &[
        line(5, "DBSIZE"),
        line(1, "FLUSHALL [ASYNC|SYNC|<junk>]"),
        line(2, "FLUSHDB [ASYNC|SYNC|<junk>]"),
        line(3, "SWAPDB <db> <db>"),
        line(1, "TIME"),
        line(1, "ROLE"),
        line(1, "LASTSAVE"),
        line(
            1,
            "INFO [server|clients|memory|persistence|stats|replication|cpu|modules|cluster|keyspace|all|default|everything|commandstats|errorstats|latencystats|<junk>]",
        ),
        line(1, "INFO (keyspace|server) (clients|cpu)"),
        line(1, "MEMORY HELP"),
        line(1, "MEMORY USAGE <key> [SAMPLES <int>]"),
        line(1, "MEMORY (DOCTOR|PURGE|STATS|MALLOC-STATS|<junk>)"),
        line(1, "SLOWLOG (LEN|RESET|HELP|<junk>)"),
        line(1, "SLOWLOG GET [<int>]"),
        line(1, "LATENCY (LATEST|RESET|HELP|DOCTOR|<junk>)"),
        line(1, "LATENCY (HISTORY|GRAPH) (command|fast-command|nosuch)"),
        line(1, "LATENCY RESET (command|nosuch)+"),
        line(1, "LATENCY HISTOGRAM [get|set|nosuch]"),
        line(1, "MODULE (LIST|HELP|<junk>)"),
        line(1, "LOLWUT [VERSION (5|6|7|abc)]"),
        line(1, "WAIT (0|-1|abc) (1|0|-1|abc)"),
        line(1, "ACL (WHOAMI|USERS|LIST|HELP|<junk>)"),
        line(1, "ACL CAT [keyspace|string|dangerous|nosuch|connection]"),
        line(1, "ACL GETUSER (default|nosuch)"),
        line(1, "ACL GENPASS [5|128|0|-1|4096|4097|abc]"),
        fixed(1, "DEBUG SLEEP (0|0.001|abc|-1)"),
        fixed(1, "DEBUG SET-ACTIVE-EXPIRE (0|1)"),
        fixed(1, "DEBUG OBJECT <key>"),
        fixed(1, "DEBUG CHANGE-REPL-ID"),
        fixed(1, "DEBUG POPULATE (3|10) [p [0|5|30]]"),
        fixed(1, "DEBUG DIGEST"),
        fixed(1, "DEBUG DIGEST-VALUE <key>+"),
        fixed(1, "DEBUG NOSUCH"),
        fixed(1, "DEBUG"),
        script(1, slow_log),
    ],
};

/// Logs every command for a moment and reads the log back.
fn slow_log(draw: &mut Draw, conn: usize) -> Vec<Action> {
    let command = |words: &[&[u8]]| Action::Command {
        conn,
        args: words.iter().map(|w| w.to_vec()).collect(),
    };
    let mut actions = vec![
        command(&[b"CONFIG", b"SET", b"slowlog-log-slower-than", b"0"]),
        command(&[b"SLOWLOG", b"RESET"]),
    ];
    for _ in 0..draw.below(6) {
        let key = draw.key();
        let long = vec![b'v'; 100 + draw.below(100)];
        actions.push(match draw.below(5) {
            0 => command(&[b"SET", &key, &long]),
            1 => command(&[b"GET", &key]),
            2 => Action::Command {
                conn,
                args: (0..40).map(|i| if i == 0 { b"DEL".to_vec() } else { key.clone() }).collect(),
            },
            3 => command(&[b"INCR", &key, b"x"]),
            _ => command(&[b"CLIENT", b"SETNAME", &draw.arg(Kind::Junk)]),
        });
    }
    actions.push(command(&[
        b"SLOWLOG",
        b"GET",
        draw.pick(&[b"1".as_slice(), b"3", b"-1", b"10", b"128"]),
    ]));
    actions.push(command(&[b"CONFIG", b"SET", b"slowlog-log-slower-than", b"-1"]));
    actions.push(command(&[b"SLOWLOG", b"LEN"]));
    actions.push(command(&[b"SLOWLOG", b"RESET"]));
    actions
}
