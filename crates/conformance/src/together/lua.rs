//! Snippets of Lua from a seed: values of every kind, calls of commands, the libraries, and mistakes.
//!
//! Only what must come out the same wherever it runs: no clock, no dice, no order of a hash table (`pairs` is sorted, a table
//! that is encoded has one name at most). Nothing that outlives the script either, such as settings of cjson: Redis has one
//! interpreter, we have one a core.

use super::pen::{DATA, Pen, is_key};

/// A script with its keys and arguments.
#[derive(Debug, Default)]
pub struct Snippet {
    /// The text.
    pub body: String,
    /// What becomes KEYS.
    pub keys: Vec<Vec<u8>>,
    /// What becomes ARGV.
    pub args: Vec<Vec<u8>>,
}

/// Literals, as they become replies.
const LITERALS: &[&str] = &[
    "nil",
    "true",
    "false",
    "0",
    "1",
    "-1",
    "3.7",
    "-3.7",
    "1e15",
    "2^53",
    "-2^31",
    "'text'",
    "''",
    "'a\\0b'",
    "'\\r\\n'",
    "{}",
    "{1,2,3}",
    "{1,nil,3}",
    "{nil}",
    "{1,{2,{3,{}}}}",
    "{'a',1.9,true,false}",
    "{true,true,nil,true}",
    "{ok='FINE'}",
    "{err='MY failure'}",
    "{err='nospace'}",
    "{err=''}",
    "{ok=''}",
    "{ok='two\\nlines'}",
    "{err='two\\r\\nlines'}",
    "{ok=5}",
    "{err=5}",
    "{double=3.5}",
    "{double=3}",
    "{double='x'}",
    "{double=1/0}",
    "{double=-1/0}",
    "{double=1e300}",
    "{map={a=1}}",
    "{map={[1]='x'}}",
    "{map={}}",
    "{set={a=true}}",
    "{set={}}",
    "{set={'x'}}",
    "{map={a={set={b=1}}}}",
    "{big_number='1234567890123456789012345'}",
    "{big_number='12\\r\\n3'}",
    "{verbatim_string={format='txt',string='hello'}}",
    "{verbatim_string={format='mkd',string=''}}",
    "{a=1}",
    "{1,2,a=3}",
    "{[0]=1,[1]=2}",
    "{[2]=1}",
    "function() end",
    "print",
    "redis",
    "redis.error_reply('FAILED x')",
    "redis.error_reply('plain')",
    "redis.error_reply('-DASH x')",
    "redis.error_reply('')",
    "redis.status_reply('GOOD')",
    "redis.status_reply('')",
    "{redis.status_reply('A'),redis.error_reply('B c')}",
    "1,2,3",
    "KEYS",
    "ARGV",
    "KEYS[1]",
    "ARGV[1]",
    "#KEYS",
    "#ARGV",
    "KEYS[9]",
    "type(KEYS)",
    "'\\255\\254'",
    "string.rep('x',100)",
];

/// Expressions over the libraries.
const LIBRARIES: &[&str] = &[
    "tostring(0.1)",
    "tostring(1e15)",
    "tostring(1e16)",
    "tostring(-0.0)",
    "tostring(100)",
    "tostring(1/3)",
    "tostring(nil)",
    "tonumber('0x10')",
    "tonumber('1e3')",
    "tonumber(' 5 ')",
    "tonumber('abc')",
    "tonumber('z',36)",
    "math.floor(-3.5)",
    "math.ceil(2.1)",
    "math.max(1,5,3)",
    "math.fmod(7,3)",
    "math.huge",
    "-math.huge",
    "math.sqrt(16)",
    "math.pi",
    "math.abs(-4)",
    "10%3",
    "-7%3",
    "7/2",
    "2^10",
    "#'abc'",
    "'a'..1 ..'b'",
    "1 ..''",
    "'10'+5",
    "not nil",
    "nil==false",
    "1<2",
    "'a'<'b'",
    "string.format('%d %s %5.2f %x %q',42,'s',3.14159,255,'q')",
    "string.format('%g',1e20)",
    "string.format('%10s|%-5s|','a','b')",
    "string.sub('hello',2,-2)",
    "string.upper('abc')",
    "string.reverse('abc')",
    "string.byte('A')",
    "string.char(65,66)",
    "string.len('a\\0b')",
    "string.find('hello','l')",
    "string.find('hello','(h)(e)')",
    "string.match('key:42','%d+')",
    "string.gsub('hello','l','L')",
    "('x'):rep(3)",
    "select('#',1,nil,3)",
    "select(2,'a','b')",
    "unpack({1,2,3})",
    "table.concat({1,2,3},',')",
    "table.concat({},',')",
    "table.maxn({1,2,nil,4})",
    "#{1,2,3}",
    "next({})",
    "rawequal(1,1)",
    "rawget({a=1},'a')",
    "type(redis)",
    "type(redis.call)",
    "type(cjson)",
    "type(os)",
    "type(os.clock)",
    "type(io)",
    "type(require)",
    "type(dofile)",
    "type(loadstring)",
    "type(load)",
    "type(debug)",
    "type(print)",
    "type(math.random)",
    "type(coroutine)",
    "type(newproxy)",
    "type(getfenv)",
    "type(_G)",
    "type(string.dump)",
    "type(package)",
    "type(collectgarbage)",
    "type(gcinfo)",
    "_VERSION",
    "redis.sha1hex('')",
    "redis.sha1hex('abc')",
    "redis.sha1hex(5)",
    "redis.LOG_DEBUG",
    "redis.LOG_WARNING",
    "redis.REPL_ALL",
    "redis.REPL_NONE",
    "redis.set_repl(redis.REPL_ALL)",
    "redis.replicate_commands()",
    "redis.breakpoint()",
    "redis.log(redis.LOG_DEBUG,'x')",
    "redis.acl_check_cmd('get','k')",
    "redis.acl_check_cmd('nosuch','k')",
    "redis.setresp(2)",
    "redis.setresp(3)",
    "cjson.encode({1,2,3})",
    "cjson.encode({})",
    "cjson.encode({a=1})",
    "cjson.encode({a={b={1,'x',true,false}}})",
    "cjson.encode('a\"b\\\\/\\n\\t\\1')",
    "cjson.encode(1.5)",
    "cjson.encode(1e20)",
    "cjson.encode(3)",
    "cjson.encode(0.1)",
    "cjson.encode(true)",
    "cjson.encode(nil)",
    "cjson.encode(cjson.null)",
    "cjson.encode({1,nil,3})",
    "cjson.encode({[5]=1})",
    "cjson.encode({[1000]=1})",
    "cjson.encode({[1.5]=1})",
    "cjson.encode('\\195\\164')",
    "cjson.decode('[1,2,[3,null,true]]')",
    "cjson.decode('{\"a\":{\"b\":[1,2]}}').a.b[2]",
    "cjson.decode('\"\\\\u00e4x\"')",
    "cjson.decode('1e3')",
    "cjson.decode('-0.5')",
    "cjson.decode('null')==cjson.null",
    "cjson.decode('[]')",
    "cjson.decode('{}')",
    "cjson.decode('')",
    "cjson.decode('[1,')",
    "cjson.decode('{\"a\" 1}')",
    "cjson.decode('nul')",
    "cjson.decode('[1]x')",
    "cjson.decode('1234567890123')",
    "cjson.encode(cjson.decode('[[],{},[{}]]'))",
    "cjson.encode(1/0)",
    "cjson.encode(print)",
    "cmsgpack.pack(1)",
    "cmsgpack.pack(-1,300,70000,-70000)",
    "cmsgpack.pack(1.5)",
    "cmsgpack.pack('abc',string.rep('y',40))",
    "cmsgpack.pack({1,2,{3}})",
    "cmsgpack.pack({a=1})",
    "cmsgpack.pack(nil,true,false)",
    "cmsgpack.pack({})",
    "cmsgpack.unpack(cmsgpack.pack({1,'x',{2}}))",
    "cmsgpack.unpack('\\147\\1\\2\\3')",
    "cmsgpack.unpack('\\147\\1')",
    "cmsgpack.unpack('')",
    "cmsgpack.unpack(cmsgpack.pack(2^40))",
    "cmsgpack.unpack_one('\\1\\2\\3')",
    "cmsgpack.unpack_limit('\\1\\2\\3',2)",
    "cmsgpack.pack()",
    "cmsgpack.unpack_one('\\1\\2',9)",
    "cmsgpack.pack(1e10,2^53,-2^40)",
    "struct.pack('>I2',258)",
    "struct.pack('<i4',-2)",
    "struct.pack('bBhH',1,2,3,4)",
    "struct.pack('>d',1.5)",
    "struct.pack('f',0.5)",
    "struct.pack('s','abc')",
    "struct.pack('c3','abcdef')",
    "struct.pack('c0','abc')",
    "struct.unpack('>I2','\\1\\2')",
    "struct.unpack('<i4','\\254\\255\\255\\255')",
    "struct.unpack('s','abc\\0')",
    "struct.unpack('c3','abcdef')",
    "struct.unpack('>I4','\\1')",
    "struct.size('>I2i4d')",
    "struct.size('s')",
    "struct.pack('Z',1)",
    "struct.pack('>I9',1)",
    "struct.unpack('bb','\\255\\1')",
    "struct.pack('>I2x I2',1,2)",
    "struct.pack('!4 b i4',1,2)",
    "struct.unpack('>l','\\0\\0\\0\\0\\0\\0\\1\\0')",
    "bit.band(12,10)",
    "bit.bor(12,10)",
    "bit.bxor(12,10)",
    "bit.bnot(0)",
    "bit.lshift(1,31)",
    "bit.rshift(-1,4)",
    "bit.arshift(-16,2)",
    "bit.rol(1,33)",
    "bit.ror(1,1)",
    "bit.tohex(255)",
    "bit.tohex(-1,4)",
    "bit.tohex(255,-6)",
    "bit.tobit(2^32+5)",
    "bit.bswap(1)",
    "bit.band('7',3)",
    "bit.band('x')",
    "bit.band()",
    "pcall(error,'x')",
    "pcall(error,{err='E x'})",
    "pcall(function() return 1,2 end)",
    "xpcall(function() error('in') end,function(e) return 'h:'..e end)",
    "loadstring('return 5')()",
    "loadstring('return +')",
    "load(function() return nil end)",
    "tostring(setmetatable({},{__tostring=function() return 'm' end}))",
    "getmetatable('').__index==string",
    "setmetatable({},{__index={a=7}}).a",
    "coroutine.wrap(function() coroutine.yield(4) end)()",
    "assert(1,'no')",
    "#string.rep('ab',5000)",
];

/// What must fail, and with which text and line.
const MISTAKES: &[&str] = &[
    "error('broken')",
    "error('broken',0)",
    "error('broken',2)",
    "error({err='MY error'})",
    "error({err='My error',x=1})",
    "error(nil)",
    "error(5)",
    "error()",
    "return nothing.x",
    "local t=nil return t.x",
    "return 1+{}",
    "return 'a'+1",
    "return #5",
    "return {}<{}",
    "undeclared=1",
    "return undeclared",
    "return redis.nosuch()",
    "return redis.call()",
    "return redis.call(5)",
    "return redis.call({})",
    "return redis.call('nosuch')",
    "return redis.call('get')",
    "return redis.call('get',KEYS)",
    "return redis.call('get',nil)",
    "return redis.call('get',true)",
    "return redis.call('set','string:0',1.5)",
    "return redis.call('set','string:0',2^53)",
    "return redis.call('incr','list:0')",
    "return redis.pcall('nosuch')",
    "return redis.pcall('get')",
    "return redis.pcall()",
    "return redis.call('multi')",
    "return redis.call('watch','string:0')",
    "return redis.call('subscribe','c')",
    "return redis.call('eval','return 1',0)",
    "return redis.call('script','flush')",
    "return redis.call('client','list')",
    "return redis.call('select',99)",
    "return redis.call('auth','x')",
    "return redis.call('hello',3)",
    "return redis.call('blpop','nolist',0)",
    "return redis.call('xread','block',0,'streams','nostream','$')",
    "return redis.call('wait',0,0)",
    "return redis.call('reset')",
    "return redis.call('quit')",
    "redis.pcall('nosuch') return 'went on'",
    "local ok,e=pcall(redis.call,'nosuch') return {ok,e}",
    "local ok,e=pcall(redis.call,'incr','list:0') return tostring(ok)",
    "local r=redis.pcall('lpush','string:0',1) return r['err'] or r",
    "local r=redis.pcall('lpush','string:0',1) return type(r)",
    "local ok,e=pcall(error,'x') return e",
    "local ok,e=pcall(function() error({err='E x'}) end) return e",
    "return redis.error_reply()",
    "return redis.error_reply(5)",
    "return redis.status_reply({})",
    "return redis.error_reply('a','b')",
    "return redis.sha1hex()",
    "return redis.sha1hex(1,2)",
    "redis.log('x')",
    "redis.log(9,'x')",
    "redis.setresp(4)",
    "redis.setresp()",
    "redis.setresp('x')",
    "redis.set_repl()",
    "redis.set_repl(99)",
    "return redis.acl_check_cmd()",
    "return 1 1",
    "return (",
    "x = = 1",
    "for",
    "return 'open",
    "\nerror('second line')",
    "\n\n\nreturn redis.call('nosuch')",
    "string.rep('x',-1) return 1 + nil",
    "redis.call=nil",
    "redis.x=1",
    "cjson.encode=nil",
    "KEYS=nil return KEYS",
    "KEYS[1]='changed' return KEYS[1]",
    "_G.x=1",
    "rawset(_G,'x',1) return x",
    "setmetatable(_G,{})",
    "getmetatable(_G).__index=nil",
    "setfenv(1,{}) return x",
    "string.format('%d','x')",
    "('x'):rep()",
    "table.concat({{}})",
    "unpack()",
    "local a<const> = 1",
    "goto x",
    "return 5//2",
    "return 1&2",
    "print('x')",
    "os.exit()",
    "os.time()",
    "require 'os'",
    "redis.register_function('f',function() end)",
    "local function f() return f() end return 5",
    "local function f(n) return 1+f(n+1) end return f(1)",
    "return tostring(nil)..nil",
    "return redis.call('set',KEYS[1],'v','nonsense')",
    "return cjson.decode('{')",
    "return cjson.encode({[print]=1})",
    "return select(0)",
    "return math.floor('x')",
    "redis.call('set','string:1','before') error('after')",
    "redis.call('rpush','list:1','x') return redis.call('incr','list:1')",
    "return {redis.pcall('incr','list:0'),1}",
    "return {1,redis.error_reply('X y'),3}",
    "return {err='X y'},2",
    "error(redis.error_reply('R x'))",
    "error(redis.pcall('nosuch'))",
];

/// What people use scripts for: the kind of the key, the argument, the text.
const RECIPES: &[(&str, &str, &str)] = &[
    (
        "$S",
        "5",
        "local n=redis.call('INCR',KEYS[1]) if n==1 then redis.call('EXPIRE',KEYS[1],1000) end if n>tonumber(ARGV[1]) then return 0 end return n",
    ),
    (
        "$S",
        "a",
        "if redis.call('GET',KEYS[1])==ARGV[1] then return redis.call('DEL',KEYS[1]) else return 0 end",
    ),
    (
        "$H",
        "10",
        "local h=redis.call('HMGET',KEYS[1],'tokens','at') local t=tonumber(h[1]) or tonumber(ARGV[1]) if t<1 then return {0,tostring(t)} end redis.call('HSET',KEYS[1],'tokens',t-1,'at',1) return {1,tostring(t-1)}",
    ),
    (
        "$Z",
        "3",
        "redis.call('ZREMRANGEBYSCORE',KEYS[1],'-inf',1) local n=redis.call('ZCARD',KEYS[1]) if n<tonumber(ARGV[1]) then redis.call('ZADD',KEYS[1],n,n) return 1 end return 0",
    ),
    (
        "$L",
        "job",
        "redis.call('RPUSH',KEYS[1],cjson.encode({name=ARGV[1]})) return cjson.decode(redis.call('LINDEX',KEYS[1],-1)).name",
    ),
    (
        "$L",
        "2",
        "local t={} for i=1,ARGV[1] do local v=redis.call('LPOP',KEYS[1]) if not v then break end t[#t+1]=v end return t",
    ),
    ("$E", "1", "local m=redis.call('SMEMBERS',KEYS[1]) table.sort(m) return m"),
    (
        "$H",
        "v",
        "redis.call('DEL',KEYS[1]) redis.call('HSET',KEYS[1],'f',ARGV[1]) return redis.call('HGETALL',KEYS[1])",
    ),
    (
        "$Z",
        "1.5",
        "redis.call('DEL',KEYS[1]) redis.call('ZADD',KEYS[1],ARGV[1],'m') return redis.call('ZSCORE',KEYS[1],'m')",
    ),
    (
        "$E",
        "7",
        "redis.call('DEL',KEYS[1]) redis.call('SADD',KEYS[1],ARGV[1]) return redis.call('SMEMBERS',KEYS[1])",
    ),
    (
        "$X",
        "v",
        "redis.call('DEL',KEYS[1]) redis.call('XADD',KEYS[1],'1-1','f',ARGV[1]) return redis.call('XRANGE',KEYS[1],'-','+')",
    ),
    (
        "$S",
        "x",
        "redis.call('SELECT',1) redis.call('SET',KEYS[1],ARGV[1]) return redis.call('GET',KEYS[1])",
    ),
    (
        "$S",
        "x",
        "redis.call('SET',KEYS[1],ARGV[1]) return redis.call('CONFIG','GET','maxmemory-policy')",
    ),
    ("$S", "x", "return redis.call('DBSIZE')"),
    ("$S", "x", "redis.call('FLUSHALL') return redis.call('EXISTS',KEYS[1])"),
    ("$S", "x", "redis.call('SWAPDB',0,1) return redis.call('GET',KEYS[1])"),
    (
        "$L",
        "x",
        "return {redis.call('BLPOP',KEYS[1],0),redis.call('BRPOPLPUSH',KEYS[1],KEYS[1],0)}",
    ),
    (
        "$Z",
        "x",
        "return {redis.call('BZPOPMIN',KEYS[1],0),redis.call('BLMPOP',0,1,'nolist','LEFT')}",
    ),
];

impl Pen {
    /// A script of any kind.
    pub fn snippet(&mut self) -> Snippet {
        let mut snippet = Snippet::default();
        if self.draw.chance(30) {
            for _ in 0..self.draw.below(3) {
                let [key, value] = [self.request("$K"), self.request("$V")];
                snippet.keys.extend(key);
                snippet.args.extend(value);
            }
        }
        let protocol = match self.draw.below(10) {
            0 | 1 => "redis.setresp(3) ",
            2 => "redis.setresp(2) ",
            _ => "",
        };
        let body = match self.draw.below(100) {
            0..=14 => format!("return {}", self.draw.pick(LITERALS)),
            15..=29 => format!("return {}", self.draw.pick(LIBRARIES)),
            30..=36 => {
                format!("return {{{},{}}}", self.draw.pick(LITERALS), self.draw.pick(LIBRARIES))
            }
            37..=49 => self.draw.pick(MISTAKES).to_owned(),
            50..=74 => self.calls(&mut snippet),
            75..=84 => self.looped(&mut snippet),
            85..=92 => self.recipe(&mut snippet),
            _ => self.mixed(&mut snippet),
        };
        snippet.body = format!("{protocol}{body}");
        snippet
    }

    /// A few calls, of which one or all are returned.
    fn calls(&mut self, snippet: &mut Snippet) -> String {
        let count = 1 + self.draw.below(4);
        let mut body = String::new();
        let mut names = Vec::new();
        for number in 0..count {
            let name = format!("r{number}");
            body.push_str(&format!("local {name}={}\n", self.call(snippet)));
            names.push(name);
        }
        let last = &names[count - 1];
        let end = match self.draw.below(6) {
            0 => format!("return {{{}}}", names.join(",")),
            1 => format!("return type({last})"),
            2 => format!("return tostring(type({last})=='table' and (#{last}) or {last})"),
            3 => format!(
                "return type({last})=='table' and ({last}.ok or {last}.err or {last}[1] or {last}.double or 'table') or {last}"
            ),
            _ => format!("return {last}"),
        };
        body + &end
    }

    /// `redis.call` or `redis.pcall` of a plain command, its keys declared or not.
    fn call(&mut self, snippet: &mut Snippet) -> String {
        let request = self.one_of(DATA);
        let declares = self.draw.chance(70);
        let words: Vec<String> = request
            .iter()
            .enumerate()
            .map(|(at, word)| {
                if at > 0 && is_key(word) && declares {
                    snippet.keys.push(word.clone());
                    return format!("KEYS[{}]", snippet.keys.len());
                }
                if at > 0 && !is_key(word) && self.draw.chance(20) {
                    snippet.args.push(word.clone());
                    return format!("ARGV[{}]", snippet.args.len());
                }
                match std::str::from_utf8(word).ok().and_then(|text| text.parse::<i32>().ok()) {
                    Some(number) if self.draw.chance(50) => number.to_string(),
                    _ => quoted(word),
                }
            })
            .collect();
        let function = self.draw.pick(&["redis.call", "redis.call", "redis.pcall", "server.call"]);
        // The newer name of the library is not one of 7.0.
        format!("{}({})", function.replace("server", "redis"), words.join(","))
    }

    fn looped(&mut self, snippet: &mut Snippet) -> String {
        let rounds = 1 + self.draw.below(6);
        let call = self.call(snippet);
        match self.draw.below(4) {
            0 => format!("local t={{}} for i=1,{rounds} do t[i]={call} end return t"),
            1 => format!(
                "local n=0 while n<{rounds} do n=n+1 if n==3 then break end {call} end return n"
            ),
            2 => format!(
                "for i=1,{rounds} do redis.call('SET','string:'..(i%3),i) redis.call('RPUSH','list:'..(i%3),i) end return redis.call('MGET','string:0','string:1','string:2')"
            ),
            _ => format!(
                "local t={{}} for i,k in ipairs(KEYS) do t[#t+1]=redis.call('TYPE',k).ok end {call} return t"
            ),
        }
    }

    fn recipe(&mut self, snippet: &mut Snippet) -> String {
        let (key, argument, body) = RECIPES[self.draw.below(RECIPES.len())];
        snippet.keys = self.request(key);
        snippet.args = vec![argument.as_bytes().to_vec()];
        body.to_owned()
    }

    fn mixed(&mut self, snippet: &mut Snippet) -> String {
        let call = self.call(snippet);
        let library = self.draw.pick(LIBRARIES);
        let end = self.draw.pick(MISTAKES);
        match self.draw.below(3) {
            0 => format!("local r={call} local l={library} return {{r,l}}"),
            1 => format!("local r={call}\n{end}"),
            _ => format!("local ok,r=pcall(function() return {call} end) return {{ok,r}}"),
        }
    }
}

/// A Lua string of these bytes.
pub fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from("'");
    for &byte in bytes {
        match byte {
            b'\'' | b'\\' => {
                text.push('\\');
                text.push(char::from(byte));
            }
            0x20..=0x7e => text.push(char::from(byte)),
            _ => text.push_str(&format!("\\{byte:03}")),
        }
    }
    text.push('\'');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_text_has_no_raw_byte() {
        assert_eq!(quoted(b"a'b\\\r\n\xff"), "'a\\'b\\\\\\013\\010\\255'");
    }

    #[test]
    fn keys_and_arguments_that_a_snippet_names_are_there() {
        let mut pen = Pen::new(3);
        for _ in 0..2000 {
            let snippet = pen.snippet();
            for number in 1..9 {
                let named = snippet.body.contains(&format!(",KEYS[{number}]"));
                // Fixed texts name keys that may be missing, which is what they are for.
                assert!(!named || number < 3 || snippet.keys.len() >= number, "{snippet:?}");
            }
        }
    }
}
