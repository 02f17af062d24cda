//! What the process keeps for itself: its own copy of the settings, its files, its listeners.

use crate::acceptor::Door;
use crate::boot;
use crate::config::load::system_reason;
use crate::config::rewrite;
use base::settings::{self, SettingId, Settings};
use reactor::Listening;
use std::path::PathBuf;

/// Who is let in, as the acceptor wants to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission {
    /// `maxclients`.
    pub clients_max: usize,
    /// `protected-mode` without a password.
    pub protected: bool,
    /// `tcp-keepalive` in seconds.
    pub keepalive_s: u64,
}

/// The main thread's files and settings.
pub struct Office {
    /// The settings as far as they belong to the process.
    pub settings: Settings,
    config_file: Option<PathBuf>,
    pid_file: Option<PathBuf>,
    /// Connections that the limit of open files allows.
    clients_allowed: usize,
}

impl Office {
    /// Opens the office: writes the pid file if the configuration names one.
    pub fn open(
        settings: Settings,
        config_file: Option<PathBuf>,
        clients_allowed: usize,
    ) -> Office {
        let named = String::from_utf8_lossy(settings.text(settings::PIDFILE)).into_owned();
        let pid_file = (!named.is_empty()).then(|| PathBuf::from(named));
        if let Some(path) = &pid_file
            && let Err(error) = std::fs::write(path, format!("{}\n", std::process::id()))
        {
            tracing::warn!("Failed to write PID file: {}: {error}", path.display());
        }
        Office { settings, config_file, pid_file, clients_allowed }
    }

    /// CONFIG REWRITE.
    pub fn rewrite(&self, settings: &Settings) -> Result<String, String> {
        let Some(path) = &self.config_file else {
            return Err("ERR The server is running without a config file".to_owned());
        };
        let done = rewrite::replace_file(path, settings);
        done.map_err(|reason| format!("ERR Rewriting config file: {reason}"))?;
        Ok("OK".to_owned())
    }

    /// Takes over settings of the process. Gives new listeners where addresses have changed; then
    /// nothing else has changed if they cannot be had.
    pub fn apply(
        &mut self,
        pairs: &[(String, String)],
    ) -> Result<Option<Vec<(Listening, Door)>>, String> {
        let mut after = self.settings.clone();
        let mut moved = false;
        for (name, value) in pairs {
            let Some(id) = SettingId::find(name.as_bytes()) else { continue };
            let words: Vec<&[u8]> = value.split(' ').map(str::as_bytes).collect();
            let taken = if id.row().kind.takes_words() {
                after.set_words(id, &words)
            } else {
                after.set(id, value.as_bytes())
            };
            taken.map_err(|detail| refusal(name, &detail))?;
            moved |= [settings::PORT, settings::BIND].contains(&id);
            if id == settings::DIR
                && let Err(error) = std::env::set_current_dir(value)
            {
                return Err(refusal(name, &system_reason(&error)));
            }
            if id == settings::MAXCLIENTS && after.size(id) > self.clients_allowed {
                return Err(refusal(
                    name,
                    "The operating system is not able to handle the specified number of clients, try with a lower value",
                ));
            }
        }
        let doors = if moved { Some(self.reopen(&after)?) } else { None };
        self.settings = after;
        Ok(doors)
    }

    /// Listeners of the common port at its new place.
    fn reopen(&self, after: &Settings) -> Result<Vec<(Listening, Door)>, String> {
        boot::open_common(after)
            .map_err(|error| refusal("port", &format!("Unable to listen on this port: {error:#}")))
    }

    /// Who is let in now.
    pub fn admission(&self) -> Admission {
        Admission {
            clients_max: self.settings.size(settings::MAXCLIENTS),
            protected: self.settings.flag(settings::PROTECTED_MODE)
                && self.settings.text(settings::REQUIREPASS).is_empty(),
            keepalive_s: self.settings.int(settings::TCP_KEEPALIVE).max(0) as u64,
        }
    }
}

impl Drop for Office {
    /// The pid file goes with the process.
    fn drop(&mut self) {
        if let Some(path) = &self.pid_file {
            // Gone already is as good.
            let _ = std::fs::remove_file(path);
        }
    }
}

fn refusal(name: &str, detail: &str) -> String {
    format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {detail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn office() -> Office {
        Office::open(Settings::default(), None, 5000)
    }

    #[test]
    fn settings_of_the_process_are_taken_over_together_or_not_at_all() {
        let mut office = office();
        let pairs = [
            ("maxclients".to_owned(), "100".to_owned()),
            ("protected-mode".to_owned(), "no".to_owned()),
        ];
        assert!(office.apply(&pairs).unwrap().is_none());
        assert_eq!(
            office.admission(),
            Admission { clients_max: 100, protected: false, keepalive_s: 300 }
        );
        let pairs = [
            ("protected-mode".to_owned(), "yes".to_owned()),
            ("maxclients".to_owned(), "6000".to_owned()),
        ];
        assert!(office.apply(&pairs).unwrap_err().contains("try with a lower value"));
        assert!(!office.admission().protected);
    }

    #[test]
    fn without_a_file_nothing_is_rewritten() {
        assert!(
            office().rewrite(&Settings::default()).unwrap_err().contains("without a config file")
        );
    }
}
