//! `initstepslew`: before anything else a few hosts are asked, and the clock is stepped or slewed by what they say.

use super::{Actions, Engine, Once, Severity, Start};
use crate::clock::Clock;
use crate::config::{Config, SourceConfig, SourceKind};
use crate::discipline::Correction;
use crate::time::{MonoTime, Now};

/// So long (s) the hosts are waited for.
const PATIENCE: f64 = 20.0;

/// The first look at the time.
#[derive(Debug)]
pub(super) struct Initial {
    /// From this offset on the clock is stepped, s.
    threshold: f64,
    deadline: MonoTime,
    finished: bool,
    /// The sources of the configuration: they begin afterwards.
    waiting: Vec<SourceConfig>,
}

impl Initial {
    /// What the configuration asks for; a restart (`-R`) and a single measurement do without.
    pub fn new(config: &Config, start: &Start, now: MonoTime) -> Option<Self> {
        let (threshold, hosts) = config.clock.initial_step.as_ref()?;
        let wanted = !hosts.is_empty() && !start.reload && start.once == Once::No;
        let waiting = config.sources.clone();
        wanted.then(|| Self {
            threshold: threshold.abs(),
            deadline: now + PATIENCE,
            finished: false,
            waiting,
        })
    }
}

/// The hosts as sources.
pub(super) fn hosts(config: &Config) -> Vec<SourceConfig> {
    let hosts = config.clock.initial_step.iter().flat_map(|(_, hosts)| hosts);
    hosts.map(|name| SourceConfig { iburst: true, ..SourceConfig::new(SourceKind::Server, name) }).collect()
}

impl Engine {
    pub(super) fn next_initial(&self) -> Option<MonoTime> {
        let initial = self.initial.as_ref()?;
        Some(if initial.finished { self.last.mono } else { initial.deadline })
    }

    /// The hosts agree on an offset. False: there is no first look under way.
    pub(super) fn set_initially(
        &mut self,
        now: Now,
        clock: &mut dyn Clock,
        correction: &Correction,
        out: &mut Actions,
    ) -> bool {
        let Some(initial) = self.initial.as_mut() else { return false };
        if core::mem::replace(&mut initial.finished, true) {
            return true;
        }
        let threshold = initial.threshold;
        self.discipline.believe(now, correction);
        let offset = self.discipline.pending(now.raw);
        let step = offset.abs() >= threshold;
        let direction = if offset > 0.0 { "slow" } else { "fast" };
        let how = if step { "step" } else { "slew" };
        out.log(
            Severity::Info,
            format!("System's initial offset : {:.6} seconds {direction} of true ({how})", offset.abs()),
        );
        let done = if step && self.step_silently(now, clock).is_ok() {
            Ok(())
        } else {
            self.discipline.slew_pending(now, clock)
        };
        self.clock_result("move", done, out);
        true
    }

    /// Ends the first look: its hosts go, the sources of the configuration come.
    pub(super) fn end_initial(&mut self, now: Now, out: &mut Actions) {
        let over = |initial: &Initial| initial.finished || initial.deadline <= now.mono;
        let Some(initial) = self.initial.take_if(|initial| over(initial)) else { return };
        if !initial.finished {
            out.log(Severity::Warning, "No suitable source for initstepslew");
        }
        while let Some(index) = self.sources.iter().position(|s| s.refclock.is_none()) {
            self.remove_source(index, out);
        }
        for source in initial.waiting {
            self.add_from_configuration(now, source, out);
        }
        self.spread_first_requests(now);
    }
}
