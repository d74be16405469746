//! A filter for two-way samples whose noise only adds delay (pure numbers).
//!
//! Averaging offsets would average the queueing of packets into them, wrongly so when the two ways queue
//! differently. Here each way is a measurement of its own,
//!
//! ```text
//! forward  = θ(t − half) + delay/2 + noise        backward = −θ(t + half) + delay/2 + noise
//! ```
//!
//! of the state (θ, frequency, shortest delay), with noise that is late by an exponential amount and early only
//! by errors of reading. Each way updates the state by the exact first two moments of its posterior (assumed-
//! density filtering: Opper 1998). That behaves like a Kalman filter where the noise looks Gaussian and like a
//! minimum filter where it is exponential; the frequency wanders at random between samples.

use super::regress::Point;
use libm::{erfc, exp, log, sqrt};

/// What has been learned about the noise; carried from one window to the next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// Mean queueing on the way there, s.
    pub forward: f64,
    /// Mean queueing on the way back, s.
    pub backward: f64,
    /// Two-sided noise of a reading, s.
    pub reading: f64,
    /// Random walk of the frequency, s/s per √s.
    pub wander: f64,
}

impl Noise {
    /// Deviation of the offset that one sample's two directions give together, s.
    pub fn of_offset(&self) -> f64 {
        let square = |one: f64| one * one + self.reading * self.reading;
        let (there, back) = (square(self.forward), square(self.backward));
        libm::sqrt(there * back / (there + back).max(1e-30))
    }
}

/// Offset (s), frequency (s/s) and shortest delay (s) with their covariance.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct State {
    /// The means.
    pub x: [f64; 3],
    /// The covariance.
    pub p: [[f64; 3]; 3],
}

/// A sudden change of the frequency.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Jump {
    /// Index of the first sample after it.
    pub at: usize,
    /// Standard deviation of the change, s/s.
    pub sd: f64,
}

impl State {
    /// Lets `dt` seconds pass.
    pub fn advance(&mut self, dt: f64, noise: &Noise) {
        let q = noise.wander * noise.wander * dt;
        let p = &mut self.p;
        self.x[0] += self.x[1] * dt;
        p[0][0] += dt * (2.0 * p[0][1] + dt * p[1][1]) + q * dt * dt / 3.0;
        p[0][1] += dt * p[1][1] + q * dt / 2.0;
        p[0][2] += dt * p[1][2];
        p[1][1] += q;
        // A route's length creeps; without this the oldest minimum would rule for ever.
        let creep = 1e-4 * (noise.forward + noise.backward);
        p[2][2] += creep * creep * dt;
        self.mirror();
    }

    fn mirror(&mut self) {
        self.p[1][0] = self.p[0][1];
        self.p[2][0] = self.p[0][2];
        self.p[2][1] = self.p[1][2];
    }

    /// Learns from one way of one sample; returns the logarithm of its evidence.
    fn update(&mut self, value: f64, h: [f64; 3], sigma: f64, reading: f64) -> f64 {
        let dot = |a: &[f64; 3]| a[0] * h[0] + a[1] * h[1] + a[2] * h[2];
        let ph = [dot(&self.p[0]), dot(&self.p[1]), dot(&self.p[2])];
        let variance = dot(&ph).max(0.0);
        let density = late(value - dot(&self.x), variance + reading * reading, sigma);
        // No single packet may make us more than a hundred times surer.
        let bend = if variance > 0.0 { density.bend.max((1e-4 - 1.0) / variance) } else { density.bend };
        for i in 0..3 {
            self.x[i] -= ph[i] * density.slope;
            for j in i..3 {
                self.p[i][j] += ph[i] * ph[j] * bend;
            }
        }
        self.mirror();
        density.log
    }

    fn sample(&mut self, point: &Point, noise: &Noise) -> f64 {
        let forward = self.update(point.forward, [1.0, -point.half, 0.5], noise.forward, noise.reading);
        forward + self.update(point.backward, [-1.0, -point.half, 0.5], noise.backward, noise.reading)
    }

    /// Does exactly one way of `point` come earlier than it could? Queueing cannot explain that, a change can.
    pub fn is_impossible(&self, point: &Point, noise: &Noise) -> bool {
        let early = |value: f64, h: [f64; 3]| {
            let (mut mean, mut variance) = (0.0, noise.reading * noise.reading);
            for i in 0..3 {
                mean += h[i] * self.x[i];
                for j in 0..3 {
                    variance += h[i] * h[j] * self.p[i][j];
                }
            }
            value - mean < -3.0 * sqrt(variance.max(0.0))
        };
        let forward = early(point.forward, [1.0, -point.half, 0.5]);
        forward != early(point.backward, [-1.0, -point.half, 0.5])
    }

    /// Runs through `points[from..]`, starting at the time of the first of them; returns the log evidence.
    pub fn run(&mut self, points: &[Point], from: usize, noise: &Noise, jump: Option<Jump>) -> f64 {
        let mut evidence = 0.0;
        for (i, point) in points.iter().enumerate().skip(from) {
            if i > from {
                self.advance(point.t - points[i - 1].t, noise);
            }
            if let Some(jump) = jump.filter(|jump| jump.at == i && i > 0) {
                let dt = point.t - points[i - 1].t;
                let variance = jump.sd * jump.sd;
                self.p[0][0] += variance * dt * dt / 3.0;
                self.p[0][1] += variance * dt / 2.0;
                self.p[1][1] += variance;
                self.mirror();
            }
            evidence += self.sample(point, noise);
        }
        evidence
    }

    /// True when every number is finite and the variances are not negative.
    pub fn is_sound(&self) -> bool {
        let finite = self.x.iter().chain(self.p.iter().flatten()).all(|x| x.is_finite());
        finite && (0..3).all(|i| self.p[i][i] >= 0.0)
    }
}

/// A log density of a residual with its first two derivatives.
#[derive(Clone, Copy)]
struct Density {
    log: f64,
    slope: f64,
    bend: f64,
}

/// Mostly exponential lateness of mean `sigma` plus Gaussian noise of the variance `variance`; sometimes a much
/// longer queue, rarely anything at all.
fn late(r: f64, variance: f64, sigma: f64) -> Density {
    let wide = variance + 400.0 * sigma * sigma;
    let outlier = Density {
        log: -0.5 * r * r / wide - LOG_ROOT_TAU - 0.5 * log(wide),
        slope: -r / wide,
        bend: -1.0 / wide,
    };
    let parts = [
        (log(0.948), exponential_gaussian(r, variance, sigma)),
        (log(0.05), exponential_gaussian(r, variance, 5.0 * sigma)),
        (log(0.002), outlier),
    ];
    let top = parts.iter().map(|(w, d)| w + d.log).fold(f64::NEG_INFINITY, f64::max);
    let (mut sum, mut slope, mut bend) = (0.0, 0.0, 0.0);
    for (weight, d) in parts {
        let share = exp(weight + d.log - top);
        sum += share;
        slope += share * d.slope;
        bend += share * (d.bend + d.slope * d.slope);
    }
    let slope = slope / sum;
    Density { log: top + log(sum), slope, bend: bend / sum - slope * slope }
}

const LOG_ROOT_TAU: f64 = 0.918_938_533_204_672_8;

/// The sum of an exponential and a Gaussian variable.
fn exponential_gaussian(r: f64, variance: f64, sigma: f64) -> Density {
    let s = sqrt(variance);
    let k = r / s - s / sigma;
    // φ(k)/Φ(k), and that plus k.
    let (hazard, excess);
    let log_density;
    if k < -5.0 {
        // Φ vanishes: its continued fraction keeps the differences of large numbers exact.
        let mut tail = 0.0;
        for level in (2..=12).rev() {
            tail = f64::from(level) / (-k + tail);
        }
        excess = 1.0 / (-k + tail);
        hazard = excess - k;
        log_density = -0.5 * r * r / variance - LOG_ROOT_TAU - log(sigma * hazard);
    } else {
        let below = 0.5 * erfc(-k * core::f64::consts::FRAC_1_SQRT_2);
        hazard = exp(-0.5 * k * k - LOG_ROOT_TAU) / below;
        excess = hazard + k;
        log_density = 0.5 * variance / (sigma * sigma) - r / sigma + log(below) - log(sigma);
    }
    let slope = if k < -5.0 { (excess - r / s) / s } else { hazard / s - 1.0 / sigma };
    Density { log: log_density, slope, bend: -hazard * excess / variance }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_density_is_one_and_its_derivatives_are_its_own() {
        for (s, sigma) in [(1.0, 1.0), (0.1, 1.0), (3.0, 0.2), (1.0, 0.05)] {
            let (mut sum, step) = (0.0, 1e-3);
            let mut r = -40.0;
            while r < 60.0 {
                sum += exp(exponential_gaussian(r, s * s, sigma).log) * step;
                r += step;
            }
            assert!((sum - 1.0).abs() < 1e-6, "{s} {sigma}: {sum}");
            for r in [-4.0, -1.0, -0.3, 0.0, 0.7, 2.0, 9.0] {
                let [a, b, c] = [-1e-4, 0.0, 1e-4].map(|d| late(r + d, s * s, sigma));
                assert!((b.slope - (c.log - a.log) / 2e-4).abs() < 1e-5 * (1.0 + b.slope.abs()));
                assert!((b.bend - (c.slope - a.slope) / 2e-4).abs() < 1e-4 * (1.0 + b.bend.abs()));
            }
        }
    }
}
