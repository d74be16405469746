//! What holds for any datagram that reaches the server.
//!
//! The first byte of an input chooses the scenario (server state, sender, access list), the rest is the datagram.

use ntp::clock::Cooking;
use ntp::config::{AccessRule, Subnet};
use ntp::engine::io::{Stamp, StampSource};
use ntp::ids::RefId;
use ntp::rng::Rng;
use ntp::server::{
    AccessTable, Datagram, Reject, ReplyBuf, Responder, ServeConfig, ServerState, SyncedState, Template,
    Verdict,
};
use ntp::time::{LocalTime, RawTime};
use ntp::wire::{Leap, Mode, Packet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

/// Panics if a property does not hold for `data`.
pub fn check(data: &[u8]) {
    if let Some((&scenario, bytes)) = data.split_first() {
        Bench::new(scenario).check(bytes);
    }
}

/// A server in one situation; may be asked many times.
pub struct Bench {
    responder: Responder,
    state: ServerState,
    from: SocketAddr,
}

/// When every request comes in.
const RX: RawTime = RawTime::from_nanos(1_800_000_000_123_456_789);

impl Bench {
    /// Bits 0-1: unsynchronised, synchronised, stale, local reference. Bits 2-4: the sender. Bits 5-6: who may ask.
    pub fn new(scenario: u8) -> Self {
        let synced = ServerState::synchronised(&SyncedState {
            leap: Leap::None,
            stratum: 3,
            refid: RefId(0xc633_6401),
            reference: LocalTime::from_nanos(RX.nanos()) + -33.0,
            root_delay: 0.020,
            root_dispersion: 0.003,
            dispersion_rate: 15e-6,
            at: RX + -30.0,
            precision: -23,
            cooking: Cooking { base: RX + -1.0, offset: -0.01, slope: 0.001, until: RX + 9.0 },
        });
        let state = match scenario & 3 {
            0 => ServerState::unsynchronised(-23),
            1 => synced,
            2 => ServerState { valid_until: RX + -1.0, ..synced },
            _ => {
                ServerState::local_reference(10, -18, LocalTime::from_nanos(RX.nanos()), &Cooking::default())
            }
        };
        let from = match scenario >> 2 & 7 {
            0 => "192.0.2.33:50123",
            1 => "192.0.2.33:123",
            2 => "[2001:db8::33]:50123",
            3 => "[::ffff:192.0.2.33]:50123",
            4 => "192.0.2.33:0",
            5 => "224.0.1.1:50123",
            6 => "[::]:50123",
            _ => "127.0.0.1:50123",
        };
        let rule = |allow, subnet| AccessRule { allow, all: false, subnet };
        let network = Subnet { address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 0)), prefix: 24 };
        let rules = match scenario >> 5 & 3 {
            0 | 1 => vec![rule(true, None)],
            2 => vec![rule(true, None), rule(false, Some(network))],
            _ => vec![rule(true, Some(network))],
        };
        let config = ServeConfig { access: AccessTable::new(&rules), ..ServeConfig::default() };
        let responder = Responder::new(Arc::new(config), Rng::from_number(scenario.into()));
        Self { responder, state, from: from.parse().expect("an address") }
    }

    /// Asks with `bytes`; panics if a property does not hold. True if there was a reply.
    pub fn check(&mut self, bytes: &[u8]) -> bool {
        let before = self.responder.counters().stats.answered + self.responder.counters().total_rejected();
        let reply = self.ask(self.from, bytes);
        let counters = self.responder.counters();
        assert_eq!(counters.stats.answered + counters.total_rejected(), before + 1, "counted once");

        match reply {
            Ok(reply) => {
                self.check_reply(bytes, &reply);
                self.check_silence_to_replies(&reply);
                true
            }
            Err(reject) => {
                let plain = bytes.len() == 48 && matches!(bytes[0] & 0x3f, 0o13 | 0o23 | 0o33 | 0o43);
                let acceptable = matches!(reject, Reject::BadSource | Reject::AccessDenied);
                assert!(!plain || acceptable, "a plain request was refused: {reject:?}");
                false
            }
        }
    }

    /// At most one reply by type; the clock is read exactly when there is one.
    fn ask(&mut self, from: SocketAddr, bytes: &[u8]) -> Result<Vec<u8>, Reject> {
        let request = Datagram { from, to: None, rx: Stamp { time: RX, source: StampSource::Daemon }, bytes };
        let (mut buffer, mut reads) = (ReplyBuf::default(), 0);
        let transmit = || {
            reads += 1;
            RX + 1e-5
        };
        let verdict =
            match self.responder.respond(&request, &Template::new(&self.state, RX), transmit, &mut buffer) {
                Verdict::Reply(reply) => Ok(reply.to_vec()),
                Verdict::Drop(reject) => Err(reject),
            };
        assert_eq!(reads, i32::from(verdict.is_ok()));
        verdict
    }

    fn check_reply(&self, bytes: &[u8], reply: &[u8]) {
        assert!(reply.len() <= bytes.len(), "no amplification");
        assert!((48..=1140).contains(&bytes.len()) && bytes.len().is_multiple_of(4));
        assert!(self.responder.config().access.check(self.from.ip()) && self.from.port() != 0);

        let request = Packet::parse(bytes).expect("an answered request has a header");
        let reply = Packet::parse(reply).expect("a reply has a header");
        let mode = match request.mode {
            Mode::Client => Mode::Server,
            Mode::Active => Mode::Passive,
            Mode::Reserved if request.version == 1 && self.from.port() != 123 => Mode::Server,
            other => panic!("mode {other:?} is no request"),
        };
        assert!((1..=4).contains(&request.version) && reply.version == request.version);
        assert_eq!((reply.mode, reply.origin), (mode, request.transmit));
        assert!(reply.poll >= request.poll);
        assert_eq!(reply.leap == Leap::Unsynchronised, reply.stratum == 0);
        assert!(reply.stratum < 16);
        assert_eq!((reply.receive.0 & 1, reply.transmit.0 & 1), (1, 0));
        let processing = reply.transmit.0.wrapping_sub(reply.receive.0).cast_signed() as f64 / 2f64.powi(32);
        assert!((0.0..1e-4).contains(&processing), "{processing} s");
    }

    /// Two servers cannot be made to talk to each other (CVE-2009-3563).
    fn check_silence_to_replies(&mut self, reply: &[u8]) {
        for port in [123, 50123] {
            let other = SocketAddr::new(self.from.ip(), port);
            assert_eq!(self.ask(other, reply), Err(Reject::NotARequest));
        }
    }
}
