//! `settime`: the clock as a person says it is.

use super::reference::UNKNOWN_SKEW;
use super::{Action, Actions, Engine, Severity};
use crate::clock::Clock;
use crate::control::Status;
use crate::control::manual::SetTime;
use crate::discipline::Correction;
use crate::estimator::Theta;
use crate::logfile::{Record, Tracking};
use crate::manual::{APART, HAND, Line};
use crate::report::{Frequency, Seconds};
use crate::time::{LocalTime, Now};

impl Engine {
    /// A person says that it is `given` now. The clock follows, but nobody is told that it is synchronised: who wants
    /// that says `local`.
    pub(super) fn set_time(
        &mut self,
        now: Now,
        clock: &mut dyn Clock,
        given: LocalTime,
        out: &mut Actions,
    ) -> Result<SetTime, Status> {
        if !self.manual.enabled() {
            return Err(Status::NotEnabled);
        }
        let v = self.discipline.timeline().to_osc(now.raw);
        if self.manual.newest().is_some_and(|newest| v - newest < APART) {
            return Err(Status::Failed);
        }
        let theta = Theta::from_nanos(given.nanos().saturating_sub(v.nanos()));
        let line = self.manual.add(v, theta, self.discipline.belief());
        Ok(self.follow_hand(now, clock, line, out))
    }

    /// One of the times that were given was wrong: the clock follows the others. `false`: there is none of this number.
    pub(super) fn forget_time(
        &mut self,
        now: Now,
        clock: &mut dyn Clock,
        index: i32,
        out: &mut Actions,
    ) -> bool {
        if !self.manual.delete(index) {
            return false;
        }
        match self.manual.rest() {
            Some(line) => {
                self.follow_hand(now, clock, line, out);
            }
            // As chronyd: what is left tells nothing new.
            None => out.log(Severity::Info, "Making a slew of 0.000000".to_owned()),
        }
        true
    }

    fn follow_hand(&mut self, now: Now, clock: &mut dyn Clock, line: Line, out: &mut Actions) -> SetTime {
        let before = *self.discipline.belief();
        let frequency = line.frequency.map(|f| f.0).filter(|f| f.abs() < self.clock_config.max_drift);
        let skew = line.frequency.map_or(self.reference.skew, |f| 2.0 * f.1);
        let correction = Correction {
            v: line.v,
            theta: line.theta,
            theta_sd: HAND,
            growth: HAND * HAND,
            sources: 1,
            frequency,
            interval: 1.0,
        };
        self.note_before_update(now);
        let moved = self.discipline.believe(now, &correction);
        out.log(Severity::Info, format!("Making a slew of {:.6}", 0.0 - moved));
        if moved.abs() > self.clock_config.log_change {
            out.log(Severity::Warning, format!("System clock wrong by {moved:.6} seconds"));
        }
        let result = self.discipline.slew_pending(now, clock);
        self.clock_result("slew", result, out);
        let change = self.discipline.belief().frequency - before.frequency;
        self.smooth_update(now, moved, change, out);
        self.reference.note_update(now, moved);
        self.reference.root_dispersion += moved.abs(); // of the sources, if they know better
        if self.log.tracking {
            self.record_hand(now, skew, out);
        }
        SetTime {
            offset: Seconds(0.0 - moved),
            frequency_change: Frequency::new(0.0 - change),
            frequency: Frequency::new(0.0 - self.frequency()),
        }
    }

    /// tracking.log calls the person `MANU`, of stratum 1.
    fn record_hand(&self, now: Now, skew: f64, out: &mut Actions) {
        let Record::Tracking(usual) = self.tracking_record(now) else { return };
        out.push(Action::Record(Record::Tracking(Tracking {
            time: self.discipline.cooking(now.raw).apply(now.raw),
            source: "MANU".to_owned(),
            stratum: 1,
            skew: skew.min(UNKNOWN_SKEW),
            combined: 1,
            offset_sd: 0.0,
            root_delay: 0.0,
            root_dispersion: HAND,
            ..usual
        })));
    }
}
