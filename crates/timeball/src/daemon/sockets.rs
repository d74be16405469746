//! Which sockets exist: two that serve time, two and a path for commands, one per request of ours.
//!
//! Options that only make things better (kernel stamps, the destination's address, marks) may be refused: the
//! packet is then stamped by the daemon, or answered as the kernel routes. Addresses and devices may not.

mod client;
mod commands;
mod serving;

pub use client::ClientSocket;
pub use commands::CommandSockets;
pub use serving::{ServerSockets, ServingSocket};

use std::net::{IpAddr, SocketAddr};
use sys::socket::{Family as Domain, Socket};

/// Something for the log.
#[derive(Debug, PartialEq, Eq)]
pub enum Note {
    /// A socket that cannot be had.
    Error(String),
    /// What was done instead.
    Warning(String),
}

/// Is there a route to `remote`? A connected socket tells, and no packet is sent.
pub fn has_route(remote: SocketAddr) -> bool {
    Socket::udp(Domain::of(&remote)).and_then(|socket| socket.connect(remote)).is_ok()
}

/// The interface a reply must leave by: named only for link-local peers, else the routes decide.
pub fn pinned_interface(to: SocketAddr, arrived_by: u32) -> u32 {
    match to.ip() {
        IpAddr::V6(ip) if ip.is_unicast_link_local() => arrived_by,
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
