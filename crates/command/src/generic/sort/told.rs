//! What the arguments of SORT say.

use super::pattern::Pattern;
use crate::{Args, Failure};
use std::cmp::Ordering;
use std::ops::Range;

/// The options of one SORT.
pub struct Told<'a> {
    /// What to sort by, instead of the elements themselves.
    pub by: Option<Pattern<'a>>,
    /// What to show of each element, instead of itself.
    pub gets: Vec<Pattern<'a>>,
    /// The greatest first.
    pub descending: bool,
    /// By text instead of by number.
    pub alpha: bool,
    /// Where the argument is that names the list to store; the last one counts.
    pub destination: Option<usize>,
    /// Elements to skip, and to show; negative: all that are left.
    limit: (i64, i64),
}

impl<'a> Told<'a> {
    /// Reads the options from argument 2 on.
    pub fn parse(args: &Args<'a>, may_store: bool) -> Result<Told<'a>, Failure> {
        let mut told = Told {
            by: None,
            gets: Vec::new(),
            descending: false,
            alpha: false,
            destination: None,
            limit: (0, -1),
        };
        let mut at = 2;
        while at < args.len() {
            let more = args.len() - at - 1;
            if args.is(at, "ASC") {
                told.descending = false;
            } else if args.is(at, "DESC") {
                told.descending = true;
            } else if args.is(at, "ALPHA") {
                told.alpha = true;
            } else if args.is(at, "LIMIT") && more >= 2 {
                let limit = args.integer(at + 1).zip(args.integer(at + 2));
                told.limit = limit.ok_or(Failure::NOT_INTEGER)?;
            } else if may_store && args.is(at, "STORE") && more >= 1 {
                told.destination = Some(at + 1);
            } else if args.is(at, "BY") && more >= 1 {
                told.by = Some(Pattern::of(args.get(at + 1)));
            } else if args.is(at, "GET") && more >= 1 {
                told.gets.push(Pattern::of(args.get(at + 1)));
            } else {
                return Err(Failure::SYNTAX);
            }
            at += 1 + values(args, at);
        }
        Ok(told)
    }

    /// Whether the elements stay in their own order, because BY is the same for all.
    pub fn is_unsorted(&self) -> bool {
        matches!(self.by, Some(Pattern::Nothing | Pattern::Element))
    }

    /// Which of so many elements are shown.
    pub fn range(&self, len: usize) -> Range<usize> {
        let (offset, count) = self.limit;
        let start = usize::try_from(offset).unwrap_or(0).min(len);
        let end = usize::try_from(count).map_or(len, |count| start.saturating_add(count).min(len));
        start..end
    }

    /// Sorts `order` as far as `shown` needs it, and gives that part. What compares as equal stays in its order.
    /// Expected O(n + m log m) for m of n.
    pub fn pick(
        &self,
        mut order: Vec<usize>,
        shown: Range<usize>,
        compare: impl Fn(usize, usize) -> Ordering,
    ) -> Vec<usize> {
        let directed = |a: &usize, b: &usize| {
            let ordering = compare(*a, *b);
            let ordering = if self.descending { ordering.reverse() } else { ordering };
            ordering.then(a.cmp(b))
        };
        if shown.end < order.len() {
            order.select_nth_unstable_by(shown.end, directed);
            order.truncate(shown.end);
        }
        if (1..order.len()).contains(&shown.start) {
            order.select_nth_unstable_by(shown.start, directed);
        }
        let mut order = order.split_off(shown.start.min(order.len()));
        order.sort_unstable_by(directed);
        order
    }
}

/// How many values the option at `at` has.
fn values(args: &Args<'_>, at: usize) -> usize {
    match args.get(at).to_ascii_uppercase().as_slice() {
        b"LIMIT" => 2,
        b"STORE" | b"BY" | b"GET" => 1,
        _ => 0,
    }
}

/// Where the argument is that names the list to store, found as COMMAND GETKEYS finds it: among whatever else
/// there may be. The last one counts.
pub fn destination(args: &Args<'_>) -> Option<usize> {
    let (mut at, mut found) = (2, None);
    while at < args.len() {
        if args.is(at, "STORE") && at + 1 < args.len() {
            found = Some(at + 1);
        }
        at += 1 + values(args, at);
    }
    found
}

/// Whether BY or GET may name other keys.
pub fn has_patterns(args: &Args<'_>) -> bool {
    Told::parse(args, true).is_ok_and(|told| {
        told.by.iter().chain(&told.gets).any(|pattern| matches!(pattern, Pattern::Key { .. }))
    })
}
