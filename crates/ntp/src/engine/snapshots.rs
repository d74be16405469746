//! All reports at one moment, for the observer.

use super::Engine;
use crate::config::SourceKind;
use crate::server::Counters;
use crate::snapshot::{Snapshot, SourceSnapshot};
use crate::time::Now;

impl Engine {
    /// Everything that is recorded and shown, as it is now; with `words`, also what is thought of each source.
    pub fn snapshot(&self, now: Now, words: bool) -> Snapshot {
        let each: Vec<Counters> = self.shards.locked().map(|shard| *shard.counters()).collect();
        let mut sum = Counters::default();
        each.iter().for_each(|one| sum.add(one));
        let (steps, last_step) = self.steps;
        Snapshot {
            at: self.discipline.cooking(now.raw).apply(now.raw).seconds(),
            monotonic: now.mono.seconds(),
            tracking: self.tracking(now),
            steps,
            last_step,
            server: self.server_stats(),
            answered: sum.stats.answered,
            untold: 0,
            rejects: sum.rejects().map(|(_, count)| count).collect(),
            traffic: sum.traffic,
            threads: each.iter().map(|one| (one.stats.received, one.stats.answered)).collect(),
            sources: (0..self.sources.len()).filter_map(|i| self.source_snapshot(now, i, words)).collect(),
        }
    }

    fn source_snapshot(&self, now: Now, index: usize, words: bool) -> Option<SourceSnapshot> {
        let source = self.sources.get(index)?;
        Some(SourceSnapshot {
            name: source.config.name.clone(),
            pool: source.config.kind == SourceKind::Pool,
            data: self.source_data(now, index)?,
            stats: self.source_stats(now, index)?,
            delay: source.seen.last.map_or(f64::NAN, |last| last.delay),
            why: if words { self.why(now, index)?.text() } else { String::new() },
        })
    }
}
