//! The generic group as far as it concerns every key; expiry and iteration have their own files.

use super::{Family, fixed, line};

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
        line(3, "OBJECT IDLETIME <key>"),
        line(3, "OBJECT FREQ <key>"),
        line(1, "OBJECT HELP"),
        line(1, "OBJECT (NOSUCH|<junk>) [<key>]"),
        fixed(1, "<junk> <key> <value>"),
    ],
};
