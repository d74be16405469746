//! Asymmetries of the paths: no measurement tells them, so all sources weigh them against each other.

use super::joint::{Belief, Joint, MAX_MEMBERS};
use super::state::{asymmetry_of, delay_of};
use crate::ids::SourceId;
use crate::time::OscTime;
use libm::sqrt;

/// Samples after which a path's asymmetry is judged for good.
const ESTABLISHED: usize = 24;
/// Half as many samples as are learned for good before asymmetries are judged again.
const FIRST: usize = 32;
/// Degrees of freedom of Student's t for asymmetries: some paths are much longer one way.
pub const TAILS: f64 = 4.0;

/// When the asymmetries that are judged for good are judged again.
///
/// At first the paths are known from some dozens of samples only, and so is how their asymmetries differ; what this makes
/// wrong of the time would stay. So they are judged anew each time twice as many samples have been learned.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Judgement {
    /// Samples learned by the anchor.
    pub absorbed: usize,
    /// How many make the next one; 0: none yet.
    next: usize,
    /// Who was judged then, a bit for each place.
    voters: u16,
    /// When.
    at: OscTime,
    /// What all asymmetries have had in common since, s: a mean over so many updates.
    common: f64,
    count: f64,
}

/// The centre of asymmetries (s), each with the variance it has beforehand (s²), by Student's t.
fn centre_of(asymmetries: impl Iterator<Item = (f64, f64)> + Clone) -> f64 {
    let mut centre = 0.0;
    for _ in 0..6 {
        let (sum, weights) = asymmetries.clone().fold((0.0, 0.0), |(sum, weights), (beta, spread)| {
            let weight = (TAILS + 1.0) / (TAILS * spread + (beta - centre) * (beta - centre));
            (sum + weight * beta, weights + weight)
        });
        centre = sum / weights;
    }
    centre
}

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

    /// Judges the asymmetries again when it is time and nothing has changed since the last time. It moves what no
    /// measurement tells: θ, and all asymmetries the other way.
    pub(super) fn judge_again(&mut self, mut belief: Belief) -> Belief {
        let now = self.window[self.count - 1].v;
        let folded = self.members.iter().enumerate().filter_map(|(i, m)| m.as_ref().map(|m| (i, m)));
        let folded = folded.filter(|(_, m)| m.folded);
        let voters = folded.clone().fold(0, |bits, (i, _)| bits | 1 << i);
        if !self.many() || voters == 0 {
            return belief;
        }
        let Judgement { absorbed, next, at, .. } = self.judgement;
        // The votes were cast on what was believed before the first samples; how they turned out is known now.
        let first = self.judgement.voters == 0;
        let rerouted = folded.clone().any(|(_, m)| m.routes.as_slice().iter().any(|r| r.at > at));
        if !first && (self.judgement.voters != voters || rerouted) {
            self.judgement = Judgement {
                absorbed,
                next: 2 * absorbed.max(FIRST),
                voters,
                at: now,
                ..Judgement::default()
            };
            return belief;
        }
        if folded.clone().any(|(_, m)| !m.used || !m.votes) {
            return belief;
        }
        let centre = centre_of(folded.map(|(slot, m)| (belief.x[asymmetry_of(slot)] - m.usual, m.spread())));
        self.judgement.count += 1.0;
        self.judgement.common += (centre - self.judgement.common) / self.judgement.count;
        let common = self.judgement.common;
        if absorbed < next || !common.is_finite() {
            return belief;
        }
        let next = 2 * absorbed.max(FIRST);
        self.judgement = Judgement { absorbed, next, voters, at: now, ..Judgement::default() };
        let members = self.members.map(|m| m.is_some());
        let shift = |state: &mut Belief| {
            state.x[0] += common;
            for slot in (0..MAX_MEMBERS).filter(|slot| members[*slot]) {
                state.x[asymmetry_of(slot)] -= common;
            }
        };
        shift(&mut belief);
        if let Some(anchor) = self.anchor.as_mut() {
            shift(&mut anchor.state);
        }
        self.checkpoint.discard();
        belief
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
