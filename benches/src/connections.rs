//! Ten thousand connections: what an idle one costs in resident memory, and whether ten thousand at once, half of them talking
//! garbage, leave the other half served.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use fastrand::Rng;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::loader::Client;
use crate::peers::Program;
use crate::probe::Probe;
use crate::report::{Report, Table};
use crate::subject::Subjects;

/// Threads that open connections at once.
const OPENERS: usize = 4;
/// File descriptors needed beside the connections.
const OTHER_DESCRIPTORS: u64 = 200;
/// How long a served connection may wait for its PONG.
const PATIENCE: Duration = Duration::from_secs(20);

/// What `connections` is told on its command line.
#[derive(clap::Args, Debug)]
pub struct Options {
    #[command(flatten)]
    subjects: Subjects,
    /// Connections.
    #[arg(long, default_value_t = 10_000)]
    count: usize,
}

/// What the crowd met.
#[derive(Default)]
struct Crowd {
    pongs: usize,
    honest: usize,
    refused: usize,
}

/// Runs both parts for each subject.
///
/// # Errors
/// When a server fails or the file limit is too low.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let mut report = Report::new("connections", options.subjects.out.as_deref())?;
    raise_file_limit(options.count as u64 + OTHER_DESCRIPTORS)?;
    let programs = options.subjects.found(&mut report)?;
    let mut table = Table::new(&[
        "server",
        "idle B/conn",
        "crowd PONGs",
        "of",
        "refused",
        "crowd s",
        "RSS peak MB",
        "RSS after MB",
        "probe P50 ms",
        "P99 ms",
        "P99.9 ms",
        "max ms",
    ]);
    for program in &programs {
        let cells = measure(program, options, &mut report)?;
        table.row(cells);
    }
    report.table("crowd", &table)?;
    report.finish()
}

fn raise_file_limit(needed: u64) -> anyhow::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, wanted).context("raising the file limit")?;
    let allowed = limit.maximum.unwrap_or(u64::MAX);
    anyhow::ensure!(
        allowed >= needed,
        "the file limit is {allowed}, and {needed} are needed: use a smaller --count"
    );
    Ok(())
}

fn measure(
    program: &Program,
    options: &Options,
    report: &mut Report,
) -> anyhow::Result<Vec<String>> {
    let maxclients = (options.count + 100).to_string();
    let mut server = options.subjects.start(program, &["--maxclients", &maxclients], report)?;
    let empty = server.rss_bytes()?;
    let idle = open_idle(server.port, options.count)?;
    std::thread::sleep(Duration::from_secs(1));
    let growth = server.rss_bytes()?.saturating_sub(empty) as f64 / options.count as f64;
    drop(idle);
    std::thread::sleep(Duration::from_secs(1));

    let probe = Probe::start(server.port)?;
    let started = Instant::now();
    let crowds = std::thread::scope(|scope| {
        let port = server.port;
        let share = options.count / OPENERS;
        let openers: Vec<_> = (0..OPENERS)
            .map(|number| scope.spawn(move || crowd(port, share, number as u64)))
            .collect();
        let join = |opener: std::thread::ScopedJoinHandle<'_, anyhow::Result<Crowd>>| {
            opener.join().map_err(|_| anyhow!("an opener panicked"))?
        };
        openers.into_iter().map(join).collect::<anyhow::Result<Vec<_>>>()
    })?;
    let seconds = started.elapsed().as_secs_f64();
    let peak = server.rss_bytes()?;
    let latencies = probe.stop()?;
    std::thread::sleep(Duration::from_secs(1));
    anyhow::ensure!(server.is_alive(), "`{}` ended under the crowd", server.command_line);
    Client::connect(server.port)?.ask_ok(&[b"PING"])?;
    let after = server.rss_bytes()?;
    let sum =
        |figure: &dyn Fn(&Crowd) -> usize| crowds.iter().map(figure).sum::<usize>().to_string();
    let mut cells = vec![program.kind.name().to_owned(), format!("{growth:.0}")];
    cells.extend([
        sum(&|crowd| crowd.pongs),
        sum(&|crowd| crowd.honest),
        sum(&|crowd| crowd.refused),
    ]);
    cells.extend([
        format!("{seconds:.1}"),
        format!("{:.1}", peak as f64 / 1e6),
        format!("{:.1}", after as f64 / 1e6),
    ]);
    cells.extend(latencies.cells());
    Ok(cells)
}

/// Connections that have been used once and are silent now.
fn open_idle(port: u16, count: usize) -> anyhow::Result<Vec<Client>> {
    let open = |_| {
        let mut client = Client::connect(port)?;
        client.ask_ok(&[b"PING"])?;
        client.reset_on_close()?;
        Ok(client)
    };
    (0..count).map(open).collect()
}

/// Opens all, then writes to all, then reads from the honest ones: all are open at once.
fn crowd(port: u16, count: usize, seed: u64) -> anyhow::Result<Crowd> {
    let mut random = Rng::with_seed(seed);
    let mut streams = Vec::new();
    let mut crowd = Crowd::default();
    for _ in 0..count {
        let stream = TcpStream::connect(("127.0.0.1", port)).context("one of the crowd")?;
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        streams.push(stream);
    }
    for (number, stream) in streams.iter_mut().enumerate() {
        // A server may close on garbage while it is being written: then writing fails, which is its good right.
        let _ = if number % 2 == 0 {
            stream.write_all(b"*1\r\n$4\r\nPING\r\n")
        } else {
            stream.write_all(&garbage(&mut random))
        };
    }
    for stream in streams.iter_mut().step_by(2) {
        crowd.honest += 1;
        let mut reply = [0; 7];
        match stream.read_exact(&mut reply) {
            Ok(()) if &reply == b"+PONG\r\n" => crowd.pongs += 1,
            _ => crowd.refused += 1,
        }
    }
    Ok(crowd)
}

/// Up to 300 random bytes; half of it looks like the beginning of a request.
fn garbage(random: &mut Rng) -> Vec<u8> {
    let mut bytes = vec![0; random.usize(1..300)];
    random.fill(&mut bytes);
    if random.bool() {
        let head: &[u8] = random
            .choice([&b"*3\r\n$-7\r\n"[..], b"*99999999999\r\n", b"*2\r\n$3\r\nGET\r\n", b"$4\r\n"])
            .expect("four choices");
        bytes.splice(0..0, head.iter().copied());
    }
    bytes
}
