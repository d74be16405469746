//! Time given by a person (`manual`, `settime`): a few samples, a line through them.

use crate::control::manual::{ManualList, ManualSample, SAMPLES_MAX};
use crate::discipline::Belief;
use crate::estimator::Theta;
use crate::report::Seconds;
use crate::time::OscTime;

/// Fewest samples that tell a frequency.
const FEWEST: usize = 3;
/// A person's hand is no better than this, s: deviation of one sample.
pub const HAND: f64 = 0.5;
/// Nobody gives the time twice within so many seconds.
pub const APART: f64 = 1.0;

/// One time that was given.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Given {
    v: OscTime,
    theta: Theta,
    /// What it said against our time when it was given, s; positive: we were ahead.
    fast: f64,
}

/// A line through the samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// The newest sample's instant.
    pub v: OscTime,
    /// True time minus oscillator time then.
    pub theta: Theta,
    /// Frequency correction and its deviation, s/s; `None` while there are too few samples.
    pub frequency: Option<(f64, f64)>,
}

/// The samples in use.
#[derive(Clone, Debug, Default)]
pub struct ManualSamples {
    enabled: bool,
    samples: Vec<Given>,
}

impl ManualSamples {
    /// `enabled`: by the directive.
    pub fn new(enabled: bool) -> Self {
        Self { enabled, samples: Vec::new() }
    }

    /// When time was given last.
    pub fn newest(&self) -> Option<OscTime> {
        self.samples.last().map(|sample| sample.v)
    }

    /// May time be given?
    pub fn enabled(&self) -> bool {
        self.enabled
    }

    /// Switches it on or off; the samples are forgotten.
    pub fn enable(&mut self, enabled: bool) {
        self.enabled = enabled;
        self.samples.clear();
    }

    /// Forgets the samples.
    pub fn reset(&mut self) {
        self.samples.clear();
    }

    /// Forgets one sample; false: there is none of this number.
    pub fn delete(&mut self, index: i32) -> bool {
        let index = usize::try_from(index).ok().filter(|&i| i < self.samples.len());
        index.map(|i| self.samples.remove(i)).is_some()
    }

    /// True time moved by `seconds` against oscillator time.
    pub fn shift(&mut self, seconds: f64) {
        for sample in &mut self.samples {
            sample.theta = sample.theta + seconds;
        }
    }

    /// A person says that true minus oscillator time is `theta` at `v`; the line that follows.
    pub fn add(&mut self, v: OscTime, theta: Theta, belief: &Belief) -> Line {
        if self.samples.len() == SAMPLES_MAX {
            self.samples.remove(0);
        }
        self.samples.push(Given { v, theta, fast: belief.theta_at(v) - theta });
        self.line().unwrap_or(Line { v, theta, frequency: None })
    }

    /// What the samples say after one was deleted; a single one says nothing new.
    pub fn rest(&self) -> Option<Line> {
        self.line().filter(|_| self.samples.len() > 1)
    }

    /// The line through all samples, as of the newest; through its own point while there are too few.
    fn line(&self) -> Option<Line> {
        let newest = self.samples.last()?;
        let n = self.samples.len() as f64;
        let plain = Line { v: newest.v, theta: newest.theta, frequency: None };
        let t = |s: &Given| s.v - newest.v;
        let y = |s: &Given| s.theta - newest.theta;
        let mean = |f: &dyn Fn(&Given) -> f64| self.samples.iter().map(f).sum::<f64>() / n;
        let (mean_t, mean_y) = (mean(&t), mean(&y));
        let spread = mean(&|s| (t(s) - mean_t) * (t(s) - mean_t));
        if self.samples.len() < FEWEST || spread <= 0.0 {
            return Some(plain);
        }
        let slope = mean(&|s| (t(s) - mean_t) * (y(s) - mean_y)) / spread;
        let scatter = mean(&|s| {
            let rest = y(s) - mean_y - slope * (t(s) - mean_t);
            rest * rest
        });
        let deviation = libm::sqrt(scatter.max(1e-6) / (n * spread));
        let theta = newest.theta + (mean_y - slope * mean_t);
        Some(Line { v: newest.v, theta, frequency: Some((slope, deviation)) })
    }

    /// The report `manual list`.
    pub fn report(&self, belief: &Belief) -> ManualList {
        let line = self.line();
        let samples = self.samples.iter().zip(0..).map(|(sample, index)| {
            let fitted = line.map_or(0.0, |l| {
                let at = l.theta + l.frequency.map_or(0.0, |f| f.0) * (sample.v - l.v);
                at - sample.theta
            });
            ManualSample {
                index,
                when: belief.theta_at(sample.v).local(sample.v).into(),
                slewed_offset: Seconds(belief.theta_at(sample.v) - sample.theta),
                original_offset: Seconds(sample.fast),
                residual: Seconds(fitted),
            }
        });
        ManualList { samples: samples.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> OscTime {
        OscTime::from_nanos(second * 1_000_000_000)
    }

    #[test]
    fn three_samples_tell_a_frequency_and_each_can_be_deleted() {
        let belief = Belief { v: at(0), theta: Theta::from_nanos(0), frequency: 0.0 };
        let mut samples = ManualSamples::new(true);
        assert_eq!(samples.add(at(0), Theta::from_nanos(0) + 2.0, &belief).frequency, None);
        assert_eq!(samples.add(at(1000), Theta::from_nanos(0) + 2.1, &belief).frequency, None);
        let line = samples.add(at(2000), Theta::from_nanos(0) + 2.2, &belief);
        let (frequency, _) = line.frequency.expect("three samples");
        assert!((frequency - 1e-4).abs() < 1e-12 && (line.theta.seconds() - 2.2).abs() < 1e-9);
        let list = samples.report(&belief);
        assert_eq!(list.samples.len(), 3);
        assert!(
            (list.samples[1].slewed_offset.0 + 2.1).abs() < 1e-9 && list.samples[1].residual.0.abs() < 1e-9
        );
        assert!(!samples.delete(3) && !samples.delete(-1) && samples.delete(1));
        assert_eq!(samples.report(&belief).samples.len(), 2);
        let rest = samples.rest().expect("two are left");
        assert_eq!((rest.v, rest.theta, rest.frequency), (at(2000), Theta::from_nanos(0) + 2.2, None));
        assert!(samples.delete(1) && samples.rest().is_none());
        samples.enable(false);
        assert!(samples.report(&belief).samples.is_empty() && !samples.enabled());
    }
}
