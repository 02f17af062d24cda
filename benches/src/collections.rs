//! Resident bytes an element of each collection type, the same data in each server: what small collections cost beside their content.
//!
//! Each case has a server of its own, so that nothing is reused from the case before. Keys are many, so that what a server
//! has once (tables of slots, buffers) does not count as an element's.

use anyhow::Context;
use fastrand::Rng;

use crate::loader::{Client, append_command, no_error, run_batches};
use crate::memory::settled_rss;
use crate::peers::Program;
use crate::report::{Report, Table};
use crate::subject::Subjects;

/// Fixed, so that each server gets the same data.
const SEED: u64 = 7;
/// Elements that one command adds.
const CHUNK: u64 = 100;

/// What `collections` is told on its command line.
#[derive(clap::Args, Debug)]
pub struct Options {
    #[command(flatten)]
    subjects: Subjects,
    /// Elements of each case.
    #[arg(long, default_value_t = 10_000_000)]
    elements: u64,
    /// Only cases whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
}

/// One shape of data.
struct Case {
    name: &'static str,
    /// Elements of a key; all elements are in one key if there are more than those of the run.
    of_key: u64,
    /// Elements that a command adds, at the most.
    chunk: u64,
    command: &'static [u8],
    /// Whether it counts in the sum: the others show how it depends on the content.
    counts: bool,
    /// Writes the arguments of one element.
    element: fn(u64, &mut Rng, &mut Vec<Vec<u8>>),
}

const CASES: &[Case] = &[
    case("hash-10", 10, b"HSET", true, |nth, random, to| {
        to.push(format!("field{}", nth % 10).into_bytes());
        to.push(text(random, 12));
    }),
    case("set-100-integers", 100, b"SADD", true, |_, random, to| to.push(below(random, 1_000_000))),
    case("set-100-integers-of-10-digits", 100, b"SADD", false, |_, random, to| {
        to.push(below(random, 10_000_000_000));
    }),
    case("set-100-strings", 100, b"SADD", true, |_, random, to| to.push(text(random, 16))),
    case("zset-100", 100, b"ZADD", true, |_, random, to| {
        to.push(below(random, 1_000_000));
        to.push(text(random, 16));
    }),
    case("zset-100-scores-of-13-digits", 100, b"ZADD", false, |_, random, to| {
        to.push(format!("17{}", random.u64(10_000_000_000..100_000_000_000)).into_bytes());
        to.push(text(random, 16));
    }),
    case("zset-100-fractions", 100, b"ZADD", false, |_, random, to| {
        to.push(format!("{:.6}", random.f64() * 1000.0).into_bytes());
        to.push(text(random, 16));
    }),
    case("zset-1M", 1_000_000, b"ZADD", true, |_, random, to| {
        to.push(below(random, 1_000_000_000));
        to.push(text(random, 16));
    }),
    case("list-100", 100, b"RPUSH", true, |_, random, to| to.push(text(random, 20))),
    case("list-100-integers", 100, b"RPUSH", false, |_, random, to| {
        to.push(below(random, 1_000_000));
    }),
    Case {
        chunk: 1,
        ..case("stream-1000", 1000, b"XADD", true, |nth, random, to| {
            to.push(format!("{}-0", 1_700_000_000_000 + nth * 25 + random.u64(0..25)).into_bytes());
            to.extend([b"sensor".to_vec(), text(random, 8), b"temp".to_vec(), below(random, 1000)]);
        })
    },
];

const fn case(
    name: &'static str,
    of_key: u64,
    command: &'static [u8],
    counts: bool,
    element: fn(u64, &mut Rng, &mut Vec<Vec<u8>>),
) -> Case {
    Case { name, of_key, chunk: CHUNK, command, counts, element }
}

fn below(random: &mut Rng, end: u64) -> Vec<u8> {
    random.u64(0..end).to_string().into_bytes()
}

/// Lower-case letters and digits.
fn text(random: &mut Rng, len: usize) -> Vec<u8> {
    const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    (0..len).map(|_| ALPHABET[random.usize(0..ALPHABET.len())]).collect()
}

/// Fills each subject with each case and reads its memory.
///
/// # Errors
/// When a server fails.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let mut report = Report::new("collections", options.subjects.out.as_deref())?;
    report.line("B/element = (RSS - RSS of the empty server) / elements; x = over that of the last server; * counts in the sum");
    let programs = options.subjects.found(&mut report)?;
    let mut header = vec!["case", "elements", "keys"];
    let names: Vec<String> =
        programs.iter().map(|program| format!("{} B/element", program.kind.name())).collect();
    header.extend(names.iter().map(String::as_str));
    header.push("x");
    let mut table = Table::new(&header);
    let mut sums = vec![0.0; programs.len()];
    for case in CASES.iter().filter(|case| case.name.contains(&options.only)) {
        let keys = (options.elements / case.of_key).max(1);
        let elements = if keys == 1 { case.of_key } else { keys * case.of_key };
        let mut cells = vec![
            format!("{}{}", case.name, if case.counts { " *" } else { "" }),
            elements.to_string(),
            keys.to_string(),
        ];
        let mut each = Vec::new();
        for program in &programs {
            each.push(fill_and_read(program, case, elements, options, &mut report)?);
        }
        let last = *each.last().context("somebody is measured")?;
        cells.extend(each.iter().map(|bytes| format!("{bytes:.2}")));
        cells.push(format!("{:.3}", each[0] / last));
        eprintln!("{}", cells.join(" "));
        table.row(cells);
        if case.counts {
            sums.iter_mut().zip(&each).for_each(|(sum, bytes)| *sum += bytes);
        }
    }
    let mut cells = vec!["sum of *".to_owned(), String::new(), String::new()];
    cells.extend(sums.iter().map(|sum| format!("{sum:.2}")));
    cells.push(format!("{:.3}", sums[0] / sums[sums.len() - 1]));
    table.row(cells);
    report.table("elements", &table)?;
    report.finish()
}

/// Gives the resident bytes an element.
fn fill_and_read(
    program: &Program,
    case: &Case,
    elements: u64,
    options: &Options,
    report: &mut Report,
) -> anyhow::Result<f64> {
    let server = options.subjects.start(program, &[], report)?;
    let mut client = Client::connect(server.port)?;
    let empty = settled_rss(&server)?;
    let mut random = Rng::with_seed(SEED);
    let chunk = case.chunk.min(case.of_key);
    let command = |number: u64, output: &mut Vec<u8>| {
        let first = number * chunk;
        let key = format!("{}:{:07}", case.name, first / case.of_key);
        let mut arguments = vec![case.command.to_vec(), key.into_bytes()];
        (first..first + chunk).for_each(|nth| (case.element)(nth, &mut random, &mut arguments));
        let views: Vec<&[u8]> = arguments.iter().map(Vec::as_slice).collect();
        append_command(output, &views);
    };
    run_batches(&mut client, elements / chunk, command, no_error)?;
    let grown = settled_rss(&server)?.saturating_sub(empty);
    Ok(grown as f64 / elements as f64)
}
