//! What was found, for people: one finding, the end of a run, and a survey as a page.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use super::intended::INTENDED;
use super::run::{Difference, Runner};
use super::script::Action;
use super::signature::{MISSING, command_name};
use crate::cli::RandomArgs;
use crate::r#gen::CONNECTIONS;

/// In a survey a command that differed so often in different ways is no longer asked.
const MASK_AFTER: usize = 3;

/// A difference with its short script.
pub struct Finding {
    /// The seed of the script it was met in.
    pub seed: u64,
    /// Protocol versions of the connections.
    pub protocols: [u8; CONNECTIONS],
    /// Whether it showed again in a replay.
    pub confirmed: bool,
    /// The shortest script found, or the last actions before an unconfirmed one.
    pub script: Vec<Action>,
    /// The difference itself, of the shortest script.
    pub difference: Difference,
    /// What was no longer asked when it was met; a seed gives the same script only with the same list.
    pub skipped: Vec<String>,
}

impl Finding {
    fn script_text(&self) -> String {
        self.script.iter().map(Action::show).collect::<Vec<_>>().join("\n")
    }

    /// A readable report.
    pub fn show(&self, args: &RandomArgs) -> String {
        let mut text = format!(
            "DIFFERENCE in seed {} (connections speak RESP {:?})\n",
            self.seed, self.protocols
        );
        let title = if self.confirmed {
            "shortest script"
        } else {
            "NOT repeated by replays; the last requests were"
        };
        let _ = writeln!(text, "  {title}:");
        for line in self.script_text().lines() {
            let _ = writeln!(text, "    {line}");
        }
        let _ = writeln!(text, "  request:  {}", self.difference.request);
        let _ = writeln!(text, "  expected: {}", clipped(&self.difference.expected));
        let _ = writeln!(text, "  got:      {}", clipped(&self.difference.got));
        let _ = writeln!(text, "  reproduce: {}", args.command_line(self.seed, &self.skipped));
        text
    }
}

/// The findings of a run.
pub struct Survey {
    /// One of each signature.
    pub findings: Vec<Finding>,
    repeats: BTreeMap<String, usize>,
    title: String,
}

impl Survey {
    /// An empty survey of a run.
    pub fn new(args: &RandomArgs) -> Survey {
        Survey {
            findings: Vec::new(),
            repeats: BTreeMap::new(),
            title: args.course.places.subject_name(),
        }
    }

    /// Whether a difference like this has been shown already.
    pub fn knows(&self, difference: &Difference) -> bool {
        self.findings.iter().any(|finding| {
            finding.confirmed && finding.difference.signature == difference.signature
        })
    }

    /// Adds a finding. Returns a command that should not be asked any more, because it hides what comes after it.
    pub fn add(&mut self, finding: Finding) -> Option<String> {
        if let Some(name) = finding.difference.signature.strip_prefix(MISSING) {
            let name = name.to_owned();
            self.keep(finding);
            return Some(name);
        }
        let command = command_of(&finding);
        let repeats = self.repeats.entry(command.clone()).or_default();
        *repeats += 1;
        let mask = *repeats >= MASK_AFTER && !command.starts_with('(');
        self.keep(finding);
        mask.then_some(command)
    }

    fn keep(&mut self, finding: Finding) {
        if !self
            .findings
            .iter()
            .any(|other| other.difference.signature == finding.difference.signature)
        {
            self.findings.push(finding);
        }
    }

    /// Prints the end of a run.
    pub fn finish(&self, runner: &Runner, first: u64, next: u64, took: Duration) {
        for (name, count) in &runner.excused {
            let reason = INTENDED.iter().find(|row| row.name == *name).map_or("", |row| row.reason);
            println!("intended difference {name}: {count} times ({reason})");
        }
        let verdict = match self.findings.len() {
            0 => "no unexplained difference".to_owned(),
            n => format!("{n} kinds of UNEXPLAINED difference"),
        };
        println!(
            "{verdict}: {} requests compared, seeds {first}..{next}, {:.1} s; go on with --seeds {next}..",
            runner.compared,
            took.as_secs_f64()
        );
    }

    /// All findings as a page, grouped by command.
    pub fn markdown(&self, args: &RandomArgs) -> String {
        let mut groups: BTreeMap<String, Vec<&Finding>> = BTreeMap::new();
        for finding in &self.findings {
            groups.entry(command_of(finding)).or_default().push(finding);
        }
        let mut page = format!(
            "# Differences of {} from redis-server 7.0\n\n{} kinds.\n",
            self.title,
            self.findings.len()
        );
        for (command, findings) in groups {
            let _ = writeln!(page, "\n## {command}\n");
            for finding in findings {
                let unsure = if finding.confirmed { "" } else { " (not repeated by replays)" };
                let _ = writeln!(
                    page,
                    "- `{}` seed {}{unsure}",
                    clipped(&finding.difference.request),
                    finding.seed
                );
                let _ = writeln!(
                    page,
                    "  ```\n  {}",
                    clipped(&finding.script_text()).replace('\n', "\n  ")
                );
                let _ = writeln!(
                    page,
                    "  expected: {}",
                    clipped(&finding.difference.expected).replace('\n', "\n  ")
                );
                let _ = writeln!(
                    page,
                    "  got:      {}\n  ```",
                    clipped(&finding.difference.got).replace('\n', "\n  ")
                );
            }
        }
        let _ = writeln!(
            page,
            "\nReproduce one: `{}`",
            args.command_line(0, &args.skip).replace("--seed 0", "--seed SEED")
        );
        page
    }
}

/// Pages are for reading; a longer reply is cut.
const CLIPPED_CHARS: usize = 1500;

fn clipped(text: &str) -> String {
    match text.char_indices().nth(CLIPPED_CHARS) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// What a finding is filed under, in the words that `--skip` takes.
fn command_of(finding: &Finding) -> String {
    let signature = &finding.difference.signature;
    // `(unknown commands)`, `(unknown sub-commands): …`, `(missing) NAME`, `crash PLACE` file themselves.
    let groups_itself =
        ["(unknown", MISSING, "crash"].iter().any(|start| signature.starts_with(start));
    if groups_itself {
        return signature.split(": ").next().unwrap_or(signature).to_owned();
    }
    if signature.starts_with("raw") {
        return "(raw bytes)".to_owned();
    }
    let request = finding.difference.request.trim_start_matches("(after) ");
    let request = match request.split_once(") ") {
        Some((scope, rest)) if scope.starts_with("(database") => rest,
        _ => request,
    };
    let words: Vec<Vec<u8>> = request.split(' ').map(|word| word.as_bytes().to_vec()).collect();
    command_name(&words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(request: &str) -> Finding {
        let difference = Difference {
            action: 0,
            request: request.to_owned(),
            expected: ":1".to_owned(),
            got: ":2".to_owned(),
            signature: request.to_owned(),
        };
        Finding {
            seed: 1,
            protocols: [2; CONNECTIONS],
            confirmed: true,
            script: Vec::new(),
            difference,
            skipped: Vec::new(),
        }
    }

    #[test]
    fn findings_are_filed_under_their_command() {
        assert_eq!(command_of(&finding("get k")), "GET");
        assert_eq!(command_of(&finding("object encoding k")), "OBJECT ENCODING");
        assert_eq!(command_of(&finding("(database 3) GET k")), "GET");
        assert_eq!(command_of(&finding("(after) PING")), "PING");
    }
}
