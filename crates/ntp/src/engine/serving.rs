//! What clients are told: the reference, the local reference, or that we do not know.

use super::reference::DISPERSION_HORIZON;
use super::{Action, Actions, Engine};
use crate::server::limit::Budget;
use crate::server::limit::budget::{Look, Used};
use crate::server::{ServerState, SyncedState};
use crate::time::{Now, RawTime};

impl Engine {
    /// Does anybody get an answer from us? (Test D matters only then.)
    pub(super) fn serves(&self) -> bool {
        let access = &self.shards.config().access;
        self.port_open && (access.any_v4_allowed() || access.any_v6_allowed())
    }

    /// Puts what is believed into the words of a reply.
    pub(super) fn refresh_server_state(&mut self, now: Now) {
        let cooking = self.discipline.cooking(now.raw);
        let precision = crate::server::state::precision_log2(self.precision);
        self.note_activation(now);
        let mut state = if self.local_active(now) {
            let stratum = self.local.map_or(0, |l| l.stratum);
            ServerState::local_reference(stratum, precision, cooking.apply(now.raw), &cooking)
        } else if self.reference.synchronised {
            let reference = &self.reference;
            ServerState::synchronised(&SyncedState {
                leap: self.leap.served(self.leap.announced(reference.leap, cooking.apply(now.raw))),
                stratum: reference.stratum,
                refid: reference.refid,
                reference: reference.served_time,
                root_delay: reference.root_delay,
                root_dispersion: self.root_dispersion(now),
                dispersion_rate: self.dispersion_rate(now),
                at: now.raw,
                precision,
                cooking,
            })
        } else {
            let unsynchronised = ServerState::unsynchronised(precision);
            ServerState { cooking: (&cooking).into(), ..unsynchronised }
        };
        state = self.smoothed(now, state, &cooking);
        state.earliest = self.stamps_from;
        state.valid_until = self.served_until(now);
        self.server_state = state;
    }

    /// Looks whether the traffic is within its budget, and tells all shards what each client may have.
    pub(super) fn watch_traffic(&mut self, now: Now, out: &mut Actions) {
        let Some(budget) = &mut self.budget else { return };
        let traffic = self.shards.counters().traffic;
        let sum = |bytes: [u64; 2]| bytes[0].wrapping_add(bytes[1]);
        let sent = sum(traffic.bytes_out);
        let time = self.discipline.cooking(now.raw).apply(now.raw);
        let share = budget.look(Look {
            mono: now.mono,
            time: self.reference.synchronised.then_some(time),
            both: sum(traffic.bytes_in).wrapping_add(sent),
            sent,
        });
        for mut responder in self.shards.locked() {
            responder.gate_mut().level_mut().set_budget(share);
        }
        if budget.is_save_due(now.mono) {
            out.push(Action::SaveTraffic);
        }
    }

    /// What `trafficlimit` has counted; `None` without one.
    pub fn traffic_used(&self) -> Option<Used> {
        self.budget.as_ref().map(Budget::used)
    }

    /// The last run had counted this.
    pub fn restore_traffic(&mut self, used: Used) {
        self.budget.iter_mut().for_each(|budget| budget.restore(used));
    }

    /// Until when this may be told without another look: leap seconds change it, and nobody may tell for long what a main
    /// loop that hangs has said once.
    fn served_until(&self, now: Now) -> RawTime {
        let cooking = self.discipline.cooking(now.raw);
        let horizon = now.raw + DISPERSION_HORIZON;
        match self.leap.next(cooking.apply(now.raw)) {
            Some(at) => horizon.min(RawTime::from_nanos(at.nanos()) + -cooking.pending(now.raw)),
            None => horizon,
        }
    }

    fn note_activation(&mut self, now: Now) {
        let Some(local) = self.local else { return };
        if !self.reference.activated
            && (local.activate <= 0.0
                || self.reference.synchronised && self.root_distance(now) < local.activate)
        {
            self.reference.activated = true;
        }
    }

    /// Is the clock itself the reference (`local`)?
    pub(crate) fn local_active(&self, now: Now) -> bool {
        let Some(local) = self.local else { return false };
        if !self.reference.activated {
            return false;
        }
        if !self.reference.synchronised {
            let since = self.reference.mono.unwrap_or(self.started);
            return now.mono - since >= local.wait_unsynced;
        }
        let waited = self.reference.mono.is_some_and(|at| now.mono - at >= local.wait_synced);
        self.root_distance(now) > local.distance && waited
    }
}
