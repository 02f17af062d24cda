//! The same bytes to both servers at once, and both answers.

use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::link::{Link, Reply};

/// Something that exists once for the oracle and once for the server under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sides<T> {
    /// Redis itself.
    pub oracle: T,
    /// The server that is compared with it.
    pub subject: T,
}

impl<T> Sides<T> {
    /// Both sides through one function.
    pub fn map<U>(self, mut f: impl FnMut(T) -> U) -> Sides<U> {
        Sides { oracle: f(self.oracle), subject: f(self.subject) }
    }

    /// Borrows both sides.
    pub fn as_ref(&self) -> Sides<&T> {
        Sides { oracle: &self.oracle, subject: &self.subject }
    }
}

/// Writes what is queued on both links and reads until each has `replies` replies, is closed, or both were quiet for
/// `quiet`. Returns how long it took.
pub fn exchange(links: &mut Sides<Link>, replies: usize, quiet: Duration) -> Duration {
    exchange_until(links, quiet, |link| link.replies.len() >= replies && !link.wants_write())
}

/// As [`exchange`], with the caller's word for when a side is done.
pub fn exchange_until(
    links: &mut Sides<Link>,
    quiet: Duration,
    done: impl Fn(&Link) -> bool,
) -> Duration {
    let begun = Instant::now();
    let mut heard = begun;
    for link in [&mut links.oracle, &mut links.subject] {
        link.write_some();
    }
    loop {
        let oracle_done = links.oracle.is_closed() || done(&links.oracle);
        let subject_done = links.subject.is_closed() || done(&links.subject);
        let waited = heard.elapsed();
        if (oracle_done && subject_done) || waited >= quiet {
            return begun.elapsed();
        }
        let woken = wait(links, (oracle_done, subject_done), quiet.saturating_sub(waited));
        if woken {
            heard = Instant::now();
        }
        for link in [&mut links.oracle, &mut links.subject] {
            link.write_some();
            link.read_some();
        }
    }
}

/// Sleeps until a side that is not done can be read or written. False on time-out.
fn wait(links: &Sides<Link>, done: (bool, bool), patience: Duration) -> bool {
    let interest = |link: &Link| {
        let write = if link.wants_write() { PollFlags::OUT } else { PollFlags::empty() };
        PollFlags::IN | write
    };
    let mut fds = Vec::with_capacity(2);
    if !done.0 {
        fds.push(PollFd::new(links.oracle.socket(), interest(&links.oracle)));
    }
    if !done.1 {
        fds.push(PollFd::new(links.subject.socket(), interest(&links.subject)));
    }
    // A remainder under a millisecond must not become a busy loop, hence the floor.
    let patience = patience.max(Duration::from_millis(1));
    let timeout =
        Timespec { tv_sec: patience.as_secs() as i64, tv_nsec: i64::from(patience.subsec_nanos()) };
    match poll(&mut fds, Some(&timeout)) {
        Ok(ready) => ready > 0,
        // An interrupted poll is a spurious wake-up; the caller looks again.
        Err(_) => false,
    }
}

/// Takes exactly `count` replies from a link; what did not come is [`Reply::Closed`] or [`Reply::Silent`].
pub fn take(link: &mut Link, count: usize) -> Vec<Reply> {
    let present = link.replies.len().min(count);
    let mut taken: Vec<Reply> = link.replies.drain(..present).collect();
    let missing = if link.is_closed() { Reply::Closed } else { Reply::Silent };
    taken.resize(count, missing);
    taken
}
