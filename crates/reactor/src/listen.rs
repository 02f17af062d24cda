//! Listening sockets, and accepting from them.
//!
//! Linux hands TCP_NODELAY and the keepalive options of a listening socket on to what it accepts, so
//! they are set once here and cost nothing at each connection.

use crate::event::{Happening, Turn};
use crate::reactor::Reactor;
use crate::token::{Kind, Token};
use io_uring::types::Fd;
use io_uring::{cqueue, opcode};
use socket2::{Domain, Protocol, SockAddr, Socket, TcpKeepalive, Type};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a listener rests after descriptors or memory ran out, in microseconds.
const REST_US: u64 = 100_000;

/// How often and how long apart binding a port in use is tried again: the kernel takes the ring of a
/// killed process down after its exit, and its listeners with it, so a quick restart finds the port taken.
const IN_USE_RETRIES: u32 = 15;
const IN_USE_PAUSE: Duration = Duration::from_millis(20);

/// What listening sockets have in common.
#[derive(Clone, Debug)]
pub struct Listen {
    /// Connections that the kernel completes before they are accepted (`tcp-backlog`).
    pub backlog: i32,
    /// Seconds without traffic before the kernel probes a peer; 0 means never (`tcp-keepalive`).
    pub keepalive_s: u64,
}

impl Default for Listen {
    fn default() -> Listen {
        Listen { backlog: 511, keepalive_s: 300 }
    }
}

/// A socket that listens; may be made on one thread and given to the reactor of another.
#[derive(Debug)]
pub struct Listening {
    socket: Socket,
    /// Removed when the listener is dropped.
    path: Option<PathBuf>,
}

/// Why an address cannot be listened on.
#[derive(Debug)]
pub struct ListenError {
    /// The address or path.
    pub address: String,
    /// What the system said.
    pub source: io::Error,
}

impl ListenError {
    /// Whether this machine has no such address, or not that family of addresses.
    pub fn is_unavailable(&self) -> bool {
        let codes = [libc::EADDRNOTAVAIL, libc::EAFNOSUPPORT, libc::EPROTONOSUPPORT];
        self.source.raw_os_error().is_some_and(|code| codes.contains(&code))
    }
}

impl fmt::Display for ListenError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = &self.address;
        let advice = match self.source.raw_os_error() {
            Some(libc::EADDRINUSE) => {
                "it is in use; stop what listens there or choose another port"
            }
            Some(libc::EADDRNOTAVAIL) => "this machine has no such address; change `bind`",
            Some(libc::EACCES) => {
                "not permitted; ports below 1024 need a privilege, paths a writable folder"
            }
            _ => return write!(out, "cannot listen on {address}: {}", self.source),
        };
        write!(out, "cannot listen on {address}: {advice}")
    }
}

impl std::error::Error for ListenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

impl Listen {
    /// Binds a TCP address. Port 0 lets the system choose (see [`Listening::local_address`]). An IPv6
    /// socket takes IPv6 only, so that both families can be bound side by side. Blocks for up to 300 ms while
    /// the port is in use.
    pub fn tcp(&self, address: SocketAddr) -> Result<Listening, ListenError> {
        let mut bound = self.try_tcp(address);
        for _ in 0..IN_USE_RETRIES {
            if !matches!(&bound, Err(error) if error.raw_os_error() == Some(libc::EADDRINUSE)) {
                break;
            }
            std::thread::sleep(IN_USE_PAUSE);
            bound = self.try_tcp(address);
        }
        bound.map_err(|source| ListenError { address: address.to_string(), source })
    }

    fn try_tcp(&self, address: SocketAddr) -> io::Result<Listening> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_tcp_nodelay(true)?;
        set_keepalive(&socket, self.keepalive_s)?;
        socket.bind(&address.into())?;
        socket.listen(self.backlog)?;
        Ok(Listening { socket, path: None })
    }

    /// Binds a UNIX path with these permissions (`unixsocketperm`). A socket file left there by an earlier
    /// run is replaced; any other file is an error.
    pub fn unix(&self, path: &Path, mode: Option<u32>) -> Result<Listening, ListenError> {
        let bound = self.try_unix(path, mode);
        bound.map_err(|source| ListenError { address: path.display().to_string(), source })
    }

    fn try_unix(&self, path: &Path, mode: Option<u32>) -> io::Result<Listening> {
        let is_socket = |meta: std::fs::Metadata| meta.file_type().is_socket();
        if std::fs::symlink_metadata(path).is_ok_and(is_socket) {
            std::fs::remove_file(path)?;
        }
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.bind(&SockAddr::unix(path)?)?;
        if let Some(mode) = mode {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
        }
        socket.listen(self.backlog)?;
        Ok(Listening { socket, path: Some(path.to_owned()) })
    }
}

impl Listening {
    /// The address it is bound to, for TCP.
    pub fn local_address(&self) -> Option<SocketAddr> {
        self.socket.local_addr().ok()?.as_socket()
    }

    /// Changes the keepalive of connections accepted from now on.
    pub fn set_keepalive(&self, seconds: u64) -> io::Result<()> {
        if self.path.is_some() { Ok(()) } else { set_keepalive(&self.socket, seconds) }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // Gone already is as good.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Probes begin after `seconds`, repeat after a third of them, and three without an answer end the
/// connection; 0 turns them off.
fn set_keepalive(socket: &Socket, seconds: u64) -> io::Result<()> {
    if seconds == 0 {
        return socket.set_keepalive(false);
    }
    let probes = TcpKeepalive::new()
        .with_time(Duration::from_secs(seconds))
        .with_interval(Duration::from_secs((seconds / 3).max(1)))
        .with_retries(3);
    socket.set_tcp_keepalive(&probes)
}

/// A listening socket of this reactor.
pub(crate) struct Listener {
    listening: Listening,
    pub(crate) armed: bool,
    pub(crate) closing: bool,
    /// It rests until then, in microseconds of the monotonic clock.
    rests_until_us: Option<u64>,
}

impl Listener {
    pub(crate) fn new(listening: Listening) -> Listener {
        Listener { listening, armed: false, closing: false, rests_until_us: None }
    }
}

impl Reactor {
    /// Changes the keepalive of connections that all listeners accept from now on.
    pub fn set_keepalive(&mut self, seconds: u64) -> io::Result<()> {
        self.listeners.iter().flatten().try_for_each(|open| open.listening.set_keepalive(seconds))
    }

    pub(crate) fn arm_listener(&mut self, index: usize) {
        let Some(open) = &mut self.listeners[index] else { return };
        open.armed = true;
        open.rests_until_us = None;
        let fd = Fd(open.listening.socket.as_raw_fd());
        let accept = opcode::AcceptMulti::new(fd).flags(libc::SOCK_CLOEXEC).build();
        self.push_plain(accept.user_data(Token::new(Kind::Accept, index as u32, 0).0));
    }

    /// Starts listeners again that have rested long enough.
    pub(crate) fn restart_listeners(&mut self, now_us: u64) {
        for index in 0..self.listeners.len() {
            let rested = |open: &Listener| open.rests_until_us.is_some_and(|until| until <= now_us);
            if self.listeners[index].as_ref().is_some_and(rested) {
                self.counters.rearms += 1;
                self.arm_listener(index);
            }
        }
    }

    pub(crate) fn on_accept(&mut self, index: u32, result: i32, flags: u32, turn: &mut Turn) {
        if result >= 0 {
            self.counters.accepts += 1;
            turn.happenings.push(Happening::Accepted { socket: result, listener: index });
        }
        if cqueue::more(flags) {
            return;
        }
        let now_us = self.clock.now().mono_us;
        let Some(open) = &mut self.listeners[index as usize] else { return };
        open.armed = false;
        if open.closing {
            self.listeners[index as usize] = None;
        } else if matches!(-result, libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) {
            self.counters.accepts_failed += 1;
            open.rests_until_us = Some(now_us + REST_US);
        } else {
            self.counters.rearms += 1;
            self.arm_listener(index as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_named_in_the_error() {
        let first =
            Listen::default().tcp("127.0.0.1:0".parse().expect("an address")).expect("free");
        let taken = first.local_address().expect("TCP");
        let error = Listen::default().tcp(taken).expect_err("taken");
        assert!(error.to_string().starts_with(&format!("cannot listen on {taken}: it is in use")));
    }

    #[test]
    fn a_foreign_address_is_named_in_the_error() {
        let error =
            Listen::default().tcp("192.0.2.1:0".parse().expect("an address")).expect_err("foreign");
        assert!(error.to_string().contains("change `bind`"), "{error}");
    }

    #[test]
    fn a_unix_path_replaces_a_socket_but_no_other_file_and_vanishes_with_its_listener() {
        let path = std::env::temp_dir().join(format!("corelane-listen-{}", std::process::id()));
        let first = Listen::default().unix(&path, Some(0o700)).expect("free");
        let mode = std::fs::metadata(&path).expect("bound").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let second = Listen::default().unix(&path, None).expect("replaces the socket");
        drop(first);
        drop(second);
        assert!(!path.exists());
        std::fs::write(&path, "precious").expect("writable");
        assert!(Listen::default().unix(&path, None).is_err());
        assert_eq!(std::fs::read(&path).expect("untouched"), b"precious");
        std::fs::remove_file(&path).expect("ours");
    }
}
