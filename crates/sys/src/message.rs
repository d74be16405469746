//! Datagrams with their addresses and time stamps: `recvmsg` and `sendmsg`.
//!
//! One iovec, and always a control buffer (a simulator insists on both). Times are readings of the wall clock,
//! nanoseconds since the Unix epoch.

use crate::abi::{Timespec, number};
use crate::address::{Storage, in_addr, in6_addr, ipv4, specific};
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
    interface: u32,
    stamp: Option<i64>,
    drops: Option<u32>,
    number: Option<u32>,
}

impl Notes {
    fn read(header: &libc::msghdr) -> Self {
        let mut notes = Self::default();
        // SAFETY: `header` was filled by recvmsg, so msg_control holds msg_controllen bytes of well-formed control
        // messages, over which the CMSG macros walk; `note` looks at each one while the buffer lives.
        unsafe {
            let mut message = libc::CMSG_FIRSTHDR(header);
            while !message.is_null() {
                notes.note(&*message);
                message = libc::CMSG_NXTHDR(header, message);
            }
        }
        notes
    }

    fn note(&mut self, message: &libc::cmsghdr) {
        match (message.cmsg_level, message.cmsg_type) {
            (libc::SOL_SOCKET, number::SO_TIMESTAMPING) => {
                // Three times: by software, (unused), by the hardware's own clock.
                if let Some([software, _, _]) = data::<[Timespec; 3]>(message)
                    && software != Timespec::default()
                {
                    self.stamp = Some(software.nanos());
                }
            }
            (libc::SOL_SOCKET, number::SO_RXQ_OVFL) => self.drops = data::<u32>(message),
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                if let Some(info) = data::<libc::in_pktinfo>(message) {
                    self.to = specific(IpAddr::V4(ipv4(info.ipi_addr)));
                    self.interface = info.ipi_ifindex.cast_unsigned();
                }
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                if let Some(info) = data::<libc::in6_pktinfo>(message) {
                    self.to = specific(IpAddr::V6(Ipv6Addr::from(info.ipi6_addr.s6_addr)));
                    self.interface = info.ipi6_ifindex;
                }
            }
            (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR) => {
                if let Some(error) = data::<libc::sock_extended_err>(message)
                    && error.ee_origin == number::SO_EE_ORIGIN_TIMESTAMPING
                {
                    self.number = Some(error.ee_data);
                }
            }
            _ => {}
        }
    }
}

/// The payload of a control message, if it is long enough for a `T`: structures of integers only.
fn data<T: Copy>(message: &libc::cmsghdr) -> Option<T> {
    // SAFETY: CMSG_LEN only computes.
    let needed = unsafe { libc::CMSG_LEN(size_of::<T>() as u32) };
    if (message.cmsg_len as usize) < needed as usize {
        return None;
    }
    // SAFETY: recvmsg wrote cmsg_len bytes from the header on, and the payload of a `T`'s size lies within; any
    // bytes make a valid `T`, which the callers choose among integers and structures of integers.
    Some(unsafe { libc::CMSG_DATA(message).cast::<T>().read_unaligned() })
}
