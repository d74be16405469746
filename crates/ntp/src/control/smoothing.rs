//! `smoothing`: the smoothed time that is served.

use super::{Answer, CommandDef, Status};
use crate::config::OpenCommand;
use crate::report::{Cell, Frequency, Page, Report, Seconds, Shown, Unit, Visitor, col, text};
use Unit::{None, Ppm, PpmPerSecond, Seconds as S};

/// State of the smoothing process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Smoothing {
    /// Is it under way?
    pub active: bool,
    /// Does it smooth leap seconds only?
    pub leap_only: bool,
    /// Offset of the served time.
    pub offset: Seconds,
    /// Frequency offset of the served time.
    pub frequency: Frequency,
    /// Change of that frequency, per second.
    pub wander: Frequency,
    /// Since the last update.
    pub last_update: Seconds,
    /// Until served time and our time agree.
    pub remaining: Seconds,
}

impl Smoothing {
    const fn leap_text(&self) -> &'static str {
        if self.leap_only { "(leap second only)" } else { "" }
    }
}

impl Report for Smoothing {
    fn fields<V: Visitor>(&mut self, v: &mut V) {
        let mut flags = u32::from(self.active) | u32::from(self.leap_only) << 1;
        v.wire(&mut flags);
        (self.active, self.leap_only) = (flags & 1 != 0, flags & 2 != 0);
        v.derived(&col("active", None, "Is it under way?"), self.active);
        v.derived(
            &col("leap_only", None, "Leap seconds only?"),
            Shown::new(Cell::Flag(self.leap_only), self.leap_text()),
        );
        v.field(&col("offset", S, "Of the served time."), &mut self.offset);
        v.field(&col("frequency", Ppm, "Of the served time.").digits(6), &mut self.frequency);
        v.field(&col("wander", PpmPerSecond, "Change of the frequency."), &mut self.wander);
        v.field(&col("last_update", S, "Since the last update.").digits(1), &mut self.last_update);
        v.field(&col("remaining", S, "Until both times agree.").digits(1), &mut self.remaining);
    }
}

impl Answer for Smoothing {
    const REPLY: u16 = 13;
}

impl Page for Smoothing {
    const COLUMNS: &'static [&'static str] =
        &["active", "leap_only", "offset", "frequency", "wander", "last_update", "remaining"];

    fn text(&self, _name: &str, _wide: bool) -> String {
        format!(
            "Active         : {} {}\n\
             Offset         : {:+.9} seconds\n\
             Frequency      : {:+.6} ppm\n\
             Wander         : {:+.6} ppm per second\n\
             Last update    : {:.1} seconds ago\n\
             Remaining time : {:.1} seconds\n",
            text::yes_no(self.active),
            self.leap_text(),
            self.offset.0,
            self.frequency.ppm(),
            self.wander.ppm(),
            self.last_update.0,
            self.remaining.0,
        )
    }
}

/// `smoothing`
pub const SMOOTHING: CommandDef = CommandDef::report(
    "smoothing",
    51,
    [20, 52],
    &[OpenCommand::Smoothing],
    |backend, _, reply| reply.report_or(backend.smoothing(), Status::NotEnabled),
    "Shows how the served time is smoothed.",
);
