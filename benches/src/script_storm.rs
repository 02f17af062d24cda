//! A script of undeclared keys that somebody calls again and again, seen by fifty clients that have nothing to do with it: their P99
//! in the loud window over their P99 in the quiet window before, as the median over pairs, beside the same ratio of two quiet windows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, ensure};
use fastrand::Rng;
use hdrhistogram::Histogram;

use crate::loader::{Client, Reply};
use crate::peers::Program;
use crate::report::{Report, Table, median, spread};
use crate::subject::Subjects;

/// Clients that set and get keys of their own.
const CLIENTS: u64 = 50;
/// Keys of each.
const KEYS: u64 = 100;
/// Between two requests of one client; all together ask 10,000 times a second.
const PACE: Duration = Duration::from_millis(5);
/// Latencies above this are recorded as this, in microseconds.
const LATENCY_MAX_US: u64 = 60_000_000;

/// Counts up keys that only the script knows, and takes a while.
const SCRIPT: &str = "local n=0 for i=1,tonumber(ARGV[1]) do n=n+redis.call('INCR','storm:'..((i*7919+ARGV[2])%1000)) end return n";

/// What `script-storm` is told on its command line.
#[derive(clap::Args, Debug)]
pub struct Options {
    #[command(flatten)]
    subjects: Subjects,
    /// Quiet/loud pairs.
    #[arg(long, default_value_t = 7)]
    pairs: u32,
    /// Length of a window in seconds.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Calls of commands that one run of the script makes.
    #[arg(long, default_value_t = 20)]
    calls: u64,
}

/// What one pair saw.
struct Pair {
    quiet: f64,
    quiet_again: f64,
    loud: f64,
    loud_longest: f64,
    scripts_per_second: f64,
}

/// Runs the pairs for each subject.
///
/// # Errors
/// When a server fails.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let mut report = Report::new("script-storm", options.subjects.out.as_deref())?;
    report.line(&format!(
        "{CLIENTS} clients ask every {PACE:?} each; loud: one more calls a script of {} undeclared keys without a pause; {} pairs of {} s",
        options.calls, options.pairs, options.seconds
    ));
    let programs = options.subjects.found(&mut report)?;
    let mut table = Table::new(&[
        "server",
        "quiet P99 ms",
        "loud P99 ms",
        "loud max ms",
        "scripts/s",
        "loud/quiet",
        "spread",
        "quiet/quiet spread",
    ]);
    for program in &programs {
        let pairs = pairs(program, options, &mut report)?;
        let of = |figure: &dyn Fn(&Pair) -> f64| pairs.iter().map(figure).collect::<Vec<_>>();
        let ratios = of(&|pair| pair.loud / pair.quiet);
        table.row(vec![
            program.kind.name().into(),
            format!("{:.2}", median(&of(&|pair| pair.quiet))),
            format!("{:.2}", median(&of(&|pair| pair.loud))),
            format!("{:.2}", median(&of(&|pair| pair.loud_longest))),
            format!("{:.0}", median(&of(&|pair| pair.scripts_per_second))),
            format!("{:.2}", median(&ratios)),
            spread(&ratios, 2),
            spread(&of(&|pair| pair.quiet_again / pair.quiet), 2),
        ]);
    }
    report.table("pairs", &table)?;
    report.finish()
}

fn pairs(program: &Program, options: &Options, report: &mut Report) -> anyhow::Result<Vec<Pair>> {
    let server = options.subjects.start(program, &[], report)?;
    let window = Duration::from_secs(options.seconds);
    // The first window warms up and is not counted.
    watch(server.port, window)?;
    let mut pairs = Vec::new();
    for _ in 0..options.pairs {
        let quiet = watch(server.port, window)?;
        let quiet_again = watch(server.port, window)?;
        let stop = Arc::new(AtomicBool::new(false));
        let storm = storm(server.port, options.calls, &stop)?;
        let loud = watch(server.port, window);
        stop.store(true, Ordering::Relaxed);
        let scripts = storm.join().map_err(|_| anyhow!("the storm panicked"))??;
        let loud = loud?;
        ensure!(scripts > 0, "no script ran");
        let ms = |seen: &Histogram<u64>| seen.value_at_quantile(0.99) as f64 / 1000.0;
        let pair = Pair {
            quiet: ms(&quiet),
            quiet_again: ms(&quiet_again),
            loud: ms(&loud),
            loud_longest: loud.max() as f64 / 1000.0,
            scripts_per_second: scripts as f64 / window.as_secs_f64(),
        };
        eprintln!(
            "{} pair: quiet {:.2} and {:.2}, loud {:.2} ms, {:.0} scripts/s",
            program.kind.name(),
            pair.quiet,
            pair.quiet_again,
            pair.loud,
            pair.scripts_per_second
        );
        pairs.push(pair);
    }
    Ok(pairs)
}

type Storm = std::thread::JoinHandle<anyhow::Result<u64>>;

/// One client that runs the script until it is told to stop; gives how often it ran.
fn storm(port: u16, calls: u64, stop: &Arc<AtomicBool>) -> anyhow::Result<Storm> {
    let mut client = Client::connect(port)?;
    let digest = client.ask_ok(&[b"SCRIPT", b"LOAD", SCRIPT.as_bytes()])?.text();
    let (stop, calls) = (Arc::clone(stop), calls.to_string());
    Ok(std::thread::spawn(move || {
        let mut ran = 0u64;
        while !stop.load(Ordering::Relaxed) {
            let nth = ran.to_string();
            let words = [b"EVALSHA", digest.as_bytes(), b"0", calls.as_bytes(), nth.as_bytes()];
            let reply = client.ask_ok(&words)?;
            ensure!(matches!(reply, Reply::Integer(_)), "the script answered {reply:?}");
            ran += 1;
        }
        Ok(ran)
    }))
}

/// Latencies of all clients in a window, in microseconds.
fn watch(port: u16, window: Duration) -> anyhow::Result<Histogram<u64>> {
    let end = Instant::now() + window;
    let watchers: Vec<_> = (0..CLIENTS)
        .map(|number| std::thread::spawn(move || ask_until(port, number, end)))
        .collect();
    let mut all = histogram()?;
    for watcher in watchers {
        let seen = watcher.join().map_err(|_| anyhow!("a client panicked"))??;
        all.add(seen).context("histograms of the same bounds")?;
    }
    Ok(all)
}

fn histogram() -> anyhow::Result<Histogram<u64>> {
    Histogram::new_with_bounds(1, LATENCY_MAX_US, 3).context("constant bounds")
}

fn ask_until(port: u16, number: u64, end: Instant) -> anyhow::Result<Histogram<u64>> {
    let mut client = Client::connect(port)?;
    let mut random = Rng::with_seed(number);
    let mut seen = histogram()?;
    // All begin at different moments of the pace, so that they do not ask at once.
    std::thread::sleep(PACE.mul_f64(random.f64()));
    while Instant::now() < end {
        let key = format!("client:{number}:{}", random.u64(..KEYS));
        let started = Instant::now();
        match random.bool() {
            true => client.ask_ok(&[b"SET", key.as_bytes(), b"value"])?,
            false => client.ask_ok(&[b"GET", key.as_bytes()])?,
        };
        let taken = started.elapsed();
        let micros = u64::try_from(taken.as_micros()).unwrap_or(LATENCY_MAX_US).min(LATENCY_MAX_US);
        seen.record_correct(micros.max(1), PACE.as_micros() as u64).context("within the bounds")?;
        std::thread::sleep(PACE.saturating_sub(taken));
    }
    Ok(seen)
}
