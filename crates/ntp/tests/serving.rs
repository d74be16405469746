//! A million requests of every kind, with all that is remembered of clients switched on, allocate nothing.

use ntp::clock::Cooking;
use ntp::config::{AccessRule, Subnet};
use ntp::engine::{Stamp, StampSource};
use ntp::rng::Rng;
use ntp::server::{
    AccessTable, Datagram, Limits, Load, Reject, ReplyBuf, Responder, ServeConfig, ServerState, Template,
    Verdict,
};
use ntp::time::{LocalTime, MonoTime, NANOS, NtpTime, RawTime};
use ntp::wire::Packet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

#[global_allocator]
static ALLOCATOR: sys::allocation::Counting = sys::allocation::Counting;

const BATCHES: usize = 15_625;
const BATCH: usize = 64;
/// More clients than the table has room for.
const CLIENTS: usize = 100_000;
/// Between two batches, ns.
const INTERVAL: i64 = 200_000;

fn responder() -> Responder {
    let rule = |allow, subnet| AccessRule { allow, all: false, subnet };
    let refused =
        |n: u8| rule(false, Some(Subnet { address: IpAddr::V4(Ipv4Addr::new(10, 0, n, 0)), prefix: 24 }));
    let mut rules = vec![rule(true, None)];
    rules.extend((0..20).map(refused));
    let config = ServeConfig {
        access: AccessTable::new(&rules),
        held_stamps: 256,
        limits: Limits::AUTO,
        client_bytes: 1 << 20,
        ..ServeConfig::default()
    };
    Responder::new(Arc::new(config), Rng::from_number(1))
}

fn sender(client: usize) -> SocketAddr {
    let number = client as u32;
    let ip = match client % 4 {
        0 => IpAddr::V6(Ipv6Addr::from(0x2001_0db8_u128 << 96 | u128::from(number) << 48)),
        _ => IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + number)),
    };
    SocketAddr::new(ip, 1024 + (client % 60_000) as u16)
}

/// A request and how many bytes of it count: one in sixteen is no good.
fn request(kind: usize, origin: NtpTime) -> ([u8; 128], usize) {
    let mut bytes = [0; 128];
    bytes[0] = 4 << 3 | 3;
    bytes[40..48].copy_from_slice(&0x0123_4567_89ab_cdef_u64.to_be_bytes());
    let len = match kind % 16 {
        0 => 47,
        1 => 128, // an extension field that is too short
        2 => 52,  // a crypto-NAK
        3 => {
            bytes[0] = 4 << 3 | 4;
            48
        }
        4..8 => {
            // In interleaved mode: it names the reply before.
            bytes[24..32].copy_from_slice(&origin.0.to_be_bytes());
            bytes[32..40].copy_from_slice(&8u64.to_be_bytes());
            48
        }
        _ => 48,
    };
    (bytes, len)
}

#[test]
fn a_million_requests_allocate_nothing() {
    let (mut responder, mut chance) = (responder(), Rng::from_number(2));
    let mut last = vec![NtpTime::ZERO; CLIENTS];
    let (mut replies, mut stamped) = (0_u64, 0);
    let before = sys::allocation::count();
    for batch in 0..BATCHES {
        let now = RawTime::from_nanos(1_700_000_000 * NANOS + batch as i64 * INTERVAL);
        let state =
            ServerState::local_reference(3, -24, LocalTime::from_nanos(now.nanos()), &Cooking::default());
        let template = Template::new(&state, now);
        responder.set_time(MonoTime::from_nanos(batch as i64 * INTERVAL));
        for _ in 0..BATCH {
            // A few ask often.
            let client = if chance.below(4) == 0 { chance.below(100) } else { chance.below(CLIENTS) };
            let (bytes, len) = request(chance.below(16), last[client]);
            let datagram = Datagram {
                from: sender(client),
                to: None,
                rx: Stamp { time: now, source: StampSource::Kernel },
                bytes: &bytes[..len],
            };
            let mut room = ReplyBuf::default();
            if let Verdict::Reply(reply) = responder.respond(&datagram, &template, || now + 1e-6, &mut room) {
                replies += 1;
                let header = Packet::parse(reply).expect("a header");
                last[client] = header.receive;
                if room.wants_stamp() {
                    let tx = Stamp { time: now + 2e-6, source: StampSource::Kernel };
                    stamped += u64::from(responder.sent(room.as_bytes(), tx, &state));
                }
            }
        }
        responder.note_load(Load { full: batch % 3 == 0, lost: u32::from(batch % 100 == 0) });
    }
    let allocated = sys::allocation::count() - before;
    assert_eq!(allocated, 0, "allocations for {} requests", BATCHES * BATCH);
    let counters = responder.counters();
    assert_eq!(counters.stats.answered, replies);
    assert_eq!(replies + counters.total_rejected(), (BATCHES * BATCH) as u64);
    // All of it was exercised.
    assert!(replies > 300_000 && stamped > 0 && counters.stats.interleaved > 0, "{counters:?}");
    for reject in [
        Reject::TooShort,
        Reject::NotARequest,
        Reject::AccessDenied,
        Reject::CryptoNak,
        Reject::MalformedExtension,
        Reject::RateLimited,
    ] {
        assert!(counters.rejected(reject) > 0, "{reject:?}: {counters:?}");
    }
}
