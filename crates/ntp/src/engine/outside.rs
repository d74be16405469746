//! What happens to the clock behind our back: the machine sleeps, another program sets its frequency.
//!
//! Neither touches what was measured. Both make θ uncertain at one instant of V, which the estimator is told as a sudden
//! change that is known, not guessed (`estimator::Jump`); until new samples come, the doubt is part of what we promise.

use super::{Actions, Engine, Severity};
use crate::clock::Clock;
use crate::source::Source;
use crate::time::Now;

/// What sleep does: deviation of θ (s), because the clock on the board that counts meanwhile is coarse, and of the
/// frequency (s/s), because the machine is as warm as another day.
const SLEEP: (f64, f64) = (0.5, 1e-6);
/// How fast or slow an oscillator may be that nobody has measured yet, s/s.
const UNMEASURED: f64 = 0.05;
/// The doubt that a change adds to root dispersion: so many of its deviations.
const DOUBT_SIGMAS: f64 = 4.0;
/// Share of what the clock has gained unnoticed that is one deviation: any share of it may be true.
const UNNOTICED_SHARE: f64 = 0.6;
/// A fight over the frequency is spoken of once in so many seconds.
const SPEAK_INTERVAL: f64 = 64.0;
/// After so long, s, every source has been asked.
const REMEMBERED: f64 = 1024.0;
/// Spacing of the requests that follow sleep, s.
const WAKING_DELAY: f64 = 0.2;

impl Engine {
    /// The machine slept for `slept` seconds; its clocks went on by what the board says. Not `sure`: it may as well be that
    /// only this program did, and that the clock went on as it was set.
    pub(super) fn on_suspended(
        &mut self,
        now: Now,
        clock: &mut dyn Clock,
        (slept, sure): (f64, bool),
        out: &mut Actions,
    ) {
        if !slept.is_finite() || slept <= 0.0 {
            return;
        }
        out.log(Severity::Warning, format!("The machine slept for {slept:.0} seconds"));
        // Requests from before have no answer that tells anything.
        self.stamps_from = now.raw;
        self.sources.iter_mut().for_each(|source| source.link.forget_times());
        // The oscillator stood still meanwhile, and is taken to have gone on at the rate that is believed.
        let unsure = self.reference.combined_estimate.map_or(UNMEASURED, |c| c.frequency_sd);
        let coarse = SLEEP.0 + unsure * slept;
        let slewed = (self.discipline.timeline().frequency() - self.discipline.belief().frequency).abs();
        if sure {
            self.discipline.slept(now.raw, slept);
            self.shock(now, (coarse, SLEEP.1));
        } else {
            self.shock(now, (coarse + slewed * slept, SLEEP.1));
        }
        if self.root_distance(now) > self.selection_config.max_distance {
            self.unsynchronise(now, clock, out);
        } else {
            self.set_kernel_status(now, clock, out);
        }
        for index in 0..self.sources.len() {
            self.sources[index].poll.reset();
            if self.sources[index].poll.active() && self.sources[index].remote.is_some() {
                self.schedule(now, index, WAKING_DELAY * (index + 1) as f64);
            }
        }
    }

    /// Another program set the clock to `frequency` (s/s) within the last `since` seconds: what it did is entered, and
    /// undone.
    pub(super) fn on_foreign_frequency(
        &mut self,
        now: Now,
        clock: &mut dyn Clock,
        (frequency, since): (f64, f64),
        out: &mut Actions,
    ) {
        if !frequency.is_finite() || !since.is_finite() {
            return;
        }
        let change = frequency - self.discipline.steering();
        if self.overruled.is_none_or(|at| now.mono - at > SPEAK_INTERVAL) {
            self.overruled = Some(now.mono);
            let ppm = change * 1e6;
            out.log(
                Severity::Warning,
                format!("Another program changed the frequency of the system clock by {ppm:.3} ppm; setting ours again"),
            );
        }
        let result = self.discipline.overrule(now, clock, frequency);
        self.clock_result("set the frequency of", result, out);
        self.shock(now, (UNNOTICED_SHARE * change.abs() * since.max(0.0), 0.0));
    }

    /// θ and the frequency have become uncertain by these deviations (s, s/s).
    fn shock(&mut self, now: Now, (theta, frequency): (f64, f64)) {
        let v = self.discipline.timeline().to_osc(now.raw);
        // The mean of what was measured before and after is true of no instant.
        self.sources.iter_mut().for_each(Source::forget_unfinished);
        self.joint.expect_jump(v, theta, frequency);
        self.temperatures.disturb(theta, frequency);
        // Who has not been asked since an earlier change either is in doubt by the larger of both.
        let before = self.shaken.filter(|(at, _)| v - *at < REMEMBERED).map_or(0.0, |(_, doubt)| doubt);
        self.shaken = Some((v, before.max(DOUBT_SIGMAS * theta)));
        self.reference.root_dispersion += DOUBT_SIGMAS * theta;
    }

    /// What has become uncertain since a sample of the instant `v`, s.
    pub(super) fn doubt_since(&self, v: crate::time::OscTime) -> f64 {
        self.shaken.filter(|(at, _)| v < *at).map_or(0.0, |(_, doubt)| doubt)
    }
}
