//! `selectdata`: how the selection judges each source.

use super::{Answer, CommandDef, Status};
use crate::config::OpenCommand;
use crate::ids::RefId;
use crate::report::{
    Address, Cell, Char, Interval, LeapStatus, Number, Page, Report, Seconds, SelectOptions, Shown, Unit,
    Visitor, col, text,
};
use Unit::{None, Seconds as S};

/// One source as the selection sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SelectData {
    /// Reference identifier.
    pub ref_id: RefId,
    /// Its address; unspecified for a reference clock.
    pub address: Address,
    /// The letter of its state, explained in the legend.
    pub state: Char,
    /// Are its packets authenticated?
    pub authenticated: bool,
    /// Its leap status.
    pub leap: LeapStatus,
    /// Options as configured.
    pub configured: SelectOptions,
    /// Options in effect, after `authselectmode`.
    pub effective: SelectOptions,
    /// Since the last sample.
    pub last_sample: Interval,
    /// Score against the selected source.
    pub score: Number,
    /// Lower end of the interval in which the true offset is; positive: our clock is ahead.
    pub low: Seconds,
    /// Upper end.
    pub high: Seconds,
}

impl SelectData {
    /// Its address, or the letters of a reference clock.
    pub fn label(&self) -> String {
        text::source_label(self.address, self.ref_id)
    }
}

impl Report for SelectData {
    fn fields<V: Visitor>(&mut self, v: &mut V) {
        v.field(&col("ref_id", None, "Reference identifier."), &mut self.ref_id);
        v.field(&col("address", None, "Its address."), &mut self.address);
        v.field(&col("state", None, "The letter of its state."), &mut self.state);
        v.wire(&mut self.authenticated);
        let letter = Shown::new(Cell::Flag(self.authenticated), yes_no_letter(self.authenticated));
        v.derived(&col("authenticated", None, "Are its packets authenticated?"), letter);
        v.field(&col("leap", None, "Its leap status."), &mut self.leap);
        v.wire(&mut [0u8; 1]);
        v.field(&col("configured_options", None, "Options as configured."), &mut self.configured);
        v.field(&col("effective_options", None, "Options in effect."), &mut self.effective);
        v.field(&col("last_sample", S, "Since the last sample."), &mut self.last_sample);
        v.field(&col("score", None, "Against the selected source.").digits(1), &mut self.score);
        v.field(&col("low", S, "Lower end of the interval of the true offset."), &mut self.low);
        v.field(&col("high", S, "Upper end of the interval of the true offset."), &mut self.high);
    }
}

const fn yes_no_letter(flag: bool) -> &'static str {
    if flag { "Y" } else { "N" }
}

impl Answer for SelectData {
    const REPLY: u16 = 23;
}

impl Page for SelectData {
    const COLUMNS: &'static [&'static str] = &[
        "state",
        "name",
        "authenticated",
        "configured_options",
        "effective_options",
        "last_sample",
        "score",
        "low",
        "high",
        "leap",
    ];

    const LEGEND: &'static str = "\
S      in use:       * system peer             + combined with it
       not needed:   D too distant to combine  P another one is preferred
                     U no new sample           W waits for more sources
                     - selectable              L outlier
       not usable:   x falseticker             T outside the trusted interval
                     ~ too variable            d root distance too large
                     s not synchronised        r stratum out of range
                     S stale                   w waits for the others' first samples
                     O orphan                  M samples missing
                     N option noselect
Auth   packets are authenticated       COpts/EOpts  options configured / in effect
       (N noselect, P prefer, T trust, R require)
Last   age of the last sample          Score  against the system peer
Interval  where the true offset must be        Leap  N none, + insert, - delete, ? unknown

";

    fn heading(wide: bool) -> String {
        let line = "S Name/IP Address        Auth COpts EOpts Last Score     Interval  Leap";
        text::heading(line, 17, 71, wide)
    }

    fn text(&self, name: &str, wide: bool) -> String {
        let options = |options: SelectOptions| options.letters().iter().collect::<String>();
        format!(
            "{} {name:<width$} {} {} {} {} {:5.1} {} {}  {}\n",
            self.state.get(),
            yes_no_letter(self.authenticated),
            options(self.configured),
            options(self.effective),
            text::interval(self.last_sample),
            self.score.0,
            text::signed_offset(self.low.0),
            text::signed_offset(self.high.0),
            self.leap.letter(),
            width = text::name_width(25, wide),
        )
    }
}

/// `selectdata`
pub const SELECTDATA: CommandDef = CommandDef::report(
    "selectdata",
    69,
    [24, 76],
    &[OpenCommand::Selectdata],
    |backend, request, reply| {
        let index = request.body.value();
        reply.report_or(backend.select_data(index), Status::NoSuchSource)
    },
    "Shows how the selection judges each source.",
);
