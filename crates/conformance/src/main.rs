//! The real binary against a real Redis as oracle, and real client libraries.
//!
//! Black box: nothing of ours is linked in, only sockets are used. `random` plays seeded scripts on the server under test
//! and on redis-server 7.0 in step and compares the replies byte for byte; `gen/` makes the scripts, one file per command
//! family; `random/rules.rs` lists every reply that cannot be compared by bytes and `random/intended.rs` every
//! difference that is meant, each with its reason. `command-table` compares what the servers say of their commands,
//! `together` has several clients in step, for what is between them: transactions, waits, scripts.
//! `dumps` sends values from one to the other and back, `clients` drives real client libraries, `memtier` real load generators, `abuse` hostile ones.
//! The exit code is 0 when all agree, 1 when something differs, 2 when it could not be tried.
#![forbid(unsafe_code)]

mod abuse;
mod cli;
mod clients;
mod command_table;
mod dumps;
mod r#gen;
mod memtier;
mod peer;
mod queues;
mod random;
mod real;
mod together;
mod transfers;
mod wire;

use std::process::ExitCode;

use clap::Parser;
use cli::Command;

fn main() -> ExitCode {
    let outcome = match cli::Cli::parse().command {
        Command::Exceptions => {
            random::print_exceptions();
            Ok(true)
        }
        Command::Random(args) => random::campaign(&args),
        Command::Together(args) => together::run(&args),
        Command::Transfers(args) => transfers::run(&args),
        Command::Queues(args) => queues::run(&args),
        Command::Real(args) => real::run(&args),
        Command::Replay(args) => random::replay(&args),
        Command::Table(args) => command_table::run(&args),
        Command::Dumps(args) => dumps::run(&args),
        Command::Clients(args) => clients::run(&args),
        Command::Memtier(args) => memtier::run(&args),
        Command::Abuse(args) => abuse::run(&args),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("conformance: {error:#}");
            ExitCode::from(2)
        }
    }
}
