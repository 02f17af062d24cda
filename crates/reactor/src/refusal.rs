//! Why the kernel does not let us have our ring, each with one line that says what to change.

use std::fmt;
use std::io;

/// The memory an unprivileged process must be allowed to lock: what glommio asks for.
pub const MEMLOCK_BYTES_MIN: u64 = 512 * 1024;

/// What stood in the way.
#[derive(Debug)]
pub enum Refusal {
    /// The kernel has no io_uring, or lacks a feature that we need.
    Missing(&'static str),
    /// `kernel.io_uring_disabled` forbids it (its value is 1 or 2).
    Disabled(u8),
    /// A filter (seccomp, a security module) forbids the system call.
    Filtered,
    /// The memory for the ring was refused.
    Memory,
    /// Something else failed: what, and how.
    Other(&'static str, io::Error),
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Missing(what) => {
                write!(out, "io_uring: this kernel lacks {what}; Linux 6.1 or later is needed")
            }
            Refusal::Disabled(value) => write!(
                out,
                "io_uring: forbidden by kernel.io_uring_disabled={value}; run `sysctl -w kernel.io_uring_disabled=0`{}",
                if *value == 1 {
                    " or put this user into the group of kernel.io_uring_group"
                } else {
                    ""
                }
            ),
            Refusal::Filtered => write!(
                out,
                "io_uring: forbidden by a system call filter; allow io_uring_setup, io_uring_enter and \
                 io_uring_register (Docker: --security-opt seccomp=unconfined or a profile with them)"
            ),
            Refusal::Memory => write!(
                out,
                "io_uring: not enough lockable memory; raise RLIMIT_MEMLOCK to at least {} KiB a core \
                 (`ulimit -l`, systemd: LimitMEMLOCK=) or the memory limit of the control group",
                MEMLOCK_BYTES_MIN / 1024
            ),
            Refusal::Other(what, error) => write!(out, "io_uring: {what}: {error}"),
        }
    }
}

impl std::error::Error for Refusal {}

/// The refusal behind an error of `io_uring_setup` or `io_uring_register`. `disabled` is the content of
/// `/proc/sys/kernel/io_uring_disabled`, if there is one.
pub fn refusal_of(what: &'static str, error: io::Error, disabled: Option<&str>) -> Refusal {
    let disabled = disabled.and_then(|text| text.trim().parse::<u8>().ok()).unwrap_or(0);
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) if disabled > 0 => Refusal::Disabled(disabled),
        Some(libc::EPERM | libc::EACCES) => Refusal::Filtered,
        Some(libc::ENOSYS) => Refusal::Missing("io_uring (or a system call filter hides it)"),
        Some(libc::EINVAL) => Refusal::Missing(what),
        Some(libc::ENOMEM) => Refusal::Memory,
        _ => Refusal::Other(what, error),
    }
}

/// Reads the sysctl for [`refusal_of`].
pub(crate) fn refusal(what: &'static str, error: io::Error) -> Refusal {
    let disabled = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").ok();
    refusal_of(what, error, disabled.as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(errno: i32, disabled: Option<&str>) -> String {
        refusal_of("deferred task work", io::Error::from_raw_os_error(errno), disabled).to_string()
    }

    #[test]
    fn each_refusal_says_in_one_line_what_to_change() {
        assert!(line(libc::EPERM, Some("2\n")).contains("sysctl -w kernel.io_uring_disabled=0"));
        assert!(line(libc::EPERM, Some("1\n")).contains("kernel.io_uring_group"));
        assert!(line(libc::EPERM, Some("0\n")).contains("seccomp"));
        assert!(line(libc::EPERM, None).contains("seccomp"));
        assert!(line(libc::ENOSYS, None).contains("lacks io_uring"));
        assert!(line(libc::EINVAL, None).contains("lacks deferred task work; Linux 6.1"));
        assert!(line(libc::ENOMEM, None).contains("RLIMIT_MEMLOCK"));
        assert!(line(libc::EMFILE, None).contains("Too many open files"));
        for errno in [libc::EPERM, libc::ENOSYS, libc::EINVAL, libc::ENOMEM, libc::EIO] {
            assert!(!line(errno, Some("1")).contains('\n'));
        }
    }
}
