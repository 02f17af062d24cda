//! HyperLogLogs: how many distinct elements were seen, within 0.81 %, in 12 kilobytes at most.
//!
//! The value is a string in Redis' own format, so GET, SET, DUMP and replication need to know nothing
//! of it:
//!
//! | bytes | what |
//! |---|---|
//! | 4 | `HYLL` |
//! | 1 | the encoding of the registers: 0 dense, 1 sparse |
//! | 3 | zero |
//! | 8 | the count computed last, little-endian; its highest bit says that it is out of date |
//! | … | 16384 registers |
//!
//! Dense registers are six bits each ([`dense`]), sparse ones runs of equal registers ([`sparse`]),
//! which become dense beyond `hll-sparse-max-bytes`. A client may SET any string, so whatever is read
//! is judged: a wrong header or length is a wrong type, runs that do not cover the registers are a
//! corrupted object.
//!
//! | file | commands |
//! |---|---|
//! | [`add`] | PFADD |
//! | [`count`] | PFCOUNT |
//! | [`merge`] | PFMERGE |
//! | [`debug`] | PFDEBUG PFSELFTEST |

pub mod add;
pub mod count;
pub mod debug;
pub mod dense;
pub mod element;
pub mod estimate;
pub mod format;
pub mod merge;
pub mod sparse;

pub use self::estimate::estimated_count;

use crate::Failure;
use crate::spec::{Arg, Command};

/// The family's list.
pub const COMMANDS: &[Command] =
    &[add::PFADD, count::PFCOUNT, debug::PFDEBUG, merge::PFMERGE, debug::PFSELFTEST];

/// How many registers there are.
pub const REGISTERS: usize = 1 << 14;

/// The value of every register, a byte each.
pub type Registers = [u8; REGISTERS];

/// The key in COMMAND DOCS.
const KEY: Arg = Arg::key("key", 0);

/// The string is none of ours.
const NOT_A_HYPERLOGLOG: Failure =
    Failure::new("WRONGTYPE Key is not a valid HyperLogLog string value.");

/// The sparse registers of a string are not [`REGISTERS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupted;

impl From<Corrupted> for Failure {
    fn from(_: Corrupted) -> Failure {
        Failure::new("INVALIDOBJ Corrupted HLL object detected")
    }
}
