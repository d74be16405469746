//! `manual list` and `settime`: time given by a person.

use super::{Access, Answer, CommandDef};
use crate::config::OpenCommand;
use crate::report::{Cell, Column, Frequency, Page, Report, Seconds, Shown, Time, Unit, Visitor, col, text};
use Unit::{None, Ppm, Seconds as S};

/// Samples in one reply.
pub const SAMPLES_MAX: usize = 16;

/// One sample.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ManualSample {
    /// Its number; not on the wire.
    pub index: u32,
    /// When it was given.
    pub when: Time,
    /// Offset minus what was corrected since.
    pub slewed_offset: Seconds,
    /// Offset when given.
    pub original_offset: Seconds,
    /// Distance from the line fitted.
    pub residual: Seconds,
}

impl Report for ManualSample {
    fn fields<V: Visitor>(&mut self, v: &mut V) {
        v.derived(&col("index", None, "Its number."), self.index);
        v.wire(&mut self.when);
        let date = Shown::new(Cell::Time(self.when), text::date(self.when));
        v.derived(&col("when", S, "When it was given, since 1970."), date);
        v.field(
            &col("slewed_offset", S, "Minus what was corrected since.").digits(2),
            &mut self.slewed_offset,
        );
        v.field(&col("original_offset", S, "When given.").digits(2), &mut self.original_offset);
        v.field(&col("residual", S, "Distance from the line fitted.").digits(2), &mut self.residual);
    }
}

impl Page for ManualSample {
    const COLUMNS: &'static [&'static str] =
        &["index", "when", "slewed_offset", "original_offset", "residual"];

    fn heading(_wide: bool) -> String {
        text::heading("#    Date     Time(UTC)    Slewed   Original   Residual", 0, 55, false)
    }

    fn text(&self, _name: &str, _wide: bool) -> String {
        format!(
            "{:2} {} {:10.2} {:10.2} {:10.2}\n",
            self.index,
            text::date(self.when),
            self.slewed_offset.0,
            self.original_offset.0,
            self.residual.0
        )
    }
}

/// The samples in use.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ManualList {
    /// At most [`SAMPLES_MAX`].
    pub samples: Vec<ManualSample>,
}

impl Report for ManualList {
    fn fields<V: Visitor>(&mut self, v: &mut V) {
        let mut count = self.samples.len().min(SAMPLES_MAX) as u32;
        v.wire(&mut count);
        self.samples.resize(SAMPLES_MAX, ManualSample::default());
        for (sample, index) in self.samples.iter_mut().zip(0u32..) {
            sample.index = index;
            v.wire(&mut sample.when);
            v.wire(&mut sample.slewed_offset);
            v.wire(&mut sample.original_offset);
            v.wire(&mut sample.residual);
        }
        self.samples.truncate(count as usize);
    }
}

impl Answer for ManualList {
    const REPLY: u16 = 18;
}

/// What `settime` did.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SetTime {
    /// Positive: the clock was fast.
    pub offset: Seconds,
    /// Change of the frequency.
    pub frequency_change: Frequency,
    /// The new frequency.
    pub frequency: Frequency,
}

impl Report for SetTime {
    fn fields<V: Visitor>(&mut self, v: &mut V) {
        let two = |column: Column| column.digits(2);
        v.field(&two(col("offset", S, "Positive: the clock was fast.")), &mut self.offset);
        v.field(&two(col("frequency_change", Ppm, "Change of the frequency.")), &mut self.frequency_change);
        v.field(&two(col("frequency", Ppm, "The new frequency.")), &mut self.frequency);
    }
}

impl Answer for SetTime {
    const REPLY: u16 = 17;
}

impl Page for SetTime {
    const COLUMNS: &'static [&'static str] = &["offset", "frequency_change", "frequency"];

    fn text(&self, _name: &str, _wide: bool) -> String {
        format!(
            "Clock was {:.2} seconds fast.  Frequency change = {:.2}ppm, new frequency = {:.2}ppm\n",
            self.offset.0,
            self.frequency_change.ppm(),
            self.frequency.ppm()
        )
    }
}

/// `manual list`
pub const MANUAL_LIST: CommandDef = CommandDef::report(
    "manual list",
    41,
    [20, 416],
    &[OpenCommand::Manual],
    |backend, _, reply| match backend.manual_list() {
        Ok(list) => reply.report(list),
        Err(status) => status,
    },
    "Lists the samples given by settime.",
);

/// `settime`
pub const SET_TIME: CommandDef = CommandDef {
    access: Access::Unix,
    ..CommandDef::report(
        "settime",
        11,
        [32, 40],
        &[],
        |backend, request, reply| match backend.set_time(request.body.value()) {
            Ok(done) => reply.report(done),
            Err(status) => status,
        },
        "Tells the daemon what time it is.",
    )
};
