//! Any type of value: existence, names, the whole keyspace.
//!
//! | file | commands |
//! |---|---|
//! | [`keys`] | DEL UNLINK EXISTS TOUCH TYPE |
//! | [`dump`] | DUMP RESTORE |
//! | [`moves`] | RENAME RENAMENX COPY MOVE |
//! | [`walk`] | KEYS SCAN RANDOMKEY DBSIZE |
//! | [`flush`] | FLUSHALL FLUSHDB SWAPDB |
//! | [`sort`] | SORT SORT_RO |
//! | [`object`] | OBJECT and its sub-commands, MEMORY USAGE |

pub mod dump;
pub mod flush;
pub mod keys;
pub mod moves;
pub mod object;
pub mod sort;
pub mod walk;

pub use self::object::{MEMORY_USAGE, memory_usage};
pub use self::walk::cursor_slot;

use crate::spec::{Arg, Command};

/// The family's list.
pub const COMMANDS: &[Command] = &[
    moves::COPY,
    walk::DBSIZE,
    keys::DEL,
    dump::DUMP,
    keys::EXISTS,
    flush::FLUSHALL,
    flush::FLUSHDB,
    walk::KEYS,
    moves::MOVE,
    object::OBJECT,
    walk::RANDOMKEY,
    moves::RENAME,
    moves::RENAMENX,
    dump::RESTORE,
    walk::SCAN,
    sort::SORT,
    sort::SORT_RO,
    flush::SWAPDB,
    keys::TOUCH,
    keys::TYPE,
    keys::UNLINK,
];

/// Several keys in COMMAND DOCS.
const SOME_KEYS: Arg = Arg::key("key", 0).multiple();
