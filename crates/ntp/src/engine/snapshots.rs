//! All reports at one moment, for the observer.

use super::Engine;
use super::client_list::{keep, rate};
use crate::config::SourceKind;
use crate::report::Address;
use crate::server::Counters;
use crate::server::clients::{Client, Tick};
use crate::snapshot::{ClientSnapshot, Clients, Snapshot, SourceSnapshot};
use crate::time::Now;
use core::net::IpAddr;

/// Slots of the table of clients looked at for one snapshot: a quarter of a millisecond's work.
const STRETCH: usize = 1 << 13;
/// Clients of a stretch that are told of.
const LOUDEST: usize = 20;

impl Engine {
    /// Everything that is recorded and shown, as it is now; with `words`, also what is thought of each source.
    pub fn snapshot(&self, now: Now, words: bool) -> Snapshot {
        let each: Vec<Counters> = self.shards.locked().map(|shard| *shard.counters()).collect();
        let mut sum = Counters::default();
        each.iter().for_each(|one| sum.add(one));
        let (steps, last_step) = self.steps;
        Snapshot {
            at: self.discipline.cooking(now.raw).apply(now.raw).seconds(),
            monotonic: now.mono.seconds(),
            tracking: self.tracking(now),
            steps,
            last_step,
            thermometer: self.thermometer_in_use(),
            server: self.server_stats(),
            answered: sum.stats.answered,
            untold: 0,
            kernel_drops: sum.batches.kernel_drops,
            rejects: sum.rejects().map(|(_, count)| count).collect(),
            traffic: sum.traffic,
            clients: Clients::default(),
            threads: each.iter().map(|one| (one.stats.received, one.stats.answered)).collect(),
            sources: (0..self.sources.len()).filter_map(|i| self.source_snapshot(now, i, words)).collect(),
        }
    }

    /// The loudest clients in the next stretch of the table, and where to go on; the whole table is told in many snapshots.
    pub fn client_stretch(&self, now: Now, from: usize) -> (Clients, usize) {
        let tick: Tick = now.mono.into();
        let mut first: Vec<(f64, IpAddr, Client)> = Vec::with_capacity(2 * LOUDEST);
        let (mut offset, mut prefix, mut told) = (0, 128, Clients::default());
        told.first = from == 0;
        let end = from.saturating_add(STRETCH);
        for responder in self.shards.locked() {
            let Some(table) = responder.gate().clients() else { continue };
            told.remembered += table.clients() as u64;
            told.capacity += table.capacity() as u64;
            prefix = table.prefix();
            for index in from.clamp(offset, offset + table.len())..end.clamp(offset, offset + table.len()) {
                let Some((_, address, client)) = table.entry(index - offset) else { continue };
                told.count(client.interval.seconds(), client.versions);
                first.push((rate(&client, tick), address, client));
                if first.len() == 2 * LOUDEST {
                    keep(&mut first, LOUDEST);
                }
            }
            offset += table.len();
        }
        keep(&mut first, LOUDEST);
        told.loudest =
            first.iter().map(|(rate, address, client)| one(*rate, *address, client, prefix, tick)).collect();
        (told, if end < offset { end } else { 0 })
    }

    fn source_snapshot(&self, now: Now, index: usize, words: bool) -> Option<SourceSnapshot> {
        let source = self.sources.get(index)?;
        Some(SourceSnapshot {
            name: source.config.name.clone(),
            pool: source.config.kind == SourceKind::Pool,
            data: self.source_data(now, index)?,
            stats: self.source_stats(now, index)?,
            delay: source.seen.last.map_or(f64::NAN, |last| last.delay),
            why: if words { self.why(now, index)?.text() } else { String::new() },
        })
    }
}

fn one(rate: f64, address: IpAddr, client: &Client, prefix: u8, now: Tick) -> ClientSnapshot {
    let whole = if client.has(Client::SEVERAL) { prefix } else { 128 };
    ClientSnapshot {
        address: Address::from(address),
        prefix: if address.is_ipv4() { 32 } else { whole },
        hits: client.hits,
        drops: client.drops,
        rate,
        interval: client.interval.seconds().unwrap_or(f64::NAN),
        age: f64::from(now.since(client.last)) / f64::from(Tick::PER_SECOND),
        limited: client.has(Client::UNANSWERED),
        versions: client.versions,
    }
}
