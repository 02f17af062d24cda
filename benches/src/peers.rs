//! Who is measured: Corelane, the limit, and the peers found on this machine, each with the command line that makes them comparable
//! (loopback, no persistence, a given number of cores).

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use crate::process::{Server, find_on_path, version_of};

/// The kinds of server known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Corelane,
    Limit,
    Redis,
    Valkey,
    KeyDb,
    Dragonfly,
    Memcached,
}

/// The peers, with the name of their program.
const PEERS: [(Kind, &str); 5] = [
    (Kind::Redis, "redis-server"),
    (Kind::Valkey, "valkey-server"),
    (Kind::KeyDb, "keydb-server"),
    (Kind::Dragonfly, "dragonfly"),
    (Kind::Memcached, "memcached"),
];

/// Where the programs are; shared by all subcommands.
#[derive(clap::Args, Clone, Debug)]
pub struct Where {
    /// The corelane binary. Without it, the `dist` profile is built into the target folder of this program.
    #[arg(long)]
    corelane: Option<PathBuf>,
    /// Measure the others without Corelane.
    #[arg(long)]
    no_corelane: bool,
    /// A peer that is not on PATH, or another build of one: `redis=/path/to/redis-server`. May be repeated.
    #[arg(long = "peer", value_name = "NAME=PATH")]
    peers: Vec<String>,
    /// First of the ports used.
    #[arg(long, default_value_t = 17_100)]
    pub base_port: u16,
    /// Extra words for Corelane's command line, separated by spaces.
    #[arg(long, default_value = "", allow_hyphen_values = true)]
    corelane_args: String,
}

/// One program that can be started.
#[derive(Clone, Debug)]
pub struct Program {
    pub kind: Kind,
    pub path: PathBuf,
    /// Extra words on its command line.
    pub extra: Vec<String>,
}

/// How a server is to be started.
#[derive(Clone, Debug, Default)]
pub struct Shape {
    pub cores: u32,
    /// CPU list in `taskset` notation; free without one.
    pub cpus: Option<&'static str>,
    /// First core port, for Corelane's cluster face.
    pub core_ports: Option<u16>,
    /// More words of the redis-server grammar, such as `--maxmemory 100mb`; Corelane, Redis, Valkey and KeyDB understand them.
    pub directives: Vec<String>,
}

impl Kind {
    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Corelane => "corelane",
            Self::Limit => "limit",
            Self::Redis => "redis",
            Self::Valkey => "valkey",
            Self::KeyDb => "keydb",
            Self::Dragonfly => "dragonfly",
            Self::Memcached => "memcached",
        }
    }

    /// Whether more than one core can be given to it.
    pub fn uses_cores(self) -> bool {
        !matches!(self, Self::Limit | Self::Redis | Self::Valkey)
    }
}

impl Where {
    /// Corelane, if it can be had; the reason is printed if not.
    pub fn corelane(&self) -> Option<Program> {
        if self.no_corelane {
            return None;
        }
        let path = match &self.corelane {
            Some(path) => path.clone(),
            None => match build_corelane() {
                Ok(path) => path,
                Err(error) => {
                    println!("corelane is left out: {error:#}");
                    return None;
                }
            },
        };
        let extra = self.corelane_args.split_whitespace().map(String::from).collect();
        Some(Program { kind: Kind::Corelane, path, extra })
    }

    /// Corelane, or a reason why not.
    ///
    /// # Errors
    /// When it cannot be built or is switched off.
    pub fn corelane_or_fail(&self) -> anyhow::Result<Program> {
        self.corelane().context("this subcommand measures Corelane")
    }

    /// A peer by kind, named by a flag or found on PATH.
    pub fn peer(&self, kind: Kind) -> Option<Program> {
        let named = self
            .peers
            .iter()
            .filter_map(|peer| peer.split_once('='))
            .find(|(name, _)| *name == kind.name());
        let path = match named {
            Some((_, path)) => PathBuf::from(path),
            None => find_on_path(PEERS.iter().find(|(peer, _)| *peer == kind)?.1)?,
        };
        Some(Program { kind, path, extra: Vec::new() })
    }

    /// Every peer that can be had, Redis first.
    pub fn peers(&self) -> Vec<Program> {
        PEERS.iter().filter_map(|(kind, _)| self.peer(*kind)).collect()
    }

    /// The program of a subcommand that measures either Corelane or, to show what the figure means, Redis.
    ///
    /// # Errors
    /// When the program cannot be had.
    pub fn subject(&self, name: &str) -> anyhow::Result<Program> {
        match name {
            "corelane" => self.corelane_or_fail(),
            "limit" => limit(),
            _ => {
                let kind = PEERS.iter().map(|(kind, _)| *kind).find(|kind| kind.name() == name);
                kind.and_then(|kind| self.peer(kind))
                    .with_context(|| format!("no server named {name} here"))
            }
        }
    }
}

/// The limit is a subcommand of this very program.
///
/// # Errors
/// When the running program's path cannot be read.
pub fn limit() -> anyhow::Result<Program> {
    Ok(Program { kind: Kind::Limit, path: std::env::current_exe()?, extra: Vec::new() })
}

/// Builds the dist profile with the cargo that runs us, into the target folder this program stands in.
fn build_corelane() -> anyhow::Result<PathBuf> {
    let here = std::env::current_exe()?;
    let target =
        here.parent().and_then(Path::parent).context("this program stands in target/<profile>")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--quiet", "--profile", "dist", "-p", "server", "--target-dir"])
        .arg(target)
        .status()
        .context("running cargo")?;
    ensure!(built.success(), "cargo could not build the server");
    Ok(target.join("dist").join("corelane"))
}

impl Program {
    /// Name and version for the report.
    pub fn describe(&self) -> String {
        match self.kind {
            Kind::Limit => "limit: benches limit".into(),
            _ => format!("{}: {}", self.kind.name(), version_of(&self.path)),
        }
    }

    /// Starts it on `port` in the given shape.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start(&self, port: u16, shape: &Shape) -> anyhow::Result<Server> {
        let mut words = self.words(port, shape);
        words.extend(self.extra.iter().cloned());
        // Corelane pins its own threads: its CPU list goes by its own directive, and taskset would hide a fault of it.
        let cpus = if self.kind == Kind::Corelane { None } else { shape.cpus };
        Server::start(&self.path, &words, port, cpus, self.kind != Kind::Memcached)
    }

    fn words(&self, port: u16, shape: &Shape) -> Vec<String> {
        let mut words: Vec<String> = Vec::new();
        let mut add = |text: &[&str]| words.extend(text.iter().map(|word| (*word).to_owned()));
        let port = port.to_string();
        let cores = shape.cores.to_string();
        match self.kind {
            Kind::Limit => add(&["limit", "--port", &port]),
            Kind::Dragonfly => add(&[
                "--port",
                &port,
                "--bind",
                "127.0.0.1",
                "--proactor_threads",
                &cores,
                "--dbfilename=",
            ]),
            Kind::Memcached => {
                add(&["-p", &port, "-l", "127.0.0.1", "-t", &cores, "-m", "4096", "-u", "nobody"])
            }
            Kind::Corelane | Kind::Redis | Kind::Valkey | Kind::KeyDb => {
                add(&["--port", &port, "--bind", "127.0.0.1", "--save", ""]);
                match self.kind {
                    Kind::Corelane => add(&["--cores", &cores]),
                    Kind::KeyDb => add(&["--appendonly", "no", "--server-threads", &cores]),
                    _ => add(&["--appendonly", "no"]),
                }
            }
        }
        if self.kind == Kind::Corelane {
            if let Some(cpus) = shape.cpus {
                add(&["--server-cpulist", cpus]);
            }
            if let Some(first) = shape.core_ports {
                add(&["--core-ports", &first.to_string()]);
            }
        }
        if !matches!(self.kind, Kind::Limit | Kind::Dragonfly | Kind::Memcached) {
            words.extend(shape.directives.iter().cloned());
        }
        words
    }
}
