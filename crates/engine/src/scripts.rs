//! The Lua state of a core: made when the first script comes, the same scripts and libraries on all cores.

use crate::tx::learnt::Learnt;
use base::Now;
use script::{Interpreter, Setup, Sha};
use std::collections::{HashMap, VecDeque};

/// What `redis.REDIS_VERSION` says.
const VERSION: &str = "7.2.0";

/// Bytes that one run may take beside what the state held before: so a script that runs away cannot take the server.
const RUN_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Scripts that are kept because somebody ran them with EVAL; those of SCRIPT LOAD stay until SCRIPT FLUSH.
const EVALS_MAX: usize = 500;

/// Sources whose names are remembered, and the largest of them in bytes.
const KNOWN_MAX: usize = 512;
const KNOWN_BYTES_MAX: usize = 16 * 1024;

/// Scripts and libraries of one core.
#[derive(Default)]
pub struct Scripts {
    interpreter: Option<Box<Interpreter>>,
    /// What runs now.
    pub running: Option<Running>,
    /// How many libraries and functions there were when the script that runs began.
    counts: (usize, usize),
    /// What scripts were seen to touch beside the keys that they declare.
    pub learnt: Learnt,
    /// Changes that were made on all cores: where it differs, one is on its way.
    pub changes: u64,
    /// What EVAL brought, oldest first.
    evals: VecDeque<Sha>,
    /// Whose change of the libraries is under way; only on the core that decides on them.
    pub changer: Option<u64>,
    /// The names of sources that were seen lately, so that they are not digested each time.
    known: HashMap<Box<[u8]>, Sha>,
}

/// A script or function under way.
#[derive(Clone, Debug)]
pub struct Running {
    /// The digits of the script's name, or the function's name.
    pub name: Vec<u8>,
    /// The client's request.
    pub words: Vec<Box<[u8]>>,
    /// When it began, in microseconds of the monotonic clock.
    pub since_us: u64,
    /// It cannot be stopped any more.
    pub has_written: bool,
    /// It is a function.
    pub is_function: bool,
    /// It is to stop.
    pub kill_requested: bool,
}

/// What SCRIPT KILL or FUNCTION KILL found on a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kill {
    /// Nothing runs.
    Idle,
    /// A script where a function was to be killed, or the other way round.
    Other,
    /// It has written.
    Unkillable,
    /// It will stop.
    Killed,
}

impl Running {
    /// Asks it to stop, if it is what was meant and has not written.
    pub fn kill(&mut self, function: bool) -> Kill {
        match self {
            _ if self.is_function != function => Kill::Other,
            _ if self.has_written => Kill::Unkillable,
            _ => {
                self.kill_requested = true;
                Kill::Killed
            }
        }
    }

    /// How long it has run, in milliseconds.
    pub fn duration_ms(&self, now: Now) -> u64 {
        now.mono_us.saturating_sub(self.since_us) / 1000
    }
}

/// What scripts and libraries amount to, for INFO and MEMORY.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScriptFigures {
    /// Bytes of the Lua state; what others say is in it.
    pub state_bytes: u64,
    /// Scripts.
    pub scripts: u64,
    /// Bytes of their sources.
    pub script_bytes: u64,
    /// Libraries.
    pub libraries: u64,
    /// Functions.
    pub functions: u64,
    /// Bytes of the libraries' sources.
    pub library_bytes: u64,
}

impl ScriptFigures {
    /// Adds another core's: the states add up, what they hold is the same on all.
    pub fn add(&mut self, other: &ScriptFigures) {
        self.state_bytes += other.state_bytes;
        self.script_bytes += other.script_bytes;
        self.library_bytes += other.library_bytes;
        self.scripts = self.scripts.max(other.scripts);
        self.libraries = self.libraries.max(other.libraries);
        self.functions = self.functions.max(other.functions);
    }
}

impl Scripts {
    /// The name of a source. O(length).
    pub fn sha_of(&mut self, source: &[u8]) -> Sha {
        if let Some(sha) = self.known.get(source) {
            return *sha;
        }
        let sha = Sha::of(source);
        if source.len() <= KNOWN_BYTES_MAX {
            if self.known.len() >= KNOWN_MAX {
                self.known.clear();
            }
            self.known.insert(source.into(), sha);
        }
        sha
    }

    /// The Lua state.
    pub fn interpreter(&mut self) -> &mut Interpreter {
        self.interpreter.get_or_insert_with(|| {
            let setup = Setup { version: VERSION.to_owned(), memory_bytes_max: RUN_BYTES_MAX };
            Box::new(Interpreter::new(&setup))
        })
    }

    /// The Lua state if there is one: to look without making one.
    pub fn made(&self) -> Option<&Interpreter> {
        self.interpreter.as_deref()
    }

    /// Takes the Lua state out, to run something that works on the rest of the core; [`Scripts::put_back`] follows.
    pub fn take(&mut self) -> Box<Interpreter> {
        self.counts = self.interpreter().counts();
        self.interpreter.take().expect("made above")
    }

    /// Puts it back.
    pub fn put_back(&mut self, interpreter: Box<Interpreter>) {
        self.interpreter = Some(interpreter);
    }

    /// Whether there is one, and no script has it.
    pub fn is_made(&self) -> bool {
        self.interpreter.is_some()
    }

    /// Installs a script for good: SCRIPT LOAD.
    ///
    /// # Errors
    /// The text of the error reply.
    pub fn load(&mut self, source: &[u8]) -> Result<Sha, Vec<u8>> {
        let sha = self.interpreter().load(source)?;
        self.evals.retain(|known| *known != sha);
        Ok(sha)
    }

    /// Installs a script that came with EVAL, in place of the oldest such if there are [`EVALS_MAX`].
    ///
    /// # Errors
    /// The text of the error reply.
    pub fn install(&mut self, source: &[u8]) -> Result<Sha, Vec<u8>> {
        let sha = self.sha_of(source);
        if self.interpreter().exists(&sha) {
            return Ok(sha);
        }
        self.interpreter().load(source)?;
        if self.evals.len() == EVALS_MAX
            && let Some(oldest) = self.evals.pop_front()
        {
            self.interpreter().remove(&oldest);
        }
        self.evals.push_back(sha);
        Ok(sha)
    }

    /// Forgets all scripts: SCRIPT FLUSH.
    pub fn flush(&mut self) {
        self.evals.clear();
        if let Some(interpreter) = &mut self.interpreter {
            interpreter.flush();
        }
    }

    /// Asks what runs to stop.
    pub fn kill(&mut self, function: bool) -> Kill {
        self.running.as_mut().map_or(Kill::Idle, |running| running.kill(function))
    }

    /// Bytes that the state holds.
    pub fn memory_bytes(&self) -> usize {
        self.interpreter.as_ref().map_or(0, |interpreter| interpreter.memory_bytes())
    }

    /// What there is. O(scripts + libraries).
    pub fn figures(&self) -> ScriptFigures {
        let Some(interpreter) = self.made() else {
            let (libraries, functions) = self.counts;
            let (libraries, functions) = (libraries as u64, functions as u64);
            return ScriptFigures { libraries, functions, ..ScriptFigures::default() };
        };
        let (scripts, script_bytes) = interpreter.scripts();
        let (libraries, functions) = interpreter.counts();
        ScriptFigures {
            state_bytes: interpreter.memory_bytes() as u64,
            scripts: scripts as u64,
            script_bytes: script_bytes as u64,
            libraries: libraries as u64,
            functions: functions as u64,
            library_bytes: interpreter.libraries().map(|one| one.code.len() as u64).sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running() -> Running {
        Running {
            name: b"f".to_vec(),
            words: Vec::new(),
            since_us: 5_000,
            has_written: false,
            is_function: true,
            kill_requested: false,
        }
    }

    #[test]
    fn only_what_was_meant_and_has_not_written_is_killed() {
        let mut scripts = Scripts::default();
        assert_eq!(scripts.kill(true), Kill::Idle);
        scripts.running = Some(running());
        assert_eq!(scripts.kill(false), Kill::Other);
        assert!(!scripts.running.as_ref().is_some_and(|running| running.kill_requested));
        assert_eq!(scripts.kill(true), Kill::Killed);
        assert!(scripts.running.as_ref().is_some_and(|running| running.kill_requested));
        scripts.running = Some(Running { has_written: true, ..running() });
        assert_eq!(scripts.kill(true), Kill::Unkillable);
    }

    #[test]
    fn scripts_of_eval_are_bounded_and_those_that_were_loaded_stay() {
        let mut scripts = Scripts::default();
        let first = scripts.install(b"return 'first'").expect("it compiles");
        let kept = scripts.install(b"return 'kept'").expect("it compiles");
        assert_eq!(scripts.load(b"return 'kept'"), Ok(kept));
        for number in 0..EVALS_MAX {
            scripts.install(format!("return {number}").as_bytes()).expect("it compiles");
        }
        assert!(!scripts.interpreter().exists(&first));
        assert!(scripts.interpreter().exists(&kept));
        assert_eq!(scripts.figures().scripts, EVALS_MAX as u64 + 1);
        scripts.flush();
        assert_eq!(scripts.figures().scripts, 0);
        assert!(scripts.evals.is_empty());
    }
}
