//! The command line: one seed with its trace, or many seeds with a bound in time.

use crate::fuzz;
use crate::run::{self, Options, Report, STEPS};
use crate::shrink;
use crate::workload::Theme;
use crate::world::plant::Plant;
use clap::{Parser, Subcommand};
use engine::table::Table;
use std::ops::Range;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Runs many engines in a world of virtual time and looks for what must not happen.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// Replay one seed and print what happens.
    #[arg(long)]
    seed: Option<u64>,
    /// Run these seeds; without an end, until the time is over.
    #[arg(long, value_parser = seeds, default_value = "0..1000")]
    seeds: Range<u64>,
    /// Stop after so many seconds and say where to go on.
    #[arg(long)]
    max_seconds: Option<u64>,
    /// Make this mistake on purpose.
    #[arg(long)]
    plant: Option<Plant>,
    /// Only these clients of the scenario.
    #[arg(long, value_delimiter = ',')]
    clients: Option<Vec<usize>>,
    /// Requests a client sends at the most.
    #[arg(long, default_value_t = STEPS)]
    steps: usize,
    /// Only scenarios of this theme, and no comparisons with one core.
    #[arg(long)]
    theme: Option<Theme>,
    /// With --seed: only the result.
    #[arg(long)]
    quiet: bool,
    /// Go on after a failure, and list all failing seeds.
    #[arg(long)]
    keep_going: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Arbitrary bytes into whole sessions: nothing crashes, hangs or grows.
    Fuzz(fuzz::Options),
}

fn seeds(text: &str) -> Result<Range<u64>, String> {
    let (from, to) = text.split_once("..").ok_or("seeds are FROM..TO or FROM..")?;
    let from = from.parse().map_err(|_| "FROM is a number")?;
    let to = if to.is_empty() { u64::MAX } else { to.parse().map_err(|_| "TO is a number")? };
    Ok(from..to)
}

/// Does what the command line says.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let table = Arc::new(Table::new(&[]).expect("nothing is renamed"));
    if let Some(Command::Fuzz(options)) = &cli.command {
        return fuzz::main(options, &table);
    }
    let options = Options {
        plant: cli.plant,
        clients: cli.clients.clone(),
        steps: cli.steps,
        theme: cli.theme,
        verbose: cli.seed.is_some() && !cli.quiet,
    };
    match cli.seed {
        Some(seed) => replay(seed, &table, &options),
        None => campaign(&cli, &table, &options),
    }
}

fn replay(seed: u64, table: &Arc<Table>, options: &Options) -> ExitCode {
    match run::run(seed, table, options) {
        Ok(report) => {
            println!("seed {seed}: fine, {report:?}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            println!("seed {seed}: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn campaign(cli: &Cli, table: &Arc<Table>, options: &Options) -> ExitCode {
    let began = Instant::now();
    let bound = cli.max_seconds.map(Duration::from_secs);
    let (mut next, mut failed) = (cli.seeds.start, Vec::new());
    let mut sum = Report::default();
    while next < cli.seeds.end && bound.is_none_or(|bound| began.elapsed() < bound) {
        match run::run(next, table, options) {
            Ok(report) => {
                sum.events += report.events;
                sum.requests += report.requests;
                sum.undecided += report.undecided;
            }
            Err(failure) => {
                failed.push(next);
                report_failure(next, table, options, failure);
                if !cli.keep_going {
                    next += 1;
                    break;
                }
            }
        }
        next += 1;
    }
    let (seconds, count) = (began.elapsed().as_secs_f64(), next - cli.seeds.start);
    println!(
        "sim: seeds {}..{next}: {count} seeds, {} requests, {} events, {} undecided, {} failed, {seconds:.1} s, {:.0} seeds/s",
        cli.seeds.start,
        sum.requests,
        sum.events,
        sum.undecided,
        failed.len(),
        count as f64 / seconds,
    );
    if next < cli.seeds.end && cli.seeds.end != u64::MAX {
        println!("sim: go on with --seeds {next}..{}", cli.seeds.end);
    }
    if failed.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("sim: failed: {failed:?}");
    ExitCode::FAILURE
}

fn report_failure(seed: u64, table: &Arc<Table>, options: &Options, failure: String) {
    println!("seed {seed}: {failure}");
    let (smaller, failure) = shrink::shrink(seed, table, options, failure);
    let mut command = format!("cargo run -p sim -- --seed {seed} --steps {}", smaller.steps);
    if let Some(clients) = &smaller.clients {
        let clients: Vec<String> = clients.iter().map(usize::to_string).collect();
        command += &format!(" --clients {}", clients.join(","));
    }
    if let Some(theme) = smaller.theme {
        let value = clap::ValueEnum::to_possible_value(&theme);
        command += &format!(
            " --theme {}",
            value.map_or(String::new(), |value| value.get_name().to_owned())
        );
    }
    if let Some(plant) = smaller.plant {
        let value = clap::ValueEnum::to_possible_value(&plant);
        command += &format!(
            " --plant {}",
            value.map_or(String::new(), |value| value.get_name().to_owned())
        );
    }
    println!("  shrunk: {failure}\n  again:  {command}");
}
