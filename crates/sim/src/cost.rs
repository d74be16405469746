//! What an engine costs. The stopwatch is the only real clock in this crate, and no run can see it.

use std::time::{Duration, Instant};

/// Time spent in the engine since the last reset.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// Inside [`ntp::engine::Engine::handle`].
    pub engine: Duration,
}

impl Cost {
    /// Does `work` and counts its time.
    pub fn measure<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let begin = Instant::now();
        let result = work();
        self.engine += begin.elapsed();
        result
    }
}

/// Measures how long the processor, not the wall clock, took for the engine's part of a run.
pub struct Meter {
    begin: Instant,
    processor: Option<Duration>,
}

impl Meter {
    /// Begins now, for this thread.
    pub fn start() -> Self {
        Self { begin: Instant::now(), processor: thread_time() }
    }

    /// Processor time of the engine: its share of the time that went by, of the time this thread was running. That
    /// others wanted the same processor then makes no difference.
    pub fn engine_time(&self, cost: &Cost) -> Duration {
        let wall = self.begin.elapsed();
        let ran = match (self.processor, thread_time()) {
            (Some(before), Some(after)) => after.saturating_sub(before),
            _ => wall,
        };
        let share = cost.engine.as_secs_f64() / wall.as_secs_f64().max(1e-9);
        ran.mul_f64(share.min(1.0))
    }
}

/// Time this thread has been running, as Linux counts it.
fn thread_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(text.split_whitespace().next()?.parse().ok()?))
}
