//! The logs of requests of all shards, as one.

use super::{Action, Actions, Engine};
use crate::server::clients::Tick;
use crate::server::limit::replay;
use crate::server::requests::{RequestLog, Run, is_logged};
use crate::time::Now;
use core::fmt::Write;

/// Between two writes of the file, s.
const SAVE: f64 = 3600.0;
/// Runs in one answer: at most 40 bytes each.
const PAGE: usize = 1500;

impl Engine {
    /// Writes the file every hour.
    pub(super) fn save_requests(&mut self, now: Now, out: &mut Actions) {
        if let Some(saved) = &mut self.requests_saved
            && now.mono - *saved >= SAVE
        {
            *saved = now.mono;
            out.push(Action::SaveRequests);
        }
    }

    /// All runs, and how they are thinned.
    fn requests(&self) -> (Vec<Run>, u32) {
        let mut runs = Vec::new();
        let mut thinned = 0;
        for responder in self.shards.locked() {
            if let Some(log) = responder.gate().log() {
                thinned = log.thinned().max(thinned);
                runs.extend(RequestLog::runs(log));
            }
        }
        runs.retain(|run| is_logged(run.client, thinned));
        (runs, thinned)
    }

    /// The file.
    pub fn requests_text(&self, now: Now) -> String {
        let (runs, thinned) = self.requests();
        replay::format(runs.into_iter(), now.mono.into(), thinned)
    }

    /// Takes over what an earlier run wrote `age` seconds ago. False: this is no such file.
    pub fn restore_requests(&mut self, now: Now, text: &str, age: u32) -> bool {
        let Some((runs, saved, thinned)) = replay::parse(text) else { return false };
        let now = Tick::from(now.mono);
        let since = |run: &Run| saved.since(run.start).saturating_add(age.saturating_mul(Tick::PER_SECOND));
        let shards = self.shards.all().len().max(1);
        for (index, mut responder) in self.shards.locked().enumerate() {
            let Some(log) = responder.gate_mut().log_mut() else { continue };
            for run in runs.iter().skip(index).step_by(shards) {
                let start = Tick(now.0.wrapping_sub(since(run)));
                log.restore(Run { start, ..*run }, thinned, now);
            }
        }
        true
    }

    /// A page of the log as JSON, from number `from` on: client, start, span, count of each run, times in ticks.
    pub fn requests_page(&self, now: Now, from: usize) -> String {
        let (runs, thinned) = self.requests();
        let end = from.saturating_add(PAGE).min(runs.len());
        let mut out = format!(
            r#"{{"get":"requests","now":{},"thinned":{thinned},"from":{from},"next":"#,
            Tick::from(now.mono).0
        );
        // Writing to a string cannot fail.
        let _ = if end < runs.len() { write!(out, "{end}") } else { write!(out, "null") };
        out.push_str(r#","runs":["#);
        for (index, run) in runs.get(from..end).unwrap_or_default().iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            let _ = write!(out, "{comma}[{},{},{},{}]", run.client, run.start.0, run.span, run.count);
        }
        out.push_str("]}");
        out
    }
}
