//! A line through two-way samples whose noise only adds delay (pure numbers).
//!
//! Least squares through offsets would average the queueing of packets into the offset, wrongly so when the
//! two ways queue differently. Here each way is a measurement of its own,
//!
//! ```text
//! forward  = θ(t − half) + delay/2 + noise        backward = −θ(t + half) + delay/2 + noise
//! ```
//!
//! with one-sided noise: late by an exponential amount, early only by errors of reading. Its loss is quadratic
//! for early packets and linear for late ones, hence convex: the fit rests on the fastest packets of both ways,
//! smoothly, and turns into least squares when the noise looks Gaussian. The scales of the noise are learned by
//! maximal (Laplace) evidence, as is the wander that makes old samples count less.

use super::MAX_SAMPLES;
use crate::sample::Sample;
use crate::time::OscTime;
use libm::{erfc, exp, log, sqrt};

/// One sample relative to a base: seconds throughout.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// Oscillator time since the newest sample; ≤ 0.
    pub t: f64,
    /// T2 − V1 less the base offset.
    pub forward: f64,
    /// V4 − T3 plus the base offset.
    pub backward: f64,
    /// (V4 − V1)/2.
    pub half: f64,
}

impl Point {
    /// `sample` relative to the instant `origin` and the offset `base` (ns).
    pub fn new(sample: &Sample, origin: OscTime, base: i64) -> Self {
        Self {
            t: sample.v - origin,
            forward: sample.forward.saturating_sub(base) as f64 * 1e-9,
            backward: sample.backward.saturating_add(base) as f64 * 1e-9,
            half: sample.half,
        }
    }

    fn offset(&self) -> f64 {
        (self.forward - self.backward) / 2.0
    }

    fn delay(&self) -> f64 {
        self.forward + self.backward
    }
}

/// What has been learned about the noise; carried from one fit to the next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// Mean queueing on the way there, s.
    pub forward: f64,
    /// Mean queueing on the way back, s.
    pub backward: f64,
    /// Two-sided noise (reading the clocks, short wander), s.
    pub reading: f64,
    /// Random walk of the frequency, s/s per √s.
    pub wander: f64,
}

/// A fitted line, at t = 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Line {
    /// Offset at t = 0, s.
    pub offset: f64,
    /// Slope, s/s.
    pub frequency: f64,
    /// Shortest round trip, s.
    pub delay: f64,
    /// Variance of `offset`, s².
    pub offset_var: f64,
    /// Variance of `frequency`.
    pub frequency_var: f64,
    /// Covariance of both, s.
    pub covariance: f64,
}

/// Smallest noise, s: stamps are whole nanoseconds.
const FLOOR: f64 = 1e-9;

impl Noise {
    /// A first guess from the round trips of `points`.
    pub fn guess(points: &[Point]) -> Self {
        let sigma = jitter_guess(points);
        Self { forward: sigma, backward: sigma, reading: 0.1 * sigma, wander: WANDER }
    }
}

/// Wander before anything has been learned, s/s per √s: an ordinary crystal in an ordinary room.
const WANDER: f64 = 2e-9;

/// Mean one-way queueing if both ways queue alike.
fn jitter_guess(points: &[Point]) -> f64 {
    let n = points.len() as f64;
    let least = points.iter().map(Point::delay).min_by(f64::total_cmp).unwrap_or(0.0);
    let mean = points.iter().map(|p| p.delay() - least).sum::<f64>() / n.max(1.0);
    (0.6 * mean * n / (n - 1.0).max(1.0)).max(FLOOR)
}

/// A symmetric 3 × 3 matrix over (offset, slope · span, delay): its upper triangle by rows.
#[derive(Clone, Copy, Debug, Default)]
struct Matrix([f64; 6]);

impl Matrix {
    fn add_outer(&mut self, h: [f64; 3], weight: f64) {
        let [a, b, c] = h;
        for (m, x) in self.0.iter_mut().zip([a * a, a * b, a * c, b * b, b * c, c * c]) {
            *m += weight * x;
        }
    }

    fn determinant(&self) -> f64 {
        let [a, b, c, d, e, f] = self.0;
        a * (d * f - e * e) - b * (b * f - e * c) + c * (b * e - d * c)
    }

    fn inverse(&self) -> Option<Self> {
        let [a, b, c, d, e, f] = self.0;
        let det = self.determinant();
        let cofactors =
            [d * f - e * e, c * e - b * f, b * e - c * d, a * f - c * c, b * c - a * e, a * d - b * b];
        let inverse = Self(cofactors.map(|x| x / det));
        inverse.0.iter().all(|x| x.is_finite()).then_some(inverse)
    }

    fn times(&self, x: [f64; 3]) -> [f64; 3] {
        let [a, b, c, d, e, f] = self.0;
        [a * x[0] + b * x[1] + c * x[2], b * x[0] + d * x[1] + e * x[2], c * x[0] + e * x[1] + f * x[2]]
    }
}

/// One way of one sample: value = h · (offset, slope · span, delay) + noise.
struct Row {
    value: f64,
    h: [f64; 3],
    /// Variance of the two-sided noise.
    reading: f64,
    /// Mean of the one-sided noise.
    sigma: f64,
}

/// −log density of a residual, its derivative and its second derivative.
fn loss(r: f64, reading: f64, sigma: f64) -> (f64, f64, f64) {
    if r * sigma < reading {
        (r * r / (2.0 * reading), r / reading, 1.0 / reading)
    } else {
        (r / sigma - reading / (2.0 * sigma * sigma), 1.0 / sigma, 0.0)
    }
}

/// log ∫ exp(−loss) dr, and the share of residuals expected on the quadratic side.
fn normalisation(reading: f64, sigma: f64) -> (f64, f64) {
    let s = sqrt(reading);
    let k = s / sigma;
    let early = s * 2.506_628_274_631 * 0.5 * erfc(-k * core::f64::consts::FRAC_1_SQRT_2);
    let late = sigma * exp(-0.5 * k * k);
    (log(early + late), early / (early + late))
}

/// The fit under way.
struct Fit<'a> {
    points: &'a [Point],
    span: f64,
    noise: Noise,
    guess: f64,
    /// offset, slope · span, delay.
    x: [f64; 3],
}

impl Fit<'_> {
    fn rows(&self, noise: Noise) -> impl Iterator<Item = Row> + '_ {
        let (span, s2, q) = (self.span, noise.reading * noise.reading, noise.wander * noise.wander / 3.0);
        self.points.iter().flat_map(move |p| {
            let (u, h) = (p.t / span, p.half / span);
            let reading = s2 + q * (p.t * p.t * p.t).abs();
            [
                Row { value: p.forward, h: [1.0, u - h, 0.5], reading, sigma: noise.forward },
                Row { value: p.backward, h: [-1.0, -(u + h), 0.5], reading, sigma: noise.backward },
            ]
        })
    }

    fn residual(&self, row: &Row) -> f64 {
        row.value - (row.h[0] * self.x[0] + row.h[1] * self.x[1] + row.h[2] * self.x[2])
    }

    fn loss(&self) -> f64 {
        self.rows(self.noise).map(|row| loss(self.residual(&row), row.reading, row.sigma).0).sum()
    }

    /// Levenberg–Marquardt on a convex loss whose curvature never exceeds 1/reading: damping by the full
    /// curvature makes every step with damping 1 a descent.
    fn descend(&mut self, rounds: usize) {
        let mut damping = 0.01;
        let mut least = self.loss();
        for _ in 0..rounds {
            let (mut gradient, mut hessian) = ([0.0; 3], Matrix::default());
            for row in self.rows(self.noise) {
                let (_, slope, curvature) = loss(self.residual(&row), row.reading, row.sigma);
                for (g, h) in gradient.iter_mut().zip(row.h) {
                    *g += slope * h;
                }
                hessian.add_outer(row.h, curvature + damping / row.reading);
            }
            let Some(inverse) = hessian.inverse() else { return };
            let before = self.x;
            let step = inverse.times(gradient);
            self.x = [before[0] + step[0], before[1] + step[1], before[2] + step[2]];
            let now = self.loss();
            if now < least {
                let gain = least - now;
                least = now;
                damping = (damping / 5.0).max(1e-6);
                if gain < 1e-5 {
                    return;
                }
            } else {
                self.x = before;
                if damping >= 1.0 {
                    return;
                }
                damping = (damping * 5.0).min(1.0);
            }
        }
    }

    /// Expected information of the samples about (offset, slope · span, delay).
    fn information(&self, noise: Noise) -> Matrix {
        let mut information = Matrix::default();
        for row in self.rows(noise) {
            let (_, share) = normalisation(row.reading, row.sigma);
            information.add_outer(row.h, share / row.reading);
        }
        information
    }

    /// −log evidence of `noise` with the line as it is: loss, normalisation, freedom of the line, priors.
    fn misfit(&self, noise: Noise) -> f64 {
        let (mut sum, mut information) = (0.0, Matrix::default());
        for row in self.rows(noise) {
            let (norm, share) = normalisation(row.reading, row.sigma);
            sum += loss(self.residual(&row), row.reading, row.sigma).0 + norm;
            information.add_outer(row.h, share / row.reading);
        }
        let mean = sqrt(noise.forward * noise.backward);
        let normal = |x: f64, sd: f64| exp(-0.5 * (x / sd) * (x / sd)) / sd;
        let ratio = log(noise.forward / noise.backward);
        let square = |x: f64, sd: f64| 0.5 * (x / sd) * (x / sd);
        sum + 0.5 * log(information.determinant().max(1e-300))
            - log(0.8 * normal(ratio, 0.15) + 0.2 * normal(ratio, 1.5) + 1e-300)
            + square(log(noise.reading / (0.1 * mean)), 1.5)
            + square(log(mean / self.guess), 1.5)
            + square(log(noise.wander / WANDER), 2.0)
    }

    /// One round of coordinate search over the noise, by a factor of e^±`step`.
    fn learn(&mut self, step: f64) {
        let mut least = self.misfit(self.noise);
        let scale: [fn(&mut Noise, f64); 5] = [
            |n, f| {
                n.forward *= f;
                n.backward *= f;
            },
            |n, f| n.forward *= f,
            |n, f| n.backward *= f,
            |n, f| n.reading *= f * f,
            |n, f| n.wander *= f * f,
        ];
        for change in scale {
            for factor in [exp(step), exp(-step)] {
                let mut noise = self.noise;
                change(&mut noise, factor);
                let noise = noise.limited();
                let misfit = self.misfit(noise);
                if misfit < least {
                    least = misfit;
                    self.noise = noise;
                    break;
                }
            }
        }
    }
}

impl Noise {
    fn limited(self) -> Self {
        Self {
            forward: self.forward.clamp(FLOOR, 1e3),
            backward: self.backward.clamp(FLOOR, 1e3),
            reading: self.reading.clamp(FLOOR, 1e3),
            wander: self.wander.clamp(4e-11, 2e-6),
        }
    }
}

/// Fits a line to at least three points in order of time, and learns the noise; `None` when there are too few
/// or they are all of one instant.
pub fn fit(points: &[Point], noise: &mut Option<Noise>) -> Option<Line> {
    let span = points.last()?.t - points.first()?.t;
    if points.len() < 3 || span <= 0.0 || points.iter().any(|p| !p.delay().is_finite()) {
        return None;
    }
    let guess = jitter_guess(points);
    let mut fit = Fit {
        points,
        span,
        noise: noise.unwrap_or(Noise::guess(points)),
        guess,
        x: start(points, span, guess),
    };
    let rounds = if points.len() <= 16 { 4 } else { 1 };
    for round in 0..rounds {
        fit.descend(20);
        fit.learn(if rounds > 1 { 0.5 / f64::from(round + 1) } else { 0.15 });
    }
    fit.descend(20);
    let inverse = fit.information(fit.noise).inverse()?;
    *noise = Some(fit.noise);
    Some(Line {
        offset: fit.x[0],
        frequency: fit.x[1] / span,
        delay: fit.x[2],
        offset_var: inverse.0[0],
        frequency_var: inverse.0[3] / (span * span),
        covariance: inverse.0[1] / span,
    })
}

/// Least squares through the offsets, weighted by delay: a start that is near.
fn start(points: &[Point], span: f64, guess: f64) -> [f64; 3] {
    let least = points.iter().map(Point::delay).min_by(f64::total_cmp).unwrap_or(0.0);
    let (mut sw, mut su, mut sx, mut suu, mut sux) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for p in points {
        let extra = (p.delay() - least) / guess;
        let w = 1.0 / (0.05 + extra * extra / 12.0);
        let (u, x) = (p.t / span, p.offset());
        sw += w;
        su += w * u;
        sx += w * x;
        suu += w * u * u;
        sux += w * u * x;
    }
    let det = sw * suu - su * su;
    let slope = if det > 1e-12 * sw * sw { (sw * sux - su * sx) / det } else { 0.0 };
    [(sx - slope * su) / sw, slope, least]
}

/// How the offsets lie around a line.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Residuals {
    /// Standard deviation around their own mean, s.
    pub std_dev: f64,
    /// Runs of one sign around their median.
    pub runs: usize,
    /// How many standard deviations fewer runs than chance would give; positive: too few.
    pub lack: f64,
}

impl Residuals {
    /// Of `points` (at most [`MAX_SAMPLES`]) around `line`.
    ///
    /// Signs are taken around the median: the line follows the fastest packets, so the offsets lie to one side
    /// of it when the two ways queue differently.
    pub fn new(points: &[Point], line: &Line) -> Self {
        let n = points.len();
        let mut residuals = [0.0; MAX_SAMPLES];
        let residuals = &mut residuals[..n];
        for (p, r) in points.iter().zip(residuals.iter_mut()) {
            *r = p.offset() - line.offset - line.frequency * p.t;
        }
        let mean = residuals.iter().sum::<f64>() / n as f64;
        let square = residuals.iter().map(|r| (r - mean) * (r - mean)).sum::<f64>();
        let std_dev = sqrt(square / n.saturating_sub(2).max(1) as f64);
        let mut sorted = [0.0; MAX_SAMPLES];
        let sorted = &mut sorted[..n];
        sorted.copy_from_slice(residuals);
        sorted.sort_unstable_by(f64::total_cmp);
        let median = (sorted[n / 2] + sorted[(n - 1) / 2]) / 2.0;
        let above = residuals.iter().filter(|r| **r > median).count() as f64;
        let changes = residuals.windows(2).filter(|w| (w[0] > median) != (w[1] > median)).count();
        let n = n as f64;
        let pairs = 2.0 * above * (n - above);
        let expected = pairs / n;
        let sd = sqrt((pairs * (pairs - n) / (n * n * (n - 1.0))).max(0.0));
        Self {
            std_dev,
            runs: changes + 1,
            lack: if sd > 0.0 { (expected - changes as f64) / sd } else { 0.0 },
        }
    }
}

/// Do the residuals change sign often enough for a straight line (Wald and Wolfowitz's runs test)?
///
/// A wandering frequency bends the line, and residuals of one sign then stand together.
pub fn is_straight(points: &[Point], line: &Line) -> bool {
    /// Standard deviations; one-sided 2.5 %.
    const LIMIT: f64 = 2.0;
    let residuals = Residuals::new(points, line);
    residuals.std_dev < 2.0 * FLOOR || residuals.lack < LIMIT
}
