//! `ptpport`: NTP messages that come inside PTP messages, on a port of their own.
//!
//! There are two forms of them. A request is answered in its own; servers are asked in one after the other until one
//! answers, and then in that.

use super::files::reason;
use super::logger;
use ntp::config::{Config, Family};
use ntp::server::{Datagram, ReplyBuf, Responder, Template, Verdict};
use ntp::time::RawTime;
use ntp::wire::ptp::{self, Form};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use sys::message::{self, Received};
use sys::socket::{Family as Domain, Socket, Stamping};

/// The sockets that serve so.
#[derive(Debug, Default)]
pub struct PtpSockets {
    domain: u8,
    sockets: Vec<Socket>,
    /// In which form servers are asked.
    asked: Vec<Asked>,
}

/// What is known of a server.
#[derive(Clone, Copy, Debug)]
struct Asked {
    whom: SocketAddr,
    form: Form,
    /// Requests since the last answer.
    unanswered: u8,
    /// How many of them may be lost before the other form is tried.
    patience: u8,
}

/// Servers that are remembered.
const SERVERS: usize = 64;
/// Requests without an answer after which a server that has answered is asked in the other form.
const PATIENCE: u8 = 4;

impl PtpSockets {
    /// Opens them where time is served and `ptpport` is set. What cannot be had is said.
    pub fn open(config: &Config, family: Family, (v4, v6): (bool, bool)) -> Self {
        let mut open = Self { domain: config.hardware.ptp_domain, ..Self::default() };
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
        let Some((form, sequence, bytes)) = ptp::unwrap(self.domain, &buffer[..received.len]) else {
            return Some(());
        };
        let request = Datagram { from, to: received.to, rx: stamp(&received), bytes };
        let mut room = ReplyBuf::default();
        if let Verdict::Reply(reply) = responder.respond(&request, template, raw, &mut room)
            && let Some(whole) = ptp::wrap(form, self.domain, sequence, reply)
        {
            let interface = super::sockets::pinned_interface(from, received.interface);
            let _ = message::send(socket, &whole, Some(from), received.reply_from, interface);
        }
        Some(())
    }

    /// The form of the next request to a server.
    pub fn form_for(&mut self, whom: SocketAddr) -> Form {
        let known = self.asked.iter().position(|asked| asked.whom == whom);
        let index = known.unwrap_or_else(|| {
            if self.asked.len() == SERVERS {
                self.asked.remove(0);
            }
            self.asked.push(Asked { whom, form: Form::default(), unanswered: 0, patience: 1 });
            self.asked.len() - 1
        });
        let asked = &mut self.asked[index];
        if asked.unanswered == asked.patience {
            (asked.form, asked.unanswered, asked.patience) = (asked.form.other(), 0, 1);
        }
        asked.unanswered += 1;
        asked.form
    }

    /// A server answered in this form.
    pub fn answered(&mut self, whom: SocketAddr, form: Form) {
        if let Some(asked) = self.asked.iter_mut().find(|asked| asked.whom == whom) {
            (asked.form, asked.unanswered, asked.patience) = (form, 0, PATIENCE);
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_asked_in_the_form_that_it_answers() {
        let mut sockets = PtpSockets::default();
        let whom = SocketAddr::from(([192, 0, 2, 1], 319));
        let mut next = || sockets.form_for(whom);
        assert_eq!([next(), next(), next()], [Form::Organisation, Form::Early, Form::Organisation]);
        assert_eq!(next(), Form::Early);
        sockets.answered(whom, Form::Early);
        let asked: Vec<Form> = (0..6).map(|_| sockets.form_for(whom)).collect();
        assert_eq!(asked[..4], [Form::Early; 4], "some may be lost");
        assert_eq!(asked[4..], [Form::Organisation, Form::Early], "it has become another");
        for host in 0..=255 {
            assert_eq!(sockets.form_for(SocketAddr::from(([10, 0, 0, host], 319))), Form::Organisation);
        }
        assert!(sockets.asked.len() <= SERVERS);
    }
}
