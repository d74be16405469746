//! Talking to a daemon: one request, one reply, over a Unix socket or UDP.
//!
//! The rules are those of chrony's control protocol, version 6: addresses are tried in order, a request is sent up to
//! `1 + retries` times with a timeout that doubles, every sending has a new random sequence number, and only a reply
//! that echoes command and sequence counts. Read [`Client::exchange`] first.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ntp::config::Family;
use ntp::control::{REPLY_HEADER, REQUEST_HEADER, Status, VERSION};

use super::random;
use super::unix::UnixLink;

/// Oldest version whose "wrong version" reply is understood.
const OLDEST_ANSWER: u8 = 4;
/// The version before replies were limited to the length of requests; short requests, no padding.
const UNPADDED_VERSION: u8 = 5;
/// Longest reply there is (clients, 520 bytes), with room for what later daemons may append.
const LONGEST_REPLY: usize = 1024;
/// Names in `-h` resolve to at most this many addresses each.
const ADDRESSES_PER_NAME: usize = 16;

/// One request: the number, the body, and how long it must be on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Command number.
    pub command: u16,
    /// Bytes after the header.
    pub body: Vec<u8>,
    /// Length on the wire, header and padding included; never less than header and body.
    pub length: usize,
}

/// One reply that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Reply code: the layout of the body.
    pub code: u16,
    /// How it went.
    pub status: Status,
    body: Vec<u8>,
}

impl Reply {
    /// What follows the header.
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

/// Nobody answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoAnswer;

/// Where a daemon may be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A Unix datagram socket.
    Unix(PathBuf),
    /// UDP.
    Udp(SocketAddr),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "{}", path.display()),
            Self::Udp(address) => write!(f, "{address}"),
        }
    }
}

enum Link {
    Unix(UnixLink),
    Udp(UdpSocket),
}

/// A conversation with one daemon, found among several endpoints.
pub struct Client {
    endpoints: Vec<Endpoint>,
    link: Option<(usize, Link)>,
    version: u8,
    /// First timeout; doubles with each resend.
    pub timeout: Duration,
    /// Resends after the first sending.
    pub retries: u32,
    /// Says on stderr what is sent and received.
    pub debug: bool,
}

/// What waiting for one reply ended with.
enum Waited {
    Accepted(Reply),
    /// The daemon wants the version without padding.
    SpeaksUnpadded,
    TimedOut,
    /// The socket is of no use (connection refused).
    Broken,
}

impl Client {
    /// A client of the first of `endpoints` that answers; nothing is opened yet.
    pub fn new(endpoints: Vec<Endpoint>) -> Self {
        Self {
            endpoints,
            link: None,
            version: VERSION,
            timeout: Duration::from_secs(1),
            retries: 2,
            debug: false,
        }
    }

    /// Opens the first endpoint that can be opened; that nobody listens there shows later.
    pub fn open(&mut self) -> Result<(), NoAnswer> {
        if self.link.is_some() { Ok(()) } else { self.open_from(0) }
    }

    /// The endpoint in use.
    pub fn endpoint(&self) -> Option<&Endpoint> {
        self.link.as_ref().and_then(|(index, _)| self.endpoints.get(*index))
    }

    /// Every endpoint, in the order in which they are tried.
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// Sends `request` and returns the reply to it.
    ///
    /// At most `1 + retries` sendings for each endpoint. After the last endpoint the next call starts with the first.
    /// A reply that is not `complete` counts as lost.
    pub fn exchange(&mut self, request: &Request, complete: &dyn Fn(&Reply) -> bool) -> Result<Reply, NoAnswer> {
        self.open()?;
        loop {
            match self.exchange_here(request, complete) {
                Some(reply) => return Ok(reply),
                None => {
                    let next = self.link.take().map_or(0, |(index, _)| index + 1);
                    self.open_from(next)?;
                }
            }
        }
    }

    fn open_from(&mut self, first: usize) -> Result<(), NoAnswer> {
        for (index, endpoint) in self.endpoints.iter().enumerate().skip(first) {
            match Link::open(endpoint) {
                Ok(link) => {
                    self.link = Some((index, link));
                    return Ok(());
                }
                Err(error) if self.debug => eprintln!("{endpoint}: {error}"),
                Err(_) => {}
            }
        }
        Err(NoAnswer)
    }

    /// All sendings to the open endpoint; `None` when it is of no use.
    fn exchange_here(&mut self, request: &Request, complete: &dyn Fn(&Reply) -> bool) -> Option<Reply> {
        let mut attempt = 0;
        let mut timeout = self.timeout;
        loop {
            let sequence = random::bytes::<4>();
            let packet = encode(request, self.version, attempt as u16, sequence);
            let (_, link) = self.link.as_ref()?;
            if self.debug {
                eprintln!("sent command {} length {} attempt {attempt}", request.command, packet.len());
            }
            link.send(&packet).ok()?;
            match self.wait(request.command, sequence, timeout) {
                Waited::Accepted(reply) if complete(&reply) => return Some(reply),
                Waited::Broken => return None,
                Waited::SpeaksUnpadded => {
                    self.version = UNPADDED_VERSION;
                    attempt = 0;
                    continue; // not the fault of this attempt
                }
                Waited::Accepted(_) | Waited::TimedOut => {}
            }
            if attempt >= self.retries {
                return None;
            }
            attempt += 1;
            timeout = timeout.saturating_mul(2);
        }
    }

    /// Waits for the reply to `command` with `sequence`, ignoring everything else.
    fn wait(&self, command: u16, sequence: [u8; 4], timeout: Duration) -> Waited {
        let Some((_, link)) = self.link.as_ref() else { return Waited::Broken };
        let deadline = Instant::now() + timeout;
        let mut buffer = [0; LONGEST_REPLY];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Waited::TimedOut;
            }
            let length = match link.receive(&mut buffer, left) {
                Ok(length) => length,
                Err(error) if is_timeout(&error) => continue,
                Err(_) => return Waited::Broken,
            };
            let Some(bytes) = buffer.get(..length) else { continue };
            let Some(reply) = self.accept(bytes, command, sequence) else { continue };
            if self.debug {
                eprintln!("received reply {} \"{}\" length {length}", reply.code, reply.status);
            }
            let foreign = bytes.first() != Some(&self.version);
            if foreign && self.version == VERSION && bytes.first() == Some(&UNPADDED_VERSION) {
                return Waited::SpeaksUnpadded;
            }
            return Waited::Accepted(reply);
        }
    }

    /// The reply in `bytes`, if it is one, and the one to `command` with `sequence`.
    fn accept(&self, bytes: &[u8], command: u16, sequence: [u8; 4]) -> Option<Reply> {
        if bytes.len() < REPLY_HEADER {
            return None;
        }
        let word = |at: usize| bytes.get(at..)?.first_chunk().map(|pair| u16::from_be_bytes(*pair));
        let (code, status) = (word(6)?, Status::from_code(word(8)?));
        let version = *bytes.first()?;
        if version != self.version && (version < OLDEST_ANSWER || status != Status::BadVersion) {
            return None;
        }
        let is_reply = bytes.get(1..4) == Some(&[2, 0, 0]);
        let is_ours = word(4) == Some(command) && bytes.get(16..20) == Some(&sequence);
        (is_reply && is_ours).then(|| Reply { code, status, body: bytes.get(REPLY_HEADER..).unwrap_or_default().to_vec() })
    }
}

/// The datagram of `request`.
fn encode(request: &Request, version: u8, attempt: u16, sequence: [u8; 4]) -> Vec<u8> {
    let mut packet = Vec::with_capacity(request.length);
    packet.extend_from_slice(&[version, 1, 0, 0]);
    packet.extend_from_slice(&request.command.to_be_bytes());
    packet.extend_from_slice(&attempt.to_be_bytes());
    packet.extend_from_slice(&sequence);
    packet.resize(REQUEST_HEADER, 0);
    packet.extend_from_slice(&request.body);
    if version != UNPADDED_VERSION && packet.len() < request.length {
        packet.resize(request.length, 0);
    }
    packet
}

impl Link {
    fn open(endpoint: &Endpoint) -> io::Result<Self> {
        match endpoint {
            Endpoint::Unix(path) => UnixLink::open(path).map(Self::Unix),
            Endpoint::Udp(address) => {
                let any: IpAddr = match address {
                    SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
                    SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
                };
                let socket = UdpSocket::bind((any, 0))?;
                socket.connect(address)?;
                Ok(Self::Udp(socket))
            }
        }
    }

    fn send(&self, packet: &[u8]) -> io::Result<usize> {
        match self {
            Self::Unix(link) => link.socket.send(packet),
            Self::Udp(socket) => socket.send(packet),
        }
    }

    fn receive(&self, buffer: &mut [u8], timeout: Duration) -> io::Result<usize> {
        match self {
            Self::Unix(link) => {
                link.socket.set_read_timeout(Some(timeout))?;
                link.socket.recv(buffer)
            }
            Self::Udp(socket) => {
                socket.set_read_timeout(Some(timeout))?;
                socket.recv(buffer)
            }
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

/// The endpoints that a comma-separated list of paths, addresses and names means; names that do not resolve are
/// left out.
pub fn endpoints(list: &str, port: u16, family: Family) -> Vec<Endpoint> {
    let mut found = Vec::new();
    for host in list.split(',').filter(|host| !host.is_empty()) {
        if host.starts_with('/') {
            found.push(Endpoint::Unix(Path::new(host).to_owned()));
        } else {
            found.extend(resolve(host, family).into_iter().map(|ip| Endpoint::Udp(SocketAddr::new(ip, port))));
        }
    }
    found
}

/// The addresses of a name, in the resolver's order; an address is itself.
pub fn resolve(name: &str, family: Family) -> Vec<IpAddr> {
    let mut addresses: Vec<IpAddr> = Vec::new();
    if let Ok(address) = name.parse() {
        addresses.push(address);
    } else if let Ok(found) = (name, 0).to_socket_addrs() {
        for address in found.map(|socket| socket.ip()) {
            if !addresses.contains(&address) && addresses.len() < ADDRESSES_PER_NAME {
                addresses.push(address);
            }
        }
    }
    addresses.retain(|address| family.accepts(*address));
    addresses
}
