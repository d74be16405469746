//! What the filter over all sources believes before its first sample.

use super::anchor::Anchor;
use super::joint::Joint;
use super::path::{HINTS, Hint, TELLING, first_offset};
use super::state::State;

/// Doubt added to the frequency of a line that may be of another time, s/s.
const STALE: f64 = 3e-7;
/// Gain in evidence at which the frequency of an earlier run is no longer believed.
const DOUBT: f64 = 2.0;
/// A reference clock's first offset is taken for wrong by so many times its scatter.
const DOUBT_FIRST: f64 = 4.0;

impl Joint {
    /// The belief before the first sample.
    pub(super) fn set_prior(&mut self) {
        self.checkpoint.discard();
        let first = self.window[0];
        let n = self.dimensions();
        let mut anchor =
            Anchor { v: first.v, theta: first.forward / 2 - first.backward / 2, state: State::new(n) };
        let lines = self.members.iter().flatten().filter_map(|m| m.line).filter(|l| l.samples >= TELLING);
        let surest = lines.min_by(|a, b| a.frequency_sd.total_cmp(&b.frequency_sd));
        // The windows of the paths need not begin with this one: the frequency may have wandered in between.
        let line = surest.map(|line| (line.frequency, line.frequency_sd + STALE));
        let (frequency, variance) = self.oscillator.prior(self.oscillator.wide, line);
        let bend = self.oscillator.jumps.first_bend(first.v);
        let straight = self.window[..self.count].iter().take_while(|e| bend.is_none_or(|at| e.v < at));
        let hints = straight.take(HINTS).map(|e| {
            let point = anchor.point(e.v, e.forward, e.backward, e.half, e.member);
            let least = self.members[e.member].map_or(0.0, |m| m.least);
            let member = self.members[e.member].filter(|m| m.path.noise.two_sided);
            let delay = member.map_or(point.delay(), |m| DOUBT_FIRST * m.jitter);
            Hint { t: point.t, offset: point.offset(), delay, excess: point.delay() - least }
        });
        let (offset, offset_variance) = first_offset(hints, frequency, variance);
        anchor.state.set(0, offset, offset_variance);
        anchor.state.set(1, frequency, variance);
        for (slot, member) in self.members.iter_mut().enumerate() {
            if let Some(member) = member {
                member.beyond = member.path.noise.beyond(member.excess);
                member.set_path(&mut anchor.state, slot);
                member.folded = false;
                member.path.reversion = 0.0;
            }
        }
        if n == 3 {
            anchor.state.set(3, 0.0, 0.0);
        }
        self.anchor = Some(anchor);
        self.fresh = true;
    }

    /// Is the frequency what an earlier run has said, or any crystal's? All samples together decide.
    pub(super) fn doubt_known(&mut self) {
        let Some(known) = self.oscillator.known.filter(|_| !self.oscillator.wide && self.count >= 3) else {
            return;
        };
        let evidence = |joint: &mut Self| {
            joint.prepare();
            joint.evidence(joint.oscillator.wander, &joint.shocks())
        };
        let before = evidence(self);
        self.oscillator.known = None;
        self.set_prior();
        if evidence(self) <= before + DOUBT {
            self.oscillator.known = Some(known);
            self.set_prior();
        }
    }
}
