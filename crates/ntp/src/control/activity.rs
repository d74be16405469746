//! `activity`: how many sources are online.

use super::{Answer, CommandDef};
use crate::config::OpenCommand;
use crate::report::{Page, Report, Unit, Visitor, col};

/// Numbers of NTP sources.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// Polled.
    pub online: u32,
    /// Not polled.
    pub offline: u32,
    /// In a burst, online afterwards.
    pub burst_online: u32,
    /// In a burst, offline afterwards.
    pub burst_offline: u32,
    /// Without an address yet.
    pub unresolved: u32,
}

impl Report for Activity {
    fn fields<V: Visitor>(&mut self, v: &mut V) {
        v.field(&col("online", Unit::None, "Sources online."), &mut self.online);
        v.field(&col("offline", Unit::None, "Sources offline."), &mut self.offline);
        v.field(&col("burst_online", Unit::None, "In a burst, then online."), &mut self.burst_online);
        v.field(&col("burst_offline", Unit::None, "In a burst, then offline."), &mut self.burst_offline);
        v.field(&col("unresolved", Unit::None, "Without an address yet."), &mut self.unresolved);
    }
}

impl Answer for Activity {
    const REPLY: u16 = 12;
}

impl Page for Activity {
    const COLUMNS: &'static [&'static str] =
        &["online", "offline", "burst_online", "burst_offline", "unresolved"];

    fn text(&self, _name: &str, _wide: bool) -> String {
        format!(
            "200 OK\n\
             {} sources online\n\
             {} sources offline\n\
             {} sources doing burst (return to online)\n\
             {} sources doing burst (return to offline)\n\
             {} sources with unknown address\n",
            self.online, self.offline, self.burst_online, self.burst_offline, self.unresolved
        )
    }
}

/// `activity`
pub const ACTIVITY: CommandDef = CommandDef::report(
    "activity",
    44,
    [20, 48],
    &[OpenCommand::Activity],
    |backend, _, reply| reply.report(backend.activity()),
    "Counts the sources that are online, offline and unresolved.",
);
