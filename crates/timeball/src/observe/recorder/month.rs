//! What was served since the month began: first from the archive, then as it happens.

use super::super::archive::Archive;
use super::super::rates::Found;
use ntp::calendar::civil_from_days;
use ntp::metrics::METRICS;
use std::fs::File;

const DAY: f64 = 86_400.0;
/// The series whose sums are kept, in the order of [`Totals::sums`].
const SERIES: [&str; 4] = ["bytes_in", "bytes_out", "packets_in", "packets_out"];
/// Points of a month that are looked at.
const POINTS: usize = 2000;

/// The sums of a month (UTC).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    /// When it began, s since 1970.
    pub begin: f64,
    /// How many seconds of it were recorded.
    pub seconds: f64,
    /// Bytes in and out, packets in and out.
    pub sums: [f64; 4],
}

/// This month and the last.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Months {
    /// This one, so far.
    pub current: Totals,
    /// The one before; nothing may be known of it.
    pub last: Totals,
}

/// The beginning of the month of `at`, s since 1970.
fn begin(at: f64) -> f64 {
    let day = (at / DAY).floor();
    let (_, _, day_of_month) = civil_from_days(day as i64);
    (day - f64::from(day_of_month - 1)) * DAY
}

impl Totals {
    /// What `archive` knows from `begin` to `end`.
    fn read(archive: Option<&Archive<File>>, begin: f64, end: f64) -> Self {
        let nothing = Self { begin, ..Self::default() };
        let Some(archive) = archive.filter(|_| end > begin) else { return nothing };
        let columns: Vec<usize> = SERIES.iter().filter_map(|name| archive.layout().column(name)).collect();
        if columns.len() < SERIES.len() {
            return nothing;
        }
        let Ok(answer) = archive.query(&columns, begin, end, POINTS) else { return nothing };
        let mut totals = nothing;
        for (at, seconds) in answer.covered.iter().map(|seconds| f64::from(*seconds)).enumerate() {
            let time = answer.start as f64 + at as f64 * f64::from(answer.step);
            if time < begin || time >= end {
                continue;
            }
            totals.seconds += seconds;
            for (sum, points) in totals.sums.iter_mut().zip(&answer.columns) {
                let mean = f64::from(points.mean[at]);
                *sum += if mean.is_finite() { mean * seconds } else { 0.0 };
            }
        }
        totals
    }
}

impl Months {
    /// As they are at `now`, s since 1970.
    pub fn read(archive: Option<&Archive<File>>, now: f64) -> Self {
        let this = begin(now);
        let before = begin(this - DAY);
        Self { current: Totals::read(archive, this, now), last: Totals::read(archive, before, this) }
    }

    /// What was found up to `at`, and is not yet in `archive`.
    pub fn add(&mut self, archive: Option<&Archive<File>>, at: f64, found: &Found) {
        if begin(at) != self.current.begin {
            *self = Self::read(archive, at);
        }
        self.current.seconds += found.seconds;
        for (sum, name) in self.current.sums.iter_mut().zip(SERIES) {
            let rate = METRICS.iter().position(|metric| metric.name == name).map(|index| found.values[index]);
            *sum += rate.filter(|rate| rate.is_finite()).unwrap_or(0.0) * found.seconds;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_begins_on_its_first_day() {
        // 2026-11-25T19:30:00Z, 2026-11-01, 2024-02-29, 2024-02-01
        assert_eq!(begin(1_795_635_000.0), 1_793_491_200.0);
        assert_eq!(begin(1_793_491_200.0), 1_793_491_200.0);
        assert_eq!(begin(1_709_164_800.0), 1_706_745_600.0);
    }

    #[test]
    fn what_happens_is_added_and_a_new_month_begins_at_nothing() {
        let mut found = Found { seconds: 2.0, values: vec![f64::NAN; METRICS.len()] };
        let index = |name: &str| METRICS.iter().position(|metric| metric.name == name).expect("a metric");
        found.values[index("bytes_in")] = 100.0;
        found.values[index("packets_out")] = 3.0;
        let mut months = Months::read(None, 1_795_635_000.0);
        for second in 0..5 {
            months.add(None, 1_795_635_000.0 + f64::from(second), &found);
        }
        assert_eq!((months.current.seconds, months.current.sums), (10.0, [1000.0, 0.0, 0.0, 30.0]));
        months.add(None, 1_796_083_200.0, &found);
        assert_eq!((months.current.begin, months.current.sums[0]), (1_796_083_200.0, 200.0));
    }
}
