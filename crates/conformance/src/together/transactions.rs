//! MULTI and WATCH: whole transactions, transactions in which others step between, and everything that may touch a
//! watched key.

use super::pen::DATA;
use super::plot::{Family, Plot};
use super::step::Request;

/// The family `transactions`.
pub const FAMILY: Family = Family {
    name: "transactions",
    scenes: &[
        (30, whole),
        (40, piecewise),
        (40, watched),
        (1, watched_and_expired),
        (3, quiet),
        (3, broken_off),
        (4, without_multi),
        (5, other_databases),
    ],
};

/// What makes a transaction fail before it runs, and what is not taken within one.
const REFUSED: &[&str] = &[
    "NOSUCHCOMMAND $V",
    "GET",
    "SET $S",
    "MULTI",
    "WATCH $S",
    "LPUSH $L",
    "EVAL",
    "CLIENT NOSUCH",
    "OBJECT NOSUCH $K",
    "HSET $H f",
    "BLPOP $L",
    "EXEC now",
    "DISCARD now",
    "XADD $X",
];
/// What is taken, and says or does something of its own within a transaction.
const SPECIAL: &[&str] = &[
    "UNWATCH",
    "SELECT $D",
    "SELECT 99",
    "SWAPDB 0 1",
    "FLUSHDB",
    "FLUSHALL",
    "DBSIZE",
    "BLPOP *L 0",
    "BRPOP *L 0",
    "BLMOVE $L $L LEFT|RIGHT LEFT|RIGHT 0",
    "BRPOPLPUSH $L $L 0",
    "BLMPOP 0 #L LEFT",
    "BZPOPMIN *Z 0",
    "BZPOPMAX *Z 0",
    "BZMPOP 0 #Z MAX",
    "XREAD BLOCK 0 STREAMS $X $",
    "XREADGROUP GROUP $G $C BLOCK 0 STREAMS $X >",
    "WAIT 0 0",
    "WAIT 1 1000",
    "CLIENT GETNAME",
    "CLIENT SETNAME n",
    "HELLO 3",
    "HELLO 2",
    "HELLO 9",
    "PING",
    "ECHO $V",
    "INCR {t}word",
    "LPUSH $S $V",
    "INCR $L",
    "EVAL return(redis.call('incr',KEYS[1])) 1 $S",
    "EVAL return(redis.call('lpush','list:0','e')) 0",
    "EVALSHA ffffffffffffffffffffffffffffffffffffffff 0",
    "AUTH nobody nothing",
    "CLIENT UNBLOCK $T",
    "SCRIPT EXISTS abc",
    "OBJECT REFCOUNT nokey",
    "COMMAND GETKEYS GET $K",
    "FCALL nofunction 0",
    "CONFIG GET maxmemory-policy",
    "RESET",
];
/// What others do to a key that somebody watches; a part of it changes nothing.
const TOUCHES: &[&str] = &[
    "SET $S $V",
    "SET $S $V XX",
    "SET $S $V NX",
    "INCR $S",
    "APPEND $S $V",
    "APPEND $S ",
    "DEL $K",
    "DEL $S $S $S",
    "UNLINK $S",
    "GETDEL $S",
    "GETEX $S",
    "GETEX $S PERSIST",
    "GETEX $S EX 1000",
    "GET $S",
    "TOUCH $S",
    "EXPIRE $K 1000",
    "EXPIRE $K 0",
    "EXPIRE $K 1000 NX|XX|GT|LT",
    "PEXPIREAT $K 1",
    "EXPIREAT $K 1",
    "PERSIST $K",
    "LPUSH $L $V",
    "LPUSHX $L $V",
    "LPOP $L",
    "LREM $L 0 nothing",
    "LTRIM $L 0 -1",
    "LSET $L 0 $V",
    "LMOVE $L $L LEFT RIGHT",
    "SADD $E $N",
    "SREM $E 77",
    "SMOVE $E $E $N",
    "SINTERSTORE $E $E $E",
    "ZADD $Z $N $V",
    "ZADD $Z XX $N nothing",
    "ZREM $Z nothing",
    "ZPOPMIN $Z",
    "ZINCRBY $Z 0 a",
    "ZUNIONSTORE $Z #Z",
    "HSET $H f1 $V",
    "HSETNX $H f1 $V",
    "HDEL $H nothing",
    "XADD $X $I f $V",
    "XDEL $X 99-99",
    "XTRIM $X MAXLEN 100",
    "XGROUP CREATE $X $G $ MKSTREAM",
    "XGROUP DESTROY $X $G",
    "XREADGROUP GROUP $G $C STREAMS $X >",
    "XACK $X $G $J",
    "XSETID $X 99-1",
    "FLUSHALL",
    "FLUSHDB",
    "FLUSHALL ASYNC",
    "SWAPDB 0 1",
    "SWAPDB 1 2",
    "SWAPDB 0 0",
    "MOVE $K $D",
    "RENAME $K $K",
    "RENAMENX $K $K",
    "COPY $K $K",
    "COPY $K $K REPLACE",
    "COPY $K $K DB $D REPLACE",
    "SORT $L ALPHA STORE $L",
    "MSET $S $V $S $V",
    "MSETNX $S $V $S $V",
    "PFADD $S $V",
    "SETBIT $S 1 0",
    "SETRANGE $S 0 $V",
    "GEOADD $Z 1 1 $V",
    "BITFIELD $S GET u8 0",
    "BITFIELD $S SET u8 0 1",
    "BITOP NOT $S $S",
    "EVAL return(redis.call('set',KEYS[1],'x')) 1 $S",
    "EVAL return(redis.call('del','string:0','list:0')) 0",
    "EVAL return(redis.call('get',KEYS[1])) 1 $S",
    "PING",
];

/// What a client queues: plain commands mostly.
fn queued(plot: &mut Plot) -> Request {
    match plot.pen.draw.below(100) {
        0..=74 => plot.pen.one_of(DATA),
        75..=78 => plot.pen.one_of(REFUSED),
        _ => plot.pen.one_of(SPECIAL),
    }
}

/// MULTI to EXEC in one write.
fn whole(plot: &mut Plot) {
    let client = plot.anybody();
    let mut requests = Vec::new();
    if plot.pen.draw.chance(25) {
        requests.push(plot.pen.request("WATCH *K"));
    }
    requests.push(plot.pen.request("MULTI"));
    for _ in 0..plot.pen.draw.below(6) {
        requests.push(queued(plot));
    }
    let end = if plot.pen.draw.chance(90) { "EXEC" } else { "DISCARD" };
    requests.push(plot.pen.request(end));
    plot.send(client, requests);
}

/// The next request of a transaction, or a new one.
fn piecewise(plot: &mut Plot) {
    let client = plot.anybody();
    let chance = plot.pen.draw.below(100);
    let request = match (plot.in_multi[client], chance) {
        (true, 0..=19) => plot.pen.request("EXEC"),
        (true, 20..=22) => plot.pen.request("DISCARD"),
        (true, _) => queued(plot),
        (false, 0..=39) => plot.pen.request("MULTI"),
        (false, 40..=59) => plot.pen.request("WATCH *K"),
        (false, 60..=62) => plot.pen.request("UNWATCH"),
        (false, _) => plot.pen.one_of(TOUCHES),
    };
    plot.send(client, vec![request]);
}

/// One watches, somebody touches, one tries.
fn watched(plot: &mut Plot) {
    let client = plot.somebody_free();
    let mut first = Vec::new();
    if plot.pen.draw.chance(60) {
        first.extend(plot.plain_requests(2));
    }
    first.push(plot.pen.request("WATCH *S|*K|*L|*Z|*X|*H|*E"));
    plot.send(client, first);
    for _ in 0..plot.pen.draw.below(3) {
        let other = if plot.pen.draw.chance(85) { plot.another(client) } else { client };
        let touch = plot.pen.one_of(TOUCHES);
        let requests = match plot.pen.draw.below(10) {
            0 => vec![plot.pen.request("MULTI"), touch, plot.pen.request("EXEC")],
            1 => vec![plot.pen.request("MULTI"), touch, plot.pen.request("DISCARD")],
            2 => vec![plot.pen.request("SELECT 1"), touch, plot.pen.request("SELECT 0")],
            _ => vec![touch],
        };
        plot.send(other, requests);
    }
    let mut last = vec![plot.pen.request("MULTI")];
    last.extend(plot.plain_requests(2));
    last.push(plot.pen.request("EXEC"));
    plot.send(client, last);
}

/// A watched key whose time runs out, before or while it is watched.
fn watched_and_expired(plot: &mut Plot) {
    let client = plot.somebody_free();
    // One that waits all the same would do all of this at once, when it is woken: then only a clock knows what comes of it.
    plot.vanish(client);
    let key = String::from_utf8(plot.pen.request("$S").concat()).expect("keys are text");
    let soon = format!("SET {key} v PX 12");
    let watch = format!("WATCH {key}");
    let mut first = vec![plot.pen.request(&soon)];
    let watches_first = plot.pen.draw.chance(70);
    if watches_first {
        first.push(plot.pen.request(&watch));
    }
    plot.send(client, first);
    plot.wait(40);
    if !watches_first {
        plot.say(client, &watch);
    }
    if plot.pen.draw.chance(40) {
        let other = plot.another(client);
        let look = format!("GET|EXISTS|TTL|DEL|TYPE {key}");
        plot.say(other, &look);
    }
    // The last look makes the key go on both sides, if nothing else has, so that later counts agree.
    let last =
        ["MULTI".to_owned(), format!("GET {key}"), "EXEC".to_owned(), format!("EXISTS {key}")];
    let last = last.iter().map(|template| plot.pen.request(template)).collect();
    plot.send(client, last);
}

/// Transactions of which nothing or little is answered.
fn quiet(plot: &mut Plot) {
    let client = plot.somebody_free();
    let forms: &[&[&str]] = &[
        &["CLIENT REPLY OFF", "MULTI", "INCR $S", "RPUSH $L q", "EXEC", "CLIENT REPLY ON"],
        &["CLIENT REPLY SKIP", "MULTI", "RPUSH $L q", "LLEN $L", "EXEC"],
        &["MULTI", "CLIENT REPLY SKIP", "RPUSH $L q", "LLEN $L", "EXEC", "PING"],
        &["MULTI", "CLIENT REPLY OFF", "RPUSH $L q", "EXEC", "PING", "CLIENT REPLY ON", "PING"],
        &["MULTI", "RPUSH $L q", "CLIENT REPLY ON", "EXEC"],
        &[
            "CLIENT REPLY OFF",
            "EVAL return(redis.call('rpush',KEYS[1],'s')) 1 $L",
            "CLIENT REPLY ON",
            "PING",
        ],
    ];
    let form = forms[plot.pen.draw.below(forms.len())];
    let requests = form.iter().map(|template| plot.pen.request(template)).collect();
    plot.send(client, requests);
    plot.vanish(client);
}

/// A client that ends or starts again in the middle.
fn broken_off(plot: &mut Plot) {
    let client = plot.somebody_free();
    let mut requests = vec![plot.pen.request("WATCH *K"), plot.pen.request("MULTI")];
    requests.extend(plot.plain_requests(2));
    match plot.pen.draw.below(4) {
        0 => {
            requests.push(plot.pen.request("RESET"));
            requests.push(plot.pen.request("EXEC"));
        }
        1 => requests.push(plot.pen.request("QUIT")),
        _ => {}
    }
    plot.send(client, requests);
    plot.vanish(client);
}

/// EXEC and DISCARD of nothing.
fn without_multi(plot: &mut Plot) {
    let client = plot.anybody();
    let request =
        plot.pen.one_of(&["EXEC", "DISCARD", "UNWATCH", "EXEC 1", "WATCH", "MULTI 1", "RESET"]);
    plot.send(client, vec![request]);
}

/// A client that works in another database for a while, or for good.
fn other_databases(plot: &mut Plot) {
    let client = plot.anybody();
    let mut requests = vec![plot.pen.request("SELECT $D")];
    let count = plot.pen.draw.below(4);
    requests.extend(plot.plain_requests(count));
    if plot.pen.draw.chance(70) {
        requests.push(plot.pen.request("SELECT 0"));
    }
    plot.send(client, requests);
}
