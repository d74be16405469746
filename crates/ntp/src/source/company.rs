//! Sources beside each other: how much each tells, and how much they tell together.

use crate::estimator::Estimate;

/// Share of the round trip below which an offset cannot be known, because both ways are never equally long.
const KNOWABLE: f64 = 0.01;
/// Noises that differ by less than this factor count as equal: they are learned.
const AS_QUIET: f64 = 2.0;
/// How many times more than its own noise allows a source may be left alone because others tell more: it has to stay known as
/// right or wrong.
const PATIENCE: f64 = 4.0;

/// Noise of one measurement of a source, s: what its poll interval is a matter of.
///
/// Finer than a small share of the round trip is nothing known, however quiet the path: its asymmetry is not.
pub fn noise_of(estimate: &Estimate) -> f64 {
    estimate.noise.max(KNOWABLE * estimate.delay)
}

/// All who are asked and believed.
#[derive(Clone, Copy, Debug)]
pub struct Company {
    /// Noise of the quietest, s.
    quietest: f64,
    /// How many as quiet as that would tell as much as all together.
    number: f64,
}

impl Company {
    /// Sources of these noises, s.
    pub fn new(noises: impl Iterator<Item = f64> + Clone) -> Self {
        let quietest = noises.clone().fold(f64::INFINITY, f64::min);
        let mut company = Self { quietest, number: 0.0 };
        company.number = noises.map(|noise| company.share(noise)).sum();
        company
    }

    /// How many as quiet as the quietest would tell as much as all together.
    pub fn number(&self) -> f64 {
        self.number
    }

    /// How much a source of this noise tells beside the quietest, at most 1.
    fn share(&self, noise: f64) -> f64 {
        (AS_QUIET * self.quietest / noise).min(1.0)
    }

    /// By how much more a source of this noise may let its prediction grow between two packets than if all were as noisy: 1 to 4.
    pub fn patience(&self, noise: f64) -> f64 {
        libm::sqrt(1.0 / self.share(noise)).clamp(1.0, PATIENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_noisy_count_less_beside_a_quiet_one() {
        let near = |a: f64, b: f64| (a - b).abs() < 1e-12;
        let equal = Company::new([1e-3; 5].into_iter());
        assert!(near(equal.number(), 5.0) && near(equal.patience(1e-3), 1.0));
        let similar = Company::new([1e-3, 1.9e-3].into_iter());
        assert!(near(similar.number(), 2.0) && near(similar.patience(1.9e-3), 1.0), "as good as equal");
        let unequal = Company::new([1e-4, 2e-3, 2e-3].into_iter());
        assert!(near(unequal.number(), 1.2) && near(unequal.patience(1e-4), 1.0));
        assert!(near(unequal.patience(8e-4), 2.0) && near(unequal.patience(1.0), PATIENCE));
        let nobody = Company::new(core::iter::empty());
        assert!(near(nobody.number(), 0.0) && near(nobody.patience(1e-3), 1.0), "nobody is believed yet");
    }
}
