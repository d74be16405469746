//! Replies field by field, and the table of what is answered.

use super::*;
use crate::clock::Cooking;
use crate::config::AccessRule;
use crate::engine::io::StampSource;
use crate::ids::RefId;
use crate::rng::Rng;
use crate::time::NtpShort;
use crate::wire::Leap;
use proptest::prelude::*;

mod interleaved;

const RX: RawTime = RawTime::from_nanos(1_700_000_000 * NANOS);

fn open() -> Responder {
    let everybody = AccessRule { allow: true, all: false, subnet: None };
    let config = ServeConfig { access: AccessTable::new(&[everybody]), ..ServeConfig::default() };
    Responder::new(Arc::new(config), Rng::from_number(1))
}

fn synced() -> ServerState {
    ServerState::synchronised(&SyncedState {
        leap: Leap::Insert,
        stratum: 2,
        refid: RefId(0xc000_0201),
        reference: LocalTime::from_nanos(RX.nanos()) + -100.0,
        root_delay: 0.25,
        root_dispersion: 0.5,
        dispersion_rate: 15e-6,
        at: RX + -10_000.0,
        precision: -24,
        cooking: Cooking { base: RX, offset: 0.125, slope: -0.05, until: RX + 2.5 },
    })
}

fn request(version: u8, mode: Mode) -> Vec<u8> {
    let mut bytes = vec![0; HEADER_LEN];
    bytes[0] = version << 3 | mode as u8;
    bytes[2] = 6;
    bytes[40..48].copy_from_slice(&[0xde, 0xad, 0xbe, 0xef, 1, 2, 3, 4]);
    bytes
}

fn datagram(bytes: &[u8]) -> Datagram<'_> {
    Datagram {
        from: "192.0.2.1:4123".parse().unwrap(),
        to: None,
        rx: Stamp { time: RX, source: StampSource::Kernel },
        bytes,
    }
}

fn ask(responder: &mut Responder, state: &ServerState, datagram: &Datagram<'_>) -> Result<Packet, Reject> {
    let mut buffer = ReplyBuf::default();
    match responder.respond(datagram, &Template::new(state, RX), || RX + 20e-6, &mut buffer) {
        Verdict::Reply(bytes) => Ok(Packet::parse(bytes).unwrap()),
        Verdict::Drop(reject) => Err(reject),
    }
}

/// Answered in which mode, or why not.
fn verdict(bytes: &[u8]) -> Result<Mode, Reject> {
    ask(&mut open(), &synced(), &datagram(bytes)).map(|reply| reply.mode)
}

#[test]
fn every_field_of_a_reply() {
    let reply = ask(&mut open(), &synced(), &datagram(&request(4, Mode::Client))).unwrap();
    assert_eq!((reply.leap, reply.version, reply.mode, reply.stratum), (Leap::Insert, 4, Mode::Server, 2));
    assert_eq!((reply.poll, reply.precision, reply.refid), (6, -24, RefId(0xc000_0201)));
    assert_eq!(reply.root_delay, NtpShort::from_seconds_ceil(0.25));
    assert!((reply.root_dispersion.seconds() - 0.65).abs() < 2.0 / 65536.0, "grown for 10000 s at 15 ppm");
    assert_eq!(reply.reference, NtpTime::from(LocalTime::from_nanos(RX.nanos()) + -100.0));
    assert_eq!(reply.origin, NtpTime(0xdead_beef_0102_0304));
    let local = LocalTime::from_nanos(RX.nanos()) + 0.125; // with the pending correction, which shrinks 5 % fast
    assert!((reply.receive.to_local() - local).abs() < 2f64.powi(-23));
    assert!((reply.transmit.to_local() - local - 19e-6).abs() < 2f64.powi(-22));
    assert_eq!((reply.receive.0 & 1, reply.transmit.0 & 1), (1, 0));
}

#[test]
fn an_unsynchronised_server_answers_that_it_is() {
    let reply =
        ask(&mut open(), &ServerState::unsynchronised(-24), &datagram(&request(3, Mode::Client))).unwrap();
    assert_eq!((reply.leap, reply.version, reply.stratum), (Leap::Unsynchronised, 3, 0));
    assert_eq!((reply.refid, reply.reference), (RefId::NONE, NtpTime::ZERO));
    assert_eq!((reply.root_delay, reply.root_dispersion), (NtpShort(1 << 16), NtpShort(1 << 16)));
    let stale = ServerState { valid_until: RX + -1e-9, ..synced() };
    let reply = ask(&mut open(), &stale, &datagram(&request(4, Mode::Client))).unwrap();
    assert_eq!((reply.leap, reply.stratum, reply.refid), (Leap::Unsynchronised, 0, RefId::NONE));
}

#[test]
fn lengths() {
    for (len, expected) in [
        (0, Err(Reject::TooShort)),
        (1, Err(Reject::TooShort)),
        (47, Err(Reject::TooShort)),
        (48, Ok(Mode::Server)),
        (49, Err(Reject::OddLength)),
        (1144, Err(Reject::TooLong)),
        (65_507, Err(Reject::TooLong)),
    ] {
        let mut bytes = request(4, Mode::Client);
        bytes.resize(len, 0);
        assert_eq!(verdict(&bytes), expected, "{len}");
    }
}

#[test]
fn versions_and_modes() {
    use Mode::{Active, Broadcast, Client, Control, Passive, Private, Reserved, Server};
    for version in 0..8 {
        for mode in [Reserved, Active, Passive, Client, Server, Broadcast, Control, Private] {
            let expected = match (version, mode) {
                (0 | 5..=7, _) => Err(Reject::BadVersion),
                (_, Client) | (1, Reserved) => Ok(Server),
                (_, Active) => Ok(Passive),
                _ => Err(Reject::NotARequest),
            };
            assert_eq!(verdict(&request(version, mode)), expected, "version {version} {mode:?}");
        }
    }
    let bytes = request(1, Reserved);
    let server = Datagram { from: "192.0.2.1:123".parse().unwrap(), ..datagram(&bytes) };
    assert_eq!(ask(&mut open(), &synced(), &server), Err(Reject::NotARequest));
}

/// Extension fields of these lengths after an NTPv4 header.
fn with_fields(version: u8, lens: &[u16]) -> Vec<u8> {
    let mut bytes = request(version, Mode::Client);
    for &len in lens {
        bytes.extend([0xf3, 0x23]);
        bytes.extend(len.to_be_bytes());
        bytes.resize(bytes.len() + usize::from(len) - 4, 0);
    }
    bytes
}

#[test]
fn extension_fields_are_ignored_if_they_add_up() {
    for (lens, expected) in [
        (&[12][..], Err(Reject::MalformedExtension)),
        (&[16], Err(Reject::MalformedExtension)),
        (&[20], Err(Reject::UnknownKey)),
        (&[24], Err(Reject::UnknownKey)),
        (&[28], Ok(Mode::Server)),
        (&[32], Ok(Mode::Server)),
        (&[16, 28], Ok(Mode::Server)),
        (&[28, 16], Err(Reject::MalformedExtension)),
        (&[1092], Ok(Mode::Server)),
        (&[1096], Err(Reject::TooLong)),
    ] {
        assert_eq!(verdict(&with_fields(4, lens)), expected, "{lens:?}");
    }
    assert_eq!(verdict(&with_fields(3, &[28])), Err(Reject::UnknownKey), "before version 4 that is a MAC");
    let mut lying = with_fields(4, &[28]);
    for wrong in [0, 30, 32, 65_535u16] {
        lying[50..52].copy_from_slice(&wrong.to_be_bytes());
        assert_eq!(verdict(&lying), Err(Reject::MalformedExtension), "{wrong}");
    }
}

#[test]
fn fields_of_network_time_security_get_no_plain_answer() {
    for (kind, expected) in [
        (0x0104u16, Err(Reject::NtsUnavailable)),
        (0x0204, Err(Reject::NtsUnavailable)),
        (0x0304, Err(Reject::NtsUnavailable)),
        (0x0404, Err(Reject::NtsUnavailable)),
        (0x0504, Ok(Mode::Server)),
        (0x8104, Ok(Mode::Server)),
    ] {
        let mut bytes = with_fields(4, &[16, 28]);
        bytes[64..66].copy_from_slice(&kind.to_be_bytes());
        assert_eq!(verdict(&bytes), expected, "{kind:04x}");
    }
}

#[test]
fn authentication_without_keys_gets_no_answer() {
    for (len, expected) in [(4, Reject::CryptoNak), (20, Reject::UnknownKey), (24, Reject::UnknownKey)] {
        for version in 1..=4 {
            let mut bytes = request(version, Mode::Client);
            bytes.resize(HEADER_LEN + len, 0);
            assert_eq!(verdict(&bytes), Err(expected), "version {version}, {len} bytes");
        }
    }
}

#[test]
fn leap_and_zero_transmit_time_of_the_request_do_not_matter() {
    let mut bytes = request(4, Mode::Client);
    bytes[0] |= 0xc0;
    bytes[40..].fill(0);
    assert_eq!(ask(&mut open(), &synced(), &datagram(&bytes)).unwrap().origin, NtpTime::ZERO);
}

#[test]
fn the_poll_exponent_is_raised_to_the_limit() {
    for (limit, asked, told) in [(-19, -10, -10), (-19, 127, 127), (-19, -128, -19), (3, -10, 3), (3, 6, 6)] {
        let config = ServeConfig { minimum_poll: limit, ..(**open().config()).clone() };
        let mut responder = open();
        responder.set_config(Arc::new(config));
        let mut bytes = request(4, Mode::Client);
        bytes[2] = (asked as i8).cast_unsigned();
        assert_eq!(ask(&mut responder, &synced(), &datagram(&bytes)).unwrap().poll, told);
    }
}

#[test]
fn who_may_not_ask_gets_no_answer() {
    let bytes = request(4, Mode::Client);
    let mut closed = Responder::new(Arc::new(ServeConfig::default()), Rng::from_number(1));
    assert_eq!(ask(&mut closed, &synced(), &datagram(&bytes)), Err(Reject::AccessDenied));
    // The dearer checks come after the list.
    assert_eq!(ask(&mut closed, &synced(), &datagram(&with_fields(4, &[12]))), Err(Reject::AccessDenied));
    for nobody in ["192.0.2.1:0", "0.0.0.0:1234", "224.0.1.1:123", "[::]:1234", "[ff02::101]:1234"] {
        let from = nobody.parse().unwrap();
        let datagram = Datagram { from, ..datagram(&bytes) };
        assert_eq!(ask(&mut open(), &synced(), &datagram), Err(Reject::BadSource), "{nobody}");
    }
}

#[test]
fn stamps_from_before_a_step_are_dropped() {
    let bytes = request(4, Mode::Client);
    let forward = ServerState { earliest: RX + 1e-9, ..synced() };
    assert_eq!(ask(&mut open(), &forward, &datagram(&bytes)), Err(Reject::StaleStamp));
    let mut buffer = ReplyBuf::default();
    for (tx, dropped) in [(RX + -0.002, true), (RX + -0.0005, false), (RX, false)] {
        let verdict = open().respond(&datagram(&bytes), &Template::new(&synced(), RX), || tx, &mut buffer);
        assert_eq!(verdict == Verdict::Drop(Reject::StaleStamp), dropped);
    }
}

#[test]
fn everything_is_counted_once_and_the_clock_read_only_for_replies() {
    let mut responder = open();
    let mut buffer = ReplyBuf::default();
    let mut reads = 0;
    let good = request(4, Mode::Client);
    let authenticated = [&good[..], &[0; 20]].concat();
    for bytes in [&good[..], &good[..40], &authenticated] {
        let transmit = || {
            reads += 1;
            RX
        };
        let _ = responder.respond(&datagram(bytes), &Template::new(&synced(), RX), transmit, &mut buffer);
    }
    assert_eq!(reads, 1);
    let counters = responder.counters();
    let stats =
        ServerStats { received: 2, answered: 1, kernel_rx: 1, daemon_tx: 1, ..ServerStats::default() };
    assert_eq!(counters.stats, stats);
    assert_eq!(counters.rejected(Reject::TooShort), 1);
    assert_eq!(counters.rejected(Reject::UnknownKey), 1);
    assert_eq!(counters.total_rejected(), 2);
}

#[test]
fn bits_below_the_precision_are_random_and_the_others_are_not() {
    let mut responder = open();
    let state = ServerState { precision: -20, ..synced() };
    let (mut ones, mut zeros) = (0, u64::MAX);
    for _ in 0..200 {
        let reply = ask(&mut responder, &state, &datagram(&request(4, Mode::Client))).unwrap();
        ones |= reply.receive.0;
        zeros &= reply.receive.0;
    }
    assert_eq!(ones & !zeros, 0xffe, "twelve bits less the mark");
}

proptest! {
    #[test]
    fn a_reply_never_leaves_before_its_request_came(
        nanos in -4_000_000_000 * NANOS..4_000_000_000 * NANOS, later in 0i64..2000, precision in -32i8..=0, noise: u64,
    ) {
        let rx = receive_time(LocalTime::from_nanos(nanos), precision, noise as u32);
        let tx = transmit_time(LocalTime::from_nanos(nanos + later), precision, (noise >> 32) as u32, rx);
        prop_assert!((tx.0.wrapping_sub(rx.0) as i64) > 0, "{rx:?} {tx:?}");
        prop_assert_eq!((rx.0 & 1, tx.0 & 1), (1, 0));
    }
}

#[test]
fn authenticated_requests_get_replies_with_a_mac_of_the_same_length() {
    let text = "1 MD5 HEX:00112233445566778899\n2 SHA512 ASCII:a_secret_of_sorts\n3 AES128 HEX:000102030405060708090A0B0C0D0E0F\n";
    let (keys, faults) = crate::auth::file::parse(text);
    assert!(faults.is_empty());
    let keys = Arc::new(keys);
    let mut responder = open();
    let config = ServeConfig { keys: Arc::clone(&keys), ..(**responder.config()).clone() };
    responder.set_config(Arc::new(config));
    let mut buffer = ReplyBuf::default();
    let field = [&[0x12, 0x34, 0, 32][..], &[0; 28]].concat();
    for (id, version, fields, len) in [
        (1, 4, &[][..], 68),
        (1, 3, &[], 68),
        (2, 3, &[], 116),
        (2, 4, &[], 72),
        (3, 4, &[], 68),
        (3, 4, &field, 68),
    ] {
        let key = keys.get(KeyId(id)).expect("in the file");
        let mut bytes = [&request(version, Mode::Client)[..], fields].concat();
        bytes.extend_from_slice(key.sign(version, &bytes).as_bytes());
        let Verdict::Reply(reply) =
            responder.respond(&datagram(&bytes), &Template::new(&synced(), RX), || RX, &mut buffer)
        else {
            panic!("key {id}, version {version}")
        };
        assert!(
            reply.len() == len && reply.len() <= bytes.len(),
            "key {id}, version {version}: {}",
            reply.len()
        );
        let (header, mac) = reply.split_at(HEADER_LEN);
        assert_eq!(mac[..4], id.to_be_bytes());
        assert!(key.verify(version, header, &mac[4..]));
        assert_eq!(header[24..32], request(version, Mode::Client)[40..48]);

        // Any bit changed on the way, and there is no answer.
        for at in (0..bytes.len()).filter(|at| !matches!(at, 0 | 48..52)) {
            let mut changed = bytes.clone();
            changed[at] ^= 0x10;
            let verdict =
                responder.respond(&datagram(&changed), &Template::new(&synced(), RX), || RX, &mut buffer);
            let allowed = [Reject::BadMac, Reject::MalformedExtension, Reject::UnknownKey];
            assert!(
                matches!(verdict, Verdict::Drop(why) if allowed.contains(&why)),
                "byte {at}: {verdict:?}"
            );
        }
        bytes[51 + fields.len()] ^= 7; // another key's number
        let verdict = responder.respond(&datagram(&bytes), &Template::new(&synced(), RX), || RX, &mut buffer);
        assert!(matches!(verdict, Verdict::Drop(Reject::BadMac | Reject::UnknownKey)), "{verdict:?}");
    }
    assert_eq!(responder.counters().stats.authenticated, 6);
}
