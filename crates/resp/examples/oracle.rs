//! Compares this crate with a redis-server 7.0 on random cases and prints how many differ.
//!
//! `cargo run -p resp --example oracle -- 127.0.0.1:6379 glob 200000 1` — address, what to compare
//! (`glob`, `nocase`, `sums`, `floats`, `integers`, `requests`), how many cases, seed. The server's data is
//! lost. The same seed gives the same cases.

use base::Prng;
use resp::long_double::LongDouble;
use resp::{Limits, Parsed, Protocol, Value, Writer, glob, number, parse};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};

/// Requests sent before their replies are read.
const BATCH: usize = 256;

/// A seeded generator and what the cases need of it.
struct Dice(Prng);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0.next_u64()
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0.below(bound as u64) as usize
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn text(&mut self, letters: &[u8], len_max: usize) -> Vec<u8> {
        let len = self.below(len_max + 1);
        (0..len).map(|_| self.pick(letters)).collect()
    }
}

struct Oracle {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Oracle {
    fn ask(&mut self, requests: &[Vec<Vec<u8>>]) -> io::Result<Vec<Value>> {
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out, Protocol::Resp2);
        for request in requests {
            writer.array(request.len());
            request.iter().for_each(|arg| writer.bulk(arg));
        }
        self.stream.write_all(&out)?;
        (0..requests.len()).map(|_| self.reply()).collect()
    }

    fn reply(&mut self) -> io::Result<Value> {
        loop {
            match Value::parse(&self.unread) {
                Some(Ok((value, len))) => {
                    self.unread.drain(..len);
                    return Ok(value);
                }
                Some(Err(error)) => return Err(io::Error::other(error)),
                None => {
                    let mut piece = [0; 65536];
                    let read = self.stream.read(&mut piece)?;
                    if read == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                    self.unread.extend_from_slice(&piece[..read]);
                }
            }
        }
    }
}

fn words(words: &[&[u8]]) -> Vec<Vec<u8>> {
    words.iter().map(|word| word.to_vec()).collect()
}

fn differ(what: &str, input: &[&[u8]], ours: &str, theirs: &str) -> usize {
    if ours == theirs {
        return 0;
    }
    let shown: Vec<String> = input.iter().map(|part| part.escape_ascii().to_string()).collect();
    println!("{what} {shown:?}: ours {ours}, theirs {theirs}");
    1
}

const PATTERN_LETTERS: &[u8] = b"aabbcABz-]^[[[***??\\\\\xff.";
const TEXT_LETTERS: &[u8] = b"aabbcABz-]^[*?\\\xff.";

/// Each round: 64 keys of few letters, and patterns over them by KEYS.
fn compare_glob(oracle: &mut Oracle, dice: &mut Dice, cases: usize) -> io::Result<(usize, usize)> {
    let (mut done, mut wrong) = (0, 0);
    while done < cases {
        let mut keys: Vec<Vec<u8>> = (0..64).map(|_| dice.text(TEXT_LETTERS, 7)).collect();
        keys.sort();
        keys.dedup();
        let mut requests = vec![words(&[b"FLUSHALL"])];
        requests.extend(keys.iter().map(|key| words(&[b"SET", key, b"1"])));
        oracle.ask(&requests)?;
        let patterns: Vec<Vec<u8>> = (0..64).map(|_| dice.text(PATTERN_LETTERS, 9)).collect();
        let requests: Vec<_> = patterns.iter().map(|pattern| words(&[b"KEYS", pattern])).collect();
        for (pattern, reply) in patterns.iter().zip(oracle.ask(&requests)?) {
            let Value::Array(found) = reply else { panic!("KEYS answers with an array") };
            for key in &keys {
                let ours = glob::matches(pattern, key);
                let theirs = found.contains(&Value::Bulk(key.clone()));
                wrong += differ("glob", &[pattern, key], &ours.to_string(), &theirs.to_string());
                done += 1;
            }
        }
    }
    Ok((done, wrong))
}

/// Patterns over the names of all commands, by COMMAND LIST FILTERBY PATTERN.
fn compare_nocase(
    oracle: &mut Oracle,
    dice: &mut Dice,
    cases: usize,
) -> io::Result<(usize, usize)> {
    let list = oracle.ask(&[words(&[b"COMMAND", b"LIST"])])?.remove(0);
    let Value::Array(names) = list else { panic!("COMMAND LIST answers with an array") };
    let (mut done, mut wrong) = (0, 0);
    while done < cases {
        let mut pattern = match &names[dice.below(names.len())] {
            Value::Bulk(name) => name.to_ascii_uppercase(),
            _ => panic!("names are strings"),
        };
        for _ in 0..dice.below(6) {
            let at = dice.below(pattern.len());
            pattern[at] = dice.pick(b"EeZza*?[]^-\\");
        }
        let request = words(&[b"COMMAND", b"LIST", b"FILTERBY", b"PATTERN", &pattern]);
        let Value::Array(found) = oracle.ask(&[request])?.remove(0) else { panic!("an array") };
        for name in &names {
            let Value::Bulk(bytes) = name else { panic!("names are strings") };
            let ours = glob::matches_nocase(&pattern, bytes).to_string();
            wrong += differ("nocase", &[&pattern, bytes], &ours, &found.contains(name).to_string());
            done += 1;
        }
    }
    Ok((done, wrong))
}

/// A float as a person, a program or an enemy would spell it.
fn float_text(dice: &mut Dice) -> Vec<u8> {
    let sign = dice.pick(&["", "", "", "-", "+"]);
    let digits = |dice: &mut Dice, max: usize| {
        String::from_utf8(dice.text(b"0123456789", max)).expect("digits are ASCII")
    };
    let text = match dice.below(12) {
        0..=3 => format!("{sign}{}.{}", digits(dice, 6), digits(dice, 4)),
        4 | 5 => format!("{sign}{}.{}", digits(dice, 22), digits(dice, 25)),
        6 => format!("{sign}{}.{}e{}", digits(dice, 3), digits(dice, 20), digits(dice, 2)),
        7 => format!("{sign}{}.{}e-{}", digits(dice, 3), digits(dice, 20), digits(dice, 2)),
        8 => format!("{sign}{}e{}{}", digits(dice, 20), dice.pick(&["", "-"]), digits(dice, 4)),
        9 => format!(
            "{sign}0x{:x}.{:x}p-{}",
            dice.next() >> dice.below(60),
            dice.next(),
            dice.below(70)
        ),
        10 => format!(
            "{sign}{}",
            (dice.next() >> dice.below(64)) as f64 / (1u64 << dice.below(63)) as f64
        ),
        _ => format!(
            "{sign}{}{}",
            dice.next() >> dice.below(64),
            dice.pick(&["", ".5", ".25", ".75"])
        ),
    };
    let mut text = text.into_bytes();
    if dice.below(12) == 0 && !text.is_empty() {
        let at = dice.below(text.len());
        text[at] = dice.pick(b"0123456789.eExXpPnaif+- \t\0\xff");
    }
    if dice.below(200) == 0 {
        text = dice
            .pick(&["inf", "-inf", "INFINITY", "nan", "infi", "0", "-0", "1e4932", "1e-4950"])
            .into();
    }
    text
}

/// SET a, INCRBYFLOAT b.
fn compare_sums(oracle: &mut Oracle, dice: &mut Dice, cases: usize) -> io::Result<(usize, usize)> {
    let (mut done, mut wrong) = (0, 0);
    while done < cases {
        let batch: Vec<_> = (0..BATCH).map(|_| (float_text(dice), float_text(dice))).collect();
        let requests: Vec<_> = batch
            .iter()
            .flat_map(|(a, b)| [words(&[b"SET", b"k", a]), words(&[b"INCRBYFLOAT", b"k", b])])
            .collect();
        let replies = oracle.ask(&requests)?;
        for ((a, b), reply) in batch.iter().zip(replies.iter().skip(1).step_by(2)) {
            let ours = match (LongDouble::parse(a), LongDouble::parse(b)) {
                (Some(a), Some(b)) if (a + b).is_finite() => {
                    let mut text = Vec::new();
                    (a + b).write(&mut text);
                    text.escape_ascii().to_string()
                }
                (Some(_), Some(_)) => "(err) ERR increment would produce NaN or Infinity".into(),
                _ => "(err) ERR value is not a valid float".into(),
            };
            wrong += differ("sum", &[a, b], &ours, &reply.to_string());
            done += 1;
        }
    }
    Ok((done, wrong))
}

/// ZADD takes or refuses a float; ZSCORE's 17 digits read back as the same number. A small sorted set
/// stores -0 as 0, so zeros are compared without their sign.
fn compare_floats(
    oracle: &mut Oracle,
    dice: &mut Dice,
    cases: usize,
) -> io::Result<(usize, usize)> {
    let (mut done, mut wrong) = (0, 0);
    while done < cases {
        let batch: Vec<_> = (0..BATCH).map(|_| float_text(dice)).collect();
        let requests: Vec<_> = batch
            .iter()
            .flat_map(|text| {
                [
                    words(&[b"DEL", b"z"]),
                    words(&[b"ZADD", b"z", text, b"m"]),
                    words(&[b"ZSCORE", b"z", b"m"]),
                ]
            })
            .collect();
        let replies = oracle.ask(&requests)?;
        for (text, reply) in batch.iter().zip(replies.iter().skip(2).step_by(3)) {
            let theirs = match reply {
                Value::Bulk(digits) => {
                    number::parse_f64(digits).map(|value| (value + 0.0).to_bits())
                }
                _ => None,
            };
            let ours = number::parse_f64(text);
            // What we write reads back, too.
            let mut written = Vec::new();
            ours.iter().for_each(|value| number::write_f64(*value, &mut written));
            let again =
                ours.and_then(|_| number::parse_f64(&written)).map(|value| (value + 0.0).to_bits());
            let ours = ours.map(|value| (value + 0.0).to_bits());
            wrong += differ("float", &[text], &format!("{ours:?}"), &format!("{theirs:?}"));
            wrong +=
                differ("float", &[text, &written], &format!("{again:?}"), &format!("{ours:?}"));
            done += 1;
        }
    }
    Ok((done, wrong))
}

/// INCRBY of an absent key takes or refuses an integer.
fn compare_integers(
    oracle: &mut Oracle,
    dice: &mut Dice,
    cases: usize,
) -> io::Result<(usize, usize)> {
    let (mut done, mut wrong) = (0, 0);
    while done < cases {
        let batch: Vec<Vec<u8>> = (0..BATCH)
            .map(|_| {
                let value = match dice.below(3) {
                    0 => i128::from(dice.next() as i64),
                    1 => {
                        i128::from(dice.pick(&[i64::MIN, i64::MAX, 0, -1])) + dice.below(3) as i128
                            - 1
                    }
                    _ => i128::from(dice.next() >> dice.below(64)),
                };
                let mut text = value.to_string().into_bytes();
                if dice.below(3) == 0 {
                    let at = dice.below(text.len());
                    text.insert(at, dice.pick(b"0123456789-+ \0xe"));
                }
                text
            })
            .collect();
        let requests: Vec<_> = batch
            .iter()
            .flat_map(|text| [words(&[b"DEL", b"k"]), words(&[b"INCRBY", b"k", text])])
            .collect();
        let replies = oracle.ask(&requests)?;
        for (text, reply) in batch.iter().zip(replies.iter().skip(1).step_by(2)) {
            let ours = number::parse_i64(text)
                .map_or("(err) ERR value is not an integer or out of range".into(), |value| {
                    value.to_string()
                });
            wrong += differ("integer", &[text], &ours, &reply.to_string());
            done += 1;
        }
    }
    Ok((done, wrong))
}

/// A stream of requests, most of them good.
fn request_stream(dice: &mut Dice) -> Vec<u8> {
    let mut stream = Vec::new();
    for _ in 0..=dice.below(4) {
        if dice.below(2) == 0 {
            stream.extend(
                dice.pick(&["echo ", "ECHO ", " echo\t", "ping", "ping ", "'ec'ho ", ""]).bytes(),
            );
            stream.extend(dice.text(b"ab  \t\x0b\x0c\r\"\"''\\\\xn41\x00\xff", 10));
            stream.extend(dice.pick(&["\r\n", "\r\n", "\n", "\r\r\n"]).bytes());
        } else {
            let mut writer = Writer::new(&mut stream, Protocol::Resp2);
            let args = dice.below(4);
            writer.array(args);
            for index in 0..args {
                writer.bulk(if index == 0 { b"echo" } else { b"some value" });
            }
        }
    }
    for _ in 0..dice.below(4) {
        let at = dice.below(stream.len());
        let byte = dice.pick(b"*$0123456789\r\n-+ \0ax");
        match dice.below(3) {
            0 => stream[at] = byte,
            1 => stream.insert(at, byte),
            _ if stream.len() > 1 => drop(stream.remove(at)),
            _ => {}
        }
    }
    stream
}

/// What a server that knows ECHO and PING would answer with our parser.
fn our_answers(stream: &[u8]) -> Vec<String> {
    let (mut at, mut answers) = (0, Vec::new());
    loop {
        let (mut partial, mut spans, mut scratch) = (None, Vec::new(), Vec::new());
        let parsed = parse(stream, at, &mut partial, &mut spans, &mut scratch, &Limits::default());
        let source = if matches!(parsed, Parsed::Inline { .. }) { &scratch } else { stream };
        match parsed {
            Parsed::Request { consumed, .. } | Parsed::Inline { consumed, .. } => {
                let args: Vec<&[u8]> = spans.iter().map(|span| span.of(source)).collect();
                answers.push(execute(&args));
                at += consumed;
            }
            Parsed::Empty { consumed } => at += consumed,
            Parsed::Incomplete { .. } => return answers,
            Parsed::Error(error) => {
                let mut reply = Vec::new();
                Writer::new(&mut reply, Protocol::Resp2).protocol_error(error);
                answers.push(reply.escape_ascii().to_string());
                return answers;
            }
        }
    }
}

fn execute(args: &[&[u8]]) -> String {
    let mut reply = Vec::new();
    let mut writer = Writer::new(&mut reply, Protocol::Resp2);
    match args {
        [name, text]
            if name.eq_ignore_ascii_case(b"echo") || name.eq_ignore_ascii_case(b"ping") =>
        {
            writer.bulk(text)
        }
        [name] if name.eq_ignore_ascii_case(b"ping") => writer.simple("PONG"),
        [name, ..] if name.eq_ignore_ascii_case(b"echo") => {
            writer.error("ERR wrong number of arguments for 'echo' command")
        }
        [name, ..] if name.eq_ignore_ascii_case(b"ping") => {
            writer.error("ERR wrong number of arguments for 'ping' command")
        }
        _ => writer.error("ERR unknown command"),
    }
    reply.escape_ascii().to_string()
}

/// Each stream on a connection of its own, closed for writing at the end.
fn compare_requests(address: &str, dice: &mut Dice, cases: usize) -> io::Result<(usize, usize)> {
    let mut wrong = 0;
    for _ in 0..cases {
        let stream = request_stream(dice);
        let mut connection = TcpStream::connect(address)?;
        connection.write_all(&stream)?;
        connection.shutdown(Shutdown::Write)?;
        let mut reply = Vec::new();
        connection.read_to_end(&mut reply)?;
        let theirs = their_answers(&reply);
        wrong += differ(
            "requests",
            &[&stream],
            &format!("{:?}", our_answers(&stream)),
            &format!("{theirs:?}"),
        );
    }
    Ok((cases, wrong))
}

fn their_answers(reply: &[u8]) -> Vec<String> {
    let (mut at, mut answers) = (0, Vec::new());
    while let Some(Ok(len)) = resp::read::frame_len(&reply[at..]) {
        let frame = &reply[at..at + len];
        let unknown: &[u8] = b"-ERR unknown command";
        let shown = if frame.starts_with(unknown) { &[unknown, b"\r\n"].concat() } else { frame };
        answers.push(shown.escape_ascii().to_string());
        at += len;
    }
    answers
}

fn main() -> io::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let [_, address, what, cases, seed] = args.as_slice() else {
        eprintln!("usage: oracle ADDRESS glob|nocase|sums|floats|integers|requests CASES SEED");
        std::process::exit(2);
    };
    let number = |text: &String| text.parse::<u64>().map_err(io::Error::other);
    let (cases, mut dice) = (number(cases)? as usize, Dice(Prng::new(number(seed)?)));
    let mut oracle = Oracle { stream: TcpStream::connect(address)?, unread: Vec::new() };
    let (done, wrong) = match what.as_str() {
        "glob" => compare_glob(&mut oracle, &mut dice, cases)?,
        "nocase" => compare_nocase(&mut oracle, &mut dice, cases)?,
        "sums" => compare_sums(&mut oracle, &mut dice, cases)?,
        "floats" => compare_floats(&mut oracle, &mut dice, cases)?,
        "integers" => compare_integers(&mut oracle, &mut dice, cases)?,
        "requests" => compare_requests(address, &mut dice, cases)?,
        other => {
            return Err(io::Error::other(format!("nothing to compare by the name {other}")));
        }
    };
    println!("{what}: {done} cases, {wrong} differ");
    Ok(())
}
