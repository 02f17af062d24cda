//! One io_uring: how it is set up, how operations are queued, and the one system call of a turn.
//!
//! The ring belongs to the thread that made it (SINGLE_ISSUER), and the kernel does its deferred work
//! only when that thread enters and asks for events (DEFER_TASKRUN): no interrupt of our code,
//! and completions appear at one known point of the turn. Everything queued waits for that one
//! enter, also what does not fit into the submission ring.

use crate::refusal::{Refusal, refusal};
use io_uring::types::{SubmitArgs, Timespec};
use io_uring::{IoUring, Probe, cqueue, opcode, squeue};
use std::collections::VecDeque;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

const ENTER_GETEVENTS: u32 = 1;
const ENTER_EXT_ARG: u32 = 8;
const ENTER_REGISTERED_RING: u32 = 16;
const REGISTER_RING_FDS: u32 = 20;

/// A ring and what waits for its next enter.
pub(crate) struct Ring {
    ring: IoUring,
    /// Operations for which the submission ring had no room; bounded by the operations that
    /// connections, listeners and peers can have in flight.
    spill: VecDeque<squeue::Entry>,
    /// The number by which `io_uring_enter` knows the ring, and the flag that says which kind it is:
    /// a registered index saves a look-up in the table of files at every turn.
    enter_fd: RawFd,
    enter_flags: u32,
}

impl Ring {
    /// Sets a ring up on the calling thread, which alone may use it.
    pub(crate) fn new(submissions: u32, completions: u32) -> Result<Ring, Refusal> {
        let ring = build(submissions, completions)?;
        require(&ring)?;
        let (enter_fd, enter_flags) = register(ring.as_raw_fd());
        Ok(Ring { ring, spill: VecDeque::new(), enter_fd, enter_flags })
    }

    pub(crate) fn io_uring(&self) -> &IoUring {
        &self.ring
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.ring.as_raw_fd()
    }

    /// Another descriptor of the ring, for those who send messages to it.
    pub(crate) fn share(&self) -> io::Result<OwnedFd> {
        // SAFETY: the ring's descriptor is open as long as the ring lives, which is longer than the call.
        unsafe { BorrowedFd::borrow_raw(self.fd()) }.try_clone_to_owned()
    }

    /// Queues an operation for the next enter.
    ///
    /// # Safety
    /// Memory that the operation names stays valid until its completion.
    #[inline]
    pub(crate) unsafe fn push(&mut self, entry: squeue::Entry) {
        // SAFETY: the caller's promise.
        if !self.spill.is_empty() || unsafe { self.ring.submission().push(&entry) }.is_err() {
            self.spill.push_back(entry);
        }
    }

    /// Whether everything pushed was taken by the kernel.
    pub(crate) fn is_submitted(&mut self) -> bool {
        self.spill.is_empty() && self.ring.submission().is_empty()
    }

    /// Submits what is queued, lets the kernel do its deferred work, and with `Some` blocks until a
    /// completion is there or the time is over. Returns the number of system calls (one, unless
    /// more was queued than the submission ring holds). A time-out or an interrupting signal is
    /// no error; a kernel that cannot take more now (EBUSY, EAGAIN) leaves the rest queued.
    pub(crate) fn enter(&mut self, timeout: Option<Timespec>) -> io::Result<u64> {
        let mut enters = 1;
        while self.refill() {
            self.syscall(None)?;
            enters += 1;
            if self.ring.submission().is_full() {
                break;
            }
        }
        self.syscall(timeout)?;
        Ok(enters)
    }

    /// Moves spilled operations into the submission ring; whether some are left over.
    fn refill(&mut self) -> bool {
        if self.spill.is_empty() {
            return false;
        }
        let mut queue = self.ring.submission();
        while let Some(entry) = self.spill.front() {
            // SAFETY: `push` was promised that its memory stays valid.
            if unsafe { queue.push(entry) }.is_err() {
                return !self.spill.is_empty();
            }
            self.spill.pop_front();
        }
        false
    }

    fn syscall(&mut self, timeout: Option<Timespec>) -> io::Result<()> {
        let queued = self.ring.submission().len();
        let arguments = match &timeout {
            Some(time) => SubmitArgs::new().timespec(time),
            None => SubmitArgs::new(),
        };
        let flags = ENTER_GETEVENTS | ENTER_EXT_ARG | self.enter_flags;
        // SAFETY: the arguments are those of io_uring_enter(2); `arguments` and the time it points to
        // live until it returns.
        let result = unsafe {
            libc::syscall(
                libc::SYS_io_uring_enter,
                self.enter_fd,
                queued as u32,
                u32::from(timeout.is_some()),
                flags,
                std::ptr::from_ref(&arguments),
                size_of::<SubmitArgs<'_, '_>>(),
            )
        };
        if result >= 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN) => Ok(()),
            _ => Err(error),
        }
    }

    /// How many completions are there.
    #[inline]
    pub(crate) fn ready(&mut self) -> usize {
        self.ring.completion().len()
    }

    /// Moves up to `space.len()` completions out.
    #[inline]
    pub(crate) fn take<'a>(
        &mut self,
        space: &'a mut [MaybeUninit<cqueue::Entry>],
    ) -> &'a [cqueue::Entry] {
        self.ring.completion().fill(space)
    }
}

/// Asks for everything we like, and again without what only newer kernels have.
fn build(submissions: u32, completions: u32) -> Result<IoUring, Refusal> {
    let attempt = |without_array: bool| {
        let mut builder = IoUring::builder();
        builder
            .setup_cqsize(completions)
            .setup_clamp()
            .setup_submit_all()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_taskrun_flag();
        if without_array {
            builder.setup_no_sqarray();
        }
        builder.build(submissions)
    };
    let first = attempt(true);
    let outcome = match first {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => attempt(false),
        other => other,
    };
    outcome.map_err(|error| refusal("deferred task work (IORING_SETUP_DEFER_TASKRUN)", error))
}

/// Probes what we cannot do without. Multishot receive and accept have no probe of their own; they
/// are older than deferred task work.
fn require(ring: &IoUring) -> Result<(), Refusal> {
    let params = ring.params();
    for (present, name) in [
        (params.is_feature_nodrop(), "lossless completions (IORING_FEAT_NODROP)"),
        (params.is_feature_ext_arg(), "waiting with a time limit (IORING_FEAT_EXT_ARG)"),
        (params.is_feature_skip_cqe_on_success(), "silent success (IORING_FEAT_CQE_SKIP)"),
    ] {
        if !present {
            return Err(Refusal::Missing(name));
        }
    }
    let mut probe = Probe::new();
    let probed = ring.submitter().register_probe(&mut probe);
    probed.map_err(|error| refusal("probing (IORING_REGISTER_PROBE)", error))?;
    for (code, name) in [
        (opcode::RecvMulti::CODE, "receiving (IORING_OP_RECV)"),
        (opcode::Send::CODE, "sending (IORING_OP_SEND)"),
        (opcode::AcceptMulti::CODE, "accepting (IORING_OP_ACCEPT)"),
        (opcode::AsyncCancel2::CODE, "cancelling (IORING_OP_ASYNC_CANCEL)"),
        (opcode::PollAdd::CODE, "polling (IORING_OP_POLL_ADD)"),
        (opcode::Close::CODE, "closing (IORING_OP_CLOSE)"),
    ] {
        if !probe.is_supported(code) {
            return Err(Refusal::Missing(name));
        }
    }
    Ok(())
}

/// Registers the ring with its thread. Where that is refused the plain descriptor serves.
fn register(fd: RawFd) -> (RawFd, u32) {
    #[repr(C)]
    struct Update {
        offset: u32,
        reserved: u32,
        data: u64,
    }
    let mut update = Update { offset: u32::MAX, reserved: 0, data: fd as u64 };
    // SAFETY: the arguments are those of io_uring_register(2) for IORING_REGISTER_RING_FDS: one
    // io_uring_rsrc_update, whose layout `Update` has, read and written during the call only.
    let registered = unsafe {
        libc::syscall(
            libc::SYS_io_uring_register,
            fd,
            REGISTER_RING_FDS,
            std::ptr::from_mut(&mut update),
            1u32,
        )
    };
    if registered == 1 { (update.offset as RawFd, ENTER_REGISTERED_RING) } else { (fd, 0) }
}
