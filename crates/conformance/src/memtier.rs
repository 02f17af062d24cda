//! `memtier`: real load generators for a moment each. What is looked for is an error line, not a figure.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::cli::MemtierArgs;
use crate::peer::{Server, find_program};

/// The password of the runs with AUTH.
const PASSWORD: &str = "open-sesame";
/// Connections of the run with many, over two threads.
const MANY_CONNECTIONS: u32 = 1000;
/// What no output of a good run contains, in lower case.
const BAD_WORDS: &[&str] = &[
    "error",
    "refused",
    "reset by peer",
    "moved ",
    "closed by peer",
    "protocol",
    "noauth",
    "invalid",
    "handle_response",
    "dropped",
];
/// Lines that contain such a word and are harmless: headings of the tools' own tables, connection counts that are 0.
const HARMLESS: &[&str] =
    &["moved/sec", "ask/sec", "connection error: 0", "errors: 0", "protocol:", "connection_errors"];

/// One run of one tool.
struct Run {
    name: String,
    program: &'static str,
    args: Vec<String>,
    password: bool,
}

/// Runs all; true when none showed an error.
pub fn run(args: &MemtierArgs) -> Result<bool> {
    let mut failed = 0;
    let mut done = 0;
    for password in [false, true] {
        let runs: Vec<Run> =
            plan(args).into_iter().filter(|run| run.password == password).collect();
        if runs.is_empty() {
            continue;
        }
        let _server = match args.places.addr {
            Some(addr) if !password => Server::external(addr)?,
            // A running server's password is not ours to set.
            Some(_) => continue,
            None => {
                let mut spec = args.places.subject_spec()?;
                if password {
                    spec.extra.extend(["--requirepass".to_owned(), PASSWORD.to_owned()]);
                }
                Server::start(spec)?
            }
        };
        for run in runs {
            done += 1;
            match perform(&run) {
                Ok(figure) => println!("ok    {} {figure}", run.name),
                Err(error) => {
                    failed += 1;
                    println!("FAIL  {}: {error:#}", run.name);
                }
            }
        }
    }
    println!("{done} runs, {failed} with errors");
    Ok(failed == 0)
}

fn plan(args: &MemtierArgs) -> Vec<Run> {
    let mut runs = Vec::new();
    if args.only.as_deref().is_none_or(|only| only == "memtier_benchmark") {
        runs.extend(memtier_runs(args));
    }
    if args.only.as_deref().is_none_or(|only| only == "redis-benchmark") {
        runs.extend(redis_benchmark_runs(args));
    }
    runs
}

fn memtier_runs(args: &MemtierArgs) -> Vec<Run> {
    let port = args.places.addr.map_or(args.places.port, |addr| addr.port());
    let base = |port: u16, pipeline: u32, clients: u32| -> Vec<String> {
        format!(
            "--server=127.0.0.1 --port={port} --hide-histogram --test-time={} --threads=2 --clients={clients} --pipeline={pipeline} \
             --ratio=1:1 --data-size=100 --key-maximum=100000 --distinct-client-seed",
            args.seconds
        )
        .split_ascii_whitespace()
        .map(str::to_owned)
        .collect()
    };
    let run = |name: String, mut list: Vec<String>, more: &[&str], password: bool| {
        list.extend(more.iter().map(|word| (*word).to_owned()));
        Run {
            name: format!("memtier_benchmark {name}"),
            program: "memtier_benchmark",
            args: list,
            password,
        }
    };
    let mut runs = Vec::new();
    for protocol in ["resp2", "resp3"] {
        for pipeline in [1, 16, 64] {
            runs.push(run(
                format!("{protocol}, pipeline {pipeline}"),
                base(port, pipeline, 25),
                &["--protocol", protocol],
                false,
            ));
        }
    }
    runs.push(run(
        format!("{MANY_CONNECTIONS} connections"),
        base(port, 1, MANY_CONNECTIONS / 2),
        &[],
        false,
    ));
    let secret = ["--authenticate", PASSWORD];
    runs.push(run("AUTH, resp2".to_owned(), base(port, 16, 10), &secret, true));
    runs.push(run(
        "AUTH, resp3".to_owned(),
        base(port, 16, 10),
        &[secret[0], secret[1], "--protocol", "resp3"],
        true,
    ));
    if !args.places.subject_is_redis() {
        for pipeline in [1, 16, 64] {
            let list = base(args.places.core_port(), pipeline, 10);
            runs.push(run(
                format!("cluster mode, pipeline {pipeline}"),
                list,
                &["--cluster-mode"],
                false,
            ));
        }
        let list = base(args.places.core_port(), 16, 10);
        runs.push(run(
            "cluster mode, AUTH".to_owned(),
            list,
            &["--cluster-mode", secret[0], secret[1]],
            true,
        ));
    }
    runs
}

fn redis_benchmark_runs(args: &MemtierArgs) -> Vec<Run> {
    let port = args.places.addr.map_or(args.places.port, |addr| addr.port());
    let requests = 20_000 * args.seconds;
    let run = |name: &str, port: u16, more: &str, password: bool| Run {
        name: format!("redis-benchmark {name}"),
        program: "redis-benchmark",
        args: format!("-h 127.0.0.1 -p {port} -n {requests} -r 100000 -q {more}")
            .split_ascii_whitespace()
            .map(str::to_owned)
            .collect(),
        password,
    };
    let tests = "-t ping_inline,ping_mbulk,set,get,incr,mset";
    let mut runs = vec![
        run("plain", port, tests, false),
        run("pipeline 16", port, &format!("{tests} -P 16"), false),
        run("RESP3", port, "-t set,get -P 16 -3", false),
        run("AUTH", port, &format!("-t set,get -a {PASSWORD}"), true),
    ];
    if !args.places.subject_is_redis() {
        runs.push(run("--cluster", args.places.core_port(), "--cluster -t set,get,incr", false));
        runs.push(run(
            "--cluster, pipeline 16",
            args.places.core_port(),
            "--cluster -t set,get -P 16",
            false,
        ));
    }
    runs
}

fn perform(run: &Run) -> Result<String> {
    let program = find_program(run.program)?;
    let done = Command::new(&program)
        .args(&run.args)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    // The tools redraw a line of progress with CR.
    let text = [done.stdout, done.stderr].concat();
    let text = String::from_utf8_lossy(&text).replace('\r', "\n");
    let bad = bad_lines(&text);
    ensure!(
        done.status.success(),
        "{} ended with {}:\n{}",
        run.program,
        done.status,
        last_lines(&text)
    );
    ensure!(bad.is_empty(), "{}\n  (of: {} {})", bad.join("\n  "), run.program, run.args.join(" "));
    Ok(figure(run.program, &text))
}

fn bad_lines(text: &str) -> Vec<&str> {
    let bad = |line: &&str| {
        let lower = line.to_lowercase();
        BAD_WORDS.iter().any(|word| lower.contains(word))
            && !HARMLESS.iter().any(|word| lower.contains(word))
    };
    let mut lines: Vec<&str> = text.lines().filter(bad).collect();
    lines.truncate(5);
    lines
}

/// The rate, for orientation only.
fn figure(program: &str, text: &str) -> String {
    let line = match Path::new(program).file_name().and_then(|name| name.to_str()) {
        Some("memtier_benchmark") => text.lines().rev().find(|line| line.starts_with("Totals")),
        _ => text.lines().rev().find(|line| line.contains("requests per second")),
    };
    let words: Vec<&str> = line.unwrap_or_default().split_ascii_whitespace().take(2).collect();
    match words.as_slice() {
        ["Totals", rate] => format!("({rate} operations/s)"),
        _ => format!("({})", line.unwrap_or_default().trim()),
    }
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(5)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_line_is_seen_and_a_heading_is_not() {
        assert!(bad_lines("Type  Ops/sec  MOVED/sec  ASK/sec\nTotals 1 2 3\n").is_empty());
        assert_eq!(bad_lines("server 127.0.0.1:1 handle error response: -ERR x\n").len(), 1);
        assert_eq!(bad_lines("connection error: Connection refused\n").len(), 1);
    }
}
