//! Asymmetries of the paths: no measurement tells them, so all sources weigh them against each other.

use super::joint::{Belief, Joint};
use super::state::{asymmetry_of, delay_of};
use crate::ids::SourceId;
use libm::sqrt;

/// Samples after which a path's asymmetry is judged for good.
const ESTABLISHED: usize = 24;
/// Degrees of freedom of Student's t for asymmetries: some paths are much longer one way.
pub const TAILS: f64 = 4.0;

impl Joint {
    /// Asymmetry of a source's path (s, positive: the way there is longer), its deviation, and the weight of its vote
    /// (1.25: like the others; towards 0: an outlier).
    pub fn asymmetry(&self, id: SourceId) -> Option<(f64, f64, f64)> {
        let slot = self.slot(id)?;
        let state = &self.gauged.as_ref()?.state;
        let i = asymmetry_of(slot);
        let member = self.members[slot]?;
        (i < state.dimensions()).then(|| (state.x[i], sqrt(state.p[i][i].max(0.0)), member.weight))
    }

    /// Shortest round trip and asymmetry of a source's path as all sources together see them, s.
    pub fn path(&self, id: SourceId) -> Option<(f64, f64)> {
        let slot = self.slot(id)?;
        let state = &self.gauged.as_ref()?.state;
        let n = state.dimensions();
        let beta = if asymmetry_of(slot) < n { state.x[asymmetry_of(slot)] } else { 0.0 };
        (delay_of(slot) < n).then(|| (state.x[delay_of(slot)], beta))
    }

    /// Variance with which the vote of a source on the offset counts for the asymmetry of its path, s², before its noise;
    /// `None` if it has no say.
    pub fn vote(&self, id: SourceId) -> Option<f64> {
        let member = self.members[self.slot(id)?].filter(|m| m.used && m.votes)?;
        Some(if self.many() { member.spread() / member.weight.max(0.05) } else { 0.0 })
    }

    /// Judges the asymmetries of all established paths for good; from now on they only forget slowly.
    pub(super) fn fold_votes(&mut self) {
        let many = self.many();
        let Some(anchor) = self.anchor.as_mut() else { return };
        for (slot, member) in self.members.iter_mut().enumerate() {
            let Some(member) = member else { continue };
            if !many || member.folded || !member.used || !member.votes || member.seen < ESTABLISHED {
                continue;
            }
            self.checkpoint.discard();
            member.vote(&mut anchor.state, slot, member.spread() / member.weight);
            member.folded = true;
            member.path.reversion = member.spread() / member.weight.max(0.05);
        }
    }

    /// Conditions a copy of the belief on the heavy-tailed prior that every asymmetry not yet judged is near zero.
    pub(super) fn gauge(&mut self, belief: &Belief) -> Belief {
        let mut out = *belief;
        for round in 0..6 {
            out = *belief;
            for (slot, member) in self.members.iter().enumerate() {
                let Some(member) = member else { continue };
                if member.seen < 3 || !member.votes || !member.used || member.folded {
                    continue;
                }
                let weight = if round == 0 { 1.0 } else { member.weight };
                member.vote(&mut out, slot, member.spread() / weight);
            }
            for (slot, member) in self.members.iter_mut().enumerate() {
                let Some(member) = member else { continue };
                let beta = out.x[asymmetry_of(slot)] - member.usual;
                member.weight = (TAILS + 1.0) / (TAILS + beta * beta / member.spread().max(1e-30));
            }
        }
        out
    }
}
