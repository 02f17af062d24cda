//! `cjson`: Lua values to JSON and back, with the settings and the words of lua-cjson 2.1.0.
//!
//! Settings go back to their defaults with each run, unlike in Redis, where a script changes them for all after it.

mod decode;
mod encode;

use crate::argument::{Arg, bad, mistyped, number, string, type_name};
use mlua::{Lua, Table, Value, Variadic};
use std::cell::Cell;
use std::rc::Rc;

/// The deepest nesting that the settings allow: walks recurse, and mlua holds some thousand values at most.
const DEPTH_CAP: u32 = 1500;

/// What an instance is set to.
#[derive(Clone, Copy)]
pub struct Settings {
    sparse_convert: bool,
    sparse_ratio: u32,
    sparse_safe: u32,
    encode_depth: u32,
    decode_depth: u32,
    precision: u32,
    keep_buffer: bool,
    encode_invalid: Invalid,
    decode_invalid: bool,
}

/// What becomes of numbers that JSON has not.
#[derive(Clone, Copy, PartialEq)]
enum Invalid {
    Refused,
    Spelt,
    Null,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            sparse_convert: false,
            sparse_ratio: 2,
            sparse_safe: 10,
            encode_depth: 1000,
            decode_depth: 1000,
            precision: 14,
            keep_buffer: true,
            encode_invalid: Invalid::Refused,
            decode_invalid: true,
        }
    }
}

type Shared = Rc<Cell<Settings>>;

/// Makes the library; its settings are in `settings`.
pub fn library(lua: &Lua, settings: &Shared) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("null", Value::NULL)?;
    table.raw_set("_NAME", "cjson")?;
    table.raw_set("_VERSION", "2.1.0")?;
    let state = Rc::clone(settings);
    let encode = move |lua: &Lua, (value, more): (Option<Value>, Variadic<Arg>)| {
        let value = value.unwrap_or(Value::Nil);
        encode::encode(lua, state.get(), value, more.len())
    };
    let encode = lua.create_function(encode)?;
    table.raw_set("encode", encode)?;
    let state = Rc::clone(settings);
    let decode = move |lua: &Lua, args: Variadic<Arg>| {
        if args.len() != 1 {
            return Err(bad(lua, 0, "decode", "expected 1 argument"));
        }
        let text = string(lua, &args, 0, "decode")?;
        decode::decode(lua, state.get(), &text)
    };
    table.raw_set("decode", lua.create_function(decode)?)?;
    let new = |lua: &Lua, _: Variadic<Arg>| library(lua, &Rc::new(Cell::new(Settings::default())));
    table.raw_set("new", lua.create_function(new)?)?;
    integers(lua, &table, settings)?;
    switches(lua, &table, settings)?;
    Ok(table)
}

/// Reads an integer setting, if it is given.
fn integer(
    lua: &Lua,
    args: &[Arg],
    at: usize,
    name: &str,
    (low, high): (u32, u32),
) -> mlua::Result<Option<u32>> {
    if absent(args, at) {
        return Ok(None);
    }
    let value = number(lua, args, at, name)?.trunc();
    if value < f64::from(low) || value > f64::from(high) {
        let what = format!("expected integer between {low} and {high}");
        // Redis names the first argument whichever it was.
        return Err(bad(lua, 0, name, &what));
    }
    Ok(Some(value as u32))
}

fn absent(args: &[Arg], at: usize) -> bool {
    matches!(args.get(at), None | Some(Arg::Other("nil")))
}

fn at_most(lua: &Lua, args: &[Arg], count: usize, name: &str) -> mlua::Result<()> {
    match args.len() > count {
        true => Err(bad(lua, count, name, "found too many arguments")),
        false => Ok(()),
    }
}

const INT_MAX: u32 = i32::MAX as u32;

fn integers(lua: &Lua, table: &Table, settings: &Shared) -> mlua::Result<()> {
    type Field = fn(&mut Settings) -> &mut u32;
    let fields: [(&'static str, (u32, u32), Field); 3] = [
        ("encode_max_depth", (1, INT_MAX), |settings| &mut settings.encode_depth),
        ("decode_max_depth", (1, INT_MAX), |settings| &mut settings.decode_depth),
        ("encode_number_precision", (1, 14), |settings| &mut settings.precision),
    ];
    for (name, range, field) in fields {
        let state = Rc::clone(settings);
        let function = move |lua: &Lua, args: Variadic<Arg>| {
            at_most(lua, &args, 1, name)?;
            let mut settings = state.get();
            if let Some(value) = integer(lua, &args, 0, name, range)? {
                *field(&mut settings) = value;
                state.set(settings);
            }
            Ok(*field(&mut settings))
        };
        table.raw_set(name, lua.create_function(function)?)?;
    }
    Ok(())
}

/// Reads a setting that is a boolean or one of some words.
fn option(lua: &Lua, args: &[Arg], name: &str, words: &[&str]) -> mlua::Result<Option<usize>> {
    match args.first() {
        None | Some(Arg::Other("nil")) => Ok(None),
        Some(Arg::Boolean(value)) => Ok(Some(usize::from(*value))),
        Some(arg) => {
            let Some(text) = arg.bytes() else {
                return Err(mistyped(lua, args, 0, name, "string"));
            };
            match words.iter().position(|word| word.as_bytes() == text) {
                Some(word) => Ok(Some(word)),
                None => {
                    let text = String::from_utf8_lossy(text);
                    Err(bad(lua, 0, name, &format!("invalid option '{text}'")))
                }
            }
        }
    }
}

fn switches(lua: &Lua, table: &Table, settings: &Shared) -> mlua::Result<()> {
    let state = Rc::clone(settings);
    let sparse = move |lua: &Lua, args: Variadic<Arg>| {
        const NAME: &str = "encode_sparse_array";
        at_most(lua, &args, 3, NAME)?;
        let mut settings = state.get();
        if let Some(value) = option(lua, &args, NAME, &["off", "on"])? {
            settings.sparse_convert = value == 1;
        }
        if let Some(value) = integer(lua, &args, 1, NAME, (0, INT_MAX))? {
            settings.sparse_ratio = value;
        }
        if let Some(value) = integer(lua, &args, 2, NAME, (0, INT_MAX))? {
            settings.sparse_safe = value;
        }
        state.set(settings);
        Ok((settings.sparse_convert, settings.sparse_ratio, settings.sparse_safe))
    };
    table.raw_set("encode_sparse_array", lua.create_function(sparse)?)?;
    let state = Rc::clone(settings);
    let keep = move |lua: &Lua, args: Variadic<Arg>| {
        at_most(lua, &args, 1, "encode_keep_buffer")?;
        let mut settings = state.get();
        if let Some(value) = option(lua, &args, "encode_keep_buffer", &["off", "on"])? {
            settings.keep_buffer = value == 1;
            state.set(settings);
        }
        Ok(settings.keep_buffer)
    };
    table.raw_set("encode_keep_buffer", lua.create_function(keep)?)?;
    let state = Rc::clone(settings);
    let invalid = move |lua: &Lua, args: Variadic<Arg>| {
        const NAME: &str = "encode_invalid_numbers";
        at_most(lua, &args, 1, NAME)?;
        let mut settings = state.get();
        if let Some(value) = option(lua, &args, NAME, &["off", "on", "null"])? {
            settings.encode_invalid = [Invalid::Refused, Invalid::Spelt, Invalid::Null][value];
            state.set(settings);
        }
        Ok(match settings.encode_invalid {
            Invalid::Refused => Value::Boolean(false),
            Invalid::Spelt => Value::Boolean(true),
            Invalid::Null => Value::String(lua.create_string("null")?),
        })
    };
    table.raw_set("encode_invalid_numbers", lua.create_function(invalid)?)?;
    let state = Rc::clone(settings);
    let invalid = move |lua: &Lua, args: Variadic<Arg>| {
        at_most(lua, &args, 1, "decode_invalid_numbers")?;
        let mut settings = state.get();
        if let Some(value) = option(lua, &args, "decode_invalid_numbers", &["off", "on"])? {
            settings.decode_invalid = value == 1;
            state.set(settings);
        }
        Ok(settings.decode_invalid)
    };
    table.raw_set("decode_invalid_numbers", lua.create_function(invalid)?)
}
