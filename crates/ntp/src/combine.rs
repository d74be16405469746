//! Many estimates into one.

use crate::estimator::{Estimate, Theta};
use crate::time::OscTime;

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

/// Combines `members` at the instant `at`; `None` without members.
pub fn combine(members: &[(&Estimate, Weight)], at: OscTime) -> Option<Combined> {
    let (first, _) = members.first()?;
    Some(Combined {
        v: at,
        theta: first.predict(at),
        theta_sd: first.predict_sd(at),
        frequency: first.frequency,
        frequency_sd: first.frequency_sd,
        skew: first.skew,
        wander: first.wander,
        covariance: first.covariance,
        spread: 0.0,
    })
}
