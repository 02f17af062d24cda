//! The Lua state of a core: made when the first script comes, the same scripts and libraries on all cores.

use script::{Interpreter, Setup, Sha};
use std::collections::HashMap;

/// What `redis.REDIS_VERSION` says.
const VERSION: &str = "7.2.0";

/// Bytes that one run may take beside what the state held before: so a script that runs away cannot take the server.
const RUN_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Scripts and libraries of one core.
#[derive(Default)]
pub struct Scripts {
    interpreter: Option<Box<Interpreter>>,
    /// The names of sources that were seen lately, so that they are not digested each time.
    known: HashMap<Box<[u8]>, Sha>,
}

/// Sources whose names are remembered, and the largest of them in bytes.
const KNOWN_MAX: usize = 512;
const KNOWN_BYTES_MAX: usize = 16 * 1024;

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

    /// Takes the Lua state out, to run something that works on the rest of the core; [`Scripts::put_back`] follows.
    pub fn take(&mut self) -> Box<Interpreter> {
        self.interpreter();
        self.interpreter.take().expect("made above")
    }

    /// Puts it back.
    pub fn put_back(&mut self, interpreter: Box<Interpreter>) {
        self.interpreter = Some(interpreter);
    }

    /// Whether it is taken out: a script is running.
    pub fn is_made(&self) -> bool {
        self.interpreter.is_some()
    }

    /// Bytes that the state holds.
    pub fn memory_bytes(&self) -> usize {
        self.interpreter.as_ref().map_or(0, |interpreter| interpreter.memory_bytes())
    }
}
