//! `real`: programs that others wrote and many use, against the binary. The scripts that drive them lie in `real/` of this
//! crate; what they need is installed by npm and pip into a scratch folder. Nothing is compared with an oracle: each
//! script asserts what must be true on any Redis, and was run against one.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::cli::RealArgs;
use crate::clients::{Tally, output, written};
use crate::peer::{Server, find_program};

/// The names that `--only` takes.
const CHECKS: &[&str] = &["bullmq", "limiter", "celery"];
/// What npm installs, with the versions that the scripts were written for.
const NODE_PACKAGES: &[&str] = &["bullmq@6", "ioredis@5"];
/// What pip installs.
const PYTHON_PACKAGES: &[&str] = &["celery[redis]>=5.4,<6"];
/// Queues of the limiter, its seconds and its calls a second.
const LIMITER: [&str; 3] = ["1000", "5", "2000"];
/// It is run so often before it counts as too slow: on a machine with other work any one run may be.
const LIMITER_RUNS: usize = 3;
/// The bound of its P99, in milliseconds.
const LIMITER_P99_MS: f64 = 10.0;

/// Runs `real`. True when every program got through.
pub fn run(args: &RealArgs) -> Result<bool> {
    if let Some(name) = args.only.iter().find(|name| !CHECKS.contains(&name.as_str())) {
        bail!("no check {name:?}; there are {}", CHECKS.join(", "));
    }
    std::fs::create_dir_all(&args.scratch)?;
    let scratch = std::path::absolute(&args.scratch)?;
    let mut tally = Tally::default();
    for check in CHECKS {
        if !args.only.is_empty() && !args.only.iter().any(|name| name == check) {
            continue;
        }
        // Each starts with a server of its own, so that none finds what another left.
        let server = match args.places.addr {
            Some(addr) => Server::external(addr)?,
            None => Server::start(args.places.subject_spec()?)?,
        };
        let outcome = match *check {
            "bullmq" => bullmq(args, &server, &scratch),
            "limiter" => limiter(args, &server, &scratch),
            _ => celery(args, &server, &scratch),
        };
        tally.note(check, outcome);
    }
    Ok(tally.all_passed())
}

fn bullmq(args: &RealArgs, server: &Server, scratch: &Path) -> Result<String> {
    node(
        server,
        scratch,
        "bullmq.js",
        include_str!("../../real/bullmq.js"),
        &[&args.jobs.to_string()],
    )
}

fn limiter(args: &RealArgs, server: &Server, scratch: &Path) -> Result<String> {
    let mut best = limited(server, scratch)?;
    for _ in 1..LIMITER_RUNS {
        if best.1 < LIMITER_P99_MS {
            break;
        }
        let next = limited(server, scratch)?;
        if next.1 < best.1 {
            best = next;
        }
    }
    let (said, p99) = best;
    if p99 < LIMITER_P99_MS {
        return Ok(said);
    }
    // A machine that is busy delays everybody: Redis' own figure tells.
    let redis = limited(&Server::start(args.places.oracle_spec())?, scratch)?.1;
    ensure!(
        p99 < 2.0 * redis,
        "{said} at best; the bound is {LIMITER_P99_MS} ms, and redis-server has {redis} ms here"
    );
    Ok(format!("{said}; the machine is busy: redis-server has {redis} ms here"))
}

/// One run of the limiter: what it says, and its P99 in milliseconds.
fn limited(server: &Server, scratch: &Path) -> Result<(String, f64)> {
    let text = include_str!("../../real/limiter.js");
    let said = node(server, scratch, "limiter.js", text, &LIMITER)?;
    let p99 =
        said.rsplit_once("P99 ").and_then(|(_, rest)| rest.trim_end_matches(" ms").parse().ok());
    let p99 = p99.with_context(|| format!("no P99 in {said:?}"))?;
    Ok((said, p99))
}

fn node(server: &Server, scratch: &Path, name: &str, text: &str, more: &[&str]) -> Result<String> {
    let folder = scratch.join("node");
    if !folder.join("node_modules/bullmq").is_dir() {
        std::fs::create_dir_all(&folder)?;
        written(&folder, "package.json", "{\"private\":true}")?;
        let npm = find_program("npm")?;
        let install = ["install", "--silent", "--no-audit", "--no-fund"];
        output(Command::new(npm).args(install).args(NODE_PACKAGES).current_dir(&folder))?;
    }
    let script = written(&folder, name, text)?;
    let addr = server.addr();
    let place = [addr.ip().to_string(), addr.port().to_string()];
    output(Command::new(find_program("node")?).arg(script).args(place).args(more))
}

fn celery(args: &RealArgs, server: &Server, scratch: &Path) -> Result<String> {
    let venv = scratch.join("venv");
    let interpreter = venv.join("bin/python");
    if !interpreter.is_file() {
        output(Command::new(find_program("python3")?).args(["-m", "venv"]).arg(&venv))?;
    }
    if !venv.join("bin/celery").is_file() {
        let install = ["-m", "pip", "install", "--quiet"];
        output(Command::new(&interpreter).args(install).args(PYTHON_PACKAGES))?;
    }
    let script = written(scratch, "celery_jobs.py", include_str!("../../real/celery_jobs.py"))?;
    let addr = server.addr();
    let place = [addr.ip().to_string(), addr.port().to_string()];
    let pubsub = if args.pubsub { "1" } else { "0" };
    output(Command::new(interpreter).arg(script).args(place).args([&args.jobs.to_string(), pubsub]))
}
