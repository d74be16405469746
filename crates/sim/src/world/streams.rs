//! What a world does to one host whatever the host's daemon does: its oscillator, the ways to its servers, their clocks.

use super::{Node, NodeId, World};
use crate::clock::SimClock;
use crate::link::Link;
use crate::server::RunningServer;
use crate::time::TrueTime;
use ntp::rng::Rng;

/// One second of a host's world.
#[derive(Clone, Debug, PartialEq)]
pub struct Second {
    /// Frequency error of the oscillator during it, s/s.
    pub oscillator: f64,
    /// Each server in the order of the connections.
    pub ways: Vec<WaySecond>,
}

/// One second of the ways to and from one server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WaySecond {
    /// Delay of a packet that leaves for the server in it, s; `None`: it is lost.
    pub there: Option<f64>,
    /// Delay of one that leaves the server in it, s.
    pub back: Option<f64>,
    /// Error of the server when it begins, s.
    pub error: f64,
}

/// All seconds of a host's world, from the first on.
///
/// The oscillator does exactly what it does in the run of this world. The delays follow the same laws, but are drawn one for
/// each second and not one for each packet.
pub struct Streams {
    clock: SimClock,
    servers: Vec<(Link, Rng, RunningServer)>,
    second: u32,
}

impl World {
    /// The streams of a host. The world must not have gone on yet; servers that are hosts are left out.
    pub fn streams(&self, host: NodeId) -> Streams {
        let of_host = self.connections.iter().enumerate().filter(|(_, c)| c.client == host);
        let servers = of_host.filter_map(|(index, connection)| match &self.nodes[connection.server.0] {
            Node::Server(server) => {
                Some((connection.link.clone(), self.stream(4, index), (**server).clone()))
            }
            Node::Host(_) => None,
        });
        Streams { clock: self.host(host).clock().clone(), servers: servers.collect(), second: 0 }
    }
}

impl Iterator for Streams {
    type Item = Second;

    /// Never ends.
    fn next(&mut self) -> Option<Second> {
        let seconds = f64::from(self.second);
        let at = TrueTime::after_start(seconds);
        self.second += 1;
        self.clock.advance(at);
        let ways = self.servers.iter_mut().map(|(link, rng, server)| WaySecond {
            there: link.there.copies(seconds, rng)[0],
            back: link.back.copies(seconds, rng)[0],
            error: server.error(at),
        });
        let ways = ways.collect();
        Some(Second { oscillator: self.clock.oscillator_error(), ways })
    }
}
