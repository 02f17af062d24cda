//! Who this process is: ids, seeds, facts for INFO.

use crate::config::{Loaded, Rename};
use base::{Prng, settings};
use engine::core::Process;
use reactor::Host;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

/// 64 bits from the system's randomness, by way of the seed of std's hash maps.
pub fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Forty hexadecimal digits drawn from a seed.
fn hex40(seed: u64) -> String {
    let mut prng = Prng::new(seed);
    let digits: String = (0..3).map(|_| format!("{:016x}", prng.next_u64())).collect();
    digits[..40].to_owned()
}

/// FNV-1a, 64 bits: a hash that is the same on every machine and with every release.
fn stable_hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

/// A `rename-command` as the table of commands wants it.
pub fn rename(rename: &Rename) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&rename.from), text(&rename.to))
}

/// Everything that commands may want to know of the process.
pub fn process(loaded: &Loaded, cores: usize, host: Host) -> Process {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let machine = read("/etc/machine-id");
    let first_port = loaded.settings.int(settings::CORE_PORTS);
    let node_id = |core| hex40(stable_hash(&format!("{machine} {first_port} {core}")));
    let on = match host {
        Host::Glommio => "io_uring in a glommio executor",
        Host::Thread => "io_uring on a bare thread",
    };
    Process {
        pid: std::process::id(),
        cores,
        run_id: hex40(random()),
        config_file: loaded
            .file
            .as_ref()
            .map(|path| path.display().to_string())
            .unwrap_or_default(),
        executable: std::env::current_exe()
            .map(|path| path.display().to_string())
            .unwrap_or_default(),
        os: format!("Linux {} {}", read("/proc/sys/kernel/osrelease"), std::env::consts::ARCH),
        arch_bits: usize::BITS,
        event_loop: on.to_owned(),
        system_memory: memory_bytes(&read("/proc/meminfo")),
        core_ports: match first_port {
            0 => Vec::new(),
            first => (0..cores as i64).map(|core| (first + core) as u16).collect(),
        },
        node_ids: (0..cores).map(node_id).collect(),
    }
}

/// `MemTotal` of /proc/meminfo in bytes.
fn memory_bytes(meminfo: &str) -> u64 {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = line.and_then(|rest| rest.trim().split(' ').next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_forty_digits_and_are_stable_for_a_seed() {
        let id = hex40(stable_hash("machine 7001 0"));
        assert_eq!(id.len(), 40);
        assert_eq!(id, hex40(stable_hash("machine 7001 0")));
        assert_ne!(id, hex40(stable_hash("machine 7001 1")));
    }

    #[test]
    fn the_machines_memory_is_read_from_meminfo() {
        assert_eq!(memory_bytes("MemTotal:       24 kB\nMemFree: 1 kB"), 24 * 1024);
        assert_eq!(memory_bytes(""), 0);
    }
}
