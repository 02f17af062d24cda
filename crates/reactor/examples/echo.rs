//! A server that answers `+PONG` to every line, to compare the CPU an operation costs on the bare
//! reactor with that of other servers:
//!
//! ```text
//! cargo run --release -p reactor --example echo -- 17010 [glommio]
//! redis-benchmark -p 17010 -t ping_inline -n 1000000 -c 50 [-P 16]
//! ```
//!
//! Prints its counters once a second while it works.

use base::ConnId;
use reactor::{CloseMode, Config, Event, Host, Listen, Reactor, Step, Turn, spawn_core};

const EVENTS_MAX: usize = 256;

struct Echo {
    reactor: Reactor,
    turn: Turn,
    outputs: Vec<(ConnId, Vec<u8>)>,
    reported_at_us: u64,
    enters: u64,
    operations: u64,
}

impl Echo {
    fn new(port: u16) -> Echo {
        let mut reactor = Reactor::new(Config::default()).expect("a ring");
        let turn = reactor.new_turn();
        let address = ([127, 0, 0, 1], port).into();
        reactor.listen(Listen::default().tcp(address).expect("a free port"));
        Echo { reactor, turn, outputs: Vec::new(), reported_at_us: 0, enters: 0, operations: 0 }
    }

    fn turn(&mut self) -> Step {
        let reactor = &mut self.reactor;
        reactor.wait(100_000).expect("a working ring");
        reactor.poll(&mut self.turn, EVENTS_MAX);
        for event in self.turn.events() {
            match event {
                Event::Accepted { socket, .. } => {
                    reactor.adopt(socket).expect("few connections");
                }
                Event::Received { conn, bytes } => {
                    let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
                    self.operations += lines as u64;
                    let mut output = reactor.take_spare();
                    (0..lines).for_each(|_| output.extend_from_slice(b"+PONG\r\n"));
                    self.outputs.push((conn, output));
                }
                Event::Closed { conn, .. } => reactor.close(conn, CloseMode::AfterFlush),
                Event::Filling { .. } | Event::Filled { .. } => {}
                Event::HungUp { .. } => {}
                Event::Stalled { .. } | Event::Drained { .. } | Event::Woken => {}
            }
        }
        for (conn, output) in self.outputs.drain(..) {
            reactor.send(conn, output);
        }
        reactor.end_turn(&mut self.turn);
        self.report();
        Step::Again
    }

    fn report(&mut self) {
        let now_us = self.reactor.now().mono_us;
        let enters = self.reactor.counters().enters;
        if now_us - self.reported_at_us > 1_000_000 {
            if self.operations > 0 {
                println!(
                    "{} operations, {} enters, {:?}",
                    self.operations,
                    enters - self.enters,
                    self.reactor.counters()
                );
            }
            (self.reported_at_us, self.enters, self.operations) = (now_us, enters, 0);
        }
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().and_then(|port| port.parse().ok()).unwrap_or(17010);
    let host =
        if arguments.next().as_deref() == Some("glommio") { Host::Glommio } else { Host::Thread };
    let core = spawn_core(host, Some(0), "echo", move || {
        let mut echo = Echo::new(port);
        move || echo.turn()
    });
    core.expect("a thread").join().expect("a working core");
}
