//! Clients that take more than their share of the service, as events.
//!
//! A busy server always limits somebody; only what an operator would want to know of is told: few at a time, and nobody twice
//! within hours. The first word of [`Event::what`] is the client's address, so that a public page can leave it out.

use super::events::{Event, Kind};
use super::watch::News;
use super::words;
use ntp::report::Address;
use ntp::snapshot::ClientSnapshot;
use std::collections::BTreeMap;

/// This part of all requests is too much …
const SHARE: f64 = 0.1;
/// … if it is at least so many a second …
const LEAST: f64 = 5.0;
/// … for so long, s.
const PATIENCE: f64 = 60.0;
/// One who makes at least this part of all requests …
const PUSHY: f64 = 0.01;
/// … and so many a second, of which the limit stops this part …
const STEADY: f64 = 0.5;
const STOPPED: f64 = 0.2;
/// … for so long (s), does not listen.
const STUBBORN: f64 = 600.0;
/// Told of at one time.
const MOST: usize = 3;
/// Nobody is told of again within this, s.
const AGAIN: f64 = 6.0 * 3600.0;
/// Clients are told of in turn; one that was not named for so long (s) is quiet. A full round through a million takes that long.
const SILENT: f64 = 900.0;
/// Suspects kept in mind.
const MOST_SUSPECTS: usize = 200;

#[derive(Clone, Copy, Debug)]
struct Suspect {
    /// Since when it takes too much, s since 1970; NaN: it does not.
    greedy: f64,
    /// Since when it is limited and goes on; NaN: it does not.
    limited: f64,
    /// When it was named last, and what had been asked and dropped then.
    heard: f64,
    hits: u32,
    drops: u32,
    told: bool,
}

impl Suspect {
    /// Did the limit stop it since it was named last? As before, if it has not asked since.
    fn stopped(&self, client: &ClientSnapshot) -> bool {
        match client.hits.saturating_sub(self.hits) {
            0 => !self.limited.is_nan(),
            hits => f64::from(client.drops.saturating_sub(self.drops)) >= f64::from(hits) * STOPPED,
        }
    }
}

/// Who is watched.
#[derive(Debug, Default)]
pub struct Abuse {
    suspects: BTreeMap<Address, Suspect>,
    /// When somebody was told of.
    told: BTreeMap<Address, f64>,
}

/// `flag` since when? NaN: it is not so.
fn since(before: f64, now: f64, flag: bool) -> f64 {
    match flag {
        false => f64::NAN,
        true if before.is_nan() => now,
        true => before,
    }
}

impl Abuse {
    /// Looks at the clients named at `now` (s since 1970). `requests`: of all clients, 1/s.
    pub fn look(&mut self, now: f64, requests: f64, named: &[ClientSnapshot]) -> Vec<News> {
        let mut news = Vec::new();
        self.told.retain(|_, at| now - *at < AGAIN);
        for client in named {
            let share = client.rate / requests;
            let known = self.suspects.get(&client.address);
            // What has been told is over only when it is clearly less.
            let part = if known.is_some_and(|suspect| suspect.told) { 0.3 } else { 1.0 };
            let greedy = client.rate >= LEAST * part && share >= SHARE * part;
            let pushy = client.rate >= STEADY * part && share >= PUSHY * part;
            let limited = pushy && known.map_or(client.limited, |suspect| suspect.stopped(client));
            if known.is_none() && (!(greedy || limited) || self.suspects.len() >= MOST_SUSPECTS) {
                continue;
            }
            let nothing = f64::NAN;
            let before = known.copied().unwrap_or(Suspect {
                greedy: nothing,
                limited: nothing,
                heard: now,
                hits: client.hits,
                drops: client.drops,
                told: false,
            });
            let mut suspect = Suspect {
                greedy: since(before.greedy, now, greedy),
                limited: since(before.limited, now, limited),
                heard: now,
                hits: client.hits,
                drops: client.drops,
                ..before
            };
            let due = now - suspect.greedy >= PATIENCE || now - suspect.limited >= STUBBORN;
            let open = self.suspects.values().filter(|suspect| suspect.told).count();
            if due && !suspect.told && open < MOST && !self.told.contains_key(&client.address) {
                suspect.told = true;
                self.told.insert(client.address, now);
                let begin = suspect.greedy.min(suspect.limited);
                news.push(News::Event(describe(client, share, begin), Some(key(&client.address))));
            }
            self.suspects.insert(client.address, suspect);
        }
        self.suspects.retain(|address, suspect| {
            let quiet = suspect.greedy.is_nan() && suspect.limited.is_nan() || now - suspect.heard > SILENT;
            if quiet && suspect.told {
                news.push(News::Ended(key(address)));
            }
            !quiet
        });
        news
    }
}

fn key(address: &Address) -> String {
    format!("client {address}")
}

fn describe(client: &ClientSnapshot, share: f64, begin: f64) -> Event {
    let rate = words::grouped(client.rate, usize::from(client.rate < 10.0));
    let mut what = format!("{} asks {rate} times a second", client.address);
    if (0.005..=1.0).contains(&share) {
        what.push_str(&format!(", {:.0} % of all requests", share * 100.0));
    }
    let event = Event::new(Kind::Client, begin, format!("{} asks {rate}/s", client.address), what);
    match f64::from(client.drops) / f64::from(client.hits.max(1)) {
        dropped if dropped > 0.005 => event
            .because(format!("It does not slow down, although {:.0} % got no answer.", dropped * 100.0))
            .effect("The limit holds: others are answered as before."),
        _ => event
            .because("It is answered each time, for no limit stops it.")
            .effect("ratelimit in the configuration gives each client what it needs and no more."),
    }
}

/// The same event without the address.
pub fn nameless(event: &Event) -> Event {
    let address = event.what.split(' ').next().unwrap_or_default();
    Event {
        short: "a client".to_owned(),
        what: event.what.replace(address, "A client"),
        why: event.why.replace(address, "a client"),
        ..event.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(last: u8, rate: f64, limited: bool) -> ClientSnapshot {
        ClientSnapshot {
            address: Address::V4([192, 0, 2, last].into()),
            hits: 1000,
            drops: if limited { 900 } else { 0 },
            rate,
            limited,
            ..ClientSnapshot::default()
        }
    }

    fn told(abuse: &mut Abuse, now: f64, named: &[ClientSnapshot]) -> Vec<String> {
        let text = |news: News| match news {
            News::Event(event, _) => format!("{}: {}. {}", event.at, event.what, event.why),
            News::Ended(key) => format!("over: {key}"),
        };
        abuse.look(now, 100.0, named).into_iter().map(text).collect()
    }

    #[test]
    fn who_takes_too_much_is_told_of_once() {
        let mut abuse = Abuse::default();
        let (greedy, modest) = (client(1, 48.0, true), client(2, 9.0, false));
        for now in 0..60 {
            assert!(told(&mut abuse, f64::from(now), &[greedy.clone(), modest.clone()]).is_empty());
        }
        assert_eq!(
            told(&mut abuse, 60.0, std::slice::from_ref(&greedy)),
            [
                "0: 192.0.2.1 asks 48 times a second, 48 % of all requests. It does not slow down, although 90 % got no answer."
            ]
        );
        assert!(told(&mut abuse, 61.0, std::slice::from_ref(&greedy)).is_empty());
        assert_eq!(told(&mut abuse, 70.0, &[client(1, 0.1, false)]), ["over: client 192.0.2.1"]);
        // It comes back within the hour: that is known.
        for now in 100..300 {
            assert!(told(&mut abuse, f64::from(now), std::slice::from_ref(&greedy)).is_empty());
        }
        assert!(told(&mut abuse, 2000.0, &[]).is_empty());
        for now in 90_000..90_060 {
            assert!(told(&mut abuse, f64::from(now), &[client(1, 48.0, false)]).is_empty());
        }
        let again = told(&mut abuse, 90_060.0, &[client(1, 48.0, false)]);
        assert!(again.len() == 1 && again[0].contains("no limit stops it"), "{again:?}");
    }

    #[test]
    fn the_stubborn_are_told_of_later_and_only_a_few() {
        let mut abuse = Abuse::default();
        let stubborn: Vec<ClientSnapshot> = (0..9).map(|last| client(last, 1.5, true)).collect();
        let mut count = 0;
        for now in 0..700 {
            let news = told(&mut abuse, f64::from(now), &stubborn);
            assert!(news.is_empty() || now == 600, "{now}: {news:?}");
            count += news.len();
        }
        assert_eq!(count, MOST);
        // Named no more: it is over.
        assert_eq!(told(&mut abuse, 699.0 + SILENT + 1.0, &[]).len(), MOST);
    }

    #[test]
    fn a_public_page_gets_no_address() {
        let event = nameless(&describe(&client(1, 48.0, true), 0.48, 0.0));
        assert_eq!(event.what, "A client asks 48 times a second, 48 % of all requests");
        assert!(!format!("{event:?}").contains("192.0.2"), "{event:?}");
    }
}
