//! From estimates to corrections: combination, the rules for steps, and what is done about a hand from outside.

use super::{Action, Actions, Engine, Once, Severity};
use crate::clock::{Applied, Clock, ClockError, SyncStatus};
use crate::config::ClockConfig;
use crate::discipline::Correction;
use crate::estimator::{Combined, Used};
use crate::ids::SourceId;
use crate::select::Status;
use crate::time::{Now, OscTime};

/// `-q` and `-Q` give up when nothing answered for so long, s.
const ONCE_PATIENCE: f64 = 30.0;

/// `makestep` and `maxchange` as they stand after some updates.
#[derive(Clone, Copy, Debug)]
pub(super) struct StepRule {
    pub makestep: Option<(f64, i32)>,
    pub maxchange: Option<(f64, i32, i32)>,
}

impl StepRule {
    pub fn new(config: &ClockConfig, reload: bool) -> Self {
        let makestep = config.makestep.filter(|&(_, limit)| limit < 0 || !reload);
        Self { makestep, maxchange: config.maxchange }
    }

    /// May the clock be stepped by `pending` (s)? Counts one update when `counts`, and whenever the answer is yes: however
    /// many sources there are, there are never more steps than the limit says.
    fn may_step(&mut self, pending: f64, counts: bool) -> bool {
        let Some((threshold, limit)) = self.makestep.as_mut() else { return false };
        if *limit == 0 {
            return false;
        }
        let yes = pending.abs() > *threshold;
        if *limit > 0 && (counts || yes) {
            *limit -= 1;
        }
        yes
    }

    /// What `maxchange` says of an adjustment by `offset` (s). Counts one update when `counts`: every source may
    /// bring an update, but only those of the one followed are counted.
    fn judge(&mut self, offset: f64, counts: bool) -> Change {
        let Some((limit, start, ignore)) = self.maxchange.as_mut() else { return Change::Fine };
        if *start > 0 {
            *start -= i32::from(counts);
            return Change::Fine;
        }
        if offset.abs() <= *limit {
            return Change::Fine;
        }
        if *ignore == 0 && counts {
            return Change::Exit(*limit);
        }
        if *ignore > 0 && counts {
            *ignore -= 1;
        }
        Change::Ignore(*limit)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Change {
    Fine,
    Ignore(f64),
    Exit(f64),
}

impl Engine {
    /// What the believed sources say together.
    fn combined(&mut self, out: &mut Actions) -> Option<Combined> {
        let mut used = core::mem::take(&mut self.used);
        used.clear();
        used.extend(self.selection.verdicts.iter().enumerate().filter_map(
            |(i, verdict)| match verdict.status {
                // It knows no time, but keeps a better rate than our oscillator.
                _ if self.sources[i].is_steady() => Some((i, false)),
                Status::Selected | Status::Combined => Some((i, true)),
                // Too distant to have a say in the offset, its rate still tells of the oscillator.
                Status::Distant if self.selection_config.combine_limit > 0.0 => Some((i, false)),
                _ => None,
            },
        ));
        let sources = &self.sources;
        let list = used.iter().map(|&(i, votes)| Used { id: sources[i].id, stats: &sources[i].stats, votes });
        let verdicts = &self.selection.verdicts;
        let expelled = |id: SourceId| {
            let index = sources.iter().position(|s| s.id == id);
            index.is_some_and(|i| verdicts[i].status.is_expulsion())
        };
        let resets = self.joint.resets();
        let combined = self.joint.update(list, expelled).copied();
        self.used = used;
        if self.joint.resets() != resets {
            let text =
                format!("Estimate of all sources was no number and begins anew ({} times)", resets + 1);
            out.log(Severity::Warning, text);
        }
        combined
    }

    pub(super) fn update_reference(
        &mut self,
        now: Now,
        v: OscTime,
        clock: &mut dyn Clock,
        best: usize,
        trigger: Option<SourceId>,
        out: &mut Actions,
    ) {
        let Some(combined) = self.combined(out) else { return };
        self.learn_temperature(trigger, &combined);
        let theta = combined.predict(v);
        let trusted = combined.skew <= self.clock_config.max_update_skew;
        let source = &self.sources[best];
        let interval = source.poll.current_interval();
        let correction = Correction {
            v,
            theta,
            theta_sd: combined.sd_after(v - combined.v),
            growth: combined.growth_square(self.discipline.spacing()),
            sources: self.used.len(),
            frequency: trusted.then_some(combined.frequency),
            interval,
        };
        let adjustment = theta - self.discipline.belief().theta_at(v);
        if !adjustment.is_finite() || adjustment.abs() > 4.5e9 {
            out.log(Severity::Warning, format!("Adjustment of {adjustment:.1} seconds is invalid"));
            return;
        }
        if self.set_initially(now, clock, &correction, out) {
            return;
        }
        if self.once != Once::No {
            return self.finish_once(now, clock, &correction, out);
        }
        let counts = trigger == Some(self.sources[best].id);
        match self.step_rule.judge(adjustment, counts) {
            Change::Fine => {}
            Change::Ignore(limit) => return refuse_change(adjustment, limit, "ignored", out),
            Change::Exit(limit) => {
                refuse_change(adjustment, limit, "exiting", out);
                out.push(Action::Exit(1));
                return;
            }
        }
        self.note_before_update(now);
        let residual = combined.frequency - self.discipline.belief().frequency;
        let before = self.discipline.belief().frequency;
        let moved = self.discipline.believe(now, &correction);
        if self.mail_threshold.is_some_and(|threshold| moved.abs() > threshold) {
            out.push(Action::Mail(moved));
        }
        if moved.abs() > self.clock_config.log_change {
            out.log(Severity::Warning, format!("System clock wrong by {moved:.6} seconds"));
        }
        self.set_reference(now, best, &combined, (residual, moved));
        let faster = self.discipline.belief().frequency - before;
        self.smooth_update(now, moved, faster, out);
        self.note_fallback(now);
        self.move_clock(now, clock, &correction, moved, counts, out);
        let now = self.after_step(now);
        self.set_kernel_status(now, clock, out);
        if self.log.tracking {
            self.record_tracking(now, out);
        }
        self.maybe_save_drift(now, out);
        self.maybe_save_learned(now, out);
    }

    /// Steps if the rules say so and the clock does it, else slews.
    fn move_clock(
        &mut self,
        now: Now,
        clock: &mut dyn Clock,
        correction: &Correction,
        moved: f64,
        counts: bool,
        out: &mut Actions,
    ) {
        let pending = self.discipline.pending(now.raw);
        if self.step_rule.may_step(pending, counts) {
            match self.step_clock(now, clock, out) {
                Ok(()) => {
                    self.step_refused = false;
                    return;
                }
                Err(error) if !core::mem::replace(&mut self.step_refused, true) => {
                    out.log(Severity::Error, format!("Could not step the clock, slewing it: {error}"));
                }
                Err(_) => {}
            }
        }
        let result = self.discipline.steer(now, clock, moved, correction);
        self.clock_result("steer", result, out);
    }

    /// Steps the clock by all that is pending and says so.
    pub(super) fn step_clock(
        &mut self,
        now: Now,
        clock: &mut dyn Clock,
        out: &mut Actions,
    ) -> Result<(), ClockError> {
        let offset = self.step_silently(now, clock)?;
        let (severity, whose) = self.whose_clock();
        out.log(severity, format!("{whose} clock was stepped by {offset:.6} seconds"));
        self.smooth_reset(now, out);
        Ok(())
    }

    /// How much a movement of the clock matters to others, and whose it is: without the system's, only what we serve moves.
    pub(super) fn whose_clock(&self) -> (Severity, &'static str) {
        if self.steers { (Severity::Warning, "System") } else { (Severity::Info, "Virtual") }
    }

    /// Steps the clock by all that is pending, and returns that (s).
    pub(super) fn step_silently(&mut self, now: Now, clock: &mut dyn Clock) -> Result<f64, ClockError> {
        let applied = self.discipline.step(now, clock)?;
        Ok(self.note_step(&applied))
    }

    /// Our own step was made; returns how far it went (s).
    pub(super) fn note_step(&mut self, applied: &Applied) -> f64 {
        let Applied { at, offset, .. } = *applied;
        self.stepped = Some(at + offset);
        self.stamps_from = at + offset;
        self.steps = (self.steps.0.wrapping_add(1), offset);
        offset
    }

    /// `now` of this event as the clock reads since our own step in it. With the old reading, requests received
    /// since a backward step would count as older than it, and after a forward one clients would be told the
    /// pending offset twice.
    pub(super) fn after_step(&self, now: Now) -> Now {
        Now { raw: self.stepped.unwrap_or(now.raw), ..now }
    }

    /// Tells the kernel how good its clock is.
    pub(super) fn set_kernel_status(&mut self, now: Now, clock: &mut dyn Clock, out: &mut Actions) {
        let status = SyncStatus {
            synchronised: self.reference.synchronised,
            est_error: self.reference.offset_sd + self.discipline.pending(now.raw).abs(),
            max_error: self.root_distance(now) + self.discipline.pending(now.raw).abs(),
            rtc_sync: self.clock_config.rtc_sync,
        };
        if clock.set_status(status).is_err() && self.reference.updates == 1 {
            out.log(Severity::Warning, "Could not set the status of the kernel's clock");
        }
    }

    /// `-q`, `-Q`: the offset is known; say it, step if asked, and end.
    fn finish_once(&mut self, now: Now, clock: &mut dyn Clock, correction: &Correction, out: &mut Actions) {
        if core::mem::replace(&mut self.finished, true) {
            return;
        }
        self.discipline.believe(now, correction);
        let offset = self.discipline.pending(now.raw);
        let step = self.once == Once::Set;
        if step && let Err(error) = self.step_silently(now, clock) {
            out.log(Severity::Error, format!("Could not step system clock: {error}"));
            out.push(Action::Exit(1));
            return;
        }
        let done = if step { "step" } else { "ignored" };
        out.log(Severity::Warning, format!("System clock wrong by {offset:.6} seconds ({done})"));
        out.push(Action::Exit(0));
    }

    /// `-q`, `-Q`: nobody answered usefully.
    pub(super) fn give_up(&mut self, now: Now, out: &mut Actions) {
        if self.once == Once::No || self.finished {
            return;
        }
        let waiting =
            self.sources.iter().any(|s| s.poll.in_burst() && s.remote.is_some() || s.refclock.is_some());
        let resolving = self.groups.iter().any(|g| g.query.is_some());
        let age = now.mono - self.started;
        let last_chance = self.sources.iter().filter_map(|s| s.request.as_ref()).any(|r| !r.answered);
        if !waiting && !resolving && !last_chance && age > 1.0 || age > ONCE_PATIENCE {
            out.log(Severity::Warning, "No suitable source for synchronisation");
            out.push(Action::Exit(1));
            self.finished = true;
        }
    }

    fn maybe_save_drift(&mut self, now: Now, out: &mut Actions) {
        if self.clock_config.drift_file.is_none() {
            return;
        }
        let since = *self.drift_saved.get_or_insert(self.started);
        if now.mono - since >= self.clock_config.drift_interval {
            self.drift_saved = Some(now.mono);
            self.save_drift(out);
        }
    }

    /// The drift file says by how much the clock gains.
    pub(super) fn save_drift(&mut self, out: &mut Actions) {
        out.push(Action::SaveDrift { frequency: -self.discipline.frequency(), skew: self.reference.skew });
    }

    /// Somebody else moved the clock.
    pub(super) fn on_external_step(
        &mut self,
        now: Now,
        clock: &mut dyn Clock,
        offset: f64,
        out: &mut Actions,
    ) {
        if self.was_leap(now, clock, offset, out) {
            return;
        }
        self.discipline.external_step(now.raw, offset);
        self.smooth_reset(now, out);
        self.stamps_from = now.raw;
        // Samples live in oscillator time and stay true; how far the clock is off now is known.
        let direction = if offset > 0.0 { "Forward" } else { "Backward" };
        out.log(Severity::Warning, format!("{direction} time jump detected!"));
        if offset.abs() > self.root_distance(now) {
            self.unsynchronise(now, clock, out);
        }
        for index in 0..self.sources.len() {
            self.sources[index].poll.reset();
            if self.sources[index].poll.active() && self.sources[index].remote.is_some() {
                let wait = INITIAL_DELAY_AFTER_STEP * (index + 1) as f64;
                self.schedule(now, index, wait);
            }
        }
    }

    /// What tracking.log tells of the time before an update.
    pub(super) fn note_before_update(&mut self, now: Now) {
        let remaining = self.discipline.pending(now.raw);
        self.before_update = (remaining, self.root_distance(now) + remaining.abs());
    }

    pub(super) fn record_tracking(&mut self, now: Now, out: &mut Actions) {
        let record = self.tracking_record(now);
        out.push(Action::Record(record));
    }
}

/// Spacing of the requests that follow an external step, s.
const INITIAL_DELAY_AFTER_STEP: f64 = 0.2;

fn refuse_change(adjustment: f64, limit: f64, what: &str, out: &mut Actions) {
    out.log(
        Severity::Warning,
        format!("Adjustment of {adjustment:.3} seconds exceeds the allowed maximum of {limit:.3} seconds ({what}) "),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(limit: i32) -> StepRule {
        StepRule { makestep: Some((0.1, limit)), maxchange: None }
    }

    /// Many sources bring updates; those of the one followed are counted, and every step.
    #[test]
    fn there_are_never_more_steps_than_the_limit() {
        let mut rule_of_two = rule(2);
        let steps = (0..10).filter(|i| rule_of_two.may_step(1.0, i % 5 == 0)).count();
        assert_eq!(steps, 2);
        let mut small = rule(2);
        let answers = [(0.01, false), (0.01, true), (0.01, false), (1.0, false), (1.0, false), (1.0, true)];
        let answers: Vec<bool> = answers.iter().map(|&(by, counts)| small.may_step(by, counts)).collect();
        assert_eq!(answers, [false, false, false, true, false, false], "one update and one step");
        let mut always = rule(-1);
        assert!((0..10).all(|i| always.may_step(-1.0, i % 2 == 0)));
    }
}
