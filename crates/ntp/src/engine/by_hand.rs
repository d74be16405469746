//! `settime`: the clock as a person says it is.

use super::{Actions, Engine, Severity};
use crate::clock::Clock;
use crate::control::Status;
use crate::control::manual::SetTime;
use crate::discipline::Correction;
use crate::estimator::Theta;
use crate::ids::RefId;
use crate::manual::HAND;
use crate::report::{Frequency, Seconds};
use crate::time::{LocalTime, Now};
use crate::wire::Leap;

impl Engine {
    /// A person says that it is `given` now.
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
        let before = *self.discipline.belief();
        let theta = Theta::from_nanos(given.nanos().saturating_sub(v.nanos()));
        let line = self.manual.add(v, theta, &before);
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
        let moved = self.discipline.believe(now, &correction);
        out.log(Severity::Info, format!("Making a slew of {moved:.6}"));
        let result = self.discipline.slew_pending(now, clock);
        self.clock_result("slew", result, out);
        let change = self.discipline.belief().frequency - before.frequency;
        self.smooth_update(now, moved, change, out);
        let reference = &mut self.reference;
        (reference.synchronised, reference.source, reference.address) = (true, None, None);
        (reference.refid, reference.stratum, reference.leap) = (RefId::from_text("MANU"), 1, Leap::None);
        (reference.root_delay, reference.root_dispersion) = (0.0, HAND);
        (reference.combined_estimate, reference.hard_rate, reference.lag) = (None, skew.min(1.0), 0.0);
        (reference.skew, reference.last_offset, reference.offset_sd) = (skew, moved, HAND);
        reference.time = self.discipline.cooking(now.raw).apply(now.raw);
        reference.served_time = crate::server::state::blur_reference(reference.time, &mut self.rng);
        reference.mono = Some(now.mono);
        reference.updates += 1;
        self.set_kernel_status(now, clock, out);
        if self.log.tracking {
            self.record_tracking(now, out);
        }
        Ok(SetTime {
            offset: Seconds(0.0 - moved),
            frequency_change: Frequency::new(0.0 - change),
            frequency: Frequency::new(0.0 - self.frequency()),
        })
    }
}
