//! What the arguments of the process ask for.
//!
//! Not `clap`: the grammar is redis-server's, in which every directive of the configuration file
//! is an option that takes all words up to the next one.

use super::REDIS_VERSION;
use super::grammar;
use base::settings::SettingId;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// What to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Invocation {
    /// Print this and end well.
    Print(String),
    /// Print this as an error and end with status 1.
    Refuse(String),
    /// Serve.
    Run(Run),
}

/// How to serve.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Run {
    /// The configuration file.
    pub file: Option<PathBuf>,
    /// Whether more configuration comes from the standard input.
    pub stdin: bool,
    /// Directives of the command line as lines of a configuration file.
    pub lines: Vec<String>,
}

/// Reads the arguments behind the program's name. Pure; O(length).
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Invocation {
    let arguments: Vec<Vec<u8>> = arguments.into_iter().map(OsString::into_vec).collect();
    match arguments.first().map(Vec::as_slice) {
        Some(b"-v" | b"--version") => return Invocation::Print(version()),
        Some(b"-h" | b"--help") => return Invocation::Print(help()),
        _ => {}
    }
    if let Some(refused) = arguments.iter().find_map(|argument| refusal(argument)) {
        return Invocation::Refuse(refused);
    }
    let mut run = Run::default();
    let mut rest = arguments.as_slice();
    if let Some(first) = rest.first().filter(|first| !first.starts_with(b"-")) {
        run.file = Some(PathBuf::from(OsString::from_vec(first.clone())));
        rest = &rest[1..];
    }
    if rest.last().is_some_and(|last| last == b"-") {
        run.stdin = true;
        rest = &rest[..rest.len() - 1];
    }
    run.lines = lines(rest);
    Invocation::Run(run)
}

/// Modes of redis-server that this server does not have, told clearly instead of being taken for
/// an unknown directive.
fn refusal(argument: &[u8]) -> Option<String> {
    let what = match argument {
        b"--sentinel" => "Sentinel mode is not part of corelane: run redis-sentinel for it",
        b"--test-memory" => {
            "there is no memory test in corelane: run memtest86 or memtester for it"
        }
        b"--check-system" => {
            "there is no system check in corelane: the log says at start what is amiss"
        }
        _ => return None,
    };
    Some(format!("corelane: {}: {what}.", String::from_utf8_lossy(argument)))
}

/// Options as lines: a name and all values up to the next option. The word behind a name is its
/// value even when it looks like an option, except behind `--save`, which may stand alone.
fn lines(arguments: &[Vec<u8>]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut value_due = false;
    for argument in arguments {
        match argument.strip_prefix(b"--") {
            Some(name) if !value_due => {
                value_due = !name.eq_ignore_ascii_case(b"save");
                lines.push(String::from_utf8_lossy(name).into_owned());
            }
            _ => {
                value_due = false;
                match lines.last_mut() {
                    Some(line) if line.is_empty() => *line = grammar::quote(argument),
                    Some(line) => *line = format!("{line} {}", grammar::quote(argument)),
                    None => lines.push(grammar::quote(argument)),
                }
            }
        }
    }
    for line in &mut lines {
        if line.eq_ignore_ascii_case("save") {
            line.push_str(" \"\"");
        }
    }
    lines
}

fn version() -> String {
    format!(
        "Corelane server v={} redis={REDIS_VERSION} bits={}\n",
        env!("CARGO_PKG_VERSION"),
        usize::BITS
    )
}

fn help() -> String {
    let mut text = String::from(
        "Usage: corelane [/path/to/redis.conf] [--directive value ...] [-]\n\
         \x20      corelane - (more configuration from the standard input)\n\
         \x20      corelane -v or --version\n\
         \x20      corelane -h or --help\n\
         \n\
         Examples:\n\
         \x20      corelane (all cores, port 6379, no configuration file)\n\
         \x20      corelane /etc/redis/redis.conf\n\
         \x20      corelane --port 7777 --maxmemory 4gb --maxmemory-policy allkeys-lru\n\
         \x20      corelane /etc/redis/redis.conf --loglevel verbose\n\
         \x20      echo 'maxmemory 128mb' | corelane -\n\
         \n\
         Every directive of redis.conf is an option. Directives of corelane's own:\n",
    );
    for name in ["cores", "core-ports", "prefetch-batch", "log-format"] {
        let row = SettingId::find(name.as_bytes()).expect("the table has our own settings").row();
        text.push_str(&format!(
            "  --{:<15} {} (default: {})\n",
            row.name,
            row.help.trim(),
            row.default
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &str) -> Invocation {
        parse(arguments.split_whitespace().map(|word| OsString::from(word.replace('_', " "))))
    }

    fn run(arguments: &str) -> Run {
        match parsed(arguments) {
            Invocation::Run(run) => run,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_file_comes_first_and_options_follow() {
        let run = run("/etc/r.conf --port 7000 --loglevel debug --bind 127.0.0.1 ::1");
        assert_eq!(run.file, Some(PathBuf::from("/etc/r.conf")));
        assert_eq!(
            run.lines,
            ["port \"7000\"", "loglevel \"debug\"", "bind \"127.0.0.1\" \"::1\""]
        );
        assert!(!run.stdin);
    }

    #[test]
    fn nothing_asks_for_the_defaults() {
        assert_eq!(run(""), Run::default());
    }

    #[test]
    fn a_dash_reads_the_standard_input_with_or_without_a_file() {
        assert_eq!(run("-"), Run { stdin: true, ..Run::default() });
        let both = run("a.conf --hz 5 -");
        assert_eq!(
            (both.file, both.stdin, both.lines),
            (Some("a.conf".into()), true, vec!["hz \"5\"".into()])
        );
    }

    #[test]
    fn the_word_behind_a_name_is_its_value_and_save_may_stand_alone() {
        assert_eq!(run("--port --hz 5").lines, ["port \"--hz\" \"5\""]);
        assert_eq!(run("--save --hz 5").lines, ["save \"\"", "hz \"5\""]);
        assert_eq!(run("--save 60 1 --save 70_2").lines, ["save \"60\" \"1\"", "save \"70 2\""]);
        assert_eq!(run("--hz").lines, ["hz"]);
        assert_eq!(run("-x").lines, ["\"-x\""]);
        assert_eq!(run("-- 5").lines, ["\"5\""]);
    }

    #[test]
    fn version_and_help_are_printed_and_other_modes_are_refused() {
        assert!(matches!(parsed("-v"), Invocation::Print(text) if text.contains(REDIS_VERSION)));
        assert!(
            matches!(parsed("--help"), Invocation::Print(text) if text.contains("--core-ports"))
        );
        for mode in ["--sentinel", "a.conf --sentinel", "--test-memory 50", "--check-system"] {
            assert!(matches!(parsed(mode), Invocation::Refuse(_)), "{mode}");
        }
    }
}
