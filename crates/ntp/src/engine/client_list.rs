//! The clients as Timeball's own command line lists them: the loudest of a stretch of the table, with all that is known.

use super::Engine;
use crate::report::json::string;
use crate::server::clients::{Client, Tick};
use crate::time::Now;
use core::fmt::Write;
use core::net::IpAddr;

/// Slots looked at for one request: a millisecond's work.
const STRETCH: usize = 1 << 15;
/// Most clients in one answer.
pub const LONGEST_LIST: usize = 250;

/// What makes a client come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Requests.
    #[default]
    Hits,
    /// Requests not answered.
    Drops,
    /// Requests a second, lately.
    Rate,
    /// How lately it was there.
    Last,
}

impl Order {
    /// All of them with their names.
    pub const ALL: [(&'static str, Self); 4] =
        [("hits", Self::Hits), ("drops", Self::Drops), ("rate", Self::Rate), ("last", Self::Last)];

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(word, _)| *word == name).map(|(_, order)| order)
    }

    /// Larger comes first.
    fn weight(self, client: &Client, now: Tick) -> f64 {
        match self {
            Self::Hits => client.hits.into(),
            Self::Drops => client.drops.into(),
            Self::Rate => rate(client, now),
            Self::Last => -f64::from(now.since(client.last)),
        }
    }
}

/// Requests a second, lately: by the mean interval, or by the silence since if that is longer.
pub(super) fn rate(client: &Client, now: Tick) -> f64 {
    let mean =
        if client.has(Client::UNANSWERED) { client.limited_interval } else { client.interval }.seconds();
    let mean = mean.or(client.interval.seconds()).unwrap_or(f64::INFINITY);
    let silence = f64::from(now.since(client.last)) / f64::from(Tick::PER_SECOND);
    1.0 / mean.max(silence)
}

impl Engine {
    /// JSON of the `top` first clients in the slots from `from` on, as many slots as one request may look at, and the slot
    /// to go on with.
    pub fn client_list(&self, now: Now, from: usize, top: usize, order: Order) -> String {
        let now = now.mono.into();
        let top = top.min(LONGEST_LIST);
        let end = from.saturating_add(STRETCH);
        let mut first: Vec<(f64, IpAddr, Client)> = Vec::with_capacity(2 * top);
        let (mut offset, mut clients, mut prefix) = (0, 0, 128);
        for responder in self.shards.locked() {
            let Some(table) = responder.gate().clients() else { continue };
            clients += table.clients();
            prefix = table.prefix();
            let range = from.clamp(offset, offset + table.len())..end.clamp(offset, offset + table.len());
            for index in range {
                let Some((_, address, client)) = table.entry(index - offset) else { continue };
                first.push((order.weight(&client, now), address, client));
                if first.len() == 2 * top {
                    keep(&mut first, top);
                }
            }
            offset += table.len();
        }
        keep(&mut first, top);
        let mut out = format!(r#"{{"get":"clients","remembered":{clients},"from":{from},"next":"#);
        // Writing to a string cannot fail.
        let _ = if end < offset { write!(out, "{end}") } else { write!(out, "null") };
        out.push_str(r#","clients":["#);
        for (index, (_, address, client)) in first.iter().enumerate() {
            out.push_str(if index > 0 { "," } else { "" });
            line(&mut out, *address, client, prefix, now);
        }
        out.push_str("]}");
        out
    }
}

/// The `top` heaviest, heaviest first.
pub(super) fn keep(list: &mut Vec<(f64, IpAddr, Client)>, top: usize) {
    list.sort_by(|a, b| b.0.total_cmp(&a.0));
    list.truncate(top);
}

/// Names of numbers end with their unit.
fn line(out: &mut String, address: IpAddr, client: &Client, prefix: u8, now: Tick) {
    let whole = if client.has(Client::SEVERAL) { prefix } else { 128 };
    let whole = if address.is_ipv4() { 32 } else { whole };
    let number = |value: Option<f64>| value.map_or("null".to_owned(), |value| format!("{value:.4}"));
    out.push_str(r#"{"address":"#);
    string(out, &address.to_string());
    let versions: Vec<String> =
        (1..8).filter(|n| client.versions & (1 << n) != 0).map(|n| n.to_string()).collect();
    let _ = write!(
        out,
        r#","prefix":{whole},"hits":{},"drops":{},"rate_per_s":{},"interval_s":{},"limited_interval_s":{},"last_s":{},"limited":{},"versions":[{}]}}"#,
        client.hits,
        client.drops,
        number(Some(rate(client, now)).filter(|rate| rate.is_finite())),
        number(client.interval.seconds()),
        number(client.limited_interval.seconds()),
        number(Some(f64::from(now.since(client.last)) / f64::from(Tick::PER_SECOND))),
        client.has(Client::UNANSWERED),
        versions.join(","),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_late() {
        let mut client = Client::default();
        for tick in 0..100 {
            client.count(Tick(tick * 4));
        }
        let near = |rate: f64, expected: f64| (rate / expected - 1.0).abs() < 0.01;
        assert!(near(rate(&client, Tick(99 * 4)), 4.0), "four a second");
        assert!(near(rate(&client, Tick(99 * 4 + 160)), 0.1), "silent for ten seconds");
        assert!(rate(&Client::default(), Tick(5)).abs() < 1e-12, "seen once");
    }

    #[test]
    fn a_list_keeps_the_heaviest() {
        let entry = |hits: u32| (f64::from(hits), IpAddr::from([10, 0, 0, hits as u8]), Client::default());
        let mut list: Vec<_> = [3, 9, 1, 7].into_iter().map(entry).collect();
        keep(&mut list, 2);
        assert_eq!(list.iter().map(|(weight, ..)| *weight as u32).collect::<Vec<_>>(), [9, 7]);
        assert!(Order::ALL.iter().all(|(name, order)| Order::named(name) == Some(*order)));
    }
}
