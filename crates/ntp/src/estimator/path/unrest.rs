//! Queues come and go: how much longer than usual the packets of a path wait at the time of each sample.
//!
//! A link that is full for some minutes, or every evening, delays all packets of that time. What the samples before and
//! after one have waited tells what it may have waited itself; how much of that is to be believed is learned by evidence
//! (docs/discipline.md, "Noise by evidence").

use super::PathFilter;
use crate::estimator::MAX_SAMPLES;
use crate::estimator::oscillator::Oscillator;
use libm::{exp, log};

/// Neighbours on each side that tell.
pub const REACH: usize = 4;
/// Weight of the usual wait, in neighbours.
const USUAL: f64 = 0.5;
/// Steps in which the exponent is searched, its greatest value, and its deviation beforehand.
const STEP: f64 = 0.2;
const MOST: f64 = 1.0;
const SPREAD: f64 = 0.5;
/// Samples from which on it is asked whether waits come in bursts, and every how many.
const ASKED: (usize, usize) = (MAX_SAMPLES, 4);
/// Factors on the mean wait lie between these.
const LIMITS: (f64, f64) = (1e-3, 1e3);

/// How restless a path is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Unrest {
    /// Mean waits go with this power of what the neighbours waited: 0, all samples are alike.
    exponent: f64,
    /// What packets usually wait there and back, s.
    usual: [f64; 2],
}

/// What the neighbours of a sample have waited there and back, s: the sum over so many.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Near {
    pub sum: [f64; 2],
    /// See `sum`.
    pub count: f64,
}

impl Unrest {
    /// Factors on the mean waits there and back of a sample with such neighbours.
    pub fn factors(&self, near: &Near) -> [f64; 2] {
        if self.exponent == 0.0 {
            return [1.0; 2];
        }
        core::array::from_fn(|way| {
            let usual = self.usual[way].max(1e-12);
            let ratio = (near.sum[way] + USUAL * usual) / ((near.count + USUAL) * usual);
            exp(self.exponent * log(ratio.clamp(LIMITS.0, LIMITS.1)))
        })
    }

    /// Power of the neighbours' waits with which mean waits go.
    pub fn exponent(&self) -> f64 {
        self.exponent
    }

    /// With an exponent `by` away, if there is one.
    pub fn moved(&self, by: f64) -> Option<Self> {
        let exponent = (self.exponent + by).clamp(0.0, MOST);
        (exponent != self.exponent).then_some(Self { exponent, ..*self })
    }

    /// Logarithm of how plausible it is beforehand.
    pub fn plausibility(&self) -> f64 {
        -0.5 * (self.exponent / SPREAD) * (self.exponent / SPREAD)
    }
}

/// What the samples of a window have waited there and back as it looked when they came, s.
#[derive(Clone, Debug)]
pub struct Waits {
    list: [[f64; 2]; MAX_SAMPLES],
    count: usize,
}

impl Default for Waits {
    fn default() -> Self {
        Self { list: [[0.0; 2]; MAX_SAMPLES], count: 0 }
    }
}

impl Waits {
    /// The newest sample's.
    pub fn push(&mut self, waits: [f64; 2], unrest: &mut Unrest) {
        if self.count == MAX_SAMPLES {
            self.list.copy_within(1.., 0);
            self.count -= 1;
        }
        self.list[self.count] = waits;
        self.count += 1;
        let list = &self.list[..self.count];
        unrest.usual =
            core::array::from_fn(|way| list.iter().map(|w| w[way]).sum::<f64>() / list.len() as f64);
    }

    /// Around the sample that `after` samples came after, of which the newest `unknown` have not been pushed yet.
    pub fn near(&self, after: usize, unknown: usize) -> Near {
        let Some(index) = (self.count + unknown).checked_sub(after + 1) else { return Near::default() };
        let mut near = Near::default();
        for i in index.saturating_sub(REACH)..(index + REACH + 1).min(self.count) {
            if i != index {
                near.sum = [near.sum[0] + self.list[i][0], near.sum[1] + self.list[i][1]];
                near.count += 1.0;
            }
        }
        near
    }
}

impl PathFilter {
    /// How restless the path is.
    pub fn unrest(&self) -> &Unrest {
        &self.unrest
    }

    /// What was waited around the sample that `after` samples came after.
    pub fn near(&self, after: usize) -> Near {
        self.waits.near(after, 0)
    }

    /// Says of each of the `n` points how long packets waited at its time.
    pub(super) fn weigh(&mut self, n: usize) {
        for (i, point) in self.points[..n].iter_mut().enumerate() {
            point.unrest = self.unrest.factors(&self.waits.near(n - 1 - i, 1));
        }
    }

    /// Do the samples wait as their neighbours do?
    pub(super) fn learn_unrest(&mut self, n: usize, oscillator: &Oscillator) {
        if self.two_sided || self.seen < ASKED.0 || !self.seen.is_multiple_of(ASKED.1) {
            return;
        }
        let shocks = self.shocks(oscillator);
        let evidence = |path: &Self| {
            path.pass(n, &shocks).map_or(f64::NEG_INFINITY, |r| r.1) + path.unrest.plausibility()
        };
        let (plain, before) = (evidence(self), self.unrest);
        for step in [STEP, -STEP] {
            let Some(moved) = before.moved(step) else { continue };
            self.unrest = moved;
            self.weigh(n);
            if evidence(self) > plain {
                return;
            }
        }
        self.unrest = before;
        self.weigh(n);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estimator::{Oscillator, SourceStats, StatsOptions};
    use crate::rng::Rng;
    use crate::sample::Sample;
    use crate::time::{NANOS, OscTime, seconds_to_nanos};

    /// Way of each direction, s.
    const WAY: f64 = 5e-3;

    /// 400 samples of a perfect clock; mean waits of 0.1 ms, there 3 ms in every other forty samples if it is `restless`.
    /// Returns the largest error of the shortest round trip from the hundredth sample on besides, s.
    fn path(restless: bool, seed: u64) -> (SourceStats, f64) {
        let mut rng = Rng::from_number(seed);
        let mut stats = SourceStats::new(StatsOptions::default());
        let mut worst = 0.0f64;
        for i in 0..400 {
            let mut wait = |mean: f64| -mean * log(1.0 - rng.uniform());
            let loud = restless && i / 40 % 2 == 1;
            let (there, back) = (WAY + wait(if loud { 3e-3 } else { 1e-4 }), WAY + wait(1e-4));
            let sample = Sample {
                v: OscTime::from_nanos((1000 + 64 * i) * NANOS),
                forward: seconds_to_nanos(there),
                backward: seconds_to_nanos(back),
                half: (there + back) / 2.0,
                dispersion: 1e-6,
                root_delay: 0.0,
                root_dispersion: 0.0,
                stratum: 1,
                leap: crate::wire::Leap::None,
            };
            assert!(stats.push(&sample, &Oscillator::default()));
            if i >= 100 {
                worst = worst.max((stats.estimate().unwrap().delay - 2.0 * WAY).abs());
            }
        }
        (stats, worst)
    }

    #[test]
    fn bursts_are_known_by_their_neighbours_and_by_their_direction() {
        for seed in 1..=5 {
            let (stats, worst) = path(true, seed);
            let path = stats.path();
            assert!(path.unrest().exponent() >= 0.6, "{:?}", path.unrest());
            // The last forty were loud, those before quiet.
            let (loud, quiet) =
                (path.unrest().factors(&path.near(20)), path.unrest().factors(&path.near(56)));
            assert!(loud[0] > 5.0 * quiet[0], "there: {loud:?} {quiet:?}");
            assert!(loud[1] < 3.0 * quiet[1] && quiet[1] < 3.0 * loud[1], "back: {loud:?} {quiet:?}");
            assert!(worst < 1e-4, "a queue taken for a route: {worst}");
        }
    }

    #[test]
    fn where_waits_are_independent_neighbours_tell_little() {
        let exponents = (1..=8).map(|seed| path(false, seed).0.path().unrest().exponent());
        assert!(exponents.clone().sum::<f64>() / 8.0 < 0.3, "{:?}", exponents.collect::<Vec<_>>());
    }
}
