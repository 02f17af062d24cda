//! How many cores a process may have: the CPUs of its cpuset, cut down to the CPU time that its control
//! groups allow it.
//!
//! A quota of 2.5 CPUs gives 2 cores: a third would be throttled half of the time, and with it everybody
//! who waits for its slots.

use crate::cpu::affinity;
use std::fs::read_to_string;
use std::io;
use std::path::{Path, PathBuf};

/// What the machine allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// CPUs to use, one a core, ascending.
    pub cpus: Vec<usize>,
    /// One sentence that says where the number comes from.
    pub why: String,
}

/// Reads the affinity of the calling thread and the CPU quotas of its control groups (v1 and v2).
pub fn allowed_cpus() -> io::Result<Allowance> {
    let groups = read_to_string("/proc/self/cgroup").unwrap_or_default();
    Ok(allowance(affinity()?, quota(&groups, Path::new("/sys/fs/cgroup"))))
}

fn allowance(mut cpus: Vec<usize>, quota: Option<f64>) -> Allowance {
    let present = cpus.len();
    let noun = |count: usize| if count == 1 { "CPU" } else { "CPUs" };
    let whole = quota.map_or(present, |quota| (quota.floor() as usize).max(1));
    let why = match quota {
        Some(quota) if whole < present => {
            format!("a control group's quota of {quota:.1} CPUs, of {present} allowed")
        }
        _ => format!("{present} {} allowed by affinity and cpuset", noun(present)),
    };
    cpus.truncate(whole);
    Allowance { cpus, why }
}

/// The smallest quota in CPUs on the way from the process' groups to the root.
fn quota(groups: &str, mount: &Path) -> Option<f64> {
    let mut smallest: Option<f64> = None;
    for (root, path) in group_folders(groups, mount) {
        // In a container the path may name folders of the host; then the root is our own group.
        for folder in root.join(&path).ancestors().take_while(|folder| folder.starts_with(&root)) {
            if let Some(found) = quota_of(folder) {
                smallest = Some(smallest.map_or(found, |before| before.min(found)));
            }
        }
    }
    smallest
}

/// The mount and the path in it of each hierarchy that can limit CPU time, from `/proc/self/cgroup`: lines
/// `id:controllers:path`, with an empty list of controllers in v2.
fn group_folders(groups: &str, mount: &Path) -> Vec<(PathBuf, PathBuf)> {
    let folders = groups.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (_id, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        let path = PathBuf::from(path.trim_start_matches('/'));
        if controllers.is_empty() {
            Some(vec![(mount.to_owned(), path.clone()), (mount.join("unified"), path)])
        } else if controllers.split(',').any(|controller| controller == "cpu") {
            Some(vec![(mount.join("cpu"), path.clone()), (mount.join(controllers), path)])
        } else {
            None
        }
    });
    folders.flatten().collect()
}

fn quota_of(folder: &Path) -> Option<f64> {
    let read = |name: &str| read_to_string(folder.join(name)).ok();
    let v2 = read("cpu.max").and_then(|text| parse_v2(&text));
    v2.or_else(|| parse_v1(&read("cpu.cfs_quota_us")?, &read("cpu.cfs_period_us")?))
}

/// `cpu.max` of v2: quota and period in microseconds, or `max` for none.
fn parse_v2(text: &str) -> Option<f64> {
    let mut fields = text.split_whitespace();
    ratio(fields.next()?, fields.next()?)
}

/// `cpu.cfs_quota_us` and `cpu.cfs_period_us` of v1; a quota of -1 is none.
fn parse_v1(quota: &str, period: &str) -> Option<f64> {
    ratio(quota.trim(), period.trim())
}

fn ratio(quota: &str, period: &str) -> Option<f64> {
    let (quota, period) = (quota.parse::<i64>().ok()?, period.parse::<i64>().ok()?);
    (quota > 0 && period > 0).then(|| quota as f64 / period as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_of_both_versions_are_read() {
        assert_eq!(parse_v2("250000 100000\n"), Some(2.5));
        assert_eq!(parse_v2("max 100000\n"), None);
        assert_eq!(parse_v2(""), None);
        assert_eq!(parse_v1("150000\n", "50000\n"), Some(3.0));
        assert_eq!(parse_v1("-1\n", "100000\n"), None);
        assert_eq!(parse_v1("1000\n", "0\n"), None);
    }

    #[test]
    fn a_quota_rounds_down_to_whole_cores_but_never_to_none() {
        assert_eq!(allowance(vec![0, 2, 4, 6], Some(2.5)).cpus, [0, 2]);
        assert_eq!(allowance(vec![3, 4], Some(0.5)).cpus, [3]);
        assert_eq!(allowance(vec![3, 4], Some(8.0)).cpus, [3, 4]);
        let free = allowance(vec![5], None);
        assert_eq!(free.why, "1 CPU allowed by affinity and cpuset");
        let cut = allowance(vec![0, 1, 2, 3], Some(2.5));
        assert_eq!(cut.why, "a control group's quota of 2.5 CPUs, of 4 allowed");
    }

    #[test]
    fn the_smallest_quota_on_the_way_to_the_root_counts() {
        let mount = std::env::temp_dir().join(format!("corelane-quota-{}", std::process::id()));
        let inner = mount.join("outer/inner");
        std::fs::create_dir_all(&inner).expect("writable");
        std::fs::write(inner.join("cpu.max"), "max 100000").expect("writable");
        std::fs::write(mount.join("outer/cpu.max"), "150000 100000").expect("writable");
        std::fs::write(mount.join("cpu.max"), "400000 100000").expect("writable");
        assert_eq!(quota("0::/outer/inner\n", &mount), Some(1.5));
        assert_eq!(quota("0::/of/the/host\n", &mount), Some(4.0));
        assert_eq!(quota("0::/\n", &mount), Some(4.0));
        let v1 = mount.join("cpu,cpuacct/box");
        std::fs::create_dir_all(&v1).expect("writable");
        std::fs::write(v1.join("cpu.cfs_quota_us"), "300000").expect("writable");
        std::fs::write(v1.join("cpu.cfs_period_us"), "100000").expect("writable");
        assert_eq!(quota("4:cpu,cpuacct:/box\n3:memory:/box\n", &mount), Some(3.0));
        assert_eq!(quota("", &mount), None);
        std::fs::remove_dir_all(&mount).expect("ours");
    }

    #[test]
    fn this_machine_allows_something() {
        let allowed = allowed_cpus().expect("readable");
        assert!(!allowed.cpus.is_empty() && !allowed.why.is_empty());
    }
}
