//! Raw Ethernet frames for the load generator: many sent by one call, received through a ring the kernel shares.
//!
//! Only with the feature `bench`; nothing of the daemon uses it, so the rules of this crate about simulators do not
//! apply here. Meant for interfaces of an own network namespace.

use crate::cvt;
use std::ffi::{CString, c_int, c_void};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering, fence};

/// Longest frame that can be sent, bytes.
pub const FRAME_MAX: usize = 1514;
/// Most frames one call sends.
pub const SEND_MAX: usize = 64;
/// Room for one received frame with the kernel's header, bytes.
const SLOT: usize = 256;
/// Bytes the kernel allocates in one piece.
const BLOCK: usize = 1 << 18;

/// An Ethernet frame to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// Bytes that count.
    pub len: usize,
    /// The frame.
    pub bytes: [u8; FRAME_MAX],
}

impl Default for Frame {
    fn default() -> Self {
        Self { len: 0, bytes: [0; FRAME_MAX] }
    }
}

/// A frame that came in, while it is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Captured<'a> {
    /// Its first bytes (about 170 of them).
    pub bytes: &'a [u8],
    /// How long it was on the wire, bytes.
    pub len: usize,
    /// When the kernel got it, ns since the Unix epoch.
    pub stamp: i64,
    /// Its UDP checksum is left to the hardware (a virtual link has none), so it cannot be checked.
    pub checksum_pending: bool,
}

/// A packet socket of one interface (IPv4 frames only).
#[derive(Debug)]
pub struct Packets {
    socket: OwnedFd,
    ring: NonNull<u8>,
    slots: usize,
    next: usize,
}

impl Packets {
    /// Opens `interface` with room for `slots` received frames (rounded to whole blocks of 1024). Needs CAP_NET_RAW.
    pub fn open(interface: &str, slots: usize) -> io::Result<Self> {
        let slots = slots.max(1).next_multiple_of(BLOCK / SLOT);
        // SAFETY: socket only reads its arguments.
        let fd = cvt(unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) })?;
        // SAFETY: the descriptor is new and nobody else's.
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        option(&socket, libc::PACKET_VERSION, &(libc::tpacket_versions::TPACKET_V2 as c_int))?;
        let request = libc::tpacket_req {
            tp_block_size: BLOCK as u32,
            tp_block_nr: (slots * SLOT / BLOCK) as u32,
            tp_frame_size: SLOT as u32,
            tp_frame_nr: slots as u32,
        };
        option(&socket, libc::PACKET_RX_RING, &request)?;
        let one: c_int = 1;
        option(&socket, libc::PACKET_QDISC_BYPASS, &one)?;
        let (access, sharing) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_POPULATE);
        // SAFETY: a new mapping of the ring, as long as the kernel was asked for; no memory of ours is touched.
        let ring = unsafe { libc::mmap(std::ptr::null_mut(), slots * SLOT, access, sharing, fd, 0) };
        if ring == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let ring = NonNull::new(ring.cast()).ok_or_else(|| io::Error::other("a ring at address 0"))?;
        let packets = Self { socket, ring, slots, next: 0 };
        packets.bind(interface)?;
        Ok(packets)
    }

    fn bind(&self, interface: &str) -> io::Result<()> {
        // SAFETY: sockaddr_ll is made of integers; zeroes are a valid value.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = (libc::ETH_P_IP as u16).to_be();
        address.sll_ifindex = index(interface)?;
        let (pointer, len) = ((&raw const address).cast(), size_of_val(&address) as libc::socklen_t);
        // SAFETY: pointer and length describe the live address, which is only read.
        cvt(unsafe { libc::bind(self.socket.as_raw_fd(), pointer, len) }).map(drop)
    }

    /// Sends up to [`SEND_MAX`] of `frames`; returns how many left. An error concerns the first of them.
    pub fn send(&self, frames: &[Frame]) -> io::Result<usize> {
        // SAFETY: both are made of pointers and integers; zeroes (no buffers) are valid values.
        let (mut parts, mut messages): ([libc::iovec; SEND_MAX], [libc::mmsghdr; SEND_MAX]) =
            unsafe { std::mem::zeroed() };
        let count = frames.len().min(SEND_MAX);
        for ((part, message), frame) in parts.iter_mut().zip(&mut messages).zip(frames) {
            part.iov_base = frame.bytes.as_ptr().cast_mut().cast();
            part.iov_len = frame.len.min(FRAME_MAX);
            message.msg_hdr.msg_iov = part;
            message.msg_hdr.msg_iovlen = 1;
        }
        let (fd, flags) = (self.socket.as_raw_fd(), libc::MSG_NOSIGNAL);
        // SAFETY: the first `count` messages point to live buffers of the lengths beside them, which are only read.
        let sent = cvt(unsafe { libc::sendmmsg(fd, messages.as_mut_ptr(), count as u32, flags as _) })?;
        Ok(sent.unsigned_abs() as usize)
    }

    /// Shows the next received frame to `look`, if there is one, and gives its slot back to the kernel.
    pub fn receive<R>(&mut self, look: impl FnOnce(Captured<'_>) -> R) -> Option<R> {
        // SAFETY: `next` is below the number of slots of the mapping, which lives as long as `self`.
        let slot = unsafe { self.ring.add(self.next * SLOT) };
        // SAFETY: a slot starts with its status, aligned; the kernel changes it, so it is read atomically.
        let status = unsafe { AtomicU32::from_ptr(slot.as_ptr().cast()) };
        let said = status.load(Ordering::Relaxed);
        if said & libc::TP_STATUS_USER == 0 {
            return None;
        }
        fence(Ordering::Acquire);
        // SAFETY: the status says that the slot is ours: its header is written and nobody changes it now.
        let header = unsafe { slot.cast::<libc::tpacket2_hdr>().read() };
        let offset = usize::from(header.tp_mac).min(SLOT);
        let kept = (header.tp_snaplen as usize).min(SLOT - offset);
        // SAFETY: offset and length stay inside of the slot, which is ours until the status is written.
        let bytes = unsafe { std::slice::from_raw_parts(slot.as_ptr().add(offset), kept) };
        let result = look(Captured {
            bytes,
            len: header.tp_len as usize,
            stamp: i64::from(header.tp_sec) * 1_000_000_000 + i64::from(header.tp_nsec),
            checksum_pending: said & libc::TP_STATUS_CSUMNOTREADY != 0,
        });
        status.store(libc::TP_STATUS_KERNEL, Ordering::Release);
        self.next = (self.next + 1) % self.slots;
        Some(result)
    }

    /// Frames the kernel had no room for since the last call.
    pub fn drops(&self) -> io::Result<u32> {
        // SAFETY: a structure of integers.
        let mut seen: libc::tpacket_stats = unsafe { std::mem::zeroed() };
        let mut len = size_of_val(&seen) as libc::socklen_t;
        let (fd, kind) = (self.socket.as_raw_fd(), libc::PACKET_STATISTICS);
        // SAFETY: pointer and length describe the live structure.
        cvt(unsafe {
            libc::getsockopt(fd, libc::SOL_PACKET, kind, (&raw mut seen).cast::<c_void>(), &raw mut len)
        })?;
        Ok(seen.tp_drops)
    }
}

impl Drop for Packets {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and nothing refers to it any more; failure would leave it, which is harmless.
        unsafe { libc::munmap(self.ring.as_ptr().cast(), self.slots * SLOT) };
    }
}

/// Lets this thread's sleeps end on time (PR_SET_TIMERSLACK of 1 ns; the default is 50 µs).
pub fn exact_sleeps() {
    // SAFETY: this command takes one number; failure leaves the default.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1 as libc::c_ulong) };
}

/// Switches generic receive offload and TCP segmentation offload of `interface`, a virtual link: with the first on and the
/// second off, each of its ends receives by NAPI as a network card does.
pub fn offload(interface: &str, receive: bool, segmentation: bool) -> io::Result<()> {
    const SET_RECEIVE: u32 = 0x2c; // ETHTOOL_SGRO
    const SET_SEGMENTATION: u32 = 0x1f; // ETHTOOL_STSO
    const SIOCETHTOOL: u16 = 0x8946;
    let socket = std::net::UdpSocket::bind((std::net::Ipv4Addr::UNSPECIFIED, 0))?;
    for (command, on) in [(SET_RECEIVE, receive), (SET_SEGMENTATION, segmentation)] {
        let mut value = [command, u32::from(on)];
        // SAFETY: ifreq is made of integers and a pointer; zeroes are a valid value.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        for (to, from) in request.ifr_name.iter_mut().zip(interface.bytes().take(15)) {
            *to = from as _;
        }
        request.ifr_ifru.ifru_data = value.as_mut_ptr().cast();
        // SAFETY: the request names an interface and points to a live command of the size the kernel expects.
        cvt(unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL.into(), &raw mut request) })?;
    }
    Ok(())
}

fn index(interface: &str) -> io::Result<c_int> {
    let name = CString::new(interface)?;
    // SAFETY: the name ends with a zero and is only read.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(io::Error::last_os_error()),
        index => Ok(index.cast_signed()),
    }
}

fn option<T>(socket: &OwnedFd, kind: c_int, value: &T) -> io::Result<()> {
    let (pointer, len) = ((&raw const *value).cast(), size_of::<T>() as libc::socklen_t);
    // SAFETY: pointer and length describe the live value, which is only read.
    cvt(unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_PACKET, kind, pointer, len) }).map(drop)
}

/// Moves the calling thread into the network namespace kept at `path` (`/run/netns/NAME`). Needs CAP_SYS_ADMIN.
pub fn enter_network(path: &str) -> io::Result<()> {
    let file = std::fs::File::open(path)?;
    // SAFETY: the descriptor is open; the call changes this thread alone.
    cvt(unsafe { libc::setns(file.as_raw_fd(), libc::CLONE_NEWNET) }).map(drop)
}
