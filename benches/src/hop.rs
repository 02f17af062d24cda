//! P5 from the inside: Corelane on two cores under a plain client, beside itself on one core, with every counter of `INFO corelane`
//! divided by the operations, so that the price of a hop can be told apart into jobs, turns and wake-ups.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::loader::{Client, append_command, no_error, run_batches};
use crate::measure::measure;
use crate::memtier::{Bound, Generator, LOADS, Load, Target, key_name};
use crate::peers::{Shape, Where};
use crate::process::Server;
use crate::report::{Report, Table, median, spread};

/// What `hop` is told on its command line.
#[derive(clap::Args, Debug)]
pub struct Options {
    #[command(flatten)]
    programs: Where,
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    #[arg(long, default_value_t = 4)]
    seconds: u32,
    #[arg(long, default_value_t = 100_000)]
    keys: u64,
    /// Folder for the table and CSV.
    #[arg(long)]
    out: Option<PathBuf>,
}

/// The rounds of one load on one server.
#[derive(Default)]
struct Rounds {
    ns: Vec<f64>,
    system: Vec<f64>,
    /// Counter to its growth in an operation, a figure a round.
    counters: BTreeMap<String, Vec<f64>>,
}

/// Runs the alternation.
///
/// # Errors
/// When Corelane cannot be had or fails.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let mut report = Report::new("hop", options.out.as_deref())?;
    let generator = Generator::find()?;
    report.line(&generator.describe());
    report.line("one core on CPU 0, two cores on CPUs 0 and 1; load of two threads free on both; counters are per operation");
    let corelane = options.programs.corelane_or_fail()?;
    let mut servers = Vec::new();
    for (cores, cpus) in [(1, "0"), (2, "0,1")] {
        let port = options.programs.base_port + cores as u16;
        let server =
            corelane.start(port, &Shape { cores, cpus: Some(cpus), ..Shape::default() })?;
        report.command_line(&server.command_line);
        let set = |number: u64, output: &mut Vec<u8>| {
            append_command(output, &[b"SET", key_name(&generator, number).as_bytes(), &[b'x'; 100]])
        };
        run_batches(&mut Client::connect(port)?, options.keys + 1, set, no_error)?;
        servers.push(server);
    }
    let mut table = Table::new(&[
        "load",
        "one ns/op",
        "two ns/op",
        "two/one",
        "spread",
        "one system",
        "two system",
    ]);
    let mut counters = Table::new(&["load", "counter", "one, per op", "two, per op"]);
    for load in &LOADS {
        let mut rounds = [Rounds::default(), Rounds::default()];
        for round in 0..=options.rounds {
            for (server, rounds) in servers.iter().zip(&mut rounds) {
                one_round(
                    server,
                    &generator,
                    load,
                    options,
                    (round > 0).then_some(rounds),
                    &mut report,
                )?;
            }
        }
        let [one, two] = &rounds;
        let ratios: Vec<f64> = one.ns.iter().zip(&two.ns).map(|(one, two)| two / one).collect();
        let percent = |figures: &[f64]| format!("{:.0}%", 100.0 * median(figures));
        table.row(vec![
            load.name.into(),
            format!("{:.0}", median(&one.ns)),
            format!("{:.0}", median(&two.ns)),
            format!("{:.2}", median(&ratios)),
            spread(&ratios, 2),
            percent(&one.system),
            percent(&two.system),
        ]);
        for (name, figures) in &two.counters {
            let alone = one.counters.get(name).map_or(f64::NAN, |figures| median(figures));
            counters.row(vec![
                load.name.into(),
                name.clone(),
                format!("{alone:.4}"),
                format!("{:.4}", median(figures)),
            ]);
        }
    }
    report.table("cpu", &table)?;
    report.table("counters", &counters)?;
    report.finish()
}

fn one_round(
    server: &Server,
    generator: &Generator,
    load: &Load,
    options: &Options,
    rounds: Option<&mut Rounds>,
    report: &mut Report,
) -> anyhow::Result<()> {
    let before = counters(server)?;
    let target = Target {
        port: server.port,
        cpus: None,
        threads: 2,
        cluster_cores: None,
        memcache_text: false,
    };
    let measured =
        measure(server, generator, load, &target, Bound::Seconds(options.seconds), options.keys)?;
    report.command_line(&measured.outcome.command_line);
    let Some(rounds) = rounds else { return Ok(()) };
    rounds.ns.push(measured.ns_per_operation());
    rounds.system.push(measured.cpu.system_share());
    for (name, value) in counters(server)? {
        let grown = value - before.get(&name).copied().unwrap_or(0.0);
        if grown > 0.0 {
            rounds
                .counters
                .entry(name)
                .or_default()
                .push(grown / measured.outcome.operations as f64);
        }
    }
    Ok(())
}

fn counters(server: &Server) -> anyhow::Result<BTreeMap<String, f64>> {
    let fields = Client::connect(server.port)?.info("corelane")?;
    Ok(fields.into_iter().filter_map(|(name, value)| Some((name, value.parse().ok()?))).collect())
}
