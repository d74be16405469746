//! What is learned of one path's noise, and how plausible it is beforehand.

use libm::{exp, log, sqrt};

/// Smallest two-sided noise, s: stamps are whole nanoseconds.
pub const FLOOR: f64 = 1e-9;
/// Smallest mean wait, s.
const WAIT_FLOOR: f64 = 0.2e-9;

/// The noise of one path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// Mean queueing on the way there, s.
    pub forward: f64,
    /// Mean queueing on the way back, s.
    pub backward: f64,
    /// Two-sided noise of a reading, s.
    pub reading: f64,
    /// A reference clock's: nothing queues, and a sample is one reading of the clock, not two of a path.
    pub two_sided: bool,
}

impl Default for Noise {
    fn default() -> Self {
        Self::guess(1e-4)
    }
}

impl Noise {
    /// Noise before anything is known but the mean wait `jitter` (s) of one way.
    pub fn guess(jitter: f64) -> Self {
        Self { forward: jitter, backward: jitter, reading: 0.1 * jitter, two_sided: false }.limited()
    }

    /// Noise of a reference clock whose readings scatter by `reading` (s). A small wait is left, so that the law's
    /// outliers are some.
    pub fn two_sided(reading: f64) -> Self {
        Self { forward: 0.0, backward: 0.0, reading, two_sided: true }.limited()
    }

    /// Inside what is numerically sound.
    #[must_use]
    pub fn limited(self) -> Self {
        let reading = self.reading.clamp(FLOOR, 1e3);
        let (forward, backward) =
            if self.two_sided { (0.1 * reading, 0.1 * reading) } else { (self.forward, self.backward) };
        Self {
            forward: forward.clamp(WAIT_FLOOR, 1e3),
            backward: backward.clamp(WAIT_FLOOR, 1e3),
            reading,
            two_sided: self.two_sided,
        }
    }

    /// Deviation of the offset that one sample's two directions give together, s: √(ab/(a + b)), where a and b are the sums
    /// σ² + reading² of the two ways.
    pub fn of_offset(&self) -> f64 {
        if self.two_sided {
            return self.reading;
        }
        let square = |one: f64| one * one + self.reading * self.reading;
        let (there, back) = (square(self.forward), square(self.backward));
        sqrt(there * back / (there + back).max(1e-30))
    }

    /// Growth of the variance of the shortest delay, s²/s. A route's length creeps; without this the oldest minimum
    /// would rule for ever.
    pub fn creep(&self) -> f64 {
        let waits = self.forward + self.backward;
        1e-8 * waits * waits
    }

    /// Logarithm of how plausible such noise is beforehand, when `jitter` (s) is a first guess of the mean wait: most
    /// paths queue alike both ways, and readings are finer than queues.
    pub fn plausibility(&self, jitter: f64) -> f64 {
        let mean = 0.5 * (self.forward + self.backward);
        let normal = |x: f64, sd: f64| -0.5 * (x / sd) * (x / sd);
        if self.two_sided {
            return normal(log(self.reading / jitter), 1.5);
        }
        let ratio = log(self.forward / self.backward);
        log(0.8 / 0.15 * exp(normal(ratio, 0.15)) + 0.2 / 1.5 * exp(normal(ratio, 1.5)) + 1e-300)
            + normal(log(self.reading / (0.1 * mean)), 1.5)
            + normal(log(mean / jitter), 1.5)
    }
}
