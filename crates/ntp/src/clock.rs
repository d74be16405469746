//! The second door of time: steering. And the two ideas around it, pending correction and status.

use crate::time::{LocalTime, RawTime};
use crate::wire::Leap;
use core::fmt;

/// Steers a clock; reading it is the caller's business. **Positive offsets and frequencies advance the clock.**
pub trait Clock {
    /// Makes the clock run at (1 + `frequency`) times its oscillator's rate. Returns what the clock accepted
    /// (quantised, limited) and when.
    fn set_frequency(&mut self, frequency: f64) -> Result<Applied, ClockError>;
    /// Adds `offset` seconds at once. `Applied::at` is the reading just before the step.
    fn step(&mut self, offset: f64) -> Result<Applied, ClockError>;
    /// Arms or clears a leap second at the end of the UTC day, and tells TAI − UTC in seconds (0: leave it).
    fn set_leap(&mut self, leap: Leap, tai_offset: i32) -> Result<(), ClockError>;
    /// Tells the kernel how good the clock is.
    fn set_status(&mut self, status: SyncStatus) -> Result<(), ClockError>;
    /// What the clock is set to now: read at the start, and to notice a foreign hand.
    fn state(&self) -> ClockState;
}

/// What a clock accepted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Applied {
    /// The instant from which it holds (for a step: the reading just before it).
    pub at: RawTime,
    /// The frequency in force, s/s.
    pub frequency: f64,
    /// The offset applied by a step, s.
    pub offset: f64,
}

/// What a clock is set to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClockState {
    /// Frequency in force, s/s.
    pub frequency: f64,
    /// Largest frequency (absolute), s/s; Linux with tick and frequency: 0.1.
    pub max_frequency: f64,
    /// Smallest step between two readings, s.
    pub precision: f64,
    /// False when somebody else has changed the frequency since the last call.
    pub ours: bool,
}

/// How good the clock is, for the kernel (`ntp_gettime(2)`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SyncStatus {
    /// False sets STA_UNSYNC.
    pub synchronised: bool,
    /// Estimated error, s (one standard deviation).
    pub est_error: f64,
    /// Maximal error, s (root distance).
    pub max_error: f64,
    /// Let the kernel copy the time to the real-time clock every eleven minutes (`rtcsync`).
    pub rtc_sync: bool,
}

/// Why a clock did not obey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockError {
    /// No right to steer it (CAP_SYS_TIME).
    NotPermitted,
    /// This clock cannot do that (stepping a clock that may not be stepped).
    Unsupported,
    /// The system refused; the number is errno.
    Refused(i32),
}

impl fmt::Display for ClockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPermitted => f.write_str("no right to steer the clock (CAP_SYS_TIME missing)"),
            Self::Unsupported => f.write_str("this clock cannot be steered that way"),
            Self::Refused(errno) => write!(f, "the kernel refused (errno {errno})"),
        }
    }
}

/// The correction not yet slewed, as a function of raw time:
/// `local = raw + offset + slope · (raw − base)` up to `until`, where it has reached its end and stays.
///
/// `offset` > 0: the clock is behind and still catching up; `slope` is then negative.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cooking {
    /// Reading at which `offset` was pending.
    pub base: RawTime,
    /// Pending correction at `base`, s.
    pub offset: f64,
    /// Its change per second of raw time, s/s.
    pub slope: f64,
    /// End of the slew: from here on the pending correction is constant (zero if the slew covers it all).
    pub until: RawTime,
}

impl Cooking {
    /// Correction still pending at `raw`, s; positive: the clock is behind local time.
    pub fn pending(&self, raw: RawTime) -> f64 {
        let at = raw.min(self.until);
        self.offset + self.slope * (at - self.base)
    }

    /// Local time at `raw`.
    pub fn apply(&self, raw: RawTime) -> LocalTime {
        LocalTime::from_nanos(raw.nanos()) + self.pending(raw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cooking_is_continuous_and_ends_at_zero() {
        let base = RawTime::from_seconds(1000.0);
        let cooking = Cooking { base, offset: 0.5, slope: -0.05, until: base + 10.0 };
        assert_eq!(cooking.pending(base), 0.5);
        assert!((cooking.pending(base + 4.0) - 0.3).abs() < 1e-12);
        assert!(cooking.pending(base + 10.0).abs() < 1e-12 && cooking.pending(base + 99.0).abs() < 1e-12);
        assert_eq!(cooking.apply(base), LocalTime::from_seconds(1000.5));
    }
}
