use super::super::Name;
use super::super::files::tests::Folder;
use super::super::folders::Owner;
use super::*;
use crate::daemon::ptp::PtpSockets;
use ntp::config::{Config, ControlConfig, Family, ServerConfig};
use ntp::engine::{PacketBuf, SocketSpec};
use ntp::ids::SocketId;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;

fn server(name: Name, port: u16, bind: &[IpAddr]) -> ServerSockets {
    let config = ServerConfig { port, port_set: true, bind: bind.to_vec(), ..ServerConfig::default() };
    ServerSockets::new(name, &config, Family::V4)
}

fn loopback() -> IpAddr {
    IpAddr::V4(Ipv4Addr::LOCALHOST)
}

fn any_open(sockets: &ServerSockets) -> bool {
    sockets.open.iter().any(|group| !group.is_empty())
}

fn free_port() -> u16 {
    let socket = Socket::udp(Domain::Inet).unwrap();
    socket.bind(SocketAddr::new(loopback(), 0)).unwrap();
    socket.local_addr().unwrap().port()
}

#[test]
fn serving_follows_the_access_list() {
    let mut sockets = server(Name::Chronyd, free_port(), &[loopback()]);
    let mut notes = Vec::new();
    sockets.follow(false, true, |note| notes.push(note));
    assert!(!any_open(&sockets), "nobody of IPv4 may ask, and IPv6 is off");
    sockets.follow(true, true, |note| notes.push(note));
    assert!(sockets.get(0).is_some() && sockets.get(1).is_none());
    sockets.follow(false, false, |note| notes.push(note));
    assert!(!any_open(&sockets) && notes.is_empty());
}

#[test]
fn a_port_in_use_is_told_once_and_only_chronyd_shares() {
    let port = free_port();
    let mut first = server(Name::Chronyd, port, &[loopback()]);
    let mut second = server(Name::Chronyd, port, &[loopback()]);
    let mut third = server(Name::Timeball, port, &[loopback()]);
    let mut notes = Vec::new();
    for sockets in [&mut first, &mut second, &mut third] {
        sockets.follow(true, false, |note| notes.push(note));
    }
    third.follow(true, false, |note| notes.push(note));
    assert!(any_open(&first) && any_open(&second) && !any_open(&third));
    let text = format!("Could not open NTP socket on 127.0.0.1:{port} : Address already in use");
    assert_eq!(notes, [Note::Error(text)]);
}

#[test]
fn an_association_s_packets_get_the_kernel_s_stamp() {
    let peer = Socket::udp(Domain::Inet).unwrap();
    peer.bind(SocketAddr::new(loopback(), 0)).unwrap();
    let spec = SocketSpec { id: SocketId(3), remote: peer.local_addr().unwrap(), symmetric: false };
    let mut servers = server(Name::Timeball, 0, &[]);
    let (mut client, local) = ClientSocket::open(&spec, &Config::default(), &mut servers).unwrap();
    assert_eq!((local, client.remote()), (loopback(), spec.remote));
    let packet = PacketBuf::new(&[7; 48]);
    let before = sys::clock::realtime();
    client.send(9, packet, &mut PtpSockets::default()).unwrap();
    assert_eq!(client.stamped(&[7; 47]), None, "another packet's stamp");
    let mut buffer = [0; 512];
    let mut entries = [sys::poll::Entry::new(client.as_raw_fd())];
    sys::poll::poll(&mut entries, Some(1_000_000_000)).unwrap();
    match sys::message::receive_error_queue(client.socket(), &mut buffer).unwrap() {
        Some(sent) => {
            assert_eq!(client.stamped(&buffer[..sent.len]), Some(9));
            assert!(sent.stamp.is_some_and(|stamp| (before..before + 1_000_000_000).contains(&stamp)));
        }
        None => eprintln!("SKIPPED: this kernel stamps no outgoing packets"),
    }
    assert!(has_route(spec.remote));
}

#[test]
fn a_peer_s_packets_come_by_the_port_that_serves_and_others_by_the_server_s_socket() {
    let port = free_port();
    let mut servers = server(Name::Timeball, port, &[]);
    servers.follow(true, false, |note| panic!("{note:?}"));
    let [peer, other] = [(); 2].map(|()| Socket::udp(Domain::Inet).unwrap());
    for socket in [&peer, &other] {
        socket.bind(SocketAddr::new(loopback(), 0)).unwrap();
    }
    let spec = SocketSpec { id: SocketId(3), remote: peer.local_addr().unwrap(), symmetric: true };
    let (client, _) = ClientSocket::open(&spec, &Config::default(), &mut servers).unwrap();
    assert_eq!(client.socket().local_addr().unwrap().port(), port);
    let to = SocketAddr::new(loopback(), port);
    for (socket, byte) in [(&peer, 1), (&other, 2)] {
        sys::message::send(socket, &[byte; 48], Some(to), None, 0).unwrap();
    }
    let mut buffer = [0; 64];
    for (socket, byte) in [(client.socket(), 1), (servers.get(0).unwrap().socket(), 2)] {
        let mut entries = [sys::poll::Entry::new(socket.as_raw_fd())];
        sys::poll::poll(&mut entries, Some(1_000_000_000)).unwrap();
        let got = sys::message::receive(socket, &mut buffer).unwrap().expect("a packet");
        assert_eq!((got.len, buffer[0]), (48, byte));
        assert!(sys::message::receive(socket, &mut buffer).unwrap().is_none(), "and no other");
    }
    let mut stranger = server(Name::Chronyd, port, &[]);
    let mut refused = 0;
    stranger.follow(true, false, |_| refused += 1);
    assert_eq!(refused, 1, "the port is lent to nobody else");
}

#[test]
fn the_command_socket_appears_in_a_private_folder_and_goes_at_the_end() {
    let folder = Folder::new("command");
    let metadata = std::fs::metadata(&folder.0).unwrap();
    let owner = Owner { uid: metadata.uid(), gid: metadata.gid() };
    let path = folder.file("run/a.sock");
    let mut first = CommandSockets::default();
    first.open_unix(&path, owner).unwrap();
    assert!(first.unix().is_some() && path.exists());
    let mut second = CommandSockets::default();
    let refused = second.open_unix(&path, owner).unwrap_err();
    assert!(refused.ends_with(": another process answers there"), "{refused}");
    drop(first);
    assert!(!path.exists());
    let stranger = Owner { uid: owner.uid + 1, ..owner };
    assert!(second.open_unix(&path, stranger).unwrap_err().starts_with("Wrong owner of "));
}

#[test]
fn commands_over_udp_only_where_configured() {
    let port = free_port();
    let config = ControlConfig { port, bind: vec![loopback()], ..ControlConfig::default() };
    let mut said = Vec::new();
    let first = CommandSockets::open_udp(&config, Family::Any, |text| said.push(text));
    assert!(first.udp(0).is_some() && first.udp(1).is_none() && first.unix().is_none() && said.is_empty());
    let second = CommandSockets::open_udp(&config, Family::Any, |text| said.push(text));
    assert!(second.udp(0).is_none());
    assert_eq!(said, [format!("Could not open command socket on 127.0.0.1:{port} : Address already in use")]);
    let off = CommandSockets::open_udp(&ControlConfig { port: 0, ..config }, Family::Any, |_| {});
    assert!(off.udp(0).is_none());
}

#[test]
fn only_link_local_peers_pin_the_interface() {
    assert_eq!(pinned_interface("[fe80::1]:123".parse().unwrap(), 4), 4);
    assert_eq!(pinned_interface("[2001:db8::1]:123".parse().unwrap(), 4), 0);
    assert_eq!(pinned_interface("192.0.2.1:123".parse().unwrap(), 4), 0);
}
