//! `sourcename`: the name a source was configured with.

use super::{Answer, CommandDef, Status};
use crate::config::OpenCommand;
use crate::report::{Page, Report, SourceName, Unit, Visitor, col};

/// The name a source was configured with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameReport {
    /// As in the configuration or the `add` command.
    pub configured_name: SourceName,
}

impl Report for NameReport {
    fn fields<V: Visitor>(&mut self, v: &mut V) {
        v.field(&col("configured_name", Unit::None, "As configured."), &mut self.configured_name);
    }
}

impl Answer for NameReport {
    const REPLY: u16 = 19;
}

impl Page for NameReport {
    const COLUMNS: &'static [&'static str] = &["configured_name"];

    fn text(&self, _name: &str, _wide: bool) -> String {
        format!("{}\n", self.configured_name.0)
    }
}

/// `sourcename`
pub const SOURCENAME: CommandDef = CommandDef::report(
    "sourcename",
    65,
    [40, 284],
    &[OpenCommand::Sourcename],
    |backend, request, reply| {
        let name = backend.source_name(&request.body.value());
        let report = name.map(|name| NameReport { configured_name: SourceName(name) });
        reply.report_or(report, Status::NoSuchSource)
    },
    "Shows the name a source was configured with.",
);
