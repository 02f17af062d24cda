//! The table of all data commands.

use crate::spec::Command;
use crate::{
    bitmap, expire, generic, geo, hash, hyperloglog, list, scripting, set, sorted_set, stream,
    string, transaction,
};

/// Every data command, family by family. A sub-command stands in its container.
pub fn families() -> impl Iterator<Item = &'static Command> {
    const FAMILIES: &[&[Command]] = &[
        string::COMMANDS,
        generic::COMMANDS,
        expire::COMMANDS,
        hash::COMMANDS,
        list::COMMANDS,
        set::COMMANDS,
        sorted_set::COMMANDS,
        geo::COMMANDS,
        stream::COMMANDS,
        bitmap::COMMANDS,
        hyperloglog::COMMANDS,
        transaction::COMMANDS,
        scripting::COMMANDS,
    ];
    FAMILIES.iter().copied().flatten()
}

#[cfg(test)]
mod tests;
