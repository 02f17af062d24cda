//! The libraries that Redis adds to Lua: cjson, cmsgpack, struct, bit; and its own `math.random`.

mod bit;
pub mod random;

use mlua::{Lua, Table};

/// Puts the libraries into the table that the prelude takes.
pub fn install(lua: &Lua, rust: &Table) -> mlua::Result<()> {
    rust.raw_set("bit", bit::library(lua)?)?;
    rust.raw_set("cjson", lua.create_table()?)?;
    rust.raw_set("cmsgpack", lua.create_table()?)?;
    rust.raw_set("struct", lua.create_table()?)
}
