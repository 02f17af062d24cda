//! The thread's CPU and the process' limit of open files.

use std::io;
use std::mem::MaybeUninit;

/// Pins the calling thread to one CPU.
pub fn pin_to(cpu: usize) -> io::Result<()> {
    if cpu >= libc::CPU_SETSIZE as usize {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    // SAFETY: a set of CPUs is plain bits, for which all zeroes is the empty set.
    let mut set: libc::cpu_set_t = unsafe { MaybeUninit::zeroed().assume_init() };
    // SAFETY: `cpu` is below the size of the set.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    // SAFETY: 0 is the calling thread; the set lives during the call.
    let outcome = unsafe { libc::sched_setaffinity(0, size_of_val(&set), &set) };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The CPUs that the calling thread may run on, ascending.
pub(crate) fn affinity() -> io::Result<Vec<usize>> {
    // SAFETY: as in `pin_to`.
    let mut set: libc::cpu_set_t = unsafe { MaybeUninit::zeroed().assume_init() };
    // SAFETY: 0 is the calling thread; the kernel writes at most the given size.
    let outcome = unsafe { libc::sched_getaffinity(0, size_of_val(&set), &mut set) };
    if outcome != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: every number of the range is below the size of the set.
    let is_set = |cpu: &usize| unsafe { libc::CPU_ISSET(*cpu, &set) };
    Ok((0..libc::CPU_SETSIZE as usize).filter(is_set).collect())
}

/// Raises the limit of open files to `wanted` if it is lower, or as far as the system lets us. Returns the
/// limit then in force.
pub fn raise_open_files(wanted: u64) -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is writable during the call.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    if limit.rlim_cur >= wanted {
        return Ok(limit.rlim_cur);
    }
    // With the privilege the hard limit follows, without it the hard limit is as far as it goes.
    for hard in [limit.rlim_max.max(wanted), limit.rlim_max] {
        let raised = libc::rlimit { rlim_cur: wanted.min(hard), rlim_max: hard };
        // SAFETY: reads `raised` during the call.
        if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raised) } == 0 {
            return Ok(raised.rlim_cur);
        }
    }
    Ok(limit.rlim_cur)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pinned_thread_may_run_on_its_cpu_only() {
        let allowed = affinity().expect("readable");
        let cpu = *allowed.last().expect("we run somewhere");
        std::thread::spawn(move || {
            pin_to(cpu).expect("allowed");
            assert_eq!(affinity().expect("readable"), [cpu]);
        })
        .join()
        .expect("asserts hold");
        assert!(pin_to(1 << 20).is_err());
    }

    #[test]
    fn the_limit_of_open_files_is_never_lowered() {
        let now = raise_open_files(0).expect("readable");
        assert_eq!(raise_open_files(now).expect("readable"), now);
        assert_eq!(raise_open_files(1).expect("readable"), now);
    }
}
