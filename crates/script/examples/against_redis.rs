//! Runs Lua snippets through an interpreter and through a redis-server, and prints where they differ.
//!
//! `cargo run -p script --example against_redis -- 127.0.0.1:6379 [resp3] < snippets`, one snippet a line with `\n`
//! for line breaks. The server is the host of both, so commands answer the same; with the argument `count`
//! only the number of differences is printed. Addresses of tables are left out of the comparison.
#![forbid(unsafe_code)]

use resp::Protocol;
use script::{Abandon, Call, Host, Interpreter, LogLevel, Setup, Stop};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A connection to the server that both sides use.
struct Server {
    stream: BufReader<TcpStream>,
    protocol: Protocol,
}

impl Server {
    fn connect(address: &str, protocol: Protocol) -> std::io::Result<Server> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        let mut server = Server { stream: BufReader::new(stream), protocol: Protocol::Resp2 };
        server.speak(protocol)?;
        Ok(server)
    }

    fn speak(&mut self, protocol: Protocol) -> std::io::Result<()> {
        if protocol != self.protocol {
            let version: &[u8] = if protocol == Protocol::Resp3 { b"3" } else { b"2" };
            self.ask(&[b"HELLO", version])?;
            self.protocol = protocol;
        }
        Ok(())
    }

    fn ask(&mut self, args: &[&[u8]]) -> std::io::Result<Vec<u8>> {
        let mut request = format!("*{}\r\n", args.len()).into_bytes();
        for arg in args {
            request.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
            request.extend_from_slice(arg);
            request.extend_from_slice(b"\r\n");
        }
        self.stream.get_mut().write_all(&request)?;
        let mut reply = Vec::new();
        let mut due = 1_u64;
        while due > 0 {
            due -= 1;
            let start = reply.len();
            if self.stream.read_until(b'\n', &mut reply)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let head = String::from_utf8_lossy(&reply[start + 1..]).trim().to_owned();
            let count = head.parse::<i64>().unwrap_or(0);
            match reply[start] {
                b'$' | b'=' if count >= 0 => {
                    let mut text = vec![0; count as usize + 2];
                    self.stream.read_exact(&mut text)?;
                    reply.extend(text);
                }
                b'*' | b'~' | b'>' => due += count.max(0) as u64,
                b'%' => due += 2 * count.max(0) as u64,
                _ => {}
            }
        }
        Ok(reply)
    }
}

impl Host for Server {
    fn call(
        &mut self,
        args: &[&[u8]],
        protocol: Protocol,
        reply: &mut Vec<u8>,
    ) -> Result<(), Abandon> {
        self.speak(protocol).map_err(|_| Abandon)?;
        let answer = self.ask(args).map_err(|_| Abandon)?;
        if answer.starts_with(b"-ERR unknown") {
            reply.extend_from_slice(b"-ERR Unknown Redis command called from script\r\n");
        } else if answer.starts_with(b"-ERR wrong number of arguments") {
            reply.extend_from_slice(
                b"-ERR Wrong number of args calling Redis command from script\r\n",
            );
        } else {
            reply.extend_from_slice(&answer);
        }
        Ok(())
    }

    fn breathe(&mut self) -> Result<(), Stop> {
        Ok(())
    }

    fn log(&mut self, _: LogLevel, _: &[u8]) {}

    fn may_run(&mut self, args: &[&[u8]]) -> Option<bool> {
        let known = self.ask(&[b"COMMAND", b"INFO", args[0]]).ok()?;
        (!known.starts_with(b"*1\r\n*-1") && !known.starts_with(b"*1\r\n_")).then_some(true)
    }
}

/// Leaves out addresses.
fn comparable(reply: &[u8]) -> String {
    let text = reply.escape_ascii().to_string();
    let mut out = String::new();
    let mut rest = &text[..];
    while let Some(at) = rest.find("0x") {
        out.push_str(&rest[..at + 2]);
        rest = rest[at + 2..].trim_start_matches(|digit: char| digit.is_ascii_hexdigit());
    }
    out.push_str(rest);
    out
}

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:6379".to_owned());
    let words: Vec<String> = arguments.collect();
    let protocol = match words.iter().any(|word| word == "resp3") {
        true => Protocol::Resp3,
        false => Protocol::Resp2,
    };
    let setup = Setup { version: "7.0.15".to_owned(), memory_bytes_max: 64 << 20 };
    let mut interpreter = Interpreter::new(&setup);
    let mut server = Server::connect(&address, protocol)?;
    let mut host = Server::connect(&address, Protocol::Resp2)?;
    let (mut same, mut different) = (0, 0);
    for line in std::io::stdin().lock().lines() {
        let source = line?.replace("\\n", "\n");
        if source.is_empty() || source.starts_with('!') {
            continue;
        }
        let theirs = match server.ask(&[b"EVAL", source.as_bytes(), b"1", b"k", b"a1"]) {
            Ok(theirs) => theirs,
            Err(_) => {
                println!("{source}\n  the server is gone");
                std::thread::sleep(Duration::from_secs(1));
                server = Server::connect(&address, protocol)?;
                host = Server::connect(&address, Protocol::Resp2)?;
                continue;
            }
        };
        let mut ours = Vec::new();
        match interpreter.load(source.as_bytes()) {
            Err(text) => {
                resp::Writer::new(&mut ours, protocol).error(text);
            }
            Ok(sha) => {
                let call = Call { keys: &[b"k"], args: &[b"a1"], seed: 0, protocol };
                interpreter.run(&sha, &call, &mut host, &mut ours);
            }
        }
        if comparable(&ours) == comparable(&theirs) {
            same += 1;
        } else {
            different += 1;
            if !words.iter().any(|word| word == "count") {
                println!(
                    "{source}\n  ours   {}\n  theirs {}",
                    comparable(&ours),
                    comparable(&theirs)
                );
            }
        }
    }
    println!("{same} same, {different} different");
    Ok(())
}
