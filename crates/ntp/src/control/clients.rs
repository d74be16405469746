//! `clients`: who asked for time, and how often.

use super::{Answer, CommandDef};
use crate::config::OpenCommand;
use crate::report::wire::{Reader, Writer};
use crate::report::{Address, Interval, Log2Interval, Page, Report, Unit, Value, Visitor, col, text};
use Unit::{Log2Seconds, None, Seconds as S};

/// Records in one reply.
pub const RECORDS_MAX: usize = 8;

/// What part of the table is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientsQuery {
    /// Slot to begin with.
    pub first: u32,
    /// Records wanted; more than [`RECORDS_MAX`] are never given.
    pub count: u32,
    /// Only clients with as many NTP, NTS-KE or command requests.
    pub min_hits: u32,
    /// Begin their counters again at zero.
    pub reset: bool,
}

impl ClientsQuery {
    /// Takes the body of a request.
    pub fn read(body: &mut Reader<'_>) -> Self {
        let [first, count, min_hits, reset] = [body.value(), body.value(), body.value(), body.value::<u32>()];
        Self { first, count: count.min(RECORDS_MAX as u32), min_hits, reset: reset != 0 }
    }
    /// Appends the body of a request.
    pub fn write(&self, out: &mut Writer<'_>) {
        out.value(&self.first);
        out.value(&self.count);
        out.value(&self.min_hits);
        out.value(&u32::from(self.reset));
    }
}

/// One client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientRecord {
    /// Its address.
    pub address: Address,
    /// NTP requests.
    pub ntp_hits: u32,
    /// NTS-KE connections.
    pub ke_hits: u32,
    /// Command requests.
    pub command_hits: u32,
    /// NTP requests dropped.
    pub ntp_drops: u32,
    /// NTS-KE connections dropped.
    pub ke_drops: u32,
    /// Command requests dropped.
    pub command_drops: u32,
    /// Average interval of NTP requests.
    pub ntp_interval: Log2Interval,
    /// Average interval of NTS-KE connections.
    pub ke_interval: Log2Interval,
    /// Average interval of command requests.
    pub command_interval: Log2Interval,
    /// Average interval of NTP requests since they are limited.
    pub ntp_limited_interval: Log2Interval,
    /// Since the last NTP request.
    pub ntp_last: Interval,
    /// Since the last NTS-KE connection.
    pub ke_last: Interval,
    /// Since the last command request.
    pub command_last: Interval,
}

impl Report for ClientRecord {
    fn fields<V: Visitor>(&mut self, v: &mut V) {
        v.field(&col("address", None, "Its address."), &mut self.address);
        v.field(&col("ntp_hits", None, "NTP requests."), &mut self.ntp_hits);
        v.field(&col("ke_hits", None, "NTS-KE connections."), &mut self.ke_hits);
        v.field(&col("command_hits", None, "Command requests."), &mut self.command_hits);
        v.field(&col("ntp_drops", None, "NTP requests dropped."), &mut self.ntp_drops);
        v.field(&col("ke_drops", None, "NTS-KE connections dropped."), &mut self.ke_drops);
        v.field(&col("command_drops", None, "Command requests dropped."), &mut self.command_drops);
        v.field(&col("ntp_interval", Log2Seconds, "Between NTP requests."), &mut self.ntp_interval);
        v.field(&col("ke_interval", Log2Seconds, "Between NTS-KE connections."), &mut self.ke_interval);
        v.field(&col("command_interval", Log2Seconds, "Between commands."), &mut self.command_interval);
        v.field(
            &col("ntp_limited_interval", Log2Seconds, "Between NTP requests while limited."),
            &mut self.ntp_limited_interval,
        );
        v.field(&col("ntp_last", S, "Since the last NTP request."), &mut self.ntp_last);
        v.field(&col("ke_last", S, "Since the last NTS-KE connection."), &mut self.ke_last);
        v.field(&col("command_last", S, "Since the last command request."), &mut self.command_last);
    }
}

impl ClientRecord {
    /// The columns of `clients -k`.
    pub const KE_COLUMNS: &'static [&'static str] = &[
        "name",
        "ntp_hits",
        "ntp_drops",
        "ntp_interval",
        "ntp_limited_interval",
        "ntp_last",
        "ke_hits",
        "ke_drops",
        "ke_interval",
        "ke_last",
    ];

    /// The heading of `clients -k`.
    pub fn ke_heading(wide: bool) -> String {
        heading("NTS-KE", wide)
    }

    /// A line of `clients -k`.
    pub fn ke_text(&self, name: &str, wide: bool) -> String {
        self.line(name, wide, (self.ke_hits, self.ke_drops, self.ke_interval, self.ke_last))
    }

    fn line(&self, name: &str, wide: bool, other: (u32, u32, Log2Interval, Interval)) -> String {
        format!(
            "{name:<width$}  {:6}  {:5}  {}  {}  {}  {:6}  {:5}  {}  {}\n",
            self.ntp_hits,
            self.ntp_drops,
            text::log2_interval(self.ntp_interval),
            text::log2_interval(self.ntp_limited_interval),
            text::interval(self.ntp_last),
            other.0,
            other.1,
            text::log2_interval(other.2),
            text::interval(other.3),
            width = text::name_width(25, wide),
        )
    }
}

fn heading(other: &str, wide: bool) -> String {
    let line = format!("Hostname                      NTP   Drop Int IntL Last  {other:>6}   Drop Int  Last");
    text::heading(&line, 8, 79, wide)
}

impl Page for ClientRecord {
    const COLUMNS: &'static [&'static str] = &[
        "name",
        "ntp_hits",
        "ntp_drops",
        "ntp_interval",
        "ntp_limited_interval",
        "ntp_last",
        "command_hits",
        "command_drops",
        "command_interval",
        "command_last",
    ];

    fn heading(wide: bool) -> String {
        heading("Cmd", wide)
    }

    fn text(&self, name: &str, wide: bool) -> String {
        let command = (self.command_hits, self.command_drops, self.command_interval, self.command_last);
        self.line(name, wide, command)
    }
}

/// A page of the client table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clients {
    /// Slots in the table.
    pub slots: u32,
    /// Slot to ask for next; at or beyond `slots` this was the last page.
    pub next: u32,
    /// At most [`RECORDS_MAX`] records. A client stops at the first page that is not full, so unused slots must
    /// be skipped.
    pub records: Vec<ClientRecord>,
}

impl Report for Clients {
    fn fields<V: Visitor>(&mut self, v: &mut V) {
        v.wire(&mut self.slots);
        v.wire(&mut self.next);
        let mut count = self.records.len().min(RECORDS_MAX) as u32;
        v.wire(&mut count);
        self.records.resize(RECORDS_MAX, ClientRecord::default());
        for record in &mut self.records {
            let mut wire = WireOnly(v);
            record.fields(&mut wire);
        }
        self.records.truncate(count as usize);
    }
}

/// Shows fields to a visitor as wire fields, so that renderers of single records do not see them.
struct WireOnly<'a, V>(&'a mut V);

impl<V: Visitor> Visitor for WireOnly<'_, V> {
    fn field<T: Value>(&mut self, _column: &crate::report::Column, value: &mut T) {
        self.0.wire(value);
    }
    fn wire<T: Value>(&mut self, value: &mut T) {
        self.0.wire(value);
    }
}

impl Answer for Clients {
    const REPLY: u16 = 21;
}

/// The layout of releases 2.3 to 3.5: no NTS-KE.
#[derive(Clone, Debug, Default)]
struct Older(Clients);

impl Report for Older {
    fn fields<V: Visitor>(&mut self, v: &mut V) {
        let clients = &mut self.0;
        v.wire(&mut clients.slots);
        v.wire(&mut clients.next);
        let mut count = clients.records.len().min(RECORDS_MAX) as u32;
        v.wire(&mut count);
        clients.records.resize(RECORDS_MAX, ClientRecord::default());
        for record in &mut clients.records {
            v.wire(&mut record.address);
            let counters = [
                &mut record.ntp_hits,
                &mut record.command_hits,
                &mut record.ntp_drops,
                &mut record.command_drops,
            ];
            counters.into_iter().for_each(|counter| v.wire(counter));
            let intervals =
                [&mut record.ntp_interval, &mut record.command_interval, &mut record.ntp_limited_interval];
            intervals.into_iter().for_each(|interval| v.wire(interval));
            v.wire(&mut [0u8; 1]);
            v.wire(&mut record.ntp_last);
            v.wire(&mut record.command_last);
        }
        clients.records.truncate(count as usize);
    }
}

/// `clients` of chronyc 2.3 to 3.5, which knows neither a least number of requests nor a reset.
pub const OLDER_CLIENTS: CommandDef = CommandDef::report(
    "clients (older)",
    55,
    [28, 424],
    &[OpenCommand::Clients],
    |backend, request, reply| {
        let [first, count] = [request.body.value(), request.body.value::<u32>()];
        let query = ClientsQuery { first, count: count.min(RECORDS_MAX as u32), ..ClientsQuery::default() };
        match backend.clients(query) {
            Ok(clients) => reply.put(15, Older(clients)),
            Err(status) => status,
        }
    },
    "The same, from chronyc up to 3.5.",
);

/// `clients`
pub const CLIENTS: CommandDef = CommandDef::report(
    "clients",
    68,
    [36, 520],
    &[OpenCommand::Clients],
    |backend, request, reply| match backend.clients(ClientsQuery::read(&mut request.body)) {
        Ok(clients) => reply.report(clients),
        Err(status) => status,
    },
    "Shows who asked for time.",
);
