//! Leap seconds that nobody announced: after a midnight that may have one most sources are a whole second elsewhere.
//!
//! An oscillator does not jump, and not by a second at the end of June or December. So samples that are a second away from
//! what was agreed are held back, the other sources are asked at once, and when more than half of them say the same, true
//! time has moved.

use super::leap::leap_instant;
use super::{Actions, Engine, Severity};
use crate::clock::Clock;
use crate::estimator::Theta;
use crate::ids::SourceId;
use crate::sample::Sample;
use crate::select::Status;
use crate::time::{LocalTime, NANOS, Now};
use crate::wire::Leap;

const DAY: i64 = 86_400;
/// So long after a midnight a server may still make its leap second, s.
const LOOKOUT: f64 = 3.0 * 3600.0;
/// A server's clock may be so much early, s.
const EARLY: f64 = 5.0;
/// A sample that is less sure than this (s) does not tell whole seconds apart.
const SURE: f64 = 0.25;
/// Deviations of the belief that count as its doubt.
const SIGMAS: f64 = 4.0;
/// So many samples of a source that finds no majority are held back; later ones count as they are.
const PATIENCE: u32 = 8;
/// Spacing of the questions to the others, s.
const SPACING: f64 = 2.0;

/// A source whose last samples were a second away.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leapt {
    id: SourceId,
    /// By how much true time would have moved, s: −1 or 1.
    shift: f64,
    /// Samples that say so.
    samples: u32,
}

/// Seconds since the last UTC midnight, which may be as much as [`EARLY`] ahead, if there may be a leap second at it.
fn since_leap(local: LocalTime) -> Option<f64> {
    let nearly = (local + EARLY).nanos();
    let midnight = LocalTime::from_nanos(nearly - nearly.rem_euclid(DAY * NANOS));
    leap_instant(midnight + -1.0, Leap::Insert).map(|at| local - at)
}

impl Engine {
    /// Is this sample of the source at `index` held back, because it is a second away and a leap second might have come?
    pub(super) fn holds_back(
        &mut self,
        now: Now,
        clock: &mut dyn Clock,
        index: usize,
        sample: &Sample,
        out: &mut Actions,
    ) -> bool {
        let id = self.sources[index].id;
        let Some(shift) = self.whole_second(now, index, sample) else {
            self.leapt.retain(|leapt| leapt.id != id);
            return false;
        };
        let first = self.leapt.is_empty();
        let known = self.leapt.iter_mut().find(|leapt| leapt.id == id && leapt.shift == shift);
        let samples = match known {
            Some(leapt) => {
                leapt.samples = leapt.samples.saturating_add(1);
                leapt.samples
            }
            None => {
                self.leapt.retain(|leapt| leapt.id != id);
                self.leapt.push(Leapt { id, shift, samples: 1 });
                1
            }
        };
        if self.most_leapt(shift) {
            self.accept_leap(now, clock, shift, out);
            return false;
        }
        if first {
            self.ask_everybody(now);
        }
        samples <= PATIENCE
    }

    /// The second (−1 or 1) by which the sample differs from what is agreed, if a midnight can explain that.
    fn whole_second(&self, now: Now, index: usize, sample: &Sample) -> Option<f64> {
        // A liar of old does not become a witness at midnight.
        let believed = self.reference.synchronised && self.votes(index);
        let agreed = self.joint.combined().filter(|_| believed)?;
        let off = Theta::from_nanos(sample.offset_nanos()) - agreed.predict(sample.v);
        let shift = if off < 0.0 { -1.0 } else { 1.0 };
        let age = (sample.v - agreed.v).max(0.0);
        let doubt = sample.root_distance() + sample.dispersion + SIGMAS * agreed.sd_after(age);
        if doubt > SURE || (off - shift).abs() > doubt {
            return None;
        }
        let local = self.discipline.cooking(now.raw).apply(now.raw);
        let past = since_leap(local)?;
        let before = self.sources[index].stats.last().is_some_and(|last| sample.v - last.v >= past);
        (past < LOOKOUT || before).then_some(shift)
    }

    fn votes(&self, index: usize) -> bool {
        let status = self.selection.verdicts.get(index).map(|verdict| verdict.status);
        use Status::{Combined, Distant, NotPreferred, Selected, WaitsUpdate};
        matches!(status, Some(Selected | Combined | Distant | WaitsUpdate | NotPreferred))
    }

    /// Do more than half of the sources that are believed say that true time moved by `shift` (s)? One alone has to say it
    /// twice.
    fn most_leapt(&self, shift: f64) -> bool {
        let voters = (0..self.sources.len()).filter(|&index| self.votes(index));
        let (mut all, mut agreeing, mut samples) = (0, 0, 0);
        for index in voters {
            all += 1;
            let id = self.sources[index].id;
            if let Some(leapt) = self.leapt.iter().find(|leapt| leapt.id == id && leapt.shift == shift) {
                agreeing += 1;
                samples += leapt.samples;
            }
        }
        2 * agreeing > all && samples >= 2
    }

    /// True time has moved; the clock follows like any other correction.
    fn accept_leap(&mut self, now: Now, clock: &mut dyn Clock, shift: f64, out: &mut Actions) {
        self.leapt.clear();
        out.log(
            Severity::Warning,
            format!(
                "Most sources have moved by {shift:.0} second at midnight: a leap second nobody announced"
            ),
        );
        self.shift_truth(shift);
        let result = self.discipline.slew_pending(now, clock);
        self.clock_result("slew", result, out);
    }

    /// What one source says has to be heard from all soon.
    fn ask_everybody(&mut self, now: Now) {
        let mut wait = SPACING;
        for index in 0..self.sources.len() {
            let source = &self.sources[index];
            if !source.poll.active() || !self.votes(index) {
                continue;
            }
            if source.due.is_some_and(|due| due - now.mono > wait) {
                self.schedule(now, index, wait);
            }
            wait += SPACING;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_two_midnights_of_a_year_may_have_a_leap_second() {
        let at = |seconds: i64| since_leap(LocalTime::from_nanos(seconds * NANOS));
        let (new_year, july) = (1_483_228_800, 1_719_792_000); // 2017-01-01, 2024-07-01
        for midnight in [new_year, july] {
            assert_eq!(at(midnight - 4), Some(-4.0));
            assert_eq!(at(midnight + 3600), Some(3600.0));
            assert_eq!((at(midnight - 6), at(midnight + DAY)), (None, None));
        }
        assert_eq!(at(1_709_251_200), None, "2024-03-01");
    }
}
