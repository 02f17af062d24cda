//! What a script returned, as the client sees it.
//!
//! A table is an error, a status, a double, a map, a set, a big number or verbatim text if it has the field for
//! it, looked for in that order; else an array up to its first `nil`. Nothing calls metamethods. The walk
//! keeps its own stack, so a deep table costs no stack of the thread.

use crate::number_text;
use mlua::{Function, Lua, String as LuaString, Table, Value};
use resp::{Protocol, Writer};

/// The names of the fields that make a table something else than an array; made once for each state.
pub struct Fields {
    err: LuaString,
    ok: LuaString,
    double: LuaString,
    map: LuaString,
    set: LuaString,
    big_number: LuaString,
    verbatim: LuaString,
    format: LuaString,
    string: LuaString,
    /// `next`, Lua's own.
    next: Function,
}

impl Fields {
    /// Makes the names.
    pub fn new(lua: &Lua) -> mlua::Result<Fields> {
        Ok(Fields {
            err: lua.create_string("err")?,
            ok: lua.create_string("ok")?,
            double: lua.create_string("double")?,
            map: lua.create_string("map")?,
            set: lua.create_string("set")?,
            big_number: lua.create_string("big_number")?,
            verbatim: lua.create_string("verbatim_string")?,
            format: lua.create_string("format")?,
            string: lua.create_string("string")?,
            next: lua.globals().raw_get("next")?,
        })
    }
}

/// The places on Lua's stack that Redis has for a reply. An array takes one, a map or a set three.
const DEPTH_MAX: usize = 7995;

/// What stands at the place that is too deep.
const TOO_DEEP: &[u8] = b"ERR reached lua stack limit";

/// What an aggregate is for the client.
#[derive(Clone, Copy)]
enum Kind {
    Array,
    Map,
    Set,
}

/// An aggregate that is being written. Its table and last key are with [`Outgoing::reply`] or, while an inner
/// one is written, in `held`: mlua has places for some thousand values only.
struct Open {
    kind: Kind,
    /// Elements or pairs begun.
    count: usize,
    /// Whether a pair's value is due.
    value_due: bool,
    /// Its header, by place in the list.
    header: usize,
}

/// A header that is written when all counts are known, so that a deep reply costs linear time.
struct Header {
    at: usize,
    kind: Kind,
    count: usize,
}

/// Writes a value for one client.
pub struct Outgoing<'a> {
    lua: &'a Lua,
    fields: &'a Fields,
    /// What `redis.setresp` chose: how booleans are told.
    script: Protocol,
    client: Protocol,
    /// Everything but headers of aggregates.
    body: Vec<u8>,
    headers: Vec<Header>,
    open: Vec<Open>,
    held: Option<Table>,
    depth: usize,
}

/// Appends a script's value as one reply to `out`. O(what it holds).
pub fn reply(
    lua: &Lua,
    fields: &Fields,
    script: Protocol,
    client: Protocol,
    value: Value,
    out: &mut Vec<u8>,
) -> mlua::Result<()> {
    if let Some(()) = scalar(&value, script, &mut Writer::new(out, client)) {
        return Ok(());
    }
    let mut outgoing = Outgoing {
        lua,
        fields,
        script,
        client,
        body: Vec::new(),
        headers: Vec::new(),
        open: Vec::new(),
        held: None,
        depth: 0,
    };
    outgoing.reply(value)?;
    outgoing.merge(out);
    Ok(())
}

/// Writes anything but a table.
fn scalar(value: &Value, script: Protocol, writer: &mut Writer<'_>) -> Option<()> {
    match value {
        Value::String(text) => writer.bulk(&text.as_bytes()),
        Value::Integer(number) => writer.integer(*number),
        Value::Number(number) => writer.integer(to_integer(*number)),
        Value::Boolean(value) => match (script, value) {
            (Protocol::Resp2, true) => writer.integer(1),
            (Protocol::Resp2, false) => writer.null(),
            (Protocol::Resp3, value) => writer.bool(*value),
        },
        Value::Table(_) => return None,
        _ => writer.null(),
    }
    Some(())
}

impl Outgoing<'_> {
    fn reply(&mut self, value: Value) -> mlua::Result<()> {
        let mut current = self.write(value)?.map(|(table, open)| (table, Value::Nil, open));
        while let Some((table, mut key, mut open)) = current.take() {
            let Some(element) = self.element(&table, &mut key, &mut open)? else {
                self.headers[open.header].count = open.count;
                self.depth -= open.kind.places();
                current = self.resume()?;
                continue;
            };
            current = match self.write(element)? {
                None => Some((table, key, open)),
                Some((inner, inner_open)) => {
                    self.suspend(&table, &key, open)?;
                    Some((inner, Value::Nil, inner_open))
                }
            };
        }
        Ok(())
    }

    /// The next value that an aggregate shows.
    fn element(
        &self,
        table: &Table,
        key: &mut Value,
        open: &mut Open,
    ) -> mlua::Result<Option<Value>> {
        if open.value_due {
            open.value_due = false;
            return table.raw_get(&*key).map(Some);
        }
        let element: Value = match open.kind {
            Kind::Array => table.raw_get(open.count + 1)?,
            Kind::Map | Kind::Set => {
                *key = self.fields.next.call((table, &*key))?;
                key.clone()
            }
        };
        if element.is_nil() {
            return Ok(None);
        }
        open.count += 1;
        open.value_due = matches!(open.kind, Kind::Map);
        Ok(Some(element))
    }

    fn suspend(&mut self, table: &Table, key: &Value, open: Open) -> mlua::Result<()> {
        let held = match &self.held {
            Some(held) => held,
            None => self.held.insert(self.lua.create_table()?),
        };
        self.open.push(open);
        held.raw_set(2 * self.open.len() - 1, table)?;
        held.raw_set(2 * self.open.len(), key)
    }

    fn resume(&mut self) -> mlua::Result<Option<(Table, Value, Open)>> {
        let (Some(held), Some(open)) = (&self.held, self.open.pop()) else { return Ok(None) };
        let at = 2 * self.open.len() + 1;
        Ok(Some((held.raw_get(at)?, held.raw_get(at + 1)?, open)))
    }

    /// Puts the headers where they belong.
    fn merge(&self, out: &mut Vec<u8>) {
        let mut from = 0;
        out.reserve(self.body.len() + 8 * self.headers.len());
        for header in &self.headers {
            out.extend_from_slice(&self.body[from..header.at]);
            from = header.at;
            let mut writer = Writer::new(out, self.client);
            match header.kind {
                Kind::Array => writer.array(header.count),
                Kind::Map => writer.map(header.count),
                Kind::Set => writer.set(header.count),
            }
        }
        out.extend_from_slice(&self.body[from..]);
    }

    fn begin(&mut self, table: Table, kind: Kind) -> Option<(Table, Open)> {
        let header = self.headers.len();
        self.headers.push(Header { at: self.body.len(), kind, count: 0 });
        self.depth += kind.places();
        Some((table, Open { kind, count: 0, value_due: false, header }))
    }

    fn writer(&mut self) -> Writer<'_> {
        Writer::new(&mut self.body, self.client)
    }

    /// Writes a value; an aggregate is begun and given back.
    fn write(&mut self, value: Value) -> mlua::Result<Option<(Table, Open)>> {
        let script = self.script;
        let Value::Table(table) = value else {
            scalar(&value, script, &mut self.writer());
            return Ok(None);
        };
        if self.depth >= DEPTH_MAX {
            self.writer().error(TOO_DEEP);
            return Ok(None);
        }
        let fields = self.fields;
        if let Value::String(text) = table.raw_get(&fields.err)? {
            self.line(b'-', &error_line(&text.as_bytes()));
        } else if let Value::String(text) = table.raw_get(&fields.ok)? {
            self.line(b'+', &spaces_for_breaks(&text.as_bytes()));
        } else if let Some(number) = as_number(&table.raw_get(&fields.double)?) {
            self.double(number);
        } else if let Value::Table(map) = table.raw_get(&fields.map)? {
            return Ok(self.begin(map, Kind::Map));
        } else if let Value::Table(set) = table.raw_get(&fields.set)? {
            return Ok(self.begin(set, Kind::Set));
        } else if let Value::String(digits) = table.raw_get(&fields.big_number)? {
            self.big_number(&digits.as_bytes());
        } else if !self.verbatim_of(&table)? {
            return Ok(self.begin(table, Kind::Array));
        }
        Ok(None)
    }

    fn verbatim_of(&mut self, table: &Table) -> mlua::Result<bool> {
        let Value::Table(inner) = table.raw_get(&self.fields.verbatim)? else { return Ok(false) };
        let format: Value = inner.raw_get(&self.fields.format)?;
        let text: Value = inner.raw_get(&self.fields.string)?;
        let (Value::String(format), Value::String(text)) = (format, text) else {
            return Ok(false);
        };
        self.verbatim(&format.as_bytes(), &text.as_bytes());
        Ok(true)
    }

    fn line(&mut self, kind: u8, text: &[u8]) {
        self.body.push(kind);
        self.body.extend_from_slice(text);
        self.body.extend_from_slice(b"\r\n");
    }

    fn double(&mut self, number: f64) {
        let mut text = Vec::new();
        number_text::general(number, number_text::FULL_DIGITS, &mut text);
        match self.client {
            Protocol::Resp2 => self.writer().bulk(&text),
            Protocol::Resp3 => self.line(b',', &text),
        }
    }

    fn big_number(&mut self, digits: &[u8]) {
        let digits = spaces_for_breaks(digits);
        match self.client {
            Protocol::Resp2 => self.writer().bulk(&digits),
            Protocol::Resp3 => self.line(b'(', &digits),
        }
    }

    fn verbatim(&mut self, format: &[u8], text: &[u8]) {
        if self.client == Protocol::Resp2 {
            return self.writer().bulk(text);
        }
        let mut letters = [b' '; 3];
        for (letter, given) in letters.iter_mut().zip(format) {
            *letter = *given;
        }
        self.line(b'=', itoa::Buffer::new().format(text.len() + 4).as_bytes());
        self.body.extend_from_slice(&letters);
        self.body.push(b':');
        self.body.extend_from_slice(text);
        self.body.extend_from_slice(b"\r\n");
    }
}

impl Kind {
    /// The places it takes on Lua's stack in Redis.
    fn places(self) -> usize {
        match self {
            Kind::Array => 1,
            Kind::Map | Kind::Set => 3,
        }
    }
}

fn as_number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => Some(*number),
        Value::Integer(number) => Some(*number as f64),
        _ => None,
    }
}

/// A number as Redis truncates it: what does not fit is the smallest integer.
fn to_integer(number: f64) -> i64 {
    let fits = (-9223372036854775808.0..9223372036854775808.0).contains(&number);
    if fits { number as i64 } else { i64::MIN }
}

/// The text of an error: breaks at its end are left out, others become spaces.
pub fn error_line(text: &[u8]) -> Vec<u8> {
    let end = text.iter().rposition(|&byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |at| at + 1);
    spaces_for_breaks(&text[..end])
}

fn spaces_for_breaks(text: &[u8]) -> Vec<u8> {
    text.iter().map(|&byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }).collect()
}
