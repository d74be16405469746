//! The shared memory segment by which gpsd and others tell the time (key 0x4E545030 + unit).

use crate::cvt;
use std::ffi::{c_int, c_uint};
use std::io;
use std::ptr;

/// Key of the first unit: "NTP0".
const KEY: i32 = 0x4E54_5030;

/// The time of whoever writes: its C library's.
#[cfg(any(target_pointer_width = "64", target_env = "musl"))]
type TimeT = i64;
#[cfg(not(any(target_pointer_width = "64", target_env = "musl")))]
type TimeT = libc::time_t;

#[repr(C)]
#[derive(Clone, Copy)]
struct ShmTime {
    mode: c_int,
    count: c_int,
    clock_sec: TimeT,
    clock_usec: c_int,
    receive_sec: TimeT,
    receive_usec: c_int,
    leap: c_int,
    precision: c_int,
    samples: c_int,
    valid: c_int,
    clock_nsec: c_uint,
    receive_nsec: c_uint,
    reserved: [c_int; 8],
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<ShmTime>() == 96);

/// What was found in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShmReading {
    /// What the clock said, ns since the Unix epoch.
    pub clock: i64,
    /// What the system clock said then, ns since the Unix epoch.
    pub system: i64,
    /// Leap indicator as its number in a packet.
    pub leap: i32,
}

/// An attached segment.
#[derive(Debug)]
pub struct Segment(*mut ShmTime);

// SAFETY: the segment is only touched through volatile accesses of `&mut self` methods.
unsafe impl Send for Segment {}

impl Segment {
    /// Attaches the segment of `unit`, and makes it with these permissions if there is none.
    pub fn attach(unit: i32, permissions: u32) -> io::Result<Self> {
        let flags = libc::IPC_CREAT | (permissions & 0o777) as c_int;
        // SAFETY: shmget only reads its arguments.
        let id = cvt(unsafe { libc::shmget(KEY.wrapping_add(unit), size_of::<ShmTime>(), flags) })?;
        // SAFETY: the segment has at least the size asked for; the system chooses the address.
        let address = unsafe { libc::shmat(id, ptr::null(), 0) };
        if address.addr() == usize::MAX {
            return Err(io::Error::last_os_error());
        }
        Ok(Self(address.cast()))
    }

    /// Takes what is in the segment, once; `None` while there is nothing new, or it is being written.
    pub fn take(&mut self) -> Option<ShmReading> {
        // SAFETY: the segment stays attached as long as `self` lives and is as long as `ShmTime`, whose every bit pattern
        // is a value. Others may write at any time: hence volatile, and the count below.
        let found = unsafe { ptr::read_volatile(self.0) };
        if found.valid == 0 || !matches!(found.mode, 0 | 1) {
            return None;
        }
        // SAFETY: as above.
        let count = unsafe { ptr::read_volatile(&raw const (*self.0).count) };
        if found.mode == 1 && count != found.count {
            return None;
        }
        // SAFETY: as above.
        unsafe { ptr::write_volatile(&raw mut (*self.0).valid, 0) };
        Some(ShmReading {
            clock: nanos(found.clock_sec, found.clock_usec, found.clock_nsec),
            system: nanos(found.receive_sec, found.receive_usec, found.receive_nsec),
            leap: found.leap,
        })
    }

    /// Writes a reading, as gpsd does: for tests and feeders.
    pub fn put(&mut self, reading: &ShmReading) {
        let split = |nanos: i64| {
            let within = nanos.rem_euclid(1_000_000_000);
            (nanos.div_euclid(1_000_000_000) as TimeT, (within / 1000) as c_int, within as c_uint)
        };
        let (clock, system) = (split(reading.clock), split(reading.system));
        // SAFETY: as in `take`.
        let before = unsafe { ptr::read_volatile(self.0) };
        let count = before.count.wrapping_add(1);
        let mut entry = ShmTime {
            mode: 1,
            count,
            clock_sec: clock.0,
            clock_usec: clock.1,
            receive_sec: system.0,
            receive_usec: system.1,
            leap: reading.leap,
            precision: -20,
            samples: 3,
            valid: 0,
            clock_nsec: clock.2,
            receive_nsec: system.2,
            reserved: [0; 8],
        };
        // SAFETY: as in `take`; readers see the count change before and after, and `valid` last.
        unsafe {
            ptr::write_volatile(self.0, entry);
            entry.count = count.wrapping_add(1);
            ptr::write_volatile(&raw mut (*self.0).count, entry.count);
            ptr::write_volatile(&raw mut (*self.0).valid, 1);
        }
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // SAFETY: the address is what shmat gave, and nobody uses it after this.
        unsafe { libc::shmdt(self.0.cast_const().cast()) };
    }
}

/// Whole nanoseconds; the old microseconds count where the nanoseconds do not fit them.
fn nanos(seconds: TimeT, micros: c_int, nanos: c_uint) -> i64 {
    let fine = (nanos / 1000) as c_int == micros && nanos < 1_000_000_000;
    let within = if fine { i64::from(nanos) } else { i64::from(micros).saturating_mul(1000) };
    #[allow(clippy::useless_conversion, reason = "TimeT is narrower elsewhere")]
    i64::from(seconds).saturating_mul(1_000_000_000).saturating_add(within)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_is_taken_once_and_writers_are_waited_for() {
        let unit = 7000 + (std::process::id() % 1000) as i32;
        let mut writer = Segment::attach(unit, 0o600).expect("a segment");
        let mut reader = Segment::attach(unit, 0o600).expect("the same");
        // SAFETY: shmget and shmctl only read their arguments; the segment goes when both are detached.
        unsafe { libc::shmctl(libc::shmget(KEY + unit, 0, 0), libc::IPC_RMID, ptr::null_mut()) };
        assert_eq!(reader.take(), None);
        let reading =
            ShmReading { clock: 1_700_000_000_123_456_789, system: 1_700_000_000_000_000_001, leap: 1 };
        writer.put(&reading);
        assert_eq!(reader.take(), Some(reading));
        assert_eq!(reader.take(), None, "taken");
    }

    #[test]
    fn nanoseconds_count_only_if_they_fit_the_microseconds() {
        assert_eq!(nanos(1, 500_000, 500_000_321), 1_500_000_321);
        assert_eq!(nanos(1, 500_000, 0), 1_500_000_000);
        assert_eq!(nanos(1, 500_000, 4_000_000_000), 1_500_000_000);
    }
}
