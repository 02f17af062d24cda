//! Connections between clients and cores: pieces, delays, windows, ends.

use super::core::Arrived;
use super::{What, World};
use base::ConnId;
use engine::event::Peer;

/// One connection. Client and socket have the same number.
pub struct Socket {
    /// The core that serves it.
    pub core: usize,
    /// Its name there, once it is open.
    conn: Option<ConnId>,
    cluster_face: bool,
    /// The last time at which something arrives at the server, and at the client: pieces keep their order.
    to_server_ns: u64,
    to_client_ns: u64,
    /// Bytes on their way to the client.
    in_flight: usize,
    /// Bytes that the socket has not taken.
    unsent: Vec<u8>,
    stalled: bool,
    /// The core does not receive; what comes is kept.
    paused: bool,
    held: Vec<u8>,
    /// Where the core wants the next bytes, and how many there are to be.
    filling: Option<(Vec<u8>, usize)>,
    closing: bool,
    /// The client's end has reached the server.
    ended: bool,
    /// The client is not there any more.
    gone: bool,
    /// The client still looks at what comes.
    pub listens: bool,
    /// How slowly the client reads, in nanoseconds a piece.
    pub slowness_ns: u64,
}

impl Socket {
    /// What the core finds when these bytes have arrived.
    fn arrived(&mut self, conn: ConnId, mut bytes: Vec<u8>) -> Vec<Arrived> {
        let Some((mut buffer, target)) = self.filling.take() else {
            return vec![Arrived::Received(conn, bytes)];
        };
        let rest = bytes.split_off(bytes.len().min(target - buffer.len()));
        buffer.extend_from_slice(&bytes);
        if buffer.len() < target {
            self.filling = Some((buffer, target));
            return vec![Arrived::Filling(conn, bytes.len())];
        }
        let mut arrived = vec![Arrived::Filled(conn, buffer)];
        if !rest.is_empty() {
            arrived.push(Arrived::Received(conn, rest));
        }
        arrived
    }
}

impl World {
    /// A connection of the next client to a core; it reaches the core after a while.
    pub fn connect(&mut self, core: usize, cluster_face: bool, slowness_ns: u64) -> usize {
        let number = self.sockets.len();
        self.sockets.push(Socket {
            core,
            conn: None,
            cluster_face,
            to_server_ns: 0,
            to_client_ns: 0,
            in_flight: 0,
            unsent: Vec::new(),
            stalled: false,
            paused: false,
            held: Vec::new(),
            filling: None,
            closing: false,
            ended: false,
            gone: false,
            listens: true,
            slowness_ns,
        });
        self.travel(number, What::Connect(number));
        number
    }

    fn network_delay(&mut self) -> u64 {
        let delay = 1 + self.prng.below(self.chaos.network_ns);
        if self.prng.one_in(self.chaos.network_slow_one_in) { delay * 100 } else { delay }
    }

    /// Sends something to the server behind all that is on its way.
    fn travel(&mut self, socket: usize, what: What) {
        let at = (self.now_ns + self.network_delay()).max(self.sockets[socket].to_server_ns + 1);
        self.sockets[socket].to_server_ns = at;
        self.schedule(at, what);
    }

    /// A client writes; the bytes travel in pieces.
    pub fn write(&mut self, socket: usize, bytes: &[u8]) {
        self.trace.note(self.now_ns, "write", socket, bytes);
        let mut rest = bytes;
        while !rest.is_empty() {
            let most = (self.chaos.piece as u64).min(rest.len() as u64);
            let len = if self.prng.one_in(3) { 1 + self.prng.below(most) } else { most } as usize;
            let (piece, more) = rest.split_at(len);
            rest = more;
            self.travel(socket, What::ToServer(socket, piece.to_vec()));
        }
    }

    /// A client is gone, in the middle of whatever it did.
    pub fn hang_up(&mut self, socket: usize) {
        self.trace.note(self.now_ns, "hangup", socket, b"");
        self.sockets[socket].listens = false;
        self.travel(socket, What::Hangup(socket));
    }

    /// A client sends no more, and still hears what it is told.
    pub fn end_input(&mut self, socket: usize) {
        self.trace.note(self.now_ns, "end", socket, b"");
        self.travel(socket, What::EndInput(socket));
    }

    pub(super) fn on_connect(&mut self, number: usize) {
        let socket = &mut self.sockets[number];
        let core = &mut self.cores[socket.core];
        let index = core.free.pop().unwrap_or_else(|| {
            core.generations.push(0);
            core.generations.len() as u32 - 1
        });
        let conn = ConnId { index, generation: core.generations[index as usize] };
        socket.conn = Some(conn);
        let peer = Peer {
            client_id: number as u64 + 1,
            address: format!("127.0.0.1:{}", 40_000 + number),
            local_address: "127.0.0.1:6379".to_owned(),
            is_local: true,
            is_unix: false,
            cluster_face: socket.cluster_face,
            refuse: None,
        };
        core.inbox.push_back(Arrived::Opened(conn, Box::new(peer)));
        let core = socket.core;
        self.wake_soon(core);
    }

    pub(super) fn on_bytes(&mut self, number: usize, bytes: Vec<u8>) {
        let socket = &mut self.sockets[number];
        let Some(conn) = socket.conn.filter(|_| !socket.closing) else { return };
        if socket.paused {
            socket.held.extend_from_slice(&bytes);
            return;
        }
        let core = socket.core;
        let arrived = socket.arrived(conn, bytes);
        self.cores[core].inbox.extend(arrived);
        self.wake_soon(core);
    }

    /// What the core sends from now on goes nowhere, and counts as sent.
    pub(super) fn on_hangup(&mut self, number: usize) {
        let socket = &mut self.sockets[number];
        socket.unsent = Vec::new();
        socket.gone = true;
        if socket.closing {
            return self.release(number);
        }
        let Some(conn) = socket.conn else { return };
        let (core, stalled) = (socket.core, std::mem::take(&mut socket.stalled));
        self.on_end_of_input(number);
        if stalled {
            self.cores[core].inbox.push_back(Arrived::Drained(conn));
        }
        self.wake_soon(core);
    }

    /// The core is told that nothing more comes, now or, if it does not receive now, when it has received the rest.
    pub(super) fn on_end_of_input(&mut self, number: usize) {
        let socket = &mut self.sockets[number];
        let Some(conn) = socket.conn.filter(|_| !socket.closing) else { return };
        socket.ended = true;
        let end = if socket.paused { Arrived::HungUp(conn) } else { Arrived::Closed(conn) };
        let core = socket.core;
        self.cores[core].inbox.push_back(end);
        self.wake_soon(core);
    }

    fn socket_of(&self, core: usize, conn: ConnId) -> Option<usize> {
        self.sockets.iter().position(|socket| socket.core == core && socket.conn == Some(conn))
    }

    pub(super) fn send(&mut self, core: usize, conn: ConnId, bytes: &[u8]) {
        let Some(number) = self.socket_of(core, conn) else { return };
        let socket = &mut self.sockets[number];
        if socket.gone {
            return;
        }
        socket.unsent.extend_from_slice(bytes);
        self.pump(number);
        let socket = &mut self.sockets[number];
        if !socket.unsent.is_empty() && !socket.stalled {
            socket.stalled = true;
            let stalled = Arrived::Stalled(conn, socket.unsent.len());
            self.cores[core].inbox.push_back(stalled);
            self.wake_soon(core);
        }
    }

    /// Moves bytes from the core's buffer to the network as far as the window allows.
    fn pump(&mut self, number: usize) {
        loop {
            let piece = self.chaos.piece.max(16);
            let socket = &mut self.sockets[number];
            let space = self.chaos.window.saturating_sub(socket.in_flight);
            let len = socket.unsent.len().min(space).min(piece);
            if len == 0 {
                break;
            }
            let bytes: Vec<u8> = socket.unsent.drain(..len).collect();
            socket.in_flight += len;
            let (slowness, last) = (socket.slowness_ns, socket.to_client_ns);
            let at = (self.now_ns + self.network_delay()).max(last + 1 + slowness);
            self.sockets[number].to_client_ns = at;
            self.schedule(at, What::ToClient(number, bytes));
        }
        let socket = &mut self.sockets[number];
        let Some(conn) = socket.conn.filter(|_| socket.unsent.is_empty()) else { return };
        if socket.closing {
            let at = socket.to_client_ns.max(self.now_ns) + 1;
            self.schedule(at, What::EndOfFile(number));
            return self.release(number);
        }
        if std::mem::take(&mut socket.stalled) {
            let core = socket.core;
            self.cores[core].inbox.push_back(Arrived::Drained(conn));
            self.wake_soon(core);
        }
    }

    pub(super) fn on_client_read(&mut self, number: usize, len: usize) {
        self.sockets[number].in_flight -= len;
        self.pump(number);
    }

    pub(super) fn pause(&mut self, core: usize, conn: ConnId, paused: bool) {
        let Some(number) = self.socket_of(core, conn) else { return };
        let was_paused = std::mem::replace(&mut self.sockets[number].paused, paused);
        if was_paused && !paused {
            let held = std::mem::take(&mut self.sockets[number].held);
            if !held.is_empty() {
                self.on_bytes(number, held);
            }
            if self.sockets[number].ended {
                self.cores[core].inbox.push_back(Arrived::Closed(conn));
                self.wake_soon(core);
            }
        }
    }

    /// The core wants the next bytes of a connection in a buffer of its own: also those that it has not looked
    /// at yet.
    pub(super) fn fill(&mut self, core: usize, conn: ConnId, buffer: Vec<u8>, target: usize) {
        let Some(number) = self.socket_of(core, conn) else { return };
        let socket = &mut self.sockets[number];
        assert!(
            socket.filling.is_none() && buffer.len() < target,
            "one place at a time, with room"
        );
        socket.filling = Some((buffer, target));
        let inbox = std::mem::take(&mut self.cores[core].inbox);
        let inbox = inbox.into_iter().flat_map(|arrived| match arrived {
            Arrived::Received(one, bytes) if one == conn => socket.arrived(conn, bytes),
            other => vec![other],
        });
        self.cores[core].inbox = inbox.collect();
    }

    /// The core closes; what it has sent still leaves.
    pub(super) fn close(&mut self, core: usize, conn: ConnId) {
        let Some(number) = self.socket_of(core, conn) else { return };
        self.sockets[number].closing = true;
        self.pump(number);
    }

    /// The connection is gone at the server: its index is free for another.
    pub(super) fn release(&mut self, number: usize) {
        let socket = &mut self.sockets[number];
        let Some(conn) = socket.conn.take() else { return };
        let core = &mut self.cores[socket.core];
        core.generations[conn.index as usize] += 1;
        core.free.push(conn.index);
    }
}
