//! Many readings, one sample: the mean of those nearest to the median.

use super::Point;
use crate::discipline::Belief;
use crate::estimator::Theta;
use crate::time::{OscTime, seconds_to_nanos};

/// Readings kept at most.
const MOST: usize = 64;
/// Share of the readings, nearest to the median, that is used.
const SHARE: f64 = 0.6;

/// The readings of one poll interval, the newest ones.
#[derive(Clone, Debug)]
pub struct Filter {
    length: usize,
    points: Vec<Point>,
}

/// What they say together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Filtered {
    /// Mean of their times.
    pub v: OscTime,
    /// True time minus oscillator time then, ns.
    pub theta: i64,
    /// What is doubted of it, s: deviation of the mean, and the smallest error a reading claims.
    pub dispersion: f64,
}

impl Filter {
    /// Keeps up to `length` readings (option `filter`); at least one.
    pub fn new(length: i32) -> Self {
        let length = usize::try_from(length).unwrap_or(0).clamp(1, MOST);
        Self { length, points: Vec::with_capacity(length) }
    }

    /// Takes a reading; the oldest makes room.
    pub fn push(&mut self, point: Point) {
        if self.points.len() == self.length {
            self.points.remove(0);
        }
        self.points.push(point);
    }

    /// How many readings it has.
    pub fn len(&self) -> usize {
        self.points.len()
    }

    /// Has it none?
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// Forgets them.
    pub fn clear(&mut self) {
        self.points.clear();
    }

    /// True time moved by `nanos` against oscillator time.
    pub fn add_offset(&mut self, nanos: i64) {
        for point in &mut self.points {
            point.theta = point.theta.saturating_add(nanos);
        }
    }

    /// Makes one sample of all readings and forgets them; `None` without any. They are compared by their distance from
    /// `belief`, because the oscillator goes on while they are gathered.
    pub fn take(&mut self, belief: &Belief) -> Option<Filtered> {
        let first = self.points.first()?.v;
        let away = |p: &Point| Theta::from_nanos(p.theta) - belief.theta_at(p.v);
        self.points.sort_by(|a, b| away(a).total_cmp(&away(b)));
        let n = self.points.len();
        let used = libm::ceil(SHARE * n as f64).clamp(1.0, n as f64) as usize;
        let start = (n - used) / 2;
        let chosen = &self.points[start..start + used];
        let mean = |f: &dyn Fn(&Point) -> f64| chosen.iter().map(f).sum::<f64>() / used as f64;
        let (offset, time) = (mean(&away), mean(&|p| p.v - first));
        let variance = mean(&|p| (away(p) - offset) * (away(p) - offset));
        let error = chosen.iter().map(|p| p.error).fold(f64::INFINITY, f64::min);
        let v = OscTime::from_nanos(first.nanos().saturating_add(seconds_to_nanos(time)));
        let theta = (belief.theta_at(v) + offset).nanos();
        let scatter = if used > 1 { libm::sqrt(variance / (used - 1) as f64) } else { 0.0 };
        self.points.clear();
        Some(Filtered { v, theta, dispersion: error.max(0.0) + scatter })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(second: i64, theta: i64) -> Point {
        Point { v: OscTime::from_nanos(second * 1_000_000_000), theta, error: 1e-7 }
    }

    #[test]
    fn outliers_do_not_count_and_a_trend_does_not_shift_the_sample() {
        let belief = Belief { v: OscTime::from_nanos(0), theta: Theta::from_nanos(0), frequency: 0.0 };
        let mut filter = Filter::new(64);
        // 100 ns a second, and three readings from elsewhere.
        for i in 0..16 {
            let wild = match i {
                3 => 900_000,
                9 => -700_000,
                12 => 44_000,
                _ => 0,
            };
            filter.push(point(i, 5_000 + 100 * i + wild));
        }
        let sample = filter.take(&belief).expect("readings");
        let expected = 5_000.0 + 100.0 * (sample.v.nanos() as f64 * 1e-9);
        assert!((sample.theta as f64 - expected).abs() <= 1.0, "{sample:?}");
        assert!(filter.is_empty() && filter.take(&belief).is_none());
    }

    #[test]
    fn one_reading_is_enough_and_the_newest_stay() {
        let belief = Belief { v: OscTime::from_nanos(0), theta: Theta::from_nanos(7), frequency: 1e-6 };
        let mut filter = Filter::new(2);
        (0..5).for_each(|i| filter.push(point(i, 40 * i)));
        assert_eq!(filter.len(), 2);
        let mut one = Filter::new(0);
        one.push(point(3, 120));
        let sample = one.take(&belief).expect("one");
        assert_eq!(
            (sample.v, sample.theta, sample.dispersion),
            (OscTime::from_nanos(3_000_000_000), 120, 1e-7)
        );
    }
}
