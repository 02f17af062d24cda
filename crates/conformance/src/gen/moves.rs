//! Values that change their place, or become bytes and values again.

use super::{Draw, Family, line, script};
use crate::random::script::Action;
use crc::{CRC_64_REDIS, Crc};

pub const FAMILY: Family = Family {
    name: "moves",
    templates: &[
        line(8, "(RENAME|RENAMENX) <key> <key>"),
        line(4, "(RENAME|RENAMENX) (<hashkey>|<setkey>|<listkey>|<zsetkey>) <key>"),
        line(4, "(RENAME|RENAMENX) <key> (<hashkey>|<setkey>|<listkey>|<zsetkey>)"),
        line(6, "COPY <key> <key> {[DB <db>] [REPLACE]}"),
        line(
            4,
            "COPY (<hashkey>|<setkey>|<listkey>|<zsetkey>) <key> {[DB <db>] [REPLACE] [<junk>]}",
        ),
        line(6, "MOVE <key> <db>"),
        line(3, "MOVE (<hashkey>|<setkey>|<listkey>|<zsetkey>) <int>"),
        line(
            2,
            "RESTORE <key> <int> <value> {[REPLACE] [ABSTTL] [IDLETIME <int>] [FREQ <int>] [<junk>]}",
        ),
        script(4, restore),
    ],
};

/// The payloads of small values in every encoding that Redis 7.0 reads, restored and looked at.
fn restore(draw: &mut Draw, conn: usize) -> Vec<Action> {
    const VALUES: &[&[u8]] = &[
        b"\x00\x05hello",
        b"\x00\xc0\x7f",
        b"\x01\x03\x01a\xc0\x05\x01b",
        b"\x02\x02\x01a\x01b",
        b"\x02\x02\xc0\x01\xc1\x00\x40",
        b"\x04\x01\x01a\x01b",
        b"\x05\x01\x01a\x00\x00\x00\x00\x00\x00\xf8\x3f",
        b"\x03\x01\x01a\x031.5",
        b"\x0b\x0c\x02\x00\x00\x00\x02\x00\x00\x00\x01\x00\x02\x00",
        b"\x10\x0d\x0d\x00\x00\x00\x02\x00\x81a\x02\x81b\x02\xff",
        b"\x11\x0c\x0c\x00\x00\x00\x02\x00\x81a\x02\x07\x01\xff",
        b"\x12\x01\x02\x0c\x0c\x00\x00\x00\x02\x00\x81a\x02\x07\x01\xff",
        b"\x0a\x0e\x0e\x00\x00\x00\x0a\x00\x00\x00\x01\x00\x00\x01a\xff",
        b"\x01\x00",
        b"\x63\x00",
    ];
    let mut payload = draw.pick(VALUES).to_vec();
    payload.extend_from_slice(b"\x0a\0");
    let sum = Crc::<u64>::new(&CRC_64_REDIS).checksum(&payload);
    payload.extend_from_slice(&sum.to_le_bytes());
    let key = draw.key();
    let command = |words: &[&[u8]]| Action::Command {
        conn,
        args: words.iter().map(|word| word.to_vec()).collect(),
    };
    vec![
        command(&[b"RESTORE", &key, b"0", &payload, b"REPLACE"]),
        command(&[b"TYPE", &key]),
        command(&[b"OBJECT", b"ENCODING", &key]),
        command(&[b"LRANGE", &key, b"0", b"-1"]),
        command(&[b"SMEMBERS", &key]),
        command(&[b"HGETALL", &key]),
        command(&[b"ZRANGE", &key, b"0", b"-1", b"WITHSCORES"]),
        command(&[b"GET", &key]),
    ]
}
