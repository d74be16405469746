//! `serverstats`: what was served and dropped.

use super::{Answer, BadReply, CommandDef};
use crate::config::OpenCommand;
use crate::report::wire::decode;
use crate::report::{Page, Report, Unit, Visitor, col};

/// Counters since the start. `None`: the daemon is too old to count it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerStats {
    /// NTP requests received.
    pub ntp_hits: Option<u64>,
    /// NTS-KE connections accepted.
    pub ke_hits: Option<u64>,
    /// Command requests received.
    pub command_hits: Option<u64>,
    /// NTP requests dropped by the rate limit.
    pub ntp_drops: Option<u64>,
    /// NTS-KE connections dropped.
    pub ke_drops: Option<u64>,
    /// Command requests dropped.
    pub command_drops: Option<u64>,
    /// Client records given up for lack of room.
    pub log_drops: Option<u64>,
    /// Authenticated NTP requests.
    pub authenticated: Option<u64>,
    /// Interleaved NTP requests.
    pub interleaved: Option<u64>,
    /// Time stamps held for interleaved mode.
    pub stamps_held: Option<u64>,
    /// Age of the oldest of them, s.
    pub stamp_span: Option<u64>,
    /// Receive time stamps taken by the daemon.
    pub daemon_rx: Option<u64>,
    /// Transmit time stamps taken by the daemon.
    pub daemon_tx: Option<u64>,
    /// Receive time stamps taken by the kernel.
    pub kernel_rx: Option<u64>,
    /// Transmit time stamps taken by the kernel.
    pub kernel_tx: Option<u64>,
    /// Receive time stamps taken by hardware.
    pub hardware_rx: Option<u64>,
    /// Transmit time stamps taken by hardware.
    pub hardware_tx: Option<u64>,
}

impl Report for ServerStats {
    fn fields<V: Visitor>(&mut self, v: &mut V) {
        let count = |name, doc| col(name, Unit::None, doc);
        v.field(&count("ntp_hits", "NTP requests received."), &mut self.ntp_hits);
        v.field(&count("ke_hits", "NTS-KE connections accepted."), &mut self.ke_hits);
        v.field(&count("command_hits", "Command requests received."), &mut self.command_hits);
        v.field(&count("ntp_drops", "NTP requests dropped."), &mut self.ntp_drops);
        v.field(&count("ke_drops", "NTS-KE connections dropped."), &mut self.ke_drops);
        v.field(&count("command_drops", "Command requests dropped."), &mut self.command_drops);
        v.field(&count("log_drops", "Client records given up."), &mut self.log_drops);
        v.field(&count("authenticated", "Authenticated NTP requests."), &mut self.authenticated);
        v.field(&count("interleaved", "Interleaved NTP requests."), &mut self.interleaved);
        v.field(&count("stamps_held", "Time stamps held for interleaved mode."), &mut self.stamps_held);
        v.field(&col("stamp_span", Unit::Seconds, "Age of the oldest of them."), &mut self.stamp_span);
        v.field(&count("daemon_rx", "Receive time stamps by the daemon."), &mut self.daemon_rx);
        v.field(&count("daemon_tx", "Transmit time stamps by the daemon."), &mut self.daemon_tx);
        v.field(&count("kernel_rx", "Receive time stamps by the kernel."), &mut self.kernel_rx);
        v.field(&count("kernel_tx", "Transmit time stamps by the kernel."), &mut self.kernel_tx);
        v.field(&count("hardware_rx", "Receive time stamps by hardware."), &mut self.hardware_rx);
        v.field(&count("hardware_tx", "Transmit time stamps by hardware."), &mut self.hardware_tx);
        v.wire(&mut [0xffu8; 32]);
    }
}

/// The layouts of older releases: the same counters, fewer of them, 32 bits each.
#[derive(Clone, Copy, Debug, Default)]
struct Old<const COUNTERS: usize>(ServerStats);

impl<const COUNTERS: usize> Report for Old<COUNTERS> {
    fn fields<V: Visitor>(&mut self, v: &mut V) {
        let stats = &mut self.0;
        let first =
            [&mut stats.ntp_hits, &mut stats.command_hits, &mut stats.ntp_drops, &mut stats.command_drops];
        if COUNTERS == 5 {
            return first.into_iter().chain([&mut stats.log_drops]).for_each(|counter| narrow(v, counter));
        }
        let all = [
            &mut stats.ntp_hits,
            &mut stats.ke_hits,
            &mut stats.command_hits,
            &mut stats.ntp_drops,
            &mut stats.ke_drops,
            &mut stats.command_drops,
            &mut stats.log_drops,
            &mut stats.authenticated,
            &mut stats.interleaved,
            &mut stats.stamps_held,
            &mut stats.stamp_span,
        ];
        all.into_iter().take(COUNTERS).for_each(|counter| narrow(v, counter));
    }
}

/// Visits a counter as 32 bits, which wrap.
fn narrow<V: Visitor>(v: &mut V, counter: &mut Option<u64>) {
    let mut word = counter.unwrap_or_default() as u32;
    v.wire(&mut word);
    *counter = Some(word.into());
}

/// Reply code and length of the older layouts: releases 2.3 to 3.5, 4.0, 4.2 and 4.3.
const OLD: [(u16, usize); 3] = [(14, 48), (22, 60), (24, 72)];

impl Answer for ServerStats {
    const REPLY: u16 = 25;

    fn decode(code: u16, body: &[u8]) -> Result<Self, BadReply> {
        let stats = match code {
            Self::REPLY => decode(body),
            14 => decode::<Old<5>>(body).map(|old| old.0),
            22 => decode::<Old<8>>(body).map(|old| old.0),
            24 => decode::<Old<11>>(body).map(|old| old.0),
            code => return Err(BadReply::Code(code)),
        };
        stats.ok_or(BadReply::Short)
    }
}

impl ServerStats {
    fn labelled(&self) -> [(&'static str, Option<u64>); 17] {
        [
            ("NTP packets received", self.ntp_hits),
            ("NTP packets dropped", self.ntp_drops),
            ("Command packets received", self.command_hits),
            ("Command packets dropped", self.command_drops),
            ("Client log records dropped", self.log_drops),
            ("NTS-KE connections accepted", self.ke_hits),
            ("NTS-KE connections dropped", self.ke_drops),
            ("Authenticated NTP packets", self.authenticated),
            ("Interleaved NTP packets", self.interleaved),
            ("NTP timestamps held", self.stamps_held),
            ("NTP timestamp span", self.stamp_span),
            ("NTP daemon RX timestamps", self.daemon_rx),
            ("NTP daemon TX timestamps", self.daemon_tx),
            ("NTP kernel RX timestamps", self.kernel_rx),
            ("NTP kernel TX timestamps", self.kernel_tx),
            ("NTP hardware RX timestamps", self.hardware_rx),
            ("NTP hardware TX timestamps", self.hardware_tx),
        ]
    }
}

impl Page for ServerStats {
    const COLUMNS: &'static [&'static str] = &[
        "ntp_hits",
        "ntp_drops",
        "command_hits",
        "command_drops",
        "log_drops",
        "ke_hits",
        "ke_drops",
        "authenticated",
        "interleaved",
        "stamps_held",
        "stamp_span",
        "daemon_rx",
        "daemon_tx",
        "kernel_rx",
        "kernel_tx",
        "hardware_rx",
        "hardware_tx",
    ];

    /// `name` is not shown; counters that the daemon does not have are left out.
    fn text(&self, _name: &str, _wide: bool) -> String {
        let known = self.labelled().into_iter().filter_map(|(label, count)| Some((label, count?)));
        known.map(|(label, count)| format!("{label:<27}: {count}\n")).collect()
    }
}

/// `serverstats`
pub const SERVERSTATS: CommandDef = CommandDef {
    accepted: OLD[0].1 as u16,
    ..CommandDef::report(
        "serverstats",
        54,
        [20, 196],
        &[OpenCommand::Serverstats],
        |backend, request, reply| {
            let stats = backend.server_stats();
            // The length of the request tells which release sent it: it is padded to the reply it knows.
            match request.length {
                196.. => reply.report(stats),
                72.. => reply.put(24, Old::<11>(stats)),
                60.. => reply.put(22, Old::<8>(stats)),
                _ => reply.put(14, Old::<5>(stats)),
            }
        },
        "Shows what was served and dropped.",
    )
};
