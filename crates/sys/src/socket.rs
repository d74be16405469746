//! Datagram sockets and their options. Sending and receiving is in [`crate::message`].
//!
//! All are close-on-exec and non-blocking. A simulator may refuse the flags of `socket(2)` (and then
//! `fcntl(2)` does it), or an option: whether that matters is the caller's business.

use crate::abi::number;
use crate::address::Storage;
pub use crate::address::UnixAddress;
use crate::cvt;
use std::ffi::{c_int, c_void};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;

/// Which kind of address a socket has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    Inet,
    /// IPv6 (set [`Socket::set_only_v6`] to keep IPv4 out).
    Inet6,
    /// Paths of this machine.
    Unix,
}

impl Family {
    /// The family of `address`.
    pub fn of(address: &SocketAddr) -> Self {
        if address.is_ipv4() { Self::Inet } else { Self::Inet6 }
    }
}

/// Which packets get time stamps from the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamping {
    /// Incoming ones.
    Receive,
    /// Outgoing ones too: these come back through [`crate::message::receive_error_queue`].
    Both,
    /// Both, also by the network card, in its own time.
    Hardware,
}

/// An open datagram socket; closed when dropped.
#[derive(Debug)]
pub struct Socket {
    fd: RawFd,
    family: Family,
    /// It blocks where it is not told otherwise ([`Self::set_waiting`]).
    waits: bool,
}

impl Socket {
    /// A UDP socket of [`Family::Inet`] or [`Family::Inet6`].
    pub fn udp(family: Family) -> io::Result<Self> {
        Self::datagram(family)
    }

    /// A Unix datagram socket.
    pub fn unix() -> io::Result<Self> {
        Self::datagram(Family::Unix)
    }

    /// Two connected Unix sockets that keep the bounds of messages, for two processes of this program. A message of no
    /// bytes means that the other side is gone.
    pub fn pair() -> io::Result<(Self, Self)> {
        let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        let mut fds = [-1; 2];
        // SAFETY: `fds` has room for the two descriptors.
        cvt(unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, fds.as_mut_ptr()) })?;
        let [one, other] = fds.map(|fd| Self { fd, family: Family::Unix, waits: false });
        Ok((one, other))
    }

    fn datagram(family: Family) -> io::Result<Self> {
        let domain = match family {
            Family::Inet => libc::AF_INET,
            Family::Inet6 => libc::AF_INET6,
            Family::Unix => libc::AF_UNIX,
        };
        // SAFETY: socket only reads its arguments.
        let open = |kind| cvt(unsafe { libc::socket(domain, kind, 0) });
        match open(libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK) {
            Ok(fd) => Ok(Self { fd, family, waits: false }),
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                let socket = Self { fd: open(libc::SOCK_DGRAM)?, family, waits: false };
                socket.set_flag(libc::F_GETFD, libc::F_SETFD, libc::FD_CLOEXEC)?;
                socket.set_flag(libc::F_GETFL, libc::F_SETFL, libc::O_NONBLOCK)?;
                Ok(socket)
            }
            Err(error) => Err(error),
        }
    }

    fn set_flag(&self, get: c_int, set: c_int, flag: c_int) -> io::Result<()> {
        // SAFETY: the descriptor is open; this command takes no argument.
        let flags = cvt(unsafe { libc::fcntl(self.fd, get) })?;
        // SAFETY: the descriptor is open; this command takes an int.
        cvt(unsafe { libc::fcntl(self.fd, set, flags | flag) }).map(drop)
    }

    /// From now on a [`crate::batch::Batch`] can wait here for the first datagram, for `nanos` at most (the kernel makes whole ticks of
    /// its own of it). Everything else goes on not to wait.
    pub fn set_waiting(&mut self, nanos: i64) -> io::Result<()> {
        let limit = libc::timeval { tv_sec: 0, tv_usec: (nanos / 1000) as _ };
        let (pointer, len) = ((&raw const limit).cast::<c_void>(), size_of::<libc::timeval>());
        // SAFETY: pointer and length describe a live value, which the call only reads.
        cvt(unsafe {
            libc::setsockopt(self.fd, libc::SOL_SOCKET, libc::SO_RCVTIMEO, pointer, len as libc::socklen_t)
        })?;
        // SAFETY: the descriptor is open; this command takes no argument.
        let flags = cvt(unsafe { libc::fcntl(self.fd, libc::F_GETFL) })?;
        // SAFETY: the descriptor is open; this command takes an int.
        cvt(unsafe { libc::fcntl(self.fd, libc::F_SETFL, flags & !libc::O_NONBLOCK) })?;
        self.waits = true;
        Ok(())
    }

    /// Can a [`crate::batch::Batch`] wait here?
    pub fn waits(&self) -> bool {
        self.waits
    }

    /// What a call is told that must not wait.
    pub(crate) fn at_once(&self) -> c_int {
        if self.waits { libc::MSG_DONTWAIT } else { 0 }
    }

    /// Its kind of address.
    pub fn family(&self) -> Family {
        self.family
    }

    /// Takes the local address `address` (port 0: any free one).
    pub fn bind(&self, address: SocketAddr) -> io::Result<()> {
        self.bind_storage(&Storage::from(address))
    }

    /// Takes the path `path`, which must not exist yet; its mode follows the umask.
    pub fn bind_unix(&self, path: &Path) -> io::Result<()> {
        self.bind_storage(&Storage::from(&UnixAddress::new(path)?))
    }

    fn bind_storage(&self, address: &Storage) -> io::Result<()> {
        // SAFETY: pointer and length describe one live address; the call only reads it.
        cvt(unsafe { libc::bind(self.fd, address.pointer(), address.len()) }).map(drop)
    }

    /// Talks to `remote` alone from now on: datagrams of others are not received.
    pub fn connect(&self, remote: SocketAddr) -> io::Result<()> {
        self.connect_storage(&Storage::from(remote))
    }

    /// Talks to the socket at `path` alone from now on. ENOENT or ECONNREFUSED: nobody is there.
    pub fn connect_unix(&self, path: &Path) -> io::Result<()> {
        self.connect_storage(&Storage::from(&UnixAddress::new(path)?))
    }

    fn connect_storage(&self, address: &Storage) -> io::Result<()> {
        // SAFETY: pointer and length describe one live address; the call only reads it.
        cvt(unsafe { libc::connect(self.fd, address.pointer(), address.len()) }).map(drop)
    }

    /// Its own address.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        let mut address = Storage::new();
        let pointer = address.pointer_mut();
        // SAFETY: `pointer` has room for the length told; both are live and writable.
        cvt(unsafe { libc::getsockname(self.fd, pointer, address.len_mut()) })?;
        address.inet().ok_or_else(|| io::Error::from_raw_os_error(libc::EAFNOSUPPORT))
    }

    /// May take an address that was in use a moment ago (SO_REUSEADDR).
    pub fn set_reuse_address(&self) -> io::Result<()> {
        self.set(libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)
    }

    /// Takes [`Self::set_reuse_address`] back: from now on nobody else gets this address.
    pub fn clear_reuse_address(&self) -> io::Result<()> {
        self.set(libc::SOL_SOCKET, libc::SO_REUSEADDR, 0)
    }

    /// May share its address with other sockets of this user (SO_REUSEPORT).
    pub fn set_reuse_port(&self) -> io::Result<()> {
        self.set(libc::SOL_SOCKET, libc::SO_REUSEPORT, 1)
    }

    /// May take an address that no interface has yet (IP_FREEBIND).
    pub fn set_free_bind(&self) -> io::Result<()> {
        self.set_by_family(
            (libc::IPPROTO_IP, libc::IP_FREEBIND),
            (libc::IPPROTO_IPV6, libc::IPV6_FREEBIND),
            1,
        )
    }

    /// Takes no IPv4 on an IPv6 socket; before [`Self::bind`]. Nothing to do for IPv4.
    pub fn set_only_v6(&self) -> io::Result<()> {
        match self.family {
            Family::Inet6 => self.set(libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1),
            _ => Ok(()),
        }
    }

    /// Each datagram tells its destination address and interface.
    pub fn set_packet_info(&self) -> io::Result<()> {
        self.set_by_family(
            (libc::IPPROTO_IP, libc::IP_PKTINFO),
            (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO),
            1,
        )
    }

    /// Sends and receives by the interface `name` only (SO_BINDTODEVICE).
    pub fn set_device(&self, name: &str) -> io::Result<()> {
        if name.len() >= libc::IFNAMSIZ || name.contains('\0') {
            return Err(io::Error::from_raw_os_error(libc::ENODEV));
        }
        self.set_bytes(libc::SOL_SOCKET, libc::SO_BINDTODEVICE, name.as_bytes())
    }

    /// Marks outgoing packets with the DSCP code point `dscp` (0 … 63).
    pub fn set_dscp(&self, dscp: u8) -> io::Result<()> {
        self.set_by_family(
            (libc::IPPROTO_IP, libc::IP_TOS),
            (libc::IPPROTO_IPV6, libc::IPV6_TCLASS),
            c_int::from(dscp & 63) << 2,
        )
    }

    /// Never fragments outgoing packets: one that is too long for its path is refused with EMSGSIZE.
    pub fn set_dont_fragment(&self) -> io::Result<()> {
        self.set_by_family(
            (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER),
            (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER),
            libc::IP_PMTUDISC_DO,
        )
    }

    /// May send to broadcast addresses.
    pub fn set_broadcast(&self) -> io::Result<()> {
        self.set(libc::SOL_SOCKET, libc::SO_BROADCAST, 1)
    }

    /// Each datagram tells how many were dropped before it for want of room (SO_RXQ_OVFL).
    pub fn set_count_drops(&self) -> io::Result<()> {
        self.set(libc::SOL_SOCKET, number::SO_RXQ_OVFL, 1)
    }

    /// Asks for room for `bytes` of received data (SO_RCVBUF; the kernel limits it).
    pub fn set_receive_buffer(&self, bytes: u32) -> io::Result<()> {
        self.set(libc::SOL_SOCKET, libc::SO_RCVBUF, c_int::try_from(bytes).unwrap_or(c_int::MAX))
    }

    /// The kernel stamps packets with the wall clock (SO_TIMESTAMPING, in software). Outgoing packets are numbered
    /// from 0 in the order sent, from this call on. An error means: read the clock instead; so does a packet without
    /// a stamp, such as the first few after the first socket of the machine asks (the kernel begins a moment later).
    pub fn set_stamping(&self, stamping: Stamping) -> io::Result<()> {
        let receive = number::SOF_RX_SOFTWARE | number::SOF_SOFTWARE;
        if stamping == Stamping::Receive {
            return self.set(libc::SOL_SOCKET, number::SO_TIMESTAMPING, receive);
        }
        // Not needed on a kernel, which sets POLLERR anyhow: stamps of sent packets raise POLLPRI too.
        let _ = self.set(libc::SOL_SOCKET, number::SO_SELECT_ERR_QUEUE, 1);
        let card = if stamping == Stamping::Hardware { number::SOF_HARDWARE } else { 0 };
        let both = receive | number::SOF_TX_SOFTWARE | card;
        self.set(libc::SOL_SOCKET, number::SO_TIMESTAMPING, both | number::SOF_OPT_ID).or_else(|error| {
            match error.raw_os_error() {
                Some(libc::EINVAL) => self.set(libc::SOL_SOCKET, number::SO_TIMESTAMPING, both),
                _ => Err(error),
            }
        })
    }

    /// Lets the sockets that share this one's address and port (all with [`Self::set_reuse_port`], this one bound the
    /// first) divide the senders among them: an IPv4 address, or an IPv6 network of `prefix` bits (at most 64 of them
    /// are looked at), always comes to the same one of `count`. (SO_ATTACH_REUSEPORT_CBPF)
    pub fn set_pinning(&self, count: u32, prefix: u8) -> io::Result<()> {
        let mut program = match self.family {
            Family::Inet => crate::pinning::by_address(count),
            Family::Inet6 => crate::pinning::by_prefix(count, prefix),
            Family::Unix => return Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP)),
        };
        let program = libc::sock_fprog { len: program.len() as _, filter: program.as_mut_ptr() };
        let (pointer, len) = ((&raw const program).cast::<c_void>(), size_of::<libc::sock_fprog>());
        // SAFETY: `program` and the instructions it points to are live; the call only reads them.
        cvt(unsafe {
            libc::setsockopt(
                self.fd,
                libc::SOL_SOCKET,
                number::SO_ATTACH_REUSEPORT_CBPF,
                pointer,
                len as libc::socklen_t,
            )
        })
        .map(drop)
    }

    fn set_by_family(&self, inet: (c_int, c_int), inet6: (c_int, c_int), value: c_int) -> io::Result<()> {
        match self.family {
            Family::Inet => self.set(inet.0, inet.1, value),
            Family::Inet6 => self.set(inet6.0, inet6.1, value),
            Family::Unix => Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP)),
        }
    }

    fn set(&self, level: c_int, option: c_int, value: c_int) -> io::Result<()> {
        self.set_bytes(level, option, &value.to_ne_bytes())
    }

    fn set_bytes(&self, level: c_int, option: c_int, value: &[u8]) -> io::Result<()> {
        let (pointer, len) = (value.as_ptr().cast::<c_void>(), value.len() as libc::socklen_t);
        // SAFETY: pointer and length describe the live slice `value`; the call only reads it.
        cvt(unsafe { libc::setsockopt(self.fd, level, option, pointer, len) }).map(drop)
    }
}

impl From<Socket> for OwnedFd {
    fn from(socket: Socket) -> Self {
        let socket = std::mem::ManuallyDrop::new(socket);
        // SAFETY: the descriptor is open and ours, and the socket, which would close it, is forgotten.
        unsafe { Self::from_raw_fd(socket.fd) }
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.fd
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // SAFETY: the descriptor is ours alone and is not used again.
        unsafe { libc::close(self.fd) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(address: &str) -> io::Result<Socket> {
        let address: SocketAddr = address.parse().expect("an address");
        let socket = Socket::udp(Family::of(&address))?;
        socket.set_only_v6()?;
        socket.bind(address)?;
        Ok(socket)
    }

    #[test]
    fn a_bound_socket_knows_its_address() {
        let socket = bound("127.0.0.1:0").expect("loopback");
        let address = socket.local_addr().expect("bound");
        assert!(address.ip().is_loopback() && address.port() != 0);
        let taken = Socket::udp(Family::Inet).and_then(|s| s.bind(address)).expect_err("in use");
        assert_eq!(taken.raw_os_error(), Some(libc::EADDRINUSE));
    }

    #[test]
    fn every_option_is_taken_by_a_kernel() {
        for family in [Family::Inet, Family::Inet6] {
            let socket = match Socket::udp(family) {
                Err(error) if error.raw_os_error() == Some(libc::EAFNOSUPPORT) => {
                    eprintln!("SKIPPED: no {family:?} here");
                    continue;
                }
                other => other.expect("a socket"),
            };
            let results = [
                socket.set_reuse_address(),
                socket.set_reuse_port(),
                socket.set_free_bind(),
                socket.set_only_v6(),
                socket.set_packet_info(),
                socket.set_dscp(46),
                socket.set_dont_fragment(),
                socket.set_broadcast(),
                socket.set_count_drops(),
                socket.set_receive_buffer(1 << 16),
                socket.set_stamping(Stamping::Receive),
                socket.set_stamping(Stamping::Both),
            ];
            for (index, result) in results.iter().enumerate() {
                assert!(result.is_ok(), "{family:?}, option {index}: {result:?}");
            }
        }
    }

    #[test]
    fn sockets_do_not_block_and_are_not_inherited() {
        let socket = Socket::udp(Family::Inet).expect("a socket");
        // SAFETY: the descriptor is open; these commands take no argument.
        let (fd, fl) =
            unsafe { (libc::fcntl(socket.fd, libc::F_GETFD), libc::fcntl(socket.fd, libc::F_GETFL)) };
        assert!(fd & libc::FD_CLOEXEC != 0 && fl & libc::O_NONBLOCK != 0);
    }

    #[test]
    fn a_device_that_is_not_there_is_refused() {
        let socket = Socket::udp(Family::Inet).expect("a socket");
        assert!(socket.set_device("nonesuch0").is_err());
        assert!(socket.set_device("a name that is too long").is_err());
    }
}
