//! The honest clients: SET and GET of their own keys, one request at a time, every reply looked at. They have threads of
//! their own, so that what slows them is the server and the machine, not our own crowd's runtime.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::wire::{Framer, encode};

/// A worker gives up on one reply after this.
const PATIENCE: Duration = Duration::from_secs(15);
/// Keys of each worker.
const KEYS: u64 = 1000;

/// Workers at work.
pub struct Workers {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Result<(u64, Duration)>>>,
}

/// What they did.
pub struct Done {
    /// Requests answered, of all together.
    pub operations: u64,
    /// The longest wait for one reply.
    pub longest: Duration,
    /// What went wrong.
    pub errors: Vec<String>,
}

impl Workers {
    /// Connects `count` workers and sets them to work.
    pub fn start(addr: SocketAddr, count: usize) -> Result<Workers> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        for number in 0..count {
            let socket = TcpStream::connect(addr)?;
            socket.set_nodelay(true)?;
            socket.set_read_timeout(Some(PATIENCE))?;
            let stop = Arc::clone(&stop);
            threads.push(std::thread::spawn(move || work(socket, number, &stop)));
        }
        Ok(Workers { stop, threads })
    }

    /// Lets them finish what they wait for.
    pub fn stop(self) -> Done {
        self.stop.store(true, Ordering::Relaxed);
        let mut done = Done { operations: 0, longest: Duration::ZERO, errors: Vec::new() };
        for thread in self.threads {
            match thread.join().expect("a worker does not panic") {
                Ok((operations, longest)) => {
                    done.operations += operations;
                    done.longest = done.longest.max(longest);
                }
                Err(error) => done.errors.push(format!("{error:#}")),
            }
        }
        done.errors.dedup();
        done
    }
}

fn work(mut socket: TcpStream, number: usize, stop: &AtomicBool) -> Result<(u64, Duration)> {
    let mut framer = Framer::new();
    let (mut operations, mut longest) = (0u64, Duration::ZERO);
    while !stop.load(Ordering::Relaxed) {
        let key = format!("worker:{number}:{}", operations % KEYS).into_bytes();
        let value = operations.to_string().into_bytes();
        let begun = Instant::now();
        let set = ask(&mut socket, &mut framer, &[b"SET".to_vec(), key.clone(), value.clone()])?;
        longest = longest.max(begun.elapsed());
        ensure!(set == b"+OK\r\n", "SET answered {:?}", String::from_utf8_lossy(&set));
        let begun = Instant::now();
        let got = ask(&mut socket, &mut framer, &[b"GET".to_vec(), key])?;
        longest = longest.max(begun.elapsed());
        ensure!(
            got.ends_with(&[value.as_slice(), b"\r\n"].concat()),
            "GET answered {:?}",
            String::from_utf8_lossy(&got)
        );
        operations += 2;
    }
    Ok((operations, longest))
}

fn ask(socket: &mut TcpStream, framer: &mut Framer, args: &[Vec<u8>]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    encode(args, &mut bytes);
    socket.write_all(&bytes)?;
    let mut buffer = [0; 4096];
    loop {
        if let Some(reply) = framer.next().map_err(anyhow::Error::msg)? {
            return Ok(reply);
        }
        match socket.read(&mut buffer).with_context(|| format!("no reply within {PATIENCE:?}"))? {
            0 => bail!("the server closed an honest connection"),
            n => framer.feed(&buffer[..n]),
        }
    }
}
