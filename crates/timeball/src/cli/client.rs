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
use ntp::control::client::{self, Argument, Reply};
use ntp::control::{Change, CommandDef};

use super::random;
use super::unix::UnixLink;

/// Longest reply there is (clients, 520 bytes), with room for what later daemons may append.
const LONGEST_REPLY: usize = 1024;
/// Names in `-h` resolve to at most this many addresses each.
const ADDRESSES_PER_NAME: usize = 16;

/// What is asked; the datagram is made anew for each sending.
#[derive(Clone)]
pub enum Request {
    /// A report.
    Report(&'static CommandDef, Argument),
    /// A change.
    Change(Change),
    /// A change in the words of an older release: that number, and so many of the first bytes.
    OlderChange(Change, u16, usize),
}

impl Request {
    fn datagram(&self, sequence: u32, attempt: u16) -> Vec<u8> {
        match self {
            Self::Report(command, argument) => client::request(command, *argument, sequence, attempt),
            Self::Change(change) => client::change_request(change, sequence, attempt),
            Self::OlderChange(change, number, length) => {
                let mut datagram = client::change_request(change, sequence, attempt);
                datagram.truncate(*length);
                if let Some(place) = datagram.get_mut(4..6) {
                    place.copy_from_slice(&number.to_be_bytes());
                }
                datagram
            }
        }
    }
}

impl From<Change> for Request {
    fn from(change: Change) -> Self {
        Self::Change(change)
    }
}

/// Makes something of a reply; `None` when the reply is too short for what it says it is.
pub type Read<'a, T> = &'a dyn Fn(&Reply<'_>) -> Option<T>;

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
    /// First timeout; doubles with each resend.
    pub timeout: Duration,
    /// Resends after the first sending.
    pub retries: u32,
    /// Says on stderr what is sent and received.
    pub debug: bool,
}

/// What waiting for one reply ended with.
enum Waited<T> {
    /// The reply, and what it means.
    Accepted(T),
    /// The right reply, but shorter than its layout.
    TooShort,
    TimedOut,
    /// The socket is of no use (connection refused).
    Broken,
}

impl Client {
    /// A client of the first of `endpoints` that answers; nothing is opened yet.
    pub fn new(endpoints: Vec<Endpoint>) -> Self {
        Self { endpoints, link: None, timeout: Duration::from_secs(1), retries: 2, debug: false }
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

    /// Sends `request` and returns what `read` makes of the reply to it; a reply that `read` calls too short counts
    /// as lost.
    ///
    /// At most `1 + retries` sendings for each endpoint. After the last endpoint the next call starts with the first.
    pub fn exchange<T>(&mut self, request: &Request, read: Read<'_, T>) -> Result<T, NoAnswer> {
        self.open()?;
        loop {
            match self.exchange_here(request, read) {
                Some(answer) => return Ok(answer),
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
    fn exchange_here<T>(&self, request: &Request, read: Read<'_, T>) -> Option<T> {
        let (_, link) = self.link.as_ref()?;
        let mut timeout = self.timeout;
        for attempt in 0..=self.retries {
            let sequence = u32::from_be_bytes(random::bytes());
            let datagram = request.datagram(sequence, attempt as u16);
            if self.debug {
                eprintln!("sent {} bytes, attempt {attempt}: {:02x?}", datagram.len(), datagram.get(..20));
            }
            link.send(&datagram).ok()?;
            match self.wait(link, &datagram, timeout, read) {
                Waited::Accepted(answer) => return Some(answer),
                Waited::Broken => return None,
                Waited::TooShort | Waited::TimedOut => {}
            }
            timeout = timeout.saturating_mul(2);
        }
        None
    }

    /// Waits for the reply to `request`, ignoring everything else.
    fn wait<T>(&self, link: &Link, request: &[u8], timeout: Duration, read: Read<'_, T>) -> Waited<T> {
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
            let Some(reply) = buffer.get(..length).and_then(|bytes| Reply::parse(request, bytes)) else {
                continue;
            };
            if self.debug {
                eprintln!("received {length} bytes, reply {}: {}", reply.code, reply.status);
            }
            return read(&reply).map_or(Waited::TooShort, Waited::Accepted);
        }
    }
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
            found
                .extend(resolve(host, family).into_iter().map(|ip| Endpoint::Udp(SocketAddr::new(ip, port))));
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

#[cfg(test)]
mod tests {
    use super::*;
    use ntp::control::Status;
    use ntp::control::activity::{ACTIVITY, Activity};

    /// A daemon that answers each request with what `answer` makes of it and of how many came before.
    fn daemon(answer: fn(&[u8], usize) -> Option<Vec<u8>>) -> Endpoint {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let address = socket.local_addr().expect("bound");
        std::thread::spawn(move || {
            let mut buffer = [0; 2048];
            let mut count = 0;
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                if let Some(reply) = answer(&buffer[..length], count) {
                    let _ = socket.send_to(&reply, from); // the client may be gone
                }
                count += 1;
            }
        });
        Endpoint::Udp(address)
    }

    /// The reply to `request` with this status and a body for `activity`.
    fn reply(request: &[u8], status: u8, body: &[u8]) -> Vec<u8> {
        let mut reply = vec![6, 2, 0, 0, request[4], request[5], 0, 12, 0, status, 0, 0, 0, 0, 0, 0];
        reply.extend_from_slice(&request[8..12]);
        reply.extend_from_slice(&[0; 8]);
        reply.extend_from_slice(body);
        reply
    }

    fn client(endpoints: Vec<Endpoint>) -> Client {
        let mut client = Client::new(endpoints);
        client.timeout = Duration::from_millis(100);
        client
    }

    fn ask(client: &mut Client) -> Result<(Status, u32), NoAnswer> {
        let read =
            |reply: &Reply<'_>| reply.report::<Activity>().ok().map(|report| (reply.status, report.online));
        client.exchange(&Request::Report(&ACTIVITY, Argument::None), &read)
    }

    #[test]
    fn a_request_is_repeated_with_a_new_sequence_and_attempt() {
        // The third sending is answered; the number of sources is its attempt.
        let endpoint = daemon(|request, count| {
            let body = [[0, 0, request[6], request[7]].as_slice(), &[0; 16]].concat();
            (count == 2).then(|| reply(request, 0, &body))
        });
        let started = Instant::now();
        assert_eq!(ask(&mut client(vec![endpoint])), Ok((Status::Success, 2)));
        let waited = started.elapsed();
        assert!(waited >= Duration::from_millis(300), "100 ms, then 200 ms: {waited:?}");
    }

    #[test]
    fn what_answers_something_else_is_ignored() {
        // First a foreign sequence, a foreign command, a request, rubbish; the right reply to the second sending.
        let endpoint = daemon(|request, count| {
            let good = reply(request, 0, &[0; 20]);
            let mut bad = good.clone();
            match count {
                0 => bad[16] ^= 1,
                1 => bad[5] ^= 1,
                2 => bad[1] = 1,
                3 => bad.truncate(27),
                4 => bad[0] = 7,
                _ => return Some(good),
            }
            Some(bad)
        });
        let mut client = client(vec![endpoint]);
        client.retries = 5;
        client.timeout = Duration::from_millis(20);
        assert_eq!(ask(&mut client), Ok((Status::Success, 0)));
    }

    #[test]
    fn a_reply_without_its_body_is_asked_for_again_at_once() {
        let endpoint =
            daemon(|request, count| Some(reply(request, 0, &[0; 20][..if count == 0 { 10 } else { 20 }])));
        let mut client = client(vec![endpoint]);
        client.timeout = Duration::from_secs(60);
        let started = Instant::now();
        assert_eq!(ask(&mut client), Ok((Status::Success, 0)));
        assert!(started.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn the_next_endpoint_is_tried_when_one_is_of_no_use() {
        let closed =
            UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port");
        let good = daemon(|request, _| Some(reply(request, 0, &[0; 20])));
        let silent = daemon(|_, _| None);
        let mut client = client(vec![
            Endpoint::Unix("/nowhere/at/all.sock".into()),
            Endpoint::Udp(closed),
            silent,
            good.clone(),
        ]);
        client.retries = 0;
        assert_eq!(ask(&mut client), Ok((Status::Success, 0)));
        assert_eq!(client.endpoint(), Some(&good));
        assert_eq!(ask(&mut client), Ok((Status::Success, 0)), "and kept for the next command");
    }

    #[test]
    fn nobody_there_is_found_out_in_bounded_time() {
        let silent = daemon(|_, _| None);
        let mut nobody = client(vec![silent]);
        nobody.timeout = Duration::from_millis(10);
        assert_eq!(ask(&mut nobody), Err(NoAnswer));
        assert_eq!(ask(&mut client(vec![Endpoint::Unix("/nowhere/at/all.sock".into())])), Err(NoAnswer));
        assert_eq!(client(Vec::new()).open(), Err(NoAnswer));
    }

    #[test]
    fn hosts_are_paths_addresses_or_names() {
        let found = endpoints("/run/x.sock,127.0.0.1,::1,,no-such-name.invalid", 323, Family::Any);
        let text: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(text, ["/run/x.sock", "127.0.0.1:323", "[::1]:323"]);
        assert_eq!(endpoints("127.0.0.1,::1", 11, Family::V6).len(), 1);
    }
}
