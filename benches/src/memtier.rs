//! Runs memtier_benchmark and reads its JSON; where it is not installed, redis-benchmark and its CSV.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::process::{find_on_path, printable};

/// What to drive a server with. The same for all parties of a comparison.
#[derive(Clone, Debug)]
pub struct Load {
    /// Short name: P1, P16, P64.
    pub name: &'static str,
    /// SETs to GETs.
    pub ratio: &'static str,
    pub value_bytes: u32,
    pub connections: u32,
    pub pipeline: u32,
}

/// The loads of the targets P1, P2 and P3.
pub const LOADS: [Load; 3] = [
    Load { name: "P1", ratio: "1:10", value_bytes: 100, connections: 50, pipeline: 1 },
    Load { name: "P16", ratio: "1:10", value_bytes: 100, connections: 50, pipeline: 16 },
    Load { name: "P64", ratio: "1:10", value_bytes: 100, connections: 8, pipeline: 64 },
];

/// How long a run lasts.
#[derive(Clone, Copy, Debug)]
pub enum Bound {
    Seconds(u32),
    /// In total, over all connections.
    Requests(u64),
}

/// How a run reaches the server.
#[derive(Clone, Debug)]
pub struct Target<'a> {
    pub port: u16,
    /// CPUs of the load generator in `taskset` notation.
    pub cpus: Option<&'a str>,
    pub threads: u32,
    /// A cluster client on core ports; holds the number of cores, as memtier opens a connection a core for each of its clients.
    pub cluster_cores: Option<u32>,
    pub memcache_text: bool,
}

/// What a run measured, from the client's side.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub operations: u64,
    pub operations_per_second: f64,
    /// Share of GETs that found their key, if known.
    pub hit_share: Option<f64>,
    /// Latencies in milliseconds.
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub p999_ms: f64,
    pub command_line: String,
}

/// The load generator found on this machine.
pub enum Generator {
    Memtier(PathBuf),
    RedisBenchmark(PathBuf),
}

impl Generator {
    /// memtier_benchmark, else redis-benchmark.
    ///
    /// # Errors
    /// When neither is on PATH.
    pub fn find() -> anyhow::Result<Self> {
        if let Some(program) = find_on_path("memtier_benchmark") {
            return Ok(Self::Memtier(program));
        }
        let program = find_on_path("redis-benchmark")
            .context("neither memtier_benchmark nor redis-benchmark is on PATH")?;
        Ok(Self::RedisBenchmark(program))
    }

    /// One line for the report.
    pub fn describe(&self) -> String {
        match self {
            Self::Memtier(program) => format!("load by {}", crate::process::version_of(program)),
            Self::RedisBenchmark(_) => {
                "load by redis-benchmark (memtier_benchmark not found): GETs and SETs in two runs a round, latencies of the GETs".into()
            }
        }
    }

    /// Runs one load and waits for its end.
    ///
    /// # Errors
    /// When the generator fails or its output cannot be read.
    pub fn run(
        &self,
        load: &Load,
        target: &Target<'_>,
        bound: Bound,
        keys: u64,
    ) -> anyhow::Result<Outcome> {
        match self {
            Self::Memtier(program) => {
                run_memtier(program.display().to_string(), load, target, bound, keys)
            }
            Self::RedisBenchmark(program) => {
                run_redis_benchmark(&program.display().to_string(), load, target, bound, keys)
            }
        }
    }
}

/// The key that the generator's n-th key number becomes. memtier's default prefix; redis-benchmark's differs.
pub fn key_name(generator: &Generator, number: u64) -> String {
    match generator {
        Generator::Memtier(_) => format!("memtier-{number}"),
        Generator::RedisBenchmark(_) => format!("key:{number:012}"),
    }
}

fn run_memtier(
    program: String,
    load: &Load,
    target: &Target<'_>,
    bound: Bound,
    keys: u64,
) -> anyhow::Result<Outcome> {
    let json = std::env::temp_dir().join(format!(
        "corelane-bench-{}-{}.json",
        std::process::id(),
        target.port
    ));
    let clients = (load.connections / target.threads / target.cluster_cores.unwrap_or(1)).max(1);
    let mut words = pinned(target.cpus);
    words.push(program);
    words.extend(
        ["-s", "127.0.0.1", "--hide-histogram", "--distinct-client-seed"].map(String::from),
    );
    words.extend([format!("--port={}", target.port), format!("--ratio={}", load.ratio)]);
    words.extend([
        format!("--data-size={}", load.value_bytes),
        format!("--pipeline={}", load.pipeline),
    ]);
    words.extend([format!("--threads={}", target.threads), format!("--clients={clients}")]);
    words.extend(["--key-minimum=1".into(), format!("--key-maximum={keys}")]);
    match bound {
        Bound::Seconds(seconds) => words.push(format!("--test-time={seconds}")),
        Bound::Requests(total) => words
            .push(format!("--requests={}", (total / u64::from(clients * target.threads)).max(1))),
    }
    if target.cluster_cores.is_some() {
        words.push("--cluster-mode".into());
    }
    if target.memcache_text {
        words.push("--protocol=memcache_text".into());
    }
    let command_line = printable(&words);
    words.push(format!("--json-out-file={}", json.display()));
    run_quietly(&words, bound)?;
    let text = std::fs::read_to_string(&json).context("memtier wrote no JSON")?;
    let _ = std::fs::remove_file(&json);
    read_memtier_json(&text, command_line)
}

fn read_memtier_json(text: &str, command_line: String) -> anyhow::Result<Outcome> {
    let json: Value = serde_json::from_str(text).context("memtier's JSON")?;
    let stats = &json["ALL STATS"];
    let totals = &stats["Totals"];
    let number = |value: &Value| {
        value.as_f64().with_context(|| format!("a number in memtier's JSON, not {value}"))
    };
    let operations = totals["Count"].as_u64().context("memtier's Totals have a Count")?;
    let milliseconds = number(&stats["Runtime"]["Total duration"])?;
    let (hits, misses) =
        (totals["Hits/sec"].as_f64().unwrap_or(0.0), totals["Misses/sec"].as_f64().unwrap_or(0.0));
    let percentiles = &totals["Percentile Latencies"];
    ensure!(operations > 0, "no operation was answered");
    Ok(Outcome {
        operations,
        // From Count and the duration: memtier's own Ops/sec is off in some runs.
        operations_per_second: operations as f64 / (milliseconds / 1000.0),
        hit_share: (hits + misses > 0.0).then(|| hits / (hits + misses)),
        p50_ms: number(&percentiles["p50.00"])?,
        p99_ms: number(&percentiles["p99.00"])?,
        p999_ms: number(&percentiles["p99.90"])?,
        command_line,
    })
}

fn run_redis_benchmark(
    program: &str,
    load: &Load,
    target: &Target<'_>,
    bound: Bound,
    keys: u64,
) -> anyhow::Result<Outcome> {
    let total = match bound {
        // redis-benchmark knows no duration; this is about what one core of this age answers in a second.
        Bound::Seconds(seconds) => {
            u64::from(seconds) * if load.pipeline == 1 { 60_000 } else { 600_000 }
        }
        Bound::Requests(total) => total,
    };
    let mut seconds = 0.0;
    let mut operations = 0;
    let mut latencies = [0.0; 3];
    let mut command_lines = Vec::new();
    for (test, requests) in [("set", total / 11), ("get", total - total / 11)] {
        let mut words = pinned(target.cpus);
        words.push(program.into());
        words.extend(["-h", "127.0.0.1", "--csv", "-t", test].map(String::from));
        let numbers: [(&str, u64); 6] = [
            ("-p", target.port.into()),
            ("-d", load.value_bytes.into()),
            ("-c", load.connections.into()),
            ("-P", load.pipeline.into()),
            ("-n", requests.max(1)),
            ("-r", keys),
        ];
        words.extend(
            numbers.iter().flat_map(|(flag, value)| [(*flag).to_owned(), value.to_string()]),
        );
        if target.cluster_cores.is_some() {
            words.push("--cluster".into());
        }
        let output = run_quietly(&words, bound)?;
        let columns = read_benchmark_csv(&output)?;
        seconds += requests as f64 / columns[0];
        operations += requests;
        latencies = [columns[3], columns[5], columns[6]];
        command_lines.push(printable(&words));
    }
    Ok(Outcome {
        operations,
        operations_per_second: operations as f64 / seconds,
        hit_share: None,
        p50_ms: latencies[0],
        p99_ms: latencies[1],
        p999_ms: latencies[2],
        command_line: command_lines.join(" ; "),
    })
}

/// The numbers of the last CSV line: rps, then average, minimum, P50, P95, P99 and maximum latency in milliseconds.
fn read_benchmark_csv(output: &str) -> anyhow::Result<Vec<f64>> {
    let line = output
        .lines()
        .rev()
        .find(|line| line.starts_with('"'))
        .context("redis-benchmark printed no CSV")?;
    let columns: Vec<f64> = line
        .split(',')
        .skip(1)
        .filter_map(|column| column.trim_matches('"').parse().ok())
        .collect();
    ensure!(columns.len() >= 7, "redis-benchmark's CSV has seven numbers: {line}");
    Ok(columns)
}

fn pinned(cpus: Option<&str>) -> Vec<String> {
    cpus.map(|cpus| ["taskset", "-c", cpus].map(String::from).to_vec()).unwrap_or_default()
}

/// Runs the generator to its end, or ends it when it hangs: memtier waits for ever for a cluster that does not answer.
fn run_quietly(words: &[String], bound: Bound) -> anyhow::Result<String> {
    let patience = match bound {
        Bound::Seconds(seconds) => seconds + 30,
        Bound::Requests(_) => 600,
    };
    let output = Command::new("timeout")
        .arg(patience.to_string())
        .args(words)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("running {}", printable(words)))?;
    ensure!(
        output.status.code() != Some(124),
        "{} did not end within {patience} s",
        printable(words)
    );
    ensure!(
        output.status.success(),
        "{} failed: {}",
        printable(words),
        String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or("no message")
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_read_from_memtiers_json() {
        let text = r#"{"ALL STATS":{"Runtime":{"Total duration":2000},
            "Totals":{"Count":100000,"Ops/sec":1.0,"Hits/sec":9.0,"Misses/sec":1.0,
            "Percentile Latencies":{"p50.00":1.5,"p99.00":3,"p99.90":6.25}}}}"#;
        let outcome = read_memtier_json(text, String::new()).expect("readable");
        assert_eq!((outcome.operations, outcome.operations_per_second), (100_000, 50_000.0));
        assert_eq!(
            (outcome.hit_share, outcome.p50_ms, outcome.p99_ms, outcome.p999_ms),
            (Some(0.9), 1.5, 3.0, 6.25)
        );
    }

    #[test]
    fn redis_benchmarks_csv_is_read_from_its_last_line() {
        let text = "\"test\",\"rps\"\n\"GET\",\"1000.5\",\"0.1\",\"0.2\",\"0.3\",\"0.4\",\"0.5\",\"0.6\"\n";
        assert_eq!(
            read_benchmark_csv(text).expect("readable"),
            [1000.5, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
        );
    }
}
