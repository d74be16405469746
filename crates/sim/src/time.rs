//! True time: what no node knows.

use core::ops::{Add, Sub};
use ntp::time::{NANOS, seconds_to_nanos};
use ntp::wire::Leap;

/// Every world begins on 2027-01-16 at 00:00:00 UTC, so that hours of simulation are hours of the day.
pub const START: TrueTime = TrueTime(1_800_057_600_000_000_000);

/// True time in nanoseconds since the Unix epoch; it has no leap seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TrueTime(i64);

impl TrueTime {
    /// An instant that never comes.
    pub const NEVER: Self = Self(i64::MAX);

    /// `nanos` nanoseconds since the Unix epoch.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }
    /// `seconds` after the beginning of the world.
    pub fn after_start(seconds: f64) -> Self {
        START + seconds
    }
    /// Nanoseconds since the Unix epoch.
    pub const fn nanos(self) -> i64 {
        self.0
    }
    /// Seconds since the beginning of the world.
    pub fn seconds(self) -> f64 {
        self.0.saturating_sub(START.0) as f64 / NANOS as f64 // exact for whole seconds
    }
}

impl Sub for TrueTime {
    type Output = f64;
    /// `self − other` in seconds.
    fn sub(self, other: Self) -> f64 {
        ntp::time::LocalTime::from_nanos(self.0) - ntp::time::LocalTime::from_nanos(other.0)
    }
}

impl Add<f64> for TrueTime {
    type Output = Self;
    /// `seconds` later; saturating.
    fn add(self, seconds: f64) -> Self {
        Self(self.0.saturating_add(seconds_to_nanos(seconds)))
    }
}

/// What UTC reads at an instant of true time: other days than [`START`], and one leap second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calendar {
    /// UTC minus true time before the leap second, ns.
    shift: i64,
    leap: Option<(TrueTime, Leap)>,
}

impl Calendar {
    /// The world begins `unix` seconds after the Unix epoch.
    pub fn beginning(unix: i64) -> Self {
        Self { shift: unix * NANOS - START.nanos(), leap: None }
    }

    /// A leap second ends the UTC day on which the world begins.
    pub fn with_leap(self, leap: Leap) -> Self {
        let day = 86_400 * NANOS;
        let midnight = (self.utc(START).div_euclid(day) + 1) * day;
        let last = if leap == Leap::Delete { midnight - NANOS } else { midnight };
        Self { leap: Some((TrueTime::from_nanos(last - self.shift), leap)), ..self }
    }

    /// When the leap second comes, and which.
    pub fn leap(&self) -> Option<(TrueTime, Leap)> {
        self.leap
    }

    /// By how much the leap second has moved UTC at `at`, ns.
    pub fn moved(&self, at: TrueTime) -> i64 {
        match self.leap {
            Some((when, leap)) if at >= when => leap_step(leap),
            _ => 0,
        }
    }

    /// UTC at `at`, nanoseconds since the Unix epoch; in an inserted second it reads the second before once more.
    pub fn utc(&self, at: TrueTime) -> i64 {
        at.nanos().saturating_add(self.shift).saturating_add(self.moved(at))
    }
}

/// How a leap second moves UTC, ns.
pub fn leap_step(leap: Leap) -> i64 {
    match leap {
        Leap::Insert => -NANOS,
        Leap::Delete => NANOS,
        Leap::None | Leap::Unsynchronised => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utc_repeats_an_inserted_second_and_leaves_out_a_deleted_one() {
        let six = 1_798_740_000; // 2026-12-31 18:00:00
        for (leap, at, before, after) in [(Leap::Insert, 21_600.0, 0, -1), (Leap::Delete, 21_599.0, -1, 0)] {
            let calendar = Calendar::beginning(six).with_leap(leap);
            assert_eq!(calendar.leap(), Some((START + at, leap)));
            let midnight = (six + 21_600) * NANOS;
            assert_eq!(calendar.utc(START + (at - 1e-9)), midnight + before * NANOS - 1);
            assert_eq!(calendar.utc(START + at), midnight + after * NANOS);
        }
        assert_eq!(Calendar::default().utc(START), START.nanos());
    }
}
