//! A line through offsets by least squares, and what its residuals tell (pure numbers).
//!
//! This is the plain view of a source: where the filter starts from, and the figures of the reports (runs,
//! standard deviation, length of the window).

use super::MAX_SAMPLES;
use super::state::Point;
use libm::sqrt;

/// Smallest noise, s: stamps are whole nanoseconds.
pub const FLOOR: f64 = 1e-9;

/// A straight line.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Line {
    /// Offset at t = 0, s.
    pub offset: f64,
    /// Slope, s/s.
    pub frequency: f64,
}

/// The shortest round trip, s; 0 without points.
pub fn min_delay(points: &[Point]) -> f64 {
    points.iter().map(Point::delay).min_by(f64::total_cmp).unwrap_or(0.0)
}

/// The mean queueing of one way, if both ways queue alike, s.
///
/// The minimum of a few round trips is too long by about their mean excess divided by their number.
pub fn jitter(points: &[Point]) -> f64 {
    let n = points.len() as f64;
    let least = min_delay(points);
    let mean = points.iter().map(|p| p.delay() - least).sum::<f64>() / n.max(1.0);
    (0.6 * mean * n / (n - 1.0).max(1.0)).max(FLOOR)
}

/// Least squares through the offsets, weighted by delay: a packet that took longer than the shortest by D has
/// an offset that may be wrong by anything up to ±D/2.
pub fn fit(points: &[Point]) -> Line {
    let (least, jitter) = (min_delay(points), jitter(points));
    let origin = points.first().map_or(0.0, |p| p.offset());
    let (mut sw, mut st, mut sx) = (0.0, 0.0, 0.0);
    let weight = |p: &Point| {
        let extra = (p.delay() - least) / jitter;
        1.0 / (0.05 + extra * extra / 12.0)
    };
    for p in points {
        let w = weight(p);
        sw += w;
        st += w * p.t;
        sx += w * (p.offset() - origin);
    }
    let (t, x) = (st / sw, sx / sw);
    let (mut stt, mut stx) = (0.0, 0.0);
    for p in points {
        let w = weight(p);
        stt += w * (p.t - t) * (p.t - t);
        stx += w * (p.t - t) * (p.offset() - origin - x);
    }
    let frequency = stx / stt;
    if !frequency.is_finite() {
        return Line { offset: if x.is_finite() { origin + x } else { origin }, frequency: 0.0 };
    }
    Line { offset: origin + x - frequency * t, frequency }
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

    /// Do they change sign often enough for a straight line (Wald and Wolfowitz's runs test)?
    ///
    /// A wandering frequency bends the line, and residuals of one sign then stand together.
    pub fn is_straight(&self) -> bool {
        /// Standard deviations; one-sided 2.5 %.
        const LIMIT: f64 = 2.0;
        self.std_dev < 2.0 * FLOOR || self.lack < LIMIT
    }
}
