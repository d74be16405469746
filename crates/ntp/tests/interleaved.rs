//! Interleaved mode from both ends: our engine asks our server, whose replies leave later than they can say themselves.

#[allow(dead_code)] // other tests use the rest of it
mod rig;

use ntp::clock::Cooking;
use ntp::config::{AccessRule, SourceConfig};
use ntp::control::ntpdata::NtpData;
use ntp::engine::{Stamp, StampSource, Start};
use ntp::ids::RefId;
use ntp::rng::Rng;
use ntp::server::{
    AccessTable, Datagram, ReplyBuf, Responder, ServeConfig, ServerState, SyncedState, Template,
};
use ntp::time::{LocalTime, NtpTime, RawTime};
use ntp::wire::{Leap, Packet};
use rig::{Answer, Rig, config};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

const START: Start = Start {
    drift: None,
    once: ntp::engine::Once::No,
    reload: false,
    steers: true,
    family: ntp::config::Family::Any,
    serving_threads: 0,
};

/// What the server saw and how it behaves.
#[derive(Default)]
struct Server {
    requests: Vec<Packet>,
    /// Requests in interleaved mode get no answer.
    deaf: bool,
    /// Holds nothing between two requests.
    forgetful: bool,
    /// A reply tells when the one before the one asked for left.
    confused: bool,
    last: NtpTime,
}

/// Each reply waits 0 to 2 ms in the server's queue, which only the kernel sees.
fn serve(shared: &Rc<RefCell<Server>>) -> rig::Server {
    let everybody = AccessRule { allow: true, all: false, subnet: None };
    let serve_config =
        ServeConfig { access: AccessTable::new(&[everybody]), held_stamps: 64, ..ServeConfig::default() };
    let mut responder = Responder::new(Arc::new(serve_config.clone()), Rng::from_number(5));
    let mut rng = Rng::from_number(6);
    let shared = Rc::clone(shared);
    Box::new(move |arrives, request| {
        let mut server = shared.borrow_mut();
        server.requests.push(*request);
        if server.deaf && !request.origin.is_zero() {
            return None;
        }
        if server.forgetful {
            responder = Responder::new(Arc::new(serve_config.clone()), Rng::from_number(5));
        }
        let rx = RawTime::from_nanos(arrives);
        let state = ServerState::synchronised(&SyncedState {
            leap: Leap::None,
            stratum: 1,
            refid: RefId::from_text("GPS"),
            reference: LocalTime::from_nanos(arrives) + -10.0,
            root_delay: 0.0,
            root_dispersion: 1e-6,
            dispersion_rate: 0.0,
            at: rx,
            precision: -29,
            cooking: Cooking::default(),
        });
        let bytes = request.emit();
        let stamp = Stamp { time: rx, source: StampSource::Kernel };
        let datagram =
            Datagram { from: "192.0.2.99:5000".parse().unwrap(), to: None, rx: stamp, bytes: &bytes };
        let mut room = ReplyBuf::default();
        let _ = responder.respond(&datagram, &Template::new(&state, rx), || rx + 1e-6, &mut room);
        let leaves = rx + 5e-6 + 0.002 * rng.uniform();
        if room.wants_stamp() {
            responder.sent(room.as_bytes(), Stamp { time: leaves, source: StampSource::Kernel }, &state);
        }
        let mut reply = Packet::parse(room.as_bytes()).unwrap();
        let told = core::mem::replace(&mut server.last, reply.transmit);
        if server.confused && reply.origin == request.receive {
            reply.transmit = told;
        }
        Some((leaves.nanos(), reply))
    })
}

fn rig(source: SourceConfig) -> (Rig, Rc<RefCell<Server>>) {
    let shared = Rc::new(RefCell::new(Server::default()));
    let mut rig = Rig::new(&config(&[source]), START, 0.0, |_, _| Some(Answer::default()));
    rig.server = Some(serve(&shared));
    (rig, shared)
}

fn asking(xleave: bool) -> SourceConfig {
    SourceConfig { xleave, minpoll: 3, maxpoll: 3, ..rig::server("192.0.2.1") }
}

fn ntpdata(rig: &Rig) -> NtpData {
    rig.engine.ntp_data(0).expect("a source")
}

/// The largest error of an offset measured within `polls` answers, s. The oscillator is perfect and the clock begins right.
fn worst(rig: &mut Rig, polls: u32) -> f64 {
    let (mut worst, mut seen) = (0f64, ntpdata(rig).good_rx);
    let end = seen + polls;
    while seen < end {
        rig.run_until(rig.time() + 0.5);
        let data = ntpdata(rig);
        if data.good_rx != seen {
            seen = data.good_rx;
            worst = worst.max((data.peer_delay.0 - 0.010).abs());
        }
        assert!(rig.time() < 10_000.0, "no good answers: {data:?}");
    }
    worst
}

#[test]
fn what_waits_in_the_server_is_seen_only_in_interleaved_mode() {
    let (mut basic, shared) = rig(asking(false));
    basic.run_until(60.0);
    assert!(worst(&mut basic, 50) > 1e-3);
    assert!(!ntpdata(&basic).flags.interleaved());
    assert!(
        shared.borrow().requests.iter().all(|r| r.origin.is_zero() && r.receive.is_zero()),
        "tells nothing"
    );
    let (mut exact, _) = rig(asking(true));
    exact.run_until(60.0);
    let worst = worst(&mut exact, 50);
    assert!(worst < 1e-8, "{worst}");
    let data = ntpdata(&exact);
    assert!(data.flags.interleaved() && (data.response_time.0 - 1e-3).abs() < 1.1e-3, "{data:?}");
    let error = |rig: &Rig| rig.served().expect("synchronised").0.abs();
    assert!(
        error(&exact) < 1e-6 && error(&basic) > 5.0 * error(&exact),
        "{} {}",
        error(&exact),
        error(&basic)
    );
}

#[test]
fn each_exchange_gives_one_sample() {
    let (mut rig, shared) = rig(asking(true));
    rig.run_until(500.0);
    let data = ntpdata(&rig);
    let requests = shared.borrow().requests.len() as u32;
    // Two answers in basic mode, then one that would tell of the second again.
    assert_eq!((data.valid_rx, data.good_rx), (requests, requests - 1));
    let requests = &shared.borrow().requests;
    for (index, pair) in requests.windows(2).enumerate() {
        assert!(
            pair[1].origin.0 & 1 == 1 && pair[1].receive.0 & 1 == 0 && pair[1].transmit.0 & 1 == 1,
            "{index}"
        );
        assert!(pair[0].origin != pair[1].origin && pair[0].receive != pair[1].receive);
    }
}

#[test]
fn a_server_without_memory_is_used_in_basic_mode() {
    let (mut rig, shared) = rig(asking(true));
    shared.borrow_mut().forgetful = true;
    rig.run_until(300.0);
    let data = ntpdata(&rig);
    assert!(!data.flags.interleaved() && data.good_rx >= 30 && data.good_rx == data.valid_rx, "{data:?}");
    // It gets a memory, and loses it again.
    shared.borrow_mut().forgetful = false;
    rig.run_until(400.0);
    assert!(ntpdata(&rig).flags.interleaved());
    shared.borrow_mut().forgetful = true;
    let before = ntpdata(&rig).good_rx;
    rig.run_until(500.0);
    let data = ntpdata(&rig);
    assert!(!data.flags.interleaved() && data.good_rx >= before + 10, "{data:?}");
}

#[test]
fn after_four_requests_without_an_answer_it_asks_in_basic_mode() {
    let (mut rig, shared) = rig(asking(true));
    rig.run_until(60.0);
    shared.borrow_mut().deaf = true;
    shared.borrow_mut().requests.clear();
    rig.run_until(400.0);
    let basic: Vec<bool> = shared.borrow().requests.iter().map(|r| r.origin.is_zero()).collect();
    let pattern = [false, false, false, false, true];
    assert!(basic.len() > 10);
    let expected: Vec<bool> = pattern.into_iter().cycle().take(basic.len()).collect();
    assert_eq!(basic, expected);
    assert!(!ntpdata(&rig).flags.interleaved() && rig.served().is_some());
}

/// A transmit time of another exchange is nonsense of the round trip or of the server's processing time.
#[test]
fn a_server_that_confuses_its_replies_is_not_measured() {
    let (mut rig, shared) = rig(asking(true));
    rig.run_until(100.0);
    shared.borrow_mut().confused = true;
    let before = ntpdata(&rig).good_rx;
    rig.run_until(300.0);
    let data = ntpdata(&rig);
    assert!(data.flags.interleaved() && data.good_rx <= before + 1, "{before} {data:?}");
}

#[test]
fn a_step_of_the_clock_between_two_exchanges_costs_one_sample() {
    for offset in [3.0, -3.0] {
        let (mut rig, _) = rig(asking(true));
        rig.run_until(100.0);
        rig.clock.shift((offset * 1e9) as i64);
        rig.run_until_noticed(0.0, offset);
        let before = ntpdata(&rig);
        rig.run_until(rig.time() + 64.0);
        let data = ntpdata(&rig);
        let refused = (data.valid_rx - before.valid_rx) - (data.good_rx - before.good_rx);
        assert!(refused <= 1 && data.good_rx > before.good_rx + 4, "{offset}: {data:?}");
        assert!(rig.served().is_some_and(|(error, _)| error.abs() < 1e-3), "{offset}: {:?}", rig.served());
    }
}

/// Two packets ahead: the second's exchange is the one measured, two seconds later.
#[test]
fn presend_sends_two_packets_ahead() {
    let (mut rig, shared) =
        rig(SourceConfig { presend: 3, iburst: false, minpoll: 5, maxpoll: 5, ..asking(true) });
    rig.run_until(1000.0);
    let gaps: Vec<f64> = rig.sent.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    for three in gaps.chunks_exact(3) {
        assert!((three[0] - 2.0).abs() < 0.1 && (three[1] - 2.0).abs() < 0.1, "{three:?}");
        assert!((three[2] - 28.0).abs() < 0.5, "{three:?}");
    }
    let data = ntpdata(&rig);
    let rounds = shared.borrow().requests.len() as u32 / 3;
    assert!((rounds - 2..=rounds).contains(&data.good_rx), "{} rounds: {data:?}", rounds);
    assert!(data.flags.interleaved() && (data.peer_delay.0 - 0.010).abs() < 1e-8);
}
