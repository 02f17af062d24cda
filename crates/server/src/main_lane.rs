//! The main thread: it waits for signals and for cores that need the process.

use crate::gauge;
use crate::logging::Logging;
use crate::office::Office;
use crate::parcel::Parcel;
use anyhow::{Context, Result};
use engine::action::Request;
use engine::event::Control;
use mailbox::Mailbox;
use reactor::Waker;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

/// How often the kernel is asked about the process, the log about lines that it dropped, and free memory given back.
const ROUND_EVERY: Duration = Duration::from_millis(200);

/// The main thread's end of the mesh. Whoever has mail for it writes a byte into its bell, and so
/// does every signal that ends the process.
pub struct MainLane {
    mailbox: Mailbox<Parcel>,
    doorbell: UnixStream,
    bell: UnixStream,
    cores: Vec<Waker>,
    office: Office,
    ended: usize,
    ending: bool,
}

impl MainLane {
    /// The lane to these cores.
    pub fn new(
        mailbox: Mailbox<Parcel>,
        (doorbell, bell): (UnixStream, UnixStream),
        cores: Vec<Waker>,
        office: Office,
    ) -> MainLane {
        MainLane { mailbox, doorbell, bell, cores, office, ended: 0, ending: false }
    }

    /// Serves until every core has ended. Returns after SIGTERM, SIGINT or SHUTDOWN.
    pub fn run(&mut self, logging: &mut Logging) -> Result<()> {
        let signals = self.listen_for_signals()?;
        self.doorbell.set_read_timeout(Some(ROUND_EVERY))?;
        let mut round_at = Instant::now();
        while self.ended < self.cores.len() {
            self.wait()?;
            if round_at.elapsed() >= ROUND_EVERY && !self.ending {
                round_at = Instant::now();
                self.say(0, Parcel::Figures(gauge::process_figures()));
                logging.report_drops();
                reactor::give_back_free_pages();
            }
            for signal in signals.try_iter() {
                tracing::warn!("Received {}, scheduling shutdown...", signal_name(signal));
                self.end();
            }
            self.take_mail(logging);
        }
        Ok(())
    }

    /// Sleeps until the bell rings or the figures are due.
    fn wait(&mut self) -> Result<()> {
        if !self.mailbox.sleep() {
            return Ok(());
        }
        let outcome = self.doorbell.read(&mut [0u8; 64]);
        self.mailbox.awake();
        match outcome {
            Err(error) if !matches!(error.kind(), WouldBlock | TimedOut | Interrupted) => {
                Err(error).context("the main thread's bell")
            }
            _ => Ok(()),
        }
    }

    /// A thread of its own waits for signals, says which, and rings the bell. A terminal that goes
    /// away does not end the server, as it does not end Redis.
    fn listen_for_signals(&self) -> Result<Receiver<i32>> {
        let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP]).context("signals")?;
        let mut bell = self.bell.try_clone()?;
        let (say, said) = mpsc::channel();
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for signal in signals.forever().filter(|signal| *signal != SIGHUP) {
                // A full bell rings already; without a listener the process is ending.
                let _ = (say.send(signal), bell.write(&[1]));
            }
        })?;
        Ok(said)
    }

    fn take_mail(&mut self, logging: &Logging) {
        let mut mail = Vec::new();
        self.mailbox.drain(reactor::monotonic_ns, |from, parcel| mail.push((from, parcel)));
        for (from, parcel) in mail {
            match parcel {
                Parcel::Request(ticket, request) => self.serve(from, ticket, request, logging),
                Parcel::Ended => self.ended += 1,
                _ => unreachable!("cores send the main thread requests and their end"),
            }
        }
    }

    fn serve(&mut self, core: usize, ticket: u64, request: Request, logging: &Logging) {
        let answer = match request {
            Request::Shutdown { .. } => return self.end(),
            Request::AbortShutdown => Err("ERR No shutdown in progress.".to_owned()),
            Request::RewriteConfig(settings) => self.office.rewrite(&settings),
            Request::ApplySettings(pairs) => self.apply(&pairs, logging),
            Request::LogLine(line) => {
                tracing::info!("{line}");
                Ok("OK".to_owned())
            }
        };
        self.say(core, Parcel::Control(Control::Answer(ticket, answer)));
    }

    /// Applies settings that belong to the process, all of them or none.
    fn apply(&mut self, pairs: &[(String, String)], logging: &Logging) -> Result<String, String> {
        let change = self.office.apply(pairs)?;
        logging.set_level(&self.office.settings);
        let admission = self.office.admission();
        self.say(0, Parcel::Admission(admission));
        if let Some(doors) = change {
            self.say(0, Parcel::Doors(doors));
        }
        Ok("OK".to_owned())
    }

    /// Has every core end.
    fn end(&mut self) {
        if !std::mem::replace(&mut self.ending, true) {
            for core in 0..self.cores.len() {
                self.say(core, Parcel::Control(Control::Drain));
            }
        }
    }

    /// Says something to a core. The ring is never full: a core has few questions under way.
    fn say(&mut self, core: usize, parcel: Parcel) {
        if self.mailbox.push(core, parcel).is_err() {
            tracing::error!(core, "the ring from the main thread is full; an answer is lost");
        }
        for sleeper in self.mailbox.publish(reactor::monotonic_ns) {
            self.cores[sleeper].wake();
        }
    }
}

fn signal_name(signal: i32) -> &'static str {
    if signal == SIGINT { "SIGINT" } else { "SIGTERM" }
}
