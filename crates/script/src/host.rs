//! What a script may ask of the engine.

use resp::Protocol;

/// The attempt must stop at once and be undone: the engine runs the script again with more keys. A script
/// cannot catch it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abandon;

/// Why a script that takes a breath must not go on. It cannot catch either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// As [`Abandon`]: there is no reply.
    Abandon,
    /// Somebody has killed it: the reply is the error that says so, with the line where it was.
    Kill,
}

/// The levels of `redis.log`, quietest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// `redis.LOG_DEBUG`, 0.
    Debug,
    /// `redis.LOG_VERBOSE`, 1.
    Verbose,
    /// `redis.LOG_NOTICE`, 2.
    Notice,
    /// `redis.LOG_WARNING`, 3.
    Warning,
}

/// The engine as a script sees it.
pub trait Host {
    /// Runs one command. Appends exactly one RESP reply to `reply`, encoded in `protocol`, which is what
    /// `redis.setresp` chose. `args` has at least the command's name.
    ///
    /// # Errors
    /// [`Abandon`] ends the run at once: nothing of `reply` is read then.
    fn call(
        &mut self,
        args: &[&[u8]],
        protocol: Protocol,
        reply: &mut Vec<u8>,
    ) -> Result<(), Abandon>;

    /// Called each [`crate::interpreter::BREATH_INSTRUCTIONS`] instructions of Lua, and never otherwise.
    ///
    /// # Errors
    /// [`Stop`] ends the run at once.
    fn breathe(&mut self) -> Result<(), Stop>;

    /// A line that the script writes to the server's log.
    fn log(&mut self, level: LogLevel, text: &[u8]);

    /// Whether the user who runs the script may run this command; `None` if there is no such command or it
    /// cannot have these arguments.
    fn may_run(&mut self, args: &[&[u8]]) -> Option<bool>;

    /// What `os.clock` answers, in seconds. It should come from the time of the run, so that a script which
    /// runs twice sees the same.
    fn clock(&mut self) -> f64 {
        0.0
    }
}
