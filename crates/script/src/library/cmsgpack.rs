//! `cmsgpack`: Lua values to MessagePack and back, as lua-cmsgpack 0.4.0 does.

use super::pack::RESULTS_MAX;
use crate::argument::{Arg, number, string};
use crate::errors::{Raised, positioned};
use mlua::{FromLua, Lua, MultiValue, Table, Value, Variadic};

/// How deep tables are packed; deeper ones are nil.
const PACK_DEPTH: usize = 16;
/// How deep input may nest.
const UNPACK_DEPTH: usize = 1000;

/// Makes the library.
pub fn library(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("_NAME", "cmsgpack")?;
    table.raw_set("_VERSION", "lua-cmsgpack 0.4.0")?;
    table.raw_set("_COPYRIGHT", "Copyright (C) 2012, Salvatore Sanfilippo")?;
    table.raw_set("_DESCRIPTION", "MessagePack C implementation for Lua")?;
    let pack = |lua: &Lua, values: Variadic<Packed>| {
        if values.is_empty() {
            let text = "bad argument #0 to 'pack' (MessagePack pack needs input.)";
            return Err(positioned(lua, text));
        }
        let packed: Vec<&[u8]> = values.iter().map(|Packed(bytes)| &bytes[..]).collect();
        lua.create_string(packed.concat())
    };
    table.raw_set("pack", lua.create_function(pack)?)?;
    let all = |lua: &Lua, args: Variadic<Arg>| {
        let text = string(lua, &args, 0, "unpack")?;
        unpack(lua, &text, 0, 0, false)
    };
    table.raw_set("unpack", lua.create_function(all)?)?;
    let one = |lua: &Lua, args: Variadic<Arg>| {
        let text = string(lua, &args, 0, "unpack_one")?;
        let offset = optional(lua, &args, 1, "unpack_one")?;
        unpack(lua, &text, 1, offset, true)
    };
    table.raw_set("unpack_one", lua.create_function(one)?)?;
    let some = |lua: &Lua, args: Variadic<Arg>| {
        let text = string(lua, &args, 0, "unpack_limit")?;
        let limit = number(lua, &args, 1, "unpack_limit")? as i64;
        let offset = optional(lua, &args, 2, "unpack_limit")?;
        unpack(lua, &text, limit, offset, true)
    };
    table.raw_set("unpack_limit", lua.create_function(some)?)?;
    Ok(table)
}

/// An argument that is packed as it is taken, so that none is held.
struct Packed(Vec<u8>);

impl FromLua for Packed {
    fn from_lua(value: Value, _: &Lua) -> mlua::Result<Packed> {
        let mut out = Vec::new();
        pack_value(&value, 0, &mut out)?;
        Ok(Packed(out))
    }
}

fn optional(lua: &Lua, args: &[Arg], at: usize, name: &str) -> mlua::Result<i64> {
    match args.get(at) {
        None | Some(Arg::Other("nil")) => Ok(0),
        Some(_) => Ok(number(lua, args, at, name)? as i64),
    }
}

fn pack_value(value: &Value, depth: usize, out: &mut Vec<u8>) -> mlua::Result<()> {
    match value {
        Value::String(text) => pack_string(&text.as_bytes(), out),
        Value::Boolean(value) => out.push(if *value { 0xc3 } else { 0xc2 }),
        Value::Integer(number) => pack_integer(*number, out),
        Value::Number(number) => pack_number(*number, out),
        Value::Table(table) if depth < PACK_DEPTH => pack_table(table, depth, out)?,
        _ => out.push(0xc0),
    }
    Ok(())
}

fn pack_number(number: f64, out: &mut Vec<u8>) {
    if number == 0.0 {
        return pack_integer(0, out);
    }
    let single = number as f32;
    if f64::from(single) == number {
        out.push(0xca);
        out.extend_from_slice(&single.to_be_bytes());
    } else {
        out.push(0xcb);
        out.extend_from_slice(&number.to_be_bytes());
    }
}

fn pack_integer(number: i64, out: &mut Vec<u8>) {
    let bytes = number.to_be_bytes();
    let (kind, count) = match number {
        0..=127 => (None, 1),
        128..=0xff => (Some(0xcc), 1),
        0x100..=0xffff => (Some(0xcd), 2),
        0x1_0000..=0xffff_ffff => (Some(0xce), 4),
        0x1_0000_0000.. => (Some(0xcf), 8),
        -32..=-1 => (None, 1),
        -0x80..=-33 => (Some(0xd0), 1),
        -0x8000..=-0x81 => (Some(0xd1), 2),
        -0x8000_0000..=-0x8001 => (Some(0xd2), 4),
        _ => (Some(0xd3), 8),
    };
    out.extend(kind);
    out.extend_from_slice(&bytes[8 - count..]);
}

fn pack_string(text: &[u8], out: &mut Vec<u8>) {
    match text.len() {
        len @ 0..=31 => out.push(0xa0 | len as u8),
        len @ 32..=0xff => out.extend_from_slice(&[0xd9, len as u8]),
        len => pack_len(len, 0xda, out),
    }
    out.extend_from_slice(text);
}

/// A length of two or four bytes; the kind of the longer follows that of the shorter.
fn pack_len(len: usize, kind: u8, out: &mut Vec<u8>) {
    if let Ok(len) = u16::try_from(len) {
        out.push(kind);
        out.extend_from_slice(&len.to_be_bytes());
    } else {
        out.push(kind + 1);
        out.extend_from_slice(&(len as u32).to_be_bytes());
    }
}

/// Whether the keys are 1 to n, and how many there are.
fn shape(table: &Table) -> mlua::Result<(bool, usize)> {
    let (mut max, mut count, mut indices) = (0, 0, true);
    for pair in table.pairs::<Value, Value>() {
        match pair?.0 {
            Value::Integer(index) if index > 0 => max = max.max(index as usize),
            _ => indices = false,
        }
        count += 1;
    }
    Ok((indices && max == count, count))
}

fn pack_table(table: &Table, depth: usize, out: &mut Vec<u8>) -> mlua::Result<()> {
    let (array, count) = shape(table)?;
    if array {
        match count {
            0..=15 => out.push(0x90 | count as u8),
            _ => pack_len(count, 0xdc, out),
        }
        for index in 1..=count {
            pack_value(&table.raw_get(index)?, depth + 1, out)?;
        }
        return Ok(());
    }
    match count {
        0..=15 => out.push(0x80 | count as u8),
        _ => pack_len(count, 0xde, out),
    }
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair?;
        pack_value(&key, depth + 1, out)?;
        pack_value(&value, depth + 1, out)?;
    }
    Ok(())
}

/// Unpacks up to `limit` values (0: all) from `offset` on. In front of them, if it is asked for and there
/// is a limit, the offset behind them: -1 at the end.
fn unpack(lua: &Lua, text: &[u8], limit: i64, offset: i64, tell: bool) -> mlua::Result<MultiValue> {
    if limit < 0 || offset < 0 {
        // The words of the original, which names the length as the limit.
        let text = format!(
            "Invalid request to unpack with offset of {offset} and limit of {}.",
            text.len()
        );
        return Err(positioned(lua, text));
    }
    let start = usize::try_from(offset).unwrap_or(usize::MAX);
    if start > text.len() {
        let text = format!("Start offset {offset} greater than input length {}.", text.len());
        return Err(positioned(lua, text));
    }
    let mut reader = Unpacker { lua, text, at: start };
    let mut values = MultiValue::new();
    while reader.at < text.len() && (limit == 0 || (values.len() as i64) < limit) {
        if values.len() >= RESULTS_MAX {
            return Err(positioned(lua, "too many results to unpack"));
        }
        values.push_back(reader.value(0)?);
    }
    if tell && limit > 0 {
        let behind = if reader.at == text.len() { -1.0 } else { reader.at as f64 };
        values.push_front(Value::Number(behind));
    }
    Ok(values)
}

struct Unpacker<'a> {
    lua: &'a Lua,
    text: &'a [u8],
    at: usize,
}

impl<'a> Unpacker<'a> {
    fn take(&mut self, count: usize) -> mlua::Result<&'a [u8]> {
        let end = self.at.checked_add(count);
        match end.and_then(|end| self.text.get(self.at..end)) {
            Some(bytes) => {
                self.at += count;
                Ok(bytes)
            }
            None => Err(positioned(self.lua, "Missing bytes in input.")),
        }
    }

    fn unsigned(&mut self, count: usize) -> mlua::Result<u64> {
        Ok(self.take(count)?.iter().fold(0, |value, &byte| value << 8 | u64::from(byte)))
    }

    fn signed(&mut self, count: usize) -> mlua::Result<f64> {
        let shift = 64 - 8 * count as u32;
        Ok(((self.unsigned(count)? << shift) as i64 >> shift) as f64)
    }

    fn value(&mut self, depth: usize) -> mlua::Result<Value> {
        if depth > UNPACK_DEPTH {
            return Err(positioned(
                self.lua,
                "stack overflow (in function mp_decode_to_lua_array)",
            ));
        }
        let kind = self.take(1)?[0];
        Ok(match kind {
            0..=0x7f => Value::Number(f64::from(kind)),
            0xe0.. => Value::Number(f64::from(kind as i8)),
            0x80..=0x8f => self.map(usize::from(kind & 15), depth)?,
            0x90..=0x9f => self.array(usize::from(kind & 15), depth)?,
            0xa0..=0xbf => self.string(usize::from(kind & 31))?,
            0xc0 => Value::Nil,
            0xc2 => Value::Boolean(false),
            0xc3 => Value::Boolean(true),
            0xca => Value::Number(f64::from(f32::from_bits(self.unsigned(4)? as u32))),
            0xcb => Value::Number(f64::from_bits(self.unsigned(8)?)),
            0xcc..=0xcf => Value::Number(self.unsigned(1 << (kind - 0xcc))? as f64),
            0xd0..=0xd3 => Value::Number(self.signed(1 << (kind - 0xd0))?),
            0xd9..=0xdb => {
                let len = self.unsigned(1 << (kind - 0xd9))?;
                self.string(len as usize)?
            }
            0xdc | 0xdd => {
                let len = self.unsigned(if kind == 0xdc { 2 } else { 4 })?;
                self.array(len as usize, depth)?
            }
            0xde | 0xdf => {
                let len = self.unsigned(if kind == 0xde { 2 } else { 4 })?;
                self.map(len as usize, depth)?
            }
            _ => return Err(positioned(self.lua, "Bad data format in input.")),
        })
    }

    fn string(&mut self, len: usize) -> mlua::Result<Value> {
        let text = self.take(len)?;
        self.lua.create_string(text).map(Value::String)
    }

    fn array(&mut self, len: usize, depth: usize) -> mlua::Result<Value> {
        let table = self.lua.create_table()?;
        for index in 1..=len {
            table.raw_set(index, self.value(depth + 1)?)?;
        }
        Ok(Value::Table(table))
    }

    fn map(&mut self, len: usize, depth: usize) -> mlua::Result<Value> {
        let table = self.lua.create_table()?;
        for _ in 0..len {
            let key = self.value(depth + 1)?;
            let value = self.value(depth + 1)?;
            match key {
                Value::Nil => return Err(Raised::Message(b"table index is nil".to_vec()).into()),
                Value::Number(number) if number.is_nan() => {
                    return Err(Raised::Message(b"table index is NaN".to_vec()).into());
                }
                key => table.raw_set(key, value)?,
            }
        }
        Ok(Value::Table(table))
    }
}
