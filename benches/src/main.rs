//! What is measured, and how: see `benches/README.md`.

mod atomic;
mod collections;
mod commands;
mod compare;
mod connections;
mod expire_storm;
mod growth;
mod hop;
mod keys;
mod limit;
mod loader;
mod lru;
mod measure;
mod memory;
mod memtier;
#[cfg(feature = "micro")]
mod micro;
mod peers;
mod prefetch;
mod probe;
mod process;
mod report;
mod script_storm;
mod subject;
mod teardown;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Measures Corelane beside its peers and beside the limit", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve GET, SET and PING as cheaply as one core can: the yardstick.
    Limit(limit::Options),
    /// CPU per operation beside the limit and the peers (P1 to P6).
    Compare(compare::Options),
    /// Resident bytes a key over key and value (P7).
    Memory(memory::Options),
    /// Resident bytes an element of each collection type.
    Collections(collections::Options),
    /// CPU per operation of the collections' commands, beside Redis.
    Commands(commands::Options),
    /// CPU per operation of scripts, transactions and MGET over one core's keys and over two's, beside Redis (P12).
    Atomic(atomic::Options),
    /// The tail that others see beside a script of undeclared keys in a loop.
    ScriptStorm(script_storm::Options),
    /// The longest turn while a table grows (P8).
    Growth(growth::Options),
    /// The longest turn while collections of ten million elements go.
    Teardown(teardown::Options),
    /// What the hop costs and of what it is made (P5).
    Hop(hop::Options),
    /// What batching and prefetching gain on data larger than the caches (P9).
    Prefetch(prefetch::Options),
    /// The tail that others see while a million keys expire.
    ExpireStorm(expire_storm::Options),
    /// Memory of idle connections, and a crowd that talks garbage.
    Connections(connections::Options),
    /// Hit rate and memory bound of a cache that is far too small.
    Lru(lru::Options),
    /// Instructions per operation of the rooms, counted by callgrind.
    #[cfg(feature = "micro")]
    Micro(micro::Options),
    /// One workload of `micro`, as it runs under valgrind.
    #[cfg(feature = "micro")]
    #[command(hide = true)]
    MicroRun(micro::RunOptions),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Limit(options) => limit::run(&options),
        Command::Compare(options) => compare::run(&options),
        Command::Memory(options) => memory::run(&options),
        Command::Collections(options) => collections::run(&options),
        Command::Commands(options) => commands::run(&options),
        Command::Atomic(options) => atomic::run(&options),
        Command::ScriptStorm(options) => script_storm::run(&options),
        Command::Growth(options) => growth::run(&options),
        Command::Teardown(options) => teardown::run(&options),
        Command::Hop(options) => hop::run(&options),
        Command::Prefetch(options) => prefetch::run(&options),
        Command::ExpireStorm(options) => expire_storm::run(&options),
        Command::Connections(options) => connections::run(&options),
        Command::Lru(options) => lru::run(&options),
        #[cfg(feature = "micro")]
        Command::Micro(options) => micro::run(&options),
        #[cfg(feature = "micro")]
        Command::MicroRun(options) => micro::run_one(&options),
    }
}
