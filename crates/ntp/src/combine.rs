//! Many estimates into one.
//!
//! The noise of an estimate averages out, the asymmetry of its path does not, and nobody can measure it: it is
//! taken to grow with the root distance. So offsets are weighted by 1/(sd² + (k · root distance)²), frequencies
//! (which no constant asymmetry touches) by 1/sd². Both are then weighted once more by how well they agree with
//! the others, as if errors had the long tails of Student's t: a source on an asymmetric path, or a server whose
//! own clock drifts, loses its pull instead of dragging the mean. All weights are positive, so the result lies
//! between its members.

use crate::estimator::{Estimate, Theta};
use crate::time::OscTime;
use core::borrow::Borrow;
use libm::sqrt;

/// How much the offset of a member may be wrong beyond its noise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weight {
    /// Root distance, s.
    pub root_distance: f64,
}

/// What the members say together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Combined {
    /// The instant it is said of.
    pub v: OscTime,
    /// True time minus oscillator time at `v`; positive: the oscillator is behind.
    pub theta: Theta,
    /// Standard deviation of the noise of `theta`, s; what paths have in common with each other is not in it.
    pub theta_sd: f64,
    /// dθ/dV, s/s; positive: the oscillator is slow.
    pub frequency: f64,
    /// Standard deviation of `frequency`, s/s.
    pub frequency_sd: f64,
    /// Bound on the error of `frequency`, s/s.
    pub skew: f64,
    /// Random walk of the frequency, s/s per √s.
    pub wander: f64,
    /// Covariance of `theta` and `frequency`, s·(s/s).
    pub covariance: f64,
    /// How far the members' offsets lie apart (weighted standard deviation), s.
    pub spread: f64,
}

/// Share of the root distance that counts as one standard deviation of asymmetry.
const ASYMMETRY: f64 = 0.1;

/// Degrees of freedom of Student's t.
const TAILS: f64 = 4.0;

/// Combines `members` at the instant `at`; `None` without members. Takes time quadratic in their number.
pub fn combine<E: Borrow<Estimate>>(members: &[(E, Weight)], at: OscTime) -> Option<Combined> {
    let base = members.first()?.0.borrow().predict(at);
    let offset = |i: usize| {
        let (estimate, weight) = (members[i].0.borrow(), members[i].1);
        let (sd, gauge) = (estimate.predict_sd(at), ASYMMETRY * weight.root_distance);
        Term::new(estimate.predict(at) - base, sd, sd * sd + gauge * gauge)
    };
    let frequency = |i: usize| {
        let estimate = members[i].0.borrow();
        // The frequency at `at`, not at the last sample: wander has added to its variance.
        let wander = estimate.wander * estimate.wander * (at - estimate.v).abs();
        let variance = estimate.frequency_sd * estimate.frequency_sd + wander;
        Term::new(estimate.frequency, sqrt(variance), variance)
    };
    let offsets = Mean::of(members.len(), offset);
    // One long-lived, smooth, drifting server would outweigh all others; no one gets more than 40 %.
    let total: f64 = (0..members.len()).map(|i| frequency(i).weight).sum();
    let capped = |i: usize| {
        let term = frequency(i);
        let most = if members.len() >= 3 { (total - term.weight) * 2.0 / 3.0 } else { total };
        Term { weight: term.weight.min(most), ..term }
    };
    let frequencies = Mean::of(members.len(), capped);
    let mut sums = (0.0, 0.0);
    for (i, estimate) in members.iter().map(|(estimate, _)| estimate.borrow()).enumerate() {
        let (a, b) = (offsets.share(offset(i)), frequencies.share(capped(i)));
        let covariance =
            estimate.covariance + estimate.frequency_sd * estimate.frequency_sd * (at - estimate.v);
        sums.0 += sqrt(a * b) * covariance;
        sums.1 += b * estimate.wander;
    }
    Some(Combined {
        v: at,
        theta: base + offsets.value,
        theta_sd: offsets.sd,
        frequency: frequencies.value,
        frequency_sd: frequencies.sd,
        skew: 2.0 * frequencies.sd,
        wander: sums.1,
        covariance: sums.0.clamp(-offsets.sd * frequencies.sd, offsets.sd * frequencies.sd),
        spread: offsets.spread,
    })
}

/// One member's say about one number.
#[derive(Clone, Copy)]
struct Term {
    value: f64,
    sd: f64,
    variance: f64,
    weight: f64,
}

impl Term {
    fn new(value: f64, sd: f64, variance: f64) -> Self {
        let variance = variance.max(1e-30);
        Self { value, sd, variance, weight: 1.0 / variance }
    }

    /// Its weight if the truth were `centre`.
    fn pull(&self, centre: f64) -> f64 {
        let r = self.value - centre;
        self.weight * (TAILS + 1.0) / (TAILS + r * r / self.variance)
    }
}

/// A weighted mean that outliers do not move.
struct Mean {
    value: f64,
    sd: f64,
    spread: f64,
    /// The centre that gave the last weights, and their sum.
    centre: f64,
    total: f64,
}

impl Mean {
    fn of(n: usize, term: impl Fn(usize) -> Term) -> Self {
        let mut centre = median(n, &term);
        let (mut value, mut total) = (centre, 0.0);
        for _ in 0..6 {
            centre = value;
            total = (0..n).map(|i| term(i).pull(centre)).sum();
            value = (0..n).map(|i| term(i).pull(centre) / total * term(i).value).sum();
        }
        let mut mean = Self { value, sd: 0.0, spread: 0.0, centre, total };
        let (mut independent, mut common) = (0.0, 0.0);
        for term in (0..n).map(&term) {
            let share = mean.share(term);
            independent += share * share * term.sd * term.sd;
            common += share * term.sd;
            mean.spread += share * (term.value - value) * (term.value - value);
        }
        mean.spread = sqrt(mean.spread);
        // Half of the noise is the oscillator's own, which all members share and no mean removes.
        mean.sd = sqrt((independent + common * common) / 2.0);
        mean
    }

    fn share(&self, term: Term) -> f64 {
        term.pull(self.centre) / self.total
    }
}

impl Combined {
    /// Standard deviation of θ `seconds` after `v` without another sample, s: a holdover's honest error.
    pub fn sd_after(&self, seconds: f64) -> f64 {
        let t = seconds.max(0.0);
        let variance = self.theta_sd * self.theta_sd
            + 2.0 * self.covariance.max(0.0) * t
            + self.frequency_sd * self.frequency_sd * t * t
            + self.wander * self.wander * t * t * t / 3.0;
        sqrt(variance)
    }
}

/// The value with half of the weight on either side.
fn median(n: usize, term: &impl Fn(usize) -> Term) -> f64 {
    let total: f64 = (0..n).map(|i| term(i).weight).sum();
    let reaches = |value: f64| {
        let below: f64 = (0..n).map(term).filter(|t| t.value <= value).map(|t| t.weight).sum();
        2.0 * below >= total
    };
    (0..n).map(|i| term(i).value).filter(|&value| reaches(value)).fold(f64::INFINITY, f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn estimate(offset: f64, offset_sd: f64, frequency: f64, frequency_sd: f64) -> Estimate {
        Estimate {
            v: OscTime::from_seconds(1e6),
            theta: Theta::from_nanos(1_000_000_000_000_000_000) + offset,
            offset_sd,
            frequency,
            frequency_sd,
            covariance: 0.0,
            wander: 1e-9,
            skew: 2.0 * frequency_sd,
            std_dev: offset_sd,
            noise: offset_sd,
            delay: 0.01,
            samples: 10,
        }
    }

    fn combined(estimates: &[Estimate], distance: f64) -> Combined {
        let members: Vec<_> = estimates.iter().map(|e| (e, Weight { root_distance: distance })).collect();
        combine(&members, OscTime::from_seconds(1e6)).expect("there are members")
    }

    #[test]
    fn one_member_is_its_own_combination_and_none_is_none() {
        let only = estimate(0.25, 1e-5, 1e-6, 1e-8);
        let c = combined(&[only], 0.01);
        assert!((c.theta - only.theta).abs() < 1e-12 && (c.theta_sd - 1e-5).abs() < 1e-12);
        assert_eq!((c.frequency, c.spread), (1e-6, 0.0));
        assert_eq!(combine::<Estimate>(&[], OscTime::default()), None);
    }

    #[test]
    fn one_far_server_does_not_pull() {
        let near = |offset| estimate(offset, 1e-5, 0.0, 1e-8);
        let c = combined(&[near(1e-5), near(-1e-5), near(0.0), near(2e-5), near(9e-3)], 0.002);
        let error = c.theta - near(0.0).theta;
        assert!(error.abs() < 1e-4, "{error}");
    }

    #[test]
    fn one_drifting_server_does_not_pull_however_sure_it_is() {
        let honest = |frequency| estimate(0.0, 1e-5, frequency, 2e-8);
        let drifting = estimate(0.0, 1e-5, 1e-5, 1e-10);
        let c = combined(&[honest(1e-8), honest(-1e-8), drifting, honest(0.0), honest(2e-8)], 0.01);
        assert!(c.frequency.abs() < 3e-8, "{}", c.frequency);
    }

    proptest! {
        #[test]
        fn a_combination_lies_between_its_members(
            members in prop::collection::vec((-1.0f64..1.0, 0.0f64..1e-2, -0.1f64..0.1, 0.0f64..1e-3, 0.0f64..3.0), 1..20),
            after in -1e3f64..1e5,
        ) {
            let estimates: Vec<_> = members.iter().map(|m| estimate(m.0, m.1, m.2, m.3)).collect();
            let with: Vec<_> = estimates.iter().zip(&members).map(|(e, m)| (e, Weight { root_distance: m.4 })).collect();
            let at = OscTime::from_seconds(1e6) + after;
            let c = combine(&with, at).expect("there are members");
            let base = estimates[0].predict(at);
            let offsets = || estimates.iter().map(|e| e.predict(at) - base);
            let (low, high) = (offsets().fold(f64::INFINITY, f64::min), offsets().fold(f64::NEG_INFINITY, f64::max));
            prop_assert!(low - 1e-8 <= c.theta - base && c.theta - base <= high + 1e-8);
            let lowest = members.iter().map(|m| m.2).fold(f64::INFINITY, f64::min);
            let highest = members.iter().map(|m| m.2).fold(f64::NEG_INFINITY, f64::max);
            prop_assert!(lowest - 1e-12 <= c.frequency && c.frequency <= highest + 1e-12);
            prop_assert!(c.theta_sd.is_finite() && c.frequency_sd.is_finite() && c.spread.is_finite());
            prop_assert!(c.covariance.abs() <= c.theta_sd * c.frequency_sd + 1e-30);
        }
    }
}
