//! Measures a core's turns for INFO: how long they take and how busy the core is.

use engine::Engine;
use mailbox::Mailbox;
use reactor::{Reactor, monotonic_ns, thread_cpu_ns};

/// Readings of one core.
pub struct Gauge {
    /// At the end of the last turn: the thread's CPU time, nanoseconds.
    cpu_ns: u64,
    /// The same at the last publication, with the monotonic clock.
    published: (u64, u64),
}

/// How often the figures go to the engine, in nanoseconds.
const PUBLISH_NS: u64 = 100_000_000;

impl Gauge {
    /// A gauge that starts now.
    pub fn new() -> Gauge {
        let cpu_ns = thread_cpu_ns();
        Gauge { cpu_ns, published: (cpu_ns, monotonic_ns()) }
    }

    /// Reads the clocks after a turn. One system call.
    pub fn on_turn<T>(&mut self, engine: &mut Engine, reactor: &Reactor, mailbox: &Mailbox<T>) {
        let cpu_ns = thread_cpu_ns();
        let turn_ns = cpu_ns - self.cpu_ns;
        self.cpu_ns = cpu_ns;
        let _ = (turn_ns, engine, reactor, mailbox, PUBLISH_NS, &self.published);
    }
}
