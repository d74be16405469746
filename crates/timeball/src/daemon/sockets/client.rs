//! The sockets of our own requests.

use super::ServerSockets;
use crate::daemon::ptp::PtpSockets;
use ntp::config::{ClientConfig, Config};
use ntp::engine::{PacketBuf, SocketSpec};
use ntp::ids::SocketId;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};
use sys::socket::{Family as Domain, Socket, Stamping};

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
    pub fn message<'a>(&self, received: &'a [u8], ptp: &mut PtpSockets) -> Option<&'a [u8]> {
        let Some(domain) = self.ptp else { return Some(received) };
        let (form, _, message) = ntp::wire::ptp::unwrap(domain, received)?;
        ptp.answered(self.remote, form);
        Some(message)
    }

    /// Whom it is connected to.
    pub fn remote(&self) -> SocketAddr {
        self.remote
    }

    /// Sends a packet; its kernel stamp comes later by [`Self::stamped`].
    pub fn send(&mut self, token: u64, packet: PacketBuf, ptp: &mut PtpSockets) -> io::Result<()> {
        match self.ptp {
            None => sys::message::send(&self.socket, packet.as_slice(), None, None, 0)?,
            Some(domain) => {
                let form = ptp.form_for(self.remote);
                let whole = ntp::wire::ptp::wrap(form, domain, token as u16, packet.as_slice());
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
