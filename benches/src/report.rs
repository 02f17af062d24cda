//! What a run leaves behind: a table on the terminal, and a folder with CSV, SVG bar charts and the method (machine, versions, every
//! command line), so that a figure can be traced to what produced it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

/// Collects a run's output and writes it in the end.
pub struct Report {
    name: &'static str,
    folder: Option<PathBuf>,
    text: String,
    command_lines: BTreeSet<String>,
}

/// A table under construction: the header, and rows of cells.
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(header: &[&str]) -> Self {
        Self { rows: vec![header.iter().map(|cell| (*cell).to_owned()).collect()] }
    }

    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Columns aligned with spaces; the first to the left, the others to the right.
    pub fn aligned(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
        };
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let width = widths[column];
                let _ = if column == 0 {
                    write!(line, "{cell:<width$}")
                } else {
                    write!(line, "  {cell:>width$}")
                };
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    /// Comma-separated; cells hold no commas but command lines, which are quoted.
    pub fn csv(&self) -> String {
        let mut text = String::new();
        for row in &self.rows {
            let cells = row.iter().map(|cell| {
                if cell.contains([',', '"']) {
                    format!("\"{}\"", cell.replace('"', "\"\""))
                } else {
                    cell.clone()
                }
            });
            text.push_str(&cells.collect::<Vec<_>>().join(","));
            text.push('\n');
        }
        text
    }
}

impl Report {
    /// Starts a report and prints its head. With a folder, [`Report::finish`] writes `<name>.txt` there.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn new(name: &'static str, folder: Option<&Path>) -> anyhow::Result<Self> {
        if let Some(folder) = folder {
            fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        }
        let mut report = Self {
            name,
            folder: folder.map(Path::to_owned),
            text: String::new(),
            command_lines: BTreeSet::new(),
        };
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        report.line(&format!("benches {}", crate::process::printable(&arguments)));
        report.line(&machine());
        Ok(report)
    }

    /// A line to the terminal and the file.
    pub fn line(&mut self, line: &str) {
        println!("{line}");
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// A table to the terminal and the file, and as `<name>-<table>.csv`.
    ///
    /// # Errors
    /// What the file system says.
    pub fn table(&mut self, table_name: &str, table: &Table) -> anyhow::Result<()> {
        self.line("");
        self.line(table.aligned().trim_end());
        self.csv(table_name, table)
    }

    /// A table as a file only, for raw rounds.
    ///
    /// # Errors
    /// What the file system says.
    pub fn csv(&self, table_name: &str, table: &Table) -> anyhow::Result<()> {
        self.file(&format!("{}-{table_name}.csv", self.name), &table.csv())
    }

    /// A chart as `<name>-<chart>.svg`.
    ///
    /// # Errors
    /// What the file system says.
    pub fn chart(&self, chart_name: &str, svg: &str) -> anyhow::Result<()> {
        self.file(&format!("{}-{chart_name}.svg", self.name), svg)
    }

    /// Remembers a command line; each is written once.
    pub fn command_line(&mut self, line: &str) {
        self.command_lines.insert(line.to_owned());
    }

    /// Writes the text with all command lines.
    ///
    /// # Errors
    /// What the file system says.
    pub fn finish(mut self) -> anyhow::Result<()> {
        self.text.push_str("\nCommand lines\n");
        for line in &self.command_lines {
            self.text.push_str(line);
            self.text.push('\n');
        }
        self.file(&format!("{}.txt", self.name), &self.text)?;
        if let Some(folder) = &self.folder {
            println!("\nwritten to {}", folder.display());
        }
        Ok(())
    }

    fn file(&self, name: &str, content: &str) -> anyhow::Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        fs::write(folder.join(name), content).with_context(|| format!("writing {name}"))
    }
}

/// CPU model, CPUs, memory, kernel, date and load, in one line.
fn machine() -> String {
    let file = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = file("/proc/cpuinfo");
    let named = |name: &str| {
        cpuinfo.lines().find(|line| line.starts_with(name)).and_then(|line| line.split_once(": "))
    };
    let model = named("model name").or(named("CPU part")).map_or("unknown CPU", |(_, value)| value);
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let memory_kib = file("/proc/meminfo")
        .split_whitespace()
        .nth(1)
        .and_then(|number| number.parse::<u64>().ok())
        .unwrap_or(0);
    let output = |words: &[&str]| {
        let output = Command::new(words[0]).args(&words[1..]).output();
        output
            .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
            .unwrap_or_default()
    };
    format!(
        "machine: {model}, {cpus} CPUs, {} GiB; {}; {}; load average {}",
        memory_kib >> 20,
        output(&["uname", "-srm"]),
        output(&["date", "-u", "+%Y-%m-%d %H:%M UTC"]),
        file("/proc/loadavg").split_whitespace().next().unwrap_or("unknown"),
    )
}

/// The middle of some figures; the mean of the two middle ones when their number is even. NaN for none.
pub fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => sorted[count / 2],
        count => f64::midpoint(sorted[count / 2 - 1], sorted[count / 2]),
    }
}

/// `low–high`, for the reader to judge the noise.
pub fn spread(figures: &[f64], decimals: usize) -> String {
    let low = figures.iter().copied().fold(f64::INFINITY, f64::min);
    let high = figures.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if figures.is_empty() { "-".into() } else { format!("{low:.decimals$}–{high:.decimals$}") }
}

/// Grouped horizontal bars. `groups` are (title, bars), a bar is (label, value); values share one axis that starts at 0.
pub fn bar_chart(title: &str, unit: &str, groups: &[(String, Vec<(String, f64)>)]) -> String {
    const BAR: usize = 20;
    const LABEL: f64 = 170.0;
    const PLOT: f64 = 520.0;
    const COLOURS: [&str; 7] =
        ["#2f6f9f", "#7a7a7a", "#b5523b", "#8a6d3b", "#5b8c5a", "#7d5ba6", "#c08a2b"];
    let most = groups
        .iter()
        .flat_map(|(_, bars)| bars)
        .map(|(_, value)| *value)
        .filter(|value| value.is_finite())
        .fold(0.0, f64::max);
    let height = 50 + groups.iter().map(|(_, bars)| 34 + bars.len() * BAR).sum::<usize>();
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"800\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n<text x=\"10\" y=\"22\" font-size=\"15\">{}</text>\n",
        escaped(title)
    );
    let mut y = 44;
    for (group, bars) in groups {
        let _ = writeln!(
            svg,
            "<text x=\"10\" y=\"{}\" font-weight=\"bold\">{}</text>",
            y + 8,
            escaped(group)
        );
        y += 16;
        for (at, (label, value)) in bars.iter().enumerate() {
            let width = if most > 0.0 && value.is_finite() { PLOT * value / most } else { 0.0 };
            let _ = writeln!(
                svg,
                "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text><rect x=\"{LABEL}\" y=\"{y}\" width=\"{width:.1}\" height=\"{}\" fill=\"{}\"/>\
                 <text x=\"{:.1}\" y=\"{}\">{value:.2} {}</text>",
                LABEL - 6.0,
                y + 13,
                escaped(label),
                BAR - 4,
                COLOURS[at % COLOURS.len()],
                LABEL + width + 5.0,
                y + 13,
                escaped(unit)
            );
            y += BAR;
        }
        y += 18;
    }
    svg.push_str("</svg>\n");
    svg
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_of_even_and_odd_counts() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn tables_align_and_csv_quotes_commas() {
        let mut table = Table::new(&["a", "b"]);
        table.row(vec!["long".into(), "1,5".into()]);
        assert_eq!(table.aligned(), "a       b\nlong  1,5\n");
        assert_eq!(table.csv(), "a,b\nlong,\"1,5\"\n");
    }
}
