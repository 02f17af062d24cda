//! `FIELDS count field …`: how the newer commands name fields.

use crate::{Args, Failure};

/// The fields that a request lists.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listed {
    first: usize,
    count: usize,
    step: usize,
}

impl Listed {
    /// Reads the list, whose word is at `position`, and which ends the request; each field takes `step` arguments.
    pub(super) fn parse(args: &Args<'_>, position: usize, step: usize) -> Result<Listed, Failure> {
        if args.len() <= position + 1 || !args.is(position, "FIELDS") {
            return Err(Failure::new(
                "ERR Mandatory argument FIELDS is missing or not at the right position",
            ));
        }
        let count = args.integer(position + 1).filter(|count| *count > 0);
        let count = count.and_then(|count| usize::try_from(count).ok());
        let count = count.filter(|count| *count <= i32::MAX as usize);
        let count =
            count.ok_or(Failure::new("ERR Parameter `numFields` should be greater than 0"))?;
        let first = position + 2;
        if count.checked_mul(step) != Some(args.len() - first) {
            return Err(Failure::new(
                "ERR The `numfields` parameter must match the number of arguments",
            ));
        }
        Ok(Listed { first, count, step })
    }

    /// The positions of the fields' names.
    pub(super) fn positions(self) -> impl ExactSizeIterator<Item = usize> {
        (0..self.count).map(move |number| self.first + number * self.step)
    }
}
