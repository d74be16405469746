//! How wrong our own time may be, whatever the noise: what holds when everything learned is wrong.
//!
//! A sample says, without any law of noise, that true time was within half its round trip and the server's own root distance
//! of what it measured. Against the line that is believed that is an interval of the line's error, e ± r, at that instant.
//! Two of them, T apart, bound by how much the line's slope is wrong: (|e₂ − e₁| + r₁ + r₂)/T. With that, each bounds
//! the line's error now. The tightest bounds of the source followed count. While half of all that have a say exclude the line, it
//! is not known who bent it: then the median of what they all allow counts, of those too that leave room for the line, because
//! room for the line is room for an error. No minority can make it false, or too wide.

use super::Engine;
use super::reference::SIGMAS;
use crate::estimator::{Combined, Theta};
use crate::sample::Sample;
use crate::select::Status;
use crate::source::Source;

/// Newest samples that may bound our error; these and as many oldest ones bound that of the frequency.
const BOUNDING: usize = 8;

/// What one sample says of the line.
struct Interval {
    /// The line's θ less the sample's, s.
    error: f64,
    /// What is doubted of that, s.
    doubt: f64,
}

impl Engine {
    fn error_interval(&self, combined: &Combined, sample: &Sample) -> Interval {
        Interval {
            error: combined.predict(sample.v) - Theta::from_nanos(sample.offset_nanos()),
            doubt: sample.root_distance() + self.doubt_since(sample.v),
        }
    }

    /// How wrong the estimate may be at its own instant, s, and its frequency, s/s.
    pub(super) fn hard_bounds(&self, best: usize, combined: &Combined) -> (f64, f64) {
        let trusted = self.selection.verdicts[best].flags.trust;
        let voters = || {
            let all = self.sources.iter().zip(&self.selection.verdicts);
            let asked = all.filter(|(_, v)| !v.status.is_expulsion() || v.status == Status::Falseticker);
            let asked = asked.filter(move |(s, v)| s.reach.reachable() && (v.flags.trust || !trusted));
            asked.map(|(s, _)| s).filter(|s| !s.is_steady() && s.stats.last().is_some())
        };
        let own = self.bounds_of(&self.sources[best], combined);
        let (asked, excluding) = (voters().count(), voters().filter(|s| self.excludes(s, combined)).count());
        if 2 * excluding < asked {
            return own;
        }
        let bounds = || voters().map(|s| self.bounds_of(s, combined));
        let no_minority = |&(bound, _): &(f64, f64)| 2 * bounds().filter(|b| b.0 <= bound).count() > asked;
        let median = bounds().filter(no_minority).min_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or(own);
        (median.0.max(own.0), median.1.max(own.1))
    }

    /// Does the newest sample of a source leave no room for the line?
    fn excludes(&self, source: &Source, combined: &Combined) -> bool {
        let Some(sample) = source.stats.last() else { return false };
        let (interval, age) = (self.error_interval(combined, sample), (combined.v - sample.v).abs());
        let drift = self.growth_sigmas() * combined.growth(age) + age * self.clock_config.max_clock_error;
        interval.error.abs() > interval.doubt + SIGMAS * combined.theta_sd + drift
    }

    fn bounds_of(&self, source: &Source, combined: &Combined) -> (f64, f64) {
        let rate = self.hard_rate(source, combined);
        (self.hard_bound(source, combined, self.clock_config.max_clock_error + rate), rate)
    }

    /// How wrong the estimate may be at its own instant, s, when its frequency may be wrong by `rate` (s/s).
    fn hard_bound(&self, source: &Source, combined: &Combined, rate: f64) -> f64 {
        let newest = source.stats.window().iter().rev().take(BOUNDING);
        let bounds = newest.map(|sample| {
            let (interval, age) = (self.error_interval(combined, sample), (combined.v - sample.v).abs());
            let since = self.growth_sigmas() * combined.growth(age) + age * rate;
            interval.error.abs() + interval.doubt + since
        });
        bounds.fold(f64::INFINITY, f64::min)
    }

    /// How wrong the frequency of the estimate may be, s/s, if the oscillator kept its own; 0 when nothing tells.
    fn hard_rate(&self, source: &Source, combined: &Combined) -> f64 {
        let window = source.stats.window();
        let mut least = f64::INFINITY;
        for late in window.iter().rev().take(BOUNDING) {
            let newer = self.error_interval(combined, late);
            for early in window.iter().take(BOUNDING) {
                let (older, span) = (self.error_interval(combined, early), late.v - early.v);
                if span > 0.0 {
                    let apart = (newer.error - older.error).abs() + newer.doubt + older.doubt;
                    least = least.min(apart / span);
                }
            }
        }
        if least.is_finite() { least } else { 0.0 }
    }
}
