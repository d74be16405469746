//! Whom to follow: sources as [`crate::select`] sees them, and what its verdict means to them and to the log.

use super::reference::{SIGMAS, UNKNOWN_SKEW};
use super::{Action, Actions, Engine, Severity};
use crate::clock::Clock;
use crate::estimator::{Estimate, Missed, Theta};
use crate::ids::{RefId, SourceId};
use crate::select::{self, Candidate, Flags, Outcome, Status};
use crate::source::Source;
use crate::time::{Now, OscTime};
use crate::wire::Leap;

/// Bad updates in a row after which a source is reported and may be replaced.
const BAD_UPDATES: u32 = 4;
/// Samples after which a source's usual distance from the others is learned, and from which on its rate is held against it: before,
/// its own filter knows its noise so badly that it errs by more than it thinks.
const SETTLED: usize = 20;

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
        let before = self.selection.outcome;
        self.judge(now, trigger);
        self.note_bad_sources(now, trigger, out);
        self.report_outcome(before, out);
        if matches!(self.selection.outcome, Outcome::NoMajority { .. }) {
            self.unsynchronise(now, clock, out);
        }
        if self.log.selection && trigger.is_some() {
            self.record_selection(now, out);
        }
        if let Some(best) = self.selection.best()
            && trigger.is_some()
        {
            let v = self.discipline.timeline().to_osc(now.raw);
            self.update_reference(now, v, clock, best, trigger, out);
        }
    }

    /// Gives every source its verdict.
    fn judge(&mut self, now: Now, trigger: Option<SourceId>) {
        let v = self.discipline.timeline().to_osc(now.raw);
        let mut candidates = core::mem::take(&mut self.candidates);
        candidates.clear();
        candidates.extend(self.sources.iter().map(|s| self.candidate(v, s, trigger)));
        self.select_options.orphan = self.orphan();
        self.select_options.elapsed = (v - self.judged.replace(v).unwrap_or(v)).max(0.0);
        select::select(&candidates, &self.select_options, &mut self.selection);
        self.candidates = candidates;
        for (source, verdict) in self.sources.iter_mut().zip(&self.selection.verdicts) {
            source.select = verdict.state;
        }
    }

    fn candidate(&self, v: OscTime, source: &Source, trigger: Option<SourceId>) -> Candidate {
        let flags = Flags {
            noselect: source.config.noselect,
            prefer: source.config.prefer,
            trust: source.config.trust,
            require: source.config.require,
        };
        let age = |at: Option<OscTime>| at.map_or(0.0, |at| v - at);
        // Exchanges that make no sample yet (`filter`) are enough to contradict.
        let unfinished = source.gathered.last().filter(|_| source.stats.last().is_none());
        let first = unfinished.map(Estimate::unknown);
        let newest = source.stats.last().or(unfinished);
        // With `maxsamples` below what a line needs, the newest sample is all there ever is (`-Q` and one packet).
        let most = source.stats.options().max_samples;
        let unfitted = source.stats.last().is_some() && (1..crate::estimator::MIN_FIT).contains(&most);
        let noise = newest.map_or(0.0, |sample| sample.dispersion);
        let (mut offset, mut distance, mut frequency, mut skew) = (0.0, f64::INFINITY, 0.0, UNKNOWN_SKEW);
        let (mut offset_sd, mut missed) = (f64::INFINITY, Missed::default());
        if let (Some(estimate), Some(sample)) = (source.stats.estimate().or(first.as_ref()), newest) {
            offset = estimate.predict(v) - self.discipline.belief().theta_at(v);
            let growth = self.clock_config.max_clock_error * age(Some(sample.v)).max(0.0);
            // Without a rate of its own, the doubt about the rate is that of the others (`select::vote`).
            let ready = estimate.has_frequency() || unfitted;
            let sd = if ready { estimate.predict_sd(v) } else { estimate.offset_sd };
            distance = sample.root_distance() + SIGMAS * sd + growth;
            // What was measured before the clock was in doubt says nothing of where the others are now.
            if source.stats.path().seen() >= SETTLED && self.doubt_since(sample.v) == 0.0 {
                offset_sd = estimate.predict_sd(v);
                missed = estimate.missed(self.joint.combined().map_or(0.0, |all| all.wander), v);
            }
            frequency = estimate.frequency - self.discipline.belief().frequency;
            skew = estimate.skew;
            let line = estimate.predict(sample.v);
            if !source.stats.options().refclock
                && line.is_excluded_by(sample, estimate.predict_sd(sample.v), 0.0)
            {
                // Its own line is not what it says now: it, or our oscillator, has just jumped.
                offset =
                    Theta::from_nanos(sample.offset_nanos()) - self.discipline.belief().theta_at(sample.v);
                distance = sample.root_distance() + growth;
                (offset_sd, missed, skew) = (f64::INFINITY, Missed::default(), UNKNOWN_SKEW);
            }
            distance += self.doubt_since(sample.v);
        }
        let stratum = newest.map_or(0, |s| s.stratum).max(source.config.min_stratum as u8);
        Candidate {
            id: source.id,
            refclock: source.refclock.is_some(),
            authenticated: source.config.is_authenticated(),
            flags,
            reachable: source.reach.reachable(),
            polls: u32::from(source.reach.size),
            unreachable_polls: source.unreach_count,
            max_unreachable_polls: source.config.max_unreach.max(0) as u32,
            samples: match first {
                Some(_) => 1,
                None if unfitted => crate::estimator::MIN_FIT,
                None => source.stats.samples(),
            },
            fresh: trigger.is_some(),
            newest: trigger == Some(source.id),
            impossible: self.is_impossible(source),
            oldest_age: age(source.stats.oldest()),
            newest_age: age(newest.map(|s| s.v)),
            leap: newest.map_or(Leap::Unsynchronised, |_| source.leap()),
            stratum,
            address_id: source.refid().0,
            offset,
            root_distance: distance,
            offset_sd,
            missed,
            young: source.stats.path().seen() < SETTLED,
            delay: source.stats.path().least(),
            std_dev: if unfitted { noise } else { source.stats.std_dev() },
            frequency,
            skew,
            state: source.select,
        }
    }

    /// Do the last samples of a source, each alone, exclude what all sources agreed on before? However long a packet
    /// waited, true time lies between what its two ways allow.
    fn is_impossible(&self, source: &Source) -> bool {
        /// Samples in a row.
        const SURE: usize = 3;
        if source.refclock.is_some() {
            return false; // its readings may be early as well as late
        }
        let (Some(agreed), window) = (self.joint.combined(), source.stats.window()) else { return false };
        let last = &window[window.len().saturating_sub(SURE)..];
        last.len() == SURE
            && last.iter().all(|sample| {
                self.doubt_since(sample.v) == 0.0
                    && agreed.predict(sample.v).is_excluded_by(sample, agreed.theta_sd, 0.0)
            })
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
            if source.bad_updates < BAD_UPDATES {
                continue;
            }
            let id = source.id;
            if source.bad_updates == BAD_UPDATES {
                self.report_bad_source(index, status, out);
            }
            self.want_replacement(now, id, out);
        }
    }

    fn report_bad_source(&self, index: usize, status: Status, out: &mut Actions) {
        let (label, limits) = (self.sources[index].label(), &self.selection_config);
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
                    _ if s.refclock.is_some() => s.reach.size >= 8,
                    Some(_) => s.reach.size >= 8 || !s.poll.active(),
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
            }
        }
    }

    /// From now on clients are told that we do not know the time.
    pub(super) fn unsynchronise(&mut self, now: Now, clock: &mut dyn Clock, out: &mut Actions) {
        let was = core::mem::replace(&mut self.reference.synchronised, false);
        self.reference.leap = Leap::Unsynchronised;
        self.reference.stratum = 0;
        self.reference.refid = RefId::NONE;
        self.reference.address = None;
        self.reference.source = None;
        if was {
            self.set_kernel_status(now, clock, out);
        }
    }

    /// The source is gone or another one at its address.
    pub(super) fn forget_selected(&mut self, id: SourceId) {
        if self.announced == Some(id) {
            self.announced = None;
        }
        if self.reference.source == Some(id) {
            self.reference.source = None;
        }
        self.local_addresses.retain(|(source, _)| *source != id);
        // The list of sources is another now: verdicts and indices of the last selection do not fit it.
        self.judge(self.last, None);
    }

    fn record_selection(&mut self, now: Now, out: &mut Actions) {
        for index in 0..self.sources.len() {
            if let Some(record) = self.selection_record(now, index) {
                out.push(Action::Record(record));
            }
        }
    }
}
