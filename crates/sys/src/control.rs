//! Control messages: what a datagram tells beside its bytes, and what it is told on its way out.

use crate::abi::{Timespec, number};
use crate::address::{in_addr, in6_addr, ipv4, specific, unicast};
use crate::message::empty_header;
use crate::socket::Family;
use std::io;
use std::net::{IpAddr, Ipv6Addr};

/// A control buffer of `WORDS` words, aligned for the headers inside.
#[repr(C)]
pub struct Control<const WORDS: usize> {
    pub words: [u64; WORDS],
}

impl<const WORDS: usize> Control<WORDS> {
    /// Its size in bytes.
    pub const BYTES: usize = WORDS * 8;

    pub fn new() -> Self {
        Self { words: [0; WORDS] }
    }

    /// Writes the address (none: the kernel's choice) and the interface (0: as routed) that a datagram leaves from;
    /// returns the bytes used. EAFNOSUPPORT: an address of the other family.
    pub fn put_source(&mut self, family: Family, from: Option<IpAddr>, interface: u32) -> io::Result<usize> {
        let from = from.and_then(specific);
        match (family, from) {
            _ if from.is_none() && interface == 0 => Ok(0),
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
                Ok(self.put(0, libc::IPPROTO_IP, libc::IP_PKTINFO, info))
            }
            (Family::Inet6, None | Some(IpAddr::V6(_))) => {
                let source = match from {
                    Some(IpAddr::V6(ip)) => ip,
                    _ => Ipv6Addr::UNSPECIFIED,
                };
                let info = libc::in6_pktinfo { ipi6_addr: in6_addr(source), ipi6_ifindex: interface };
                Ok(self.put(0, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info))
            }
            _ => Err(io::Error::from_raw_os_error(libc::EAFNOSUPPORT)),
        }
    }

    /// Writes a control message behind the first `used` bytes; returns the bytes used then.
    pub fn put<T: Copy>(&mut self, used: usize, level: i32, kind: i32, value: T) -> usize {
        let size = size_of::<T>() as u32;
        // SAFETY: CMSG_SPACE only computes.
        let space = unsafe { libc::CMSG_SPACE(size) } as usize;
        assert!(used.is_multiple_of(8) && used + space <= Self::BYTES, "room for the message");
        let mut header = empty_header();
        header.msg_control = self.words[used / 8..].as_mut_ptr().cast();
        header.msg_controllen = space as _;
        // SAFETY: there is room for a header and `value` behind `used` (asserted), aligned for cmsghdr as the buffer
        // is; CMSG_FIRSTHDR gives the start of it, CMSG_DATA a place inside.
        unsafe {
            let message = libc::CMSG_FIRSTHDR(&raw const header);
            (*message).cmsg_level = level;
            (*message).cmsg_type = kind;
            (*message).cmsg_len = libc::CMSG_LEN(size) as _;
            libc::CMSG_DATA(message).cast::<T>().write_unaligned(value);
        }
        used + space
    }
}

/// What the control messages say.
#[derive(Default)]
pub struct Notes {
    pub to: Option<IpAddr>,
    pub reply_from: Option<IpAddr>,
    pub interface: u32,
    pub stamp: Option<i64>,
    pub hardware: Option<i64>,
    pub drops: Option<u32>,
    pub number: Option<u32>,
}

impl Notes {
    pub fn read(header: &libc::msghdr) -> Self {
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
                if let Some([software, _, hardware]) = value::<[Timespec; 3]>(payload) {
                    let there = |time: Timespec| (time != Timespec::default()).then(|| time.nanos());
                    (self.stamp, self.hardware) = (there(software), there(hardware));
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

    #[test]
    fn nobody_answers_from_an_address_of_many() {
        let reply_from = |to: [u8; 4], local: [u8; 4]| {
            let [to, local] = [to, local].map(|octets| in_addr(octets.into()));
            let info = libc::in_pktinfo { ipi_ifindex: 1, ipi_spec_dst: local, ipi_addr: to };
            let mut control = Control::<8>::new();
            let mut header = empty_header();
            header.msg_controllen = control.put(0, libc::IPPROTO_IP, libc::IP_PKTINFO, info) as _;
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
