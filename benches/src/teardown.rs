//! The longest turn while collections of ten million elements go: deleted, expired, overwritten, under a load that has nothing to do
//! with them. The figure is the server's own, as in `growth`; the first row is the same load while nothing goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};

use crate::keys::Keys;
use crate::loader::{Client, append_command, no_error, run_batches};
use crate::peers::Program;
use crate::probe::Probe;
use crate::report::{Report, Table};
use crate::subject::Subjects;

/// Elements in one command while a collection is filled.
const ELEMENTS_PER_COMMAND: u64 = 64;
/// Keys of the load.
const LOAD_KEYS: u64 = 100_000;
/// Commands of the load between two looks at whether it shall end.
const LOAD_STEP: u64 = 64;
/// Memory that has not fallen for so long falls no more.
const STILL: Duration = Duration::from_millis(700);
/// Freeing is waited for at most so long.
const FREEING_MAX: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);

/// Each type twice, and how each of them goes.
const ENDS: [(&str, &str); 10] = [
    ("list", "DEL"),
    ("list", "SET"),
    ("set", "PEXPIRE"),
    ("set", "DEL"),
    ("zset", "SET"),
    ("zset", "PEXPIRE"),
    ("hash", "DEL"),
    ("hash", "PEXPIRE"),
    ("stream", "SET"),
    ("stream", "DEL"),
];

/// What `teardown` is told on its command line.
#[derive(clap::Args, Debug)]
pub struct Options {
    #[command(flatten)]
    subjects: Subjects,
    /// Elements of each collection.
    #[arg(long, default_value_t = 10_000_000)]
    elements: u64,
    /// How many of the ten collections, from the first on.
    #[arg(long, default_value_t = 10)]
    collections: usize,
}

/// Fills and ends the collections of each subject.
///
/// # Errors
/// When a server fails.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let mut report = Report::new("teardown", options.subjects.out.as_deref())?;
    report.line(&format!(
        "collections of {} elements go one after the other, beside SETs and GETs and a probe that asks every 0.5 ms",
        options.elements
    ));
    let programs = options.subjects.found(&mut report)?;
    let mut table = Table::new(&[
        "server",
        "what goes",
        "longest turn CPU µs",
        "wall µs",
        "freed MB",
        "within s",
        "probe P99 ms",
        "max ms",
    ]);
    for program in &programs {
        for cells in ends_of(program, options, &mut report)? {
            table.row(cells);
        }
    }
    report.table("turns", &table)?;
    report.finish()
}

fn ends_of(
    program: &Program,
    options: &Options,
    report: &mut Report,
) -> anyhow::Result<Vec<Vec<String>>> {
    let server = options.subjects.start(program, &[], report)?;
    let mut client = Client::connect(server.port)?;
    let ends = &ENDS[..options.collections.min(ENDS.len())];
    for (number, (kind, _)) in ends.iter().enumerate() {
        fill(&mut client, kind, &name_of(number), options.elements)?;
        eprintln!("{} {kind} filled", program.kind.name());
    }
    let load = Load::start(server.port)?;
    let mut rows = Vec::new();
    let mut watch = |what: String, end: &[&[u8]]| -> anyhow::Result<()> {
        client.ask(&[b"CONFIG", b"RESETSTAT"])?;
        let probe = Probe::start(server.port)?;
        let before = used_mb(&mut client)?;
        client.ask_ok(end)?;
        let (after, seconds) = until_still(&mut client)?;
        let latencies = probe.stop()?;
        let mut cells = vec![program.kind.name().to_owned(), what];
        for field in ["longest_turn_cpu_us", "longest_turn_wall_us"] {
            let longest = client.info_number("corelane", field)?.filter(|us| *us > 0.0);
            cells.push(longest.map_or_else(|| "not told".into(), |us| format!("{us:.0}")));
        }
        cells.push(format!("{:.0}", before - after));
        cells.push(format!("{seconds:.1}"));
        cells.push(format!("{:.2}", latencies.ms(99.0)));
        cells.push(format!("{:.2}", latencies.longest_ms()));
        eprintln!("{}", cells.join(" "));
        rows.push(cells);
        Ok(())
    };
    watch("nothing".into(), &[b"PING"])?;
    for (number, (kind, end)) in ends.iter().enumerate() {
        let name = name_of(number);
        let words: Vec<&[u8]> = match *end {
            "DEL" => vec![b"DEL", &name],
            "SET" => vec![b"SET", &name, b"small"],
            _ => vec![b"PEXPIRE", &name, b"1"],
        };
        watch(format!("{kind} by {end}"), &words)?;
    }
    load.stop()?;
    Ok(rows)
}

fn name_of(number: usize) -> Vec<u8> {
    format!("collection:{number}").into_bytes()
}

fn used_mb(client: &mut Client) -> anyhow::Result<f64> {
    Ok(client.info_number("memory", "used_memory")?.context("used_memory")? / 1e6)
}

/// Waits until memory falls no more; gives what is used then, and when it fell last.
fn until_still(client: &mut Client) -> anyhow::Result<(f64, f64)> {
    let began = Instant::now();
    let (mut least, mut fell) = (used_mb(client)?, began);
    while fell.elapsed() < STILL && began.elapsed() < FREEING_MAX {
        std::thread::sleep(POLL);
        let used = used_mb(client)?;
        // The load writes the same keys again: what it takes is not growth worth a megabyte.
        if used < least - 1.0 {
            (least, fell) = (used, Instant::now());
        }
    }
    Ok((least, (fell - began).as_secs_f64()))
}

/// Fills one collection with distinct elements of about 16 bytes.
fn fill(client: &mut Client, kind: &str, name: &[u8], elements: u64) -> anyhow::Result<()> {
    let per_command = if kind == "stream" { 1 } else { ELEMENTS_PER_COMMAND };
    let command = |number: u64, output: &mut Vec<u8>| {
        let first = number * per_command;
        let texts: Vec<Vec<u8>> = (first..(first + per_command).min(elements))
            .map(|element| Keys::Spread.of(element).to_vec())
            .collect();
        let scores: Vec<Vec<u8>> = match kind {
            "zset" => {
                (first..).take(texts.len()).map(|score| score.to_string().into_bytes()).collect()
            }
            _ => Vec::new(),
        };
        let mut words: Vec<&[u8]> = match kind {
            "list" => vec![b"RPUSH", name],
            "set" => vec![b"SADD", name],
            "zset" => vec![b"ZADD", name],
            "hash" => vec![b"HSET", name],
            _ => vec![b"XADD", name, b"*", b"field"],
        };
        for (at, text) in texts.iter().enumerate() {
            if kind == "zset" {
                words.push(&scores[at]);
            }
            words.push(text);
            if kind == "hash" {
                words.push(b"12345678");
            }
        }
        append_command(output, &words);
    };
    run_batches(client, elements.div_ceil(per_command), command, no_error)
}

/// SETs and GETs in the background.
struct Load {
    ends: Arc<AtomicBool>,
    thread: JoinHandle<anyhow::Result<()>>,
}

impl Load {
    fn start(port: u16) -> anyhow::Result<Load> {
        let mut client = Client::connect(port)?;
        let ends = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&ends);
        let thread = std::thread::spawn(move || {
            let mut number = 0;
            while !told.load(Ordering::Relaxed) {
                let command = |step: u64, output: &mut Vec<u8>| {
                    let key = Keys::Spread.of((number + step) / 2 % LOAD_KEYS);
                    match (number + step) % 2 {
                        0 => append_command(output, &[b"SET", &key, b"12345678"]),
                        _ => append_command(output, &[b"GET", &key]),
                    }
                };
                run_batches(&mut client, LOAD_STEP, command, no_error)?;
                number += LOAD_STEP;
            }
            Ok(())
        });
        Ok(Load { ends, thread })
    }

    fn stop(self) -> anyhow::Result<()> {
        self.ends.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the load panicked"))?
    }
}
