//! Pulses stamped by the kernel (RFC 2783, linux/pps.h).

use super::{Way, ioctl, ioctl_number};
use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct KernelTime {
    sec: i64,
    nsec: i32,
    flags: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Parameters {
    version: i32,
    mode: i32,
    assert_offset: KernelTime,
    clear_offset: KernelTime,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Fetched {
    assert_sequence: u32,
    clear_sequence: u32,
    assert_time: KernelTime,
    clear_time: KernelTime,
    mode: i32,
    timeout: KernelTime,
}

const CAPTURE_ASSERT: i32 = 0x01;
const CAPTURE_CLEAR: i32 = 0x02;
const OFFSETS: i32 = 0x30;
const FORMAT: i32 = 0x1000;

// The headers make these numbers with pointers to the structures.
const POINTER: usize = size_of::<usize>();
const GET_PARAMETERS: u32 = ioctl_number(Way::Read, b'p', 0xa1, POINTER);
const SET_PARAMETERS: u32 = ioctl_number(Way::Write, b'p', 0xa2, POINTER);
const GET_CAPABILITIES: u32 = ioctl_number(Way::Read, b'p', 0xa3, POINTER);
const FETCH: u32 = ioctl_number(Way::Both, b'p', 0xa4, POINTER);

/// An open source of pulses.
#[derive(Debug)]
pub struct Pulses {
    file: File,
    clear: bool,
    last: u32,
}

impl Pulses {
    /// Opens the device and has it capture the beginnings of pulses, or their ends (`clear`).
    pub fn open(path: &Path, clear: bool) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let edge = if clear { CAPTURE_CLEAR } else { CAPTURE_ASSERT };
        let mut capabilities = 0_i32;
        ioctl(&file, GET_CAPABILITIES, &mut capabilities)?;
        if capabilities & edge == 0 {
            return Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP));
        }
        let mut parameters = Parameters::default();
        ioctl(&file, GET_PARAMETERS, &mut parameters)?;
        parameters.mode = parameters.mode & !OFFSETS | edge | FORMAT;
        ioctl(&file, SET_PARAMETERS, &mut parameters)?;
        let mut pulses = Self { file, clear, last: 0 };
        // A pulse of before is no news.
        let _ = pulses.take();
        Ok(pulses)
    }

    /// The system clock (ns since the Unix epoch) at the newest pulse; `None` if there was none since the last call.
    pub fn take(&mut self) -> io::Result<Option<i64>> {
        // No time to wait: what there is now.
        let mut fetched = Fetched::default();
        ioctl(&self.file, FETCH, &mut fetched)?;
        let (sequence, time) = match self.clear {
            true => (fetched.clear_sequence, fetched.clear_time),
            false => (fetched.assert_sequence, fetched.assert_time),
        };
        if sequence == self.last || time.sec == 0 {
            return Ok(None);
        }
        self.last = sequence;
        Ok(Some(time.sec.saturating_mul(1_000_000_000).saturating_add(i64::from(time.nsec))))
    }
}
