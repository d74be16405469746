//! Datagrams with their addresses and time stamps: `recvmsg` and `sendmsg`.
//!
//! One iovec, and always a control buffer (a simulator insists on both). Times are readings of the wall clock,
//! nanoseconds since the Unix epoch.

use crate::abi::{Timespec, number};
use crate::address::{Storage, in_addr, in6_addr, ipv4, specific, unicast};
use crate::cvt;
use crate::socket::{Family, Socket, UnixAddress};
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
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
    Ok(Some(Sent { len: message.len, stamp: message.notes.stamp, number: message.notes.number }))
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
    let mut control = Control::new();
    let from = from.and_then(specific);
    let used = match (socket.family(), from) {
        _ if from.is_none() && interface == 0 => 0,
        (Family::Inet, None | Some(IpAddr::V4(_))) => {
            let source = match from {
                Some(IpAddr::V4(ip)) => in_addr(ip),
                _ => libc::in_addr { s_addr: 0 },
            };
            let info = libc::in_pktinfo {
                ipi_ifindex: interface.cast_signed(),
                ipi_spec_dst: source,
                ipi_addr: libc::in_addr { s_addr: 0 },
            };
            control.put(libc::IPPROTO_IP, libc::IP_PKTINFO, info)
        }
        (Family::Inet6, None | Some(IpAddr::V6(_))) => {
            let source = match from {
                Some(IpAddr::V6(ip)) => ip,
                _ => Ipv6Addr::UNSPECIFIED,
            };
            let info = libc::in6_pktinfo { ipi6_addr: in6_addr(source), ipi6_ifindex: interface };
            control.put(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info)
        }
        _ => return Err(io::Error::from_raw_os_error(libc::EAFNOSUPPORT)),
    };
    send_message(socket, bytes, to.map(Storage::from).as_ref(), &mut control, used)
}

/// Sends one datagram on a Unix socket: to `to`, or to the connected peer.
pub fn send_unix(socket: &Socket, bytes: &[u8], to: Option<&UnixAddress>) -> io::Result<()> {
    send_message(socket, bytes, to.map(Storage::from).as_ref(), &mut Control::new(), 0)
}

/// What a call of recvmsg gave.
struct Message {
    len: usize,
    truncated: bool,
    address: Storage,
    notes: Notes,
}

fn receive_message(socket: &Socket, buffer: &mut [u8], flags: i32) -> io::Result<Option<Message>> {
    let mut address = Storage::new();
    let mut control = Control::new();
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    let mut header = empty_header();
    header.msg_name = address.pointer_mut().cast();
    header.msg_namelen = address.len();
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_control = control.words.as_mut_ptr().cast();
    header.msg_controllen = Control::BYTES as _;
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
    control: &mut Control,
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

fn empty_header() -> libc::msghdr {
    // SAFETY: msghdr is made of pointers and integers; all zeroes (no buffers at all) is a valid value.
    unsafe { std::mem::zeroed() }
}

/// A control buffer, aligned for its headers: 512 bytes, twice what a simulator insists on.
struct Control {
    words: [u64; 64],
}

impl Control {
    const BYTES: usize = 512;

    fn new() -> Self {
        Self { words: [0; 64] }
    }

    /// Writes the one control message of an outgoing datagram; returns the bytes used.
    fn put<T: Copy>(&mut self, level: i32, kind: i32, value: T) -> usize {
        let size = size_of::<T>() as u32;
        let mut header = empty_header();
        header.msg_control = self.words.as_mut_ptr().cast();
        header.msg_controllen = Self::BYTES as _;
        // SAFETY: the buffer is aligned for cmsghdr and, being 512 bytes, has room for a header and `value` (the
        // largest is in6_pktinfo, 20 bytes); CMSG_FIRSTHDR gives its start, CMSG_DATA a place inside.
        unsafe {
            let message = libc::CMSG_FIRSTHDR(&raw const header);
            (*message).cmsg_level = level;
            (*message).cmsg_type = kind;
            (*message).cmsg_len = libc::CMSG_LEN(size) as _;
            libc::CMSG_DATA(message).cast::<T>().write_unaligned(value);
            libc::CMSG_SPACE(size) as usize
        }
    }
}

/// What the control messages say.
#[derive(Default)]
struct Notes {
    to: Option<IpAddr>,
    reply_from: Option<IpAddr>,
    interface: u32,
    stamp: Option<i64>,
    drops: Option<u32>,
    number: Option<u32>,
}

impl Notes {
    fn read(header: &libc::msghdr) -> Self {
        let mut notes = Self::default();
        // SAFETY: CMSG_LEN only computes.
        let head = unsafe { libc::CMSG_LEN(0) } as usize;
        // SAFETY: `header` was filled by recvmsg, so msg_control holds msg_controllen bytes of control messages,
        // over which the CMSG macros walk: each message they give begins, with its header, inside the buffer.
        let mut message = unsafe { libc::CMSG_FIRSTHDR(header) };
        while !message.is_null() {
            // SAFETY: as above; the header is aligned because the buffer is.
            let libc::cmsghdr { cmsg_level, cmsg_type, cmsg_len, .. } = unsafe { message.read() };
            let room = header.msg_control.addr() + bytes(header.msg_controllen) - message.addr();
            let len = bytes(cmsg_len).min(room).saturating_sub(head);
            // SAFETY: `len` bytes from CMSG_DATA on lie inside the buffer, which lives, was initialised, and is not
            // written to any more.
            let payload = unsafe { std::slice::from_raw_parts(libc::CMSG_DATA(message), len) };
            notes.note(cmsg_level, cmsg_type, payload);
            // SAFETY: as for CMSG_FIRSTHDR.
            message = unsafe { libc::CMSG_NXTHDR(header, message) };
        }
        notes
    }

    fn note(&mut self, level: i32, kind: i32, payload: &[u8]) {
        match (level, kind) {
            (libc::SOL_SOCKET, number::SO_TIMESTAMPING) => {
                // Three times: by software, (unused), by the hardware's own clock.
                if let Some([software, _, _]) = value::<[Timespec; 3]>(payload)
                    && software != Timespec::default()
                {
                    self.stamp = Some(software.nanos());
                }
            }
            (libc::SOL_SOCKET, number::SO_RXQ_OVFL) => self.drops = value::<u32>(payload),
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                if let Some(info) = value::<libc::in_pktinfo>(payload) {
                    let (to, local) = (ipv4(info.ipi_addr), ipv4(info.ipi_spec_dst));
                    self.to = specific(IpAddr::V4(to));
                    // A simulator may leave the local address empty.
                    let reply_from = if local.is_unspecified() { to } else { local };
                    self.reply_from = unicast(IpAddr::V4(reply_from));
                    self.interface = info.ipi_ifindex.cast_unsigned();
                }
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                if let Some(info) = value::<libc::in6_pktinfo>(payload) {
                    self.to = specific(IpAddr::V6(Ipv6Addr::from(info.ipi6_addr.s6_addr)));
                    self.reply_from = self.to.and_then(unicast);
                    self.interface = info.ipi6_ifindex;
                }
            }
            (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR) => {
                if let Some(error) = value::<libc::sock_extended_err>(payload)
                    && error.ee_origin == number::SO_EE_ORIGIN_TIMESTAMPING
                {
                    self.number = Some(error.ee_data);
                }
            }
            _ => {}
        }
    }
}

/// Structures of integers, of which any bytes make a valid value.
///
/// # Safety
/// Implement it for such types only.
unsafe trait Plain: Copy {}
// SAFETY: an integer.
unsafe impl Plain for u32 {}
// SAFETY: structures of integers.
unsafe impl Plain for [Timespec; 3] {}
// SAFETY: a structure of integers.
unsafe impl Plain for libc::in_pktinfo {}
// SAFETY: a structure of integers.
unsafe impl Plain for libc::in6_pktinfo {}
// SAFETY: a structure of integers.
unsafe impl Plain for libc::sock_extended_err {}

/// The `T` at the start of `payload`, if that is long enough.
fn value<T: Plain>(payload: &[u8]) -> Option<T> {
    let bytes = payload.get(..size_of::<T>())?;
    // SAFETY: `bytes` has the size of `T`, and any bytes make a valid one.
    Some(unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}

/// C libraries disagree about the type of these lengths.
#[allow(clippy::unnecessary_cast, reason = "u32 with musl, usize with glibc")]
fn bytes(len: ControlLength) -> usize {
    len as usize
}

#[cfg(target_env = "musl")]
type ControlLength = libc::socklen_t;
#[cfg(not(target_env = "musl"))]
type ControlLength = libc::size_t;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::realtime;
    use crate::poll::{Entry, poll};
    use crate::socket::Stamping;

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
    fn nobody_answers_from_an_address_of_many() {
        let reply_from = |to: [u8; 4], local: [u8; 4]| {
            let [to, local] = [to, local].map(|octets| in_addr(octets.into()));
            let info = libc::in_pktinfo { ipi_ifindex: 1, ipi_spec_dst: local, ipi_addr: to };
            let mut control = Control::new();
            let mut header = empty_header();
            header.msg_controllen = control.put(libc::IPPROTO_IP, libc::IP_PKTINFO, info) as _;
            header.msg_control = control.words.as_mut_ptr().cast();
            Notes::read(&header).reply_from
        };
        let ours = [192, 0, 2, 1];
        for (to, local, expected) in [
            (ours, ours, Some(ours)),
            (ours, [0; 4], Some(ours)),
            ([192, 0, 2, 255], ours, Some(ours)),
            ([224, 0, 1, 1], ours, Some(ours)),
            ([224, 0, 1, 1], [0; 4], None),
            ([255; 4], [0; 4], None),
        ] {
            assert_eq!(reply_from(to, local), expected.map(IpAddr::from), "{to:?} {local:?}");
        }
        assert_eq!(unicast("ff02::101".parse().expect("an address")), None);
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

    #[test]
    fn short_control_messages_say_nothing() {
        let mut notes = Notes::default();
        for level_and_kind in [
            (libc::SOL_SOCKET, number::SO_TIMESTAMPING),
            (libc::SOL_SOCKET, number::SO_RXQ_OVFL),
            (libc::IPPROTO_IP, libc::IP_PKTINFO),
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO),
            (libc::IPPROTO_IP, libc::IP_RECVERR),
        ] {
            notes.note(level_and_kind.0, level_and_kind.1, &[1, 2, 3]);
        }
        assert!(
            notes.to.is_none() && notes.stamp.is_none() && notes.drops.is_none() && notes.number.is_none()
        );
        // A stamp of zero (only the hardware's is there) is none.
        notes.note(libc::SOL_SOCKET, number::SO_TIMESTAMPING, &[0; 48]);
        assert_eq!(notes.stamp, None);
    }
}
