//! A client that asks one small question at a steady pace and records how long each answer took: what a well-behaved user notices
//! of whatever else the server is doing.

use std::sync::mpsc::{Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use hdrhistogram::Histogram;

use crate::loader::Client;

/// The key the probe reads. Short and in no tag, so it lives apart from what a test puts in one slot.
const PROBE_KEY: &[u8] = b"probe";
/// Between two questions.
const PACE: Duration = Duration::from_micros(500);
/// Latencies above this are recorded as this.
const LATENCY_MAX: Duration = Duration::from_secs(60);

/// A probe that runs until it is stopped.
pub struct Probe {
    stop: Sender<()>,
    thread: JoinHandle<anyhow::Result<Latencies>>,
}

/// Latencies in microseconds.
pub struct Latencies(Histogram<u64>);

impl Latencies {
    fn new() -> Self {
        let highest = LATENCY_MAX.as_micros() as u64;
        Self(
            Histogram::new_with_bounds(1, highest, 3)
                .expect("constant bounds that the histogram accepts"),
        )
    }

    /// A percentile in milliseconds.
    pub fn ms(&self, percentile: f64) -> f64 {
        self.0.value_at_percentile(percentile) as f64 / 1000.0
    }

    /// The longest wait in milliseconds.
    pub fn longest_ms(&self) -> f64 {
        self.0.max() as f64 / 1000.0
    }

    /// `P50 P99 P99.9 max` as table cells.
    pub fn cells(&self) -> Vec<String> {
        [self.ms(50.0), self.ms(99.0), self.ms(99.9), self.longest_ms()]
            .iter()
            .map(|ms| format!("{ms:.2}"))
            .collect()
    }
}

impl Probe {
    /// Starts asking.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub fn start(port: u16) -> anyhow::Result<Self> {
        let mut client = Client::connect(port)?;
        client.ask_ok(&[b"SET", PROBE_KEY, b"here"])?;
        let (stop, stopped) = channel();
        let thread = std::thread::spawn(move || {
            ask_until(&mut client, || stopped.try_recv() != Err(TryRecvError::Empty))
        });
        Ok(Self { stop, thread })
    }

    /// Stops asking and gives what was seen.
    ///
    /// # Errors
    /// What the connection met.
    pub fn stop(self) -> anyhow::Result<Latencies> {
        // It fails only when the probe has ended by an error, which the join below gives.
        let _ = self.stop.send(());
        self.thread.join().map_err(|_| anyhow!("the probe panicked"))?.context("the probe")
    }
}

/// Asks until a moment.
///
/// # Errors
/// What the connection met.
pub fn probe_until(client: &mut Client, end: Instant) -> anyhow::Result<Latencies> {
    ask_until(client, || Instant::now() >= end)
}

/// A stall is seen by all who would have asked during it, not by one: for an answer later than the pace, the histogram adds the
/// questions that it kept from being asked (hdrhistogram's correction for coordinated omission). The probe does not ask them
/// afterwards: under a server that is merely slower than the pace they would pile up without end.
fn ask_until(client: &mut Client, mut is_over: impl FnMut() -> bool) -> anyhow::Result<Latencies> {
    let mut latencies = Latencies::new();
    while !is_over() {
        let started = Instant::now();
        client.ask_ok(&[b"GET", PROBE_KEY])?;
        let taken = started.elapsed();
        let microseconds = taken.min(LATENCY_MAX).as_micros() as u64;
        latencies
            .0
            .record_correct(microseconds, PACE.as_micros() as u64)
            .context("clamped to the histogram's highest value")?;
        std::thread::sleep(PACE.saturating_sub(taken));
    }
    Ok(latencies)
}
