//! How many cores, and on which CPUs.

use anyhow::{Context, Result, bail};
use base::{Settings, settings};
use std::net::{IpAddr, ToSocketAddrs};

/// The decision.
#[derive(Debug, PartialEq, Eq)]
pub struct Placement {
    /// How many cores.
    pub cores: usize,
    /// The CPU of each; empty when they are not pinned because there are more cores than CPUs.
    pub cpus: Vec<usize>,
    /// One sentence for the log.
    pub why: String,
}

/// Decides from `cores` and `server-cpulist`, else from what the machine allows.
pub fn decide(settings: &Settings) -> Result<Placement> {
    let allowance = reactor::allowed_cpus().context("which CPUs this process may use")?;
    let list = String::from_utf8_lossy(settings.text(settings::SERVER_CPULIST)).into_owned();
    let (cpus, why) = match list.as_str() {
        "" => (allowance.cpus, allowance.why),
        list => (
            cpu_list(list).with_context(|| format!("server-cpulist {list}"))?,
            format!("server-cpulist {list}"),
        ),
    };
    Ok(place(settings.size(settings::CORES), cpus, why))
}

fn place(wanted: usize, mut cpus: Vec<usize>, why: String) -> Placement {
    match wanted {
        0 => Placement { cores: cpus.len().min(base::MAX_CORES), cpus, why },
        more if more > cpus.len() => {
            let why =
                format!("cores {more}; not pinned, because there are {} CPUs ({why})", cpus.len());
            Placement { cores: more, cpus: Vec::new(), why }
        }
        fewer => {
            cpus.truncate(fewer);
            Placement { cores: fewer, cpus, why: format!("cores {fewer}") }
        }
    }
}

/// Reads `0-3,8,10-14:2`, as redis.conf writes lists of CPUs.
fn cpu_list(text: &str) -> Result<Vec<usize>> {
    let mut cpus = Vec::new();
    for part in text.split(',') {
        let (range, step) = part.split_once(':').unwrap_or((part, "1"));
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last, step): (usize, usize, usize) =
            (first.trim().parse()?, last.trim().parse()?, step.trim().parse()?);
        if step == 0 || last < first || last >= 4096 {
            bail!("'{part}' is no range of CPUs");
        }
        cpus.extend((first..=last).step_by(step));
    }
    Ok(cpus)
}

/// An address by its text or its name.
pub fn resolve(name: &str) -> Result<IpAddr> {
    let found = (name, 0).to_socket_addrs()?.next();
    found.map(|address| address.ip()).context("the name has no address")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cpus_are_read_as_redis_writes_them() {
        assert_eq!(cpu_list("0-3,8,10-14:2").unwrap(), [0, 1, 2, 3, 8, 10, 12, 14]);
        assert!(cpu_list("3-1").is_err());
        assert!(cpu_list("a").is_err());
        assert!(cpu_list("1-2:0").is_err());
    }

    #[test]
    fn the_number_of_cores_is_what_was_asked_for_or_what_is_allowed() {
        assert_eq!(place(0, vec![2, 5], String::new()).cores, 2);
        let one = place(1, vec![2, 5], String::new());
        assert_eq!((one.cores, one.cpus), (1, vec![2]));
        let more = place(4, vec![0, 1], String::new());
        assert_eq!((more.cores, more.cpus.len()), (4, 0));
    }
}
