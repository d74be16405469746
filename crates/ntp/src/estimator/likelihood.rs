//! The law of one-way noise: late by a queue, early only by errors of reading (pure numbers).
//!
//! A packet can wait, it cannot hurry. One way of a sample is therefore its floor plus an exponential wait of mean
//! σ plus a Gaussian error of variance S²; the sum has a closed density, and with it the exact first two moments of
//! the posterior of a Gaussian prior (docs/discipline.md, "One packet"). Everything here is written with the hazard
//! λ(k) = φ(k)/Φ(k), so that no difference of large numbers and no vanishing quotient occurs.

use libm::{exp, sqrt};

/// A log density of a residual with its first two derivatives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Density {
    /// ln p is this exponent plus the logarithm of `factor`: who multiplies densities takes one logarithm for all.
    pub exponent: f64,
    /// See `exponent`; 1/s, between 10⁻¹³ and 10¹⁰.
    pub factor: f64,
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
/// Beyond this k nothing of the Gaussian error is left: φ(k) < 10⁻¹⁸.
const LATE: f64 = 9.0;

/// The law of a residual `r` (s): mostly exponential lateness of mean `sigma` (s) plus Gaussian noise of the variance
/// `variance` (s²); sometimes a much longer queue, rarely anything at all.
pub fn late(r: f64, variance: f64, sigma: f64) -> Density {
    let s = sqrt(variance);
    let (sharp, rate) = (1.0 / s, 1.0 / sigma);
    let z = r * sharp;
    let rates = [rate, rate * (1.0 / TAIL.1)];
    let ratios = rates.map(|rate| s * rate);
    let k = ratios.map(|ratio| z - ratio);
    // k of the longer queue is the larger one.
    let excess = if k[0] < LATE { excess(k.map(f64::abs)) } else { [0.0; 2] };
    let queued = |i: usize| Part::queued(z, ratios[i], excess[i], sharp, rates[i]);
    let wide = 1.0 / (variance + OUTLIER.1 * OUTLIER.1 * sigma * sigma);
    let outlier = Part {
        exponent: -0.5 * r * r * wide,
        factor: INV_ROOT_TAU * sqrt(wide),
        slope: -r * wide,
        bend: -wide,
    };
    let parts = [(queued(0), 1.0 - TAIL.0 - OUTLIER.0), (queued(1), TAIL.0), (outlier, OUTLIER.0)];
    let top = parts[0].0.exponent.max(parts[1].0.exponent).max(parts[2].0.exponent);
    let (mut sum, mut slope, mut bend) = (0.0, 0.0, 0.0);
    for (part, weight) in parts {
        let below = part.exponent - top;
        let share = weight * part.factor * if below == 0.0 { 1.0 } else { exp(below) };
        sum += share;
        slope += share * part.slope;
        bend += share * (part.bend + part.slope * part.slope);
    }
    let norm = 1.0 / sum;
    let slope = slope * norm;
    Density { exponent: top, factor: sum, slope, bend: bend * norm - slope * slope }
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
    /// An exponential wait of rate `rate` = 1/σ (1/s) plus a Gaussian error of deviation s = 1/`sharp`, at the residual
    /// r = `z`·s; `ratio` is s/σ, `excess` that of |k|:
    ///
    /// ```text
    /// p(r) = 1/σ · exp(s²/2σ² − r/σ) · Φ(k),  k = r/s − s/σ;   slope = λ/s − 1/σ,  bend = −λ(λ + k)/s²,  λ = φ(k)/Φ(k)
    /// ```
    ///
    /// For k < 0 the same with λ = excess(−k) − k, so that λ + k, slope and exponent need no difference of large numbers.
    fn queued(z: f64, ratio: f64, excess: f64, sharp: f64, rate: f64) -> Self {
        let k = z - ratio;
        if k < 0.0 {
            let hazard = excess - k;
            return Self {
                exponent: -0.5 * z * z,
                factor: INV_ROOT_TAU * rate / hazard,
                slope: (excess - z) * sharp,
                bend: -hazard * excess * sharp * sharp,
            };
        }
        let exponent = ratio * (0.5 * ratio - z);
        if k >= LATE {
            return Self { exponent, factor: rate, slope: -rate, bend: 0.0 };
        }
        let gauss = INV_ROOT_TAU * exp(-0.5 * k * k);
        let below = 1.0 - gauss / (k + excess);
        let hazard = gauss / below;
        Self {
            exponent,
            factor: below * rate,
            slope: hazard * sharp - rate,
            bend: -hazard * (hazard + k) * sharp * sharp,
        }
    }
}

/// φ(x)/Φ(−x) − x for two x ≥ 0: the hazard of the normal law less its asymptote, which falls from √(2/π) as 1/x. Two at
/// once, because the processor does both in the time of one.
///
/// (x + 2) times it is a polynomial in (x − 4)/(x + 4), interpolated at 17 Chebyshev nodes from values of 40
/// digits; the largest relative error is 2.2e-10.
fn excess(x: [f64; 2]) -> [f64; 2] {
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
    let t = x.map(|x| (x - 4.0) / (x + 4.0));
    // Even and odd powers apart: short chains instead of a long one.
    let q = t.map(|t| t * t);
    let (mut even, mut odd) = ([C[16]; 2], [C[15]; 2]);
    for i in (0..8).rev() {
        for lane in 0..2 {
            even[lane] = even[lane] * q[lane] + C[2 * i];
        }
    }
    for i in (0..7).rev() {
        for lane in 0..2 {
            odd[lane] = odd[lane] * q[lane] + C[2 * i + 1];
        }
    }
    core::array::from_fn(|lane| (even[lane] + t[lane] * odd[lane]) / (x[lane] + 2.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use libm::{erfc, log as ln};

    fn log(d: &Density) -> f64 {
        d.exponent + ln(d.factor)
    }

    #[test]
    fn the_excess_hazard_is_what_erfc_says() {
        for i in 0..2000 {
            let x = f64::from(i) * 0.01;
            let below = 0.5 * erfc(x * core::f64::consts::FRAC_1_SQRT_2);
            let hazard = INV_ROOT_TAU * exp(-0.5 * x * x) / below;
            let error = (excess([x, 1.0])[0] + x) / hazard - 1.0;
            assert!(error.abs() < 1e-9, "{x}: {error}");
        }
        // Beyond, the asymptotic series.
        for x in [30.0, 300.0, 1e6, 1e100] {
            let series = 1.0 / x - 2.0 / (x * x * x);
            assert!((excess([1.0, x])[1] / series - 1.0).abs() < 2e-5, "{x}");
        }
    }

    #[test]
    fn the_density_is_one_and_its_derivatives_are_its_own() {
        for (s, sigma) in [(1.0, 1.0), (0.1, 1.0), (3.0, 0.2), (1.0, 0.05)] {
            let (mut sum, step) = (0.0, 1e-3);
            let mut r = -40.0;
            while r < 60.0 {
                let k = r / s - s / sigma;
                let part = Part::queued(r / s, s / sigma, excess([k.abs(); 2])[0], 1.0 / s, 1.0 / sigma);
                sum += part.factor * exp(part.exponent) * step;
                r += step;
            }
            assert!((sum - 1.0).abs() < 1e-6, "{s} {sigma}: {sum}");
            for r in [-4.0, -1.0, -0.3, 0.0, 0.7, 2.0, 9.0] {
                let [a, b, c] = [-1e-4, 0.0, 1e-4].map(|d| late(r + d, s * s, sigma));
                assert!((b.slope - (log(&c) - log(&a)) / 2e-4).abs() < 1e-5 * (1.0 + b.slope.abs()));
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
                    assert!((1e-13..1e10).contains(&d.factor), "{r} {variance} {sigma}: {d:?}");
                    assert!(
                        [d.exponent, d.slope, d.bend].iter().all(|x| x.is_finite()),
                        "{r} {variance} {sigma}"
                    );
                }
            }
        }
    }
}
