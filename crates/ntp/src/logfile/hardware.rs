//! Entries of refclocks.log, tempcomp.log and rtc.log.

use super::{Utc, exponential, leap_char};
use crate::ids::RefId;
use crate::refclock::refid_text;
use crate::time::LocalTime;
use crate::wire::Leap;
use core::fmt;

/// Heading of refclocks.log.
pub(super) const REFCLOCKS: &str =
    "   Date (UTC) Time         Refid  DP L P  Raw offset   Cooked offset      Disp.";
/// Heading of tempcomp.log.
pub(super) const TEMPCOMP: &str = "   Date (UTC) Time        Temp.       Comp.";
/// Heading of rtc.log.
pub(super) const RTC: &str =
    "   Date (UTC) Time   RTC fast (s) Val   Est fast (s)   Slope (ppm)  Ns  Nr Meas";

/// One reading of a reference clock, or a sample made of several.
#[derive(Clone, Debug, PartialEq)]
pub struct Refclock {
    /// When.
    pub time: LocalTime,
    /// Which clock.
    pub refid: RefId,
    /// Of a reading: its number in the poll interval, whether it is a pulse, and its offset before corrections (s).
    pub raw: Option<(i32, bool, f64)>,
    /// Leap indicator.
    pub leap: Leap,
    /// Offset, s; positive: the local clock is slow.
    pub cooked: f64,
    /// Bound of its error, s.
    pub dispersion: f64,
}

/// One reading of the temperature.
#[derive(Clone, Debug, PartialEq)]
pub struct Temperature {
    /// When.
    pub time: LocalTime,
    /// What the sensor says.
    pub temperature: f64,
    /// What the frequency was corrected by, s/s.
    pub compensation: f64,
}

/// One look at the real-time clock.
#[derive(Clone, Debug, PartialEq)]
pub struct Rtc {
    /// When.
    pub time: LocalTime,
    /// By how much the real-time clock is fast, s.
    pub measured: f64,
    /// Is there a prediction?
    pub valid: bool,
    /// What was predicted, s.
    pub predicted: f64,
    /// Its rate, s/s; positive: it gains.
    pub slope: f64,
    /// Samples of the line.
    pub samples: u32,
    /// Runs of residuals of one sign.
    pub runs: u32,
    /// Between two looks, s.
    pub interval: f64,
}

impl fmt::Display for Refclock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.time.nanos().rem_euclid(crate::time::NANOS) / 1000;
        let long = |x: f64| format!("{:>13}", exponential(x, 6));
        write!(f, "{}.{micros:06} {:<5} ", Utc(self.time), refid_text(self.refid))?;
        let leap = leap_char(self.leap);
        match self.raw {
            Some((number, pulse, raw)) => write!(f, "{number:3} {leap} {} {}", u8::from(pulse), long(raw))?,
            None => write!(f, "  - {leap} -       -      ")?,
        }
        write!(f, " {} {:>10}", long(self.cooked), exponential(self.dispersion, 3))
    }
}

impl fmt::Display for Temperature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wide = |x: f64| format!("{:>11}", exponential(x, 4));
        write!(f, "{} {} {}", Utc(self.time), wide(self.temperature), wide(self.compensation * 1e6))
    }
}

impl fmt::Display for Rtc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {:14.6} {}  {:14.6}  {:12.3}  {:2}  {:2} {:4.0}",
            Utc(self.time),
            self.measured,
            u8::from(self.valid),
            self.predicted,
            self.slope * 1e6,
            self.samples,
            self.runs,
            self.interval,
        )
    }
}
