//! Who is in the filter over all sources: members come, are seen anew with each update, and go.

use super::Used;
use super::anchor::Jumps;
use super::joint::{Joint, MAX_MEMBERS};
use super::member::Member;
use super::path::unrest::Unrest;
use super::state::Path;
use crate::ids::SourceId;
use crate::time::OscTime;

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

    pub(super) fn dimensions(&self) -> usize {
        let slots = self.members.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        if slots == 1 && !self.many() { 3 } else { 2 + 2 * slots }
    }
}
