//! Bitmaps: strings whose bits are numbered from the most significant of the first byte.
//!
//! | file | commands |
//! |---|---|
//! | [`bit`] | SETBIT GETBIT |
//! | [`range`] | BITCOUNT BITPOS |
//! | [`bitop`] | BITOP |
//! | [`bitfield`] | BITFIELD BITFIELD_RO |
//!
//! [`words`] counts and searches bits of byte strings, [`field`] reads and writes integers of any
//! width at any bit; neither knows what a command is.

pub mod bit;
pub mod bitfield;
pub mod bitop;
pub mod field;
pub mod range;
pub mod words;

use crate::spec::{Arg, Command, KeySpec};
use crate::{Args, Ctx, Failure};

/// The family's list.
pub const COMMANDS: &[Command] = &[
    range::BITCOUNT,
    bitfield::BITFIELD,
    bitfield::BITFIELD_RO,
    bitop::BITOP,
    range::BITPOS,
    bit::GETBIT,
    bit::SETBIT,
];

/// One key that is read.
const READ: &[KeySpec] = &[KeySpec::one(1, &["RO", "access"])];

/// The key in COMMAND DOCS.
const KEY: Arg = Arg::key("key", 0);

/// The bit that argument `position` numbers. Bits from `proto-max-bulk-len` bytes on are refused, also
/// where they would only be read, as in Redis. With `width` the number may be written `#n`, which counts
/// fields of that many bits; a product beyond 64 bits wraps, as it does in Redis.
fn bit_offset(
    ctx: &Ctx<'_>,
    args: &Args<'_>,
    position: usize,
    width: Option<u32>,
) -> Result<u64, Failure> {
    const REFUSED: Failure = Failure::new("ERR bit offset is not an integer or out of range");
    let text = args.get(position);
    let offset = match (text, width) {
        ([b'#', number @ ..], Some(width)) => {
            let number = resp::number::parse_i64(number).ok_or(REFUSED)?;
            number.wrapping_mul(i64::from(width))
        }
        _ => resp::number::parse_i64(text).ok_or(REFUSED)?,
    };
    let bytes_max = ctx.settings.size(base::settings::PROTO_MAX_BULK_LEN) as u64;
    match u64::try_from(offset) {
        Ok(offset) if offset / 8 < bytes_max => Ok(offset),
        _ => Err(REFUSED),
    }
}
