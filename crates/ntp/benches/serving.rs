//! What a reply costs before and after the system calls: access lists long and short, limits, interleaved mode.
//!
//! `cargo bench -p ntp --bench serving`. Requests come from addresses at random, so that no table stays in the processor's
//! cache for being asked the same again and again. The cases take turns, and the figures are medians of the turns; only those of one run can be
//! compared. Run as a test (`cargo test --benches`) it does a short round.
#![allow(clippy::disallowed_methods, reason = "a stopwatch; the core does not see it")]

use ntp::clock::Cooking;
use ntp::config::{AccessRule, Subnet};
use ntp::engine::{Stamp, StampSource};
use ntp::ids::RefId;
use ntp::rng::Rng;
use ntp::server::{
    AccessTable, Datagram, ReplyBuf, Responder, ServeConfig, ServerState, SyncedState, Template, Verdict,
};
use ntp::source::exchange::request_packet;
use ntp::time::{LocalTime, NtpTime, RawTime};
use ntp::wire::{Leap, Packet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

const START: RawTime = RawTime::from_nanos(1_800_000_000_000_000_000);
/// Rules of a long list.
const RULES: usize = 10_000;
/// Requests of one turn, as many as fit together into a batch of the daemon a few times over.
const REQUESTS: usize = 20_000;
const TURNS: usize = 41;

/// Networks at random: most of them one IPv4 /24 or IPv6 /48, some wider, some a single address.
fn networks(rng: &mut Rng, v6: bool) -> Vec<AccessRule> {
    let prefixes: [u8; 4] = if v6 { [48, 48, 32, 128] } else { [24, 24, 16, 32] };
    let rule = |index: usize, bits: u64| {
        let prefix = prefixes[index % prefixes.len()];
        let address = address(bits, v6);
        AccessRule { allow: !index.is_multiple_of(3), all: false, subnet: Some(Subnet { address, prefix }) }
    };
    (0..RULES).map(|index| rule(index, rng.bits())).collect()
}

fn address(bits: u64, v6: bool) -> IpAddr {
    if v6 {
        IpAddr::V6((0x2000_u128 << 112 | u128::from(bits) << 64 | u128::from(bits >> 7)).into())
    } else {
        IpAddr::from(((bits as u32) & 0x7fff_ffff | 0x0100_0000).to_be_bytes())
    }
}

/// One server and those who ask it.
struct Case {
    name: &'static str,
    responder: Responder,
    clients: Vec<SocketAddr>,
    interleaved: bool,
    named: Vec<NtpTime>,
    took: Vec<f64>,
    replies: u64,
}

impl Case {
    fn new(name: &'static str, config: ServeConfig, v6: bool, clients: usize) -> Self {
        let mut rng = Rng::from_number(7);
        let clients: Vec<SocketAddr> =
            (0..clients).map(|_| SocketAddr::new(address(rng.bits(), v6), 40_000)).collect();
        let responder = Responder::new(Arc::new(config), Rng::from_number(3));
        let named = vec![NtpTime(1); clients.len()];
        Self { name, responder, clients, interleaved: false, named, took: Vec::new(), replies: 0 }
    }

    /// A turn of `requests`, at 100 000/s from `at` on.
    fn turn(&mut self, requests: usize, at: RawTime, rng: &mut Rng) {
        let state = ServerState::synchronised(&SyncedState {
            leap: Leap::None,
            stratum: 2,
            refid: RefId(0xc000_0201),
            reference: LocalTime::from_nanos(at.nanos()) + -100.0,
            root_delay: 0.02,
            root_dispersion: 0.002,
            dispersion_rate: 15e-6,
            at,
            precision: -25,
            cooking: Cooking { base: at, offset: 1e-5, slope: -1e-6, until: at + 10.0 },
        });
        let plain = request_packet(4, 6, NtpTime(0x1234_5678_9abc_def0));
        let mut room = ReplyBuf::default();
        let order: Vec<usize> = (0..requests).map(|_| rng.bits() as usize % self.clients.len()).collect();
        let mut template = Template::new(&state, at);
        let begin = Instant::now();
        for (index, &client) in order.iter().enumerate() {
            let time = RawTime::from_nanos(at.nanos() + index as i64 * 10_000);
            if index % 64 == 0 {
                template = Template::new(&state, time);
            }
            let (origin, receive) = if self.interleaved {
                (self.named[client], NtpTime(8))
            } else {
                (NtpTime::ZERO, NtpTime::ZERO)
            };
            let bytes = Packet { origin, receive, ..plain }.emit();
            let rx = Stamp { time, source: StampSource::Kernel };
            let request = Datagram { from: self.clients[client], to: None, rx, bytes: &bytes };
            let verdict = self.responder.respond(&request, &template, || time + 5e-6, &mut room);
            if let Verdict::Reply(_) = verdict {
                self.replies += 1;
                if room.wants_stamp() {
                    let tx = Stamp { time: time + 15e-6, source: StampSource::Kernel };
                    self.responder.sent(room.as_bytes(), tx, &state);
                    self.named[client] = Packet::parse(room.as_bytes()).expect("a reply").receive;
                }
            }
        }
        self.took.push(begin.elapsed().as_secs_f64() / requests as f64);
    }

    fn median(&mut self) -> f64 {
        self.took.sort_by(f64::total_cmp);
        self.took[self.took.len() / 2]
    }
}

fn cases(many: usize) -> Vec<Case> {
    let everybody = AccessRule { allow: true, all: false, subnet: None };
    let mut rng = Rng::from_number(1);
    let mut open = |v6, long: bool| {
        let mut rules = vec![everybody];
        if long {
            rules.extend(networks(&mut rng, v6));
        }
        ServeConfig { access: AccessTable::new(&rules), ..ServeConfig::default() }
    };
    let mut all = vec![
        Case::new("IPv4, one rule", open(false, false), false, many),
        Case::new("IPv4, 10 000 rules", open(false, true), false, many),
        Case::new("IPv6, one rule", open(true, false), true, many),
        Case::new("IPv6, 10 000 rules", open(true, true), true, many),
    ];
    let holding = ServeConfig { held_stamps: 1 << 17, ..open(false, false) };
    let mut interleaved = Case::new("IPv4, interleaved", holding, false, many);
    interleaved.interleaved = true;
    all.push(interleaved);
    let remembering = ServeConfig { client_bytes: 64 << 20, ..open(false, false) };
    all.push(Case::new("IPv4, clients remembered", remembering, false, many));
    all
}

fn main() {
    let whole = std::env::args().any(|word| word == "--bench");
    let (turns, requests) = if whole { (TURNS, REQUESTS) } else { (1, 500) };
    let mut cases = cases(if whole { 100_000 } else { 1000 });
    let mut rng = Rng::from_number(9);
    for turn in 0..turns {
        for case in &mut cases {
            case.turn(requests, START + turn as f64, &mut rng);
        }
    }
    println!("{:<28}{:>12}{:>10}{:>14}", "", "ns a request", "answered", "to one rule");
    let mut base = f64::NAN;
    for (index, case) in cases.iter_mut().enumerate() {
        let median = case.median();
        if index % 2 == 0 && index < 4 {
            base = median;
        }
        if index == 4 {
            base = f64::NAN;
        }
        let share = case.replies as f64 / (turns * requests) as f64;
        let more = if base.is_nan() { String::new() } else { format!("{:+.0} ns", (median - base) * 1e9) };
        println!("{:<28}{:>12.0}{:>9.0}%{:>14}", case.name, median * 1e9, share * 100.0, more);
    }
}
