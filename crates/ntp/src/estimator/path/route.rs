//! Changes of route: found by their evidence, and dropped when it is gone.

use super::{AllShocks, BELIEVE, PathFilter};
use crate::estimator::anchor::Jump;
use crate::estimator::oscillator::Oscillator;
use crate::estimator::state::Point;
use crate::sample::Sample;

/// Gain in evidence below which a change of route is dropped again.
const DROP: f64 = 2.0;

impl PathFilter {
    /// Looks for a change of the shortest delay, and drops those that are no longer likely.
    pub(super) fn seek_route(&mut self, window: &[Sample], oscillator: &Oscillator) {
        self.drop_unlikely(window.len(), oscillator);
        let (n, Some(anchor)) = (window.len(), self.anchor) else { return };
        if n < 10 {
            return;
        }
        let mut best: Option<(f64, Jump)> = None;
        let shocks = self.shocks(oscillator);
        let mut plain = None;
        for back in [2, 3, 4, 5, 6, 8, 10, 14, 20, 28, 40] {
            if back + 3 > n {
                break;
            }
            let k = n - back;
            let least = |points: &[Point]| points.iter().map(Point::delay).fold(f64::INFINITY, f64::min);
            let (after, before) = (least(&self.points[k..n]), least(&self.points[..k]));
            let change = (after - before).abs();
            // A longer route is easily mistaken for a queue: it has to last.
            if after > before && back < 6 || change < 2.0 * self.noise.forward.min(self.noise.backward) {
                continue;
            }
            let at = anchor.v + 0.5 * (self.points[k - 1].t + self.points[k].t);
            if self.routes.near(at) || oscillator.jumps.near(at) {
                continue;
            }
            let jump = Jump { at, delay: 2.25 * change * change, ..Jump::default() };
            let mut with = shocks;
            with.add(&[jump], anchor.v, 0);
            let run = |shocks: &AllShocks| self.pass(n, shocks).map_or(0.0, |r| r.1);
            let plain = *plain.get_or_insert_with(|| run(&shocks));
            let gain = run(&with) - plain;
            if gain > best.map_or(BELIEVE, |b| b.0) {
                best = Some((gain, jump));
            }
        }
        if let Some((_, jump)) = best {
            self.routes.insert(jump);
        }
    }

    fn drop_unlikely(&mut self, n: usize, oscillator: &Oscillator) {
        let Some(anchor) = self.anchor else { return };
        let evidence = |path: &Self| path.pass(n, &path.shocks(oscillator)).map_or(0.0, |r| r.1);
        let mut index = 0;
        while index < self.routes.as_slice().len() {
            if self.routes.as_slice()[index].at > anchor.v {
                let (with, kept) = (evidence(self), self.routes);
                self.routes.remove(index);
                if with - evidence(self) < DROP {
                    continue;
                }
                self.routes = kept;
            }
            index += 1;
        }
    }
}
