//! Finds what happened by comparing snapshots.

use super::events::{Event, Kind};
use super::rates::identity;
use super::words;
use ntp::control::sources::SourceState;
use ntp::snapshot::{Snapshot, SourceSnapshot};
use std::collections::BTreeMap;

/// A choice of source is worth telling when it has lasted so long, s.
const STEADY: f64 = 30.0;
/// An error bound too wide for the pool is told when it has been so for so long, s, and over when it is this part of the limit.
const WIDE: f64 = 60.0;
const NARROW: f64 = 0.8;
/// A trouble is told when it has lasted so long, s.
const PATIENCE: f64 = 20.0;

/// What a source suffers from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Trouble {
    Lost,
    Wrong,
    Unsteady,
}

/// Something to tell.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// It happened; `key` names it if it may end.
    Event(Event, Option<String>),
    /// What `key` named is over.
    Ended(String),
}

/// What was known at the last look.
#[derive(Debug, Default)]
pub struct Watcher {
    steps: Option<u64>,
    synchronised: Option<bool>,
    /// Who was told to be followed; who is followed now, and since when.
    told: Option<String>,
    followed: (Option<String>, f64),
    /// Troubles seen: since when, and whether they were told.
    troubles: BTreeMap<(String, Trouble), (f64, bool)>,
    known: Option<Vec<String>>,
    /// Since when the error bound is too wide, and whether that was told.
    wide: Option<(f64, bool)>,
}

impl Watcher {
    /// What is new in `now`. `why`: what is thought of a source.
    pub fn look(&mut self, now: &Snapshot, why: impl Fn(&SourceSnapshot) -> String) -> Vec<News> {
        let mut news = Vec::new();
        self.clock(now, &mut news);
        self.bound(now, &mut news);
        self.choice(now, &why, &mut news);
        self.sources(now, &why, &mut news);
        self.list(now, &mut news);
        news
    }

    fn clock(&mut self, now: &Snapshot, news: &mut Vec<News>) {
        let before = self.steps.replace(now.steps).unwrap_or(0);
        if now.steps > before {
            let by = words::signed_time(now.last_step);
            let event = Event::new(
                Kind::Step,
                now.at,
                format!("step {by}"),
                format!("The clock was stepped by {by}"),
            );
            let event = event.because("It was further from true time than may be slewed.");
            news.push(News::Event(
                event.effect("Requests received before the step were not answered."),
                None,
            ));
        }
        let synchronised = now.synchronised();
        match (self.synchronised.replace(synchronised), synchronised) {
            (Some(false) | None, true) => {
                let what = match now.error_bound() {
                    bound if bound.is_nan() => "The clock serves its own time".to_owned(),
                    bound => format!("The clock is right, within {}", words::bound(bound)),
                };
                let event = Event::new(Kind::Source, now.at, "synchronised", what);
                news.push(News::Event(event, None));
                news.push(News::Ended("unsynchronised".to_owned()));
            }
            (Some(true), false) => {
                let event =
                    Event::new(Kind::Alarm, now.at, "time lost", "The clock is no longer synchronised");
                let event = event
                    .because("No source can be used any more.")
                    .effect("Clients are told that the time is not known.");
                news.push(News::Event(event, Some("unsynchronised".to_owned())));
            }
            _ => {}
        }
    }

    /// Is the clock still good enough for the pool?
    fn bound(&mut self, now: &Snapshot, news: &mut Vec<News>) {
        let bound = now.error_bound();
        match self.wide {
            None if bound > words::POOL_LIMIT => self.wide = Some((now.at, false)),
            Some((since, false)) if bound > words::POOL_LIMIT && now.at - since >= WIDE => {
                self.wide = Some((since, true));
                let limit = words::time(words::POOL_LIMIT);
                let what = format!("The clock may be more than {limit} wrong: {}", words::bound(bound));
                let event = Event::new(Kind::Alarm, since, "error bound", what);
                let why = "Its sources are far away or unsteady, or have not answered for a while.";
                let event = event.because(why).effect("The pool takes points from servers that far off.");
                news.push(News::Event(event, Some("bound".to_owned())));
            }
            Some((_, false)) if bound > words::POOL_LIMIT => {}
            Some((_, true)) if bound > words::POOL_LIMIT * NARROW => {}
            Some((_, told)) => {
                self.wide = None;
                if told {
                    news.push(News::Ended("bound".to_owned()));
                }
            }
            None => {}
        }
    }

    fn choice(&mut self, now: &Snapshot, why: &impl Fn(&SourceSnapshot) -> String, news: &mut Vec<News>) {
        let followed = now.followed().map(identity);
        if followed != self.followed.0 {
            self.followed = (followed, now.at);
        }
        let lasted = now.at - self.followed.1 >= STEADY;
        if let (Some(source), true) = (now.followed(), lasted)
            && self.followed.0 != self.told
        {
            self.told.clone_from(&self.followed.0);
            let short = format!("{} selected", short(&source.name));
            let event = Event::new(Kind::Source, self.followed.1, short, format!("Selected {}", source.name));
            news.push(News::Event(event.because(why(source)), None));
        }
    }

    fn sources(&mut self, now: &Snapshot, why: &impl Fn(&SourceSnapshot) -> String, news: &mut Vec<News>) {
        let present: Vec<(String, Trouble)> =
            now.sources.iter().filter_map(|source| Some((identity(source), trouble(source)?))).collect();
        for source in &now.sources {
            let Some(trouble) = trouble(source) else { continue };
            let key = (identity(source), trouble);
            let (since, told) = self.troubles.entry(key.clone()).or_insert((now.at, false));
            if *told || now.at - *since < PATIENCE {
                continue;
            }
            *told = true;
            let event = describe(source, trouble, *since).because(why(source));
            let others =
                now.sources.iter().filter(|source| ntp::metrics::state_code(source.data.state) >= 3).count();
            let event = event.effect(match others {
                0 => "No other source can be used.".to_owned(),
                1 => "One source remains.".to_owned(),
                others => format!("{others} sources remain."),
            });
            news.push(News::Event(event, Some(name(&key))));
        }
        self.troubles.retain(|key, (_, told)| {
            let over = !present.contains(key);
            if over && *told {
                news.push(News::Ended(name(key)));
            }
            !over
        });
    }

    fn list(&mut self, now: &Snapshot, news: &mut Vec<News>) {
        let names: Vec<String> =
            now.sources.iter().filter(|source| !source.pool).map(|source| source.name.clone()).collect();
        let Some(known) = self.known.replace(names.clone()) else { return };
        for (list, other, word) in [(&names, &known, "Added"), (&known, &names, "Removed")] {
            for source in list.iter().filter(|source| !other.contains(source)) {
                let short = format!("{} {}", short(source), word.to_lowercase());
                news.push(News::Event(
                    Event::new(Kind::Config, now.at, short, format!("{word} {source}")),
                    None,
                ));
            }
        }
    }
}

fn name(key: &(String, Trouble)) -> String {
    format!("{:?} {}", key.1, key.0)
}

fn trouble(source: &SourceSnapshot) -> Option<Trouble> {
    match source.data.state {
        SourceState::Falseticker => Some(Trouble::Wrong),
        SourceState::Jittery => Some(Trouble::Unsteady),
        // It has answered once, and its last eight requests were for nothing.
        _ if source.data.reach.0 == 0 && source.data.last_rx.0.is_some() => Some(Trouble::Lost),
        _ => None,
    }
}

fn describe(source: &SourceSnapshot, trouble: Trouble, since: f64) -> Event {
    let (name, short) = (&source.name, short(&source.name));
    match trouble {
        Trouble::Lost => {
            Event::new(Kind::Alarm, since, format!("{short} lost"), format!("{name} stopped answering"))
        }
        Trouble::Wrong => {
            let by = words::time(source.offset());
            Event::new(
                Kind::Alarm,
                since,
                format!("{short} wrong, {by}"),
                format!("{name} is wrong by {by} and is ignored"),
            )
        }
        Trouble::Unsteady => Event::new(
            Kind::Source,
            since,
            format!("{short} unsteady"),
            format!("{name} is too unsteady to use"),
        ),
    }
}

/// The part of a name that tells it from others.
fn short(name: &str) -> &str {
    let numbers = name.parse::<std::net::IpAddr>().is_ok();
    let parts: Vec<&str> = name.split('.').collect();
    match parts[..] {
        _ if numbers => name,
        ["ntp" | "time", second, ..] => second,
        [first, ..] => first,
        [] => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ntp::control::sources::{Reach, SourceData};
    use ntp::report::{Interval, Seconds};

    fn source(name: &str, state: SourceState, reach: u16) -> SourceSnapshot {
        let data = SourceData {
            state,
            reach: Reach(reach),
            last_rx: Interval(Some(1)),
            adjusted_offset: Seconds(-0.047),
            ..SourceData::default()
        };
        SourceSnapshot { name: name.to_owned(), data, ..SourceSnapshot::default() }
    }

    fn snapshot(at: f64, sources: &[SourceSnapshot]) -> Snapshot {
        let mut snapshot = Snapshot { at, sources: sources.to_vec(), ..Snapshot::default() };
        snapshot.tracking.stratum = 2;
        snapshot
    }

    fn told(watcher: &mut Watcher, snapshot: &Snapshot) -> Vec<String> {
        let news = watcher.look(snapshot, |source| format!("because {}", source.name));
        let text = |news: News| match news {
            News::Event(event, _) => {
                format!("{} {}: {}. {}", event.at, event.kind.word(), event.what, event.why)
            }
            News::Ended(key) => format!("over: {key}"),
        };
        news.into_iter().map(text).collect()
    }

    #[test]
    fn a_day_is_told_in_few_words() {
        let mut watcher = Watcher::default();
        let (a, b) = (
            source("ntp.a.example", SourceState::Selected, 255),
            source("b.example", SourceState::Combined, 255),
        );
        let first = told(&mut watcher, &snapshot(0.0, &[a.clone(), b.clone()]));
        assert_eq!(first, ["0 source: The clock is right, within 0.1 ms. ", "over: unsynchronised"]);
        assert!(told(&mut watcher, &snapshot(29.0, &[a.clone(), b.clone()])).is_empty());
        assert_eq!(
            told(&mut watcher, &snapshot(30.0, &[a.clone(), b.clone()])),
            ["0 source: Selected ntp.a.example. because ntp.a.example"]
        );
        // Flapping is not news.
        let (a2, b2) = (
            source("ntp.a.example", SourceState::Combined, 255),
            source("b.example", SourceState::Selected, 255),
        );
        for at in 31..50 {
            let list = if at % 2 == 0 { [a.clone(), b.clone()] } else { [a2.clone(), b2.clone()] };
            assert!(told(&mut watcher, &snapshot(f64::from(at), &list)).is_empty());
        }
        let wrong = source("b.example", SourceState::Falseticker, 255);
        let list = [a.clone(), wrong];
        assert!(told(&mut watcher, &snapshot(100.0, &list)).is_empty());
        let after = told(&mut watcher, &snapshot(120.0, &list));
        assert_eq!(after, ["100 alarm: b.example is wrong by 47 ms and is ignored. because b.example"]);
        assert!(told(&mut watcher, &snapshot(121.0, &list)).is_empty());
        assert_eq!(told(&mut watcher, &snapshot(130.0, &[a.clone(), b])), ["over: Wrong b.example"]);
        let removed = told(&mut watcher, &snapshot(140.0, std::slice::from_ref(&a)));
        assert_eq!(removed, ["140 config: Removed b.example. "]);
        let stepped = Snapshot { steps: 1, last_step: -0.25, ..snapshot(150.0, &[a]) };
        assert!(told(&mut watcher, &stepped)[0].starts_with("150 step: The clock was stepped by −250 ms"));
        let lost = Snapshot { tracking: Default::default(), steps: 1, ..snapshot(160.0, &[]) };
        assert!(told(&mut watcher, &lost).iter().any(|text| text.contains("no longer synchronised")));
    }

    #[test]
    fn a_wide_error_bound_is_an_alarm_until_it_is_narrow_again() {
        let mut watcher = Watcher::default();
        let wide = |at: f64, bound: f64| {
            let mut snapshot = snapshot(at, &[]);
            snapshot.tracking.root_dispersion = Seconds(bound);
            snapshot
        };
        told(&mut watcher, &wide(0.0, 0.001));
        for at in [10.0, 40.0, 69.0] {
            assert!(told(&mut watcher, &wide(at, 0.04)).is_empty(), "{at}");
        }
        let alarm = told(&mut watcher, &wide(70.0, 0.04));
        assert!(
            alarm.len() == 1 && alarm[0].starts_with("10 alarm: The clock may be more than 25 ms wrong: 40"),
            "{alarm:?}"
        );
        assert!(told(&mut watcher, &wide(80.0, 0.024)).is_empty(), "not yet clearly better");
        assert_eq!(told(&mut watcher, &wide(90.0, 0.01)), ["over: bound"]);
        assert!(told(&mut watcher, &wide(100.0, 0.03)).is_empty());
    }

    #[test]
    fn names_are_shortened_to_what_tells_them_apart() {
        for (name, expected) in
            [("ntp.city.example", "city"), ("gps.ixp.example", "gps"), ("192.0.2.1", "192.0.2.1"), ("x", "x")]
        {
            assert_eq!(short(name), expected);
        }
    }
}
