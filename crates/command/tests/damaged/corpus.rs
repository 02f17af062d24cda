//! Payloads that are right: of every type and encoding, as Redis and as we write them.

use command::check::World;
use resp::read::Value;
use resp::write::Protocol;

const OF_REDIS: &str = include_str!("../../../rdb/tests/redis-payloads.txt");

/// Values of which ours are dumped, with low thresholds and with those of the defaults.
const OURS: &[&str] = &[
    "SET k v",
    "SET k 12345678901234",
    "SET k -7",
    "RPUSH k a 1 b -70000 \"\" cc; LPUSH k 9223372036854775807",
    "SADD k 5 1 3 -9",
    "SADD k 1 2 3 4 5 6 7 70000 -5000000000",
    "SADD k a b 7 \"\" dddd eeeee",
    "ZADD k 1 a 2 b -inf c 1.5 d inf e 1e-300 f",
    "HSET k a 1 b two 3 \"\" dd 44 e 5",
    "HSET k a 1 b 2 c 3; HPEXPIRE k 5000 FIELDS 2 a b",
    "HSET k a 1 b 2 c 3 d 4 e 5 f 6; HPEXPIRE k 5000 FIELDS 1 a; HPEXPIRE k 700000 FIELDS 1 e",
    "XADD k 1-1 a 1; XADD k 1-2 a 2 b 3; XADD k 5-0 a x; XADD k 5-1 c -9; XADD k 6-0 c 7; XDEL k 5-0",
    "XADD k 1-1 a 1; XADD k 2-1 a 2; XADD k 3-1 a 3; XADD k 4-1 a 4; XGROUP CREATE k g 0; XGROUP CREATE k h $; \
     XREADGROUP GROUP g c COUNT 2 STREAMS k >; XREADGROUP GROUP g d STREAMS k >; XGROUP CREATECONSUMER k h e; XDEL k 2-1",
    "XADD k 1-1 a 1; XADD k 2-1 a 2; XGROUP CREATE k g 0; XREADGROUP GROUP g c STREAMS k >; XNACK k g FAIL IDS 1 2-1",
    "XGROUP CREATE k g 5-5 MKSTREAM",
];

/// Name, the commands that make the value, and the payload of what Redis wrote.
pub fn of_redis() -> Vec<(String, String, Vec<u8>)> {
    let lines = OF_REDIS.lines().filter(|line| !line.starts_with('#'));
    let parts = lines.map(|line| {
        let mut parts = line.split(" | ");
        let mut part = || parts.next().expect("a line has three parts").to_owned();
        let (name, script, digits) = (part(), part(), part());
        let byte = |at: usize| {
            u8::from_str_radix(&digits[at..at + 2], 16).expect("the third is hexadecimal")
        };
        (name, script, (0..digits.len()).step_by(2).map(byte).collect())
    });
    parts.collect()
}

fn dumped(world: &mut World, script: &str) -> Vec<u8> {
    let replies = world.script(script);
    assert!(!replies.iter().any(Value::is_error), "{script}: {replies:?}");
    let reply = world.run(&[b"DUMP", b"k"]);
    match Value::parse(&reply).expect("whole").expect("RESP").0 {
        Value::Bulk(payload) => payload,
        other => panic!("no payload: {other}"),
    }
}

/// All payloads.
pub fn all() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = of_redis().into_iter().map(|(_, _, payload)| payload).collect();
    for script in OURS {
        all.push(dumped(&mut super::world(), script));
        all.push(dumped(&mut World::new(Protocol::Resp2), script));
    }
    // Many elements, and a long one.
    let many = |head: &str, element: &dyn Fn(usize) -> String| {
        let words: Vec<String> = (0..300).map(element).collect();
        dumped(&mut World::new(Protocol::Resp2), &format!("{head} {}", words.join(" ")))
    };
    all.push(many("RPUSH k", &|at| format!("e{at}")));
    all.push(many("SADD k", &|at| format!("{at}")));
    all.push(many("ZADD k", &|at| format!("{at} e{at}")));
    all.push(many("HSET k", &|at| format!("f{at} {at}")));
    all.push(dumped(&mut super::world(), &format!("RPUSH k a {} b", "x".repeat(9000))));
    all
}
