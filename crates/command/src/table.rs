//! The table of all data commands.

use crate::spec::Command;
use crate::{bitmap, expire, generic, hyperloglog, string};

/// Every data command, family by family. A sub-command stands in its container.
pub fn families() -> impl Iterator<Item = &'static Command> {
    [string::COMMANDS, generic::COMMANDS, expire::COMMANDS, bitmap::COMMANDS, hyperloglog::COMMANDS]
        .into_iter()
        .flatten()
}

#[cfg(test)]
mod tests;
