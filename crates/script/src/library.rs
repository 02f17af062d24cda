//! The libraries that Redis adds to Lua: cjson, cmsgpack, struct, bit; and its own `math.random`.

mod bit;
mod c_number;
mod cjson;
mod cmsgpack;
mod pack;
pub mod random;

pub use self::cjson::Settings as CjsonSettings;

use mlua::{Lua, Table};
use std::cell::Cell;
use std::rc::Rc;

/// Puts the libraries into the table that the prelude takes. What scripts set of cjson is in `settings`.
pub fn install(lua: &Lua, rust: &Table, settings: &Rc<Cell<CjsonSettings>>) -> mlua::Result<()> {
    rust.raw_set("bit", bit::library(lua)?)?;
    rust.raw_set("cjson", cjson::library(lua, settings)?)?;
    rust.raw_set("cmsgpack", cmsgpack::library(lua)?)?;
    rust.raw_set("struct", pack::library(lua)?)
}
