//! Interleaved mode as a client sees it (RFC 9769 §2).

use super::*;

/// A server that holds 64 pairs of stamps.
fn holding() -> Responder {
    let config = ServeConfig { held_stamps: 64, ..(**open().config()).clone() };
    Responder::new(Arc::new(config), Rng::from_number(1))
}

/// What a client sends that names the reply to its request received at `receive`.
fn naming(receive: NtpTime) -> Packet {
    Packet { origin: receive, receive: NtpTime(77), ..Packet::parse(&request(4, Mode::Client)).unwrap() }
}

/// The reply to `request`, received `at` seconds after [`RX`], and whether its stamp was asked for. It leaves 20 µs
/// after by the daemon's clock.
fn exchange(responder: &mut Responder, state: &ServerState, request: &Packet, at: f64) -> (Packet, bool) {
    let bytes = request.emit();
    let rx = Stamp { time: RX + at, source: StampSource::Kernel };
    let datagram = Datagram { rx, ..datagram(&bytes) };
    let mut buffer = ReplyBuf::default();
    let verdict =
        responder.respond(&datagram, &Template::new(state, rx.time), || rx.time + 20e-6, &mut buffer);
    assert!(matches!(verdict, Verdict::Reply(_)), "{verdict:?}");
    (Packet::parse(buffer.as_bytes()).unwrap(), buffer.wants_stamp())
}

/// The kernel says that `reply` left at `at` seconds after [`RX`].
fn stamped(responder: &mut Responder, state: &ServerState, reply: &Packet, at: f64) -> bool {
    let frame = [&[0xaa; 42], &reply.emit()[..]].concat();
    responder.sent(&frame, Stamp { time: RX + at, source: StampSource::Kernel }, state)
}

#[test]
fn the_third_reply_tells_when_the_second_left() {
    let (mut server, state) = (holding(), synced());
    let plain = Packet::parse(&request(4, Mode::Client)).unwrap();
    let (first, wanted) = exchange(&mut server, &state, &plain, 0.0);
    assert!(!wanted && server.held().is_empty(), "nothing is held for who asks in basic mode");
    let (second, wanted) = exchange(&mut server, &state, &naming(first.receive), 1.0);
    assert_eq!((wanted, second.origin, server.held().len()), (true, plain.transmit, 1), "still basic");
    assert!(stamped(&mut server, &state, &second, 1.000_050));
    let (third, wanted) = exchange(&mut server, &state, &naming(second.receive), 2.0);
    assert!(wanted);
    assert_eq!(third.origin, NtpTime(77), "the receive field of the request marks the mode");
    assert!((third.receive.to_local() - second.receive.to_local() - 0.95).abs() < 1e-6, "slewed by 5 %");
    let took = third.transmit.to_local() - second.receive.to_local();
    assert!((took - 50e-6 * 0.95).abs() < 5e-9, "{took}");
    // The same question again: told once.
    let (again, _) = exchange(&mut server, &state, &naming(second.receive), 2.1);
    assert_eq!(again.origin, plain.transmit);
    let stats = server.counters().stats;
    assert_eq!((stats.received, stats.answered, stats.interleaved), (4, 4, 1));
    assert_eq!((stats.daemon_tx, stats.kernel_tx, stats.hardware_tx), (3, 1, 0));
    assert_eq!(server.held().len(), 2, "the third and the repetition");
}

#[test]
fn without_the_kernel_s_stamp_the_daemon_s_is_told() {
    let (mut server, state) = (holding(), synced());
    let (one, _) = exchange(&mut server, &state, &naming(NtpTime(1)), 0.0);
    let (two, _) = exchange(&mut server, &state, &naming(one.receive), 1.0);
    assert_eq!(two.origin, NtpTime(77));
    assert!((two.transmit.to_local() - one.receive.to_local() - 19e-6).abs() < 5e-9);
    assert_eq!((server.counters().stats.interleaved, server.counters().stats.daemon_tx), (1, 2));
}

#[test]
fn only_requests_of_that_form_are_interleaved() {
    let (mut server, state) = (holding(), synced());
    let good = naming(NtpTime(1));
    for wrong in [
        Packet { version: 3, ..good },
        Packet { origin: NtpTime(2), ..good },
        Packet { origin: NtpTime::ZERO, ..good },
        Packet { receive: good.transmit, ..good },
    ] {
        let (reply, wanted) = exchange(&mut server, &state, &wrong, 0.0);
        assert!(!wanted && server.held().is_empty() && reply.origin == wrong.transmit, "{wrong:?}");
    }
    assert!(exchange(&mut server, &state, &good, 0.0).1);
}

/// A peer that we do not know (RFC 9769 §3): what it tells of its own transmit times is not our affair.
#[test]
fn a_peer_is_told_as_a_client_is() {
    let (mut server, state) = (holding(), synced());
    let asked = |origin| Packet { mode: Mode::Active, ..naming(origin) };
    let (one, _) = exchange(&mut server, &state, &asked(NtpTime(1)), 0.0);
    assert!(stamped(&mut server, &state, &one, 50e-6));
    let (two, _) = exchange(&mut server, &state, &asked(one.receive), 1.0);
    assert_eq!((two.mode, two.origin), (Mode::Passive, NtpTime(77)));
    let took = two.transmit.to_local() - one.receive.to_local();
    assert!((took - 50e-6 * 0.95).abs() < 5e-9, "{took}");
}

#[test]
fn a_step_of_the_clock_ends_what_was_held() {
    let (mut server, state) = (holding(), synced());
    let (one, _) = exchange(&mut server, &state, &naming(NtpTime(1)), 0.0);
    let stepped = ServerState { earliest: RX + 0.5, ..state };
    assert!(!stamped(&mut server, &stepped, &one, 0.000_050), "a stamp of the clock before");
    let (two, _) = exchange(&mut server, &stepped, &naming(one.receive), 1.0);
    assert_eq!(two.origin, NtpTime(0xdead_beef_0102_0304), "basic");
    let (three, _) = exchange(&mut server, &stepped, &naming(two.receive), 2.0);
    assert_eq!(three.origin, NtpTime(77));
}

#[test]
fn what_the_error_queue_says_of_others_changes_nothing() {
    let (mut server, state) = (holding(), synced());
    let (one, _) = exchange(&mut server, &state, &naming(NtpTime(1)), 0.0);
    let tx = Stamp { time: RX + 50e-6, source: StampSource::Kernel };
    assert!(!server.sent(&[], tx, &state) && !server.sent(&[0; 47], tx, &state));
    assert!(!stamped(&mut server, &state, &Packet { receive: NtpTime(one.receive.0 + 2), ..one }, 50e-6));
    assert!(!stamped(&mut server, &state, &one, 3.0));
    assert_eq!(server.held().len(), 1);
}

#[test]
fn without_room_everybody_gets_basic_mode() {
    let (mut server, state) = (open(), synced());
    let (one, wanted) = exchange(&mut server, &state, &naming(NtpTime(1)), 0.0);
    assert!(!wanted && !stamped(&mut server, &state, &one, 50e-6));
    let (two, _) = exchange(&mut server, &state, &naming(one.receive), 1.0);
    assert_eq!(two.origin, NtpTime(0xdead_beef_0102_0304));
}

#[test]
fn authenticated_replies_are_stamped_too() {
    let (keys, _) =
        crate::auth::file::parse("1 MD5 HEX:00112233445566778899\n2 SHA512 ASCII:a_secret_of_sorts\n");
    let config = ServeConfig { keys: Arc::new(keys.clone()), held_stamps: 64, ..(**open().config()).clone() };
    let (mut server, state) = (Responder::new(Arc::new(config), Rng::from_number(1)), synced());
    for (id, at) in [(1, 0.0), (2, 1.0)] {
        let key = keys.get(KeyId(id)).expect("in the file");
        let sealed = |packet: &Packet| [&packet.emit()[..], key.sign(4, &packet.emit()).as_bytes()].concat();
        let ask = |server: &mut Responder, packet: &Packet, at: f64| {
            let (bytes, mut buffer) = (sealed(packet), ReplyBuf::default());
            let rx = Stamp { time: RX + at, source: StampSource::Kernel };
            let template = Template::new(&state, rx.time);
            let datagram = Datagram { rx, ..datagram(&bytes) };
            let _ = server.respond(&datagram, &template, || rx.time + 20e-6, &mut buffer);
            assert!(buffer.wants_stamp() && buffer.as_bytes().len() > HEADER_LEN, "key {id}");
            buffer
        };
        let one = ask(&mut server, &naming(NtpTime(1)), at);
        let tx = Stamp { time: RX + at + 50e-6, source: StampSource::Kernel };
        assert!(server.sent(&[&[0x55; 62], one.as_bytes()].concat(), tx, &state), "key {id}");
        let two = ask(&mut server, &naming(Packet::parse(one.as_bytes()).unwrap().receive), at + 0.5);
        assert_eq!(Packet::parse(two.as_bytes()).unwrap().origin, NtpTime(77), "key {id}");
    }
    assert_eq!((server.counters().stats.interleaved, server.counters().stats.authenticated), (2, 4));
}
