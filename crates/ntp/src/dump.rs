//! The measurement dumps' text: what is known of one source, kept over a restart (format `SRC0`).
//!
//! Offsets in the file are chrony's: positive when the local clock is fast, the opposite of [`crate::sample`].

use crate::ids::RefId;
use crate::time::{LocalTime, NANOS};
use crate::wire::Leap;
use core::fmt::Write as _;
use core::net::IpAddr;

/// Most samples in a file.
pub const MAX_SAMPLES: usize = 64;
/// Largest offset, delay or dispersion believed, s.
const MAX_SECONDS: f64 = 1e6;
/// The name that stands for a reference clock.
pub const REFCLOCK_NAME: &str = ".";

/// What a dump file says about one source.
#[derive(Clone, Debug, PartialEq)]
pub struct Dump {
    /// Configured name of the NTP source; `.` for a reference clock.
    pub name: String,
    /// The samples came authenticated.
    pub authenticated: bool,
    /// The reachability register.
    pub reach: u8,
    /// How many of its bits are known, 0–8.
    pub reach_size: u8,
    /// Stratum, 0–15.
    pub stratum: u8,
    /// Leap indicator, never [`Leap::Unsynchronised`].
    pub leap: Leap,
    /// How often the asymmetry of the jitter kept its sign.
    pub asymmetry_run: i32,
    /// The samples, oldest first; 1 to [`MAX_SAMPLES`], times strictly increasing.
    pub samples: Vec<DumpSample>,
}

/// One measurement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DumpSample {
    /// Local time of the measurement.
    pub time: LocalTime,
    /// Offset, s; positive: the local clock is fast.
    pub offset: f64,
    /// Offset before corrections of the clock since, s.
    pub original_offset: f64,
    /// Round trip, s.
    pub delay: f64,
    /// Dispersion, s.
    pub dispersion: f64,
    /// Root delay, s.
    pub root_delay: f64,
    /// Root dispersion, s.
    pub root_dispersion: f64,
}

/// Why a dump is not loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DumpReject {
    /// The first line is not `SRC0`.
    UnknownFormat,
    /// A line is missing or has not the fields it should have.
    Malformed,
    /// Leap indicator, stratum, reachability or number of samples out of range.
    OutOfRange,
    /// A sample lies in the future.
    InFuture,
    /// The samples' times do not increase.
    NotIncreasing,
    /// An offset, delay or dispersion beyond 10⁶ s, negative or not a number.
    Insane,
    /// It belongs to another name.
    OtherName,
    /// It is not authenticated, but the source is.
    NotAuthenticated,
}

/// The file's name for an NTP source.
pub fn file_name(address: IpAddr) -> String {
    format!("{address}.dat")
}

/// The file's name for a reference clock.
pub fn refclock_file_name(refid: RefId) -> String {
    format!("refid:{:08x}.dat", refid.0)
}

/// Is this the name of a dump? Such files are removed after the start; others in the folder are not ours.
pub fn is_dump_name(name: &str) -> bool {
    let Some(stem) = name.strip_suffix(".dat") else { return false };
    match stem.strip_prefix("refid:") {
        Some(digits) => {
            digits.len() == 8 && digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        }
        None => stem.parse::<IpAddr>().is_ok(),
    }
}

impl Dump {
    /// The file's text.
    pub fn format(&self) -> String {
        let mut text = format!(
            "SRC0\n{}\n{} {:o} {} {} {}\n{} {}\n",
            self.name,
            u8::from(self.authenticated),
            self.reach,
            self.reach_size,
            self.stratum,
            self.leap as u8,
            self.samples.len(),
            self.asymmetry_run
        );
        for s in &self.samples {
            let nanos = s.time.nanos();
            let _ = write!(text, "{}.{:09}", nanos.div_euclid(NANOS), nanos.rem_euclid(NANOS));
            for value in [s.offset, s.original_offset, s.delay, s.dispersion, s.root_delay, s.root_dispersion]
            {
                text.push(' ');
                text.push_str(&crate::logfile::exponential(value, 6));
            }
            text.push('\n');
        }
        text
    }

    /// Reads a file's text at time `now`.
    pub fn parse(text: &str, now: LocalTime) -> Result<Self, DumpReject> {
        use DumpReject::{InFuture, Insane, Malformed, NotIncreasing, OutOfRange, UnknownFormat};
        let mut lines = text.lines();
        if lines.next() != Some("SRC0") {
            return Err(UnknownFormat);
        }
        let name = lines.next().filter(|name| !name.is_empty()).ok_or(Malformed)?.to_owned();
        let mut state = Fields::of(lines.next())?;
        let authenticated: u8 = state.next()?;
        let reach = state.octal()?;
        let (reach_size, stratum, leap): (u8, u8, u8) = (state.next()?, state.next()?, state.next()?);
        state.end()?;
        let mut counts = Fields::of(lines.next())?;
        let (count, asymmetry_run): (usize, i32) = (counts.next()?, counts.next()?);
        counts.end()?;
        if authenticated > 1
            || reach_size > 8
            || stratum > 15
            || leap > 2
            || !(1..=MAX_SAMPLES).contains(&count)
        {
            return Err(OutOfRange);
        }
        let mut samples: Vec<DumpSample> = Vec::with_capacity(count);
        for _ in 0..count {
            let sample = DumpSample::parse(lines.next())?;
            if sample.time > now {
                return Err(InFuture);
            }
            if samples.last().is_some_and(|before| before.time >= sample.time) {
                return Err(NotIncreasing);
            }
            if !sample.is_sane() {
                return Err(Insane);
            }
            samples.push(sample);
        }
        Ok(Self {
            name,
            authenticated: authenticated == 1,
            reach,
            reach_size,
            stratum,
            leap: Leap::from_bits(leap),
            asymmetry_run,
            samples,
        })
    }

    /// May the source of this name load it? Reference clocks have no name to compare.
    pub fn belongs_to(&self, name: &str, authenticated: bool) -> Result<(), DumpReject> {
        if self.name != REFCLOCK_NAME && self.name != name {
            return Err(DumpReject::OtherName);
        }
        if authenticated && !self.authenticated {
            return Err(DumpReject::NotAuthenticated);
        }
        Ok(())
    }
}

impl DumpSample {
    fn parse(line: Option<&str>) -> Result<Self, DumpReject> {
        let mut fields = Fields::of(line)?;
        let sample = Self {
            time: fields.time()?,
            offset: fields.next()?,
            original_offset: fields.next()?,
            delay: fields.next()?,
            dispersion: fields.next()?,
            root_delay: fields.next()?,
            root_dispersion: fields.next()?,
        };
        fields.end()?;
        Ok(sample)
    }

    /// Round trips may come out slightly negative on coarse clocks; what bounds an error may not.
    fn is_sane(&self) -> bool {
        let small = |value: f64| value.abs() <= MAX_SECONDS;
        let bound = |value: f64| (0.0..=MAX_SECONDS).contains(&value);
        small(self.offset)
            && small(self.original_offset)
            && small(self.delay)
            && bound(self.dispersion)
            && bound(self.root_delay)
            && bound(self.root_dispersion)
    }
}

/// The fields of one line.
struct Fields<'a>(core::str::SplitAsciiWhitespace<'a>);

impl<'a> Fields<'a> {
    fn of(line: Option<&'a str>) -> Result<Self, DumpReject> {
        line.map(|line| Self(line.split_ascii_whitespace())).ok_or(DumpReject::Malformed)
    }

    fn word(&mut self) -> Result<&'a str, DumpReject> {
        self.0.next().ok_or(DumpReject::Malformed)
    }

    fn next<T: core::str::FromStr>(&mut self) -> Result<T, DumpReject> {
        self.word()?.parse().map_err(|_| DumpReject::Malformed)
    }

    fn octal(&mut self) -> Result<u8, DumpReject> {
        u8::from_str_radix(self.word()?, 8).map_err(|_| DumpReject::Malformed)
    }

    /// `sec.nnnnnnnnn`, exactly: a float would lose the nanoseconds.
    fn time(&mut self) -> Result<LocalTime, DumpReject> {
        let (seconds, fraction) = self.word()?.split_once('.').ok_or(DumpReject::Malformed)?;
        if fraction.len() != 9 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
            return Err(DumpReject::Malformed);
        }
        let seconds: i64 = seconds.parse().map_err(|_| DumpReject::Malformed)?;
        let fraction: i64 = fraction.parse().map_err(|_| DumpReject::Malformed)?;
        let nanos = seconds.checked_mul(NANOS).and_then(|n| n.checked_add(fraction));
        nanos.map(LocalTime::from_nanos).ok_or(DumpReject::Malformed)
    }

    fn end(mut self) -> Result<(), DumpReject> {
        if self.0.next().is_none() { Ok(()) } else { Err(DumpReject::Malformed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: LocalTime = LocalTime::from_nanos(1_700_000_100 * NANOS);

    fn dump() -> Dump {
        let sample = |seconds: i64| DumpSample {
            time: LocalTime::from_nanos(seconds * NANOS + 5),
            offset: -1.25e-6,
            original_offset: 2e-3,
            delay: 0.01,
            dispersion: 1e-7,
            root_delay: 0.0,
            root_dispersion: 1e-3,
        };
        Dump {
            name: "ntp.example.net".into(),
            authenticated: false,
            reach: 0o377,
            reach_size: 8,
            stratum: 2,
            leap: Leap::None,
            asymmetry_run: -3,
            samples: vec![sample(1_700_000_000), sample(1_700_000_064)],
        }
    }

    #[test]
    fn the_text_is_that_of_chrony() {
        assert_eq!(
            dump().format(),
            "SRC0\nntp.example.net\n0 377 8 2 0\n2 -3\n\
             1700000000.000000005 -1.250000e-06 2.000000e-03 1.000000e-02 1.000000e-07 0.000000e+00 1.000000e-03\n\
             1700000064.000000005 -1.250000e-06 2.000000e-03 1.000000e-02 1.000000e-07 0.000000e+00 1.000000e-03\n"
        );
        assert_eq!(Dump::parse(&dump().format(), NOW), Ok(dump()));
    }

    #[test]
    fn a_file_of_chronyd_4_3_is_read_and_written_again() {
        let text = "SRC0\n127.0.0.1\n0 377 8 3 0\n2 0\n\
                    1795479814.219908855 3.782294e-06 1.923000e-06 1.150000e-05 3.501782e-08 1.150000e-05 3.501782e-08\n\
                    1795479816.251027024 2.023658e-06 -4.300000e-08 7.703000e-06 3.491977e-08 7.703000e-06 3.491977e-08\n";
        let dump = Dump::parse(text, LocalTime::from_nanos(1_795_479_900 * NANOS)).expect("chronyd wrote it");
        assert_eq!(dump.format(), text);
        assert_eq!((dump.reach, dump.stratum, dump.samples[1].offset), (0o377, 3, 2.023_658e-6));
    }

    #[test]
    fn each_fault_has_its_reason() {
        use DumpReject::*;
        let good = dump().format();
        for (from, to, reason) in [
            ("SRC0", "SRC1", UnknownFormat),
            ("SRC0\n", "", UnknownFormat),
            ("ntp.example.net\n", "\n", Malformed),
            ("0 377 8 2 0", "0 377 8 2", Malformed),
            ("0 377 8 2 0", "0 377 8 2 0 0", Malformed),
            ("0 377 8 2 0", "0 400 8 2 0", Malformed),
            ("0 377 8 2 0", "0 378 8 2 0", Malformed),
            ("0 377 8 2 0", "2 377 8 2 0", OutOfRange),
            ("0 377 8 2 0", "0 377 9 2 0", OutOfRange),
            ("0 377 8 2 0", "0 377 8 16 0", OutOfRange),
            ("0 377 8 2 0", "0 377 8 2 3", OutOfRange),
            ("2 -3\n", "0 -3\n", OutOfRange),
            ("2 -3\n", "65 -3\n", OutOfRange),
            ("2 -3\n", "18446744073709551615 -3\n", OutOfRange),
            ("2 -3\n", "3 -3\n", Malformed),
            ("2 -3\n", "2\n", Malformed),
            ("1700000064", "1700000101", InFuture),
            ("1700000064", "1700000000", NotIncreasing),
            ("1700000064", "1600000000", NotIncreasing),
            ("1700000064.000000005", "1700000064", Malformed),
            ("1700000064.000000005", "9999999999999999999.000000000", Malformed),
            ("1700000064.000000005", "9300000000.000000000", Malformed),
            ("-1.250000e-06", "-2e6", Insane),
            ("-1.250000e-06", "nan", Insane),
            ("-1.250000e-06", "inf", Insane),
            ("1.000000e-02", "1.1e6", Insane),
            ("1.000000e-07", "-1e-7", Insane),
            ("0.000000e+00", "-1e-7", Insane),
            ("1.000000e-03\n1700", "-1e-3\n1700", Insane),
            ("1.000000e-02", "x", Malformed),
            (" 1.000000e-07", "", Malformed),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_ne!(bad, good, "{from:?} is not in the text");
            assert_eq!(Dump::parse(&bad, NOW), Err(reason), "{from:?} -> {to:?}");
        }
        for cut in 0..good.len() - 1 {
            assert!(
                Dump::parse(&good[..cut], NOW).is_err()
                    || good[cut..].trim_start_matches(|c: char| c != '\n') == "\n"
            );
        }
    }

    #[test]
    fn a_dump_belongs_to_one_name() {
        assert_eq!(dump().belongs_to("ntp.example.net", false), Ok(()));
        assert_eq!(dump().belongs_to("other", false), Err(DumpReject::OtherName));
        assert_eq!(dump().belongs_to("ntp.example.net", true), Err(DumpReject::NotAuthenticated));
        assert_eq!(Dump { name: ".".into(), ..dump() }.belongs_to("", false), Ok(()));
        assert_eq!(Dump { authenticated: true, ..dump() }.belongs_to("ntp.example.net", true), Ok(()));
    }

    #[test]
    fn only_our_files_are_ours() {
        assert_eq!(file_name([192, 0, 2, 1].into()), "192.0.2.1.dat");
        assert_eq!(refclock_file_name(RefId::from_text("PPS0")), "refid:50505330.dat");
        for (name, ours) in [
            ("192.0.2.1.dat", true),
            ("2001:db8::1.dat", true),
            ("refid:50505330.dat", true),
            ("refid:5050533.dat", false),
            ("refid:5050533G.dat", false),
            ("refid:5050533A.dat", false),
            ("notes.dat", false),
            ("192.0.2.1.nts", false),
            (".dat", false),
            ("192.0.2.1", false),
        ] {
            assert_eq!(is_dump_name(name), ours, "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "\\PC{0,60}", digits in "[0-9. \n-]{0,200}") {
            let _ = Dump::parse(&text, NOW);
            let _ = Dump::parse(&format!("SRC0\nx\n{digits}"), NOW);
        }

        #[test]
        fn what_is_written_is_read(nanos in prop::collection::btree_set(0i64..1_700_000_000_000_000_000, 1..=64), offset in -1e5f64..1e5) {
            let samples: Vec<DumpSample> = nanos.into_iter().map(|n| DumpSample { time: LocalTime::from_nanos(n), offset, ..dump().samples[0] }).collect();
            let dump = Dump { samples, ..dump() };
            let back = Dump::parse(&dump.format(), NOW).expect("own text");
            prop_assert_eq!(back.samples.len(), dump.samples.len());
            prop_assert!(back.samples.iter().zip(&dump.samples).all(|(a, b)| a.time == b.time && (a.offset - b.offset).abs() <= b.offset.abs() * 1e-6));
        }
    }
}
