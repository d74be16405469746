//! The law of one-way noise: late by a queue, early only by errors of reading (pure numbers).
//!
//! A packet can wait, it cannot hurry. One way of a sample is therefore its floor plus an exponential wait of mean
//! σ plus a Gaussian error of variance S²; the sum has a closed density, and with it the exact first two moments of
//! the posterior of a Gaussian prior (docs/discipline.md, "One packet"). Everything here is written with the hazard
//! λ(k) = φ(k)/Φ(k), so that no difference of large numbers and no vanishing quotient occurs.

use libm::{exp, log, sqrt};

/// A log density of a residual with its first two derivatives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Density {
    /// ln p.
    pub log: f64,
    /// d ln p / dr, 1/s.
    pub slope: f64,
    /// d² ln p / dr², 1/s².
    pub bend: f64,
}

/// Share of packets that meet a much longer queue, and how much longer it is.
const TAIL: (f64, f64) = (0.05, 5.0);
/// Share of packets of which anything may be true, and their deviation in units of the mean wait.
const OUTLIER: (f64, f64) = (0.002, 20.0);
/// 1/√(2π).
const INV_ROOT_TAU: f64 = 0.398_942_280_401_432_7;

/// The law of a residual `r` (s): mostly exponential lateness of mean `sigma` (s) plus Gaussian noise of the variance
/// `variance` (s²); sometimes a much longer queue, rarely anything at all.
pub fn late(r: f64, variance: f64, sigma: f64) -> Density {
    let s = sqrt(variance);
    let wide = variance + OUTLIER.1 * OUTLIER.1 * sigma * sigma;
    let parts = [
        Part::queued(r, s, sigma).weighted(1.0 - TAIL.0 - OUTLIER.0),
        Part::queued(r, s, TAIL.1 * sigma).weighted(TAIL.0),
        Part {
            exponent: -0.5 * r * r / wide,
            factor: OUTLIER.0 * INV_ROOT_TAU / sqrt(wide),
            slope: -r / wide,
            bend: -1.0 / wide,
        },
    ];
    let top = parts[0].exponent.max(parts[1].exponent).max(parts[2].exponent);
    let (mut sum, mut slope, mut bend) = (0.0, 0.0, 0.0);
    for part in parts {
        let share = part.factor * exp(part.exponent - top);
        sum += share;
        slope += share * part.slope;
        bend += share * (part.bend + part.slope * part.slope);
    }
    let slope = slope / sum;
    Density { log: top + log(sum), slope, bend: bend / sum - slope * slope }
}

/// One component of a mixture: its density is `factor`·exp(`exponent`).
#[derive(Clone, Copy)]
struct Part {
    exponent: f64,
    factor: f64,
    slope: f64,
    bend: f64,
}

impl Part {
    fn weighted(self, weight: f64) -> Self {
        Self { factor: weight * self.factor, ..self }
    }

    /// An exponential wait of mean `sigma` (s) plus a Gaussian error of deviation `s` (s), at the residual `r` (s):
    ///
    /// ```text
    /// p(r) = 1/σ · exp(s²/2σ² − r/σ) · Φ(k),  k = r/s − s/σ;   slope = λ/s − 1/σ,  bend = −λ(λ + k)/s²,  λ = φ(k)/Φ(k)
    /// ```
    ///
    /// For k < 0 the same with λ = excess(−k) − k, so that λ + k, slope and exponent need no difference of large numbers.
    fn queued(r: f64, s: f64, sigma: f64) -> Self {
        let k = r / s - s / sigma;
        if k < 0.0 {
            // Earlier than the middle of the rise: written with φ(r/s), the Gaussian flank.
            let excess = excess(-k);
            let hazard = excess - k;
            return Self {
                exponent: -0.5 * (r / s) * (r / s),
                factor: INV_ROOT_TAU / (hazard * sigma),
                slope: (excess - r / s) / s,
                bend: -hazard * excess / (s * s),
            };
        }
        let gauss = if k < 9.0 { INV_ROOT_TAU * exp(-0.5 * k * k) } else { 0.0 };
        let below = 1.0 - gauss / (k + excess(k));
        let hazard = gauss / below;
        Self {
            exponent: 0.5 * (s / sigma) * (s / sigma) - r / sigma,
            factor: below / sigma,
            slope: hazard / s - 1.0 / sigma,
            bend: -hazard * (hazard + k) / (s * s),
        }
    }
}

/// φ(x)/Φ(−x) − x for x ≥ 0: the hazard of the normal law less its asymptote, which falls from √(2/π) as 1/x.
///
/// (x + 2) times it is a polynomial in (x − 4)/(x + 4), interpolated at 17 Chebyshev nodes from values of 40
/// digits; the largest relative error is 2.2e-10.
fn excess(x: f64) -> f64 {
    const C: [f64; 17] = [
        1.353_642_866_936_826_6,
        -0.435_439_091_998_236_7,
        0.005_916_403_568_508_102,
        0.151_127_855_292_723_4,
        -0.086_788_939_584_939_37,
        -0.009_281_680_360_280_927,
        0.032_169_069_744_436_42,
        -0.007_664_964_438_860_265,
        -0.008_571_492_722_824_297,
        0.004_775_617_863_101_443,
        0.001_727_613_596_151_264_4,
        -0.001_811_207_135_659_477_8,
        -0.000_211_586_636_329_048_66,
        0.000_474_104_694_092_363_65,
        -4.635_156_534_999_092e-6,
        -6.519_494_647_370_876e-5,
        5.261_101_746_506_519_5e-6,
    ];
    let t = (x - 4.0) / (x + 4.0);
    // Even and odd powers apart: two short chains instead of a long one.
    let q = t * t;
    let (mut even, mut odd) = (C[16], C[15]);
    for i in (0..15).rev().step_by(2) {
        even = even * q + C[i];
    }
    for i in (1..14).rev().step_by(2) {
        odd = odd * q + C[i];
    }
    (even + t * odd) / (x + 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use libm::erfc;

    #[test]
    fn the_excess_hazard_is_what_erfc_says() {
        for i in 0..2000 {
            let x = f64::from(i) * 0.01;
            let below = 0.5 * erfc(x * core::f64::consts::FRAC_1_SQRT_2);
            let hazard = INV_ROOT_TAU * exp(-0.5 * x * x) / below;
            let error = (excess(x) + x) / hazard - 1.0;
            assert!(error.abs() < 1e-9, "{x}: {error}");
        }
        // Beyond, the asymptotic series.
        for x in [30.0, 300.0, 1e6, 1e100] {
            let series = 1.0 / x - 2.0 / (x * x * x);
            assert!((excess(x) / series - 1.0).abs() < 2e-5, "{x}");
        }
    }

    #[test]
    fn the_density_is_one_and_its_derivatives_are_its_own() {
        for (s, sigma) in [(1.0, 1.0), (0.1, 1.0), (3.0, 0.2), (1.0, 0.05)] {
            let (mut sum, step) = (0.0, 1e-3);
            let mut r = -40.0;
            while r < 60.0 {
                let part = Part::queued(r, s, sigma);
                sum += part.factor * exp(part.exponent) * step;
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

    #[test]
    fn absurd_residuals_stay_finite() {
        for r in [-1e9, -1.0, 0.0, 1.0, 1e9] {
            for variance in [1e-18, 1e-6, 1e6] {
                for sigma in [1e-9, 1e-3, 1e3] {
                    let d = late(r, variance, sigma);
                    assert!([d.log, d.slope, d.bend].iter().all(|x| x.is_finite()), "{r} {variance} {sigma}");
                }
            }
        }
    }
}
