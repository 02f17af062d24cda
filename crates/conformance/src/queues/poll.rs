//! Waits for any of many connections.

use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::peer::{Link, Reply};
use crate::wire::{Value, encode};

/// Writes and reads what is possible on all links, after waiting for up to `time` for one that can be read.
pub fn turn(links: &mut [&mut Link], time: Duration) {
    for link in links.iter_mut().filter(|link| link.wants_write()) {
        link.write_some();
    }
    let timeout =
        Timespec { tv_sec: time.as_secs() as i64, tv_nsec: i64::from(time.subsec_nanos()) };
    let open: Vec<usize> = (0..links.len()).filter(|at| !links[*at].is_closed()).collect();
    let mut fds: Vec<PollFd<'_>> =
        open.iter().map(|at| PollFd::new(links[*at].socket(), PollFlags::IN)).collect();
    // An interrupted poll is a turn in which nothing was ready.
    if poll(&mut fds, Some(&timeout)).unwrap_or(0) == 0 {
        return;
    }
    let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
    for (at, _) in open.iter().zip(ready).filter(|(_, ready)| *ready) {
        links[*at].read_some();
    }
}

/// Queues a request and writes what can be written.
pub fn say<W: AsRef<[u8]>>(link: &mut Link, words: &[W]) {
    let args: Vec<Vec<u8>> = words.iter().map(|word| word.as_ref().to_vec()).collect();
    let mut bytes = Vec::new();
    encode(&args, &mut bytes);
    link.queue(&bytes);
    link.write_some();
}

/// The replies that have come, as values; garbage is an error reply.
pub fn heard(link: &mut Link) -> Vec<Value> {
    let parsed = |reply: Reply| match reply {
        Reply::Raw(raw) => Value::parse(&raw),
        other => Value::Error(other.to_string().into_bytes()),
    };
    link.replies.drain(..).map(parsed).collect()
}
