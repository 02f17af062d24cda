//! CPU per operation of the collections' commands on one core, beside Redis, at pipeline 16.
//!
//! As in `compare` all parties run at once and the load visits them in turn; a ratio is taken within a round. The load is our own
//! raw client, since the usual generators cannot vary two parts of a command: connections are served round robin, each with a
//! pipeline in flight.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use fastrand::Rng;
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::loader::{Client, append_command, no_error, run_batches, run_round_robin};
use crate::peers::{Kind, Program, Shape, Where};
use crate::process::Server;
use crate::report::{Report, Table, median, spread};

const SERVER_CPU: &str = "0";
const LOAD_CPU: usize = 1;
const PIPELINE: usize = 16;
const CONNECTIONS: usize = 50;
/// Collections of each kind, in the cases with many.
const KEYS: u64 = 10_000;
/// Members of the one large collection, in the cases with one.
const MEMBERS: u64 = 100_000;

/// What `commands` is told on its command line.
#[derive(clap::Args, Debug)]
pub struct Options {
    #[command(flatten)]
    programs: Where,
    /// Times that each party is measured with each command.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Operations of a measurement.
    #[arg(long, default_value_t = 400_000)]
    operations: u64,
    /// Only cases whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// Folder for the table and CSV.
    #[arg(long)]
    out: Option<PathBuf>,
}

/// Words of a command, with a space between; `#n` is a random number below n.
type Template = &'static str;

/// One command to be measured.
struct Case {
    name: &'static str,
    /// Commands that fill, with the number of times each is run; `@` is how often it has been run.
    fill: &'static [(u64, Template)],
    /// The commands that are measured, in turn.
    measured: &'static [Template],
}

const CASES: &[Case] = &[
    Case {
        name: "HSET, new or old field of 1",
        fill: &[],
        measured: &["HSET hash:#100000 field value12345"],
    },
    Case {
        name: "HSET, of 20 fields",
        fill: HASHES,
        measured: &["HSET hash20:#10000 field#20 value#10000"],
    },
    Case { name: "HGET, of 20 fields", fill: HASHES, measured: &["HGET hash20:#10000 field#20"] },
    Case { name: "HGETALL, of 20 fields", fill: HASHES, measured: &["HGETALL hash20:#10000"] },
    Case { name: "SADD, one set", fill: &[], measured: &["SADD set element:#100000"] },
    Case { name: "SADD, one set, integers", fill: &[], measured: &["SADD ints #100000"] },
    Case { name: "SADD, sets of 100 integers", fill: &[], measured: &["SADD set:#10000 #100"] },
    Case {
        name: "LPUSH + LTRIM to 100",
        fill: LISTS,
        measured: &["LPUSH list:#10000 action:#1000000", "LTRIM list:#10000 0 99"],
    },
    Case { name: "LRANGE, of 100", fill: LISTS, measured: &["LRANGE list:#10000 0 -1"] },
    Case {
        name: "ZADD, one sorted set",
        fill: RANKING,
        measured: &["ZADD zset #1000000 member:#100000"],
    },
    Case {
        name: "ZRANGEBYSCORE LIMIT 10",
        fill: RANKING,
        measured: &["ZRANGEBYSCORE zset #1000000 +inf LIMIT 0 10"],
    },
    Case {
        name: "ZINCRBY, one sorted set",
        fill: RANKING,
        measured: &["ZINCRBY zset #100 member:#100000"],
    },
    Case {
        name: "XADD MAXLEN ~ 1000",
        fill: &[],
        measured: &["XADD stream:#100 MAXLEN ~ 1000 * sensor #1000 temp #100"],
    },
];

const HASHES: &[(u64, Template)] = &[(20 * KEYS, "HSET hash20:@ field@ value#10000")];
const LISTS: &[(u64, Template)] = &[(100 * KEYS, "LPUSH list:@ action:#1000000")];
const RANKING: &[(u64, Template)] = &[(MEMBERS, "ZADD zset #1000000 member:@")];

/// Appends the command that a template makes. The first `@` is the number of a key, the second what counts within it.
fn write(template: Template, nth: u64, random: &mut Rng, output: &mut Vec<u8>) {
    let one_key = template.matches('@').count() == 1;
    let mut counters = [if one_key { nth } else { nth % KEYS }, nth / KEYS].into_iter().cycle();
    let mut words: Vec<Vec<u8>> = Vec::new();
    for word in template.split(' ') {
        if let Some((head, end)) = word.split_once('#') {
            let number = random.u64(0..end.parse().expect("templates name a bound"));
            words.push(format!("{head}{number}").into_bytes());
        } else if let Some(head) = word.strip_suffix('@') {
            words.push(format!("{head}{}", counters.next().expect("cycles")).into_bytes());
        } else {
            words.push(word.into());
        }
    }
    let views: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    append_command(output, &views);
}

/// Measures the cases beside Redis.
///
/// # Errors
/// When a server fails.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let mut report = Report::new("commands", options.out.as_deref())?;
    report.line(&format!(
        "servers on CPU {SERVER_CPU}, the load on CPU {LOAD_CPU}: {CONNECTIONS} connections round robin, {PIPELINE} commands in flight on each"
    ));
    let redis = options.programs.peer(Kind::Redis).context("redis-server is not on PATH")?;
    let parties: [Program; 2] = [options.programs.corelane_or_fail()?, redis];
    let mut cpus = CpuSet::new();
    cpus.set(LOAD_CPU);
    let mut servers = Vec::new();
    for (program, port) in parties.iter().zip(options.programs.base_port..) {
        report.line(&format!("  {}", program.describe()));
        let shape = Shape { cores: 1, cpus: Some(SERVER_CPU), ..Shape::default() };
        let server = program.start(port, &shape)?;
        report.command_line(&server.command_line);
        servers.push(server);
    }
    // Best effort: on a machine with one CPU the load is where the servers are.
    let _ = sched_setaffinity(None, &cpus);
    let mut table = Table::new(&["command", "corelane ns/op", "redis ns/op", "x", "spread of x"]);
    for case in CASES.iter().filter(|case| case.name.contains(&options.only)) {
        let (ours, theirs) = measure_case(case, &servers, options)?;
        let ratios: Vec<f64> = ours.iter().zip(&theirs).map(|(a, b)| a / b).collect();
        let cells = vec![
            case.name.to_owned(),
            format!("{:.0}", median(&ours)),
            format!("{:.0}", median(&theirs)),
            format!("{:.2}", median(&ratios)),
            spread(&ratios, 2),
        ];
        eprintln!("{}", cells.join("  "));
        table.row(cells);
    }
    report.table("cpu", &table)?;
    report.finish()
}

/// CPU per operation, round by round, of both servers. The round before the first is not counted.
fn measure_case(
    case: &Case,
    servers: &[Server],
    options: &Options,
) -> anyhow::Result<(Vec<f64>, Vec<f64>)> {
    for server in servers {
        let mut client = Client::connect(server.port)?;
        client.ask_ok(&[b"FLUSHALL"])?;
        let mut random = Rng::with_seed(1);
        for (count, template) in case.fill {
            let fill = |nth: u64, output: &mut Vec<u8>| write(template, nth, &mut random, output);
            run_batches(&mut client, *count, fill, no_error)?;
        }
    }
    let mut costs = [Vec::new(), Vec::new()];
    for round in 0..=options.rounds {
        for (server, costs) in servers.iter().zip(&mut costs) {
            let before = server.cpu()?;
            let operations = load(case, server, options.operations, u64::from(round) + 2)?;
            let used = server.cpu()?.since(before).scheduled_ns;
            if round > 0 {
                costs.push(used as f64 / operations as f64);
            }
        }
    }
    let [ours, theirs] = costs;
    Ok((ours, theirs))
}

/// Runs so many operations, or somewhat more; gives how many.
fn load(case: &Case, server: &Server, operations: u64, seed: u64) -> anyhow::Result<u64> {
    let mut random = Rng::with_seed(seed);
    ensure!(!case.measured.is_empty(), "{} measures no command", case.name);
    let mut templates = case.measured.iter().cycle();
    let queue = |client: &mut Client| {
        let template = templates.next().expect("some command, again and again");
        client.queue_with(|output| write(template, 0, &mut random, output));
    };
    run_round_robin(server.port, (CONNECTIONS, PIPELINE), operations, queue).context(case.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_counts_keys_and_what_is_in_them() {
        let mut output = Vec::new();
        write("HSET h:@ f@ v#1", 3 * KEYS + 7, &mut Rng::with_seed(1), &mut output);
        assert_eq!(output, b"*4\r\n$4\r\nHSET\r\n$3\r\nh:7\r\n$2\r\nf3\r\n$2\r\nv0\r\n");
        output.clear();
        write("ZADD z 1 m@", 3 * KEYS, &mut Rng::with_seed(1), &mut output);
        assert!(output.ends_with(b"m30000\r\n"));
    }
}
