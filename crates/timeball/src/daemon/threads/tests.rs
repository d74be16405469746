//! Threads that serve over loopback: who answers whom, and what when the clock is stepped.

use super::super::event_loop::EventLoop;
use super::super::event_loop::tests::{daemon, free_port};
use super::*;
use ntp::config::AccessRule;
use ntp::control::{AccessList, Backend, Change, Status};
use ntp::engine::Operator;
use ntp::server::{Counters, Reject};
use ntp::time::{NtpTime, RawTime};
use ntp::wire::{Leap, Mode, Packet};
use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;
use sys::batch::SIZE;

fn served(port: u16, more: &[&str]) -> EventLoop {
    let port = format!("port {port}");
    let mut words = vec!["-4", &port, "bindaddress 127.0.0.1", "allow", "local stratum 5", "serverthreads 2"];
    words.extend(more);
    daemon(&words)
}

/// A client at 127.0.0.`octet`, from a port of its own.
fn client(octet: u8, port: u16) -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::new(127, 0, 0, octet), 0)).expect("loopback");
    socket.connect((Ipv4Addr::LOCALHOST, port)).expect("loopback");
    socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
    socket
}

fn request(number: u64) -> [u8; 48] {
    let mut bytes = [0; 48];
    bytes[0] = 4 << 3 | 3;
    bytes[40..].copy_from_slice(&number.to_be_bytes());
    bytes
}

fn ask(socket: &UdpSocket, number: u64) -> Packet {
    socket.send(&request(number)).expect("room");
    hear(socket).expect("an answer within five seconds")
}

fn hear(socket: &UdpSocket) -> Option<Packet> {
    let mut buffer = [0; 100];
    let len = socket.recv(&mut buffer).ok()?;
    Packet::parse(&buffer[..len])
}

fn counters(daemon: &EventLoop) -> Vec<Counters> {
    daemon.engine.shards().locked().map(|shard| *shard.counters()).collect()
}

fn change(daemon: &mut EventLoop, allow: bool) {
    let now = daemon.clocks.now();
    let EventLoop { engine, clocks, out, .. } = daemon;
    let rule = AccessRule { allow, all: true, subnet: None };
    let mut operator = Operator { engine, clock: clocks, now, out };
    assert_eq!(operator.change(&Change::Allow(AccessList::Ntp, rule)), Status::Success);
    daemon.follow_access();
    daemon.act();
}

#[test]
fn each_request_is_answered_once_and_each_client_by_one_thread() {
    let port = free_port();
    let mut daemon = served(port, &[]);
    let mut homes = Vec::new();
    for octet in 10..26 {
        let before = counters(&daemon);
        for (round, socket) in (0..4).map(|_| client(octet, port)).enumerate() {
            for number in 0..5 {
                let unique = u64::from(octet) << 32 | (round as u64) << 16 | number;
                let reply = ask(&socket, unique);
                assert_eq!((reply.mode, reply.stratum, reply.origin), (Mode::Server, 5, NtpTime(unique)));
                assert!(reply.receive.0 <= reply.transmit.0);
            }
            socket.set_read_timeout(Some(Duration::from_millis(1))).expect("a timeout");
            assert!(hear(&socket).is_none(), "answered twice");
        }
        let answered = |all: &[Counters]| [all[0].stats.answered, all[1].stats.answered];
        let (before, after) = (answered(&before), answered(&counters(&daemon)));
        homes.push([after[0] - before[0], after[1] - before[1]]);
    }
    assert!(homes.iter().all(|home| home.contains(&20) && home.contains(&0)), "{homes:?}");
    assert!(homes.contains(&[20, 0]) && homes.contains(&[0, 20]), "both threads serve: {homes:?}");
    let sum = daemon.engine.shards().counters();
    assert_eq!((sum.stats.received, sum.stats.answered, sum.batches.unsent), (320, 320, 0));
    assert!(sum.batches.taken > 0);
    daemon.finish();
    assert!(daemon.threads.running.is_none());
}

#[test]
fn without_pinning_a_client_may_meet_both_threads() {
    let port = free_port();
    let daemon = served(port, &["serverpinning off"]);
    // Thirty-two ports: all on one of two sockets by chance once in four thousand million runs.
    (0..32).for_each(|number| assert_eq!(ask(&client(10, port), number).origin, NtpTime(number)));
    assert!(counters(&daemon).iter().all(|one| one.stats.answered > 0));
}

#[test]
fn access_is_changed_while_they_serve() {
    let port = free_port();
    let mut daemon = served(port, &[]);
    let socket = client(10, port);
    assert_eq!(ask(&socket, 1).stratum, 5);
    change(&mut daemon, false);
    assert!(daemon.servers.addresses().is_empty(), "nobody may ask, so nobody listens");
    socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
    let _ = socket.send(&request(2));
    assert!(hear(&socket).is_none());
    change(&mut daemon, true);
    assert_eq!(ask(&client(11, port), 3).stratum, 5);
    assert_eq!(daemon.engine.shards().counters().stats.answered, 2, "counts outlive the threads");
}

#[test]
fn threads_follow_a_virtual_clock_that_is_stepped() {
    let port = free_port();
    let mut daemon = served(port, &[]);
    let socket = client(10, port);
    let ahead = |reply: &Packet, daemon: &EventLoop| {
        reply.transmit.to_local().seconds() - daemon.clocks.raw_now().seconds()
    };
    let reply = ask(&socket, 1);
    assert!(ahead(&reply, &daemon).abs() < 5.0 && reply.leap == Leap::None);
    ntp::clock::Clock::step(&mut daemon.clocks, 1000.0).expect("in memory");
    daemon.act();
    let reply = ask(&socket, 2);
    let system = RawTime::from_nanos(sys::clock::realtime()).seconds();
    assert!((reply.transmit.to_local().seconds() - system - 1000.0).abs() < 5.0);
    assert!(ahead(&reply, &daemon).abs() < 5.0 && reply.receive.0 <= reply.transmit.0);
}

/// A thread's working part with a socket, told `state`.
fn server(state: &ServerState) -> (Server, Arc<ServingSocket>, UdpSocket, EventLoop) {
    let port = free_port();
    let words = format!("port {port}");
    let daemon = daemon(&["-4", &words, "bindaddress 127.0.0.1", "allow", "serverthreads 0"]);
    let socket = daemon.servers.of_thread(0).pop().expect("open");
    let server = Server {
        answerer: Answerer::default(),
        shard: Arc::clone(&daemon.engine.shards().all()[0]),
        published: Publisher::new(state).published(),
        state: ServerState::default(),
        seen: None,
        rush: Rush::new(300),
    };
    (server, socket, client(10, port), daemon)
}

fn good() -> ServerState {
    let mut clocks = Clocks::simulated();
    assert_eq!(clocks.foreign_step(), None);
    let state = ServerState::local_reference(
        3,
        -20,
        ntp::time::LocalTime::from_nanos(0),
        &ntp::clock::Cooking::default(),
    );
    ServerState { realtime_minus_monotonic: clocks.expected_difference(), ..state }
}

fn served_by(state: &ServerState) -> (Option<Packet>, Counters) {
    let (mut server, socket, asker, _daemon) = server(state);
    asker.send(&request(7)).expect("room");
    let mut entries = [Entry::new(socket.socket().as_raw_fd())];
    assert_eq!(poll(&mut entries, Some(5_000_000_000)).expect("poll"), 1);
    server.serve(0, &socket, Wait::No);
    asker.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
    let counters = *lock(&server.shard).counters();
    (hear(&asker), counters)
}

#[test]
fn a_clock_that_was_stepped_or_a_state_that_is_old_is_unsynchronised() {
    let told = |state: &ServerState| served_by(state).0.map(|reply| (reply.leap, reply.stratum));
    assert_eq!(told(&good()), Some((Leap::None, 3)));
    for step in [2_000_000, -2_000_000, 1_000_000_000] {
        let stepped =
            ServerState { realtime_minus_monotonic: good().realtime_minus_monotonic - step, ..good() };
        assert_eq!(told(&stepped), Some((Leap::Unsynchronised, 0)), "{step}");
    }
    let old = ServerState { valid_until: RawTime::from_nanos(sys::clock::realtime() - 1), ..good() };
    assert_eq!(told(&old), Some((Leap::Unsynchronised, 0)));
}

#[test]
fn a_request_stamped_before_the_last_step_is_dropped_and_counted() {
    let stepped = ServerState { earliest: RawTime::from_nanos(sys::clock::realtime()) + 60.0, ..good() };
    let (reply, counters) = served_by(&stepped);
    assert!(reply.is_none());
    assert_eq!((counters.rejected(Reject::StaleStamp), counters.stats.answered), (1, 0));
}

#[test]
fn what_the_kernel_drops_is_counted_exactly() {
    const FLOOD: u64 = 30_000;
    let (mut server, socket, asker, _daemon) = server(&good());
    // Nobody serves meanwhile, so that the room for received requests is soon full.
    let sent = (0..FLOOD).filter(|number| asker.send(&request(*number)).is_ok()).count() as u64;
    let mut serve_all = || while server.serve(0, &socket, Wait::No).is_some() {};
    serve_all();
    // A datagram tells what was dropped before it came.
    asker.send(&request(FLOOD)).expect("room");
    serve_all();
    let counters = *lock(&server.shard).counters();
    let answered = counters.stats.answered + counters.total_rejected();
    assert!(counters.batches.kernel_drops > 0 && counters.batches.full > 0, "{counters:?}");
    assert_eq!(answered + counters.batches.kernel_drops, sent + 1, "{counters:?}");
}

#[test]
fn a_thread_that_serves_allocates_nothing() {
    const ROUNDS: usize = 300;
    let (mut server, socket, asker, _daemon) = server(&good());
    let mut allocated = 0;
    for round in 0..ROUNDS {
        for number in 0..SIZE {
            asker.send(&request(number as u64)).expect("room");
        }
        let before = sys::allocation::count();
        assert!(server.serve(0, &socket, [Wait::No, Wait::ForOne][round % 2]).is_some());
        // The first round makes the batch's room.
        allocated += if round == 0 { 0 } else { sys::allocation::count() - before };
        for _ in 0..SIZE {
            hear(&asker).expect("an answer within five seconds");
        }
    }
    assert_eq!(allocated, 0, "allocations for {} requests", (ROUNDS - 1) * SIZE);
    assert_eq!(lock(&server.shard).counters().stats.answered, (ROUNDS * SIZE) as u64);
}

/// What is held for a client is held by the thread that answers it, which is always the same.
#[test]
fn clients_in_interleaved_mode_are_told_by_the_thread_that_answered_them() {
    let port = free_port();
    let daemon = served(port, &[]);
    for octet in 10..26 {
        let socket = client(octet, port);
        let ask = |last: NtpTime| {
            let request = ntp::source::exchange::request_packet(4, 6, NtpTime(9));
            socket.send(&Packet { origin: last, receive: NtpTime(8), ..request }.emit()).expect("room");
            hear(&socket).expect("an answer within five seconds")
        };
        let first = ask(NtpTime::ZERO);
        let second = ask(first.receive);
        assert_eq!(
            (first.origin, second.origin),
            (NtpTime(9), NtpTime(9)),
            "basic mode until something is held"
        );
        let third = ask(second.receive);
        assert_eq!(third.origin, NtpTime(8), "client {octet} is told when the second reply left");
        assert!(third.transmit.0.wrapping_sub(second.receive.0) < 1 << 32, "within a second of its request");
    }
    let stats: Vec<_> = counters(&daemon).iter().map(|one| one.stats).collect();
    assert_eq!(stats.iter().map(|stats| stats.interleaved).sum::<u64>(), 16);
    assert!(stats.iter().all(|stats| stats.interleaved > 0), "both threads serve: {stats:?}");
    match stats.iter().map(|stats| stats.kernel_tx).sum::<u64>() {
        0 => eprintln!("SKIPPED: this kernel stamps no outgoing packets of the loopback interface"),
        told => assert_eq!(told, 16, "by the kernel's stamp"),
    }
}
