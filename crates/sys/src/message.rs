//! Datagrams with their addresses and time stamps: `recvmsg` and `sendmsg`.
//!
//! One iovec, and always a control buffer (a simulator insists on both). Times are readings of the wall clock,
//! nanoseconds since the Unix epoch.

use crate::address::Storage;
use crate::control::{Control, Notes};
use crate::cvt;
use crate::socket::{Socket, UnixAddress};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;

/// A received datagram; its bytes are in the caller's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Bytes in the buffer.
    pub len: usize,
    /// It was longer than the buffer.
    pub truncated: bool,
    /// The sender.
    pub from: Option<SocketAddr>,
    /// The address it was sent to, with [`Socket::set_packet_info`].
    pub to: Option<IpAddr>,
    /// The address of ours to answer from: `to`, or, when that is a group's or everybody's, one that the kernel
    /// holds for right. With [`Socket::set_packet_info`].
    pub reply_from: Option<IpAddr>,
    /// The interface it came in by, with [`Socket::set_packet_info`]; else 0.
    pub interface: u32,
    /// When the kernel got it, with [`Socket::set_stamping`]; a packet may come without.
    pub stamp: Option<i64>,
    /// When the network card got it, in the card's own time, with [`crate::socket::Stamping::Hardware`].
    pub hardware: Option<i64>,
    /// Datagrams this socket has dropped so far, with [`Socket::set_count_drops`]; `None` while there are none.
    pub drops: Option<u32>,
}

/// A received Unix datagram; its bytes are in the caller's buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedUnix {
    /// Bytes in the buffer.
    pub len: usize,
    /// It was longer than the buffer.
    pub truncated: bool,
    /// The sender, for the answer.
    pub from: UnixAddress,
}

/// A sent packet that came back with its time stamp.
///
/// The buffer holds the packet *at its end*: a kernel puts the headers of the lower layers in front. Match by
/// `bytes.ends_with(packet)`, or by `number` where there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Bytes in the buffer.
    pub len: usize,
    /// When it left; `None`: the entry is not a time stamp (an error of the network), to be ignored.
    pub stamp: Option<i64>,
    /// When it left the network card, in the card's own time; comes in an entry of its own.
    pub hardware: Option<i64>,
    /// Its number, counting from 0 since [`Socket::set_stamping`].
    pub number: Option<u32>,
}

/// Receives one datagram. `None`: nothing waits.
///
/// An error belongs to the socket, not to a datagram: ECONNREFUSED on a connected one means that the peer's
/// machine said "nobody listens"; the next call goes on.
pub fn receive(socket: &Socket, buffer: &mut [u8]) -> io::Result<Option<Received>> {
    let Some(message) = receive_message(socket, buffer, 0)? else { return Ok(None) };
    Ok(Some(Received {
        len: message.len,
        truncated: message.truncated,
        from: message.address.inet(),
        to: message.notes.to,
        reply_from: message.notes.reply_from,
        interface: message.notes.interface,
        stamp: message.notes.stamp,
        hardware: message.notes.hardware,
        drops: message.notes.drops,
    }))
}

/// Receives one datagram on a Unix socket. `None`: nothing waits.
pub fn receive_unix(socket: &Socket, buffer: &mut [u8]) -> io::Result<Option<ReceivedUnix>> {
    let Some(message) = receive_message(socket, buffer, 0)? else { return Ok(None) };
    Ok(Some(ReceivedUnix { len: message.len, truncated: message.truncated, from: message.address.unix() }))
}

/// Takes one entry from the socket's error queue: the time stamps of sent packets. `None`: it is empty.
pub fn receive_error_queue(socket: &Socket, buffer: &mut [u8]) -> io::Result<Option<Sent>> {
    let Some(message) = receive_message(socket, buffer, libc::MSG_ERRQUEUE)? else { return Ok(None) };
    let notes = &message.notes;
    Ok(Some(Sent { len: message.len, stamp: notes.stamp, hardware: notes.hardware, number: notes.number }))
}

/// Sends one datagram: to `to`, or to the connected peer; from our address `from` and by the interface
/// `interface` (0: as routed), or as the kernel chooses.
///
/// EAGAIN: no room now. Never blocks, never sends a part.
pub fn send(
    socket: &Socket,
    bytes: &[u8],
    to: Option<SocketAddr>,
    from: Option<IpAddr>,
    interface: u32,
) -> io::Result<()> {
    let mut control = Room::new();
    let used = control.put_source(socket.family(), from, interface)?;
    send_message(socket, bytes, to.map(Storage::from).as_ref(), &mut control, used)
}

/// Sends one datagram on a Unix socket: to `to`, or to the connected peer.
pub fn send_unix(socket: &Socket, bytes: &[u8], to: Option<&UnixAddress>) -> io::Result<()> {
    send_message(socket, bytes, to.map(Storage::from).as_ref(), &mut Room::new(), 0)
}

/// Control buffers: 512 bytes, twice what a simulator insists on.
type Room = Control<64>;

/// What a call of recvmsg gave.
struct Message {
    len: usize,
    truncated: bool,
    address: Storage,
    notes: Notes,
}

fn receive_message(socket: &Socket, buffer: &mut [u8], flags: i32) -> io::Result<Option<Message>> {
    let mut address = Storage::new();
    let mut control = Room::new();
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    let mut header = empty_header();
    header.msg_name = address.pointer_mut().cast();
    header.msg_namelen = address.len();
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_control = control.words.as_mut_ptr().cast();
    header.msg_controllen = Room::BYTES as _;
    // SAFETY: every pointer in `header` is live, writable and exclusive for the length beside it.
    let result = cvt(unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, flags) });
    let len = match result {
        Ok(len) => len.cast_unsigned(),
        Err(error) => match error.raw_os_error() {
            Some(libc::EAGAIN | libc::EINTR) => return Ok(None),
            _ => return Err(error),
        },
    };
    address.set_len(header.msg_namelen);
    let truncated = header.msg_flags & libc::MSG_TRUNC != 0;
    Ok(Some(Message { len: len.min(buffer.len()), truncated, address, notes: Notes::read(&header) }))
}

fn send_message(
    socket: &Socket,
    bytes: &[u8],
    to: Option<&Storage>,
    control: &mut Room,
    control_len: usize,
) -> io::Result<()> {
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let mut header = empty_header();
    if let Some(to) = to {
        header.msg_name = to.pointer().cast_mut().cast();
        header.msg_namelen = to.len();
    }
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    if control_len > 0 {
        header.msg_control = control.words.as_mut_ptr().cast();
        header.msg_controllen = control_len as _;
    }
    // SAFETY: every pointer in `header` is live for the length beside it, and sendmsg only reads through them.
    cvt(unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const header, libc::MSG_NOSIGNAL) }).map(drop)
}

pub(crate) fn empty_header() -> libc::msghdr {
    // SAFETY: msghdr is made of pointers and integers; all zeroes (no buffers at all) is a valid value.
    unsafe { std::mem::zeroed() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::realtime;
    use crate::poll::{Entry, poll};
    use crate::socket::{Family, Stamping};
    use std::net::Ipv6Addr;

    const SECOND: i64 = 1_000_000_000;

    fn bound(address: &str) -> Option<Socket> {
        let address: SocketAddr = address.parse().expect("an address");
        let socket = Socket::udp(Family::of(&address)).ok()?;
        socket.set_packet_info().ok()?;
        socket.bind(address).ok()?;
        Some(socket)
    }

    fn wait(socket: &Socket) -> Entry {
        let mut entries = [Entry::new(socket.as_raw_fd())];
        poll(&mut entries, Some(2 * SECOND)).expect("poll");
        entries[0]
    }

    fn wait_and_receive(socket: &Socket, buffer: &mut [u8]) -> Received {
        assert!(wait(socket).readable(), "nothing came within two seconds");
        receive(socket, buffer).expect("receive").expect("a datagram")
    }

    #[test]
    fn a_datagram_tells_its_addresses_and_its_time() {
        for loopback in ["127.0.0.1:0", "[::1]:0"] {
            let Some(server) = bound(loopback) else {
                eprintln!("SKIPPED: no {loopback} here");
                continue;
            };
            server.set_stamping(Stamping::Receive).expect("stamps");
            server.set_count_drops().expect("drops");
            let client = bound(loopback).expect("as the server");
            let (to, from) = (server.local_addr().expect("bound"), client.local_addr().expect("bound"));

            let mut buffer = [0; 64];
            let mut stamped = None;
            // A kernel begins to stamp soon, not at once, after the first socket asks for it.
            for _ in 0..100 {
                let before = realtime();
                send(&client, b"question", Some(to), None, 0).expect("room");
                let got = wait_and_receive(&server, &mut buffer);
                let after = realtime();
                assert_eq!(&buffer[..got.len], b"question");
                assert_eq!((got.from, got.to, got.truncated), (Some(from), Some(to.ip()), false));
                assert_eq!(got.reply_from, got.to);
                assert!(got.interface > 0 && got.drops.is_none(), "{got:?}");
                if let Some(stamp) = got.stamp {
                    assert!((before..=after).contains(&stamp), "{before} {stamp} {after}");
                    stamped = Some(got);
                    break;
                }
                poll(&mut [], Some(SECOND / 100)).expect("a pause");
            }
            let got = stamped.expect("a time stamp within a second");
            assert_eq!(receive(&server, &mut buffer).expect("receive"), None, "nothing more");

            // The answer, from the address asked and by the same interface; into a buffer that is too short.
            send(&server, b"a long answer", got.from, got.reply_from, got.interface).expect("room");
            let got = wait_and_receive(&client, &mut buffer[..6]);
            assert_eq!((got.len, got.truncated, got.from), (6, true, Some(to)));
            assert_eq!(&buffer[..6], b"a long");
        }
    }

    #[test]
    fn a_question_to_everybody_is_answered_from_an_address_of_ours() {
        let server = bound("0.0.0.0:0").expect("any address");
        let client = std::net::UdpSocket::bind("127.0.0.1:0").expect("loopback");
        client.set_broadcast(true).expect("an option of every system");
        let port = server.local_addr().expect("bound").port();
        client.send_to(b"anybody?", ("127.255.255.255", port)).expect("the loopback's broadcast address");
        let mut buffer = [0; 64];
        let got = wait_and_receive(&server, &mut buffer);
        assert_eq!(got.to, Some("127.255.255.255".parse().expect("an address")));
        assert_eq!(got.reply_from, Some("127.0.0.1".parse().expect("an address")));
        send(&server, b"me", got.from, got.reply_from, got.interface).expect("an address of this machine");
        let (len, from) = client.recv_from(&mut buffer).expect("an answer");
        assert_eq!((&buffer[..len], from), (b"me".as_slice(), SocketAddr::from(([127, 0, 0, 1], port))));
    }

    #[test]
    fn a_sent_packet_comes_back_with_its_time_and_number() {
        for loopback in ["127.0.0.1:0", "[::1]:0"] {
            let (Some(server), Some(client)) = (bound(loopback), bound(loopback)) else {
                eprintln!("SKIPPED: no {loopback} here");
                continue;
            };
            client.connect(server.local_addr().expect("bound")).expect("a route");
            client.set_stamping(Stamping::Both).expect("stamps");
            let mut buffer = [0; 256];
            for (expected, packet) in [b"first".as_slice(), b"second"].into_iter().enumerate() {
                let before = realtime();
                send(&client, packet, None, None, 0).expect("room");
                assert!(wait(&client).error_queue(), "no stamp within two seconds");
                let sent = receive_error_queue(&client, &mut buffer).expect("queue").expect("an entry");
                let after = realtime();
                assert!(buffer[..sent.len].ends_with(packet), "{:?}", &buffer[..sent.len]);
                assert_eq!(sent.number, Some(expected as u32));
                let stamp = sent.stamp.expect("a time");
                assert!((before..=after).contains(&stamp), "{before} {stamp} {after}");
                assert_eq!(receive_error_queue(&client, &mut buffer).expect("queue"), None);
            }
        }
    }

    #[test]
    fn a_source_address_that_does_not_fit_is_refused() {
        let client = bound("127.0.0.1:0").expect("loopback");
        let to = client.local_addr().expect("bound");
        let error =
            send(&client, b"x", Some(to), Some(IpAddr::V6(Ipv6Addr::LOCALHOST)), 0).expect_err("IPv6");
        assert_eq!(error.raw_os_error(), Some(libc::EAFNOSUPPORT));
        let foreign = Some("192.0.2.1".parse().expect("an address"));
        assert!(send(&client, b"x", Some(to), foreign, 0).is_err(), "not an address of this machine");
    }

    #[test]
    fn nobody_listening_is_an_error_of_the_socket() {
        let client = bound("127.0.0.1:0").expect("loopback");
        let gone = bound("127.0.0.1:0").and_then(|s| s.local_addr().ok()).expect("loopback");
        client.connect(gone).expect("a route");
        send(&client, b"anybody?", None, None, 0).expect("room");
        wait(&client);
        let error = receive(&client, &mut [0; 8]).expect_err("refused");
        assert_eq!(error.raw_os_error(), Some(libc::ECONNREFUSED));
        assert_eq!(receive(&client, &mut [0; 8]).expect("told once"), None);
    }

    #[test]
    fn unix_datagrams_can_be_answered_if_their_sender_has_a_path() {
        let folder = std::env::temp_dir().join(format!("timeball-sys-message-{}", std::process::id()));
        std::fs::create_dir(&folder).expect("a new folder");
        let (here, there) = (folder.join("client"), folder.join("server"));
        let server = Socket::unix().expect("a Unix socket");
        server.bind_unix(&there).expect("a free path");
        let client = Socket::unix().expect("a Unix socket");
        client.connect_unix(&there).expect("somebody there");

        let mut buffer = [0; 16];
        send_unix(&client, b"anonymous", None).expect("room");
        let got = receive_unix(&server, &mut buffer).expect("receive").expect("a datagram");
        assert!(got.from.is_nameless() && got.from.path().is_none() && got.len == 9);

        client.bind_unix(&here).expect("a free path");
        send_unix(&client, b"named", None).expect("room");
        let got = receive_unix(&server, &mut buffer).expect("receive").expect("a datagram");
        assert_eq!((got.from.path(), got.len, got.truncated), (Some(here), 5, false));
        send_unix(&server, b"an answer longer than sixteen", Some(&got.from)).expect("room");
        let got = receive_unix(&client, &mut buffer).expect("receive").expect("a datagram");
        assert_eq!((got.from.path(), got.len, got.truncated), (Some(there), 16, true));
        std::fs::remove_dir_all(&folder).expect("ours");
    }
}
