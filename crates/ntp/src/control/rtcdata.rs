//! `rtcdata`: the real-time clock.

use super::{Answer, CommandDef, Status};
use crate::config::OpenCommand;
use crate::report::{Frequency, Interval, Page, Report, Seconds, Time, Unit, Visitor, col, text};
use Unit::{None, Ppm, Seconds as S};

/// What is known of the real-time clock.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RtcData {
    /// Its reading at the last comparison.
    pub reference_time: Time,
    /// Comparisons in use.
    pub samples: u16,
    /// Runs of residuals of one sign.
    pub runs: u16,
    /// Between the first and the last comparison.
    pub span: Interval,
    /// Positive: it is ahead.
    pub fast_by: Seconds,
    /// Positive: it gains.
    pub gain: Frequency,
}

impl Report for RtcData {
    fn fields<V: Visitor>(&mut self, v: &mut V) {
        v.field(&col("reference_time", S, "At the last comparison."), &mut self.reference_time);
        v.field(&col("samples", None, "Comparisons in use."), &mut self.samples);
        v.field(&col("runs", None, "Runs of residuals of one sign."), &mut self.runs);
        v.field(&col("span", S, "Between the first and the last comparison."), &mut self.span);
        v.field(&col("fast_by", S, "Positive: it is ahead.").digits(6), &mut self.fast_by);
        v.field(&col("gain", Ppm, "Positive: it gains."), &mut self.gain);
    }
}

impl Answer for RtcData {
    const REPLY: u16 = 7;
}

impl Page for RtcData {
    const COLUMNS: &'static [&'static str] =
        &["reference_time", "samples", "runs", "span", "fast_by", "gain"];

    fn text(&self, _name: &str, _wide: bool) -> String {
        format!(
            "RTC ref time (UTC) : {}\n\
             Number of samples  : {}\n\
             Number of runs     : {}\n\
             Sample span period : {}\n\
             RTC is fast by     : {:12.6} seconds\n\
             RTC gains time at  : {:9.3} ppm\n",
            text::time(self.reference_time),
            self.samples,
            self.runs,
            text::interval(self.span),
            self.fast_by.0,
            self.gain.ppm(),
        )
    }
}

/// `rtcdata`
pub const RTCDATA: CommandDef = CommandDef::report(
    "rtcdata",
    35,
    [20, 56],
    &[OpenCommand::Rtcdata],
    |backend, _, reply| reply.report_or(backend.rtc_data(), Status::NoRtc),
    "Shows the real-time clock.",
);
