//! What a core has beside sessions and shard: its place, its configuration, its statistics.

pub use crate::plumbing::{Plumbing, ProcessFigures};
use crate::sampler::Sampler;
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

/// The longest duration that LATENCY HISTOGRAM tells apart, in microseconds.
const LATENCY_US_MAX: u64 = 60_000_000;

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
    /// Latency histograms by command, in microseconds; made at the first measurement.
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
    /// `client-query-buffer-limit`.
    pub query_buffer_max: u64,
    /// Executions that took so many ticks are looked at closer: the least of the thresholds of
    /// SLOWLOG and LATENCY.
    pub slow_ticks: u64,
    /// Somebody watches: MONITOR clients exist, or CLIENT PAUSE is on.
    pub watched: bool,
    /// What the core loop tells about itself.
    pub plumbing: Plumbing,
    /// What is known of the process; all zero where nobody told.
    pub figures: ProcessFigures,
    /// Rates of the last moments.
    pub sampler: Sampler,
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
            slow_ticks: u64::MAX,
            watched: false,
            plumbing: Plumbing::default(),
            figures: ProcessFigures::default(),
            sampler: Sampler::default(),
            fast_until_sample: FAST_SAMPLE,
        };
        core.configure();
        core
    }

    /// Takes over what a changed configuration means for the paths that every request takes.
    pub fn configure(&mut self) {
        self.bulk_bytes_max = self.settings.int(settings::PROTO_MAX_BULK_LEN) as u64;
        self.query_buffer_max = self.settings.int(settings::CLIENT_QUERY_BUFFER_LIMIT) as u64;
    }

    /// The position of a data command that the engine itself makes use of.
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
            self.fast_until_sample = FAST_SAMPLE;
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
        let histogram = self.latency[command as usize].get_or_insert_with(|| {
            let made = Histogram::new_with_bounds(1, LATENCY_US_MAX, 2);
            Box::new(made.expect("the bounds are constant and valid"))
        });
        let us = ((ns / 1000.0) as u64).clamp(1, LATENCY_US_MAX);
        histogram.saturating_record_n(us, weight);
    }

    /// Notes an error reply by its first word.
    pub fn account_error(&mut self, text: &str) {
        self.counters.total_error_replies += 1;
        let prefix = text.split(' ').next().unwrap_or("ERR");
        let known = self.errors.len() < ERROR_KINDS_MAX || self.errors.contains_key(prefix);
        *self.errors.entry(if known { prefix } else { "ERR" }.to_owned()).or_default() += 1;
    }

    /// CONFIG RESETSTAT.
    pub fn reset_stats(&mut self) {
        self.counters = Counters::default();
        self.commands.iter_mut().for_each(|stats| *stats = CommandStats::default());
        self.latency.iter_mut().for_each(|histogram| *histogram = None);
        self.errors.clear();
    }
}
