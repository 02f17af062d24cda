//! FUNCTION and FCALL: libraries that are loaded, listed, called, dumped, restored and deleted.

use super::lua::quoted;
use super::plot::{Family, Plot};
use super::seat::{ORACLE_DUMP_TOKEN, OWN_DUMP_TOKEN};
use super::step::Request;

/// The family `functions`.
pub const FAMILY: Family = Family {
    name: "functions",
    scenes: &[(14, load), (30, call), (8, list), (4, delete), (4, dump), (2, odd)],
};

/// Libraries and functions have few names, so that they meet.
const NAMES: usize = 4;

fn load(plot: &mut Plot) {
    let client = plot.anybody();
    let number = plot.pen.draw.below(NAMES);
    let mut body = match plot.pen.draw.below(30) {
        0 => "return 1".to_owned(),
        1 => format!("#!lua\nredis.register_function('f{number}',function() return 1 end)"),
        2 => format!("#!lua name=lib{number}"),
        3 => format!("#!lua name=lib{number} nonsense=1\n"),
        4 => format!(
            "#!lua name=bad-name!\nredis.register_function('f{number}',function() return 1 end)"
        ),
        5 => format!(
            "#!lua name=lib{number}\nredis.register_function('f-{number}',function() return 1 end)"
        ),
        6 => format!("#!lua name=lib{number}\nerror('while loading')"),
        7 => format!("#!lua name=lib{number}\nredis.call('GET','x')"),
        8 => format!("#!lua name=lib{number}\nreturn ("),
        9 => format!("#!lua name=lib{number}\nx=1"),
        10 => format!("#!js name=lib{number}\n1"),
        11 => format!("#!lua name=lib{number}\nredis.register_function('f{number}')"),
        12 => format!(
            "#!lua name=lib{number}\nredis.register_function({{function_name='f{number}',callback=5}})"
        ),
        13 => format!(
            "#!lua name=lib{number}\nredis.register_function({{function_name='f{number}',callback=function() end,flags={{'bad'}}}})"
        ),
        14 => format!(
            "#!lua name=lib{number} name=lib{number}\nredis.register_function('f{number}',function() end)"
        ),
        _ => format!("#!lua name=lib{number}\n"),
    };
    if body.ends_with('\n') {
        for _ in 0..1 + plot.pen.draw.below(2) {
            let registration = registration(plot);
            body.push_str(&registration);
        }
    }
    let mut request: Request = vec![b"FUNCTION".to_vec(), b"LOAD".to_vec()];
    if plot.pen.draw.chance(60) {
        request.push(b"REPLACE".to_vec());
    }
    request.push(body.into_bytes());
    plot.send(client, vec![request]);
}

fn registration(plot: &mut Plot) -> String {
    let number = plot.pen.draw.below(NAMES);
    let snippet = plot.pen.snippet();
    let body = snippet.body.replace("KEYS", "keys").replace("ARGV", "args");
    let body = match plot.pen.draw.below(6) {
        0 => "return {#keys,#args,keys[1],args[1]}".to_owned(),
        1 => "return redis.call('GET',keys[1])".to_owned(),
        2 => "return redis.call('SET',keys[1],args[1] or 'none')".to_owned(),
        3 => "redis.setresp(3) return redis.call('HGETALL',keys[1])".to_owned(),
        // What does not even parse would only ever be refused with the whole library.
        _ => format!("local body={} return body", quoted(body.as_bytes())),
    };
    match plot.pen.draw.below(4) {
        0 => {
            let flags = plot.pen.draw.pick(&[
                "'no-writes'",
                "'allow-oom','allow-stale'",
                "",
                "'no-cluster','no-writes'",
            ]);
            let text = plot.pen.draw.pick(&["", ",description='what it does'"]);
            format!(
                "redis.register_function{{function_name='f{number}',callback=function(keys,args) {body} end,flags={{{flags}}}{text}}}\n"
            )
        }
        1 => format!(
            "local function g(keys,args) {body} end redis.register_function('f{number}',g)\n"
        ),
        2 => format!(
            "local n=5 redis.register_function('f{number}',function(keys,args) return n+#keys end)\n"
        ),
        _ => format!("redis.register_function('f{number}',function(keys,args) {body} end)\n"),
    }
}

fn call(plot: &mut Plot) {
    let client = plot.anybody();
    let template = plot.pen.draw.pick(&[
        "FCALL|FCALL_RO FN 1 $S $V",
        "FCALL FN 1 $K $V",
        "FCALL FN 0",
        "FCALL_RO FN 1 $H",
        "fcall FN 2 $S $S a b",
        "FCALL FN 2 $S",
        "FCALL FN -1",
        "FCALL FN x",
        "FCALL FN",
    ]);
    let name = format!("f{}", plot.pen.draw.below(NAMES));
    let call = plot.pen.request(&template.replace("FN", &name));
    let requests = match plot.pen.draw.chance(15) {
        true => vec![plot.pen.request("MULTI"), call, plot.pen.request("EXEC")],
        false => vec![call],
    };
    plot.send(client, requests);
}

fn list(plot: &mut Plot) {
    let client = plot.anybody();
    let request = plot.pen.one_of(&[
        "FUNCTION LIST",
        "FUNCTION LIST WITHCODE",
        "FUNCTION LIST LIBRARYNAME lib1",
        "FUNCTION LIST LIBRARYNAME lib* WITHCODE",
        "FUNCTION LIST LIBRARYNAME",
        "FUNCTION LIST nonsense",
        "FUNCTION STATS",
        "FUNCTION STATS x",
    ]);
    plot.send(client, vec![request]);
}

fn delete(plot: &mut Plot) {
    let client = plot.anybody();
    let request = plot.pen.one_of(&[
        "FUNCTION DELETE lib0",
        "FUNCTION DELETE lib1|lib2|lib3",
        "FUNCTION DELETE nolib",
        "FUNCTION FLUSH",
        "FUNCTION FLUSH ASYNC|SYNC",
        "FUNCTION FLUSH now",
        "FUNCTION KILL",
        "FUNCTION DELETE",
    ]);
    plot.send(client, vec![request]);
}

/// What one side dumped is restored there, and what Redis dumped on both.
fn dump(plot: &mut Plot) {
    let client = plot.somebody_free();
    let policy = plot.pen.draw.pick(&["", " FLUSH", " APPEND", " REPLACE", " NONSENSE"]);
    let token = plot.pen.draw.pick(&[OWN_DUMP_TOKEN, ORACLE_DUMP_TOKEN]);
    plot.say(client, "FUNCTION DUMP");
    if plot.pen.draw.chance(50) {
        plot.say(client, "FUNCTION FLUSH");
    }
    plot.say(client, &format!("FUNCTION RESTORE {token}{policy}"));
    plot.say(client, "FUNCTION LIST");
}

fn odd(plot: &mut Plot) {
    let client = plot.anybody();
    let request = plot.pen.one_of(&[
        "FUNCTION",
        "FUNCTION NOSUCH",
        "FUNCTION LOAD",
        "FUNCTION RESTORE garbage",
        "FUNCTION RESTORE garbage x",
        "FUNCTION DUMP x",
        "FUNCTION LOAD a b",
    ]);
    plot.send(client, vec![request]);
}
