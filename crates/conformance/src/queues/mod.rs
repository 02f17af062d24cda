//! `queues`: many clients that wait, as job queues have them.
//!
//! `order.rs`: one client waits on each of 1,000 keys while others push; nothing may be lost, served twice or out of order;
//! then nothing happens for a while, and the CPU that the waiting costs is read off. `mixed.rs`: clients wait on several keys
//! each, with time limits, and go at random; what was popped and what is left must be what was pushed. `gone.rs`: clients go, and
//! something is pushed for them when the server has noticed. A client that goes
//! ends its half of the connection first and reads on to the end, so that what it was served on the way out counts:
//! of one that is cut off no server could know. `--plant` does something wrong on the way, which must be caught.

mod gone;
mod mixed;
mod order;
mod poll;

use std::time::Duration;

use anyhow::{Result, bail};

use crate::cli::QueuesArgs;
use crate::peer::{Server, open_files};

/// Something wrong that is done on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plant {
    /// Nothing wrong.
    None,
    /// Somebody else pops now and then.
    Thief,
    /// Some values are pushed twice.
    Twice,
    /// Some values are pushed before their turn.
    Order,
}

/// Runs `queues`. True when nothing was lost, served twice or out of order.
pub fn run(args: &QueuesArgs) -> Result<bool> {
    let plant = match args.plant.as_deref() {
        None => Plant::None,
        Some("thief") => Plant::Thief,
        Some("twice") => Plant::Twice,
        Some("order") => Plant::Order,
        Some(other) => bail!("no plant {other:?}; there are thief, twice, order"),
    };
    open_files();
    let server = match args.places.addr {
        Some(addr) => Server::external(addr)?,
        None => Server::start(args.places.subject_spec()?)?,
    };
    let mut complaints = order::run(&server, args, plant)?;
    complaints.extend(gone::run(&server, args, plant)?);
    complaints.extend(mixed::run(&server, args, plant)?);
    for complaint in complaints.iter().take(20) {
        println!("FAIL  {complaint}");
    }
    println!("{} complaints", complaints.len());
    Ok(complaints.is_empty())
}

/// CPU time that a server uses in `time` while nobody asks anything, as a share of one core.
fn idle_share(server: &Server, time: Duration) -> Option<f64> {
    let before = server.cpu_time()?;
    std::thread::sleep(time);
    let used = server.cpu_time()?.saturating_sub(before);
    Some(used.as_secs_f64() / time.as_secs_f64())
}
