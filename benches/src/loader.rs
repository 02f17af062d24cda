//! A raw RESP client over one blocking socket: single questions, and pipelined batches for loading millions of keys.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, bail, ensure};

/// A silent server is given up on after this long.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// Commands that may be unanswered at once. Small enough that neither side's socket buffers fill, so a blocking client cannot lock up.
pub const BATCH_COMMANDS: usize = 256;
const READ_BYTES: usize = 64 * 1024;

/// A RESP2 reply, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Simple(String),
    Error(String),
    Integer(i64),
    Bulk(Vec<u8>),
    Nil,
    Array(Vec<Reply>),
}

impl Reply {
    /// The text of a simple or bulk reply, lossy; empty for other kinds.
    pub fn text(&self) -> String {
        match self {
            Self::Simple(text) => text.clone(),
            Self::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            _ => String::new(),
        }
    }
}

/// One connection.
pub struct Client {
    stream: TcpStream,
    input: Vec<u8>,
    /// Bytes of `input` that are consumed.
    read: usize,
    output: Vec<u8>,
    unanswered: usize,
}

impl Client {
    /// Connects to a server on loopback.
    ///
    /// # Errors
    /// What the socket says.
    pub fn connect(port: u16) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))
            .with_context(|| format!("connecting to port {port}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SILENCE_MAX))?;
        stream.set_write_timeout(Some(SILENCE_MAX))?;
        Ok(Self { stream, input: Vec::new(), read: 0, output: Vec::new(), unanswered: 0 })
    }

    /// Sends one command and waits for its reply. All queued commands must have been answered.
    ///
    /// # Errors
    /// What the socket says; a malformed reply.
    pub fn ask(&mut self, arguments: &[&[u8]]) -> anyhow::Result<Reply> {
        assert_eq!(self.unanswered, 0, "finish the batch before asking");
        self.queue(arguments);
        self.flush()?;
        self.reply()
    }

    /// Asks, and insists on a reply that is not an error.
    ///
    /// # Errors
    /// As [`Client::ask`], and the server's own error.
    pub fn ask_ok(&mut self, arguments: &[&[u8]]) -> anyhow::Result<Reply> {
        match self.ask(arguments)? {
            Reply::Error(text) => bail!("{}: {text}", String::from_utf8_lossy(arguments[0])),
            reply => Ok(reply),
        }
    }

    /// Appends a command to the batch without sending it.
    pub fn queue(&mut self, arguments: &[&[u8]]) {
        append_command(&mut self.output, arguments);
        self.unanswered += 1;
    }

    /// Appends the command that `write` writes with [`append_command`].
    pub fn queue_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.output);
        self.unanswered += 1;
    }

    /// Commands that wait for their reply.
    pub fn unanswered(&self) -> usize {
        self.unanswered
    }

    /// Sends the batch.
    ///
    /// # Errors
    /// What the socket says.
    pub fn flush(&mut self) -> anyhow::Result<()> {
        self.stream.write_all(&self.output).context("sending")?;
        self.output.clear();
        Ok(())
    }

    /// The next reply.
    ///
    /// # Errors
    /// What the socket says; a malformed reply.
    pub fn reply(&mut self) -> anyhow::Result<Reply> {
        loop {
            if let Some((reply, end)) = parse(&self.input, self.read)? {
                self.read = end;
                self.unanswered = self.unanswered.saturating_sub(1);
                return Ok(reply);
            }
            self.read_more()?;
        }
    }

    /// Closes with a reset, so that ten thousand closed connections do not hold the machine's ports for a minute.
    ///
    /// # Errors
    /// What the socket says.
    pub fn reset_on_close(&self) -> anyhow::Result<()> {
        Ok(socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO))?)
    }

    /// Sends the batch, and hands each reply to `on_reply`.
    ///
    /// # Errors
    /// What the socket says; a malformed reply; what `on_reply` refuses.
    pub fn finish_batch(
        &mut self,
        mut on_reply: impl FnMut(Reply) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.flush()?;
        while self.unanswered > 0 {
            on_reply(self.reply()?)?;
        }
        Ok(())
    }

    /// Writes bytes that need not be RESP.
    ///
    /// # Errors
    /// What the socket says.
    pub fn send_raw(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        Ok(self.stream.write_all(bytes)?)
    }

    /// `INFO section` as field and value pairs; none when the server does not know INFO.
    ///
    /// # Errors
    /// What the socket says.
    pub fn info(&mut self, section: &str) -> anyhow::Result<Vec<(String, String)>> {
        let text = self.ask(&[b"INFO", section.as_bytes()])?.text();
        let pair = |line: &str| {
            line.split_once(':').map(|(name, value)| (name.into(), value.trim().into()))
        };
        Ok(text.lines().filter_map(pair).collect())
    }

    /// One number of `INFO section`, if it is there.
    ///
    /// # Errors
    /// What the socket says.
    pub fn info_number(&mut self, section: &str, field: &str) -> anyhow::Result<Option<f64>> {
        let fields = self.info(section)?;
        let value = fields.into_iter().find(|(name, _)| name == field);
        Ok(value.and_then(|(_, value)| value.parse().ok()))
    }

    fn read_more(&mut self) -> anyhow::Result<()> {
        self.input.drain(..self.read);
        self.read = 0;
        let held = self.input.len();
        self.input.resize(held + READ_BYTES, 0);
        let got = self.stream.read(&mut self.input[held..]).context("waiting for a reply")?;
        self.input.truncate(held + got);
        ensure!(got > 0, "the server closed the connection");
        Ok(())
    }
}

/// Runs `count` commands in batches. `command` writes the n-th one with [`append_command`] into the buffer it is given, `on_reply`
/// judges each reply.
///
/// # Errors
/// What the socket says; what `on_reply` refuses.
pub fn run_batches(
    client: &mut Client,
    count: u64,
    mut command: impl FnMut(u64, &mut Vec<u8>),
    mut on_reply: impl FnMut(Reply) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut next = 0;
    while next < count {
        let end = count.min(next + BATCH_COMMANDS as u64);
        for number in next..end {
            command(number, &mut client.output);
            client.unanswered += 1;
        }
        client.finish_batch(&mut on_reply)?;
        next = end;
    }
    Ok(())
}

/// Runs so many operations, or somewhat more, on connections that take turns, so many in flight on each; gives how many. `queue` queues
/// one operation.
///
/// # Errors
/// What a socket says; an error of the server.
pub fn run_round_robin(
    port: u16,
    (connections, pipeline): (usize, usize),
    operations: u64,
    mut queue: impl FnMut(&mut Client),
) -> anyhow::Result<u64> {
    let clients: anyhow::Result<Vec<Client>> =
        (0..connections).map(|_| Client::connect(port)).collect();
    let mut clients = clients?;
    let mut sent = 0;
    while sent < operations {
        for client in &mut clients {
            while client.unanswered() > 0 {
                no_error(client.reply()?)?;
            }
            (0..pipeline).for_each(|_| queue(client));
            client.flush()?;
            sent += pipeline as u64;
        }
    }
    for client in &mut clients {
        client.finish_batch(no_error)?;
    }
    Ok(sent)
}

/// For loads where every reply must be fine.
///
/// # Errors
/// The server's error, as text.
pub fn no_error(reply: Reply) -> anyhow::Result<()> {
    match reply {
        Reply::Error(text) => bail!("the server refused: {text}"),
        _ => Ok(()),
    }
}

/// Appends a command in RESP.
pub fn append_command(output: &mut Vec<u8>, arguments: &[&[u8]]) {
    let mut number = itoa::Buffer::new();
    output.push(b'*');
    output.extend_from_slice(number.format(arguments.len()).as_bytes());
    output.extend_from_slice(b"\r\n");
    for argument in arguments {
        output.push(b'$');
        output.extend_from_slice(number.format(argument.len()).as_bytes());
        output.extend_from_slice(b"\r\n");
        output.extend_from_slice(argument);
        output.extend_from_slice(b"\r\n");
    }
}

/// One reply from `at` on and where it ends; nothing when more bytes are needed. An array is parsed again from its start when it was
/// incomplete, which is fine for the small arrays of benches.
fn parse(input: &[u8], at: usize) -> anyhow::Result<Option<(Reply, usize)>> {
    let Some(line_length) = input[at..].windows(2).position(|pair| pair == b"\r\n") else {
        return Ok(None);
    };
    let line = &input[at..at + line_length];
    let after = at + line_length + 2;
    let Some((kind, rest)) = line.split_first() else { bail!("an empty reply line") };
    let text = std::str::from_utf8(rest).context("a reply line that is not text")?;
    let reply = match kind {
        b'+' => Reply::Simple(text.into()),
        b'-' => Reply::Error(text.into()),
        b':' => Reply::Integer(text.parse().context("a number")?),
        b'$' => {
            let Ok(length) = usize::try_from(text.parse::<i64>().context("a length")?) else {
                return Ok(Some((Reply::Nil, after)));
            };
            if input.len() < after + length + 2 {
                return Ok(None);
            }
            return Ok(Some((
                Reply::Bulk(input[after..after + length].to_vec()),
                after + length + 2,
            )));
        }
        b'*' => return parse_array(input, after, text.parse().context("a count")?),
        other => bail!("a reply of unknown kind {:?}", char::from(*other)),
    };
    Ok(Some((reply, after)))
}

fn parse_array(input: &[u8], mut at: usize, count: i64) -> anyhow::Result<Option<(Reply, usize)>> {
    let Ok(count) = usize::try_from(count) else { return Ok(Some((Reply::Nil, at))) };
    let mut items = Vec::new();
    for _ in 0..count {
        let Some((item, end)) = parse(input, at)? else { return Ok(None) };
        items.push(item);
        at = end;
    }
    Ok(Some((Reply::Array(items), at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_parsed_whole_or_not_at_all() {
        let input = b"*3\r\n:1\r\n$2\r\nab\r\n$-1\r\n";
        let (reply, end) = parse(input, 0).expect("well-formed").expect("complete");
        assert_eq!(
            (reply, end),
            (
                Reply::Array(vec![Reply::Integer(1), Reply::Bulk(b"ab".into()), Reply::Nil]),
                input.len()
            )
        );
        for cut in 0..input.len() {
            assert_eq!(parse(&input[..cut], 0).expect("a prefix is not malformed"), None);
        }
    }
}
