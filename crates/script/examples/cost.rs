//! What a run costs beside the commands it calls: nanoseconds of a rate limiter over a host that answers at once.
//!
//! `cargo run --profile release -p script --example cost [runs] [bytes] [name]`; under callgrind, instructions.
#![forbid(unsafe_code)]

use resp::Protocol;
use script::{Abandon, Call, Host, Interpreter, LogLevel, Setup, Stop};
use std::hint::black_box;
use std::time::Instant;

struct Counter(i64);

impl Host for Counter {
    fn call(&mut self, args: &[&[u8]], _: Protocol, reply: &mut Vec<u8>) -> Result<(), Abandon> {
        match args[0] {
            b"INCR" => {
                self.0 += 1;
                resp::Writer::new(reply, Protocol::Resp2).integer(self.0);
            }
            b"GET" => reply.extend_from_slice(b"$5\r\nhello\r\n"),
            b"HGETALL" => {
                reply.extend_from_slice(b"*20\r\n");
                for _ in 0..20 {
                    reply.extend_from_slice(b"$5\r\nfield\r\n");
                }
            }
            _ => reply.extend_from_slice(b"+OK\r\n"),
        }
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

const SCRIPTS: [(&str, &str); 6] = [
    ("return 1", "return 1"),
    (
        "limiter",
        "local c=redis.call('INCR',KEYS[1]) if c==1 then redis.call('EXPIRE',KEYS[1],ARGV[1]) end return c",
    ),
    ("get", "return redis.call('GET',KEYS[1])"),
    ("set", "return redis.call('SET',KEYS[1],ARGV[1])"),
    ("hgetall", "return redis.call('HGETALL',KEYS[1])"),
    ("10 gets", "for i=1,10 do redis.call('GET',KEYS[1]) end return 1"),
];

fn main() {
    let runs: u64 = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(300_000);
    let limit = std::env::args().nth(2).and_then(|text| text.parse().ok()).unwrap_or(64 << 20);
    let setup = Setup { version: "7.2.0".to_owned(), memory_bytes_max: limit };
    let mut interpreter = Interpreter::new(&setup);
    let mut host = Counter(0);
    let mut reply = Vec::new();
    let only = std::env::args().nth(3);
    for (name, source) in
        SCRIPTS.into_iter().filter(|(name, _)| only.as_deref().is_none_or(|only| only == *name))
    {
        let sha = interpreter.load(source.as_bytes()).expect("it compiles");
        let call =
            Call { keys: &[b"rate:user:123"], args: &[b"60"], seed: 1, protocol: Protocol::Resp2 };
        let begun = Instant::now();
        for _ in 0..runs {
            reply.clear();
            black_box(interpreter.run(&sha, &call, &mut host, &mut reply));
        }
        println!("{name}: {} ns a run", begun.elapsed().as_nanos() / u128::from(runs));
    }
}
