//! P7: what a key costs in resident memory over its own bytes, at table sizes spread over more than one doubling, the worst of them
//! quoted; and whether `used_memory` tells the truth about it.

use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::keys::{KEY_BYTES, Keys, random_value};
use crate::loader::{Client, append_command, no_error, run_batches};
use crate::peers::Program;
use crate::process::Server;
use crate::report::{Report, Table, bar_chart};
use crate::subject::Subjects;

const VALUE_BYTES: usize = 64;
/// Growth goes on for a moment after the last write; resident memory is read when it has stood still for one interval.
const SETTLE_INTERVAL: Duration = Duration::from_millis(250);
const SETTLE_MAX: Duration = Duration::from_secs(10);

/// What `memory` is told on its command line.
#[derive(clap::Args, Debug)]
pub struct Options {
    #[command(flatten)]
    subjects: Subjects,
    /// Keys at the first reading.
    #[arg(long, default_value_t = 3_000_000)]
    from: u64,
    /// Keys at the last reading.
    #[arg(long, default_value_t = 6_000_000)]
    to: u64,
    /// Keys between two readings.
    #[arg(long, default_value_t = 500_000)]
    step: u64,
}

/// Fills each subject and reads its memory.
///
/// # Errors
/// When a server fails.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let mut report = Report::new("memory", options.subjects.out.as_deref())?;
    report.line(&format!(
        "keys of {KEY_BYTES} bytes, values of {VALUE_BYTES} random bytes, no TTL; over = (RSS - RSS of the empty server) / keys - {}",
        KEY_BYTES + VALUE_BYTES
    ));
    let programs = options.subjects.found(&mut report)?;
    let mut table = Table::new(&[
        "server",
        "keys",
        "RSS MB",
        "over B/key",
        "used_memory MB",
        "used/RSS growth",
    ]);
    let mut bars = Vec::new();
    for program in &programs {
        let worst = fill_and_read(program, options, &mut report, &mut table)?;
        bars.push((program.kind.name().to_owned(), worst));
    }
    report.table("readings", &table)?;
    for (name, worst) in &bars {
        report.line(&format!("{name}: worst {worst:.1} B over key and value"));
    }
    let groups = [("worst reading".to_owned(), bars)];
    report.chart("worst", &bar_chart("Resident bytes a key over key and value", "B", &groups))?;
    report.finish()
}

/// Gives the worst bytes over key and value.
fn fill_and_read(
    program: &Program,
    options: &Options,
    report: &mut Report,
    table: &mut Table,
) -> anyhow::Result<f64> {
    let server = options.subjects.start(program, &[], report)?;
    let mut client = Client::connect(server.port)?;
    let empty_rss = settled_rss(&server)?;
    let empty_used = client.info_number("memory", "used_memory")?;
    let mut random = Rng::with_seed(7);
    let mut value = [0; VALUE_BYTES];
    let mut held = 0;
    let mut worst = f64::NEG_INFINITY;
    let mut goal = options.from;
    while goal <= options.to {
        let set = |number: u64, output: &mut Vec<u8>| {
            random_value(&mut random, &mut value);
            append_command(output, &[b"SET", &Keys::Spread.of(held + number), &value]);
        };
        run_batches(&mut client, goal - held, set, no_error)?;
        held = goal;
        let rss = settled_rss(&server)?;
        let growth = rss.saturating_sub(empty_rss) as f64;
        let over = growth / held as f64 - (KEY_BYTES + VALUE_BYTES) as f64;
        worst = worst.max(over);
        let used = client.info_number("memory", "used_memory")?;
        let ratio = used.zip(empty_used).map(|(used, empty)| (used - empty) / growth);
        table.row(vec![
            program.kind.name().into(),
            held.to_string(),
            format!("{:.1}", rss as f64 / 1e6),
            format!("{over:.1}"),
            used.map_or_else(|| "-".into(), |used| format!("{:.1}", used / 1e6)),
            ratio.map_or_else(|| "-".into(), |ratio| format!("{ratio:.3}")),
        ]);
        eprintln!("{} {held} keys: {over:.1} B over", program.kind.name());
        goal += options.step;
    }
    Ok(worst)
}

/// Resident memory once two readings in a row agree.
///
/// # Errors
/// When the process has gone.
pub fn settled_rss(server: &Server) -> anyhow::Result<u64> {
    let started = Instant::now();
    let mut last = server.rss_bytes()?;
    loop {
        std::thread::sleep(SETTLE_INTERVAL);
        let now = server.rss_bytes()?;
        if now == last || started.elapsed() > SETTLE_MAX {
            return Ok(now);
        }
        last = now;
    }
}
