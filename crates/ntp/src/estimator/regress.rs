//! A line through two-way samples whose noise only adds delay (pure numbers).

use super::MAX_SAMPLES;

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

/// What has been learned about the noise of the path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// Mean queueing on the way there, s.
    pub forward: f64,
    /// Mean queueing on the way back, s.
    pub backward: f64,
    /// Two-sided noise (reading the clocks), s.
    pub reading: f64,
}

impl Default for Noise {
    fn default() -> Self {
        Self { forward: 0.0, backward: 0.0, reading: 0.0 }
    }
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

/// Weighted least squares.
pub fn fit(points: &[Point], _noise: &mut Noise) -> Option<Line> {
    let min = points.iter().map(|p| p.forward + p.backward).min_by(f64::total_cmp)?;
    let mut mean = points.iter().map(|p| p.forward + p.backward - min).sum::<f64>() / points.len() as f64;
    mean = mean.max(1e-9);
    let weight = |p: &Point| {
        let extra = (p.forward + p.backward - min) / mean;
        1.0 / (0.01 + extra * extra / 12.0)
    };
    let (mut sw, mut st, mut sx) = (0.0, 0.0, 0.0);
    for p in points {
        let w = weight(p);
        sw += w;
        st += w * p.t;
        sx += w * (p.forward - p.backward) / 2.0;
    }
    let (mt, mx) = (st / sw, sx / sw);
    let (mut stt, mut stx) = (0.0, 0.0);
    for p in points {
        let w = weight(p);
        stt += w * (p.t - mt) * (p.t - mt);
        stx += w * (p.t - mt) * ((p.forward - p.backward) / 2.0 - mx);
    }
    if stt <= 0.0 {
        return None;
    }
    let frequency = stx / stt;
    let frequency_var = mean * mean / stt;
    Some(Line {
        offset: mx - frequency * mt,
        frequency,
        delay: min,
        offset_var: mean * mean / sw + frequency_var * mt * mt,
        frequency_var,
        covariance: -frequency_var * mt,
    })
}

/// The residuals of the offsets.
pub fn residuals(points: &[Point], line: &Line, out: &mut [f64; MAX_SAMPLES]) {
    for (p, r) in points.iter().zip(out) {
        *r = (p.forward - p.backward) / 2.0 - line.offset - line.frequency * p.t;
    }
}

impl Point {
    /// `sample` relative to the instant `origin` and the offset `base` (ns).
    pub fn new(sample: &crate::sample::Sample, origin: crate::time::OscTime, base: i64) -> Self {
        Self {
            t: sample.v - origin,
            forward: sample.forward.saturating_sub(base) as f64 * 1e-9,
            backward: sample.backward.saturating_add(base) as f64 * 1e-9,
            half: sample.half,
        }
    }
}
