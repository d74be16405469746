//! The oscillator alone, followed under one assumption: θ, y and by how much the frequency follows one temperature.
//!
//! Paths are taken as the joint filter knows them, so three dimensions are enough and many assumptions can be compared
//! with each sample. See [`super`].

use super::super::Combined;
use super::super::likelihood::late;
use super::super::noise::Noise;
use super::super::runs::plausibility;
use crate::time::OscTime;
use libm::{exp, log, sqrt};

/// Wanders that every hypothesis tries side by side, s/s per √s: the same for all, so that none wins by luck with its own.
const WANDERS: [f64; 9] = [1e-10, 3e-10, 1e-9, 3e-9, 1e-8, 3e-8, 1e-7, 3e-7, 1e-6];
/// Weight of a sample's evidence after one more, when wanders are compared: some hundreds of samples count.
const FADING: f64 = 0.997;
/// Growth of the doubt about the coefficient: (0.02 ppm/K)² a day, as (s/s/K)²/s.
const CREEP: f64 = 4e-16 / 86_400.0;
/// No way of a packet makes a trial more than a hundred times surer.
const SUREST: f64 = 1e-4;
/// Least variances of θ (s²), y ((s/s)²) and the coefficient ((s/s/K)²).
const LEAST: [f64; 3] = [1e-22, 1e-26, 1e-24];

/// Both ways of one sample, as residuals against the instant and the base of the trials.
#[derive(Clone, Copy, Debug)]
pub struct Ways {
    /// T2 − V1 less the base, half of the shortest round trip and the asymmetry, s.
    pub forward: f64,
    /// V4 − T3 plus the base, less half of the shortest round trip, plus the asymmetry, s.
    pub backward: f64,
    /// (V4 − V1)/2, s.
    pub half: f64,
    /// By how much the trials are ahead of the sample, s.
    pub ahead: f64,
    /// Noise of the path.
    pub noise: Noise,
}

/// Means and covariance of θ (s), y (s/s) and the coefficient k (s/s/K).
#[derive(Clone, Copy, Debug)]
struct Trial {
    x: [f64; 3],
    p: [[f64; 3]; 3],
}

impl Trial {
    /// θ += y·dt, and what a wander w adds: w²dt³/3, w²dt²/2, w²dt.
    fn advance(&mut self, dt: f64, wander: f64) {
        let q = wander * wander * dt;
        self.x[0] += self.x[1] * dt;
        self.p[0][0] += 2.0 * dt * self.p[0][1] + dt * dt * self.p[1][1] + q * dt * dt / 3.0;
        self.p[0][1] += dt * self.p[1][1] + q * dt / 2.0;
        self.p[0][2] += dt * self.p[1][2];
        self.p[1][1] += q;
        self.p[2][2] += CREEP * dt;
        self.mirror();
    }

    /// It became warmer by `degrees`, and oscillator time runs faster by `compensation` (s/s): y += k·ΔT − Δc.
    fn warm(&mut self, degrees: f64, compensation: f64) {
        self.x[1] += self.x[2] * degrees - compensation;
        self.p[1][1] += 2.0 * degrees * self.p[1][2] + degrees * degrees * self.p[2][2];
        self.p[0][1] += degrees * self.p[0][2];
        self.p[1][2] += degrees * self.p[2][2];
        self.mirror();
    }

    /// What lies above the diagonal counts.
    fn mirror(&mut self) {
        for (i, least) in LEAST.into_iter().enumerate() {
            self.p[i][i] = self.p[i][i].max(least);
            for j in 0..i {
                self.p[i][j] = self.p[j][i];
            }
        }
    }

    /// Learns that ±θ + rate·y + noise is `value` (s); the exponent and the factor of its density.
    fn update(&mut self, (sign, rate): (f64, f64), value: f64, sigma: f64, reading: f64) -> (f64, f64) {
        let ph = [0, 1, 2].map(|i| sign * self.p[0][i] + rate * self.p[1][i]);
        let mean = sign * self.x[0] + rate * self.x[1];
        let variance = (sign * ph[0] + rate * ph[1]).max(0.0);
        let density = late(value - mean, variance + reading * reading, sigma);
        let bend = if variance > 0.0 { density.bend.max((SUREST - 1.0) / variance) } else { density.bend };
        for (i, own) in ph.into_iter().enumerate() {
            self.x[i] -= own * density.slope;
            for (element, other) in self.p[i].iter_mut().zip(ph) {
                *element += own * other * bend;
            }
        }
        self.mirror();
        (density.exponent, density.factor)
    }

    /// Learns from both ways; returns the logarithm of their evidence.
    fn learn(&mut self, ways: &Ways) -> f64 {
        let Ways { forward, backward, half, ahead, noise } = ways;
        let there = self.update((1.0, -half - ahead), *forward, noise.forward, noise.reading[0]);
        // The two ways of a reference clock's reading are one.
        if noise.two_sided {
            return there.0 + log(there.1);
        }
        let back = self.update((-1.0, -half + ahead), *backward, noise.backward, noise.reading[1]);
        there.0 + back.0 + log(there.1 * back.1)
    }

    fn is_sound(&self) -> bool {
        self.x.iter().chain(self.p.iter().flatten()).all(|number| number.is_finite())
    }
}

/// One assumption about what the frequency follows, with a few wanders at once.
#[derive(Clone, Debug)]
pub struct Hypothesis {
    trials: [Trial; WANDERS.len()],
    /// Logarithms of the evidence of each wander, lately.
    evidence: [f64; WANDERS.len()],
    /// Log evidence against the assumption that no temperature matters; it fades.
    pub gain: f64,
}

impl Hypothesis {
    /// A coefficient beforehand (mean and variance, s/s/K); variance 0: the frequency follows nothing.
    pub fn new(coefficient: (f64, f64)) -> Self {
        let mut trial = Trial { x: [0.0; 3], p: [[0.0; 3]; 3] };
        (trial.x[2], trial.p[2][2]) = coefficient;
        Self { trials: [trial; WANDERS.len()], evidence: [0.0; WANDERS.len()], gain: 0.0 }
    }

    /// Begins where the sources agree; `base` (ns) is subtracted from θ. The coefficient stays.
    pub fn anchor(&mut self, agreed: &Combined, at: OscTime, base: i64) {
        let theta = (agreed.predict(at) - super::super::Theta::from_nanos(base), agreed.theta_sd);
        let (k, variance) = self.coefficient();
        for trial in &mut self.trials {
            trial.x = [theta.0, agreed.frequency, k];
            trial.p = [[0.0; 3]; 3];
            trial.p[0][0] = theta.1 * theta.1;
            trial.p[0][1] = agreed.covariance;
            trial.p[1][1] = agreed.frequency_sd * agreed.frequency_sd;
            trial.p[2][2] = variance;
            trial.mirror();
        }
    }

    /// `dt` seconds pass.
    pub fn advance(&mut self, dt: f64) {
        for (trial, wander) in self.trials.iter_mut().zip(WANDERS) {
            trial.advance(dt, wander);
        }
    }

    /// See [`Trial::warm`].
    pub fn warm(&mut self, degrees: f64, compensation: f64) {
        for trial in &mut self.trials {
            trial.warm(degrees, compensation);
        }
    }

    /// θ and y became uncertain by these deviations (s, s/s).
    pub fn disturb(&mut self, theta: f64, frequency: f64) {
        for trial in &mut self.trials {
            trial.p[0][0] += theta * theta;
            trial.p[1][1] += frequency * frequency;
        }
    }

    /// The base moved by `seconds`.
    pub fn rebase(&mut self, seconds: f64) {
        for trial in &mut self.trials {
            trial.x[0] -= seconds;
        }
    }

    /// How plausible each wander is.
    fn shares(&self) -> [f64; WANDERS.len()] {
        let mut shares = self.evidence;
        for (share, wander) in shares.iter_mut().zip(WANDERS) {
            *share += plausibility(wander);
        }
        let best = shares.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let shares = shares.map(|evidence| exp(evidence - best));
        let sum: f64 = shares.iter().sum();
        shares.map(|share| share / sum)
    }

    /// Learns from a sample; the logarithm of the evidence that it was.
    pub fn learn(&mut self, ways: &Ways) -> f64 {
        let shares = self.shares();
        let mut logs = [0.0; WANDERS.len()];
        for (log, trial) in logs.iter_mut().zip(&mut self.trials) {
            *log = trial.learn(ways);
        }
        let best = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = logs.iter().zip(shares).map(|(log, share)| share * exp(log - best)).sum();
        for (evidence, log) in self.evidence.iter_mut().zip(logs) {
            *evidence = FADING * *evidence + (log - best);
        }
        best + log(sum)
    }

    /// Random walk of the frequency that the assumption leaves, s/s per √s.
    pub fn wander(&self) -> f64 {
        exp(WANDERS.iter().zip(self.shares()).map(|(wander, share)| share * log(*wander)).sum())
    }

    /// θ less the base (s) and its variance.
    pub fn theta(&self) -> (f64, f64) {
        self.mixture(0)
    }

    /// The coefficient (s/s/K) and its variance.
    pub fn coefficient(&self) -> (f64, f64) {
        self.mixture(2)
    }

    /// How sure it is of the coefficient, in deviations from none.
    pub fn significance(&self) -> f64 {
        let (k, variance) = self.coefficient();
        k.abs() / sqrt(variance.max(1e-30))
    }

    fn mixture(&self, i: usize) -> (f64, f64) {
        let parts = || self.trials.iter().zip(self.shares());
        let mean: f64 = parts().map(|(trial, share)| share * trial.x[i]).sum();
        let square = |trial: &Trial| trial.p[i][i] + (trial.x[i] - mean) * (trial.x[i] - mean);
        (mean, parts().map(|(trial, share)| share * square(trial)).sum())
    }

    /// True when every number is finite.
    pub fn is_sound(&self) -> bool {
        self.trials.iter().all(Trial::is_sound) && self.gain.is_finite()
    }
}
