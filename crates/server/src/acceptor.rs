//! Which core gets a new connection, and who is turned away.
//!
//! Core 0 owns all listeners. A connection of the common port goes to the core with the fewest
//! connections; one of a core port to that core. Numbers of clients are given out here, so they
//! grow with time over the whole process.

use base::CoreId;
use engine::event::Peer;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

/// What a listener is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// The common port or the UNIX socket: the standalone face.
    Common,
    /// A core's own port: the cluster face.
    Core(CoreId),
}

/// Both ends of a connection as the kernel names them.
#[derive(Clone, Debug)]
pub struct Ends {
    /// The other side, as CLIENT LIST shows it.
    pub peer: String,
    /// Our side.
    pub local: String,
    /// The other side's address; none for a UNIX socket.
    pub ip: Option<IpAddr>,
}

impl Ends {
    /// Asks the kernel. A connection that is gone already has empty ends.
    pub fn of(socket: &OwnedFd) -> Ends {
        let peer = reactor::peer_address(socket).unwrap_or_default();
        let local = reactor::local_address(socket).unwrap_or_default();
        let ip = peer.parse::<SocketAddr>().ok().map(|address| address.ip());
        Ends { peer, local, ip }
    }
}

/// What the acceptor remembers.
#[derive(Debug)]
pub struct Acceptor {
    connections: Vec<usize>,
    total: usize,
    last_client_id: u64,
    /// `maxclients`, as far as the limit of file descriptors allows.
    pub clients_max: usize,
    /// Whether connections from other machines are refused: `protected-mode` without a password.
    pub protected: bool,
}

/// What a client over `maxclients` is told.
const TOO_MANY: &str = "-ERR max number of clients reached\r\n";

/// What a client from elsewhere is told in protected mode.
const PROTECTED: &str = "-DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the default user. In this mode connections are only accepted from the loopback interface. If you want to connect from external computers to Redis you may adopt one of the following solutions: 1) Just disable protected mode sending the command 'CONFIG SET protected-mode no' from the loopback interface by connecting to Redis from the same host the server is running, however MAKE SURE Redis is not publicly accessible from internet if you do so. Use CONFIG REWRITE to make this change permanent. 2) Alternatively you can just disable the protected mode by editing the Redis configuration file, and setting the protected mode option to 'no', and then restarting the server. 3) If you started the server manually just for testing, restart it with the '--protected-mode no' option. 4) Setup a an authentication password for the default user. NOTE: You only need to do one of the above things in order for the server to start accepting connections from the outside.\r\n";

impl Acceptor {
    /// An acceptor without connections.
    pub fn new(cores: usize, clients_max: usize, protected: bool) -> Acceptor {
        Acceptor {
            connections: vec![0; cores],
            total: 0,
            last_client_id: 0,
            clients_max,
            protected,
        }
    }

    /// The core for a new connection, and what its engine is told about it. O(cores).
    pub fn place(&mut self, door: Door, ends: Ends) -> (CoreId, Peer) {
        let core = match door {
            Door::Core(core) => core,
            Door::Common => self.least_busy(),
        };
        let is_local = ends.ip.is_none_or(|ip| ip.is_loopback());
        let refuse = if self.total >= self.clients_max {
            Some(TOO_MANY)
        } else if self.protected && !is_local {
            Some(PROTECTED)
        } else {
            None
        };
        self.connections[core.index()] += 1;
        self.total += 1;
        self.last_client_id += 1;
        let peer = Peer {
            client_id: self.last_client_id,
            address: ends.peer,
            local_address: ends.local,
            is_local,
            is_unix: ends.ip.is_none(),
            cluster_face: matches!(door, Door::Core(_)),
            refuse,
        };
        (core, peer)
    }

    /// A connection of a core is gone.
    pub fn gone(&mut self, core: CoreId) {
        self.connections[core.index()] -= 1;
        self.total -= 1;
    }

    fn least_busy(&self) -> CoreId {
        let fewest = self.connections.iter().enumerate().min_by_key(|(_, count)| **count);
        CoreId(fewest.map_or(0, |(core, _)| core as u16))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(ip: &str) -> Ends {
        Ends { peer: format!("{ip}:1"), local: "127.0.0.1:6379".to_owned(), ip: ip.parse().ok() }
    }

    #[test]
    fn connections_go_to_the_core_with_the_fewest() {
        let mut acceptor = Acceptor::new(2, 10, false);
        let cores: Vec<u16> =
            (0..4).map(|_| acceptor.place(Door::Common, ends("127.0.0.1")).0.0).collect();
        assert_eq!(cores, [0, 1, 0, 1]);
        acceptor.gone(CoreId(1));
        assert_eq!(acceptor.place(Door::Common, ends("127.0.0.1")).0, CoreId(1));
        assert_eq!(acceptor.place(Door::Core(CoreId(0)), ends("127.0.0.1")).0, CoreId(0));
    }

    #[test]
    fn clients_over_the_limit_and_strangers_in_protected_mode_are_refused() {
        let mut acceptor = Acceptor::new(1, 2, true);
        assert!(acceptor.place(Door::Common, ends("::1")).1.refuse.is_none());
        assert!(
            acceptor.place(Door::Common, ends("10.0.0.1")).1.refuse.unwrap().starts_with("-DENIED")
        );
        assert_eq!(acceptor.place(Door::Common, ends("127.0.0.1")).1.refuse, Some(TOO_MANY));
    }
}
