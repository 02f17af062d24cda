//! P8: the longest turn while a table grows to ten million keys, spread over all slots and all in one. The figure is the server's own
//! (thread CPU time, `longest_turn_cpu_us` in INFO); beside it the wall-clock tail that a probe saw, which the machine disturbs.

use crate::keys::Keys;
use crate::loader::{Client, append_command, no_error, run_batches};
use crate::peers::Program;
use crate::probe::Probe;
use crate::report::{Report, Table};
use crate::subject::Subjects;

/// What `growth` is told on its command line.
#[derive(clap::Args, Debug)]
pub struct Options {
    #[command(flatten)]
    subjects: Subjects,
    /// Keys in the end.
    #[arg(long, default_value_t = 10_000_000)]
    keys: u64,
}

/// Fills each subject twice.
///
/// # Errors
/// When a server fails.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let mut report = Report::new("growth", options.subjects.out.as_deref())?;
    report.line(&format!(
        "{} keys of 16 bytes with values of 8, in batches of 256 SETs; a probe asks every 0.5 ms",
        options.keys
    ));
    let programs = options.subjects.found(&mut report)?;
    let mut table = Table::new(&[
        "server",
        "keys",
        "longest turn CPU µs",
        "wall µs",
        "probe P50 ms",
        "P99 ms",
        "P99.9 ms",
        "max ms",
    ]);
    for program in &programs {
        for keys in [Keys::Spread, Keys::OneSlot] {
            let cells = fill(program, keys, options, &mut report)?;
            table.row(cells);
        }
    }
    report.table("turns", &table)?;
    report.finish()
}

fn fill(
    program: &Program,
    keys: Keys,
    options: &Options,
    report: &mut Report,
) -> anyhow::Result<Vec<String>> {
    let server = options.subjects.start(program, &[], report)?;
    let mut client = Client::connect(server.port)?;
    // Whoever does not know the command does not tell a longest turn either.
    client.ask(&[b"CONFIG", b"RESETSTAT"])?;
    let probe = Probe::start(server.port)?;
    let set = |number: u64, output: &mut Vec<u8>| {
        append_command(output, &[b"SET", &keys.of(number), b"12345678"])
    };
    run_batches(&mut client, options.keys, set, no_error)?;
    let latencies = probe.stop()?;
    let mut cells = vec![program.kind.name().to_owned(), keys.name().to_owned()];
    for field in ["longest_turn_cpu_us", "longest_turn_wall_us"] {
        // No turn takes nothing: a zero comes from a server that does not fill the field.
        let longest = client.info_number("corelane", field)?.filter(|us| *us > 0.0);
        cells.push(longest.map_or_else(|| "not told".into(), |us| format!("{us:.0}")));
    }
    cells.extend(latencies.cells());
    eprintln!("{}", cells.join(" "));
    Ok(cells)
}
