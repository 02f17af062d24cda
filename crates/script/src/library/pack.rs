//! `struct`: numbers and strings to bytes of a given layout and back.

use crate::argument::{Arg, bad, number, string};
use crate::errors::positioned;
use mlua::{Lua, MultiValue, Table, Value, Variadic};

/// Bytes of the widest integer.
const WIDTH_MAX: usize = 32;
/// Values that one call gives back: mlua holds some thousand at most.
pub const RESULTS_MAX: usize = 4000;

/// Makes the library.
pub fn library(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("pack", lua.create_function(pack)?)?;
    table.raw_set("unpack", lua.create_function(unpack)?)?;
    table.raw_set("size", lua.create_function(size)?)?;
    Ok(table)
}

/// Reads a format.
struct Format<'a> {
    lua: &'a Lua,
    name: &'static str,
    text: &'a [u8],
    at: usize,
    big_endian: bool,
    align_max: usize,
}

/// One option of a format: its letter, its bytes, and the zeros before it.
struct Item {
    letter: u8,
    size: usize,
    padding: usize,
}

impl<'a> Format<'a> {
    fn new(lua: &'a Lua, name: &'static str, text: &'a [u8]) -> Format<'a> {
        Format { lua, name, text, at: 0, big_endian: false, align_max: 1 }
    }

    /// Decimal digits, or `default` if there are none.
    fn count(&mut self, default: usize) -> mlua::Result<usize> {
        let digits = self.text[self.at..].iter().take_while(|byte| byte.is_ascii_digit());
        let mut value: Option<usize> = None;
        for digit in digits {
            let before = value.unwrap_or(0);
            let next = before * 10 + usize::from(digit - b'0');
            if next > i32::MAX as usize {
                return Err(positioned(self.lua, "integral size overflow"));
            }
            value = Some(next);
            self.at += 1;
        }
        Ok(value.unwrap_or(default))
    }

    /// The bytes of an option.
    fn size(&mut self, letter: u8) -> mlua::Result<usize> {
        Ok(match letter {
            b'b' | b'B' | b'x' => 1,
            b'h' | b'H' => 2,
            b'l' | b'L' | b'T' | b'd' => 8,
            b'f' => 4,
            b'c' => self.count(1)?,
            b'i' | b'I' => match self.count(4)? {
                size @ ..=WIDTH_MAX => size,
                size => {
                    let text = format!("integral size {size} is larger than limit of {WIDTH_MAX}");
                    return Err(positioned(self.lua, text));
                }
            },
            _ => 0,
        })
    }

    /// The next option at the place `total` of the data. Endianness and alignment are options of no
    /// bytes, which the caller need not know.
    fn next(&mut self, total: usize) -> mlua::Result<Option<Item>> {
        let Some(&letter) = self.text.get(self.at) else { return Ok(None) };
        self.at += 1;
        let size = self.size(letter)?;
        let align = if letter == b'c' { 0 } else { size.min(self.align_max) };
        let padding = match align {
            0 | 1 => 0,
            align => align.wrapping_sub(total & (align - 1)) & (align - 1),
        };
        match letter {
            b'>' => self.big_endian = true,
            b'<' => self.big_endian = false,
            b'!' => {
                let align = self.count(8)?;
                if !align.is_power_of_two() {
                    let text = format!("alignment {align} is not a power of 2");
                    return Err(positioned(self.lua, text));
                }
                self.align_max = align;
            }
            _ => {}
        }
        Ok(Some(Item { letter, size, padding }))
    }

    fn unknown(&self, letter: u8) -> mlua::Error {
        let what = format!("invalid format option '{}'", char::from(letter));
        bad(self.lua, 0, self.name, &what)
    }
}

fn pack(lua: &Lua, mut args: Variadic<Arg>) -> mlua::Result<mlua::String> {
    let text = string(lua, &args, 0, "pack")?;
    // The first argument that lacks is nil to the original, others are none.
    args.push(Arg::Other("nil"));
    let mut format = Format::new(lua, "pack", &text);
    let mut out = Vec::new();
    let mut at = 1;
    while let Some(Item { letter, size, padding }) = format.next(out.len())? {
        out.resize(out.len() + padding, 0);
        match letter {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let value = number(lua, &args, at, "pack")?;
                put_integer(value, size, format.big_endian, &mut out);
                at += 1;
            }
            b'x' => out.push(0),
            b'f' => {
                let value = number(lua, &args, at, "pack")? as f32;
                put(&value.to_le_bytes(), format.big_endian, &mut out);
                at += 1;
            }
            b'd' => {
                let value = number(lua, &args, at, "pack")?;
                put(&value.to_le_bytes(), format.big_endian, &mut out);
                at += 1;
            }
            b's' | b'c' => {
                let value = string(lua, &args, at, "pack")?;
                let size = if size == 0 { value.len() } else { size };
                let part =
                    value.get(..size).ok_or_else(|| bad(lua, at + 1, "pack", "string too short"));
                out.extend_from_slice(part?);
                if letter == b's' {
                    out.push(0);
                }
                at += 1;
            }
            b' ' | b'<' | b'>' | b'!' => {}
            letter => return Err(format.unknown(letter)),
        }
    }
    lua.create_string(out)
}

fn put(little: &[u8], big_endian: bool, out: &mut Vec<u8>) {
    match big_endian {
        true => out.extend(little.iter().rev()),
        false => out.extend_from_slice(little),
    }
}

fn put_integer(value: f64, size: usize, big_endian: bool, out: &mut Vec<u8>) {
    let bits = if value < 0.0 { value as i64 as u64 } else { value as u64 };
    let mut bytes = [0; WIDTH_MAX];
    bytes[..8].copy_from_slice(&bits.to_le_bytes());
    put(&bytes[..size.min(WIDTH_MAX)], big_endian, out);
}

fn get_integer(bytes: &[u8], big_endian: bool, signed: bool) -> f64 {
    let shift = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
    let bits = match big_endian {
        true => bytes.iter().fold(0, shift),
        false => bytes.iter().rev().fold(0, shift),
    };
    if !signed {
        return bits as f64;
    }
    let unused = 64 - 8 * bytes.len().clamp(1, 8) as u32;
    ((bits << unused) as i64 >> unused) as f64
}

fn reversed<const N: usize>(bytes: &[u8], big_endian: bool) -> [u8; N] {
    let mut little = [0; N];
    little.copy_from_slice(bytes);
    if big_endian {
        little.reverse();
    }
    little
}

fn unpack(lua: &Lua, args: Variadic<Arg>) -> mlua::Result<MultiValue> {
    let text = string(lua, &args, 0, "unpack")?;
    let data = string(lua, &args, 1, "unpack")?;
    let start = match args.get(2) {
        None | Some(Arg::Other("nil")) => 1.0,
        Some(_) => number(lua, &args, 2, "unpack")?.trunc(),
    };
    if start == 0.0 {
        return Err(bad(lua, 2, "unpack", "offset must be 1 or greater"));
    }
    let short = || bad(lua, 1, "unpack", "data string too short");
    let mut at = if start < 0.0 { usize::MAX } else { start as usize - 1 };
    let mut values: Vec<Value> = Vec::new();
    let mut format = Format::new(lua, "unpack", &text);
    while let Some(Item { letter, mut size, padding }) = format.next(at)? {
        at = at.checked_add(padding).ok_or_else(short)?;
        if letter == b'c' && size == 0 {
            size = match values.pop() {
                Some(Value::Number(number)) => number as usize,
                _ => return Err(positioned(lua, "format 'c0' needs a previous size")),
            };
        }
        let end = at.checked_add(size).ok_or_else(short)?;
        let bytes = data.get(at..end).ok_or_else(short)?;
        at = end;
        let big = format.big_endian;
        let value = match letter {
            b'b' | b'h' | b'l' | b'i' => Value::Number(get_integer(bytes, big, true)),
            b'B' | b'H' | b'L' | b'T' | b'I' => Value::Number(get_integer(bytes, big, false)),
            b'f' => Value::Number(f64::from(f32::from_le_bytes(reversed(bytes, big)))),
            b'd' => Value::Number(f64::from_le_bytes(reversed(bytes, big))),
            b'c' => Value::String(lua.create_string(bytes)?),
            b's' => {
                let rest = &data[at..];
                let len = rest.iter().position(|&byte| byte == 0);
                let len = len.ok_or_else(|| positioned(lua, "unfinished string in data"))?;
                at += len + 1;
                Value::String(lua.create_string(&rest[..len])?)
            }
            b'x' | b' ' | b'<' | b'>' | b'!' => continue,
            letter => return Err(format.unknown(letter)),
        };
        if values.len() >= RESULTS_MAX {
            return Err(positioned(lua, "too many results to unpack"));
        }
        values.push(value);
    }
    values.push(Value::Number((at + 1) as f64));
    Ok(MultiValue::from_vec(values))
}

fn size(lua: &Lua, args: Variadic<Arg>) -> mlua::Result<usize> {
    let text = string(lua, &args, 0, "size")?;
    let mut format = Format::new(lua, "size", &text);
    let mut total: usize = 0;
    while let Some(Item { letter, size, padding }) = format.next(total)? {
        match letter {
            b's' => return Err(bad(lua, 0, "size", "option 's' has no fixed size")),
            b'c' if size == 0 => return Err(bad(lua, 0, "size", "option 'c0' has no fixed size")),
            _ => total = total.saturating_add(padding).saturating_add(size),
        }
    }
    Ok(total)
}
