//! Scripts over a host that is a map; each expectation was observed at a redis-server 7.0.

use crate::{Abandon, Call, Ended, Host, Interpreter, LogLevel, Setup, Stop};
use resp::Protocol;
use std::collections::BTreeMap;

/// A host with GET, SET, INCR, and a few that answer in each type.
#[derive(Default)]
struct Map {
    values: BTreeMap<Vec<u8>, Vec<u8>>,
    breaths: u32,
    breaths_max: u32,
    is_to_be_killed: bool,
    logged: Vec<(LogLevel, Vec<u8>)>,
}

impl Host for Map {
    fn call(
        &mut self,
        args: &[&[u8]],
        protocol: Protocol,
        reply: &mut Vec<u8>,
    ) -> Result<(), Abandon> {
        let mut writer = resp::Writer::new(reply, protocol);
        match (args[0], args.len()) {
            (b"SET", 3) => {
                self.values.insert(args[1].to_vec(), args[2].to_vec());
                writer.ok();
            }
            (b"GET", 2) => match self.values.get(args[1]) {
                Some(value) => writer.bulk(value),
                None => writer.null(),
            },
            (b"ECHO", 2) => writer.bulk(args[1]),
            (b"COUNT", count) => writer.integer(count as i64),
            (b"RAW", 2) => writer.raw(args[1]),
            (b"ABANDON", _) => return Err(Abandon),
            _ => writer.error("ERR Unknown Redis command called from script"),
        }
        Ok(())
    }

    fn breathe(&mut self) -> Result<(), Stop> {
        self.breaths += 1;
        let stop = if self.is_to_be_killed { Stop::Kill } else { Stop::Abandon };
        if self.breaths > self.breaths_max { Err(stop) } else { Ok(()) }
    }

    fn log(&mut self, level: LogLevel, text: &[u8]) {
        self.logged.push((level, text.to_vec()));
    }

    fn may_run(&mut self, args: &[&[u8]]) -> Option<bool> {
        match args[0] {
            b"GET" => Some(true),
            b"SET" => Some(false),
            _ => None,
        }
    }
}

fn interpreter() -> Interpreter {
    Interpreter::new(&Setup { version: "7.2.4".to_owned(), memory_bytes_max: 32 << 20 })
}

fn run_in(
    interpreter: &mut Interpreter,
    host: &mut Map,
    source: &str,
    protocol: Protocol,
) -> (Ended, String) {
    let mut reply = Vec::new();
    let ended = match interpreter.load(source.as_bytes()) {
        Ok(sha) => {
            let call = Call { keys: &[b"k"], args: &[b"a1", b"a2"], seed: 7, protocol };
            interpreter.run(&sha, &call, host, &mut reply).expect("it was loaded")
        }
        Err(text) => {
            resp::Writer::new(&mut reply, protocol).error(text);
            Ended::Failed
        }
    };
    (ended, reply.escape_ascii().to_string().replace("\\r\\n", " ").trim_end().to_owned())
}

fn run(source: &str) -> String {
    let mut host = Map { breaths_max: 1000, ..Map::default() };
    let text = run_in(&mut interpreter(), &mut host, source, Protocol::Resp2).1;
    // The name of the script is the SHA-1 of its source: nothing to check here.
    match text.split_once(" script: ") {
        Some((error, place)) => {
            format!(
                "{error}{}",
                place.split_once(", ").map_or("", |(_, line)| line).trim_start_matches("on ")
            )
        }
        None => text,
    }
}

/// Runs each line's script and compares its reply.
fn check(cases: &[(&str, &str)]) {
    for (source, reply) in cases {
        assert_eq!(run(source), *reply, "{source}");
    }
}

#[test]
fn values_become_replies_as_redis_converts_them() {
    check(&[
        ("return 1", ":1"),
        ("return 3.99", ":3"),
        ("return 'x'", "$1 x"),
        ("return {1,2.9,'a',true,false,{1}}", "*6 :1 :2 $1 a :1 $-1 *1 :1"),
        ("return {1,nil,3}", "*1 :1"),
        ("return {ok='fine'}", "+fine"),
        ("return {err='MY bad'}", "-MY bad"),
        ("return {double=1.5}", "$3 1.5"),
        ("return {map={a=1}}", "*2 $1 a :1"),
        ("return {set={a=true}}", "*1 $1 a"),
        ("return {big_number='123'}", "$3 123"),
        ("return nil", "$-1"),
        ("return 1e300", ":-9223372036854775808"),
        ("return KEYS[1]..ARGV[2]", "$3 ka2"),
    ]);
}

#[test]
fn resp3_clients_get_their_types() {
    let reply =
        |source: &str| run_in(&mut interpreter(), &mut Map::default(), source, Protocol::Resp3).1;
    assert_eq!(reply("return {double=1.5}"), ",1.5");
    assert_eq!(reply("return {map={a=1}}"), "%1 $1 a :1");
    assert_eq!(reply("return {set={a=true}}"), "~1 $1 a");
    assert_eq!(reply("return {true, false}"), "*2 :1 _");
    assert_eq!(reply("redis.setresp(3) return {true, false}"), "*2 #t #f");
    assert_eq!(reply("return {verbatim_string={format='t',string='x'}}"), "=5 t  :x");
}

#[test]
fn replies_become_values() {
    check(&[
        ("return redis.call('SET','a','b').ok", "$2 OK"),
        ("return type(redis.call('GET','nothing'))", "$7 boolean"),
        ("redis.setresp(3) return type(redis.call('GET','nothing'))", "$3 nil"),
        ("return redis.call('RAW','*2\\r\\n:1\\r\\n*1\\r\\n+OK\\r\\n')[2][1].ok", "$2 OK"),
    ]);
    check(&[
        ("return redis.call('RAW',',1.5\\r\\n').double * 2", ":3"),
        ("return redis.call('ECHO', 0.1)", "$19 0.10000000000000001"),
        ("return redis.call('ECHO', 1e15)", "$16 1000000000000000"),
        (
            "return redis.call('RAW','*9999999\\r\\n:1\\r\\n')",
            "-ERR malformed reply@user_script:1.",
        ),
    ]);
}

#[test]
fn errors_name_their_place() {
    check(&[
        ("error('x')", "-ERR user_script:1: x@user_script:1."),
        ("\n\nerror('x')", "-ERR user_script:3: x@user_script:3."),
        ("error({err='MY x'})", "-MY x@user_script:1."),
        (
            "return redis.call('foo')",
            "-ERR Unknown Redis command called from script@user_script:1.",
        ),
        ("return redis.pcall('foo')", "-ERR Unknown Redis command called from script"),
        (
            "return redis.call()",
            "-ERR Please specify at least one argument for this redis lib call@user_script:1.",
        ),
        (
            "return redis.call('a',{})",
            "-ERR Lua redis lib command arguments must be strings or integers@user_script:1.",
        ),
        (
            "return foo",
            "-ERR user_script:1: Script attempted to access nonexistent global variable \\'foo\\'@user_script:1.",
        ),
        (
            "return 1 +",
            "-ERR Error compiling script (new function): user_script:1: unexpected symbol near \\'<eof>\\'",
        ),
        (
            "local ok, e = pcall(redis.call, 'foo') return e",
            "$44 ERR Unknown Redis command called from script",
        ),
        ("error({'no err'})", "-ERR the error object is a table without err@user_script:1."),
    ]);
}

#[test]
fn nothing_shared_can_be_written() {
    for source in [
        "foo = 1",
        "redis.call = 1",
        "KEYS = 1",
        "string.rep = 1",
        "_G.x = 1",
        "rawset(_G, 'x', 1)",
        "setmetatable(redis, {})",
        "table.insert(string, 1)",
        "getmetatable('').x = 1",
        "getmetatable('').__index.x = 1",
        "getmetatable(_G).x = 1",
        "server.call = nil",
        "local _, t = pairs(redis) t.x = 1",
        "cjson.encode = nil",
    ] {
        assert!(
            run(source).contains("Attempt to modify a readonly table"),
            "{source}: {}",
            run(source)
        );
    }
    for name in [
        "io", "debug", "print", "dofile", "require", "module", "package", "setfenv", "getfenv",
        "newproxy", "loadfile",
    ] {
        assert!(run(&format!("return {name}")).contains("nonexistent global"), "{name}");
    }
}

#[test]
fn proxies_show_what_is_behind_them() {
    check(&[
        ("for k in pairs(redis) do if k == 'call' then return 1 end end", ":1"),
        ("return rawget(_G, 'redis') == redis and 1", ":1"),
        ("return type(next(string))", "$6 string"),
        ("return type(redis)", "$5 table"),
        ("return ('x'):rep(3)", "$3 xxx"),
        ("return loadstring('return redis.call(\"ECHO\", 5)')()", "$1 5"),
        ("return tostring(loadstring(string.dump(function() end)))", "$3 nil"),
    ]);
}

#[test]
fn a_run_leaves_nothing_to_the_next() {
    let mut interpreter = interpreter();
    let mut host = Map::default();
    let mut run = |source: &str| run_in(&mut interpreter, &mut host, source, Protocol::Resp2).1;
    run("redis.setresp(3) cjson.encode_number_precision(3) KEYS.x = 1 math.random()");
    assert_eq!(run("return cjson.encode(1/3)"), "$16 0.33333333333333");
    assert_eq!(run("return type(redis.call('GET','nothing'))"), "$7 boolean");
    assert_eq!(run("return KEYS.x"), "$-1");
    let first = run("return tostring(math.random())");
    assert_eq!(run("return tostring(math.random())"), first);
}

#[test]
fn an_abandoned_run_cannot_be_caught() {
    for source in [
        "redis.call('ABANDON') return 1",
        "pcall(redis.call, 'ABANDON') return 1",
        "while true do pcall(redis.call, 'ABANDON') end",
        "xpcall(function() redis.call('ABANDON') end, function() return 1 end) return 1",
        "redis.pcall('ABANDON') return 1",
        "coroutine.resume(coroutine.create(function() redis.call('ABANDON') end)) return 1",
        "coroutine.wrap(function() redis.call('ABANDON') end)() return 1",
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "local function f() return f() end f()",
        "coroutine.wrap(function() while true do end end)()",
        "local t = setmetatable({}, {__index = function() while true do end end}) return t.x",
        "table.sort({1,2,3}, function() while true do end end)",
        "xpcall(function() error('x') end, function() while true do end end)",
    ] {
        let mut interpreter = interpreter();
        let mut host = Map { breaths_max: 3, ..Map::default() };
        let ended = run_in(&mut interpreter, &mut host, source, Protocol::Resp2);
        assert_eq!(ended, (Ended::Abandoned, String::new()), "{source}");
        host.breaths_max = u32::MAX;
        assert_eq!(run_in(&mut interpreter, &mut host, "return 5", Protocol::Resp2).1, ":5");
    }
}

#[test]
fn a_killed_run_cannot_catch_it_and_says_where_it_was() {
    let killed = "Script killed by user with SCRIPT KILL... script: ";
    for (source, line) in [
        ("while true do end", 1),
        ("while true do\npcall(function() while true do end end) end", 2),
        ("local x = 1\n\nxpcall(function() error('x') end, function() while true do end end)", 3),
    ] {
        let mut interpreter = interpreter();
        let mut host = Map { breaths_max: 3, is_to_be_killed: true, ..Map::default() };
        let (ended, reply) = run_in(&mut interpreter, &mut host, source, Protocol::Resp2);
        assert_eq!(ended, Ended::Failed, "{source}");
        assert!(reply.contains(killed), "{reply}");
        assert!(reply.contains(&format!(", on @user_script:{line}.")), "{reply}");
        host.breaths_max = u32::MAX;
        assert_eq!(run_in(&mut interpreter, &mut host, "return 5", Protocol::Resp2).1, ":5");
    }
}

#[test]
fn a_run_out_of_memory_fails_alone() {
    for source in [
        "local t = {} for i = 1, 1e9 do t[i] = {i} end",
        "local s = 'x' while true do s = s .. s end",
        "return string.rep('x', 1e9)",
        "return #string.rep('x', 2^40)",
        "local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1000) .. i end",
        "return table.concat({('x'):rep(3e7), ('y'):rep(3e7)})",
    ] {
        let mut interpreter = interpreter();
        let mut host = Map { breaths_max: u32::MAX, ..Map::default() };
        let (ended, text) = run_in(&mut interpreter, &mut host, source, Protocol::Resp2);
        assert_eq!(ended, Ended::Failed, "{source}: {text:.100}");
        assert!(text.contains("not enough memory"), "{source}: {text:.200}");
        assert_eq!(run_in(&mut interpreter, &mut host, "return 5", Protocol::Resp2).1, ":5");
        interpreter.collect();
        assert!(interpreter.memory_bytes() < 4 << 20, "{source}");
    }
}

#[test]
fn depth_and_breadth_have_bounds() {
    let deep = run("local t = {} local r = t for i = 1, 9000 do r[1] = {} r = r[1] end return t");
    assert_eq!(deep.matches("*1").count(), 7995);
    assert!(deep.ends_with("-ERR reached lua stack limit"));
    assert!(run("local function f() return 1 + f() end f()").contains("stack overflow"));
    assert_eq!(
        run(
            "local t = {} for i = 1, 7900 do t[i] = 'x' .. i end return redis.call('COUNT', unpack(t))"
        ),
        ":7901"
    );
    assert_eq!(
        run("local t = {} for i = 1, 7900 do t[i] = 'x' .. i end return #cmsgpack.pack(unpack(t))"),
        ":46293"
    );
    assert_eq!(
        run(
            "local t = {} for i = 1, 20000 do t['k' .. i] = {i} end return #cjson.encode(t) > 0 and 1"
        ),
        ":1"
    );
    assert!(
        run("local f = string.rep('c1', 7000) return {struct.unpack(f, string.rep('x', 7000))}")
            .contains("too many results")
    );
    assert!(run("local function nest(n) if n == 0 then return 1 end return (pcall(nest, n - 1)) end return tostring(nest(500))").starts_with('$'));
}

#[test]
fn many_scripts_are_kept() {
    let mut interpreter = interpreter();
    for number in 0..10_000 {
        interpreter.load(format!("return {number}").as_bytes()).expect("it compiles");
    }
    assert_eq!(interpreter.scripts().0, 10_000);
    let mut host = Map::default();
    assert_eq!(run_in(&mut interpreter, &mut host, "return 9999", Protocol::Resp2).1, ":9999");
    interpreter.flush();
    assert_eq!(interpreter.scripts(), (0, 0));
    assert!(interpreter.memory_bytes() < 4 << 20);
}

#[test]
fn libraries_register_functions_that_are_called() {
    let mut interpreter = interpreter();
    let mut host = Map::default();
    let source = b"#!lua name=lib\nlocal n = 0\nredis.register_function('count', function(keys, args) n = n + 1 return {n, keys[1], args[1]} end)\nredis.register_function{function_name='get', callback=function(keys) return redis.call('GET', keys[1]) end, flags={'no-writes'}, description='reads'}\nredis.register_function('fails', function() error('boom') end)";
    let prepared = interpreter.prepare(source, &mut host).expect("it registers");
    assert_eq!(interpreter.install(prepared, false).expect("it is new"), b"lib");
    let prepared = interpreter.prepare(source, &mut host).expect("it registers");
    let again = interpreter.install(prepared, false);
    assert_eq!(again, Err(b"ERR Library 'lib' already exists".to_vec()));
    let mut call = |name: &str| {
        let mut reply = Vec::new();
        let call = Call { keys: &[b"k"], args: &[b"a"], seed: 0, protocol: Protocol::Resp2 };
        interpreter.call(name.as_bytes(), &call, &mut host, &mut reply)?;
        Some(String::from_utf8_lossy(&reply).replace("\r\n", " ").trim_end().to_owned())
    };
    assert_eq!(call("count").as_deref(), Some("*3 :1 $1 k $1 a"));
    assert_eq!(call("COUNT").as_deref(), Some("*3 :2 $1 k $1 a"));
    assert_eq!(call("get").as_deref(), Some("$-1"));
    assert_eq!(
        call("fails").as_deref(),
        Some("-ERR user_function:5: boom script: fails, on @user_function:5.")
    );
    assert_eq!(call("none"), None);
    let get = interpreter.function(b"get").expect("it is there");
    assert_eq!(get.flags.names().collect::<Vec<_>>(), ["no-writes"]);
    assert_eq!(get.description.as_deref(), Some(&b"reads"[..]));
    assert!(interpreter.delete_library(b"lib"));
    assert_eq!(interpreter.counts(), (0, 0));
}

#[test]
fn bad_libraries_are_refused_as_redis_words_it() {
    let interpreter = interpreter();
    let refused = |source: &str| {
        let text = interpreter.prepare(source.as_bytes(), &mut Map::default()).err();
        String::from_utf8(text.unwrap_or_default()).expect("text")
    };
    for (source, text) in [
        ("return 1", "ERR Missing library metadata"),
        ("#!lua name=x\nreturn 1", "ERR No functions registered"),
        ("#!lua name=x y=1\nreturn 1", "ERR Invalid metadata value given: y=1"),
        ("#!lua\nreturn 1", "ERR Library name was not given"),
        ("#!foo name=x\nreturn 1", "ERR Engine 'foo' not found"),
        (
            "#!lua name=x\nreturn +",
            "ERR Error compiling function: user_function:2: unexpected symbol near '+'",
        ),
        (
            "#!lua name=x\nredis.call('get')",
            "ERR Error registering functions: ERR user_function:2: Script attempted to access nonexistent global variable 'call'",
        ),
        (
            "#!lua name=x\npcall()",
            "ERR Error registering functions: ERR user_function:2: Script attempted to access nonexistent global variable 'pcall'",
        ),
        (
            "#!lua name=x\nredis.register_function('g1', 1)",
            "ERR Error registering functions: ERR second argument to redis.register_function must be a function",
        ),
        (
            "#!lua name=x\nredis.register_function('g-1', function() end)",
            "ERR Error registering functions: ERR Library names can only contain letters, numbers, or underscores(_) and must be at least one character long",
        ),
    ] {
        assert_eq!(refused(source), text, "{source}");
    }
}

#[test]
fn shebangs_are_read() {
    check(&[
        ("#!lua\nreturn 1", ":1"),
        ("#!lua flags=no-writes,allow-oom\nreturn 1", ":1"),
        ("#!lua flags=foo\nreturn 1", "-ERR Unexpected flag in script shebang: foo"),
        ("#!lua name=x\nreturn 1", "-ERR Unknown lua shebang option: name=x"),
        ("#!bar\nreturn 1", "-ERR Unexpected engine in script shebang: #!bar"),
        ("#!lua", "-ERR Invalid script shebang"),
        ("#!lua\nerror('x')", "-ERR user_script:2: x@user_script:2."),
    ]);
}

#[test]
fn the_log_and_permissions_reach_the_host() {
    let mut host = Map::default();
    let source = "redis.log(redis.LOG_WARNING, 'a', 1) return {redis.acl_check_cmd('GET'), redis.acl_check_cmd('SET')}";
    let (_, reply) = run_in(&mut interpreter(), &mut host, source, Protocol::Resp2);
    assert_eq!(reply, "*2 :1 $-1");
    assert_eq!(host.logged, [(LogLevel::Warning, b"a 1".to_vec())]);
}

#[test]
fn runs_end_well_wherever_the_count_of_instructions_stands_when_they_begin() {
    let mut interpreter = interpreter();
    let sha = interpreter.load(b"for i = 1, ARGV[1] do end return 1").expect("it compiles");
    for round in 0..6 * crate::interpreter::BREATH_INSTRUCTIONS {
        let turns = (round % 97).to_string();
        let args = [turns.as_bytes()];
        let call = Call { keys: &[b"k"], args: &args, seed: 0, protocol: Protocol::Resp2 };
        let (mut host, mut reply) = (Map { breaths_max: 9, ..Map::default() }, Vec::new());
        interpreter.run(&sha, &call, &mut host, &mut reply);
        assert_eq!(reply, b":1\r\n", "{}", reply.escape_ascii());
    }
}

#[test]
fn a_bad_argument_of_a_method_is_counted_without_its_object() {
    let (one, two) = (run("('x'):rep()"), run("string.rep('x')"));
    assert!(one.contains("bad argument #1 to"), "{one}");
    assert!(two.contains("bad argument #2 to"), "{two}");
}

#[test]
fn a_reply_with_holes_is_as_long_as_a_table_that_grew() {
    // Redis 7.0 says 0 of `{nil, 2}`, which it fills element by element.
    let mut interpreter = interpreter();
    let mut host = Holes;
    let source = b"redis.setresp(3) return #redis.call('ZMSCORE')";
    let sha = interpreter.load(source).expect("it compiles");
    let mut reply = Vec::new();
    let call = Call { keys: &[], args: &[], seed: 0, protocol: Protocol::Resp2 };
    interpreter.run(&sha, &call, &mut host, &mut reply);
    assert_eq!(reply, b":0\r\n");
}

/// Answers every call with a nil and a number.
struct Holes;

impl Host for Holes {
    fn call(&mut self, _: &[&[u8]], _: Protocol, reply: &mut Vec<u8>) -> Result<(), Abandon> {
        reply.extend_from_slice(b"*2\r\n_\r\n,2\r\n");
        Ok(())
    }

    fn breathe(&mut self) -> Result<(), Stop> {
        Ok(())
    }

    fn log(&mut self, _: LogLevel, _: &[u8]) {}

    fn may_run(&mut self, _: &[&[u8]]) -> Option<bool> {
        None
    }
}
