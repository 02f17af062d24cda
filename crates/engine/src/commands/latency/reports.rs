//! LATENCY GRAPH and DOCTOR: series as a picture, and as prose.

use super::spikes::{Sample, Series};
use std::fmt::Write;

/// Columns of a picture before it is continued below.
const COLUMNS_MAX: usize = 80;

/// Lines of a picture.
const ROWS: usize = 4;

/// Heights within one line, lowest first.
const HEIGHTS: [char; 3] = ['_', 'o', '#'];

/// A picture of a series: a column a spike, its age in letters below.
pub fn graph(event: &str, series: &Series, unix_s: i64) -> String {
    let lows = series.samples.iter().map(|sample| sample.ms);
    let (low, high) = (lows.clone().min().unwrap_or(0), lows.max().unwrap_or(0));
    let mut text =
        format!("{event} - high {high} ms, low {low} ms (all time high {} ms)\n", series.max_ms);
    text.extend(std::iter::repeat_n('-', COLUMNS_MAX));
    text.push('\n');
    let samples: Vec<Sample> = series.samples.iter().copied().collect();
    for columns in samples.chunks(COLUMNS_MAX) {
        picture(columns, low, high, &mut text);
        ages(columns, unix_s, &mut text);
    }
    text
}

fn picture(columns: &[Sample], low: u64, high: u64, text: &mut String) {
    let steps = ROWS * HEIGHTS.len();
    let range = (high - low).max(1) as f64;
    let height = |sample: &Sample| {
        (((sample.ms - low) as f64 / range * steps as f64) as usize).min(steps - 1)
    };
    for row in (0..ROWS).rev() {
        for step in columns.iter().map(height) {
            text.push(match (step / HEIGHTS.len()).cmp(&row) {
                std::cmp::Ordering::Less => ' ',
                std::cmp::Ordering::Equal => HEIGHTS[step % HEIGHTS.len()],
                std::cmp::Ordering::Greater => '|',
            });
        }
        text.push('\n');
    }
}

/// How long ago each column was, written downwards.
fn ages(columns: &[Sample], unix_s: i64, text: &mut String) {
    let age = |sample: &Sample| match unix_s - sample.unix_s {
        seconds @ ..60 => format!("{seconds}s"),
        seconds @ ..3600 => format!("{}m", seconds / 60),
        seconds @ ..86_400 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86_400),
    };
    let labels: Vec<String> = columns.iter().map(age).collect();
    text.extend(std::iter::repeat_n(' ', columns.len()));
    text.push('\n');
    for line in 0..labels.iter().map(String::len).max().unwrap_or(0) {
        let letter = |label: &String| label.as_bytes().get(line).map_or(' ', |byte| *byte as char);
        text.extend(labels.iter().map(letter));
        text.push('\n');
    }
}

/// What LATENCY DOCTOR says while nothing is watched.
const NOT_WATCHING: &str = "I'm sorry, Dave, I can't do that. Latency monitoring is disabled in this \
    Redis instance. You may use \"CONFIG SET latency-monitor-threshold <milliseconds>.\" in order to \
    enable it. If we weren't in a deep space mission I'd suggest to take a look at \
    https://redis.io/topics/latency-monitor.\n";

/// What it says when there was nothing.
const NOTHING_SEEN: &str = "Dave, no latency spike was observed during the lifetime of this Redis \
    instance, not in the slightest bit. I honestly think you ought to sit down calmly, take a stress \
    pill, and think things over.\n";

const SPIKES_SEEN: &str = "Dave, I have observed latency spikes in this Redis instance. You don't mind \
    talking about it, do you Dave?\n\n";

/// A report in prose. The figures are Redis'; the advice is what helps on this server.
pub fn doctor(all: &[(&'static str, Series)], threshold_ms: i64, unix_s: i64) -> String {
    let all: Vec<_> = all.iter().filter(|(_, series)| !series.samples.is_empty()).collect();
    if all.is_empty() {
        return if threshold_ms == 0 { NOT_WATCHING } else { NOTHING_SEEN }.to_owned();
    }
    let mut text = SPIKES_SEEN.to_owned();
    for (number, (event, series)) in all.iter().enumerate() {
        let count = series.samples.len() as u64;
        let average = series.samples.iter().map(|sample| sample.ms).sum::<u64>() / count;
        let deviation =
            series.samples.iter().map(|sample| sample.ms.abs_diff(average)).sum::<u64>() / count;
        let span = unix_s - series.samples[0].unix_s;
        let period = span.max(0) as f64 / count as f64;
        let _ = writeln!(
            text,
            "{}. {event}: {count} latency spikes (average {average}ms, mean deviation \
             {deviation}ms, period {period:.2} sec). Worst all time event {}ms.",
            number + 1,
            series.max_ms,
        );
    }
    text += "\nI have a few advices for you:\n\n";
    for (event, _) in &all {
        text += match *event {
            "expire-cycle" => {
                "- Many keys expire at the same time: spread their times to live, or lower \
                 active-expire-effort.\n"
            }
            _ => {
                "- Look into SLOWLOG GET for the commands that take long, and into INFO corelane \
                 for the core that is busiest.\n"
            }
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series() -> Series {
        let mut series = Series::default();
        for (unix_s, ms) in [(95, 50), (96, 20), (97, 100), (99, 500), (100, 13), (102, 200)] {
            series.note(Sample { unix_s, ms });
        }
        series
    }

    #[test]
    fn a_graph_looks_as_redis_draws_it() {
        let line = "-".repeat(80);
        let expected = format!(
            "command - high 500 ms, low 13 ms (all time high 500 ms)\n{line}\n   #  \n   |  \n   | \
             o\n__#|_|\n      \n876431\nssssss\n"
        );
        assert_eq!(graph("command", &series(), 103), expected);
    }

    #[test]
    fn the_doctor_tells_average_deviation_and_period() {
        let text = doctor(&[("command", series())], 10, 103);
        assert!(text.contains(
            "1. command: 6 latency spikes (average 147ms, mean deviation 135ms, period 1.33 sec). \
             Worst all time event 500ms.\n"
        ));
        assert!(doctor(&[], 0, 0).starts_with("I'm sorry, Dave"));
        assert!(doctor(&[("command", Series::default())], 1, 0).starts_with("Dave, no latency"));
    }
}
