//! Reference clocks: hardware that tells the time without a network (RFC 5905 §11, "reference clock").
//!
//! A driver outside gives [`Reading`]s, many a second or one in a while. [`Refclock`] completes pulses to whole times
//! ([`pulse`]), keeps the readings of a poll interval and makes one sample of them ([`filter`]), which goes to the same
//! estimator as those of servers. The engine's side is `engine/refclocks.rs`.

pub mod filter;
pub mod pulse;
pub mod sock;

use crate::config::{RefclockConfig, SourceConfig, SourceKind};
use crate::ids::{RefId, SourceId};
use crate::time::{MonoTime, OscTime, RawTime};
use crate::wire::Leap;
use filter::Filter;

/// Shortest and longest interval of samples and of readings, log₂ s.
const POLLS: (i32, i32) = (-7, 24);
/// Root dispersion told of a clock that has no time of its own (`local`), s.
pub const LOCAL_DISPERSION: f64 = 1.0;

/// What a driver read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// The clock we steer at that moment.
    pub at: RawTime,
    /// What the reference clock said then.
    pub truth: Truth,
    /// Its leap indicator; [`Leap::Unsynchronised`]: it does not know the time, and the reading is not used.
    pub leap: Leap,
    /// How far the two moments may be apart, s.
    pub error: f64,
}

/// What a reference clock says at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Truth {
    /// Nanoseconds since the Unix epoch.
    Time(i64),
    /// A second (or its part, with `rate`) has just begun this long ago, s.
    Pulse(f64),
}

/// A reading in oscillator time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// When.
    pub v: OscTime,
    /// True time minus oscillator time, ns.
    pub theta: i64,
    /// Bound of its error, s.
    pub error: f64,
}

/// One reference clock.
#[derive(Debug)]
pub struct Refclock {
    /// Options as configured, with the defaults that depend on others.
    pub config: RefclockConfig,
    /// Its name.
    pub refid: RefId,
    /// The clock that completes its pulses.
    pub lock: Option<SourceId>,
    /// When its driver is read next, or a sample is due.
    pub due: MonoTime,
    /// Readings asked of its driver since the last sample.
    pub polls: i32,
    /// The readings since then.
    pub filter: Filter,
    /// The newest reading.
    pub last: Option<Point>,
    /// Its leap indicator.
    pub leap: Leap,
}

impl Refclock {
    /// A clock that has not been read yet, first read at `due`; `index`: its place among all `refclock` lines.
    pub fn new(config: &RefclockConfig, index: usize, due: MonoTime) -> Self {
        let mut config = config.clone();
        config.poll = config.poll.clamp(POLLS.0, POLLS.1);
        config.dpoll = config.dpoll.clamp(POLLS.0, POLLS.1).min(config.poll);
        config.max_lock_age.get_or_insert(if config.local { 3 } else { 2 });
        let refid = config.refid.unwrap_or_else(|| default_refid(&config.driver, index));
        let filter = Filter::new(config.filter);
        Self { config, refid, lock: None, due, polls: 0, filter, last: None, leap: Leap::None }
    }

    /// Are its readings only pulses?
    pub fn is_pulse(&self, truth: Truth) -> bool {
        self.config.pps || matches!(truth, Truth::Pulse(_))
    }

    /// Distance of two pulses, s.
    pub fn period(&self) -> f64 {
        1.0 / f64::from(self.config.rate.max(1))
    }

    /// Seconds between two looks at the driver.
    pub fn interval(&self) -> f64 {
        libm::exp2(f64::from(self.config.dpoll))
    }

    /// How many looks make a sample.
    pub fn looks(&self) -> i32 {
        1 << (self.config.poll - self.config.dpoll).clamp(0, 30)
    }

    /// Does somebody have to ask its driver?
    pub fn is_polled(&self) -> bool {
        self.config.driver != "SOCK"
    }

    /// True time is known to have moved by `nanos` against oscillator time.
    pub fn add_offset(&mut self, nanos: i64) {
        self.filter.add_offset(nanos);
        if let Some(last) = &mut self.last {
            last.theta = last.theta.saturating_add(nanos);
        }
    }

    /// Forgets what was read.
    pub fn reset(&mut self) {
        self.filter.clear();
        self.last = None;
    }

    /// Its options in the words of a source's.
    pub fn source_config(&self) -> SourceConfig {
        let c = &self.config;
        SourceConfig {
            minpoll: c.poll,
            maxpoll: c.poll,
            min_samples: c.min_samples,
            max_samples: c.max_samples,
            max_unreach: c.max_unreach,
            prefer: c.prefer,
            noselect: c.noselect,
            trust: c.trust,
            require: c.require,
            offset: c.offset,
            ..SourceConfig::new(SourceKind::Server, &refid_text(self.refid))
        }
    }
}

/// Name of the clock on line `index` whose driver is `driver`.
fn default_refid(driver: &str, index: usize) -> RefId {
    let number = index.to_string();
    let letters: String = driver.chars().take(4_usize.saturating_sub(number.len()).min(3)).collect();
    RefId::from_text(&(letters + &number))
}

/// A reference identifier as its letters.
pub fn refid_text(refid: RefId) -> String {
    let bytes = refid.0.to_be_bytes();
    bytes
        .iter()
        .take_while(|&&b| b != 0)
        .map(|&b| if b.is_ascii_graphic() { b as char } else { '?' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_driver_and_place() {
        let name = |driver, index| refid_text(default_refid(driver, index));
        assert_eq!(
            (name("PPS", 0), name("SOCK", 4), name("SHM", 12)),
            ("PPS0".into(), "SOC4".into(), "SH12".into())
        );
    }
}
