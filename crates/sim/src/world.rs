//! The world: true time, nodes, links, and a queue of what happens next.
//!
//! Events are ordered by time and, at the same instant, by the order in which they were made. All chance comes from
//! the seed: each node and each link has its own stream, so adding one does not change what happens to the others.

mod future;
mod streams;

use crate::clock::SimClock;
use crate::host::{Effect, Host, NOTICE};
use crate::link::Link;
use crate::record::Record;
use crate::server::{PROCESSING, RunningServer, Server};
use crate::time::{Calendar, START, TrueTime};
use core::cmp::Reverse;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use future::STEER_UNITS;
use ntp::config::Config;
use ntp::engine::{Input, Start};
use ntp::ids::{QueryId, SocketId};
use ntp::leap_table::LeapTable;
use ntp::rng::Rng;
use ntp::time::NANOS;
use std::collections::BinaryHeap;
pub use streams::{Second, Streams};

/// Time a name look-up takes, s.
const LOOKUP: f64 = 0.05;
/// Time between two readings of thermometers, s: the daemon's own.
const READING: f64 = 16.0;
/// The port servers listen on.
const NTP_PORT: u16 = 123;

/// A host or a server of this world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeId(usize);

enum Node {
    Host(Box<Host>),
    Server(Box<RunningServer>),
}

struct Connection {
    client: NodeId,
    server: NodeId,
    link: Link,
    rng: Rng,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A timer of this host may have run out; stale ones are recognised by their instant.
    Wake(usize),
    /// A request arrives at the server's end of a connection.
    Request { connection: usize, socket: SocketId, bytes: Vec<u8> },
    /// An answer arrives at the client's end.
    Answer { connection: usize, socket: SocketId, bytes: Vec<u8> },
    /// A look-up is done.
    Resolved { host: usize, query: QueryId, addresses: Vec<IpAddr> },
    /// Somebody steps the clock of a host, by so many nanoseconds.
    Step { host: usize, nanos: i64 },
    /// The host's loop looks whether somebody did.
    Notice(usize),
    /// Another program changes the frequency of a host's clock, in units of 2⁻³² s/s.
    Steer { host: usize, change: i64 },
    /// A host reads its thermometers.
    Temperatures(usize),
    /// A host goes to sleep.
    Sleep(usize),
    /// It wakes up, and the clock on its board was wrong by so many nanoseconds.
    Resume { host: usize, nanos: i64 },
}

/// When, in which order, what.
type Queued = Reverse<(TrueTime, u64, Event)>;

/// Everything there is.
pub struct World {
    now: TrueTime,
    seed: u64,
    queue: BinaryHeap<Queued>,
    serial: u64,
    nodes: Vec<Node>,
    /// When each node is to be woken next.
    wakes: Vec<Option<TrueTime>>,
    connections: Vec<Connection>,
    names: Vec<(String, Vec<IpAddr>)>,
    calendar: Calendar,
    grid: i64,
    next_sample: TrueTime,
    effects: Vec<Effect>,
    trace: u64,
}

impl World {
    /// An empty world, looked at once a second.
    pub fn new(seed: u64) -> Self {
        Self::with_grid(seed, 1.0)
    }

    /// An empty world whose hosts are looked at every `grid` seconds.
    pub fn with_grid(seed: u64, grid: f64) -> Self {
        Self {
            now: START,
            seed,
            queue: BinaryHeap::new(),
            serial: 0,
            nodes: Vec::new(),
            wakes: Vec::new(),
            connections: Vec::new(),
            names: Vec::new(),
            calendar: Calendar::default(),
            grid: ntp::time::seconds_to_nanos(grid).max(1),
            next_sample: START,
            effects: Vec::new(),
            trace: FNV_OFFSET,
        }
    }

    /// The calendar of all nodes added from now on.
    pub fn set_calendar(&mut self, calendar: Calendar) {
        self.calendar = calendar;
    }

    fn stream(&self, kind: u64, number: usize) -> Rng {
        Rng::from_number(self.seed.wrapping_mul(0x0100_0003) ^ kind << 56 ^ (number as u64) << 40)
    }

    fn push_node(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        self.wakes.push(None);
        NodeId(self.nodes.len() - 1)
    }

    /// The address a node has by its number: 10.77.0.1 is the first.
    pub fn address(node: NodeId) -> IpAddr {
        let [.., high, low] = (node.0 as u32 + 1).to_be_bytes();
        Ipv4Addr::new(10, 77, high, low).into()
    }

    /// Adds a server.
    pub fn add_server(&mut self, server: Server) -> NodeId {
        let rng = self.stream(1, self.nodes.len());
        self.push_node(Node::Server(Box::new(server.start_on(self.calendar, rng))))
    }

    /// Adds a host that is `offset` seconds wrong when the world begins; [`Self::start`] starts its daemon.
    pub fn add_host(&mut self, config: Config, clock: impl FnOnce(Rng) -> SimClock) -> NodeId {
        let number = self.nodes.len();
        let mut clock = clock(self.stream(2, number));
        clock.set_calendar(self.calendar);
        let reads = !clock.thermometers().is_empty();
        let host = Host::new(Self::address(NodeId(number)), clock, config, self.stream(3, number));
        if reads {
            self.push(self.now + READING, Event::Temperatures(number));
        }
        self.push_node(Node::Host(Box::new(host)))
    }

    /// Lays a link from a client to a server.
    pub fn connect(&mut self, client: NodeId, server: NodeId, link: Link) {
        let rng = self.stream(4, self.connections.len());
        self.connections.push(Connection { client, server, link, rng });
    }

    /// The name means these nodes from now on.
    pub fn set_name(&mut self, name: &str, nodes: &[NodeId]) {
        let addresses = nodes.iter().map(|&n| Self::address(n)).collect();
        self.names.retain(|(known, _)| known != name);
        self.names.push((name.to_owned(), addresses));
    }

    /// The present.
    pub fn now(&self) -> TrueTime {
        self.now
    }

    /// Starts the daemon of a host now.
    pub fn start(&mut self, node: NodeId, start: Start) {
        let (at, mut effects) = (self.now, core::mem::take(&mut self.effects));
        self.host_mut(node).start(at, start, &mut effects);
        self.effects = effects;
        self.settle(node.0);
    }

    /// Starts the daemon of a host now, with the dumps it left at its last end; `vouched`: the operator says that the
    /// clock has kept the time since.
    pub fn restart(&mut self, node: NodeId, start: Start, vouched: bool) {
        let (at, mut effects) = (self.now, core::mem::take(&mut self.effects));
        self.host_mut(node).restart(at, start, vouched, &mut effects);
        self.effects = effects;
        self.settle(node.0);
    }

    /// Ends the daemon of a host now.
    pub fn stop(&mut self, node: NodeId) {
        let at = self.now;
        self.host_mut(node).stop(at);
        self.settle(node.0);
    }

    /// Reboots a host whose daemon was stopped: the kernel starts afresh with a clock `offset` seconds wrong.
    pub fn reboot(&mut self, node: NodeId, offset: f64) {
        let at = self.now;
        self.host_mut(node).reboot(at, offset);
    }

    /// Gives a host a list of leap seconds, from its next start on.
    pub fn set_leap_table(&mut self, node: NodeId, table: LeapTable) {
        self.host_mut(node).leap_table = Some(table);
    }

    /// Puts another file of what was learned in the place of a host's.
    pub fn set_learned(&mut self, node: NodeId, text: Option<String>) {
        self.host_mut(node).learned = text;
    }

    /// Somebody from outside this world asks a host now. The answer, if there is one.
    pub fn ask(&mut self, node: NodeId, from: IpAddr, request: &[u8]) -> Option<Vec<u8>> {
        let (at, mut effects) = (self.now, core::mem::take(&mut self.effects));
        let answer = self.host_mut(node).respond(at, from, request, &mut effects);
        self.effects = effects;
        self.settle(node.0);
        answer
    }

    /// A host. It is an error of the caller to name another node.
    pub fn host(&self, node: NodeId) -> &Host {
        match &self.nodes[node.0] {
            Node::Host(host) => host,
            Node::Server(_) => panic!("node {} is a server, not a host", node.0),
        }
    }

    fn host_mut(&mut self, node: NodeId) -> &mut Host {
        match &mut self.nodes[node.0] {
            Node::Host(host) => host,
            Node::Server(_) => panic!("node {} is a server, not a host", node.0),
        }
    }

    /// A server. It is an error of the caller to name another node.
    pub fn server(&self, node: NodeId) -> &RunningServer {
        match &self.nodes[node.0] {
            Node::Server(server) => server,
            Node::Host(_) => panic!("node {} is a host, not a server", node.0),
        }
    }

    /// Writes down what a host is like in `record` from now on.
    pub fn set_record(&mut self, node: NodeId, record: Record) {
        self.host_mut(node).record = record;
    }

    /// What a host was like.
    pub fn record(&self, node: NodeId) -> &Record {
        &self.host(node).record
    }

    /// A number that two runs share only if everything in them was the same.
    pub fn trace(&self) -> u64 {
        self.trace
    }

    /// Lets the world go on until `seconds` after its beginning.
    pub fn run_until(&mut self, seconds: f64) {
        let end = TrueTime::after_start(seconds);
        while let Some(Reverse((at, ..))) = self.queue.peek() {
            if *at > end {
                break;
            }
            let Some(Reverse((at, serial, event))) = self.queue.pop() else { break };
            self.sample_until(at);
            self.now = at;
            self.note(&[at.nanos().cast_unsigned(), serial]);
            self.happen(event);
        }
        self.sample_until(end + 1e-9);
        self.now = end.max(self.now);
    }

    /// Samples are taken before what happens at the same instant.
    fn sample_until(&mut self, at: TrueTime) {
        while self.next_sample < at {
            let when = self.next_sample;
            for index in 0..self.nodes.len() {
                if let Node::Host(host) = &mut self.nodes[index] {
                    host.sample(when);
                    let now = host.clock().now();
                    self.note(&[now.raw.nanos().cast_unsigned()]);
                }
            }
            self.next_sample =
                TrueTime::from_nanos(when.nanos().saturating_add(self.grid.min(i64::MAX / NANOS * NANOS)));
        }
    }

    fn note(&mut self, words: &[u64]) {
        for word in words {
            self.trace = (self.trace ^ word).wrapping_mul(FNV_PRIME);
        }
    }

    fn push(&mut self, at: TrueTime, event: Event) {
        self.serial += 1;
        self.queue.push(Reverse((at.max(self.now), self.serial, event)));
    }

    fn happen(&mut self, event: Event) {
        let at = self.now;
        let mut effects = core::mem::take(&mut self.effects);
        let host = match event {
            Event::Wake(host) => {
                if self.wakes[host] != Some(at) {
                    self.effects = effects;
                    return;
                }
                self.wakes[host] = None;
                self.host_mut(NodeId(host)).wake(at, &mut effects);
                host
            }
            Event::Request { connection, socket, bytes } => {
                self.note_bytes(&bytes);
                let server = self.connections[connection].server.0;
                self.answer(connection, socket, &bytes, &mut effects);
                server
            }
            Event::Answer { connection, socket, bytes } => {
                self.note_bytes(&bytes);
                let Connection { client, server, .. } = self.connections[connection];
                let from = SocketAddr::new(Self::address(server), NTP_PORT);
                self.host_mut(client).receive(at, socket, from, &bytes, &mut effects);
                client.0
            }
            Event::Resolved { host, query, addresses } => {
                let input = Input::Resolved { query, result: &addresses };
                self.host_mut(NodeId(host)).handle(at, input, &mut effects);
                host
            }
            Event::Step { host, nanos } => {
                self.host_mut(NodeId(host)).step_from_outside(at, nanos as f64 * 1e-9);
                self.push(at + NOTICE, Event::Notice(host));
                host
            }
            Event::Steer { host, change } => {
                self.host_mut(NodeId(host)).steer_from_outside(at, change as f64 / STEER_UNITS);
                self.push(at + NOTICE, Event::Notice(host));
                host
            }
            Event::Temperatures(host) => {
                self.host_mut(NodeId(host)).read_temperatures(at, &mut effects);
                self.push(at + READING, Event::Temperatures(host));
                host
            }
            Event::Sleep(host) => {
                self.host_mut(NodeId(host)).sleep(at);
                host
            }
            Event::Resume { host, nanos } => {
                self.host_mut(NodeId(host)).resume(at, nanos as f64 * 1e-9);
                self.push(at + NOTICE, Event::Notice(host));
                host
            }
            Event::Notice(host) => {
                self.host_mut(NodeId(host)).notice_step(at, &mut effects);
                host
            }
        };
        self.effects = effects;
        self.settle(host);
    }

    fn note_bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.note(&[u64::from(*byte)]);
        }
    }

    /// The server's end of a connection: answer, and send the answer back.
    fn answer(&mut self, connection: usize, socket: SocketId, request: &[u8], effects: &mut Vec<Effect>) {
        let at = self.now;
        let Connection { client, server, .. } = self.connections[connection];
        let reply = match &mut self.nodes[server.0] {
            Node::Server(server) => server.respond(at, request),
            Node::Host(host) => host.respond(at, Self::address(client), request, effects),
        };
        let Some(bytes) = reply else { return };
        let leaves = at + PROCESSING;
        let Connection { link, rng, .. } = &mut self.connections[connection];
        for delay in link.back.copies(leaves.seconds(), rng).into_iter().flatten() {
            self.push(leaves + delay, Event::Answer { connection, socket, bytes: bytes.clone() });
        }
    }

    /// After an event at a node: its packets are on their way, its next timer is set.
    fn settle(&mut self, node: usize) {
        let mut effects = core::mem::take(&mut self.effects);
        for effect in effects.drain(..) {
            match effect {
                Effect::Request { socket, remote, bytes } => {
                    self.carry(node, socket, remote, bytes.as_slice());
                }
                Effect::Resolve { query, name } => {
                    let known = self.names.iter().find(|(known, _)| *known == name);
                    let addresses = known.map(|(_, addresses)| addresses.clone()).unwrap_or_default();
                    self.push(self.now + LOOKUP, Event::Resolved { host: node, query, addresses });
                }
            }
        }
        self.effects = effects;
        let Node::Host(host) = &self.nodes[node] else { return };
        let next = host.next_wake().map(|at| at.max(self.now));
        if let Some(at) = next
            && self.wakes[node] != next
        {
            self.push(at, Event::Wake(node));
        }
        self.wakes[node] = next;
    }

    fn carry(&mut self, client: usize, socket: SocketId, remote: SocketAddr, bytes: &[u8]) {
        let wanted = |c: &Connection| c.client.0 == client && Self::address(c.server) == remote.ip();
        let Some(connection) = self.connections.iter().position(wanted) else { return };
        let Connection { link, rng, .. } = &mut self.connections[connection];
        for delay in link.there.copies(self.now.seconds(), rng).into_iter().flatten() {
            let event = Event::Request { connection, socket, bytes: bytes.to_vec() };
            self.push(self.now + delay, event);
        }
    }
}

/// The hash of Fowler, Noll and Vo, 64 bits.
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;
