//! Timeball's door to the operating system: **the only crate with `unsafe`**.
//!
//! Each module is a thin, safe cover over a few calls of libc; no policy lives here. Errors are `io::Error` with
//! the errno inside. Read [`message`] first (a datagram with its addresses and its time stamp), then [`clock`].
//!
//! # The rules
//!
//! The same binary must run, unchanged, above a simulator that is preloaded in front of libc and plays the
//! kernel's clock and network. Such a simulator knows the common calls and little else, so:
//!
//! 1. **Every call goes through a symbol of libc.** No raw system calls: `libc::syscall` appears nowhere.
//! 2. **Sockets are ours, not `std::net`'s.** `socket(2)` is tried with `SOCK_CLOEXEC | SOCK_NONBLOCK`; if that
//!    is refused (EINVAL), again without, and `fcntl(2)` sets both.
//! 3. **Datagrams go by `recvmsg` and `sendmsg`,** many by `recvmmsg` and `sendmmsg` only where nothing is preloaded
//!    ([`batch`] sees to that, and goes back to the two where the kernel refuses), with one iovec and always a control buffer of at least 256
//!    bytes, even where no control message is expected. No read, write, writev, dup or accept4 on sockets.
//! 4. **Waiting is `poll(2)`** (where nothing is preloaded also `recvmmsg`, while requests come fast). A descriptor a simulator does not know counts as readable at once, so no pipe,
//!    eventfd or signalfd stays in the set for good: signals set an atomic and end `poll` by EINTR.
//!    Transmit stamps announce themselves by POLLPRI (simulator) or POLLERR (kernel): look for both. Ask for
//!    POLLOUT only while something waits to be sent.
//! 5. **Packet time stamps are `SO_TIMESTAMPING`'s** (`SO_TIMESTAMPNS` may be accepted and never deliver). A
//!    packet may come without one: the caller then reads the clock.
//! 6. **The clock is read by `clock_gettime`** of REALTIME or MONOTONIC; where BOOTTIME is unknown (EINVAL),
//!    MONOTONIC stands in (the observer also asks for the daemon's processor time). It is steered by `clock_adjtime(CLOCK_REALTIME)` alone (`adjtimex` where that is
//!    missing), with these modes only: FREQUENCY, TICK, SETOFFSET, STATUS, TAI, MAXERROR, ESTERROR; OFFSET only
//!    to end a foreign phase-locked loop that is found running.
//! 7. **Randomness is `getrandom`**, which a simulator can seed; never a device file.
//! 8. **The daemon's clock and socket calls are made on one thread,** unless serving threads are configured, which
//!    are not for simulators. No timed waits (condition variables,
//!    `recv_timeout`) anywhere: they follow the real clock.
//! 9. **Whatever cannot be had is an error for the caller to log,** never an abort: a Unix socket, an option of
//!    a socket, a stamp.
//!
//! What std does well without breaking a rule is not wrapped again: files, `std::io::pipe` (for the resolver's
//! thread), `IsTerminal`, `std::os::unix::fs::chown`.

pub mod abi;
mod address;
#[cfg(feature = "count-alloc")]
pub mod allocation;
pub mod batch;
pub mod cache;
pub mod calendar;
pub mod cards;
pub mod clock;
mod control;
pub mod device;
pub mod file;
pub mod footprint;
pub mod interfaces;
pub mod message;
pub mod names;
#[cfg(feature = "bench")]
pub mod packets;
mod pinning;
pub mod poll;
pub mod privileges;
pub mod process;
pub mod random;
pub mod seccomp;
pub mod signal;
pub mod socket;
pub mod syslog;
pub mod terminal;
pub mod thread;

use std::io;

/// The errno numbers that callers match on (`io::Error::raw_os_error`).
pub mod errno {
    pub use libc::{
        EACCES, EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, EAGAIN, ECONNREFUSED, EINTR, EINVAL, ENETUNREACH,
        ENOBUFS, ENODEV, ENOENT, ENOSYS, EOPNOTSUPP, EPERM,
    };
}

/// Turns libc's "−1 and errno" into a `Result`.
pub(crate) fn cvt<T: PartialEq + From<i8>>(result: T) -> io::Result<T> {
    if result == T::from(-1) { Err(io::Error::last_os_error()) } else { Ok(result) }
}
