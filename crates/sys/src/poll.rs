//! Waiting for descriptors: `poll(2)`, the one such call every simulator knows.

use crate::cvt;
use std::io;
use std::os::fd::RawFd;

/// One descriptor and what happened to it.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct Entry(libc::pollfd);

impl Entry {
    /// Waits for `fd` to be readable, or to have something in its error queue.
    pub fn new(fd: RawFd) -> Self {
        Self(libc::pollfd { fd, events: libc::POLLIN | libc::POLLPRI, revents: 0 })
    }

    /// Waits for room to write too; only while something waits to be written (a simulator always has room).
    #[must_use]
    pub fn and_writable(mut self) -> Self {
        self.0.events |= libc::POLLOUT;
        self
    }

    /// The descriptor.
    pub fn fd(&self) -> RawFd {
        self.0.fd
    }

    /// There is something to receive, or the other end is gone.
    pub fn readable(&self) -> bool {
        self.0.revents & (libc::POLLIN | libc::POLLHUP) != 0
    }

    /// The error queue may hold something: stamps of sent packets. (POLLPRI in a simulator, POLLERR in a kernel.)
    /// POLLERR also means a pending error of the socket, which the next [`crate::message::receive`] reports:
    /// with this set, look at the queue and then receive.
    pub fn error_queue(&self) -> bool {
        self.0.revents & (libc::POLLPRI | libc::POLLERR) != 0
    }

    /// There is room to write.
    pub fn writable(&self) -> bool {
        self.0.revents & libc::POLLOUT != 0
    }

    /// The descriptor is not open: a mistake of the program, which would otherwise spin.
    pub fn invalid(&self) -> bool {
        self.0.revents & libc::POLLNVAL != 0
    }

    /// Did anything happen?
    pub fn any(&self) -> bool {
        self.0.revents != 0
    }
}

/// Waits until something happens to one of `entries`, for at most `timeout` nanoseconds (rounded up to
/// milliseconds; negative: not at all; `None`: for ever). Returns how many entries have news; a signal ends the
/// wait with 0.
pub fn poll(entries: &mut [Entry], timeout: Option<i64>) -> io::Result<usize> {
    for entry in entries.iter_mut() {
        entry.0.revents = 0; // an interrupted call leaves them as they were
    }
    let pointer = entries.as_mut_ptr().cast::<libc::pollfd>();
    // SAFETY: Entry is a transparent pollfd; pointer and length describe the live, exclusive slice.
    match cvt(unsafe { libc::poll(pointer, entries.len() as libc::nfds_t, milliseconds(timeout)) }) {
        Ok(count) => Ok(count.cast_unsigned() as usize),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
        Err(error) => Err(error),
    }
}

fn milliseconds(timeout: Option<i64>) -> i32 {
    match timeout {
        None => -1,
        // Rounded up: waking before the deadline would make the caller spin for the rest of the millisecond.
        Some(nanos) => i32::try_from(nanos.max(0).saturating_add(999_999) / 1_000_000).unwrap_or(i32::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::fd::AsRawFd;

    #[test]
    fn a_pipe_becomes_readable_when_written_to() {
        let (mut reader, mut writer) = std::io::pipe().expect("a pipe");
        let mut entries = [Entry::new(reader.as_raw_fd())];
        assert_eq!(poll(&mut entries, Some(0)).expect("poll"), 0);
        assert!(!entries[0].any());
        writer.write_all(b"x").expect("room");
        assert_eq!(poll(&mut entries, None).expect("poll"), 1);
        assert!(entries[0].readable() && !entries[0].writable() && !entries[0].error_queue());
        reader.read_exact(&mut [0]).expect("a byte");
        drop(writer);
        assert_eq!(poll(&mut entries, None).expect("poll"), 1);
        assert!(entries[0].readable(), "the end is news too");
    }

    #[test]
    fn a_closed_descriptor_is_told_apart() {
        let mut entries = [Entry::new(1_000_000)];
        assert_eq!(poll(&mut entries, Some(0)).expect("poll"), 1);
        assert!(entries[0].invalid() && !entries[0].readable());
    }

    #[test]
    fn a_wait_is_never_shorter_than_asked() {
        assert_eq!(milliseconds(None), -1);
        assert_eq!(milliseconds(Some(-5)), 0);
        assert_eq!(milliseconds(Some(1)), 1);
        assert_eq!(milliseconds(Some(2_000_000)), 2);
        assert_eq!(milliseconds(Some(i64::MAX)), i32::MAX);
        let start = crate::clock::monotonic();
        assert_eq!(poll(&mut [], Some(3_000_001)).expect("poll"), 0);
        assert!(crate::clock::monotonic() - start >= 3_000_001);
    }
}
