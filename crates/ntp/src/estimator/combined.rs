//! What all sources together say of the oscillator.

use super::Theta;
use crate::time::OscTime;
use libm::sqrt;

/// A line θ(V), how sure it is, and how its error grows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Combined {
    /// The instant it is said of.
    pub v: OscTime,
    /// True time minus oscillator time at `v`; positive: the oscillator is behind.
    pub theta: Theta,
    /// Standard deviation of the noise of `theta`, s; what no measurement can tell, the asymmetry of the best path, is
    /// not in it.
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
}

impl Combined {
    /// θ at `v`: the line, extended.
    pub fn predict(&self, v: OscTime) -> Theta {
        self.theta + self.frequency * (v - self.v)
    }

    /// Variance that `seconds` (t) without a sample add, s²: 2·max(P_θy, 0)·t + P_yy·t² + w²·t³/3, the error of the
    /// frequency and its wander.
    pub fn growth_square(&self, seconds: f64) -> f64 {
        let t = seconds.max(0.0);
        2.0 * self.covariance.max(0.0) * t
            + self.frequency_sd * self.frequency_sd * t * t
            + self.wander * self.wander * t * t * t / 3.0
    }

    /// How much the deviation of θ grows over `seconds` without a sample, s, without what is uncertain now (DESIGN.md,
    /// "How often to ask?").
    pub fn growth(&self, seconds: f64) -> f64 {
        sqrt(self.growth_square(seconds))
    }

    /// Standard deviation of θ `seconds` after `v` without another sample, s: a holdover's honest error.
    pub fn sd_after(&self, seconds: f64) -> f64 {
        sqrt(self.theta_sd * self.theta_sd + self.growth_square(seconds))
    }
}
