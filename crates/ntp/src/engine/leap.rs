//! Leap seconds: what is announced, and what happens at the end of the day.
//!
//! Sources announce a leap second by majority ([`crate::select`]); it is believed on the last day of June and
//! December only. At the leap true UTC jumps by a second against oscillator time: the belief and all samples move
//! by it, and the clock follows by the kernel's own step, ours, a slew, or not at all (`leapsecmode`).

use super::{Actions, Engine, Severity};
use crate::clock::Clock;
use crate::config::LeapMode;
use crate::leap_table::LeapTable;
use crate::time::{LocalTime, NANOS, Now};
use crate::wire::Leap;

const DAY: i64 = 86_400;
/// Around the leap servers may disagree about it: samples are not used and clients are told "unsynchronised", s.
const BLUR: (f64, f64) = (5.0, 2.0);
/// … and for so long before it, s.
const BEFORE: f64 = 1.0;
/// The kernel makes the leap second when the clock reads midnight. One that is further from local time than this (s), because
/// it is still being slewed, is not trusted with it.
const KERNEL_NEAR: f64 = 0.3;

/// What is known of the next leap second.
#[derive(Clone, Debug, Default)]
pub(super) struct LeapWatch {
    /// What was known beforehand.
    table: Option<LeapTable>,
    /// TAI − UTC as the kernel was told, s.
    tai_told: Option<i32>,
    /// Announced for the end of the present day.
    pending: Option<(Leap, LocalTime)>,
    /// The kernel was told.
    armed_kernel: bool,
    /// The clock knows no leap seconds.
    refused: bool,
    /// It was left to others to set the clock (`leapsecmode slew` or `ignore`): by how much, s, and when.
    left: Option<(f64, LocalTime)>,
    /// Until when clients are told nothing after a leap.
    blurred_until: Option<LocalTime>,
    /// It is happening.
    blurred: bool,
}

impl LeapWatch {
    /// Something will happen by itself.
    pub fn armed(&self) -> bool {
        self.pending.is_some() || self.blurred
    }

    /// The next instant at which it changes what is done or told.
    pub fn next(&self, local: LocalTime) -> Option<LocalTime> {
        let pending = self.pending.map(|(_, at)| if local < at + -BEFORE { at + -BEFORE } else { at });
        pending.or(self.blurred_until.filter(|_| self.blurred))
    }

    /// What is known of leap seconds beforehand.
    pub fn table(&self) -> Option<&LeapTable> {
        self.table.as_ref()
    }

    /// What is announced for the end of the day of `local`: what the sources say, else what the table says.
    pub fn announced(&self, by_sources: Leap, local: LocalTime) -> Leap {
        match (by_sources, &self.table) {
            // The second that was inserted belongs to the day that has ended.
            (Leap::None, Some(table)) if self.blurred_until.is_none() => table.at_end_of_day(local),
            (leap, _) => leap,
        }
    }

    /// What replies say, given what is announced.
    pub fn served(&self, announced: Leap) -> Leap {
        if self.blurred {
            return Leap::Unsynchronised;
        }
        match (announced, self.pending) {
            (Leap::Insert | Leap::Delete, Some((leap, _))) => leap,
            (Leap::Insert | Leap::Delete, None) => Leap::None,
            (other, _) => other,
        }
    }
}

/// The instant of a leap second at the end of the UTC day of `local`, if that day may have one.
pub(super) fn leap_instant(local: LocalTime, leap: Leap) -> Option<LocalTime> {
    let day = local.nanos().div_euclid(NANOS).div_euclid(DAY);
    let (_, month, of_month) = crate::calendar::civil_from_days(day);
    if !matches!((month, of_month), (6, 30) | (12, 31)) {
        return None;
    }
    let midnight = (day + 1) * DAY;
    let at = if leap == Leap::Delete { midnight - 1 } else { midnight };
    Some(LocalTime::from_nanos(at * NANOS))
}

impl Engine {
    /// Looks at the calendar: arms, acts at the leap, and clears.
    pub(super) fn watch_leap(&mut self, now: Now, clock: &mut dyn Clock, out: &mut Actions) {
        let local = self.discipline.cooking(now.raw).apply(now.raw);
        if let Some(until) = self.leap.blurred_until {
            self.leap.blurred = local < until;
            if local >= until + (BLUR.0 - BLUR.1) {
                self.leap.blurred_until = None;
            }
        }
        let announced = if self.reference.synchronised {
            self.leap.announced(self.reference.leap, local)
        } else {
            Leap::None
        };
        self.tell_tai(local, clock, out);
        match self.leap.pending {
            None if matches!(announced, Leap::Insert | Leap::Delete) => {
                self.arm_leap(now, announced, clock, out);
            }
            Some((_, at)) if local >= at => self.do_leap(now, clock, out),
            Some((leap, at)) => {
                self.leap.blurred = at - local <= BEFORE;
                self.tell_kernel(now, leap, clock);
                if announced == Leap::None && at - local > BLUR.0 {
                    out.log(Severity::Info, "System clock status set to not insert/delete");
                    self.disarm_leap(clock);
                }
            }
            None => {}
        }
    }

    /// What `leapseclist` or `leapsectz` says, at the start and whenever the file was read again.
    pub fn set_leap_table(&mut self, table: LeapTable) {
        self.leap.table = Some(table);
    }

    /// The kernel knows TAI if it is told how far it is from UTC.
    fn tell_tai(&mut self, local: LocalTime, clock: &mut dyn Clock, out: &mut Actions) {
        if !self.reference.synchronised || self.clock_config.leap_mode != LeapMode::System {
            return;
        }
        let tai = self.leap.table.as_ref().and_then(|table| table.tai_offset(local));
        // Around a leap second the kernel keeps the difference itself.
        if self.leap.armed() || tai.is_none() || tai == self.leap.tai_told {
            return;
        }
        self.leap.tai_told = tai;
        if clock.set_leap(Leap::None, tai.unwrap_or(0)).is_ok() && self.steers {
            let tai = tai.unwrap_or(0);
            out.log(Severity::Info, format!("System clock TAI offset set to {tai} seconds"));
        }
    }

    fn arm_leap(&mut self, now: Now, leap: Leap, clock: &mut dyn Clock, out: &mut Actions) {
        let local = self.discipline.cooking(now.raw).apply(now.raw);
        let Some(at) = leap_instant(local, leap) else { return };
        self.leap.pending = Some((leap, at));
        self.tell_kernel(now, leap, clock);
        if self.leap.armed_kernel {
            let what = if leap == Leap::Insert { "insert" } else { "delete" };
            out.log(Severity::Info, format!("System clock status set to {what} leap second"));
        }
    }

    /// The kernel makes the leap second if that is wanted and its midnight is ours; else we do.
    fn tell_kernel(&mut self, now: Now, leap: Leap, clock: &mut dyn Clock) {
        let near = self.discipline.pending(now.raw).abs() < KERNEL_NEAR;
        let wanted = self.clock_config.leap_mode == LeapMode::System && near;
        if wanted != self.leap.armed_kernel && !self.leap.refused {
            let told = clock.set_leap(if wanted { leap } else { Leap::None }, 0);
            self.leap.armed_kernel = wanted && told.is_ok();
            self.leap.refused = told.is_err();
        }
    }

    /// Takes the announcement back.
    pub(super) fn disarm_leap(&mut self, clock: &mut dyn Clock) {
        if self.leap.armed_kernel {
            // A refusal changes nothing: the kernel then steps, and the step is noticed as one.
            let _ = clock.set_leap(Leap::None, 0);
        }
        (self.leap.pending, self.leap.armed_kernel, self.leap.refused) = (None, false, false);
        self.leap.blurred = false;
    }

    /// The leap is now: true UTC moves, and the clock as configured.
    fn do_leap(&mut self, now: Now, clock: &mut dyn Clock, out: &mut Actions) {
        let Some((leap, at)) = self.leap.pending.take() else { return };
        let shift = if leap == Leap::Insert { -1.0 } else { 1.0 };
        if self.leap.armed_kernel {
            // The kernel steps by itself; the loop reports it (see `was_leap`). Keep it pending until then, but
            // not for longer than the blur: a kernel that forgot is corrected like any other error.
            let local = self.discipline.cooking(now.raw).apply(now.raw);
            if local - at < BLUR.1 {
                self.leap.pending = Some((leap, at));
                self.leap.blurred = true;
                return;
            }
        }
        self.shift_truth(shift);
        self.leap.blurred_until = Some(at + shift + BLUR.1);
        self.leap.blurred = true;
        self.reference.leap = Leap::None;
        let result = match self.clock_config.leap_mode {
            LeapMode::System | LeapMode::Step => {
                let (severity, whose) = self.whose_clock();
                out.log(severity, format!("{whose} clock was stepped for leap second"));
                self.discipline.step_by(clock, shift).map(|applied| {
                    self.note_step(&applied);
                })
            }
            LeapMode::Slew => {
                self.smooth_leap(now, shift);
                let (severity, whose) = self.whose_clock();
                out.log(severity, format!("Adjusting {} clock for leap second", whose.to_lowercase()));
                self.discipline.slew_pending(now, clock)
            }
            LeapMode::Ignore => {
                out.log(Severity::Warning, "Ignoring leap second");
                Ok(())
            }
        };
        self.clock_result("move", result, out);
        if core::mem::take(&mut self.leap.armed_kernel) {
            // It forgot; that it remembers later would be a second leap.
            let _ = clock.set_leap(Leap::None, 0);
        }
        self.leap.refused = false;
        if matches!(self.clock_config.leap_mode, LeapMode::Slew | LeapMode::Ignore) {
            self.leap.left = Some((shift, at));
        }
    }

    /// True time itself moves by `seconds` against the oscillator: belief and samples move with it.
    pub(super) fn shift_truth(&mut self, seconds: f64) {
        self.discipline.shift_truth(seconds);
        let nanos = crate::time::seconds_to_nanos(seconds);
        for source in &mut self.sources {
            source.add_offset(nanos);
            source.earlier = None; // its other stamps would be from before
            source.link.forget_times();
            source.leap_ahead = None;
        }
        self.joint.add_offset(nanos);
        self.temperatures.add_offset(nanos);
        self.manual.shift(seconds);
        self.shift_rtc(seconds);
    }

    /// Was the step that the loop noticed the leap second: the kernel's, or that of another daemon that sets this clock?
    pub(super) fn was_leap(
        &mut self,
        now: Now,
        clock: &mut dyn Clock,
        offset: f64,
        out: &mut Actions,
    ) -> bool {
        let shift_of = |leap| if leap == Leap::Insert { -1.0 } else { 1.0 };
        let pending = self.leap.pending.map(|(leap, at)| (shift_of(leap), at));
        let Some((shift, at)) = pending.or(self.leap.left) else { return false };
        let local = self.discipline.cooking(now.raw).apply(now.raw);
        let soon = (local - at).abs() < BLUR.0;
        if (offset - shift).abs() > 0.1 || !soon {
            return false;
        }
        self.discipline.external_step(now.raw, offset);
        self.stamps_from = now.raw;
        if pending.is_some() {
            self.shift_truth(shift);
        } else {
            // True time has moved already, and the clock was to be slewed after it: it need not any more.
            self.leap.left = None;
            let result = self.discipline.slew_pending(now, clock);
            self.clock_result("slew", result, out);
        }
        let armed = self.leap.armed_kernel;
        self.leap = LeapWatch {
            blurred: true,
            blurred_until: Some(at + shift + BLUR.1),
            table: self.leap.table.take(),
            ..LeapWatch::default()
        };
        self.reference.leap = Leap::None;
        if armed {
            // Linux keeps the flag, and tells it to whoever asks, until it is taken back.
            let _ = clock.set_leap(Leap::None, 0);
        }
        let whose = if armed { "" } else { " by another program" };
        out.log(Severity::Info, format!("System clock status reset after leap second{whose}"));
        true
    }

    /// Samples this close to a leap second are not used.
    pub(super) fn near_leap(&self, now: Now) -> bool {
        let local = self.discipline.cooking(now.raw).apply(now.raw);
        self.leap.blurred_until.is_some_and(|until| until + (BLUR.0 - BLUR.1) > local)
            || self.leap.pending.is_some_and(|(_, at)| (at - local).abs() < BLUR.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leap_seconds_come_at_the_end_of_june_and_december() {
        let at = |seconds: i64| LocalTime::from_nanos(seconds * NANOS);
        // 2016-12-31 12:00:00, 2016-12-30, 2012-06-30.
        assert_eq!(leap_instant(at(1_483_185_600), Leap::Insert), Some(at(1_483_228_800)));
        assert_eq!(leap_instant(at(1_483_185_600), Leap::Delete), Some(at(1_483_228_799)));
        assert_eq!(leap_instant(at(1_483_185_600 - 86_400), Leap::Insert), None);
        assert_eq!(leap_instant(at(1_341_057_600), Leap::Insert), Some(at(1_341_100_800)));
    }
}
