//! Arbitrary bytes into whole sessions of one to three cores: nothing crashes, hangs or grows.
//!
//! A life is a fresh server and some rounds; a round is a few sessions, each with a stream of
//! inputs, cut anywhere. After a round nothing of the sessions may be left; from time to time everything
//! is flushed, and the memory must be what it was at the beginning. A life follows from its seed.

mod input;
mod server;

use crate::grammar::Pool;
use crate::workload;
use base::{Prng, settings};
use engine::table::Table;
use input::{Source, Stream};
use server::Server;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Rounds of one life.
const ROUNDS: usize = 40;

/// Inputs of one session at the most.
const STREAM_INPUTS: u64 = 400;

/// Bytes that a socket gives at once at the most.
const PIECE_BYTES: u64 = 16 * 1024;

/// How long a client waits for its last replies, in microseconds: longer than the usual pauses.
const REPLY_US: u64 = 40_000;

/// Memory of one session at the most, between turns: input and output bounds and one large reply.
const SESSION_BYTES_MAX: usize = 16 << 20;

/// How long to fuzz, and from where.
#[derive(clap::Args, Clone)]
pub struct Options {
    /// The first life.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Stop after so many inputs.
    #[arg(long, default_value_t = 1_000_000)]
    inputs: u64,
    /// Stop after so many seconds.
    #[arg(long)]
    max_seconds: Option<u64>,
    /// Stop after so many lives; 1 replays one.
    #[arg(long)]
    lives: Option<u64>,
}

/// Fuzzes as the command line says.
pub fn main(options: &Options, table: &Arc<Table>) -> ExitCode {
    let began = Instant::now();
    let bound = options.max_seconds.map(Duration::from_secs);
    let (mut inputs, mut replies, mut life) = (0, 0, 0);
    while inputs < options.inputs
        && bound.is_none_or(|bound| began.elapsed() < bound)
        && options.lives.is_none_or(|lives| life < lives)
    {
        let seed = options.seed + life;
        match live(seed, table) {
            Ok(done) => {
                inputs += done.0;
                replies += done.1;
            }
            Err(failure) => {
                println!("fuzz: life {seed}: {failure}");
                println!("fuzz: again: cargo run -p sim -- fuzz --seed {seed} --lives 1");
                return ExitCode::FAILURE;
            }
        }
        life += 1;
    }
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "fuzz: lives {}..{}: {inputs} inputs, {replies} replies, {seconds:.1} s, {:.0} inputs/s; go on with --seed {}",
        options.seed,
        options.seed + life,
        inputs as f64 / seconds,
        options.seed + life,
    );
    ExitCode::SUCCESS
}

/// Lives one life; gives the inputs sent and the replies received. A panic is a finding.
pub fn live(seed: u64, table: &Arc<Table>) -> Result<(u64, u64), String> {
    let mut prng = Prng::new(seed ^ 0x6675_7a7a);
    let cores = 1 + prng.below(3) as usize;
    let made = workload::configure(&[
        (settings::PROTO_MAX_BULK_LEN, "1mb"),
        (settings::MAXMEMORY, ["0", "0", "2mb"][prng.below(3) as usize]),
        (settings::MAXMEMORY_POLICY, ["noeviction", "allkeys-lru"][prng.below(2) as usize]),
    ]);
    let mut server = Server::new(seed, cores, &made, table);
    let attempt = catch_unwind(AssertUnwindSafe(|| rounds(&mut server, &mut prng, table)));
    let result = attempt.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(format!("panic: {}", text.unwrap_or_default()))
    });
    result.map_err(|why| {
        let tail = &server.last_input[server.last_input.len().saturating_sub(600)..];
        format!("{why}\n  the last bytes sent: {}", tail.escape_ascii())
    })
}

fn rounds(server: &mut Server, prng: &mut Prng, table: &Arc<Table>) -> Result<(u64, u64), String> {
    let mut source = Source::new(table);
    let mut streams: Vec<Stream> = (0..3).map(|_| Stream::default()).collect();
    let (mut inputs, mut replies) = (0, 0);
    let empty: Vec<usize> = server.census().iter().map(|census| census.store_bytes).collect();
    for round in 1..=ROUNDS {
        let done = one_round(server, prng, table, &mut source, &mut streams)?;
        inputs += done.0;
        replies += done.1;
        if round % 10 == 0 && !flush(server, &empty)? {
            break;
        }
    }
    Ok((inputs, replies))
}

fn one_round(
    server: &mut Server,
    prng: &mut Prng,
    table: &Arc<Table>,
    source: &mut Source,
    streams: &mut [Stream],
) -> Result<(u64, u64), String> {
    let wild_one_in = [0, 10, 40, 200][prng.below(4) as usize];
    let pool = Pool { prefix: "k", keys: 200, unix_ms: server.unix_ms(), wild_one_in };
    let sessions = 1 + prng.below(streams.len() as u64) as usize;
    let mut fed = vec![0usize; sessions];
    let tiny = prng.one_in(10);
    for stream in &mut streams[..sessions] {
        let count = if tiny { 12 } else { 1 + prng.below(STREAM_INPUTS) };
        source.fill(table, pool, prng, count as usize, stream);
        server.connect()?;
    }
    let mut left: Vec<usize> = (0..sessions).collect();
    while !left.is_empty() {
        let pick = prng.below(left.len() as u64) as usize;
        let session = left[pick];
        let rest = &streams[session].bytes[fed[session]..];
        if rest.is_empty() || !server.clients[session].open {
            left.swap_remove(pick);
            continue;
        }
        if server.clients[session].paused {
            server.run_until("a paused client is never read again", |server| {
                !server.clients[session].paused || !server.clients[session].open
            })?;
            continue;
        }
        let most = if tiny { 7 } else { PIECE_BYTES }.min(rest.len() as u64);
        let len = if prng.one_in(3) { 1 + prng.below(most) } else { most } as usize;
        server.feed(session, &rest[..len])?;
        fed[session] += len;
    }
    if let Some(census) =
        server.census().iter().find(|census| census.session_bytes_max > SESSION_BYTES_MAX)
    {
        return Err(format!("a session has grown: {census:?}"));
    }
    let sent = |session: usize| {
        streams[session].ends.iter().filter(|end| **end <= fed[session]).count() as u64
    };
    let inputs = (0..sessions).map(sent).sum();
    // Most clients wait for their replies; some leave in the middle.
    if !prng.one_in(4) {
        let until_us = server.mono_us() + REPLY_US;
        server.run_until("time stands still", |server| {
            server.is_still() && server.mono_us() >= until_us
        })?;
    }
    for session in 0..sessions {
        server.hang_up(session)?;
    }
    let replies = server.clients.iter().map(|client| client.replies).sum();
    server.settle()?;
    Ok((inputs, replies))
}

/// Empties the server and looks at its memory. False when the fuzzed clients have locked everybody out.
fn flush(server: &mut Server, empty: &[usize]) -> Result<bool, String> {
    if server.is_paused_for_ever() {
        return Ok(false);
    }
    let admin = server.connect()?;
    server.feed(admin, b"CLIENT UNPAUSE\r\nFLUSHALL\r\n")?;
    server.run_until("FLUSHALL is not answered", |server| {
        server.clients[admin].replies >= 2 || !server.clients[admin].open
    })?;
    let flushed = server.clients[admin].last == b"+OK\r\n";
    server.hang_up(admin)?;
    server.settle()?;
    if !flushed {
        return Ok(false);
    }
    let as_before = |server: &Server| {
        server.census().iter().zip(empty).all(|(census, empty)| census.store_bytes <= *empty)
    };
    server.run_until("memory is not given back after FLUSHALL", as_before)?;
    Ok(true)
}
