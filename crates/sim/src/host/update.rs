//! What an engine says of its own error, as far as it can be seen from outside.

use crate::clock::SimClock;
use ntp::config::Config;
use ntp::engine::Engine;
use ntp::time::MonoTime;

/// What the engine said at its last update, from which its present standard deviation follows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Update {
    /// When.
    mono: MonoTime,
    /// Standard deviation of the estimate then, s.
    sd: f64,
    /// Root dispersion then, s.
    root_dispersion: f64,
}

impl Update {
    /// Right after the update. The kernel is told the standard deviation plus what is still to be slewed.
    pub fn of(engine: &Engine, clock: &SimClock) -> Option<Self> {
        let (now, status) = (clock.now(), clock.status()?);
        let sd = status.est_error - engine.pending(now).abs();
        let root_dispersion = engine.tracking(now).root_dispersion.0;
        status.synchronised.then_some(Self { mono: now.mono, sd: sd.max(0.0), root_dispersion })
    }

    /// Standard deviation now, s. Root dispersion is what the source says, `maxclockerror` times the age, and two
    /// standard deviations, so its growth tells theirs.
    pub fn sd(&self, engine: &Engine, clock: &SimClock, config: &Config) -> f64 {
        let now = clock.now();
        let age = (now.mono - self.mono).max(0.0);
        let grown = engine.tracking(now).root_dispersion.0 - self.root_dispersion;
        self.sd + (grown - age * config.clock.max_clock_error).max(0.0) / 2.0
    }
}
