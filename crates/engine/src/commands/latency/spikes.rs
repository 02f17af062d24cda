//! What LATENCY remembers of one core: for each event the latest spikes, a second each.

use std::collections::{BTreeMap, VecDeque};

/// Spikes of one event that are kept.
pub const SAMPLES_MAX: usize = 160;

/// One spike: its second since the epoch, and its length in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sample {
    /// When, in seconds since the epoch.
    pub unix_s: i64,
    /// How long, in milliseconds.
    pub ms: u64,
}

/// The spikes of one event, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Series {
    /// The latest; one a second at the most.
    pub samples: VecDeque<Sample>,
    /// The longest of all time, in milliseconds.
    pub max_ms: u64,
}

/// All events of one core. Their names are constants of ours, so their number is bounded.
#[derive(Debug, Default)]
pub struct Spikes {
    series: BTreeMap<&'static str, Series>,
}

impl Series {
    /// Notes a spike. Several in one second count as the longest of them.
    pub fn note(&mut self, sample: Sample) {
        self.max_ms = self.max_ms.max(sample.ms);
        match self.samples.back_mut() {
            Some(last) if last.unix_s == sample.unix_s => last.ms = last.ms.max(sample.ms),
            _ => self.samples.push_back(sample),
        }
        while self.samples.len() > SAMPLES_MAX {
            self.samples.pop_front();
        }
    }

    /// The series of all cores as one.
    pub fn merged(mut several: Vec<Series>) -> Series {
        if several.len() == 1 {
            return several.remove(0);
        }
        let mut samples: Vec<Sample> =
            several.iter().flat_map(|series| series.samples.iter().copied()).collect();
        samples.sort_unstable();
        let mut merged = Series::default();
        samples.into_iter().for_each(|sample| merged.note(sample));
        merged.max_ms = several.iter().map(|series| series.max_ms).max().unwrap_or(0);
        merged
    }
}

impl Spikes {
    /// Notes a spike of an event.
    pub fn note(&mut self, event: &'static str, unix_s: i64, ms: u64) {
        self.series.entry(event).or_default().note(Sample { unix_s, ms });
    }

    /// Every event with its series.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, &Series)> {
        self.series.iter().map(|(event, series)| (*event, series))
    }

    /// The series of one event.
    pub fn of(&self, event: &[u8]) -> Option<&Series> {
        std::str::from_utf8(event).ok().and_then(|event| self.series.get(event))
    }

    /// Forgets the named events, or all where none is named. Gives what was forgotten.
    pub fn reset(&mut self, events: &[Vec<u8>]) -> Vec<&'static str> {
        let is_named = |event: &str| {
            events.is_empty() || events.iter().any(|name| name.as_slice() == event.as_bytes())
        };
        let gone: Vec<&'static str> =
            self.series.keys().copied().filter(|event| is_named(event)).collect();
        gone.iter().for_each(|event| {
            self.series.remove(event);
        });
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spikes_of_one_second_count_as_the_longest_and_old_ones_are_forgotten() {
        let mut series = Series::default();
        for (unix_s, ms) in [(1, 5), (1, 9), (1, 7), (2, 1)] {
            series.note(Sample { unix_s, ms });
        }
        assert_eq!(series.samples, [Sample { unix_s: 1, ms: 9 }, Sample { unix_s: 2, ms: 1 }]);
        (3..400).for_each(|unix_s| series.note(Sample { unix_s, ms: 1 }));
        assert_eq!(series.samples.len(), SAMPLES_MAX);
        assert_eq!(series.max_ms, 9);
    }

    #[test]
    fn series_of_several_cores_are_one_by_time() {
        let series = |pairs: &[(i64, u64)]| {
            let mut series = Series::default();
            pairs.iter().for_each(|(unix_s, ms)| series.note(Sample { unix_s: *unix_s, ms: *ms }));
            series
        };
        let merged = Series::merged(vec![series(&[(1, 5), (3, 7)]), series(&[(2, 9), (3, 4)])]);
        assert_eq!(merged, series(&[(1, 5), (2, 9), (3, 7)]));
    }
}
