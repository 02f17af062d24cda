//! The limit: the yardstick the server is measured against.
//!
//! One thread, one io_uring, one plain hash map; GET, SET and PING and nothing else. It uses the socket options and the ring
//! set-up that Corelane uses, and leaves out everything that makes a server a server: time-outs, eviction, statistics, access
//! control, back-pressure. What Corelane costs above it is the price of being one.
//!
//! A turn is one `io_uring_enter`: it submits the sends of the turn before, runs the deferred task work and waits for at least
//! one arrival. All that has arrived is answered before the next enter, and the replies to one read leave in one send.
//!
//! Sends carry MSG_DONTWAIT, so each of them completes while it is submitted, and the enter can wait for one completion *more*
//! than there are sends. Waiting for one completion in all would return at once with nothing but the completion of a send, and
//! cost a second enter for every arrival.

mod commands;
mod ring;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::AsRawFd;

use anyhow::Context;
use io_uring::{IoUring, opcode, squeue, types};

use self::commands::{Keyspace, execute_all};
use self::ring::{BufferRing, Closer};

/// Entries of the submission queue; a turn that fills it submits early and goes on.
const SUBMISSION_ENTRIES: u32 = 4096;
/// Entries of the completion queue.
const COMPLETION_ENTRIES: u32 = 16_384;
/// Receive buffers given to the kernel, and the size of each in bytes.
const RECEIVE_BUFFERS: u16 = 256;
const RECEIVE_BUFFER_BYTES: usize = 16 * 1024;
/// The longest incomplete request a connection may hold before it is closed.
const PENDING_INPUT_BYTES_MAX: usize = 64 << 20;
/// Connections served at once; a file descriptor above this is closed at once.
const CONNECTIONS_MAX: usize = 65_536;

const KIND_ACCEPT: u64 = 0;
const KIND_RECV: u64 = 1;
const KIND_SEND: u64 = 2;

/// What `limit` is told on its command line.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// The port to listen on, on loopback.
    #[arg(long)]
    port: u16,
    /// The CPU the thread is pinned to.
    #[arg(long)]
    cpu: Option<usize>,
}

/// One client. `sending` belongs to the kernel while `send_in_flight` is set: it is neither grown nor cleared then.
#[derive(Default)]
struct Connection {
    open: bool,
    receiving: bool,
    closing: bool,
    send_in_flight: bool,
    /// The socket's buffer was full: the next send waits in the kernel, and its completion is not counted on.
    blocked: bool,
    listed: bool,
    pending_input: Vec<u8>,
    output: Vec<u8>,
    sending: Vec<u8>,
    sent: usize,
}

/// The whole program: connections are indexed by their file descriptor.
struct Limit {
    connections: Vec<Connection>,
    keyspace: Keyspace,
    buffers: BufferRing,
    /// Connections with output to send or a recv to arm at the end of the turn.
    dirty: Vec<usize>,
    accept_armed: bool,
    listener: i32,
}

/// Serves until the process is ended.
///
/// # Errors
/// When the port is taken, or the kernel refuses the ring.
pub fn run(options: &Options) -> anyhow::Result<()> {
    if let Some(cpu) = options.cpu {
        pin(cpu)?;
    }
    let listener = listen(options.port)?;
    let mut ring: IoUring = IoUring::builder()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_taskrun_flag()
        .setup_submit_all()
        .setup_cqsize(COMPLETION_ENTRIES)
        .build(SUBMISSION_ENTRIES)
        .context("io_uring_setup refused: kernel too old, or kernel.io_uring_disabled")?;
    let (mut submitter, mut queue, mut completions) = ring.split();
    submitter.register_ring_fd().context("registering the ring's descriptor")?;
    let buffers = BufferRing::register(&submitter, RECEIVE_BUFFERS, RECEIVE_BUFFER_BYTES)?;
    let mut limit = Limit {
        connections: Vec::new(),
        keyspace: Keyspace::default(),
        buffers,
        dirty: Vec::new(),
        accept_armed: false,
        listener: listener.as_raw_fd(),
    };
    limit.connections.resize_with(1024, Connection::default);
    loop {
        let completing_at_once = limit.submit_turn(&submitter, &mut queue)?;
        queue.sync();
        match submitter.submit_and_wait(completing_at_once + 1) {
            Ok(_) => {}
            Err(error) if error.raw_os_error() == Some(libc::EINTR) => {}
            Err(error) => return Err(error).context("io_uring_enter"),
        }
        completions.sync();
        for completion in &mut completions {
            limit.on_completed(completion.user_data(), completion.result(), completion.flags());
        }
        limit.buffers.publish();
    }
}

fn pin(cpu: usize) -> anyhow::Result<()> {
    let mut set = rustix::thread::CpuSet::new();
    set.set(cpu);
    rustix::thread::sched_setaffinity(None, &set).with_context(|| format!("pinning to CPU {cpu}"))
}

/// A listener whose accepted sockets inherit TCP_NODELAY, which saves a system call a connection.
fn listen(port: u16) -> anyhow::Result<TcpListener> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_tcp_nodelay(true)?;
    socket
        .bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())
        .with_context(|| format!("binding port {port}"))?;
    socket.listen(4096)?;
    Ok(socket.into())
}

impl Limit {
    /// Queues what the last turn left to do: sends, recvs to arm, the accept. Gives the number of sends that complete while they are
    /// submitted.
    fn submit_turn(
        &mut self,
        submitter: &io_uring::Submitter<'_>,
        queue: &mut squeue::SubmissionQueue<'_>,
    ) -> anyhow::Result<usize> {
        let mut completing_at_once = 0;
        if !self.accept_armed {
            self.accept_armed = true;
            let accept = opcode::AcceptMulti::new(types::Fd(self.listener))
                .flags(libc::SOCK_CLOEXEC)
                .build();
            ring::push(submitter, queue, &accept.user_data(KIND_ACCEPT << 32))?;
        }
        for at in 0..self.dirty.len() {
            let fd = self.dirty[at];
            let connection = &mut self.connections[fd];
            connection.listed = false;
            if connection.closing {
                connection.finish_closing(fd);
                continue;
            }
            if !connection.receiving {
                connection.receiving = true;
                let recv = opcode::RecvMulti::new(types::Fd(fd as i32), ring::BUFFER_GROUP).build();
                ring::push(submitter, queue, &recv.user_data(KIND_RECV << 32 | fd as u64))?;
            }
            if connection.send_in_flight || !connection.has_output() {
                continue;
            }
            let flags = if connection.blocked {
                libc::MSG_NOSIGNAL
            } else {
                libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT
            };
            completing_at_once += usize::from(!connection.blocked);
            connection.send_in_flight = true;
            let rest = connection.take_unsent();
            let send = opcode::Send::new(types::Fd(fd as i32), rest.as_ptr(), rest.len() as u32)
                .flags(flags)
                .build();
            ring::push(submitter, queue, &send.user_data(KIND_SEND << 32 | fd as u64))?;
        }
        self.dirty.clear();
        Ok(completing_at_once)
    }

    fn on_completed(&mut self, user_data: u64, result: i32, flags: u32) {
        let fd = (user_data & 0xffff_ffff) as usize;
        match user_data >> 32 {
            KIND_ACCEPT => self.on_accepted(result, flags),
            KIND_RECV => self.on_received(fd, result, flags),
            _ => self.on_sent(fd, result),
        }
    }

    fn on_accepted(&mut self, result: i32, flags: u32) {
        if !io_uring::cqueue::more(flags) {
            self.accept_armed = false;
        }
        let Ok(fd) = usize::try_from(result) else { return };
        if fd >= CONNECTIONS_MAX {
            Closer::close(fd);
            return;
        }
        if fd >= self.connections.len() {
            self.connections.resize_with(fd * 2, Connection::default);
        }
        self.connections[fd].open = true;
        self.list(fd);
    }

    fn on_received(&mut self, fd: usize, result: i32, flags: u32) {
        if !io_uring::cqueue::more(flags) {
            self.connections[fd].receiving = false;
            self.list(fd);
        }
        let Some(buffer) = io_uring::cqueue::buffer_select(flags) else {
            // Out of buffers: all come back within this turn, and the recv is armed again at its end.
            if result != -libc::ENOBUFS {
                self.connections[fd].closing = true;
                self.list(fd);
            }
            return;
        };
        let connection = &mut self.connections[fd];
        let received = self.buffers.bytes(buffer, usize::try_from(result).unwrap_or(0));
        let fine = connection.on_bytes(received, &mut self.keyspace);
        self.buffers.give_back(buffer);
        if !fine || result <= 0 {
            connection.closing = true;
        }
        self.list(fd);
    }

    fn on_sent(&mut self, fd: usize, result: i32) {
        let connection = &mut self.connections[fd];
        connection.send_in_flight = false;
        connection.blocked = result == -libc::EAGAIN;
        match usize::try_from(result) {
            Ok(sent) => connection.sent += sent,
            Err(_) => connection.closing |= !connection.blocked,
        }
        if connection.closing || connection.has_output() {
            self.list(fd);
        }
    }

    fn list(&mut self, fd: usize) {
        if !self.connections[fd].listed {
            self.connections[fd].listed = true;
            self.dirty.push(fd);
        }
    }
}

impl Connection {
    /// Answers all complete requests. False when the client does not speak RESP.
    fn on_bytes(&mut self, received: &[u8], keyspace: &mut Keyspace) -> bool {
        if self.pending_input.is_empty() {
            let Some(used) = execute_all(received, keyspace, &mut self.output) else {
                return false;
            };
            self.pending_input.extend_from_slice(&received[used..]);
            return true;
        }
        self.pending_input.extend_from_slice(received);
        let Some(used) = execute_all(&self.pending_input, keyspace, &mut self.output) else {
            return false;
        };
        self.pending_input.drain(..used);
        self.pending_input.len() <= PENDING_INPUT_BYTES_MAX
    }

    fn has_output(&self) -> bool {
        self.sent < self.sending.len() || !self.output.is_empty()
    }

    /// What to send next: the rest of a short send, else all the output so far.
    fn take_unsent(&mut self) -> &[u8] {
        if self.sent == self.sending.len() {
            self.sending.clear();
            self.sent = 0;
            std::mem::swap(&mut self.sending, &mut self.output);
        }
        &self.sending[self.sent..]
    }

    /// Closes the socket once neither a recv nor a send refers to it, so that its number cannot be met again by their completions.
    fn finish_closing(&mut self, fd: usize) {
        if !self.open {
            return;
        }
        if self.receiving {
            Closer::shut_down(fd);
            return;
        }
        if self.send_in_flight {
            return;
        }
        Closer::close(fd);
        *self = Connection::default();
    }
}
