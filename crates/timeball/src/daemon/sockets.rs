//! Which sockets exist: two that serve time, two and a path for commands, one per request of ours.
//!
//! Options that only make things better (kernel stamps, the destination's address, marks) may be refused: the
//! packet is then stamped by the daemon, or answered as the kernel routes. Addresses and devices may not.

use super::Name;
use super::files::{SocketPath, reason};
use super::folders::{self, Owner};
use super::rush::PATIENCE;
use ntp::config::{ClientConfig, Config, ControlConfig, Family, ServerConfig};
use ntp::engine::{PacketBuf, SocketSpec};
use ntp::ids::SocketId;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use sys::errno;
use sys::socket::{Family as Domain, Socket, Stamping};

/// Port that a Timeball without the right to the true one serves on.
pub const SPARE_PORT: u16 = 11123;

/// Room for received requests that wait, bytes; the kernel grants what `net.core.rmem_max` allows, and doubles it for
/// its own needs. A few milliseconds of a flood.
const RECEIVE_BUFFER: u32 = 2 << 20;

/// The sockets that serve time, one a family; open while somebody of that family may ask.
#[derive(Debug)]
pub struct ServerSockets {
    name: Name,
    config: ServerConfig,
    family: Family,
    port: u16,
    /// Threads that serve, each with a socket of its own; 0: the main loop does, with one.
    threads: usize,
    /// A peer has a socket on our port.
    lent: bool,
    open: [Vec<Arc<ServingSocket>>; 2],
    /// A refusal is told once.
    refused: [Option<String>; 2],
}

/// A socket that serves, and what the kernel has said of it.
#[derive(Debug)]
pub struct ServingSocket {
    socket: Socket,
    drops: AtomicU32,
}

impl ServingSocket {
    /// The socket.
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// The kernel says that it has dropped `total` datagrams so far, if it says anything: so many are new.
    pub fn new_drops(&self, total: Option<u32>) -> u32 {
        total.map_or(0, |total| total.wrapping_sub(self.drops.swap(total, Ordering::Relaxed)))
    }
}

/// Something for the log.
#[derive(Debug, PartialEq, Eq)]
pub enum Note {
    /// A socket that cannot be had.
    Error(String),
    /// What was done instead.
    Warning(String),
}

impl ServerSockets {
    /// None open yet; `family` is that of the command line.
    pub fn new(name: Name, config: &ServerConfig, family: Family) -> Self {
        Self {
            name,
            config: config.clone(),
            family,
            port: config.port,
            threads: 0,
            lent: false,
            open: [Vec::new(), Vec::new()],
            refused: [None, None],
        }
    }

    /// … for so many serving threads; 0: for the main loop.
    #[must_use]
    pub fn for_threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// How many threads serve beside the main loop.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Opens and closes so that those who may ask can: `v4`, `v6` tell whether anybody of the family may. True if
    /// there are others than before.
    pub fn follow(&mut self, v4: bool, v6: bool, mut say: impl FnMut(Note)) -> bool {
        // Who is told by broadcast is told from the same port.
        let told = |v4: bool| self.config.broadcasts.iter().any(|b| b.address.is_ipv4() == v4);
        let (v4, v6) = (v4 || told(true), v6 || told(false));
        let mut changed = false;
        for (at, wanted, any) in
            [(0, v4, IpAddr::V4(Ipv4Addr::UNSPECIFIED)), (1, v6, IpAddr::V6(Ipv6Addr::UNSPECIFIED))]
        {
            if !wanted || self.port == 0 || !self.family.accepts(any) {
                changed |= !self.open[at].is_empty();
                self.open[at].clear();
            } else if self.open[at].is_empty() {
                let bound = self.config.bind.iter().copied().find(|ip| ip.is_ipv4() == any.is_ipv4());
                self.open[at] = self.try_open(at, bound, any, &mut say);
                changed |= !self.open[at].is_empty();
            }
        }
        changed
    }

    fn try_open(
        &mut self,
        at: usize,
        bound: Option<IpAddr>,
        any: IpAddr,
        say: &mut impl FnMut(Note),
    ) -> Vec<Arc<ServingSocket>> {
        let ip = bound.unwrap_or(any);
        let mut outcome = self.open_group(ip, say);
        let may_move = self.name == Name::Timeball && !self.config.port_set && self.port != SPARE_PORT;
        if may_move && outcome.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied) {
            say(Note::Warning(format!(
                "No right to port {}: serving on port {SPARE_PORT} (run as root, or name a port in the configuration)",
                self.port
            )));
            self.port = SPARE_PORT;
            outcome = self.open_group(ip, say);
        }
        match outcome {
            Ok(sockets) => {
                self.refused[at] = None;
                sockets
            }
            // A machine without IPv6 was not asked for it.
            Err(error) if error.raw_os_error() == Some(errno::EAFNOSUPPORT) && bound.is_none() => Vec::new(),
            Err(error) => {
                let address = SocketAddr::new(ip, self.port);
                let text = format!("Could not open NTP socket on {address} : {}", reason(&error));
                if self.refused[at].as_ref() != Some(&text) {
                    self.refused[at] = Some(text.clone());
                    say(Note::Error(text));
                }
                Vec::new()
            }
        }
    }

    /// One socket for each thread, all of one address.
    fn open_group(&self, ip: IpAddr, say: &mut impl FnMut(Note)) -> io::Result<Vec<Arc<ServingSocket>>> {
        let share = self.threads > 1;
        if share && self.name == Name::Timeball {
            // Sockets of a group share with anybody who shares: see first that there is nobody.
            self.open_one(ip, false)?;
        }
        let open = |_| {
            let socket = self.open_one(ip, share || self.name == Name::Chronyd)?;
            Ok(Arc::new(ServingSocket { socket, drops: AtomicU32::new(0) }))
        };
        let sockets: Vec<_> = (0..self.threads.max(1)).map(open).collect::<io::Result<_>>()?;
        if share && self.config.threads.pinning {
            let (count, prefix) = (sockets.len() as u32, self.config.client_prefix);
            if let Err(error) = sockets[0].socket.set_pinning(count, prefix) {
                say(Note::Warning(format!(
                    "Could not pin clients to threads : {}; each thread counts and limits for itself",
                    reason(&error)
                )));
            }
        }
        Ok(sockets)
    }

    fn open_one(&self, ip: IpAddr, share: bool) -> io::Result<Socket> {
        let address = SocketAddr::new(ip, self.port);
        let mut socket = Socket::udp(Domain::of(&address))?;
        socket.set_only_v6()?;
        if !sys::thread::simulated() {
            // A loop that cannot wait there waits for all of its sockets.
            let _ = socket.set_waiting(PATIENCE);
        }
        if share {
            // As chronyd does. Timeball rather fails than shares a port with another server and loses half of
            // the requests to it.
            let _ = socket.set_reuse_address().and_then(|()| socket.set_reuse_port());
        } else if self.lent {
            let _ = socket.set_reuse_address(); // peers' sockets have the port already
        }
        let _ = socket.set_free_bind();
        let _ = socket.set_count_drops();
        let _ = socket.set_receive_buffer(RECEIVE_BUFFER);
        if let Some(device) = &self.config.device {
            socket.set_device(device)?;
        }
        let _ = socket.set_packet_info();
        let _ = socket.set_stamping(Stamping::Receive);
        // Replies of 48 bytes fit everywhere; without an identifier to draw they cost a tenth less.
        let _ = socket.set_dont_fragment();
        if self.config.dscp != 0 {
            let _ = socket.set_dscp(self.config.dscp);
        }
        socket.bind(address)?;
        Ok(socket)
    }

    /// Where peers expect us: the address from which `remote` is reached, at the port that serves; `None` where none does.
    fn peer_address(&self, remote: SocketAddr) -> io::Result<Option<SocketAddr>> {
        if self.port == 0 {
            return Ok(None);
        }
        let bound = self.config.bind.iter().copied().find(|ip| ip.is_ipv4() == remote.is_ipv4());
        let ip = match bound {
            Some(ip) => ip,
            None => {
                let probe = Socket::udp(Domain::of(&remote))?;
                probe.connect(remote)?;
                probe.local_addr()?.ip()
            }
        };
        Ok(Some(SocketAddr::new(ip, self.port)))
    }

    /// Binds a peer's socket to the port that serves. Ours lend it for this moment only, so that another server cannot
    /// take a share of it; the kernel gives a connected socket what comes from its peer, and the others the rest.
    fn lend_port(&mut self, socket: &Socket, address: SocketAddr) -> io::Result<()> {
        self.lent = true;
        let shared = self.name == Name::Chronyd || self.threads > 1;
        let ours = || self.open.iter().flatten().map(|serving| &serving.socket).filter(|_| !shared);
        ours().for_each(|serving| drop(serving.set_reuse_address()));
        let outcome = socket.set_reuse_address().and_then(|()| socket.bind(address));
        ours().for_each(|serving| drop(serving.clear_reuse_address()));
        outcome
    }

    /// Where time is served now.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.open.iter().filter_map(|group| group.first()?.socket.local_addr().ok()).collect()
    }

    /// The first one of IPv4 (0) or IPv6 (1), if it is open.
    pub fn get(&self, index: usize) -> Option<&ServingSocket> {
        self.open.get(index)?.first().map(AsRef::as_ref)
    }

    /// The same, unless threads serve.
    pub fn of_main_loop(&self, index: usize) -> Option<&ServingSocket> {
        if self.threads == 0 { self.get(index) } else { None }
    }

    /// Threads cannot be had: closes all; the next that are opened are the main loop's.
    pub fn serve_in_main_loop(&mut self) {
        self.threads = 0;
        self.open = [Vec::new(), Vec::new()];
    }

    /// Those of thread `index`.
    pub fn of_thread(&self, index: usize) -> Vec<Arc<ServingSocket>> {
        self.open.iter().filter_map(|group| group.get(index)).map(Arc::clone).collect()
    }
}

/// The sockets that take commands.
#[derive(Debug, Default)]
pub struct CommandSockets {
    udp: [Option<Socket>; 2],
    unix: Option<(SocketPath, Socket)>,
}

impl CommandSockets {
    /// Opens the UDP sockets of the configuration. What cannot be had is said, and life goes on.
    pub fn open_udp(config: &ControlConfig, family: Family, mut say: impl FnMut(String)) -> Self {
        let mut sockets = Self::default();
        if config.port == 0 {
            return sockets;
        }
        for &ip in config.bind.iter().filter(|&&ip| family.accepts(ip)) {
            match open_command(config, ip) {
                Ok(socket) => sockets.udp[usize::from(ip.is_ipv6())] = Some(socket),
                Err(error) if missing_loopback(ip, &error) => {}
                Err(error) => say(format!(
                    "Could not open command socket on {} : {}",
                    SocketAddr::new(ip, config.port),
                    reason(&error)
                )),
            }
        }
        sockets
    }

    /// Opens the Unix socket at `path`, in a folder that only `owner` and its group may enter.
    pub fn open_unix(&mut self, path: &Path, owner: Owner) -> Result<(), String> {
        if let Some(folder) = path.parent().filter(|folder| folder.parent().is_some()) {
            folders::make_private(folder, owner)?;
        }
        let fail = |error: io::Error| {
            format!("Could not open command socket {} : {}", path.display(), reason(&error))
        };
        let answers = |path: &Path| Socket::unix().and_then(|probe| probe.connect_unix(path)).is_ok();
        SocketPath::clear(path, answers).map_err(fail)?;
        let socket = Socket::unix().map_err(fail)?;
        socket.bind_unix(path).map_err(fail)?;
        let path = SocketPath::bound(path).map_err(fail)?;
        self.unix = Some((path, socket));
        Ok(())
    }

    /// Where the Unix socket is.
    pub fn path(&self) -> Option<&Path> {
        self.unix.as_ref().map(|(path, _)| path.path())
    }

    /// The UDP sockets: at most two.
    pub fn udp(&self, index: usize) -> Option<&Socket> {
        self.udp.get(index)?.as_ref()
    }

    /// The Unix socket.
    pub fn unix(&self) -> Option<&Socket> {
        self.unix.as_ref().map(|(_, socket)| socket)
    }
}

/// A machine without IPv6, asked only for its default loopback address.
fn missing_loopback(ip: IpAddr, error: &io::Error) -> bool {
    ip == IpAddr::V6(Ipv6Addr::LOCALHOST)
        && matches!(error.raw_os_error(), Some(errno::EAFNOSUPPORT | errno::EADDRNOTAVAIL))
}

fn open_command(config: &ControlConfig, ip: IpAddr) -> io::Result<Socket> {
    let address = SocketAddr::new(ip, config.port);
    let socket = Socket::udp(Domain::of(&address))?;
    socket.set_only_v6()?;
    if let Some(device) = &config.device {
        socket.set_device(device)?;
    }
    let _ = socket.set_free_bind();
    let _ = socket.set_packet_info();
    socket.bind(address)?;
    Ok(socket)
}

/// A socket of one association, connected to its server: nobody else's packets come in by it.
#[derive(Debug)]
pub struct ClientSocket {
    id: SocketId,
    socket: Socket,
    remote: SocketAddr,
    /// The packet whose kernel stamp has not come yet. One is enough: stamps come within microseconds, the
    /// next packet after seconds.
    unstamped: Option<(u64, PacketBuf)>,
    /// Messages travel inside PTP messages of this domain (`ptpport`).
    ptp: Option<u8>,
}

impl ClientSocket {
    /// Opens and connects it, and tells its own address. The kernel picks the port at random unless the
    /// configuration names one (RFC 9109 §3).
    pub fn open(
        spec: &SocketSpec,
        config: &Config,
        servers: &mut ServerSockets,
    ) -> io::Result<(Self, IpAddr)> {
        let ClientConfig { acquisition_port, bind, device, .. } = &config.client;
        let domain = Domain::of(&spec.remote);
        let socket = Socket::udp(domain)?;
        if let Some(device) = device {
            socket.set_device(device)?;
        }
        let any = if spec.remote.is_ipv4() {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED)
        } else {
            IpAddr::V6(Ipv6Addr::UNSPECIFIED)
        };
        let ip = bind.iter().map(SocketAddr::ip).find(|ip| ip.is_ipv4() == spec.remote.is_ipv4());
        let symmetric = if spec.symmetric { servers.peer_address(spec.remote)? } else { None };
        if let Some(address) = symmetric {
            socket.set_only_v6()?;
            servers.lend_port(&socket, address)?;
        } else if ip.is_some() || acquisition_port.is_some() {
            if acquisition_port.is_some() {
                // All associations share the port; connected sockets keep their packets apart.
                let _ = socket.set_reuse_address().and_then(|()| socket.set_reuse_port());
            }
            socket.set_only_v6()?;
            socket.bind(SocketAddr::new(ip.unwrap_or(any), acquisition_port.unwrap_or(0)))?;
        }
        if config.hardware.timestamping.is_empty() {
            let _ = socket.set_stamping(Stamping::Both);
        } else {
            // The interface tells whose time the card's stamps are.
            let _ = socket.set_packet_info();
            let _ = socket.set_stamping(Stamping::Hardware).or_else(|_| socket.set_stamping(Stamping::Both));
        }
        if config.server.dscp != 0 {
            let _ = socket.set_dscp(config.server.dscp);
        }
        socket.connect(spec.remote)?;
        let hardware = &config.hardware;
        let ptp = (hardware.ptp_port != 0 && spec.remote.port() == hardware.ptp_port)
            .then_some(hardware.ptp_domain);
        // Only for reports and against loops: a simulator that does not know the call must not cost the source.
        let local = socket.local_addr().map_or(any, |address| address.ip());
        Ok((Self { id: spec.id, socket, remote: spec.remote, unstamped: None, ptp }, local))
    }

    /// Its name in the engine.
    pub fn id(&self) -> SocketId {
        self.id
    }

    /// The socket.
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// The NTP message in what was received; `None`: it should have come inside a PTP message.
    pub fn message<'a>(&self, received: &'a [u8]) -> Option<&'a [u8]> {
        match self.ptp {
            None => Some(received),
            Some(domain) => ntp::wire::ptp::unwrap(domain, received).map(|(_, message)| message),
        }
    }

    /// Whom it is connected to.
    pub fn remote(&self) -> SocketAddr {
        self.remote
    }

    /// Sends a packet; its kernel stamp comes later by [`Self::stamped`].
    pub fn send(&mut self, token: u64, packet: PacketBuf) -> io::Result<()> {
        match self.ptp {
            None => sys::message::send(&self.socket, packet.as_slice(), None, None, 0)?,
            Some(domain) => {
                let whole = super::ptp::wrapped(domain, token as u16, packet.as_slice());
                sys::message::send(&self.socket, &whole.unwrap_or_default(), None, None, 0)?;
            }
        }
        self.unstamped = Some((token, packet));
        Ok(())
    }

    /// The stamp of the packet sent last has not come yet.
    pub fn waits_for_stamp(&self) -> bool {
        self.unstamped.is_some()
    }

    /// As [`Self::stamped`], but a better stamp of the same packet may still come.
    pub fn stamped_for_now(&self, sent: &[u8]) -> Option<u64> {
        self.unstamped
            .as_ref()
            .filter(|(_, packet)| sent.ends_with(packet.as_slice()))
            .map(|(token, _)| *token)
    }

    /// The kernel gave back `sent` with a stamp: whose is it? The packet stands at the end of what comes back.
    pub fn stamped(&mut self, sent: &[u8]) -> Option<u64> {
        let (token, _) = self.unstamped.take_if(|(_, packet)| sent.ends_with(packet.as_slice()))?;
        Some(token)
    }
}

impl AsRawFd for ClientSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
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
mod tests {
    use super::super::files::tests::Folder;
    use super::*;
    use std::os::unix::fs::MetadataExt;

    fn server(name: Name, port: u16, bind: &[IpAddr]) -> ServerSockets {
        let config = ServerConfig { port, port_set: true, bind: bind.to_vec(), ..ServerConfig::default() };
        ServerSockets::new(name, &config, Family::V4)
    }

    fn loopback() -> IpAddr {
        IpAddr::V4(Ipv4Addr::LOCALHOST)
    }

    fn any_open(sockets: &ServerSockets) -> bool {
        sockets.open.iter().any(|group| !group.is_empty())
    }

    fn free_port() -> u16 {
        let socket = Socket::udp(Domain::Inet).unwrap();
        socket.bind(SocketAddr::new(loopback(), 0)).unwrap();
        socket.local_addr().unwrap().port()
    }

    #[test]
    fn serving_follows_the_access_list() {
        let mut sockets = server(Name::Chronyd, free_port(), &[loopback()]);
        let mut notes = Vec::new();
        sockets.follow(false, true, |note| notes.push(note));
        assert!(!any_open(&sockets), "nobody of IPv4 may ask, and IPv6 is off");
        sockets.follow(true, true, |note| notes.push(note));
        assert!(sockets.get(0).is_some() && sockets.get(1).is_none());
        sockets.follow(false, false, |note| notes.push(note));
        assert!(!any_open(&sockets) && notes.is_empty());
    }

    #[test]
    fn a_port_in_use_is_told_once_and_only_chronyd_shares() {
        let port = free_port();
        let mut first = server(Name::Chronyd, port, &[loopback()]);
        let mut second = server(Name::Chronyd, port, &[loopback()]);
        let mut third = server(Name::Timeball, port, &[loopback()]);
        let mut notes = Vec::new();
        for sockets in [&mut first, &mut second, &mut third] {
            sockets.follow(true, false, |note| notes.push(note));
        }
        third.follow(true, false, |note| notes.push(note));
        assert!(any_open(&first) && any_open(&second) && !any_open(&third));
        let text = format!("Could not open NTP socket on 127.0.0.1:{port} : Address already in use");
        assert_eq!(notes, [Note::Error(text)]);
    }

    #[test]
    fn an_association_s_packets_get_the_kernel_s_stamp() {
        let peer = Socket::udp(Domain::Inet).unwrap();
        peer.bind(SocketAddr::new(loopback(), 0)).unwrap();
        let spec = SocketSpec { id: SocketId(3), remote: peer.local_addr().unwrap(), symmetric: false };
        let mut servers = server(Name::Timeball, 0, &[]);
        let (mut client, local) = ClientSocket::open(&spec, &Config::default(), &mut servers).unwrap();
        assert_eq!((local, client.remote()), (loopback(), spec.remote));
        let packet = PacketBuf::new(&[7; 48]);
        let before = sys::clock::realtime();
        client.send(9, packet).unwrap();
        assert_eq!(client.stamped(&[7; 47]), None, "another packet's stamp");
        let mut buffer = [0; 512];
        let mut entries = [sys::poll::Entry::new(client.as_raw_fd())];
        sys::poll::poll(&mut entries, Some(1_000_000_000)).unwrap();
        match sys::message::receive_error_queue(client.socket(), &mut buffer).unwrap() {
            Some(sent) => {
                assert_eq!(client.stamped(&buffer[..sent.len]), Some(9));
                assert!(sent.stamp.is_some_and(|stamp| (before..before + 1_000_000_000).contains(&stamp)));
            }
            None => eprintln!("SKIPPED: this kernel stamps no outgoing packets"),
        }
        assert!(has_route(spec.remote));
    }

    #[test]
    fn a_peer_s_packets_come_by_the_port_that_serves_and_others_by_the_server_s_socket() {
        let port = free_port();
        let mut servers = server(Name::Timeball, port, &[]);
        servers.follow(true, false, |note| panic!("{note:?}"));
        let [peer, other] = [(); 2].map(|()| Socket::udp(Domain::Inet).unwrap());
        for socket in [&peer, &other] {
            socket.bind(SocketAddr::new(loopback(), 0)).unwrap();
        }
        let spec = SocketSpec { id: SocketId(3), remote: peer.local_addr().unwrap(), symmetric: true };
        let (client, _) = ClientSocket::open(&spec, &Config::default(), &mut servers).unwrap();
        assert_eq!(client.socket().local_addr().unwrap().port(), port);
        let to = SocketAddr::new(loopback(), port);
        for (socket, byte) in [(&peer, 1), (&other, 2)] {
            sys::message::send(socket, &[byte; 48], Some(to), None, 0).unwrap();
        }
        let mut buffer = [0; 64];
        for (socket, byte) in [(client.socket(), 1), (servers.get(0).unwrap().socket(), 2)] {
            let mut entries = [sys::poll::Entry::new(socket.as_raw_fd())];
            sys::poll::poll(&mut entries, Some(1_000_000_000)).unwrap();
            let got = sys::message::receive(socket, &mut buffer).unwrap().expect("a packet");
            assert_eq!((got.len, buffer[0]), (48, byte));
            assert!(sys::message::receive(socket, &mut buffer).unwrap().is_none(), "and no other");
        }
        let mut stranger = server(Name::Chronyd, port, &[]);
        let mut refused = 0;
        stranger.follow(true, false, |_| refused += 1);
        assert_eq!(refused, 1, "the port is lent to nobody else");
    }

    #[test]
    fn the_command_socket_appears_in_a_private_folder_and_goes_at_the_end() {
        let folder = Folder::new("command");
        let metadata = std::fs::metadata(&folder.0).unwrap();
        let owner = Owner { uid: metadata.uid(), gid: metadata.gid() };
        let path = folder.file("run/a.sock");
        let mut first = CommandSockets::default();
        first.open_unix(&path, owner).unwrap();
        assert!(first.unix().is_some() && path.exists());
        let mut second = CommandSockets::default();
        let refused = second.open_unix(&path, owner).unwrap_err();
        assert!(refused.ends_with(": another process answers there"), "{refused}");
        drop(first);
        assert!(!path.exists());
        let stranger = Owner { uid: owner.uid + 1, ..owner };
        assert!(second.open_unix(&path, stranger).unwrap_err().starts_with("Wrong owner of "));
    }

    #[test]
    fn commands_over_udp_only_where_configured() {
        let port = free_port();
        let config = ControlConfig { port, bind: vec![loopback()], ..ControlConfig::default() };
        let mut said = Vec::new();
        let first = CommandSockets::open_udp(&config, Family::Any, |text| said.push(text));
        assert!(
            first.udp(0).is_some() && first.udp(1).is_none() && first.unix().is_none() && said.is_empty()
        );
        let second = CommandSockets::open_udp(&config, Family::Any, |text| said.push(text));
        assert!(second.udp(0).is_none());
        assert_eq!(
            said,
            [format!("Could not open command socket on 127.0.0.1:{port} : Address already in use")]
        );
        let off = CommandSockets::open_udp(&ControlConfig { port: 0, ..config }, Family::Any, |_| {});
        assert!(off.udp(0).is_none());
    }

    #[test]
    fn only_link_local_peers_pin_the_interface() {
        assert_eq!(pinned_interface("[fe80::1]:123".parse().unwrap(), 4), 4);
        assert_eq!(pinned_interface("[2001:db8::1]:123".parse().unwrap(), 4), 0);
        assert_eq!(pinned_interface("192.0.2.1:123".parse().unwrap(), 4), 0);
    }
}
