//! What the server says about its own commands. The whole table is compared by `conformance command-table`; here are
//! the options and errors.

use super::{Family, line};

pub const FAMILY: Family = Family {
    name: "command",
    templates: &[
        line(1, "COMMAND COUNT"),
        line(1, "COMMAND INFO <command>+"),
        line(1, "COMMAND DOCS <command>+"),
        line(
            1,
            "COMMAND LIST [FILTERBY (ACLCAT (string|nosuch)|PATTERN <pattern>|MODULE nosuch|<junk>)]",
        ),
        line(1, "COMMAND (GETKEYS|GETKEYSANDFLAGS) SET <key> <value>"),
        line(1, "COMMAND (GETKEYS|GETKEYSANDFLAGS) (GET|INCR|TTL|GETEX|APPEND) <key>"),
        line(1, "COMMAND (GETKEYS|GETKEYSANDFLAGS) (MGET|DEL|EXISTS|TOUCH) <key>+"),
        line(1, "COMMAND (GETKEYS|GETKEYSANDFLAGS) (MSET|MSETNX) <key> <value> [<key> <value>]"),
        line(
            1,
            "COMMAND (GETKEYS|GETKEYSANDFLAGS) (LCS <key> <key>|OBJECT ENCODING <key>|PING|CLIENT LIST|<command> <key>)",
        ),
        line(1, "COMMAND (HELP|<junk>)"),
    ],
};
