//! The command line of every sub-command.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};

use crate::peer::Spec;

/// Conformance of the real server binary with a real Redis and with real clients.
#[derive(Debug, Parser)]
#[command(name = "conformance")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The sub-commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Every reply that is not compared by bytes and every difference that is meant, with the reasons.
    Exceptions,
    /// Random command scripts to the server and to redis-server, replies compared byte for byte.
    Random(RandomArgs),
    /// Random scripts of several clients in step, on the server and on redis-server.
    Together(TogetherArgs),
    /// Money that moves between accounts on several cores while others count it.
    Transfers(TransfersArgs),
    /// A thousand clients that wait for what others push: nothing lost, nothing served twice, in order.
    Queues(QueuesArgs),
    /// A script typed by hand, compared in the same way.
    Replay(ReplayArgs),
    /// COMMAND INFO, DOCS and GETKEYS of both, field by field.
    #[command(name = "command-table")]
    Table(TableArgs),
    /// Random values of every type dumped here and restored by redis-server, and the other way round.
    ///
    /// Needs redis-server 7.0 on PATH, or --oracle. It is started with `sanitize-dump-payload yes`.
    Dumps(DumpsArgs),
    /// Real client libraries: redis-rs and fred, and redis-py and ioredis on request.
    Clients(ClientsArgs),
    /// Real software: BullMQ, Celery with a worker, a leaky bucket in Lua.
    Real(RealArgs),
    /// memtier_benchmark and redis-benchmark, briefly, for errors only.
    Memtier(MemtierArgs),
    /// Ten thousand connections, garbage, readers that never read.
    Abuse(AbuseArgs),
}

/// Which servers, and where.
#[derive(Debug, Clone, Args)]
pub struct Places {
    /// The binary under test, by path or by its name on PATH.
    #[arg(long, default_value = "target/debug/corelane")]
    pub server: String,
    /// The binary that knows best.
    #[arg(long, default_value = "redis-server")]
    pub oracle: String,
    /// A running server to test instead of starting one.
    #[arg(long)]
    pub addr: Option<SocketAddr>,
    /// A running oracle to ask instead of starting one.
    #[arg(long)]
    pub oracle_addr: Option<SocketAddr>,
    /// How many cores the server under test gets.
    #[arg(long, default_value_t = 2)]
    pub cores: u16,
    /// The first port: the server's, then the oracle's, from +10 on the core ports.
    #[arg(long, default_value_t = 17_200)]
    pub port: u16,
    /// A further directive for the server under test, as `name=value`; may be repeated.
    #[arg(long = "directive")]
    pub directives: Vec<String>,
}

impl Places {
    /// The server under test. A redis-server in its place gets no directives of ours.
    pub fn subject_spec(&self) -> Result<Spec> {
        let mut extra = Vec::new();
        if !self.subject_is_redis() {
            extra.extend(["--cores".to_owned(), self.cores.to_string()]);
            extra.extend(["--core-ports".to_owned(), self.core_port().to_string()]);
        }
        for directive in &self.directives {
            let (name, value) =
                directive.split_once('=').context("a --directive is written name=value")?;
            extra.extend([format!("--{name}"), value.to_owned()]);
        }
        Ok(Spec { program: self.server.clone(), port: self.port, extra })
    }

    /// The oracle.
    pub fn oracle_spec(&self) -> Spec {
        Spec { program: self.oracle.clone(), port: self.port + 1, extra: Vec::new() }
    }

    /// The first core port of the server under test.
    pub fn core_port(&self) -> u16 {
        self.port + 10
    }

    /// Whether the server under test is itself a Redis (which proves the comparison, not the server).
    pub fn subject_is_redis(&self) -> bool {
        self.subject_name().contains("redis-server")
    }

    /// The file name of the server under test.
    pub fn subject_name(&self) -> String {
        Path::new(&self.server)
            .file_name()
            .map_or_else(|| self.server.clone(), |name| name.to_string_lossy().into_owned())
    }
}

/// What the comparisons of generated scripts have in common: with whom, how long, with what.
#[derive(Debug, Args)]
pub struct Course {
    /// Which servers.
    #[command(flatten)]
    pub places: Places,
    /// Stop after this many requests.
    #[arg(long)]
    pub commands: Option<u64>,
    /// The first seed. Each seed is one script from an empty server; alone, without a limit, it is the only one.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Stop after this many seconds.
    #[arg(long)]
    pub max_seconds: Option<u64>,
    /// Speak only this protocol; without it the connections of a script mix both.
    #[arg(long, value_parser = clap::value_parser!(u8).range(2..=3))]
    pub resp: Option<u8>,
    /// Only these families (comma-separated). `random`: string, list, generic, expire, scan, bitmap, hyperloglog, connection, server, config, command, cluster, protocol. `together`: transactions, blocking, scripts, functions, data.
    #[arg(long, value_delimiter = ',')]
    pub families: Vec<String>,
    /// Go on until this many kinds of difference are found.
    #[arg(long, default_value_t = 1)]
    pub max_differences: usize,
    /// Plant a mistake, to prove that it is found. `random`: strlen, getrange, error-text, null, ttl. `together`: deaf-watch, empty-exec, lost-wake, wrong-waiter, script-nil, lost-push.
    #[arg(long)]
    pub sabotage: Option<String>,
}

impl Course {
    /// First seed and the one after the last.
    pub fn seed_range(&self) -> (u64, u64) {
        // One seed given alone is that script; with a limit it is where the counting starts.
        let alone = self.commands.is_none() && self.max_seconds.is_none();
        (self.seed, if alone { self.seed + 1 } else { u64::MAX })
    }

    /// Whether its limits allow another script, after so many requests since `begun`.
    pub fn goes_on(&self, compared: u64, begun: Instant) -> bool {
        let in_time = |most| begun.elapsed() < Duration::from_secs(most);
        self.commands.is_none_or(|most| compared < most) && self.max_seconds.is_none_or(in_time)
    }

    /// The command that plays one seed again.
    fn command_line(&self, what: &str, seed: u64) -> String {
        let server = &self.places.server;
        let mut line =
            format!("cargo run -p conformance -- {what} --server {server} --seed {seed}");
        if let Some(version) = self.resp {
            line.push_str(&format!(" --resp {version}"));
        }
        if self.places.cores != 2 {
            line.push_str(&format!(" --cores {}", self.places.cores));
        }
        if !self.families.is_empty() {
            line.push_str(&format!(" --families {}", self.families.join(",")));
        }
        if let Some(name) = &self.sabotage {
            line.push_str(&format!(" --sabotage {name}"));
        }
        line
    }
}

/// `random`
#[derive(Debug, Args)]
pub struct RandomArgs {
    /// With whom, how long, with what.
    #[command(flatten)]
    pub course: Course,
    /// Seeds `A..B` (B excluded), or `A..` without end.
    #[arg(long)]
    pub seeds: Option<String>,
    /// Actions of one script.
    #[arg(long, default_value_t = 1000)]
    pub episode: usize,
    /// Do not send these commands (comma-separated, `CLIENT KILL` for a sub-command).
    #[arg(long, value_delimiter = ',')]
    pub skip: Vec<String>,
    /// Write the differences to this file as Markdown.
    #[arg(long)]
    pub report: Option<PathBuf>,
}

impl RandomArgs {
    /// What `random` alone on the command line gives.
    #[cfg(test)]
    pub fn for_tests() -> RandomArgs {
        match Cli::parse_from(["conformance", "random"]).command {
            Command::Random(args) => args,
            other => unreachable!("`random` parsed as {other:?}"),
        }
    }

    /// First seed and the one after the last.
    pub fn seed_range(&self) -> Result<(u64, u64)> {
        let Some(range) = &self.seeds else { return Ok(self.course.seed_range()) };
        let (first, last) = range.split_once("..").context("seeds are written A..B")?;
        let last =
            if last.is_empty() { u64::MAX } else { last.parse().context("the end of --seeds")? };
        Ok((first.parse().context("the start of --seeds")?, last))
    }

    /// The command that plays one seed again, without the commands in `skipped`.
    pub fn command_line(&self, seed: u64, skipped: &[String]) -> String {
        let mut line = self.course.command_line("random", seed);
        if self.episode != 1000 {
            line.push_str(&format!(" --episode {}", self.episode));
        }
        if !skipped.is_empty() {
            line.push_str(&format!(" --skip '{}'", skipped.join(",")));
        }
        line
    }
}

/// `together`
#[derive(Debug, Args)]
pub struct TogetherArgs {
    /// With whom, how long, with what.
    #[command(flatten)]
    pub course: Course,
    /// Steps of one script.
    #[arg(long, default_value_t = 100)]
    pub episode: usize,
    /// Play the steps of this file instead, written as reports show them: `[0] MULTI ; SET a b`, `[0] (closes its connection)`,
    /// `(wait 20 ms)`.
    #[arg(long)]
    pub script: Option<PathBuf>,
    /// Print the script of the first seed, and play nothing.
    #[arg(long)]
    pub print: bool,
}

impl TogetherArgs {
    /// The command that plays one seed again.
    pub fn command_line(&self, seed: u64) -> String {
        let line = self.course.command_line("together", seed);
        format!("{line} --episode {}", self.episode)
    }
}

/// `transfers`
#[derive(Debug, Args)]
pub struct TransfersArgs {
    /// Which server.
    #[command(flatten)]
    pub places: Places,
    /// Transfers in all.
    #[arg(long, default_value_t = 100_000)]
    pub transfers: u64,
    /// Other choices.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Give up after this many seconds.
    #[arg(long, default_value_t = 300)]
    pub max_seconds: u64,
    /// Move only in these ways (comma-separated): multi, watch, watched-mset, script, undeclared-script, mset.
    #[arg(long, value_delimiter = ',')]
    pub forms: Vec<String>,
    /// Count only in these ways (comma-separated): mget, multi, script, undeclared-script.
    #[arg(long, value_delimiter = ',')]
    pub counts: Vec<String>,
    /// Also move in a way that is wrong, to prove that it is caught: loose, lost-update.
    #[arg(long)]
    pub plant: Option<String>,
}

/// `queues`
#[derive(Debug, Args)]
pub struct QueuesArgs {
    /// Which server.
    #[command(flatten)]
    pub places: Places,
    /// Clients that wait, each on a key of its own.
    #[arg(long, default_value_t = 1000)]
    pub clients: usize,
    /// Pushes a second.
    #[arg(long, default_value_t = 10_000)]
    pub rate: u64,
    /// Seconds of each part.
    #[arg(long, default_value_t = 10)]
    pub seconds: u64,
    /// Seconds for which the CPU of idle clients is measured.
    #[arg(long, default_value_t = 5)]
    pub idle_seconds: u64,
    /// Other choices.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// A value may be lost with a client that goes while it is served, as Redis does.
    #[arg(long)]
    pub as_redis: bool,
    /// Do something wrong on the way, to prove that it is caught: thief, twice, order.
    #[arg(long)]
    pub plant: Option<String>,
}

/// `replay`
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Which servers.
    #[command(flatten)]
    pub places: Places,
    /// Requests as redis-cli takes them, separated by `;`. A leading `@1` names another connection.
    #[arg(long)]
    pub script: Option<String>,
    /// A file of such lines.
    #[arg(long)]
    pub file: Option<PathBuf>,
    /// The protocol.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(2..=3))]
    pub resp: u8,
}

/// `command-table`
#[derive(Debug, Args)]
pub struct TableArgs {
    /// Which servers.
    #[command(flatten)]
    pub places: Places,
    /// Name the commands that only the oracle knows.
    #[arg(long)]
    pub missing: bool,
}

/// `dumps`
#[derive(Debug, Args)]
pub struct DumpsArgs {
    /// Which servers.
    #[command(flatten)]
    pub places: Places,
    /// Values of each type.
    #[arg(long, default_value_t = 3_000)]
    pub count: u64,
    /// Other values.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// `clients`
#[derive(Debug, Args)]
pub struct ClientsArgs {
    /// Which servers.
    #[command(flatten)]
    pub places: Places,
    /// Keys that the cluster clients write and read.
    #[arg(long, default_value_t = 20_000)]
    pub keys: usize,
    /// A node of a cluster to use instead of the core ports.
    #[arg(long)]
    pub cluster_addr: Option<SocketAddr>,
    /// Also redis-py and its RedisCluster.
    #[arg(long)]
    pub python: bool,
    /// Also ioredis and its Cluster.
    #[arg(long)]
    pub node: bool,
    /// Where Python and Node packages are installed.
    #[arg(long)]
    pub scratch: Option<PathBuf>,
    /// Keys that the Python and Node cluster clients write and read.
    #[arg(long, default_value_t = 100_000)]
    pub script_keys: usize,
}

/// `real`
#[derive(Debug, Args)]
pub struct RealArgs {
    /// Which server.
    #[command(flatten)]
    pub places: Places,
    /// Where Python and Node packages are installed.
    #[arg(long)]
    pub scratch: PathBuf,
    /// Only these (comma-separated): bullmq, limiter, celery.
    #[arg(long, value_delimiter = ',')]
    pub only: Vec<String>,
    /// Jobs of each queue.
    #[arg(long, default_value_t = 500)]
    pub jobs: usize,
    /// Also what needs PUBLISH and SUBSCRIBE: the results of Celery's tasks.
    #[arg(long)]
    pub pubsub: bool,
}

/// `memtier`
#[derive(Debug, Args)]
pub struct MemtierArgs {
    /// Which servers.
    #[command(flatten)]
    pub places: Places,
    /// Seconds of each run.
    #[arg(long, default_value_t = 2)]
    pub seconds: u32,
    /// Only this tool: memtier_benchmark or redis-benchmark.
    #[arg(long)]
    pub only: Option<String>,
}

/// `abuse`
#[derive(Debug, Args)]
pub struct AbuseArgs {
    /// Which servers.
    #[command(flatten)]
    pub places: Places,
    /// Connections opened at once; fewer where the limit of open files says so.
    #[arg(long, default_value_t = 10_000)]
    pub connections: usize,
    /// Seconds of each phase.
    #[arg(long, default_value_t = 5)]
    pub seconds: u64,
}
