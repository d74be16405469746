//! First guesses from a handful of samples.

use super::PathFilter;
use crate::estimator::MAX_SAMPLES;
use crate::estimator::noise::FLOOR;
use crate::estimator::oscillator::Oscillator;
use crate::estimator::quantile::median;
use crate::sample::Sample;
use crate::time::OscTime;

/// Gain in evidence at which the path is no longer believed to be the one that an earlier run has known.
const DOUBT_PATH: f64 = 5.0;

/// Noise of a reference clock's readings as their scatter shows it, s.
pub(super) fn scatter(window: &[Sample]) -> f64 {
    let claimed = window.iter().map(|s| s.dispersion).sum::<f64>() / window.len().max(1) as f64;
    let seen = spread(window, Sample::offset_nanos).unwrap_or(0.0);
    if window.len() < 5 { seen.max(claimed).max(FLOOR) } else { seen.max(FLOOR) }
}

/// Deviation (s) of what was measured (ns), as the distance of each value from the line through its neighbours shows it: nothing but
/// the oscillator's wander between two samples gets in, and a few that waited long have no say.
pub(super) fn spread(window: &[Sample], value: impl Fn(&Sample) -> i64) -> Option<f64> {
    let mut errors = [0.0; MAX_SAMPLES];
    let mut n = 0;
    for three in window.windows(3).rev() {
        let [a, b, c] = three else { continue };
        let (ahead, whole) = (b.v - a.v, c.v - a.v);
        if whole <= 0.0 {
            continue;
        }
        let share = ahead / whole;
        let base = value(a);
        let rise = |s: &Sample| value(s).saturating_sub(base) as f64 * 1e-9;
        let error = rise(b) - share * rise(c);
        errors[n] = error.abs() / libm::sqrt(1.0 + share * share + (1.0 - share) * (1.0 - share));
        n += 1;
    }
    // The median of |x| is 0.67 deviations. Squares say more, but for the few.
    let most = 2.5 / 0.6745 * median(errors[..n].iter().copied())?;
    let squares = errors[..n].iter().map(|e| e.min(most) * e.min(most));
    Some(libm::sqrt(squares.sum::<f64>() / n as f64))
}

/// What the very first packets of a path may have waited besides: they often wait until addresses are found and connections noted.
/// A law without long waits would have the belief go with them, because at first nothing else is known.
#[derive(Clone, Copy, Debug, Default)]
pub struct FirstWait {
    v: OscTime,
    wait: f64,
}

impl FirstWait {
    /// When the first sample of `window` is that of the path, and took so much longer (s) than the one in the middle.
    pub(super) fn new(window: &[Sample], longer: f64) -> Self {
        window.first().map_or_else(Self::default, |first| Self { v: first.v, wait: 0.5 * longer.max(0.0) })
    }

    /// What the sample of the instant `v` may have waited besides, each way, s.
    pub fn of(&self, v: OscTime) -> f64 {
        if v == self.v { self.wait } else { 0.0 }
    }
}

impl PathFilter {
    /// Is this the path that an earlier run has known, or does the plain guess explain the samples better?
    pub(super) fn doubt_expected(&mut self, window: &[Sample], oscillator: &Oscillator) {
        let n = window.len();
        let Some(expected) = self.expected.filter(|_| !self.advanced && n >= 3) else { return };
        let (shocks, noise, known) = (self.shocks(oscillator), self.noise, self.anchor);
        let evidence = |path: &Self| path.pass(n, &shocks).map_or(f64::NEG_INFINITY, |r| r.1);
        let before = evidence(self) + expected.plausibility(&noise);
        (self.expected, self.noise) = (None, self.first_noise());
        self.anchor = Some(self.prior(window, oscillator, self.wide || oscillator.wide));
        if evidence(self) + self.noise.plausibility(self.jitter, self.others_blurred) <= before + DOUBT_PATH {
            (self.expected, self.noise, self.anchor) = (Some(expected), noise, known);
        }
    }
}

/// Samples at the beginning of a window that a first offset is taken from.
pub const HINTS: usize = 12;

/// A sample from which the first offset may be taken.
#[derive(Clone, Copy, Debug)]
pub struct Hint {
    /// Oscillator time since the beginning of the window, s.
    pub t: f64,
    /// Offset, s.
    pub offset: f64,
    /// Round trip, and what of it is beyond the shortest of its path, s.
    pub delay: f64,
    /// See `delay`.
    pub excess: f64,
}

/// The samples before the first change that no straight line goes through.
pub(super) fn before_jumps<'a>(window: &'a [Sample], oscillator: &Oscillator) -> &'a [Sample] {
    let bend = window.first().and_then(|first| oscillator.jumps.first_bend(first.v));
    bend.map_or(window, |at| &window[..window.partition_point(|sample| sample.v < at)])
}

/// Mean (s) and variance of the offset at the beginning of a window, when the frequency has this mean (s/s) and
/// variance.
///
/// Were it simply the first sample's, a first packet that happened to wait long would be believed, and what is once
/// believed makes the packets that contradict it outliers.
pub fn first_offset(hints: impl Iterator<Item = Hint>, frequency: f64, variance: f64) -> (f64, f64) {
    let doubt = |hint: &Hint| variance * hint.t * hint.t;
    let worth = |hint: &Hint| hint.excess * hint.excess + doubt(hint);
    let best = hints.min_by(|a, b| worth(a).total_cmp(&worth(b)));
    best.map_or((0.0, 1.0), |hint| {
        (hint.offset - frequency * hint.t, hint.delay * hint.delay + 1e-6 + doubt(&hint))
    })
}

/// Variance of the shortest delay before it is learned, s², when `least` is the shortest round trip of `n` samples
/// whose mean wait is `jitter` (s), measured by an oscillator whose frequency has the variance `frequency`.
///
/// Of n sums of two exponential waits the shortest is some 1.25·jitter/√n; twice that is the deviation. To be surer of a
/// delay would be wrong, to be less sure lets the first packets that waited long pull it away for good. An n-th of a per
/// cent of the round trip and what the frequency may add to it come on top.
pub fn delay_variance(jitter: f64, least: f64, n: usize, frequency: f64) -> f64 {
    let n = n.max(1) as f64;
    let share = 0.01 / n;
    6.25 * jitter * jitter / n + (share * share + frequency) * least * least
}
