//! From lines to settings.

use super::command_line::Run;
use super::{Files, REDIS_VERSION, grammar};
use base::Settings;
use base::settings::{self, Meaning, SettingId};
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// How deep files may include each other; deeper is taken for a circle and refused.
const INCLUDE_DEPTH_MAX: usize = 16;

/// What a configuration came to.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings. `dir` is absolute.
    pub settings: Settings,
    /// The configuration file, absolute, which CONFIG REWRITE rewrites.
    pub file: Option<PathBuf>,
    /// Commands with other names, in the order given.
    pub renames: Vec<Rename>,
    /// Lines for the log, of weight `warning`: what has no meaning here.
    pub warnings: Vec<String>,
}

impl Loaded {
    /// Makes `dir` the working folder of the process. Before the log starts: `logfile`, `pidfile`
    /// and `unixsocket` may be relative to it.
    pub fn enter_dir(&self) -> std::io::Result<()> {
        std::env::set_current_dir(OsStr::from_bytes(self.settings.text(settings::DIR)))
    }
}

/// One `rename-command`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rename {
    /// The command's own name, in lower case.
    pub from: Vec<u8>,
    /// Its new name as given; empty takes the command away.
    pub to: Vec<u8>,
}

/// Why the server cannot start. Prints as redis-server prints it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ConfigError {
    /// A file cannot be read.
    Unreadable {
        /// As it was given.
        path: PathBuf,
        /// The system's reason.
        reason: String,
    },
    /// A line is wrong.
    Line {
        /// Counted from 1. Lines of the command line follow those of the file.
        number: usize,
        /// The line.
        text: String,
        /// The included file it is in.
        included: Option<PathBuf>,
        /// What is wrong with it.
        reason: String,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::Unreadable { path, reason } => {
                write!(out, "Fatal error, can't open config file '{}': {reason}", path.display())
            }
            ConfigError::Line { number, text, included, reason } => {
                writeln!(out, "\n*** FATAL CONFIG FILE ERROR (Redis {REDIS_VERSION}) ***")?;
                match included {
                    Some(path) => {
                        writeln!(
                            out,
                            "Reading the configuration file '{}', at line {number}",
                            path.display()
                        )?;
                    }
                    None => writeln!(out, "Reading the configuration file, at line {number}")?,
                }
                write!(out, ">>> '{text}'\n{reason}")
            }
        }
    }
}

impl std::error::Error for ConfigError {}

/// Loads what a command line asks for: the file, `stdin` (what came in there), then the options.
/// `is_command` says whether a lower-case name is a command's, for `rename-command`.
pub fn load(
    run: &Run,
    stdin: &[u8],
    files: &dyn Files,
    is_command: &dyn Fn(&[u8]) -> bool,
) -> Result<Loaded, ConfigError> {
    let mut loader = Loader::new(files, is_command);
    let mut lines = 0;
    let mut file = None;
    if let Some(path) = &run.file {
        let text = loader.read(path)?;
        lines = loader.text(&text, 0, None, 0)?;
        file = Some(absolute(path, files));
    }
    if run.stdin {
        lines = loader.text(stdin, lines, None, 0)?;
    }
    loader.save_given = false;
    for (index, line) in run.lines.iter().enumerate() {
        loader.line(line.as_bytes(), lines + 1 + index, None, 0)?;
    }
    loader.finish(file)
}

/// The file's path from the root, so that it is found again after `dir` was entered.
fn absolute(path: &Path, files: &dyn Files) -> PathBuf {
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (files.folder(folder), path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path.to_owned(),
    }
}

struct Loader<'a> {
    files: &'a dyn Files,
    is_command: &'a dyn Fn(&[u8]) -> bool,
    settings: Settings,
    /// Whether `save` was met since the last reset: the first one replaces, more add.
    save_given: bool,
    renames: Vec<Rename>,
    /// Settings without a meaning here, in the order given.
    inert: Vec<SettingId>,
    warnings: Vec<String>,
}

impl<'a> Loader<'a> {
    fn new(files: &'a dyn Files, is_command: &'a dyn Fn(&[u8]) -> bool) -> Loader<'a> {
        Loader {
            files,
            is_command,
            settings: Settings::default(),
            save_given: false,
            renames: Vec::new(),
            inert: Vec::new(),
            warnings: Vec::new(),
        }
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>, ConfigError> {
        self.files.read(path).map_err(|error| ConfigError::Unreadable {
            path: path.to_owned(),
            reason: system_reason(&error),
        })
    }

    /// Takes all lines of a text whose first has the number `before + 1`; gives the last number.
    fn text(
        &mut self,
        text: &[u8],
        before: usize,
        included: Option<&Path>,
        depth: usize,
    ) -> Result<usize, ConfigError> {
        let mut number = before;
        for line in text.split(|byte| *byte == b'\n') {
            number += 1;
            self.line(line, number, included, depth)?;
        }
        Ok(number)
    }

    fn line(
        &mut self,
        line: &[u8],
        number: usize,
        included: Option<&Path>,
        depth: usize,
    ) -> Result<(), ConfigError> {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            return Ok(());
        }
        let wrong = |reason: String| ConfigError::Line {
            number,
            text: String::from_utf8_lossy(line).into_owned(),
            included: included.map(Path::to_owned),
            reason,
        };
        let Some(words) = grammar::words(line) else {
            return Err(wrong("Unbalanced quotes in configuration line".into()));
        };
        let Some((name, values)) = words.split_first() else { return Ok(()) };
        let name = name.to_ascii_lowercase();
        let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
        match (name.as_slice(), values.as_slice()) {
            (b"include", [pattern]) => {
                if depth == INCLUDE_DEPTH_MAX {
                    return Err(wrong(format!(
                        "files include each other more than {INCLUDE_DEPTH_MAX} deep"
                    )));
                }
                self.include(&String::from_utf8_lossy(pattern), depth)
            }
            (name, values) => self.directive(name, values).map_err(wrong),
        }
    }

    fn include(&mut self, pattern: &str, depth: usize) -> Result<(), ConfigError> {
        for path in self.files.expand(pattern) {
            let text = self.read(&path)?;
            self.text(&text, 0, Some(&path), depth + 1)?;
        }
        Ok(())
    }

    fn directive(&mut self, name: &[u8], values: &[&[u8]]) -> Result<(), String> {
        if let Some(id) = SettingId::find(name) {
            return self.setting(id, values);
        }
        match (name, values) {
            (b"rename-command", [from, to]) => self.rename(from, to),
            (b"user", [user, rules @ ..]) => self.user(user, rules),
            (b"loadmodule", [path, ..]) => {
                let path = String::from_utf8_lossy(path);
                self.warnings.push(format!(
                    "`loadmodule {path}` has no meaning here: modules cannot be loaded"
                ));
                Ok(())
            }
            (b"sentinel", _) => Err("sentinel directive while not in sentinel mode".into()),
            _ => Err("Bad directive or wrong number of arguments".into()),
        }
    }

    fn setting(&mut self, id: SettingId, values: &[&[u8]]) -> Result<(), String> {
        if values.is_empty() && !id.row().kind.takes_words() {
            return Err("wrong number of arguments".into());
        }
        if id == settings::SAVE {
            self.save(values)?;
        } else {
            self.settings.set_words(id, values)?;
        }
        if id == settings::DIR {
            self.enter_dir()?;
        }
        if matches!(id.row().meaning, Meaning::Inert(_)) && !self.inert.contains(&id) {
            self.inert.push(id);
        }
        Ok(())
    }

    /// Several lines of `save` add up; the first of a file or of the command line starts anew.
    fn save(&mut self, values: &[&[u8]]) -> Result<(), String> {
        let before = self.settings.get(settings::SAVE);
        self.settings.set_words(settings::SAVE, values)?;
        let added = self.settings.get(settings::SAVE);
        if self.save_given && !before.is_empty() && !added.is_empty() {
            let both = [before, added].join(b" ".as_slice());
            self.settings.set(settings::SAVE, &both)?;
        }
        self.save_given = true;
        Ok(())
    }

    fn enter_dir(&mut self) -> Result<(), String> {
        let given = Path::new(OsStr::from_bytes(self.settings.text(settings::DIR)));
        let folder = self.files.folder(given).map_err(|error| system_reason(&error))?;
        self.settings.set(settings::DIR, folder.as_os_str().as_bytes())
    }

    fn rename(&mut self, from: &[u8], to: &[u8]) -> Result<(), String> {
        let from = from.to_ascii_lowercase();
        let target = to.to_ascii_lowercase();
        let gone =
            |renames: &[Rename], name: &[u8]| renames.iter().any(|rename| rename.from == name);
        let taken = |renames: &[Rename], name: &[u8]| {
            renames.iter().any(|rename| rename.to.eq_ignore_ascii_case(name))
        };
        if !(self.is_command)(&from) || gone(&self.renames, &from) {
            return Err("No such command in rename-command".into());
        }
        let exists = (self.is_command)(&target) && !gone(&self.renames, &target);
        if !to.is_empty() && target != from && (exists || taken(&self.renames, &target)) {
            return Err("Target command name already exists".into());
        }
        self.renames.push(Rename { from, to: to.to_vec() });
        Ok(())
    }

    /// There is only the default user. A line that leaves it all rights changes nothing, a
    /// password becomes `requirepass`; a line that would restrict it must not be passed over, and
    /// other users cannot log in, which is safe.
    fn user(&mut self, user: &[u8], rules: &[&[u8]]) -> Result<(), String> {
        if user != b"default" {
            let user = String::from_utf8_lossy(user);
            self.warnings
                .push(format!("`user {user}` has no meaning here: only the default user exists"));
            return Ok(());
        }
        for rule in rules {
            match rule.to_ascii_lowercase().as_slice() {
                b"on" | b"~*" | b"allkeys" | b"&*" | b"allchannels" | b"+@all" | b"allcommands"
                | b"sanitize-payload" => {}
                b"nopass" => self.settings.set(settings::REQUIREPASS, b"")?,
                // The hash of a password that `requirepass` gives too: CONFIG REWRITE writes both.
                [b'#', ..] => {}
                [b'>', ..] => self.settings.set(settings::REQUIREPASS, &rule[1..])?,
                _ => {
                    let rule = String::from_utf8_lossy(rule);
                    return Err(format!(
                        "only the default user with all rights exists, `{rule}` cannot be kept"
                    ));
                }
            }
        }
        let hashed = rules.iter().any(|rule| rule.starts_with(b"#"));
        if hashed && self.settings.text(settings::REQUIREPASS).is_empty() {
            return Err(
                "a hashed password of the default user needs its `requirepass` before it".into()
            );
        }
        Ok(())
    }

    fn finish(mut self, file: Option<PathBuf>) -> Result<Loaded, ConfigError> {
        if let Err(reason) = self.enter_dir() {
            return Err(ConfigError::Unreadable { path: PathBuf::from("./"), reason });
        }
        let mut warnings = inert_warnings(&self.settings, &self.inert);
        warnings.append(&mut self.warnings);
        Ok(Loaded { settings: self.settings, file, renames: self.renames, warnings })
    }
}

/// A line for each setting that was given another value than its default and does nothing here,
/// and one for all that were given their default, which is how the server behaves anyway.
fn inert_warnings(settings: &Settings, inert: &[SettingId]) -> Vec<String> {
    let defaults = Settings::default();
    let mut warnings = Vec::new();
    let mut quiet = Vec::new();
    for id in inert {
        match id.row().meaning {
            Meaning::Inert(why) if settings.value(*id) != defaults.value(*id) => {
                warnings.push(format!("`{}` has no meaning here: {why}", id.row().name));
            }
            Meaning::Inert(_) => quiet.push(id.row().name),
            Meaning::Honoured => {}
        }
    }
    if !quiet.is_empty() {
        warnings.push(format!(
            "given with their default values, without a meaning here: {}",
            quiet.join(", ")
        ));
    }
    warnings
}

/// The system's words for an error, without Rust's addition of its number.
pub fn system_reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests;
