//! True time: what no node knows.

use core::ops::{Add, Sub};
use ntp::time::{NANOS, seconds_to_nanos};

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
