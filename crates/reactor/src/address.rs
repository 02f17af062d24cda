//! Addresses of sockets, as CLIENT LIST and the cluster face show them.

use socket2::{SockAddr, SockRef};
use std::io;
use std::os::fd::AsFd;

/// The peer's address as text: `10.1.2.3:4567`, `[fe80::1]:4567`, or a UNIX socket's path with `:0`, as
/// Redis writes it.
pub fn peer_address(socket: &impl AsFd) -> io::Result<String> {
    let peer = SockRef::from(socket).peer_addr()?;
    // A UNIX client has no name; the path is the listener's.
    let named = if peer.is_unix() { SockRef::from(socket).local_addr()? } else { peer };
    Ok(text_of(&named))
}

/// Our own address as the peer sees it: the address a client came in by.
pub fn local_address(socket: &impl AsFd) -> io::Result<String> {
    Ok(text_of(&SockRef::from(socket).local_addr()?))
}

/// Whether the peer is on this machine: a UNIX socket or a loopback address (`protected-mode` asks).
pub fn is_from_this_machine(socket: &impl AsFd) -> bool {
    let peer = SockRef::from(socket).peer_addr();
    peer.is_ok_and(|peer| match peer.as_socket() {
        Some(address) => address.ip().to_canonical().is_loopback(),
        None => peer.is_unix(),
    })
}

fn text_of(address: &SockAddr) -> String {
    match address.as_socket() {
        Some(socket) => socket.to_string(),
        None => {
            let path = address.as_pathname().map(|path| path.display().to_string());
            format!("{}:0", path.unwrap_or_default())
        }
    }
}
