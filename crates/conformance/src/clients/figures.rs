//! Figures that the server itself reports, read over a plain connection.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::peer::{Link, Reply};
use crate::wire::encode;

/// How long a reply may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// One request over a connection of its own, after AUTH where a password is given.
pub fn ask(addr: SocketAddr, password: Option<&str>, words: &[&str]) -> Result<String> {
    let mut link = Link::connect(addr)?;
    let mut bytes = Vec::new();
    if let Some(password) = password {
        encode(&[b"AUTH".to_vec(), password.as_bytes().to_vec()], &mut bytes);
    }
    let args: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
    encode(&args, &mut bytes);
    link.queue(&bytes);
    let wanted = 1 + usize::from(password.is_some());
    let begun = std::time::Instant::now();
    while link.replies.len() < wanted && !link.is_closed() && begun.elapsed() < PATIENCE {
        link.write_some();
        link.read_some();
        std::thread::sleep(Duration::from_millis(1));
    }
    match link.replies.pop() {
        Some(reply @ Reply::Raw(_)) if link.replies.len() + 1 == wanted => {
            let value = reply.value().context("a reply has a value")?;
            match value.error() {
                Some(error) => bail!("{} answered {error}", words.join(" ")),
                None => Ok(value.string().unwrap_or_else(|| {
                    value.integer().map_or_else(String::new, |n| n.to_string())
                })),
            }
        }
        _ => bail!("no reply to {}", words.join(" ")),
    }
}

/// A numeric field of INFO; 0 when the field is not there.
pub fn field(addr: SocketAddr, password: Option<&str>, section: &str, name: &str) -> Result<u64> {
    let text = ask(addr, password, &["INFO", section])?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    Ok(line.and_then(|value| value.trim().parse().ok()).unwrap_or(0))
}

/// Whether the server counts hops at all: plain requests to many keys must cost some, or "no hop" would prove nothing.
pub fn counts_hops(addr: SocketAddr, password: Option<&str>) -> Result<()> {
    let cores = field(addr, password, "corelane", "cores")?;
    let (hops, _) = hops_during(addr, password, || {
        (0..PLAIN_KEYS)
            .try_for_each(|i| ask(addr, password, &["SET", &format!("plain:{i}"), "v"]).map(|_| ()))
    })?;
    ensure!(
        cores <= 1 || hops > 0,
        "{PLAIN_KEYS} plain requests on {cores} cores count no hop, so the counter proves nothing"
    );
    Ok(())
}

/// Keys of the plain requests; with two cores the chance that none hops is one in 2^64.
const PLAIN_KEYS: usize = 64;

/// Hops and refusals (MOVED) that happen while `work` runs. `None` for the hops of a server that does not count them.
pub fn hops_during(
    addr: SocketAddr,
    password: Option<&str>,
    work: impl FnOnce() -> Result<()>,
) -> Result<(u64, u64)> {
    let hops = || field(addr, password, "corelane", "hops");
    let moved = || -> Result<u64> {
        let text = ask(addr, password, &["INFO", "errorstats"])?;
        let line = text.lines().find_map(|line| line.strip_prefix("errorstat_MOVED:count="));
        Ok(line.and_then(|value| value.trim().parse().ok()).unwrap_or(0))
    };
    // What asking itself costs is known by asking twice.
    let (first, second) = (hops()?, hops()?);
    let own = second - first;
    let moved_before = moved()?;
    let before = hops()?;
    work()?;
    let after = hops()?;
    Ok(((after - before).saturating_sub(own), moved()? - moved_before))
}
