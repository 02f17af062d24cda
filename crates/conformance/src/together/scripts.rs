//! EVAL and its kin, and the cache of scripts.

use super::lua::Snippet;
use super::plot::{Family, Plot};
use super::step::Request;

/// The family `scripts`.
pub const FAMILY: Family = Family {
    name: "scripts",
    scenes: &[
        (90, eval),
        (15, in_transaction),
        (15, by_sha),
        (10, cache),
        (6, malformed),
        (8, shebang),
    ],
};

/// Scripts that EVALSHA is to find, with their digests. No EVAL has them: where it stands in a transaction that comes to nothing, its
/// script is known afterwards, as it is not to Redis.
pub const KNOWN: &[(&str, &str)] = &[
    ("return 1 -- known", "6955dfe3de7483a6662038c4581bb593cff2050c"),
    ("return ARGV[1] -- known", "25efdb31df99c43786ef7f5923c97d4281e3bbf9"),
    ("return redis.call('GET',KEYS[1]) -- known", "6366836424342277adb5089eea12140ee9f528d8"),
];

/// A request that runs a snippet.
fn request(name: &str, snippet: Snippet) -> Request {
    let mut request = vec![name.as_bytes().to_vec(), snippet.body.into_bytes()];
    request.push(snippet.keys.len().to_string().into_bytes());
    request.extend(snippet.keys);
    request.extend(snippet.args);
    request
}

fn any_eval(plot: &mut Plot) -> Request {
    let snippet = plot.pen.snippet();
    let name = if plot.pen.draw.chance(90) { "EVAL" } else { "EVAL_RO" };
    request(name, snippet)
}

fn eval(plot: &mut Plot) {
    let client = plot.anybody();
    let mut requests = Vec::new();
    for _ in 0..1 + plot.pen.draw.below(6) {
        let eval = any_eval(plot);
        plot.bodies.push(eval[1].clone());
        requests.push(eval);
    }
    if plot.pen.draw.chance(30) {
        requests.extend(plot.plain_requests(1));
    }
    plot.send(client, requests);
}

fn in_transaction(plot: &mut Plot) {
    let client = plot.somebody_free();
    let mut requests = vec![plot.pen.request("MULTI")];
    for _ in 0..1 + plot.pen.draw.below(3) {
        requests.extend(plot.plain_requests(1));
        let eval = any_eval(plot);
        requests.push(eval);
    }
    requests.push(plot.pen.request("EXEC"));
    plot.send(client, requests);
}

fn by_sha(plot: &mut Plot) {
    let client = plot.anybody();
    let (body, sha) = KNOWN[plot.pen.draw.below(KNOWN.len())];
    let mut requests = Vec::new();
    if plot.pen.draw.chance(50) {
        requests.push(vec![b"SCRIPT".to_vec(), b"LOAD".to_vec(), body.as_bytes().to_vec()]);
    }
    let sha = match plot.pen.draw.below(4) {
        0 => sha.to_ascii_uppercase(),
        1 if plot.pen.draw.chance(30) => sha[1..].to_owned(),
        _ => sha.to_owned(),
    };
    let form = plot.pen.draw.pick(&[
        "EVALSHA SHA 1 $S $V",
        "EVALSHA SHA 0",
        "EVALSHA_RO SHA 1 $K $V",
        "EVALSHA SHA 2 $S",
    ]);
    requests.push(plot.pen.request(&form.replace("SHA", &sha)));
    let asks = format!("SCRIPT EXISTS {sha} {sha} abc");
    requests.push(plot.pen.request(&asks));
    plot.send(client, requests);
}

fn cache(plot: &mut Plot) {
    let client = plot.anybody();
    let request = match plot.pen.draw.below(6) {
        0 => plot.pen.one_of(&[
            "SCRIPT FLUSH",
            "SCRIPT FLUSH ASYNC",
            "SCRIPT FLUSH SYNC",
            "SCRIPT FLUSH now",
            "SCRIPT KILL",
            "SCRIPT LOAD",
            "SCRIPT EXISTS",
            "SCRIPT NOSUCH",
            "SCRIPT DEBUG NO",
            "SCRIPT KILL x",
        ]),
        1 if !plot.bodies.is_empty() => {
            let at = plot.pen.draw.below(plot.bodies.len());
            vec![b"SCRIPT".to_vec(), b"LOAD".to_vec(), plot.bodies[at].clone()]
        }
        _ => {
            let snippet = plot.pen.snippet();
            vec![b"SCRIPT".to_vec(), b"LOAD".to_vec(), snippet.body.into_bytes()]
        }
    };
    plot.send(client, vec![request]);
}

/// Numbers of keys that are none, and too few keys.
fn malformed(plot: &mut Plot) {
    let client = plot.anybody();
    let request = plot.pen.one_of(&[
        "EVAL return(1)",
        "EVAL return(1) -1",
        "EVAL return(1) a",
        "EVAL return(1) 1",
        "EVAL return(1) 3 $K",
        "EVAL return(1) 99999999999 $K",
        "EVALSHA abc 0",
        "EVALSHA ffffffffffffffffffffffffffffffffffffffff 0",
        "EVALSHA ffffffffffffffffffffffffffffffffffffffff a",
        "EVAL_RO return(redis.call('set',KEYS[1],1)) 1 $S",
        "EVAL_RO return(redis.pcall('del','string:0')) 0",
        "EVAL return(KEYS[2]) 2 $K $K",
        "EVAL return(#ARGV) 0 a b c",
        "EVAL return(1.9) 0",
        "EVAL return(1) 0.5",
        "EVAL",
    ]);
    plot.send(client, vec![request]);
}

/// Scripts that say in their first line what they do.
fn shebang(plot: &mut Plot) {
    let client = plot.anybody();
    let first = plot.pen.draw.pick(&[
        "#!lua",
        "#!lua flags=no-writes",
        "#!lua flags=allow-oom",
        "#!lua flags=allow-stale,no-cluster",
        "#!lua flags=no-writes,allow-oom",
        "#!lua flags=allow-cross-slot-keys",
        "#!lua flags=nonsense",
        "#!lua name=x",
        "#!lua flags=",
        "#!ruby",
        "#!",
        "#!lua flags=no-writes flags=allow-oom",
        "#!lua  flags=no-writes",
        "#!lua flags=no-writes,",
        "#!luaflags",
        "# no shebang",
    ]);
    let mut snippet = plot.pen.snippet();
    let separator = if plot.pen.draw.chance(93) { "\n" } else { " " };
    snippet.body = format!("{first}{separator}{}", snippet.body);
    let name = if plot.pen.draw.chance(80) { "EVAL" } else { "EVAL_RO" };
    let eval = request(name, snippet);
    plot.send(client, vec![eval]);
}
