//! Where a window begins: a belief, the instant it is of, and the sudden changes since.

use super::state::{Path, Point, Shock, State};
use crate::sample::Sample;
use crate::time::OscTime;

/// A sudden change between two samples, believed because it explains them, and dropped when it no longer does.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Jump {
    /// When.
    pub at: OscTime,
    /// Variance of what happened to θ, s².
    pub theta: f64,
    /// Variance of what happened to the frequency, (s/s)².
    pub frequency: f64,
    /// Variance of what happened to the shortest delay of a path, s²: a new route.
    pub delay: f64,
    /// It is known from elsewhere (the machine slept), and no hypothesis.
    pub known: bool,
}

/// The jumps believed, in order of time; the oldest gives way when there are too many.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Jumps<const N: usize> {
    list: [Jump; N],
    count: usize,
}

impl<const N: usize> Default for Jumps<N> {
    fn default() -> Self {
        Self { list: [Jump::default(); N], count: 0 }
    }
}

impl<const N: usize> Jumps<N> {
    /// In order of time.
    pub fn as_slice(&self) -> &[Jump] {
        &self.list[..self.count]
    }

    /// For changes that keep the order.
    pub fn as_mut_slice(&mut self) -> &mut [Jump] {
        &mut self.list[..self.count]
    }

    /// Adds one.
    pub fn insert(&mut self, jump: Jump) {
        if self.count == N {
            self.remove(0);
        }
        let index = self.as_slice().partition_point(|other| other.at <= jump.at);
        self.list.copy_within(index..self.count, index + 1);
        self.list[index] = jump;
        self.count += 1;
    }

    /// Drops the one at `index`.
    pub fn remove(&mut self, index: usize) {
        self.list.copy_within(index + 1..self.count, index);
        self.count -= 1;
    }

    /// The first after `start` that moves θ: no straight line goes through samples before and after it.
    pub fn first_bend(&self, start: OscTime) -> Option<OscTime> {
        self.as_slice().iter().find(|jump| jump.theta > 0.0 && jump.at > start).map(|jump| jump.at)
    }

    /// Is one within a second of `at`?
    pub fn near(&self, at: OscTime) -> bool {
        self.as_slice().iter().any(|jump| (jump.at - at).abs() < 1.0)
    }
}

/// Shocks of one run: those of the oscillator and those of all paths.
#[derive(Clone, Copy, Debug)]
pub struct Shocks<const N: usize> {
    list: [Shock; N],
    count: usize,
}

impl<const N: usize> Default for Shocks<N> {
    fn default() -> Self {
        Self { list: [Shock::default(); N], count: 0 }
    }
}

impl<const N: usize> Shocks<N> {
    /// Adds `jumps`, whose delays are of `path`, as seen from `origin`.
    pub fn add(&mut self, jumps: &[Jump], origin: OscTime, path: usize) {
        for jump in jumps {
            self.insert(Shock {
                t: jump.at - origin,
                theta: jump.theta,
                frequency: jump.frequency,
                delay: jump.delay,
                path,
            });
        }
    }

    /// Adds one at its place in time; one too many is left out.
    pub fn insert(&mut self, shock: Shock) {
        if self.count == N {
            return;
        }
        let index = self.as_slice().partition_point(|other| other.t <= shock.t);
        self.list.copy_within(index..self.count, index + 1);
        self.list[index] = shock;
        self.count += 1;
    }

    /// In order of time.
    pub fn as_slice(&self) -> &[Shock] {
        &self.list[..self.count]
    }
}

/// What the filter believed just before the first sample of a window.
///
/// θ of the state counts from the whole nanoseconds `theta`, time from `v`: differences stay small enough for `f64`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Anchor<const N: usize> {
    /// The instant the belief is of.
    pub v: OscTime,
    /// True time minus oscillator time that counts as zero, ns.
    pub theta: i64,
    /// The belief.
    pub state: State<N>,
}

impl<const N: usize> Anchor<N> {
    /// At `sample`, of `n` dimensions, knowing nothing.
    pub fn at(sample: &Sample, n: usize) -> Self {
        Self { v: sample.v, theta: sample.offset_nanos(), state: State::new(n) }
    }

    /// `sample` as this anchor sees it.
    pub fn point(&self, v: OscTime, forward: i64, backward: i64, half: f64, path: usize) -> Point {
        Point {
            t: v - self.v,
            forward: forward.saturating_sub(self.theta) as f64 * 1e-9,
            backward: backward.saturating_add(self.theta) as f64 * 1e-9,
            half,
            path,
            unrest: [1.0; 2],
            besides: 0.0,
        }
    }

    /// Counts θ from `theta` (ns).
    pub fn rebase(&mut self, theta: i64) {
        self.state.x[0] += self.theta.saturating_sub(theta) as f64 * 1e-9;
        self.theta = theta;
    }

    /// Moves on over `point`, which came at `v`, and learns it.
    pub fn absorb(&mut self, point: &Point, v: OscTime, paths: &[Path], wander: f64, shocks: &[Shock]) {
        self.state.run(0.0, core::slice::from_ref(point), paths, wander, shocks, |_, _, _, _| ());
        let nanos = crate::time::seconds_to_nanos(self.state.x[0]);
        self.theta = self.theta.saturating_add(nanos);
        self.state.x[0] -= nanos as f64 * 1e-9;
        self.v = v.max(self.v);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jumps_stay_in_order_and_the_oldest_gives_way() {
        let at = |seconds: f64| Jump { at: OscTime::from_seconds(seconds), ..Jump::default() };
        let mut jumps = Jumps::<3>::default();
        for seconds in [5.0, 1.0, 3.0, 4.0] {
            jumps.insert(at(seconds));
        }
        let times = |jumps: &Jumps<3>| {
            jumps.as_slice().iter().map(|j| j.at.nanos() / 1_000_000_000).collect::<Vec<_>>()
        };
        assert_eq!(times(&jumps), [3, 4, 5]);
        jumps.remove(1);
        assert_eq!(times(&jumps), [3, 5]);
        assert!(jumps.near(OscTime::from_seconds(5.5)) && !jumps.near(OscTime::from_seconds(4.0)));
    }
}
