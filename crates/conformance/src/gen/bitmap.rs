//! The bitmap group: bits, ranges of them, and integers of any width.

use super::draw::INTEGER_EDGES;
use super::{Draw, Family, fixed, line};

pub const FAMILY: Family = Family {
    name: "bitmap",
    templates: &[
        line(30, "SETBIT <key> <bitoffset> (0|1|1|<junk>)"),
        line(12, "GETBIT <key> <bitoffset>"),
        line(6, "SET <key> <bits>"),
        line(10, "BITCOUNT <key>"),
        line(20, "BITCOUNT <key> <index> <index> [BYTE|BIT|<junk>]"),
        line(2, "BITCOUNT <key> <index>"),
        line(24, "BITPOS <key> (0|1|<junk>) [<index>]"),
        line(24, "BITPOS <key> (0|1) <index> <index> [BYTE|BIT|<junk>]"),
        line(20, "BITOP (AND|OR|XOR) <bitkey> <bitkey>+"),
        line(8, "BITOP NOT <bitkey> <bitkey>"),
        line(2, "BITOP (NOT|<junk>) <bitkey> <bitkey>*"),
        fixed(8, "SET <bitkey> <bits>"),
        fixed(4, "SETBIT <bitkey> (0|9|77|300|40000) (0|1)"),
        fixed(6, "GET <bitkey>"),
        fixed(2, "OBJECT ENCODING <bitkey>"),
        line(4, "BITFIELD <key>"),
        line(12, "BITFIELD <key> GET <bitfield> <bitoffset>"),
        line(
            16,
            "BITFIELD <key> [OVERFLOW (WRAP|SAT|FAIL|<junk>)] SET <bitfield> <bitoffset> <int> [GET <bitfield> <bitoffset>]",
        ),
        line(
            16,
            "BITFIELD <key> [OVERFLOW (WRAP|SAT|FAIL)] INCRBY <bitfield> <bitoffset> <int> [OVERFLOW SAT] [SET <bitfield> <bitoffset> <int>]",
        ),
        line(10, "BITFIELD_RO <key> [GET <bitfield> <bitoffset>] [GET <bitfield> <bitoffset>]"),
        line(2, "BITFIELD_RO <key> (SET|INCRBY|GET|OVERFLOW) <bitfield> <bitoffset> <int>"),
        fixed(1, "SETBIT <bigkey> (0|100000|800000) (0|1)"),
        fixed(1, "BITCOUNT <bigkey>"),
        fixed(1, "BITPOS <bigkey> (0|1) <int>"),
    ],
};

/// Types of bit fields, and what is none.
const FIELDS: &[&str] = &[
    "u1", "i1", "u2", "i5", "u8", "u8", "i8", "u16", "i16", "u32", "i32", "u63", "i63", "i64",
    "u64", "i65", "i0", "u0", "U8", "u08", "8", "",
];

/// Offsets at the limits of a string, and what is no offset.
const OFFSETS: &[&str] =
    &["-1", "4294967296", "#536870912", "#-1", "#", "#a", "01", "#01", "9223372036854775807"];

/// The number of a bit, perhaps counted in fields.
pub fn offset(draw: &mut Draw) -> Vec<u8> {
    match draw.below(12) {
        0 => draw.pick(OFFSETS).as_bytes().to_vec(),
        1 => draw.pick(INTEGER_EDGES).as_bytes().to_vec(),
        2 | 3 => format!("#{}", draw.below(20)).into_bytes(),
        4 => draw.below(1000).to_string().into_bytes(),
        _ => draw.below(100).to_string().into_bytes(),
    }
}

/// The type of a bit field.
pub fn field(draw: &mut Draw) -> Vec<u8> {
    draw.pick(FIELDS).as_bytes().to_vec()
}

/// A string that is mostly zeros or mostly ones.
pub fn bits(draw: &mut Draw) -> Vec<u8> {
    let length = draw.below(70);
    let dull = [0x00, 0xff][draw.below(2)];
    (0..length).map(|_| if draw.chance(8) { draw.below(256) as u8 } else { dull }).collect()
}

/// A key that only bits are stored in.
pub fn key(draw: &mut Draw) -> Vec<u8> {
    format!("bit:{}", draw.below(4)).into_bytes()
}
