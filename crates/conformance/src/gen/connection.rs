//! The connection group. CLIENT REPLY changes how many replies come and is in `protocol.rs`, where that is no matter.

use super::draw::Kind;
use super::{Draw, Family, fixed, line, script};
use crate::random::script::Action;

pub const FAMILY: Family = Family {
    name: "connection",
    templates: &[
        line(6, "PING [<value>]"),
        line(4, "ECHO <value>"),
        line(10, "SELECT <db>"),
        line(3, "HELLO [2|3]"),
        line(1, "HELLO (2|3) {[SETNAME <name>] [AUTH default <value>]}"),
        line(1, "HELLO (<int>|4|1) [<junk>]"),
        line(1, "AUTH <value> [<value>]"),
        line(1, "AUTH default <value>"),
        line(2, "RESET"),
        fixed(1, "QUIT"),
        line(1, "CLIENT ID"),
        line(2, "CLIENT INFO"),
        line(1, "CLIENT LIST [TYPE (normal|master|replica|slave|pubsub|<junk>)]"),
        line(1, "CLIENT LIST ID <int>+"),
        line(2, "CLIENT LIST ID <client>+"),
        line(
            1,
            "CLIENT LIST ID (<client>|<int>|<client>) [<client>] [(TYPE normal|SKIPME yes|<junk>)]",
        ),
        line(1, "CLIENT UNBLOCK <client> [TIMEOUT|ERROR|<junk>]"),
        line(1, "CLIENT KILL ID <client> [SKIPME (yes|no|<junk>)]"),
        line(
            1,
            "CLIENT KILL ID <client> {[TYPE (normal|pubsub|<junk>)] [USER (default|nosuch)] [SKIPME no]}",
        ),
        line(3, "CLIENT SETNAME <name>"),
        line(3, "CLIENT GETNAME"),
        line(1, "CLIENT GETREDIR"),
        line(1, "CLIENT TRACKINGINFO"),
        line(1, "CLIENT NO-EVICT (on|off|<junk>)"),
        line(1, "CLIENT UNBLOCK (999999999|<int>) [TIMEOUT|ERROR|<junk>]"),
        line(1, "CLIENT REPLY ON"),
        fixed(
            1,
            "CLIENT (PAUSE (0|1|-1|abc|1.5) [WRITE|ALL|<junk>]|UNPAUSE|UNPAUSE|UNPAUSE|PAUSE)",
        ),
        line(1, "CLIENT UNPAUSE <junk>"),
        line(1, "CLIENT KILL (nosuch|1.2.3.4:5)"),
        line(
            1,
            "CLIENT KILL {[ID 999999999] [TYPE (pubsub|master|replica|<junk>)] [ADDR 1.2.3.4:5] [LADDR 1.2.3.4:5] [SKIPME (yes|no|<junk>)]}",
        ),
        line(1, "CLIENT KILL (ID <int>|USER nosuch|USER)"),
        fixed(1, "CLIENT KILL TYPE normal [SKIPME (yes|no)]"),
        line(1, "CLIENT HELP"),
        line(1, "CLIENT (<junk>|NOSUCH) [<value>]"),
        script(1, password),
    ],
};

/// A password comes and goes; what may be said without it.
fn password(draw: &mut Draw, conn: usize) -> Vec<Action> {
    let command = |words: &[&str]| Action::Command {
        conn,
        args: words.iter().map(|w| w.as_bytes().to_vec()).collect(),
    };
    let mut pieces = Vec::new();
    for _ in 0..1 + draw.below(6) {
        let line = match draw.below(14) {
            0 => "PING".to_owned(),
            1 => "AUTH wrong".to_owned(),
            2 => format!("AUTH {}", super::PASSWORD),
            3 => format!("AUTH default {}", super::PASSWORD),
            4 => "AUTH nobody x".to_owned(),
            5 => "HELLO 9".to_owned(),
            6 => "HELLO 3 AUTH default wrong".to_owned(),
            7 => "GET k".to_owned(),
            8 => "nosuch a b".to_owned(),
            9 => "QUIT".to_owned(),
            10 => "RESET".to_owned(),
            11 => "COMMAND COUNT x".to_owned(),
            12 => "*11\r\n$4\r\nPING".to_owned(),
            _ => "SET k".to_owned(),
        };
        pieces.push(format!("{line}\r\n").into_bytes());
    }
    if draw.chance(10) {
        // Redis refuses these from clients that have not said the password.
        pieces.push(
            draw.pick(&["*1\r\n$16385\r\n", "*11\r\n", "*10\r\n$3\r\nGET\r\n"]).as_bytes().to_vec(),
        );
    }
    let own = [b"AUTH".to_vec(), draw.arg(Kind::Value)];
    vec![
        command(&["CONFIG", "SET", "requirepass", super::PASSWORD]),
        Action::Raw { pieces },
        Action::Command { conn, args: own.to_vec() },
        command(&["AUTH", super::PASSWORD]),
        command(&["CONFIG", "SET", "requirepass", ""]),
    ]
}
