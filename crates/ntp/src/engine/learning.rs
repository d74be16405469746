//! What is learned for the next run, and what the last run has learned: see [`crate::learned`].

use super::{Action, Actions, Engine};
use crate::estimator::MIN_FIT;
use crate::estimator::temperature::KnownTemperature;
use crate::learned::{Board, KnownOscillator, KnownPath, Learned};
use crate::source::Source;
use crate::time::{MonoTime, NANOS, Now};

/// Samples of this run from which more is learned of a path than an earlier run knew.
const ENOUGH: usize = 8;

/// What earlier runs knew, and when this one last added to it.
#[derive(Clone, Debug, Default)]
pub(super) struct Learning {
    known: Learned,
    saved: Option<MonoTime>,
    observed: Option<MonoTime>,
}

impl Learning {
    /// What an earlier run knew of a thermometer.
    pub(super) fn known_temperature(&self) -> Option<&KnownTemperature> {
        self.known.temperature.as_ref()
    }
}

impl Engine {
    /// Takes over what the last run has learned; to be called before the first event.
    pub fn restore_learned(&mut self, now: Now, learned: Learned) {
        let at = self.unix_seconds(now);
        if let Some(known) = learned.frequency(at) {
            self.joint.set_known(Some(known));
        }
        if let Some(oscillator) = &learned.oscillator {
            self.joint.set_wander(oscillator.wander);
        }
        self.learning.known = learned;
    }

    /// What is known now, of this run and of earlier ones.
    pub fn learned(&self) -> Learned {
        let (now, at) = (self.last, self.unix_seconds(self.last));
        let mut learned = self.learning.known.clone();
        if let Some(combined) = self.joint.combined().filter(|_| self.reference.updates > 0) {
            learned.note_oscillator(KnownOscillator {
                at,
                frequency: self.discipline.bare(combined.frequency),
                sd: combined.frequency_sd,
                wander: combined.wander,
            });
        }
        if self.temperatures.judged() {
            learned.note_temperature(self.temperatures.known());
        }
        let v = self.discipline.timeline().to_osc(now.raw);
        for source in &self.sources {
            let Some(mut path) = self.known_path(source) else { continue };
            let age = source.stats.last().map_or(0.0, |sample| (v - sample.v).max(0.0));
            path.at = at.saturating_sub(age as i64);
            learned.note_path(path);
        }
        learned.prune(at);
        learned
    }

    fn known_path(&self, source: &Source) -> Option<KnownPath> {
        let (address, path) = (source.remote?.ip(), source.stats.path());
        let estimate = source.stats.estimate().filter(|e| e.samples >= MIN_FIT)?;
        if path.seen() < ENOUGH {
            return None;
        }
        let noise = *path.noise();
        let waits = noise.forward + noise.backward;
        let samples = source.stats.window().len().max(1) as f64;
        Some(KnownPath {
            name: source.config.name.clone(),
            address,
            at: 0,
            delay: estimate.delay.clamp(0.0, 9.9),
            delay_sd: (waits / samples).min(9.9),
            noise,
            asymmetry: self.joint.asymmetry(source.id).map(|(beta, sd, _)| (beta, sd.max(1e-12))),
        })
    }

    /// The frequency held since this was last called belongs to the board's class.
    pub(super) fn observe_board(&mut self, now: Now) {
        let frequency = self.joint.combined().map(|combined| self.discipline.bare(combined.frequency));
        let since = self.learning.observed.replace(now.mono);
        if let (Some(frequency), Some(since)) = (frequency, since) {
            self.learning.known.board.get_or_insert(Board::NEW).observe(frequency, now.mono - since);
        }
    }

    /// Saves what was learned as often as the drift file is written: a flash memory does not like more.
    pub(super) fn maybe_save_learned(&mut self, now: Now, out: &mut Actions) {
        let since = *self.learning.saved.get_or_insert(self.started);
        if self.learning.observed.is_none() {
            self.observe_board(now);
        }
        if now.mono - since >= self.clock_config.drift_interval {
            self.learning.saved = Some(now.mono);
            self.observe_board(now);
            out.push(Action::SaveLearned);
        }
    }

    /// Before the first sample of a source: what an earlier run knew of the path to it.
    pub(super) fn recall_path(&mut self, now: Now, index: usize) {
        let at = self.unix_seconds(now);
        let wander = self.joint.oscillator().wander;
        let source = &mut self.sources[index];
        let Some(address) = source.remote.map(|remote| remote.ip()) else { return };
        if source.stats.last().is_none()
            && let Some(known) = self.learning.known.path(&source.config.name, address)
        {
            source.stats.path_mut().expect(known.expected(at), wander);
        }
    }

    /// Our time at `now`, whole seconds since 1970.
    fn unix_seconds(&self, now: Now) -> i64 {
        self.discipline.cooking(now.raw).apply(now.raw).nanos().div_euclid(NANOS)
    }
}
