//! What happens when the process has no file descriptors left; a process of its own, because the limit is
//! the process'.

use reactor::{Config, Event, Listen, Reactor};
use std::net::TcpStream;

fn set_soft_limit(files: u64) {
    let limit = libc::rlimit { rlim_cur: files, rlim_max: 20_000.max(files) };
    let mut current = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both structures live during the calls.
    let outcome = unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut current);
        let limit = libc::rlimit { rlim_max: current.rlim_max, ..limit };
        libc::setrlimit(libc::RLIMIT_NOFILE, &limit)
    };
    assert_eq!(outcome, 0);
}

#[test]
fn a_listener_rests_without_descriptors_and_goes_on_with_them() {
    let mut reactor = Reactor::new(Config::default()).expect("a ring");
    let mut turn = reactor.new_turn();
    let loopback = "127.0.0.1:0".parse().expect("an address");
    let listening = Listen::default().tcp(loopback).expect("free");
    let address = listening.local_address().expect("TCP");
    reactor.listen(listening);
    let clients: Vec<_> = (0..8).map(|_| TcpStream::connect(address).expect("backlog")).collect();
    let free = clients.iter().map(std::os::fd::AsRawFd::as_raw_fd).max();
    set_soft_limit(free.expect("eight") as u64 + 3);
    let mut accepted = Vec::new();
    let mut run = |reactor: &mut Reactor, accepted: &mut Vec<_>| {
        reactor.wait(10_000).expect("a working ring");
        reactor.poll(&mut turn, 64);
        for event in turn.events() {
            if let Event::Accepted { socket, .. } = event {
                accepted.push(socket);
            }
        }
        reactor.end_turn(&mut turn);
    };
    for _ in 0..50 {
        run(&mut reactor, &mut accepted);
    }
    let failed = reactor.counters().accepts_failed;
    assert!(accepted.len() < clients.len());
    assert!((1..20).contains(&failed), "it rests instead of failing at each turn: {failed}");
    set_soft_limit(1000);
    for _ in 0..1000 {
        run(&mut reactor, &mut accepted);
        if accepted.len() == clients.len() {
            return;
        }
    }
    panic!("accepted {} of {}", accepted.len(), clients.len());
}
