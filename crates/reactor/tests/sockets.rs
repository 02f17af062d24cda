//! The reactor against real sockets on loopback: the client's end is a plain blocking socket, driven from
//! the same thread or from one of its own.

use base::ConnId;
use reactor::{
    CloseMode, Closed, Config, Event, Listen, Reactor, Turn, Waker, is_from_this_machine,
    message_ring_works, peer_address,
};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::mpsc;

/// Turns after which a test gives up waiting for something: many seconds.
const TURNS_MAX: usize = 5_000;

/// A reactor with a listener, and what its events have brought.
struct Server {
    reactor: Reactor,
    turn: Turn,
    address: SocketAddr,
    opened: Vec<ConnId>,
    received: HashMap<ConnId, Vec<u8>>,
    /// Bytes of which `Filling` has told since the last `Filled`.
    filling: HashMap<ConnId, usize>,
    filled: Vec<(ConnId, Vec<u8>)>,
    closed: Vec<(ConnId, Closed)>,
    hung_up: Vec<ConnId>,
    stalled: Vec<(ConnId, usize)>,
    drained: Vec<ConnId>,
    woken: usize,
    refused: usize,
    echoes: bool,
}

impl Server {
    fn new(config: Config) -> Server {
        let mut reactor = Reactor::new(config).expect("a ring");
        let turn = reactor.new_turn();
        let loopback = "127.0.0.1:0".parse().expect("an address");
        let listening = Listen { backlog: 4096, ..Listen::default() }.tcp(loopback).expect("free");
        let address = listening.local_address().expect("TCP");
        assert_eq!(reactor.listen(listening), 0);
        Server {
            reactor,
            turn,
            address,
            opened: Vec::new(),
            received: HashMap::new(),
            filling: HashMap::new(),
            filled: Vec::new(),
            closed: Vec::new(),
            hung_up: Vec::new(),
            stalled: Vec::new(),
            drained: Vec::new(),
            woken: 0,
            refused: 0,
            echoes: false,
        }
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).expect("the backlog has room")
    }

    fn step(&mut self, timeout_us: u64) {
        let reactor = &mut self.reactor;
        reactor.wait(timeout_us).expect("a working ring");
        reactor.poll(&mut self.turn, 64);
        for event in self.turn.events() {
            match event {
                Event::Accepted { socket, .. } => match reactor.adopt(socket) {
                    Ok(conn) => self.opened.push(conn),
                    Err(_socket) => self.refused += 1,
                },
                Event::Received { conn, bytes } => {
                    assert!(!bytes.is_empty());
                    if self.echoes {
                        let mut output = reactor.take_spare();
                        output.extend_from_slice(bytes);
                        reactor.send(conn, output);
                    } else {
                        self.received.entry(conn).or_default().extend_from_slice(bytes);
                    }
                }
                Event::Filling { conn, bytes } => {
                    assert!(bytes > 0);
                    *self.filling.entry(conn).or_default() += bytes;
                }
                Event::Filled { conn, buffer } => {
                    self.filling.remove(&conn);
                    self.received.entry(conn).or_default().extend_from_slice(&buffer);
                    self.filled.push((conn, buffer));
                }
                Event::Closed { conn, why } => self.closed.push((conn, why)),
                Event::HungUp { conn } => self.hung_up.push(conn),
                Event::Stalled { conn, unsent } => self.stalled.push((conn, unsent)),
                Event::Drained { conn } => self.drained.push(conn),
                Event::Woken => self.woken += 1,
            }
        }
        reactor.end_turn(&mut self.turn);
    }

    fn until(&mut self, what: &str, done: impl Fn(&Server) -> bool) {
        for _ in 0..TURNS_MAX {
            if done(self) {
                return;
            }
            self.step(5_000);
        }
        panic!("never happened: {what}; {:?}", self.reactor.counters());
    }

    /// Connects and waits for the reactor's end.
    fn pair(&mut self) -> (TcpStream, ConnId) {
        let client = self.connect();
        let before = self.opened.len();
        self.until("an accept", |server| server.opened.len() > before);
        (client, self.opened[before])
    }

    fn until_gone(&mut self) {
        self.until("all connections gone", |server| server.reactor.connections() == 0);
        self.step(0);
        let counters = self.reactor.counters();
        assert_eq!(counters.connections_opened, counters.connections_closed);
        assert_eq!(self.reactor.buffers_out(), 0, "a receive buffer leaked");
    }

    fn bytes_of(&self, conn: ConnId) -> &[u8] {
        self.received.get(&conn).map_or(&[], Vec::as_slice)
    }
}

fn small() -> Config {
    Config { connections_max: 8192, linger_us: 20_000_000, ..Config::default() }
}

/// Bytes in which a loss or an exchange shows.
fn pattern(length: usize, seed: u8) -> Vec<u8> {
    (0..length).map(|at| (at as u32).wrapping_mul(2_654_435_761).to_be_bytes()[0] ^ seed).collect()
}

#[test]
fn bytes_come_back_in_order_to_several_clients() {
    for fill_incrementally in [true, false] {
        echo_to_several_clients(Config { fill_incrementally, ..small() });
    }
}

fn echo_to_several_clients(config: Config) {
    let mut server = Server::new(config);
    server.echoes = true;
    let address = server.address;
    let (done, all_done) = mpsc::channel();
    let client = |seed: u8| {
        let done = done.clone();
        std::thread::spawn(move || {
            let mut stream = TcpStream::connect(address).expect("listening");
            let sent = pattern(300_000 + usize::from(seed) * 7919, seed);
            let mut writer = stream.try_clone().expect("a descriptor");
            let writing = sent.clone();
            let writer = std::thread::spawn(move || {
                writing.chunks(5000).for_each(|part| writer.write_all(part).expect("echoed"));
                writer.shutdown(Shutdown::Write).expect("open");
            });
            let mut got = vec![0; sent.len()];
            stream.read_exact(&mut got).expect("all comes back");
            assert!(got == sent);
            writer.join().expect("asserts hold");
            done.send(()).expect("awaited");
        })
    };
    let clients: Vec<_> = (0..6).map(client).collect();
    let mut finished = 0;
    for _ in 0..TURNS_MAX * 10 {
        server.step(5_000);
        finished += all_done.try_iter().count();
        if finished == clients.len() {
            break;
        }
    }
    assert_eq!(finished, clients.len());
    clients.into_iter().for_each(|client| client.join().expect("asserts hold"));
    server.until("all ends", |server| server.closed.len() == 6);
    for (conn, why) in std::mem::take(&mut server.closed) {
        assert_eq!(why, Closed::ByPeer);
        server.reactor.close(conn, CloseMode::AfterFlush);
    }
    server.until_gone();
    assert_eq!(server.reactor.counters().lingers_expired, 0);
}

#[test]
fn a_paused_connection_gives_nothing_and_loses_nothing() {
    let mut server = Server::new(small());
    let (mut client, conn) = server.pair();
    let sent = pattern(100_000, 1);
    client.write_all(&sent[..10_000]).expect("open");
    server.until("the first bytes", |server| server.bytes_of(conn).len() == 10_000);
    server.reactor.pause(conn);
    server.step(0);
    server.step(0);
    let writer = std::thread::spawn({
        let rest = sent[10_000..].to_vec();
        move || {
            client.write_all(&rest).expect("open");
            client
        }
    });
    for _ in 0..20 {
        server.step(1_000);
    }
    assert_eq!(server.bytes_of(conn).len(), 10_000, "a paused connection is not read");
    server.reactor.resume(conn);
    server.until("the rest", |server| server.bytes_of(conn).len() == sent.len());
    assert!(server.bytes_of(conn) == sent);
    drop(writer.join().expect("asserts hold"));
    server.reactor.close(conn, CloseMode::Now);
    server.until_gone();
}

#[test]
fn pausing_and_resuming_at_any_rate_keeps_the_stream_whole() {
    let mut server = Server::new(small());
    let (mut client, conn) = server.pair();
    let sent = pattern(2_000_000, 2);
    let writing = sent.clone();
    let writer = std::thread::spawn(move || {
        client.write_all(&writing).expect("open");
        client
    });
    let mut turn = 0;
    while server.bytes_of(conn).len() < sent.len() && turn < TURNS_MAX * 4 {
        turn += 1;
        match turn % 7 {
            0 | 1 | 4 => server.reactor.pause(conn),
            _ => server.reactor.resume(conn),
        }
        if turn % 3 == 0 {
            server.reactor.pause(conn);
            server.reactor.resume(conn);
        }
        server.step(200);
    }
    assert!(server.bytes_of(conn) == sent);
    drop(writer.join().expect("asserts hold"));
    server.reactor.close(conn, CloseMode::AfterFlush);
    server.until_gone();
}

/// Sends all of it from a thread of its own, which gives the client's end back.
fn send_all(mut client: TcpStream, bytes: &[u8]) -> std::thread::JoinHandle<TcpStream> {
    let bytes = bytes.to_vec();
    std::thread::spawn(move || {
        client.write_all(&bytes).expect("open");
        client
    })
}

#[test]
fn bytes_go_straight_where_they_are_wanted_and_none_is_lost_before_or_behind() {
    let mut server = Server::new(small());
    let (client, conn) = server.pair();
    // Far more than is wanted: what comes while nothing is wanted depends on who runs when.
    let sent = pattern(12_000_000, 6);
    let writer = send_all(client, &sent);
    server.until("the first bytes", |server| !server.bytes_of(conn).is_empty());
    // In the middle of the stream: what has come stays, what is under way goes first.
    let mut wanted = 0;
    for (nth, len) in [70_000, 1_000_000, 300_000, 1, 900_000].into_iter().enumerate() {
        server.reactor.fill(conn, Vec::new(), len);
        wanted += len;
        server.until("a full buffer", |server| server.filled.len() == nth + 1);
    }
    assert_eq!(server.filled.iter().map(|(_, buffer)| buffer.len()).sum::<usize>(), wanted);
    server.until("the rest", |server| server.bytes_of(conn).len() == sent.len());
    assert!(server.bytes_of(conn) == sent);
    drop(writer.join().expect("asserts hold"));
    server.reactor.close(conn, CloseMode::AfterFlush);
    server.until_gone();
}

#[test]
fn a_buffer_is_filled_behind_what_it_holds_and_its_pieces_are_told() {
    let mut server = Server::new(small());
    let (mut client, conn) = server.pair();
    server.reactor.fill(conn, b"begun:".to_vec(), 6 + 100_000);
    let sent = pattern(100_000, 7);
    client.write_all(&sent[..40_000]).expect("open");
    server.until("a piece", |server| server.filling.get(&conn) == Some(&40_000));
    assert!(server.bytes_of(conn).is_empty() && server.filled.is_empty());
    client.write_all(&sent[40_000..]).expect("open");
    client.write_all(b"behind").expect("open");
    server.until("what is behind", |server| server.bytes_of(conn).ends_with(b"behind"));
    assert!(server.bytes_of(conn) == [b"begun:".as_slice(), &sent, b"behind"].concat());
    assert_eq!(server.filled.len(), 1);
    server.reactor.close(conn, CloseMode::Now);
    server.until_gone();
}

#[test]
fn filling_pausing_and_resuming_at_any_rate_keeps_the_stream_whole() {
    let mut server = Server::new(small());
    let (client, conn) = server.pair();
    let sent = pattern(4_000_000, 8);
    let writer = send_all(client, &sent);
    let (mut turn, mut fills) = (0, 0);
    while server.bytes_of(conn).len() < sent.len() && turn < TURNS_MAX * 4 {
        turn += 1;
        match turn % 7 {
            0 | 1 | 4 => server.reactor.pause(conn),
            _ => server.reactor.resume(conn),
        }
        let left = sent.len() - server.bytes_of(conn).len();
        if turn % 5 == 0 && server.filled.len() == fills && left > 0 {
            server.reactor.fill(conn, Vec::new(), left.min(150_000));
            fills += 1;
        }
        server.step(200);
    }
    assert!(server.bytes_of(conn) == sent && fills > 1);
    drop(writer.join().expect("asserts hold"));
    server.reactor.close(conn, CloseMode::AfterFlush);
    server.until_gone();
}

#[test]
fn a_peer_that_ends_before_a_buffer_is_full_is_reported_and_the_buffer_goes() {
    let mut server = Server::new(small());
    let (mut client, conn) = server.pair();
    server.reactor.fill(conn, Vec::new(), 1 << 20);
    client.write_all(&[1; 1000]).expect("open");
    server.until("a piece", |server| server.filling.get(&conn) == Some(&1000));
    client.shutdown(Shutdown::Write).expect("open");
    server.until("the end", |server| server.closed == [(conn, Closed::ByPeer)]);
    server.reactor.fill(conn, Vec::new(), 10);
    server.reactor.send(conn, b"bye".to_vec());
    server.reactor.close(conn, CloseMode::AfterFlush);
    let mut last = Vec::new();
    server.until_gone();
    client.read_to_end(&mut last).expect("a clean end");
    assert_eq!(last, b"bye");
    assert!(server.filled.is_empty());
}

#[test]
fn closing_now_while_a_buffer_is_filled_frees_the_slot() {
    let mut server = Server::new(small());
    let (mut client, conn) = server.pair();
    server.reactor.fill(conn, Vec::new(), 1 << 20);
    client.write_all(&[1; 5000]).expect("open");
    server.until("a piece", |server| server.filling.get(&conn) == Some(&5000));
    server.reactor.close(conn, CloseMode::Now);
    server.until_gone();
}

#[test]
fn the_last_reply_arrives_although_a_buffer_was_being_filled() {
    let mut server = Server::new(small());
    let (client, conn) = server.pair();
    server.reactor.fill(conn, Vec::new(), 1 << 20);
    let mut reader = client.try_clone().expect("a descriptor");
    let writer = send_all(client, &[1; 300_000]);
    server.until("a piece", |server| server.filling.contains_key(&conn));
    server.reactor.send(conn, b"-ERR over the limit".to_vec());
    server.reactor.close(conn, CloseMode::AfterFlush);
    // The client has not ended: what it sends is read and dropped, so that nothing resets the connection.
    for _ in 0..20 {
        server.step(1_000);
    }
    writer.join().expect("asserts hold").shutdown(Shutdown::Write).expect("open");
    server.until_gone();
    let mut last = Vec::new();
    reader.read_to_end(&mut last).expect("a clean end");
    assert_eq!(last, b"-ERR over the limit");
    assert_eq!(server.reactor.counters().lingers_expired, 0);
}

#[test]
fn a_slow_reader_stalls_and_drains_and_gets_every_byte() {
    let mut server = Server::new(small());
    let (mut client, conn) = server.pair();
    let sent = pattern(20_000_000, 3);
    assert_eq!(server.reactor.send(conn, sent[..19_000_000].to_vec()), 0);
    server.until("a stall", |server| !server.stalled.is_empty());
    assert!(server.stalled[0].0 == conn && server.stalled[0].1 > 0);
    assert_eq!(server.reactor.send(conn, sent[19_000_000..19_500_000].to_vec()), 500_000);
    assert_eq!(server.reactor.send(conn, sent[19_500_000..].to_vec()), 1_000_000);
    assert!(server.reactor.unsent(conn) > 1_000_000);
    let reader = std::thread::spawn(move || {
        let mut got = vec![0; 20_000_000];
        client.read_exact(&mut got).expect("all comes");
        (client, got)
    });
    server.until("the end of the stall", |server| !server.drained.is_empty());
    assert_eq!(server.reactor.unsent(conn), 0);
    let (client, got) = reader.join().expect("asserts hold");
    assert!(got == sent);
    drop(client);
    server.until("the peer's end", |server| !server.closed.is_empty());
    server.reactor.close(conn, CloseMode::AfterFlush);
    server.until_gone();
}

#[test]
fn a_slow_reader_of_a_unix_socket_gets_every_byte() {
    let mut server = Server::new(small());
    let (mut client, socket) = UnixStream::pair().expect("descriptors");
    let conn = server.reactor.adopt(socket.into()).expect("room");
    let sent = pattern(5_000_000, 3);
    server.reactor.send(conn, sent.clone());
    server.until("a stall", |server| !server.stalled.is_empty());
    server.reactor.close(conn, CloseMode::AfterFlush);
    let reader = std::thread::spawn(move || {
        let mut got = Vec::new();
        client.read_to_end(&mut got).expect("all comes");
        got
    });
    server.until_gone();
    assert!(reader.join().expect("asserts hold") == sent);
}

#[test]
fn a_kernel_without_silent_sends_gives_the_same_service() {
    let mut server = Server::new(small());
    server.reactor.send_loudly_for_tests();
    let (mut client, conn) = server.pair();
    for part in [b"one".to_vec(), b"two".to_vec(), pattern(20_000_000, 4)] {
        server.reactor.send(conn, part);
    }
    server.until("a stall", |server| !server.stalled.is_empty());
    server.reactor.close(conn, CloseMode::AfterFlush);
    let reader = std::thread::spawn(move || {
        let mut got = Vec::new();
        client.read_to_end(&mut got).expect("all comes");
        got
    });
    server.until_gone();
    let got = reader.join().expect("asserts hold");
    assert!(got.starts_with(b"onetwo") && got[6..] == pattern(20_000_000, 4));
}

#[test]
fn closing_now_while_sending_frees_the_slot() {
    let mut server = Server::new(small());
    let (client, conn) = server.pair();
    server.reactor.send(conn, pattern(20_000_000, 4));
    server.until("a stall", |server| !server.stalled.is_empty());
    server.reactor.send(conn, pattern(1000, 4));
    server.reactor.close(conn, CloseMode::Now);
    server.until_gone();
    drop(client);
}

#[test]
fn closing_in_the_turn_of_the_send_still_frees_the_slot() {
    let mut server = Server::new(small());
    for mode in [CloseMode::Now, CloseMode::AfterFlush] {
        let (client, conn) = server.pair();
        server.reactor.send(conn, b"first".to_vec());
        server.reactor.send(conn, b"second".to_vec());
        server.reactor.close(conn, mode);
        server.reactor.send(conn, b"too late".to_vec());
        let reader = std::thread::spawn(move || {
            let (mut client, mut got) = (client, Vec::new());
            let _ = client.read_to_end(&mut got);
            got
        });
        server.until_gone();
        let got = reader.join().expect("asserts hold");
        assert!(mode == CloseMode::Now || got == b"firstsecond", "{got:?}");
    }
}

#[test]
fn a_graceful_close_delivers_everything_although_input_is_unread() {
    let mut server = Server::new(small());
    let (mut client, conn) = server.pair();
    client.write_all(&pattern(50_000, 5)).expect("open");
    server.until("some bytes", |server| !server.bytes_of(conn).is_empty());
    server.reactor.pause(conn);
    server.step(0);
    let sent = pattern(3_000_000, 6);
    server.reactor.send(conn, sent.clone());
    server.reactor.close(conn, CloseMode::AfterFlush);
    let reader = std::thread::spawn(move || {
        // Input that nobody will read, on its way when the server ends.
        let _ = client.write_all(&pattern(200_000, 7));
        let mut got = Vec::new();
        client.read_to_end(&mut got).expect("no reset");
        got
    });
    server.until_gone();
    assert!(reader.join().expect("asserts hold") == sent);
    assert_eq!(server.reactor.counters().lingers_expired, 0);
}

#[test]
fn a_peer_that_never_reads_or_ends_is_dropped_after_the_linger_bound() {
    let mut server = Server::new(Config { linger_us: 20_000, ..small() });
    let (reads_not, first) = server.pair();
    let (ends_not, second) = server.pair();
    server.reactor.send(first, pattern(20_000_000, 8));
    server.reactor.close(first, CloseMode::AfterFlush);
    server.reactor.close(second, CloseMode::AfterFlush);
    server.until_gone();
    assert_eq!(server.reactor.counters().lingers_expired, 2);
    drop((reads_not, ends_not));
}

#[test]
fn replies_to_a_half_closed_peer_still_leave() {
    let mut server = Server::new(small());
    let (mut client, conn) = server.pair();
    client.write_all(b"PING").expect("open");
    client.shutdown(Shutdown::Write).expect("open");
    server.until("the peer's end", |server| server.closed == [(conn, Closed::ByPeer)]);
    assert_eq!(server.bytes_of(conn), b"PING");
    server.reactor.send(conn, b"PONG".to_vec());
    server.reactor.close(conn, CloseMode::AfterFlush);
    server.until_gone();
    let mut got = Vec::new();
    client.read_to_end(&mut got).expect("no reset");
    assert_eq!(got, b"PONG");
}

#[test]
fn a_flood_comes_in_bounded_pieces_where_the_kernel_can() {
    let mut server = Server::new(Config::default());
    let (mut client, conn) = server.pair();
    let flood = pattern(4 << 20, 7);
    let sent = flood.clone();
    let sender = std::thread::spawn(move || client.write_all(&sent).map(|()| client));
    let (mut before, mut most) = (0, 0);
    for _ in 0..TURNS_MAX {
        server.step(5_000);
        let all = server.received.get(&conn).map_or(0, Vec::len);
        most = most.max(all - before);
        before = all;
        if all == flood.len() {
            break;
        }
    }
    assert_eq!(server.received[&conn], flood);
    drop(sender.join().expect("no panic").expect("all was taken"));
    // 32 receives at a time, and the kernel may come back to the socket within one enter.
    let bound = if server.reactor.caps_receives() { 512 << 10 } else { 4 << 20 };
    assert!(most <= bound, "{most} bytes in one turn");
}

#[test]
fn a_paused_connection_with_output_due_reports_that_its_peer_has_gone() {
    let mut server = Server::new(Config::default());
    let (client, conn) = server.pair();
    server.reactor.pause(conn);
    server.reactor.send(conn, pattern(32 << 20, 1));
    server.until("a stall", |server| !server.stalled.is_empty());
    drop(client);
    server.until("the end", |server| !server.closed.is_empty());
    server.reactor.close(conn, CloseMode::Now);
    server.until_gone();
}

#[test]
fn the_end_of_a_paused_peer_is_told_before_what_it_sent_is_read() {
    let mut server = Server::new(Config::default());
    let (mut client, conn) = server.pair();
    server.reactor.pause(conn);
    (0..3).for_each(|_| server.step(0));
    client.write_all(b"never mind").expect("open");
    (0..3).for_each(|_| server.step(1_000));
    assert!(server.hung_up.is_empty());
    drop(client);
    server.until("the end", |server| !server.hung_up.is_empty());
    assert!(server.closed.is_empty() && server.bytes_of(conn).is_empty());
    server.reactor.resume(conn);
    server.until("the real end", |server| !server.closed.is_empty());
    assert_eq!(server.bytes_of(conn), b"never mind");
    server.reactor.close(conn, CloseMode::Now);
    server.until_gone();
}

#[test]
fn a_connection_that_was_paused_tells_its_end_once_when_it_is_read_again() {
    let mut server = Server::new(Config::default());
    for mode in [CloseMode::Now, CloseMode::AfterFlush] {
        let (mut client, conn) = server.pair();
        for _ in 0..3 {
            server.reactor.pause(conn);
            server.step(0);
            server.reactor.resume(conn);
            server.step(0);
        }
        client.write_all(b"x").expect("open");
        server.until("a byte", |server| !server.bytes_of(conn).is_empty());
        drop(client);
        server.until("the end", |server| !server.closed.is_empty());
        assert!(server.hung_up.is_empty());
        server.closed.clear();
        server.reactor.close(conn, mode);
        server.until_gone();
    }
}

#[test]
fn a_reset_is_reported_once_and_sends_after_it_do_no_harm() {
    let mut server = Server::new(small());
    let (client, conn) = server.pair();
    let socket = socket2::SockRef::from(&client);
    socket.set_linger(Some(std::time::Duration::ZERO)).expect("an option");
    drop(client);
    server.until("the end", |server| !server.closed.is_empty());
    assert!(matches!(server.closed[0].1, Closed::Broken(_)));
    server.reactor.send(conn, b"hello?".to_vec());
    server.step(0);
    server.step(0);
    assert_eq!(server.closed.len(), 1);
    server.reactor.close(conn, CloseMode::AfterFlush);
    server.until_gone();
}

#[test]
fn two_thousand_connections_come_and_go_without_a_trace() {
    reactor::raise_open_files(8192).expect("readable");
    let mut server = Server::new(small());
    for round in 0..2u8 {
        let clients: Vec<TcpStream> = (0..2000)
            .map(|_| {
                let mut client = server.connect();
                client.write_all(b"hello").expect("open");
                server.step(0);
                client
            })
            .collect();
        server.until("all bytes", |server| server.received.len() == 2000);
        assert!(server.received.values().all(|bytes| bytes == b"hello"));
        if round == 0 {
            drop(clients);
            server.until("all ends", |server| server.closed.len() == 2000);
            let opened = std::mem::take(&mut server.opened);
            opened.iter().for_each(|conn| server.reactor.close(*conn, CloseMode::AfterFlush));
        } else {
            let opened = std::mem::take(&mut server.opened);
            opened.iter().for_each(|conn| server.reactor.close(*conn, CloseMode::Now));
            server.until_gone();
        }
        server.until_gone();
        server.received.clear();
    }
    assert_eq!(server.reactor.counters().connections_closed, 4000);
}

#[test]
fn scarce_buffers_delay_but_lose_nothing() {
    for fill_incrementally in [true, false] {
        let config = Config { buffers: 2, buffer_bytes: 512, fill_incrementally, ..small() };
        exhaust_buffers(config);
    }
}

fn exhaust_buffers(config: Config) {
    let mut server = Server::new(config);
    let clients: Vec<_> = (0..24u8).map(|seed| (server.pair(), seed)).collect();
    let writers: Vec<_> = clients
        .into_iter()
        .map(|((mut client, conn), seed)| {
            let writer = std::thread::spawn(move || {
                client.write_all(&pattern(20_000, seed)).expect("open");
                client
            });
            (writer, conn, seed)
        })
        .collect();
    server.until("all bytes", |server| {
        server.received.values().map(Vec::len).sum::<usize>() == 24 * 20_000
    });
    for (writer, conn, seed) in writers {
        assert!(server.bytes_of(conn) == pattern(20_000, seed));
        drop(writer.join().expect("asserts hold"));
        server.reactor.close(conn, CloseMode::Now);
    }
    assert!(server.reactor.counters().buffers_exhausted > 0, "the test means to run out");
    server.until_gone();
}

#[test]
fn a_full_reactor_gives_the_socket_back() {
    let mut server = Server::new(Config { connections_max: 2, ..small() });
    let clients: Vec<_> = (0..3).map(|_| server.connect()).collect();
    server.until("a refusal", |server| server.refused == 1);
    assert_eq!(server.opened.len(), 2);
    drop(clients);
}

#[test]
fn names_of_gone_connections_reach_nobody() {
    let mut server = Server::new(small());
    let (_client, old) = server.pair();
    server.reactor.close(old, CloseMode::Now);
    server.until_gone();
    let (mut client, new) = server.pair();
    assert!(new.index == old.index && new.generation != old.generation);
    server.reactor.send(old, b"for the old one".to_vec());
    server.reactor.pause(old);
    server.reactor.close(old, CloseMode::Now);
    server.reactor.send(new, b"for the new one".to_vec());
    server.reactor.close(new, CloseMode::AfterFlush);
    let mut got = Vec::new();
    let reader = std::thread::spawn(move || {
        client.read_to_end(&mut got).expect("no reset");
        got
    });
    server.until_gone();
    assert_eq!(reader.join().expect("asserts hold"), b"for the new one");
}

#[test]
fn unix_sockets_are_served_too() {
    let mut server = Server::new(small());
    server.echoes = true;
    let path = std::env::temp_dir().join(format!("corelane-reactor-{}", std::process::id()));
    let listener = server.reactor.listen(Listen::default().unix(&path, None).expect("free"));
    let mut client = UnixStream::connect(&path).expect("listening");
    client.write_all(b"hello").expect("open");
    server.until("an accept", |server| server.opened.len() == 1);
    let socket = server.reactor.socket(server.opened[0]).expect("open");
    assert_eq!(peer_address(&socket).expect("named"), format!("{}:0", path.display()));
    server.until("an echo", |server| server.reactor.counters().sends == 1);
    server.step(0);
    let mut got = [0; 5];
    client.read_exact(&mut got).expect("an echo");
    assert_eq!(&got, b"hello");
    server.reactor.unlisten(listener);
    server.until("the listener's end", |_| !path.exists());
    assert!(UnixStream::connect(&path).is_err());
}

#[test]
fn a_socket_accepted_here_may_be_adopted_there() {
    let mut here = Server::new(small());
    let mut there = Server::new(small());
    let mut client = here.connect();
    let peer = client.local_addr().expect("bound");
    let mut handed = None;
    while handed.is_none() {
        here.reactor.wait(5_000).expect("a working ring");
        here.reactor.poll(&mut here.turn, 64);
        for event in here.turn.events() {
            if let Event::Accepted { socket, .. } = event {
                handed = Some(socket);
            }
        }
        here.reactor.end_turn(&mut here.turn);
    }
    let conn = there.reactor.adopt(handed.expect("just taken")).expect("room");
    let socket = there.reactor.socket(conn).expect("open");
    assert_eq!(peer_address(&socket).expect("named"), peer.to_string());
    assert!(is_from_this_machine(&socket));
    client.write_all(b"hello").expect("open");
    there.until("the bytes", |there| there.bytes_of(conn) == b"hello");
}

/// Starts a reactor on another thread that counts its wake-ups until it has `wanted`.
fn sleeper(wanted: usize) -> (Waker, std::thread::JoinHandle<usize>) {
    let (tell, told) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        let mut server = Server::new(small());
        tell.send(server.reactor.waker()).expect("awaited");
        server.until("the wake-ups", |server| server.woken >= wanted);
        server.woken
    });
    (told.recv().expect("told"), thread)
}

#[test]
fn a_wake_up_reaches_another_ring_by_message_and_by_eventfd() {
    let works = message_ring_works().expect("two rings");
    for by_message in [works, false] {
        let (waker, thread) = sleeper(3);
        let mut server = Server::new(small());
        server.reactor.set_peers(vec![waker], by_message);
        for _ in 0..TURNS_MAX {
            server.reactor.wake(0);
            server.step(1_000);
            if thread.is_finished() {
                break;
            }
        }
        assert!(thread.join().expect("asserts hold") >= 3);
        // The sleeper's ring may be gone before the last message to it.
        assert!(by_message || server.reactor.counters().wakeups_failed == 0);
    }
}

#[test]
fn a_message_that_cannot_be_delivered_rings_the_alarm_instead() {
    let (waker, thread) = sleeper(1);
    let nowhere = message_to_no_ring(&waker);
    let mut server = Server::new(small());
    server.reactor.set_peers(vec![nowhere], true);
    server.reactor.wake(0);
    server.until("the failure", |server| server.reactor.counters().wakeups_failed == 1);
    assert!(thread.join().expect("asserts hold") >= 1);
}

/// The same alarm with a descriptor that is no ring.
fn message_to_no_ring(waker: &Waker) -> Waker {
    waker.with_ring_for_tests(std::fs::File::open("/dev/null").expect("there").into())
}

#[test]
fn this_kernel_sends_silently_and_fills_buffers_incrementally_or_says_so() {
    let reactor = Reactor::new(small()).expect("a ring");
    println!(
        "silent sends: {}, incremental buffers: {}, messages between rings: {}",
        reactor.sends_silently(),
        reactor.fills_buffers_incrementally(),
        message_ring_works().expect("two rings")
    );
}

#[test]
fn a_thread_without_a_ring_wakes_by_the_alarm() {
    let (waker, thread) = sleeper(1);
    waker.wake();
    assert!(thread.join().expect("asserts hold") >= 1);
}

#[test]
fn a_reactor_can_be_dropped_with_everything_under_way() {
    let mut server = Server::new(small());
    let (reads_not, first) = server.pair();
    let (_idle, _second) = server.pair();
    server.reactor.send(first, pattern(20_000_000, 9));
    server.until("a stall", |server| !server.stalled.is_empty());
    let (_fills, third) = server.pair();
    server.reactor.fill(third, Vec::new(), 1 << 20);
    server.step(0);
    let address = server.address;
    drop(server);
    drop(reads_not);
    assert!(TcpStream::connect(address).is_err(), "the listener is closed too");
}

#[test]
fn more_operations_than_the_submission_ring_holds_all_happen() {
    let mut server = Server::new(Config { submissions: 8, ..small() });
    server.echoes = true;
    let mut clients: Vec<_> = (0..100).map(|_| server.connect()).collect();
    server.until("all accepts", |server| server.opened.len() == 100);
    for (client, conn) in clients.iter_mut().zip(server.opened.clone()) {
        client.write_all(b"x").expect("open");
        server.reactor.pause(conn);
        server.reactor.resume(conn);
    }
    server.until("all echoes", |server| server.reactor.counters().sends == 100);
    server.step(0);
    for client in &mut clients {
        let mut got = [0];
        client.read_exact(&mut got).expect("an echo");
    }
}
