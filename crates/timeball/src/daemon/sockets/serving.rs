//! The sockets that serve time.

use super::Note;
use crate::daemon::Name;
use crate::daemon::files::reason;
use crate::daemon::rush::PATIENCE;
use ntp::config::{Family, ServerConfig};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use sys::errno;
use sys::socket::{Family as Domain, Socket, Stamping};

/// Port that a Timeball without the right to the true one serves on.
const SPARE_PORT: u16 = 11123;

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
    pub(super) open: [Vec<Arc<ServingSocket>>; 2],
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
    pub(super) fn peer_address(&self, remote: SocketAddr) -> io::Result<Option<SocketAddr>> {
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
    pub(super) fn lend_port(&mut self, socket: &Socket, address: SocketAddr) -> io::Result<()> {
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
