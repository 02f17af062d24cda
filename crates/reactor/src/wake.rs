//! Waking another core out of its ring.
//!
//! The usual way is IORING_OP_MSG_RING: it rides in the sender's next enter and appears as a
//! completion in the sleeper's ring. Where that fails, or two rings of this process could not reach each
//! other at boot, an eventfd is written that the sleeper polls.

use crate::refusal::Refusal;
use crate::ring::Ring;
use crate::token::{Kind, Token};
use io_uring::types::{Fd, Timespec};
use io_uring::{opcode, squeue};
use std::fs::File;
use std::io::{self, Write};
use std::mem::MaybeUninit;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;

/// How another thread reaches a reactor. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Waker {
    /// A descriptor of its own, so that the number cannot come to mean another file when the reactor
    /// is gone: a message to a ring without a reader fails, as it should.
    pub(crate) ring: Arc<OwnedFd>,
    pub(crate) alarm: Arc<File>,
}

impl Waker {
    /// Wakes by system call: for threads that have no ring (the main thread, the admin side).
    pub fn wake(&self) {
        // The only failure is a counter about to overflow, which means that it is long since readable.
        let _ = (&*self.alarm).write(&1u64.to_ne_bytes());
    }

    /// The same alarm beside another ring, for tests of the fallback.
    #[doc(hidden)]
    pub fn with_ring_for_tests(&self, ring: OwnedFd) -> Waker {
        Waker { ring: Arc::new(ring), alarm: self.alarm.clone() }
    }
}

/// A new eventfd, not blocking.
pub(crate) fn alarm() -> io::Result<Arc<File>> {
    // SAFETY: no pointers; a non-negative result is a new descriptor that is ours alone.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: see above.
    Ok(Arc::new(File::from(unsafe { OwnedFd::from_raw_fd(fd) })))
}

/// The operation that makes a `Woken` appear in the ring `target`; silent unless it fails.
pub(crate) fn message(target: RawFd, peer: u32) -> squeue::Entry {
    let arrival = Token::new(Kind::Wake, 0, 0).0;
    opcode::MsgRingData::new(Fd(target), 0, arrival, None)
        .build()
        .user_data(Token::new(Kind::WakeFailed, peer, 0).0)
        .flags(squeue::Flags::SKIP_SUCCESS)
}

/// Lets two rings wake each other; whether both wake-ups came. For the boot, on the ring's thread.
pub fn message_ring_works() -> Result<bool, Refusal> {
    let (mut one, mut other) = (Ring::new(8, 16)?, Ring::new(8, 16)?);
    Ok(reaches(&mut one, &mut other) && reaches(&mut other, &mut one))
}

fn reaches(from: &mut Ring, to: &mut Ring) -> bool {
    // SAFETY: the operation names no memory.
    unsafe { from.push(message(to.fd(), 0)) };
    let mut space = [const { MaybeUninit::uninit() }; 4];
    if from.enter(None).is_err() || !from.take(&mut space).is_empty() {
        return false;
    }
    let limit = Timespec::new().nsec(10_000_000);
    let arrival = Token::new(Kind::Wake, 0, 0).0;
    to.enter(Some(limit)).is_ok()
        && to.take(&mut space).iter().any(|cqe| cqe.user_data() == arrival)
}
