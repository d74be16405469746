//! What the recorder itself tells as events: beginnings and ends, the machine, the archive.

use super::super::archive::Archive;
use super::super::events::{Event, Kind};
use super::super::watch::News;
use super::super::words;
use super::{CROWDED, Recorder};

/// The open event of an archive that cannot be written.
const ARCHIVE: &str = "archive";

impl Recorder {
    /// The first word of the daemon: how the last run ended, and that this one has begun.
    pub(super) fn begin(&mut self, at: f64) -> Vec<Event> {
        self.started = at;
        let newest = self.archive.as_ref().map_or(0.0, Archive::newest);
        let known = self.events.all().last().map_or(0.0, |event| event.at).max(newest);
        let pause = at - known;
        let stopped =
            self.events.all().iter().rev().find(|event| matches!(event.kind, Kind::Stop | Kind::Start));
        let clean = stopped.is_none_or(|event| event.kind == Kind::Stop);
        let mut events = Vec::new();
        if known > 0.0 && !clean && pause > 0.0 {
            let what = format!("Off for {}", words::span(pause));
            let event = Event::new(Kind::Stop, known, format!("off, {}", words::span(pause)), what);
            let mut event =
                event.because("No clean stop was recorded: power was lost, or the daemon was killed.");
            event.end = Some(at);
            events.push(event);
        }
        let start = match known > 0.0 {
            false => Event::new(Kind::Start, at, "first start", "Started for the first time"),
            true => {
                Event::new(Kind::Start, at, "start", format!("Started after {}", words::span(pause.max(0.0))))
            }
        };
        events.push(start);
        events.into_iter().map(|event| self.add(event)).collect()
    }

    pub(super) fn judge_machine(&mut self, at: f64) -> Option<Event> {
        let full = self.machine.conntrack / self.machine.conntrack_limit;
        let crowded = full > if self.crowded { CROWDED - 0.1 } else { CROWDED };
        if crowded == self.crowded {
            return None;
        }
        self.crowded = crowded;
        if !crowded {
            return self.note(News::Ended("conntrack".to_owned()), at);
        }
        let what = format!("The firewall's table of connections is {:.0} % full", full * 100.0);
        let event = Event::new(Kind::Alarm, at, "connections", what);
        let event = event.because("When it is full, new connections of the whole network fail.");
        self.note(News::Event(event, Some("conntrack".to_owned())), at)
    }

    pub(super) fn note(&mut self, news: News, at: f64) -> Option<Event> {
        match news {
            News::Event(event, key) => {
                let event = self.add(event);
                if let Some(key) = key {
                    self.open_events.insert(key, event.serial);
                }
                Some(event)
            }
            News::Ended(key) => {
                let serial = self.open_events.remove(&key)?;
                self.events.end(serial, at).ok().flatten()
            }
        }
    }

    pub(super) fn add(&mut self, event: Event) -> Event {
        match self.events.add(event.clone()) {
            Ok(event) => event,
            Err(error) => {
                // An archive that cannot be written says more.
                self.problem.get_or_insert(format!("Events cannot be written : {error}"));
                self.events.all().last().cloned().unwrap_or(event)
            }
        }
    }

    /// The archive could be written at `at` (s since 1970), or why not.
    pub(super) fn judge_archive(&mut self, at: f64, error: Option<&std::io::Error>) {
        let Some(error) = error else {
            self.problem = None;
            self.note(News::Ended(ARCHIVE.to_owned()), at);
            return;
        };
        let what = format!("The archive cannot be written : {error}");
        if !self.open_events.contains_key(ARCHIVE) {
            let event = Event::new(Kind::Alarm, at, "archive", what.clone());
            let event = event
                .because("What is measured waits in memory, as far as there is room.")
                .effect("The time served is not affected.");
            self.note(News::Event(event, Some(ARCHIVE.to_owned())), at);
        }
        self.problem = Some(format!("{what}; nothing else is affected"));
    }
}
