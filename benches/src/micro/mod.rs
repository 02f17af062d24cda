//! Instructions per operation, counted by callgrind: repeatable to the last digit on a busy machine, blind to caches and to the kernel.
//!
//! The program runs itself under `valgrind --tool=callgrind` with a hidden subcommand. Collection is switched by entering and leaving
//! [`counted`], so that preparing and warming up cost nothing. A workload is a function in `workloads`; adding one is adding that
//! function and a line in its list. `engine-get-16x4` is a turn of four reads with sixteen GETs each, `engine-hop` the same with all
//! keys on the other core (both engines' instructions).

mod engines;
mod workloads;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, ensure};

use self::workloads::{WORKLOADS, Workload};
use crate::process::find_on_path;
use crate::report::{Report, Table};

/// Calls of a batch that are counted; each batch is many operations.
const BATCHES: u32 = 64;
/// Calls before them, so that tables and buffers have their size.
const WARM_UP_BATCHES: u32 = 4;

/// What `micro` is told on its command line.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// Only workloads whose name contains this.
    #[arg(default_value = "")]
    filter: String,
    /// Folder for the table and CSV.
    #[arg(long)]
    out: Option<PathBuf>,
}

/// What the hidden subcommand is told.
#[derive(clap::Args, Debug)]
pub struct RunOptions {
    name: String,
}

/// Counts every workload.
///
/// # Errors
/// When valgrind is not there or fails.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let valgrind = find_on_path("valgrind").context("valgrind is not on PATH")?;
    let mut report = Report::new("micro", options.out.as_deref())?;
    report.line(&crate::process::version_of(&valgrind));
    let mut table = Table::new(&["workload", "instructions/op"]);
    for workload in WORKLOADS.iter().filter(|workload| workload.name.contains(&options.filter)) {
        let per_operation = count(&valgrind, workload)?;
        eprintln!("{} {per_operation:.1}", workload.name);
        table.row(vec![workload.name.into(), format!("{per_operation:.1}")]);
    }
    report.table("instructions", &table)?;
    report.finish()
}

fn count(valgrind: &std::path::Path, workload: &Workload) -> anyhow::Result<f64> {
    let output = Command::new(valgrind)
        .args([
            "--tool=callgrind",
            "--toggle-collect=*micro*counted*",
            "--callgrind-out-file=/dev/null",
        ])
        .arg(std::env::current_exe()?)
        .args(["micro-run", workload.name])
        .output()
        .context("running valgrind")?;
    let text = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} failed under valgrind: {text}", workload.name);
    let operations: u64 = String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse()
        .context("the count of operations")?;
    Ok(collected(&text).context("callgrind says what it collected")? as f64 / operations as f64)
}

/// The number in callgrind's line `==1== Collected : 1234`.
fn collected(text: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.contains("Collected : "))?;
    line.rsplit(' ').next()?.parse().ok()
}

/// The hidden subcommand: runs one workload and prints how many operations were counted.
///
/// # Errors
/// When there is no such workload.
pub fn run_one(options: &RunOptions) -> anyhow::Result<()> {
    let workload = WORKLOADS
        .iter()
        .find(|workload| workload.name == options.name)
        .context("no such workload")?;
    let mut batch = (workload.prepare)();
    for _ in 0..WARM_UP_BATCHES {
        batch();
    }
    println!("{}", counted(&mut *batch));
    Ok(())
}

/// Where callgrind collects. Gives the number of operations.
#[inline(never)]
fn counted(batch: &mut dyn FnMut() -> u64) -> u64 {
    (0..BATCHES).map(|_| batch()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_workload_does_something_and_has_its_own_name() {
        for (at, workload) in WORKLOADS.iter().enumerate() {
            assert!((workload.prepare)()() > 0, "{}", workload.name);
            assert!(
                WORKLOADS[..at].iter().all(|other| other.name != workload.name),
                "{}",
                workload.name
            );
        }
    }

    #[test]
    fn callgrinds_figure_is_found() {
        assert_eq!(collected("==7== Events    : Ir\n==7== Collected : 1234\n"), Some(1234));
    }
}
