//! Many datagrams by one call: `recvmmsg` and `sendmmsg`, for sockets that answer.
//!
//! A [`Batch`] is one block of memory, made once and used again and again: nothing is allocated, and no address is
//! translated twice, because a reply goes out with the sender's address as the kernel gave it. Where the two calls
//! cannot be had, or a simulator may stand in front of libc (it knows neither), the batch works with `recvmsg` and
//! `sendmsg` and everybody else need not know.

use crate::abi::number;
use crate::address::inet;
use crate::control::{Control, Notes};
use crate::cvt;
use crate::message::Received;
use crate::socket::Socket;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::ptr::NonNull;

/// Most datagrams of one batch. With more, what the kernel and we have to read again and again falls out of the processor's
/// nearest cache: a reply then costs a fortieth more with 64 than with 32.
pub const SIZE: usize = 32;

/// A datagram that came alone will so often not be followed by a look for others.
const ALONE: u8 = 15;

/// Whether to wait for datagrams at a socket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wait {
    /// Takes what is there.
    No,
    /// Waits for the first and takes all there are, unless the last was alone: then it looks for others only now and then.
    ForOne,
    /// Waits for the first and takes all there are.
    ForSome,
}

/// Bytes kept of a datagram: more than the longest packet of NTP that is understood, so that a longer one is known by
/// its length. An odd number of cache lines for each slot.
pub const ROOM: usize = 1152;

/// A datagram, what it came with, and what goes back.
#[repr(C)]
struct Slot {
    address: libc::sockaddr_storage,
    part: libc::iovec,
    reply_part: libc::iovec,
    /// 256 bytes: what a simulator insists on.
    control: Control<32>,
    /// A source address and a wish for a time stamp.
    reply_control: Control<8>,
    bytes: [u8; ROOM],
}

#[repr(C)]
struct Slots {
    requests: [libc::mmsghdr; SIZE],
    replies: [libc::mmsghdr; SIZE],
    slots: [Slot; SIZE],
}

/// Up to [`SIZE`] received datagrams and the replies to them.
pub struct Batch {
    slots: NonNull<Slots>,
    received: usize,
    replies: usize,
    one_by_one: bool,
    /// How many times more a datagram that was waited for is not believed to have company.
    alone: u8,
}

// SAFETY: the memory belongs to this value alone, and the pointers inside lead only into it.
unsafe impl Send for Batch {}

/// A reply to one datagram of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Reply<'a> {
    /// At most [`ROOM`] bytes.
    pub bytes: &'a [u8],
    /// The address of ours it leaves from; `None`: as the kernel chooses.
    pub from: Option<IpAddr>,
    /// The interface it leaves by; 0: as routed.
    pub interface: u32,
    /// The kernel is to tell when it left, through the socket's error queue (see [`Socket::set_stamping`]).
    pub stamp: bool,
}

impl Default for Batch {
    fn default() -> Self {
        Self::new(crate::thread::simulated())
    }
}

impl Batch {
    /// An empty batch; `one_by_one`: uses only the calls every simulator knows.
    pub fn new(one_by_one: bool) -> Self {
        // SAFETY: all fields are integers, arrays of them and pointers; zeroes are a valid value of each.
        let boxed: Box<Slots> = unsafe { Box::<Slots>::new_zeroed().assume_init() };
        let slots = Box::into_raw(boxed);
        for index in 0..SIZE {
            // SAFETY: `slots` is live and exclusive; the pointers stored lead into the same block, which does not move
            // and is freed only with them.
            unsafe {
                let slot = &raw mut (*slots).slots[index];
                (*slot).part = libc::iovec { iov_base: (&raw mut (*slot).bytes).cast(), iov_len: ROOM };
                (*slot).reply_part.iov_base = (&raw mut (*slot).bytes).cast();
                let header = &raw mut (*slots).requests[index].msg_hdr;
                (*header).msg_name = (&raw mut (*slot).address).cast();
                (*header).msg_iov = &raw mut (*slot).part;
                (*header).msg_iovlen = 1;
                (*header).msg_control = (&raw mut (*slot).control).cast();
            }
        }
        let slots = NonNull::new(slots).expect("a box is somewhere");
        // All headers look used, so that the first call prepares them.
        Self { slots, received: SIZE, replies: 0, one_by_one, alone: 0 }
    }

    fn all(&self) -> &Slots {
        // SAFETY: the block lives as long as `self`, and is written to only through `&mut self`.
        unsafe { self.slots.as_ref() }
    }

    /// Takes what waits at `socket`, at most [`SIZE`] datagrams, in place of what was here. Returns how many.
    ///
    /// None: none came in time, or a signal did. A socket that cannot wait ([`Socket::set_waiting`]) is only looked at.
    ///
    /// Errors are the network's answers to earlier replies; they are passed over.
    pub fn receive(&mut self, socket: &Socket, wait: Wait) -> usize {
        let wait = if socket.waits() { wait } else { Wait::No };
        self.prepare();
        for _ in 0..SIZE {
            let taken = if self.one_by_one {
                self.receive_each(socket, wait)
            } else {
                self.receive_many(socket, wait)
            };
            match taken {
                Ok(count) => {
                    self.received = count;
                    break;
                }
                Err(error) if !self.one_by_one && not_received(&error) => self.one_by_one = true,
                Err(_) => {}
            }
        }
        self.received
    }

    /// Makes the headers that were used ready for the next call.
    fn prepare(&mut self) {
        let slots = self.slots.as_ptr();
        for index in 0..self.received {
            // SAFETY: the block is live, and exclusive while `self` is.
            unsafe {
                let header = &raw mut (*slots).requests[index].msg_hdr;
                (*header).msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
                (*header).msg_controllen = Control::<32>::BYTES as _;
                (*header).msg_flags = 0;
            }
        }
        (self.received, self.replies) = (0, 0);
    }

    fn receive_many(&mut self, socket: &Socket, wait: Wait) -> io::Result<usize> {
        let (fd, none) = (socket.as_raw_fd(), std::ptr::null_mut());
        let (most, flags) = match wait {
            Wait::No => (SIZE, socket.at_once()),
            Wait::ForOne if self.alone > 0 => (1, 0),
            Wait::ForOne | Wait::ForSome => (SIZE, libc::MSG_WAITFORONE),
        };
        // SAFETY: every pointer in the headers is live, writable and exclusive for the length beside it.
        let result = cvt(unsafe {
            libc::recvmmsg(fd, (&raw mut (*self.slots.as_ptr()).requests).cast(), most as _, flags as _, none)
        });
        match result {
            Ok(count) => {
                // To look for another where there is none is a fifth of the price of receiving one.
                self.alone = if count > 1 { 0 } else { self.alone.checked_sub(1).unwrap_or(ALONE) };
                Ok((count.cast_unsigned() as usize).min(SIZE))
            }
            Err(error) if nothing(&error) => Ok(0),
            Err(error) => Err(error),
        }
    }

    fn receive_each(&mut self, socket: &Socket, wait: Wait) -> io::Result<usize> {
        let slots = self.slots.as_ptr();
        for index in 0..SIZE {
            let flags = if index == 0 && wait != Wait::No { 0 } else { socket.at_once() };
            // SAFETY: as in `receive_many`.
            let result = cvt(unsafe {
                libc::recvmsg(socket.as_raw_fd(), &raw mut (*slots).requests[index].msg_hdr, flags)
            });
            match result {
                // SAFETY: the block is live, and exclusive while `self` is.
                Ok(len) => unsafe { (*slots).requests[index].msg_len = len.cast_unsigned() as u32 },
                Err(error) if index > 0 || nothing(&error) => return Ok(index),
                Err(error) => return Err(error),
            }
        }
        Ok(SIZE)
    }

    /// The bytes of datagram `index`; after [`Self::reply`], those of the reply.
    pub fn bytes(&self, index: usize) -> &[u8] {
        let (header, slot) = (&self.all().requests[index], &self.all().slots[index]);
        &slot.bytes[..(header.msg_len as usize).min(ROOM)]
    }

    /// The sender of datagram `index`.
    pub fn sender(&self, index: usize) -> Option<SocketAddr> {
        let (request, slot) = (&self.all().requests[index], &self.all().slots[index]);
        inet(&slot.address, request.msg_hdr.msg_namelen)
    }

    /// What datagram `index` came with. Datagrams are counted from 0 up to what [`Self::receive`] returned.
    pub fn received(&self, index: usize) -> Received {
        assert!(index < self.received, "datagram {index} of {}", self.received);
        let (request, slot) = (&self.all().requests[index], &self.all().slots[index]);
        let header = &request.msg_hdr;
        let notes = Notes::read(header);
        Received {
            len: (request.msg_len as usize).min(ROOM),
            truncated: header.msg_flags & libc::MSG_TRUNC != 0,
            from: inet(&slot.address, header.msg_namelen),
            to: notes.to,
            reply_from: notes.reply_from,
            interface: notes.interface,
            stamp: notes.stamp,
            hardware: notes.hardware,
            drops: notes.drops,
        }
    }

    /// Keeps `reply`, to the sender of datagram `index`, for [`Self::send`]. It takes the datagram's place: at most one
    /// for each.
    pub fn reply(&mut self, index: usize, socket: &Socket, reply: &Reply<'_>) -> io::Result<()> {
        assert!(index < self.received && self.replies < SIZE && reply.bytes.len() <= ROOM, "one reply each");
        // SAFETY: the block is live, and exclusive while `self` is.
        let slots = unsafe { &mut *self.slots.as_ptr() };
        let slot = &mut slots.slots[index];
        let mut used = slot.reply_control.put_source(socket.family(), reply.from, reply.interface)?;
        if reply.stamp {
            let software: i32 = number::SOF_TX_SOFTWARE;
            used = slot.reply_control.put(used, libc::SOL_SOCKET, number::SO_TIMESTAMPING, software);
        }
        slot.bytes[..reply.bytes.len()].copy_from_slice(reply.bytes);
        slot.reply_part.iov_len = reply.bytes.len();
        self.link(index, used);
        Ok(())
    }

    /// Makes the next header of the replies that of slot `index`, with `used` bytes of control messages.
    fn link(&mut self, index: usize, used: usize) {
        let slots = self.slots.as_ptr();
        // SAFETY: the block is live, and exclusive while `self` is; the pointers stored lead into it.
        unsafe {
            let slot = &raw mut (*slots).slots[index];
            let header = &raw mut (*slots).replies[self.replies].msg_hdr;
            (*header).msg_name = (&raw mut (*slot).address).cast();
            (*header).msg_namelen = (*slots).requests[index].msg_hdr.msg_namelen;
            (*header).msg_iov = &raw mut (*slot).reply_part;
            (*header).msg_iovlen = 1;
            (*header).msg_control =
                if used == 0 { std::ptr::null_mut() } else { (&raw mut (*slot).reply_control).cast() };
            (*header).msg_controllen = used as _;
        }
        self.replies += 1;
    }

    /// How many replies are kept.
    pub fn replies(&self) -> usize {
        self.replies
    }

    /// Drops the replies kept; returns how many.
    pub fn forget(&mut self) -> usize {
        std::mem::take(&mut self.replies)
    }

    /// Sends the replies kept. Returns how many left: one without a route is passed over, and when there is no room
    /// the rest is lost, as on a busy line.
    pub fn send(&mut self, socket: &Socket) -> usize {
        let (mut at, mut left) = (0, 0);
        while at < self.replies {
            let result = if self.one_by_one { self.send_one(socket, at) } else { self.send_many(socket, at) };
            match result {
                Ok(0) => break,
                Ok(count) => (at, left) = (at + count, left + count),
                Err(error) if !self.one_by_one && unknown(&error) => self.one_by_one = true,
                Err(error) if nothing(&error) => break,
                Err(_) => at += 1,
            }
        }
        self.replies = 0;
        left
    }

    fn send_many(&mut self, socket: &Socket, at: usize) -> io::Result<usize> {
        let (fd, count) = (socket.as_raw_fd(), self.replies - at);
        let flags = libc::MSG_NOSIGNAL | socket.at_once();
        // SAFETY: every pointer in the headers from `at` on was set by `link` and is live for the length beside it.
        let sent = cvt(unsafe {
            let first = &raw mut (*self.slots.as_ptr()).replies[at];
            libc::sendmmsg(fd, first, count as _, flags as _)
        })?;
        Ok((sent.cast_unsigned() as usize).min(count))
    }

    fn send_one(&mut self, socket: &Socket, at: usize) -> io::Result<usize> {
        let flags = libc::MSG_NOSIGNAL | socket.at_once();
        // SAFETY: as in `send_many`; sendmsg only reads.
        cvt(unsafe {
            let header = &raw const (*self.slots.as_ptr()).replies[at].msg_hdr;
            libc::sendmsg(socket.as_raw_fd(), header, flags)
        })?;
        Ok(1)
    }
}

/// Nothing waits, or no room.
fn nothing(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EINTR))
}

/// The kernel, or what stands in its place, does not know the call or not this socket.
fn unknown(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EBADF | libc::ENOTSOCK | libc::EOPNOTSUPP))
}

/// … which for receiving may be said in other words too; a sender may just have an address that cannot be used.
fn not_received(error: &io::Error) -> bool {
    unknown(error) || matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EPERM))
}

impl Drop for Batch {
    fn drop(&mut self) {
        // SAFETY: the block came from a box and is not used any more.
        drop(unsafe { Box::from_raw(self.slots.as_ptr()) });
    }
}

#[cfg(test)]
mod tests;
