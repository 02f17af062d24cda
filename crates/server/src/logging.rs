//! Logs: `tracing` events as Redis' lines or as JSON, through a bounded, non-blocking way out.
//!
//! A data core never writes a file: it hands its line to a queue of [`LINES_MAX`] lines and goes
//! on; one thread of `tracing-appender` writes. At the bound a line is dropped and counted, and
//! [`Logging::report_drops`] tells of it in the log itself.
//!
//! Weights: `tracing`'s TRACE, DEBUG, INFO and WARN are Redis' debug, verbose, notice and warning;
//! ERROR is a warning too, because Redis has none above.
//!
//! A log file is opened for each batch of lines and closed after it, so that logrotate may move it
//! away without a signal; Redis opens it for each line.

use crate::config::REDIS_VERSION;
use crate::config::load::system_reason;
use base::Settings;
use base::settings::{LOG_FORMAT, LOGFILE, LOGLEVEL};
use std::ffi::OsStr;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry, reload};

/// Lines that wait to be written at the most; more are dropped and counted.
const LINES_MAX: usize = 16 * 1024;

/// The log of this process; lines still waiting are written when it is dropped.
pub struct Logging {
    level: reload::Handle<LevelFilter, Registry>,
    dropped: ErrorCounter,
    dropped_before: usize,
    _writer: WorkerGuard,
}

impl Logging {
    /// Starts to log as the settings say. Call it once, after `dir` was entered, because `logfile`
    /// may be relative. The error says why the file cannot be opened, as Redis says it.
    pub fn start(settings: &Settings) -> io::Result<Logging> {
        let sink = Sink::open(settings).map_err(|error| {
            let text = format!(
                "\n*** FATAL CONFIG FILE ERROR (Redis {REDIS_VERSION}) ***\nCan't open the log file: {}",
                system_reason(&error)
            );
            io::Error::new(error.kind(), text)
        })?;
        let (subscriber, logging) = build(settings, sink);
        tracing::subscriber::set_global_default(subscriber).map_err(io::Error::other)?;
        Ok(logging)
    }

    /// Follows a change of `loglevel`.
    pub fn set_level(&self, settings: &Settings) {
        // Fails only when the subscriber is gone, and then nobody logs.
        let _ = self.level.reload(level(settings));
    }

    /// Lines dropped since the start.
    pub fn dropped(&self) -> usize {
        self.dropped.dropped_lines()
    }

    /// Logs how many lines were dropped since the last report, if any. For a slow tick of the
    /// admin side.
    pub fn report_drops(&mut self) {
        let dropped = self.dropped();
        let fresh = dropped.saturating_sub(self.dropped_before);
        if fresh > 0 {
            tracing::warn!(
                "{fresh} log lines were dropped, because they came faster than they can be written"
            );
            self.dropped_before = dropped;
        }
    }
}

/// The least weight that is logged.
fn level(settings: &Settings) -> LevelFilter {
    match settings.choice(LOGLEVEL) {
        "debug" => LevelFilter::TRACE,
        "verbose" => LevelFilter::DEBUG,
        "notice" => LevelFilter::INFO,
        "warning" => LevelFilter::WARN,
        _ => LevelFilter::OFF,
    }
}

/// A subscriber that writes to `sink`, and the handle to it.
fn build(settings: &Settings, sink: Sink) -> (impl Subscriber + Send + Sync, Logging) {
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(LINES_MAX)
        .lossy(true)
        .thread_name("log")
        .finish(sink);
    let dropped = writer.error_counter();
    let (filter, level) = reload::Layer::new(level(settings));
    let lines = lines(settings.choice(LOG_FORMAT), writer);
    let subscriber = Registry::default().with(lines.with_filter(filter));
    (subscriber, Logging { level, dropped, dropped_before: 0, _writer: guard })
}

/// The layer that makes lines of the wished form.
fn lines<S>(format: &str, writer: NonBlocking) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    NonBlocking: for<'a> MakeWriter<'a>,
{
    let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(writer);
    match format {
        "json" => layer.json().flatten_event(true).with_timer(IsoTime).boxed(),
        _ => layer.event_format(RedisLines { pid: std::process::id() }).boxed(),
    }
}

/// Time stamps of JSON lines: RFC 3339 in UTC, to the millisecond.
struct IsoTime;

impl tracing_subscriber::fmt::time::FormatTime for IsoTime {
    fn format_time(&self, out: &mut Writer<'_>) -> fmt::Result {
        write!(out, "{:.3}", jiff::Timestamp::now())
    }
}

/// Lines as Redis writes them: `pid:role day month year time weight message`.
struct RedisLines {
    pid: u32,
}

impl<S, N> FormatEvent<S, N> for RedisLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let now = jiff::Zoned::now();
        let sign = sign(*event.metadata().level());
        write!(out, "{}:M {} {sign} ", self.pid, now.strftime("%d %b %Y %H:%M:%S%.3f"))?;
        context.field_format().format_fields(out.by_ref(), event)?;
        writeln!(out)
    }
}

/// How Redis marks a weight.
fn sign(level: Level) -> char {
    match level {
        Level::TRACE => '.',
        Level::DEBUG => '-',
        Level::INFO => '*',
        Level::WARN | Level::ERROR => '#',
    }
}

/// Where lines go.
enum Sink {
    Stdout,
    File { path: PathBuf, open: Option<File> },
}

impl Sink {
    /// The sink that `logfile` names. Opens the file once, so that a wrong path is told at start.
    fn open(settings: &Settings) -> io::Result<Sink> {
        match settings.text(LOGFILE) {
            b"" => Ok(Sink::Stdout),
            path => {
                let path = std::path::absolute(OsStr::from_bytes(path))?;
                let open = Some(append(&path)?);
                Ok(Sink::File { path, open })
            }
        }
    }
}

fn append(path: &std::path::Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

impl Write for Sink {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self {
            Sink::Stdout => io::stdout().write(line),
            Sink::File { path, open } => {
                let file = match open.take() {
                    Some(file) => file,
                    None => append(path)?,
                };
                open.insert(file).write(line)
            }
        }
    }

    /// The writing thread calls it after each batch.
    fn flush(&mut self) -> io::Result<()> {
        match self {
            Sink::Stdout => io::stdout().flush(),
            Sink::File { open, .. } => {
                *open = None;
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::settings::SettingId;

    /// What is in the file after `events` ran under these settings.
    fn logged(pairs: &[(SettingId, &str)], events: impl FnOnce(&Logging, &mut Settings)) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut settings = Settings::default();
        settings.set(LOGFILE, path.as_os_str().as_bytes()).unwrap();
        for (id, value) in pairs {
            settings.set(*id, value.as_bytes()).unwrap();
        }
        let (subscriber, logging) = build(&settings, Sink::open(&settings).unwrap());
        tracing::subscriber::with_default(subscriber, || events(&logging, &mut settings));
        drop(logging);
        std::fs::read_to_string(&path).unwrap()
    }

    #[test]
    fn text_lines_look_like_those_of_redis() {
        let log = logged(&[(LOGLEVEL, "debug")], |_, _| {
            tracing::trace!("one");
            tracing::debug!("two");
            tracing::info!(port = 6379, "three");
            tracing::warn!("four");
            tracing::error!("five");
        });
        let signs: Vec<&str> = log.lines().map(|line| line.split(' ').nth(5).unwrap()).collect();
        assert_eq!(signs, [".", "-", "*", "#", "#"]);
        let third = log.lines().nth(2).unwrap();
        assert!(third.starts_with(&format!("{}:M ", std::process::id())), "{third}");
        assert!(third.ends_with(" * three port=6379"), "{third}");
        let time = third.split(' ').nth(4).unwrap();
        assert_eq!((time.len(), &time[2..3], &time[8..9]), (12, ":", "."), "{third}");
    }

    #[test]
    fn json_lines_are_objects_with_time_level_and_message() {
        let log =
            logged(&[(LOG_FORMAT, "json")], |_, _| tracing::info!(port = 6379, "ready \"now\""));
        let line = log.trim_end();
        assert!(line.starts_with("{\"timestamp\":\"") && line.ends_with('}'), "{line}");
        for part in ["\"level\":\"INFO\"", "\"message\":\"ready \\\"now\\\"\"", "\"port\":6379"] {
            assert!(line.contains(part), "{part} in {line}");
        }
    }

    #[test]
    fn the_level_filters_and_can_change_while_running() {
        let log = logged(&[], |logging, settings| {
            tracing::debug!("hidden");
            settings.set(LOGLEVEL, b"verbose").unwrap();
            logging.set_level(settings);
            tracing::debug!("shown");
            settings.set(LOGLEVEL, b"nothing").unwrap();
            logging.set_level(settings);
            tracing::error!("hidden too");
        });
        assert_eq!(log.lines().count(), 1);
        assert!(log.ends_with("- shown\n"));
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_told_at_start() {
        let mut settings = Settings::default();
        settings.set(LOGFILE, b"/nonexistent/log").unwrap();
        assert!(Sink::open(&settings).is_err());
    }

    #[test]
    fn a_file_that_was_moved_away_is_opened_anew_after_a_batch() {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (folder.path().join("log"), folder.path().join("log.1"));
        let mut sink = Sink::File { path: path.clone(), open: None };
        sink.write_all(b"one\n").unwrap();
        sink.flush().unwrap();
        std::fs::rename(&path, &moved).unwrap();
        sink.write_all(b"two\n").unwrap();
        assert_eq!(std::fs::read_to_string(&moved).unwrap(), "one\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two\n");
    }
}
