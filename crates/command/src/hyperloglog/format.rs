//! The header of a HyperLogLog's string, and what is the same in both encodings.

use super::{Corrupted, NOT_A_HYPERLOGLOG, REGISTERS, Registers, dense, sparse};
use crate::Failure;
use store::Str;

/// Bytes of the header.
pub const HEADER: usize = 16;

const MAGIC: &[u8] = b"HYLL";
const DENSE: u8 = 0;
const SPARSE: u8 = 1;

/// Where the encoding, and where the count computed last is.
const ENCODING_AT: usize = 4;
const COUNT_AT: std::ops::Range<usize> = 8..16;

/// The bit of the last byte of the count that says that it is out of date.
const STALE: u8 = 0x80;

/// How the registers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Six bits each.
    Dense,
    /// Runs of equal ones.
    Sparse,
}

impl Encoding {
    /// The encoding of a string that must be a HyperLogLog. Its sparse registers may still be
    /// corrupted, dense ones never are. O(1).
    pub fn of(bytes: &[u8]) -> Result<Encoding, Failure> {
        if bytes.len() < HEADER || !bytes.starts_with(MAGIC) {
            return Err(NOT_A_HYPERLOGLOG);
        }
        match bytes[ENCODING_AT] {
            DENSE if bytes.len() == HEADER + dense::BYTES => Ok(Encoding::Dense),
            SPARSE => Ok(Encoding::Sparse),
            _ => Err(NOT_A_HYPERLOGLOG),
        }
    }

    /// The name that PFDEBUG gives it.
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Dense => "dense",
            Encoding::Sparse => "sparse",
        }
    }
}

/// The bytes and the encoding of a value that must be a HyperLogLog.
pub fn opened(value: Str<'_>) -> Result<(&[u8], Encoding), Failure> {
    match value {
        Str::Bytes(bytes) => Ok((bytes, Encoding::of(bytes)?)),
        Str::Int(_) => Err(NOT_A_HYPERLOGLOG),
    }
}

/// The string of a HyperLogLog that has seen nothing.
pub fn empty() -> Vec<u8> {
    let mut bytes = vec![0; HEADER];
    bytes[..MAGIC.len()].copy_from_slice(MAGIC);
    bytes[ENCODING_AT] = SPARSE;
    sparse::push_zeros(&mut bytes, REGISTERS);
    bytes
}

/// The count computed last, unless it is out of date.
pub fn known_count(bytes: &[u8]) -> Option<u64> {
    let count: [u8; 8] = bytes[COUNT_AT].try_into().expect("eight bytes");
    (count[7] & STALE == 0).then(|| u64::from_le_bytes(count))
}

/// Writes the count into the header.
pub fn remember_count(bytes: &mut [u8], count: u64) {
    bytes[COUNT_AT].copy_from_slice(&count.to_le_bytes());
}

/// The registers are others now: the count is out of date.
pub fn forget_count(bytes: &mut [u8]) {
    bytes[COUNT_AT.end - 1] |= STALE;
}

/// Raises every register to at least what the string says. O(registers).
pub fn raise(registers: &mut Registers, bytes: &[u8], encoding: Encoding) -> Result<(), Corrupted> {
    match encoding {
        Encoding::Dense => {
            dense::raise(registers, &bytes[HEADER..]);
            Ok(())
        }
        Encoding::Sparse => sparse::raise(registers, &bytes[HEADER..]),
    }
}

/// Makes a sparse string dense; what the header says is kept. O(registers).
pub fn to_dense(bytes: &[u8]) -> Result<Vec<u8>, Corrupted> {
    let mut registers = [0; REGISTERS];
    sparse::raise(&mut registers, &bytes[HEADER..])?;
    Ok(dense_with(bytes[..HEADER].to_vec(), &registers))
}

/// A dense string of a header and these registers. O(registers).
pub fn dense_with(mut header: Vec<u8>, registers: &Registers) -> Vec<u8> {
    header[ENCODING_AT] = DENSE;
    header.resize(HEADER + dense::BYTES, 0);
    for (index, value) in registers.iter().enumerate().filter(|(_, value)| **value > 0) {
        dense::raise_one(&mut header[HEADER..], index, *value);
    }
    header
}

/// Raises one register of the string to at least `value`, if it is not so already; says whether it was
/// not. Makes the string dense where a sparse one cannot hold it in `sparse_bytes_max`. `hint` is
/// for a caller that goes through the registers in order. O(runs) if sparse, O(1) if dense.
pub fn raise_one(
    bytes: &mut Vec<u8>,
    (index, value): (usize, u8),
    sparse_bytes_max: usize,
    hint: &mut sparse::Hint,
) -> Result<bool, Corrupted> {
    if bytes[ENCODING_AT] == SPARSE {
        match sparse::raise_one(bytes, index, value, sparse_bytes_max, hint)? {
            sparse::Raised::Already => return Ok(false),
            sparse::Raised::Now => return Ok(true),
            sparse::Raised::NoRoom => *bytes = to_dense(bytes)?,
        }
    }
    Ok(dense::raise_one(&mut bytes[HEADER..], index, value))
}
