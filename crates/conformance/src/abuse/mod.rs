//! `abuse`: clients that mean harm or do not care. The server must serve the others, stay bounded, and forget them.
//!
//! A phase is a crowd beside a few honest workers. The workers' rate with the crowd is compared with their rate
//! without; memory is read from `/proc`, connections from INFO; at the end both must be back.

mod crowd;
mod workers;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::runtime::Runtime;

use crate::cli::AbuseArgs;
use crate::peer::{Server, open_files};
use crowd::Crowd;
use workers::Workers;

/// Honest workers beside each crowd.
const WORKERS: usize = 8;
/// The workers must keep this share of their quiet rate. Crowd and workers share this machine's cores with the server, so
/// it is far from one; a starved worker is near none.
const SHARE_LEAST: f64 = 0.05;
/// No worker may wait longer than this for one reply, however the crowd behaves.
const WAIT_MOST: Duration = Duration::from_secs(5);
/// What the server may grow by while a crowd is there, beside what each connection may cost.
const GROWTH_BYTES: u64 = 256 << 20;
/// What one connection may cost while it is open.
const CONNECTION_BYTES: u64 = 64 << 10;
/// What may stay after all crowds have gone: allocators keep pages.
const REMAINS_BYTES: u64 = 64 << 20;
/// How long connections may take to be forgotten.
const FORGET_TIME: Duration = Duration::from_secs(20);
/// Files left for everything that is not the crowd.
const FILES_SPARE: u64 = 300;

/// Runs all phases. True when the server stood all of them.
pub fn run(args: &AbuseArgs) -> Result<bool> {
    let limit = usize::try_from(open_files().saturating_sub(FILES_SPARE)).unwrap_or(usize::MAX);
    let connections = args.connections.min(limit);
    if connections < args.connections {
        println!(
            "the limit of open files allows {connections} connections of {}",
            args.connections
        );
    }
    let mut spec = args.places.subject_spec()?;
    spec.extra.extend(["--maxclients".to_owned(), (connections + 200).to_string()]);
    let server = match args.places.addr {
        Some(addr) => Server::external(addr)?,
        None => Server::start(spec)?,
    };
    let runtime = Runtime::new().context("the runtime of the clients")?;
    let mut field =
        Field { server, connections, seconds: args.seconds, quiet_rate: 0.0, failed: 0 };
    field.warm()?;
    let rss_before = field.server.rss_bytes();
    for (name, crowd) in crowd::ALL {
        field.phase(&runtime, name, *crowd)?;
    }
    field.check("memory comes back", field.came_back(rss_before));
    println!("{} of {} checks failed", field.failed, 1 + 4 * crowd::ALL.len());
    Ok(field.failed == 0)
}

struct Field {
    server: Server,
    connections: usize,
    seconds: u64,
    quiet_rate: f64,
    failed: usize,
}

impl Field {
    /// The workers alone: their rate is the measure of later ones, and the server's pages are touched once.
    fn warm(&mut self) -> Result<()> {
        let addr = self.addr();
        let workers = Workers::start(addr, WORKERS)?;
        std::thread::sleep(Duration::from_secs(self.seconds));
        let done = workers.stop();
        ensure!(done.errors.is_empty(), "workers alone failed: {}", done.errors.join(", "));
        self.quiet_rate = done.operations as f64 / self.seconds as f64;
        println!(
            "workers alone: {:.0} operations/s, longest wait {:?}",
            self.quiet_rate, done.longest
        );
        Ok(())
    }

    fn addr(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.server.addr().port()))
    }

    fn phase(&mut self, runtime: &Runtime, name: &str, crowd: Crowd) -> Result<()> {
        let addr = self.addr();
        let rss_before = self.server.rss_bytes().unwrap_or(0);
        let workers = Workers::start(addr, WORKERS)?;
        let begun = Instant::now();
        let size = crowd.size(self.connections);
        let pressing = crowd.press(runtime, addr, size);
        let bound = rss_before + GROWTH_BYTES + CONNECTION_BYTES * size as u64;
        let (mut most, mut opened) = (0, 0);
        // A server that grows without bound has failed already; it need not take the machine along.
        while begun.elapsed() < Duration::from_secs(self.seconds) && most < 4 * bound {
            std::thread::sleep(Duration::from_millis(100));
            most = most.max(self.server.rss_bytes().unwrap_or(0));
            opened = opened.max(pressing.opened());
        }
        let seconds = begun.elapsed().as_secs_f64();
        let done = workers.stop();
        pressing.leave(runtime);
        let rate = done.operations as f64 / seconds;
        println!(
            "{name}: {opened} of {size} connected; workers {rate:.0}/s ({:.0} % of alone), longest wait {:?}; memory {} MB, before {} MB",
            100.0 * rate / self.quiet_rate,
            done.longest,
            most >> 20,
            rss_before >> 20
        );
        self.check(
            &format!("{name}: the workers work on"),
            starvation(&done, rate, self.quiet_rate),
        );
        self.check(&format!("{name}: memory is bounded"), within(most, bound));
        let answers = self.answers();
        self.check(&format!("{name}: the server answers"), answers);
        let forgotten = self.forgotten();
        self.check(&format!("{name}: connections are forgotten"), forgotten);
        Ok(())
    }

    fn answers(&mut self) -> Result<()> {
        if let Some(end) = self.server.panic().or_else(|| self.server.end_of_process()) {
            anyhow::bail!("it ended: {end}");
        }
        ensure!(self.server.answers(), "no PONG");
        Ok(())
    }

    /// INFO counts only the asking connection again.
    fn forgotten(&self) -> Result<()> {
        let begun = Instant::now();
        loop {
            let open = crate::clients::info_field(self.addr(), "clients", "connected_clients")?;
            if open <= 1 {
                return Ok(());
            }
            ensure!(
                begun.elapsed() < FORGET_TIME,
                "connected_clients is still {open} after {FORGET_TIME:?}"
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn came_back(&self, before: Option<u64>) -> Result<()> {
        let (Some(before), Some(now)) = (before, self.server.rss_bytes()) else {
            return Ok(());
        };
        println!("memory: {} MB before all crowds, {} MB after", before >> 20, now >> 20);
        within(now, before + REMAINS_BYTES)
    }

    fn check(&mut self, name: &str, outcome: Result<()>) {
        match outcome {
            Ok(()) => println!("  ok    {name}"),
            Err(error) => {
                self.failed += 1;
                println!("  FAIL  {name}: {error:#}");
            }
        }
    }
}

fn starvation(done: &workers::Done, rate: f64, quiet: f64) -> Result<()> {
    ensure!(done.errors.is_empty(), "workers failed: {}", done.errors.join(", "));
    ensure!(done.longest <= WAIT_MOST, "a worker waited {:?} for one reply", done.longest);
    ensure!(rate >= SHARE_LEAST * quiet, "workers did {rate:.0}/s, alone {quiet:.0}/s");
    Ok(())
}

fn within(bytes: u64, bound: u64) -> Result<()> {
    ensure!(bytes <= bound, "{} MB of memory, the bound is {} MB", bytes >> 20, bound >> 20);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_starved_worker_fails_the_phase() {
        let done = |longest_ms| workers::Done {
            operations: 0,
            longest: Duration::from_millis(longest_ms),
            errors: Vec::new(),
        };
        assert!(starvation(&done(10), 1000.0, 2000.0).is_ok());
        assert!(starvation(&done(10), 1.0, 2000.0).is_err());
        assert!(starvation(&done(60_000), 1000.0, 2000.0).is_err());
    }
}
