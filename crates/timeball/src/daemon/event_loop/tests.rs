//! The loop with real sockets on the loopback address, and a clock that is not the machine's.

use super::super::args::{self, Request};
use super::super::assemble::assemble;
use super::super::{Name, configuration};
use super::*;
use ntp::config::{AccessRule, Subnet};
use ntp::control::client::{Argument, request as request_of};
use ntp::control::tracking::TRACKING;
use ntp::control::{AccessList, Backend, Change, Status};
use ntp::engine::Operator;
use ntp::wire::Packet;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

/// A daemon that was started with these directives, without a clock, folders and command sockets.
pub fn daemon(directives: &[&str]) -> EventLoop {
    let words: Vec<std::ffi::OsString> = directives.iter().map(|&word| word.into()).collect();
    let Ok(Request::Run(options)) = args::parse(Name::Timeball, &words) else { panic!("{directives:?}") };
    let chosen = configuration::choose(Name::Timeball, &options, false, |_| None).expect("a configuration");
    let config = chosen.parsed.config;
    let servers = ServerSockets::new(Name::Timeball, &config.server, ntp::config::Family::V4)
        .for_threads(config.server.threads.count(2, true));
    let clocks = Clocks::simulated();
    let mut daemon = assemble(
        Name::Timeball,
        &options,
        config,
        clocks,
        (servers, CommandSockets::default()),
        (None, None),
        None,
    )
    .expect("a seed for chance");
    daemon.follow_access();
    daemon.act();
    daemon
}

pub fn free_port() -> u16 {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

fn request() -> [u8; 48] {
    let mut bytes = [0; 48];
    bytes[0] = 0x23; // version 4, client
    bytes[40..].copy_from_slice(&0x0123_4567_89ab_cdef_u64.to_be_bytes());
    bytes
}

/// A daemon that answers and obeys on the loopback address: at which ports.
fn daemon_for_both() -> (EventLoop, u16, u16) {
    let (port, command_port) = (free_port(), free_port());
    let mut daemon = daemon(&[
        &format!("port {port}"),
        &format!("cmdport {command_port}"),
        "bindaddress 127.0.0.1",
        "bindcmdaddress 127.0.0.1",
        "allow 127.0.0.1",
    ]);
    let control = &daemon.config.control;
    daemon.commands = CommandSockets::open_udp(control, ntp::config::Family::V4, |text| panic!("{text}"));
    (daemon, port, command_port)
}

#[test]
fn serving_allocates_nothing() {
    const ROUNDS: usize = 1600;
    let port = free_port();
    let mut daemon =
        daemon(&[&format!("port {port}"), "bindaddress 127.0.0.1", "allow 127.0.0.0/8", "local stratum 3"]);
    let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    client.connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut buffer = [0; 64];
    let mut allocated = 0;
    for round in 0..ROUNDS {
        for _ in 0..BATCH {
            client.send(&request()).unwrap();
        }
        let before = sys::allocation::count();
        daemon.gather();
        poll(&mut daemon.workspace.entries, Some(1_000_000_000)).unwrap();
        let now = daemon.clocks.now().mono;
        daemon.look(now);
        daemon.attend();
        // The first round makes room in the tables of the loop.
        allocated += if round == 0 { 0 } else { sys::allocation::count() - before };
        for _ in 0..BATCH {
            assert_eq!(client.recv(&mut buffer).expect("a reply"), 48);
        }
        let reply = Packet::parse(&buffer[..48]).unwrap();
        assert_eq!((reply.stratum, reply.origin.0), (3, 0x0123_4567_89ab_cdef));
    }
    assert_eq!(allocated, 0, "allocations for {} requests", (ROUNDS - 1) * BATCH);
}

#[test]
fn a_server_is_asked_and_believed() {
    let port = free_port();
    let mut server =
        daemon(&[&format!("port {port}"), "bindaddress 127.0.0.1", "allow 127.0.0.0/8", "local stratum 3"]);
    let mut client = daemon(&["port 0", &format!("server 127.0.0.1 port {port} iburst minpoll 0 maxpoll 0")]);
    let end = client.clocks.now().mono + 20.0;
    while client.engine.server_state().leap == Leap::Unsynchronised {
        assert!(client.clocks.now().mono < end, "not synchronised in time");
        for daemon in [&mut client, &mut server] {
            daemon.gather();
            poll(&mut daemon.workspace.entries, Some(1_000_000)).unwrap();
            let now = daemon.clocks.now().mono;
            let now = daemon.look(now);
            if daemon.engine.next_timeout().is_some_and(|due| due <= now.mono) {
                daemon.engine.handle(now, &mut daemon.clocks, Input::Timeout, &mut daemon.out);
            }
            daemon.attend();
            daemon.act();
        }
    }
    assert_eq!(client.engine.server_state().stratum, 4);
}

#[test]
fn a_flood_on_one_socket_does_not_starve_another() {
    let (mut daemon, port, command_port) = daemon_for_both();
    let connected = |port: u16| {
        let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        client.connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        client.set_nonblocking(true).unwrap();
        client
    };
    let (asker, operator) = (connected(port), connected(command_port));
    for sequence in 0..130 {
        asker.send(&request()).unwrap();
        let command = request_of(&TRACKING, Argument::None, sequence, 0);
        operator.send(&command).unwrap();
    }
    let answers = |client: &UdpSocket| {
        let mut buffer = [0; 1024];
        std::iter::from_fn(|| client.recv(&mut buffer).ok()).count()
    };
    for expected in [BATCH, BATCH, BATCH, BATCH, 2] {
        daemon.gather();
        poll(&mut daemon.workspace.entries, Some(1_000_000_000)).unwrap();
        daemon.attend();
        assert_eq!((answers(&asker), answers(&operator)), (expected, expected));
    }
}

#[test]
fn requests_alone_do_not_end_the_wait() {
    let (mut daemon, port, command_port) = daemon_for_both();
    daemon.look(daemon.clocks.mono());
    daemon.gather();
    // A client who asks again once he has his answer, and at last an operator.
    let asker = std::thread::spawn(move || {
        let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        client.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
        for _ in 0..50 {
            client.send_to(&request(), (Ipv4Addr::LOCALHOST, port)).unwrap();
            assert_eq!(client.recv(&mut [0; 1024]).unwrap(), 48);
        }
        let command = request_of(&TRACKING, Argument::None, 1, 0);
        client.send_to(&command, (Ipv4Addr::LOCALHOST, command_port)).unwrap();
    });
    let until = daemon.clocks.mono() + 60.0;
    let mut turns = 0;
    loop {
        daemon.wait(until).unwrap();
        let mut ready =
            daemon.workspace.slots.iter().zip(&daemon.workspace.entries).filter(|(_, entry)| entry.any());
        if ready.any(|(slot, _)| matches!(slot, Slot::CommandUdp(_))) {
            break;
        }
        assert!(daemon.clocks.mono() < until, "no command came");
        daemon.attend();
        turns += 1;
    }
    asker.join().expect("fifty answers");
    // A busy machine may need a few turns of a quarter of a second.
    assert!(turns < 25, "{turns} turns for fifty requests");

    // What is due ends it too, however many ask.
    daemon.attend();
    let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    client.send_to(&request(), (Ipv4Addr::LOCALHOST, port)).unwrap();
    daemon.gather();
    daemon.wait(daemon.clocks.mono()).unwrap();
    let answered = daemon.workspace.entries.iter().all(|entry| !entry.any());
    assert!(!answered, "left to the turn that does what is due");
}

#[test]
fn names_in_access_lists_are_looked_up_while_the_loop_runs() {
    let port = free_port();
    let mut daemon = daemon(&["-4", &format!("port {port}"), "bindaddress 127.0.0.1", "allow localhost"]);
    assert!(daemon.servers.get(0).is_none(), "nobody is known to be allowed");
    // What is changed by command meanwhile comes after what was written.
    let refused = "127.0.0.9".parse().unwrap();
    for (allow, address, prefix) in [(true, "127.0.0.0", 8), (false, "127.0.0.9", 32)] {
        let subnet = Some(Subnet { address: address.parse().unwrap(), prefix });
        let rule = AccessRule { allow, all: false, subnet };
        let now = daemon.clocks.now();
        let EventLoop { engine, clocks, out, .. } = &mut daemon;
        let mut operator = Operator { engine, clock: clocks, now, out };
        assert_eq!(operator.change(&Change::Allow(AccessList::Ntp, rule)), Status::Success);
    }
    daemon.ask_access_names();
    let end = daemon.clocks.now().mono + 20.0;
    while daemon.resolver.pipe().is_some() {
        assert!(daemon.clocks.now().mono < end, "no answer in time");
        daemon.gather();
        poll(&mut daemon.workspace.entries, Some(100_000_000)).unwrap();
        daemon.attend();
    }
    assert!(daemon.servers.get(0).is_some(), "localhost is");
    let access = &daemon.engine.shards().config().access;
    assert!(access.check("127.0.0.1".parse().unwrap()) && !access.check(refused));
}

#[test]
fn the_deadline_ends_the_loop_and_tells_whether_there_was_time() {
    let mut alone = daemon(&["-t", "0.05", "port 0"]);
    assert_eq!(alone.run(), 1);
    let mut local = daemon(&["-t", "0.05", "port 0", "local stratum 5"]);
    assert_eq!(local.run(), 0);
    local.finish();
}
