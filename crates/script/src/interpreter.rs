//! One Lua state: compile, install, run.
//!
//! A run crosses from Rust to Lua once, and back once for each `redis.call`. The host is borrowed for the run
//! only, so its function is made by `mlua::Lua::scope` and put where scripts find it; everything else
//! that scripts call was made once, when the interpreter was.
//!
//! The limits of a run: memory ([`Setup::memory_bytes_max`] over what the state held when it began), time (the
//! host's `breathe`, each [`BREATH_INSTRUCTIONS`] instructions), depth (Lua's own 200 nested calls of C).

use crate::api;
use crate::argument::Arg;
use crate::errors::{self, Raised};
use crate::functions::Libraries;
use crate::host::{Host, LogLevel, Stop};
use crate::incoming::{self, Incoming};
use crate::library;
use crate::outgoing::{self, Fields};
use crate::sha::Sha;
use crate::shebang::{self, Flags};
use mlua::{
    ChunkMode, Function, HookTriggers, LightUserData, Lua, LuaOptions, RegistryKey, StdLib, Table,
    Value, Variadic, VmState,
};
use resp::{Protocol, Writer};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

/// Instructions of Lua between two breaths.
pub const BREATH_INSTRUCTIONS: u32 = 10_000;

/// Up to so many bytes a state lets garbage gather.
const PATIENT_BYTES_MAX: usize = 4 << 20;
/// The heap at which a collection begins, in hundredths of what lived after the last.
const PATIENT_PAUSE: i32 = 1000;
/// The same for a large state; Lua's own setting.
const PAUSE: i32 = 200;

/// What an interpreter is made with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// `redis.REDIS_VERSION`, three numbers with points between.
    pub version: String,
    /// Bytes that a run may take over what the state held before it; 0 for no limit.
    pub memory_bytes_max: usize,
}

/// What a run is given.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// `KEYS`.
    pub keys: &'a [&'a [u8]],
    /// `ARGV`.
    pub args: &'a [&'a [u8]],
    /// What `math.random` begins with. The same seed gives the same numbers.
    pub seed: u64,
    /// What the client speaks.
    pub protocol: Protocol,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The script returned; its value is the reply.
    Returned,
    /// An error left the script; it is the reply.
    Failed,
    /// The host abandoned the run; there is no reply.
    Abandoned,
}

/// A script as it is kept.
struct Script {
    /// In Lua's registry: mlua has places for some thousand values only.
    function: RegistryKey,
    source: Vec<u8>,
    flags: Flags,
}

/// Source and line.
type Place = (Option<String>, Option<i64>);

/// What the functions of a state share.
pub(crate) struct Shared {
    /// Whether the host has abandoned the run.
    abandoned: Cell<bool>,
    /// Where it was when somebody killed it; the run is abandoned then too.
    killed: RefCell<Option<Place>>,
    /// What `redis.setresp` chose.
    pub(crate) protocol: Cell<Protocol>,
    /// The state of `math.random`: 48 bits.
    pub(crate) random: Cell<u64>,
    /// What a script has set of cjson.
    cjson: Rc<Cell<library::CjsonSettings>>,
    /// What a library under way has registered.
    pub(crate) registering: RefCell<crate::functions::Registering>,
}

/// What the prelude gives back.
struct Entries {
    script: Function,
    call: Function,
    library: Function,
    script_env: Table,
    function_env: Table,
}

/// One Lua state with its scripts and libraries.
pub struct Interpreter {
    lua: Lua,
    shared: Rc<Shared>,
    entries: Entries,
    fields: Fields,
    scripts: HashMap<Sha, Script>,
    pub(crate) libraries: Libraries,
    memory_bytes_max: usize,
    /// Whether the collector waits long, because the state is small.
    patient: Cell<bool>,
    /// Where commands' replies are read from; kept for its memory.
    answer: RefCell<Vec<u8>>,
}

const PRELUDE: &str = include_str!("prelude.lua");

impl Interpreter {
    /// Makes a state without scripts.
    ///
    /// # Panics
    /// If there is no memory for it, or the prelude does not compile.
    pub fn new(setup: &Setup) -> Interpreter {
        Interpreter::try_new(setup).expect("a state can be made and its prelude runs")
    }

    fn try_new(setup: &Setup) -> mlua::Result<Interpreter> {
        let libraries = StdLib::TABLE | StdLib::STRING | StdLib::MATH;
        let lua = Lua::new_with(libraries, LuaOptions::new().catch_rust_panics(false))?;
        let shared = Rc::new(Shared {
            abandoned: Cell::new(false),
            killed: RefCell::default(),
            protocol: Cell::new(Protocol::Resp2),
            random: Cell::new(0),
            cjson: Rc::default(),
            registering: RefCell::default(),
        });
        let rust = rust_table(&lua, &shared, setup)?;
        let prelude: Table = lua
            .load(PRELUDE)
            .set_name(errors::PRELUDE)
            .set_mode(ChunkMode::Text)
            .into_function()?
            .call(rust)?;
        let entries = Entries {
            script: prelude.get("script")?,
            call: prelude.get("call")?,
            library: prelude.get("library")?,
            script_env: prelude.get("script_env")?,
            function_env: prelude.get("function_env")?,
        };
        let breathe: Function = prelude.get("breathe")?;
        let triggers = HookTriggers::new().every_nth_instruction(BREATH_INSTRUCTIONS);
        lua.set_global_hook(triggers, move |_, _| breathe.call(()).map(|()| VmState::Continue))?;
        Ok(Interpreter {
            fields: Fields::new(&lua)?,
            lua,
            shared,
            entries,
            scripts: HashMap::new(),
            libraries: Libraries::default(),
            memory_bytes_max: setup.memory_bytes_max,
            patient: Cell::new(false),
            answer: RefCell::default(),
        })
    }

    /// Compiles a script without installing it: its name and its flags.
    ///
    /// # Errors
    /// The text of the error reply.
    pub fn check(&self, source: &[u8]) -> Result<(Sha, Flags), Vec<u8>> {
        let (flags, body) = shebang::of_script(source)?;
        self.compile(body, "@user_script", &self.entries.script_env).map_err(|message| {
            [b"ERR Error compiling script (new function): ", &message[..]].concat()
        })?;
        Ok((Sha::of(source), flags))
    }

    /// Compiles a script and installs it, or finds it installed.
    ///
    /// # Errors
    /// The text of the error reply.
    pub fn load(&mut self, source: &[u8]) -> Result<Sha, Vec<u8>> {
        let sha = Sha::of(source);
        if self.scripts.contains_key(&sha) {
            return Ok(sha);
        }
        let (flags, body) = shebang::of_script(source)?;
        let function =
            self.compile(body, "@user_script", &self.entries.script_env).map_err(|message| {
                [b"ERR Error compiling script (new function): ", &message[..]].concat()
            })?;
        let function = self
            .lua
            .create_registry_value(function)
            .map_err(|_| b"ERR not enough memory".to_vec())?;
        self.scripts.insert(sha, Script { function, source: source.to_vec(), flags });
        Ok(sha)
    }

    fn compile(&self, body: &[u8], name: &str, env: &Table) -> Result<Function, Vec<u8>> {
        let chunk = self.lua.load(body).set_name(name).set_mode(ChunkMode::Text);
        chunk.set_environment(env.clone()).into_function().map_err(|error| match error {
            mlua::Error::SyntaxError { message, .. } => message.into_bytes(),
            other => other.to_string().into_bytes(),
        })
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(crate) fn compile_library(&self, body: &[u8]) -> Result<Function, Vec<u8>> {
        self.compile(body, "@user_function", &self.entries.function_env)
    }

    /// Whether a script of this name is installed.
    pub fn exists(&self, sha: &Sha) -> bool {
        self.scripts.contains_key(sha)
    }

    /// The source of a script.
    pub fn source(&self, sha: &Sha) -> Option<&[u8]> {
        self.scripts.get(sha).map(|script| &script.source[..])
    }

    /// The flags of a script.
    pub fn flags(&self, sha: &Sha) -> Option<Flags> {
        self.scripts.get(sha).map(|script| script.flags)
    }

    /// How many scripts are installed, and the bytes of their sources.
    pub fn scripts(&self) -> (usize, usize) {
        (self.scripts.len(), self.scripts.values().map(|script| script.source.len()).sum())
    }

    /// Bytes that the Lua state holds, garbage included.
    pub fn memory_bytes(&self) -> usize {
        self.lua.used_memory()
    }

    /// Forgets all scripts, and collects what they held.
    pub fn flush(&mut self) {
        self.scripts.clear();
        self.lua.expire_registry_values();
        self.collect();
    }

    /// Collects all garbage. O(what the state holds).
    pub fn collect(&mut self) {
        // A collection runs no code of scripts, so it cannot fail.
        let _ = self.lua.gc_collect();
    }

    /// Forgets one script, for a cache that is bounded.
    pub fn remove(&mut self, sha: &Sha) -> bool {
        let known = self.scripts.remove(sha).is_some();
        self.lua.expire_registry_values();
        known
    }

    /// Runs an installed script and appends its reply; `None` if there is none of this name.
    pub fn run(
        &self,
        sha: &Sha,
        call: &Call<'_>,
        host: &mut dyn Host,
        reply: &mut Vec<u8>,
    ) -> Option<Ended> {
        let script = self.scripts.get(sha)?;
        let name = || sha.hex().to_vec();
        Some(self.run_with(&self.entries.script, &script.function, name, call, host, reply))
    }

    /// Runs a registered function and appends its reply; `None` if there is none of this name.
    pub fn call(
        &self,
        name: &[u8],
        call: &Call<'_>,
        host: &mut dyn Host,
        reply: &mut Vec<u8>,
    ) -> Option<Ended> {
        let callback = self.libraries.callback(name)?;
        let name = || name.to_vec();
        Some(self.run_with(&self.entries.call, callback, name, call, host, reply))
    }

    fn run_with(
        &self,
        entry: &Function,
        function: &RegistryKey,
        name: impl Fn() -> Vec<u8>,
        call: &Call<'_>,
        host: &mut dyn Host,
        reply: &mut Vec<u8>,
    ) -> Ended {
        self.begin(call.seed);
        let start = reply.len();
        let outcome = self.lua.scope(|scope| {
            let host = RefCell::new(host);
            let serve = scope.create_function(move |lua: &Lua, mut args: Variadic<Arg>| {
                self.unlimited(|| self.serve(lua, &mut **host.borrow_mut(), &mut args))
            })?;
            let keys = self.strings(call.keys)?;
            let args = self.strings(call.args)?;
            self.limit();
            let result = entry.call::<(bool, Value)>((serve, function, keys, args));
            let _ = self.lua.set_memory_limit(0);
            let (returned, value) = result?;
            if self.shared.abandoned.get() {
                return Ok(Ended::Abandoned);
            }
            if !returned {
                self.failure(&name(), value, reply)?;
                return Ok(Ended::Failed);
            }
            let script = self.shared.protocol.get();
            outgoing::reply(&self.lua, &self.fields, script, call.protocol, value, reply)?;
            Ok(Ended::Returned)
        });
        if let Some((source, line)) = self.shared.killed.take() {
            let text = crate::texts::KILLED_SCRIPT.as_bytes().to_vec();
            tell(&name(), text, source.as_deref().map(str::as_bytes), line, reply);
            return Ended::Failed;
        }
        match outcome {
            Ok(ended) => ended,
            Err(_) if self.shared.abandoned.get() => Ended::Abandoned,
            Err(error) => {
                reply.truncate(start);
                self.broken(&name(), &error, reply);
                Ended::Failed
            }
        }
    }

    /// Runs the body of a library; gives the text of the error that left it.
    pub(crate) fn run_library(&self, body: &Function, host: &mut dyn Host) -> Result<(), Vec<u8>> {
        self.begin(0);
        let outcome = self.lua.scope(|scope| {
            let host = RefCell::new(host);
            let serve = scope.create_function(move |lua: &Lua, mut args: Variadic<Arg>| {
                self.unlimited(|| self.serve(lua, &mut **host.borrow_mut(), &mut args))
            })?;
            self.limit();
            let result = self.entries.library.call::<(bool, Value)>((serve, body));
            let _ = self.lua.set_memory_limit(0);
            match result? {
                (true, _) => Ok(Ok(())),
                (false, Value::Table(error)) => Ok(Err(self.error_text(&error)?)),
                (false, _) => Ok(Err(b"ERR the library was abandoned".to_vec())),
            }
        });
        outcome.unwrap_or_else(|error| Err(error_line(&error)))
    }

    /// Sets what one run may change back to its beginning.
    fn begin(&self, seed: u64) {
        // A collection marks everything that lives, which is mostly ours and stays: with a small state it is
        // cheaper to let much garbage gather first. A large one must not grow so far.
        let patient = self.lua.used_memory() < PATIENT_BYTES_MAX;
        if self.patient.replace(patient) != patient {
            let pause = if patient { PATIENT_PAUSE } else { PAUSE };
            self.lua.gc_inc(pause, 0, 0);
        }
        self.shared.abandoned.set(false);
        self.shared.killed.take();
        self.shared.protocol.set(Protocol::Resp2);
        self.shared.cjson.set(library::CjsonSettings::default());
        self.shared.random.set(library::random::seeded(seed));
    }

    /// Bounds what the run may allocate. mlua's own work is done without the bound, which is faster there.
    fn limit(&self) {
        if self.memory_bytes_max > 0 {
            let _ = self.lua.set_memory_limit(self.lua.used_memory() + self.memory_bytes_max);
        }
    }

    /// Does work of ours within a run without the bound on memory.
    fn unlimited<T>(&self, work: impl FnOnce() -> T) -> T {
        let limit = self.lua.set_memory_limit(0).unwrap_or(0);
        let result = work();
        let _ = self.lua.set_memory_limit(limit);
        result
    }

    /// A table of strings. mlua puts text into Lua without a detour, other bytes with one.
    fn strings(&self, strings: &[&[u8]]) -> mlua::Result<Table> {
        let table = self.lua.create_table_with_capacity(strings.len(), 0)?;
        for (index, string) in strings.iter().enumerate() {
            match std::str::from_utf8(string) {
                Ok(text) => table.raw_set(index + 1, text)?,
                Err(_) => table.raw_set(index + 1, self.lua.create_string(string)?)?,
            }
        }
        Ok(table)
    }

    fn error_text(&self, error: &Table) -> mlua::Result<Vec<u8>> {
        let text: mlua::String = error.raw_get("err")?;
        Ok(text.as_bytes().to_vec())
    }

    /// Writes the error that left a script, with its place.
    fn failure(&self, name: &[u8], error: Value, reply: &mut Vec<u8>) -> mlua::Result<()> {
        let Value::Table(error) = error else {
            // The handler itself failed: there was no memory or no stack for it.
            let text = match error {
                Value::String(text) => text.as_bytes().to_vec(),
                Value::Error(error) => error_line(&error),
                other => other.to_string()?.into_bytes(),
            };
            let text = [b"ERR ", &text[..], b" script: ", name].concat();
            Writer::new(reply, Protocol::Resp2).error(text);
            return Ok(());
        };
        let text = self.error_text(&error)?;
        let source: Option<mlua::String> = error.raw_get("source")?;
        let line: Option<i64> = error.raw_get("line")?;
        let source = source.as_ref().map(|source| source.as_bytes());
        tell(name, text, source.as_deref(), line, reply);
        Ok(())
    }

    /// Writes the error of a run that could not even be begun or told.
    fn broken(&self, name: &[u8], error: &mlua::Error, reply: &mut Vec<u8>) {
        let text = [b"ERR ", &error_line(error)[..], b" script: ", name].concat();
        Writer::new(reply, Protocol::Resp2).error(text);
    }

    /// What scripts call: a command, or, behind a mark that only the prelude has, something else.
    fn serve(&self, lua: &Lua, host: &mut dyn Host, args: &mut [Arg]) -> mlua::Result<Value> {
        if self.shared.abandoned.get() {
            return Err(Raised::Abandoned.into());
        }
        match args {
            [Arg::Mark(mark), args @ ..] => self.serve_marked(lua, host, *mark, args),
            _ => match self.command(lua, host, args)? {
                Incoming::Value(value) => Ok(value),
                Incoming::Error(text) => Err(Raised::Reply(text).into()),
            },
        }
    }

    fn serve_marked(
        &self,
        lua: &Lua,
        host: &mut dyn Host,
        mark: usize,
        args: &mut [Arg],
    ) -> mlua::Result<Value> {
        match mark {
            PCALL => match self.command(lua, host, args)? {
                Incoming::Value(value) => Ok(value),
                Incoming::Error(text) => {
                    let error = lua.create_table_with_capacity(0, 2)?;
                    error.raw_set("err", lua.create_string(text)?)?;
                    error.raw_set("ignore_error_stats_update", true)?;
                    Ok(Value::Table(error))
                }
            },
            BREATHE => self.breathe(lua, host).map(|()| Value::Nil),
            LOG => {
                if let [Arg::Number(level), text] = args {
                    let level = match *level as i64 {
                        0 => LogLevel::Debug,
                        1 => LogLevel::Verbose,
                        2 => LogLevel::Notice,
                        _ => LogLevel::Warning,
                    };
                    host.log(level, text.bytes().unwrap_or_default());
                }
                Ok(Value::Nil)
            }
            MAY_RUN => match with_arguments(args, |args| host.may_run(args)) {
                Ok(answer) => Ok(answer.map_or(Value::Nil, Value::Boolean)),
                Err(text) => Err(Raised::Reply(text.to_vec()).into()),
            },
            _ => Ok(Value::Number(host.clock())),
        }
    }

    fn breathe(&self, lua: &Lua, host: &mut dyn Host) -> mlua::Result<()> {
        let stopped = host.breathe();
        if stopped == Err(Stop::Kill) {
            self.shared.killed.replace(Some(errors::place(lua).unzip()));
        }
        self.attempt(stopped.map_err(|_| crate::Abandon))
    }

    fn attempt<T>(&self, result: Result<T, crate::Abandon>) -> mlua::Result<T> {
        result.map_err(|_| {
            self.shared.abandoned.set(true);
            Raised::Abandoned.into()
        })
    }

    fn command(&self, lua: &Lua, host: &mut dyn Host, args: &mut [Arg]) -> mlua::Result<Incoming> {
        let mut answer = self.answer.borrow_mut();
        answer.clear();
        let protocol = self.shared.protocol.get();
        match with_arguments(args, |args| host.call(args, protocol, &mut answer)) {
            Ok(done) => {
                self.attempt(done)?;
                incoming::reply(lua, &answer)
            }
            Err(text) => Ok(Incoming::Error(text.to_vec())),
        }
    }
}

const NO_ARGUMENT: &[u8] = b"ERR Please specify at least one argument for this redis lib call";
const BAD_ARGUMENT: &[u8] = b"ERR Lua redis lib command arguments must be strings or integers";

/// Arguments whose views need no allocation.
const FEW: usize = 8;

/// Hands the bytes of arguments on, or says what is wrong with them.
fn with_arguments<T>(
    args: &mut [Arg],
    run: impl FnOnce(&[&[u8]]) -> T,
) -> Result<T, &'static [u8]> {
    if args.is_empty() {
        return Err(NO_ARGUMENT);
    }
    args.iter_mut().for_each(Arg::spell);
    if args.len() <= FEW {
        let mut few: [&[u8]; FEW] = [b""; FEW];
        for (view, arg) in few.iter_mut().zip(args.iter()) {
            *view = arg.bytes().ok_or(BAD_ARGUMENT)?;
        }
        return Ok(run(&few[..args.len()]));
    }
    let many: Option<Vec<&[u8]>> = args.iter().map(Arg::bytes).collect();
    Ok(run(&many.ok_or(BAD_ARGUMENT)?))
}

/// Writes an error with the name of the script and its place.
fn tell(
    name: &[u8],
    mut text: Vec<u8>,
    source: Option<&[u8]>,
    line: Option<i64>,
    reply: &mut Vec<u8>,
) {
    text.extend_from_slice(b" script: ");
    text.extend_from_slice(name);
    if let (Some(source), Some(line)) = (source, line) {
        text.extend_from_slice(b", on ");
        text.extend_from_slice(source);
        text.extend_from_slice(format!(":{line}.").as_bytes());
    }
    reply.push(b'-');
    reply.extend_from_slice(&outgoing::error_line(&text));
    reply.extend_from_slice(b"\r\n");
}

/// The message of an error in one line.
fn error_line(error: &mlua::Error) -> Vec<u8> {
    match errors::raised(error) {
        Raised::Reply(text) | Raised::Message(text) => {
            text.split(|&byte| byte == b'\n').next().unwrap_or_default().to_vec()
        }
        Raised::Abandoned => b"the run was abandoned".to_vec(),
    }
}

const PCALL: usize = 8;
const BREATHE: usize = 16;
const LOG: usize = 24;
const MAY_RUN: usize = 32;
const CLOCK: usize = 40;

/// Everything that the prelude takes from here.
fn rust_table(lua: &Lua, shared: &Rc<Shared>, setup: &Setup) -> mlua::Result<Table> {
    let rust = lua.create_table()?;
    for (name, mark) in [
        ("PCALL", PCALL),
        ("BREATHE", BREATHE),
        ("LOG", LOG),
        ("MAY_RUN", MAY_RUN),
        ("CLOCK", CLOCK),
    ] {
        let mark = LightUserData(std::ptr::without_provenance_mut(mark));
        rust.raw_set(name, Value::LightUserData(mark))?;
    }
    rust.raw_set("version", setup.version.as_str())?;
    rust.raw_set("version_number", version_number(&setup.version))?;
    rust.raw_set("describe", lua.create_function(errors::describe)?)?;
    let named = |lua: &Lua, (): ()| Ok(errors::named(lua, 2));
    rust.raw_set("named", lua.create_function(named)?)?;
    let place = |lua: &Lua, (): ()| Ok(errors::place(lua).unzip());
    rust.raw_set("place", lua.create_function(place)?)?;
    let state = Rc::clone(shared);
    let abandoned = move |_: &Lua, (): ()| Ok(state.abandoned.get());
    rust.raw_set("abandoned", lua.create_function(abandoned)?)?;
    let abandon = |_: &Lua, (): ()| Err::<(), _>(Raised::Abandoned.into());
    rust.raw_set("abandon", lua.create_function(abandon)?)?;
    api::install(lua, shared, &rust)?;
    rust.raw_set("register_function", crate::functions::register_function(lua, shared)?)?;
    library::install(lua, &rust, &shared.cjson)?;
    Ok(rust)
}

/// `7.2.0` as `0x070200`.
fn version_number(version: &str) -> i64 {
    let parts = version.split('.').map(|part| part.parse::<i64>().unwrap_or(0));
    parts.take(3).fold(0, |number, part| number << 8 | part)
}
