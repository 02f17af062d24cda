//! What happens to payloads on their way.

use base::Prng;

/// Bytes of version and checksum.
const FOOTER: usize = 10;

/// The longest that one grows by being damaged.
const LONGEST: usize = 20_000;

fn pick<'a, T>(prng: &mut Prng, from: &'a [T]) -> &'a T {
    &from[prng.below(from.len() as u64) as usize]
}

/// A damaged payload, and whether its checksum was made right again.
pub fn damaged(prng: &mut Prng, payloads: &[Vec<u8>]) -> (Vec<u8>, bool) {
    if prng.one_in(10) {
        let mut payload = pick(prng, payloads).clone();
        damage(prng, &mut payload, payloads);
        return (payload, false);
    }
    let mut value = value_of(pick::<Vec<u8>>(prng, payloads)).to_vec();
    for _ in 0..=prng.below(3) {
        if !value.is_empty() {
            damage(prng, &mut value, payloads);
        }
    }
    // Versions up to 12 are known.
    rdb::seal(&mut value, prng.below(13) as u16);
    (value, true)
}

fn value_of(payload: &[u8]) -> &[u8] {
    &payload[..payload.len() - FOOTER]
}

/// Whether a payload has the checksum that it should have.
pub fn is_sealed(payload: &[u8]) -> bool {
    let Some(len) = payload.len().checked_sub(FOOTER) else { return false };
    let mut again = payload[..len].to_vec();
    rdb::seal(&mut again, u16::from_le_bytes([payload[len], payload[len + 1]]));
    again == payload
}

fn damage(prng: &mut Prng, value: &mut Vec<u8>, payloads: &[Vec<u8>]) {
    let len = value.len() as u64;
    // Heads say more than what is far behind them.
    let reach = if prng.one_in(2) { len.min(24) } else { len };
    let at = prng.below(reach) as usize;
    match prng.below(9) {
        0 | 1 => value[at] ^= 1 << prng.below(8),
        2 => value[at] = prng.next_u64() as u8,
        3 => value[at] = *pick(prng, &[0, 1, 0x7f, 0x80, 0x81, 0xc0, 0xc3, 0xf0, 0xfe, 0xff]),
        4 => value.truncate(at),
        5 => {
            let some = prng.below(4) as usize + 1;
            let bytes: Vec<u8> = (0..some).map(|_| prng.next_u64() as u8).collect();
            value.splice(at..at, bytes);
        }
        6 => {
            let some = (prng.below(6) as usize + 1).min(value.len() - at);
            value.drain(at..at + some);
        }
        7 => splice_halves(prng, value, at, payloads),
        _ => lie_about_a_length(prng, value, at),
    }
    value.truncate(LONGEST);
}

/// The end of another value, or of itself, behind what there is up to `at`.
fn splice_halves(prng: &mut Prng, value: &mut Vec<u8>, at: usize, payloads: &[Vec<u8>]) {
    let other = match prng.one_in(3) {
        true => value.clone(),
        false => value_of(pick::<Vec<u8>>(prng, payloads)).to_vec(),
    };
    let from = prng.below(other.len() as u64 + 1) as usize;
    value.truncate(at);
    value.extend_from_slice(&other[from..]);
}

/// A length in the place of a byte, or over the bytes from there on.
fn lie_about_a_length(prng: &mut Prng, value: &mut Vec<u8>, at: usize) {
    let huge = *pick(
        prng,
        &[
            u64::MAX,
            1 << 63,
            i64::MAX as u64,
            1 << 40,
            1 << 32,
            u64::from(u32::MAX),
            1 << 31,
            1 << 20,
            70_000,
        ],
    );
    let mut bytes = Vec::new();
    match prng.below(4) {
        0 => {
            bytes.push(0x81);
            bytes.extend_from_slice(&huge.to_be_bytes());
        }
        1 => {
            bytes.push(0x80);
            bytes.extend_from_slice(&(huge as u32).to_be_bytes());
        }
        2 => bytes.extend_from_slice(&(huge as u32).to_le_bytes()),
        _ => bytes.extend_from_slice(&(0x4000 | prng.below(0x4000) as u16).to_be_bytes()),
    }
    let over = if prng.one_in(2) { 1 } else { bytes.len() };
    let end = (at + over).min(value.len());
    value.splice(at..end, bytes);
}
