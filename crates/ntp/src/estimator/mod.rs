//! From samples to estimates: what one source says about our oscillator.
//!
//! [`SourceStats`] keeps the last samples of one source in a ring of fixed size and, after each, fits a line
//! through them ([`regress`]): true time minus oscillator time, θ, as a function of oscillator time V. Because
//! V does not know our steering, neither a slew nor a step of the clock ever has to touch a sample or an
//! [`Estimate`]. Read [`Theta`] and [`Estimate`] first; everything behind `SourceStats` may be replaced by a
//! better estimator without a change elsewhere.

mod anchor;
mod asymmetry;
mod beginning;
mod combined;
mod expected;
mod joint;
mod likelihood;
mod member;
mod membership;
mod missed;
pub mod noise;
mod oscillator;
mod past;
mod path;
pub mod quantile;
pub mod regress;
mod runs;
mod shocks;
mod state;
pub mod temperature;
#[cfg(test)]
mod tests;
mod theta;
mod window;

pub use combined::Combined;
pub use expected::Expected;
pub use joint::{Joint, Used};
pub use missed::Missed;
pub use oscillator::{Oscillator, WANDERS};
pub use path::PathFilter;
pub use state::Point;
pub use theta::Theta;

use crate::sample::Sample;
use crate::time::OscTime;
use path::Believed;
use quantile::DelayHistory;
use regress::Residuals;

/// Samples kept of one source, the newest ones.
pub const MAX_SAMPLES: usize = 64;

/// Fewest samples that give a frequency.
pub const MIN_FIT: usize = 3;

/// Frequency error assumed while nothing is known about it, s/s.
pub const UNKNOWN_SKEW: f64 = 2000e-6;

/// Standard deviation reported while nothing is known about it, s.
pub const UNKNOWN_STD_DEV: f64 = 4.0;

/// What one source says: a line θ(V) and how sure it is.
///
/// The error of θ at `v + t` has the variance `offset_sd² + 2·covariance·t + frequency_sd²·t² + wander²·|t|³/3`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Reference instant: the newest sample's.
    pub v: OscTime,
    /// True time minus oscillator time at `v`; positive: the oscillator is behind.
    pub theta: Theta,
    /// Standard deviation of `theta`, s: noise of the path only, not its asymmetry.
    pub offset_sd: f64,
    /// dθ/dV, s/s; positive: the oscillator is slow.
    pub frequency: f64,
    /// Standard deviation of `frequency`, s/s; [`UNKNOWN_SKEW`] when there is none yet.
    pub frequency_sd: f64,
    /// Covariance of `theta` and `frequency`, s·(s/s).
    pub covariance: f64,
    /// Random walk of the frequency, s/s per √s.
    pub wander: f64,
    /// Bound on the error of `frequency`, s/s: what reports call skew.
    pub skew: f64,
    /// Spread of the samples' offsets around the line, s.
    pub std_dev: f64,
    /// Noise of one measurement as the filter has learned it, s: without what the oscillator's wander adds to
    /// `std_dev`.
    pub noise: f64,
    /// Shortest round trip, as fitted, s.
    pub delay: f64,
    /// Samples behind it.
    pub samples: usize,
}

impl Estimate {
    /// What one or two samples tell: an offset as uncertain as its round trip, and no frequency.
    pub(crate) fn unknown(sample: &Sample) -> Self {
        let delay = sample.delay().abs();
        Self {
            v: sample.v,
            theta: Theta::from_nanos(sample.offset_nanos()),
            offset_sd: delay / 2.0 + sample.dispersion.abs(),
            frequency: 0.0,
            frequency_sd: UNKNOWN_SKEW,
            covariance: 0.0,
            wander: 0.0,
            skew: UNKNOWN_SKEW,
            std_dev: UNKNOWN_STD_DEV,
            noise: UNKNOWN_STD_DEV,
            delay,
            samples: 1,
        }
    }

    /// True when enough samples were there to know the frequency.
    pub fn has_frequency(&self) -> bool {
        self.samples >= MIN_FIT
    }

    /// How much the deviation of θ grows over `seconds` without a sample, s: the error of the frequency and its
    /// wander, without what is uncertain now (DESIGN.md, "How often to ask?").
    pub fn growth(&self, seconds: f64) -> f64 {
        let t = seconds.max(0.0);
        let variance = 2.0 * self.covariance.max(0.0) * t
            + self.frequency_sd * self.frequency_sd * t * t
            + self.wander * self.wander * t * t * t / 3.0;
        libm::sqrt(variance)
    }

    /// θ at `v`: the line, extended.
    pub fn predict(&self, v: OscTime) -> Theta {
        self.theta + self.frequency * (v - self.v)
    }

    /// Standard deviation of [`Self::predict`], s.
    pub fn predict_sd(&self, v: OscTime) -> f64 {
        let t = v - self.v;
        let variance = self.offset_sd * self.offset_sd
            + 2.0 * self.covariance * t
            + self.frequency_sd * self.frequency_sd * t * t
            + self.wander * self.wander * (t * t * t).abs() / 3.0;
        libm::sqrt(variance.max(0.0))
    }
}

/// Limits of the window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StatsOptions {
    /// `minsamples`: the window is not cut below this (but see [`MIN_FIT`]).
    pub min_samples: usize,
    /// `maxsamples`; 0: as many as the ring holds.
    pub max_samples: usize,
    /// `asymmetry`: share of the jitter that lies on the way there less a half, ±0.5; larger: measured.
    pub asymmetry: f64,
    /// The samples are a reference clock's: without a path, and as often early as late.
    pub refclock: bool,
}

impl Default for StatsOptions {
    fn default() -> Self {
        Self { min_samples: 6, max_samples: 0, asymmetry: 1.0, refclock: false }
    }
}

impl StatsOptions {
    fn most(&self) -> usize {
        if self.max_samples == 0 { MAX_SAMPLES } else { self.max_samples.min(MAX_SAMPLES) }
    }

    fn least(&self) -> usize {
        self.min_samples.clamp(MIN_FIT, self.most().max(MIN_FIT))
    }
}

/// The samples of one source and what follows from them.
#[derive(Clone, Debug)]
pub struct SourceStats {
    options: StatsOptions,
    /// Oldest first; only the first `count` are meant.
    ring: [Sample; MAX_SAMPLES],
    count: usize,
    /// Index of the oldest sample that still belongs to the line.
    first: usize,
    /// Samples that the last push cut off.
    dropped: usize,
    path: Box<PathFilter>,
    delays: DelayHistory,
    estimate: Option<Estimate>,
    runs: usize,
}

const EMPTY: Sample = Sample {
    v: OscTime::from_nanos(0),
    forward: 0,
    backward: 0,
    half: 0.0,
    dispersion: 0.0,
    root_delay: 0.0,
    root_dispersion: 0.0,
    stratum: 0,
    leap: crate::wire::Leap::None,
};

impl SourceStats {
    /// No samples yet.
    pub fn new(options: StatsOptions) -> Self {
        Self {
            options,
            ring: [EMPTY; MAX_SAMPLES],
            count: 0,
            first: 0,
            dropped: 0,
            path: Box::new(PathFilter::new(options.refclock, options.asymmetry)),
            delays: DelayHistory::default(),
            estimate: None,
            runs: 0,
        }
    }

    /// The limits of the window.
    pub fn options(&self) -> StatsOptions {
        self.options
    }

    /// Forgets everything but the options.
    pub fn reset(&mut self) {
        *self = Self::new(self.options);
    }

    /// Adds the newest sample and estimates anew, with what all sources know of the `oscillator`.
    ///
    /// Samples come in the order of their `v` (restored ones first); one that is older than the last is
    /// ignored, and so is one with absurd numbers. Returns whether it was taken.
    pub fn push(&mut self, sample: &Sample, oscillator: &Oscillator) -> bool {
        let seconds = [sample.half, sample.dispersion, sample.root_delay, sample.root_dispersion];
        let sane = seconds.iter().all(|x| x.abs() < 1e9);
        if !sane || self.last().is_some_and(|last| sample.v < last.v) {
            return false;
        }
        let most = self.options.most();
        if self.count >= most.max(1) {
            let oldest = self.ring[self.count - most.max(1)];
            self.path.drop_oldest(&oldest, most.max(1), most < MAX_SAMPLES, oscillator);
        }
        if self.count == MAX_SAMPLES {
            self.ring.copy_within(1.., 0);
            self.count -= 1;
            self.first = self.first.saturating_sub(1);
        }
        self.ring[self.count] = *sample;
        self.count += 1;
        self.refit(oscillator);
        true
    }

    /// The samples that the estimate is made of, oldest first.
    pub fn window(&self) -> &[Sample] {
        &self.ring[self.count.saturating_sub(self.options.most().max(1))..self.count]
    }

    /// The filter over them.
    pub fn path(&self) -> &PathFilter {
        &self.path
    }

    /// The filter over them, to be told what is expected of the path.
    pub fn path_mut(&mut self) -> &mut PathFilter {
        &mut self.path
    }

    /// Remembers the round trip (s) of any valid answer, accepted as a sample or not, for [`Self::delay_quantile`].
    pub fn note_delay(&mut self, delay: f64) {
        self.delays.push(delay);
    }

    /// True time is known to have moved by `nanos` against oscillator time (a leap second, a correction of V).
    pub fn add_offset(&mut self, nanos: i64) {
        for sample in &mut self.ring[..self.count] {
            sample.forward = sample.forward.saturating_add(nanos);
            sample.backward = sample.backward.saturating_sub(nanos);
        }
        self.path.add_offset(nanos);
        if let Some(estimate) = self.estimate.as_mut() {
            estimate.theta = estimate.theta + nanos as f64 * 1e-9;
        }
    }

    /// The line through the samples; `None` before the first.
    pub fn estimate(&self) -> Option<&Estimate> {
        self.estimate.as_ref()
    }

    /// The newest sample.
    pub fn last(&self) -> Option<&Sample> {
        self.ring[..self.count].last()
    }

    /// All samples kept, oldest first: what a dump file saves.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Sample> + Clone {
        self.ring[..self.count].iter()
    }

    /// Newest samples that a straight line still describes (NP of the reports). Poll adaptation holds it against `polltarget`: a
    /// longer window than wanted means that polling can be slower.
    pub fn samples(&self) -> usize {
        self.count - self.first
    }

    /// How many samples the last push cut off at the old end because the line no longer described them.
    pub fn dropped(&self) -> usize {
        self.dropped
    }

    /// Runs of residuals of one sign (NR of the reports).
    pub fn runs(&self) -> usize {
        self.runs
    }

    /// Time between the oldest and the newest sample of the line, s.
    pub fn span(&self) -> f64 {
        self.oldest().zip(self.last()).map_or(0.0, |(oldest, newest)| newest.v - oldest)
    }

    /// Oscillator time of the oldest sample of the line.
    pub fn oldest(&self) -> Option<OscTime> {
        self.ring[self.first..self.count].first().map(|sample| sample.v)
    }

    /// Share of the jitter that lies on the way there, −0.5 (none: all on the way back) to 0.5 (all).
    pub fn asymmetry(&self) -> f64 {
        let noise = self.path.noise();
        match self.path.seen() {
            0 => 0.0,
            _ => 0.5 * (noise.forward - noise.backward) / (noise.forward + noise.backward),
        }
    }

    /// Spread of the offsets around the line, s; [`UNKNOWN_STD_DEV`] before the third sample.
    pub fn std_dev(&self) -> f64 {
        self.estimate.as_ref().map_or(UNKNOWN_STD_DEV, |e| e.std_dev)
    }

    /// Shortest round trip among all samples in the ring, s; `None` before the first.
    pub fn min_delay(&self) -> Option<f64> {
        self.ring[..self.count].iter().map(Sample::delay).min_by(f64::total_cmp)
    }

    /// The round trip that a share `p` of the noted ones does not exceed, s (option `maxdelayquant`).
    pub fn delay_quantile(&self, p: f64) -> Option<f64> {
        self.delays.quantile(p)
    }

    /// Packet test C with `maxdelaydevratio`: is `delay` within `ratio` standard deviations of the shortest?
    /// Everything passes before a line exists.
    pub fn accepts_delay(&self, delay: f64, ratio: f64) -> bool {
        match (self.min_delay(), &self.estimate) {
            (Some(least), Some(estimate)) if estimate.has_frequency() => {
                delay - least <= ratio * estimate.std_dev.max(1e-9)
            }
            _ => true,
        }
    }
}

impl SourceStats {
    /// Estimates anew with the newest sample.
    fn refit(&mut self, oscillator: &Oscillator) {
        let Some(newest) = self.last().copied() else { return };
        let oldest = self.count.saturating_sub(self.options.most());
        self.first = self.first.max(oldest);
        let base = newest.offset_nanos();
        let mut points = [Point::default(); MAX_SAMPLES];
        for (point, sample) in points.iter_mut().zip(&self.ring[..self.count]) {
            *point = Point::new(sample, newest.v, base);
        }
        let points = &points[..self.count];
        let residuals = self.cut(points);
        self.estimate = Some(Estimate::unknown(&newest));
        let start = self.count.saturating_sub(self.options.most().max(1));
        let window = &points[start..];
        if !window.iter().all(Point::is_sane) {
            return;
        }
        let samples = &self.ring[start..self.count];
        let believed = self.path.update(samples, oscillator);
        let spans = window[0].t < 0.0;
        if let Some(believed) = believed.filter(|_| window.len() >= MIN_FIT && spans) {
            self.estimate = Some(self.as_estimate(&newest, &believed, &residuals));
        }
    }

    fn as_estimate(&self, newest: &Sample, believed: &Believed, residuals: &Residuals) -> Estimate {
        let Believed { theta, state } = believed;
        let frequency_sd = libm::sqrt(state.p[1][1]);
        Estimate {
            v: newest.v,
            theta: Theta::from_nanos(*theta) + state.x[0],
            offset_sd: libm::sqrt(state.p[0][0]),
            frequency: state.x[1],
            frequency_sd,
            covariance: state.p[0][1],
            wander: self.path.wander(),
            skew: 2.0 * frequency_sd,
            std_dev: residuals.std_dev,
            noise: self.path.noise().of_offset(),
            delay: state.x[2],
            samples: self.samples(),
        }
    }

    /// Drops the oldest samples from the reported line until it is straight.
    fn cut(&mut self, points: &[Point]) -> Residuals {
        let start = self.first;
        loop {
            let window = &points[self.first..];
            let residuals = Residuals::new(window, &regress::fit(window));
            if residuals.is_straight() || window.len() <= self.options.least() {
                self.dropped = self.first - start;
                self.runs = residuals.runs;
                return residuals;
            }
            self.first += 1;
        }
    }
}
