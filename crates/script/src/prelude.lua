-- The sandbox, and what is quicker said in Lua. Runs once for each interpreter, before any script.
--
-- Tables that scripts share are shown by proxies: an empty table whose metatable finds what it lacks in the real
-- one and refuses writes. Lua 5.1 has no read-only tables, and a write to a key that exists calls no
-- metamethod; an empty proxy has none. Only what writes or reads past metamethods must know of proxies:
-- rawset, rawget, next, pairs, setmetatable, getmetatable, table.insert.
--
-- Errors that Rust functions raise are objects of mlua's; whatever catches an error turns them into what Redis
-- would have thrown, and passes on the one that no script may catch.

local rust = ...

local error, type, tostring, tonumber, select, unpack = error, type, tostring, tonumber, select, unpack
local raw_next, raw_pcall, raw_xpcall, rawget, rawset = next, pcall, xpcall, rawget, rawset
local raw_setmetatable, raw_getmetatable, setfenv = setmetatable, getmetatable, setfenv
local raw_loadstring, raw_insert, raw_collect = loadstring, table.insert, collectgarbage
local raw_resume, concat = coroutine.resume, table.concat
local abandoned, describe, place, named = rust.abandoned, rust.describe, rust.place, rust.named
local PCALL, BREATHE, LOG, MAY_RUN, CLOCK = rust.PCALL, rust.BREATHE, rust.LOG, rust.MAY_RUN, rust.CLOCK

local READONLY = 'Attempt to modify a readonly table'

-- The host's function of the run under way.
local host

-- Proxies -----------------------------------------------------------------------------------------

local guarded = {}  -- proxy -> what it shows
local meta_shown = {}  -- proxy -> what getmetatable shows of it

local function refuse() error(READONLY, 2) end

local function guard(real)
  local proxy = {}
  guarded[proxy] = real
  local meta = { __index = real, __newindex = refuse, __metatable = false }
  raw_setmetatable(proxy, meta)
  return proxy, meta
end

local function lacking(_, name)
  error("Script attempted to access nonexistent global variable '" .. tostring(name) .. "'", 2)
end

-- `count` is how many arguments were given; past it an argument is absent rather than nil.
local function bad(position, name, expected, value, count)
  if not named() then name = '?' end
  local got = position > count and 'no value' or type(value)
  error('bad argument #' .. position .. " to '" .. name .. "' (" .. expected .. ' expected, got ' .. got .. ')', 3)
end

local function lacks(position, name, what)
  if not named() then name = '?' end
  error('bad argument #' .. position .. " to '" .. name .. "' (" .. what .. ')', 3)
end

-- Catching errors -----------------------------------------------------------------------------------

local function shown(e)
  if type(e) == 'userdata' then
    if abandoned() then error(e, 0) end
    local text, is_table = describe(e)
    if is_table then return { err = text, ignore_error_stats_update = true } end
    return text
  end
  return e
end

local function settle(ok, e, ...)
  if ok then return ok, e, ... end
  if abandoned() then rust.abandon() end
  e = shown(e)
  if type(e) == 'table' then
    local err = e.err
    if err ~= nil then e = err end
  end
  return false, e
end

local function pcall(f, ...)
  return settle(raw_pcall(f, ...))
end

local function settle_table(ok, e, ...)
  if ok then return ok, e, ... end
  if abandoned() then rust.abandon() end
  return false, shown(e)
end

local function xpcall(...)
  local f, handler = ...
  if select('#', ...) < 2 then lacks(2, 'xpcall', 'value expected') end
  return settle_table(raw_xpcall(f, function(e)
    if abandoned() then return e end
    return handler(shown(e))
  end))
end

local function resume(co, ...)
  if type(co) ~= 'thread' then lacks(1, 'resume', 'coroutine expected') end
  return settle_table(raw_resume(co, ...))
end

-- What leaves a script: the error reply, and where it was thrown.
local function leaving(e)
  if abandoned() then return e end
  local source, line = place()
  e = shown(e)
  local text
  if type(e) == 'table' then
    text = rawget(e, 'err')
    if type(text) ~= 'string' and type(text) ~= 'number' then text = 'ERR the error object is a table without err' end
  else
    text = 'ERR ' .. tostring(e)
  end
  return { err = text, source = source, line = line }
end

-- The basic functions that know of proxies ---------------------------------------------------------

local function next(t, ...)
  if type(t) ~= 'table' then bad(1, 'next', 'table', t, 1) end
  local real = guarded[t]
  if real then t = real end
  return raw_next(t, ...)
end

local function pairs(...)
  local t = ...
  if type(t) ~= 'table' then bad(1, 'pairs', 'table', t, select('#', ...)) end
  if guarded[t] then return next, t, nil end
  return raw_next, t, nil
end

local base = {}

function base.rawset(...)
  local t, k, v = ...
  local count = select('#', ...)
  if type(t) ~= 'table' then bad(1, 'rawset', 'table', t, count) end
  if guarded[t] then error(READONLY, 0) end
  if count < 3 then lacks(count + 1, 'rawset', 'value expected') end
  if k == nil then error('table index is nil', 0) end
  return rawset(t, k, v)
end

function base.rawget(...)
  local t, k = ...
  local count = select('#', ...)
  if type(t) ~= 'table' then bad(1, 'rawget', 'table', t, count) end
  if count < 2 then lacks(2, 'rawget', 'value expected') end
  return rawget(guarded[t] or t, k)
end

function base.setmetatable(...)
  local t, meta = ...
  local count = select('#', ...)
  if type(t) ~= 'table' then bad(1, 'setmetatable', 'table', t, count) end
  if count < 2 or meta ~= nil and type(meta) ~= 'table' then
    lacks(2, 'setmetatable', 'nil or table expected')
  end
  if guarded[t] then error(READONLY, 0) end
  local old = raw_getmetatable(t)
  if old ~= nil and (type(old) ~= 'table' or rawget(old, '__metatable') ~= nil) then
    error('cannot change a protected metatable', 2)
  end
  return raw_setmetatable(t, meta)
end

function base.getmetatable(...)
  local v = ...
  if select('#', ...) == 0 then lacks(1, 'getmetatable', 'value expected') end
  if type(v) == 'table' and guarded[v] then return meta_shown[v] end
  if type(v) == 'userdata' then return nil end
  return raw_getmetatable(v)
end

local function compile(text, name)
  if text:byte(1) == 27 then
    return nil, '[string "binary"]:1: unexpected symbol near \'char(27)\''
  end
  return raw_loadstring(text, name)
end

local function loader(env)
  return function(...)
    local text, name = ...
    local kind = type(text)
    if kind ~= 'string' and kind ~= 'number' then bad(1, 'loadstring', 'string', text, select('#', ...)) end
    kind = type(name)
    if kind ~= 'string' and kind ~= 'number' and name ~= nil then
      bad(2, 'loadstring', 'string', name, select('#', ...))
    end
    text = tostring(text)
    local f, message = compile(text, name == nil and text or tostring(name))
    if f then setfenv(f, env()) return f end
    return nil, message
  end, function(...)
    local reader, name = ...
    if type(reader) ~= 'function' then bad(1, 'load', 'function', reader, select('#', ...)) end
    local pieces, n = {}, 0
    while true do
      local ok, piece = raw_pcall(reader)
      if not ok then
        if abandoned() then rust.abandon() end
        return nil, shown(piece)
      end
      if piece == nil or piece == '' then break end
      local kind = type(piece)
      if kind ~= 'string' and kind ~= 'number' then error('reader function must return a string', 2) end
      n = n + 1
      pieces[n] = piece
    end
    local f, message = compile(concat(pieces), name == nil and '=(load)' or tostring(name))
    if f then setfenv(f, env()) return f end
    return nil, message
  end
end

-- A script must not leave the collector stopped or tuned.
local COLLECT = { collect = 0, count = 0, step = 0, stop = 0, restart = 0, setpause = 200, setstepmul = 200 }

function base.collectgarbage(...)
  local what, argument = ...
  if what == nil then what = 'collect' end
  if type(what) ~= 'string' then bad(1, 'collectgarbage', 'string', what, select('#', ...)) end
  if what == 'collect' or what == 'count' then return raw_collect(what) end
  if what == 'step' then return raw_collect('step', tonumber(argument) or 0) end
  local result = COLLECT[what]
  if not result then error("bad argument #1 to 'collectgarbage' (invalid option '" .. what .. "')", 2) end
  return result
end

-- The libraries -------------------------------------------------------------------------------------

local function copy(from, ...)
  local to = {}
  for k, v in raw_next, from do to[k] = v end
  for i = 1, select('#', ...) do to[select(i, ...)] = nil end
  return to
end

local string_library = copy(string)

string_library.rep = rust.rep

local table_library = copy(table)

function table_library.insert(...)
  local t, position, value = ...
  local count = select('#', ...)
  if type(t) ~= 'table' then bad(1, 'insert', 'table', t, count) end
  if guarded[t] then error(READONLY, 0) end
  if count == 2 then
    rawset(t, #t + 1, position)
  elseif count == 3 then
    if not tonumber(position) then bad(2, 'insert', 'number', position, count) end
    raw_insert(t, position, value)
  else
    error("wrong number of arguments to 'insert'", 2)
  end
end

local math_library = copy(math)

math_library.random, math_library.randomseed = rust.random, rust.randomseed

local coroutine_library = copy(coroutine)
coroutine_library.resume = resume

-- redis.* -------------------------------------------------------------------------------------------

local redis = {
  LOG_DEBUG = 0, LOG_VERBOSE = 1, LOG_NOTICE = 2, LOG_WARNING = 3,
  REPL_NONE = 0, REPL_AOF = 1, REPL_SLAVE = 2, REPL_REPLICA = 2, REPL_ALL = 3,
  REDIS_VERSION = rust.version, REDIS_VERSION_NUM = rust.version_number,
}

function redis.pcall(...) return host(PCALL, ...) end

function redis.error_reply(...)
  local text = ...
  if select('#', ...) ~= 1 or type(text) ~= 'string' then
    return { err = 'ERR wrong number or type of arguments' }
  end
  if text:byte(1) == 45 then text = text:sub(2) end
  if not text:find(' ', 1, true) then text = 'ERR ' .. text end
  return { err = text }
end

function redis.status_reply(...)
  local text = ...
  if select('#', ...) ~= 1 or type(text) ~= 'string' then
    return { err = 'ERR wrong number or type of arguments' }
  end
  return { ok = text }
end

redis.sha1hex, redis.setresp, redis.set_repl = rust.sha1hex, rust.setresp, rust.set_repl

-- These need the host, whose function changes with each run.
redis.log = rust.log(function(...) host(LOG, ...) end)
redis.acl_check_cmd = rust.acl_check_cmd(function(...) return host(MAY_RUN, ...) end)

-- Functions have all this but what only scripts have.
local function_redis = copy(redis)

function redis.replicate_commands() return true end
function redis.breakpoint() return false end
function redis.debug() end

local loading_redis = {}
for _, name in raw_next, { 'LOG_DEBUG', 'LOG_VERBOSE', 'LOG_NOTICE', 'LOG_WARNING', 'REDIS_VERSION', 'REDIS_VERSION_NUM', 'log' } do
  loading_redis[name] = redis[name]
end

-- Globals -------------------------------------------------------------------------------------------

local shown_libraries = {
  string = guard(string_library), table = guard(table_library), math = guard(math_library),
  coroutine = guard(coroutine_library), os = guard({ clock = function() return host(CLOCK) end }),
  bit = guard(rust.bit), cjson = guard(rust.cjson), cmsgpack = guard(rust.cmsgpack), struct = guard(rust.struct),
}

local string_meta = raw_getmetatable('')
string_meta.__index = string_library
string_meta.__metatable = guard({ __index = shown_libraries.string })

local shown_global_meta = guard({ __index = lacking })

-- Gives what scripts see as _G, the table behind it, and the metatable between them.
local function globals(redis_shown)
  local real = {
    _VERSION = _VERSION, assert = assert, error = error, gcinfo = gcinfo, ipairs = ipairs, next = next,
    pairs = pairs, pcall = pcall, rawequal = rawequal, rawget = base.rawget, rawset = base.rawset,
    select = select, setmetatable = base.setmetatable, getmetatable = base.getmetatable,
    tonumber = tonumber, tostring = tostring, type = type, unpack = unpack, xpcall = xpcall,
    collectgarbage = base.collectgarbage, redis = redis_shown, server = redis_shown,
  }
  for name, library in raw_next, shown_libraries do real[name] = library end
  local shown, meta = guard(raw_setmetatable(real, { __index = lacking }))
  meta_shown[shown] = shown_global_meta
  real._G = shown
  real.loadstring, real.load = loader(function() return shown end)
  return shown, real, meta
end

local script_env, script_globals = globals((guard(redis)))
script_globals.__redis__err__handler = leaving

local function_env, function_globals, function_env_meta = globals((guard(function_redis)))
local loading_redis_shown = guard(raw_setmetatable(loading_redis, { __index = lacking }))
local loading_globals = raw_setmetatable({ redis = loading_redis_shown, server = loading_redis_shown }, { __index = lacking })

function loading_redis.register_function(...) rust.register_function(select('#', ...), ...) end

-- Runs ----------------------------------------------------------------------------------------------

local run = {}

-- The host is forgotten at the end of a run: what counts instructions may call run.breathe at the very beginning of the
-- next one, when the last host is dead and the new one not yet known.

-- Runs a compiled script: whether it returned, and what or the error that left it.
function run.script(run_host, f, keys, arguments)
  host = run_host
  redis.call = run_host
  script_globals.KEYS = keys
  script_globals.ARGV = arguments
  local ok, e = raw_xpcall(f, leaving)
  host = nil
  return ok, e
end

local called, called_keys, called_arguments
local function call_function() return called(called_keys, called_arguments) end

-- Calls a registered function, likewise.
function run.call(run_host, f, keys, arguments)
  host = run_host
  function_redis.call = run_host
  called, called_keys, called_arguments = f, keys, arguments
  local ok, e = raw_xpcall(call_function, leaving)
  host = nil
  return ok, e
end

-- Runs the body of a library, which registers its functions.
function run.library(run_host, f)
  host = run_host
  function_env_meta.__index = loading_globals
  guarded[function_env] = loading_globals
  local ok, e = raw_xpcall(f, leaving)
  function_env_meta.__index = function_globals
  guarded[function_env] = function_globals
  host = nil
  return ok, e
end

function run.breathe()
  if host then host(BREATHE) end
end

run.script_env, run.function_env = script_env, function_env
return run
