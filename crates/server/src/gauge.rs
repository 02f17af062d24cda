//! Measures a core's turns for INFO: how long they take and how busy the core is.

use engine::Engine;
use engine::plumbing::ProcessFigures;
use mailbox::Mailbox;
use reactor::{Reactor, monotonic_ns, thread_cpu_ns};

/// How often the figures go to the engine, in nanoseconds.
const PUBLISH_NS: u64 = 100_000_000;

/// A turn shorter than this is taken to have had the CPU all the time; the thread's CPU clock is read for
/// longer ones, and again once turns have taken so long in all. Reading it is a system call, which in every
/// turn was 3 % of an unpipelined request.
const UNREAD_NS_MAX: u64 = 100_000;

/// Ticks of a second in which /proc gives CPU time: USER_HZ, which Linux fixes at 100 for user space.
const USER_HZ: u64 = 100;

/// Readings of one core.
pub struct Gauge {
    /// The thread's CPU time when it was last read, and what turns took since; nanoseconds.
    cpu_ns: u64,
    unread_ns: u64,
    /// When the turn under way began, and the time spent in turns so far; nanoseconds.
    turn_began_ns: u64,
    turns_ns: u64,
    /// The monotonic clock and the thread's CPU time at the last publication.
    published: (u64, u64),
}

impl Gauge {
    /// A gauge that starts now.
    pub fn new() -> Gauge {
        let (cpu_ns, now_ns) = (thread_cpu_ns(), monotonic_ns());
        Gauge {
            cpu_ns,
            unread_ns: 0,
            turn_began_ns: now_ns,
            turns_ns: 0,
            published: (now_ns, cpu_ns),
        }
    }

    /// A turn begins: the enter into the kernel is behind it.
    #[inline]
    pub fn begin(&mut self, reactor: &Reactor) {
        self.turn_began_ns = reactor.stamp();
        if self.unread_ns >= UNREAD_NS_MAX {
            self.read();
        }
    }

    /// Reads the thread's CPU clock; gives what it used since the last reading.
    fn read(&mut self) -> u64 {
        let before = std::mem::replace(&mut self.cpu_ns, thread_cpu_ns());
        self.unread_ns = 0;
        self.cpu_ns - before
    }

    /// A turn has ended. Its CPU time is at most its wall time, and at most what the thread used since
    /// the last reading: never less than the truth, and more by what the short turns before
    /// a long one took, with their enters into the kernel.
    pub fn end<T>(&mut self, engine: &mut Engine, reactor: &Reactor, mailbox: &Mailbox<T>) {
        let now_ns = monotonic_ns();
        let wall_ns = now_ns.saturating_sub(self.turn_began_ns);
        self.unread_ns += wall_ns;
        self.turns_ns += wall_ns;
        let long = wall_ns >= UNREAD_NS_MAX;
        let cpu_ns = if long { wall_ns.min(self.read()) } else { wall_ns };
        engine.plumbing().note_turn(cpu_ns / 1000, wall_ns / 1000);
        let (since_ns, cpu_before_ns) = self.published;
        let span_ns = now_ns - since_ns;
        if span_ns >= PUBLISH_NS {
            self.read();
            self.published = (now_ns, self.cpu_ns);
            engine.plumbing().busy_permille = (self.cpu_ns - cpu_before_ns) * 1000 / span_ns;
            self.publish(engine, reactor, mailbox.depth() as u64);
        }
    }

    fn publish(&self, engine: &mut Engine, reactor: &Reactor, mailbox_depth: u64) {
        let counters = reactor.counters().clone();
        let plumbing = engine.plumbing();
        plumbing.mailbox_depth = mailbox_depth;
        plumbing.wakeups = counters.wakeups_received;
        plumbing.wakeups_sent = counters.wakeups_sent;
        plumbing.wakeups_failed = counters.wakeups_failed;
        plumbing.wakeups_late = counters.wakeups_late;
        plumbing.turns_us = self.turns_ns / 1000;
        plumbing.enters = counters.enters;
        plumbing.completions = counters.completions;
        plumbing.rearms = counters.rearms;
        plumbing.buffers_exhausted = counters.buffers_exhausted;
        plumbing.widened_bytes = reactor.widened_bytes() as u64;
        plumbing.sends_stalled = counters.sends_stalled;
    }
}

/// What /proc says of this process. Reads three small files: for the main thread, not for a core.
pub fn process_figures() -> ProcessFigures {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let status = read("/proc/self/status");
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0)
    };
    let (cpu_user_us, cpu_sys_us) = cpu_times_us(&read("/proc/self/stat"));
    let thread = read(&format!("/proc/self/task/{}/stat", std::process::id()));
    let (main_thread_user_us, main_thread_sys_us) = cpu_times_us(&thread);
    ProcessFigures {
        read_at_us: monotonic_ns() / 1000,
        rss_bytes: kib("VmRSS:") * 1024,
        rss_peak_bytes: kib("VmHWM:") * 1024,
        cpu_user_us,
        cpu_sys_us,
        main_thread_user_us,
        main_thread_sys_us,
    }
}

/// User and system time of a /proc stat line in microseconds. Fields 14 and 15 of proc(5), counted
/// behind the name, which may hold blanks.
fn cpu_times_us(stat: &str) -> (u64, u64) {
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let mut fields = rest.split_whitespace().skip(11);
    let mut next = || fields.next().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    let (user, system) = (next(), next());
    (user * 1_000_000 / USER_HZ, system * 1_000_000 / USER_HZ)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_times_are_read_behind_a_name_with_blanks() {
        let stat = "1 (a b) c) S 0 0 0 0 0 0 0 0 0 0 25 7 0 0";
        assert_eq!(cpu_times_us(stat), (250_000, 70_000));
        assert_eq!(cpu_times_us(""), (0, 0));
    }

    #[test]
    fn a_running_process_has_memory() {
        let figures = process_figures();
        assert!(figures.rss_bytes > 0 && figures.rss_peak_bytes >= figures.rss_bytes / 2);
    }
}
