//! Looking at a host without touching it.

use super::Host;
use crate::record::Sample;
use crate::time::TrueTime;
use ntp::clock::Clock;
use ntp::wire::Leap;

impl Host {
    /// Looks at the clock and at what clients would be told, without touching either.
    pub fn sample(&mut self, at: TrueTime) {
        self.advance(at);
        if self.asleep {
            return;
        }
        let raw = self.clock.now().raw;
        let error = self.clock.error();
        let mut sample = Sample {
            at: at.seconds(),
            error,
            served_error: error,
            frequency_error: self.clock.excess(),
            belief_error: f64::NAN,
            root_distance: f64::INFINITY,
            sd: f64::INFINITY,
            excused: self.unnoticed != 0.0 || self.slept > 0.0 || self.is_meddled_with(),
            packets: self.sent,
        };
        if let Some(engine) = &self.engine {
            let state = engine.server_state().at(raw);
            sample.served_error =
                state.local(raw).nanos().saturating_sub(self.clock.calendar().utc(at)) as f64 * 1e-9;
            sample.belief_error = (1.0 + self.clock.oscillator_error()) * (1.0 + engine.frequency()) - 1.0;
            if state.leap != Leap::Unsynchronised {
                sample.root_distance = state.root_delay.seconds() / 2.0 + state.dispersion.at(raw).seconds();
                sample.sd = engine.belief_sd(self.clock.now()).unwrap_or(f64::INFINITY);
            }
        }
        self.record.push(sample);
    }

    /// Another program has changed the frequency, and the loop has not noticed.
    fn is_meddled_with(&self) -> bool {
        !self.clock.state().ours
    }

    /// One mark for each source, as the `sources` command shows them: `*` selected, `+` combined, `-` not used, `x`
    /// falseticker, `~` too variable, `?` not selectable.
    pub fn marks(&self) -> String {
        let now = self.clock.now();
        let Some(engine) = &self.engine else { return String::new() };
        (0..).map_while(|i| engine.source_data(now, i)).map(|data| data.state.mark()).collect()
    }

    /// Steps of the clock by the engine so far.
    pub fn steps(&self) -> &[(TrueTime, f64)] {
        self.clock.steps()
    }

    /// The frequency the kernel is set to, s/s.
    pub fn steering(&self) -> f64 {
        self.clock.state().frequency
    }
}
