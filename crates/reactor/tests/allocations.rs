//! In the steady state a reactor allocates nothing.

use reactor::{Config, Event, Listen, Reactor, Turn};
use std::io::{Read, Write};
use std::net::TcpStream;

/// One turn that echoes.
fn step(reactor: &mut Reactor, turn: &mut Turn) {
    reactor.wait(1_000).expect("a working ring");
    reactor.poll(turn, 64);
    for event in turn.events() {
        match event {
            Event::Accepted { socket, .. } => drop(reactor.adopt(socket).expect("room")),
            Event::Received { conn, bytes } => {
                let mut output = reactor.take_spare();
                output.extend_from_slice(bytes);
                reactor.send(conn, output);
            }
            _ => {}
        }
    }
    reactor.end_turn(turn);
}

#[test]
fn echoing_allocates_nothing_in_the_steady_state() {
    let mut reactor = Reactor::new(Config::default()).expect("a ring");
    let mut turn = reactor.new_turn();
    let loopback = "127.0.0.1:0".parse().expect("an address");
    let listening = Listen::default().tcp(loopback).expect("free");
    let address = listening.local_address().expect("TCP");
    reactor.listen(listening);
    let mut clients: Vec<_> =
        (0..20).map(|_| TcpStream::connect(address).expect("backlog")).collect();
    // Requests of a length that divides a receive buffer's come in one piece, so that none is answered by
    // two sends of one turn, which would queue.
    let mut rounds = |count: usize| {
        for _ in 0..count {
            let bytes = reactor.counters().sent_bytes + 128 * clients.len() as u64;
            clients.iter_mut().for_each(|client| client.write_all(&[7; 128]).expect("open"));
            while reactor.counters().sent_bytes < bytes {
                step(&mut reactor, &mut turn);
            }
            step(&mut reactor, &mut turn);
            clients.iter_mut().for_each(|client| client.read_exact(&mut [0; 128]).expect("echo"));
        }
    };
    rounds(50);
    let counted = allocation_counter::measure(|| rounds(500));
    assert_eq!(counted.count_total, 0, "{counted:?}");
}
