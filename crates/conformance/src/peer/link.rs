//! One non-blocking connection, read and written by whoever polls it.
//!
//! A client that only wrote a long pipeline before it read would dead-lock with any server that stops reading while its
//! own output is full, so nothing here ever blocks in one direction.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::wire::{Framer, Value};

/// Bytes taken from the socket in one read.
const READ_BYTES: usize = 64 << 10;
/// How long a connect to loopback may take before the server counts as gone.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What came back for one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// One whole reply, raw.
    Raw(Vec<u8>),
    /// The server closed the connection before this reply.
    Closed,
    /// Nothing came within the patience of the exchange.
    Silent,
    /// Bytes that are no RESP; the text says why.
    Garbage(String),
}

impl Reply {
    /// One line for reports.
    pub fn show(&self) -> String {
        match self {
            Reply::Raw(raw) => Value::parse(raw).show(),
            other => other.to_string(),
        }
    }

    /// The parsed reply, if there is one.
    pub fn value(&self) -> Option<Value> {
        match self {
            Reply::Raw(raw) => Some(Value::parse(raw)),
            _ => None,
        }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reply::Raw(raw) => write!(f, "{:?}", String::from_utf8_lossy(raw)),
            Reply::Closed => write!(f, "(connection closed)"),
            Reply::Silent => write!(f, "(no reply in time)"),
            Reply::Garbage(why) => write!(f, "(garbage: {why})"),
        }
    }
}

/// A connection with what is still to be written and what was read.
#[derive(Debug)]
pub struct Link {
    socket: TcpStream,
    out: Vec<u8>,
    sent: usize,
    framer: Framer,
    /// Replies read and not yet taken, in order.
    pub replies: Vec<Reply>,
    closed: bool,
    scratch: Vec<u8>,
}

impl Link {
    /// Connects to `addr`.
    pub fn connect(addr: SocketAddr) -> io::Result<Link> {
        let socket = TcpStream::connect_timeout(&addr, CONNECT_TIMEOUT)?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        Ok(Link {
            socket,
            out: Vec::new(),
            sent: 0,
            framer: Framer::new(),
            replies: Vec::new(),
            closed: false,
            scratch: vec![0; READ_BYTES],
        })
    }

    /// The socket, to be polled.
    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Queues bytes; [`Link::write_some`] sends them.
    pub fn queue(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Whether bytes wait to be written.
    pub fn wants_write(&self) -> bool {
        !self.closed && self.sent < self.out.len()
    }

    /// Whether the peer has closed (end of file or reset).
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Sleeps until there is something to be read, no longer than `patience`.
    pub fn wait(&self, patience: Duration) {
        let timeout = Timespec {
            tv_sec: patience.as_secs() as i64,
            tv_nsec: i64::from(patience.subsec_nanos()),
        };
        let mut fds = [PollFd::new(&self.socket, PollFlags::IN)];
        // Woken for nothing, the caller looks and waits again.
        _ = poll(&mut fds, Some(&timeout));
    }

    /// Ends the connection from this side.
    pub fn close(&mut self) {
        // One that the peer has ended already cannot be ended again.
        _ = self.socket.shutdown(Shutdown::Both);
        self.closed = true;
    }

    /// Bytes of an unfinished reply.
    pub fn rest(&self) -> &[u8] {
        self.framer.rest()
    }

    /// Writes what the kernel takes now. A reset is not reported here: the replies that came before it are still to be read.
    pub fn write_some(&mut self) {
        while self.sent < self.out.len() {
            match self.socket.write(&self.out[self.sent..]) {
                Ok(0) => return,
                Ok(n) => self.sent += n,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    self.sent = self.out.len();
                    break;
                }
            }
        }
        self.out.clear();
        self.sent = 0;
    }

    /// Reads what is there and splits it into replies.
    pub fn read_some(&mut self) {
        while !self.closed {
            match self.socket.read(&mut self.scratch) {
                Ok(0) => self.closed = true,
                Ok(n) => {
                    self.framer.feed(&self.scratch[..n]);
                    self.split();
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.closed = true,
            }
        }
    }

    fn split(&mut self) {
        loop {
            match self.framer.next() {
                Ok(Some(raw)) => self.replies.push(Reply::Raw(raw)),
                Ok(None) => return,
                Err(why) => {
                    self.replies.push(Reply::Garbage(why.to_string()));
                    self.closed = true;
                    return;
                }
            }
        }
    }
}
