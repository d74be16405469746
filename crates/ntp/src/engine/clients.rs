//! Who asked for time or sent commands: the reports over the tables of all shards, and the limit of commands.

use super::Engine;
use crate::config::{Config, RateLimit};
use crate::control::clients::{ClientRecord, Clients, ClientsQuery, RECORDS_MAX};
use crate::control::{Origin, Status, is_own};
use crate::report::{Interval, Log2Interval};
use crate::rng::Rng;
use crate::server::clients::{Client, ClientTable, MeanInterval, Slot, Tick};
use crate::server::limit::{Admission, Bucket};
use crate::server::{Limits, Responder};
use crate::time::Now;
use core::net::IpAddr;

/// Memory for those who send commands over UDP, bytes: 300 of them.
const COMMAND_BYTES: usize = 16 * 1024;
/// Most records of clients there can be: chrony has no more either, however much memory it is given.
const MOST_RECORDS: u64 = 1 << 24;

/// Those who send commands, and the limit for them.
pub(super) struct CommandClients {
    table: Option<ClientTable>,
    limit: Option<Bucket>,
    pub(super) hits: u64,
    pub(super) drops: u64,
}

impl CommandClients {
    pub(super) fn new(config: &Config, rng: &Rng) -> Self {
        // A copy of the generator: nobody's chance depends on who is remembered.
        let mut rng = Rng::from_number(rng.clone().bits());
        let key = [rng.bits(), rng.bits()];
        let remembers = client_bytes(config) > 0;
        Self {
            table: remembers.then(|| ClientTable::new(COMMAND_BYTES, key, config.server.client_prefix)),
            limit: config.control.rate_limit.as_ref().map(Bucket::new),
            hits: 0,
            drops: 0,
        }
    }

    /// Counts a command; false: over the limit.
    fn count(&mut self, from: Origin, now: Tick, rng: &mut Rng) -> bool {
        self.hits = self.hits.wrapping_add(1);
        let (Origin::Udp(address), Some(table)) = (from, &mut self.table) else { return true };
        // The two that are never limited.
        let bucket = self.limit.filter(|_| !is_own(address));
        let chance = bucket.map_or(0, |_| rng.bits() as u32);
        let slot = table.touch(address, now);
        let mut client = table.client(slot);
        let limits = Limits { bucket, ..Limits::default() };
        let admission = limits.admit(&mut client, 0, now, None, chance);
        table.put(slot, &client);
        let dropped = admission == Admission::Drop;
        self.drops = self.drops.wrapping_add(dropped.into());
        !dropped
    }
}

/// Memory for what is remembered of clients in all shards, bytes.
pub(super) fn client_bytes(config: &Config) -> usize {
    if config.server.no_client_log {
        return 0;
    }
    let most = MOST_RECORDS * crate::server::clients::ENTRY_BYTES as u64;
    usize::try_from(config.server.client_log_limit.clamp(1, most)).unwrap_or(usize::MAX / 4)
}

/// Memory for the logs of requests of all shards, bytes.
pub(super) fn request_log_bytes(config: &Config) -> usize {
    /// More than anybody can want to read.
    const MOST: u64 = 1 << 28;
    config.server.request_log.map_or(0, |bytes| bytes.min(MOST) as usize)
}

/// What the configuration limits.
pub(super) fn limits(config: &Config) -> Limits {
    let server = &config.server;
    let auto = server.rate_limit_auto;
    Limits {
        bucket: server.rate_limit.as_ref().map(Bucket::new),
        ceiling: auto,
        adaptive: auto || server.sheds_load,
    }
}

/// Replies never suggest polling faster than the limit's interval, log₂ s.
pub(super) fn minimum_poll(limit: Option<&RateLimit>) -> i8 {
    limit.map_or(-19, |limit| limit.interval.clamp(-19, 12) as i8)
}

impl Engine {
    /// Counts a command; false: over the limit.
    pub(super) fn count_command(&mut self, now: Now, from: Origin) -> bool {
        self.command_clients.count(from, now.mono.into(), &mut self.rng)
    }

    /// NTP clients forgotten for lack of room, and those of commands.
    pub(super) fn forgotten_clients(&self) -> u64 {
        let table = |responder: &Responder| responder.gate().clients().map_or(0, ClientTable::forgotten);
        let commands = self.command_clients.table.as_ref().map_or(0, ClientTable::forgotten);
        self.shards.locked().fold(commands, |sum, responder| sum.wrapping_add(table(&responder)))
    }

    /// A page of the table: the slots of all shards one after the other, then those of commands.
    pub(super) fn clients_page(&mut self, now: Now, query: ClientsQuery) -> Result<Clients, Status> {
        let now = now.mono.into();
        let Some(commands) = &mut self.command_clients.table else { return Err(Status::Inactive) };
        let mut page = Page { query, offset: 0, out: Clients { next: query.first, ..Clients::default() } };
        for mut responder in self.shards.locked() {
            let Some(table) = responder.gate_mut().clients_mut() else { continue };
            page.take(table, |address, client| {
                let mut record = ntp_record(address, client, now);
                if let Some(slot) = commands.find(address) {
                    add_commands(&mut record, &commands.client(slot), now);
                }
                Some(record)
            });
        }
        let shards = &self.shards;
        page.take(commands, |address, client| {
            // Whoever asks for time too has been told already.
            let told = shards.locked().any(|responder| knows(&responder, address));
            let mut record = ClientRecord { address: address.into(), ..ClientRecord::default() };
            add_commands(&mut record, client, now);
            (!told).then_some(record)
        });
        let Page { mut out, offset, .. } = page;
        out.slots = offset as u32;
        Ok(out)
    }
}

/// A page under way.
struct Page {
    query: ClientsQuery,
    /// Slots of the tables before.
    offset: usize,
    out: Clients,
}

impl Page {
    /// Takes what is asked for from one table; `record` makes the records, or skips somebody. With a high number of
    /// requests asked for, all of the table may be looked through: 30 ms for a million clients.
    fn take(&mut self, table: &mut ClientTable, record: impl Fn(IpAddr, &Client) -> Option<ClientRecord>) {
        let end = self.offset + table.len();
        let most = (self.query.count as usize).min(RECORDS_MAX);
        while (self.offset..end).contains(&(self.out.next as usize)) && self.out.records.len() < most {
            let index = self.out.next as usize - self.offset;
            self.out.next += 1;
            let Some((slot, address, client)) = table.entry(index) else { continue };
            let wanted =
                |record: &ClientRecord| record.ntp_hits.max(record.command_hits) >= self.query.min_hits;
            self.out.records.extend(record(address, &client).filter(wanted));
            if self.query.reset {
                begin_again(table, slot);
            }
        }
        self.offset = end;
    }
}

fn knows(responder: &Responder, address: IpAddr) -> bool {
    responder.gate().clients().is_some_and(|table| table.find(address).is_some())
}

/// Its counts begin at zero; what it may ask does not change.
fn begin_again(table: &mut ClientTable, slot: Slot) {
    let client = table.client(slot);
    table.put(slot, &Client { hits: 0, drops: 0, ..client });
}

fn ntp_record(address: IpAddr, client: &Client, now: Tick) -> ClientRecord {
    ClientRecord {
        address: address.into(),
        ntp_hits: client.hits,
        ntp_drops: client.drops,
        ntp_interval: log2(client.interval),
        ntp_limited_interval: log2(client.limited_interval),
        ntp_last: ago(client, now),
        ..ClientRecord::default()
    }
}

fn add_commands(record: &mut ClientRecord, client: &Client, now: Tick) {
    record.command_hits = client.hits;
    record.command_drops = client.drops;
    record.command_interval = log2(client.interval);
    record.command_last = ago(client, now);
}

fn log2(mean: MeanInterval) -> Log2Interval {
    mean.log2_seconds().map_or(Log2Interval::UNKNOWN, Log2Interval)
}

fn ago(client: &Client, now: Tick) -> Interval {
    Interval(Some(now.since(client.last) >> Tick::LOG2))
}
