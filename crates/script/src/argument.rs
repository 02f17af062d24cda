//! Arguments of our functions, taken off Lua's stack one by one.
//!
//! mlua keeps values that it hands to Rust on a stack of 8,000 places and panics beyond it. A script may pass
//! nearly as many arguments, so none is held: strings are copied, short ones without an allocation.

use crate::errors::{named, positioned};
use crate::number_text;
use mlua::{FromLua, Lua, Value};

/// Bytes of a string that needs no allocation.
const SHORT_BYTES: usize = 46;

/// One argument.
pub enum Arg {
    /// A string of so many bytes.
    Short(u8, [u8; SHORT_BYTES]),
    /// A longer string.
    Long(Vec<u8>),
    /// A number.
    Number(f64),
    /// A boolean.
    Boolean(bool),
    /// One of the marks that only the prelude has.
    Mark(usize),
    /// Anything else, by the name of its type.
    Other(&'static str),
}

impl FromLua for Arg {
    #[inline]
    fn from_lua(value: Value, _: &Lua) -> mlua::Result<Arg> {
        Ok(match &value {
            Value::String(text) => Arg::of(&text.as_bytes()),
            Value::Integer(number) => Arg::Number(*number as f64),
            Value::Number(number) => Arg::Number(*number),
            Value::Boolean(value) => Arg::Boolean(*value),
            Value::LightUserData(mark) if !mark.0.is_null() => Arg::Mark(mark.0.addr()),
            other => Arg::Other(type_name(other)),
        })
    }
}

impl Arg {
    #[inline]
    fn of(text: &[u8]) -> Arg {
        if text.len() > SHORT_BYTES {
            return Arg::Long(text.to_vec());
        }
        let mut short = [0; SHORT_BYTES];
        short[..text.len()].copy_from_slice(text);
        Arg::Short(text.len() as u8, short)
    }

    /// The bytes of a string.
    #[inline]
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Arg::Short(len, short) => short.get(..usize::from(*len)),
            Arg::Long(text) => Some(text),
            _ => None,
        }
    }

    /// Makes a number the string that a command gets; other types stay.
    #[inline]
    pub fn spell(&mut self) {
        if let Arg::Number(number) = *self {
            let mut text = Vec::new();
            number_text::argument(number, &mut text);
            *self = Arg::of(&text);
        }
    }

    fn type_name(&self) -> &'static str {
        match self {
            Arg::Short(..) | Arg::Long(_) => "string",
            Arg::Number(_) => "number",
            Arg::Boolean(_) => "boolean",
            Arg::Mark(_) => "userdata",
            Arg::Other(name) => name,
        }
    }
}

/// `bad argument #1 to 'name' (what)`, with its position.
pub fn bad(lua: &Lua, at: usize, name: &str, what: &str) -> mlua::Error {
    let name = if named(lua, 0) { name } else { "?" };
    positioned(lua, format!("bad argument #{} to '{name}' ({what})", at + 1))
}

/// The error of an argument of another type than `expected`.
pub fn mistyped(lua: &Lua, args: &[Arg], at: usize, name: &str, expected: &str) -> mlua::Error {
    let got = args.get(at).map_or("no value", Arg::type_name);
    // Of a method, Lua does not count the object that it is called on.
    let is_method = |call: &mlua::Debug<'_>| call.names().name_what == Some("method");
    let at = match lua.inspect_stack(0, is_method) {
        Some(true) if at > 0 => at - 1,
        _ => at,
    };
    bad(lua, at, name, &format!("{expected} expected, got {got}"))
}

/// Lua's name of a value's type.
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Nil => "nil",
        Value::Boolean(_) => "boolean",
        Value::Integer(_) | Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Table(_) => "table",
        Value::Function(_) => "function",
        Value::Thread(_) => "thread",
        _ => "userdata",
    }
}

/// A number, or a string that reads as one.
pub fn number(lua: &Lua, args: &[Arg], at: usize, name: &str) -> mlua::Result<f64> {
    let number = match args.get(at) {
        Some(Arg::Number(number)) => Some(*number),
        Some(arg) => match arg.bytes() {
            Some(text) => lua.coerce_number(Value::String(lua.create_string(text)?))?,
            None => None,
        },
        None => None,
    };
    number.ok_or_else(|| mistyped(lua, args, at, name, "number"))
}

/// A string, or a number spelt as Lua does.
pub fn string(lua: &Lua, args: &[Arg], at: usize, name: &str) -> mlua::Result<Vec<u8>> {
    match args.get(at) {
        Some(Arg::Number(number)) => {
            let mut text = Vec::new();
            number_text::general(*number, number_text::LUA_DIGITS, &mut text);
            Ok(text)
        }
        Some(arg) => match arg.bytes() {
            Some(text) => Ok(text.to_vec()),
            None => Err(mistyped(lua, args, at, name, "string")),
        },
        None => Err(mistyped(lua, args, at, name, "string")),
    }
}
