//! `sourcestats`: drift and offset of each source as estimated from its samples.

use super::{Answer, CommandDef, Status};
use crate::config::OpenCommand;
use crate::ids::RefId;
use crate::report::{Address, Frequency, Interval, Page, Report, Seconds, Unit, Visitor, col, text};
use Unit::{None, Ppm, Seconds as S};

/// Statistics of one source.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SourceStats {
    /// Reference identifier.
    pub ref_id: RefId,
    /// Its address; unspecified for a reference clock.
    pub address: Address,
    /// Samples in use.
    pub samples: u32,
    /// Runs of residuals of one sign.
    pub runs: u32,
    /// Time between the oldest and the newest sample.
    pub span: Interval,
    /// Standard deviation of the samples.
    pub std_dev: Seconds,
    /// Estimated residual frequency of our clock; positive: it gains on the source.
    pub residual_frequency: Frequency,
    /// Bound of its error.
    pub skew: Frequency,
    /// Estimated offset; positive: our clock is ahead.
    pub offset: Seconds,
    /// Standard deviation of the estimated offset.
    pub offset_error: Seconds,
}

impl SourceStats {
    /// Its address, or the letters of a reference clock.
    pub fn label(&self) -> String {
        text::source_label(self.address, self.ref_id)
    }
}

impl Report for SourceStats {
    fn fields<V: Visitor>(&mut self, v: &mut V) {
        v.field(&col("ref_id", None, "Reference identifier."), &mut self.ref_id);
        v.field(&col("address", None, "Its address."), &mut self.address);
        v.field(&col("samples", None, "Samples in use."), &mut self.samples);
        v.field(&col("runs", None, "Runs of residuals of one sign."), &mut self.runs);
        v.field(&col("span", S, "Between the oldest and the newest sample."), &mut self.span);
        v.field(&col("std_dev", S, "Standard deviation of the samples."), &mut self.std_dev);
        v.field(
            &col("residual_frequency", Ppm, "Positive: our clock gains on the source."),
            &mut self.residual_frequency,
        );
        v.field(&col("skew", Ppm, "Bound on the error of the frequency."), &mut self.skew);
        v.field(&col("offset", S, "Estimated; positive: our clock is ahead."), &mut self.offset);
        v.field(&col("offset_error", S, "Standard deviation of the offset."), &mut self.offset_error);
    }
}

impl Answer for SourceStats {
    const REPLY: u16 = 6;
}

impl Page for SourceStats {
    const COLUMNS: &'static [&'static str] =
        &["name", "samples", "runs", "span", "residual_frequency", "skew", "offset", "std_dev"];

    const LEGEND: &'static str = "\
NP samples in use, NR runs of residuals of one sign, Span age of the oldest sample.
Frequency and Freq Skew: how fast our clock gains on the source and how sure that is,
in ppm. Offset: estimated, positive when our clock is ahead. Std Dev: of the samples.

";

    fn heading(wide: bool) -> String {
        let line = "Name/IP Address            NP  NR  Span  Frequency  Freq Skew  Offset  Std Dev";
        text::heading(line, 15, 78, wide)
    }

    fn text(&self, name: &str, wide: bool) -> String {
        format!(
            "{name:<width$} {:3} {:3}  {} {} {}  {}  {}\n",
            self.samples,
            self.runs,
            text::interval(self.span),
            text::signed_frequency(self.residual_frequency.ppm()),
            text::frequency(self.skew.ppm()),
            text::signed_offset(self.offset.0),
            text::unsigned_offset(self.std_dev.0),
            width = text::name_width(25, wide),
        )
    }
}

/// `sourcestats`
pub const SOURCESTATS: CommandDef = CommandDef::report(
    "sourcestats",
    34,
    [24, 84],
    &[OpenCommand::Sourcestats],
    |backend, request, reply| {
        let index = request.body.value();
        reply.report_or(backend.source_stats(index), Status::NoSuchSource)
    },
    "Shows what is known of each source's drift and offset.",
);
