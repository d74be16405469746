//! Leap seconds that are known beforehand: the list of IERS and NIST, and time zones that count them.
//!
//! Both are files of the system, brought up to date by its packages. [`LeapTable::from_list`] reads
//! `leap-seconds.list`, [`LeapTable::from_zone`] a zone like `right/UTC` (RFC 8536). Either has to know the leap second
//! of June 2012, or it is not what it says.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects))]

use crate::time::{LocalTime, NANOS};
use crate::wire::Leap;

/// Seconds from 1900 to 1970.
const ERA_TO_UNIX: i64 = 2_208_988_800;
const DAY: i64 = 86_400;

/// TAI − UTC before the first leap second, s.
const FIRST_OFFSET: i32 = 10;

/// The end of 2012-06-30, when TAI − UTC went from 34 to 35 s.
const KNOWN: (i64, i32, i32) = (1_341_100_800, 34, 35);

/// More entries than this are no list of leap seconds.
const ENTRIES_MAX: usize = 1000;

/// When TAI − UTC changes, and until when that is all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeapTable {
    /// First second (Unix time) with the difference, and TAI − UTC in s; ascending.
    entries: Vec<(i64, i32)>,
    /// From this Unix time on there may be leap seconds that it does not know; `None`: it does not say.
    expires: Option<i64>,
}

impl LeapTable {
    /// Reads a list in the format of NIST and IERS; `None` when it lacks its marks or fails the check.
    pub fn from_list(text: &str) -> Option<Self> {
        let (mut updated, mut expires) = (false, None);
        let mut entries = Vec::new();
        for line in text.lines() {
            let line = line.trim_start();
            if let Some(mark) = line.strip_prefix("#@") {
                expires = Some(first_number(mark)?.checked_sub(ERA_TO_UNIX)?);
            } else if let Some(mark) = line.strip_prefix("#$") {
                first_number(mark)?;
                updated = true;
            } else if !line.is_empty() && !line.starts_with('#') {
                let mut words = line.split_ascii_whitespace();
                let at: i64 = words.next()?.parse().ok()?;
                entries.push((at.checked_sub(ERA_TO_UNIX)?, words.next()?.parse().ok()?));
            }
        }
        (updated && expires.is_some()).then_some(Self { entries, expires }).filter(Self::is_sane)
    }

    /// Reads a compiled time zone that counts leap seconds; `None` when it is none or fails the check.
    pub fn from_zone(bytes: &[u8]) -> Option<Self> {
        let first = ZoneHeader::parse(bytes)?;
        // Version 2 and later say all again, with 64 bits.
        let (header, body, wide): (ZoneHeader, &[u8], usize) = if first.version >= b'2' {
            let second = bytes.get(HEADER.checked_add(first.len(4)?)?..)?;
            (ZoneHeader::parse(second)?, second.get(HEADER..)?, 8)
        } else {
            (first, bytes.get(HEADER..)?, 4)
        };
        let each = wide.checked_add(4)?;
        let start = header.before_leaps(wide)?;
        let records = body.get(start..start.checked_add(each.checked_mul(header.leaps)?)?)?;
        let mut entries = vec![(i64::MIN, FIRST_OFFSET)];
        let mut before = 0i32;
        for record in records.chunks_exact(each) {
            let (at, correction) = record.split_at_checked(wide)?;
            let at = match at.len() {
                8 => i64::from_be_bytes(at.try_into().ok()?),
                _ => i32::from_be_bytes(at.try_into().ok()?).into(),
            };
            let correction = i32::from_be_bytes(correction.try_into().ok()?);
            if correction != before {
                // The record's time counts the leap seconds before it.
                let second = at.checked_sub(before.into())?;
                let midnight = second.checked_add(DAY / 2)?.div_euclid(DAY).checked_mul(DAY)?;
                entries.push((midnight, correction.checked_add(FIRST_OFFSET)?));
            }
            before = correction;
        }
        Some(Self { entries, expires: None }).filter(Self::is_sane)
    }

    /// Ascending, by one second at a time, and it knows June 2012.
    fn is_sane(&self) -> bool {
        let (at, before, after) = KNOWN;
        let steps = || self.entries.iter().zip(self.entries.iter().skip(1));
        self.entries.len() <= ENTRIES_MAX
            && steps().all(|(a, b)| a.0 < b.0 && b.1.abs_diff(a.1) == 1)
            && steps().any(|(a, b)| *b == (at, after) && a.1 == before)
    }

    /// What happens at the end of the UTC day of `local`.
    pub fn at_end_of_day(&self, local: LocalTime) -> Leap {
        let day = local.nanos().div_euclid(NANOS).div_euclid(DAY);
        let midnight = day.saturating_add(1).saturating_mul(DAY);
        let at = self.entries.iter().position(|(at, _)| *at == midnight);
        let value = |index: usize| self.entries.get(index).map(|(_, tai)| *tai);
        match at.and_then(|at| value(at)?.checked_sub(value(at.checked_sub(1)?)?)) {
            Some(1) => Leap::Insert,
            Some(-1) => Leap::Delete,
            _ => Leap::None,
        }
    }

    /// TAI − UTC at `local`, s; `None` before the table begins.
    pub fn tai_offset(&self, local: LocalTime) -> Option<i32> {
        let second = local.nanos().div_euclid(NANOS);
        self.entries.iter().rev().find(|(at, _)| *at <= second).map(|(_, tai)| *tai)
    }

    /// May there be leap seconds at `local` that it does not know?
    pub fn is_expired(&self, local: LocalTime) -> bool {
        self.expires.is_some_and(|expires| local.nanos().div_euclid(NANOS) >= expires)
    }
}

fn first_number(text: &str) -> Option<i64> {
    text.split_ascii_whitespace().next()?.parse().ok()
}

/// Length of a zone file's header, bytes.
const HEADER: usize = 44;

/// Counts at the start of a zone file (RFC 8536 §3.1).
struct ZoneHeader {
    version: u8,
    ut: usize,
    standard: usize,
    leaps: usize,
    times: usize,
    types: usize,
    letters: usize,
}

impl ZoneHeader {
    fn parse(bytes: &[u8]) -> Option<Self> {
        if bytes.get(..4)? != b"TZif" {
            return None;
        }
        let version = *bytes.get(4)?;
        let (counts, _) = bytes.get(20..HEADER)?.as_chunks::<4>();
        let count = |index: usize| counts.get(index).map(|count| u32::from_be_bytes(*count) as usize);
        let header = Self {
            version,
            ut: count(0)?,
            standard: count(1)?,
            leaps: count(2)?,
            times: count(3)?,
            types: count(4)?,
            letters: count(5)?,
        };
        (header.leaps <= ENTRIES_MAX).then_some(header)
    }

    /// Bytes of the body before the leap seconds, times being `wide` bytes.
    fn before_leaps(&self, wide: usize) -> Option<usize> {
        let times = self.times.checked_mul(wide.checked_add(1)?)?;
        times.checked_add(self.types.checked_mul(6)?)?.checked_add(self.letters)
    }

    /// Bytes of the whole body.
    fn len(&self, wide: usize) -> Option<usize> {
        let leaps = self.leaps.checked_mul(wide.checked_add(4)?)?;
        self.before_leaps(wide)?.checked_add(leaps)?.checked_add(self.ut)?.checked_add(self.standard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "#\tcomment\n#$\t3960835200\n#@\t4291747200\n2272060800\t10\t# 1 Jan 1972\n2287785600\t11\n\
        3439756800 12 # made up\n3550089600\t13\n";

    /// The list with the true values around 2012.
    fn list() -> String {
        "#$ 3960835200\n#@ 3991593600\n3439756800\t34\t# 1 Jan 2009\n3550089600\t35\t# 1 Jul 2012\n3644697600\t36\n\
         3692217600\t37\t# 1 Jan 2017\n#h 1 2 3 4\n"
            .to_owned()
    }

    fn at(seconds: i64) -> LocalTime {
        LocalTime::from_nanos(seconds * NANOS)
    }

    /// A zone in version 2 with leap seconds as `right/UTC` has them.
    fn zone() -> Vec<u8> {
        let header = |leaps: u32| {
            let mut bytes = b"TZif2".to_vec();
            bytes.resize(20, 0);
            for count in [0, 0, leaps, 0, 1, 4] {
                bytes.extend(u32::to_be_bytes(count));
            }
            bytes
        };
        let types = [0, 0, 0, 0, 0, 0, b'U', b'T', b'C', 0];
        let mut bytes = [&header(0)[..], &types, &header(27), &types].concat();
        // Two real ones at their places, the others half a year apart.
        let unix = |index: i64| match index {
            24 => 1_341_100_800,
            25 => 1_435_708_800,
            26 => 1_483_228_800,
            _ => 78_796_800 + index * 182 * DAY,
        };
        for index in 0..27i64 {
            bytes.extend((unix(index) + index).to_be_bytes());
            bytes.extend((index as i32 + 1).to_be_bytes());
        }
        bytes.extend(b"\nUTC0\n");
        bytes
    }

    #[test]
    fn the_list_tells_leap_seconds_and_the_difference_to_tai() {
        let table = LeapTable::from_list(&list()).expect("a list");
        // 2012-06-30 12:00, 2012-07-01, 2016-12-31 23:59:59, 2017-01-01.
        assert_eq!(table.at_end_of_day(at(1_341_057_600)), Leap::Insert);
        assert_eq!(table.at_end_of_day(at(1_341_100_800)), Leap::None);
        assert_eq!(table.at_end_of_day(at(1_483_228_799)), Leap::Insert);
        let tai =
            [1_341_057_600, 1_341_100_799, 1_341_100_800, 1_483_228_800].map(|s| table.tai_offset(at(s)));
        assert_eq!(tai, [Some(34), Some(34), Some(35), Some(37)]);
        assert_eq!(table.tai_offset(at(0)), None);
        assert!(!table.is_expired(at(3_991_593_599 - ERA_TO_UNIX)));
        assert!(table.is_expired(at(3_991_593_600 - ERA_TO_UNIX)));
        let deletion = LeapTable::from_list(&(list() + "3723753600 36\n")).expect("a list");
        assert_eq!(deletion.at_end_of_day(at(3_723_753_599 - ERA_TO_UNIX)), Leap::Delete);
    }

    #[test]
    fn a_list_without_its_marks_or_with_a_wrong_past_is_refused() {
        assert_eq!(LeapTable::from_list(LIST), None, "June 2012 is not in it as it was");
        for (what, with) in [
            ("#$", "# "),
            ("#@", "# "),
            ("3550089600\t35", "3550089601\t35"),
            ("\t36", "\t39"),
            ("\t34", "\tx"),
        ] {
            assert_eq!(LeapTable::from_list(&list().replace(what, with)), None, "{what}");
        }
        assert_eq!(LeapTable::from_list(""), None);
    }

    #[test]
    fn a_zone_tells_the_same() {
        let table = LeapTable::from_zone(&zone()).expect("a zone with leap seconds");
        assert_eq!(table.at_end_of_day(at(1_341_057_600)), Leap::Insert);
        assert_eq!(table.at_end_of_day(at(1_341_100_800)), Leap::None);
        assert_eq!(table.tai_offset(at(1_483_228_800)), Some(37));
        assert_eq!(table.tai_offset(at(1_483_228_799)), Some(36));
        assert_eq!(table.tai_offset(at(0)), Some(10));
        assert!(!table.is_expired(at(i64::MAX / NANOS)));
        for len in 0..zone().len() - 6 {
            assert_eq!(LeapTable::from_zone(&zone()[..len]), None, "cut off after {len} bytes");
        }
    }
}
