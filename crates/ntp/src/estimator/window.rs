//! The window of the filter over all sources: their last samples in the order of time, and the anchor that absorbs what no
//! longer fits.

use super::Used;
use super::joint::{AllShocks, Joint, MAX_MEMBERS};
use super::path::unrest::{self, Near};
use super::shocks::LARGEST;
use super::state::Path;
use crate::sample::Sample;
use crate::time::OscTime;

/// Samples in the window, of all members together and of each.
pub(super) const MAX_WINDOW: usize = 400;
const WINDOW_EACH: usize = 80;
/// So many samples of a source in a row are left out when they exclude what the others say: selection judges by fewer.
const ALONE: usize = 4;

/// A sample of a member.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub v: OscTime,
    pub forward: i64,
    pub backward: i64,
    pub half: f64,
    pub member: usize,
    /// What was waited around it.
    pub near: Near,
}

/// What memory is filled with.
pub(super) const NOTHING: Entry = Entry {
    v: OscTime::from_nanos(0),
    forward: 0,
    backward: 0,
    half: 0.0,
    member: 0,
    near: Near { sum: [0.0; 2], count: 0.0 },
};

impl Joint {
    /// Takes what the members have measured since into the window.
    pub(super) fn collect<'a>(&mut self, used: impl Iterator<Item = Used<'a>> + Clone) {
        for u in used.clone() {
            let Some(slot) = self.slot(u.id) else { continue };
            let Some(member) = self.members[slot] else { continue };
            let lonely = self.stands_alone(&u, slot, used.clone());
            for sample in u.stats.window() {
                if sample.v <= member.newest || lonely && self.excludes(sample, 0.0) {
                    continue;
                }
                let entry = Entry {
                    v: sample.v,
                    forward: sample.forward,
                    backward: sample.backward,
                    half: sample.half,
                    member: slot,
                    near: Near::default(),
                };
                self.insert(entry);
            }
            if let (Some(last), Some(member)) = (u.stats.last(), self.members[slot].as_mut()) {
                member.newest = member.newest.max(last.v);
            }
            // What came after a sample tells of it too.
            let own = self.window[..self.count].iter_mut().rev().filter(|e| e.member == slot);
            for (after, entry) in own.take(unrest::REACH + 1).enumerate() {
                entry.near = u.stats.path().near(after);
            }
        }
    }

    /// Has a source begun to say what no oscillator can have done, while what most of the others said last fits? Then it
    /// stepped, not our oscillator, and to follow it until selection has judged it would cost what it stepped by.
    fn stands_alone<'a>(&self, u: &Used<'a>, slot: usize, used: impl Iterator<Item = Used<'a>>) -> bool {
        let taken = self.window[..self.count].iter().rfind(|e| e.member == slot);
        let (Some(newest), Some(taken)) = (u.stats.last(), taken) else { return false };
        if u.stats.options().refclock || !self.excludes(newest, LARGEST * (newest.v - taken.v)) {
            return false;
        }
        let in_a_row = u.stats.window().iter().rev().take_while(|s| self.excludes(s, 0.0)).count();
        let (mut others, mut fit) = (0, 0);
        for newest in used.filter(|other| other.id != u.id).filter_map(|other| other.stats.last()) {
            others += 1;
            fit += usize::from(!self.excludes(newest, 0.0));
        }
        in_a_row <= ALONE && 2 * fit > others
    }

    /// Does `sample` leave no room for the line that was believed last, nothing being known to have happened since, even if
    /// it were wrong by `besides` (s)?
    fn excludes(&self, sample: &Sample, besides: f64) -> bool {
        let Some(line) = &self.combined else { return false };
        let apart = (sample.v - line.v).abs();
        let known = self.oscillator.jumps.as_slice().iter().any(|jump| jump.known && jump.at > line.v);
        !known && line.predict(sample.v).is_excluded_by(sample, line.sd_after(apart), besides)
    }

    pub(super) fn insert(&mut self, entry: Entry) {
        if self.count == self.window.len() {
            self.slide();
        }
        if self.count == self.window.len() {
            // Without an anchor there is nothing to absorb: the oldest is lost.
            self.checkpoint.discard();
            self.window.copy_within(1.., 0);
            self.count -= 1;
        }
        let mut index = self.count;
        while index > 0 && self.window[index - 1].v > entry.v {
            index -= 1;
        }
        if index < self.count {
            self.checkpoint.discard();
        }
        self.window.copy_within(index..self.count, index + 1);
        self.window[index] = entry;
        self.count += 1;
    }

    /// The anchor absorbs what no longer fits into the window.
    pub(super) fn slide(&mut self) {
        let members = self.members.iter().flatten().count();
        let most = (WINDOW_EACH * members).min(MAX_WINDOW);
        while self.count > most {
            if self.anchor.is_none() {
                self.set_prior();
            }
            self.fold_votes();
            self.checkpoint.slide();
            let entry = self.window[0];
            self.window.copy_within(1..self.count, 0);
            self.count -= 1;
            let (paths, shocks, wander) = (self.paths(), self.shocks(), self.oscillator.wander);
            if let Some(anchor) = self.anchor.as_mut() {
                let mut point =
                    anchor.point(entry.v, entry.forward, entry.backward, entry.half, entry.member);
                if let Some(member) = &self.members[entry.member] {
                    point.unrest = member.unrest.factors(&entry.near);
                    point.besides = member.first_wait.of(entry.v);
                    self.judgement.absorbed += 1;
                    anchor.absorb(&point, entry.v, &paths, wander, shocks.as_slice());
                }
            }
            self.fresh = false;
            // From now on the samples know better.
            self.oscillator.known = None;
        }
    }

    pub(super) fn paths(&self) -> [Path; MAX_MEMBERS] {
        core::array::from_fn(|slot| self.members[slot].map_or_else(Path::default, |m| m.path))
    }

    pub(super) fn shocks(&self) -> AllShocks {
        let mut shocks = AllShocks::default();
        if let Some(anchor) = &self.anchor {
            shocks.add(self.oscillator.jumps.as_slice(), anchor.v, usize::MAX / 4);
            for (slot, member) in self.members.iter().enumerate() {
                shocks.add(member.as_ref().map_or(&[], |m| m.routes.as_slice()), anchor.v, slot);
            }
        }
        shocks
    }

    /// The window as the anchor sees it.
    pub(super) fn prepare(&mut self) {
        let Some(anchor) = &self.anchor else { return };
        for (point, e) in self.points.iter_mut().zip(&self.window[..self.count]) {
            *point = anchor.point(e.v, e.forward, e.backward, e.half, e.member);
            if let Some(member) = &self.members[e.member] {
                point.unrest = member.unrest.factors(&e.near);
                point.besides = member.first_wait.of(e.v);
            }
        }
    }
}
