//! Served time that follows slowly: when smoothing begins, what moves it, and what clients are told.

use super::{Actions, Engine, Severity};
use crate::clock::Cooking;
use crate::config::LeapMode;
use crate::control::Status;
use crate::ids::RefId;
use crate::server::ServerState;
use crate::time::Now;
use crate::wire::Leap;

impl Engine {
    /// The clock has been corrected: our time moved by `moved` (s) and its rate by `faster` (s/s).
    pub(super) fn smooth_update(&mut self, now: Now, moved: f64, faster: f64, out: &mut Actions) {
        let skew = self.reference.skew;
        let Some(smoothing) = self.smoothing.as_mut() else { return };
        if !smoothing.leap_only() {
            smoothing.update(now.mono, moved, faster);
        }
        if smoothing.consider(now.mono, skew) {
            let which = if smoothing.leap_only() { " (leap seconds only)" } else { "" };
            out.log(Severity::Info, format!("Activated time smoothing{which}"));
        }
    }

    /// A leap second moved true time by `shift` (s), and our time with it.
    pub(super) fn smooth_leap(&mut self, now: Now, shift: f64) {
        if let Some(smoothing) = self.smoothing.as_mut() {
            smoothing.update(now.mono, shift, 0.0);
        }
    }

    /// The clock was stepped: what clients saw of it cannot be kept.
    pub(super) fn smooth_reset(&mut self, now: Now, out: &mut Actions) {
        if let Some(smoothing) = self.smoothing.as_mut().filter(|s| s.is_active()) {
            smoothing.reset(now.mono);
            out.log(Severity::Info, "Reset time smoothing");
        }
    }

    /// The command `smoothtime`.
    pub(super) fn smooth_command(&mut self, now: Now, activate: bool, out: &mut Actions) -> Status {
        let Some(smoothing) = self.smoothing.as_mut() else { return Status::NotEnabled };
        if activate {
            smoothing.activate(now.mono);
            let which = if smoothing.leap_only() { " (leap seconds only)" } else { "" };
            out.log(Severity::Info, format!("Activated time smoothing{which}"));
        } else {
            smoothing.reset(now.mono);
            out.log(Severity::Info, "Reset time smoothing");
        }
        Status::Success
    }

    /// Is served time on its way?
    pub(super) fn is_smoothing(&self, now: Now) -> bool {
        self.smoothing.as_ref().is_some_and(|s| s.is_active() && s.at(now.mono).remaining > 0.0)
    }

    /// What clients are told, when served time is not ours.
    pub(super) fn smoothed(&self, now: Now, mut state: ServerState, cooking: &Cooking) -> ServerState {
        let Some(smoothing) = self.smoothing.as_ref().filter(|s| s.is_active()) else { return state };
        if self.clock_config.leap_mode == LeapMode::Slew && matches!(state.leap, Leap::Insert | Leap::Delete)
        {
            state.leap = Leap::None; // they shall not make a second that they are given bit by bit
        }
        let place = smoothing.at(now.mono);
        if place.remaining <= 0.0 {
            return state;
        }
        let apart = cooking.base - now.raw;
        let served = Cooking {
            offset: cooking.offset + place.offset + place.frequency * apart,
            slope: cooking.slope + place.frequency,
            ..*cooking
        };
        state.cooking = (&served).into();
        if place.offset.abs() > self.precision && state.stratum != 0 {
            state.refid = RefId::SMOOTHING;
        }
        state
    }
}
