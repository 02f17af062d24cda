//! The HyperLogLog group. The strings are compared byte by byte, so GET of them is what matters most.

use super::{Draw, Family, fixed, line};

pub const FAMILY: Family = Family {
    name: "hyperloglog",
    templates: &[
        line(40, "PFADD <logkey> <element>*"),
        fixed(
            10,
            "PFADD <logkey> <element>+ <element>+ <element>+ <element>+ <element>+ <element>+",
        ),
        line(20, "PFCOUNT <logkey>"),
        line(10, "PFCOUNT <logkey>+"),
        line(16, "PFMERGE <logkey> <logkey>*"),
        fixed(2, "PFADD <key> <element>*"),
        fixed(2, "PFCOUNT <key>+"),
        fixed(1, "PFMERGE <logkey> <key>"),
        // One element: before an error Redis keeps what it has added, and this server adds nothing.
        fixed(6, "PFADD <oddlogkey> <element>"),
        fixed(4, "PFCOUNT <oddlogkey> [<logkey>]"),
        fixed(3, "PFMERGE (<logkey>|<oddlogkey>) <oddlogkey>"),
        fixed(3, "PFDEBUG (ENCODING|DECODE|TODENSE|<junk>) <oddlogkey>"),
        fixed(5, "SET <oddlogkey> <hyperloglog>"),
        fixed(4, "GET <oddlogkey>"),
        fixed(12, "GET <logkey>"),
        fixed(4, "STRLEN <logkey>"),
        fixed(4, "OBJECT ENCODING <logkey>"),
        line(6, "PFDEBUG (ENCODING|DECODE|TODENSE) <logkey>"),
        fixed(1, "PFDEBUG GETREG <logkey>"),
        fixed(1, "PFDEBUG (ENCODING|DECODE|TODENSE|<junk>) <key>"),
        fixed(3, "DEL <logkey>"),
        fixed(2, "CONFIG SET hll-sparse-max-bytes (0|18|60|600|3000|3000)"),
    ],
};

/// Registers of a HyperLogLog.
const REGISTERS: usize = 16_384;

/// A key that only HyperLogLogs are stored in.
pub fn key(draw: &mut Draw) -> Vec<u8> {
    format!("log:{}", draw.below(4)).into_bytes()
}

/// A key of strings that are nearly HyperLogLogs.
pub fn odd_key(draw: &mut Draw) -> Vec<u8> {
    format!("oddlog:{}", draw.below(2)).into_bytes()
}

/// An element, seen before or not.
pub fn element(draw: &mut Draw) -> Vec<u8> {
    let domain = [4, 100, 5000, 1 << 30][draw.below(4)];
    match draw.below(20) {
        0 => Vec::new(),
        _ => draw.below(domain).to_string().into_bytes(),
    }
}

/// A sparse HyperLogLog of runs that no server would make, and in one of three with a mistake. Its last
/// run is whole: where it is cut off, Redis reads and writes beyond the string.
pub fn string(draw: &mut Draw) -> Vec<u8> {
    let mut bytes = b"HYLL\x01\0\0\0\x07\0\0\0\0\0\0".to_vec();
    bytes.push([0, 0x80][draw.below(2)]);
    let longest = [10, 70, 300, 20_000][draw.below(4)];
    let mut left = REGISTERS;
    while left > 0 {
        let mut length = (1 + draw.below(longest)).min(left);
        if draw.chance(40) {
            length = length.min(4);
            let value = [1, 1, 2, 3, 32][draw.below(5)];
            bytes.push(0x80 | (value - 1) << 2 | (length - 1) as u8);
        } else if length <= 64 && draw.chance(50) {
            bytes.push((length - 1) as u8);
        } else {
            bytes.extend([0x40 | ((length - 1) >> 8) as u8, (length - 1) as u8]);
        }
        left -= length;
    }
    match draw.below(9) {
        0 => bytes[4] = draw.below(4) as u8,
        1 => bytes.extend([0x80, 0x00]),
        2 => bytes.truncate(draw.below(17)),
        _ => {}
    }
    bytes
}
