//! CPU per operation of what is atomic over several keys, at pipeline 16: a rate limiter in Lua, MULTI of four SETs, MGET of a hundred,
//! where one core owns all keys and where two do. Corelane on one core and on two stands beside Redis.
//!
//! An operation is the whole of it: MULTI, four SETs and EXEC are one. All parties run at once and the load visits them in turn; a ratio
//! is taken within a round.

use std::path::PathBuf;

use anyhow::Context;
use fastrand::Rng;
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::loader::{Client, append_command, no_error, run_batches, run_round_robin};
use crate::peers::{Kind, Shape, Where};
use crate::process::Server;
use crate::report::{Report, Table, median, spread};

const LOAD_CPU: usize = 1;
/// Operations in flight on each connection.
const PIPELINE: usize = 16;
const CONNECTIONS: usize = 50;
/// Hash tags, and keys of each.
const TAGS: u64 = 64;
const KEYS: u64 = 100;
/// Clients that the rate limiter knows.
const LIMITED: u64 = 10_000;

/// Lets so many calls pass in a minute; the key is declared.
const DECLARED: &str = "local n=redis.call('INCR',KEYS[1]) if n==1 then redis.call('EXPIRE',KEYS[1],60) end if n>tonumber(ARGV[1]) then return 0 end return 1";
/// The same where the script builds the key.
const UNDECLARED: &str = "local k='limit:'..ARGV[2] local n=redis.call('INCR',k) if n==1 then redis.call('EXPIRE',k,60) end if n>tonumber(ARGV[1]) then return 0 end return 1";
/// A limit for a user and one for all of a group, two keys that may lie on two cores.
const BOTH: &str = "local n=redis.call('INCR',KEYS[1]) local m=redis.call('INCR',KEYS[2]) if n>tonumber(ARGV[1]) or m>1000*tonumber(ARGV[1]) then return 0 end return 1";

/// What `atomic` is told on its command line.
#[derive(clap::Args, Debug)]
pub struct Options {
    #[command(flatten)]
    programs: Where,
    /// Times that each party is measured with each case.
    #[arg(long, default_value_t = 7)]
    rounds: u32,
    /// Operations of a measurement.
    #[arg(long, default_value_t = 100_000)]
    operations: u64,
    /// Only cases whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// Folder for the table and CSV.
    #[arg(long)]
    out: Option<PathBuf>,
}

/// One kind of operation.
struct Case {
    name: &'static str,
    /// The script that it calls, if it does.
    script: Option<&'static str>,
    /// Queues one operation; the text is the digest of the script.
    write: fn(&mut Client, &mut Rng, &str),
}

const CASES: &[Case] = &[
    Case { name: "EVALSHA limiter, declared key", script: Some(DECLARED), write: limiter },
    Case { name: "EVALSHA limiter, undeclared key", script: Some(UNDECLARED), write: undeclared },
    Case { name: "EVALSHA limiter, two keys", script: Some(BOTH), write: both },
    Case { name: "MULTI of 4 SETs, one tag", script: None, write: tagged_sets },
    Case { name: "MULTI of 4 SETs, any keys", script: None, write: spread_sets },
    Case { name: "MGET of 100, one tag", script: None, write: tagged_gets },
    Case { name: "MGET of 100, any keys", script: None, write: spread_gets },
];

fn limiter(client: &mut Client, random: &mut Rng, digest: &str) {
    let key = format!("limit:{}", random.u64(..LIMITED));
    client.queue(&[b"EVALSHA", digest.as_bytes(), b"1", key.as_bytes(), b"100"]);
}

fn undeclared(client: &mut Client, random: &mut Rng, digest: &str) {
    let number = random.u64(..LIMITED).to_string();
    client.queue(&[b"EVALSHA", digest.as_bytes(), b"0", b"100", number.as_bytes()]);
}

fn both(client: &mut Client, random: &mut Rng, digest: &str) {
    let user = format!("user:{}", random.u64(..LIMITED));
    let group = format!("group:{}", random.u64(..LIMITED));
    let keys = [user.as_bytes(), group.as_bytes()];
    client.queue(&[b"EVALSHA", digest.as_bytes(), b"2", keys[0], keys[1], b"100"]);
}

fn sets(client: &mut Client, random: &mut Rng, mut tag: impl FnMut(&mut Rng) -> u64) {
    client.queue(&[b"MULTI"]);
    for _ in 0..4 {
        let key = key(tag(random), random.u64(..KEYS));
        client.queue(&[b"SET", key.as_bytes(), &[b'x'; 32]]);
    }
    client.queue(&[b"EXEC"]);
}

fn tagged_sets(client: &mut Client, random: &mut Rng, _digest: &str) {
    let tag = random.u64(..TAGS);
    sets(client, random, |_| tag);
}

fn spread_sets(client: &mut Client, random: &mut Rng, _digest: &str) {
    sets(client, random, |random| random.u64(..TAGS));
}

fn gets(client: &mut Client, keys: &[String]) {
    let words: Vec<&[u8]> =
        [b"MGET".as_slice()].into_iter().chain(keys.iter().map(String::as_bytes)).collect();
    client.queue(&words);
}

fn tagged_gets(client: &mut Client, random: &mut Rng, _digest: &str) {
    let tag = random.u64(..TAGS);
    gets(client, &(0..KEYS).map(|number| key(tag, number)).collect::<Vec<_>>());
}

fn spread_gets(client: &mut Client, random: &mut Rng, _digest: &str) {
    let any = |_| key(random.u64(..TAGS), random.u64(..KEYS));
    gets(client, &(0..KEYS).map(any).collect::<Vec<_>>());
}

fn key(tag: u64, number: u64) -> String {
    format!("{{{tag}}}:{number}")
}

/// Measures the cases beside Redis.
///
/// # Errors
/// When a server fails or refuses an operation.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let mut report = Report::new("atomic", options.out.as_deref())?;
    report.line(&format!(
        "Redis and one core on CPU 0, two cores on CPUs 0 and 1, the load on CPU {LOAD_CPU}: {CONNECTIONS} connections round robin, {PIPELINE} operations in flight on each; x is over Redis"
    ));
    let redis = options.programs.peer(Kind::Redis).context("redis-server is not on PATH")?;
    let corelane = options.programs.corelane();
    let mut parties = Vec::new();
    if let Some(corelane) = corelane {
        parties.push(("one core", corelane.clone(), 1, "0"));
        parties.push(("two cores", corelane, 2, "0,1"));
    }
    // Without Corelane, Redis beside itself shows the noise.
    else {
        parties.push(("redis again", redis.clone(), 1, "0"));
    }
    parties.push(("redis", redis, 1, "0"));
    let mut servers = Vec::new();
    for ((_, program, cores, cpus), port) in parties.iter().zip(options.programs.base_port..) {
        report.line(&format!("  {}", program.describe()));
        let shape = Shape { cores: *cores, cpus: Some(cpus), ..Shape::default() };
        let server = program.start(port, &shape)?;
        report.command_line(&server.command_line);
        fill(&server)?;
        servers.push(server);
    }
    let mut cpus = CpuSet::new();
    cpus.set(LOAD_CPU);
    // Best effort: on a machine with one CPU the load is where the servers are.
    let _ = sched_setaffinity(None, &cpus);
    let mut table =
        Table::new(&["operation", "server", "ns/op", "redis ns/op", "x", "spread of x"]);
    for case in CASES.iter().filter(|case| case.name.contains(&options.only)) {
        let costs = measure_case(case, &servers, options)?;
        let (theirs, ours) = costs.split_last().context("Redis is the last of the parties")?;
        for ((name, ..), ours) in parties.iter().zip(ours) {
            let ratios: Vec<f64> = ours.iter().zip(theirs).map(|(a, b)| a / b).collect();
            let cells = vec![
                case.name.to_owned(),
                (*name).to_owned(),
                format!("{:.0}", median(ours)),
                format!("{:.0}", median(theirs)),
                format!("{:.2}", median(&ratios)),
                spread(&ratios, 2),
            ];
            eprintln!("{}", cells.join("  "));
            table.row(cells);
        }
    }
    report.table("cpu", &table)?;
    report.finish()
}

fn fill(server: &Server) -> anyhow::Result<()> {
    let mut client = Client::connect(server.port)?;
    let set = |nth: u64, output: &mut Vec<u8>| {
        append_command(output, &[b"SET", key(nth % TAGS, nth / TAGS).as_bytes(), &[b'x'; 32]]);
    };
    run_batches(&mut client, TAGS * KEYS, set, no_error)
}

/// CPU per operation of each server, round by round. The round before the first is not counted.
fn measure_case(
    case: &Case,
    servers: &[Server],
    options: &Options,
) -> anyhow::Result<Vec<Vec<f64>>> {
    let mut costs = vec![Vec::new(); servers.len()];
    for round in 0..=options.rounds {
        for (server, costs) in servers.iter().zip(&mut costs) {
            let mut digest = String::new();
            if let Some(script) = case.script {
                let mut client = Client::connect(server.port)?;
                digest = client.ask_ok(&[b"SCRIPT", b"LOAD", script.as_bytes()])?.text();
            }
            let before = server.cpu()?;
            let operations = load(case, server, options.operations, u64::from(round), &digest)?;
            let used = server.cpu()?.since(before).scheduled_ns;
            if round > 0 {
                costs.push(used as f64 / operations as f64);
            }
        }
    }
    Ok(costs)
}

/// Runs so many operations, or somewhat more; gives how many.
fn load(
    case: &Case,
    server: &Server,
    operations: u64,
    seed: u64,
    digest: &str,
) -> anyhow::Result<u64> {
    let mut random = Rng::with_seed(seed);
    let queue = |client: &mut Client| (case.write)(client, &mut random, digest);
    run_round_robin(server.port, (CONNECTIONS, PIPELINE), operations, queue).context(case.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_a_tag_lie_together_and_every_case_has_a_name_of_its_own() {
        assert_eq!(key(7, 99), "{7}:99");
        let mut names: Vec<_> = CASES.iter().map(|case| case.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CASES.len());
    }
}
