//! `bit`: operations on 32-bit integers.

use crate::argument::{Arg, number};
use mlua::{Lua, Table, Variadic};

/// Makes the library.
pub fn library(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    unary(lua, &table, "tobit", |a| a)?;
    unary(lua, &table, "bnot", |a| !a)?;
    unary(lua, &table, "bswap", u32::swap_bytes)?;
    fold(lua, &table, "band", |a, b| a & b)?;
    fold(lua, &table, "bor", |a, b| a | b)?;
    fold(lua, &table, "bxor", |a, b| a ^ b)?;
    shift(lua, &table, "lshift", |a, n| a << n)?;
    shift(lua, &table, "rshift", |a, n| a >> n)?;
    shift(lua, &table, "arshift", |a, n| ((a as i32) >> n) as u32)?;
    shift(lua, &table, "rol", u32::rotate_left)?;
    shift(lua, &table, "ror", u32::rotate_right)?;
    table.raw_set("tohex", lua.create_function(tohex)?)?;
    Ok(table)
}

/// The lower 32 bits of a number, rounded to nearest even, as the original does by adding 2^52 + 2^51.
fn bits(value: f64) -> u32 {
    ((value + 6_755_399_441_055_744.0).to_bits() & 0xffff_ffff) as u32
}

fn operand(lua: &Lua, args: &[Arg], at: usize, name: &str) -> mlua::Result<u32> {
    number(lua, args, at, name).map(bits)
}

fn signed(value: u32) -> f64 {
    f64::from(value as i32)
}

fn unary(
    lua: &Lua,
    table: &Table,
    name: &'static str,
    operation: fn(u32) -> u32,
) -> mlua::Result<()> {
    let function = lua.create_function(move |lua, args: Variadic<Arg>| {
        Ok(signed(operation(operand(lua, &args, 0, name)?)))
    })?;
    table.raw_set(name, function)
}

fn fold(
    lua: &Lua,
    table: &Table,
    name: &'static str,
    operation: fn(u32, u32) -> u32,
) -> mlua::Result<()> {
    let function = lua.create_function(move |lua, args: Variadic<Arg>| {
        let mut result = operand(lua, &args, 0, name)?;
        for at in 1..args.len() {
            result = operation(result, operand(lua, &args, at, name)?);
        }
        Ok(signed(result))
    })?;
    table.raw_set(name, function)
}

fn shift(
    lua: &Lua,
    table: &Table,
    name: &'static str,
    operation: fn(u32, u32) -> u32,
) -> mlua::Result<()> {
    let function = lua.create_function(move |lua, args: Variadic<Arg>| {
        let value = operand(lua, &args, 0, name)?;
        let by = operand(lua, &args, 1, name)? & 31;
        Ok(signed(operation(value, by)))
    })?;
    table.raw_set(name, function)
}

fn tohex(lua: &Lua, args: Variadic<Arg>) -> mlua::Result<mlua::String> {
    let value = operand(lua, &args, 0, "tohex")?;
    let digits = match args.len() {
        0 | 1 => 8,
        _ => operand(lua, &args, 1, "tohex")? as i32,
    };
    let count = digits.unsigned_abs().min(8) as usize;
    let text = if digits < 0 { format!("{value:08X}") } else { format!("{value:08x}") };
    lua.create_string(&text[8 - count..])
}
