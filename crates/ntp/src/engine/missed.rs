//! Leap seconds that were announced and came while nobody was followed.
//!
//! Who follows the time makes the leap second at midnight, and moves all samples with it ([`super::leap`]). Before the first
//! selection, or when no majority agrees, nobody does that: the samples of before the leap would make one line with those
//! of after it, a second off and some hundred ppm wrong. So each source is taken at its own word: what it announced
//! has come when its own clock says so, and its samples of before are moved.

use super::Engine;
use super::leap::leap_instant;
use crate::sample::Sample;
use crate::time::{LocalTime, OscTime};
use crate::wire::Leap;

/// So near to the leap (s) samples are not used: servers may disagree about it.
const NEAR: f64 = 5.0;
/// So far may two servers be apart (s), and so fast may a board be that counts between their samples (s/s), for the leap of
/// one to be that of the other.
const SAME: (f64, f64) = (2.0, 0.06);

/// What the server's clock reads at `v`, as `sample` had it and the oscillator counts.
fn server_time(sample: &Sample, v: OscTime) -> LocalTime {
    LocalTime::from_nanos(sample.v.nanos().saturating_add(sample.offset_nanos())) + (v - sample.v)
}

impl Engine {
    /// A source has measured `sample`: makes the leap seconds that have come, and keeps its announcement. Is the sample too
    /// near to a leap to be used?
    pub(super) fn note_leap(&mut self, index: usize, sample: &Sample) -> bool {
        let utc = server_time(sample, sample.v);
        let announced = match sample.leap {
            Leap::Insert | Leap::Delete => leap_instant(utc, sample.leap).map(|at| (sample.leap, at)),
            Leap::None | Leap::Unsynchronised => None,
        };
        // Somebody who is followed knows the leap (`do_leap`, `holds_back`).
        let followed = self.reference.synchronised;
        let mut near = announced.is_some_and(|(_, at)| (at - utc).abs() <= NEAR);
        for i in 0..self.sources.len() {
            let Some((leap, at)) = self.sources[i].leap_ahead else { continue };
            if (at - utc).abs() <= NEAR {
                near = true;
            } else if utc > at && !followed {
                self.make_missed_leap(i, leap, utc, sample.v);
            }
        }
        let own = &mut self.sources[index].leap_ahead;
        if !near || announced.is_some() {
            *own = announced;
        }
        near && !followed
    }

    /// The leap second that the source `index` has announced has come by a clock that reads `utc` at `v`: moves its samples,
    /// if its own clock was of that time.
    fn make_missed_leap(&mut self, index: usize, leap: Leap, utc: LocalTime, v: OscTime) {
        let source = &mut self.sources[index];
        let Some(last) = source.stats.last() else { return };
        if (server_time(last, v) - utc).abs() < SAME.0 + SAME.1 * (v - last.v) {
            let shift = if leap == Leap::Insert { -1.0 } else { 1.0 };
            source.add_offset(crate::time::seconds_to_nanos(shift));
            (source.leap_ahead, source.earlier) = (None, None);
            self.joint.restart();
        }
    }
}
