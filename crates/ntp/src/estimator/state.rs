//! The filter: a Gaussian belief over offset, frequency and every path's delay and asymmetry (pure numbers).
//!
//! Each way of a sample of source s measures
//!
//! ```text
//! forward  =  θ(t − half) + d_s/2 + β_s + noise        backward = −θ(t + half) + d_s/2 − β_s + noise
//! ```
//!
//! of the state (θ, y = dθ/dV, then d_s and β_s of every source), with noise that is late by an exponential amount
//! and early only by errors of reading. Each way updates the belief by the exact first two moments of its posterior
//! (assumed-density filtering: Opper 1998). That behaves like a Kalman filter where the noise looks Gaussian and like
//! a minimum filter where it is exponential; the frequency wanders at random between samples.

use super::likelihood::late;
use super::noise::Noise;
use crate::sample::Sample;
use crate::time::OscTime;
use libm::{exp, log, sqrt};

/// Time constant with which the asymmetry of a path forgets its value, s (five weeks).
const FORGETTING: f64 = 3e6;
/// Phase noise of the oscillator, s²/s: keeps a belief from becoming certain.
const PHASE_NOISE: f64 = 1e-20;
/// Smallest variances of times (s²) and of the frequency ((s/s)²): (10 ps)² and (10⁻¹³)².
const SURE: (f64, f64) = (1e-22, 1e-26);
/// What a single reading leaves of a variance at least: of what is not known of a path, or of a reference clock, and of what the oscillator has
/// wandered. The first packets of a path often wait, so none of them may be believed more than a hundred times; but what a packet
/// without noise says after a long silence is so: were more left, its way back would be found far nearer than expected, and
/// the oscillator be taken for a steadier one.
const SUREST: (f64, f64) = (1e-4, 1e-12);

/// One sample relative to a base: seconds throughout.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Oscillator time since the base instant.
    pub t: f64,
    /// T2 − V1 less the base offset.
    pub forward: f64,
    /// V4 − T3 plus the base offset.
    pub backward: f64,
    /// (V4 − V1)/2.
    pub half: f64,
    /// Which path of the state it measures.
    pub path: usize,
    /// Factors on the path's mean waits there and back at its time.
    pub unrest: [f64; 2],
    /// What it may have waited besides, each way, s.
    pub besides: f64,
}

impl Default for Point {
    fn default() -> Self {
        Self { t: 0.0, forward: 0.0, backward: 0.0, half: 0.0, path: 0, unrest: [1.0; 2], besides: 0.0 }
    }
}

impl Point {
    /// `sample` of the only path, relative to the instant `origin` and the offset `base` (ns).
    pub fn new(sample: &Sample, origin: OscTime, base: i64) -> Self {
        Self {
            t: sample.v - origin,
            forward: sample.forward.saturating_sub(base) as f64 * 1e-9,
            backward: sample.backward.saturating_add(base) as f64 * 1e-9,
            half: sample.half,
            path: 0,
            unrest: [1.0; 2],
            besides: 0.0,
        }
    }

    /// Are all its numbers such that their squares can be summed?
    pub fn is_sane(&self) -> bool {
        [self.t, self.forward, self.backward, self.half].iter().all(|x| x.abs() < 1e12)
    }

    /// The mean of both ways, s.
    pub fn offset(&self) -> f64 {
        (self.forward - self.backward) / 2.0
    }

    /// The round trip, s.
    pub fn delay(&self) -> f64 {
        self.forward + self.backward
    }
}

/// What the filter takes for granted about a path.
#[derive(Clone, Copy, Debug, Default)]
pub struct Path {
    /// Its noise.
    pub noise: Noise,
    /// Stationary variance of its asymmetry, s²; 0: the asymmetry is constant.
    pub reversion: f64,
}

/// A sudden change: variance that enters the state at one instant.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Shock {
    /// Oscillator time since the base instant, s.
    pub t: f64,
    /// Of θ, s².
    pub theta: f64,
    /// Of y, (s/s)².
    pub frequency: f64,
    /// Of the delay of `path`, s²; a quarter of it enters its asymmetry.
    pub delay: f64,
    /// The path whose delay changed.
    pub path: usize,
}

/// Means and covariance of θ (s), y (s/s) and of d (s), β (s) for each path.
///
/// `N` is the capacity; one path alone has no observable asymmetry and uses three dimensions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct State<const N: usize> {
    n: usize,
    /// The means.
    pub x: [f64; N],
    /// The covariance, symmetric.
    pub p: [[f64; N]; N],
}

/// Index of a path's shortest delay.
pub const fn delay_of(path: usize) -> usize {
    2 + 2 * path
}

/// Index of a path's asymmetry.
pub const fn asymmetry_of(path: usize) -> usize {
    3 + 2 * path
}

impl<const N: usize> State<N> {
    /// All zero, of `n` dimensions (at most `N`).
    pub fn new(n: usize) -> Self {
        Self { n: n.min(N), x: [0.0; N], p: [[0.0; N]; N] }
    }

    /// Its dimensions.
    pub fn dimensions(&self) -> usize {
        self.n
    }

    /// Lets `dt` seconds pass with a frequency that wanders by `wander` (w, s/s per √s):
    ///
    /// ```text
    /// θ += y·dt;   P_θθ += w²dt³/3,  P_θy += w²dt²/2,  P_yy += w²dt;   P_dd += creep·dt
    /// β *= k,  P_ββ → k²·P_ββ + reversion·(1 − k²),  k = exp(−dt/five weeks)
    /// ```
    pub fn advance(&mut self, dt: f64, wander: f64, paths: &[Path]) {
        if dt <= 0.0 {
            return;
        }
        let n = self.n;
        self.x[0] += self.x[1] * dt;
        let slopes = self.p[1];
        for (element, slope) in self.p[0][..n].iter_mut().zip(&slopes) {
            *element += dt * slope;
        }
        for row in &mut self.p[..n] {
            row[0] += dt * row[1];
        }
        let q = wander * wander * dt;
        self.p[0][0] += q * dt * dt / 3.0 + PHASE_NOISE * dt;
        self.p[0][1] += q * dt / 2.0;
        self.p[1][0] = self.p[0][1];
        self.p[1][1] += q;
        let keep = if paths.iter().any(|path| path.reversion > 0.0) { exp(-dt / FORGETTING) } else { 1.0 };
        for (i, path) in paths.iter().enumerate() {
            let (delay, beta) = (delay_of(i), asymmetry_of(i));
            if delay < n {
                self.p[delay][delay] += path.noise.creep() * dt;
            }
            if beta < n && path.reversion > 0.0 {
                // Ornstein and Uhlenbeck: the asymmetry slowly forgets its value.
                self.x[beta] *= keep;
                for element in &mut self.p[beta][..n] {
                    *element *= keep;
                }
                for row in &mut self.p[..n] {
                    row[beta] *= keep;
                }
                self.p[beta][beta] += path.reversion * (1.0 - keep * keep);
            }
        }
    }

    /// Lets the variance of a sudden change in.
    pub fn shock(&mut self, shock: &Shock) {
        self.p[0][0] += shock.theta;
        self.p[1][1] += shock.frequency;
        let (delay, beta) = (delay_of(shock.path), asymmetry_of(shock.path));
        if shock.delay > 0.0 && delay < self.n {
            self.p[delay][delay] += shock.delay;
            if beta < self.n && self.p[beta][beta] > 0.0 {
                self.p[beta][beta] += 0.25 * shock.delay;
            }
        }
    }

    /// h·x (s), P·h and h·P·h (s²) for one way of a point: h is (±1, −half, ½, ±1) on (θ, y, d, β), + for forward.
    fn project(&self, way: Way, point: &Point) -> (f64, [f64; N], f64) {
        let n = self.n;
        let (delay, beta) = (delay_of(point.path), asymmetry_of(point.path));
        let (sign, rate) = (way.sign(), -point.half);
        let mut ph = [0.0; N];
        let (offsets, slopes, delays) = (&self.p[0][..n], &self.p[1][..n], &self.p[delay][..n]);
        for (i, out) in ph[..n].iter_mut().enumerate() {
            *out = sign * offsets[i] + rate * slopes[i] + 0.5 * delays[i];
        }
        let mut mean = sign * self.x[0] + rate * self.x[1] + 0.5 * self.x[delay];
        if beta < n {
            for (out, element) in ph[..n].iter_mut().zip(&self.p[beta]) {
                *out += sign * element;
            }
            mean += sign * self.x[beta];
        }
        let mut variance = sign * ph[0] + rate * ph[1] + 0.5 * ph[delay];
        if beta < n {
            variance += sign * ph[beta];
        }
        (mean, ph, variance.max(0.0))
    }

    /// Variance of what one way takes at least, s²: d/2 ± β.
    fn variance_of_path(&self, way: Way, path: usize) -> f64 {
        let (delay, beta) = (delay_of(path), asymmetry_of(path));
        let half = 0.25 * self.p[delay][delay];
        if beta < self.n { half + way.sign() * self.p[delay][beta] + self.p[beta][beta] } else { half }
    }

    /// Learns from one way of one sample; returns its evidence: the exponent and the factor of a density.
    ///
    /// With l the log density of the residual, x −= P h·l′ and P += (P h)(P h)ᵀ·l″: the exact first two moments of the
    /// posterior. l″ is limited so that h·P·h keeps as much as [`SUREST`] says.
    fn update(&mut self, way: Way, point: &Point, noise: &Noise) -> (f64, f64) {
        let n = self.n;
        let (value, sigma, reading) = match way {
            Way::Forward => {
                (point.forward, noise.forward * point.unrest[0] + point.besides, noise.reading[0])
            }
            Way::Backward => {
                (point.backward, noise.backward * point.unrest[1] + point.besides, noise.reading[1])
            }
        };
        let (mean, ph, variance) = self.project(way, point);
        let density = late(value - mean, variance + reading * reading, sigma);
        let least =
            if noise.two_sided { variance } else { self.variance_of_path(way, point.path).min(variance) };
        let least = SUREST.0 * least + SUREST.1 * variance;
        let bend =
            if variance > 0.0 { density.bend.max((least / variance - 1.0) / variance) } else { density.bend };
        for (x, ph) in self.x[..n].iter_mut().zip(&ph) {
            *x -= ph * density.slope;
        }
        for (row, factor) in self.p[..n].iter_mut().zip(&ph) {
            let factor = factor * bend;
            for (element, ph) in row[..n].iter_mut().zip(&ph) {
                *element += factor * ph;
            }
        }
        (density.exponent, density.factor)
    }

    /// Learns from both ways of one sample; returns the logarithm of their evidence.
    pub fn learn(&mut self, point: &Point, noise: &Noise) -> f64 {
        let forward = self.update(Way::Forward, point, noise);
        if noise.two_sided {
            self.mend();
            return forward.0 + log(forward.1);
        }
        let backward = self.update(Way::Backward, point, noise);
        self.mend();
        forward.0 + backward.0 + log(forward.1 * backward.1)
    }

    /// Rounding can make a variance that shrank by twenty orders of magnitude negative: such an entry is as certain as
    /// anything gets, and of the others independent.
    fn mend(&mut self) {
        for i in 0..self.n {
            let least = if i == 1 { SURE.1 } else { SURE.0 };
            if self.p[i][i] < least {
                let mean = self.x[i];
                self.set(i, mean, least);
            }
        }
    }

    /// By how many deviations the two ways of `point` are late; negative: earlier than queueing can explain.
    pub fn lateness(&self, point: &Point, noise: &Noise) -> (f64, f64) {
        let one = |way: Way, value: f64, reading: f64| {
            let (mean, _, variance) = self.project(way, point);
            (value - mean) / sqrt(variance + reading * reading)
        };
        let [there, back] = noise.reading;
        (one(Way::Forward, point.forward, there), one(Way::Backward, point.backward, back))
    }

    /// What the two ways of `point` seem to have waited, s: together what its round trip is beyond the shortest.
    pub fn waits(&self, point: &Point) -> [f64; 2] {
        let (mean, _, _) = self.project(Way::Forward, point);
        let both = (point.delay() + 2.0 * point.half * self.x[1] - self.x[delay_of(point.path)]).max(0.0);
        let there = (point.forward - mean).clamp(0.0, both);
        [there, both - there]
    }

    /// Conditions on "entry `i` is zero within a Gaussian error of the variance `variance`" (s² for times): a Kalman update
    /// with the measurement 0.
    pub fn condition(&mut self, i: usize, variance: f64) {
        let n = self.n;
        let row = self.p[i];
        let total = row[i] + variance;
        if total <= 0.0 {
            return;
        }
        let error = -self.x[i] / total;
        for (x, ph) in self.x[..n].iter_mut().zip(&row) {
            *x += ph * error;
        }
        for (out, factor) in self.p[..n].iter_mut().zip(&row) {
            let factor = factor / total;
            for (element, ph) in out[..n].iter_mut().zip(&row) {
                *element -= factor * ph;
            }
        }
    }

    /// Sets entry `i` to `mean` with the variance `variance`, independent of all others.
    pub fn set(&mut self, i: usize, mean: f64, variance: f64) {
        if i >= N {
            return;
        }
        self.x[i] = mean;
        for j in 0..N {
            self.p[i][j] = 0.0;
            self.p[j][i] = 0.0;
        }
        self.p[i][i] = variance;
    }

    /// Has `n` dimensions from now on; new ones are zero and certain.
    pub fn resize(&mut self, n: usize) {
        let n = n.min(N);
        for i in self.n..n {
            self.set(i, 0.0, 0.0);
        }
        self.n = n;
    }

    /// Runs through `points`, starting `since` (s) on the points' scale, with `shocks` in order of time; returns the
    /// log evidence. `seen` is told, before each point, its index, the time and the belief after the point before, and the
    /// evidence so far.
    pub fn run(
        &mut self,
        since: f64,
        points: &[Point],
        paths: &[Path],
        wander: f64,
        shocks: &[Shock],
        mut seen: impl FnMut(usize, f64, &Self, f64),
    ) -> f64 {
        let (mut t, mut evidence) = (since, 0.0);
        let mut shocks = shocks.iter().skip_while(|shock| shock.t < since).peekable();
        for (i, point) in points.iter().enumerate() {
            seen(i, t, self, evidence);
            while let Some(shock) = shocks.next_if(|shock| shock.t < point.t) {
                self.advance(shock.t - t, wander, paths);
                self.shock(shock);
                t = shock.t;
            }
            self.advance(point.t - t, wander, paths);
            t = t.max(point.t);
            evidence += self.learn(point, &paths[point.path].noise);
        }
        evidence
    }

    /// True when every number is finite and the variances are not negative.
    pub fn is_sound(&self) -> bool {
        let n = self.n;
        self.x[..n].iter().all(|x| x.is_finite())
            && self.p[..n]
                .iter()
                .enumerate()
                .all(|(i, row)| row[..n].iter().all(|x| x.is_finite()) && row[i] >= 0.0)
    }
}

/// Direction of a packet.
#[derive(Clone, Copy)]
enum Way {
    Forward,
    Backward,
}

impl Way {
    fn sign(self) -> f64 {
        match self {
            Self::Forward => 1.0,
            Self::Backward => -1.0,
        }
    }
}
