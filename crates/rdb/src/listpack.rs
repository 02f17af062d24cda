//! Listpacks: 32 bits of size, 16 of count (65535 is unknown), the elements, 0xff. An element is its encoding, its
//! bytes, and the length of both behind it, so that it can be walked from either end
//! (<https://github.com/antirez/listpack/blob/master/listpack.md>).

use crate::elements::{Elements, Form};
use crate::read::int;
use store::Str;

/// Bytes before the first element.
const HEADER: usize = 6;

/// The largest listpack that is read, as in Redis.
const BYTES_MAX: usize = 1 << 30;

/// The elements of a listpack; `None` when it is not sound. O(bytes).
pub(crate) fn listpack(bytes: &[u8]) -> Option<Elements<'_>> {
    let size = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?);
    let count = u16::from_le_bytes(bytes.get(4..HEADER)?.try_into().ok()?);
    let (last, _) = bytes.get(HEADER..)?.split_last()?;
    if size as usize != bytes.len() || bytes.len() > BYTES_MAX || *last != 0xff {
        return None;
    }
    let elements = Elements::sound(Form::Listpack, bytes, HEADER, bytes.len() - 1)?;
    (count == u16::MAX || usize::from(count) == elements.len()).then_some(elements)
}

/// The element that begins here and the bytes it takes with its length behind it.
pub(crate) fn element(rest: &[u8]) -> Option<(Str<'_>, usize)> {
    let string = |head: usize, len: usize| {
        Some((Str::Bytes(rest.get(head..head.checked_add(len)?)?), head + len))
    };
    let number = |width: usize| Some((Str::Int(int(rest.get(1..=width)?)), width + 1));
    let (element, len) = match *rest.first()? {
        first @ 0..0x80 => (Str::Int(i64::from(first)), 1),
        first @ 0x80..0xc0 => string(1, usize::from(first & 63))?,
        first @ 0xc0..0xe0 => {
            let bits = i64::from(first & 31) << 8 | i64::from(*rest.get(1)?);
            (Str::Int(bits << 51 >> 51), 2)
        }
        first @ 0xe0..0xf0 => string(2, usize::from(first & 15) << 8 | usize::from(*rest.get(1)?))?,
        0xf0 => string(5, u32::from_le_bytes(rest.get(1..5)?.try_into().ok()?) as usize)?,
        0xf1 => number(2)?,
        0xf2 => number(3)?,
        0xf3 => number(4)?,
        0xf4 => number(8)?,
        _ => return None,
    };
    let (tail, tail_len) = back_length(len);
    let is_right = rest.get(len..len + tail_len)? == &tail[..tail_len];
    is_right.then_some((element, len + tail_len))
}

/// How the length of an element is spelled behind it, and in how many bytes: seven bits a byte, the lowest last, the
/// high bit of each but the first set. Redis takes a byte more from one below the greatest number that would fit.
fn back_length(len: usize) -> ([u8; 5], usize) {
    let count = match len {
        0..0x80 => 1,
        0x80..0x3fff => 2,
        0x3fff..0x1f_ffff => 3,
        0x1f_ffff..0xfff_ffff => 4,
        _ => 5,
    };
    let mut bytes = [0; 5];
    for (at, byte) in bytes[..count].iter_mut().enumerate() {
        let low = (len >> (7 * (count - 1 - at))) as u8 & 127;
        *byte = if at == 0 { low } else { low | 128 };
    }
    (bytes, count)
}

/// A listpack that is written.
pub(crate) struct Writer {
    bytes: Vec<u8>,
    count: usize,
}

impl Writer {
    /// An empty one.
    pub(crate) fn new() -> Writer {
        Writer { bytes: vec![0; HEADER], count: 0 }
    }

    /// Adds an element. O(its bytes).
    pub(crate) fn push(&mut self, element: Str<'_>) {
        let start = self.bytes.len();
        match element {
            Str::Int(number) => self.put_int(number),
            Str::Bytes(bytes) => self.put_bytes(bytes),
        }
        let (tail, tail_len) = back_length(self.bytes.len() - start);
        self.bytes.extend_from_slice(&tail[..tail_len]);
        self.count += 1;
    }

    fn put_int(&mut self, number: i64) {
        let out = &mut self.bytes;
        let wide = number.to_le_bytes();
        let (head, width) = match number {
            0..0x80 => return out.push(number as u8),
            -0x1000..0x1000 => {
                return out.extend_from_slice(&(0xc000 | number as u16 & 0x1fff).to_be_bytes());
            }
            -0x8000..0x8000 => (0xf1, 2),
            -0x80_0000..0x80_0000 => (0xf2, 3),
            -0x8000_0000..0x8000_0000 => (0xf3, 4),
            _ => (0xf4, 8),
        };
        out.push(head);
        out.extend_from_slice(&wide[..width]);
    }

    fn put_bytes(&mut self, bytes: &[u8]) {
        let out = &mut self.bytes;
        match bytes.len() {
            len @ 0..0x40 => out.push(0x80 | len as u8),
            len @ 0x40..0x1000 => out.extend_from_slice(&(0xe000 | len as u16).to_be_bytes()),
            len => {
                out.push(0xf0);
                out.extend_from_slice(&(len as u32).to_le_bytes());
            }
        }
        out.extend_from_slice(bytes);
    }

    /// The whole of it.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.bytes.push(0xff);
        let size = self.bytes.len() as u32;
        self.bytes[..4].copy_from_slice(&size.to_le_bytes());
        let count = u16::try_from(self.count).unwrap_or(u16::MAX);
        self.bytes[4..HEADER].copy_from_slice(&count.to_le_bytes());
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_behind_elements_take_as_many_bytes_as_redis_gives_them() {
        let counts = [0, 127, 128, 16382, 16383, 2097150, 2097151, 268435454, 268435455]
            .map(|len| back_length(len).1);
        assert_eq!(counts, [1, 1, 2, 2, 3, 3, 4, 4, 5]);
    }

    #[test]
    fn what_was_written_is_read() {
        let edges = [7u32, 12, 15, 23, 31, 63];
        let near = edges.iter().flat_map(|bits| [-1, 0, 1].map(|by| (1i128 << bits) + by));
        let ints: Vec<i64> = near.flat_map(|n| [n, -n]).filter_map(|n| n.try_into().ok()).collect();
        let texts: Vec<Vec<u8>> =
            [0, 1, 63, 64, 125, 126, 127, 128, 4095, 4096, 16_379, 16_380, 16_384, 2_100_000]
                .map(|len| vec![b'x'; len])
                .to_vec();
        let wanted: Vec<Str<'_>> =
            ints.iter().map(|n| Str::Int(*n)).chain(texts.iter().map(|t| Str::Bytes(t))).collect();
        let mut writer = Writer::new();
        wanted.iter().for_each(|element| writer.push(*element));
        let bytes = writer.finish();
        let found: Vec<Str<'_>> = listpack(&bytes).expect("it is sound").collect();
        assert!(found == wanted);
    }
}
