//! What will happen to hosts from outside.

use super::{Event, NodeId, World};
use crate::time::TrueTime;

/// Frequencies in events are integers of this many to one.
pub(super) const STEER_UNITS: f64 = 4_294_967_296.0;

impl World {
    /// Somebody will step the clock of a host at `at` seconds after the start.
    pub fn step_at(&mut self, node: NodeId, at: f64, offset: f64) {
        let nanos = ntp::time::seconds_to_nanos(offset);
        self.push(TrueTime::after_start(at), Event::Step { host: node.0, nanos });
    }

    /// Another program will change the frequency of a host's clock by `change` s/s at `at` seconds after the start.
    pub fn steer_at(&mut self, node: NodeId, at: f64, change: f64) {
        let change = libm::rint(change * STEER_UNITS) as i64;
        self.push(TrueTime::after_start(at), Event::Steer { host: node.0, change });
    }

    /// A host will sleep from `from` to `until` seconds after the start; the clock on its board, from which it takes the
    /// time then, is wrong by `error` s.
    pub fn sleep_at(&mut self, node: NodeId, from: f64, until: f64, error: f64) {
        let nanos = ntp::time::seconds_to_nanos(error);
        self.push(TrueTime::after_start(from), Event::Sleep(node.0));
        self.push(TrueTime::after_start(until), Event::Resume { host: node.0, nanos });
    }
}
