//! One measurement of cost: a load on a server, with the server's CPU time before and after it.

use crate::memtier::{Bound, Generator, Load, Outcome, Target};
use crate::process::{CpuTime, Server};

/// What a load cost the server and what its clients saw.
pub struct Measured {
    pub outcome: Outcome,
    pub cpu: CpuTime,
}

impl Measured {
    /// Server CPU time of one operation, in nanoseconds: all threads, user and system.
    pub fn ns_per_operation(&self) -> f64 {
        self.cpu.scheduled_ns as f64 / self.outcome.operations as f64
    }

    /// The kernel's part of it: split by the ticks of `stat`, scaled to the finer total.
    pub fn system_ns_per_operation(&self) -> f64 {
        self.ns_per_operation() * self.cpu.system_share()
    }
}

/// Runs the load between two samples of the server's CPU time.
///
/// # Errors
/// When the server has gone or the generator fails.
pub fn measure(
    server: &Server,
    generator: &Generator,
    load: &Load,
    target: &Target<'_>,
    bound: Bound,
    keys: u64,
) -> anyhow::Result<Measured> {
    let before = server.cpu()?;
    let outcome = generator.run(load, target, bound, keys)?;
    let cpu = server.cpu()?.since(before);
    Ok(Measured { outcome, cpu })
}
