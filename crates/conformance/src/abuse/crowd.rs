//! The crowds. Each member is a task that opens one connection and behaves badly until it is told to leave.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::wire::encode;

/// How the members of a crowd behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crowd {
    /// Half of them say PING now and then, half send garbage and come again when they are thrown out.
    HalfGarbage,
    /// Ask for large values and never read the replies.
    NeverRead,
    /// Send pipelines without end and never read the replies.
    PipelineNeverRead,
    /// One byte of a request at a time.
    Drip,
    /// Half a request, then silence.
    HalfRequest,
    /// Announce gigabytes and send a little of them.
    Promise,
    /// Connect and leave, over and over.
    ComeAndGo,
}

/// Every crowd in the order of the phases.
pub const ALL: &[(&str, Crowd)] = &[
    ("ten thousand, half of them garbage", Crowd::HalfGarbage),
    ("readers that never read", Crowd::NeverRead),
    ("pipelines that are never read", Crowd::PipelineNeverRead),
    ("slow drip", Crowd::Drip),
    ("half requests", Crowd::HalfRequest),
    ("promises of gigabytes", Crowd::Promise),
    ("come and go", Crowd::ComeAndGo),
];

/// Readers that never read; each could make the server hold its whole output.
const SILENT_READERS: usize = 50;
/// Those that announce gigabytes.
const PROMISERS: usize = 200;
/// Those who come and go.
const VISITORS: usize = 50;
/// Bytes that each of them really sends.
const PROMISED_BYTES_SENT: usize = 256 << 10;
/// The value that silent readers ask for, in bytes.
const LARGE_BYTES: usize = 100_000;
/// How often each silent reader asks for it at once.
const LARGE_REQUESTS: usize = 500;
/// Pause between the bytes of a drip, between pieces of garbage, and between the PINGs of the well-behaved half. The crowd
/// needs the same cores as the server, so faster would measure the crowd.
const PAUSE: Duration = Duration::from_secs(1);
/// How long those who come and go stay.
const STAY: Duration = Duration::from_millis(20);

/// A crowd at work.
pub struct Pressing {
    opened: Arc<AtomicUsize>,
    tasks: Vec<JoinHandle<()>>,
}

impl Crowd {
    /// How many members it has when `connections` may be opened.
    pub fn size(self, connections: usize) -> usize {
        match self {
            Crowd::NeverRead | Crowd::PipelineNeverRead => SILENT_READERS.min(connections),
            Crowd::Promise => PROMISERS.min(connections),
            Crowd::ComeAndGo => VISITORS.min(connections),
            _ => connections,
        }
    }

    /// Lets `size` members loose, all at once.
    pub fn press(self, runtime: &Runtime, addr: SocketAddr, size: usize) -> Pressing {
        let opened = Arc::new(AtomicUsize::new(0));
        let tasks = (0..size)
            .map(|number| {
                let opened = Arc::clone(&opened);
                runtime.spawn(async move {
                    // A refused or broken connection is the server's right here; what counts is what the workers see.
                    let _ = self.behave(addr, number, &opened).await;
                })
            })
            .collect();
        Pressing { opened, tasks }
    }

    async fn behave(
        self,
        addr: SocketAddr,
        number: usize,
        opened: &AtomicUsize,
    ) -> std::io::Result<()> {
        let mut socket = TcpStream::connect(addr).await?;
        opened.fetch_add(1, Ordering::Relaxed);
        match self {
            Crowd::HalfGarbage if number.is_multiple_of(2) => ping_for_ever(&mut socket).await,
            Crowd::HalfGarbage => garbage_for_ever(socket, addr, number).await,
            Crowd::NeverRead => never_read(&mut socket).await,
            Crowd::PipelineNeverRead => pipeline_for_ever(&mut socket).await,
            Crowd::Drip => drip(&mut socket, number).await,
            Crowd::HalfRequest => {
                socket.write_all(b"*3\r\n$3\r\nSET\r\n$9\r\nhalf-done\r\n$1000\r\nabc").await?;
                stay().await
            }
            Crowd::Promise => promise(&mut socket, number).await,
            Crowd::ComeAndGo => loop {
                tokio::time::sleep(STAY).await;
                drop(socket);
                socket = TcpStream::connect(addr).await?;
                socket.write_all(b"PING\r\n*1\r\n$4\r\nPI").await?;
            },
        }
    }
}

impl Pressing {
    /// How many members got a connection so far.
    pub fn opened(&self) -> usize {
        self.opened.load(Ordering::Relaxed)
    }

    /// All leave at once, in the middle of what they do.
    pub fn leave(self, runtime: &Runtime) {
        runtime.block_on(async {
            for task in &self.tasks {
                task.abort();
            }
            for task in self.tasks {
                // An aborted task ends with an error that says so.
                let _ = task.await;
            }
        });
    }
}

async fn stay() -> std::io::Result<()> {
    std::future::pending().await
}

async fn ping_for_ever(socket: &mut TcpStream) -> std::io::Result<()> {
    let mut buffer = [0; 64];
    loop {
        socket.write_all(b"PING\r\n").await?;
        if socket.read(&mut buffer).await? == 0 {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Sends what is no request, and comes again after it was thrown out.
async fn garbage_for_ever(
    mut socket: TcpStream,
    addr: SocketAddr,
    number: usize,
) -> std::io::Result<()> {
    let mut rng = fastrand::Rng::with_seed(number as u64);
    loop {
        let length = rng.usize(1..2000);
        let garbage: Vec<u8> = match rng.u8(..4) {
            0 => (0..length).map(|_| rng.u8(..)).collect(),
            1 => format!("*{}\r\n${}\r\n", rng.i64(..), rng.i64(..)).into_bytes(),
            2 => b"*2\r\n$3\r\nGET\r\n$99999999999\r\n".to_vec(),
            _ => vec![b'x'; length],
        };
        let sent = socket.write_all(&garbage).await;
        tokio::time::sleep(PAUSE).await;
        let mut buffer = [0; 4096];
        let closed = matches!(socket.try_read(&mut buffer), Ok(0)) || sent.is_err();
        if closed {
            socket = TcpStream::connect(addr).await?;
        }
    }
}

async fn never_read(socket: &mut TcpStream) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    encode(&[b"SET".to_vec(), b"abuse:large".to_vec(), vec![b'L'; LARGE_BYTES]], &mut bytes);
    for _ in 0..LARGE_REQUESTS {
        encode(&[b"GET".to_vec(), b"abuse:large".to_vec()], &mut bytes);
    }
    socket.write_all(&bytes).await?;
    stay().await
}

async fn pipeline_for_ever(socket: &mut TcpStream) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    for i in 0..1000 {
        encode(&[b"ECHO".to_vec(), format!("nobody reads this {i}").into_bytes()], &mut bytes);
    }
    loop {
        // A server that stops reading stops us here, which is what it should do.
        socket.write_all(&bytes).await?;
    }
}

async fn drip(socket: &mut TcpStream, number: usize) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    encode(
        &[b"SET".to_vec(), format!("drip:{number}").into_bytes(), b"slowly".to_vec()],
        &mut bytes,
    );
    for byte in bytes.iter().cycle() {
        socket.write_all(std::slice::from_ref(byte)).await?;
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

async fn promise(socket: &mut TcpStream, number: usize) -> std::io::Result<()> {
    let head: &[u8] = match number % 3 {
        0 => b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\n",
        1 => b"*1000000\r\n$3\r\nDEL\r\n$536870912\r\n",
        _ => b"*1048576\r\n$4\r\nMGET\r\n",
    };
    socket.write_all(head).await?;
    socket.write_all(&vec![b'p'; PROMISED_BYTES_SENT]).await?;
    stay().await
}
