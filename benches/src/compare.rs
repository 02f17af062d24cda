//! CPU per operation, beside the peers: the targets P1 to P6.
//!
//! All parties run at the same time; the load visits them in turn, A B C A B C, so that whatever else the machine does meets all of
//! them alike. A ratio is taken within a round, between neighbours in time, and the median of these ratios is quoted.

use std::path::PathBuf;

use anyhow::{Context, ensure};

use crate::loader::{Client, append_command, no_error, run_batches};
use crate::measure::{Measured, measure};
use crate::memtier::{Bound, Generator, LOADS, Load, Target, key_name};
use crate::peers::{Kind, Program, Shape, Where, limit};
use crate::process::Server;
use crate::report::{Report, Table, bar_chart, median, spread};

/// The CPU of one-core servers, and the load generator's.
const SERVER_CPU: &str = "0";
const LOAD_CPU: &str = "1";
/// The round before the first, not counted.
const WARM_UP: Bound = Bound::Seconds(1);
/// Ports a party may use: its own, and core ports after it.
const PORTS_PER_PARTY: u16 = 8;

/// What `compare` is told on its command line.
#[derive(clap::Args, Debug)]
pub struct Options {
    #[command(flatten)]
    programs: Where,
    /// Times that each party is measured under each load.
    #[arg(long, default_value_t = 7)]
    rounds: u32,
    /// Seconds of load a measurement.
    #[arg(long, default_value_t = 4)]
    seconds: u32,
    /// Requests a measurement, in place of seconds.
    #[arg(long)]
    requests: Option<u64>,
    /// Loads, out of P1, P16 and P64.
    #[arg(long, value_delimiter = ',', default_value = "P1,P16,P64")]
    loads: Vec<String>,
    /// Sides: `one` (everybody on one core), `two` (Corelane on two cores, plain and zero-hop, beside one core).
    #[arg(long, value_delimiter = ',', default_value = "one")]
    sides: Vec<String>,
    /// Parties to measure, by name; all that are found without it.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Keys, all preloaded so that GETs hit.
    #[arg(long, default_value_t = 100_000)]
    keys: u64,
    /// The noise check: each party twice under two names, whose ratio should be 1.
    #[arg(long)]
    noise: bool,
    /// Folder for the table, CSV and charts.
    #[arg(long)]
    out: Option<PathBuf>,
}

/// One row of bars: a server in a shape, reached in a way.
struct Party {
    label: String,
    program: Program,
    shape: Shape,
    cluster_cores: Option<u32>,
}

/// One measurement.
struct Sample {
    load: &'static str,
    round: u32,
    party: usize,
    measured: Measured,
    rss_bytes: u64,
}

/// Measures the sides asked for.
///
/// # Errors
/// When a server or the load generator fails.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let generator = Generator::find()?;
    let mut report = Report::new("compare", options.out.as_deref())?;
    report.line(&generator.describe());
    for side in &options.sides {
        let parties = match side.as_str() {
            "one" => one_core_parties(options)?,
            "two" => two_core_parties(options)?,
            other => anyhow::bail!("no side named {other}: one, two"),
        };
        let parties = selected(parties, options);
        ensure!(!parties.is_empty(), "nobody to measure");
        run_side(side, &parties, &generator, options, &mut report)?;
    }
    report.finish()
}

fn one_core_parties(options: &Options) -> anyhow::Result<Vec<Party>> {
    let mut programs: Vec<Program> = options.programs.corelane().into_iter().collect();
    programs.push(limit()?);
    programs.extend(options.programs.peers());
    let shape = Shape { cores: 1, cpus: Some(SERVER_CPU), ..Shape::default() };
    Ok(programs
        .into_iter()
        .map(|program| Party::new(program.kind.name().into(), program, shape.clone()))
        .collect())
}

fn two_core_parties(options: &Options) -> anyhow::Result<Vec<Party>> {
    let mut parties = Vec::new();
    let one = Shape { cores: 1, cpus: Some(SERVER_CPU), ..Shape::default() };
    let two = Shape { cores: 2, cpus: Some("0,1"), ..Shape::default() };
    if let Some(corelane) = options.programs.corelane() {
        parties.push(Party::new("corelane-1".into(), corelane.clone(), one.clone()));
        parties.push(Party::new("corelane-2-plain".into(), corelane.clone(), two.clone()));
        let mut zero_hop = Party::new("corelane-2-zerohop".into(), corelane, two.clone());
        zero_hop.cluster_cores = Some(2);
        parties.push(zero_hop);
    }
    for peer in options.programs.peers() {
        let name = peer.kind.name();
        parties.push(Party::new(format!("{name}-1"), peer.clone(), one.clone()));
        if peer.kind.uses_cores() {
            parties.push(Party::new(format!("{name}-2"), peer, two.clone()));
        }
    }
    Ok(parties)
}

/// Keeps the parties named by `--only`, and doubles each for the noise check.
fn selected(mut parties: Vec<Party>, options: &Options) -> Vec<Party> {
    if !options.only.is_empty() {
        parties.retain(|party| {
            options
                .only
                .iter()
                .any(|name| party.label == *name || party.program.kind.name() == name)
        });
    }
    if !options.noise {
        return parties;
    }
    let twice = parties.into_iter().flat_map(|party| {
        let mut again = Party::new(
            format!("{}-again", party.label),
            party.program.clone(),
            party.shape.clone(),
        );
        again.cluster_cores = party.cluster_cores;
        [party, again]
    });
    twice.collect()
}

impl Party {
    fn new(label: String, program: Program, shape: Shape) -> Self {
        Self { label, program, shape, cluster_cores: None }
    }

    fn start(&self, port: u16) -> anyhow::Result<Server> {
        let mut shape = self.shape.clone();
        if self.cluster_cores.is_some() {
            shape.core_ports = Some(port + 1);
        }
        self.program.start(port, &shape).with_context(|| format!("party {}", self.label))
    }
}

fn run_side(
    side: &str,
    parties: &[Party],
    generator: &Generator,
    options: &Options,
    report: &mut Report,
) -> anyhow::Result<()> {
    report.line("");
    report.line(&match side {
        "one" => format!("side one: every server on CPU {SERVER_CPU}, load of one thread on CPU {LOAD_CPU}"),
        _ => format!(
            "side two: one-core servers on CPU {SERVER_CPU}, two-core servers on CPUs 0 and 1, load of two threads free on both; the zero-hop \
             party is reached by a cluster client on its core ports, with the same number of connections"
        ),
    });
    let mut servers = Vec::new();
    for (number, party) in parties.iter().enumerate() {
        let port = options.programs.base_port + u16::try_from(number)? * PORTS_PER_PARTY;
        let server = party.start(port)?;
        preload(party.program.kind, &server, generator, options.keys)?;
        report.line(&format!("  {}", party.program.describe()));
        report.command_line(&server.command_line);
        servers.push(server);
    }
    let mut samples = Vec::new();
    for load in &LOADS {
        if options.loads.iter().any(|name| name.eq_ignore_ascii_case(load.name)) {
            run_load(side, load, parties, &servers, generator, options, &mut samples)?;
        }
    }
    for sample in &samples {
        report.command_line(&sample.measured.outcome.command_line);
    }
    summarise(side, parties, &samples, report)
}

/// All rounds of one load, after a short warm-up round that is not counted.
fn run_load(
    side: &str,
    load: &Load,
    parties: &[Party],
    servers: &[Server],
    generator: &Generator,
    options: &Options,
    samples: &mut Vec<Sample>,
) -> anyhow::Result<()> {
    let bound = options.requests.map_or(Bound::Seconds(options.seconds), Bound::Requests);
    for round in 0..=options.rounds {
        for (number, (party, server)) in parties.iter().zip(servers).enumerate() {
            let one = side == "one";
            let target = Target {
                port: if party.cluster_cores.is_some() { server.port + 1 } else { server.port },
                cpus: one.then_some(LOAD_CPU),
                threads: if one { 1 } else { 2 },
                cluster_cores: party.cluster_cores,
                memcache_text: party.program.kind == Kind::Memcached,
            };
            let bound = if round == 0 { WARM_UP } else { bound };
            let measured = measure(server, generator, load, &target, bound, options.keys)?;
            if round == 0 {
                continue;
            }
            eprintln!(
                "{side} {} round {round}: {} {:.0} ns/op",
                load.name,
                party.label,
                measured.ns_per_operation()
            );
            samples.push(Sample {
                load: load.name,
                round,
                party: number,
                measured,
                rss_bytes: server.rss_bytes()?,
            });
        }
    }
    Ok(())
}

/// Writes every key that the load may read.
fn preload(kind: Kind, server: &Server, generator: &Generator, keys: u64) -> anyhow::Result<()> {
    let value = [b'x'; 100];
    let mut client = Client::connect(server.port)?;
    if kind != Kind::Memcached {
        let set = |number: u64, output: &mut Vec<u8>| {
            append_command(output, &[b"SET", key_name(generator, number).as_bytes(), &value])
        };
        return run_batches(&mut client, keys + 1, set, no_error);
    }
    for number in 0..=keys {
        let head = format!("set {} 0 0 {} noreply\r\n", key_name(generator, number), value.len());
        client.send_raw(&[head.as_bytes(), &value, b"\r\n"].concat())?;
    }
    Ok(())
}

/// Median CPU per operation of each party under each load, and the median of the per-round ratios.
fn summarise(
    side: &str,
    parties: &[Party],
    samples: &[Sample],
    report: &mut Report,
) -> anyhow::Result<()> {
    let rivals = references(parties);
    let mut header = vec!["load", "party", "ns/op", "spread", "user ns", "system ns"]
        .into_iter()
        .map(String::from)
        .collect::<Vec<_>>();
    header.extend(rivals.iter().map(|(_, name)| format!("× {name}")));
    header.extend(
        ["spread of ×", "kop/s", "P50 ms", "P99 ms", "P99.9 ms", "RSS MB", "hits"]
            .map(String::from),
    );
    let mut table = Table::new(&header.iter().map(String::as_str).collect::<Vec<_>>());
    let mut groups = Vec::new();
    for load in &LOADS {
        let mut bars = Vec::new();
        for (number, party) in parties.iter().enumerate() {
            let own: Vec<&Sample> = samples
                .iter()
                .filter(|sample| sample.load == load.name && sample.party == number)
                .collect();
            if own.is_empty() {
                continue;
            }
            let cpu = of(&own, &|sample| sample.measured.ns_per_operation());
            let cells = row(load.name, party, &own, samples, &rivals);
            table.row(cells);
            bars.push((party.label.clone(), median(&cpu)));
        }
        if !bars.is_empty() {
            groups.push((load.name.to_owned(), bars));
        }
    }
    report.table(side, &table)?;
    report.csv(&format!("{side}-rounds"), &rounds_table(parties, samples))?;
    report.chart(
        &format!("{side}-cpu"),
        &bar_chart(&format!("Server CPU per operation, side {side}"), "ns", &groups),
    )?;
    warn_of_disagreement(samples, report);
    Ok(())
}

/// One figure of each sample.
fn of(samples: &[&Sample], figure: &dyn Fn(&Sample) -> f64) -> Vec<f64> {
    samples.iter().map(|sample| figure(sample)).collect()
}

/// One party's row under one load.
fn row(
    load: &str,
    party: &Party,
    own: &[&Sample],
    samples: &[Sample],
    rivals: &[(usize, String)],
) -> Vec<String> {
    let cpu = of(own, &|sample| sample.measured.ns_per_operation());
    let ratios: Vec<Vec<f64>> =
        rivals.iter().map(|(rival, _)| ratios(own, samples, *rival)).collect();
    let mut cells =
        vec![load.to_owned(), party.label.clone(), format!("{:.0}", median(&cpu)), spread(&cpu, 0)];
    let system = median(&of(own, &|sample| sample.measured.system_ns_per_operation()));
    let user = median(&of(own, &|sample| {
        sample.measured.ns_per_operation() - sample.measured.system_ns_per_operation()
    }));
    cells.extend([format!("{user:.0}"), format!("{system:.0}")]);
    cells.extend(ratios.iter().map(|ratios| format!("{:.2}", median(ratios))));
    cells.push(ratios.first().map_or_else(|| "-".into(), |ratios| spread(ratios, 2)));
    cells.push(format!(
        "{:.0}",
        median(&of(own, &|sample| sample.measured.outcome.operations_per_second / 1000.0))
    ));
    cells.push(format!("{:.2}", median(&of(own, &|sample| sample.measured.outcome.p50_ms))));
    cells.push(format!("{:.2}", median(&of(own, &|sample| sample.measured.outcome.p99_ms))));
    cells.push(format!("{:.2}", median(&of(own, &|sample| sample.measured.outcome.p999_ms))));
    cells.push(format!("{:.0}", median(&of(own, &|sample| sample.rss_bytes as f64 / 1e6))));
    cells.push(
        own[0]
            .measured
            .outcome
            .hit_share
            .map_or_else(|| "-".into(), |share| format!("{:.1}%", 100.0 * share)),
    );
    cells
}

/// Whom to divide by: Redis and the limit; on side two also Corelane on one core.
fn references(parties: &[Party]) -> Vec<(usize, String)> {
    let names = ["redis", "redis-1", "limit", "corelane-1"];
    let found = names.iter().filter_map(|name| {
        parties.iter().position(|party| party.label == *name).map(|at| (at, (*name).to_owned()))
    });
    let found: Vec<_> = found.collect();
    if found.is_empty() { vec![(0, parties[0].label.clone())] } else { found }
}

/// Own CPU per operation over the rival's, round by round.
fn ratios(own: &[&Sample], samples: &[Sample], rival: usize) -> Vec<f64> {
    let of_round = |sample: &&Sample| {
        let other = samples.iter().find(|other| {
            other.load == sample.load && other.round == sample.round && other.party == rival
        })?;
        Some(sample.measured.ns_per_operation() / other.measured.ns_per_operation())
    };
    own.iter().filter_map(of_round).collect()
}

fn rounds_table(parties: &[Party], samples: &[Sample]) -> Table {
    let mut table = Table::new(&[
        "load",
        "round",
        "party",
        "operations",
        "cpu_scheduled_ns",
        "cpu_user_ns",
        "cpu_system_ns",
        "ns_per_operation",
        "operations_per_second",
        "p50_ms",
        "p99_ms",
        "p999_ms",
        "rss_bytes",
        "command",
    ]);
    for sample in samples {
        table.row(vec![
            sample.load.into(),
            sample.round.to_string(),
            parties[sample.party].label.clone(),
            sample.measured.outcome.operations.to_string(),
            sample.measured.cpu.scheduled_ns.to_string(),
            sample.measured.cpu.user_ns.to_string(),
            sample.measured.cpu.system_ns.to_string(),
            format!("{:.1}", sample.measured.ns_per_operation()),
            format!("{:.0}", sample.measured.outcome.operations_per_second),
            sample.measured.outcome.p50_ms.to_string(),
            sample.measured.outcome.p99_ms.to_string(),
            sample.measured.outcome.p999_ms.to_string(),
            sample.rss_bytes.to_string(),
            sample.measured.outcome.command_line.clone(),
        ]);
    }
    table
}

/// schedstat and stat count the same time by two ways; a sum that is more than 3 % apart should not be trusted. Single short runs may be
/// further apart, as stat counts in 10 ms.
fn warn_of_disagreement(samples: &[Sample], report: &mut Report) {
    let apart = |samples: &[Sample]| {
        let by_ticks: u64 = samples
            .iter()
            .map(|sample| sample.measured.cpu.user_ns + sample.measured.cpu.system_ns)
            .sum();
        let by_schedule: u64 = samples.iter().map(|sample| sample.measured.cpu.scheduled_ns).sum();
        100.0 * (by_ticks as f64 / by_schedule as f64 - 1.0)
    };
    let worst = samples.chunks(1).map(|one| apart(one).abs()).fold(0.0, f64::max);
    report.line(&format!(
        "utime+stime over schedstat: {:+.1}% in all, {worst:.1}% apart at worst in one run",
        apart(samples)
    ));
}
