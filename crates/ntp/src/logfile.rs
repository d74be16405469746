//! Entries of the log files measurements, statistics, selection and tracking, in chrony's columns.
//!
//! A [`Record`] is one entry, in SI units; [`Record::line`] is its text; [`BannerState`] says when a heading comes
//! before it. Times are UTC.

use crate::calendar::civil_from_days;
use crate::ids::RefId;
use crate::time::{LocalTime, NANOS};
use crate::wire::{Leap, Mode};
use core::fmt;

mod hardware;
pub use hardware::{Refclock, Rtc, Temperature};

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

/// `N` no leap second, `+` one is inserted, `-` one is deleted, `?` not synchronised.
pub const fn leap_char(leap: Leap) -> char {
    match leap {
        Leap::None => 'N',
        Leap::Insert => '+',
        Leap::Delete => '-',
        Leap::Unsynchronised => '?',
    }
}

/// C's `%.*e`: a sign and at least two digits in the exponent, where Rust writes neither.
pub fn exponential(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$e}");
    match text.split_once('e') {
        Some((mantissa, exponent)) => match exponent.strip_prefix('-') {
            Some(size) => format!("{mantissa}e-{size:0>2}"),
            None => format!("{mantissa}e+{exponent:0>2}"),
        },
        // inf and NaN have no exponent; C writes nan.
        None => text.to_ascii_lowercase(),
    }
}

/// `YYYY-MM-DD HH:MM:SS` in UTC.
#[derive(Clone, Copy, Debug)]
pub struct Utc(pub LocalTime);

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.nanos().div_euclid(NANOS);
        let (year, month, day) = civil_from_days(seconds.div_euclid(86_400));
        let of_day = seconds.rem_euclid(86_400);
        write!(
            f,
            "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}",
            of_day / 3600,
            of_day / 60 % 60,
            of_day % 60
        )
    }
}

/// `%10.3e`.
struct Exp(f64);

impl fmt::Display for Exp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>10}", exponential(self.0, 3))
    }
}

/// One digit each.
struct Bits<'a>(&'a [bool]);

impl fmt::Display for Bits<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|bit| f.write_str(if *bit { "1" } else { "0" }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const AT: LocalTime = LocalTime::from_nanos(1_700_000_000 * NANOS + 999_999_999);

    fn tracking() -> Tracking {
        Tracking {
            time: AT,
            source: "0.0.0.0".into(),
            stratum: 0,
            frequency: 0.0,
            skew: 1.0,
            offset: 0.0,
            leap: Leap::Unsynchronised,
            combined: 0,
            offset_sd: 0.0,
            remaining: 0.0,
            root_delay: 1.0,
            root_dispersion: 1.0,
            max_error: 1.5,
        }
    }

    /// Lines that chronyd 4.3 wrote, and the values that give them.
    #[test]
    fn the_lines_are_those_of_chronyd() {
        let source = || "127.0.0.1".to_owned();
        // 2026-11-24 00:23:36.25
        let time = LocalTime::from_nanos(1_795_479_816_250_000_000);
        let measurement = Measurement {
            time,
            source: source(),
            leap: Leap::None,
            stratum: 3,
            tests_123: [true; 3],
            tests_567: [true; 3],
            tests_abcd: [true, true, false, true],
            local_poll: 0,
            remote_poll: 0,
            poll_score: 0.18,
            offset: -4.424e-6,
            delay: 1.73e-5,
            dispersion: 3.514e-8,
            root_delay: 0.0,
            root_dispersion: 0.0,
            refid: RefId::LOCAL,
            mode: Mode::Server,
            interleaved: false,
            tx_source: 'K',
            rx_source: 'K',
        };
        let statistics = Statistics {
            time,
            source: source(),
            std_dev: 1.366e-7,
            offset: -6.642e-7,
            offset_sd: 1.071e-7,
            frequency: -4.834e-8,
            skew: 6.067e-8,
            stress: 0.23,
            samples: 13,
            best_start: 0,
            runs: 7,
            asymmetry: 0.48,
        };
        let selection = Selection {
            time,
            source: source(),
            state: '*',
            noselect: false,
            prefer: false,
            trust: false,
            require: false,
            reach: 0o377,
            score: 1.0,
            last_sample: 6.402e-5,
            low: -4.036e-6,
            high: 3.082e-6,
        };
        let update = Tracking {
            time,
            source: source(),
            stratum: 4,
            frequency: -0.008e-6,
            skew: 0.071e-6,
            offset: -6.642e-7,
            leap: Leap::None,
            combined: 1,
            offset_sd: 1.071e-7,
            remaining: -2.074e-6,
            root_delay: 6.433e-6,
            root_dispersion: 9.179e-7,
            max_error: 9.646e-6,
        };
        for (record, line) in [
            (
                Record::Measurement(measurement.clone()),
                "2026-11-24 00:23:36 127.0.0.1       N  3 111 111 1101   0  0 0.18 -4.424e-06  1.730e-05  3.514e-08  \
                 0.000e+00  0.000e+00 7F7F0101 4B K K",
            ),
            (
                Record::Statistics(statistics),
                "2026-11-24 00:23:36 127.0.0.1        1.366e-07 -6.642e-07  1.071e-07 -4.834e-08  6.067e-08 2.3e-01  \
                 13   0   7  0.48",
            ),
            (
                Record::Selection(selection.clone()),
                "2026-11-24 00:23:36 127.0.0.1       * -----  377  1.00  6.402e-05 -4.036e-06  3.082e-06",
            ),
            (
                Record::Tracking(update),
                "2026-11-24 00:23:36 127.0.0.1        4     -0.008      0.071 -6.642e-07 N  1  1.071e-07 -2.074e-06  \
                 6.433e-06  9.179e-07  9.646e-06",
            ),
        ] {
            assert_eq!(record.line(), line, "{:?}", record.file());
        }
        // What those four do not show.
        let other = Measurement {
            interleaved: true,
            leap: Leap::Insert,
            tests_567: [true, false, true],
            ..measurement
        };
        let line = other.to_string();
        assert!(line.contains(" +  3 111 101 1101 ") && line.ends_with(" 4I K K"), "{line}");
        let other = Selection {
            source: "2001:db8:1:2:3:4:5:6".into(),
            prefer: true,
            require: true,
            reach: 0o17,
            ..selection
        };
        let line = other.to_string();
        assert!(line.contains("2001:db8:1:2:3:4:5:6 * --P-R   17 "), "{line}");
        let start = Record::Tracking(tracking()).line();
        let expected = "2023-11-14 22:13:20 0.0.0.0          0      0.000 1000000.000  0.000e+00 ?  0  0.000e+00  \
                        0.000e+00  1.000e+00  1.000e+00  1.500e+00";
        assert_eq!(start, expected);
    }

    #[test]
    fn the_banners_have_chronys_lengths() {
        for (file, length) in [
            (LogFile::Measurements, 136),
            (LogFile::Statistics, 116),
            (LogFile::Selection, 87),
            (LogFile::Tracking, 131),
        ] {
            assert_eq!(file.heading().len(), length, "{file:?}");
            let banner = file.banner();
            let lines: Vec<&str> = banner.lines().collect();
            assert_eq!((lines.len(), lines[0].len(), lines[2]), (3, length, lines[0]));
        }
    }

    #[test]
    fn banners_come_at_the_first_entry_and_every_period() {
        let mut state = BannerState::default();
        let due: Vec<usize> = (1..=70).filter(|_| state.next(32)).collect();
        assert_eq!(due, [1, 33, 65]);
        state.restart();
        assert!(state.next(32) && !state.next(32));
        assert!((0..10).all(|_| !BannerState::default().next(0)));
    }

    #[test]
    fn exponents_are_written_as_in_c() {
        for (value, digits, text) in [
            (0.0, 3, "0.000e+00"),
            (-0.0, 3, "-0.000e+00"),
            (1.5, 3, "1.500e+00"),
            (-1.25e-7, 3, "-1.250e-07"),
            (1e-300, 3, "1.000e-300"),
            (1e100, 1, "1.0e+100"),
            (12.0, 6, "1.200000e+01"),
            (f64::INFINITY, 3, "inf"),
            (f64::NAN, 3, "nan"),
        ] {
            assert_eq!(exponential(value, digits), text);
        }
    }

    #[test]
    fn dates_are_right() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00"),
            (-1, "1969-12-31 23:59:59"),
            (951_782_399, "2000-02-28 23:59:59"),
            (951_782_400, "2000-02-29 00:00:00"),
            (951_868_800, "2000-03-01 00:00:00"),
            (1_709_164_800, "2024-02-29 00:00:00"),
            (2_085_978_495, "2036-02-07 06:28:15"),
            (2_147_483_648, "2038-01-19 03:14:08"),
            (4_107_455_999, "2100-02-27 23:59:59"),
            (4_107_542_400, "2100-03-01 00:00:00"),
            (9_223_372_036, "2262-04-11 23:47:16"),
        ] {
            let time = LocalTime::from_nanos(i64::saturating_mul(seconds, NANOS));
            assert_eq!(Utc(time).to_string(), text, "{seconds}");
        }
    }

    #[test]
    fn every_day_of_eight_centuries_follows_the_one_before() {
        let is_leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let length = |year: i64, month: u32| match month {
            2 => 28 + u32::from(is_leap(year)),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        // 1600-01-01 is 135 140 days before 1970-01-01.
        let (mut year, mut month, mut day) = (1600, 1, 1);
        for days in -135_140..-135_140 + 800 * 365 {
            assert_eq!(civil_from_days(days), (year, month, day));
            day += 1;
            if day > length(year, month) {
                (month, day) = (month + 1, 1);
            }
            if month > 12 {
                (year, month) = (year + 1, 1);
            }
        }
    }

    proptest! {
        #[test]
        fn any_time_has_a_date(nanos in any::<i64>()) {
            prop_assert_eq!(Utc(LocalTime::from_nanos(nanos)).to_string().len(), 19);
        }

        #[test]
        fn numbers_keep_their_value(value in -1e9f64..1e9) {
            let back: f64 = exponential(value, 17).parse().expect("a number");
            prop_assert_eq!(back.to_bits(), value.to_bits());
        }
    }
}
