//! What a path does not see of the oscillator.

use super::Estimate;
use crate::time::OscTime;
use core::f64::consts::SQRT_2;
use libm::sqrt;

/// What a source misses of the oscillator, and with it whoever is as noisy and was asked as long ago: deviations.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Missed {
    /// Of θ, s.
    pub offset: f64,
    /// Of its rate, s/s.
    pub rate: f64,
}

impl Estimate {
    /// What of an oscillator that wanders by `wander` (s/s per √s), or by as much as this path has seen, is missed at `v`.
    ///
    /// Behind a noisy path an oscillator looks calm; its filter then averages for too long and lags. A filter remembers for
    /// τ = sd(θ)/sd(y); in the steady state of one for a walk of intensity w, P_yy = √2·w²τ and P_θθ = P_yy·τ².
    pub fn missed(&self, wander: f64, v: OscTime) -> Missed {
        let (mine, all) = (self.wander * self.wander, (wander * wander).max(self.wander * self.wander));
        let (age, memory) = ((v - self.v).max(0.0), self.offset_sd / self.frequency_sd);
        let lag = SQRT_2 * (all - mine) * memory;
        let (reach, grown) = (memory + age, self.growth(age));
        let offset = grown * grown + lag * reach * reach + (all - mine) * age * age * age / 3.0;
        let rate = lag + all * age;
        if offset.is_finite() && rate.is_finite() {
            Missed { offset: sqrt(offset), rate: sqrt(rate) }
        } else {
            Missed::default()
        }
    }
}
