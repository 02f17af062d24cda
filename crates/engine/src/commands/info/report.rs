//! What one core tells about itself for INFO and MEMORY, and the sum over all cores.

use crate::commands::query::Witness;
use crate::core::{new_latency_histogram, record_latency};
use crate::plumbing::{Plumbing, ProcessFigures};
use crate::sampler::{METRICS, Metric};
use crate::scripts::ScriptFigures;
use crate::session::Session;
use crate::stats::{CommandStats, Counters};
use hdrhistogram::Histogram;
use std::collections::BTreeMap;
use store::{Memory, StoreStats};

/// Which costly parts a report is to have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Depth {
    /// Statistics of each command.
    pub commands: bool,
    /// Latency histograms of each command.
    pub latency: bool,
}

/// One core, in plain numbers.
#[derive(Debug, Clone, Default)]
pub struct CoreReport {
    /// Its counters.
    pub counters: Counters,
    /// Its keyspace's counters.
    pub store: StoreStats,
    /// What its loop told.
    pub plumbing: Plumbing,
    /// What it was told of the process.
    pub figures: ProcessFigures,
    /// Growth a second, in the order of [`Metric`].
    pub rates: [u64; METRICS],
    /// Its connections.
    pub clients: ClientFigures,
    /// For how many of its keys somebody waits.
    pub blocking_keys: usize,
    /// Where its keyspace's memory goes.
    pub memory: Memory,
    /// The most memory it has used, in bytes.
    pub peak_bytes: u64,
    /// Memory of statistics, logs and the Lua state, in bytes.
    pub own_bytes: u64,
    /// Its scripts and libraries.
    pub scripts: ScriptFigures,
    /// Each database.
    pub databases: Vec<DatabaseFigures>,
    /// Effective writes since start.
    pub changes: u64,
    /// Entries of its slow log, and the highest id among them.
    pub slowlog_len: usize,
    /// How long it has been up, in seconds.
    pub uptime_s: u64,
    /// Statistics of each command, by position in the table; empty unless asked for.
    pub commands: Vec<CommandStats>,
    /// `(command, [(nanoseconds, count)])` of what was measured; empty unless asked for.
    pub latency: Vec<(u16, Vec<(u64, u64)>)>,
    /// Error replies by their first word.
    pub errors: BTreeMap<String, u64>,
}

/// The connections of one core.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClientFigures {
    /// How many.
    pub connected: usize,
    /// How many wait for a key.
    pub blocked: usize,
    /// How many of these have a time limit.
    pub timed: usize,
    /// Memory held for them in bytes, MONITOR clients left out.
    pub bytes: usize,
    /// The largest input buffer in bytes.
    pub input_max: usize,
    /// The largest output buffer in bytes.
    pub output_max: usize,
}

/// One database of one core.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DatabaseFigures {
    /// Keys.
    pub keys: u64,
    /// Keys with a time to live.
    pub expires: u64,
    /// Mean time to live in milliseconds.
    pub avg_ttl_ms: u64,
}

impl ClientFigures {
    fn of<'a>(sessions: impl Iterator<Item = &'a Session>) -> ClientFigures {
        sessions.fold(ClientFigures::default(), |sum, session| ClientFigures {
            connected: sum.connected + 1,
            blocked: sum.blocked + usize::from(session.blocked.is_some()),
            timed: sum.timed + usize::from(session.has_deadline()),
            bytes: sum.bytes + session.memory(),
            input_max: sum.input_max.max(session.input.capacity()),
            output_max: sum.output_max.max(session.output_bytes()),
        })
    }

    fn add(&mut self, other: &ClientFigures) {
        self.connected += other.connected;
        self.blocked += other.blocked;
        self.timed += other.timed;
        self.bytes += other.bytes;
        self.input_max = self.input_max.max(other.input_max);
        self.output_max = self.output_max.max(other.output_max);
    }
}

impl CoreReport {
    /// Looks at one core. O(connections + databases), and O(commands) where asked.
    pub fn of(witness: &mut Witness<'_>, depth: Depth) -> CoreReport {
        let Witness { core, sessions, shard } = witness;
        let store = &shard.store;
        let metrics = [Metric::Commands, Metric::NetInput, Metric::NetOutput, Metric::Turns];
        let databases = (0..store.databases() as u8).map(|db| DatabaseFigures {
            keys: store.len(db) as u64,
            expires: store.expires(db) as u64,
            avg_ttl_ms: store.avg_ttl_ms(db),
        });
        let scripts = core.scripts.figures();
        let mut report = CoreReport {
            counters: core.counters.clone(),
            store: store.stats().clone(),
            plumbing: core.plumbing.clone(),
            figures: core.figures,
            rates: metrics.map(|metric| core.sampler.rate(metric)),
            clients: ClientFigures::of(sessions.iter()),
            blocking_keys: core.blocking_keys,
            memory: store.memory(),
            own_bytes: core.own_bytes() + shard.account.plumbing_bytes + scripts.state_bytes,
            scripts,
            databases: databases.collect(),
            changes: store.changes(),
            slowlog_len: core.command_logs.slow.len(),
            uptime_s: core.now.mono_us.saturating_sub(core.started.mono_us) / 1_000_000,
            errors: core.errors.clone(),
            ..CoreReport::default()
        };
        core.peak_bytes = core.peak_bytes.max(report.used_bytes());
        report.peak_bytes = core.peak_bytes;
        if depth.commands {
            report.commands = core.commands.clone();
        }
        if depth.latency {
            let measured = core.latency.iter().enumerate();
            report.latency = measured
                .filter_map(|(id, histogram)| Some((id as u16, recorded(histogram.as_deref()?))))
                .collect();
        }
        report
    }

    /// All memory that is accounted, in bytes: keyspace, connections, statistics.
    pub fn used_bytes(&self) -> u64 {
        self.memory.used as u64 + self.clients.bytes as u64 + self.own_bytes
    }

    /// Memory of the keyspace that is neither keys and values nor free space, in bytes.
    pub fn tables_bytes(&self) -> u64 {
        self.memory.overhead.saturating_sub(self.memory.fragmentation) as u64
    }

    /// Memory that is not keys and values, in bytes.
    pub fn overhead_bytes(&self) -> u64 {
        self.tables_bytes() + self.clients.bytes as u64 + self.own_bytes
    }

    /// The sum over all cores: counters are added, maxima and what every core knows are not.
    pub fn sum<'a>(reports: impl Iterator<Item = &'a CoreReport>) -> CoreReport {
        reports.fold(CoreReport::default(), |mut sum, report| {
            sum.add(report);
            sum
        })
    }

    fn add(&mut self, other: &CoreReport) {
        self.counters.merge(&other.counters);
        self.store.merge(&other.store);
        add_plumbing(&mut self.plumbing, &other.plumbing);
        if other.figures.read_at_us > self.figures.read_at_us {
            self.figures = other.figures;
        }
        for (sum, rate) in self.rates.iter_mut().zip(other.rates) {
            *sum += rate;
        }
        self.clients.add(&other.clients);
        self.blocking_keys += other.blocking_keys;
        self.memory.used += other.memory.used;
        self.memory.dataset += other.memory.dataset;
        self.memory.overhead += other.memory.overhead;
        self.memory.fragmentation += other.memory.fragmentation;
        self.peak_bytes += other.peak_bytes;
        self.own_bytes += other.own_bytes;
        self.scripts.add(&other.scripts);
        add_databases(&mut self.databases, &other.databases);
        self.changes += other.changes;
        self.slowlog_len += other.slowlog_len;
        self.uptime_s = self.uptime_s.max(other.uptime_s);
        self.commands
            .resize(self.commands.len().max(other.commands.len()), CommandStats::default());
        for (sum, stats) in self.commands.iter_mut().zip(&other.commands) {
            sum.calls += stats.calls;
            sum.ns += stats.ns;
            sum.rejected += stats.rejected;
            sum.failed += stats.failed;
        }
        for (command, values) in &other.latency {
            match self.latency.iter_mut().find(|(known, _)| known == command) {
                Some((_, known)) => known.extend(values),
                None => self.latency.push((*command, values.clone())),
            }
        }
        for (prefix, count) in &other.errors {
            *self.errors.entry(prefix.clone()).or_default() += count;
        }
    }

    /// Commands executed, in microseconds of their durations.
    pub fn commands_us(&self) -> u64 {
        self.commands.iter().map(|stats| stats.ns / 1000).sum()
    }
}

fn add_plumbing(sum: &mut Plumbing, other: &Plumbing) {
    sum.busy_permille += other.busy_permille;
    sum.mailbox_depth += other.mailbox_depth;
    sum.wakeups += other.wakeups;
    sum.wakeups_sent += other.wakeups_sent;
    sum.wakeups_failed += other.wakeups_failed;
    sum.wakeups_late += other.wakeups_late;
    sum.turns_us += other.turns_us;
    sum.cpu_user_us += other.cpu_user_us;
    sum.cpu_sys_us += other.cpu_sys_us;
    sum.note_turn(other.longest_turn_cpu_us, other.longest_turn_wall_us);
    sum.enters += other.enters;
    sum.completions += other.completions;
    sum.rearms += other.rearms;
    sum.buffers_exhausted += other.buffers_exhausted;
    sum.sends_stalled += other.sends_stalled;
}

/// The mean time to live of the sum is that of all keys with one.
fn add_databases(sum: &mut Vec<DatabaseFigures>, other: &[DatabaseFigures]) {
    sum.resize(sum.len().max(other.len()), DatabaseFigures::default());
    for (sum, db) in sum.iter_mut().zip(other) {
        let weighted = u128::from(sum.avg_ttl_ms) * u128::from(sum.expires)
            + u128::from(db.avg_ttl_ms) * u128::from(db.expires);
        sum.keys += db.keys;
        sum.expires += db.expires;
        sum.avg_ttl_ms = (weighted / u128::from(sum.expires.max(1))) as u64;
    }
}

/// What a histogram holds, as values with their counts.
pub fn recorded(histogram: &Histogram<u64>) -> Vec<(u64, u64)> {
    let steps = histogram.iter_recorded();
    steps.map(|step| (step.value_iterated_to(), step.count_since_last_iteration())).collect()
}

/// One histogram of the values of several.
pub fn rebuilt(values: &[(u64, u64)]) -> Histogram<u64> {
    let mut histogram = new_latency_histogram();
    values.iter().for_each(|(value, count)| record_latency(&mut histogram, *value, *count));
    histogram
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_time_to_live_is_weighted_by_the_keys_that_have_one() {
        let mut sum = Vec::new();
        add_databases(&mut sum, &[DatabaseFigures { keys: 4, expires: 3, avg_ttl_ms: 100 }]);
        add_databases(&mut sum, &[DatabaseFigures { keys: 9, expires: 1, avg_ttl_ms: 500 }]);
        add_databases(&mut sum, &[DatabaseFigures::default()]);
        assert_eq!(sum, [DatabaseFigures { keys: 13, expires: 4, avg_ttl_ms: 200 }]);
    }

    #[test]
    fn counters_are_added_and_maxima_are_not() {
        let mut one = CoreReport::default();
        one.counters.hops = 3;
        one.plumbing.note_turn(5, 6);
        one.clients.input_max = 7;
        one.uptime_s = 9;
        let sum = CoreReport::sum([&one, &one].into_iter());
        assert_eq!(sum.counters.hops, 6);
        assert_eq!(sum.plumbing.longest_turn_wall_us, 6);
        assert_eq!((sum.clients.input_max, sum.uptime_s), (7, 9));
    }

    #[test]
    fn a_histogram_survives_the_way_to_another_core() {
        let mut histogram = new_latency_histogram();
        for ns in [1_000, 11_000, 11_000, 900_000, u64::MAX] {
            record_latency(&mut histogram, ns, 1);
        }
        assert!((60_000_000_000..61_000_000_000).contains(&histogram.max()), "{}", histogram.max());
        let again = rebuilt(&recorded(&histogram));
        assert_eq!(again.len(), 5);
        assert_eq!(again.value_at_quantile(0.5), histogram.value_at_quantile(0.5));
        assert_eq!(again.max(), histogram.max());
    }
}
