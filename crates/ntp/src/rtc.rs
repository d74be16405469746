//! The real-time clock, which runs while the machine is off: how far it is ahead and how fast it runs (`rtcfile`).
//!
//! It shows whole seconds only, so it is looked at when a second begins. A line through the looks tells its error at any
//! time; kept in a file, it tells the next start of the machine what the time is.

use crate::time::{LocalTime, NANOS};

/// Looks kept.
const MOST: usize = 64;
/// Fewest looks of a line, and fewest that are kept when it bends.
const FEWEST: usize = 3;
const KEPT: usize = 8;
/// A clock of a board is not worse than this, s/s: more is a mistake of ours.
const WORST: f64 = 1e-3;

/// One look.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Look {
    /// What was true then.
    at: LocalTime,
    /// By how much the clock was ahead, s.
    fast: f64,
}

/// What is known of the clock.
#[derive(Clone, Debug, Default)]
pub struct RtcLine {
    looks: Vec<Look>,
    /// The line: an instant, how far ahead the clock is then (s), and its rate (s/s).
    line: Option<(LocalTime, f64, f64)>,
    runs: usize,
    /// Its rate (s/s) as it was known before we set it.
    rate_before: Option<f64>,
}

/// What the file of the clock says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RtcFile {
    /// Instant to which `fast` belongs, s since the Unix epoch.
    pub at: i64,
    /// By how much the clock is ahead, s.
    pub fast: f64,
    /// How much it gains, s/s.
    pub rate: f64,
}

impl RtcFile {
    /// Reads the file; `None`: it has no valid line.
    pub fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let [valid, at, fast, rate] = words[..] else { return None };
        let (fast, rate): (f64, f64) = (fast.parse().ok()?, rate.parse().ok()?);
        let sane = valid == "1" && fast.is_finite() && rate.abs() * 1e-6 < WORST;
        Some(Self { at: at.parse().ok()?, fast, rate: rate * 1e-6 }).filter(|_| sane)
    }

    /// The file's only line.
    pub fn format(&self) -> String {
        format!("1 {} {:.6} {:.3}\n", self.at, self.fast, self.rate * 1e6)
    }

    /// True time (s since the Unix epoch) when the clock shows `shown`.
    pub fn truth(&self, shown: f64) -> f64 {
        let elapsed = (shown - self.fast - self.at as f64) / (1.0 + self.rate);
        self.at as f64 + elapsed
    }
}

impl RtcLine {
    /// The clock began to show the second `shown` (since the Unix epoch) when it was `at`. Returns what was predicted, s.
    pub fn look(&mut self, shown: i64, at: LocalTime) -> (f64, f64) {
        let fast = shown.saturating_mul(NANOS).saturating_sub(at.nanos()) as f64 * 1e-9;
        let predicted = self.fast_at(at).unwrap_or(0.0);
        // Somebody has set it.
        if self.line.is_some() && (fast - predicted).abs() > 1.0 {
            self.clear();
        }
        if self.looks.len() == MOST {
            self.looks.remove(0);
        }
        self.looks.push(Look { at, fast });
        self.fit();
        (fast, predicted)
    }

    /// Forgets all looks.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// The clock was set by us at `at`, and true time has not moved: only the rate is still known.
    pub fn was_set(&mut self, at: LocalTime) {
        let rate = self.line.map(|(_, _, rate)| rate).or(self.rate_before);
        *self = Self { rate_before: rate, line: rate.map(|rate| (at, 0.0, rate)), ..Self::default() };
    }

    /// True time moved by `seconds`: the clock is ahead by so much less.
    pub fn shift(&mut self, seconds: f64) {
        for look in &mut self.looks {
            look.at += seconds;
            look.fast -= seconds;
        }
        if let Some((at, fast, _)) = self.line.as_mut() {
            *at += seconds;
            *fast -= seconds;
        }
    }

    /// Is a line known?
    pub fn is_valid(&self) -> bool {
        self.line.is_some()
    }

    /// By how much it is ahead at `at`, s.
    pub fn fast_at(&self, at: LocalTime) -> Option<f64> {
        self.line.map(|(then, fast, rate)| fast + rate * (at - then))
    }

    /// How much it gains, s/s.
    pub fn rate(&self) -> f64 {
        self.line.map_or(0.0, |(_, _, rate)| rate)
    }

    /// Looks in use, runs of residuals of one sign, and the time between the first and the last, s.
    pub fn counts(&self) -> (usize, usize, f64) {
        let span = self.looks.first().zip(self.looks.last()).map_or(0.0, |(a, b)| b.at - a.at);
        (self.looks.len(), self.runs, span)
    }

    /// The last look: what the clock showed, s since the Unix epoch.
    pub fn last_shown(&self) -> Option<i64> {
        self.looks
            .last()
            .map(|look| (look.at + look.fast).nanos().saturating_add(NANOS / 2).div_euclid(NANOS))
    }

    /// What to keep; `None` while no line is known.
    pub fn file(&self) -> Option<RtcFile> {
        let (at, fast, rate) = self.line?;
        let second = at.nanos().div_euclid(NANOS);
        let whole = LocalTime::from_nanos(second.saturating_mul(NANOS));
        Some(RtcFile { at: second, fast: fast + rate * (whole - at), rate })
    }

    fn fit(&mut self) {
        loop {
            let Some(newest) = self.looks.last().copied() else { return };
            let n = self.looks.len();
            if n < FEWEST {
                let fast = |rate| {
                    self.looks.iter().map(|l| l.fast + rate * (newest.at - l.at)).sum::<f64>() / n as f64
                };
                self.line = self.rate_before.map(|rate| (newest.at, fast(rate), rate));
                return;
            }
            let t = |l: &Look| l.at - newest.at;
            let mean = |f: &dyn Fn(&Look) -> f64| self.looks.iter().map(f).sum::<f64>() / n as f64;
            let (mean_t, mean_y) = (mean(&t), mean(&|l| l.fast));
            let spread = mean(&|l| (t(l) - mean_t) * (t(l) - mean_t));
            if spread <= 0.0 {
                self.line = None;
                return;
            }
            let slope = mean(&|l| (t(l) - mean_t) * (l.fast - mean_y)) / spread;
            let rest = |l: &Look| l.fast - mean_y - slope * (t(l) - mean_t) >= 0.0;
            let signs: Vec<bool> = self.looks.iter().map(rest).collect();
            self.runs = 1 + signs.windows(2).filter(|pair| pair[0] != pair[1]).count();
            // Far fewer runs than chance gives: the line bends, so the oldest look is no longer told.
            if n > KEPT && self.runs < n / 4 {
                self.looks.remove(0);
                continue;
            }
            self.line = Some((newest.at, mean_y - slope * mean_t, slope.clamp(-WORST, WORST)));
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> LocalTime {
        LocalTime::from_seconds(1.7e9 + seconds)
    }

    #[test]
    fn a_line_tells_offset_and_rate_and_survives_in_its_file() {
        let mut line = RtcLine::default();
        assert!(!line.is_valid() && line.file().is_none());
        for i in 0..20 {
            // 2.5 s ahead, gaining 20 ppm: it shows a new second at these times.
            let shown = 1_700_000_000 + 100 * i;
            let truth = 1.7e9 + (100.0 * i as f64 - 2.5) / (1.0 + 20e-6);
            line.look(shown, LocalTime::from_seconds(truth));
        }
        assert!((line.rate() * 1e6 - 20.0).abs() < 0.01, "{}", line.rate());
        assert!((line.fast_at(at(0.0)).expect("a line") - 2.5).abs() < 1e-3);
        let (looks, runs, span) = line.counts();
        assert!(looks <= 20 && runs >= 1 && span > 600.0);
        assert_eq!(line.last_shown(), Some(1_700_001_900));
        let file = line.file().expect("a line");
        let text = file.format();
        let again = RtcFile::parse(&text).expect("valid");
        assert!(
            (again.fast - file.fast).abs() < 1e-6
                && (again.rate - file.rate).abs() < 1e-9
                && again.at == file.at
        );
        // A week later it shows so much.
        let week = 604_800.0;
        let shown = 1.7e9 + week + 2.5 + week * 20e-6;
        assert!((again.truth(shown) - 1.7e9 - week).abs() < 0.02);
    }

    #[test]
    fn its_rate_outlasts_being_set() {
        let mut line = RtcLine::default();
        line.was_set(at(0.0));
        assert!(!line.is_valid(), "nothing was known");
        for i in 0..5 {
            line.look(1_700_000_004 + 100 * i, at(100.0 * i as f64 * (1.0 - 50e-6)));
        }
        let rate = line.rate();
        assert!((rate * 1e6 - 50.0).abs() < 0.1);
        line.was_set(at(500.25));
        assert_eq!((line.fast_at(at(500.25)), line.rate(), line.counts().0), (Some(0.0), rate, 0));
        // It went on counting as it did: a quarter of a second too late.
        line.look(1_700_000_510, at(510.25));
        assert!((line.fast_at(at(510.25)).expect("a line") + 0.25).abs() < 1e-6);
        line.look(1_700_000_610, at(610.25));
        assert!((line.rate(), line.is_valid()) == (rate, true));
        line.look(1_700_000_710, at(710.25));
        assert!(line.rate().abs() < 1e-9, "three looks tell a rate of their own");
    }

    #[test]
    fn files_that_are_none() {
        for text in ["", "0 1 2 3\n", "1 x 0 0", "1 1700000000 0.5", "1 1700000000 nan 1.0", "1 1 0 1e9"] {
            assert_eq!(RtcFile::parse(text), None, "{text}");
        }
        assert_eq!(
            RtcFile::parse("1 1700000000 -0.250000 3.500\n"),
            Some(RtcFile { at: 1_700_000_000, fast: -0.25, rate: 3.5e-6 })
        );
    }

    #[test]
    fn somebody_else_sets_it_and_true_time_moves() {
        let mut line = RtcLine::default();
        for i in 0..5 {
            line.look(1_700_000_000 + 10 * i, at(10.0 * i as f64));
        }
        line.shift(-1.0);
        assert!((line.fast_at(at(50.0)).expect("a line") - 1.0).abs() < 1e-6);
        line.look(1_700_003_600, at(60.0));
        assert!(!line.is_valid(), "an hour ahead: begun anew");
    }
}
