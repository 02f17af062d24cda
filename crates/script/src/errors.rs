//! Errors on their way through Lua.
//!
//! What a Rust function raises arrives in Lua as an object of mlua's. The prelude lets no script see it:
//! where an error is caught, `describe` turns it into what Redis would have thrown there.

use mlua::{Lua, Value};
use std::fmt;

/// What a function of ours raises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Raised {
    /// An error reply: the table `{err = text}`.
    Reply(Vec<u8>),
    /// A message, with its position in front.
    Message(Vec<u8>),
    /// The run must end; no script may catch it.
    Abandoned,
}

impl fmt::Display for Raised {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Raised::Reply(text) | Raised::Message(text) => {
                out.write_str(&String::from_utf8_lossy(text))
            }
            Raised::Abandoned => out.write_str("abandoned"),
        }
    }
}

impl std::error::Error for Raised {}

impl From<Raised> for mlua::Error {
    fn from(raised: Raised) -> mlua::Error {
        mlua::Error::external(raised)
    }
}

/// An error with the position of the Lua code that called the running function, as Lua's own
/// libraries raise it.
pub fn positioned(lua: &Lua, message: impl AsRef<[u8]>) -> mlua::Error {
    let mut text = position(lua, 1).into_bytes();
    text.extend_from_slice(message.as_ref());
    Raised::Message(text).into()
}

/// `chunk:line: `, or nothing if the function at this level is none of Lua.
fn position(lua: &Lua, level: usize) -> String {
    let place = lua.inspect_stack(level, |debug| {
        let line = debug.current_line()?;
        Some(format!("{}:{line}: ", debug.source().short_src?))
    });
    place.flatten().unwrap_or_default()
}

/// Whether the function at this level has a name for its caller; one that `pcall` calls has none.
pub fn named(lua: &Lua, level: usize) -> bool {
    let name = lua.inspect_stack(level, |debug| debug.names().name.is_some());
    let tail = lua.inspect_stack(level + 1, |debug| debug.source().what == "tail");
    name.unwrap_or(false) || tail.unwrap_or(false)
}

/// The name that the prelude's own code has in positions.
pub const PRELUDE: &str = "=prelude";

/// How many levels of the stack are looked at for a script's line.
const LEVELS_MAX: usize = 64;

/// Source and line of the innermost code of a script, for an error handler.
pub fn place(lua: &Lua) -> Option<(String, i64)> {
    for level in 1..LEVELS_MAX {
        let found = lua.inspect_stack(level, |debug| {
            let source = debug.source();
            let name = source.source?.into_owned();
            let script = matches!(source.what, "Lua" | "main") && name != PRELUDE;
            let line = i64::try_from(debug.current_line()?).ok()?;
            script.then(|| (name.trim_start_matches('\0').to_owned(), line))
        });
        match found {
            None => return None,
            Some(None) => {}
            Some(place) => return place,
        }
    }
    None
}

/// What we raised, if it was us.
pub fn raised(error: &mlua::Error) -> Raised {
    match error {
        mlua::Error::CallbackError { cause, .. } => raised(cause),
        mlua::Error::MemoryError(_) => Raised::Message(b"not enough memory".to_vec()),
        mlua::Error::RuntimeError(text) => Raised::Message(text.clone().into_bytes()),
        _ => match error.downcast_ref::<Raised>() {
            Some(raised) => raised.clone(),
            None => Raised::Message(error.to_string().into_bytes()),
        },
    }
}

/// For the prelude: the text of an error of ours, and whether it is a table.
pub fn describe(lua: &Lua, error: Value) -> mlua::Result<(Value, bool)> {
    let Value::Error(error) = error else { return Ok((error, false)) };
    let (text, table) = match raised(&error) {
        Raised::Reply(text) => (text, true),
        Raised::Message(text) => (text, false),
        Raised::Abandoned => (Vec::new(), false),
    };
    Ok((Value::String(lua.create_string(text)?), table))
}
