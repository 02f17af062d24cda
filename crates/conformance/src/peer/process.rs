//! Starts a server on loopback, waits until it answers, reads its memory, and stops it.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use tempfile::TempDir;

use super::link::{Link, Reply};
use crate::wire::encode;

/// A server that does not answer PING within this time did not start.
const START_TIMEOUT: Duration = Duration::from_secs(10);
/// After SIGTERM a server has this long before SIGKILL.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// How to start a server.
#[derive(Debug, Clone)]
pub struct Spec {
    /// The binary, or a name to be looked up on PATH.
    pub program: String,
    /// The port of the common listener.
    pub port: u16,
    /// Directives after the common ones, each with its value.
    pub extra: Vec<String>,
}

/// A running server. Ends with the value.
#[derive(Debug)]
pub struct Server {
    child: Option<Child>,
    addr: SocketAddr,
    spec: Option<Spec>,
    scratch: TempDir,
    /// Where in the log file the output of the present process starts.
    log_from: usize,
}

impl Server {
    /// Starts `spec` in a scratch folder and waits until it answers PING.
    pub fn start(spec: Spec) -> Result<Server> {
        let scratch = tempfile::Builder::new().prefix("conformance-").tempdir()?;
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, spec.port));
        let mut server = Server { child: None, addr, spec: Some(spec), scratch, log_from: 0 };
        server.launch()?;
        Ok(server)
    }

    /// Uses a server that runs already.
    pub fn external(addr: SocketAddr) -> Result<Server> {
        let scratch = tempfile::tempdir()?;
        let server = Server { child: None, addr, spec: None, scratch, log_from: 0 };
        if !server.answers() {
            bail!("nothing answers PING at {addr}");
        }
        Ok(server)
    }

    fn launch(&mut self) -> Result<()> {
        let Some(spec) = &self.spec else {
            bail!("the server at {} is not ours to start", self.addr);
        };
        if Link::connect(self.addr).is_ok() {
            bail!("something listens on {} already; choose other ports", self.addr);
        }
        let program = find_program(&spec.program)?;
        let log = File::options().create(true).append(true).open(self.log_path())?;
        self.log_from = usize::try_from(log.metadata()?.len()).unwrap_or(0);
        let port = spec.port.to_string();
        let common =
            ["--port", &port, "--bind", "127.0.0.1", "--save", "", "--enable-debug-command", "yes"];
        let child = Command::new(&program)
            .args(common)
            .args(&spec.extra)
            .current_dir(self.scratch.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        self.child = Some(child);
        self.wait_until_it_answers()
    }

    fn wait_until_it_answers(&mut self) -> Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < START_TIMEOUT {
            if let Some(end) = self.end_of_process() {
                bail!(
                    "the server ended while starting ({end}); its last lines:\n{}",
                    self.last_lines()
                );
            }
            if self.answers() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!(
            "no PONG from {} within {START_TIMEOUT:?}; last lines:\n{}",
            self.addr,
            self.last_lines()
        )
    }

    /// Whether PING is answered right now (any reply counts: it may want a password).
    pub fn answers(&self) -> bool {
        let Ok(mut link) = Link::connect(self.addr) else {
            return false;
        };
        let mut bytes = Vec::new();
        encode(&[b"PING".to_vec()], &mut bytes);
        link.queue(&bytes);
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(2) {
            link.write_some();
            link.read_some();
            match link.replies.first() {
                Some(Reply::Raw(_)) => return true,
                Some(_) => return false,
                None if link.is_closed() => return false,
                None => std::thread::sleep(Duration::from_millis(2)),
            }
        }
        false
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// How the process ended, if it has.
    pub fn end_of_process(&mut self) -> Option<String> {
        let child = self.child.as_mut()?;
        match child.try_wait() {
            Ok(Some(status)) => Some(status.to_string()),
            Ok(None) => None,
            Err(e) => Some(e.to_string()),
        }
    }

    /// The first panic in its output since it was started. A build that unwinds may lose a thread and live on.
    pub fn panic(&self) -> Option<String> {
        let text = std::fs::read(self.log_path()).unwrap_or_default();
        let text = String::from_utf8_lossy(text.get(self.log_from..)?).into_owned();
        let at = text.find("panicked at")?;
        let from = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        Some(text[from..].lines().take(2).collect::<Vec<_>>().join(" / "))
    }

    /// Stops what is left of the process and starts it again.
    pub fn restart(&mut self) -> Result<()> {
        self.stop();
        self.launch()
    }

    /// The end of its output, for reports.
    pub fn last_lines(&self) -> String {
        let text = std::fs::read(self.log_path()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }

    /// Resident memory in bytes; `None` for a server that we did not start.
    pub fn rss_bytes(&self) -> Option<u64> {
        let pid = self.child.as_ref()?.id();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        let kib: u64 = line.split_ascii_whitespace().nth(1)?.parse().ok()?;
        Some(kib << 10)
    }

    /// CPU time used by all its threads; `None` for a server that we did not start.
    pub fn cpu_time(&self) -> Option<Duration> {
        let pid = self.child.as_ref()?.id();
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).ok()?;
        let nanoseconds = tasks.flatten().filter_map(|task| {
            let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
            text.split_ascii_whitespace().next()?.parse::<u64>().ok()
        });
        Some(Duration::from_nanos(nanoseconds.sum()))
    }

    fn log_path(&self) -> PathBuf {
        self.scratch.path().join("server.log")
    }

    fn stop(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            // It may have ended by itself; then there is nothing to signal.
            let _ = kill_process(pid, Signal::TERM);
        }
        let begun = Instant::now();
        while begun.elapsed() < STOP_TIMEOUT {
            if !matches!(child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = child.kill();
        let _ = child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The path of a program named by path or to be found on PATH; the error says what to install.
pub fn find_program(name: &str) -> Result<PathBuf> {
    if name.contains('/') {
        let path = Path::new(name);
        if path.is_file() {
            return Ok(std::path::absolute(path)?);
        }
        bail!("no such binary: {name} (build it with `cargo build`, or give another --server)");
    }
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&paths).map(|dir| dir.join(name)).find(|path| path.is_file());
    found.with_context(|| match name {
        "redis-server" | "redis-benchmark" | "redis-cli" => format!(
            "{name} is not on PATH: install redis-server 7.0 (Debian and Ubuntu: `apt install redis-server redis-tools`)"
        ),
        "memtier_benchmark" => {
            "memtier_benchmark is not on PATH: install it from the packages of its project, or use --only redis-benchmark"
                .to_owned()
        }
        other => format!("{other} is not on PATH: install it"),
    })
}

/// Raises the soft limit of open files as far as allowed and returns it.
pub fn open_files() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    // A refusal leaves the old limit, which is what is returned then.
    let _ = setrlimit(Resource::Nofile, raised);
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}
