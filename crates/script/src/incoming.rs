//! What a command answered, as Lua sees it.
//!
//! RESP2: integers are numbers, strings strings, statuses `{ok = text}`, errors `{err = text}`, nulls `false`,
//! arrays tables. RESP3 adds `{map = {…}}`, `{set = {member = true}}`, `{double = n}`, booleans, `nil`,
//! `{big_number = digits}` and `{verbatim_string = {format = f, string = s}}`.

use mlua::{Lua, Table, Value};
use resp::number::{parse_f64, parse_i64};

/// How deep a reply may nest; the host's replies stay far below.
const DEPTH_MAX: usize = 128;

/// One reply out of the host's bytes.
pub enum Incoming {
    /// Anything but an error.
    Value(Value),
    /// The text of an error, without `-`.
    Error(Vec<u8>),
}

/// Reads the reply that `bytes` consist of. O(its bytes).
pub fn reply(lua: &Lua, bytes: &[u8]) -> mlua::Result<Incoming> {
    if bytes.first() == Some(&b'-') {
        let end = line_end(bytes, 1);
        return Ok(Incoming::Error(bytes[1..end].to_vec()));
    }
    let mut reader = Reader { lua, bytes, at: 0 };
    reader.value(0).map(Incoming::Value)
}

fn line_end(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    from + rest.iter().position(|&byte| byte == b'\r').unwrap_or(rest.len())
}

struct Reader<'a> {
    lua: &'a Lua,
    bytes: &'a [u8],
    at: usize,
}

fn malformed() -> mlua::Error {
    mlua::Error::runtime("malformed reply")
}

impl<'a> Reader<'a> {
    /// The rest of the line behind the type's letter.
    fn line(&mut self) -> &'a [u8] {
        let end = line_end(self.bytes, self.at);
        let line = self.bytes.get(self.at..end).unwrap_or_default();
        self.at = (end + 2).min(self.bytes.len());
        line
    }

    fn number(&mut self) -> mlua::Result<i64> {
        // Most numbers have one or two digits.
        parse_i64(self.line()).ok_or_else(malformed)
    }

    fn string(&mut self, len: i64) -> mlua::Result<&'a [u8]> {
        let len = usize::try_from(len).map_err(|_| malformed())?;
        let end = self.at.checked_add(len).ok_or_else(malformed)?;
        let text = self.bytes.get(self.at..end).ok_or_else(malformed)?;
        self.at = (end + 2).min(self.bytes.len());
        Ok(text)
    }

    fn text(&self, bytes: &[u8]) -> mlua::Result<Value> {
        self.lua.create_string(bytes).map(Value::String)
    }

    fn field(&self, name: &str, value: Value) -> mlua::Result<Value> {
        let table = self.lua.create_table_with_capacity(0, 1)?;
        table.raw_set(name, value)?;
        Ok(Value::Table(table))
    }

    fn value(&mut self, depth: usize) -> mlua::Result<Value> {
        let kind = *self.bytes.get(self.at).ok_or_else(malformed)?;
        self.at += 1;
        if depth > DEPTH_MAX {
            return Err(malformed());
        }
        match kind {
            b':' => Ok(Value::Number(self.number()? as f64)),
            b'$' => match self.number()? {
                ..0 => Ok(Value::Boolean(false)),
                len => {
                    let text = self.string(len)?;
                    self.text(text)
                }
            },
            b'+' => {
                let text = self.text(self.line_peek())?;
                self.line();
                self.field("ok", text)
            }
            b'-' => {
                let text = self.text(self.line_peek())?;
                self.line();
                self.field("err", text)
            }
            b'*' | b'>' => match self.number()? {
                ..0 => Ok(Value::Boolean(false)),
                len => Ok(Value::Table(self.array(len, depth)?)),
            },
            _ => self.resp3(kind, depth),
        }
    }

    fn line_peek(&self) -> &'a [u8] {
        &self.bytes[self.at..line_end(self.bytes, self.at)]
    }

    fn resp3(&mut self, kind: u8, depth: usize) -> mlua::Result<Value> {
        match kind {
            b'_' => {
                self.line();
                Ok(Value::Nil)
            }
            b'#' => Ok(Value::Boolean(self.line() == b"t")),
            b',' => {
                let number = parse_f64(self.line()).unwrap_or(f64::NAN);
                self.field("double", Value::Number(number))
            }
            b'(' => {
                let digits = self.line();
                let digits = self.text(digits)?;
                self.field("big_number", digits)
            }
            b'=' => {
                let len = self.number()?;
                let text = self.string(len)?;
                let (format, text) = text.split_at_checked(4).ok_or_else(malformed)?;
                let inner = self.lua.create_table_with_capacity(0, 2)?;
                inner.raw_set("format", self.text(&format[..3])?)?;
                inner.raw_set("string", self.text(text)?)?;
                self.field("verbatim_string", Value::Table(inner))
            }
            b'%' => {
                let table = self.lua.create_table()?;
                for _ in 0..self.number()? {
                    let key = self.value(depth + 1)?;
                    let value = self.value(depth + 1)?;
                    if key != Value::Nil {
                        table.raw_set(key, value)?;
                    }
                }
                self.field("map", Value::Table(table))
            }
            b'~' => {
                let table = self.lua.create_table()?;
                for _ in 0..self.number()? {
                    let key = self.value(depth + 1)?;
                    if key != Value::Nil {
                        table.raw_set(key, true)?;
                    }
                }
                self.field("set", Value::Table(table))
            }
            b'|' => {
                for _ in 0..self.number()?.saturating_mul(2) {
                    self.value(depth + 1)?;
                }
                self.value(depth)
            }
            _ => Err(malformed()),
        }
    }

    /// A bulk string that is text, which mlua puts into Lua without a detour.
    fn text_ahead(&mut self) -> Option<&'a str> {
        let before = self.at;
        let text = (self.bytes.get(before) == Some(&b'$')).then(|| {
            self.at += 1;
            let len = self.number().ok()?;
            std::str::from_utf8(self.string(len).ok()?).ok()
        });
        let text = text.flatten();
        if text.is_none() {
            self.at = before;
        }
        text
    }

    fn array(&mut self, len: i64, depth: usize) -> mlua::Result<Table> {
        // Each element has three bytes or more, so a length that promises too much reserves nothing.
        let room = usize::try_from(len).unwrap_or(0).min(self.bytes.len() / 3);
        let mut table = self.lua.create_table_with_capacity(room, 0)?;
        let mut grows = false;
        for index in 1..=len {
            if let Some(text) = self.text_ahead() {
                table.raw_set(index, text)?;
                continue;
            }
            let value = self.value(depth + 1)?;
            if value == Value::Nil && !grows {
                // What `#` says of a table with holes depends on how the table has grown.
                grows = true;
                let grown = self.lua.create_table()?;
                for before in 1..index {
                    grown.raw_set(before, table.raw_get::<Value>(before)?)?;
                }
                table = grown;
            }
            table.raw_set(index, value)?;
        }
        Ok(table)
    }
}
