//! Servers under test as child processes: started on loopback, waited for, pinned, sampled through /proc, ended with their handle.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use crate::loader::Client;

/// How long a server may take to answer its first PING. Generous: other work shares the machine.
const BOOT_PATIENCE: Duration = Duration::from_secs(20);
/// How long a port may stay taken after the server before was ended.
const PORT_PATIENCE: Duration = Duration::from_secs(5);
/// One unit of `utime` and `stime` in /proc/PID/stat. It is 10 ms on every Linux configuration in use (USER_HZ = 100).
const TICK_NS: u64 = 10_000_000;

/// A server that runs. It is killed when dropped.
pub struct Server {
    child: Child,
    /// Where it listens, on loopback.
    pub port: u16,
    /// The command line it was started with, for the report.
    pub command_line: String,
}

/// CPU time a process has used, all threads, in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct CpuTime {
    /// From `/proc/PID/task/*/schedstat`, nanosecond precision.
    pub scheduled_ns: u64,
    /// `utime` from `/proc/PID/task/*/stat`, 10 ms precision.
    pub user_ns: u64,
    /// `stime` from the same.
    pub system_ns: u64,
}

impl CpuTime {
    /// What was used since an earlier sample of the same process.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            scheduled_ns: self.scheduled_ns.saturating_sub(earlier.scheduled_ns),
            user_ns: self.user_ns.saturating_sub(earlier.user_ns),
            system_ns: self.system_ns.saturating_sub(earlier.system_ns),
        }
    }

    /// The system's share of user and system time, 0 when nothing was used.
    pub fn system_share(self) -> f64 {
        let total = self.user_ns + self.system_ns;
        if total == 0 { 0.0 } else { self.system_ns as f64 / total as f64 }
    }
}

impl Server {
    /// Starts `program` with `arguments` and waits until it answers PING on `port` (or only accepts, when it does not speak RESP).
    /// `cpus` is a CPU list in `taskset` notation; without one the scheduler is free.
    ///
    /// # Errors
    /// When the port is taken, or the program cannot be started, ends at once, or stays silent.
    pub fn start(
        program: &Path,
        arguments: &[String],
        port: u16,
        cpus: Option<&str>,
        speaks_resp: bool,
    ) -> anyhow::Result<Self> {
        wait_until_free(port)?;
        let mut words: Vec<String> = Vec::new();
        if let Some(cpus) = cpus {
            words.extend(["taskset", "-c", cpus].map(String::from));
        }
        words.push(program.display().to_string());
        words.extend(arguments.iter().cloned());
        let launcher = launcher();
        let child = Command::new(launcher.first().unwrap_or(&words[0]))
            .args(launcher.iter().skip(1))
            .args(if launcher.is_empty() { &words[1..] } else { &words[..] })
            .current_dir(std::env::temp_dir())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("starting {}", words.join(" ")))?;
        let mut server = Self { child, port, command_line: printable(&words) };
        server.wait_until_ready(speaks_resp)?;
        Ok(server)
    }

    fn wait_until_ready(&mut self, speaks_resp: bool) -> anyhow::Result<()> {
        let started = Instant::now();
        while started.elapsed() < BOOT_PATIENCE {
            if let Some(status) = self.child.try_wait()? {
                bail!("`{}` ended at once: {status}", self.command_line);
            }
            if speaks_resp {
                let pong = Client::connect(self.port).and_then(|mut client| client.ask(&[b"PING"]));
                if pong.is_ok_and(|reply| reply.text() == "PONG") {
                    return Ok(());
                }
            } else if std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("`{}` did not answer within {BOOT_PATIENCE:?}", self.command_line)
    }

    /// CPU time used so far by all living threads.
    ///
    /// # Errors
    /// When the process has gone.
    pub fn cpu(&self) -> anyhow::Result<CpuTime> {
        let mut total = CpuTime::default();
        let tasks = PathBuf::from(format!("/proc/{}/task", self.child.id()));
        for task in
            fs::read_dir(&tasks).with_context(|| format!("`{}` has gone", self.command_line))?
        {
            let task = task?.path();
            // A thread may end between the listing and the read; it then counts nothing, as any thread that has ended.
            let (Ok(schedstat), Ok(stat)) =
                (fs::read_to_string(task.join("schedstat")), fs::read_to_string(task.join("stat")))
            else {
                continue;
            };
            total.scheduled_ns +=
                scheduled_ns(&schedstat).context("schedstat has three numbers")?;
            let (user, system) =
                user_and_system_ticks(&stat).context("stat has utime and stime")?;
            total.user_ns += user * TICK_NS;
            total.system_ns += system * TICK_NS;
        }
        Ok(total)
    }

    /// Resident memory in bytes.
    ///
    /// # Errors
    /// When the process has gone.
    pub fn rss_bytes(&self) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))
            .with_context(|| format!("`{}` has gone", self.command_line))?;
        resident_bytes(&status).context("status has VmRSS")
    }

    /// The highest resident memory since the last [`Server::reset_peak_rss`] in bytes, as the kernel saw it: no look is missed.
    ///
    /// # Errors
    /// When the process has gone.
    pub fn peak_rss_bytes(&self) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))
            .with_context(|| format!("`{}` has gone", self.command_line))?;
        kib_of_line(&status, "VmHWM:").context("status has VmHWM")
    }

    /// Lets the peak of resident memory begin anew at what is resident now.
    ///
    /// # Errors
    /// When the process has gone, or the kernel does not let us.
    pub fn reset_peak_rss(&self) -> anyhow::Result<()> {
        let path = format!("/proc/{}/clear_refs", self.child.id());
        fs::write(&path, "5").with_context(|| format!("writing {path}"))
    }

    /// Whether it has not ended.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Killed, not asked: nothing is to be saved, and one that hangs must end too. An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A listener outlives its killed process for a moment where a ring still refers to it: rings are taken down in the background.
fn wait_until_free(port: u16) -> anyhow::Result<()> {
    let started = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
        ensure!(
            started.elapsed() < PORT_PATIENCE,
            "port {port} is taken: somebody else's server would be measured"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// The kernel ends a server when this program ends without getting to, by `setpriv` of util-linux where there is one.
fn launcher() -> Vec<String> {
    let words = ["setpriv", "--pdeathsig", "KILL", "--"].map(String::from);
    if find_on_path("setpriv").is_some() { words.to_vec() } else { Vec::new() }
}

/// A program on PATH.
pub fn find_on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// The first line that `program --version` prints.
pub fn version_of(program: &Path) -> String {
    let output = Command::new(program).arg("--version").output();
    let text = output
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    text.lines().next().unwrap_or("version unknown").trim().to_owned()
}

/// A command line as one would type it.
pub fn printable(words: &[String]) -> String {
    let quoted = words.iter().map(|word| {
        let plain = !word.is_empty()
            && word
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_./=:,+@%".contains(&byte));
        if plain { without_folder(word).to_owned() } else { format!("{word:?}") }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

/// Absolute paths name a machine's folders, which say nothing to a reader of the results.
fn without_folder(word: &str) -> &str {
    if word.starts_with('/') { word.rsplit('/').next().unwrap_or(word) } else { word }
}

fn scheduled_ns(schedstat: &str) -> Option<u64> {
    schedstat.split_whitespace().next()?.parse().ok()
}

/// Fields 14 and 15; the name in field 2 may hold spaces, so counting starts after its closing bracket.
fn user_and_system_ticks(stat: &str) -> Option<(u64, u64)> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let user = fields.nth(11)?.parse().ok()?;
    Some((user, fields.next()?.parse().ok()?))
}

fn resident_bytes(status: &str) -> Option<u64> {
    kib_of_line(status, "VmRSS:")
}

/// A line of /proc/PID/status that counts KiB, in bytes.
fn kib_of_line(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find(|line| line.starts_with(name))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_files_are_read_by_their_documented_fields() {
        assert_eq!(scheduled_ns("890177530 1568254752 79813\n"), Some(890_177_530));
        let stat = "12 (a name) S 1 1 1 0 -1 4194560 10 0 0 0 231 285 0 0 20 0 1 0 5 6 7";
        assert_eq!(user_and_system_ticks(stat), Some((231, 285)));
        assert_eq!(resident_bytes("Name:\tx\nVmRSS:\t    12 kB\n"), Some(12 * 1024));
    }

    #[test]
    fn command_lines_name_no_folder() {
        let words = ["/a/b/redis-server", "--save", "", "--port", "1"].map(String::from);
        assert_eq!(printable(&words), "redis-server --save \"\" --port 1");
    }
}
