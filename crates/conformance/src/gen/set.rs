//! The set group.

use super::{Family, fixed, line};

pub const FAMILY: Family = Family {
    name: "set",
    templates: &[
        line(24, "SADD <setkey> <member>+"),
        line(14, "SADD <setkey> <int>+"),
        line(4, "SADD <key> <member>+"),
        line(14, "SREM <setkey> <member>+"),
        line(8, "SREM <setkey> <int>+"),
        line(6, "SISMEMBER <setkey> <member>"),
        line(6, "SMISMEMBER <setkey> <member>+"),
        line(6, "SCARD <setkey>"),
        line(10, "SMEMBERS <setkey>"),
        line(8, "SMOVE <setkey> <setkey> <member>"),
        line(3, "SMOVE <key> <setkey> <member>"),
        line(10, "(SINTER|SUNION|SDIFF) <setkey>+"),
        line(3, "(SINTER|SUNION|SDIFF) <setkey> <key>"),
        line(8, "(SINTERSTORE|SUNIONSTORE|SDIFFSTORE) <setkey> <setkey>+"),
        line(3, "(SINTERSTORE|SUNIONSTORE|SDIFFSTORE) <key> <setkey> <key>"),
        line(5, "SINTERCARD 2 <setkey> <setkey> [LIMIT <count>]"),
        line(3, "SINTERCARD <int> <setkey> <key> {[LIMIT <int>] [<junk>]}"),
        line(5, "SSCAN <setkey> <cursor> {[COUNT <count>] [MATCH <pattern>]}"),
        line(2, "SSCAN <setkey> 0 {[COUNT <int>] [MATCH] [<junk>]}"),
        line(4, "SRANDMEMBER <setkey> [<count>]"),
        fixed(2, "SPOP <setkey> (1000000|0|-1|x)"),
        line(4, "(DEL|TYPE|PERSIST|TTL) <setkey>"),
        line(5, "OBJECT ENCODING <setkey>"),
        line(2, "EXPIRE <setkey> <ttl>"),
        line(2, "SET <setkey> <value>"),
    ],
};
