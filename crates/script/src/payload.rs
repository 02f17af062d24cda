//! What FUNCTION DUMP gives and FUNCTION RESTORE takes: for each library an opcode and its source as an RDB
//! string, then the version of the format, two bytes, and a CRC-64 over all before it, eight bytes, both little
//! endian.
//!
//! The checksum and the decompression of strings belong to `rdb`, which this crate does not know: they
//! come in as closures. Sources are written uncompressed, which every Redis reads.

/// The opcode in front of a library.
const FUNCTION: u8 = 0xf5;
/// The version of what is written: that of Redis 7.0.
pub const VERSION: u16 = 10;
/// The newest that is read: that of Redis 7.4, which writes libraries as 7.0 does.
const VERSION_MAX: u16 = 12;
const FOOTER_BYTES: usize = 10;

/// What is wrong with a payload.
pub const BAD_CHECKSUM: &[u8] = b"ERR DUMP payload version or checksum are wrong";
/// What is wrong with what is inside.
pub const BAD_FORMAT: &[u8] = b"ERR failed loading functions payload";

/// The payload of these sources. O(their bytes).
pub fn dump<'a>(
    sources: impl IntoIterator<Item = &'a [u8]>,
    crc: impl Fn(&[u8]) -> u64,
) -> Vec<u8> {
    let mut out = Vec::new();
    for source in sources {
        out.push(FUNCTION);
        match source.len() {
            len @ 0..=63 => out.push(len as u8),
            len @ 64..=16383 => out.extend_from_slice(&[0x40 | (len >> 8) as u8, len as u8]),
            len => match u32::try_from(len) {
                Ok(len) => {
                    out.push(0x80);
                    out.extend_from_slice(&len.to_be_bytes());
                }
                Err(_) => {
                    out.push(0x81);
                    out.extend_from_slice(&(len as u64).to_be_bytes());
                }
            },
        }
        out.extend_from_slice(source);
    }
    out.extend_from_slice(&VERSION.to_le_bytes());
    let sum = crc(&out);
    out.extend_from_slice(&sum.to_le_bytes());
    out
}

/// The sources in a payload. `inflate` decompresses an LZF string to the length given, or says that it
/// cannot; what it is asked for is bounded by 256 times the bytes that stand in the payload.
///
/// # Errors
/// The text of the error reply.
pub fn restore(
    payload: &[u8],
    crc: impl Fn(&[u8]) -> u64,
    inflate: impl Fn(&[u8], usize) -> Option<Vec<u8>>,
) -> Result<Vec<Vec<u8>>, &'static [u8]> {
    let body_bytes = payload.len().checked_sub(FOOTER_BYTES).ok_or(BAD_CHECKSUM)?;
    let (summed, sum) = payload.split_at(body_bytes + 2);
    let (body, version) = summed.split_at(body_bytes);
    let version = u16::from_le_bytes([version[0], version[1]]);
    if version > VERSION_MAX || crc(summed).to_le_bytes() != *sum {
        return Err(BAD_CHECKSUM);
    }
    let mut rest = body;
    let mut sources = Vec::new();
    while let Some((&opcode, behind)) = rest.split_first() {
        if opcode != FUNCTION {
            return Err(b"ERR given type is not a function");
        }
        rest = behind;
        sources.push(string(&mut rest, &inflate).ok_or(BAD_FORMAT)?);
    }
    Ok(sources)
}

/// A length, or the kind of a string that is spelt otherwise.
enum Length {
    Plain(usize),
    Special(u8),
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, behind) = rest.split_at_checked(count)?;
    *rest = behind;
    Some(taken)
}

fn length(rest: &mut &[u8]) -> Option<Length> {
    let first = take(rest, 1)?[0];
    Some(match first >> 6 {
        0 => Length::Plain(usize::from(first)),
        1 => Length::Plain(usize::from(first & 63) << 8 | usize::from(take(rest, 1)?[0])),
        2 if first == 0x80 => {
            Length::Plain(u32::from_be_bytes(take(rest, 4)?.try_into().ok()?) as usize)
        }
        2 if first == 0x81 => {
            let length = u64::from_be_bytes(take(rest, 8)?.try_into().ok()?);
            Length::Plain(usize::try_from(length).ok()?)
        }
        3 => Length::Special(first & 63),
        _ => return None,
    })
}

fn string(rest: &mut &[u8], inflate: &impl Fn(&[u8], usize) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    const LZF: u8 = 3;
    match length(rest)? {
        Length::Plain(len) => take(rest, len).map(<[u8]>::to_vec),
        Length::Special(LZF) => {
            let Length::Plain(packed) = length(rest)? else { return None };
            let Length::Plain(full) = length(rest)? else { return None };
            let packed = take(rest, packed)?;
            (full <= packed.len().saturating_mul(256)).then_some(())?;
            inflate(packed, full)
        }
        Length::Special(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crc(bytes: &[u8]) -> u64 {
        bytes.iter().fold(7, |sum, &byte| sum * 31 % 1_000_003 + u64::from(byte))
    }

    #[test]
    fn what_was_dumped_is_restored() {
        let long = vec![b'x'; 70_000];
        let sources: [&[u8]; 4] = [b"a", b"", &long[..100], &long];
        let payload = dump(sources, crc);
        let restored = restore(&payload, crc, |_, _| None).expect("it is whole");
        assert_eq!(restored, sources);
    }

    #[test]
    fn a_broken_payload_is_refused() {
        let mut payload = dump([&b"abc"[..]], crc);
        for cut in 0..payload.len() {
            assert!(restore(&payload[..cut], crc, |_, _| None).is_err());
        }
        payload[2] ^= 1;
        assert_eq!(restore(&payload, crc, |_, _| None), Err(BAD_CHECKSUM));
    }
}
