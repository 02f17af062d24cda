//! One blocking connection: a request, its reply. For clients that have a thread of their own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::wire::{Framer, Value, encode};

/// A reply that takes longer is missing.
const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes taken from the socket in one read.
const READ_BYTES: usize = 16 << 10;

/// A connection whose user waits for each reply.
#[derive(Debug)]
pub struct Caller {
    socket: TcpStream,
    framer: Framer,
    out: Vec<u8>,
    buffer: Vec<u8>,
}

impl Caller {
    /// Connects to `addr`.
    pub fn connect(addr: SocketAddr) -> Result<Caller> {
        let socket = TcpStream::connect(addr).with_context(|| format!("connecting to {addr}"))?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Caller { socket, framer: Framer::new(), out: Vec::new(), buffer: vec![0; READ_BYTES] })
    }

    /// Another patience than 20 s for the replies to come.
    pub fn set_patience(&mut self, patience: Duration) -> Result<()> {
        Ok(self.socket.set_read_timeout(Some(patience))?)
    }

    /// Adds a request to the next [`Caller::flush`].
    pub fn queue<W: AsRef<[u8]>>(&mut self, words: &[W]) {
        let args: Vec<Vec<u8>> = words.iter().map(|word| word.as_ref().to_vec()).collect();
        encode(&args, &mut self.out);
    }

    /// Writes what is queued.
    pub fn flush(&mut self) -> Result<()> {
        self.socket.write_all(&self.out)?;
        self.out.clear();
        Ok(())
    }

    /// The next reply; errors of the server are replies, too.
    pub fn reply(&mut self) -> Result<Value> {
        loop {
            if let Some(raw) = self.framer.next().map_err(anyhow::Error::msg)? {
                return Ok(Value::parse(&raw));
            }
            match self.socket.read(&mut self.buffer).context("no reply in time")? {
                0 => bail!("the server closed the connection"),
                n => self.framer.feed(&self.buffer[..n]),
            }
        }
    }

    /// One request and its reply.
    pub fn ask<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Result<Value> {
        self.queue(words);
        self.flush()?;
        self.reply()
    }

    /// As [`Caller::ask`], where an error of the server is an error.
    pub fn demand<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Result<Value> {
        let value = self.ask(words)?;
        if let Some(error) = value.error() {
            let shown: Vec<_> =
                words.iter().map(|word| String::from_utf8_lossy(word.as_ref())).collect();
            bail!("{} answered {error}", shown.join(" "));
        }
        Ok(value)
    }

    /// What is queued as one pipeline of `count` requests, and the replies.
    pub fn finish(&mut self, count: usize) -> Result<Vec<Value>> {
        self.flush()?;
        (0..count).map(|_| self.reply()).collect()
    }
}
