//! The device of the real-time clock: when a second begins, what it shows, setting it.

use super::files::reason;
use super::logger;
use ntp::calendar::{civil_from_days, days_from_civil};
use ntp::config::{Config, RtcConfig};
use ntp::rtc::RtcFile;
use ntp::time::RawTime;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use sys::device::rtc::{RealTimeClock, Shown};

/// Where the device is when nobody says otherwise; the second is what the first is a name of, where something makes names.
const DEVICES: [&str; 2] = ["/dev/rtc", "/dev/rtc0"];

/// An open clock.
#[derive(Debug)]
pub struct Rtc {
    device: RealTimeClock,
    path: PathBuf,
    utc: bool,
    /// A look is under way: interrupts are on.
    looking: bool,
}

impl Rtc {
    /// Opens the device of the configuration. Errors: it cannot be had, or does not tell when a second begins.
    pub fn open(config: &RtcConfig) -> Result<Self, String> {
        let path = config.device.clone().unwrap_or_else(|| {
            let there = DEVICES.into_iter().find(|path| Path::new(path).exists());
            there.unwrap_or(DEVICES[0]).into()
        });
        let device = RealTimeClock::open(&path)
            .map_err(|error| format!("Could not open RTC device {} : {}", path.display(), reason(&error)))?;
        let able = device.interrupt(true).and_then(|()| device.interrupt(false));
        able.map_err(|error| {
            format!("RTC device {} does not tell when a second begins : {}", path.display(), reason(&error))
        })?;
        let utc = config.hwclock_file.as_deref().and_then(keeps_utc).unwrap_or(config.utc);
        Ok(Self { device, path, utc, looking: false })
    }

    /// For waiting, while a look is under way.
    pub fn descriptor(&self) -> Option<RawFd> {
        self.looking.then(|| self.device.descriptor())
    }

    /// Begins a look: [`Self::take`] will tell the next second that begins.
    pub fn look(&mut self) -> Result<(), String> {
        self.looking = true;
        self.device.interrupt(true).map_err(|error| self.complaint("read", &error))
    }

    /// The second (since the Unix epoch) that has just begun.
    pub fn take(&mut self) -> Option<i64> {
        if !self.device.take_interrupt() {
            return None;
        }
        self.looking = false;
        let _ = self.device.interrupt(false);
        self.shown()
    }

    /// Sets the clock to a second (since the Unix epoch) that begins now.
    pub fn set(&mut self, second: i64) -> Result<(), String> {
        let ahead = if self.utc { 0 } else { sys::calendar::utc_offset(second).unwrap_or(0) };
        self.device
            .set(&shown_of(second.saturating_add(ahead)))
            .map_err(|error| self.complaint("set", &error))
    }

    /// What time it is by the clock and its file, s since the Unix epoch, and what ours read then (`now`). Waits for the
    /// next second to begin.
    pub fn truth(&self, config: &Config, now: impl Fn() -> RawTime) -> Option<(f64, RawTime)> {
        let file = config.rtc.file.as_ref().and_then(|path| std::fs::read_to_string(path).ok());
        let file = file.and_then(|text| RtcFile::parse(&text));
        let before = self.shown()?;
        let end = now() + 2.0;
        loop {
            let (shown, at) = (self.shown()?, now());
            if shown != before || at > end {
                let shown = shown as f64;
                return Some((file.map_or(shown, |file| file.truth(shown)), at));
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }

    fn shown(&self) -> Option<i64> {
        unix_of(&self.device.read().ok()?, self.utc)
    }

    fn complaint(&self, verb: &str, error: &std::io::Error) -> String {
        format!("Could not {verb} RTC device {} : {}", self.path.display(), reason(error))
    }
}

/// The second (since the Unix epoch) that a clock means by what it shows.
fn unix_of(shown: &Shown, utc: bool) -> Option<i64> {
    if utc {
        let days = days_from_civil(i64::from(shown.year), shown.month, shown.day);
        Some(days * 86_400 + i64::from(shown.second))
    } else {
        sys::calendar::local_to_unix(shown.year, shown.month, shown.day, shown.second)
    }
}

/// What a clock shows at a second of its own zone.
fn shown_of(second: i64) -> Shown {
    let (year, month, day) = civil_from_days(second.div_euclid(86_400));
    Shown { year: year as i32, month, day, second: second.rem_euclid(86_400) as i32 }
}

/// Does the clock keep UTC, by the file that hwclock(8) keeps?
fn keeps_utc(path: &Path) -> Option<bool> {
    let text = std::fs::read_to_string(path).ok()?;
    let zone = zone_of(&text);
    if zone.is_none() {
        logger::warning(&format!(
            "Could not read whether the RTC keeps UTC from {}: its third line is neither UTC nor LOCAL",
            path.display()
        ));
    }
    zone
}

fn zone_of(text: &str) -> Option<bool> {
    match text.lines().nth(2)?.trim() {
        line if line.starts_with("UTC") => Some(true),
        line if line.starts_with("LOCAL") => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_go_both_ways() {
        for second in [0, 1_719_791_999, 1_719_792_000, 4_102_444_799] {
            assert_eq!(unix_of(&shown_of(second), true), Some(second));
        }
        assert_eq!(shown_of(1_719_791_999), Shown { year: 2024, month: 6, day: 30, second: 86_399 });
    }

    #[test]
    fn the_third_line_of_adjtime_counts() {
        assert_eq!(zone_of("0.0 0 0.0\n0\nUTC\n"), Some(true));
        assert_eq!(zone_of("0.0 0 0.0\n0\nLOCAL\n"), Some(false));
        assert_eq!(zone_of("0.0 0 0.0\n0\n"), None);
    }

    #[test]
    fn a_device_that_is_none_is_refused_with_its_name() {
        let config = RtcConfig { device: Some("/dev/null".into()), ..RtcConfig::default() };
        let refused = Rtc::open(&config).expect_err("no clock");
        assert!(refused.starts_with("Could not open RTC device /dev/null : "), "{refused}");
    }
}
