//! From estimates to corrections: selection, combination, the rules for steps, and what is believed of our clock.

use super::{Action, Actions, Engine, Once, Severity};
use crate::clock::{Applied, Clock, ClockError, SyncStatus};
use crate::combine::{self, Combined, Weight};
use crate::config::{ClockConfig, SourceKind};
use crate::discipline::Correction;
use crate::estimator::Estimate;
use crate::ids::{RefId, SourceId};
use crate::select::{self, Candidate, Flags, Outcome, Status};
use crate::source::Source;
use crate::time::{LocalTime, MonoTime, Now, OscTime};
use crate::wire::Leap;
use core::net::IpAddr;

/// Skew while nothing is known, s/s: what reports and drift file call a million ppm.
pub(super) const UNKNOWN_SKEW: f64 = 1.0;
/// Bad updates in a row after which a source is reported and may be replaced.
const BAD_UPDATES: u32 = 4;
/// What clients are told is good for so long without another look, s.
pub(super) const DISPERSION_HORIZON: f64 = 32.0;
/// Dispersion from the noise of the estimate: this many standard deviations.
const SIGMAS: f64 = 2.0;
/// `-q` and `-Q` give up when nothing answered for so long, s.
const ONCE_PATIENCE: f64 = 30.0;

/// What our clock follows and how well.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Reference {
    pub synchronised: bool,
    pub source: Option<SourceId>,
    pub address: Option<IpAddr>,
    pub refid: RefId,
    pub stratum: u8,
    pub leap: Leap,
    /// When the clock was last corrected.
    pub time: LocalTime,
    pub mono: Option<MonoTime>,
    pub root_delay: f64,
    pub root_dispersion: f64,
    pub skew: f64,
    /// The estimate behind the last update: how its error grows with time.
    pub combined_estimate: Option<Combined>,
    /// Frequency of the last estimate against the one in use, s/s, positive: the oscillator is slower still.
    pub residual: f64,
    pub offset_sd: f64,
    pub last_offset: f64,
    pub mean_square: f64,
    pub update_interval: f64,
    pub updates: u64,
    pub combined: usize,
    /// The reference time as clients see it, moved back by up to a second.
    pub served_time: LocalTime,
    /// Root distance was once below `local activate`.
    pub activated: bool,
}

impl Default for Reference {
    fn default() -> Self {
        Self {
            synchronised: false,
            source: None,
            address: None,
            refid: RefId::NONE,
            stratum: 0,
            leap: Leap::Unsynchronised,
            time: LocalTime::from_nanos(0),
            mono: None,
            root_delay: 1.0,
            root_dispersion: 1.0,
            skew: UNKNOWN_SKEW,
            combined_estimate: None,
            residual: 0.0,
            offset_sd: 0.0,
            last_offset: 0.0,
            mean_square: 0.0,
            update_interval: 0.0,
            updates: 0,
            combined: 0,
            served_time: LocalTime::from_nanos(0),
            activated: false,
        }
    }
}

impl Reference {
    /// Root mean square of the last offsets, s.
    pub fn rms_offset(&self) -> f64 {
        libm::sqrt(self.mean_square)
    }
}

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

    /// May the clock be stepped by `pending` (s)? Counts one update when `counts`.
    fn may_step(&mut self, pending: f64, counts: bool) -> bool {
        let Some((threshold, limit)) = self.makestep.as_mut() else { return false };
        if *limit == 0 {
            return false;
        }
        if *limit > 0 && counts {
            *limit -= 1;
        }
        pending.abs() > *threshold
    }

    /// What `maxchange` says of an adjustment by `offset` (s).
    fn judge(&mut self, offset: f64) -> Change {
        let Some((limit, start, ignore)) = self.maxchange.as_mut() else { return Change::Fine };
        if *start > 0 {
            *start -= 1;
            return Change::Fine;
        }
        if offset.abs() <= *limit {
            return Change::Fine;
        }
        if *ignore == 0 {
            return Change::Exit(*limit);
        }
        if *ignore > 0 {
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
    /// Judges all sources and, when one of them has something new, corrects the clock.
    /// `trigger` is the source that gave a new sample.
    pub(super) fn update_selection(
        &mut self,
        now: Now,
        clock: &mut dyn Clock,
        trigger: Option<SourceId>,
        out: &mut Actions,
    ) {
        let v = self.discipline.timeline().to_osc(now.raw);
        let mut candidates = core::mem::take(&mut self.candidates);
        candidates.clear();
        candidates.extend(self.sources.iter().map(|s| self.candidate(now, v, s, trigger.is_some())));
        self.select_options.orphan = self.orphan();
        let before = self.selection.outcome;
        select::select(&candidates, &self.select_options, &mut self.selection);
        self.candidates = candidates;
        for (source, verdict) in self.sources.iter_mut().zip(&self.selection.verdicts) {
            source.select = verdict.state;
        }
        self.note_bad_sources(now, trigger, out);
        self.report_outcome(before, out);
        if self.log.selection && trigger.is_some() {
            self.record_selection(now, out);
        }
        if let Some(best) = self.selection.best()
            && trigger.is_some()
        {
            self.update_reference(now, v, clock, best, trigger, out);
        }
    }

    fn candidate(&self, now: Now, v: OscTime, source: &Source, fresh: bool) -> Candidate {
        let flags = Flags {
            noselect: source.config.noselect,
            prefer: source.config.prefer,
            trust: source.config.trust,
            require: source.config.require,
        };
        let age = |at: Option<OscTime>| at.map_or(0.0, |at| v - at);
        let newest = source.stats.last();
        // With `maxsamples` below what a line needs, the newest sample is all there ever is (`-Q` and one packet).
        let most = source.stats.options().max_samples;
        let unfitted = newest.is_some() && (1..crate::estimator::MIN_FIT).contains(&most);
        let noise = newest.map_or(0.0, |sample| sample.dispersion);
        let (mut offset, mut distance, mut frequency, mut skew) = (0.0, f64::INFINITY, 0.0, UNKNOWN_SKEW);
        if let (Some(estimate), Some(sample)) = (source.stats.estimate(), newest) {
            offset = estimate.predict(v) - self.discipline.belief().theta_at(v);
            let growth = self.clock_config.max_clock_error * age(Some(sample.v)).max(0.0);
            distance = sample.root_distance() + SIGMAS * estimate.predict_sd(v) + growth;
            frequency = estimate.frequency - self.discipline.belief().frequency;
            skew = estimate.skew;
        }
        let stratum = newest.map_or(0, |s| s.stratum).max(source.config.min_stratum as u8);
        let _ = now;
        Candidate {
            id: source.id,
            refclock: false,
            authenticated: false,
            flags,
            reachable: source.reach.reachable(),
            polls: u32::from(source.reach.size),
            unreachable_polls: source.unreach_count,
            max_unreachable_polls: source.config.max_unreach.max(0) as u32,
            samples: if unfitted { crate::estimator::MIN_FIT } else { source.stats.samples() },
            fresh,
            oldest_age: age(source.stats.oldest()),
            newest_age: age(newest.map(|s| s.v)),
            leap: newest.map_or(Leap::Unsynchronised, |_| source.leap()),
            stratum,
            address_id: source.refid().0,
            offset,
            root_distance: distance,
            std_dev: if unfitted { noise } else { source.stats.std_dev() },
            frequency,
            skew,
            state: source.select,
        }
    }

    fn orphan(&self) -> Option<select::Orphan> {
        let local = self.local.filter(|l| l.orphan)?;
        let own = self.local_addresses.iter().map(|(_, a)| crate::source::address_refid(*a).0).min();
        Some(select::Orphan { stratum: local.stratum, address_id: own.unwrap_or(0) })
    }

    /// Counts updates in which a source was found bad, reports it once and asks for another address.
    fn note_bad_sources(&mut self, now: Now, trigger: Option<SourceId>, out: &mut Actions) {
        let Some(trigger) = trigger else { return };
        let majority = !matches!(self.selection.outcome, Outcome::NoMajority { .. });
        for index in 0..self.sources.len() {
            let status = self.selection.verdicts[index].status;
            let bad = matches!(
                status,
                Status::BadDistance | Status::Jittery | Status::BadStratum | Status::Falseticker
            ) && majority;
            let source = &mut self.sources[index];
            if !bad {
                source.bad_updates = 0;
                continue;
            }
            if source.id != trigger {
                continue;
            }
            source.bad_updates = source.bad_updates.saturating_add(1);
            if source.bad_updates != BAD_UPDATES {
                continue;
            }
            let (id, label, limits) = (source.id, source.label(), &self.selection_config);
            let text = match status {
                Status::Falseticker => format!("Detected falseticker {label}"),
                Status::BadDistance => {
                    format!("Root distance of {label} exceeds maxdistance of {} seconds", limits.max_distance)
                }
                Status::Jittery => {
                    format!("Jitter of {label} exceeds maxjitter of {} seconds", limits.max_jitter)
                }
                _ if i32::from(self.candidates[index].stratum) > limits.max_stratum => {
                    format!("Stratum of {label} above maxstratum of {}", limits.max_stratum)
                }
                _ => format!("Stratum of {label} below minstratum of {}", limits.min_stratum),
            };
            out.log(Severity::Warning, text);
            self.want_replacement(now, id, out);
        }
    }

    /// Tells what changed since the last selection.
    pub(super) fn report_outcome(&mut self, before: Outcome, out: &mut Actions) {
        let outcome = self.selection.outcome;
        match outcome {
            Outcome::Selected { best, .. } | Outcome::WaitingUpdate { best } => {
                let source = &self.sources[best];
                if self.announced != Some(source.id) {
                    self.announced = Some(source.id);
                    out.log(Severity::Info, format!("Selected source {}", source.label()));
                }
                self.select_options.selected_before = true;
                self.complained = false;
            }
            Outcome::Waiting => {}
            _ => {
                // At the start, a name that is only being looked up is nothing to complain of.
                let unknown =
                    |s: &Source| self.groups.iter().any(|g| Some(g.id) == s.group && g.failures > 0);
                let everyone_asked = self.sources.iter().all(|s| match s.remote {
                    Some(_) => s.reach.size >= 8,
                    None => unknown(s),
                });
                let lost = self.announced.take().is_some();
                let worse = core::mem::discriminant(&before) != core::mem::discriminant(&outcome);
                let first =
                    !self.complained && (everyone_asked || !matches!(outcome, Outcome::NoSelectable { .. }));
                if lost || first && !self.sources.is_empty() || worse && self.complained {
                    self.complained = true;
                    out.log(Severity::Warning, format!("Can't synchronise: {outcome}"));
                }
                if matches!(outcome, Outcome::NoMajority { .. }) {
                    self.unsynchronise();
                }
            }
        }
    }

    /// From now on clients are told that we do not know the time.
    pub(super) fn unsynchronise(&mut self) {
        self.reference.synchronised = false;
        self.reference.leap = Leap::Unsynchronised;
        self.reference.stratum = 0;
        self.reference.refid = RefId::NONE;
        self.reference.address = None;
        self.reference.source = None;
    }

    /// The source is gone or another one at its address.
    pub(super) fn forget_selected(&mut self, id: SourceId) {
        if self.announced == Some(id) {
            self.announced = None;
        }
        if self.reference.source == Some(id) {
            self.reference.source = None;
        }
        // Indices of the last selection no longer fit the list of sources.
        self.selection.verdicts.clear();
        self.selection.members.clear();
        self.selection.outcome = Outcome::default();
        self.local_addresses.retain(|(source, _)| *source != id);
    }

    fn combined(&self, v: OscTime) -> Option<Combined> {
        let members: Vec<(&Estimate, Weight)> = self
            .selection
            .members
            .iter()
            .filter_map(|&i| {
                let estimate = self.sources.get(i)?.stats.estimate()?;
                Some((estimate, Weight { root_distance: self.candidates.get(i)?.root_distance }))
            })
            .collect();
        combine::combine(&members, v)
    }

    fn update_reference(
        &mut self,
        now: Now,
        v: OscTime,
        clock: &mut dyn Clock,
        best: usize,
        trigger: Option<SourceId>,
        out: &mut Actions,
    ) {
        let Some(combined) = self.combined(v) else { return };
        let trusted = combined.skew <= self.clock_config.max_update_skew;
        let source = &self.sources[best];
        let interval = source.poll.current_interval();
        let correction = Correction {
            v,
            theta: combined.theta,
            theta_sd: combined.theta_sd,
            frequency: trusted.then_some(combined.frequency),
            interval,
        };
        let adjustment = combined.theta - self.discipline.belief().theta_at(v);
        if !adjustment.is_finite() || adjustment.abs() > 4.5e9 {
            out.log(Severity::Warning, format!("Adjustment of {adjustment:.1} seconds is invalid"));
            return;
        }
        if self.once != Once::No {
            return self.finish_once(now, clock, &correction, out);
        }
        match self.step_rule.judge(adjustment) {
            Change::Fine => {}
            Change::Ignore(limit) => return refuse_change(adjustment, limit, "ignored", out),
            Change::Exit(limit) => {
                refuse_change(adjustment, limit, "exiting", out);
                out.push(Action::Exit(1));
                return;
            }
        }
        self.error_before_update = self.root_distance(now) + self.discipline.pending(now.raw).abs();
        let residual = combined.frequency - self.discipline.belief().frequency;
        let moved = self.discipline.believe(now, &correction);
        if moved.abs() > self.clock_config.log_change {
            out.log(Severity::Warning, format!("System clock wrong by {moved:.6} seconds"));
        }
        self.set_reference(now, best, &combined, residual, moved);
        self.move_clock(now, clock, &correction, moved, trigger == Some(self.sources[best].id), out);
        let now = self.after_step(now);
        self.set_kernel_status(now, clock, out);
        if self.log.tracking {
            self.record_tracking(now, out);
        }
        self.maybe_save_drift(now, out);
    }

    /// Steps if the rules say so, else slews.
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
        let result = if self.step_rule.may_step(pending, counts) {
            self.step_clock(now, clock, out)
        } else {
            self.discipline.steer(now, clock, moved, correction)
        };
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
        out.log(Severity::Warning, format!("System clock was stepped by {offset:.6} seconds"));
        Ok(())
    }

    /// Steps the clock by all that is pending, and returns that (s).
    pub(super) fn step_silently(&mut self, now: Now, clock: &mut dyn Clock) -> Result<f64, ClockError> {
        let Applied { at, offset, .. } = self.discipline.step(now, clock)?;
        self.stepped = Some(at + offset);
        self.stamps_from = at + offset;
        Ok(offset)
    }

    /// `now` of this event as the clock reads since our own step in it. With the old reading, requests received
    /// since a backward step would count as older than it, and after a forward one clients would be told the
    /// pending offset twice.
    pub(super) fn after_step(&self, now: Now) -> Now {
        Now { raw: self.stepped.unwrap_or(now.raw), ..now }
    }

    fn set_reference(&mut self, now: Now, best: usize, combined: &Combined, residual: f64, moved: f64) {
        let source = &self.sources[best];
        let Some(sample) = source.stats.last() else { return };
        let copy = source.config.copy && source.config.kind != SourceKind::Peer;
        // Samples of a dump come without the packet whose reference would be copied.
        let copied = source.seen.last.as_ref().filter(|_| copy).map(|last| last.packet.refid);
        let stratum = sample.stratum.max(source.config.min_stratum as u8);
        let age = (self.discipline.timeline().to_osc(now.raw) - sample.v).max(0.0);
        let updates = self.reference.updates + 1;
        let weight = if updates <= 1 { 1.0 } else { (1.0 / updates as f64).max(0.1) };
        let square = self.reference.mean_square;
        let time = self.discipline.cooking(now.raw).apply(now.raw);
        self.reference = Reference {
            synchronised: true,
            source: Some(source.id),
            address: source.remote.map(|r| r.ip()),
            refid: copied.unwrap_or_else(|| source.refid()),
            stratum: if copy { stratum } else { stratum.saturating_add(1) },
            leap: self.selection.leap,
            time,
            mono: Some(now.mono),
            root_delay: sample.root_delay + sample.delay().max(0.0),
            root_dispersion: sample.root_dispersion
                + sample.dispersion
                + age * self.clock_config.max_clock_error,
            skew: combined.skew,
            combined_estimate: Some(*combined),
            residual,
            offset_sd: combined.theta_sd,
            last_offset: moved,
            mean_square: square + weight * (moved * moved - square),
            update_interval: self.reference.mono.map_or(0.0, |at| now.mono - at),
            updates,
            combined: self.selection.members.len(),
            served_time: crate::server::state::blur_reference(time, &mut self.rng),
            activated: self.reference.activated,
        };
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

    /// Bound on our clock's error, s: root dispersion grown since the last update, and half the root delay.
    pub(crate) fn root_distance(&self, now: Now) -> f64 {
        self.root_dispersion(now) + self.reference.root_delay / 2.0
    }

    /// Root dispersion at `now`, s.
    pub(crate) fn root_dispersion(&self, now: Now) -> f64 {
        match self.reference_age(now) {
            Some(age) => self.dispersion_at(age),
            None => 1.0,
        }
    }

    /// Time since the last update, s, by the monotonic clock: the other one may have been stepped since. `None` when
    /// not synchronised.
    fn reference_age(&self, now: Now) -> Option<f64> {
        self.reference.mono.filter(|_| self.reference.synchronised).map(|at| (now.mono - at).max(0.0))
    }

    /// Root dispersion `age` seconds after the last update, s: what the source says, what our clock may drift at
    /// least, and what the estimate itself says of its error, its wander included.
    fn dispersion_at(&self, age: f64) -> f64 {
        let noise = self.reference.combined_estimate.map_or(0.0, |c| c.sd_after(age));
        self.reference.root_dispersion + age * self.clock_config.max_clock_error + SIGMAS * noise
    }

    /// Growth of our root dispersion from now on, s/s: steep enough for the next [`DISPERSION_HORIZON`].
    pub(crate) fn dispersion_rate(&self, now: Now) -> f64 {
        let age = self.reference_age(now).unwrap_or(0.0);
        (self.dispersion_at(age + DISPERSION_HORIZON) - self.dispersion_at(age)) / DISPERSION_HORIZON
    }

    /// Bound on our oscillator's frequency error for short times, s/s.
    pub(super) fn clock_error_bound(&self) -> f64 {
        self.clock_config.max_clock_error + self.reference.skew.min(100e-6)
    }

    /// `-q`, `-Q`: the offset is known; say it, step if asked, and end.
    fn finish_once(&mut self, now: Now, clock: &mut dyn Clock, correction: &Correction, out: &mut Actions) {
        self.discipline.believe(now, correction);
        let offset = self.discipline.pending(now.raw);
        let step = self.once == Once::Set;
        if step && let Err(error) = self.discipline.step(now, clock) {
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
        if self.once == Once::No {
            return;
        }
        let waiting = self.sources.iter().any(|s| s.poll.in_burst() && s.remote.is_some());
        let resolving = self.groups.iter().any(|g| g.query.is_some());
        let age = now.mono - self.started;
        let last_chance = self.sources.iter().filter_map(|s| s.request.as_ref()).any(|r| !r.answered);
        if !waiting && !resolving && !last_chance && age > 1.0 || age > ONCE_PATIENCE {
            out.log(Severity::Warning, "No suitable source for synchronisation");
            out.push(Action::Exit(1));
            self.once = Once::No;
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
        out.push(Action::SaveDrift {
            frequency: -self.discipline.belief().frequency,
            skew: self.reference.skew,
        });
    }

    /// Somebody else moved the clock.
    pub(super) fn on_external_step(
        &mut self,
        now: Now,
        clock: &mut dyn Clock,
        offset: f64,
        out: &mut Actions,
    ) {
        if self.was_leap(now, offset, out) {
            return;
        }
        self.discipline.external_step(now.raw, offset);
        self.stamps_from = now.raw;
        // Samples live in oscillator time and stay true; how far the clock is off now is known.
        let direction = if offset > 0.0 { "Forward" } else { "Backward" };
        out.log(Severity::Warning, format!("{direction} time jump detected!"));
        if offset.abs() > self.root_distance(now) {
            self.unsynchronise();
            self.set_kernel_status(now, clock, out);
        }
        for index in 0..self.sources.len() {
            self.sources[index].poll.reset();
            if self.sources[index].poll.active() && self.sources[index].remote.is_some() {
                let wait = INITIAL_DELAY_AFTER_STEP * (index + 1) as f64;
                self.schedule(now, index, wait);
            }
        }
    }

    fn record_selection(&mut self, now: Now, out: &mut Actions) {
        for index in 0..self.sources.len() {
            if let Some(record) = self.selection_record(now, index) {
                out.push(Action::Record(record));
            }
        }
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
