//! Who is in the filter over all sources: members come, are seen anew with each update, and go.

use super::Used;
use super::anchor::Jumps;
use super::joint::{Belief, Joint, MAX_MEMBERS};
use super::member::Member;
use super::path::FirstWait;
use super::path::unrest::Unrest;
use super::state::{Path, delay_of};
use crate::ids::SourceId;
use crate::time::OscTime;

/// A shortest delay that is longer than what a packet has needed, by so many mean waits of both ways and readings, is wrong.
const BEYOND: (f64, f64) = (1.0, 8.0);
/// Samples of a path from which on that is asked.
const FEW: usize = 16;

impl Joint {
    /// Who is in the filter now.
    pub(super) fn enlist<'a>(
        &mut self,
        used: impl Iterator<Item = Used<'a>> + Clone,
        expelled: impl Fn(SourceId) -> bool,
    ) {
        let mut restart = false;
        for slot in 0..MAX_MEMBERS {
            let Some(member) = self.members[slot].as_mut() else { continue };
            member.used = used.clone().any(|u| u.id == member.id);
            if !member.used && expelled(member.id) {
                self.members[slot] = None;
                restart = true;
            } else if !member.used && !self.window[..self.count].iter().any(|e| e.member == slot) {
                // Gone long ago: what it said is in the belief about the oscillator.
                self.members[slot] = None;
            }
        }
        if restart {
            self.restart();
        }
        for u in used.clone() {
            let slot = match self.slot(u.id) {
                Some(slot) => slot,
                None => {
                    let Some(free) = self.members.iter().position(Option::is_none) else { continue };
                    self.admit(free, &u);
                    free
                }
            };
            if let Some(member) = self.members[slot].as_mut() {
                member.votes = u.votes;
                member.refresh(u.stats);
            }
        }
        if !self.oscillator.wide && used.clone().any(|u| u.stats.path().is_wide()) {
            self.oscillator.wide = true;
            if self.fresh {
                self.anchor = None;
            }
        }
        let many = self.many();
        for member in self.members.iter_mut().flatten() {
            member.path.reversion =
                if many && member.folded { member.spread() / member.weight.max(0.05) } else { 0.0 };
        }
    }

    pub(super) fn admit(&mut self, slot: usize, u: &Used<'_>) {
        let was_many = self.many();
        let newest = match &self.anchor {
            // What came before the anchor cannot be learned any more.
            Some(anchor) if !self.fresh => anchor.v,
            _ => OscTime::from_nanos(i64::MIN),
        };
        let mut member = Member {
            id: u.id,
            used: true,
            votes: u.votes,
            folded: false,
            weight: 1.0,
            newest,
            seen: 0,
            kept: 0,
            jitter: 1e-4,
            excess: 0.0,
            beyond: 0.0,
            first_wait: FirstWait::default(),
            least: 0.0,
            root: 0.0,
            path: Path::default(),
            unrest: Unrest::default(),
            routes: Jumps::default(),
            expected: None,
            usual: 0.0,
            line: None,
        };
        member.refresh(u.stats);
        self.members[slot] = Some(member);
        if self.fresh || !was_many {
            // The first other source makes asymmetries of all: begin with them all.
            self.restart();
            return;
        }
        let n = self.dimensions();
        if let Some(anchor) = self.anchor.as_mut() {
            self.checkpoint.discard();
            if n > anchor.state.dimensions() {
                anchor.state.resize(n);
            }
            member.set_path(&mut anchor.state, slot);
        }
    }

    /// No packet is faster than the shortest way. Whose first packets waited very long has their wait in its asymmetry and
    /// its delay, and all that came later look like outliers: forgets the first of them, and what was learned of the path.
    pub(super) fn put_right(&mut self, belief: &Belief) {
        for slot in 0..MAX_MEMBERS {
            let Some(member) = self.members[slot] else { continue };
            let noise = member.path.noise;
            if !member.used || member.kept < FEW || noise.two_sided || !member.routes.as_slice().is_empty() {
                continue;
            }
            let reading = noise.reading[0].max(noise.reading[1]);
            let allowed = BEYOND.0 * (noise.forward + noise.backward) + BEYOND.1 * reading;
            if belief.x[delay_of(slot)] - member.least <= allowed {
                continue;
            }
            if let Some(first) = self.window[..self.count].iter().position(|e| e.member == slot) {
                self.window.copy_within(first + 1..self.count, first);
                self.count -= 1;
            }
            if let Some(anchor) = self.anchor.as_mut().filter(|_| !self.fresh) {
                member.set_path(&mut anchor.state, slot);
                self.members[slot] = Some(Member { folded: false, weight: 1.0, ..member });
            }
            self.checkpoint.discard();
        }
    }

    pub(super) fn dimensions(&self) -> usize {
        let slots = self.members.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        if slots == 1 && !self.many() { 3 } else { 2 + 2 * slots }
    }
}
