//! LATENCY HISTOGRAM: how many executions of each command took at most 1, 2, 4, … microseconds.

use super::{Question, unique};
use crate::commands::info::report::{rebuilt, recorded};
use crate::commands::query::{Answer, Query};
use crate::commands::{Desk, Next};
use crate::core::Core;
use command::{Args, Failure};
use hdrhistogram::Histogram;
use std::collections::BTreeMap;

/// The first bound in nanoseconds; each further one is twice the one before.
const FIRST_BOUND_NS: u64 = 1024;

pub(super) fn run(desk: &mut Desk<'_>, args: &Args<'_>) -> Result<Next, Failure> {
    let table = &desk.core.table;
    let commands = match args.len() {
        2 => table.entries().iter().map(|entry| entry.id).collect(),
        _ => unique(args.from(2).flat_map(|name| named(desk.core, name))),
    };
    Ok(Next::Ask(Query::Latency(Question::Histogram(commands))))
}

/// A command by its name (`config|set` names a sub-command), a container with its sub-commands;
/// nothing for an unknown one.
fn named(core: &Core, name: &[u8]) -> Vec<u16> {
    let (first, sub) = match name.iter().position(|byte| *byte == b'|') {
        Some(bar) => (&name[..bar], Some(&name[bar + 1..])),
        None => (name, None),
    };
    let Some(entry) = core.table.find(first) else { return Vec::new() };
    match sub {
        Some(sub) => {
            core.table.find_subcommand(entry, sub).map(|entry| entry.id).into_iter().collect()
        }
        None => [entry.id].into_iter().chain(entry.subcommands.iter().copied()).collect(),
    }
}

pub(super) fn answer(commands: &[u16], core: &Core) -> Answer {
    let measured = commands.iter().filter_map(|id| {
        let histogram = core.latency[*id as usize].as_deref()?;
        Some((*id, recorded(histogram)))
    });
    Answer::Histograms(measured.collect())
}

pub(super) fn merge(commands: &[u16], answers: Vec<Answer>, desk: &mut Desk<'_>) {
    let mut of: BTreeMap<u16, Vec<(u64, u64)>> = BTreeMap::new();
    for answer in answers {
        if let Answer::Histograms(some) = answer {
            some.into_iter().for_each(|(id, values)| of.entry(id).or_default().extend(values));
        }
    }
    desk.reply.map(of.len());
    for id in commands {
        let Some(values) = of.get(id) else { continue };
        let histogram = rebuilt(values);
        desk.reply.bulk(desk.core.table.entry(*id).full_name.as_bytes());
        desk.reply.map(2);
        desk.reply.bulk(b"calls");
        desk.reply.integer(histogram.len() as i64);
        desk.reply.bulk(b"histogram_usec");
        let steps = steps(&histogram);
        desk.reply.map(steps.len());
        for (us, count) in steps {
            desk.reply.integer(us as i64);
            desk.reply.integer(count as i64);
        }
    }
}

/// The bounds, in microseconds, at which the count of executions not above them grows, with it.
fn steps(histogram: &Histogram<u64>) -> Vec<(u64, u64)> {
    let mut steps: Vec<(u64, u64)> = Vec::new();
    let bounds = std::iter::successors(Some(FIRST_BOUND_NS), |bound| bound.checked_mul(2));
    for bound in bounds {
        let count = histogram.count_between(0, bound);
        if count > steps.last().map_or(0, |(_, count)| *count) {
            steps.push((histogram.highest_equivalent(bound) / 1000, count));
        }
        if count >= histogram.len() {
            break;
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_those_that_redis_shows() {
        let mut histogram = crate::core::new_latency_histogram();
        let us = [1, 2, 8, 8, 11, 16, 33, 60, 130, 1_000_000];
        us.iter().for_each(|us| histogram.record(us * 1000).unwrap());
        let steps = steps(&histogram);
        let expected = [(1, 1), (2, 2), (8, 4), (16, 6), (33, 7), (66, 8), (132, 9)];
        assert_eq!(steps[..7], expected);
        assert_eq!((steps.len(), steps[7].1), (8, 10));
    }
}
