//! Reading the kernel's clocks, and `clock_adjtime(2)`.

use crate::abi::{Timespec, Timex, call};
use crate::cvt;
use std::ffi::c_int;
use std::io;

/// Numbers of `struct timex` (linux/timex.h); the same on every architecture.
pub mod timex {
    /// Sets `offset` of the kernel's phase-locked loop.
    pub const ADJ_OFFSET: u32 = 0x0001;
    /// Sets `freq`.
    pub const ADJ_FREQUENCY: u32 = 0x0002;
    /// Sets `maxerror`.
    pub const ADJ_MAXERROR: u32 = 0x0004;
    /// Sets `esterror`.
    pub const ADJ_ESTERROR: u32 = 0x0008;
    /// Sets `status`.
    pub const ADJ_STATUS: u32 = 0x0010;
    /// Sets the TAI offset from `constant`.
    pub const ADJ_TAI: u32 = 0x0080;
    /// Adds `time` to the clock.
    pub const ADJ_SETOFFSET: u32 = 0x0100;
    /// `time.usec` is in nanoseconds.
    pub const ADJ_NANO: u32 = 0x2000;
    /// Sets `tick`.
    pub const ADJ_TICK: u32 = 0x4000;

    /// The kernel's phase-locked loop is on.
    pub const STA_PLL: i32 = 0x0001;
    /// A second is inserted at the end of the UTC day.
    pub const STA_INS: i32 = 0x0010;
    /// A second is deleted at the end of the UTC day.
    pub const STA_DEL: i32 = 0x0020;
    /// The clock is not synchronised.
    pub const STA_UNSYNC: i32 = 0x0040;
    /// Bits the kernel alone sets.
    pub const STA_RONLY: i32 = 0xff00;
    /// The kernel reports nanoseconds.
    pub const STA_NANO: i32 = 0x2000;
}

fn read(clock: libc::clockid_t) -> io::Result<i64> {
    let mut time = Timespec::default();
    // SAFETY: `time` is a live, writable structure with the layout of the C library's 64-bit timespec.
    cvt(unsafe { call::clock_gettime(clock, &raw mut time) })?;
    Ok(time.nanos())
}

/// The wall clock, nanoseconds since the Unix epoch.
pub fn realtime() -> i64 {
    read(libc::CLOCK_REALTIME).expect("every system has a wall clock")
}

/// A clock nobody sets, nanoseconds since an arbitrary instant. Its *rate* follows the steering of the wall clock.
pub fn monotonic() -> i64 {
    read(libc::CLOCK_MONOTONIC).expect("every system has a monotonic clock")
}

/// Like [`monotonic`], but goes on while the machine sleeps; [`monotonic`] where there is no such clock.
pub fn boottime() -> i64 {
    read(libc::CLOCK_BOOTTIME).unwrap_or_else(|_| monotonic())
}

/// Processor time of process `pid` since it began, all its threads together, those that have ended too, nanoseconds.
///
/// Only the observer asks. Errors: EINVAL where there is no such process.
pub fn process_time(pid: u32) -> io::Result<i64> {
    // CPUCLOCK_SCHED (2) of a whole process: what clock_getcpuclockid makes of a number.
    let pid = libc::clockid_t::try_from(pid).map_err(io::Error::other)?;
    read(!pid << 3 | 2)
}

/// Sets the wall clock, nanoseconds since the Unix epoch. EPERM without CAP_SYS_TIME.
pub fn set_realtime(nanos: i64) -> io::Result<()> {
    let time = Timespec::from_nanos(nanos);
    // SAFETY: `time` is a live structure with the layout of the C library's 64-bit timespec; the call only reads it.
    cvt(unsafe { call::clock_settime(libc::CLOCK_REALTIME, &raw const time) }).map(drop)
}

/// `clock_adjtime(CLOCK_REALTIME)`, or `adjtimex` where that is missing: sets what `timex.modes` names, then
/// fills `timex` with what is in force. Returns the clock's state (`TIME_OK` = 0 …).
///
/// Errors: EPERM without CAP_SYS_TIME (reading needs no right), EINVAL for values out of range.
pub fn adjust(timex: &mut Timex) -> io::Result<c_int> {
    let pointer: *mut Timex = timex;
    // SAFETY: `pointer` is a live, exclusive structure with the layout of the C library's 64-bit timex.
    match cvt(unsafe { call::clock_adjtime(libc::CLOCK_REALTIME, pointer) }) {
        // SAFETY: as above.
        Err(error) if error.raw_os_error() == Some(libc::ENOSYS) => cvt(unsafe { call::adjtimex(pointer) }),
        result => result,
    }
}

/// Ticks of `timex.tick` per second (USER_HZ): 100 on nearly every system.
pub fn user_hz() -> i64 {
    // SAFETY: sysconf only reads its argument.
    let hz = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    if hz > 0 { hz as i64 } else { 100 }
}

/// The smallest step seen between two readings of the wall clock in a row, nanoseconds, at least 1: what RFC 5905
/// §7.3 calls precision (resolution or the time a reading takes, whichever is larger).
///
/// Makes at most 10 000 readings. A clock that stands still (a simulated one) is as precise as it says it is.
pub fn precision() -> i64 {
    let mut smallest = i64::MAX;
    let mut steps = 0;
    let mut last = realtime();
    for _ in 0..10_000 {
        let now = realtime();
        if now > last {
            smallest = smallest.min(now - last);
            steps += 1;
        }
        last = now;
        if steps == 100 {
            break;
        }
    }
    if steps == 0 { resolution() } else { smallest }
}

fn resolution() -> i64 {
    let mut step = Timespec::default();
    // SAFETY: `step` is a live, writable structure with the layout of the C library's 64-bit timespec.
    let known = cvt(unsafe { call::clock_getres(libc::CLOCK_REALTIME, &raw mut step) });
    if known.is_ok() { step.nanos().max(1) } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clocks_go_forward() {
        assert!(realtime() > 1_600_000_000_000_000_000, "before 2020");
        let (mono, boot) = (monotonic(), boottime());
        assert!(monotonic() >= mono && boottime() >= boot);
    }

    #[test]
    fn the_precision_is_between_a_nanosecond_and_a_tick() {
        let precision = precision();
        assert!((1..=10_000_000).contains(&precision), "{precision}");
    }

    #[test]
    fn what_is_in_force_can_be_read_by_everybody() {
        let mut state = Timex::default();
        adjust(&mut state).expect("reading needs no right");
        let (tick, hz) = (crate::abi::wide(state.tick), user_hz());
        assert!((900_000 / hz..=1_100_000 / hz).contains(&tick), "{state:?}");
        assert!((state.tolerance >> 16) >= 500, "{state:?}");
        assert!((state.time.sec - realtime() / 1_000_000_000).abs() <= 1, "{state:?}");
    }
}
