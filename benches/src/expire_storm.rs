//! A million keys that expire in the same second, seen by a client that has nothing to do with them: its P99 in the loud window over
//! its P99 in the quiet window before, as the median over pairs, beside the same ratio of two quiet windows.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};

use crate::keys::Keys;
use crate::loader::{Client, append_command, no_error, run_batches};
use crate::peers::Program;
use crate::probe::{Latencies, probe_until};
use crate::report::{Report, Table, median, spread};
use crate::subject::Subjects;

/// Length of each quiet window.
const QUIET: Duration = Duration::from_secs(2);
/// The loud window: from when the first key expires until a while after the last.
const LOUD: Duration = Duration::from_millis(2500);
/// The keys expire spread over this time.
const STORM: Duration = Duration::from_secs(1);
/// Between the end of the quiet windows and the storm.
const MARGIN: Duration = Duration::from_millis(300);

/// What `expire-storm` is told on its command line.
#[derive(clap::Args, Debug)]
pub struct Options {
    #[command(flatten)]
    subjects: Subjects,
    /// Quiet/loud pairs.
    #[arg(long, default_value_t = 7)]
    pairs: u32,
    /// Keys that expire in one second.
    #[arg(long, default_value_t = 1_000_000)]
    keys: u64,
}

/// What one pair saw.
struct Pair {
    quiet: Latencies,
    quiet_again: Latencies,
    loud: Latencies,
    left: f64,
}

/// Runs the pairs for each subject.
///
/// # Errors
/// When a server fails.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let mut report = Report::new("expire-storm", options.subjects.out.as_deref())?;
    report.line(&format!(
        "{} keys expire within {STORM:?}; a probe asks every 0.5 ms; {} pairs",
        options.keys, options.pairs
    ));
    let programs = options.subjects.found(&mut report)?;
    let mut table = Table::new(&[
        "server",
        "quiet P99 ms",
        "loud P99 ms",
        "loud P99.9 ms",
        "loud max ms",
        "loud/quiet",
        "spread",
        "quiet/quiet spread",
        "keys left",
    ]);
    for program in &programs {
        let pairs = storms(program, options, &mut report)?;
        let of = |figure: &dyn Fn(&Pair) -> f64| pairs.iter().map(figure).collect::<Vec<_>>();
        let ratios = of(&|pair| pair.loud.ms(99.0) / pair.quiet.ms(99.0));
        table.row(vec![
            program.kind.name().into(),
            format!("{:.2}", median(&of(&|pair| pair.quiet.ms(99.0)))),
            format!("{:.2}", median(&of(&|pair| pair.loud.ms(99.0)))),
            format!("{:.2}", median(&of(&|pair| pair.loud.ms(99.9)))),
            format!("{:.2}", median(&of(&|pair| pair.loud.longest_ms()))),
            format!("{:.2}", median(&ratios)),
            spread(&ratios, 2),
            spread(&of(&|pair| pair.quiet_again.ms(99.0) / pair.quiet.ms(99.0)), 2),
            format!("{:.0}", median(&of(&|pair| pair.left))),
        ]);
    }
    report.table("pairs", &table)?;
    report.finish()
}

fn storms(program: &Program, options: &Options, report: &mut Report) -> anyhow::Result<Vec<Pair>> {
    let server = options.subjects.start(program, &[], report)?;
    let mut client = Client::connect(server.port)?;
    client.ask_ok(&[b"SET", b"probe", b"here"])?;
    let mut pairs = Vec::new();
    // What loading takes is learnt from a load without expiry, so that the storm can be set after the quiet windows.
    let started = Instant::now();
    load(&mut client, options.keys, None)?;
    let mut loading = started.elapsed();
    for _ in 0..2 * options.pairs {
        if pairs.len() == options.pairs as usize {
            break;
        }
        match storm(&mut client, options.keys, loading)? {
            Some(pair) => {
                let (quiet, loud) = (pair.quiet.ms(99.0), pair.loud.ms(99.0));
                eprintln!("{} pair: quiet {quiet:.2} loud {loud:.2} ms", program.kind.name());
                pairs.push(pair);
            }
            None => {
                eprintln!(
                    "{} pair void: loading took so long that the storm came first",
                    program.kind.name()
                );
                loading *= 2;
            }
        }
    }
    ensure!(!pairs.is_empty(), "the machine is too slow for a single pair");
    Ok(pairs)
}

/// One pair; nothing when the quiet windows reached into the storm.
fn storm(client: &mut Client, keys: u64, loading: Duration) -> anyhow::Result<Option<Pair>> {
    let lead = loading * 2 + QUIET * 2 + MARGIN * 2;
    let storm = Instant::now() + lead;
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).context("a clock after 1970")?;
    load(client, keys, Some((unix + lead).as_millis() as u64))?;
    let quiet = probe_until(client, Instant::now() + QUIET)?;
    let quiet_again = probe_until(client, Instant::now() + QUIET)?;
    let until_storm = storm.checked_duration_since(Instant::now());
    std::thread::sleep(until_storm.unwrap_or(LOUD));
    let loud = probe_until(client, storm + LOUD)?;
    let left = dbsize(client)?;
    Ok(until_storm.map(|_| Pair { quiet, quiet_again, loud, left }))
}

fn dbsize(client: &mut Client) -> anyhow::Result<f64> {
    match client.ask_ok(&[b"DBSIZE"])? {
        crate::loader::Reply::Integer(count) => Ok(count as f64),
        other => anyhow::bail!("DBSIZE answered {other:?}"),
    }
}

/// Sets all keys, to expire spread over the second that begins at `storm_ms` (Unix time), or never.
fn load(client: &mut Client, keys: u64, storm_ms: Option<u64>) -> anyhow::Result<()> {
    let mut number_text = itoa::Buffer::new();
    let set = |number: u64, output: &mut Vec<u8>| {
        let key = Keys::Spread.of(number);
        match storm_ms {
            None => append_command(output, &[b"SET", &key, b"12345678"]),
            Some(storm_ms) => {
                let at = storm_ms + number * STORM.as_millis() as u64 / keys;
                append_command(
                    output,
                    &[b"SET", &key, b"12345678", b"PXAT", number_text.format(at).as_bytes()],
                );
            }
        }
    };
    run_batches(client, keys, set, no_error)
}
