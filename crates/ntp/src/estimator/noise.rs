//! What is learned of one path's noise, and how plausible it is beforehand.

use libm::{exp, log, sqrt};

/// Smallest two-sided noise, s: stamps are whole nanoseconds.
pub const FLOOR: f64 = 1e-9;
/// Smallest mean wait, s.
const WAIT_FLOOR: f64 = 0.2e-9;

/// Laws that [`Noise::other`] knows.
pub const OTHERS: usize = 9;
/// Deviation of the logarithm of what differs between two ways that are alike.
const ALIKE: f64 = 0.15;
/// How plausible it is beforehand that the two ways are alike, differ by their waits, by their readings, or by both in
/// the same proportion.
const WAYS: [f64; 4] = [0.66, 0.12, 0.2, 0.02];
/// How plausible it is that readings are finer than waits, and that they are nearly all there is; the ratio of reading and
/// wait then, and the deviation of its logarithm.
const FINE: (f64, f64, f64) = (0.99, 0.05, 1.5);
const BLURRED: (f64, f64, f64) = (0.01, 5.0, 0.7);

/// The noise of one path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// Mean queueing on the way there, s.
    pub forward: f64,
    /// Mean queueing on the way back, s.
    pub backward: f64,
    /// Two-sided noise of a reading there and back, s.
    pub reading: [f64; 2],
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
        Self { forward: jitter, backward: jitter, reading: [0.1 * jitter; 2], two_sided: false }.limited()
    }

    /// Noise of a reference clock whose readings scatter by `reading` (s). A small wait is left, so that the law's
    /// outliers are some.
    pub fn two_sided(reading: f64) -> Self {
        Self { forward: 0.0, backward: 0.0, reading: [reading; 2], two_sided: true }.limited()
    }

    /// Inside what is numerically sound.
    #[must_use]
    pub fn limited(self) -> Self {
        let reading = self.reading.map(|one| one.clamp(FLOOR, 1e3));
        let (forward, backward) =
            if self.two_sided { (0.1 * reading[0], 0.1 * reading[0]) } else { (self.forward, self.backward) };
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
            return self.reading[0];
        }
        let [there, back] = self.sizes().map(|size| size * size);
        sqrt(there * back / (there + back).max(1e-30))
    }

    /// By how much a packet there and one back scatter about their shortest times, root mean square, s.
    pub fn sizes(&self) -> [f64; 2] {
        let size = |wait: f64, reading: f64| sqrt(wait * wait + reading * reading);
        [size(self.forward, self.reading[0]), size(self.backward, self.reading[1])]
    }

    /// Makes the readings' share of the sizes larger: `factor` times as large in proportion to the waits.
    pub fn blur(&mut self, factor: f64) {
        let sizes = self.sizes();
        let one = |wait: &mut f64, reading: &mut f64, size: f64| {
            let ratio = factor * *reading / *wait;
            *wait = size / sqrt(1.0 + ratio * ratio);
            *reading = ratio * *wait;
        };
        one(&mut self.forward, &mut self.reading[0], sizes[0]);
        one(&mut self.backward, &mut self.reading[1], sizes[1]);
    }

    /// One of [`OTHERS`] laws for a path whose packets scatter by `sizes` (s) there and back: waits, behind fine or coarse readings, or
    /// readings are the cause of all of it, and the ways differ as it seems, or more one way or the other.
    pub fn other(which: usize, sizes: [f64; 2]) -> Self {
        let factors = [[1.0, 1.0], [0.75, 1.33], [1.33, 0.75]][which / 3];
        let sizes = [sizes[0] * factors[0], sizes[1] * factors[1]];
        let least = sizes[0].min(sizes[1]);
        // Whoever waited long has hardly a say in how samples scatter.
        let waits = sizes.map(|size| 1.5 * size);
        let (waits, reading) = match which % 3 {
            0 => (waits, [0.1 * least; 2]),
            1 => (waits, [0.5 * least; 2]),
            _ => {
                let wait = 0.2 * least;
                ([wait; 2], sizes.map(|size| sqrt(size * size - wait * wait)))
            }
        };
        Self { forward: waits[0], backward: waits[1], reading, two_sided: false }.limited()
    }

    /// Are readings the cause of most of it?
    pub fn is_blurred(&self) -> bool {
        self.reading[0] > self.forward && self.reading[1] > self.backward
    }

    /// Are the sizes of both ways within half of each other?
    pub fn is_alike(&self) -> bool {
        let [there, back] = self.sizes();
        there < 1.5 * back && back < 1.5 * there
    }

    /// By how much the shortest round trip is longer than the least of those measured, s, when the one in the middle is by
    /// `excess` (s). Where packets only wait, by nothing; where they are early as often as late, as far as the mean of them.
    pub fn beyond(&self, excess: f64) -> f64 {
        if self.two_sided {
            return 0.0;
        }
        let [there, back] = self.sizes();
        let blurred = self.reading.iter().map(|one| one * one).sum::<f64>() / (there * there + back * back);
        libm::pow(blurred, 10.0) * (excess - self.forward - self.backward).max(0.0)
    }

    /// Growth of the variance of the shortest delay, s²/s. A route's length creeps; without this the oldest minimum
    /// would rule for ever.
    pub fn creep(&self) -> f64 {
        let [there, back] = self.sizes();
        1e-8 * (there + back) * (there + back)
    }

    /// Logarithm of how plausible such noise is beforehand, when `jitter` (s) is a first guess of the mean wait: most
    /// paths are alike both ways, and readings are finer than queues; seldom a path scatters without queues, unless the others
    /// do, whose log odds for that are `blurred`.
    pub fn plausibility(&self, jitter: f64, blurred: f64) -> f64 {
        let normal = |x: f64, sd: f64| -0.5 * (x / sd) * (x / sd);
        if self.two_sided {
            return normal(log(self.reading[0] / jitter), 1.5);
        }
        let [there, back] = self.sizes();
        let size = 0.5 * (there + back);
        let waits = log(self.forward / self.backward);
        let readings = log(self.reading[0] / self.reading[1]);
        let alike = |x: f64| exp(normal(x, ALIKE)) / ALIKE;
        let differ = |x: f64| exp(normal(x, 1.5)) / 1.5;
        let [both, of_waits, of_readings, of_size] = WAYS;
        let ways = both * alike(waits) * alike(readings)
            + of_waits * differ(waits) * alike(readings)
            + of_readings * alike(waits) * differ(readings)
            + of_size * differ(waits) * alike(readings - waits);
        let blur = 0.5 * (log(self.reading[0] / self.forward) + log(self.reading[1] / self.backward));
        let kind = |(share, ratio, sd): (f64, f64, f64)| share / sd * exp(normal(blur - log(ratio), sd));
        let odds = exp(blurred);
        let kinds = (kind(FINE) + odds * kind(BLURRED)) / (FINE.0 + odds * BLURRED.0);
        log(ways + 1e-300) + log(kinds + 1e-300) + normal(log(size / jitter), 1.5)
    }
}
