//! Thermometers: what they read goes into oscillator time if it is known to matter ([`crate::estimator::temperature`]).

use super::{Actions, Engine};
use crate::clock::Clock;
use crate::estimator::Combined;
use crate::estimator::temperature::{Measured, SENSORS, TemperatureReport};
use crate::ids::SourceId;
use crate::time::Now;

/// A change of the frequency that is not worth a call of the kernel, s/s: its own resolution.
const FINEST: f64 = 1.5e-11;

impl Engine {
    /// The thermometers of this machine by names that stay; readings come as [`super::Input::Temperatures`]. To be
    /// called before the first event, after [`Self::restore_learned`].
    pub fn set_thermometers(&mut self, names: &[String]) {
        self.temperatures.set_sensors(names);
        if let Some(known) = self.learning.known_temperature() {
            self.temperatures.expect(known);
        }
    }

    pub(super) fn on_temperatures(
        &mut self,
        now: Now,
        clock: &mut dyn Clock,
        celsius: &[f64],
        out: &mut Actions,
    ) {
        // An operator who has written a curve knows better (`tempcomp`).
        if !self.temperatures.any() || self.clock_config.temperature.is_some() {
            return;
        }
        let v = self.discipline.timeline().to_osc(now.raw);
        let wanted = self.temperatures.read(v, &celsius[..celsius.len().min(SENSORS)]);
        let applied = self.discipline.compensation();
        if libm::fabs(wanted - applied) > FINEST {
            let result = self.discipline.compensate(clock, wanted);
            self.clock_result("set the frequency of", result, out);
        }
        self.temperatures.corrected(v, self.discipline.compensation());
    }

    /// After an update by a sample of the source `trigger`.
    pub(super) fn learn_temperature(&mut self, trigger: Option<SourceId>, combined: &Combined) {
        if !self.temperatures.any() {
            return;
        }
        let Some(id) = trigger else { return };
        let Some((delay, asymmetry)) = self.joint.path(id) else { return };
        let Some(source) = self.index_of(id).map(|index| &self.sources[index]) else { return };
        let Some(sample) = source.stats.last() else { return };
        let measured = Measured {
            v: sample.v,
            ways: (sample.forward, sample.backward),
            half: sample.half,
            delay,
            asymmetry,
            noise: *source.stats.path().noise(),
        };
        self.temperatures.learn(&measured, combined);
    }

    /// The estimate as it has to be seen when the thermometer that explained a part of the wander has fallen silent: all of
    /// it is left.
    pub(super) fn without_thermometer(&self, estimate: Combined) -> Combined {
        let v = self.discipline.timeline().to_osc(self.last.raw);
        let wander = self.temperatures.silent_wander(v).unwrap_or(0.0);
        Combined { wander: estimate.wander.max(wander), ..estimate }
    }

    /// What the thermometer reads that the oscillator follows, °C, and how much a degree makes the oscillator gain, s/s.
    pub(super) fn thermometer_in_use(&self) -> Option<(f64, f64)> {
        self.temperatures.in_use().map(|(celsius, coefficient)| (celsius, 0.0 - coefficient))
    }

    /// What is thought of the thermometers; `None` without any.
    pub fn temperature_report(&self) -> Option<TemperatureReport> {
        self.temperatures.report()
    }
}
