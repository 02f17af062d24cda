//! What a core has beside sessions and shard: its place, its configuration, its statistics.

use crate::commands::client::{ClientLimits, Clients};
use crate::commands::latency::spikes::Spikes;
use crate::commands::slowlog::log::CommandLogs;
use crate::mistakes::Mistakes;
pub use crate::plumbing::{Plumbing, ProcessFigures};
use crate::sampler::Sampler;
use crate::scripts::Scripts;
use crate::stats::{CommandStats, Counters};
use crate::table::Table;
use base::{CoreId, Now, Prng, RouteTable, Settings, settings};
use hdrhistogram::Histogram;
use std::collections::BTreeMap;
use std::sync::Arc;
use store::Hasher;

/// Different error prefixes that INFO errorstats tells apart; further ones count as `ERR`.
const ERROR_KINDS_MAX: usize = 128;

/// One FAST command in this many is measured.
pub const FAST_SAMPLE: u64 = 16;

/// Under a SLOWLOG threshold of so many microseconds every FAST command is measured.
const FINE_THRESHOLD_US: u64 = 100;

/// The longest duration that LATENCY HISTOGRAM tells apart, in nanoseconds.
const LATENCY_NS_MAX: u64 = 60_000_000_000;

/// A histogram for the durations of one command, in nanoseconds with two digits. It grows with the
/// longest duration seen: 4 KB for microseconds, where a fixed range would take 30 KB a command.
pub fn new_latency_histogram() -> Histogram<u64> {
    Histogram::new(2).expect("two digits are within what a histogram can hold")
}

/// Facts about the process that only the boot knows.
#[derive(Debug, Clone, Default)]
pub struct Process {
    /// Process id.
    pub pid: u32,
    /// How many cores there are.
    pub cores: usize,
    /// Forty hexadecimal digits, new at each start.
    pub run_id: String,
    /// Absolute path of the configuration file; empty without one.
    pub config_file: String,
    /// Absolute path of the executable.
    pub executable: String,
    /// `Linux 6.1.0 x86_64`.
    pub os: String,
    /// 32 or 64.
    pub arch_bits: u32,
    /// Which event loop runs and why.
    pub event_loop: String,
    /// Physical memory of the machine in bytes.
    pub system_memory: u64,
    /// The ports of the cores, in their order; empty without `core-ports`.
    pub core_ports: Vec<u16>,
    /// Node ids of the cores in their order: forty hexadecimal digits, stable over restarts.
    pub node_ids: Vec<String>,
}

/// The state that commands of the connection and the server work on.
pub struct Core {
    /// Which core this is.
    pub id: CoreId,
    /// Where slots live.
    pub route: RouteTable,
    /// The configuration, the same on all cores between changes.
    pub settings: Settings,
    /// All commands.
    pub table: Arc<Table>,
    /// Facts about the process.
    pub process: Arc<Process>,
    /// Hashes keys; the same on all cores.
    pub hasher: Hasher,
    /// The seed that it was made from.
    pub hash_seed: u64,
    /// The time of the turn.
    pub now: Now,
    /// When the core started.
    pub started: Now,
    /// Counters.
    pub counters: Counters,
    /// Statistics by command.
    pub commands: Vec<CommandStats>,
    /// Latency histograms by command, in nanoseconds; made at the first measurement.
    pub latency: Vec<Option<Box<Histogram<u64>>>>,
    /// Error replies by their first word.
    pub errors: BTreeMap<String, u64>,
    /// Sampling and ids.
    pub prng: Prng,
    /// A cycle counter, and how many of its ticks make a microsecond.
    pub ticks: fn() -> u64,
    /// Ticks in a microsecond.
    pub ticks_per_us: f64,
    /// `proto-max-bulk-len`, at hand for the parser.
    pub bulk_bytes_max: u64,
    /// How many requests ahead of its execution an entry is prefetched: half of `prefetch-batch`,
    /// because the bucket is asked for twice as early; 0 is off.
    pub prefetch_ahead: usize,
    /// `client-query-buffer-limit`.
    pub query_buffer_max: u64,
    /// Executions that took so many ticks are looked at closer: the least of the thresholds of
    /// SLOWLOG and LATENCY.
    pub slow_ticks: u64,
    /// Somebody watches: MONITOR clients exist, or CLIENT PAUSE is on.
    pub watched: bool,
    /// A script runs on: requests are answered so.
    pub busy: Option<crate::tx::busy::Busy>,
    /// What concerns all clients.
    pub clients: Clients,
    /// DEBUG SLEEP: no request is executed.
    pub frozen: bool,
    /// What the core loop tells about itself.
    pub plumbing: Plumbing,
    /// What is known of the process; all zero where nobody told.
    pub figures: ProcessFigures,
    /// Rates of the last moments.
    pub sampler: Sampler,
    /// What SLOWLOG and COMMANDLOG remember.
    pub command_logs: CommandLogs,
    /// A request or reply of so many bytes is looked at closer.
    pub large_bytes: u64,
    /// The Lua state.
    pub scripts: Scripts,
    /// EXEC's position in the table.
    pub exec: u16,
    /// For how many of its keys somebody waits.
    pub blocking_keys: usize,
    /// SELECT's.
    pub select: u16,
    /// What LATENCY remembers.
    pub spikes: Spikes,
    /// `latency-monitor-threshold` in milliseconds; 0 is off.
    pub spike_threshold_ms: u64,
    /// `latency-tracking`.
    pub tracks_latency: bool,
    /// One FAST command in so many is measured.
    pub fast_sample: u64,
    /// The most memory that was accounted, in bytes.
    pub peak_bytes: u64,
    /// Forty hexadecimal digits: what this server is called in replication.
    pub replication_id: String,
    /// Who changed each setting last, by the setting's index: concurrent changes from several cores
    /// end the same on all.
    pub setting_stamps: Vec<(i64, u16)>,
    /// What a simulation has it do wrong.
    pub(crate) mistakes: Mistakes,
    /// Counts FAST commands to the next measured one.
    fast_until_sample: u64,
}

impl Core {
    /// A core at its start.
    #[allow(clippy::too_many_arguments, reason = "one call, from Engine::new")]
    pub fn new(
        id: CoreId,
        route: RouteTable,
        settings: Settings,
        table: Arc<Table>,
        process: Arc<Process>,
        hash_seed: u64,
        seed: u64,
        clock: (fn() -> u64, f64),
    ) -> Core {
        let commands = table.entries().len();
        let mut core = Core {
            id,
            route,
            settings,
            table,
            process,
            hasher: Hasher::new(hash_seed),
            hash_seed,
            now: Now::default(),
            started: Now::default(),
            counters: Counters::default(),
            commands: vec![CommandStats::default(); commands],
            latency: (0..commands).map(|_| None).collect(),
            errors: BTreeMap::new(),
            prng: Prng::new(seed),
            ticks: clock.0,
            ticks_per_us: clock.1,
            bulk_bytes_max: 0,
            query_buffer_max: 0,
            prefetch_ahead: 0,
            slow_ticks: u64::MAX,
            watched: false,
            busy: None,
            clients: Clients::default(),
            frozen: false,
            plumbing: Plumbing::default(),
            figures: ProcessFigures::default(),
            sampler: Sampler::default(),
            command_logs: CommandLogs::default(),
            large_bytes: u64::MAX,
            scripts: Scripts::default(),
            exec: 0,
            blocking_keys: 0,
            select: 0,
            spikes: Spikes::default(),
            spike_threshold_ms: 0,
            tracks_latency: true,
            fast_sample: FAST_SAMPLE,
            peak_bytes: 0,
            replication_id: replication_id(hash_seed),
            setting_stamps: vec![(0, 0); settings::TABLE.len()],
            mistakes: Mistakes::default(),
            fast_until_sample: FAST_SAMPLE,
        };
        (core.exec, core.select) = (core.known("EXEC"), core.known("SELECT"));
        core.configure();
        core
    }

    /// Takes over what a changed configuration means for the paths that every request takes.
    pub fn configure(&mut self) {
        self.prefetch_ahead = self.settings.size(settings::PREFETCH_BATCH).div_ceil(2);
        self.bulk_bytes_max = self.settings.int(settings::PROTO_MAX_BULK_LEN) as u64;
        self.query_buffer_max = self.settings.int(settings::CLIENT_QUERY_BUFFER_LIMIT) as u64;
        self.clients.limits = ClientLimits::of(&self.settings);
        self.command_logs.configure(&self.settings);
        self.large_bytes = self.command_logs.large_bytes();
        self.spike_threshold_ms =
            self.settings.int(settings::LATENCY_MONITOR_THRESHOLD).max(0) as u64;
        self.tracks_latency = self.settings.flag(settings::LATENCY_TRACKING);
        let slow_us = self.command_logs.slow_us;
        let spike_us =
            (self.spike_threshold_ms > 0).then(|| self.spike_threshold_ms.saturating_mul(1000));
        let least_us = slow_us.into_iter().chain(spike_us).min();
        self.slow_ticks = least_us.map_or(u64::MAX, |us| (us as f64 * self.ticks_per_us) as u64);
        let fine = slow_us.is_some_and(|us| us < FINE_THRESHOLD_US);
        self.fast_sample = if fine { 1 } else { FAST_SAMPLE };
        self.fast_until_sample = self.fast_sample;
    }

    /// Takes over whether anybody watches, after it may have changed.
    pub fn refresh_watched(&mut self) {
        self.watched = self.clients.watched() || self.frozen || self.busy.is_some();
    }

    /// The position of a command that the engine itself makes use of.
    pub fn known(&self, name: &str) -> u16 {
        let mut entries = self.table.entries().iter();
        let found = entries.find(|entry| entry.parent.is_none() && entry.spec.name == name);
        found.map(|entry| entry.id).expect("the families have the commands that parts are made of")
    }

    /// Whether this execution of a FAST command is one of those that are measured.
    #[inline]
    pub fn samples_fast(&mut self) -> bool {
        self.fast_until_sample -= 1;
        if self.fast_until_sample == 0 {
            self.fast_until_sample = self.fast_sample;
            return true;
        }
        false
    }

    /// Microseconds from ticks.
    pub fn ticks_to_us(&self, ticks: u64) -> u64 {
        (ticks as f64 / self.ticks_per_us) as u64
    }

    /// Notes one execution. `ticks` 0 means that it was not measured; `weight` is how many
    /// executions a measurement stands for.
    #[inline]
    pub fn account(&mut self, command: u16, ticks: u64, weight: u64) {
        let stats = &mut self.commands[command as usize];
        stats.calls += 1;
        self.counters.total_commands_processed += 1;
        if ticks != 0 {
            self.account_duration(command, ticks, weight);
        }
    }

    #[cold]
    fn account_duration(&mut self, command: u16, ticks: u64, weight: u64) {
        let ns = ticks as f64 * 1000.0 / self.ticks_per_us;
        self.commands[command as usize].ns += (ns * weight as f64) as u64;
        if self.tracks_latency {
            let histogram = self.latency[command as usize]
                .get_or_insert_with(|| Box::new(new_latency_histogram()));
            record_latency(histogram, ns as u64, weight);
        }
    }

    /// Notes an error reply by its first word.
    pub fn account_error(&mut self, text: &[u8]) {
        self.counters.total_error_replies += 1;
        let first = text.split(|byte| *byte == b' ').next().unwrap_or_default();
        let prefix = std::str::from_utf8(first).unwrap_or("ERR");
        let known = self.errors.len() < ERROR_KINDS_MAX || self.errors.contains_key(prefix);
        *self.errors.entry(if known { prefix } else { "ERR" }.to_owned()).or_default() += 1;
    }

    /// Memory of statistics and logs in bytes. O(commands + entries of the logs).
    pub fn own_bytes(&self) -> u64 {
        let histograms = self.latency.iter().flatten();
        let histograms: usize = histograms.map(|one| one.distinct_values() * 8).sum();
        (histograms + self.command_logs.memory()) as u64
    }

    /// CONFIG RESETSTAT.
    pub fn reset_stats(&mut self) {
        self.plumbing.reset_maxima();
        self.counters = Counters::default();
        self.commands.iter_mut().for_each(|stats| *stats = CommandStats::default());
        self.latency.iter_mut().for_each(|histogram| *histogram = None);
        self.errors.clear();
    }
}

/// Notes a duration in nanoseconds. Histograms grow only by recording that may fail, which within
/// [`LATENCY_NS_MAX`] it does not.
pub fn record_latency(histogram: &mut Histogram<u64>, ns: u64, count: u64) {
    let recorded = histogram.record_n(ns.clamp(1, LATENCY_NS_MAX), count);
    debug_assert!(recorded.is_ok(), "a histogram grows to the bound");
}

/// An id that all cores of a process agree on without talking.
fn replication_id(seed: u64) -> String {
    let mut prng = Prng::new(seed ^ 0x7265_706c_6964);
    let digits: String = (0..3).map(|_| format!("{:016x}", prng.next_u64())).collect();
    digits[..40].to_owned()
}
