//! Lua to JSON.

use super::{DEPTH_CAP, Invalid, Settings, bad, type_name};
use crate::errors::positioned;
use crate::number_text::general;
use mlua::{Lua, Table, Value};

/// The JSON of a value.
pub fn encode(
    lua: &Lua,
    settings: Settings,
    value: Value,
    more: usize,
) -> mlua::Result<mlua::String> {
    if more > 0 {
        return Err(bad(lua, 0, "encode", "expected 1 argument"));
    }
    let mut encoder = Encoder { lua, settings, out: Vec::new() };
    encoder.value(&value, 0)?;
    lua.create_string(encoder.out)
}

struct Encoder<'a> {
    lua: &'a Lua,
    settings: Settings,
    out: Vec<u8>,
}

impl Encoder<'_> {
    fn refused(&self, what: &str, why: &str) -> mlua::Error {
        positioned(self.lua, format!("Cannot serialise {what}: {why}"))
    }

    fn value(&mut self, value: &Value, depth: u32) -> mlua::Result<()> {
        match value {
            Value::Nil => self.out.extend_from_slice(b"null"),
            Value::LightUserData(pointer) if pointer.0.is_null() => {
                self.out.extend_from_slice(b"null");
            }
            Value::Boolean(true) => self.out.extend_from_slice(b"true"),
            Value::Boolean(false) => self.out.extend_from_slice(b"false"),
            Value::Integer(number) => self.number(*number as f64)?,
            Value::Number(number) => self.number(*number)?,
            Value::String(text) => self.string(&text.as_bytes()),
            Value::Table(table) => self.table(table, depth + 1)?,
            other => return Err(self.refused(type_name(other), "type not supported")),
        }
        Ok(())
    }

    fn number(&mut self, number: f64) -> mlua::Result<()> {
        if !number.is_finite() {
            match self.settings.encode_invalid {
                Invalid::Refused => return Err(self.refused("number", "must not be NaN or Inf")),
                Invalid::Null => {
                    self.out.extend_from_slice(b"null");
                    return Ok(());
                }
                Invalid::Spelt if number.is_nan() => {
                    self.out.extend_from_slice(b"nan");
                    return Ok(());
                }
                Invalid::Spelt => {}
            }
        }
        general(number, self.settings.precision as usize, &mut self.out);
        Ok(())
    }

    fn string(&mut self, text: &[u8]) {
        self.out.push(b'"');
        for &byte in text {
            let short = match byte {
                b'"' => b'"',
                b'\\' => b'\\',
                b'/' => b'/',
                8 => b'b',
                9 => b't',
                10 => b'n',
                12 => b'f',
                13 => b'r',
                0..32 | 127 => {
                    self.out.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
                    continue;
                }
                _ => {
                    self.out.push(byte);
                    continue;
                }
            };
            self.out.extend_from_slice(&[b'\\', short]);
        }
        self.out.push(b'"');
    }

    /// The length of a table that is an array; 0 for any other.
    fn array_len(&self, table: &Table) -> mlua::Result<u64> {
        let (mut max, mut items) = (0_u64, 0_u64);
        for pair in table.pairs::<Value, Value>() {
            let (key, _) = pair?;
            match key {
                Value::Integer(index) if index > 0 => max = max.max(index as u64),
                _ => return Ok(0),
            }
            items += 1;
        }
        let Settings { sparse_ratio, sparse_safe, sparse_convert, .. } = self.settings;
        let sparse = sparse_ratio > 0
            && max > items.saturating_mul(u64::from(sparse_ratio))
            && max > u64::from(sparse_safe);
        match (sparse, sparse_convert) {
            (true, false) => Err(self.refused("table", "excessively sparse array")),
            (true, true) => Ok(0),
            (false, _) => Ok(max),
        }
    }

    fn table(&mut self, table: &Table, depth: u32) -> mlua::Result<()> {
        if depth > self.settings.encode_depth.min(DEPTH_CAP) {
            let text = format!("Cannot serialise, excessive nesting ({depth})");
            return Err(positioned(self.lua, text));
        }
        let len = self.array_len(table)?;
        if len > 0 {
            self.out.push(b'[');
            for index in 1..=len {
                if index > 1 {
                    self.out.push(b',');
                }
                self.value(&table.raw_get(index)?, depth)?;
            }
            self.out.push(b']');
            return Ok(());
        }
        self.out.push(b'{');
        for (index, pair) in table.pairs::<Value, Value>().enumerate() {
            let (key, value) = pair?;
            if index > 0 {
                self.out.push(b',');
            }
            match &key {
                Value::String(text) => self.string(&text.as_bytes()),
                Value::Integer(_) | Value::Number(_) => {
                    self.out.push(b'"');
                    self.value(&key, depth)?;
                    self.out.push(b'"');
                }
                other => {
                    let why = "table key must be a number or string";
                    return Err(self.refused(type_name(other), why));
                }
            }
            self.out.push(b':');
            self.value(&value, depth)?;
        }
        self.out.push(b'}');
        Ok(())
    }
}
