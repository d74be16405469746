//! What an earlier run has learned of a path: the belief before the first sample, as long as the samples bear it out.

use super::noise::Noise;
use libm::{exp, log};

/// A path's noise may be any other with this probability; its logarithm has then this deviation.
const OTHERWISE: (f64, f64) = (0.1, 2.0);
/// Beyond so many deviations it is another path, and so is one whose only packet waits so many times as long as usual.
const ANOTHER: (f64, f64) = (4.0, 7.0);

/// What is expected of a path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expected {
    /// Its noise.
    pub noise: Noise,
    /// Standard deviation of the logarithms of `noise`.
    pub doubt: f64,
    /// Its shortest round trip, s.
    pub delay: f64,
    /// Variance of `delay`, s².
    pub delay_variance: f64,
    /// Half of what the way there takes longer than the way back, s; 0 when it is not known.
    pub asymmetry: f64,
}

impl Expected {
    /// May this be the path that `samples` were measured on, of which the shortest took `least` seconds?
    pub fn fits(&self, least: f64, samples: usize) -> bool {
        let waits = self.noise.forward + self.noise.backward;
        let sure = ANOTHER.0 * libm::sqrt(self.delay_variance);
        // How long the luckiest of n packets waits: about 10⁻⁵ of all paths are mistaken for another, whatever n is.
        let luckiest = ANOTHER.1 / libm::pow(samples.max(1) as f64, 0.75);
        let reading = self.noise.reading[0].max(self.noise.reading[1]);
        let late = waits * exp(self.doubt) * luckiest;
        (self.delay - sure - reading..=self.delay + sure + late).contains(&least)
    }

    /// The shortest delay before the first sample: its mean (s) and variance, when the shortest seen took `least` seconds
    /// by an oscillator whose frequency has the variance `frequency`.
    pub fn delay_prior(&self, least: f64, frequency: f64) -> (f64, f64) {
        (self.delay.min(least), self.delay_variance + frequency * least * least)
    }

    /// Logarithm of how plausible such noise is.
    pub fn plausibility(&self, noise: &Noise) -> f64 {
        let normal = |x: f64, sd: f64| exp(-0.5 * (x / sd) * (x / sd)) / sd;
        let one = |is: f64, was: f64| {
            let x = log(is / was);
            let (rare, wide) = OTHERWISE;
            log((1.0 - rare) * normal(x, self.doubt) + rare * normal(x, wide) + 1e-300)
        };
        one(noise.forward, self.noise.forward)
            + one(noise.backward, self.noise.backward)
            + 0.5 * one(noise.reading[0], self.noise.reading[0])
            + 0.5 * one(noise.reading[1], self.noise.reading[1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPECTED: Expected = Expected {
        noise: Noise { forward: 1e-4, backward: 3e-4, reading: [1e-5; 2], two_sided: false },
        doubt: 0.5,
        delay: 0.020,
        delay_variance: 1e-10,
        asymmetry: 0.0,
    };

    #[test]
    fn another_path_is_recognised() {
        assert!(EXPECTED.fits(0.0201, 1) && EXPECTED.fits(0.024, 1) && EXPECTED.fits(0.0203, 16));
        assert!(!EXPECTED.fits(0.022, 8), "eight packets and none of them was soon");
        assert!(!EXPECTED.fits(0.010, 1) && !EXPECTED.fits(0.040, 1), "half, and double");
        assert!(
            EXPECTED.fits(0.01997, 30) && !EXPECTED.fits(0.0199, 30),
            "nothing is faster than the shortest"
        );
    }

    #[test]
    fn the_noise_expected_is_the_most_plausible_and_others_are_possible() {
        let at = |factor: f64| {
            let n = EXPECTED.noise;
            EXPECTED.plausibility(&Noise { forward: n.forward * factor, ..n })
        };
        assert!(at(1.0) > at(1.5) && at(1.0) > at(0.7) && at(1.5) > at(10.0));
        assert!(at(1.0) - at(30.0) < 6.0, "a few packets overrule it: {}", at(30.0));
    }
}
