//! One source as the filter over all sources knows it.

use super::anchor::Jumps;
use super::joint::Belief;
use super::path::unrest::Unrest;
use super::path::{FirstLine, FirstWait, NO_DELAY, ROUTES, delay_variance};
use super::state::{Path, asymmetry_of, delay_of};
use super::{Expected, MAX_SAMPLES, SourceStats};
use crate::ids::SourceId;
use crate::time::OscTime;

/// Deviation of a path's asymmetry beforehand, as a share of its round trip and at least (s).
const ASYMMETRY: (f64, f64) = (0.03, 150e-6);

/// Smallest variance of an asymmetry, s²: nobody knows a path, nor a cable, to the nanosecond.
const NO_ASYMMETRY: f64 = 1e-18;

/// A source in the filter.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    pub id: SourceId,
    /// It is believed now.
    pub used: bool,
    /// Its offset has a say, not only its rate.
    pub votes: bool,
    /// Its vote on its own asymmetry has been folded into the anchor.
    pub folded: bool,
    /// Student's weight of that vote.
    pub weight: f64,
    /// Instant of the newest sample taken from it.
    pub newest: OscTime,
    pub seen: usize,
    /// Samples in its own window.
    pub kept: usize,
    pub jitter: f64,
    /// What its round trip in the middle is beyond the shortest, s.
    pub excess: f64,
    /// By how much its shortest round trip was longer than the least measured when the filter began, s.
    pub beyond: f64,
    pub first_wait: FirstWait,
    pub least: f64,
    pub root: f64,
    pub path: Path,
    pub unrest: Unrest,
    pub routes: Jumps<ROUTES>,
    /// What an earlier run has learned of the path.
    pub expected: Option<Expected>,
    /// Around this asymmetry the path votes: 0, or what an earlier run has judged. So a restart does not move the clock.
    pub usual: f64,
    pub line: Option<FirstLine>,
}

impl Member {
    /// Conditions on "the asymmetry of its path is as usual within a Gaussian error of this variance".
    pub fn vote(&self, state: &mut Belief, slot: usize, variance: f64) {
        let beta = asymmetry_of(slot);
        state.x[beta] -= self.usual;
        state.condition(beta, variance);
        state.x[beta] += self.usual;
    }

    /// Variance of its path's asymmetry beforehand, s².
    pub fn spread(&self) -> f64 {
        let of_path = ASYMMETRY.0 * self.least;
        let most = 0.25 * self.least;
        let spread = (of_path * of_path + ASYMMETRY.1 * ASYMMETRY.1).min(most * most);
        (spread + 0.01 * self.root * self.root).max(NO_ASYMMETRY)
    }

    /// Takes over what its own filter has learned since.
    pub fn refresh(&mut self, stats: &SourceStats) {
        let path = stats.path();
        self.seen = path.seen();
        self.kept = stats.window().len();
        self.jitter = path.jitter();
        self.excess = path.excess();
        self.first_wait = *path.first_wait();
        self.least = path.least();
        self.path.noise = *path.noise();
        self.unrest = *path.unrest();
        self.routes = *path.routes();
        self.expected = path.expected().copied();
        match &self.expected {
            Some(expected) => self.usual = expected.asymmetry,
            // It is another path than was known.
            None if self.seen <= MAX_SAMPLES => self.usual = 0.0,
            None => {}
        }
        self.line = path.line().copied();
        self.root = stats.last().map_or(0.0, |s| s.root_delay / 2.0 + s.root_dispersion);
    }

    /// Is the law of its noise of another kind than when the filter began? The shortest delay is then another.
    pub fn is_another_kind(&self) -> bool {
        let beyond = self.path.noise.beyond(self.excess);
        (beyond - self.beyond).abs() > 0.5 * self.excess
    }

    /// Sets delay and asymmetry of its path in `state` as they are before they are learned.
    pub fn set_path(&self, state: &mut Belief, slot: usize) {
        let frequency = state.p[1][1];
        let (delay, beta) = (delay_of(slot), asymmetry_of(slot));
        let (mean, variance) = match &self.expected {
            _ if self.path.noise.two_sided => NO_DELAY,
            Some(expected) => expected.delay_prior(self.least, frequency),
            None => (
                self.least + self.path.noise.beyond(self.excess),
                delay_variance(self.jitter, self.least, self.kept, frequency),
            ),
        };
        state.set(delay, mean, variance);
        if beta < state.dimensions() {
            // As far as the path allows, and as far as the server itself says it may be wrong.
            let most = 0.3 * self.least;
            state.set(beta, 0.0, (most * most + self.root * self.root).max(NO_ASYMMETRY));
        }
    }
}
