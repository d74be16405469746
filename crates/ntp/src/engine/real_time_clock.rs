//! Following the real-time clock: when to look at it, when to set it, what to keep.

use super::{Action, Actions, Engine, Severity};
use crate::config::Config;
use crate::control::Status;
use crate::control::rtcdata::RtcData;
use crate::logfile::{self, Record};
use crate::report::{Frequency, Interval, Seconds};
use crate::rtc::RtcLine;
use crate::time::{LocalTime, MonoTime, NANOS, Now, RawTime};

/// Between two looks, s: at first and at last.
const INTERVALS: (f64, f64) = (15.0, 480.0);

/// The clock that is followed.
#[derive(Debug)]
pub(super) struct RealTimeClock {
    line: RtcLine,
    interval: f64,
    due: MonoTime,
    /// `rtcautotrim`, s; 0: never.
    auto_trim: f64,
    /// It is to be set in the middle of a second.
    trim_due: Option<MonoTime>,
    logs: bool,
}

impl RealTimeClock {
    /// The one of `rtcfile`, if it is followed.
    pub fn new(config: &Config, now: MonoTime) -> Option<Self> {
        config.rtc.file.as_ref()?;
        Some(Self {
            line: RtcLine::default(),
            interval: INTERVALS.0,
            due: now + 1.0,
            auto_trim: config.rtc.auto_trim.abs(),
            trim_due: None,
            logs: config.log.rtc,
        })
    }
}

impl Engine {
    /// The clock cannot be opened: it is not followed.
    pub fn forget_rtc(&mut self) {
        self.rtc = None;
    }

    pub(super) fn next_rtc(&self) -> Option<MonoTime> {
        let rtc = self.rtc.as_ref()?;
        Some(rtc.trim_due.map_or(rtc.due, |trim| trim.min(rtc.due)))
    }

    /// Asks for a look when its time has come, and sets the clock in the middle of a second.
    pub(super) fn attend_rtc(&mut self, now: Now, out: &mut Actions) {
        let knows = self.reference.synchronised;
        let local = self.discipline.cooking(now.raw).apply(now.raw);
        let Some(rtc) = self.rtc.as_mut() else { return };
        if rtc.trim_due.is_some_and(|at| at <= now.mono) {
            rtc.trim_due = None;
            out.push(Action::SetRtc(local.nanos().div_euclid(NANOS)));
            rtc.line.was_set(local);
            (rtc.interval, rtc.due) = (INTERVALS.0, now.mono + 2.0);
        }
        if rtc.due <= now.mono {
            rtc.due = now.mono + rtc.interval;
            if knows {
                out.push(Action::LookAtRtc);
            }
        }
    }

    /// The real-time clock began to show the second `shown` (s since the Unix epoch) when ours read `at`.
    pub(super) fn on_rtc(&mut self, now: Now, shown: i64, at: RawTime, out: &mut Actions) {
        if !self.reference.synchronised || !self.is_current(now, at) {
            return;
        }
        let local = self.discipline.cooking(at).apply(at);
        let Some(rtc) = self.rtc.as_mut() else { return };
        let valid = rtc.line.is_valid();
        let (fast, predicted) = rtc.line.look(shown, local);
        let (samples, runs, _) = rtc.line.counts();
        let interval = rtc.interval;
        if samples > 8 {
            rtc.interval = (interval * 2.0).min(INTERVALS.1);
        }
        if rtc.logs {
            out.push(Action::Record(Record::Rtc(logfile::Rtc {
                time: local,
                measured: fast,
                valid,
                predicted,
                slope: rtc.line.rate(),
                samples: samples as u32,
                runs: runs as u32,
                interval,
            })));
        }
        let limit = rtc.auto_trim;
        if limit > 0.0 && rtc.line.fast_at(local).is_some_and(|fast| fast.abs() > limit) {
            out.log(Severity::Info, format!("Real-time clock is {fast:.6} seconds fast and is set"));
            self.trim_rtc(now);
        }
    }

    /// Has the clock set in the middle of a second: a chip that begins a second anew when it is set (MC146818 and its heirs) does so half a
    /// second later, and one that goes on counting is then wrong by no more than that.
    fn trim_rtc(&mut self, now: Now) {
        let local = self.discipline.cooking(now.raw).apply(now.raw);
        let Some(rtc) = self.rtc.as_mut() else { return };
        let left = (NANOS / 2 - local.nanos().rem_euclid(NANOS)).rem_euclid(NANOS);
        rtc.trim_due = Some(now.mono + left as f64 * 1e-9);
    }

    /// The commands `trimrtc` and `writertc`.
    pub(super) fn rtc_command(&mut self, now: Now, trim: bool, out: &mut Actions) -> Status {
        let Some(rtc) = &self.rtc else { return Status::NoRtc };
        if trim {
            if !self.reference.synchronised {
                return Status::NotEnabled;
            }
            self.trim_rtc(now);
            return Status::Success;
        }
        if rtc.line.file().is_none() {
            return Status::NotEnabled;
        }
        out.push(Action::SaveRtc);
        Status::Success
    }

    /// What the file of the clock is to say; `None` while nothing is known.
    pub fn rtc_text(&self) -> Option<String> {
        self.rtc.as_ref()?.line.file().map(|file| file.format())
    }

    /// The report `rtcdata`.
    pub(super) fn rtc_report(&self, now: Now) -> Option<RtcData> {
        let line = &self.rtc.as_ref()?.line;
        let (samples, runs, span) = line.counts();
        let local = self.discipline.cooking(now.raw).apply(now.raw);
        let shown = LocalTime::from_nanos(line.last_shown().unwrap_or(0).saturating_mul(NANOS));
        Some(RtcData {
            reference_time: shown.into(),
            samples: samples as u16,
            runs: runs as u16,
            span: Interval::from_seconds(span),
            fast_by: Seconds(line.fast_at(local).unwrap_or(0.0)),
            gain: Frequency::new(line.rate()),
        })
    }

    /// True time moved by `seconds` against the oscillator.
    pub(super) fn shift_rtc(&mut self, seconds: f64) {
        if let Some(rtc) = self.rtc.as_mut() {
            rtc.line.shift(seconds);
        }
    }
}
