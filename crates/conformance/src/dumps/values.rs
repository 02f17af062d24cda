//! Random values: sizes beside every threshold, texts beside every width.

use super::{Request, words};
use fastrand::Rng;

/// What makes a value of a type: the requests, all on the key `k`.
type Make = fn(&mut Rng) -> Vec<Request>;

/// The types.
pub const TYPES: &[(&str, Make)] = &[
    ("string", string),
    ("list", list),
    ("set", set),
    ("zset", zset),
    ("hash", hash),
    ("stream", stream),
];

/// Directives and what they are set to.
pub const CONFIGURATIONS: &[(&str, &[&str])] = &[
    ("hash-max-listpack-entries", &["128", "512", "4", "0"]),
    ("hash-max-listpack-value", &["64", "10"]),
    ("list-max-listpack-size", &["-2", "-1", "-5", "5", "128"]),
    ("set-max-intset-entries", &["512", "128", "4"]),
    ("zset-max-listpack-entries", &["128", "512", "4", "0"]),
    ("zset-max-listpack-value", &["64", "10"]),
    ("stream-node-max-entries", &["100", "3", "0"]),
    ("stream-node-max-bytes", &["4096", "200"]),
];

fn pick<T: Copy>(rng: &mut Rng, from: &[T]) -> T {
    from[rng.usize(..from.len())]
}

/// How many elements: mostly few, at times a threshold and what is beside it.
fn count(rng: &mut Rng) -> usize {
    match rng.u8(..10) {
        0..5 => pick(rng, &[1, 1, 2, 3, 4, 5, 6, 10]),
        5..7 => pick(rng, &[63, 64, 65, 99, 100, 101]),
        7..9 => pick(rng, &[127, 128, 129]),
        _ => pick(rng, &[511, 512, 513, 700]),
    }
}

fn integer(rng: &mut Rng) -> i64 {
    let edge = 1i64 << pick(rng, &[0, 5, 6, 7, 8, 12, 13, 15, 16, 23, 24, 31, 32, 47, 62]);
    match rng.u8(..8) {
        0..4 => rng.i64(-edge..=edge),
        4 => edge.wrapping_add(rng.i64(-1..=1)),
        5 => -edge + rng.i64(-1..=1),
        6 => pick(rng, &[i64::MAX, i64::MIN, i64::MAX - 1, i64::MIN + 1, 0, -1]),
        _ => rng.i64(0..1000),
    }
}

fn bytes(rng: &mut Rng, len: usize) -> Vec<u8> {
    (0..len).map(|_| rng.u8(..)).collect()
}

/// A text of at most so many bytes.
fn text(rng: &mut Rng, most: usize) -> Vec<u8> {
    let mut text = match rng.u8(..12) {
        0..4 => integer(rng).to_string().into_bytes(),
        4 => Vec::new(),
        5 => pick(rng, &["007", "+5", "-0", "1.5", "1e5", " 1", "1 ", "9223372036854775808", "-"])
            .into(),
        6 | 7 => {
            let len = rng.usize(..9);
            bytes(rng, len)
        }
        8 => vec![b'x'; rng.usize(..70)],
        9 => b"ab".repeat(rng.usize(..200)),
        10 => {
            let len = pick(rng, &[63, 64, 65, 9, 10, 11, 127, 128, 253, 254, 255, 256]);
            bytes(rng, len)
        }
        _ => {
            let len =
                // From 16,378 on Redis spells the length of an element of a stream in one byte more.
                pick(rng, &[4095, 4096, 4097, 8191, 8192, 8193, 9000, 16_377, 16_378, 16_379, 70_000]);
            if rng.bool() { vec![b'y'; len] } else { bytes(rng, len) }
        }
    };
    text.truncate(most);
    text
}

/// The most that an element of so many has, so that a value stays below a megabyte or so.
fn longest(rng: &mut Rng, count: usize) -> usize {
    match rng.u8(..4) {
        0 if count < 12 => usize::MAX,
        0 | 1 => 300,
        _ => 64,
    }
}

fn request(head: &str, rest: impl IntoIterator<Item = Vec<u8>>) -> Request {
    let mut request = words(head);
    request.extend(rest);
    request
}

fn string(rng: &mut Rng) -> Vec<Request> {
    let value = match rng.u8(..20) {
        0 => {
            let len = 100_000 + rng.usize(..100_000);
            let block = bytes(rng, 700);
            block.iter().copied().cycle().take(len).collect()
        }
        1 => {
            let members = (0..1 + rng.usize(..600)).map(|_| integer(rng).to_string().into_bytes());
            return vec![request("PFADD k", members.collect::<Vec<_>>())];
        }
        _ => text(rng, usize::MAX),
    };
    let mut made = vec![request("SET k", [value])];
    if rng.u8(..5) == 0 {
        made.push(request("APPEND k", [text(rng, 100)]));
    }
    made
}

fn list(rng: &mut Rng) -> Vec<Request> {
    let count = count(rng);
    let most = longest(rng, count);
    let elements: Vec<Vec<u8>> = (0..count).map(|_| text(rng, most)).collect();
    let mut made = vec![request("RPUSH k", elements)];
    if rng.bool() {
        made.push(request("LPUSH k", [text(rng, most)]));
    }
    if count > 3 && rng.bool() {
        made.push(words("LTRIM k 1 -2"));
    }
    made
}

fn set(rng: &mut Rng) -> Vec<Request> {
    let count = count(rng);
    let most = longest(rng, count);
    let width = pick(rng, &[6, 14, 15, 16, 30, 31, 32, 62]);
    let members: Vec<Vec<u8>> = match rng.bool() {
        true => (0..count)
            .map(|_| rng.i64(-(1 << width)..1 << width).to_string().into_bytes())
            .collect(),
        false => (0..count).map(|_| text(rng, most)).collect(),
    };
    vec![request("SADD k", members)]
}

fn zset(rng: &mut Rng) -> Vec<Request> {
    let count = count(rng);
    let most = longest(rng, count);
    let mut pairs = Vec::new();
    for _ in 0..count {
        let score = match rng.u8(..6) {
            0 => rng.i32(-1000..1000).to_string(),
            1 => pick(rng, &["inf", "-inf", "0", "-0", "1e300", "-1e-300", "5e-324", "0.1", "3.0"])
                .to_owned(),
            2 => integer(rng).to_string(),
            3 => f64::from_bits(rng.u64(..)).to_string(),
            _ => rng.f64().to_string(),
        };
        let score = if score == "NaN" { "1".to_owned() } else { score };
        pairs.extend([score.into_bytes(), text(rng, most)]);
    }
    vec![request("ZADD k", pairs)]
}

fn hash(rng: &mut Rng) -> Vec<Request> {
    let count = count(rng);
    let most = longest(rng, count);
    let words: Vec<Vec<u8>> = (0..2 * count).map(|_| text(rng, most)).collect();
    let mut made = vec![request("HSET k", words)];
    if rng.u8(..4) == 0 {
        made.push(request("HDEL k", [text(rng, most)]));
        made.push(request("HSET k", [b"f".to_vec(), text(rng, most)]));
    }
    made
}

/// IDs that grow by small and by huge steps.
fn ids(rng: &mut Rng, count: usize) -> Vec<(u64, u64)> {
    let start = pick(rng, &[0, 1, 1000, 1_700_000_000_000, u64::MAX >> 1]);
    let (mut ms, mut seq) = (start, pick(rng, &[1, 2, 500, u64::MAX - 20_000]));
    let mut ids = vec![(ms, seq)];
    for _ in 1..count {
        match rng.u8(..8) {
            0..4 => seq += rng.u64(1..3),
            4..7 => (ms, seq) = (ms + rng.u64(1..40), pick(rng, &[0, 0, 1, u64::MAX - 20_000])),
            _ => (ms, seq) = (ms + (1 << pick(rng, &[7, 12, 15, 31, 40])), rng.u64(0..3)),
        }
        ids.push((ms, seq));
    }
    ids
}

fn id((ms, seq): (u64, u64)) -> Vec<u8> {
    format!("{ms}-{seq}").into_bytes()
}

fn stream(rng: &mut Rng) -> Vec<Request> {
    let count = count(rng);
    let most = longest(rng, count).min(9000);
    let ids = ids(rng, count);
    let usual: Vec<Vec<u8>> = (0..1 + rng.usize(..4)).map(|_| text(rng, 40)).collect();
    let mut made = Vec::new();
    for at in &ids {
        let mut fields = Vec::new();
        match rng.u8(..5) {
            0 => fields.extend((0..2 * (1 + rng.usize(..4))).map(|_| text(rng, most))),
            _ => usual.iter().for_each(|name| fields.extend([name.clone(), text(rng, most)])),
        }
        made.push(request("XADD k", std::iter::once(id(*at)).chain(fields)));
    }
    for _ in 0..pick(rng, &[0, 0, 1, 3, count / 4, count / 2]) {
        let at = pick(rng, &ids);
        made.push(request("XDEL k", [id(at)]));
    }
    let at = pick(rng, &ids);
    match rng.u8(..8) {
        0 => made.push(words(&format!("XTRIM k MAXLEN {}", rng.usize(..count + 1)))),
        1 => made.push(words(&format!("XTRIM k MAXLEN ~ {}", rng.usize(..count + 1)))),
        2 => made.push(request("XTRIM k MINID", [id(at)])),
        3 => {
            let (ms, seq) = ids[count - 1];
            made.push(words(&format!("XSETID k {}-{seq} ENTRIESADDED {}", ms + 5, 2 * count)));
        }
        _ => {}
    }
    if rng.bool() {
        groups(rng, &ids, &mut made);
    }
    made
}

/// Groups with what is pending, consumers with nothing, and what was claimed.
fn groups(rng: &mut Rng, ids: &[(u64, u64)], made: &mut Vec<Request>) {
    let number = |rng: &mut Rng| pick(rng, &["0", "1", "2", "5", "70"]);
    for group in ["g", "", "another group"].into_iter().take(1 + rng.usize(..3)) {
        let named = |head: &str, rest: &[&[u8]]| {
            let mut request = words(head);
            request.push(group.as_bytes().to_vec());
            request.extend(rest.iter().map(|word| word.to_vec()));
            request
        };
        let from = pick(rng, ids);
        let from = match rng.u8(..4) {
            0 => b"$".to_vec(),
            1 => id(from),
            _ => b"0".to_vec(),
        };
        let read = rng.usize(..ids.len() + 1).to_string();
        match rng.bool() {
            true => made.push(named("XGROUP CREATE k", &[&from])),
            false => {
                made.push(named("XGROUP CREATE k", &[&from, b"ENTRIESREAD", read.as_bytes()]));
            }
        }
        for consumer in ["c", "d", ""] {
            made.push(named("XGROUP CREATECONSUMER k", &[consumer.as_bytes()]));
            let much = number(rng);
            let rest = [consumer, "COUNT", much, "STREAMS", "k", ">"].map(str::as_bytes);
            made.push(named("XREADGROUP GROUP", &rest));
        }
        for _ in 0..rng.usize(..5) {
            let (one, other) = (id(pick(rng, ids)), id(pick(rng, ids)));
            let time = pick(rng, &["1", "1600000000000", "1234567890123"]);
            let (consumer, tries) = (pick(rng, &[&b"c"[..], b"d"]), number(rng));
            made.push(match rng.u8(..4) {
                0 => named("XACK k", &[&one, &other]),
                1 => request("XDEL k", [one]),
                _ => named(
                    "XCLAIM k",
                    &[
                        consumer,
                        b"0",
                        &one,
                        &other,
                        b"TIME",
                        time.as_bytes(),
                        b"RETRYCOUNT",
                        tries.as_bytes(),
                    ],
                ),
            });
        }
        if rng.u8(..6) == 0 {
            made.push(named("XGROUP DELCONSUMER k", &[b"d"]));
        }
    }
}

/// Requests on the values that were restored, to which both servers must answer alike: a value lives on.
pub fn work(name: &str, rng: &mut Rng) -> Vec<Request> {
    let requests: &[&str] = match name {
        "string" => &["APPEND theirs x", "STRLEN theirs", "APPEND ours x", "GET ours"],
        "list" => &["RPUSH theirs 7 x", "LPOP theirs", "LINDEX ours -1", "LREM ours 0 7"],
        "set" => &["SCARD theirs", "SADD theirs 7 x-y", "SREM ours x-y", "SISMEMBER ours 0"],
        "zset" => {
            &["ZADD theirs 0.5 new", "ZRANK theirs new", "ZPOPMIN theirs", "ZINCRBY ours 1 new"]
        }
        "hash" => &["HSET theirs new 1", "HINCRBY theirs new 5", "HLEN theirs", "HDEL ours new"],
        _ => {
            let most = rng.usize(..120);
            return [
                format!("XTRIM theirs MAXLEN ~ {most}"),
                "XINFO STREAM theirs".to_owned(),
                format!("XADD ours MAXLEN ~ {most} 18446744073709551615-1 a b"),
                "XINFO STREAM ours FULL COUNT 3".to_owned(),
                "XADD theirs 18446744073709551615-18446744073709551615 a b".to_owned(),
                "XLEN theirs".to_owned(),
                "XPENDING theirs g".to_owned(),
            ]
            .iter()
            .map(|request| words(request))
            .collect();
        }
    };
    requests.iter().map(|request| words(request)).collect()
}
