//! P9: what parsing ahead and prefetching gain when the data are far larger than the caches: Corelane with `prefetch-batch 0` beside
//! Corelane as it comes, GETs of random keys in pipelines of 16, alternating.

use std::path::PathBuf;

use fastrand::Rng;

use crate::keys::random_value;
use crate::loader::{Client, append_command, no_error, run_batches};
use crate::measure::measure;
use crate::memtier::{Bound, Generator, Load, Target, key_name};
use crate::peers::{Kind, Program, Shape, Where};
use crate::process::Server;
use crate::report::{Report, Table, bar_chart, median, spread};

const LOAD: Load =
    Load { name: "GET P16", ratio: "0:1", value_bytes: 64, connections: 50, pipeline: 16 };

/// What `prefetch` is told on its command line.
#[derive(clap::Args, Debug)]
pub struct Options {
    #[command(flatten)]
    programs: Where,
    /// Keys, of up to 15 bytes with values of 64.
    #[arg(long, default_value_t = 8_000_000)]
    keys: u64,
    #[arg(long, default_value_t = 7)]
    rounds: u32,
    #[arg(long, default_value_t = 4)]
    seconds: u32,
    /// Folder for the table, CSV and charts.
    #[arg(long)]
    out: Option<PathBuf>,
}

/// Runs the alternation.
///
/// # Errors
/// When a server fails.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let mut report = Report::new("prefetch", options.out.as_deref())?;
    let generator = Generator::find()?;
    report.line(&generator.describe());
    report.line(&format!("{} keys, uniformly random GETs, pipeline 16, 50 connections; server on CPU 0, load on CPU 1", options.keys));
    let corelane = options.programs.corelane_or_fail()?;
    let mut parties =
        vec![("off", corelane.clone(), vec!["--prefetch-batch", "0"]), ("on", corelane, vec![])];
    if let Some(redis) = options.programs.peer(Kind::Redis) {
        parties.push(("redis", redis, vec![]));
    }
    let mut servers = Vec::new();
    for (number, (_, program, directives)) in parties.iter().enumerate() {
        let server = start(program, directives, options.programs.base_port + number as u16)?;
        report.command_line(&server.command_line);
        preload(&server, &generator, options.keys)?;
        servers.push(server);
    }
    let mut rounds: Vec<Vec<f64>> = vec![Vec::new(); parties.len()];
    for round in 0..=options.rounds {
        for (number, server) in servers.iter().enumerate() {
            let target = target(server);
            let measured = measure(
                server,
                &generator,
                &LOAD,
                &target,
                Bound::Seconds(options.seconds),
                options.keys,
            )?;
            report.command_line(&measured.outcome.command_line);
            if round > 0 {
                eprintln!(
                    "round {round}: {} {:.0} ns/op",
                    parties[number].0,
                    measured.ns_per_operation()
                );
                rounds[number].push(measured.ns_per_operation());
            }
        }
    }
    let mut table = Table::new(&["prefetch", "ns/op", "spread", "gain over off", "spread of gain"]);
    let mut bars = Vec::new();
    for ((name, ..), figures) in parties.iter().zip(&rounds) {
        let gains: Vec<f64> = rounds[0].iter().zip(figures).map(|(off, own)| off / own).collect();
        table.row(vec![
            (*name).into(),
            format!("{:.0}", median(figures)),
            spread(figures, 0),
            format!("{:.2}", median(&gains)),
            spread(&gains, 2),
        ]);
        bars.push(((*name).to_owned(), median(figures)));
    }
    report.table("gain", &table)?;
    report.chart(
        "cpu",
        &bar_chart(
            "Server CPU per GET, data far larger than the caches",
            "ns",
            &[(LOAD.name.into(), bars)],
        ),
    )?;
    report.finish()
}

/// The load goes to one server from the other CPU.
fn target(server: &Server) -> Target<'static> {
    Target {
        port: server.port,
        cpus: Some("1"),
        threads: 1,
        cluster_cores: None,
        memcache_text: false,
    }
}

fn start(program: &Program, directives: &[&str], port: u16) -> anyhow::Result<Server> {
    let directives = directives.iter().map(|word| (*word).to_owned()).collect();
    program.start(port, &Shape { cores: 1, cpus: Some("0"), core_ports: None, directives })
}

fn preload(server: &Server, generator: &Generator, keys: u64) -> anyhow::Result<()> {
    let mut random = Rng::with_seed(3);
    let mut value = [0; LOAD.value_bytes as usize];
    let set = |number: u64, output: &mut Vec<u8>| {
        random_value(&mut random, &mut value);
        append_command(output, &[b"SET", key_name(generator, number).as_bytes(), &value]);
    };
    run_batches(&mut Client::connect(server.port)?, keys + 1, set, no_error)
}
