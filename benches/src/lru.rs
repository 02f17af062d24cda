//! A cache under allkeys-lru whose data are five times its memory: hit rate under a Zipf distribution with read-through, beside Redis
//! in the same test, and whether resident memory stays within its bound throughout: its peak is the kernel's, which misses no moment. Also
//! with all keys in one slot, and with values whose size changes with every write.

use fastrand::Rng;

use crate::keys::{KEY_BYTES, Keys, Zipf, random_value};
use crate::loader::{BATCH_COMMANDS, Client, Reply};
use crate::peers::Program;
use crate::report::{Report, Table};
use crate::subject::Subjects;

/// Data over memory, counting keys and values only.
const OVERCOMMIT: u64 = 5;
/// A batch of reads, before the misses are written.
const READS_A_BATCH: usize = BATCH_COMMANDS / 4;
/// Batches between two looks at `used_memory`.
const BATCHES_A_LOOK: u64 = 200;

/// What `lru` is told on its command line.
#[derive(clap::Args, Debug)]
pub struct Options {
    #[command(flatten)]
    subjects: Subjects,
    /// `maxmemory` in MiB.
    #[arg(long, default_value_t = 64)]
    maxmemory_mib: u64,
    /// Reads; the hit rate is that of the second half.
    #[arg(long, default_value_t = 6_000_000)]
    reads: u64,
    /// The Zipf exponent.
    #[arg(long, default_value_t = 0.99)]
    exponent: f64,
    /// Bytes of a value, at the least.
    #[arg(long, default_value_t = 200)]
    value_bytes: usize,
    /// Bytes of a value at the most: drawn anew for each write, all sizes alike. As many as at the least when left out.
    #[arg(long)]
    value_bytes_max: Option<usize>,
    /// The policy.
    #[arg(long, default_value = "allkeys-lru")]
    policy: String,
}

impl Options {
    fn value_bytes_max(&self) -> usize {
        self.value_bytes_max.unwrap_or(self.value_bytes).max(self.value_bytes)
    }

    fn value_bytes_mean(&self) -> usize {
        (self.value_bytes + self.value_bytes_max()) / 2
    }
}

/// Runs each subject with keys spread and in one slot.
///
/// # Errors
/// When a server fails.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let mut report = Report::new("lru", options.subjects.out.as_deref())?;
    let maxmemory = options.maxmemory_mib << 20;
    let population = OVERCOMMIT * maxmemory / (KEY_BYTES + options.value_bytes_mean()) as u64;
    report.line(&format!(
        "{}, maxmemory {} MiB, {population} keys of {KEY_BYTES} + {}..={} bytes ({OVERCOMMIT}:1), Zipf {}, {} reads, misses are written",
        options.policy,
        options.maxmemory_mib,
        options.value_bytes,
        options.value_bytes_max(),
        options.exponent,
        options.reads
    ));
    let zipf = Zipf::new(population as usize, options.exponent);
    let programs = options.subjects.found(&mut report)?;
    let mut table = Table::new(&[
        "server",
        "keys",
        "hit rate",
        "keys held",
        "RSS growth peak / maxmemory",
        "used_memory max / maxmemory",
        "refused writes",
        "server CPU ns/read",
    ]);
    for program in &programs {
        for keys in [Keys::Spread, Keys::OneSlot] {
            let cells = run_cache(program, keys, &zipf, options, &mut report)?;
            eprintln!("{}", cells.join(" "));
            table.row(cells);
        }
    }
    report.table("hits", &table)?;
    report.finish()
}

fn run_cache(
    program: &Program,
    keys: Keys,
    zipf: &Zipf,
    options: &Options,
    report: &mut Report,
) -> anyhow::Result<Vec<String>> {
    let maxmemory = options.maxmemory_mib << 20;
    let directives = ["--maxmemory", &maxmemory.to_string(), "--maxmemory-policy", &options.policy];
    let server = options.subjects.start(program, &directives, report)?;
    let mut client = Client::connect(server.port)?;
    let empty = server.rss_bytes()?;
    server.reset_peak_rss()?;
    let mut random = Rng::with_seed(11);
    let (mut hits, mut counted, mut refused) = (0u64, 0u64, 0u64);
    let cpu_before = server.cpu()?;
    let mut used_max = 0f64;
    let batches = options.reads / READS_A_BATCH as u64;
    for batch in 0..batches {
        let wanted: Vec<u64> = (0..READS_A_BATCH).map(|_| zipf.draw(&mut random)).collect();
        let missed = read(&mut client, keys, &wanted)?;
        if batch >= batches / 2 {
            counted += wanted.len() as u64;
            hits += (wanted.len() - missed.len()) as u64;
        }
        refused += write(&mut client, keys, &missed, options, &mut random)?;
        if batch % BATCHES_A_LOOK == 0 {
            used_max = used_max.max(client.info_number("memory", "used_memory")?.unwrap_or(0.0));
        }
    }
    let cpu_ns = server.cpu()?.since(cpu_before).scheduled_ns;
    let peak = server.peak_rss_bytes()?;
    let held = match client.ask_ok(&[b"DBSIZE"])? {
        Reply::Integer(count) => count.to_string(),
        _ => "-".into(),
    };
    Ok(vec![
        program.kind.name().into(),
        keys.name().into(),
        format!("{:.2}%", 100.0 * hits as f64 / counted as f64),
        held,
        format!("{:.3}", peak.saturating_sub(empty) as f64 / maxmemory as f64),
        format!("{:.3}", used_max / maxmemory as f64),
        refused.to_string(),
        format!("{:.0}", cpu_ns as f64 / (batches * READS_A_BATCH as u64) as f64),
    ])
}

/// The numbers whose keys were not there.
fn read(client: &mut Client, keys: Keys, wanted: &[u64]) -> anyhow::Result<Vec<u64>> {
    wanted.iter().for_each(|number| client.queue(&[b"GET", &keys.of(*number)]));
    let mut at = 0;
    let mut missed = Vec::new();
    client.finish_batch(|reply| {
        if reply == Reply::Nil {
            missed.push(wanted[at]);
        }
        at += 1;
        Ok(())
    })?;
    Ok(missed)
}

/// Gives how many writes were refused; a cache should refuse none.
fn write(
    client: &mut Client,
    keys: Keys,
    missed: &[u64],
    options: &Options,
    random: &mut Rng,
) -> anyhow::Result<u64> {
    let mut value = vec![0; options.value_bytes_max()];
    for number in missed {
        let value = &mut value[..random.usize(options.value_bytes..=options.value_bytes_max())];
        random_value(random, value);
        client.queue(&[b"SET", &keys.of(*number), value]);
    }
    let mut refused = 0;
    client.finish_batch(|reply| {
        refused += u64::from(matches!(reply, Reply::Error(_)));
        Ok(())
    })?;
    Ok(refused)
}
