//! Writing a value.

use crate::{VERSION, VERSION_OF_FIELD_DEADLINES, checksum, kind, stream};
use store::{Anything, Str};

/// A value as a payload of DUMP. O(value), but O(n log n) for what is pending in streams.
pub fn dump(value: &Anything<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut version = VERSION;
    match value {
        Anything::String(string) => {
            out.push(kind::STRING);
            put_string(*string, &mut out);
        }
        Anything::List(list) => {
            put_head(kind::LIST, list.len(), &mut out);
            list.iter().for_each(|element| put_string(element, &mut out));
        }
        Anything::Set(set) => {
            put_head(kind::SET, set.len(), &mut out);
            set.iter().for_each(|member| put_string(member, &mut out));
        }
        Anything::SortedSet(set) => {
            put_head(kind::SORTED_SET, set.len(), &mut out);
            // From the last to the first, as Redis does, which then inserts at the front.
            for scored in set.iter_back_from(set.len()) {
                put_string(scored.member, &mut out);
                out.extend_from_slice(&scored.score.to_le_bytes());
            }
        }
        Anything::Hash(hash) if hash.has_deadlines() => {
            version = VERSION_OF_FIELD_DEADLINES;
            put_hash_with_deadlines(hash, &mut out);
        }
        Anything::Hash(hash) => {
            put_head(kind::HASH, hash.len(), &mut out);
            for field in hash.iter() {
                put_string(field.name, &mut out);
                put_string(field.value, &mut out);
            }
        }
        Anything::Stream(stream) => stream::write(stream, &mut out),
    }
    seal(&mut out, version);
    out
}

/// Puts version and checksum behind a value.
pub fn seal(value: &mut Vec<u8>, version: u16) {
    value.extend_from_slice(&version.to_le_bytes());
    value.extend_from_slice(&checksum::of(value).to_le_bytes());
}

/// The earliest deadline, then each field with its deadline counted from there and one more, 0 for none.
fn put_hash_with_deadlines(hash: &store::Hash<'_>, out: &mut Vec<u8>) {
    let earliest = hash.iter().filter_map(|field| field.deadline).min().unwrap_or(0);
    out.push(kind::HASH_DEADLINES);
    out.extend_from_slice(&earliest.to_le_bytes());
    put_length(hash.iter().count() as u64, out);
    for field in hash.iter() {
        let after = field.deadline.map_or(0, |deadline| deadline.abs_diff(earliest) + 1);
        put_length(after, out);
        put_string(field.name, out);
        put_string(field.value, out);
    }
}

fn put_head(kind: u8, len: usize, out: &mut Vec<u8>) {
    out.push(kind);
    put_length(len as u64, out);
}

/// A length: one byte up to 63, two up to 16383, five up to 32 bits, nine beyond.
pub(crate) fn put_length(length: u64, out: &mut Vec<u8>) {
    match length {
        0..64 => out.push(length as u8),
        64..16_384 => out.extend_from_slice(&(0x4000 | length as u16).to_be_bytes()),
        _ => match u32::try_from(length) {
            Ok(length) => {
                out.push(0x80);
                out.extend_from_slice(&length.to_be_bytes());
            }
            Err(_) => {
                out.push(0x81);
                out.extend_from_slice(&length.to_be_bytes());
            }
        },
    }
}

/// A string, or an integer of up to 32 bits.
fn put_string(string: Str<'_>, out: &mut Vec<u8>) {
    let short = match string {
        Str::Int(number) => i32::try_from(number).ok(),
        Str::Bytes(_) => None,
    };
    match short {
        Some(number @ -0x80..=0x7f) => out.extend_from_slice(&[0xc0, number as u8]),
        Some(number @ -0x8000..=0x7fff) => {
            out.push(0xc1);
            out.extend_from_slice(&(number as i16).to_le_bytes());
        }
        Some(number) => {
            out.push(0xc2);
            out.extend_from_slice(&number.to_le_bytes());
        }
        None => {
            let mut buffer = itoa::Buffer::new();
            put_bytes(string.as_bytes(&mut buffer), out);
        }
    }
}

/// A string as it is.
pub(crate) fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    put_length(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}
