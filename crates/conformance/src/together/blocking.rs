//! Blocking commands: clients that wait, whoever wakes them, and what ends a wait otherwise.

use super::pen::{DUMPED_LIST, DUMPED_SORTED_SET};
use super::plot::{Family, Plot};
use super::step::Request;

/// The family `blocking`.
pub const FAMILY: Family = Family {
    name: "blocking",
    scenes: &[
        (50, block),
        (70, wake),
        (5, behind),
        (2, gives_up),
        (10, unblock),
        (6, leave),
        (20, queue_up),
        (8, groups),
        (1, wait_for_replicas),
        (1, paused),
        (4, refused),
        (6, at_once),
    ],
};

/// Requests that wait when there is nothing. The longest of these waits ends with the script.
const BLOCKERS: &[&str] = &[
    "BLPOP *L 0",
    "BRPOP *L 0",
    "BLPOP *L 1000",
    "BLPOP $L 0",
    "BRPOP $L 0",
    "BLMOVE $L $L LEFT|RIGHT LEFT|RIGHT 0",
    "BRPOPLPUSH $L $L 0",
    "BLMPOP 0 #L LEFT|RIGHT",
    "BLMPOP 0 #L LEFT|RIGHT COUNT 2",
    "BZPOPMIN *Z 0",
    "BZPOPMAX *Z 0",
    "BZPOPMIN $Z 1000.5",
    "BZMPOP 0 #Z MIN|MAX",
    "BZMPOP 0 #Z MIN|MAX COUNT 2",
    "XREAD BLOCK 0 STREAMS $X $",
    "XREAD BLOCK 0 STREAMS $X $X $ $",
    "XREAD COUNT 1 BLOCK 100000 STREAMS $X $",
    "XREAD BLOCK 0 STREAMS $X $X 99999-0 $",
    "XREADGROUP GROUP $G $C BLOCK 0 STREAMS $X >",
    "XREADGROUP GROUP $G $C COUNT 1 BLOCK 0 NOACK STREAMS $X >",
    "BLPOP $K $K $K 0",
    "BZPOPMAX $K $K 0",
];
/// Those of them that wait for one key and put nothing anywhere.
const SIMPLE_BLOCKERS: &[&str] = &[
    "BLPOP|BRPOP $L 0",
    "BLPOP $L 1000",
    "BLMPOP 0 1 $L LEFT|RIGHT COUNT 2",
    "BZPOPMIN|BZPOPMAX $Z 0",
    "BZMPOP 0 1 $Z MIN|MAX",
    "XREAD BLOCK 0 STREAMS $X $",
    "XREADGROUP GROUP $G $C BLOCK 0 STREAMS $X >",
    "BLPOP $K 0",
];
/// Requests that give others what they wait for.
const WAKERS: &[&str] = &[
    "LPUSH|RPUSH $L $V",
    "LPUSH|RPUSH $L $V $V",
    "LPUSH|RPUSH $L a b c d",
    "RPUSH $L $V",
    "LPUSH $L $V",
    "ZADD $Z $N $V",
    "ZADD $Z $N $V $N $V",
    "ZADD $Z 1 a 2 b 3 c",
    "ZINCRBY $Z $N $V",
    "XADD $X $I f $V",
    "XADD $X $I f $V g $V",
    "XADD $X $I f $V",
    "RENAME $L $L",
    "RENAME $Z $Z",
    "RENAME $X $X",
    "RENAMENX $L $L",
    "COPY $L $L",
    "COPY $L $L REPLACE",
    "COPY $Z $Z",
    "COPY $X $X",
    "SORT $L ALPHA STORE $L",
    "SORT $E STORE $L",
    "MOVE $L 1",
    "MOVE $L 0",
    "SWAPDB 0 1",
    "LMOVE $L $L LEFT|RIGHT LEFT|RIGHT",
    "RPOPLPUSH $L $L",
    "LINSERT $L BEFORE a b",
    "LPUSHX $L $V",
    "ZUNIONSTORE $Z #Z",
    "ZINTERSTORE $Z #Z",
    "ZDIFFSTORE $Z #Z",
    "ZRANGESTORE $Z $Z 0 -1",
    "GEOADD $Z 13.4 52.5 $V",
    "GEOSEARCHSTORE $Z $Z FROMLONLAT 13 52 BYRADIUS 900 km",
    "SADD $E $N $N",
    "SET $L $V",
    "DEL $L",
    "DEL $X",
    "XGROUP CREATE $X $G $ MKSTREAM",
    "XGROUP CREATE $X $G 0 MKSTREAM",
    "XGROUP DESTROY $X $G",
    "XGROUP DELCONSUMER $X $G $C",
    "FLUSHALL",
    "FLUSHDB",
    "XDEL $X $J",
    "XTRIM $X MAXLEN 0",
    "XSETID $X 9999-1",
    "LPOP $L",
    "ZPOPMIN $Z",
    "SET $X $V",
    "HSET $Z f v",
    "EXPIRE $L 0",
    "XREADGROUP GROUP $G $C STREAMS $X >",
    "EVAL redis.call('rpush',KEYS[1],'e1','e2')redis.call('lpop',KEYS[1])return(1) 1 $L",
    "EVAL return(redis.call('rpush',KEYS[1],'e1','e2')) 1 $L",
    "EVAL redis.call('rpush','list:0','u')redis.call('zadd','zset:0',1,'u')return(2) 0",
    "EVAL redis.call('rpush',KEYS[1],'e1')redis.call('del',KEYS[1])return(3) 1 $L",
    "EVAL return(redis.call('zadd',KEYS[1],5,'e')) 1 $Z",
    "EVAL return(redis.call('xadd',KEYS[1],ARGV[1],'f','e')) 1 $X $I",
    "EVAL redis.call('rpush',KEYS[1],'x')error('late') 1 $L",
];

fn blocker(plot: &mut Plot) -> Request {
    plot.pen.one_of(if plot.swaps { SIMPLE_BLOCKERS } else { BLOCKERS })
}

fn block(plot: &mut Plot) {
    let client = plot.somebody_free();
    let request = blocker(plot);
    plot.blocked[client] = true;
    let mut requests = Vec::new();
    if plot.pen.draw.chance(10) {
        requests.push(plot.pen.request("SELECT 1"));
    }
    // On an empty key the wait is certain; full ones are served at once.
    if plot.pen.draw.chance(50) {
        requests.extend(emptied(&request));
    }
    requests.push(request);
    plot.send(client, requests);
}

/// Deletes the keys that a blocking request names, unless its groups would be lost with them.
fn emptied(request: &Request) -> Option<Request> {
    let keys = request.iter().filter(|word| super::pen::is_key(word)).cloned();
    (!request[0].starts_with(b"X")).then(|| [b"DEL".to_vec()].into_iter().chain(keys).collect())
}

fn wake(plot: &mut Plot) {
    let client = plot.anybody();
    let mut requests = Vec::new();
    match plot.pen.draw.below(20) {
        0..=2 => {
            requests.push(plot.pen.request("MULTI"));
            for _ in 0..1 + plot.pen.draw.below(4) {
                requests.push(plot.pen.one_of(WAKERS));
            }
            requests.push(plot.pen.request("EXEC"));
        }
        3..=5 => {
            for _ in 0..2 + plot.pen.draw.below(4) {
                requests.push(plot.pen.one_of(WAKERS));
            }
        }
        6 => {
            let (template, dump) = match plot.pen.draw.chance(60) {
                true => ("RESTORE $L 0", DUMPED_LIST),
                false => ("RESTORE $Z 0", DUMPED_SORTED_SET),
            };
            let mut request = plot.pen.request(template);
            request.push(dump.to_vec());
            request.extend(plot.pen.draw.chance(40).then(|| b"REPLACE".to_vec()));
            requests.push(request);
        }
        _ => requests.push(plot.pen.one_of(WAKERS)),
    }
    plot.send(client, requests);
    if plot.pen.draw.chance(15) {
        plot.blocked = [false; super::play::CLIENTS];
    }
}

/// A pipeline behind a request that waits.
fn behind(plot: &mut Plot) {
    let client = plot.somebody_free();
    let mut requests = vec![blocker(plot)];
    for _ in 0..1 + plot.pen.draw.below(4) {
        let request = match plot.pen.draw.below(3) {
            0 => blocker(plot),
            1 => plot.pen.one_of(WAKERS),
            _ => plot.plain_requests(1).remove(0),
        };
        requests.push(request);
    }
    plot.blocked[client] = true;
    plot.send(client, requests);
    if plot.pen.draw.chance(50) {
        let more = plot.plain_requests(2);
        plot.send(client, more);
    }
}

/// Waits that end by themselves.
fn gives_up(plot: &mut Plot) {
    let client = plot.somebody_free();
    let request = plot.pen.one_of(&[
        "BLPOP *L 0.01",
        "BRPOP *L 0.02",
        "BLMOVE $L $L LEFT RIGHT 0.01",
        "BRPOPLPUSH $L $L 0.01",
        "BLMPOP 0.01 #L LEFT",
        "BZPOPMIN *Z 0.01",
        "BZMPOP 0.01 #Z MIN",
        "XREAD BLOCK 10 STREAMS $X $",
        "XREADGROUP GROUP $G $C BLOCK 10 STREAMS $X >",
        "BLPOP $L 0.0001",
        "BLPOP $L 1e-2",
    ]);
    let mut requests = vec![request];
    requests.extend(plot.plain_requests(1));
    plot.send(client, requests);
    plot.wait(60);
}

fn unblock(plot: &mut Plot) {
    let client = plot.anybody();
    let template = plot.pen.draw.pick(&[
        "CLIENT UNBLOCK $T",
        "CLIENT UNBLOCK $T TIMEOUT",
        "CLIENT UNBLOCK $T ERROR",
        "CLIENT UNBLOCK $T NONSENSE",
        "CLIENT UNBLOCK abc",
        "CLIENT UNBLOCK 999999999 ERROR",
        "CLIENT KILL ID $T",
        "CLIENT KILL ID $T SKIPME no",
    ]);
    let request = plot.pen.request(template);
    plot.send(client, vec![request]);
}

/// A client that goes while it waits.
fn leave(plot: &mut Plot) {
    if let Some(client) = plot.blocked.iter().position(|blocked| *blocked) {
        plot.vanish(client);
        let other = plot.anybody();
        let push = plot.pen.one_of(WAKERS);
        plot.send(other, vec![push]);
    }
}

/// Several clients wait for the same key, and one gives less than all want, or more.
fn queue_up(plot: &mut Plot) {
    if plot.swaps {
        return block(plot);
    }
    let kind = plot.pen.draw.pick(&["L", "L", "L", "Z", "X"]);
    let key =
        String::from_utf8(plot.pen.request(&format!("${kind}")).concat()).expect("keys are text");
    let giver = plot.anybody();
    plot.say(giver, &format!("DEL {key}"));
    for client in 0..plot.clients {
        if client == giver || plot.blocked[client] && plot.pen.draw.chance(50) {
            continue;
        }
        let template = match kind {
            "L" => format!("BLPOP|BRPOP {key} $L 0"),
            "Z" => format!("BZPOPMIN|BZPOPMAX $Z {key} 0"),
            _ => format!("XREAD BLOCK 0 STREAMS {key} $"),
        };
        let mut request = plot.pen.request(&template);
        if kind == "L" && plot.pen.draw.chance(40) {
            let form = plot.pen.draw.pick(&[
                "BLMOVE KEY $L LEFT|RIGHT LEFT|RIGHT 0",
                "BRPOPLPUSH KEY $L 0",
                "BLMPOP 0 2 KEY $L LEFT COUNT 2",
                "BLMPOP 0 2 $L KEY RIGHT",
                "BZPOPMIN KEY 0",
            ]);
            request = plot.pen.request(&form.replace("KEY", &key));
        }
        plot.blocked[client] = true;
        plot.send(client, vec![request]);
    }
    let template = match kind {
        "L" => format!("LPUSH|RPUSH {key} $V $V $V"),
        "Z" => format!("ZADD {key} 1 a 2 b"),
        _ => format!("XADD {key} $I f $V"),
    };
    let mut requests = vec![plot.pen.request(&template)];
    if plot.pen.draw.chance(30) {
        requests.insert(0, plot.pen.request("MULTI"));
        requests.push(plot.pen.one_of(WAKERS));
        requests.push(plot.pen.request("EXEC"));
    }
    plot.send(giver, requests);
    plot.blocked = [false; super::play::CLIENTS];
}

/// Readers of a group that lose their stream or their group.
fn groups(plot: &mut Plot) {
    let key = String::from_utf8(plot.pen.request("$X").concat()).expect("keys are text");
    let maker = plot.somebody_free();
    plot.say(maker, &format!("XGROUP CREATE {key} group0 $ MKSTREAM"));
    let reader = plot.another(maker);
    plot.blocked[reader] = true;
    plot.say(reader, &format!("XREADGROUP GROUP group0 $C BLOCK 0 STREAMS {key} >"));
    let template = plot.pen.draw.pick(&[
        "XADD KEY $I f v",
        "DEL KEY",
        "XGROUP DESTROY KEY group0",
        "RENAME KEY $X",
        "SET KEY v",
        "FLUSHALL",
        "SWAPDB 0 1",
        "MOVE KEY 1",
        "XGROUP DELCONSUMER KEY group0 $C",
        "EXPIRE KEY 0",
        "COPY $X KEY REPLACE",
        "XGROUP SETID KEY group0 0",
        "UNLINK KEY",
        "RENAME $L KEY",
    ]);
    plot.say(maker, &template.replace("KEY", &key));
    if plot.pen.draw.chance(50) {
        plot.say(maker, &format!("XADD {key} $I f v"));
    }
}

fn wait_for_replicas(plot: &mut Plot) {
    let client = plot.somebody_free();
    let request = plot.pen.one_of(&[
        "WAIT 0 0",
        "WAIT 0 10",
        "WAIT 1 20",
        "WAIT 3 1",
        "WAIT -1 1",
        "WAIT a 1",
        "WAIT 1 -1",
    ]);
    plot.send(client, vec![request]);
    plot.wait(40);
}

/// A write that comes while all writes are held up. Nobody looks before the time is over, since that would be a race.
fn paused(plot: &mut Plot) {
    let client = plot.somebody_free();
    let writer = plot.another(client);
    if plot.blocked[writer] {
        return;
    }
    plot.vanish(client);
    plot.vanish(writer);
    plot.say(client, "CLIENT PAUSE 30 WRITE");
    let request = match plot.pen.draw.below(3) {
        0 => plot.pen.request("LPUSH|RPUSH $L $V"),
        1 => plot.pen.request("EVAL return(redis.call('rpush',KEYS[1],'e1','e2')) 1 $L"),
        _ => plot.pen.one_of(WAKERS),
    };
    plot.send(writer, vec![request]);
    plot.wait(70);
}

/// Waits that are not begun.
fn refused(plot: &mut Plot) {
    let client = plot.anybody();
    let request = plot.pen.one_of(&[
        "BLPOP $L -1",
        "BLPOP $L abc",
        "BLPOP $L",
        "BLPOP 0",
        "BLPOP $L 1e400",
        "BLPOP $L nan",
        "BLPOP $L inf",
        "BLMOVE $L $L UP DOWN 0",
        "BLMPOP 0 0 $L LEFT",
        "BLMPOP 0 2 $L LEFT",
        "BLMPOP 0 1 $L LEFT COUNT 0",
        "BLMPOP x 1 $L LEFT",
        "BZMPOP 0 1 $Z UP",
        "BZMPOP 0 1 $Z MIN COUNT -1",
        "XREAD BLOCK -1 STREAMS $X $",
        "XREAD BLOCK a STREAMS $X $",
        "XREAD BLOCK 0 STREAMS $X",
        "XREADGROUP GROUP nogroup $C BLOCK 0 STREAMS $X >",
        "BRPOPLPUSH $L $L x",
        "BLPOP $S 0",
        "BLMPOP 0 1 $S LEFT",
        "BZPOPMIN $L -0.5",
        "BLPOP $L 99999999999999999999",
        "BLPOP $L 9223372036854775",
    ]);
    // A reply is not certain, as the key may be empty and the timeout a good one.
    plot.blocked[client] = true;
    plot.send(client, vec![request]);
}

/// What is there is given at once, in the order of the arguments.
fn at_once(plot: &mut Plot) {
    let client = plot.somebody_free();
    let mut requests =
        vec![plot.pen.request("RPUSH $L $V $V"), plot.pen.request("ZADD $Z 1 a 2 b")];
    requests.push(blocker(plot));
    plot.blocked[client] = true;
    plot.send(client, requests);
}
