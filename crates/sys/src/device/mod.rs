//! Devices that know the time: shared memory, pulses, clocks on network cards, the clock that runs on a battery.
//!
//! Each is opened once and then asked; nothing here waits. Layouts are those of the kernel's headers (linux/pps.h,
//! linux/ptp_clock.h, linux/rtc.h) and of the NTP shared memory segment.

pub mod phc;
pub mod pps;
pub mod rtc;
pub mod shm;

use crate::cvt;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// Which way an ioctl moves data, from the program's side.
#[derive(Clone, Copy)]
pub(crate) enum Way {
    None,
    Write,
    Read,
    Both,
}

/// The number of an ioctl (asm-generic/ioctl.h, and its relatives of some processors).
pub(crate) const fn ioctl_number(way: Way, group: u8, number: u8, size: usize) -> u32 {
    let old = cfg!(any(
        target_arch = "mips",
        target_arch = "mips64",
        target_arch = "powerpc",
        target_arch = "powerpc64",
        target_arch = "sparc64"
    ));
    let direction = match (way, old) {
        (Way::None, true) => 1,
        (Way::None, false) => 0,
        (Way::Write, true) => 4,
        (Way::Write, false) => 1,
        (Way::Read, _) => 2,
        (Way::Both, true) => 6,
        (Way::Both, false) => 3,
    };
    let shift = if old { 29 } else { 30 };
    direction << shift | (size as u32) << 16 | (group as u32) << 8 | number as u32
}

#[allow(clippy::cast_lossless, reason = "the C libraries differ in the type")]
/// An ioctl whose argument is a structure that the kernel reads, writes, or both.
pub(crate) fn ioctl<T>(file: &File, number: u32, argument: &mut T) -> io::Result<i32> {
    // SAFETY: the descriptor is open, and `argument` is live, writable and of the size in `number`: each caller passes
    // the structure that its number was made with.
    cvt(unsafe { libc::ioctl(file.as_raw_fd(), number as _, std::ptr::from_mut(argument)) })
}

#[allow(clippy::cast_lossless, reason = "the C libraries differ in the type")]
/// An ioctl without argument.
pub(crate) fn ioctl_plain(file: &File, number: u32) -> io::Result<i32> {
    // SAFETY: the descriptor is open; the number says that there is no argument.
    cvt(unsafe { libc::ioctl(file.as_raw_fd(), number as _, 0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_headers() {
        if cfg!(target_arch = "x86_64") {
            assert_eq!(ioctl_number(Way::Both, b'p', 0xa4, 8), 0xc008_70a4, "PPS_FETCH");
            assert_eq!(ioctl_number(Way::Read, b'p', 0x09, 36), 0x8024_7009, "RTC_RD_TIME");
            assert_eq!(ioctl_number(Way::None, b'p', 0x03, 0), 0x7003, "RTC_UIE_ON");
        }
    }
}
