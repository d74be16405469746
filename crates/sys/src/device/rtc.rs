//! The clock that runs while the machine is off (linux/rtc.h).

use super::{Way, ioctl, ioctl_number, ioctl_plain};
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct BrokenDown {
    sec: i32,
    min: i32,
    hour: i32,
    day: i32,
    month: i32,
    year: i32,
    weekday: i32,
    year_day: i32,
    summer: i32,
}

const READ_TIME: u32 = ioctl_number(Way::Read, b'p', 0x09, size_of::<BrokenDown>());
const SET_TIME: u32 = ioctl_number(Way::Write, b'p', 0x0a, size_of::<BrokenDown>());
const INTERRUPTS_ON: u32 = ioctl_number(Way::None, b'p', 0x03, 0);
const INTERRUPTS_OFF: u32 = ioctl_number(Way::None, b'p', 0x04, 0);

/// An open real-time clock.
#[derive(Debug)]
pub struct RealTimeClock {
    file: File,
}

/// A date and a time of day as the clock shows them, whichever zone they are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Year.
    pub year: i32,
    /// Month, 1 … 12.
    pub month: u32,
    /// Day of the month, 1 … 31.
    pub day: u32,
    /// Seconds since midnight.
    pub second: i32,
}

impl RealTimeClock {
    /// Opens a device as /dev/rtc0.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
        let clock = Self { file };
        clock.read()?;
        Ok(clock)
    }

    /// What it shows.
    pub fn read(&self) -> io::Result<Shown> {
        let mut time = BrokenDown::default();
        ioctl(&self.file, READ_TIME, &mut time)?;
        Ok(Shown {
            year: time.year + 1900,
            month: (time.month + 1).clamp(1, 12) as u32,
            day: time.day.clamp(1, 31) as u32,
            second: time.hour * 3600 + time.min * 60 + time.sec,
        })
    }

    /// Sets it, at once.
    pub fn set(&self, shown: &Shown) -> io::Result<()> {
        let mut time = BrokenDown {
            sec: shown.second % 60,
            min: shown.second / 60 % 60,
            hour: shown.second / 3600,
            day: shown.day as i32,
            month: shown.month as i32 - 1,
            year: shown.year - 1900,
            ..BrokenDown::default()
        };
        ioctl(&self.file, SET_TIME, &mut time).map(drop)
    }

    /// Has it interrupt at each new second, or no longer. EINVAL and ENOTTY: it cannot.
    pub fn interrupt(&self, on: bool) -> io::Result<()> {
        ioctl_plain(&self.file, if on { INTERRUPTS_ON } else { INTERRUPTS_OFF }).map(drop)
    }

    /// Takes a pending interrupt; false: there is none.
    pub fn take_interrupt(&mut self) -> bool {
        let mut data = [0; size_of::<libc::c_ulong>()];
        matches!(self.file.read(&mut data), Ok(n) if n > 0)
    }

    /// For waiting: readable at an interrupt.
    pub fn descriptor(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}
