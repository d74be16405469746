//! `sources`: each source, its reach and its last sample.

use super::{Answer, CommandDef, Status};
use crate::config::OpenCommand;
use crate::ids::RefId;
use crate::report::wire::{Reader, Writer};
use crate::report::{Address, Cell, Interval, Page, Report, Seconds, Unit, Value, Visitor, col, text};
use Unit::{Log2Seconds, None, Seconds as S};

/// Number of sources, unresolved ones included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceCount {
    /// How many.
    pub count: u32,
}

impl Report for SourceCount {
    fn fields<V: Visitor>(&mut self, v: &mut V) {
        v.field(&col("count", None, "Number of sources."), &mut self.count);
    }
}

impl Answer for SourceCount {
    const REPLY: u16 = 2;
}

/// What selection made of a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SourceState {
    /// `*` The system peer.
    Selected,
    /// `?` Not selectable.
    #[default]
    Unselectable,
    /// `x` Disagrees with the majority.
    Falseticker,
    /// `~` Too variable.
    Jittery,
    /// `+` Combined with the system peer.
    Combined,
    /// `-` Selectable, not used.
    Selectable,
    /// A number of a newer daemon.
    Unknown(u16),
}

impl SourceState {
    const KNOWN: [(Self, char, &'static str); 6] = [
        (Self::Selected, '*', "selected"),
        (Self::Unselectable, '?', "unselectable"),
        (Self::Falseticker, 'x', "falseticker"),
        (Self::Jittery, '~', "jittery"),
        (Self::Combined, '+', "combined"),
        (Self::Selectable, '-', "selectable"),
    ];

    /// Its mark in the table; a blank for an unknown one.
    pub fn mark(self) -> char {
        Self::KNOWN.iter().find(|known| known.0 == self).map_or(' ', |known| known.1)
    }
}

/// What kind of source it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SourceMode {
    /// `^`
    #[default]
    Server,
    /// `=`
    Peer,
    /// `#` A reference clock.
    Refclock,
    /// A number of a newer daemon.
    Unknown(u16),
}

impl SourceMode {
    const KNOWN: [(Self, char, &'static str); 3] =
        [(Self::Server, '^', "server"), (Self::Peer, '=', "peer"), (Self::Refclock, '#', "refclock")];

    /// Its mark in the table; a blank for an unknown one.
    pub fn mark(self) -> char {
        Self::KNOWN.iter().find(|known| known.0 == self).map_or(' ', |known| known.1)
    }
}

/// A 16-bit enumeration with a mark and a word each.
macro_rules! marked_enumeration {
    ($name:ident) => {
        impl Value for $name {
            fn write(&self, out: &mut Writer<'_>) {
                let code = match *self {
                    Self::Unknown(code) => Some(code),
                    _ => Self::KNOWN.iter().position(|known| known.0 == *self).map(|at| at as u16),
                };
                out.value(&code.unwrap_or(u16::MAX));
            }
            fn read(&mut self, input: &mut Reader<'_>) {
                let code: u16 = input.value();
                *self = Self::KNOWN.get(usize::from(code)).map_or(Self::Unknown(code), |known| known.0);
            }
            fn cell(&self) -> Cell {
                let known = Self::KNOWN.iter().find(|known| known.0 == *self);
                known.map_or(Cell::Absent, |known| Cell::Text(known.2.to_owned()))
            }
            fn csv(&self, _digits: usize) -> Option<String> {
                Some(self.mark().to_string())
            }
        }
    };
}
marked_enumeration!(SourceState);
marked_enumeration!(SourceMode);

/// The reachability register: octal in print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach(pub u16);

impl Value for Reach {
    fn write(&self, out: &mut Writer<'_>) {
        self.0.write(out);
    }
    fn read(&mut self, input: &mut Reader<'_>) {
        self.0.read(input);
    }
    fn cell(&self) -> Cell {
        self.0.cell()
    }
    fn csv(&self, _digits: usize) -> Option<String> {
        Some(format!("{:o}", self.0))
    }
}

/// One source.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SourceData {
    /// Its address; a reference clock has its identifier as IPv4 address.
    pub address: Address,
    /// Poll exponent.
    pub poll: i16,
    /// Its stratum.
    pub stratum: u16,
    /// What selection made of it.
    pub state: SourceState,
    /// What kind it is.
    pub mode: SourceMode,
    /// The last eight polls, the newest in the lowest bit.
    pub reach: Reach,
    /// Since the last sample.
    pub last_rx: Interval,
    /// Offset of the last sample as it was measured; positive: our clock was ahead.
    pub measured_offset: Seconds,
    /// The same, minus what was corrected since.
    pub adjusted_offset: Seconds,
    /// Bound of its error.
    pub error: Seconds,
}

impl SourceData {
    /// Its address, or the letters of a reference clock: what is shown for it when no name is known.
    pub fn label(&self) -> String {
        match (self.mode, self.address) {
            (SourceMode::Refclock, Address::V4(address)) => text::ref_id_text(RefId(address.to_bits())),
            (_, address) => address.to_string(),
        }
    }

    /// Unspecified for a reference clock, whose identifier only looks like an address.
    pub fn real_address(&self) -> Address {
        if self.mode == SourceMode::Refclock { Address::Unspecified } else { self.address }
    }
}

impl Report for SourceData {
    fn fields<V: Visitor>(&mut self, v: &mut V) {
        v.wire(&mut self.address);
        v.derived(&col("address", None, "Its address; a reference clock has none."), self.real_address());
        v.field(&col("poll", Log2Seconds, "Time between two requests."), &mut self.poll);
        v.field(&col("stratum", None, "Its stratum."), &mut self.stratum);
        v.field(&col("state", None, "What selection made of it."), &mut self.state);
        v.field(&col("mode", None, "Server, peer or reference clock."), &mut self.mode);
        v.wire(&mut [0u8; 2]);
        v.field(&col("reach", None, "The last eight polls, a bit each."), &mut self.reach);
        v.field(&col("last_rx", S, "Since the last sample."), &mut self.last_rx);
        v.field(
            &col("measured_offset", S, "Of the last sample; positive: our clock was ahead."),
            &mut self.measured_offset,
        );
        v.field(
            &col("adjusted_offset", S, "The same, minus what was corrected since."),
            &mut self.adjusted_offset,
        );
        v.field(&col("error", S, "Bound on the error of the offset."), &mut self.error);
    }
}

impl Answer for SourceData {
    const REPLY: u16 = 3;
}

impl Page for SourceData {
    const COLUMNS: &'static [&'static str] = &[
        "mode",
        "state",
        "name",
        "stratum",
        "poll",
        "reach",
        "last_rx",
        "adjusted_offset",
        "measured_offset",
        "error",
    ];

    const LEGEND: &'static str = "\
M  kind of source:   ^ server   = peer   # reference clock
S  its state:        * selected, steers the clock    + combined with it
                     - could be selected             ? cannot be selected now
                     x disagrees with the majority   ~ too variable
Poll is log2 of the seconds between requests, Reach shows the last eight polls as
octal bits, LastRx is the age of the last sample. Last sample: offset now [offset
when measured] +/- bound of its error; positive offsets mean that our clock is ahead.

";

    fn heading(wide: bool) -> String {
        let line = "MS Name/IP address         Stratum Poll Reach LastRx Last sample               ";
        text::heading(line, 18, 79, wide)
    }

    fn text(&self, name: &str, wide: bool) -> String {
        format!(
            "{}{} {name:<width$}  {:2}  {:2}   {:3o}  {}  {}[{}] +/- {}\n",
            self.mode.mark(),
            self.state.mark(),
            self.stratum,
            self.poll,
            self.reach.0,
            text::interval(self.last_rx),
            text::signed_offset(self.adjusted_offset.0),
            text::signed_offset(self.measured_offset.0),
            text::unsigned_offset(self.error.0),
            width = text::name_width(27, wide),
        )
    }
}

/// The number of sources: asked before each table of sources.
pub const SOURCE_COUNT: CommandDef = CommandDef::report(
    "sources count",
    14,
    [20, 32],
    &[
        OpenCommand::Sources,
        OpenCommand::Sourcestats,
        OpenCommand::Authdata,
        OpenCommand::Ntpdata,
        OpenCommand::Selectdata,
    ],
    |backend, _, reply| reply.report(SourceCount { count: backend.source_count() }),
    "Tells how many sources there are.",
);

/// `sources`
pub const SOURCE_DATA: CommandDef = CommandDef::report(
    "sources",
    15,
    [24, 76],
    &[OpenCommand::Sources],
    |backend, request, reply| {
        let index = request.body.value();
        reply.report_or(backend.source_data(index), Status::NoSuchSource)
    },
    "Shows the sources and their last samples.",
);
