//! Entries of the log files measurements, statistics, selection and tracking, in chrony's columns.
//!
//! A [`Record`] is one entry, in SI units; [`Record::line`] is its text; [`BannerState`] says when a heading comes
//! before it. Times are UTC.

use crate::ids::RefId;
use crate::time::LocalTime;
use crate::wire::{Leap, Mode};
use core::fmt;

mod hardware;
#[cfg(test)]
mod tests;
mod text;
pub use hardware::{Refclock, Rtc, Temperature};
use text::{Bits, Exp};
pub use text::{Utc, exponential, leap_char};

/// One entry of one log file.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// measurements.log: one response.
    Measurement(Measurement),
    /// statistics.log: one source after an update.
    Statistics(Statistics),
    /// selection.log: one source in one selection.
    Selection(Selection),
    /// tracking.log: one update of the clock.
    Tracking(Tracking),
    /// refclocks.log: one reading of a reference clock, or one sample made of several.
    Refclock(Refclock),
    /// tempcomp.log: one reading of the temperature.
    Temperature(Temperature),
    /// rtc.log: one look at the real-time clock.
    Rtc(Rtc),
}

/// Which log file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogFile {
    /// measurements.log
    Measurements,
    /// statistics.log
    Statistics,
    /// selection.log
    Selection,
    /// tracking.log
    Tracking,
    /// refclocks.log
    Refclocks,
    /// tempcomp.log
    Tempcomp,
    /// rtc.log
    Rtc,
}

/// One response of a server.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// When it came.
    pub time: LocalTime,
    /// The server's address as text.
    pub source: String,
    /// The server's leap indicator.
    pub leap: Leap,
    /// The server's stratum.
    pub stratum: u8,
    /// Which of the tests 1, 2, 3 it passed.
    pub tests_123: [bool; 3],
    /// Which of the tests 5, 6, 7 it passed.
    pub tests_567: [bool; 3],
    /// Which of the tests A, B, C, D it passed.
    pub tests_abcd: [bool; 4],
    /// Our poll exponent.
    pub local_poll: i32,
    /// The server's poll exponent.
    pub remote_poll: i32,
    /// Score of the poll adaptation.
    pub poll_score: f64,
    /// Offset, s; positive: the local clock is slow.
    pub offset: f64,
    /// Round trip, s.
    pub delay: f64,
    /// Dispersion, s.
    pub dispersion: f64,
    /// The server's root delay, s.
    pub root_delay: f64,
    /// The server's root dispersion, s.
    pub root_dispersion: f64,
    /// The server's reference.
    pub refid: RefId,
    /// Mode of the response.
    pub mode: Mode,
    /// Interleaved exchange.
    pub interleaved: bool,
    /// Who stamped our request: `D`aemon, `K`ernel, `H`ardware.
    pub tx_source: char,
    /// Who stamped the response.
    pub rx_source: char,
}

/// One source after an update.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    /// Of the last sample.
    pub time: LocalTime,
    /// Address or reference identifier.
    pub source: String,
    /// Standard deviation of the samples, s.
    pub std_dev: f64,
    /// Estimated offset, s; positive: the local clock is fast.
    pub offset: f64,
    /// Its standard deviation, s.
    pub offset_sd: f64,
    /// Estimated frequency, s/s; positive: the local clock gains.
    pub frequency: f64,
    /// Its bound, s/s.
    pub skew: f64,
    /// How much the last change of frequency exceeds what was expected.
    pub stress: f64,
    /// Number of samples.
    pub samples: u32,
    /// Index of the first sample still used.
    pub best_start: u32,
    /// Runs of residuals of one sign.
    pub runs: u32,
    /// Asymmetry of the jitter, ±0.5.
    pub asymmetry: f64,
}

/// One source in one selection.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection {
    /// When.
    pub time: LocalTime,
    /// Address or reference identifier.
    pub source: String,
    /// State: `*`, `+`, `-`, `x`, … as in the report selectdata.
    pub state: char,
    /// Selection options in force.
    pub noselect: bool,
    /// Selection options in force.
    pub prefer: bool,
    /// Selection options in force.
    pub trust: bool,
    /// Selection options in force.
    pub require: bool,
    /// The reachability register.
    pub reach: u8,
    /// Score against the source selected.
    pub score: f64,
    /// Age of the last sample, s.
    pub last_sample: f64,
    /// Lower end of the interval the true offset is in, s.
    pub low: f64,
    /// Upper end, s.
    pub high: f64,
}

/// One update of the clock.
#[derive(Clone, Debug, PartialEq)]
pub struct Tracking {
    /// When.
    pub time: LocalTime,
    /// Address or reference identifier of the source selected.
    pub source: String,
    /// Our stratum.
    pub stratum: u8,
    /// Frequency of the clock, s/s; positive: it gains.
    pub frequency: f64,
    /// Its bound, s/s.
    pub skew: f64,
    /// Offset of this update, s; positive: the local clock is fast.
    pub offset: f64,
    /// Leap indicator.
    pub leap: Leap,
    /// How many sources were combined.
    pub combined: u32,
    /// Standard deviation of the offset, s.
    pub offset_sd: f64,
    /// What was still to be corrected before this update, s; positive: the local clock was slow.
    pub remaining: f64,
    /// Root delay, s.
    pub root_delay: f64,
    /// Root dispersion, s.
    pub root_dispersion: f64,
    /// Bound of the error since the last update, s.
    pub max_error: f64,
}

impl LogFile {
    /// Its name in the folder logdir.
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Measurements => "measurements.log",
            Self::Statistics => "statistics.log",
            Self::Selection => "selection.log",
            Self::Tracking => "tracking.log",
            Self::Refclocks => "refclocks.log",
            Self::Tempcomp => "tempcomp.log",
            Self::Rtc => "rtc.log",
        }
    }

    /// Its heading, without line end.
    pub const fn heading(self) -> &'static str {
        match self {
            Self::Measurements => {
                "   Date (UTC) Time     IP Address   L St 123 567 ABCD  LP RP Score    Offset  Peer del. Peer disp.  \
                 Root del. Root disp. Refid     MTxRx"
            }
            Self::Statistics => {
                "   Date (UTC) Time     IP Address    Std dev'n Est offset  Offset sd  Diff freq   Est skew  Stress  \
                 Ns  Bs  Nr  Asym"
            }
            Self::Selection => {
                "   Date (UTC) Time     IP Address   S EOpts Reach Score Last sample  Low end   High end"
            }
            Self::Tracking => {
                "   Date (UTC) Time     IP Address   St   Freq ppm   Skew ppm     Offset L Co  Offset sd Rem. corr. \
                 Root delay Root disp. Max. error"
            }
            Self::Refclocks => hardware::REFCLOCKS,
            Self::Tempcomp => hardware::TEMPCOMP,
            Self::Rtc => hardware::RTC,
        }
    }

    /// Heading between two rules of its length; three lines, each with its end.
    pub fn banner(self) -> String {
        let rule = "=".repeat(self.heading().len());
        format!("{rule}\n{}\n{rule}\n", self.heading())
    }
}

impl Record {
    /// Where it belongs.
    pub const fn file(&self) -> LogFile {
        match self {
            Self::Measurement(_) => LogFile::Measurements,
            Self::Statistics(_) => LogFile::Statistics,
            Self::Selection(_) => LogFile::Selection,
            Self::Tracking(_) => LogFile::Tracking,
            Self::Refclock(_) => LogFile::Refclocks,
            Self::Temperature(_) => LogFile::Tempcomp,
            Self::Rtc(_) => LogFile::Rtc,
        }
    }

    /// Its text, without line end.
    pub fn line(&self) -> String {
        match self {
            Self::Measurement(entry) => entry.to_string(),
            Self::Statistics(entry) => entry.to_string(),
            Self::Selection(entry) => entry.to_string(),
            Self::Tracking(entry) => entry.to_string(),
            Self::Refclock(entry) => entry.to_string(),
            Self::Temperature(entry) => entry.to_string(),
            Self::Rtc(entry) => entry.to_string(),
        }
    }
}

impl fmt::Display for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {:<15} {} {:2} {} {} {}  {:2} {:2} {:4.2} {} {} {} {} {} {} {}{} {} {}",
            Utc(self.time),
            self.source,
            leap_char(self.leap),
            self.stratum,
            Bits(&self.tests_123),
            Bits(&self.tests_567),
            Bits(&self.tests_abcd),
            self.local_poll,
            self.remote_poll,
            self.poll_score,
            Exp(self.offset),
            Exp(self.delay),
            Exp(self.dispersion),
            Exp(self.root_delay),
            Exp(self.root_dispersion),
            self.refid,
            self.mode as u8,
            if self.interleaved { 'I' } else { 'B' },
            self.tx_source,
            self.rx_source,
        )
    }
}

impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {:<15} {} {} {} {} {} {:>7} {:3} {:3} {:3} {:5.2}",
            Utc(self.time),
            self.source,
            Exp(self.std_dev),
            Exp(self.offset),
            Exp(self.offset_sd),
            Exp(self.frequency),
            Exp(self.skew),
            exponential(self.stress, 1),
            self.samples,
            self.best_start,
            self.runs,
            self.asymmetry,
        )
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let option = |set: bool, letter: char| if set { letter } else { '-' };
        write!(
            f,
            "{} {:<15} {} -{}{}{}{} {:4o} {:5.2} {} {} {}",
            Utc(self.time),
            self.source,
            self.state,
            option(self.noselect, 'N'),
            option(self.prefer, 'P'),
            option(self.trust, 'T'),
            option(self.require, 'R'),
            self.reach,
            self.score,
            Exp(self.last_sample),
            Exp(self.low),
            Exp(self.high),
        )
    }
}

impl fmt::Display for Tracking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {:<15} {:2} {:10.3} {:10.3} {} {} {:2} {} {} {} {} {}",
            Utc(self.time),
            self.source,
            self.stratum,
            self.frequency * 1e6,
            self.skew * 1e6,
            Exp(self.offset),
            leap_char(self.leap),
            self.combined,
            Exp(self.offset_sd),
            Exp(self.remaining),
            Exp(self.root_delay),
            Exp(self.root_dispersion),
            Exp(self.max_error),
        )
    }
}

/// When headings come: before the first entry and then before every `period`-th.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BannerState {
    entries: u64,
}

impl BannerState {
    /// Counts one entry: does the banner come before it? A period of 0 is never.
    pub fn next(&mut self, period: u32) -> bool {
        let due = period > 0 && self.entries.is_multiple_of(u64::from(period));
        self.entries = self.entries.wrapping_add(1);
        due
    }

    /// A new file begins (`cyclelogs`).
    pub fn restart(&mut self) {
        self.entries = 0;
    }
}
