//! N engines on one thread, virtual time, seeded faults, history checker, fuzzing.
//!
//! - `world/`: engines, rings, sockets, clocks and the process, all driven by one queue of events.
//! - `player.rs`, `workload/`: clients and what they do. `history.rs`: what they were told.
//! - `check/`: per-key linearizability, causality. `equivalence.rs`: N cores against one.
//! - `run.rs`: one seed. `campaign.rs`: many. `shrink.rs`: a failing seed made smaller.
//! - `fuzz/`: arbitrary bytes into whole sessions.
//!
//! Equal seeds give equal runs, events and all. `sim --seed 7` replays one with its trace;
//! `sim --seeds 0..10000` runs many; `sim fuzz` fuzzes.
#![forbid(unsafe_code)]

mod campaign;
mod check;
mod equivalence;
mod fuzz;
mod grammar;
mod history;
mod player;
mod run;
mod shrink;
#[cfg(test)]
mod tests;
mod workload;
mod world;

use std::process::ExitCode;

fn main() -> ExitCode {
    campaign::main()
}
