//! The thread a core lives on: a pinned glommio executor, or a bare pinned thread with the same face.
//!
//! The core loop is a function that runs one turn at a time and says how to go on. It blocks in its own
//! ring, so the executor stands still while the core sleeps; only when the core has control-plane work under
//! way (files through glommio's direct and buffered I/O) does it answer [`Step::Yield`] now and then.
//! Calling glommio's API from inside the loop needs [`Host::Glommio`].

use crate::cpu::pin_to;
use crate::refusal::MEMLOCK_BYTES_MIN;
use glommio::{LocalExecutorBuilder, Placement};
use std::io;
use std::thread::{Builder, JoinHandle};

/// Memory that an executor registers for file I/O. glommio's own default is 10 MiB a core.
const IO_MEMORY_BYTES: usize = 64 * 1024;

/// Depth of each of an executor's three rings: a core has few files under way at a time.
const RING_DEPTH: usize = 16;

/// What a core runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// A glommio executor: the control plane is there.
    Glommio,
    /// A bare thread, where glommio cannot start.
    Thread,
}

/// How a core goes on after a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// With the next turn.
    Again,
    /// With the next turn, after the executor's other tasks have run.
    Yield,
    /// Not at all.
    Done,
}

/// A core's thread.
pub struct CoreThread(JoinHandle<io::Result<()>>);

impl CoreThread {
    /// Waits for the core to be done. An error if it could not start (glommio refused, the CPU is not
    /// ours) or has panicked.
    pub fn join(self) -> io::Result<()> {
        self.0.join().unwrap_or_else(|_| Err(io::Error::other("the core has panicked")))
    }

    /// Whether the core is done.
    pub fn is_finished(&self) -> bool {
        self.0.is_finished()
    }
}

/// Starts a core on a thread of its own, pinned to `cpu` if one is given. `make` runs on that thread,
/// so it can make the reactor; what it returns is called for each turn. Signals that end or stop a
/// process are blocked on it: they are the main thread's.
pub fn spawn_core<M, L>(
    host: Host,
    cpu: Option<usize>,
    name: &str,
    make: M,
) -> io::Result<CoreThread>
where
    M: FnOnce() -> L + Send + 'static,
    L: FnMut() -> Step + 'static,
{
    let thread = Builder::new().name(name.to_owned());
    let handle = match host {
        Host::Thread => thread.spawn(move || {
            block_signals();
            cpu.map_or(Ok(()), pin_to)?;
            let mut turn = make();
            while turn() != Step::Done {}
            Ok(())
        }),
        Host::Glommio => thread.spawn(move || run_in_executor(cpu, make)),
    };
    handle.map(CoreThread)
}

fn run_in_executor<M, L>(cpu: Option<usize>, make: M) -> io::Result<()>
where
    M: FnOnce() -> L,
    L: FnMut() -> Step + 'static,
{
    block_signals();
    let placement = cpu.map_or(Placement::Unbound, Placement::Fixed);
    let executor = LocalExecutorBuilder::new(placement)
        .io_memory(IO_MEMORY_BYTES)
        .ring_depth(RING_DEPTH)
        .make()
        .map_err(|error| refused(&error.to_string()))?;
    executor.run(async move {
        let mut turn = make();
        loop {
            match turn() {
                Step::Again => {}
                Step::Yield => glommio::executor().yield_now().await,
                Step::Done => return Ok(()),
            }
        }
    })
}

/// Blocks what others send a process on the calling thread and the threads that it will start.
/// What a thread does to itself (SIGSEGV, SIGABRT, ...) stays as it is.
fn block_signals() {
    // SAFETY: `set` is initialised by sigemptyset(3) before it is read, and lives through the calls.
    unsafe {
        let mut set = std::mem::zeroed::<libc::sigset_t>();
        libc::sigemptyset(&mut set);
        for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT, libc::SIGUSR1] {
            libc::sigaddset(&mut set, signal);
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
    }
}

/// glommio's reason with what to change, in one line.
fn refused(reason: &str) -> io::Error {
    let reason = reason.replace('\n', " ");
    let advice = if reason.to_lowercase().contains("memlock") {
        format!(
            "; raise RLIMIT_MEMLOCK to at least {} KiB (`ulimit -l`, systemd: LimitMEMLOCK=)",
            MEMLOCK_BYTES_MIN / 1024
        )
    } else {
        String::new()
    };
    io::Error::other(format!("glommio: {reason}{advice}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::rc::Rc;

    #[test]
    fn both_hosts_run_turns_until_done() {
        for host in [Host::Thread, Host::Glommio] {
            let core = spawn_core(host, Some(0), "core", || {
                let mut turns = 0;
                move || {
                    turns += 1;
                    if turns < 1000 { Step::Again } else { Step::Done }
                }
            });
            core.expect("a thread").join().expect("runs to its end");
        }
    }

    #[test]
    fn a_yielding_core_lets_the_executor_do_file_io() {
        let core = spawn_core(Host::Glommio, None, "core", || {
            let written = Rc::new(Cell::new(false));
            let task_written = written.clone();
            glommio::spawn_local(async move {
                let path =
                    std::env::temp_dir().join(format!("corelane-host-{}", std::process::id()));
                let file = glommio::io::BufferedFile::create(&path).await.expect("writable");
                file.write_at(b"hello".to_vec(), 0).await.expect("writable");
                file.close().await.expect("open");
                assert_eq!(std::fs::read(&path).expect("there"), b"hello");
                std::fs::remove_file(&path).expect("ours");
                task_written.set(true);
            })
            .detach();
            move || if written.get() { Step::Done } else { Step::Yield }
        });
        core.expect("a thread").join().expect("runs to its end");
    }

    #[test]
    fn a_low_memlock_limit_is_answered_with_what_to_change() {
        let line = refused("IO error occurred: MemLockLimit(262144/524288)").to_string();
        assert!(line.contains("raise RLIMIT_MEMLOCK to at least 512 KiB"), "{line}");
        assert!(!refused("no such CPU").to_string().contains("RLIMIT"));
    }

    #[test]
    fn a_core_takes_no_signals_of_the_process() {
        for host in [Host::Thread, Host::Glommio] {
            let core = spawn_core(host, None, "core", || {
                let status = std::fs::read_to_string("/proc/thread-self/status").expect("there");
                let line = status.lines().find_map(|line| line.strip_prefix("SigBlk:"));
                let blocked = u64::from_str_radix(line.expect("a line").trim(), 16).expect("hex");
                for signal in [libc::SIGTERM, libc::SIGINT] {
                    assert_ne!(blocked & (1 << (signal - 1)), 0, "signal {signal}");
                }
                assert_eq!(blocked & (1 << (libc::SIGSEGV - 1)), 0);
                || Step::Done
            });
            core.expect("a thread").join().expect("runs to its end");
        }
    }

    #[test]
    fn a_cpu_that_does_not_exist_is_an_error_of_the_core() {
        for host in [Host::Thread, Host::Glommio] {
            let core = spawn_core(host, Some(100_000), "core", || || Step::Done);
            assert!(core.expect("a thread").join().is_err());
        }
    }
}
