//! Functions that scripts call and that are said in Rust: parts of `redis.*`, `math.random`, `string.rep`.
//!
//! A function of C or Rust keeps its caller's frame when it is called as `return f()`; a function of Lua takes
//! the frame's place, and with it goes the line that an error names. So what may raise is written here, as
//! long as it is not hot enough to matter.

use crate::argument::{Arg, bad, mistyped, number, string};
use crate::errors::{Raised, positioned};
use crate::interpreter::Shared;
use crate::library::random;
use crate::sha::Sha;
use mlua::{Function, Lua, MultiValue, Table, Value, Variadic};
use resp::Protocol;
use std::rc::Rc;

/// Bytes of the longest string that `string.rep` makes; beyond it there is not enough memory.
const REPEATED_BYTES_MAX: usize = 512 << 20;

/// Puts the functions into the table that the prelude takes.
pub fn install(lua: &Lua, shared: &Rc<Shared>, rust: &Table) -> mlua::Result<()> {
    rust.raw_set("sha1hex", lua.create_function(sha1hex)?)?;
    rust.raw_set("rep", lua.create_function(rep)?)?;
    let state = Rc::clone(shared);
    let setresp = move |lua: &Lua, args: Variadic<Arg>| {
        if args.len() != 1 {
            return Err(refused("redis.setresp() requires one argument."));
        }
        let version = as_number(lua, &args[0])?;
        if version != 2.0 && version != 3.0 {
            return Err(refused("RESP version must be 2 or 3."));
        }
        state.protocol.set(if version == 3.0 { Protocol::Resp3 } else { Protocol::Resp2 });
        Ok(())
    };
    rust.raw_set("setresp", lua.create_function(setresp)?)?;
    rust.raw_set("set_repl", lua.create_function(set_repl)?)?;
    rust.raw_set("log", lua.create_function(log)?)?;
    rust.raw_set("acl_check_cmd", lua.create_function(acl_check_cmd)?)?;
    let state = Rc::clone(shared);
    let draw = move |lua: &Lua, args: Variadic<Arg>| {
        let (next, value) = random::uniform(state.random.get());
        state.random.set(next);
        scaled(lua, &args, value)
    };
    rust.raw_set("random", lua.create_function(draw)?)?;
    let state = Rc::clone(shared);
    let seed = move |lua: &Lua, args: Variadic<Arg>| {
        let seed = integer(lua, &args, 0, "randomseed")?;
        state.random.set(random::seeded(seed as u64));
        Ok(())
    };
    rust.raw_set("randomseed", lua.create_function(seed)?)
}

fn refused(text: &str) -> mlua::Error {
    Raised::Reply([b"ERR ", text.as_bytes()].concat()).into()
}

/// As C's `lua_tonumber`: what is no number is 0.
fn as_number(lua: &Lua, arg: &Arg) -> mlua::Result<f64> {
    Ok(match arg {
        Arg::Number(number) => *number,
        arg => match arg.bytes() {
            Some(text) => {
                let text = Value::String(lua.create_string(text)?);
                lua.coerce_number(text)?.unwrap_or(0.0)
            }
            None => 0.0,
        },
    })
}

/// A number cut to an integer.
fn integer(lua: &Lua, args: &[Arg], at: usize, name: &str) -> mlua::Result<i64> {
    number(lua, args, at, name).map(|number| number as i64)
}

fn sha1hex(lua: &Lua, args: Variadic<Arg>) -> mlua::Result<mlua::String> {
    if args.len() != 1 {
        return Err(refused("wrong number of arguments"));
    }
    let text = match &args[0] {
        Arg::Number(_) => string(lua, &args, 0, "sha1hex")?,
        arg => arg.bytes().unwrap_or_default().to_vec(),
    };
    lua.create_string(Sha::of(&text).hex())
}

fn set_repl(lua: &Lua, args: Variadic<Arg>) -> mlua::Result<()> {
    if args.len() != 1 {
        return Err(refused("redis.set_repl() requires two arguments."));
    }
    let flags = as_number(lua, &args[0])? as i64;
    if !(0..4).contains(&flags) {
        return Err(refused(
            "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.",
        ));
    }
    Ok(())
}

/// Makes `redis.log`, given what hands a level and a text to the host.
fn log(lua: &Lua, host: Function) -> mlua::Result<Function> {
    lua.create_function(move |lua, args: Variadic<Arg>| {
        if args.len() < 2 {
            return Err(refused("redis.log() requires two arguments or more."));
        }
        let Arg::Number(level) = args[0] else {
            return Err(refused("First argument must be a number (log level)."));
        };
        let level = level as i64;
        if !(0..4).contains(&level) {
            return Err(refused("Invalid debug level."));
        }
        let words = (1..args.len()).filter_map(|at| string(lua, &args, at, "log").ok());
        let words: Vec<Vec<u8>> = words.collect();
        host.call::<()>((level, lua.create_string(words.join(&b' '))?))
    })
}

/// Makes `redis.acl_check_cmd`, given what asks the host.
fn acl_check_cmd(lua: &Lua, host: Function) -> mlua::Result<Function> {
    lua.create_function(move |lua, mut args: Variadic<Arg>| {
        let mut strings = MultiValue::new();
        for arg in args.iter_mut() {
            arg.spell();
            strings.push_back(match arg.bytes() {
                Some(text) => Value::String(lua.create_string(text)?),
                None => Value::Boolean(false),
            });
        }
        match host.call::<Value>(strings)? {
            Value::Nil => Err(refused("Invalid command passed to redis.acl_check_cmd()")),
            answer => Ok(answer),
        }
    })
}

/// What `math.random` makes of a number from 0 to 1.
fn scaled(lua: &Lua, args: &[Arg], r: f64) -> mlua::Result<f64> {
    match args.len() {
        0 => Ok(r),
        1 => {
            let high = integer(lua, args, 0, "random")? as f64;
            if high < 1.0 {
                return Err(bad(lua, 0, "random", "interval is empty"));
            }
            Ok((r * high).floor() + 1.0)
        }
        2 => {
            let low = integer(lua, args, 0, "random")? as f64;
            let high = integer(lua, args, 1, "random")? as f64;
            if low > high {
                return Err(bad(lua, 1, "random", "interval is empty"));
            }
            Ok((r * (high - low + 1.0)).floor() + low)
        }
        _ => Err(positioned(lua, "wrong number of arguments")),
    }
}

fn rep(lua: &Lua, args: Variadic<Arg>) -> mlua::Result<mlua::String> {
    let text = string(lua, &args, 0, "rep")?;
    if args.len() < 2 {
        return Err(mistyped(lua, &args, 1, "rep", "number"));
    }
    let times = number(lua, &args, 1, "rep")?;
    let times = if times >= 1.0 && !text.is_empty() { times as usize } else { 0 };
    if text.len().saturating_mul(times) > REPEATED_BYTES_MAX {
        return Err(Raised::Message(b"not enough memory".to_vec()).into());
    }
    lua.create_string(text.repeat(times))
}
