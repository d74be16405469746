//! What holds for any conversation of any clients with a server that does everything: access list, limits, keys, interleaved
//! mode with the kernel's stamps, steps of its clock.
//!
//! The first byte of an input chooses the server. Then come steps: a byte that says who, when and how, a byte that says how long, and four
//! times so many bytes of the datagram.

use ntp::auth::Keys;
use ntp::clock::Cooking;
use ntp::config::{AccessRule, RateLimit, Subnet};
use ntp::engine::io::{Stamp, StampSource};
use ntp::ids::{KeyId, RefId};
use ntp::rng::Rng;
use ntp::server::limit::{Bucket, Limits, Load};
use ntp::server::{
    AccessTable, Datagram, Reject, ReplyBuf, Responder, ServeConfig, ServerState, SyncedState, Template,
    Verdict,
};
use ntp::time::{LocalTime, MonoTime, NtpTime, RawTime};
use ntp::wire::{Leap, Mode, Packet};
use std::net::SocketAddr;
use std::sync::Arc;

/// Steps of one conversation at most.
const STEPS: usize = 100;
/// When it begins.
const START: RawTime = RawTime::from_nanos(1_800_000_000_123_456_789);
/// The key that some requests are signed with.
const KEY: u32 = 7;

/// Panics if a property does not hold for `data`.
pub fn check(data: &[u8]) {
    let Some((&scenario, mut rest)) = data.split_first() else { return };
    let mut server = Server::new(scenario);
    for _ in 0..STEPS {
        let [how, len, more @ ..] = rest else { return };
        let (bytes, more) = more.split_at(more.len().min(4 * usize::from(*len)));
        server.step(*how, bytes);
        rest = more;
    }
}

/// A reply that was told to be about to leave: the receive time that names it, and local seconds until it left.
#[derive(Clone, Copy, Debug)]
struct Told {
    receive: NtpTime,
    after: f64,
    by: StampSource,
}

/// A server, its clock, and what was said so far.
pub struct Server {
    responder: Responder,
    keys: Arc<Keys>,
    state: ServerState,
    now: RawTime,
    told: Vec<Told>,
    /// The receive time each client was told last.
    last: [NtpTime; 8],
    replies: usize,
}

impl Server {
    /// Bits 0-1: no limit, chrony's, adaptive and overloaded, hardly any memory. Bits 2-3: who may ask. Bit 4: no room for stamps. Bit
    /// 5: a coarse clock. Bits 6-7: how it is slewed.
    pub fn new(scenario: u8) -> Self {
        let limit = RateLimit { interval: 3, burst: 2, leak: 2, kod: 1 };
        let (limits, client_bytes) = match scenario & 3 {
            0 => (Limits::default(), 0),
            1 => (Limits { bucket: Some(Bucket::new(&limit)), ..Limits::default() }, 4096),
            2 => (Limits::AUTO, 4096),
            _ => (Limits { bucket: Some(Bucket::new(&limit)), ..Limits::AUTO }, 256),
        };
        let rule = |allow, subnet: &str| {
            let (address, prefix) = subnet.split_once('/').expect("a network");
            let address = address.parse().expect("an address");
            AccessRule {
                allow,
                all: false,
                subnet: Some(Subnet { address, prefix: prefix.parse().expect("bits") }),
            }
        };
        let everybody = AccessRule { allow: true, all: false, subnet: None };
        let rules = match scenario >> 2 & 3 {
            0 | 1 => vec![everybody],
            2 => vec![everybody, rule(false, "192.0.2.0/25"), rule(true, "192.0.2.4/30")],
            _ => vec![rule(true, "2001:db8::/33"), rule(true, "192.0.2.128/25")],
        };
        let keys =
            ntp::auth::file::parse(&format!("{KEY} SHA1 HEX:00112233445566778899AABBCCDDEEFF00112233\n")).0;
        let keys = Arc::new(keys);
        let config = ServeConfig {
            access: AccessTable::new(&rules),
            held_stamps: if scenario & 0x10 == 0 { 8 } else { 0 },
            keys: Arc::clone(&keys),
            limits,
            client_bytes,
            ..ServeConfig::default()
        };
        let slope = [0.0, 1e-4, -0.08, 0.08][usize::from(scenario >> 6)];
        let state = ServerState::synchronised(&SyncedState {
            leap: Leap::None,
            stratum: 3,
            refid: RefId(0xc633_6401),
            reference: LocalTime::from_nanos(START.nanos()) + -33.0,
            root_delay: 0.020,
            root_dispersion: 0.003,
            dispersion_rate: 15e-6,
            at: START + -30.0,
            precision: if scenario & 0x20 == 0 { -25 } else { -10 },
            cooking: Cooking { base: START + -1.0, offset: 0.01, slope, until: START + 1e9 },
        });
        let responder = Responder::new(Arc::new(config), Rng::from_number(scenario.into()));
        Self { responder, keys, state, now: START, told: Vec::new(), last: [NtpTime::ZERO; 8], replies: 0 }
    }

    /// Bits 0-2 of `how`: which client, or a step of the clock. Bits 3-4: how long after the last. Bit 5: it names the last reply it
    /// got. Bit 6: it is signed. Bit 7: the kernel says when the reply left. True if there was a reply.
    pub fn step(&mut self, how: u8, bytes: &[u8]) -> bool {
        let pause = [0.001, 0.03, 2.0, 1000.0][usize::from(how >> 3 & 3)];
        self.now += pause;
        let client = usize::from(how & 7);
        let from = match client {
            0 => "192.0.2.1:50123",
            1 => "192.0.2.1:123",
            2 => "192.0.2.5:40000",
            3 => "192.0.2.200:40000",
            4 => "[2001:db8::33]:50123",
            5 => "[2001:db8:8000::33]:50123",
            6 => "[::ffff:192.0.2.1]:50123",
            _ => {
                self.state.earliest = self.now;
                self.told.clear();
                return false;
            }
        };
        let mut bytes = bytes.to_vec();
        if how & 0x20 != 0 && bytes.len() >= 48 {
            bytes[24..32].copy_from_slice(&self.last[client].0.to_be_bytes());
        }
        if how & 0x40 != 0 && bytes.len() >= 48 {
            let key = self.keys.get(KeyId(KEY)).expect("in the table");
            let mac = key.sign(bytes[0] >> 3 & 7, &bytes);
            bytes.extend_from_slice(mac.as_bytes());
        }
        self.ask(client, from.parse().expect("an address"), how & 0x80 != 0, &bytes)
    }

    fn ask(&mut self, client: usize, from: SocketAddr, kernel: bool, bytes: &[u8]) -> bool {
        let before = *self.responder.counters();
        let rx = Stamp { time: self.now, source: StampSource::Kernel };
        self.responder.set_time(MonoTime::from_nanos(self.now.nanos() - START.nanos()));
        self.responder.note_load(Load { lost: 1, ..Load::default() });
        let template = Template::new(&self.state, self.now);
        let (mut room, mut reads) = (ReplyBuf::default(), 0);
        let transmit = || {
            reads += 1;
            rx.time + 20e-6
        };
        let request = Datagram { from, to: None, rx, bytes };
        let verdict = self.responder.respond(&request, &template, transmit, &mut room);
        let rejected = match verdict {
            Verdict::Reply(reply) => {
                assert!(reply.len() <= bytes.len(), "no amplification");
                None
            }
            Verdict::Drop(why) => Some(why),
        };
        assert!(reads <= 1 && (reads == 1 || rejected.is_some()), "the clock is read once, for a reply");
        self.check_counters(&before, rejected);
        match rejected {
            Some(why) => {
                assert!(!room.wants_stamp());
                let plain = bytes.len() == 48 && matches!(bytes[0] & 0x3f, 0o13 | 0o23 | 0o33 | 0o43);
                let fair = [Reject::AccessDenied, Reject::RateLimited];
                assert!(!plain || fair.contains(&why), "a plain request was refused: {why:?}");
                false
            }
            None => {
                self.check_reply(client, kernel, (bytes, from), &room);
                true
            }
        }
    }

    fn check_counters(&self, before: &ntp::server::Counters, rejected: Option<Reject>) {
        let after = self.responder.counters();
        let one = u64::from(rejected.is_none());
        assert_eq!(after.stats.answered, before.stats.answered + one);
        assert_eq!(after.total_rejected(), before.total_rejected() + 1 - one, "each datagram has one fate");
        if let Some(why) = rejected {
            assert_eq!(after.rejected(why), before.rejected(why) + 1);
        }
        assert_eq!(after.stats.dropped, after.rejected(Reject::RateLimited));
        assert!(
            after.stats.received - before.stats.received <= 1 && after.stats.answered <= after.stats.received
        );
        let sent = after.stats.daemon_tx + after.stats.kernel_tx + after.stats.hardware_tx;
        assert_eq!(sent, after.stats.answered);
        assert!(
            after.stats.kernel_tx <= after.stats.interleaved
                && after.stats.interleaved <= after.stats.answered
        );
        let held = self.responder.held();
        assert!(held.len() <= held.capacity() && held.capacity() <= 8);
        if let Some(clients) = self.responder.gate().clients() {
            assert!(clients.clients() <= clients.capacity(), "the table does not grow");
        }
    }

    fn check_reply(
        &mut self,
        client: usize,
        kernel: bool,
        (bytes, from): (&[u8], SocketAddr),
        room: &ReplyBuf,
    ) {
        assert!(self.responder.config().access.check(from.ip()));
        let request = Packet::parse(bytes).expect("an answered request has a header");
        let reply = Packet::parse(room.as_bytes()).expect("a reply has a header");
        assert_eq!(reply.version, request.version);
        assert!(matches!(reply.mode, Mode::Server | Mode::Passive));
        assert_eq!(reply.receive.0 & 1, 1);
        self.last[client] = reply.receive;
        self.replies += 1;
        let kiss = reply.stratum == 0;
        assert_eq!(reply.leap == Leap::Unsynchronised, kiss);
        assert!(!kiss || reply.refid == RefId::from_text("RATE") && !room.wants_stamp());
        let authentic = room.as_bytes().len() > 48;
        if authentic {
            let (header, mac) = room.as_bytes().split_at(48);
            let key = self.keys.get(KeyId(KEY)).expect("in the table");
            assert!(mac[..4] == KEY.to_be_bytes() && key.verify(reply.version, header, &mac[4..]));
        }
        self.check_transmit(&request, &reply, room.wants_stamp());
        if room.wants_stamp() {
            self.note(&reply, kernel, room);
        }
        // Two servers cannot be made to talk to each other.
        let (mut other, template) = (ReplyBuf::default(), Template::new(&self.state, self.now));
        let rx = Stamp { time: self.now, source: StampSource::Kernel };
        let request = Datagram { from, to: None, rx, bytes: room.as_bytes() };
        let again = self.responder.respond(&request, &template, || panic!("no reply to a reply"), &mut other);
        assert_eq!(again, Verdict::Drop(Reject::NotARequest));
    }

    /// A reply in interleaved mode tells what it was told, once; one in basic mode answers the request.
    fn check_transmit(&mut self, request: &Packet, reply: &Packet, asked: bool) {
        let since =
            |receive: NtpTime| reply.transmit.0.wrapping_sub(receive.0).cast_signed() as f64 / 2f64.powi(32);
        assert_eq!(reply.transmit.0 & 1, 0);
        if reply.origin == request.transmit && since(reply.receive) >= 0.0 {
            // Two quanta of the clock, each blurred.
            let most = 1e-4 + 2.0 * 2f64.powi(reply.precision.into());
            assert!(since(reply.receive) < most, "{}", since(reply.receive));
            return;
        }
        assert!(asked && request.version == 4 && reply.origin == request.receive);
        let known = self.told.iter().position(|told| told.receive == request.origin);
        let told = self.told.swap_remove(known.expect("only what was told is named"));
        assert!((since(told.receive) - told.after).abs() < 5e-9, "{told:?} {}", since(told.receive));
        assert!(told.by != StampSource::Hardware);
    }

    /// The reply leaves, and the kernel may say when: at once, a little before its request (another clock), or too late.
    fn note(&mut self, reply: &Packet, kernel: bool, room: &ReplyBuf) {
        let local = |after: f64| self.state.local(self.now + after) - self.state.local(self.now);
        let mut told = Told { receive: reply.receive, after: local(20e-6), by: StampSource::Daemon };
        let raw = [31e-6, -1e-6, 0.7, 3.0][self.replies % 4];
        let frame = [&[0x45; 28], room.as_bytes()].concat();
        let tx = Stamp { time: self.now + raw, source: StampSource::Kernel };
        if kernel && self.responder.sent(&frame, tx, &self.state) {
            assert!(raw < 1.0);
            (told.after, told.by) = (local(raw), StampSource::Kernel);
        }
        self.told.push(told);
    }
}
