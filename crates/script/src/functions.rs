//! Libraries of functions: FUNCTION LOAD and its registry.
//!
//! A library's body runs once, in an environment that has `redis.register_function` and little else. What it
//! registers is a [`Prepared`] library; installing it cannot fail half-way, so an engine may prepare a
//! source on one core, answer its errors, and then send it to all.

use crate::errors::Raised;
use crate::host::Host;
use crate::interpreter::{Interpreter, Shared};
use crate::shebang::{self, Flags, NAME_RULE, is_name};
use mlua::{Function as Callback, Lua, RegistryKey, Table, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// The flags of a function are those of a script.
pub type FunctionFlags = Flags;

/// A function of a library.
pub struct Function {
    /// As it was registered.
    pub name: Vec<u8>,
    /// What the library says of it.
    pub description: Option<Vec<u8>>,
    /// What it promises or asks for.
    pub flags: FunctionFlags,
    callback: RegistryKey,
}

impl Function {
    /// Its name as it is looked up.
    fn folded(&self) -> Vec<u8> {
        self.name.to_ascii_lowercase()
    }
}

/// A library as FUNCTION LIST shows it.
pub struct Library {
    /// Its name.
    pub name: Vec<u8>,
    /// Its source, shebang included.
    pub code: Vec<u8>,
    /// Its functions by name.
    pub functions: Vec<Function>,
}

/// A library that compiled and registered its functions, but is not installed.
pub struct Prepared(Library);

impl Prepared {
    /// The library.
    pub fn library(&self) -> &Library {
        &self.0
    }
}

/// What becomes of the libraries that are there when others come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// They stay; one of the same name is an error.
    Append,
    /// One of the same name gives way.
    Replace,
    /// All give way.
    Flush,
}

/// What a library under way has registered.
#[derive(Default)]
pub(crate) struct Registering {
    under_way: bool,
    functions: Vec<Function>,
}

/// The installed libraries of an interpreter.
#[derive(Default)]
pub(crate) struct Libraries {
    by_name: BTreeMap<Vec<u8>, Library>,
    /// Lower-case name of a function to its library and its place there.
    functions: BTreeMap<Vec<u8>, (Vec<u8>, usize)>,
}

impl Libraries {
    fn function(&self, name: &[u8]) -> Option<&Function> {
        let (library, at) = self.functions.get(&name.to_ascii_lowercase())?;
        self.by_name.get(library)?.functions.get(*at)
    }

    pub(crate) fn callback(&self, name: &[u8]) -> Option<&RegistryKey> {
        self.function(name).map(|function| &function.callback)
    }

    fn remove(&mut self, name: &[u8]) -> Option<Library> {
        let library = self.by_name.remove(name)?;
        for function in &library.functions {
            self.functions.remove(&function.name.to_ascii_lowercase());
        }
        Some(library)
    }

    /// The name of a function that another library than `name` has already.
    fn conflict(&self, library: &Library) -> Option<&[u8]> {
        library.functions.iter().find_map(|function| {
            let (owner, _) = self.functions.get(&function.name.to_ascii_lowercase())?;
            (*owner != library.name).then_some(&function.name[..])?;
            self.function(&function.name).map(|function| &function.name[..])
        })
    }

    fn insert(&mut self, library: Library) {
        for (at, function) in library.functions.iter().enumerate() {
            let place = (library.name.clone(), at);
            self.functions.insert(function.name.to_ascii_lowercase(), place);
        }
        self.by_name.insert(library.name.clone(), library);
    }
}

impl Interpreter {
    /// Compiles a library and lets it register its functions. `host` is asked for its log only.
    ///
    /// # Errors
    /// The text of the error reply.
    pub fn prepare(&self, source: &[u8], host: &mut dyn Host) -> Result<Prepared, Vec<u8>> {
        let (name, body) = shebang::of_library(source)?;
        let body = self
            .compile_library(body)
            .map_err(|message| [b"ERR Error compiling function: ", &message[..]].concat())?;
        *self.shared().registering.borrow_mut() =
            Registering { under_way: true, functions: Vec::new() };
        let result = self.run_library(&body, host);
        let mut functions = self.shared().registering.take().functions;
        result.map_err(|text| [b"ERR Error registering functions: ", &text[..]].concat())?;
        if functions.is_empty() {
            return Err(b"ERR No functions registered".to_vec());
        }
        functions.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Prepared(Library { name, code: source.to_vec(), functions }))
    }

    /// Says why a library of this name cannot be loaded, before its body is looked at.
    ///
    /// # Errors
    /// The text of the error reply.
    pub fn may_load(&self, source: &[u8], replace: bool) -> Result<(), Vec<u8>> {
        let (name, _) = shebang::of_library(source)?;
        match !replace && self.libraries.by_name.contains_key(&name) {
            true => Err([b"ERR Library '", &name[..], b"' already exists"].concat()),
            false => Ok(()),
        }
    }

    /// Says why a prepared library cannot be installed.
    ///
    /// # Errors
    /// The text of the error reply.
    pub fn may_install(&self, prepared: &Prepared, replace: bool) -> Result<(), Vec<u8>> {
        let library = &prepared.0;
        if !replace && self.libraries.by_name.contains_key(&library.name) {
            return Err([b"ERR Library '", &library.name[..], b"' already exists"].concat());
        }
        match self.libraries.conflict(library) {
            Some(name) => Err([b"ERR Function ", name, b" already exists"].concat()),
            None => Ok(()),
        }
    }

    /// Installs a library, in place of the one of the same name if `replace`. Gives its name.
    ///
    /// # Errors
    /// The text of the error reply; nothing has changed then.
    pub fn install(&mut self, prepared: Prepared, replace: bool) -> Result<Vec<u8>, Vec<u8>> {
        self.may_install(&prepared, replace)?;
        let library = prepared.0;
        self.libraries.remove(&library.name);
        let name = library.name.clone();
        self.libraries.insert(library);
        Ok(name)
    }

    /// Says why these libraries cannot be installed together. O(functions * log).
    ///
    /// # Errors
    /// The text of the error reply.
    pub fn may_restore(&self, prepared: &[Prepared], policy: Policy) -> Result<(), Vec<u8>> {
        let exists = |name: &[u8]| Err([b"ERR Library ", name, b" already exists"].concat());
        let (mut names, mut functions) = (BTreeSet::new(), BTreeSet::new());
        for library in prepared.iter().map(Prepared::library) {
            if !names.insert(&library.name[..]) {
                return exists(&library.name);
            }
        }
        for library in self.libraries().filter(|_| policy != Policy::Flush) {
            match names.contains(&library.name[..]) {
                true if policy == Policy::Append => return exists(&library.name),
                true => {}
                false => functions.extend(library.functions.iter().map(Function::folded)),
            }
        }
        for function in prepared.iter().flat_map(|prepared| &prepared.0.functions) {
            if !functions.insert(function.folded()) {
                return Err([b"ERR Function ", &function.name[..], b" already exists"].concat());
            }
        }
        Ok(())
    }

    /// Installs these libraries together.
    ///
    /// # Errors
    /// The text of the error reply; nothing has changed then.
    pub fn restore(&mut self, prepared: Vec<Prepared>, policy: Policy) -> Result<(), Vec<u8>> {
        self.may_restore(&prepared, policy)?;
        if policy == Policy::Flush {
            self.flush_libraries();
        }
        for Prepared(library) in &prepared {
            self.libraries.remove(&library.name);
        }
        prepared.into_iter().for_each(|Prepared(library)| self.libraries.insert(library));
        Ok(())
    }

    /// Forgets a library; false if there is none of this name.
    pub fn delete_library(&mut self, name: &[u8]) -> bool {
        self.libraries.remove(name).is_some()
    }

    /// Forgets all libraries, and collects what they held.
    pub fn flush_libraries(&mut self) {
        self.libraries = Libraries::default();
        self.collect();
    }

    /// The libraries by name.
    pub fn libraries(&self) -> impl Iterator<Item = &Library> {
        self.libraries.by_name.values()
    }

    /// The function of this name, letters of either case, in whichever library.
    pub fn function(&self, name: &[u8]) -> Option<&Function> {
        self.libraries.function(name)
    }

    /// How many libraries and functions there are.
    pub fn counts(&self) -> (usize, usize) {
        (self.libraries.by_name.len(), self.libraries.functions.len())
    }
}

fn refused(text: &str) -> mlua::Error {
    Raised::Reply([b"ERR ", text.as_bytes()].concat()).into()
}

/// `redis.register_function(name, callback)` or `redis.register_function{function_name = …, …}`.
pub(crate) fn register_function(lua: &Lua, shared: &Rc<Shared>) -> mlua::Result<Callback> {
    let shared = Rc::clone(shared);
    lua.create_function(move |lua, (count, first, second): (usize, Value, Value)| {
        let mut registering = shared.registering.borrow_mut();
        if !registering.under_way {
            return Err(refused(
                "redis.register_function can only be called on FUNCTION LOAD command",
            ));
        }
        let function = match (count, &first) {
            (1, Value::Table(named)) => by_names(lua, named)?,
            (1, _) => {
                return Err(refused(
                    "calling redis.register_function with a single argument is only applicable to Lua table (representing named arguments).",
                ));
            }
            (2, name) => by_place(lua, name, &second)?,
            _ => return Err(refused("wrong number of arguments to redis.register_function")),
        };
        if !is_name(&function.name) {
            return Err(Raised::Reply([b"ERR ", NAME_RULE].concat()).into());
        }
        let same = |other: &Function| other.name.eq_ignore_ascii_case(&function.name);
        if registering.functions.iter().any(same) {
            return Err(refused("Function already exists in the library"));
        }
        registering.functions.push(function);
        Ok(())
    })
}

fn text(lua: &Lua, value: &Value) -> mlua::Result<Option<Vec<u8>>> {
    let text = match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(_) | Value::Number(_) => lua.coerce_string(value.clone())?,
        _ => None,
    };
    Ok(text.map(|text| text.as_bytes().to_vec()))
}

fn by_place(lua: &Lua, name: &Value, callback: &Value) -> mlua::Result<Function> {
    let name = text(lua, name)?
        .ok_or_else(|| refused("first argument to redis.register_function must be a string"))?;
    let Value::Function(callback) = callback else {
        return Err(refused("second argument to redis.register_function must be a function"));
    };
    let flags = Flags::declared();
    Ok(Function { name, description: None, flags, callback: lua.create_registry_value(callback)? })
}

fn by_names(lua: &Lua, named: &Table) -> mlua::Result<Function> {
    let (mut name, mut description, mut callback) = (None, None, None);
    let mut flags = Flags::declared();
    for pair in named.pairs::<Value, Value>() {
        let (key, value) = pair?;
        let key = text(lua, &key)?.ok_or_else(|| {
            refused("named argument key given to redis.register_function is not a string")
        })?;
        match &key[..] {
            b"function_name" => {
                name = Some(text(lua, &value)?.ok_or_else(|| {
                    refused(
                        "function_name argument given to redis.register_function must be a string",
                    )
                })?);
            }
            b"description" => {
                description = Some(text(lua, &value)?.ok_or_else(|| {
                    refused(
                        "description argument given to redis.register_function must be a string",
                    )
                })?);
            }
            b"callback" => match value {
                Value::Function(function) => callback = Some(function),
                _ => {
                    return Err(refused(
                        "callback argument given to redis.register_function must be a function",
                    ));
                }
            },
            b"flags" => match value {
                Value::Table(list) => read_flags(&list, &mut flags)?,
                _ => {
                    return Err(refused(
                        "flags argument to redis.register_function must be a table representing function flags",
                    ));
                }
            },
            _ => return Err(refused("unknown argument given to redis.register_function")),
        }
    }
    let name =
        name.ok_or_else(|| refused("redis.register_function must get a function name argument"))?;
    let callback =
        callback.ok_or_else(|| refused("redis.register_function must get a callback argument"))?;
    let callback = lua.create_registry_value(callback)?;
    Ok(Function { name, description, flags, callback })
}

fn read_flags(list: &Table, flags: &mut Flags) -> mlua::Result<()> {
    for at in 1.. {
        match list.raw_get(at)? {
            Value::Nil => break,
            Value::String(name) if flags.add(&name.as_bytes()) => {}
            _ => return Err(refused("unknown flag given")),
        }
    }
    Ok(())
}
