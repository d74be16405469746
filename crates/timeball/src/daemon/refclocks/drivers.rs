//! The drivers SHM, SOCK, PPS and RTC.

use super::card::CardDriver;
use super::{Clocks, Parameter};
use crate::daemon::files::reason;
use ntp::config::{Config, RefclockConfig};
use ntp::refclock::sock::{self, SockSample};
use ntp::refclock::{Reading, Truth};
use ntp::time::RawTime;
use ntp::wire::Leap;
use std::os::fd::{AsRawFd, RawFd};
use std::path::{Path, PathBuf};
use sys::device::pps::Pulses;
use sys::device::rtc::RealTimeClock;
use sys::device::shm::Segment;
use sys::message;
use sys::socket::Socket;

/// One kind of hardware.
pub trait Driver {
    /// What it reads when it is asked; `None`: nothing new.
    fn ask(&mut self, _clocks: &Clocks) -> Option<Reading> {
        None
    }
    /// What has come by itself; `None`: no more.
    fn take(&mut self, _clocks: &Clocks) -> Option<Reading> {
        None
    }
    /// Readable when something has come by itself.
    fn descriptor(&self) -> Option<RawFd> {
        None
    }
}

/// Opens the driver of a line.
pub fn open(line: &RefclockConfig, config: &Config) -> Result<Box<dyn Driver>, String> {
    Ok(match line.driver.as_str() {
        "SHM" => Box::new(Memory::open(line)?),
        "SOCK" => Box::new(Datagrams::open(line)?),
        "PPS" => Box::new(Edges::open(line)?),
        "PHC" => Box::new(CardDriver::open(line)?),
        "RTC" => Box::new(Battery::open(line, config)?),
        other => return Err(format!("unknown refclock driver {other}")),
    })
}

/// A leap indicator as others write it.
fn leap_of(number: i32) -> Leap {
    match number {
        0 => Leap::None,
        1 => Leap::Insert,
        2 => Leap::Delete,
        _ => Leap::Unsynchronised,
    }
}

/// Shared memory.
struct Memory(Segment);

impl Memory {
    fn open(line: &RefclockConfig) -> Result<Self, String> {
        let parameter = Parameter::new(line)?;
        // As chrony reads it: digits, and what is none is 0.
        let digits: String = parameter.device.chars().take_while(char::is_ascii_digit).collect();
        let unit = digits.parse().unwrap_or(0);
        let permissions = parameter.number("perm=", 8)?.unwrap_or(0o600);
        let segment = Segment::attach(unit, permissions)
            .map_err(|error| format!("Could not open shared memory segment {unit} : {}", reason(&error)))?;
        Ok(Self(segment))
    }
}

impl Driver for Memory {
    fn ask(&mut self, clocks: &Clocks) -> Option<Reading> {
        let found = self.0.take()?;
        Some(Reading {
            at: clocks.raw(found.system),
            truth: Truth::Time(found.clock),
            leap: leap_of(found.leap),
            error: 0.0,
        })
    }
}

/// Datagrams on a Unix socket.
struct Datagrams {
    socket: Socket,
    path: PathBuf,
}

impl Datagrams {
    fn open(line: &RefclockConfig) -> Result<Self, String> {
        let parameter = Parameter::new(line)?;
        let path = PathBuf::from(parameter.device);
        let bound = || -> std::io::Result<Socket> {
            sys::file::remove_socket(&path)?;
            let socket = Socket::unix()?;
            socket.bind_unix(&path)?;
            Ok(socket)
        };
        let socket = bound()
            .map_err(|error| format!("Could not open socket {} : {}", path.display(), reason(&error)))?;
        Ok(Self { socket, path })
    }
}

impl Driver for Datagrams {
    fn take(&mut self, clocks: &Clocks) -> Option<Reading> {
        // One byte more than a sample, so that a longer datagram is none.
        let mut buffer = [0; sock::MOST + 1];
        loop {
            let received = message::receive_unix(&self.socket, &mut buffer).ok()??;
            let Some(sample) = SockSample::parse(&buffer[..received.len]) else { continue };
            let truth = if sample.pulse {
                // Its offset says how far the beginning of the second is away.
                Truth::Pulse(sample.truth().rem_euclid(1_000_000_000) as f64 * 1e-9)
            } else {
                Truth::Time(sample.truth())
            };
            return Some(Reading { at: clocks.raw(sample.system), truth, leap: sample.leap, error: 0.0 });
        }
    }
    fn descriptor(&self) -> Option<RawFd> {
        Some(self.socket.as_raw_fd())
    }
}

impl Drop for Datagrams {
    fn drop(&mut self) {
        let _ = sys::file::remove_socket(&self.path);
    }
}

/// Pulses stamped by the kernel.
struct Edges(Pulses);

impl Edges {
    fn open(line: &RefclockConfig) -> Result<Self, String> {
        let parameter = Parameter::new(line)?;
        let path = Path::new(parameter.device);
        let pulses = Pulses::open(path, parameter.has("clear")).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::PermissionDenied => {
                format!("Could not open {} : {}", path.display(), reason(&error))
            }
            _ => format!("time_pps_create() failed on {} : {}", path.display(), reason(&error)),
        })?;
        Ok(Self(pulses))
    }
}

impl Driver for Edges {
    fn ask(&mut self, clocks: &Clocks) -> Option<Reading> {
        let system = self.0.take().ok()??;
        Some(Reading { at: clocks.raw(system), truth: Truth::Pulse(0.0), leap: Leap::None, error: 0.0 })
    }
}

/// The clock that runs while the machine is off.
struct Battery {
    clock: RealTimeClock,
    utc: bool,
    interrupts: bool,
}

impl Battery {
    fn open(line: &RefclockConfig, config: &Config) -> Result<Self, String> {
        let parameter = Parameter::new(line)?;
        let path = Path::new(parameter.device);
        let clock = RealTimeClock::open(path)
            .map_err(|error| format!("Could not open {} : {}", path.display(), reason(&error)))?;
        let interrupts = clock.interrupt(true).is_ok();
        Ok(Self { clock, utc: parameter.has("utc") || config.rtc.utc, interrupts })
    }

    /// What it shows, s since the Unix epoch.
    fn shown(&self) -> Option<i64> {
        let shown = self.clock.read().ok()?;
        if self.utc {
            let days = ntp::calendar::days_from_civil(i64::from(shown.year), shown.month, shown.day);
            Some(days * 86400 + i64::from(shown.second))
        } else {
            sys::calendar::local_to_unix(shown.year, shown.month, shown.day, shown.second)
        }
    }

    fn reading(&self, at: RawTime, after: f64, error: f64) -> Option<Reading> {
        let truth =
            self.shown()?.saturating_mul(1_000_000_000).saturating_add(ntp::time::seconds_to_nanos(after));
        Some(Reading { at, truth: Truth::Time(truth), leap: Leap::None, error })
    }
}

impl Driver for Battery {
    fn ask(&mut self, clocks: &Clocks) -> Option<Reading> {
        // Without interrupts nobody knows how far the second has gone.
        if self.interrupts { None } else { self.reading(clocks.raw_now(), 0.5, 0.5) }
    }
    fn take(&mut self, clocks: &Clocks) -> Option<Reading> {
        let at = clocks.raw_now();
        if self.clock.take_interrupt() { self.reading(at, 0.0, 1e-3) } else { None }
    }
    fn descriptor(&self) -> Option<RawFd> {
        self.interrupts.then(|| self.clock.descriptor())
    }
}

impl Drop for Battery {
    fn drop(&mut self) {
        if self.interrupts {
            let _ = self.clock.interrupt(false);
        }
    }
}
