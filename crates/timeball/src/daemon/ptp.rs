//! `ptpport`: NTP messages that come inside PTP messages, on a port of their own.

use super::files::reason;
use super::logger;
use ntp::config::{Config, Family};
use ntp::server::{Datagram, ReplyBuf, Responder, Template, Verdict};
use ntp::time::RawTime;
use ntp::wire::ptp;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use sys::message::{self, Received};
use sys::socket::{Family as Domain, Socket, Stamping};

/// The sockets that serve so.
#[derive(Debug, Default)]
pub struct PtpSockets {
    domain: u8,
    sockets: Vec<Socket>,
}

impl PtpSockets {
    /// Opens them where time is served and `ptpport` is set. What cannot be had is said.
    pub fn open(config: &Config, family: Family, (v4, v6): (bool, bool)) -> Self {
        let mut open = Self { domain: config.hardware.ptp_domain, sockets: Vec::new() };
        let port = config.hardware.ptp_port;
        let any = [(v4, IpAddr::V4(Ipv4Addr::UNSPECIFIED)), (v6, IpAddr::V6(Ipv6Addr::UNSPECIFIED))];
        for (wanted, any) in any.into_iter().filter(|_| port != 0 && config.server.port != 0) {
            if !wanted || !family.accepts(any) {
                continue;
            }
            let bound = config.server.bind.iter().copied().find(|ip| ip.is_ipv4() == any.is_ipv4());
            let address = SocketAddr::new(bound.unwrap_or(any), port);
            match one(address) {
                Ok(socket) => open.sockets.push(socket),
                Err(error) => {
                    logger::error(&format!("Could not open PTP socket on {address} : {}", reason(&error)));
                }
            }
        }
        open
    }

    /// The sockets.
    pub fn all(&self) -> &[Socket] {
        &self.sockets
    }

    /// Answers one request; `None`: nothing waits. `raw` turns system time into that of the clock we steer.
    pub fn answer(
        &self,
        index: usize,
        buffer: &mut [u8],
        responder: &mut Responder,
        template: &Template,
        stamp: impl Fn(&Received) -> ntp::engine::Stamp,
        raw: impl Fn() -> RawTime,
    ) -> Option<()> {
        let socket = self.sockets.get(index)?;
        let received = message::receive(socket, buffer).ok()??;
        let Some(from) = received.from else { return Some(()) };
        let Some((sequence, bytes)) = ptp::unwrap(self.domain, &buffer[..received.len]) else {
            return Some(());
        };
        let request = Datagram { from, to: received.to, rx: stamp(&received), bytes };
        let mut room = ReplyBuf::default();
        if let Verdict::Reply(reply) = responder.respond(&request, template, raw, &mut room)
            && let Some(whole) = wrapped(self.domain, sequence, reply)
        {
            let interface = super::sockets::pinned_interface(from, received.interface);
            let _ = message::send(socket, &whole, Some(from), received.reply_from, interface);
        }
        Some(())
    }
}

/// An NTP message with what PTP wants in front.
pub fn wrapped(domain: u8, sequence: u16, message: &[u8]) -> Option<Vec<u8>> {
    Some([&ptp::prefix(domain, sequence, message.len())?[..], message].concat())
}

fn one(address: SocketAddr) -> std::io::Result<Socket> {
    let socket = Socket::udp(Domain::of(&address))?;
    socket.set_only_v6()?;
    let _ = socket.set_reuse_address();
    let _ = socket.set_free_bind();
    let _ = socket.set_packet_info();
    let _ = socket.set_stamping(Stamping::Receive);
    socket.bind(address)?;
    Ok(socket)
}
