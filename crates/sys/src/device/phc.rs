//! Clocks of network cards (linux/ptp_clock.h), and which card has which (linux/ethtool.h).

use super::{Way, ioctl, ioctl_number};
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Readings of one look.
const READINGS: usize = 25;

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct CardTime {
    sec: i64,
    nsec: u32,
    reserved: u32,
}

impl CardTime {
    fn nanos(self) -> i64 {
        self.sec.saturating_mul(1_000_000_000).saturating_add(i64::from(self.nsec))
    }
}

#[repr(C)]
struct Extended {
    readings: u32,
    reserved: [u32; 3],
    /// System, card, system.
    times: [[CardTime; 3]; READINGS],
}

#[repr(C)]
struct Plain {
    readings: u32,
    reserved: [u32; 3],
    /// System and card in turn, and the system once more.
    times: [CardTime; 2 * READINGS + 1],
}

#[repr(C)]
#[derive(Default)]
struct Precise {
    card: CardTime,
    system: CardTime,
    monotonic: CardTime,
    reserved: [u32; 4],
}

#[repr(C)]
struct PinUse {
    name: [u8; 64],
    index: u32,
    function: u32,
    channel: u32,
    reserved: [u32; 5],
}

#[repr(C)]
struct PulseRequest {
    channel: u32,
    flags: u32,
    reserved: [u32; 2],
}

/// A stamped pulse as it is read: its time, its channel, flags and room.
const EVENT_LEN: usize = size_of::<CardTime>() + 16;

const PULSES: u32 = ioctl_number(Way::Write, b'=', 2, size_of::<PulseRequest>());
const OFFSET: u32 = ioctl_number(Way::Write, b'=', 5, size_of::<Plain>());
const SET_PIN: u32 = ioctl_number(Way::Write, b'=', 7, size_of::<PinUse>());
const OFFSET_PRECISE: u32 = ioctl_number(Way::Both, b'=', 8, size_of::<Precise>());
const OFFSET_EXTENDED: u32 = ioctl_number(Way::Both, b'=', 9, size_of::<Extended>());
/// PTP_PF_EXTTS: the pin stamps pulses.
const STAMPS_PULSES: u32 = 1;
const ENABLE: u32 = 1;
const RISING: u32 = 2;
const FALLING: u32 = 4;

/// The card's clock beside the system's at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CardReading {
    /// The card's, ns since its epoch.
    pub card: i64,
    /// The system's, ns since the Unix epoch.
    pub system: i64,
    /// How far the two moments may be apart, ns.
    pub width: i64,
}

/// An open clock.
#[derive(Debug)]
pub struct Card {
    file: File,
    precise: bool,
}

impl Card {
    /// Opens a device as /dev/ptp0. `precise`: the processor's own cross time stamps are used if there are any.
    pub fn open(path: &Path, precise: bool) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(path)?;
        let mut card = Self { file, precise };
        card.read()?;
        Ok(card)
    }

    /// Its clock beside the system's, the closest of many readings.
    pub fn read(&mut self) -> io::Result<CardReading> {
        if self.precise {
            let mut times = Precise::default();
            if ioctl(&self.file, OFFSET_PRECISE, &mut times).is_ok() {
                return Ok(CardReading { card: times.card.nanos(), system: times.system.nanos(), width: 0 });
            }
            self.precise = false;
        }
        let triples = self.extended().or_else(|_| self.plain())?;
        let closest = triples.into_iter().min_by_key(|[before, _, after]| after.saturating_sub(*before));
        let [before, card, after] = closest.ok_or_else(|| io::Error::from_raw_os_error(libc::EIO))?;
        let width = after.saturating_sub(before);
        Ok(CardReading { card, system: before.saturating_add(width / 2), width })
    }

    fn extended(&self) -> io::Result<Vec<[i64; 3]>> {
        let mut look = Extended {
            readings: READINGS as u32,
            reserved: [0; 3],
            times: [[CardTime::default(); 3]; READINGS],
        };
        ioctl(&self.file, OFFSET_EXTENDED, &mut look)?;
        Ok(look.times.iter().map(|times| times.map(CardTime::nanos)).collect())
    }

    fn plain(&self) -> io::Result<Vec<[i64; 3]>> {
        let mut look = Plain {
            readings: READINGS as u32,
            reserved: [0; 3],
            times: [CardTime::default(); 2 * READINGS + 1],
        };
        ioctl(&self.file, OFFSET, &mut look)?;
        let times = look.times.map(CardTime::nanos);
        Ok((0..READINGS).map(|i| [times[2 * i], times[2 * i + 1], times[2 * i + 2]]).collect())
    }

    /// Has the card stamp pulses on a channel, of `pin` if it has pins; their ends if `clear`.
    pub fn stamp_pulses(&self, channel: u32, pin: Option<u32>, clear: bool) -> io::Result<()> {
        if let Some(index) = pin {
            let mut pin = PinUse { name: [0; 64], index, function: STAMPS_PULSES, channel, reserved: [0; 5] };
            ioctl(&self.file, SET_PIN, &mut pin)?;
        }
        let edge = if clear { FALLING } else { RISING };
        let mut request = PulseRequest { channel, flags: ENABLE | edge, reserved: [0; 2] };
        ioctl(&self.file, PULSES, &mut request).map(drop)
    }

    /// The card's time (ns) of the next pulse that was stamped on `channel`; `None` when there is none.
    pub fn take_pulse(&mut self, channel: u32) -> io::Result<Option<i64>> {
        let mut event = [0; EVENT_LEN];
        match self.file.read(&mut event) {
            Ok(EVENT_LEN) => {}
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        }
        let four = |at: usize| u32::from_ne_bytes([event[at], event[at + 1], event[at + 2], event[at + 3]]);
        let second = i64::from_ne_bytes([
            event[0], event[1], event[2], event[3], event[4], event[5], event[6], event[7],
        ]);
        let time = second.saturating_mul(1_000_000_000).saturating_add(i64::from(four(8)));
        Ok((four(16) == channel).then_some(time))
    }

    /// For waiting: readable when a pulse was stamped.
    pub fn descriptor(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_the_header_s() {
        if cfg!(target_arch = "x86_64") {
            assert_eq!(OFFSET_EXTENDED, 0xc4c0_3d09);
            assert_eq!(OFFSET_PRECISE, 0xc040_3d08);
            assert_eq!(OFFSET, 0x4340_3d05);
            assert_eq!(PULSES, 0x4010_3d02);
            assert_eq!(SET_PIN, 0x4060_3d07);
        }
    }
}
